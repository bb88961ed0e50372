/*
 * akin search: for each picture, what each model of the index finds most like
 * it. A few queries are answered one after the other, so that the first answers
 * are there before the last picture is read; many are gathered, because an
 * index is read once for all that are asked together.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/suffix.h"
#include "base/text.h"
#include "cli.h"
#include "commands.h"
#include "filter.h"
#include "index.h"
#include "models.h"
#include "pictures.h"
#include "terminal.h"
#include "view/html.h"
#include "view/json.h"
#include "view/table.h"

enum {
    USUAL_COUNT = 3, /* answers, as many as the article shows */
    MANY = 16,       /* queries that are not answered one by one */
    TOGETHER = 64    /* but so many at once */
};

struct search {
    const struct cli_values *values;
    struct cli_models models;
    char *path, *here; /* of the index; the current folder */
    akin_index *index;
    akin_index_info info;
    struct cli_filter filter;
    size_t k;
    size_t together, waiting;            /* queries to be answered at once */
    char *query[TOGETHER];               /* [waiting] their paths, allocated */
    float *vectors[CLI_MODELS];          /* [models] x [together][dim] */
    akin_match *match;                   /* [models][together][k] */
    size_t found[CLI_MODELS * TOGETHER]; /* [models][together] */
    struct akin__page page;
    akin_decoder *decoder; /* of the page's pictures */
    bool paged;            /* the page is open */
    bool any;              /* a query had an answer */
    size_t told;           /* queries answered */
};

static int print_json(const struct akin__answers *answers)
{
    json_t *object = akin__json_answers(answers);
    return cli_print_json(object);
}

/* The models' answers side by side, a rank a row. */
static void fill_table(const struct search *s,
                       const struct akin__answers *answers,
                       struct akin__table *table)
{
    size_t rows = 0;
    akin__table_column(table, "", AKIN__RIGHT);
    for (size_t m = 0; m < answers->models; m++) {
        const struct akin__ranking *ranking = &answers->ranking[m];
        akin__table_column(table, "", AKIN__RIGHT);
        akin__table_column(table, ranking->model, AKIN__PATH);
        rows = ranking->found > rows ? ranking->found : rows;
    }
    for (size_t i = 0; i < rows; i++) {
        akin__table_cellf(table, "%zu", s->filter.options.offset + i + 1);
        for (size_t m = 0; m < answers->models; m++) {
            const struct akin__ranking *ranking = &answers->ranking[m];
            const bool there = i < ranking->found;
            if (there)
                akin__table_cellf(table, "%.1f %%",
                                  100 * ranking->match[i].score);
            else
                akin__table_cell(table, "");
            akin__table_cell(table,
                             there ? cli_nearer(ranking->match[i].path, s->here)
                                   : "");
        }
    }
}

static int print_table(const struct search *s,
                       const struct akin__answers *answers)
{
    const struct akin__look look = cli_look(stdout);
    struct akin__table table = {0};
    struct akin__text text = {0};
    char query[1024];
    akin__printable(query, sizeof query, answers->query);
    if (s->told)
        akin__text_add(&text, "\n", 1);
    akin__bold(&text, &look, query);
    akin__text_add(&text, "\n", 1);
    fill_table(s, answers, &table);
    akin__table_render(&table, &look, &text);
    const int code = text.failed ? cli_no_memory() : 0;
    if (!code)
        fputs(text.bytes, stdout);
    akin__text_free(&text);
    akin__table_free(&table);
    return code;
}

/* What the models found for the query `number` of those that waited. */
static int tell(struct search *s, size_t number)
{
    struct akin__ranking ranking[CLI_MODELS];
    const struct akin__answers answers = {.query = s->query[number],
                                          .models = s->models.count,
                                          .ranking = ranking};
    akin_error err;
    int code = 0;
    for (size_t m = 0; m < s->models.count; m++) {
        const size_t at = m * s->together + number;
        ranking[m] = (struct akin__ranking){.model = s->models.name[m],
                                            .match = s->match + at * s->k,
                                            .found = s->found[at],
                                            .offset = s->filter.options.offset};
        s->any = s->any || s->found[at];
    }
    if (s->paged && akin__page_add(&s->page, &answers, &err) != AKIN_OK)
        code = cli_fail(ABOUT_OUTPUT, &err);
    if (!code)
        code =
            s->values->json ? print_json(&answers) : print_table(s, &answers);
    fflush(stdout);
    s->told++;
    return code;
}

/* Answer those that wait. */
static int ask(struct search *s)
{
    akin_error err;
    int code = 0;
    for (size_t m = 0; s->waiting && m < s->models.count; m++) {
        const size_t at = m * s->together;
        if (akin_index_search_many(s->index, s->models.name[m], s->vectors[m],
                                   s->waiting, s->k, &s->filter.options,
                                   s->match + at * s->k, s->found + at,
                                   &err) != AKIN_OK)
            return cli_fail(ABOUT_INDEX, &err);
    }
    for (size_t i = 0; i < s->waiting && !code; i++)
        code = tell(s, i);
    for (size_t i = 0; i < s->waiting; i++)
        akin__free(s->query[i]);
    s->waiting = 0;
    return code;
}

static int answer(void *context, const struct cli_picture *picture)
{
    struct search *s = context;
    for (size_t m = 0; m < s->models.count; m++) {
        const size_t dim = akin_model_dim(s->models.model[m]);
        memcpy(s->vectors[m] + s->waiting * dim, picture->vector[m],
               dim * sizeof(float));
    }
    s->query[s->waiting] = akin__strdup(picture->path);
    if (!s->query[s->waiting])
        return cli_no_memory();
    return ++s->waiting == s->together ? ask(s) : 0;
}

