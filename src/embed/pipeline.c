/*
 * Pipeline: files -> pixels -> vectors -> index.
 *
 * Each worker takes the next file, hashes it, asks the index what it knows of
 * the content (job.c), decodes what is new, once, and places the picture in
 * the session of every model that needs it. A session runs when its slots are
 * full; when the worker has gathered a batch, what is left in the sessions is
 * run and the outcomes are staged. So decoding on one processor overlaps with
 * embedding on the others, one decoded picture is in memory per worker, and
 * the files come read ahead (ahead.h).
 *
 * Of two copies side by side only one is embedded: a worker holds the contents
 * that it has in its batch, and a file whose content is held, by itself or by
 * another, is put aside until its own batch is done. Then the worker holds
 * nothing and may wait for the others: nobody waits in a circle.
 *
 * One bad file is a line in the table of failures; what stops a run is an
 * index that cannot be written, memory for a session, a decoder's process that
 * cannot be started, or the caller.
 */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/suffix.h"
#include "base/thread.h"
#include "embed/job.h"
#include "embed/session.h"
#include "image/apart.h"
#include "image/limits.h"

/* A worker's way through one model. */
struct lane {
    akin_session *session; /* opened when needed */
    size_t batch;          /* slots of the session */
    struct akin__job **in; /* [batch] whose picture is in each slot */
    size_t used;           /* slots */
    float *out;            /* [batch][dim] */
    float *vectors;        /* [most][dim]: of the jobs of the worker */
    double seconds;        /* in the session */
    double placing;        /* of them on the network's input */
};

struct worker {
    struct pipeline *pipeline;
    akin_decoder *decoder;
    struct lane lane[AKIN__MAX_MODELS]; /* [models] */
    struct akin__job *job;              /* [most], those of the batch first */
    size_t pending;                     /* in the batch */
    const struct akin__item **aside;    /* [most]: content in hand elsewhere */
    size_t put_aside;
    double decoding;         /* seconds */
    double embedding, other; /* seconds on files that needed the network, and
                                on files that did not */

    /* Under run->lock: the contents in hand, those of the batch and of the
     * file that is under way. */
    uint8_t (*held)[32]; /* [most] */
    size_t holds;
};

struct pipeline {
    struct akin__line line;
    struct akin__ahead *ahead;
    struct worker *worker; /* [workers] */
    size_t workers;
    size_t most; /* files in a worker's batch: the largest of the models' */
};

/* ------------------------------------------------------ contents in hand -- */

static bool is_held(const struct pipeline *pipeline, const uint8_t content[32])
{
    for (size_t i = 0; i < pipeline->workers; i++) {
        const struct worker *worker = &pipeline->worker[i];
        for (size_t h = 0; h < worker->holds; h++)
            if (memcmp(worker->held[h], content, 32) == 0)
                return true;
    }
    return false;
}

/* Take the content in hand unless somebody has it. `wait` until nobody has:
 * only for a worker that holds nothing itself. */
static bool hold(struct worker *worker, const uint8_t content[32], bool wait)
{
    struct akin__lock *lock = &worker->pipeline->line.run->lock;
    akin__lock_take(lock);
    bool free = !is_held(worker->pipeline, content);
    while (!free && wait) {
        akin__lock_wait(lock);
        free = !is_held(worker->pipeline, content);
    }
    if (free)
        memcpy(worker->held[worker->holds++], content, 32);
    akin__lock_give(lock);
    return free;
}

/* Let go of all but the first `kept`. */
static void release(struct worker *worker, size_t kept)
{
    struct akin__lock *lock = &worker->pipeline->line.run->lock;
    akin__lock_take(lock);
    worker->holds = kept;
    akin__lock_ring(lock);
    akin__lock_give(lock);
}

/* ------------------------------------------------------------- networks -- */

/* A session and its memory for each model, once a worker needs them. */
static akin_status open_lanes(struct worker *worker, akin_error *err)
{
    const struct akin__run *run = worker->pipeline->line.run;
    for (size_t i = 0; i < run->model_count; i++) {
        const akin_model *model = run->models[i];
        const size_t dim = akin_model_dim(model);
        struct lane *lane = &worker->lane[i];
        if (lane->session)
            continue;
        lane->batch = akin__model_batch(model);
        lane->in = akin__alloc(lane->batch, sizeof *lane->in);
        lane->out = akin__alloc(lane->batch, dim * sizeof(float));
        lane->vectors =
            akin__alloc(worker->pipeline->most, dim * sizeof(float));
        if (!lane->in || !lane->out || !lane->vectors)
            return akin__fail(err, AKIN_ENOMEM, "no memory for vectors");
        const akin_status status =
            akin_session_open(&lane->session, model, err);
        if (status)
            return status;
    }
    return AKIN_OK;
}

