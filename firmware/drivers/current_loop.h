/*
 * Transmitters with a current of 4 to 20 mA, and what a current outside it means by NAMUR
 * recommendation NE 43: 3.8 to 20.5 mA is measuring (a little over the range is still true),
 * 3.6 mA and less or 21.0 mA and more is a transmitter that reports a fault, or a broken or
 * shorted wire; what lies between is neither, and is a value that stands at its limit.
 */
#ifndef FIRMWARE_CURRENT_LOOP_H
#define FIRMWARE_CURRENT_LOOP_H

#include <stdint.h>

/* Microamperes. */
#define CURRENT_LOOP_ZERO       4000
#define CURRENT_LOOP_FULL       20000
#define CURRENT_LOOP_FAULT_LOW  3600
#define CURRENT_LOOP_LOW        3800
#define CURRENT_LOOP_HIGH       20500
#define CURRENT_LOOP_FAULT_HIGH 21000

enum current_loop_state {
    CURRENT_LOOP_MEASURING,
    CURRENT_LOOP_BELOW, /* at its lower limit: above 3.6, below 3.8 mA */
    CURRENT_LOOP_ABOVE, /* at its upper limit: above 20.5, below 21.0 mA */
    CURRENT_LOOP_FAULT_BELOW,
    CURRENT_LOOP_FAULT_ABOVE
};

enum current_loop_state current_loop_state(int32_t microamperes);

/* The value where 4 mA means zero and 20 mA full; in a straight line beyond both. */
double current_loop_value(int32_t microamperes, double zero, double full);

#endif
