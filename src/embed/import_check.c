/*
 * Are these vectors what the model makes? (import.h) Nothing in a file of
 * vectors says how they were made, so a few of its rows are made again.
 */
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "embed/import.h"

enum {
    MOST_SAMPLES = 32,
    ENOUGH = 5,       /* pictures embedded */
    ENOUGH_TURNED = 2 /* and of those that EXIF turns, which are few, and the
                         only ones that show whether somebody turned them */
};

/* Other decoders, resizers and precisions come to 0.999 and more; another
 * model, pooling or picture to far less. */
#define LEAST_COSINE 0.99

static void drop(struct akin__import_sample *sample)
{
    akin__free(sample->path);
    akin__free(sample->vector);
}

void akin__import_samples_free(struct akin__import_samples *samples)
{
    for (size_t i = 0; i < samples->count; i++)
        drop(&samples->sample[i]);
    akin__free(samples->sample);
    memset(samples, 0, sizeof *samples);
}

/* Keep every second one, and look out for half as many from here. */
static void thin_out(struct akin__import_samples *samples)
{
    size_t kept = 0;
    for (size_t i = 0; i < samples->count; i++) {
        if (i % 2)
            drop(&samples->sample[i]);
        else
            samples->sample[kept++] = samples->sample[i];
    }
    samples->count = kept;
    samples->stride *= 2;
}

akin_status akin__import_sample(struct akin__import_samples *samples,
                                const char *path, uint64_t row,
                                const float *vector, size_t dim,
                                akin_error *err)
{
    struct stat st;
    if (row < samples->next || akin__stat(path, &st, NULL) ||
        !S_ISREG(st.st_mode))
        return AKIN_OK;
    if (!samples->sample)
        samples->sample = akin__alloc(MOST_SAMPLES, sizeof *samples->sample);
    struct akin__import_sample one = {akin__strdup(path), row,
                                      akin__alloc(dim, sizeof(float))};
    if (!samples->sample || !one.path || !one.vector) {
        drop(&one);
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", path);
    }
    memcpy(one.vector, vector, dim * sizeof(float));
    samples->sample[samples->count++] = one;
    samples->stride += !samples->stride;
    if (samples->count == MOST_SAMPLES)
        thin_out(samples);
    samples->next = row + samples->stride;
    return AKIN_OK;
}

static size_t common_divisor(size_t a, size_t b)
{
    while (b) {
        const size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* A step with which `count` things are all visited, the first few of them far
 * from each other: the golden section of it, or the next that divides not. */
static size_t spread(size_t count)
{
    size_t step = (size_t)(0.618 * (double)count) + 1;
    while (common_divisor(step, count) != 1)
        step++;
    return step;
}

static akin_status disagree(const struct akin__import_sample *sample,
                            const akin_model *model, const char *from,
                            uint32_t orientation, double cosine,
                            akin_error *err)
{
    const bool on = akin_model_exif(model) == AKIN_EXIF_ON;
    const char *hint =
        orientation > 1
            ? (on ? "EXIF turns this picture: try --exif off"
                  : "EXIF turns this picture: try --exif on")
            : "try another --model or --pool, and see that the paths are in "
              "the order of the rows";
    return akin__fail(
        err, AKIN_EINDEX,
        "%s: its vector in %s, row %llu, and the one that %s makes of the file "
        "have a cosine of %.4f (at least %.2f is wanted): they were made "
        "differently, or of another picture; %s",
        sample->path, from, (unsigned long long)sample->row,
        akin_model_name(model), cosine, LEAST_COSINE, hint);
}

struct compare {
    const akin_model *model;
    akin_session *session;
    float *vector; /* [dim] */
    size_t turned;
    akin_import_report *report;
};

/* What cannot be read as a picture is passed over. */
static akin_status compare_one(struct compare *c,
                               const struct akin__import_sample *sample,
                               const char *from, akin_error *err)
{
    const akin_decode_options options = {.size = sizeof options,
                                         .exif = akin_model_exif(c->model),
                                         .decode = akin_model_decode(c->model)};
    akin_import_report *report = c->report;
    akin_image image = {0};
    akin_image_info info;
    if (akin_image_read(&image, sample->path, &options, &info, NULL))
        return AKIN_OK;
    const bool turned = info.orientation > 1 && c->turned < ENOUGH_TURNED;
    akin_status status = AKIN_OK;
    if (report->compared - c->turned < ENOUGH || turned) {
        status = akin_embed_image(c->session, &image, c->vector, err);
        if (!status) {
            const double cosine = akin_cosine(c->vector, sample->vector,
                                              akin_model_dim(c->model));
            if (!report->compared || cosine < report->cosine_min)
                report->cosine_min = cosine;
            report->compared++;
            c->turned += turned;
            if (!(cosine >= LEAST_COSINE))
                status = disagree(sample, c->model, from, info.orientation,
                                  cosine, err);
        }
    }
    akin_image_free(&image);
    return status;
}

akin_status akin__import_compare(const struct akin__import_samples *samples,
                                 const akin_model *model, const char *from,
                                 akin_import_report *report, akin_error *err)
{
    struct compare c = {.model = model, .report = report};
    akin_status status = AKIN_OK;
    if (!samples->count)
        return AKIN_OK;
    c.vector = akin__alloc(akin_model_dim(model), sizeof(float));
    AKIN_CHECK(c.vector, err, AKIN_ENOMEM, "no memory for a vector");
    AKIN_TRY(akin_session_open(&c.session, model, err));
    const size_t step = spread(samples->count);
    for (size_t i = 0, at = 0; i < samples->count; i++) {
        AKIN_TRY(compare_one(&c, &samples->sample[at], from, err));
        if (report->compared >= ENOUGH + ENOUGH_TURNED)
            break;
        at = (at + step) % samples->count;
    }
out:
    akin_session_close(&c.session);
    akin__free(c.vector);
    return status;
}
