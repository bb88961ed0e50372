/*
 * Network: which tensor goes where.
 *
 * The layout is walked twice: first every tensor is looked up and checked and
 * its floats are counted, then one block of memory is taken and the tensors
 * are read, widened and packed into it by all threads.
 *
 * Names and formulas: transformers' modeling_clip.py, modeling_dinov2.py,
 * modeling_dinov2_with_registers.py; files keep these names whatever newer
 * versions call the modules.
 */
#include "model/network.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"
#include "model/positions.h"

enum { MAX_NAME = 128, MAX_PARTS = 3 };

/* One destination and the tensors, one after the other, that fill it. */
struct item {
    char part[MAX_PARTS][2 * MAX_NAME];
    size_t parts, floats;        /* floats of one part */
    float *plain;                /* vectors and tables, or */
    struct akin__packed *packed; /* matrices */
    uint8_t digest[32];
};

struct plan {
    struct akin__network *network;
    const struct akin__weights *weights;
    struct item *items; /* NULL on the first walk */
    size_t count, floats;
    char prefix[MAX_NAME]; /* of the block being laid out */
    akin_status status;    /* the first failure of the first walk */
    akin_error *err;
};

/* Memory for `floats`, on a 64-byte boundary; NULL on the first walk. */
static float *reserve(struct plan *plan, size_t floats)
{
    float *at = plan->items ? plan->network->memory + plan->floats : NULL;
    size_t rounded;
    if (!akin__add_ok(floats, 15, &rounded) ||
        !akin__add_ok(plan->floats, rounded / 16 * 16, &plan->floats))
        plan->status = akin__fail(plan->err, AKIN_EMODEL, "model too large");
    return at;
}

static struct item *add_item(struct plan *plan, size_t floats)
{
    struct item *item = plan->items ? &plan->items[plan->count] : NULL;
    plan->count++;
    if (item)
        item->floats = floats;
    return item;
}

/* The next part of `item`: the tensor prefix + name of shape [rank]. */
static void add_part(struct plan *plan, struct item *item, const char *name,
                     size_t rank, const size_t *shape)
{
    char full[2 * MAX_NAME];
    snprintf(full, sizeof full, "%s%s", plan->prefix, name);
    if (item)
        memcpy(item->part[item->parts++], full, sizeof full);
    else if (!plan->status)
        plan->status =
            akin__weights_check(plan->weights, full, rank, shape, plan->err);
}

/* A table of rank `rank`, kept as it is. */
static float *take_table(struct plan *plan, const char *name, size_t rank,
                         const size_t *shape)
{
    size_t floats = 1;
    for (size_t i = 0; i < rank; i++)
        floats *= shape[i]; /* bounded by config.c */
    struct item *item = add_item(plan, floats);
    add_part(plan, item, name, rank, shape);
    float *at = reserve(plan, floats);
    if (item)
        item->plain = at;
    return at;
}

/* A vector [n], or one made of up to three, given by a list that ends with
 * NULL. */
static const float *take_vector(struct plan *plan, size_t n,
                                const char *const *names)
{
    struct item *item = add_item(plan, n);
    size_t parts = 0;
    for (; names[parts]; parts++)
        add_part(plan, item, names[parts], 1, &n);
    float *at = reserve(plan, n * parts);
    if (item)
        item->plain = at;
    return at;
}

static const float *take_one(struct plan *plan, const char *name, size_t n)
{
    return take_vector(plan, n, (const char *const[]){name, NULL});
}

/* Linear layers [n][k] each, stacked along n, packed for x W^T. The weight's
 * shape may have more sides than two: a convolution's [n][c][p][p]. */
static void take_matrix(struct plan *plan, struct akin__packed *packed,
                        size_t rank, const size_t *shape,
                        const char *const *names)
{
    size_t k = 1, parts = 0;
    for (size_t i = 1; i < rank; i++)
        k *= shape[i];
    struct item *item = add_item(plan, shape[0] * k);
    for (; names[parts]; parts++)
        add_part(plan, item, names[parts], rank, shape);
    packed->k = k;
    packed->n = shape[0] * parts;
    packed->panels = reserve(plan, akin__packed_floats(plan->network->kernels,
                                                       packed->k, packed->n));
    if (item)
        item->packed = packed;
}

