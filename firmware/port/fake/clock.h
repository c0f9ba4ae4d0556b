/* Simulated time: it passes when a test says so, and never by itself. */
#ifndef FIRMWARE_FAKE_CLOCK_H
#define FIRMWARE_FAKE_CLOCK_H

#include "hal/hal.h"

/* Both clocks go on. */
void fake_clock_pass(struct hal_time *now, int64_t duration_ns);

/*
 * The board starts after it was off for so long: monotonic time begins anew at one second, wall
 * time went on all the same. keeps: the board has a clock that runs without power, so what was set
 * stays set; no start finds it synchronised.
 */
void fake_clock_start(struct hal_time *now, int64_t off_ns, bool keeps);

#endif
