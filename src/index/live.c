/*
 * Live rows: which rows of a model belong to a file, as the catalog says, or to
 * a file that a filter lets pass. Kept from one search to the next until
 * another commit is seen.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "index/index.h"

static int by_row(const void *a, const void *b)
{
    const struct akin__live *x = a, *y = b;
    if (x->row != y->row)
        return x->row < y->row ? -1 : 1;
    return x->file < y->file ? -1 : x->file > y->file;
}

static void sort_by_row(struct akin__live_rows *live)
{
    size_t i = 1;
    while (i < live->count && by_row(&live->at[i - 1], &live->at[i]) < 0)
        i++;
    if (i < live->count) /* files that got their rows in order are in order */
        qsort(live->at, live->count, sizeof *live->at, by_row);
}

size_t akin__live_first(const struct akin__live_rows *live, uint64_t row)
{
    size_t low = 0, high = live->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (live->at[middle].row < row)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static akin_status add(struct akin__live_rows *live, size_t *capacity,
                       struct akin__live one, const akin_index *index,
                       akin_error *err)
{
    if (live->count == *capacity) {
        const size_t more = *capacity ? 2 * *capacity : 1024;
        struct akin__live *grown = akin__realloc(live->at, more, sizeof *grown);
        if (!grown)
            return akin__fail(err, AKIN_ENOMEM, "%s: no memory for %zu rows",
                              index->path, more);
        live->at = grown;
        *capacity = more;
    }
    live->at[live->count++] = one;
    return AKIN_OK;
}

/* -------------------------------------------------------- choosing ----- */

bool akin__is_filter(const akin_search_options *o)
{
    return o && (o->path || o->formats || o->bytes_least || o->bytes_most ||
                 o->pixels_least || o->pixels_most || o->taken_least ||
                 o->taken_most);
}

static int64_t number_of(uint64_t limit)
{
    return limit > INT64_MAX ? INT64_MAX : (int64_t)limit;
}

static int64_t most_of(uint64_t limit)
{
    return limit ? number_of(limit) : INT64_MAX;
}

#define FILES_OF_FILTER                                                        \
    "LEFT JOIN details ON details.file = rows.file "                           \
    "WHERE model = ?1 AND bytes BETWEEN ?2 AND ?3 "                            \
    "AND width * height BETWEEN ?4 AND ?5 "                                    \
    "AND (?6 = '' OR instr(?6, ',' || format || ',')) "                        \
    "AND (?7 = 0 AND ?8 = 0 OR taken BETWEEN ?7 AND ?8)"

akin_status akin__filter_ask(struct akin__side *side, size_t ordinal,
                             const akin_search_options *o, const char *formats,
                             const char *after, sqlite3_stmt **s,
                             akin_error *err)
{
    const int64_t model = (int64_t)ordinal;
    const int64_t bytes_least = number_of(o->bytes_least);
    const int64_t bytes_most = most_of(o->bytes_most);
    const int64_t pixels_least = number_of(o->pixels_least);
    const int64_t pixels_most = most_of(o->pixels_most);
    if (after) /* CROSS: paths outside, so that their index gives the order */
        return akin__sql(
            &side->catalog, s, err,
            "SELECT rows.file, row, crc, path FROM files "
            "CROSS JOIN rows ON rows.file = files.id " FILES_OF_FILTER
            " AND path > ?9 ORDER BY path",
            "iiiiitiip", model, bytes_least, bytes_most, pixels_least,
            pixels_most, formats, o->taken_least, o->taken_most, after);
    return akin__sql(&side->catalog, s, err,
                     "SELECT rows.file, row, crc, path FROM rows "
                     "JOIN files ON files.id = rows.file " FILES_OF_FILTER,
                     "iiiiitii", model, bytes_least, bytes_most, pixels_least,
                     pixels_most, formats, o->taken_least, o->taken_most);
}

char *akin__filter_formats(const akin_search_options *filter)
{
    return filter && filter->formats ? akin__format(",%s,", filter->formats)
                                     : akin__strdup("");
}

akin_status akin__filter_path(akin_index *index, const char *stored,
                              const char *glob, char **shown, bool *match,
                              akin_error *err)
{
    *shown = akin__shown_path(index, stored);
    if (!*shown)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", index->path);
    *match = !glob || fnmatch(glob, *shown, 0) == 0;
    return AKIN_OK;
}

/* Whether the path in the statement's row matches the filter's. */
static akin_status match_path(akin_index *index, struct akin__side *side,
                              sqlite3_stmt *s, const char *glob, bool *match,
                              akin_error *err)
{
    const char *stored;
    char *shown = NULL;
    akin_status status = akin__sql_path(&side->catalog, s, 3, &stored, err);
    if (!status)
        status = akin__filter_path(index, stored, glob, &shown, match, err);
    akin__free(shown);
    return status;
}

akin_status akin__live_read(akin_index *index, struct akin__side *side,
                            size_t ordinal, const akin_search_options *filter,
                            struct akin__live_rows *live, akin_error *err)
{
    sqlite3_stmt *s = NULL;
    size_t capacity = 0;
    bool row, match = true;
    akin_status status = AKIN_OK;
    char *formats = akin__filter_formats(filter);
    AKIN_CHECK(formats, err, AKIN_ENOMEM, "%s: no memory", index->path);
    if (akin__is_filter(filter))
        AKIN_TRY(
            akin__filter_ask(side, ordinal, filter, formats, NULL, &s, err));
    else
        AKIN_TRY(akin__sql(&side->catalog, &s, err,
                           "SELECT file, row, crc FROM rows WHERE model = ?",
                           "i", (int64_t)ordinal));
    for (;;) {
        AKIN_TRY(akin__sql_step(&side->catalog, s, &row, err));
        if (!row)
            break;
        const int64_t number = sqlite3_column_int64(s, 1);
        AKIN_CHECK(number >= 0 &&
                       (uint64_t)number < side->model[ordinal].committed,
                   err, AKIN_ECORRUPT,
                   "%s/catalog.db: row %lld of model %s (it has %llu)",
                   index->path, (long long)number, side->model[ordinal].is.name,
                   (unsigned long long)side->model[ordinal].committed);
        const struct akin__live one = {sqlite3_column_int64(s, 0),
                                       (uint32_t)number,
                                       (uint32_t)sqlite3_column_int64(s, 2)};
        if (filter && filter->path)
            AKIN_TRY(match_path(index, side, s, filter->path, &match, err));
        if (match)
            AKIN_TRY(add(live, &capacity, one, index, err));
    }
    sort_by_row(live);
out:
    akin__free(formats);
    akin__sql_end(s);
    return status;
}

/* ---------------------------------------------------------- keeping ---- */

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_filter(const akin_search_options *a,
                        const akin_search_options *b)
{
    return same_text(a->path, b->path) && same_text(a->formats, b->formats) &&
           a->bytes_least == b->bytes_least && a->bytes_most == b->bytes_most &&
           a->pixels_least == b->pixels_least &&
           a->pixels_most == b->pixels_most &&
           a->taken_least == b->taken_least && a->taken_most == b->taken_most;
}

void akin__live_free(struct akin__live_rows *live)
{
    akin__free(live->at);
    akin__free((void *)(uintptr_t)live->filter.path);
    akin__free((void *)(uintptr_t)live->filter.formats);
    memset(live, 0, sizeof *live);
}

/* Keep a copy of what the rows were chosen by. */
static akin_status keep_filter(struct akin__live_rows *live,
                               const akin_search_options *filter,
                               akin_error *err)
{
    live->filter = *filter;
    live->filter.path = filter->path ? akin__strdup(filter->path) : NULL;
    live->filter.formats =
        filter->formats ? akin__strdup(filter->formats) : NULL;
    if ((filter->path && !live->filter.path) ||
        (filter->formats && !live->filter.formats))
        return akin__fail(err, AKIN_ENOMEM, "no memory for a filter");
    return AKIN_OK;
}

akin_status akin__live_choose(akin_index *index, size_t ordinal,
                              const akin_search_options *filter,
                              struct akin__live_rows **out, akin_error *err)
{
    static const akin_search_options none;
    const bool some = akin__is_filter(filter);
    struct akin__live_rows *live =
        some ? &index->chosen[ordinal] : &index->live[ordinal];
    filter = some ? filter : &none;
    *out = live;
    if (live->generation == index->read.generation &&
        same_filter(&live->filter, filter))
        return AKIN_OK;
    akin__live_free(live);
    akin_status status = keep_filter(live, filter, err);
    if (!status)
        status =
            akin__live_read(index, &index->read, ordinal, filter, live, err);
    if (!status)
        live->generation = index->read.generation;
    return status;
}

akin_status akin__live_load(akin_index *index, size_t ordinal, akin_error *err)
{
    struct akin__live_rows *live;
    return akin__live_choose(index, ordinal, NULL, &live, err);
}
