/*
 * Calibrate: what the matrices of a network meet, so that 8 bits fit it.
 *
 * network.c asks for guides before it packs 8-bit weights; nothing of them is
 * kept. Threads: immutable once open.
 */
#ifndef AKIN_MODEL_CALIBRATE_H
#define AKIN_MODEL_CALIBRATE_H

#include <stdbool.h>
#include <stddef.h>

#include "akin.h"
#include "math/quantize.h"
#include "model/network.h"

/* The inputs of one matrix, or of several that share them. */
struct akin__guide {
    const struct akin__packed *matrix; /* of the network that was watched */
    size_t k;
    bool after_norm;
    float *smooth;              /* [k]: the inputs are to be divided by these,
                                   their weights multiplied; all 1 unless
                                   after_norm */
    struct akin__common common; /* of the inputs so divided */
};

/* The guides' numbers: 0 is the patches', then those of block after block. */
enum { AKIN__GUIDE_NORM1, AKIN__GUIDE_OUT, AKIN__GUIDE_NORM2, AKIN__GUIDE_FC2 };
static inline size_t akin__guide_number(size_t parts, size_t block,
                                        size_t which)
{
    return 1 + block * (AKIN__GUIDE_FC2 + parts) + which;
}

struct akin__guides {
    size_t count;
    struct akin__guide *guide; /* [count] */
    float *memory;
};

/* Watch `network`, which is float32, while it sees made pictures. The same
 * guides for any number of threads. Errors: AKIN_ENOMEM. */
akin_status akin__guides_open(struct akin__guides **guides,
                              const struct akin__network *network, int threads,
                              akin_error *err);
void akin__guides_close(struct akin__guides **guides);

#endif
