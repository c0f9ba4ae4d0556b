/* Pins, counted edges and currents as a test sets them. */
#ifndef FIRMWARE_FAKE_PINS_H
#define FIRMWARE_FAKE_PINS_H

#include "hal/hal.h"

#define FAKE_PINS 16 /* of each kind; others are read as off, and not set */

struct fake_pins {
    bool level[FAKE_PINS];        /* what was set, or what the test puts there */
    unsigned switched[FAKE_PINS]; /* how often set() changed it */
    uint32_t edges[FAKE_PINS];
    int32_t current_ua[FAKE_PINS];
    bool silent[FAKE_PINS]; /* inputs whose converter does not answer */
    /* What flows at an input, where it depends on other things; NULL: current_ua. */
    int32_t (*measure)(struct fake_pins *pins, unsigned input);
    void *other; /* the test's own */
};

/* All four operations; valid as long as pins. */
struct hal_pins fake_pins_hal(struct fake_pins *pins);

#endif
