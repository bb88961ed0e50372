/*
 * GEMM by cuBLASLt (gemm.h). Its matrices lie column by column, so it is told
 * of the transposed product: out^T [n][m] = w [n][k] a^T [k][m].
 */
#include "math/cuda/gemm.h"

#include <string.h>

/* What decides an algorithm but for the number of rows. */
struct kind {
    unsigned n, k;
    size_t lda, ldc;
    bool bf16, wide, add, bias;
};

enum { KINDS = 32, TRIED = 16 };

struct gemms {
    cublasLtHandle_t handle;
    struct kind kind[KINDS];
    cublasLtMatmulAlgo_t algorithm[KINDS];
    size_t kinds;
};

/* A product in cuBLASLt's words. */
struct words {
    cublasLtMatmulDesc_t matmul;
    cublasLtMatrixLayout_t w, a, out;
};

static akin_status check(cublasStatus_t result, const char *what,
                         akin_error *err)
{
    if (result == CUBLAS_STATUS_SUCCESS)
        return AKIN_OK;
    return akin__cuda_fail(err, AKIN_EIO, "the card failed: cuBLASLt %s (%s)",
                           cublasLtGetStatusString(result), what);
}

#define LT_TRY(call) TRY(check((call), #call, err))

akin_status akin__cuda_gemms_open(struct gemms **out_gemms, akin_error *err)
{
    akin_status status = AKIN_OK;
    struct gemms *gemms = new struct gemms();
    LT_TRY(cublasLtCreate(&gemms->handle));
    *out_gemms = gemms;
    gemms = NULL;
out:
    delete gemms;
    return status;
}

void akin__cuda_gemms_close(struct gemms **gemms)
{
    if (!*gemms)
        return;
    cublasLtDestroy((*gemms)->handle);
    delete *gemms;
    *gemms = NULL;
}

static void forget(struct words *words)
{
    if (words->matmul)
        cublasLtMatmulDescDestroy(words->matmul);
    if (words->w)
        cublasLtMatrixLayoutDestroy(words->w);
    if (words->a)
        cublasLtMatrixLayoutDestroy(words->a);
    if (words->out)
        cublasLtMatrixLayoutDestroy(words->out);
}

static akin_status say(struct words *words, const struct product *p,
                       akin_error *err)
{
    const cudaDataType in = p->by->bf16 ? CUDA_R_16BF : CUDA_R_32F;
    const cudaDataType out_type = p->wide ? CUDA_R_32F : in;
    const cublasOperation_t turned = CUBLAS_OP_T;
    const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
    const void *bias =
        p->wide || !p->by->bf16
            ? (const void *)(p->by->bias + p->first)
            : (const void *)((const uint16_t *)p->by->narrow + p->first);
    akin_status status = AKIN_OK;
    /* Without TF32: that would be CUBLAS_COMPUTE_32F_FAST_TF32. */
    LT_TRY(cublasLtMatmulDescCreate(&words->matmul, CUBLAS_COMPUTE_32F,
                                    CUDA_R_32F));
    LT_TRY(cublasLtMatmulDescSetAttribute(
        words->matmul, CUBLASLT_MATMUL_DESC_TRANSA, &turned, sizeof turned));
    if (p->bias) {
        LT_TRY(cublasLtMatmulDescSetAttribute(words->matmul,
                                              CUBLASLT_MATMUL_DESC_EPILOGUE,
                                              &epilogue, sizeof epilogue));
        LT_TRY(cublasLtMatmulDescSetAttribute(words->matmul,
                                              CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                                              &bias, sizeof bias));
        LT_TRY(cublasLtMatmulDescSetAttribute(
            words->matmul, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &out_type,
            sizeof out_type));
    }
    LT_TRY(cublasLtMatrixLayoutCreate(&words->w, in, p->by->ld, p->n,
                                      (int64_t)p->by->ld));
    LT_TRY(cublasLtMatrixLayoutCreate(&words->a, in, p->by->ld, p->m,
                                      (int64_t)p->lda));
    LT_TRY(cublasLtMatrixLayoutCreate(&words->out, out_type, p->n, p->m,
                                      (int64_t)p->ldc));
out:
    return status;
}

