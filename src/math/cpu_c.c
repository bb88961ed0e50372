/* Kernels for any x86-64 (SSE2), and the reference for the others. */
#define KERNELS_TABLE akin__kernels_c
#define KERNELS_NAME  "c"
#define LANES         4
#define TILE_ROWS     4
#define TILE_VECTORS  2
#include "math/kernels_body.h"
