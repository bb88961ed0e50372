/*
 * Report: what an evaluation measured, as plain data, and its three forms: a
 * page, JSON, and tables and pictures for a terminal.
 *
 * A number that is not known is NAN, and a text that is not known "" (a path
 * NULL); each form then says so or leaves it out. Shares lie between 0 and 1.
 * Names and paths may be any bytes. Zero a report before filling it: an array
 * that is left out has the count 0.
 */
#ifndef AKIN_VIEW_REPORT_H
#define AKIN_VIEW_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "akin.h"
#include "base/text.h"
#include "view/table.h"

enum {
    AKIN__REPORT_MODELS = 16, /* at most */
    AKIN__REPORT_TOP = 3      /* answers of a model in an example row */
};

/* A figure and its 95 % interval. */
struct akin__figure {
    double value, low, high;
};

/* Seconds of each stage, all threads together, and of the whole by the clock.
 * NAN: not measured, or not this model's own, as reading and decoding when
 * several models share them. */
struct akin__stages {
    double read, decode, preprocess, network, search;
    double total;
};

/* A point of a precision-recall curve: what holds from this score on. */
struct akin__curve_point {
    double recall, precision, score;
};

/* Scores counted in `bins` of equal width from `low` to `high`. */
struct akin__histogram {
    double low, high;
    size_t bins;
    const uint64_t *right; /* [bins] true pairs */
    const uint64_t *wrong; /* [bins] the best wrong answer of each query */
};

/* A true pair that was missed, or a wrong answer that looked sure. */
struct akin__miss {
    const char *query;
    const char *truth;   /* NULL: the query has none */
    const char *answer;  /* what the model gave first; NULL: nothing */
    const char *edit;    /* what was done to it: "crop 3" */
    double answer_score; /* of `answer` */
    double truth_score;  /* of `truth` */
    uint64_t rank;       /* of `truth`, from 1; 0: it was not looked that far */
};

struct akin__report_model {
    const char *name;
    const char *note;    /* "scores normalised, PCA to 256 dimensions" */
    const char *measure; /* what its scores are: "cosine" */
    size_t dim;          /* 0: not known */
    bool floor;          /* a perceptual hash: `dim` bits, and no speed */
    struct akin__figure accuracy, top3, uap, recall_p90, recall_1, recall_10;
    struct akin__figure map;    /* with classes only */
    double threshold_p90;       /* the score from which recall_p90 holds */
    double images_per_second;   /* of extraction */
    struct akin__stages stages; /* of its own */
    const struct akin__curve_point *curve; /* [points], recall rising */
    size_t points;
    struct akin__histogram histogram;
    const uint64_t *edit_hits;     /* [edits of the report]; NULL: not known */
    const struct akin__miss *sure; /* [sures] wrong answers, surest first */
    size_t sures;
    const struct akin__miss *missed; /* [misses] true pairs not found first */
    size_t misses;
    uint64_t missed_all; /* how many there are, those not in `missed` too */
};

/* Queries that were made by the same kind of edit. */
struct akin__edit {
    const char *kind;     /* "crop" */
    const char *strength; /* "3", "quality 30"; "": there is only one */
    uint64_t queries;
};

/* Two models on the same queries. */
struct akin__comparison {
    size_t a, b;                    /* models of the report */
    const char *figure;             /* what is compared: "accuracy" */
    const char *test;               /* "McNemar's exact test" */
    struct akin__figure difference; /* a's figure less b's */
    double p;                       /* two-sided */
    uint64_t only_a, only_b;        /* queries that only this one has right */
};

enum akin__example_kind {
    AKIN__BOTH_RIGHT,
    AKIN__NONE_RIGHT,
    AKIN__FIRST_RIGHT, /* and the second wrong */
    AKIN__SECOND_RIGHT,
    AKIN__EXAMPLE_KINDS
};

struct akin__example {
    enum akin__example_kind kind;
    const char *query;
    const char *truth; /* NULL: none, or a class */
    const char *edit;
    struct akin__example_answers {
        struct {
            const char *path;
            double score;
            bool right;
        } answer[AKIN__REPORT_TOP]; /* [count], best first */
        size_t count;
    } given[2]; /* by the report's first and second model of examples */
};

struct akin__report {
    const char *set;     /* its name */
    const char *date;    /* "2026-11-25" */
    const char *command; /* that makes the report again */
    uint64_t queries, references;
    uint64_t positives;   /* queries with a right answer in the references */
    uint64_t pairs;       /* true pairs, found or not */
    uint64_t distractors; /* queries that have no right answer */
    const char *cpu, *precision; /* "AMD EPYC 9B45", "f32" */
    const char *card;            /* that pictures' networks ran on, or NULL */
    int threads;                 /* 0: not known */
    uint64_t resamples;          /* of the bootstrap; 0: not known */
    struct akin__stages stages;  /* what models share, and the whole run */
    const struct akin__report_model *model; /* [models], 1 to 16 */
    size_t models;
    const struct akin__edit *edit; /* [edits], strengths of a kind together */
    size_t edits;
    const struct akin__comparison *comparison; /* [comparisons] */
    size_t comparisons;
    size_t first, second; /* models of the examples; equal: it is only one */
    uint64_t kinds[AKIN__EXAMPLE_KINDS]; /* queries of each, all of them */
    const struct akin__example *example; /* [examples] */
    size_t examples;
};

/*
 * The report as one self-contained page at `path`, written as other pages are
 * (html.h). A picture that cannot be read is its reason in words.
 */
akin_status akin__report_page(const struct akin__report *report,
                              const char *path, akin_decoder *decoder,
                              akin_error *err);

/* docs/json.md, "akin eval run"; NULL when memory is short. */
json_t *akin__report_json(const struct akin__report *report);

/*
 * The report for a terminal, at the end of `text`: tables, and, where `look`
 * has a width and this build libchafa, the example rows as small pictures; else
 * a line says why there are none. text.failed when memory is short.
 */
void akin__report_terminal(const struct akin__report *report,
                           const struct akin__look *look, akin_decoder *decoder,
                           struct akin__text *text);

#endif
