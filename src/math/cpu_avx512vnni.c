/* Kernels for AVX-512 with VNNI. */
#include "math/simd_avx512.h"
#include "math/tiles.h"

#define KERNELS_TABLE akin__kernels_avx512vnni
#define KERNELS_NAME  "avx512vnni"
#define KERNELS_PATH  "avx512"
#define TILES_F32     TILES_AVX512_F32
#define TILES_INT8    TILES_AVX512_INT8
#define FAST_BF16     false
#include "math/kernels_body.h"
