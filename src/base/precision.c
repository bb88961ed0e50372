/* Precision (precision.h): one table of names. */
#include "base/precision.h"

#include <stddef.h>
#include <string.h>

static const char *const names[] = {
    [AKIN_PRECISION_F32] = "f32",
    [AKIN_PRECISION_BF16] = "bf16",
    [AKIN_PRECISION_INT8] = "int8",
};

const char *akin__precision_name(akin_precision precision)
{
    return names[precision];
}

bool akin__precision_find(const char *name, akin_precision *precision)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) {
            *precision = (akin_precision)i;
            return true;
        }
    }
    return false;
}
