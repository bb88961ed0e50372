/*
 * Vectors with ids (akin_eval.h): what akin export and numpy.save write, and a
 * list beside it. The files are read by index/vectors, which trusts none.
 */
#include <stdio.h>
#include <string.h>

#include "base/draft.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "eval/set.h"
#include "index/vectors.h"

enum { LONGEST_LINE = 64 << 10 };

static akin_status no_memory(const char *path, akin_error *err)
{
    return akin__fail(err, AKIN_ENOMEM, "%s: no memory", path);
}

/* ---------------------------------------------------------------- read -- */

struct reading {
    struct akin__ids *ids;
    size_t room; /* rows */
};

/* The name of a file without its suffix, in place. */
static const char *stem(char *path)
{
    char *slash = strrchr(path, '/');
    char *name = slash ? slash + 1 : path;
    char *dot = strrchr(name, '.');
    if (dot && dot > name)
        *dot = 0;
    return name;
}

static akin_status add_id(struct akin__ids *ids, const char *file,
                          uint64_t line, const char *id, akin_error *err)
{
    bool fresh;
    if (akin__ids_add(ids, id, &fresh) == AKIN_EVAL_NONE)
        return no_memory(file, err);
    return fresh ? AKIN_OK
                 : akin__fail(err, AKIN_EFORMAT,
                              "%s: line %llu: the id %s stands there twice",
                              file, (unsigned long long)line, id);
}

/* Ids of the list at `path`, an id a line, or a path of whose file it is the
 * name. */
static akin_status read_list(struct akin__ids *ids, const char *path,
                             bool paths, akin_error *err)
{
    struct akin__lines lines;
    char *line;
    size_t length;
    akin_status status =
        akin__lines_open(&lines, path, LONGEST_LINE, false, err);
    if (status)
        return status;
    for (;;) {
        AKIN_TRY(akin__lines_next(&lines, &line, &length, err));
        if (!line)
            break;
        AKIN_CHECK(length, err, AKIN_EFORMAT, "%s: line %llu is empty", path,
                   (unsigned long long)lines.number);
        AKIN_TRY(
            add_id(ids, path, lines.number, paths ? stem(line) : line, err));
    }
out:
    akin__lines_close(&lines);
    return status;
}

static akin_status find_list(struct akin__ids *ids, const char *path,
                             akin_error *err)
{
    char *named = akin__format("%s.ids", path);
    char *paths = akin__format("%s.paths", path);
    akin_status status = AKIN_OK;
    AKIN_CHECK(named && paths, err, AKIN_ENOMEM, "%s: no memory", path);
    if (akin__exists(named))
        status = read_list(ids, named, false, err);
    else if (akin__exists(paths))
        status = read_list(ids, paths, true, err);
    else
        status = akin__fail(err, AKIN_ENOTFOUND,
                            "%s: there is no list of its ids, %s with an id a "
                            "line or %s with a path a line",
                            path, named, paths);
out:
    akin__free(named);
    akin__free(paths);
    return status;
}

static akin_status make_room(akin_eval_vectors *v, struct reading *r,
                             akin_error *err)
{
    const size_t room = r->room ? 2 * r->room : 256;
    float *vector = akin__realloc(v->vector, room, v->dim * sizeof *vector);
    if (!vector)
        return akin__fail(err, AKIN_ENOMEM, "no memory for %zu vectors", room);
    v->vector = vector;
    r->room = room;
    return AKIN_OK;
}

static akin_status read_rows(akin_eval_vectors *v, struct akin__vectors *from,
                             struct reading *r, const char *path,
                             akin_error *err)
{
    for (;;) {
        const char *name;
        bool row;
        if (v->count == r->room) {
            const akin_status status = make_room(v, r, err);
            if (status)
                return status;
        }
        akin_status status = akin__vectors_next(
            from, v->vector + v->count * v->dim, &name, &row, err);
        if (status || !row)
            return status;
        v->count++;
        if (!from->named)
            continue;
        char *copy = akin__strdup(name);
        status = copy
                     ? add_id(r->ids, path, from->lines.number, stem(copy), err)
                     : no_memory(path, err);
        akin__free(copy);
        if (status)
            return status;
    }
}

