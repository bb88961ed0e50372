/*
 * Candidates: from vectors to predictions, and the score normalisation of SSCD
 * (Pizzi et al., CVPR 2022, section 4; its disc_eval.py, apply_score_norm).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dot.h"
#include "base/error.h"
#include "base/memory.h"
#include "eval/nearest.h"
#include "eval/set.h"

enum { USUAL_K = 10 };

void akin_eval_normalize(float *vectors, size_t count, size_t dim)
{
    for (float *v = vectors; count--; v += dim)
        akin__unit(v, v, dim);
}

/* -------------------------------------------------- average precision ---- */

struct average {
    const akin_eval_set *set;
    size_t first, references;
    double *ap; /* [count] */
};

static int by_size(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* Where `product` stands among true ones, sorted downwards: how many of them
 * are larger. */
static size_t larger(const float *sorted, size_t count, float product)
{
    size_t low = 0;
    while (low < count) {
        const size_t middle = low + (count - low) / 2;
        if (sorted[middle] > product)
            low = middle + 1;
        else
            count = middle;
    }
    return low;
}

/*
 * With true products t_0 >= t_1 .. and w_j wrong ones that are at least t_j,
 * the j-th right answer comes at place j + 1 + w_j, and the average precision
 * is the mean of (j + 1) / (j + 1 + w_j). NAN in the place of it: memory was
 * short.
 */
static double average(const struct average *a, uint32_t query,
                      const float *products, float *right, size_t *wrong,
                      size_t truths)
{
    const uint32_t self = a->set->info.query[query].self;
    size_t count = 0, before = 0;
    double sum = 0;
    for (uint32_t r = 0; r < a->references; r++) {
        if (!isnan(products[r]) && akin_eval_true(a->set, query, r))
            right[count++] = products[r];
    }
    if (!count)
        return 0;
    qsort(right, count, sizeof *right, by_size);
    memset(wrong, 0, (truths + 1) * sizeof *wrong);
    for (uint32_t r = 0; r < a->references; r++) {
        if (r != self && products[r] >= right[count - 1] &&
            !akin_eval_true(a->set, query, r))
            wrong[larger(right, count, products[r])]++;
    }
    for (size_t j = 0; j < count; j++) {
        before += wrong[j];
        sum += (double)(j + 1) / (double)(j + 1 + before);
    }
    return sum / (double)truths;
}

static void average_row(void *rows, size_t query, const float *products)
{
    const struct average *a = rows;
    const uint32_t q = (uint32_t)(a->first + query);
    const size_t truths = akin__set_truths(a->set, q);
    a->ap[query] = NAN;
    if (!truths)
        return;
    float *right = akin__alloc(truths, sizeof *right);
    size_t *wrong = akin__alloc(truths + 1, sizeof *wrong);
    a->ap[query] =
        right && wrong ? average(a, q, products, right, wrong, truths) : -1;
    akin__free(right);
    akin__free(wrong);
}

/* ---------------------------------------------------------- candidates -- */

static akin_status check(const akin_eval_info *info, size_t first, size_t count,
                         size_t dim, size_t k, akin_error *err)
{
    size_t all;
    if (first > info->queries || count > info->queries - first)
        return akin__fail(err, AKIN_EUSAGE,
                          "queries %zu to %zu of a set that has %zu", first,
                          first + count, info->queries);
    if (!dim || dim > AKIN_MAX_DIM || !akin__mul_ok(count, k, &all))
        return akin__fail(err, AKIN_EUSAGE,
                          "%zu answers to each of %zu vectors of %zu numbers "
                          "(1 to %d)",
                          k, count, dim, AKIN_MAX_DIM);
    return AKIN_OK;
}

/* The rows that are there, one behind the other. */
static size_t gather(const struct akin__nearest *n, size_t first,
                     const float *offset, const float *score,
                     const uint32_t *at, akin_eval_prediction *to)
{
    size_t used = 0;
    for (size_t i = 0; i < n->count * n->k; i++) {
        const size_t q = i / n->k;
        if (at[i] == AKIN_EVAL_NONE)
            continue;
        to[used++] = (akin_eval_prediction){
            (uint32_t)(first + q), at[i],
            (double)score[i] + (offset ? (double)offset[q] : 0)};
    }
    return used;
}

akin_status akin_eval_candidates(const akin_eval_set *set, const float *queries,
                                 size_t count, const float *references,
                                 size_t dim,
                                 const akin_eval_candidates_options *options,
                                 akin_eval_prediction *predictions,
                                 size_t *found, akin_error *err)
{
    static const akin_eval_candidates_options usual = {.size = sizeof usual};
    const akin_eval_candidates_options *o = options ? options : &usual;
    const akin_eval_info *info = &set->info;
    struct average average = {set, o->first, info->references, o->ap};
    struct akin__nearest nearest = {.queries = queries,
                                    .count = count,
                                    .others = references,
                                    .n = info->references,
                                    .dim = dim,
                                    .k = o->k ? o->k : USUAL_K,
                                    .threads = o->threads,
                                    .progress = o->progress,
                                    .context = o->context,
                                    .row = o->ap ? average_row : NULL,
                                    .rows = &average};
    float *score = NULL;
    uint32_t *at = NULL, *self = NULL;
    akin_status status = check(info, o->first, count, dim, nearest.k, err);
    *found = 0;
    AKIN_TRY(status);
    score = akin__alloc(count * nearest.k, sizeof *score);
    at = akin__alloc(count * nearest.k, sizeof *at);
    self = akin__alloc(count, sizeof *self);
    AKIN_CHECK(score && at && self, err, AKIN_ENOMEM,
               "no memory for %zu answers to each of %zu queries", nearest.k,
               count);
    for (size_t q = 0; q < count; q++)
        self[q] = info->query[o->first + q].self;
    nearest.self = self;
    AKIN_TRY(akin__nearest(&nearest, score, at, err));
    for (size_t q = 0; o->ap && q < count; q++)
        AKIN_CHECK(!(o->ap[q] < 0), err, AKIN_ENOMEM,
                   "no memory for an average precision");
    *found = gather(&nearest, o->first, o->offset, score, at, predictions);
out:
    akin__free(score);
    akin__free(at);
    akin__free(self);
    return status;
}

akin_status akin_eval_score_norm(const float *queries, size_t count,
                                 const float *train, size_t trained, size_t dim,
                                 double weight, size_t from, size_t to,
                                 int threads, float *offset, akin_error *err)
{
    const struct akin__nearest nearest = {.queries = queries,
                                          .count = count,
                                          .others = train,
                                          .n = trained,
                                          .dim = dim,
                                          .k = to + 1,
                                          .threads = threads};
    float *score = NULL;
    uint32_t *at = NULL;
    size_t all;
    akin_status status = AKIN_OK;
    AKIN_CHECK(from <= to && to < trained, err, AKIN_EUSAGE,
               "score normalisation with ranks %zu to %zu of %zu vectors to "
               "train on",
               from, to, trained);
    AKIN_CHECK(akin__mul_ok(count, nearest.k, &all), err, AKIN_ENOMEM,
               "no memory for %zu queries", count);
    score = akin__alloc(all, sizeof *score);
    at = akin__alloc(all, sizeof *at);
    AKIN_CHECK(score && at, err, AKIN_ENOMEM, "no memory for %zu queries",
               count);
    AKIN_TRY(akin__nearest(&nearest, score, at, err));
    for (size_t q = 0; q < count; q++) {
        double sum = 0;
        for (size_t rank = from; rank <= to; rank++)
            sum += (double)score[q * nearest.k + rank];
        offset[q] = (float)(-weight * sum / (double)(to - from + 1));
    }
out:
    akin__free(score);
    akin__free(at);
    return status;
}
