/*
 * Draft: a file in the making, beside the one that it will replace, which
 * stays whole until the new one is.
 */
#ifndef AKIN_BASE_DRAFT_H
#define AKIN_BASE_DRAFT_H

#include "akin.h"
#include "base/file.h"

struct akin__draft {
    struct akin__file file; /* write here */
    char *path;             /* what it will be */
};

/*
 * After a failed open, a commit (synced, renamed, the folder synced) or a drop
 * nothing is left to free. Only a regular file is ever replaced: a device
 * stays a device.
 */
akin_status akin__draft_open(struct akin__draft *draft, const char *path,
                             akin_error *err);
akin_status akin__draft_commit(struct akin__draft *draft, akin_error *err);
/* The same, but nothing waits for the disc: for a great many files, of which
 * one that a cut of power emptied is made again. */
akin_status akin__draft_place(struct akin__draft *draft, akin_error *err);
void akin__draft_drop(struct akin__draft *draft);

#endif
