/*
 * Place: from the name of a model to its files (place.h).
 *
 * A repository of the cache may hold several snapshots, and a Python user may
 * have its config.json in one (main) and model.safetensors in another (the
 * pull request that brought it). The snapshot that holds the weights wins:
 * the one asked for or pinned, else main's, else any; files that are not
 * beside the weights are then taken from the others. A revision that was asked
 * for by name is never answered with other weights.
 */
#include "model/place.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/cache.h"

static const char one_file[] = "model.safetensors";
static const char index_file[] = "model.safetensors.index.json";

static bool folder_has(const char *folder, const char *filename)
{
    char *path = akin__join(folder, filename);
    const bool found = path && akin__is_regular(path);
    akin__free(path);
    return found;
}

static bool has_weights(const char *folder)
{
    return folder_has(folder, one_file) || folder_has(folder, index_file);
}

char *akin__weights_file(const struct akin__weights_place *place,
                         const char *filename)
{
    if (!*filename || *filename == '.' || strchr(filename, '/'))
        return NULL;
    for (size_t i = 0; i < place->count; i++) {
        char *path = akin__join(place->search[i], filename);
        if (path && akin__is_regular(path))
            return path;
        akin__free(path);
    }
    return NULL;
}

akin_status akin__weights_names(const struct akin__weights_place *place,
                                struct akin__names *names, akin_error *err)
{
    memset(names, 0, sizeof *names);
    char *one = akin__weights_file(place, one_file);
    char *index = akin__weights_file(place, index_file);
    const akin_status status = one || !index
                                   ? akin__names_add(names, one_file, err)
                                   : akin__index_shards(index, names, err);
    akin__free(one);
    akin__free(index);
    return status;
}

void akin__weights_place_free(struct akin__weights_place *place)
{
    for (size_t i = 0; i < place->count; i++)
        akin__free(place->search[i]);
    akin__free(place->search);
    akin__free(place->name);
    akin__free(place->folder);
    akin__free(place->revision);
    memset(place, 0, sizeof *place);
}

/* ----------------------------------------------------------- snapshots -- */

/* Move the snapshot `commit` to `position` if it is one of snapshots. */
static void prefer(struct akin__names *snapshots, size_t *position,
                   const char *commit)
{
    for (size_t i = *position; i < snapshots->count; i++) {
        if (strcmp(snapshots->name[i], commit))
            continue;
        char *chosen = snapshots->name[i];
        memmove(snapshots->name + *position + 1, snapshots->name + *position,
                (i - *position) * sizeof chosen);
        snapshots->name[(*position)++] = chosen;
        return;
    }
}

/* The snapshots of `repo`, the best first; none when it is not there. */
static akin_status list_snapshots(const char *repo, const char *folder,
                                  const char *wanted,
                                  struct akin__names *snapshots,
                                  akin_error *err)
{
    const char *const revisions[] = {wanted, "main"};
    size_t position = 0;
    memset(snapshots, 0, sizeof *snapshots);
    if (!akin__is_folder(folder))
        return AKIN_OK;
    akin_status status = akin__list_folder(folder, snapshots, err);
    for (size_t i = 0; !status && i < 2; i++) {
        char commit[41];
        status = akin__cache_commit(repo, revisions[i], commit, err);
        prefer(snapshots, &position, commit);
    }
    if (status)
        akin__names_free(snapshots);
    return status;
}

/* Make place->search out of the snapshots, number `first` in front. */
static akin_status set_search(struct akin__weights_place *place,
                              const char *folder,
                              const struct akin__names *snapshots, size_t first,
                              akin_error *err)
{
    place->search = akin__calloc(snapshots->count, sizeof *place->search);
    for (size_t i = 0; place->search && i < snapshots->count; i++) {
        const size_t from = i == 0 ? first : i <= first ? i - 1 : i;
        place->search[i] = akin__join(folder, snapshots->name[from]);
        if (!place->search[i])
            break;
        place->count++;
    }
    return place->count == snapshots->count
               ? AKIN_OK
               : akin__fail(err, AKIN_ENOMEM, "%s: no memory", folder);
}

/* No weights that can be read: say what there is, and the way out. `commit`
 * is the only snapshot that counts, or empty. */
