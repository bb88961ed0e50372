/*
 * Search: scores of rows and which are the best, as kernels.
 *
 * Rows [..][ld] and queries [..][ld] are bf16, ld the width rounded up to LAP
 * and zeros behind it; a score is their product, summed in float by the tensor
 * cores, which never leaves the registers unless it comes up to its query's
 * gate. What does goes into the query's list as a key: the score in a form that
 * orders as an unsigned number does, and the row, lower ones first. So no two
 * keys are equal, and the best do not depend on the order they came in.
 *
 * A list is never too short: the rows of one launch fit behind what keep_best
 * left (search.cu).
 */
#ifndef AKIN_MATH_CUDA_SEARCH_CUH
#define AKIN_MATH_CUDA_SEARCH_CUH

#include "math/cuda/device.cuh"

enum { LAP = 64 }; /* numbers of a row in one step: 128 bytes, 8 parts of 16 */

/* Where scores go. */
struct hits {
    uint64_t *list;       /* [queries][capacity] */
    unsigned *count;      /* [queries] */
    const float *gate;    /* [queries, padded] what a score must come up to */
    const uint32_t *mask; /* a bit for each row that may pass; NULL: all may */
    size_t capacity;
};

/* Rows [first, end) of `rows`, first a multiple of a tile's. */
struct span {
    const bf16 *rows;
    unsigned first, end, ld;
};

__device__ inline uint64_t key_of(float score, unsigned row)
{
    const uint32_t bits = __float_as_uint(score + 0.0f); /* -0 is 0 */
    const uint32_t ordered = bits >> 31 ? ~bits : bits | 0x80000000u;
    return (uint64_t)ordered << 32 | (uint32_t)~row;
}

__device__ inline float score_of(uint32_t ordered)
{
    return __uint_as_float(ordered >> 31 ? ordered & 0x7fffffffu : ~ordered);
}

__device__ inline void take_hit(const struct hits &hits, unsigned query,
                                unsigned row, unsigned end, float score)
{
    if (row >= end || (hits.mask && !(hits.mask[row / 32] >> row % 32 & 1)))
        return;
    const unsigned at = atomicAdd(&hits.count[query], 1u);
    hits.list[query * hits.capacity + at] = key_of(score, row);
}

/* ---------------------------------------------------------- scoring ----- */

/*
 * A block's tile is ROWS rows by QUERIES queries, of UP x ACROSS warps, with
 * STEPS of LAP numbers under way to shared memory. In SPLIT the upper half of
 * the queries is what rounding took from the lower half's, and both products
 * make one score.
 */
template <int ROWS, int QUERIES, int UP, int ACROSS, int STEPS, bool SPLIT>
struct tile {
    static constexpr int THREADS = 32 * UP * ACROSS;
    static constexpr int TALL = ROWS / UP / 16;       /* 16 rows each */
    static constexpr int WIDE = QUERIES / ACROSS / 8; /* 8 queries each */
    static constexpr int OWN = SPLIT ? WIDE / 2 : WIDE;
    static constexpr int STEP_BYTES = (ROWS + QUERIES) * LAP * 2;
    static constexpr int BYTES = STEPS * STEP_BYTES;
    static_assert(!SPLIT || ACROSS == 1, "both halves are one warp's");
};

/* Where part `part` of line `line` lies in shared memory: turned, so that eight
 * lines' equal parts are in different banks. */
__device__ inline unsigned part_at(unsigned line, unsigned part)
{
    return line * 128 + (part ^ line % 8) * 16;
}

/* COUNT lines of a matrix from number `at` on, 128 bytes each, by all threads
 * of the block. */
template <int COUNT, int THREADS>
__device__ inline void fetch_lines(unsigned char *lines, const bf16 *from,
                                   unsigned ld)
{
    static_assert(COUNT * 8 % THREADS == 0, "all threads fetch as much");
    const unsigned part = threadIdx.x % 8, line = threadIdx.x / 8;
    const bf16 *source = from + (size_t)line * ld + part * 8;
#pragma unroll
    for (int i = 0; i < COUNT * 8 / THREADS; i++)
        copy16(lines + part_at(line + i * (THREADS / 8), part),
               source + (size_t)(i * (THREADS / 8)) * ld, true);
}

/* What a warp multiplies at a time: 16 numbers of its rows and queries. */
template <class Tile> struct factors {
    uint32_t row[Tile::TALL][4], query[Tile::WIDE][2];
};

