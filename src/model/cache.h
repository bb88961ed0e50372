/*
 * Cache: names of models, and the folders they stand for: Hugging Face's cache
 * and akin's own data folder. Called by the locator (place.c) and the hub.
 */
#ifndef AKIN_MODEL_CACHE_H
#define AKIN_MODEL_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "akin.h"
#include "base/file.h"
#include "model/known.h"

/* What the name of a model says, before anything is looked for. */
struct akin__model_name {
    char *folder;   /* a plain folder; NULL: a model of the hub */
    char *id;       /* owner/name; NULL for a folder */
    char *revision; /* as asked for; NULL: none was */
    const struct akin__known *known; /* of the hub model, or NULL */
};

/*
 * Read `name` (and `revision`, which may be NULL). A name without a slash is a
 * known name or a folder of akin's data folder; one with a slash that is no
 * folder is a hub id. AKIN_ENOTFOUND when it can be neither; AKIN_EUSAGE for a
 * revision that makes no sense.
 */
akin_status akin__model_name_parse(struct akin__model_name *out,
                                   const char *name, const char *revision,
                                   akin_error *err);
void akin__model_name_free(struct akin__model_name *name);

/* The revision meant: as asked for, else the pinned commit, else "main". */
const char *akin__wanted_revision(const struct akin__model_name *name);

/* 40 lower-case hexadecimal digits. */
bool akin__is_commit(const char *text);
bool akin__is_regular(const char *path);

/* The folder that holds models--*, allocated. AKIN_EUSAGE without a home. */
akin_status akin__cache_root(char **root, akin_error *err);
/* Where Hugging Face's own files lie (token), allocated. */
akin_status akin__cache_home(char **home, akin_error *err);
/* The folder whose sub-folders are models by name, allocated. */
akin_status akin__data_models(char **folder, akin_error *err);
/* The folder of a repository, ROOT/models--OWNER--NAME, allocated. */
akin_status akin__cache_repo(const char *id, char **repo, akin_error *err);
/* The commit that refs/`revision` names, or `revision` itself if it is one,
 * into commit [41]; empty when it is not known here. */
akin_status akin__cache_commit(const char *repo, const char *revision,
                               char commit[41], akin_error *err);

/*
 * The sentence that says how to go on without the hub: which files of which
 * page to put where.
 */
void akin__by_hand(const struct akin__model_name *name, char *text,
                   size_t capacity);

/* The shards that `path`, a model.safetensors.index.json, names, in order and
 * once each; names that are no plain file name are refused. */
akin_status akin__index_shards(const char *path, struct akin__names *shards,
                               akin_error *err);

#endif
