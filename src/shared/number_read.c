/*
 * From digits and exponent to a double or an integer.
 *
 * To a double in three ways, each exactly rounded: one multiplication or division
 * where both factors are exact; else a 64-bit significand with a bound on its
 * error; else, when that bound leaves two candidates, exact arithmetic decides.
 * The first way needs doubles evaluated as doubles (FLT_EVAL_METHOD 0), as SSE2 and
 * soft float do.
 */
#include "shared/decimal.h"
#include "shared/power10.h"
#include "shared/wide.h"

#include <float.h>
#include <string.h>

#if FLT_EVAL_METHOD != 0
#error "doubles must be evaluated in double precision"
#endif

#define SIGNIFICAND_BITS 53
#define EXPONENT_MIN     (-1074) /* of the smallest denormal */
#define EXPONENT_MAX     971     /* of the last bit of the greatest double */
#define HIDDEN_BIT       ((uint64_t)1 << 52)
#define INFINITY_BITS    ((uint64_t)0x7ff << 52)

/* Outside these a number of up to twenty digits is surely infinite or zero. */
#define DECIMAL_EXPONENT_MAX 308
#define DECIMAL_EXPONENT_MIN (-344)

static double from_bits(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* The bits of significand * 2^exponent; significand below 2^53, exponent at least EXPONENT_MIN,
 * and EXPONENT_MIN if significand is below 2^52. */
static uint64_t assemble(uint64_t significand, int exponent)
{
    if (exponent > EXPONENT_MAX) {
        return INFINITY_BITS;
    }
    if (significand < HIDDEN_BIT) {
        return significand;
    }
    return (uint64_t)(exponent - EXPONENT_MIN + 1) << 52 | (significand & (HIDDEN_BIT - 1));
}

/* significand * 2^exponent, highest bit set; the truth lies within `error` units of the last bit.
 */
struct approximation {
    uint64_t significand;
    int exponent;
    uint64_t error;
};

static struct approximation normalized(uint64_t value, uint64_t error)
{
    int shift = wide_leading_zeros(value);

    return (struct approximation){ value << shift, -shift, error << shift };
}

/* Multiplies by a factor that is itself within factor_error / 2 units. */
static void multiply(struct approximation *number, uint64_t factor, int exponent,
                     uint64_t factor_error)
{
    number->significand = wide_multiply_high(number->significand, factor);
    number->exponent += exponent + 64;
    /* Both errors, their product, and the rounding of this product: rounded up to whole units. */
    number->error += (factor_error + 1 + 1) / 2 + (number->error > 0);
    if (number->significand >> 63 == 0) {
        number->significand <<= 1;
        number->exponent -= 1;
        number->error <<= 1;
    }
}

static struct approximation approximate(const struct phusa_decimal *decimal)
{
    struct approximation number = normalized(decimal->digits, decimal->more ? 1 : 0);
    int index = power10_index(decimal->exponent);
    int rest = decimal->exponent - (POWER10_FIRST + index * POWER10_STEP);
    struct power10 power = power10_cached(index);

    if (rest > 0) {
        uint64_t small = power10_whole[rest];
        int shift = wide_leading_zeros(small);

        multiply(&number, small << shift, -shift, 0);
    }
    multiply(&number, power.significand, power.exponent, 1);
    return number;
}

/*
 * Rounds to the bits of a double. When the error allows both neighbours, returns
 * false and the lower one, unrounded.
 */
static bool round_approximation(const struct approximation *number, uint64_t *bits)
{
    int drop = 64 - SIGNIFICAND_BITS;

    if (number->exponent + drop < EXPONENT_MIN) {
        drop = EXPONENT_MIN - number->exponent;
    }
    if (drop >= 64) {
        *bits = 0; /* below the smallest denormal: it or zero */
        return drop > 65;
    }

    uint64_t half = (uint64_t)1 << (drop - 1);
    uint64_t low = number->significand & (half * 2 - 1);
    uint64_t lower = assemble(number->significand >> drop, number->exponent + drop);

    *bits = lower;
    if (lower >= INFINITY_BITS || low + number->error < half) {
        return true;
    }
    if (low < half + number->error + 1) {
        return false;
    }
    *bits = lower + 1; /* carries into the exponent as it should, up to infinity */
    return true;
}

/* Rounds what the approximation could not: lower is the double at or below the number. */
static uint64_t round_exactly(const char *text, size_t length, const struct phusa_decimal *decimal,
                              uint64_t lower)
{
    int biased = (int)(lower >> 52);
    uint64_t significand = lower & (HIDDEN_BIT - 1);
    int exponent = EXPONENT_MIN;

    if (biased > 0) {
        significand |= HIDDEN_BIT;
        exponent = biased - 1 + EXPONENT_MIN;
    }

    int order = decimal_compare(text, length, decimal, 2 * significand + 1, exponent - 1);

    return order > 0 || (order == 0 && (lower & 1) == 1) ? lower + 1 : lower;
}

static uint64_t magnitude_bits(const char *text, size_t length, const struct phusa_decimal *decimal)
{
    uint64_t bits;

    if (decimal->digits == 0 || decimal->exponent < DECIMAL_EXPONENT_MIN) {
        return 0;
    }
    if (decimal->exponent > DECIMAL_EXPONENT_MAX) {
        return INFINITY_BITS;
    }

    struct approximation number = approximate(decimal);

    if (!round_approximation(&number, &bits)) {
        bits = round_exactly(text, length, decimal, bits);
    }
    return bits;
}

static bool is_simple(const struct phusa_decimal *decimal)
{
    return !decimal->more && decimal->digits <= (uint64_t)1 << SIGNIFICAND_BITS &&
           decimal->exponent >= -POWER10_EXACT_MAX && decimal->exponent <= POWER10_EXACT_MAX;
}

double phusa_decimal_to_double(const char *text, size_t length, const struct phusa_decimal *decimal)
{
    double value;

    if (!is_simple(decimal)) {
        value = from_bits(magnitude_bits(text, length, decimal));
    } else if (decimal->exponent < 0) {
        value = (double)decimal->digits / power10_exact[-decimal->exponent];
    } else {
        value = (double)decimal->digits * power10_exact[decimal->exponent];
    }
    return decimal->negative ? -value : value;
}

bool phusa_double_parse(const char *text, size_t length, double *value)
{
    struct phusa_decimal decimal;

    if (length == 0 || phusa_decimal_scan(text, length, &decimal) != length) {
        return false;
    }

    double result = phusa_decimal_to_double(text, length, &decimal);

    if (result > DBL_MAX || result < -DBL_MAX) {
        return false;
    }
    *value = result;
    return true;
}

/* digits / 10^places, rounded half away from zero. */
static uint64_t divide_rounded(uint64_t digits, int places)
{
    if (places > POWER10_WHOLE_MAX) {
        return 0; /* 64 bits are less than half of 10^20 */
    }

    uint64_t divisor = power10_whole[places];
    uint64_t rest = digits % divisor;

    return digits / divisor + (rest >= divisor - rest && rest > 0);
}

bool phusa_decimal_to_nanos(const struct phusa_decimal *decimal, int64_t *nanos)
{
    int32_t places = decimal->exponent + 9;
    uint64_t limit = (uint64_t)INT64_MAX + decimal->negative;
    uint64_t magnitude;

    if (decimal->digits == 0) {
        magnitude = 0;
    } else if (places <= 0) {
        magnitude = divide_rounded(decimal->digits, -places);
    } else {
        if (places > POWER10_WHOLE_MAX || decimal->digits > limit / power10_whole[places]) {
            return false;
        }
        magnitude = decimal->digits * power10_whole[places];
    }
    if (magnitude > limit) {
        return false;
    }
    *nanos = decimal->negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

bool phusa_decimal_to_uint(const struct phusa_decimal *decimal, uint64_t *value)
{
    uint64_t digits = decimal->digits;

    if (digits == 0) {
        *value = 0;
        return true;
    }
    if (decimal->negative || decimal->more || decimal->exponent > POWER10_WHOLE_MAX ||
        decimal->exponent < -POWER10_WHOLE_MAX) {
        return false;
    }
    if (decimal->exponent >= 0) {
        *value = digits * power10_whole[decimal->exponent];
        return digits <= UINT64_MAX / power10_whole[decimal->exponent];
    }
    *value = digits / power10_whole[-decimal->exponent];
    return digits % power10_whole[-decimal->exponent] == 0;
}
