/*
 * Config: what config.json says, with transformers' defaults
 * (configuration_clip.py, configuration_dinov2.py,
 * configuration_dinov2_with_registers.py).
 *
 * Every number that sizes memory is bounded here, so that products of a few of
 * them cannot overflow.
 */
#include "model/config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"

enum {
    MAX_CONFIG = 1 << 20,
    MAX_WIDTH = 16384, /* giant has 1,536 */
    MAX_LAYERS = 256,
    MAX_IMAGE = 4096,
    MAX_MLP = 65536,
    MAX_VOCABULARY = 1 << 20, /* CLIP has 49,408 */
    LEGACY_END = 2            /* what old files say of the end token */
};

/* One config file while it is read: the first failure stays in `status`. */
struct reader {
    const char *path;
    const json_t *object;
    akin_status status;
    akin_error *err;
};

static size_t take_size(struct reader *r, const char *key, size_t fallback,
                        size_t most)
{
    const json_t *value = json_object_get(r->object, key);
    if (json_is_array(value) && json_array_size(value) == 2 &&
        json_equal(json_array_get(value, 0), json_array_get(value, 1)))
        value = json_array_get(value, 0); /* [224, 224] is 224 */
    if (!value || json_is_null(value) || r->status)
        return fallback;
    if (!json_is_integer(value) || json_integer_value(value) < 1 ||
        (unsigned long long)json_integer_value(value) > most) {
        r->status = akin__fail(r->err, AKIN_EMODEL,
                               "%s: %s is not a number from 1 to %zu", r->path,
                               key, most);
        return fallback;
    }
    return (size_t)json_integer_value(value);
}

static double take_number(struct reader *r, const char *key, double fallback,
                          double most)
{
    const json_t *value = json_object_get(r->object, key);
    if (!value || json_is_null(value) || r->status)
        return fallback;
    const double number = json_number_value(value);
    if (!json_is_number(value) || !(number > 0 && number <= most)) {
        r->status = akin__fail(r->err, AKIN_EMODEL,
                               "%s: %s is not a number above 0 and up to %g",
                               r->path, key, most);
        return fallback;
    }
    return number;
}

static bool take_bool(struct reader *r, const char *key, bool fallback)
{
    const json_t *value = json_object_get(r->object, key);
    if (!value || json_is_null(value) || r->status)
        return fallback;
    if (!json_is_boolean(value)) {
        r->status =
            akin__fail(r->err, AKIN_EMODEL, "%s: %s is neither true nor false",
                       r->path, key);
        return fallback;
    }
    return json_is_true(value);
}

static enum akin__activation take_activation(struct reader *r,
                                             const char *fallback)
{
    const char *name =
        json_string_value(json_object_get(r->object, "hidden_act"));
    if (!name)
        name = fallback;
    if (strcmp(name, "quick_gelu") == 0)
        return AKIN__QUICK_GELU;
    if (strcmp(name, "gelu") != 0 && !r->status)
        r->status = akin__fail(r->err, AKIN_EMODEL,
                               "%s: hidden_act %s is not supported (gelu, "
                               "quick_gelu)",
                               r->path, name);
    return AKIN__GELU;
}

static void read_common(struct reader *r, struct akin__config *config)
{
    config->width = take_size(r, "hidden_size", 768, MAX_WIDTH);
    config->layers = take_size(r, "num_hidden_layers", 12, MAX_LAYERS);
    config->heads = take_size(r, "num_attention_heads", 12, MAX_WIDTH);
    config->image = take_size(r, "image_size", 224, MAX_IMAGE);
    if (take_size(r, "num_channels", 3, 64) != 3 && !r->status)
        r->status = akin__fail(r->err, AKIN_EMODEL, "%s: num_channels is not 3",
                               r->path);
}

