/* Card (card.h): a plain network as the plugin's spec. */
#include "model/card.h"

#include "base/error.h"
#include "base/memory.h"

struct akin__card {
    const struct akin__cuda_plugin *plugin;
    struct akin__cuda_network *network;
};

akin_status akin__card_room(const struct akin__cuda_card *card,
                            const struct akin__config *config,
                            akin_precision precision, akin_error *err)
{
    const uint64_t d = config->width, mlp = config->mlp;
    const uint64_t block = 4 * d * d + (config->swiglu ? 3 : 2) * d * mlp;
    const uint64_t need =
        (config->layers * block + 3 * config->patch * config->patch * d +
         config->projection * d) *
        (precision == AKIN_PRECISION_F32 ? 4 : 2);
    if (need <= card->free)
        return AKIN_OK;
    return akin__fail(err, AKIN_ENOMEM,
                      "cuda:%d (%s) has %llu MB of memory free, the weights "
                      "alone need %llu MB: end other programs there",
                      card->number, card->name,
                      (unsigned long long)(card->free / 1000000),
                      (unsigned long long)(need / 1000000 + 1));
}

static struct akin__cuda_linear linear(const struct akin__packed *w,
                                       const float *bias)
{
    return (struct akin__cuda_linear){
        .w = w->panels, .bias = bias, .n = w->n, .k = w->k};
}

static void fill_block(struct akin__cuda_block *to,
                       const struct akin__network *n,
                       const struct akin__block *b)
{
    const struct akin__mlp_part *part = b->part;
    const size_t d = n->config.width;
    *to = (struct akin__cuda_block){
        .norm1 = {b->norm1_w, b->norm1_b},
        .norm2 = {b->norm2_w, b->norm2_b},
        .q = linear(&b->q, b->qkv_b),
        .kv = linear(&b->kv, b->qkv_b ? b->qkv_b + d : NULL),
        .out = linear(&b->out, b->out_b),
        .gates = linear(&part->fc1, b->fc1_b),
        .fc2 = linear(&part->fc2, b->fc2_b),
        .out_scale = b->out_scale,
        .fc2_scale = b->fc2_scale};
    if (n->config.swiglu)
        to->values = linear(&part->side, b->fc1_b + n->config.mlp);
}

/* Without its blocks. */
static struct akin__cuda_spec spec_of(const struct akin__network *n,
                                      const float (*value)[256])
{
    static const enum akin__cuda_activation names[] = {
        [AKIN__LINEAR] = AKIN__CUDA_LINEAR,
        [AKIN__GELU] = AKIN__CUDA_GELU,
        [AKIN__QUICK_GELU] = AKIN__CUDA_QUICK_GELU};
    const struct akin__config *c = &n->config;
    const size_t skip = 1 + c->registers;
    return (struct akin__cuda_spec){
        .bf16 = n->precision == AKIN_PRECISION_BF16,
        .width = c->width,
        .heads = c->heads,
        .layers = c->layers,
        .mlp = c->mlp,
        .patch = c->patch,
        .rows = n->rows,
        .cols = n->cols,
        .pixel_height = n->height,
        .pixel_width = n->width,
        .skip = skip,
        .dim = n->dim,
        .eps = c->eps,
        .activation = names[c->activation],
        .swiglu = c->swiglu,
        .pool_class = n->pool == AKIN_POOL_CLS,
        .pool_first = n->pool == AKIN_POOL_PATCHES ? skip : 0,
        .pool_end = n->pool == AKIN_POOL_CLS ? 1 : n->tokens,
        .value = value,
        .start = n->start,
        .patches = linear(&n->patch, n->patch_b),
        .before = {n->before_w, n->before_b},
        .last = {n->last_w, n->last_b},
        .projection = linear(&n->projection, NULL)};
}

akin_status akin__card_open(struct akin__card **out,
                            const struct akin__cuda_plugin *plugin, int number,
                            const struct akin__network *network,
                            const float (*value)[256], akin_error *err)
{
    const size_t layers = network->config.layers;
    struct akin__cuda_spec spec = spec_of(network, value);
    struct akin__cuda_block *blocks = akin__calloc(layers, sizeof *blocks);
    struct akin__card *card = akin__calloc(1, sizeof *card);
    akin_status status = AKIN_OK;
    *out = NULL;
    AKIN_CHECK(blocks && card, err, AKIN_ENOMEM, "no memory for a card");
    for (size_t i = 0; i < layers; i++)
        fill_block(&blocks[i], network, &network->blocks[i]);
    spec.block = blocks;
    card->plugin = plugin;
    AKIN_TRY(plugin->network_open(&card->network, number, &spec, err));
    *out = card;
    card = NULL;
out:
    akin__free(blocks);
    akin__free(card);
    return status;
}

void akin__card_close(struct akin__card **card)
{
    if (!*card)
        return;
    (*card)->plugin->network_close(&(*card)->network);
    akin__free(*card);
    *card = NULL;
}

size_t akin__card_batch(const struct akin__card *card)
{
    return card->plugin->network_batch(card->network);
}

akin_status akin__card_run(const struct akin__card *card, size_t count,
                           const uint8_t *bytes, float *vectors,
                           akin_error *err)
{
    return card->plugin->network_run(card->network, count, bytes, vectors, err);
}

bool akin__card_alloc(const struct akin__card *card, size_t bytes,
                      struct akin__card_memory *memory)
{
    memory->give = card->plugin->pinned_free;
    memory->bytes = card->plugin->pinned_alloc(bytes);
    if (!memory->bytes) { /* copies take a detour then */
        memory->give = akin__free;
        memory->bytes = akin__alloc_aligned(bytes, 1);
    }
    return memory->bytes != NULL;
}

void akin__card_free(struct akin__card_memory *memory)
{
    if (memory->bytes)
        memory->give(memory->bytes);
    memory->bytes = NULL;
}
