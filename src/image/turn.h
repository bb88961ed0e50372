/* Turn: a picture as stored -> upright. */
#ifndef AKIN_IMAGE_TURN_H
#define AKIN_IMAGE_TURN_H

#include "akin.h"

/*
 * Write `from`, turned as EXIF orientation 1 to 8 says, into `to`, which has
 * its pixels and the size that this gives (sides swapped from 5 on).
 */
void akin__turn(akin_image *to, const akin_image *from, uint32_t orientation);

#endif
