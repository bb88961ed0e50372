/*
 * Model: preprocessing, tokenizer and networks of one model folder behind
 * akin_model.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "akin.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/precision.h"
#include "base/text.h"
#include "base/thread.h"
#include "embed/parts.h"
#include "image/preprocess.h"
#include "math/cuda/load.h"
#include "model/card.h"
#include "model/network.h"
#include "model/place.h"
#include "model/tokenizer.h"

struct akin_model {
    struct akin__weights_place place;
    akin_tower tower;
    /* For pictures, else NULL: */
    struct akin__preprocess preprocess;
    struct akin__network *network;
    struct akin__card *card;           /* where it runs, or NULL: here */
    char device[16], device_name[256]; /* its own */
    akin_error note; /* AKIN_OK, or why "auto" came to the CPU */
    /* For texts, else NULL: */
    struct akin__weights *weights; /* open: the network reads rows of them */
    struct akin__tokenizer *tokenizer;
    struct akin__network *reader;
    akin_exif exif;
    akin_decode decode;
    char fingerprint[2 * AKIN__SHA256_BYTES + 1];
};

static const char *family_name(const struct akin__config *config)
{
    return config->family == AKIN__CLIP ? "clip" : "dinov2";
}

/* Everything that decides a vector, in words, then hashed. */
static akin_status fingerprint(akin_model *model, akin_error *err)
{
    const struct akin__network *n = model->network;
    const struct akin__config *c = &n->config;
    struct akin__text text = {0};
    char weights[2 * AKIN__SHA256_BYTES + 1];
    uint8_t digest[AKIN__SHA256_BYTES];
    akin_status status = AKIN_OK;
    akin__hex(weights, n->digest, sizeof n->digest);
    akin__text_addf(&text,
                    "akin vector 1\nweights %s\n%s %zu wide, %zu heads, %zu "
                    "layers, mlp %zu, patch %zu, eps %.9g, activation %d, "
                    "swiglu %d, registers %zu, backbone %d, last norm %d\n"
                    "pool %s\nprecision %s\nexif %s\n",
                    weights, family_name(c), c->width, c->heads, c->layers,
                    c->mlp, c->patch, (double)c->eps, c->activation, c->swiglu,
                    c->registers, c->backbone, c->last_norm,
                    akin_model_pool(model),
                    akin__precision_name(akin_model_precision(model)),
                    model->exif == AKIN_EXIF_OFF ? "off" : "on");
    if (model->decode == AKIN_DECODE_FAST)
        akin__text_addf(&text, "decode fast\n");
    if (n->precision == AKIN_PRECISION_INT8)
        akin__text_addf(&text, "rounding 2\n"); /* of weights: calibrate.c */
    akin__preprocess_describe(&model->preprocess, &text);
    AKIN_CHECK(!text.failed, err, AKIN_ENOMEM, "no memory for a fingerprint");
    AKIN_TRY(akin__sha256(text.bytes, text.length, digest, err));
    akin__hex(model->fingerprint, digest, sizeof digest);
out:
    akin__text_free(&text);
    return status;
}

/* Of the tower for texts, or of that for pictures. */
static akin_status read_config(const akin_model *model, bool text,
                               struct akin__config *config, akin_error *err)
{
    char *path = akin__weights_file(&model->place, "config.json");
    if (!path)
        return akin__fail(err, AKIN_EMODEL, "%s: has no config.json",
                          model->place.folder);
    const akin_status status = text ? akin__config_read_text(config, path, err)
                                    : akin__config_read(config, path, err);
    akin__free(path);
    return status;
}

static akin_status read_preprocess(akin_model *model,
                                   const struct akin__config *config,
                                   akin_error *err)
{
    char *path = akin__weights_file(&model->place, "preprocessor_config.json");
    /* It goes before the other, so only beside the weights. */
    char *whole = akin__join(model->place.folder, "processor_config.json");
    const akin_status status =
        whole ? akin__preprocess_read(&model->preprocess, whole, path,
                                      family_name(config), err)
              : akin__fail(err, AKIN_ENOMEM, "%s: no memory",
                           model->place.folder);
    akin__free(path);
    akin__free(whole);
    return status;
}

static akin_status build(akin_model *model, struct akin__network **network,
                         const struct akin__config *config,
                         const akin_model_options *options, bool plain,
                         akin_error *err)
{
    const akin_status status = akin__network_open(
        network, config, model->weights, model->preprocess.height,
        model->preprocess.width, options->pool, options->precision, plain,
        options->threads, err);
    /* What the network refuses, it refuses about this folder. */
    if (status && err && !strstr(err->message, ": "))
        akin__fail_in(err, status, model->place.folder);
    return status;
}

