/* Resize kernels for AVX-512: a group of five pixels is one register. */
#define KERNELS_TABLE akin__resize_avx512
#define KERNELS_LEVEL AKIN__CPU_AVX512
#define LANES         16
#define ROWS          8
#define WIDEN(p)      _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)(p)))
#include "image/resize_body.h"
