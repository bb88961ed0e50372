/*
 * Search: rows in a card's memory, and the nearest of them.
 *
 * Rows are scored a piece at a time, the pieces growing, and after each what
 * cannot be among the best any more is dropped (search.cuh). A piece has at
 * most as many rows as a list has room behind what was kept, so lists never run
 * over, in whatever order the rows come; scores are never written out.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "math/cuda/parts.h"
#include "math/cuda/search.cuh"

enum {
    FEW = 8,       /* queries that memory is read for, not multiplied for */
    BATCH = 1024,  /* queries at once */
    ROUND = 256,   /* rows of the largest tile */
    WIDTH = 128,   /* queries of the widest */
    FIRST = 4096,  /* rows of the first piece */
    GROWTH = 8,    /* and how much larger the next one is */
    SLACK = 64,    /* keys that need not be dropped */
    LEAST = 16384, /* rows of a piece, before fewer queries are asked */
    LANES = 2,     /* buffers on the way to the card */
    PACKING = 128  /* threads */
};
static const size_t LANE_BYTES = 16u << 20;
static const size_t LISTS_BYTES = 1u << 30, LISTS_LEAST = 1u << 26;

/* A kernel of search.cuh for this card. */
struct way {
    void (*kernel)(struct span, const bf16 *, unsigned, struct hits);
    int threads, bytes, blocks; /* blocks: that run at a time */
    unsigned rows;              /* of a tile */
};

struct akin__cuda_rows {
    pthread_mutex_t lock; /* over all that follows */
    int card;
    size_t most, dim, ld, count;
    cudaStream_t stream;
    struct way few, many;
    bf16 *rows;        /* [most, rounded up to ROUND][ld] */
    struct loss *lost; /* the most that any row lost, on the card */
    struct loss known; /* the same */
    float *pinned[LANES], *staged[LANES]; /* here and on the card */
    cudaEvent_t sent[LANES];              /* pinned may be written again */
    /* What a search works with. */
    float *given;     /* [BATCH][dim] */
    bf16 *queries;    /* [BATCH][ld] */
    float *gate;      /* [BATCH] */
    unsigned *hits;   /* [BATCH] */
    struct loss *off; /* [BATCH] */
    uint32_t *mask;   /* [most / 32] */
    uint64_t *lists;
    size_t lists_bytes;
};

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* ------------------------------------------------------------- open ----- */

/* A tile's kernel as a way, if the card has the shared memory for it. */
template <int ROWS, int QUERIES, int UP, int ACROSS, int STEPS, bool SPLIT>
static akin_status try_way(const cudaDeviceProp *card, struct way *way,
                           akin_error *err)
{
    using Tile = tile<ROWS, QUERIES, UP, ACROSS, STEPS, SPLIT>;
    akin_status status = AKIN_OK;
    int each = 0;
    if (way->kernel || (size_t)Tile::BYTES > card->sharedMemPerBlockOptin)
        return AKIN_OK;
    way->kernel = score_rows<ROWS, QUERIES, UP, ACROSS, STEPS, SPLIT>;
    way->threads = Tile::THREADS;
    way->bytes = Tile::BYTES;
    way->rows = ROWS;
    CUDA_TRY(cudaFuncSetAttribute((const void *)way->kernel,
                                  cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  way->bytes),
             err);
    CUDA_TRY(cudaOccupancyMaxActiveBlocksPerMultiprocessor(
                 &each, way->kernel, way->threads, (size_t)way->bytes),
             err);
    way->blocks = each * card->multiProcessorCount;
out:
    return status;
}

static akin_status choose_ways(struct akin__cuda_rows *r, akin_error *err)
{
    akin_status status = AKIN_OK;
    cudaDeviceProp card;
    CUDA_TRY(cudaGetDeviceProperties(&card, r->card), err);
    TRY((try_way<128, 2 * FEW, 4, 1, 4, true>(&card, &r->few, err)));
    TRY((try_way<ROUND, WIDTH, 4, 2, 4, false>(&card, &r->many, err)));
    TRY((try_way<ROUND, WIDTH, 4, 2, 3, false>(&card, &r->many, err)));
    TRY((try_way<ROUND, WIDTH, 4, 2, 2, false>(&card, &r->many, err)));
    if (!r->few.blocks || !r->many.blocks)
        status = akin__cuda_fail(err, AKIN_EUSAGE,
                                 "the card has %zu bytes of shared memory for "
                                 "a block, too few to search",
                                 card.sharedMemPerBlockOptin);
out:
    return status;
}

