/*
 * Resize kernels in plain C: for processors without a table of their own, and
 * what the tests compare those tables with.
 */
#include "image/resize_kernels.h"

#include <string.h>

enum { HALF = 1 << (AKIN__RESIZE_BITS - 1) };

/* Groups of one pixel. */
static void lay(int32_t *block, uint32_t in_block, uint32_t groups,
                const int32_t *weights)
{
    (void)in_block;
    memcpy(block, weights, groups * sizeof *block);
}

static uint8_t clip(int32_t sum)
{
    const int32_t v = sum >> AKIN__RESIZE_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static void across_row(uint8_t *out, const uint8_t *in,
                       const struct akin__taps *taps)
{
    const int32_t *w = taps->weight;
    for (uint32_t i = 0; i < taps->count; i++, out += 3) {
        const uint8_t *p = in + 3 * (size_t)taps->start[i];
        int32_t r = HALF, g = HALF, b = HALF;
        for (uint32_t j = 0; j < taps->groups; j++, w++, p += 3) {
            r += p[0] * *w;
            g += p[1] * *w;
            b += p[2] * *w;
        }
        out[0] = clip(r);
        out[1] = clip(g);
        out[2] = clip(b);
    }
}

static void across(size_t rows, uint8_t *out, size_t out_stride,
                   const uint8_t *in, size_t in_stride,
                   const struct akin__taps *taps)
{
    for (size_t y = 0; y < rows; y++)
        across_row(out + y * out_stride, in + y * in_stride, taps);
}

static void down(size_t bytes, uint8_t *out, const uint8_t *in, size_t stride,
                 size_t count, const int32_t *weight)
{
    enum { STRIP = 32 };
    for (size_t x = 0; x < bytes; x += STRIP) {
        int32_t sum[STRIP];
        const size_t n = bytes - x < STRIP ? bytes - x : STRIP;
        for (size_t j = 0; j < STRIP; j++)
            sum[j] = HALF;
        for (size_t y = 0; y < count; y++) {
            const uint8_t *p = in + y * stride + x;
            if (n == STRIP)
                for (size_t j = 0; j < STRIP; j++)
                    sum[j] += p[j] * weight[y];
            else
                for (size_t j = 0; j < n; j++)
                    sum[j] += p[j] * weight[y];
        }
        for (size_t j = 0; j < n; j++)
            out[x + j] = clip(sum[j]);
    }
}

const struct akin__resize_kernels akin__resize_c = {
    AKIN__CPU_C, {1, 1, 3, 1}, lay, across, down};
