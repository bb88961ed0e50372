/*
 * Export: what the formats share. export.c goes through the rows; a format
 * (export_NAME.c) writes what stands before them, each of them, and what stands
 * behind.
 */
#ifndef AKIN_INDEX_EXPORT_H
#define AKIN_INDEX_EXPORT_H

#include "base/draft.h"
#include "index/index.h"

/* A file in the making, written from its beginning to its end. */
struct akin__stream {
    struct akin__draft draft; /* open while draft.path is there */
    uint8_t *buffer;
    size_t used;
    uint64_t written;
};
akin_status akin__stream_add(struct akin__stream *stream, const void *bytes,
                             size_t count, akin_error *err);

struct akin__export {
    akin_index *index;
    const struct akin__rows *rows;
    size_t ordinal;
    akin_export_format format;
    uint64_t count; /* rows */
    struct akin__stream main, paths, ids;
};

struct akin__export_row {
    int64_t file;     /* its id in the catalog */
    const char *path; /* as the caller could open it */
    const float *vector;
};

struct akin__export_way {
    bool paths, ids; /* FILE.paths and FILE.ids.csv are written beside */
    akin_status (*head)(struct akin__export *, akin_error *); /* or NULL */
    akin_status (*row)(struct akin__export *, const struct akin__export_row *,
                       akin_error *);
    akin_status (*tail)(struct akin__export *, akin_error *); /* or NULL */
};
extern const struct akin__export_way akin__export_faiss,
    akin__export_faiss_idmap, akin__export_npy, akin__export_jsonl,
    akin__export_csv;

/* The vector's bytes, of FAISS and npy. */
akin_status akin__export_floats(struct akin__export *e,
                                const struct akin__export_row *row,
                                akin_error *err);
/* Calls `visit` for the id of each row's file, in order of the rows. */
akin_status akin__export_ids(struct akin__export *e,
                             akin_status (*visit)(struct akin__export *,
                                                  int64_t file, akin_error *),
                             akin_error *err);
/* A line "id,path" of FILE.ids.csv. */
akin_status akin__export_id_line(struct akin__export *e,
                                 const struct akin__export_row *row,
                                 akin_error *err);

#endif
