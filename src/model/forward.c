/*
 * Forward: the vision transformer, block by block.
 *
 *   x = start + patches                     [T][D] an image
 *   CLIP: x = norm(x)
 *   each block: x += scale1 * attention(norm1(x))
 *               x += scale2 * mlp(norm2(x))
 *   vector = what the pool takes of norm(x)
 *
 * Dosovitskiy et al. 2021 (ViT), Radford et al. 2021 (CLIP), Oquab et al. 2023
 * (DINOv2); exact forms as transformers computes them.
 */
#include "model/forward.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

struct akin__stream {
    const struct akin__network *network;
    size_t batch;
    float *memory;
    /* R = batch * T rows */
    float *x;       /* [R][D] */
    float *normed;  /* [R][D] */
    float *qkv;     /* [R][3D] */
    float *mixed;   /* [R][D]: attention's answer before its last matrix */
    float *hidden;  /* [R][mlp or 2 mlp]; first [R][3PP]: the patches' pixels */
    float *gated;   /* [R][mlp], SwiGLU only */
    float *scores;  /* [T][T] of one head */
    float *keys;    /* packed [D/H][T] of one head */
    float *values;  /* packed [T][D/H] of one head */
    float *scratch; /* of the GEMM */
    double *sums;   /* [D] */
};

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* The parts of the stream's memory, in floats. */
static void part_sizes(const struct akin__network *n, size_t batch,
                       size_t size[10])
{
    const struct akin__kernels *kernels = n->kernels;
    const size_t d = n->config.width, t = n->tokens, rows = batch * t;
    const size_t head = d / n->config.heads, pixels = n->patch.k;
    const size_t mlp = n->config.mlp, wide = n->config.swiglu ? 2 * mlp : mlp;
    const size_t sizes[10] = {
        rows * d,
        rows * d,
        rows * 3 * d,
        rows * d,
        rows * larger(wide, pixels),
        n->config.swiglu ? rows * mlp : 0,
        t * t,
        akin__packed_floats(kernels, head, t),
        akin__packed_floats(kernels, t, head),
        akin__gemm_scratch(kernels, larger(larger(d, t), larger(mlp, pixels))),
    };
    memcpy(size, sizes, sizeof sizes);
}

akin_status akin__stream_open(struct akin__stream **out,
                              const struct akin__network *network, size_t batch,
                              akin_error *err)
{
    akin_status status = AKIN_OK;
    struct akin__stream *s = akin__calloc(1, sizeof *s);
    size_t size[10], total = 0;
    *out = NULL;
    AKIN_CHECK(s, err, AKIN_ENOMEM, "no memory for a stream");
    part_sizes(network, batch, size);
    for (int i = 0; i < 10; i++) /* each part on a 64-byte boundary */
        total += size[i] = (size[i] + 15) / 16 * 16;
    s->network = network;
    s->batch = batch;
    s->memory = akin__alloc_aligned(total, sizeof *s->memory);
    s->sums = akin__alloc(network->config.width, sizeof *s->sums);
    AKIN_CHECK(s->memory && s->sums, err, AKIN_ENOMEM,
               "no memory for a stream of %zu numbers", total);
    float **const part[10] = {&s->x,      &s->normed, &s->qkv,    &s->mixed,
                              &s->hidden, &s->gated,  &s->scores, &s->keys,
                              &s->values, &s->scratch};
    float *at = s->memory;
    for (int i = 0; i < 10; at += size[i++])
        *part[i] = at;
    *out = s;
    s = NULL;
out:
    akin__stream_close(&s);
    return status;
}

void akin__stream_close(struct akin__stream **stream)
{
    if (!*stream)
        return;
    akin__free((*stream)->memory);
    akin__free((*stream)->sums);
    akin__free(*stream);
    *stream = NULL;
}

static void gemm(const struct akin__stream *s, size_t m, const float *a,
                 size_t lda, const struct akin__packed *b,
                 struct akin__epilogue epilogue, float *out, size_t ldc)
{
    akin__gemm(s->network->kernels, m, a, lda, b, &epilogue, out, ldc,
               s->scratch);
}

static void norm_rows(const struct akin__stream *s, size_t rows, const float *x,
                      const float *w, const float *b, float *out)
{
    const size_t d = s->network->config.width;
    for (size_t r = 0; r < rows; r++)
        s->network->kernels->layer_norm(d, x + r * d, w, b,
                                        s->network->config.eps, out + r * d);
}

/* One row a patch: its pixels [3][P][P], as the convolution's weight lies. */
static void cut_patches(const struct akin__network *n, const float *pixels,
                        float *out)
{
    const size_t p = n->config.patch;
    for (size_t row = 0; row < n->rows; row++) {
        for (size_t col = 0; col < n->cols; col++) {
            for (size_t y = 0; y < 3 * p; y++, out += p) {
                const size_t channel = y / p, line = row * p + y % p;
                memcpy(out,
                       pixels + (channel * n->height + line) * n->width +
                           col * p,
                       p * sizeof *out);
            }
        }
    }
}

/* The tokens of one image before the first block, into x [T][D]. */
static void embed(const struct akin__stream *s, const float *pixels, float *x)
{
    const struct akin__network *n = s->network;
    const size_t d = n->config.width, skip = (1 + n->config.registers) * d;
    cut_patches(n, pixels, s->hidden);
    memcpy(x, n->start, skip * sizeof *x);
    gemm(s, n->rows * n->cols, s->hidden, n->patch.k, &n->patch,
         (struct akin__epilogue){
             .bias = n->patch_b, .residual = n->start + skip, .residual_ld = d},
         x + skip, d);
}

