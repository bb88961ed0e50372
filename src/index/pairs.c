/*
 * Pairs (pairs.h). The rows are cut into blocks. A part of them, as many as
 * RIGHT_BYTES hold, is turned into the right side of the product; then every
 * block up to the part's end is multiplied with what of the part lies at or
 * behind it. Blocks are handed to the threads in order, so that the longest
 * come first.
 */
#include "index/pairs.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "math/near.h"

enum { RIGHT_BYTES = 256 << 20, MOST_THREADS = 256 };

/* ----------------------------------------------------------- rows ------ */

akin_status akin__row_list_open(struct akin__row_list *list, akin_index *index,
                                size_t ordinal, akin_error *err)
{
    const struct akin__live_rows *live = &index->live[ordinal];
    memset(list, 0, sizeof *list);
    list->rows = index->read.model[ordinal];
    list->rows.file = list->rows.codes = (struct akin__file){.fd = -1};
    akin_status status = AKIN_OK;
    list->row = akin__alloc(live->count, sizeof *list->row);
    list->crc = akin__alloc(live->count, sizeof *list->crc);
    AKIN_CHECK(list->row && list->crc, err, AKIN_ENOMEM,
               "%s: no memory for %zu rows", index->path, live->count);
    for (size_t i = 0; i < live->count; i++) {
        const struct akin__live *one = &live->at[i];
        if (list->count && list->row[list->count - 1] == one->row)
            continue;
        list->row[list->count] = one->row;
        list->crc[list->count++] = one->crc;
    }
    status = akin__rows_open(&list->rows, index, ordinal, false, err);
out:
    if (status)
        akin__row_list_close(list);
    return status;
}

void akin__row_list_close(struct akin__row_list *list)
{
    akin__rows_close(&list->rows);
    akin__free(list->row);
    akin__free(list->crc);
    list->row = list->crc = NULL;
    list->count = 0;
}

/* `row` to length 1, so that products are cosines whatever a file holds. */
static akin_status make_unit(const struct akin__row_list *list, size_t at,
                             float *row, akin_error *err)
{
    const size_t dim = list->rows.is.dim;
    double square = 0;
    for (size_t i = 0; i < dim; i++)
        square += (double)row[i] * (double)row[i];
    if (!isfinite(square))
        return akin__fail(err, AKIN_ECORRUPT,
                          "%s: row %lu has numbers that are not finite",
                          list->rows.file.path, (unsigned long)list->row[at]);
    const double scale = square > 0 ? 1 / sqrt(square) : 0;
    for (size_t i = 0; i < dim; i++)
        row[i] = (float)(scale * (double)row[i]);
    return AKIN_OK;
}

akin_status akin__row_list_read(const struct akin__row_list *list, size_t first,
                                size_t count, float *floats, akin_error *err)
{
    const size_t dim = list->rows.is.dim, end = first + count;
    akin_status status = AKIN_OK;
    while (first < end && !status) {
        size_t run = 1; /* rows that lie one behind the other */
        while (first + run < end &&
               list->row[first + run] == list->row[first] + run)
            run++;
        status =
            akin__rows_read(&list->rows, list->row[first], run, floats, err);
        for (size_t i = 0; i < run && !status; i++, floats += dim) {
            status = akin__rows_check(&list->rows, list->row[first + i],
                                      list->crc[first + i], floats, err);
            if (!status)
                status = make_unit(list, first + i, floats, err);
        }
        first += run;
    }
    return status;
}

/* ---------------------------------------------------------- product ---- */

/* What a thread works in. */
struct desk {
    struct akin__near_left left;
    float *rows;     /* [AKIN__NEAR][dim] */
    float *products; /* [AKIN__NEAR][AKIN__NEAR] */
};

