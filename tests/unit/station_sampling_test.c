/*
 * Samples, observations and events of a station: what is reported of which samples, sensors
 * that take their time, local checks, calibration states, delayed sending.
 */
#include "station_port.h"

static struct port *port;

static int set_up(void **state)
{
    (void)state;
    port = port_create(64, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    port_destroy(port);
    return 0;
}

static double value_in(const struct port_report *report, const char *name)
{
    const struct phusa_reading *reading = port_find(report, name);
    assert_non_null(reading);
    return reading->value;
}

static bool equal(double a, double b)
{
    return fabs(a - b) <= 1e-9 * (1 + fabs(b));
}

/* --- what is no number ---------------------------------------------------------------- */

static struct hal_sample no_numbers(struct port *p, size_t channel, int64_t at_ns)
{
    static const double values[] = { NAN, INFINITY, -INFINITY, -NAN };
    (void)p;
    return port_value(channel == 0 ? (double)(at_ns / MINUTE_NS % 100)
                                   : values[at_ns / MINUTE_NS % 4]);
}

/* NaN and infinities are failures, counted; they spoil no mean, no check and no report. */
static void test_what_is_no_number_has_failed(void **state)
{
    (void)state;
    static const struct station_channel_settings settings[2] = {
        { .statistics = STATISTIC_COUNT },
        { .statistics = STATISTIC_MINIMUM | STATISTIC_MAXIMUM | STATISTIC_DEVIATION | STATISTIC_RAW,
          .event_step = 0.5,
          .checks = { .low = 0, .high = 10, .step = 1 } }
    };
    port->options.sample_every_ns = MINUTE_NS;
    port->options.fast_every_ns = 20 * SECOND_NS;
    port->options.channel_settings = settings;
    port->sample = no_numbers;
    assert_int_equal(port_boot(port), STATION_OK);
    port_link(port, true);
    port_pass(port, HOUR_NS, SECOND_NS * 20);
    assert_true(port->taken_count >= 4);
    assert_true(port->station.counters.failed >= 60);
    assert_int_equal(port->station.counters.events, 0);
    for (size_t i = 0; i < port->taken_count; i++) {
        assert_int_equal(port->taken[i].report.count, 2); /* salinity and its count */
        assert_true(isfinite(port->taken[i].report.readings[0].value));
    }
}

/* --- observations -------------------------------------------------------------------- */

/* Minutes since the start; channel 1 has no number in some of them. */
static struct hal_sample by_minute(struct port *p, size_t channel, int64_t at_ns)
{
    (void)p;
    int64_t minute = (at_ns - START_NS) / MINUTE_NS;
    if (channel == 1 && minute > 30 && minute <= 33) {
        return (struct hal_sample){ .kind = HAL_SAMPLE_MISSING };
    }
    return port_value((double)minute + (double)channel * 1000);
}

static void test_mean_of_the_period_that_ends(void **state)
{
    (void)state;
    static const struct station_channel_settings settings[2] = {
        { .statistics = STATISTIC_MINIMUM | STATISTIC_MAXIMUM | STATISTIC_DEVIATION |
                        STATISTIC_COUNT | STATISTIC_RAW },
        { .statistics = STATISTIC_COUNT }
    };
    port->options.sample_every_ns = MINUTE_NS;
    port->options.channel_settings = settings;
    port->sample = by_minute;
    assert_int_equal(port_boot(port), STATION_OK);
    port_link(port, true);
    port_pass(port, 14 * MINUTE_NS, SECOND_NS * 20);
    assert_int_equal(port->taken_count, 0); /* the report of the start itself had 1 of 15 */
    assert_int_equal(port->station.counters.observations_short, 2);
    port_pass(port, MINUTE_NS, SECOND_NS * 20);
    const struct port_report *report = port_latest(port);
    assert_true(report->report.readings[0].time_ns == START_NS + 15 * MINUTE_NS);
    assert_int_equal(report->report.count, 8);
    assert_true(equal(value_in(report, "salinity"), 8)); /* minutes 1 .. 15 */
    assert_true(equal(value_in(report, "salinity_min"), 1));
    assert_true(equal(value_in(report, "salinity_max"), 15));
    assert_true(equal(value_in(report, "salinity_sd"), sqrt(20)));
    assert_true(equal(value_in(report, "salinity_n"), 15));
    assert_true(equal(value_in(report, "salinity_raw"), 8));
    assert_true(equal(value_in(report, "level"), 1008));
    assert_true(equal(value_in(report, "level_n"), 15));
    assert_string_equal(report->texts[0][1], "g/L");
    /* 14 of 15 are enough, 12 of 15 are not. */
    port_pass(port, 30 * MINUTE_NS, SECOND_NS * 20);
    report = port_latest(port);
    assert_true(equal(value_in(report, "salinity"), 38));
    assert_null(port_find(report, "level"));
    assert_null(port_find(report, "level_n"));
}

static struct hal_sample with_states(struct port *p, size_t channel, int64_t at_ns)
{
    (void)p;
    int64_t minute = (at_ns - START_NS) / MINUTE_NS;
    struct hal_sample sample = port_value((double)minute);
    sample.state = channel == 1 && minute == 20 ? 1 : channel == 1 && minute == 40 ? 2 : 0;
    return sample;
}

static void test_state_of_an_observation_is_the_worst_of_its_samples(void **state)
{
    (void)state;
    port->options.sample_every_ns = MINUTE_NS;
    port->sample = with_states;
    assert_int_equal(port_boot(port), STATION_OK);
    port_link(port, true);
    for (int quarter = 1; quarter <= 4; quarter++) {
        port_pass(port, 15 * MINUTE_NS, SECOND_NS * 30);
        const struct port_report *report = port_latest(port);
        assert_int_equal(port_find(report, "salinity")->device_state, 0);
        assert_int_equal(port_find(report, "level")->device_state, quarter == 2   ? 1
                                                                   : quarter == 3 ? 2
                                                                                  : 0);
    }
}

static void test_local_checks_flag_and_delete_nothing(void **state)
{
    (void)state;
    static const struct station_channel_settings settings[2] = {
        { .checks = { .low = 0, .high = 20, .step = 0 } }, { .checks = { .stuck_s = 3600 } }
    };
    port->options.sample_every_ns = MINUTE_NS;
    port->options.channel_settings = settings;
    port->sample = by_minute;
    assert_int_equal(port_boot(port), STATION_OK);
    port_link(port, true);
    port_pass(port, 15 * MINUTE_NS, SECOND_NS * 30);
    assert_int_equal(port_latest(port)->report.count, 2); /* nothing to say */
    port_pass(port, 15 * MINUTE_NS, SECOND_NS * 30);
    assert_true(equal(value_in(port_latest(port), "salinity_check"), CHECK_RANGE));
    assert_true(equal(value_in(port_latest(port), "salinity"), 23));
    port->sample = NULL; /* always 1 */
    port_pass(port, 90 * MINUTE_NS, SECOND_NS * 30);
    assert_true(equal(value_in(port_latest(port), "level_check"), CHECK_STUCK));
    assert_true(equal(value_in(port_latest(port), "level"), 1));
    assert_null(port_find(port_latest(port), "salinity_check"));
}

/* --- sensors that take their time ------------------------------------------------------- */

static int64_t answers_after_ns;

/* Channel 1 needs a while after begin; channel 0 has its value at once. */
static struct hal_sample slow(struct port *p, size_t channel, int64_t at_ns)
{
    assert_true(at_ns == p->begun_at_ns);
    if (channel == 1 && p->begun % 4 != 0 && p->now.mono_ns - p->begun_mono_ns < answers_after_ns) {
        return (struct hal_sample){ .kind = HAL_SAMPLE_PENDING };
    }
    return port_value((double)(at_ns / SECOND_NS % 100000));
}

static void test_pending_samples_are_waited_for(void **state)
{
    (void)state;
    port->options.every_ns = MINUTE_NS;
    port->options.sample_wait_ns = 5 * SECOND_NS;
    port->sample = slow;
    answers_after_ns = 3 * SECOND_NS;
    assert_int_equal(port_boot(port), STATION_OK);
    port_link(port, true);
    port_pass(port, 20 * MINUTE_NS + 10 * SECOND_NS, SECOND_NS / 10);
    assert_int_equal(port->station.counters.reports, 21);
    assert_int_equal(port->station.counters.failed, 0);
    for (uint64_t i = 0; i < port->taken_count; i++) { /* stamped with the scheduled moment */
        const struct port_report *report = &port->taken[i];
        int64_t at_ns = report->report.readings[0].time_ns;
        assert_int_equal(report->report.count, 2);
        assert_true(at_ns % MINUTE_NS == 0);
        assert_true(equal(value_in(report, "level"), (double)(at_ns / SECOND_NS % 100000)));
    }
}

static void test_what_stays_pending_has_failed(void **state)
{
    (void)state;
    port->options.every_ns = MINUTE_NS;
    port->options.sample_wait_ns = 5 * SECOND_NS;
    port->sample = slow;
    answers_after_ns = 7 * SECOND_NS;
    assert_int_equal(port_boot(port), STATION_OK);
    port_link(port, true);
    port_pass(port, 20 * MINUTE_NS + 10 * SECOND_NS, SECOND_NS / 10);
    assert_int_equal(port->station.counters.reports, 21); /* the other channel is not held up */
    assert_int_equal(port->station.counters.failed, 16);
    assert_int_equal(port->station.counters.sampled, 26);
}

/* --- events ----------------------------------------------------------------------------- */

static double event_level;
static unsigned salinity_asked, level_asked;

static struct hal_sample for_events(struct port *p, size_t channel, int64_t at_ns)
{
    (void)p;
    (void)at_ns;
    salinity_asked += channel == 0;
    level_asked += channel == 1;
    return port_value(channel == 1 ? event_level : 3);
}

static const struct station_channel_settings event_settings[2] = { { 0 }, { .event_step = 0.2 } };

/* A report each hour; its first one came just now. */
static void begin_events(uint32_t per_hour)
{
    port->options.every_ns = HOUR_NS;
    port->options.sample_every_ns = MINUTE_NS;
    port->options.fast_every_ns = 10 * SECOND_NS;
    port->options.events_per_hour = per_hour;
    port->options.channel_settings = event_settings;
    port->sample = for_events;
    event_level = 1;
    assert_int_equal(port_boot(port), STATION_OK);
    port_link(port, true);
    port_pass(port, HOUR_NS + 5 * SECOND_NS, SECOND_NS);
    assert_int_equal(port->taken_count, 1);
    salinity_asked = level_asked = 0;
}

/* How often the level was asked for in so many minutes. */
static unsigned asked_in(int minutes)
{
    unsigned before = level_asked;
    port_pass(port, minutes * MINUTE_NS, SECOND_NS);
    return level_asked - before;
}

static void test_a_value_that_moves_is_reported_at_once(void **state)
{
    (void)state;
    begin_events(12);
    event_level = 1.19;
    port_pass(port, 2 * MINUTE_NS, SECOND_NS);
    assert_int_equal(port->taken_count, 1); /* not far enough */
    event_level = 1.25;
    port_pass(port, 11 * SECOND_NS, SECOND_NS);
    assert_int_equal(port->taken_count, 2);
    const struct port_report *report = port_latest(port);
    assert_int_equal(report->report.count, 1);
    assert_true(equal(value_in(report, "level"), 1.25));
    assert_true(report->report.readings[0].time_ns % (10 * SECOND_NS) == 0);
    port_pass(port, 2 * MINUTE_NS, SECOND_NS);
    assert_int_equal(port->taken_count, 2); /* once */
    event_level = 0.9;
    port_pass(port, 11 * SECOND_NS, SECOND_NS);
    assert_int_equal(port->taken_count, 3);
    port_pass(port, HOUR_NS, SECOND_NS);
    assert_int_equal(port->taken_count, 4); /* and the one of the period */
    assert_true(salinity_asked <= 64);      /* at samples only */
}

/* Looked at as often as it is sampled until it moves, more often while it does, then as before. */
static void test_a_calm_value_is_looked_at_seldom(void **state)
{
    (void)state;
    begin_events(12);
    assert_int_equal(asked_in(10), 10);
    event_level = 1.09; /* less than half of its step */
    assert_int_equal(asked_in(10), 10);
    event_level = 0.89; /* the next sample sees it, and it stays there */
    assert_int_equal(asked_in(1), 1);
    assert_int_equal(asked_in(2), 12);
    event_level = 0.79;
    assert_int_equal(asked_in(1), 6);
    assert_int_equal(port->taken_count, 2); /* within ten seconds */
    assert_int_equal(asked_in(9), 54);
    assert_int_equal(asked_in(1), 2); /* ten minutes from there, to the moment */
    assert_int_equal(asked_in(10), 10);
    assert_int_equal(salinity_asked, 44); /* it has no step */
    assert_int_equal(port->station.counters.events, 1);
}

/* A clock that is set back does not keep it fast. */
static void test_fast_looks_end_when_the_clock_goes_back(void **state)
{
    (void)state;
    begin_events(12);
    event_level = 1.3;
    port_pass(port, 2 * MINUTE_NS, SECOND_NS);
    assert_int_equal(port->taken_count, 2);
    assert_int_equal(asked_in(1), 6);
    port->now.wall_ns -= 20 * MINUTE_NS;
    port_pass(port, MINUTE_NS, SECOND_NS);
    assert_int_equal(asked_in(2), 2);
}

static void test_events_have_a_limit_each_hour(void **state)
{
    (void)state;
    begin_events(3);
    event_level += 1;
    port_pass(port, MINUTE_NS, 10 * SECOND_NS); /* from now on it is looked at often */
    for (int i = 0; i < 100; i++) {
        event_level += 1;
        port_pass(port, 10 * SECOND_NS, 10 * SECOND_NS);
    }
    assert_int_equal(port->station.counters.events, 3);
    assert_int_equal(port->taken_count, 1 + 3);
    assert_true(port->station.counters.events_held > 90);
    port_pass(port, HOUR_NS, 10 * SECOND_NS);
    uint64_t before = port->station.counters.events;
    event_level += 1;
    port_pass(port, MINUTE_NS, 10 * SECOND_NS);
    assert_int_equal(port->station.counters.events, before + 1); /* another hour */
}

/* --- delayed sending ---------------------------------------------------------------------- */

static void test_each_station_has_its_own_delay(void **state)
{
    (void)state;
    int64_t least = INT64_MAX, most = 0;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct port *one = port_create(8, seed);
        one->random = seed * 7919;
        one->options.jitter_ns = 30 * SECOND_NS;
        assert_int_equal(port_boot(one), STATION_OK);
        port_link(one, true);
        port_pass(one, 15 * MINUTE_NS, SECOND_NS); /* the report of the start may be behind */
        int64_t due_ns = one->now.mono_ns;
        uint64_t before = one->taken_count;
        while (one->taken_count == before) {
            port_pass(one, SECOND_NS / 10, SECOND_NS / 10);
        }
        int64_t delay = one->now.mono_ns - due_ns;
        assert_true(delay <= 30 * SECOND_NS + SECOND_NS / 10);
        assert_true(port_latest(one)->report.readings[0].time_ns == START_NS + 15 * MINUTE_NS);
        least = delay < least ? delay : least;
        most = delay > most ? delay : most;
        port_destroy(one);
    }
    assert_true(least < 8 * SECOND_NS && most > 22 * SECOND_NS);
}

