/*
 * Quantise weights and pack them.
 *
 * Group 0 takes the scale at which the largest weight is 127. Clipping weights
 * for a smaller squared error was tried on trained layers and gained nothing:
 * the error of the layers' outputs was 1.42 % either way.
 *
 * Group 4 trades two errors: at a fine scale lanes break the rules, and their
 * weights are cut down; a coarse one rounds all of them. The best lies where
 * the first few lanes break them; it is searched for.
 *
 * In the end the scale is fitted to the bytes (least squares), unless errors
 * were made to cancel, which they do at the scale they were made at.
 */
#include "math/quantize.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Of 4 floats in a row, 0 and 1 are a pair in lane 0, 2 and 3 in lane 1. */
typedef float quad __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t iquad __attribute__((vector_size(16), aligned(4), may_alias));

enum { CHUNK = 16, QUADS = 4, LANE = 8, MOST = 127 };

/* Smaller weights count as zeros: 4 * MOST / peak is a number above this. */
static const float least_peak = 1e-35f;

static inline quad splat(float x)
{
    return x - (quad){0};
}

static inline quad absolute(quad x)
{
    return (quad)((iquad)x & INT32_MAX);
}

static inline quad larger(quad a, quad b)
{
    const iquad first = a > b;
    return (quad)((first & (iquad)a) | (~first & (iquad)b));
}

static inline quad pair_sums(quad x)
{
    return x + __builtin_shufflevector(x, x, 1, 0, 3, 2);
}

static inline float sum_of(quad x)
{
    return (x[0] + x[1]) + (x[2] + x[3]);
}

static inline float largest_of(quad x)
{
    const float a = x[0] > x[1] ? x[0] : x[1], b = x[2] > x[3] ? x[2] : x[3];
    return a > b ? a : b;
}

/* The nearest integer, not beyond MOST. */
static inline quad rounded(quad x)
{
    const quad magic = splat(12582912.0f); /* 1.5 * 2^23: rounds to integer */
    const quad up = larger(x, splat(-MOST));
    return (-larger(-up, splat(-MOST)) + magic) - magic;
}

/* Weights `at` to at + 15 times `inverse`, zeros beyond k. */
static inline void load(const float *w, size_t k, size_t at, float inverse,
                        quad x[QUADS])
{
    float tail[CHUNK] = {0};
    const float *from = w + at;
    if (k - at < CHUNK) {
        memcpy(tail, from, (k - at) * sizeof *tail);
        from = tail;
    }
    for (int i = 0; i < QUADS; i++)
        x[i] = *(const quad *)(from + 4 * i) * inverse;
}

/* The largest absolute value; NaN when a weight is not finite. */
static float peak_of(const float *w, size_t k)
{
    quad peak = {0}, odd = {0}, x[QUADS];
    for (size_t at = 0; at < k; at += CHUNK) {
        load(w, k, at, 1, x);
        for (int i = 0; i < QUADS; i++) {
            peak = larger(absolute(x[i]), peak);
            odd += x[i] - x[i]; /* NaN for NaN and for infinity */
        }
    }
    return largest_of(peak) + sum_of(odd);
}

/* ---------------------------------------------------------- the rules -- */

/* Each pair's sum and each lane's, in absolute value: every one stands twice,
 * at both places of its pairs. */
static inline quad lane_sums(const quad x[QUADS])
{
    return pair_sums((absolute(x[0]) + absolute(x[1])) +
                     (absolute(x[2]) + absolute(x[3])));
}

static inline bool obeys(const quad q[QUADS])
{
    quad pair = {0};
    for (int i = 0; i < QUADS; i++)
        pair = larger(absolute(pair_sums(q[i])), pair);
    const iquad broken = (pair > (float)AKIN__PAIR_LIMIT) |
                         (lane_sums(q) > (float)AKIN__LANE_LIMIT);
    return !(broken[0] | broken[1] | broken[2] | broken[3]);
}

