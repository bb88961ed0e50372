/*
 * Preprocess: what preprocessor_config.json says, and doing it.
 *
 * The file comes in three ages. The oldest (openai/clip-vit-base-patch32) have
 * plain numbers for size (the shortest edge) and crop_size (a square), and say
 * nothing of rescaling; the latest is a part of processor_config.json.
 * Arithmetic is transformers': a byte becomes a double,
 * is multiplied, rounded to float, and normalised in float; there are 256
 * bytes, so it is done once, when the file is read.
 */
#include "image/preprocess.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

enum { MAX_SIDE = 8192, MAX_JSON = 1 << 20 };

struct config {
    const char *path;
    const json_t *json;
    akin_error *err;
};

static const char *const known_types[] = {
    "CLIPImageProcessor", "CLIPImageProcessorFast", "CLIPFeatureExtractor",
    "BitImageProcessor",  "BitImageProcessorFast",
};

static void defaults(struct akin__preprocess *p, const char *family)
{
    static const double clip[2][3] = {{0.48145466, 0.4578275, 0.40821073},
                                      {0.26862954, 0.26130258, 0.27577711}};
    static const double imagenet[2][3] = {{0.485, 0.456, 0.406},
                                          {0.229, 0.224, 0.225}};
    const bool is_clip = strcmp(family, "clip") == 0;
    *p = (struct akin__preprocess){.width = 224,
                                   .height = 224,
                                   .resize = true,
                                   .filter = AKIN__BICUBIC,
                                   .shortest_edge = is_clip ? 224 : 256,
                                   .rescale = true,
                                   .normalize = true,
                                   .rescale_factor = 1.0 / 255};
    memcpy(p->mean, is_clip ? clip[0] : imagenet[0], sizeof p->mean);
    memcpy(p->std, is_clip ? clip[1] : imagenet[1], sizeof p->std);
}

static akin_status refuse(const struct config *config, const char *key,
                          const char *why)
{
    return akin__fail(config->err, AKIN_EMODEL, "%s: %s %s", config->path, key,
                      why);
}

/* The value of `key`, or NULL where it is absent or null. */
static const json_t *value_of(const struct config *config, const char *key)
{
    const json_t *value = json_object_get(config->json, key);
    return json_is_null(value) ? NULL : value;
}

/* As in Python, null is false. */
static akin_status read_bool(const struct config *config, const char *key,
                             bool *out)
{
    const json_t *value = json_object_get(config->json, key);
    if (!value)
        return AKIN_OK;
    if (!json_is_boolean(value) && !json_is_null(value))
        return refuse(config, key, "is neither true nor false");
    *out = json_is_true(value);
    return AKIN_OK;
}

static akin_status read_side(const struct config *config, const char *key,
                             const json_t *value, uint32_t *out)
{
    const json_int_t side = json_integer_value(value);
    if (!json_is_integer(value) || side < 1 || side > MAX_SIDE)
        return refuse(config, key, "is no number of pixels from 1 to 8192");
    *out = (uint32_t)side;
    return AKIN_OK;
}

/* A number for a square, or {"height", "width"}. */
static akin_status read_sides(const struct config *config, const char *key,
                              const json_t *value, uint32_t *width,
                              uint32_t *height)
{
    const bool object = json_is_object(value);
    const json_t *w = object ? json_object_get(value, "width") : value;
    const json_t *h = object ? json_object_get(value, "height") : value;
    const akin_status status = read_side(config, key, w, width);
    return status ? status : read_side(config, key, h, height);
}

/* A number or {"shortest_edge"}, or {"height", "width"}; a number may be told
 * to be both. */
