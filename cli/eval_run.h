/*
 * Eval run: what the files of `akin eval run` share.
 *
 *   cmd_eval_run.c  the steps, and what is written and printed
 *   eval_find.c     a model's vectors -> its predictions and figures
 *   eval_look.c     what of these a report shows: curves, errors, edits
 *   eval_report.c   all of that -> the report that view shows
 */
#ifndef AKIN_CLI_EVAL_RUN_H
#define AKIN_CLI_EVAL_RUN_H

#include <stdbool.h>

#include "akin_eval.h"
#include "models.h"
#include "opt.h"
#include "terminal.h"
#include "view/report.h"

enum {
    EVAL_K = 10, /* predictions of a query, as the challenge's tools have it */
    EVAL_BINS = 40,
    EVAL_POINTS = 400, /* of a curve, at most so many and two */
    EVAL_MISSES = 12,  /* errors of each kind that are shown */
    EVAL_EXAMPLES = 4  /* rows of each kind */
};

/* What was found of one model. */
struct eval_model {
    const char *name;
    char *note;
    const char *measure;
    size_t dim;
    bool floor;               /* perceptual hashes */
    akin_eval_prediction *at; /* [count], by query */
    size_t count;
    size_t *first;  /* [queries + 1]: where a query's begin */
    double *ap;     /* [queries], of layouts that have a mAP */
    uint32_t *rank; /* [queries]: akin_eval_ranks */
    akin_eval_figures figures;
    akin_eval_intervals intervals;
    double images_per_second;          /* NAN: nothing was embedded */
    double preprocess, network, whole; /* seconds; NAN: not known */
    double search;

    uint64_t bins[2][EVAL_BINS]; /* right, wrong */
    double low, high;
    struct akin__curve_point *curve; /* [points] */
    size_t points;
    uint64_t *hits; /* [edits] */
    struct akin__miss sure[EVAL_MISSES], missed[EVAL_MISSES];
    size_t sures, misses;
    uint64_t missed_all;
};

struct eval_run {
    const struct cli_values *values;
    const char *folder; /* of the report */
    char *work;         /* what makes a run go on */
    akin_eval_set *set;
    akin_eval_info info;
    struct cli_meter meter;

    /* Pictures: */
    struct cli_models open;
    akin_index *index;
    size_t missing; /* pictures of the set that could not be read */
    bool embedded;  /* their times are known */
    double read, decode, extraction; /* seconds of all models; the last by the
                                        clock */
    /* Or vectors: */
    akin_eval_vectors queries, references, train;

    struct eval_model model[CLI_MODELS + 1]; /* [models], the floor last */
    size_t models;

    uint32_t *truth;         /* [queries] a true reference of each, or NONE */
    uint32_t *edit_of;       /* [queries] of those with a truth; or NONE */
    char **edit_name;        /* [edits] "crop, 3" */
    struct akin__edit *edit; /* [edits] */
    size_t edits;
};

/* Truths and kinds of edit of the queries; an exit code. */
int eval_edits(struct eval_run *run);
/* What was done to a query, "" where that is not known. */
const char *eval_edit(const struct eval_run *run, uint32_t query);
/*
 * At most `most` of the queries [count] into `chosen`, spread over the edits
 * and always the same ones; how many. The queries are put in order of edit.
 */
size_t eval_choose(const struct eval_run *run, uint32_t *queries, size_t count,
                   size_t most, uint32_t *chosen);
/*
 * Find the predictions of the next model, run->model[run->models], whose name
 * and measure are set, by its vectors [queries][dim] and [references][dim],
 * which are changed; of `train` [trained][dim] if they are wanted. Its figures,
 * and what the report shows of it. An exit code.
 */
int eval_find(struct eval_run *run, float *queries, float *references,
              float *train, size_t trained, size_t dim);
/* Say that what is done is kept; the exit code of a signal. */
int eval_stopped(struct eval_run *run);
/* The histogram, the curve and the errors of a model whose predictions are
 * known; queries and references are its vectors, as they were compared. */
akin_status eval_look(struct eval_run *run, struct eval_model *model,
                      const float *queries, const float *references, size_t dim,
                      const float *offset, akin_error *err);

/* The report of the run, for as long as `run` and `about` are. An exit code. */
struct eval_about {
    struct akin__report report;
    struct akin__report_model model[CLI_MODELS + 1];
    struct akin__comparison comparison[4 * (CLI_MODELS + 1)];
    struct akin__example example[AKIN__EXAMPLE_KINDS * EVAL_EXAMPLES];
    char date[16], cpu[256];
    struct akin__text command;
};
int eval_report(struct eval_run *run, struct eval_about *about);

void eval_model_free(struct eval_model *model);

#endif
