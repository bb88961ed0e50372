/*
 * Session: one stream through a model, a few pictures at a time.
 *
 * The network runs on several pictures at once (a batch) where that is faster;
 * the vector of a picture has the same bits in any batch. A picture is placed
 * in a slot first, and may be freed then; the network runs over the slots
 * later. akin.h has the way without slots.
 */
#ifndef AKIN_EMBED_SESSION_H
#define AKIN_EMBED_SESSION_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "akin.h"

/* The slots of a session of this model, 1 or more. */
size_t akin__model_batch(const akin_model *model);

/* What the model's network sees of the picture into `slot`. */
akin_status akin__session_place(akin_session *session, size_t slot,
                                const akin_image *image,
                                akin_error *err) AKIN_MUST_CHECK;

/* `vectors` [count][dim] of the slots below `count`, 1 or more; whether they
 * are finite is for the caller to see. An error is the card's, AKIN_EIO or
 * AKIN_ENOMEM: the CPU has none. */
akin_status akin__session_run(akin_session *session, size_t count,
                              float *vectors, akin_error *err) AKIN_MUST_CHECK;

/* Damaged weights give vectors that are not. */
static inline bool akin__is_finite(const float *vector, size_t dim)
{
    for (size_t i = 0; i < dim; i++)
        if (!isfinite(vector[i]))
            return false;
    return true;
}

#endif
