/*
 * Repair: a new catalog from all of a damaged one that still holds.
 *
 * Rows never change and never move, and each has its checksum, so a record
 * that can be read and whose row's checksum holds is right; everything else is
 * left out, and the next update embeds it again. The records of files are read
 * in order of id, and where a page of them is damaged, the first id behind it
 * that can be read is searched for by doubling and halving. The new catalog is
 * written beside the old one and put in its place by one rename; the old one
 * is copied aside before. Only the heads of row files are mended in place: they
 * follow from the catalog.
 *
 * The writer's lock is held throughout.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "index/certainty.h"
#include "index/check.h"
#include "index/vfs.h"

/* Files between two commits: the cache is never spilled, so it bounds memory.
 */
enum { COMMIT_FILES = 10000 };
enum { COPY_BYTES = 1 << 20 };
/* Ids beyond this are none that SQLite gave. */
#define MOST_ID (INT64_MAX / 4)

struct repair {
    struct akin__check check;
    struct akin__catalog from, to;
    char *old, *fresh, *aside, *headed; /* paths of catalogs */
    struct akin__rows model[AKIN__MAX_MODELS];
    uint64_t kept[AKIN__MAX_MODELS]; /* rows of files, whose checksums held */
    size_t models, files;
    bool gaps; /* records of files are missing */
};

/* What the statement `from` is at, into the catalog `to`. */
static akin_status copy_record(struct repair *r, sqlite3_stmt *from,
                               const char *insert, akin_error *err)
{
    sqlite3_stmt *to;
    bool row;
    akin_status status = akin__sql(&r->to, &to, err, insert, "");
    for (int i = 0; !status && i < sqlite3_bind_parameter_count(to); i++) {
        if (sqlite3_bind_value(to, i + 1, sqlite3_column_value(from, i)))
            status = akin__fail(err, AKIN_ENOMEM, "no memory for a record");
    }
    if (!status)
        status = akin__sql_step(&r->to, to, &row, err);
    akin__sql_end(to);
    return status;
}

static bool damaged(akin_status status)
{
    return status == AKIN_ECORRUPT || status == AKIN_EFORMAT;
}

static akin_status hopeless(const struct repair *r, const char *lost,
                            akin_error *err)
{
    return akin__fail(err, AKIN_ECORRUPT,
                      "%s: cannot be repaired, %s is lost; restore the folder "
                      "from a copy, or delete it and index again",
                      r->check.index->path, lost);
}

/* A tree that somebody made up may lead back to where it came from, for ever,
 * but not if what it gives must grow. */
static akin_status out_of_order(const struct repair *r, akin_error *err)
{
    return akin__fail(err, AKIN_ECORRUPT,
                      "%s/catalog.db: records are out of order",
                      r->check.index->path);
}

/* --------------------------------------------------------- models ------ */

/* The row file of a model; a new one where it is missing. */
static akin_status reach_rows(struct repair *r, size_t m, akin_error *err)
{
    struct akin__rows *rows = &r->model[m];
    uint64_t there = 0;
    akin_status status = akin__rows_reach(rows, r->check.index, m, true, err);
    if (status == AKIN_ECORRUPT) {
        akin__check_tell(&r->check, NULL, "%s", err->message);
        status = akin__rows_make(rows, r->check.index, m, err);
    }
    if (!status)
        status = akin__rows_count(rows, &there, err);
    if (there < rows->committed) {
        akin__check_tell(&r->check, NULL, "%s: has %llu of %llu rows",
                         rows->file.path, (unsigned long long)there,
                         (unsigned long long)rows->committed);
        rows->committed = there;
    }
    r->check.whole += rows->committed;
    return status;
}

