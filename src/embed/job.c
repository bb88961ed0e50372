/*
 * Job (job.h): a file against the index.
 *
 * The index is asked and written under one lock, which is held for
 * microseconds but for a commit. Outcomes are staged in the order in which
 * they come; the vectors do not depend on it.
 */
#include "embed/job.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "image/phash.h"

/*
 * When staged work is committed: a commit syncs three files, 10 to 100 ms on a
 * hard disc, so one in ten seconds costs 1 % at most, and ten seconds is what
 * a crash may cost. The count bounds what is staged when files need no network
 * (renamed, touched) and stream by in thousands a second.
 */
#define COMMIT_SECONDS 10.0
enum { COMMIT_FILES = 1000 };

/* Take the lock to use the index, unless it has failed: what was staged is
 * dropped then, and nothing may be staged on top. */
static akin_status take_index(struct akin__line *line, akin_error *err)
{
    akin__lock_take(&line->run->lock);
    if (line->broken.code)
        *err = line->broken;
    return line->broken.code;
}

/* Give it back, having used it with this outcome. */
static akin_status give_index(struct akin__line *line, akin_status status,
                              const akin_error *err)
{
    if (status)
        line->broken = *err;
    akin__lock_give(&line->run->lock);
    return status;
}

/* Something was staged: commit when it is time. */
static akin_status staged(struct akin__line *line, akin_error *err)
{
    const double now = akin__seconds();
    if (++line->staged < COMMIT_FILES && now - line->committed < COMMIT_SECONDS)
        return AKIN_OK;
    line->staged = 0;
    line->committed = now;
    return akin__index_commit(line->run->index, err);
}

/* What an entry with the same content says of the picture. */
static void adopt(struct akin__job *job, const struct akin__entry *twin)
{
    job->same_as = twin->id;
    job->needed &= ~twin->rows;
    job->next.width = twin->width;
    job->next.height = twin->height;
    memcpy(job->next.format, twin->format, sizeof twin->format);
    memcpy(job->next.reason, twin->reason, sizeof twin->reason);
    job->next.looked = twin->looked;
    job->next.taken = twin->taken;
    memcpy(job->next.hash, twin->hash, sizeof twin->hash);
}

/*
 * What the catalog knows of these bytes: the same file touched, a file that
 * moved here, a copy, or nothing. The lock is held.
 */
static akin_status recognise(struct akin__job *job, akin_error *err)
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
static void count_outcome(struct akin__job *job)
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
static void warn(const struct akin__job *job)
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
static akin_status put(struct akin__job *job, akin_error *err)
{
    struct akin__run *run = job->line->run;
    const float *vectors[AKIN__MAX_MODELS] = {NULL};
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < run->model_count; i++)
        if (job->needed >> run->ordinal[i] & 1) {
            vectors[run->ordinal[i]] = job->vector[i];
            run->report->model[i].images++;
        }
    job->next.id = job->known.id;
    if (!job->moved || job->needed || !job->known.looked)
        status = akin__index_put(run->index, job->path, &job->next, vectors,
                                 run->ordinals, job->same_as, err);
    if (status)
        return status;
    warn(job);
    count_outcome(job);
    return staged(job->line, err);
}

akin_status akin__job_begin(struct akin__job *job, struct akin__line *line,
                            const struct akin__handed *file, akin_error *err)
{
    struct akin__run *run = line->run;
    bool found;
    memset(job, 0, sizeof *job);
    job->line = line;
    job->item = file->item;
    job->path = file->path;
    job->next.bytes = job->item->bytes;
    job->next.mtime_ns = job->item->mtime_ns;
    if (!file->status) {
        const struct timespec when = file->st.st_mtim;
        job->next.bytes = (uint64_t)file->st.st_size;
        job->next.mtime_ns = when.tv_sec * 1000000000LL + when.tv_nsec;
    }
    akin_status status = take_index(line, err);
    if (!status && job->item->state == AKIN__CHANGED)
        status =
            akin__index_find(run->index, job->path, &job->known, &found, err);
    return give_index(line, status, err);
}

akin_status akin__job_recognise(struct akin__job *job, akin_error *err)
{
    akin_status status = take_index(job->line, err);
    if (!status)
        status = recognise(job, err);
    if (!status && akin__job_knows_all(job))
        status = put(job, err);
    return give_index(job->line, status, err);
}

bool akin__job_knows_all(const struct akin__job *job)
{
    return !job->needed && job->next.looked;
}

void akin__job_describe(struct akin__job *job, const akin_image *image,
                        const akin_image_info *info)
{
    struct akin__entry *next = &job->next;
    next->width = info->full_width;
    next->height = info->full_height;
    snprintf(next->format, sizeof next->format, "%s", info->format);
    snprintf(next->reason, sizeof next->reason, "%s", info->warning);
    next->taken = info->taken;
    akin__phash(image, next->hash);
    next->looked = true;
}

akin_status akin__job_put(struct akin__job *job, akin_error *err)
{
    akin_status status = take_index(job->line, err);
    if (!status)
        status = put(job, err);
    return give_index(job->line, status, err);
}

akin_status akin__job_fail(struct akin__job *job, akin_status why,
                           const char *reason, akin_error *err)
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

void akin__job_pass_over(struct akin__job *job)
{
    akin__lock_take(&job->line->run->lock);
    job->line->run->report->skipped++;
    akin__lock_give(&job->line->run->lock);
}

akin_status akin__job_done(struct akin__line *line, size_t count,
                           akin_error *err)
{
    struct akin__run *run = line->run;
    akin__lock_take(&run->lock);
    line->done += count;
    const akin_status status =
        akin__progress(run, "images", line->done, run->list.count, err);
    akin__lock_give(&run->lock);
    return status;
}
