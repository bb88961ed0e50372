/*
 * akin eval score: the figures of predictions, of the challenge's CSV or made
 * here from vectors; of two lists also which is better.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "akin_eval.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli.h"
#include "commands.h"
#include "terminal.h"
#include "view/json_eval.h"
#include "view/table.h"

enum { LISTS = 2, USUAL_K = 10 };

struct list {
    const char *name;
    akin_eval_predictions predictions;
    akin_eval_figures figures;
    akin_eval_intervals intervals;
};

struct score {
    const struct cli_values *values;
    akin_eval_set *set;
    akin_eval_info info;
    struct list list[LISTS];
    size_t lists;
    akin_eval_comparison comparison;
    akin_eval_vectors queries, references, train;
    bool vectors; /* predictions are made here */
};

/* ------------------------------------------------------------- vectors -- */

/* In the place of v's vectors what whitening makes of them; then length 1. */
static akin_status prepare(const struct score *s, akin_eval_vectors *v,
                           const akin_eval_whitener *whitener, akin_error *err)
{
    if (whitener) {
        const size_t dim = akin_eval_whitener_dim(whitener);
        float *white = akin__alloc(v->count, dim * sizeof *white);
        if (!white)
            return akin__fail(err, AKIN_ENOMEM, "no memory for %zu vectors",
                              v->count);
        const akin_status status = akin_eval_whiten(
            whitener, v->vector, v->count, (int)s->values->threads, white, err);
        akin__free(v->vector);
        v->vector = white;
        v->dim = dim;
        if (status)
            return status;
    }
    akin_eval_normalize(v->vector, v->count, v->dim);
    return AKIN_OK;
}

static akin_status read_vectors(struct score *s, akin_error *err)
{
    const struct cli_values *values = s->values;
    akin_status status = AKIN_OK;
    AKIN_TRY(akin_eval_vectors_read(&s->queries, values->queries, err));
    AKIN_TRY(akin_eval_vectors_read(&s->references, values->references, err));
    if (values->train)
        AKIN_TRY(akin_eval_vectors_read(&s->train, values->train, err));
    AKIN_CHECK(
        s->queries.dim == s->references.dim &&
            (!values->train || s->train.dim == s->queries.dim),
        err, AKIN_EFORMAT,
        "%s has vectors of %zu numbers, %s of %zu; all must have as many",
        values->queries, s->queries.dim,
        s->queries.dim == s->references.dim ? values->train
                                            : values->references,
        s->queries.dim == s->references.dim ? s->train.dim : s->references.dim);
out:
    return status;
}

static akin_status prepare_all(struct score *s, akin_error *err)
{
    akin_eval_whitener *whitener = NULL;
    akin_status status = AKIN_OK;
    if (s->values->whiten)
        AKIN_TRY(akin_eval_whitener_open(
            &whitener, s->train.vector, s->train.count, s->train.dim,
            s->values->whiten, (int)s->values->threads, err));
    AKIN_TRY(prepare(s, &s->queries, whitener, err));
    AKIN_TRY(prepare(s, &s->references, whitener, err));
    if (s->values->score_norm)
        AKIN_TRY(prepare(s, &s->train, whitener, err));
out:
    akin_eval_whitener_close(&whitener);
    return status;
}

/* Predictions of vectors: the k references nearest to each query. */
static akin_status predict(struct score *s, akin_error *err)
{
    const struct cli_values *values = s->values;
    const akin_eval_vectors *q = &s->queries;
    struct list *list = &s->list[0];
    akin_eval_candidates_options options = {.size = sizeof options,
                                            .k =
                                                values->k ? values->k : USUAL_K,
                                            .threads = (int)values->threads};
    float *offset = akin__alloc(q->count, sizeof *offset);
    akin_status status = AKIN_OK;
    AKIN_CHECK(offset, err, AKIN_ENOMEM, "no memory for %zu queries", q->count);
    AKIN_TRY(prepare_all(s, err));
    if (values->score_norm) {
        AKIN_TRY(akin_eval_score_norm(q->vector, q->count, s->train.vector,
                                      s->train.count, q->dim, 1, 0, 2,
                                      options.threads, offset, err));
        options.offset = offset;
    }
    list->predictions.at =
        akin__alloc(q->count, options.k * sizeof *list->predictions.at);
    AKIN_CHECK(list->predictions.at, err, AKIN_ENOMEM,
               "no memory for %zu answers to each of %zu queries", options.k,
               q->count);
    AKIN_TRY(akin_eval_candidates(
        s->set, q->vector, q->count, s->references.vector, q->dim, &options,
        list->predictions.at, &list->predictions.count, err));
    if (values->output)
        AKIN_TRY(akin_eval_write(s->set, values->output, list->predictions.at,
                                 list->predictions.count, err));
out:
    akin__free(offset);
    return status;
}

