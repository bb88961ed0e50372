/* Thumb: a small copy of a picture, as a JPEG for pages or as pixels. */
#ifndef AKIN_VIEW_THUMB_H
#define AKIN_VIEW_THUMB_H

#include <stddef.h>
#include <stdint.h>

#include "akin.h"

enum {
    AKIN__THUMB_SIDE = 320,  /* pixels at most; a page shows it at half */
    AKIN__THUMB_SMALL = 200, /* where there may be thousands */
    AKIN__THUMB_QUALITY = 82
};

struct akin__thumb {
    uint32_t width, height;
    unsigned char *jpeg; /* [bytes] */
    size_t bytes;
};

/*
 * The picture at `path` as the decoder gives it, no side longer than `most`, as
 * pixels, which akin__free frees. On failure nothing is owned.
 */
akin_status akin__thumb_shrink(akin_image *small, const char *path,
                               uint32_t most, akin_decoder *decoder,
                               akin_error *err);

/*
 * The same as a JPEG. On success akin__thumb_free it; on failure nothing is
 * owned.
 */
akin_status akin__thumb_read(struct akin__thumb *thumb, const char *path,
                             uint32_t most, akin_decoder *decoder,
                             akin_error *err);
void akin__thumb_free(struct akin__thumb *thumb);

#endif
