/*
 * From what was measured to the report that view shows (eval_run.h): no number
 * is computed here but differences and sums.
 */
#include <math.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/machine.h"
#include "base/memory.h"
#include "base/precision.h"
#include "base/text.h"
#include "base/thread.h"
#include "cli.h"
#include "eval_run.h"

enum { RESAMPLES = 1000 };

/* -------------------------------------------------------------- models -- */

static struct akin__figure figure_of(double value, akin_eval_interval interval)
{
    return (struct akin__figure){value, interval.low, interval.high};
}

static double sum_of(double a, double b)
{
    return isnan(a) ? b : a + b;
}

static void fill_model(const struct eval_model *m, struct akin__report_model *r)
{
    const akin_eval_figures *f = &m->figures;
    const akin_eval_intervals *i = &m->intervals;
    *r = (struct akin__report_model){
        .name = m->name,
        .note = m->note ? m->note : "",
        .measure = m->measure,
        .dim = m->dim,
        .floor = m->floor,
        .accuracy = figure_of(f->accuracy, i->accuracy),
        .top3 = figure_of(f->top3, i->top3),
        .uap = figure_of(f->uap, i->uap),
        .recall_p90 = figure_of(f->recall_at_p90, i->recall_at_p90),
        .recall_1 = figure_of(f->recall_at_1, i->recall_at_1),
        .recall_10 = figure_of(f->recall_at_10, i->recall_at_10),
        .map = {m->ap ? f->map : NAN, NAN, NAN},
        .threshold_p90 = f->threshold_at_p90,
        .images_per_second = m->images_per_second,
        .stages = {.read = NAN,
                   .decode = NAN,
                   .preprocess = m->preprocess,
                   .network = m->network,
                   .search = m->search,
                   .total = sum_of(m->whole, m->search)},
        .curve = m->curve,
        .points = m->points,
        .histogram = {m->low, m->high, m->high > m->low ? EVAL_BINS : 0,
                      m->bins[0], m->bins[1]},
        .edit_hits = m->hits,
        .sure = m->sure,
        .sures = m->sures,
        .missed = m->missed,
        .misses = m->misses,
        .missed_all = m->missed_all};
}

/* ---------------------------------------------------------- comparisons -- */

static akin_status compare(const struct eval_run *run, struct eval_about *about,
                           size_t a, size_t b, akin_error *err)
{
    const akin_eval_bootstrap_options options = {.size = sizeof options,
                                                 .resamples = RESAMPLES,
                                                 .threads =
                                                     (int)run->values->threads};
    const struct eval_model *one = &run->model[a], *two = &run->model[b];
    akin_eval_comparison c;
    const akin_status status = akin_eval_compare(
        run->set, one->at, one->count, two->at, two->count, &options, &c, err);
    if (status)
        return status;
    struct akin__comparison *to = &about->comparison[about->report.comparisons];
    const double difference =
        ((double)c.only_a - (double)c.only_b) / (double)run->info.positives;
    to[0] = (struct akin__comparison){.a = a,
                                      .b = b,
                                      .figure = "accuracy",
                                      .test = "McNemar's exact test",
                                      .difference = {difference, NAN, NAN},
                                      .p = c.accuracy_p,
                                      .only_a = c.only_a,
                                      .only_b = c.only_b};
    to[1] = to[0];
    to[1].figure = "uAP";
    to[1].test = "bootstrap over queries";
    to[1].difference = figure_of(c.uap_difference, c.uap_interval);
    to[1].p = c.uap_p;
    about->report.comparisons += 2;
    return AKIN_OK;
}

/* The first two models, and each with the floor. */
static akin_status compare_all(const struct eval_run *run,
                               struct eval_about *about, akin_error *err)
{
    const size_t last = run->models - 1;
    const size_t real = run->model[last].floor ? last : run->models;
    akin_status status = AKIN_OK;
    if (real > 1)
        status = compare(run, about, 0, 1, err);
    for (size_t m = 0; m < real && real == last && !status; m++)
        status = compare(run, about, m, last, err);
    return status;
}

/* ------------------------------------------------------------- examples -- */

static void fill_answers(const struct eval_run *run, const struct eval_model *m,
                         uint32_t q, struct akin__example_answers *given)
{
    for (size_t i = m->first[q];
         i < m->first[q + 1] && given->count < AKIN__REPORT_TOP; i++) {
        const akin_eval_prediction *p = &m->at[i];
        const size_t at = given->count++;
        given->answer[at].path = run->info.reference[p->reference].path;
        given->answer[at].score = p->score;
        given->answer[at].right = akin_eval_true(run->set, q, p->reference);
    }
}

static enum akin__example_kind kind_of(const struct eval_run *run,
                                       const struct akin__report *report,
                                       uint32_t q)
{
    const bool first = run->model[report->first].rank[q] == 0;
    const bool second = run->model[report->second].rank[q] == 0;
    return first && second ? AKIN__BOTH_RIGHT
           : first         ? AKIN__FIRST_RIGHT
           : second        ? AKIN__SECOND_RIGHT
                           : AKIN__NONE_RIGHT;
}

static void add_example(struct eval_run *run, struct eval_about *about,
                        enum akin__example_kind kind, uint32_t q)
{
    const struct akin__report *r = &about->report;
    struct akin__example *example = &about->example[about->report.examples++];
    *example = (struct akin__example){
        .kind = kind,
        .query = run->info.query[q].path,
        .truth =
            run->info.labels ? NULL : run->info.reference[run->truth[q]].path,
        .edit = eval_edit(run, q)};
    fill_answers(run, &run->model[r->first], q, &example->given[0]);
    fill_answers(run, &run->model[r->second], q, &example->given[1]);
}

