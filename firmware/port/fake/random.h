/* Random numbers with a seed: the same seed gives the same numbers on every machine. */
#ifndef FIRMWARE_FAKE_RANDOM_H
#define FIRMWARE_FAKE_RANDOM_H

#include "hal/hal.h"

/* The next 31 random bits. *state is the seed at first. */
uint32_t fake_random(uint64_t *state);

/* The port's numbers, of 32 bits, from the same state; valid as long as it. */
struct hal_random fake_random_hal(uint64_t *state);

#endif