/* --- time -------------------------------------------------------------------------------- */

/* What the log has had is told as time since boot, and the log's wall times never go back. */
static void test_log_times_never_go_back(void **state)
{
    (void)state;
    port->options.every_ns = MINUTE_NS;
    assert_int_equal(port_boot(port), STATION_OK);
    port_link(port, true);
    port_pass(port, HOUR_NS, MINUTE_NS);
    assert_int_equal(port->station.counters.clock_back, 0);
    port->now.wall_ns -= 30 * MINUTE_NS;
    uint64_t before = port->station.counters.reports;
    port_pass(port, 10 * MINUTE_NS, MINUTE_NS);
    assert_true(port->station.counters.reports - before >= 10); /* and sampling goes on */
    assert_int_equal(port->station.counters.clock_back, port->station.counters.reports - before);
    assert_true(port_latest(port)->report.has_boot && port_latest(port)->report.has_up);
    /* A restart in between does not forget. */
    assert_int_equal(port_boot(port), STATION_OK);
    port_link(port, true);
    port_pass(port, 5 * MINUTE_NS, MINUTE_NS);
    assert_true(port->station.counters.clock_back >= 5);
    port_pass(port, 30 * MINUTE_NS, MINUTE_NS);
    assert_false(port_latest(port)->report.has_boot); /* past it: as always */
    struct station_log_cursor cursor = { 0 };
    struct station_record record;
    int64_t newest = 0;
    for (uint64_t seq = 1; seq < port->station.log.next; seq++) {
        assert_int_equal(station_log_read(&port->station.log, &cursor, seq, &record),
                         STATION_LOG_OK);
        assert_true(record.boot != 0 || record.time_ns > newest);
        newest = record.boot != 0 ? newest : record.time_ns;
    }
}

