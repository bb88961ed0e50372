/*
 * GEMM: every table's tiles, packing and epilogue, for each type of factors,
 * against sums in double.
 *
 * Buffers end at a page that may not be touched. Tables that this processor
 * does not run are reported as skipped.
 */
#include "tap.h"

#include <math.h>

#include "guard.h"
#include "math/gemm.h"
#include "math/quantize.h"

static const struct akin__kernels *table; /* under test */
static const char *const type_names[] = {"f32", "bf16", "int8"};

struct case_ {
    size_t m, k, n;
    akin_precision type;
    enum akin__activation kind;
    bool narrow;
};

/* A GEMM's operands, and what they stand for as floats. */
struct scene {
    struct case_ is;
    struct akin__left a;
    struct akin__packed b;
    float *left, *right; /* [m][k], [n][k]: exactly what is multiplied */
    float *bias, *scale, *residual, *row_scale;
    size_t ld; /* of the residual and the output, numbers */
    struct akin__epilogue epilogue;
};

static float bf16_value(uint16_t h)
{
    const uint32_t bits = (uint32_t)h << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static size_t lines(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* Rows of `left` in the case's type; the floats become what the rows hold. */
static void make_rows(struct scene *s)
{
    const struct case_ *c = &s->is;
    s->a.type = c->type;
    s->a.ld = akin__left_bytes(c->type, c->k) + 4;
    /* The last row ends where the tile may read to. */
    const size_t end = 4 * akin__steps(c->type, c->k);
    s->a.values = guarded_bytes(c->m ? (c->m - 1) * s->a.ld + end : 0);
    s->a.scale = guarded(c->m);
    s->a.zero = (int32_t *)(void *)guarded(c->m);
    const int off = table->tiles[2].group ? 128 : 0;
    for (size_t r = 0; r < c->m; r++) {
        float *x = s->left + r * c->k;
        char *row = (char *)s->a.values + r * s->a.ld;
        if (c->type == AKIN_PRECISION_F32) {
            memcpy(row, x, c->k * sizeof *x);
        } else if (c->type == AKIN_PRECISION_BF16) {
            table->to_bf16(c->k, x, (uint16_t *)(void *)row);
            for (size_t i = 0; i < c->k; i++)
                x[i] = bf16_value(((uint16_t *)(void *)row)[i]);
        } else {
            table->to_int8(c->k, x, (uint8_t *)row, &s->a.scale[r],
                           &s->a.zero[r]);
            for (size_t i = 0; i < c->k; i++)
                x[i] = s->a.scale[r] *
                       (float)((uint8_t)row[i] - off - s->a.zero[r]);
        }
    }
}

/* The weights packed; `right` becomes what the panels hold. */
static void make_packed(struct scene *s)
{
    const struct case_ *c = &s->is;
    akin_error err;
    s->b = (struct akin__packed){.type = c->type, .k = c->k, .n = c->n};
    s->b.panels =
        guarded_bytes(lines(akin__packed_bytes(table, c->type, c->k, c->n)));
    s->b.column_scale = guarded(c->n);
    s->b.column_sum = (int32_t *)(void *)guarded(c->n);
    EXPECT(akin__pack(table, &s->b, s->right, c->k, NULL, &err) == AKIN_OK);
    int8_t *q = guarded_bytes(c->k);
    uint16_t *h = guarded_bytes(2 * c->k);
    for (size_t j = 0; j < c->n; j++) {
        float *w = s->right + j * c->k;
        if (c->type == AKIN_PRECISION_BF16) {
            table->to_bf16(c->k, w, h);
            for (size_t i = 0; i < c->k; i++)
                w[i] = bf16_value(h[i]);
        } else if (c->type == AKIN_PRECISION_INT8) {
            float unit;
            akin__quantize(1, c->k, w, c->k, table->tiles[2].group, NULL, q,
                           &unit);
            for (size_t i = 0; i < c->k; i++)
                w[i] = unit * (float)q[i];
        }
    }
}

static void make_scene(struct scene *s, struct case_ c)
{
    *s = (struct scene){.is = c, .ld = c.n + 5};
    s->left = random_floats(c.m * c.k);
    s->right = random_floats(c.n * c.k);
    s->bias = random_floats(c.n);
    s->scale = random_floats(c.n);
    s->residual = random_floats(c.m * s->ld);
    s->row_scale = random_floats(c.m);
    make_rows(s);
    make_packed(s);
    s->epilogue = (struct akin__epilogue){
        .bias = s->bias,
        .scale = s->scale,
        .residual = s->residual,
        .residual_ld = s->ld,
        .row_scale = c.type == AKIN_PRECISION_INT8 ? NULL : s->row_scale,
        .activation = c.kind,
        .narrow = c.narrow};
}

static double activation(enum akin__activation kind, double x)
{
    if (kind == AKIN__GELU)
        return 0.5 * x * erfc(-x / sqrt(2));
    return kind == AKIN__QUICK_GELU ? x / (1 + exp(-1.702 * x)) : x;
}

/* What (r, j) should be, and how far off it may be: rounding of a sum of k
 * terms, (k + 16) eps (sum |a||b| + |bias| + 1), of the result, and of bf16.
 * Sums of 8-bit factors are exact, but what they are here is not. */
static double want(const struct scene *s, size_t r, size_t j, double *bound)
{
    const struct case_ *c = &s->is;
    const float *a = s->left + r * c->k, *b = s->right + j * c->k;
    const double row = s->epilogue.row_scale ? s->row_scale[r] : 1;
    double sum = 0, size = 0;
    for (size_t i = 0; i < c->k; i++) {
        sum += (double)a[i] * b[i];
        size += fabs((double)a[i] * b[i]);
    }
    const double x = s->residual[r * s->ld + j] +
                     s->scale[j] * activation(c->kind, row * sum + s->bias[j]);
    *bound = ((double)c->k + 16) * 6e-8 *
             (size + fabs((double)s->bias[j]) + 1 + fabs(x));
    if (c->narrow)
        *bound += fabs(x) / 256;
    return x;
}

static void gemm_case(struct case_ c)
{
    struct scene s;
    make_scene(&s, c);
    const size_t width = c.narrow ? 2 : 4;
    uint8_t *out = guarded_bytes(c.m * s.ld * width);
    memset(out, 0x5a, c.m * s.ld * width);
    akin__gemm(table, c.m, &s.a, &s.b, &s.epilogue, out, s.ld * width);
    double worst = 0;
    bool touched = false;
    for (size_t r = 0; r < c.m; r++) {
        const uint8_t *row = out + r * s.ld * width;
        for (size_t j = 0; j < c.n; j++) {
            double bound;
            const double x = want(&s, r, j, &bound);
            const float got =
                c.narrow ? bf16_value(((const uint16_t *)(const void *)row)[j])
                         : ((const float *)(const void *)row)[j];
            const double off = fabs(x - got) / bound;
            worst = off <= worst ? worst : off;
        }
        for (size_t i = c.n * width; i < s.ld * width; i++)
            touched |= row[i] != 0x5a;
    }
    if (!(EXPECT(worst <= 1) & EXPECT(!touched)))
        printf("# %s m %zu k %zu n %zu: %g times the bound\n",
               type_names[c.type], c.m, c.k, c.n, worst);
    guard_free();
}

static void gemm_agrees_over_odd_shapes(akin_precision type)
{
    static const size_t sizes[] = {0,  1,  2,  3,  7,  13, 14,  15,  16,
                                   17, 31, 32, 33, 50, 64, 127, 129, 257};
    enum { SIZES = sizeof sizes / sizeof sizes[0] };
    for (size_t i = 0; i < SIZES; i++)
        for (size_t j = 0; j < SIZES; j += 2)
            gemm_case((struct case_){
                sizes[i], sizes[(i + j) % SIZES], sizes[(i * 5 + j) % SIZES],
                type, (enum akin__activation)((i + j) % 3), (i + j / 2) % 2});
    gemm_case((struct case_){5, 3072, 33, type, AKIN__LINEAR, false});
    gemm_case((struct case_){5, 588, 33, type, AKIN__GELU, true});
    gemm_case((struct case_){257, 3072, 70, type, AKIN__LINEAR, false});
}

static void a_row_has_the_same_bits_alone_and_among_others(akin_precision type)
{
    enum { M = 257, K = 300, N = 70 };
    struct scene s;
    make_scene(&s, (struct case_){M, K, N, type, AKIN__GELU, false});
    float *all = guarded(M * s.ld), *one = guarded(s.ld);
    bool same = true;
    akin__gemm(table, M, &s.a, &s.b, &s.epilogue, all, s.ld * sizeof *all);
    for (size_t r = 0; r < M; r += 16) {
        struct akin__left row = s.a;
        struct akin__epilogue e = s.epilogue;
        row.values = (char *)s.a.values + r * s.a.ld;
        row.scale += r;
        row.zero += r;
        e.residual += r * s.ld;
        if (e.row_scale)
            e.row_scale += r;
        akin__gemm(table, 1, &row, &s.b, &e, one, s.ld * sizeof *one);
        same &= memcmp(one, all + r * s.ld, N * sizeof *one) == 0;
    }
    EXPECT(same);
    guard_free();
}

/* Keys are packed as weights are, values the other way round. */
static void keys_and_values_are_packed_as_weights(akin_precision type)
{
    static const size_t tokens[] = {1, 2, 15, 16, 31, 33, 50, 64, 257};
    const size_t width = type == AKIN_PRECISION_BF16 ? 2 : 4;
    akin_error err;
    for (size_t t = 0; t < sizeof tokens / sizeof tokens[0]; t++) {
        enum { HEAD = 24, LD = 100 };
        const size_t n = tokens[t];
        float *from = random_floats(n * HEAD), *turned = guarded(n * HEAD);
        char *rows = guarded_bytes((n - 1) * LD + HEAD * width);
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < HEAD; j++)
                turned[j * n + i] = from[i * HEAD + j];
            if (type == AKIN_PRECISION_BF16)
                table->to_bf16(HEAD, from + i * HEAD,
                               (uint16_t *)(void *)(rows + i * LD));
            else
                memcpy(rows + i * LD, from + i * HEAD, HEAD * width);
        }
        const size_t key_bytes = akin__packed_bytes(table, type, HEAD, n);
        const size_t value_bytes = akin__packed_bytes(table, type, n, HEAD);
        struct akin__packed b = {.type = type, .k = HEAD, .n = n};
        b.panels = guarded_bytes(lines(key_bytes));
        void *keys = guarded_bytes(lines(key_bytes));
        memset(keys, 0x5a, key_bytes);
        EXPECT(akin__pack(table, &b, from, HEAD, NULL, &err) == AKIN_OK);
        struct akin__packed key = {type, HEAD, n, keys, NULL, NULL};
        akin__pack_keys(table, &key, rows, LD);
        EXPECT(memcmp(keys, b.panels, key_bytes) == 0);

        b = (struct akin__packed){.type = type, .k = n, .n = HEAD};
        b.panels = guarded_bytes(lines(value_bytes));
        void *values = guarded_bytes(lines(value_bytes));
        memset(values, 0x5a, value_bytes);
        EXPECT(akin__pack(table, &b, turned, n, NULL, &err) == AKIN_OK);
        struct akin__packed value = {type, n, HEAD, values, NULL, NULL};
        akin__pack_values(table, &value, rows, LD);
        EXPECT(memcmp(values, b.panels, value_bytes) == 0);
        guard_free();
    }
}

