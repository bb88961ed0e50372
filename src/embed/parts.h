/* Parts: what an open model is made of, for what runs or measures them. */
#ifndef AKIN_EMBED_PARTS_H
#define AKIN_EMBED_PARTS_H

#include "akin.h"
#include "image/preprocess.h"
#include "model/network.h"

/* Both live as long as the model. */
const struct akin__network *akin__model_network(const akin_model *model);
const struct akin__preprocess *akin__model_preprocess(const akin_model *model);

#endif