static void close_lanes(struct worker *worker)
{
    for (size_t i = 0; i < AKIN__MAX_MODELS; i++) {
        struct lane *lane = &worker->lane[i];
        akin_session_close(&lane->session);
        akin__free(lane->in);
        akin__free(lane->out);
        akin__free(lane->vectors);
    }
}

static akin_status run_lane(struct worker *worker, size_t model,
                            akin_error *err)
{
    struct lane *lane = &worker->lane[model];
    const size_t dim =
        akin_model_dim(worker->pipeline->line.run->models[model]);
    const double start = akin__seconds();
    if (!lane->used)
        return AKIN_OK;
    const akin_status status =
        akin__session_run(lane->session, lane->used, lane->out, err);
    for (size_t slot = 0; slot < lane->used && !status; slot++)
        memcpy(lane->in[slot]->vector[model], lane->out + slot * dim,
               dim * sizeof(float));
    lane->used = 0;
    lane->seconds += akin__seconds() - start;
    return status;
}

/* The lanes that are full, or with `all` those that hold anything. */
static akin_status run_lanes(struct worker *worker, bool all, akin_error *err)
{
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < worker->pipeline->line.run->model_count && !status;
         i++) {
        const struct lane *lane = &worker->lane[i];
        if (all || lane->used == lane->batch)
            status = run_lane(worker, i, err);
    }
    return status;
}

static bool needs(const struct worker *worker, const struct akin__job *job,
                  size_t model)
{
    return job->needed >> worker->pipeline->line.run->ordinal[model] & 1;
}

/* The picture into a slot of each model that needs it, or of none. */
static akin_status place(struct worker *worker, struct akin__job *job,
                         const akin_image *image, akin_error *cause)
{
    const struct akin__run *run = worker->pipeline->line.run;
    const size_t at = (size_t)(job - worker->job);
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < run->model_count && !status; i++) {
        struct lane *lane = &worker->lane[i];
        const double start = akin__seconds();
        if (!needs(worker, job, i))
            continue;
        status = akin__session_place(lane->session, lane->used, image, cause);
        lane->in[lane->used] = job;
        job->vector[i] = lane->vectors + at * akin_model_dim(run->models[i]);
        const double took = akin__seconds() - start;
        lane->seconds += took;
        lane->placing += took;
    }
    for (size_t i = 0; i < run->model_count && !status; i++)
        worker->lane[i].used += needs(worker, job, i);
    return status;
}

static akin_status decode_and_place(struct worker *worker,
                                    struct akin__job *job,
                                    struct akin__handed *file,
                                    akin_error *cause)
{
    akin_image image;
    akin_image_info info;
    const double start = akin__seconds();
    const akin_status status = akin_decoder_decode(
        worker->decoder, &image, file->bytes, file->count, &info, cause);
    worker->decoding += akin__seconds() - start;
    akin__free(file->bytes);
    file->bytes = NULL;
    if (status)
        return status;
    akin__job_describe(job, &image, &info);
    return place(worker, job, &image, cause);
}

/* --------------------------------------------------------------- a file -- */

/* Stage what a job of the batch has come to. */
static akin_status finish(struct worker *worker, struct akin__job *job,
                          akin_error *err)
{
    const struct akin__run *run = worker->pipeline->line.run;
    for (size_t i = 0; i < run->model_count; i++) {
        const akin_model *model = run->models[i];
        akin_error cause;
        if (!needs(worker, job, i) ||
            akin__is_finite(job->vector[i], akin_model_dim(model)))
            continue;
        akin__fail(&cause, AKIN_EMODEL, "model %s gives no finite vector",
                   akin_model_name(model));
        return akin__job_fail(job, cause.code, cause.message, err);
    }
    return akin__job_put(job, err);
}

/* Bring the batch to its end. */
static akin_status finish_batch(struct worker *worker, akin_error *err)
{
    const double start = akin__seconds();
    const size_t count = worker->pending;
    akin_status status = run_lanes(worker, true, err);
    for (size_t i = 0; i < count && !status; i++)
        status = finish(worker, &worker->job[i], err);
    worker->pending = 0;
    release(worker, 0);
    worker->embedding += akin__seconds() - start;
    return status || !count
               ? status
               : akin__job_done(&worker->pipeline->line, count, err);
}

/* The file was not read. */
static akin_status refuse(struct akin__job *job,
                          const struct akin__handed *file, akin_error *err)
{
    if (file->status == AKIN_ENOTFOUND)
        return AKIN_OK; /* gone since the walk: the next run will see */
    if (file->status == AKIN_EIO && !job->known.id &&
        !akin__image_suffix(job->path)) {
        akin__job_pass_over(job);
        return AKIN_OK;
    }
    return akin__job_fail(job, file->status,
                          akin__reason(&file->cause, job->path), err);
}