static akin_status copy_models(struct repair *r, akin_error *err)
{
    sqlite3_stmt *s = NULL;
    bool row;
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__sql(
        &r->from, &s, err,
        "SELECT " AKIN__MODEL_COLUMNS "FROM models ORDER BY ordinal", ""));
    for (;;) {
        AKIN_TRY(akin__sql_step(&r->from, s, &row, err));
        if (!row)
            break;
        AKIN_TRY(akin__model_read(r->check.index, s, r->models,
                                  &r->model[r->models], err));
        const size_t m = r->models++;
        AKIN_TRY(reach_rows(r, m, err));
        AKIN_TRY(copy_record(
            r, s, "INSERT INTO models VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            err));
    }
out:
    akin__sql_end(s);
    return status;
}

/* Once all files are copied: how many rows there are, and the head. */
static akin_status settle_model(struct repair *r, size_t m, akin_error *err)
{
    struct akin__rows *rows = &r->model[m], probe = *rows;
    akin_error why;
    probe.codes = (struct akin__file){.fd = -1}; /* they are rows' own */
    if (!r->kept[m])
        rows->committed = probe.committed = 0;
    if (!akin__rows_open(&probe, r->check.index, m, false, &why)) {
        akin__rows_close(&probe);
    } else {
        akin__check_tell(&r->check, NULL, "%s", why.message);
        const akin_status status = akin__rows_mend(rows, err);
        if (status)
            return status;
    }
    r->check.report->rows += r->kept[m];
    return akin__sql_run(&r->to, err,
                         "UPDATE models SET rows = ? WHERE ordinal = ?", "ii",
                         (int64_t)rows->committed, (int64_t)m);
}

/* ---------------------------------------------------------- files ------ */

/* Whether the row that `s` is at, of file `id`, holds; *err says why not. */
static akin_status row_holds(struct repair *r, sqlite3_stmt *s, int64_t id,
                             akin_error *err)
{
    float vector[AKIN_MAX_DIM];
    const int64_t model = sqlite3_column_int64(s, 1);
    const int64_t row = sqlite3_column_int64(s, 2);
    const int64_t crc = sqlite3_column_int64(s, 3);
    if (sqlite3_column_int64(s, 0) != id || crc < 0 || crc > UINT32_MAX ||
        model < 0 || (uint64_t)model >= r->models || row < 0 ||
        (uint64_t)row >= r->model[model].committed)
        return akin__fail(err, AKIN_ECORRUPT,
                          "row %lld of model %lld does not exist",
                          (long long)row, (long long)model);
    const struct akin__rows *rows = &r->model[model];
    const akin_status status =
        akin__check_vector(rows, (uint64_t)row, (uint32_t)crc, vector, err);
    /* What a disc refuses once it may give the second time. */
    return status == AKIN_EIO ? akin__check_vector(rows, (uint64_t)row,
                                                   (uint32_t)crc, vector, err)
                              : status;
}

/* The rows of a file that hold; what does not into *why, which is empty when
 * all do. */
static akin_status copy_rows(struct repair *r, int64_t id, akin_error *why,
                             akin_error *err)
{
    sqlite3_stmt *s = NULL;
    int64_t last = INT64_MIN;
    bool row;
    akin_status status = akin__sql(
        &r->from, &s, why,
        "SELECT file, model, row, crc FROM rows WHERE file = ?", "i", id);
    while (!status) {
        status = akin__sql_step(&r->from, s, &row, why);
        if (!status && row && sqlite3_column_int64(s, 1) <= last)
            status = out_of_order(r, why);
        if (status || !row)
            break;
        last = sqlite3_column_int64(s, 1);
        akin_error reason;
        status = row_holds(r, s, id, &reason);
        if (status) {
            *why = reason;
            if (!damaged(status) && status != AKIN_EIO)
                break;
            status = AKIN_OK;
            continue;
        }
        r->kept[sqlite3_column_int64(s, 1)]++;
        status = akin__sql_run(&r->to, err,
                               "INSERT INTO rows(file, model, row, crc) "
                               "VALUES(?, ?, ?, ?)",
                               "iiii", id, sqlite3_column_int64(s, 1),
                               sqlite3_column_int64(s, 2),
                               sqlite3_column_int64(s, 3));
        if (!status)
            status = akin__check_row(&r->check, err);
        if (status) {
            akin__sql_end(s);
            return status;
        }
    }
    akin__sql_end(s);
    if (damaged(status))
        return AKIN_OK;
    if (status)
        *err = *why;
    return status;
}

/* The details of a file, if they can be read and make sense. */
static akin_status copy_details(struct repair *r, int64_t id, akin_error *err)
{
    sqlite3_stmt *s = NULL;
    bool row = false;
    akin_error why;
    akin_status status = akin__sql(
        &r->from, &s, &why,
        "SELECT file, taken, hash FROM details WHERE file = ?", "i", id);
    if (!status)
        status = akin__sql_step(&r->from, s, &row, &why);
    const int type = status || !row ? SQLITE_BLOB : sqlite3_column_type(s, 1);
    if (!status && row && (type == SQLITE_INTEGER || type == SQLITE_NULL) &&
        sqlite3_column_int64(s, 0) == id &&
        sqlite3_column_type(s, 2) == SQLITE_BLOB &&
        sqlite3_column_bytes(s, 2) == 32)
        status = copy_record(
            r, s, "INSERT INTO details(file, taken, hash) VALUES(?, ?, ?)",
            err);
    else if (status && !damaged(status))
        *err = why;
    else
        status = AKIN_OK;
    akin__sql_end(s);
    return status;
}

/* The record of a file that `s` is at: its columns in the order of the table.
 */
static akin_status copy_file(struct repair *r, sqlite3_stmt *s, akin_error *err)
{
    const int64_t id = sqlite3_column_int64(s, 0);
    const bool failed = sqlite3_column_int64(s, 8) != 0;
    akin_error why = {AKIN_OK, ""};
    const char *stored;
    akin_status status = akin__sql_path(&r->from, s, 10, &stored, &why);
    if (status || sqlite3_column_int(s, 11)) {
        akin__check_tell(&r->check, NULL,
                         "catalog.db: file %lld: its record makes no sense",
                         (long long)id);
        r->check.report->lost++;
        return AKIN_OK;
    }
    /* Asking for its bytes has made a text of the path. */
    AKIN_TRY(copy_record(r, s,
                         "INSERT OR IGNORE INTO files(id, bytes, mtime_ns, "
                         "content, width, height, format, reason, failed, "
                         "retryable, path) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, "
                         "?, CAST(? AS BLOB))",
                         err));
    if (!sqlite3_changes(r->to.db)) {
        akin__check_tell(&r->check, stored,
                         "catalog.db: file %lld: another has its path",
                         (long long)id);
        return AKIN_OK;
    }
    if (!failed) {
        AKIN_TRY(copy_details(r, id, err));
        AKIN_TRY(copy_rows(r, id, &why, err));
        r->check.report->pictures++;
    }
    if (why.code) {
        r->check.report->lost++;
        akin__check_tell(&r->check, stored, "%s", why.message);
    }
    if (++r->files % COMMIT_FILES == 0) {
        AKIN_TRY(akin__sql_run(&r->to, err, "COMMIT", ""));
        AKIN_TRY(akin__sql_run(&r->to, err, "BEGIN", ""));
    }
out:
    return status;
}

/* Whether the first record behind `id`, if there is any, can be read. */
static akin_status probe(struct repair *r, int64_t id, akin_error *err)
{
    sqlite3_stmt *s = NULL;
    bool row;
    akin_status status = akin__sql(
        &r->from, &s, err,
        "SELECT * FROM files WHERE id > ? ORDER BY id LIMIT 1", "i", id);
    if (!status)
        status = akin__sql_step(&r->from, s, &row, err);
    if (!status && row && sqlite3_column_int64(s, 0) <= id)
        status = out_of_order(r, err);
    akin__sql_end(s);
    return status;
}

/* Nothing behind *id can be read: move it to where something can. */
static akin_status pass_damage(struct repair *r, int64_t *id, akin_error *err)
{
    int64_t bad = *id, good = *id;
    akin_status status = AKIN_ECORRUPT;
    for (uint64_t step = 1; damaged(status) && good < MOST_ID; step *= 2) {
        bad = good;
        good = *id + (int64_t)step;
        status = probe(r, good, err);
    }
    while (good - bad > 1) {
        const int64_t middle = bad + (good - bad) / 2;
        status = probe(r, middle, err);
        if (status && !damaged(status))
            return status;
        if (status)
            bad = middle;
        else
            good = middle;
    }
    akin__check_tell(&r->check, NULL,
                     "catalog.db: records of files behind number %lld cannot "
                     "be read",
                     (long long)*id);
    r->gaps = true;
    *id = good;
    return AKIN_OK;
}

static akin_status copy_files(struct repair *r, akin_error *err)
{
    sqlite3_stmt *s = NULL;
    int64_t last = -MOST_ID;
    bool row = true;
    akin_status status = AKIN_OK;
    while (row && last < MOST_ID) {
        AKIN_TRY(akin__sql(&r->from, &s, err,
                           "SELECT id, bytes, mtime_ns, content, width, "
                           "height, format, reason, failed, retryable, "
                           "path, " AKIN__SENSELESS_FILE
                           " FROM files WHERE id > ? ORDER BY id",
                           "i", last));
        while (row && !status) {
            status = akin__sql_step(&r->from, s, &row, err);
            if (!status && row && sqlite3_column_int64(s, 0) <= last)
                status = out_of_order(r, err);
            if (status || !row)
                break;
            last = sqlite3_column_int64(s, 0);
            AKIN_TRY(copy_file(r, s, err));
        }
        akin__sql_end(s);
        s = NULL;
        if (status && !damaged(status))
            return status;
        if (status)
            row = true;
        if (status)
            AKIN_TRY(pass_damage(r, &last, err));
    }
out:
    akin__sql_end(s);
    return status;
}

/* Whether `now` comes after *before, which it then becomes. */
static bool grows(char **before, const char *now)
{
    if (*before && strcmp(*before, now) >= 0)
        return false;
    akin__free(*before);
    *before = akin__strdup(now);
    return *before != NULL;
}

/* That the record of file `id`, stored as `path`, is lost, if it is. */
static akin_status tell_if_lost(struct repair *r, int64_t id, const char *path,
                                akin_error *err)
{
    sqlite3_stmt *s = NULL;
    bool kept = true;
    akin_status status =
        akin__sql(&r->to, &s, err, "SELECT 1 FROM files WHERE id = ?", "i", id);
    if (!status)
        status = akin__sql_step(&r->to, s, &kept, err);
    akin__sql_end(s);
    if (!status && !kept) {
        r->check.report->lost++;
        akin__check_tell(&r->check, path, "its record is lost");
    }
    return status;
}

/* The paths of records that were lost, as far as the index of paths knows. */
static akin_status name_lost(struct repair *r, akin_error *err)
{
    sqlite3_stmt *s = NULL;
    const char *stored;
    char *before = NULL;
    bool row;
    akin_error end; /* of what can be read of it: no error of the repair's */
    akin_status status = AKIN_OK;
    if (akin__sql(&r->from, &s, &end,
                  "SELECT path, id FROM files ORDER BY path", ""))
        goto out;
    while (!akin__sql_step(&r->from, s, &row, &end) && row &&
           !akin__sql_path(&r->from, s, 0, &stored, &end) &&
           grows(&before, stored))
        AKIN_TRY(tell_if_lost(r, sqlite3_column_int64(s, 1), stored, err));
out:
    akin__sql_end(s);
    akin__free(before);
    return status;
}

/* The roots up to what cannot be read; *why is empty when that is the end. */
static akin_status copy_readable_roots(struct repair *r, akin_error *why,
                                       akin_error *err)
{
    sqlite3_stmt *s = NULL;
    const char *stored;
    char *before = NULL;
    bool row;
    akin_status status = AKIN_OK;
    if (akin__sql(&r->from, &s, why, "SELECT path FROM roots", ""))
        goto out;
    while (!akin__sql_step(&r->from, s, &row, why) && row &&
           !akin__sql_path(&r->from, s, 0, &stored, why)) {
        if (!grows(&before, stored)) {
            out_of_order(r, why);
            break;
        }
        AKIN_TRY(copy_record(
            r, s, "INSERT OR IGNORE INTO roots VALUES(CAST(? AS BLOB))", err));
    }
out:
    akin__sql_end(s);
    akin__free(before);
    return status;
}

static akin_status copy_roots(struct repair *r, akin_error *err)
{
    akin_error why = {AKIN_OK, ""};
    const akin_status status = copy_readable_roots(r, &why, err);
    if (status || !why.code)
        return status;
    if (!damaged(why.code)) {
        *err = why;
        return why.code;
    }
    akin__check_tell(&r->check, NULL,
                     "catalog.db: the list of folders cannot be read; "
                     "`akin index FOLDER` adds them again");
    return AKIN_OK;
}

/* ------------------------------------------------------------ all ------ */

/* Where all was copied, that it was damaged elsewhere: in codes, say, or in
 * pages that hold no record. */
static akin_status tell_rest(struct repair *r, akin_error *err)
{
    akin_check_options options = r->check.options;
    akin_check_report found;
    if (r->check.report->problems)
        return AKIN_OK;
    options.size = sizeof options;
    const akin_status status =
        akin_index_verify(r->check.index->path, &options, &found, err);
    r->check.report->problems = found.problems;
    return damaged(status) ? AKIN_OK : status;
}

static akin_status copy_all(struct repair *r, akin_error *err)
{
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__sql_run(&r->to, err, "BEGIN", ""));
    status = copy_models(r, err);
    if (damaged(status))
        return hopeless(r, "its table of models", err);
    AKIN_TRY(status);
    AKIN_TRY(copy_files(r, err));
    if (r->gaps)
        AKIN_TRY(name_lost(r, err));
    AKIN_TRY(copy_roots(r, err));
    for (size_t m = 0; m < r->models; m++)
        AKIN_TRY(settle_model(r, m, err));
    AKIN_TRY(akin__sql_run(&r->to, err, "COMMIT", ""));
    AKIN_TRY(tell_rest(r, err));
out:
    return status;
}

