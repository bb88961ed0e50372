/* Results: what the commands found, as plain data to be shown. */
#ifndef AKIN_VIEW_RESULT_H
#define AKIN_VIEW_RESULT_H

#include <stddef.h>

#include "akin.h"

/* Two pictures, and how alike each model finds them. */
struct akin__pair {
    const char *a, *b;
    size_t models;
    const char *const *model; /* [models] */
    const double *cosine;     /* [models] */
};

/* A picture, and what each model finds most like it. */
struct akin__answers {
    const char *query;
    size_t models;
    struct akin__ranking {
        const char *model;
        const akin_match *match; /* [found], best first */
        size_t found;
    } * ranking; /* [models] */
};

/* What one run over a folder did. */
struct akin__update {
    const char *index;
    const akin_index_report *report;
    size_t models;
    const char *const *model; /* [models], as in the report */
};

/* Pictures a second; 0 when there is nothing to tell it from. */
static inline double akin__pace(uint64_t images, double seconds)
{
    return images && seconds > 0 ? (double)images / seconds : 0;
}

#endif
