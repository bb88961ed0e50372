/*
 * Import: vectors that others made, of pictures that are in a list, into an
 * index.
 *
 * The file is gone through twice. First all of it is looked over, and a few of
 * its rows are compared with what the model makes of their files: nothing is
 * changed for a file that will not do. Then its rows are staged and committed
 * as it goes, so that readers are never kept waiting for long; a row that is
 * there already is left alone, so that an import that was stopped goes on when
 * it is run again, and ends the same. One row is in memory at a time.
 */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "embed/import.h"
#include "index/store.h"

enum {
    LONGEST_PATH = 64 << 10,
    COMMIT_ROWS = 10000,
    ASK_EVERY = 1024,      /* rows between two calls of progress */
    HASH_BYTES = 256 << 10 /* read at a time */
};
#define COMMIT_SECONDS 10.0 /* job.c says why */

struct import {
    akin_index *index;
    const akin_model *model;
    const char *file;
    akin_import_options options;
    akin_import_report *report;

    struct akin__vectors vectors;
    struct akin__lines list; /* of paths, where the rows have none */
    struct akin__import_paths paths;
    char *base; /* absolute */
    struct akin__import_samples samples;

    uint64_t rows; /* all, once they were looked over */
    float vector[AKIN_MAX_DIM];
    uint8_t *bytes; /* [HASH_BYTES] */
    size_t ordinal; /* of the model in the index */
    uint64_t staged;
    double committed; /* when */
};

/* --------------------------------------------------------------- rows ------
 */

static akin_status open_list(struct import *m, akin_error *err)
{
    const char *given = m->options.paths;
    if (m->vectors.named)
        return given ? akin__fail(err, AKIN_EUSAGE,
                                  "%s: its rows have their paths, and need no "
                                  "list (%s)",
                                  m->file, given)
                     : AKIN_OK;
    char *beside = akin__format("%s.paths", m->file);
    if (!beside)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", m->file);
    akin_status status = akin__lines_open(&m->list, given ? given : beside,
                                          LONGEST_PATH, false, err);
    if (status == AKIN_ENOTFOUND && !given)
        status = akin__fail(err, AKIN_ENOTFOUND,
                            "%s: no such file; it is to name the files of the "
                            "rows, one a line: --paths says where it is",
                            beside);
    akin__free(beside);
    return status;
}

/* The folder that relative paths begin at. */
static akin_status find_base(struct import *m, akin_error *err)
{
    const char *root = m->options.root;
    const char *from = m->vectors.named ? m->file : m->list.file.path;
    if (!root) {
        const char *slash = strrchr(from, '/');
        char *folder = akin__format("%.*s", slash ? (int)(slash + 1 - from) : 1,
                                    slash ? from : ".");
        const akin_status status =
            folder ? akin__real_path(folder, &m->base, err)
                   : akin__fail(err, AKIN_ENOMEM, "%s: no memory", from);
        akin__free(folder);
        if (status)
            return status;
    } else {
        const akin_status status = akin__real_path(root, &m->base, err);
        if (status)
            return status;
    }
    m->paths.base = m->base;
    return AKIN_OK;
}

static akin_status open_all(struct import *m, akin_error *err)
{
    const size_t dim = akin_model_dim(m->model);
    akin_status status = akin__vectors_open(&m->vectors, m->file, err);
    if (status)
        return status;
    if (m->vectors.dim != dim)
        return akin__fail(
            err, AKIN_EINDEX, "%s: has vectors of %zu numbers, %s makes %zu",
            m->file, m->vectors.dim, akin_model_name(m->model), dim);
    m->report->format = m->vectors.format;
    status = open_list(m, err);
    return status ? status : find_base(m, err);
}

/* The next line of the list that is not empty; empty ones may only end it. */
static akin_status next_line(struct import *m, char **line, akin_error *err)
{
    uint64_t empty = 0;
    size_t length;
    do {
        const akin_status status =
            akin__lines_next(&m->list, line, &length, err);
        if (status || !*line)
            return status;
        if (!length && !empty)
            empty = m->list.number;
    } while (!length);
    return empty ? akin__fail(err, AKIN_EFORMAT,
                              "%s: line %llu is empty; line i is the path of "
                              "row i",
                              m->list.file.path, (unsigned long long)empty)
                 : AKIN_OK;
}