/* softmax(q k^T / sqrt(D/H)) v of one head of one image. qkv: [T][3D] from
 * that head's q on; out: [T][D] from that head's columns on. */
static void attend(const struct akin__stream *s, const float *qkv, float *out)
{
    const struct akin__network *n = s->network;
    const size_t d = n->config.width, t = n->tokens;
    const size_t head = d / n->config.heads, ld = 3 * d;
    struct akin__packed keys = {head, t, s->keys};
    struct akin__packed values = {t, head, s->values};
    akin__pack(n->kernels, &keys, qkv + d, 1, ld);
    akin__pack(n->kernels, &values, qkv + 2 * d, ld, 1);
    gemm(s, t, qkv, ld, &keys, (struct akin__epilogue){0}, s->scores, t);
    const float scale = 1.0f / sqrtf((float)head);
    for (size_t r = 0; r < t; r++)
        n->kernels->softmax(t, s->scores + r * t, scale);
    gemm(s, t, s->scores, t, &values, (struct akin__epilogue){0}, out, d);
}

static void attention(const struct akin__stream *s, const struct akin__block *b,
                      size_t count)
{
    const struct akin__network *n = s->network;
    const size_t d = n->config.width, rows = count * n->tokens;
    const size_t head = d / n->config.heads;
    norm_rows(s, rows, s->x, b->norm1_w, b->norm1_b, s->normed);
    gemm(s, rows, s->normed, d, &b->qkv,
         (struct akin__epilogue){.bias = b->qkv_b}, s->qkv, 3 * d);
    for (size_t image = 0; image < count; image++) {
        const size_t first = image * n->tokens * d;
        for (size_t h = 0; h < n->config.heads; h++)
            attend(s, s->qkv + 3 * first + h * head,
                   s->mixed + first + h * head);
    }
    gemm(s, rows, s->mixed, d, &b->out,
         (struct akin__epilogue){.bias = b->out_b,
                                 .scale = b->out_scale,
                                 .residual = s->x,
                                 .residual_ld = d},
         s->x, d);
}

static void mlp(const struct akin__stream *s, const struct akin__block *b,
                size_t count)
{
    const struct akin__network *n = s->network;
    const size_t d = n->config.width, rows = count * n->tokens;
    const size_t wide = b->fc1.n, features = b->fc2.k;
    const bool swiglu = n->config.swiglu;
    norm_rows(s, rows, s->x, b->norm2_w, b->norm2_b, s->normed);
    gemm(s, rows, s->normed, d, &b->fc1,
         (struct akin__epilogue){.bias = b->fc1_b,
                                 .activation = swiglu ? AKIN__LINEAR
                                                      : n->config.activation},
         s->hidden, wide);
    for (size_t r = 0; swiglu && r < rows; r++)
        n->kernels->swiglu(features, s->hidden + r * wide,
                           s->gated + r * features);
    gemm(s, rows, swiglu ? s->gated : s->hidden, features, &b->fc2,
         (struct akin__epilogue){.bias = b->fc2_b,
                                 .scale = b->fc2_scale,
                                 .residual = s->x,
                                 .residual_ld = d},
         s->x, d);
}

/* CLIP: the class token, normed and projected. */
static void project(const struct akin__stream *s, size_t count, float *vectors)
{
    const struct akin__network *n = s->network;
    const size_t d = n->config.width;
    for (size_t i = 0; i < count; i++)
        norm_rows(s, 1, s->x + i * n->tokens * d, n->last_w, n->last_b,
                  s->normed + i * d);
    gemm(s, count, s->normed, d, &n->projection, (struct akin__epilogue){0},
         vectors, n->dim);
}

/* DINOv2: class token or a mean of tokens [first, T) of the normed output. */
static void pool(const struct akin__stream *s, const float *x, float *vector)
{
    const struct akin__network *n = s->network;
    const size_t d = n->config.width;
    const size_t first =
        n->pool == AKIN_POOL_PATCHES ? 1 + n->config.registers : 0;
    const size_t end = n->pool == AKIN_POOL_CLS ? 1 : n->tokens;
    memset(s->sums, 0, d * sizeof *s->sums);
    for (size_t t = first; t < end; t++) {
        for (size_t i = 0; i < d; i++)
            s->sums[i] += x[t * d + i];
    }
    for (size_t i = 0; i < d; i++)
        vector[i] = (float)(s->sums[i] / (double)(end - first));
}

void akin__stream_run(struct akin__stream *s, size_t count, const float *pixels,
                      float *vectors)
{
    const struct akin__network *n = s->network;
    const size_t d = n->config.width, image = n->tokens * d;
    const size_t rows = count * n->tokens;
    for (size_t i = 0; i < count; i++)
        embed(s, pixels + i * 3 * n->height * n->width, s->x + i * image);
    if (n->before_w)
        norm_rows(s, rows, s->x, n->before_w, n->before_b, s->x);
    for (size_t i = 0; i < n->config.layers; i++) {
        attention(s, &n->blocks[i], count);
        mlp(s, &n->blocks[i], count);
    }
    if (n->config.family == AKIN__CLIP) {
        project(s, count, vectors);
        return;
    }
    if (n->last_w)
        norm_rows(s, rows, s->x, n->last_w, n->last_b, s->x);
    for (size_t i = 0; i < count; i++)
        pool(s, s->x + i * image, vectors + i * n->dim);
}
