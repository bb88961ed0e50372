/*
 * Figures (akin.h, figures.h): numbers that others published of the real
 * checkpoints, float32 of transformers unless said otherwise.
 *
 * Of CLIP: monatis/clip.cpp has the vectors of a white picture and of a text
 * (here are their sums and lengths; the numbers themselves are files),
 * rom1504/clip-retrieval those of seven photos, made long at one and as
 * float16; transformers' own tests have the logits of two cats, and the slice
 * of DINOv2's last_hidden_state.
 *
 * What is compared with what, and how far apart it may be, is one line each
 * below. Pictures and vectors lie in a folder as docs/models.md says.
 */
#include "embed/figures.h"

#include <math.h>
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "embed/parts.h"
#include "model/blob.h"
#include "model/forward.h"
#include "model/known.h"
#include "model/place.h"
#include "model/weights.h"

enum { DIM = 512, MAX_FILE = 1 << 20 };

/* Of a vector as long as that published: |v - published| / |published|. */
static const double VECTOR_LIMIT = 1e-3;
/* Of vectors of length one that were kept as float16. */
static const double PHOTO_LIMIT = 5e-3;

struct figures {
    const akin_model *model;
    const akin_figures_options *options;
    akin_session *session;
    size_t wrong;
};

/* ----------------------------------------------------------------- files -- */

static void tell(struct figures *f, const char *name, double difference,
                 double limit)
{
    const akin_figure figure = {name, difference, limit, NULL};
    f->wrong += !(difference <= limit);
    if (f->options->visit)
        f->options->visit(f->options->context, &figure);
}

static void skip(const struct figures *f, const char *name, const char *why)
{
    const akin_figure figure = {name, 0, 0, why};
    if (f->options->visit)
        f->options->visit(f->options->context, &figure);
}

/* The path of a published file, allocated; NULL when it is not there, and then
 * the figure `name` is skipped, unless that is NULL. */
static char *published(const struct figures *f, const char *name,
                       const char *file)
{
    char *path =
        f->options->pictures ? akin__join(f->options->pictures, file) : NULL;
    if (path && akin__exists(path))
        return path;
    akin__free(path);
    if (name)
        skip(f, name,
             f->options->pictures
                 ? "its files are not in the folder"
                 : "no folder with the published pictures was given");
    return NULL;
}

/* A number a line into numbers [DIM]. */
static akin_status read_lines(const char *path, float *numbers, akin_error *err)
{
    uint8_t *bytes = NULL;
    size_t count = 0;
    json_t *list = NULL;
    struct akin__text text = {0};
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__read_file(path, MAX_FILE, &bytes, &count, NULL, err));
    while (count && bytes[count - 1] == '\n')
        count--;
    for (size_t i = 0; i < count; i++)
        if (bytes[i] == '\n')
            bytes[i] = ',';
    akin__text_add(&text, "[", 1);
    akin__text_add(&text, (const char *)bytes, count);
    akin__text_add(&text, "]", 1);
    AKIN_CHECK(!text.failed, err, AKIN_ENOMEM, "%s: no memory", path);
    AKIN_TRY(akin__json_parse(path, text.bytes, text.length, &list, err));
    AKIN_CHECK(json_array_size(list) == DIM, err, AKIN_EFORMAT,
               "%s: has %zu numbers, not %d", path, json_array_size(list), DIM);
    for (size_t i = 0; i < DIM; i++)
        numbers[i] = (float)json_number_value(json_array_get(list, i));
out:
    json_decref(list);
    akin__text_free(&text);
    akin__free(bytes);
    return status;
}

/* Row `row` of a NumPy array float16 [rows][DIM] into numbers [DIM]. */
static akin_status read_half(const char *path, size_t row, float *numbers,
                             akin_error *err)
{
    uint8_t *bytes = NULL;
    size_t count = 0;
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__read_file(path, MAX_FILE, &bytes, &count, NULL, err));
    struct akin__cursor c = akin__cursor(bytes, count);
    const uint8_t *magic = akin__take(&c, 8);
    const uint32_t length = akin__take_uint(&c, 2, false);
    const uint8_t *header = akin__take(&c, length);
    (void)akin__take(&c, row * DIM * 2);
    const uint8_t *from = akin__take(&c, DIM * 2);
    AKIN_CHECK(from && !memcmp(magic, "\x93NUMPY\x01", 7) &&
                   memmem(header, length, "'<f2'", 5),
               err, AKIN_EFORMAT, "%s: is no float16 array [%zu or more, %d]",
               path, row + 1, DIM);
    for (size_t i = 0; i < DIM; i++)
        numbers[i] =
            akin__from_f16((uint16_t)(from[2 * i] | from[2 * i + 1] << 8));
