/*
 * Lines: a text of any length, line after line. Untrusted: a line has a limit,
 * and holds no zero byte.
 */
#ifndef AKIN_INDEX_LINES_H
#define AKIN_INDEX_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "akin.h"
#include "base/file.h"

struct akin__lines {
    struct akin__file file;
    uint64_t at, size; /* in the file: read so far, all of it */
    char *buffer;      /* [capacity + 1] */
    size_t capacity;   /* the longest line */
    size_t from, to;   /* of the buffer: not given out yet */
    uint64_t number;   /* of the line given out last, from 1 */
    bool quotes;       /* a newline between quotes ends no line (CSV) */
    bool returns;      /* the first line ended with \r\n: so do all */
};

/* A regular file, from its beginning; a byte order mark there is no part of
 * the first line. On failure nothing is open. */
akin_status akin__lines_open(struct akin__lines *lines, const char *path,
                             size_t longest, bool quotes, akin_error *err);
void akin__lines_close(struct akin__lines *lines);
/* The next line without its end, and a zero behind it: *line is NULL after the
 * last one, and lives until the next call. */
akin_status akin__lines_next(struct akin__lines *lines, char **line,
                             size_t *length, akin_error *err);
/* Go back to the first. */
void akin__lines_rewind(struct akin__lines *lines);

/*
 * Of a line of CSV: take the field that begins at *at: *field is ended by a
 * zero and lies in the line, *at is behind the comma, or NULL behind the last
 * field. False when it is none.
 */
bool akin__csv_field(char **at, char **field);

#endif
