/*
 * Calibrate: run made pictures through the float32 network and note what the
 * inputs of its matrices have in common.
 *
 * DESIGN. Two things are gained from it, neither of which costs anything when
 * photos come:
 *
 *   Smoothing (Xiao et al. 2023, SmoothQuant). Inputs that come from a
 *   LayerNorm are divided by the root of their own size, channel by channel,
 *   and the weights multiplied: the norm's weight and bias take the division.
 *   Rounding then harms large channels and small ones alike.
 *
 *   Common directions (Frantar et al. 2023, GPTQ). Weights are rounded one by
 *   one, each so that it makes up for the errors before it, for inputs x with
 *   E[x x^T] ~ D + U U^T: D is diagonal, U has the 16 directions that hold most
 *   of the inputs. For such a matrix the best continuous answer to the errors
 *   e of the weights before i has a closed form,
 *     share_i . (sum of U_j e_j),
 *     share_i = D_i^-1 (1 + sum over j >= i of U_j U_j^T / D_j)^-1 U_i,
 *   so no Hessian is stored or inverted. A photo may hold what no made picture
 *   has (single features that fire in one photo of fifty), so D is nowhere
 *   small, and no weight moves by more than half a step for others.
 *
 * The pictures are noise with the spectrum of photos and shapes upon it; a text
 * tower reads made texts instead, of common tokens more than of rare ones. What
 * they teach of directions and sizes holds for photos; what they teach of the
 * inputs' means does not quite (correcting the biases by them gains little),
 * so nothing is added to a bias.
 *
 * Each picture is watched by itself and the findings are put together in the
 * pictures' order: they do not depend on the threads.
 */
#include "model/calibrate.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/dot.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"
#include "model/forward.h"

/* More pictures where each has few tokens; either number divides
 * AKIN__COMMON. Twice as many gain 4 % of the error, half as many lose 2 %. */
enum { MOST_PICTURES = 8, FEW_TOKENS = 64, FEW_PICTURES = 4, ITERATIONS = 3 };

struct study {
    const struct akin__network *network;
    struct akin__guides *guides;
    size_t pictures, directions; /* directions of a picture */
    size_t floats;               /* of a picture's findings */
    float *found;   /* [pictures], for each guide [1 + directions][k]: mean
                       squares, then directions */
    size_t *offset; /* [guides]: into a picture's findings */
};

/* One picture on its way. */
struct watch {
    const struct study *study;
    float *found; /* this picture's */
    float *rows;  /* [T + 1][most k]: inputs made even, and one row of work */
};

/* ------------------------------------------------------------ pictures -- */

/* From -1 to 1, by chance but always the same. */
static float chance(uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t h = a * 0x9e3779b1u ^ b * 0x85ebca77u ^ c * 0xc2b2ae3du;
    h = (h ^ h >> 15) * 0x2c1b3c6du;
    h = (h ^ h >> 12) * 0x297a2d39u;
    h ^= h >> 15;
    return (float)(h >> 8) / (1 << 23) - 1;
}

/* Smooth noise with `cell` pixels between its corners. */
static float noise(uint32_t seed, uint32_t x, uint32_t y, uint32_t cell)
{
    const uint32_t left = x / cell, top = y / cell;
    float u = (float)(x % cell) / (float)cell;
    float v = (float)(y % cell) / (float)cell;
    u = u * u * (3 - 2 * u);
    v = v * v * (3 - 2 * v);
    const float upper =
        chance(seed, left, top) * (1 - u) + chance(seed, left + 1, top) * u;
    const float lower = chance(seed, left, top + 1) * (1 - u) +
                        chance(seed, left + 1, top + 1) * u;
    return upper * (1 - v) + lower * v;
}

/* Every octave as strong as the next, as in photos. */
static float texture(uint32_t seed, uint32_t x, uint32_t y, uint32_t finest)
{
    float sum = 0;
    for (uint32_t cell = 128; cell >= finest; cell /= 2)
        sum += noise(seed + cell, x, y, cell);
    return sum;
}

