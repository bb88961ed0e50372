/*
 * Search: the nearest rows by exact cosine.
 *
 * A pass over all live rows scores them in float, by as many threads as there
 * are processors. That ranks all but near ties, so every row that float's
 * error leaves within reach of the k-th is scored again in double, and those
 * are sorted by cosine and path. The first pass over a generation checks every
 * row's checksum.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"
#include "index/index.h"

enum { LANES = 16, BLOCK_BYTES = 256 * 1024 };
/* Below this many numbers a thread costs more than it saves. */
enum { FEW_NUMBERS = 1 << 20 };

struct scan {
    const struct akin__rows *rows;
    const struct akin__live_rows *live;
    const float *query; /* [dim], of length 1 */
    float *scores;      /* [live->count] */
    float *blocks;      /* [threads][block_rows][dim] */
    size_t block_rows;
};

/* A row within reach of the k best. */
struct candidate {
    struct akin__live live;
    double cosine;
    const char *stored; /* path, allocated; only once it is needed */
};

/* Sums in 16 lanes, which a compiler turns into vectors. */
static float dot(const float *a, const float *b, size_t dim)
{
    float lane[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= dim; i += LANES) {
        for (size_t j = 0; j < LANES; j++)
            lane[j] += a[i + j] * b[i + j];
    }
    for (size_t j = 0; i < dim; i++, j++)
        lane[j] += a[i] * b[i];
    for (size_t half = LANES / 2; half; half /= 2) {
        for (size_t j = 0; j < half; j++)
            lane[j] += lane[j + half];
    }
    return lane[0];
}

/*
 * How far two scores may be from the order of their cosines: the sums round
 * dim/16 + 5 times, products and the lengths of both vectors a few times more,
 * each by 2^-24 of at most 1 (Higham, Accuracy and Stability, 3.1).
 */
static float reach(size_t dim)
{
    return 2 * (float)(dim / LANES + 16) * 0x1p-24f;
}

/* -------------------------------------------------------- scoring ------ */

/* The first of the live rows at or after `row`. */
static size_t first_from(const struct akin__live_rows *live, uint64_t row)
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

static akin_status score_block(void *context, size_t item, int thread,
                               akin_error *err)
{
    const struct scan *scan = context;
    const size_t dim = scan->rows->is.dim;
    const struct akin__live *at = scan->live->at;
    float *block = scan->blocks + (size_t)thread * scan->block_rows * dim;
    const size_t from = first_from(scan->live, item * scan->block_rows);
    const size_t to = first_from(scan->live, (item + 1) * scan->block_rows);
    if (from == to)
        return AKIN_OK;
    const uint32_t first = at[from].row;
    akin_status status = akin__rows_read(
        scan->rows, first, at[to - 1].row - first + 1u, block, err);
    for (size_t i = from; i < to && !status; i++) {
        const float *row = block + (at[i].row - first) * dim;
        if (!scan->live->checked)
            status =
                akin__rows_check(scan->rows, at[i].row, at[i].crc, row, err);
        scan->scores[i] = dot(scan->query, row, dim);
        if (!status && !isfinite(scan->scores[i]))
            status =
                akin__fail(err, AKIN_ECORRUPT,
                           "%s: row %lu has numbers that are not finite",
                           scan->rows->file.path, (unsigned long)at[i].row);
    }
    return status;
}

static akin_status score_all(struct scan *scan, akin_error *err)
{
    const size_t dim = scan->rows->is.dim;
    const size_t count = scan->live->count;
    const int threads = count < FEW_NUMBERS / dim ? 1 : akin__processors();
    const size_t most = scan->live->at[count - 1].row + (size_t)1;
    scan->block_rows = BLOCK_BYTES / sizeof(float) / dim;
    scan->blocks = akin__alloc_aligned((size_t)threads * scan->block_rows,
                                       dim * sizeof(float));
    if (!scan->blocks)
        return akin__fail(err, AKIN_ENOMEM, "no memory for a search");
    return akin__parallel(threads,
                          (most + scan->block_rows - 1) / scan->block_rows,
                          score_block, scan, err);
}

/* ------------------------------------------------------- choosing ------ */

/* Restore the heap (least on top) of `count` below `at`. */
static void sink(float *heap, size_t count, size_t at)
{
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++) {
            if (child < count && heap[child] < heap[least])
                least = child;
        }
        if (least == at)
            return;
        const float moved = heap[at];
        heap[at] = heap[least];
        heap[least] = moved;
        at = least;
    }
}

/* The k-th best of scores [count], 1 <= k <= count. */
static akin_status kth_best(const float *scores, size_t count, size_t k,
                            float *kth, akin_error *err)
{
    float *heap = akin__alloc(k, sizeof *heap);
    if (!heap)
        return akin__fail(err, AKIN_ENOMEM, "no memory for %zu answers", k);
    memcpy(heap, scores, k * sizeof *heap);
    for (size_t i = k / 2; i-- > 0;)
        sink(heap, k, i);
    for (size_t i = k; i < count; i++) {
        if (scores[i] > heap[0]) {
            heap[0] = scores[i];
            sink(heap, k, 0);
        }
    }
    *kth = heap[0];
    akin__free(heap);
    return AKIN_OK;
}

