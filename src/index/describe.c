/* Describe: what an index is, and which files it could not read. */
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "index/index.h"

/* The bytes of the files in the index's folder. */
static akin_status count_bytes(const akin_index *index, uint64_t *bytes,
                               akin_error *err)
{
    struct akin__names names;
    *bytes = 0;
    const akin_status status = akin__list_folder(index->real, &names, err);
    if (status)
        return status;
    for (size_t i = 0; i < names.count; i++) {
        struct stat st;
        akin_error gone; /* a journal may be, by now */
        char *path = akin__join(index->real, names.name[i]);
        if (path && !akin__stat(path, &st, &gone))
            *bytes += (uint64_t)st.st_size;
        akin__free(path);
    }
    akin__names_free(&names);
    return AKIN_OK;
}

static akin_status describe_devices(const akin_index *index, size_t ordinal,
                                    akin_error *err)
{
    static const char *const words[] = {"", "cpu", "cuda", "cpu, cuda"};
    akin_error why;
    unsigned devices;
    akin_status status = akin__devices_read(index, &index->read.model[ordinal],
                                            ordinal, &devices, &why);
    if (status == AKIN_ECORRUPT || status == AKIN_EIO) { /* verify says it */
        devices = 0;
        status = AKIN_OK;
    }
    index->shown[ordinal].devices = words[devices];
    return status ? akin__fail(err, status, "%s", why.message) : AKIN_OK;
}

static akin_status describe_models(akin_index *index, akin_index_info *info,
                                   akin_error *err)
{
    struct akin__side *side = &index->read;
    akin_status status = AKIN_OK;
    akin__free(index->shown);
    index->shown = akin__calloc(side->models, sizeof *index->shown);
    AKIN_CHECK(index->shown, err, AKIN_ENOMEM, "%s: no memory", index->path);
    for (size_t i = 0; i < side->models; i++) {
        index->shown[i] = side->model[i].is;
        AKIN_TRY(describe_devices(index, i, err));
    }
    info->models = side->models;
    info->model = index->shown;
    if (side->models) {
        const struct akin__making *making = &side->model[0].making;
        info->exif = making->exif;
        info->precision = making->precision;
        info->decode = making->decode;
    }
out:
    return status;
}

static akin_status describe_roots(akin_index *index, akin_index_info *info,
                                  akin_error *err)
{
    struct akin__catalog *c = &index->read.catalog;
    sqlite3_stmt *s = NULL;
    int64_t count;
    bool row = true;
    const char *stored;
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__sql_number(c, &count, err, "SELECT count(*) FROM roots"));
    akin__free(index->shown_roots);
    index->shown_roots =
        akin__calloc((size_t)count, sizeof *index->shown_roots);
    AKIN_CHECK(index->shown_roots, err, AKIN_ENOMEM, "%s: no memory",
               index->path);
    AKIN_TRY(akin__sql(c, &s, err, "SELECT path FROM roots ORDER BY path", ""));
    for (info->roots = 0; info->roots < (size_t)count; info->roots++) {
        AKIN_TRY(akin__sql_step(c, s, &row, err));
        if (!row)
            break;
        AKIN_TRY(akin__sql_path(c, s, 0, &stored, err));
        AKIN_TRY(akin__lasting_path(index, stored,
                                    &index->shown_roots[info->roots], err));
    }
    info->root = index->shown_roots;
out:
    akin__sql_end(s);
    return status;
}

static akin_status describe(akin_index *index, akin_index_info *info,
                            akin_error *err)
{
    int64_t any;
    akin_status status = AKIN_OK;
    memset(info, 0, sizeof *info);
    AKIN_TRY(akin__sql_number(
        &index->read.catalog, &any, err,
        "SELECT EXISTS(SELECT 1 FROM files WHERE failed = 0)"));
    AKIN_TRY(describe_models(index, info, err));
    AKIN_TRY(describe_roots(index, info, err));
    info->version = (uint32_t)index->read.catalog.version;
    info->empty = !any;
out:
    return status;
}

akin_status akin_index_describe(akin_index *index, akin_index_info *info,
                                akin_error *err)
{
    akin_status status = akin__read_begin(index, err);
    if (status)
        return status;
    status = describe(index, info, err);
    akin__read_end(index);
    return status;
}

static akin_status count_images(akin_index *index, akin_error *err)
{
    struct akin__side *side = &index->read;
    sqlite3_stmt *s = NULL;
    bool row = true;
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__sql(&side->catalog, &s, err,
                       "SELECT model, count(*) FROM rows GROUP BY model", ""));
    for (;;) {
        AKIN_TRY(akin__sql_step(&side->catalog, s, &row, err));
        if (!row)
            break;
        const int64_t model = sqlite3_column_int64(s, 0);
        if (model >= 0 && (uint64_t)model < side->models)
            index->shown[model].images = (uint64_t)sqlite3_column_int64(s, 1);
    }
out:
    akin__sql_end(s);
    return status;
}

akin_status akin_index_count(akin_index *index, akin_index_info *info,
                             akin_error *err)
{
    struct akin__catalog *c = &index->read.catalog;
    int64_t files = 0, failed = 0;
    akin_status status = akin__read_begin(index, err);
    if (status)
        return status;
    AKIN_TRY(describe(index, info, err));
    AKIN_TRY(akin__sql_number(c, &files, err,
                              "SELECT count(*) FROM files WHERE failed = 0"));
    AKIN_TRY(akin__sql_number(c, &failed, err,
                              "SELECT count(*) FROM files WHERE failed <> 0"));
    AKIN_TRY(count_images(index, err));
    AKIN_TRY(count_bytes(index, &info->bytes, err));
    info->files = (uint64_t)files;
    info->failed = (uint64_t)failed;
out:
    akin__read_end(index);
    return status;
}

akin_status akin_index_failures(akin_index *index,
                                void (*visit)(void *context, const char *path,
                                              const char *reason),
                                void *context, akin_error *err)
{
    struct akin__catalog *c = &index->read.catalog;
    sqlite3_stmt *s = NULL;
    const char *stored;
    bool row;
    akin_status status = akin__read_begin(index, err);
    if (status)
        return status;
    AKIN_TRY(akin__sql(c, &s, err,
                       "SELECT path, reason FROM files WHERE failed <> 0 "
                       "ORDER BY path",
                       ""));
    for (;;) {
        AKIN_TRY(akin__sql_step(c, s, &row, err));
        if (!row)
            break;
        const char *reason = (const char *)sqlite3_column_text(s, 1);
        AKIN_TRY(akin__sql_path(c, s, 0, &stored, err));
        char *path = akin__shown_path(index, stored);
        AKIN_CHECK(path, err, AKIN_ENOMEM, "%s: no memory", index->path);
        visit(context, path, reason ? reason : "");
        akin__free(path);
    }
out:
    akin__sql_end(s);
    akin__read_end(index);
    return status;
}
