/*
 * Blob: a file whose name is its hash, as the hub and its cache keep them.
 * Called by the hub (hub_file.c) and by verify (shelf.c).
 */
#ifndef AKIN_MODEL_BLOB_H
#define AKIN_MODEL_BLOB_H

#include <stdbool.h>
#include <stdint.h>

#include "akin.h"
#include "base/file.h"

enum akin__blob_kind {
    AKIN__BLOB_UNKNOWN, /* not a hash that can be checked */
    AKIN__BLOB_SHA256,  /* 64 digits: a large file */
    AKIN__BLOB_GIT      /* 40 digits: SHA-1 of "blob SIZE\0" and the bytes */
};

enum akin__blob_kind akin__blob_kind(const char *hash);

/* Whether a regular file of this size is at `path`. */
bool akin__blob_there(const char *path, uint64_t size);

/* The hash of the `size` bytes of `file` into text [65]. `progress` (bytes of
 * `what`) may be NULL; AKIN_ECANCELLED when it asks to stop. */
akin_status akin__blob_hash(const struct akin__file *file, uint64_t size,
                            enum akin__blob_kind kind, char text[65],
                            akin_progress_fn progress, void *context,
                            const char *what, akin_error *err);

#endif