static akin_status read_size(const struct config *config,
                             struct akin__preprocess *p)
{
    bool square = false;
    const json_t *value = value_of(config, "size");
    const akin_status status = read_bool(config, "default_to_square", &square);
    if (status || !value)
        return status;
    const json_t *longest = json_object_get(value, "longest_edge");
    const json_t *shortest = square ? NULL : value;
    if (json_is_object(value))
        shortest = json_object_get(value, "shortest_edge");
    if (longest && !json_is_null(longest))
        return refuse(config, "size", "has a longest_edge, which akin lacks");
    if (json_is_object(value) &&
        json_object_size(value) != (shortest ? 1u : 2u) + (longest ? 1u : 0u))
        return refuse(config, "size",
                      "is neither a shortest_edge alone nor height and width");
    if (shortest)
        return read_side(config, "size", shortest, &p->shortest_edge);
    p->shortest_edge = 0;
    return read_sides(config, "size", value, &p->resize_width,
                      &p->resize_height);
}

static akin_status read_crop(const struct config *config,
                             struct akin__preprocess *p)
{
    bool crop = true;
    const json_t *value = value_of(config, "crop_size");
    const akin_status status = read_bool(config, "do_center_crop", &crop);
    if (status)
        return status;
    if (crop)
        return value ? read_sides(config, "crop_size", value, &p->width,
                                  &p->height)
                     : AKIN_OK;
    if (!p->resize || p->shortest_edge)
        return refuse(config, "do_center_crop",
                      "is false, and the size depends on the picture");
    p->width = p->resize_width;
    p->height = p->resize_height;
    return AKIN_OK;
}

static akin_status read_filter(const struct config *config,
                               struct akin__preprocess *p)
{
    const json_t *value = value_of(config, "resample");
    const json_int_t filter = json_integer_value(value);
    if (!value)
        return AKIN_OK;
    if (!json_is_integer(value) || filter < AKIN__LANCZOS ||
        filter > AKIN__HAMMING)
        return refuse(config, "resample",
                      "is none of the filters 1 to 5 (3 is bicubic)");
    p->filter = (enum akin__filter)filter;
    return AKIN_OK;
}

static akin_status read_channels(const struct config *config, const char *key,
                                 double out[3], bool divisor)
{
    const json_t *value = value_of(config, key);
    if (!value)
        return AKIN_OK;
    if (!json_is_array(value) || json_array_size(value) != 3)
        return refuse(config, key, "is no list of three numbers");
    for (size_t i = 0; i < 3; i++) {
        const json_t *number = json_array_get(value, i);
        if (!json_is_number(number))
            return refuse(config, key, "is no list of three numbers");
        out[i] = json_number_value(number);
        if (divisor && !((float)out[i] > 0))
            return refuse(config, key, "has a number that is not above zero");
    }
    return AKIN_OK;
}

static akin_status read_factor(const struct config *config,
                               struct akin__preprocess *p)
{
    const json_t *value = value_of(config, "rescale_factor");
    if (value && !json_is_number(value))
        return refuse(config, "rescale_factor", "is no number");
    if (value)
        p->rescale_factor = json_number_value(value);
    return AKIN_OK;
}

/* What is rarely said, and changes what the model gets. */
static akin_status check_others(const struct config *config)
{
    bool pad = false, square = false;
    akin_status status = read_bool(config, "do_pad", &pad);
    if (!status)
        status = read_bool(config, "use_square_size", &square);
    if (!status && pad && value_of(config, "pad_size"))
        status =
            refuse(config, "pad_size", "asks for padding, which akin lacks");
    if (!status && square)
        status = refuse(config, "use_square_size", "is true, which akin lacks");
    return status;
}

/* Another processor may do other things with the same keys. */
static akin_status check_type(const struct config *config)
{
    const json_t *value = value_of(config, "image_processor_type");
    if (!value)
        value = value_of(config, "feature_extractor_type");
    const char *type = json_string_value(value);
    if (!value)
        return AKIN_OK;
    for (size_t i = 0; i < sizeof known_types / sizeof known_types[0]; i++)
        if (type && strcmp(type, known_types[i]) == 0)
            return AKIN_OK;
    return akin__fail(config->err, AKIN_EMODEL,
                      "%s: image processor %.64s is not known "
                      "(CLIPImageProcessor and BitImageProcessor are)",
                      config->path, type ? type : "of another type");
}

