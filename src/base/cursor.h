/*
 * Cursor: the way to read untrusted bytes. A read past the end gives zero and
 * sets `bad`; check it once, after a group of reads, before the values are
 * used.
 */
#ifndef AKIN_BASE_CURSOR_H
#define AKIN_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct akin__cursor {
    const uint8_t *at, *end;
    bool bad;
};

static inline struct akin__cursor akin__cursor(const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    return (struct akin__cursor){at, count ? at + count : at, false};
}

static inline size_t akin__left(const struct akin__cursor *c)
{
    return (size_t)(c->end - c->at);
}

/* The next `count` bytes, or NULL. */
static inline const uint8_t *akin__take(struct akin__cursor *c, size_t count)
{
    if (c->bad || count > akin__left(c)) {
        c->bad = true;
        return NULL;
    }
    const uint8_t *at = c->at;
    c->at += count;
    return at;
}

static inline uint32_t akin__load_le32(const uint8_t *b)
{
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
           (uint32_t)b[3] << 24;
}

static inline uint64_t akin__load_le64(const uint8_t *b)
{
    return (uint64_t)akin__load_le32(b) | (uint64_t)akin__load_le32(b + 4)
                                              << 32;
}

static inline void akin__store_le32(uint8_t *b, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        b[i] = (uint8_t)(v >> 8 * i);
}

static inline void akin__store_le64(uint8_t *b, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        b[i] = (uint8_t)(v >> 8 * i);
}

/* Unsigned numbers of 1 to 4 bytes, `big` endian or little. */
static inline uint32_t akin__take_uint(struct akin__cursor *c, size_t bytes,
                                       bool big)
{
    const uint8_t *at = akin__take(c, bytes);
    uint32_t v = 0;
    for (size_t i = 0; at && i < bytes; i++)
        v |= (uint32_t)at[i] << 8 * (big ? bytes - 1 - i : i);
    return v;
}

static inline uint64_t akin__take_le64(struct akin__cursor *c)
{
    const uint8_t *at = akin__take(c, 8);
    return at ? akin__load_le64(at) : 0;
}

#endif
