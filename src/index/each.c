/*
 * Each: the rows of a model in order of path, for whoever looks at all of
 * them. A batch is read under the lock, of one commit, and handed out with
 * nothing held: a visitor that waits for its reader keeps no writer waiting.
 */
#include "base/error.h"
#include "base/memory.h"
#include "index/index.h"

enum { BATCH = 1024 };

struct batch {
    akin_index *index;
    const akin_search_options *filter;
    char *formats;
    char *after; /* the stored path of the last row that was read */
    size_t ordinal, dim;
    char *path[BATCH]; /* [count], as the caller sees them */
    float *vectors;    /* [BATCH][dim] */
    size_t count;
};

static void clear(struct batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        akin__free(b->path[i]);
    b->count = 0;
}

/* The row that the statement is at, if its path passes. */
static akin_status add_row(struct batch *b, sqlite3_stmt *s, const char *stored,
                           akin_error *err)
{
    akin_index *index = b->index;
    const struct akin__rows *rows = &index->read.model[b->ordinal];
    char *shown = NULL;
    bool match = false;
    akin_status status = AKIN_OK;
    AKIN_TRY(
        akin__filter_path(index, stored, b->filter->path, &shown, &match, err));
    if (!match)
        goto out;
    AKIN_TRY(akin__row_vector(index, rows, sqlite3_column_int64(s, 1),
                              (uint32_t)sqlite3_column_int64(s, 2),
                              b->vectors + b->count * b->dim, err));
    b->path[b->count++] = shown;
    shown = NULL;
out:
    akin__free(shown);
    return status;
}

/* As many rows as fit, from what is being read; *more: there may be others. */
static akin_status read_rows(struct batch *b, bool *more, akin_error *err)
{
    struct akin__side *side = &b->index->read;
    sqlite3_stmt *s = NULL;
    const char *stored;
    char *last = NULL;
    bool row = true;
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__filter_ask(side, b->ordinal, b->filter, b->formats, b->after,
                              &s, err));
    while (b->count < BATCH) {
        AKIN_TRY(akin__sql_step(&side->catalog, s, &row, err));
        if (!row)
            break;
        AKIN_TRY(akin__sql_path(&side->catalog, s, 3, &stored, err));
        AKIN_TRY(add_row(b, s, stored, err));
        if (b->count == BATCH) {
            last = akin__strdup(stored);
            AKIN_CHECK(last, err, AKIN_ENOMEM, "%s: no memory", b->index->path);
        }
    }
    *more = row;
out:
    akin__sql_end(s);
    if (last) {
        akin__free(b->after); /* the statement no longer has it */
        b->after = last;
    }
    return status;
}

static akin_status read_batch(struct batch *b, const char *model, bool *more,
                              akin_error *err)
{
    akin_index *index = b->index;
    akin_status status = akin__read_begin(index, err);
    if (status)
        return status;
    AKIN_TRY(akin__models_find(index, &index->read, model, &b->ordinal, err));
    if (!b->vectors) {
        b->dim = index->read.model[b->ordinal].is.dim;
        b->vectors = akin__alloc(BATCH, b->dim * sizeof *b->vectors);
        AKIN_CHECK(b->vectors, err, AKIN_ENOMEM, "%s: no memory", index->path);
    }
    AKIN_CHECK(b->dim == index->read.model[b->ordinal].is.dim, err, AKIN_EINDEX,
               "%s: was made anew meanwhile", index->path);
    AKIN_TRY(read_rows(b, more, err));
out:
    akin__read_end(index);
    return status;
}

akin_status akin_index_rows(akin_index *index, const char *model,
                            const akin_search_options *options,
                            int (*visit)(void *context, const char *path,
                                         const float *vector),
                            void *context, akin_error *err)
{
    static const akin_search_options all = {.size = sizeof all};
    struct batch *b = akin__calloc(1, sizeof *b);
    bool more = true;
    akin_status status = AKIN_OK;
    AKIN_CHECK(b, err, AKIN_ENOMEM, "%s: no memory", index->path);
    b->index = index;
    b->filter = options ? options : &all;
    b->formats = akin__filter_formats(b->filter);
    b->after = akin__strdup("");
    AKIN_CHECK(b->formats && b->after, err, AKIN_ENOMEM, "%s: no memory",
               index->path);
    while (more) {
        AKIN_TRY(read_batch(b, model, &more, err));
        for (size_t i = 0; i < b->count; i++)
            AKIN_CHECK(!visit(context, b->path[i], b->vectors + i * b->dim),
                       err, AKIN_ECANCELLED, "%s: stopped", index->path);
        clear(b);
    }
out:
    if (b) {
        clear(b);
        akin__free(b->formats);
        akin__free(b->after);
        akin__free(b->vectors);
    }
    akin__free(b);
    return status;
}
