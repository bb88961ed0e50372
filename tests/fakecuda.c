/*
 * A plugin without a card: libakin-cuda.so's table (math/cuda/plugin.h), with
 * everything done in plain loops on the CPU, so that where no GPU is there can
 * be tested what goes to a card and what comes of its troubles.
 *
 * FAKE_CUDA          no-driver, old-driver, no-card, busy: why none serves;
 *                    abi: of another build; narrow: no model fits
 * FAKE_CUDA_CARDS    how many there are (1)
 * FAKE_CUDA_FREE     bytes of memory that are free (80e9)
 * FAKE_CUDA_FULL     too little for what a run needs besides the weights
 * FAKE_CUDA_BATCH    pictures at once (8)
 * FAKE_CUDA_FAIL_AT  the run, from 1, from which on the card fails
 * FAKE_CUDA_NO_PIN   no pinned memory
 * FAKE_CUDA_LOG      a file that gets a line for each run: card, count
 * FAKE_CUDA_PIXELS   a file that gets each picture's input as floats
 */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "math/cuda/plugin.h"

/* ---------------------------------------------------------------- cards -- */

static akin_status fail(akin_error *err, akin_status code, const char *words)
{
    if (err) {
        err->code = code;
        snprintf(err->message, sizeof err->message, "%s", words);
    }
    return code;
}

static double setting(const char *name, double otherwise)
{
    const char *value = getenv(name);
    return value ? strtod(value, NULL) : otherwise;
}

static bool plays(const char *what)
{
    const char *role = getenv("FAKE_CUDA");
    return role && strcmp(role, what) == 0;
}

static akin_status count_cards(int *cards, akin_error *err)
{
    *cards = (int)setting("FAKE_CUDA_CARDS", 1);
    if (plays("no-driver"))
        return fail(err, AKIN_EUSAGE, "no NVIDIA driver is installed");
    if (plays("old-driver"))
        return fail(err, AKIN_EUSAGE, "the driver is of CUDA 11.4, not 13.0");
    if (plays("no-card"))
        return fail(err, AKIN_EUSAGE, "no card is in this machine");
    return AKIN_OK;
}

static akin_status look_at(int number, struct akin__cuda_card *card,
                           akin_error *err)
{
    if (plays("busy") && number == 0)
        return fail(err, AKIN_EUSAGE, "card 0 is not for everybody");
    *card = (struct akin__cuda_card){
        .number = number,
        .major = 9,
        .driver = 13000,
        .runtime = 13000,
        .memory = 80000000000,
        .free = (uint64_t)setting("FAKE_CUDA_FREE", 80e9)};
    snprintf(card->name, sizeof card->name, "Fake H100 number %d", number);
    return AKIN_OK;
}

static void *pin(size_t bytes)
{
    return getenv("FAKE_CUDA_NO_PIN") ? NULL : malloc(bytes);
}

/* -------------------------------------------------------------- network -- */

struct akin__cuda_network {
    int card;
    struct akin__cuda_spec spec; /* what it points to is copied */
    size_t tokens;
    void *copy[4096];
    size_t copies;
};

static atomic_int runs;
static pthread_mutex_t telling = PTHREAD_MUTEX_INITIALIZER;

static const void *keep(struct akin__cuda_network *n, const void *from,
                        size_t bytes)
{
    if (!from || !bytes)
        return NULL;
    void *to = malloc(bytes);
    if (!to || n->copies == sizeof n->copy / sizeof *n->copy)
        abort();
    n->copy[n->copies++] = to;
    return memcpy(to, from, bytes);
}

static void keep_floats(struct akin__cuda_network *n, const float **at,
                        size_t count)
{
    *at = keep(n, *at, count * sizeof **at);
}

static void keep_linear(struct akin__cuda_network *n,
                        struct akin__cuda_linear *l)
{
    keep_floats(n, &l->w, l->n * l->k);
    keep_floats(n, &l->bias, l->n);
}

static void keep_norm(struct akin__cuda_network *n, struct akin__cuda_norm *at)
{
    keep_floats(n, &at->w, n->spec.width);
    keep_floats(n, &at->b, n->spec.width);
}

static void keep_block(struct akin__cuda_network *n, struct akin__cuda_block *b)
{
    keep_norm(n, &b->norm1);
    keep_norm(n, &b->norm2);
    keep_linear(n, &b->q);
    keep_linear(n, &b->kv);
    keep_linear(n, &b->out);
    keep_linear(n, &b->gates);
    keep_linear(n, &b->values);
    keep_linear(n, &b->fc2);
    keep_floats(n, &b->out_scale, n->spec.width);
    keep_floats(n, &b->fc2_scale, n->spec.width);
}

