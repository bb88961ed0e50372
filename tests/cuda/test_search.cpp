/*
 * Kernels of src/math/cuda/search.cuh, against products in double and plain
 * sorting: the best rows of each query, whatever the order they come in.
 */
#define AKIN__EMULATE
#include "math/cuda/search.cuh"
#include "../tap.h"

#include <algorithm>

/* The tiles of search.cu. */
static constexpr auto score_few = score_rows<128, 16, 4, 1, 4, true>;
static constexpr auto score_many = score_rows<256, 128, 4, 2, 3, false>;
using few_tile = tile<128, 16, 4, 1, 4, true>;
using many_tile = tile<256, 128, 4, 2, 3, false>;

enum { FEW = 8, SLACK = 64 };

static uint64_t state = 1;

/* Of [-1, 1). */
static float draw(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(state >> 32) * 0x1p-31f;
}

/* What is searched. */
struct set {
    unsigned rows, queries, dim;
    std::vector<float> row, query;
    std::vector<uint32_t> mask; /* empty: all pass */
};

static void to_unit(float *x, unsigned dim)
{
    double sum = 0;
    for (unsigned i = 0; i < dim; i++)
        sum += (double)x[i] * x[i];
    for (unsigned i = 0; i < dim; i++)
        x[i] = (float)(x[i] / sqrt(sum));
}

static set make_set(unsigned rows, unsigned queries, unsigned dim)
{
    set s = {rows, queries, dim, {}, {}, {}};
    for (unsigned i = 0; i < rows * dim; i++)
        s.row.push_back(draw());
    for (unsigned i = 0; i < queries * dim; i++)
        s.query.push_back(draw());
    for (unsigned i = 0; i < rows; i++)
        to_unit(&s.row[i * dim], dim);
    for (unsigned i = 0; i < queries; i++)
        to_unit(&s.query[i * dim], dim);
    return s;
}

struct found {
    unsigned row;
    float score;
};

/* What is in the card's memory. */
struct card {
    unsigned ld, padded, parts, want, kept, capacity;
    std::vector<bf16> rows, queries;
    std::vector<uint64_t> lists;
    std::vector<unsigned> count;
    std::vector<float> gate;
    std::vector<loss> off;
    loss lost;
};

/* As search.cu does: a list has room for a piece of rows behind what is kept,
 * and not for one more. */
static void load(card &c, const set &s, unsigned k, unsigned piece)
{
    const unsigned tall = (s.rows + 255) / 256 * 256;
    c.ld = (s.dim + LAP - 1) / LAP * LAP;
    c.parts = s.queries <= FEW ? 2 : 1;
    c.padded = s.queries <= FEW ? 8 : (s.queries + 127) / 128 * 128;
    c.want = k < s.rows ? k : s.rows;
    c.kept = 2 * c.want + SLACK;
    c.capacity = c.kept + piece;
    /* Behind the last row lies anything. */
    c.rows.assign((size_t)tall * c.ld, to_bf16(NAN));
    c.queries.assign((size_t)c.padded * c.parts * c.ld, to_bf16(NAN));
    c.lists.assign((size_t)s.queries * c.capacity, ~0ull);
    c.count.assign(c.padded, 99);
    c.gate.assign(c.padded, NAN);
    c.off.assign(c.padded, loss());
    c.lost = {0, 0};
    emulate((s.rows + 7) / 8, 256, 0, [&] {
        take_rows(s.row.data(), s.rows, s.dim, c.ld, c.rows.data(), &c.lost);
    });
    emulate(c.padded, 32, 0, [&] {
        take_queries(s.query.data(), s.queries, s.dim, c.ld, c.parts == 2,
                     c.queries.data(), c.gate.data(), c.count.data(),
                     c.off.data());
    });
}

static void keep(card &c, unsigned queries, unsigned most)
{
    emulate(queries, KEEPERS, 0, [&] {
        keep_best(c.want, most, c.lists.data(), c.capacity, c.count.data(),
                  c.gate.data());
    });
}

