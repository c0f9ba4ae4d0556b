/*
 * What the C library and the compiler's own bring for doubles and long integers is made for speed
 * and errno; these give the same results in a third of the room. A station needs them some ten
 * times a second.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define LIBRARY __attribute__((used))

#define FRACTION_BITS 52
#define BIAS          1075   /* of the exponent when the fraction is taken for a whole number */
#define WHOLE_FROM    0x1p52 /* doubles that large have no fraction */
#define NORMAL_FROM   0x1p-1022
#define ROOT_BITS     54 /* of a fraction's 53 one more, to round by */

LIBRARY double floor(double value)
{
    if (!(value > -WHOLE_FROM && value < WHOLE_FROM)) {
        return value;
    }
    double whole = (double)(int64_t)value;
    if (whole == value) {
        return value; /* -0, too */
    }
    return whole > value ? whole - 1 : whole;
}

/* The root of number * 2^54, a bit at a time; number has 53 or 54 bits, so the root has 54. */
static uint64_t root_of(uint64_t number)
{
    uint64_t root = 0, rest = 0;
    for (int i = ROOT_BITS - 1; i >= 0; i--) {
        int below = 2 * i - ROOT_BITS;
        rest = rest << 2 | (below >= 0 ? number >> below & 3 : 0);
        root <<= 1;
        if (rest > 2 * root) {
            rest -= 2 * root + 1;
            root++;
        }
    }
    return root;
}

/* Rightly rounded, as IEEE 754 has it; a root never lies halfway between two doubles. */
LIBRARY double sqrt(double value)
{
    double scale = 1;
    uint64_t bits;
    if (!(value > 0) || value - value != 0) {
        return value < 0 ? (double)NAN : value; /* 0, infinite, no number */
    }
    if (value < NORMAL_FROM) {
        value *= 0x1p108;
        scale = 0x1p-54;
    }
    memcpy(&bits, &value, sizeof bits);
    int exponent = (int)(bits >> FRACTION_BITS) - BIAS;
    uint64_t number = (bits & ((UINT64_C(1) << FRACTION_BITS) - 1)) | UINT64_C(1) << FRACTION_BITS;
    if (exponent % 2 != 0) {
        number <<= 1;
        exponent--;
    }
    /* The highest of the root's 53 bits adds 1 to the exponent. */
    bits = ((root_of(number) + 1) >> 1) +
           ((uint64_t)(exponent / 2 - ROOT_BITS / 2 + 1 + BIAS - 1) << FRACTION_BITS);
    memcpy(&value, &bits, sizeof value);
    return value * scale;
}

/* Division of long integers, which the compiler calls: as many steps as the quotient has bits. */
uint64_t divide_long(uint64_t dividend, uint64_t divisor, uint64_t *rest) __asm__("__udivmoddi4");
LIBRARY uint64_t divide_long(uint64_t dividend, uint64_t divisor, uint64_t *rest)
{
    uint64_t quotient = 0;
    if (divisor > 0 && dividend >= divisor) {
        int shift = __builtin_clzll(divisor) - __builtin_clzll(dividend);
        divisor <<= shift;
        for (; shift >= 0; shift--) {
            quotient <<= 1;
            if (dividend >= divisor) {
                dividend -= divisor;
                quotient++;
            }
            divisor >>= 1;
        }
    }
    *rest = dividend;
    return quotient;
}
