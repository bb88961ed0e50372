/*
 * The report in a terminal: tables, and the example rows as small pictures. A
 * row of pictures is one drawing, so that terminals which take whole pictures
 * and those which take characters are served in the same way.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "view/draw.h"
#include "view/meter.h"
#include "view/report_words.h"
#include "view/thumb.h"

enum {
    SHOWN = 3,   /* examples of a kind, and errors of a model */
    WORST = 3,   /* kinds of edit */
    SLOTS = 5,   /* pictures side by side: query, truth, three answers */
    MOST = 24,   /* columns of a picture */
    MIDDLE = 160 /* columns that a drawing has at most */
};

static void heading(struct akin__text *text, const struct akin__look *look,
                    const char *words)
{
    akin__text_addf(text, "\n");
    akin__bold(text, look, words);
    akin__text_addf(text, "\n");
}

static void render(struct akin__table *table, const struct akin__look *look,
                   struct akin__text *text)
{
    akin__table_render(table, look, text);
    akin__table_free(table);
}

/* A cell of what `words` holds, which is freed. */
static void cell_of(struct akin__table *table, struct akin__text *words)
{
    table->failed = table->failed || words->failed;
    akin__table_cell(table, words->length ? words->bytes : "");
    akin__text_free(words);
}

/* -------------------------------------------------------------- summary -- */

static void add_counts(const struct akin__report *report,
                       struct akin__text *text)
{
    char n[4][32];
    akin__add_printable(text, report->set);
    akin__text_addf(text,
                    ": %s queries with a right answer, %s without, %s "
                    "references",
                    akin__thousands(n[0], report->positives),
                    akin__thousands(n[1], report->distractors),
                    akin__thousands(n[2], report->references));
    if (report->pairs != report->positives)
        akin__text_addf(text, ", %s true pairs",
                        akin__thousands(n[3], report->pairs));
    akin__text_addf(text, "\n");
}

static bool any_map(const struct akin__report *report)
{
    bool any = false;
    for (size_t m = 0; m < report->models; m++)
        any = any || !isnan(report->model[m].map.value);
    return any;
}

static void add_models(const struct akin__report *report,
                       const struct akin__look *look, struct akin__text *text)
{
    struct akin__table table = {0};
    const bool classes = any_map(report);
    akin__words words;
    akin__table_column(&table, "model", AKIN__PATH);
    akin__table_column(&table, "accuracy", AKIN__RIGHT);
    akin__table_column(&table, "95 %", AKIN__RIGHT);
    akin__table_column(&table, "top-3", AKIN__RIGHT);
    akin__table_column(&table, "uAP", AKIN__RIGHT);
    akin__table_column(&table, "R@P90", AKIN__RIGHT);
    akin__table_column(&table, "from", AKIN__RIGHT);
    akin__table_column(&table, "R@1", AKIN__RIGHT);
    akin__table_column(&table, "R@10", AKIN__RIGHT);
    if (classes)
        akin__table_column(&table, "mAP", AKIN__RIGHT);
    akin__table_column(&table, "images/s", AKIN__RIGHT);
    for (size_t m = 0; m < report->models; m++) {
        const struct akin__report_model *model = &report->model[m];
        akin__table_cell(&table, model->name);
        akin__table_cell(&table, akin__percent(words, model->accuracy.value));
        akin__table_cell(&table, akin__interval(words, &model->accuracy));
        akin__table_cell(&table, akin__percent(words, model->top3.value));
        akin__table_cell(&table, akin__percent(words, model->uap.value));
        akin__table_cell(&table, akin__percent(words, model->recall_p90.value));
        akin__table_cell(&table,
                         akin__score_words(words, model->threshold_p90));
        akin__table_cell(&table, akin__percent(words, model->recall_1.value));
        akin__table_cell(&table, akin__percent(words, model->recall_10.value));
        if (classes)
            akin__table_cell(&table, akin__percent(words, model->map.value));
        akin__table_cell(&table,
                         akin__rate_words(words, model->images_per_second));
    }
    render(&table, look, text);
}

