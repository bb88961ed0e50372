/*
 * Export: the rows of a model in order of path, for others to read.
 *
 * Everything is written aside, checked row by row, synced, and only then put
 * in place. How each format looks stands in export_NAME.c.
 */
#include "index/export.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

enum { BUFFER_BYTES = 1 << 20 };

static const struct akin__export_way *const ways[] = {
    [AKIN_EXPORT_FAISS] = &akin__export_faiss,
    [AKIN_EXPORT_NPY] = &akin__export_npy,
    [AKIN_EXPORT_JSONL] = &akin__export_jsonl,
    [AKIN_EXPORT_CSV] = &akin__export_csv,
    [AKIN_EXPORT_FAISS_IP] = &akin__export_faiss,
    [AKIN_EXPORT_FAISS_IDMAP] = &akin__export_faiss_idmap,
    [AKIN_EXPORT_FAISS_IP_IDMAP] = &akin__export_faiss_idmap,
};
enum { WAYS = sizeof ways / sizeof *ways };

/* --------------------------------------------------------- streams ------ */

static akin_status stream_open(struct akin__stream *s, const char *path,
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

static akin_status stream_flush(struct akin__stream *s, akin_error *err)
{
    const akin_status status =
        akin__file_write(&s->draft.file, s->buffer, s->used, s->written, err);
    s->written += s->used;
    s->used = 0;
    return status;
}

akin_status akin__stream_add(struct akin__stream *s, const void *bytes,
                             size_t count, akin_error *err)
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
static void stream_close(struct akin__stream *s)
{
    if (s->draft.path)
        akin__draft_drop(&s->draft);
    akin__free(s->buffer);
}

/* ------------------------------------------------------------ rows ------ */

akin_status akin__export_floats(struct akin__export *e,
                                const struct akin__export_row *row,
                                akin_error *err)
{
    return akin__stream_add(&e->main, row->vector, akin__row_bytes(e->rows),
                            err);
}

static akin_status add_path(struct akin__export *e, const char *path,
                            akin_error *err)
{
    if (strchr(path, '\n'))
        return akin__fail(err, AKIN_ELIMIT,
                          "%s: a path with a newline cannot be a line of %s; "
                          "export as jsonl or csv",
                          path, e->paths.draft.path);
    akin_status status = akin__stream_add(&e->paths, path, strlen(path), err);
    return status ? status : akin__stream_add(&e->paths, "\n", 1, err);
}

static akin_status add_row(struct akin__export *e, int64_t file,
                           const char *stored, const float *vector,
                           akin_error *err)
{
    const struct akin__export_way *way = ways[e->format];
    char *path = akin__shown_path(e->index, stored);
    const struct akin__export_row row = {file, path, vector};
    if (!path)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", e->index->path);
    akin_status status = way->paths ? add_path(e, path, err) : AKIN_OK;
    if (!status)
        status = way->row(e, &row, err);
    akin__free(path);
    return status;
}

/* CROSS: paths outside, so that their index gives the order. */
#define ROWS_BY_PATH                                                           \
    "FROM files CROSS JOIN rows WHERE file = id AND model = ? ORDER BY path"

static akin_status count_rows(struct akin__export *e, akin_error *err)
{
    struct akin__catalog *c = &e->index->read.catalog;
    sqlite3_stmt *s = NULL;
    bool row;
    akin_status status =
        akin__sql(c, &s, err, "SELECT count(*) FROM rows WHERE model = ?", "i",
                  (int64_t)e->ordinal);
    if (!status)
        status = akin__sql_step(c, s, &row, err);
    if (!status)
        e->count = (uint64_t)sqlite3_column_int64(s, 0);
    akin__sql_end(s);
    return status;
}

akin_status akin__row_vector(const akin_index *index,
                             const struct akin__rows *rows, int64_t row,
                             uint32_t crc, float *vector, akin_error *err)
{
    if (row < 0 || (uint64_t)row >= rows->committed)
        return akin__fail(err, AKIN_ECORRUPT,
                          "%s/catalog.db: row %lld of model %s (it has %llu)",
                          index->path, (long long)row, rows->is.name,
                          (unsigned long long)rows->committed);
    const akin_status status =
        akin__rows_read(rows, (uint64_t)row, 1, vector, err);
    return status ? status
                  : akin__rows_check(rows, (uint64_t)row, crc, vector, err);
}

static akin_status add_rows(struct akin__export *e, akin_error *err)
{
    struct akin__catalog *c = &e->index->read.catalog;
    float vector[AKIN_MAX_DIM];
    sqlite3_stmt *s = NULL;
    const char *stored;
    bool row;
    uint64_t done = 0;
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__sql(c, &s, err, "SELECT path, row, crc, id " ROWS_BY_PATH,
                       "i", (int64_t)e->ordinal));
    for (;; done++) {
        AKIN_TRY(akin__sql_step(c, s, &row, err));
        if (!row)
            break;
        AKIN_TRY(akin__sql_path(c, s, 0, &stored, err));
        AKIN_TRY(akin__row_vector(e->index, e->rows, sqlite3_column_int64(s, 1),
                                  (uint32_t)sqlite3_column_int64(s, 2), vector,
                                  err));
        AKIN_TRY(add_row(e, sqlite3_column_int64(s, 3), stored, vector, err));
    }
    AKIN_CHECK(done == e->count, err, AKIN_ECORRUPT,
               "%s/catalog.db: %llu rows, of which %llu have a file",
               e->index->path, (unsigned long long)e->count,
               (unsigned long long)done);
out:
    akin__sql_end(s);
    return status;
}

