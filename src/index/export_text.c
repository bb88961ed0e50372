/*
 * Text: a line a row with its path in it, as JSON or as CSV (RFC 4180). Nine
 * digits give every float32 back to the last bit.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "index/export.h"

static akin_status no_memory(const struct akin__export *e, akin_error *err)
{
    return akin__fail(err, AKIN_ENOMEM, "%s: no memory", e->index->path);
}

/* Add the text and free it. */
static akin_status add_text(struct akin__export *e, struct akin__stream *to,
                            struct akin__text *text, akin_error *err)
{
    const akin_status status =
        text->failed ? no_memory(e, err)
                     : akin__stream_add(to, text->bytes, text->length, err);
    akin__text_free(text);
    return status;
}

static akin_status json_row(struct akin__export *e,
                            const struct akin__export_row *row, akin_error *err)
{
    json_t *line = json_object(), *numbers = json_array();
    char *text = NULL;
    int bad = akin__json_set_path(line, "path", row->path);
    bad |= json_object_set_new(line, "model", json_string(e->rows->is.name));
    bad |= json_object_set_new(line, "dim",
                               json_integer((json_int_t)e->rows->is.dim));
    bad |= json_object_set(line, "vector", numbers);
    for (size_t i = 0; i < e->rows->is.dim && !bad; i++)
        bad |=
            json_array_append_new(numbers, json_real((double)row->vector[i]));
    if (!bad)
        text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(numbers);
    json_decref(line);
    if (!text)
        return no_memory(e, err);
    akin_status status = akin__stream_add(&e->main, text, strlen(text), err);
    if (!status)
        status = akin__stream_add(&e->main, "\n", 1, err);
    akin__free(text);
    return status;
}

/* ------------------------------------------------------------- CSV ------ */

/* With a point, whatever the locale of the process has in its place. */
static void add_number(struct akin__text *text, float number)
{
    char digits[32];
    snprintf(digits, sizeof digits, ",%.9g", (double)number);
    for (char *at = digits + 1; *at; at++)
        if (!strchr("0123456789+-e", *at))
            *at = '.';
    akin__text_add(text, digits, strlen(digits));
}

static akin_status csv_head(struct akin__export *e, akin_error *err)
{
    struct akin__text text = {0};
    akin__text_addf(&text, "path");
    for (size_t i = 0; i < e->rows->is.dim; i++)
        akin__text_addf(&text, ",v%zu", i);
    akin__text_addf(&text, "\r\n");
    return add_text(e, &e->main, &text, err);
}

static akin_status csv_row(struct akin__export *e,
                           const struct akin__export_row *row, akin_error *err)
{
    struct akin__text text = {0};
    akin__text_add_field(&text, row->path);
    for (size_t i = 0; i < e->rows->is.dim; i++)
        add_number(&text, row->vector[i]);
    akin__text_add(&text, "\r\n", 2);
    return add_text(e, &e->main, &text, err);
}

akin_status akin__export_id_line(struct akin__export *e,
                                 const struct akin__export_row *row,
                                 akin_error *err)
{
    struct akin__text text = {0};
    akin__text_addf(&text, "%lld,", (long long)row->file);
    akin__text_add_field(&text, row->path);
    akin__text_add(&text, "\r\n", 2);
    return add_text(e, &e->ids, &text, err);
}

const struct akin__export_way akin__export_jsonl = {.row = json_row};
const struct akin__export_way akin__export_csv = {.head = csv_head,
                                                  .row = csv_row};
