/* A server of PostgreSQL (pgvector.h), through libpq. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "index/config.h"
#include "index/pgvector.h"

enum {
    WAIT_MS = 200,  /* between two looks at whether to stop */
    NAME_BYTES = 63 /* of a name; PostgreSQL cuts longer ones */
};

const char *akin_pgvector_library(void)
{
    return AKIN_LIBPQ;
}

/* What libpq says, as a line. */
static akin_status refused(const struct akin__server *server, const char *said,
                           akin_error *err)
{
    char line[900];
    size_t used = 0;
    for (; *said && used + 3 < sizeof line; said++) {
        if (*said == '\t')
            continue;
        if (*said != '\n')
            line[used++] = *said;
        else if (said[1])
            line[used++] = ';', line[used++] = ' ';
    }
    line[used] = 0;
    return akin__fail(err, AKIN_ENETWORK, "%s: %s", server->shown, line);
}

static akin_status no_memory(const struct akin__server *server, akin_error *err)
{
    return akin__fail(err, AKIN_ENOMEM, "%s: no memory", server->shown);
}

/* -------------------------------------------------------- connecting ------ */

static const char *value_of(const PQconninfoOption *options, const char *name)
{
    for (; options->keyword; options++)
        if (strcmp(options->keyword, name) == 0)
            return options->val ? options->val : "";
    return "";
}

/*
 * That the address is understood as it was meant. A password with a slash or
 * an @ that is not written %XX would become part of the host, the port or the
 * database, and libpq's message would show it; so it is never asked.
 */
static akin_status check_address(const char *to, akin_error *err)
{
    PQconninfoOption *options = NULL;
    bool good = strncmp(to, "postgresql://", 13) == 0 ||
                strncmp(to, "postgres://", 11) == 0;
    if (good) {
        char *why = NULL;
        options = PQconninfoParse(to, &why);
        PQfreemem(why);
        good = options != NULL;
    }
    if (good) {
        const char *port = value_of(options, "port");
        good = port[strspn(port, "0123456789,")] == 0 &&
               !strchr(value_of(options, "host"), '@') &&
               !strchr(value_of(options, "dbname"), '@');
    }
    PQconninfoFree(options);
    return good ? AKIN_OK
                : akin__fail(err, AKIN_EUSAGE,
                             "the address is no "
                             "postgresql://user@host:port/database; letters "
                             "like / and @ in a password are written %%2F and "
                             "%%40, or it is left to PGPASSWORD or ~/.pgpass");
}

static void ignore(void *context, const char *notice)
{
    (void)context;
    (void)notice;
}

akin_status akin__server_open(struct akin__server *server, const char *to,
                              akin_error *err)
{
    /* What the address says goes before what is said here. */
    static const char *const names[] = {"fallback_application_name",
                                        "connect_timeout", "client_encoding",
                                        "dbname", NULL};
    const char *const values[] = {
        "akin", getenv("PGCONNECT_TIMEOUT") ? NULL : "30", "UTF8", to, NULL};
    snprintf(server->shown, sizeof server->shown, "PostgreSQL");
    const akin_status status = check_address(to, err);
    if (status)
        return status;
    server->db = PQconnectdbParams(names, values, 1);
    if (!server->db)
        return no_memory(server, err);
    if (PQstatus(server->db) != CONNECTION_OK)
        return refused(server, PQerrorMessage(server->db), err);
    snprintf(server->shown, sizeof server->shown, "%s at %s:%s",
             PQdb(server->db), PQhost(server->db), PQport(server->db));
    PQsetNoticeProcessor(server->db, ignore, NULL);
    if (PQsetClientEncoding(server->db, "UTF8"))
        return refused(server, PQerrorMessage(server->db), err);
    return AKIN_OK;
}

void akin__server_close(struct akin__server *server)
{
    PQfinish(server->db);
    server->db = NULL;
}

/* -------------------------------------------------------- statements ------ */

static void cancel(struct akin__server *server)
{
    char ignored[256];
    PGcancel *how = PQgetCancel(server->db);
    if (how)
        PQcancel(how, ignored, sizeof ignored);
    PQfreeCancel(how);
}

/* Wait until the result is there; AKIN_ECANCELLED when it shall not be. */
static akin_status await(struct akin__server *server, akin_error *err)
{
    while (PQisBusy(server->db)) {
        struct pollfd one = {.fd = PQsocket(server->db), .events = POLLIN};
        if (server->stop && server->stop(server->context)) {
            cancel(server);
            return akin__fail(err, AKIN_ECANCELLED, "%s: stopped",
                              server->shown);
        }
        if (poll(&one, 1, WAIT_MS) < 0 && errno != EINTR)
            return akin__fail_errno(err, errno, "%s", server->shown);
        if (one.revents && !PQconsumeInput(server->db))
            return refused(server, PQerrorMessage(server->db), err);
    }
    return AKIN_OK;
}

