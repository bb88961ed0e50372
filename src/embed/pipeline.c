/*
 * Pipeline: files -> pixels -> vectors -> index.
 *
 * Each worker takes the next file and goes all the way with it: read, hash,
 * ask the catalog, decode once, run every model's session on the one picture,
 * stage the vectors. So decoding on one processor overlaps with embedding on
 * the others, one decoded picture is in memory per worker, and no queue has to
 * be tuned. The index is asked and written under one lock, which is held for
 * microseconds but for a commit.
 *
 * Outcomes are staged in the order in which they come; the vectors do not
 * depend on it. One bad file is a line in the table of failures; what stops a
 * run is an index that cannot be written, memory for a session, or the caller.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/suffix.h"
#include "base/thread.h"
#include "embed/run.h"
#include "image/limits.h"

/*
 * When staged work is committed: a commit syncs three files, 10 to 100 ms on a
 * hard disc, so one in ten seconds costs 1 % at most, and ten seconds is what
 * a crash may cost. The count bounds what is staged when files need no network
 * (renamed, touched) and stream by in thousands a second.
 */
#define COMMIT_SECONDS 10.0
enum { COMMIT_FILES = 1000 };

struct worker {
    akin_session *session[AKIN__MAX_MODELS]; /* [models], opened when needed */
    float *vector[AKIN__MAX_MODELS];         /* [models][dim] */
    double seconds[AKIN__MAX_MODELS];        /* in the session, [models] */
    double embedding, other; /* seconds on files that needed the network, and
                                on files that did not */
    bool busy;               /* with the content below, so that of two copies
                                side by side only one is embedded */
    uint8_t content[32];
};

struct pipeline {
    struct akin__run *run;
    struct worker *worker; /* [threads] */
    akin_decode_options decode;
    uint64_t file_bytes;

    /* Under run->lock: */
    uint64_t done;
    size_t staged;     /* since the last commit */
    double committed;  /* when */
    akin_error broken; /* what the index refused; it is left alone since */
};

/* One file on its way. */
struct job {
    struct pipeline *line;
    struct worker *worker;
    const struct akin__item *item;
    const char *path;
    uint8_t *bytes; /* [count] */
    size_t count;
    struct akin__entry known; /* what the catalog has; id 0: nothing */
    struct akin__entry next;  /* what it shall have */
    int64_t same_as;          /* whose rows serve */
    uint32_t needed;          /* ordinals to be embedded */
    bool moved;
};

static void lock(struct pipeline *line)
{
    akin__lock_take(&line->run->lock);
}

static void unlock(struct pipeline *line)
{
    akin__lock_give(&line->run->lock);
}

/* Take the lock to use the index, unless it has failed: what was staged is
 * dropped then, and nothing may be staged on top. */
static akin_status take_index(struct pipeline *line, akin_error *err)
{
    lock(line);
    if (line->broken.code)
        *err = line->broken;
    return line->broken.code;
}

/* Give it back, having used it with this outcome. */
static akin_status give_index(struct pipeline *line, akin_status status,
                              const akin_error *err)
{
    if (status)
        line->broken = *err;
    unlock(line);
    return status;
}

/* Something was staged: commit when it is time. */
static akin_status staged(struct pipeline *line, akin_error *err)
{
    const double now = akin__seconds();
    if (++line->staged < COMMIT_FILES && now - line->committed < COMMIT_SECONDS)
        return AKIN_OK;
    line->staged = 0;
    line->committed = now;
    return akin__index_commit(line->run->index, err);
}

/* The file cannot be used. */
static akin_status fail(struct job *job, akin_status why, const char *reason,
                        akin_error *err)
{
    struct akin__run *run = job->line->run;
    akin_status status = take_index(job->line, err);
    if (!status)
        status = akin__fail_item(run, job->item, &job->known, &job->next, why,
                                 reason, err);
    if (!status) {
        run->report->files++;
        status = staged(job->line, err);
    }
    return give_index(job->line, status, err);
}

/* Nobody can tell what the file is, and its name promises nothing. */
static akin_status pass_over(struct job *job)
{
    lock(job->line);
    job->line->run->report->skipped++;
    unlock(job->line);
    return AKIN_OK;
}

/* The file's bytes and their hash into the job. */
static akin_status load(struct job *job, akin_error *cause)
{
    struct stat st;
    akin_status status = akin__read_file(job->path, job->line->file_bytes,
                                         &job->bytes, &job->count, &st, cause);
    if (status)
        return status;
    job->next.bytes = (uint64_t)st.st_size;
    job->next.mtime_ns = st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec;
    return akin__sha256(job->bytes, job->count, job->next.content, cause);
}

/* Wait until no other worker has the same content in hand, then take it. */
static void take_content(struct job *job)
{
    struct akin__run *run = job->line->run;
    const int threads = run->options.threads;
    lock(job->line);
    for (int i = 0; i < threads;) {
        const struct worker *other = &job->line->worker[i++];
        if (other->busy && memcmp(other->content, job->next.content, 32) == 0) {
            akin__lock_wait(&run->lock);
            i = 0;
        }
    }
    memcpy(job->worker->content, job->next.content, 32);
    job->worker->busy = true;
    unlock(job->line);
}

