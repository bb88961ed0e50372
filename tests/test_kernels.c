/*
 * Kernels: every table against formulas in double.
 *
 * Buffers end at a page that may not be touched, so that a read or write
 * behind an array is a crash here. Tables that this processor does not run are
 * reported as skipped.
 */
#include "tap.h"

#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

#include "math/gemm.h"

static const struct akin__kernels *table; /* under test */

/* `count` floats that end where the process may not look. Never freed: the
 * test is short. */
static float *guarded(size_t count)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t bytes = (count * sizeof(float) + page - 1) / page * page;
    uint8_t *map = mmap(NULL, bytes + page, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + bytes, page, PROT_NONE) != 0)
        abort();
    return (float *)(void *)(map + bytes) - count;
}

static unsigned seed = 1;

static float random_float(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)(seed >> 8) / (1 << 23) - 1;
}

static float *random_floats(size_t count)
{
    float *p = guarded(count);
    for (size_t i = 0; i < count; i++)
        p[i] = random_float();
    return p;
}

static double activation(enum akin__activation kind, double x)
{
    if (kind == AKIN__GELU)
        return 0.5 * x * erfc(-x / sqrt(2));
    return kind == AKIN__QUICK_GELU ? x / (1 + exp(-1.702 * x)) : x;
}

struct case_ {
    size_t m, k, n;
    enum akin__activation kind;
};

/* out = residual + scale * act(A B + bias) with rounding bounded by
 * (k + 8) eps * (sum |a||b| + ...): the classic bound of a sum of k terms. */
static void gemm_case(struct case_ c)
{
    const size_t lda = c.k + 3, ldc = c.n + 5;
    float *a = random_floats(c.m * lda), *w = random_floats(c.n * c.k);
    float *bias = random_floats(c.n), *scale = random_floats(c.n);
    float *residual = random_floats(c.m * ldc), *out = guarded(c.m * ldc);
    struct akin__packed b = {c.k, c.n, NULL};
    b.panels = guarded((akin__packed_floats(table, c.k, c.n) + 15) / 16 * 16);
    float *scratch = guarded((akin__gemm_scratch(table, c.k) + 15) / 16 * 16);
    akin__pack(table, &b, w, 1, c.k);
    const struct akin__epilogue e = {bias, scale, residual, ldc, c.kind};
    for (size_t i = 0; i < c.m * ldc; i++)
        out[i] = 12345;
    akin__gemm(table, c.m, a, lda, &b, &e, out, ldc, scratch);
    double worst = 0;
    int touched = 0;
    for (size_t i = 0; i < c.m; i++) {
        for (size_t j = 0; j < c.n; j++) {
            double sum = bias[j], size = fabs((double)bias[j]) + 1;
            for (size_t l = 0; l < c.k; l++) {
                const double p = (double)a[i * lda + l] * w[j * c.k + l];
                sum += p;
                size += fabs(p);
            }
            const double want =
                residual[i * ldc + j] + scale[j] * activation(c.kind, sum);
            const double bound = ((double)c.k + 8) * 6e-8 * (size + fabs(want));
            const double off = fabs(want - out[i * ldc + j]) / bound;
            worst = off > worst ? off : worst;
        }
        for (size_t j = c.n; j < ldc && i + 1 < c.m; j++)
            touched |= out[i * ldc + j] != 12345;
    }
    if (!(EXPECT(worst <= 1) & EXPECT(!touched)))
        printf("# m %zu k %zu n %zu: %g times the bound\n", c.m, c.k, c.n,
               worst);
}

static void gemm_agrees_over_odd_shapes(void)
{
    static const size_t sizes[] = {1,  2,  3,  7,  13, 14,  15,  16, 17,
                                   31, 32, 33, 50, 64, 127, 129, 257};
    enum { SIZES = sizeof sizes / sizeof sizes[0] };
    for (size_t i = 0; i < SIZES; i++) {
        for (size_t j = 0; j < SIZES; j += 2)
            gemm_case((struct case_){sizes[i], sizes[(i + j) % SIZES],
                                     sizes[(i * 5 + j) % SIZES],
                                     (enum akin__activation)((i + j) % 3)});
    }
    gemm_case((struct case_){5, 3072, 33, AKIN__LINEAR}); /* chunks of k */
    gemm_case((struct case_){5, 769, 33, AKIN__GELU});
    gemm_case((struct case_){260, 65, 70, AKIN__QUICK_GELU}); /* blocks */
}

static void a_row_has_the_same_bits_alone_and_among_others(void)
{
    enum { M = 257, K = 900, N = 70 };
    float *a = random_floats((size_t)M * K), *w = random_floats((size_t)N * K);
    float *all = guarded((size_t)M * N), *one = guarded(N);
    struct akin__packed b = {K, N, NULL};
    b.panels = guarded((akin__packed_floats(table, K, N) + 15) / 16 * 16);
    float *scratch = guarded((akin__gemm_scratch(table, K) + 15) / 16 * 16);
    const struct akin__epilogue e = {.activation = AKIN__GELU};
    akin__pack(table, &b, w, 1, K);
    akin__gemm(table, M, a, K, &b, &e, all, N, scratch);
    int same = 1;
    for (size_t r = 0; r < M; r += 16) {
        akin__gemm(table, 1, a + r * K, K, &b, &e, one, N, scratch);
        same &= memcmp(one, all + r * N, N * sizeof *one) == 0;
    }
    EXPECT(same);
}

