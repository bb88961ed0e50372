/*
 * Forward: the transformer, block by block.
 *
 *   x = start + patches                     [T][D] an image
 *   x = start + tokens                      [its tokens][D] a text
 *   CLIP's images: x = norm(x)
 *   each block: x += scale1 * attention(norm1(x))
 *               x += scale2 * mlp(norm2(x))
 *   vector = what the pool takes of norm(x)
 *
 * Texts lie one behind the other, each with its own number of rows: nothing is
 * padded, and only attention knows where one ends. There a token sees those
 * before it and itself.
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
 * The memory of one pass, R = batch * T rows. Rows lie akin__left_bytes apart,
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
    size_t *start;            /* [images or texts + 1]: first row of each */
    float *x;                 /* [R][D] */
    float *row;               /* [D], or [3PP]: before it is made narrower */
    struct akin__left pixels; /* [patches of an image][3PP] */
    struct akin__left normed; /* [R][D]; later: 8-bit, what `mixed` has */
    struct akin__left qkv;    /* [R][3D] */
    struct akin__left mixed;  /* [R][D]: attention's answer, float32 or bf16 */
    struct akin__left wide;   /* [R][part], SwiGLU: [R][2 part]: float32 */
    struct akin__left hidden; /* [R][part]; float32: may be `wide` */
    struct akin__left scores; /* [SCORES][T] of one head, float32 */
    struct akin__left shares; /* the same after softmax; may be `scores` */
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

