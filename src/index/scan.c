/*
 * Scan: the rows nearest to a query, or to several in one pass.
 *
 * Every row gets a score, from its codes or in float32, that says its cosine
 * but for a reach: what rounding may have done. A row matters as long as its
 * score and its reach together come up to the want-th best of all scores less
 * their reach. What is left then is few rows, whose float32 numbers are read
 * and whose cosines are computed in double; nothing is decided by a score.
 */
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/mapped.h"
#include "base/memory.h"
#include "base/thread.h"
#include "index/index.h"
#include "math/codes.h"
#include "math/kernels.h"

enum {
    LANES = 16,
    BLOCK_BYTES = 256 * 1024,
    SLACK = 64, /* what kernels read behind a block */
    /* Below this many numbers a thread costs more than it saves. */
    FEW_NUMBERS = 1 << 20,
    /* Reading a row by itself costs as much as scanning 32. */
    PRICE = 32,
    LEAST_HITS = 4096,
    /* How many more rows a card is asked for when too few came, and how many
     * of all queries together it may be. */
    CARD_GROWTH = 8,
    CARD_MOST = 1 << 24
};
/* What float32 rounds on the way from vectors to scores of codes. */
#define FLOAT_REACH 4e-6f

/* A row that matters so far. */
struct hit {
    uint32_t row, crc;
    float score, reach;
};

/* The hits of one thread for one query. */
struct basket {
    float *heap; /* [held] least on top: the best scores less their reach */
    size_t held;
    struct hit *hit; /* [count] */
    size_t count, capacity;
};

struct worker {
    const uint8_t *units;   /* [count] rows or records, those that count */
    uint8_t *block;         /* where they are if not in mapped memory */
    uint32_t *row, *crc;    /* [block_rows] whose they are */
    uint32_t (*sums)[2];    /* [AKIN__CODE_ROWS] */
    float *scale;           /* [AKIN__CODE_ROWS] */
    float *scores;          /* [AKIN__CODE_ROWS][queries] */
    float *gates;           /* [queries] what a score and its row's reach must
                               come up to */
    struct basket *baskets; /* [queries] */
    size_t count;           /* rows in the block */
};

struct engine {
    const struct akin__scan *scan;
    const struct akin__kernels *kernels;
    struct akin__nearest *nearest;
    struct worker *workers; /* [threads] */
    int threads;
    size_t unit, block_rows, want, most_hits;
    /* Aligned: a load across two cache lines costs two. */
    _Alignas(64) int16_t weights[AKIN_MAX_DIM + 64];
    _Alignas(64) int16_t numbers[AKIN_MAX_DIM + 64];
    struct akin__code_query query; /* one */
    struct akin__code_batch batch; /* or several */
    atomic_bool many;
    /* Of a card: the queries that are not answered yet, and what the rows that
     * it left out may come up to. */
    size_t *open; /* [opened] */
    size_t opened;
    float *ceiling; /* [queries] */
};

/* ----------------------------------------------------------- heaps ----- */

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

/* Keep the `most` largest numbers. */
static void keep_largest(float *heap, size_t *held, size_t most, float number)
{
    if (*held == most) {
        if (number > heap[0]) {
            heap[0] = number;
            sink(heap, most, 0);
        }
        return;
    }
    heap[(*held)++] = number;
    for (size_t at = *held - 1; at && heap[at] < heap[(at - 1) / 2];
         at = (at - 1) / 2) {
        const float moved = heap[at];
        heap[at] = heap[(at - 1) / 2];
        heap[(at - 1) / 2] = moved;
    }
}

/* ------------------------------------------------------------ hits ----- */

/* Drop what does not matter any more. */
static void sift(struct basket *basket, float least)
{
    size_t kept = 0;
    for (size_t i = 0; i < basket->count; i++) {
        if (basket->hit[i].score + basket->hit[i].reach >= least)
            basket->hit[kept++] = basket->hit[i];
    }
    basket->count = kept;
}