static akin_status network_open(struct akin__cuda_network **out, int card,
                                const struct akin__cuda_spec *spec,
                                akin_error *err)
{
    *out = NULL;
    if (getenv("FAKE_CUDA_FULL"))
        return fail(err, AKIN_ENOMEM,
                    "card 0 has 12 MB of memory free, the "
                    "network needs 34 MB");
    if (plays("narrow"))
        return fail(err, AKIN_EUSAGE, "a card takes widths of 4");
    struct akin__cuda_network *n = calloc(1, sizeof *n);
    n->card = card;
    n->spec = *spec;
    n->tokens = spec->skip + spec->rows * spec->cols;
    n->spec.value =
        (const float(*)[256])keep(n, spec->value, 3 * sizeof *spec->value);
    keep_floats(n, &n->spec.start, n->tokens * spec->width);
    keep_linear(n, &n->spec.patches);
    keep_norm(n, &n->spec.before);
    keep_norm(n, &n->spec.last);
    keep_linear(n, &n->spec.projection);
    struct akin__cuda_block *blocks =
        (struct akin__cuda_block *)(uintptr_t)keep(
            n, spec->block, spec->layers * sizeof *spec->block);
    for (size_t i = 0; i < spec->layers; i++)
        keep_block(n, &blocks[i]);
    n->spec.block = blocks;
    *out = n;
    return AKIN_OK;
}

static void network_close(struct akin__cuda_network **network)
{
    if (!*network)
        return;
    while ((*network)->copies)
        free((*network)->copy[--(*network)->copies]);
    free(*network);
    *network = NULL;
}

static size_t network_batch(const struct akin__cuda_network *n)
{
    (void)n;
    return (size_t)setting("FAKE_CUDA_BATCH", 8);
}

static float *floats(size_t count)
{
    float *at = malloc(count * sizeof *at);
    if (!at)
        abort();
    return at;
}

/* out [m][n] = x [m][k] w^T + bias */
static void multiply(const struct akin__cuda_linear *l, size_t m,
                     const float *x, float *out)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < l->n; j++) {
            double sum = l->bias ? (double)l->bias[j] : 0;
            for (size_t k = 0; k < l->k; k++)
                sum += (double)x[i * l->k + k] * (double)l->w[j * l->k + k];
            out[i * l->n + j] = (float)sum;
        }
}

static void norm(const struct akin__cuda_network *n, size_t m, const float *x,
                 const struct akin__cuda_norm *by, float *out)
{
    const size_t d = n->spec.width;
    for (size_t i = 0; i < m; i++, x += d, out += d) {
        double mean = 0, square = 0;
        for (size_t c = 0; c < d; c++)
            mean += (double)x[c] / (double)d;
        for (size_t c = 0; c < d; c++)
            square += pow((double)x[c] - mean, 2) / (double)d;
        const double by_what = 1 / sqrt(square + (double)n->spec.eps);
        for (size_t c = 0; c < d; c++)
            out[c] =
                (float)(((double)x[c] - mean) * by_what * (double)by->w[c] +
                        (double)by->b[c]);
    }
}

static void add(const struct akin__cuda_network *n, float *x, const float *y,
                const float *scale)
{
    const size_t d = n->spec.width;
    for (size_t i = 0; i < n->tokens * d; i++)
        x[i] += scale ? scale[i % d] * y[i] : y[i];
}

static void attend(const struct akin__cuda_network *n, size_t h, const float *q,
                   const float *kv, float *out)
{
    const size_t d = n->spec.width, w = d / n->spec.heads, t = n->tokens;
    double *share = malloc(t * sizeof *share);
    for (size_t i = 0; i < t; i++) {
        double sum = 0;
        for (size_t j = 0; j < t; j++) {
            double dot = 0;
            for (size_t c = h * w; c < (h + 1) * w; c++)
                dot += (double)q[i * d + c] * (double)kv[j * 2 * d + c];
            share[j] = exp(dot / sqrt((double)w));
            sum += share[j];
        }
        for (size_t c = h * w; c < (h + 1) * w; c++) {
            double mixed = 0;
            for (size_t j = 0; j < t; j++)
                mixed += share[j] / sum * (double)kv[j * 2 * d + d + c];
            out[i * d + c] = (float)mixed;
        }
    }
    free(share);
}

