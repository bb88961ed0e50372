/* Lines (lines.h): a buffer that the file is read through in large pieces. */
#include "index/lines.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"

akin_status akin__lines_open(struct akin__lines *lines, const char *path,
                             size_t longest, bool quotes, akin_error *err)
{
    struct stat st;
    memset(lines, 0, sizeof *lines);
    lines->file.fd = -1;
    akin_status status = akin__stat(path, &st, err);
    AKIN_TRY(status);
    AKIN_CHECK(S_ISREG(st.st_mode), err, AKIN_EIO, "%s: is no regular file",
               path);
    lines->capacity = longest;
    lines->quotes = quotes;
    lines->buffer = akin__alloc(longest + 1, 1);
    AKIN_CHECK(lines->buffer, err, AKIN_ENOMEM, "%s: no memory", path);
    AKIN_TRY(akin__file_open(&lines->file, path, AKIN__READ, err));
    AKIN_TRY(akin__file_size(&lines->file, &lines->size, err));
out:
    if (status)
        akin__lines_close(lines);
    return status;
}

void akin__lines_close(struct akin__lines *lines)
{
    akin__file_close(&lines->file);
    akin__free(lines->buffer);
    lines->buffer = NULL;
}

void akin__lines_rewind(struct akin__lines *lines)
{
    lines->at = lines->number = 0;
    lines->from = lines->to = 0;
}

/* Read on behind what is in the buffer, which is moved to its front. */
static akin_status fill(struct akin__lines *lines, akin_error *err)
{
    const size_t kept = lines->to - lines->from;
    const uint64_t left = lines->size - lines->at;
    size_t count = lines->capacity - kept;
    if (count > left)
        count = (size_t)left;
    memmove(lines->buffer, lines->buffer + lines->from, kept);
    lines->from = 0;
    lines->to = kept + count;
    const akin_status status = akin__file_read(
        &lines->file, lines->buffer + kept, count, lines->at, err);
    lines->at += count;
    return status;
}

/* Where the line that begins the buffer ends: its newline, or `to`. `from` is
 * where the search goes on, `inside` whether that is between quotes. */
static size_t find_end(const struct akin__lines *lines, size_t from,
                       bool *inside)
{
    if (!lines->quotes) {
        const char *end = memchr(lines->buffer + from, '\n', lines->to - from);
        return end ? (size_t)(end - lines->buffer) : lines->to;
    }
    for (; from < lines->to; from++) {
        if (lines->buffer[from] == '"')
            *inside = !*inside;
        else if (lines->buffer[from] == '\n' && !*inside)
            break;
    }
    return from;
}

static void skip_mark(struct akin__lines *lines)
{
    if (lines->to - lines->from >= 3 &&
        memcmp(lines->buffer + lines->from, "\xef\xbb\xbf", 3) == 0)
        lines->from += 3;
}

/* Without its \r, where the lines of this file have one. */
static size_t trim(struct akin__lines *lines, const char *line, size_t length)
{
    const bool has = length && line[length - 1] == '\r';
    if (lines->number == 1)
        lines->returns = has;
    return has && lines->returns ? length - 1 : length;
}

akin_status akin__lines_next(struct akin__lines *lines, char **line,
                             size_t *length, akin_error *err)
{
    bool inside = false;
    size_t searched = 0; /* from lines->from */
    *line = NULL;
    for (;;) {
        size_t end = find_end(lines, lines->from + searched, &inside);
        const bool last = lines->at == lines->size;
        if (end < lines->to || (last && lines->to > lines->from)) {
            *line = lines->buffer + lines->from;
            *length = end - lines->from;
            lines->from = end + (end < lines->to);
            break;
        }
        if (last)
            return AKIN_OK;
        searched = lines->to - lines->from;
        if (searched == lines->capacity)
            return akin__fail(
                err, AKIN_EFORMAT, "%s: line %llu is longer than %zu bytes",
                lines->file.path, (unsigned long long)lines->number + 1,
                lines->capacity);
        const bool first = lines->at == 0;
        const akin_status status = fill(lines, err);
        if (status)
            return status;
        if (first)
            skip_mark(lines);
    }
    lines->number++;
    *length = trim(lines, *line, *length);
    (*line)[*length] = 0; /* the newline, or the byte behind the buffer */
    if (memchr(*line, 0, *length))
        return akin__fail(err, AKIN_EFORMAT,
                          "%s: line %llu holds a zero byte: is it a text?",
                          lines->file.path, (unsigned long long)lines->number);
    return AKIN_OK;
}

bool akin__csv_field(char **at, char **field)
{
    char *to = *at, *from = *at;
    *field = to;
    if (*from == '"') {
        for (from++; *from && (*from != '"' || from[1] == '"'); from++) {
            from += *from == '"';
            *to++ = *from;
        }
        if (*from++ != '"' || (*from && *from != ','))
            return false;
    } else {
        from += strcspn(from, ",\"");
        if (*from == '"')
            return false;
        to = from;
    }
    *at = *from ? from + 1 : NULL;
    *to = 0;
    return true;
}
