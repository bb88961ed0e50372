/* Quantising weights: the rules, the error, and where panels keep things. */
#include "tap.h"

#include <math.h>
#include <stdint.h>

#include "math/quantize.h"

/* One column. */
static float quantize(const float *w, size_t k, size_t group,
                      const struct akin__common *common, int8_t *q)
{
    float scale;
    akin__quantize(1, k, w, k, group, common, q, &scale);
    return scale;
}

enum { MOST_K = 3072 };

static uint32_t seed = 1;

static float random_float(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)(seed >> 8) / (1 << 23) - 1;
}

/* Bell-shaped, with a share of much larger ones where `tail` is not 0. */
static void random_column(float *w, size_t k, float tail)
{
    for (size_t i = 0; i < k; i++) {
        w[i] = 0;
        for (int n = 0; n < 4; n++)
            w[i] += random_float() * 0.02f;
        if (random_float() > 0.98f)
            w[i] *= 1 + tail;
    }
}

static double squared_error(const float *w, size_t k, float scale,
                            const int8_t *q)
{
    double error = 0;
    for (size_t i = 0; i < k; i++) {
        const double off = (double)scale * q[i] - w[i];
        error += off * off;
    }
    return error;
}

/* Plain quantising: the largest weight is `most`, nothing is fitted. */
static double plain_error(const float *w, size_t k, float most)
{
    float peak = 0;
    for (size_t i = 0; i < k; i++)
        peak = fmaxf(peak, fabsf(w[i]));
    static int8_t q[MOST_K];
    for (size_t i = 0; i < k; i++)
        q[i] = (int8_t)lrintf(w[i] * most / peak);
    return squared_error(w, k, peak / most, q);
}

static const size_t lengths[] = {1, 2, 15, 16, 17, 33, 64, 383, 384, 768, 3072};
enum { LENGTHS = sizeof lengths / sizeof lengths[0] };

static void a_free_column_is_no_worse_than_the_plain_way(void)
{
    float w[MOST_K];
    int8_t q[MOST_K];
    for (int i = 0; i < 20 * LENGTHS; i++) {
        const size_t k = lengths[i % LENGTHS];
        random_column(w, k, (float)(i % 7));
        const float scale = quantize(w, k, 0, NULL, q);
        /* 1 + 1e-6: the fitted scale is a float. */
        EXPECT(squared_error(w, k, scale, q) <=
               plain_error(w, k, 127) * (1 + 1e-6) + 1e-12);
    }
}

static int at_of(const int8_t *q, size_t k, size_t at)
{
    return at < k ? q[at] : 0;
}

static void expect_rules(const int8_t *q, size_t k)
{
    for (size_t lane = 0; lane * 8 < k; lane++) {
        int sum = 0;
        for (size_t i = 0; i < 4; i++) {
            const size_t at = lane / 2 * 16 + i * 4 + lane % 2 * 2;
            const int a = at_of(q, k, at), b = at_of(q, k, at + 1);
            sum += abs(a) + abs(b);
            EXPECT(abs(a) <= 127 && abs(b) <= 127);
            EXPECT(abs(a + b) <= 128);
        }
        EXPECT(sum <= 258);
    }
}

static void a_column_of_group_4_obeys_the_rules(void)
{
    float w[MOST_K];
    int8_t q[MOST_K];
    for (int i = 0; i < 20 * LENGTHS; i++) {
        const size_t k = lengths[i % LENGTHS];
        random_column(w, k, (float)(i % 7) * 3);
        quantize(w, k, 4, NULL, q);
        expect_rules(q, k);
    }
    for (int i = 0; i < MOST_K; i++)
        w[i] = i % 3 ? 1 : -1; /* each lane is as bad as all others */
    quantize(w, MOST_K, 4, NULL, q);
    expect_rules(q, MOST_K);
}

/* A coarser scale alone would keep the rules too: that is what 7 bits do. */
static void group_4_is_better_than_7_bits_over_many_columns(void)
{
    float w[768];
    int8_t q[768];
    double error = 0, plain = 0;
    for (int i = 0; i < 50; i++) {
        random_column(w, 768, 0);
        const float scale = quantize(w, 768, 4, NULL, q);
        error += squared_error(w, 768, scale, q);
        plain += plain_error(w, 768, 63);
    }
    if (!EXPECT(error < 0.9 * plain))
        printf("# %g of the error of 7 bits\n", error / plain);
}

