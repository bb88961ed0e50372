/*
 * Bootstrap: how sure figures are, and which of two lists is better.
 *
 * A resample draws as many queries as there are, with replacement; a query that
 * is drawn w times is there w times with all its predictions and all its true
 * pairs (B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993,
 * chapter 13: percentile intervals). Nothing is sorted again for that: the list
 * is in order of score, and each prediction counts w times.
 *
 * Resample i draws from a seed of its own, so the answer is the same on any
 * number of threads; for a comparison both lists get the same draws.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"
#include "eval/chance.h"
#include "eval/order.h"
#include "eval/set.h"

enum { USUAL_RESAMPLES = 1000, MOST_RESAMPLES = 1000000 };

enum { ACCURACY, TOP3, UAP, RECALL_P90, RECALL_1, RECALL_10, FIGURES };

/* What a query adds to sums. */
struct share {
    uint32_t pairs; /* true ones */
    uint32_t at_1, at_10;
    bool positive, hit, hit3;
};

/* A list of predictions, made ready. */
struct list {
    struct akin__judged *judged; /* [count], by score */
    size_t count;
    struct share *share; /* [queries] */
};

struct bootstrap {
    size_t queries; /* of the set, and unknown ones that predictions have */
    struct list list[2];
    size_t lists, resamples;
    uint64_t seed;
    uint32_t **weight; /* [threads][queries] */
    double *value;     /* [lists][FIGURES][resamples] */
};

/* ---------------------------------------------------------------- lists -- */

static akin_status open_list(const akin_eval_set *set,
                             const akin_eval_prediction *p, size_t count,
                             struct list *list, akin_error *err)
{
    return akin__judge(set, p, count, NULL, &list->judged, &list->count, err);
}

static akin_status fill_list(const akin_eval_set *set, struct list *list,
                             size_t queries, akin_error *err)
{
    struct akin__judged *judged = list->judged;
    size_t end;
    list->share = akin__calloc(queries, sizeof *list->share);
    if (!list->share)
        return akin__fail(err, AKIN_ENOMEM, "no memory for %zu queries",
                          queries);
    for (uint32_t q = 0; q < set->info.queries; q++) {
        list->share[q].pairs = (uint32_t)akin__set_truths(set, q);
        list->share[q].positive = list->share[q].pairs > 0;
    }
    akin__sort_by_query(judged, list->count);
    for (size_t i = 0; i < list->count; i = end) {
        struct akin__verdict_of v;
        struct share *share = &list->share[judged[i].query];
        for (end = i; end < list->count && judged[end].query == judged[i].query;
             end++)
            ;
        akin__judge_query(judged + i, end - i, &v);
        share->hit = v.rank < 1;
        share->hit3 = v.rank < 3;
        share->at_1 = (uint32_t)v.at_1;
        share->at_10 = (uint32_t)v.at_10;
    }
    akin__sort_by_score(judged, list->count);
    return AKIN_OK;
}

static size_t count_queries(const struct list *list, size_t queries)
{
    for (size_t i = 0; i < list->count; i++) {
        const size_t query = list->judged[i].query;
        queries = query < queries ? queries : query + 1;
    }
    return queries;
}

/* ------------------------------------------------------------ resamples -- */

static void draw(const struct bootstrap *b, size_t resample, uint32_t *weight)
{
    uint64_t state = akin__mix(b->seed ^ akin__mix(resample));
    memset(weight, 0, b->queries * sizeof *weight);
    for (size_t i = 0; i < b->queries; i++)
        weight[akin__draw(&state, b->queries)]++;
}

/* Recalls and precisions down the list, each prediction `weight` times. */
static void weigh_pairs(const struct list *list, const uint32_t *weight,
                        double pairs, double value[FIGURES])
{
    double sum = 0, recall = 0;
    uint64_t right = 0, seen = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct akin__judged *p = &list->judged[i];
        const uint32_t times = weight[p->query];
        if (!p->right) {
            seen += times;
            continue;
        }
        for (uint32_t t = 0; t < times; t++) {
            const double precision = (double)++right / (double)++seen;
            sum += precision;
            if (precision >= 0.9)
                recall = (double)right;
        }
    }
    value[UAP] = sum / pairs;
    value[RECALL_P90] = recall / pairs;
}

