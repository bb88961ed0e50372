/*
 * Shelf: which models are at hand (akin_model_list), and whether one is whole
 * (akin_model_verify).
 *
 * The list is made of what akin could open: a folder that is no model, or one
 * of another kind, is passed over without a word. There is no table of true
 * hashes in here: the hub's own, by which the cache names its blobs, is the
 * figure that a file is compared with.
 */
#include <string.h>

#include "akin.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/blob.h"
#include "model/cache.h"
#include "model/config.h"
#include "model/known.h"
#include "model/place.h"
#include "model/safetensors.h"

/* ----------------------------------------------------------------- list -- */

/* The bytes of the weights; false when a file of them is missing. */
static bool weigh(const struct akin__weights_place *place, uint64_t *bytes)
{
    struct akin__names files;
    bool whole = !akin__weights_names(place, &files, NULL);
    *bytes = 0;
    for (size_t i = 0; whole && i < files.count; i++) {
        struct stat st;
        char *path = akin__weights_file(place, files.name[i]);
        whole = path && !akin__stat(path, &st, NULL);
        if (whole)
            *bytes += (uint64_t)st.st_size;
        akin__free(path);
    }
    akin__names_free(&files);
    return whole;
}

/* "clip" or "dinov2"; NULL for what akin cannot read. */
static const char *family_of(const struct akin__weights_place *place)
{
    struct akin__config config;
    char *path = akin__weights_file(place, "config.json");
    const bool readable = path && !akin__config_read(&config, path, NULL);
    akin__free(path);
    if (!readable)
        return NULL;
    return config.family == AKIN__CLIP ? "clip" : "dinov2";
}

struct visitor {
    void (*visit)(void *context, const akin_model_entry *entry);
    void *context;
};

/* Show the model `name` if it can be read; `id` may be "". With `always` also
 * when it is not at hand. */
static void show(const struct visitor *visitor, const char *name,
                 const char *id, bool always)
{
    struct akin__weights_place place;
    akin_model_entry entry = {name, id, "", "", "", 0};
    if (akin__weights_locate(name, NULL, &place, NULL)) {
        if (always)
            visitor->visit(visitor->context, &entry);
        return;
    }
    const char *family = family_of(&place);
    if (family && weigh(&place, &entry.bytes)) {
        entry.family = family;
        entry.folder = place.folder;
        entry.revision = place.revision;
    }
    if (always || *entry.folder)
        visitor->visit(visitor->context, &entry);
    akin__weights_place_free(&place);
}

/* The names in a folder; none when it is not there. */
static akin_status names_in(char *folder, struct akin__names *names,
                            akin_error *err)
{
    memset(names, 0, sizeof *names);
    return akin__is_folder(folder) ? akin__list_folder(folder, names, err)
                                   : AKIN_OK;
}

static akin_status show_data_folder(const struct visitor *visitor,
                                    akin_error *err)
{
    struct akin__names names;
    char *folder;
    akin_status status = akin__data_models(&folder, err);
    if (status)
        return status;
    status = names_in(folder, &names, err);
    for (size_t i = 0; i < names.count; i++) {
        const char *name = names.name[i];
        if (!akin__known_find(name, strlen(name)))
            show(visitor, name, "", false);
    }
    akin__names_free(&names);
    akin__free(folder);
    return status;
}

static akin_status show_cache(const struct visitor *visitor, akin_error *err)
{
    static const char prefix[] = "models--";
    struct akin__names names;
    char *root;
    akin_status status = akin__cache_root(&root, err);
    if (status)
        return status;
    status = names_in(root, &names, err);
    for (size_t i = 0; i < names.count; i++) {
        const char *owner = names.name[i] + strlen(prefix);
        const char *dashes;
        if (strncmp(names.name[i], prefix, strlen(prefix)) ||
            !(dashes = strstr(owner, "--")))
            continue;
        char *id =
            akin__format("%.*s/%s", (int)(dashes - owner), owner, dashes + 2);
        const struct akin__known *known =
            id ? akin__known_find(id, strlen(id)) : NULL;
        if (id && !(known && known->name))
            show(visitor, id, id, false);
        akin__free(id);
    }
    akin__names_free(&names);
    akin__free(root);
    return status;
}

akin_status akin_model_list(void (*visit)(void *context,
                                          const akin_model_entry *entry),
                            void *context, akin_error *err)
{
    const struct visitor visitor = {visit, context};
    const struct akin__known *known;
    for (size_t i = 0; (known = akin__known_at(i)); i++) {
        if (known->name)
            show(&visitor, known->name, known->id ? known->id : "", true);
    }
    const akin_status status = show_data_folder(&visitor, err);
    return status ? status : show_cache(&visitor, err);
}

