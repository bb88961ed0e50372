/*
 * Store: staging and committing what the pipeline found (store.h).
 *
 * The first change opens an SQLite transaction, which stays open until the
 * commit; rows are written behind the committed ones meanwhile. A commit syncs
 * the row files first, then ends the transaction: the moment its journal is
 * gone is the moment everything becomes visible. Any failure between the two,
 * of reading too, drops all that was staged, so that half a change is never
 * committed: SQLite may have rolled back by itself, and would then commit every
 * later statement on its own.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "index/index.h"

akin_status akin__writable(const akin_index *index, akin_error *err)
{
    return index->writable
               ? AKIN_OK
               : akin__fail(err, AKIN_EUSAGE, "%s: was opened for reading",
                            index->path);
}

static akin_status check_path(const akin_index *index, const char *path,
                              akin_error *err)
{
    const akin_status status = akin__writable(index, err);
    if (status)
        return status;
    return path[0] == '/' ? AKIN_OK
                          : akin__fail(err, AKIN_EUSAGE,
                                       "%s: is not an absolute path", path);
}

/* ---------------------------------------------------- transaction ------ */

akin_status akin__stage(akin_index *index, akin_error *err)
{
    if (index->staged)
        return AKIN_OK;
    const akin_status status =
        akin__sql_run(&index->write.catalog, err, "BEGIN IMMEDIATE", "");
    index->staged = !status;
    return status;
}

akin_status akin__drop_if(akin_index *index, akin_status status)
{
    struct akin__side *side = &index->write;
    if (!status)
        return AKIN_OK;
    if (!sqlite3_get_autocommit(side->catalog.db))
        sqlite3_exec(side->catalog.db, "ROLLBACK", NULL, NULL, NULL);
    for (size_t i = 0; i < side->models; i++)
        side->model[i].staged = 0;
    index->replaced_count = 0;
    index->staged = false;
    return status;
}

static akin_status commit(akin_index *index, akin_error *err)
{
    struct akin__side *side = &index->write;
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < side->models; i++) {
        struct akin__rows *rows = &side->model[i];
        if (!rows->staged)
            continue;
        AKIN_TRY(akin__file_sync(&rows->file, err));
        if (rows->codes.fd >= 0)
            AKIN_TRY(akin__file_sync(&rows->codes, err));
        AKIN_TRY(akin__devices_note(index, i, err));
        AKIN_TRY(akin__sql_run(
            &side->catalog, err, "UPDATE models SET rows = ? WHERE ordinal = ?",
            "ii", (int64_t)(rows->committed + rows->staged), (int64_t)i));
    }
    AKIN_TRY(akin__sql_run(&side->catalog, err, "COMMIT", ""));
out:
    return status;
}

akin_status akin__index_commit(akin_index *index, akin_error *err)
{
    struct akin__side *side = &index->write;
    akin_status status = akin__writable(index, err);
    if (status || !index->staged)
        return status;
    status = akin__drop_if(index, commit(index, err));
    if (status)
        return status;
    index->staged = false;
    for (size_t i = 0; i < side->models; i++) {
        side->model[i].committed += side->model[i].staged;
        side->model[i].staged = 0;
    }
    return AKIN_OK;
}

/* -------------------------------------------------------- finding ------ */

/* The columns of an entry, in the order of load_entry. */
#define ENTRY_COLUMNS                                                          \
    "id, bytes, mtime_ns, content, width, height, format, reason, failed, "    \
    "retryable, (SELECT coalesce(sum(1 << model), 0) FROM rows "               \
    "WHERE file = id), (SELECT taken FROM details WHERE file = id), "          \
    "(SELECT hash FROM details WHERE file = id), path "

enum { TAKEN_COLUMN = 11, HASH_COLUMN, PATH_COLUMN };

static void copy_text(char *to, size_t capacity, sqlite3_stmt *s, int column)
{
    const unsigned char *text = sqlite3_column_text(s, column);
    snprintf(to, capacity, "%s", text ? (const char *)text : "");
}

