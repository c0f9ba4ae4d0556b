/*
 * Local checks of a channel's samples: they flag and never delete. Each looks at a sample and
 * those before it; what a limit of a check is not set for is not checked.
 */
#ifndef FIRMWARE_CHECK_H
#define FIRMWARE_CHECK_H

#include <stdbool.h>
#include <stdint.h>

/* Bits of <parameter>_check. */
#define CHECK_RANGE 1u  /* outside low .. high */
#define CHECK_STEP  2u  /* further than `step` from the sample before */
#define CHECK_FLAT  4u  /* within `flat` for at least flat_s */
#define CHECK_STUCK 8u  /* the very same number for at least stuck_s */
#define CHECK_LEAST 16u /* of an amount: its counter could not follow, it is a least one */

/* In the channel's unit and seconds. Zero in flat_s, stuck_s, step, or low = high: not checked. */
struct check_limits {
    double low, high;
    double step;
    double flat;
    uint32_t flat_s, stuck_s;
};

/* What a check remembers of a channel. Zero-initialise to begin. */
struct check_memory {
    bool any;
    double last;
    int64_t flat_since_ns, stuck_since_ns;
    double flat_low, flat_high;
};

/* True if the limits make sense: finite, low <= high, step and flat not negative. */
bool check_limits_valid(const struct check_limits *limits);

/*
 * The bits of a finite sample taken at at_ns. Times ascend; one that went back begins anew. A
 * run counts as flat from the sample that began it: it ends where the largest and smallest of
 * it lie further apart than `flat`.
 */
uint8_t check_sample(const struct check_limits *limits, struct check_memory *memory, double value,
                     int64_t at_ns);

#endif
