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

/*
 * The memory of one pass, R = batch * T rows. Rows lie akin__row_bytes apart,
 * and what they have behind their last number is zero from the start on.
 *
 * Factors of a GEMM have the network's precision; queries, keys, values and
 * attention's weights are bf16 where that is the faster, else float32.
 */
struct akin__stream {
    const struct akin__network *network;
    size_t batch;
    akin_precision attention; /* float32 or bf16 */
    char *memory;
    size_t bytes;             /* of it, so far: while it is laid out */
    float *x;                 /* [R][D] */
    float *row;               /* [D], or [3PP]: before it is made narrower */
    struct akin__rows pixels; /* [patches of an image][3PP] */
    struct akin__rows normed; /* [R][D]; later: 8-bit, what `mixed` has */
    struct akin__rows qkv;    /* [R][3D] */
    struct akin__rows mixed;  /* [R][D]: attention's answer, float32 or bf16 */
    struct akin__rows wide;   /* [R][part], SwiGLU: [R][2 part]: float32 */
    struct akin__rows hidden; /* [R][part]; float32: may be `wide` */
    struct akin__rows scores; /* [SCORES][T] of one head, float32 */
    struct akin__rows shares; /* the same after softmax; may be `scores` */
    float *inverse;           /* [SCORES]: 1 / sums of the shares */
    void *keys;               /* packed [D/H][T] of one head */
    void *values;             /* packed [T][D/H] of one head */
    double *sums;             /* [D] */
    akin__see *see;           /* NULL: nobody watches */
    void *watcher;
};

/* Rows of scores at a time: with 257 tokens they take half of the first-level
 * cache, and they are whole tiles of 14 or 6 rows. */
enum { SCORES = 42 };

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void *take(struct akin__stream *s, size_t bytes)
{
    void *at = s->memory ? s->memory + s->bytes : NULL;
    s->bytes += (bytes + 63) / 64 * 64;
    return at;
}

static struct akin__rows take_rows(struct akin__stream *s, akin_precision type,
                                   size_t count, size_t k)
{
    struct akin__rows rows = {.type = type, .ld = akin__row_bytes(type, k)};
    rows.values = take(s, count * rows.ld);
    if (type == AKIN_PRECISION_INT8) {
        rows.scale = take(s, count * sizeof *rows.scale);
        rows.zero = take(s, count * sizeof *rows.zero);
    }
    return rows;
}

static void lay_out(struct akin__stream *s)
{
    const struct akin__network *n = s->network;
    const akin_precision f32 = AKIN_PRECISION_F32, type = n->precision;
    const bool bytes = type == AKIN_PRECISION_INT8;
    const size_t d = n->config.width, t = n->tokens, rows = s->batch * t;
    const size_t head = d / n->config.heads;
    const size_t part = smaller(n->config.mlp, AKIN__MLP_PART);
    s->bytes = 0;
    s->x = take(s, rows * d * sizeof(float));
    s->row = take(s, larger(d, n->patch.k) * sizeof(float));
    s->pixels = take_rows(s, n->patch.type, n->rows * n->cols, n->patch.k);
    s->normed = take_rows(s, type, rows, d);
    s->qkv = take_rows(s, s->attention, rows, 3 * d);
    s->mixed = take_rows(s, bytes ? f32 : type, rows, d);
    s->hidden = take_rows(s, type, rows, part);
    s->wide = s->hidden;
    if (n->config.swiglu || bytes)
        s->wide = take_rows(s, f32, rows, n->config.swiglu ? 2 * part : part);
    s->scores = take_rows(s, f32, SCORES, t);
    s->shares = s->scores;
    if (s->attention != f32)
        s->shares = take_rows(s, s->attention, SCORES, t);
    s->inverse = take(s, SCORES * sizeof *s->inverse);
    s->keys = take(s, akin__packed_bytes(n->kernels, s->attention, head, t));
    s->values = take(s, akin__packed_bytes(n->kernels, s->attention, t, head));
    s->sums = take(s, d * sizeof *s->sums);
}

/* bf16 is packed in pairs, so a head has whole ones. */
static akin_precision attention_type(const struct akin__network *n)
{
    const size_t head = n->config.width / n->config.heads;
    return n->precision != AKIN_PRECISION_F32 && n->kernels->fast_bf16 &&
                   head % 8 == 0
               ? AKIN_PRECISION_BF16
               : AKIN_PRECISION_F32;
}