static akin_status make_way(struct engine *e, struct basket *basket,
                            akin_error *err)
{
    if (basket->held == e->want)
        sift(basket, basket->heap[0]);
    if (basket->capacity && basket->count <= basket->capacity / 2)
        return AKIN_OK;
    if (basket->count > e->most_hits) {
        atomic_store(&e->many, true);
        return AKIN_ECANCELLED;
    }
    const size_t more = basket->capacity ? 2 * basket->capacity : 256;
    struct hit *grown = akin__realloc(basket->hit, more, sizeof *grown);
    if (!grown)
        return akin__fail(err, AKIN_ENOMEM, "no memory for %zu rows", more);
    basket->hit = grown;
    basket->capacity = more;
    return AKIN_OK;
}

/* A row whose score comes up to the gate. */
static akin_status take(struct engine *e, struct worker *w, size_t query,
                        struct hit hit, akin_error *err)
{
    struct basket *basket = &w->baskets[query];
    akin_status status = AKIN_OK;
    if (basket->count == basket->capacity)
        status = make_way(e, basket, err);
    if (status)
        return status;
    basket->hit[basket->count++] = hit;
    keep_largest(basket->heap, &basket->held, e->want, hit.score - hit.reach);
    if (basket->held == e->want)
        w->gates[query] =
            basket->heap[0] - (e->batch.reach ? e->batch.reach[query] : 0);
    return AKIN_OK;
}

/* --------------------------------------------------------- reading ----- */

static struct akin__file *file_of(const struct akin__scan *scan)
{
    return scan->codes ? &scan->rows->codes : &scan->rows->file;
}

/* Rows or records from mapped memory, or read where there is none, as it is
 * behind the last ones, which kernels overstep. */
static akin_status read_units(const struct engine *e, struct worker *w,
                              uint64_t first, size_t count, akin_error *err)
{
    const struct akin__rows *rows = e->scan->rows;
    const uint64_t offset = e->scan->codes ? akin__code_offset(rows, first)
                                           : akin__row_offset(rows, first);
    w->units =
        akin__mapped_at(file_of(e->scan), count * e->unit + SLACK, offset);
    if (w->units)
        return AKIN_OK;
    w->units = w->block;
    return e->scan->codes ? akin__codes_read(rows, first, count, w->block, err)
                          : akin__rows_read(rows, first, count,
                                            (float *)(void *)w->block, err);
}

/* Of what was read from row `first` on only the worker's rows. */
static void close_ranks(const struct engine *e, struct worker *w,
                        uint64_t first)
{
    for (size_t i = 0; i < w->count; i++)
        memmove(w->block + i * e->unit,
                w->units + (size_t)(w->row[i] - first) * e->unit, e->unit);
    w->units = w->block;
}

/* The live rows of a block into the worker's, each once. */
static akin_status read_live(const struct engine *e, struct worker *w,
                             uint64_t first, uint64_t end, akin_error *err)
{
    const struct akin__live_rows *live = e->scan->live;
    const size_t from = akin__live_first(live, first);
    const size_t to = akin__live_first(live, end);
    w->count = 0;
    if (from == to)
        return AKIN_OK;
    first = live->at[from].row;
    const size_t span = (size_t)(live->at[to - 1].row - first + 1);
    const akin_status status = read_units(e, w, first, span, err);
    for (size_t i = from; i < to && !status; i++) {
        const uint32_t row = live->at[i].row;
        if (w->count && w->row[w->count - 1] == row)
            continue;
        w->row[w->count] = row;
        w->crc[w->count++] = live->at[i].crc;
    }
    if (!status && w->count < span)
        close_ranks(e, w, first);
    return status;
}

static akin_status read_block(const struct engine *e, struct worker *w,
                              size_t item, akin_error *err)
{
    const uint64_t first = (uint64_t)item * e->block_rows;
    const uint64_t left = e->scan->rows->committed - first;
    if (e->scan->live)
        return read_live(e, w, first, first + e->block_rows, err);
    w->count = left < e->block_rows ? (size_t)left : e->block_rows;
    for (size_t i = 0; i < w->count; i++)
        w->row[i] = (uint32_t)(first + i);
    return read_units(e, w, first, w->count, err);
}

