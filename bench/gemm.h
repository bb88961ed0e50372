/* GEMM by several hands: what gemm.c lets compete. */
#ifndef AKIN_BENCH_GEMM_H
#define AKIN_BENCH_GEMM_H

#include <stddef.h>
#include <stdint.h>

#include "math/kernels.h"

/* out [m][n] float32 = A [m][k] x weights [k][n] + bias; 8-bit factors are
 * scaled on the way. */
struct shape {
    size_t m, k, n;
};

struct contender {
    const char *name;
    /* A GEMM of random numbers for one thread, weights packed as it likes
     * best; NULL where it has none for that type and processor. `kernels` are
     * akin's, and what a peer's instructions are restricted to. */
    void *(*open)(const struct akin__kernels *kernels, akin_precision type,
                  const struct shape *shape);
    void (*run)(void *gemm);
    void (*close)(void *gemm);
};

extern const struct contender akin_contender;
#ifdef HAVE_ONEDNN
extern const struct contender onednn_matmul, onednn_inner_product;
#endif
#ifdef HAVE_LIBXSMM
extern const struct contender libxsmm_contender;
#endif

/* `count` floats, 64-byte aligned. Ends the program without memory. */
float *random_floats(size_t count);
/* Not cleared. */
void *aligned_bytes(size_t count);

#endif
