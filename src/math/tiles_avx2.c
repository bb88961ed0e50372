/* The tables of the tiles in tiles_avx2.S. */
#include "math/tiles.h"

#define TILES(name)                                                            \
    akin__tile akin__##name##_1, akin__##name##_2, akin__##name##_3,           \
        akin__##name##_4, akin__##name##_5, akin__##name##_6;                  \
    akin__tile *const akin__tiles_##name[7] = {NULL,                           \
                                               akin__##name##_1,               \
                                               akin__##name##_2,               \
                                               akin__##name##_3,               \
                                               akin__##name##_4,               \
                                               akin__##name##_5,               \
                                               akin__##name##_6}

TILES(avx2_f32);
TILES(avx2_int8);
TILES(avxvnni_int8);
