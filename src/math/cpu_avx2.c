/* Kernels for AVX2 + FMA: 12 sums, 2 columns and 1 broadcast fill the 16
 * registers. */
#define KERNELS_TABLE akin__kernels_avx2
#define KERNELS_NAME  "avx2"
#define LANES         8
#define TILE_ROWS     6
#define TILE_VECTORS  2
#include "math/kernels_body.h"
