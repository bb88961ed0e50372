/*
 * Unicode: text as CLIP's tokenizer reads it, one character a number.
 *
 * What a character is (letter, number, space), its lower case and its normal
 * form are those of Hugging Face's tokenizers, not the system's: a text has
 * the same tokens everywhere (unicode_tables.h, tools/gen/unicode.py).
 */
#ifndef AKIN_MODEL_UNICODE_H
#define AKIN_MODEL_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters in a row; `failed`: memory was short, the row is what it was. */
struct akin__points {
    uint32_t *at; /* [count] */
    size_t count, capacity;
    bool failed;
};

void akin__points_free(struct akin__points *points);

/* Add the characters of `bytes` [count]. What is no UTF-8 is U+FFFD, once for
 * each longest beginning of a character, as Python's "replace" has it. */
void akin__points_decode(struct akin__points *points, const char *bytes,
                         size_t count);

/* Make `out` the normal form C of `from` [count] in lower case. Lower case is
 * that of each character alone: capital sigma is never final. */
void akin__points_normalize(struct akin__points *out, const uint32_t *from,
                            size_t count);

enum akin__class { AKIN__OTHER_CLASS, AKIN__LETTER, AKIN__NUMBER, AKIN__SPACE };
enum akin__class akin__class_of(uint32_t point);

/* The UTF-8 of a character into bytes [4]; how many. */
size_t akin__utf8_encode(uint32_t point, uint8_t *bytes);

#endif