/* A synced copy of the old catalog. */
static akin_status copy_old(const struct repair *r, const char *path,
                            akin_error *err)
{
    struct akin__file from = {.fd = -1}, to = {.fd = -1};
    uint64_t bytes, at = 0;
    uint8_t *buffer = akin__alloc(COPY_BYTES, 1);
    akin_status status = AKIN_OK;
    AKIN_CHECK(buffer, err, AKIN_ENOMEM, "%s: no memory", r->old);
    AKIN_TRY(akin__file_open(&from, r->old, AKIN__READ, err));
    AKIN_TRY(akin__file_open(&to, path, AKIN__FRESH, err));
    AKIN_TRY(akin__file_size(&from, &bytes, err));
    while (at < bytes) {
        const size_t part =
            bytes - at < COPY_BYTES ? (size_t)(bytes - at) : COPY_BYTES;
        AKIN_TRY(akin__file_read(&from, buffer, part, at, err));
        AKIN_TRY(akin__file_write(&to, buffer, part, at, err));
        at += part;
    }
    AKIN_TRY(akin__file_sync(&to, err));
out:
    akin__file_close(&from);
    akin__file_close(&to);
    akin__free(buffer);
    return status;
}

/*
 * The first page says where each table begins. In a catalog that was made with
 * its tables of today this is where they begin in any new one, so the new one's
 * first page serves, in a copy. Where that is not so (an older layout that was
 * brought up) a table is looked for where another is, and is found damaged.
 */
