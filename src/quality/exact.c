#include "quality/exact.h"

#include <math.h>
#include <string.h>

#define LARGEST_UNKNOWN 1e12 /* anything measured in a sensible unit is below */
#define FRACTION_BITS   52
#define EXPONENT_BIAS   1075 /* of the fraction taken as a whole number */

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
    exact_wide magnitude;
    if (shift >= 0) {
        magnitude = (exact_wide)digits << shift;
    } else if (shift < -FRACTION_BITS - 2) {
        magnitude = 0;
    } else { /* half away from zero, so that -x is the opposite of x */
        magnitude = (exact_wide)((digits + (UINT64_C(1) << (-shift - 1))) >> -shift);
    }
    *multiple = exact_parted(bits >> 63 != 0 ? -magnitude : magnitude);
    return true;
}

struct exact exact_times(struct exact multiple, uint32_t count)
{
    return exact_parted(exact_joined(multiple) * (exact_wide)count);
}

struct exact exact_over(struct exact sum, uint32_t count)
{
    exact_wide value = exact_joined(sum);
    exact_unsigned magnitude = value < 0 ? -(exact_unsigned)value : (exact_unsigned)value;
    exact_wide quotient = (exact_wide)((magnitude + count / 2) / count);
    return exact_parted(value < 0 ? -quotient : quotient);
}

bool exact_at_most(struct exact a, struct exact b)
{
    return exact_joined(a) <= exact_joined(b);
}

/* Zero bits above the highest one; value must not be 0. */
static int leading_zeros(exact_unsigned value)
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
    exact_wide value = exact_joined(sum);
    if (value == 0) {
        return 0;
    }
    exact_unsigned magnitude = value < 0 ? -(exact_unsigned)value : (exact_unsigned)value;
    int up = leading_zeros(magnitude);
    magnitude <<= up;
    exact_unsigned quotient = count == 1 ? magnitude : magnitude / count; /* at least 95 bits */
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
