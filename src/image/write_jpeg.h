/* Write: a picture as JPEG. */
#ifndef AKIN_IMAGE_WRITE_JPEG_H
#define AKIN_IMAGE_WRITE_JPEG_H

#include <stddef.h>

#include "akin.h"

/*
 * `image` in memory as a baseline JPEG of `quality` 1 to 100 (libjpeg's scale),
 * colour at half the size, with Huffman tables of its own; integers alone, so
 * the same bytes with every processor. *bytes [*count] is freed by akin__free.
 * AKIN_ENOMEM; AKIN_ELIMIT above the 65,500 pixels a side that JPEG has.
 */
akin_status akin__write_jpeg(const akin_image *image, int quality,
                             unsigned char **bytes, size_t *count,
                             akin_error *err);

#endif
