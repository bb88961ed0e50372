/*
 * JSON: jansson behind two rules. Documents are untrusted (size limit, no
 * duplicate keys, no deep nesting), and paths need not be UTF-8.
 */
#ifndef AKIN_BASE_JSON_H
#define AKIN_BASE_JSON_H

#include <jansson.h>

#include "akin.h"

/* A document of at most `limit` bytes read from `path`; json_decref it. */
akin_status akin__json_read(const char *path, size_t limit, json_t **document,
                            akin_error *err);
/* The same from memory; messages name `what`. */
akin_status akin__json_parse(const char *what, const char *bytes, size_t count,
                             json_t **document, akin_error *err);

/*
 * Set object[key] to `bytes` as text. Where they are no UTF-8, what is not is
 * U+FFFD, and object[key + "_hex"] holds the true bytes in hexadecimal.
 * Returns 0, or -1 when memory is short.
 */
int akin__json_set_path(json_t *object, const char *key, const char *bytes);

#endif
