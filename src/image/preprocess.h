/*
 * Preprocess: upright RGB pixels -> a model's input, as transformers' Pillow
 * processors do it, to the last bit: resize, centre crop, rescale, normalise.
 */
#ifndef AKIN_IMAGE_PREPROCESS_H
#define AKIN_IMAGE_PREPROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "akin.h"
#include "base/text.h"
#include "image/resize.h"

/* What preprocessor_config.json says. Immutable once read: share it. */
struct akin__preprocess {
    uint32_t width, height; /* of the model's input */
    bool resize;
    enum akin__filter filter;
    uint32_t shortest_edge;               /* or 0, and then: */
    uint32_t resize_width, resize_height; /* whatever the picture's shape */
    bool rescale, normalize;
    double rescale_factor, mean[3], std[3];
    float value[3][256]; /* what a byte becomes in each channel */
};

/*
 * Read `whole`, a processor_config.json that has an image_processor, as
 * transformers 5 writes it, else `path`, preprocessor_config.json of either
 * age; where there is no such file, what `family` ("clip" or "dinov2") does.
 * `whole` may be NULL. AKIN_EMODEL for what akin cannot do as asked, with the
 * path.
 */
akin_status akin__preprocess_read(struct akin__preprocess *preprocess,
                                  const char *whole, const char *path,
                                  const char *family, akin_error *err);

/* Every value that decides a pixel, the same text for the same result. */
void akin__preprocess_describe(const struct akin__preprocess *preprocess,
                               struct akin__text *text);

/* Working memory, grown to the largest picture and used again. Zero it first;
 * one thread at a time. */
struct akin__preprocess_scratch {
    struct akin__scratch resize, window;
};
void akin__preprocess_scratch_free(struct akin__preprocess_scratch *scratch);

/*
 * `pixels` [3][height][width] of the picture. AKIN_ENOMEM; AKIN_ELIMIT for a
 * picture so thin that it would be resized beyond 2^31 pixels a side.
 */
akin_status akin__preprocess_run(const struct akin__preprocess *preprocess,
                                 const akin_image *image,
                                 struct akin__preprocess_scratch *scratch,
                                 float *pixels, akin_error *err);

/* The same before bytes become values: `bytes` [height][width][3], and where
 * the picture does not reach a byte is 0. */
akin_status akin__preprocess_bytes(const struct akin__preprocess *preprocess,
                                   const akin_image *image,
                                   struct akin__preprocess_scratch *scratch,
                                   uint8_t *bytes, akin_error *err);

#endif
