/*
 * Fault: the seam at which tests make the system refuse, or end the process,
 * before a call that reads or changes the disc. In use nobody sets it and a
 * call costs one comparison.
 */
#ifndef AKIN_BASE_FAULT_H
#define AKIN_BASE_FAULT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

/* The errno that `call` ("write", "sync", ...) on `path` shall fail with, or 0
 * to let it be made. NULL: every call is made. */
extern int (*akin__fault)(const char *call, const char *path);

/* Whether `call` fails here; errno says how. */
static inline bool akin__fails(const char *call, const char *path)
{
    if (akin__fault == NULL)
        return false;
    const int number = akin__fault(call, path);
    if (number)
        errno = number;
    return number != 0;
}

#endif
