/* Parts: what an open model is made of, for what runs or measures them. */
#ifndef AKIN_EMBED_PARTS_H
#define AKIN_EMBED_PARTS_H

#include "akin.h"
#include "image/preprocess.h"
#include "model/card.h"
#include "model/network.h"

/* They live as long as the model. The network for pictures and that for texts:
 * NULL where it was not opened. */
const struct akin__network *akin__model_network(const akin_model *model);
const struct akin__network *akin__model_reader(const akin_model *model);
const struct akin__preprocess *akin__model_preprocess(const akin_model *model);
/* NULL where the network for pictures runs on the CPU. With it that network has
 * no weights here. */
const struct akin__card *akin__model_card(const akin_model *model);

/* AKIN_EUSAGE when the model was opened without what is needed. */
akin_status akin__need_images(const akin_model *model, akin_error *err);
akin_status akin__need_texts(const akin_model *model, akin_error *err);

#endif
