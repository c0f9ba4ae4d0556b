/* Clocks of stations that are unset, wrong, drifting or right, and backlogs that look like them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "draws.h"
#include "quality/station_clock.h"

#define S      INT64_C(1000000000)
#define MINUTE (60 * S)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define NOW    (INT64_C(1767225600) * S) /* 2026-01-01 */
#define Y2000  (INT64_C(946684800) * S)

static const struct station_clock_limits limits = { 5 * MINUTE, DAY, 5 * MINUTE };

/* A report of one record. */
struct taken {
    enum station_clock_kind kind;
    struct station_clock_place place;
};

static struct taken conclude(struct station_clock *clock, struct station_clock_report *report,
                             int64_t time_ns, bool relative)
{
    station_clock_see(report, time_ns, relative);
    struct station_clock_verdict verdict = station_clock_take(clock, report);
    return (struct taken){ verdict.kind, station_clock_place(report, &verdict, time_ns, relative) };
}

static struct taken take(struct station_clock *clock, int64_t received_ns, int64_t stamp_ns)
{
    struct station_clock_report report = station_clock_begin(clock, &limits, received_ns);
    return conclude(clock, &report, stamp_ns, false);
}

static struct taken take_relative(struct station_clock *clock, int64_t received_ns, int64_t ahead)
{
    struct station_clock_report report = station_clock_begin(clock, &limits, received_ns);
    return conclude(clock, &report, received_ns + ahead, true);
}

/* A record made at `up` of a boot, with its own time 0. */
static struct taken take_boot(struct station_clock *clock, int64_t received_ns, uint32_t log,
                              uint32_t boot, double up)
{
    struct station_clock_report report = station_clock_begin(clock, &limits, received_ns);
    report.unset = report.dateable = true;
    report.log = log;
    report.boot = boot;
    report.up_s = up;
    return conclude(clock, &report, received_ns, true);
}

static void is_at(struct taken taken, enum station_clock_kind kind, int64_t time_ns,
                  bool reconstructed)
{
    assert_string_equal(station_clock_name(taken.kind), station_clock_name(kind));
    assert_int_equal(taken.place.time_ns, time_ns);
    assert_int_equal(taken.place.reconstructed, reconstructed);
}

static void stays(struct taken taken, enum station_clock_kind kind, int64_t time_ns)
{
    is_at(taken, kind, time_ns, false);
    assert_true(taken.place.stamped);
}

/* --- single reports --------------------------------------------------------------------------- */

static void a_plausible_stamp_stays(void **state)
{
    (void)state;
    struct station_clock clock = { 0 };
    stays(take(&clock, NOW, NOW), STATION_CLOCK_GOOD, NOW);
    stays(take(&clock, NOW, NOW + 5 * MINUTE), STATION_CLOCK_GOOD, NOW + 5 * MINUTE);
    stays(take(&clock, NOW, NOW + 5 * MINUTE + 1), STATION_CLOCK_AHEAD, NOW + 5 * MINUTE + 1);
    stays(take(&clock, NOW, NOW + DAY), STATION_CLOCK_AHEAD, NOW + DAY);
    stays(take(&clock, NOW, NOW - 300 * DAY), STATION_CLOCK_GOOD, NOW - 300 * DAY);
    stays(take(&clock, NOW, NOW - STATION_CLOCK_LOG_MOST_NS), STATION_CLOCK_GOOD,
          NOW - STATION_CLOCK_LOG_MOST_NS);
    struct station_clock past = { 0 }; /* a recording that is played at its own time */
    int64_t then = STATION_CLOCK_LEAST_NS + 10 * 365 * DAY;
    stays(take(&past, then, STATION_CLOCK_LEAST_NS), STATION_CLOCK_GOOD, STATION_CLOCK_LEAST_NS);
}

