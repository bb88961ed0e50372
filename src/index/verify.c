/*
 * Verify: is an index whole, and if not, what is not?
 *
 * From the bottom up: the pages of the catalog, each by its checksum; what
 * SQLite says of their structure; what the tables say of each other; the head
 * and size of each row file; every row that a file has; the codes, which may be
 * missing, but not wrong. Damage below makes
 * what is said above it unsure, so each step goes as far as it can, and what
 * cannot be read at all is a problem as well.
 *
 * One read transaction over all of it: a writer's commit waits meanwhile.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "index/certainty.h"
#include "index/check.h"

/* ------------------------------------------------------- catalog ------- */

static void bad_page(void *context, uint64_t page)
{
    struct akin__check *check = context;
    akin__check_tell(check, NULL, "catalog.db: page %llu has a wrong checksum",
                     (unsigned long long)page);
}

/* What SQLite finds wrong with trees and records. */
static akin_status check_structure(struct akin__check *check, akin_error *err)
{
    static const char heading[] = "*** in database main ***\n";
    struct akin__catalog *c = &check->index->read.catalog;
    sqlite3_stmt *s = NULL;
    bool row = true;
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__sql(c, &s, err, "PRAGMA main.integrity_check", ""));
    for (;;) {
        AKIN_TRY(akin__sql_step(c, s, &row, err));
        const char *text = row ? (const char *)sqlite3_column_text(s, 0) : NULL;
        if (!row)
            break;
        if (text && strncmp(text, heading, sizeof heading - 1) == 0)
            text += sizeof heading - 1;
        if (text && strcmp(text, "ok") != 0)
            akin__check_tell(check, NULL, "catalog.db: %s", text);
    }
out:
    akin__sql_end(s);
    return status;
}

/* Records that say what cannot be: each query gives the ids of files. */
static const struct {
    const char *sql, *what;
} senseless[] = {
    {"SELECT id FROM files WHERE " AKIN__SENSELESS_FILE,
     "its record makes no sense"},
    {"SELECT file FROM details WHERE typeof(hash) <> 'blob' OR "
     "length(hash) <> 32 OR typeof(taken) NOT IN ('integer', 'null')",
     "its details make no sense"},
    {"SELECT file FROM rows WHERE file NOT IN (SELECT id FROM files)",
     "has a row, but no such file is known"},
    {"SELECT file FROM details WHERE file NOT IN (SELECT id FROM files)",
     "has details, but no such file is known"},
    {"SELECT file FROM rows WHERE model NOT IN (SELECT ordinal FROM models) OR "
     "row < 0 OR row >= (SELECT rows FROM models WHERE ordinal = model) OR "
     "crc NOT BETWEEN 0 AND 4294967295",
     "has a row that does not exist"},
};

/* The stored path of a file, allocated; NULL when there is none to be had. */
static char *path_of(struct akin__check *check, int64_t id)
{
    struct akin__catalog *c = &check->index->read.catalog;
    sqlite3_stmt *s;
    const char *stored;
    char *path = NULL;
    bool row;
    akin_error ignored;
    if (!akin__sql(c, &s, &ignored, "SELECT path FROM files WHERE id = ?", "i",
                   id) &&
        !akin__sql_step(c, s, &row, &ignored) && row &&
        !akin__sql_path(c, s, 0, &stored, &ignored))
        path = akin__strdup(stored);
    akin__sql_end(s);
    return path;
}

static void tell_of(struct akin__check *check, int64_t id, const char *what)
{
    char *path = path_of(check, id);
    akin__check_tell(check, path, "catalog.db: file %lld: %s", (long long)id,
                     what);
    akin__free(path);
}

static akin_status check_records(struct akin__check *check, akin_error *err)
{
    struct akin__catalog *c = &check->index->read.catalog;
    sqlite3_stmt *s = NULL;
    bool row;
    int64_t pictures = 0;
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < sizeof senseless / sizeof *senseless; i++) {
        AKIN_TRY(akin__sql(c, &s, err, senseless[i].sql, ""));
        for (;;) {
            AKIN_TRY(akin__sql_step(c, s, &row, err));
            if (!row)
                break;
            tell_of(check, sqlite3_column_int64(s, 0), senseless[i].what);
        }
        akin__sql_end(s);
        s = NULL;
    }
    AKIN_TRY(akin__sql_number(c, &pictures, err,
                              "SELECT count(*) FROM files WHERE failed = 0"));
    check->report->pictures = (uint64_t)pictures;
out:
    akin__sql_end(s);
    return status;
}

