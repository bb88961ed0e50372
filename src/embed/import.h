/*
 * Import: what its files share. import.c goes through the rows, twice;
 * import_path.c says which file a row is of; import_check.c compares some rows
 * with what the model makes of their files.
 */
#ifndef AKIN_EMBED_IMPORT_H
#define AKIN_EMBED_IMPORT_H

#include "akin.h"
#include "index/vectors.h"

/* Where the paths of a file of vectors lead. */
struct akin__import_paths {
    const char *base; /* absolute: relative ones begin here */
    char *asked;      /* the folder part of the last path, and where it is */
    char *real;
};
void akin__import_paths_close(struct akin__import_paths *paths);
/* `given` as the index keeps it: absolute, its folder without links if it is
 * there, else only without dots; allocated. `row` is for messages. */
akin_status akin__import_path(struct akin__import_paths *paths,
                              const char *given, uint64_t row, char **absolute,
                              akin_error *err);

/* Rows whose files are there, spread over all that were shown. */
struct akin__import_samples {
    struct akin__import_sample {
        char *path;
        uint64_t row;
        float *vector; /* [dim] */
    } * sample;        /* [count] */
    size_t count;
    uint64_t stride, next; /* rows */
};
/* Shows a row; the first few, then fewer and fewer, are kept. */
akin_status akin__import_sample(struct akin__import_samples *samples,
                                const char *path, uint64_t row,
                                const float *vector, size_t dim,
                                akin_error *err);
void akin__import_samples_free(struct akin__import_samples *samples);

/*
 * Embed a few of the samples and compare: AKIN_EINDEX when one's vector is
 * another. Into *report how many could be compared and the smallest cosine.
 * `from` is the file of vectors, for messages.
 */
akin_status akin__import_compare(const struct akin__import_samples *samples,
                                 const akin_model *model, const char *from,
                                 akin_import_report *report, akin_error *err);

#endif
