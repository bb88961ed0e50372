/*
 * A model without a network: its vector is a hash of the pixels, spread over
 * eight numbers. It counts what it is asked and fails, stops or kills on
 * demand, so that tests reach the machinery around the network.
 *
 * It takes the place of embed/model.c and embed/session.c at link time: the
 * linker takes an object out of the library only for a name that is not there
 * yet.
 */
#ifndef AKIN_TESTS_FAKE_MODEL_H
#define AKIN_TESTS_FAKE_MODEL_H

#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "akin.h"
#include "base/error.h"
#include "embed/session.h"

enum { FAKE_DIM = 8, FAKE_MOST = 4 };

struct akin_model {
    const char *name, *fingerprint;
    akin_exif exif;
    size_t batch; /* 1 to FAKE_MOST */
    akin_precision precision;
    akin_decode decode;
};

struct akin_session {
    const akin_model *model;
    float placed[FAKE_MOST][FAKE_DIM];
};

static atomic_int embedded;                           /* pictures so far */
static int kill_at, embed_usec, fail_width, give_nan; /* 0: not at all */
static void (*before_run)(size_t count); /* called before a batch is run */

static uint64_t hash_of(const char *name, const uint8_t *bytes, size_t count)
{
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */
    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * 0x100000001b3;
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3;
    return hash;
}

static void vector_of(const akin_model *model, const akin_image *image,
                      float *vector)
{
    uint64_t hash = hash_of(model->name, NULL, 0);
    for (uint32_t y = 0; y < image->height; y++)
        hash ^= hash_of(model->name, image->pixels + y * image->stride,
                        3 * (size_t)image->width) *
                (2 * y + 1);
    for (int i = 0; i < FAKE_DIM; i++)
        vector[i] = (float)((int)(hash >> 8 * i & 255) - 128) + 0.5f;
}

size_t akin__model_batch(const akin_model *model)
{
    return model->batch;
}

akin_status akin__session_place(akin_session *session, size_t slot,
                                const akin_image *image, akin_error *err)
{
    if (fail_width && image->width == (uint32_t)fail_width)
        return akin__fail(err, AKIN_ELIMIT, "no network takes this width");
    if (slot >= session->model->batch)
        return akin__fail(err, AKIN_EUSAGE, "slot %zu is beyond the batch",
                          slot);
    vector_of(session->model, image, session->placed[slot]);
    return AKIN_OK;
}

akin_status akin__session_run(akin_session *session, size_t count,
                              float *vectors, akin_error *err)
{
    (void)err;
    if (before_run)
        before_run(count);
    for (size_t i = 0; i < count; i++) {
        if (atomic_fetch_add(&embedded, 1) + 1 == kill_at)
            kill(getpid(), SIGKILL);
        usleep((useconds_t)embed_usec);
        memcpy(vectors + i * FAKE_DIM, session->placed[i],
               sizeof session->placed[i]);
        if (give_nan)
            vectors[i * FAKE_DIM + FAKE_DIM - 1] = NAN;
        /* What is run twice would give another vector. */
        memset(session->placed[i], 0, sizeof session->placed[i]);
    }
    return AKIN_OK;
}

akin_status akin_session_open(akin_session **session, const akin_model *model,
                              akin_error *err)
{
    *session = malloc(sizeof **session);
    if (!*session)
        return akin__fail(err, AKIN_ENOMEM, "no memory");
    (*session)->model = model;
    return AKIN_OK;
}

void akin_session_close(akin_session **session)
{
    free(*session);
    *session = NULL;
}

const char *akin_model_name(const akin_model *model)
{
    return model->name;
}

const char *akin_model_family(const akin_model *model)
{
    (void)model;
    return "clip";
}

const char *akin_model_folder(const akin_model *model)
{
    (void)model;
    return "/nowhere";
}

const char *akin_model_pool(const akin_model *model)
{
    (void)model;
    return "cls";
}

akin_exif akin_model_exif(const akin_model *model)
{
    return model->exif;
}

akin_precision akin_model_precision(const akin_model *model)
{
    return model->precision;
}

akin_decode akin_model_decode(const akin_model *model)
{
    return model->decode;
}

size_t akin_model_dim(const akin_model *model)
{
    (void)model;
    return FAKE_DIM;
}

const char *akin_model_device(const akin_model *model)
{
    (void)model;
    return "cpu";
}

const char *akin_model_fingerprint(const akin_model *model)
{
    return model->fingerprint;
}

#endif
