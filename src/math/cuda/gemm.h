/*
 * GEMM: out [m][n] = a [m][k] w^T + bias (+ out) on a card, by cuBLASLt.
 *
 * Which of its algorithms is decided once for each kind of product, for the
 * largest number of rows, and then used for any: all of them that may be
 * chosen sum a row in an order that k decides, so it has the same bits whatever
 * else is multiplied.
 */
#ifndef AKIN_MATH_CUDA_GEMM_H
#define AKIN_MATH_CUDA_GEMM_H

#include <cublasLt.h>

#include "math/cuda/parts.h"

/* A linear layer in a card's memory. */
struct linear {
    bool bf16;         /* the type of w and of a */
    unsigned n, k, ld; /* ld: numbers from row to row, 0 behind k */
    void *w;           /* [n][ld] */
    const float *bias; /* [n] or NULL */
    void *narrow;      /* the same as bf16, or NULL */
};

/* What is done with it. */
struct product {
    const struct linear *by;
    unsigned first, n; /* outputs of it that are wanted, from `first` on */
    unsigned m;
    const void *a; /* [m][lda], lda at least by->ld */
    size_t lda;
    void *out; /* [m][ldc] */
    size_t ldc;
    bool wide; /* out is float, else of the type of a */
    bool add;  /* to what is there; out is wide then */
    bool bias;
};

enum {
    WORKSPACE = 32 << 20
}; /* bytes that cuBLASLt may use, by Hopper's
      documentation */

struct gemms; /* the algorithms; one for a network, one thread at a time */

akin_status akin__cuda_gemms_open(struct gemms **gemms, akin_error *err);
void akin__cuda_gemms_close(struct gemms **gemms);

/* Start the product. The first of its kind must be the largest. AKIN_EUSAGE
 * where cuBLASLt has nothing for it, or not for so few rows. */
akin_status akin__cuda_gemm(struct gemms *gemms, const struct product *product,
                            void *workspace, cudaStream_t stream,
                            akin_error *err);

#endif
