/* What the console is shown of windows, nights, indices and tests; over a restart the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline.h"

#define HOUR       3600
#define MINUTE     60
#define MIDNIGHT   INT64_C(1795107600) /* 2026-11-20 00:00 in Vietnam */
#define DAY        (24 * HOUR)
#define FIRST_KEPT 40 /* windows of a series whose first value is remembered */

static const struct phusa_parameter parameters[] = {
    { .name = { "bph", 3 }, .maximum = 1e6 },
    { .name = { "ec", 2 }, .unit = { "mS/cm", 5 }, .maximum = 80 },
    { .name = { "glh", 3 }, .maximum = 1e6 },
    { .name = { "lamp", 4 }, .maximum = 1 },
    { .name = { "pm25", 4 }, .unit = { "ug/m3", 5 }, .maximum = 1000 },
    { .name = { "salinity", 8 }, .unit = { "/1000", 5 }, .maximum = 45 },
    { .name = { "temp", 4 }, .unit = { "Cel", 3 }, .minimum = -5, .maximum = 60 },
    { .name = { "vn_aqi", 6 }, .maximum = 500 },
};
enum { BPH, EC, GLH, LAMP, PM25, SALINITY, TEMP };

static const struct phusa_parameter *const species[] = { &parameters[BPH], &parameters[GLH] };
static const struct phusa_parameter *const expected[] = { &parameters[TEMP] };
static const struct derivation derivations[] = {
    { .kind = DERIVE_SALINITY, .parameter = &parameters[SALINITY], .from = &parameters[EC] }
};
static struct station_qc tests[2];
static struct station stations[] = {
    { .id = "air", .site = "s", .kind = "air", .name = "a", .every_ns = HOUR * SECOND_NS },
    { .id = "trap",
      .site = "s",
      .kind = "trap",
      .name = "t",
      .every_ns = HOUR * SECOND_NS,
      .trap = { .given = true,
                .hold_ns = 2 * HOUR * SECOND_NS,
                .species = species,
                .species_count = 2,
                .lamp = &parameters[LAMP] } },
    { .id = "water",
      .site = "s",
      .kind = "water",
      .name = "w",
      .every_ns = 5 * MINUTE * SECOND_NS,
      .parameters = expected,
      .parameter_count = 1,
      .derivations = derivations,
      .derivation_count = 1,
      .qc = tests,
      .qc_count = 2,
      .stuck_ns = HOUR * SECOND_NS },
};
static struct settings settings = {
    .file = "test",
    .utc_offset_s = 7 * HOUR,
    .ahead_ns = 300 * SECOND_NS,
    .clock_wrong_ns = DAY * SECOND_NS,
    .windows = { .kinds = 0x3F & ~(1u << RULE_NIGHT),
                 .coverage = 0.75,
                 .lateness_ns = 600 * SECOND_NS },
    .catalogue = { parameters, sizeof parameters / sizeof parameters[0] },
    .registry = { .stations = stations, .count = 3 },
    .maintenance = { .gap_ns = 3600 * SECOND_NS },
};

static int make_tests(void **state)
{
    (void)state;
    const int of[] = { EC, TEMP };
    for (size_t i = 0; i < 2; i++) {
        tests[i] = (struct station_qc){ .parameter = &parameters[of[i]], .qc = qc_none() };
        tests[i].qc.spike.given = true;
        tests[i].qc.spike.suspect = 5;
        tests[i].qc.spike.fail = 20;
        tests[i].qc.flat_line.given = true;
        tests[i].qc.flat_line.tolerance = 0.01;
        tests[i].qc.flat_line.suspect_s = tests[i].qc.flat_line.fail_s = 6 * HOUR;
    }
    return 0;
}

/* --- a pipeline and what it shows ------------------------------------------------------ */

static struct pipeline *pipeline;
static uint64_t position;

static int set_up(void **state)
{
    (void)state;
    static const struct pipeline_sink sink = { 0 };
    position = 0;
    pipeline = pipeline_create(&settings, &sink);
    return pipeline == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    pipeline_free(pipeline);
    return 0;
}

