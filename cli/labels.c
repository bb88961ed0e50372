/*
 * Labels (labels.h): between commas, or a line each. A label that stands there
 * twice would take half of its own probability, so it counts once.
 */
#include "labels.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli.h"

enum { MOST_BYTES = 64 << 20 }; /* of a file */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The label in bytes [length] without the spaces around it, ended by a zero;
 * empty when there is none. */
static char *trim(char *bytes, size_t length)
{
    while (length && is_space(bytes[length - 1]))
        length--;
    bytes[length] = 0;
    while (is_space(*bytes))
        bytes++;
    return bytes;
}

static int add(struct cli_labels *labels, size_t *room, const char *name)
{
    if (labels->count == *room) {
        const size_t more = *room ? 2 * *room : 64;
        const char **grown = akin__realloc(labels->name, more, sizeof *grown);
        if (!grown)
            return cli_no_memory();
        labels->name = grown;
        *room = more;
    }
    labels->name[labels->count++] = name;
    return 0;
}

/* Cut labels->bytes [count] up; what is between two separators is a label. */
static int split(struct cli_labels *labels, size_t count, char separator,
                 const char *source)
{
    char *at = labels->bytes, *const end = at + count;
    size_t room = 0, part = 1;
    int code = 0;
    for (; at < end && !code; part++) {
        char *stop = memchr(at, separator, (size_t)(end - at));
        const size_t length = (size_t)((stop ? stop : end) - at);
        const char *wrong = memchr(at, 0, length) ? "holds a zero byte"
                            : !akin__utf8_valid(at, length) ? "is no UTF-8"
                                                            : NULL;
        if (wrong) {
            cli_say("%s: %s %zu %s", source,
                    separator == '\n' ? "line" : "label", part, wrong);
            return CLI_WRONG;
        }
        const char *name = trim(at, length);
        if (*name)
            code = add(labels, &room, name);
        at += length + 1;
    }
    return code;
}

struct place {
    const char *name;
    size_t at;
};

static int by_name(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    const int order = strcmp(x->name, y->name);
    return order ? order : x->at < y->at ? -1 : 1;
}

/* Keep the first of equal ones. */
static int drop_doubles(struct cli_labels *labels, const char *source)
{
    struct place *sorted = akin__alloc(labels->count, sizeof *sorted);
    size_t kept = 0, dropped = 0;
    const char *example = NULL;
    if (!sorted)
        return cli_no_memory();
    for (size_t i = 0; i < labels->count; i++)
        sorted[i] = (struct place){labels->name[i], i};
    qsort(sorted, labels->count, sizeof *sorted, by_name);
    for (size_t i = 1; i < labels->count; i++) {
        if (strcmp(sorted[i].name, sorted[i - 1].name))
            continue;
        labels->name[sorted[i].at] = NULL;
        example = sorted[i].name;
        dropped++;
    }
    for (size_t i = 0; i < labels->count; i++) {
        if (labels->name[i])
            labels->name[kept++] = labels->name[i];
    }
    labels->count = kept;
    if (dropped)
        cli_say("%s: a label that stands there again counts once: %s%s", source,
                example, dropped > 1 ? " and others" : "");
    akin__free(sorted);
    return 0;
}

/* The whole of the file, a zero behind it, but for a byte order mark. */
static int read_file(struct cli_labels *labels, const char *path, size_t *count)
{
    static const char mark[] = "\xef\xbb\xbf";
    uint8_t *bytes = NULL;
    akin_error err;
    if (akin__read_file(path, MOST_BYTES, &bytes, count, NULL, &err))
        return cli_fail(ABOUT_INPUT, &err);
    const size_t skip =
        *count >= 3 && !memcmp(bytes, mark, 3) ? sizeof mark - 1 : 0;
    *count -= skip;
    labels->bytes = akin__alloc(*count + 1, 1);
    if (labels->bytes) {
        memcpy(labels->bytes, bytes + skip, *count);
        labels->bytes[*count] = 0;
    }
    akin__free(bytes);
    return labels->bytes ? 0 : cli_no_memory();
}

int cli_labels_read(struct cli_labels *labels, const struct cli_values *values)
{
    const char *path = values->labels_file;
    const char *source = path ? path : "--labels";
    size_t count = 0;
    int code = 0;
    memset(labels, 0, sizeof *labels);
    if (!values->labels == !path)
        return cli_wrong(values, path ? "--labels or --labels-file, not both"
                                      : "needs --labels \"cat,dog,car\" or "
                                        "--labels-file FILE");
    if (path) {
        code = read_file(labels, path, &count);
    } else {
        labels->bytes = akin__strdup(values->labels);
        count = strlen(values->labels);
        code = labels->bytes ? 0 : cli_no_memory();
    }
    if (!code)
        code = split(labels, count, path ? '\n' : ',', source);
    if (!code && !labels->count)
        code = cli_wrong(values, "%s: there is no label", source);
    return code ? code : drop_doubles(labels, source);
}

void cli_labels_free(struct cli_labels *labels)
{
    akin__free(labels->name);
    akin__free(labels->bytes);
    memset(labels, 0, sizeof *labels);
}
