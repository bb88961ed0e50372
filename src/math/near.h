/*
 * Near: the inner products of many unit vectors with many others, as bytes, and
 * how far each may be off.
 *
 * Vectors become bytes x' with x = x' + e, so that
 *
 *   x y - x' y' = e_x y' + x e_y,   at most |e_x| (1 + |e_y|) + |e_y|
 *
 * by Cauchy and Schwarz. The lengths of e are measured, not guessed, so what
 * lies below a threshold by more than that is below it for certain, whatever
 * the vectors are, and the rest is for someone with the floats to decide.
 *
 * Left is what a block of rows is as A of akin__gemm, right what rows are as B:
 * panels that are filled once and used by all blocks.
 *
 * Threads: filling different columns or blocks, and products, may run side by
 * side.
 */
#ifndef AKIN_MATH_NEAR_H
#define AKIN_MATH_NEAR_H

#include <stddef.h>
#include <stdint.h>

#include "akin.h"

/* Rows of a left block, and columns of a product: the products of a block, as
 * floats, stay in the second-level cache. A multiple of every tile's columns.
 */
enum { AKIN__NEAR = 256 };

struct akin__kernels;

struct akin__near_left {
    const struct akin__kernels *kernels;
    size_t count, dim, ld;
    uint8_t *bytes;           /* [AKIN__NEAR][ld] */
    float scale[AKIN__NEAR];  /* [count] */
    int32_t zero[AKIN__NEAR]; /* [count] */
    float error;              /* the longest |e| */
};

struct akin__near_right {
    const struct akin__kernels *kernels;
    size_t count, dim;
    void *panels; /* of akin__gemm */
    float *scale; /* [count] */
    int32_t *sum; /* [count] */
    float *error; /* [count / AKIN__NEAR, rounded up]: the longest |e| */
};

/* AKIN_ENOMEM, AKIN_EUSAGE (AKIN_CPU); on failure nothing is left to free.
 * Closing twice is nothing. */
akin_status akin__near_left_open(struct akin__near_left *left, size_t dim,
                                 akin_error *err);
void akin__near_left_close(struct akin__near_left *left);
akin_status akin__near_right_open(struct akin__near_right *right, size_t count,
                                  size_t dim, akin_error *err);
void akin__near_right_close(struct akin__near_right *right);

/* Bytes that `count` rows take on the right; about count * dim. */
size_t akin__near_right_bytes(size_t count, size_t dim);

/* Fill with `count` <= AKIN__NEAR rows of length 1 or 0, [count][dim]. */
void akin__near_left_fill(struct akin__near_left *left, const float *rows,
                          size_t count);
/* Fill columns [at, at + count), `at` a multiple of AKIN__NEAR, count at most
 * that and as much as there is. */
akin_status akin__near_right_fill(struct akin__near_right *right, size_t at,
                                  const float *rows, size_t count,
                                  akin_error *err);

/*
 * products [left->count][AKIN__NEAR]: of the left rows and the right ones
 * [at, at + *columns), *columns at most AKIN__NEAR. None is further off than
 * *reach.
 */
void akin__near_products(const struct akin__near_left *left,
                         const struct akin__near_right *right, size_t at,
                         float *products, size_t *columns, float *reach);

#endif
