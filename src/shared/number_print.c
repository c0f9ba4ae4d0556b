/*
 * Numbers to text. A double first tries to be a whole number with a few decimals,
 * as sensors give them; what is not goes through Grisu2 (Florian Loitsch, Printing
 * Floating-Point Numbers Quickly and Accurately with Integers, PLDI 2010), which
 * always reads back as the same double and is the shortest 999 times in 1000.
 */
#include "phusa/number.h"
#include "shared/power10.h"
#include "shared/wide.h"

#include <stdbool.h>
#include <string.h>

#define WHOLE_DIGITS_MAX    17 /* more digits before the point are written with an exponent */
#define LEADING_ZEROS_MAX   4  /* 0.00001 is the smallest without an exponent */
#define SHORT_DECIMALS_MAX  9
#define SIGNIFICAND_BITS    52
#define EXACT_INTEGER_LIMIT 9007199254740992.0 /* 2^53 */
#define CERTAIN_LIMIT       1125899906842624.0 /* 2^50: rounding moves less by less than a half */
#define SHORT_LEAST         1e-4               /* below it, the short way would lose digits */
#define NANOS_IN_SECOND     1000000000

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
                                  "25262728293031323334353637383940414243444546474849"
                                  "50515253545556575859606162636465666768697071727374"
                                  "75767778798081828384858687888990919293949596979899";

/* Writes value so that it ends before `end`; returns where it begins. */
static char *write_backwards(uint64_t value, char *end)
{
    for (; value >= 100; value /= 100) {
        end -= 2;
        memcpy(end, digit_pairs + value % 100 * 2, 2);
    }
    if (value >= 10) {
        end -= 2;
        memcpy(end, digit_pairs + value * 2, 2);
        return end;
    }
    *--end = (char)('0' + value);
    return end;
}

size_t phusa_uint_print(uint64_t value, char *buffer)
{
    if (value < 10) { /* flags, the most frequent of all */
        *buffer = (char)('0' + value);
        return 1;
    }

    char digits[PHUSA_INTEGER_CHARS];
    char *end = digits + sizeof(digits), *begin = write_backwards(value, end);

    memcpy(buffer, begin, (size_t)(end - begin));
    return (size_t)(end - begin);
}

size_t phusa_int_print(int64_t value, char *buffer)
{
    if (value >= 0) {
        return phusa_uint_print((uint64_t)value, buffer);
    }
    *buffer = '-';
    return 1 + phusa_uint_print(0 - (uint64_t)value, buffer + 1);
}

size_t phusa_seconds_print(int64_t nanos, char *buffer)
{
    uint64_t magnitude = nanos < 0 ? 0 - (uint64_t)nanos : (uint64_t)nanos;
    uint64_t fraction = magnitude % NANOS_IN_SECOND;
    char *at = buffer;

    if (nanos < 0) {
        *at++ = '-';
    }
    at += phusa_uint_print(magnitude / NANOS_IN_SECOND, at);
    if (fraction == 0) {
        return (size_t)(at - buffer);
    }
    /* A one before the nine places keeps their zeros; the point takes its place. */
    phusa_uint_print(NANOS_IN_SECOND + fraction, at);
    *at = '.';
    for (at += 10; at[-1] == '0';) {
        at--;
    }
    return (size_t)(at - buffer);
}

/* 0.digits * 10^point, with an exponent: d.ddde-7. */
static size_t write_scientific(const char *digits, size_t count, int point, char *buffer)
{
    char *at = buffer;

    *at++ = digits[0];
    if (count > 1) {
        *at++ = '.';
        memcpy(at, digits + 1, count - 1);
        at += count - 1;
    }
    *at++ = 'e';
    at += phusa_int_print(point - 1, at);
    return (size_t)(at - buffer);
}

