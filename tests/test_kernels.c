/*
 * Kernels: what every table does with rows, against formulas in double.
 *
 * Buffers end at a page that may not be touched, so that a read or write
 * behind an array is a crash here. Tables that this processor does not run are
 * reported as skipped.
 */
#include "tap.h"

#include <math.h>

#include "guard.h"
#include "math/kernels.h"

static const struct akin__kernels *table; /* under test */

static double activation(enum akin__activation kind, double x)
{
    if (kind == AKIN__GELU)
        return 0.5 * x * erfc(-x / sqrt(2));
    return kind == AKIN__QUICK_GELU ? x / (1 + exp(-1.702 * x)) : x;
}

/* The activation of one sum. */
static float activated(enum akin__activation kind, float x)
{
    float out, sums[14 * 32] __attribute__((aligned(64))) = {x};
    const struct akin__epilogue e = {.activation = kind};
    table->finish(1, 1, sums, 32, &e, &out, sizeof out);
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
    EXPECT(gelu < 2.5e-7);
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
        guard_free();
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

static float from_bf16(uint16_t h)
{
    const uint32_t bits = (uint32_t)h << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Exponentials over their sum: softmax. */
static void softmax_agrees_for_every_length(void)
{
    double worst = 0, narrow = 0;
    for (size_t n = 1; n <= 257; n++) {
        guard_free();
        const size_t room = (n + 15) / 16 * 16;
        float *row = random_floats(room);
        uint16_t *out = guarded_bytes(2 * room);
        double want[257], sum = 0, most = -1e9;
        for (size_t i = n; i < room; i++)
            row[i] = i % 2 ? NAN : 1e30f; /* nobody's */
        for (size_t i = 0; i < n; i++)
            most = fmax(most, row[i] *= 40);
        for (size_t i = 0; i < n; i++)
            sum += want[i] = exp(0.125 * (row[i] - most));
        float total = table->exponentials(n, row, 0.125f, true, out);
        for (size_t i = 0; i < n; i++)
            narrow =
                fmax(narrow, fabs(from_bf16(out[i]) / total - want[i] / sum) /
                                 (want[i] / sum));
        total = table->exponentials(n, row, 0.125f, false, row);
        for (size_t i = 0; i < n; i++)
            worst = fmax(worst, fabs(row[i] / total - want[i] / sum));
        EXPECT(n % 4 == 0 || (row[n] == 0 && out[n] == 0));
    }
    EXPECT(worst < 5e-7);
    EXPECT(narrow < 1.001 / 256);
}

static void softmax_tells_a_nan(void)
{
    float row[32] = {0};
    row[13] = NAN;
    EXPECT(isnan(table->exponentials(20, row, 1, false, row)));
}

static void swiglu_agrees_for_every_length(void)
{
    double worst = 0, narrow = 0;
    for (size_t n = 1; n <= 70; n++) {
        guard_free();
        float *in = random_floats(2 * n), *out = guarded(n);
        uint16_t *half = guarded_bytes(2 * n);
        for (size_t i = 0; i < n; i++)
            in[i] *= 8;
        table->swiglu(n, in, false, out);
        table->swiglu(n, in, true, half);
        for (size_t i = 0; i < n; i++) {
            const double g = in[i], want = g / (1 + exp(-g)) * in[n + i];
            worst = fmax(worst, fabs(want - out[i]));
            narrow = fmax(narrow,
                          fabs(want - from_bf16(half[i])) - fabs(want) / 256);
        }
    }
    EXPECT(worst < 3e-6); /* products up to 8 */
    EXPECT(narrow < 3e-6);
}

/* Round to nearest, ties to even, by the definition; processors with an
 * instruction for it take a denormal for 0. */
static void bf16_is_the_nearest(void)
{
    static const uint32_t uppers[] = {0x0000, 0x0001, 0x007f, 0x0080, 0x3f80,
                                      0x3f81, 0x7f7e, 0x7f7f, 0x8000, 0xbf80};
    static const uint32_t lowers[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
    for (size_t i = 0; i < sizeof uppers / sizeof uppers[0]; i++) {
        for (size_t j = 0; j < sizeof lowers / sizeof lowers[0]; j++) {
            const uint32_t bits = uppers[i] << 16 | lowers[j];
            const bool up =
                lowers[j] > 0x8000 || (lowers[j] == 0x8000 && uppers[i] & 1);
            float x[17];
            uint16_t out[17];
            for (int at = 0; at < 17; at++)
                memcpy(&x[at], &bits, sizeof bits);
            table->to_bf16(17, x, out);
            const bool tiny = (bits & 0x7fffffff) < 0x800000;
            EXPECT(out[0] == uppers[i] + up ||
                   (tiny && out[0] == (uppers[i] & 0x8000)));
            EXPECT(out[16] == out[0]);
        }
    }
}

static void bf16_keeps_what_is_not_finite(void)
{
    const uint32_t quiet = 0x7f800001; /* a NaN in its lowest bit alone */
    float x[3] = {INFINITY, -INFINITY, 0};
    uint16_t out[3];
    memcpy(&x[2], &quiet, sizeof quiet);
    table->to_bf16(3, x, out);
    EXPECT(from_bf16(out[0]) == INFINITY);
    EXPECT(from_bf16(out[1]) == -INFINITY);
    EXPECT(isnan(from_bf16(out[2])));
}

/* Off by half a step at most, and 0 stays 0. */
static void bytes_stand_for_the_row(void)
{
    static const float shifts[] = {0, 0.9f, -0.9f, 5, -5};
    const int off = table->tiles[AKIN_PRECISION_INT8].group ? 128 : 0;
    double worst = 0;
    for (size_t n = 1; n <= 257; n++) {
        guard_free();
        float *x = random_floats(n), scale;
        uint8_t *u = guarded_bytes(n);
        int32_t zero;
        for (size_t i = 0; i < n; i++)
            x[i] += shifts[n % 5];
        x[n / 2] = 0;
        table->to_int8(n, x, u, &scale, &zero);
        for (size_t i = 0; i < n; i++) {
            const double is = scale * (double)(u[i] - off - zero);
            worst = fmax(worst, scale > 0 ? fabs(is - x[i]) / scale : 0);
            EXPECT(u[i] >= 1);
        }
        EXPECT(u[n / 2] - off == zero);
    }
    EXPECT(worst < 0.501);
}

static void a_row_of_nothing_stays_nothing(void)
{
    static const float values[] = {0, 1e-42f};
    for (size_t i = 0; i < 2; i++) {
        float x[20], scale;
        uint8_t u[20];
        int32_t zero;
        for (int at = 0; at < 20; at++)
            x[at] = values[i];
        table->to_int8(20, x, u, &scale, &zero);
        EXPECT(scale < 1e-41f && u[0] >= 1 && u[19] == u[0]);
    }
}

static void the_environment_only_lowers_the_choice(void)
{
    akin_error err;
    setenv("AKIN_CPU", "c", 1);
    EXPECT_STR(akin__kernels(&err)->name, "c");
    setenv("AKIN_CPU", "abacus", 1);
    EXPECT(akin__kernels(&err) == NULL);
    EXPECT_STR(err.message,
               "AKIN_CPU=abacus: no such kernels (c, avx2, avxvnni, avx512, "
               "avx512vnni, avx512bf16)");
    unsetenv("AKIN_CPU");
    EXPECT(akin__kernels(&err) != NULL);
}

static void all_of_a_table(void)
{
    activations_keep_their_error_bound();
    activations_survive_the_extremes();
    layer_norm_agrees_for_every_length();
    softmax_agrees_for_every_length();
    softmax_tells_a_nan();
    swiglu_agrees_for_every_length();
    bf16_is_the_nearest();
    bf16_keeps_what_is_not_finite();
    bytes_stand_for_the_row();
    a_row_of_nothing_stays_nothing();
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
    run_table("avxvnni");
    run_table("avx512");
    run_table("avx512vnni");
    run_table("avx512bf16");
    RUN(the_environment_only_lowers_the_choice);
    return tap_done();
}
