/*
 * Mixing (mix.h): the words of all queries first, which take a moment; then
 * the pictures, as they come. Queries are put together one after the other, so
 * that the first is answered before the last picture is read.
 */
#include "mix.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli.h"
#include "pictures.h"
#include "texts.h"

/* A picture of a query. */
struct shown {
    size_t query, place; /* among the query's pictures */
    double weight;
};

struct mix {
    const struct cli_values *values;
    const struct cli_models *models;
    const struct cli_queries *queries;
    struct cli_models readers; /* those of the models that read */
    size_t number[CLI_MODELS]; /* [readers.count]: which they are */
    const char **text, **path; /* [queries->texts], [queries->pictures] */
    struct shown *shown;       /* [paths]: what each path is */
    size_t paths;
    float *word[CLI_MODELS]; /* [models], each [queries->texts][dim] */
    size_t words_read;

    size_t at, failed;        /* queries done with, and left out */
    size_t text_at, pictures; /* texts of those; pictures of this one so far */
    double *sum[CLI_MODELS];  /* [models], each [dim]: of this one so far */
    float *vector[CLI_MODELS];

    int (*visit)(void *context, const struct cli_mixed *mixed);
    void *context;
};

static size_t dim_of(const struct mix *mix, size_t m)
{
    return akin_model_dim(mix->models->model[m]);
}

/* Add a term's vector; alone it stays as it is. */
static void add(const struct mix *mix, size_t m, const float *vector,
                double weight)
{
    const size_t dim = dim_of(mix, m);
    double squares = 0;
    for (size_t i = 0; i < dim; i++)
        squares += (double)vector[i] * (double)vector[i];
    const bool alone = mix->queries->query[mix->at].terms == 1;
    const double by = alone || squares <= 0 ? 1 : weight / sqrt(squares);
    for (size_t i = 0; i < dim; i++)
        mix->sum[m][i] += by * (double)vector[i];
}

/* The words of the current query, of which its sum begins. */
static void start(struct mix *mix)
{
    const struct cli_query *query = &mix->queries->query[mix->at];
    mix->pictures = 0;
    for (size_t m = 0; m < mix->models->count; m++) {
        size_t text = mix->text_at;
        if (mix->sum[m])
            memset(mix->sum[m], 0, dim_of(mix, m) * sizeof(double));
        for (size_t t = 0; mix->word[m] && t < query->terms; t++) {
            if (!query->term[t].picture)
                add(mix, m, mix->word[m] + text++ * dim_of(mix, m),
                    query->term[t].weight);
        }
    }
}

static void leave(struct mix *mix)
{
    const struct cli_query *query = &mix->queries->query[mix->at];
    mix->text_at += query->terms - query->pictures;
    if (++mix->at < mix->queries->count)
        start(mix);
}

static enum akin__part part_of(const struct mix *mix, size_t m)
{
    const struct cli_query *query = &mix->queries->query[mix->at];
    return query->terms == query->pictures || cli_models_read(mix->models, m)
               ? AKIN__WHOLE
           : cli_query_shows(query) ? AKIN__PICTURES
                                    : AKIN__NOTHING;
}

/* The sum at length one; false where its terms are all but opposite: what is
 * left then is rounding. */
static bool settle(struct mix *mix, size_t m)
{
    const struct cli_query *query = &mix->queries->query[mix->at];
    double squares = 0, weights = 0, by = 1;
    for (size_t i = 0; i < dim_of(mix, m); i++)
        squares += mix->sum[m][i] * mix->sum[m][i];
    for (size_t t = 0; t < query->terms; t++)
        weights += fabs(query->term[t].weight);
    if (query->terms > 1) {
        if (sqrt(squares) < 1e-5 * weights)
            return false;
        by = 1 / sqrt(squares);
    }
    for (size_t i = 0; i < dim_of(mix, m); i++)
        mix->vector[m][i] = (float)(by * mix->sum[m][i]);
    return true;
}

/* Say something of the current query. */
static int say(const struct mix *mix, const char *before, const char *after)
{
    char *line = cli_query_line(&mix->queries->query[mix->at]);
    if (!line)
        return cli_no_memory();
    cli_say("%s%s%s", before, line, after);
    akin__free(line);
    return 0;
}

/* Hand over the current query, which has all its terms. */
static int finish(struct mix *mix)
{
    struct cli_mixed mixed = {.query = &mix->queries->query[mix->at]};
    for (size_t m = 0; m < mix->models->count; m++) {
        mixed.part[m] = part_of(mix, m);
        if (mixed.part[m] == AKIN__NOTHING)
            continue;
        mixed.vector[m] = mix->vector[m];
        if (!settle(mix, m)) {
            const int code = say(mix, "", ": its terms cancel each other out");
            return code ? code : CLI_WRONG;
        }
    }
    const int code = mix->visit(mix->context, &mixed);
    leave(mix);
    return code;
}

/* Go on to a query; those before it that lack a picture are left out. */
static int go_to(struct mix *mix, size_t number)
{
    int code = 0;
    while (mix->at < number && !code) {
        const struct cli_query *query = &mix->queries->query[mix->at];
        if (!query->pictures) {
            code = finish(mix);
            continue;
        }
        if (query->terms > 1)
            code =
                say(mix, "no answer to ", ": a picture of it cannot be read");
        mix->failed++;
        leave(mix);
    }
    return code;
}

