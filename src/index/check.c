/* Telling what a check or a repair found (check.h). */
#include "index/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

enum { ASK_EVERY = 4096 }; /* rows between two calls of progress */

akin_status akin__check_begin(struct akin__check *check,
                              const akin_check_options *options,
                              akin_check_report *report,
                              akin_check_report *unused, akin_error *err)
{
    memset(check, 0, sizeof *check);
    check->report = report ? report : unused;
    memset(check->report, 0, sizeof *check->report);
    if (!options)
        return AKIN_OK;
    if (!options->size)
        return akin__fail(err, AKIN_EUSAGE, "options without their size");
    memcpy(&check->options, options,
           options->size < sizeof *options ? options->size : sizeof *options);
    return AKIN_OK;
}

void akin__check_tell(struct akin__check *check, const char *stored,
                      const char *format, ...)
{
    char line[1024], text[1024];
    va_list arguments;
    check->report->problems++;
    if (!check->options.problem)
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    char *way_out = strstr(line, AKIN__WAY_OUT); /* said once, at the end */
    if (way_out)
        *way_out = 0;
    akin__printable(text, sizeof text, line);
    char *path = stored ? akin__shown_path(check->index, stored) : NULL;
    check->options.problem(check->options.context, text, path);
    akin__free(path);
}

akin_status akin__check_row(struct akin__check *check, akin_error *err)
{
    const uint64_t done = ++check->done;
    if (!check->options.progress ||
        (done % ASK_EVERY && done != check->whole) ||
        !check->options.progress(check->options.context, "rows", done,
                                 check->whole))
        return AKIN_OK;
    return akin__fail(err, AKIN_ECANCELLED, "stopped after %llu rows",
                      (unsigned long long)done);
}