static void add_comparisons(const struct akin__report *report,
                            const struct akin__look *look,
                            struct akin__text *text)
{
    struct akin__table table = {0};
    akin__words words;
    if (report->comparisons == 0)
        return;
    heading(text, look, "Models in pairs");
    akin__table_column(&table, "a", AKIN__PATH);
    akin__table_column(&table, "b", AKIN__PATH);
    akin__table_column(&table, "figure", AKIN__LEFT);
    akin__table_column(&table, "a less b", AKIN__RIGHT);
    akin__table_column(&table, "95 %", AKIN__RIGHT);
    akin__table_column(&table, "p", AKIN__RIGHT);
    for (size_t i = 0; i < report->comparisons; i++) {
        const struct akin__comparison *c = &report->comparison[i];
        akin__table_cell(&table, report->model[c->a].name);
        akin__table_cell(&table, report->model[c->b].name);
        akin__table_cell(&table, c->figure);
        akin__table_cell(&table, akin__points(words, c->difference.value));
        akin__table_cell(&table, akin__points_interval(words, &c->difference));
        akin__table_cell(&table, akin__p_value(words, c->p));
    }
    render(&table, look, text);
}

static void add_edits(const struct akin__report *report,
                      const struct akin__look *look, struct akin__text *text)
{
    struct akin__table table = {0};
    char n[32];
    akin__words words;
    if (report->edits == 0)
        return;
    heading(text, look, "Accuracy by kind of edit");
    akin__table_column(&table, "edit", AKIN__LEFT);
    akin__table_column(&table, "queries", AKIN__RIGHT);
    for (size_t m = 0; m < report->models; m++)
        akin__table_column(&table, report->model[m].name, AKIN__RIGHT);
    for (size_t e = 0; e < report->edits; e++) {
        struct akin__text edit = {0};
        akin__edit_words(&edit, &report->edit[e]);
        cell_of(&table, &edit);
        akin__table_cell(&table, akin__thousands(n, report->edit[e].queries));
        for (size_t m = 0; m < report->models; m++)
            akin__table_cell(
                &table, akin__percent(words, akin__edit_share(report, m, e)));
    }
    render(&table, look, text);
}

static void add_times(const struct akin__report *report,
                      const struct akin__look *look, struct akin__text *text)
{
    struct akin__table table = {0};
    akin__words words;
    heading(text, look, "Time");
    akin__table_column(&table, "", AKIN__PATH);
    for (size_t s = 0; s < AKIN__STAGES; s++) {
        const char *name;
        akin__stage_seconds(&report->stages, s, &name);
        akin__table_column(&table, name, AKIN__RIGHT);
    }
    for (size_t m = 0; m <= report->models; m++) {
        const bool all = m == report->models;
        const struct akin__stages *stages =
            all ? &report->stages : &report->model[m].stages;
        if (!akin__stages_known(stages))
            continue;
        akin__table_cell(&table, all ? "all together" : report->model[m].name);
        for (size_t s = 0; s < AKIN__STAGES; s++)
            akin__table_cell(
                &table,
                akin__stage_words(words, akin__stage_seconds(stages, s, NULL)));
    }
    render(&table, look, text);
}

/* --------------------------------------------------------------- errors -- */

static void add_misses(const char *words, const struct akin__miss *miss,
                       size_t count, const struct akin__look *look,
                       struct akin__text *text)
{
    struct akin__table table = {0};
    akin__words score;
    char n[32];
    if (count == 0)
        return;
    akin__text_addf(text, "%s\n", words);
    akin__table_column(&table, "query", AKIN__PATH);
    akin__table_column(&table, "answer", AKIN__PATH);
    akin__table_column(&table, "score", AKIN__RIGHT);
    akin__table_column(&table, "right would be", AKIN__PATH);
    akin__table_column(&table, "rank", AKIN__RIGHT);
    for (size_t i = 0; i < count && i < SHOWN; i++, miss++) {
        akin__table_cell(&table, miss->query);
        akin__table_cell(&table, miss->answer ? miss->answer : "nothing");
        akin__table_cell(&table, akin__score_words(score, miss->answer_score));
        akin__table_cell(&table, miss->truth ? miss->truth : "nothing");
        akin__table_cell(&table, miss->rank ? akin__thousands(n, miss->rank)
                                            : AKIN__UNKNOWN);
    }
    render(&table, look, text);
}