static void weigh(const struct bootstrap *b, const struct list *list,
                  const uint32_t *weight, double value[FIGURES])
{
    uint64_t pairs = 0, positives = 0, hit = 0, hit3 = 0, at_1 = 0, at_10 = 0;
    for (size_t q = 0; q < b->queries; q++) {
        const uint64_t w = weight[q];
        const struct share *share = &list->share[q];
        pairs += w * share->pairs;
        positives += w * share->positive;
        hit += w * share->hit;
        hit3 += w * share->hit3;
        at_1 += w * share->at_1;
        at_10 += w * share->at_10;
    }
    /* Without a true pair no figure can be said: 0 / 0 is NAN. */
    weigh_pairs(list, weight, (double)pairs, value);
    value[ACCURACY] = (double)hit / (double)positives;
    value[TOP3] = (double)hit3 / (double)positives;
    value[RECALL_1] = (double)at_1 / (double)pairs;
    value[RECALL_10] = (double)at_10 / (double)pairs;
}

static double *values_of(const struct bootstrap *b, size_t list, size_t figure)
{
    return b->value + (list * FIGURES + figure) * b->resamples;
}

static akin_status resample(void *context, size_t item, int thread,
                            akin_error *err)
{
    const struct bootstrap *b = context;
    (void)err;
    draw(b, item, b->weight[thread]);
    for (size_t l = 0; l < b->lists; l++) {
        double value[FIGURES];
        weigh(b, &b->list[l], b->weight[thread], value);
        for (size_t f = 0; f < FIGURES; f++)
            values_of(b, l, f)[item] = value[f];
    }
    return AKIN_OK;
}

static akin_status run(struct bootstrap *b, const akin_eval_set *set,
                       const akin_eval_bootstrap_options *options,
                       akin_error *err)
{
    int threads = options ? options->threads : 0;
    akin_status status = AKIN_OK;
    threads = threads > 0 ? threads : akin__processors();
    b->resamples =
        options && options->resamples ? options->resamples : USUAL_RESAMPLES;
    b->seed = options ? options->seed : 0;
    AKIN_CHECK(b->resamples <= MOST_RESAMPLES, err, AKIN_EUSAGE,
               "%zu resamples are more than %d", b->resamples, MOST_RESAMPLES);
    b->queries = set->info.queries;
    for (size_t l = 0; l < b->lists; l++)
        b->queries = count_queries(&b->list[l], b->queries);
    for (size_t l = 0; l < b->lists; l++)
        AKIN_TRY(fill_list(set, &b->list[l], b->queries, err));
    b->value = akin__alloc(b->resamples, b->lists * FIGURES * sizeof(double));
    b->weight = akin__calloc((size_t)threads + 1, sizeof *b->weight);
    bool whole = b->value && b->weight;
    for (int t = 0; t < threads && whole; t++)
        whole = (b->weight[t] = akin__alloc(b->queries, sizeof **b->weight));
    AKIN_CHECK(whole, err, AKIN_ENOMEM, "no memory for %zu resamples",
               b->resamples);
    AKIN_TRY(akin__parallel(threads, b->resamples, resample, b, err));
out:
    return status;
}

static void close(struct bootstrap *b)
{
    for (size_t l = 0; l < b->lists; l++) {
        akin__free(b->list[l].judged);
        akin__free(b->list[l].share);
    }
    for (size_t t = 0; b->weight && b->weight[t]; t++)
        akin__free(b->weight[t]);
    akin__free(b->weight);
    akin__free(b->value);
}

/* ------------------------------------------------------------- answers -- */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Between the two values that are nearest, as numpy.percentile has it. */
static double percentile(const double *sorted, size_t count, double share)
{
    const double at = share * (double)(count - 1);
    const size_t low = (size_t)at;
    const size_t high = low + 1 < count ? low + 1 : low;
    return sorted[low] + (at - (double)low) * (sorted[high] - sorted[low]);
}

/* Sorts values [count]; resamples of which nothing can be said are left out. */
static akin_eval_interval interval_of(double *values, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (!isnan(values[i]))
            values[kept++] = values[i];
    }
    if (!kept)
        return (akin_eval_interval){NAN, NAN};
    qsort(values, kept, sizeof *values, by_value);
    return (akin_eval_interval){percentile(values, kept, 0.025),
                                percentile(values, kept, 0.975)};
}