/* What is no file is a name that was mistyped, or words. */
static int check_words(const struct cli_values *values)
{
    for (size_t i = 0; i < values->words; i++) {
        const char *word = values->word[i];
        if (!akin__exists(word) && !strchr(word, '/') &&
            !akin__image_suffix(word))
            return cli_wrong(values,
                             "there is no file %s, and this version searches "
                             "by picture only, not by words",
                             word);
    }
    return 0;
}

static int make_room(struct search *s)
{
    s->k = s->values->k ? s->values->k : USUAL_COUNT;
    s->together = s->values->words < MANY ? 1 : TOGETHER;
    s->match =
        akin__calloc(s->k, s->models.count * s->together * sizeof *s->match);
    bool whole = s->match;
    for (size_t m = 0; m < s->models.count; m++) {
        s->vectors[m] = akin__alloc(
            s->together, akin_model_dim(s->models.model[m]) * sizeof(float));
        whole = whole && s->vectors[m];
    }
    return whole ? 0 : cli_no_memory();
}

static int open_page(struct search *s)
{
    const akin_decode_options options = {.size = sizeof options,
                                         .limits = &s->values->limits};
    akin_error err;
    if (!s->values->html)
        return 0;
    if (akin_decoder_open(&s->decoder, CLI_DECODER, &options, &err) ||
        akin__page_open(&s->page, s->values->html, "The most similar pictures",
                        s->path, s->decoder, &err))
        return cli_fail(ABOUT_OUTPUT, &err);
    s->paged = true;
    return 0;
}

/* The page is kept when any query was answered. */
static int close_page(struct search *s, int code)
{
    akin_error err;
    if (!s->paged)
        return code;
    if (code > CLI_PARTLY) {
        akin__page_drop(&s->page);
        return code;
    }
    if (akin__page_commit(&s->page, &err) != AKIN_OK)
        return cli_fail(ABOUT_OUTPUT, &err);
    cli_say("wrote %s", s->values->html);
    return code;
}

static int nothing_in(const struct search *s)
{
    cli_say("%s: holds no pictures yet; `akin index DIR -i %s` adds some",
            s->path, s->path);
    return CLI_PARTLY;
}

static int search(struct search *s)
{
    int code = check_words(s->values);
    if (!code)
        code = cli_index_open(s->values->index, &s->path, &s->index, &s->info);
    if (!code && (!s->info.models || s->info.empty))
        return nothing_in(s);
    if (!code)
        code = cli_models_open_for(&s->models, s->values, s->path, &s->info,
                                   false);
    if (!code)
        code = cli_filter_make(&s->filter, s->values, s->path, s->here);
    if (!code)
        code = make_room(s);
    if (!code)
        code = open_page(s);
    if (code)
        return code;
    code = cli_embed_pictures(s->values, &s->models, answer, s);
    const int last = code <= CLI_PARTLY ? ask(s) : 0;
    if (!code && !last && !s->any) {
        cli_say("%s: no picture in it is an answer", s->path);
        code = CLI_PARTLY;
    }
    return close_page(s, last ? last : code);
}

static int run(const struct cli_values *values)
{
    struct search s = {.values = values};
    /* Without it paths are shown whole. */
    if (akin__real_path(".", &s.here, NULL) != AKIN_OK)
        s.here = NULL;
    const int code = search(&s);
    akin_index_close(&s.index);
    cli_models_close(&s.models);
    akin_decoder_close(&s.decoder);
    cli_filter_free(&s.filter);
    for (size_t i = 0; i < s.waiting; i++)
        akin__free(s.query[i]);
    for (size_t m = 0; m < CLI_MODELS; m++)
        akin__free(s.vectors[m]);
    akin__free(s.match);
    akin__free(s.here);
    akin__free(s.path);
    return code;
}

const struct cli_command cli_search = {
    .name = "search",
    .arguments = "QUERY.. [options]",
    .summary = "the pictures most like each QUERY, a picture itself",
    .detail = "Each model of the index answers, side by side. Without -i the "
              "index is the\nnearest photos.akin in this folder or above it.",
    .example = "  akin search photo.jpg -k 5 --html page.html\n"
               "  akin search photo.jpg --path 'holiday/*' --taken 2019..",
    .least = 1,
    .run = run,
    .options = {{"index", "the index to search"},
                {"top", "answers of each model (3)"},
                {"offset", "leave out the best N: with -k the next page"},
                {"min-score", "only answers that score at least 0.9, or 90%"},
                {"cut", "only answers with R of the best one's cosine"},
                {"path", "only files whose path, as shown, matches"},
                {"taken", "only taken then: 2019, 2019-05..2020-02, 2021.."},
                {"size", "only files of so many bytes: 100k..2M, 1M.."},
                {"pixels", "only pictures of so many pixels: 1M.."},
                {"format", "only files that are jpeg, or jpeg,png"},
                {"exact", "compare with every vector, in float32"},
                {"html", "write a page with the pictures as well"},
                {"model", "only this model of it; again for a second"},
                {"pool", "must be what the index was made with"},
                {"exif", "must be what the index was made with"},
                {"precision", "must be what the index was made with"},
                {"decode", "must be what the index was made with"},
                {"strict", "refuse pictures that are cut short or damaged"},
                {"limit", "let pictures cost more or less: docs/limits.md"},
                {"json", "one line a query: docs/json.md"}},
};
