/*
 * akin eval run: a set measured, and a report of it. What is slow goes on where
 * it was stopped: the index in REPORT/vectors.akin has every vector that is
 * done, REPORT/work every part of a search, and the seconds that they took.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli.h"
#include "commands.h"
#include "eval_run.h"
#include "index.h"
#include "view/json_eval.h"

static int show(void *context, const char *what, uint64_t done, uint64_t whole)
{
    struct eval_run *run = context;
    cli_meter_show(&run->meter, what, done, whole);
    return cli_stopped();
}

static void notice(void *context, const char *path, const char *reason,
                   int failed)
{
    struct eval_run *run = context;
    cli_meter_clear(&run->meter);
    cli_say("%s%s: %s", failed ? "" : "warning: ", path, reason);
}

/* --------------------------------------------------------------- times -- */

enum { TIMES_BYTES = 1 << 20 };

static double number_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : 0;
}

/* Add what earlier runs took; of a file that is none: nothing. */
static void add_earlier(const json_t *times, akin_index_report *report,
                        akin_eval_stages *stages, const struct eval_run *run)
{
    const json_t *models = json_object_get(times, "models");
    stages->read += number_of(times, "read");
    stages->decode += number_of(times, "decode");
    for (size_t m = 0; m < run->open.count; m++) {
        const json_t *one = json_object_get(models, run->open.name[m]);
        report->model[m].images += (uint64_t)fmax(0, number_of(one, "images"));
        report->model[m].seconds += number_of(one, "seconds");
        stages->preprocess[m] += number_of(one, "preprocess");
        stages->network[m] += number_of(one, "network");
    }
}

static json_t *times_of(const struct eval_run *run,
                        const akin_index_report *report,
                        const akin_eval_stages *stages)
{
    json_t *models = json_object();
    int bad = 0;
    for (size_t m = 0; m < run->open.count; m++)
        bad |= json_object_set_new(
            models, run->open.name[m],
            json_pack("{s:I, s:f, s:f, s:f}", "images",
                      (json_int_t)report->model[m].images, "seconds",
                      report->model[m].seconds, "preprocess",
                      stages->preprocess[m], "network", stages->network[m]));
    json_t *times = json_pack("{s:f, s:f, s:o}", "read", stages->read, "decode",
                              stages->decode, "models", models);
    if (!bad)
        return times;
    json_decref(times);
    return NULL;
}

/* Keep what this run and earlier ones took, and put it into the models. */
static akin_status keep_times(struct eval_run *run, bool fresh,
                              akin_index_report *report,
                              akin_eval_stages *stages, akin_error *err)
{
    char *path = akin__join(run->work, "times.json");
    json_t *times = NULL;
    akin_status status = AKIN_OK;
    AKIN_CHECK(path, err, AKIN_ENOMEM, "memory is short");
    if (!fresh && !akin__json_read(path, TIMES_BYTES, &times, NULL))
        add_earlier(times, report, stages, run);
    json_decref(times);
    times = times_of(run, report, stages);
    char *line = times ? akin__json_exact(times) : NULL;
    AKIN_CHECK(line, err, AKIN_ENOMEM, "memory is short");
    status = akin__replace_file(path, line, strlen(line), err);
    akin__free(line);
    run->read = stages->read > 0 ? stages->read : NAN;
    run->decode = stages->decode > 0 ? stages->decode : NAN;
    for (size_t m = 0; m < run->open.count; m++) {
        struct eval_model *model = &run->model[m];
        const double seconds = report->model[m].seconds;
        if (!(seconds > 0))
            continue;
        model->images_per_second = (double)report->model[m].images / seconds;
        model->whole = seconds;
        model->preprocess = stages->preprocess[m];
        model->network = stages->network[m];
        run->extraction =
            isnan(run->extraction) ? seconds : run->extraction + seconds;
    }
out:
    json_decref(times);
    akin__free(path);
    return status;
}

/* ---------------------------------------------------------------- embed -- */

/* The index of the run and its models, as akin index opens them. */
static int open_index(struct eval_run *run, const char *path, bool *fresh)
{
    akin_index_info info = {0};
    int code = cli_index_open_as(path, AKIN_INDEX_WRITE, &run->index, &info);
    *fresh = !run->index;
    if (!code)
        code = cli_models_open_for(&run->open, run->values, path, &info, true);
    if (!code && *fresh)
        code = cli_index_open_as(path, AKIN_INDEX_CREATE, &run->index, &info);
    return code;
}