/* 0.digits * 10^point, the first digit not 0, in the form that number.h describes. */
static size_t write_digits(const char *digits, size_t count, int point, char *buffer)
{
    if (point > WHOLE_DIGITS_MAX || point < -LEADING_ZEROS_MAX) {
        return write_scientific(digits, count, point, buffer);
    }
    if (point <= 0) {
        size_t zeros = (size_t)-point;

        memcpy(buffer, "0.0000", 2 + zeros);
        memcpy(buffer + 2 + zeros, digits, count);
        return 2 + zeros + count;
    }

    size_t whole = (size_t)point;

    if (whole >= count) {
        memcpy(buffer, digits, count);
        memset(buffer + count, '0', whole - count);
        return whole;
    }
    memcpy(buffer, digits, whole);
    buffer[whole] = '.';
    memcpy(buffer + whole + 1, digits + whole, count - whole);
    return count + 1;
}

/* Whether product, a double times a power of ten, may be a whole number but for rounding: that of
 * the double, a reader's quotient, and that of the product together move it by less than this. */
static bool nearly_whole(double product, int64_t whole)
{
    const double slack = 4.5e-16;
    double distance = product - (double)whole;

    return distance <= product * slack && -distance <= product * slack;
}

/*
 * The least number of decimals, up to SHORT_DECIMALS_MAX, with which value is
 * exactly *scaled / 10^decimals as a reader computes it; -1 if there is none.
 * value lies between SHORT_LEAST and 2^53.
 */
static int short_decimals(double value, uint64_t *scaled)
{
    double most = value * power10_exact[SHORT_DECIMALS_MAX];

    /* A number with fewer decimals has as many, too: most that have none are known at once. */
    if (most < CERTAIN_LIMIT && !nearly_whole(most, (int64_t)(most + 0.5))) {
        return -1;
    }
    for (int k = 0; k <= SHORT_DECIMALS_MAX; k++) {
        double product = value * power10_exact[k];

        if (product >= EXACT_INTEGER_LIMIT) {
            return -1;
        }

        int64_t whole = (int64_t)(product + 0.5);

        if (nearly_whole(product, whole) && (double)whole / power10_exact[k] == value) {
            *scaled = (uint64_t)whole;
            return k;
        }
    }
    return -1;
}

/* significand * 2^exponent. */
struct binary {
    uint64_t significand;
    int exponent;
};

static struct binary normalize(struct binary number)
{
    int shift = wide_leading_zeros(number.significand);

    return (struct binary){ number.significand << shift, number.exponent - shift };
}

static struct binary split(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));

    uint64_t fraction = bits & (((uint64_t)1 << SIGNIFICAND_BITS) - 1);
    int biased = (int)(bits >> SIGNIFICAND_BITS & 0x7ff);

    if (biased == 0) {
        return (struct binary){ fraction, -1074 };
    }
    return (struct binary){ fraction | (uint64_t)1 << SIGNIFICAND_BITS, biased - 1075 };
}

/* The double and the limits of what reads back as it, all with one exponent. */
struct grisu {
    uint64_t value, lower, upper;
    int exponent;
};

static struct grisu with_limits(struct binary number)
{
    struct binary upper =
        normalize((struct binary){ number.significand * 2 + 1, number.exponent - 1 });
    int shift = number.exponent - upper.exponent;
    bool closer = number.significand == (uint64_t)1 << SIGNIFICAND_BITS && number.exponent > -1074;
    /* Below a power of two the neighbour is only half as far. */
    uint64_t below = (uint64_t)1 << (shift - (closer ? 2 : 1));
    uint64_t value = number.significand << shift;

    return (struct grisu){ value, value - below, upper.significand, upper.exponent };
}

/*
 * Brings the numbers to an exponent in -60 .. -32 by a power of ten, whose
 * exponent is returned negated; the limits move inwards by the error of that.
 */