template <class Tile>
__device__ inline void
load_factors(struct factors<Tile> &f, const unsigned char *rows,
             const unsigned char *queries, unsigned lane, unsigned quarter)
{
#pragma unroll
    for (int i = 0; i < Tile::TALL; i++)
        load_matrix4(f.row[i], rows + part_at(16 * i + lane % 16,
                                              2 * quarter + lane / 16));
#pragma unroll
    for (int i = 0; i < Tile::WIDE; i += 2) {
        uint32_t both[4];
        load_matrix4(both, queries + part_at(8 * i + lane / 16 * 8 + lane % 8,
                                             2 * quarter + lane / 8 % 2));
        f.query[i][0] = both[0];
        f.query[i][1] = both[1];
        f.query[i + 1][0] = both[2];
        f.query[i + 1][1] = both[3];
    }
}

template <class Tile>
__device__ inline void multiply(float sum[Tile::TALL][Tile::WIDE][4],
                                const struct factors<Tile> &f)
{
#pragma unroll
    for (int i = 0; i < Tile::TALL; i++) {
#pragma unroll
        for (int j = 0; j < Tile::WIDE; j++)
            mma_bf16(sum[i][j], f.row[i], f.query[j]);
    }
}

/* A warp's scores, its first row and query given. */
template <class Tile, bool SPLIT>
__device__ inline void emit(const float sum[Tile::TALL][Tile::WIDE][4],
                            const struct hits &hits, unsigned row,
                            unsigned query, unsigned end, unsigned lane)
{
#pragma unroll
    for (int j = 0; j < Tile::OWN; j++) {
        const unsigned q = query + 8 * j + lane % 4 * 2;
        const float gate[2] = {hits.gate[q], hits.gate[q + 1]};
        float score[Tile::TALL][4];
        bool any = false;
#pragma unroll
        for (int i = 0; i < Tile::TALL; i++) {
#pragma unroll
            for (int e = 0; e < 4; e++) {
                score[i][e] = sum[i][j][e];
                if (SPLIT)
                    score[i][e] += sum[i][Tile::OWN + j][e];
                any = any || score[i][e] >= gate[e % 2];
            }
        }
        if (!any)
            continue;
#pragma unroll
        for (int i = 0; i < Tile::TALL; i++) {
#pragma unroll
            for (int e = 0; e < 4; e++) {
                if (score[i][e] >= gate[e % 2])
                    take_hit(hits, q + e % 2,
                             row + 16 * i + e / 2 * 8 + lane / 4, end,
                             score[i][e]);
            }
        }
    }
}

/*
 * Scores of the rows of `span` and `across` tiles of queries. Blocks, at most
 * as many as tiles, take tiles in turn, a row tile's beside each other, so that
 * rows come from memory once; what a block fetches never stops between them.
 */
template <int ROWS, int QUERIES, int UP, int ACROSS, int STEPS, bool SPLIT>
__global__ void __launch_bounds__(32 * UP * ACROSS)
    score_rows(struct span span, const bf16 *queries, unsigned across,
               struct hits hits)
{
    using Tile = tile<ROWS, QUERIES, UP, ACROSS, STEPS, SPLIT>;
    AKIN_SHARED(unsigned char, shared);
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const unsigned up = warp / ACROSS * (ROWS / UP);
    const unsigned aside = warp % ACROSS * (QUERIES / ACROSS);
    const unsigned laps = span.ld / LAP;
    const unsigned tiles = (span.end - span.first + ROWS - 1) / ROWS * across;
    const unsigned mine = (tiles - blockIdx.x + gridDim.x - 1) / gridDim.x;
    const unsigned steps = mine * laps;
    unsigned ahead_tile = blockIdx.x, ahead_lap = 0, ahead = 0;
    unsigned tile_now = blockIdx.x, lap = 0;
    float sum[Tile::TALL][Tile::WIDE][4] = {};
    struct factors<Tile> f[2];

