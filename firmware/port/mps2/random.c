/* xorshift64* (Vigna 2014, "An experimental exploration of Marsaglia's xorshift generators"). */
#include "random.h"

#include "board.h"
#include "phusa/crc32c.h"
#include <lwip/opt.h>

static uint64_t state = 1;

void random_start(const uint8_t *seed, size_t length, uint32_t start)
{
    uint64_t low = phusa_crc32c(start, seed, length);
    uint64_t high = phusa_crc32c(~start, seed, length);
    state = (high << 32 | low) ^ (uint64_t)board_mono_ns();
    state |= state == 0;
}

uint32_t random_next(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)(state * UINT64_C(0x2545F4914F6CDD1D) >> 32);
}

uint32_t lwip_random(void)
{
    return random_next();
}

_Noreturn void lwip_failed(void)
{
    board_reset_because(HAL_RESET_OTHER);
}

static uint32_t hal_next(void *context)
{
    (void)context;
    return random_next();
}

struct hal_random random_hal(void)
{
    return (struct hal_random){ .next = hal_next };
}
