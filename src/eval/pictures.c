/*
 * Pictures: those of a set into an index, and their vectors out of it, in the
 * order of the set's numbers.
 *
 * The index knows a file by its true path, so that two names of one file are
 * embedded once; which names a set has is its own matter.
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/likeness.h"
#include "base/memory.h"
#include "embed/run.h"
#include "eval/set.h"
#include "index/index.h"

/* ---------------------------------------------------------------- index -- */

/* The true paths of items, behind those that are there; one that leads nowhere
 * is left out, and has no vector then. */
static akin_status add_paths(struct akin__names *paths,
                             const akin_eval_item *item, size_t count,
                             akin_error *err)
{
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < count && !status; i++) {
        char *real;
        if (akin__real_path(item[i].path, &real, NULL))
            continue;
        status = akin__names_add(paths, real, err);
        akin__free(real);
    }
    return status;
}

static void add_stages(akin_eval_stages *to,
                       const struct akin__stage_seconds *from)
{
    to->read += from->read;
    to->decode += from->decode;
    for (size_t m = 0; m < AKIN__MAX_MODELS; m++) {
        to->preprocess[m] += from->preprocess[m];
        to->network[m] += from->network[m];
    }
}

akin_status akin_eval_index(const akin_eval_set *set, akin_index *index,
                            akin_model *const *models, size_t model_count,
                            int train, const akin_index_options *options,
                            akin_index_report *report, akin_eval_stages *stages,
                            akin_error *err)
{
    const akin_eval_info *info = &set->info;
    struct akin__names paths = {0};
    struct akin__stage_seconds seconds = {0};
    akin_status status = AKIN_OK;
    AKIN_CHECK(info->layout != AKIN_EVAL_IDS, err, AKIN_EUSAGE,
               "%s: is a list of ids, without pictures", info->path);
    AKIN_TRY(add_paths(&paths, info->query, info->queries, err));
    if (info->reference != info->query)
        AKIN_TRY(add_paths(&paths, info->reference, info->references, err));
    if (train)
        AKIN_TRY(add_paths(&paths, info->trainer, info->train, err));
    AKIN_CHECK(paths.count, err, AKIN_ENOTFOUND,
               "%s: none of its pictures is there", info->path);
    status =
        akin__update_files(index, (const char *const *)paths.name, paths.count,
                           models, model_count, options, report, &seconds, err);
    if (stages)
        add_stages(stages, &seconds);
out:
    akin__names_free(&paths);
    return status;
}

/* -------------------------------------------------------------- vectors -- */

struct reading {
    akin_index *index;
    bool hashes;
    size_t ordinal, dim;
    size_t missing;
};

/* A hash without structure is like no other. */
static bool vector_of_hash(const uint8_t hash[AKIN__HASH_BYTES], float *vector)
{
    bool any = false;
    for (size_t bit = 0; bit < AKIN__HASH_BITS; bit++) {
        const bool set = hash[bit / 8] >> bit % 8 & 1;
        vector[bit] = set ? 1 / 16.0f : -1 / 16.0f;
        any = any || set;
    }
    return any;
}

static akin_status read_one(struct reading *r, const char *path, float *vector,
                            akin_error *err)
{
    struct akin__entry entry;
    bool has = false;
    char *real;
    akin_status status = AKIN_OK;
    if (!akin__real_path(path, &real, NULL)) {
        status = akin__index_find(r->index, real, &entry, &has, err);
        akin__free(real);
    }
    if (!status && has && r->hashes)
        has = entry.looked && vector_of_hash(entry.hash, vector);
    else if (!status && has)
        status = akin__index_vector(r->index, entry.id, r->ordinal, vector,
                                    &has, err);
    for (size_t i = 0; i < r->dim && !has; i++)
        vector[i] = NAN;
    r->missing += !has;
    return status;
}

akin_status akin_eval_vectors_of(const akin_eval_set *set, akin_index *index,
                                 const char *model, akin_eval_kind kind,
                                 float *vectors, size_t *missing,
                                 akin_error *err)
{
    const akin_eval_info *info = &set->info;
    const akin_eval_item *item = kind == AKIN_EVAL_QUERIES ? info->query
                                 : kind == AKIN_EVAL_REFERENCES
                                     ? info->reference
                                     : info->trainer;
    const size_t count = kind == AKIN_EVAL_QUERIES      ? info->queries
                         : kind == AKIN_EVAL_REFERENCES ? info->references
                                                        : info->train;
    struct reading r = {
        .index = index, .hashes = !model, .dim = AKIN_EVAL_HASH_DIM};
    akin_status status = AKIN_OK;
    *missing = 0;
    AKIN_CHECK(info->layout != AKIN_EVAL_IDS, err, AKIN_EUSAGE,
               "%s: is a list of ids, without pictures", info->path);
    AKIN_TRY(akin__writable(index, err));
    if (model) {
        AKIN_TRY(
            akin__models_find(index, &index->write, model, &r.ordinal, err));
        r.dim = index->write.model[r.ordinal].is.dim;
    }
    for (size_t i = 0; i < count; i++)
        AKIN_TRY(read_one(&r, item[i].path, vectors + i * r.dim, err));
    *missing = r.missing;
out:
    return status;
}