    auto fetch = [&]() {
        if (ahead < steps) {
            unsigned char *to = shared + ahead % STEPS * Tile::STEP_BYTES;
            fetch_lines<ROWS, Tile::THREADS>(
                to,
                span.rows +
                    ((size_t)span.first + ahead_tile / across * ROWS) *
                        span.ld +
                    ahead_lap * LAP,
                span.ld);
            fetch_lines<QUERIES, Tile::THREADS>(
                to + ROWS * 128,
                queries + (size_t)(ahead_tile % across * QUERIES) * span.ld +
                    ahead_lap * LAP,
                span.ld);
            ahead++;
            if (++ahead_lap == laps) {
                ahead_lap = 0;
                ahead_tile += gridDim.x;
            }
        }
        copies_commit(); /* an empty group at the end keeps the count */
    };
    auto load = [&](struct factors<Tile> &to, unsigned step, unsigned quarter) {
        const unsigned char *from = shared + step % STEPS * Tile::STEP_BYTES;
        load_factors<Tile>(to, from + up * 128, from + (ROWS + aside) * 128,
                           lane, quarter);
    };

#pragma unroll
    for (int i = 0; i < STEPS - 1; i++)
        fetch();
    copies_wait<STEPS - 2>();
    __syncthreads();
    load(f[0], 0, 0);
    for (unsigned step = 0; step < steps; step++) {
#pragma unroll
        for (unsigned quarter = 0; quarter < 4; quarter++) {
            if (quarter < 3) {
                load(f[(quarter + 1) % 2], step, quarter + 1);
            } else {
                /* All have loaded this step: its place may be fetched into. */
                copies_wait<STEPS - 2>();
                __syncthreads();
                if (step + 1 < steps)
                    load(f[0], step + 1, 0);
            }
            if (quarter == 0)
                fetch();
            multiply<Tile>(sum, f[quarter % 2]);
        }
        if (++lap < laps)
            continue;
        lap = 0;
        emit<Tile, SPLIT>(sum, hits, span.first + tile_now / across * ROWS + up,
                          tile_now % across * QUERIES + aside, span.end, lane);
        tile_now += gridDim.x;
#pragma unroll
        for (int i = 0; i < Tile::TALL; i++) {
#pragma unroll
            for (int j = 0; j < Tile::WIDE; j++) {
#pragma unroll
                for (int e = 0; e < 4; e++)
                    sum[i][j][e] = 0.0f;
            }
        }
    }
}

/* ---------------------------------------------------------- keeping ----- */

enum { KEEPERS = 256 }; /* threads of keep_best */

/* What keep_best's threads share. */
struct keeper {
    unsigned bin[256];
    unsigned place, left; /* the bin that has the last to keep; its share */
    unsigned kept, least; /* of their scores, ordered, ~: so that max is min */
};

/* Find the bin in which, from the highest on, number `want` falls; by a warp,
 * eight bins a lane. */
__device__ inline void find_bin(struct keeper *k, unsigned want, unsigned lane)
{
    unsigned own = 0;
    for (int i = 0; i < 8; i++)
        own += k->bin[8 * lane + i];
    unsigned sum = own; /* of this lane's bins and all above */
    for (unsigned apart = 1; apart < 32; apart *= 2) {
        const unsigned other =
            __shfl_sync(0xffffffffu, sum, (lane + apart) % 32);
        if (lane + apart < 32)
            sum += other;
    }
    unsigned above = sum - own;
    if (above >= want || sum < want)
        return;
    for (int i = 7; i >= 0; i--) {
        const unsigned here = k->bin[8 * lane + i];
        if (above + here >= want) {
            k->place = 8 * lane + i;
            k->left = want - above;
            return;
        }
        above += here;
    }
}

/* The key such that `want` of the n in the list, n > want, are no less: digits
 * of 8 bits from the top on, until all of a bin are wanted. */
__device__ inline uint64_t last_key(struct keeper *k, const uint64_t *list,
                                    unsigned n, unsigned want)
{
    uint64_t known = 0, mask = 0;
    for (int shift = 56; shift >= 0; shift -= 8) {
        k->bin[threadIdx.x] = 0;
        __syncthreads();
        for (unsigned i = threadIdx.x; i < n; i += KEEPERS) {
            if ((list[i] & mask) == known)
                atomicAdd(&k->bin[list[i] >> shift & 255], 1u);
        }
        __syncthreads();
        if (threadIdx.x < 32)
            find_bin(k, want, threadIdx.x);
        __syncthreads();
        known |= (uint64_t)k->place << shift;
        mask |= (uint64_t)255 << shift;
        want = k->left;
        const bool all = k->bin[k->place] == want;
        __syncthreads();
        if (all)
            break;
    }
    return known;
}

/*
 * Of each list with more than `most` keys keep the `want` best, want <= most,
 * and raise the gate to the last of them. Grid: a block of KEEPERS a query.
 */