/* The card that the options ask for, with room for the network. */
static akin_status find_card(const struct akin__config *config,
                             const akin_model_options *options,
                             const struct akin__cuda_plugin **plugin,
                             struct akin__cuda_card *card, akin_error *err)
{
    /* As what is not installed: no card will ever serve. */
    if (options->precision == AKIN_PRECISION_INT8)
        return akin__fail(err, AKIN_ENOTFOUND,
                          "8 bits run on the CPU alone, f32 and bf16 on a card "
                          "too");
    const akin_status status =
        akin__cuda_choose(options->device, plugin, card, err);
    return status ? status
                  : akin__card_room(card, config, options->precision, err);
}

/* The network, which is plain, to the card. */
static akin_status move_to_card(akin_model *model,
                                const struct akin__cuda_plugin *plugin,
                                const struct akin__cuda_card *card,
                                akin_error *err)
{
    const akin_status status =
        akin__card_open(&model->card, plugin, card->number, model->network,
                        (const float(*)[256])model->preprocess.value, err);
    if (status == AKIN_EUSAGE) { /* the card's, not the caller's: load.c */
        err->code = AKIN_EIO;
        return AKIN_EIO;
    }
    if (status)
        return status;
    akin__network_shed(model->network);
    snprintf(model->device, sizeof model->device, "cuda:%d", card->number);
    snprintf(model->device_name, sizeof model->device_name, "%s", card->name);
    return AKIN_OK;
}

/* The network where the options want it. What is wrong with the model is that
 * everywhere; with "auto" a card that does not serve is a note. */
static akin_status build_somewhere(akin_model *model,
                                   const struct akin__config *config,
                                   const akin_model_options *options,
                                   akin_error *err)
{
    const struct akin__cuda_plugin *plugin;
    struct akin__cuda_card card;
    akin_error cause;
    if (!akin__device_tries_card(options->device))
        return build(model, &model->network, config, options, false, err);
    akin_status status = find_card(config, options, &plugin, &card, &cause);
    if (!status) {
        status = build(model, &model->network, config, options, true, err);
        if (status)
            return status;
        status = move_to_card(model, plugin, &card, &cause);
        if (!status)
            return AKIN_OK;
        akin__network_close(&model->network);
    }
    if (strcmp(options->device, "auto") != 0)
        return akin__fail(err, status, "%s: %s; device cpu does without",
                          options->device, cause.message);
    model->note = cause;
    return build(model, &model->network, config, options, false, err);
}

static akin_status build_image(akin_model *model,
                               const akin_model_options *options,
                               akin_error *err)
{
    struct akin__config config;
    akin_status status = AKIN_OK;
    AKIN_TRY(read_config(model, false, &config, err));
    AKIN_TRY(read_preprocess(model, &config, err));
    if (!model->weights)
        AKIN_TRY(akin__weights_open(&model->weights, &model->place, err));
    AKIN_TRY(build_somewhere(model, &config, options, err));
    AKIN_TRY(fingerprint(model, err));
out:
    return status;
}

/* What a text tower is made of takes about as long to read as its words. */
struct opening {
    akin_model *model;
    const akin_model_options *options;
    struct akin__config config;
};

static akin_status open_part(void *context, size_t part, int thread,
                             akin_error *err)
{
    struct opening *opening = context;
    akin_model *model = opening->model;
    (void)thread;
    if (part == 0)
        return akin__tokenizer_open(&model->tokenizer, &model->place,
                                    opening->config.vocabulary, err);
    const akin_status status =
        akin__weights_open(&model->weights, &model->place, err);
    return status ? status
                  : build(model, &model->reader, &opening->config,
                          opening->options, false, err);
}

static akin_status build_text(akin_model *model,
                              const akin_model_options *options,
                              akin_error *err)
{
    struct opening opening = {.model = model, .options = options};
    const akin_status status = read_config(model, true, &opening.config, err);
    return status
               ? status
               : akin__parallel(options->threads, 2, open_part, &opening, err);
}

/* Call it as the caller wants, not as it was found. */
static akin_status rename_model(akin_model *model, const char *name,
                                akin_error *err)
{
    char *copy = name ? akin__strdup(name) : NULL;
    if (!name)
        return AKIN_OK;
    if (!copy)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", name);
    akin__free(model->place.name);
    model->place.name = copy;
    return AKIN_OK;
}

