/*
 * Catalog: opening, making and asking the SQLite database of an index.
 *
 * Every page carries a checksum (vfs.h), so a value that comes out of
 * SQLite is one that akin wrote. The tables are compared with those below
 * when a catalog is opened, so nothing else (a trigger, a view) runs in it.
 *
 * A rollback journal that is deleted at commit, because WAL does not work on
 * network discs; synchronous EXTRA, because only then is the deletion, which
 * is the commit, on the disc when COMMIT says so. The cache is never spilled,
 * so a writer blocks readers during COMMIT alone.
 */
#include "index/catalog.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "index/vfs.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { APPLICATION_ID = 0x616b696e }; /* "akin" */
/* How long a commit waits for readers, and a reader for a commit. A reader may
 * be a long export, a commit is short. */
enum { COMMIT_WAITS_MS = 600000, READER_WAITS_MS = 60000 };

static const char *const tables[] = {
    "CREATE TABLE models(ordinal INTEGER PRIMARY KEY, "
    "name TEXT NOT NULL UNIQUE, folder BLOB NOT NULL, "
    "revision TEXT NOT NULL, family TEXT NOT NULL, pool TEXT NOT NULL, "
    "precision TEXT NOT NULL, exif INTEGER NOT NULL, dim INTEGER NOT NULL, "
    "fingerprint TEXT NOT NULL, rows INTEGER NOT NULL)",
    /* The path is last: only it can be long enough to leave its page. */
    "CREATE TABLE files(id INTEGER PRIMARY KEY, bytes INTEGER NOT NULL, "
    "mtime_ns INTEGER NOT NULL, content BLOB NOT NULL, "
    "width INTEGER NOT NULL, height INTEGER NOT NULL, format TEXT NOT NULL, "
    "reason TEXT NOT NULL, failed INTEGER NOT NULL, "
    "retryable INTEGER NOT NULL, path BLOB NOT NULL UNIQUE)",
    "CREATE INDEX contents ON files(content) WHERE failed = 0",
    "CREATE TABLE rows(file INTEGER NOT NULL, model INTEGER NOT NULL, "
    "row INTEGER NOT NULL, crc INTEGER NOT NULL, "
    "PRIMARY KEY(file, model)) WITHOUT ROWID",
    "CREATE TABLE roots(path BLOB NOT NULL PRIMARY KEY) WITHOUT ROWID",
    "CREATE INDEX row_files ON rows(model, row)",
    ("CREATE TABLE details(file INTEGER PRIMARY KEY, taken INTEGER, "
     "hash BLOB NOT NULL)"),
};
/* How many of them a catalog of each version has, from version 1 on. */
static const size_t tables_of[] = {5, COUNT(tables)};

static akin_status io_failure(const struct akin__catalog *c, int rc,
                              akin_error *err)
{
    const int number = c->db ? sqlite3_system_errno(c->db) : 0;
    const char *doing = rc == SQLITE_IOERR_READ     ? "not read"
                        : rc == SQLITE_IOERR_WRITE  ? "not written"
                        : rc == SQLITE_IOERR_FSYNC  ? "not synced"
                        : rc == SQLITE_IOERR_DELETE ? "journal not removed"
                        : rc == SQLITE_CANTOPEN     ? "cannot be opened"
                                                    : sqlite3_errstr(rc);
    if (!number)
        return akin__fail(err, AKIN_EIO, "%s/catalog.db: %s", c->shown, doing);
    akin__fail_errno(err, number, "%s/catalog.db: %s", c->shown, doing);
    if (err)
        err->code = AKIN_EIO;
    return AKIN_EIO;
}

