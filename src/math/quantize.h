/*
 * Weights as bytes: a scale and int8 values per column, and their panels.
 *
 * Of `group` there are two kinds. 0 is free: any value from -127 to 127, for
 * processors with a dot product of bytes. 4 is for AVX2's tile, which adds
 * the products of 8 weights in int16 and stays exact where these obey two
 * rules. Within each 16 weights of a column, the 8 of a lane are those at
 * 4i + 2 lane and 4i + 2 lane + 1 for i = 0 to 3, two neighbours are a pair:
 *
 *   the absolute values of a lane add up to at most AKIN__LANE_LIMIT
 *   a pair of one sign adds up to at most AKIN__PAIR_LIMIT in absolute value
 *
 * Threads: pure functions.
 */
#ifndef AKIN_MATH_QUANTIZE_H
#define AKIN_MATH_QUANTIZE_H

#include <stddef.h>
#include <stdint.h>

enum {
    AKIN__LANE_LIMIT = 258, /* 127 * 258 <= 32767 */
    AKIN__PAIR_LIMIT = 128  /* 255 * 128 <= 32767 */
};

/*
 * What a matrix's inputs have in common, so that the errors of a column's
 * weights can cancel each other in the products: model/calibrate.c.
 */
enum { AKIN__COMMON = 16 };
struct akin__common {
    float (*error)[AKIN__COMMON]; /* [k]: what an error of 1 at a weight does to
                                     the products with the common inputs */
    float (*share)[AKIN__COMMON]; /* [k]: how far a weight makes up for that */
};

/*
 * Columns w [columns] of k weights each, ld apart, as q [columns][k] with scale
 * [columns], w ~ scale * q. A column beyond k counts as zeros for the rules.
 * Zeros give zeros and scale 0; a column that is not finite gives zeros and
 * scale NaN, so that what it touches shows it. `common` is NULL or [k]: NULL
 * rounds each weight for itself. A column's bits do not depend on the others.
 */
void akin__quantize(size_t columns, size_t k, const float *w, size_t ld,
                    size_t group, const struct akin__common *common, int8_t *q,
                    float *scale);

/*
 * Write q [cols][k] as a panel of k rounded up to a multiple of 16 (K below),
 * zeros beyond k: [K / 4][cols][4] bytes for group 0, and for group 4
 * [K / 16] x { [cols][2] int16_t start values, [4][cols][4] bytes }.
 */
void akin__pack_int8(size_t cols, size_t k, size_t group, const int8_t *q,
                     void *panel);

/* Bytes of that panel. The caller knows that k * cols * 2 fits a size_t. */
static inline size_t akin__packed_int8_bytes(size_t cols, size_t k,
                                             size_t group)
{
    return (k + 15) / 16 * cols * (group ? 20 : 16);
}

#endif
