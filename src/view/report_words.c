/* Words (report_words.h). */
#include "view/report_words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "view/meter.h"

void akin__add_printable(struct akin__text *text, const char *bytes)
{
    char printable[1024];
    akin__printable(printable, sizeof printable, bytes);
    akin__text_add(text, printable, strlen(printable));
}

static bool known(const struct akin__figure *figure)
{
    return !isnan(figure->low) && !isnan(figure->high);
}

const char *akin__percent(akin__words text, double share)
{
    if (isnan(share))
        snprintf(text, AKIN__WORDS, AKIN__UNKNOWN);
    else
        snprintf(text, AKIN__WORDS, "%.1f %%", 100 * share);
    return text;
}

const char *akin__interval(akin__words text, const struct akin__figure *figure)
{
    *text = 0;
    if (known(figure))
        snprintf(text, AKIN__WORDS, "%.1f to %.1f %%", 100 * figure->low,
                 100 * figure->high);
    return text;
}

const char *akin__points(akin__words text, double difference)
{
    if (isnan(difference))
        snprintf(text, AKIN__WORDS, AKIN__UNKNOWN);
    else
        snprintf(text, AKIN__WORDS, "%+.1f points", 100 * difference);
    return text;
}

const char *akin__points_interval(akin__words text,
                                  const struct akin__figure *figure)
{
    *text = 0;
    if (known(figure))
        snprintf(text, AKIN__WORDS, "%+.1f to %+.1f points", 100 * figure->low,
                 100 * figure->high);
    return text;
}

const char *akin__p_value(akin__words text, double p)
{
    if (isnan(p))
        snprintf(text, AKIN__WORDS, AKIN__UNKNOWN);
    else if (p < 0.0001)
        snprintf(text, AKIN__WORDS, "< 0.0001");
    else
        snprintf(text, AKIN__WORDS, "%.*f", p < 0.01 ? 4 : p < 0.1 ? 3 : 2, p);
    return text;
}

const char *akin__rate_words(akin__words text, double rate)
{
    char whole[32];
    if (isnan(rate))
        snprintf(text, AKIN__WORDS, AKIN__UNKNOWN);
    else if (rate >= 999.5)
        snprintf(text, AKIN__WORDS, "%s",
                 akin__thousands(whole, (uint64_t)fmin(rate + 0.5, 1e18)));
    else
        snprintf(text, AKIN__WORDS, "%.*f",
                 rate < 9.995   ? 2
                 : rate < 99.95 ? 1
                                : 0,
                 rate);
    return text;
}

const char *akin__stage_words(akin__words text, double seconds)
{
    char long_time[32];
    if (isnan(seconds))
        snprintf(text, AKIN__WORDS, AKIN__UNKNOWN);
    else if (seconds < 9.995)
        snprintf(text, AKIN__WORDS, "%.2f s", seconds);
    else if (seconds < 99.95)
        snprintf(text, AKIN__WORDS, "%.1f s", seconds);
    else
        snprintf(text, AKIN__WORDS, "%s", akin__duration(long_time, seconds));
    return text;
}

const char *akin__score_words(akin__words text, double score)
{
    if (!isfinite(score))
        snprintf(text, AKIN__WORDS, AKIN__UNKNOWN);
    else
        snprintf(text, AKIN__WORDS, "%.3f", score);
    return text;
}

const char *akin__dim_words(akin__words text,
                            const struct akin__report_model *model)
{
    if (model->dim)
        snprintf(text, AKIN__WORDS, model->floor ? "%zu bits" : "%zu",
                 model->dim);
    else
        snprintf(text, AKIN__WORDS, AKIN__UNKNOWN);
    return text;
}

/* --------------------------------------------------------------- verdict -- */

const char *akin__sureness(akin__words text, double p)
{
    static const struct {
        double below;
        const char *words;
    } steps[] = {{0.001, "practically certain"},
                 {0.01, "very sure"},
                 {0.05, "fairly sure"},
                 {2, "not sure: it may be chance"}};
    akin__words value;
    size_t at = 0;
    if (isnan(p)) {
        snprintf(text, AKIN__WORDS, "not tested");
        return text;
    }
    while (p >= steps[at].below && at + 1 < sizeof steps / sizeof *steps)
        at++;
    akin__p_value(value, p);
    snprintf(text, AKIN__WORDS, "%s (p %s%.10s)", steps[at].words,
             *value == '<' ? "" : "= ", value);
    return text;
}

static void add_name(struct akin__text *text, const struct akin__report *report,
                     size_t model)
{
    akin__add_printable(text, report->model[model].name);
}

