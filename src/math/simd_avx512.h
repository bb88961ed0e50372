/* What kernels_body.h takes from AVX-512 by name, where compilers find slower
 * ways by themselves. */
#include <immintrin.h>

#define LANES 16

/* a > b ? a : b, so that a NaN in b stays. */
#define LARGER(a, b)  ((vec)_mm512_max_ps((__m512)(a), (__m512)(b)))
#define SMALLER(a, b) ((vec)_mm512_min_ps((__m512)(a), (__m512)(b)))
/* 1 / x from 14 bits, to be refined. */
#define ABOUT_RECIPROCAL(x) ((vec)_mm512_rcp14_ps((__m512)(x)))
