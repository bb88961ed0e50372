/*
 * akin label: which of some words a picture shows, and how probably. Pictures
 * are decoded and embedded; of an index the rows are there already, and only
 * the labels are.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli.h"
#include "commands.h"
#include "filter.h"
#include "index.h"
#include "labels.h"
#include "models.h"
#include "pictures.h"
#include "terminal.h"
#include "view/json.h"
#include "view/table.h"

enum {
    USUAL_COUNT = 5, /* labels, as many as CLIP's own example shows */
    TOGETHER = 1024  /* rows of an index that are labelled at once */
};

struct label {
    const struct cli_values *values;
    struct cli_labels labels;
    struct cli_models models;
    akin_labels *ready[CLI_MODELS]; /* [models] */
    size_t k;
    akin_label *best; /* [TOGETHER][k], or [k] */
    uint64_t told;    /* pictures */
    struct cli_meter meter;
    /* Of an index: */
    char *path, *here; /* its path; the current folder */
    akin_index *index;
    akin_index_info info;
    struct cli_filter filter;
    size_t model;         /* whose rows these are */
    char *file[TOGETHER]; /* [waiting], allocated */
    float *vectors;       /* [TOGETHER][dim] */
    size_t waiting;
    uint64_t whole; /* rows of all models; 0: not known */
    int code;       /* why it was ended */
};

/* ---------------------------------------------------------- answers ---- */

static void add_csv(const struct akin__labelled *answer,
                    struct akin__text *text)
{
    for (size_t i = 0; i < answer->count; i++) {
        const akin_label *label = &answer->best[i];
        akin__text_add_field(text, answer->path);
        akin__text_add(text, ",", 1);
        akin__text_add_field(text, answer->model);
        akin__text_add(text, ",", 1);
        akin__text_add_field(text, answer->name[label->label]);
        akin__text_addf(text, ",%.9g,%.9g\r\n", label->probability,
                        label->cosine);
    }
}

static void add_table(const struct label *l,
                      const struct akin__labelled *answer,
                      struct akin__text *text)
{
    const struct akin__look look = cli_look(stdout);
    struct akin__table table = {0};
    char path[4096], model[1024] = "";
    akin__printable(path, sizeof path, cli_nearer(answer->path, l->here));
    if (l->models.count > 1)
        akin__printable(model, sizeof model, answer->model);
    if (l->told > 1)
        akin__text_add(text, "\n", 1);
    akin__bold(text, &look, path);
    akin__text_addf(text, "%s%s\n", *model ? "  " : "", model);
    akin__table_column(&table, "", AKIN__RIGHT);
    akin__table_column(&table, "", AKIN__LEFT);
    for (size_t i = 0; i < answer->count; i++) {
        const akin_label *label = &answer->best[i];
        akin__table_cellf(&table, "%.1f %%", 100 * label->probability);
        akin__table_cell(&table, answer->name[label->label]);
    }
    akin__table_render(&table, &look, text);
    text->failed = text->failed || table.failed;
    akin__table_free(&table);
}

static int tell(struct label *l, const char *path, size_t model,
                const akin_label *best)
{
    const struct akin__labelled answer = {.path = path,
                                          .model = l->models.name[model],
                                          .name = l->labels.name,
                                          .best = best,
                                          .count = l->k};
    struct akin__text text = {0};
    l->told++;
    if (l->values->json)
        return cli_print_json(akin__json_labelled(&answer));
    if (l->values->csv)
        add_csv(&answer, &text);
    else
        add_table(l, &answer, &text);
    return cli_print_text(&text);
}

/* --------------------------------------------------------- pictures ---- */

static int label_picture(void *context, const struct cli_picture *picture)
{
    struct label *l = context;
    akin_error err;
    int code = 0;
    for (size_t m = 0; m < l->models.count && !code; m++) {
        if (akin_labels_rank(l->ready[m], picture->vector[m], 1, l->k, l->best,
                             &err))
            return cli_fail(ABOUT_MODEL, &err);
        code = tell(l, picture->path, m, l->best);
    }
    cli_flush();
    return code;
}

/* ------------------------------------------------------------ index ---- */