static void take(const char *station, const char *json, int64_t received)
{
    char topic[64];
    (void)snprintf(topic, sizeof topic, "phusa/1/s/%s/obs", station);
    struct journal_record record = { .position = ++position,
                                     .time = { received * SECOND_NS },
                                     .kind = JOURNAL_MESSAGE,
                                     .topic = phusa_text_of(topic),
                                     .payload = phusa_text_of(json) };
    pipeline_take(pipeline, &record);
}

static void report_late(const char *station, int parameter, double value, int64_t time,
                        int64_t received)
{
    char json[160];
    (void)snprintf(json, sizeof json, "[{\"n\":\"%.*s\",\"t\":%lld,\"v\":%.6f}]",
                   (int)parameters[parameter].name.length, parameters[parameter].name.data,
                   (long long)time, value);
    take(station, json, received);
}

static void report(const char *station, int parameter, double value, int64_t time)
{
    report_late(station, parameter, value, time, time);
}

static void tick(int64_t time)
{
    struct journal_record record = { .position = ++position,
                                     .time = { time * SECOND_NS },
                                     .kind = JOURNAL_TICK };
    pipeline_take(pipeline, &record);
}

/* The same pipeline after a restart. */
static void restart(void)
{
    static const struct pipeline_sink sink = { 0 };
    struct state_writer writer = { 0 };
    pipeline_save(pipeline, &writer);
    assert_false(writer.failed);
    pipeline_free(pipeline);
    pipeline = pipeline_create(&settings, &sink);
    assert_non_null(pipeline);
    struct state_reader reader = state_reader_of(writer.bytes, writer.used);
    assert_int_equal(pipeline_restore(pipeline, &reader), PIPELINE_RESTORED);
    state_writer_free(&writer);
}

/* The same after the settings were read again. */
static void reconfigure(void)
{
    assert_true(pipeline_reconfigure(pipeline, &settings, 0));
}

static void stay(void)
{
}

static void (*const upheavals[])(void) = { stay, restart, reconfigure };

static struct console_view look(int64_t now)
{
    struct console_view view = { 0 };
    assert_true(pipeline_fill_view(pipeline, now * SECOND_NS, &view));
    assert_int_equal(view.station_count, 3);
    return view;
}

static struct console_windows windows_of(const char *station, const char *parameter, unsigned kinds,
                                         int hours, int64_t now)
{
    struct console_windows_query query = { station, parameter, kinds, hours };
    struct console_windows windows = { 0 };
    assert_true(pipeline_fill_windows(pipeline, &query, now * SECOND_NS, &windows));
    return windows;
}

static const struct console_window *find(const struct console_windows *windows,
                                         enum rule_length kind, int64_t end)
{
    for (size_t i = 0; i < windows->window_count; i++) {
        const struct console_window *window = &windows->windows[i];
        if (window->kind == kind && window->end_ns == end * SECOND_NS) {
            return window;
        }
    }
    return NULL;
}

/* --- windows --------------------------------------------------------------------------- */

/* Each hour of a day but the tenth: the hour's number. */
static void a_day_of_dust(void)
{
    for (int hour = 1; hour <= 24; hour++) {
        if (hour != 10) {
            report("air", PM25, hour, MIDNIGHT + hour * HOUR);
        }
        tick(MIDNIGHT + hour * HOUR + 11 * MINUTE);
    }
}

