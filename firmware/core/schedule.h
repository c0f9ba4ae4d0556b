/* When to sample: multiples of a period since 1970 UTC, so whole periods fall on the hour. */
#ifndef FIRMWARE_SCHEDULE_H
#define FIRMWARE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct schedule {
    int64_t every_ns; /* > 0 */
    int64_t phase_ns; /* moments are phase + n x every */
    int64_t until_ns; /* no moment after this one; INT64_MAX = for ever */
    int64_t next_ns;  /* the next moment to sample */
    bool running;     /* a moment was taken; from then on a clock that went back is noticed */
};

/* The first moment at or after at_ns. */
int64_t schedule_align(const struct schedule *schedule, int64_t at_ns);

/* True if a moment is due at now_ns. */
bool schedule_due(const struct schedule *schedule, int64_t now_ns);

/* Takes the moment that is due and moves on. */
int64_t schedule_take(struct schedule *schedule);

/* True if no moment is left. */
bool schedule_finished(const struct schedule *schedule);

/* After the clock was set back by more than two periods: goes on from its new time. */
void schedule_follow(struct schedule *schedule, int64_t now_ns);

#endif
