/*
 * Errors are values: made where they are detected, worded once, passed up
 * unchanged. docs: akin.h.
 */
#ifndef AKIN_BASE_ERROR_H
#define AKIN_BASE_ERROR_H

#include "akin.h"

/*
 * Put code and text into *err (which may be NULL) and give the code back.
 * The text is one line: control characters, newlines and bytes that are no
 * UTF-8 are written as \xNN, whatever a file name holds.
 */
akin_status akin__fail(akin_error *err, akin_status code, const char *format,
                       ...) __attribute__((format(printf, 3, 4)));

/* The same, and ": " with the system's words for `number` (an errno). */
akin_status akin__fail_errno(akin_error *err, int number, const char *format,
                             ...) __attribute__((format(printf, 3, 4)));

/* Put `path: ` before the message of *err, once a path is known. */
akin_status akin__fail_in(akin_error *err, akin_status code, const char *path);

/* The message of *err without the `path: ` that it may begin with. */
const char *akin__reason(const akin_error *err, const char *path);

/* `text` as one printable line of UTF-8 (\xNN for what is not) into `out`. */
void akin__printable(char *out, size_t capacity, const char *text);

/* Leave the function through its label `out:` when a check does not hold. */
#define AKIN_CHECK(condition, err, code, ...)                                  \
    do {                                                                       \
        if (!(condition)) {                                                    \
            status = akin__fail((err), (code), __VA_ARGS__);                   \
            goto out;                                                          \
        }                                                                      \
    } while (0)

/* Leave through `out:` when a call fails; `status` is its answer. */
#define AKIN_TRY(call)                                                         \
    do {                                                                       \
        status = (call);                                                       \
        if (status)                                                            \
            goto out;                                                          \
    } while (0)

#endif
