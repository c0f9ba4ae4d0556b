/* A linear congruential generator (Knuth, MMIX); its upper bits are the good ones. */
#include "random.h"

uint32_t fake_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

static uint32_t next(void *context)
{
    return fake_random(context) << 16 ^ fake_random(context);
}

struct hal_random fake_random_hal(uint64_t *state)
{
    return (struct hal_random){ state, next };
}