akin_status akin_eval_vectors_read(akin_eval_vectors *v, const char *path,
                                   akin_error *err)
{
    struct akin__vectors from;
    struct reading r = {0};
    *v = (akin_eval_vectors){0};
    akin_status status = akin__vectors_open(&from, path, err);
    if (status)
        return status;
    v->memory = r.ids = akin__calloc(1, sizeof *r.ids);
    v->dim = from.dim;
    AKIN_CHECK(r.ids, err, AKIN_ENOMEM, "%s: no memory", path);
    r.room = 0;
    if (from.rows) { /* known: exactly so much, and one that ends it */
        size_t room;
        AKIN_CHECK(akin__add_ok(from.rows, 1, &room), err, AKIN_ENOMEM,
                   "%s: no memory", path);
        v->vector = akin__alloc(room, v->dim * sizeof *v->vector);
        AKIN_CHECK(v->vector, err, AKIN_ENOMEM, "%s: no memory for %llu rows",
                   path, (unsigned long long)from.rows);
        r.room = room;
    }
    AKIN_TRY(read_rows(v, &from, &r, path, err));
    if (!from.named)
        AKIN_TRY(find_list(r.ids, path, err));
    AKIN_CHECK(r.ids->count == v->count, err, AKIN_EFORMAT,
               "%s: has %zu rows, the list of its ids %lu lines", path,
               v->count, (unsigned long)r.ids->count);
    AKIN_CHECK(v->count, err, AKIN_EFORMAT, "%s: has no rows", path);
    v->id = r.ids->name;
out:
    akin__vectors_close(&from);
    if (status)
        akin_eval_vectors_free(v);
    return status;
}

void akin_eval_vectors_free(akin_eval_vectors *v)
{
    if (v->memory)
        akin__ids_free(v->memory);
    akin__free(v->memory);
    akin__free(v->vector);
    *v = (akin_eval_vectors){0};
}

/* --------------------------------------------------------------- write -- */

static akin_status write_array(const char *path, const float *vector,
                               size_t count, size_t dim, akin_error *err)
{
    struct akin__draft draft;
    char head[128];
    akin__npy_head(head, count, dim);
    akin_status status = akin__draft_open(&draft, path, err);
    if (status)
        return status;
    status = akin__file_write(&draft.file, head, sizeof head, 0, err);
    if (!status)
        status =
            akin__file_write(&draft.file, vector, count * dim * sizeof *vector,
                             sizeof head, err);
    if (!status)
        return akin__draft_commit(&draft, err);
    akin__draft_drop(&draft);
    return status;
}

akin_status akin_eval_vectors_write(const char *path, const float *vector,
                                    const char *const *id, size_t count,
                                    size_t dim, akin_error *err)
{
    char *list = akin__format("%s.ids", path);
    struct akin__text text = {0};
    akin_status status = AKIN_OK;
    AKIN_CHECK(list, err, AKIN_ENOMEM, "%s: no memory", path);
    for (size_t i = 0; i < count; i++) {
        AKIN_CHECK(*id[i] && !strpbrk(id[i], "\r\n"), err, AKIN_ELIMIT,
                   "%s: the id of row %zu is empty or holds a newline, and "
                   "cannot be a line of %s",
                   path, i, list);
        akin__text_add(&text, id[i], strlen(id[i]));
        akin__text_add(&text, "\n", 1);
    }
    AKIN_CHECK(!text.failed, err, AKIN_ENOMEM, "%s: no memory", path);
    AKIN_TRY(akin__replace_file(list, text.bytes, text.length, err));
    AKIN_TRY(write_array(path, vector, count, dim, err));
out:
    akin__free(list);
    akin__text_free(&text);
    return status;
}