/* What SQLite's answer `rc` means, in words. */
static akin_status catalog_fail(const struct akin__catalog *c, int rc,
                                akin_error *err)
{
    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", c->shown);
    case SQLITE_FULL:
        return akin__fail_errno(err, ENOSPC,
                                "%s/catalog.db: %d bytes not written", c->shown,
                                akin__vfs_no_room(c->db));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return akin__fail(err, AKIN_ELOCKED,
                          "%s/catalog.db: kept busy by another process",
                          c->shown);
    case SQLITE_READONLY:
        return akin__fail(err, AKIN_EIO, "%s/catalog.db: %s", c->shown,
                          rc == SQLITE_READONLY_ROLLBACK
                              ? "a writer was stopped and its work must be "
                                "undone; open it once where it can be written"
                              : "may not be written");
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return akin__fail(err, AKIN_ECORRUPT,
                          "%s/catalog.db: damaged: %s" AKIN__WAY_OUT, c->shown,
                          sqlite3_errstr(rc));
    default:
        break;
    }
    if (rc == SQLITE_IOERR_NOMEM)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", c->shown);
    if (rc == SQLITE_IOERR_DATA)
        return akin__fail(err, AKIN_ECORRUPT,
                          "%s/catalog.db: damaged: page %lu has a wrong "
                          "checksum" AKIN__WAY_OUT,
                          c->shown, (unsigned long)akin__vfs_bad_page(c->db));
    return io_failure(c, rc, err);
}

/* ----------------------------------------------------- asking ---------- */

static akin_status statement_for(struct akin__catalog *c, const char *sql,
                                 sqlite3_stmt **statement, akin_error *err)
{
    size_t i = 0;
    while (i < COUNT(c->kept) && c->kept[i] &&
           strcmp(sqlite3_sql(c->kept[i]), sql) != 0)
        i++;
    if (i == COUNT(c->kept))
        return akin__fail(err, AKIN_EUSAGE, "%s: more than %zu statements",
                          c->shown, COUNT(c->kept));
    if (!c->kept[i]) {
        const int rc = sqlite3_prepare_v3(
            c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &c->kept[i], NULL);
        if (rc)
            return catalog_fail(c, rc, err);
    }
    *statement = c->kept[i];
    return AKIN_OK;
}

static int bind(sqlite3_stmt *s, const char *types, va_list values)
{
    int rc = SQLITE_OK;
    for (int at = 1; *types && rc == SQLITE_OK; types++, at++) {
        const void *bytes = NULL;
        if (*types == 'i')
            rc = sqlite3_bind_int64(s, at, va_arg(values, int64_t));
        else if (*types == 'n')
            rc = sqlite3_bind_null(s, at);
        else
            bytes = va_arg(values, const void *);
        if (*types == 't')
            rc = sqlite3_bind_text(s, at, bytes, -1, SQLITE_STATIC);
        else if (*types == 'p')
            rc =
                sqlite3_bind_blob64(s, at, bytes, strlen(bytes), SQLITE_STATIC);
        else if (*types == 'b')
            rc = sqlite3_bind_blob64(s, at, bytes, va_arg(values, size_t),
                                     SQLITE_STATIC);
    }
    return rc;
}

static akin_status begin(struct akin__catalog *c, sqlite3_stmt **statement,
                         akin_error *err, const char *sql, const char *types,
                         va_list values)
{
    *statement = NULL;
    const akin_status status = statement_for(c, sql, statement, err);
    if (status)
        return status;
    sqlite3_reset(*statement);
    const int rc = bind(*statement, types, values);
    return rc ? catalog_fail(c, rc, err) : AKIN_OK;
}

akin_status akin__sql(struct akin__catalog *c, sqlite3_stmt **statement,
                      akin_error *err, const char *sql, const char *types, ...)
{
    va_list values;
    va_start(values, types);
    const akin_status status = begin(c, statement, err, sql, types, values);
    va_end(values);
    return status;
}

akin_status akin__sql_step(struct akin__catalog *c, sqlite3_stmt *statement,
                           bool *row, akin_error *err)
{
    const int rc = sqlite3_step(statement);
    *row = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW || rc == SQLITE_DONE)
        return AKIN_OK;
    return catalog_fail(c, rc, err);
}

void akin__sql_end(sqlite3_stmt *statement)
{
    if (statement) {
        sqlite3_reset(statement);
        sqlite3_clear_bindings(statement);
    }
}

akin_status akin__sql_run(struct akin__catalog *c, akin_error *err,
                          const char *sql, const char *types, ...)
{
    sqlite3_stmt *statement;
    bool row = true;
    va_list values;
    va_start(values, types);
    akin_status status = begin(c, &statement, err, sql, types, values);
    va_end(values);
    while (!status && row)
        status = akin__sql_step(c, statement, &row, err);
    akin__sql_end(statement);
    return status;
}

