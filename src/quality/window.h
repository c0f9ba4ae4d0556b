/*
 * Windows of event time over one series (station and parameter): hour, 8 hours, 24 hours, day,
 * a trap's night, year to date (contract, Windows). Pure: time is handed in as a watermark, the
 * state is fixed memory made by window_create, and a little more while corrections are pending or
 * readings in doubt; results go to a callback.
 *
 * What a window is made of. Readings go into hourly aggregates (count, sum, min, max); samples are
 * not kept. The mean of an hour is the plain mean of its samples. The mean of 8 h, 24 h, day and
 * night is the mean of the hourly means that have a value (Decision 1459/QD-TCMT of 12 Nov 2019:
 * means of 8 and 24 hours are means of hourly ones); their sum, count, min and max are over all
 * samples. The year's mean is the plain mean of its samples so far.
 *
 * Error. Sums are exact (quality/exact.h), so every number is the same in whatever order readings
 * come: bit for bit. A mean and a sum are rounded once, half an ulp. With `largest` as in the
 * settings, samples smaller than largest * 1e-12 add at most largest * 1e-28 to that, and so does
 * taking hourly means in whole units of the sum.
 *
 * Edges. A reading at the full hour belongs to the hour that ends there (WINDOW_EDGE_ENDS): loggers
 * stamp a mean with the end of its time, the Decision's day consists of the hours stamped 01:00 to
 * 00:00, and so an hourly value stamped 01:00 is the hourly mean of 01:00. The other way is there
 * for instruments that stamp beginnings.
 *
 * Closing. The windows that end at the hour H close when the watermark reaches H + lateness. Each
 * gives one result then, with or without enough coverage, as long as one sample lies in the 24 h
 * up to H; a series that has been silent for longer gives none until it speaks again.
 *
 * Late readings. One for a closed hour is taken while that hour is at most WINDOW_REACH_HOURS
 * before the watermark's. `lateness` after the first of them, or when the next hour closes (so that
 * a backlog brings one correction, not hundreds), each window they fall into is told again, with
 * what was told before and at its own time: exactly once for each such round. A window that was
 * silent before gives a first result instead. Older readings still count for the year to date when
 * they are of the year that was running WINDOW_RING_HOURS ago; the rest is refused, and says so.
 *
 * Readings in doubt. One whose validity is known only later (the spike test needs the next reading)
 * is added as a provisional one before its hour closes. When it turns out to be none, it is taken
 * out again, exactly, and what was told with it is told again as after a late reading; a window
 * that loses its value is told without. At most WINDOW_PROVISIONAL_MAX of a series are in doubt at
 * once, and for as long as late readings may correct.
 *
 * Coverage = samples * every / length, so above 1 when more come than every says.
 */
#ifndef QUALITY_WINDOW_H
#define QUALITY_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/state.h"

#define WINDOW_REACH_HOURS 36 /* how late a reading may correct closed hours */
#define WINDOW_RING_HOURS                                                                          \
    72 /* hours kept: the reach, the 31 that a day's largest 8 h mean takes, slack */
#define WINDOW_TOLD_MAX       12 /* hours with a pending correction; one more tells them at once */
#define WINDOW_HOUR_COUNT_MAX 65535 /* samples of one hour, 18 a second; more are refused */
#define WINDOW_RESULTS_MAX    256   /* results of one call at most */
#define WINDOW_SERIES_BYTES                                                                        \
    2656 /* memory of a series, whatever its rate, while nothing is pending or in doubt */
#define WINDOW_PENDING_BYTES 528 /* at most, more, until pending corrections are told */
#define WINDOW_PROVISIONAL_MAX                                                                     \
    4 /* readings in doubt: one at each closing while the next is awaited, and those of a backlog; \
         128 bytes more, while there are any */

