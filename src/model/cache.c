/*
 * Cache: names of models, and the folders they stand for.
 *
 * The layout is huggingface_hub's, so that what Python fetched serves akin
 * and the other way round:
 *   ROOT/models--OWNER--NAME/blobs/HASH            the bytes
 *                           /refs/REVISION         a commit
 *                           /snapshots/COMMIT/FILE a link to a blob
 * Names come from users and are checked before they become a path or an URL.
 */
#include "model/cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"

enum {
    ID_PART_MAX = 96,     /* as huggingface_hub's validator */
    REVISION_MAX = 200,   /* fits a file name of 255 bytes and a suffix */
    REF_FILE_MAX = 4096,  /* holds 40 digits */
    INDEX_MAX = 64 << 20, /* model.safetensors.index.json; giants have 1 MB */
    SHARDS_MAX = 256
};

static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

bool akin__is_regular(const char *path)
{
    struct stat st;
    return !akin__stat(path, &st, NULL) && S_ISREG(st.st_mode);
}

bool akin__is_commit(const char *text)
{
    return strlen(text) == 40 && strspn(text, "0123456789abcdef") == 40;
}

/* ------------------------------------------------------------- folders -- */

/* A variable that is set and not empty, or NULL. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* `tail` in the folder that `name` names or, without it, `otherwise` in the
 * home folder. A leading ~/ is the home, as huggingface_hub reads it. */
static akin_status folder_of(const char *name, const char *tail,
                             const char *otherwise, char **folder,
                             akin_error *err)
{
    const char *value = variable(name), *home = variable("HOME");
    *folder = NULL;
    if (!home && (!value || !strncmp(value, "~/", 2)))
        return akin__fail(err, AKIN_EUSAGE,
                          "HOME is not set: set it, or %s to a folder", name);
    if (value && !strncmp(value, "~/", 2))
        *folder = akin__format("%s/%s%s", home, value + 2, tail);
    else if (value)
        *folder = akin__format("%s%s", value, tail);
    else
        *folder = akin__format("%s/%s%s", home, otherwise, tail);
    return *folder ? AKIN_OK : akin__fail(err, AKIN_ENOMEM, "no memory");
}

akin_status akin__cache_home(char **home, akin_error *err)
{
    if (variable("HF_HOME"))
        return folder_of("HF_HOME", "", "", home, err);
    return folder_of("XDG_CACHE_HOME", "/huggingface", ".cache", home, err);
}

akin_status akin__cache_root(char **root, akin_error *err)
{
    if (variable("HF_HUB_CACHE"))
        return folder_of("HF_HUB_CACHE", "", "", root, err);
    if (variable("HUGGINGFACE_HUB_CACHE")) /* its older name */
        return folder_of("HUGGINGFACE_HUB_CACHE", "", "", root, err);
    char *home;
    const akin_status status = akin__cache_home(&home, err);
    if (status)
        return status;
    *root = akin__join(home, "hub");
    akin__free(home);
    return *root ? AKIN_OK : akin__fail(err, AKIN_ENOMEM, "no memory");
}

akin_status akin__data_models(char **folder, akin_error *err)
{
    return folder_of("XDG_DATA_HOME", "/akin/models", ".local/share", folder,
                     err);
}

akin_status akin__cache_repo(const char *id, char **repo, akin_error *err)
{
    char *root;
    const akin_status status = akin__cache_root(&root, err);
    *repo = NULL;
    if (status)
        return status;
    const size_t owner = strcspn(id, "/");
    *repo = akin__format("%s/models--%.*s--%s", root, (int)owner, id,
                         id + owner + 1);
    akin__free(root);
    return *repo ? AKIN_OK : akin__fail(err, AKIN_ENOMEM, "no memory");
}

/* --------------------------------------------------------------- names -- */

/* Owner or name as the hub allows them: letters, digits, '-', '_', '.'. */
static bool good_part(const char *part, size_t length)
{
    if (length < 1 || length > ID_PART_MAX || strchr("-.", part[0]) ||
        strchr("-.", part[length - 1]))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!strchr(letters, part[i]) && !strchr("-_.", part[i]))
            return false;
        if (i && strchr("-.", part[i]) && part[i] == part[i - 1])
            return false;
    }
    return true;
}