/* Which of the picture's surfaces shows at a place: two discs and a half-plane
 * on a ground. */
static uint32_t surface(uint32_t seed, float x, float y)
{
    for (uint32_t i = 1; i < 4; i++) {
        const float dx = x - 0.6f * chance(seed, i, 1);
        const float dy = y - 0.6f * chance(seed, i, 2);
        const float size = 0.45f + 0.3f * chance(seed, i, 3);
        const float slope = chance(seed, i, 4);
        if (i < 3 ? dx * dx + dy * dy < size * size : dx * slope + dy > size)
            return i;
    }
    return 0;
}

/* [3][height][width], as preprocessing leaves photos: about -2 to 2. */
static void make_picture(uint32_t number, size_t height, size_t width,
                         float *pixels)
{
    const size_t plane = height * width;
    for (size_t at = 0; at < plane; at++) {
        const uint32_t x = (uint32_t)(at % width), y = (uint32_t)(at / width);
        const uint32_t seed =
            1000 * (number + 1) +
            100000 * surface(number, 2 * (float)x / (float)width - 1,
                             2 * (float)y / (float)height - 1);
        const float strength = 0.45f + 0.3f * chance(seed, 5, 0);
        const float grey =
            chance(seed, 6, 0) + strength * texture(seed, x, y, 2);
        for (uint32_t c = 0; c < 3; c++) {
            const float tint =
                0.5f * chance(seed, 7, c) +
                0.3f * strength * texture(seed + 300 * (c + 1), x, y, 16);
            const float value = grey + tint;
            pixels[c * plane + at] = fminf(fmaxf(value, -2.1f), 2.3f);
        }
    }
}

/* Tokens of a made text; how many. A low number is a common token, and the
 * start token comes before the end token in CLIP's list. */
static size_t make_text(uint32_t number, const struct akin__config *c,
                        int32_t *ids)
{
    const int32_t end = c->end >= 0 && (size_t)c->end < c->vocabulary
                            ? c->end
                            : (int32_t)c->vocabulary - 1;
    const size_t wanted = 10 + 4 * number;
    const size_t count = wanted < c->context ? wanted : c->context;
    for (uint32_t i = 0; i < count; i++) {
        const float u = 0.5f + 0.5f * chance(number, i, 8);
        ids[i] = (int32_t)(u * u * u * (float)(c->vocabulary - 1));
    }
    ids[0] = end > 0 ? end - 1 : 0;
    ids[count - 1] = end;
    return count;
}

/* ------------------------------------------------------------- inputs -- */

static void add(float *sum, const float *x, float times, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += x[i] * times;
}

/* 1, divided by the fourth root of a mean square; a channel that is (nearly)
 * always 0 counts as a small one. */
static float evenness(float mean_square, float usual)
{
    const float least = 1e-6f * usual;
    return 1 / sqrtf(sqrtf(mean_square > least ? mean_square : least));
}

static float mean_of(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i];
    return (float)(sum / (double)n);
}

/* The mean squares of m inputs; the inputs made even into `rows`. False when
 * there is nothing to see. */
static bool make_even(const struct akin__left *a, size_t m, size_t k,
                      float *squares, float *rows)
{
    memset(squares, 0, k * sizeof *squares);
    for (size_t r = 0; r < m; r++) {
        const float *x = (const float *)((char *)a->values + r * a->ld);
        for (size_t i = 0; i < k; i++)
            squares[i] += x[i] * x[i] / (float)m;
    }
    const float usual = mean_of(squares, k);
    if (!(usual > 1e-20f && usual < 1e20f)) {
        memset(squares, 0, k * sizeof *squares);
        return false;
    }
    for (size_t r = 0; r < m; r++) {
        const float *x = (const float *)((char *)a->values + r * a->ld);
        for (size_t i = 0; i < k; i++)
            rows[r * k + i] = x[i] * evenness(squares[i], usual);
    }
    return true;
}