akin_status akin__sql_number(struct akin__catalog *c, int64_t *number,
                             akin_error *err, const char *sql)
{
    sqlite3_stmt *statement;
    bool row = false;
    *number = 0;
    akin_status status = akin__sql(c, &statement, err, sql, "");
    if (!status)
        status = akin__sql_step(c, statement, &row, err);
    if (row)
        *number = sqlite3_column_int64(statement, 0);
    akin__sql_end(statement);
    return status;
}

akin_status akin__sql_path(struct akin__catalog *c, sqlite3_stmt *statement,
                           int column, const char **path, akin_error *err)
{
    /* As text, so that SQLite ends it by a zero; its bytes stay the same. */
    const unsigned char *text = sqlite3_column_text(statement, column);
    const size_t bytes = (size_t)sqlite3_column_bytes(statement, column);
    *path = (const char *)text;
    if (!text && sqlite3_errcode(c->db) == SQLITE_NOMEM)
        return catalog_fail(c, SQLITE_NOMEM, err);
    if (!text || bytes == 0 || strlen(*path) != bytes)
        return akin__fail(err, AKIN_ECORRUPT,
                          "%s/catalog.db: a path of %zu bytes is empty or "
                          "holds a zero",
                          c->shown, bytes);
    return AKIN_OK;
}

