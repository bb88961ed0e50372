/*
 * Tiles: the innermost loops of a GEMM, in assembly, by instruction set.
 *
 * A tile multiplies a few rows of A by one panel of B over all of k that it is
 * given. Both are read in steps of 4 bytes of k: 1 float, 2 bf16 or 4 bytes of
 * int8. A table holds a tile for each number of rows; all tiles of a table sum
 * in the same order, so that a row's sums have the same bits in each of them.
 *
 * Panels of the tiles of 16 columns, 64-byte aligned:
 *   float32            [k][16] float
 *   int8 (VNNI)        [k / 4][16][4] int8_t
 *   int8 (AVX2)        [k / 16] x { [16][2] int16_t, [4][16][4] int8_t }
 * The int16 of AVX2's int8 panels are the start values of lanes, and their
 * weights obey the rules of group 4: see quantize.h, which writes both.
 *
 * int8 tiles take A as bytes 1 to 255. Their sums are exact: sum(a * b) with
 * VNNI, sum((a - 128) * b) with AVX2.
 *
 * Threads: tiles touch only what they are given.
 */
#ifndef AKIN_MATH_TILES_H
#define AKIN_MATH_TILES_H

#include <stddef.h>

/*
 * sums [rows][columns] (float, or int32_t for int8) = A x B.
 *
 * a: rows `lda` bytes apart, a multiple of 4; steps * 4 bytes of each are read
 * b: a panel; steps of it are read
 * steps: a multiple of AKIN__TILE_STEPS, not 0
 * sums: 64-byte aligned
 * next: where memory lies that is wanted soon: a line of 64 bytes is
 *       prefetched from there for each 4 steps. Any address will do.
 */
typedef void akin__tile(const void *a, size_t lda, const void *b, size_t steps,
                        void *sums, const void *next);

enum { AKIN__TILE_STEPS = 4 };

/* By number of rows; [0] is NULL. Those of avx2.S have 16 columns, those of
 * avx512.S 32. */
extern akin__tile *const akin__tiles_avx2_f32[7];
extern akin__tile *const akin__tiles_avx2_int8[7];
extern akin__tile *const akin__tiles_avxvnni_int8[7];
extern akin__tile *const akin__tiles_avx512_f32[15];
extern akin__tile *const akin__tiles_avx512_bf16[15];
extern akin__tile *const akin__tiles_avx512_int8[15];

/* The same as kernel tables take them in: struct akin__tiles. */
#define TILES_AVX2_F32                                                         \
    {                                                                          \
        "avx2", 6, 16, 0, akin__tiles_avx2_f32                                 \
    }
#define TILES_AVX2_INT8                                                        \
    {                                                                          \
        "avx2", 6, 16, 4, akin__tiles_avx2_int8                                \
    }
#define TILES_AVXVNNI                                                          \
    {                                                                          \
        "avxvnni", 6, 16, 0, akin__tiles_avxvnni_int8                          \
    }
#define TILES_AVX512_F32                                                       \
    {                                                                          \
        "avx512", 14, 32, 0, akin__tiles_avx512_f32                            \
    }
#define TILES_AVX512_BF16                                                      \
    {                                                                          \
        "avx512bf16", 14, 32, 0, akin__tiles_avx512_bf16                       \
    }
#define TILES_AVX512_INT8                                                      \
    {                                                                          \
        "avx512vnni", 14, 32, 0, akin__tiles_avx512_int8                       \
    }

#endif
