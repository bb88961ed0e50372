/*
 * Limits: what an untrusted picture may cost. The one table of them is in
 * limits.c; docs/limits.md holds the same table and a test compares the two.
 */
#ifndef AKIN_IMAGE_LIMITS_H
#define AKIN_IMAGE_LIMITS_H

#include "akin.h"
#include "base/text.h"

/* Limits of formats that no option lifts. */
enum {
    AKIN__EXIF_BYTES = 4 << 20,
    AKIN__EXIF_ENTRIES = 1000,
    AKIN__PNG_CHUNK_BYTES = 8 << 20,
    AKIN__PNG_MEMORY = 64 << 20,
    AKIN__PNG_CHUNKS = 1000,
    AKIN__WEBP_SIDE = 16383
};

/* `asked` (NULL: nothing) with the default for each member that is zero. */
akin_limits akin__limits(const akin_limits *asked);

/* The table of docs/limits.md, in Markdown. */
void akin__limits_table(struct akin__text *text);

#endif