static void score(card &c, const set &s, unsigned first, unsigned end,
                  unsigned blocks)
{
    const struct span span = {c.rows.data(), first, end, c.ld};
    const struct hits hits = {c.lists.data(), c.count.data(), c.gate.data(),
                              s.mask.empty() ? NULL : s.mask.data(),
                              c.capacity};
    const unsigned across = s.queries <= FEW ? 1 : c.padded / 128;
    if (s.queries <= FEW)
        emulate(std::min(blocks, (end - first + 127) / 128), few_tile::THREADS,
                few_tile::BYTES,
                [&] { score_few(span, c.queries.data(), across, hits); });
    else
        emulate(std::min(blocks, (end - first + 255) / 256 * across),
                many_tile::THREADS, many_tile::BYTES,
                [&] { score_many(span, c.queries.data(), across, hits); });
}

/* The k best of each query, best first. */
static std::vector<std::vector<found>> search(card &c, const set &s, unsigned k,
                                              unsigned piece, unsigned blocks)
{
    std::vector<std::vector<found>> all(s.queries);
    load(c, s, k, piece);
    for (unsigned first = 0; first < s.rows; first += piece) {
        score(c, s, first, std::min(s.rows, first + piece), blocks);
        for (unsigned q = 0; q < s.queries; q++)
            EXPECT(c.count[q] <= c.capacity);
        keep(c, s.queries, c.kept);
    }
    keep(c, s.queries, c.want);
    std::vector<uint64_t> packed((size_t)s.queries * c.want);
    emulate(s.queries, 128, 0, [&] {
        pack_best(c.want, c.lists.data(), c.capacity, c.count.data(),
                  packed.data());
    });
    for (unsigned q = 0; q < s.queries; q++) {
        uint64_t *keys = &packed[(size_t)q * c.want];
        std::sort(keys, keys + c.count[q], std::greater<uint64_t>());
        for (unsigned i = 0; i < c.count[q]; i++)
            all[q].push_back(
                {~(uint32_t)keys[i], score_of((uint32_t)(keys[i] >> 32))});
    }
    return all;
}

static double product(const set &s, unsigned q, unsigned row)
{
    double sum = 0;
    for (unsigned i = 0; i < s.dim; i++)
        sum += (double)s.query[q * s.dim + i] * s.row[row * s.dim + i];
    return sum;
}

static bool passes(const set &s, unsigned row)
{
    return s.mask.empty() || (s.mask[row / 32] >> row % 32 & 1);
}

/* How far a score may be off, as search.cu has it. */
static double reach_of(const card &c, unsigned q)
{
    return c.off[q].error * (c.lost.length + c.lost.error) +
           c.off[q].length * c.lost.error + (c.ld + 64) * 0x1p-22;
}

/* That scores are within reach of products, in order, and nothing that is
 * surely better is missing. */
static void expect_best(const set &s, unsigned k, unsigned piece,
                        unsigned blocks)
{
    card c;
    const std::vector<std::vector<found>> all = search(c, s, k, piece, blocks);
    unsigned passing = 0;
    for (unsigned row = 0; row < s.rows; row++)
        passing += passes(s, row);
    for (unsigned q = 0; q < s.queries; q++) {
        const double reach = reach_of(c, q);
        std::vector<bool> in(s.rows);
        bool near = true, ordered = true, masked = true, missed = false;
        EXPECT(reach < (s.queries <= FEW ? 0.004 : 0.008));
        EXPECT_INT(all[q].size(), std::min(k, passing));
        for (size_t i = 0; i < all[q].size(); i++) {
            const found f = all[q][i];
            in[f.row] = true;
            masked &= passes(s, f.row);
            near &= fabs(f.score - product(s, q, f.row)) <= reach;
            ordered &=
                !i || f.score < all[q][i - 1].score ||
                (f.score == all[q][i - 1].score && f.row > all[q][i - 1].row);
        }
        for (unsigned row = 0; row < s.rows && !all[q].empty(); row++)
            missed |= !in[row] && passes(s, row) &&
                      product(s, q, row) > all[q].back().score + reach;
        EXPECT(near && ordered && masked && !missed);
    }
}

/* ------------------------------------------------------------- tests ----- */

static void a_few_queries_find_the_best_rows(void)
{
    static const unsigned queries[] = {1, 5, 8};
    static const unsigned dims[] = {8, 64, 100, 512, 768};
    for (unsigned i = 0; i < 5; i++) {
        emulated::seed = i;
        expect_best(make_set(700 + 37 * i, queries[i % 3], dims[i]), 10, 256,
                    2);
    }
}