static akin_status put_head(const struct repair *r, akin_error *err)
{
    enum { CHANGES = 24, PAGES = 28, FREE_PAGES = 32, VALID_FOR = 92 };
    uint8_t page[AKIN__PAGE_BYTES];
    struct akin__file fresh = {.fd = -1}, headed = {.fd = -1};
    uint64_t bytes, least;
    akin_status status = AKIN_OK;
    AKIN_TRY(copy_old(r, r->headed, err));
    AKIN_TRY(akin__file_open(&fresh, r->fresh, AKIN__READ, err));
    AKIN_TRY(akin__file_read(&fresh, page, sizeof page, 0, err));
    AKIN_TRY(akin__file_open(&headed, r->headed, AKIN__WRITE, err));
    AKIN_TRY(akin__file_size(&headed, &bytes, err));
    AKIN_TRY(akin__file_size(&fresh, &least, err));
    if (bytes < least) { /* pages of zeros, for tables that came later */
        AKIN_TRY(akin__file_truncate(&headed, least, err));
        bytes = least;
    }
    const uint64_t pages = bytes / AKIN__PAGE_BYTES;
    for (int i = 0; i < 4; i++)
        page[PAGES + i] = (uint8_t)(pages >> 8 * (3 - i));
    memset(page + FREE_PAGES, 0, 8); /* the first, and how many */
    memcpy(page + VALID_FOR, page + CHANGES, 4);
    akin__page_seal(page, 1);
    status = akin__file_write(&headed, page, sizeof page, 0, err);
out:
    akin__file_close(&fresh);
    akin__file_close(&headed);
    return status;
}

