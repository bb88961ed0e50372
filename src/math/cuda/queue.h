/*
 * Queue: those who want pictures run, in the order of asking, before a few
 * lanes that run them.
 *
 * Whoever is first in line when a lane is free leads it and takes along those
 * behind whose pictures still fit. So what comes while the lanes are busy goes
 * through the network together, and while one is free nobody waits.
 */
#ifndef AKIN_MATH_CUDA_QUEUE_H
#define AKIN_MATH_CUDA_QUEUE_H

#include <condition_variable>
#include <mutex>

#include "akin.h"

enum { LANES = 2 };

/* Somebody's pictures. All but the first three is the queue's. */
struct request {
    size_t count; /* up to the queue's most */
    const uint8_t *bytes;
    float *vectors;       /* where the answers go */
    struct request *next; /* behind it in line, or in its lane */
    bool done;
    akin_status status; /* once it is done; err then says why */
    akin_error err;
};

struct queue {
    size_t most; /* pictures that a lane holds */
    std::mutex lock;
    std::condition_variable change;
    struct request *first; /* in line */
    bool busy[LANES];
};

/* The first in line and those behind it that fit leave it, still chained. */
static inline void queue_board(struct queue *q)
{
    struct request *last = q->first;
    size_t room = q->most - last->count;
    while (last->next && last->next->count <= room) {
        last = last->next;
        room -= last->count;
    }
    q->first = last->next;
    last->next = NULL;
}

/* Wait for one's turn: the number of the lane to run `mine` in, and all that is
 * chained behind it, or -1 when somebody else has run it. */
static inline int queue_enter(struct queue *q, struct request *mine)
{
    std::unique_lock<std::mutex> held(q->lock);
    struct request **end = &q->first;
    while (*end)
        end = &(*end)->next;
    *end = mine;
    while (!mine->done) {
        for (int i = 0; i < LANES && q->first == mine; i++) {
            if (!q->busy[i]) {
                q->busy[i] = true;
                queue_board(q);
                q->change.notify_all(); /* the next may have the other */
                return i;
            }
        }
        q->change.wait(held);
    }
    return -1;
}

/* The lane has run what was led by `crew`, with this outcome for all. */
static inline void queue_leave(struct queue *q, int lane, struct request *crew,
                               akin_status status, const akin_error *err)
{
    {
        std::lock_guard<std::mutex> held(q->lock);
        q->busy[lane] = false;
        for (struct request *r = crew, *next; r; r = next) {
            next = r->next; /* before its owner may go */
            r->status = status;
            if (status)
                r->err = *err;
            r->done = true;
        }
    }
    q->change.notify_all();
}

#endif
