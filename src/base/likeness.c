/* Likeness of hashes (likeness.h): bits counted, and moved as turns move them.
 */
#include "base/likeness.h"

#include <stdbool.h>
#include <string.h>

enum { SIDE = 16 };

static bool is_empty(const uint8_t hash[AKIN__HASH_BYTES])
{
    static const uint8_t none[AKIN__HASH_BYTES];
    return memcmp(hash, none, sizeof none) == 0;
}

int akin__hash_distance(const uint8_t a[AKIN__HASH_BYTES],
                        const uint8_t b[AKIN__HASH_BYTES])
{
    int bits = 0;
    if (is_empty(a) || is_empty(b))
        return AKIN__HASH_BITS;
    for (int i = 0; i < AKIN__HASH_BYTES; i++)
        bits += __builtin_popcount(a[i] ^ b[i]);
    return bits;
}

/* `in` mirrored left to right, top to bottom, and then along its diagonal.
 * Mirrored, odd frequencies change their sign: those of even place. */
static void turn(const uint8_t in[AKIN__HASH_BYTES],
                 uint8_t out[AKIN__HASH_BYTES], bool across, bool down,
                 bool transposed)
{
    memset(out, 0, AKIN__HASH_BYTES);
    for (int i = 0; i < SIDE; i++) {
        for (int j = 0; j < SIDE; j++) {
            const int from = SIDE * i + j;
            const int to = transposed ? SIDE * j + i : from;
            const int flip = (across && j % 2 == 0) ^ (down && i % 2 == 0);
            const int bit = (in[from / 8] >> from % 8 & 1) ^ flip;
            out[to / 8] |= (uint8_t)(bit << to % 8);
        }
    }
}

void akin__turn_all(struct akin__turned *turned,
                    const uint8_t hash[AKIN__HASH_BYTES])
{
    turned->empty = is_empty(hash);
    for (int way = 0; way < 8; way++) {
        uint8_t bytes[AKIN__HASH_BYTES];
        turn(hash, bytes, way & 1, way & 2, way & 4);
        memcpy(turned->way[way], bytes, sizeof bytes);
    }
}

/* Bits set, as processors without an instruction for it count them. */
static int count_bits(uint64_t x)
{
    x -= x >> 1 & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (int)(x * 0x0101010101010101u >> 56);
}

int akin__turned_distance(const struct akin__turned *turned,
                          const uint8_t b[AKIN__HASH_BYTES], int most)
{
    enum { WORDS = AKIN__HASH_BYTES / 8 };
    uint64_t other[WORDS];
    int least = AKIN__HASH_BITS;
    if (turned->empty || is_empty(b))
        return AKIN__HASH_BITS;
    memcpy(other, b, sizeof other);
    for (int way = 0; way < 8; way++) {
        int bits = 0;
        for (int i = 0; i < WORDS && bits <= most; i++)
            bits += count_bits(turned->way[way][i] ^ other[i]);
        least = bits < least ? bits : least;
    }
    return least;
}

int akin__hash_distance_turned(const uint8_t a[AKIN__HASH_BYTES],
                               const uint8_t b[AKIN__HASH_BYTES])
{
    struct akin__turned turned;
    akin__turn_all(&turned, a);
    return akin__turned_distance(&turned, b, AKIN__HASH_BITS);
}
