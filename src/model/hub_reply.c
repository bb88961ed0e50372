/*
 * Hub's answers: header lines, untrusted, into a struct (hub_http.h).
 *
 * A redirect and the answer behind it go through the same struct, because the
 * hub tells a file's commit, hash and size on the first of them. Called by
 * hub_http.c.
 */
#include "model/hub_http.h"

#include <string.h>
#include <strings.h>

enum { HEADER_MAX = 64 << 10 }; /* bytes of one answer's header */

/* The value of the header `name` in line [length], or NULL; *count bytes. */
static const char *value_of(const char *line, size_t length, const char *name,
                            size_t *count)
{
    const size_t skip = strlen(name);
    if (length <= skip || strncasecmp(line, name, skip) || line[skip] != ':')
        return NULL;
    const char *at = line + skip + 1, *end = line + length;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    while (end > at && strchr(" \t\r\n", end[-1]))
        end--;
    *count = (size_t)(end - at);
    return at;
}

static void keep(char *out, size_t capacity, const char *value, size_t count)
{
    out[0] = 0;
    if (count >= capacity || memchr(value, 0, count))
        return;
    memcpy(out, value, count);
    out[count] = 0;
}

/* W/"abc" and "abc" are abc. */
static void keep_etag(struct akin__http_reply *reply, const char *value,
                      size_t count)
{
    if (count > 2 && !strncmp(value, "W/", 2)) {
        value += 2;
        count -= 2;
    }
    if (count > 1 && value[0] == '"' && value[count - 1] == '"') {
        value++;
        count -= 2;
    }
    keep(reply->etag, sizeof reply->etag, value, count);
}

/* Decimal digits at the start of value [count]; false when there are none or
 * they say more than 2^63. */
static bool number(const char *value, size_t count, uint64_t *out)
{
    uint64_t sum = 0;
    size_t i = 0;
    for (; i < count && value[i] >= '0' && value[i] <= '9'; i++) {
        if (i == 18)
            return false;
        sum = sum * 10 + (uint64_t)(value[i] - '0');
    }
    *out = sum;
    return i > 0;
}

bool akin__http_header(struct akin__http_reply *reply, const char *line,
                       size_t length)
{
    const char *value;
    size_t count;
    reply->header_bytes += length;
    if (length > 5 && !strncmp(line, "HTTP/", 5)) {
        /* A further answer: what it links to is told again or still holds,
         * all else is its own. */
        reply->error[0] = 0;
        reply->ranged = false;
        reply->header_bytes = length;
        if (!reply->linked)
            reply->etag[0] = 0;
    } else if ((value = value_of(line, length, "X-Repo-Commit", &count))) {
        keep(reply->commit, sizeof reply->commit, value, count);
    } else if ((value = value_of(line, length, "X-Linked-Etag", &count))) {
        keep_etag(reply, value, count);
        reply->linked = true;
    } else if ((value = value_of(line, length, "ETag", &count))) {
        if (!reply->linked)
            keep_etag(reply, value, count);
    } else if ((value = value_of(line, length, "X-Linked-Size", &count))) {
        reply->sized = number(value, count, &reply->size);
    } else if ((value = value_of(line, length, "X-Error-Code", &count))) {
        keep(reply->error, sizeof reply->error, value, count);
    } else if ((value = value_of(line, length, "Content-Range", &count))) {
        reply->ranged = count > 6 && !strncasecmp(value, "bytes ", 6) &&
                        number(value + 6, count - 6, &reply->range_start);
    }
    return reply->header_bytes <= HEADER_MAX;
}
