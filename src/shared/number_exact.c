/*
 * Exact comparison of a decimal number with a binary one: the last resort of
 * reading, for about one number in a thousand of those with seventeen digits or more.
 */
#include "shared/decimal.h"

#include <string.h>

/*
 * A number halfway between two doubles has at most 767 significant digits: that many
 * decide, and any further ones are told by one more digit, 1 if they are not all zero.
 */
#define EXACT_DIGITS 769

/*
 * Bits needed: 770 digits are 2558 bits. A side gets factors 5 for the other's negative
 * decimal exponent (at most 344 + 769 of them on 54 bits: 2639 bits) and factors 2 to
 * bring both to the same exponent; since both sides then are of about the same size, neither
 * passes 2700 bits.
 */
#define BIG_LIMBS 96

struct big {
    size_t used;
    uint32_t limbs[BIG_LIMBS]; /* lowest first; the highest in use is not 0 */
};

static void append(struct big *big, uint64_t carry)
{
    for (; carry > 0 && big->used < BIG_LIMBS; carry >>= 32) {
        big->limbs[big->used++] = (uint32_t)carry;
    }
}

static void multiply_add(struct big *big, uint32_t factor, uint32_t addend)
{
    uint64_t carry = addend;

    for (size_t i = 0; i < big->used; i++) {
        carry += (uint64_t)big->limbs[i] * factor;
        big->limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    append(big, carry);
}

static void multiply_power5(struct big *big, int power)
{
    const uint32_t five_to_13 = 1220703125;

    for (; power >= 13; power -= 13) {
        multiply_add(big, five_to_13, 0);
    }
    for (; power > 0; power--) {
        multiply_add(big, 5, 0);
    }
}

static void shift_left(struct big *big, int bits)
{
    size_t whole = (size_t)(bits / 32);

    multiply_add(big, (uint32_t)1 << (bits % 32), 0);
    if (whole == 0 || big->used == 0) {
        return;
    }
    if (whole > BIG_LIMBS - big->used) {
        whole = BIG_LIMBS - big->used; /* cannot be, by the bound above */
    }
    memmove(big->limbs + whole, big->limbs, big->used * sizeof(big->limbs[0]));
    memset(big->limbs, 0, whole * sizeof(big->limbs[0]));
    big->used += whole;
}

static int compare(const struct big *a, const struct big *b)
{
    if (a->used != b->used) {
        return a->used > b->used ? 1 : -1;
    }
    for (size_t i = a->used; i-- > 0;) {
        if (a->limbs[i] != b->limbs[i]) {
            return a->limbs[i] > b->limbs[i] ? 1 : -1;
        }
    }
    return 0;
}

/*
 * Reads the significant digits from the text, the rest as one sticky digit.
 * `exponent` comes in as that of a number with DECIMAL_DIGITS digits and leaves as
 * that of what was read.
 */
static void read_digits(const char *text, size_t length, struct big *big, int *exponent)
{
    size_t count = 0;
    bool sticky = false;

    for (size_t i = 0; i < length && text[i] != 'e' && text[i] != 'E'; i++) {
        uint32_t digit = (uint32_t)(text[i] - '0');

        if (digit > 9 || (digit == 0 && count == 0)) {
            continue; /* sign, point, leading zero */
        }
        if (count < EXACT_DIGITS) {
            multiply_add(big, 10, digit);
        } else {
            sticky = sticky || digit != 0;
        }
        count++;
    }
    if (sticky) {
        multiply_add(big, 10, 1);
    }

    size_t taken = (count < EXACT_DIGITS ? count : EXACT_DIGITS) + sticky;

    *exponent -= (int)taken - DECIMAL_DIGITS;
}

int decimal_compare(const char *text, size_t length, const struct phusa_decimal *decimal,
                    uint64_t half, int exponent)
{
    struct big left = { 0 }, right = { 0 };
    int ten = decimal->exponent;

    append(&right, half);
    if (decimal->more) {
        read_digits(text, length, &left, &ten);
    } else {
        append(&left, decimal->digits);
    }
    multiply_power5(ten < 0 ? &right : &left, ten < 0 ? -ten : ten);

    int shift = ten - exponent;

    shift_left(shift < 0 ? &right : &left, shift < 0 ? -shift : shift);
    return compare(&left, &right);
}