/* What an earlier repair left, or this one could not finish. */
static akin_status remove_fresh(const struct repair *r, akin_error *err)
{
    char *journal = akin__format("%s-journal", r->fresh);
    akin_status status =
        journal ? akin__remove(journal, err)
                : akin__fail(err, AKIN_ENOMEM, "%s: no memory", r->fresh);
    if (!status)
        status = akin__remove(r->fresh, err);
    if (!status)
        status = akin__remove(r->headed, err);
    akin__free(journal);
    return status;
}

/* The new catalog in the place of the old one. SQLite has undone what a
 * journal held when the old one was opened, or found none that holds. */
static akin_status put_in_place(const struct repair *r, akin_error *err)
{
    char *journal = akin__format("%s-journal", r->old);
    akin_status status = AKIN_OK;
    AKIN_CHECK(journal, err, AKIN_ENOMEM, "%s: no memory", r->old);
    status = copy_old(r, r->aside, err);
    if (status)
        akin__remove(r->aside, NULL); /* half of it serves nobody */
    AKIN_TRY(status);
    AKIN_TRY(akin__remove(journal, err));
    /* Were the journal to come back, SQLite would undo the new catalog by it.
     */
    AKIN_TRY(akin__sync_folder(r->check.index->real, err));
    AKIN_TRY(akin__rename(r->fresh, r->old, err));
    AKIN_TRY(akin__sync_folder(r->check.index->real, err));
out:
    akin__free(journal);
    return status;
}