/* ---------------------------------------------------------- rows ------- */

/* The next row that a file has; `last` is the one before it, or -1; *distinct
 * counts them. */
static akin_status check_row(struct akin__check *check,
                             const struct akin__rows *rows, sqlite3_stmt *s,
                             int64_t *last, uint64_t *distinct, akin_error *err)
{
    float vector[AKIN_MAX_DIM];
    akin_error problem;
    const int64_t number = sqlite3_column_int64(s, 0);
    if (number < 0 || (uint64_t)number >= rows->committed)
        return AKIN_OK; /* told already, as a record */
    akin_status status = akin__check_vector(
        rows, (uint64_t)number, (uint32_t)sqlite3_column_int64(s, 1), vector,
        &problem);
    if (!status)
        status = akin__codes_hold(rows, (uint64_t)number, vector, &problem);
    if (status && status != AKIN_ECORRUPT && status != AKIN_EIO) {
        *err = problem;
        return status;
    }
    if (status) {
        char *path = path_of(check, sqlite3_column_int64(s, 2));
        akin__check_tell(check, path, "%s", problem.message);
        akin__free(path);
    } else {
        check->report->rows += number != *last;
    }
    *distinct += number != *last;
    *last = number;
    return akin__check_row(check, err);
}

/* The codes of rows that no file has: a search reads them too. */
static void check_dead(struct akin__check *check, const struct akin__rows *rows,
                       int64_t row, int64_t end)
{
    akin_error problem;
    for (; rows->codes.fd >= 0 && row < end; row++) {
        if (akin__codes_hold(rows, (uint64_t)row, NULL, &problem))
            akin__check_tell(check, NULL, "%s", problem.message);
    }
}

static akin_status check_rows(struct akin__check *check, size_t ordinal,
                              akin_error *err)
{
    struct akin__side *side = &check->index->read;
    const struct akin__rows *rows = &side->model[ordinal];
    sqlite3_stmt *s = NULL;
    uint64_t there, distinct = 0;
    int64_t last = -1, last_file = INT64_MIN;
    bool row;
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__rows_count(rows, &there, err));
    if (there > rows->committed)
        check->report->uncommitted += there - rows->committed;
    AKIN_TRY(akin__sql(&side->catalog, &s, err,
                       "SELECT row, crc, file FROM rows WHERE model = ? "
                       "ORDER BY row",
                       "i", (int64_t)ordinal));
    for (;;) {
        AKIN_TRY(akin__sql_step(&side->catalog, s, &row, err));
        if (!row)
            break;
        const int64_t before = last, number = sqlite3_column_int64(s, 0);
        const int64_t file = sqlite3_column_int64(s, 2);
        AKIN_CHECK(number > last || (number == last && file > last_file), err,
                   AKIN_ECORRUPT, "%s/catalog.db: rows are out of order",
                   check->index->path);
        last_file = file;
        AKIN_TRY(check_row(check, rows, s, &last, &distinct, err));
        check_dead(check, rows, before + 1, last);
    }
    check_dead(check, rows, last + 1, (int64_t)rows->committed);
    check->report->dead += rows->committed - distinct;
out:
    akin__sql_end(s);
    return status;
}

/* What was calibrated, which may be missing, but not wrong. */
static akin_status check_certainty(struct akin__check *check, size_t ordinal,
                                   akin_error *err)
{
    akin_certainty *certainty = akin__alloc(1, sizeof *certainty);
    akin_error problem;
    bool known;
    if (!certainty)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory",
                          check->index->path);
    const akin_status status =
        akin__certainty_read(check->index, &check->index->read.model[ordinal],
                             ordinal, certainty, &known, &problem);
    akin__free(certainty);
    if (status && status != AKIN_ECORRUPT && status != AKIN_EIO) {
        *err = problem;
        return status;
    }
    if (status)
        akin__check_tell(check, NULL, "%s", problem.message);
    return AKIN_OK;
}

/* Where vectors were made, the same. */
static akin_status check_devices(struct akin__check *check, size_t ordinal,
                                 akin_error *err)
{
    akin_error problem;
    unsigned devices;
    const akin_status status =
        akin__devices_read(check->index, &check->index->read.model[ordinal],
                           ordinal, &devices, &problem);
    if (status && status != AKIN_ECORRUPT && status != AKIN_EIO) {
        *err = problem;
        return status;
    }
    if (status)
        akin__check_tell(check, NULL, "%s", problem.message);
    return AKIN_OK;
}