static void drop_content(struct job *job)
{
    lock(job->line);
    job->worker->busy = false;
    akin__lock_ring(&job->line->run->lock);
    unlock(job->line);
}

/* What an entry with the same content says of the picture. */
static void adopt(struct job *job, const struct akin__entry *twin)
{
    job->same_as = twin->id;
    job->needed &= ~twin->rows;
    job->next.width = twin->width;
    job->next.height = twin->height;
    memcpy(job->next.format, twin->format, sizeof twin->format);
    memcpy(job->next.reason, twin->reason, sizeof twin->reason);
}

/*
 * What the catalog knows of these bytes: the same file touched, a file that
 * moved here, a copy, or nothing.
 */
static akin_status recognise(struct job *job, akin_error *err)
{
    struct akin__run *run = job->line->run;
    struct akin__entry twin;
    char *path = NULL;
    bool found;
    job->needed = run->wanted;
    if (job->known.id && !job->known.failed &&
        memcmp(job->known.content, job->next.content, 32) == 0) {
        adopt(job, &job->known);
        return AKIN_OK;
    }
    akin_status status = akin__index_find_content(run->index, job->next.content,
                                                  &twin, &path, &found, err);
    akin__free(path);
    if (status || !found)
        return status;
    adopt(job, &twin);
    struct akin__gone *gone = akin__find_gone(run, twin.id);
    if (job->known.id || !gone || gone->moved)
        return AKIN_OK;
    status = akin__index_move(run->index, twin.id, job->path,
                              job->next.mtime_ns, err);
    if (status)
        return status;
    gone->moved = job->moved = true;
    job->known = twin;
    return AKIN_OK;
}

/* Which report a file that is in the index now belongs to. */
static void count_outcome(struct job *job)
{
    akin_index_report *report = job->line->run->report;
    const bool was_there = job->known.id && !job->known.failed;
    report->files++;
    if (job->moved)
        report->renamed++;
    else if (!was_there)
        report->added++;
    else if (job->same_as == job->known.id && !job->needed)
        report->unchanged++;
    else
        report->updated++;
}

/* The picture is used, but something is wrong with it: say so once. */
static void warn(const struct job *job)
{
    struct akin__run *run = job->line->run;
    const struct akin__entry *known = &job->known, *next = &job->next;
    if (!next->reason[0] || job->moved ||
        (known->id && strcmp(known->reason, next->reason) == 0 &&
         memcmp(known->content, next->content, 32) == 0))
        return;
    run->report->warnings++;
    akin__notice(run, job->item, next->reason, false);
}

/* Stage the entry with its vectors. The lock is held. */
static akin_status put(struct job *job, akin_error *err)
{
    struct akin__run *run = job->line->run;
    const float *vectors[AKIN__MAX_MODELS] = {NULL};
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < run->model_count; i++)
        if (job->needed >> run->ordinal[i] & 1) {
            vectors[run->ordinal[i]] = job->worker->vector[i];
            run->report->model[i].images++;
        }
    job->next.id = job->known.id;
    if (!job->moved || job->needed)
        status = akin__index_put(run->index, job->path, &job->next, vectors,
                                 run->ordinals, job->same_as, err);
    if (status)
        return status;
    warn(job);
    count_outcome(job);
    return staged(job->line, err);
}

/* A session and a vector for each model, once a worker needs them. */
static akin_status open_sessions(struct worker *worker,
                                 const struct akin__run *run, akin_error *err)
{
    for (size_t i = 0; i < run->model_count; i++) {
        const akin_model *model = run->models[i];
        if (worker->session[i])
            continue;
        if (!worker->vector[i])
            worker->vector[i] =
                akin__alloc(akin_model_dim(model), sizeof(float));
        if (!worker->vector[i])
            return akin__fail(err, AKIN_ENOMEM, "no memory for a vector");
        const akin_status status =
            akin_session_open(&worker->session[i], model, err);
        if (status)
            return status;
    }
    return AKIN_OK;
}

static bool is_finite(const float *vector, size_t dim)
{
    for (size_t i = 0; i < dim; i++)
        if (!isfinite(vector[i]))
            return false;
    return true;
}

/* The picture through the network of each model that lacks it. */
static akin_status embed(struct job *job, const akin_image *image,
                         akin_error *cause)
{
    const struct akin__run *run = job->line->run;
    struct worker *worker = job->worker;
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < run->model_count && !status; i++) {
        if (!(job->needed >> run->ordinal[i] & 1))
            continue;
        const double before = akin__seconds();
        status = akin_embed_image(worker->session[i], image, worker->vector[i],
                                  cause);
        worker->seconds[i] += akin__seconds() - before;
        if (!status &&
            !is_finite(worker->vector[i], akin_model_dim(run->models[i])))
            status = akin__fail(cause, AKIN_EMODEL,
                                "model %s gives no finite vector",
                                akin_model_name(run->models[i]));
    }
    return status;
}

