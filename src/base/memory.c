/*
 * Memory: checked sizes in front of malloc.
 *
 * A large block comes from the system page by page, on first use: for the
 * pixels of a 12-megapixel photo that takes as long as a third of decoding
 * them. Asked for huge pages, the system gives 2 MiB at a time.
 */
#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20, LARGE = 2 * HUGE_PAGE };

/* Only advice: a system that cannot follow it goes on as before. */
static void *advise(void *memory, size_t bytes)
{
    if (!memory || bytes < LARGE)
        return memory;
    const size_t before = -(uintptr_t)memory % HUGE_PAGE;
    const size_t whole = (bytes - before) / HUGE_PAGE * HUGE_PAGE;
    madvise((uint8_t *)memory + before, whole, MADV_HUGEPAGE);
    return memory;
}

void *akin__alloc(size_t count, size_t size)
{
    size_t bytes;
    if (!akin__mul_ok(count, size, &bytes))
        return NULL;
    return advise(malloc(bytes ? bytes : 1), bytes);
}

void *akin__calloc(size_t count, size_t size)
{
    size_t bytes;
    if (!akin__mul_ok(count, size, &bytes)) /* which a sanitizer makes fatal */
        return NULL;
    return advise(calloc(bytes ? bytes : 1, 1), bytes);
}

void *akin__alloc_aligned(size_t count, size_t size)
{
    size_t bytes;
    if (!akin__mul_ok(count, size, &bytes) || !akin__add_ok(bytes, 64, &bytes))
        return NULL;
    return advise(aligned_alloc(64, bytes / 64 * 64), bytes / 64 * 64);
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
