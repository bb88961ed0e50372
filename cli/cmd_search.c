/*
 * akin search: for each query, of pictures and words, what each model of the
 * index finds most like it. A few queries are answered one after the other, so
 * that the first answers are there before the last picture is read; many are
 * gathered, because an index is read once for all that are asked together.
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
#include "filter.h"
#include "index.h"
#include "mix.h"
#include "models.h"
#include "query.h"
#include "terminal.h"
#include "view/html.h"
#include "view/json.h"
#include "view/table.h"

enum {
    USUAL_COUNT = 3, /* answers, as many as the article shows */
    MANY = 16,       /* queries that are not answered one by one */
    TOGETHER = 64    /* but so many at once */
};

/* A query that waits to be answered. */
struct waiting {
    const struct cli_query *query;
    enum akin__part part[CLI_MODELS];
    size_t row[CLI_MODELS]; /* of its vector, where the part is not nothing */
};

struct search {
    const struct cli_values *values;
    struct cli_queries queries;
    struct cli_models models;
    char *path, *here; /* of the index; the current folder */
    akin_index *index;
    akin_index_info info;
    akin_certainty *certainty[CLI_MODELS]; /* [models]; NULL: not known */
    struct cli_filter filter;
    size_t k;
    size_t together, waiting; /* queries to be answered at once */
    struct waiting wait[TOGETHER];
    float *vectors[CLI_MODELS];          /* [models] x [rows][dim] */
    size_t rows[CLI_MODELS];             /* [models], each up to `together` */
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

/* The model's name, and what of the query it answers. */
static void head_column(struct akin__table *table,
                        const struct akin__ranking *ranking)
{
    static const char *const parts[] = {[AKIN__WHOLE] = "",
                                        [AKIN__PICTURES] = " (pictures only)",
                                        [AKIN__NOTHING] = " (cannot read)"};
    char head[256];
    snprintf(head, sizeof head, "%s%s", ranking->model, parts[ranking->part]);
    akin__table_column(table, head, AKIN__PATH);
}

/* How certain answer `i`, if there is one, is a copy. */
static void fill_certain(struct akin__table *table,
                         const struct akin__ranking *ranking, size_t i)
{
    const double probability =
        i < ranking->found
            ? akin__stated(ranking->certainty, ranking->match[i].cosine)
            : (double)NAN;
    if (isnan(probability))
        akin__table_cell(table, "");
    else
        akin__table_cellf(table, "%.1f %%", akin__certain_percent(probability));
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
        if (ranking->certainty)
            akin__table_column(table, "certain", AKIN__RIGHT);
        head_column(table, ranking);
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
            if (ranking->certainty)
                fill_certain(table, ranking, i);
            akin__table_cell(table,
                             there ? cli_nearer(ranking->match[i].path, s->here)
                                   : "");
        }
    }
}

static int print_table(const struct search *s, const struct cli_query *query,
                       const struct akin__answers *answers)
{
    const struct akin__look look = cli_look(stdout);
    struct akin__table table = {0};
    struct akin__text text = {0};
    char printable[4096];
    char *line = cli_query_line(query);
    akin__printable(printable, sizeof printable, line ? line : "");
    if (s->told)
        akin__text_add(&text, "\n", 1);
    akin__bold(&text, &look, printable);
    akin__text_add(&text, "\n", 1);
    fill_table(s, answers, &table);
    akin__table_render(&table, &look, &text);
    const int code = text.failed || !line ? cli_no_memory() : 0;
    if (!code)
        fputs(text.bytes, stdout);
    akin__text_free(&text);
    akin__table_free(&table);
    akin__free(line);
    return code;
}

/* What the models found for the query `number` of those that waited. */
static int tell(struct search *s, size_t number)
{
    const struct waiting *wait = &s->wait[number];
    const struct cli_query *query = wait->query;
    struct akin__ranking ranking[CLI_MODELS];
    const struct akin__answers answers = {.words = query->words,
                                          .word = query->word,
                                          .terms = query->terms,
                                          .term = query->term,
                                          .models = s->models.count,
                                          .ranking = ranking};
    /* Pictures were compared with pictures when that was learned. */
    const bool copies = akin__lone_picture(&answers);
    akin_error err;
    int code = 0;
    for (size_t m = 0; m < s->models.count; m++) {
        const size_t at = m * s->together + wait->row[m];
        const bool asked = wait->part[m] != AKIN__NOTHING;
        ranking[m] = (struct akin__ranking){
            .model = s->models.name[m],
            .part = wait->part[m],
            .match = s->match + at * s->k,
            .found = asked ? s->found[at] : 0,
            .offset = s->filter.options.offset,
            .certainty = copies ? s->certainty[m] : NULL};
        s->any = s->any || ranking[m].found;
    }
    if (s->paged && akin__page_add(&s->page, &answers, &err) != AKIN_OK)
        code = cli_fail(ABOUT_OUTPUT, &err);
    if (!code)
        code = s->values->json ? print_json(&answers)
                               : print_table(s, query, &answers);
    cli_flush();
    s->told++;
    return code;
}

/* Answer those that wait. */
static int ask(struct search *s)
{
    akin_error err;
    int code = 0;
    for (size_t m = 0; m < s->models.count; m++) {
        const size_t at = m * s->together;
        if (s->rows[m] &&
            akin_index_search_many(s->index, s->models.name[m], s->vectors[m],
                                   s->rows[m], s->k, &s->filter.options,
                                   s->match + at * s->k, s->found + at,
                                   &err) != AKIN_OK)
            return cli_fail(ABOUT_INDEX, &err);
        s->rows[m] = 0;
    }
    for (size_t i = 0; i < s->waiting && !code; i++)
        code = tell(s, i);
    s->waiting = 0;
    return code;
}