static akin_status allocate(struct akin__cuda_rows *r, akin_error *err)
{
    const size_t rows = round_up(r->most, ROUND) * r->ld * sizeof(bf16);
    const size_t rest = LANES * LANE_BYTES + r->most / 8 +
                        BATCH * (r->dim * sizeof(float) + r->ld * sizeof(bf16));
    akin_status status = AKIN_OK;
    char what[96];
    snprintf(what, sizeof what, "to search %zu rows of %zu numbers", r->most,
             r->dim);
    TRY(akin__cuda_room(rows + rest + LISTS_LEAST, what, err));
    CUDA_TRY(cudaMalloc(&r->rows, rows), err);
    CUDA_TRY(cudaMalloc(&r->lost, sizeof *r->lost), err);
    CUDA_TRY(cudaMemset(r->lost, 0, sizeof *r->lost), err);
    for (int i = 0; i < LANES; i++) {
        CUDA_TRY(
            cudaHostAlloc(&r->pinned[i], LANE_BYTES, cudaHostAllocPortable),
            err);
        CUDA_TRY(cudaMalloc(&r->staged[i], LANE_BYTES), err);
        CUDA_TRY(cudaEventCreateWithFlags(&r->sent[i], cudaEventDisableTiming),
                 err);
    }
    CUDA_TRY(cudaMalloc(&r->given, BATCH * r->dim * sizeof *r->given), err);
    CUDA_TRY(cudaMalloc(&r->queries, BATCH * r->ld * sizeof *r->queries), err);
    CUDA_TRY(cudaMalloc(&r->gate, BATCH * sizeof *r->gate), err);
    CUDA_TRY(cudaMalloc(&r->hits, BATCH * sizeof *r->hits), err);
    CUDA_TRY(cudaMalloc(&r->off, BATCH * sizeof *r->off), err);
    CUDA_TRY(cudaMalloc(&r->mask, round_up(r->most, 32) / 8), err);
out:
    return status;
}

akin_status akin__cuda_rows_open(struct akin__cuda_rows **out_rows, int card,
                                 size_t most, size_t dim, akin_error *err)
{
    akin_status status = AKIN_OK;
    struct akin__cuda_rows *r;
    *out_rows = NULL;
    if (!most || !dim || most > UINT32_MAX - ROUND ||
        dim * sizeof(float) > LANE_BYTES)
        return akin__cuda_fail(err, AKIN_EUSAGE,
                               "%zu rows of %zu numbers cannot be searched on "
                               "a card",
                               most, dim);
    r = (struct akin__cuda_rows *)calloc(1, sizeof *r);
    if (!r)
        return akin__cuda_fail(err, AKIN_ENOMEM, "no memory for a search");
    pthread_mutex_init(&r->lock, NULL);
    r->most = most;
    r->dim = dim;
    r->ld = round_up(dim, LAP);
    TRY(akin__cuda_use(card, err));
    r->card = card;
    CUDA_TRY(cudaStreamCreateWithFlags(&r->stream, cudaStreamNonBlocking), err);
    TRY(choose_ways(r, err));
    TRY(allocate(r, err));
    *out_rows = r;
    r = NULL;
out:
    akin__cuda_rows_close(&r);
    return status;
}

void akin__cuda_rows_close(struct akin__cuda_rows **rows)
{
    struct akin__cuda_rows *r = *rows;
    if (!r)
        return;
    cudaSetDevice(r->card);
    void *const memory[] = {r->rows, r->lost, r->given, r->queries, r->gate,
                            r->hits, r->off,  r->mask,  r->lists};
    if (r->stream)
        cudaStreamSynchronize(r->stream);
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        cudaFree(memory[i]);
    for (int i = 0; i < LANES; i++) {
        cudaFreeHost(r->pinned[i]);
        cudaFree(r->staged[i]);
        if (r->sent[i])
            cudaEventDestroy(r->sent[i]);
    }
    if (r->stream)
        cudaStreamDestroy(r->stream);
    cudaGetLastError();
    pthread_mutex_destroy(&r->lock);
    free(r);
    *rows = NULL;
}

