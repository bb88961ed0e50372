/*
 * akin eval calibrate: from which cosine on is a copy 90, 99, 99.9 % certain?
 * Learned of a ground truth, by vectors of the index or by predictions, and
 * kept with the index.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "akin_eval.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli.h"
#include "commands.h"
#include "index.h"
#include "models.h"
#include "terminal.h"
#include "view/json.h"
#include "view/table.h"

struct calibrate {
    const struct cli_values *values;
    char *path; /* of the index */
    akin_index *index;
    akin_index_info info;
    akin_eval_set *set;
    struct cli_meter meter;
    akin_eval_calibration *found; /* of one model */
    size_t told;                  /* models */
};

static int show(void *context, const char *what, uint64_t done, uint64_t whole)
{
    struct calibrate *c = context;
    cli_meter_show(&c->meter, what, done, whole);
    return cli_stopped();
}

/* ------------------------------------------------------------- telling -- */

static void fill_table(const akin_eval_calibration *found,
                       struct akin__table *table)
{
    char count[32];
    akin__table_column(table, "certain", AKIN__RIGHT);
    akin__table_column(table, "from cosine", AKIN__RIGHT);
    akin__table_column(table, "score", AKIN__RIGHT);
    akin__table_column(table, "answers from there on", AKIN__RIGHT);
    akin__table_column(table, "right", AKIN__RIGHT);
    for (size_t i = 0; i < AKIN_EVAL_CERTAIN; i++) {
        const akin_eval_certain *t = &found->threshold[i];
        const bool there = !isnan(t->cosine);
        akin__table_cellf(table, "%g %%", 100 * t->certain);
        if (there) {
            akin__table_cellf(table, "%.3f", t->cosine);
            akin__table_cellf(table, "%.1f %%", 100 * akin_score(t->cosine));
            akin__table_cell(table, akin__thousands(count, t->answers));
            akin__table_cell(table, akin__thousands(count, t->right));
            continue;
        }
        akin__table_cell(table, "not shown");
        for (int empty = 0; empty < 3; empty++)
            akin__table_cell(table, "");
    }
}

static void add_lacking(struct akin__text *text,
                        const akin_eval_calibration *found)
{
    char count[32];
    for (size_t i = 0; i < AKIN_EVAL_CERTAIN; i++) {
        const akin_eval_certain *t = &found->threshold[i];
        if (isnan(t->cosine))
            akin__text_addf(text,
                            "%g %%: these answers do not show it; it takes %s "
                            "more at the least, of other pictures, all right "
                            "and as alike as the best\n",
                            100 * t->certain,
                            akin__thousands(count, t->lacking));
    }
}

static int print_table(const struct calibrate *c, const char *model)
{
    const struct akin__look look = cli_look(stdout);
    const akin_eval_calibration *found = c->found;
    struct akin__table table = {0};
    struct akin__text text = {0};
    char answers[32], queries[32], right[32], name[1024];
    if (c->told)
        akin__text_add(&text, "\n", 1);
    akin__printable(name, sizeof name, model);
    akin__bold(&text, &look, name);
    akin__printable(name, sizeof name, found->certainty.truth);
    akin__text_addf(&text,
                    ": %s answers to %s queries of %s, %s of them right\n",
                    akin__thousands(answers, found->certainty.answers),
                    akin__thousands(queries, found->queries), name,
                    akin__thousands(right, found->certainty.right));
    fill_table(found, &table);
    akin__table_render(&table, &look, &text);
    add_lacking(&text, found);
    const int code = cli_print_text(&text);
    akin__table_free(&table);
    return code;
}

/* -------------------------------------------------------------- models -- */

/* The answers by which `model` is judged. */
static akin_status get_answers(struct calibrate *c, const char *model,
                               akin_eval_predictions *answers, akin_error *err)
{
    const akin_eval_indexed_options options = {.size = sizeof options,
                                               .threads =
                                                   (int)c->values->threads,
                                               .progress = show,
                                               .context = c};
    const akin_status status =
        c->values->words > 1
            ? akin_eval_read(c->set, c->values->word[1], answers, err)
            : akin_eval_indexed(c->set, c->index, model, &options, answers,
                                err);
    cli_meter_clear(&c->meter);
    return status;
}