static bool good_id(const char *id)
{
    const size_t owner = strcspn(id, "/");
    return id[owner] && good_part(id, owner) &&
           good_part(id + owner + 1, strlen(id + owner + 1));
}

/* A branch, tag or commit that may become a path below refs/. */
static bool good_revision(const char *revision)
{
    const size_t length = strlen(revision);
    if (length < 1 || length > REVISION_MAX || revision[0] == '/' ||
        revision[0] == '.' || revision[length - 1] == '/' ||
        strstr(revision, "//") || strstr(revision, "..") ||
        strstr(revision, "/."))
        return false;
    for (const char *at = revision; *at; at++) {
        if (!strchr(letters, *at) && !strchr("-_./+=", *at))
            return false;
    }
    return true;
}

/* A hub model's id and revision out of owner/name@revision or a known name. */
static akin_status parse_hub(struct akin__model_name *out, const char *name,
                             const char *revision, akin_error *err)
{
    const char *at = strchr(name, '@');
    const size_t length = at ? (size_t)(at - name) : strlen(name);
    if (at && revision && strcmp(at + 1, revision))
        return akin__fail(err, AKIN_EUSAGE,
                          "%s: revision %s is asked for as well", name,
                          revision);
    if (at)
        revision = at + 1;
    if (revision && !good_revision(revision))
        return akin__fail(err, AKIN_EUSAGE,
                          "%s: revision \"%s\" is no branch, tag or commit",
                          name, revision);
    out->known = akin__known_find(name, length);
    out->id = out->known && out->known->id
                  ? akin__strdup(out->known->id)
                  : akin__format("%.*s", (int)length, name);
    out->revision = revision ? akin__strdup(revision) : NULL;
    if (!out->id || (revision && !out->revision))
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", name);
    if (!good_id(out->id))
        return akin__fail(err, AKIN_ENOTFOUND,
                          "%s: no such folder, and no hub id (OWNER/NAME)",
                          name);
    return AKIN_OK;
}

static akin_status parse_folder(struct akin__model_name *out, const char *name,
                                const char *path, const char *revision,
                                akin_error *err)
{
    if (revision)
        return akin__fail(err, AKIN_EUSAGE,
                          "%s: a folder has no revision %s; leave it out", name,
                          revision);
    out->folder = akin__strdup(path);
    return out->folder ? AKIN_OK
                       : akin__fail(err, AKIN_ENOMEM, "%s: no memory", name);
}

/* The folder of akin's data folder that has this name, or NULL. */
static char *named_folder(const char *name)
{
    char *models, *folder = NULL;
    if (akin__data_models(&models, NULL))
        return NULL; /* no home, no data folder */
    folder = akin__join(models, name);
    akin__free(models);
    if (folder && akin__is_folder(folder))
        return folder;
    akin__free(folder);
    return NULL;
}

/* A name without a slash: of akin's data folder, known, or a folder here. */
static akin_status parse_bare(struct akin__model_name *out, const char *name,
                              const char *revision, akin_error *err)
{
    const struct akin__known *known =
        akin__known_find(name, strcspn(name, "@"));
    char *folder = revision ? NULL : named_folder(name);
    akin_status status;
    if (folder)
        status = parse_folder(out, name, folder, NULL, err);
    else if (known && known->id)
        status = parse_hub(out, name, revision, err);
    else if (known)
        status = akin__fail(err, AKIN_ENOTFOUND,
                            "%s: is not at hand; `./run demo` in akin's source "
                            "makes it",
                            name);
    else if (akin__is_folder(name))
        status = parse_folder(out, name, name, revision, err);
    else
        status = akin__fail(err, AKIN_ENOTFOUND,
                            "%s: no such folder and no known model (clip, "
                            "dinov2, starter, or a hub id OWNER/NAME)",
                            name);
    akin__free(folder);
    return status;
}