static akin_status nothing_found(const char *name,
                                 const struct akin__model_name *parsed,
                                 const char *folder, const char *commit,
                                 const struct akin__names *snapshots,
                                 akin_error *err)
{
    const bool option = parsed->revision && !strchr(name, '@');
    char by_hand[512];
    bool pickle = false;
    akin__by_hand(parsed, by_hand, sizeof by_hand);
    for (size_t i = 0; !pickle && i < snapshots->count; i++) {
        if (*commit && strcmp(commit, snapshots->name[i]))
            continue;
        char *snapshot = akin__join(folder, snapshots->name[i]);
        pickle = snapshot && folder_has(snapshot, "pytorch_model.bin");
        akin__free(snapshot);
    }
    return akin__fail(
        err, pickle ? AKIN_EMODEL : AKIN_ENOTFOUND,
        "%s: %s%s (%s): run `akin model pull %s%s%s`, or %s", name,
        parsed->known ? "" : "no such folder, and ",
        pickle ? "only pytorch_model.bin at hand, which akin does not read"
               : "no weights at hand",
        folder, name, option ? " --revision " : "",
        option ? parsed->revision : "", by_hand);
}

static akin_status locate_snapshot(const char *name, const char *repo,
                                   const struct akin__model_name *parsed,
                                   struct akin__weights_place *place,
                                   akin_error *err)
{
    struct akin__names snapshots = {0};
    const char *wanted = akin__wanted_revision(parsed);
    char *folder = akin__join(repo, "snapshots"), commit[41];
    size_t first = 0;
    akin_status status;
    AKIN_CHECK(folder, err, AKIN_ENOMEM, "%s: no memory", name);
    AKIN_TRY(list_snapshots(repo, folder, wanted, &snapshots, err));
    AKIN_TRY(akin__cache_commit(repo, wanted, commit, err));
    for (; first < snapshots.count; first++) {
        char *snapshot = akin__join(folder, snapshots.name[first]);
        const bool usable = snapshot && has_weights(snapshot);
        akin__free(snapshot);
        if (usable)
            break;
    }
    if (first == snapshots.count ||
        (parsed->revision && strcmp(snapshots.name[first], commit))) {
        status = nothing_found(name, parsed, folder,
                               parsed->revision ? commit : "", &snapshots, err);
        goto out;
    }
    AKIN_TRY(set_search(place, folder, &snapshots, first, err));
    place->revision = akin__strdup(snapshots.name[first]);
    AKIN_CHECK(place->revision, err, AKIN_ENOMEM, "%s: no memory", name);
    status = akin__real_path(place->search[0], &place->folder, err);
out:
    akin__names_free(&snapshots);
    akin__free(folder);
    return status;
}

/* -------------------------------------------------------------- folders -- */

/* "owner/name" when `folder` is .../models--OWNER--NAME/snapshots/COMMIT, as
 * an index remembers it; else the last part of the path. Allocated. */
static char *name_of_folder(const char *folder, bool *snapshot)
{
    const char *commit = strrchr(folder, '/');
    static const char middle[] = "/snapshots", prefix[] = "/models--";
    const size_t room = (size_t)(commit - folder);
    *snapshot = false;
    if (room >= strlen(middle) &&
        !memcmp(commit - strlen(middle), middle, strlen(middle)) &&
        akin__is_commit(commit + 1)) {
        const char *end = commit - strlen(middle), *start = end;
        while (start > folder && *--start != '/')
            ;
        const char *owner = start + strlen(prefix), *dashes;
        if (!strncmp(start, prefix, strlen(prefix)) &&
            (dashes = strstr(owner, "--")) && dashes + 2 < end) {
            *snapshot = true;
            return akin__format("%.*s/%.*s", (int)(dashes - owner), owner,
                                (int)(end - dashes - 2), dashes + 2);
        }
    }
    return akin__strdup(commit[1] ? commit + 1 : "/");
}

