/*
 * The body of every kernel table, compiled once per instruction set.
 *
 * A cpu_NAME.c defines KERNELS_NAME, LANES (floats in a register), TILE_ROWS
 * and TILE_VECTORS (registers in a tile's row) and includes this file. It is
 * written in the compilers' vector extension, so there are no intrinsics, and
 * `a * b + c` is fused where the instruction set has it (-ffp-contract=fast).
 */
#include <stdint.h>
#include <string.h>

#include "math/kernels.h"

/* Any address will do for these types; `may_alias` for float buffers. */
typedef float vec
    __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t ivec
    __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

enum {
    TILE_COLS = LANES * TILE_VECTORS,
    LINE = 16,   /* floats in a cache line */
    AHEAD = 1024 /* floats of B asked for early: 4 KB, 450 cycles of sums,
                    covers the latency of a third-level cache */
};

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

ALWAYS_INLINE vec splat(float x)
{
    return x - (vec){0};
}

ALWAYS_INLINE vec load(const float *p)
{
    return *(const vec *)p;
}

ALWAYS_INLINE void store(float *p, vec v)
{
    *(vec *)p = v;
}

/* The first n < LANES floats; the rest is `fill`. */
ALWAYS_INLINE vec load_some(const float *p, size_t n, float fill)
{
    vec v = splat(fill);
    memcpy(&v, p, 4 * n);
    return v;
}

ALWAYS_INLINE void store_some(float *p, vec v, size_t n)
{
    memcpy(p, &v, 4 * n);
}

ALWAYS_INLINE vec choose(ivec mask, vec yes, vec no)
{
    return (vec)((mask & (ivec)yes) | (~mask & (ivec)no));
}

ALWAYS_INLINE vec larger(vec a, vec b)
{
    return choose(a > b, a, b);
}

ALWAYS_INLINE vec smaller(vec a, vec b)
{
    return choose(a < b, a, b);
}

ALWAYS_INLINE float sum_of(vec v)
{
    float lane[LANES], sum = 0;
    memcpy(lane, &v, sizeof lane);
    for (int i = 0; i < LANES; i++)
        sum += lane[i];
    return sum;
}

ALWAYS_INLINE float largest_of(vec v)
{
    float lane[LANES];
    memcpy(lane, &v, sizeof lane);
    float most = lane[0];
    for (int i = 1; i < LANES; i++)
        most = lane[i] > most ? lane[i] : most;
    return most;
}

/*
 * exp(x), relative error < 2e-7, 0 below -87 and capped at exp(88).
 * x = n ln 2 + f with |f| <= ln(2)/2; exp(f) by its Taylor series to f^7
 * (the term left out is below 6e-9), 2^n put into the exponent.
 */
ALWAYS_INLINE vec exponential(vec x)
{
    const vec magic = splat(12582912.0f); /* 1.5 * 2^23: rounds to integer */
    /* In this order of arguments a NaN stays a NaN. */
    const vec capped = smaller(splat(88.0f), x);
    const vec kept = larger(splat(-87.0f), capped);
    const vec n = (kept * 1.44269504f + magic) - magic;
    /* ln 2 in two parts, the first exact in n * part. */
    vec f = kept - n * 0.693359375f;
    f = f - n * -2.12194440e-4f;
    vec p = splat(1.0f / 5040);
    p = p * f + 1.0f / 720;
    p = p * f + 1.0f / 120;
    p = p * f + 1.0f / 24;
    p = p * f + 1.0f / 6;
    p = p * f + 0.5f;
    p = p * f + 1.0f;
    p = p * f + 1.0f;
    const ivec power = (__builtin_convertvector(n, ivec) + 127) << 23;
    return choose(x < splat(-87.0f), splat(0), p * (vec)power);
}

ALWAYS_INLINE vec sigmoid(vec x)
{
    return 1.0f / (1.0f + exponential(-x));
}