/* -------------------------------------------------------------- put ----- */

/* Whether the card reads this memory without a detour. */
static bool is_pinned(const void *memory)
{
    cudaPointerAttributes is;
    if (cudaPointerGetAttributes(&is, memory) == cudaSuccess)
        return is.type == cudaMemoryTypeHost;
    cudaGetLastError();
    return false;
}

/* `count` rows by way of buffer `lane`. */
static akin_status put_some(struct akin__cuda_rows *r, int lane, size_t count,
                            const float *vectors, bool pinned, akin_error *err)
{
    const size_t bytes = count * r->dim * sizeof(float);
    const unsigned threads = 256, each = threads / 32;
    akin_status status = AKIN_OK;
    if (!pinned) {
        CUDA_TRY(cudaEventSynchronize(r->sent[lane]), err);
        memcpy(r->pinned[lane], vectors, bytes);
        vectors = r->pinned[lane];
    }
    CUDA_TRY(cudaMemcpyAsync(r->staged[lane], vectors, bytes,
                             cudaMemcpyHostToDevice, r->stream),
             err);
    CUDA_TRY(cudaEventRecord(r->sent[lane], r->stream), err);
    take_rows<<<(unsigned)((count + each - 1) / each), threads, 0, r->stream>>>(
        r->staged[lane], (unsigned)count, (unsigned)r->dim, (unsigned)r->ld,
        r->rows + r->count * r->ld, r->lost);
    CUDA_TRY(cudaGetLastError(), err);
    r->count += count;
out:
    return status;
}

static akin_status put(struct akin__cuda_rows *r, size_t count,
                       const float *vectors, akin_error *err)
{
    const size_t most = LANE_BYTES / (r->dim * sizeof(float));
    const size_t before = r->count;
    akin_status status = AKIN_OK;
    bool pinned;
    int lane = 0;
    if (count > r->most - r->count)
        return akin__cuda_fail(err, AKIN_EUSAGE,
                               "%zu rows behind %zu (room for %zu)", count,
                               r->count, r->most);
    CUDA_TRY(cudaSetDevice(r->card), err);
    pinned = is_pinned(vectors);
    for (size_t at = 0; at < count; at += most, lane = (lane + 1) % LANES)
        TRY(put_some(r, lane, count - at < most ? count - at : most,
                     vectors + at * r->dim, pinned, err));
    CUDA_TRY(cudaMemcpyAsync(&r->known, r->lost, sizeof r->known,
                             cudaMemcpyDeviceToHost, r->stream),
             err);
    CUDA_TRY(cudaStreamSynchronize(r->stream), err);
out:
    if (status)
        r->count = before;
    return status;
}

akin_status akin__cuda_rows_put(struct akin__cuda_rows *rows, size_t count,
                                const float *vectors, akin_error *err)
{
    pthread_mutex_lock(&rows->lock);
    const akin_status status = put(rows, count, vectors, err);
    pthread_mutex_unlock(&rows->lock);
    return status;
}

/* ---------------------------------------------------------- nearest ----- */

/* How a search goes about it. */
struct plan {
    size_t queries;  /* at once */
    size_t want;     /* of each */
    size_t kept;     /* keys that a list may have before more come */
    size_t piece;    /* rows at once, at most */
    size_t capacity; /* of a list: kept + piece */
};

/* A plan with lists of `bytes`, but more if that is too little for one. */
static struct plan make_plan(const struct akin__cuda_rows *r, size_t count,
                             size_t k, size_t bytes)
{
    struct plan p = {};
    p.queries = count < BATCH ? count : (size_t)BATCH;
    const size_t rows = round_up(r->count, ROUND);
    const size_t least = rows < LEAST ? rows : (size_t)LEAST;
    p.want = k < r->count ? k : r->count;
    p.kept = 2 * p.want + SLACK;
    const size_t fixed = p.kept + p.want; /* and what is packed */
    while (p.queries > 1 &&
           bytes / sizeof(uint64_t) / p.queries < fixed + least)
        p.queries = (p.queries + 1) / 2;
    const size_t each = bytes / sizeof(uint64_t) / p.queries;
    p.piece = each < fixed + least ? least : (each - fixed) / ROUND * ROUND;
    p.piece = p.piece < rows ? p.piece : rows;
    p.capacity = p.kept + p.piece;
    return p;
}