/* --------------------------------------------------------- float32 ----- */

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
 * How far a score may be from its cosine: the sums round dim/16 + 5 times,
 * products and the lengths of both vectors a few times more, each by 2^-24 of
 * at most 1 (Higham, Accuracy and Stability, 3.1).
 */
static float float_reach(size_t dim)
{
    return (float)(dim / LANES + 16) * 0x1p-24f;
}

static akin_status score_floats(struct engine *e, struct worker *w,
                                akin_error *err)
{
    const struct akin__scan *scan = e->scan;
    const size_t dim = scan->rows->is.dim;
    const float reach = float_reach(dim);
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < w->count && !status; i++) {
        const float *row = (const float *)(const void *)w->units + i * dim;
        if (!scan->checked)
            status =
                akin__rows_check(scan->rows, w->row[i], w->crc[i], row, err);
        for (size_t q = 0; q < scan->queries && !status; q++) {
            const float score = dot(scan->units + q * dim, row, dim);
            if (!isfinite(score))
                return akin__fail(err, AKIN_ECORRUPT,
                                  "%s: row %lu has numbers that are not finite",
                                  scan->rows->file.path,
                                  (unsigned long)w->row[i]);
            if (score + reach >= w->gates[q])
                status =
                    take(e, w, q,
                         (struct hit){w->row[i], w->crc[i], score, reach}, err);
        }
    }
    return status;
}

/* ----------------------------------------------------------- codes ----- */

/* Whether the record of w's row `at`, which has this sum, is what it was. */
static bool holds(const struct engine *e, const struct worker *w, size_t at,
                  const struct akin__code_tail *tail, uint32_t sum)
{
    return tail->check == akin__code_check(sum, w->row[at]) &&
           (!e->scan->live || tail->crc == w->crc[at]);
}

static akin_status score_one(struct engine *e, struct worker *w, size_t at,
                             size_t count, akin_error *err)
{
    const uint8_t *record = w->units + at * e->unit;
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < count && !status; i++, record += e->unit) {
        const struct akin__code_tail tail = akin__code_tail(record, e->unit);
        const float score =
            akin__code_score(&e->query, w->sums[i][0], tail.scale);
        const float reach =
            AKIN__CODE_REACH * (tail.scale + e->query.scale) + FLOAT_REACH;
        if (!holds(e, w, at + i, &tail, w->sums[i][1]))
            return akin__code_damaged(e->scan->rows, w->row[at + i], err);
        if (score + reach >= w->gates[0])
            status =
                take(e, w, 0,
                     (struct hit){w->row[at + i], tail.crc, score, reach}, err);
    }
    return status;
}

/* Whether any of the scores comes up to its gate. */
static int any_passes(const float *scores, const float *gates, float reach,
                      size_t count)
{
    int any = 0;
    for (size_t i = 0; i < count; i++)
        any |= scores[i] + reach >= gates[i];
    return any;
}

/* The scores of a row [queries], a few at a time: hardly any matters. */
static akin_status take_row(struct engine *e, struct worker *w, size_t row,
                            float scale, const float *scores, akin_error *err)
{
    enum { FEW = 32 };
    const size_t queries = e->scan->queries;
    const float reach = AKIN__CODE_REACH * scale + FLOAT_REACH;
    akin_status status = AKIN_OK;
    for (size_t at = 0; at < queries; at += FEW) {
        const size_t count = queries - at < FEW ? queries - at : FEW;
        if (!any_passes(scores + at, w->gates + at, reach, count))
            continue;
        for (size_t q = at; q < at + count && !status; q++) {
            if (scores[q] + reach >= w->gates[q])
                status = take(e, w, q,
                              (struct hit){w->row[row], w->crc[row], scores[q],
                                           reach + e->batch.reach[q]},
                              err);
        }
    }
    return status;
}