/* One number that is not finite must not become a plausible vector. */
static void what_is_not_finite_is_told(akin_precision type)
{
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        struct scene s;
        float out[20];
        make_scene(&s, (struct case_){1, 40, 20, type, AKIN__LINEAR, false});
        s.left[17] = bad[i];
        make_rows(&s);
        akin__gemm(table, 1, &s.a, &s.b, &s.epilogue, out, sizeof out);
        for (size_t j = 0; j < 20; j++)
            EXPECT(!isfinite(out[j]));
        guard_free();
    }
}

static void all_of_a_type(akin_precision type)
{
    gemm_agrees_over_odd_shapes(type);
    a_row_has_the_same_bits_alone_and_among_others(type);
    if (type != AKIN_PRECISION_INT8)
        keys_and_values_are_packed_as_weights(type);
    what_is_not_finite_is_told(type);
}

static void f32(void)
{
    all_of_a_type(AKIN_PRECISION_F32);
}

static void bf16(void)
{
    all_of_a_type(AKIN_PRECISION_BF16);
}

static void int8(void)
{
    all_of_a_type(AKIN_PRECISION_INT8);
}

static void run_table(const char *name)
{
    static void (*const types[])(void) = {f32, bf16, int8};
    table = akin__kernels_named(name);
    for (int type = 0; type < 3; type++) {
        char title[64];
        snprintf(title, sizeof title, "%s_of_%s", type_names[type], name);
        if (table)
            tap_run(title, types[type]);
        else
            printf("ok %d - %s # SKIP this processor lacks it\n", ++tap_count,
                   title);
    }
}

int main(void)
{
    run_table("c");
    run_table("avx2");
    run_table("avxvnni");
    run_table("avx512");
    run_table("avx512vnni");
    run_table("avx512bf16");
    return tap_done();
}