/* A content in hand: what is known of it, else into the batch. */
static akin_status go_on(struct worker *worker, struct akin__job *job,
                         struct akin__handed *file, akin_error *err)
{
    akin_error cause;
    akin_status status = akin__job_recognise(job, err);
    if (status || akin__job_knows_all(job))
        return status;
    status = open_lanes(worker, err);
    if (!status)
        status = akin__decoder_start(worker->decoder, err);
    if (status)
        return status;
    const akin_status why = decode_and_place(worker, job, file, &cause);
    if (why)
        return akin__job_fail(job, why, cause.message, err);
    worker->pending++;
    return run_lanes(worker, false, err);
}

/* From a file to a job of the batch, a file put aside, or its outcome. */
static akin_status process(struct worker *worker, struct akin__handed *file,
                           bool wait, akin_error *err)
{
    struct akin__job *job = &worker->job[worker->pending];
    const size_t pending = worker->pending;
    akin_error cause;
    akin_status status =
        akin__job_begin(job, &worker->pipeline->line, file, err);
    if (status)
        return status;
    if (file->status) {
        status = refuse(job, file, err);
    } else if (akin__sha256(file->bytes, file->count, job->next.content,
                            &cause) != AKIN_OK) {
        status = akin__job_fail(job, cause.code, cause.message, err);
    } else if (!hold(worker, job->next.content, wait)) {
        worker->aside[worker->put_aside++] = file->item;
        return AKIN_OK;
    } else {
        status = go_on(worker, job, file, err);
        if (worker->pending > pending)
            return status;
        release(worker, pending);
    }
    return status ? status : akin__job_done(&worker->pipeline->line, 1, err);
}

/* The same, with its bytes freed and its time noted. */
static akin_status take(struct worker *worker, struct akin__handed *file,
                        double start, bool wait, akin_error *err)
{
    const size_t pending = worker->pending;
    const akin_status status = process(worker, file, wait, err);
    akin__free(file->bytes);
    *(worker->pending > pending ? &worker->embedding : &worker->other) +=
        akin__seconds() - start;
    return status;
}

/* Finish the batch and then what was put aside, one by one. */
static akin_status settle(struct worker *worker, akin_error *err)
{
    akin_status status = finish_batch(worker, err);
    while (!status && worker->put_aside) {
        const double start = akin__seconds();
        struct akin__handed file;
        akin__ahead_again(worker->pipeline->ahead,
                          worker->aside[--worker->put_aside], &file);
        status = take(worker, &file, start, true, err);
        if (!status)
            status = finish_batch(worker, err);
    }
    return status;
}

/* -------------------------------------------------------------- workers -- */

/* Item `number` of akin__parallel: a worker's whole life, and behind them all
 * the reader, without whom the workers get on as well. */
static akin_status work(void *context, size_t number, int thread,
                        akin_error *err)
{
    struct pipeline *pipeline = context;
    struct worker *worker = &pipeline->worker[number];
    struct akin__handed file;
    akin_status status = AKIN_OK;
    (void)thread;
    if (number == pipeline->workers) {
        akin__ahead_read(pipeline->ahead);
        return AKIN_OK;
    }
    double start = akin__seconds();
    while (!status && akin__ahead_take(pipeline->ahead, &file)) {
        status = take(worker, &file, start, false, err);
        if (!status && (worker->pending == pipeline->most ||
                        worker->put_aside == pipeline->most))
            status = settle(worker, err);
        start = akin__seconds();
    }
    if (!status)
        status = settle(worker, err);
    if (status)
        akin__ahead_stop(pipeline->ahead);
    release(worker, 0);
    return status;
}

/*
 * What report.model[].seconds says: the wall time of the pipeline (reading,
 * hashing, decoding, embedding, committing), less the share that went to files
 * which needed no network, divided among the models as their sessions took
 * time. The parts add up; images / seconds is the rate that a user sees.
 */
static void share_seconds(struct pipeline *pipeline, double wall)
{
    struct akin__run *run = pipeline->line.run;
    double of[AKIN__MAX_MODELS] = {0}, all = 0, embedding = 0, other = 0;
    for (size_t t = 0; t < pipeline->workers; t++) {
        const struct worker *worker = &pipeline->worker[t];
        embedding += worker->embedding;
        other += worker->other;
        for (size_t i = 0; i < run->model_count; i++) {
            of[i] += worker->lane[i].seconds;
            all += worker->lane[i].seconds;
        }
    }
    for (size_t i = 0; i < run->model_count && all > 0; i++)
        run->report->model[i].seconds =
            wall * embedding / (embedding + other) * of[i] / all;
}