static void read_clip(struct reader *r, struct akin__config *config)
{
    /* Before the sizes moved into vision_config, old files had them in
     * vision_config_dict; where both are, transformers takes the latter. */
    const json_t *root = r->object;
    config->family = AKIN__CLIP;
    config->projection = take_size(r, "projection_dim", 512, AKIN_MAX_DIM);
    r->object = json_object_get(root, "vision_config_dict");
    if (!json_is_object(r->object))
        r->object = json_object_get(root, "vision_config");
    read_common(r, config);
    config->patch = take_size(r, "patch_size", 32, MAX_IMAGE);
    config->mlp = take_size(r, "intermediate_size", 3072, MAX_MLP);
    config->eps = (float)take_number(r, "layer_norm_eps", 1e-5, 1);
    config->activation = take_activation(r, "quick_gelu");
    config->qkv_bias = config->last_norm = true;
}

/* The vector is taken where the end token stands. Files of OpenAI's time say 2
 * of it, which it is not: there it is the largest number in the text
 * (transformers PR 24773). */
static void read_clip_text(struct reader *r, struct akin__config *config)
{
    const json_t *root = r->object;
    config->family = AKIN__CLIP;
    config->text = config->qkv_bias = config->last_norm = true;
    config->projection = take_size(r, "projection_dim", 512, AKIN_MAX_DIM);
    r->object = json_object_get(root, "text_config_dict");
    if (!json_is_object(r->object))
        r->object = json_object_get(root, "text_config");
    config->width = take_size(r, "hidden_size", 512, MAX_WIDTH);
    config->layers = take_size(r, "num_hidden_layers", 12, MAX_LAYERS);
    config->heads = take_size(r, "num_attention_heads", 8, MAX_WIDTH);
    config->mlp = take_size(r, "intermediate_size", 2048, MAX_MLP);
    config->vocabulary = take_size(r, "vocab_size", 49408, MAX_VOCABULARY);
    config->context =
        take_size(r, "max_position_embeddings", 77, AKIN_MAX_TOKENS);
    config->end = (int32_t)take_size(r, "eos_token_id", 49407, MAX_VOCABULARY);
    if (config->end == LEGACY_END)
        config->end = -1;
    config->eps = (float)take_number(r, "layer_norm_eps", 1e-5, 1);
    config->activation = take_activation(r, "quick_gelu");
    if (config->context < 2 && !r->status)
        r->status =
            akin__fail(r->err, AKIN_EMODEL,
                       "%s: max_position_embeddings is below 2", r->path);
}

/* The block whose output the list's only stage is; 0 when there is no such.
 * A name is "stageN", a number N, counted from the end when negative. */
static size_t stage_of(const json_t *list, bool named, size_t layers)
{
    const json_t *only = json_array_get(list, 0);
    const char *name = json_string_value(only);
    json_int_t number = json_integer_value(only);
    if (json_array_size(list) != 1 || named != (name != NULL))
        return 0;
    if (number < 0)
        number += (json_int_t)layers + 1;
    for (size_t i = 1; i <= layers; i++) {
        char stage[32];
        snprintf(stage, sizeof stage, "stage%zu", i);
        if (named ? strcmp(name, stage) == 0 : number == (json_int_t)i)
            return i;
    }
    return 0;
}

/* A backbone gives one feature map, by default that of the last stage. */
static void read_backbone(struct reader *r, struct akin__config *config)
{
    const json_t *stages = json_object_get(r->object, "out_features");
    const bool named = stages && !json_is_null(stages);
    config->backbone = true;
    config->last_norm = take_bool(r, "apply_layernorm", true);
    if (!take_bool(r, "reshape_hidden_states", true) && !r->status)
        r->status = akin__fail(r->err, AKIN_EMODEL,
                               "%s: reshape_hidden_states is false: tokens and "
                               "no feature map",
                               r->path);
    if (!named)
        stages = json_object_get(r->object, "out_indices");
    if (!stages || json_is_null(stages) || r->status)
        return;
    const size_t stage = stage_of(stages, named, config->layers);
    if (stage)
        config->layers = stage;
    else
        r->status = akin__fail(
            r->err, AKIN_EMODEL, "%s: %s is not one of %s1 to %s%zu", r->path,
            named ? "out_features" : "out_indices", named ? "stage" : "",
            named ? "stage" : "", config->layers);
}

