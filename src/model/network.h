/*
 * Network: a transformer with its weights packed for this processor.
 *
 * CLIP's two towers and DINOv2 are one network here; where they differ is
 * written where it happens (norm before the first block, layer scale,
 * activation, registers, who sees whom, which tokens become the vector).
 *
 * Shapes: D = width, T = tokens = 1 + registers + patches, or the most that a
 * text may have, H = heads.
 * Threads: immutable once open; each thread runs its own stream (forward.h).
 */
#ifndef AKIN_MODEL_NETWORK_H
#define AKIN_MODEL_NETWORK_H

#include <stddef.h>
#include <stdint.h>

#include "akin.h"
#include "math/gemm.h"
#include "model/config.h"
#include "model/weights.h"

/* A slice of a block's MLP, of up to AKIN__MLP_PART hidden features: what lies
 * between fc1 and fc2 of a slice stays in the cache, and so does A of fc2. */
struct akin__mlp_part {
    struct akin__packed fc1;  /* [D][features]; SwiGLU: the gates */
    struct akin__packed side; /* [D][features]: SwiGLU's values, else n 0 */
    struct akin__packed fc2;  /* [features][D] */
};
enum { AKIN__MLP_PART = 768 };

struct akin__block {
    const float *norm1_w, *norm1_b; /* [D] */
    struct akin__packed q, kv;      /* [D][D], [D][2D]: k and v side by side */
    const float *qkv_b;             /* [3D] or NULL */
    struct akin__packed out;        /* [D][D] */
    const float *out_b, *out_scale; /* [D]; scale NULL for CLIP */
    const float *norm2_w, *norm2_b; /* [D] */
    const float *fc1_b;             /* [mlp]; SwiGLU: gates, then values */
    const float *fc2_b, *fc2_scale; /* [D]; scale NULL for CLIP */
    struct akin__mlp_part *part;    /* [parts] */
};

struct akin__network {
    struct akin__config config;
    const struct akin__kernels *kernels;
    akin_pool pool; /* resolved, never the default */
    akin_precision precision;
    bool plain;                       /* weights as in the file: below */
    size_t height, width;             /* pixels of an input */
    size_t rows, cols, tokens;        /* patches down and across; T */
    size_t dim;                       /* numbers in a vector */
    struct akin__packed patch;        /* [3 P P][D] */
    const float *patch_b;             /* [D] or NULL */
    float *start;                     /* [T][D]: each token before its patch's
                                         pixels or its word are added: class and
                                         position */
    const float *before_w, *before_b; /* [D]: CLIP's norm before block 0 */
    const float *last_w, *last_b;     /* [D]: the final norm, or NULL */
    struct akin__packed projection;   /* CLIP: [D][dim] */
    struct akin__block *blocks;       /* [config.layers] */
    struct akin__mlp_part *mlp;       /* [config.layers][parts] */
    size_t parts;
    void *memory;       /* all of the weights above */
    uint8_t digest[32]; /* SHA-256 over the tensors as stored; not of a text
                           tower, whose vectors no index keeps */
    /* A text tower: */
    const struct akin__weights *weights; /* for the embedding, whose rows are
                                            read when they are needed */
    const float *logit_scale;            /* [1]: what CLIP multiplies cosines
                                            by, as a logarithm */
};
#define AKIN__TOKEN_TABLE "text_model.embeddings.token_embedding.weight"

/*
 * Build the network for inputs of height x width pixels. `pool` is for DINOv2;
 * CLIP's vector is its projected class token whatever is asked. Shapes are
 * checked against the config before memory for them is taken. A text tower (as
 * the config says) has no pixels, and the weights stay open as long as it is.
 * `plain` is for a card, which does not take panels: each matrix is float32
 * rows [n][k] whatever the precision, the MLP is in one part, and no stream
 * goes through the network. Errors: AKIN_EMODEL, AKIN_EUSAGE (a pool the model
 * does not have, AKIN_CPU), AKIN_ENOMEM, AKIN_EIO, AKIN_EFORMAT.
 */
akin_status akin__network_open(struct akin__network **network,
                               const struct akin__config *config,
                               const struct akin__weights *weights,
                               size_t height, size_t width, akin_pool pool,
                               akin_precision precision, bool plain,
                               int threads, akin_error *err);
void akin__network_close(struct akin__network **network);
/* Free the weights; the rest, what was read of config and the digest among it,
 * stays. */
void akin__network_shed(struct akin__network *network);

#endif
