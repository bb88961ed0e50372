/*
 * Order (order.h). The formulas are those of isc2021's isc/metrics.py
 * (precision_recall, find_tp_ranks) and of SSCD's datasets/copydays.py
 * (score_ap_from_ranks_1).
 */
#include "eval/order.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"

static int compare_numbers(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int by_prediction(const void *a, const void *b)
{
    const akin_eval_prediction *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    const int query = compare_numbers(x->query, y->query);
    return query ? query : compare_numbers(x->reference, y->reference);
}

static int by_score(const void *a, const void *b)
{
    const struct akin__judged *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    if (x->right != y->right)
        return x->right - y->right;
    const int query = compare_numbers(x->query, y->query);
    return query ? query : compare_numbers(x->reference, y->reference);
}

static int by_query(const void *a, const void *b)
{
    const struct akin__judged *x = a, *y = b;
    const int query = compare_numbers(x->query, y->query);
    return query ? query : by_score(a, b);
}

static int by_pair(const void *a, const void *b)
{
    const struct akin__judged *x = a, *y = b;
    const int query = compare_numbers(x->query, y->query);
    return query ? query : compare_numbers(x->reference, y->reference);
}

static void sort(void *at, size_t count, size_t size,
                 int (*compare)(const void *, const void *))
{
    if (count)
        qsort(at, count, size, compare);
}

void akin__sort_predictions(akin_eval_prediction *p, size_t count)
{
    sort(p, count, sizeof *p, by_prediction);
}

void akin__sort_by_score(struct akin__judged *judged, size_t count)
{
    sort(judged, count, sizeof *judged, by_score);
}

void akin__sort_by_query(struct akin__judged *judged, size_t count)
{
    sort(judged, count, sizeof *judged, by_query);
}

akin_status akin__judge(const akin_eval_set *set, const akin_eval_prediction *p,
                        size_t count, const uint8_t *counts,
                        struct akin__judged **judged, size_t *kept,
                        akin_error *err)
{
    akin_eval_info info;
    akin_status status = AKIN_OK;
    struct akin__judged *to = akin__alloc(count, sizeof *to);
    size_t used = 0;
    *judged = NULL;
    AKIN_CHECK(to, err, AKIN_ENOMEM, "no memory for %zu predictions", count);
    akin_eval_set_describe(set, &info);
    for (size_t i = 0; i < count; i++) {
        AKIN_CHECK(!isnan(p[i].score), err, AKIN_EUSAGE,
                   "the score of prediction %zu is no number", i);
        if (counts && (p[i].query >= info.queries || !counts[p[i].query]))
            continue;
        to[used++] = (struct akin__judged){
            p[i].score, p[i].query, p[i].reference,
            akin_eval_true(set, p[i].query, p[i].reference)};
    }
    sort(to, used, sizeof *to, by_pair);
    for (size_t i = 1; i < used; i++)
        AKIN_CHECK(by_pair(&to[i - 1], &to[i]), err, AKIN_EUSAGE,
                   "the pair of query %lu and reference %lu is there twice",
                   (unsigned long)to[i].query, (unsigned long)to[i].reference);
    *judged = to;
    *kept = used;
    to = NULL;
out:
    akin__free(to);
    return status;
}

void akin__judge_query(const struct akin__judged *judged, size_t count,
                       struct akin__verdict_of *v)
{
    size_t right = 0;
    *v = (struct akin__verdict_of){.rank = AKIN_EVAL_NONE};
    for (size_t i = 0, equal = 0; i < count; i++) {
        /* One behind the last of those with this score. */
        for (equal = equal > i ? equal : i;
             equal < count && judged[equal].score == judged[i].score; equal++)
            ;
        if (!judged[i].right)
            continue;
        if (!right)
            v->rank = (uint32_t)i;
        v->at_1 += equal - 1 < 1;
        v->at_10 += equal - 1 < 10;
        v->ap_copydays += ((i ? (double)right / (double)i : 1) +
                           (double)(right + 1) / (double)(i + 1)) /
                          2;
        v->ap += (double)++right / (double)(i + 1);
    }
}
