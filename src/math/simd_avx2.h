/* What kernels_body.h takes from AVX2 by name, where compilers find slower
 * ways by themselves. */
#include <immintrin.h>

#define LANES 8

/* a > b ? a : b, so that a NaN in b stays. */
#define LARGER(a, b)  ((vec)_mm256_max_ps((__m256)(a), (__m256)(b)))
#define SMALLER(a, b) ((vec)_mm256_min_ps((__m256)(a), (__m256)(b)))
