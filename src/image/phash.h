/* Perceptual hash: 256 bits that stay nearly the same when a picture is scaled,
 * saved again or lightly edited. base/likeness.h compares them. */
#ifndef AKIN_IMAGE_PHASH_H
#define AKIN_IMAGE_PHASH_H

#include "akin.h"
#include "base/likeness.h"

/* The hash of `image`; all zero for one without structure: of one colour or of
 * straight stripes. */
void akin__phash(const akin_image *image, uint8_t hash[AKIN__HASH_BYTES]);

#endif