static akin_status score_several(struct engine *e, struct worker *w, size_t at,
                                 size_t count, akin_error *err)
{
    const uint8_t *record = w->units + at * e->unit;
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < count; i++) {
        const struct akin__code_tail tail =
            akin__code_tail(record + i * e->unit, e->unit);
        if (!holds(e, w, at + i, &tail, w->sums[i][1]))
            return akin__code_damaged(e->scan->rows, w->row[at + i], err);
        w->crc[at + i] = tail.crc;
        w->scale[i] = tail.scale;
    }
    akin__code_batch_scores(&e->batch, count, record, e->unit, w->scale,
                            w->scores);
    for (size_t i = 0; i < count && !status; i++)
        status = take_row(e, w, at + i, w->scale[i],
                          w->scores + i * e->scan->queries, err);
    return status;
}

/* A few records at a time, so that the next ones are under way from memory
 * while these are looked at. */
static akin_status score_block(struct engine *e, struct worker *w,
                               akin_error *err)
{
    akin_status status = AKIN_OK;
    if (!e->scan->codes)
        return score_floats(e, w, err);
    for (size_t at = 0; at < w->count && !status; at += AKIN__CODE_ROWS) {
        const size_t left = w->count - at;
        const size_t count = left < AKIN__CODE_ROWS ? left : AKIN__CODE_ROWS;
        e->kernels->byte_sums(count, e->unit - 4, w->units + at * e->unit,
                              e->unit, e->numbers, e->weights, w->sums);
        status = e->scan->queries == 1 ? score_one(e, w, at, count, err)
                                       : score_several(e, w, at, count, err);
    }
    return status;
}

static akin_status scan_block(void *context, size_t item, int thread,
                              akin_error *err)
{
    struct engine *e = context;
    struct worker *w = &e->workers[thread];
    akin_error lost;
    akin__mapped_begin(file_of(e->scan));
    akin_status status = read_block(e, w, item, err);
    if (!status && w->count)
        status = score_block(e, w, err);
    if (akin__mapped_end(file_of(e->scan), &lost) == AKIN_OK)
        return status;
    /* Zeros were scored, or found to be damaged. */
    if (err)
        *err = lost;
    return lost.code;
}

/* --------------------------------------------------------- ranking ----- */

static int by_promise(const void *a, const void *b)
{
    const struct hit *x = a, *y = b;
    const float p = x->score + x->reach, q = y->score + y->reach;
    return p > q ? -1 : p < q;
}

static int by_cosine(const void *a, const void *b)
{
    const struct akin__near *x = a, *y = b;
    return x->cosine > y->cosine ? -1 : x->cosine < y->cosine;
}

/* The hits of all threads for a query, in one basket. */
static akin_status gather(struct engine *e, size_t query, struct basket *all,
                          akin_error *err)
{
    size_t count = 0, held = 0;
    for (int t = 0; t < e->threads; t++) {
        count += e->workers[t].baskets[query].count;
        held += e->workers[t].baskets[query].held;
    }
    held = held < e->want ? held : e->want;
    *all = (struct basket){.heap = akin__alloc(held, sizeof *all->heap),
                           .hit = akin__alloc(count, sizeof *all->hit)};
    if (!all->heap || !all->hit)
        return akin__fail(err, AKIN_ENOMEM, "no memory for %zu rows", count);
    for (int t = 0; t < e->threads; t++) {
        const struct basket *from = &e->workers[t].baskets[query];
        for (size_t i = 0; i < from->held; i++)
            keep_largest(all->heap, &all->held, held, from->heap[i]);
        if (from->count)
            memcpy(all->hit + all->count, from->hit,
                   from->count * sizeof *all->hit);
        all->count += from->count;
    }
    if (all->held == e->want)
        sift(all, all->heap[0]);
    return AKIN_OK;
}

/* Read a row and compute its cosine to the query. */
static akin_status look_at(const struct engine *e, size_t query,
                           const struct hit *hit, struct akin__near *near,
                           akin_error *err)
{
    const struct akin__scan *scan = e->scan;
    const size_t dim = scan->rows->is.dim;
    float row[AKIN_MAX_DIM];
    akin_status status = akin__rows_read(scan->rows, hit->row, 1, row, err);
    if (!status)
        status = akin__rows_check(scan->rows, hit->row, hit->crc, row, err);
    *near = (struct akin__near){
        status ? 0 : akin_cosine(scan->vectors + query * dim, row, dim),
        hit->row, hit->crc};
    return status;
}