static void the_impossible_is_put_at_the_receive_time(void **state)
{
    (void)state;
    static const struct {
        int64_t stamp_ns;
        enum station_clock_kind kind;
    } cases[] = { { NOW + DAY + 1, STATION_CLOCK_FUTURE },
                  { INT64_MAX, STATION_CLOCK_FUTURE },
                  { Y2000, STATION_CLOCK_UNSET },
                  { STATION_CLOCK_LEAST_NS - 1, STATION_CLOCK_UNSET },
                  { INT64_C(1000000000) * S, STATION_CLOCK_UNSET }, /* 2001 */
                  { NOW - 1024 * 7 * DAY, STATION_CLOCK_UNSET },    /* GPS, once around */
                  { NOW - STATION_CLOCK_LOG_MOST_NS - 1, STATION_CLOCK_UNSET },
                  { INT64_MIN, STATION_CLOCK_UNSET } };
    struct station_clock clock = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        is_at(take(&clock, NOW + (int64_t)i * S, cases[i].stamp_ns), cases[i].kind,
              NOW + (int64_t)i * S, true);
    }
}

static void no_two_are_put_into_one_millisecond(void **state)
{
    (void)state;
    struct station_clock clock = { 0 };
    for (int i = 0; i < 400000; i++) {
        int64_t put = NOW + i * (S / 1000);
        bool far = i > 300000; /* 5 minutes */
        struct taken taken = take(&clock, NOW, i % 2 == 0 ? Y2000 : NOW + 9 * DAY);
        assert_int_equal(taken.place.time_ns, far ? NOW + (i - 300001) * (S / 1000) : put);
    }
    is_at(take(&clock, NOW, NOW), STATION_CLOCK_GOOD, NOW, false);
    is_at(take(&clock, NOW + HOUR, Y2000), STATION_CLOCK_UNSET, NOW + HOUR, true);
    (void)take_boot(&clock, NOW + HOUR, 7, 5, 600);
    for (int up = 1; up < 1000; up++) { /* the backlog of a boot that ended, oldest first */
        is_at(take_boot(&clock, NOW + HOUR, 7, 4, up), STATION_CLOCK_DATED,
              NOW + HOUR - 600 * S + (up - 1) * (S / 1000), true);
    }
}

static void what_is_known_by_its_stamp(void **state)
{
    (void)state;
    struct station_clock clock = { 0 };
    assert_true(take(&clock, NOW, NOW + 2 * DAY).place.stamped); /* it goes on, wrong as it is */
    assert_false(take(&clock, NOW, Y2000).place.stamped); /* it is the same after each boot */
    assert_false(take_relative(&clock, NOW, 0).place.stamped);
    assert_false(take_boot(&clock, NOW, 1, 1, 5).place.stamped);
}

static void relative_times_are_relative_until_they_are_1970(void **state)
{
    (void)state;
    struct station_clock clock = { 0 };
    is_at(take_relative(&clock, NOW, -HOUR), STATION_CLOCK_GOOD, NOW - HOUR, false);
    is_at(take_relative(&clock, NOW, 0), STATION_CLOCK_GOOD, NOW, false);
    is_at(take_relative(&clock, NOW, 5 * MINUTE), STATION_CLOCK_GOOD, NOW + 5 * MINUTE, false);
    is_at(take_relative(&clock, NOW, 5 * MINUTE + 1), STATION_CLOCK_UNSET, NOW, true);
    is_at(take_relative(&clock, NOW + S, 1000 * DAY), STATION_CLOCK_UNSET, NOW + S, true);
    clock.said = STATION_CLOCK_SAID_UNSET;
    is_at(take_relative(&clock, NOW + 2 * S, S), STATION_CLOCK_UNSET, NOW + 2 * S, true);
    assert_false(clock.has_difference); /* no clock is in it */
}

static void records_keep_their_distances(void **state)
{
    (void)state;
    struct station_clock clock = { 0 };
    const int64_t stamps[] = { Y2000,          Y2000 + MINUTE, NOW + 40 * DAY,
                               NOW + 41 * DAY, NOW - MINUTE,   INT64_MIN };
    const int64_t places[] = { NOW - MINUTE, NOW, NOW - DAY, NOW, NOW - MINUTE, NOW };
    struct station_clock_report report = station_clock_begin(&clock, &limits, NOW);
    for (size_t i = 0; i < 6; i++) {
        station_clock_see(&report, stamps[i], false);
    }
    struct station_clock_verdict verdict = station_clock_take(&clock, &report);
    for (size_t i = 0; i < 6; i++) {
        struct station_clock_place place = station_clock_place(&report, &verdict, stamps[i], false);
        assert_int_equal(place.time_ns, places[i]);
        assert_int_equal(place.reconstructed, i != 4);
    }
}

/* --- boot and up ---------------------------------------------------------------------------- */