static void take_linear(struct plan *plan, struct akin__packed *packed,
                        const char *name, size_t n, size_t k)
{
    take_matrix(plan, packed, 2, (const size_t[]){n, k},
                (const char *const[]){name, NULL});
}

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void lay_clip_block(struct plan *plan, struct akin__block *b, size_t i)
{
    const struct akin__config *c = &plan->network->config;
    const size_t d = c->width;
    snprintf(plan->prefix, sizeof plan->prefix,
             "vision_model.encoder.layers.%zu.", i);
    b->norm1_w = take_one(plan, "layer_norm1.weight", d);
    b->norm1_b = take_one(plan, "layer_norm1.bias", d);
    take_matrix(plan, &b->qkv, 2, (const size_t[]){d, d},
                NAMES("self_attn.q_proj.weight", "self_attn.k_proj.weight",
                      "self_attn.v_proj.weight"));
    b->qkv_b =
        take_vector(plan, d,
                    NAMES("self_attn.q_proj.bias", "self_attn.k_proj.bias",
                          "self_attn.v_proj.bias"));
    take_linear(plan, &b->out, "self_attn.out_proj.weight", d, d);
    b->out_b = take_one(plan, "self_attn.out_proj.bias", d);
    b->norm2_w = take_one(plan, "layer_norm2.weight", d);
    b->norm2_b = take_one(plan, "layer_norm2.bias", d);
    take_linear(plan, &b->fc1, "mlp.fc1.weight", c->mlp, d);
    b->fc1_b = take_one(plan, "mlp.fc1.bias", c->mlp);
    take_linear(plan, &b->fc2, "mlp.fc2.weight", d, c->mlp);
    b->fc2_b = take_one(plan, "mlp.fc2.bias", d);
}

static void lay_dinov2_block(struct plan *plan, struct akin__block *b, size_t i)
{
    const struct akin__config *c = &plan->network->config;
    const size_t d = c->width, hidden = c->swiglu ? 2 * c->mlp : c->mlp;
    snprintf(plan->prefix, sizeof plan->prefix, "encoder.layer.%zu.", i);
    b->norm1_w = take_one(plan, "norm1.weight", d);
    b->norm1_b = take_one(plan, "norm1.bias", d);
    take_matrix(plan, &b->qkv, 2, (const size_t[]){d, d},
                NAMES("attention.attention.query.weight",
                      "attention.attention.key.weight",
                      "attention.attention.value.weight"));
    if (c->qkv_bias)
        b->qkv_b = take_vector(plan, d,
                               NAMES("attention.attention.query.bias",
                                     "attention.attention.key.bias",
                                     "attention.attention.value.bias"));
    take_linear(plan, &b->out, "attention.output.dense.weight", d, d);
    b->out_b = take_one(plan, "attention.output.dense.bias", d);
    b->out_scale = take_one(plan, "layer_scale1.lambda1", d);
    b->norm2_w = take_one(plan, "norm2.weight", d);
    b->norm2_b = take_one(plan, "norm2.bias", d);
    take_linear(plan, &b->fc1,
                c->swiglu ? "mlp.weights_in.weight" : "mlp.fc1.weight", hidden,
                d);
    b->fc1_b = take_one(
        plan, c->swiglu ? "mlp.weights_in.bias" : "mlp.fc1.bias", hidden);
    take_linear(plan, &b->fc2,
                c->swiglu ? "mlp.weights_out.weight" : "mlp.fc2.weight", d,
                c->mlp);
    b->fc2_b =
        take_one(plan, c->swiglu ? "mlp.weights_out.bias" : "mlp.fc2.bias", d);
    b->fc2_scale = take_one(plan, "layer_scale2.lambda1", d);
}

/* What the tokens start from, as it lies in the file. */
struct tables {
    float *class_token; /* [D] */
    float *positions;   /* [1 + side * side][D] */
    float *registers;   /* [registers][D] */
};

