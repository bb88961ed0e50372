/* EXIF: the one thing akin reads of it, which way is up. */
#ifndef AKIN_IMAGE_EXIF_H
#define AKIN_IMAGE_EXIF_H

#include <stddef.h>
#include <stdint.h>

/*
 * The orientation, 1 to 8, in a TIFF structure `bytes` [count] (an EXIF block
 * without its "Exif\0\0"); 1 where there is none or it makes no sense.
 */
uint32_t akin__exif_orientation(const uint8_t *bytes, size_t count);

#endif
