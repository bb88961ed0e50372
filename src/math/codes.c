/* Codes: how vectors become bytes, and queries what bytes are multiplied with
 * (codes.h). */
#include "math/codes.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "math/gemm.h"
#include "math/quantize.h"

/*
 * Query numbers are so small that a sum fits int32 whatever the vectors: it is
 * at most 127 / max|x| * LARGEST / max|q|, and no largest number of a vector of
 * length 1 is below 1 / sqrt(dim), dim <= 4096.
 */
enum { MIDDLE = 128, STEPS = 127, LARGEST = 4095 };

/* ------------------------------------------------------ spreading ------ */

/* A Walsh-Hadamard transform of x [n], n a power of two, at length 1. */
static void hadamard(size_t n, float *x)
{
    for (size_t half = 1; half < n; half *= 2) {
        for (size_t at = 0; at < n; at += 2 * half) {
            for (size_t i = at; i < at + half; i++) {
                const float a = x[i], b = x[i + half];
                x[i] = a + b;
                x[i + half] = a - b;
            }
        }
    }
    const float unit = (float)(1 / sqrt((double)n));
    for (size_t i = 0; i < n; i++)
        x[i] *= unit;
}

/* Signs that look random, then the transform over the first numbers; other
 * signs, then over the last. Each takes as many as a power of two can, so
 * together they reach all, whatever dim is. */
void akin__spread(size_t dim, float *x)
{
    size_t n = 1;
    while (2 * n <= dim)
        n *= 2;
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < dim; i++) {
            if (akin__scatter((round + 1) << 16 | i) & 1)
                x[i] = -x[i];
        }
        hadamard(n, round ? x + dim - n : x);
    }
}

static float largest_in(size_t n, const float *x)
{
    float most = 0;
    for (size_t i = 0; i < n; i++) {
        const float size = fabsf(x[i]);
        most = size > most ? size : most;
    }
    return most;
}

float akin__encode(size_t dim, const float *x, uint8_t *codes)
{
    const float most = largest_in(dim, x);
    const float inverse = most > 0 ? STEPS / most : 0;
    for (size_t i = 0; i < dim; i++) {
        const float code = x[i] * inverse + (MIDDLE + 0.5f);
        codes[i] = code >= 0 && code < 256 ? (uint8_t)code : 0; /* NaN: 0 */
    }
    return most / STEPS;
}

/* ------------------------------------------------------ one query ------ */

void akin__code_query_make(struct akin__code_query *query, const float *unit,
                           size_t dim, size_t span)
{
    float x[AKIN_MAX_DIM];
    memcpy(x, unit, dim * sizeof *x);
    akin__spread(dim, x);
    const float most = largest_in(dim, x);
    const float inverse = most > 0 ? LARGEST / most : 0;
    query->scale = most / LARGEST;
    query->zero = 0;
    memset(query->numbers, 0, span * sizeof *query->numbers);
    for (size_t i = 0; i < dim; i++) {
        query->numbers[i] = (int16_t)lrintf(x[i] * inverse);
        query->zero += MIDDLE * query->numbers[i];
    }
}

/* ---------------------------------------------------------- batch ------ */

/*
 * The column q [dim] of a query x: its sum, its scale such that the product of
 * the two is 1 (what was rounded off is then at right angles to the query, and
 * no error grows with how near a row is), and how far that may be off.
 */
static void finish_column(struct akin__code_batch *batch, size_t column,
                          const float *x, const int8_t *q)
{
    const size_t dim = batch->dim;
    double product = 0, length = 0, off = 0;
    int32_t sum = 0;
    for (size_t i = 0; i < dim; i++) {
        sum += q[i];
        product += (double)q[i] * (double)x[i];
        length += (double)x[i] * (double)x[i];
    }
    const double scale = product > 0 ? length / product : 0;
    for (size_t i = 0; i < dim; i++) {
        const double rest = (double)x[i] - scale * q[i];
        off += rest * rest;
    }
    batch->column_sum[column] = sum;
    batch->column_scale[column] = (float)scale;
    batch->reach[column] = (float)(6 * sqrt(off / (double)dim));
}

