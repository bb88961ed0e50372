/*
 * Pace (pace.h): the GEMM is timed on shapes that the caller's network has, its
 * best round against the best peak.
 *
 * What a precision's GEMM is, stands in one place: struct trial and its three
 * functions.
 */
#include "math/pace.h"

#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "math/gemm.h"
#include "math/peak.h"

/* One GEMM of made numbers, ready to be run. */
struct trial {
    struct akin__shape shape;
    struct akin__left a;
    struct akin__packed b;
    float *bias, *out;
    double best; /* seconds */
};

static float *made_floats(size_t count)
{
    float *made = akin__alloc_aligned(count, sizeof *made);
    uint32_t state = 1;
    for (size_t i = 0; made && i < count; i++) {
        state = state * 1664525 + 1013904223;
        made[i] = (float)(state >> 8) * 0x1p-23f - 1;
    }
    return made;
}

static void trial_close(struct trial *trial)
{
    void *all[] = {trial->a.values,       trial->a.scale,
                   trial->a.zero,         trial->b.panels,
                   trial->b.column_scale, trial->b.column_sum,
                   trial->bias,           trial->out};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        akin__free(all[i]);
}

/* Row `row` of A from floats [k], as the GEMM takes it. */
static void narrow_row(const struct akin__kernels *kernels, struct trial *trial,
                       size_t row, const float *floats)
{
    struct akin__left *a = &trial->a;
    void *values = (char *)a->values + row * a->ld;
    const size_t k = trial->shape.k;
    if (a->type == AKIN_PRECISION_INT8)
        kernels->to_int8(k, floats, values, &a->scale[row], &a->zero[row]);
    else if (a->type == AKIN_PRECISION_BF16)
        kernels->to_bf16(k, floats, values);
    else
        memcpy(values, floats, k * sizeof *floats);
}

/* Memory for all of it, `made` [n][k] being weights; false when it is short. */
static bool take_memory(const struct akin__kernels *kernels,
                        struct trial *trial, const float *made)
{
    const size_t m = trial->shape.m, k = trial->shape.k, n = trial->shape.n;
    trial->a.ld = akin__left_bytes(trial->a.type, k);
    trial->a.values = akin__alloc_aligned(m, trial->a.ld);
    trial->a.scale = akin__alloc(m, sizeof *trial->a.scale);
    trial->a.zero = akin__alloc(m, sizeof *trial->a.zero);
    trial->b.panels = akin__alloc_aligned(
        akin__packed_bytes(kernels, trial->b.type, k, n), 1);
    trial->b.column_scale = akin__alloc(n, sizeof *trial->b.column_scale);
    trial->b.column_sum = akin__alloc(n, sizeof *trial->b.column_sum);
    trial->bias = made_floats(n);
    trial->out = made_floats(m * n);
    return made && trial->a.values && trial->a.scale && trial->a.zero &&
           trial->b.panels && trial->b.column_scale && trial->b.column_sum &&
           trial->bias && trial->out;
}

static akin_status trial_open(struct trial *trial,
                              const struct akin__kernels *kernels,
                              akin_precision precision,
                              const struct akin__shape *shape, akin_error *err)
{
    akin_status status = AKIN_OK;
    float *made = made_floats(shape->k * shape->n);
    *trial =
        (struct trial){.shape = *shape,
                       .a = {.type = precision},
                       .b = {precision, shape->k, shape->n, NULL, NULL, NULL},
                       .best = 1e9};
    AKIN_CHECK(take_memory(kernels, trial, made), err, AKIN_ENOMEM,
               "no memory to measure the GEMM");
    memset(trial->a.values, 0, shape->m * trial->a.ld);
    for (size_t row = 0; row < shape->m; row++)
        narrow_row(kernels, trial, row, made + row % shape->n * shape->k);
    AKIN_TRY(akin__pack(kernels, &trial->b, made, shape->k, NULL, err));
out:
    akin__free(made);
    return status;
}

static void trial_run(struct trial *trial, const struct akin__kernels *kernels)
{
    const struct akin__epilogue epilogue = {.bias = trial->bias};
    const double start = akin__seconds();
    akin__gemm(kernels, trial->shape.m, &trial->a, &trial->b, &epilogue,
               trial->out, trial->shape.n * sizeof *trial->out);
    const double took = akin__seconds() - start;
    if (took < trial->best)
        trial->best = took;
}

/* Operations a second of one core at its best; 0 where none is known. */
static double peak_pace(const struct akin__peak *peak)
{
    const long rounds = 100000;
    if (!peak->run)
        return 0;
    const double start = akin__seconds();
    peak->run(rounds);
    return peak->operations * (double)rounds / (akin__seconds() - start);
}

/* Operations a second of all trials at their best. */
static double pace_of(const struct trial *trial, size_t count)
{
    double operations = 0, took = 0;
    for (size_t i = 0; i < count; i++) {
        const struct akin__shape *s = &trial[i].shape;
        const double times = (double)s->times;
        operations += 2 * times * (double)s->m * (double)s->k * (double)s->n;
        took += times * trial[i].best;
    }
    return operations / took;
}

akin_status akin__gemm_share(const struct akin__kernels *kernels,
                             akin_precision precision,
                             const struct akin__shape *shape, size_t count,
                             double seconds, double *share, akin_error *err)
{
    akin_status status = AKIN_OK;
    const struct akin__peak top = akin__peak(kernels, precision);
    double peak = 0;
    struct trial *trial = akin__calloc(count, sizeof *trial);
    *share = 0;
    AKIN_CHECK(trial, err, AKIN_ENOMEM, "no memory to measure the GEMM");
    for (size_t i = 0; i < count; i++)
        AKIN_TRY(trial_open(&trial[i], kernels, precision, &shape[i], err));
    const double start = akin__seconds();
    do {
        const double pace = peak_pace(&top);
        peak = pace > peak ? pace : peak;
        for (size_t i = 0; i < count; i++)
            trial_run(&trial[i], kernels);
    } while (akin__seconds() - start < seconds);
    *share = peak > 0 ? pace_of(trial, count) / peak : 0;
out:
    for (size_t i = 0; trial && i < count; i++)
        trial_close(&trial[i]);
    akin__free(trial);
    return status;
}
