/*
 * Likeness: how far apart two perceptual hashes (image/phash.h) are.
 *
 * A hash is 256 bits: bit 16 i + j says whether frequency (i + 1, j + 1),
 * down and across, is above the median of all.
 */
#ifndef AKIN_BASE_LIKENESS_H
#define AKIN_BASE_LIKENESS_H

#include <stdint.h>

enum { AKIN__HASH_BYTES = 32, AKIN__HASH_BITS = 256 };

/* Bits that differ; AKIN__HASH_BITS when a hash is all zero: a picture without
 * structure is like no other. */
int akin__hash_distance(const uint8_t a[AKIN__HASH_BYTES],
                        const uint8_t b[AKIN__HASH_BYTES]);

/* The least distance of a to b turned by quarters and mirrored, in 8 ways. To
 * turn a picture changes signs of frequencies and swaps them; since the median
 * is near 0, the hash of a turned picture differs from the turned hash by a few
 * bits (tests/phash_test.py). */
int akin__hash_distance_turned(const uint8_t a[AKIN__HASH_BYTES],
                               const uint8_t b[AKIN__HASH_BYTES]);

#endif