/* The most promising first, until none that is left can be among the best. */
static akin_status rank(void *context, size_t query, int thread,
                        akin_error *err)
{
    struct engine *e = context;
    struct akin__nearest *nearest = &e->nearest[query];
    struct basket all = {0};
    size_t held = 0;
    akin_status status = AKIN_OK;
    (void)thread;
    AKIN_TRY(gather(e, query, &all, err));
    qsort(all.hit, all.count, sizeof *all.hit, by_promise);
    nearest->at = akin__alloc(all.count, sizeof *nearest->at);
    AKIN_CHECK(nearest->at, err, AKIN_ENOMEM, "no memory for %zu rows",
               all.count);
    for (size_t i = 0; i < all.count; i++) {
        /* The heap holds cosines now, rounded: what was lost is in a reach. */
        if (held == e->want &&
            all.hit[i].score + all.hit[i].reach < all.heap[0])
            break;
        AKIN_TRY(look_at(e, query, &all.hit[i], &nearest->at[i], err));
        keep_largest(all.heap, &held, e->want, (float)nearest->at[i].cosine);
        nearest->count++;
    }
    qsort(nearest->at, nearest->count, sizeof *nearest->at, by_cosine);
    nearest->all = held < e->want;
    if (!nearest->all) {
        const double least = nearest->at[e->want - 1].cosine;
        while (nearest->at[nearest->count - 1].cosine < least)
            nearest->count--;
    }
out:
    akin__free(all.heap);
    akin__free(all.hit);
    return status;
}

/* ------------------------------------------------------------ card ----- */

/* What a card found for a query, as if a thread had. */
static akin_status take_found(struct engine *e, size_t query,
                              const struct akin__card_found *found, size_t at,
                              size_t k, akin_error *err)
{
    const struct akin__live_rows *live = e->scan->live;
    const uint32_t *row = found->row + at * k;
    const float *score = found->score + at * k;
    const float reach = found->reach[at] + float_reach(e->scan->rows->is.dim);
    const bool all = found->count[at] < k || k == e->scan->card->count;
    struct worker *w = e->workers;
    akin_status status = AKIN_OK;
    float least = INFINITY;
    w->baskets[query].count = w->baskets[query].held = 0;
    for (size_t i = 0; i < found->count[at] && !status; i++) {
        const size_t first = akin__live_first(live, row[i]);
        if (first == live->count || live->at[first].row != row[i])
            return akin__fail(err, AKIN_EIO,
                              "the card failed: it found row %lu, which is "
                              "none",
                              (unsigned long)row[i]);
        least = score[i] < least ? score[i] : least;
        status = take(
            e, w, query,
            (struct hit){row[i], live->at[first].crc, score[i], reach}, err);
    }
    e->ceiling[query] = all ? -INFINITY : least + reach;
    return status;
}

static akin_status ask_card(struct engine *e, size_t k, akin_error *err)
{
    const struct akin__scan *scan = e->scan;
    const size_t dim = scan->rows->is.dim;
    struct akin__card_found found = {0};
    akin_status status = AKIN_OK;
    float *units = akin__alloc(e->opened * dim, sizeof *units);
    AKIN_CHECK(units, err, AKIN_ENOMEM, "no memory for %zu queries", e->opened);
    for (size_t i = 0; i < e->opened; i++)
        memcpy(units + i * dim, scan->units + e->open[i] * dim,
               dim * sizeof *units);
    AKIN_TRY(akin__card_rows_nearest(scan->card, scan->live, units, e->opened,
                                     k, &found, err));
    for (size_t i = 0; i < e->opened; i++)
        AKIN_TRY(take_found(e, e->open[i], &found, i, k, err));
out:
    akin__card_found_free(&found);
    akin__free(units);
    return status;
}

