/*
 * Export: the rows of a model in order of path, for others to read.
 *
 * FAISS: an IndexFlatL2 as faiss/impl/index_write.cpp writes it. npy: NEP 1,
 * version 1.0. Both hold no names, so `file`.paths says which row is whose.
 * Everything is written aside, checked row by row, synced, and only then put
 * in place.
 */
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "base/draft.h"
#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "index/index.h"

enum { BUFFER_BYTES = 1 << 20 };

/* A file in the making, written from its beginning to its end. */
struct stream {
    struct akin__draft draft; /* open while draft.path is there */
    uint8_t *buffer;          /* [BUFFER_BYTES] */
    size_t used;
    uint64_t written;
};

static akin_status stream_open(struct stream *s, const char *path,
                               const char *suffix, akin_error *err)
{
    char *whole = akin__format("%s%s", path, suffix);
    s->buffer = akin__alloc(BUFFER_BYTES, 1);
    const akin_status status =
        whole && s->buffer
            ? akin__draft_open(&s->draft, whole, err)
            : akin__fail(err, AKIN_ENOMEM, "%s: no memory", path);
    akin__free(whole);
    return status;
}

static akin_status stream_flush(struct stream *s, akin_error *err)
{
    const akin_status status =
        akin__file_write(&s->draft.file, s->buffer, s->used, s->written, err);
    s->written += s->used;
    s->used = 0;
    return status;
}

static akin_status stream_add(struct stream *s, const void *bytes, size_t count,
                              akin_error *err)
{
    const uint8_t *at = bytes;
    while (count) {
        const size_t room = BUFFER_BYTES - s->used;
        const size_t part = count < room ? count : room;
        memcpy(s->buffer + s->used, at, part);
        s->used += part;
        at += part;
        count -= part;
        if (s->used == BUFFER_BYTES) {
            const akin_status status = stream_flush(s, err);
            if (status)
                return status;
        }
    }
    return AKIN_OK;
}

/* Close it; what was not committed is removed. */
static void stream_close(struct stream *s)
{
    if (s->draft.path)
        akin__draft_drop(&s->draft);
    akin__free(s->buffer);
}

/* -------------------------------------------------------- formats ------ */

struct export
{
    akin_index *index;
    const struct akin__rows *rows;
    akin_export_format format;
    uint64_t count;
    struct stream main, paths;
};

static akin_status faiss_head(struct export *e, akin_error *err)
{
    uint8_t head[45] = "IxF2";
    const uint64_t unused = 1 << 20; /* two fields that FAISS keeps for old */
    akin__store_le32(head + 4, e->rows->is.dim);
    akin__store_le64(head + 8, e->count);
    akin__store_le64(head + 16, unused);
    akin__store_le64(head + 24, unused);
    head[32] = 1;                                            /* trained */
    akin__store_le32(head + 33, 1);                          /* METRIC_L2 */
    akin__store_le64(head + 37, e->count * e->rows->is.dim); /* floats */
    return stream_add(&e->main, head, sizeof head, err);
}

/* Magic, version 1.0, length, and a dict padded so that data is aligned. */
static akin_status npy_head(struct export *e, akin_error *err)
{
    char head[129];
    const int used =
        snprintf(head + 10, sizeof head - 10,
                 "{'descr': '<f4', 'fortran_order': False, "
                 "'shape': (%llu, %lu), }",
                 (unsigned long long)e->count, (unsigned long)e->rows->is.dim);
    memcpy(head, "\x93NUMPY\x01\x00\x76\x00", 10); /* 118 bytes follow */
    memset(head + 10 + used, ' ', (size_t)(117 - used));
    head[127] = '\n';
    return stream_add(&e->main, head, 128, err);
}

static akin_status json_line(struct export *e, const char *path,
                             const float *vector, akin_error *err)
{
    json_t *line = json_object(), *numbers = json_array();
    char *text = NULL;
    int bad = akin__json_set_path(line, "path", path);
    bad |= json_object_set_new(line, "model", json_string(e->rows->is.name));
    bad |= json_object_set_new(line, "dim",
                               json_integer((json_int_t)e->rows->is.dim));
    bad |= json_object_set(line, "vector", numbers);
    for (size_t i = 0; i < e->rows->is.dim && !bad; i++)
        bad |= json_array_append_new(numbers, json_real((double)vector[i]));
    if (!bad) /* 9 digits give the same float back */
        text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(numbers);
    json_decref(line);
    if (!text)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", e->index->path);
    akin_status status = stream_add(&e->main, text, strlen(text), err);
    if (!status)
        status = stream_add(&e->main, "\n", 1, err);
    akin__free(text);
    return status;
}

