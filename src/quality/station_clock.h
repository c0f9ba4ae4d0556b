/*
 * Where the readings of a station lie in time when its clock cannot be believed. Pure: time is
 * handed in, the state is the caller's memory, nothing is allocated. A report costs O(1), but for
 * the line of the drift, which is drawn once an hour of the station.
 *
 * What a report's stamps can be, and where its readings then lie:
 *   GOOD     as stamped. So is what is late for any reason, and a steady small delay (gateways)
 *   AHEAD    as stamped: ahead of its receive time by more than `ahead`, but not by more than
 *            `wrong`
 *   UNSET    before 2001, or so long ago that no station's log reaches back there (a receiver of
 *            GPS that is 1024 weeks behind, a clock that begins in 2005), or relative and positive
 * (below 2^28 s SenML counts from the receive time: 1970 and an hour arrives as "in an hour"): the
 * newest of them is put at the receive time, the others keep their distance to it FUTURE   ahead by
 * more than `wrong`: likewise BEHIND   steadily behind by more than `wrong`, see below: likewise
 *   DATED    with boot and up, the begin of that boot being known: at that begin + up + its
 *            own time
 *   ARRIVAL  with boot and up, nothing known of that boot: at the receive time + its own time
 *
 * Begin of a boot. A report cannot have come before it was made, so the begin of its boot is not
 * later than its receive time - up, and not later than the begin of a later boot of the same log;
 * the earliest of these over all reports is kept, for the last STATION_CLOCK_BOOTS boots. Stations
 * send fresh reports first, so it is soon exact to the delay of the fastest report.
 *
 * Behind. difference = receive time - newest stamp. A backlog has a large one, too, but it shrinks
 * as the backlog is sent, and fresh reports stand between. A clock is wrong when at least
 * STATION_CLOCK_STEADY_LEAST reports over at least STATION_CLOCK_STEADY_NS of receive time had the
 * same difference: within `ahead`, and a tenth of the receive time passed. One fresh report ends
 * that. A report that is older than those is taken for a backlog of the same wrong clock and moved
 * by the same difference. A station whose status says `synced` is believed when behind. What this
 * cannot tell apart: a clock that stood still for days, and a queue that is days long and is sent
 * exactly as fast as it is filled.
 *
 * Drift. The smallest difference of each hour, of the last STATION_CLOCK_HOURS hours with reports;
 * its slope is the median of the slopes of all pairs (Theil-Sen, so a few odd hours do nothing).
 * The clock is `drifting` when the last hour's difference is beyond `ahead`, in the direction of
 * the slope, and nine tenths of the pairs agree in that direction. It is told, nothing is moved.
 *
 * The collector's own clock. When receive times go back by more than `ahead`, it is that clock that
 * is wrong, or was: until they are as late as before, or a day has passed, nothing is learnt and
 * nothing is FUTURE. Nor is anything FUTURE while the collector's clock itself is before 2001.
 */
#ifndef QUALITY_STATION_CLOCK_H
#define QUALITY_STATION_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/state.h"

#define STATION_CLOCK_BOOTS        4  /* whose begin is remembered */
#define STATION_CLOCK_RECENT       8  /* reports over which the smallest difference is told */
#define STATION_CLOCK_HOURS        24 /* points of the line of the drift */
#define STATION_CLOCK_HOURS_LEAST  12 /* fewer make no line: their order may be chance */
#define STATION_CLOCK_STEADY_LEAST 8
#define STATION_CLOCK_STEADY_NS    (INT64_C(3600) * 1000000000)

/* Before this no clock can have been set: 2001-01-01 UTC. */
#define STATION_CLOCK_LEAST_NS (INT64_C(978307200) * 1000000000)

/* How far back a backlog can reach at most: below the 1024 weeks (19.6 years) that receivers of GPS
 * fall behind by, and beyond any recording that is sent as if it were new. */
#define STATION_CLOCK_LOG_MOST_NS (INT64_C(19) * 365 * 24 * 3600 * 1000000000)

enum station_clock_kind {
    STATION_CLOCK_GOOD,
    STATION_CLOCK_AHEAD,
    STATION_CLOCK_UNSET,
    STATION_CLOCK_FUTURE,
    STATION_CLOCK_BEHIND,
    STATION_CLOCK_DATED,
    STATION_CLOCK_ARRIVAL,
    STATION_CLOCK_KINDS
};

/* "good", "ahead", "unset", "future", "behind", "dated", "arrival"; never NULL. */
const char *station_clock_name(enum station_clock_kind kind);