static void add_worst(const struct akin__report *report, size_t m,
                      struct akin__text *text)
{
    size_t worst[WORST];
    const size_t count = akin__worst_edits(report, m, WORST, worst);
    akin__words words;
    for (size_t i = 0; i < count; i++) {
        akin__text_addf(text, i ? "; " : "worst: ");
        akin__edit_words(text, &report->edit[worst[i]]);
        akin__text_addf(
            text, " (%s)",
            akin__percent(words, akin__edit_share(report, m, worst[i])));
    }
    if (count)
        akin__text_addf(text, "\n");
}

static void add_errors(const struct akin__report *report,
                       const struct akin__look *look, struct akin__text *text)
{
    for (size_t m = 0; m < report->models; m++) {
        const struct akin__report_model *model = &report->model[m];
        struct akin__text words = {0};
        char n[32];
        akin__text_addf(&words, "Errors of ");
        akin__add_printable(&words, model->name);
        akin__text_addf(&words, ": %s true pairs not found first",
                        akin__thousands(n, model->missed_all));
        heading(text, look, words.failed ? "" : words.bytes);
        text->failed = text->failed || words.failed;
        akin__text_free(&words);
        add_worst(report, m, text);
        add_misses("sure, and wrong:", model->sure, model->sures, look, text);
        add_misses("missed:", model->missed, model->misses, look, text);
    }
}

/* -------------------------------------------------------------- pictures -- */

/* A row of pictures, each `columns` wide with a gap behind it. */
struct strip {
    uint8_t *rgba; /* [rows * CELL_HEIGHT][slots * (columns + 1) * CELL_WIDTH]
                      [4] */
    unsigned columns, rows;
};

/* The picture in the middle of its slot; what cannot be read leaves it empty.
 */
static void put(struct strip *strip, size_t slot, const char *path,
                akin_decoder *decoder)
{
    akin_image small;
    akin_error why;
    const size_t wide = strip->columns * AKIN__CELL_WIDTH;
    const size_t high = strip->rows * AKIN__CELL_HEIGHT;
    const size_t stride = SLOTS * (wide + AKIN__CELL_WIDTH);
    const uint32_t most = (uint32_t)(wide < high ? wide : high);
    if (!path || akin__thumb_shrink(&small, path, most, decoder, &why))
        return;
    const size_t left =
        slot * (wide + AKIN__CELL_WIDTH) + (wide - small.width) / 2;
    const size_t top = (high - small.height) / 2;
    for (size_t y = 0; y < small.height; y++) {
        const uint8_t *from = small.pixels + y * small.stride;
        uint8_t *to = strip->rgba + 4 * ((top + y) * stride + left);
        for (size_t x = 0; x < small.width; x++, from += 3, to += 4) {
            memcpy(to, from, 3);
            to[3] = 255;
        }
    }
    akin__free(small.pixels);
}

/* Words above a picture, as wide as it. */
static void caption(struct akin__text *text, const struct strip *strip,
                    size_t slot, const char *words)
{
    if (slot + 1 < SLOTS)
        akin__text_addf(text, "%-*.*s", (int)strip->columns + 1,
                        (int)strip->columns, words);
    else
        akin__text_addf(text, "%.*s\n", (int)strip->columns, words);
}

static void add_captions(const struct akin__example *example,
                         const struct akin__example_answers *given, bool again,
                         const struct strip *strip, struct akin__text *text)
{
    akin__words score, words;
    caption(text, strip, 0, again ? "" : "query");
    caption(text, strip, 1, again || !example->truth ? "" : "right");
    for (size_t i = 0; i < AKIN__REPORT_TOP; i++) {
        *words = 0;
        if (i < given->count)
            snprintf(words, sizeof words, "%zu%s %s", i + 1,
                     given->answer[i].right ? " right" : "",
                     akin__score_words(score, given->answer[i].score));
        caption(text, strip, 2 + i, words);
    }
}