static void windows_that_closed_are_shown(void **state)
{
    (void)state;
    a_day_of_dust();
    int64_t now = MIDNIGHT + DAY + 11 * MINUTE;
    struct console_windows windows = windows_of("air", NULL, 0x1F, 48, now);
    assert_string_equal(windows.station->id, "air");
    assert_int_equal(windows.parameter_count, 1);
    assert_ptr_equal(windows.parameters[0], &parameters[PM25]);
    /* 24 of each hourly kind, the one without a reading among them, and the day */
    assert_int_equal(windows.window_count, 3 * 24 + 1);
    const struct console_window *hour = find(&windows, RULE_1H, MIDNIGHT + 9 * HOUR);
    assert_true(hour->mean == 9 && hour->count == 1 && !hour->corrected);
    hour = find(&windows, RULE_1H, MIDNIGHT + 10 * HOUR);
    assert_true(isnan(hour->mean) && isnan(hour->max) && hour->count == 0 && hour->coverage == 0);
    const struct console_window *day = find(&windows, RULE_DAY, MIDNIGHT + DAY);
    assert_true(day->count == 23 && day->sum == 290 && day->max == 24 && day->min == 1);
    assert_true(fabs(day->mean - 290.0 / 23) < 1e-12);
    pipeline_windows_free(&windows);

    windows = windows_of("air", "pm25", 1u << RULE_8H, 3, now);
    assert_int_equal(windows.window_count, 3);
    assert_non_null(find(&windows, RULE_8H, MIDNIGHT + 22 * HOUR));
    pipeline_windows_free(&windows);
    windows = windows_of("air", "ec", 0x1F, 48, now);
    assert_int_equal(windows.window_count, 0);
    pipeline_windows_free(&windows);
    windows = windows_of("nobody", NULL, 0x1F, 48, now);
    assert_null(windows.station);
    pipeline_windows_free(&windows);
}

static void a_corrected_window_says_so(void **state)
{
    (void)state;
    int64_t late = MIDNIGHT + DAY + 12 * MINUTE, now = late + 12 * MINUTE;
    a_day_of_dust();
    report_late("air", PM25, 100, MIDNIGHT + 10 * HOUR, late);
    struct console_windows windows = windows_of("air", NULL, 0x1F, 48, late);
    assert_true(isnan(find(&windows, RULE_1H, MIDNIGHT + 10 * HOUR)->mean)); /* as it was told */
    pipeline_windows_free(&windows);
    tick(now);
    for (size_t i = 0; i < sizeof upheavals / sizeof upheavals[0]; i++) {
        upheavals[i]();
        windows = windows_of("air", NULL, 0x1F, 48, now);
        const struct console_window *hour = find(&windows, RULE_1H, MIDNIGHT + 10 * HOUR);
        assert_true(hour->mean == 100 && hour->corrected && hour->first_known &&
                    isnan(hour->first));
        assert_false(find(&windows, RULE_1H, MIDNIGHT + 11 * HOUR)->corrected);
        const struct console_window *day = find(&windows, RULE_DAY, MIDNIGHT + DAY);
        assert_true(day->sum == 390 && day->corrected && day->first_known);
        assert_true(fabs(day->first - 290.0 / 23) < 1e-12);
        const struct console_window *eight = find(&windows, RULE_8H, MIDNIGHT + 17 * HOUR);
        assert_true(eight->corrected &&
                    eight->mean == (11 + 12 + 13 + 14 + 15 + 16 + 17 + 100) / 8.0);
        assert_true(eight->first == 14);
        assert_false(find(&windows, RULE_8H, MIDNIGHT + 18 * HOUR)->corrected);
        assert_false(find(&windows, RULE_8H, MIDNIGHT + 9 * HOUR)->corrected);
        pipeline_windows_free(&windows);
    }
}

/* The first value stays the first; of more windows than are remembered, that they were corrected.
 */
static void the_first_value_stays_as_long_as_it_is_remembered(void **state)
{
    (void)state;
    int64_t late = MIDNIGHT + DAY + 12 * MINUTE;
    a_day_of_dust();
    for (int round = 0; round < 3; round++) {
        report_late("air", PM25, 50, MIDNIGHT + 20 * HOUR - MINUTE - round, late);
        late += 11 * MINUTE;
        tick(late);
    }
    struct console_windows windows = windows_of("air", NULL, 0x1F, 48, late);
    const struct console_window *hour = find(&windows, RULE_1H, MIDNIGHT + 20 * HOUR);
    assert_true(hour->mean == (3 * 50 + 20) / 4.0 && hour->corrected && hour->first == 20);
    pipeline_windows_free(&windows);

    for (int hours = 1; hours <= 24; hours++) {
        report_late("air", PM25, 60, MIDNIGHT + hours * HOUR - MINUTE, late);
    }
    tick(late + 11 * MINUTE);
    restart();
    windows = windows_of("air", NULL, 0x1F, 48, late);
    size_t corrected = 0, known = 0;
    for (size_t i = 0; i < windows.window_count; i++) {
        const struct console_window *window = &windows.windows[i];
        assert_int_equal(window->corrected, !isnan(window->mean));
        assert_true(window->corrected || !window->first_known);
        corrected += window->corrected;
        known += window->first_known;
    }
    assert_true(corrected > FIRST_KEPT);
    assert_int_equal(known, FIRST_KEPT);
    pipeline_windows_free(&windows);
}

