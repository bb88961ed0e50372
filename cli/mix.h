/* Mixing: queries -> the vectors to search for. */
#ifndef AKIN_CLI_MIX_H
#define AKIN_CLI_MIX_H

#include "models.h"
#include "opt.h"
#include "query.h"

/* A query whose pictures could be read. */
struct cli_mixed {
    const struct cli_query *query;
    float *vector[CLI_MODELS];        /* [models], each [dim]; or NULL where */
    enum akin__part part[CLI_MODELS]; /* this is AKIN__NOTHING */
};

/*
 * Embed the terms of each query with the models that need it, and call `visit`
 * in the order of the queries; an answer other than 0 of it ends the work. A
 * query is the sum of its terms' vectors, each of length one times its weight;
 * a single term's vector stays as it is. A query with a picture that cannot be
 * read is left out, and said on stderr. The exit code: CLI_PARTLY when some
 * were left out, CLI_NO_INPUT when all were, visit's own, or that of an error
 * or a signal.
 */
int cli_embed_queries(
    const struct cli_values *values, const struct cli_models *models,
    const struct cli_queries *queries,
    int (*visit)(void *context, const struct cli_mixed *mixed), void *context);

#endif
