/*
 * Tiles: every one of assembly against plain C.
 *
 * A's last row, the panel and the sums end at pages that may not be touched,
 * so that a read or write behind them is a crash here. int8 is exact, with
 * weights and inputs at the edge of what the rules allow. Tiles that this
 * processor does not run are reported as skipped.
 */
#include "tap.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "math/kernels.h"
#include "math/quantize.h"

#if defined(__x86_64__)
enum { MOST_ROWS = 14, MOST_COLS = 32 };

static const size_t all_steps[] = {4, 8, 12, 16, 20, 60, 64, 196, 260, 768};
enum { STEPS = sizeof all_steps / sizeof all_steps[0] };

/* Whether this processor runs tiles of that name. */
static bool runs(const char *name)
{
    if (akin__kernels_named(name))
        return true;
    tap_skip("not on this processor");
    return false;
}

/* `bytes` that end where the process may not look. Never freed: the test is
 * short. */
static void *guarded(size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t whole = (bytes + page - 1) / page * page;
    uint8_t *map = mmap(NULL, whole + page, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + whole, page, PROT_NONE) != 0)
        abort();
    return map + whole - bytes;
}

static uint32_t seed = 1;

static uint32_t random_below(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

static float random_float(void)
{
    return (float)random_below(1 << 23) / (1 << 22) - 1;
}

/* Rows of A that lie `gap` bytes further apart than they are long. */
struct rows {
    size_t count, lda;
    void *at;
};

static struct rows new_rows(size_t count, size_t steps, size_t gap)
{
    const size_t length = steps * 4;
    struct rows a = {count, length + gap, NULL};
    a.at = guarded((count - 1) * a.lda + length);
    return a;
}

/* ---------------------------------------------------- float32 and bf16 -- */

/* Where a float lies among pairs of bf16, and its upper half. */
static float of_bf16(uint16_t half)
{
    const uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Factor `i` of a row, a panel's column as a row: `per_step` to 4 bytes. */
static float factor(const void *steps, size_t stride, size_t i, size_t per_step)
{
    const char *step = (const char *)steps + i / per_step * stride;
    uint16_t half;
    float x;
    if (per_step == 1) {
        memcpy(&x, step, sizeof x);
        return x;
    }
    memcpy(&half, step + i % 2 * 2, sizeof half);
    return of_bf16(half);
}

/* The classic bound of a sum of k products, each rounded or fused. */
static void expect_floats(const struct akin__tiles *tiles, size_t steps,
                          size_t per_step, const struct rows *a, const char *b,
                          const float *sums)
{
    const size_t k = steps * per_step;
    for (size_t r = 0; r < a->count; r++) {
        const char *row = (const char *)a->at + r * a->lda;
        for (size_t j = 0; j < tiles->cols; j++) {
            double want = 0, size = 0;
            for (size_t i = 0; i < k; i++) {
                const double p =
                    (double)factor(row, 4, i, per_step) *
                    factor(b + j * 4, tiles->cols * 4, i, per_step);
                want += p;
                size += fabs(p);
            }
            const double off = fabs(want - sums[r * tiles->cols + j]);
            if (!EXPECT(off <= (double)k * 6e-8 * size))
                printf("# k %zu, row %zu of %zu, column %zu: off by %g\n", k, r,
                       a->count, j, off);
        }
    }
}

/* Random numbers of -1 to 1 in each 4 bytes. */
static void fill_step(char *step, size_t per_step)
{
    for (size_t i = 0; i < per_step; i++) {
        const float x = random_float();
        memcpy(step + i * (4 / per_step), (const char *)&x + 4 - 4 / per_step,
               4 / per_step);
    }
}

static void float_case(const struct akin__tiles *tiles, size_t per_step,
                       size_t count, size_t steps, size_t gap)
{
    const struct rows a = new_rows(count, steps, gap);
    for (size_t r = 0; r < count; r++) {
        for (size_t i = 0; i < steps; i++)
            fill_step((char *)a.at + r * a.lda + i * 4, per_step);
    }
    const size_t bytes = steps * tiles->cols * 4;
    char *b = guarded(bytes);
    for (size_t i = 0; i < bytes; i += 4)
        fill_step(b + i, per_step);
    float *sums = guarded(count * tiles->cols * sizeof *sums);
    memset(sums, 0xff, count * tiles->cols * sizeof *sums);
    tiles->tile[count](a.at, a.lda, b, steps, sums, b + bytes);
    expect_floats(tiles, steps, per_step, &a, b, sums);
}

static void float_cases(struct akin__tiles tiles, size_t per_step)
{
    for (size_t count = 1; count <= tiles.rows; count++) {
        for (size_t i = 0; i < STEPS; i++)
            float_case(&tiles, per_step, count, all_steps[i], i % 3 * 4);
    }
}

static void avx2_f32_is_within_its_bound(void)
{
    if (runs("avx2"))
        float_cases((struct akin__tiles)TILES_AVX2_F32, 1);
}

static void avx512_f32_is_within_its_bound(void)
{
    if (runs("avx512"))
        float_cases((struct akin__tiles)TILES_AVX512_F32, 1);
}

static void avx512_bf16_is_within_its_bound(void)
{
    if (runs("avx512bf16"))
        float_cases((struct akin__tiles)TILES_AVX512_BF16, 2);
}

/* Row by row through the tile of one row, against all tiles of several. */
static void same_bits(struct akin__tiles tiles, size_t per_step)
{
    enum { STEPS_HERE = 772 };
    static _Alignas(64) char a[MOST_ROWS * STEPS_HERE * 4],
        b[MOST_COLS * STEPS_HERE * 4];
    static _Alignas(64) float sums[MOST_ROWS * MOST_COLS], one[MOST_COLS];
    for (size_t i = 0; i < sizeof a; i += 4)
        fill_step(a + i, per_step);
    for (size_t i = 0; i < sizeof b; i += 4)
        fill_step(b + i, per_step);
    const size_t lda = STEPS_HERE * 4;
    for (size_t count = 2; count <= tiles.rows; count++) {
        tiles.tile[count](a, lda, b, STEPS_HERE, sums, b);
        for (size_t r = 0; r < count; r++) {
            tiles.tile[1](a + r * lda, lda, b, STEPS_HERE, one, b);
            EXPECT(memcmp(one, sums + r * tiles.cols, tiles.cols * 4) == 0);
        }
    }
}

static void a_row_has_the_same_bits_in_every_avx2_tile(void)
{
    if (runs("avx2"))
        same_bits((struct akin__tiles)TILES_AVX2_F32, 1);
}

static void a_row_has_the_same_bits_in_every_avx512_tile(void)
{
    if (runs("avx512"))
        same_bits((struct akin__tiles)TILES_AVX512_F32, 1);
}

static void a_row_has_the_same_bits_in_every_bf16_tile(void)
{
    if (runs("avx512bf16"))
        same_bits((struct akin__tiles)TILES_AVX512_BF16, 2);
}

/* ---------------------------------------------------------------- int8 -- */

/* Weights that use the rules to the full, by lane of 8: pairs of one sign at
 * their limit, pairs of two signs, all alike, a mixture. */
static const int8_t edges[][8] = {
    {64, 64, 64, 64, 1, 1, 0, 0},     {-64, -64, -64, -64, -1, -1, 0, 0},
    {127, 1, 127, 1, 1, 0, 0, 1},     {-127, -1, -127, -1, -1, 0, 0, -1},
    {127, -127, 2, -2, 0, 0, 0, 0},   {0, 0, 0, 0, -1, -1, -128 + 1, -1},
    {33, 32, 32, 32, 32, 32, 32, 33}, {-33, -32, -32, -32, -32, -32, -32, -33},
};
enum { EDGES = sizeof edges / sizeof edges[0] };

/* A column [k]: lanes at the edge, or random bytes with no rule. */
static void fill_column(int8_t *q, size_t k, size_t group)
{
    for (size_t i = 0; i < k; i++)
        q[i] = (int8_t)((int)random_below(255) - 127);
    if (!group)
        return;
    for (size_t lane = 0; lane < k / 8; lane++) {
        const int8_t *edge = edges[random_below(EDGES)];
        int8_t *at = q + lane / 2 * 16 + lane % 2 * 2;
        for (size_t i = 0; i < 8; i++)
            at[i / 2 * 4 + i % 2] = edge[i];
    }
}

enum { KINDS = 6 };

/* Inputs: row 0 makes column 0 as large as can be, row 1 column 1 as small,
 * rows 2 and 3 are constant, the others random. */
static uint8_t input(size_t row, size_t i, size_t k, const int8_t *q)
{
    switch (row) {
    case 0:
        return q[i] > 0 ? 255 : 1;
    case 1:
        return q[k + i] > 0 ? 1 : 255;
    case 2:
        return 255;
    case 3:
        return 1;
    default:
        return (uint8_t)(1 + random_below(255));
    }
}

static void expect_int8(const struct akin__tiles *tiles, size_t k,
                        const struct rows *a, const int8_t *q,
                        const int32_t *sums)
{
    const int minus = tiles->group ? 128 : 0;
    for (size_t r = 0; r < a->count; r++) {
        const uint8_t *row = (const uint8_t *)a->at + r * a->lda;
        for (size_t j = 0; j < tiles->cols; j++) {
            int64_t want = 0;
            for (size_t i = 0; i < k; i++)
                want += (row[i] - minus) * q[j * k + i];
            if (!EXPECT_INT(sums[r * tiles->cols + j], want))
                printf("# k %zu, row %zu of %zu, column %zu\n", k, r, a->count,
                       j);
        }
    }
}

static void int8_case(const struct akin__tiles *tiles, size_t count,
                      size_t steps, size_t gap)
{
    const size_t k = steps * 4;
    int8_t *q = guarded(k * tiles->cols);
    for (size_t j = 0; j < tiles->cols; j++)
        fill_column(q + j * k, k, tiles->group);
    const size_t bytes = akin__packed_int8_bytes(tiles->cols, k, tiles->group);
    uint8_t *b = guarded(bytes);
    akin__pack_int8(tiles->cols, k, tiles->group, q, b);
    const struct rows a = new_rows(count, steps, gap);
    for (size_t r = 0; r < count; r++) {
        /* Each kind of row comes first once, so that tiles of 1 row see it. */
        const size_t kind = (r + steps / 4) % KINDS;
        for (size_t i = 0; i < k; i++)
            ((uint8_t *)a.at)[r * a.lda + i] = input(kind, i, k, q);
    }
    int32_t *sums = guarded(count * tiles->cols * sizeof *sums);
    memset(sums, 0xff, count * tiles->cols * sizeof *sums);
    tiles->tile[count](a.at, a.lda, b, steps, sums, b + bytes);
    expect_int8(tiles, k, &a, q, sums);
}

static void int8_cases(struct akin__tiles tiles)
{
    for (size_t count = 1; count <= tiles.rows; count++) {
        for (size_t i = 0; i < STEPS; i++)
            int8_case(&tiles, count, all_steps[i], i % 3 * 4);
    }
}

static void avx2_int8_is_exact(void)
{
    if (runs("avx2"))
        int8_cases((struct akin__tiles)TILES_AVX2_INT8);
}

static void avxvnni_int8_is_exact(void)
{
    if (runs("avxvnni"))
        int8_cases((struct akin__tiles)TILES_AVXVNNI);
}

static void avx512_int8_is_exact(void)
{
    if (runs("avx512vnni"))
        int8_cases((struct akin__tiles)TILES_AVX512_INT8);
}

int main(void)
{
    RUN(avx2_f32_is_within_its_bound);
    RUN(avx512_f32_is_within_its_bound);
    RUN(avx512_bf16_is_within_its_bound);
    RUN(a_row_has_the_same_bits_in_every_avx2_tile);
    RUN(a_row_has_the_same_bits_in_every_avx512_tile);
    RUN(a_row_has_the_same_bits_in_every_bf16_tile);
    RUN(avx2_int8_is_exact);
    RUN(avxvnni_int8_is_exact);
    RUN(avx512_int8_is_exact);
    return tap_done();
}

#else

static void tiles_of_assembly(void)
{
    tap_skip("none for this processor");
}

int main(void)
{
    RUN(tiles_of_assembly);
    return tap_done();
}

#endif
