/*
 * From samples to an observation: count, mean, smallest, largest and standard deviation of
 * the samples of one report period. Mean and deviation by Welford's recurrence (B. P. Welford,
 * "Note on a method for calculating corrected sums of squares and products", Technometrics
 * 4 (1962) 419), which does not cancel where a sum of squares does. One sample is its own mean,
 * to the bit.
 */
#ifndef FIRMWARE_OBSERVE_H
#define FIRMWARE_OBSERVE_H

#include <stdbool.h>
#include <stdint.h>

#define OBSERVE_SHARE_DEFAULT 90u /* percent of the samples that must be there */

/* Zero-initialise to begin one. */
struct observation {
    uint32_t count; /* samples with a number, whatever the device's state */
    double mean, squares;
    double minimum, maximum;
    double raw;     /* mean before calibration */
    uint8_t state;  /* worst device state of its samples (phusa_device_state) */
    uint8_t checks; /* all that local checks said (check.h) */
};

/* Adds a sample; value and raw are finite. */
void observe_add(struct observation *observation, double value, double raw, uint8_t state,
                 uint8_t checks);

/* True if count is at least share percent of the samples expected, and not nothing. */
bool observe_enough(const struct observation *observation, uint32_t expected, uint32_t share);

/* Sample standard deviation (n - 1); false with fewer than two samples. */
bool observe_deviation(const struct observation *observation, double *deviation);

#endif