static akin_status load_details(struct akin__catalog *c, sqlite3_stmt *s,
                                struct akin__entry *entry, akin_error *err)
{
    const void *hash = sqlite3_column_blob(s, HASH_COLUMN);
    entry->looked = hash != NULL;
    entry->taken = sqlite3_column_type(s, TAKEN_COLUMN) == SQLITE_INTEGER
                       ? sqlite3_column_int64(s, TAKEN_COLUMN)
                       : INT64_MIN;
    if (!hash)
        return AKIN_OK;
    if (sqlite3_column_bytes(s, HASH_COLUMN) != sizeof entry->hash)
        return akin__fail(err, AKIN_ECORRUPT,
                          "%s/catalog.db: the hash of file %lld has %d bytes, "
                          "not %zu",
                          c->shown, (long long)entry->id,
                          sqlite3_column_bytes(s, HASH_COLUMN),
                          sizeof entry->hash);
    memcpy(entry->hash, hash, sizeof entry->hash);
    return AKIN_OK;
}

static akin_status load_entry(struct akin__catalog *c, sqlite3_stmt *s,
                              struct akin__entry *entry, akin_error *err)
{
    const void *content = sqlite3_column_blob(s, 3);
    memset(entry, 0, sizeof *entry);
    if (!content || sqlite3_column_bytes(s, 3) != sizeof entry->content)
        return akin__fail(err, AKIN_ECORRUPT,
                          "%s/catalog.db: the content of file %lld is no hash",
                          c->shown, (long long)sqlite3_column_int64(s, 0));
    entry->id = sqlite3_column_int64(s, 0);
    entry->bytes = (uint64_t)sqlite3_column_int64(s, 1);
    entry->mtime_ns = sqlite3_column_int64(s, 2);
    memcpy(entry->content, content, sizeof entry->content);
    entry->width = (uint32_t)sqlite3_column_int64(s, 4);
    entry->height = (uint32_t)sqlite3_column_int64(s, 5);
    copy_text(entry->format, sizeof entry->format, s, 6);
    copy_text(entry->reason, sizeof entry->reason, s, 7);
    entry->failed = sqlite3_column_int(s, 8) != 0;
    entry->retryable = sqlite3_column_int(s, 9) != 0;
    entry->rows = (uint32_t)sqlite3_column_int64(s, 10);
    return load_details(c, s, entry, err);
}

akin_status akin__index_find(akin_index *index, const char *path,
                             struct akin__entry *entry, bool *found,
                             akin_error *err)
{
    struct akin__catalog *c = &index->write.catalog;
    sqlite3_stmt *s = NULL;
    *found = false;
    akin_status status = check_path(index, path, err);
    if (status)
        return status;
    /* Absolute too: it may have been stored when the index lay elsewhere. */
    AKIN_TRY(akin__sql(
        c, &s, err, "SELECT " ENTRY_COLUMNS "FROM files WHERE path IN (?, ?)",
        "pp", akin__stored_path(index, path), path));
    AKIN_TRY(akin__sql_step(c, s, found, err));
    if (*found)
        status = load_entry(c, s, entry, err);
out:
    akin__sql_end(s);
    if (status)
        *found = false;
    return akin__drop_if(index, status);
}

/* The entry that `s` is at, with its path, into *entry and *path. */
static akin_status take_entry(akin_index *index, sqlite3_stmt *s,
                              struct akin__entry *entry, char **path,
                              akin_error *err)
{
    struct akin__catalog *c = &index->write.catalog;
    const char *stored;
    akin_status status = akin__sql_path(c, s, PATH_COLUMN, &stored, err);
    if (!status)
        status = load_entry(c, s, entry, err);
    if (status)
        return status;
    *path = akin__absolute_path(index, stored);
    return *path ? AKIN_OK
                 : akin__fail(err, AKIN_ENOMEM, "%s: no memory", index->path);
}

akin_status akin__index_find_content(akin_index *index,
                                     const uint8_t content[32],
                                     struct akin__entry *entry, char **path,
                                     bool *found, akin_error *err)
{
    struct akin__catalog *c = &index->write.catalog;
    sqlite3_stmt *s = NULL;
    bool row;
    *found = false;
    *path = NULL;
    akin_status status = akin__writable(index, err);
    if (status)
        return status;
    /* Of very many copies the first few are looked at; whichever it is, its
     * rows serve. */
    AKIN_TRY(akin__sql(c, &s, err,
                       "SELECT " ENTRY_COLUMNS "FROM files "
                       "WHERE content = ? AND failed = 0 LIMIT 64",
                       "b", content, (size_t)32));
    for (;;) {
        struct akin__entry one;
        char *where;
        AKIN_TRY(akin__sql_step(c, s, &row, err));
        if (!row)
            break;
        AKIN_TRY(take_entry(index, s, &one, &where, err));
        const bool gone = !akin__exists(where);
        if (gone || !*found) {
            akin__free(*path);
            *path = where;
            *entry = one;
            *found = true;
        } else {
            akin__free(where);
        }
        if (gone)
            break;
    }
    if (!*found)
        *found = akin__replaced_find(index, content, entry);
out:
    akin__sql_end(s);
    if (status) {
        akin__free(*path);
        *path = NULL;
        *found = false;
    }
    return akin__drop_if(index, status);
}

