/*
 * Whitening by principal components: x' = D^-1/2 V (x - mean), with V the
 * eigenvectors of the covariance of other vectors and D its eigenvalues (Jegou
 * and Chum, ECCV 2012; FAISS's PCAW). Directions in which all pictures differ
 * count no more than those in which few do.
 *
 * Products are float32 and sums of a thousand of them are added up in double:
 * directions down to 10^-7 of the largest variance are told from rounding.
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"
#include "eval/set.h"
#include "math/eigen.h"
#include "math/gemm.h"

enum {
    BLOCK = 1024, /* vectors whose products are added up in float32 */
    SLICE = 64,   /* rows of the covariance, or vectors, at a time */
};

struct akin_eval_whitener {
    size_t dim, kept;
    double *mean; /* [dim] */
    const struct akin__kernels *kernels;
    struct akin__packed matrix; /* [dim][kept] */
};

static const struct akin__epilogue plain = {.activation = AKIN__LINEAR};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static akin_status pack(const struct akin__kernels *kernels,
                        struct akin__packed *b, size_t k, size_t n,
                        const float *source, size_t ld, akin_error *err)
{
    b->type = AKIN_PRECISION_F32;
    b->k = k;
    b->n = n;
    if (!b->panels) {
        const size_t bytes = akin__packed_bytes(kernels, b->type, k, n);
        b->panels = bytes ? akin__alloc_aligned(bytes, 1) : NULL;
    }
    if (!b->panels)
        return akin__fail(err, AKIN_ENOMEM,
                          "no memory for a matrix of %zu x "
                          "%zu",
                          k, n);
    return akin__pack(kernels, b, source, ld, NULL, err);
}

/* ------------------------------------------------------------ covariance -- */

struct covariance {
    const akin_eval_whitener *w;
    float *turned; /* [dim][ld]: a block's vectors less the mean, as columns */
    size_t ld;     /* bytes */
    struct akin__packed packed; /* the same */
    float *products;            /* [dim][dim] */
    double *sum;                /* [dim][dim] */
};

static void find_mean(akin_eval_whitener *w, const float *train, size_t count)
{
    memset(w->mean, 0, w->dim * sizeof *w->mean);
    for (size_t r = 0; r < count; r++)
        for (size_t i = 0; i < w->dim; i++)
            w->mean[i] += (double)train[r * w->dim + i];
    for (size_t i = 0; i < w->dim; i++)
        w->mean[i] /= (double)count;
}

static void turn(struct covariance *c, const float *rows, size_t count)
{
    const size_t dim = c->w->dim, ld = c->ld / sizeof(float);
    for (size_t i = 0; i < dim; i++) {
        float *to = c->turned + i * ld;
        for (size_t r = 0; r < count; r++)
            to[r] = (float)((double)rows[r * dim + i] - c->w->mean[i]);
        memset(to + count, 0, (ld - count) * sizeof *to);
    }
}

static akin_status multiply(void *context, size_t item, int thread,
                            akin_error *err)
{
    struct covariance *c = context;
    const size_t dim = c->w->dim, first = item * SLICE;
    const size_t rows = smaller(dim - first, SLICE);
    const struct akin__left a = {.type = AKIN_PRECISION_F32,
                                 .values = (char *)c->turned + first * c->ld,
                                 .ld = c->ld};
    float *products = c->products + first * dim;
    (void)thread;
    (void)err;
    akin__gemm(c->w->kernels, rows, &a, &c->packed, &plain, products,
               dim * sizeof *products);
    for (size_t i = 0; i < rows * dim; i++)
        c->sum[first * dim + i] += (double)products[i];
    return AKIN_OK;
}

static akin_status add_up(struct covariance *c, const float *train,
                          size_t count, int threads, akin_error *err)
{
    const size_t dim = c->w->dim;
    for (size_t at = 0; at < count; at += BLOCK) {
        turn(c, train + at * dim, smaller(count - at, BLOCK));
        akin_status status = pack(c->w->kernels, &c->packed, BLOCK, dim,
                                  c->turned, c->ld / sizeof(float), err);
        if (!status)
            status = akin__parallel(threads, (dim + SLICE - 1) / SLICE,
                                    multiply, c, err);
        if (status)
            return status;
    }
    /* Rounding has made the halves differ in their last bits. */
    for (size_t i = 0; i < dim; i++)
        for (size_t j = 0; j < i; j++)
            c->sum[i * dim + j] = c->sum[j * dim + i];
    return AKIN_OK;
}

/* ------------------------------------------------------------------ open -- */

/* The matrix of the eigenvectors of most variance, each over its deviation. */
static akin_status make_matrix(akin_eval_whitener *w, const double *value,
                               const double *vector, size_t count,
                               akin_error *err)
{
    size_t rank = 0;
    akin_status status = AKIN_OK;
    float *rows = akin__alloc(w->kept, w->dim * sizeof *rows);
    AKIN_CHECK(rows, err, AKIN_ENOMEM, "no memory to whiten");
    while (rank < w->dim && value[rank] > 1e-7 * value[0])
        rank++;
    AKIN_CHECK(rank >= w->kept, err, AKIN_EUSAGE,
               "the %zu vectors to whiten by differ in %zu dimensions; at most "
               "so many can be kept, not %zu",
               count, rank, w->kept);
    for (size_t i = 0; i < w->kept; i++) {
        const double scale = 1 / sqrt(value[i] / (double)(count - 1));
        for (size_t j = 0; j < w->dim; j++)
            rows[i * w->dim + j] = (float)(scale * vector[i * w->dim + j]);
    }
    status = pack(w->kernels, &w->matrix, w->dim, w->kept, rows, w->dim, err);
out:
    akin__free(rows);
    return status;
}

