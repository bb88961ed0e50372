/* Queries: the words of a command line -> what is looked for. The grammar is
 * docs/query.md. */
#ifndef AKIN_CLI_QUERY_H
#define AKIN_CLI_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#include "opt.h"
#include "view/result.h"

struct cli_query {
    const struct akin__term *term; /* [terms], one of them above 0 */
    const char *const *word;       /* [words] of the command line */
    size_t terms, words;
    size_t pictures;     /* of its terms */
    const char *missing; /* a picture of it that is no file, or NULL */
};

struct cli_queries {
    struct cli_query *query; /* [count] */
    size_t count;
    size_t pictures, texts;  /* terms of all */
    struct akin__term *term; /* of all, one query's behind the other's */
    const char **word;
};

/*
 * Read the words and --text of `values`, in their order. The queries point
 * into *values. An exit code: CLI_WRONG when they make no sense, and then why
 * was said. cli_queries_free serves after any.
 */
int cli_queries_parse(struct cli_queries *queries,
                      const struct cli_values *values);
void cli_queries_free(struct cli_queries *queries);

/* Whether a picture is added: what cannot read may answer the pictures. */
bool cli_query_shows(const struct cli_query *query);

/* The query as a line to be read, allocated; NULL when memory is short. */
char *cli_query_line(const struct cli_query *query);

#endif