/* Rank what was found; nothing is nearest if a row may be missing. */
static akin_status rank_found(void *context, size_t item, int thread,
                              akin_error *err)
{
    struct engine *e = context;
    const size_t query = e->open[item];
    struct akin__nearest *nearest = &e->nearest[query];
    const akin_status status = rank(e, query, thread, err);
    const float ceiling = e->ceiling[query];
    if (!status && ceiling > -INFINITY &&
        (nearest->all || ceiling >= nearest->at[e->want - 1].cosine))
        akin__nearest_free(nearest, 1);
    return status;
}

/* More and more rows, until none that was left out can be among the best. */
static akin_status scan_card(struct engine *e, akin_error *err)
{
    const struct akin__scan *scan = e->scan;
    const size_t rows = (size_t)scan->card->count;
    size_t k = 2 * e->want + SLACK;
    akin_status status = AKIN_OK;
    e->open = akin__alloc(scan->queries, sizeof *e->open);
    e->ceiling = akin__alloc(scan->queries, sizeof *e->ceiling);
    AKIN_CHECK(e->open && e->ceiling, err, AKIN_ENOMEM,
               "no memory for a search");
    for (size_t i = 0; i < scan->queries; i++)
        e->open[e->opened++] = i;
    for (; e->opened; k *= CARD_GROWTH) {
        size_t still = 0;
        k = k < rows ? k : rows;
        if (k > CARD_MOST / e->opened) {
            atomic_store(&e->many, true);
            break;
        }
        AKIN_TRY(ask_card(e, k, err));
        AKIN_TRY(akin__parallel(e->threads, e->opened, rank_found, e, err));
        for (size_t i = 0; i < e->opened; i++) {
            if (!e->nearest[e->open[i]].at)
                e->open[still++] = e->open[i];
        }
        e->opened = still;
    }
out:
    return status;
}

void akin__nearest_free(struct akin__nearest *nearest, size_t queries)
{
    for (size_t i = 0; i < queries; i++)
        akin__free(nearest[i].at);
    memset(nearest, 0, queries * sizeof *nearest);
}

/* ---------------------------------------------------------- engine ----- */

static akin_status open_worker(const struct engine *e, struct worker *w,
                               akin_error *err)
{
    const size_t rows = e->block_rows, queries = e->scan->queries;
    bool whole = true;
    w->block = akin__alloc_aligned(1, rows * e->unit + SLACK);
    w->row = akin__alloc(rows, sizeof *w->row);
    w->crc = akin__calloc(rows, sizeof *w->crc);
    w->sums = akin__alloc(AKIN__CODE_ROWS, sizeof *w->sums);
    w->scale = akin__alloc(AKIN__CODE_ROWS, sizeof *w->scale);
    w->scores =
        akin__alloc_aligned(AKIN__CODE_ROWS * queries, sizeof *w->scores);
    w->gates = akin__alloc(queries, sizeof *w->gates);
    w->baskets = akin__calloc(queries, sizeof *w->baskets);
    for (size_t i = 0; w->gates && w->baskets && i < queries; i++) {
        w->gates[i] = -INFINITY;
        w->baskets[i].heap = akin__alloc(e->want, sizeof(float));
        whole = whole && w->baskets[i].heap;
    }
    if (whole && w->block && w->row && w->crc && w->sums && w->scale &&
        w->scores && w->gates && w->baskets) {
        memset(w->block, 0, rows * e->unit + SLACK);
        return AKIN_OK;
    }
    return akin__fail(err, AKIN_ENOMEM, "no memory for a search");
}

static void close_worker(const struct engine *e, struct worker *w)
{
    for (size_t i = 0; w->baskets && i < e->scan->queries; i++) {
        akin__free(w->baskets[i].heap);
        akin__free(w->baskets[i].hit);
    }
    akin__free(w->block);
    akin__free(w->row);
    akin__free(w->crc);
    akin__free(w->sums);
    akin__free(w->scale);
    akin__free(w->scores);
    akin__free(w->gates);
    akin__free(w->baskets);
}

