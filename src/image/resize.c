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
 * 255 * 2 * 2^22 fits an int32. Integers give the same bits in any order, so
 * the instruction sets (resize_kernels.h) agree.
 *
 * What lies between the two directions is made strip by strip and used while
 * it is in the second-level cache.
 */
#include "image/resize.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "image/resize_kernels.h"

enum {
    STRIP = 64 /* rows filtered across before they are filtered down, beyond
                  those that one row of the result is made of */
};

/* How the pixels first .. first + count - 1 of one direction are made. */
struct axis {
    uint32_t source;       /* pixels there are */
    uint32_t target;       /* pixels of the whole result */
    uint32_t first, count; /* of the result: the window */
    double scale;          /* source pixels a target pixel */
    double support;        /* the filter's reach in source pixels */
    uint32_t taps;         /* room for the weights of a pixel */
    uint32_t begin, end;   /* source pixels that are needed at all */
    uint32_t *start;       /* [whole]: first source pixel of each, from begin */
    uint32_t *length;      /* [count]: how many */
    int32_t *weight;       /* [count][taps], or as in akin__taps */
    double *exact;         /* [taps]: the weights of a pixel before rounding */

    /* Of an axis that is filtered across; else NULL and `whole` is `count`. */
    const struct akin__resize_kernels *kernels;
    uint32_t groups, whole; /* `whole` is `count` up to a whole block */
    int32_t *fixed;         /* [groups * group]: the weights of a pixel */
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
    axis.whole = count;
    if (filtered(&axis)) {
        uint32_t unused;
        reach(&axis, 0, &axis.begin, &unused);
        reach(&axis, count - 1, &unused, &axis.end);
    }
    return axis;
}

/* Lay the weights out for filtering across (akin__taps). */
static void group(struct axis *axis, const struct akin__resize_kernels *kernels)
{
    const struct akin__across *how = &kernels->how;
    axis->kernels = kernels;
    axis->groups = (axis->taps + how->group - 1) / how->group;
    axis->whole = (axis->count + how->block - 1) / how->block * how->block;
}

/* Weights of a pixel, before they are laid out. */
static size_t fixed_count(const struct axis *axis)
{
    return axis->kernels ? (size_t)axis->groups * axis->kernels->how.group
                         : axis->taps;
}

/* int32 that the weights of all pixels take. */
static size_t weight_count(const struct axis *axis)
{
    if (!axis->kernels)
        return (size_t)axis->count * axis->taps;
    return (size_t)axis->whole / axis->kernels->how.block * axis->groups *
           axis->kernels->how.room;
}

/* Bytes of a row that the kernels read for a pixel that starts at `start`. */
static size_t reach_of(const struct axis *axis, uint32_t start)
{
    const struct akin__across *how = &axis->kernels->how;
    return 3 * (start + (size_t)(axis->groups - 1) * how->group) + how->bytes;
}

static void lay(const struct axis *axis, uint32_t i)
{
    const struct akin__across *how = &axis->kernels->how;
    int32_t *block =
        axis->weight + (size_t)(i / how->block) * axis->groups * how->room;
    axis->kernels->lay(block, i % how->block, axis->groups, axis->fixed);
}