static int choose_examples(struct eval_run *run, struct eval_about *about)
{
    struct akin__report *r = &about->report;
    uint32_t chosen[EVAL_EXAMPLES];
    uint32_t *of = akin__alloc(run->info.queries, sizeof *of);
    if (!of)
        return cli_no_memory();
    for (int kind = 0; kind < AKIN__EXAMPLE_KINDS; kind++) {
        size_t few = 0;
        for (uint32_t q = 0; q < run->info.queries; q++) {
            if (run->truth[q] != AKIN_EVAL_NONE &&
                kind_of(run, r, q) == (enum akin__example_kind)kind)
                of[r->kinds[kind]++] = q;
        }
        if (run->info.layout != AKIN_EVAL_IDS) /* that has no pictures */
            few = eval_choose(run, of, r->kinds[kind], EVAL_EXAMPLES, chosen);
        for (size_t i = 0; i < few; i++)
            add_example(run, about, (enum akin__example_kind)kind, chosen[i]);
    }
    akin__free(of);
    return 0;
}

/* -------------------------------------------------------------- command -- */

/* A word as a shell takes it. */
static void add_word(struct akin__text *text, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789/._-+=:,@%";
    if (*word && word[strspn(word, plain)] == 0) {
        akin__text_addf(text, " %s", word);
        return;
    }
    akin__text_addf(text, " '");
    for (; *word; word++)
        akin__text_addf(text, *word == '\'' ? "'\\''" : "%c", *word);
    akin__text_addf(text, "'");
}

static void add_option(struct akin__text *text, const char *name,
                       const char *value)
{
    if (!value)
        return;
    akin__text_addf(text, " --%s", name);
    add_word(text, value);
}

static void add_number(struct akin__text *text, const char *name, size_t number)
{
    if (number)
        akin__text_addf(text, " --%s %zu", name, number);
}

static void add_choice(struct akin__text *text, const char *name,
                       const char *const *words, int number)
{
    if (number > 0)
        akin__text_addf(text, " --%s %s", name, words[number - 1]);
}

/* All that decides what the report says. */
static void make_command(const struct eval_run *run, struct akin__text *text)
{
    static const char *const layout[] = {"auto", "disc", "copydays", "classes",
                                         "pairs"};
    static const char *const pool[] = {"mean", "cls", "patches"};
    static const char *const exif[] = {"on", "off"};
    static const char *const decode[] = {"exact", "fast"};
    static const char *const precision[] = {"f32", "bf16", "int8"};
    const struct cli_values *v = run->values;
    akin__text_addf(text, "akin eval run");
    add_word(text, v->word[0]);
    akin__text_addf(text, " -o");
    add_word(text, run->folder);
    for (size_t m = 0; m < v->models; m++)
        add_option(text, "model", v->model[m]);
    add_option(text, "queries", v->queries);
    add_option(text, "references", v->references);
    add_option(text, "train", v->train);
    add_choice(text, "layout", layout, v->layout);
    add_option(text, "truth", v->truth);
    add_option(text, "query-list", v->query_list);
    add_option(text, "reference-list", v->reference_list);
    add_number(text, "reference-count", v->reference_count);
    add_number(text, "seed", v->seed);
    add_number(text, "whiten", v->whiten);
    akin__text_addf(text, "%s", v->score_norm ? " --score-norm" : "");
    add_choice(text, "pool", pool, v->pool);
    add_choice(text, "exif", exif, v->exif);
    add_choice(text, "precision", precision, v->precision);
    add_choice(text, "decode", decode, v->decode);
}

/* -------------------------------------------------------------- report -- */

static void fill_head(struct eval_run *run, struct eval_about *about)
{
    const akin_eval_info *info = &run->info;
    struct akin__report *r = &about->report;
    const time_t now = time(NULL);
    struct tm tm = {0};
    localtime_r(&now, &tm);
    strftime(about->date, sizeof about->date, "%Y-%m-%d", &tm);
    akin__processor_name(about->cpu, sizeof about->cpu);
    double search = 0;
    for (size_t m = 0; m < run->models; m++)
        search += run->model[m].search;
    *r = (struct akin__report){
        .set = info->path,
        .date = about->date,
        .command = about->command.bytes,
        .queries = info->queries,
        .references = info->references,
        .positives = info->positives,
        .pairs = info->pairs,
        .distractors = info->queries - info->positives,
        .cpu = about->cpu,
        .card =
            run->open.count ? akin_model_device_name(run->open.model[0]) : NULL,
        .precision =
            run->open.count
                ? akin__precision_name(akin_model_precision(run->open.model[0]))
                : "",
        .threads = run->values->threads ? (int)run->values->threads
                                        : akin__processors(),
        .resamples = RESAMPLES,
        .stages = {.read = run->read,
                   .decode = run->decode,
                   .preprocess = NAN,
                   .network = NAN,
                   .search = NAN,
                   .total = sum_of(run->extraction, search)},
        .model = about->model,
        .models = run->models,
        .edit = run->edit,
        .edits = run->edits,
        .comparison = about->comparison,
        .second = run->models > 1 ? 1 : 0,
        .example = about->example};
}

int eval_report(struct eval_run *run, struct eval_about *about)
{
    akin_error err;
    make_command(run, &about->command);
    if (about->command.failed)
        return cli_no_memory();
    fill_head(run, about);
    for (size_t m = 0; m < run->models; m++)
        fill_model(&run->model[m], &about->model[m]);
    if (compare_all(run, about, &err))
        return cli_fail(ABOUT_OUTPUT, &err);
    return choose_examples(run, about);
}
