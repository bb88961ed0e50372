/* Kernels: which table this processor gets. */
#include "math/kernels.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

extern const struct akin__kernels akin__kernels_c;
#if defined(__x86_64__)
extern const struct akin__kernels akin__kernels_avx2, akin__kernels_avx512;
#endif

/* The tables this machine runs, from the plainest up.
 * __builtin_cpu_supports also asks whether the system saves the registers. */
static size_t tables(const struct akin__kernels *table[3])
{
    size_t count = 0;
    table[count++] = &akin__kernels_c;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return count;
    table[count++] = &akin__kernels_avx2;
    if (__builtin_cpu_supports("avx512f"))
        table[count++] = &akin__kernels_avx512;
#endif
    return count;
}

const struct akin__kernels *akin__kernels_named(const char *name)
{
    const struct akin__kernels *table[3];
    const size_t count = tables(table);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(table[i]->name, name) == 0)
            return table[i];
    }
    return NULL;
}

const struct akin__kernels *akin__kernels(akin_error *err)
{
    const struct akin__kernels *table[3];
    const size_t count = tables(table);
    const char *wanted = getenv("AKIN_CPU");
    if (!wanted || !*wanted)
        return table[count - 1];
    if (strcmp(wanted, "c") && strcmp(wanted, "avx2") &&
        strcmp(wanted, "avx512")) {
        akin__fail(err, AKIN_EUSAGE,
                   "AKIN_CPU=%s: no such kernels (c, avx2, avx512)", wanted);
        return NULL;
    }
    /* It can only lower the choice: what the processor lacks is not run. */
    const struct akin__kernels *found = akin__kernels_named(wanted);
    return found ? found : table[count - 1];
}
