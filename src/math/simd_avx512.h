/* What kernels_body.h takes from AVX-512 by name, where compilers find slower
 * ways by themselves. */
#include <immintrin.h>

#define LANES 16

/* a > b ? a : b, so that a NaN in b stays. */
#define LARGER(a, b)  ((vec)_mm512_max_ps((__m512)(a), (__m512)(b)))
#define SMALLER(a, b) ((vec)_mm512_min_ps((__m512)(a), (__m512)(b)))
/* 1 / x from 14 bits, to be refined. */
#define ABOUT_RECIPROCAL(x) ((vec)_mm512_rcp14_ps((__m512)(x)))

/* 32 bytes as int16, and their products with 32 numbers, pairs summed, on top
 * of `sum`. */
#define WIDEN_BYTES(p)                                                         \
    ((ivec)_mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)(p))))
#define ADD_PRODUCTS(sum, wide, p)                                             \
    ((ivec)_mm512_add_epi32(                                                   \
        (__m512i)(sum),                                                        \
        _mm512_madd_epi16((__m512i)(wide), _mm512_loadu_si512(p))))
/* The lanes added up, modulo 2^32. */
#define SUM_OF_INTS(v) ((unsigned)_mm512_reduce_add_epi32((__m512i)(v)))