akin_status akin__export_ids(struct akin__export *e,
                             akin_status (*visit)(struct akin__export *,
                                                  int64_t file, akin_error *),
                             akin_error *err)
{
    struct akin__catalog *c = &e->index->read.catalog;
    sqlite3_stmt *s = NULL;
    bool row;
    akin_status status = akin__sql(c, &s, err, "SELECT id " ROWS_BY_PATH, "i",
                                   (int64_t)e->ordinal);
    while (!status) {
        status = akin__sql_step(c, s, &row, err);
        if (status || !row)
            break;
        status = visit(e, sqlite3_column_int64(s, 0), err);
    }
    akin__sql_end(s);
    return status;
}

/* ----------------------------------------------------------- files ------ */

/* All are written before any is put in place, the one that was asked for at
 * the end. */
static akin_status publish(struct akin__export *e, akin_error *err)
{
    struct akin__stream *const all[] = {&e->ids, &e->paths, &e->main};
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < 3 && !status; i++)
        if (all[i]->draft.path)
            status = stream_flush(all[i], err);
    for (size_t i = 0; i < 3 && !status; i++)
        if (all[i]->draft.path)
            status = akin__draft_commit(&all[i]->draft, err);
    return status;
}

static akin_status export_model(struct akin__export *e, const char *file,
                                akin_error *err)
{
    const struct akin__export_way *way = ways[e->format];
    akin_status status = AKIN_OK;
    AKIN_TRY(count_rows(e, err));
    AKIN_TRY(stream_open(&e->main, file, "", err));
    if (way->paths)
        AKIN_TRY(stream_open(&e->paths, file, ".paths", err));
    if (way->ids)
        AKIN_TRY(stream_open(&e->ids, file, ".ids.csv", err));
    if (way->head)
        AKIN_TRY(way->head(e, err));
    AKIN_TRY(add_rows(e, err));
    if (way->tail)
        AKIN_TRY(way->tail(e, err));
    AKIN_TRY(publish(e, err));
out:
    return status;
}

akin_status akin_index_export(akin_index *index, const char *model,
                              akin_export_format format, const char *file,
                              akin_error *err)
{
    struct akin__export e = {.index = index, .format = format};
    if ((size_t)format >= WAYS)
        return akin__fail(err, AKIN_EUSAGE, "there is no format %d to export",
                          (int)format);
    akin_status status = akin__read_begin(index, err);
    if (status)
        return status;
    status = akin__models_find(index, &index->read, model, &e.ordinal, err);
    if (!status) {
        e.rows = &index->read.model[e.ordinal];
        status = export_model(&e, file, err);
    }
    stream_close(&e.main);
    stream_close(&e.paths);
    stream_close(&e.ids);
    akin__read_end(index);
    return status;
}