/* -------------------------------------------------------- staging ------ */

static akin_status remove_file(akin_index *index, int64_t id, akin_error *err)
{
    struct akin__catalog *c = &index->write.catalog;
    akin_status status =
        akin__sql_run(c, err, "DELETE FROM rows WHERE file = ?", "i", id);
    if (!status)
        status = akin__sql_run(c, err, "DELETE FROM details WHERE file = ?",
                               "i", id);
    if (!status)
        status =
            akin__sql_run(c, err, "DELETE FROM files WHERE id = ?", "i", id);
    return status;
}

/* Leave one file at most at `path`: *id if that is not 0, else *id becomes the
 * one there, if any. (There are two when an index was moved so that a relative
 * path and an absolute one came to mean the same.) */
static akin_status claim_path(akin_index *index, const char *path, int64_t *id,
                              akin_error *err)
{
    struct akin__catalog *c = &index->write.catalog;
    sqlite3_stmt *s;
    int64_t there[2] = {0, 0};
    bool row = true;
    akin_status status =
        akin__sql(c, &s, err, "SELECT id FROM files WHERE path IN (?, ?)", "pp",
                  akin__stored_path(index, path), path);
    for (int i = 0; !status && row && i < 2; i++) {
        status = akin__sql_step(c, s, &row, err);
        if (!status && row)
            there[i] = sqlite3_column_int64(s, 0);
    }
    akin__sql_end(s);
    for (int i = 0; !status && i < 2; i++) {
        if (*id == 0)
            *id = there[i];
        else if (there[i] != 0 && there[i] != *id)
            status = remove_file(index, there[i], err);
    }
    return status;
}

static akin_status put_file(akin_index *index, const char *path,
                            const struct akin__entry *e, int64_t *id,
                            akin_error *err)
{
    struct akin__catalog *c = &index->write.catalog;
    *id = 0;
    akin_status status = claim_path(index, path, id, err);
    if (status)
        return status;
    status = akin__sql_run(
        c, err,
        "REPLACE INTO files(id, bytes, mtime_ns, content, width, height, "
        "format, reason, failed, retryable, path) "
        "VALUES(nullif(?, 0), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "iiibiittiip", *id, (int64_t)e->bytes, e->mtime_ns,
        (const void *)e->content, sizeof e->content, (int64_t)e->width,
        (int64_t)e->height, e->format, e->reason, (int64_t)e->failed,
        (int64_t)e->retryable, akin__stored_path(index, path));
    if (!status && *id == 0)
        *id = sqlite3_last_insert_rowid(c->db);
    return status;
}

/* What is not known stays away, so that it is looked at again. */
static akin_status put_details(akin_index *index, int64_t id,
                               const struct akin__entry *entry, akin_error *err)
{
    struct akin__catalog *c = &index->write.catalog;
    if (!entry->looked)
        return akin__sql_run(c, err, "DELETE FROM details WHERE file = ?", "i",
                             id);
    return akin__sql_run(c, err,
                         "REPLACE INTO details(file, taken, hash) "
                         "VALUES(?, nullif(?, ?), ?)",
                         "iiib", id, entry->taken, INT64_MIN,
                         (const void *)entry->hash, sizeof entry->hash);
}

