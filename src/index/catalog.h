/*
 * Catalog: the SQLite database of an index, X.akin/catalog.db, as
 * docs/format.md describes it. SQL stands where it is used; here is what every
 * use shares.
 *
 * Threads: one at a time for each struct.
 */
#ifndef AKIN_INDEX_CATALOG_H
#define AKIN_INDEX_CATALOG_H

#include <sqlite3.h>
#include <stdbool.h>

#include "akin.h"

/* Of the layout on disk, in the catalog's user_version. */
enum { AKIN__INDEX_VERSION = 2 };
/* Longest path that SQLite opens, less the length of "-journal". */
enum { AKIN__CATALOG_PATH_MAX = 500 };

/* How a message of damage ends. */
#define AKIN__WAY_OUT "; `akin repair` keeps what holds"

struct akin__catalog {
    sqlite3 *db;
    const char *shown;      /* the path that messages name; the index's */
    int version;            /* of the layout, when it was opened */
    sqlite3_stmt *kept[64]; /* statements, prepared at first use */
};

enum akin__catalog_mode {
    AKIN__CATALOG_READ,
    AKIN__CATALOG_WRITE,
    AKIN__CATALOG_CREATE /* write, and make the tables if there are none */
};

/*
 * Open `path` (absolute). AKIN_ENOTFOUND when it has no tables yet, AKIN_EINDEX
 * when it is no catalog or of a newer version, AKIN_ECORRUPT, AKIN_EIO. On
 * failure *catalog owns nothing.
 */
akin_status akin__catalog_open(struct akin__catalog *catalog, const char *path,
                               const char *shown, enum akin__catalog_mode mode,
                               akin_error *err);
void akin__catalog_close(struct akin__catalog *catalog);
/* AKIN_ENOTFOUND: whoever made the index did not get so far. */
akin_status akin__catalog_begun(const char *shown, akin_error *err);

/*
 * The statement for `sql` (a literal), fresh, with its parameters bound as
 * `types` says, a letter each: i int64_t, t text, p a path (bytes of a C
 * string), b const void * and size_t, n nothing (NULL). What is bound must
 * live until akin__sql_end.
 */
akin_status akin__sql(struct akin__catalog *catalog, sqlite3_stmt **statement,
                      akin_error *err, const char *sql, const char *types, ...);
/* The next row: *row says whether there is one. */
akin_status akin__sql_step(struct akin__catalog *catalog,
                           sqlite3_stmt *statement, bool *row, akin_error *err);
/* Let go of what a statement holds; NULL is nothing. */
void akin__sql_end(sqlite3_stmt *statement);
/* The same from beginning to end, for what gives no rows. */
akin_status akin__sql_run(struct akin__catalog *catalog, akin_error *err,
                          const char *sql, const char *types, ...);
/* The one number that `sql` asks for; 0 when it gives no row. */
akin_status akin__sql_number(struct akin__catalog *catalog, int64_t *number,
                             akin_error *err, const char *sql);

/* Calls `bad` for each page of the file whose checksum does not hold, also for
 * those that no table uses. AKIN_EIO. */
akin_status akin__catalog_pages(struct akin__catalog *catalog,
                                void (*bad)(void *context, uint64_t page),
                                void *context, akin_error *err);

/* A path column: bytes without a zero, ended by one; valid until the next step.
 * AKIN_ECORRUPT when it is none. */
akin_status akin__sql_path(struct akin__catalog *catalog,
                           sqlite3_stmt *statement, int column,
                           const char **path, akin_error *err);

#endif