static struct akin__left take_rows(struct akin__stream *s, akin_precision type,
                                   size_t count, size_t k)
{
    struct akin__left rows = {.type = type, .ld = akin__left_bytes(type, k)};
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
    s->start =
        take(s, ((n->config.text ? rows : s->batch) + 1) * sizeof *s->start);
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
    for (size_t i = 0; i <= batch && !network->config.text; i++)
        s->start[i] = i * network->tokens;
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

static char *row_of(const struct akin__left *rows, size_t row)
{
    return (char *)rows->values + row * rows->ld;
}

static void gemm(const struct akin__stream *s, size_t m,
                 const struct akin__left *a, const struct akin__packed *b,
                 struct akin__epilogue epilogue, void *out, size_t ldc)
{
    if (s->see)
        s->see(s->watcher, b, m, a);
    akin__gemm(s->network->kernels, m, a, b, &epilogue, out, ldc);
}

/* k floats as row `row` of a GEMM's input. */
static void put_row(const struct akin__stream *s, const struct akin__left *rows,
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
                     const struct akin__left *rows, size_t row)
{
    const struct akin__network *n = s->network;
    const size_t d = n->config.width;
    const bool narrow = rows->type != AKIN_PRECISION_F32;
    float *out = narrow ? s->row : (float *)row_of(rows, row);
    n->kernels->layer_norm(d, x, w, b, n->config.eps, out);
    if (narrow)
        put_row(s, rows, row, d, out);
}

/* The first `count` rows of x. */
static void norm_rows(const struct akin__stream *s, size_t count,
                      const float *w, const float *b)
{
    const size_t d = s->network->config.width;
    for (size_t r = 0; r < count; r++)
        norm_row(s, s->x + r * d, w, b, &s->normed, r);
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

/* softmax(scale * scores) of a row, but for the division. A text's token sees
 * `seen` of t. */
static void share(const struct akin__stream *s, size_t row, size_t seen,
                  size_t t, float scale)
{
    const bool narrow = s->attention == AKIN_PRECISION_BF16;
    char *shares = row_of(&s->shares, row);
    const size_t used = seen * (narrow ? 2 : 4);
    s->inverse[row] =
        1 / s->network->kernels->exponentials(
                seen, (float *)row_of(&s->scores, row), scale, narrow, shares);
    if (seen < t)
        memset(shares + used, 0, s->shares.ld - used);
}

/*
 * softmax(q k^T / sqrt(D/H)) v of one head, for `count` tokens of an image or
 * text that has t. q: [count] rows from that head's queries on; kv: [t] rows
 * from the head's place in the queries on; out: [count] from that head's
 * columns on, ld bytes apart.
 */
static void attend(const struct akin__stream *s, const char *q, size_t count,
                   const char *kv, size_t t, char *out, size_t ld)
{
    const struct akin__network *n = s->network;
    const size_t d = n->config.width, head = d / n->config.heads;
    const size_t third = d * (s->attention == AKIN_PRECISION_BF16 ? 2 : 4);
    const float scale = 1.0f / sqrtf((float)head);
    /* The last of a text's tokens sees them all. */
    const bool causal = n->config.text && count == t;
    struct akin__packed keys = {s->attention, head, t, s->keys, NULL, NULL};
    struct akin__packed values = {s->attention, t, head, s->values, NULL, NULL};
    akin__pack_keys(n->kernels, &keys, kv + third, s->qkv.ld);
    akin__pack_values(n->kernels, &values, kv + 2 * third, s->qkv.ld);
    for (size_t at = 0; at < count; at += SCORES) {
        const size_t rows = smaller(count - at, SCORES);
        const struct akin__left queries = {.type = s->attention,
                                           .values = (char *)q + at * s->qkv.ld,
                                           .ld = s->qkv.ld};
        gemm(s, rows, &queries, &keys, (struct akin__epilogue){0},
             s->scores.values, s->scores.ld);
        for (size_t r = 0; r < rows; r++)
            share(s, r, causal ? at + r + 1 : t, t, scale);
        gemm(s, rows, &s->shares, &values,
             (struct akin__epilogue){.row_scale = s->inverse,
                                     .narrow =
                                         s->mixed.type == AKIN_PRECISION_BF16},
             out + at * ld, ld);
    }
}

/* All heads of each image or text, into `mixed` side by side: of all its
 * tokens, or of the one that lies in the row of its number. */
static void mix(const struct akin__stream *s, size_t count, bool one)
{
    const struct akin__config *c = &s->network->config;
    const size_t head = c->width / c->heads;
    const size_t from = s->attention == AKIN_PRECISION_BF16 ? 2 : 4;
    const size_t to = s->mixed.type == AKIN_PRECISION_BF16 ? 2 : 4;
    for (size_t i = 0; i < count; i++) {
        const size_t first = s->start[i], t = s->start[i + 1] - first;
        const size_t row = one ? i : first;
        for (size_t h = 0; h < c->heads; h++)
            attend(s, row_of(&s->qkv, row) + h * head * from, one ? 1 : t,
                   row_of(&s->qkv, first) + h * head * from, t,
                   row_of(&s->mixed, row) + h * head * to, s->mixed.ld);
    }
}

/* `rows` of a GEMM's input as the network's factors: themselves, or as 8 bits
 * in `to`. */
static const struct akin__left *factors(const struct akin__stream *s,
                                        size_t count, size_t k,
                                        const struct akin__left *rows,
                                        const struct akin__left *to)
{
    if (to->type != AKIN_PRECISION_INT8)
        return rows;
    for (size_t r = 0; r < count; r++)
        put_row(s, to, r, k, (const float *)row_of(rows, r));
    return to;
}

/* The token of each image or text that becomes its vector, into the row of its
 * number: the class token is the first, a text's end is the last. */
static void pick(const struct akin__stream *s, size_t count)
{
    const size_t d = s->network->config.width;
    for (size_t i = 0; i < count; i++) {
        const size_t row =
            s->network->config.text ? s->start[i + 1] - 1 : s->start[i];
        memmove(s->x + i * d, s->x + row * d, d * sizeof *s->x);
    }
}

/*
 * x += scale * (out(attention) + bias), for all rows, or with `one` for the
 * tokens that go on to become vectors, which then are x. Keys and values are
 * made of all tokens in any case.
 */
static void attention(const struct akin__stream *s, const struct akin__block *b,
                      size_t count, bool one)
{
    const size_t d = s->network->config.width, all = s->start[count];
    const size_t rows = one ? count : all;
    const bool narrow = s->attention == AKIN_PRECISION_BF16;
    const size_t third = d * (narrow ? 2 : 4);
    norm_rows(s, all, b->norm1_w, b->norm1_b);
    gemm(s, all, &s->normed, &b->kv,
         (struct akin__epilogue){.bias = b->qkv_b ? b->qkv_b + d : NULL,
                                 .narrow = narrow},
         (char *)s->qkv.values + third, s->qkv.ld);
    if (one) {
        pick(s, count);
        norm_rows(s, rows, b->norm1_w, b->norm1_b);
    }
    gemm(s, rows, &s->normed, &b->q,
         (struct akin__epilogue){.bias = b->qkv_b, .narrow = narrow},
         s->qkv.values, s->qkv.ld);
    mix(s, count, one);
    gemm(s, rows, factors(s, rows, d, &s->mixed, &s->normed), &b->out,
         (struct akin__epilogue){.bias = b->out_b,
                                 .scale = b->out_scale,
                                 .residual = s->x,
                                 .residual_ld = d},
         s->x, d * sizeof *s->x);
}

/* The hidden features of one part of the MLP, ready for fc2. */
static const struct akin__left *hide(const struct akin__stream *s,
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

/* x += scale * (mlp(norm2(x)) + bias), part by part. */
static void mlp(const struct akin__stream *s, const struct akin__block *b,
                size_t rows)
{
    const size_t d = s->network->config.width;
    norm_rows(s, rows, b->norm2_w, b->norm2_b);
    for (size_t i = 0; i < s->network->parts; i++) {
        const struct akin__mlp_part *part = &b->part[i];
        const struct akin__left *hidden =
            hide(s, b, part, i * AKIN__MLP_PART, rows);
        gemm(s, rows, hidden, &part->fc2,
             (struct akin__epilogue){.bias = i == 0 ? b->fc2_b : NULL,
                                     .scale = b->fc2_scale,
                                     .residual = s->x,
                                     .residual_ld = d},
             s->x, d * sizeof *s->x);
    }
}

/* CLIP: what was picked, normed and projected. */
static void project(const struct akin__stream *s, size_t count, float *vectors)
{
    const struct akin__network *n = s->network;
    const struct akin__left tokens = {.type = AKIN_PRECISION_F32,
                                      .values = s->x,
                                      .ld = n->config.width * sizeof *s->x};
    norm_here(s, count, s->x, n->last_w, n->last_b);
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

/* Through the blocks. After the last nobody asks for more than the tokens that
 * become vectors, where the pool is one token of each. */
static void run_blocks(const struct akin__stream *s, size_t count)
{
    const struct akin__network *n = s->network;
    for (size_t i = 0; i < n->config.layers; i++) {
        const bool one = i + 1 == n->config.layers && n->pool == AKIN_POOL_CLS;
        attention(s, &n->blocks[i], count, one);
        mlp(s, &n->blocks[i], one ? count : s->start[count]);
    }
}

void akin__stream_run(struct akin__stream *s, size_t count, const float *pixels,
                      float *vectors)
{
    const struct akin__network *n = s->network;
    const size_t d = n->config.width, image = n->tokens * d;
    const bool one = n->pool == AKIN_POOL_CLS;
    for (size_t i = 0; i < count; i++)
        embed(s, pixels + i * 3 * n->height * n->width, s->x + i * image);
    if (n->before_w)
        norm_here(s, count * n->tokens, s->x, n->before_w, n->before_b);
    run_blocks(s, count);
    if (n->config.family == AKIN__CLIP) {
        project(s, count, vectors);
        return;
    }
    for (size_t i = 0; i < count; i++, vectors += n->dim) {
        float *x = s->x + i * (one ? d : image);
        if (n->last_w)
            norm_here(s, one ? 1 : n->tokens, x, n->last_w, n->last_b);
        pool(s, x, vectors);
    }
}

const float *akin__stream_tokens(const struct akin__stream *s)
{
    return s->x;
}

/* One token's row of the embedding, and its place, into x [D]. */
static akin_status look_up(const struct akin__network *n, int32_t id,
                           size_t place, float *x, akin_error *err)
{
    const size_t d = n->config.width;
    const akin_status status = akin__weights_row(n->weights, AKIN__TOKEN_TABLE,
                                                 (uint64_t)id, d, x, err);
    for (size_t i = 0; i < d && !status; i++)
        x[i] += n->start[place * d + i];
    return status;
}

akin_status akin__stream_read(struct akin__stream *s, size_t count,
                              const int32_t *ids, const size_t *lengths,
                              float *vectors, akin_error *err)
{
    const struct akin__network *n = s->network;
    const size_t d = n->config.width;
    for (size_t i = 0; i < count; i++) {
        const size_t first = s->start[i]; /* of text 0 it is always 0 */
        s->start[i + 1] = first + lengths[i];
        for (size_t t = 0; t < lengths[i]; t++) {
            const akin_status status =
                look_up(n, *ids++, t, s->x + (first + t) * d, err);
            if (status)
                return status;
        }
    }
    run_blocks(s, count);
    project(s, count, vectors);
    return AKIN_OK;
}