akin_status akin__model_name_parse(struct akin__model_name *out,
                                   const char *name, const char *revision,
                                   akin_error *err)
{
    akin_status status;
    memset(out, 0, sizeof *out);
    if (!*name)
        return akin__fail(err, AKIN_EUSAGE, "the name of a model is empty");
    if (!strcmp(name, ".") || !strcmp(name, ".."))
        status = parse_folder(out, name, name, revision, err);
    else if (!strchr(name, '/') ||
             (strchr(name, '@') && strchr(name, '@') < strchr(name, '/')))
        status = parse_bare(out, name, revision, err);
    else if (akin__is_folder(name))
        status = parse_folder(out, name, name, revision, err);
    else if (akin__exists(name))
        status =
            akin__fail(err, AKIN_ENOTFOUND,
                       "%s: is no folder; give the folder that holds it", name);
    else
        status = parse_hub(out, name, revision, err);
    if (status)
        akin__model_name_free(out);
    return status;
}

void akin__model_name_free(struct akin__model_name *name)
{
    akin__free(name->folder);
    akin__free(name->id);
    akin__free(name->revision);
    memset(name, 0, sizeof *name);
}

const char *akin__wanted_revision(const struct akin__model_name *name)
{
    if (name->revision)
        return name->revision;
    return name->known ? name->known->commit : "main";
}

void akin__by_hand(const struct akin__model_name *name, char *text,
                   size_t capacity)
{
    snprintf(text, capacity,
             "put config.json, preprocessor_config.json and model.safetensors "
             "of https://huggingface.co/%s/tree/%s into a folder and give its "
             "path as --model",
             name->id, akin__wanted_revision(name));
}

/* ------------------------------------------------- what lies in a cache -- */

akin_status akin__cache_commit(const char *repo, const char *revision,
                               char commit[41], akin_error *err)
{
    commit[0] = 0;
    if (akin__is_commit(revision)) {
        memcpy(commit, revision, 41);
        return AKIN_OK;
    }
    uint8_t *bytes = NULL;
    size_t count = 0;
    char *path = akin__format("%s/refs/%s", repo, revision);
    if (!path)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", repo);
    akin_status status = AKIN_OK;
    if (akin__is_regular(path))
        status = akin__read_file(path, REF_FILE_MAX, &bytes, &count, NULL, err);
    if (!status && count >= 40) {
        memcpy(commit, bytes, 40);
        commit[40] = 0;
        if (!akin__is_commit(commit))
            commit[0] = 0;
    }
    akin__free(bytes);
    akin__free(path);
    return status;
}

static bool plain_name(const char *name)
{
    return *name && strlen(name) < 256 && name[0] != '.' && !strchr(name, '/');
}

static bool has_name(const struct akin__names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (!strcmp(names->name[i], name))
            return true;
    }
    return false;
}

akin_status akin__index_shards(const char *path, struct akin__names *shards,
                               akin_error *err)
{
    json_t *document = NULL, *value;
    const char *tensor;
    akin_status status;
    memset(shards, 0, sizeof *shards);
    AKIN_TRY(akin__json_read(path, INDEX_MAX, &document, err));
    json_t *map = json_object_get(document, "weight_map");
    AKIN_CHECK(json_object_size(map), err, AKIN_EMODEL, "%s: has no weight_map",
               path);
    json_object_foreach(map, tensor, value)
    {
        const char *name = json_string_value(value);
        AKIN_CHECK(name && plain_name(name), err, AKIN_EMODEL,
                   "%s: tensor %s: \"%s\" is no file name", path, tensor,
                   name ? name : "");
        if (has_name(shards, name))
            continue;
        AKIN_CHECK(shards->count < SHARDS_MAX, err, AKIN_ELIMIT,
                   "%s: names more than %d shards", path, SHARDS_MAX);
        AKIN_TRY(akin__names_add(shards, name, err));
    }
out:
    json_decref(document);
    if (status)
        akin__names_free(shards);
    return status;
}
