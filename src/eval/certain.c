/*
 * Certain: from answers that are known to be right or wrong, how surely an
 * answer is right by its cosine. docs/eval.md tells it in words.
 *
 * Cosines are cut into steps of a thousandth. The probability of step s is the
 * smaller of two, and both never fall with s:
 *
 * - near s: isotonic regression of right (1) and wrong (0) by pool adjacent
 *   violators (Ayer et al. 1955; for probabilities Zadrozny and Elkan, KDD
 *   2002), with one wrong answer more at s itself: the lower of the two
 *   probabilities of Vovk and Petej's Venn-Abers predictors (UAI 2014). Without
 *   it the answers above the last wrong one would be 100 % certain;
 * - from s on: the lower 95 % bound (Clopper and Pearson, Biometrika 1934) of
 *   the share of right ones among all answers at s or above, the highest of
 *   those at steps up to s. Answers of one query go wrong together, and so do
 *   those that name one reference, as versions of a picture do. They count as
 *   Kish's effective number (sum n)^2 / sum n^2 of queries, or of references
 *   where that is less, with n answers each, as Korn and Graubard (1998) have
 *   it for surveys.
 *
 * A step below all answers has no probability.
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "eval/certain.h"
#include "eval/order.h"
#include "eval/set.h"
#include "index/certainty.h"

enum { STEPS = sizeof((akin_certainty *)NULL)->at / sizeof(float) };
#define ALPHA 0.05 /* so often the bound may be wrong */

struct answers {
    double all[STEPS], right[STEPS]; /* of each step */
    /* At the step and above, as so many independent ones: */
    double tail[STEPS], wrong[STEPS];
    size_t low, high; /* the first and the last step that has any */
};

/* ---------------------------------------------------- Clopper-Pearson -- */