/* The weights of pixel i of the window: they add up to one. */
static void weigh(struct axis *axis, struct kernel kernel, uint32_t i)
{
    const double narrow = 1.0 / (axis->scale < 1.0 ? 1.0 : axis->scale);
    const double centre = (axis->first + i + 0.5) * axis->scale;
    int32_t *weight =
        axis->kernels ? axis->fixed : axis->weight + (size_t)i * axis->taps;
    double total = 0.0;
    uint32_t start, end;
    reach(axis, i, &start, &end);
    for (uint32_t x = start; x < end; x++) {
        const double w = kernel.weight((x - centre + 0.5) * narrow);
        axis->exact[x - start] = w;
        total += w;
    }
    axis->start[i] = start - axis->begin;
    axis->length[i] = end - start;
    memset(weight, 0, fixed_count(axis) * sizeof *weight);
    for (uint32_t x = 0; x < end - start; x++) {
        const double w = axis->exact[x] / (total != 0.0 ? total : 1.0);
        const double fixed = w * (1 << AKIN__RESIZE_BITS);
        weight[x] = (int32_t)(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    }
    if (axis->kernels)
        lay(axis, i);
}

/* The pixels of the last block that the window does not have: the last one
 * again, which nobody sees. */
static void fill_block(struct axis *axis)
{
    for (uint32_t i = axis->count; i < axis->whole; i++) {
        axis->start[i] = axis->start[axis->count - 1];
        lay(axis, i);
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

/* One resize on its way. */
struct job {
    const struct akin__resize_kernels *kernels;
    struct axis x, y;
    size_t reach;  /* bytes that the kernels read of a row, which can be more
                      than it has */
    uint8_t *line; /* [reach]: for a row that has too little behind it */
};

/* Of `rows` rows of `in`, the last that there are, those that the kernels can
 * take as they lie: what is read behind a row is in the rows below. */
static uint32_t safe_rows(const struct job *job, struct rows in, uint32_t rows)
{
    const size_t row = 3 * (size_t)(job->x.end - job->x.begin);
    const size_t over = job->reach > row ? job->reach - row : 0;
    const size_t last = (over + in.stride - 1) / in.stride;
    return last < rows ? rows - (uint32_t)last : 0;
}

/* `rows` rows, of `there` that lie at `in`; it begins at the column that the
 * axis needs first. */
static void across(const struct job *job, struct rows out, struct rows in,
                   uint32_t rows, uint32_t there)
{
    const struct axis *x = &job->x;
    const struct akin__taps taps = {x->count, x->groups, x->start, x->weight};
    const uint32_t safe = safe_rows(job, in, there);
    uint32_t y = 0;
    if (filtered(x)) {
        y = rows < safe ? rows : safe;
        job->kernels->across(y, out.pixels, out.stride, in.pixels, in.stride,
                             &taps);
    }
    for (; y < rows; y++)
        if (filtered(x)) {
            memcpy(job->line, pixel(in, 0, y), 3 * (size_t)(x->end - x->begin));
            job->kernels->across(1, pixel(out, 0, y), 0, job->line, 0, &taps);
        } else {
            memcpy(pixel(out, 0, y), pixel(in, 0, y), 3 * (size_t)x->count);
        }
}

/* Row i of the window; `in` begins at the first row it is made of. */
static void down(const struct job *job, uint8_t *out, struct rows in,
                 uint32_t width, uint32_t i)
{
    const struct axis *y = &job->y;
    const size_t bytes = 3 * (size_t)width;
    if (filtered(y))
        job->kernels->down(bytes, out, in.pixels, in.stride, y->length[i],
                           y->weight + (size_t)i * y->taps);
    else
        memcpy(out, in.pixels, bytes);
}

/* Source row that row i of the window begins with, from y->begin. */
static uint32_t top(const struct axis *y, uint32_t i)
{
    return filtered(y) ? y->start[i] : i;
}

/* Across, then down. `strip` has room for a row's reach and STRIP rows more. */
static void across_first(const struct job *job, struct rows out, struct rows in,
                         struct rows strip)
{
    const struct axis *y = &job->y;
    const uint32_t all = y->end - y->begin, room = y->taps + STRIP;
    uint32_t first = 0, end = 0; /* source rows in the strip */
    for (uint32_t i = 0; i < y->count; i++) {
        const uint32_t from = top(y, i);
        const uint32_t to = from + (filtered(y) ? y->length[i] : 1);
        if (to > end) {
            const uint32_t kept = end > from ? end - from : 0;
            if (kept)
                memmove(strip.pixels, pixel(strip, 0, from - first),
                        kept * strip.stride);
            first = end - kept;
            const uint32_t more =
                all - end < room - kept ? all - end : room - kept;
            across(job, (struct rows){pixel(strip, 0, kept), strip.stride},
                   (struct rows){pixel(in, 0, end), in.stride}, more,
                   all - end);
            end += more;
        }
        down(job, pixel(out, 0, i),
             (struct rows){pixel(strip, 0, from - first), strip.stride},
             job->x.count, i);
    }
}

/* Down, then across, for STRIP rows of the result at a time. */
static void down_first(const struct job *job, struct rows out, struct rows in,
                       struct rows strip)
{
    const struct axis *x = &job->x, *y = &job->y;
    for (uint32_t i = 0; i < y->count; i += STRIP) {
        const uint32_t left = y->count - i, n = left < STRIP ? left : STRIP;
        for (uint32_t r = 0; r < n; r++)
            down(job, pixel(strip, 0, r),
                 (struct rows){pixel(in, 0, top(y, i + r)), in.stride},
                 x->end - x->begin, i + r);
        across(job, (struct rows){pixel(out, 0, i), out.stride}, strip, n, n);
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

/* int32 in an axis' tables, an even number: doubles follow. */
static size_t numbers(const struct axis *axis)
{
    return (weight_count(axis) + axis->whole + axis->count + fixed_count(axis) +
            1) /
           2 * 2;
}

/* Bytes of the tables, whole lines of the cache. */
static size_t table_bytes(const struct axis *axis)
{
    return (numbers(axis) * 4 + axis->taps * sizeof(double) + 63) / 64 * 64;
}

static void fill_tables(struct axis *axis, struct kernel kernel, void *memory)
{
    axis->weight = memory;
    axis->fixed = axis->weight + weight_count(axis);
    axis->start = (uint32_t *)axis->fixed + fixed_count(axis);
    axis->length = axis->start + axis->whole;
    axis->exact = (double *)(void *)(axis->weight + numbers(axis));
    if (!filtered(axis))
        return;
    for (uint32_t i = 0; i < axis->count; i++)
        weigh(axis, kernel, i);
    fill_block(axis);
}

/* Pillow 13's rule, in pixels and not in proportion. */
static bool shrinks_in_height(const struct axis *x, const struct axis *y)
{
    const int64_t down = (int64_t)y->source - y->target;
    const int64_t across = (int64_t)x->source - x->target;
    return down > 0 && down > 2 * across;
}

/* The best table that may be used. */
static akin_status choose(const struct akin__resize_kernels **kernels,
                          akin_error *err)
{
    static const struct akin__resize_kernels *const table[] = {
#if defined(__x86_64__)
        &akin__resize_avx512vnni,
        &akin__resize_avx512,
        &akin__resize_avx2,
#endif
        &akin__resize_c
    };
    enum akin__cpu allowed;
    size_t i = 0;
    const akin_status status = akin__cpu_allowed(&allowed, err);
    if (status)
        return status;
    while (table[i]->level > allowed || !akin__cpu_has(table[i]->level))
        i++;
    *kernels = table[i];
    return AKIN_OK;
}

akin_status akin__resize(const akin_image *image,
                         const struct akin__resize *resize,
                         struct akin__scratch *scratch, uint8_t *out,
                         size_t out_stride, akin_error *err)
{
    const struct kernel kernel = kernel_of(resize->filter);
    struct job job = {.x = plan_axis(image->width, resize->width, resize->left,
                                     resize->window_width, kernel),
                      .y = plan_axis(image->height, resize->height, resize->top,
                                     resize->window_height, kernel)};
    struct axis *x = &job.x, *y = &job.y;
    const bool across_is_first = !filtered(y) || !shrinks_in_height(x, y);
    const akin_status status = choose(&job.kernels, err);
    if (status)
        return status;
    if (filtered(x))
        group(x, job.kernels);
    const size_t width = across_is_first ? x->count : x->end - x->begin;
    const size_t height = STRIP + (across_is_first ? y->taps : 0);
    const size_t tables = table_bytes(x) + table_bytes(y);
    const size_t line = filtered(x) ? reach_of(x, x->end - x->begin) : 0;
    if (!akin__scratch_grow(scratch, tables + 3 * width * height + line))
        return akin__fail(err, AKIN_ENOMEM, "no memory to resize");

    fill_tables(x, kernel, scratch->bytes);
    fill_tables(y, kernel, scratch->bytes + table_bytes(x));
    const struct rows to = {out, out_stride};
    const struct rows strip = {scratch->bytes + tables, 3 * width};
    struct rows in = {image->pixels, image->stride};
    in.pixels = pixel(in, x->begin, y->begin);
    job.line = pixel(strip, 0, (uint32_t)height);
    memset(job.line, 0, line);
    if (filtered(x))
        job.reach = reach_of(x, x->start[x->count - 1]);
    if (across_is_first)
        across_first(&job, to, in, strip);
    else
        down_first(&job, to, in, strip);
    return AKIN_OK;
}
