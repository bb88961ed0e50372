/*
 * JSON parts: what the makers of documents share. A document is built of parts
 * that may be NULL when memory is short: jansson's _new functions pass that on,
 * and its error answers are gathered in `bad`.
 */
#ifndef AKIN_VIEW_JSON_PARTS_H
#define AKIN_VIEW_JSON_PARTS_H

#include <math.h>
#include <stdint.h>

#include "base/json.h"

/* NULL when anything went wrong on the way to it. */
static inline json_t *whole(json_t *document, int bad)
{
    if (!bad)
        return document;
    json_decref(document);
    return NULL;
}

static inline int set(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value);
}

static inline int set_count(json_t *object, const char *key, uint64_t count)
{
    return set(object, key, json_integer((json_int_t)count));
}

/* What is not known is null. */
static inline json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static inline int set_text(json_t *object, const char *key, const char *text)
{
    if (text && *text)
        return akin__json_set_path(object, key, text);
    return set(object, key, json_null());
}

#endif
