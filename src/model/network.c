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
#include "model/calibrate.h"
#include "model/positions.h"

enum { MAX_NAME = 128, MAX_PARTS = 3 };

/* A part of an item's rows and columns, packed as one matrix. */
struct piece {
    struct akin__packed *packed; /* its n rows of k columns */
    size_t row, column;          /* from here */
    size_t guide;                /* the number of its inputs' */
    struct piece *next;          /* of the same item */
};

/* One destination and the tensors, one after the other, that fill it. */
struct item {
    char part[MAX_PARTS][2 * MAX_NAME];
    size_t parts, floats; /* floats of one part */
    float *plain;         /* vectors and tables, or */
    size_t columns;       /* of a matrix */
    struct piece *pieces; /* that it is cut into */
    size_t smoothing;     /* number of the guide that smooths it, or 0 */
    uint8_t digest[32];
};

struct plan {
    struct akin__network *network;
    const struct akin__weights *weights;
    const struct akin__guides *guides; /* for 8 bits, else NULL */
    struct item *items;                /* NULL on the first walk */
    struct piece *pieces;
    size_t count, piece_count, bytes;
    bool hashed; /* for 8 bits the float32 network has hashed the same */
    char prefix[MAX_NAME]; /* of the block being laid out */
    akin_status status;    /* the first failure of the first walk */
    akin_error *err;
};

/* Memory for `bytes`, on a 64-byte boundary; NULL on the first walk. */
static void *reserve(struct plan *plan, size_t bytes)
{
    char *base = plan->network->memory;
    void *at = plan->items ? base + plan->bytes : NULL;
    size_t rounded;
    if (!akin__add_ok(bytes, 63, &rounded) ||
        !akin__add_ok(plan->bytes, rounded / 64 * 64, &plan->bytes))
        plan->status = akin__fail(plan->err, AKIN_EMODEL, "model too large");
    return at;
}

static float *reserve_floats(struct plan *plan, size_t floats)
{
    return reserve(plan, floats * sizeof(float)); /* bounded by config.c */
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
    float *at = reserve_floats(plan, floats);
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
    float *at = reserve_floats(plan, n * parts);
    if (item)
        item->plain = at;
    return at;
}

static const float *take_one(struct plan *plan, const char *name, size_t n)
{
    return take_vector(plan, n, (const char *const[]){name, NULL});
}

/* What guide `number` is to smooth; `item` may be NULL. */
static void smooth(struct item *item, size_t number)
{
    if (item)
        item->smoothing = number;
}

/* A weight or bias of a norm before a block's matrices. */
static const float *take_norm(struct plan *plan, const char *name, size_t block,
                              size_t which)
{
    const struct akin__network *n = plan->network;
    const size_t number = plan->count;
    const float *at = take_one(plan, name, n->config.width);
    smooth(plan->items ? &plan->items[number] : NULL,
           akin__guide_number(n->parts, block, which));
    return at;
}

/* Linear layers [n][k] each, stacked along n, for x W^T; `place` says where
 * they go. The weight's shape may have more sides than two: a convolution's
 * [n][c][p][p]. NULL on the first walk. */
static struct item *take_matrix(struct plan *plan, size_t rank,
                                const size_t *shape, const char *const *names)
{
    size_t k = 1;
    for (size_t i = 1; i < rank; i++)
        k *= shape[i];
    struct item *item = add_item(plan, shape[0] * k);
    for (size_t parts = 0; names[parts]; parts++)
        add_part(plan, item, names[parts], rank, shape);
    if (item)
        item->columns = k;
    return item;
}

/* Pack n rows and k columns of the item, from `row` and `column` on. Memory
 * lies in the order of these calls, which is that of use: while a matrix is
 * multiplied, what comes next is brought nearer (math/gemm.c). */