static akin_status read_all(const struct config *config,
                            struct akin__preprocess *p)
{
    akin_status status;
    if (!json_is_object(config->json))
        return akin__fail(config->err, AKIN_EMODEL, "%s: is no JSON object",
                          config->path);
    AKIN_TRY(check_type(config));
    AKIN_TRY(check_others(config));
    AKIN_TRY(read_bool(config, "do_resize", &p->resize));
    AKIN_TRY(read_bool(config, "do_rescale", &p->rescale));
    AKIN_TRY(read_bool(config, "do_normalize", &p->normalize));
    AKIN_TRY(read_size(config, p));
    AKIN_TRY(read_crop(config, p));
    AKIN_TRY(read_filter(config, p));
    AKIN_TRY(read_factor(config, p));
    AKIN_TRY(read_channels(config, "image_mean", p->mean, false));
    AKIN_TRY(read_channels(config, "image_std", p->std, true));
out:
    return status;
}

static void fill_values(struct akin__preprocess *p)
{
    for (int c = 0; c < 3; c++)
        for (int byte = 0; byte < 256; byte++) {
            float value = (float)byte;
            if (p->rescale)
                value = (float)(byte * p->rescale_factor);
            if (p->normalize)
                value = (value - (float)p->mean[c]) / (float)p->std[c];
            p->value[c][byte] = value;
        }
}

/* The object that says it, in *root, which the caller owns; config->json stays
 * NULL where no file does. */
static akin_status find_config(struct config *config, const char *whole,
                               const char *path, json_t **root)
{
    akin_status status = AKIN_OK;
    if (whole && akin__exists(whole)) {
        status = akin__json_read(whole, MAX_JSON, root, config->err);
        config->json = json_object_get(*root, "image_processor");
        if (status || config->json) {
            config->path = whole;
            return status;
        }
        json_decref(*root);
        *root = NULL;
    }
    if (akin__exists(path))
        status = akin__json_read(path, MAX_JSON, root, config->err);
    config->json = *root;
    return status;
}

akin_status akin__preprocess_read(struct akin__preprocess *preprocess,
                                  const char *whole, const char *path,
                                  const char *family, akin_error *err)
{
    struct config config = {path, NULL, err};
    json_t *root = NULL;
    akin_status status = find_config(&config, whole, path, &root);
    /* What a file leaves out is CLIP's in both classes of transformers. */
    defaults(preprocess, config.json ? "clip" : family);
    if (!status && config.json)
        status = read_all(&config, preprocess);
    json_decref(root);
    fill_values(preprocess);
    return status;
}

void akin__preprocess_describe(const struct akin__preprocess *p,
                               struct akin__text *text)
{
    akin__text_addf(text, "input %ux%u", p->width, p->height);
    if (p->resize && p->shortest_edge)
        akin__text_addf(text, " shortest %u filter %d", p->shortest_edge,
                        (int)p->filter);
    else if (p->resize)
        akin__text_addf(text, " size %ux%u filter %d", p->resize_width,
                        p->resize_height, (int)p->filter);
    if (p->rescale)
        akin__text_addf(text, " rescale %.17g", p->rescale_factor);
    for (int c = 0; c < 3 && p->normalize; c++)
        akin__text_addf(text, " mean %.17g std %.17g", p->mean[c], p->std[c]);
}

void akin__preprocess_scratch_free(struct akin__preprocess_scratch *scratch)
{
    akin__scratch_free(&scratch->resize);
    akin__scratch_free(&scratch->window);
}

/* One direction of the centre crop: the window of the resized picture, and how
 * far from the edge of the input it lies when the picture is the smaller. */
struct span {
    uint32_t from, count, at;
};

static struct span crop(uint32_t resized, uint32_t wanted)
{
    if (resized >= wanted)
        return (struct span){(resized - wanted) / 2, wanted, 0};
    return (struct span){0, resized, (wanted - resized + 1) / 2};
}

