/*
 * Plugin: what libakin-cuda.so does for the library, as a table of functions.
 *
 * akin itself neither links nor needs CUDA: load.c finds this library at run
 * time, where it was built and a card is at hand. It sees no model folder, no
 * index and no file, only numbers.
 *
 * Shapes: D = width, T = tokens = skip + rows * cols, skip = class token and
 * registers. Host memory is the caller's and is read before a call returns.
 * Threads: every function may be called from any thread; one network or table
 * of rows may be used by several at a time, but is closed by one when the
 * others are done.
 * Errors: AKIN_ENOMEM when the card's memory is too little, AKIN_EUSAGE for
 * what the card or its driver cannot do, else AKIN_EIO: the card failed.
 */
#ifndef AKIN_MATH_CUDA_PLUGIN_H
#define AKIN_MATH_CUDA_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "akin.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Raised whenever anything below changes: the plugin is of the same build. */
enum { AKIN__CUDA_ABI = 1 };

/* A card as it is now. */
struct akin__cuda_card {
    int number;            /* as CUDA counts them, from 0 */
    char name[256];        /* "NVIDIA H100 80GB HBM3" */
    int major, minor;      /* compute capability */
    int driver, runtime;   /* CUDA versions, 13000 for 13.0 */
    uint64_t memory, free; /* bytes */
};

/* A linear layer as torch.nn.Linear keeps it. */
struct akin__cuda_linear {
    const float *w;    /* [n][k] */
    const float *bias; /* [n], or NULL */
    size_t n, k;       /* n 0: there is none */
};

struct akin__cuda_norm {
    const float *w, *b; /* [D]; NULL: there is none */
};

struct akin__cuda_block {
    struct akin__cuda_norm norm1, norm2;
    struct akin__cuda_linear q, kv;         /* n = D and 2D: keys, values */
    struct akin__cuda_linear out;           /* n = D */
    struct akin__cuda_linear gates, values; /* fc1; values: SwiGLU's, else
                                               n 0 */
    struct akin__cuda_linear fc2;           /* k = mlp */
    const float *out_scale, *fc2_scale;     /* [D], or NULL for 1 */
};

enum akin__cuda_activation { /* as enum akin__activation numbers them */
                             AKIN__CUDA_LINEAR,
                             AKIN__CUDA_GELU,      /* by erf */
                             AKIN__CUDA_QUICK_GELU /* x / (1 + exp(-1.702 x)) */
};

/* A network for pictures; everything it points to may go when it is open. */
struct akin__cuda_spec {
    bool bf16; /* factors of GEMMs and attention; else
                  float32 throughout, never TF32 */
    size_t width, heads, layers, mlp;
    size_t patch, rows, cols;         /* pixels of a patch's side; patches */
    size_t pixel_height, pixel_width; /* of an input */
    size_t skip, dim;                 /* class and registers; of a vector */
    float eps;
    enum akin__cuda_activation activation;
    bool swiglu;
    /* The vector: class token, or the mean of the tokens [first, end) of the
     * final norm's output, projected where there is a projection. */
    bool pool_class;
    size_t pool_first, pool_end;
    const float (*value)[256];        /* [3]: what a byte becomes */
    const float *start;               /* [T][D] */
    struct akin__cuda_linear patches; /* k = 3 * patch * patch */
    struct akin__cuda_norm before, last;
    struct akin__cuda_linear projection;
    const struct akin__cuda_block *block; /* [layers] */
};

struct akin__cuda_network;
struct akin__cuda_rows;

struct akin__cuda_plugin {
    int abi; /* AKIN__CUDA_ABI */

    /* How many cards there are, 1 or more; AKIN_EUSAGE says why there is none:
     * no driver, an old one, no card. */
    akin_status (*count)(int *cards, akin_error *err);
    /* Whether card `number` serves, and what it is. */
    akin_status (*card)(int number, struct akin__cuda_card *card,
                        akin_error *err);

    akin_status (*network_open)(struct akin__cuda_network **network, int card,
                                const struct akin__cuda_spec *spec,
                                akin_error *err);
    void (*network_close)(struct akin__cuda_network **network);
    /* Pictures that go through it together at most. */
    size_t (*network_batch)(const struct akin__cuda_network *network);
    /* bytes: [count][pixel_height][pixel_width][3], count up to the batch,
     * best in memory of pinned_alloc; vectors: [count][dim]. A picture has the
     * same vector, bit for bit, in any company. */
    akin_status (*network_run)(struct akin__cuda_network *network, size_t count,
                               const uint8_t *bytes, float *vectors,
                               akin_error *err);
    /* For tests: the patches of one picture as the first GEMM takes them,
     * [rows * cols][3 * patch * patch], widened to float. */
    akin_status (*network_patches)(struct akin__cuda_network *network,
                                   const uint8_t *bytes, float *patches,
                                   akin_error *err);

    /* Memory that copies reach the card from without a detour; NULL: none. */
    void *(*pinned_alloc)(size_t bytes);
    void (*pinned_free)(void *memory);

    /* Rows in a card's memory, as bf16. `most`: all that will be put. */
    akin_status (*rows_open)(struct akin__cuda_rows **rows, int card,
                             size_t most, size_t dim, akin_error *err);
    void (*rows_close)(struct akin__cuda_rows **rows);
    /* vectors [count][dim] behind those that are there. */
    akin_status (*rows_put)(struct akin__cuda_rows *rows, size_t count,
                            const float *vectors, akin_error *err);
    /* The k rows of largest inner product, as bf16, with each query
     * [count][dim], in any order, of equal ones the first: place and score
     * [count][k]; found and reach [count]: how many, and how far a score of any
     * row may be from its product in float32. The same whatever the count but
     * for what rounding does. mask: a bit for each row, 1 to let it pass, or
     * NULL for all. */
    akin_status (*rows_nearest)(struct akin__cuda_rows *rows,
                                const float *queries, size_t count, size_t k,
                                const uint32_t *mask, uint32_t *place,
                                float *score, size_t *found, float *reach,
                                akin_error *err);
};

/* The one symbol that the plugin exports. */
AKIN_API const struct akin__cuda_plugin *akin_cuda_plugin(void);

#ifdef __cplusplus
}
#endif
#endif
