/*
 * npy (NEP 1, versions 1 to 3): magic, the length of a header, and the header,
 * a Python dict of three entries. Here it is read by its grammar, as far as
 * numpy writes it.
 */
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/memory.h"
#include "index/vectors.h"

struct header {
    char type[16]; /* "<f4" */
    bool fortran;
    uint64_t shape[3]; /* the first of them */
    size_t dims;
    bool has_type, has_order, has_shape;
};

static void skip(struct akin__cursor *c)
{
    while (akin__left(c) && strchr(" \t\r\n", *c->at) && *c->at)
        c->at++;
}

/* Whether `letter` comes next, which is taken then. */
static bool take_letter(struct akin__cursor *c, char letter)
{
    skip(c);
    const bool is = akin__left(c) && *c->at == (uint8_t)letter;
    c->at += is;
    return is;
}

static void need(struct akin__cursor *c, char letter)
{
    c->bad = !take_letter(c, letter) || c->bad;
}

/* A string between quotes of either kind, without escapes. */
static void take_string(struct akin__cursor *c, char *text, size_t capacity)
{
    size_t used = 0;
    skip(c);
    const uint8_t *quote = akin__take(c, 1);
    if (!quote || (*quote != '\'' && *quote != '"')) {
        c->bad = true;
        return;
    }
    for (;;) {
        const uint8_t *letter = akin__take(c, 1);
        if (!letter || used + 1 == capacity || *letter == '\\') {
            c->bad = true;
            break;
        }
        if (*letter == *quote)
            break;
        text[used++] = (char)*letter;
    }
    text[used] = 0;
}

static bool take_bool(struct akin__cursor *c)
{
    skip(c);
    const bool yes = akin__left(c) >= 4 && memcmp(c->at, "True", 4) == 0;
    const uint8_t *word = akin__take(c, yes ? 4 : 5);
    if (word && !yes && memcmp(word, "False", 5) != 0)
        c->bad = true;
    return yes;
}

static uint64_t take_number(struct akin__cursor *c)
{
    uint64_t number = 0;
    size_t digits = 0;
    skip(c);
    for (; akin__left(c) && *c->at >= '0' && *c->at <= '9'; digits++) {
        number = number * 10 + (uint64_t)(*c->at - '0');
        c->at++;
    }
    if (!digits || digits > 18) /* more would not fit; no file is as large */
        c->bad = true;
    return number;
}

static void take_shape(struct akin__cursor *c, struct header *header)
{
    need(c, '(');
    while (!c->bad && !take_letter(c, ')')) {
        const uint64_t number = take_number(c);
        if (header->dims < 3)
            header->shape[header->dims] = number;
        header->dims++;
        if (!take_letter(c, ',')) {
            need(c, ')');
            break;
        }
    }
}

static void take_entry(struct akin__cursor *c, struct header *header)
{
    char key[16];
    take_string(c, key, sizeof key);
    need(c, ':');
    if (c->bad)
        return;
    if (strcmp(key, "descr") == 0) {
        take_string(c, header->type, sizeof header->type);
        header->has_type = true;
    } else if (strcmp(key, "fortran_order") == 0) {
        header->fortran = take_bool(c);
        header->has_order = true;
    } else if (strcmp(key, "shape") == 0 && !header->has_shape) {
        take_shape(c, header);
        header->has_shape = true;
    } else {
        c->bad = true;
    }
}

static bool take_dict(struct akin__cursor *c, struct header *header)
{
    memset(header, 0, sizeof *header);
    need(c, '{');
    while (!c->bad && !take_letter(c, '}')) {
        take_entry(c, header);
        if (!take_letter(c, ',')) {
            need(c, '}');
            break;
        }
    }
    return !c->bad && header->has_type && header->has_order &&
           header->has_shape;
}

static akin_status check_type(struct akin__vectors *v,
                              const struct header *header, akin_error *err)
{
    static const char *const types[] = {
        [AKIN__F32] = "<f4", [AKIN__F64] = "<f8", [AKIN__F16] = "<f2"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(header->type, types[i]) == 0) {
            v->number = (enum akin__number)i;
            return AKIN_OK;
        }
    }
    return akin__fail(err, AKIN_EFORMAT,
                      "%s: its numbers are %s%s; akin reads float32, float64 "
                      "and float16: np.save(..., array.astype('<f4'))",
                      v->file.path, header->type,
                      header->type[0] == '>' ? ", of a big-endian machine"
                                             : "");
}

static akin_status check_shape(struct akin__vectors *v,
                               const struct header *header, uint64_t size,
                               akin_error *err)
{
    const char *path = v->file.path;
    size_t bytes, end;
    if (header->dims != 2)
        return akin__fail(err, AKIN_EFORMAT,
                          "%s: the array has %zu dimensions; it needs 2, rows "
                          "and numbers",
                          path, header->dims);
    if (header->fortran)
        return akin__fail(err, AKIN_EFORMAT,
                          "%s: the array lies in Fortran's order; "
                          "np.save(..., np.ascontiguousarray(array)) turns it",
                          path);
    const akin_status status =
        akin__vectors_check_dim(path, header->shape[1], err);
    if (status)
        return status;
    v->dim = (size_t)header->shape[1];
    v->rows = header->shape[0];
    if (!akin__mul_ok(v->rows, akin__vectors_row_bytes(v), &bytes) ||
        !akin__add_ok(bytes, v->data, &end) || end > size)
        return akin__fail(err, AKIN_EFORMAT,
                          "%s: is cut short, or no true header: %llu rows of "
                          "%zu numbers do not fit in its %llu bytes",
                          path, (unsigned long long)v->rows, v->dim,
                          (unsigned long long)size);
    return end == size
               ? AKIN_OK
               : akin__fail(err, AKIN_EFORMAT,
                            "%s: has %llu bytes behind its rows: more than one "
                            "array?",
                            path, (unsigned long long)(size - end));
}

akin_status akin__npy_open(struct akin__vectors *v, const uint8_t *head,
                           size_t count, uint64_t size, akin_error *err)
{
    struct akin__cursor c = akin__cursor(head, count);
    struct header header;
    akin__take(&c, 6);
    const uint32_t major = akin__take_uint(&c, 1, false);
    akin__take(&c, 1);
    const uint32_t length = akin__take_uint(&c, major == 1 ? 2 : 4, false);
    const uint8_t *text = akin__take(&c, length);
    if (major < 1 || major > 3)
        return akin__fail(err, AKIN_EFORMAT, "%s: npy of version %lu (1 to 3)",
                          v->file.path, (unsigned long)major);
    if (!text)
        return akin__fail(err, AKIN_EFORMAT,
                          "%s: is cut short, or no npy: its header has %lu "
                          "bytes, the file %llu",
                          v->file.path, (unsigned long)length,
                          (unsigned long long)size);
    v->data = (uint64_t)(c.at - head);
    c = akin__cursor(text, length);
    if (!take_dict(&c, &header))
        return akin__fail(err, AKIN_EFORMAT,
                          "%s: the header is not one that NumPy writes for an "
                          "array of numbers",
                          v->file.path);
    v->format = "npy";
    const akin_status status = check_type(v, &header, err);
    return status ? status : check_shape(v, &header, size, err);
}
