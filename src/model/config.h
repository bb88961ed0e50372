/*
 * Config: config.json of a model folder, read as transformers reads it.
 *
 * A key that is missing has the default of transformers' config class, not a
 * guess from the weights.
 */
#ifndef AKIN_MODEL_CONFIG_H
#define AKIN_MODEL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "akin.h"
#include "math/kernels.h"

enum akin__family { AKIN__CLIP, AKIN__DINOV2 };

struct akin__config {
    enum akin__family family;
    size_t width, heads, layers, mlp; /* mlp: hidden features of a block */
    size_t image, patch;              /* the size the positions were made for */
    size_t registers;                 /* DINOv2 with registers, else 0 */
    size_t projection;                /* CLIP: numbers in a vector */
    float eps;
    enum akin__activation activation;
    bool swiglu; /* DINOv2 giant */
    bool qkv_bias;
    bool backbone;  /* Dinov2Backbone, Dinov2WithRegistersBackbone: patch
                       tokens after the last block */
    bool last_norm; /* the final LayerNorm is applied */
    /* CLIP's text tower: */
    bool text;
    size_t vocabulary; /* tokens that there are */
    size_t context;    /* tokens that a text may have */
    int32_t end;       /* the token whose place becomes the vector; below 0:
                          the first of the largest number */
};

/* Read `path`. AKIN_EMODEL when it is a model that akin does not know. */
akin_status akin__config_read(struct akin__config *config, const char *path,
                              akin_error *err);
/* The same of the text tower; AKIN_EUSAGE when the model has none. */
akin_status akin__config_read_text(struct akin__config *config,
                                   const char *path, akin_error *err);

#endif