/* The activation through a 1 x 1 GEMM with the identity. */
static float activated(enum akin__activation kind, float x)
{
    float out, sums[14 * 32] __attribute__((aligned(64))) = {x};
    const struct akin__epilogue e = {.activation = kind};
    table->finish(1, 1, sums, &e, &out, 1);
    return out;
}

static void activations_keep_their_error_bound(void)
{
    double gelu = 0, quick = 0;
    for (float x = -20; x <= 20; x += 0.001f) {
        const double unit = fabs((double)x) + 1e-30;
        const double g = activated(AKIN__GELU, x);
        const double q = activated(AKIN__QUICK_GELU, x);
        gelu = fmax(gelu, fabs(g - activation(AKIN__GELU, x)) / unit);
        quick = fmax(quick, fabs(q - activation(AKIN__QUICK_GELU, x)) / unit);
    }
    printf("# %s: gelu %.1e, quick_gelu %.1e of |x|\n", table->name, gelu,
           quick);
    EXPECT(gelu < 2e-7);
    EXPECT(quick < 3e-7);
}

static void activations_survive_the_extremes(void)
{
    for (int kind = AKIN__GELU; kind <= AKIN__QUICK_GELU; kind++) {
        const enum akin__activation k = (enum akin__activation)kind;
        EXPECT(activated(k, 1e30f) == 1e30f);
        EXPECT(fabsf(activated(k, -1e30f)) < 1e-6f);
        EXPECT(activated(k, 0) == 0);
        EXPECT(isnan(activated(k, NAN)));
        EXPECT(fabsf(activated(k, 1e-40f)) <= 1e-40f); /* denormal */
    }
}

static void layer_norm_agrees_for_every_length(void)
{
    double worst = 0;
    for (size_t n = 1; n <= 257; n++) {
        float *x = random_floats(n), *w = random_floats(n);
        float *b = random_floats(n), *out = guarded(n);
        double mean = 0, variance = 0;
        for (size_t i = 0; i < n; i++)
            mean += (x[i] += 3) / (double)n;
        for (size_t i = 0; i < n; i++)
            variance += (x[i] - mean) * (x[i] - mean) / (double)n;
        table->layer_norm(n, x, w, b, 1e-6f, out);
        for (size_t i = 0; i < n; i++) {
            const double want =
                (x[i] - mean) / sqrt(variance + 1e-6) * w[i] + b[i];
            if (n > 1) /* one number has no variance: all is rounding */
                worst = fmax(worst, fabs(want - out[i]));
        }
    }
    EXPECT(worst < 2e-5); /* x has 3 added: eps(3) / its deviation */
}

static void softmax_agrees_for_every_length(void)
{
    double worst = 0;
    for (size_t n = 1; n <= 257; n++) {
        float *row = random_floats(n);
        double want[257], sum = 0, most = -1e9;
        for (size_t i = 0; i < n; i++)
            most = fmax(most, row[i] *= 40);
        for (size_t i = 0; i < n; i++)
            sum += want[i] = exp(0.125 * (row[i] - most));
        table->softmax(n, row, 0.125f);
        for (size_t i = 0; i < n; i++)
            worst = fmax(worst, fabs(row[i] - want[i] / sum));
    }
    EXPECT(worst < 5e-7);
}

static void softmax_tells_a_nan(void)
{
    float row[20] = {0};
    row[13] = NAN;
    table->softmax(20, row, 1);
    EXPECT(isnan(row[0]));
}

static void swiglu_agrees_for_every_length(void)
{
    double worst = 0;
    for (size_t n = 1; n <= 70; n++) {
        float *in = random_floats(2 * n), *out = guarded(n);
        for (size_t i = 0; i < n; i++)
            in[i] *= 8;
        table->swiglu(n, in, out);
        for (size_t i = 0; i < n; i++) {
            const double g = in[i];
            worst = fmax(worst, fabs(g / (1 + exp(-g)) * in[n + i] - out[i]));
        }
    }
    EXPECT(worst < 3e-6); /* products up to 8 */
}

static void the_environment_only_lowers_the_choice(void)
{
    akin_error err;
    setenv("AKIN_CPU", "c", 1);
    EXPECT_STR(akin__kernels(&err)->name, "c");
    setenv("AKIN_CPU", "abacus", 1);
    EXPECT(akin__kernels(&err) == NULL);
    EXPECT_STR(err.message,
               "AKIN_CPU=abacus: no such kernels (c, avx2, avx512)");
    unsetenv("AKIN_CPU");
    EXPECT(akin__kernels(&err) != NULL);
}

static void all_of_a_table(void)
{
    gemm_agrees_over_odd_shapes();
    a_row_has_the_same_bits_alone_and_among_others();
    activations_keep_their_error_bound();
    activations_survive_the_extremes();
    layer_norm_agrees_for_every_length();
    softmax_agrees_for_every_length();
    softmax_tells_a_nan();
    swiglu_agrees_for_every_length();
}

static void run_table(const char *name)
{
    char title[64];
    snprintf(title, sizeof title, "kernels_of_%s", name);
    table = akin__kernels_named(name);
    if (table)
        tap_run(title, all_of_a_table);
    else
        printf("ok %d - %s # SKIP this processor lacks them\n", ++tap_count,
               title);
}

int main(void)
{
    run_table("c");
    run_table("avx2");
    run_table("avx512");
    RUN(the_environment_only_lowers_the_choice);
    return tap_done();
}
