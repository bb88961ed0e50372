/*
 * The body of every kernel table, compiled once per instruction set.
 *
 * A cpu_NAME.c defines KERNELS_TABLE, KERNELS_NAME, LANES (floats in a
 * register), ROWS (of the tiles written here), and for each type of factors
 * that has tiles of its own TILES_F32, TILES_BF16, TILES_INT8; then it includes
 * this file. It is written in the compilers' vector extension, so there are no
 * intrinsics, and `a * b + c` is fused where the instruction set has it
 * (-ffp-contract=fast).
 */
#include <stdint.h>
#include <string.h>

#include "math/kernels.h"

/* Any address will do for these types; `may_alias` for float buffers. */
typedef float vec
    __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t ivec
    __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

typedef uint16_t hvec __attribute__((vector_size(2 * LANES)));
typedef uint8_t bvec __attribute__((vector_size(LANES)));

enum { COLS = 2 * LANES, ROWS = 4 };

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

ALWAYS_INLINE ivec load_int(const int32_t *p)
{
    return *(const ivec *)p;
}

/* 4 bytes anywhere, in all lanes. */
ALWAYS_INLINE float load_one(const void *p)
{
    float x;
    memcpy(&x, p, sizeof x);
    return x;
}

ALWAYS_INLINE ivec load_one_int(const void *p)
{
    int32_t x;
    memcpy(&x, p, sizeof x);
    return x - (ivec){0};
}

ALWAYS_INLINE void store(float *p, vec v)
{
    *(vec *)p = v;
}

/* The first n <= LANES numbers; the rest is `fill`, or 0. */
ALWAYS_INLINE vec load_some(const float *p, size_t n, float fill)
{
    if (n == LANES)
        return load(p);
    vec v = splat(fill);
    memcpy(&v, p, 4 * n);
    return v;
}

ALWAYS_INLINE ivec load_some_int(const int32_t *p, size_t n)
{
    if (n == LANES)
        return load_int(p);
    ivec v = {0};
    memcpy(&v, p, 4 * n);
    return v;
}

ALWAYS_INLINE void store_some(float *p, vec v, size_t n)
{
    if (n == LANES)
        store(p, v);
    else
        memcpy(p, &v, 4 * n);
}

ALWAYS_INLINE vec choose(ivec mask, vec yes, vec no)
{
    return (vec)((mask & (ivec)yes) | (~mask & (ivec)no));
}

/* a > b ? a : b, so that a NaN in b stays. */
ALWAYS_INLINE vec larger(vec a, vec b)
{
#ifdef LARGER
    return LARGER(a, b);
#else
    return choose(a > b, a, b);
#endif
}

ALWAYS_INLINE vec smaller(vec a, vec b)
{
#ifdef SMALLER
    return SMALLER(a, b);
#else
    return choose(a < b, a, b);
#endif
}

/* 1 / x: one step of Newton's doubles the bits; relative error < 1.2e-7, and
 * 1 gives 1. x is from 1 to 2^125. (AVX2's 11 bits would leave more.) */
ALWAYS_INLINE vec reciprocal(vec x)
{
#ifdef ABOUT_RECIPROCAL
    const vec r = ABOUT_RECIPROCAL(x);
    return r + r * (1.0f - x * r);
#else
    return 1.0f / x;
#endif
}

/* Halves onto each other: fewer steps than lanes, and the same on every
 * compiler. */
ALWAYS_INLINE float sum_of(vec v)
{
    float lane[LANES];
    memcpy(lane, &v, sizeof lane);
    UNROLL for (int half = LANES / 2; half > 0; half /= 2)
    {
        UNROLL for (int i = 0; i < half; i++) lane[i] += lane[i + half];
    }
    return lane[0];
}

ALWAYS_INLINE float largest_of(vec v)
{
    float lane[LANES];
    memcpy(lane, &v, sizeof lane);
    UNROLL for (int half = LANES / 2; half > 0; half /= 2)
    {
        UNROLL for (int i = 0; i < half; i++) lane[i] =
            lane[i] > lane[i + half] ? lane[i] : lane[i + half];
    }
    return lane[0];
}

/* bf16 is the upper half of a float, rounded to nearest, ties to even; a NaN
 * whose lower half alone says so must not become infinite. */
