/*
 * pgvector: a table of PostgreSQL brought in line with the rows of a model.
 *
 * Each row of the table has the id of its file in the catalog and a mark, a
 * hash over all that the other columns hold. Ids and marks of the table, in
 * order, are held against those of the index, a block at a time; only what
 * differs is sent, by COPY in binary form, into a temporary table. At the end
 * three statements take it from there, and one commit makes all of it visible.
 * Whatever goes wrong before leaves the table as it was.
 *
 * The table's comment says whose vectors it holds: model, fingerprint, index.
 */
#include "index/pgvector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "index/index.h"

enum {
    TABLE_VERSION = 1, /* of the columns, in the comment */
    FETCHED = 20000,   /* marks at a time */
    SENT_BYTES = 1 << 18,
    ASK_EVERY = 1024 /* rows between two calls of progress */
};

struct sync {
    akin_index *index;
    const struct akin__rows *rows;
    size_t ordinal;
    akin_pgvector_options options;
    akin_pgvector_report *report;
    struct akin__server server;
    char *table;          /* between quotes */
    uint64_t count, done; /* rows of the index */

    sqlite3_stmt *local;
    struct akin__pg_row here;
    bool local_end;
    PGresult *fetched; /* file and mark */
    int at, fetched_count;
    bool remote_end;
    bool copying;
    struct akin__text out; /* of COPY, not sent yet */
};

static int stop(void *context)
{
    struct sync *s = context;
    return s->options.progress ? s->options.progress(s->options.context, "rows",
                                                     s->done, s->count)
                               : 0;
}

/* ------------------------------------------------------------- table ------ */

/* Letters of the model's name that need no quotes in SQL. */
static void usual_name(const char *model, char *name, size_t capacity)
{
    snprintf(name, capacity, "akin_%.50s", model);
    for (char *at = name; *at; at++) {
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at - 'A' + 'a');
        else if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789", *at))
            *at = '_';
    }
}

static char *make_comment(const struct sync *s)
{
    json_t *object = json_object();
    char *text = NULL;
    int bad = json_object_set_new(object, "akin", json_integer(TABLE_VERSION));
    bad |= akin__json_set_path(object, "model", s->rows->is.name);
    bad |= json_object_set_new(object, "fingerprint",
                               json_string(s->rows->is.fingerprint));
    bad |= akin__json_set_path(object, "index", s->index->real);
    if (!bad)
        text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    return text;
}

/* What a comment says under `key`; "" for nothing. */
static const char *said(const json_t *comment, const char *key)
{
    const char *text = json_string_value(json_object_get(comment, key));
    return text ? text : "";
}

/* That the table is this model's of this index, as its comment says. */
static akin_status check_comment(const struct sync *s, const char *text,
                                 const char *ours, akin_error *err)
{
    const char *name = s->report->table, *where = s->server.shown;
    json_t *theirs = json_loads(text, 0, NULL),
           *own = json_loads(ours, 0, NULL);
    const json_int_t version =
        json_integer_value(json_object_get(theirs, "akin"));
    const char *index = said(theirs, "index");
    akin_status status = AKIN_OK;
    AKIN_CHECK(own, err, AKIN_ENOMEM, "%s: no memory", where);
    AKIN_CHECK(version == TABLE_VERSION, err, AKIN_EINDEX,
               "%s: the table %s is there and is not akin's, or of another "
               "version; --table names another",
               where, name);
    AKIN_CHECK(strcmp(said(theirs, "fingerprint"), s->rows->is.fingerprint) ==
                   0,
               err, AKIN_EINDEX,
               "%s: the table %s holds vectors of %s that were made "
               "differently (fingerprint %.12s, not %.12s); --table names "
               "another",
               where, name, said(theirs, "model"), said(theirs, "fingerprint"),
               s->rows->is.fingerprint);
    /* One that is not there any more is this one before it moved. */
    AKIN_CHECK(strcmp(index, said(own, "index")) == 0 || !akin__exists(index),
               err, AKIN_EINDEX,
               "%s: the table %s holds the pictures of another index, %s; "
               "--table names another",
               where, name, index);
out:
    json_decref(theirs);
    json_decref(own);
    return status;
}

