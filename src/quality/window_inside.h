/*
 * What a series of windows keeps. For window*.c only.
 *
 * Hours are counted in local time: hour n ends n hours after 1970-01-01 00:00 local. `hour` is that
 * of the watermark. The ring holds the hours hour + 1 (readings may be a little ahead) down to
 * hour - OLDEST_BEFORE, hour n at n modulo its length; an hour that leaves it is added to `base`,
 * the year before the ring.
 *
 * Windows up to the hour `closed` were told. An hour at or before it that a late reading changes is
 * kept beside the ring as it was told, until the correction is.
 */
#ifndef QUALITY_WINDOW_INSIDE_H
#define QUALITY_WINDOW_INSIDE_H

#include "quality/exact.h"
#include "quality/window.h"

#define SECOND_OF_NS   INT64_C(1000000000)
#define HOUR_NS        (3600 * SECOND_OF_NS)
#define HOURS_OF_8H    8
#define HOURS_OF_DAY   24
#define NOON           12
#define AHEAD_HOURS    1
#define OLDEST_BEFORE  (WINDOW_RING_HOURS - 1 - AHEAD_HOURS)
#define TIME_LEAST_NS  (INT64_C(366) * 24 * HOUR_NS)        /* 1971: local hours are positive */
#define TIME_MOST_NS   (INT64_C(7258118400) * SECOND_OF_NS) /* 2200 */
/* Of the base: the sum of a year with all that the ring can hold must fit. */
#define BASE_COUNT_MAX (EXACT_COUNT_MAX - (uint32_t)WINDOW_RING_HOURS * WINDOW_HOUR_COUNT_MAX)

struct aggregate {
    struct exact sum;
    double min, max; /* meaningless while the count is 0 */
};

/* The samples of a year before the ring. */
struct year_base {
    struct aggregate all;
    uint32_t count; /* at most BASE_COUNT_MAX */
};

/* A closed hour that has changed, as it was told. */
struct told_hour {
    struct aggregate all;
    uint16_t count;
    uint8_t slot; /* which place of the ring */
};

/* A reading that may still be taken back, and the extremes of the others of its hour that may not
 * (NaN: there are none). */
struct provisional {
    int64_t time_ns;
    double value, min, max;
};

struct provisionals {
    size_t count;
    struct provisional readings[WINDOW_PROVISIONAL_MAX];
};

struct window_series {
    int32_t utc_offset_s;
    int16_t exponent; /* of the sums' unit */
    uint8_t edge;     /* enum window_edge */
    bool begun;       /* a reading has come; else only the watermark means something */
    uint8_t told_count, told_capacity;
    int32_t base_year;
    struct told_hour *told;           /* owned */
    struct year_base *base_told;      /* owned; NULL: `base` has not changed since it was told */
    struct provisionals *provisional; /* owned; NULL: none */
    int64_t watermark_ns;
    int64_t next_ns; /* before it the watermark changes nothing; 0: to be found, after a restart */
    int64_t due_ns;  /* of the pending corrections; INT64_MAX: none */
    int64_t hour, closed;
    int64_t newest; /* the latest hour that ever had a sample */
    struct year_base base;
    struct aggregate ring[WINDOW_RING_HOURS];
    uint16_t counts[WINDOW_RING_HOURS];
    uint8_t rounds[WINDOW_RING_HOURS]; /* how often what ends there was corrected */
};

_Static_assert(sizeof(struct window_series) <= WINDOW_SERIES_BYTES, "the memory promised");
_Static_assert(WINDOW_TOLD_MAX * sizeof(struct told_hour) + sizeof(struct year_base) <=
                   WINDOW_PENDING_BYTES,
               "the memory promised");
_Static_assert(WINDOW_RING_HOURS < UINT8_MAX, "a place of the ring fits told_hour");

static inline size_t window_slot(int64_t hour)
{
    return (size_t)(hour % WINDOW_RING_HOURS);
}

/* The hour that a time (TIME_LEAST_NS .. TIME_MOST_NS) belongs to. */
static inline int64_t window_hour(const struct window_series *series, int64_t time_ns)
{
    int64_t local = time_ns + series->utc_offset_s * SECOND_OF_NS;
    return series->edge == WINDOW_EDGE_BEGINS ? local / HOUR_NS + 1
                                              : (local + HOUR_NS - 1) / HOUR_NS;
}

static inline bool window_ends_day(int64_t hour)
{
    return hour % HOURS_OF_DAY == 0;
}

/* Adds the samples of one aggregate to another. */
static inline void window_merge(struct aggregate *sum, uint32_t sum_count,
                                const struct aggregate *more, uint32_t more_count)
{
    if (more_count == 0) {
        return;
    }
    sum->sum = exact_plus(sum->sum, more->sum);
    sum->min = sum_count == 0 || more->min < sum->min ? more->min : sum->min;
    sum->max = sum_count == 0 || more->max > sum->max ? more->max : sum->max;
}

/* --- window_tally.c ------------------------------------------------------------------------- */

/* The calendar year an hour belongs to, and the hour that ends when that year begins. */
int32_t window_year(int64_t hour);
int64_t window_year_begin(int32_t year);

/* In all of these `told` asks for what was told, without the pending changes. */

/* True if a sample lies in the 24 h up to the hour: its windows are told. */
bool window_speaks(const struct window_series *series, int64_t hour, bool told);

/* The 1, 8 and 24 h up to an hour. */
struct window_lengths {
    struct window_numbers one, eight, day;
};
void window_tally(const struct window_series *series, const struct window_settings *settings,
                  int64_t hour, bool told, struct window_lengths *lengths);

/* One of them alone. */
struct window_numbers window_tally_one(const struct window_series *series,
                                       const struct window_settings *settings, int64_t hour,
                                       enum window_kind kind);

/* Adds max_1h and max_8h of the day that ends with the hour. */
void window_tally_largest(const struct window_series *series,
                          const struct window_settings *settings, int64_t hour, bool told,
                          struct window_numbers *day);

/* The year up to the hour, a midnight in the ring. */
struct window_numbers window_tally_year(const struct window_series *series,
                                        const struct window_settings *settings, int64_t hour,
                                        bool told);

/* --- window.c ------------------------------------------------------------------------------- */

/* Adds the samples of one aggregate to another. */
void window_merge(struct aggregate *sum, uint32_t sum_count, const struct aggregate *more,
                  uint32_t more_count);

/* Room for one more hour as it was told; at most WINDOW_TOLD_MAX. False when out of memory. */
bool window_told_room(struct window_series *series);

/* As window_add, whatever is provisional. */
enum window_taken window_put(struct window_series *series, const struct window_settings *settings,
                             int64_t time_ns, double value, int64_t watermark_ns,
                             struct window_out out);

/* Takes out a reading that window_put took; min and max: of the others of its hour. As the result
 * of window_put: WINDOW_TAKEN, WINDOW_LATE; WINDOW_TOO_LATE when its hour can no longer be
 * corrected. */
enum window_taken window_take_out(struct window_series *series,
                                  const struct window_settings *settings,
                                  const struct provisional *reading, int64_t watermark_ns,
                                  struct window_out out);

/* --- window_provisional.c ------------------------------------------------------------------- */

/* A reading that stays has come into an hour. */
void window_note_settled(struct window_series *series, int64_t time_ns, double value);

void window_save_provisional(const struct window_series *series, struct state_writer *writer);
/* Into a series whose hours are read already. */
void window_load_provisional(struct window_series *series, struct state_reader *reader);

#endif