/* The old catalog, if need be with a new first page, and the new one. */
static akin_status open_catalogs(struct repair *r, akin_error *err)
{
    const char *shown = r->check.index->path;
    akin_status status =
        akin__catalog_open(&r->to, r->fresh, shown, AKIN__CATALOG_CREATE, err);
    if (status)
        return status;
    status =
        akin__catalog_open(&r->from, r->old, shown, AKIN__CATALOG_READ, err);
    if (!damaged(status) && status != AKIN_EINDEX)
        return status;
    akin__check_tell(&r->check, NULL, "%s", err->message);
    status = put_head(r, err);
    if (!status)
        status = akin__catalog_open(&r->from, r->headed, shown,
                                    AKIN__CATALOG_READ, err);
    return damaged(status) || status == AKIN_EINDEX
               ? hopeless(r, "the list of its tables", err)
               : status;
}

/* The codes follow from what was kept. */
static akin_status make_codes(struct repair *r, akin_error *err)
{
    akin_index *index = r->check.index;
    akin_status status =
        akin__side_open(index, &index->write, AKIN__CATALOG_WRITE, err);
    if (!status)
        status = akin__models_load(index, &index->write, err);
    return status ? status : akin__codes_restore(index, err);
}

/* What was calibrated stays, unless it is damaged: then it is gone. */
static akin_status mend_certainty(struct repair *r, size_t ordinal,
                                  akin_error *err)
{
    akin_index *index = r->check.index;
    akin_certainty *certainty = akin__alloc(1, sizeof *certainty);
    akin_error why;
    bool known;
    if (!certainty)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", index->path);
    const akin_status status = akin__certainty_read(
        index, &index->write.model[ordinal], ordinal, certainty, &known, &why);
    akin__free(certainty);
    if (!status)
        return AKIN_OK;
    if (!damaged(status) && status != AKIN_EIO) {
        *err = why;
        return status;
    }
    akin__check_tell(
        &r->check, NULL,
        "certainty-%zu: lost; `akin eval calibrate` makes it again", ordinal);
    return akin__certainty_remove(index, ordinal, err);
}

