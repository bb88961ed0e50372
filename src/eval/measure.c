/*
 * Measure: figures of predictions, ranks, and the precision-recall curve. What
 * each is, docs/eval.md says; the challenge's are isc2021's isc/metrics.py:
 *
 *   P_i = right among the i best / i     R_i = right among them / true pairs
 *   uAP = sum over i of (R_i - R_(i-1)) P_i
 *   recall at P90 = largest R_i with P_i >= 0.9, its threshold the first score
 *   recall at k = true pairs with fewer than k others of their query scoring as
 *                 much or more / true pairs
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "eval/order.h"
#include "eval/set.h"

static void measure_pairs(const struct akin__judged *judged, size_t count,
                          akin_eval_figures *f)
{
    const double pairs = (double)f->pairs;
    double sum = 0;
    size_t right = 0;
    f->recall_at_p90 = f->threshold_at_p90 = NAN;
    for (size_t i = 0; i < count; i++) {
        if (!judged[i].right)
            continue;
        const double precision = (double)++right / (double)(i + 1);
        sum += precision;
        if (precision >= 0.9) {
            f->recall_at_p90 = (double)right / pairs;
            f->threshold_at_p90 = judged[i].score;
        }
    }
    f->uap = sum / pairs;
}

/* Sums over queries, to be divided. */
static void add_query(const akin_eval_set *set, uint32_t query,
                      const struct akin__verdict_of *v, const double *ap,
                      akin_eval_figures *f)
{
    const double truths = (double)akin__set_truths(set, query);
    if (truths == 0)
        return;
    f->accuracy += v->rank < 1;
    f->top3 += v->rank < 3;
    f->r_at_5 += v->rank < 5;
    f->r_at_10 += v->rank < 10;
    f->recall_at_1 += (double)v->at_1;
    f->recall_at_10 += (double)v->at_10;
    f->map += ap ? 0 : v->ap / truths;
    f->map_copydays += v->ap_copydays / truths;
}

static void count_queries(const akin_eval_set *set, const uint8_t *counts,
                          const double *ap, akin_eval_figures *f)
{
    for (uint32_t q = 0; q < set->info.queries; q++) {
        if (counts && !counts[q])
            continue;
        const size_t truths = akin__set_truths(set, q);
        f->queries++;
        f->positives += truths > 0;
        f->pairs += truths;
        f->map += ap && truths ? ap[q] : 0;
    }
}

static void divide(akin_eval_figures *f)
{
    const double positives = (double)f->positives, pairs = (double)f->pairs;
    f->accuracy_all = f->accuracy / (double)f->queries;
    f->top3_all = f->top3 / (double)f->queries;
    f->accuracy /= positives;
    f->top3 /= positives;
    f->r_at_5 /= positives;
    f->r_at_10 /= positives;
    f->map /= positives;
    f->map_copydays /= positives;
    f->recall_at_1 /= pairs;
    f->recall_at_10 /= pairs;
}

akin_status akin_eval_measure(const akin_eval_set *set,
                              const akin_eval_prediction *predictions,
                              size_t count, const double *ap,
                              const uint8_t *counts, akin_eval_figures *f,
                              akin_error *err)
{
    struct akin__judged *judged = NULL;
    size_t kept = 0, end;
    akin_status status = AKIN_OK;
    *f = (akin_eval_figures){.references = set->info.references};
    count_queries(set, counts, ap, f);
    AKIN_CHECK(f->pairs, err, AKIN_EUSAGE,
               "no query that counts has a true reference");
    AKIN_TRY(akin__judge(set, predictions, count, counts, &judged, &kept, err));
    f->predictions = kept;
    akin__sort_by_score(judged, kept);
    measure_pairs(judged, kept, f);
    akin__sort_by_query(judged, kept);
    for (size_t i = 0; i < kept; i = end) {
        struct akin__verdict_of verdict;
        for (end = i; end < kept && judged[end].query == judged[i].query; end++)
            ;
        if (judged[i].query >= set->info.queries)
            break;
        akin__judge_query(judged + i, end - i, &verdict);
        add_query(set, judged[i].query, &verdict, ap, f);
    }
    divide(f);
out:
    akin__free(judged);
    return status;
}

akin_status akin_eval_ranks(const akin_eval_set *set,
                            const akin_eval_prediction *predictions,
                            size_t count, uint32_t *rank, akin_error *err)
{
    struct akin__judged *judged = NULL;
    size_t kept = 0, end;
    const akin_status status =
        akin__judge(set, predictions, count, NULL, &judged, &kept, err);
    if (status)
        return status;
    for (size_t q = 0; q < set->info.queries; q++)
        rank[q] = AKIN_EVAL_NONE;
    akin__sort_by_query(judged, kept);
    for (size_t i = 0; i < kept; i = end) {
        struct akin__verdict_of verdict;
        for (end = i; end < kept && judged[end].query == judged[i].query; end++)
            ;
        akin__judge_query(judged + i, end - i, &verdict);
        if (judged[i].query < set->info.queries)
            rank[judged[i].query] = verdict.rank;
    }
    akin__free(judged);
    return AKIN_OK;
}

akin_status akin_eval_curve(const akin_eval_set *set,
                            const akin_eval_prediction *predictions,
                            size_t count, double *precision, double *recall,
                            double *score, akin_error *err)
{
    struct akin__judged *judged = NULL;
    size_t kept = 0, right = 0;
    const akin_status status =
        akin__judge(set, predictions, count, NULL, &judged, &kept, err);
    if (status)
        return status;
    akin__sort_by_score(judged, kept);
    for (size_t i = 0; i < kept; i++) {
        right += judged[i].right;
        precision[i] = (double)right / (double)(i + 1);
        recall[i] = (double)right / (double)set->info.pairs;
        score[i] = judged[i].score;
    }
    akin__free(judged);
    return AKIN_OK;
}