static void a_boot_is_dated_by_its_fastest_report(void **state)
{
    (void)state;
    struct station_clock clock = { 0 };
    is_at(take_boot(&clock, NOW + 100 * S, 7, 3, 90), STATION_CLOCK_ARRIVAL, NOW + 100 * S, true);
    is_at(take_boot(&clock, NOW + 101 * S, 7, 3, 30), STATION_CLOCK_DATED, NOW + 40 * S, true);
    is_at(take_boot(&clock, NOW + 122 * S, 7, 3, 120), STATION_CLOCK_DATED, NOW + 122 * S, true);
    is_at(take_boot(&clock, NOW + 500 * S, 7, 3, 30), STATION_CLOCK_DATED, NOW + 32 * S, true);
    is_at(take_boot(&clock, NOW + 500 * S, 8, 1, 30), STATION_CLOCK_ARRIVAL, NOW + 500 * S, true);
}

static void a_boot_ended_before_the_next_began(void **state)
{
    (void)state;
    struct station_clock clock = { 0 };
    is_at(take_boot(&clock, NOW, 7, 5, 600), STATION_CLOCK_ARRIVAL, NOW, true);
    is_at(take_boot(&clock, NOW + S, 7, 4, 3600), STATION_CLOCK_DATED, NOW - 600 * S, true);
    is_at(take_boot(&clock, NOW + 2 * S, 7, 4, 3000), STATION_CLOCK_DATED, NOW - 1200 * S, true);
    is_at(take_boot(&clock, NOW + 3 * S, 7, 6, 2), STATION_CLOCK_ARRIVAL, NOW + 3 * S, true);
}

static void four_boots_are_remembered(void **state)
{
    (void)state;
    struct station_clock clock = { 0 };
    for (uint32_t boot = 1; boot <= 5; boot++) {
        is_at(take_boot(&clock, NOW + boot * HOUR, 7, boot, 10), STATION_CLOCK_ARRIVAL,
              NOW + boot * HOUR, true);
    }
    is_at(take_boot(&clock, NOW + DAY, 7, 2, 20), STATION_CLOCK_DATED, NOW + 2 * HOUR + 10 * S,
          true);
    is_at(take_boot(&clock, NOW + DAY, 7, 1, 10), STATION_CLOCK_DATED, NOW + 2 * HOUR - 10 * S,
          true);
    is_at(take_boot(&clock, NOW + DAY, 7, 3, 20), STATION_CLOCK_DATED, NOW + 4 * HOUR - 10 * S,
          true);
    assert_int_equal(clock.boot_count, 4);
}

static void a_boot_without_what_it_needs_is_dated_by_its_arrival(void **state)
{
    (void)state;
    struct station_clock clock = { 0 };
    is_at(take_boot(&clock, NOW, 7, 3, 1e300), STATION_CLOCK_ARRIVAL, NOW, true);
    is_at(take_boot(&clock, NOW, 7, 3, (double)NAN), STATION_CLOCK_ARRIVAL, NOW, true);
    struct station_clock_report report = station_clock_begin(&clock, &limits, NOW);
    report.unset = true;
    is_at(conclude(&clock, &report, NOW - 5 * S, true), STATION_CLOCK_ARRIVAL, NOW - 5 * S, true);
    assert_int_equal(clock.boot_count, 0);
}

static void stamps_of_a_clock_said_to_be_unset_are_not_believed(void **state)
{
    (void)state;
    struct station_clock clock = { 0 };
    (void)take_boot(&clock, NOW, 7, 3, 100);
    struct station_clock_report report = station_clock_begin(&clock, &limits, NOW + DAY);
    report.unset = report.dateable = true;
    report.log = 7;
    report.boot = 3;
    report.up_s = 160;
    station_clock_see(&report, NOW - 400 * DAY, false);
    is_at(conclude(&clock, &report, NOW - 400 * DAY + 9 * S, false), STATION_CLOCK_DATED,
          NOW + 60 * S, true);
    assert_false(clock.has_difference);
}