/* The continued fraction of the incomplete beta function (DLMF 8.17.22), by
 * Lentz's method; for x below (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double h = d;
    for (int m = 1; m < 100000; m++) {
        const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        const double odd =
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        for (int half = 0; half < 2; half++) {
            const double term = half ? odd : even;
            d = 1 + term * d;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = 1 + term / c;
            c = fabs(c) < tiny ? tiny : c;
            h *= d * c;
        }
        if (fabs(d * c - 1) < 1e-14)
            break;
    }
    return h;
}

/* The beta distribution of a and b, both above 0, up to x. */
static double beta_below(double a, double b, double x)
{
    int sign;
    if (x <= 0 || x >= 1)
        return x >= 1;
    const double front = exp(lgamma_r(a + b, &sign) - lgamma_r(a, &sign) -
                             lgamma_r(b, &sign) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2)
               ? front * beta_fraction(a, b, x) / a
               : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/* Whether so many right and wrong answers show a share of at least p. */
static bool shows(double right, double wrong, double p)
{
    return right > 0 && beta_below(right, wrong + 1, p) <= ALPHA;
}

double akin__share_at_least(double right, double wrong)
{
    double low = 0, high = 1;
    for (int i = 0; i < 60 && right > 0; i++) {
        const double middle = (low + high) / 2;
        if (shows(right, wrong, middle))
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* ------------------------------------------------------------ isotonic -- */

/* A run of steps that share a probability. */
struct pool {
    double all, right;
    size_t end; /* the first step behind it */
};

/* The isotonic regression at step `at`, with a wrong answer more there. */
static double isotonic(const struct answers *a, size_t at)
{
    struct pool pool[STEPS + 1];
    size_t pools = 0;
    for (size_t s = a->low; s <= a->high || s <= at; s++) {
        struct pool next = {a->all[s] + (s == at), a->right[s], s + 1};
        if (next.all <= 0)
            continue;
        while (pools && pool[pools - 1].right * next.all >=
                            next.right * pool[pools - 1].all) {
            pools--;
            next.all += pool[pools].all;
            next.right += pool[pools].right;
        }
        pool[pools++] = next;
    }
    for (size_t i = 0; i < pools; i++) {
        if (at < pool[i].end)
            return pool[i].right / pool[i].all;
    }
    return 0;
}

/* ------------------------------------------------------------- answers -- */

static void count_steps(struct answers *a, const struct akin__judged *judged,
                        size_t count)
{
    a->low = STEPS - 1;
    for (size_t i = 0; i < count; i++) {
        const size_t step = akin__certainty_step(judged[i].score);
        a->all[step]++;
        a->right[step] += judged[i].right;
        a->low = step < a->low ? step : a->low;
        a->high = step > a->high ? step : a->high;
    }
}

/* Kish's effective number of groups, each with so many answers. */
struct groups {
    uint32_t *of; /* [most + 1] */
    double squares;
    uint64_t some; /* groups that have any */
};

static akin_status open_groups(struct groups *groups, uint32_t most,
                               akin_error *err)
{
    *groups = (struct groups){
        .of = akin__calloc((size_t)most + 1, sizeof *groups->of)};
    return groups->of
               ? AKIN_OK
               : akin__fail(err, AKIN_ENOMEM, "no memory for %lu pictures",
                            (unsigned long)most);
}

static void add_to(struct groups *groups, uint32_t group)
{
    const double before = (double)groups->of[group]++;
    groups->some += before < 1;
    groups->squares += 2 * before + 1;
}

/* The tails, from judged answers that are sorted by score; *queries: how many
 * have any. */
static akin_status count_tails(struct answers *a,
                               const struct akin__judged *judged, size_t count,
                               uint64_t *queries, akin_error *err)
{
    struct groups by_query = {0}, by_reference = {0};
    uint32_t query = 0, reference = 0;
    double all = 0, right = 0;
    size_t at = 0;
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < count; i++) {
        query = judged[i].query > query ? judged[i].query : query;
        reference =
            judged[i].reference > reference ? judged[i].reference : reference;
    }
    AKIN_TRY(open_groups(&by_query, query, err));
    AKIN_TRY(open_groups(&by_reference, reference, err));
    for (size_t s = STEPS; s-- > 0;) {
        for (; at < count && akin__certainty_step(judged[at].score) == s;
             at++) {
            add_to(&by_query, judged[at].query);
            add_to(&by_reference, judged[at].reference);
            right += judged[at].right;
            all++;
        }
        if (all < 1)
            continue;
        a->tail[s] = all * all / fmax(by_query.squares, by_reference.squares);
        a->wrong[s] = a->tail[s] * (all - right) / all;
    }
    *queries = by_query.some;
out:
    akin__free(by_query.of);
    akin__free(by_reference.of);
    return status;
}

static void fill(akin_certainty *certainty, const struct answers *a)
{
    double shown = 0;
    for (size_t s = 0; s < STEPS; s++) {
        certainty->at[s] = NAN;
        if (s < a->low)
            continue;
        if (a->all[s] > 0) {
            const double share =
                akin__share_at_least(a->tail[s] - a->wrong[s], a->wrong[s]);
            shown = share > shown ? share : shown;
        }
        if (s > a->high + 1) { /* nothing changes any more */
            certainty->at[s] = certainty->at[s - 1];
            continue;
        }
        const double near = isotonic(a, s);
        certainty->at[s] = (float)(near < shown ? near : shown);
    }
}

/* ---------------------------------------------------------- thresholds -- */

/* The fewest answers more, all right, with which a share of p shows. */
static double lacks_to_show(double right, double wrong, double p)
{
    double none = 0, enough = 1;
    if (shows(right, wrong, p))
        return 0;
    while (!shows(right + enough, wrong, p))
        enough *= 2;
    while (enough - none > 1) {
        const double middle = floor((none + enough) / 2);
        if (shows(right + middle, wrong, p))
            enough = middle;
        else
            none = middle;
    }
    return enough;
}

/*
 * How many answers more it takes for p, were all of them right and above those
 * there are: for the share from a step on, and for the pool that ends at the
 * top, each at the step where it takes the fewest.
 */
static uint64_t lacks(const struct answers *a, double p)
{
    double share = lacks_to_show(0, 0, p);
    double pool = ceil(p / (1 - p) - 1e-9);
    double all = 1, right = 0; /* the one wrong answer more */
    for (size_t s = a->high + 1; s-- > a->low;) {
        all += a->all[s];
        right += a->right[s];
        const double more = ceil((p * all - right) / (1 - p) - 1e-9);
        pool = more < pool ? more : pool;
        /* Only where it takes fewer is it worth a search. */
        if (shows(a->tail[s] - a->wrong[s] + share - 1, a->wrong[s], p))
            share = lacks_to_show(a->tail[s] - a->wrong[s], a->wrong[s], p);
    }
    const double most = share > pool ? share : pool;
    return most > 1 ? (uint64_t)most : 1;
}

static void fill_thresholds(akin_eval_calibration *c, const struct answers *a)
{
    static const double certain[AKIN_EVAL_CERTAIN] = {0.9, 0.99, 0.999};
    for (size_t t = 0; t < AKIN_EVAL_CERTAIN; t++) {
        akin_eval_certain *to = &c->threshold[t];
        *to = (akin_eval_certain){.certain = certain[t]};
        to->cosine = akin_certain_from(&c->certainty, certain[t]);
        if (isnan(to->cosine)) {
            to->lacking = lacks(a, certain[t]);
            continue;
        }
        for (size_t s = akin__certainty_step(to->cosine); s < STEPS; s++) {
            to->answers += (uint64_t)a->all[s];
            to->right += (uint64_t)a->right[s];
        }
    }
}

/* -------------------------------------------------------------- public -- */

/* The last name of the set's path, as much as there is room for, no character
 * cut. */
static void name_truth(const akin_eval_set *set, char *to, size_t room)
{
    const char *path = set->info.path, *end = path + strlen(path);
    while (end > path + 1 && end[-1] == '/')
        end--;
    const char *name = end;
    while (name > path && name[-1] != '/')
        name--;
    size_t length = (size_t)(end - name);
    length = length < room ? length : room - 1;
    while (length && name[length] && ((unsigned char)name[length] >> 6) == 2)
        length--;
    memset(to, 0, room);
    memcpy(to, name, length);
}

static akin_status check(const struct akin__judged *judged, size_t count,
                         akin_certainty *certainty, akin_error *err)
{
    certainty->answers = count;
    for (size_t i = 0; i < count; i++) {
        certainty->right += judged[i].right;
        if (!(fabs(judged[i].score) <= 1.001))
            return akin__fail(err, AKIN_EFORMAT,
                              "the score %g is no cosine (-1 to 1); only of "
                              "cosines a search can say how certain they are",
                              judged[i].score);
    }
    if (certainty->right)
        return AKIN_OK;
    return akin__fail(err, AKIN_EFORMAT,
                      "none of %zu answers is right: they are of another "
                      "ground truth, or nothing can be learned from them",
                      count);
}

akin_status akin_eval_calibrate(const akin_eval_set *set,
                                const akin_eval_prediction *predictions,
                                size_t count,
                                akin_eval_calibration *calibration,
                                akin_error *err)
{
    struct akin__judged *judged = NULL;
    struct answers *answers = akin__calloc(1, sizeof *answers);
    size_t kept = 0;
    akin_status status = AKIN_OK;
    memset(calibration, 0, sizeof *calibration);
    AKIN_CHECK(answers, err, AKIN_ENOMEM, "no memory to calibrate");
    AKIN_TRY(akin__judge(set, predictions, count, NULL, &judged, &kept, err));
    AKIN_TRY(check(judged, kept, &calibration->certainty, err));
    akin__sort_by_score(judged, kept);
    count_steps(answers, judged, kept);
    AKIN_TRY(count_tails(answers, judged, kept, &calibration->queries, err));
    name_truth(set, calibration->certainty.truth,
               sizeof calibration->certainty.truth);
    fill(&calibration->certainty, answers);
    fill_thresholds(calibration, answers);
out:
    akin__free(judged);
    akin__free(answers);
    return status;
}