__global__ void keep_best(unsigned want, unsigned most, uint64_t *lists,
                          size_t capacity, unsigned *count, float *gate)
{
    __shared__ struct keeper k;
    uint64_t *list = lists + blockIdx.x * capacity;
    const unsigned n = count[blockIdx.x];
    if (n <= most)
        return; /* the whole block */
    const uint64_t last = last_key(&k, list, n, want);
    if (threadIdx.x == 0)
        k.kept = k.least = 0;
    /* In place: what is written lies before what is still to be read. */
    for (unsigned at = 0; at < n; at += KEEPERS) {
        const unsigned i = at + threadIdx.x;
        const uint64_t key = i < n ? list[i] : 0;
        __syncthreads();
        if (i < n && key >= last) {
            list[atomicAdd(&k.kept, 1u)] = key;
            atomicMax(&k.least, ~(uint32_t)(key >> 32));
        }
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        count[blockIdx.x] = want;
        gate[blockIdx.x] = score_of(~k.least);
    }
}

/* The lists' first `want` keys, or as many as there are, [queries][want]. Grid:
 * a block a query. */
__global__ void pack_best(unsigned want, const uint64_t *lists, size_t capacity,
                          const unsigned *count, uint64_t *to)
{
    const unsigned n = count[blockIdx.x] < want ? count[blockIdx.x] : want;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x)
        to[(size_t)blockIdx.x * want + i] = lists[blockIdx.x * capacity + i];
}

/* ----------------------------------------------------------- taking ----- */

__device__ inline float sum_in_warp(float x)
{
    for (int apart = 16; apart; apart /= 2)
        x += __shfl_xor_sync(0xffffffffu, x, apart);
    return x;
}

/* How far what is searched lies from what was given. */
struct loss {
    float error, length; /* of what rounding took; of what is left */
};

/*
 * Queries [count][dim] as bf16 [gridDim][ld], zeros behind them, with what
 * rounding takes gridDim rows further on if `split`. Gates are opened, or shut
 * for ever where there is no query. Grid: a warp a query.
 */
__global__ void take_queries(const float *from, unsigned count, unsigned dim,
                             unsigned ld, bool split, bf16 *to, float *gate,
                             unsigned *hits, struct loss *loss)
{
    const unsigned q = blockIdx.x, lane = threadIdx.x;
    float error = 0, length = 0;
    for (unsigned i = lane; i < ld; i += 32) {
        const float x = q < count && i < dim ? from[(size_t)q * dim + i] : 0.0f;
        const bf16 high = to_bf16(x);
        float near = to_float(high), rest = x - near;
        to[(size_t)q * ld + i] = high;
        if (split) {
            const bf16 low = to_bf16(rest);
            to[((size_t)gridDim.x + q) * ld + i] = low;
            near += to_float(low);
            rest -= to_float(low);
        }
        error = fmaf(rest, rest, error);
        length = fmaf(near, near, length);
    }
    error = sum_in_warp(error);
    length = sum_in_warp(length);
    if (lane)
        return;
    gate[q] = q < count ? -INFINITY : INFINITY;
    hits[q] = 0;
    loss[q].error = sqrtf(error);
    loss[q].length = sqrtf(length);
}

/* Rows [count][dim] as bf16 [count][ld], zeros behind them, and the most that
 * any of them lost. A warp a row. */
__global__ void take_rows(const float *from, unsigned count, unsigned dim,
                          unsigned ld, bf16 *to, struct loss *most)
{
    const unsigned row = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
    const unsigned lane = threadIdx.x % 32;
    float error = 0, length = 0;
    if (row >= count)
        return; /* the whole warp, and no other waits for it */
    for (unsigned i = 2 * lane; i < ld; i += 64) {
        const float *x = from + (size_t)row * dim;
        const float a = i < dim ? x[i] : 0.0f;
        const float b = i + 1 < dim ? x[i + 1] : 0.0f;
        const uint32_t both = pack_bf16(a, b);
        const float p = __uint_as_float(both << 16);
        const float q = __uint_as_float(both & 0xffff0000u);
        *(uint32_t *)(to + (size_t)row * ld + i) = both;
        error = fmaf(a - p, a - p, fmaf(b - q, b - q, error));
        length = fmaf(p, p, fmaf(q, q, length));
    }
    error = sqrtf(sum_in_warp(error));
    length = sqrtf(sum_in_warp(length));
    if (lane)
        return;
    /* Numbers of no sign order as their bits do. */
    if (error > most->error)
        atomicMax((unsigned *)&most->error, __float_as_uint(error));
    if (length > most->length)
        atomicMax((unsigned *)&most->length, __float_as_uint(length));
}

#endif
