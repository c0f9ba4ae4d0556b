/*
 * What a light trap caught in a night, of one species. Pure: time is handed in, the state is the
 * caller's memory, nothing is allocated.
 *
 * A night is 12:00 to 12:00 local, (begin, end], and stamped with its end (contract, Windows): the
 * unit of the reports is insects a trap and night (con/bẫy/đêm). It ends in one of three ways that
 * must not be mixed up:
 *   TRAP_COUNTED  the trap worked: `count` insects, and 0 is a finding;
 *   TRAP_OFF      nothing was caught, the lamp was never on and known to be off for at least
 *                 TRAP_OFF_KNOWN_NS of the night: no finding;
 *   TRAP_MISSING  nothing is known: neither a count nor a lamp that was off was reported.
 *
 * Counters. An interval counter reports what came since its last report; the night's count is the
 * sum. A cumulative one reports a running total; the night's count is the sum of its rises. What
 * rose between two reports belongs to the night of the later one (`spans` says that the earlier
 * one was in another night: the count may be partly of that). The first report ever is a base
 * line. A total that jumps back is counted in `resets`; whether the new total was caught since, is
 * a matter of the device (enum trap_drop), except right after a service event, when the total
 * begins at zero anew. At the device's limit (`saturated`) the count is a least one.
 *
 * Lamp and rain gate are states that a report sets until the next, but for no longer than `hold`:
 * lamp_ns and gated_ns are the time in the night for which the lamp was known to be on, and the
 * trap known to be closed for rain; known_ns that for which the lamp's state is known at all.
 *
 * Order. Events wait in a small queue until the watermark has passed their time by lateness; so
 * any order within lateness gives the same result. A later one is refused (a running total has no
 * place for it: the next report holds its catch anyway). A full queue lets its oldest event go
 * before its time.
 */
#ifndef QUALITY_TRAP_H
#define QUALITY_TRAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/state.h"

#define TRAP_WAITING_MAX  32 /* events within lateness: four kinds at five minutes in 40 min */
#define TRAP_COUNT_MAX    1000000000000.0 /* of a report: sums of it stay whole in a double */
#define TRAP_OFF_KNOWN_NS (INT64_C(6) * 3600 * 1000000000) /* half of the dark; ours */
#define TRAP_SILENT_MAX                                                                            \
    7 /* missing nights told in a row; then the trap is silent until it speaks */

enum trap_counter { TRAP_INTERVAL, TRAP_CUMULATIVE };

/* A total that jumps back without a service event. */
enum trap_drop {
    TRAP_DROP_RESTARTS, /* the counter began at zero: the new total was caught since */
    TRAP_DROP_CORRECTS  /* someone looked at the pictures and took some back: nothing was caught */
};

struct trap_settings {
    enum trap_counter counter;
    enum trap_drop drop;
    double limit;         /* a count at or above it is saturated; <= 0: none */
    int64_t every_ns;     /* the trap's distance of reports, > 0: coverage */
    int64_t hold_ns;      /* how long a reported state holds at most, > 0 */
    int64_t lateness_ns;  /* >= 0 */
    int32_t utc_offset_s; /* local time - UTC, no daylight saving */
};

enum trap_what {
    TRAP_SERVICE, /* someone emptied it or changed the roll; value unused. First of its moment */
    TRAP_COUNT,   /* value: insects, whole and not negative */
    TRAP_LAMP,    /* value: 0 off, else on */
    TRAP_GATE,    /* value: 0 open, else closed for rain */
    TRAP_LAMP_MINUTES, /* value: minutes for which it was on since the last report; the lamp is
                          known for `every` then, at most a night */
    TRAP_GATE_MINUTES  /* value: minutes for which it was closed, likewise */
};

struct trap_event {
    int64_t time_ns;
    double value;
    enum trap_what what;
};

enum trap_outcome { TRAP_COUNTED, TRAP_OFF, TRAP_MISSING };

struct trap_night {
    int64_t end_ns; /* the stamp, UTC */
    enum trap_outcome outcome;
    double count;     /* insects; NaN unless counted */
    uint32_t reports; /* counts reported */
    double coverage;  /* reports * every / 24 h */
    uint32_t resets, services;
    bool saturated, spans;
    int64_t lamp_ns, gated_ns, known_ns;
};

struct trap_state {
    bool known, on;
    int64_t since_ns;
};

/* Zero-initialised: no report yet. */
struct trap {
    bool begun, has_total, served; /* served: a service event came after the last total */
    uint8_t waiting_count;
    uint8_t silent; /* missing nights told in a row */
    double total;
    int64_t total_ns; /* when it was reported */
    int64_t done_ns;  /* events up to here are in */
    struct trap_state lamp, gate;
    struct trap_night night;                     /* the open one */
    struct trap_event waiting[TRAP_WAITING_MAX]; /* by time, then what, then value */
};

/* Called for each night that ends, in order; must not call back into the trap. */
typedef void trap_sink(void *context, const struct trap_night *night);

/*
 * Takes an event. False: it is older than what was taken in (later than lateness), or unusable (no
 * whole number from 0 to TRAP_COUNT_MAX as a count, a time before 1971 or after 2200). Calls the
 * sink as trap_advance does when the queue is full.
 */
bool trap_add(struct trap *trap, const struct trap_settings *settings,
              const struct trap_event *event, trap_sink *sink, void *context);

/*
 * Ends the nights whose end + lateness the watermark has reached. At most
 * (TRAP_WAITING_MAX + 1) * (TRAP_SILENT_MAX + 1) nights.
 */
void trap_advance(struct trap *trap, const struct trap_settings *settings, int64_t watermark_ns,
                  trap_sink *sink, void *context);

/*
 * Keeps the state and reads it back. False with reader->failed when what is read is none; the trap
 * is as zero-initialised then. When the nights of settings are others (utc_offset) it is read over,
 * and the trap begins anew: true.
 */
void trap_save(const struct trap *trap, struct state_writer *writer);
bool trap_load(struct trap *trap, const struct trap_settings *settings,
               struct state_reader *reader);

#endif