static void place(struct plan *plan, struct item *item,
                  struct akin__packed *packed, akin_precision type, size_t row,
                  size_t n, size_t column, size_t k, size_t guide)
{
    const struct akin__network *network = plan->network;
    if (network->plain)
        type = AKIN_PRECISION_F32;
    *packed = (struct akin__packed){.type = type, .k = k, .n = n};
    packed->panels =
        network->plain
            ? reserve_floats(plan, n * k)
            : reserve(plan, akin__packed_bytes(network->kernels, type, k, n));
    if (type == AKIN_PRECISION_INT8) {
        packed->column_scale = reserve_floats(plan, n);
        packed->column_sum = reserve(plan, n * sizeof(int32_t));
    }
    if (item) {
        struct piece *piece = &plan->pieces[plan->piece_count];
        *piece = (struct piece){packed, row, column, guide, item->pieces};
        item->pieces = piece;
    }
    plan->piece_count++;
}

static struct item *take_linear(struct plan *plan, const char *name, size_t n,
                                size_t k)
{
    return take_matrix(plan, 2, (const size_t[]){n, k},
                       (const char *const[]){name, NULL});
}

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The matrices of a block, as the forward pass takes them one by one. */
struct matrices {
    struct item *qkv, *out, *fc1, *fc2;
};

static void place_block(struct plan *plan, struct akin__block *b, size_t block,
                        const struct matrices *from)
{
    const struct akin__network *n = plan->network;
    const struct akin__config *c = &n->config;
    const size_t d = c->width;
    const akin_precision type = n->precision;
    const size_t guide = akin__guide_number(n->parts, block, 0);
    const size_t norm1 = guide + AKIN__GUIDE_NORM1;
    const size_t norm2 = guide + AKIN__GUIDE_NORM2;
    place(plan, from->qkv, &b->kv, type, d, 2 * d, 0, d, norm1);
    place(plan, from->qkv, &b->q, type, 0, d, 0, d, norm1);
    place(plan, from->out, &b->out, type, 0, d, 0, d, guide + AKIN__GUIDE_OUT);
    for (size_t i = 0; i < n->parts; i++) {
        const size_t most = n->plain ? c->mlp : AKIN__MLP_PART;
        const size_t at = i * AKIN__MLP_PART, left = c->mlp - at;
        const size_t m = left < most ? left : most;
        struct akin__mlp_part *part = &b->part[i];
        place(plan, from->fc1, &part->fc1, type, at, m, 0, d, norm2);
        if (c->swiglu)
            place(plan, from->fc1, &part->side, type, c->mlp + at, m, 0, d,
                  norm2);
        place(plan, from->fc2, &part->fc2, type, 0, d, at, m,
              guide + AKIN__GUIDE_FC2 + i);
    }
    smooth(from->qkv, norm1);
    smooth(from->fc1, norm2);
}

static void lay_clip_block(struct plan *plan, struct akin__block *b, size_t i)
{
    const struct akin__config *c = &plan->network->config;
    const size_t d = c->width;
    struct matrices m;
    snprintf(plan->prefix, sizeof plan->prefix, "%s_model.encoder.layers.%zu.",
             c->text ? "text" : "vision", i);
    b->norm1_w = take_norm(plan, "layer_norm1.weight", i, AKIN__GUIDE_NORM1);
    b->norm1_b = take_norm(plan, "layer_norm1.bias", i, AKIN__GUIDE_NORM1);
    m.qkv =
        take_matrix(plan, 2, (const size_t[]){d, d},
                    NAMES("self_attn.q_proj.weight", "self_attn.k_proj.weight",
                          "self_attn.v_proj.weight"));
    b->qkv_b =
        take_vector(plan, d,
                    NAMES("self_attn.q_proj.bias", "self_attn.k_proj.bias",
                          "self_attn.v_proj.bias"));
    m.out = take_linear(plan, "self_attn.out_proj.weight", d, d);
    b->out_b = take_one(plan, "self_attn.out_proj.bias", d);
    b->norm2_w = take_norm(plan, "layer_norm2.weight", i, AKIN__GUIDE_NORM2);
    b->norm2_b = take_norm(plan, "layer_norm2.bias", i, AKIN__GUIDE_NORM2);
    m.fc1 = take_linear(plan, "mlp.fc1.weight", c->mlp, d);
    b->fc1_b = take_one(plan, "mlp.fc1.bias", c->mlp);
    m.fc2 = take_linear(plan, "mlp.fc2.weight", d, c->mlp);
    b->fc2_b = take_one(plan, "mlp.fc2.bias", d);
    place_block(plan, b, i, &m);
}