/* The query and the right answer stand in the first model's strip only. */
static void add_strip(const struct akin__report *report,
                      const struct akin__example *example, size_t which,
                      struct strip *strip, const struct akin__look *look,
                      akin_decoder *decoder, struct akin__text *text)
{
    const struct akin__example_answers *given = &example->given[which];
    const unsigned columns = SLOTS * (strip->columns + 1);
    memset(strip->rgba, 0,
           (size_t)4 * columns * AKIN__CELL_WIDTH * strip->rows *
               AKIN__CELL_HEIGHT);
    akin__add_printable(
        text, report->model[which ? report->second : report->first].name);
    akin__text_addf(text, "\n");
    add_captions(example, given, which > 0, strip, text);
    put(strip, 0, which ? NULL : example->query, decoder);
    put(strip, 1, which ? NULL : example->truth, decoder);
    for (size_t i = 0; i < given->count; i++)
        put(strip, 2 + i, given->answer[i].path, decoder);
    akin__draw(strip->rgba, columns, strip->rows, look->colour, text);
}

static void add_example(const struct akin__report *report,
                        const struct akin__example *example,
                        struct strip *strip, const struct akin__look *look,
                        akin_decoder *decoder, struct akin__text *text)
{
    akin__text_addf(text, "\n");
    akin__add_printable(text, example->query);
    if (*example->edit) {
        akin__text_addf(text, " (");
        akin__add_printable(text, example->edit);
        akin__text_addf(text, ")");
    }
    akin__text_addf(text, "\n");
    add_strip(report, example, 0, strip, look, decoder, text);
    if (report->first != report->second)
        add_strip(report, example, 1, strip, look, decoder, text);
}

/* How many queries of each kind, and, with a strip, some of them. */
static void add_kinds(const struct akin__report *report, struct strip *strip,
                      const struct akin__look *look, akin_decoder *decoder,
                      struct akin__text *text)
{
    for (size_t kind = 0; kind < akin__report_kinds(report); kind++) {
        size_t shown = 0;
        char n[32];
        akin__text_addf(text, strip ? "\n" : "");
        akin__kind_words(report, (enum akin__example_kind)kind, text);
        akin__text_addf(text, ": %s queries\n",
                        akin__thousands(n, report->kinds[kind]));
        for (size_t i = 0; strip && i < report->examples && shown < SHOWN; i++)
            if (report->example[i].kind == kind) {
                add_example(report, &report->example[i], strip, look, decoder,
                            text);
                shown++;
            }
    }
}

static void add_examples(const struct akin__report *report,
                         const struct akin__look *look, akin_decoder *decoder,
                         struct akin__text *text)
{
    const size_t wide = look->width < MIDDLE ? look->width : MIDDLE;
    const size_t least = SLOTS * 5; /* 4 columns are a picture still */
    struct strip strip = {0};
    heading(text, look, "Examples");
    if (look->width >= least && *akin__draw_library()) {
        strip.columns = (unsigned)(wide / SLOTS - 1);
        strip.columns = strip.columns < MOST ? strip.columns : MOST;
        strip.rows = (strip.columns + 1) / 2;
        strip.rgba = akin__alloc((size_t)SLOTS * (strip.columns + 1) *
                                     AKIN__CELL_WIDTH * 4,
                                 strip.rows * AKIN__CELL_HEIGHT);
        text->failed = text->failed || !strip.rgba;
    } else {
        akin__text_addf(text, "No pictures: %s.\n",
                        !*akin__draw_library()
                            ? "this akin was built without libchafa"
                        : look->width ? "this terminal is too narrow"
                                      : "the output is no terminal");
    }
    add_kinds(report, strip.rgba ? &strip : NULL, look, decoder, text);
    akin__free(strip.rgba);
}

void akin__report_terminal(const struct akin__report *report,
                           const struct akin__look *look, akin_decoder *decoder,
                           struct akin__text *text)
{
    add_counts(report, text);
    add_models(report, look, text);
    akin__text_addf(text, "\n");
    akin__report_verdict(report, text);
    akin__text_addf(text, "\n");
    add_comparisons(report, look, text);
    add_edits(report, look, text);
    add_errors(report, look, text);
    add_times(report, look, text);
    add_examples(report, look, decoder, text);
}
