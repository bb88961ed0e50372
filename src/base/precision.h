/* Precision: its name, as options, indexes and fingerprints have it. */
#ifndef AKIN_BASE_PRECISION_H
#define AKIN_BASE_PRECISION_H

#include <stdbool.h>

#include "akin.h"

/* "f32", "bf16" or "int8". */
const char *akin__precision_name(akin_precision precision);

/* The precision of that name; false when there is none. */
bool akin__precision_find(const char *name, akin_precision *precision);

#endif
