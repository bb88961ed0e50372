/* Kernels for AVX2 with FMA and AVX-VNNI. */
#include "math/simd_avx2.h"
#include "math/tiles.h"

#define KERNELS_TABLE akin__kernels_avxvnni
#define KERNELS_NAME  "avxvnni"
#define KERNELS_PATH  "avx2"
#define TILES_F32     TILES_AVX2_F32
#define TILES_INT8    TILES_AVXVNNI
#define FAST_BF16     false
#include "math/kernels_body.h"