/* Where vectors were made, if that can still be told. */
static akin_status mend_devices(struct repair *r, size_t ordinal,
                                akin_error *err)
{
    akin_index *index = r->check.index;
    akin_error why;
    unsigned devices;
    const akin_status status = akin__devices_read(
        index, &index->write.model[ordinal], ordinal, &devices, &why);
    if (!status)
        return AKIN_OK;
    if (!damaged(status) && status != AKIN_EIO) {
        *err = why;
        return status;
    }
    akin__check_tell(&r->check, NULL,
                     "devices-%zu: lost; cpu and cuda are put down", ordinal);
    return akin__devices_mend(index, ordinal, err);
}

static akin_status repair(struct repair *r, const char *path, akin_error *err)
{
    akin_index *index;
    akin_status status =
        akin__index_begin(&r->check.index, path, AKIN_INDEX_WRITE, err);
    if (status)
        return status;
    index = r->check.index;
    r->old = akin__join(index->real, "catalog.db");
    r->fresh = akin__join(index->real, "catalog.db.new");
    r->aside = akin__join(index->real, "catalog.db.damaged");
    r->headed = akin__join(index->real, "catalog.db.headed");
    AKIN_CHECK(r->old && r->fresh && r->aside && r->headed, err, AKIN_ENOMEM,
               "%s: no memory", path);
    AKIN_TRY(remove_fresh(r, err));
    AKIN_TRY(open_catalogs(r, err));
    AKIN_TRY(copy_all(r, err));
    akin__catalog_close(&r->from);
    akin__catalog_close(&r->to);
    for (size_t m = 0; m < AKIN__MAX_MODELS; m++)
        AKIN_TRY(akin__codes_remove(index, m, err));
    AKIN_TRY(put_in_place(r, err));
    akin__remove(r->headed, NULL);
    AKIN_TRY(make_codes(r, err));
    for (size_t m = 0; m < index->write.models; m++)
        AKIN_TRY(mend_certainty(r, m, err));
    for (size_t m = 0; m < index->write.models; m++)
        AKIN_TRY(mend_devices(r, m, err));
out:
    akin__catalog_close(&r->from);
    akin__catalog_close(&r->to);
    if (status && r->fresh && r->headed)
        remove_fresh(r, NULL);
    return status;
}

akin_status akin_index_repair(const char *path,
                              const akin_check_options *options,
                              akin_check_report *report, akin_error *err)
{
    akin_check_report unused;
    akin_error error = {AKIN_OK, ""};
    struct repair r = {.files = 0};
    /* Whole, or of another reason than damage out of reach: left alone. */
    akin_check_options quiet = {.size = sizeof quiet};
    if (options && options->size >= sizeof quiet)
        quiet = *options;
    quiet.problem = NULL;
    akin_status status = akin_index_verify(path, &quiet, report, err);
    if (status != AKIN_ECORRUPT)
        return status;
    status = akin__check_begin(&r.check, options, report, &unused, &error);
    if (!status)
        status = repair(&r, path, &error);
    for (size_t m = 0; m < r.models; m++)
        akin__model_free(&r.model[m]);
    akin_index_close(&r.check.index);
    akin__free(r.old);
    akin__free(r.fresh);
    akin__free(r.aside);
    akin__free(r.headed);
    if (err)
        *err = error;
    return status;
}
