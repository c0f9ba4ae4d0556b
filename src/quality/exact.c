#include "quality/exact.h"

#include <math.h>
#include <string.h>

#define LARGEST_UNKNOWN 1e12 /* anything measured in a sensible unit is below */
#define FRACTION_BITS   52
#define EXPONENT_BIAS   1075 /* of the fraction taken as a whole number */

__extension__ typedef __int128 int128;
__extension__ typedef unsigned __int128 uint128;

static int128 joined(struct exact e)
{
    return (int128)(((uint128)(uint64_t)e.high << 64) | e.low);
}

static struct exact parted(int128 value)
{
    return (struct exact){ (uint64_t)value, (int64_t)(uint64_t)((uint128)value >> 64) };
}

int exact_exponent(double largest)
{
    int power;
    (void)frexp(isfinite(largest) && largest > 0 ? largest : LARGEST_UNKNOWN, &power);
    int exponent = power - 92;
    exponent = exponent < EXACT_EXPONENT_LEAST ? EXACT_EXPONENT_LEAST : exponent;
    return exponent > EXACT_EXPONENT_MOST ? EXACT_EXPONENT_MOST : exponent;
}

bool exact_of(double value, int exponent, struct exact *multiple)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    int power = (int)(bits >> FRACTION_BITS & 0x7FF);
    uint64_t digits = bits & ((UINT64_C(1) << FRACTION_BITS) - 1);
    if (power > 0) {
        digits |= UINT64_C(1) << FRACTION_BITS;
    } else {
        power = 1; /* denormal */
    }
    int shift = power - EXPONENT_BIAS - exponent;
    /* Infinity and NaN have the largest power. A normal number has its top bit at FRACTION_BITS. */
    if (power == 0x7FF || shift >= EXACT_VALUE_BITS - FRACTION_BITS) {
        return false;
    }
    int128 magnitude;
    if (shift >= 0) {
        magnitude = (int128)digits << shift;
    } else if (shift < -FRACTION_BITS - 2) {
        magnitude = 0;
    } else { /* half away from zero, so that -x is the opposite of x */
        magnitude = (int128)((digits + (UINT64_C(1) << (-shift - 1))) >> -shift);
    }
    *multiple = parted(bits >> 63 != 0 ? -magnitude : magnitude);
    return true;
}

struct exact exact_plus(struct exact sum, struct exact more)
{
    return parted(joined(sum) + joined(more));
}

struct exact exact_times(struct exact multiple, uint32_t count)
{
    return parted(joined(multiple) * (int128)count);
}

struct exact exact_over(struct exact sum, uint32_t count)
{
    int128 value = joined(sum);
    uint128 magnitude = value < 0 ? -(uint128)value : (uint128)value;
    int128 quotient = (int128)((magnitude + count / 2) / count);
    return parted(value < 0 ? -quotient : quotient);
}

bool exact_at_most(struct exact a, struct exact b)
{
    return joined(a) <= joined(b);
}

/* Zero bits above the highest one; value must not be 0. */
static int leading_zeros(uint128 value)
{
    uint64_t high = (uint64_t)(value >> 64);
    return high != 0 ? __builtin_clzll(high) : 64 + __builtin_clzll((uint64_t)value);
}

/* 2^power, power in -1022 .. 1023: exponents are bounded, and so is what follows from them. */
static double power_of_two(int power)
{
    uint64_t bits = (uint64_t)(power + 1023) << FRACTION_BITS;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

double exact_mean(struct exact sum, uint32_t count, int exponent)
{
    int128 value = joined(sum);
    if (value == 0) {
        return 0;
    }
    uint128 magnitude = value < 0 ? -(uint128)value : (uint128)value;
    int up = leading_zeros(magnitude);
    magnitude <<= up;
    uint128 quotient = magnitude / count; /* at least 95 bits */
    bool rest = magnitude != quotient * count;
    int more = leading_zeros(quotient);
    quotient <<= more;
    uint64_t top = (uint64_t)(quotient >> 64), kept = top >> 11, cut = top & 0x7FF;
    bool below = (uint64_t)quotient != 0 || rest;
    if (cut > 0x400 || (cut == 0x400 && (below || (kept & 1) != 0))) {
        kept++;
    }
    double mean = (double)kept * power_of_two(exponent - up - more + 64 + 11);
    return value < 0 ? -mean : mean;
}
