/*
 * Indexed: predictions of a set by the vectors that an index has of its
 * pictures.
 */
#include <math.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "eval/set.h"
#include "index/index.h"

enum { USUAL_K = 10 };

/* That the picture at `path` has no vector because it cannot be read, and not
 * because nobody has embedded it. */
static akin_status check_failed(akin_index *index, const char *model,
                                const char *path, akin_error *err)
{
    struct akin__entry entry;
    bool known = false;
    char *real = NULL;
    akin_status status = akin__real_path(path, &real, err);
    AKIN_TRY(status);
    AKIN_TRY(akin__index_find(index, real, &entry, &known, err));
    AKIN_CHECK(known, err, AKIN_ENOTFOUND,
               "%s: is not in %s; `akin index` the set first", path,
               index->path);
    AKIN_CHECK(entry.failed, err, AKIN_ENOTFOUND,
               "%s: has no vector of model %s in %s; `akin index` the set with "
               "it first",
               path, model, index->path);
out:
    akin__free(real);
    return status;
}

/* The vectors of one kind, *vectors [count][dim], allocated. */
static akin_status read_vectors(const akin_eval_set *set, akin_index *index,
                                const char *model, size_t dim,
                                akin_eval_kind kind, float **vectors,
                                akin_error *err)
{
    const bool asks = kind == AKIN_EVAL_QUERIES;
    const akin_eval_item *item = asks ? set->info.query : set->info.reference;
    const size_t count = asks ? set->info.queries : set->info.references;
    size_t missing;
    *vectors = akin__alloc(count, dim * sizeof **vectors);
    if (!*vectors)
        return akin__fail(err, AKIN_ENOMEM, "no memory for %zu vectors", count);
    akin_status status =
        akin_eval_vectors_of(set, index, model, kind, *vectors, &missing, err);
    for (size_t i = 0; i < count && missing && !status; i++) {
        if (isnan((*vectors)[i * dim]))
            status = check_failed(index, model, item[i].path, err);
    }
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
    float *queries = NULL, *references = NULL;
    size_t ordinal;
    akin_status status = akin__writable(index, err);
    *predictions = (akin_eval_predictions){0};
    AKIN_TRY(status);
    AKIN_TRY(akin__models_find(index, &index->write, model, &ordinal, err));
    const size_t dim = index->write.model[ordinal].is.dim;
    AKIN_TRY(
        read_vectors(set, index, model, dim, AKIN_EVAL_QUERIES, &queries, err));
    AKIN_TRY(read_vectors(set, index, model, dim, AKIN_EVAL_REFERENCES,
                          &references, err));
    predictions->at =
        akin__alloc(info->queries, how.k * sizeof *predictions->at);
    AKIN_CHECK(predictions->at, err, AKIN_ENOMEM,
               "no memory for %zu answers to each of %zu queries", how.k,
               info->queries);
    AKIN_TRY(akin_eval_candidates(set, queries, info->queries, references, dim,
                                  &how, predictions->at, &predictions->count,
                                  err));
out:
    if (status)
        akin_eval_predictions_free(predictions);
    akin__free(queries);
    akin__free(references);
    return status;
}