/* x, less what lies along earlier directions [count][k] of length 1, made 1
 * long; zeros when nothing is left. */
static void straighten(float *x, const float *earlier, size_t count, size_t k)
{
    const float before = akin__dot(x, x, k);
    for (size_t i = 0; i < count; i++)
        add(x, earlier + i * k, -akin__dot(x, earlier + i * k, k), k);
    const float left = akin__dot(x, x, k);
    const float scale = left > 1e-6f * before ? 1 / sqrtf(left) : 0;
    for (size_t i = 0; i < k; i++)
        x[i] *= scale;
}

/* The directions [count][k] in which rows [m][k] extend most, by power
 * iteration, one after the other; their lengths are the rows' mean ones. */
static void find_directions(const float *rows, size_t m, size_t k, size_t count,
                            float *next, float *directions)
{
    float length[AKIN__COMMON];
    for (size_t d = 0; d < count; d++) {
        float *at = directions + d * k;
        memcpy(at, rows + d * m / count * k, k * sizeof *at);
        straighten(at, directions, d, k);
        for (int i = 0; i < ITERATIONS; i++) {
            memset(next, 0, k * sizeof *next);
            for (size_t r = 0; r < m; r++)
                add(next, rows + r * k, akin__dot(rows + r * k, at, k), k);
            memcpy(at, next, k * sizeof *at);
            straighten(at, directions, d, k);
        }
        double squares = 0;
        for (size_t r = 0; r < m; r++) {
            const double along = (double)akin__dot(rows + r * k, at, k);
            squares += along * along;
        }
        length[d] = (float)sqrt(squares / (double)m);
    }
    for (size_t d = 0; d < count; d++)
        for (size_t i = 0; i < k; i++)
            directions[d * k + i] *= length[d];
}

/* A GEMM of the network that is watched: m rows of a are the inputs of b. */
static void see(void *context, const struct akin__packed *b, size_t m,
                const struct akin__left *a)
{
    const struct watch *w = context;
    const struct study *s = w->study;
    for (size_t g = 0; g < s->guides->count; g++) {
        if (s->guides->guide[g].matrix != b)
            continue;
        const size_t k = b->k;
        float *squares = w->found + s->offset[g], *directions = squares + k;
        if (!make_even(a, m, k, squares, w->rows))
            return;
        find_directions(w->rows, m, k, s->directions, w->rows + m * k,
                        directions);
        const float usual = mean_of(squares, k);
        for (size_t d = 0; d < s->directions; d++)
            for (size_t i = 0; i < k; i++)
                directions[d * k + i] /= evenness(squares[i], usual);
    }
}

/* ------------------------------------------------------------- guides -- */

/* Widest input of a guide. */
static size_t most_k(const struct akin__guides *guides)
{
    size_t most = 0;
    for (size_t g = 0; g < guides->count; g++)
        most = guides->guide[g].k > most ? guides->guide[g].k : most;
    return most;
}

/* Let the network see or read what is made for it. */
static akin_status show(struct akin__stream *stream, uint32_t number,
                        const struct akin__network *n, float *vector,
                        akin_error *err)
{
    int32_t ids[AKIN_MAX_TOKENS];
    if (n->config.text) {
        const size_t length = make_text(number, &n->config, ids);
        return akin__stream_read(stream, 1, ids, &length, vector, err);
    }
    float *pixels = akin__alloc(3 * n->height * n->width, sizeof *pixels);
    if (!pixels)
        return akin__fail(err, AKIN_ENOMEM, "no memory for a made picture");
    make_picture(number, n->height, n->width, pixels);
    akin__stream_run(stream, 1, pixels, vector);
    akin__free(pixels);
    return AKIN_OK;
}