/* Phi(-z) for z >= 0, absolute error < 1e-7: tools/gen/normal_tail.py. */
ALWAYS_INLINE vec normal_tail(vec z)
{
    const vec t = 1.0f / (1.0f + 0.24f * z);
    vec p = splat(-1.250860228e-01f);
    p = p * t + 5.545754190e-01f;
    p = p * t - 6.460737450e-01f;
    p = p * t + 6.255936635e-01f;
    p = p * t - 1.540509300e-01f;
    p = p * t + 1.555142744e-01f;
    p = p * t + 8.952734062e-02f;
    return p * t * exponential(z * z * -0.5f);
}

ALWAYS_INLINE vec gelu(vec x)
{
    const ivec negative = x < splat(0);
    const vec tail = normal_tail(choose(negative, -x, x));
    return x * choose(negative, tail, 1.0f - tail);
}

ALWAYS_INLINE vec activate(enum akin__activation activation, vec x)
{
    switch (activation) {
    case AKIN__GELU:
        return gelu(x);
    case AKIN__QUICK_GELU:
        return x * sigmoid(1.702f * x);
    case AKIN__LINEAR:
        break;
    }
    return x;
}

/* ---------------------------------------------------------------- tile -- */

/* `rows` is a constant wherever this is inlined, so that the sums live in
 * registers. */
ALWAYS_INLINE void tile_of(const int rows, size_t k, const float *a,
                           const float *b, float *sums, int first)
{
    vec sum[TILE_ROWS][TILE_VECTORS];
    UNROLL for (int r = 0; r < rows; r++)
    {
        UNROLL for (int v = 0; v < TILE_VECTORS; v++) sum[r][v] =
            first ? splat(0) : load(sums + r * TILE_COLS + v * LANES);
    }
    for (size_t i = 0; i < k; i++) {
        vec column[TILE_VECTORS];
        for (int at = 0; at < TILE_COLS; at += LINE)
            __builtin_prefetch(b + AHEAD + at);
        UNROLL for (int v = 0; v < TILE_VECTORS; v++) column[v] =
            load(b + v * LANES);
        UNROLL for (int r = 0; r < rows; r++)
        {
            UNROLL for (int v = 0; v < TILE_VECTORS; v++) sum[r][v] +=
                a[r] * column[v];
        }
        a += rows;
        b += TILE_COLS;
    }
    UNROLL for (int r = 0; r < rows; r++)
    {
        UNROLL for (int v = 0; v < TILE_VECTORS; v++)
            store(sums + r * TILE_COLS + v * LANES, sum[r][v]);
    }
}

#define TILE_CASE(n)                                                           \
    case n:                                                                    \
        if (n <= TILE_ROWS)                                                    \
            tile_of(n <= TILE_ROWS ? n : 1, k, a, b, sums, first);             \
        break;

static void tile(size_t rows, size_t k, const float *a, const float *b,
                 float *sums, int first)
{
    switch (rows) {
        TILE_CASE(1)
        TILE_CASE(2)
        TILE_CASE(3)
        TILE_CASE(4)
        TILE_CASE(5)
        TILE_CASE(6)
        TILE_CASE(7)
        TILE_CASE(8)
        TILE_CASE(9)
        TILE_CASE(10)
        TILE_CASE(11)
        TILE_CASE(12)
        TILE_CASE(13)
        TILE_CASE(14)
    }
}

ALWAYS_INLINE vec finish_vec(vec sum, const struct akin__epilogue *e, size_t at,
                             const float *residual, size_t n)
{
    const int whole = n >= LANES;
    if (e->bias)
        sum += whole ? load(e->bias + at) : load_some(e->bias + at, n, 0);
    sum = activate(e->activation, sum);
    if (e->scale)
        sum *= whole ? load(e->scale + at) : load_some(e->scale + at, n, 0);
    if (residual)
        sum += whole ? load(residual + at) : load_some(residual + at, n, 0);
    return sum;
}

