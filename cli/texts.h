/* Texts: what --text says -> vectors. */
#ifndef AKIN_CLI_TEXTS_H
#define AKIN_CLI_TEXTS_H

#include "models.h"
#include "opt.h"

/*
 * Embed each of the texts values->text with every model, and call `visit` with
 * its vectors, one [dim] for each model, in the order given; an answer other
 * than 0 of it ends the work. The exit code: visit's, or that of an error or a
 * signal.
 */
int cli_embed_texts(const struct cli_values *values,
                    const struct cli_models *models,
                    int (*visit)(void *context, const char *text,
                                 float *const *vector),
                    void *context);

#endif