static void lay_dinov2_block(struct plan *plan, struct akin__block *b, size_t i)
{
    const struct akin__config *c = &plan->network->config;
    const size_t d = c->width, hidden = c->swiglu ? 2 * c->mlp : c->mlp;
    struct matrices m;
    snprintf(plan->prefix, sizeof plan->prefix, "encoder.layer.%zu.", i);
    b->norm1_w = take_norm(plan, "norm1.weight", i, AKIN__GUIDE_NORM1);
    b->norm1_b = take_norm(plan, "norm1.bias", i, AKIN__GUIDE_NORM1);
    m.qkv = take_matrix(plan, 2, (const size_t[]){d, d},
                        NAMES("attention.attention.query.weight",
                              "attention.attention.key.weight",
                              "attention.attention.value.weight"));
    if (c->qkv_bias)
        b->qkv_b = take_vector(plan, d,
                               NAMES("attention.attention.query.bias",
                                     "attention.attention.key.bias",
                                     "attention.attention.value.bias"));
    m.out = take_linear(plan, "attention.output.dense.weight", d, d);
    b->out_b = take_one(plan, "attention.output.dense.bias", d);
    b->out_scale = take_one(plan, "layer_scale1.lambda1", d);
    b->norm2_w = take_norm(plan, "norm2.weight", i, AKIN__GUIDE_NORM2);
    b->norm2_b = take_norm(plan, "norm2.bias", i, AKIN__GUIDE_NORM2);
    m.fc1 = take_linear(plan,
                        c->swiglu ? "mlp.weights_in.weight" : "mlp.fc1.weight",
                        hidden, d);
    b->fc1_b = take_one(
        plan, c->swiglu ? "mlp.weights_in.bias" : "mlp.fc1.bias", hidden);
    m.fc2 = take_linear(plan,
                        c->swiglu ? "mlp.weights_out.weight" : "mlp.fc2.weight",
                        d, c->mlp);
    b->fc2_b =
        take_one(plan, c->swiglu ? "mlp.weights_out.bias" : "mlp.fc2.bias", d);
    b->fc2_scale = take_one(plan, "layer_scale2.lambda1", d);
    place_block(plan, b, i, &m);
}

/* What the tokens start from, as it lies in the file. */
struct tables {
    float *class_token; /* [D] */
    float *positions;   /* [1 + side * side][D] */
    float *registers;   /* [registers][D] */
};

static void place_whole(struct plan *plan, struct akin__packed *packed,
                        akin_precision type, struct item *item, size_t n,
                        size_t k)
{
    place(plan, item, packed, type, 0, n, 0, k, 0);
}

static void lay_clip(struct plan *plan, struct tables *tables)
{
    struct akin__network *n = plan->network;
    const size_t d = n->config.width, p = n->config.patch;
    const size_t side = n->config.image / p;
    snprintf(plan->prefix, sizeof plan->prefix, "vision_model.");
    place_whole(plan, &n->patch, n->precision,
                take_matrix(plan, 4, (const size_t[]){d, 3, p, p},
                            NAMES("embeddings.patch_embedding.weight")),
                d, 3 * p * p);
    tables->class_token = take_table(plan, "embeddings.class_embedding", 1, &d);
    tables->positions = take_table(plan, "embeddings.position_embedding.weight",
                                   2, (const size_t[]){1 + side * side, d});
    n->before_w =
        take_one(plan, "pre_layrnorm.weight", d); /* so in the files */
    n->before_b = take_one(plan, "pre_layrnorm.bias", d);
    n->last_w = take_one(plan, "post_layernorm.weight", d);
    n->last_b = take_one(plan, "post_layernorm.bias", d);
    plan->prefix[0] = 0;
    /* One row an image: no time to save, so no precision to lose. */
    place_whole(
        plan, &n->projection, AKIN_PRECISION_F32,
        take_linear(plan, "visual_projection.weight", n->config.projection, d),
        n->config.projection, d);
}