akin_status akin__stream_open(struct akin__stream **out,
                              const struct akin__network *network, size_t batch,
                              akin_error *err)
{
    akin_status status = AKIN_OK;
    struct akin__stream *s = akin__calloc(1, sizeof *s);
    *out = NULL;
    AKIN_CHECK(s, err, AKIN_ENOMEM, "no memory for a stream");
    s->network = network;
    s->batch = batch;
    s->attention = attention_type(network);
    lay_out(s);
    s->memory = akin__alloc_aligned(s->bytes, 1);
    AKIN_CHECK(s->memory, err, AKIN_ENOMEM,
               "no memory for a stream of %zu bytes", s->bytes);
    memset(s->memory, 0, s->bytes);
    lay_out(s);
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
    akin__free(*stream);
    *stream = NULL;
}

void akin__stream_watch(struct akin__stream *stream, akin__see *see,
                        void *context)
{
    stream->see = see;
    stream->watcher = context;
}

static char *row_of(const struct akin__rows *rows, size_t row)
{
    return (char *)rows->values + row * rows->ld;
}

static void gemm(const struct akin__stream *s, size_t m,
                 const struct akin__rows *a, const struct akin__packed *b,
                 struct akin__epilogue epilogue, void *out, size_t ldc)
{
    if (s->see)
        s->see(s->watcher, b, m, a);
    akin__gemm(s->network->kernels, m, a, b, &epilogue, out, ldc);
}

/* k floats as row `row` of a GEMM's input. */
static void put_row(const struct akin__stream *s, const struct akin__rows *rows,
                    size_t row, size_t k, const float *from)
{
    const struct akin__kernels *kernels = s->network->kernels;
    void *to = row_of(rows, row);
    if (rows->type == AKIN_PRECISION_F32)
        memcpy(to, from, k * sizeof *from);
    else if (rows->type == AKIN_PRECISION_BF16)
        kernels->to_bf16(k, from, to);
    else
        kernels->to_int8(k, from, to, &rows->scale[row], &rows->zero[row]);
}

/* LayerNorm of one token as row `row` of a GEMM's input. */
static void norm_row(const struct akin__stream *s, const float *x,
                     const float *w, const float *b,
                     const struct akin__rows *rows, size_t row)
{
    const struct akin__network *n = s->network;
    const size_t d = n->config.width;
    const bool narrow = rows->type != AKIN_PRECISION_F32;
    float *out = narrow ? s->row : (float *)row_of(rows, row);
    n->kernels->layer_norm(d, x, w, b, n->config.eps, out);
    if (narrow)
        put_row(s, rows, row, d, out);
}

/* Every step-th token of x. */
static void norm_rows(const struct akin__stream *s, size_t count, size_t step,
                      const float *w, const float *b)
{
    const size_t d = s->network->config.width;
    for (size_t r = 0; r < count; r++)
        norm_row(s, s->x + r * step * d, w, b, &s->normed, r);
}

/* LayerNorm where it lies. */
static void norm_here(const struct akin__stream *s, size_t count, float *x,
                      const float *w, const float *b)
{
    const struct akin__network *n = s->network;
    const size_t d = n->config.width;
    for (size_t r = 0; r < count; r++)
        n->kernels->layer_norm(d, x + r * d, w, b, n->config.eps, x + r * d);
}

/* One row a patch: its pixels [3][P][P], as the convolution's weight lies. */
static void cut_patches(const struct akin__stream *s, const float *pixels)
{
    const struct akin__network *n = s->network;
    const size_t p = n->config.patch;
    for (size_t i = 0; i < n->rows * n->cols; i++) {
        const float *corner = pixels + i / n->cols * p * n->width;
        float *to = s->row;
        corner += i % n->cols * p;
        for (size_t y = 0; y < 3 * p; y++, to += p) {
            const size_t line = y / p * n->height + y % p;
            memcpy(to, corner + line * n->width, p * sizeof *to);
        }
        put_row(s, &s->pixels, i, n->patch.k, s->row);
    }
}

/* The tokens of one image before the first block, into x [T][D]. */
static void embed(const struct akin__stream *s, const float *pixels, float *x)
{
    const struct akin__network *n = s->network;
    const size_t d = n->config.width, skip = (1 + n->config.registers) * d;
    cut_patches(s, pixels);
    memcpy(x, n->start, skip * sizeof *x);
    gemm(s, n->rows * n->cols, &s->pixels, &n->patch,
         (struct akin__epilogue){
             .bias = n->patch_b, .residual = n->start + skip, .residual_ld = d},
         x + skip, d * sizeof *x);
}

