/* Tables of lines (set.h): ground truths, lists, predictions. Untrusted. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "eval/set.h"

/* Two paths, a number, and quotes. */
enum { LONGEST_LINE = 64 << 10 };

const char *const akin__truth_headers[] = {"query_id,reference_id",
                                           "query,reference", NULL};

akin_status akin__csv_wrong(const struct akin__csv *csv, akin_error *err,
                            const char *format, ...)
{
    char what[900];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return akin__fail(err, AKIN_EFORMAT, "%s: line %llu: %s",
                      csv->lines.file.path, (unsigned long long)csv->line,
                      what);
}

/* As the challenge's reader does it: what surrounds a line is no part of it. */
static char *trim(char *line, size_t length)
{
    static const char blank[] = " \t\r";
    while (length && strchr(blank, line[length - 1]))
        line[--length] = 0;
    return line + strspn(line, blank);
}

static bool is_header(const struct akin__csv *csv, const char *line,
                      const char *const *headers)
{
    if (csv->line != 1)
        return false;
    for (; headers && *headers; headers++) {
        if (strcmp(line, *headers) == 0)
            return true;
    }
    return false;
}

static akin_status split(struct akin__csv *csv, char *line, size_t columns,
                         akin_error *err)
{
    char *at = line;
    size_t count = 0;
    while (at) {
        char *field;
        if (!akin__csv_field(&at, &field))
            return akin__csv_wrong(csv, err,
                                   "a quote that is not closed, or not a "
                                   "whole field");
        if (count < columns)
            csv->field[count] = field;
        count++;
    }
    return count == columns
               ? AKIN_OK
               : akin__csv_wrong(csv, err, "%zu fields instead of %zu", count,
                                 columns);
}

akin_status akin__csv_read(const char *path, size_t columns,
                           const char *const *headers,
                           akin_status (*row)(void *, const struct akin__csv *,
                                              akin_error *),
                           void *context, akin_error *err)
{
    struct akin__csv csv = {0};
    char *line;
    size_t length;
    akin_status status =
        akin__lines_open(&csv.lines, path, LONGEST_LINE, true, err);
    if (status)
        return status;
    for (;;) {
        AKIN_TRY(akin__lines_next(&csv.lines, &line, &length, err));
        if (!line)
            break;
        csv.line = csv.lines.number;
        line = trim(line, length);
        if (!*line || is_header(&csv, line, headers))
            continue;
        AKIN_TRY(split(&csv, line, columns, err));
        AKIN_TRY(row(context, &csv, err));
    }
out:
    akin__lines_close(&csv.lines);
    return status;
}
