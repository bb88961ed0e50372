/* Kernels for AVX2 with FMA. */
#include "math/simd_avx2.h"
#include "math/tiles.h"

#define KERNELS_TABLE akin__kernels_avx2
#define KERNELS_NAME  "avx2"
#define KERNELS_PATH  "avx2"
#define TILES_F32     TILES_AVX2_F32
#define TILES_INT8    TILES_AVX2_INT8
#define FAST_BF16     false
#include "math/kernels_body.h"