struct work {
    const struct akin__pairs *pairs;
    struct akin__near_right right; /* rows [part, part + right.count) */
    size_t part;
    struct desk *desk; /* [threads] */
    size_t threads;
    atomic_uint_fast64_t done; /* pairs */
    uint64_t whole;
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Rows from `at` that a block has. */
static size_t block_at(const struct work *w, size_t at)
{
    return smaller(AKIN__NEAR, w->pairs->list->count - at);
}

static akin_status fill_right(void *context, size_t item, int thread,
                              akin_error *err)
{
    struct work *w = context;
    float *rows = w->desk[thread].rows;
    const size_t at = item * AKIN__NEAR;
    const size_t count = smaller(AKIN__NEAR, w->right.count - at);
    const akin_status status =
        akin__row_list_read(w->pairs->list, w->part + at, count, rows, err);
    return status ? status
                  : akin__near_right_fill(&w->right, at, rows, count, err);
}

/* What of the products of row a + r, from column `from` on, is near enough. */
static akin_status visit_row(const struct work *w, const struct desk *desk,
                             size_t a, size_t r, size_t b, size_t from,
                             size_t columns, float reach, akin_error *err)
{
    const struct akin__pairs *p = w->pairs;
    const float *products = desk->products + r * AKIN__NEAR;
    const float least = (float)p->threshold - reach;
    uint32_t at[AKIN__NEAR];
    float product[AKIN__NEAR];
    size_t some = 0;
    struct akin__near_rows near = {
        a + r, desk->rows + r * p->list->rows.is.dim, 0, at, product, reach};
    for (size_t j = 0; j < columns; j++)
        some += products[j] >= least; /* a loop that becomes vectors */
    if (!some)
        return AKIN_OK;
    for (size_t j = from; j < columns; j++) {
        if (products[j] < least)
            continue;
        at[near.count] = (uint32_t)(b + j);
        product[near.count++] = products[j];
    }
    return near.count ? p->visit(p->context, &near, err) : AKIN_OK;
}

/* The block at `a` with the columns at `b`, both of the list, b >= a. */
static akin_status compare_blocks(struct work *w, const struct desk *desk,
                                  size_t a, size_t b, akin_error *err)
{
    const struct akin__pairs *p = w->pairs;
    size_t columns;
    float reach;
    if (p->skip && p->skip(p->context, a, desk->left.count, b, block_at(w, b)))
        return AKIN_OK;
    akin__near_products(&desk->left, &w->right, b - w->part, desk->products,
                        &columns, &reach);
    akin_status status = AKIN_OK;
    for (size_t r = 0; r < desk->left.count && !status; r++)
        status = visit_row(w, desk, a, r, b, a == b ? r + 1 : 0, columns, reach,
                           err);
    return status;
}

/* Thread 0 is the caller's, which progress is called from. */
static akin_status tell(struct work *w, size_t pairs, int thread,
                        akin_error *err)
{
    const struct akin__pairs *p = w->pairs;
    const uint64_t done = atomic_fetch_add(&w->done, pairs) + pairs;
    if (thread == 0 && p->progress &&
        p->progress(p->progress_context, "pairs", done, w->whole))
        return akin__fail(err, AKIN_ECANCELLED, "stopped");
    return AKIN_OK;
}

static akin_status compare_block(void *context, size_t item, int thread,
                                 akin_error *err)
{
    enum { TOLD = 8 }; /* blocks of columns between two calls of progress */
    struct work *w = context;
    struct desk *desk = &w->desk[thread];
    const size_t a = item * AKIN__NEAR, count = block_at(w, a);
    const size_t end = w->part + w->right.count;
    size_t pairs = 0;
    akin_status status =
        akin__row_list_read(w->pairs->list, a, count, desk->rows, err);
    if (status)
        return status;
    akin__near_left_fill(&desk->left, desk->rows, count);
    size_t b = a > w->part ? a : w->part;
    for (size_t n = 1; b < end && !status; b += AKIN__NEAR, n++) {
        status = compare_blocks(w, desk, a, b, err);
        pairs += a == b ? count * (count - 1) / 2 : count * block_at(w, b);
        if (!status && n % TOLD == 0) {
            status = tell(w, pairs, thread, err);
            pairs = 0;
        }
    }
    return status ? status : tell(w, pairs, thread, err);
}

static akin_status open_desks(struct work *w, size_t dim, akin_error *err)
{
    w->desk = akin__calloc(w->threads, sizeof *w->desk);
    if (!w->desk)
        return akin__fail(err, AKIN_ENOMEM, "no memory to compare rows");
    for (size_t i = 0; i < w->threads; i++) {
        struct desk *desk = &w->desk[i];
        const akin_status status = akin__near_left_open(&desk->left, dim, err);
        if (status)
            return status;
        desk->rows = akin__alloc_aligned(AKIN__NEAR, dim * sizeof(float));
        desk->products =
            akin__alloc_aligned(AKIN__NEAR, AKIN__NEAR * sizeof(float));
        if (!desk->rows || !desk->products)
            return akin__fail(err, AKIN_ENOMEM, "no memory to compare rows");
    }
    return AKIN_OK;
}

static void close_work(struct work *w)
{
    for (size_t i = 0; w->desk && i < w->threads; i++) {
        akin__near_left_close(&w->desk[i].left);
        akin__free(w->desk[i].rows);
        akin__free(w->desk[i].products);
    }
    akin__free(w->desk);
    akin__near_right_close(&w->right);
}

/* Rows that a part has: whole blocks. */
static size_t part_rows(size_t room, size_t dim)
{
    const size_t blocks =
        (room ? room : RIGHT_BYTES) / akin__near_right_bytes(AKIN__NEAR, dim);
    return (blocks ? blocks : 1) * AKIN__NEAR;
}

akin_status akin__pairs(const struct akin__pairs *pairs, akin_error *err)
{
    const size_t count = pairs->list->count, dim = pairs->list->rows.is.dim;
    const size_t blocks = (count + AKIN__NEAR - 1) / AKIN__NEAR;
    const size_t wanted = pairs->threads > 0 ? (size_t)pairs->threads
                                             : (size_t)akin__processors();
    struct work w = {.pairs = pairs,
                     .threads = smaller(wanted, smaller(blocks, MOST_THREADS)),
                     .whole = (uint64_t)count * (count ? count - 1 : 0) / 2};
    akin_status status = AKIN_OK;
    if (count < 2)
        return AKIN_OK;
    AKIN_TRY(open_desks(&w, dim, err));
    for (; w.part < count; w.part += w.right.count) {
        akin__near_right_close(&w.right);
        AKIN_TRY(akin__near_right_open(
            &w.right, smaller(count - w.part, part_rows(pairs->room, dim)), dim,
            err));
        AKIN_TRY(akin__parallel((int)w.threads,
                                (w.right.count + AKIN__NEAR - 1) / AKIN__NEAR,
                                fill_right, &w, err));
        AKIN_TRY(akin__parallel((int)w.threads,
                                (w.part + w.right.count + AKIN__NEAR - 1) /
                                    AKIN__NEAR,
                                compare_block, &w, err));
    }
out:
    close_work(&w);
    return status;
}
