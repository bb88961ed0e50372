/*
 * Watch: being told what changes in folders, by inotify.
 *
 * A watch is of a folder, not of what lies in the folders below it. Paths are
 * those that the caller gave; one folder may be watched by several paths, and
 * each is told. A folder that goes, moves or is unmounted is forgotten by
 * itself. Memory: 16 bytes and the path for each folder.
 *
 * Threads: one at a time.
 */
#ifndef AKIN_BASE_WATCH_H
#define AKIN_BASE_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "akin.h"

struct akin__watch;

/* AKIN_ELIMIT when the system gives no more of them. */
akin_status akin__watch_open(struct akin__watch **watch, akin_error *err);
void akin__watch_close(struct akin__watch **watch);

/*
 * Watch the folder at `path`. That it is not there or cannot be read is no
 * error; who lists it will see. AKIN_ELIMIT when the system watches no more
 * folders; AKIN_ENOMEM.
 */
akin_status akin__watch_add(struct akin__watch *watch, const char *path,
                            akin_error *err);

/* How many folders are watched. */
size_t akin__watch_count(const struct akin__watch *watch);

/*
 * Wait up to `seconds` for something to happen and call `visit` for all that
 * has: with the path of what was written, moved, made, removed or changed its
 * rights, or with NULL when the system lost count. A file that is made counts
 * when it is closed. A signal ends the waiting. `watch` may be NULL: then it
 * waits and nothing happens.
 */
akin_status akin__watch_take(struct akin__watch *watch, double seconds,
                             akin_status (*visit)(void *context,
                                                  const char *path,
                                                  akin_error *err),
                             void *context, akin_error *err);

#endif
