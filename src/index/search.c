/*
 * Search: from vectors to paths. scan.c finds the nearest rows; here is which
 * files have them, in what order, and which of the answers were asked for.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "index/index.h"
#include "math/cuda/load.h"

enum {
    /* Below this many rows float32 is as fast as codes. */
    CODES_FROM = 20000,
    /* Of so many rows at least codes tell which one to look at. */
    CODES_SHARE = 16,
    /* Rows more than are asked for, since some may have no file. */
    SPARE = 32,
    /* In one pass; so many answers of all of them together at most. */
    MOST_TOGETHER = 256,
    MOST_ANSWERS = 1 << 22
};

/* What is asked of a model of the index. */
struct ask {
    akin_index *index;
    size_t ordinal, k;
    akin_search_options options;
    uint64_t from; /* rows from which codes serve */
    bool card;     /* let the card look first that the options name */
};

/* A file that has a row near the query. */
struct answer {
    double cosine;
    char *stored; /* its path, allocated */
};

struct answers {
    struct answer *at; /* [count] */
    size_t count, capacity;
};

/* --------------------------------------------------------- answers ----- */

static akin_status add_answer(struct answers *all, double cosine,
                              const char *stored, akin_error *err)
{
    if (all->count == all->capacity) {
        const size_t more = all->capacity ? 2 * all->capacity : 64;
        struct answer *grown = akin__realloc(all->at, more, sizeof *grown);
        if (!grown)
            return akin__fail(err, AKIN_ENOMEM, "no memory for %zu answers",
                              more);
        all->at = grown;
        all->capacity = more;
    }
    char *copy = akin__strdup(stored);
    if (!copy)
        return akin__fail(err, AKIN_ENOMEM, "no memory for an answer");
    all->at[all->count++] = (struct answer){cosine, copy};
    return AKIN_OK;
}

static void free_answers(struct answers *all)
{
    for (size_t i = 0; i < all->count; i++)
        akin__free(all->at[i].stored);
    akin__free(all->at);
}

/* The file `id`, whose row was found. */
static akin_status add_file(akin_index *index, int64_t id, double cosine,
                            struct answers *all, akin_error *err)
{
    struct akin__catalog *c = &index->read.catalog;
    sqlite3_stmt *s = NULL;
    const char *stored;
    bool row;
    akin_status status = AKIN_OK;
    AKIN_TRY(
        akin__sql(c, &s, err, "SELECT path FROM files WHERE id = ?", "i", id));
    AKIN_TRY(akin__sql_step(c, s, &row, err));
    AKIN_CHECK(row, err, AKIN_ECORRUPT,
               "%s/catalog.db: a row of file %lld, which is not there",
               index->path, (long long)id);
    AKIN_TRY(akin__sql_path(c, s, 0, &stored, err));
    AKIN_TRY(add_answer(all, cosine, stored, err));
out:
    akin__sql_end(s);
    return status;
}

/* All files that have the row, as the catalog says. */
static akin_status add_row(const struct ask *ask, const struct akin__near *near,
                           struct answers *all, akin_error *err)
{
    akin_index *index = ask->index;
    struct akin__catalog *c = &index->read.catalog;
    sqlite3_stmt *s = NULL;
    const char *stored;
    bool row;
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__sql(c, &s, err,
                       "SELECT path, crc FROM rows "
                       "JOIN files ON files.id = rows.file "
                       "WHERE model = ? AND row = ?",
                       "ii", (int64_t)ask->ordinal, (int64_t)near->row));
    for (;;) {
        AKIN_TRY(akin__sql_step(c, s, &row, err));
        if (!row)
            break;
        /* Codes of what was never committed would name another row's. */
        if ((uint32_t)sqlite3_column_int64(s, 1) != near->crc) {
            status = akin__code_damaged(&index->read.model[ask->ordinal],
                                        near->row, err);
            goto out;
        }
        AKIN_TRY(akin__sql_path(c, s, 0, &stored, err));
        AKIN_TRY(add_answer(all, near->cosine, stored, err));
    }
out:
    akin__sql_end(s);
    return status;
}

/* The same of the live rows that were scanned. */
static akin_status add_live(const struct ask *ask,
                            const struct akin__live_rows *live,
                            const struct akin__near *near, struct answers *all,
                            akin_error *err)
{
    akin_status status = AKIN_OK;
    for (size_t i = akin__live_first(live, near->row);
         i < live->count && live->at[i].row == near->row && !status; i++)
        status = add_file(ask->index, live->at[i].file, near->cosine, all, err);
    return status;
}

/* Whether an answer is good enough, the best one having cosine `best`. Rows are
 * float32, so a picture's cosine with itself may be a little below 1. */
