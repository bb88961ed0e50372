/*
 * What pgvector.c needs. A server of PostgreSQL (pgvector_server.c): statements
 * one after the other over one connection, and COPY into a table; messages name
 * the database and never the address that was given, which may hold a password.
 * And the rows of the table (pgvector_row.c).
 */
#ifndef AKIN_INDEX_PGVECTOR_H
#define AKIN_INDEX_PGVECTOR_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "akin.h"
#include "base/text.h"

struct akin__server {
    PGconn *db;
    char shown[256]; /* "database at host:port" */
    /* Asked while the server is waited for; other than 0 stops: */
    int (*stop)(void *context);
    void *context;
};

/* AKIN_EUSAGE when `to` is no URI, AKIN_ENETWORK. akin__server_close serves
 * after a failure too. */
akin_status akin__server_open(struct akin__server *server, const char *to,
                              akin_error *err);
/* What was not committed is undone. */
void akin__server_close(struct akin__server *server);

/* A statement that is printed; its rows into *rows (PQclear them), which may
 * be NULL. */
akin_status akin__server_ask(struct akin__server *server, PGresult **rows,
                             akin_error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* `name`, or both sides of its first point, between quotes as the server takes
 * them; allocated. AKIN_EUSAGE when it cannot be the name of a table. */
akin_status akin__server_quote(struct akin__server *server, const char *name,
                               char **quoted, akin_error *err);
/* Text as a literal, quotes included; allocated. */
akin_status akin__server_literal(struct akin__server *server, const char *text,
                                 char **literal, akin_error *err);

/* COPY ... FROM STDIN: begin with the statement, add, end. */
akin_status akin__server_copy(struct akin__server *server, const char *sql,
                              akin_error *err);
akin_status akin__server_add(struct akin__server *server, const char *bytes,
                             size_t count, akin_error *err);
akin_status akin__server_end(struct akin__server *server, akin_error *err);

/* ------------------------------------------------------------- rows ------ */

#define AKIN__PG_COLUMNS                                                       \
    "file, mark, path, path_bytes, width, height, format, bytes, mtime, "      \
    "taken, content, embedding"

/* A row of the index, as the table shall have it. */
struct akin__pg_row {
    int64_t file, mark, row;
    uint32_t crc;
    const char *path, *format; /* path: allocated */
    int64_t width, height, bytes, mtime_ns;
    int64_t taken;       /* INT64_MIN: not known */
    const void *content; /* [32] */
    bool known;          /* the content */
};

/* row->mark, over all that the table shows of the row. */
akin_status akin__pg_mark(struct akin__pg_row *row, akin_error *err);

/* What COPY takes: a beginning, rows of AKIN__PG_COLUMNS, and an end. A row
 * that is gone is nothing but the id of its file. */
void akin__pg_put_begin(struct akin__text *out);
void akin__pg_put(struct akin__text *out, const struct akin__pg_row *row,
                  const float *vector, size_t dim);
void akin__pg_put_gone(struct akin__text *out, int64_t file);
void akin__pg_put_end(struct akin__text *out);

#endif
