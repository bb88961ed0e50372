/* EXIF: the two things akin reads of it, which way is up and when. */
#ifndef AKIN_IMAGE_EXIF_H
#define AKIN_IMAGE_EXIF_H

#include "image/decoder.h"

/*
 * Into decode->orientation and decode->taken what a TIFF structure `bytes`
 * [count] says (an EXIF block, its "Exif\0\0" may stand before it); what is not
 * there or makes no sense stays 1 and INT64_MIN.
 */
void akin__exif_read(struct akin__decode *decode, const uint8_t *bytes,
                     size_t count);
/* The date alone, for formats that say in another way which way is up. */
void akin__exif_date(struct akin__decode *decode, const uint8_t *bytes,
                     size_t count);

#endif
