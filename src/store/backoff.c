#include "store/backoff.h"

#include "base/clock.h"

#define DOUBLINGS_MAX 7 /* 100 ms * 2^7 is beyond the limit of 10 s */

/* SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t backoff_next(struct backoff *backoff, int64_t retry_after_s)
{
    unsigned doublings = backoff->failures < DOUBLINGS_MAX ? backoff->failures : DOUBLINGS_MAX;
    int64_t limit = least(BACKOFF_FIRST_NS << doublings, BACKOFF_MOST_NS);
    int64_t wait = (int64_t)(next_random(&backoff->random) % (uint64_t)(limit + 1));
    int64_t asked = least(retry_after_s, BACKOFF_RETRY_AFTER_S) * SECOND_NS;
    backoff->failures++;
    return wait > asked ? wait : asked;
}

void backoff_reset(struct backoff *backoff)
{
    backoff->failures = 0;
}