#define WINDOW_LATENESS_DEFAULT_NS (INT64_C(10) * 60 * 1000000000) /* contract */
#define WINDOW_LATENESS_MAX_NS     (INT64_C(2) * 3600 * 1000000000)
/* "75 to 80 % of the records" is custom, unverified: we found no such rule in TT 10/2021. */
#define WINDOW_COVERAGE_DEFAULT    0.75

enum window_kind {
    WINDOW_1H,
    WINDOW_8H,    /* each hour, the 8 h up to it */
    WINDOW_24H,   /* each hour, the 24 h up to it */
    WINDOW_DAY,   /* the hours 01:00 to 00:00, stamped 00:00 of the next day */
    WINDOW_NIGHT, /* 12:00 to 12:00, stamped with its end */
    WINDOW_YEAR,  /* from 1 January 00:00, told at the end of each day */
    WINDOW_KINDS
};

#define WINDOW_BIT(kind) (1u << (kind))
#define WINDOW_ALL       (WINDOW_BIT(WINDOW_KINDS) - 1)

enum window_statistic { WINDOW_MEAN, WINDOW_MAX, WINDOW_MIN, WINDOW_SUM, WINDOW_COUNT };

enum window_edge {
    WINDOW_EDGE_ENDS,  /* hours are (begin, end] */
    WINDOW_EDGE_BEGINS /* hours are [begin, end) */
};

struct window_settings {
    int64_t every_ns;       /* the station's distance of readings, > 0 */
    int64_t lateness_ns;    /* 0 .. WINDOW_LATENESS_MAX_NS */
    int64_t live_within_ns; /* >= 0 */
    int32_t utc_offset_s;   /* local time - UTC, -12 h .. +14 h; no daylight saving */
    double coverage;        /* least coverage that gives a value, 0 .. 1 */
    unsigned kinds;         /* WINDOW_BIT of those that are told */
    enum window_edge edge;
    /* Largest absolute value of the parameter's range, the unit of the sums; for window_create. */
    double largest;
};

/* What stands in a window. NaN: there is none. */
struct window_numbers {
    uint32_t count; /* samples */
    uint32_t hours; /* hourly means with a value; 0 for the year */
    double coverage;
    bool enough; /* coverage reaches the settings' and there is a mean: there is a value */
    double mean, sum, min, max;
    /* Day only: the largest hourly and 8 h means with enough coverage among those stamped 01:00 to
     * 00:00 (Decision 1459, daily index). */
    double max_1h, max_8h;
};

struct window_result {
    enum window_kind kind;
    int64_t end_ns;    /* the stamp, UTC */
    int64_t length_ns; /* of the year: since its beginning */
    struct window_numbers now;
    bool correction;           /* it was told before, as `old` */
    struct window_numbers old; /* all zero when it was not */
    /* Of a correction: grows with each of the same window, from 1 (windows that end at one hour
     * count together), so that two can be told apart; it stays at 255. */
    uint8_t round;
    bool live;         /* the first telling, and within live_within after end + lateness */
    int64_t behind_ns; /* told that long after end + lateness; >= 0 */
};

typedef void window_sink(void *context, const struct window_result *result);

struct window_out {
    window_sink *sink; /* must not call back into the series */
    void *context;
};

struct window_series;

enum window_taken {
    WINDOW_TAKEN,     /* into an open hour */
    WINDOW_LATE,      /* corrects a closed hour */
    WINDOW_YEAR_ONLY, /* too late for hours: counts for the year to date */
    WINDOW_TOO_LATE,  /* too late for anything */
    WINDOW_AHEAD,     /* later than the hour after the watermark's */
    WINDOW_UNUSABLE,  /* not finite, 512 times the largest or more, a time or watermark before 1971
                         or after 2200 */
    WINDOW_FULL       /* no room for another sample in that hour, or year; or in doubt; or out of
                         memory */
};

/* An empty series; NULL when out of memory. Its grid of hours and its unit are those of settings;
 * what else they say is read at each call and may change. free of NULL is fine. */
struct window_series *window_create(const struct window_settings *settings);
void window_free(struct window_series *series);

