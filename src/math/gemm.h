/*
 * GEMM: out [m][n] = epilogue(A [m][k] x B [k][n]).
 *
 * Factors are float32, bf16 or 8-bit integers. B is packed once (weights at
 * load, keys and values per image); A is rows as they lie. A row of the result
 * depends on its own row of A alone and is summed in an order that k decides,
 * so it has the same bits whatever m is.
 *
 * 8-bit: A has a scale and a zero for each row, x ~ scale (u - zero) with u in
 * 1 .. 255; B has a scale for each column, w ~ scale q with |q| <= 127.
 */
#ifndef AKIN_MATH_GEMM_H
#define AKIN_MATH_GEMM_H

#include <stddef.h>

#include "math/kernels.h"
#include "math/quantize.h"

/*
 * B in panels of a tile's columns, columns beyond n and rows beyond k zero.
 *   float32  [k][cols]
 *   bf16     [k / 2][cols][2]
 *   8-bit    [k / 4][cols][4], or with tiles.group 4, for every 16 rows:
 *            int16 offsets [cols][2], what a lane of 16 bits starts from, then
 *            [4][cols][4]
 */
struct akin__packed {
    akin_precision type;
    size_t k, n;
    void *panels;        /* [akin__packed_bytes], 64-byte aligned */
    float *column_scale; /* [n], 8-bit only */
    int32_t *column_sum; /* [n], 8-bit only: of the packed q */
};

/* Rows as a GEMM takes them, on its left. */
struct akin__left {
    akin_precision type;
    void *values;  /* [m][ld] */
    size_t ld;     /* bytes between rows */
    float *scale;  /* [m], 8-bit only */
    int32_t *zero; /* [m], 8-bit only */
};

/* Steps of 4 bytes that k values take, a multiple of 4: so much of a row of A
 * is read; what lies beyond k there must be finite (bf16, float32). */
size_t akin__steps(akin_precision type, size_t k);

/* Bytes between rows of k values that lie well in a cache: whole lines, and
 * not a multiple of 4 KiB, at which all rows fall into one set. */
size_t akin__left_bytes(akin_precision type, size_t k);

/* Bytes of the panels of a packed [k][n]; 0 when it does not fit a size_t. */
size_t akin__packed_bytes(const struct akin__kernels *kernels,
                          akin_precision type, size_t k, size_t n);

/*
 * Pack B into b->panels (and scales and sums): element (i, j) of B is
 * source[j * ld + i], as torch.nn.Linear keeps a weight [n][k]. 8-bit:
 * `common` as akin__quantize takes it, or NULL.
 */
akin_status akin__pack(const struct akin__kernels *kernels,
                       struct akin__packed *b, const float *source, size_t ld,
                       const struct akin__common *common, akin_error *err);

/* Pack keys: row j of `source`, ld bytes apart, is column j of B. Type float32
 * or bf16, of source and B. bf16: k is even. */
void akin__pack_keys(const struct akin__kernels *kernels,
                     struct akin__packed *b, const void *source, size_t ld);

/* Pack values: row i of `source` is row i of B. */
void akin__pack_values(const struct akin__kernels *kernels,
                       struct akin__packed *b, const void *source, size_t ld);

/* out: [m] rows of n numbers (float, or bf16 as the epilogue says), ldc bytes
 * apart. The epilogue's 8-bit members are filled in from a and b. */
void akin__gemm(const struct akin__kernels *kernels, size_t m,
                const struct akin__left *a, const struct akin__packed *b,
                const struct akin__epilogue *epilogue, void *out, size_t ldc);

#endif
