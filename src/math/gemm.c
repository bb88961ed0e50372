/*
 * GEMM: the loops around the tile.
 *
 *   for each block of A's rows
 *     for each panel of B: for each tile of the block: sums, then the epilogue
 *
 * A tile's sums (1.8 KB) stay in the first-level cache; a panel (96 KB for 768
 * rows of B in float32) comes from memory once a block and then from the second
 * level, as the block does. The caller cuts B so that k stays about as small
 * (model/network.h).
 */
#include "math/gemm.h"

#include "base/memory.h"

enum {
    /* Of A at a time: with a panel of B, the next one on its way and what is
     * written, it fills a second-level cache of 1 MB. */
    BLOCK_BYTES = 400 * 1024,
    MAX_TILE = 14 * 32, /* of any table */
    /* A tile asks for a quarter of what it reads from B of what comes next:
     * four tiles bring a panel in. */
    SHARES = 4
};

size_t akin__steps(akin_precision type, size_t k)
{
    const size_t unroll = type == AKIN_PRECISION_F32    ? 4
                          : type == AKIN_PRECISION_BF16 ? 8
                                                        : 16;
    return (k + unroll - 1) / unroll * 4;
}

size_t akin__left_bytes(akin_precision type, size_t k)
{
    const size_t bytes = (4 * akin__steps(type, k) + 63) / 64 * 64;
    return bytes % 4096 ? bytes : bytes + 64;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t panel_bytes(const struct akin__tiles *tiles, akin_precision type,
                          size_t k)
{
    const size_t steps = akin__steps(type, k);
    const size_t offsets =
        type == AKIN_PRECISION_INT8 && tiles->group ? steps / tiles->group : 0;
    return 4 * tiles->cols * (steps + offsets);
}

size_t akin__packed_bytes(const struct akin__kernels *kernels,
                          akin_precision type, size_t k, size_t n)
{
    const struct akin__tiles *tiles = &kernels->tiles[type];
    size_t bytes, unused;
    if (!akin__mul_ok(k, 8 * tiles->cols, &unused) ||
        !akin__mul_ok((n + tiles->cols - 1) / tiles->cols,
                      panel_bytes(tiles, type, k), &bytes))
        return 0;
    return bytes;
}

/* The epilogue as seen from row `row` and column `col` of the output. */
static struct akin__epilogue shifted(const struct akin__epilogue *e, size_t row,
                                     size_t col)
{
    struct akin__epilogue at = *e;
    if (e->bias)
        at.bias += col;
    if (e->scale)
        at.scale += col;
    if (e->residual)
        at.residual += row * e->residual_ld + col;
    if (e->row_scale)
        at.row_scale += row;
    if (e->zero)
        at.zero += row;
    if (e->column_scale)
        at.column_scale += col;
    if (e->column_sum)
        at.column_sum += col;
    return at;
}

/* The rows in tiles as even as can be: no nearly empty one. */
static size_t tile_start(size_t m, size_t tiles, size_t tile)
{
    return m * tile / tiles;
}

/* Ask for the lines that a tile's rows go to, so that they are here when it is
 * done. Rows of two lines are written a whole line at a time and do without. */
static void expect_rows(char *out, size_t ldc, size_t rows, size_t bytes)
{
    enum { LINE = 64 };
    if (bytes > LINE)
        return;
    for (size_t r = 0; r < rows; r++)
        __builtin_prefetch(out + r * ldc, 1);
}

/* All of B for the rows [first, first + m) of A, then on to `after`. */
static void multiply_block(const struct akin__kernels *kernels, size_t first,
                           size_t m, const struct akin__left *a,
                           const struct akin__packed *b,
                           const struct akin__epilogue *epilogue, char *out,
                           size_t ldc, const char *after)
{
    const struct akin__tiles *tiles = &kernels->tiles[b->type];
    const size_t count = (m + tiles->rows - 1) / tiles->rows;
    const size_t steps = akin__steps(b->type, b->k);
    const size_t bytes = panel_bytes(tiles, b->type, b->k);
    const size_t width = epilogue->narrow ? 2 : 4;
    _Alignas(64) float sums[MAX_TILE] = {0}; /* what a k of 0 leaves */
    const char *panel = b->panels;
    for (size_t col = 0; col < b->n; col += tiles->cols, panel += bytes) {
        const size_t left = b->n - col;
        const size_t cols = left < tiles->cols ? left : tiles->cols;
        const char *soon = left > tiles->cols ? panel + bytes : after;
        for (size_t t = 0; t < count; t++) {
            const size_t row = first + tile_start(m, count, t);
            const size_t rows = first + tile_start(m, count, t + 1) - row;
            const char *next = t < SHARES ? soon + t * bytes / SHARES : panel;
            char *to = out + row * ldc + col * width;
            expect_rows(to, ldc, rows, cols * width);
            if (steps)
                tiles->tile[rows]((const char *)a->values + row * a->ld, a->ld,
                                  panel, steps, sums, next);
            const struct akin__epilogue e = shifted(epilogue, row, col);
            kernels->finish(rows, cols, sums, tiles->cols, &e, to, ldc);
        }
    }
}

void akin__gemm(const struct akin__kernels *kernels, size_t m,
                const struct akin__left *a, const struct akin__packed *b,
                const struct akin__epilogue *epilogue, void *out, size_t ldc)
{
    struct akin__epilogue whole = *epilogue;
    const size_t most =
        larger(BLOCK_BYTES / (4 * akin__steps(b->type, b->k) + 1),
               kernels->tiles[b->type].rows);
    const size_t blocks = (m + most - 1) / most;
    const char *start = b->panels;
    if (b->type == AKIN_PRECISION_INT8) {
        whole.row_scale = a->scale;
        whole.zero = a->zero;
        whole.column_scale = b->column_scale;
        whole.column_sum = b->column_sum;
    }
    for (size_t i = 0; i < blocks; i++) {
        const size_t first = m * i / blocks, end = m * (i + 1) / blocks;
        const size_t all = akin__packed_bytes(kernels, b->type, b->k, b->n);
        multiply_block(kernels, first, end - first, a, b, &whole, out, ldc,
                       i + 1 < blocks ? start : start + all);
    }
}