akin_status akin_model_open(akin_model **out, const char *name,
                            const akin_model_options *options, akin_error *err)
{
    akin_model_options all = {.size = sizeof all};
    akin_status status = AKIN_OK;
    akin_model *model = akin__calloc(1, sizeof *model);
    *out = NULL;
    AKIN_CHECK(model, err, AKIN_ENOMEM, "%s: no memory", name);
    AKIN_CHECK(!options || options->size, err, AKIN_EUSAGE,
               "%s: options without their size", name);
    if (options)
        memcpy(&all, options,
               options->size < sizeof all ? options->size : sizeof all);
    options = &all;
    AKIN_CHECK(options->precision <= AKIN_PRECISION_INT8, err, AKIN_EUSAGE,
               "%s: no precision has the number %d", name,
               (int)options->precision);
    AKIN_CHECK(options->tower <= AKIN_TOWER_BOTH, err, AKIN_EUSAGE,
               "%s: no tower has the number %d", name, (int)options->tower);
    AKIN_CHECK(akin__device_known(options->device), err, AKIN_EUSAGE,
               "%s: device %s is none of auto, cpu, cuda, cuda:N", name,
               options->device);
    AKIN_TRY(akin__weights_locate(name, options->revision, &model->place, err));
    AKIN_TRY(rename_model(model, options->name, err));
    model->exif = options->exif;
    model->decode = options->decode;
    model->tower = options->tower;
    /* Texts first: what cannot read says so at once. */
    if (options->tower != AKIN_TOWER_IMAGE)
        AKIN_TRY(build_text(model, options, err));
    if (options->tower != AKIN_TOWER_TEXT)
        AKIN_TRY(build_image(model, options, err));
    if (options->tower == AKIN_TOWER_IMAGE)
        akin__weights_close(&model->weights);
    *out = model;
    model = NULL;
out:
    akin_model_close(&model);
    return status;
}

void akin_model_close(akin_model **model)
{
    if (!*model)
        return;
    akin__card_close(&(*model)->card);
    akin__network_close(&(*model)->network);
    akin__network_close(&(*model)->reader);
    akin__tokenizer_close(&(*model)->tokenizer);
    akin__weights_close(&(*model)->weights);
    akin__weights_place_free(&(*model)->place);
    akin__free(*model);
    *model = NULL;
}

const char *akin_model_name(const akin_model *model)
{
    return model->place.name;
}

/* One of the two networks, for what they have in common. */
static const struct akin__network *either(const akin_model *model)
{
    return model->network ? model->network : model->reader;
}

const char *akin_model_family(const akin_model *model)
{
    return family_name(&either(model)->config);
}

akin_tower akin_model_tower(const akin_model *model)
{
    return model->tower;
}

double akin_model_scale(const akin_model *model)
{
    return model->reader ? exp((double)*model->reader->logit_scale) : 0;
}

const char *akin_model_folder(const akin_model *model)
{
    return model->place.folder;
}

const char *akin_model_pool(const akin_model *model)
{
    static const char *const names[] = {
        [AKIN_POOL_MEAN] = "mean",
        [AKIN_POOL_CLS] = "cls",
        [AKIN_POOL_PATCHES] = "patches",
    };
    return names[either(model)->pool];
}

akin_exif akin_model_exif(const akin_model *model)
{
    return model->exif;
}

akin_precision akin_model_precision(const akin_model *model)
{
    return either(model)->precision;
}

akin_decode akin_model_decode(const akin_model *model)
{
    return model->decode;
}

size_t akin_model_dim(const akin_model *model)
{
    return either(model)->dim;
}

const char *akin_model_device(const akin_model *model)
{
    return model->card ? model->device : "cpu";
}

const char *akin_model_device_name(const akin_model *model)
{
    return model->card ? model->device_name : NULL;
}

const akin_error *akin_model_device_note(const akin_model *model)
{
    return model->note.code ? &model->note : NULL;
}

const char *akin_model_fingerprint(const akin_model *model)
{
    return model->fingerprint;
}

const struct akin__network *akin__model_network(const akin_model *model)
{
    return model->network;
}

const struct akin__card *akin__model_card(const akin_model *model)
{
    return model->card;
}

const struct akin__preprocess *akin__model_preprocess(const akin_model *model)
{
    return &model->preprocess;
}

const struct akin__network *akin__model_reader(const akin_model *model)
{
    return model->reader;
}

akin_status akin__need_images(const akin_model *model, akin_error *err)
{
    return model->network
               ? AKIN_OK
               : akin__fail(err, AKIN_EUSAGE, "%s: was opened for texts alone",
                            model->place.name);
}

akin_status akin__need_texts(const akin_model *model, akin_error *err)
{
    return model->reader ? AKIN_OK
                         : akin__fail(err, AKIN_EUSAGE,
                                      "%s: was opened without its text tower",
                                      model->place.name);
}

akin_status akin_tokenize(const akin_model *model, const char *text,
                          int32_t *ids, size_t *count, akin_error *err)
{
    const akin_status status = akin__need_texts(model, err);
    return status ? status
                  : akin__tokenize(model->tokenizer, text, strlen(text), ids,
                                   model->reader->tokens, count, err);
}
