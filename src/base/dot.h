/* Dot: vectors in plain C, for what is not the network. */
#ifndef AKIN_BASE_DOT_H
#define AKIN_BASE_DOT_H

#include <math.h>
#include <stddef.h>

/* In eight sums, which a compiler keeps in registers. */
static inline float akin__dot(const float *a, const float *b, size_t n)
{
    float sum[8] = {0};
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t j = 0; j < 8; j++)
            sum[j] += a[i + j] * b[i + j];
    for (; i < n; i++)
        sum[0] += a[i] * b[i];
    return ((sum[0] + sum[4]) + (sum[1] + sum[5])) +
           ((sum[2] + sum[6]) + (sum[3] + sum[7]));
}

/* `vector` [dim] at length 1 into `unit`, which may be the same; zero stays
 * zero. Its squares' sum comes back: a number that is not finite shows there.
 */
static inline double akin__unit(const float *vector, float *unit, size_t dim)
{
    double sum = 0;
    for (size_t i = 0; i < dim; i++)
        sum += (double)vector[i] * (double)vector[i];
    const double scale = sum > 0 ? 1 / sqrt(sum) : 0;
    for (size_t i = 0; i < dim; i++)
        unit[i] = (float)((double)vector[i] * scale);
    return sum;
}

#endif
