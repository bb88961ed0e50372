/*
 * Process: a program of its own beside this one, with a socket between the two
 * and nothing else in common.
 *
 * It inherits no other file, prints into nothing, does not hear ctrl-C, and
 * does not outlive us however we end: the kernel kills it. A process belongs
 * to one thread at a time; any number may be started side by side.
 */
#ifndef AKIN_BASE_PROCESS_H
#define AKIN_BASE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "akin.h"

struct akin__process {
    pid_t pid; /* 0: none */
    int socket, lifeline;
};

/*
 * Start `program` with one argument. One that ends before it has said anything
 * is found out by hearing. Whatever comes back, akin__process_end may be
 * called.
 */
akin_status akin__process_start(struct akin__process *process,
                                const char *program, const char *argument,
                                akin_error *err);

/* One message; a process that is gone is found out by hearing. */
void akin__process_say(const struct akin__process *process, const void *message,
                       size_t bytes);

enum akin__heard {
    AKIN__HEARD,  /* a message of just that size */
    AKIN__SILENT, /* none in that time */
    AKIN__GONE    /* it has ended, or talks nonsense */
};
enum akin__heard akin__process_hear(const struct akin__process *process,
                                    void *message, size_t bytes,
                                    double seconds);

/* Processor time that it has used, with all its threads. */
double akin__process_seconds(const struct akin__process *process);

/*
 * Kill it unless it has ended by itself, and leave nothing of it behind. The
 * signal that ended it; 0 when it exited, with *exit_code. Nothing when there
 * is none.
 */
int akin__process_end(struct akin__process *process, int *exit_code);

/* The other side, called by the program that was started. */

/* Die with the process that started this one. */
akin_status akin__child_bind(akin_error *err);
/* Wait for a message of just that size; false when there will be none. */
bool akin__child_hear(void *message, size_t bytes);
bool akin__child_say(const void *message, size_t bytes);

#endif
