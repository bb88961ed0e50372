/* Kernels: which table this processor gets. */
#include "math/kernels.h"

#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "base/error.h"

extern const struct akin__kernels akin__kernels_c;
#if defined(__x86_64__)
extern const struct akin__kernels akin__kernels_avx2, akin__kernels_avxvnni,
    akin__kernels_avx512, akin__kernels_avx512vnni, akin__kernels_avx512bf16;

/* __builtin_cpu_supports also asks whether the system saves the registers. */
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}

static bool has_avx512vnni(void)
{
    return has_avx512() && __builtin_cpu_supports("avx512vnni");
}

static bool has_avx512bf16(void)
{
    return has_avx512vnni() && __builtin_cpu_supports("avx512bf16");
}

/* gcc 12's __builtin_cpu_supports does not know it: CPUID leaf 7, part 1. */
static bool has_avxvnni(void)
{
    unsigned eax, ebx, ecx, edx;
    return has_avx2() && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) &&
           eax >> 4 & 1;
}
#endif

static bool always(void)
{
    return true;
}

/* From the plainest up; all that AKIN_CPU may name. */
static const struct {
    const struct akin__kernels *table;
    bool (*runs)(void);
} ladder[] = {
    {&akin__kernels_c, always},
#if defined(__x86_64__)
    {&akin__kernels_avx2, has_avx2},
    {&akin__kernels_avxvnni, has_avxvnni},
    {&akin__kernels_avx512, has_avx512},
    {&akin__kernels_avx512vnni, has_avx512vnni},
    {&akin__kernels_avx512bf16, has_avx512bf16},
#endif
};
enum { STEPS = sizeof ladder / sizeof ladder[0] };

/* The best of the first `count`. */
static const struct akin__kernels *best_of(size_t count)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
#endif
    while (!ladder[count - 1].runs())
        count--;
    return ladder[count - 1].table;
}

const struct akin__kernels *akin__kernels_named(const char *name)
{
    for (size_t i = 0; i < STEPS; i++) {
        if (strcmp(ladder[i].table->name, name) == 0)
            return best_of(i + 1) == ladder[i].table ? ladder[i].table : NULL;
    }
    return NULL;
}

const struct akin__kernels *akin__kernels(akin_error *err)
{
    const char *wanted = getenv("AKIN_CPU");
    if (!wanted || !*wanted)
        return best_of(STEPS);
    for (size_t i = 0; i < STEPS; i++) {
        if (strcmp(ladder[i].table->name, wanted) == 0)
            return best_of(i + 1);
    }
    akin__fail(err, AKIN_EUSAGE,
               "AKIN_CPU=%s: no such kernels (c, avx2, avxvnni, avx512, "
               "avx512vnni, avx512bf16)",
               wanted);
    return NULL;
}
