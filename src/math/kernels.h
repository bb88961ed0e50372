/*
 * Kernels: the arithmetic a processor does fast, behind one table.
 *
 * A table is chosen once, the best this processor runs; AKIN_CPU=NAME can only
 * lower the choice. Every table computes the same formulas; between tables the
 * last bits differ (order of sums, fused multiply-add), with one table the same
 * input gives the same bits.
 *
 * To add an instruction set: a file like cpu_avx2.c, a line in kernels.c and
 * one in meson.build.
 *
 * Threads: tables are constant; every function here touches only what it is
 * given.
 */
#ifndef AKIN_MATH_KERNELS_H
#define AKIN_MATH_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "akin.h"
#include "math/tiles.h"

enum akin__activation {
    AKIN__LINEAR,
    AKIN__GELU,      /* x Phi(x), exact form; absolute error < 2.5e-7 |x| */
    AKIN__QUICK_GELU /* x / (1 + exp(-1.702 x)) */
};

/* The tiles of one type of factors. */
struct akin__tiles {
    const char *path;        /* the instructions, as docs/cpus.md lists them */
    size_t rows, cols;       /* of the largest */
    size_t group;            /* 8-bit panels: steps between rows of offsets, and
                                u - 128 is what is multiplied; 0: none, and u */
    akin__tile *const *tile; /* [rows + 1], by the number of rows */
};

/*
 * What happens to a tile of sums before it is stored:
 * out = residual + scale * activation(row_scale * sum + bias),
 * where the sum of 8-bit factors is first turned into that of what they stand
 * for: (sum - zero[row] * column_sum[column]) * column_scale[column].
 */
struct akin__epilogue {
    const float *bias;         /* [n], or NULL for 0 */
    const float *scale;        /* [n], or NULL for 1: DINOv2's layer scale */
    const float *residual;     /* [m][ld], or NULL for 0; may be the output */
    size_t residual_ld;        /* floats */
    const float *row_scale;    /* [m], or NULL for 1 */
    const int32_t *zero;       /* [m], 8-bit only: what stands for 0 */
    const float *column_scale; /* [n], 8-bit only, else NULL */
    const int32_t *column_sum; /* [n], 8-bit only */
    enum akin__activation activation;
    bool narrow; /* the output is bf16, rounded to nearest even */
};

struct akin__kernels {
    const char *name;            /* as AKIN_CPU takes it */
    struct akin__tiles tiles[3]; /* by akin_precision */
    bool fast_bf16;              /* bf16 tiles are faster than f32 ones */

    /* Apply the epilogue to sums [rows][tile's cols] and store `cols` columns
     * of each row at out, ld bytes apart. The epilogue's pointers are those of
     * the tile's first row and column. `stride`: numbers in a row of sums. */
    void (*finish)(size_t rows, size_t cols, const void *sums, size_t stride,
                   const struct akin__epilogue *epilogue, void *out, size_t ld);

    /* out [n] = (x - mean) / sqrt(variance + eps) * weight + bias; out may be
     * x. Variance over n, as torch.nn.LayerNorm. Absolute error < 2e-5 for
     * weights up to 1 and a mean of up to three deviations. */
    void (*layer_norm)(size_t n, const float *x, const float *weight,
                       const float *bias, float eps, float *out);

    /* out [n] = x as bf16, to nearest even; NaN stays NaN. */
    void (*to_bf16)(size_t n, const float *x, uint16_t *out);

    /* out [n] = 1 .. 255 so that x ~ *scale * (out - *zero), the range of x
     * (with 0) spread over them; x not finite: *scale is not either. Where the
     * table's tiles multiply out - 128, *zero is less by 128. */
    void (*to_int8)(size_t n, const float *x, uint8_t *out, float *scale,
                    int32_t *zero);

    /* out [n] = exp(scale * (row - max of row)); their sum comes back. `out`
     * is float and may be row, or bf16 where `narrow`. Both have room for whole
     * lines of 64 bytes; what out has behind n in its last register is 0.
     * Divided by the sum, off by < 5e-7; as bf16, by < 1 / 256 of itself. */
    float (*exponentials)(size_t n, const float *row, float scale, bool narrow,
                          void *out);

    /* out [n] = silu(gate) * value, gate = in [0..n), value = in [n..2n);
     * bf16 where `narrow`. */
    void (*swiglu)(size_t n, const float *in, bool narrow, void *out);

    /* sums [rows][2], modulo 2^32: the products of n bytes, `stride` apart for
     * each row, with `numbers` and with `others`. Both have room for
     * akin__byte_span(n) and are 0 beyond n; so many bytes of a row are read.
     */
    void (*byte_sums)(size_t rows, size_t n, const uint8_t *bytes,
                      size_t stride, const int16_t *numbers,
                      const int16_t *others, uint32_t (*sums)[2]);
};

/* The table for this processor; NULL and *err when AKIN_CPU names none. */
const struct akin__kernels *akin__kernels(akin_error *err);

/* The table of that name if this processor runs it, else NULL. For tests. */
const struct akin__kernels *akin__kernels_named(const char *name);

#endif
