/*
 * Session (session.h): pixels of a batch and the stream that they go through,
 * or bytes of a batch on their way to a card; tokens of a batch and their
 * stream.
 */
#include "embed/session.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "embed/parts.h"
#include "model/forward.h"

struct akin_session {
    const akin_model *model;
    struct akin__stream *stream;
    struct akin__preprocess_scratch scratch;
    size_t batch;
    float *pixels;                /* [batch][3][height][width] */
    struct akin__card_memory way; /* on a card: [room][height][width][3] */
    size_t room;                  /* as many as were placed, so far */
    struct akin__stream *reading; /* NULL without the text tower */
    int32_t *ids;                 /* [rows]: of texts, one after the other */
    size_t *lengths;              /* [rows] */
    size_t rows;
};

/* Texts of the longest kind that a stream holds: captions of ten tokens come
 * fifteen at a time, enough to keep a GEMM's tiles full. */
enum { LONGEST_TEXTS = 2 };

/*
 * Pictures that go through the network together. CLIP's 50 tokens alone are
 * too few rows to keep a GEMM's tiles full: four pictures at once take 2 %
 * (float32) to 5 % (int8) less time than one by one, eight no less. DINOv2's
 * 257 are enough, and the activations of one picture stay in the cache: four
 * at once take 3 to 8 % more. This is the only place that says how many; a card
 * says itself.
 */
size_t akin__model_batch(const akin_model *model)
{
    if (akin__model_card(model))
        return akin__card_batch(akin__model_card(model));
    return akin__model_network(model)->config.family == AKIN__CLIP ? 4 : 1;
}

/* Numbers of a picture as the network takes it. */
static size_t picture_size(const akin_model *model)
{
    const struct akin__network *network = akin__model_network(model);
    return 3 * network->height * network->width;
}

static akin_status open_images(akin_session *session, akin_error *err)
{
    const akin_model *model = session->model;
    session->batch = akin__model_batch(model);
    if (akin__model_card(model))
        return AKIN_OK;
    session->pixels = akin__alloc_aligned(session->batch * picture_size(model),
                                          sizeof(float));
    if (!session->pixels)
        return akin__fail(err, AKIN_ENOMEM, "no memory for a session");
    return akin__stream_open(&session->stream, akin__model_network(model),
                             session->batch, err);
}

static akin_status open_texts(akin_session *session, akin_error *err)
{
    const struct akin__network *reader = akin__model_reader(session->model);
    session->rows = LONGEST_TEXTS * reader->tokens;
    session->ids = akin__alloc(session->rows, sizeof *session->ids);
    session->lengths = akin__alloc(session->rows, sizeof *session->lengths);
    if (!session->ids || !session->lengths)
        return akin__fail(err, AKIN_ENOMEM, "no memory for a session");
    return akin__stream_open(&session->reading, reader, LONGEST_TEXTS, err);
}

akin_status akin_session_open(akin_session **out, const akin_model *model,
                              akin_error *err)
{
    akin_status status = AKIN_OK;
    akin_session *session = akin__calloc(1, sizeof *session);
    *out = NULL;
    AKIN_CHECK(session, err, AKIN_ENOMEM, "no memory for a session");
    session->model = model;
    if (akin__model_network(model))
        AKIN_TRY(open_images(session, err));
    if (akin__model_reader(model))
        AKIN_TRY(open_texts(session, err));
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
    akin__card_free(&(*session)->way);
    akin__stream_close(&(*session)->reading);
    akin__free((*session)->ids);
    akin__free((*session)->lengths);
    akin__free(*session);
    *session = NULL;
}

/* Room for `slots` pictures on their way to the card, twice as much each time:
 * who places few takes little of what is pinned, which is dear. */
static akin_status make_room(akin_session *session, size_t slots,
                             akin_error *err)
{
    struct akin__card_memory more = {0};
    const size_t bytes = picture_size(session->model);
    size_t room = session->room ? session->room : 1;
    while (room < slots)
        room *= 2;
    if (room > session->batch)
        room = session->batch;
    if (!akin__card_alloc(akin__model_card(session->model), room * bytes,
                          &more))
        return akin__fail(err, AKIN_ENOMEM, "no memory for a session");
    if (session->room)
        memcpy(more.bytes, session->way.bytes, session->room * bytes);
    akin__card_free(&session->way);
    session->way = more;
    session->room = room;
    return AKIN_OK;
}