static double activate(const struct akin__cuda_spec *s, double x)
{
    switch (s->activation) {
    case AKIN__CUDA_GELU:
        return x / 2 * (1 + erf(x / sqrt(2)));
    case AKIN__CUDA_QUICK_GELU:
        return x / (1 + exp(-1.702 * x));
    default:
        return x;
    }
}

static void block(const struct akin__cuda_network *n,
                  const struct akin__cuda_block *b, float *x)
{
    const struct akin__cuda_spec *s = &n->spec;
    const size_t d = s->width, t = n->tokens;
    float *y = floats(t * d), *q = floats(t * d), *kv = floats(2 * t * d);
    float *mixed = floats(t * d), *hidden = floats(t * s->mlp);
    float *side = floats(t * s->mlp);
    norm(n, t, x, &b->norm1, y);
    multiply(&b->q, t, y, q);
    multiply(&b->kv, t, y, kv);
    for (size_t h = 0; h < s->heads; h++)
        attend(n, h, q, kv, mixed);
    multiply(&b->out, t, mixed, y);
    add(n, x, y, b->out_scale);
    norm(n, t, x, &b->norm2, y);
    multiply(&b->gates, t, y, hidden);
    if (s->swiglu)
        multiply(&b->values, t, y, side);
    for (size_t i = 0; i < t * s->mlp; i++) {
        const double v = (double)hidden[i];
        hidden[i] = s->swiglu ? (float)(v / (1 + exp(-v)) * (double)side[i])
                              : (float)activate(s, v);
    }
    multiply(&b->fc2, t, hidden, y);
    add(n, x, y, b->fc2_scale);
    free(y);
    free(q);
    free(kv);
    free(mixed);
    free(hidden);
    free(side);
}

static akin_status patches(struct akin__cuda_network *n, const uint8_t *bytes,
                           float *out, akin_error *err)
{
    const struct akin__cuda_spec *s = &n->spec;
    (void)err;
    for (size_t i = 0; i < s->rows * s->cols; i++)
        for (size_t c = 0; c < 3; c++)
            for (size_t y = 0; y < s->patch; y++)
                for (size_t x = 0; x < s->patch; x++) {
                    const size_t row = i / s->cols * s->patch + y;
                    const size_t col = i % s->cols * s->patch + x;
                    *out++ =
                        s->value[c]
                                [bytes[3 * (row * s->pixel_width + col) + c]];
                }
    return AKIN_OK;
}

static void picture(struct akin__cuda_network *n, const uint8_t *bytes,
                    float *vector)
{
    const struct akin__cuda_spec *s = &n->spec;
    const size_t d = s->width, all = s->rows * s->cols;
    float *cut = floats(all * s->patches.k), *x = floats(n->tokens * d);
    float *pooled = floats(d);
    patches(n, bytes, cut, NULL);
    multiply(&s->patches, all, cut, x + s->skip * d);
    memset(x, 0, s->skip * d * sizeof *x);
    add(n, x, s->start, NULL);
    if (s->before.w)
        norm(n, n->tokens, x, &s->before, x);
    for (size_t i = 0; i < s->layers; i++)
        block(n, &s->block[i], x);
    if (s->last.w)
        norm(n, n->tokens, x, &s->last, x);
    const size_t first = s->pool_class ? 0 : s->pool_first;
    const size_t end = s->pool_class ? 1 : s->pool_end;
    for (size_t c = 0; c < d; c++) {
        double sum = 0;
        for (size_t t = first; t < end; t++)
            sum += (double)x[t * d + c];
        pooled[c] = (float)(sum / (double)(end - first));
    }
    if (s->projection.n)
        multiply(&s->projection, 1, pooled, vector);
    else
        memcpy(vector, pooled, d * sizeof *vector);
    free(cut);
    free(x);
    free(pooled);
}

/* What the runs saw, for who asks. */
static void tell(const struct akin__cuda_network *n, size_t count,
                 const uint8_t *bytes)
{
    const struct akin__cuda_spec *s = &n->spec;
    const size_t plane = s->pixel_height * s->pixel_width;
    const char *log = getenv("FAKE_CUDA_LOG");
    const char *pixels = getenv("FAKE_CUDA_PIXELS");
    FILE *file = log ? fopen(log, "a") : NULL;
    if (file) {
        fprintf(file, "%d %zu\n", n->card, count);
        fclose(file);
    }
    file = pixels ? fopen(pixels, "ab") : NULL;
    for (size_t i = 0; file && i < count; i++)
        for (size_t c = 0; c < 3; c++)
            for (size_t p = 0; p < plane; p++)
                fwrite(&s->value[c][bytes[3 * (i * plane + p) + c]], 4, 1,
                       file);
    if (file)
        fclose(file);
}

