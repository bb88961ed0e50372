/*
 * Forward: pixels or words through a network, one stream at a time.
 *
 * A stream is scratch memory for up to `batch` images, or as many texts of the
 * longest kind, taken once. A vector does not depend on what else is in the
 * batch.
 */
#ifndef AKIN_MODEL_FORWARD_H
#define AKIN_MODEL_FORWARD_H

#include <stddef.h>

#include "akin.h"
#include "model/network.h"

struct akin__stream;

akin_status akin__stream_open(struct akin__stream **stream,
                              const struct akin__network *network, size_t batch,
                              akin_error *err);
void akin__stream_close(struct akin__stream **stream);

/* From now on, call `see` before each GEMM: m rows of `a` times `b`. For
 * calibrate.c. */
typedef void akin__see(void *context, const struct akin__packed *b, size_t m,
                       const struct akin__left *a);
void akin__stream_watch(struct akin__stream *stream, akin__see *see,
                        void *context);

/* pixels: [count][3][height][width], count <= batch; vectors: [count][dim].
 * Allocates nothing. Threads: one at a time for a stream. */
void akin__stream_run(struct akin__stream *stream, size_t count,
                      const float *pixels, float *vectors);

/* What the last run left of its first image: DINOv2's last_hidden_state [T][D],
 * where the pool takes more than the class token. */
const float *akin__stream_tokens(const struct akin__stream *stream);

/*
 * Texts, of a text network: ids of one after the other, each up to the token
 * whose place becomes the vector; lengths [count], together at most batch *
 * tokens. vectors: [count][dim]. The errors are those of reading the weights:
 * AKIN_EIO, AKIN_EFORMAT.
 */
akin_status akin__stream_read(struct akin__stream *stream, size_t count,
                              const int32_t *ids, const size_t *lengths,
                              float *vectors, akin_error *err);

#endif
