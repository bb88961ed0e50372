/*
 * Text: a growing buffer of bytes, and what UTF-8 is.
 *
 * A buffer that could not grow stays as it was and remembers it in `failed`,
 * so that a long row of appends needs one check at its end.
 */
#ifndef AKIN_BASE_TEXT_H
#define AKIN_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct akin__text {
    char *bytes; /* [length] and a zero; NULL while empty */
    size_t length, capacity;
    bool failed; /* memory was short */
};

void akin__text_add(struct akin__text *text, const char *bytes, size_t count);
void akin__text_addf(struct akin__text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A field of CSV (RFC 4180), in quotes where it holds what would end it. */
void akin__text_add_field(struct akin__text *text, const char *field);
void akin__text_free(struct akin__text *text);

/* The printed text, allocated; NULL when memory is short. */
char *akin__format(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* Bytes of the UTF-8 character at `bytes` [count]; 0 if there is none. */
size_t akin__utf8_length(const char *bytes, size_t count);
/* Whether all of it is UTF-8. */
bool akin__utf8_valid(const char *bytes, size_t count);

#endif
