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

#include "math/quantize.h"
#include "math/tiles.h"

#if defined(__x86_64__)
#include <cpuid.h>

enum { COLUMNS = 16, ROWS = 6 };

static const size_t all_steps[] = {4, 8, 12, 16, 20, 60, 64, 196, 260, 768};
enum { STEPS = sizeof all_steps / sizeof all_steps[0] };

static bool have_avx2(void)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return true;
    tap_skip("no AVX2 on this processor");
    return false;
}

static bool have_avxvnni(void)
{
    unsigned a = 0, b, c, d;
    if (have_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && a & 1u << 4)
        return true;
    tap_skip("no AVX-VNNI on this processor");
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

/* ------------------------------------------------------------- float32 -- */

/* The classic bound of a sum of k products, each rounded or fused. */
static void expect_f32(size_t k, const struct rows *a, const float *b,
                       const float *sums)
{
    for (size_t r = 0; r < a->count; r++) {
        const float *row = (const float *)((const char *)a->at + r * a->lda);
        for (size_t j = 0; j < COLUMNS; j++) {
            double want = 0, size = 0;
            for (size_t i = 0; i < k; i++) {
                const double p = (double)row[i] * b[i * COLUMNS + j];
                want += p;
                size += fabs(p);
            }
            const double off = fabs(want - sums[r * COLUMNS + j]);
            if (!EXPECT(off <= (double)k * 6e-8 * size))
                printf("# k %zu, row %zu of %zu, column %zu: off by %g\n", k, r,
                       a->count, j, off);
        }
    }
}

static void f32_case(akin__tile *const *tiles, size_t count, size_t steps,
                     size_t gap)
{
    const struct rows a = new_rows(count, steps, gap);
    for (size_t r = 0; r < count; r++) {
        for (size_t i = 0; i < steps; i++)
            ((float *)((char *)a.at + r * a.lda))[i] = random_float();
    }
    float *b = guarded(steps * COLUMNS * sizeof *b);
    for (size_t i = 0; i < steps * COLUMNS; i++)
        b[i] = random_float();
    float *sums = guarded(count * COLUMNS * sizeof *sums);
    memset(sums, 0xff, count * COLUMNS * sizeof *sums);
    tiles[count](a.at, a.lda, b, steps, sums, b + steps * COLUMNS);
    expect_f32(steps, &a, b, sums);
}

static void avx2_f32_is_within_its_bound(void)
{
    if (!have_avx2())
        return;
    for (size_t count = 1; count <= ROWS; count++) {
        for (size_t i = 0; i < STEPS; i++)
            f32_case(akin__tiles_avx2_f32, count, all_steps[i], i % 3 * 4);
    }
}

static void a_row_has_the_same_bits_in_every_tile(void)
{
    if (!have_avx2())
        return;
    enum { K = 772 };
    static _Alignas(64) float b[K * COLUMNS], sums[ROWS * COLUMNS],
        one[COLUMNS];
    float a[ROWS * K];
    for (size_t i = 0; i < ROWS * K; i++)
        a[i] = random_float();
    for (size_t i = 0; i < K * COLUMNS; i++)
        b[i] = random_float();
    for (size_t count = 2; count <= ROWS; count++) {
        akin__tiles_avx2_f32[count](a, K * 4, b, K, sums, b);
        for (size_t r = 0; r < count; r++) {
            akin__tiles_avx2_f32[1](a + r * K, K * 4, b, K, one, b);
            EXPECT(memcmp(one, sums + r * COLUMNS, sizeof one) == 0);
        }
    }
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

static void expect_int8(size_t k, const struct rows *a, const int8_t *q,
                        int minus, const int32_t *sums)
{
    for (size_t r = 0; r < a->count; r++) {
        const uint8_t *row = (const uint8_t *)a->at + r * a->lda;
        for (size_t j = 0; j < COLUMNS; j++) {
            int64_t want = 0;
            for (size_t i = 0; i < k; i++)
                want += (row[i] - minus) * q[j * k + i];
            if (!EXPECT_INT(sums[r * COLUMNS + j], want))
                printf("# k %zu, row %zu of %zu, column %zu\n", k, r, a->count,
                       j);
        }
    }
}

static void int8_case(akin__tile *const *tiles, size_t group, size_t count,
                      size_t steps, size_t gap)
{
    const size_t k = steps * 4;
    int8_t *q = guarded(k * COLUMNS);
    for (size_t j = 0; j < COLUMNS; j++)
        fill_column(q + j * k, k, group);
    const size_t bytes = akin__packed_int8_bytes(COLUMNS, k, group);
    uint8_t *b = guarded(bytes);
    akin__pack_int8(COLUMNS, k, group, q, b);
    const struct rows a = new_rows(count, steps, gap);
    for (size_t r = 0; r < count; r++) {
        /* Each kind of row comes first once, so that tiles of 1 row see it. */
        const size_t kind = (r + steps / 4) % ROWS;
        for (size_t i = 0; i < k; i++)
            ((uint8_t *)a.at)[r * a.lda + i] = input(kind, i, k, q);
    }
    int32_t *sums = guarded(count * COLUMNS * sizeof *sums);
    memset(sums, 0xff, count * COLUMNS * sizeof *sums);
    tiles[count](a.at, a.lda, b, steps, sums, b + bytes);
    expect_int8(k, &a, q, group ? 128 : 0, sums);
}

static void int8_cases(akin__tile *const *tiles, size_t group)
{
    for (size_t count = 1; count <= ROWS; count++) {
        for (size_t i = 0; i < STEPS; i++)
            int8_case(tiles, group, count, all_steps[i], i % 3 * 4);
    }
}

static void avx2_int8_is_exact(void)
{
    if (have_avx2())
        int8_cases(akin__tiles_avx2_int8, 4);
}

static void avxvnni_int8_is_exact(void)
{
    if (have_avxvnni())
        int8_cases(akin__tiles_avxvnni_int8, 0);
}

int main(void)
{
    RUN(avx2_f32_is_within_its_bound);
    RUN(a_row_has_the_same_bits_in_every_tile);
    RUN(avx2_int8_is_exact);
    RUN(avxvnni_int8_is_exact);
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
