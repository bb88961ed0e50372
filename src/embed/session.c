/*
 * Session (session.h): pixels of a batch and the stream that they go through.
 */
#include "embed/session.h"

#include "base/error.h"
#include "base/memory.h"
#include "embed/parts.h"
#include "model/forward.h"

struct akin_session {
    const akin_model *model;
    struct akin__stream *stream;
    struct akin__preprocess_scratch scratch;
    size_t batch;
    float *pixels; /* [batch][3][height][width] */
};

/*
 * Pictures that go through the network together. CLIP's 50 tokens alone are
 * too few rows to keep a GEMM's tiles full: four pictures at once take 2 %
 * (float32) to 5 % (int8) less time than one by one, eight no less. DINOv2's
 * 257 are enough, and the activations of one picture stay in the cache: four
 * at once take 3 to 8 % more. This is the only place that says how many.
 */
size_t akin__model_batch(const akin_model *model)
{
    return akin__model_network(model)->config.family == AKIN__CLIP ? 4 : 1;
}

/* Numbers of a picture as the network takes it. */
static size_t picture_size(const akin_model *model)
{
    const struct akin__network *network = akin__model_network(model);
    return 3 * network->height * network->width;
}

akin_status akin_session_open(akin_session **out, const akin_model *model,
                              akin_error *err)
{
    akin_status status = AKIN_OK;
    akin_session *session = akin__calloc(1, sizeof *session);
    *out = NULL;
    AKIN_CHECK(session, err, AKIN_ENOMEM, "no memory for a session");
    session->model = model;
    session->batch = akin__model_batch(model);
    session->pixels = akin__alloc_aligned(session->batch * picture_size(model),
                                          sizeof(float));
    AKIN_CHECK(session->pixels, err, AKIN_ENOMEM, "no memory for a session");
    AKIN_TRY(akin__stream_open(&session->stream, akin__model_network(model),
                               session->batch, err));
    *out = session;
    session = NULL;
out:
    akin_session_close(&session);
    return status;
}

void akin_session_close(akin_session **session)
{
    if (!*session)
        return;
    akin__stream_close(&(*session)->stream);
    akin__preprocess_scratch_free(&(*session)->scratch);
    akin__free((*session)->pixels);
    akin__free(*session);
    *session = NULL;
}

akin_status akin__session_place(akin_session *session, size_t slot,
                                const akin_image *image, akin_error *err)
{
    const akin_model *model = session->model;
    return akin__preprocess_run(
        akin__model_preprocess(model), image, &session->scratch,
        session->pixels + slot * picture_size(model), err);
}

void akin__session_run(akin_session *session, size_t count, float *vectors)
{
    akin__stream_run(session->stream, count, session->pixels, vectors);
}

/* At most a batch of images. */
static akin_status embed_batch(akin_session *session, const akin_image *images,
                               size_t count, float *vectors, akin_error *err)
{
    const akin_model *model = session->model;
    const size_t dim = akin_model_dim(model);
    for (size_t i = 0; i < count; i++) {
        const akin_status status =
            akin__session_place(session, i, &images[i], err);
        if (status)
            return status;
    }
    akin__session_run(session, count, vectors);
    return akin__is_finite(vectors, count * dim)
               ? AKIN_OK
               : akin__fail(err, AKIN_EMODEL,
                            "%s: gives a vector that is not finite: its "
                            "weights are damaged",
                            akin_model_folder(model));
}

akin_status akin_embed_images(akin_session *session, const akin_image *images,
                              size_t count, float *vectors, akin_error *err)
{
    const size_t dim = akin_model_dim(session->model);
    for (size_t done = 0; done < count;) {
        const size_t left = count - done;
        const size_t now = left < session->batch ? left : session->batch;
        const akin_status status =
            embed_batch(session, images + done, now, vectors + done * dim, err);
        if (status)
            return status;
        done += now;
    }
    return AKIN_OK;
}

akin_status akin_embed_image(akin_session *session, const akin_image *image,
                             float *vector, akin_error *err)
{
    return akin_embed_images(session, image, 1, vector, err);
}

akin_status akin_embed_file(const akin_model *model, const char *path,
                            float *vector, akin_error *err)
{
    const akin_decode_options decode = {.size = sizeof decode,
                                        .exif = akin_model_exif(model),
                                        .decode = akin_model_decode(model)};
    akin_session *session = NULL;
    akin_image image = {0};
    akin_status status = AKIN_OK;
    AKIN_TRY(akin_image_read(&image, path, &decode, NULL, err));
    AKIN_TRY(akin_session_open(&session, model, err));
    AKIN_TRY(akin_embed_image(session, &image, vector, err));
out:
    akin_session_close(&session);
    akin_image_free(&image);
    return status;
}
