/*
 * Resize kernels: the two sums that a resize is made of, once for every
 * instruction set; integers, so that each gives the same bits.
 *
 * Every output byte is clip((2^21 + sum of weight * byte) >> 22).
 */
#ifndef AKIN_IMAGE_RESIZE_KERNELS_H
#define AKIN_IMAGE_RESIZE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "base/cpu.h"

enum {
    AKIN__RESIZE_BITS = 32 - 8 - 2 /* of a weight behind the point */
};

/* How a table filters across: `block` pixels of the result at a time, each as
 * groups of `group` pixels of the source. */
struct akin__across {
    uint32_t block, group;
    uint32_t bytes; /* read of a group, whether the row has them or not */
    uint32_t room;  /* int32 that the weights of a block's group take */
};

/* The pixels of a row that is filtered: pixel i is made of group * groups
 * pixels from start[i] on, many of weight 0. */
struct akin__taps {
    uint32_t count, groups;
    const uint32_t *start; /* [count, up to a whole block] */
    const int32_t *weight; /* [blocks][groups][room], as `lay` laid them */
};

struct akin__resize_kernels {
    enum akin__cpu level; /* that this table needs */
    struct akin__across how;

    /* weights[groups * how.group] of pixel `in_block` -> `block`
     * [groups][room]. */
    void (*lay)(int32_t *block, uint32_t in_block, uint32_t groups,
                const int32_t *weights);

    /* `rows` rows, each out [taps->count][3] from in [..][3]. */
    void (*across)(size_t rows, uint8_t *out, size_t out_stride,
                   const uint8_t *in, size_t in_stride,
                   const struct akin__taps *taps);

    /* One row, out [bytes], from `count` rows in [count][stride]. */
    void (*down)(size_t bytes, uint8_t *out, const uint8_t *in, size_t stride,
                 size_t count, const int32_t *weight);
};

extern const struct akin__resize_kernels akin__resize_c;
#if defined(__x86_64__)
extern const struct akin__resize_kernels akin__resize_avx2;
extern const struct akin__resize_kernels akin__resize_avx512;
extern const struct akin__resize_kernels akin__resize_avx512vnni;
#endif

#endif
