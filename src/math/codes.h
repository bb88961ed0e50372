/*
 * Codes: vectors as bytes, for a first look at very many of them.
 *
 * A vector of length 1 is first spread, that is, turned by a fixed orthogonal
 * transform, so that no number stands out; then each number x becomes the byte
 * 128 + x / scale, rounded, of 1 to 255, with the largest at the end of that
 * range. A product of a spread query with codes is close to the cosine: an
 * error of a rounding is anywhere within half a step, independent of the
 * others, so that their sum has a standard deviation of scale / sqrt(12).
 *
 * All results are the same bits on every processor, but for
 * akin__code_batch_scores.
 *
 * Threads: pure functions; what is prepared may be shared.
 */
#ifndef AKIN_MATH_CODES_H
#define AKIN_MATH_CODES_H

#include <stddef.h>
#include <stdint.h>

#include "akin.h"

struct akin__kernels;

/* Six standard deviations of a rounding, in steps: 6 / sqrt(12). */
#define AKIN__CODE_REACH 1.7320508f

/* Turn x [dim] in place: its length, and its products with what is turned
 * alike, stay but for float's rounding. */
void akin__spread(size_t dim, float *x);

/* Codes [dim] of a spread x; the scale comes back, 0 for zeros. */
float akin__encode(size_t dim, const float *x, uint8_t *codes);

/* A number for position `i` that looks random: what spreading and checks
 * draw from. */
static inline uint32_t akin__scatter(uint32_t i)
{
    i = (i ^ i >> 16) * 0x85ebca6bu;
    i = (i ^ i >> 13) * 0xc2b2ae35u;
    return i ^ i >> 16;
}

/* How many bytes akin__kernels.byte_sums reads for n of them. */
static inline size_t akin__byte_span(size_t n)
{
    return (n + 31) / 32 * 32;
}

/* One query, in steps so fine that only the codes' rounding counts. */
struct akin__code_query {
    int16_t *numbers; /* [akin__byte_span], zero beyond dim */
    int32_t zero;     /* what a vector of zeros sums up to */
    float scale;      /* of a number */
};

/* `unit` [dim] into query->numbers [span]. */
void akin__code_query_make(struct akin__code_query *query, const float *unit,
                           size_t dim, size_t span);

/* The product that a sum of byte_sums stands for. */
static inline float akin__code_score(const struct akin__code_query *query,
                                     uint32_t sum, float scale)
{
    const int32_t product = (int32_t)(sum - (uint32_t)query->zero);
    return query->scale * scale * (float)product;
}

/* Several queries, as a matrix that codes are multiplied with. */
struct akin__code_batch {
    const struct akin__kernels *kernels;
    size_t dim, count;
    void *panels;
    float *column_scale; /* [count] */
    int32_t *column_sum; /* [count] */
    int32_t *zero;       /* [AKIN__CODE_ROWS], what stands for 0 in a code */
    float *reach;        /* [count]: how far a score may be off by the query's
                            own rounding, six deviations */
};

/* Rows that are multiplied at a time. */
enum { AKIN__CODE_ROWS = 64 };

/* `units` [count][dim] prepared; AKIN_ENOMEM. */
akin_status akin__code_batch_make(struct akin__code_batch *batch,
                                  const struct akin__kernels *kernels,
                                  const float *units, size_t count, size_t dim,
                                  akin_error *err);
void akin__code_batch_free(struct akin__code_batch *batch);

/*
 * scores [rows][count], rows <= AKIN__CODE_ROWS: the products of codes, records
 * `stride` bytes apart (a multiple of 4) with scale [rows], with each query. Of
 * each record dim bytes rounded up to a multiple of 16 are read.
 */
void akin__code_batch_scores(const struct akin__code_batch *batch, size_t rows,
                             const uint8_t *records, size_t stride,
                             float *scale, float *scores);

#endif