akin_status akin__session_place(akin_session *session, size_t slot,
                                const akin_image *image, akin_error *err)
{
    const akin_model *model = session->model;
    const size_t at = slot * picture_size(model);
    if (!akin__model_card(model))
        return akin__preprocess_run(akin__model_preprocess(model), image,
                                    &session->scratch, session->pixels + at,
                                    err);
    const akin_status status =
        slot < session->room ? AKIN_OK : make_room(session, slot + 1, err);
    return status ? status
                  : akin__preprocess_bytes(akin__model_preprocess(model), image,
                                           &session->scratch,
                                           session->way.bytes + at, err);
}

akin_status akin__session_run(akin_session *session, size_t count,
                              float *vectors, akin_error *err)
{
    const struct akin__card *card = akin__model_card(session->model);
    if (card)
        return akin__card_run(card, count, session->way.bytes, vectors, err);
    akin__stream_run(session->stream, count, session->pixels, vectors);
    return AKIN_OK;
}

static akin_status check(const akin_model *model, size_t count,
                         const float *vectors, akin_error *err)
{
    return akin__is_finite(vectors, count * akin_model_dim(model))
               ? AKIN_OK
               : akin__fail(err, AKIN_EMODEL,
                            "%s: gives a vector that is not finite: its "
                            "weights are damaged",
                            akin_model_folder(model));
}

/* At most a batch of images. */
static akin_status embed_batch(akin_session *session, const akin_image *images,
                               size_t count, float *vectors, akin_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const akin_status status =
            akin__session_place(session, i, &images[i], err);
        if (status)
            return status;
    }
    const akin_status status = akin__session_run(session, count, vectors, err);
    return status ? status : check(session->model, count, vectors, err);
}

akin_status akin_embed_images(akin_session *session, const akin_image *images,
                              size_t count, float *vectors, akin_error *err)
{
    const size_t dim = akin_model_dim(session->model);
    akin_status status = akin__need_images(session->model, err);
    for (size_t done = 0, now; done < count && !status; done += now) {
        const size_t left = count - done;
        now = left < session->batch ? left : session->batch;
        status =
            embed_batch(session, images + done, now, vectors + done * dim, err);
    }
    return status;
}

/* Tokens up to the one whose place becomes the vector (config.h); where there
 * is none transformers takes the first. */
static size_t useful(const struct akin__config *config, const int32_t *ids,
                     size_t count)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (config->end >= 0 && ids[i] == config->end)
            return i + 1;
        if (config->end < 0 && ids[i] > ids[at])
            at = i;
    }
    return at + 1;
}

akin_status akin_embed_texts(akin_session *session, const char *const *texts,
                             size_t count, float *vectors, akin_error *err)
{
    const struct akin__network *reader = akin__model_reader(session->model);
    int32_t ids[AKIN_MAX_TOKENS];
    size_t found, waiting = 0, used = 0; /* texts and their tokens */
    akin_status status = akin__need_texts(session->model, err);
    for (size_t i = 0; i < count && !status; i++) {
        status = akin_tokenize(session->model, texts[i], ids, &found, err);
        if (status)
            break;
        const size_t length = useful(&reader->config, ids, found);
        if (used + length > session->rows) {
            status = akin__stream_read(
                session->reading, waiting, session->ids, session->lengths,
                vectors + (i - waiting) * reader->dim, err);
            waiting = used = 0;
        }
        memcpy(session->ids + used, ids, length * sizeof *ids);
        session->lengths[waiting++] = length;
        used += length;
    }
    if (!status && waiting)
        status = akin__stream_read(
            session->reading, waiting, session->ids, session->lengths,
            vectors + (count - waiting) * reader->dim, err);
    return status ? status : check(session->model, count, vectors, err);
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