static akin_status network_run(struct akin__cuda_network *n, size_t count,
                               const uint8_t *bytes, float *vectors,
                               akin_error *err)
{
    const struct akin__cuda_spec *s = &n->spec;
    const size_t size = 3 * s->pixel_height * s->pixel_width;
    const int number = ++runs;
    if (number >= (int)setting("FAKE_CUDA_FAIL_AT", 1e9))
        return fail(err, AKIN_EIO, "cuda:0 failed: it fell off the bus");
    if (!count || count > network_batch(n))
        return fail(err, AKIN_EUSAGE, "no such batch");
    pthread_mutex_lock(&telling);
    tell(n, count, bytes);
    pthread_mutex_unlock(&telling);
    for (size_t i = 0; i < count; i++)
        picture(n, bytes + i * size, vectors + i * s->dim);
    return AKIN_OK;
}

/* ----------------------------------------------------------------- rows -- */

struct akin__cuda_rows {
    size_t most, dim, count;
    float *at; /* [most][dim], rounded to bf16 */
};

static akin_status rows_open(struct akin__cuda_rows **rows, int card,
                             size_t most, size_t dim, akin_error *err)
{
    (void)card;
    *rows = NULL;
    if ((double)most * (double)dim * 2 > setting("FAKE_CUDA_FREE", 80e9))
        return fail(err, AKIN_ENOMEM, "card 0 has too little memory free");
    *rows = calloc(1, sizeof **rows);
    **rows = (struct akin__cuda_rows){most, dim, 0, floats(most * dim + 1)};
    return AKIN_OK;
}

static void rows_close(struct akin__cuda_rows **rows)
{
    if (*rows)
        free((*rows)->at);
    free(*rows);
    *rows = NULL;
}

static float rounded(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static akin_status rows_put(struct akin__cuda_rows *rows, size_t count,
                            const float *vectors, akin_error *err)
{
    if (count > rows->most - rows->count)
        return fail(err, AKIN_EUSAGE, "more rows than there is room for");
    float *to = rows->at + rows->count * rows->dim;
    for (size_t i = 0; i < count * rows->dim; i++)
        to[i] = rounded(vectors[i]);
    rows->count += count;
    return AKIN_OK;
}

static akin_status rows_nearest(struct akin__cuda_rows *rows,
                                const float *queries, size_t count, size_t k,
                                const uint32_t *mask, uint32_t *place,
                                float *score, size_t *found, float *reach,
                                akin_error *err)
{
    (void)err;
    for (size_t q = 0; q < count; q++) {
        double length = 0; /* rows are of length 1 */
        for (size_t i = 0; i < rows->dim; i++)
            length += pow((double)queries[q * rows->dim + i], 2);
        reach[q] = (float)(sqrt(length) / 127); /* two roundings of 2^-8 */
        uint32_t *p = place + q * k;
        float *s = score + q * k;
        found[q] = 0;
        for (size_t r = 0; r < rows->count; r++) {
            double sum = 0;
            size_t at = found[q];
            if (mask && !(mask[r / 32] >> r % 32 & 1))
                continue;
            for (size_t i = 0; i < rows->dim; i++)
                sum += (double)rounded(queries[q * rows->dim + i]) *
                       (double)rows->at[r * rows->dim + i];
            while (at && s[at - 1] < (float)sum) {
                if (at < k) {
                    s[at] = s[at - 1];
                    p[at] = p[at - 1];
                }
                at--;
            }
            if (at == k)
                continue;
            s[at] = (float)sum;
            p[at] = (uint32_t)r;
            found[q] += found[q] < k;
        }
    }
    return AKIN_OK;
}

const struct akin__cuda_plugin *akin_cuda_plugin(void)
{
    static struct akin__cuda_plugin plugin = {
        .abi = AKIN__CUDA_ABI,
        .count = count_cards,
        .card = look_at,
        .network_open = network_open,
        .network_close = network_close,
        .network_batch = network_batch,
        .network_run = network_run,
        .network_patches = patches,
        .pinned_alloc = pin,
        .pinned_free = free,
        .rows_open = rows_open,
        .rows_close = rows_close,
        .rows_put = rows_put,
        .rows_nearest = rows_nearest,
    };
    if (plays("abi"))
        plugin.abi = AKIN__CUDA_ABI + 1;
    return &plugin;
}
