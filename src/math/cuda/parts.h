/*
 * Parts: what the plugin's files share: errors, memory, products, and the
 * functions that plugin.cu puts into the table.
 */
#ifndef AKIN_MATH_CUDA_PARTS_H
#define AKIN_MATH_CUDA_PARTS_H

#include <cuda_runtime.h>

#include "math/cuda/plugin.h"

/* Write the error and give `status` back; err may be NULL. */
akin_status akin__cuda_fail(akin_error *err, akin_status status,
                            const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* AKIN_OK, or what CUDA could not do as an error. */
akin_status akin__cuda_check(cudaError_t result, const char *what,
                             akin_error *err);

/* Leave by `out`, with `status` set, when a call of CUDA or ours fails. */
#define CUDA_TRY(call, err)                                                    \
    do {                                                                       \
        status = akin__cuda_check((call), #call, (err));                       \
        if (status)                                                            \
            goto out;                                                          \
    } while (0)
#define TRY(call)                                                              \
    do {                                                                       \
        status = (call);                                                       \
        if (status)                                                            \
            goto out;                                                          \
    } while (0)

/* Make `card` the current one of this thread. */
akin_status akin__cuda_use(int card, akin_error *err);

/* Whether `bytes` are free on the current card, for `what`. */
akin_status akin__cuda_room(size_t bytes, const char *what, akin_error *err);

/* network.cu */
akin_status akin__cuda_network_open(struct akin__cuda_network **network,
                                    int card,
                                    const struct akin__cuda_spec *spec,
                                    akin_error *err);
void akin__cuda_network_close(struct akin__cuda_network **network);
size_t akin__cuda_network_batch(const struct akin__cuda_network *network);
akin_status akin__cuda_network_run(struct akin__cuda_network *network,
                                   size_t count, const uint8_t *bytes,
                                   float *vectors, akin_error *err);
akin_status akin__cuda_network_patches(struct akin__cuda_network *network,
                                       const uint8_t *bytes, float *patches,
                                       akin_error *err);

/* search.cu */
akin_status akin__cuda_rows_open(struct akin__cuda_rows **rows, int card,
                                 size_t most, size_t dim, akin_error *err);
void akin__cuda_rows_close(struct akin__cuda_rows **rows);
akin_status akin__cuda_rows_put(struct akin__cuda_rows *rows, size_t count,
                                const float *vectors, akin_error *err);
akin_status akin__cuda_rows_nearest(struct akin__cuda_rows *rows,
                                    const float *queries, size_t count,
                                    size_t k, const uint32_t *mask,
                                    uint32_t *place, float *score,
                                    size_t *found, float *reach,
                                    akin_error *err);

#endif
