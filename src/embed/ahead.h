/*
 * Ahead: the files of the list, handed out in order and read before they are
 * needed, so that a slow disc or a network folder does not stall the cores.
 *
 * One thread reads ahead (akin__ahead_read) into a queue that is bounded in
 * files and bytes. A worker that finds the queue empty reads for itself, so
 * nobody waits for a reader that is slow or was never started, and a disc that
 * falls behind is asked by all of them at once.
 */
#ifndef AKIN_EMBED_AHEAD_H
#define AKIN_EMBED_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "akin.h"
#include "embed/walk.h"

struct akin__ahead;

/* A file that was read, or why it was not. */
struct akin__handed {
    const struct akin__item *item;
    const char *path;
    akin_status status;
    akin_error cause; /* of a status other than AKIN_OK */
    uint8_t *bytes;   /* [count], akin__free it */
    size_t count;
    struct stat st; /* when it was read */
};

/* Files larger than `file_bytes` are refused. The list outlives it. */
akin_status akin__ahead_open(struct akin__ahead **ahead,
                             const struct akin__list *list, uint64_t file_bytes,
                             akin_error *err) AKIN_MUST_CHECK;
void akin__ahead_close(struct akin__ahead **ahead);

/* Read ahead until no file is left or akin__ahead_stop; by one thread. */
void akin__ahead_read(struct akin__ahead *ahead);

/* The next file; false when there is none. By any number of threads. */
bool akin__ahead_take(struct akin__ahead *ahead, struct akin__handed *file);

/* A file that was handed out, read once more. */
void akin__ahead_again(struct akin__ahead *ahead, const struct akin__item *item,
                       struct akin__handed *file);

/* Seconds that all threads together have read so far. */
double akin__ahead_seconds(struct akin__ahead *ahead);

/* No file is handed out from now on. */
void akin__ahead_stop(struct akin__ahead *ahead);

#endif