static void what_came_before_teaches_nothing(void **state)
{
    (void)state;
    struct station_clock clock = { 0 }, before;
    (void)take_boot(&clock, NOW, 7, 3, 100);
    (void)take(&clock, NOW, NOW - S);
    before = clock;
    struct station_clock_report report = station_clock_begin(&clock, &limits, NOW - 9 * DAY);
    report.past = true;
    is_at(conclude(&clock, &report, NOW, false), STATION_CLOCK_FUTURE, NOW - 9 * DAY, true);
    report = station_clock_begin(&clock, &limits, NOW - DAY);
    report.past = report.unset = report.dateable = true;
    report.log = 7;
    report.boot = 3;
    report.up_s = 40;
    is_at(conclude(&clock, &report, NOW - DAY, true), STATION_CLOCK_DATED, NOW - DAY, true);
    assert_memory_equal(&clock, &before, sizeof clock);
}

/* --- steadily behind ------------------------------------------------------------------------ */

/* Reports each `step` whose difference begins at `difference` and grows by `by` each time; the
 * number of those that were not taken for behind. */
static int give(struct station_clock *clock, int64_t *now, int count, int64_t step,
                int64_t difference, int64_t by)
{
    int good = 0;
    for (int i = 0; i < count; i++) {
        struct taken taken = take(clock, *now, *now - difference - i * by);
        good += taken.kind == STATION_CLOCK_GOOD ? 1 : 0;
        if (taken.kind == STATION_CLOCK_BEHIND) {
            assert_int_equal(taken.place.time_ns, *now);
            assert_true(taken.place.reconstructed && taken.place.stamped);
        }
        *now += step;
    }
    return good;
}

static void a_clock_that_is_behind_is_found_out(void **state)
{
    (void)state;
    struct station_clock clock = { 0 };
    int64_t now = NOW;
    assert_int_equal(give(&clock, &now, 30, 5 * MINUTE, 3 * DAY, 0), 12); /* an hour of them */
    struct taken backlog = take(&clock, now, now - 3 * DAY - 2 * HOUR);
    is_at(backlog, STATION_CLOCK_BEHIND, now - 2 * HOUR, true);
    now += S;
    assert_int_equal(give(&clock, &now, 3, 5 * MINUTE, 3 * DAY + S, 0), 0);
    assert_int_equal(give(&clock, &now, 3, 5 * MINUTE, S, 0), 3); /* it was set */
    assert_int_equal(give(&clock, &now, 8, HOUR, 3 * DAY, 0), 7); /* eight of them */
    assert_int_equal(clock.kind, STATION_CLOCK_BEHIND);
}

static void one_that_goes_wrongly_besides_stays_behind(void **state)
{
    (void)state;
    struct station_clock clock = { 0 };
    int64_t now = NOW;
    assert_int_equal(give(&clock, &now, 4000, 10 * MINUTE, 3 * DAY, MINUTE / 2), 7);
}

static void a_clock_set_to_another_wrong_time_is_found_out_anew(void **state)
{
    (void)state;
    struct station_clock clock = { 0 };
    int64_t now = NOW;
    assert_int_equal(give(&clock, &now, 10 * 288, 5 * MINUTE, 3 * DAY, 0), 12);
    is_at(take(&clock, now, now - 3 * DAY - 12 * HOUR), STATION_CLOCK_BEHIND, now - 12 * HOUR,
          true);
    assert_int_equal(give(&clock, &now, 12, 5 * MINUTE, 2 * DAY, 0), 12);
    assert_int_equal(give(&clock, &now, 18, 5 * MINUTE, 2 * DAY, 0), 0);
}

static void a_backlog_is_no_wrong_clock(void **state)
{
    (void)state;
    struct station_clock clock = { 0 };
    int64_t now = NOW;
    /* oldest first, ten a second, then at twice its own time */
    assert_int_equal(give(&clock, &now, 2000, S / 10, 9 * DAY, -(5 * MINUTE - S / 10)), 2000);
    assert_int_equal(give(&clock, &now, 500, 5 * MINUTE, 4 * DAY, -5 * MINUTE), 500);
    /* newest first */
    assert_int_equal(give(&clock, &now, 2000, S / 10, 2 * DAY, 5 * MINUTE + S / 10), 2000);
    /* fresh ones between */
    for (int i = 0; i < 500; i++) {
        assert_int_equal(give(&clock, &now, 1, MINUTE, 3 * DAY, 0), 1);
        assert_int_equal(give(&clock, &now, i % 6 == 0 ? 1 : 0, MINUTE, S, 0), i % 6 == 0 ? 1 : 0);
    }
}