static akin_status watch_picture(void *context, size_t picture, int thread,
                                 akin_error *err)
{
    const struct study *s = context;
    const struct akin__network *n = s->network;
    struct watch watch = {s, s->found + picture * s->floats, NULL};
    struct akin__stream *stream = NULL;
    akin_status status = AKIN_OK;
    float *vector = akin__alloc(n->dim, sizeof *vector);
    (void)thread;
    watch.rows =
        akin__alloc((n->tokens + 1) * most_k(s->guides), sizeof(float));
    AKIN_CHECK(vector && watch.rows, err, AKIN_ENOMEM,
               "no memory for a made picture");
    AKIN_TRY(akin__stream_open(&stream, n, 1, err));
    akin__stream_watch(stream, see, &watch);
    AKIN_TRY(show(stream, (uint32_t)picture, n, vector, err));
out:
    akin__stream_close(&stream);
    akin__free(vector);
    akin__free(watch.rows);
    return status;
}

/* The sum over the pictures, in their order, divided by their number. */
static void mean_squares(const struct study *s, size_t g, float *squares)
{
    const size_t k = s->guides->guide[g].k;
    memset(squares, 0, k * sizeof *squares);
    for (size_t p = 0; p < s->pictures; p++)
        add(squares, s->found + p * s->floats + s->offset[g],
            1 / (float)s->pictures, k);
}

/* common.share from common.error and D: from the last weight to the first, the
 * inverse of 1 + U^T D^-1 U of the weights so far is brought up to date. */
static void share_out(struct akin__guide *guide, const float *diagonal)
{
    enum { N = AKIN__COMMON };
    double inverse[N][N] = {{0}}, along[N];
    for (int i = 0; i < N; i++)
        inverse[i][i] = 1;
    for (size_t at = guide->k; at-- > 0;) {
        const float *u = guide->common.error[at];
        double whole = (double)diagonal[at];
        for (int i = 0; i < N; i++) {
            along[i] = 0;
            for (int j = 0; j < N; j++)
                along[i] += inverse[i][j] * (double)u[j];
            whole += (double)u[i] * along[i];
        }
        for (int i = 0; i < N; i++) {
            guide->common.share[at][i] = (float)(along[i] / whole);
            for (int j = 0; j < N; j++)
                inverse[i][j] -= along[i] * along[j] / whole;
        }
    }
}

static void finish_guide(const struct study *s, size_t g, float *squares)
{
    struct akin__guide *guide = &s->guides->guide[g];
    const size_t k = guide->k;
    const float share = 1 / sqrtf((float)s->pictures);
    mean_squares(s, g, squares);
    const float usual = mean_of(squares, k);
    const bool seen = usual > 0;
    for (size_t i = 0; i < k; i++) {
        guide->smooth[i] =
            seen && guide->after_norm ? 1 / evenness(squares[i], usual) : 1;
        squares[i] /= guide->smooth[i] * guide->smooth[i];
    }
    const float now_usual = mean_of(squares, k);
    for (size_t i = 0; i < k; i++) {
        float *to = guide->common.error[i], along = 0;
        for (size_t p = 0; p < s->pictures && seen; p++)
            for (size_t d = 0; d < s->directions; d++) {
                const float u =
                    s->found[p * s->floats + s->offset[g] + (1 + d) * k + i] *
                    share / guide->smooth[i];
                to[p * s->directions + d] = u;
                along += u * u;
            }
        /* A tenth of what is usual: without it photos of a trained model fell
         * to a cosine of 0.991; ten times as much changes nothing. */
        const float rest = squares[i] > along ? squares[i] - along : 0;
        squares[i] = seen ? rest + 0.1f * now_usual : 1;
    }
    share_out(guide, squares);
}

