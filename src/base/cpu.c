/* Cpu (cpu.h). Nothing is kept: cpuid's answers are the compiler's runtime's,
 * and the environment is read when asked. */
#include "base/cpu.h"

#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "base/config.h"
#include "base/error.h"

static const char *const name[AKIN__CPU_LEVELS] = {
    [AKIN__CPU_C] = "c",
    [AKIN__CPU_AVX2] = "avx2",
    [AKIN__CPU_AVXVNNI] = "avxvnni",
    [AKIN__CPU_AVX512] = "avx512",
    [AKIN__CPU_AVX512VNNI] = "avx512vnni",
    [AKIN__CPU_AVX512BF16] = "avx512bf16",
};

/* What the build leaves out: meson's option without_paths. */
static const bool without[AKIN__CPU_LEVELS] = {AKIN_WITHOUT};

const char *akin__cpu_name(enum akin__cpu level)
{
    return name[level];
}

#if defined(__x86_64__)
/* What __builtin_cpu_supports does not know in every compiler: leaf 7,
 * subleaf 1, bit 4 of eax. It needs no registers beyond AVX2's. */
static bool has_avxvnni(void)
{
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax >> 4 & 1);
}

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}

bool akin__cpu_has(enum akin__cpu level)
{
    __builtin_cpu_init();
    if (without[level])
        return false;
    if (level == AKIN__CPU_C)
        return true;
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return false;
    if (level == AKIN__CPU_AVX2)
        return true;
    if (level == AKIN__CPU_AVXVNNI)
        return has_avxvnni();
    return has_avx512() &&
           (level < AKIN__CPU_AVX512VNNI ||
            __builtin_cpu_supports("avx512vnni")) &&
           (level < AKIN__CPU_AVX512BF16 ||
            __builtin_cpu_supports("avx512bf16"));
}
#else
bool akin__cpu_has(enum akin__cpu level)
{
    return level == AKIN__CPU_C && !without[level];
}
#endif

akin_status akin__cpu_allowed(enum akin__cpu *level, akin_error *err)
{
    const char *wanted = getenv("AKIN_CPU");
    *level = AKIN__CPU_LEVELS - 1;
    if (!wanted || !*wanted)
        return AKIN_OK;
    for (int i = 0; i < AKIN__CPU_LEVELS; i++)
        if (strcmp(wanted, name[i]) == 0) {
            *level = (enum akin__cpu)i;
            return AKIN_OK;
        }
    return akin__fail(err, AKIN_EUSAGE,
                      "AKIN_CPU=%s: no such kernels (c, avx2, avxvnni, avx512, "
                      "avx512vnni, avx512bf16)",
                      wanted);
}