/* Inputs that lie along one direction, and what a weight's share of the errors
 * before it then is: model/calibrate.c. */
static void fill_common(size_t k, float (*error)[AKIN__COMMON],
                        float (*share)[AKIN__COMMON])
{
    static const float rest = 0.05f;
    float whole = 1;
    memset(error, 0, k * sizeof *error);
    memset(share, 0, k * sizeof *share);
    for (size_t i = k; i-- > 0;) {
        error[i][3] = 0.5f + 0.5f * random_float();
        whole += error[i][3] * error[i][3] / rest;
        share[i][3] = error[i][3] / rest / whole;
    }
}

/* The error of the product with the common direction. */
static double product_error(const float *w, size_t k, float scale,
                            const int8_t *q, float (*error)[AKIN__COMMON])
{
    double sum = 0;
    for (size_t i = 0; i < k; i++)
        sum += ((double)scale * q[i] - w[i]) * error[i][3];
    return sum;
}

static void errors_along_a_common_direction_cancel(void)
{
    static float error[768][AKIN__COMMON], share[768][AKIN__COMMON];
    const struct akin__common common = {error, share};
    fill_common(768, error, share);
    for (size_t group = 0; group <= 4; group += 4) {
        double apart = 0, together = 0;
        for (int i = 0; i < 50; i++) {
            float w[768];
            int8_t q[768];
            random_column(w, 768, 0);
            float scale = quantize(w, 768, group, NULL, q);
            apart += fabs(product_error(w, 768, scale, q, error));
            scale = quantize(w, 768, group, &common, q);
            together += fabs(product_error(w, 768, scale, q, error));
        }
        if (!EXPECT(together < 0.2 * apart))
            printf("# group %zu: %g\n", group, together / apart);
    }
}

static void a_weight_goes_to_a_value_beside_it(void)
{
    static float error[768][AKIN__COMMON], share[768][AKIN__COMMON];
    const struct akin__common common = {error, share};
    fill_common(768, error, share);
    for (int i = 0; i < 768; i++)
        share[i][3] *= 1000; /* as if there were much to make up for */
    for (int i = 0; i < 50; i++) {
        float w[768];
        int8_t q[768];
        random_column(w, 768, 0);
        const float scale = quantize(w, 768, 0, &common, q);
        for (int j = 0; j < 768; j++)
            EXPECT(fabsf(q[j] - w[j] / scale) < 1.001f);
    }
}

static void columns_rounded_together_obey_the_rules(void)
{
    static float error[MOST_K][AKIN__COMMON], share[MOST_K][AKIN__COMMON];
    const struct akin__common common = {error, share};
    float w[MOST_K];
    int8_t q[MOST_K];
    for (int i = 0; i < 20 * LENGTHS; i++) {
        const size_t k = lengths[i % LENGTHS];
        fill_common(k, error, share);
        random_column(w, k, (float)(i % 7) * 3);
        quantize(w, k, 4, &common, q);
        expect_rules(q, k);
    }
}

static void columns_do_not_depend_on_each_other(void)
{
    enum { COLUMNS = 19, WIDE = 100, LD = 103 };
    static float error[WIDE][AKIN__COMMON], share[WIDE][AKIN__COMMON];
    const struct akin__common common = {error, share};
    fill_common(WIDE, error, share);
    for (int way = 0; way < 4; way++) {
        const size_t group = way % 2 ? 4 : 0;
        const struct akin__common *with = way < 2 ? NULL : &common;
        float w[COLUMNS * LD], scale[COLUMNS];
        int8_t q[COLUMNS * WIDE], one[WIDE];
        for (int c = 0; c < COLUMNS; c++)
            random_column(w + c * LD, WIDE, (float)(c % 7) * 3);
        for (int i = 0; i < WIDE; i++) {
            w[2 * LD + i] = 0;
            w[3 * LD + i] = NAN;
        }
        akin__quantize(COLUMNS, WIDE, w, LD, group, with, q, scale);
        for (int c = 0; c < COLUMNS; c++) {
            const float alone = quantize(w + c * LD, WIDE, group, with, one);
            EXPECT(memcmp(&alone, &scale[c], sizeof alone) == 0);
            EXPECT(memcmp(one, q + c * WIDE, sizeof one) == 0);
        }
    }
}

