/*
 * Pictures (pictures.h): files by several threads, each with a session of its
 * own for every model. Who is done with a file hands over what can be in order.
 * Nobody begins a file too far ahead of the last that was, so memory is that of
 * a few files a thread, however many there are.
 */
#include "pictures.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"
#include "cli.h"
#include "terminal.h"

enum { AHEAD_PER_THREAD = 8 };

struct slot {
    struct cli_picture picture;
    akin_status status;
    akin_error error;
    char warning[256];
    bool broken; /* the card is, not the picture */
    bool done;   /* and not handed over yet */
};

struct work {
    const struct cli_values *values;
    const struct cli_models *models;
    akin_session **session; /* [threads][models] */
    akin_decoder **decoder; /* [threads] */
    struct slot *slot;      /* [ahead], by turns */
    size_t threads, ahead;

    struct akin__lock lock; /* over what follows */
    int (*visit)(void *context, const struct cli_picture *picture);
    void *context;
    size_t handed, failed; /* files handed over; of them, not read */
    int code;              /* what ended the work */
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
    work->ahead = work->threads * AHEAD_PER_THREAD;
    if (work->ahead > files)
        work->ahead = files;
    work->session =
        akin__calloc(work->threads * models->count, sizeof(akin_session *));
    work->decoder = akin__calloc(work->threads, sizeof(akin_decoder *));
    work->slot = akin__calloc(work->ahead, sizeof *work->slot);
    if (!work->session || !work->decoder || !work->slot)
        return cli_no_memory();
    for (size_t i = 0; i < work->ahead * models->count; i++) {
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
    for (size_t i = 0; work->slot && i < work->ahead; i++) {
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

/* Hand over what is done, in order. */
static void hand_over(struct work *work)
{
    while (!work->code && work->handed < work->values->words) {
        struct slot *slot = &work->slot[work->handed % work->ahead];
        if (!slot->done)
            break;
        slot->done = false;
        if (tell(work, slot)) {
            if (isatty(STDOUT_FILENO))
                cli_meter_clear(&work->meter); /* for what visit writes */
            work->code = work->visit(work->context, &slot->picture);
        } else {
            work->failed++;
        }
        work->handed++;
        cli_meter_show(&work->meter, "images", work->handed,
                       work->values->words);
    }
}

/* Wait until there is room for the file; whether to go on. */
static bool may_begin(struct work *work, size_t file)
{
    akin__lock_take(&work->lock);
    while (!work->code && file - work->handed >= work->ahead)
        akin__lock_wait(&work->lock);
    if (!work->code && cli_stopped()) {
        work->code = CLI_STOPPED + cli_stopped();
        akin__lock_ring(&work->lock);
    }
    const bool may = !work->code;
    akin__lock_give(&work->lock);
    return may;
}

/* A file's trouble is the file's: the others go on. A card's is not. */
static akin_status embed_file(void *context, size_t file, int thread,
                              akin_error *err)
{
    struct work *work = context;
    struct slot *slot = &work->slot[file % work->ahead];
    (void)err; /* work->code says what happened */
    if (!may_begin(work, file))
        return AKIN_ECANCELLED;
    slot->picture.number = file;
    slot->picture.path = work->values->word[file];
    slot->status = embed_slot(work, slot, thread);
    akin__lock_take(&work->lock);
    if (slot->broken && !work->code)
        work->code = cli_fail(ABOUT_MODEL, &slot->error);
    slot->done = true;
    hand_over(work);
    akin__lock_ring(&work->lock);
    akin__lock_give(&work->lock);
    return AKIN_OK;
}

int cli_embed_pictures(const struct cli_values *values,
                       const struct cli_models *models,
                       int (*visit)(void *, const struct cli_picture *),
                       void *context)
{
    struct work work = {
        .values = values, .models = models, .visit = visit, .context = context};
    cli_catch_stop();
    akin__lock_open(&work.lock);
    work.code = open_work(&work);
    if (!work.code)
        akin__parallel((int)work.threads, values->words, embed_file, &work,
                       NULL);
    cli_meter_clear(&work.meter);
    close_work(&work);
    akin__lock_close(&work.lock);
    if (!work.code && work.failed)
        work.code = work.failed == values->words ? CLI_NO_INPUT : CLI_PARTLY;
    return work.code;
}