/*
 * softmax(q k^T / sqrt(D/H)) v of one head for the first `count` tokens of an
 * image. q: [T] rows from that head's queries on; out: [count] from that head's
 * columns on, ld bytes apart.
 */
static void attend(const struct akin__stream *s, const struct akin__rows *q,
                   size_t count, char *out, size_t ld)
{
    const struct akin__network *n = s->network;
    const size_t d = n->config.width, t = n->tokens;
    const size_t head = d / n->config.heads;
    const size_t third = d * (s->attention == AKIN_PRECISION_BF16 ? 2 : 4);
    const bool narrow = s->attention == AKIN_PRECISION_BF16;
    const float scale = 1.0f / sqrtf((float)head);
    struct akin__packed keys = {s->attention, head, t, s->keys, NULL, NULL};
    struct akin__packed values = {s->attention, t, head, s->values, NULL, NULL};
    akin__pack_keys(n->kernels, &keys, (char *)q->values + third, q->ld);
    akin__pack_values(n->kernels, &values, (char *)q->values + 2 * third,
                      q->ld);
    for (size_t at = 0; at < count; at += SCORES) {
        const size_t rows = smaller(count - at, SCORES);
        const struct akin__rows queries = {
            .type = s->attention, .values = row_of(q, at), .ld = q->ld};
        gemm(s, rows, &queries, &keys, (struct akin__epilogue){0},
             s->scores.values, s->scores.ld);
        for (size_t r = 0; r < rows; r++)
            s->inverse[r] = 1 / n->kernels->exponentials(
                                    t, (float *)row_of(&s->scores, r), scale,
                                    narrow, row_of(&s->shares, r));
        gemm(s, rows, &s->shares, &values,
             (struct akin__epilogue){.row_scale = s->inverse,
                                     .narrow =
                                         s->mixed.type == AKIN_PRECISION_BF16},
             out + at * ld, ld);
    }
}

/* All heads of `count` tokens of each image, into `mixed` side by side. */
static void mix(const struct akin__stream *s, size_t images, size_t count)
{
    const struct akin__config *c = &s->network->config;
    const size_t head = c->width / c->heads;
    const size_t from = s->attention == AKIN_PRECISION_BF16 ? 2 : 4;
    const size_t to = s->mixed.type == AKIN_PRECISION_BF16 ? 2 : 4;
    for (size_t i = 0; i < images; i++) {
        for (size_t h = 0; h < c->heads; h++) {
            const struct akin__rows q = {
                .type = s->attention,
                .values =
                    row_of(&s->qkv, i * s->network->tokens) + h * head * from,
                .ld = s->qkv.ld};
            attend(s, &q, count, row_of(&s->mixed, i * count) + h * head * to,
                   s->mixed.ld);
        }
    }
}

/* `rows` of a GEMM's input as the network's factors: themselves, or as 8 bits
 * in `to`. */
static const struct akin__rows *factors(const struct akin__stream *s,
                                        size_t count, size_t k,
                                        const struct akin__rows *rows,
                                        const struct akin__rows *to)
{
    if (to->type != AKIN_PRECISION_INT8)
        return rows;
    for (size_t r = 0; r < count; r++)
        put_row(s, to, r, k, (const float *)row_of(rows, r));
    return to;
}

/*
 * x += scale * (out(attention) + bias), for every step-th token: `step` is 1,
 * or T when only the class tokens go on to become vectors. Keys and values are
 * made of all tokens in any case.
 */
static void attention(const struct akin__stream *s, const struct akin__block *b,
                      size_t images, size_t step)
{
    const struct akin__network *n = s->network;
    const size_t d = n->config.width, all = images * n->tokens;
    const size_t rows = all / step;
    const bool narrow = s->attention == AKIN_PRECISION_BF16;
    const size_t third = d * (narrow ? 2 : 4);
    norm_rows(s, all, 1, b->norm1_w, b->norm1_b);
    gemm(s, all, &s->normed, &b->kv,
         (struct akin__epilogue){.bias = b->qkv_b ? b->qkv_b + d : NULL,
                                 .narrow = narrow},
         (char *)s->qkv.values + third, s->qkv.ld);
    if (step > 1)
        norm_rows(s, rows, step, b->norm1_w, b->norm1_b);
    gemm(s, rows, &s->normed, &b->q,
         (struct akin__epilogue){.bias = b->qkv_b, .narrow = narrow},
         s->qkv.values, s->qkv.ld * step);
    mix(s, images, n->tokens / step);
    gemm(s, rows, factors(s, rows, d, &s->mixed, &s->normed), &b->out,
         (struct akin__epilogue){.bias = b->out_b,
                                 .scale = b->out_scale,
                                 .residual = s->x,
                                 .residual_ld = d * step},
         s->x, d * step * sizeof *s->x);
}

