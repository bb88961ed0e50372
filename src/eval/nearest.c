/*
 * Nearest (nearest.h): the others are packed once for the GEMM; each thread
 * multiplies a block of queries with one block of them after the other, so that
 * the products stay in the cache, and keeps the best.
 */
#include "eval/nearest.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"
#include "math/gemm.h"

enum {
    ROWS = 128,       /* queries in a block */
    COLUMNS = 4096,   /* others in a block: 2 MB of products */
    WHOLE = 16 << 20, /* products in a block of whole rows */
};

struct search {
    const struct akin__nearest *is;
    const struct akin__kernels *kernels;
    size_t rows, columns, ld;    /* of a block; bytes of a padded query */
    struct akin__packed *packed; /* [blocks of others] */
    size_t blocks;
    float **room; /* [threads]: queries, then products */
    float *score;
    uint32_t *at;
    struct akin__lock lock;
    size_t done; /* queries */
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---------------------------------------------------------------- pack -- */

static akin_status pack_block(void *context, size_t item, int thread,
                              akin_error *err)
{
    struct search *s = context;
    const struct akin__nearest *is = s->is;
    struct akin__packed *b = &s->packed[item];
    const size_t first = item * s->columns;
    (void)thread;
    b->type = AKIN_PRECISION_F32;
    b->k = is->dim;
    b->n = smaller(is->n - first, s->columns);
    const size_t bytes = akin__packed_bytes(s->kernels, b->type, b->k, b->n);
    b->panels = bytes ? akin__alloc_aligned(bytes, 1) : NULL;
    if (!b->panels)
        return akin__fail(err, AKIN_ENOMEM, "no memory for %zu vectors of %zu",
                          is->n, is->dim);
    return akin__pack(s->kernels, b, is->others + first * is->dim, is->dim,
                      NULL, err);
}

/* ---------------------------------------------------------------- best -- */

/* Put a product among the best k, which are sorted; it is larger than the
 * last of them. Others come in order of number, so it stands behind equals. */
static void insert(float *score, uint32_t *at, size_t k, float product,
                   uint32_t other)
{
    size_t i = k - 1;
    for (; i > 0 && (at[i - 1] == AKIN_EVAL_NONE || score[i - 1] < product);
         i--) {
        score[i] = score[i - 1];
        at[i] = at[i - 1];
    }
    score[i] = product;
    at[i] = other;
}

static void keep_best(const struct search *s, size_t query, size_t first,
                      const float *products, size_t count)
{
    const size_t k = s->is->k;
    float *score = s->score + query * k;
    uint32_t *at = s->at + query * k;
    const uint32_t self = s->is->self ? s->is->self[query] : AKIN_EVAL_NONE;
    for (size_t i = 0; i < count; i++) {
        const float least =
            at[k - 1] == AKIN_EVAL_NONE ? -INFINITY : score[k - 1];
        if (!(products[i] > least))
            continue;
        if (first + i != self)
            insert(score, at, k, products[i], (uint32_t)(first + i));
    }
}

static akin_status tell(struct search *s, size_t more, akin_error *err)
{
    const struct akin__nearest *is = s->is;
    int stop;
    if (!is->progress)
        return AKIN_OK;
    akin__lock_take(&s->lock);
    s->done += more;
    stop = is->progress(is->context, "queries", s->done, is->count);
    akin__lock_give(&s->lock);
    return stop ? akin__fail(err, AKIN_ECANCELLED, "stopped") : AKIN_OK;
}

static akin_status search_block(void *context, size_t item, int thread,
                                akin_error *err)
{
    struct search *s = context;
    const struct akin__nearest *is = s->is;
    static const struct akin__epilogue plain = {.activation = AKIN__LINEAR};
    const size_t first = item * s->rows;
    const size_t count = smaller(is->count - first, s->rows);
    char *queries = (char *)s->room[thread];
    float *products = (float *)(void *)(queries + s->rows * s->ld);
    const struct akin__left a = {
        .type = AKIN_PRECISION_F32, .values = queries, .ld = s->ld};
    for (size_t q = 0; q < count; q++)
        memcpy(queries + q * s->ld, is->queries + (first + q) * is->dim,
               is->dim * sizeof(float));
    for (size_t b = 0; b < s->blocks; b++) {
        const size_t n = s->packed[b].n;
        akin__gemm(s->kernels, count, &a, &s->packed[b], &plain, products,
                   n * sizeof(float));
        for (size_t q = 0; q < count; q++) {
            keep_best(s, first + q, b * s->columns, products + q * n, n);
            if (is->row)
                is->row(is->rows, first + q, products + q * n);
        }
    }
    return tell(s, count, err);
}

/* -------------------------------------------------------------- search -- */

static akin_status make_room(struct search *s, int threads, akin_error *err)
{
    size_t products, bytes;
    s->blocks = (s->is->n + s->columns - 1) / s->columns;
    s->packed = akin__calloc(s->blocks + 1, sizeof *s->packed);
    s->room = akin__calloc((size_t)threads + 1, sizeof *s->room);
    bool whole = s->packed && s->room &&
                 akin__mul_ok(s->rows * sizeof(float),
                              smaller(s->columns, s->is->n), &products) &&
                 akin__add_ok(products, s->rows * s->ld, &bytes);
    for (int t = 0; t < threads && whole; t++) {
        whole = (s->room[t] = akin__alloc_aligned(bytes, 1));
        if (whole)
            memset(s->room[t], 0, s->rows * s->ld); /* behind a query's end */
    }
    return whole ? AKIN_OK
                 : akin__fail(err, AKIN_ENOMEM, "no memory for %zu products",
                              s->rows * s->columns);
}

akin_status akin__nearest(const struct akin__nearest *is, float *score,
                          uint32_t *at, akin_error *err)
{
    const int threads = is->threads > 0 ? is->threads : akin__processors();
    struct search s = {.is = is, .score = score, .at = at};
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < is->count * is->k; i++)
        at[i] = AKIN_EVAL_NONE;
    s.kernels = akin__kernels(err);
    if (!s.kernels)
        return AKIN_EUSAGE;
    s.columns = is->row ? is->n : COLUMNS;
    s.rows = ROWS;
    while (s.rows > 1 && s.rows * smaller(s.columns, is->n) > WHOLE)
        s.rows /= 2;
    s.ld = akin__left_bytes(AKIN_PRECISION_F32, is->dim);
    akin__lock_open(&s.lock);
    AKIN_TRY(make_room(&s, threads, err));
    AKIN_TRY(akin__parallel(threads, s.blocks, pack_block, &s, err));
    AKIN_TRY(akin__parallel(threads, (is->count + s.rows - 1) / s.rows,
                            search_block, &s, err));
out:
    akin__lock_close(&s.lock);
    for (size_t b = 0; s.packed && b < s.blocks; b++)
        akin__free(s.packed[b].panels);
    for (size_t t = 0; s.room && s.room[t]; t++)
        akin__free(s.room[t]);
    akin__free(s.packed);
    akin__free(s.room);
    return status;
}