static akin_status decode_and_embed(struct job *job, akin_error *cause)
{
    akin_image image;
    akin_image_info info;
    struct akin__entry *next = &job->next;
    akin_status status = akin_image_decode(&image, job->bytes, job->count,
                                           &job->line->decode, &info, cause);
    akin__free(job->bytes);
    job->bytes = NULL;
    if (status)
        return status;
    next->width = image.width;
    next->height = image.height;
    snprintf(next->format, sizeof next->format, "%s", info.format);
    snprintf(next->reason, sizeof next->reason, "%s", info.warning);
    status = embed(job, &image, cause);
    akin_image_free(&image);
    return status;
}

/* From the path to what is staged. Only what must stop the run comes back. */
static akin_status process(struct job *job, akin_error *err)
{
    struct akin__run *run = job->line->run;
    akin_error cause = {AKIN_OK, ""};
    akin_status why = load(job, &cause);
    if (why == AKIN_ENOTFOUND)
        return AKIN_OK; /* gone since the walk: the next run will see */
    if (why == AKIN_EIO && !job->known.id && !akin__image_suffix(job->path))
        return pass_over(job);
    if (why)
        return fail(job, why, akin__reason(&cause, job->path), err);
    take_content(job);
    akin_status status = take_index(job->line, err);
    if (!status)
        status = recognise(job, err);
    status = give_index(job->line, status, err);
    if (!status && job->needed)
        status = open_sessions(job->worker, run, err);
    if (status)
        return status;
    if (job->needed) {
        why = decode_and_embed(job, &cause);
        if (why)
            return fail(job, why, cause.message, err);
    }
    status = take_index(job->line, err);
    if (!status)
        status = put(job, err);
    return give_index(job->line, status, err);
}

static akin_status work(void *context, size_t number, int thread,
                        akin_error *err)
{
    struct pipeline *line = context;
    struct akin__run *run = line->run;
    struct job job = {.line = line,
                      .worker = &line->worker[thread],
                      .item = &run->list.item[number]};
    const double start = akin__seconds();
    bool found;
    job.path = akin__item_path(&run->list, job.item);
    job.next.bytes = job.item->bytes;
    job.next.mtime_ns = job.item->mtime_ns;
    akin_status status = take_index(line, err);
    if (!status && job.item->state == AKIN__CHANGED)
        status =
            akin__index_find(run->index, job.path, &job.known, &found, err);
    status = give_index(line, status, err);
    if (!status)
        status = process(&job, err);
    akin__free(job.bytes);
    drop_content(&job);
    *(job.needed ? &job.worker->embedding : &job.worker->other) +=
        akin__seconds() - start;
    if (status)
        return status;
    lock(line);
    status = akin__progress(run, "images", ++line->done, run->list.count, err);
    unlock(line);
    return status;
}

/*
 * What report.model[].seconds says: the wall time of the pipeline (reading,
 * hashing, decoding, embedding, committing), less the share that went to files
 * which needed no network, divided among the models as their sessions took
 * time. The parts add up; images / seconds is the rate that a user sees.
 */
static void share_seconds(struct pipeline *line, double wall)
{
    struct akin__run *run = line->run;
    double of[AKIN__MAX_MODELS] = {0}, all = 0, embedding = 0, other = 0;
    for (int t = 0; t < run->options.threads; t++) {
        const struct worker *worker = &line->worker[t];
        embedding += worker->embedding;
        other += worker->other;
        for (size_t i = 0; i < run->model_count; i++) {
            of[i] += worker->seconds[i];
            all += worker->seconds[i];
        }
    }
    for (size_t i = 0; i < run->model_count && all > 0; i++)
        run->report->model[i].seconds =
            wall * embedding / (embedding + other) * of[i] / all;
}

static void close_workers(struct pipeline *line)
{
    for (int t = 0; t < line->run->options.threads; t++)
        for (size_t i = 0; i < line->run->model_count; i++) {
            akin_session_close(&line->worker[t].session[i]);
            akin__free(line->worker[t].vector[i]);
        }
    akin__free(line->worker);
}

akin_status akin__pipeline(struct akin__run *run, akin_error *err)
{
    const akin_index_options *options = &run->options;
    struct pipeline line = {.run = run,
                            .decode = {.size = sizeof line.decode,
                                       .exif = akin_model_exif(run->models[0]),
                                       .strict = options->strict,
                                       .limits = options->limits},
                            .file_bytes =
                                akin__limits(options->limits).file_bytes,
                            .committed = akin__seconds()};
    const double start = akin__seconds();
    akin_status status = akin__progress(run, "images", 0, run->list.count, err);
    if (status)
        return status;
    line.worker = akin__calloc((size_t)options->threads, sizeof *line.worker);
    if (!line.worker)
        return akin__fail(err, AKIN_ENOMEM, "no memory for %d threads",
                          options->threads);
    status =
        akin__parallel(options->threads, run->list.count, work, &line, err);
    share_seconds(&line, akin__seconds() - start);
    close_workers(&line);
    return status;
}
