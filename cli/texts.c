/*
 * Texts (texts.h): some hundred at a time, by several threads, each with a
 * session of its own for every model; then they are handed over in order.
 */
#include "texts.h"

#include "base/memory.h"
#include "base/thread.h"
#include "cli.h"
#include "terminal.h"

/* A share is what a thread takes at once: several texts are faster. */
enum { SHARE = 16, SHARES = 32, CHUNK = SHARE * SHARES };

struct work {
    const struct cli_values *values;
    const struct cli_models *models;
    akin_session **session;    /* [threads][models] */
    float *vector[CLI_MODELS]; /* [models], each [CHUNK][dim] */
    size_t threads;
    size_t first, count; /* the texts of this chunk */
};

static akin_status embed_share(void *context, size_t share, int thread,
                               akin_error *err)
{
    const struct work *work = context;
    const struct cli_models *models = work->models;
    akin_session **session = work->session + (size_t)thread * models->count;
    const size_t at = share * SHARE, left = work->count - at;
    const size_t count = left < SHARE ? left : SHARE;
    akin_status status = AKIN_OK;
    for (size_t m = 0; m < models->count && !status && !cli_stopped(); m++) {
        const akin_model *model = models->model[m];
        if (!session[m])
            status = akin_session_open(&session[m], model, err);
        if (!status)
            status = akin_embed_texts(
                session[m], work->values->text + work->first + at, count,
                work->vector[m] + at * akin_model_dim(model), err);
    }
    return status;
}

static int open_work(struct work *work)
{
    const struct cli_models *models = work->models;
    const size_t texts = work->values->texts, wanted = work->values->threads;
    const size_t room = texts < CHUNK ? texts : CHUNK;
    work->threads = wanted ? wanted : (size_t)akin__processors();
    work->session =
        akin__calloc(work->threads * models->count, sizeof(akin_session *));
    if (!work->session)
        return cli_no_memory();
    for (size_t m = 0; m < models->count; m++) {
        work->vector[m] =
            akin__alloc(room * akin_model_dim(models->model[m]), sizeof(float));
        if (!work->vector[m])
            return cli_no_memory();
    }
    return 0;
}

static void close_work(struct work *work)
{
    const size_t sessions = work->threads * work->models->count;
    for (size_t i = 0; work->session && i < sessions; i++)
        akin_session_close(&work->session[i]);
    for (size_t m = 0; m < work->models->count; m++)
        akin__free(work->vector[m]);
    akin__free(work->session);
}

static int run_chunk(struct work *work,
                     int (*visit)(void *, const char *, float *const *),
                     void *context)
{
    const struct cli_models *models = work->models;
    const size_t shares = (work->count + SHARE - 1) / SHARE;
    akin_error err;
    int code = 0;
    if (akin__parallel((int)work->threads, shares, embed_share, work, &err))
        return cli_fail(ABOUT_MODEL, &err);
    for (size_t i = 0; i < work->count && !code; i++) {
        float *vector[CLI_MODELS];
        for (size_t m = 0; m < models->count; m++)
            vector[m] = work->vector[m] + i * akin_model_dim(models->model[m]);
        if (cli_stopped())
            return CLI_STOPPED + cli_stopped();
        code = visit(context, work->values->text[work->first + i], vector);
    }
    return code;
}

int cli_embed_texts(const struct cli_values *values,
                    const struct cli_models *models,
                    int (*visit)(void *, const char *, float *const *),
                    void *context)
{
    struct work work = {.values = values, .models = models};
    cli_catch_stop();
    int code = open_work(&work);
    for (; work.first < values->texts && !code; work.first += work.count) {
        const size_t left = values->texts - work.first;
        work.count = left < CHUNK ? left : CHUNK;
        code = run_chunk(&work, visit, context);
    }
    close_work(&work);
    return code;
}
