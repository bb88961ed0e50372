/*
 * Job: one file on its way from its bytes to what is staged in the index.
 *
 * job.c asks the index what it knows of the file and stages the outcome;
 * pipeline.c brings jobs through the networks.
 */
#ifndef AKIN_EMBED_JOB_H
#define AKIN_EMBED_JOB_H

#include "embed/ahead.h"
#include "embed/run.h"

/* The pipeline, as its jobs share it. */
struct akin__line {
    struct akin__run *run;
    akin_decode_options decode;

    /* Under run->lock: */
    uint64_t done;     /* files */
    size_t staged;     /* since the last commit */
    double committed;  /* when */
    akin_error broken; /* what the index refused; it is left alone since */
};

struct akin__job {
    struct akin__line *line;
    const struct akin__item *item;
    const char *path;
    struct akin__entry known; /* what the catalog has; id 0: nothing */
    struct akin__entry next;  /* what it shall have */
    int64_t same_as;          /* whose rows serve */
    uint32_t needed;          /* ordinals to be embedded */
    bool moved;
    float *vector[AKIN__MAX_MODELS]; /* [models][dim], the caller's */
};

/*
 * What comes back of these functions must stop the run: an index that cannot
 * be used, or the caller's wish. They take the run's lock.
 */

/* A job for the file, and what the catalog has of its path. */
akin_status akin__job_begin(struct akin__job *job, struct akin__line *line,
                            const struct akin__handed *file, akin_error *err);

/* What the catalog knows of job->next.content. When that is all, the job is
 * put. */
akin_status akin__job_recognise(struct akin__job *job, akin_error *err);
/* Whether the picture need not be decoded: no vector is needed, and what else
 * is kept of it is known. */
bool akin__job_knows_all(const struct akin__job *job);

/* What is to be remembered of the picture. Its size is that of the file's
 * picture; fast decoding gives a smaller image. */
void akin__job_describe(struct akin__job *job, const akin_image *image,
                        const akin_image_info *info);

/* Stage the entry with the vectors that were needed. */
akin_status akin__job_put(struct akin__job *job, akin_error *err);

/* The file cannot be used. */
akin_status akin__job_fail(struct akin__job *job, akin_status why,
                           const char *reason, akin_error *err);

/* Nobody can tell what the file is, and its name promises nothing. */
void akin__job_pass_over(struct akin__job *job);

/* So many more files have come to their end. */
akin_status akin__job_done(struct akin__line *line, size_t count,
                           akin_error *err);

#endif