/* -------------------------------------------------------------- figures -- */

static akin_status open_set(struct score *s, akin_error *err)
{
    const akin_eval_set_options options = {.size = sizeof options,
                                           .layout = AKIN_EVAL_IDS,
                                           .query_id = s->queries.id,
                                           .reference_id = s->references.id,
                                           .query_ids = s->queries.count,
                                           .reference_ids =
                                               s->references.count};
    const akin_status status =
        akin_eval_set_open(&s->set, s->values->word[0], &options, err);
    if (!status)
        akin_eval_set_describe(s->set, &s->info);
    return status;
}

/* Ids that nobody knows are counted as wrong, as the challenge does; when all
 * of them are that, they are of another kind. */
static void warn(const struct score *s, const struct list *list)
{
    for (size_t i = 0; i < list->predictions.count; i++) {
        if (list->predictions.at[i].query < s->info.queries)
            return;
    }
    cli_say("%s: no row is of a query that %s names", list->name,
            s->values->word[0]);
}

static akin_status measure(struct score *s, struct list *list, akin_error *err)
{
    const akin_eval_bootstrap_options options = {
        .size = sizeof options, .threads = (int)s->values->threads};
    const akin_eval_predictions *p = &list->predictions;
    akin_status status = akin_eval_measure(s->set, p->at, p->count, NULL, NULL,
                                           &list->figures, err);
    if (!status && s->values->intervals)
        status = akin_eval_bootstrap(s->set, p->at, p->count, &options,
                                     &list->intervals, err);
    return status;
}

static akin_status score(struct score *s, akin_error *err)
{
    const akin_eval_bootstrap_options options = {
        .size = sizeof options, .threads = (int)s->values->threads};
    akin_status status = AKIN_OK;
    if (s->vectors)
        AKIN_TRY(read_vectors(s, err));
    AKIN_TRY(open_set(s, err));
    if (s->vectors)
        AKIN_TRY(predict(s, err));
    for (size_t l = 0; l < s->lists; l++) {
        struct list *list = &s->list[l];
        if (!s->vectors) {
            AKIN_TRY(
                akin_eval_read(s->set, list->name, &list->predictions, err));
            warn(s, list);
        }
        AKIN_TRY(measure(s, list, err));
    }
    if (s->lists == LISTS)
        AKIN_TRY(akin_eval_compare(
            s->set, s->list[0].predictions.at, s->list[0].predictions.count,
            s->list[1].predictions.at, s->list[1].predictions.count, &options,
            &s->comparison, err));
out:
    return status;
}

/* ----------------------------------------------------------------- JSON -- */

static json_t *list_json(const struct score *s, size_t l, bool whole)
{
    const struct list *list = &s->list[l];
    return akin__json_figures(&list->figures, whole,
                              s->values->intervals ? &list->intervals : NULL);
}

static json_t *both_json(const struct score *s)
{
    static const char *const names[] = {"a", "b"};
    json_t *object = json_object();
    int bad = 0;
    for (size_t l = 0; l < LISTS; l++) {
        json_t *one = list_json(s, l, true);
        bad |= akin__json_set_path(one, "path", s->list[l].name);
        bad |= json_object_set_new(object, names[l], one);
    }
    bad |= json_object_set_new(object, "comparison",
                               akin__json_comparison(&s->comparison));
    if (!bad)
        return object;
    json_decref(object);
    return NULL;
}

