/*
 * Open: finding, making, locking and leaving an index.
 *
 * An index is a folder with a catalog.db of ours. It is made step by step
 * (folder, lock, catalog in one transaction), and whatever steps a process
 * that was killed got through, AKIN_INDEX_CREATE goes on from there; any other
 * folder with something in it is left alone.
 *
 * The lock is a flock of X.akin/lock, which the system lets go when its holder
 * ends in whatever way; what is written in it only serves the message.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "index/index.h"

/* What a half-made index may hold. */
static const char *const own_names[] = {"catalog.db", "catalog.db-journal",
                                        "lock"};

static bool own_name(const char *name)
{
    for (size_t i = 0; i < sizeof own_names / sizeof *own_names; i++) {
        if (strcmp(name, own_names[i]) == 0)
            return true;
    }
    return false;
}

/* That a folder whose catalog is missing or empty holds nothing but an index's
 * beginnings. */
static akin_status check_begun(const char *path, akin_error *err)
{
    struct akin__names names;
    akin_status status = akin__list_folder(path, &names, err);
    for (size_t i = 0; i < names.count; i++) {
        if (strcmp(names.name[i], "rows-0.f32") == 0)
            status = akin__fail(err, AKIN_ECORRUPT,
                                "%s: its catalog.db is lost; restore the "
                                "folder from a copy, or delete it and index "
                                "again",
                                path);
        else if (!status && !own_name(names.name[i]))
            status = akin__fail(err, AKIN_EINDEX,
                                "%s: is not an akin index but a folder with "
                                "%s in it; name another",
                                path, names.name[i]);
    }
    akin__names_free(&names);
    return status;
}

static akin_status make_folder(const char *path, akin_error *err)
{
    char *parent = NULL, *real = NULL;
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__make_folders(path, err));
    AKIN_TRY(akin__real_path(path, &real, err));
    parent = akin__strdup(real);
    AKIN_CHECK(parent, err, AKIN_ENOMEM, "%s: no memory", path);
    char *slash = strrchr(parent, '/');
    slash[slash == parent] = 0;
    AKIN_TRY(akin__sync_folder(parent, err));
out:
    akin__free(parent);
    akin__free(real);
    return status;
}

static bool is_empty(const char *path)
{
    struct stat st;
    return akin__stat(path, &st, NULL) || st.st_size == 0;
}

/* That there is a folder at `path` that is an index or may become one. */
static akin_status check_place(const char *path, akin_index_mode mode,
                               akin_error *err)
{
    struct stat st;
    akin_status status = akin__stat(path, &st, err);
    if (status == AKIN_ENOTFOUND && mode == AKIN_INDEX_CREATE)
        return make_folder(path, err);
    if (status == AKIN_ENOTFOUND)
        return akin__fail(err, AKIN_ENOTFOUND,
                          "%s: no such index; run: akin index FOLDER", path);
    if (status)
        return status;
    if (!S_ISDIR(st.st_mode))
        return akin__fail(err, AKIN_EINDEX,
                          "%s: is a file, not an index folder", path);
    char *catalog = akin__join(path, "catalog.db");
    if (!catalog)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", path);
    /* What is in there first: another process may be making it. */
    status = check_begun(path, err);
    if (!is_empty(catalog))
        status = AKIN_OK;
    else if (!status && mode != AKIN_INDEX_CREATE)
        status = akin__catalog_begun(path, err);
    akin__free(catalog);
    return status;
}

/* ----------------------------------------------------------- lock ------ */

static akin_status say_holder(const akin_index *index, akin_error *err)
{
    char line[300] = "";
    uint64_t bytes = 0;
    akin_error ignored;
    if (akin__file_size(&index->held, &bytes, &ignored) ||
        bytes >= sizeof line ||
        akin__file_read(&index->held, line, (size_t)bytes, 0, &ignored))
        bytes = 0;
    line[bytes] = 0;
    line[strcspn(line, "\n")] = 0;
    return akin__fail(err, AKIN_ELOCKED, "%s: being written by %s", index->path,
                      *line ? line : "another process");
}

static akin_status take_lock(akin_index *index, akin_error *err)
{
    char host[256] = "", line[300];
    bool taken = false;
    akin_status status = AKIN_OK;
    char *path = akin__join(index->path, "lock");
    AKIN_CHECK(path, err, AKIN_ENOMEM, "%s: no memory", index->path);
    AKIN_TRY(akin__file_open(&index->held, path, AKIN__CREATE, err));
    AKIN_TRY(akin__file_lock(&index->held, &taken, err));
    if (!taken) {
        status = say_holder(index, err);
        goto out;
    }
    gethostname(host, sizeof host - 1);
    const int length = snprintf(line, sizeof line, "pid %ld on host %s\n",
                                (long)getpid(), host);
    AKIN_TRY(akin__file_truncate(&index->held, 0, err));
    AKIN_TRY(akin__file_write(&index->held, line, (size_t)length, 0, err));
out:
    akin__free(path);
    return status;
}

