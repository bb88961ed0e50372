/* Edits of the pixels' values (edit.h): colour, blur, noise. */
#include <string.h>

#include "base/error.h"
#include "eval/edit.h"

static uint8_t bounded(int64_t value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* ------------------------------------------------------------- colour -- */

enum {
    WHOLE = 1000,
    MILLION = 1000000,
    BITS = 12 /* fractional ones of the matrix */
};

/* Out of red, green and blue, and a constant. */
struct mix {
    int64_t of[3][3], plus;
};

/*
 * Hue and saturation as SVG's feColorMatrix has them (SVG 1.1, 15.10), in
 * permille: grey stays grey, and how light it is stays about the same. Then
 * brightness is a factor, and contrast one of the distance from the middle.
 */
static struct mix mix_of(const int32_t value[4])
{
    static const int32_t light[3] = {213, 715, 72};
    static const int32_t turn[3][3] = {
        {-213, -715, 928}, {143, 140, -283}, {-787, 715, 72}};
    const int64_t c = (int64_t)akin__sine(value[3] + 900) * WHOLE / 65536;
    const int64_t s = (int64_t)akin__sine(value[3]) * WHOLE / 65536;
    int64_t hue[3][3];
    struct mix mix;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            hue[i][j] = light[j] * WHOLE +
                        c * ((i == j ? WHOLE : 0) - light[j]) + s * turn[i][j];
    const int64_t gain = (int64_t)value[0] * value[1]; /* 1e6: as it is */
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            const int64_t grey = light[j] * (WHOLE - (int64_t)value[2]);
            const int64_t all = grey * WHOLE + value[2] * hue[i][j];
            mix.of[i][j] = all / WHOLE * gain / MILLION * (1 << BITS) / MILLION;
        }
    mix.plus = (int64_t)128 * (WHOLE - value[1]) * (1 << BITS) / WHOLE +
               (1 << (BITS - 1));
    return mix;
}

akin_status akin__edit_colour(const struct akin__edit *edit,
                              struct akin__easel *easel, akin_error *err)
{
    const struct mix mix = mix_of(edit->value);
    const akin_status status = akin__easel_own(easel, err);
    akin_image *now = &easel->now;
    for (uint32_t y = 0; y < now->height && !status; y++) {
        uint8_t *at = now->pixels + y * now->stride;
        for (uint32_t x = 0; x < now->width; x++, at += 3) {
            const int64_t r = at[0], g = at[1], b = at[2];
            for (int i = 0; i < 3; i++)
                at[i] = bounded((r * mix.of[i][0] + g * mix.of[i][1] +
                                 b * mix.of[i][2] + mix.plus) >>
                                BITS);
        }
    }
    return status;
}

/* --------------------------------------------------------------- blur -- */

/* Three boxes in a row are nearly Gaussian; of 2 radius + 1 pixels each, the
 * pixels at the edge going on. */
enum { BOXES = 3 };

static void blur_row(uint8_t *out, const uint8_t *in, int32_t width,
                     int32_t radius)
{
    const uint32_t count = 2 * (uint32_t)radius + 1;
    for (int c = 0; c < 3; c++) {
        uint32_t sum = count / 2;
        for (int32_t i = -radius; i <= radius; i++) {
            const int32_t x = i < 0 ? 0 : i < width ? i : width - 1;
            sum += in[3 * x + c];
        }
        for (int32_t x = 0; x < width; x++) {
            const int32_t next = x + radius + 1, last = x - radius;
            out[3 * x + c] = (uint8_t)(sum / count);
            sum += in[3 * (next < width ? next : width - 1) + c];
            sum -= in[3 * (last > 0 ? last : 0) + c];
        }
    }
}

static void add_row(uint32_t *sum, const akin_image *image, int32_t y,
                    uint32_t times)
{
    const int32_t bottom = (int32_t)image->height - 1;
    const uint8_t *row = image->pixels + (size_t)(y < 0        ? 0
                                                  : y < bottom ? y
                                                               : bottom) *
                                             image->stride;
    for (size_t i = 0; i < image->stride; i++)
        sum[i] += row[i] * times; /* times may be -1: sums wrap */
}

/* Columns; both pictures without gaps. */
static void blur_down(akin_image *out, const akin_image *in, uint32_t *sum,
                      int32_t radius)
{
    const uint32_t count = 2 * (uint32_t)radius + 1;
    for (size_t i = 0; i < in->stride; i++)
        sum[i] = count / 2;
    for (int32_t y = -radius; y <= radius; y++)
        add_row(sum, in, y, 1);
    for (int32_t y = 0; y < (int32_t)in->height; y++) {
        uint8_t *row = out->pixels + (size_t)y * out->stride;
        for (size_t i = 0; i < in->stride; i++)
            row[i] = (uint8_t)(sum[i] / count);
        add_row(sum, in, y + radius + 1, 1);
        add_row(sum, in, y - radius, UINT32_MAX);
    }
}

static akin_status box(struct akin__easel *easel, int32_t radius,
                       akin_error *err)
{
    const uint32_t width = easel->now.width, height = easel->now.height;
    uint32_t *sum = (uint32_t *)(void *)akin__scratch_grow(
        &easel->rows, 3 * (size_t)width * sizeof *sum);
    akin_image across = akin__easel_fresh(easel, width, height);
    if (!sum || !across.pixels)
        return akin__fail(err, AKIN_ENOMEM, "no memory for a picture");
    for (uint32_t y = 0; y < height; y++)
        blur_row(across.pixels + y * across.stride,
                 easel->now.pixels + y * easel->now.stride, (int32_t)width,
                 radius);
    akin__easel_turn(easel, &across);
    akin_image down = akin__easel_fresh(easel, width, height);
    if (!down.pixels)
        return akin__fail(err, AKIN_ENOMEM, "no memory for a picture");
    blur_down(&down, &across, sum, radius);
    akin__easel_turn(easel, &down);
    return AKIN_OK;
}

akin_status akin__edit_blur(const struct akin__edit *edit,
                            struct akin__easel *easel, akin_error *err)
{
    const int32_t radius =
        (int32_t)akin__part_of(akin__longest(&easel->now), edit->value[0]);
    akin_status status = AKIN_OK;
    for (int i = 0; i < BOXES && !status; i++)
        status = box(easel, radius, err);
    return status;
}

/* -------------------------------------------------------------- noise -- */

/* Four numbers of 16 bits less their mean: nearly Gaussian, its deviation is
 * sqrt(4 (2^32 - 1) / 12) = 37,837. */
akin_status akin__edit_noise(const struct akin__edit *edit,
                             struct akin__easel *easel, akin_error *err)
{
    enum { DEVIATION = 37837, MEAN = 2 * 65535 };
    struct akin__dice dice = edit->dice;
    const akin_status status = akin__easel_own(easel, err);
    akin_image *now = &easel->now;
    for (uint32_t y = 0; y < now->height && !status; y++) {
        uint8_t *at = now->pixels + y * now->stride;
        for (size_t i = 0; i < 3 * (size_t)now->width; i++) {
            const uint64_t r = akin__dice_next(&dice);
            const int64_t sum = (int64_t)((r & 0xffff) + (r >> 16 & 0xffff) +
                                          (r >> 32 & 0xffff) + (r >> 48));
            const int64_t noise =
                (sum - MEAN) * edit->value[0] * 256 / DEVIATION;
            at[i] = bounded((at[i] * 256 + noise + 128) >> 8);
        }
    }
    return status;
}
