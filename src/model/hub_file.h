/*
 * Hub file: one file of one commit into the cache. Called by hub.c.
 */
#ifndef AKIN_MODEL_HUB_FILE_H
#define AKIN_MODEL_HUB_FILE_H

#include <stdbool.h>

#include "akin.h"
#include "model/cache.h"
#include "model/hub_http.h"

/* A pull that runs. */
struct akin__pull {
    const akin_hub_options *options;
    struct akin__model_name name;
    struct akin__http *http;
    char *repo;      /* ROOT/models--OWNER--NAME */
    char commit[41]; /* what the revision means; "" until the hub said it */
    bool answered;   /* the hub has shown a file of this commit */
};

/*
 * Get `file` into the snapshot of pull->commit, which the first file sets;
 * *there says whether the hub has it. No question is asked when the cache
 * knows the answer: a commit never changes.
 */
akin_status akin__pull_file(struct akin__pull *pull, const char *file,
                            bool *there, akin_error *err);

/* REPO/FOLDER/COMMIT/FILE, allocated; NULL when memory is short. */
char *akin__pull_path(const struct akin__pull *pull, const char *folder,
                      const char *file);

#endif
