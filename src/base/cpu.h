/*
 * Cpu: which instruction sets this process may use, asked in one place.
 *
 * The levels are in order of preference. Each tells what code compiled for it
 * needs; a processor can have a level without all those before it (AVX-VNNI is
 * missing from many that have AVX-512). The environment variable AKIN_CPU names
 * the highest level that may be used: it can only lower the choice. A level
 * whose code has never run on a processor that has it is left out by the build
 * (meson's option without_paths) until docs/cpus.md records that it has.
 */
#ifndef AKIN_BASE_CPU_H
#define AKIN_BASE_CPU_H

#include <stdbool.h>

#include "akin.h"

enum akin__cpu {
    AKIN__CPU_C,          /* the baseline of the architecture */
    AKIN__CPU_AVX2,       /* AVX2 and FMA */
    AKIN__CPU_AVXVNNI,    /* and AVX-VNNI */
    AKIN__CPU_AVX512,     /* AVX2's and AVX-512 F, BW, DQ, VL */
    AKIN__CPU_AVX512VNNI, /* and AVX512_VNNI */
    AKIN__CPU_AVX512BF16, /* and AVX512_BF16 */
    AKIN__CPU_LEVELS
};

/* As AKIN_CPU spells it: "c", "avx2", "avxvnni", ... */
const char *akin__cpu_name(enum akin__cpu level);

/* Whether the processor has all of the level, the system saves its registers
 * and the build does not leave it out. */
bool akin__cpu_has(enum akin__cpu level);

/*
 * The highest level that may be used: that of AKIN_CPU, else the last. Use a
 * level when it is not above this and akin__cpu_has it. AKIN_EUSAGE when
 * AKIN_CPU names none.
 */
akin_status akin__cpu_allowed(enum akin__cpu *level, akin_error *err);

#endif