static int print_json(const struct score *s)
{
    json_t *document = s->lists == LISTS
                           ? both_json(s)
                           : list_json(s, 0, s->values->intervals);
    char *line = document ? akin__json_exact(document) : NULL;
    json_decref(document);
    if (!line)
        return cli_no_memory();
    fputs(line, stdout);
    akin__free(line);
    return 0;
}

/* ---------------------------------------------------------------- table -- */

struct row {
    const char *name;
    size_t at, interval; /* in the figures, and in the intervals */
    bool share;          /* of 100 % */
};
#define FIGURE(member)   offsetof(akin_eval_figures, member)
#define INTERVAL(member) offsetof(akin_eval_intervals, member)
enum { NO_INTERVAL = 1 << 20 };

static const struct row rows[] = {
    {"accuracy", FIGURE(accuracy), INTERVAL(accuracy), true},
    {"top 3", FIGURE(top3), INTERVAL(top3), true},
    {"accuracy, of all queries", FIGURE(accuracy_all), NO_INTERVAL, true},
    {"top 3, of all queries", FIGURE(top3_all), NO_INTERVAL, true},
    {"uAP", FIGURE(uap), INTERVAL(uap), true},
    {"recall at 90 % precision", FIGURE(recall_at_p90), INTERVAL(recall_at_p90),
     true},
    {"its threshold", FIGURE(threshold_at_p90), NO_INTERVAL, false},
    {"recall at 1", FIGURE(recall_at_1), INTERVAL(recall_at_1), true},
    {"recall at 10", FIGURE(recall_at_10), INTERVAL(recall_at_10), true},
    {"any right one in 10", FIGURE(r_at_10), NO_INTERVAL, true},
    {"mAP", FIGURE(map), NO_INTERVAL, true},
    {"mAP by trapezoids", FIGURE(map_copydays), NO_INTERVAL, true},
};

static void fill_cell(struct akin__table *table, const struct row *row,
                      const akin_eval_figures *figures)
{
    const double value =
        *(const double *)(const void *)((const char *)figures + row->at);
    if (isnan(value))
        akin__table_cell(table, "never");
    else if (row->share)
        akin__table_cellf(table, "%.2f %%", 100 * value);
    else
        akin__table_cellf(table, "%.6g", value);
}

static void fill_interval(struct akin__table *table, const struct row *row,
                          const akin_eval_intervals *intervals)
{
    const akin_eval_interval *i =
        (const void *)((const char *)intervals + row->interval);
    if (row->interval == NO_INTERVAL)
        akin__table_cell(table, "");
    else
        akin__table_cellf(table, "%.2f to %.2f", 100 * i->low, 100 * i->high);
}

static void fill_table(const struct score *s, struct akin__table *table)
{
    akin__table_column(table, "", AKIN__LEFT);
    for (size_t l = 0; l < s->lists; l++) {
        akin__table_column(table, s->lists > 1 ? s->list[l].name : "",
                           AKIN__RIGHT);
        if (s->values->intervals)
            akin__table_column(table, "95 %", AKIN__LEFT);
    }
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        akin__table_cell(table, rows[r].name);
        for (size_t l = 0; l < s->lists; l++) {
            fill_cell(table, &rows[r], &s->list[l].figures);
            if (s->values->intervals)
                fill_interval(table, &rows[r], &s->list[l].intervals);
        }
    }
}

static void add_comparison(const struct score *s, struct akin__text *text)
{
    const akin_eval_comparison *c = &s->comparison;
    akin__text_addf(text,
                    "\nfirst answer right in both %zu, in neither %zu, in the "
                    "first alone %zu, in the second alone %zu: p = %.3g "
                    "(McNemar)\n",
                    c->both, c->neither, c->only_a, c->only_b, c->accuracy_p);
    akin__text_addf(text,
                    "uAP differs by %+.2f %% (95 %%: %+.2f to %+.2f), p = "
                    "%.3g (bootstrap)\n",
                    100 * c->uap_difference, 100 * c->uap_interval.low,
                    100 * c->uap_interval.high, c->uap_p);
}

