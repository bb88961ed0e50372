/* What kernels_body.h takes from AVX2 by name, where compilers find slower
 * ways by themselves. */
#include <immintrin.h>

#define LANES 8

/* a > b ? a : b, so that a NaN in b stays. */
#define LARGER(a, b)  ((vec)_mm256_max_ps((__m256)(a), (__m256)(b)))
#define SMALLER(a, b) ((vec)_mm256_min_ps((__m256)(a), (__m256)(b)))

/* 16 bytes as int16, and their products with 16 numbers, pairs summed, on top
 * of `sum`. */
#define WIDEN_BYTES(p)                                                         \
    ((ivec)_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(p))))
#define ADD_PRODUCTS(sum, wide, p)                                             \
    ((ivec)_mm256_add_epi32(                                                   \
        (__m256i)(sum),                                                        \
        _mm256_madd_epi16((__m256i)(wide),                                     \
                          _mm256_loadu_si256((const __m256i *)(p)))))
/* The lanes added up, modulo 2^32. */
#define SUM_OF_INTS(v) sum_of_ints((__m256i)(v))
static inline unsigned sum_of_ints(__m256i v)
{
    __m128i x = _mm_add_epi32(_mm256_castsi256_si128(v),
                              _mm256_extracti128_si256(v, 1));
    x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4e));
    x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0xb1));
    return (unsigned)_mm_cvtsi128_si32(x);
}