static int embed(struct eval_run *run, bool fresh)
{
    const struct cli_values *v = run->values;
    const bool train = v->whiten || v->score_norm;
    const akin_index_options options = {.size = sizeof options,
                                        .threads = (int)v->threads,
                                        .limits = &v->limits,
                                        .progress = show,
                                        .notice = notice,
                                        .context = run,
                                        .decoder = CLI_DECODER};
    akin_index_report report;
    akin_eval_stages stages = {0};
    akin_error err, other;
    const akin_status status =
        akin_eval_index(run->set, run->index, run->open.model, run->open.count,
                        train, &options, &report, &stages, &err);
    cli_meter_clear(&run->meter);
    if (status && status != AKIN_ECANCELLED)
        return cli_fail(ABOUT_INDEX, &err);
    if (keep_times(run, fresh, &report, &stages, &other))
        return cli_fail(ABOUT_OUTPUT, &other);
    return status ? eval_stopped(run) : 0;
}

/* --------------------------------------------------------------- models -- */

static int read_vectors(struct eval_run *run, const char *model,
                        akin_eval_kind kind, size_t count, size_t dim,
                        float **vectors, size_t *missing)
{
    akin_error err;
    *vectors = akin__alloc(count, dim * sizeof **vectors);
    if (!*vectors)
        return cli_no_memory();
    return akin_eval_vectors_of(run->set, run->index, model, kind, *vectors,
                                missing, &err)
               ? cli_fail(ABOUT_INDEX, &err)
               : 0;
}

/* Pictures without a vector teach nothing. */
static size_t drop_missing(float *vectors, size_t count, size_t dim)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (isnan(vectors[i * dim]))
            continue;
        memmove(vectors + kept++ * dim, vectors + i * dim,
                dim * sizeof *vectors);
    }
    return kept;
}

/* Measure a model of the index; NULL: perceptual hashes. */
static int take_model(struct eval_run *run, const char *name, size_t dim)
{
    const akin_eval_info *info = &run->info;
    const bool train = name && (run->values->whiten || run->values->score_norm);
    struct eval_model *m = &run->model[run->models];
    float *queries = NULL, *references = NULL, *trainers = NULL;
    size_t missing[3] = {0}, trained = 0;
    m->name = name ? name : "perceptual hash";
    m->measure = name ? "cosine" : "share of 256 bits that are alike";
    m->floor = !name;
    int code = read_vectors(run, name, AKIN_EVAL_QUERIES, info->queries, dim,
                            &queries, &missing[0]);
    if (!code)
        code = read_vectors(run, name, AKIN_EVAL_REFERENCES, info->references,
                            dim, &references, &missing[1]);
    if (!code && train) {
        code = read_vectors(run, name, AKIN_EVAL_TRAINERS, info->train, dim,
                            &trainers, &missing[2]);
        trained = code ? 0 : drop_missing(trainers, info->train, dim);
    }
    if (!code && name)
        run->missing = missing[0] +
                       (info->reference == info->query ? 0 : missing[1]) +
                       missing[2];
    if (!code)
        code = eval_find(run, queries, references, trainers, trained, dim);
    akin__free(queries);
    akin__free(references);
    akin__free(trainers);
    return code;
}

static int measure_pictures(struct eval_run *run)
{
    char *path = akin__join(run->folder, "vectors.akin");
    bool fresh;
    int code = path ? open_index(run, path, &fresh) : cli_no_memory();
    if (!code)
        code = embed(run, fresh);
    for (size_t m = 0; m < run->open.count && !code; m++)
        code = take_model(run, run->open.name[m],
                          akin_model_dim(run->open.model[m]));
    if (!code)
        code = take_model(run, NULL, AKIN_EVAL_HASH_DIM);
    akin__free(path);
    return code;
}

static int measure_vectors(struct eval_run *run)
{
    struct eval_model *m = &run->model[0];
    m->name = "vectors";
    m->measure = "cosine";
    return eval_find(run, run->queries.vector, run->references.vector,
                     run->train.vector, run->train.count, run->queries.dim);
}

/* ------------------------------------------------------------------ set -- */

static akin_status read_files(struct eval_run *run, akin_error *err)
{
    const struct cli_values *v = run->values;
    akin_status status = AKIN_OK;
    AKIN_TRY(akin_eval_vectors_read(&run->queries, v->queries, err));
    AKIN_TRY(akin_eval_vectors_read(&run->references, v->references, err));
    if (v->train)
        AKIN_TRY(akin_eval_vectors_read(&run->train, v->train, err));
    AKIN_CHECK(run->queries.dim == run->references.dim &&
                   (!v->train || run->train.dim == run->queries.dim),
               err, AKIN_EFORMAT,
               "%s has vectors of %zu numbers, the others have not", v->queries,
               run->queries.dim);
out:
    return status;
}

