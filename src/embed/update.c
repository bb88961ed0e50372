/*
 * Update: akin_index_update, which brings an index in line with the folders.
 *
 * First everything is walked and compared with the catalog, then what is new
 * or changed is embedded, and only when all of that went well is forgotten
 * what is gone: by then a file that was moved has been recognised. What is
 * committed on the way survives anything; a run that is stopped commits what
 * it has, and the next one goes on.
 */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/thread.h"
#include "embed/run.h"

enum { MOST_THREADS = 256 }; /* what akin__parallel starts */

static akin_status take_options(struct akin__run *run,
                                const akin_index_options *options,
                                akin_error *err)
{
    akin_index_options *all = &run->options;
    if (options) {
        if (!options->size || (options->limits && !options->limits->size))
            return akin__fail(err, AKIN_EUSAGE, "options without their size");
        memcpy(all, options,
               options->size < sizeof *all ? options->size : sizeof *all);
    }
    if (all->threads <= 0)
        all->threads = akin__processors();
    if (all->threads > MOST_THREADS)
        all->threads = MOST_THREADS;
    for (size_t i = 0; i < all->excludes; i++) {
        const akin_status status =
            akin__ignore_add(&run->exclude, all->exclude[i], err);
        if (status)
            return status;
    }
    return AKIN_OK;
}

/* What keeps two models from one index; NULL: nothing. */
static const char *difference(const akin_model *a, const akin_model *b)
{
    if (akin_model_exif(a) != akin_model_exif(b))
        return "EXIF choice";
    if (akin_model_precision(a) != akin_model_precision(b))
        return "precision";
    return akin_model_decode(a) != akin_model_decode(b) ? "decoding" : NULL;
}

/* Each model's place in the index. */
static akin_status take_models(struct akin__run *run, akin_error *err)
{
    if (!run->model_count || run->model_count > AKIN__MAX_MODELS)
        return akin__fail(err, AKIN_EUSAGE, "%zu models (1 to %d)",
                          run->model_count, AKIN__MAX_MODELS);
    for (size_t i = 0; i < run->model_count; i++) {
        const akin_model *model = run->models[i];
        const char *differ = difference(run->models[0], model);
        if (differ)
            return akin__fail(err, AKIN_EUSAGE, "%s and %s differ in their %s",
                              akin_model_name(run->models[0]),
                              akin_model_name(model), differ);
        if (!*akin_model_fingerprint(model))
            return akin__fail(err, AKIN_EUSAGE,
                              "%s: was opened for texts alone",
                              akin_model_name(model));
        const akin_status status =
            akin__index_model(run->index, model, &run->ordinal[i], err);
        if (status)
            return status;
        akin__index_made_by(run->index, run->ordinal[i],
                            akin_model_device(model));
        if (run->ordinals <= run->ordinal[i])
            run->ordinals = run->ordinal[i] + 1;
        run->wanted |= UINT32_C(1) << run->ordinal[i];
    }
    return AKIN_OK;
}

/* What is staged is committed, also when the caller asked to stop. */
static akin_status commit(struct akin__run *run, akin_status status,
                          akin_error *err)
{
    if (status && status != AKIN_ECANCELLED)
        return status;
    const akin_status committed = akin__index_commit(run->index, err);
    return committed ? committed : status;
}

static akin_status update(struct akin__run *run, const char *const *roots,
                          size_t root_count, akin_error *err)
{
    akin_status status = take_models(run, err);
    if (!status)
        status = akin__roots_open(run, roots, root_count, err);
    if (!status)
        status = akin__roots_walk(run, err);
    if (!status)
        status = akin__plan(run, err);
    if (!status)
        status = akin__pipeline(run, err);
    if (!status)
        status = akin__forget_gone(run, err);
    return commit(run, status, err);
}

/* The files into the list, below one root that holds everything. */
static akin_status list_files(struct akin__run *run, const char *const *files,
                              size_t count, akin_error *err)
{
    akin_status status = AKIN_OK;
    run->root = akin__calloc(1, sizeof *run->root);
    char *real = run->root ? akin__strdup("") : NULL;
    if (!real)
        return akin__fail(err, AKIN_ENOMEM, "no memory for %zu files", count);
    *run->root =
        (struct akin__root){.given = "/", .real = real, .walked = true};
    run->root_count = run->given_count = 1;
    for (size_t i = 0; i < count && !status; i++) {
        struct stat st;
        if (!akin__stat(files[i], &st, NULL))
            status = akin__list_file(&run->list, files[i], &st, err);
    }
    akin__list_sort(&run->list);
    return status;
}

static akin_status update_files(struct akin__run *run, const char *const *files,
                                size_t count, akin_error *err)
{
    akin_status status = take_models(run, err);
    if (!status)
        status = list_files(run, files, count, err);
    if (!status)
        status = akin__plan_files(run, err);
    if (!status)
        status = akin__pipeline(run, err);
    return commit(run, status, err);
}

/* One of the two, with what is before and behind it. */
static akin_status
carry_out(struct akin__run *run, const akin_index_options *options,
          akin_status (*work)(struct akin__run *run, const char *const *paths,
                              size_t count, akin_error *err),
          const char *const *paths, size_t count, akin_error *err)
{
    akin_index_report unused;
    akin_error error = {AKIN_OK, ""};
    const double start = akin__seconds();
    if (!run->report)
        run->report = &unused;
    memset(run->report, 0, sizeof *run->report);
    akin_status status = take_options(run, options, &error);
    if (!status && !count)
        status = akin__fail(&error, AKIN_EUSAGE, "no folder to index");
    if (!status) {
        akin__lock_open(&run->lock);
        status = work(run, paths, count, &error);
        akin__lock_close(&run->lock);
    }
    akin__roots_close(run);
    akin__list_free(&run->list);
    akin__free(run->gone);
    run->report->seconds = akin__seconds() - start;
    if (err)
        *err = error;
    return status;
}

akin_status akin__update(akin_index *index, const char *const *roots,
                         size_t root_count, akin_model *const *models,
                         size_t model_count, const akin_index_options *options,
                         struct akin__watcher *watcher,
                         akin_index_report *report, akin_error *err)
{
    struct akin__run run = {.index = index,
                            .report = report,
                            .models = models,
                            .model_count = model_count,
                            .watcher = watcher};
    return carry_out(&run, options, update, roots, root_count, err);
}

akin_status
akin__update_files(akin_index *index, const char *const *files, size_t count,
                   akin_model *const *models, size_t model_count,
                   const akin_index_options *options, akin_index_report *report,
                   struct akin__stage_seconds *stages, akin_error *err)
{
    struct akin__run run = {.index = index,
                            .report = report,
                            .models = models,
                            .model_count = model_count,
                            .stages = stages};
    return carry_out(&run, options, update_files, files, count, err);
}

akin_status akin_index_update(akin_index *index, const char *const *roots,
                              size_t root_count, akin_model *const *models,
                              size_t model_count,
                              const akin_index_options *options,
                              akin_index_report *report, akin_error *err)
{
    return akin__update(index, roots, root_count, models, model_count, options,
                        NULL, report, err);
}
