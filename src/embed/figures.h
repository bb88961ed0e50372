/* Figures: what was published of a model, against what akin makes of it. */
#ifndef AKIN_EMBED_FIGURES_H
#define AKIN_EMBED_FIGURES_H

#include "akin.h"

/* Recompute the figures of `model`, opened in float32, with both towers where
 * it is CLIP and pool mean where it is DINOv2, whatever its weights are. */
akin_status akin__figures_run(const akin_model *model,
                              const akin_figures_options *options,
                              akin_error *err);

#endif
