/*
 * Resize kernels for AVX-512 VNNI, whose instruction multiplies 64 bytes by 64
 * signed bytes and adds each four products to one of 16 sums.
 *
 * A weight is three such digits, w = d0 + 2^8 d1 + 2^16 d2, so that three
 * instructions multiply 64 bytes, exactly. That holds for |w| < 2^23 - 2^15; a
 * weight is below 1.5 * 2^22, since they add up to one and without their signs
 * to less than two.
 *
 * Across, each quarter of a register is another pixel of the result and holds
 * four pixels of the source, sorted to RRRRGGGGBBBB: sums need not be added up
 * between the lanes. Down, four rows are interleaved byte by byte.
 */
#include <immintrin.h>
#include <string.h>

#include "image/resize_kernels.h"

enum {
    BLOCK = 4, /* pixels of the result made together */
    GROUP = 4, /* pixels of the source multiplied together */
    ROWS = 4,  /* filtered across together */
    DIGITS = 3,
    HALF = 1 << (AKIN__RESIZE_BITS - 1)
};

#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE __m128i load_16(const uint8_t *p)
{
    return _mm_loadu_si128((const void *)p);
}

/* Four weights to their digits: d0 of the four, then d1, d2 and zeros. */
ALWAYS_INLINE __m128i digits_of(__m128i weights)
{
    const __m128i halves = _mm_set1_epi32(0x808080);
    const __m128i order =
        _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, -1, -1, -1, -1);
    const __m128i carried = _mm_add_epi32(weights, halves);
    return _mm_shuffle_epi8(_mm_xor_si128(carried, halves), order);
}

/* What the sums of the three digits are together, rounded, behind the point. */
ALWAYS_INLINE __m512i join(const __m512i sum[DIGITS])
{
    const __m512i high = _mm512_add_epi32(_mm512_slli_epi32(sum[1], 8),
                                          _mm512_slli_epi32(sum[2], 16));
    return _mm512_srai_epi32(_mm512_add_epi32(sum[0], high), AKIN__RESIZE_BITS);
}

/* 4 x 16 sums -> bytes: in each quarter, four of each in turn. */
ALWAYS_INLINE __m512i clip_all(const __m512i v[4])
{
    return _mm512_packus_epi16(_mm512_packs_epi32(v[0], v[1]),
                               _mm512_packs_epi32(v[2], v[3]));
}

/* ------------------------------------------------------------- across -- */

/* [groups][DIGITS][BLOCK][16]: of each pixel in the block the digits of four
 * weights for red, the same for green and for blue, and zeros. */
static void lay(int32_t *block, uint32_t in_block, uint32_t groups,
                const int32_t *weights)
{
    for (uint32_t g = 0; g < groups; g++) {
        int32_t digits[4];
        const __m128i four = _mm_loadu_si128((const void *)(weights + 4 * g));
        _mm_storeu_si128((void *)digits, digits_of(four));
        for (int d = 0; d < DIGITS; d++, block += 4 * BLOCK)
            for (uint32_t c = 0; c < 4; c++)
                block[4 * in_block + c] = c < 3 ? digits[d] : 0;
    }
}

/* The first group of each pixel of a block; the next is 3 * GROUP bytes on. */
struct places {
    size_t at[BLOCK];
};

ALWAYS_INLINE __m512i load_group(const uint8_t *in, const struct places *p)
{
    const __m512i sorted = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -1, -1, -1, -1));
    __m512i v = _mm512_castsi128_si512(load_16(in + p->at[0]));
    v = _mm512_inserti32x4(v, load_16(in + p->at[1]), 1);
    v = _mm512_inserti32x4(v, load_16(in + p->at[2]), 2);
    v = _mm512_inserti32x4(v, load_16(in + p->at[3]), 3);
    return _mm512_shuffle_epi8(v, sorted);
}

/* A block's pixels, or the `left` that the row still has: 16 bytes are written
 * where they are followed by pixels that are written later. */
ALWAYS_INLINE void store_pixels(uint8_t *out, __m128i pixels, uint32_t left)
{
    if (3 * left >= 16)
        _mm_storeu_si128((void *)out, pixels);
    else
        memcpy(out, &pixels, 3 * (left < BLOCK ? left : BLOCK));
}

/* v[r]: the pixels RGBx of row r. */
ALWAYS_INLINE void store_block(int rows, uint8_t *out, size_t stride,
                               const __m512i v[ROWS], uint32_t left)
{
    const __m512i by_row =
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i dense = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
    __m512i b = _mm512_permutexvar_epi32(by_row, clip_all(v));
    b = _mm512_shuffle_epi8(b, dense);
    store_pixels(out, _mm512_castsi512_si128(b), left);
    if (rows == 1)
        return;
    store_pixels(out + stride, _mm512_extracti32x4_epi32(b, 1), left);
    store_pixels(out + 2 * stride, _mm512_extracti32x4_epi32(b, 2), left);
    store_pixels(out + 3 * stride, _mm512_extracti32x4_epi32(b, 3), left);
}