static bool is_wanted(const akin_search_options *o, double cosine, double best)
{
    return akin_score(cosine) >= o->min_score - 1e-6 &&
           (o->cut <= 0 || best <= 0 || cosine >= o->cut * best);
}

static int by_cosine_and_path(const void *a, const void *b)
{
    const struct answer *x = a, *y = b;
    if (x->cosine != y->cosine)
        return x->cosine > y->cosine ? -1 : 1;
    return strcmp(x->stored, y->stored);
}

/*
 * The page of answers that was asked for. *dry: the nearest rows have too few
 * files, and there may be other rows.
 */
static akin_status answer(const struct ask *ask, const struct akin__scan *scan,
                          const struct akin__nearest *nearest,
                          akin_match *matches, size_t *found, bool *dry,
                          akin_error *err)
{
    const size_t enough = ask->options.offset + ask->k;
    struct answers all = {0};
    bool ended = nearest->all || scan->live;
    akin_status status = AKIN_OK;
    *found = 0;
    for (size_t i = 0; i < nearest->count; i++) {
        const struct akin__near *near = &nearest->at[i];
        const double best = all.count ? all.at[0].cosine : near->cosine;
        if (!is_wanted(&ask->options, near->cosine, best)) {
            ended = true;
            break;
        }
        if (all.count >= enough && near->cosine < all.at[all.count - 1].cosine)
            break;
        AKIN_TRY(scan->live ? add_live(ask, scan->live, near, &all, err)
                            : add_row(ask, near, &all, err));
    }
    *dry = !ended && all.count < enough;
    if (*dry)
        goto out;
    if (all.count)
        qsort(all.at, all.count, sizeof *all.at, by_cosine_and_path);
    for (size_t i = ask->options.offset; i < all.count && i < enough; i++) {
        akin_match *match = &matches[(*found)++];
        match->cosine = all.at[i].cosine;
        match->score = akin_score(all.at[i].cosine);
        AKIN_TRY(akin__lasting_path(ask->index, all.at[i].stored, &match->path,
                                    err));
    }
out:
    free_answers(&all);
    return status;
}

/* ---------------------------------------------------------- search ----- */

/* `vector` [dim] at length 1; AKIN_EUSAGE when a number is not finite. */
static akin_status unit_query(const float *vector, float *unit, size_t dim,
                              akin_error *err)
{
    double sum = 0;
    for (size_t i = 0; i < dim; i++)
        sum += (double)vector[i] * (double)vector[i];
    if (!isfinite(sum))
        return akin__fail(err, AKIN_EUSAGE,
                          "the query's vector has a number that is not finite");
    for (size_t i = 0; i < dim; i++)
        unit[i] = sum > 0 ? (float)((double)vector[i] / sqrt(sum)) : 0;
    return AKIN_OK;
}

/* Which rows to look at, and how: a card if asked for, codes where they serve,
 * else float32. */
static akin_status choose(const struct ask *ask, bool float32, bool every,
                          struct akin__scan *scan,
                          struct akin__live_rows **live, akin_error *err)
{
    akin_index *index = ask->index;
    const struct akin__live_rows *known = &index->live[ask->ordinal];
    const bool filter = akin__is_filter(&ask->options);
    akin_status status = AKIN_OK;
    *live = NULL;
    scan->card = !float32 && ask->card ? &index->card[ask->ordinal] : NULL;
    scan->codes = !float32 && !scan->card && !ask->options.exact &&
                  scan->rows->codes.fd >= 0;
    if (scan->card)
        status =
            akin__card_rows_load(index, ask->ordinal, ask->options.device, err);
    if (status)
        return status;
    if (filter || !scan->codes || every ||
        known->generation == index->read.generation)
        status =
            akin__live_choose(index, ask->ordinal, &ask->options, live, err);
    const uint64_t rows = *live ? (*live)->count : scan->rows->committed;
    if (!status && scan->codes && ask->from &&
        (rows < ask->from || scan->want > rows / CODES_SHARE)) {
        scan->codes = false;
        if (!*live)
            status = akin__live_choose(index, ask->ordinal, &ask->options, live,
                                       err);
    }
    scan->live = *live;
    scan->checked = *live && (*live)->checked;
    return status;
}

