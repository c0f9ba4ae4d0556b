/*
 * Two lights that say how the link is, for boards that have them. The one is on while the station
 * is connected. The other one, trouble, is on from an attempt that failed or was refused, or from
 * the loss of a connection, until there is one again. During the first attempt both are dark, and
 * while a connection is made anew that was ended for it.
 */
#ifndef FIRMWARE_LIGHTS_H
#define FIRMWARE_LIGHTS_H

#include "hal/hal.h"

/* The owner sets the pins, and the rest to 0, before the first step. */
struct lights {
    unsigned link, trouble; /* pins */
    uint32_t events;        /* by the last step */
    bool troubled;
};

/*
 * Sets both lights. events is a number that changes with each attempt that failed and each
 * connection that was lost, such as the sum of the network's troubles. Call it often.
 */
void lights_step(struct lights *lights, const struct hal_pins *pins, bool connected,
                 uint32_t events);

#endif