/* The other snapshots beside `folder` may hold what it lacks. */
static akin_status add_siblings(struct akin__weights_place *place,
                                akin_error *err)
{
    struct akin__names names = {0};
    char *parent = akin__strdup(place->folder);
    size_t position = 0;
    akin_status status;
    AKIN_CHECK(parent, err, AKIN_ENOMEM, "%s: no memory", place->folder);
    *strrchr(parent, '/') = 0;
    AKIN_TRY(akin__list_folder(parent, &names, err));
    place->revision = akin__strdup(strrchr(place->folder, '/') + 1);
    AKIN_CHECK(place->revision, err, AKIN_ENOMEM, "%s: no memory", parent);
    prefer(&names, &position, place->revision);
    status = set_search(place, parent, &names, 0, err);
out:
    akin__names_free(&names);
    akin__free(parent);
    return status;
}

static akin_status locate_folder(const char *name, const char *path,
                                 struct akin__weights_place *place,
                                 akin_error *err)
{
    bool snapshot;
    akin_status status = akin__real_path(path, &place->folder, err);
    if (status)
        return status;
    place->name = name_of_folder(place->folder, &snapshot);
    if (place->name && snapshot)
        return add_siblings(place, err);
    /* What was found by a name has that one, wherever a link of it leads. */
    if (!strchr(name, '/') && strcmp(name, ".") && strcmp(name, "..")) {
        akin__free(place->name);
        place->name = akin__strdup(name);
    }
    place->revision = akin__strdup("");
    place->search = akin__calloc(1, sizeof *place->search);
    if (place->search)
        place->search[0] = akin__strdup(place->folder);
    if (!place->name || !place->revision || !place->search || !place->search[0])
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", name);
    place->count = 1;
    return AKIN_OK;
}

/* A file that is needed is not to be had: it may be there behind a permission,
 * which the system says best. */
static akin_status lacks(const struct akin__weights_place *place,
                         const char *file, const char *way_out, akin_error *err)
{
    struct stat st;
    char *path = akin__join(place->folder, file);
    if (!path)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", place->folder);
    const akin_status status = akin__stat(path, &st, err);
    akin__free(path);
    return status == AKIN_EIO
               ? status
               : akin__fail(err, AKIN_ENOTFOUND, "%s: has no %s; %s",
                            place->folder, file, way_out);
}

/* A place must have a config and weights; for a folder this is the first time
 * that anyone looks. */
static akin_status check_whole(const struct akin__weights_place *place,
                               akin_error *err)
{
    static const char way_out[] = "a model's folder holds config.json, "
                                  "preprocessor_config.json and "
                                  "model.safetensors";
    char *config = akin__weights_file(place, "config.json");
    akin__free(config);
    if (!config)
        return lacks(place, "config.json", way_out, err);
    if (has_weights(place->folder))
        return AKIN_OK;
    if (folder_has(place->folder, "pytorch_model.bin"))
        return akin__fail(err, AKIN_EMODEL,
                          "%s: has only pytorch_model.bin, which akin does "
                          "not read; it needs model.safetensors",
                          place->folder);
    return lacks(place, one_file, way_out, err);
}

akin_status akin__weights_locate(const char *name, const char *revision,
                                 struct akin__weights_place *place,
                                 akin_error *err)
{
    struct akin__model_name parsed;
    char *repo = NULL;
    memset(place, 0, sizeof *place);
    akin_status status = akin__model_name_parse(&parsed, name, revision, err);
    if (status)
        return status;
    if (parsed.folder) {
        AKIN_TRY(locate_folder(name, parsed.folder, place, err));
    } else {
        AKIN_TRY(akin__cache_repo(parsed.id, &repo, err));
        AKIN_TRY(locate_snapshot(name, repo, &parsed, place, err));
        place->name = akin__strdup(name);
        AKIN_CHECK(place->name, err, AKIN_ENOMEM, "%s: no memory", name);
    }
    status = check_whole(place, err);
out:
    if (status)
        akin__weights_place_free(place);
    akin__free(repo);
    akin__model_name_free(&parsed);
    return status;
}

akin_status akin_model_find(const char *name, const char *revision,
                            char *folder, size_t capacity, akin_error *err)
{
    struct akin__weights_place place;
    akin_status status = akin__weights_locate(name, revision, &place, err);
    if (status)
        return status;
    if (strlen(place.folder) < capacity)
        memcpy(folder, place.folder, strlen(place.folder) + 1);
    else
        status = akin__fail(err, AKIN_EUSAGE,
                            "%s: its folder needs %zu bytes (room for %zu)",
                            name, strlen(place.folder) + 1, capacity);
    akin__weights_place_free(&place);
    return status;
}