static akin_status open_set(struct eval_run *run, akin_error *err)
{
    const struct cli_values *v = run->values;
    const bool vectors = v->queries;
    const akin_eval_set_options options = {
        .size = sizeof options,
        .layout = vectors     ? AKIN_EVAL_IDS
                  : v->layout ? (akin_eval_layout)(v->layout - 1)
                              : AKIN_EVAL_AUTO,
        .truth = v->truth,
        .queries = v->query_list,
        .references = v->reference_list,
        .reference_count = v->reference_count,
        .seed = v->seed,
        .query_id = run->queries.id,
        .query_ids = run->queries.count,
        .reference_id = run->references.id,
        .reference_ids = run->references.count};
    const akin_status status =
        akin_eval_set_open(&run->set, v->word[0], &options, err);
    if (!status)
        akin_eval_set_describe(run->set, &run->info);
    return status;
}

static int check(const struct cli_values *v)
{
    const bool vectors = v->queries || v->references || v->train;
    const bool train = v->whiten || v->score_norm;
    if (vectors && (!v->queries || !v->references))
        return cli_wrong(v, "vectors need both --queries and --references");
    if (vectors && (v->layout || v->models || v->truth || v->query_list ||
                    v->reference_list || v->reference_count))
        return cli_wrong(v, "--layout, --model, --truth, lists and "
                            "--reference-count are for pictures, not for "
                            "vectors that are made");
    if (vectors && train != (v->train != NULL))
        return cli_wrong(v, train ? "--whiten and --score-norm need --train, "
                                    "vectors of pictures that are neither"
                                  : "--train is for --whiten or --score-norm");
    return 0;
}

static int prepare(struct eval_run *run)
{
    akin_error err;
    int code = check(run->values);
    if (code)
        return code;
    if (run->values->queries && read_files(run, &err))
        return cli_fail(ABOUT_INPUT, &err);
    if (open_set(run, &err))
        return cli_fail(ABOUT_INPUT, &err);
    if ((run->values->whiten || run->values->score_norm) &&
        !run->values->train && !run->info.train)
        return cli_wrong(run->values,
                         "--whiten and --score-norm learn from pictures that "
                         "are neither queries nor references, and %s has no "
                         "folder train of such",
                         run->info.path);
    run->work = akin__join(run->folder, "work");
    if (!run->work)
        return cli_no_memory();
    if (akin__make_folders(run->work, &err))
        return cli_fail(ABOUT_OUTPUT, &err);
    return eval_edits(run);
}

/* --------------------------------------------------------------- output -- */

static int write_json(const struct eval_run *run, const char *text)
{
    char *path = akin__join(run->folder, "report.json");
    akin_error err;
    const int code = !path ? cli_no_memory()
                     : akin__replace_file(path, text, strlen(text), &err)
                         ? cli_fail(ABOUT_OUTPUT, &err)
                         : 0;
    akin__free(path);
    return code;
}

static int write_page(const struct eval_run *run,
                      const struct akin__report *report, akin_decoder *decoder)
{
    char *path = akin__join(run->folder, "index.html");
    akin_error err;
    const int code = !path ? cli_no_memory()
                     : akin__report_page(report, path, decoder, &err)
                         ? cli_fail(ABOUT_OUTPUT, &err)
                         : 0;
    akin__free(path);
    return code;
}

static void add_row(struct akin__table *table,
                    const struct akin__report_model *m)
{
    const double shares[] = {m->accuracy.value, m->top3.value, m->uap.value,
                             m->recall_p90.value};
    akin__table_cell(table, m->name);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        if (isnan(shares[i]))
            akin__table_cell(table, "-");
        else
            akin__table_cellf(table, "%.2f %%", 100 * shares[i]);
    }
    if (isnan(m->images_per_second))
        akin__table_cell(table, "-");
    else
        akin__table_cellf(table, "%.1f", m->images_per_second);
}

/* What a terminal gets without --terminal. */
static void add_summary(const struct akin__report *report,
                        const struct akin__look *look, struct akin__text *text)
{
    static const char *const headings[] = {"accuracy", "top 3", "uAP",
                                           "recall at 90 %", "images/s"};
    struct akin__table table = {0};
    akin__table_column(&table, "model", AKIN__PATH);
    for (size_t i = 0; i < sizeof headings / sizeof *headings; i++)
        akin__table_column(&table, headings[i], AKIN__RIGHT);
    for (size_t m = 0; m < report->models; m++)
        add_row(&table, &report->model[m]);
    akin__table_render(&table, look, text);
    akin__table_free(&table);
}

static int print(const struct eval_run *run, const struct akin__report *report,
                 akin_decoder *decoder, const char *json)
{
    const struct akin__look look = cli_look(stdout);
    struct akin__text text = {0};
    if (run->values->json)
        akin__text_add(&text, json, strlen(json));
    else if (run->values->terminal)
        akin__report_terminal(report, &look, decoder, &text);
    else
        add_summary(report, &look, &text);
    if (!run->values->json)
        akin__text_addf(&text, "wrote %s/index.html and report.json\n",
                        run->folder);
    return cli_print_text(&text);
}

