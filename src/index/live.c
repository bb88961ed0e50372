/*
 * Live rows: which rows of a model belong to a file, as the catalog says. Kept
 * from one search to the next until another commit is seen.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
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

akin_status akin__live_load(akin_index *index, size_t ordinal, akin_error *err)
{
    struct akin__side *side = &index->read;
    struct akin__live_rows *live = &index->live[ordinal];
    sqlite3_stmt *s = NULL;
    size_t capacity = 0;
    bool row;
    akin_status status = AKIN_OK;
    if (live->generation == side->generation)
        return AKIN_OK;
    akin__free(live->at);
    memset(live, 0, sizeof *live);
    AKIN_TRY(akin__sql(&side->catalog, &s, err,
                       "SELECT file, row, crc FROM rows WHERE model = ?", "i",
                       (int64_t)ordinal));
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
        AKIN_TRY(add(live, &capacity, one, index, err));
    }
    sort_by_row(live);
    live->generation = side->generation;
out:
    akin__sql_end(s);
    return status;
}