/* The embedding is only looked at here (network.h). */
static void lay_text(struct plan *plan)
{
    struct akin__network *n = plan->network;
    const size_t d = n->config.width;
    plan->prefix[0] = 0;
    if (!plan->items && !plan->status)
        plan->status = akin__weights_check(
            plan->weights, AKIN__TOKEN_TABLE, 2,
            (const size_t[]){n->config.vocabulary, d}, plan->err);
    n->start =
        take_table(plan, "text_model.embeddings.position_embedding.weight", 2,
                   (const size_t[]){n->tokens, d});
    n->last_w = take_one(plan, "text_model.final_layer_norm.weight", d);
    n->last_b = take_one(plan, "text_model.final_layer_norm.bias", d);
    place_whole(
        plan, &n->projection, AKIN_PRECISION_F32,
        take_linear(plan, "text_projection.weight", n->config.projection, d),
        n->config.projection, d);
    n->logit_scale = take_table(plan, "logit_scale", 0, NULL);
}

static void lay_dinov2(struct plan *plan, struct tables *tables)
{
    struct akin__network *n = plan->network;
    const size_t d = n->config.width, p = n->config.patch;
    const size_t side = n->config.image / p;
    plan->prefix[0] = 0;
    place_whole(
        plan, &n->patch, n->precision,
        take_matrix(plan, 4, (const size_t[]){d, 3, p, p},
                    NAMES("embeddings.patch_embeddings.projection.weight")),
        d, 3 * p * p);
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
    plan->count = plan->piece_count = plan->bytes = 0;
    if (n->config.text)
        lay_text(plan);
    else
        (clip ? lay_clip : lay_dinov2)(plan, tables);
    for (size_t i = 0; i < n->config.layers && !plan->status; i++)
        (clip ? lay_clip_block : lay_dinov2_block)(plan, &n->blocks[i], i);
    if (!n->config.text)
        n->start = reserve_floats(plan, n->tokens * n->config.width);
}

/* Divide a norm's channels and multiply the weights that they meet. */
static void apply_smoothing(const struct plan *plan, const struct item *item,
                            float *floats)
{
    const struct akin__guide *guide;
    if (!plan->guides || !item->smoothing)
        return;
    guide = &plan->guides->guide[item->smoothing];
    for (size_t i = 0; i < item->parts * item->floats; i++) {
        const float by = guide->smooth[i % guide->k];
        floats[i] = item->columns ? floats[i] * by : floats[i] / by;
    }
}

/* One piece of an item. */
static akin_status put_piece(const struct plan *plan, const struct item *item,
                             const struct piece *piece, const float *floats,
                             akin_error *err)
{
    const struct akin__packed *to = piece->packed;
    floats += piece->row * item->columns + piece->column;
    if (!plan->network->plain)
        return akin__pack(
            plan->network->kernels, piece->packed, floats, item->columns,
            plan->guides ? &plan->guides->guide[piece->guide].common : NULL,
            err);
    for (size_t row = 0; row < to->n; row++)
        memcpy((float *)to->panels + row * to->k, floats + row * item->columns,
               to->k * sizeof *floats);
    return AKIN_OK;
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
    if (plan->hashed)
        AKIN_TRY(akin__hash_open(&hash, AKIN__SHA256, err));
    if (item->columns)
        floats = akin__alloc(item->parts * item->floats, sizeof *floats);
    AKIN_CHECK(floats, err, AKIN_ENOMEM, "no memory for tensor %s",
               item->part[0]);
    for (size_t part = 0; part < item->parts; part++)
        AKIN_TRY(akin__weights_load(plan->weights, item->part[part],
                                    floats + part * item->floats, hash, err));
    apply_smoothing(plan, item, floats);
    for (struct piece *p = item->pieces; p; p = p->next)
        AKIN_TRY(put_piece(plan, item, p, floats, err));
out:
    akin__hash_close(&hash, item->digest);
    if (item->columns)
        akin__free(floats);
    return status;
}

