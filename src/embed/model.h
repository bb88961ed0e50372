/* Model: what akin_model is, for the session that runs it. */
#ifndef AKIN_EMBED_MODEL_H
#define AKIN_EMBED_MODEL_H

#include "akin.h"
#include "base/hash.h"
#include "image/preprocess.h"
#include "model/network.h"
#include "model/place.h"

struct akin_model {
    struct akin__weights_place place;
    struct akin__preprocess preprocess;
    struct akin__network *network;
    akin_exif exif;
    akin_decode decode;
    char fingerprint[2 * AKIN__SHA256_BYTES + 1];
};

#endif
