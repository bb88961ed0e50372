/*
 * Pace: how close the GEMM comes to what one core of this processor can do.
 *
 * The peak is measured, not looked up: independent sums in registers, with the
 * instruction that a precision's kernels are made of. Only `akin bench` and
 * bench/ ask.
 */
#ifndef AKIN_MATH_PACE_H
#define AKIN_MATH_PACE_H

#include <stddef.h>

#include "akin.h"
#include "math/kernels.h"

/* A [m][k] times B [k][n], so many times. */
struct akin__shape {
    size_t m, k, n, times;
};

/*
 * The share of the measured peak that the GEMM reaches over all of shape
 * [count] together, in about `seconds`, best of interleaved rounds; *share is
 * 0 where the peak or the GEMM is not known. AKIN_ENOMEM.
 */
akin_status akin__gemm_share(const struct akin__kernels *kernels,
                             akin_precision precision,
                             const struct akin__shape *shape, size_t count,
                             double seconds, double *share, akin_error *err);

#endif
