/*
 * GEMM: the loops around the tile.
 *
 *   for each block of up to BLOCK_ROWS rows: pack A
 *     for each panel of B
 *       for each chunk of k: for each tile of the block: sums += a x b
 *       for each tile of the block: epilogue
 *
 * The block's sums (16 KB) stay in the first-level cache, a chunk of a panel
 * (CHUNK x 32 floats, 96 KB) in the second, and a panel is read from memory
 * once per block.
 */
#include "math/gemm.h"

#include <stdint.h>

#include "base/memory.h"

enum {
    BLOCK_ROWS = 126, /* of 768 floats: 384 KB of A */
    CHUNK = 768,
    MAX_COLS = 32 /* of a tile, of any table */
};

size_t akin__packed_floats(const struct akin__kernels *kernels, size_t k,
                           size_t n)
{
    size_t columns, floats;
    if (!akin__add_ok(n, kernels->tile_cols - 1, &columns))
        return 0;
    columns -= columns % kernels->tile_cols;
    return akin__mul_ok(columns, k, &floats) ? floats : 0;
}

void akin__pack(const struct akin__kernels *kernels, struct akin__packed *b,
                const float *source, size_t k_stride, size_t n_stride)
{
    const size_t width = kernels->tile_cols;
    float *to = b->panels;
    for (size_t at = 0; at < b->n; at += width) {
        const size_t cols = b->n - at < width ? b->n - at : width;
        for (size_t i = 0; i < b->k; i++, to += width) {
            const float *from = source + i * k_stride + at * n_stride;
            for (size_t j = 0; j < cols; j++)
                to[j] = from[j * n_stride];
            for (size_t j = cols; j < width; j++)
                to[j] = 0;
        }
    }
}

/* The sums of a block come first, then its rows of A. */
static const size_t sums_floats = (size_t)BLOCK_ROWS * MAX_COLS;

/* Whole tiles only. */
static size_t block_rows(const struct akin__kernels *kernels)
{
    return BLOCK_ROWS / kernels->tile_rows * kernels->tile_rows;
}

size_t akin__gemm_scratch(const struct akin__kernels *kernels, size_t k)
{
    return sums_floats + block_rows(kernels) * k;
}

/* The rows of a block, spread evenly over its tiles: no nearly empty tile. */
struct block {
    size_t rows, tiles;
};

static size_t tile_start(const struct block *block, size_t tile)
{
    return block->rows * tile / block->tiles;
}

/* `count` rows of `from`, lda apart, as packed [k][count]. A cache line of a
 * row is read at once: rows of 3,072 floats lie on each other in the cache. */
static void pack_tile(size_t count, size_t k, const float *from, size_t lda,
                      float *packed)
{
    enum { LINE = 16 };
    for (size_t at = 0; at < k; at += LINE) {
        const size_t end = k - at < LINE ? k : at + LINE;
        for (size_t r = 0; r < count; r++) {
            for (size_t i = at; i < end; i++)
                packed[i * count + r] = from[r * lda + i];
        }
    }
}

/* A's rows in tiles: tile t is [k][rows of t]. */
static void pack_rows(const struct block *block, size_t k, const float *a,
                      size_t lda, float *packed)
{
    for (size_t t = 0; t < block->tiles; t++) {
        const size_t start = tile_start(block, t);
        pack_tile(tile_start(block, t + 1) - start, k, a + start * lda, lda,
                  packed + start * k);
    }
}

/* All chunks of k for one panel of B. */
static void sum_panel(const struct akin__kernels *kernels,
                      const struct block *block, size_t k, const float *packed,
                      const float *panel, float *sums)
{
    const size_t tile = kernels->tile_rows * kernels->tile_cols;
    for (size_t at = 0; at < k; at += CHUNK) {
        const size_t length = k - at < CHUNK ? k - at : CHUNK;
        for (size_t t = 0; t < block->tiles; t++) {
            const size_t start = tile_start(block, t);
            const size_t rows = tile_start(block, t + 1) - start;
            kernels->tile(rows, length, packed + start * k + at * rows,
                          panel + at * kernels->tile_cols, sums + t * tile,
                          at == 0);
        }
    }
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
    return at;
}

void akin__gemm(const struct akin__kernels *kernels, size_t m, const float *a,
                size_t lda, const struct akin__packed *b,
                const struct akin__epilogue *epilogue, float *out, size_t ldc,
                float *scratch)
{
    const size_t tile = kernels->tile_rows * kernels->tile_cols;
    const size_t most = block_rows(kernels);
    const size_t blocks = (m + most - 1) / most;
    float *sums = scratch, *packed = scratch + sums_floats;
    for (size_t i = 0; i < blocks; i++) {
        const size_t first = m * i / blocks;
        const size_t rows = m * (i + 1) / blocks - first;
        const struct block block = {rows, (rows + kernels->tile_rows - 1) /
                                              kernels->tile_rows};
        pack_rows(&block, b->k, a + first * lda, lda, packed);
        for (size_t col = 0; col < b->n; col += kernels->tile_cols) {
            const size_t left = b->n - col;
            const size_t cols =
                left < kernels->tile_cols ? left : kernels->tile_cols;
            sum_panel(kernels, &block, b->k, packed, b->panels + col * b->k,
                      sums);
            for (size_t t = 0; t < block.tiles; t++) {
                const size_t row = first + tile_start(&block, t);
                const struct akin__epilogue e = shifted(epilogue, row, col);
                kernels->finish(first + tile_start(&block, t + 1) - row, cols,
                                sums + t * tile, &e, out + row * ldc + col,
                                ldc);
            }
        }
    }
}
