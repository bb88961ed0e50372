/*
 * Nearest: the largest products of vectors with many others, exact in float32,
 * a block of queries and a block of others at a time.
 */
#ifndef AKIN_EVAL_NEAREST_H
#define AKIN_EVAL_NEAREST_H

#include "akin_eval.h"

struct akin__nearest {
    const float *queries; /* [count][dim] */
    size_t count;
    const float *others; /* [n][dim] */
    size_t n, dim, k;
    const uint32_t
        *self; /* [count]: no answer to its query, or NONE; or NULL */
    int threads;
    akin_progress_fn progress; /* "queries", or NULL */
    void *context;
    /* All products of a query [n] at once, from several threads; or NULL. Then
     * a block of others is all of them. */
    void (*row)(void *rows, size_t query, const float *products);
    void *rows;
};

/*
 * score and at [count][k]: the k largest products of each query and whose they
 * are, largest first, equal ones by number; below k, or where there is none, at
 * is AKIN_EVAL_NONE. What is NAN is none of them. AKIN_ENOMEM, AKIN_EUSAGE
 * (AKIN_CPU), AKIN_ECANCELLED.
 */
akin_status akin__nearest(const struct akin__nearest *nearest, float *score,
                          uint32_t *at, akin_error *err);

#endif