/* `rows` is 1 or ROWS, a constant wherever this is inlined. */
ALWAYS_INLINE void across_rows(const int rows, uint8_t *out, size_t out_stride,
                               const uint8_t *in, size_t in_stride,
                               const struct akin__taps *taps)
{
    const int32_t *weight = taps->weight;
    for (uint32_t i = 0; i < taps->count; i += BLOCK) {
        __m512i sum[ROWS][DIGITS], v[ROWS];
        struct places p;
        for (int k = 0; k < BLOCK; k++)
            p.at[k] = 3 * (size_t)taps->start[i + (uint32_t)k];
        for (int r = 0; r < rows; r++) {
            sum[r][0] = _mm512_set1_epi32(HALF);
            sum[r][1] = sum[r][2] = _mm512_setzero_si512();
        }
        for (uint32_t g = 0; g < taps->groups; g++) {
            const uint8_t *group = in + (size_t)g * 3 * GROUP;
            const __m512i w0 = _mm512_loadu_si512(weight);
            const __m512i w1 = _mm512_loadu_si512(weight + 16);
            const __m512i w2 = _mm512_loadu_si512(weight + 32);
            for (int r = 0; r < rows; r++) {
                const __m512i x = load_group(group + (size_t)r * in_stride, &p);
                sum[r][0] = _mm512_dpbusd_epi32(sum[r][0], x, w0);
                sum[r][1] = _mm512_dpbusd_epi32(sum[r][1], x, w1);
                sum[r][2] = _mm512_dpbusd_epi32(sum[r][2], x, w2);
            }
            weight += DIGITS * 16;
        }
        for (int r = 0; r < ROWS; r++)
            v[r] = r < rows ? join(sum[r]) : _mm512_setzero_si512();
        store_block(rows, out + 3 * (size_t)i, out_stride, v, taps->count - i);
    }
}

#include "image/resize_rows.h"

/* --------------------------------------------------------------- down -- */

/* Four rows of 64 bytes -> x[i]: in each quarter, bytes 4 i .. 4 i + 3, each as
 * those of the four rows. */
ALWAYS_INLINE void interleave(__m512i x[4], const __m512i row[4])
{
    const __m512i a = _mm512_unpacklo_epi8(row[0], row[1]);
    const __m512i b = _mm512_unpackhi_epi8(row[0], row[1]);
    const __m512i c = _mm512_unpacklo_epi8(row[2], row[3]);
    const __m512i d = _mm512_unpackhi_epi8(row[2], row[3]);
    x[0] = _mm512_unpacklo_epi16(a, c);
    x[1] = _mm512_unpackhi_epi16(a, c);
    x[2] = _mm512_unpacklo_epi16(b, d);
    x[3] = _mm512_unpackhi_epi16(b, d);
}

/* The bytes of a row that are in `there`. Behind the last row: zeros. */
ALWAYS_INLINE void load_rows(__m512i row[4], const uint8_t *in, size_t stride,
                             size_t rows, __mmask64 there)
{
    for (size_t r = 0; r < 4; r++)
        row[r] = r < rows ? _mm512_maskz_loadu_epi8(there, in + r * stride)
                          : _mm512_setzero_si512();
}

/* 64 bytes, or those that are in `there`. */
ALWAYS_INLINE void down_block(uint8_t *out, const uint8_t *in, size_t stride,
                              size_t count, const int32_t *weight,
                              __mmask64 there)
{
    __m512i sum[4][DIGITS], v[4];
    for (int i = 0; i < 4; i++) {
        sum[i][0] = _mm512_set1_epi32(HALF);
        sum[i][1] = sum[i][2] = _mm512_setzero_si512();
    }
    for (size_t y = 0; y < count; y += 4) {
        const size_t rows = count - y < 4 ? count - y : 4;
        const __m128i w = digits_of(
            _mm_maskz_loadu_epi32((__mmask8)((1u << rows) - 1), weight + y));
        const __m512i w0 = _mm512_broadcastd_epi32(w);
        const __m512i w1 = _mm512_broadcastd_epi32(_mm_srli_si128(w, 4));
        const __m512i w2 = _mm512_broadcastd_epi32(_mm_srli_si128(w, 8));
        __m512i row[4], x[4];
        load_rows(row, in + y * stride, stride, rows, there);
        interleave(x, row);
        for (int i = 0; i < 4; i++) {
            sum[i][0] = _mm512_dpbusd_epi32(sum[i][0], x[i], w0);
            sum[i][1] = _mm512_dpbusd_epi32(sum[i][1], x[i], w1);
            sum[i][2] = _mm512_dpbusd_epi32(sum[i][2], x[i], w2);
        }
    }
    for (int i = 0; i < 4; i++)
        v[i] = join(sum[i]);
    _mm512_mask_storeu_epi8(out, there, clip_all(v));
}

static void down(size_t count, uint8_t *out, const uint8_t *in, size_t stride,
                 size_t rows, const int32_t *weight)
{
    size_t x = 0;
    for (; count - x >= 64; x += 64)
        down_block(out + x, in + x, stride, rows, weight, ~(__mmask64)0);
    if (x < count)
        down_block(out + x, in + x, stride, rows, weight,
                   ((__mmask64)1 << (count - x)) - 1);
}

const struct akin__resize_kernels akin__resize_avx512vnni = {
    AKIN__CPU_AVX512VNNI, {BLOCK, GROUP, 16, DIGITS * 16}, lay, across, down};