/* ----------------------------------------------------------- open ------ */

akin_status akin__side_open(akin_index *index, struct akin__side *side,
                            enum akin__catalog_mode mode, akin_error *err)
{
    char *path = akin__join(index->real, "catalog.db");
    akin_status status = AKIN_OK;
    AKIN_CHECK(path, err, AKIN_ENOMEM, "%s: no memory", index->path);
    AKIN_CHECK(strlen(path) <= AKIN__CATALOG_PATH_MAX, err, AKIN_ELIMIT,
               "%s: the path of its catalog has %zu bytes (limit %d)",
               index->path, strlen(path), AKIN__CATALOG_PATH_MAX);
    status = akin__catalog_open(&side->catalog, path, index->path, mode, err);
out:
    akin__free(path);
    return status;
}

static akin_status open_writing(akin_index *index, akin_index_mode mode,
                                akin_error *err)
{
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__side_open(index, &index->write,
                             mode == AKIN_INDEX_CREATE ? AKIN__CATALOG_CREATE
                                                       : AKIN__CATALOG_WRITE,
                             err));
    AKIN_TRY(akin__models_load(index, &index->write, err));
    AKIN_TRY(akin__codes_restore(index, err));
    index->writable = true;
out:
    return status;
}

akin_status akin__index_begin(akin_index **out, const char *path,
                              akin_index_mode mode, akin_error *err)
{
    akin_status status = AKIN_OK;
    akin_index *index = akin__calloc(1, sizeof *index);
    *out = NULL;
    if (!index)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", path);
    index->held.fd = -1;
    akin__lock_open(&index->lock);
    index->path = akin__strdup(path);
    AKIN_CHECK(index->path, err, AKIN_ENOMEM, "%s: no memory", path);
    for (size_t at = strlen(path); at > 1 && path[at - 1] == '/'; at--)
        index->path[at - 1] = 0;
    AKIN_CHECK(*path, err, AKIN_EUSAGE, "the path of an index is empty");
    AKIN_TRY(check_place(index->path, mode, err));
    AKIN_TRY(akin__index_place(index, index->path, err));
    if (mode != AKIN_INDEX_READ)
        AKIN_TRY(take_lock(index, err));
    *out = index;
    index = NULL;
out:
    akin_index_close(&index);
    return status;
}

akin_status akin_index_open(akin_index **out, const char *path,
                            akin_index_mode mode, akin_error *err)
{
    akin_index *index;
    akin_status status = akin__index_begin(&index, path, mode, err);
    *out = NULL;
    if (status)
        return status;
    if (mode != AKIN_INDEX_READ)
        AKIN_TRY(open_writing(index, mode, err));
    AKIN_TRY(akin__side_open(index, &index->read, AKIN__CATALOG_READ, err));
    AKIN_TRY(akin__read_begin(index, err));
    akin__read_end(index);
    *out = index;
    index = NULL;
out:
    akin_index_close(&index);
    return status;
}

static void close_side(struct akin__side *side)
{
    akin__models_free(side);
    akin__catalog_close(&side->catalog);
}

void akin_index_close(akin_index **out)
{
    akin_index *index = *out;
    if (!index)
        return;
    close_side(&index->write);
    close_side(&index->read);
    akin__file_close(&index->held); /* last: it lets the next writer in */
    for (size_t i = 0; i < AKIN__MAX_MODELS; i++) {
        akin__live_free(&index->live[i]);
        akin__live_free(&index->chosen[i]);
        akin__card_rows_close(&index->card[i]);
    }
    akin__strings_free(&index->strings);
    akin__free(index->replaced);
    akin__free(index->shown);
    akin__free(index->shown_roots);
    akin__free(index->path);
    akin__free(index->real);
    akin__free(index->base);
    akin__free(index->prefix);
    akin__lock_close(&index->lock);
    akin__free(index);
    *out = NULL;
}

/* -------------------------------------------------------- reading ------ */

akin_status akin__read_begin(akin_index *index, akin_error *err)
{
    struct akin__side *side = &index->read;
    int64_t generation;
    akin_status status = AKIN_OK;
    akin__lock_take(&index->lock);
    AKIN_TRY(akin__sql_run(&side->catalog, err, "BEGIN", ""));
    AKIN_TRY(akin__sql_number(&side->catalog, &generation, err,
                              "PRAGMA data_version"));
    if (generation != side->generation)
        AKIN_TRY(akin__models_load(index, side, err));
    side->generation = generation;
out:
    if (status)
        akin__read_end(index);
    return status;
}

void akin__read_end(akin_index *index)
{
    /* Nothing was written: ending it cannot lose anything, and it fails only
     * where no transaction is open. */
    akin_error ignored;
    if (akin__sql_run(&index->read.catalog, &ignored, "COMMIT", ""))
        sqlite3_exec(index->read.catalog.db, "ROLLBACK", NULL, NULL, NULL);
    akin__lock_give(&index->lock);
}