/* --------------------------------------------------------------- verify -- */

struct check {
    const akin_verify_options *options;
    const char *model;
    size_t wrong; /* files with a problem */
};

/* The name of the blob that `real` is, or NULL for a file of its own. */
static const char *blob_name(const char *real)
{
    static const char blobs[] = "/blobs";
    const char *name = strrchr(real, '/');
    const size_t folder = (size_t)(name - real);
    if (folder < strlen(blobs) ||
        memcmp(name - strlen(blobs), blobs, strlen(blobs)) ||
        akin__blob_kind(name + 1) == AKIN__BLOB_UNKNOWN)
        return NULL;
    return name + 1;
}

/* Compare the bytes with the hash; a difference is a problem, not an error. */
static akin_status compare(const struct check *check, const char *name,
                           const struct akin__file *file, akin_model_file *seen,
                           akin_error *problem, akin_error *err)
{
    const akin_verify_options *o = check->options;
    const char *hash = blob_name(file->path);
    char found[65];
    akin_status status = akin__file_size(file, &seen->bytes, err);
    if (status || !hash)
        return status;
    status = akin__blob_hash(file, seen->bytes, akin__blob_kind(hash), found,
                             o->progress, o->context, name, err);
    seen->hashed = !status;
    /* The blob goes, not the link to it: pull trusts a blob of the right size.
     */
    if (!status && strcmp(found, hash))
        akin__fail(problem, AKIN_EFORMAT,
                   "has the hash %s, and the hub published %s; delete %s and "
                   "run `akin model pull %s`",
                   found, hash, file->path, check->model);
    return status;
}

/* Weights and config must also be what they say. */
static void check_form(const char *path, const char *name, akin_error *problem)
{
    const char *dot = strrchr(name, '.');
    if (!strcmp(name, "config.json")) {
        struct akin__config config;
        (void)akin__config_read(&config, path, problem);
    } else if (dot && !strcmp(dot, ".safetensors")) {
        struct akin__safetensors *file;
        if (!akin__safetensors_open(&file, path, problem))
            akin__safetensors_close(&file);
    }
}

static akin_status check_file(struct check *check,
                              const struct akin__weights_place *place,
                              const char *name, bool needed, akin_error *err)
{
    struct akin__file file = {.fd = -1};
    akin_error problem = {AKIN_OK, ""};
    char *path = akin__weights_file(place, name), *real = NULL;
    akin_model_file seen = {.path = path ? path : name};
    akin_status status = AKIN_OK;
    if (!path && !needed)
        return AKIN_OK;
    if (path) {
        AKIN_TRY(akin__real_path(path, &real, err));
        AKIN_TRY(akin__file_open(&file, real, AKIN__READ, err));
        AKIN_TRY(compare(check, name, &file, &seen, &problem, err));
        if (!problem.code)
            check_form(path, name, &problem);
    } else {
        akin__fail(&problem, AKIN_ENOTFOUND, "is missing");
    }
    if (problem.code) {
        seen.problem = problem.message;
        check->wrong++;
    }
    if (check->options->visit)
        check->options->visit(check->options->context, &seen);
out:
    akin__file_close(&file);
    akin__free(path);
    akin__free(real);
    return status;
}

static akin_status check_all(struct check *check,
                             const struct akin__weights_place *place,
                             akin_error *err)
{
    static const char *const small[] = {"config.json",
                                        "preprocessor_config.json",
                                        "processor_config.json",
                                        "vocab.json",
                                        "merges.txt",
                                        "tokenizer.json",
                                        "model.safetensors.index.json"};
    struct akin__names files;
    akin_status status = akin__weights_names(place, &files, err);
    if (status)
        return status;
    for (size_t i = 0; i < sizeof small / sizeof *small; i++)
        AKIN_TRY(check_file(check, place, small[i], i == 0, err));
    for (size_t i = 0; i < files.count; i++)
        AKIN_TRY(check_file(check, place, files.name[i], true, err));
    AKIN_CHECK(!check->wrong, err, AKIN_EFORMAT,
               "%s: %zu of its files are not as they should be", check->model,
               check->wrong);
out:
    akin__names_free(&files);
    return status;
}

akin_status akin_model_verify(const char *name,
                              const akin_verify_options *options,
                              akin_error *err)
{
    const akin_verify_options defaults = {.size = sizeof defaults};
    struct check check = {options ? options : &defaults, name, 0};
    struct akin__weights_place place;
    akin_status status =
        akin__weights_locate(name, check.options->revision, &place, err);
    if (status)
        return status;
    status = check_all(&check, &place, err);
    akin__weights_place_free(&place);
    return status;
}