/* --- indices, nights, tests --------------------------------------------------------------- */

static void the_index_of_hour_and_day_is_shown(void **state)
{
    (void)state;
    a_day_of_dust();
    for (size_t i = 0; i < sizeof upheavals / sizeof upheavals[0]; i++) {
        upheavals[i]();
        struct console_view view = look(MIDNIGHT + DAY + HOUR);
        const struct console_station *air = &view.stations[0];
        assert_true(air->has_index && !view.stations[1].has_index);
        assert_true(air->hour.end_ns == (MIDNIGHT + DAY) * SECOND_NS && !air->hour.corrected);
        assert_true(air->hour.value == air->hour.first && air->hour.value > 0);
        assert_string_equal(air->hour.level, "good");
        assert_string_equal(air->hour.vi, "Tốt");
        assert_int_equal(air->hour.rgb[1], 228);
        assert_ptr_equal(air->hour.dominant, &parameters[PM25]);
        assert_int_equal(air->day.value, 25); /* 12.6 µg/m³ of 25 to 50 */
        assert_true(air->day.end_ns == (MIDNIGHT + DAY) * SECOND_NS);
        assert_int_equal(air->reading_count, 2);
        assert_true(air->readings[1].derived && !air->readings[0].derived);
        pipeline_view_free(&view);
    }
    struct pipeline_counters counters;
    pipeline_read_counters(pipeline, &counters);
    assert_int_equal(counters.windows_told, 3 * 24 + 1 + 1); /* and the year */
    assert_int_equal(counters.flagged[PHUSA_FLAG_GOOD], 23);
}

static void a_corrected_index_says_so(void **state)
{
    (void)state;
    a_day_of_dust();
    report_late("air", PM25, 300, MIDNIGHT + 24 * HOUR - MINUTE, MIDNIGHT + DAY + 12 * MINUTE);
    tick(MIDNIGHT + DAY + 24 * MINUTE);
    restart();
    struct console_view view = look(MIDNIGHT + DAY + HOUR);
    const struct console_index *hour = &view.stations[0].hour;
    assert_true(hour->corrected && hour->value > hour->first && hour->first > 0);
    assert_string_not_equal(hour->level, "good");
    pipeline_view_free(&view);
    struct pipeline_counters counters;
    pipeline_read_counters(pipeline, &counters);
    /* 1 h, 8 h, 24 h and day; the index of hour and day */
    assert_int_equal(counters.corrections, 6);
}

/* One species was caught though the lamp was off, the other was not. */
static void the_newest_nights_are_shown(void **state)
{
    (void)state;
    int64_t noon = MIDNIGHT + 12 * HOUR;
    for (int hour = 1; hour <= 24; hour++) {
        report("trap", LAMP, 0, noon + hour * HOUR);
        if (hour == 20) {
            report("trap", BPH, 2, noon + hour * HOUR);
        }
    }
    tick(noon + DAY + 11 * MINUTE);
    for (size_t i = 0; i < sizeof upheavals / sizeof upheavals[0]; i++) {
        upheavals[i]();
        struct console_view view = look(noon + DAY + 12 * MINUTE);
        const struct console_station *trap = &view.stations[1];
        assert_int_equal(trap->night_count, 2);
        assert_ptr_equal(trap->nights[0].parameter, &parameters[BPH]);
        assert_int_equal(trap->nights[0].outcome, CONSOLE_COUNTED);
        assert_true(trap->nights[0].count == 2);
        assert_int_equal(trap->nights[1].outcome, CONSOLE_TRAP_OFF);
        assert_true(isnan(trap->nights[1].count) && trap->nights[1].known_minutes >= 18 * 60);
        assert_true(trap->nights[1].lamp_minutes == 0);
        pipeline_view_free(&view);
        struct console_windows windows =
            windows_of("trap", "bph", 1u << RULE_NIGHT, 48, noon + DAY + 12 * MINUTE);
        const struct console_window *night = find(&windows, RULE_NIGHT, noon + DAY);
        assert_int_equal(windows.window_count, 1);
        assert_true(night->sum == 2 && night->count == 1 &&
                    night->night->outcome == CONSOLE_COUNTED);
        pipeline_windows_free(&windows);
    }
}