/* Make the table, or check it; `comment` is what it is to say. */
static akin_status take_table(struct sync *s, const char *comment,
                              akin_error *err)
{
    struct akin__server *server = &s->server;
    PGresult *answer = NULL;
    char *literal = NULL, *name = NULL;
    akin_status status = akin__server_literal(server, s->table, &name, err);
    AKIN_TRY(status);
    AKIN_TRY(akin__server_ask(
        server, &answer, err,
        "SELECT coalesce(obj_description(to_regclass(%s), 'pg_class'), '') "
        "WHERE to_regclass(%s) IS NOT NULL",
        name, name));
    const char *there = PQntuples(answer) ? PQgetvalue(answer, 0, 0) : NULL;
    if (there)
        AKIN_TRY(check_comment(s, there, comment, err));
    else
        AKIN_TRY(akin__server_ask(
            server, NULL, err,
            "CREATE TABLE %s(file bigint PRIMARY KEY, mark bigint NOT NULL, "
            "path text NOT NULL, path_bytes bytea, width integer, "
            "height integer, format text, bytes bigint, mtime timestamptz, "
            "taken timestamp, content bytea, embedding vector(%lu) NOT NULL)",
            s->table, (unsigned long)s->rows->is.dim));
    AKIN_TRY(akin__server_literal(server, comment, &literal, err));
    if (!there || strcmp(there, comment)) /* the owner's right alone */
        AKIN_TRY(akin__server_ask(
            server, NULL, err, "COMMENT ON TABLE %s IS %s", s->table, literal));
    /* Nobody else changes it meanwhile; who reads is not kept waiting. */
    AKIN_TRY(akin__server_ask(server, NULL, err,
                              "LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE",
                              s->table));
out:
    PQclear(answer);
    akin__free(literal);
    akin__free(name);
    return status;
}

static akin_status begin(struct sync *s, akin_error *err)
{
    struct akin__server *server = &s->server;
    char *comment = make_comment(s);
    akin_status status = AKIN_OK;
    AKIN_CHECK(comment, err, AKIN_ENOMEM, "%s: no memory", s->index->path);
    AKIN_TRY(akin__server_quote(server, s->report->table, &s->table, err));
    AKIN_TRY(akin__server_ask(server, NULL, err, "BEGIN"));
    AKIN_TRY(akin__server_ask(server, NULL, err,
                              "CREATE EXTENSION IF NOT EXISTS vector"));
    AKIN_TRY(take_table(s, comment, err));
    AKIN_TRY(akin__server_ask(
        server, NULL, err,
        "CREATE TEMPORARY TABLE akin_changed ON COMMIT DROP AS "
        "SELECT " AKIN__PG_COLUMNS " FROM %s WITH NO DATA",
        s->table));
    AKIN_TRY(akin__server_ask(server, NULL, err,
                              "DECLARE akin_there NO SCROLL CURSOR FOR "
                              "SELECT file, mark FROM %s ORDER BY file",
                              s->table));
out:
    akin__free(comment);
    return status;
}

/* ------------------------------------------------------------- rows ------ */

/* The next row of the index, in order of file, into s->here. */
static akin_status next_here(struct sync *s, akin_error *err)
{
    struct akin__catalog *c = &s->index->read.catalog;
    struct akin__pg_row *row = &s->here;
    sqlite3_stmt *q = s->local;
    const char *stored;
    bool there;
    akin__free((void *)(uintptr_t)row->path);
    memset(row, 0, sizeof *row);
    akin_status status = akin__sql_step(c, q, &there, err);
    s->local_end = !there;
    if (status || !there)
        return status;
    status = akin__sql_path(c, q, 3, &stored, err);
    if (status)
        return status;
    *row = (struct akin__pg_row){.file = sqlite3_column_int64(q, 0),
                                 .row = sqlite3_column_int64(q, 1),
                                 .crc = (uint32_t)sqlite3_column_int64(q, 2),
                                 .path = akin__absolute_path(s->index, stored),
                                 .bytes = sqlite3_column_int64(q, 4),
                                 .mtime_ns = sqlite3_column_int64(q, 5),
                                 .width = sqlite3_column_int64(q, 7),
                                 .height = sqlite3_column_int64(q, 8)};
    row->taken = sqlite3_column_type(q, 10) == SQLITE_INTEGER
                     ? sqlite3_column_int64(q, 10)
                     : INT64_MIN;
    const unsigned char *format = sqlite3_column_text(q, 9);
    row->format = format ? (const char *)format : "";
    row->content = sqlite3_column_blob(q, 6);
    if (!row->path)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", s->index->path);
    if (!row->content || sqlite3_column_bytes(q, 6) != 32)
        return akin__fail(err, AKIN_ECORRUPT,
                          "%s/catalog.db: the content of file %lld is no hash",
                          s->index->path, (long long)row->file);
    row->known = akin__content_known(row->content);
    return akin__pg_mark(row, err);
}

