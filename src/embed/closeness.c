/*
 * Closeness: akin_closeness_of, how well vectors stand for others.
 *
 * Rows are scaled to length one once, so that a cosine is a dot product; they
 * are dealt out to the threads one by one.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "akin_bench.h"
#include "base/dot.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"

struct comparison {
    const float *vectors, *reference; /* [count][dim], of length one */
    size_t count, dim;
    double *cosine; /* [count] of a row's two vectors */
    char *same;     /* [count] whether the nearest neighbour is */
};

/* A copy of rows [count][dim] of length one; NULL when memory is short. */
static float *unit_rows(const float *rows, size_t count, size_t dim)
{
    size_t numbers;
    float *unit = akin__mul_ok(count, dim, &numbers)
                      ? akin__alloc_aligned(numbers, sizeof *unit)
                      : NULL;
    for (size_t i = 0; unit && i < count; i++)
        akin__unit(rows + i * dim, unit + i * dim, dim);
    return unit;
}

/* The row nearest to row `item`, the first of equals; its cosine in *best. */
static size_t nearest(const float *rows, size_t count, size_t dim, size_t item,
                      float *best)
{
    size_t found = item;
    *best = -2;
    for (size_t i = 0; i < count; i++) {
        const float cosine =
            i == item ? -3 : akin__dot(rows + item * dim, rows + i * dim, dim);
        if (cosine > *best) {
            *best = cosine;
            found = i;
        }
    }
    return found;
}

static akin_status compare_row(void *context, size_t item, int thread,
                               akin_error *err)
{
    const struct comparison *c = context;
    const float *row = c->reference + item * c->dim;
    float best, ignored;
    (void)thread;
    (void)err;
    nearest(c->reference, c->count, c->dim, item, &best);
    const size_t found = nearest(c->vectors, c->count, c->dim, item, &ignored);
    c->same[item] =
        found != item &&
        akin__dot(row, c->reference + found * c->dim, c->dim) >= best;
    return AKIN_OK;
}

static int by_size(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void summarise(struct comparison *c, akin_closeness *closeness)
{
    closeness->images = c->count;
    for (size_t i = 0; i < c->count; i++) {
        closeness->cosine_mean += c->cosine[i] / (double)c->count;
        closeness->same_nearest += (size_t)c->same[i];
    }
    qsort(c->cosine, c->count, sizeof *c->cosine, by_size);
    closeness->cosine_min = c->cosine[0];
    closeness->cosine_p01 = c->cosine[(c->count - 1) / 100];
}

akin_status akin_closeness_of(const float *vectors, const float *reference,
                              size_t count, size_t dim, int threads,
                              akin_closeness *closeness, akin_error *err)
{
    struct comparison c = {.count = count, .dim = dim};
    float *unit = NULL, *unit_reference = NULL;
    akin_status status = AKIN_OK;
    memset(closeness, 0, sizeof *closeness);
    AKIN_CHECK(count && dim, err, AKIN_EUSAGE, "no vectors to compare");
    c.vectors = unit = unit_rows(vectors, count, dim);
    c.reference = unit_reference = unit_rows(reference, count, dim);
    c.cosine = akin__calloc(count, sizeof *c.cosine);
    c.same = akin__calloc(count, 1);
    AKIN_CHECK(unit && unit_reference && c.cosine && c.same, err, AKIN_ENOMEM,
               "no memory to compare %zu vectors", count);
    for (size_t i = 0; i < count; i++)
        c.cosine[i] = akin_cosine(vectors + i * dim, reference + i * dim, dim);
    AKIN_TRY(akin__parallel(threads, count, compare_row, &c, err));
    summarise(&c, closeness);
out:
    akin__free(unit);
    akin__free(unit_reference);
    akin__free(c.cosine);
    akin__free(c.same);
    return status;
}
