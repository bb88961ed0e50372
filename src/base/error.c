/*
 * Errors: one code, one line of text, no allocation.
 *
 * Whatever bytes a file name holds, the line stays one line of valid UTF-8,
 * so that a terminal, a log or a JSON document can take it as it is.
 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

const char *akin_version(void)
{
    return AKIN_VERSION;
}

/* The bytes of `text` worth printing as they are: 0 where it must be \xNN. */
static size_t printable_run(const char *text)
{
    const unsigned char c = (unsigned char)*text;
    if (c < 0x80)
        return c >= 0x20 && c != 0x7f;
    if (c == 0xc2 && (unsigned char)text[1] < 0xa0)
        return 0; /* U+0080 .. U+009F: terminals may obey them */
    return akin__utf8_length(text, strlen(text));
}

const char *akin__reason(const akin_error *err, const char *path)
{
    char shown[sizeof err->message];
    akin__printable(shown, sizeof shown, path);
    const size_t length = strlen(shown);
    return strncmp(err->message, shown, length) == 0 &&
                   strncmp(err->message + length, ": ", 2) == 0
               ? err->message + length + 2
               : err->message;
}

void akin__printable(char *out, size_t capacity, const char *text)
{
    size_t used = 0;
    while (*text) {
        const size_t run = printable_run(text);
        if (used + (run ? run : 4) + 1 > capacity)
            break;
        if (run) {
            memcpy(out + used, text, run);
            used += run;
            text += run;
        } else {
            snprintf(out + used, 5, "\\x%02x", (unsigned char)*text++);
            used += 4;
        }
    }
    out[used] = 0;
}

static akin_status fail(akin_error *err, akin_status code, int number,
                        const char *format, va_list arguments)
{
    if (!err)
        return code;
    /* Paths are at most PATH_MAX; the message keeps what fits. */
    char line[2048];
    const int wanted = vsnprintf(line, sizeof line, format, arguments);
    if (number && wanted >= 0 && (size_t)wanted < sizeof line) {
        char room[128]; /* GNU's strerror_r gives the text back */
        snprintf(line + wanted, sizeof line - (size_t)wanted, ": %s",
                 strerror_r(number, room, sizeof room));
    }
    err->code = code;
    akin__printable(err->message, sizeof err->message, line);
    return code;
}

akin_status akin__fail(akin_error *err, akin_status code, const char *format,
                       ...)
{
    va_list arguments;
    va_start(arguments, format);
    fail(err, code, 0, format, arguments);
    va_end(arguments);
    return code;
}

akin_status akin__fail_errno(akin_error *err, int number, const char *format,
                             ...)
{
    const akin_status code = number == ENOMEM ? AKIN_ENOMEM
                             : number == ENOENT || number == ENOTDIR
                                 ? AKIN_ENOTFOUND
                                 : AKIN_EIO;
    va_list arguments;
    va_start(arguments, format);
    fail(err, code, number, format, arguments);
    va_end(arguments);
    return code;
}

akin_status akin__fail_in(akin_error *err, akin_status code, const char *path)
{
    if (!err)
        return code;
    const akin_error cause = *err;
    akin__fail(err, code, "%s: ", path);
    const size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used, "%s",
             cause.message);
    return code;
}
