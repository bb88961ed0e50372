/*
 * Texts: a row a line with its path in it, JSON or CSV as `akin export` writes
 * them. The first line says how many numbers a vector has.
 */
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "index/vectors.h"

/* 4,096 numbers of 32 letters and the longest path, with room. */
enum { LONGEST_LINE = 1 << 20 };

static akin_status wrong(const struct akin__vectors *v, const char *what,
                         akin_error *err)
{
    return akin__fail(err, AKIN_EFORMAT, "%s: line %llu: %s",
                      v->lines.file.path, (unsigned long long)v->lines.number,
                      what);
}

static akin_status keep_path(struct akin__vectors *v, const char *path,
                             akin_error *err)
{
    akin__free(v->path);
    v->path = NULL;
    if (!*path)
        return wrong(v, "the path is empty", err);
    v->path = akin__strdup(path);
    return v->path ? AKIN_OK
                   : akin__fail(err, AKIN_ENOMEM, "%s: no memory",
                                v->lines.file.path);
}

/* ------------------------------------------------------------- JSON ------ */

static int digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* The path, or what path_hex says its bytes truly are. */
static akin_status json_path(struct akin__vectors *v, const json_t *object,
                             akin_error *err)
{
    const char *path = json_string_value(json_object_get(object, "path"));
    const char *hex = json_string_value(json_object_get(object, "path_hex"));
    if (!path)
        return wrong(v, "there is no \"path\"", err);
    const akin_status status = keep_path(v, hex ? hex : path, err);
    if (status || !hex)
        return status;
    size_t used = 0;
    for (; hex[0] && hex[1]; hex += 2, used++) {
        const int high = digit(hex[0]), low = digit(hex[1]);
        if (high < 0 || low < 0 || !(high | low))
            break;
        v->path[used] = (char)(high << 4 | low);
    }
    v->path[used] = 0;
    return *hex ? wrong(v, "\"path_hex\" is no row of bytes", err) : AKIN_OK;
}

static akin_status json_model(struct akin__vectors *v, const json_t *object,
                              akin_error *err)
{
    const char *model = json_string_value(json_object_get(object, "model"));
    if (!model)
        return AKIN_OK;
    if (!v->model) {
        v->model = akin__strdup(model);
        return v->model ? AKIN_OK
                        : akin__fail(err, AKIN_ENOMEM, "%s: no memory",
                                     v->lines.file.path);
    }
    if (strcmp(v->model, model) == 0)
        return AKIN_OK;
    return akin__fail(err, AKIN_EFORMAT,
                      "%s: line %llu is of the model %s, those before of %s; "
                      "vectors of two models need two files",
                      v->lines.file.path, (unsigned long long)v->lines.number,
                      model, v->model);
}

/* `vector` NULL: only how many there are, into v->dim. */
static akin_status json_vector(struct akin__vectors *v, const json_t *object,
                               float *vector, akin_error *err)
{
    const json_t *numbers = json_object_get(object, "vector");
    const size_t count = json_array_size(numbers);
    if (!json_is_array(numbers))
        return wrong(v, "there is no array \"vector\"", err);
    if (!vector) {
        v->dim = count;
        return akin__vectors_check_dim(v->lines.file.path, count, err);
    }
    if (count != v->dim)
        return akin__fail(err, AKIN_EFORMAT,
                          "%s: line %llu has %zu numbers, the first has %zu",
                          v->lines.file.path,
                          (unsigned long long)v->lines.number, count, v->dim);
    for (size_t i = 0; i < count; i++) {
        const json_t *number = json_array_get(numbers, i);
        if (!json_is_number(number))
            return wrong(v, "the vector holds what is no number", err);
        vector[i] = (float)json_number_value(number);
    }
    return AKIN_OK;
}

static akin_status json_row(struct akin__vectors *v, const char *line,
                            size_t length, float *vector, akin_error *err)
{
    json_t *object = NULL;
    akin_error why;
    akin_status status = akin__json_parse("JSON", line, length, &object, &why);
    if (status)
        return wrong(v, why.message, err);
    status = json_vector(v, object, vector, err);
    if (!status && vector)
        status = json_path(v, object, err);
    if (!status && vector)
        status = json_model(v, object, err);
    json_decref(object);
    return status;
}