/* ----------------------------------------------------------------- terms -- */

static int take_text(void *context, const char *text, float *const *vector)
{
    struct mix *mix = context;
    (void)text;
    for (size_t r = 0; r < mix->readers.count; r++) {
        const size_t m = mix->number[r], dim = dim_of(mix, m);
        memcpy(mix->word[m] + mix->words_read * dim, vector[r],
               dim * sizeof(float));
    }
    mix->words_read++;
    return 0;
}

/* Pictures come in their order; one that is passed over could not be read. */
static int take_picture(void *context, const struct cli_picture *picture)
{
    struct mix *mix = context;
    const struct shown *shown = &mix->shown[picture->number];
    const struct cli_query *query = &mix->queries->query[shown->query];
    int code = go_to(mix, shown->query);
    if (code || shown->place != mix->pictures)
        return code;
    for (size_t m = 0; m < mix->models->count; m++)
        add(mix, m, picture->vector[m], shown->weight);
    return ++mix->pictures == query->pictures ? finish(mix) : 0;
}

static int embed_texts(struct mix *mix)
{
    struct cli_values values = *mix->values;
    values.text = mix->text;
    values.texts = mix->queries->texts;
    return values.texts && mix->readers.count
               ? cli_embed_texts(&values, &mix->readers, take_text, mix)
               : 0;
}

static int embed_pictures(struct mix *mix)
{
    struct cli_values values = *mix->values;
    values.word = mix->path;
    values.words = mix->paths;
    const int code =
        mix->paths ? cli_embed_pictures(&values, mix->models, take_picture, mix)
                   : 0;
    /* What failed is counted in queries, not in pictures. */
    return code == CLI_PARTLY || code == CLI_NO_INPUT ? 0 : code;
}

/* ------------------------------------------------------------------ work -- */

static void say_missing(const char *path)
{
    if (akin__is_folder(path))
        cli_say("%s: is a folder, and no picture (--text takes it as words)",
                path);
    else
        cli_say("%s: No such file or directory (--text takes it as words)",
                path);
}

/* What is to be read; nothing of a query that lacks a file. */
static void list_terms(struct mix *mix)
{
    size_t texts = 0;
    for (size_t q = 0; q < mix->queries->count; q++) {
        const struct cli_query *query = &mix->queries->query[q];
        size_t place = 0;
        if (query->missing)
            say_missing(query->missing);
        for (size_t t = 0; t < query->terms; t++) {
            const struct akin__term *term = &query->term[t];
            if (!term->picture) {
                mix->text[texts++] = term->say;
            } else if (!query->missing) {
                mix->shown[mix->paths] =
                    (struct shown){q, place++, term->weight};
                mix->path[mix->paths++] = term->say;
            }
        }
    }
}

static int open_mix(struct mix *mix)
{
    const size_t texts = mix->queries->texts, pictures = mix->queries->pictures;
    mix->text = akin__calloc(texts + 1, sizeof *mix->text);
    mix->path = akin__calloc(pictures + 1, sizeof *mix->path);
    mix->shown = akin__calloc(pictures + 1, sizeof *mix->shown);
    bool whole = mix->text && mix->path && mix->shown;
    for (size_t m = 0; m < mix->models->count; m++) {
        if (!mix->models->model[m])
            continue;
        const size_t dim = dim_of(mix, m);
        mix->sum[m] = akin__calloc(dim, sizeof(double));
        mix->vector[m] = akin__calloc(dim, sizeof(float));
        whole = whole && mix->sum[m] && mix->vector[m];
        if (!texts || !cli_models_read(mix->models, m))
            continue;
        mix->word[m] = akin__calloc(texts, dim * sizeof(float));
        whole = whole && mix->word[m];
        mix->number[mix->readers.count] = m;
        mix->readers.name[mix->readers.count] = mix->models->name[m];
        mix->readers.model[mix->readers.count++] = mix->models->model[m];
    }
    return whole ? 0 : cli_no_memory();
}

static void close_mix(struct mix *mix)
{
    for (size_t m = 0; m < mix->models->count; m++) {
        akin__free(mix->sum[m]);
        akin__free(mix->vector[m]);
        akin__free(mix->word[m]);
    }
    akin__free(mix->text);
    akin__free(mix->path);
    akin__free(mix->shown);
}

int cli_embed_queries(const struct cli_values *values,
                      const struct cli_models *models,
                      const struct cli_queries *queries,
                      int (*visit)(void *, const struct cli_mixed *),
                      void *context)
{
    struct mix mix = {.values = values,
                      .models = models,
                      .queries = queries,
                      .visit = visit,
                      .context = context};
    int code = open_mix(&mix);
    if (!code) {
        list_terms(&mix);
        code = embed_texts(&mix);
    }
    if (!code) {
        start(&mix);
        code = embed_pictures(&mix);
    }
    if (!code)
        code = go_to(&mix, queries->count);
    close_mix(&mix);
    if (!code && mix.failed)
        code = mix.failed == queries->count ? CLI_NO_INPUT : CLI_PARTLY;
    return code;
}
