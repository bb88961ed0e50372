/*
 * Weights: the tensors of a model, from one safetensors file or from shards,
 * as float32 with the shape the network expects.
 *
 * Threads: immutable once open; loads may run on any thread.
 */
#ifndef AKIN_MODEL_WEIGHTS_H
#define AKIN_MODEL_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>

#include "akin.h"
#include "base/hash.h"
#include "model/place.h"

struct akin__weights;

/* IEEE 754 half precision. */
float akin__from_f16(uint16_t half);

/* Open model.safetensors, or the shards that model.safetensors.index.json
 * names. Every header is checked here, no tensor is read. */
akin_status akin__weights_open(struct akin__weights **weights,
                               const struct akin__weights_place *place,
                               akin_error *err);
void akin__weights_close(struct akin__weights **weights);

/*
 * AKIN_EMODEL when the tensor `name` is missing, has another shape than
 * shape [rank] or a type that holds no weights. Nothing is read.
 */
akin_status akin__weights_check(const struct akin__weights *weights,
                                const char *name, size_t rank,
                                const size_t *shape, akin_error *err);

/*
 * A tensor that akin__weights_check has passed, as float32 into `out` [its
 * elements]; its name, shape and bytes in the file are added to `hash`, or
 * to nothing when that is NULL.
 */
akin_status akin__weights_load(const struct akin__weights *weights,
                               const char *name, float *out,
                               struct akin__hash *hash, akin_error *err);

/*
 * Row `row` of such a tensor whose rows have n elements, as float32 into `out`
 * [n]. Takes no memory. AKIN_EIO, AKIN_EFORMAT.
 */
akin_status akin__weights_row(const struct akin__weights *weights,
                              const char *name, uint64_t row, size_t n,
                              float *out, akin_error *err);

#endif
