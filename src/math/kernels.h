/*
 * Kernels: the arithmetic a processor does fast, behind one table.
 *
 * A table is chosen once, the best this processor runs; AKIN_CPU=c, avx2 or
 * avx512 can only lower the choice. Every table computes the same formulas;
 * between tables the last bits differ (order of sums, fused multiply-add), with
 * one table the same input gives the same bits.
 *
 * To add an instruction set: a file like cpu_avx2.c, a line in kernels.c and
 * one in meson.build.
 *
 * Threads: tables are constant; every function here touches only what it is
 * given.
 */
#ifndef AKIN_MATH_KERNELS_H
#define AKIN_MATH_KERNELS_H

#include <stddef.h>

#include "akin.h"

enum akin__activation {
    AKIN__LINEAR,
    AKIN__GELU,      /* x Phi(x), exact form; absolute error < 2e-7 |x| */
    AKIN__QUICK_GELU /* x / (1 + exp(-1.702 x)) */
};

/* What happens to a tile of sums before it is stored:
 * out = residual + scale * activation(sum + bias). */
struct akin__epilogue {
    const float *bias;     /* [n], or NULL for 0 */
    const float *scale;    /* [n], or NULL for 1: DINOv2's layer scale */
    const float *residual; /* [m][ld], or NULL for 0; may be the output */
    size_t residual_ld;
    enum akin__activation activation;
};

struct akin__kernels {
    const char *name; /* "c", "avx2", "avx512" */

    /* The GEMM's tile: at most `tile_rows` rows of A by `tile_cols` of B. */
    size_t tile_rows, tile_cols;

    /*
     * sums [rows][tile_cols] += a x b, or = where `first`.
     * a: [k][rows] packed; b: [k][tile_cols] packed, 64-byte aligned;
     * sums: 64-byte aligned.
     */
    void (*tile)(size_t rows, size_t k, const float *a, const float *b,
                 float *sums, int first);

    /* Apply the epilogue to sums [rows][tile_cols] and store `cols` columns of
     * each row at out [rows][ld]. The epilogue's pointers are those of the
     * tile's first row and column. */
    void (*finish)(size_t rows, size_t cols, const float *sums,
                   const struct akin__epilogue *epilogue, float *out,
                   size_t ld);

    /* out [n] = (x - mean) / sqrt(variance + eps) * weight + bias; out may be
     * x. Variance over n, as torch.nn.LayerNorm. */
    void (*layer_norm)(size_t n, const float *x, const float *weight,
                       const float *bias, float eps, float *out);

    /* row [n] = softmax(scale * row). */
    void (*softmax)(size_t n, float *row, float scale);

    /* out [n] = silu(gate) * value, gate = in [0..n), value = in [n..2n). */
    void (*swiglu)(size_t n, const float *in, float *out);
};

/* The table for this processor; NULL and *err when AKIN_CPU names none. */
const struct akin__kernels *akin__kernels(akin_error *err);

/* The table of that name if this processor runs it, else NULL. For tests. */
const struct akin__kernels *akin__kernels_named(const char *name);

#endif
