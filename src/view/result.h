/* Results: what the commands found, as plain data to be shown. */
#ifndef AKIN_VIEW_RESULT_H
#define AKIN_VIEW_RESULT_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "akin_bench.h"
#include "akin_eval.h"

/* Two pictures, and how alike each model finds them. */
struct akin__pair {
    const char *a, *b;
    size_t models;
    const char *const *model; /* [models] */
    const double *cosine;     /* [models] */
};

/* What a query is made of: docs/query.md. */
struct akin__term {
    double weight;   /* below 0: taken away */
    const char *say; /* the path of a picture, or words */
    bool picture;
};

/* What of a query a model answers; one that cannot read, the pictures. */
enum akin__part { AKIN__WHOLE, AKIN__PICTURES, AKIN__NOTHING };

/* A query, and what each model finds most like it. */
struct akin__answers {
    size_t words, terms;
    const char *const *word;       /* [words], as they were given */
    const struct akin__term *term; /* [terms] */
    size_t models;
    struct akin__ranking {
        const char *model;
        enum akin__part part;
        const akin_match *match; /* [found], best first */
        size_t found;
        size_t offset;                   /* better ones that were left out */
        const akin_certainty *certainty; /* of its answers; NULL: not known */
    } * ranking;                         /* [models] */
};

/* A picture, and the labels that a model finds likeliest. */
struct akin__labelled {
    const char *path, *model;
    const char *const *name; /* of all labels */
    const akin_label *best;  /* [count], best first */
    size_t count;
};

/* What was done, or would be, with the copy of a group that is not kept. */
struct akin__deed {
    bool done;          /* or would be */
    bool one_file;      /* it is the file that is kept, by another name */
    bool left;          /* alone, though it was to be done */
    const char *to;     /* in the trash; NULL */
    const char *reason; /* why it was left alone, or need not be; NULL */
};

/* A group of copies, and what was done with them. */
struct akin__copies {
    const akin_dups_info *info;
    akin_dups_group group;
    const struct akin__deed *deed; /* [group.copies], [0] unused; NULL: list */
    const akin_certainty *const *certainty; /* [info->models], NULL
                                               where not known */
};

/* The probability that is stated of an answer; NAN: none. */
static inline double akin__stated(const akin_certainty *certainty,
                                  double cosine)
{
    return certainty ? akin_probability(certainty, cosine) : (double)NAN;
}

/* In percent with one digit, never more than it is. */
static inline double akin__certain_percent(double probability)
{
    return floor(probability * 1000 + 1e-6) / 10;
}

/* What one run over a folder did. */
struct akin__update {
    const char *index;
    const akin_index_report *report;
    size_t models;
    const char *const *model; /* [models], as in the report */
};

/* Whether the query is one picture and nothing else. */
static inline bool akin__lone_picture(const struct akin__answers *answers)
{
    return answers->terms == 1 && answers->term[0].picture;
}

/* Images a second over some rounds; 0: not measured. */
struct akin__rate {
    double best, median;
};

/* How fast a model is at one precision. */
struct akin__speed {
    const char *model, *precision;
    const char *cpu;     /* "": not known */
    const char *device;  /* "cpu", "cuda:0" */
    const char *card;    /* the card's name, "" on the CPU */
    const char *kernels; /* "avx2" */
    int threads;
    struct akin__rate read, decode, resize, network, pipeline;
    double gemm_share;     /* of the peak; 0: not known */
    uint64_t memory_bytes; /* the most there was; 0: not known */
};

/* How true a model is at one precision, and how fast, both against f32. */
struct akin__truth {
    const char *model, *precision;
    akin_closeness closeness;
    double speed; /* images a second by those of f32; 0: not measured */
};

/* Pictures a second; 0 when there is nothing to tell it from. */
static inline double akin__pace(uint64_t images, double seconds)
{
    return images && seconds > 0 ? (double)images / seconds : 0;
}

#endif
