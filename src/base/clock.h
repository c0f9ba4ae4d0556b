/*
 * Time. Wall time (what a reading or a person means by "when") and monotonic
 * time (what syncs, back-off and margins count) are different types.
 *
 * Wall time can be simulated: from `start`, `speed` times as fast as the real
 * clock since `origin`, until it has caught up with the real clock; from then
 * on it is the real clock. All programs of a run are given the same
 * specification, "start=EPOCH,speed=N,origin=EPOCH" (seconds, fractions
 * allowed), by --clock or the environment's PHUSA_CLOCK, so that stations,
 * collector and tools agree and a restart changes nothing.
 *
 * For trials of clocks that jump, a specification may end in "offset=FILE" (or be
 * only that): FILE holds a signed number of seconds, which is added to the wall time
 * and read again every 100 ms; absent or unreadable it is 0.
 *
 * Only this file and the stations' ports read the system's clock.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#include "base/problem.h"

#define SECOND_NS INT64_C(1000000000)
#define MILLI_NS  INT64_C(1000000)

typedef struct {
    int64_t ns; /* nanoseconds since 1970-01-01 UTC */
} wall_time;

typedef struct {
    int64_t ns; /* nanoseconds since some moment of the machine; never goes back */
} mono_time;

/* Zero-initialised = the real clock. */
struct clock {
    int64_t start_ns, origin_ns;
    double speed;            /* 0 = not simulated */
    const char *offset_file; /* NULL = none; points into the specification */
};

enum clock_status { CLOCK_OK = 0, CLOCK_BAD_SPEC };

/*
 * Reads a specification, which must outlive the clock; NULL or "" = the real clock. speed is above
 * 0 and at most 1e6; start not after origin unless speed is 1 or less. A bad one
 * gives CLOCK_BAD_SPEC and says what would be right.
 */
enum clock_status clock_parse(struct clock *clock, const char *specification,
                              struct problem *problem);

/* The wall time that belongs to a real time, without the offset. Pure. */
wall_time clock_at(const struct clock *clock, wall_time real);

/* Wall time now, simulated or not. */
wall_time clock_wall(const struct clock *clock);

/* The real wall time now: for certificates and file names, never for readings. */
wall_time clock_real(void);

mono_time clock_mono(void);

/* Blocks until the monotonic time or a signal. */
void clock_sleep_until(mono_time until);

#endif