static akin_status pack(struct akin__code_batch *batch, const float *units,
                        akin_error *err)
{
    const struct akin__tiles *tiles =
        &batch->kernels->tiles[AKIN_PRECISION_INT8];
    const size_t dim = batch->dim, cols = tiles->cols;
    const size_t panel = akin__packed_int8_bytes(cols, dim, tiles->group);
    float *x = akin__alloc(cols * dim, sizeof *x);
    int8_t *q = akin__alloc(cols * dim, sizeof *q);
    akin_status status = AKIN_OK;
    char *to = batch->panels;
    AKIN_CHECK(x && q, err, AKIN_ENOMEM, "no memory for %zu queries",
               batch->count);
    for (size_t at = 0; at < batch->count; at += cols, to += panel) {
        const size_t left = batch->count - at;
        const size_t count = left < cols ? left : cols;
        memset(q + count * dim, 0, (cols - count) * dim);
        memcpy(x, units + at * dim, count * dim * sizeof *x);
        for (size_t j = 0; j < count; j++)
            akin__spread(dim, x + j * dim);
        akin__quantize(count, dim, x, dim, tiles->group, NULL, q,
                       batch->column_scale + at);
        for (size_t j = 0; j < count; j++)
            finish_column(batch, at + j, x + j * dim, q + j * dim);
        akin__pack_int8(cols, dim, tiles->group, q, to);
    }
out:
    akin__free(x);
    akin__free(q);
    return status;
}

akin_status akin__code_batch_make(struct akin__code_batch *batch,
                                  const struct akin__kernels *kernels,
                                  const float *units, size_t count, size_t dim,
                                  akin_error *err)
{
    const struct akin__tiles *tiles = &kernels->tiles[AKIN_PRECISION_INT8];
    akin_status status = AKIN_OK;
    *batch = (struct akin__code_batch){
        .kernels = kernels,
        .dim = dim,
        .count = count,
        .panels = akin__alloc_aligned(
            1, akin__packed_bytes(kernels, AKIN_PRECISION_INT8, dim, count)),
        .column_scale = akin__alloc(count, sizeof(float)),
        .column_sum = akin__alloc(count, sizeof(int32_t)),
        .zero = akin__alloc(AKIN__CODE_ROWS, sizeof(int32_t)),
        .reach = akin__alloc(count, sizeof(float))};
    AKIN_CHECK(batch->panels && batch->column_scale && batch->column_sum &&
                   batch->zero && batch->reach,
               err, AKIN_ENOMEM, "no memory for %zu queries", count);
    for (size_t i = 0; i < AKIN__CODE_ROWS; i++)
        batch->zero[i] = tiles->group ? 0 : MIDDLE;
    status = pack(batch, units, err);
out:
    if (status)
        akin__code_batch_free(batch);
    return status;
}

void akin__code_batch_free(struct akin__code_batch *batch)
{
    akin__free(batch->panels);
    akin__free(batch->column_scale);
    akin__free(batch->column_sum);
    akin__free(batch->zero);
    akin__free(batch->reach);
    memset(batch, 0, sizeof *batch);
}

void akin__code_batch_scores(const struct akin__code_batch *batch, size_t rows,
                             const uint8_t *records, size_t stride,
                             float *scale, float *scores)
{
    const struct akin__left a = {.type = AKIN_PRECISION_INT8,
                                 .values = (void *)(uintptr_t)records,
                                 .ld = stride,
                                 .scale = scale,
                                 .zero = batch->zero};
    const struct akin__packed b = {.type = AKIN_PRECISION_INT8,
                                   .k = batch->dim,
                                   .n = batch->count,
                                   .panels = batch->panels,
                                   .column_scale = batch->column_scale,
                                   .column_sum = batch->column_sum};
    const struct akin__epilogue plain = {.activation = AKIN__LINEAR};
    akin__gemm(batch->kernels, rows, &a, &b, &plain, scores,
               batch->count * sizeof *scores);
}
