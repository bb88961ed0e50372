/* Threads: how many, the same work over many items, and taking turns. */
#ifndef AKIN_BASE_THREAD_H
#define AKIN_BASE_THREAD_H

#include <pthread.h>
#include <stddef.h>

#include "akin.h"

/* Processors this process may run on (its affinity and cgroup quota). */
int akin__processors(void);

/*
 * Call work(context, item, thread) for every item below `items`, in order of
 * start, by up to `threads` threads (0: all processors). The first failure
 * stops the handing out of items and is what comes back.
 */
akin_status akin__parallel(int threads, size_t items,
                           akin_status (*work)(void *context, size_t item,
                                               int thread, akin_error *err),
                           void *context, akin_error *err);

/* A lock, and a bell for those who wait until something under it changes. */
struct akin__lock {
    pthread_mutex_t mutex;
    pthread_cond_t bell;
};
void akin__lock_open(struct akin__lock *lock);
void akin__lock_close(struct akin__lock *lock);
void akin__lock_take(struct akin__lock *lock);
void akin__lock_give(struct akin__lock *lock);
/* Give the lock away until the bell rings, then take it again. */
void akin__lock_wait(struct akin__lock *lock);
void akin__lock_ring(struct akin__lock *lock);

#endif