out:
    akin__free(bytes);
    return status;
}

/* --------------------------------------------------------------- vectors -- */

static double length_of(const float *v)
{
    double sum = 0;
    for (size_t i = 0; i < DIM; i++)
        sum += (double)v[i] * (double)v[i];
    return sqrt(sum);
}

/* |v / scale - published| / |published| */
static double distance(const float *v, double scale, const float *published)
{
    double sum = 0;
    for (size_t i = 0; i < DIM; i++) {
        const double off = (double)v[i] / scale - (double)published[i];
        sum += off * off;
    }
    return sqrt(sum) / length_of(published);
}

/* A vector whose sum and length are known, and perhaps its numbers. */
static akin_status tell_vector(struct figures *f, const char *what,
                               const char *file, const float *v, double sum,
                               double length, akin_error *err)
{
    float numbers[DIM];
    char name[128];
    double mine = 0;
    char *path;
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < DIM; i++)
        mine += (double)v[i];
    snprintf(name, sizeof name, "%s: the sum of its vector", what);
    tell(f, name, fabs(mine - sum), VECTOR_LIMIT * length);
    snprintf(name, sizeof name, "%s: the length of its vector", what);
    tell(f, name, fabs(length_of(v) - length), VECTOR_LIMIT * length);
    snprintf(name, sizeof name, "%s: the %d numbers of its vector", what, DIM);
    path = published(f, name, file);
    if (!path)
        return AKIN_OK;
    status = read_lines(path, numbers, err);
    if (!status)
        tell(f, name, distance(v, 1, numbers), VECTOR_LIMIT);
    akin__free(path);
    return status;
}

/* ------------------------------------------------------------------ CLIP -- */

static akin_status check_white(struct figures *f, akin_error *err)
{
    enum { SIDE = 224 };
    akin_image image = {SIDE, SIDE, 3 * SIDE, akin__alloc(SIDE * SIDE, 3)};
    float v[AKIN_MAX_DIM];
    akin_status status = AKIN_OK;
    AKIN_CHECK(image.pixels, err, AKIN_ENOMEM, "no memory for a picture");
    memset(image.pixels, 255, SIDE * SIDE * 3);
    AKIN_TRY(akin_embed_image(f->session, &image, v, err));
    AKIN_TRY(tell_vector(f, "a white picture",
                         "clip-vit-base-patch32/white.image_features.txt", v,
                         -2.08032, 12.37802, err));
out:
    akin__free(image.pixels);
    return status;
}

static akin_status check_apple(struct figures *f, akin_error *err)
{
    static const int32_t right[] = {49406, 320, 736, 3055, 49407};
    static const char *const text = "a red apple";
    enum { COUNT = sizeof right / sizeof *right };
    int32_t ids[AKIN_MAX_TOKENS];
    float v[AKIN_MAX_DIM];
    size_t count, off;
    akin_status status = AKIN_OK;
    AKIN_TRY(akin_tokenize(f->model, text, ids, &count, err));
    off = count < COUNT ? COUNT - count : count - COUNT;
    for (size_t i = 0; i < count && i < COUNT; i++)
        off += ids[i] != right[i];
    tell(f, "\"a red apple\": tokens that differ", (double)off, 0);
    AKIN_TRY(akin_embed_texts(f->session, &text, 1, v, err));
    AKIN_TRY(tell_vector(f, "\"a red apple\"",
                         "clip-vit-base-patch32/a_red_apple.text_features.txt",
                         v, 11.91681, 9.33482, err));
out:
    return status;
}

static akin_status read_picture(const struct figures *f, const char *path,
                                akin_image *image, akin_error *err)
{
    const akin_decode_options decode = {.size = sizeof decode,
                                        .exif = akin_model_exif(f->model)};
    return akin_image_read(image, path, &decode, NULL, err);
}