static int answer(void *context, const struct cli_mixed *mixed)
{
    struct search *s = context;
    struct waiting *wait = &s->wait[s->waiting];
    *wait = (struct waiting){.query = mixed->query};
    for (size_t m = 0; m < s->models.count; m++) {
        wait->part[m] = mixed->part[m];
        if (!mixed->vector[m])
            continue;
        const size_t dim = akin_model_dim(s->models.model[m]);
        wait->row[m] = s->rows[m]++;
        memcpy(s->vectors[m] + wait->row[m] * dim, mixed->vector[m],
               dim * sizeof(float));
    }
    return ++s->waiting == s->together ? ask(s) : 0;
}

/* A query that no model can answer has no picture to be answered by. */
static int nobody_reads(const struct search *s, const struct cli_query *query)
{
    char *line = cli_query_line(query);
    if (!line)
        return cli_no_memory();
    const int code =
        cli_wrong(s->values,
                  "%s: no model that can read is asked (%s%s cannot); "
                  "`akin index DIR -i %s --model clip` adds one that can",
                  line, s->models.name[0],
                  s->models.count > 1 ? " and the others" : "", s->path);
    akin__free(line);
    return code;
}

/* Say which models cannot read; an exit code where all is words to all. */
static int check_readers(const struct search *s)
{
    const struct cli_queries *queries = &s->queries;
    bool any = false, shows = false;
    for (size_t m = 0; m < s->models.count; m++)
        any = any || cli_models_read(&s->models, m);
    for (size_t q = 0; q < queries->count; q++) {
        const bool by_pictures = cli_query_shows(&queries->query[q]);
        if (!any && !by_pictures)
            return nobody_reads(s, &queries->query[q]);
        shows = shows || by_pictures;
    }
    for (size_t m = 0; queries->texts && m < s->models.count; m++) {
        if (!cli_models_read(&s->models, m))
            cli_say("%s cannot read: %s", s->models.name[m],
                    shows ? "it answers the pictures of a query alone"
                          : "it has no answer to words");
    }
    return 0;
}

static int make_room(struct search *s)
{
    s->k = s->values->k ? s->values->k : USUAL_COUNT;
    s->together = s->queries.count < MANY ? 1 : TOGETHER;
    s->match =
        akin__calloc(s->k, s->models.count * s->together * sizeof *s->match);
    bool whole = s->match;
    for (size_t m = 0; m < s->models.count; m++) {
        if (!s->models.model[m])
            continue;
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
    const int spared = cli_spare_picture(s->values, s->values->html);
    if (spared || !s->values->html)
        return spared;
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
    int code = cli_queries_parse(&s->queries, s->values);
    if (!code)
        code = cli_index_open(s->values->index, &s->path, &s->index, &s->info);
    if (!code && (!s->info.models || s->info.empty))
        return nothing_in(s);
    if (!code)
        code = cli_models_open_queries(&s->models, s->values, s->path, &s->info,
                                       s->queries.pictures > 0,
                                       s->queries.texts > 0);
    for (size_t m = 0; !code && m < s->models.count; m++)
        code = cli_certainty(s->index, s->models.name[m], &s->certainty[m]);
    if (!code)
        code = check_readers(s);
    if (!code)
        code = cli_filter_make(&s->filter, s->values, s->path, s->here);
    s->filter.options.device = s->values->device;
    if (!code)
        code = make_room(s);
    if (!code)
        code = open_page(s);
    if (code)
        return code;
    code = cli_embed_queries(s->values, &s->models, &s->queries, answer, s);
    const int last = code <= CLI_PARTLY ? ask(s) : 0;
    if (!code && !last && !s->any) {
        cli_say("%s: no picture in it is an answer", s->path);
        code = CLI_PARTLY;
    }
    return close_page(s, last ? last : code);
}

static int run(const struct cli_values *values)
{
    const struct cli_values few = cli_models_for_few(values);
    struct search s = {.values = &few};
    /* Without it paths are shown whole. */
    if (akin__real_path(".", &s.here, NULL) != AKIN_OK)
        s.here = NULL;
    const int code = search(&s);
    akin_index_close(&s.index);
    cli_models_close(&s.models);
    akin_decoder_close(&s.decoder);
    cli_filter_free(&s.filter);
    cli_queries_free(&s.queries);
    for (size_t m = 0; m < CLI_MODELS; m++)
        akin__free(s.vectors[m]);
    for (size_t m = 0; m < CLI_MODELS; m++)
        akin__free(s.certainty[m]);
    akin__free(s.match);
    akin__free(s.here);
    akin__free(s.path);
    return code;
}

const struct cli_command cli_search = {
    .name = "search",
    .arguments = "QUERY.. [options]",
    .summary = "the pictures most like each QUERY, of pictures and words",
    .detail = "A QUERY is a picture, words in quotes, or a mix: terms tied by "
              "+ and -, each\nwith a weight before it where one is wanted "
              "(docs/query.md). Each model of the\nindex answers, side by "
              "side. Without -i the index is the nearest photos.akin in\n"
              "this folder or above it.",
    .example = "  akin search photo.jpg -k 5 --html page.html\n"
               "  akin search \"sunset at the sea\" --taken 2019..\n"
               "  akin search \"2:golden retriever\" + pool.jpg - fruit",
    .most = SIZE_MAX,
    .run = run,
    .options = {{"index", "the index to search"},
                {"text", "a term that is words, whatever it looks like"},
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
                {"device", "where networks run (cpu); cuda: rows as well"},
                {"decode", "must be what the index was made with"},
                {"strict", "refuse pictures that are cut short or damaged"},
                {"limit", "let pictures cost more or less: docs/limits.md"},
                {"json", "one line a query: docs/json.md"}},
};