/* What each stage took of the threads, for who wants to know. */
static void tell_stages(struct pipeline *pipeline)
{
    const struct akin__run *run = pipeline->line.run;
    struct akin__stage_seconds *stages = run->stages;
    if (!stages)
        return;
    stages->read += akin__ahead_seconds(pipeline->ahead);
    for (size_t t = 0; t < pipeline->workers; t++) {
        const struct worker *worker = &pipeline->worker[t];
        stages->decode += worker->decoding;
        for (size_t i = 0; i < run->model_count; i++) {
            const struct lane *lane = &worker->lane[i];
            stages->preprocess[i] += lane->placing;
            stages->network[i] += lane->seconds - lane->placing;
        }
    }
}

/*
 * How many pictures a worker gathers for a model. A card takes hundreds at
 * once, but it is faster than all workers can decode, and outcomes are staged
 * and told only when a batch is done: so each worker has several batches of a
 * small folder, and none of a large one takes long. What the card takes is
 * halved for that, since its batches are recorded by halves.
 */
static size_t in_hand(const struct pipeline *pipeline, const akin_model *model)
{
    enum { TURNS = 8, MOST = 64 };
    const size_t batch = akin__model_batch(model);
    const size_t share =
        pipeline->line.run->list.count / (TURNS * pipeline->workers) + 1;
    size_t most = batch;
    if (!strcmp(akin_model_device(model), "cpu"))
        return batch;
    while (most > MOST)
        most /= 2;
    return share < most ? share : most;
}

/* Workers that make up for those who wait for a card, while others decode. */
static size_t waiting(const struct akin__run *run, int threads)
{
    for (size_t i = 0; i < run->model_count; i++)
        if (strcmp(akin_model_device(run->models[i]), "cpu") != 0)
            return (size_t)threads / 8;
    return 0;
}

static akin_status open_workers(struct pipeline *pipeline, akin_error *err)
{
    const struct akin__run *run = pipeline->line.run;
    const size_t threads =
        (size_t)run->options.threads + waiting(run, run->options.threads);
    pipeline->workers = threads < run->list.count ? threads : run->list.count;
    for (size_t i = 0; i < run->model_count; i++) {
        const size_t batch = in_hand(pipeline, run->models[i]);
        if (batch > pipeline->most)
            pipeline->most = batch;
    }
    pipeline->worker =
        akin__calloc(pipeline->workers, sizeof *pipeline->worker);
    bool whole = pipeline->worker;
    akin_status status = AKIN_OK;
    for (size_t t = 0; whole && !status && t < pipeline->workers; t++) {
        struct worker *worker = &pipeline->worker[t];
        worker->pipeline = pipeline;
        worker->job = akin__alloc(pipeline->most, sizeof *worker->job);
        worker->aside = akin__alloc(pipeline->most, sizeof *worker->aside);
        worker->held = akin__alloc(pipeline->most, sizeof *worker->held);
        whole = worker->job && worker->aside && worker->held;
        status = akin_decoder_open(&worker->decoder, run->options.decoder,
                                   &pipeline->line.decode, err);
    }
    return whole ? status
                 : akin__fail(err, AKIN_ENOMEM, "no memory for %zu threads",
                              pipeline->workers);
}

static void close_workers(struct pipeline *pipeline)
{
    for (size_t t = 0; pipeline->worker && t < pipeline->workers; t++) {
        struct worker *worker = &pipeline->worker[t];
        close_lanes(worker);
        akin_decoder_close(&worker->decoder);
        akin__free(worker->job);
        akin__free(worker->aside);
        akin__free(worker->held);
    }
    akin__free(pipeline->worker);
}

/* A card that failed, say, spoils nothing of what is staged. */
static void save(struct akin__line *line)
{
    akin_error err;
    if (!line->broken.code && akin__index_commit(line->run->index, &err))
        line->broken = err;
}

akin_status akin__pipeline(struct akin__run *run, akin_error *err)
{
    const akin_index_options *options = &run->options;
    struct pipeline pipeline = {
        .line = {.run = run,
                 .decode = {.size = sizeof(akin_decode_options),
                            .exif = akin_model_exif(run->models[0]),
                            .strict = options->strict,
                            .limits = options->limits,
                            .decode = akin_model_decode(run->models[0])},
                 .committed = akin__seconds()}};
    const double start = akin__seconds();
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__progress(run, "images", 0, run->list.count, err));
    if (!run->list.count)
        return AKIN_OK;
    AKIN_TRY(open_workers(&pipeline, err));
    AKIN_TRY(akin__ahead_open(&pipeline.ahead, &run->list,
                              akin__limits(options->limits).file_bytes, err));
    status = akin__parallel((int)pipeline.workers + 1, pipeline.workers + 1,
                            work, &pipeline, err);
    if (status && status != AKIN_ECANCELLED)
        save(&pipeline.line);
    share_seconds(&pipeline, akin__seconds() - start);
    tell_stages(&pipeline);
out:
    akin__ahead_close(&pipeline.ahead);
    close_workers(&pipeline);
    return status;
}