static akin_status prepare_codes(struct engine *e, akin_error *err)
{
    const struct akin__scan *scan = e->scan;
    const size_t span = akin__byte_span(e->unit - 4);
    akin__code_weights(scan->rows, e->weights);
    if (scan->queries > 1)
        return akin__code_batch_make(&e->batch, e->kernels, scan->units,
                                     scan->queries, scan->rows->is.dim, err);
    e->query.numbers = e->numbers;
    akin__code_query_make(&e->query, scan->units, scan->rows->is.dim, span);
    return AKIN_OK;
}

/* Rows to be looked at. */
static uint64_t rows_of(const struct akin__scan *scan)
{
    return scan->live ? scan->live->count : scan->rows->committed;
}

static akin_status prepare(struct engine *e, akin_error *err)
{
    const struct akin__scan *scan = e->scan;
    const uint64_t rows = rows_of(scan);
    const size_t dim = scan->rows->is.dim;
    akin_status status = AKIN_OK;
    e->unit = scan->codes ? akin__code_bytes(scan->rows)
                          : akin__row_bytes(scan->rows);
    e->block_rows = BLOCK_BYTES / e->unit;
    e->want = scan->want < rows ? scan->want : (size_t)rows;
    e->most_hits = SIZE_MAX;
    if (scan->codes) {
        e->most_hits = (size_t)(rows / PRICE);
        e->most_hits = e->most_hits > LEAST_HITS ? e->most_hits : LEAST_HITS;
    }
    e->threads =
        rows * scan->queries < FEW_NUMBERS / dim ? 1 : akin__processors();
    e->kernels = akin__kernels(err);
    if (!e->kernels)
        return AKIN_EUSAGE;
    e->workers = akin__calloc((size_t)e->threads, sizeof *e->workers);
    AKIN_CHECK(e->workers, err, AKIN_ENOMEM, "no memory for a search");
    if (scan->codes)
        AKIN_TRY(prepare_codes(e, err));
    akin__mapped_open(
        file_of(scan),
        scan->codes ? akin__code_offset(scan->rows, scan->rows->committed)
                    : akin__row_offset(scan->rows, scan->rows->committed));
    for (int t = 0; t < e->threads; t++)
        AKIN_TRY(open_worker(e, &e->workers[t], err));
out:
    return status;
}

akin_status akin__scan(const struct akin__scan *scan,
                       struct akin__nearest *nearest, bool *many,
                       akin_error *err)
{
    const uint64_t rows = rows_of(scan);
    struct engine *e = akin__alloc_aligned(1, sizeof *e);
    akin_status status = AKIN_OK;
    *many = false;
    memset(nearest, 0, scan->queries * sizeof *nearest);
    AKIN_CHECK(e, err, AKIN_ENOMEM, "no memory for a search");
    memset(e, 0, sizeof *e);
    e->scan = scan;
    e->nearest = nearest;
    if (rows == 0 || scan->want == 0) {
        for (size_t i = 0; i < scan->queries; i++)
            nearest[i].all = rows == 0;
        goto out;
    }
    AKIN_TRY(prepare(e, err));
    const uint64_t end =
        scan->live ? scan->live->at[rows - 1].row + (uint64_t)1 : rows;
    if (scan->card) {
        status = scan_card(e, err);
        *many = atomic_load(&e->many);
        goto out;
    }
    status = akin__parallel(e->threads,
                            (size_t)((end + e->block_rows - 1) / e->block_rows),
                            scan_block, e, err);
    *many = atomic_load(&e->many);
    if (*many)
        status = AKIN_OK;
    else if (!status)
        status = akin__parallel(e->threads, scan->queries, rank, e, err);
out:
    if (status || *many)
        akin__nearest_free(nearest, scan->queries);
    for (int t = 0; e && e->workers && t < e->threads; t++)
        close_worker(e, &e->workers[t]);
    if (e) {
        akin__free(e->open);
        akin__free(e->ceiling);
        akin__code_batch_free(&e->batch);
        akin__free(e->workers);
    }
    akin__free(e);
    return status;
}