/* Which matrix of the network shows a guide's inputs. */
static void choose_matrices(struct akin__guides *guides,
                            const struct akin__network *n)
{
    struct akin__guide *guide = guides->guide;
    guide++->matrix = &n->patch;
    for (size_t i = 0; i < n->config.layers; i++) {
        const struct akin__block *b = &n->blocks[i];
        *guide++ = (struct akin__guide){.matrix = &b->kv, .after_norm = true};
        *guide++ = (struct akin__guide){.matrix = &b->out};
        *guide++ =
            (struct akin__guide){.matrix = &b->part[0].fc1, .after_norm = true};
        for (size_t part = 0; part < n->parts; part++)
            guide++->matrix = &b->part[part].fc2;
    }
    for (size_t g = 0; g < guides->count; g++)
        guides->guide[g].k = guides->guide[g].matrix->k;
}

static akin_status take_memory(struct akin__guides *guides, akin_error *err)
{
    size_t floats = 0;
    for (size_t g = 0; g < guides->count; g++)
        floats += guides->guide[g].k * (1 + 2 * AKIN__COMMON);
    float *at = guides->memory = akin__calloc(floats, sizeof *at);
    if (!at)
        return akin__fail(err, AKIN_ENOMEM, "no memory to calibrate");
    for (size_t g = 0; g < guides->count; g++) {
        struct akin__guide *guide = &guides->guide[g];
        guide->smooth = at;
        at += guide->k;
        guide->common.error = (void *)at;
        at += guide->k * AKIN__COMMON;
        guide->common.share = (void *)at;
        at += guide->k * AKIN__COMMON;
    }
    return AKIN_OK;
}

static akin_status study(struct study *s, int threads, akin_error *err)
{
    float *squares = NULL;
    akin_status status = AKIN_OK;
    s->offset = akin__alloc(s->guides->count, sizeof *s->offset);
    AKIN_CHECK(s->offset, err, AKIN_ENOMEM, "no memory to calibrate");
    for (size_t g = 0; g < s->guides->count; g++) {
        s->offset[g] = s->floats;
        s->floats += s->guides->guide[g].k * (1 + s->directions);
    }
    s->found = akin__calloc(s->pictures * s->floats, sizeof *s->found);
    squares = akin__alloc(most_k(s->guides), sizeof *squares);
    AKIN_CHECK(s->found && squares, err, AKIN_ENOMEM, "no memory to calibrate");
    AKIN_TRY(akin__parallel(threads, s->pictures, watch_picture, s, err));
    for (size_t g = 0; g < s->guides->count; g++)
        finish_guide(s, g, squares);
out:
    akin__free(s->offset);
    akin__free(s->found);
    akin__free(squares);
    return status;
}

akin_status akin__guides_open(struct akin__guides **out,
                              const struct akin__network *n, int threads,
                              akin_error *err)
{
    struct study s = {.network = n};
    akin_status status = AKIN_OK;
    struct akin__guides *guides = akin__calloc(1, sizeof *guides);
    *out = NULL;
    AKIN_CHECK(guides, err, AKIN_ENOMEM, "no memory to calibrate");
    guides->count = akin__guide_number(n->parts, n->config.layers, 0);
    guides->guide = akin__calloc(guides->count, sizeof *guides->guide);
    AKIN_CHECK(guides->guide, err, AKIN_ENOMEM, "no memory to calibrate");
    choose_matrices(guides, n);
    AKIN_TRY(take_memory(guides, err));
    s.guides = guides;
    s.pictures = n->tokens <= FEW_TOKENS || n->config.text ? MOST_PICTURES
                                                           : FEW_PICTURES;
    s.directions = AKIN__COMMON / s.pictures;
    AKIN_TRY(study(&s, threads, err));
    *out = guides;
    guides = NULL;
out:
    akin__guides_close(&guides);
    return status;
}

void akin__guides_close(struct akin__guides **guides)
{
    if (!*guides)
        return;
    akin__free((*guides)->guide);
    akin__free((*guides)->memory);
    akin__free(*guides);
    *guides = NULL;
}
