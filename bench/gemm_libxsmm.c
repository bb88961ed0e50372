/*
 * libxsmm: float32 from its kernels, in panels of columns and parts of k.
 * It counts in columns first, so B, A and out change their roles there.
 */
#include <string.h>

#include <libxsmm.h>

#include "base/memory.h"
#include "gemm.h"

/* Divide every k and n of a ViT. 48 and 384 were best of a few. */
enum { COLUMNS = 48, PART = 384 };

struct gemm {
    struct shape shape;
    float *a, *b, *out;
    libxsmm_smmfunction first, later; /* out =, out += */
};

static int target_of(const char *kernels)
{
    if (strcmp(kernels, "avx2") == 0 || strcmp(kernels, "avxvnni") == 0)
        return LIBXSMM_X86_AVX2;
    return LIBXSMM_X86_AVX512_CORE;
}

static libxsmm_smmfunction kernel(const struct shape *shape, float beta)
{
    const int lda = COLUMNS, ldb = (int)shape->k, ldc = (int)shape->n;
    const float alpha = 1;
    return libxsmm_smmdispatch(COLUMNS, (int)shape->m, PART, &lda, &ldb, &ldc,
                               &alpha, &beta, NULL, NULL);
}

static void close_gemm(void *gemm)
{
    struct gemm *g = gemm;
    akin__free(g->a);
    akin__free(g->b);
    akin__free(g->out);
    akin__free(g);
}

static void *open_gemm(const struct akin__kernels *kernels, akin_precision type,
                       const struct shape *shape)
{
    if (type != AKIN_PRECISION_F32 || strcmp(kernels->name, "c") == 0 ||
        shape->k % PART || shape->n % COLUMNS)
        return NULL;
    libxsmm_init();
    libxsmm_set_target_archid(target_of(kernels->name));
    struct gemm *g = aligned_bytes(sizeof *g);
    *g = (struct gemm){.shape = *shape};
    g->a = random_floats(shape->m * shape->k);
    g->b = random_floats(shape->k * shape->n);
    g->out = random_floats(shape->m * shape->n);
    g->first = kernel(shape, 0);
    g->later = kernel(shape, 1);
    if (g->first && g->later)
        return g;
    close_gemm(g);
    return NULL;
}

static void run_gemm(void *gemm)
{
    const struct gemm *g = gemm;
    const size_t k = g->shape.k, n = g->shape.n;
    for (size_t part = 0; part < k; part += PART) {
        for (size_t col = 0; col < n; col += COLUMNS)
            (part ? g->later : g->first)(g->b + col * k + part * COLUMNS,
                                         g->a + part, g->out + col);
    }
}

const struct contender libxsmm_contender = {"libxsmm", open_gemm, run_gemm,
                                            close_gemm};
