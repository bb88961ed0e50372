/* Kernels for any processor (on x86-64: SSE2), and the reference for the
 * others. */
#define KERNELS_TABLE akin__kernels_c
#define KERNELS_NAME  "c"
#define KERNELS_PATH  "c"
#define LANES         4
#define FAST_BF16     false
#include "math/kernels_body.h"