ALWAYS_INLINE hvec narrow(vec v)
{
#ifdef NARROW
    return NARROW(v);
#else
    const ivec bits = (ivec)v;
    const ivec even = bits >> 16 & 1;
    const ivec rounded = bits + 0x7fff + even;
    const ivec nan = bits | 0x400000;
    const ivec is_nan = v != v;
    const ivec kept = (is_nan & nan) | (~is_nan & rounded);
    return __builtin_convertvector(kept >> 16, hvec);
#endif
}

ALWAYS_INLINE void store_narrow(uint16_t *p, vec v, size_t n)
{
    const hvec h = narrow(v);
    if (n == LANES)
        memcpy(p, &h, sizeof h);
    else
        memcpy(p, &h, 2 * n);
}

/*
 * exp(x) for x <= 88, relative error < 2e-7; below -87 as there.
 * x = n ln 2 + f with |f| <= ln(2)/2; exp(f) by its Taylor series to f^7 (the
 * term left out is below 6e-9); n is added to the exponent.
 */
ALWAYS_INLINE vec exponential(vec x)
{
    /* 1.5 * 2^23: added, it rounds to an integer and leaves that in the lowest
     * bits; shifted left by 23, nothing of itself is left. */
    const vec magic = splat(12582912.0f);
    const vec kept = larger(splat(-87.0f), x);
    const vec shifted = kept * 1.44269504f + magic;
    const vec n = shifted - magic;
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
    return (vec)((ivec)p + ((ivec)shifted << 23));
}

ALWAYS_INLINE vec sigmoid(vec x)
{
    return reciprocal(1.0f + exponential(smaller(splat(88.0f), -x)));
}

/* Phi(-z) for z >= 0, absolute error < 1e-7: tools/gen/normal_tail.py. */
ALWAYS_INLINE vec normal_tail(vec z)
{
    const vec t = reciprocal(1.0f + 0.24f * z);
    vec p = splat(-1.250860228e-01f);
    p = p * t + 5.545754190e-01f;
    p = p * t - 6.460737450e-01f;
    p = p * t + 6.255936635e-01f;
    p = p * t - 1.540509300e-01f;
    p = p * t + 1.555142744e-01f;
    p = p * t + 8.952734062e-02f;
    return p * t * exponential(z * z * -0.5f);
}

/* x Phi(x) = max(x, 0) - |x| Phi(-|x|) on either side of 0. */
ALWAYS_INLINE vec gelu(vec x)
{
    const vec size = (vec)((ivec)x & INT32_MAX);
    return larger(splat(0), x) - size * normal_tail(size);
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

/* --------------------------------------------------------------- tiles -- */

/*
 * Tiles of ROWS x COLS for the types that have none in assembly. `rows` is a
 * constant wherever these are inlined, so that the sums live in registers.
 */
#ifndef TILES_F32
ALWAYS_INLINE void f32_tile(const int rows, const char *a, size_t lda,
                            const float *b, size_t steps, float *sums)
{
    vec sum[ROWS][2];
    UNROLL for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = splat(0);
    for (size_t i = 0; i < steps; i++, b += COLS) {
        const vec low = load(b), high = load(b + LANES);
        UNROLL for (int r = 0; r < rows; r++)
        {
            const float x = load_one(a + (size_t)r * lda + 4 * i);
            sum[r][0] += x * low;
            sum[r][1] += x * high;
        }
    }
    UNROLL for (int r = 0; r < rows; r++)
    {
        store(sums + r * COLS, sum[r][0]);
        store(sums + r * COLS + LANES, sum[r][1]);
    }
}
#endif

#ifndef TILES_BF16
/* A bf16 is the upper half of a float. Two lie in each 32 bits. */
ALWAYS_INLINE vec even_bf16(ivec pairs)
{
    return (vec)(pairs << 16);
}

ALWAYS_INLINE vec odd_bf16(ivec pairs)
{
    return (vec)(pairs & (int32_t)0xffff0000);
}

ALWAYS_INLINE void bf16_tile(const int rows, const char *a, size_t lda,
                             const int32_t *b, size_t steps, float *sums)
{
    vec sum[ROWS][2];
    UNROLL for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = splat(0);
    for (size_t i = 0; i < steps; i++, b += COLS) {
        const ivec low = load_int(b), high = load_int(b + LANES);
        UNROLL for (int r = 0; r < rows; r++)
        {
            const ivec pair = load_one_int(a + (size_t)r * lda + 4 * i);
            sum[r][0] += even_bf16(pair) * even_bf16(low);
            sum[r][0] += odd_bf16(pair) * odd_bf16(low);
            sum[r][1] += even_bf16(pair) * even_bf16(high);
            sum[r][1] += odd_bf16(pair) * odd_bf16(high);
        }
    }
    UNROLL for (int r = 0; r < rows; r++)
    {
        store(sums + r * COLS, sum[r][0]);
        store(sums + r * COLS + LANES, sum[r][1]);
    }
}
#endif

#ifndef TILES_INT8
ALWAYS_INLINE void int8_tile(const int rows, const char *a, size_t lda,
                             const int8_t *b, size_t steps, int32_t *sums)
{
    for (int r = 0; r < rows; r++, a += lda, sums += COLS) {
        const uint8_t *u = (const uint8_t *)a;
        for (int j = 0; j < COLS; j++)
            sums[j] = 0;
        for (size_t i = 0; i < steps; i++)
            for (int j = 0; j < COLS; j++) {
                const int8_t *q = b + 4 * (i * COLS + (size_t)j);
                for (int l = 0; l < 4; l++)
                    sums[j] += u[4 * i + (size_t)l] * q[l];
            }
    }
}
#endif

#define TILE(type, rows)                                                       \
    static void type##_##rows(const void *a, size_t lda, const void *b,        \
                              size_t steps, void *sums, const void *next)      \
    {                                                                          \
        (void)next;                                                            \
        type##_tile(rows, a, lda, b, steps, sums);                             \
    }
