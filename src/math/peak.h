/*
 * Peak: the most that one core does of the instruction that tiles are made of,
 * to be measured: independent sums in registers, no memory.
 *
 * Threads: constant; runs share nothing.
 */
#ifndef AKIN_MATH_PEAK_H
#define AKIN_MATH_PEAK_H

#include "akin.h"
#include "math/kernels.h"

struct akin__peak {
    void (*run)(long rounds); /* NULL where none is known */
    double operations;        /* of a round; a product and its sum are two */
};

struct akin__peak akin__peak(const struct akin__kernels *kernels,
                             akin_precision precision);

#endif
