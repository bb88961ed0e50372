/*
 * Pictures (dups.h): what the catalog says of every picture, read in one
 * transaction and kept in memory, some 300 bytes each.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "index/certainty.h"
#include "index/dups.h"

/* ------------------------------------------------------------ trees ---- */

uint32_t akin__top(struct akin__pictures *pictures, uint32_t one)
{
    struct akin__picture *at = pictures->at;
    while (at[one].above != one) {
        at[one].above = at[at[one].above].above;
        one = at[one].above;
    }
    return one;
}

/* The first of both becomes the top, so that the order of joining leaves no
 * trace. */
void akin__join_trees(struct akin__pictures *pictures, uint32_t a, uint32_t b)
{
    a = akin__top(pictures, a);
    b = akin__top(pictures, b);
    if (a < b)
        pictures->at[b].above = a;
    else
        pictures->at[a].above = b;
}

/* ---------------------------------------------------------- pictures --- */

static akin_status add_picture(struct akin__pictures *pictures,
                               akin_index *index, sqlite3_stmt *s,
                               akin_error *err)
{
    struct akin__catalog *c = &index->read.catalog;
    const char *stored;
    if (pictures->count == pictures->capacity) {
        const size_t more = pictures->capacity ? 2 * pictures->capacity : 1024;
        struct akin__picture *grown =
            akin__realloc(pictures->at, more, sizeof *grown);
        if (!grown)
            return akin__fail(err, AKIN_ENOMEM,
                              "%s: no memory for %zu pictures", index->path,
                              more);
        pictures->at = grown;
        pictures->capacity = more;
    }
    const akin_status status = akin__sql_path(c, s, 8, &stored, err);
    if (status)
        return status;
    struct akin__picture *one = &pictures->at[pictures->count];
    memset(one, 0, sizeof *one);
    one->path = akin__shown_path(index, stored);
    if (!one->path)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", index->path);
    one->above = (uint32_t)pictures->count++;
    one->is.bytes = (uint64_t)sqlite3_column_int64(s, 1);
    one->is.mtime_ns = sqlite3_column_int64(s, 2);
    one->is.width = (uint32_t)sqlite3_column_int64(s, 4);
    one->is.height = (uint32_t)sqlite3_column_int64(s, 5);
    const void *content = sqlite3_column_blob(s, 3);
    if (!content || sqlite3_column_bytes(s, 3) != sizeof one->is.content)
        return akin__fail(err, AKIN_ECORRUPT,
                          "%s/catalog.db: the content of file %lld is no hash",
                          index->path, (long long)sqlite3_column_int64(s, 0));
    memcpy(one->is.content, content, sizeof one->is.content);
    const unsigned char *format = sqlite3_column_text(s, 6);
    for (size_t i = 0; format && format[i] && i < sizeof one->format - 1; i++)
        one->format[i] = (char)format[i];
    const void *hash = sqlite3_column_blob(s, 7);
    one->looked = hash && sqlite3_column_bytes(s, 7) == sizeof one->hash;
    if (one->looked)
        memcpy(one->hash, hash, sizeof one->hash);
    return AKIN_OK;
}

/* A file's number in the catalog, and of its picture. */
struct number {
    int64_t file;
    uint32_t picture;
};

static int by_file(const void *a, const void *b)
{
    const struct number *x = a, *y = b;
    return x->file < y->file ? -1 : x->file > y->file;
}

/* All pictures, and *numbers [pictures->count] by file. */
static akin_status load_pictures(struct akin__pictures *pictures,
                                 akin_index *index, struct number **numbers,
                                 akin_error *err)
{
    struct akin__catalog *c = &index->read.catalog;
    sqlite3_stmt *s = NULL;
    int64_t most;
    bool row;
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__sql_number(c, &most, err, "SELECT count(*) FROM files"));
    *numbers = akin__calloc((size_t)most, sizeof **numbers);
    AKIN_CHECK(*numbers && most < UINT32_MAX, err, AKIN_ENOMEM,
               "%s: no memory for %lld pictures", index->path, (long long)most);
    AKIN_TRY(akin__sql(
        c, &s, err,
        "SELECT id, bytes, mtime_ns, content, width, height, format, hash, "
        "path FROM files LEFT JOIN details ON file = id WHERE failed = 0 "
        "ORDER BY path",
        ""));
    for (;;) {
        AKIN_TRY(akin__sql_step(c, s, &row, err));
        if (!row || pictures->count == (size_t)most)
            break;
        (*numbers)[pictures->count] = (struct number){
            sqlite3_column_int64(s, 0), (uint32_t)pictures->count};
        AKIN_TRY(add_picture(pictures, index, s, err));
    }
    for (size_t i = 0; i < pictures->count; i++) {
        struct akin__picture *one = &pictures->at[i];
        one->is.path = one->path;
        one->is.format = one->format;
    }
    qsort(*numbers, pictures->count, sizeof **numbers, by_file);
out:
    akin__sql_end(s);
    return status;
}

static int by_content(const void *a, const void *b)
{
    const struct akin__picture *const *x = a, *const *y = b;
    const int order = memcmp((*x)->is.content, (*y)->is.content, 32);
    return order ? order : (*x)->above < (*y)->above ? -1 : 1;
}

