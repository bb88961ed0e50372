/*
 * Pace (pace.h). A peak is a loop of one instruction on twelve sums, more than
 * any latency times the two units that processors have; the GEMM is timed on
 * shapes that the caller's network has, its best round against the best peak.
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

/* ------------------------------------------------------------------ peak -- */

#if defined(__x86_64__)

/* Twelve sums in `vector` registers 0 to 11, factors of small numbers in 12 and
 * 13 (as float32, as bf16 pairs and as bytes), ones of int16 in 14. */
#define PEAK(name, isa, vector, steps)                                         \
    __attribute__((target(isa))) static void name(long rounds)                 \
    {                                                                          \
        __asm__ volatile("vmovd %1, %%xmm12\n\t"                               \
                         "vpbroadcastd %%xmm12, %%" vector "12\n\t"            \
                         "vpbroadcastd %%xmm12, %%" vector "13\n\t"            \
                         "vpsrlw $14, %%ymm12, %%ymm14\n\t"                    \
                         ".irp r,0,1,2,3,4,5,6,7,8,9,10,11\n\t"                \
                         "vpxor %%xmm\\r, %%xmm\\r, %%xmm\\r\n\t"              \
                         ".endr\n"                                             \
                         "1:\n\t"                                              \
                         ".irp r,0,1,2,3,4,5,6,7,8,9,10,11\n\t" steps          \
                         ".endr\n\t"                                           \
                         "dec %0\n\t"                                          \
                         "jnz 1b\n\t"                                          \
                         "vzeroupper"                                          \
                         : "+r"(rounds)                                        \
                         : "r"(0x3c803c80)                                     \
                         : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",     \
                           "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",   \
                           "xmm12", "xmm13", "xmm14", "xmm15", "cc");          \
    }

PEAK(fma_ymm, "avx2,fma", "ymm", "vfmadd231ps %%ymm12, %%ymm13, %%ymm\\r\n\t")
PEAK(fma_zmm, "avx512f", "zmm", "vfmadd231ps %%zmm12, %%zmm13, %%zmm\\r\n\t")
PEAK(bf16_zmm, "avx512f", "zmm", "vdpbf16ps %%zmm12, %%zmm13, %%zmm\\r\n\t")
PEAK(vnni_ymm, "avx2", "ymm", "%{vex%} vpdpbusd %%ymm12, %%ymm13, %%ymm\\r\n\t")
PEAK(vnni_zmm, "avx512f", "zmm", "vpdpbusd %%zmm12, %%zmm13, %%zmm\\r\n\t")
/* Without VNNI: products of bytes, their pairs summed in int16. */
PEAK(bytes_ymm, "avx2", "ymm",
     "vpmaddubsw %%ymm12, %%ymm13, %%ymm15\n\t"
     "vpaddw %%ymm15, %%ymm\\r, %%ymm\\r\n\t")

struct peak {
    void (*run)(long rounds);
    double each; /* operations of one sum in one round */
};

/* The instruction that tiles of that path are made of. */
static struct peak peak_of(const char *path, akin_precision precision)
{
    static const struct {
        const char *path;
        struct peak float32, int8;
    } known[] = {
        {"avx2", {fma_ymm, 16}, {bytes_ymm, 64}},
        {"avxvnni", {NULL, 0}, {vnni_ymm, 64}},
        {"avx512", {fma_zmm, 32}, {NULL, 0}},
        {"avx512vnni", {NULL, 0}, {vnni_zmm, 128}},
        {"avx512bf16", {bf16_zmm, 64}, {NULL, 0}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].path, path) == 0)
            return precision == AKIN_PRECISION_INT8 ? known[i].int8
                                                    : known[i].float32;
    return (struct peak){NULL, 0};
}

/* Operations a second of one core at its best, a multiplication and an
 * addition being two; 0 where none is known for these kernels. */
static double peak_pace(const struct akin__kernels *kernels,
                        akin_precision precision)
{
    const long rounds = 150000;
    const struct peak peak = peak_of(kernels->tiles[precision].path, precision);
    if (!peak.run)
        return 0;
    const double start = akin__seconds();
    peak.run(rounds);
    return 12 * peak.each * (double)rounds / (akin__seconds() - start);
}

#else

static double peak_pace(const struct akin__kernels *kernels,
                        akin_precision precision)
{
    (void)kernels;
    (void)precision;
    return 0;
}

#endif

/* ------------------------------------------------------------------ GEMM -- */

/* One GEMM of made numbers, ready to be run. */
struct trial {
    struct akin__shape shape;
    struct akin__rows a;
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
    struct akin__rows *a = &trial->a;
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
    trial->a.ld = akin__row_bytes(trial->a.type, k);
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
    double peak = 0;
    struct trial *trial = akin__calloc(count, sizeof *trial);
    *share = 0;
    AKIN_CHECK(trial, err, AKIN_ENOMEM, "no memory to measure the GEMM");
    for (size_t i = 0; i < count; i++)
        AKIN_TRY(trial_open(&trial[i], kernels, precision, &shape[i], err));
    const double start = akin__seconds();
    do {
        const double pace = peak_pace(kernels, precision);
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
