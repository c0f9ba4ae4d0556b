/* 64-bit arithmetic that C lacks: the double-width product, the place of the highest bit,
 * sums that say when they do not fit. */
#ifndef SHARED_WIDE_H
#define SHARED_WIDE_H

#include <stdbool.h>
#include <stdint.h>

struct wide {
    uint64_t high, low;
};

/* The 128-bit product. */
static inline struct wide wide_multiply(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
    __extension__ typedef unsigned __int128 uint128;
    uint128 product = (uint128)a * b;

    return (struct wide){ (uint64_t)(product >> 64), (uint64_t)product };
#else
    uint64_t a_low = (uint32_t)a, a_high = a >> 32, b_low = (uint32_t)b, b_high = b >> 32;
    uint64_t low = a_low * b_low, cross = a_high * b_low, other = a_low * b_high;
    uint64_t middle = (low >> 32) + (uint32_t)cross + (uint32_t)other;

    return (struct wide){ a_high * b_high + (cross >> 32) + (other >> 32) + (middle >> 32),
                          middle << 32 | (uint32_t)low };
#endif
}

/* The upper half of the product, rounded to nearest (up at the half). */
static inline uint64_t wide_multiply_high(uint64_t a, uint64_t b)
{
    struct wide product = wide_multiply(a, b);

    return product.high + (product.low >> 63);
}

/* How many zero bits stand above the highest set one; value must not be 0. */
static inline int wide_leading_zeros(uint64_t value)
{
    return __builtin_clzll(value);
}

/* a + b or a - b in *result, if it fits. */
static inline bool wide_add(int64_t a, int64_t b, int64_t *result)
{
    return !__builtin_add_overflow(a, b, result);
}

static inline bool wide_subtract(int64_t a, int64_t b, int64_t *result)
{
    return !__builtin_sub_overflow(a, b, result);
}

#endif