/* Label the rows that wait. */
static int label_rows(struct label *l)
{
    akin_error err;
    int code = 0;
    if (akin_labels_rank(l->ready[l->model], l->vectors, l->waiting, l->k,
                         l->best, &err))
        code = cli_fail(ABOUT_INDEX, &err);
    cli_meter_clear(&l->meter);
    for (size_t i = 0; i < l->waiting; i++) {
        if (!code)
            code = tell(l, l->file[i], l->model, l->best + i * l->k);
        akin__free(l->file[i]);
    }
    l->waiting = 0;
    cli_flush();
    if (!code)
        cli_meter_show(&l->meter, "pictures", l->told, l->whole);
    return code;
}

static int take_row(void *context, const char *path, const float *vector)
{
    struct label *l = context;
    const size_t dim = akin_model_dim(l->models.model[l->model]);
    if (cli_stopped()) {
        l->code = CLI_STOPPED + cli_stopped();
        return l->code;
    }
    memcpy(l->vectors + l->waiting * dim, vector, dim * sizeof(float));
    l->file[l->waiting] = akin__strdup(path);
    if (!l->file[l->waiting])
        l->code = cli_no_memory();
    else if (++l->waiting == TOGETHER)
        l->code = label_rows(l);
    return l->code;
}

static int label_model(struct label *l)
{
    akin_error err;
    akin__free(l->vectors);
    l->vectors = akin__alloc(
        TOGETHER, akin_model_dim(l->models.model[l->model]) * sizeof(float));
    if (!l->vectors)
        return cli_no_memory();
    const akin_status status =
        akin_index_rows(l->index, l->models.name[l->model], &l->filter.options,
                        take_row, l, &err);
    if (status && !l->code)
        l->code = cli_fail(ABOUT_INDEX, &err);
    return l->code ? l->code : label_rows(l);
}

static int label_index(struct label *l)
{
    int code = 0;
    for (l->model = 0; l->model < l->models.count && !code; l->model++)
        code = label_model(l);
    cli_meter_clear(&l->meter);
    if (code || l->told)
        return code;
    cli_say("%s: no picture in it %s", l->path,
            l->info.empty ? "yet; `akin index DIR` adds some" : "is chosen");
    return CLI_PARTLY;
}

/* ---------------------------------------------------------- opening ---- */

/* Whether an option chooses among files. */
static bool has_filter(const struct cli_values *values)
{
    const akin_search_options *o = &values->search;
    return values->format || o->path || o->bytes_least || o->bytes_most ||
           o->pixels_least || o->pixels_most || o->taken_least || o->taken_most;
}

static int check(const struct cli_values *values)
{
    if (values->json && values->csv)
        return cli_wrong(values, "--json and --csv exclude each other");
    if (values->words && values->index)
        return cli_wrong(values,
                         "PHOTO.. or -i, not both: of an index every picture "
                         "is labelled, or those that --path chooses");
    if (values->words && has_filter(values))
        return cli_wrong(values, "--path, --taken, --size, --pixels and "
                                 "--format choose pictures of an index");
    for (size_t i = 0; i < values->prompts; i++) {
        const char *prompt = values->prompt[i];
        if (!strstr(prompt, "{}"))
            return cli_wrong(values,
                             "--template \"%s\" has no {} for the label to "
                             "stand in",
                             prompt);
        if (!akin__utf8_valid(prompt, strlen(prompt)))
            return cli_wrong(values, "--template \"%s\" is no UTF-8", prompt);
    }
    return 0;
}

static int open_index(struct label *l)
{
    int code = cli_index_open(l->values->index, &l->path, &l->index, &l->info);
    if (!code)
        code = cli_filter_make(&l->filter, l->values, l->path, l->here);
    if (!code)
        code =
            cli_models_open_texts_for(&l->models, l->values, l->path, &l->info);
    for (size_t m = 0; !code && m < l->models.count && !has_filter(l->values);
         m++) {
        if (!m)
            code = cli_index_count(l->index, &l->info);
        for (size_t i = 0; !code && i < l->info.models; i++) {
            if (!strcmp(l->info.model[i].name, l->models.name[m]))
                l->whole += l->info.model[i].images;
        }
    }
    return code;
}

static int show_texts(void *context, const char *what, uint64_t done,
                      uint64_t whole)
{
    cli_meter_show(context, what, done, whole);
    return cli_stopped();
}

