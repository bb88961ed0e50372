/* Memory: checked sizes in front of malloc. */
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

void *akin__alloc(size_t count, size_t size)
{
    size_t bytes;
    if (!akin__mul_ok(count, size, &bytes))
        return NULL;
    return malloc(bytes ? bytes : 1);
}

void *akin__calloc(size_t count, size_t size)
{
    size_t bytes;
    if (!akin__mul_ok(count, size, &bytes)) /* which a sanitizer makes fatal */
        return NULL;
    return calloc(bytes ? bytes : 1, 1);
}

void *akin__alloc_aligned(size_t count, size_t size)
{
    size_t bytes;
    if (!akin__mul_ok(count, size, &bytes) || !akin__add_ok(bytes, 64, &bytes))
        return NULL;
    return aligned_alloc(64, bytes / 64 * 64);
}

void *akin__realloc(void *memory, size_t count, size_t size)
{
    size_t bytes;
    if (!akin__mul_ok(count, size, &bytes))
        return NULL;
    return realloc(memory, bytes ? bytes : 1);
}

char *akin__strdup(const char *text)
{
    const size_t bytes = strlen(text) + 1;
    char *copy = akin__alloc(bytes, 1);
    if (copy)
        memcpy(copy, text, bytes);
    return copy;
}

void akin__free(void *memory)
{
    free(memory);
}
