/*
 * A device whose parameters are all frozen at once: a bus that hangs, a logger that repeats its
 * registers. One parameter alone may well be still (that is the flat line test); all of them
 * together, at the same time, are not. Pure.
 */
#ifndef QUALITY_STUCK_BUS_H
#define QUALITY_STUCK_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STUCK_BUS_SERIES_LEAST   2 /* of a device; one frozen parameter is no finding */
#define STUCK_BUS_READINGS_LEAST 3 /* of one value in each, however far apart */

/* How long one parameter has had one and the same value. Zero-initialised: no reading yet. */
struct still {
    double value;
    int64_t since_ns, newest_ns; /* first and last reading of that value */
    uint32_t readings;           /* of that value */
};

/* Takes a reading; one that is not newer than the last is passed over. */
void still_note(struct still *still, int64_t time_ns, double value);

struct stuck_bus {
    bool stuck;
    int64_t since_ns; /* all have been frozen from here on; valid when stuck */
};

/*
 * A device is stuck when each of its parameters has had one and the same value, exactly, for at
 * least hold_ns (above 0) and STUCK_BUS_READINGS_LEAST readings, up to its newest, and none ends
 * more than hold_ns before the newest of all. Those whose value rightly stands still (rain,
 * counters, switches) are for the caller to leave out.
 * Source: own rule; QARTOD has only the flat line of one parameter (test 8).
 */
struct stuck_bus stuck_bus_judge(const struct still *const *parameters, size_t count,
                                 int64_t hold_ns);

#endif