#define TILES(type)                                                            \
    TILE(type, 1)                                                              \
    TILE(type, 2)                                                              \
    TILE(type, 3)                                                              \
    TILE(type, 4)                                                              \
    static akin__tile *const type##_tiles[] = {NULL, type##_1, type##_2,       \
                                               type##_3, type##_4};
#define OWN(type)                                                              \
    {                                                                          \
        KERNELS_PATH, ROWS, COLS, 0, type##_tiles                              \
    }

#ifndef TILES_F32
TILES(f32)
#define TILES_F32 OWN(f32)
#endif
#ifndef TILES_BF16
TILES(bf16)
#define TILES_BF16 OWN(bf16)
#endif
#ifndef TILES_INT8
TILES(int8)
#define TILES_INT8 OWN(int8)
#endif

/* ------------------------------------------------------------ epilogue -- */

/* The operands of a register's columns. */
struct columns {
    vec bias, scale, unit; /* unit: what 1 of an 8-bit sum stands for */
    vec sum;
};

ALWAYS_INLINE struct columns load_columns(const struct akin__epilogue *e,
                                          size_t at, size_t n)
{
    struct columns c = {splat(0), splat(1), splat(1), splat(0)};
    if (e->bias)
        c.bias = load_some(e->bias + at, n, 0);
    if (e->scale)
        c.scale = load_some(e->scale + at, n, 0);
    if (e->column_scale) {
        c.unit = load_some(e->column_scale + at, n, 0);
        c.sum =
            __builtin_convertvector(load_some_int(e->column_sum + at, n), vec);
    }
    return c;
}

/* What all rows of a tile have in common. */
struct finishing {
    const struct akin__epilogue *epilogue;
    size_t rows, stride, ld;
};

/*
 * `registers` of every row, from column `at` on; `n` numbers in the last of
 * them. All but the first and `at` are constants where this is inlined, but for
 * the n of a row's last numbers.
 */
ALWAYS_INLINE void finish_columns(const struct finishing *f, size_t at,
                                  const int registers, size_t n,
                                  const bool bytes,
                                  const enum akin__activation activation,
                                  const float *sums, char *out)
{
    const struct akin__epilogue *e = f->epilogue;
    const float *row_scale = e->row_scale;
    const float *residual = e->residual ? e->residual + at : NULL;
    const int32_t *zero = e->zero;
    const size_t residual_ld = e->residual_ld, stride = f->stride, ld = f->ld;
    const bool narrow = e->narrow, linear = activation == AKIN__LINEAR;
    struct columns c[2];
    UNROLL for (int i = 0; i < registers; i++)
    {
        const size_t some = i + 1 < registers ? LANES : n;
        c[i] = load_columns(e, at + (size_t)i * LANES, some);
        if (linear) { /* a factor of both terms */
            c[i].bias *= c[i].scale;
            c[i].unit *= c[i].scale;
        }
    }
    sums += at;
    out += at * (narrow ? 2 : 4);
    for (size_t r = 0; r < f->rows; r++, sums += stride, out += ld) {
        const float row = row_scale ? row_scale[r] : 1;
        const float minus = bytes ? (float)zero[r] : 0;
        UNROLL for (int i = 0; i < registers; i++)
        {
            const size_t some = i + 1 < registers ? LANES : n;
            vec sum = load(sums + i * LANES);
            if (bytes) /* beyond 2^24 a sum loses bits that no float has */
                sum =
                    __builtin_convertvector((ivec)sum, vec) - c[i].sum * minus;
            sum = sum * ((bytes || linear ? c[i].unit : splat(1)) * row) +
                  c[i].bias;
            if (!linear)
                sum = activate(activation, sum) * c[i].scale;
            if (residual)
                sum += load_some(residual + i * LANES, some, 0);
            if (narrow)
                store_narrow((uint16_t *)(void *)out + i * LANES, sum, some);
            else
                store_some((float *)(void *)out + i * LANES, sum, some);
        }
        if (residual)
            residual += residual_ld;
    }
}