static const char cats[] = "two-cats-000000039769.png";

/* atol 1e-3 in transformers, and PyTorch's own rtol of 1e-5. */
static akin_status check_logits(struct figures *f, akin_error *err)
{
    static const char *const texts[] = {"a photo of a cat", "a photo of a dog"};
    static const double right[] = {24.5701, 19.3049};
    float image[AKIN_MAX_DIM], *text = NULL;
    akin_image picture = {0};
    akin_status status = AKIN_OK;
    char *path = published(f, "two cats: the logits of two texts", cats);
    if (!path)
        return AKIN_OK;
    text = akin__alloc(2 * DIM, sizeof *text);
    AKIN_CHECK(text, err, AKIN_ENOMEM, "no memory for two texts");
    AKIN_TRY(read_picture(f, path, &picture, err));
    AKIN_TRY(akin_embed_image(f->session, &picture, image, err));
    AKIN_TRY(akin_embed_texts(f->session, texts, 2, text, err));
    for (size_t i = 0; i < 2; i++) {
        char name[128];
        snprintf(name, sizeof name, "two cats: the logit of \"%s\"", texts[i]);
        const double logit = akin_model_scale(f->model) *
                             akin_cosine(image, text + i * DIM, DIM);
        tell(f, name, fabs(logit - right[i]), 1e-3 + 1e-5 * right[i]);
    }
out:
    akin_image_free(&picture);
    akin__free(text);
    akin__free(path);
    return status;
}

static void mirror(uint8_t *row, size_t width)
{
    for (size_t a = 0, b = width - 1; a < b; a++, b--)
        for (size_t c = 0; c < 3; c++) {
            const uint8_t left = row[3 * a + c];
            row[3 * a + c] = row[3 * b + c];
            row[3 * b + c] = left;
        }
}

static void mirror_floats(float *row, size_t width)
{
    for (size_t a = 0, b = width - 1; a < b; a++, b--) {
        const float left = row[a];
        row[a] = row[b];
        row[b] = left;
    }
}

/*
 * The vector of a picture whose margins differ by one pixel, cropped as
 * openai/CLIP does: half of an odd margin is rounded to the even number, 73.5
 * to 74, where transformers takes 73. Seen in a mirror, the margins change
 * sides.
 */
static akin_status embed_other_half(const struct figures *f, akin_image *image,
                                    float *v, akin_error *err)
{
    const struct akin__network *n = akin__model_network(f->model);
    struct akin__preprocess_scratch scratch = {0};
    struct akin__stream *stream = NULL;
    akin_status status = AKIN_OK;
    float *pixels =
        akin__alloc_aligned(3 * n->height * n->width, sizeof *pixels);
    AKIN_CHECK(pixels, err, AKIN_ENOMEM, "no memory for a picture");
    AKIN_TRY(akin__stream_open(&stream, n, 1, err));
    for (size_t y = 0; y < image->height; y++)
        mirror(image->pixels + y * image->stride, image->width);
    AKIN_TRY(akin__preprocess_run(akin__model_preprocess(f->model), image,
                                  &scratch, pixels, err));
    for (size_t y = 0; y < 3 * n->height; y++)
        mirror_floats(pixels + y * n->width, n->width);
    akin__stream_run(stream, 1, pixels, v);
out:
    akin__preprocess_scratch_free(&scratch);
    akin__stream_close(&stream);
    akin__free(pixels);
    return status;
}

struct photo {
    const char *picture, *vectors;
    size_t row;
    bool other_half; /* of an odd margin */
};