static void a_synced_clock_is_believed_when_behind(void **state)
{
    (void)state;
    struct station_clock clock = { .said = STATION_CLOCK_SAID_SYNCED };
    int64_t now = NOW;
    assert_int_equal(give(&clock, &now, 100, 5 * MINUTE, 3 * DAY, 0), 100);
    is_at(take(&clock, now, now + 3 * DAY), STATION_CLOCK_FUTURE, now, true);
}

static void a_steady_delay_below_the_limit_is_legitimate(void **state)
{
    (void)state;
    struct station_clock clock = { 0 };
    int64_t now = NOW;
    assert_int_equal(give(&clock, &now, 1000, 5 * MINUTE, DAY, 0), 1000);
}

static void silence_ends_the_comparison(void **state)
{
    (void)state;
    struct station_clock clock = { 0 };
    int64_t now = NOW;
    assert_int_equal(give(&clock, &now, 13, 5 * MINUTE, 3 * DAY, 0), 12);
    now += 3 * HOUR;
    assert_int_equal(give(&clock, &now, 12, 5 * MINUTE, 3 * DAY, 0), 12);
    assert_int_equal(give(&clock, &now, 1, 5 * MINUTE, 3 * DAY, 0), 0);
}

/* --- the collector's clock ------------------------------------------------------------------ */

static void a_collector_that_went_back_moves_nothing(void **state)
{
    (void)state;
    struct station_clock clock = { 0 };
    stays(take(&clock, NOW, NOW - S), STATION_CLOCK_GOOD, NOW - S);
    (void)take_boot(&clock, NOW, 7, 3, 100);
    stays(take(&clock, NOW - 3 * DAY, NOW + S), STATION_CLOCK_AHEAD, NOW + S);
    is_at(take_boot(&clock, NOW - 3 * DAY, 7, 3, 110), STATION_CLOCK_DATED, NOW - 3 * DAY, true);
    is_at(take_boot(&clock, NOW + 20 * S, 7, 3, 110), STATION_CLOCK_DATED, NOW + 10 * S, true);
    is_at(take(&clock, NOW + 30 * S, NOW + 3 * DAY), STATION_CLOCK_FUTURE, NOW + 30 * S, true);
    stays(take(&clock, NOW - 3 * DAY, NOW), STATION_CLOCK_AHEAD, NOW);
    stays(take(&clock, NOW - 13 * DAY, NOW), STATION_CLOCK_AHEAD, NOW);
    is_at(take(&clock, NOW - 12 * DAY, NOW + S), STATION_CLOCK_FUTURE, NOW - 12 * DAY, true);
}

static void a_collector_without_a_clock_moves_nothing(void **state)
{
    (void)state;
    struct station_clock clock = { 0 };
    stays(take(&clock, 9 * HOUR, NOW), STATION_CLOCK_AHEAD, NOW);
    is_at(take(&clock, 9 * HOUR, Y2000), STATION_CLOCK_UNSET, 9 * HOUR, true);
    assert_false(clock.has_difference);
}

/* --- differences and drift ------------------------------------------------------------------ */

static void differences_are_kept_for_people(void **state)
{
    (void)state;
    struct station_clock clock = { 0 };
    for (int i = 0; i < 20; i++) {
        (void)take(&clock, NOW + i * MINUTE, NOW + i * MINUTE - (20 - i % 10) * S);
    }
    assert_true(clock.has_difference);
    assert_int_equal(clock.difference_ns, 11 * S);
    assert_int_equal(station_clock_smallest(&clock), 11 * S);
    (void)take(&clock, NOW + HOUR, Y2000);
    assert_int_equal(clock.difference_ns, NOW + HOUR - Y2000);
}

/* Hours of a clock that begins with a difference and loses `rate` ms a day, with delays of up to
 * delay_ns and every tenth report hours late. True if it was ever said to drift. */
static bool drift(struct station_clock *clock, struct draws *draws, int hours, int64_t begin,
                  int64_t rate, int64_t delay_ns)
{
    bool ever = false;
    for (int64_t at = 0; at < hours * HOUR; at += 5 * MINUTE) {
        int64_t lost = (int64_t)((double)rate * 1e6 * ((double)at / (double)DAY));
        int64_t delay = (int64_t)draw_below(draws, (uint64_t)delay_ns);
        delay += draw_below(draws, 10) == 0 ? (int64_t)draw_below(draws, 9 * HOUR) : 0;
        stays(take(clock, NOW + at, NOW + at - begin - lost - delay),
              begin + lost + delay < -5 * MINUTE ? STATION_CLOCK_AHEAD : STATION_CLOCK_GOOD,
              NOW + at - begin - lost - delay);
        ever |= clock->drifting;
    }
    return ever;
}

