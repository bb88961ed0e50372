/*
 * Eigen (eigen.h): Householder's reduction to a tridiagonal matrix, then the
 * implicit QL method with Wilkinson's shift (Golub and Van Loan, Matrix
 * Computations, 8.3). Everything inner runs along rows, which a compiler turns
 * into vector instructions: eigenvectors are kept as rows from the start.
 *
 * Why not LAPACK: this is the one decomposition that akin needs, and a
 * dependency of megabytes for a second of work at most once a run.
 */
#include "math/eigen.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

static double dot(const double *a, const double *b, size_t n)
{
    double sum[4] = {0};
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (size_t j = 0; j < 4; j++)
            sum[j] += a[i + j] * b[i + j];
    for (; i < n; i++)
        sum[0] += a[i] * b[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static void add_scaled(double *restrict to, double scale,
                       const double *restrict from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] += scale * from[i];
}

/*
 * x [n] becomes v, with v_0 = 1, so that (1 - tau v v') x = (beta, 0, ..., 0):
 * beta comes back. tau 0: x was that already.
 */
static double reflect(double *x, size_t n, double *tau)
{
    const double rest = dot(x + 1, x + 1, n - 1);
    const double first = x[0];
    *tau = 0;
    if (rest == 0) {
        x[0] = 1;
        return first;
    }
    const double beta = -copysign(sqrt(first * first + rest), first);
    *tau = (beta - first) / beta;
    for (size_t i = 1; i < n; i++)
        x[i] /= first - beta;
    x[0] = 1;
    return beta;
}

/*
 * a = Q t Q' with t tridiagonal: its diagonal and the numbers beside it. Row k
 * of a keeps the reflection k behind its diagonal, tau [n] its factor.
 */
static void tridiagonal(size_t n, double *a, double *diagonal, double *beside,
                        double *tau, double *p)
{
    for (size_t k = 0; k + 1 < n; k++) {
        double *v = a + k * n + k + 1;
        const size_t m = n - k - 1;
        diagonal[k] = a[k * n + k];
        beside[k] = reflect(v, m, &tau[k]);
        if (tau[k] == 0)
            continue;
        /* The rest becomes (1 - tau v v') A (1 - tau v v') = A - v w' - w v'.
         */
        for (size_t i = 0; i < m; i++)
            p[i] = tau[k] * dot(a + (k + 1 + i) * n + k + 1, v, m);
        add_scaled(p, -tau[k] / 2 * dot(p, v, m), v, m);
        for (size_t i = 0; i < m; i++) {
            double *row = a + (k + 1 + i) * n + k + 1;
            for (size_t j = 0; j < m; j++)
                row[j] -= v[i] * p[j] + p[i] * v[j];
        }
    }
    diagonal[n - 1] = a[n * n - 1];
    beside[n - 1] = 0;
}

/* vector = Q', of the reflections that tridiagonal left. */
static void unfold(size_t n, const double *a, const double *tau, double *vector)
{
    memset(vector, 0, n * n * sizeof *vector);
    for (size_t i = 0; i < n; i++)
        vector[i * n + i] = 1;
    for (size_t k = n - 1; k-- > 0;) {
        const double *v = a + k * n + k + 1;
        const size_t m = n - k - 1;
        for (size_t i = k + 1; i < n && tau[k] != 0; i++) {
            double *row = vector + i * n + k + 1;
            add_scaled(row, -tau[k] * dot(row, v, m), v, m);
        }
    }
}

/* Rows a and b as (c a - s b, s a + c b). */
static void rotate(double *restrict a, double *restrict b, double c, double s,
                   size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const double x = a[i], y = b[i];
        a[i] = c * x - s * y;
        b[i] = s * x + c * y;
    }
}

/* One implicit step on the block [low, high] of the tridiagonal matrix. */
static void step(size_t n, size_t low, size_t high, double *d, double *e,
                 double *vector)
{
    const double half = (d[low + 1] - d[low]) / (2 * e[low]);
    double g =
        d[high] - d[low] + e[low] / (half + copysign(hypot(half, 1), half));
    double s = 1, c = 1, p = 0;
    for (size_t i = high; i-- > low;) {
        const double f = s * e[i], b = c * e[i], r = hypot(f, g);
        e[i + 1] = r;
        if (r == 0) { /* it has split by itself */
            d[i + 1] -= p;
            e[high] = 0;
            return;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        const double t = (d[i] - g) * s + 2 * c * b;
        p = s * t;
        d[i + 1] = g + p;
        g = c * t - b;
        rotate(vector + i * n, vector + (i + 1) * n, c, s, n);
    }
    d[low] -= p;
    e[low] = g;
    e[high] = 0;
}

/* The end of the block that begins at `low`: what is beside it is nothing. */
static size_t block_end(size_t n, size_t low, const double *d, const double *e)
{
    size_t high = low;
    while (high + 1 < n &&
           fabs(e[high]) > DBL_EPSILON * (fabs(d[high]) + fabs(d[high + 1])))
        high++;
    return high;
}

static akin_status iterate(size_t n, double *d, double *e, double *vector,
                           akin_error *err)
{
    enum { STEPS = 60 }; /* two are usual for a value */
    for (size_t low = 0; low < n; low++) {
        size_t high;
        for (int steps = 0; (high = block_end(n, low, d, e)) > low; steps++) {
            if (steps == STEPS)
                return akin__fail(err, AKIN_EUSAGE,
                                  "the eigenvalues of a matrix of %zu rows do "
                                  "not converge",
                                  n);
            step(n, low, high, d, e, vector);
        }
    }
    return AKIN_OK;
}

/* Largest first. */
static void sort(size_t n, double *d, double *vector, double *spare)
{
    for (size_t i = 0; i < n; i++) {
        size_t most = i;
        for (size_t j = i + 1; j < n; j++)
            most = d[j] > d[most] ? j : most;
        if (most == i)
            continue;
        const double value = d[i];
        d[i] = d[most];
        d[most] = value;
        memcpy(spare, vector + i * n, n * sizeof *spare);
        memcpy(vector + i * n, vector + most * n, n * sizeof *spare);
        memcpy(vector + most * n, spare, n * sizeof *spare);
    }
}

akin_status akin__eigen(size_t n, double *a, double *value, double *vector,
                        akin_error *err)
{
    akin_status status = AKIN_OK;
    double *room = akin__alloc(n, 3 * sizeof *room);
    AKIN_CHECK(room, err, AKIN_ENOMEM, "no memory for %zu eigenvalues", n);
    for (size_t i = 0; i < n * n; i++)
        AKIN_CHECK(isfinite(a[i]), err, AKIN_EUSAGE,
                   "a number of the matrix is not finite");
    if (n) {
        double *beside = room, *tau = room + n, *spare = room + 2 * n;
        tridiagonal(n, a, value, beside, tau, spare);
        unfold(n, a, tau, vector);
        AKIN_TRY(iterate(n, value, beside, vector, err));
        sort(n, value, vector, spare);
    }
out:
    akin__free(room);
    return status;
}