/* A reading of that time comes soon: brings its hour into the cache. */
void window_expect(const struct window_series *series, int64_t time_ns);

/* Makes the series ready for readings that will be added later, at that watermark: windows begin
 * with it, unless they have begun, and window_due knows what comes next. */
void window_ready(struct window_series *series, const struct window_settings *settings,
                  int64_t watermark_ns);

/* Before this watermark window_advance changes nothing (0: after window_load, until window_ready or
 * the next call that takes a watermark); INT64_MAX: nothing until a reading comes. */
int64_t window_due(const struct window_series *series);

/* Bytes that a series takes now. */
size_t window_bytes(const struct window_series *series);

/*
 * Tells what the watermark (receive time of the record at hand, or of a tick; UTC) closes or
 * corrects, in order of closing, at most WINDOW_RESULTS_MAX results. A watermark before the
 * latest one does nothing.
 */
void window_advance(struct window_series *series, const struct window_settings *settings,
                    int64_t watermark_ns, struct window_out out);

/*
 * Takes one valid reading (a number, flag accepted, device measuring, not ahead of its receive
 * time, the first for its time), after window_advance to its watermark; both together give at
 * most WINDOW_RESULTS_MAX results. Late readings that need a thirteenth pending hour make the
 * pending corrections be told before it is taken.
 */
enum window_taken window_add(struct window_series *series, const struct window_settings *settings,
                             int64_t time_ns, double value, int64_t watermark_ns,
                             struct window_out out);

/* The times [*from_ns, *upto_ns] of the readings of those hours that window_advance to the
 * watermark would close; false: it would close none. */
bool window_closes(const struct window_series *series, const struct window_settings *settings,
                   int64_t watermark_ns, int64_t *from_ns, int64_t *upto_ns);

/* As window_add, of a reading that may yet turn out not to be valid; later window_settle says.
 * WINDOW_FULL also when too many are in doubt, or out of memory: it is not taken then. */
enum window_taken window_add_provisional(struct window_series *series,
                                         const struct window_settings *settings, int64_t time_ns,
                                         double value, int64_t watermark_ns, struct window_out out);

/* What is known of a reading in the end: a valid one is added unless it is in already as a
 * provisional one; one that is not valid is taken out if it is. As the result of window_add;
 * WINDOW_UNUSABLE: not valid, and was not in. */
enum window_taken window_settle(struct window_series *series,
                                const struct window_settings *settings, int64_t time_ns,
                                double value, bool valid, int64_t watermark_ns,
                                struct window_out out);

/* The statistic, NaN when the coverage is below the least asked for or there is none. */
double window_value(const struct window_numbers *numbers, enum window_statistic statistic,
                    double coverage);

/*
 * What stands now in the hour, 8 h or 24 h (kind) that ends at the full local hour end_ns, open or
 * closed: what NowCast and the indices ask for. False if end_ns is no full local hour, the window
 * lies not wholly within the hours kept (the watermark's and the WINDOW_RING_HOURS - 2 before it),
 * or it is of another kind.
 */
bool window_look(const struct window_series *series, const struct window_settings *settings,
                 enum window_kind kind, int64_t end_ns, struct window_numbers *numbers);

/*
 * The window that ends at the full local hour end_ns as it was last told, or would have been told
 * if its kind were: without late readings whose correction is pending. Of a day or night its 24 h,
 * without max_1h and max_8h. False if it has not closed, was always silent, lies not wholly within
 * the hours kept, ends at no such hour, or is the year.
 */
bool window_told(const struct window_series *series, const struct window_settings *settings,
                 enum window_kind kind, int64_t end_ns, struct window_numbers *numbers);

/*
 * Keeps the state and reads it back into a series just created. False with reader->failed when
 * what is read is none; the series is empty then. A state of another grid (offset, edge) is read
 * over and the series stays empty: true.
 */
void window_save(const struct window_series *series, struct state_writer *writer);
bool window_load(struct window_series *series, struct state_reader *reader);

#endif
