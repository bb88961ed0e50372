/* Resize: Pillow's resampling of 8-bit RGB, to the last bit. */
#ifndef AKIN_IMAGE_RESIZE_H
#define AKIN_IMAGE_RESIZE_H

#include <stddef.h>
#include <stdint.h>

#include "akin.h"

/* Pillow's numbers, which preprocessor_config.json uses. */
enum akin__filter {
    AKIN__LANCZOS = 1,
    AKIN__BILINEAR = 2,
    AKIN__BICUBIC = 3,
    AKIN__BOX = 4,
    AKIN__HAMMING = 5
};

/* Memory that grows to the largest picture and is used again. Zero it first;
 * one thread at a time. */
struct akin__scratch {
    uint8_t *bytes; /* [capacity] */
    size_t capacity;
};
/* At least `bytes` of it, what was in it lost; NULL when memory is short. */
uint8_t *akin__scratch_grow(struct akin__scratch *scratch, size_t bytes);
void akin__scratch_free(struct akin__scratch *scratch);

/* A picture resized to width x height, and of it the window that is wanted. */
struct akin__resize {
    uint32_t width, height;
    uint32_t left, top, window_width, window_height; /* within the above */
    enum akin__filter filter;
};

/*
 * `out` [window_height][out_stride]: the window, 3 bytes a pixel. Only what the
 * window needs is computed. AKIN_ENOMEM.
 */
akin_status akin__resize(const akin_image *image,
                         const struct akin__resize *resize,
                         struct akin__scratch *scratch, uint8_t *out,
                         size_t out_stride, akin_error *err);

#endif