static akin_status path_line(struct export *e, const char *path,
                             akin_error *err)
{
    if (strchr(path, '\n'))
        return akin__fail(err, AKIN_ELIMIT,
                          "%s: a path with a newline cannot be a line of %s; "
                          "export as jsonl",
                          path, e->paths.draft.path);
    akin_status status = stream_add(&e->paths, path, strlen(path), err);
    return status ? status : stream_add(&e->paths, "\n", 1, err);
}

static akin_status add_row(struct export *e, const char *stored,
                           const float *vector, akin_error *err)
{
    char *path = akin__shown_path(e->index, stored);
    akin_status status;
    if (!path)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", e->index->path);
    if (e->format == AKIN_EXPORT_JSONL) {
        status = json_line(e, path, vector, err);
    } else {
        status = path_line(e, path, err);
        if (!status)
            status =
                stream_add(&e->main, vector, akin__row_bytes(e->rows), err);
    }
    akin__free(path);
    return status;
}

/* ----------------------------------------------------------- rows ------ */

static akin_status count_rows(struct export *e, size_t ordinal, akin_error *err)
{
    const akin_status status = akin__live_load(e->index, ordinal, err);
    e->count = e->index->live[ordinal].count;
    return status;
}

static akin_status add_rows(struct export *e, size_t ordinal, akin_error *err)
{
    struct akin__catalog *c = &e->index->read.catalog;
    float vector[AKIN_MAX_DIM];
    sqlite3_stmt *s = NULL;
    const char *stored;
    bool row;
    uint64_t done = 0;
    akin_status status = AKIN_OK;
    /* CROSS: paths outside, so that their index gives the order. */
    AKIN_TRY(akin__sql(c, &s, err,
                       "SELECT path, row, crc FROM files CROSS JOIN rows "
                       "WHERE file = id AND model = ? ORDER BY path",
                       "i", (int64_t)ordinal));
    for (;; done++) {
        AKIN_TRY(akin__sql_step(c, s, &row, err));
        if (!row)
            break;
        /* Its range was checked when the live rows were counted. */
        const uint64_t number = (uint64_t)sqlite3_column_int64(s, 1);
        AKIN_TRY(akin__sql_path(c, s, 0, &stored, err));
        AKIN_TRY(akin__rows_read(e->rows, number, 1, vector, err));
        AKIN_TRY(akin__rows_check(e->rows, number,
                                  (uint32_t)sqlite3_column_int64(s, 2), vector,
                                  err));
        AKIN_TRY(add_row(e, stored, vector, err));
    }
    AKIN_CHECK(done == e->count, err, AKIN_ECORRUPT,
               "%s/catalog.db: %llu rows, of which %llu have a file",
               e->index->path, (unsigned long long)e->count,
               (unsigned long long)done);
out:
    akin__sql_end(s);
    return status;
}

/* Both are written before either is put in place. */
static akin_status publish(struct export *e, bool paths, akin_error *err)
{
    akin_status status = AKIN_OK;
    AKIN_TRY(stream_flush(&e->main, err));
    if (paths) {
        AKIN_TRY(stream_flush(&e->paths, err));
        AKIN_TRY(akin__draft_commit(&e->paths.draft, err));
    }
    AKIN_TRY(akin__draft_commit(&e->main.draft, err));
out:
    return status;
}

static akin_status export_model(struct export *e, size_t ordinal,
                                const char *file, akin_error *err)
{
    const bool paths = e->format != AKIN_EXPORT_JSONL;
    akin_status status = AKIN_OK;
    AKIN_TRY(count_rows(e, ordinal, err));
    AKIN_TRY(stream_open(&e->main, file, "", err));
    if (paths)
        AKIN_TRY(stream_open(&e->paths, file, ".paths", err));
    if (e->format == AKIN_EXPORT_FAISS)
        AKIN_TRY(faiss_head(e, err));
    if (e->format == AKIN_EXPORT_NPY)
        AKIN_TRY(npy_head(e, err));
    AKIN_TRY(add_rows(e, ordinal, err));
    AKIN_TRY(publish(e, paths, err));
out:
    return status;
}

akin_status akin_index_export(akin_index *index, const char *model,
                              akin_export_format format, const char *file,
                              akin_error *err)
{
    struct export e = {.index = index, .format = format};
    size_t ordinal;
    akin_status status = akin__read_begin(index, err);
    if (status)
        return status;
    status = akin__models_find(index, &index->read, model, &ordinal, err);
    if (!status) {
        e.rows = &index->read.model[ordinal];
        status = export_model(&e, ordinal, file, err);
    }
    stream_close(&e.main);
    stream_close(&e.paths);
    akin__read_end(index);
    return status;
}