/* One pass for the queries of `scan`; *again: how the next one must be. */
static akin_status pass(const struct ask *ask, struct akin__scan *scan,
                        bool *float32, bool *every, akin_match *matches,
                        size_t *found, bool *again, akin_error *err)
{
    struct akin__nearest nearest[MOST_TOGETHER];
    struct akin__live_rows *live;
    bool many = false, dry = false;
    akin_status status = choose(ask, *float32, *every, scan, &live, err);
    if (!status)
        status = akin__scan(scan, nearest, &many, err);
    if (status)
        return status;
    if (!scan->codes && !scan->card)
        live->checked = true;
    for (size_t i = 0; i < scan->queries && !status && !many && !dry; i++)
        status = answer(ask, scan, &nearest[i], matches + i * ask->k, &found[i],
                        &dry, err);
    akin__nearest_free(nearest, scan->queries);
    *float32 = *float32 || many;
    *every = *every || dry;
    *again = many || dry;
    return status;
}

/* `count` queries together, at most MOST_TOGETHER. */
static akin_status search(const struct ask *ask, const float *vectors,
                          size_t count, akin_match *matches, size_t *found,
                          akin_error *err)
{
    struct akin__scan scan = {.rows = &ask->index->read.model[ask->ordinal],
                              .queries = count,
                              .want = ask->options.offset + ask->k + SPARE,
                              .vectors = vectors};
    const size_t dim = scan.rows->is.dim;
    bool float32 = false, every = false, again = true;
    akin_status status = AKIN_OK;
    float *units = akin__alloc(count * dim, sizeof *units);
    AKIN_CHECK(units, err, AKIN_ENOMEM, "no memory for %zu queries", count);
    scan.units = units;
    for (size_t i = 0; i < count; i++)
        AKIN_TRY(unit_query(vectors + i * dim, units + i * dim, dim, err));
    while (again)
        AKIN_TRY(
            pass(ask, &scan, &float32, &every, matches, found, &again, err));
out:
    akin__free(units);
    return status;
}

static akin_status take_options(struct ask *ask,
                                const akin_search_options *options,
                                akin_error *err)
{
    akin_search_options *o = &ask->options;
    if (!options)
        return AKIN_OK;
    if (!options->size)
        return akin__fail(err, AKIN_EUSAGE, "options without their size");
    memcpy(o, options, options->size < sizeof *o ? options->size : sizeof *o);
    if (!(o->min_score >= 0 && o->min_score <= 1))
        return akin__fail(err, AKIN_EUSAGE,
                          "a score of %g at least (it is from 0 to 1)",
                          o->min_score);
    if (!(o->cut >= 0 && o->cut <= 1))
        return akin__fail(err, AKIN_EUSAGE,
                          "a cut at %g of the best (it is from 0 to 1)",
                          o->cut);
    ask->card = o->device && !strncmp(o->device, "cuda", 4);
    if (!akin__device_known(o->device) ||
        (ask->card && strlen(o->device) >= sizeof ask->index->card->device))
        return akin__fail(err, AKIN_EUSAGE,
                          "device %s (it is auto, cpu, cuda or cuda:N)",
                          o->device);
    return AKIN_OK;
}

akin_status akin__search(akin_index *index, const char *model,
                         const float *vectors, size_t count, size_t k,
                         const akin_search_options *options, uint64_t from,
                         akin_match *matches, size_t *found, akin_error *err)
{
    struct ask ask = {.index = index, .k = k, .from = from};
    memset(found, 0, count * sizeof *found);
    akin_status status = take_options(&ask, options, err);
    if (status)
        return status;
    if (k > UINT32_MAX || ask.options.offset > UINT32_MAX)
        return akin__fail(err, AKIN_EUSAGE, "%zu answers from %zu (limit %lu)",
                          k, ask.options.offset, (unsigned long)UINT32_MAX);
    size_t most = MOST_ANSWERS / (ask.options.offset + k + 1);
    most = most < 1 ? 1 : most < MOST_TOGETHER ? most : MOST_TOGETHER;
    status = akin__read_begin(index, err);
    if (status)
        return status;
    status = akin__models_find(index, &index->read, model, &ask.ordinal, err);
    const size_t dim = status ? 0 : index->read.model[ask.ordinal].is.dim;
    for (size_t at = 0; at < count && k && !status; at += most)
        status = search(&ask, vectors + at * dim,
                        count - at < most ? count - at : most, matches + at * k,
                        found + at, err);
    akin__read_end(index);
    if (status)
        memset(found, 0, count * sizeof *found);
    return status;
}

akin_status akin_index_search_many(akin_index *index, const char *model,
                                   const float *vectors, size_t count, size_t k,
                                   const akin_search_options *options,
                                   akin_match *matches, size_t *found,
                                   akin_error *err)
{
    return akin__search(index, model, vectors, count, k, options, CODES_FROM,
                        matches, found, err);
}

akin_status akin_index_search(akin_index *index, const char *model,
                              const float *vector, size_t k,
                              akin_match *matches, size_t *found,
                              akin_error *err)
{
    return akin_index_search_many(index, model, vector, 1, k, NULL, matches,
                                  found, err);
}
