/* akin's GEMM, as src/model/forward.c calls it: k in parts that fit. */
#include <string.h>

#include "base/memory.h"
#include "gemm.h"
#include "math/gemm.h"

enum { PART = 768, MOST_PARTS = 8 };

struct gemm {
    const struct akin__kernels *kernels;
    size_t m, parts, ldc;
    struct akin__left rows[MOST_PARTS];
    struct akin__packed packed[MOST_PARTS];
    float *bias, *out;
};

static void fill_rows(struct akin__left *rows, akin_precision type, size_t m,
                      size_t k)
{
    rows->type = type;
    rows->ld = akin__left_bytes(type, k);
    rows->values = aligned_bytes(m * rows->ld);
    rows->scale = random_floats(m);
    rows->zero = aligned_bytes(m * sizeof *rows->zero);
    memset(rows->zero, 0, m * sizeof *rows->zero);
    const uint16_t half = 0x3f00; /* bf16: 0.5 */
    const float single = 0.5f;
    for (size_t i = 0; i < m * rows->ld; i += 4) {
        char *at = (char *)rows->values + i;
        if (type == AKIN_PRECISION_F32)
            memcpy(at, &single, 4);
        else if (type == AKIN_PRECISION_BF16)
            memcpy(memcpy(at, &half, 2) == at ? at + 2 : at, &half, 2);
        else
            memset(at, 1 + (int)(i % 255), 4);
    }
}

static int fill_weights(struct gemm *g, struct akin__packed *b)
{
    const size_t bytes = akin__packed_bytes(g->kernels, b->type, b->k, b->n);
    float *source = random_floats(b->k * b->n);
    b->panels = aligned_bytes(bytes);
    b->column_scale = random_floats(b->n);
    b->column_sum = aligned_bytes(b->n * sizeof *b->column_sum);
    const akin_status status =
        akin__pack(g->kernels, b, source, b->k, NULL, NULL);
    akin__free(source);
    return status == AKIN_OK;
}

static void close_gemm(void *gemm)
{
    struct gemm *g = gemm;
    for (size_t i = 0; i < g->parts; i++) {
        akin__free(g->rows[i].values);
        akin__free(g->rows[i].scale);
        akin__free(g->rows[i].zero);
        akin__free(g->packed[i].panels);
        akin__free(g->packed[i].column_scale);
        akin__free(g->packed[i].column_sum);
    }
    akin__free(g->bias);
    akin__free(g->out);
    akin__free(g);
}

static void *open_gemm(const struct akin__kernels *kernels, akin_precision type,
                       const struct shape *shape)
{
    struct gemm *g = aligned_bytes(sizeof *g);
    memset(g, 0, sizeof *g);
    g->kernels = kernels;
    g->m = shape->m;
    g->ldc = akin__left_bytes(AKIN_PRECISION_F32, shape->n);
    g->bias = random_floats(shape->n);
    g->out = aligned_bytes(g->m * g->ldc);
    for (size_t at = 0; at < shape->k; at += PART, g->parts++) {
        const size_t k = shape->k - at < PART ? shape->k - at : PART;
        struct akin__packed *b = &g->packed[g->parts];
        *b = (struct akin__packed){.type = type, .k = k, .n = shape->n};
        fill_rows(&g->rows[g->parts], type, g->m, k);
        if (!fill_weights(g, b)) {
            g->parts++;
            close_gemm(g);
            return NULL;
        }
    }
    return g;
}

static void run_gemm(void *gemm)
{
    const struct gemm *g = gemm;
    struct akin__epilogue e = {.bias = g->bias};
    for (size_t i = 0; i < g->parts; i++) {
        akin__gemm(g->kernels, g->m, &g->rows[i], &g->packed[i], &e, g->out,
                   g->ldc);
        e.bias = NULL;
        e.residual = g->out;
        e.residual_ld = g->ldc / sizeof *g->out;
    }
}

const struct contender akin_contender = {"akin", open_gemm, run_gemm,
                                         close_gemm};
