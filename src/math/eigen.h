/* Eigen: eigenvalues and eigenvectors of a symmetric matrix, in double. */
#ifndef AKIN_MATH_EIGEN_H
#define AKIN_MATH_EIGEN_H

#include <stddef.h>

#include "akin.h"

/*
 * Of symmetric `a` [n][n], which is overwritten: value [n] from the largest
 * down, and row i of vector [n][n] the unit eigenvector of value i. About 6 n^3
 * operations by one thread: about a second for 768. AKIN_ENOMEM; AKIN_EUSAGE
 * when a number of `a` is not finite.
 */
akin_status akin__eigen(size_t n, double *a, double *value, double *vector,
                        akin_error *err);

#endif
