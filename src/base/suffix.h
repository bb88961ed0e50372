/* Suffixes: what a file's name promises. What it is, its bytes say. */
#ifndef AKIN_BASE_SUFFIX_H
#define AKIN_BASE_SUFFIX_H

#include <stdbool.h>

/* Whether the name of `path` ends as the names of pictures do, in any case. */
bool akin__image_suffix(const char *path);

/* Whether `text` ends in `end`, letter for letter. */
bool akin__ends_with(const char *text, const char *end);

#endif
