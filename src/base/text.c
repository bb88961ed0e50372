/* Text: a growing buffer of bytes, and what UTF-8 is (RFC 3629). */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

/* Room for `more` bytes and a zero. */
static bool grow(struct akin__text *text, size_t more)
{
    size_t needed;
    if (text->failed || !akin__add_ok(text->length, more, &needed) ||
        !akin__add_ok(needed, 1, &needed)) {
        text->failed = true;
        return false;
    }
    if (needed <= text->capacity)
        return true;
    const size_t capacity = needed < 128 ? 128 : needed + needed / 2;
    char *bytes = akin__realloc(text->bytes, capacity, 1);
    if (!bytes) {
        text->failed = true;
        return false;
    }
    text->bytes = bytes;
    text->capacity = capacity;
    return true;
}

void akin__text_add(struct akin__text *text, const char *bytes, size_t count)
{
    if (!grow(text, count))
        return;
    if (count)
        memcpy(text->bytes + text->length, bytes, count);
    text->length += count;
    text->bytes[text->length] = 0;
}

void akin__text_addf(struct akin__text *text, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int wanted = vsnprintf(NULL, 0, format, arguments);
    if (wanted < 0) {
        text->failed = true;
    } else if (grow(text, (size_t)wanted)) {
        vsnprintf(text->bytes + text->length, (size_t)wanted + 1, format,
                  again);
        text->length += (size_t)wanted;
    }
    va_end(again);
    va_end(arguments);
}

void akin__text_add_field(struct akin__text *text, const char *field)
{
    if (!field[strcspn(field, ",\"\r\n")]) {
        akin__text_add(text, field, strlen(field));
        return;
    }
    akin__text_add(text, "\"", 1);
    for (; *field; field++) {
        akin__text_add(text, field, 1);
        if (*field == '"')
            akin__text_add(text, field, 1);
    }
    akin__text_add(text, "\"", 1);
}

void akin__text_free(struct akin__text *text)
{
    akin__free(text->bytes);
    memset(text, 0, sizeof *text);
}

char *akin__format(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = NULL;
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    return text;
}

size_t akin__utf8_length(const char *bytes, size_t count)
{
    const unsigned char *b = (const unsigned char *)bytes;
    if (count < 1)
        return 0;
    if (b[0] < 0x80)
        return 1;
    const size_t length = b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : 2;
    if (b[0] < 0xc2 || b[0] > 0xf4 || count < length)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((b[i] & 0xc0) != 0x80)
            return 0;
    }
    const bool overlong =
        (b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xf0 && b[1] < 0x90);
    const bool beyond = (b[0] == 0xed && b[1] > 0x9f) || /* surrogates */
                        (b[0] == 0xf4 && b[1] > 0x8f);
    return overlong || beyond ? 0 : length;
}

bool akin__utf8_valid(const char *bytes, size_t count)
{
    for (size_t at = 0; at < count;) {
        const size_t length = akin__utf8_length(bytes + at, count - at);
        if (!length)
            return false;
        at += length;
    }
    return true;
}