static akin_status complain(struct akin__server *server, const PGresult *result,
                            akin_error *err)
{
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
    char *said = NULL;
    if (!primary)
        return refused(server, PQresultErrorMessage(result), err);
    said =
        akin__format("%s%s%s%s%s", primary, detail ? "; " : "",
                     detail ? detail : "", hint ? "; " : "", hint ? hint : "");
    const akin_status status = refused(server, said ? said : primary, err);
    akin__free(said);
    return status;
}

/* The result of what was sent. `expected`: what it is when it is good. */
static akin_status take_result(struct akin__server *server, PGresult **result,
                               ExecStatusType expected, akin_error *err)
{
    PGresult *one = NULL;
    akin_status status = await(server, err);
    *result = NULL;
    if (status)
        return status;
    one = PQgetResult(server->db);
    if (!one)
        return refused(server, PQerrorMessage(server->db), err);
    if (PQresultStatus(one) == expected) {
        *result = one;
        return AKIN_OK;
    }
    status = complain(server, one, err);
    PQclear(one);
    return status;
}

/* Nothing more comes of the statement before. */
static akin_status drain(struct akin__server *server, akin_error *err)
{
    PGresult *rest;
    for (;;) {
        const akin_status status = await(server, err);
        if (status)
            return status;
        rest = PQgetResult(server->db);
        if (!rest)
            return AKIN_OK;
        const bool good = PQresultStatus(rest) == PGRES_COMMAND_OK;
        const akin_status bad = good ? AKIN_OK : complain(server, rest, err);
        PQclear(rest);
        if (bad)
            return bad;
    }
}

akin_status akin__server_ask(struct akin__server *server, PGresult **rows,
                             akin_error *err, const char *format, ...)
{
    char *sql = NULL;
    PGresult *result;
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    sql = length < 0 ? NULL : akin__alloc((size_t)length + 1, 1);
    if (!sql)
        return no_memory(server, err);
    va_start(arguments, format);
    vsnprintf(sql, (size_t)length + 1, format, arguments);
    va_end(arguments);
    const int sent = PQsendQuery(server->db, sql);
    akin__free(sql);
    if (!sent)
        return refused(server, PQerrorMessage(server->db), err);
    akin_status status = take_result(
        server, &result, rows ? PGRES_TUPLES_OK : PGRES_COMMAND_OK, err);
    if (status)
        return status;
    status = drain(server, err);
    if (rows && !status)
        *rows = result;
    else
        PQclear(result);
    return status;
}

/* ------------------------------------------------------------- words ------ */

static akin_status quote_part(struct akin__server *server, const char *name,
                              size_t length, char **quoted, akin_error *err)
{
    *quoted = NULL;
    if (!length || length > NAME_BYTES)
        return akin__fail(err, AKIN_EUSAGE,
                          "'%.*s' cannot be the name of a table (1 to %d "
                          "bytes)",
                          (int)length, name, NAME_BYTES);
    *quoted = PQescapeIdentifier(server->db, name, length);
    return *quoted ? AKIN_OK : refused(server, PQerrorMessage(server->db), err);
}

akin_status akin__server_quote(struct akin__server *server, const char *name,
                               char **quoted, akin_error *err)
{
    const char *point = strchr(name, '.');
    const char *rest = point ? point + 1 : name;
    char *schema = NULL, *table = NULL;
    akin_status status = AKIN_OK;
    *quoted = NULL;
    if (point)
        AKIN_TRY(
            quote_part(server, name, (size_t)(point - name), &schema, err));
    AKIN_TRY(quote_part(server, rest, strlen(rest), &table, err));
    *quoted =
        akin__format("%s%s%s", schema ? schema : "", schema ? "." : "", table);
    if (!*quoted)
        status = no_memory(server, err);
out:
    PQfreemem(schema);
    PQfreemem(table);
    return status;
}

akin_status akin__server_literal(struct akin__server *server, const char *text,
                                 char **literal, akin_error *err)
{
    char *made = PQescapeLiteral(server->db, text, strlen(text));
    if (!made)
        return refused(server, PQerrorMessage(server->db), err);
    *literal = akin__strdup(made);
    PQfreemem(made);
    return *literal ? AKIN_OK : no_memory(server, err);
}

/* -------------------------------------------------------------- COPY ------ */

akin_status akin__server_copy(struct akin__server *server, const char *sql,
                              akin_error *err)
{
    PGresult *result;
    if (!PQsendQuery(server->db, sql))
        return refused(server, PQerrorMessage(server->db), err);
    const akin_status status = take_result(server, &result, PGRES_COPY_IN, err);
    PQclear(result);
    return status;
}

akin_status akin__server_add(struct akin__server *server, const char *bytes,
                             size_t count, akin_error *err)
{
    return PQputCopyData(server->db, bytes, (int)count) == 1
               ? AKIN_OK
               : refused(server, PQerrorMessage(server->db), err);
}

akin_status akin__server_end(struct akin__server *server, akin_error *err)
{
    return PQputCopyEnd(server->db, NULL) == 1
               ? drain(server, err)
               : refused(server, PQerrorMessage(server->db), err);
}