static akin_status check_photo(struct figures *f, const struct photo *photo,
                               akin_error *err)
{
    float v[AKIN_MAX_DIM], right[DIM];
    char name[64], picture[64], vectors[64];
    akin_image image = {0};
    akin_status status = AKIN_OK;
    char *vector_path = NULL, *path;
    snprintf(name, sizeof name, "photo %s%s", photo->picture,
             photo->other_half ? ", cropped at 74" : "");
    snprintf(picture, sizeof picture, "preprocess/%s.jpg", photo->picture);
    snprintf(vectors, sizeof vectors, "clip-vit-base-patch32/%s.npy",
             photo->vectors);
    path = published(f, name, picture);
    if (!path || !(vector_path = published(f, name, vectors)))
        goto out;
    AKIN_TRY(read_half(vector_path, photo->row, right, err));
    AKIN_TRY(read_picture(f, path, &image, err));
    AKIN_TRY(photo->other_half ? embed_other_half(f, &image, v, err)
                               : akin_embed_image(f->session, &image, v, err));
    tell(f, name, distance(v, length_of(v), right), PHOTO_LIMIT);
out:
    akin_image_free(&image);
    akin__free(path);
    akin__free(vector_path);
    return status;
}

static akin_status check_clip(struct figures *f, akin_error *err)
{
    static const struct photo photos[] = {
        {"123_456", "emb_0", 0, false}, {"208_495", "emb_0", 1, false},
        {"416_264", "emb_1", 0, false}, {"456_123", "emb_1", 1, false},
        {"321_421", "emb_2", 0, false}, {"389_535", "emb_2", 1, false},
        {"524_316", "emb_3", 0, true}};
    akin_status status = AKIN_OK;
    AKIN_CHECK(akin_model_dim(f->model) == DIM, err, AKIN_EMODEL,
               "%s: gives vectors of %zu numbers, not %d",
               akin_model_folder(f->model), akin_model_dim(f->model), DIM);
    AKIN_TRY(akin_session_open(&f->session, f->model, err));
    AKIN_TRY(check_white(f, err));
    AKIN_TRY(check_apple(f, err));
    AKIN_TRY(check_logits(f, err));
    for (size_t i = 0; i < sizeof photos / sizeof *photos; i++)
        AKIN_TRY(check_photo(f, &photos[i], err));
out:
    return status;
}

/* ---------------------------------------------------------------- DINOv2 -- */

/* last_hidden_state[0, :3, :3]; atol 1e-4, and PyTorch's rtol. */
static akin_status check_dinov2(struct figures *f, akin_error *err)
{
    static const double right[3][3] = {{-2.1747, -0.4729, 1.0936},
                                       {-3.2780, -0.8269, -0.9210},
                                       {-2.9129, 1.1284, -0.7306}};
    static const char *const name = "two cats: last_hidden_state[0, :3, :3]";
    const struct akin__network *n = akin__model_network(f->model);
    struct akin__preprocess_scratch scratch = {0};
    struct akin__stream *stream = NULL;
    akin_image image = {0};
    float v[AKIN_MAX_DIM], *pixels = NULL;
    double most = 0;
    akin_status status = AKIN_OK;
    char *path = published(f, name, cats);
    if (!path)
        return AKIN_OK;
    pixels = akin__alloc_aligned(3 * n->height * n->width, sizeof *pixels);
    AKIN_CHECK(pixels, err, AKIN_ENOMEM, "no memory for a picture");
    AKIN_TRY(read_picture(f, path, &image, err));
    AKIN_TRY(akin__preprocess_run(akin__model_preprocess(f->model), &image,
                                  &scratch, pixels, err));
    AKIN_TRY(akin__stream_open(&stream, n, 1, err));
    akin__stream_run(stream, 1, pixels, v);
    for (size_t t = 0; t < 3; t++)
        for (size_t i = 0; i < 3; i++) {
            const float *row =
                akin__stream_tokens(stream) + t * n->config.width;
            most = fmax(most, fabs((double)row[i] - right[t][i]));
        }
    tell(f, name, most, 1e-4 + 1e-5);
out:
    akin__stream_close(&stream);
    akin__preprocess_scratch_free(&scratch);
    akin_image_free(&image);
    akin__free(pixels);
    akin__free(path);
    return status;
}

akin_status akin__figures_run(const akin_model *model,
                              const akin_figures_options *options,
                              akin_error *err)
{
    struct figures f = {.model = model, .options = options};
    const bool clip = !strcmp(akin_model_family(model), "clip");
    akin_status status = clip ? check_clip(&f, err) : check_dinov2(&f, err);
    akin_session_close(&f.session);
    if (!status && f.wrong)
        status = akin__fail(err, AKIN_EMODEL,
                            "%s: %zu of the published figures do not hold",
                            akin_model_name(model), f.wrong);
    return status;
}

