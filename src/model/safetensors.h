/*
 * safetensors: names, types, shapes and bytes of tensors in one file.
 *
 * The file is untrusted. Before any tensor is read its header is known to be
 * whole: at most 16 MiB of UTF-8 JSON without duplicate keys, known types,
 * shapes whose product is the bytes given, and bytes that cover the rest of
 * the file exactly, without hole, overlap or tail (so nothing else can hide
 * in it). Tensors are read with pread into private memory: a file that is
 * truncated or rewritten while open gives an error, never a signal.
 *
 * Format: 8 bytes little-endian header length, the header, the tensors.
 * https://github.com/huggingface/safetensors#format
 *
 * Threads: immutable once open; reads may come from any thread.
 */
#ifndef AKIN_MODEL_SAFETENSORS_H
#define AKIN_MODEL_SAFETENSORS_H

#include <stdint.h>

#include "akin.h"

enum akin__dtype { AKIN__F32, AKIN__F16, AKIN__BF16, AKIN__OTHER };
enum { AKIN__MAX_RANK = 8 };

struct akin__tensor {
    const char *name; /* lives as long as the file */
    enum akin__dtype dtype;
    size_t rank;
    uint64_t shape[AKIN__MAX_RANK];
    uint64_t offset, bytes; /* in the file */
};

struct akin__safetensors;

akin_status akin__safetensors_open(struct akin__safetensors **file,
                                   const char *path, akin_error *err);
void akin__safetensors_close(struct akin__safetensors **file);

const char *akin__safetensors_path(const struct akin__safetensors *file);
/* The tensor of that name, or NULL. */
const struct akin__tensor *
akin__safetensors_find(const struct akin__safetensors *file, const char *name);

/* The tensor's bytes as they are in the file: `bytes` [tensor->bytes]. */
akin_status akin__safetensors_read(const struct akin__safetensors *file,
                                   const struct akin__tensor *tensor,
                                   void *bytes, akin_error *err);

#endif