static akin_status put_rows(akin_index *index, int64_t id,
                            const struct akin__entry *entry,
                            const float *const *vectors, size_t models,
                            int64_t same_as, akin_error *err)
{
    struct akin__side *side = &index->write;
    struct akin__catalog *c = &side->catalog;
    akin_status status = AKIN_OK;
    if (same_as != id) {
        AKIN_TRY(
            akin__sql_run(c, err, "DELETE FROM rows WHERE file = ?", "i", id));
        AKIN_TRY(akin__sql_run(c, err,
                               "INSERT INTO rows(file, model, row, crc) "
                               "SELECT ?, model, row, crc FROM rows "
                               "JOIN files ON files.id = file "
                               "WHERE file = ? AND content = ?",
                               "iib", id, same_as, entry->content,
                               sizeof entry->content));
        if (same_as < 0)
            AKIN_TRY(
                akin__replaced_rows(index, same_as, id, entry->content, err));
    }
    for (size_t m = 0; m < models; m++) {
        uint64_t row;
        uint32_t crc;
        if (!vectors[m])
            continue;
        AKIN_TRY(
            akin__rows_append(&side->model[m], vectors[m], &row, &crc, err));
        AKIN_TRY(akin__sql_run(c, err,
                               "REPLACE INTO rows(file, model, row, crc) "
                               "VALUES(?, ?, ?, ?)",
                               "iiii", id, (int64_t)m, (int64_t)row,
                               (int64_t)crc));
    }
out:
    return status;
}

akin_status akin__index_put(akin_index *index, const char *path,
                            const struct akin__entry *entry,
                            const float *const *vectors, size_t models,
                            int64_t same_as, akin_error *err)
{
    int64_t id;
    akin_status status = check_path(index, path, err);
    if (status)
        return status;
    if (models > index->write.models)
        return akin__fail(err, AKIN_EUSAGE, "%s: has %zu models, not %zu",
                          index->path, index->write.models, models);
    for (size_t m = 0; m < models && !status; m++) {
        if (vectors[m])
            status = akin__rows_finite(&index->write.model[m], vectors[m], err);
    }
    if (!status)
        status = akin__stage(index, err);
    if (status)
        return status;
    status = akin__replaced_note(index, path, entry->content, err);
    if (!status)
        status = put_file(index, path, entry, &id, err);
    if (!status)
        status = put_details(index, id, entry, err);
    if (!status)
        status = put_rows(index, id, entry, vectors, models, same_as, err);
    return akin__drop_if(index, status);
}

akin_status akin__index_has(akin_index *index, int64_t id, size_t ordinal,
                            const float *vector, bool *has, akin_error *err)
{
    struct akin__catalog *c = &index->write.catalog;
    const uint32_t crc = akin__rows_crc(&index->write.model[ordinal], vector);
    sqlite3_stmt *s = NULL;
    *has = false;
    akin_status status =
        akin__sql(c, &s, err,
                  "SELECT 1 FROM rows WHERE file = ? AND model = ? AND crc = ?",
                  "iii", id, (int64_t)ordinal, (int64_t)crc);
    if (!status)
        status = akin__sql_step(c, s, has, err);
    akin__sql_end(s);
    return akin__drop_if(index, status);
}

akin_status akin__index_vector(akin_index *index, int64_t id, size_t ordinal,
                               float *vector, bool *has, akin_error *err)
{
    struct akin__catalog *c = &index->write.catalog;
    sqlite3_stmt *s = NULL;
    *has = false;
    akin_status status = akin__sql(
        c, &s, err, "SELECT row, crc FROM rows WHERE file = ? AND model = ?",
        "ii", id, (int64_t)ordinal);
    if (!status)
        status = akin__sql_step(c, s, has, err);
    if (!status && *has)
        status = akin__row_vector(
            index, &index->write.model[ordinal], sqlite3_column_int64(s, 0),
            (uint32_t)sqlite3_column_int64(s, 1), vector, err);
    akin__sql_end(s);
    return akin__drop_if(index, status);
}

akin_status akin__index_move(akin_index *index, int64_t id, const char *path,
                             int64_t mtime_ns, akin_error *err)
{
    akin_status status = check_path(index, path, err);
    if (!status)
        status = akin__stage(index, err);
    if (status)
        return status;
    status = claim_path(index, path, &id, err);
    if (!status)
        status = akin__sql_run(
            &index->write.catalog, err,
            "UPDATE files SET path = ?, mtime_ns = ? WHERE id = ?", "pii",
            akin__stored_path(index, path), mtime_ns, id);
    return akin__drop_if(index, status);
}

akin_status akin__index_forget(akin_index *index, int64_t id, akin_error *err)
{
    akin_status status = akin__writable(index, err);
    if (!status)
        status = akin__stage(index, err);
    if (status)
        return status;
    return akin__drop_if(index, remove_file(index, id, err));
}

akin_status akin__index_add_root(akin_index *index, const char *folder,
                                 akin_error *err)
{
    akin_status status = check_path(index, folder, err);
    if (!status)
        status = akin__stage(index, err);
    if (status)
        return status;
    return akin__drop_if(index,
                         akin__sql_run(&index->write.catalog, err,
                                       "INSERT OR IGNORE INTO roots VALUES(?)",
                                       "p", akin__stored_path(index, folder)));
}