static akin_status learn(akin_eval_whitener *w, const float *train,
                         size_t count, int threads, akin_error *err)
{
    const size_t dim = w->dim;
    struct covariance c = {.w = w,
                           .ld = akin__left_bytes(AKIN_PRECISION_F32, BLOCK)};
    double *value = akin__alloc(dim, sizeof *value);
    double *vector = akin__alloc(dim, dim * sizeof *vector);
    akin_status status = AKIN_OK;
    c.turned = akin__alloc_aligned(dim, c.ld);
    c.products = akin__alloc(dim, dim * sizeof *c.products);
    c.sum = akin__calloc(dim, dim * sizeof *c.sum);
    AKIN_CHECK(value && vector && c.turned && c.products && c.sum, err,
               AKIN_ENOMEM, "no memory to whiten %zu numbers", dim);
    find_mean(w, train, count);
    AKIN_TRY(add_up(&c, train, count, threads, err));
    AKIN_TRY(akin__eigen(dim, c.sum, value, vector, err));
    AKIN_TRY(make_matrix(w, value, vector, count, err));
out:
    akin__free(value);
    akin__free(vector);
    akin__free(c.turned);
    akin__free(c.products);
    akin__free(c.sum);
    akin__free(c.packed.panels);
    return status;
}

akin_status akin_eval_whitener_open(akin_eval_whitener **out,
                                    const float *train, size_t count,
                                    size_t dim, size_t kept, int threads,
                                    akin_error *err)
{
    akin_eval_whitener *w = NULL;
    akin_status status = AKIN_OK;
    *out = NULL;
    AKIN_CHECK(dim && dim <= AKIN_MAX_DIM && kept <= dim, err, AKIN_EUSAGE,
               "%zu of %zu numbers cannot be kept (1 to %d)", kept, dim,
               AKIN_MAX_DIM);
    kept = kept ? kept : dim;
    AKIN_CHECK(count > kept, err, AKIN_EUSAGE,
               "%zu vectors are too few to whiten to %zu numbers: it takes "
               "more vectors than numbers",
               count, kept);
    w = akin__calloc(1, sizeof *w);
    AKIN_CHECK(w, err, AKIN_ENOMEM, "no memory to whiten");
    w->dim = dim;
    w->kept = kept;
    w->kernels = akin__kernels(err);
    w->mean = akin__alloc(dim, sizeof *w->mean);
    if (!w->kernels)
        status = AKIN_EUSAGE;
    AKIN_TRY(status);
    AKIN_CHECK(w->mean, err, AKIN_ENOMEM, "no memory to whiten");
    AKIN_TRY(learn(w, train, count, threads, err));
    *out = w;
    w = NULL;
out:
    akin_eval_whitener_close(&w);
    return status;
}

void akin_eval_whitener_close(akin_eval_whitener **whitener)
{
    akin_eval_whitener *w = *whitener;
    *whitener = NULL;
    if (!w)
        return;
    akin__free(w->mean);
    akin__free(w->matrix.panels);
    akin__free(w);
}

size_t akin_eval_whitener_dim(const akin_eval_whitener *whitener)
{
    return whitener->kept;
}

/* ---------------------------------------------------------------- whiten -- */

struct whitening {
    const akin_eval_whitener *w;
    const float *vectors;
    size_t count, ld; /* bytes */
    float *out;
};

static akin_status whiten_slice(void *context, size_t item, int thread,
                                akin_error *err)
{
    const struct whitening *job = context;
    const akin_eval_whitener *w = job->w;
    const size_t first = item * SLICE;
    const size_t count = smaller(job->count - first, SLICE);
    char *rows = akin__alloc_aligned(SLICE, job->ld);
    (void)thread;
    if (!rows)
        return akin__fail(err, AKIN_ENOMEM, "no memory to whiten");
    memset(rows, 0, SLICE * job->ld);
    for (size_t r = 0; r < count; r++) {
        float *to = (float *)(void *)(rows + r * job->ld);
        const float *from = job->vectors + (first + r) * w->dim;
        for (size_t i = 0; i < w->dim; i++)
            to[i] = (float)((double)from[i] - w->mean[i]);
    }
    const struct akin__left a = {
        .type = AKIN_PRECISION_F32, .values = rows, .ld = job->ld};
    akin__gemm(w->kernels, count, &a, &w->matrix, &plain,
               job->out + first * w->kept, w->kept * sizeof(float));
    akin__free(rows);
    return AKIN_OK;
}

akin_status akin_eval_whiten(const akin_eval_whitener *whitener,
                             const float *vectors, size_t count, int threads,
                             float *out, akin_error *err)
{
    struct whitening job = {whitener, vectors, count,
                            akin__left_bytes(AKIN_PRECISION_F32, whitener->dim),
                            out};
    return akin__parallel(threads, (count + SLICE - 1) / SLICE, whiten_slice,
                          &job, err);
}
