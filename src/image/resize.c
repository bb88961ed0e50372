/*
 * Resize: separable resampling in fixed point, as Pillow does it.
 *
 * For each column (and each row) of the result, the source pixels within the
 * filter's reach are summed with weights of 22 fractional bits; the weights
 * are computed in double and add up to one. Horizontally first, rounded to 8
 * bits, then vertically; the other way round when the height shrinks by more
 * than twice the pixels that the width does (Pillow 13). A direction whose
 * size stays is not filtered.
 *
 * Sums: |weights| of a bicubic or Lanczos filter add up to less than 2, so
 * 255 * 2 * 2^22 fits an int32.
 */
#include "image/resize.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

enum { PRECISION = 32 - 8 - 2 };

/* How the pixels first .. first + count - 1 of one direction are made. */
struct axis {
    uint32_t source;       /* pixels there are */
    uint32_t target;       /* pixels of the whole result */
    uint32_t first, count; /* of the result: the window */
    double scale;          /* source pixels a target pixel */
    double support;        /* the filter's reach in source pixels */
    uint32_t taps;         /* room for the weights of a pixel */
    uint32_t begin, end;   /* source pixels that are needed at all */
    uint32_t *start;       /* [count]: first source pixel of each */
    uint32_t *length;      /* [count]: how many */
    int32_t *weight;       /* [count][taps] */
    double *exact;         /* [taps]: the weights of a pixel before rounding */
};

