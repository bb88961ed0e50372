/*
 * Memory: the only place of the library that calls malloc.
 *
 * Sizes of untrusted origin are products; akin__alloc takes count and size
 * apart and checks the product, and mul_ok/add_ok serve everywhere else.
 */
#ifndef AKIN_BASE_MEMORY_H
#define AKIN_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

static inline bool akin__mul_ok(size_t a, size_t b, size_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

static inline bool akin__add_ok(size_t a, size_t b, size_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

/* `count` times `size` bytes, not cleared; NULL when there is no memory. */
void *akin__alloc(size_t count, size_t size);
/* The same, all zero. */
void *akin__calloc(size_t count, size_t size);
/* The same on a 64-byte boundary, for vectors and tiles. Not cleared. */
void *akin__alloc_aligned(size_t count, size_t size);
/* NULL when there is no memory, and then `memory` is as it was. */
void *akin__realloc(void *memory, size_t count, size_t size);
char *akin__strdup(const char *text);
/* Frees what any of these gave; NULL is nothing. */
void akin__free(void *memory);

#endif
