/* Threads: how many, and the same work over many items. */
#ifndef AKIN_BASE_THREAD_H
#define AKIN_BASE_THREAD_H

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

#endif
