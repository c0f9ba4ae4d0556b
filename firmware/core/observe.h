/*
 * From samples to an observation: count, mean, smallest, largest and standard deviation of
 * the samples of one report period. Mean and deviation by Welford's recurrence (B. P. Welford,
 * "Note on a method for calculating corrected sums of squares and products", Technometrics
 * 4 (1962) 419), which does not cancel where a sum of squares does. One sample is its own mean,
 * to the bit.
 *
 * Where samples are amounts, each what came since the one before (rain, insects), a report has
 * their sum. It is kept apart from the observation: what one report did not take is in the next.
 */
#ifndef FIRMWARE_OBSERVE_H
#define FIRMWARE_OBSERVE_H

#include <stdbool.h>
#include <stdint.h>

#define OBSERVE_SHARE_DEFAULT 90u /* percent of the samples that must be there */

/* Zero-initialise to begin one. */
struct amount {
    double sum, raw;    /* after and before calibration */
    uint8_t state;      /* worst device state of its samples */
    bool least;         /* some of them are least amounts */
    int64_t reached_ns; /* the moment of the latest of them */
};

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

/* Adds what came up to a moment; value and raw are finite. least: there may have been more. */
void observe_amount(struct amount *amount, double value, double raw, uint8_t state, bool least,
                    int64_t at_ns);

/*
 * What adding some thousand numbers of at most six decimals gave, as one adds on paper: 0.3, not
 * 0.30000000000000004. Sums of four thousand millions and more stay as they are.
 */
double observe_tidy(double sum);

/*
 * True if an amount covers at least share percent of the time that ends at end_ns and has expected
 * samples, sample_every_ns apart: a sample that came stands for those that were lost before it.
 * The observation of the same samples says whether there was one in that time.
 */
bool observe_reached(const struct observation *observation, const struct amount *amount,
                     int64_t end_ns, int64_t sample_every_ns, uint32_t expected, uint32_t share);

/* Sample standard deviation (n - 1); false with fewer than two samples. */
bool observe_deviation(const struct observation *observation, double *deviation);

#endif