static akin_status load(struct plan *plan, int threads, akin_error *err)
{
    struct akin__network *n = plan->network;
    struct akin__hash *hash = NULL;
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__parallel(threads, plan->count, load_item, plan, err));
    if (!plan->hashed)
        goto out;
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
                          "a backbone's feature map has no class token: pool "
                          "mean or patches");
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
                         const struct akin__weights *weights,
                         const struct akin__guides *guides, int threads,
                         akin_error *err)
{
    struct plan plan = {.network = n,
                        .weights = weights,
                        .guides = guides,
                        .hashed = !guides && !n->config.text,
                        .err = err};
    struct tables tables = {0};
    akin_status status = AKIN_OK;
    n->parts =
        n->plain ? 1 : (n->config.mlp + AKIN__MLP_PART - 1) / AKIN__MLP_PART;
    n->blocks = akin__calloc(n->config.layers, sizeof *n->blocks);
    n->mlp = akin__calloc(n->config.layers * n->parts, sizeof *n->mlp);
    AKIN_CHECK(n->blocks && n->mlp, err, AKIN_ENOMEM,
               "no memory for %zu blocks", n->config.layers);
    for (size_t i = 0; i < n->config.layers; i++)
        n->blocks[i].part = n->mlp + i * n->parts;
    lay_out(&plan, &tables);
    AKIN_TRY(plan.status);
    n->memory = akin__alloc_aligned(plan.bytes, 1);
    plan.items = akin__calloc(plan.count, sizeof *plan.items);
    plan.pieces = akin__calloc(plan.piece_count, sizeof *plan.pieces);
    AKIN_CHECK(n->memory && plan.items && plan.pieces, err, AKIN_ENOMEM,
               "no memory for %zu bytes of weights", plan.bytes);
    lay_out(&plan, &tables);
    AKIN_TRY(load(&plan, threads, err));
    if (!n->config.text)
        AKIN_TRY(fill_start(n, &tables, err));
out:
    akin__free(plan.items);
    akin__free(plan.pieces);
    return status;
}

/* 8 bits are fitted to what the network does in float32, which also has the
 * digest. */
static akin_status calibrate(struct akin__guides **guides,
                             struct akin__network *n,
                             const struct akin__weights *weights, int threads,
                             akin_error *err)
{
    struct akin__network *wide = NULL;
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__network_open(&wide, &n->config, weights, n->height, n->width,
                                n->pool, AKIN_PRECISION_F32, false, threads,
                                err));
    AKIN_TRY(akin__guides_open(guides, wide, threads, err));
    memcpy(n->digest, wide->digest, sizeof n->digest);
out:
    akin__network_close(&wide);
    return status;
}

akin_status akin__network_open(struct akin__network **out,
                               const struct akin__config *config,
                               const struct akin__weights *weights,
                               size_t height, size_t width, akin_pool pool,
                               akin_precision precision, bool plain,
                               int threads, akin_error *err)
{
    akin_status status = AKIN_OK;
    struct akin__guides *guides = NULL;
    struct akin__network *n = akin__calloc(1, sizeof *n);
    *out = NULL;
    AKIN_CHECK(n, err, AKIN_ENOMEM, "no memory for a network");
    n->config = *config;
    n->precision = precision;
    n->plain = plain;
    n->height = height;
    n->width = width;
    if (config->text) {
        n->weights = weights;
        n->tokens = config->context;
    } else {
        n->rows = height / config->patch; /* as the convolution does: floor */
        n->cols = width / config->patch;
        n->tokens = 1 + config->registers + n->rows * n->cols;
    }
    n->dim = config->family == AKIN__CLIP ? config->projection : config->width;
    n->kernels = akin__kernels(err);
    AKIN_TRY(n->kernels ? AKIN_OK : AKIN_EUSAGE);
    AKIN_TRY(choose_pool(n, pool, err));
    if (!config->text)
        AKIN_TRY(check_input(n, err));
    if (precision == AKIN_PRECISION_INT8)
        AKIN_TRY(calibrate(&guides, n, weights, threads, err));
    AKIN_TRY(build(n, weights, guides, threads, err));
    *out = n;
    n = NULL;
out:
    akin__guides_close(&guides);
    akin__network_close(&n);
    return status;
}

void akin__network_shed(struct akin__network *network)
{
    akin__free(network->blocks);
    akin__free(network->mlp);
    akin__free(network->memory);
    network->blocks = NULL;
    network->mlp = NULL;
    network->memory = NULL;
}

void akin__network_close(struct akin__network **network)
{
    if (!*network)
        return;
    akin__network_shed(*network);
    akin__free(*network);
    *network = NULL;
}