static void a_drift_is_measured(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    for (int i = 0; i < 200; i++) {
        struct station_clock clock = { 0 };
        int64_t rate = 2000 + (int64_t)draw_below(&draws, 600000);
        int64_t sign = i % 2 == 0 ? 1 : -1;
        (void)drift(&clock, &draws, 30, sign * 6 * MINUTE, sign * rate, S / 5);
        assert_true(clock.has_rate && clock.drifting);
        assert_true(llabs(clock.drift_ms_per_day - sign * rate) < 200 + rate / 25);
    }
}

static void a_drift_within_the_limit_is_only_measured(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    struct station_clock clock = { 0 };
    assert_false(drift(&clock, &draws, 30, 0, 8000, S / 5));
    assert_true(clock.has_rate);
    assert_true(llabs(clock.drift_ms_per_day - 8000) < 600);
}

static void delays_are_no_drift(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    for (int i = 0; i < 200; i++) {
        struct station_clock clock = { 0 };
        assert_false(drift(&clock, &draws, 60, 10 * MINUTE, 0, 20 * MINUTE));
    }
}

static void a_clock_that_was_set_drifts_no_more(void **state)
{
    (void)state;
    struct station_clock clock = { 0 };
    int64_t now = NOW;
    (void)give(&clock, &now, 12 * 16, 5 * MINUTE, 20 * MINUTE, S);
    assert_true(clock.drifting);
    (void)give(&clock, &now, 12 * 2 + 2, 5 * MINUTE, S, 0);
    assert_true(!clock.drifting && !clock.has_rate);
}

/* --- any times, and the state --------------------------------------------------------------- */

static int64_t any_time(struct draws *draws, int64_t now)
{
    now = now < NOW || now > 4 * NOW ? NOW : now;
    switch (draw_below(draws, 5)) {
    case 0:
        return (int64_t)draw(draws);
    case 1:
        return draw_below(draws, 2) == 0 ? INT64_MIN : INT64_MAX;
    case 2:
        return Y2000 + (int64_t)draw_below(draws, (uint64_t)DAY);
    case 3:
        return now + 3 * DAY - (int64_t)draw_below(draws, 6 * (uint64_t)DAY);
    default:
        return now - (int64_t)draw_below(draws, (uint64_t)HOUR);
    }
}

static struct taken take_any(struct station_clock *clock, struct draws *draws, int64_t received_ns)
{
    struct station_clock_report report = station_clock_begin(clock, &limits, received_ns);
    report.unset = draw_below(draws, 4) == 0;
    report.dateable = report.unset && draw_below(draws, 4) != 0;
    report.past = draw_below(draws, 9) == 0;
    report.log = (uint32_t)draw_below(draws, 2);
    report.boot = (uint32_t)draw_below(draws, 7);
    report.up_s = draw_below(draws, 3) == 0 ? draw_double(draws) : (double)draw_below(draws, 90000);
    for (uint64_t i = draw_below(draws, 3); i > 0; i--) {
        station_clock_see(&report, any_time(draws, received_ns), draw_below(draws, 3) == 0);
    }
    int64_t time_ns = any_time(draws, received_ns);
    return conclude(clock, &report, time_ns, draw_below(draws, 3) == 0);
}

static void any_times_are_taken(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    struct station_clock clock = { 0 };
    int64_t now = NOW;
    for (int i = 0; i < 300000; i++) {
        now += (int64_t)draw_below(&draws, 10 * (uint64_t)MINUTE);
        int64_t received = draw_below(&draws, 50) == 0 ? any_time(&draws, now) : now;
        struct taken taken = take_any(&clock, &draws, received);
        if (received == now && taken.place.reconstructed) {
            assert_true(taken.place.time_ns >= STATION_CLOCK_LEAST_NS);
            assert_true(taken.place.time_ns <= now + 5 * MINUTE);
        }
        if (i % 1000 == 0) {
            clock = (struct station_clock){ 0 };
        }
    }
}