/* -------------------------------------------------------------- CSV ------ */

/* In the C locale: a point, whatever the process speaks. */
static bool take_number(const char *field, float *number, locale_t c)
{
    char *end;
    const size_t length = strlen(field);
    *number = strtof_l(field, &end, c);
    return length && *end == 0 && strspn(field, "0123456789+-.eE") == length;
}

static akin_status csv_numbers(struct akin__vectors *v, char *at, float *vector,
                               akin_error *err)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    char *field;
    size_t count = 0;
    akin_status status = AKIN_OK;
    AKIN_CHECK(c, err, AKIN_ENOMEM, "%s: no memory", v->lines.file.path);
    for (; at && !status; count++) {
        if (!akin__csv_field(&at, &field) ||
            (count < v->dim && !take_number(field, &vector[count], c)))
            status = wrong(v, "a field is no number", err);
    }
    if (!status && count != v->dim)
        status = akin__fail(err, AKIN_EFORMAT,
                            "%s: line %llu has %zu numbers, the header %zu",
                            v->lines.file.path,
                            (unsigned long long)v->lines.number, count, v->dim);
    freelocale(c);
out:
    return status;
}

static akin_status csv_row(struct akin__vectors *v, char *line, float *vector,
                           akin_error *err)
{
    char *field;
    if (!akin__csv_field(&line, &field))
        return wrong(v, "the path has a quote that is not closed", err);
    const akin_status status = keep_path(v, field, err);
    return status ? status : csv_numbers(v, line, vector, err);
}

/* The names of the columns: "path", and one for each number. */
static akin_status csv_header(struct akin__vectors *v, char *line,
                              akin_error *err)
{
    char *field;
    v->dim = 0;
    for (; line; v->dim++)
        if (!akin__csv_field(&line, &field))
            return wrong(v, "the header has a quote that is not closed", err);
    v->dim--;
    return akin__vectors_check_dim(v->lines.file.path, v->dim, err);
}

/* ------------------------------------------------------------- both ------ */

static bool is_csv(const struct akin__vectors *v)
{
    return v->lines.quotes;
}

/* The line that the length of vectors is known from. */
static akin_status read_first(struct akin__vectors *v, akin_error *err)
{
    char *line;
    size_t length;
    const akin_status status = akin__lines_next(&v->lines, &line, &length, err);
    if (status || !line)
        return status ? status : wrong(v, "there is none", err);
    return is_csv(v) ? csv_header(v, line, err)
                     : json_row(v, line, length, NULL, err);
}

static akin_status open_text(struct akin__vectors *v, const char *path,
                             bool quotes, akin_error *err)
{
    akin_status status =
        akin__lines_open(&v->lines, path, LONGEST_LINE, quotes, err);
    v->format = quotes ? "csv" : "jsonl";
    v->named = true;
    if (!status)
        status = read_first(v, err);
    if (!status)
        akin__vectors_rewind(v);
    return status;
}

akin_status akin__jsonl_open(struct akin__vectors *v, const char *path,
                             akin_error *err)
{
    return open_text(v, path, false, err);
}

akin_status akin__csv_open(struct akin__vectors *v, const char *path,
                           akin_error *err)
{
    return open_text(v, path, true, err);
}

akin_status akin__text_next(struct akin__vectors *v, float *vector, bool *row,
                            akin_error *err)
{
    char *line;
    size_t length;
    *row = false;
    do {
        const akin_status status =
            akin__lines_next(&v->lines, &line, &length, err);
        if (status || !line)
            return status;
        /* The names of the columns are no row, and neither is an empty line. */
    } while (!length || (is_csv(v) && v->lines.number == 1));
    *row = true;
    return is_csv(v) ? csv_row(v, line, vector, err)
                     : json_row(v, line, length, vector, err);
}
