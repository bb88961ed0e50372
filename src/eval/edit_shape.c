/* Edits of the shape (edit.h): crop, scale, rotate, flip. */
#include <string.h>

#include "base/error.h"
#include "eval/edit.h"
#include "image/turn.h"

enum { WHOLE = 1000, ONE = 65536 /* 1 in 16 fractional bits */ };

static akin_status no_memory(akin_error *err)
{
    return akin__fail(err, AKIN_ENOMEM, "no memory for a picture");
}

/* `permille` of `side`, but so that `length` pixels follow. */
static uint32_t begin(uint32_t side, uint32_t length, int32_t permille)
{
    const uint32_t at = (side * (uint32_t)permille + WHOLE / 2) / WHOLE;
    return at < side - length ? at : side - length;
}

akin_status akin__edit_crop(const struct akin__edit *edit,
                            struct akin__easel *easel, akin_error *err)
{
    akin_image *now = &easel->now;
    const uint32_t width = akin__part_of(now->width, edit->value[0]);
    const uint32_t height = akin__part_of(now->height, edit->value[1]);
    const uint32_t left = begin(now->width, width, edit->value[2]);
    const uint32_t top = begin(now->height, height, edit->value[3]);
    akin_image fresh = akin__easel_fresh(easel, width, height);
    if (!fresh.pixels)
        return no_memory(err);
    for (uint32_t y = 0; y < height; y++)
        memcpy(fresh.pixels + y * fresh.stride,
               now->pixels + (top + y) * now->stride + 3 * (size_t)left,
               fresh.stride);
    akin__easel_turn(easel, &fresh);
    return AKIN_OK;
}

akin_status akin__edit_scale(const struct akin__edit *edit,
                             struct akin__easel *easel, akin_error *err)
{
    const uint32_t width = akin__part_of(easel->now.width, edit->value[0]);
    const uint32_t height = akin__part_of(easel->now.height, edit->value[0]);
    return akin__easel_resize(easel, width, height, err);
}

akin_status akin__edit_flip(const struct akin__edit *edit,
                            struct akin__easel *easel, akin_error *err)
{
    static const uint32_t orientation[] = {2, 4, 5}; /* of EXIF */
    const akin_image *now = &easel->now;
    const int swapped = edit->strength == 3;
    const akin_image fresh =
        akin__easel_fresh(easel, swapped ? now->height : now->width,
                          swapped ? now->width : now->height);
    akin_image turned = fresh;
    if (!fresh.pixels)
        return no_memory(err);
    akin__turn(&turned, now, orientation[edit->strength - 1]);
    akin__easel_turn(easel, &turned);
    return AKIN_OK;
}

/* ------------------------------------------------------------- rotate -- */

/* The pixel of `image` at column x of row y, those at the edge going on. */
static const uint8_t *clamped(const akin_image *image, int64_t x, int64_t y)
{
    const int64_t right = image->width - 1, bottom = image->height - 1;
    x = x < 0 ? 0 : x > right ? right : x;
    y = y < 0 ? 0 : y > bottom ? bottom : y;
    return image->pixels + (size_t)y * image->stride + 3 * (size_t)x;
}

/* Bilinear, at (x, y) in 16 fractional bits, whose whole numbers are the
 * middles of pixels. Four weights of 8 + 8 bits add up to 65,536. */
static void sample(const akin_image *image, int64_t x, int64_t y,
                   uint8_t rgb[3])
{
    const int64_t column = x >> 16, row = y >> 16;
    const uint32_t fx = (uint32_t)(x & 0xffff) >> 8;
    const uint32_t fy = (uint32_t)(y & 0xffff) >> 8;
    const uint8_t *a = clamped(image, column, row);
    const uint8_t *b = clamped(image, column + 1, row);
    const uint8_t *c = clamped(image, column, row + 1);
    const uint8_t *d = clamped(image, column + 1, row + 1);
    for (int i = 0; i < 3; i++) {
        const uint32_t above = a[i] * (256 - fx) + b[i] * fx;
        const uint32_t below = c[i] * (256 - fx) + d[i] * fx;
        rgb[i] = (uint8_t)((above * (256 - fy) + below * fy + ONE / 2) / ONE);
    }
}

static uint32_t span(uint32_t width, uint32_t height, int32_t c, int32_t s)
{
    const uint64_t both = (uint64_t)width * (uint32_t)(c < 0 ? -c : c) +
                          (uint64_t)height * (uint32_t)(s < 0 ? -s : s);
    return (uint32_t)((both + ONE - 1) / ONE);
}

/* Counter-clockwise, on a canvas that holds all of it. */
akin_status akin__edit_rotate(const struct akin__edit *edit,
                              struct akin__easel *easel, akin_error *err)
{
    static const uint8_t fills[] = {0, 255, 128};
    const akin_image *now = &easel->now;
    const int32_t s = akin__sine(edit->value[0]),
                  c = akin__sine(edit->value[0] + 900);
    akin_image fresh =
        akin__easel_fresh(easel, span(now->width, now->height, c, s),
                          span(now->height, now->width, c, s));
    if (!fresh.pixels)
        return no_memory(err);
    memset(fresh.pixels, fills[edit->value[1]], fresh.stride * fresh.height);
    /* From the middle of one picture to the middle of the other, in halves of
     * a pixel so that they are whole numbers. */
    const int64_t wide = (int64_t)now->width * ONE;
    const int64_t high = (int64_t)now->height * ONE;
    for (uint32_t y = 0; y < fresh.height; y++) {
        uint8_t *out = fresh.pixels + y * fresh.stride;
        const int64_t dy = 2 * (int64_t)y + 1 - fresh.height;
        for (uint32_t x = 0; x < fresh.width; x++, out += 3) {
            const int64_t dx = 2 * (int64_t)x + 1 - fresh.width;
            const int64_t fx = (dx * c - dy * s + wide) / 2;
            const int64_t fy = (dx * s + dy * c + high) / 2;
            if (fx >= 0 && fx < wide && fy >= 0 && fy < high)
                sample(now, fx - ONE / 2, fy - ONE / 2, out);
        }
    }
    akin__easel_turn(easel, &fresh);
    return AKIN_OK;
}
