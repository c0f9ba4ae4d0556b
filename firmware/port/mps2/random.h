/* Numbers for identities and jitter; keys have their own source (entropy_test.c). */
#ifndef MPS2_RANDOM_H
#define MPS2_RANDOM_H

#include "hal/hal.h"

/* seed: random bytes of this station; start: differs at each start. */
void random_start(const uint8_t *seed, size_t length, uint32_t start);

uint32_t random_next(void);

struct hal_random random_hal(void);

#endif
