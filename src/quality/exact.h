/*
 * Sums of measurements that do not depend on the order of the summands. Pure.
 *
 * A value is taken as a whole multiple of a unit, 2^exponent, chosen once for a series from the
 * largest value its parameter can have; multiples are added in 128 bits, where addition is exact,
 * so commutative and associative: any order gives the same bits. (Kahan's or Neumaier's
 * compensated sums are as accurate, but not the same in another order.)
 *
 * With 2^m the power of two at or above the largest value, the unit is 2^(m-92). Error:
 *   - a value of at least 2^(m-40) (largest * 9.1e-13) is taken exactly: its last bit is no
 *     smaller than the unit; a smaller one is off by at most half a unit, 2^(m-93)
 *     (largest * 1.0e-28);
 *   - a mean is the exact quotient of the sum, rounded once to the nearest double, ties to even:
 *     at most half an ulp, plus half a unit when values that small took part.
 */
#ifndef QUALITY_EXACT_H
#define QUALITY_EXACT_H

#include <stdbool.h>
#include <stdint.h>

#define EXACT_VALUE_BITS 101 /* |multiple| < 2^101: values up to 512 times the largest */
#define EXACT_COUNT_MAX                                                                            \
    (1u << 25) /* summands of one sum: 2^101 * 2^25 fits; 33.5 million, one                        \
                  a second for a year */
#define EXACT_EXPONENT_LEAST (-512 - 92)
#define EXACT_EXPONENT_MOST  (512 - 92)

/* A multiple of the unit, two's complement; zero-initialised it is zero. */
struct exact {
    uint64_t low;
    int64_t high;
};

/* The exponent of the unit for values up to +-largest (finite, > 0; anything else is taken as
 * 1e12). */
int exact_exponent(double largest);

/* The value in units. False if it is not finite or takes more than EXACT_VALUE_BITS. */
bool exact_of(double value, int exponent, struct exact *multiple);

__extension__ typedef __int128 exact_wide;
__extension__ typedef unsigned __int128 exact_unsigned;

static inline exact_wide exact_joined(struct exact e)
{
    return (exact_wide)(((exact_unsigned)(uint64_t)e.high << 64) | e.low);
}

static inline struct exact exact_parted(exact_wide value)
{
    return (struct exact){ (uint64_t)value, (int64_t)(uint64_t)((exact_unsigned)value >> 64) };
}

/* sum + more; the caller keeps to EXACT_COUNT_MAX summands. */
static inline struct exact exact_plus(struct exact sum, struct exact more)
{
    return exact_parted(exact_joined(sum) + exact_joined(more));
}

/* multiple * count, count at most EXACT_COUNT_MAX, of a multiple that exact_of gave. */
struct exact exact_times(struct exact multiple, uint32_t count);

/* sum / count rounded to a whole number of units, half away from zero; count > 0. */
struct exact exact_over(struct exact sum, uint32_t count);

/* a <= b */
bool exact_at_most(struct exact a, struct exact b);

/* sum / count * 2^exponent, correctly rounded; count > 0. With count 1 the sum as a double. */
double exact_mean(struct exact sum, uint32_t count, int exponent);

#endif