static void finish(size_t rows, size_t cols, const float *sums,
                   const struct akin__epilogue *e, float *out, size_t ld)
{
    for (size_t r = 0; r < rows; r++) {
        const float *residual =
            e->residual ? e->residual + r * e->residual_ld : NULL;
        for (size_t at = 0; at < cols; at += LANES) {
            const size_t n = cols - at;
            const vec done = finish_vec(load(sums + at), e, at, residual, n);
            if (n >= LANES)
                store(out + at, done);
            else
                store_some(out + at, done, n);
        }
        sums += TILE_COLS;
        out += ld;
    }
}

/* -------------------------------------------------------------- rows -- */

/* Mean first, then the variance of what is left: no cancellation. */
static void layer_norm(size_t n, const float *x, const float *weight,
                       const float *bias, float eps, float *out)
{
    const size_t whole = n / LANES * LANES, rest = n - whole;
    vec total = splat(0), squares = splat(0);
    for (size_t i = 0; i < whole; i += LANES)
        total += load(x + i);
    if (rest)
        total += load_some(x + whole, rest, 0);
    const float mean = sum_of(total) / (float)n;
    for (size_t i = 0; i < whole; i += LANES) {
        const vec d = load(x + i) - mean;
        squares += d * d;
    }
    if (rest) {
        const vec d = load_some(x + whole, rest, mean) - mean;
        squares += d * d;
    }
    const float inverse =
        1.0f / __builtin_sqrtf(sum_of(squares) / (float)n + eps);
    for (size_t i = 0; i < whole; i += LANES)
        store(out + i, (load(x + i) - mean) * inverse * load(weight + i) +
                           load(bias + i));
    if (rest)
        store_some(out + whole,
                   (load_some(x + whole, rest, 0) - mean) * inverse *
                           load_some(weight + whole, rest, 0) +
                       load_some(bias + whole, rest, 0),
                   rest);
}

static void softmax(size_t n, float *row, float scale)
{
    const size_t whole = n / LANES * LANES, rest = n - whole;
    vec most = load_some(row, n < LANES ? n : LANES, row[0]);
    for (size_t i = 0; i < whole; i += LANES)
        most = larger(most, load(row + i));
    if (rest)
        most = larger(most, load_some(row + whole, rest, row[0]));
    const float peak = largest_of(most);
    vec total = splat(0);
    for (size_t i = 0; i < whole; i += LANES) {
        const vec e = exponential((load(row + i) - peak) * scale);
        store(row + i, e);
        total += e;
    }
    float sum = sum_of(total);
    if (rest) {
        const vec e =
            exponential((load_some(row + whole, rest, peak) - peak) * scale);
        store_some(row + whole, e, rest);
        vec kept = splat(0);
        memcpy(&kept, &e, 4 * rest);
        sum += sum_of(kept);
    }
    const float share = 1.0f / sum;
    for (size_t i = 0; i < whole; i += LANES)
        store(row + i, load(row + i) * share);
    for (size_t i = whole; i < n; i++)
        row[i] *= share;
}

static void swiglu(size_t n, const float *in, float *out)
{
    const size_t whole = n / LANES * LANES, rest = n - whole;
    for (size_t i = 0; i < whole; i += LANES) {
        const vec gate = load(in + i);
        store(out + i, gate * sigmoid(gate) * load(in + n + i));
    }
    if (rest) {
        const vec gate = load_some(in + whole, rest, 0);
        const vec value = load_some(in + n + whole, rest, 0);
        store_some(out + whole, gate * sigmoid(gate) * value, rest);
    }
}

extern const struct akin__kernels KERNELS_TABLE;
const struct akin__kernels KERNELS_TABLE = {
    .name = KERNELS_NAME,
    .tile_rows = TILE_ROWS,
    .tile_cols = TILE_COLS,
    .tile = tile,
    .finish = finish,
    .layer_norm = layer_norm,
    .softmax = softmax,
    .swiglu = swiglu,
};
