/*
 * Place: where the files of one model lie. Called by the loader.
 *
 * A model of the hub may be spread over snapshots of its repository (config
 * of one revision, weights of another), so a file is asked for by name.
 */
#ifndef AKIN_MODEL_PLACE_H
#define AKIN_MODEL_PLACE_H

#include <stddef.h>

#include "akin.h"
#include "base/file.h"

struct akin__weights_place {
    char *name;     /* as given, without a slash or on the hub; else the
                       folder's own name */
    char *folder;   /* absolute; where the weights lie */
    char *revision; /* the commit the weights are of; "" for a plain folder */
    char **search;  /* [count]: `folder`, then others that may hold a file */
    size_t count;
};

/*
 * Find the model `name`: a known name, a hub id owner/name[@revision], or a
 * folder. On success config.json and model.safetensors or its index are there
 * and *place is freed by akin__weights_place_free; on failure it owns nothing.
 * `revision` may be NULL. Nothing is downloaded.
 * Errors: AKIN_ENOTFOUND (with the way out), AKIN_EMODEL when there are weights
 * of a format akin does not read, AKIN_EUSAGE, AKIN_EIO, AKIN_ENOMEM.
 */
akin_status akin__weights_locate(const char *name, const char *revision,
                                 struct akin__weights_place *place,
                                 akin_error *err);
void akin__weights_place_free(struct akin__weights_place *place);

/*
 * The path of the regular file `filename` (untrusted: a plain name, never a
 * path), allocated; NULL when there is none, or no memory.
 */
char *akin__weights_file(const struct akin__weights_place *place,
                         const char *filename);

/*
 * The names of the files that hold the weights: model.safetensors, or the
 * shards that model.safetensors.index.json names, once each.
 */
akin_status akin__weights_names(const struct akin__weights_place *place,
                                struct akin__names *names, akin_error *err);

#endif
