/* What reading numbers shares inside this room. */
#ifndef SHARED_DECIMAL_H
#define SHARED_DECIMAL_H

#include "phusa/number.h"

/* Digits that a phusa_decimal keeps. */
#define DECIMAL_DIGITS 19

/*
 * phusa_decimal_scan that also tells, where it gives 0, how many bytes were right so far:
 * all of them when the number is only cut short.
 */
size_t decimal_scan(const char *text, size_t length, struct phusa_decimal *decimal, size_t *right);

/*
 * Compares the number with half * 2^exponent, exactly: below, equal or above 0.
 * text and length as for phusa_decimal_to_double; the number is not zero, and its
 * value and the other's lie within 2^-1076 .. 2^1025.
 */
int decimal_compare(const char *text, size_t length, const struct phusa_decimal *decimal,
                    uint64_t half, int exponent);

#endif
