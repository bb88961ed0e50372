/*
 * Hub: a model from the hub into the Hugging Face cache (akin.h).
 *
 * Order: config.json first, because it says which commit a branch means and
 * whether akin can read this model at all; then the small files; the weights
 * last. refs/ is moved when all is there, so that a branch never points at
 * half a model.
 */
#include "akin.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/cache.h"
#include "model/config.h"
#include "model/hub_file.h"
#include "model/place.h"

/* What a model may have beside config and weights. */
static const struct {
    const char *file;
    bool clip; /* of CLIP's tokenizer */
} optional[] = {{"preprocessor_config.json", false},
                {"processor_config.json", false},
                {"vocab.json", true},
                {"merges.txt", true},
                {"tokenizer.json", true},
                {"tokenizer_config.json", true},
                {"special_tokens_map.json", true}};

static akin_status need(struct akin__pull *pull, const char *file,
                        akin_error *err)
{
    bool there;
    const akin_status status = akin__pull_file(pull, file, &there, err);
    if (status || there)
        return status;
    return akin__fail(err, AKIN_ENOTFOUND, "%s: has no %s at %s on the hub",
                      pull->name.id, file, akin__wanted_revision(&pull->name));
}

/* What model it is; one that akin cannot read is refused before its weights
 * are fetched for nothing. */
static akin_status read_config(const struct akin__pull *pull,
                               struct akin__config *config, akin_error *err)
{
    char *path = akin__pull_path(pull, "snapshots", "config.json");
    if (!path)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", pull->name.id);
    const akin_status status = akin__config_read(config, path, err);
    akin__free(path);
    return status;
}

static akin_status get_shards(struct akin__pull *pull, akin_error *err)
{
    struct akin__names shards;
    char *index =
        akin__pull_path(pull, "snapshots", "model.safetensors.index.json");
    if (!index)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", pull->name.id);
    akin_status status = akin__index_shards(index, &shards, err);
    for (size_t i = 0; !status && i < shards.count; i++)
        status = need(pull, shards.name[i], err);
    akin__names_free(&shards);
    akin__free(index);
    return status;
}

static akin_status get_weights(struct akin__pull *pull, akin_error *err)
{
    bool there;
    akin_status status =
        akin__pull_file(pull, "model.safetensors", &there, err);
    if (status || there)
        return status;
    status = akin__pull_file(pull, "model.safetensors.index.json", &there, err);
    if (status || there)
        return status ? status : get_shards(pull, err);
    return akin__fail(err, AKIN_EMODEL,
                      "%s: has no model.safetensors at %s, and akin reads no "
                      "other weights; often a pull request has it: look at "
                      "https://huggingface.co/%s/discussions and give its "
                      "--revision refs/pr/N",
                      pull->name.id, akin__wanted_revision(&pull->name),
                      pull->name.id);
}

/* refs/`ref` says the commit; `always`, or only when it says nothing yet. */
static akin_status write_ref(const struct akin__pull *pull, const char *ref,
                             bool always, akin_error *err)
{
    char commit[41];
    akin_status status = akin__cache_commit(pull->repo, ref, commit, err);
    if (status || !strcmp(commit, pull->commit) || (*commit && !always))
        return status;
    char *path = akin__format("%s/refs/%s", pull->repo, ref);
    if (!path)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", ref);
    char *slash = strrchr(path, '/');
    *slash = 0;
    status = akin__make_folders(path, err);
    *slash = '/';
    if (!status)
        status = akin__replace_file(path, pull->commit, 40, err);
    akin__free(path);
    return status;
}

static akin_status write_refs(const struct akin__pull *pull, akin_error *err)
{
    const struct akin__model_name *name = &pull->name;
    const char *wanted = akin__wanted_revision(name);
    if (!akin__is_commit(wanted))
        return write_ref(pull, wanted, true, err);
    /* A pinned commit also goes by the name it was published under, so that
     * Python finds it; a newer one of the user's is left alone. It is a
     * courtesy: a cache that cannot be written will do without. */
    if (name->known && !strcmp(pull->commit, name->known->commit))
        (void)write_ref(pull, name->known->ref, false, NULL);
    return AKIN_OK;
}