/* The models and their row files, those that can be opened. */
static akin_status check_models(struct akin__check *check, akin_error *err)
{
    akin_index *index = check->index;
    struct akin__side *side = &index->read;
    sqlite3_stmt *s = NULL;
    bool row, opened[AKIN__MAX_MODELS];
    akin_error problem;
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__sql(
        &side->catalog, &s, err,
        "SELECT " AKIN__MODEL_COLUMNS "FROM models ORDER BY ordinal", ""));
    for (;;) {
        AKIN_TRY(akin__sql_step(&side->catalog, s, &row, err));
        if (!row)
            break;
        struct akin__rows *rows = &side->model[side->models];
        AKIN_TRY(akin__model_read(index, s, side->models, rows, err));
        const size_t m = side->models++;
        opened[m] = !akin__rows_open(rows, index, m, false, &problem);
        if (opened[m]) {
            AKIN_TRY(akin__codes_open(rows, index, m, false, err));
        } else {
            akin__check_tell(check, NULL, "%s", problem.message);
            /* Which pictures does it touch? */
            opened[m] = !akin__rows_reach(rows, index, m, false, &problem);
        }
        if (opened[m])
            check->whole += rows->committed;
    }
    for (size_t m = 0; m < side->models; m++) {
        if (opened[m])
            AKIN_TRY(check_rows(check, m, err));
        AKIN_TRY(check_certainty(check, m, err));
        AKIN_TRY(check_devices(check, m, err));
    }
out:
    akin__sql_end(s);
    return status;
}

/* ----------------------------------------------------------- all ------- */

/* Each part goes as far as it can: that it cannot go on is a problem too. */
static akin_status check_part(struct akin__check *check, const char *what,
                              akin_status (*part)(struct akin__check *check,
                                                  akin_error *err),
                              akin_error *err)
{
    const akin_status status = part(check, err);
    if (status != AKIN_ECORRUPT && status != AKIN_EINDEX)
        return status;
    char *way_out = strstr(err->message, AKIN__WAY_OUT);
    if (way_out)
        *way_out = 0;
    akin__check_tell(check, NULL, "%s: its %s cannot be looked at to the end",
                     err->message, what);
    return AKIN_OK;
}

/* The lock comes with the transaction's first read, even if that fails for what
 * it finds: that is for the steps to tell. */
static akin_status keep_commits_away(struct akin__catalog *c, akin_error *err)
{
    int64_t entries;
    akin_status status = akin__sql_run(c, err, "BEGIN", "");
    if (!status)
        status = akin__sql_number(c, &entries, err,
                                  "SELECT count(*) FROM sqlite_master");
    return status == AKIN_ECORRUPT || status == AKIN_EINDEX ? AKIN_OK : status;
}

static akin_status check_all(struct akin__check *check, akin_error *err)
{
    struct akin__catalog *c = &check->index->read.catalog;
    akin_status status = AKIN_OK;
    AKIN_TRY(keep_commits_away(c, err));
    AKIN_TRY(akin__catalog_pages(c, bad_page, check, err));
    const uint64_t bad_pages = check->report->problems;
    AKIN_TRY(check_part(check, "structure", check_structure, err));
    /* In a tree that somebody made up a search may never end. */
    if (check->report->problems == bad_pages)
        AKIN_TRY(check_part(check, "records", check_records, err));
    AKIN_TRY(check_part(check, "rows", check_models, err));
out:
    return status;
}

akin_status akin_index_verify(const char *path,
                              const akin_check_options *options,
                              akin_check_report *report, akin_error *err)
{
    akin_check_report unused;
    akin_error error = {AKIN_OK, ""};
    struct akin__check check;
    akin_status status =
        akin__check_begin(&check, options, report, &unused, &error);
    AKIN_TRY(status);
    AKIN_TRY(akin__index_begin(&check.index, path, AKIN_INDEX_READ, &error));
    status = akin__side_open(check.index, &check.index->read,
                             AKIN__CATALOG_READ, &error);
    if (status == AKIN_ECORRUPT) {
        akin__check_tell(&check, NULL, "%s", error.message);
        status = AKIN_OK;
    } else if (!status) {
        status = check_all(&check, &error);
    }
    if (!status && check.report->problems)
        status = akin__fail(&error, AKIN_ECORRUPT,
                            "%s: is not whole: %llu problems; `akin repair` "
                            "keeps what holds",
                            path, (unsigned long long)check.report->problems);
out:
    akin_index_close(&check.index);
    if (err)
        *err = error;
    return status;
}
