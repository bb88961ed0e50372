/* The index that a command means. */
#ifndef AKIN_CLI_INDEX_H
#define AKIN_CLI_INDEX_H

#include "akin_eval.h"

/*
 * Put the path of the index into *path (akin__free it): `given` if not NULL,
 * else the nearest photos.akin in this folder or above it, else, with `make`,
 * photos.akin in this folder. An exit code; says what is wrong.
 */
int cli_index_path(const char *given, int make, char **path);

/* The same, and open it for reading. Close the index, free the path. */
int cli_index_open(const char *given, char **path, akin_index **index,
                   akin_index_info *info);

/* Open the one at `path`; *index is NULL, and that no failure, where there is
 * none that was made to the end, unless it is to be made. */
int cli_index_open_as(const char *path, akin_index_mode mode,
                      akin_index **index, akin_index_info *info);

/* What the index knows of how certain the model's answers are, into *certainty
 * (akin__free it), NULL where that is nothing; an exit code. */
int cli_certainty(akin_index *index, const char *model,
                  akin_certainty **certainty);

/* Count what is in it; an exit code. */
int cli_index_count(akin_index *index, akin_index_info *info);

/*
 * `path` as it is nicest to read: what lies below the current folder without
 * the way to it. `here` is that folder's absolute path or NULL.
 */
const char *cli_nearer(const char *path, const char *here);

#endif
