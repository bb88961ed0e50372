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

int akin__hash_distance_turned(const uint8_t a[AKIN__HASH_BYTES],
                               const uint8_t b[AKIN__HASH_BYTES])
{
    int least = AKIN__HASH_BITS;
    if (is_empty(a) || is_empty(b))
        return least;
    for (int way = 0; way < 8; way++) {
        uint8_t turned[AKIN__HASH_BYTES];
        turn(b, turned, way & 1, way & 2, way & 4);
        const int distance = akin__hash_distance(a, turned);
        least = distance < least ? distance : least;
    }
    return least;
}