static void a_column_of_zeros_has_scale_zero(void)
{
    const float w[20] = {0, -0.0f, 1e-40f};
    int8_t q[20];
    for (size_t group = 0; group <= 4; group += 4) {
        memset(q, 1, sizeof q);
        EXPECT(quantize(w, 20, group, NULL, q) == 0);
        for (int i = 0; i < 20; i++)
            EXPECT_INT(q[i], 0);
    }
}

static void a_column_that_is_not_finite_has_scale_nan(void)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    int8_t q[40];
    for (size_t i = 0; i < 40 * 3; i++) {
        float w[40];
        random_column(w, 40, 0);
        w[i / 3] = odd[i % 3];
        EXPECT(isnan(quantize(w, 40, i % 2 * 4, NULL, q)));
        EXPECT_INT(q[1], 0);
    }
}

static void scales_of_all_sizes_come_back(void)
{
    int8_t q[32];
    for (float size = 1e-34f; size < 3e38f; size *= 1000) {
        float w[32];
        for (int i = 0; i < 32; i++)
            w[i] = (float)(i % 5 - 2) * 0.5f * size;
        for (size_t group = 0; group <= 4; group += 4) {
            const float scale = quantize(w, 32, group, NULL, q);
            EXPECT(fabsf(scale * q[0] / w[0] - 1) < 0.01f);
            EXPECT(fabsf(scale * q[4] / w[4] - 1) < 0.01f);
        }
    }
}

/* Where the tiles look for (k, column): see quantize.h. */
static void panels_keep_every_byte_in_its_place(void)
{
    enum { K = 37, PADDED = 48, COLS = 16 };
    int8_t q[COLS][K], panel[PADDED * COLS];
    for (int i = 0; i < COLS * K; i++)
        q[i / K][i % K] = (int8_t)(random_float() * 127);
    EXPECT_INT(akin__packed_int8_bytes(COLS, K, 0), sizeof panel);
    memset(panel, 1, sizeof panel);
    akin__pack_int8(COLS, K, 0, &q[0][0], panel);
    for (int k = 0; k < PADDED; k++) {
        for (int j = 0; j < COLS; j++)
            EXPECT_INT(panel[(k / 4 * COLS + j) * 4 + k % 4],
                       k < K ? q[j][k] : 0);
    }
}

static void panels_of_group_4_start_each_lane_at_its_offset(void)
{
    enum { K = 37, PADDED = 48, COLS = 16, BLOCK = 20 * COLS };
    int8_t q[COLS][K], panel[PADDED / 16 * BLOCK];
    for (int i = 0; i < COLS * K; i++)
        q[i / K][i % K] = (int8_t)(random_float() * 32);
    EXPECT_INT(akin__packed_int8_bytes(COLS, K, 4), sizeof panel);
    akin__pack_int8(COLS, K, 4, &q[0][0], panel);
    for (int k = 0; k < PADDED; k++) {
        const int8_t *block = panel + k / 16 * BLOCK;
        for (int j = 0; j < COLS; j++) {
            EXPECT_INT(block[4 * COLS + (k % 16 / 4 * COLS + j) * 4 + k % 4],
                       k < K ? q[j][k] : 0);
            int16_t start;
            const int lane = k / 2 % 2;
            memcpy(&start, block + j * 4 + lane * 2, 2);
            int sum = 0;
            for (int i = k / 16 * 16; i < k / 16 * 16 + 16 && i < K; i++)
                sum += i / 2 % 2 == lane ? q[j][i] : 0;
            EXPECT_INT(start, (int16_t)(-128 * sum));
        }
    }
}

int main(void)
{
    RUN(a_free_column_is_no_worse_than_the_plain_way);
    RUN(a_column_of_group_4_obeys_the_rules);
    RUN(group_4_is_better_than_7_bits_over_many_columns);
    RUN(errors_along_a_common_direction_cancel);
    RUN(a_weight_goes_to_a_value_beside_it);
    RUN(columns_rounded_together_obey_the_rules);
    RUN(columns_do_not_depend_on_each_other);
    RUN(a_column_of_zeros_has_scale_zero);
    RUN(a_column_that_is_not_finite_has_scale_nan);
    RUN(scales_of_all_sizes_come_back);
    RUN(panels_keep_every_byte_in_its_place);
    RUN(panels_of_group_4_start_each_lane_at_its_offset);
    return tap_done();
}
