/*
 * GEMM: out [m][n] = epilogue(A [m][k] x B [k][n]).
 *
 * B is packed once (weights at load, keys and values per image), A on the way.
 * A row of the result depends on its own row of A alone and is summed in an
 * order that k decides, so it has the same bits whatever m is.
 */
#ifndef AKIN_MATH_GEMM_H
#define AKIN_MATH_GEMM_H

#include <stddef.h>

#include "math/kernels.h"

/* B in panels: [ceil(n / tile_cols)][k][tile_cols], zeros beyond n. */
struct akin__packed {
    size_t k, n;
    float *panels; /* 64-byte aligned */
};

/* Floats that a packed [k][n] takes. 0 when it does not fit a size_t. */
size_t akin__packed_floats(const struct akin__kernels *kernels, size_t k,
                           size_t n);

/* Pack B into b->panels (of akin__packed_floats): element (i, j) of B is
 * source[i * k_stride + j * n_stride]. A weight [n][k] as torch.nn.Linear
 * keeps it has k_stride 1 and n_stride k. */
void akin__pack(const struct akin__kernels *kernels, struct akin__packed *b,
                const float *source, size_t k_stride, size_t n_stride);

/* Floats of scratch that akin__gemm needs for A of up to k columns. */
size_t akin__gemm_scratch(const struct akin__kernels *kernels, size_t k);

/*
 * A: [m] rows of k floats, lda apart; out: [m] rows of n floats, ldc apart;
 * scratch: 64-byte aligned, of akin__gemm_scratch(k) floats, one per thread.
 */
void akin__gemm(const struct akin__kernels *kernels, size_t m, const float *a,
                size_t lda, const struct akin__packed *b,
                const struct akin__epilogue *epilogue, float *out, size_t ldc,
                float *scratch);

#endif
