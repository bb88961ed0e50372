/* Kernels: which table this processor gets. */
#include "math/kernels.h"

#include <string.h>

#include "base/cpu.h"

extern const struct akin__kernels akin__kernels_c;
#if defined(__x86_64__)
extern const struct akin__kernels akin__kernels_avx2, akin__kernels_avxvnni,
    akin__kernels_avx512, akin__kernels_avx512vnni, akin__kernels_avx512bf16;
#endif

/* By level; a level that this machine cannot have has none. */
static const struct akin__kernels *const ladder[AKIN__CPU_LEVELS] = {
    [AKIN__CPU_C] = &akin__kernels_c,
#if defined(__x86_64__)
    [AKIN__CPU_AVX2] = &akin__kernels_avx2,
    [AKIN__CPU_AVXVNNI] = &akin__kernels_avxvnni,
    [AKIN__CPU_AVX512] = &akin__kernels_avx512,
    [AKIN__CPU_AVX512VNNI] = &akin__kernels_avx512vnni,
    [AKIN__CPU_AVX512BF16] = &akin__kernels_avx512bf16,
#endif
};

const struct akin__kernels *akin__kernels_named(const char *name)
{
    for (int i = 0; i < AKIN__CPU_LEVELS; i++) {
        const enum akin__cpu level = (enum akin__cpu)i;
        if (strcmp(akin__cpu_name(level), name) == 0)
            return akin__cpu_has(level) ? ladder[level] : NULL;
    }
    return NULL;
}

const struct akin__kernels *akin__kernels(akin_error *err)
{
    enum akin__cpu level;
    if (akin__cpu_allowed(&level, err))
        return NULL;
    while (!akin__cpu_has(level))
        level--;
    return ladder[level];
}
