/*
 * Pictures (pictures.h): a chunk of files at a time by several threads, each
 * with a session of its own for every model; then the chunk is handed over in
 * order. Memory is that of one chunk, however many files there are.
 */
#include "pictures.h"

#include <limits.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"
#include "cli.h"
#include "terminal.h"

enum { CHUNK_PER_THREAD = 8 };

struct slot {
    struct cli_picture picture;
    akin_status status;
    akin_error error;
    char warning[256];
    bool broken; /* the card is, not the picture */
};

struct work {
    const struct cli_values *values;
    const struct cli_models *models;
    akin_session **session; /* [threads][models] */
    akin_decoder **decoder; /* [threads] */
    struct slot *slot;      /* [chunk] */
    size_t threads, chunk;
    size_t first; /* file of slot 0 */
    struct cli_meter meter;
};

static akin_status embed_slot(struct work *work, struct slot *slot, int thread)
{
    const struct cli_models *models = work->models;
    akin_session **session = work->session + (size_t)thread * models->count;
    akin_image image = {0};
    akin_image_info info = {0};
    akin_status status = akin_decoder_read(
        work->decoder[thread], &image, slot->picture.path, &info, &slot->error);
    memcpy(slot->warning, info.warning, sizeof slot->warning);
    for (size_t m = 0; m < models->count && !status; m++) {
        if (!session[m])
            status =
                akin_session_open(&session[m], models->model[m], &slot->error);
        if (status)
            break;
        status = akin_embed_image(session[m], &image, slot->picture.vector[m],
                                  &slot->error);
        slot->broken = status == AKIN_EIO;
    }
    return status;
}

/* A file's trouble is the file's: the others go on. A card's is not. */
static akin_status embed_item(void *context, size_t item, int thread,
                              akin_error *err)
{
    struct work *work = context;
    struct slot *slot = &work->slot[item];
    slot->picture.number = work->first + item;
    slot->picture.path = work->values->word[slot->picture.number];
    slot->status =
        cli_stopped() ? AKIN_ECANCELLED : embed_slot(work, slot, thread);
    if (!slot->broken)
        return AKIN_OK;
    *err = slot->error;
    return slot->status;
}

/* All models ask for the same pixels. */
static int open_decoders(struct work *work)
{
    const akin_model *first = work->models->model[0];
    const akin_decode_options options = {.size = sizeof options,
                                         .exif = akin_model_exif(first),
                                         .strict = work->values->strict,
                                         .limits = &work->values->limits,
                                         .decode = akin_model_decode(first)};
    akin_error err;
    for (size_t t = 0; t < work->threads; t++) {
        if (akin_decoder_open(&work->decoder[t], CLI_DECODER, &options, &err))
            return cli_fail(ABOUT_OUTPUT, &err);
    }
    return 0;
}

/* Threads that keep so many processors busy: while one waits for a card,
 * another decodes. */
static size_t threads_for(const struct cli_models *models, size_t processors)
{
    for (size_t m = 0; m < models->count; m++)
        if (strcmp(akin_model_device(models->model[m]), "cpu") != 0)
            return 2 * processors;
    return processors;
}

static int open_work(struct work *work)
{
    const struct cli_models *models = work->models;
    const size_t files = work->values->words;
    const size_t wanted = work->values->threads;
    work->threads =
        threads_for(models, wanted ? wanted : (size_t)akin__processors());
    if (work->threads > files)
        work->threads = files;
    work->chunk = work->threads * CHUNK_PER_THREAD;
    if (work->chunk > files)
        work->chunk = files;
    work->session =
        akin__calloc(work->threads * models->count, sizeof(akin_session *));
    work->decoder = akin__calloc(work->threads, sizeof(akin_decoder *));
    work->slot = akin__calloc(work->chunk, sizeof *work->slot);
    if (!work->session || !work->decoder || !work->slot)
        return cli_no_memory();
    for (size_t i = 0; i < work->chunk * models->count; i++) {
        struct slot *slot = &work->slot[i / models->count];
        const size_t m = i % models->count;
        slot->picture.vector[m] =
            akin__alloc(akin_model_dim(models->model[m]), sizeof(float));
        if (!slot->picture.vector[m])
            return cli_no_memory();
    }
    return open_decoders(work);
}

static void close_work(struct work *work)
{
    const size_t sessions = work->threads * work->models->count;
    for (size_t i = 0; work->session && i < sessions; i++)
        akin_session_close(&work->session[i]);
    for (size_t t = 0; work->decoder && t < work->threads; t++)
        akin_decoder_close(&work->decoder[t]);
    for (size_t i = 0; work->slot && i < work->chunk; i++) {
        for (size_t m = 0; m < work->models->count; m++)
            akin__free(work->slot[i].picture.vector[m]);
    }
    akin__free(work->session);
    akin__free(work->decoder);
    akin__free(work->slot);
}

/* Say what is to be said of a file; whether it can be used. */
static bool tell(struct work *work, const struct slot *slot)
{
    if (!slot->status && !*slot->warning)
        return true;
    cli_meter_clear(&work->meter);
    if (slot->status)
        cli_say("%s", slot->error.message);
    else
        cli_say("warning: %s: %s", slot->picture.path, slot->warning);
    return !slot->status;
}

static int run_chunk(struct work *work, size_t count, size_t *failed,
                     int (*visit)(void *, const struct cli_picture *),
                     void *context)
{
    akin_error err;
    int code = 0;
    if (akin__parallel((int)work->threads, count, embed_item, work, &err))
        return cli_fail(ABOUT_MODEL, &err);
    if (cli_stopped())
        return CLI_STOPPED + cli_stopped();
    for (size_t i = 0; i < count && !code; i++) {
        if (!tell(work, &work->slot[i])) {
            ++*failed;
            continue;
        }
        cli_meter_clear(&work->meter);
        code = visit(context, &work->slot[i].picture);
    }
    return code;
}

int cli_embed_pictures(const struct cli_values *values,
                       const struct cli_models *models,
                       int (*visit)(void *, const struct cli_picture *),
                       void *context)
{
    struct work work = {.values = values, .models = models};
    size_t failed = 0;
    cli_catch_stop();
    int code = open_work(&work);
    while (work.first < values->words && !code) {
        const size_t left = values->words - work.first;
        const size_t count = left < work.chunk ? left : work.chunk;
        code = run_chunk(&work, count, &failed, visit, context);
        work.first += count;
        cli_meter_show(&work.meter, "images", work.first, values->words);
    }
    cli_meter_clear(&work.meter);
    close_work(&work);
    if (!code && failed)
        code = failed == values->words ? CLI_NO_INPUT : CLI_PARTLY;
    return code;
}