static void read_dinov2(struct reader *r, struct akin__config *config,
                        bool registers)
{
    config->family = AKIN__DINOV2;
    read_common(r, config);
    config->patch = take_size(r, "patch_size", registers ? 16 : 14, MAX_IMAGE);
    config->eps = (float)take_number(r, "layer_norm_eps", 1e-6, 1);
    config->activation = take_activation(r, "gelu");
    config->qkv_bias = take_bool(r, "qkv_bias", true);
    config->swiglu = take_bool(r, "use_swiglu_ffn", false);
    config->last_norm = true;
    if (registers)
        config->registers = take_size(r, "num_register_tokens", 4, 1024);
    const double ratio = take_number(r, "mlp_ratio", 4, 64);
    config->mlp = (size_t)floor((double)config->width * ratio);
    if (config->swiglu) /* two thirds of it, up to a multiple of 8 */
        config->mlp = ((size_t)((double)config->mlp * 2 / 3) + 7) / 8 * 8;
    if (config->mlp < 1 || config->mlp > MAX_MLP)
        r->status = akin__fail(r->err, AKIN_EMODEL,
                               "%s: mlp of %zu features (limit %d)", r->path,
                               config->mlp, MAX_MLP);
}

static void check(struct reader *r, const struct akin__config *config)
{
    if (r->status)
        return;
    if (config->width % config->heads)
        r->status = akin__fail(r->err, AKIN_EMODEL,
                               "%s: hidden_size %zu is no multiple of %zu "
                               "heads",
                               r->path, config->width, config->heads);
    else if (!config->text && config->patch > config->image)
        r->status = akin__fail(r->err, AKIN_EMODEL,
                               "%s: patch_size %zu is above image_size %zu",
                               r->path, config->patch, config->image);
    else if (config->family == AKIN__DINOV2 && config->width > AKIN_MAX_DIM)
        r->status =
            akin__fail(r->err, AKIN_EMODEL, "%s: hidden_size %zu (limit %d)",
                       r->path, config->width, AKIN_MAX_DIM);
}

static akin_status read_config(struct akin__config *config, const char *path,
                               bool text, akin_error *err)
{
    json_t *root = NULL;
    const akin_status status = akin__json_read(path, MAX_CONFIG, &root, err);
    if (status)
        return status;
    memset(config, 0, sizeof *config);
    struct reader r = {path, root, AKIN_OK, err};
    const char *type = json_string_value(json_object_get(root, "model_type"));
    /* Plain models saved by transformers 5 carry a backbone's keys as well;
     * only the architecture's name makes it one. */
    const char *architecture = json_string_value(
        json_array_get(json_object_get(root, "architectures"), 0));
    const bool backbone =
        architecture &&
        (strcmp(architecture, "Dinov2Backbone") == 0 ||
         strcmp(architecture, "Dinov2WithRegistersBackbone") == 0);
    const bool clip = type && strcmp(type, "clip") == 0;
    if (text && clip)
        read_clip_text(&r, config);
    else if (text)
        r.status = akin__fail(err, AKIN_EUSAGE,
                              "%s: model_type %s cannot read: it has no text "
                              "tower (clip has one)",
                              path, type ? type : "(none)");
    else if (clip)
        read_clip(&r, config);
    else if (type && strcmp(type, "dinov2") == 0)
        read_dinov2(&r, config, false);
    else if (type && strcmp(type, "dinov2_with_registers") == 0)
        read_dinov2(&r, config, true);
    else
        r.status = akin__fail(err, AKIN_EMODEL,
                              "%s: model_type %s is not supported (clip, "
                              "dinov2, dinov2_with_registers)",
                              path, type ? type : "(none)");
    if (backbone && config->family == AKIN__DINOV2 && !r.status)
        read_backbone(&r, config);
    check(&r, config);
    json_decref(root);
    return r.status;
}

akin_status akin__config_read(struct akin__config *config, const char *path,
                              akin_error *err)
{
    return read_config(config, path, false, err);
}

akin_status akin__config_read_text(struct akin__config *config,
                                   const char *path, akin_error *err)
{
    return read_config(config, path, true, err);
}
