/*
 * Chance: numbers that look random and that a seed decides, the same on every
 * machine (splitmix64: Steele, Lea and Flood, OOPSLA 2014).
 */
#ifndef AKIN_EVAL_CHANCE_H
#define AKIN_EVAL_CHANCE_H

#include <stdint.h>

/* A bijection that leaves no bit of x where it was. */
static inline uint64_t akin__mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* The next number below `limit`, at most 2^32, from *state: by the high bits
 * of a product, off from even by less than limit / 2^32. */
static inline uint32_t akin__draw(uint64_t *state, uint64_t limit)
{
    const uint64_t number = akin__mix(*state);
    *state += 0x9e3779b97f4a7c15u;
    return (uint32_t)((number >> 32) * limit >> 32);
}

#endif