static akin_status send(struct sync *s, akin_error *err)
{
    if (s->out.failed)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", s->index->path);
    const akin_status status =
        akin__server_add(&s->server, s->out.bytes, s->out.length, err);
    s->out.length = 0;
    return status;
}

static akin_status begin_copy(struct sync *s, akin_error *err)
{
    if (s->copying)
        return AKIN_OK;
    s->copying = true;
    akin__pg_put_begin(&s->out);
    return akin__server_copy(
        &s->server, "COPY akin_changed FROM STDIN (FORMAT binary)", err);
}

static akin_status end_copy(struct sync *s, akin_error *err)
{
    if (!s->copying)
        return AKIN_OK;
    s->copying = false;
    akin__pg_put_end(&s->out);
    const akin_status status = send(s, err);
    return status ? status : akin__server_end(&s->server, err);
}

static akin_status put_row(struct sync *s, const struct akin__pg_row *row,
                           akin_error *err)
{
    float vector[AKIN_MAX_DIM];
    const akin_status status =
        akin__row_vector(s->index, s->rows, row->row, row->crc, vector, err);
    if (!status)
        akin__pg_put(&s->out, row, vector, s->rows->is.dim);
    return status;
}

/* `row` NULL: the file is gone. */
static akin_status change(struct sync *s, const struct akin__pg_row *row,
                          int64_t file, akin_error *err)
{
    akin_status status = begin_copy(s, err);
    if (!status && row)
        status = put_row(s, row, err);
    else if (!status)
        akin__pg_put_gone(&s->out, file);
    if (!status && s->out.length >= SENT_BYTES)
        status = send(s, err);
    return status;
}

/* ----------------------------------------------------------- compare ------ */

static int64_t there(const struct sync *s, int column)
{
    return strtoll(PQgetvalue(s->fetched, s->at, column), NULL, 10);
}

/* Have a row of the table at hand, unless there is none any more. */
static akin_status have_there(struct sync *s, akin_error *err)
{
    if (s->remote_end || s->at < s->fetched_count)
        return AKIN_OK;
    PQclear(s->fetched);
    s->fetched = NULL;
    s->at = s->fetched_count = 0;
    akin_status status = end_copy(s, err);
    if (!status)
        status = akin__server_ask(&s->server, &s->fetched, err,
                                  "FETCH %d FROM akin_there", FETCHED);
    if (status)
        return status;
    s->fetched_count = PQntuples(s->fetched);
    s->remote_end = !s->fetched_count;
    return AKIN_OK;
}

static akin_status compare(struct sync *s, akin_error *err)
{
    akin_pgvector_report *report = s->report;
    akin_status status = next_here(s, err);
    while (!status) {
        status = have_there(s, err);
        if (status || (s->local_end && s->remote_end))
            break;
        const int64_t other = s->remote_end ? 0 : there(s, 0);
        const bool gone =
            !s->remote_end && (s->local_end || s->here.file > other);
        const bool added = !gone && (s->remote_end || s->here.file < other);
        if (gone) {
            report->removed++;
            status = change(s, NULL, other, err);
        } else if (added) {
            report->added++;
            status = change(s, &s->here, 0, err);
        } else if (s->here.mark != there(s, 1)) {
            report->updated++;
            status = change(s, &s->here, 0, err);
        } else {
            report->unchanged++;
        }
        s->at += !added;
        if (!status && !gone) {
            s->done++;
            status = next_here(s, err);
        }
        if (!status && s->done % ASK_EVERY == 0 && stop(s))
            status = akin__fail(err, AKIN_ECANCELLED, "%s: stopped",
                                s->server.shown);
    }
    if (!status && s->done != s->count)
        status = akin__fail(err, AKIN_ECORRUPT,
                            "%s/catalog.db: %llu rows, of which %llu have a "
                            "file",
                            s->index->path, (unsigned long long)s->count,
                            (unsigned long long)s->done);
    return status ? status : end_copy(s, err);
}

