/* Share (share.h): the shapes that a block has. */
#include "model/share.h"

#include "math/pace.h"

akin_status akin__network_share(const struct akin__network *network,
                                size_t batch, double seconds, double *share,
                                akin_error *err)
{
    const struct akin__block *block = &network->blocks[0];
    const struct akin__mlp_part *part = &block->part[0];
    const size_t m = batch * network->tokens, parts = network->parts;
    const struct akin__shape shape[] = {
        {m, block->q.k, block->q.n, 1},
        {m, block->kv.k, block->kv.n, 1},
        {m, block->out.k, block->out.n, 1},
        {m, part->fc1.k, part->fc1.n, part->side.n ? 2 * parts : parts},
        {m, part->fc2.k, part->fc2.n, parts},
    };
    return akin__gemm_share(network->kernels, network->precision, shape,
                            sizeof shape / sizeof *shape, seconds, share, err);
}
