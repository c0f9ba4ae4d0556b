/* Reading a number of JSON's grammar into digits and exponent. */
#include "shared/decimal.h"

/* Exponents beyond this are cut to it: far outside a double, far inside an int32_t. */
#define EXPONENT_LIMIT 1000000000

/* The runs of digits of which a number is made. */
struct digit_runs {
    const char *whole, *fraction;
    size_t whole_count, fraction_count;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads digits into *value (which may wrap around) and returns where they end. */
static const char *read_digits(const char *at, const char *end, uint64_t *value)
{
    uint64_t sum = *value;

    for (; at < end && is_digit(*at); at++) {
        sum = sum * 10 + (uint64_t)(*at - '0');
    }
    *value = sum;
    return at;
}

static int32_t clamp_exponent(int64_t exponent)
{
    if (exponent > EXPONENT_LIMIT) {
        return EXPONENT_LIMIT;
    }
    return exponent < -EXPONENT_LIMIT ? -EXPONENT_LIMIT : (int32_t)exponent;
}

/* Takes one digit after another up to DECIMAL_DIGITS significant ones. Returns how many it took. */
static size_t keep_digits(const char *digits, size_t count, struct phusa_decimal *decimal,
                          size_t *kept)
{
    size_t taken = 0;

    for (; taken < count && *kept < DECIMAL_DIGITS; taken++) {
        decimal->digits = decimal->digits * 10 + (uint64_t)(digits[taken] - '0');
        *kept += decimal->digits != 0;
    }
    for (size_t i = taken; i < count; i++) {
        decimal->more = decimal->more || digits[i] != '0';
    }
    return taken;
}

/* For numbers with more digits than fit: exponent comes in as the written one. */
static void cut_digits(const struct digit_runs *runs, int64_t exponent,
                       struct phusa_decimal *decimal)
{
    size_t kept = 0;

    decimal->digits = 0;
    exponent +=
        (int64_t)(runs->whole_count - keep_digits(runs->whole, runs->whole_count, decimal, &kept));
    exponent -= (int64_t)keep_digits(runs->fraction, runs->fraction_count, decimal, &kept);
    decimal->exponent = clamp_exponent(exponent);
}

/* Reads the digits after e or E; at stands behind it. NULL if there are none, *stopped then tells
 * where. */
static const char *read_exponent(const char *at, const char *end, int64_t *exponent,
                                 const char **stopped)
{
    bool negative = at < end && *at == '-';

    if (at < end && (*at == '-' || *at == '+')) {
        at++;
    }
    *stopped = at;
    if (at == end || !is_digit(*at)) {
        return NULL;
    }
    for (; at < end && is_digit(*at); at++) {
        if (*exponent < EXPONENT_LIMIT) {
            *exponent = *exponent * 10 + (*at - '0');
        }
    }
    if (negative) {
        *exponent = -*exponent;
    }
    return at;
}

static size_t refuse(const char *text, const char *stopped, size_t *right)
{
    *right = (size_t)(stopped - text);
    return 0;
}

size_t decimal_scan(const char *text, size_t length, struct phusa_decimal *decimal, size_t *right)
{
    const char *end = text + length, *at = text;
    bool negative = length > 0 && *at == '-';
    struct digit_runs runs = { .whole = at + negative };
    uint64_t digits = 0;
    int64_t exponent = 0;

    at = read_digits(runs.whole, end, &digits);
    if (at == runs.whole) {
        return refuse(text, at, right);
    }
    if (*runs.whole == '0' && at - runs.whole > 1) {
        at = runs.whole + 1; /* no digits behind a leading zero: the number ends with it */
        *decimal = (struct phusa_decimal){ .negative = negative };
        return (size_t)(at - text);
    }
    runs.whole_count = (size_t)(at - runs.whole);
    if (at < end && *at == '.') {
        runs.fraction = ++at;
        at = read_digits(at, end, &digits);
        runs.fraction_count = (size_t)(at - runs.fraction);
        if (runs.fraction_count == 0) {
            return refuse(text, at, right);
        }
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        const char *stopped;

        at = read_exponent(at + 1, end, &exponent, &stopped);
        if (at == NULL) {
            return refuse(text, stopped, right);
        }
    }
    *decimal = (struct phusa_decimal){ .digits = digits, .negative = negative };
    if (runs.whole_count + runs.fraction_count <= DECIMAL_DIGITS) {
        decimal->exponent = clamp_exponent(exponent - (int64_t)runs.fraction_count);
    } else {
        cut_digits(&runs, exponent, decimal);
    }
    return (size_t)(at - text);
}

size_t phusa_decimal_scan(const char *text, size_t length, struct phusa_decimal *decimal)
{
    struct phusa_decimal unused;
    size_t right;

    return decimal_scan(text, length, decimal == NULL ? &unused : decimal, &right);
}