/* Files of equal content are copies, whatever the models say. */
static akin_status join_equal(struct akin__pictures *pictures, akin_error *err)
{
    const struct akin__picture **sorted =
        akin__alloc(pictures->count, sizeof *sorted);
    if (!sorted)
        return akin__fail(err, AKIN_ENOMEM, "no memory for %zu pictures",
                          pictures->count);
    for (size_t i = 0; i < pictures->count; i++)
        sorted[i] = &pictures->at[i];
    qsort(sorted, pictures->count, sizeof *sorted, by_content);
    for (size_t i = 1; i < pictures->count; i++) {
        if (akin__content_known(sorted[i]->is.content) &&
            memcmp(sorted[i - 1]->is.content, sorted[i]->is.content, 32) == 0)
            akin__join_trees(pictures, (uint32_t)(sorted[i - 1] - pictures->at),
                             (uint32_t)(sorted[i] - pictures->at));
    }
    akin__free(sorted);
    return AKIN_OK;
}

/* ------------------------------------------------------------- views --- */

/* How surely what a calibrated threshold lets pass is a copy. */
#define CERTAIN 0.99

/* Low: the hash confirms, and what a model does not bring up is not found.
 * docs/dups.md */
static double usual_threshold(const char *family)
{
    return strcmp(family, "clip") == 0 ? 0.8 : 0.7;
}

/* The least cosine of a copy: where the index is calibrated, the one of which
 * 99 of 100 are. */
static akin_status choose_threshold(struct akin__view *view,
                                    const akin_index *index, size_t ordinal,
                                    akin_error *err)
{
    const struct akin__rows *rows = &index->read.model[ordinal];
    akin_certainty *certainty = akin__alloc(1, sizeof *certainty);
    bool known;
    akin_status status = AKIN_OK;
    view->threshold = usual_threshold(rows->is.family);
    view->certain = (double)NAN;
    AKIN_CHECK(certainty, err, AKIN_ENOMEM, "%s: no memory", index->path);
    AKIN_TRY(
        akin__certainty_read(index, rows, ordinal, certainty, &known, err));
    const double from =
        known ? akin_certain_from(certainty, CERTAIN) : (double)NAN;
    if (from > 0) {
        view->threshold = from;
        view->certain = CERTAIN;
    }
out:
    akin__free(certainty);
    return status;
}

static akin_status open_view(struct akin__pictures *pictures, akin_index *index,
                             const char *model, const struct number *numbers,
                             akin_error *err)
{
    struct akin__view *view = &pictures->view[pictures->views];
    size_t ordinal, at = 0;
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__models_find(index, &index->read, model, &ordinal, err));
    AKIN_TRY(akin__live_load(index, ordinal, err));
    AKIN_TRY(akin__row_list_open(&view->list, index, ordinal, err));
    pictures->views++;
    AKIN_TRY(choose_threshold(view, index, ordinal, err));
    view->name = akin__strdup(index->read.model[ordinal].is.name);
    view->row_of = akin__alloc(pictures->count, sizeof *view->row_of);
    view->picture_of = akin__alloc(view->list.count, sizeof *view->picture_of);
    AKIN_CHECK(view->name && view->row_of && view->picture_of, err, AKIN_ENOMEM,
               "%s: no memory for %zu pictures", index->path, pictures->count);
    for (size_t i = 0; i < pictures->count; i++)
        view->row_of[i] = AKIN__NO_ROW;
    for (size_t i = 0; i < view->list.count; i++)
        view->picture_of[i] = AKIN__NO_ROW;
    const struct akin__live_rows *live = &index->live[ordinal];
    for (size_t i = 0; i < live->count; i++) {
        const struct number *found =
            bsearch(&(struct number){live->at[i].file, 0}, numbers,
                    pictures->count, sizeof *numbers, by_file);
        AKIN_CHECK(found, err, AKIN_ECORRUPT,
                   "%s/catalog.db: a row of file %lld, which is not there",
                   index->path, (long long)live->at[i].file);
        at += live->at[i].row != view->list.row[at];
        view->row_of[found->picture] = (uint32_t)at;
        if (view->picture_of[at] == AKIN__NO_ROW)
            view->picture_of[at] = found->picture;
    }
out:
    return status;
}

akin_status akin__pictures_open(struct akin__pictures *pictures,
                                akin_index *index, const char *const *models,
                                size_t count, akin_error *err)
{
    struct number *numbers = NULL;
    memset(pictures, 0, sizeof *pictures);
    akin_status status = akin__read_begin(index, err);
    if (status)
        return status;
    const size_t views = count ? count : index->read.models;
    pictures->view = akin__calloc(views, sizeof *pictures->view);
    AKIN_CHECK(pictures->view, err, AKIN_ENOMEM, "%s: no memory", index->path);
    AKIN_TRY(load_pictures(pictures, index, &numbers, err));
    for (size_t i = 0; i < views; i++)
        AKIN_TRY(open_view(pictures, index,
                           count ? models[i] : index->read.model[i].is.name,
                           numbers, err));
out:
    akin__read_end(index);
    akin__free(numbers);
    return status ? status : join_equal(pictures, err);
}

void akin__pictures_close(struct akin__pictures *pictures)
{
    for (size_t i = 0; i < pictures->views; i++) {
        struct akin__view *view = &pictures->view[i];
        akin__row_list_close(&view->list);
        akin__free(view->name);
        akin__free(view->row_of);
        akin__free(view->picture_of);
    }
    for (size_t i = 0; i < pictures->count; i++)
        akin__free(pictures->at[i].path);
    akin__free(pictures->view);
    akin__free(pictures->at);
    memset(pictures, 0, sizeof *pictures);
}