static void water(int64_t time, double ec, double temp)
{
    char json[160];
    (void)snprintf(json, sizeof json,
                   "[{\"bt\":%lld,\"n\":\"ec\",\"v\":%.3f},{\"n\":\"temp\",\"v\":%.3f}]",
                   (long long)time, ec, temp);
    take("water", json, time);
}

static const struct console_reading *reading(const struct console_view *view, int parameter)
{
    const struct console_station *station = &view->stations[2];
    for (size_t i = 0; i < station->reading_count; i++) {
        if (station->readings[i].parameter == &parameters[parameter]) {
            return &station->readings[i];
        }
    }
    return NULL;
}

static void tests_and_what_is_derived_are_shown(void **state)
{
    (void)state;
    const double temps[] = { 20, 21, 40, 20, 21 };
    for (int i = 0; i < 5; i++) {
        water(MIDNIGHT + i * 5 * MINUTE, 20 + i, temps[i]);
        tick(MIDNIGHT + i * 5 * MINUTE + 1);
        struct console_view view = look(MIDNIGHT + HOUR);
        const struct console_reading *temp = reading(&view, TEMP);
        assert_true(temp->tests.given && !temp->derived && temp->value == temps[i]);
        if (i == 3) { /* with the next one the flags of the one before are final */
            assert_true(temp->tests.time_ns == (MIDNIGHT + 10 * MINUTE) * SECOND_NS);
            assert_int_equal(temp->tests.spike, PHUSA_FLAG_SUSPECT);
            assert_int_equal(temp->tests.aggregate, PHUSA_FLAG_SUSPECT);
        }
        assert_true(reading(&view, SALINITY)->derived);
        assert_false(reading(&view, SALINITY)->tests.given);
        pipeline_view_free(&view);
    }
    restart();
    struct console_view view = look(MIDNIGHT + HOUR);
    assert_true(reading(&view, SALINITY)->derived && !reading(&view, EC)->derived);
    assert_int_equal(view.stations[2].stuck_since_ns, 0);
    pipeline_view_free(&view);
    struct pipeline_counters counters;
    pipeline_read_counters(pipeline, &counters);
    /* of four readings the two tested flags are final, of five the derived one is at once */
    assert_int_equal(counters.flagged[PHUSA_FLAG_GOOD] + counters.flagged[PHUSA_FLAG_SUSPECT] +
                         counters.flagged[PHUSA_FLAG_NOT_EVALUATED],
                     2 * 4 + 5);
}

static void a_stuck_bus_is_shown(void **state)
{
    (void)state;
    for (int i = 0; i <= 14; i++) {
        water(MIDNIGHT + i * 5 * MINUTE, 20, 25);
    }
    for (size_t i = 0; i < sizeof upheavals / sizeof upheavals[0]; i++) {
        upheavals[i]();
        struct console_view view = look(MIDNIGHT + 2 * HOUR);
        assert_true(view.stations[2].stuck_since_ns == MIDNIGHT * SECOND_NS);
        assert_int_equal(reading(&view, TEMP)->flag, PHUSA_FLAG_SUSPECT);
        pipeline_view_free(&view);
    }
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test_setup_teardown(windows_that_closed_are_shown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_corrected_window_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_first_value_stays_as_long_as_it_is_remembered, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_index_of_hour_and_day_is_shown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_corrected_index_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_newest_nights_are_shown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tests_and_what_is_derived_are_shown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stuck_bus_is_shown, set_up, tear_down),
    };
    return cmocka_run_group_tests(all, make_tests, NULL);
}