static void lay_clip(struct plan *plan, struct tables *tables)
{
    struct akin__network *n = plan->network;
    const size_t d = n->config.width, p = n->config.patch;
    const size_t side = n->config.image / p;
    snprintf(plan->prefix, sizeof plan->prefix, "vision_model.");
    take_matrix(plan, &n->patch, 4, (const size_t[]){d, 3, p, p},
                NAMES("embeddings.patch_embedding.weight"));
    tables->class_token = take_table(plan, "embeddings.class_embedding", 1, &d);
    tables->positions = take_table(plan, "embeddings.position_embedding.weight",
                                   2, (const size_t[]){1 + side * side, d});
    n->before_w =
        take_one(plan, "pre_layrnorm.weight", d); /* so in the files */
    n->before_b = take_one(plan, "pre_layrnorm.bias", d);
    n->last_w = take_one(plan, "post_layernorm.weight", d);
    n->last_b = take_one(plan, "post_layernorm.bias", d);
    plan->prefix[0] = 0;
    take_linear(plan, &n->projection, "visual_projection.weight",
                n->config.projection, d);
}

static void lay_dinov2(struct plan *plan, struct tables *tables)
{
    struct akin__network *n = plan->network;
    const size_t d = n->config.width, p = n->config.patch;
    const size_t side = n->config.image / p;
    plan->prefix[0] = 0;
    take_matrix(plan, &n->patch, 4, (const size_t[]){d, 3, p, p},
                NAMES("embeddings.patch_embeddings.projection.weight"));
    n->patch_b =
        take_one(plan, "embeddings.patch_embeddings.projection.bias", d);
    tables->class_token =
        take_table(plan, "embeddings.cls_token", 3, (const size_t[]){1, 1, d});
    tables->positions = take_table(plan, "embeddings.position_embeddings", 3,
                                   (const size_t[]){1, 1 + side * side, d});
    if (n->config.registers)
        tables->registers =
            take_table(plan, "embeddings.register_tokens", 3,
                       (const size_t[]){1, n->config.registers, d});
    if (n->config.last_norm) {
        n->last_w = take_one(plan, "layernorm.weight", d);
        n->last_b = take_one(plan, "layernorm.bias", d);
    }
}

static void lay_out(struct plan *plan, struct tables *tables)
{
    struct akin__network *n = plan->network;
    const bool clip = n->config.family == AKIN__CLIP;
    plan->count = plan->floats = 0;
    (clip ? lay_clip : lay_dinov2)(plan, tables);
    for (size_t i = 0; i < n->config.layers && !plan->status; i++)
        (clip ? lay_clip_block : lay_dinov2_block)(plan, &n->blocks[i], i);
    n->start = reserve(plan, n->tokens * n->config.width);
}

/* Read, hash and place one item; any thread. */
static akin_status load_item(void *context, size_t i, int thread,
                             akin_error *err)
{
    const struct plan *plan = context;
    struct item *item = &plan->items[i];
    struct akin__hash *hash = NULL;
    akin_status status = AKIN_OK;
    float *floats = item->plain;
    (void)thread;
    AKIN_TRY(akin__hash_open(&hash, AKIN__SHA256, err));
    if (item->packed)
        floats = akin__alloc(item->parts * item->floats, sizeof *floats);
    AKIN_CHECK(floats, err, AKIN_ENOMEM, "no memory for tensor %s",
               item->part[0]);
    for (size_t part = 0; part < item->parts; part++)
        AKIN_TRY(akin__weights_load(plan->weights, item->part[part],
                                    floats + part * item->floats, hash, err));
    if (item->packed)
        akin__pack(plan->network->kernels, item->packed, floats, 1,
                   item->packed->k);
out:
    akin__hash_close(&hash, item->digest);
    if (item->packed)
        akin__free(floats);
    return status;
}

static akin_status load(struct plan *plan, int threads, akin_error *err)
{
    struct akin__network *n = plan->network;
    struct akin__hash *hash = NULL;
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__parallel(threads, plan->count, load_item, plan, err));
    AKIN_TRY(akin__hash_open(&hash, AKIN__SHA256, err));
    for (size_t i = 0; i < plan->count; i++)
        akin__hash_add(hash, plan->items[i].digest, 32);
    akin__hash_close(&hash, n->digest);
out:
    return status;
}

/* start: class token + its position, registers, positions of the patches. */
static akin_status fill_start(struct akin__network *n,
                              const struct tables *tables, akin_error *err)
{
    const size_t d = n->config.width;
    const size_t side = n->config.image / n->config.patch;
    const float *patches = tables->positions + d;
    float *first = n->start + (1 + n->config.registers) * d;
    for (size_t i = 0; i < d; i++)
        n->start[i] = tables->class_token[i] + tables->positions[i];
    /* Registers come after the positions are added: they have none. */
    if (tables->registers)
        memcpy(n->start + d, tables->registers,
               n->config.registers * d * sizeof *first);
    if (n->rows == side && n->cols == side) {
        memcpy(first, patches, side * side * d * sizeof *first);
        return AKIN_OK;
    }
    return akin__positions_resample(patches, side, d, n->rows, n->cols,
                                    n->config.registers > 0, first, err);
}

