/*
 * Peak (peak.h). Sums are more than the instruction's latency times the units
 * that have it: 12 are what 16 registers leave beside the factors, and enough
 * for a latency of 6; bf16 on 512 bits takes longer, and has 32 registers.
 */
#include "math/peak.h"

#include <string.h>

#if defined(__x86_64__)

#define SUMS_12 "0,1,2,3,4,5,6,7,8,9,10,11"
#define SUMS_24 SUMS_12 ",16,17,18,19,20,21,22,23,24,25,26,27"

/* `step` for each of the sums r; factors of small numbers in 12 and 13 (as
 * float32, as bf16 pairs and as bytes). The upper registers are nobody's: what
 * they held before is of no matter, and the compiler does not use them here. */
#define PEAK(name, vector, sums, step)                                         \
    static void name(long rounds)                                              \
    {                                                                          \
        __asm__ volatile("vmovd %1, %%xmm12\n\t"                               \
                         "vpbroadcastd %%xmm12, %%" vector "12\n\t"            \
                         "vpbroadcastd %%xmm12, %%" vector "13\n\t"            \
                         ".irp r," sums "\n\t"                                 \
                         "vxorps %%" vector "\\r, %%" vector "\\r, %%" vector  \
                         "\\r\n\t"                                             \
                         ".endr\n"                                             \
                         "1:\n\t"                                              \
                         ".irp r," sums "\n\t" step "\n\t"                     \
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

PEAK(fma_ymm, "ymm", SUMS_12, "vfmadd231ps %%ymm12, %%ymm13, %%ymm\\r")
PEAK(fma_zmm, "zmm", SUMS_24, "vfmadd231ps %%zmm12, %%zmm13, %%zmm\\r")
PEAK(bf16_zmm, "zmm", SUMS_24, "vdpbf16ps %%zmm12, %%zmm13, %%zmm\\r")
PEAK(vnni_ymm, "ymm", SUMS_12, "%{vex%} vpdpbusd %%ymm12, %%ymm13, %%ymm\\r")
PEAK(vnni_zmm, "zmm", SUMS_24, "vpdpbusd %%zmm12, %%zmm13, %%zmm\\r")
/* Without VNNI: products of bytes, their pairs summed in int16. */
PEAK(bytes_ymm, "ymm", SUMS_12,
     "vpmaddubsw %%ymm12, %%ymm13, %%ymm15\n\t"
     "vpaddw %%ymm15, %%ymm\\r, %%ymm\\r")

/* The instruction that tiles of a path are made of. */
static const struct {
    const char *path;
    akin_precision precision;
    struct akin__peak peak;
} known[] = {
    {"avx2", AKIN_PRECISION_F32, {fma_ymm, 12 * 16}},
    {"avx512", AKIN_PRECISION_F32, {fma_zmm, 24 * 32}},
    {"avx512bf16", AKIN_PRECISION_BF16, {bf16_zmm, 24 * 64}},
    {"avx2", AKIN_PRECISION_INT8, {bytes_ymm, 12 * 64}},
    {"avxvnni", AKIN_PRECISION_INT8, {vnni_ymm, 12 * 64}},
    {"avx512vnni", AKIN_PRECISION_INT8, {vnni_zmm, 24 * 128}},
};

struct akin__peak akin__peak(const struct akin__kernels *kernels,
                             akin_precision precision)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].precision == precision &&
            strcmp(known[i].path, kernels->tiles[precision].path) == 0)
            return known[i].peak;
    return (struct akin__peak){NULL, 0};
}

#else

struct akin__peak akin__peak(const struct akin__kernels *kernels,
                             akin_precision precision)
{
    (void)kernels;
    (void)precision;
    return (struct akin__peak){NULL, 0};
}

#endif