/* ---------------------------------------------------------- each ------- */

typedef akin_status (*visit_fn)(void *context, const char *path,
                                const struct akin__entry *entry,
                                akin_error *err);

/* Visit what is stored from `from` to before `to` (NULL: to the end). */
static akin_status each_between(akin_index *index, const char *from,
                                const char *to, visit_fn visit, void *context,
                                akin_error *err)
{
    struct akin__catalog *c = &index->write.catalog;
    struct akin__entry entry;
    sqlite3_stmt *s = NULL;
    const char *stored;
    char *path = NULL;
    bool row;
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__sql(c, &s, err,
                       "SELECT " ENTRY_COLUMNS
                       "FROM files WHERE path >= ? ORDER BY path",
                       "p", from));
    for (;;) {
        AKIN_TRY(akin__sql_step(c, s, &row, err));
        if (!row)
            break;
        AKIN_TRY(akin__sql_path(c, s, PATH_COLUMN, &stored, err));
        if (to && strcmp(stored, to) >= 0)
            break;
        AKIN_TRY(take_entry(index, s, &entry, &path, err));
        AKIN_TRY(visit(context, path, &entry, err));
        akin__free(path);
        path = NULL;
    }
out:
    akin__sql_end(s);
    akin__free(path);
    return status;
}

/* The entry stored as `path`, and then those stored below it. */
static akin_status each_below(akin_index *index, const char *path,
                              visit_fn visit, void *context, akin_error *err)
{
    akin_status status = AKIN_OK;
    const bool root = strcmp(path, "/") == 0;
    char *only = akin__format("%s\x01", path);
    char *from = akin__format("%s/", root ? "" : path);
    char *to = akin__format("%s0", root ? "" : path); /* '0' follows '/' */
    AKIN_CHECK(only && from && to, err, AKIN_ENOMEM, "%s: no memory",
               index->path);
    if (!root)
        AKIN_TRY(each_between(index, path, only, visit, context, err));
    AKIN_TRY(each_between(index, from, to, visit, context, err));
out:
    akin__free(only);
    akin__free(from);
    akin__free(to);
    return status;
}

/* Whether base is `folder` or below it. */
static bool holds_base(const akin_index *index, const char *folder)
{
    const size_t length = strcmp(folder, "/") ? strlen(folder) : 0;
    return strncmp(index->base, folder, length) == 0 &&
           (index->base[length] == 0 || index->base[length] == '/');
}

akin_status akin__index_each(akin_index *index, const char *folder,
                             visit_fn visit, void *context, akin_error *err)
{
    akin_status status = check_path(index, folder, err);
    if (status)
        return status;
    AKIN_TRY(each_below(index, folder, visit, context, err));
    if (holds_base(index, folder)) {
        /* All that is relative: before and after what begins with a slash. */
        AKIN_TRY(each_between(index, "", "/", visit, context, err));
        AKIN_TRY(each_between(index, "0", NULL, visit, context, err));
    } else if (akin__stored_path(index, folder) != folder) {
        AKIN_TRY(each_below(index, akin__stored_path(index, folder), visit,
                            context, err));
    }
out:
    return akin__drop_if(index, status);
}

akin_status akin__index_each_root(akin_index *index,
                                  akin_status (*visit)(void *context,
                                                       const char *folder,
                                                       akin_error *err),
                                  void *context, akin_error *err)
{
    struct akin__catalog *c = &index->write.catalog;
    sqlite3_stmt *s = NULL;
    const char *stored;
    bool row;
    akin_status status = akin__writable(index, err);
    if (status)
        return status;
    AKIN_TRY(akin__sql(c, &s, err, "SELECT path FROM roots", ""));
    for (;;) {
        AKIN_TRY(akin__sql_step(c, s, &row, err));
        if (!row)
            break;
        AKIN_TRY(akin__sql_path(c, s, 0, &stored, err));
        char *folder = akin__absolute_path(index, stored);
        AKIN_CHECK(folder, err, AKIN_ENOMEM, "%s: no memory", index->path);
        status = visit(context, folder, err);
        akin__free(folder);
        if (status)
            break;
    }
out:
    akin__sql_end(s);
    return akin__drop_if(index, status);
}
