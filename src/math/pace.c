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

/* The instruction that kernels of that name are made of. */
static struct peak peak_of(const char *name, akin_precision precision)
{
    const bool wide = strncmp(name, "avx512", 6) == 0;
    if (!wide && strncmp(name, "avx", 3) != 0)
        return (struct peak){NULL, 0};
    if (precision == AKIN_PRECISION_F32)
        return wide ? (struct peak){fma_zmm, 32} : (struct peak){fma_ymm, 16};
    if (precision == AKIN_PRECISION_INT8 && !wide)
        return (struct peak){strstr(name, "vnni") ? vnni_ymm : bytes_ymm, 64};
    if (precision == AKIN_PRECISION_INT8 &&
        __builtin_cpu_supports("avx512vnni"))
        return (struct peak){vnni_zmm, 128};
    if (precision == AKIN_PRECISION_BF16 && wide &&
        __builtin_cpu_supports("avx512bf16"))
        return (struct peak){bf16_zmm, 64};
    return (struct peak){NULL, 0};
}

/* Operations a second of one core at its best, a multiplication and an
 * addition being two; 0 where none is known for these kernels. */
static double peak_pace(const struct akin__kernels *kernels,
                        akin_precision precision)
{
    const long rounds = 150000;
    const struct peak peak = peak_of(kernels->name, precision);
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
    struct akin__packed b;
    float *a, *w, *bias, *out, *scratch;
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
    void *all[] = {trial->a,   trial->w,       trial->bias,
                   trial->out, trial->scratch, trial->b.panels};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        akin__free(all[i]);
}

/* False when memory is short. */
static bool trial_open(struct trial *trial, const struct akin__kernels *kernels,
                       const struct akin__shape *shape)
{
    const size_t k = shape->k, n = shape->n;
    *trial =
        (struct trial){.shape = *shape,
                       .b = {.k = k, .n = n},
                       .a = made_floats(shape->m * k),
                       .w = made_floats(k * n),
                       .bias = made_floats(n),
                       .out = made_floats(shape->m * n),
                       .scratch = made_floats(akin__gemm_scratch(kernels, k)),
                       .best = 1e9};
    trial->b.panels = made_floats(akin__packed_floats(kernels, k, n));
    if (!trial->a || !trial->w || !trial->bias || !trial->out ||
        !trial->scratch || !trial->b.panels)
        return false;
    akin__pack(kernels, &trial->b, trial->w, 1, k);
    return true;
}

static void trial_run(struct trial *trial, const struct akin__kernels *kernels)
{
    const struct akin__shape *s = &trial->shape;
    const struct akin__epilogue epilogue = {.bias = trial->bias};
    const double start = akin__seconds();
    akin__gemm(kernels, s->m, trial->a, s->k, &trial->b, &epilogue, trial->out,
               s->n, trial->scratch);
    const double took = akin__seconds() - start;
    if (took < trial->best)
        trial->best = took;
}

akin_status akin__gemm_share(const struct akin__kernels *kernels,
                             akin_precision precision,
                             const struct akin__shape *shape, size_t count,
                             double seconds, double *share, akin_error *err)
{
    akin_status status = AKIN_OK;
    double peak = 0, operations = 0, took = 0;
    const double start = akin__seconds();
    struct trial *trial = NULL;
    *share = 0;
    if (precision != AKIN_PRECISION_F32)
        return AKIN_OK; /* no such GEMM yet */
    trial = akin__calloc(count, sizeof *trial);
    AKIN_CHECK(trial, err, AKIN_ENOMEM, "no memory to measure the GEMM");
    for (size_t i = 0; i < count; i++)
        AKIN_CHECK(trial_open(&trial[i], kernels, &shape[i]), err, AKIN_ENOMEM,
                   "no memory to measure the GEMM");
    do {
        const double pace = peak_pace(kernels, precision);
        peak = pace > peak ? pace : peak;
        for (size_t i = 0; i < count; i++)
            trial_run(&trial[i], kernels);
    } while (akin__seconds() - start < seconds);
    for (size_t i = 0; i < count; i++) {
        const struct akin__shape *s = &trial[i].shape;
        operations += 2.0 * (double)s->m * (double)s->k * (double)s->n;
        took += trial[i].best;
    }
    *share = peak > 0 ? operations / took / peak : 0;
out:
    for (size_t i = 0; trial && i < count; i++)
        trial_close(&trial[i]);
    akin__free(trial);
    return status;
}