ALWAYS_INLINE void finish_as(const struct finishing *f, size_t cols,
                             const bool bytes,
                             const enum akin__activation activation,
                             const float *sums, char *out)
{
    size_t at = 0;
    for (; at + 2 * LANES <= cols; at += 2 * LANES)
        finish_columns(f, at, 2, LANES, bytes, activation, sums, out);
    for (; at < cols; at += LANES)
        finish_columns(f, at, 1, cols - at < LANES ? cols - at : LANES, bytes,
                       activation, sums, out);
}

static void finish(size_t rows, size_t cols, const void *sums, size_t stride,
                   const struct akin__epilogue *e, void *out, size_t ld)
{
    const enum akin__activation linear = AKIN__LINEAR, gelu = AKIN__GELU,
                                quick = AKIN__QUICK_GELU;
    const struct finishing f = {e, rows, stride, ld};
    const bool bytes = e->column_scale;
    switch (e->activation) { /* constants from here on */
    case AKIN__LINEAR:
        if (bytes)
            finish_as(&f, cols, true, linear, sums, out);
        else
            finish_as(&f, cols, false, linear, sums, out);
        break;
    case AKIN__GELU:
        if (bytes)
            finish_as(&f, cols, true, gelu, sums, out);
        else
            finish_as(&f, cols, false, gelu, sums, out);
        break;
    case AKIN__QUICK_GELU:
        if (bytes)
            finish_as(&f, cols, true, quick, sums, out);
        else
            finish_as(&f, cols, false, quick, sums, out);
        break;
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

static void to_bf16(size_t n, const float *x, uint16_t *out)
{
    for (size_t i = 0; i < n; i += LANES) {
        const size_t some = n - i < LANES ? n - i : LANES;
        store_narrow(out + i, load_some(x + i, some, 0), some);
    }
}

/* The range of a row, 0 included; `poison` is 0, or NaN when the row is not
 * finite: a scale of NaN makes the vector one that the caller refuses. */
struct range {
    float low, high, poison;
};

static struct range range_of(size_t n, const float *x)
{
    vec low = splat(0), high = splat(0), poison = splat(0);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const vec v = load(x + i);
        low = smaller(v, low);
        high = larger(v, high);
        poison += v * 0.0f;
    }
    if (i < n) {
        const vec v = load_some(x + i, n - i, 0);
        low = smaller(v, low);
        high = larger(v, high);
        poison += v * 0.0f;
    }
    return (struct range){-largest_of(-low), largest_of(high), sum_of(poison)};
}

extern const struct akin__kernels KERNELS_TABLE;

/* `zero` + x rounded to nearest, from 1 to 255. Rounding errors of x, which is
 * the range of a row spread over 254, may leave that by less than one. */
ALWAYS_INLINE bvec bytes_of(vec x, int32_t zero)
{
    /* 1.5 * 2^23 leaves the integer in the lowest bits. */
    const vec u = smaller(splat(255), larger(splat(1), x + (float)zero));
    return __builtin_convertvector((ivec)(u + 12582912.0f) & 255, bvec);
}

static void to_int8(size_t n, const float *x, uint8_t *out, float *scale,
                    int32_t *zero)
{
    const struct range range = range_of(n, x);
    const float step = (range.high - range.low) / 254;
    const float inverse = step > 0 ? 1 / step : 0;
    const int finite = range.poison == range.poison && inverse < 3e38f;
    const int32_t at = finite ? 1 + (int32_t)(0.5f - range.low * inverse) : 128;
    *scale = step + range.poison;
    *zero = KERNELS_TABLE.tiles[AKIN_PRECISION_INT8].group ? at - 128 : at;
    const float unit = finite ? inverse : 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const bvec u = bytes_of(load(x + i) * unit, at);
        memcpy(out + i, &u, sizeof u);
    }
    if (i < n) {
        const bvec u = bytes_of(load_some(x + i, n - i, 0) * unit, at);
        memcpy(out + i, &u, n - i);
    }
}

