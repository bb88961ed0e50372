/* Share: how much of the processor a network's matrix products make use of. */
#ifndef AKIN_MODEL_SHARE_H
#define AKIN_MODEL_SHARE_H

#include "akin.h"
#include "model/network.h"

/* akin__gemm_share (math/pace.h) over the matrix products of one block with
 * `batch` images, made numbers in the place of weights. */
akin_status akin__network_share(const struct akin__network *network,
                                size_t batch, double seconds, double *share,
                                akin_error *err);

#endif
