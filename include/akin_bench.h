/*
 * akin_bench: how fast a model is on this machine, and how true.
 *
 * akin.h's rules hold here.
 */
#ifndef AKIN_BENCH_H
#define AKIN_BENCH_H

#include "akin.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct akin_bench_options {
    size_t size;
    int threads;             /* 0: all processors */
    double seconds;          /* for the network and for the files; 0: 0.5 */
    const char *const *file; /* [files] pictures to be read, one after another
                                and again from the first */
    size_t files;            /* 0: only the network is measured */
} akin_bench_options;

/* Images a second that all threads together do; 0: not measured. */
typedef struct akin_bench {
    double read;     /* a file's bytes, from the system's cache if they are
                        there */
    double decode;   /* bytes to upright pixels */
    double resize;   /* pixels to the network's input */
    double network;  /* input to vector, from made inputs in memory */
    double pipeline; /* file to vector: all of these in a row, as they are done
                        for an index without an akin_decoder's process */
    double gemm_share;   /* the matrix products of this model on one core, as a
                            share of the processor's measured peak at this
                            precision; 0: not known */
    const char *kernels; /* of the products: "c", "avx2", "avx512vnni", ..., on
                            a card "cuda": a constant */
    int threads;
} akin_bench;

/* Measure a model once, for a few seconds. Take turns between what is to be
 * compared and keep the best. Errors: of akin_image_read and akin_embed_image.
 */
AKIN_API akin_status akin_bench_run(const akin_model *model,
                                    const akin_bench_options *options,
                                    akin_bench *bench,
                                    akin_error *err) AKIN_MUST_CHECK;

/* How close vectors come to those they stand for. */
typedef struct akin_closeness {
    size_t images;
    double cosine_min, cosine_mean; /* of each image's two vectors */
    double cosine_p01;   /* of a hundred images one is at most so close */
    size_t same_nearest; /* images whose nearest neighbour among the others, by
                            cosine, is the same for both; an equally near one
                            counts. 0 with a single image */
} akin_closeness;

/*
 * Compare `vectors` [count][dim] with `reference` [count][dim], row by row, by
 * up to `threads` threads (0: all processors). count * count * dim operations.
 * AKIN_EUSAGE when count is 0; AKIN_ENOMEM.
 */
AKIN_API akin_status akin_closeness_of(const float *vectors,
                                       const float *reference, size_t count,
                                       size_t dim, int threads,
                                       akin_closeness *closeness,
                                       akin_error *err) AKIN_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