ALWAYS_INLINE void store_as(void *out, size_t at, vec v, size_t n, bool narrow)
{
    if (narrow)
        store_narrow((uint16_t *)out + at, v, n);
    else
        store_some((float *)out + at, v, n);
}

/* The first n lanes of v, the others from `other`. */
ALWAYS_INLINE vec first_of(vec v, size_t n, vec other)
{
    static const int32_t numbers[] = {0, 1, 2,  3,  4,  5,  6,  7,
                                      8, 9, 10, 11, 12, 13, 14, 15};
    const ivec within = load_int(numbers) < (int32_t)n;
    return choose(within, v, other);
}

static float exponentials(size_t n, const float *row, float scale, bool narrow,
                          void *out)
{
    const size_t whole = n / LANES * LANES, rest = n - whole;
    vec most = splat(row[0]);
    for (size_t i = 0; i < whole; i += LANES)
        most = larger(most, load(row + i));
    if (rest)
        most = larger(most, first_of(load(row + whole), rest, most));
    const float peak = largest_of(most);
    vec total = splat(0);
    for (size_t i = 0; i < whole; i += LANES) {
        const vec e = exponential((load(row + i) - peak) * scale);
        store_as(out, i, e, LANES, narrow);
        total += e;
    }
    if (rest) {
        const vec e = exponential((load(row + whole) - peak) * scale);
        const vec kept = first_of(e, rest, splat(0));
        store_as(out, whole, kept, LANES, narrow);
        total += kept;
    }
    return sum_of(total);
}

static void swiglu(size_t n, const float *in, bool narrow, void *out)
{
    for (size_t i = 0; i < n; i += LANES) {
        const size_t some = n - i < LANES ? n - i : LANES;
        const vec gate = load_some(in + i, some, 0);
        const vec value = load_some(in + n + i, some, 0);
        store_as(out, i, gate * sigmoid(gate) * value, some, narrow);
    }
}

#ifdef WIDEN_BYTES
static void byte_sums(size_t rows, size_t n, const uint8_t *bytes,
                      size_t stride, const int16_t *numbers,
                      const int16_t *others, uint32_t (*sums)[2])
{
    for (size_t r = 0; r < rows; r++, bytes += stride) {
        ivec a = {0}, b = {0};
        for (size_t i = 0; i < n; i += 2 * LANES) {
            const ivec wide = WIDEN_BYTES(bytes + i);
            a = ADD_PRODUCTS(a, wide, numbers + i);
            b = ADD_PRODUCTS(b, wide, others + i);
        }
        sums[r][0] = SUM_OF_INTS(a);
        sums[r][1] = SUM_OF_INTS(b);
    }
}
#else
static void byte_sums(size_t rows, size_t n, const uint8_t *bytes,
                      size_t stride, const int16_t *numbers,
                      const int16_t *others, uint32_t (*sums)[2])
{
    for (size_t r = 0; r < rows; r++, bytes += stride) {
        uint32_t a = 0, b = 0;
        for (size_t i = 0; i < n; i++) {
            a += (uint32_t)(bytes[i] * numbers[i]);
            b += (uint32_t)(bytes[i] * others[i]);
        }
        sums[r][0] = a;
        sums[r][1] = b;
    }
}
#endif

const struct akin__kernels KERNELS_TABLE = {
    .name = KERNELS_NAME,
    .tiles = {[AKIN_PRECISION_F32] = TILES_F32,
              [AKIN_PRECISION_BF16] = TILES_BF16,
              [AKIN_PRECISION_INT8] = TILES_INT8},
    .fast_bf16 = FAST_BF16,
    .finish = finish,
    .layer_norm = layer_norm,
    .to_bf16 = to_bf16,
    .to_int8 = to_int8,
    .exponentials = exponentials,
    .swiglu = swiglu,
    .byte_sums = byte_sums,
};