void akin__comparison_words(const struct akin__report *report,
                            const struct akin__comparison *comparison,
                            struct akin__text *text)
{
    const double difference = comparison->difference.value;
    const bool turned = difference < 0;
    akin__words words;
    char only[2][32];
    if (isnan(difference)) {
        akin__text_addf(text, "These two models were not compared.");
        return;
    }
    add_name(text, report, turned ? comparison->b : comparison->a);
    if (difference == 0) {
        akin__text_addf(text, " and ");
        add_name(text, report, comparison->b);
        akin__text_addf(text, " have the same ");
        akin__add_printable(text, comparison->figure);
        akin__text_addf(text, ": which is better is %s.",
                        akin__sureness(words, comparison->p));
        return;
    }
    akin__text_addf(text, " is better than ");
    add_name(text, report, turned ? comparison->a : comparison->b);
    akin__text_addf(text, " by %.1f points of ", 100 * fabs(difference));
    akin__add_printable(text, comparison->figure);
    if (known(&comparison->difference))
        akin__text_addf(text, " (95 %% interval %.1f to %.1f)",
                        100 * (turned ? -comparison->difference.high
                                      : comparison->difference.low),
                        100 * (turned ? -comparison->difference.low
                                      : comparison->difference.high));
    akin__text_addf(text, "; that is %s. It alone is right on %s queries, ",
                    akin__sureness(words, comparison->p),
                    akin__thousands(only[0], turned ? comparison->only_b
                                                    : comparison->only_a));
    add_name(text, report, turned ? comparison->a : comparison->b);
    akin__text_addf(text, " alone on %s.",
                    akin__thousands(only[1], turned ? comparison->only_a
                                                    : comparison->only_b));
}

/* The best of the models by accuracy that is not `but`; models if there is
 * none. */
static size_t best_of(const struct akin__report *report, size_t but)
{
    size_t best = report->models;
    for (size_t m = 0; m < report->models; m++) {
        const double value = report->model[m].accuracy.value;
        if (m != but && !isnan(value) &&
            (best == report->models ||
             value > report->model[best].accuracy.value))
            best = m;
    }
    return best;
}

static const struct akin__comparison *
comparison_of(const struct akin__report *report, size_t a, size_t b)
{
    for (size_t i = 0; i < report->comparisons; i++) {
        const struct akin__comparison *c = &report->comparison[i];
        if ((c->a == a && c->b == b) || (c->a == b && c->b == a))
            return c;
    }
    return NULL;
}

void akin__report_verdict(const struct akin__report *report,
                          struct akin__text *text)
{
    const size_t first = best_of(report, report->models);
    akin__words share;
    char queries[32];
    if (first == report->models || report->positives == 0) {
        akin__text_addf(text, "No query has a right answer among the "
                              "references, so there is nothing to judge.");
        return;
    }
    const size_t second = best_of(report, first);
    add_name(text, report, first);
    akin__text_addf(text, " puts the right picture first for %s of %s queries",
                    akin__percent(share, report->model[first].accuracy.value),
                    akin__thousands(queries, report->positives));
    if (second == report->models) {
        akin__text_addf(text, ".");
        return;
    }
    akin__text_addf(text, ", ");
    add_name(text, report, second);
    akin__text_addf(text, " for %s. ",
                    akin__percent(share, report->model[second].accuracy.value));
    const struct akin__comparison *pair = comparison_of(report, first, second);
    if (pair)
        akin__comparison_words(report, pair, text);
    else
        akin__text_addf(text, "How sure that is was not tested.");
}

/* -------------------------------------------------------- kinds and edits --
 */

size_t akin__report_kinds(const struct akin__report *report)
{
    return report->first == report->second ? 2 : AKIN__EXAMPLE_KINDS;
}

void akin__kind_words(const struct akin__report *report,
                      enum akin__example_kind kind, struct akin__text *text)
{
    const bool one = report->first == report->second;
    switch (kind) {
    case AKIN__BOTH_RIGHT:
        akin__text_addf(text, one ? "Right" : "Both right");
        break;
    case AKIN__NONE_RIGHT:
        akin__text_addf(text, one ? "Wrong" : "Neither right");
        break;
    default:
        akin__text_addf(text, "Only ");
        add_name(text, report,
                 kind == AKIN__FIRST_RIGHT ? report->first : report->second);
        akin__text_addf(text, " right");
    }
}

void akin__edit_words(struct akin__text *text, const struct akin__edit *edit)
{
    akin__add_printable(text, edit->kind);
    if (*edit->strength) {
        akin__text_addf(text, ", ");
        akin__add_printable(text, edit->strength);
    }
}

double akin__edit_share(const struct akin__report *report, size_t model,
                        size_t edit)
{
    const uint64_t *hits = report->model[model].edit_hits;
    const uint64_t queries = report->edit[edit].queries;
    return hits && queries ? (double)hits[edit] / (double)queries : NAN;
}

size_t akin__worst_edits(const struct akin__report *report, size_t model,
                         size_t most, size_t *worst)
{
    size_t count = 0;
    for (size_t e = 0; e < report->edits; e++) {
        const double share = akin__edit_share(report, model, e);
        if (!(share < 1))
            continue; /* no miss, or not known */
        size_t at = count < most ? count++ : most;
        for (; at > 0 && akin__edit_share(report, model, worst[at - 1]) > share;
             at--) {
            if (at < most)
                worst[at] = worst[at - 1];
        }
        if (at < most)
            worst[at] = e;
    }
    return count;
}

/* ---------------------------------------------------------------- stages -- */

double akin__stage_seconds(const struct akin__stages *stages, size_t at,
                           const char **name)
{
    const struct {
        const char *name;
        double seconds;
    } all[AKIN__STAGES] = {{"read", stages->read},
                           {"decode", stages->decode},
                           {"preprocess", stages->preprocess},
                           {"network", stages->network},
                           {"search", stages->search},
                           {"total", stages->total}};
    if (name)
        *name = all[at].name;
    return all[at].seconds;
}

bool akin__stages_known(const struct akin__stages *stages)
{
    for (size_t at = 0; at < AKIN__STAGES; at++) {
        if (!isnan(akin__stage_seconds(stages, at, NULL)))
            return true;
    }
    return false;
}
