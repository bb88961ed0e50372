/*
 * Guard: memory that ends where the process may not look, so that a read or a
 * write behind an array is a crash, and numbers to fill it with.
 */
#ifndef AKIN_TESTS_GUARD_H
#define AKIN_TESTS_GUARD_H

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Maps that are taken; a process may have 65,530. */
static struct {
    void *map;
    size_t bytes;
} guard_maps[1024];
static size_t guard_count;

/* `bytes` that a page without access follows, until guard_free. */
static inline void *guarded_bytes(size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t whole = (bytes + page - 1) / page * page;
    uint8_t *map = mmap(NULL, whole + page, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + whole, page, PROT_NONE) != 0 ||
        guard_count == sizeof guard_maps / sizeof guard_maps[0])
        abort();
    guard_maps[guard_count].map = map;
    guard_maps[guard_count++].bytes = whole + page;
    return map + whole - bytes;
}

/* All of it. */
static inline void guard_free(void)
{
    while (guard_count > 0) {
        guard_count--;
        munmap(guard_maps[guard_count].map, guard_maps[guard_count].bytes);
    }
}

static inline float *guarded(size_t count)
{
    return guarded_bytes(count * sizeof(float));
}

/* In [-1, 1), the same in each run. */
static inline float random_float(void)
{
    static uint32_t seed = 1;
    seed = seed * 1664525u + 1013904223u;
    return (float)(seed >> 8) / (1 << 23) - 1;
}

static inline float *random_floats(size_t count)
{
    float *p = guarded(count);
    for (size_t i = 0; i < count; i++)
        p[i] = random_float();
    return p;
}

#endif