static int calibrate_model(struct calibrate *c, const char *model)
{
    akin_eval_predictions answers = {0};
    akin_error err;
    akin_status status = get_answers(c, model, &answers, &err);
    if (!status)
        status = akin_eval_calibrate(c->set, answers.at, answers.count,
                                     c->found, &err);
    akin_eval_predictions_free(&answers);
    if (status == AKIN_ECANCELLED)
        return CLI_STOPPED + cli_stopped();
    if (status)
        return cli_fail(ABOUT_INPUT, &err);
    if (akin_eval_keep(c->index, model, &c->found->certainty, &err) != AKIN_OK)
        return cli_fail(ABOUT_INDEX, &err);
    const int code =
        c->values->json
            ? cli_print_json(akin__json_calibration(c->path, model, c->found))
            : print_table(c, model);
    c->told++;
    return code;
}

/* -------------------------------------------------------------- command -- */

/* Predictions are of ids, which need no pictures; else the set has some. */
static akin_status open_set(struct calibrate *c, akin_error *err)
{
    const struct cli_values *values = c->values;
    const bool ids = values->words > 1 && !akin__is_folder(values->word[0]);
    const akin_eval_set_options options = {
        .size = sizeof options, .layout = ids ? AKIN_EVAL_IDS : AKIN_EVAL_AUTO};
    return akin_eval_set_open(&c->set, values->word[0], &options, err);
}

static int open_index(struct calibrate *c)
{
    akin_error err;
    int code = cli_index_path(c->values->index, 0, &c->path);
    if (code)
        return code;
    akin_status status =
        akin_index_open(&c->index, c->path, AKIN_INDEX_WRITE, &err);
    if (!status)
        status = akin_index_describe(c->index, &c->info, &err);
    return status ? cli_fail(ABOUT_INDEX, &err) : 0;
}

/* That it is known whose predictions they are. */
static int check_models(const struct calibrate *c)
{
    const size_t models =
        c->values->models ? c->values->models : c->info.models;
    if (!models) {
        cli_say("%s: has no model yet; `akin index DIR -i %s` adds one",
                c->path, c->path);
        return CLI_INDEX;
    }
    if (c->values->words > 1 && models > 1)
        return cli_wrong(c->values,
                         "%s are the answers of one model, and %s has %zu; "
                         "--model says which",
                         c->values->word[1], c->path, models);
    return 0;
}

static int calibrate(struct calibrate *c)
{
    const struct cli_values *values = c->values;
    akin_error err;
    cli_catch_stop();
    c->found = akin__alloc(1, sizeof *c->found);
    if (!c->found)
        return cli_no_memory();
    if (open_set(c, &err) != AKIN_OK)
        return cli_fail(ABOUT_INPUT, &err);
    int code = open_index(c);
    if (!code)
        code = check_models(c);
    const size_t models = values->models ? values->models : c->info.models;
    for (size_t m = 0; m < models && !code; m++)
        code = calibrate_model(
            c, values->models ? cli_models_entry(&c->info, values->model[m])
                              : c->info.model[m].name);
    return code;
}

static int run(const struct cli_values *values)
{
    struct calibrate c = {.values = values};
    const int code = calibrate(&c);
    akin_index_close(&c.index);
    akin_eval_set_close(&c.set);
    akin__free(c.found);
    akin__free(c.path);
    return code;
}

const struct cli_command cli_eval_calibrate = {
    .name = "calibrate",
    .arguments = "SET [PREDICTIONS.csv] [options]",
    .summary = "from which cosine on a copy is 90, 99, 99.9 % certain",
    .detail =
        "Learns it of a SET with its ground truth, whose pictures are in "
        "the index, and\nkeeps it with the index: akin search then states "
        "the probability of each\nanswer, and akin dups takes the cosine "
        "of 99 %. With PREDICTIONS.csv\n(query_id,reference_id,score, the "
        "score a cosine) the answers are those, and\nSET may be a ground "
        "truth alone. docs/eval.md says what is claimed.",
    .example = "  akin eval calibrate SET -i photos.akin\n"
               "  akin eval calibrate ground_truth.csv clip.csv --model clip",
    .least = 1,
    .most = 2,
    .run = run,
    .options = {{"index", "the index that keeps it"},
                {"model", "only this model of it; again for a second"},
                {"threads", "processors to use (all)"},
                {"json", "a line for each model: docs/json.md"}},
};