static double box(double x)
{
    return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static double bilinear(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static double sinc(double x)
{
    if (x == 0.0)
        return 1.0;
    x *= M_PI;
    return sin(x) / x;
}

static double hamming(double x)
{
    x = fabs(x);
    if (x == 0.0)
        return 1.0;
    if (x >= 1.0)
        return 0.0;
    x *= M_PI;
    return sin(x) / x * (0.54f + 0.46f * cos(x));
}

static double lanczos(double x)
{
    return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

struct kernel {
    double (*weight)(double);
    double support;
};

static struct kernel kernel_of(enum akin__filter filter)
{
    switch (filter) {
    case AKIN__BOX:
        return (struct kernel){box, 0.5};
    case AKIN__BILINEAR:
        return (struct kernel){bilinear, 1.0};
    case AKIN__HAMMING:
        return (struct kernel){hamming, 1.0};
    case AKIN__LANCZOS:
        return (struct kernel){lanczos, 3.0};
    default:
        return (struct kernel){bicubic, 2.0};
    }
}

static bool filtered(const struct axis *axis)
{
    return axis->source != axis->target;
}

/* The source pixels that pixel i of the window is made of. */
static void reach(const struct axis *axis, uint32_t i, uint32_t *start,
                  uint32_t *end)
{
    const double centre = (axis->first + i + 0.5) * axis->scale;
    const int low = (int)(centre - axis->support + 0.5);
    const int high = (int)(centre + axis->support + 0.5);
    *start = low < 0 ? 0 : (uint32_t)low;
    *end = high > (int)axis->source ? axis->source : (uint32_t)high;
}

/* All but the tables, which need memory. The filter widens when shrinking. */
static struct axis plan_axis(uint32_t source, uint32_t target, uint32_t first,
                             uint32_t count, struct kernel kernel)
{
    struct axis axis = {.source = source,
                        .target = target,
                        .first = first,
                        .count = count,
                        .begin = first,
                        .end = first + count,
                        .scale = (double)source / target};
    axis.support = kernel.support * (axis.scale < 1.0 ? 1.0 : axis.scale);
    axis.taps = (uint32_t)ceil(axis.support) * 2 + 1;
    if (filtered(&axis)) {
        uint32_t unused;
        reach(&axis, 0, &axis.begin, &unused);
        reach(&axis, count - 1, &unused, &axis.end);
    }
    return axis;
}

/* The weights of pixel i of the window: they add up to one. */
static void weigh(struct axis *axis, struct kernel kernel, uint32_t i)
{
    const double narrow = 1.0 / (axis->scale < 1.0 ? 1.0 : axis->scale);
    const double centre = (axis->first + i + 0.5) * axis->scale;
    int32_t *weight = axis->weight + (size_t)i * axis->taps;
    double total = 0.0;
    uint32_t start, end;
    reach(axis, i, &start, &end);
    for (uint32_t x = start; x < end; x++) {
        const double w = kernel.weight((x - centre + 0.5) * narrow);
        axis->exact[x - start] = w;
        total += w;
    }
    for (uint32_t x = 0; x < end - start; x++) {
        const double w = axis->exact[x] / (total != 0.0 ? total : 1.0);
        const double fixed = w * (1 << PRECISION);
        weight[x] = (int32_t)(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    }
    axis->start[i] = start;
    axis->length[i] = end - start;
}

static uint8_t clip(int32_t sum)
{
    const int32_t v = sum >> PRECISION;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* One row: `in` begins at source pixel axis->begin. */
static void filter_row(uint8_t *out, const uint8_t *in, const struct axis *axis)
{
    for (uint32_t i = 0; i < axis->count; i++, out += 3) {
        const uint8_t *p = in + 3 * (size_t)(axis->start[i] - axis->begin);
        const int32_t *w = axis->weight + (size_t)i * axis->taps;
        int32_t r = 1 << (PRECISION - 1), g = r, b = r;
        for (uint32_t x = 0; x < axis->length[i]; x++, p += 3) {
            r += p[0] * w[x];
            g += p[1] * w[x];
            b += p[2] * w[x];
        }
        out[0] = clip(r);
        out[1] = clip(g);
        out[2] = clip(b);
    }
}

/* Row i of the window out of the rows at `in`, which begin at source row
 * axis->begin; `bytes` of each. */
static void filter_column(uint8_t *out, const uint8_t *in, size_t stride,
                          size_t bytes, const struct axis *axis, uint32_t i)
{
    enum { STRIP = 32 };
    const int32_t *w = axis->weight + (size_t)i * axis->taps;
    in += stride * (axis->start[i] - axis->begin);
    for (size_t x = 0; x < bytes; x += STRIP) {
        int32_t sum[STRIP];
        const size_t n = bytes - x < STRIP ? bytes - x : STRIP;
        for (size_t j = 0; j < STRIP; j++)
            sum[j] = 1 << (PRECISION - 1);
        for (uint32_t y = 0; y < axis->length[i]; y++) {
            const uint8_t *p = in + y * stride + x;
            if (n == STRIP)
                for (size_t j = 0; j < STRIP; j++)
                    sum[j] += p[j] * w[y];
            else
                for (size_t j = 0; j < n; j++)
                    sum[j] += p[j] * w[y];
        }
        for (size_t j = 0; j < n; j++)
            out[x + j] = clip(sum[j]);
    }
}

/* Rows of pixels, 3 bytes each. */
struct rows {
    uint8_t *pixels;
    size_t stride;
};

static uint8_t *pixel(struct rows rows, uint32_t x, uint32_t y)
{
    return rows.pixels + y * rows.stride + 3 * (size_t)x;
}

/* `in` begins at the column that the axis needs first. */
static void horizontally(struct rows out, struct rows in, uint32_t height,
                         const struct axis *axis)
{
    for (uint32_t y = 0; y < height; y++)
        if (filtered(axis))
            filter_row(pixel(out, 0, y), pixel(in, 0, y), axis);
        else
            memcpy(pixel(out, 0, y), pixel(in, 0, y), 3 * (size_t)axis->count);
}

/* `in` begins at the row that the axis needs first. */
static void vertically(struct rows out, struct rows in, uint32_t width,
                       const struct axis *axis)
{
    const size_t bytes = 3 * (size_t)width;
    for (uint32_t y = 0; y < axis->count; y++)
        if (filtered(axis))
            filter_column(pixel(out, 0, y), in.pixels, in.stride, bytes, axis,
                          y);
        else
            memcpy(pixel(out, 0, y), pixel(in, 0, y), bytes);
}

static void run(struct rows out, struct rows in, struct rows between,
                bool vertical_first, const struct axis *x, const struct axis *y)
{
    if (!filtered(x)) {
        vertically(out, in, x->count, y);
    } else if (!filtered(y)) {
        horizontally(out, in, y->count, x);
    } else if (vertical_first) {
        vertically(between, in, x->end - x->begin, y);
        horizontally(out, between, y->count, x);
    } else {
        horizontally(between, in, y->end - y->begin, x);
        vertically(out, between, x->count, y);
    }
}

void akin__scratch_free(struct akin__scratch *scratch)
{
    akin__free(scratch->bytes);
    *scratch = (struct akin__scratch){NULL, 0};
}

uint8_t *akin__scratch_grow(struct akin__scratch *scratch, size_t bytes)
{
    if (bytes <= scratch->capacity)
        return scratch->bytes;
    akin__scratch_free(scratch);
    scratch->bytes = akin__alloc_aligned(bytes, 1);
    scratch->capacity = scratch->bytes ? bytes : 0;
    return scratch->bytes;
}

/* Bytes of an axis' tables, a multiple of 8. */
static size_t table_bytes(const struct axis *axis)
{
    const size_t numbers = (size_t)axis->count * (axis->taps + 2);
    return axis->taps * sizeof(double) + (numbers + 1) / 2 * 8;
}

static void fill_tables(struct axis *axis, struct kernel kernel, void *memory)
{
    axis->exact = memory;
    axis->weight = (int32_t *)(axis->exact + axis->taps);
    axis->start = (uint32_t *)axis->weight + (size_t)axis->count * axis->taps;
    axis->length = axis->start + axis->count;
    if (filtered(axis))
        for (uint32_t i = 0; i < axis->count; i++)
            weigh(axis, kernel, i);
}

/* Pillow 13's rule, in pixels and not in proportion. */
static bool shrinks_in_height(const struct axis *x, const struct axis *y)
{
    const int64_t down = (int64_t)y->source - y->target;
    const int64_t across = (int64_t)x->source - x->target;
    return down > 0 && down > 2 * across;
}

akin_status akin__resize(const akin_image *image,
                         const struct akin__resize *resize,
                         struct akin__scratch *scratch, uint8_t *out,
                         size_t out_stride, akin_error *err)
{
    const struct kernel kernel = kernel_of(resize->filter);
    struct axis x = plan_axis(image->width, resize->width, resize->left,
                              resize->window_width, kernel);
    struct axis y = plan_axis(image->height, resize->height, resize->top,
                              resize->window_height, kernel);
    const bool vertical_first = shrinks_in_height(&x, &y);
    const size_t width = vertical_first ? x.end - x.begin : x.count;
    const size_t height = vertical_first ? y.count : y.end - y.begin;
    const size_t tables = table_bytes(&x) + table_bytes(&y);
    if (!akin__scratch_grow(scratch, tables + 3 * width * height))
        return akin__fail(err, AKIN_ENOMEM, "no memory to resize");

    fill_tables(&x, kernel, scratch->bytes);
    fill_tables(&y, kernel, scratch->bytes + table_bytes(&x));
    struct rows in = {image->pixels, image->stride};
    in.pixels = pixel(in, x.begin, y.begin);
    run((struct rows){out, out_stride}, in,
        (struct rows){scratch->bytes + tables, 3 * width}, vertical_first, &x,
        &y);
    return AKIN_OK;
}
