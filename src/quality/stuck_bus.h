/*
 * A device whose parameters are all frozen at once: a bus that hangs, a logger that repeats its
 * registers. One parameter alone may well be still (that is the flat line test); all of them
 * together, at the same time, are not. Pure.
 */
#ifndef QUALITY_STUCK_BUS_H
#define QUALITY_STUCK_BUS_H

#include "quality/qartod.h"

#define STUCK_BUS_SERIES_LEAST   2 /* of a device; one frozen parameter is no finding */
#define STUCK_BUS_READINGS_LEAST 3 /* of one value in each, however far apart */

struct stuck_bus {
    bool stuck;
    int64_t since_ns; /* all have been frozen from here on; valid when stuck */
};

/*
 * The series of one device (NULL ones are passed over) are stuck when each has had one and the same
 * value, exactly, for at least hold_ns (above 0) and STUCK_BUS_READINGS_LEAST readings, up to its
 * newest, and none ends more than hold_ns before the newest of all. Those whose value rightly
 * stands still (rain, counters, switches) are for the caller to leave out. A series remembers no
 * more than its window: hold_ns should not be longer than that.
 * Source: own rule; QARTOD has only the flat line of one parameter (test 8).
 */
struct stuck_bus stuck_bus_judge(const struct qartod_series *const *series, size_t count,
                                 int64_t hold_ns);

#endif