akin_status akin__catalog_pages(struct akin__catalog *c,
                                void (*bad)(void *context, uint64_t page),
                                void *context, akin_error *err)
{
    uint8_t page[AKIN__PAGE_BYTES];
    sqlite3_file *file = NULL;
    sqlite3_int64 bytes = 0;
    int rc =
        sqlite3_file_control(c->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (!rc)
        rc = file->pMethods->xFileSize(file, &bytes);
    for (sqlite3_int64 at = 0; !rc && at < bytes; at += AKIN__PAGE_BYTES) {
        rc = file->pMethods->xRead(file, page, sizeof page, at);
        if (rc == SQLITE_IOERR_DATA)
            bad(context, (uint64_t)(at / AKIN__PAGE_BYTES) + 1);
        if (rc == SQLITE_IOERR_DATA || rc == SQLITE_IOERR_SHORT_READ)
            rc = SQLITE_OK;
    }
    return rc ? catalog_fail(c, rc, err) : AKIN_OK;
}

/* ---------------------------------------------------- opening ---------- */

static akin_status newer(const struct akin__catalog *c, int64_t version,
                         akin_error *err)
{
    return akin__fail(err, AKIN_EINDEX,
                      "%s: has version %lld of the index, this akin reads up "
                      "to %d; use a newer akin",
                      c->shown, (long long)version, AKIN__INDEX_VERSION);
}

static bool any_page_holds(sqlite3_file *file)
{
    uint8_t page[AKIN__PAGE_BYTES];
    sqlite3_int64 bytes = 0;
    if (file->pMethods->xFileSize(file, &bytes))
        return false;
    for (sqlite3_int64 at = 0; at + AKIN__PAGE_BYTES <= bytes;
         at += AKIN__PAGE_BYTES) {
        const int rc = file->pMethods->xRead(file, page, sizeof page, at);
        if ((rc == SQLITE_OK || rc == SQLITE_IOERR_DATA) &&
            akin__page_holds(page, (uint32_t)(at / AKIN__PAGE_BYTES) + 1))
            return true;
    }
    return false;
}

/* Whether there are rows beside the catalog. */
static bool has_rows(const struct akin__catalog *c)
{
    const char *path = sqlite3_db_filename(c->db, "main");
    char *rows = akin__format("%.*srows-0.f32",
                              (int)(strrchr(path, '/') + 1 - path), path);
    const bool found = rows && akin__exists(rows);
    akin__free(rows);
    return found;
}

/* The version that the first 100 bytes of a catalog claim, 0 if they are
 * none's.
 */
static uint32_t claimed_version(sqlite3_file *file)
{
    uint8_t head[100] = {0};
    const int rc = file->pMethods->xRead(file, head, sizeof head, 0);
    if ((rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ) ||
        memcmp(head, "SQLite format 3", 16) != 0)
        return 0;
    struct akin__cursor at = akin__cursor(head + 60, 40);
    const uint32_t version = akin__take_uint(&at, 4, true);
    akin__take(&at, 4);
    return akin__take_uint(&at, 4, true) == APPLICATION_ID ? version : 0;
}

/* Why a file cannot be read as a catalog. What a first page says whose checksum
 * does not hold tells little, but a version that may come one day is not what a
 * repair should try itself at. Else it is a damaged catalog if any page is a
 * catalog's, or if rows lie beside it. */
static akin_status explain(const struct akin__catalog *c, int rc,
                           akin_error *err)
{
    enum { SOME_DAY = 256 };
    sqlite3_file *file = NULL;
    if ((rc & 0xff) != SQLITE_NOTADB && (rc & 0xff) != SQLITE_CORRUPT &&
        rc != SQLITE_IOERR_DATA)
        return catalog_fail(c, rc, err);
    if (sqlite3_file_control(c->db, "main", SQLITE_FCNTL_FILE_POINTER, &file) ||
        !file || !file->pMethods)
        return catalog_fail(c, rc, err);
    const uint32_t version = claimed_version(file);
    if (version > AKIN__INDEX_VERSION && version < SOME_DAY)
        return newer(c, version, err);
    if (any_page_holds(file) || has_rows(c))
        return catalog_fail(c, rc, err);
    return akin__fail(err, AKIN_EINDEX,
                      "%s: is not an akin index, or its catalog.db is "
                      "damaged",
                      c->shown);
}

static akin_status execute(struct akin__catalog *c, const char *sql,
                           akin_error *err)
{
    const int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
    return rc ? catalog_fail(c, rc, err) : AKIN_OK;
}

/* Make the tables from `first` on and say which version that is, at once. */
static akin_status add_tables(struct akin__catalog *c, size_t first,
                              akin_error *err)
{
    akin_status status = execute(c, "BEGIN IMMEDIATE", err);
    for (size_t i = first; !status && i < COUNT(tables); i++)
        status = execute(c, tables[i], err);
    char *numbers = akin__format("PRAGMA application_id = %d; "
                                 "PRAGMA user_version = %d; COMMIT",
                                 APPLICATION_ID, AKIN__INDEX_VERSION);
    if (!status && !numbers)
        status = akin__fail(err, AKIN_ENOMEM, "%s: no memory", c->shown);
    if (!status)
        status = execute(c, numbers, err);
    akin__free(numbers);
    return status;
}

static akin_status make_tables(struct akin__catalog *c, akin_error *err)
{
    int reserved = AKIN__PAGE_RESERVED;
    akin_status status = execute(c, "PRAGMA page_size = 4096", err);
    if (status)
        return status;
    sqlite3_file_control(c->db, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
    status = execute(c, "PRAGMA auto_vacuum = 0", err);
    return status ? status : add_tables(c, 0, err);
}

/* That the tables are ours, as of `version`, and nothing else is there. */
static akin_status check_tables(struct akin__catalog *c, int64_t version,
                                akin_error *err)
{
    const size_t want = tables_of[version - 1];
    sqlite3_stmt *statement = NULL;
    bool row = true;
    size_t same = 0, all = 0;
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__sql(c, &statement, err,
                       "SELECT sql FROM main.sqlite_schema WHERE sql NOT NULL "
                       "ORDER BY rowid",
                       ""));
    for (;;) {
        AKIN_TRY(akin__sql_step(c, statement, &row, err));
        if (!row)
            break;
        const char *sql = (const char *)sqlite3_column_text(statement, 0);
        if (all < want && sql && strcmp(sql, tables[all]) == 0)
            same++;
        all++;
    }
    AKIN_CHECK(same == want && all == same, err, AKIN_ECORRUPT,
               "%s/catalog.db: its tables are not those of version %lld",
               c->shown, (long long)version);
out:
    akin__sql_end(statement);
    return status;
}

/* What version 1 lacks: a writer adds it, a reader has it empty and to itself.
 * (A reader that was there before a writer came keeps the empty one.) */
static akin_status bring_up(struct akin__catalog *c,
                            enum akin__catalog_mode mode, akin_error *err)
{
    return mode != AKIN__CATALOG_READ
               ? add_tables(c, tables_of[0], err)
               : execute(c,
                         "CREATE TEMP TABLE details(file INTEGER PRIMARY KEY, "
                         "taken INTEGER, hash BLOB NOT NULL)",
                         err);
}

akin_status akin__catalog_begun(const char *shown, akin_error *err)
{
    return akin__fail(err, AKIN_ENOTFOUND,
                      "%s: is an index that was begun and not finished; "
                      "`akin index FOLDER` makes it, or delete it",
                      shown);
}

static akin_status check_identity(struct akin__catalog *c,
                                  enum akin__catalog_mode mode, akin_error *err)
{
    int64_t application, version, tables_there;
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__sql_number(c, &application, err, "PRAGMA application_id"));
    AKIN_TRY(akin__sql_number(c, &version, err, "PRAGMA user_version"));
    AKIN_TRY(akin__sql_number(c, &tables_there, err,
                              "SELECT count(*) FROM sqlite_schema"));
    if (application == 0 && version == 0 && tables_there == 0) {
        if (mode != AKIN__CATALOG_CREATE)
            return akin__catalog_begun(c->shown, err);
        AKIN_TRY(make_tables(c, err));
        version = AKIN__INDEX_VERSION;
    } else if (application != APPLICATION_ID) {
        return akin__fail(err, AKIN_EINDEX, "%s: is not an akin index",
                          c->shown);
    } else if (version < 1 || version > AKIN__INDEX_VERSION) {
        return newer(c, version, err);
    }
    c->version =
        mode == AKIN__CATALOG_READ ? (int)version : AKIN__INDEX_VERSION;
    AKIN_TRY(check_tables(c, version, err));
    if (version < AKIN__INDEX_VERSION)
        status = bring_up(c, mode, err);
out:
    return status;
}