/* A wall clock that runs a hundred times as fast: time since the start is told in its seconds. */
static void test_simulated_clock_that_goes_back(void **state)
{
    (void)state;
    port->options.every_ns = MINUTE_NS;
    port->options.simulated = true;
    assert_int_equal(port_boot(port), STATION_OK);
    port_link(port, true);
    for (int second = 0; second < 40; second++) {
        port->now.wall_ns += 99 * SECOND_NS;
        port->now.wall_ns -= second == 20 ? 500 * SECOND_NS : 0;
        port_pass(port, SECOND_NS, SECOND_NS);
    }
    /* 2,000 s had passed, 401 went back, 1,900 passed since: told since boot until made up for. */
    double latest_up = 0;
    unsigned told = 0;
    for (uint64_t i = 0; i < port->taken_count; i++) {
        const struct phusa_report *report = &port->taken[i].report;
        if (report->has_boot) {
            assert_true(report->up > latest_up && report->up >= 1990 && report->up < 2700);
            latest_up = report->up;
            told++;
        }
    }
    assert_true(told >= 6 && told <= 9);
    assert_int_equal(told, port->station.counters.clock_back);
    assert_false(port_latest(port)->report.has_boot);
}

static void test_clock_is_held_over_a_reset_that_was_asked_for(void **state)
{
    (void)state;
    assert_int_equal(port_boot(port), STATION_OK);
    port_link(port, true);
    port_pass(port, MINUTE_NS, SECOND_NS);
    port_ask(port, "{\"id\":\"r\",\"do\":\"reboot\"}");
    port_pass(port, 3 * SECOND_NS, SECOND_NS);
    assert_int_equal(port->board.resets, 1);
    struct hal_time right = port->now;
    port->now = (struct hal_time){ .mono_ns = SECOND_NS / 2 };
    port->board.why = HAL_RESET_COMMAND;
    assert_int_equal(port_boot(port), STATION_OK);
    port_link(port, true);
    port_pass(port, 20 * MINUTE_NS, SECOND_NS);
    assert_non_null(strstr(port->status, "\"clock\":\"held\""));
    assert_non_null(strstr(port->status, "\"reset\":\"command\""));
    const struct port_report *report = port_latest(port);
    assert_false(report->report.has_boot);
    assert_true(report->report.readings[0].time_ns == START_NS + 15 * MINUTE_NS);
    assert_true(right.wall_ns < report->report.readings[0].time_ns);
    /* After a loss of power nobody knows how long it was gone. */
    port->now = (struct hal_time){ .mono_ns = SECOND_NS / 2 };
    port->board.why = HAL_RESET_POWER;
    assert_int_equal(port_boot(port), STATION_OK);
    port_link(port, true);
    port_pass(port, MINUTE_NS, SECOND_NS);
    assert_non_null(strstr(port->status, "\"clock\":\"unset\""));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_no_number_has_failed),
        TEST(test_mean_of_the_period_that_ends),
        TEST(test_state_of_an_observation_is_the_worst_of_its_samples),
        TEST(test_local_checks_flag_and_delete_nothing),
        TEST(test_pending_samples_are_waited_for),
        TEST(test_what_stays_pending_has_failed),
        TEST(test_a_value_that_moves_is_reported_at_once),
        TEST(test_a_calm_value_is_looked_at_seldom),
        TEST(test_fast_looks_end_when_the_clock_goes_back),
        TEST(test_events_have_a_limit_each_hour),
        TEST(test_each_station_has_its_own_delay),
        TEST(test_log_times_never_go_back),
        TEST(test_simulated_clock_that_goes_back),
        TEST(test_clock_is_held_over_a_reset_that_was_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
