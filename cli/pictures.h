/* Pictures: files -> vectors, for the commands that need no index. */
#ifndef AKIN_CLI_PICTURES_H
#define AKIN_CLI_PICTURES_H

#include <stdbool.h>
#include <stddef.h>

#include "models.h"
#include "opt.h"

/* A file that could be read, with the vector [dim] of each model. */
struct cli_picture {
    const char *path;
    size_t number;             /* of it among values->word */
    float *vector[CLI_MODELS]; /* the visitor may change them */
};

/*
 * Decode each of the files values->word once, embed it with every model, and
 * call `visit` for those that could be read, in their order; an answer other
 * than 0 of it ends the work. What cannot be read or is damaged is said on
 * stderr. The exit code: CLI_PARTLY when some failed, CLI_NO_INPUT when all
 * did, visit's own, or that of a signal.
 */
int cli_embed_pictures(const struct cli_values *values,
                       const struct cli_models *models,
                       int (*visit)(void *context,
                                    const struct cli_picture *picture),
                       void *context);

#endif