static akin_status choose_pool(struct akin__network *n, akin_pool pool,
                               akin_error *err)
{
    n->pool = pool;
    if (n->config.family == AKIN__CLIP)
        n->pool = AKIN_POOL_CLS;
    else if (n->config.backbone && pool == AKIN_POOL_CLS)
        return akin__fail(err, AKIN_EUSAGE,
                          "a Dinov2Backbone's feature map "
                          "has no class token: pool mean or patches");
    else if (n->config.backbone) /* its feature map is the patches */
        n->pool = AKIN_POOL_PATCHES;
    else if (pool == AKIN_POOL_DEFAULT)
        n->pool = AKIN_POOL_MEAN;
    return AKIN_OK;
}

static akin_status check_input(const struct akin__network *n, akin_error *err)
{
    if (n->config.family == AKIN__CLIP &&
        (n->height != n->config.image || n->width != n->config.image))
        return akin__fail(err, AKIN_EMODEL,
                          "preprocessor_config.json gives %zu x %zu pixels, "
                          "config.json wants %zu x %zu",
                          n->width, n->height, n->config.image,
                          n->config.image);
    if (!n->rows || !n->cols)
        return akin__fail(err, AKIN_EMODEL,
                          "preprocessor_config.json gives %zu x %zu pixels, "
                          "a patch has %zu",
                          n->width, n->height, n->config.patch);
    return AKIN_OK;
}

static akin_status build(struct akin__network *n,
                         const struct akin__weights *weights, int threads,
                         akin_error *err)
{
    struct plan plan = {.network = n, .weights = weights, .err = err};
    struct tables tables = {0};
    akin_status status = AKIN_OK;
    n->blocks = akin__calloc(n->config.layers, sizeof *n->blocks);
    AKIN_CHECK(n->blocks, err, AKIN_ENOMEM, "no memory for %zu blocks",
               n->config.layers);
    lay_out(&plan, &tables);
    AKIN_TRY(plan.status);
    n->memory = akin__alloc_aligned(plan.floats, sizeof *n->memory);
    plan.items = akin__calloc(plan.count, sizeof *plan.items);
    AKIN_CHECK(n->memory && plan.items, err, AKIN_ENOMEM,
               "no memory for %zu numbers of weights", plan.floats);
    lay_out(&plan, &tables);
    AKIN_TRY(load(&plan, threads, err));
    AKIN_TRY(fill_start(n, &tables, err));
out:
    akin__free(plan.items);
    return status;
}

akin_status akin__network_open(struct akin__network **out,
                               const struct akin__config *config,
                               const struct akin__weights *weights,
                               size_t height, size_t width, akin_pool pool,
                               akin_precision precision, int threads,
                               akin_error *err)
{
    akin_status status = AKIN_OK;
    struct akin__network *n = akin__calloc(1, sizeof *n);
    *out = NULL;
    AKIN_CHECK(n, err, AKIN_ENOMEM, "no memory for a network");
    n->config = *config;
    n->precision = precision;
    n->height = height;
    n->width = width;
    n->rows = height / config->patch; /* as the convolution does: floor */
    n->cols = width / config->patch;
    n->tokens = 1 + config->registers + n->rows * n->cols;
    n->dim = config->family == AKIN__CLIP ? config->projection : config->width;
    n->kernels = akin__kernels(err);
    AKIN_TRY(n->kernels ? AKIN_OK : AKIN_EUSAGE);
    AKIN_TRY(choose_pool(n, pool, err));
    AKIN_TRY(check_input(n, err));
    AKIN_TRY(build(n, weights, threads, err));
    *out = n;
    n = NULL;
out:
    akin__network_close(&n);
    return status;
}

void akin__network_close(struct akin__network **network)
{
    if (!*network)
        return;
    akin__free((*network)->blocks);
    akin__free((*network)->memory);
    akin__free(*network);
    *network = NULL;
}
