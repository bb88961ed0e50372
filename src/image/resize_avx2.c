/* Resize kernels for AVX2: 8 sums, 1 weight and 1 product in 16 registers. */
#define KERNELS_TABLE akin__resize_avx2
#define KERNELS_LEVEL AKIN__CPU_AVX2
#define LANES         8
#define ROWS          4
#define WIDEN(p)      _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)(p)))
#include "image/resize_body.h"