/* So many paths as there are lines from here on and before. */
static akin_status count_mismatch(struct import *m, uint64_t paths,
                                  akin_error *err)
{
    char *line;
    for (;;) {
        const akin_status status = next_line(m, &line, err);
        if (status)
            return status;
        if (!line)
            break;
        paths++;
    }
    return akin__fail(err, AKIN_EFORMAT,
                      "%s has %llu rows, %s names %llu files", m->file,
                      (unsigned long long)m->vectors.rows, m->list.file.path,
                      (unsigned long long)paths);
}

/* The next row's vector into m->vector and its file's path, which is to be
 * freed; *path is NULL behind the last. */
static akin_status next_row(struct import *m, char **path, akin_error *err)
{
    const uint64_t number = m->vectors.next;
    const char *given;
    char *line = NULL;
    bool row;
    *path = NULL;
    akin_status status =
        akin__vectors_next(&m->vectors, m->vector, &given, &row, err);
    if (!status && !m->vectors.named)
        status = next_line(m, &line, err);
    if (status)
        return status;
    if (!m->vectors.named) {
        if (row != (line != NULL))
            return count_mismatch(m, number + (line != NULL), err);
        given = line;
    }
    return row ? akin__import_path(&m->paths, given, number, path, err)
               : AKIN_OK;
}

static akin_status progress(struct import *m, const char *what, uint64_t done,
                            akin_error *err)
{
    if (done % ASK_EVERY || !m->options.progress ||
        !m->options.progress(m->options.context, what, done,
                             m->rows ? m->rows : m->vectors.rows))
        return AKIN_OK;
    return akin__fail(err, AKIN_ECANCELLED, "%s: stopped", m->file);
}

/* --------------------------------------------------------- looked over ------
 */

static akin_status look_over(struct import *m, akin_error *err)
{
    for (uint64_t row = 0;; row++) {
        char *path;
        akin_status status = next_row(m, &path, err);
        if (status)
            return status;
        if (!path) {
            m->report->rows = m->rows = row;
            return row ? AKIN_OK
                       : akin__fail(err, AKIN_EFORMAT, "%s: holds no vectors",
                                    m->file);
        }
        status = akin__import_sample(&m->samples, path, row, m->vector,
                                     m->vectors.dim, err);
        akin__free(path);
        if (!status)
            status = progress(m, "rows", row, err);
        if (status)
            return status;
    }
}

/* -------------------------------------------------------------- staged ------
 */

/* The SHA-256 of the file, for renames and copies. False when it cannot be
 * read. */
static bool hash_file(struct import *m, const char *path, uint64_t bytes,
                      uint8_t content[32])
{
    struct akin__file file;
    struct akin__hash *hash = NULL;
    bool good = akin__file_open(&file, path, AKIN__READ, NULL) == AKIN_OK;
    if (!good)
        return false;
    good = akin__hash_open(&hash, AKIN__SHA256, NULL) == AKIN_OK;
    for (uint64_t at = 0; at < bytes && good;) {
        const uint64_t left = bytes - at;
        const size_t count = left < HASH_BYTES ? (size_t)left : HASH_BYTES;
        good = akin__file_read(&file, m->bytes, count, at, NULL) == AKIN_OK;
        if (good)
            akin__hash_add(hash, m->bytes, count);
        at += count;
    }
    akin__hash_close(&hash, good ? content : NULL);
    akin__file_close(&file);
    return good;
}

/*
 * What the entry shall be: the file as it is now, or, when it is not there,
 * what is known of it. *same says whether that may be the picture the index
 * knows, which keeps what else it has of it then.
 */
static void describe(struct import *m, const char *path,
                     const struct akin__entry *known, struct akin__entry *next,
                     bool *same)
{
    struct stat st;
    *same = known->id != 0;
    *next = *known;
    next->failed = next->retryable = false;
    if (known->failed)
        memset(next->reason, 0, sizeof next->reason);
    if (akin__stat(path, &st, NULL) || !S_ISREG(st.st_mode)) {
        m->report->missing++;
        return;
    }
    next->bytes = (uint64_t)st.st_size;
    next->mtime_ns = st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec;
    if (known->id && akin__content_known(known->content) &&
        known->bytes == next->bytes && known->mtime_ns == next->mtime_ns)
        return;
    if (!hash_file(m, path, next->bytes, next->content)) {
        m->report->missing++;
        memset(next->content, 0, sizeof next->content);
    }
    *same = known->id && (!akin__content_known(known->content) ||
                          memcmp(known->content, next->content, 32) == 0);
    if (*same)
        return;
    /* Another picture than the one the index knows, or a new one. */
    next->looked = false;
    next->taken = INT64_MIN;
    next->width = next->height = 0;
    memset(next->format, 0, sizeof next->format);
    memset(next->reason, 0, sizeof next->reason);
}