static void many_queries_find_the_best_rows(void)
{
    static const unsigned queries[] = {9, 64, 130};
    static const unsigned dims[] = {100, 8, 192};
    for (unsigned i = 0; i < 3; i++) {
        emulated::seed = i;
        expect_best(make_set(600, queries[i], dims[i]), 7, 256, 3);
    }
}

static void a_mask_leaves_rows_out(void)
{
    set s = make_set(900, 3, 64);
    for (unsigned i = 0; i < (s.rows + 31) / 32; i++)
        s.mask.push_back(i % 5 ? 0 : 0x80000101u << i % 7);
    emulated::seed = 3;
    expect_best(s, 4, 256, 2);
    expect_best(s, 500, 256, 2); /* more than pass */
}

static void more_than_there_are_is_all(void)
{
    emulated::seed = 0;
    expect_best(make_set(50, 2, 64), 100, 256, 1);
    expect_best(make_set(300, 9, 64), 1024, 256, 2);
}

/* Each row is nearer than all before it, so every one comes up to the gate. */
static void rows_that_get_nearer_fit_the_lists(void)
{
    set s = make_set(2048, 2, 64);
    for (unsigned row = 0; row < s.rows; row++) {
        const float share = (float)row / (float)s.rows;
        for (unsigned i = 0; i < s.dim; i++)
            s.row[row * s.dim + i] = share * s.query[i];
    }
    emulated::seed = 2;
    expect_best(s, 5, 512, 3);
}

static void equal_rows_are_taken_by_number(void)
{
    set s = make_set(1480, 1, 64); /* 40 different ones, 37 times */
    for (unsigned row = 40; row < s.rows; row++)
        std::copy_n(&s.row[row % 40 * s.dim], s.dim, &s.row[row * s.dim]);
    for (unsigned seed = 0; seed < 4; seed++) {
        card c;
        emulated::seed = seed;
        const std::vector<found> best = search(c, s, 50, 256, 3)[0];
        EXPECT_INT(best.size(), 50);
        for (unsigned i = 0; i < 50; i++)
            EXPECT_INT(best[i].row % 40, best[i < 37 ? 0 : 49].row % 40);
        for (unsigned i = 0; i < 37; i++)
            EXPECT_INT(best[i].row, best[0].row % 40 + 40 * i);
    }
}

static void any_order_of_threads_finds_the_same(void)
{
    const set s = make_set(1300, 9, 64);
    std::vector<std::vector<found>> first;
    for (unsigned seed = 0; seed < 4; seed++) {
        card c;
        emulated::seed = seed;
        const auto all = search(c, s, 20, seed == 3 ? 512 : 256, 1 + seed);
        first = seed ? first : all;
        for (unsigned q = 0; q < s.queries; q++) {
            for (unsigned i = 0; i < 20; i++) {
                EXPECT_INT(all[q][i].row, first[q][i].row);
                EXPECT(all[q][i].score == first[q][i].score);
            }
        }
    }
}

static void keys_order_as_scores_do(void)
{
    static const float scores[] = {-INFINITY, -2.0f, -1e-40f, -0.0f,
                                   1e-40f,    0.5f,  1.0f,    INFINITY};
    for (unsigned i = 0; i < 8; i++) {
        const uint64_t key = key_of(scores[i], 7);
        EXPECT(score_of((uint32_t)(key >> 32)) == scores[i]);
        EXPECT(!i || key > key_of(scores[i - 1], 0));
    }
    EXPECT(key_of(-0.0f, 1) == key_of(0.0f, 1));
    EXPECT(key_of(0.5f, 1) > key_of(0.5f, 2));
}

int main(void)
{
    RUN(keys_order_as_scores_do);
    RUN(a_few_queries_find_the_best_rows);
    RUN(many_queries_find_the_best_rows);
    RUN(a_mask_leaves_rows_out);
    RUN(more_than_there_are_is_all);
    RUN(rows_that_get_nearer_fit_the_lists);
    RUN(equal_rows_are_taken_by_number);
    RUN(any_order_of_threads_finds_the_same);
    return tap_done();
}