/* The first that the library proposes of those that do not split k. */
static akin_status choose(struct gemms *gemms, const struct words *words,
                          cublasLtMatmulAlgo_t *algorithm, akin_error *err)
{
    cublasLtMatmulPreference_t wish = NULL;
    cublasLtMatmulHeuristicResult_t found[TRIED];
    const size_t workspace = WORKSPACE;
    const uint32_t none = CUBLASLT_REDUCTION_SCHEME_NONE;
    int count = 0;
    akin_status status = AKIN_OK;
    LT_TRY(cublasLtMatmulPreferenceCreate(&wish));
    LT_TRY(cublasLtMatmulPreferenceSetAttribute(
        wish, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace,
        sizeof workspace));
    LT_TRY(cublasLtMatmulPreferenceSetAttribute(
        wish, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &none, sizeof none));
    LT_TRY(cublasLtMatmulAlgoGetHeuristic(
        gemms->handle, words->matmul, words->w, words->a, words->out,
        words->out, wish, TRIED, found, &count));
    for (int i = 0; i < count; i++) {
        int32_t splits = 1;
        size_t written = 0;
        cublasLtMatmulAlgoConfigGetAttribute(&found[i].algo,
                                             CUBLASLT_ALGO_CONFIG_SPLITK_NUM,
                                             &splits, sizeof splits, &written);
        if (found[i].state == CUBLAS_STATUS_SUCCESS && splits <= 1) {
            *algorithm = found[i].algo;
            goto out;
        }
    }
    status = akin__cuda_fail(err, AKIN_EUSAGE,
                             "cuBLASLt has no product of this shape");
out:
    if (wish)
        cublasLtMatmulPreferenceDestroy(wish);
    return status;
}

static bool is_same(const struct kind *a, const struct kind *b)
{
    return a->n == b->n && a->k == b->k && a->lda == b->lda &&
           a->ldc == b->ldc && a->bf16 == b->bf16 && a->wide == b->wide &&
           a->add == b->add && a->bias == b->bias;
}

/* The algorithm of this kind of product, chosen at the first. */
static akin_status find(struct gemms *gemms, const struct product *p,
                        const struct words *words,
                        const cublasLtMatmulAlgo_t **algorithm, akin_error *err)
{
    const struct kind kind = {p->n,        p->by->k, p->lda, p->ldc,
                              p->by->bf16, p->wide,  p->add, p->bias};
    cublasLtMatmulHeuristicResult_t result;
    for (size_t i = 0; i < gemms->kinds; i++) {
        if (!is_same(&gemms->kind[i], &kind))
            continue;
        *algorithm = &gemms->algorithm[i];
        if (cublasLtMatmulAlgoCheck(
                gemms->handle, words->matmul, words->w, words->a, words->out,
                words->out, *algorithm, &result) != CUBLAS_STATUS_SUCCESS ||
            result.workspaceSize > WORKSPACE)
            return akin__cuda_fail(err, AKIN_EUSAGE,
                                   "cuBLASLt's algorithm is not for %u rows",
                                   p->m);
        return AKIN_OK;
    }
    if (gemms->kinds == KINDS)
        return akin__cuda_fail(err, AKIN_EUSAGE,
                               "more than %d kinds of "
                               "products",
                               KINDS);
    const akin_status status =
        choose(gemms, words, &gemms->algorithm[gemms->kinds], err);
    if (status)
        return status;
    *algorithm = &gemms->algorithm[gemms->kinds];
    gemms->kind[gemms->kinds++] = kind;
    return AKIN_OK;
}

akin_status akin__cuda_gemm(struct gemms *gemms, const struct product *p,
                            void *workspace, cudaStream_t stream,
                            akin_error *err)
{
    struct words words = {};
    const cublasLtMatmulAlgo_t *algorithm = NULL;
    const float one = 1, beta = p->add ? 1.0f : 0.0f;
    const size_t number = p->by->bf16 ? 2 : 4;
    const char *w =
        (const char *)p->by->w + (size_t)p->first * p->by->ld * number;
    akin_status status = AKIN_OK;
    TRY(say(&words, p, err));
    TRY(find(gemms, p, &words, &algorithm, err));
    LT_TRY(cublasLtMatmul(gemms->handle, words.matmul, &one, w, words.w, p->a,
                          words.a, &beta, p->out, words.out, p->out, words.out,
                          algorithm, workspace, WORKSPACE, stream));
out:
    forget(&words);
    return status;
}