static int tell(struct eval_run *run)
{
    const akin_decode_options options = {.size = sizeof options,
                                         .limits = &run->values->limits};
    struct eval_about about = {0};
    akin_decoder *decoder = NULL;
    akin_error err;
    int code = eval_report(run, &about);
    json_t *document = code ? NULL : akin__report_json(&about.report);
    char *json = document ? akin__json_exact(document) : NULL;
    json_decref(document);
    if (!code && !json)
        code = cli_no_memory();
    if (!code && akin_decoder_open(&decoder, CLI_DECODER, &options, &err))
        code = cli_fail(ABOUT_OUTPUT, &err);
    if (!code)
        code = write_json(run, json);
    if (!code)
        code = write_page(run, &about.report, decoder);
    if (!code)
        code = print(run, &about.report, decoder, json);
    akin_decoder_close(&decoder);
    akin__free(json);
    akin__text_free(&about.command);
    return code;
}

/* -------------------------------------------------------------- command -- */

static void close_run(struct eval_run *run)
{
    for (size_t m = 0; m < run->models; m++)
        eval_model_free(&run->model[m]);
    for (size_t e = 0; e < run->edits; e++)
        akin__free(run->edit_name[e]);
    akin__free(run->edit_name);
    akin__free(run->edit);
    akin__free(run->edit_of);
    akin__free(run->truth);
    akin__free(run->work);
    akin_index_close(&run->index);
    cli_models_close(&run->open);
    akin_eval_vectors_free(&run->queries);
    akin_eval_vectors_free(&run->references);
    akin_eval_vectors_free(&run->train);
    akin_eval_set_close(&run->set);
}

static int run(const struct cli_values *values)
{
    struct eval_run *r = akin__calloc(1, sizeof *r);
    if (!r)
        return cli_no_memory();
    r->values = values;
    r->folder = values->output ? values->output : "report";
    r->read = r->decode = r->extraction = NAN;
    for (size_t m = 0; m < CLI_MODELS + 1; m++) {
        struct eval_model *model = &r->model[m];
        model->images_per_second = model->preprocess = model->network =
            model->whole = NAN;
    }
    cli_catch_stop();
    int code = prepare(r);
    if (!code)
        code = values->queries ? measure_vectors(r) : measure_pictures(r);
    if (!code)
        code = tell(r);
    if (!code && r->missing) {
        cli_say(
            "%zu of the pictures could not be read: they count as not found",
            r->missing);
        code = CLI_PARTLY;
    }
    close_run(r);
    akin__free(r);
    return code;
}

const struct cli_command cli_eval_run = {
    .name = "run",
    .arguments = "SET [options]",
    .summary = "measure models on a set of pictures, and write a report",
    .detail =
        "SET is a folder as DISC21, Copydays or akin eval make-copies have it, "
        "a folder of\nfolders for each class, or a CSV of query,reference. "
        "With --queries and\n--references it is a CSV of ids, and vectors are "
        "measured that are made already.\nThe report is REPORT/index.html, one "
        "page with all in it, and report.json; the\npredictions lie beside "
        "them as the Image Similarity Challenge has them. What is\nstopped "
        "goes on with the same command; docs/eval.md says what is measured.",
    .example = "  akin eval run disc21 -o report --reference-count 150000\n"
               "  akin eval run Set --model clip --model dinov2 --terminal\n"
               "  akin eval run truth.csv --queries q.npy --references r.npy",
    .least = 1,
    .most = 1,
    .run = run,
    .options = {{"output", "the folder of the report (report)"},
                {"model", "known name, hub id or folder; again for a second"},
                {"layout", "what SET looks like (auto)"},
                {"truth", "the ground truth, where SET has none or several"},
                {"query-list", "only these queries: a file of ids, one a line"},
                {"reference-list",
                 "only these references, and those of truths"},
                {"reference-count", "only so many, those of truths among them"},
                {"seed", "which of them are drawn (0)"},
                {"queries", "vectors of the queries, with q.npy.ids"},
                {"references", "vectors of the references, the same"},
                {"train", "vectors of others, to whiten and normalise by"},
                {"whiten", "whiten to N numbers first (PCA)"},
                {"score-norm",
                 "less the mean cosine of the nearest 3 of SET's train"},
                {"pool", "DINOv2's tokens to one vector (mean)"},
                {"exif", "turn upright as EXIF says (on), or leave (off)"},
                {"precision", "what the network computes in (f32)"},
                {"device", "where networks for pictures run (auto)"},
                {"decode", "every pixel (exact) or large JPEG smaller (fast)"},
                {"limit", "let pictures cost more or less: docs/limits.md"},
                {"threads", "processors to use (all)"},
                {"terminal", "all tables, and small pictures, as text"},
                {"json", "one document: docs/json.md"}},
};