/* The hidden features of one part of the MLP, ready for fc2. */
static const struct akin__rows *hide(const struct akin__stream *s,
                                     const struct akin__block *b,
                                     const struct akin__mlp_part *part,
                                     size_t at, size_t rows)
{
    const struct akin__config *c = &s->network->config;
    const size_t m = part->fc1.n;
    const bool narrow = s->wide.type == AKIN_PRECISION_BF16;
    gemm(s, rows, &s->normed, &part->fc1,
         (struct akin__epilogue){.bias = b->fc1_b + at,
                                 .activation =
                                     c->swiglu ? AKIN__LINEAR : c->activation,
                                 .narrow = narrow},
         s->wide.values, s->wide.ld);
    if (!c->swiglu)
        return factors(s, rows, m, &s->wide, &s->hidden);
    gemm(s, rows, &s->normed, &part->side,
         (struct akin__epilogue){.bias = b->fc1_b + c->mlp + at},
         (float *)s->wide.values + m, s->wide.ld);
    for (size_t r = 0; r < rows; r++) {
        float *wide = (float *)row_of(&s->wide, r);
        const bool bf16 = s->hidden.type == AKIN_PRECISION_BF16;
        const bool bytes = s->hidden.type == AKIN_PRECISION_INT8;
        s->network->kernels->swiglu(
            m, wide, bf16, bytes ? wide : (void *)row_of(&s->hidden, r));
    }
    return s->hidden.type == AKIN_PRECISION_INT8
               ? factors(s, rows, m, &s->wide, &s->hidden)
               : &s->hidden;
}

/* x += scale * (mlp(norm2(x)) + bias), part by part, for every step-th token.
 */
static void mlp(const struct akin__stream *s, const struct akin__block *b,
                size_t rows, size_t step)
{
    const size_t d = s->network->config.width;
    norm_rows(s, rows, step, b->norm2_w, b->norm2_b);
    for (size_t i = 0; i < s->network->parts; i++) {
        const struct akin__mlp_part *part = &b->part[i];
        const struct akin__rows *hidden =
            hide(s, b, part, i * AKIN__MLP_PART, rows);
        gemm(s, rows, hidden, &part->fc2,
             (struct akin__epilogue){.bias = i == 0 ? b->fc2_b : NULL,
                                     .scale = b->fc2_scale,
                                     .residual = s->x,
                                     .residual_ld = d * step},
             s->x, d * step * sizeof *s->x);
    }
}

/* CLIP: the class token, normed and projected. */
static void project(const struct akin__stream *s, size_t count, float *vectors)
{
    const struct akin__network *n = s->network;
    const size_t d = n->config.width;
    const struct akin__rows tokens = {
        .type = AKIN_PRECISION_F32, .values = s->x, .ld = d * sizeof *s->x};
    for (size_t i = 0; i < count; i++)
        n->kernels->layer_norm(d, s->x + i * n->tokens * d, n->last_w,
                               n->last_b, n->config.eps, s->x + i * d);
    gemm(s, count, &tokens, &n->projection, (struct akin__epilogue){0}, vectors,
         n->dim * sizeof *vectors);
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
        norm_here(s, rows, s->x, n->before_w, n->before_b);
    for (size_t i = 0; i < n->config.layers; i++) {
        /* After the last block nobody asks for more than the class tokens. */
        const bool last = i + 1 == n->config.layers && n->pool == AKIN_POOL_CLS;
        const size_t step = last ? n->tokens : 1;
        attention(s, &n->blocks[i], count, step);
        mlp(s, &n->blocks[i], rows / step, step);
    }
    if (n->config.family == AKIN__CLIP) {
        project(s, count, vectors);
        return;
    }
    for (size_t i = 0; i < count; i++, vectors += n->dim) {
        float *x = s->x + i * image;
        if (n->last_w)
            norm_here(s, n->pool == AKIN_POOL_CLS ? 1 : n->tokens, x, n->last_w,
                      n->last_b);
        pool(s, x, vectors);
    }
}