/* All rows whose score is at least `least`, with their exact cosines. */
static akin_status choose(const struct scan *scan, const float *vector,
                          float least, struct candidate **out, size_t *count,
                          akin_error *err)
{
    float row[AKIN_MAX_DIM];
    struct candidate *chosen;
    size_t n = 0;
    for (size_t i = 0; i < scan->live->count; i++)
        n += scan->scores[i] >= least;
    *count = n;
    *out = chosen = akin__calloc(n, sizeof *chosen);
    if (!chosen)
        return akin__fail(err, AKIN_ENOMEM, "no memory for %zu answers", n);
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < scan->live->count && !status; i++) {
        if (scan->scores[i] < least)
            continue;
        chosen->live = scan->live->at[i];
        status = akin__rows_read(scan->rows, chosen->live.row, 1, row, err);
        chosen->cosine = akin_cosine(vector, row, scan->rows->is.dim);
        chosen++;
    }
    return status;
}

static int by_cosine(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return x->cosine > y->cosine ? -1 : x->cosine < y->cosine;
}

static int by_cosine_and_path(const void *a, const void *b)
{
    const int order = by_cosine(a, b);
    const struct candidate *x = a, *y = b;
    return order ? order : strcmp(x->stored, y->stored);
}

static akin_status fetch_path(akin_index *index, struct candidate *one,
                              akin_error *err)
{
    struct akin__catalog *c = &index->read.catalog;
    sqlite3_stmt *s = NULL;
    const char *stored;
    bool row;
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__sql(c, &s, err, "SELECT path FROM files WHERE id = ?", "i",
                       one->live.file));
    AKIN_TRY(akin__sql_step(c, s, &row, err));
    AKIN_CHECK(row, err, AKIN_ECORRUPT,
               "%s/catalog.db: a row of file %lld, which is not there",
               index->path, (long long)one->live.file);
    AKIN_TRY(akin__sql_path(c, s, 0, &stored, err));
    one->stored = akin__strdup(stored);
    AKIN_CHECK(one->stored, err, AKIN_ENOMEM, "%s: no memory", index->path);
out:
    akin__sql_end(s);
    return status;
}

/* The k best of the candidates [count], k <= count, into matches. */
static akin_status rank(akin_index *index, struct candidate *all, size_t count,
                        size_t k, akin_match *matches, akin_error *err)
{
    akin_status status = AKIN_OK;
    size_t near = k;
    qsort(all, count, sizeof *all, by_cosine);
    while (near < count && all[near].cosine >= all[k - 1].cosine)
        near++;
    for (size_t i = 0; i < near; i++)
        AKIN_TRY(fetch_path(index, &all[i], err));
    qsort(all, near, sizeof *all, by_cosine_and_path);
    for (size_t i = 0; i < k; i++) {
        matches[i].cosine = all[i].cosine;
        matches[i].score = akin_score(all[i].cosine);
        AKIN_TRY(
            akin__lasting_path(index, all[i].stored, &matches[i].path, err));
    }
out:
    for (size_t i = 0; i < near; i++)
        akin__free((void *)(uintptr_t)all[i].stored);
    return status;
}

/* --------------------------------------------------------- search ------ */

/* `vector` [dim] at length 1; AKIN_EUSAGE when a number is not finite. */
static akin_status unit_query(const float *vector, float *unit, size_t dim,
                              akin_error *err)
{
    double sum = 0;
    for (size_t i = 0; i < dim; i++)
        sum += (double)vector[i] * (double)vector[i];
    if (!isfinite(sum))
        return akin__fail(err, AKIN_EUSAGE,
                          "the query's vector has a number that is not finite");
    for (size_t i = 0; i < dim; i++)
        unit[i] = sum > 0 ? (float)((double)vector[i] / sqrt(sum)) : 0;
    return AKIN_OK;
}

static akin_status search(akin_index *index, size_t ordinal,
                          const float *vector, size_t k, akin_match *matches,
                          size_t *found, akin_error *err)
{
    float unit[AKIN_MAX_DIM], kth = 0;
    struct akin__live_rows *live = &index->live[ordinal];
    struct scan scan = {&index->read.model[ordinal], live, unit, NULL, NULL, 0};
    struct candidate *chosen = NULL;
    size_t count;
    akin_status status = AKIN_OK;
    AKIN_TRY(unit_query(vector, unit, scan.rows->is.dim, err));
    AKIN_TRY(akin__live_load(index, ordinal, err));
    if (k > live->count)
        k = live->count;
    if (k == 0)
        goto out;
    scan.scores = akin__alloc(live->count, sizeof *scan.scores);
    AKIN_CHECK(scan.scores, err, AKIN_ENOMEM, "%s: no memory for %zu scores",
               index->path, live->count);
    AKIN_TRY(score_all(&scan, err));
    live->checked = true;
    AKIN_TRY(kth_best(scan.scores, live->count, k, &kth, err));
    AKIN_TRY(choose(&scan, vector, kth - reach(scan.rows->is.dim), &chosen,
                    &count, err));
    AKIN_TRY(rank(index, chosen, count, k, matches, err));
    *found = k;
out:
    akin__free(scan.scores);
    akin__free(scan.blocks);
    akin__free(chosen);
    return status;
}

akin_status akin_index_search(akin_index *index, const char *model,
                              const float *vector, size_t k,
                              akin_match *matches, size_t *found,
                              akin_error *err)
{
    size_t ordinal;
    *found = 0;
    akin_status status = akin__read_begin(index, err);
    if (status)
        return status;
    status = akin__models_find(index, &index->read, model, &ordinal, err);
    if (!status)
        status = search(index, ordinal, vector, k, matches, found, err);
    akin__read_end(index);
    return status;
}
