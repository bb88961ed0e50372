/*
 * Pack: B as the tiles read it. Weights once, at load; keys and values of every
 * image.
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "math/gemm.h"
#include "math/quantize.h"

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Whether the panels have more than B: a column beyond n or a row beyond k. */
static bool is_padded(const struct akin__packed *b, size_t cols)
{
    return b->n % cols ||
           akin__steps(b->type, b->k) != b->k * akin__steps(b->type, 16) / 16;
}

static void pack_f32(const struct akin__packed *b, size_t cols,
                     const float *source, size_t ld)
{
    const size_t steps = akin__steps(b->type, b->k);
    float *to = b->panels;
    if (is_padded(b, cols))
        memset(to, 0, (b->n + cols - 1) / cols * cols * steps * sizeof *to);
    for (size_t at = 0; at < b->n; at += cols, to += steps * cols) {
        const size_t count = smaller(b->n - at, cols);
        for (size_t i = 0; i < b->k; i++)
            for (size_t j = 0; j < count; j++)
                to[i * cols + j] = source[(at + j) * ld + i];
    }
}

static void pack_bf16(const struct akin__kernels *kernels,
                      const struct akin__packed *b, size_t cols,
                      const float *source, size_t ld, uint16_t *row)
{
    const size_t steps = akin__steps(b->type, b->k);
    uint16_t *to = b->panels;
    if (is_padded(b, cols))
        memset(to, 0, (b->n + cols - 1) / cols * cols * steps * 4);
    for (size_t at = 0; at < b->n; at += cols, to += steps * cols * 2) {
        const size_t count = smaller(b->n - at, cols);
        for (size_t j = 0; j < count; j++) {
            kernels->to_bf16(b->k, source + (at + j) * ld, row);
            for (size_t i = 0; i < b->k; i++)
                to[(i / 2 * cols + j) * 2 + i % 2] = row[i];
        }
    }
}

/* `q`: [cols][k]. */
static void pack_int8(const struct akin__tiles *tiles, struct akin__packed *b,
                      const float *source, size_t ld,
                      const struct akin__common *common, int8_t *q)
{
    const size_t panel =
        akin__packed_int8_bytes(tiles->cols, b->k, tiles->group);
    char *to = b->panels;
    for (size_t at = 0; at < b->n; at += tiles->cols, to += panel) {
        const size_t count = smaller(b->n - at, tiles->cols);
        memset(q + count * b->k, 0, (tiles->cols - count) * b->k);
        akin__quantize(count, b->k, source + at * ld, ld, tiles->group, common,
                       q, b->column_scale + at);
        for (size_t j = 0; j < count; j++) {
            b->column_sum[at + j] = 0;
            for (size_t i = 0; i < b->k; i++)
                b->column_sum[at + j] += q[j * b->k + i];
        }
        akin__pack_int8(tiles->cols, b->k, tiles->group, q, to);
    }
}

akin_status akin__pack(const struct akin__kernels *kernels,
                       struct akin__packed *b, const float *source, size_t ld,
                       const struct akin__common *common, akin_error *err)
{
    const struct akin__tiles *tiles = &kernels->tiles[b->type];
    void *work = akin__alloc(tiles->cols * b->k, sizeof(uint16_t));
    if (!work)
        return akin__fail(err, AKIN_ENOMEM, "no memory to pack weights");
    if (b->type == AKIN_PRECISION_F32)
        pack_f32(b, tiles->cols, source, ld);
    else if (b->type == AKIN_PRECISION_BF16)
        pack_bf16(kernels, b, tiles->cols, source, ld, work);
    else
        pack_int8(tiles, b, source, ld, common, work);
    akin__free(work);
    return AKIN_OK;
}

/* Steps of 4 bytes, whatever they hold, from rows into columns. */
void akin__pack_keys(const struct akin__kernels *kernels,
                     struct akin__packed *b, const void *source, size_t ld)
{
    const size_t cols = kernels->tiles[b->type].cols;
    const size_t steps = akin__steps(b->type, b->k);
    const size_t full = b->type == AKIN_PRECISION_BF16 ? b->k / 2 : b->k;
    uint32_t *to = b->panels;
    for (size_t at = 0; at < b->n; at += cols, to += steps * cols) {
        const size_t count = smaller(b->n - at, cols);
        if (count < cols || full < steps)
            memset(to, 0, steps * cols * 4);
        for (size_t j = 0; j < count; j++) {
            const char *from = (const char *)source + (at + j) * ld;
            for (size_t i = 0; i < full; i++)
                memcpy(&to[i * cols + j], from + 4 * i, 4);
        }
    }
}

static void values_f32(const struct akin__packed *b, size_t cols,
                       const char *source, size_t ld)
{
    const size_t steps = akin__steps(b->type, b->k);
    float *to = b->panels;
    for (size_t at = 0; at < b->n; at += cols) {
        const size_t count = smaller(b->n - at, cols);
        for (size_t i = 0; i < steps; i++, to += cols) {
            if (count < cols || i >= b->k)
                memset(to, 0, cols * 4);
            if (i < b->k)
                memcpy(to, source + i * ld + at * 4, count * 4);
        }
    }
}

static void values_bf16(const struct akin__packed *b, size_t cols,
                        const char *source, size_t ld)
{
    const size_t steps = akin__steps(b->type, b->k);
    uint16_t *to = b->panels;
    for (size_t at = 0; at < b->n; at += cols) {
        const size_t count = smaller(b->n - at, cols);
        for (size_t i = 0; i < 2 * steps; i += 2, to += 2 * cols) {
            const char *even = source + i * ld + at * 2, *odd = even + ld;
            if (count < cols || i + 1 >= b->k)
                memset(to, 0, cols * 4);
            for (size_t j = 0; j < count && i < b->k; j++)
                memcpy(&to[2 * j], even + 2 * j, 2);
            for (size_t j = 0; j < count && i + 1 < b->k; j++)
                memcpy(&to[2 * j + 1], odd + 2 * j, 2);
        }
    }
}

void akin__pack_values(const struct akin__kernels *kernels,
                       struct akin__packed *b, const void *source, size_t ld)
{
    const size_t cols = kernels->tiles[b->type].cols;
    if (b->type == AKIN_PRECISION_F32)
        values_f32(b, cols, source, ld);
    else
        values_bf16(b, cols, source, ld);
}
