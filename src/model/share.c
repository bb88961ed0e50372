/* Share (share.h): the shapes that a block has. */
#include "model/share.h"

#include "math/pace.h"

akin_status akin__network_share(const struct akin__network *network,
                                double seconds, double *share, akin_error *err)
{
    const struct akin__config *c = &network->config;
    const size_t m = network->tokens, mlp = c->mlp;
    const struct akin__shape shape[] = {
        {m, c->width, 3 * c->width},
        {m, c->width, c->width},
        {m, c->width, c->swiglu ? 2 * mlp : mlp},
        {m, mlp, c->width},
    };
    return akin__gemm_share(network->kernels, network->precision, shape,
                            sizeof shape / sizeof *shape, seconds, share, err);
}
