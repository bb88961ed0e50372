/*
 * Indexed: predictions of a set by the vectors that an index has of its
 * pictures.
 */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "eval/set.h"
#include "index/index.h"

enum { USUAL_K = 10 };

/* The vectors of some pictures. */
struct vectors {
    const akin_eval_item *item; /* [count] */
    size_t count;
    float *vector; /* [count][dim] */
    bool *there;   /* [count]: else the index could not read it */
};

struct search {
    akin_index *index;
    size_t ordinal, dim;
    const struct akin__rows *rows;
    struct vectors queries, references;
};

static akin_status unknown(const struct search *s, const char *path,
                           bool indexed, akin_error *err)
{
    return indexed
               ? akin__fail(err, AKIN_ENOTFOUND,
                            "%s: has no vector of model %s in %s; `akin index` "
                            "the set with it first",
                            path, s->rows->is.name, s->index->path)
               : akin__fail(err, AKIN_ENOTFOUND,
                            "%s: is not in %s; `akin index` the set first",
                            path, s->index->path);
}

/* The vector of the picture at `path`; *there: it could be read. */
static akin_status read_one(const struct search *s, const char *path,
                            float *vector, bool *there, akin_error *err)
{
    struct akin__catalog *c = &s->index->read.catalog;
    sqlite3_stmt *statement = NULL;
    char *real = NULL;
    bool row;
    akin_status status = akin__real_path(path, &real, err);
    AKIN_TRY(status);
    AKIN_TRY(akin__sql(c, &statement, err,
                       "SELECT failed, row, crc FROM files LEFT JOIN rows ON "
                       "file = id AND model = ? WHERE path = ?",
                       "ip", (int64_t)s->ordinal,
                       akin__stored_path(s->index, real)));
    AKIN_TRY(akin__sql_step(c, statement, &row, err));
    *there = row && sqlite3_column_type(statement, 1) == SQLITE_INTEGER;
    if (*there)
        status = akin__row_vector(
            s->index, s->rows, sqlite3_column_int64(statement, 1),
            (uint32_t)sqlite3_column_int64(statement, 2), vector, err);
    else if (!row || !sqlite3_column_int(statement, 0))
        status = unknown(s, path, row, err);
out:
    akin__sql_end(statement);
    akin__free(real);
    return status;
}

static akin_status read_all(const struct search *s, struct vectors *v,
                            akin_error *err)
{
    v->vector = akin__calloc(v->count, s->dim * sizeof *v->vector);
    v->there = akin__calloc(v->count, sizeof *v->there);
    if (!v->vector || !v->there)
        return akin__fail(err, AKIN_ENOMEM, "no memory for %zu vectors",
                          v->count);
    for (size_t i = 0; i < v->count; i++) {
        float *to = v->vector + i * s->dim;
        const akin_status status =
            read_one(s, v->item[i].path, to, &v->there[i], err);
        if (status)
            return status;
        akin_eval_normalize(to, 1, s->dim);
    }
    return AKIN_OK;
}

/* At one moment of the index. */
static akin_status read_vectors(struct search *s, const char *model,
                                akin_error *err)
{
    akin_status status = akin__read_begin(s->index, err);
    if (status)
        return status;
    AKIN_TRY(
        akin__models_find(s->index, &s->index->read, model, &s->ordinal, err));
    s->rows = &s->index->read.model[s->ordinal];
    s->dim = s->rows->is.dim;
    AKIN_TRY(read_all(s, &s->queries, err));
    AKIN_TRY(read_all(s, &s->references, err));
out:
    akin__read_end(s->index);
    return status;
}

akin_status akin_eval_indexed(const akin_eval_set *set, akin_index *index,
                              const char *model,
                              const akin_eval_indexed_options *options,
                              akin_eval_predictions *predictions,
                              akin_error *err)
{
    static const akin_eval_indexed_options usual = {.size = sizeof usual};
    const akin_eval_indexed_options *o = options ? options : &usual;
    const akin_eval_info *info = &set->info;
    const akin_eval_candidates_options how = {.size = sizeof how,
                                              .k = o->k ? o->k : USUAL_K,
                                              .threads = o->threads,
                                              .progress = o->progress,
                                              .context = o->context};
    struct search s = {
        .index = index,
        .queries = {.item = info->query, .count = info->queries},
        .references = {.item = info->reference, .count = info->references}};
    size_t found = 0, kept = 0;
    akin_status status = AKIN_OK;
    *predictions = (akin_eval_predictions){0};
    AKIN_CHECK(info->layout != AKIN_EVAL_IDS, err, AKIN_EUSAGE,
               "%s: names no pictures", info->path);
    AKIN_TRY(read_vectors(&s, model, err));
    predictions->at =
        akin__alloc(info->queries, how.k * sizeof *predictions->at);
    AKIN_CHECK(predictions->at, err, AKIN_ENOMEM,
               "no memory for %zu answers to each of %zu queries", how.k,
               info->queries);
    AKIN_TRY(akin_eval_candidates(set, s.queries.vector, info->queries,
                                  s.references.vector, s.dim, &how,
                                  predictions->at, &found, err));
    for (size_t i = 0; i < found; i++) {
        const akin_eval_prediction p = predictions->at[i];
        if (s.queries.there[p.query] && s.references.there[p.reference])
            predictions->at[kept++] = p;
    }
    predictions->count = kept;
out:
    if (status)
        akin_eval_predictions_free(predictions);
    akin__free(s.queries.vector);
    akin__free(s.queries.there);
    akin__free(s.references.vector);
    akin__free(s.references.there);
    return status;
}
