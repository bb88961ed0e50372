/*
 * Thumb (thumb.h). Each small pixel is the mean of the large ones below it: a
 * box filter, which never rings and needs no table.
 */
#include "view/thumb.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "image/write_jpeg.h"

/* ---------------------------------------------------------------- shrink -- */

/* The side of the thumb that goes with `side`, when `longest` is the longer and
 * shall become `most`. */
static uint32_t shrunk(uint32_t side, uint32_t longest, uint32_t most)
{
    if (longest <= most)
        return side;
    const uint32_t small =
        (uint32_t)(((uint64_t)side * most + longest / 2) / longest);
    return small ? small : 1;
}

/* Where the large pixels of the small pixel `at` begin. */
static uint32_t edge(uint32_t at, uint32_t small, uint32_t large)
{
    return (uint32_t)((uint64_t)at * large / small);
}

/* The mean of the box [x0, x1) x [y0, y1), to the nearest. */
static void mean_of(const akin_image *image, uint32_t x0, uint32_t x1,
                    uint32_t y0, uint32_t y1, uint8_t rgb[3])
{
    uint64_t sum[3] = {0, 0, 0};
    for (uint32_t y = y0; y < y1; y++) {
        const uint8_t *at = image->pixels + y * image->stride + 3 * (size_t)x0;
        for (uint32_t x = x0; x < x1; x++, at += 3) {
            sum[0] += at[0];
            sum[1] += at[1];
            sum[2] += at[2];
        }
    }
    const uint64_t count = (uint64_t)(x1 - x0) * (y1 - y0);
    for (int i = 0; i < 3; i++)
        rgb[i] = (uint8_t)((sum[i] + count / 2) / count);
}

/* small->pixels is there, [height][3 width]; no box is empty, for the small
 * picture is nowhere larger than the large one. */
static void shrink(const akin_image *large, akin_image *small)
{
    for (uint32_t y = 0; y < small->height; y++) {
        uint8_t *row = small->pixels + y * small->stride;
        const uint32_t y0 = edge(y, small->height, large->height);
        const uint32_t y1 = edge(y + 1, small->height, large->height);
        for (uint32_t x = 0; x < small->width; x++)
            mean_of(large, edge(x, small->width, large->width),
                    edge(x + 1, small->width, large->width), y0, y1,
                    row + 3 * (size_t)x);
    }
}

/* ------------------------------------------------------------------ read -- */

akin_status akin__thumb_shrink(akin_image *small, const char *path,
                               uint32_t most, akin_decoder *decoder,
                               akin_error *err)
{
    akin_image large = {0};
    akin_status status = AKIN_OK;
    memset(small, 0, sizeof *small);
    AKIN_TRY(akin_decoder_read(decoder, &large, path, NULL, err));
    const uint32_t longest =
        large.width > large.height ? large.width : large.height;
    small->width = shrunk(large.width, longest, most);
    small->height = shrunk(large.height, longest, most);
    small->stride = 3 * (size_t)small->width;
    small->pixels = akin__alloc(small->height, small->stride);
    AKIN_CHECK(small->pixels, err, AKIN_ENOMEM, "%s: no memory", path);
    shrink(&large, small);
out:
    return status;
}

akin_status akin__thumb_read(struct akin__thumb *thumb, const char *path,
                             uint32_t most, akin_decoder *decoder,
                             akin_error *err)
{
    akin_image small;
    memset(thumb, 0, sizeof *thumb);
    akin_status status = akin__thumb_shrink(&small, path, most, decoder, err);
    if (status)
        return status;
    thumb->width = small.width;
    thumb->height = small.height;
    status = akin__write_jpeg(&small, AKIN__THUMB_QUALITY, &thumb->jpeg,
                              &thumb->bytes, err);
    akin__free(small.pixels);
    return status;
}

void akin__thumb_free(struct akin__thumb *thumb)
{
    akin__free(thumb->jpeg);
    memset(thumb, 0, sizeof *thumb);
}
