/* Kernels for AVX-512F: 28 sums and 2 columns in 32 registers, A broadcast
 * from memory by the multiply itself. */
#define KERNELS_TABLE akin__kernels_avx512
#define KERNELS_NAME  "avx512"
#define LANES         16
#define TILE_ROWS     14
#define TILE_VECTORS  2
#include "math/kernels_body.h"
