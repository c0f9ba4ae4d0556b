/* Random draws for tests: a xorshift generator, its seed printed, PHUSA_SEED sets another. */
#ifndef TESTS_DRAWS_H
#define TESTS_DRAWS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct draws {
    uint64_t state;
};

static inline struct draws draws_begin(void)
{
    const char *given = getenv("PHUSA_SEED");
    uint64_t seed = given == NULL ? 20240229 : strtoull(given, NULL, 10);

    printf("seed %llu (PHUSA_SEED)\n", (unsigned long long)seed);
    return (struct draws){ seed * 2654435769u + 88172645463325252u };
}

static inline uint64_t draw(struct draws *draws)
{
    draws->state ^= draws->state << 13;
    draws->state ^= draws->state >> 7;
    draws->state ^= draws->state << 17;
    return draws->state;
}

/* 0 .. limit - 1. */
static inline uint64_t draw_below(struct draws *draws, uint64_t limit)
{
    return draw(draws) % limit;
}

/* Any bits but NaN and infinity: all magnitudes alike. */
static inline double draw_double(struct draws *draws)
{
    uint64_t bits;
    double value;

    do {
        bits = draw(draws);
    } while ((bits >> 52 & 0x7ff) == 0x7ff);
    memcpy(&value, &bits, sizeof(value));
    return value;
}

#endif