/* ------------------------------------------------------------ recognising --
 */

/* Whether `path` is the file that the hub published. */
static akin_status is_file(const char *path, const struct akin__known *known,
                           bool *same, akin_error *err)
{
    struct akin__file file = {.fd = -1};
    uint64_t bytes;
    char hash[65];
    akin_status status = akin__file_open(&file, path, AKIN__READ, err);
    if (status)
        return status;
    AKIN_TRY(akin__file_size(&file, &bytes, err));
    if (bytes != known->bytes)
        goto out;
    AKIN_TRY(akin__blob_hash(&file, bytes, AKIN__BLOB_SHA256, hash, NULL, NULL,
                             NULL, err));
    *same = !strcmp(hash, known->sha256);
out:
    akin__file_close(&file);
    return status;
}

/* Whether the weights are CLIP's in another file: by the class embedding, which
 * clip.cpp published (SHA-256 of its 768 float32). */
static akin_status has_class_embedding(const struct akin__weights_place *place,
                                       bool *same, akin_error *err)
{
    enum { WIDTH = 768 };
    static const char right[] =
        "e1faf3ae0a580864507394b2220d3d9032f21e954ef2045f53f388023cece0b2";
    static const char tensor[] = "vision_model.embeddings.class_embedding";
    const size_t width = WIDTH;
    struct akin__weights *weights = NULL;
    float values[WIDTH];
    uint8_t bytes[4 * WIDTH], digest[AKIN__SHA256_BYTES];
    char hash[2 * AKIN__SHA256_BYTES + 1];
    akin_status status = akin__weights_open(&weights, place, err);
    if (status)
        return status;
    if (akin__weights_check(weights, tensor, 1, &width, NULL))
        goto out; /* another model */
    AKIN_TRY(akin__weights_load(weights, tensor, values, NULL, err));
    for (size_t i = 0; i < WIDTH; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        akin__store_le32(bytes + 4 * i, bits);
    }
    AKIN_TRY(akin__sha256(bytes, sizeof bytes, digest, err));
    akin__hex(hash, digest, sizeof digest);
    *same = !strcmp(hash, right);
out:
    akin__weights_close(&weights);
    return status;
}

/* Whether the weights are ones of which something was published. */
static akin_status recognise(const struct akin__weights_place *place,
                             bool *same, akin_error *err)
{
    const struct akin__known *known;
    struct akin__names files = {0};
    akin_status status = AKIN_OK;
    *same = false;
    AKIN_TRY(akin__weights_names(place, &files, err));
    for (size_t i = 0; files.count == 1 && (known = akin__known_at(i)); i++) {
        char *path = known->sha256 && !*same
                         ? akin__weights_file(place, files.name[0])
                         : NULL;
        status = path ? is_file(path, known, same, err) : AKIN_OK;
        akin__free(path);
        AKIN_TRY(status);
    }
    if (!*same)
        status = has_class_embedding(place, same, err);
out:
    akin__names_free(&files);
    return status;
}

akin_status akin_model_figures(const char *name,
                               const akin_figures_options *options,
                               int *is_published, akin_error *err)
{
    const akin_figures_options defaults = {.size = sizeof defaults};
    akin_model_options how = {.size = sizeof how, .exif = AKIN_EXIF_OFF};
    struct akin__weights_place place;
    akin_model *model = NULL;
    bool same;
    *is_published = 0;
    if (!options)
        options = &defaults;
    akin_status status =
        akin__weights_locate(name, options->revision, &place, err);
    if (status)
        return status;
    AKIN_TRY(recognise(&place, &same, err));
    if (!same)
        goto out;
    *is_published = 1;
    how.revision = options->revision;
    how.threads = options->threads;
    how.pool = AKIN_POOL_MEAN;
    how.tower = AKIN_TOWER_BOTH;
    status = akin_model_open(&model, name, &how, err);
    if (status == AKIN_EUSAGE) { /* it cannot read */
        how.tower = AKIN_TOWER_IMAGE;
        status = akin_model_open(&model, name, &how, err);
    }
    if (!status)
        status = akin__figures_run(model, options, err);
out:
    akin_model_close(&model);
    akin__weights_place_free(&place);
    return status;
}