/* One off the value of `count` whose decrease costs least: the one that was
 * rounded up most, or cut down least. The costs are convex, so taking the
 * cheapest each time is the least squared error. */
static void cut_one(size_t count, float *q, const float *x)
{
    size_t best = 0;
    float most = -2 * MOST;
    for (size_t i = 0; i < count; i++) {
        const float over = fabsf(q[i]) - fabsf(x[i]);
        if (q[i] != 0 && over > most) {
            most = over;
            best = i;
        }
    }
    q[best] -= q[best] > 0 ? 1.0f : -1.0f;
}

static void obey_in_lane(float q[LANE], const float x[LANE])
{
    float sum = 0;
    for (size_t i = 0; i < LANE; i += 2) {
        while (fabsf(q[i] + q[i + 1]) > AKIN__PAIR_LIMIT)
            cut_one(2, q + i, x + i);
        sum += fabsf(q[i]) + fabsf(q[i + 1]);
    }
    for (; sum > AKIN__LANE_LIMIT; sum--)
        cut_one(LANE, q, x);
}

static void obey(quad q[QUADS], const quad x[QUADS])
{
    for (int lane = 0; lane < 2; lane++) {
        float part[LANE], wanted[LANE];
        for (int i = 0; i < LANE; i++) {
            part[i] = q[i / 2][2 * lane + i % 2];
            wanted[i] = x[i / 2][2 * lane + i % 2];
        }
        obey_in_lane(part, wanted);
        for (int i = 0; i < LANE; i++)
            q[i / 2][2 * lane + i % 2] = part[i];
    }
}

static inline void fit(const quad x[QUADS], size_t group, quad q[QUADS])
{
    for (int i = 0; i < QUADS; i++)
        q[i] = rounded(x[i]);
    if (group && !obeys(q))
        obey(q, x);
}

/* ---------------------------------------------------------- the scale -- */

/* The finest scale at which nothing breaks a rule, as its inverse. `unit`
 * times the largest weight is MOST. */
static float safe_inverse(const float *w, size_t k, float unit)
{
    quad pair = {0}, lane = {0}, x[QUADS];
    for (size_t at = 0; at < k; at += CHUNK) {
        load(w, k, at, unit, x);
        for (int i = 0; i < QUADS; i++)
            pair = larger(absolute(pair_sums(x[i])), pair);
        lane = larger(lane_sums(x), lane);
    }
    float shrink = 1;
    if (largest_of(pair) > AKIN__PAIR_LIMIT)
        shrink = AKIN__PAIR_LIMIT / largest_of(pair);
    if (largest_of(lane) * shrink > AKIN__LANE_LIMIT)
        shrink = AKIN__LANE_LIMIT / largest_of(lane);
    return unit * shrink;
}

/* The squared error at a scale, in units of 1 / inverse. */
static float error_at(const float *w, size_t k, size_t group, float inverse)
{
    quad error = {0}, x[QUADS], q[QUADS];
    for (size_t at = 0; at < k; at += CHUNK) {
        load(w, k, at, inverse, x);
        fit(x, group, q);
        for (int i = 0; i < QUADS; i++)
            error += (x[i] - q[i]) * (x[i] - q[i]);
    }
    return sum_of(error);
}

/*
 * From a little coarser than safe to finer and finer, until cutting down costs
 * clearly more than rounding less can save. The error jumps about from scale
 * to scale, so small steps find a better one than theory foretells: 1.33 % of
 * the weights of trained layers, where steps of 20 % leave 1.42 %.
 */
static float best_inverse(const float *w, size_t k, size_t group, float unit)
{
    enum { TRIED = 64 };
    static const float first = 0.95f, ratio = 1.02f, enough = 1.15f;
    if (!group)
        return unit;
    float step = first, best = first, least = INFINITY;
    const float safe = safe_inverse(w, k, unit);
    for (int i = 0; i < TRIED; i++, step *= ratio) {
        const float error = error_at(w, k, group, safe * step) / (step * step);
        if (error > least * enough)
            break;
        if (error < least) {
            least = error;
            best = step;
        }
    }
    return safe * best;
}