static akin_status commit_in_time(struct import *m, akin_error *err)
{
    const double now = akin__seconds();
    if (++m->staged < COMMIT_ROWS && now - m->committed < COMMIT_SECONDS)
        return AKIN_OK;
    m->staged = 0;
    m->committed = now;
    return akin__index_commit(m->index, err);
}

static akin_status put(struct import *m, const char *path, akin_error *err)
{
    const float *vectors[AKIN__MAX_MODELS] = {NULL};
    struct akin__entry known = {0}, next;
    bool found, same, there = false;
    akin_status status = akin__index_find(m->index, path, &known, &found, err);
    if (status)
        return status;
    if (!found)
        memset(&known, 0, sizeof known);
    describe(m, path, &known, &next, &same);
    if (same && !known.failed && known.bytes == next.bytes &&
        known.mtime_ns == next.mtime_ns)
        status = akin__index_has(m->index, known.id, m->ordinal, m->vector,
                                 &there, err);
    if (status || there) {
        m->report->unchanged += there;
        return status;
    }
    vectors[m->ordinal] = m->vector;
    status = akin__index_put(m->index, path, &next, vectors, m->ordinal + 1,
                             same ? known.id : 0, err);
    if (status)
        return status;
    if (found)
        m->report->updated++;
    else
        m->report->added++;
    return commit_in_time(m, err);
}

static akin_status put_all(struct import *m, akin_error *err)
{
    m->committed = akin__seconds();
    for (uint64_t row = 0; row < m->rows; row++) {
        char *path;
        akin_status status = next_row(m, &path, err);
        if (!status && !path)
            status =
                akin__fail(err, AKIN_EFORMAT, "%s: changed meanwhile", m->file);
        if (!status)
            status = put(m, path, err);
        akin__free(path);
        if (!status)
            status = progress(m, "rows", row, err);
        if (status)
            return status;
    }
    return AKIN_OK;
}

static akin_status import(struct import *m, akin_error *err)
{
    akin_status status = open_all(m, err);
    if (!status)
        status = look_over(m, err);
    if (!status)
        status = akin__import_compare(&m->samples, m->model, m->file, m->report,
                                      err);
    if (status || !m->index)
        return status;
    akin__vectors_rewind(&m->vectors);
    if (!m->vectors.named)
        akin__lines_rewind(&m->list);
    m->bytes = akin__alloc(HASH_BYTES, 1);
    if (!m->bytes)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", m->file);
    status = akin__index_model(m->index, m->model, &m->ordinal, err);
    if (!status)
        status = put_all(m, err);
    if (!status || status == AKIN_ECANCELLED) {
        const akin_status committed = akin__index_commit(m->index, err);
        status = committed ? committed : status;
    }
    return status;
}

akin_status akin_index_import(akin_index *index, const char *file,
                              const akin_model *model,
                              const akin_import_options *options,
                              akin_import_report *report, akin_error *err)
{
    akin_import_report unused;
    struct import *m = akin__calloc(1, sizeof *m);
    report = report ? report : &unused;
    memset(report, 0, sizeof *report);
    if (!m)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", file);
    m->index = index;
    m->model = model;
    m->file = file;
    m->report = report;
    m->vectors.file.fd = m->vectors.lines.file.fd = m->list.file.fd = -1;
    akin_status status = AKIN_OK;
    if (options && !options->size)
        status = akin__fail(err, AKIN_EUSAGE, "options without their size");
    else if (options)
        memcpy(&m->options, options,
               options->size < sizeof *options ? options->size
                                               : sizeof *options);
    if (!status)
        status = import(m, err);
    akin__vectors_close(&m->vectors);
    akin__lines_close(&m->list);
    akin__import_paths_close(&m->paths);
    akin__import_samples_free(&m->samples);
    akin__free(m->base);
    akin__free(m->bytes);
    akin__free(m);
    return status;
}
