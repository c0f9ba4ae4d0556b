/* Powers of ten as 64-bit significands, every eighth from 10^-348 to 10^340. */
#ifndef SHARED_POWER10_H
#define SHARED_POWER10_H

#include <stdint.h>

#define POWER10_FIRST (-348)
#define POWER10_STEP  8
#define POWER10_LAST  340

/* significand * 2^exponent, 2^63 <= significand < 2^64, within half a unit of the last bit. */
struct power10 {
    uint64_t significand;
    int exponent;
};

/* 10^(POWER10_FIRST + index * POWER10_STEP). */
struct power10 power10_cached(int index);

/* The index of the greatest cached power that is not above 10^exponent. */
static inline int power10_index(int exponent)
{
    return (exponent - POWER10_FIRST) / POWER10_STEP;
}

/* 10^0 .. 10^22: all powers that a double holds exactly. */
#define POWER10_EXACT_MAX 22
extern const double power10_exact[POWER10_EXACT_MAX + 1];

/* 10^0 .. 10^19: all that fit 64 bits. */
#define POWER10_WHOLE_MAX 19
extern const uint64_t power10_whole[POWER10_WHOLE_MAX + 1];

#endif