/* The size of the whole picture after resizing; false beyond 2^31. */
static bool resized_size(const struct akin__preprocess *p,
                         const akin_image *image, struct akin__resize *resize)
{
    uint64_t width = image->width, height = image->height;
    if (p->resize && !p->shortest_edge) {
        width = p->resize_width;
        height = p->resize_height;
    } else if (p->resize) {
        const uint64_t edge = p->shortest_edge;
        const bool upright = width <= height;
        width = upright ? edge : edge * image->width / image->height;
        height = upright ? edge * image->height / image->width : edge;
    }
    resize->width = (uint32_t)width;
    resize->height = (uint32_t)height;
    return width <= INT32_MAX && height <= INT32_MAX &&
           image->width <= INT32_MAX && image->height <= INT32_MAX;
}

/* The crop of the resized picture, without what is padded. */
struct cut {
    struct span x, y;
    const uint8_t *window; /* [y.count][stride], in the scratch */
    size_t stride;
};

static akin_status cut_out(const struct akin__preprocess *p,
                           const akin_image *image,
                           struct akin__preprocess_scratch *scratch,
                           struct cut *cut, akin_error *err)
{
    struct akin__resize resize = {.filter = p->filter};
    if (!resized_size(p, image, &resize))
        return akin__fail(err, AKIN_ELIMIT,
                          "picture of %u x %u pixels is too thin to resize",
                          image->width, image->height);
    cut->x = crop(resize.width, p->width);
    cut->y = crop(resize.height, p->height);
    cut->stride = 3 * (size_t)cut->x.count;
    uint8_t *window =
        akin__scratch_grow(&scratch->window, cut->stride * cut->y.count);
    if (!window)
        return akin__fail(err, AKIN_ENOMEM, "no memory to resize");
    cut->window = window;
    resize.left = cut->x.from;
    resize.top = cut->y.from;
    resize.window_width = cut->x.count;
    resize.window_height = cut->y.count;
    return akin__resize(image, &resize, &scratch->resize, window, cut->stride,
                        err);
}

/* One row of a channel: padding, the picture's bytes, padding. */
static void fill_row(float *out, uint32_t width, const float value[256],
                     const uint8_t *bytes, const struct span *x)
{
    uint32_t i = 0;
    for (; i < x->at; i++)
        out[i] = value[0];
    for (; i < x->at + x->count; i++, bytes += 3)
        out[i] = value[*bytes];
    for (; i < width; i++)
        out[i] = value[0];
}

akin_status akin__preprocess_run(const struct akin__preprocess *p,
                                 const akin_image *image,
                                 struct akin__preprocess_scratch *scratch,
                                 float *pixels, akin_error *err)
{
    const struct span nothing = {0, 0, 0};
    struct cut cut;
    const akin_status status = cut_out(p, image, scratch, &cut, err);
    if (status)
        return status;
    for (size_t c = 0; c < 3; c++)
        for (uint32_t row = 0; row < p->height; row++) {
            const bool inside = row >= cut.y.at && row - cut.y.at < cut.y.count;
            fill_row(pixels, p->width, p->value[c],
                     inside ? cut.window + (row - cut.y.at) * cut.stride + c
                            : cut.window,
                     inside ? &cut.x : &nothing);
            pixels += p->width;
        }
    return AKIN_OK;
}

akin_status akin__preprocess_bytes(const struct akin__preprocess *p,
                                   const akin_image *image,
                                   struct akin__preprocess_scratch *scratch,
                                   uint8_t *bytes, akin_error *err)
{
    const size_t width = 3 * (size_t)p->width;
    struct cut cut;
    const akin_status status = cut_out(p, image, scratch, &cut, err);
    if (status)
        return status;
    if (cut.x.count < p->width || cut.y.count < p->height)
        memset(bytes, 0, width * p->height);
    bytes += cut.y.at * width + 3 * (size_t)cut.x.at;
    for (uint32_t row = 0; row < cut.y.count; row++)
        memcpy(bytes + row * width, cut.window + row * cut.stride, cut.stride);
    return AKIN_OK;
}
