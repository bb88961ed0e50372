/* Near (near.h). */
#include "math/near.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "math/gemm.h"

/* What floats round on the way from sums of bytes to a product, and lengths
 * that are 1 only to a float: far more than a few times 2^-24. */
#define ROUNDING 1e-5f

static size_t blocks_of(size_t count)
{
    return (count + AKIN__NEAR - 1) / AKIN__NEAR;
}

akin_status akin__near_left_open(struct akin__near_left *left, size_t dim,
                                 akin_error *err)
{
    memset(left, 0, sizeof *left);
    left->kernels = akin__kernels(err);
    if (!left->kernels)
        return AKIN_EUSAGE;
    left->dim = dim;
    left->ld = akin__left_bytes(AKIN_PRECISION_INT8, dim);
    left->bytes = akin__alloc_aligned(AKIN__NEAR, left->ld);
    if (!left->bytes)
        return akin__fail(err, AKIN_ENOMEM, "no memory for a block of rows");
    memset(left->bytes, 0, AKIN__NEAR * left->ld);
    return AKIN_OK;
}

void akin__near_left_close(struct akin__near_left *left)
{
    akin__free(left->bytes);
    left->bytes = NULL;
}

/* As the widest panels have it: 5 bytes for 4 where there are offsets. */
size_t akin__near_right_bytes(size_t count, size_t dim)
{
    return blocks_of(count) * AKIN__NEAR *
           (akin__steps(AKIN_PRECISION_INT8, dim) * 5 + 8);
}

akin_status akin__near_right_open(struct akin__near_right *right, size_t count,
                                  size_t dim, akin_error *err)
{
    const size_t whole = blocks_of(count) * AKIN__NEAR;
    memset(right, 0, sizeof *right);
    right->kernels = akin__kernels(err);
    if (!right->kernels)
        return AKIN_EUSAGE;
    right->count = count;
    right->dim = dim;
    const size_t bytes =
        akin__packed_bytes(right->kernels, AKIN_PRECISION_INT8, dim, whole);
    right->panels = akin__alloc_aligned(bytes, 1);
    right->scale = akin__calloc(whole, sizeof *right->scale);
    right->sum = akin__calloc(whole, sizeof *right->sum);
    right->error = akin__calloc(blocks_of(count), sizeof *right->error);
    if (right->panels && right->scale && right->sum && right->error)
        return AKIN_OK;
    akin__near_right_close(right);
    return akin__fail(err, AKIN_ENOMEM, "no memory to compare %zu rows", count);
}

void akin__near_right_close(struct akin__near_right *right)
{
    akin__free(right->panels);
    akin__free(right->scale);
    akin__free(right->sum);
    akin__free(right->error);
    memset(right, 0, sizeof *right);
}

static float longer(double square, float longest)
{
    const float length = (float)sqrt(square);
    return length > longest ? length : longest;
}

void akin__near_left_fill(struct akin__near_left *left, const float *rows,
                          size_t count)
{
    const struct akin__kernels *kernels = left->kernels;
    /* The tables that multiply u - 128 write such a zero. */
    const int32_t shift = kernels->tiles[AKIN_PRECISION_INT8].group ? 128 : 0;
    left->count = count;
    left->error = 0;
    for (size_t r = 0; r < count; r++) {
        const float *row = rows + r * left->dim;
        uint8_t *bytes = left->bytes + r * left->ld;
        double square = 0;
        kernels->to_int8(left->dim, row, bytes, &left->scale[r],
                         &left->zero[r]);
        for (size_t i = 0; i < left->dim; i++) {
            const float off =
                row[i] -
                left->scale[r] * (float)(bytes[i] - shift - left->zero[r]);
            square += (double)(off * off);
        }
        left->error = longer(square, left->error);
    }
}

/* One panel: `count` columns at `at`. `q`: [cols][dim]. */
static void fill_panel(struct akin__near_right *right,
                       const struct akin__tiles *tiles, size_t at,
                       const float *rows, size_t count, int8_t *q,
                       float *longest)
{
    const size_t dim = right->dim;
    const size_t bytes =
        akin__packed_int8_bytes(tiles->cols, dim, tiles->group);
    memset(q + count * dim, 0, (tiles->cols - count) * dim);
    akin__quantize(count, dim, rows, dim, tiles->group, NULL, q,
                   right->scale + at);
    for (size_t j = 0; j < count; j++) {
        double square = 0;
        int32_t sum = 0;
        for (size_t i = 0; i < dim; i++) {
            const float off = rows[j * dim + i] -
                              right->scale[at + j] * (float)q[j * dim + i];
            square += (double)(off * off);
            sum += q[j * dim + i];
        }
        right->sum[at + j] = sum;
        *longest = longer(square, *longest);
    }
    akin__pack_int8(tiles->cols, dim, tiles->group, q,
                    (char *)right->panels + at / tiles->cols * bytes);
}

akin_status akin__near_right_fill(struct akin__near_right *right, size_t at,
                                  const float *rows, size_t count,
                                  akin_error *err)
{
    const struct akin__tiles *tiles =
        &right->kernels->tiles[AKIN_PRECISION_INT8];
    int8_t *q = akin__alloc(tiles->cols, right->dim);
    float longest = 0;
    if (!q)
        return akin__fail(err, AKIN_ENOMEM, "no memory for a block of rows");
    for (size_t j = 0; j < count; j += tiles->cols) {
        const size_t left = count - j;
        fill_panel(right, tiles, at + j, rows + j * right->dim,
                   left < tiles->cols ? left : tiles->cols, q, &longest);
    }
    akin__free(q);
    right->error[at / AKIN__NEAR] = longest;
    return AKIN_OK;
}

void akin__near_products(const struct akin__near_left *left,
                         const struct akin__near_right *right, size_t at,
                         float *products, size_t *columns, float *reach)
{
    const struct akin__tiles *tiles =
        &left->kernels->tiles[AKIN_PRECISION_INT8];
    const size_t panel =
        akin__packed_int8_bytes(tiles->cols, right->dim, tiles->group);
    const size_t rest = right->count - at;
    const struct akin__left a = {AKIN_PRECISION_INT8, left->bytes, left->ld,
                                 (float *)(uintptr_t)left->scale,
                                 (int32_t *)(uintptr_t)left->zero};
    const struct akin__packed b = {AKIN_PRECISION_INT8,
                                   right->dim,
                                   rest < AKIN__NEAR ? rest : AKIN__NEAR,
                                   (char *)right->panels +
                                       at / tiles->cols * panel,
                                   right->scale + at,
                                   right->sum + at};
    const struct akin__epilogue plain = {0};
    const float error = right->error[at / AKIN__NEAR];
    akin__gemm(left->kernels, left->count, &a, &b, &plain, products,
               AKIN__NEAR * sizeof(float));
    *columns = b.n;
    *reach = left->error * (1 + error) + error + ROUNDING;
}