/* ----------------------------------------------------------- together -- */

/* What the errors so far do to the products with the common inputs. */
struct errors {
    quad sum[AKIN__COMMON / 4];
};

/* By how much a weight is to differ, half a step at most: it goes to one of the
 * two values beside it. An input that the common ones say nothing of then
 * meets errors no more than twice as large. */
static inline float made_up(const struct errors *errors,
                            const float share[AKIN__COMMON])
{
    quad sum = {0};
    for (int i = 0; i < AKIN__COMMON / 4; i++)
        sum += errors->sum[i] * *(const quad *)(share + 4 * i);
    const float all = sum_of(sum);
    const float most = 0.5f, some = all < most ? all : most;
    return some > -most ? some : -most;
}

static inline void add_error(struct errors *errors,
                             const float error[AKIN__COMMON], float times)
{
    for (int i = 0; i < AKIN__COMMON / 4; i++)
        errors->sum[i] += *(const quad *)(error + 4 * i) * times;
}

/* A chunk that obeys the rules, from what its weights should be by now. */
static void fit_wanted(const quad x[QUADS], size_t count,
                       float share[][AKIN__COMMON], const struct errors *errors,
                       quad fitted[QUADS])
{
    quad wanted[QUADS];
    for (size_t i = 0; i < CHUNK; i++)
        wanted[i / 4][i % 4] =
            i < count ? x[i / 4][i % 4] - made_up(errors, share[i]) : 0;
    fit(wanted, 4, fitted);
}

/* One value of a chunk that obeys the rules, from what it is towards what is
 * wanted as far as they allow. */
static void approach(quad chunk[QUADS], size_t at, float wanted)
{
    const float now = chunk[at / 4][at % 4];
    const float step = wanted > now ? -1.0f : 1.0f;
    for (; wanted != now; wanted += step) {
        chunk[at / 4][at % 4] = wanted;
        if (obeys(chunk))
            return;
    }
    chunk[at / 4][at % 4] = now;
}

/* Columns side by side: what a weight is to be waits for the one before it in
 * its column, and a processor fills the wait with the others'. */
enum { STRIP = 8 };

struct column {
    const float *w; /* [k] */
    int8_t *q;      /* [k] */
    float inverse;
    struct errors errors;
    quad x[QUADS], fitted[QUADS]; /* of the chunk under way */
};

static inline void load_chunk(struct column *column, size_t k, size_t at,
                              size_t group, const struct akin__common *common)
{
    const size_t count = k - at < CHUNK ? k - at : CHUNK;
    load(column->w, k, at, column->inverse, column->x);
    if (group)
        fit_wanted(column->x, count, common->share + at, &column->errors,
                   column->fitted);
}

/* Weight `i` of the chunk, which is weight `at` of the column. */
static inline void round_one(struct column *column, size_t i, size_t at,
                             size_t group, const struct akin__common *common)
{
    const float given = column->x[i / 4][i % 4];
    const float wanted = given - made_up(&column->errors, common->share[at]);
    const float nearest = rounded(splat(wanted))[0];
    if (group)
        approach(column->fitted, i, nearest);
    const float got = group ? column->fitted[i / 4][i % 4] : nearest;
    add_error(&column->errors, common->error[at], got - given);
    column->q[at] = (int8_t)got;
}

/* Weight by weight, each rounded so that it makes up for its share of the
 * errors before it (Frantar et al. 2023, GPTQ, for inputs that share few
 * directions). Where lanes have rules, all of a chunk first obey them and then
 * each weight goes as far towards what is wanted as the others leave room. */
