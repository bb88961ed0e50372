/*
 * Pairs: all pairs of a model's rows that may lie near each other, by a blocked
 * product in bytes (math/near.h) of each pair of blocks once.
 *
 * Rows are read through a file of their own, so that no lock and no transaction
 * is held for the minutes that many rows take: rows that exist never change.
 *
 * Memory: per thread a block of AKIN__NEAR rows as floats and their products
 * (0.8 MB at 512 numbers), and up to RIGHT_BYTES (pairs.c) of rows as bytes;
 * with more rows than these hold, the blocks are read once more for each such
 * part. Pairs are handed over at once and not kept.
 */
#ifndef AKIN_INDEX_PAIRS_H
#define AKIN_INDEX_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/index.h"

/* Distinct rows of one model, ascending, that stay readable without it. */
struct akin__row_list {
    struct akin__rows rows; /* its texts are not kept, only file and dim */
    size_t count;
    uint32_t *row, *crc; /* [count] */
};
/* Those of index->live[ordinal], which is loaded; the lock is held. */
akin_status akin__row_list_open(struct akin__row_list *list, akin_index *index,
                                size_t ordinal, akin_error *err);
void akin__row_list_close(struct akin__row_list *list);

/* Rows [first, first + count) of the list, checked, at length 1 (or 0), into
 * floats [count][dim]. */
akin_status akin__row_list_read(const struct akin__row_list *list, size_t first,
                                size_t count, float *floats, akin_error *err);

/* What is near to row `a` of the list. */
struct akin__near_rows {
    size_t a;
    const float *row; /* of a, [dim] */
    size_t count;
    const uint32_t *b;    /* [count], all above a */
    const float *product; /* [count]: the cosine, give or take `reach` */
    float reach;
};

struct akin__pairs {
    const struct akin__row_list *list;
    double threshold; /* above 0: no pair of this cosine or more is left out */
    int threads;      /* 0: all processors */
    size_t room;      /* bytes for rows as bytes; 0: RIGHT_BYTES */
    /* Whether no pair of the rows [a, a + as) with [b, b + bs) matters. */
    bool (*skip)(void *context, size_t a, size_t as, size_t b, size_t bs);
    /* From any thread, several at a time. */
    akin_status (*visit)(void *context, const struct akin__near_rows *near,
                         akin_error *err);
    /* "pairs", of those there are, from the calling thread; an answer that is
     * not 0 ends it. */
    akin_progress_fn progress;
    void *context; /* of skip and visit */
    void *progress_context;
};
/* AKIN_ECANCELLED, AKIN_ECORRUPT, AKIN_EIO, AKIN_ENOMEM. */
akin_status akin__pairs(const struct akin__pairs *pairs, akin_error *err);

#endif