/* Memory for a plan's lists and what is packed of them, if the card has it. */
static akin_status make_lists(struct akin__cuda_rows *r, const struct plan *p,
                              akin_error *err)
{
    const size_t bytes =
        p->queries * (p->capacity + p->want) * sizeof(uint64_t);
    akin_status status = AKIN_OK;
    if (bytes <= r->lists_bytes)
        return AKIN_OK;
    CUDA_TRY(cudaFree(r->lists), err);
    r->lists = NULL;
    r->lists_bytes = 0;
    TRY(akin__cuda_room(bytes, "a search", err));
    CUDA_TRY(cudaMalloc(&r->lists, bytes), err);
    r->lists_bytes = bytes;
out:
    return status;
}

static akin_status score_piece(struct akin__cuda_rows *r, const struct plan *p,
                               size_t queries, bool masked, size_t first,
                               size_t end, akin_error *err)
{
    const struct way *way = queries <= FEW ? &r->few : &r->many;
    const unsigned across =
        queries <= FEW ? 1 : (unsigned)((queries + WIDTH - 1) / WIDTH);
    const struct span span = {r->rows, (unsigned)first, (unsigned)end,
                              (unsigned)r->ld};
    const struct hits hits = {r->lists, r->hits, r->gate,
                              masked ? r->mask : NULL, p->capacity};
    const size_t tiles = (end - first + way->rows - 1) / way->rows * across;
    const size_t blocks = tiles < (size_t)way->blocks ? tiles : way->blocks;
    akin_status status = AKIN_OK;
    way->kernel<<<(unsigned)blocks, way->threads, way->bytes, r->stream>>>(
        span, r->queries, across, hits);
    CUDA_TRY(cudaGetLastError(), err);
    keep_best<<<(unsigned)queries, KEEPERS, 0, r->stream>>>(
        (unsigned)p->want, (unsigned)p->kept, r->lists, p->capacity, r->hits,
        r->gate);
    CUDA_TRY(cudaGetLastError(), err);
out:
    return status;
}

/* The best of `queries` into the card's memory behind the lists. */
static akin_status find(struct akin__cuda_rows *r, const struct plan *p,
                        size_t queries, const float *given, bool masked,
                        akin_error *err)
{
    const size_t padded =
        queries <= FEW ? (size_t)FEW : round_up(queries, WIDTH);
    uint64_t *packed = r->lists + p->queries * p->capacity;
    akin_status status = AKIN_OK;
    CUDA_TRY(cudaMemcpyAsync(r->given, given, queries * r->dim * sizeof *given,
                             cudaMemcpyHostToDevice, r->stream),
             err);
    take_queries<<<(unsigned)padded, 32, 0, r->stream>>>(
        r->given, (unsigned)queries, (unsigned)r->dim, (unsigned)r->ld,
        queries <= FEW, r->queries, r->gate, r->hits, r->off);
    CUDA_TRY(cudaGetLastError(), err);
    for (size_t first = 0, rows = FIRST; first < r->count;
         first += rows, rows *= GROWTH) {
        rows = rows < p->piece ? rows : p->piece;
        TRY(score_piece(r, p, queries, masked, first,
                        r->count - first < rows ? r->count : first + rows,
                        err));
    }
    keep_best<<<(unsigned)queries, KEEPERS, 0, r->stream>>>(
        (unsigned)p->want, (unsigned)p->want, r->lists, p->capacity, r->hits,
        r->gate);
    CUDA_TRY(cudaGetLastError(), err);
    pack_best<<<(unsigned)queries, PACKING, 0, r->stream>>>(
        (unsigned)p->want, r->lists, p->capacity, r->hits, packed);
    CUDA_TRY(cudaGetLastError(), err);
out:
    return status;
}

/* What the card has found, in host memory. */
struct answer {
    uint64_t *key; /* [queries][want] */
    unsigned count[BATCH];
    struct loss off[BATCH];
};

