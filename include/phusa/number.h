/*
 * Numbers as text, without heap, locale or libc: newlib's strtod and printf
 * allocate, and glibc's cost more than all the rest of the pipeline.
 */
#ifndef PHUSA_NUMBER_H
#define PHUSA_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PHUSA_DOUBLE_CHARS  32 /* longest phusa_double_print, with room */
#define PHUSA_INTEGER_CHARS 20 /* longest 64-bit integer with its sign */

/*
 * A decimal number as read: (-1)^negative * digits * 10^exponent. `more` says
 * that non-zero digits beyond the nineteenth were cut off.
 */
struct phusa_decimal {
    uint64_t digits;
    int32_t exponent;
    bool negative;
    bool more;
};

/*
 * Reads a number of JSON's grammar (RFC 8259 section 6) at the start of text.
 * Returns the bytes it takes, 0 if there is none. A number that ends with the
 * text is complete. *decimal may be NULL.
 */
size_t phusa_decimal_scan(const char *text, size_t length, struct phusa_decimal *decimal);

/*
 * The double nearest to the number at text[0..length), exactly rounded, ties to
 * even; overflow gives infinity, underflow zero or a denormal. The text must be
 * what phusa_decimal_scan accepted whole, and *decimal what it found; a decimal
 * made by hand, without `more`, needs no text (NULL, 0).
 */
double phusa_decimal_to_double(const char *text, size_t length,
                               const struct phusa_decimal *decimal);

/* Both in one: false if text is not exactly one number or the result is not finite. */
bool phusa_double_parse(const char *text, size_t length, double *value);

/*
 * The number times 10^9 as an integer, exact up to 19 digits, rounded half away
 * from zero beyond the ninth place: seconds to nanoseconds. False if it does not
 * fit 64 bits.
 */
bool phusa_decimal_to_nanos(const struct phusa_decimal *decimal, int64_t *nanos);

/*
 * The number as an integer. False if it is negative, not whole or does not fit 64
 * bits; 5.0 and 5e0 are whole.
 */
bool phusa_decimal_to_uint(const struct phusa_decimal *decimal, uint64_t *value);

/*
 * Writes a finite double in a form that reads back as the same double, at most
 * 17 significant digits and the shortest in all but rare cases; whole numbers
 * below 10^17 without point or exponent, others as 12.5, 0.001 or 1.5e-9 (valid
 * in JSON and in line protocol). Not terminated. Returns the bytes
 * written, at most PHUSA_DOUBLE_CHARS. NaN and infinities write nothing (0).
 */
size_t phusa_double_print(double value, char *buffer);

/* Decimal integers. Not terminated; returns the bytes written. */
size_t phusa_int_print(int64_t value, char *buffer);
size_t phusa_uint_print(uint64_t value, char *buffer);

/* Seconds with the fraction that nanos has, e.g. 1276020076.001; not terminated. */
size_t phusa_seconds_print(int64_t nanos, char *buffer);

#endif