static akin_status finish(struct sync *s, akin_error *err)
{
    struct akin__server *server = &s->server;
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__server_ask(server, NULL, err, "CLOSE akin_there"));
    if (s->report->removed)
        AKIN_TRY(akin__server_ask(server, NULL, err,
                                  "DELETE FROM %s AS t USING akin_changed AS c "
                                  "WHERE t.file = c.file AND c.mark IS NULL",
                                  s->table));
    if (s->report->added || s->report->updated)
        AKIN_TRY(akin__server_ask(
            server, NULL, err,
            "INSERT INTO %s(" AKIN__PG_COLUMNS ") SELECT " AKIN__PG_COLUMNS
            " FROM akin_changed WHERE mark IS NOT NULL ON CONFLICT (file) "
            "DO UPDATE SET (" AKIN__PG_COLUMNS
            ") = (excluded.file, excluded.mark, "
            "excluded.path, excluded.path_bytes, excluded.width, "
            "excluded.height, excluded.format, excluded.bytes, excluded.mtime, "
            "excluded.taken, excluded.content, excluded.embedding)",
            s->table));
    AKIN_TRY(akin__server_ask(server, NULL, err, "COMMIT"));
out:
    return status;
}

/* ---------------------------------------------------------- together ------ */

static akin_status count_rows(struct sync *s, akin_error *err)
{
    struct akin__catalog *c = &s->index->read.catalog;
    sqlite3_stmt *q = NULL;
    bool row;
    akin_status status =
        akin__sql(c, &q, err, "SELECT count(*) FROM rows WHERE model = ?", "i",
                  (int64_t)s->ordinal);
    if (!status)
        status = akin__sql_step(c, q, &row, err);
    if (!status)
        s->count = (uint64_t)sqlite3_column_int64(q, 0);
    akin__sql_end(q);
    return status;
}

static akin_status sync_model(struct sync *s, const char *to, akin_error *err)
{
    akin_status status = AKIN_OK;
    s->rows = &s->index->read.model[s->ordinal];
    if (s->options.table)
        snprintf(s->report->table, sizeof s->report->table, "%s",
                 s->options.table);
    else
        usual_name(s->rows->is.name, s->report->table, sizeof s->report->table);
    s->server.stop = stop;
    s->server.context = s;
    AKIN_TRY(count_rows(s, err));
    AKIN_TRY(akin__server_open(&s->server, to, err));
    snprintf(s->report->server, sizeof s->report->server, "%s",
             s->server.shown);
    AKIN_TRY(begin(s, err));
    /* In order of the primary key of rows; + keeps off other indexes. */
    AKIN_TRY(
        akin__sql(&s->index->read.catalog, &s->local, err,
                  "SELECT id, row, crc, path, bytes, mtime_ns, content, "
                  "width, height, format, taken FROM rows CROSS JOIN files "
                  "LEFT JOIN details ON details.file = id "
                  "WHERE +model = ? AND id = rows.file ORDER BY rows.file",
                  "i", (int64_t)s->ordinal));
    AKIN_TRY(compare(s, err));
    AKIN_TRY(finish(s, err));
out:
    return status;
}

akin_status akin_index_export_pgvector(akin_index *index, const char *model,
                                       const char *to,
                                       const akin_pgvector_options *options,
                                       akin_pgvector_report *report,
                                       akin_error *err)
{
    akin_pgvector_report unused;
    struct sync s = {.index = index, .report = report ? report : &unused};
    memset(s.report, 0, sizeof *s.report);
    if (options && !options->size)
        return akin__fail(err, AKIN_EUSAGE, "options without their size");
    if (options)
        memcpy(&s.options, options,
               options->size < sizeof *options ? options->size
                                               : sizeof *options);
    akin_status status = akin__read_begin(index, err);
    if (status)
        return status;
    status = akin__models_find(index, &index->read, model, &s.ordinal, err);
    if (!status)
        status = sync_model(&s, to, err);
    akin__sql_end(s.local);
    akin__read_end(index);
    PQclear(s.fetched);
    akin__server_close(&s.server);
    akin__free((void *)(uintptr_t)s.here.path);
    akin__free(s.table);
    akin__text_free(&s.out);
    return status;
}