static void quantize_together(size_t columns, struct column column[STRIP],
                              size_t k, size_t group,
                              const struct akin__common *common)
{
    for (size_t at = 0; at < k; at += CHUNK) {
        const size_t count = k - at < CHUNK ? k - at : CHUNK;
        for (size_t c = 0; c < columns; c++)
            load_chunk(&column[c], k, at, group, common);
        for (size_t i = 0; i < count; i++)
            for (size_t c = 0; c < columns; c++)
                round_one(&column[c], i, at + i, group, common);
    }
}

/* Each weight for itself; returns the scale that fits best. */
static float quantize_apart(const float *w, size_t k, size_t group,
                            float inverse, int8_t *q)
{
    quad x[QUADS], fitted[QUADS], both = {0}, square = {0};
    for (size_t at = 0; at < k; at += CHUNK) {
        load(w, k, at, inverse, x);
        fit(x, group, fitted);
        const size_t count = k - at < CHUNK ? k - at : CHUNK;
        for (size_t i = 0; i < count; i++)
            q[at + i] = (int8_t)fitted[i / 4][i % 4];
        for (int i = 0; i < QUADS; i++) {
            both += x[i] * fitted[i];
            square += fitted[i] * fitted[i];
        }
    }
    return sum_of(both) / sum_of(square) / inverse;
}

/* Up to STRIP columns. */
static void quantize_strip(size_t columns, size_t k, const float *w, size_t ld,
                           size_t group, const struct akin__common *common,
                           int8_t *q, float *scale)
{
    struct column together[STRIP];
    size_t count = 0;
    for (size_t c = 0; c < columns; c++) {
        const float *from = w + c * ld;
        int8_t *to = q + c * k;
        const float peak = peak_of(from, k);
        if (!(peak >= least_peak)) {
            memset(to, 0, k);
            scale[c] = isnan(peak) ? NAN : 0;
            continue;
        }
        const float inverse = best_inverse(from, k, group, MOST / peak);
        if (common) {
            together[count++] =
                (struct column){.w = from, .q = to, .inverse = inverse};
            scale[c] = 1 / inverse;
        } else {
            scale[c] = quantize_apart(from, k, group, inverse, to);
        }
    }
    quantize_together(count, together, k, group, common);
}

void akin__quantize(size_t columns, size_t k, const float *w, size_t ld,
                    size_t group, const struct akin__common *common, int8_t *q,
                    float *scale)
{
    for (size_t at = 0; at < columns; at += STRIP) {
        const size_t left = columns - at;
        quantize_strip(left < STRIP ? left : STRIP, k, w + at * ld, ld, group,
                       common, q + at * k, scale + at);
    }
}

/* ------------------------------------------------------------- panels -- */

/* 4 bytes of column q at `at`, zeros beyond k. */
static inline void four(const int8_t *q, size_t k, size_t at, int8_t to[4])
{
    memset(to, 0, 4);
    if (at < k)
        memcpy(to, q + at, k - at < 4 ? k - at : 4);
}

/* A lane's products are of bytes that are 128 too large: it starts at what
 * that is too much. In int16, wrapped, as the tile's sums are. */
static void pack_starts(size_t cols, size_t k, size_t at, const int8_t *q,
                        int8_t *to)
{
    for (size_t j = 0; j < cols; j++) {
        int sum[2] = {0, 0};
        for (size_t i = at; i < at + CHUNK && i < k; i++)
            sum[i / 2 % 2] += q[j * k + i];
        for (int lane = 0; lane < 2; lane++) {
            const uint16_t start = (uint16_t)(-128 * sum[lane]);
            memcpy(to + 4 * j + 2 * lane, &start, 2);
        }
    }
}

void akin__pack_int8(size_t cols, size_t k, size_t group, const int8_t *q,
                     void *panel)
{
    int8_t *to = panel;
    for (size_t at = 0; at < k; at += CHUNK) {
        if (group) {
            pack_starts(cols, k, at, q, to);
            to += 4 * cols;
        }
        for (size_t i = at; i < at + CHUNK; i += 4) {
            for (size_t j = 0; j < cols; j++, to += 4)
                four(q + j * k, k, i, to);
        }
    }
}