static akin_status configure(struct akin__catalog *c, bool write,
                             akin_error *err)
{
    sqlite3_extended_result_codes(c->db, 1);
    sqlite3_busy_timeout(c->db, write ? COMMIT_WAITS_MS : READER_WAITS_MS);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    const int rc =
        sqlite3_exec(c->db,
                     "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"
                     "PRAGMA temp_store = MEMORY; PRAGMA cache_spill = OFF; "
                     "PRAGMA synchronous = EXTRA",
                     NULL, NULL, NULL);
    return rc ? explain(c, rc, err) : AKIN_OK;
}

akin_status akin__catalog_open(struct akin__catalog *c, const char *path,
                               const char *shown, enum akin__catalog_mode mode,
                               akin_error *err)
{
    const char *vfs = akin__vfs();
    const int create = mode == AKIN__CATALOG_CREATE ? SQLITE_OPEN_CREATE : 0;
    akin_status status = AKIN_OK;
    memset(c, 0, sizeof *c);
    c->shown = shown;
    AKIN_CHECK(vfs, err, AKIN_ENOMEM, "%s: no memory", shown);
    /* Also to read: what a stopped writer left is undone by whoever comes
     * next. SQLite itself falls back to reading where it may not write. */
    const int rc = sqlite3_open_v2(
        path, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | create,
        vfs);
    if (rc) {
        status = catalog_fail(c, rc, err);
        goto out;
    }
    AKIN_TRY(configure(c, mode != AKIN__CATALOG_READ, err));
    AKIN_TRY(check_identity(c, mode, err));
    if (mode == AKIN__CATALOG_READ)
        AKIN_TRY(execute(c, "PRAGMA query_only = ON", err));
out:
    if (status)
        akin__catalog_close(c);
    return status;
}

void akin__catalog_close(struct akin__catalog *c)
{
    for (size_t i = 0; i < COUNT(c->kept); i++) {
        sqlite3_finalize(c->kept[i]);
        c->kept[i] = NULL;
    }
    sqlite3_close(c->db);
    c->db = NULL;
}