static akin_status pull_all(struct akin__pull *pull, akin_error *err)
{
    const char *wanted = akin__wanted_revision(&pull->name);
    struct akin__config config;
    bool there;
    akin_status status;
    if (akin__is_commit(wanted))
        memcpy(pull->commit, wanted, sizeof pull->commit);
    AKIN_TRY(need(pull, "config.json", err));
    AKIN_TRY(read_config(pull, &config, err));
    for (size_t i = 0; i < sizeof optional / sizeof *optional; i++) {
        if (!optional[i].clip || config.family == AKIN__CLIP)
            AKIN_TRY(akin__pull_file(pull, optional[i].file, &there, err));
    }
    AKIN_TRY(get_weights(pull, err));
    status = write_refs(pull, err);
out:
    return status;
}

/* -------------------------------------------------------------- offline -- */

static bool is_offline(const akin_hub_options *options)
{
    static const char *const yes[] = {"1", "ON", "YES", "TRUE"};
    const char *set = getenv("HF_HUB_OFFLINE");
    for (size_t i = 0; set && i < sizeof yes / sizeof *yes; i++) {
        if (!strcasecmp(set, yes[i]))
            return true;
    }
    return options->offline;
}

/* The model as it lies here, whole or not at all; its folder, allocated. */
static akin_status find_whole(const char *name, const char *revision,
                              char **folder, akin_error *err)
{
    struct akin__weights_place place;
    struct akin__names files = {0};
    akin_status status = akin__weights_locate(name, revision, &place, err);
    if (status)
        return status;
    status = akin__weights_names(&place, &files, err);
    for (size_t i = 0; !status && i < files.count; i++) {
        char *path = akin__weights_file(&place, files.name[i]);
        if (!path)
            status =
                akin__fail(err, AKIN_ENOTFOUND, "%s: %s is missing in %s%s",
                           name, files.name[i], place.folder,
                           *place.revision ? "; a pull without offline "
                                             "mode fetches it"
                                           : "");
        akin__free(path);
    }
    if (!status) {
        *folder = place.folder;
        place.folder = NULL;
    }
    akin__names_free(&files);
    akin__weights_place_free(&place);
    return status;
}

/* --------------------------------------------------------------- public -- */

static akin_status pull_online(struct akin__pull *pull, char **folder,
                               akin_error *err)
{
    akin_status status;
    char *snapshot = NULL;
    AKIN_TRY(akin__cache_repo(pull->name.id, &pull->repo, err));
    AKIN_TRY(akin__http_open(&pull->http, pull->options->progress,
                             pull->options->context, err));
    status = pull_all(pull, err);
    if (status == AKIN_ENETWORK && err && !akin__http_reached(pull->http)) {
        const akin_error cause = *err;
        char by_hand[512];
        akin__by_hand(&pull->name, by_hand, sizeof by_hand);
        akin__fail(err, status, "%s; without a network, %s", cause.message,
                   by_hand);
    }
    if (status)
        goto out;
    snapshot = akin__format("%s/snapshots/%s", pull->repo, pull->commit);
    AKIN_CHECK(snapshot, err, AKIN_ENOMEM, "%s: no memory", pull->name.id);
    status = akin__real_path(snapshot, folder, err);
out:
    akin__http_close(&pull->http);
    akin__free(pull->repo);
    akin__free(snapshot);
    return status;
}

akin_status akin_hub_pull(const char *name, const akin_hub_options *options,
                          char *folder, size_t capacity, akin_error *err)
{
    const akin_hub_options defaults = {.size = sizeof defaults};
    struct akin__pull pull = {.options = options ? options : &defaults};
    const char *revision = pull.options->revision;
    char *found = NULL;
    akin_status status =
        akin__model_name_parse(&pull.name, name, revision, err);
    if (status)
        return status;
    if (pull.name.folder || is_offline(pull.options))
        status = find_whole(name, revision, &found, err);
    else
        status = pull_online(&pull, &found, err);
    if (!status && folder && strlen(found) >= capacity)
        status = akin__fail(err, AKIN_EUSAGE,
                            "%s: its folder needs %zu bytes (room for %zu)",
                            name, strlen(found) + 1, capacity);
    if (!status && folder)
        memcpy(folder, found, strlen(found) + 1);
    akin__free(found);
    akin__model_name_free(&pull.name);
    return status;
}