static int scale(struct grisu *grisu)
{
    /* The least k with 10^k * 2^exponent * 2^64 >= 2^-60 * 2^64: (-61 - exponent) * log10(2). */
    int wanted = -61 - grisu->exponent;
    int k = wanted * 78913 / (1 << 18) + (wanted > 0);
    int index = (k - POWER10_FIRST + POWER10_STEP - 1) / POWER10_STEP;
    struct power10 power = power10_cached(index);

    grisu->value = wide_multiply_high(grisu->value, power.significand);
    grisu->lower = wide_multiply_high(grisu->lower, power.significand) + 1;
    grisu->upper = wide_multiply_high(grisu->upper, power.significand) - 1;
    grisu->exponent += power.exponent + 64;
    return -(POWER10_FIRST + index * POWER10_STEP);
}

/* Lowers the last digit while that brings the number nearer to the double and keeps it in range.
 * All in units of the scaled numbers: how far below upper the digits, the double and the lower
 * limit are, and what the last digit is worth. */
static void round_last(char *last, uint64_t rest, uint64_t distance, uint64_t range, uint64_t unit)
{
    while (rest < distance && range - rest >= unit &&
           (rest + unit < distance || distance - rest > rest + unit - distance)) {
        (*last)--;
        rest += unit;
    }
}

/* Writes the fewest digits that stay within the limits; *exponent is that of the last one. */
static size_t write_shortest(const struct grisu *grisu, char *digits, int *exponent)
{
    int shift = -grisu->exponent;
    uint64_t mask = ((uint64_t)1 << shift) - 1;
    uint64_t range = grisu->upper - grisu->lower, distance = grisu->upper - grisu->value;
    uint64_t whole = grisu->upper >> shift, fraction = grisu->upper & mask;
    char reversed[PHUSA_INTEGER_CHARS], *end = reversed + sizeof(reversed);
    char *next = write_backwards(whole, end);
    size_t count = 0;

    for (int place = (int)(end - next) - 1; place >= 0; place--) {
        digits[count++] = *next++;
        whole %= power10_whole[place];

        uint64_t rest = (whole << shift) + fraction;

        if (rest <= range) {
            *exponent += place;
            round_last(&digits[count - 1], rest, distance, range, power10_whole[place] << shift);
            return count;
        }
    }
    do { /* at most 18 times: range grows tenfold and fraction stays below 2^60 */
        fraction *= 10;
        range *= 10;
        distance *= 10;
        digits[count++] = (char)('0' + (fraction >> shift));
        fraction &= mask;
        --*exponent;
    } while (fraction > range);
    round_last(&digits[count - 1], fraction, distance, range, mask + 1);
    return count;
}

static size_t print_any(double value, char *buffer)
{
    char digits[PHUSA_DOUBLE_CHARS];
    struct grisu grisu = with_limits(split(value));
    int exponent = scale(&grisu);
    size_t count = write_shortest(&grisu, digits, &exponent);

    return write_digits(digits, count, (int)count + exponent, buffer);
}

static size_t print_positive(double value, char *buffer)
{
    char digits[PHUSA_INTEGER_CHARS], *end = digits + sizeof(digits);
    uint64_t scaled;
    int decimals;

    if (value < SHORT_LEAST || value >= EXACT_INTEGER_LIMIT) {
        return print_any(value, buffer);
    }
    decimals = short_decimals(value, &scaled);
    if (decimals < 0) {
        return print_any(value, buffer);
    }
    if (decimals == 0) {
        return phusa_uint_print(scaled, buffer);
    }

    char *begin = write_backwards(scaled, end);
    size_t count = (size_t)(end - begin);

    return write_digits(begin, count, (int)count - decimals, buffer);
}

size_t phusa_double_print(double value, char *buffer)
{
    size_t sign = 0;
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    if ((bits >> SIGNIFICAND_BITS & 0x7ff) == 0x7ff) {
        return 0;
    }
    if (bits >> 63 == 1) {
        buffer[sign++] = '-';
        value = -value;
    }
    if (value == 0) {
        buffer[sign] = '0';
        return sign + 1;
    }
    return sign + print_positive(value, buffer + sign);
}
