/* Kernels for AVX-512 with VNNI and BF16. */
#include "math/simd_avx512.h"
#include "math/tiles.h"

#define KERNELS_TABLE akin__kernels_avx512bf16
#define KERNELS_NAME  "avx512bf16"
#define KERNELS_PATH  "avx512"
#define TILES_F32     TILES_AVX512_F32
#define TILES_BF16    TILES_AVX512_BF16
#define TILES_INT8    TILES_AVX512_INT8
/* To nearest even in one instruction; what is denormal becomes 0. */
#define NARROW(v) ((hvec)_mm512_cvtneps_pbh((__m512)(v)))
#define FAST_BF16 true
#include "math/kernels_body.h"