static int print_table(const struct score *s)
{
    const struct akin__look look = cli_look(stdout);
    const akin_eval_figures *f = &s->list[0].figures;
    struct akin__table table = {0};
    struct akin__text text = {0};
    char queries[32], positives[32], pairs[32];
    akin__thousands(queries, f->queries);
    akin__thousands(positives, f->positives);
    akin__thousands(pairs, f->pairs);
    akin__text_addf(&text,
                    "%s queries, %s of them with a true reference, %s "
                    "true pairs\n",
                    queries, positives, pairs);
    if (s->vectors) {
        char references[32];
        akin__thousands(references, f->references);
        akin__text_addf(&text, "among %s references, vectors of %zu numbers\n",
                        references, s->queries.dim);
    }
    fill_table(s, &table);
    akin__table_render(&table, &look, &text);
    if (s->lists == LISTS)
        add_comparison(s, &text);
    const int code = cli_print_text(&text);
    akin__table_free(&table);
    return code;
}

/* -------------------------------------------------------------- command -- */

static int check(const struct score *s)
{
    const struct cli_values *v = s->values;
    if (s->vectors && (!v->queries || !v->references))
        return cli_wrong(v, "vectors need both --queries and --references");
    if (s->vectors && v->words > 1)
        return cli_wrong(v, "%s: there are predictions of the vectors already",
                         v->word[1]);
    if (!s->vectors && v->words < 2)
        return cli_wrong(v, "needs PREDICTIONS.csv, or --queries and "
                            "--references");
    if (!s->vectors &&
        (v->train || v->whiten || v->score_norm || v->output || v->k))
        return cli_wrong(v, "--train, --whiten, --score-norm, --output and -k "
                            "are for vectors: --queries and --references");
    if ((v->whiten || v->score_norm) && !v->train)
        return cli_wrong(v, "--whiten and --score-norm need --train, vectors "
                            "of pictures that are neither");
    if (v->train && !v->whiten && !v->score_norm)
        return cli_wrong(v, "--train is for --whiten or --score-norm");
    return cli_spare_picture(v, v->output);
}

static int run(const struct cli_values *values)
{
    struct score s = {.values = values,
                      .vectors = values->queries || values->references};
    akin_error err;
    s.lists = s.vectors ? 1 : values->words - 1;
    for (size_t l = 0; l < s.lists && !s.vectors; l++)
        s.list[l].name = values->word[l + 1];
    int code = check(&s);
    if (!code && score(&s, &err) != AKIN_OK)
        code = cli_fail(ABOUT_INPUT, &err);
    else if (!code)
        code = values->json ? print_json(&s) : print_table(&s);
    for (size_t l = 0; l < LISTS; l++)
        akin_eval_predictions_free(&s.list[l].predictions);
    akin_eval_vectors_free(&s.queries);
    akin_eval_vectors_free(&s.references);
    akin_eval_vectors_free(&s.train);
    akin_eval_set_close(&s.set);
    return code;
}

const struct cli_command cli_eval_score = {
    .name = "score",
    .arguments = "TRUTH.csv [PREDICTIONS.csv [OTHERS.csv]] [options]",
    .summary = "the figures of a list of predictions, or of vectors",
    .detail = "TRUTH.csv has lines query_id,reference_id (no reference: the "
              "query shows none),\nPREDICTIONS.csv lines "
              "query_id,reference_id,score, as the Image Similarity\n"
              "Challenge has them. Of two lists it says which is better, and "
              "how surely.\nThe vectors of --queries and --references are npy "
              "files with a list of ids\nbeside them: docs/eval.md.",
    .example = "  akin eval score ground_truth.csv predictions.csv --json\n"
               "  akin eval score ground_truth.csv clip.csv dinov2.csv\n"
               "  akin eval score ground_truth.csv --queries q.npy "
               "--references r.npy",
    .least = 1,
    .most = 3,
    .run = run,
    .options = {{"queries", "vectors of the queries, with q.npy.ids"},
                {"references", "vectors of the references, the same"},
                {"train", "vectors of others, to whiten and normalise by"},
                {"whiten", "whiten to N numbers first (PCA)"},
                {"score-norm",
                 "less the mean cosine of the nearest 3 of --train"},
                {"top", "predictions for each query (10)"},
                {"output", "write the predictions, as the challenge's CSV"},
                {"intervals", "with 95% intervals (bootstrap over queries)"},
                {"threads", "as many as processors are usual"},
                {"json", "one document: docs/json.md"}},
};
