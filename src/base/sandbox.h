/*
 * Sandbox: what is left to a process that decodes untrusted bytes. It computes
 * in the memory that it is allowed and talks over the files that it has open;
 * whatever else it asks of the system kills it.
 */
#ifndef AKIN_BASE_SANDBOX_H
#define AKIN_BASE_SANDBOX_H

#include <stdint.h>

#include "akin.h"

/*
 * From now on, for good and for all threads: at most `bytes` of address space,
 * no file opened, no core dumped, no privilege gained, the first to be ended
 * when the machine runs out of memory, and only the system calls of the list
 * in sandbox.c. AKIN_SANDBOX=off in the environment leaves the list out.
 */
akin_status akin__sandbox_enter(uint64_t bytes, akin_error *err);

#endif
