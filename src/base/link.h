/*
 * Link: two files of equal bytes become two names of one.
 */
#ifndef AKIN_BASE_LINK_H
#define AKIN_BASE_LINK_H

#include <sys/stat.h>

#include "akin.h"

/*
 * Whether `path` may become another name of `kept`, as far as their states say:
 * one disc, owner, group, mode and length. AKIN_EUSAGE says what differs.
 */
akin_status akin__link_check(const char *kept, const struct stat *kept_st,
                             const char *path, const struct stat *st,
                             akin_error *err);

/*
 * Let `path` be another name of the file `kept`, and free what it held. Both
 * are regular files, no links, pass akin__link_check, and are read and compared
 * byte by byte; else AKIN_EUSAGE, and nothing is changed. The name
 * is made beside `path` and renamed over it, so that at any moment `path` is
 * whole; a process that is killed leaves at most `path`.PID.tmp, a third name.
 * `path` then has kept's times. Two names of one file already: AKIN_OK.
 */
akin_status akin__link_over(const char *kept, const char *path,
                            akin_error *err);

/* A further name `path` of the file that `kept` leads to, where there is
 * nothing yet. AKIN_EIO, also where the system will not: other discs, file
 * systems without links, files of others. */
akin_status akin__link_new(const char *kept, const char *path, akin_error *err);

#endif
