/*
 * Vectors: a file of vectors that anybody wrote, row after row: FAISS (flat,
 * with an IDMap or not), npy, JSON lines, CSV. The kind is read from the bytes.
 *
 * All of it is untrusted. What a header promises is compared with the size of
 * the file before anything is taken; memory is a block, whatever the number of
 * rows.
 */
#ifndef AKIN_INDEX_VECTORS_H
#define AKIN_INDEX_VECTORS_H

#include "index/lines.h"

/* How the numbers of a row lie in a file. */
enum akin__number { AKIN__F32, AKIN__F64, AKIN__F16 };

struct akin__vectors {
    const char *format; /* "faiss", "npy", "jsonl" or "csv": a constant */
    size_t dim;
    uint64_t rows; /* 0: not known before the end (texts) */
    bool named;    /* each row has a path */

    uint64_t next; /* row */
    /* FAISS and npy: */
    struct akin__file file;
    enum akin__number number;
    uint64_t data;               /* where the rows begin */
    uint8_t *block;              /* rows that were read */
    uint64_t block_at, block_to; /* which */
    /* JSON lines and CSV: */
    struct akin__lines lines;
    char *path, *model; /* of the row given out last; of the first row */
};

/* On failure nothing is open. */
akin_status akin__vectors_open(struct akin__vectors *vectors, const char *path,
                               akin_error *err);
void akin__vectors_close(struct akin__vectors *vectors);

/*
 * The next row into `vector` [dim], and its path, where the file has one,
 * which lives until the next call; *row is false after the last. A row with a
 * number that is not finite, or all zeros, is an error that names it.
 */
akin_status akin__vectors_next(struct akin__vectors *vectors, float *vector,
                               const char **path, bool *row, akin_error *err);
/* Go back to the first row. */
void akin__vectors_rewind(struct akin__vectors *vectors);

/* What an npy of float32 rows begins with: magic, version 1.0, length, and a
 * dict padded so that data is aligned. */
void akin__npy_head(char bytes[128], uint64_t rows, size_t dim);

/* ---------------------------------------- between the files of this idea -- */

/* What begins a FAISS index or an array, into *vectors, whose file is open;
 * head [count] is what the file begins with, `size` all of its bytes. */
akin_status akin__faiss_open(struct akin__vectors *vectors, const uint8_t *head,
                             size_t count, uint64_t size, akin_error *err);
akin_status akin__npy_open(struct akin__vectors *vectors, const uint8_t *head,
                           size_t count, uint64_t size, akin_error *err);
/* Bytes of one row. */
size_t akin__vectors_row_bytes(const struct akin__vectors *vectors);
/* AKIN_EFORMAT unless `dim` is one that a model can have. */
akin_status akin__vectors_check_dim(const char *path, uint64_t dim,
                                    akin_error *err);

/* The texts, which open the file themselves. */
akin_status akin__jsonl_open(struct akin__vectors *vectors, const char *path,
                             akin_error *err);
akin_status akin__csv_open(struct akin__vectors *vectors, const char *path,
                           akin_error *err);
akin_status akin__text_next(struct akin__vectors *vectors, float *vector,
                            bool *row, akin_error *err);

#endif