static akin_status fetch(struct akin__cuda_rows *r, const struct plan *p,
                         size_t queries, struct answer *answer, akin_error *err)
{
    akin_status status = AKIN_OK;
    CUDA_TRY(cudaMemcpyAsync(answer->key, r->lists + p->queries * p->capacity,
                             queries * p->want * sizeof *answer->key,
                             cudaMemcpyDeviceToHost, r->stream),
             err);
    CUDA_TRY(cudaMemcpyAsync(answer->count, r->hits,
                             queries * sizeof *answer->count,
                             cudaMemcpyDeviceToHost, r->stream),
             err);
    CUDA_TRY(cudaMemcpyAsync(answer->off, r->off, queries * sizeof *answer->off,
                             cudaMemcpyDeviceToHost, r->stream),
             err);
    CUDA_TRY(cudaStreamSynchronize(r->stream), err);
out:
    return status;
}

/*
 * With q = q' + e and x = x' + f, primes for what is multiplied, q x - q' x' =
 * e (x' + f) + q' f, by Cauchy and Schwarz at most |e| (|x'| + |f|) + |q'| |f|;
 * and a sum of n products rounds, or cuts off, n times by 2^-23 of what it has.
 */
static float reach_of(const struct akin__cuda_rows *r, const struct loss *off)
{
    const float rows = r->known.length + r->known.error;
    const float sums = (float)(r->ld + 64) * 0x1p-22f;
    return 1.0001f * (off->error * rows + off->length * r->known.error +
                      sums * off->length * rows);
}

static float score_in(uint64_t key)
{
    const uint32_t ordered = (uint32_t)(key >> 32);
    const uint32_t bits = ordered >> 31 ? ordered & 0x7fffffffu : ~ordered;
    float score;
    memcpy(&score, &bits, sizeof score);
    return score;
}

static akin_status nearest(struct akin__cuda_rows *r, const float *queries,
                           size_t count, size_t k, const uint32_t *mask,
                           uint32_t *place, float *score, size_t *found,
                           float *reach, akin_error *err)
{
    akin_status status = AKIN_OK;
    struct answer *answer = NULL;
    struct plan p = {};
    CUDA_TRY(cudaSetDevice(r->card), err);
    for (size_t bytes = LISTS_BYTES;; bytes /= 2) {
        p = make_plan(r, count, k, bytes);
        status = make_lists(r, &p, err);
        if (status != AKIN_ENOMEM || bytes <= LISTS_LEAST)
            break;
    }
    TRY(status);
    answer = (struct answer *)calloc(1, sizeof *answer);
    if (answer)
        answer->key = (uint64_t *)malloc(p.queries * p.want * sizeof(uint64_t));
    if (!answer || !answer->key) {
        status = akin__cuda_fail(err, AKIN_ENOMEM, "no memory for %zu answers",
                                 p.queries * p.want);
        goto out;
    }
    if (mask)
        CUDA_TRY(cudaMemcpyAsync(r->mask, mask, round_up(r->count, 32) / 8,
                                 cudaMemcpyHostToDevice, r->stream),
                 err);
    for (size_t at = 0, some; at < count; at += some) {
        some = count - at < p.queries ? count - at : p.queries;
        TRY(find(r, &p, some, queries + at * r->dim, mask != NULL, err));
        TRY(fetch(r, &p, some, answer, err));
        for (size_t q = 0; q < some; q++) {
            const uint64_t *key = answer->key + q * p.want;
            found[at + q] =
                answer->count[q] < p.want ? answer->count[q] : p.want;
            reach[at + q] = reach_of(r, &answer->off[q]);
            for (size_t i = 0; i < found[at + q]; i++) {
                place[(at + q) * k + i] = ~(uint32_t)key[i];
                score[(at + q) * k + i] = score_in(key[i]);
            }
        }
    }
out:
    if (answer)
        free(answer->key);
    free(answer);
    return status;
}

akin_status akin__cuda_rows_nearest(struct akin__cuda_rows *rows,
                                    const float *queries, size_t count,
                                    size_t k, const uint32_t *mask,
                                    uint32_t *place, float *score,
                                    size_t *found, float *reach,
                                    akin_error *err)
{
    akin_status status = AKIN_OK;
    pthread_mutex_lock(&rows->lock);
    if (k && rows->count)
        status = nearest(rows, queries, count, k, mask, place, score, found,
                         reach, err);
    else
        for (size_t i = 0; i < count; i++)
            reach[i] = (float)(found[i] = 0);
    pthread_mutex_unlock(&rows->lock);
    return status;
}