/* What the models make of the labels. */
static int open_labels(struct label *l)
{
    const akin_labels_options options = {.size = sizeof options,
                                         .prompt = l->values->prompt,
                                         .prompts = l->values->prompts,
                                         .threads = (int)l->values->threads,
                                         .progress = show_texts,
                                         .context = &l->meter};
    akin_error err;
    akin_status status = AKIN_OK;
    for (size_t m = 0; m < l->models.count && !status; m++)
        status =
            akin_labels_open(&l->ready[m], l->models.model[m], l->labels.name,
                             l->labels.count, &options, &err);
    cli_meter_clear(&l->meter);
    memset(&l->meter, 0, sizeof l->meter);
    if (status == AKIN_ECANCELLED)
        return CLI_STOPPED + cli_stopped();
    if (status)
        return cli_fail(ABOUT_MODEL, &err);
    l->k = l->values->k ? l->values->k : USUAL_COUNT;
    if (l->k > l->labels.count)
        l->k = l->labels.count;
    l->best =
        akin__alloc(l->values->words ? 1 : TOGETHER, l->k * sizeof *l->best);
    return l->best ? 0 : cli_no_memory();
}

static int label(struct label *l)
{
    const struct cli_values *values = l->values;
    int code = check(values);
    if (!code)
        code = cli_labels_read(&l->labels, values);
    if (!code)
        code = values->words ? cli_models_open_both(&l->models, values)
                             : open_index(l);
    cli_catch_stop();
    if (!code)
        code = open_labels(l);
    if (code)
        return code;
    if (values->csv)
        fputs("path,model,label,probability,cosine\r\n", stdout);
    return values->words
               ? cli_embed_pictures(values, &l->models, label_picture, l)
               : label_index(l);
}

static int run(const struct cli_values *values)
{
    struct label l = {.values = values};
    /* Without it paths of an index are shown whole. */
    if (values->words || akin__real_path(".", &l.here, NULL) != AKIN_OK)
        l.here = NULL;
    const int code = label(&l);
    for (size_t i = 0; i < l.waiting; i++)
        akin__free(l.file[i]);
    for (size_t m = 0; m < CLI_MODELS; m++)
        akin_labels_close(&l.ready[m]);
    akin_index_close(&l.index);
    cli_models_close(&l.models);
    cli_labels_free(&l.labels);
    cli_filter_free(&l.filter);
    akin__free(l.vectors);
    akin__free(l.best);
    akin__free(l.here);
    akin__free(l.path);
    return code;
}

const struct cli_command cli_label = {
    .name = "label",
    .arguments = "[PHOTO..] --labels A,B,..|--labels-file FILE [options]",
    .summary = "which of some words each picture shows, by CLIP",
    .detail =
        "Probabilities are among the labels given, and add up to 1. Without "
        "PHOTO every\npicture of an index is labelled: that of -i, or the "
        "nearest photos.akin in this\nfolder or above it. A label takes the "
        "place of {} in \"" AKIN_LABEL_TEMPLATE "\", as in\nCLIP's paper, or "
        "in each --template; docs/label.md.",
    .example = "  akin label *.jpg --labels \"cat,dog,car\"\n"
               "  akin label -i photos.akin --labels-file words.txt --csv -k 1",
    .most = SIZE_MAX,
    .run = run,
    .options = {{"labels", "the labels, with commas between them"},
                {"labels-file", "the labels, one a line"},
                {"template", "a prompt with {} in it; again: the mean of all"},
                {"top", "labels of each picture (5)"},
                {"json", "one line a picture and model: docs/json.md"},
                {"csv", "a line a label: path,model,label,probability,.."},
                {"model", "known name, hub id or folder; again for a second"},
                {"index", "label every picture of this index"},
                {"path", "of an index: only files whose path matches"},
                {"taken", "only taken then: 2019, 2019-05..2020-02, 2021.."},
                {"size", "only files of so many bytes: 100k..2M, 1M.."},
                {"pixels", "only pictures of so many pixels: 1M.."},
                {"format", "only files that are jpeg, or jpeg,png"},
                {"exif", "turn upright as EXIF says (on), or leave (off)"},
                {"precision", "what the network computes in (f32)"},
                {"device", "where networks for pictures run (auto)"},
                {"decode", "every pixel (exact) or large JPEG smaller (fast)"},
                {"strict", "refuse pictures that are cut short or damaged"},
                {"limit", "let pictures cost more or less: docs/limits.md"},
                {"threads", "processors to use (all)"}},
};