akin_status akin_eval_bootstrap(const akin_eval_set *set,
                                const akin_eval_prediction *predictions,
                                size_t count,
                                const akin_eval_bootstrap_options *options,
                                akin_eval_intervals *intervals, akin_error *err)
{
    struct bootstrap b = {.lists = 1};
    akin_status status = open_list(set, predictions, count, &b.list[0], err);
    if (!status)
        status = run(&b, set, options, err);
    for (size_t f = 0; f < FIGURES && !status; f++) {
        akin_eval_interval *const to[] = {
            [ACCURACY] = &intervals->accuracy,
            [TOP3] = &intervals->top3,
            [UAP] = &intervals->uap,
            [RECALL_P90] = &intervals->recall_at_p90,
            [RECALL_1] = &intervals->recall_at_1,
            [RECALL_10] = &intervals->recall_at_10};
        *to[f] = interval_of(values_of(&b, 0, f), b.resamples);
    }
    close(&b);
    return status;
}

/*
 * McNemar's exact test (Q. McNemar, Psychometrika 12, 1947): of the queries
 * that only one gets right, were it a matter of chance which, as uneven a share
 * or more would come so often: twice a binomial's tail, at most 1.
 */
static double mcnemar(size_t only_a, size_t only_b)
{
    const double n = (double)(only_a + only_b);
    const size_t fewer = only_a < only_b ? only_a : only_b;
    double sum = 0;
    int sign;
    for (size_t k = 0; k <= fewer; k++)
        sum += exp(lgamma_r(n + 1, &sign) - lgamma_r((double)k + 1, &sign) -
                   lgamma_r(n - (double)k + 1, &sign) - n * log(2));
    return fmin(1, 2 * sum);
}

static void count_both(const struct bootstrap *b,
                       akin_eval_comparison *comparison)
{
    for (size_t q = 0; q < b->queries; q++) {
        const bool a = b->list[0].share[q].hit, other = b->list[1].share[q].hit;
        if (!b->list[0].share[q].positive)
            continue;
        comparison->both += a && other;
        comparison->neither += !a && !other;
        comparison->only_a += a && !other;
        comparison->only_b += !a && other;
    }
    comparison->accuracy_p = mcnemar(comparison->only_a, comparison->only_b);
}

/* The share of resamples in which the other is better, or as good, twice. */
static void compare_uap(const struct bootstrap *b,
                        akin_eval_comparison *comparison)
{
    double *a = values_of(b, 0, UAP), *other = values_of(b, 1, UAP);
    size_t below = 0, above = 0;
    for (size_t i = 0; i < b->resamples; i++) {
        a[i] -= other[i];
        below += a[i] <= 0;
        above += a[i] >= 0;
    }
    comparison->uap_interval = interval_of(a, b->resamples);
    comparison->uap_p =
        fmin(1, 2 * (double)((below < above ? below : above) + 1) /
                    (double)(b->resamples + 1));
}

akin_status akin_eval_compare(const akin_eval_set *set,
                              const akin_eval_prediction *a, size_t a_count,
                              const akin_eval_prediction *b, size_t b_count,
                              const akin_eval_bootstrap_options *options,
                              akin_eval_comparison *comparison, akin_error *err)
{
    struct bootstrap boot = {.lists = 2};
    akin_eval_figures of_a, of_b;
    akin_status status = AKIN_OK;
    *comparison = (akin_eval_comparison){0};
    AKIN_TRY(akin_eval_measure(set, a, a_count, NULL, NULL, &of_a, err));
    AKIN_TRY(akin_eval_measure(set, b, b_count, NULL, NULL, &of_b, err));
    AKIN_TRY(open_list(set, a, a_count, &boot.list[0], err));
    AKIN_TRY(open_list(set, b, b_count, &boot.list[1], err));
    AKIN_TRY(run(&boot, set, options, err));
    comparison->uap_difference = of_a.uap - of_b.uap;
    count_both(&boot, comparison);
    compare_uap(&boot, comparison);
out:
    close(&boot);
    return status;
}
