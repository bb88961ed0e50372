/*
 * The body of the resize kernels for AVX2 and AVX-512, compiled once for each.
 *
 * A resize_NAME.c defines KERNELS_TABLE, KERNELS_LEVEL, LANES (int32 in a
 * register: 8 or 16), ROWS (filtered across together) and WIDEN(p), the LANES
 * bytes at p as int32, and includes this file. WIDEN is an intrinsic because
 * gcc 12 makes single moves of __builtin_convertvector from bytes; all else is
 * the compilers' vector extension.
 *
 * Across, five pixels fill 15 of 16 lanes as they lie in memory, so that
 * nothing is shuffled until their sums are added up; several rows share each
 * load of the weights, which do not fit the first-level cache. Down, no byte
 * behind a row is read or written: its last block is moved back over the one
 * before, whose bytes it writes again.
 */
#include <immintrin.h>
#include <string.h>

#include "image/resize_kernels.h"

/* Any address will do for these types. */
typedef int32_t vec
    __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef uint16_t halves __attribute__((vector_size(2 * LANES)));
typedef uint8_t bytes
    __attribute__((vector_size(LANES), aligned(1), may_alias));
typedef int32_t four __attribute__((vector_size(16), aligned(4), may_alias));

enum {
    GROUP_LANES = 16,            /* weights of a group, the last one 0 */
    PARTS = GROUP_LANES / LANES, /* registers of a group */
    GROUP = 5,                   /* pixels */
    STEP = 3 * GROUP,            /* bytes */
    HALF = 1 << (AKIN__RESIZE_BITS - 1),
    WIDE = 4 /* registers summed down together */
};

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

ALWAYS_INLINE vec load(const uint8_t *p)
{
    return (vec)WIDEN(p);
}

ALWAYS_INLINE uint8_t clip(int32_t sum)
{
    const int32_t v = sum >> AKIN__RESIZE_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* ------------------------------------------------------------- across -- */

/* Lanes 4 * i .. 4 * i + 3 of the 16. */
ALWAYS_INLINE four quarter(const vec sum[PARTS], const int i)
{
    const vec v = sum[4 * i / LANES];
    return 4 * i % LANES == 0   ? __builtin_shufflevector(v, v, 0, 1, 2, 3)
           : 4 * i % LANES == 4 ? __builtin_shufflevector(v, v, 4, 5, 6, 7)
           : 4 * i % LANES == 8
               ? __builtin_shufflevector(v, v, 8 % LANES, 9 % LANES, 10 % LANES,
                                         11 % LANES)
               : __builtin_shufflevector(v, v, 12 % LANES, 13 % LANES,
                                         14 % LANES, 15 % LANES);
}

/* The 16 sums of a group's lanes -> one pixel: red is in lanes 0, 3, .. 12. */
ALWAYS_INLINE void finish_pixel(uint8_t *out, const vec sum[PARTS])
{
    const four a = quarter(sum, 0), b = quarter(sum, 1);
    const four c = quarter(sum, 2), d = quarter(sum, 3);
    four rgb = (a + __builtin_shufflevector(a, b, 3, 4, 5, 6)) +
               (d + __builtin_shufflevector(b, c, 2, 3, 4, 5)) +
               (__builtin_shufflevector(c, d, 1, 2, 3, 4) + HALF);
    rgb >>= AKIN__RESIZE_BITS;
    const __m128i pairs = _mm_packs_epi32((__m128i)rgb, (__m128i)rgb);
    const __m128i clipped = _mm_packus_epi16(pairs, pairs);
    memcpy(out, &clipped, 3);
}

/* [groups][16]: each weight three times, for red, green and blue. */
static void lay(int32_t *block, uint32_t in_block, uint32_t groups,
                const int32_t *weights)
{
    (void)in_block;
    for (uint32_t g = 0; g < groups; g++, block += GROUP_LANES) {
        for (uint32_t i = 0; i < STEP; i++)
            block[i] = weights[g * GROUP + i / 3];
        block[STEP] = 0;
    }
}

/* `rows` is a constant wherever this is inlined. */
ALWAYS_INLINE void across_rows(const int rows, uint8_t *out, size_t out_stride,
                               const uint8_t *in, size_t in_stride,
                               const struct akin__taps *taps)
{
    const int32_t *weight = taps->weight;
    for (uint32_t i = 0; i < taps->count; i++) {
        const uint8_t *p = in + 3 * (size_t)taps->start[i];
        vec sum[ROWS][PARTS] = {{{0}}};
        for (uint32_t g = 0; g < taps->groups; g++) {
            UNROLL for (int v = 0; v < PARTS; v++)
            {
                const vec w = *(const vec *)(weight + v * LANES);
                UNROLL for (int r = 0; r < rows; r++) sum[r][v] +=
                    load(p + (size_t)r * in_stride + v * LANES) * w;
            }
            p += STEP;
            weight += GROUP_LANES;
        }
        UNROLL for (int r = 0; r < rows; r++)
            finish_pixel(out + (size_t)r * out_stride + 3 * (size_t)i, sum[r]);
    }
}

#include "image/resize_rows.h"

/* --------------------------------------------------------------- down -- */

/* In two steps, which gcc 12 does in registers. */
ALWAYS_INLINE bytes clip_all(vec sum)
{
    vec v = sum >> AKIN__RESIZE_BITS;
    v &= ~(v >> 31);                 /* below 0: 0 */
    v = (v | (255 - v) >> 31) & 255; /* above 255: all ones */
    return __builtin_convertvector(__builtin_convertvector(v, halves), bytes);
}

/* A block of `count` registers; a constant wherever this is inlined. */
ALWAYS_INLINE void down_block(const int count, uint8_t *out, const uint8_t *in,
                              size_t stride, size_t rows, const int32_t *weight)
{
    vec sum[WIDE];
    UNROLL for (int v = 0; v < count; v++) sum[v] = (vec){0} + HALF;
    for (size_t y = 0; y < rows; y++) {
        UNROLL for (int v = 0; v < count; v++) sum[v] +=
            load(in + v * LANES) * weight[y];
        in += stride;
    }
    UNROLL for (int v = 0; v < count; v++) * (bytes *)(out + v * LANES) =
        __builtin_convertvector(clip_all(sum[v]), bytes);
}

static void down_byte(uint8_t *out, const uint8_t *in, size_t stride,
                      size_t rows, const int32_t *weight)
{
    int32_t sum = HALF;
    for (size_t y = 0; y < rows; y++)
        sum += in[y * stride] * weight[y];
    *out = clip(sum);
}

static void down(size_t count, uint8_t *out, const uint8_t *in, size_t stride,
                 size_t rows, const int32_t *weight)
{
    size_t x = 0;
    for (; count - x >= WIDE * LANES; x += WIDE * LANES)
        down_block(WIDE, out + x, in + x, stride, rows, weight);
    for (; count - x >= LANES; x += LANES)
        down_block(1, out + x, in + x, stride, rows, weight);
    if (x < count && count >= LANES) {
        x = count - LANES;
        down_block(1, out + x, in + x, stride, rows, weight);
        return;
    }
    for (; x < count; x++)
        down_byte(out + x, in + x, stride, rows, weight);
}

const struct akin__resize_kernels KERNELS_TABLE = {
    KERNELS_LEVEL, {1, GROUP, GROUP_LANES, GROUP_LANES}, lay, across, down};
