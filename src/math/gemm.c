/*
 * GEMM: the loops around the tile.
 *
 *   for each panel of B: for each tile of A's rows: sums, then the epilogue
 *
 * A tile's sums (1.8 KB) stay in the first-level cache; a panel (96 KB for 768
 * rows of B in float32) comes from memory once and then from the second level,
 * as A does. The caller gives at most so many rows that A fits there
 * (model/forward.c), and cuts B so that k stays about as small.
 */
#include "math/gemm.h"

#include "base/memory.h"

enum {
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

size_t akin__row_bytes(akin_precision type, size_t k)
{
    const size_t bytes = (4 * akin__steps(type, k) + 63) / 64 * 64;
    return bytes % 4096 ? bytes : bytes + 64;
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

void akin__gemm(const struct akin__kernels *kernels, size_t m,
                const struct akin__rows *a, const struct akin__packed *b,
                const struct akin__epilogue *epilogue, void *out, size_t ldc)
{
    const struct akin__tiles *tiles = &kernels->tiles[b->type];
    const size_t count = (m + tiles->rows - 1) / tiles->rows;
    const size_t steps = akin__steps(b->type, b->k);
    const size_t bytes = panel_bytes(tiles, b->type, b->k);
    const size_t width = epilogue->narrow ? 2 : 4;
    _Alignas(64) float sums[MAX_TILE] = {0}; /* what a k of 0 leaves */
    struct akin__epilogue whole = *epilogue;
    if (b->type == AKIN_PRECISION_INT8) {
        whole.row_scale = a->scale;
        whole.zero = a->zero;
        whole.column_scale = b->column_scale;
        whole.column_sum = b->column_sum;
    }
    const char *panel = b->panels;
    for (size_t col = 0; col < b->n; col += tiles->cols, panel += bytes) {
        const size_t left = b->n - col;
        const size_t cols = left < tiles->cols ? left : tiles->cols;
        for (size_t t = 0; t < count; t++) {
            const size_t row = tile_start(m, count, t);
            const size_t rows = tile_start(m, count, t + 1) - row;
            const char *next =
                t < SHARES ? panel + bytes + t * bytes / SHARES : panel;
            if (steps)
                tiles->tile[rows]((const char *)a->values + row * a->ld, a->ld,
                                  panel, steps, sums, next);
            const struct akin__epilogue e = shifted(&whole, row, col);
            kernels->finish(rows, cols, sums, tiles->cols, &e,
                            (char *)out + row * ldc + col * width, ldc);
        }
    }
}