/* Kept and read back anywhere, it goes on the same. */
static void the_state_is_kept(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    for (int round = 0; round < 100; round++) {
        struct station_clock clock = { 0 }, again;
        int64_t now = NOW;
        for (uint64_t i = draw_below(&draws, 400); i > 0; i--) {
            now += (int64_t)draw_below(&draws, 40 * (uint64_t)MINUTE);
            (void)take_any(&clock, &draws, now);
            clock.said = (uint8_t)draw_below(&draws, 4);
        }
        struct state_writer writer = { 0 };
        station_clock_save(&clock, &writer);
        struct state_reader reader = state_reader_of(writer.bytes, writer.used);
        assert_true(station_clock_load(&again, &reader));
        assert_ptr_equal(reader.at, reader.end);
        for (int i = 0; i < 200; i++) {
            struct draws same;
            now += (int64_t)draw_below(&draws, 40 * (uint64_t)MINUTE);
            same = draws;
            struct taken one = take_any(&clock, &draws, now);
            is_at(take_any(&again, &same, now), one.kind, one.place.time_ns,
                  one.place.reconstructed);
        }
        state_writer_free(&writer);
    }
}

static void a_damaged_state_is_refused_or_harmless(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    struct station_clock clock = { 0 };
    int64_t now = NOW;
    (void)give(&clock, &now, 400, 5 * MINUTE, 3 * DAY, S);
    (void)take_boot(&clock, now, 1, 2, 3);
    struct state_writer writer = { 0 };
    station_clock_save(&clock, &writer);
    for (size_t length = 0; length < writer.used; length++) {
        struct state_reader reader = state_reader_of(writer.bytes, length);
        assert_false(station_clock_load(&clock, &reader));
        assert_int_equal(clock.boot_count, 0);
    }
    for (int round = 0; round < 20000; round++) {
        size_t at = (size_t)draw_below(&draws, writer.used);
        uint8_t was = writer.bytes[at];
        writer.bytes[at] = (uint8_t)draw(&draws);
        struct state_reader reader = state_reader_of(writer.bytes, writer.used);
        (void)station_clock_load(&clock, &reader);
        for (int i = 0; i < 30; i++) {
            (void)take_any(&clock, &draws, now + i * 10 * MINUTE);
        }
        writer.bytes[at] = was;
    }
    state_writer_free(&writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plausible_stamp_stays),
        cmocka_unit_test(the_impossible_is_put_at_the_receive_time),
        cmocka_unit_test(no_two_are_put_into_one_millisecond),
        cmocka_unit_test(what_is_known_by_its_stamp),
        cmocka_unit_test(relative_times_are_relative_until_they_are_1970),
        cmocka_unit_test(records_keep_their_distances),
        cmocka_unit_test(a_boot_is_dated_by_its_fastest_report),
        cmocka_unit_test(a_boot_ended_before_the_next_began),
        cmocka_unit_test(four_boots_are_remembered),
        cmocka_unit_test(a_boot_without_what_it_needs_is_dated_by_its_arrival),
        cmocka_unit_test(stamps_of_a_clock_said_to_be_unset_are_not_believed),
        cmocka_unit_test(what_came_before_teaches_nothing),
        cmocka_unit_test(a_clock_that_is_behind_is_found_out),
        cmocka_unit_test(one_that_goes_wrongly_besides_stays_behind),
        cmocka_unit_test(a_clock_set_to_another_wrong_time_is_found_out_anew),
        cmocka_unit_test(a_backlog_is_no_wrong_clock),
        cmocka_unit_test(a_synced_clock_is_believed_when_behind),
        cmocka_unit_test(a_steady_delay_below_the_limit_is_legitimate),
        cmocka_unit_test(silence_ends_the_comparison),
        cmocka_unit_test(a_collector_that_went_back_moves_nothing),
        cmocka_unit_test(a_collector_without_a_clock_moves_nothing),
        cmocka_unit_test(differences_are_kept_for_people),
        cmocka_unit_test(a_drift_is_measured),
        cmocka_unit_test(a_drift_within_the_limit_is_only_measured),
        cmocka_unit_test(delays_are_no_drift),
        cmocka_unit_test(a_clock_that_was_set_drifts_no_more),
        cmocka_unit_test(any_times_are_taken),
        cmocka_unit_test(the_state_is_kept),
        cmocka_unit_test(a_damaged_state_is_refused_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