/* What the station's status says of its clock. */
enum station_clock_said {
    STATION_CLOCK_SAID_NOTHING,
    STATION_CLOCK_SAID_UNSET,
    STATION_CLOCK_SAID_HELD,
    STATION_CLOCK_SAID_SYNCED
};

struct station_clock_limits {
    int64_t ahead_ns; /* setting `ahead`, >= 0 */
    int64_t wrong_ns; /* setting `clock_wrong`, >= ahead_ns */
    int64_t every_ns; /* the station's, > 0 */
};

/* What a boot is known by, and the latest moment at which it can have begun. */
struct station_clock_boot {
    uint32_t log, boot;
    int64_t begin_ns;
    int64_t put_ns; /* where the last report was put that moved the begin */
};

/* The smallest difference within an hour. */
struct station_clock_hour {
    uint32_t at_s;         /* receive time, seconds since 2001 */
    int32_t difference_ms; /* within some 24 days; larger ones are no matter of drift */
};

/* Reports with the same large difference. */
struct station_clock_steady {
    uint32_t count;                      /* of them; 0: none */
    bool wrong;                          /* enough of them: the clock is behind */
    int64_t begun_ns, base_ns, last_ns;  /* receive times: first, the one compared with, last */
    int64_t base_difference, difference; /* of the one compared with, of the last */
};

/* Zero-initialised: nothing came yet. Fields are for reading; those below `kind` may be told. */
struct station_clock {
    struct station_clock_boot boots[STATION_CLOCK_BOOTS]; /* last heard of first */
    struct station_clock_hour hours[STATION_CLOCK_HOURS]; /* oldest first, the last one is open */
    int64_t recent[STATION_CLOCK_RECENT];                 /* differences, a ring */
    struct station_clock_steady steady;
    int64_t newest_received_ns, back_since_ns;
    int64_t put_ns; /* where the last report was put that was put at its arrival */
    uint8_t boot_count, hour_count, recent_count, recent_next;

    uint8_t kind; /* enum station_clock_kind: of the last report */
    uint8_t said; /* enum station_clock_said, as the last status had it */
    bool has_difference, has_rate, drifting;
    int64_t difference_ns;    /* of the last report with stamps: receive time - newest stamp */
    int64_t drift_ms_per_day; /* valid with has_rate: how the difference grows */
};

/*
 * A report while its records are looked at. station_clock_begin sets the first part, the caller the
 * second if it applies, station_clock_see the rest, with each record that has a time.
 */
struct station_clock_report {
    struct station_clock_limits limits;
    int64_t received_ns;
    enum station_clock_said said;

    bool unset;         /* boot or up stands in it: the station says that its clock is unset */
    bool dateable;      /* boot, up and log stand in it */
    bool past;          /* it came before, or is put back: nothing is learnt from it */
    uint32_t log, boot; /* with dateable */
    double up_s;        /* with dateable */

    bool has_plain, has_unset, has_future;
    bool has_stamp;                        /* one of them is absolute */
    int64_t plain_ns, unset_ns, future_ns; /* the newest of each */
};

/* What follows for the records of a report. */
struct station_clock_verdict {
    enum station_clock_kind kind;
    int64_t moment_ns; /* where the newest is put: when the report was made, or else came: where
                          what fits nowhere lies */
    bool move_plain, move_future;
    int64_t plain_shift, unset_shift, future_shift, boot_shift; /* to be added to times */
};

/* Where a record lies. */
struct station_clock_place {
    int64_t time_ns;
    bool reconstructed; /* not at its stamp */
    bool stamped;       /* the stamp says which reading it is: the same again is a repeat */
};

struct station_clock_report station_clock_begin(const struct station_clock *clock,
                                                const struct station_clock_limits *limits,
                                                int64_t received_ns);

/* Notes a record's time as decoded; relative: it was counted from the receive time. */
void station_clock_see(struct station_clock_report *report, int64_t time_ns, bool relative);

/* Judges a report whose records were seen, and learns from it unless it is of the past. */
struct station_clock_verdict station_clock_take(struct station_clock *clock,
                                                const struct station_clock_report *report);

/* Where a record of that report lies. */
struct station_clock_place station_clock_place(const struct station_clock_report *report,
                                               const struct station_clock_verdict *verdict,
                                               int64_t time_ns, bool relative);

/* The smallest difference of the recent reports: that of the one which was fastest. Only with
 * has_difference. */
int64_t station_clock_smallest(const struct station_clock *clock);

/* Keeps the state and reads it back; false with reader->failed, and zero, when it is none. */
void station_clock_save(const struct station_clock *clock, struct state_writer *writer);
bool station_clock_load(struct station_clock *clock, struct state_reader *reader);

#endif
