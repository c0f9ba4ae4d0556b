/*
 * The pest-light trap: hours and gates against cases worked by hand; whole seasons with resets at
 * random moments against a plain account of what flew in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "draws.h"
#include "port/fake/flash.h"
#include "trap.h"

#define SECOND INT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define HOUR   (3600 * SECOND)
#define DAY    (24 * HOUR)
#define NOON   (INT64_C(1734757200) * SECOND) /* 21 December 2024 12:00 +07 */

static const struct sun_site phu_quoc = { 10.2270, 103.9640 }; /* dusk 17:48:09, dawn 06:16:5x */

/* --- a trap on a bench ------------------------------------------------------------------ */

struct bench {
    struct fake_flash flash;
    struct keep keep;
    struct trap trap;
    struct trap_settings settings;
    struct trap_inputs inputs;
    int64_t wall_ns, mono_ns;
    bool wall_unset;
    bool broken_lamp;
};

static struct hal_time time_of(const struct bench *bench)
{
    return (struct hal_time){ .wall_ns = bench->wall_ns,
                              .mono_ns = bench->mono_ns,
                              .wall_set = !bench->wall_unset };
}

static void start(struct bench *bench)
{
    struct hal_flash hal = fake_flash_hal(&bench->flash);
    assert_int_equal(keep_open(&bench->keep, &hal), KEEP_OK);
    assert_true(trap_init(&bench->trap, &bench->settings, &bench->keep, time_of(bench)));
}

static void create(struct bench *bench, int64_t wall_ns)
{
    *bench = (struct bench){ .wall_ns = wall_ns, .mono_ns = 5 * SECOND };
    fake_flash_create(&bench->flash, 4096, 2, 1);
    trap_settings_default(&bench->settings, &phu_quoc);
    bench->settings.classes = 2;
    bench->settings.names[0] = PHUSA_TEXT("bph");
    bench->settings.names[1] = PHUSA_TEXT("stem_borer");
    bench->settings.wind = PHUSA_TEXT("wind_speed");
    bench->settings.battery = PHUSA_TEXT("battery");
    bench->inputs = (struct trap_inputs){
        .counters = { .known = true, .session = 9 }, .rain_known = true, .wind = 1, .battery = 13
    };
    start(bench);
}

static void destroy(struct bench *bench)
{
    fake_flash_destroy(&bench->flash);
}

/* The power goes and comes back after some time; the classifier runs on. */
static void reset(struct bench *bench, int64_t down_ns)
{
    fake_flash_power_on(&bench->flash);
    bench->wall_ns += down_ns;
    bench->mono_ns = SECOND;
    bench->inputs.lit = false;
    bench->inputs.emptied = 0;
    start(bench);
}

static void step(struct bench *bench)
{
    trap_step(&bench->trap, &bench->inputs, time_of(bench));
    bench->inputs.lit = bench->trap.wanted && !bench->broken_lamp;
}

/* Steps every ten seconds up to a wall time. */
static void run_to(struct bench *bench, int64_t wall_ns)
{
    step(bench);
    while (bench->wall_ns < wall_ns) {
        bench->wall_ns += 10 * SECOND;
        bench->mono_ns += 10 * SECOND;
        step(bench);
    }
}

static int64_t at(int hour, int minute)
{
    return NOON + (hour < 12 ? hour + 12 : hour - 12) * HOUR + minute * MINUTE;
}

static struct hal_sample sample(struct bench *bench, int channel, int64_t at_ns)
{
    return trap_sample(&bench->trap, channel, at_ns);
}

static void assert_night(struct bench *bench, int channel, int64_t end_ns, double expected)
{
    struct hal_sample found = sample(bench, channel, end_ns);
    assert_int_equal(found.kind, HAL_SAMPLE_VALUE);
    if (found.value != expected) {
        fail_msg("channel %d: %g, not %g", channel, found.value, expected);
    }
}

/* --- nights and names -------------------------------------------------------------------- */

static void a_night_ends_at_noon(void **state)
{
    (void)state;
    int32_t vietnam = 7 * 3600;
    assert_true(night_end(NOON, vietnam) == NOON);
    assert_true(night_end(NOON + 1, vietnam) == NOON + DAY);
    assert_true(night_end(NOON + DAY - 1, vietnam) == NOON + DAY);
    assert_true(night_end(-1, 0) == 12 * HOUR);
    assert_true(night_end(INT64_C(1709139600) * SECOND, vietnam) ==
                INT64_C(1709182800) * SECOND); /* 29 February 2024 */
}

static void a_night_is_read_as_it_was_saved(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    for (int round = 0; round < 1000; round++) {
        struct night night = { .end_ns = NOON, .lit_ms = 1, .dark_ms = 2, .unsure_ms = 3 }, back;
        size_t classes = 1 + (size_t)draw_below(&draws, NIGHT_CLASSES);
        for (size_t i = 0; i < classes; i++) {
            night.counts[i] = (uint32_t)draw(&draws);
        }
        night.stray = (uint32_t)draw(&draws);
        night.watched_ms = (uint32_t)draw_below(&draws, 86400000);
        night.gated_ms[round % 3] = 77;
        night.resets = (uint16_t)draw(&draws);
        night.doors = 4;
        uint8_t bytes[NIGHT_BYTES_MAX];
        size_t length = night_save(&night, classes, bytes);
        assert_in_range(length, 1, NIGHT_BYTES_MAX);
        assert_int_equal(night_load(&back, bytes, length), length);
        assert_memory_equal(&night, &back, sizeof night);
        assert_int_equal(night_load(&back, bytes, length - 1), 0);
        bytes[0]++;
        assert_int_equal(night_load(&back, bytes, length), 0);
    }
}

static void channels_have_the_catalogues_names(void **state)
{
    (void)state;
    struct bench bench;
    create(&bench, NOON);
    assert_int_equal(trap_channel(&bench.trap, PHUSA_TEXT("bph")), 0);
    assert_int_equal(trap_channel(&bench.trap, PHUSA_TEXT("stem_borer")), 1);
    assert_int_equal(trap_channel(&bench.trap, PHUSA_TEXT("lamp_minutes")), TRAP_LAMP_MINUTES);
    assert_int_equal(trap_channel(&bench.trap, PHUSA_TEXT("gate_minutes")), TRAP_GATE_MINUTES);
    assert_int_equal(trap_channel(&bench.trap, PHUSA_TEXT("lamp")), TRAP_LAMP_STATE);
    assert_int_equal(trap_channel(&bench.trap, PHUSA_TEXT("rain_gate")), TRAP_GATE_STATE);
    assert_int_equal(trap_channel(&bench.trap, PHUSA_TEXT("service")), TRAP_SERVED);
    assert_int_equal(trap_channel(&bench.trap, PHUSA_TEXT("salinity")), -1);
    assert_int_equal(sample(&bench, -1, NOON).kind, HAL_SAMPLE_FAILED);
    assert_int_equal(sample(&bench, TRAP_CHANNELS, NOON).kind, HAL_SAMPLE_FAILED);
    destroy(&bench);
}

static void settings_are_checked(void **state)
{
    (void)state;
    struct trap_settings good, bad;
    trap_settings_default(&good, &phu_quoc);
    assert_null(trap_settings_problem(&good));
    bad = good;
    bad.site.latitude = NAN;
    assert_string_equal(trap_settings_problem(&bad), "site");
    bad = good;
    bad.from.seconds = 86401;
    assert_string_equal(trap_settings_problem(&bad), "from");
    bad = good;
    bad.until.seconds = -1;
    assert_string_equal(trap_settings_problem(&bad), "until");
    bad = good;
    bad.wind_go = 9;
    assert_string_equal(trap_settings_problem(&bad), "wind");
    bad = good;
    bad.battery_ok = 11;
    assert_string_equal(trap_settings_problem(&bad), "battery");
    bad = good;
    bad.hold_ns[NIGHT_WIND] = -1;
    assert_string_equal(trap_settings_problem(&bad), "hold");
    bad = good;
    bad.keep_every_ns = SECOND;
    assert_string_equal(trap_settings_problem(&bad), "keep");
    bad = good;
    bad.classes = 0;
    assert_string_equal(trap_settings_problem(&bad), "classes");
    struct trap trap;
    assert_false(trap_init(&trap, &bad, NULL, (struct hal_time){ 0 }));
}

/* --- hours ------------------------------------------------------------------------------- */

/* When the lamp is lit, in seconds after noon; checks that it is lit once. */
static void hours_of(struct trap_edge from, struct trap_edge until, int64_t *on, int64_t *off)
{
    struct bench bench;
    create(&bench, NOON + SECOND);
    bench.settings.from = from;
    bench.settings.until = until;
    start(&bench);
    *on = *off = -1;
    bool was = false;
    for (; bench.wall_ns < NOON + DAY; bench.wall_ns += SECOND, bench.mono_ns += SECOND) {
        step(&bench);
        if (bench.trap.wanted != was) {
            int64_t *edge = was ? off : on;
            assert_int_equal(*edge, -1);
            *edge = (bench.wall_ns - NOON) / SECOND;
            was = bench.trap.wanted;
        }
    }
    destroy(&bench);
}

static void the_lamp_keeps_its_hours(void **state)
{
    (void)state;
    int64_t on, off;
    hours_of((struct trap_edge){ TRAP_CLOCK, 19 * 3600 },
             (struct trap_edge){ TRAP_CLOCK, 22 * 3600 }, &on, &off);
    assert_int_equal(on, 7 * 3600);
    assert_int_equal(off, 10 * 3600);
    hours_of((struct trap_edge){ TRAP_CLOCK, 23 * 3600 + 1800 },
             (struct trap_edge){ TRAP_CLOCK, 4 * 3600 }, &on, &off);
    assert_int_equal(on, 11 * 3600 + 1800);
    assert_int_equal(off, 16 * 3600);
    hours_of((struct trap_edge){ TRAP_DUSK, 0 }, (struct trap_edge){ TRAP_DUSK, 4 * 3600 }, &on,
             &off);
    assert_in_range(on, 5 * 3600 + 48 * 60, 5 * 3600 + 48 * 60 + 19); /* 17:48:09 */
    assert_int_equal(off - on, 4 * 3600);
    hours_of((struct trap_edge){ TRAP_DUSK, 900 }, (struct trap_edge){ TRAP_DAWN, -1800 }, &on,
             &off);
    assert_in_range(on, 6 * 3600 + 180, 6 * 3600 + 199);
    assert_in_range(off, 17 * 3600 + 46 * 60, 17 * 3600 + 47 * 60); /* dawn of the 22nd 06:16:5x */
    hours_of((struct trap_edge){ TRAP_CLOCK, 22 * 3600 },
             (struct trap_edge){ TRAP_CLOCK, 19 * 3600 }, &on, &off);
    assert_int_equal(on, -1);
}

static void without_a_clock_it_stays_dark(void **state)
{
    (void)state;
    struct bench bench;
    create(&bench, at(20, 0));
    bench.wall_unset = true;
    run_to(&bench, at(20, 30));
    assert_false(bench.trap.wanted);
    assert_int_equal(bench.trap.reason, TRAP_NO_CLOCK);
    assert_int_equal(sample(&bench, TRAP_LAMP_MINUTES, NOON + DAY).kind, HAL_SAMPLE_MISSING);
    bench.wall_unset = false;
    run_to(&bench, at(21, 0));
    assert_int_equal(bench.trap.reason, TRAP_BY_HOURS);
    run_to(&bench, NOON + DAY);
    assert_night(&bench, TRAP_LAMP_MINUTES, NOON + DAY, 90);
    destroy(&bench);
}

/* --- gates -------------------------------------------------------------------------------- */

static void rain_closes_at_once_and_opens_after_its_hold(void **state)
{
    (void)state;
    struct bench bench;
    create(&bench, at(17, 0));
    run_to(&bench, at(20, 0));
    assert_true(bench.trap.wanted);
    bench.inputs.raining = true;
    run_to(&bench, at(20, 10));
    assert_int_equal(bench.trap.reason, TRAP_RAIN);
    assert_true(sample(&bench, TRAP_GATE_STATE, at(20, 10)).value == 1);
    bench.inputs.raining = false;
    run_to(&bench, at(20, 20));
    bench.inputs.raining = true; /* and again, shortly: the hold begins anew */
    run_to(&bench, at(20, 21));
    bench.inputs.raining = false;
    run_to(&bench, at(20, 35));
    assert_int_equal(bench.trap.reason, TRAP_RAIN);
    run_to(&bench, at(20, 37));
    assert_true(bench.trap.wanted);
    run_to(&bench, NOON + DAY);
    double lit = sample(&bench, TRAP_LAMP_MINUTES, NOON + DAY).value;
    double gated = sample(&bench, TRAP_GATE_MINUTES, NOON + DAY).value;
    assert_true(gated == 36); /* 20:00 .. 20:36 */
    assert_true(fabs(lit + gated - (22 * 60 - (18 * 60 + 3))) <= 1);
    assert_night(&bench, TRAP_WIND_MINUTES, NOON + DAY, 0);
    assert_night(&bench, TRAP_WATCHED_MINUTES, NOON + DAY, 19 * 60);
    destroy(&bench);
}

static void wind_has_hysteresis(void **state)
{
    (void)state;
    struct bench bench;
    create(&bench, at(19, 0));
    run_to(&bench, at(19, 1));
    bench.inputs.wind = 7.9;
    run_to(&bench, at(19, 30));
    assert_true(bench.trap.wanted);
    bench.inputs.wind = 8;
    run_to(&bench, at(19, 31));
    assert_int_equal(bench.trap.reason, TRAP_WIND);
    bench.inputs.wind = 6; /* not yet below */
    run_to(&bench, at(20, 30));
    assert_int_equal(bench.trap.reason, TRAP_WIND);
    bench.inputs.wind = 5.9;
    run_to(&bench, at(20, 39));
    assert_int_equal(bench.trap.reason, TRAP_WIND);
    run_to(&bench, at(20, 41));
    assert_true(bench.trap.wanted);
    run_to(&bench, NOON + DAY);
    assert_night(&bench, TRAP_WIND_MINUTES, NOON + DAY, 70); /* 19:30 .. 20:40 */
    destroy(&bench);
}

static void a_silent_sensor_does_not_gate_for_ever(void **state)
{
    (void)state;
    struct bench bench;
    create(&bench, at(19, 0));
    bench.inputs.wind = 12;
    run_to(&bench, at(19, 1));
    bench.inputs.wind = NAN;
    run_to(&bench, at(20, 0));
    assert_int_equal(bench.trap.reason, TRAP_WIND);
    run_to(&bench, at(20, 2));
    assert_true(bench.trap.wanted);
    destroy(&bench);
}

static void a_low_battery_stays_off_over_resets(void **state)
{
    (void)state;
    struct bench bench;
    create(&bench, at(19, 0));
    bench.inputs.battery = 11.5;
    run_to(&bench, at(19, 1));
    assert_int_equal(bench.trap.reason, TRAP_BATTERY);
    bench.inputs.battery = 12.0; /* it recovers without its load */
    for (int i = 0; i < 5; i++) {
        reset(&bench, 10 * SECOND);
        run_to(&bench, bench.wall_ns + MINUTE);
        assert_int_equal(bench.trap.reason, TRAP_BATTERY);
    }
    trap_order(&bench.trap, TRAP_ON, bench.mono_ns + HOUR); /* not by order either */
    run_to(&bench, bench.wall_ns + MINUTE);
    assert_false(bench.trap.wanted);
    bench.inputs.battery = 12.5;
    run_to(&bench, bench.wall_ns + 31 * MINUTE);
    assert_true(bench.trap.wanted);
    destroy(&bench);
}

static void what_is_not_measured_gates_nothing(void **state)
{
    (void)state;
    struct bench bench;
    for (int round = 0; round < 2; round++) { /* no channel; or no limit */
        create(&bench, at(19, 0));
        if (round == 0) {
            bench.settings.wind = bench.settings.battery = PHUSA_TEXT("");
        } else {
            bench.settings.wind_stop = bench.settings.wind_go = 0;
            bench.settings.battery_low = 0;
        }
        bench.inputs.wind = 30;
        bench.inputs.battery = 9;
        reset(&bench, 0);
        step(&bench);
        assert_int_equal(bench.trap.reason, TRAP_BY_HOURS); /* from the first moment on */
        assert_null(trap_refusal(&bench.trap));
        run_to(&bench, NOON + DAY);
        assert_night(&bench, TRAP_LAMP_MINUTES, NOON + DAY, 180); /* 19:00 .. 22:00 */
        assert_night(&bench, TRAP_WIND_MINUTES, NOON + DAY, 0);
        assert_night(&bench, TRAP_BATTERY_MINUTES, NOON + DAY, 0);
        destroy(&bench);
    }
}

/* Wired, and never heard: dark until it is stale, and an order is refused. */
static void a_battery_that_says_nothing_counts_as_low_for_an_hour(void **state)
{
    (void)state;
    struct bench bench;
    create(&bench, at(19, 0));
    bench.inputs.battery = NAN;
    reset(&bench, 0);
    run_to(&bench, at(19, 59));
    assert_int_equal(bench.trap.reason, TRAP_BATTERY);
    assert_non_null(trap_refusal(&bench.trap));
    run_to(&bench, at(20, 1));
    assert_true(bench.trap.wanted);
    assert_null(trap_refusal(&bench.trap));
    destroy(&bench);
}

static void orders_overrule_hours_and_weather_for_a_time(void **state)
{
    (void)state;
    struct bench bench;
    create(&bench, at(14, 0));
    bench.inputs.raining = true;
    run_to(&bench, at(14, 1));
    assert_int_equal(bench.trap.reason, TRAP_NOT_NOW);
    trap_order(&bench.trap, TRAP_ON, bench.mono_ns + 10 * MINUTE);
    run_to(&bench, at(14, 10));
    assert_true(bench.trap.wanted);
    run_to(&bench, at(14, 12));
    assert_int_equal(bench.trap.reason, TRAP_NOT_NOW);
    bench.inputs.raining = false;
    run_to(&bench, at(20, 0));
    trap_order(&bench.trap, TRAP_OFF, bench.mono_ns + HOUR);
    run_to(&bench, at(20, 30));
    assert_false(bench.trap.wanted);
    assert_int_equal(bench.trap.reason, TRAP_BY_ORDER);
    trap_order(&bench.trap, TRAP_AUTOMATIC, 0);
    run_to(&bench, at(20, 31));
    assert_true(bench.trap.wanted);
    bench.inputs.door_open = true;
    run_to(&bench, at(20, 32));
    assert_int_equal(bench.trap.reason, TRAP_DOOR);
    destroy(&bench);
}

static void a_broken_lamp_is_dark_time(void **state)
{
    (void)state;
    struct bench bench;
    create(&bench, at(17, 0));
    bench.broken_lamp = true;
    run_to(&bench, NOON + DAY);
    assert_night(&bench, TRAP_LAMP_MINUTES, NOON + DAY, 0);
    assert_night(&bench, TRAP_DARK_MINUTES, NOON + DAY, 237); /* 18:03 .. 22:00 */
    destroy(&bench);
}

/* --- counts -------------------------------------------------------------------------------- */

static void insects_count_by_night_and_with_the_door_shut(void **state)
{
    (void)state;
    struct bench bench;
    create(&bench, at(15, 0));
    uint32_t *counts = bench.inputs.counters.counts;
    counts[0] = 1000; /* of before: the base line */
    run_to(&bench, at(16, 0));
    counts[0] += 5; /* by day */
    run_to(&bench, at(19, 0));
    counts[0] += 30;
    counts[1] += 2;
    run_to(&bench, at(20, 0));
    bench.inputs.door_open = true;
    run_to(&bench, at(20, 5));
    counts[1] += 50; /* a hand */
    run_to(&bench, at(20, 6));
    bench.inputs.door_open = false;
    run_to(&bench, at(20, 10));
    counts[0] += 4;
    run_to(&bench, at(5, 0)); /* after the lamp's hours, before dawn */
    counts[0] += 1;
    run_to(&bench, NOON + DAY);
    assert_night(&bench, 0, NOON + DAY, 35);
    assert_night(&bench, 1, NOON + DAY, 2);
    assert_night(&bench, TRAP_STRAYS, NOON + DAY, 55);
    assert_int_equal(bench.trap.closed[0].night.doors, 1);
    destroy(&bench);
}

static void counters_wrap_restart_and_are_not_believed(void **state)
{
    (void)state;
    struct bench bench;
    create(&bench, at(19, 0));
    struct night_counters *counters = &bench.inputs.counters;
    counters->counts[0] = UINT32_MAX - 3;
    run_to(&bench, at(19, 1));
    counters->counts[0] = 6; /* wraps: 10 */
    run_to(&bench, at(19, 2));
    counters->session++; /* restarts: 7 since */
    counters->counts[0] = 7;
    run_to(&bench, at(19, 3));
    counters->counts[0] = 3; /* falls: nonsense */
    run_to(&bench, at(19, 4));
    counters->counts[0] = 5;
    run_to(&bench, at(19, 5));
    counters->known = false; /* gone for a while: what is in it means nothing */
    counters->counts[0] = 999;
    run_to(&bench, at(19, 6));
    counters->known = true;
    counters->counts[0] = 6;
    run_to(&bench, NOON + DAY);
    assert_night(&bench, 0, NOON + DAY, 10 + 7 + 2 + 1);
    assert_int_equal(bench.trap.nonsense, 1);
    destroy(&bench);
}

static void unsure_time_is_told(void **state)
{
    (void)state;
    struct bench bench;
    create(&bench, at(19, 0));
    bench.inputs.unsure = true;
    run_to(&bench, at(19, 30));
    bench.inputs.unsure = false;
    run_to(&bench, NOON + DAY);
    assert_night(&bench, TRAP_UNSURE_MINUTES, NOON + DAY, 30);
    destroy(&bench);
}

static void a_service_is_told_once_and_kept_in_the_night(void **state)
{
    (void)state;
    struct bench bench;
    create(&bench, at(15, 0));
    run_to(&bench, at(15, 1));
    assert_int_equal(sample(&bench, TRAP_SERVED, at(15, 1)).kind, HAL_SAMPLE_MISSING);
    bench.inputs.emptied++;
    run_to(&bench, at(15, 2));
    assert_true(sample(&bench, TRAP_SERVED, at(15, 2)).value == 1);
    assert_int_equal(sample(&bench, TRAP_SERVED, at(15, 2)).kind, HAL_SAMPLE_MISSING);
    reset(&bench, SECOND);
    run_to(&bench, at(15, 10));
    assert_int_equal(bench.trap.night.services, 1);
    assert_int_equal(sample(&bench, TRAP_SERVED, at(15, 10)).kind, HAL_SAMPLE_MISSING);
    destroy(&bench);
}

/* --- one record a night ----------------------------------------------------------------------- */

static void a_reset_continues_the_night(void **state)
{
    (void)state;
    struct bench bench;
    create(&bench, at(17, 0));
    run_to(&bench, at(19, 0));
    bench.inputs.counters.counts[0] += 100;
    run_to(&bench, at(19, 2));
    bench.inputs.counters.counts[0] += 11; /* not yet kept */
    run_to(&bench, bench.wall_ns + 10 * SECOND);
    reset(&bench, 5 * MINUTE);
    bench.inputs.counters.counts[0] += 7; /* while it was down */
    run_to(&bench, at(20, 0));
    run_to(&bench, NOON + DAY);
    assert_night(&bench, 0, NOON + DAY, 118);
    assert_night(&bench, TRAP_RESETS, NOON + DAY, 1);
    destroy(&bench);
}

static void a_beam_loses_no_more_than_was_not_kept(void **state)
{
    (void)state;
    struct bench bench;
    create(&bench, at(19, 0));
    run_to(&bench, at(19, 1));
    bench.inputs.counters.counts[0] = 100;
    run_to(&bench, at(19, 3));
    bench.inputs.counters.counts[0] = 111;
    run_to(&bench, bench.wall_ns + 10 * SECOND);
    reset(&bench, MINUTE);
    bench.inputs.counters.session++; /* the next boot: from zero */
    bench.inputs.counters.counts[0] = 4;
    run_to(&bench, NOON + DAY);
    assert_night(&bench, 0, NOON + DAY, 104);
    destroy(&bench);
}

static void a_night_that_ended_while_down_is_told_late(void **state)
{
    (void)state;
    struct bench bench;
    create(&bench, at(19, 0));
    run_to(&bench, at(19, 1));
    bench.inputs.counters.counts[0] = 100;
    run_to(&bench, at(11, 0));
    reset(&bench, 30 * HOUR);              /* two noons */
    bench.inputs.counters.counts[0] += 50; /* of which night? */
    run_to(&bench, bench.wall_ns + MINUTE);
    int64_t end_ns = 0;
    assert_true(trap_missed(&bench.trap, &end_ns));
    assert_true(end_ns == NOON + DAY);
    assert_false(trap_missed(&bench.trap, &end_ns)); /* once in a start */
    reset(&bench, MINUTE);                           /* before it was in the log */
    run_to(&bench, bench.wall_ns + 10 * SECOND);
    assert_true(trap_missed(&bench.trap, &end_ns));
    assert_night(&bench, 0, end_ns, 100);
    assert_int_equal(bench.trap.night.stray, 50);
    run_to(&bench, bench.wall_ns + 20 * MINUTE);
    reset(&bench, MINUTE); /* the other sensors had not answered yet */
    run_to(&bench, bench.wall_ns + 10 * SECOND);
    assert_true(trap_missed(&bench.trap, &end_ns));
    assert_night(&bench, 0, end_ns, 100);
    run_to(&bench, bench.wall_ns + MINUTE);
    assert_int_equal(bench.trap.closed_count, 1);
    (void)sample(&bench, 0, bench.wall_ns); /* now they have */
    run_to(&bench, bench.wall_ns + 10 * SECOND);
    assert_int_equal(bench.trap.closed_count, 0);
    reset(&bench, MINUTE);
    run_to(&bench, bench.wall_ns + MINUTE);
    assert_false(trap_missed(&bench.trap, &end_ns));
    destroy(&bench);
}

/* A station that is behind its moments does not take it when it is handed out: its turn comes. */
static void a_night_that_is_not_taken_waits_for_its_turn(void **state)
{
    (void)state;
    struct bench bench;
    create(&bench, at(19, 0));
    run_to(&bench, at(19, 1));
    bench.inputs.counters.counts[0] = 100;
    run_to(&bench, NOON + DAY + 2 * MINUTE);
    int64_t end_ns = 0;
    assert_true(trap_missed(&bench.trap, &end_ns));
    assert_true(end_ns == NOON + DAY);
    run_to(&bench, NOON + DAY + HOUR);
    assert_false(trap_missed(&bench.trap, &end_ns));
    assert_night(&bench, 0, NOON + DAY, 100);
    run_to(&bench, bench.wall_ns + HOUR);
    assert_int_equal(bench.trap.closed_count, 0);
    destroy(&bench);
}

/* The power goes at each flash operation of the close of a night: it is there once, whole. */
static void a_cut_while_a_night_closes_leaves_it_once(void **state)
{
    (void)state;
    bool survived = false;
    unsigned closed_only = 0;
    for (long cut_at = 0; !survived; cut_at++) {
        struct bench bench;
        create(&bench, at(19, 0));
        run_to(&bench, at(19, 1));
        bench.inputs.counters.counts[0] = 100;
        run_to(&bench, NOON + DAY);
        bench.flash.operations = 0;
        bench.flash.cut_at = cut_at;
        bench.flash.lose_unsynced = cut_at % 2 == 0;
        run_to(&bench, NOON + DAY + 10 * SECOND);
        survived = !bench.flash.cut;
        reset(&bench, MINUTE);
        closed_only += bench.trap.night.end_ns == 0;
        run_to(&bench, bench.wall_ns + MINUTE);
        assert_int_equal(bench.trap.closed_count, 1);
        assert_true(bench.trap.closed[0].night.end_ns == NOON + DAY);
        assert_int_equal(bench.trap.closed[0].night.counts[0], 100);
        assert_true(bench.trap.night.end_ns == NOON + 2 * DAY);
        assert_int_equal(bench.trap.night.counts[0] + bench.trap.night.stray, 0);
        destroy(&bench);
    }
    assert_true(closed_only > 0); /* a cut between both records was among them */
}

static void a_night_nobody_saw_is_not_told(void **state)
{
    (void)state;
    struct bench bench;
    create(&bench, at(11, 30));
    run_to(&bench, NOON + DAY + MINUTE);
    assert_int_equal(bench.trap.closed_count, 0);
    destroy(&bench);
}

static void untold_nights_are_bounded(void **state)
{
    (void)state;
    struct bench bench;
    create(&bench, at(17, 0));
    run_to(&bench, NOON + 7 * DAY);
    assert_int_equal(bench.trap.closed_count, TRAP_CLOSED_MAX);
    assert_int_equal(bench.trap.nights_lost, 2);
    assert_true(bench.trap.closed[0].night.end_ns == NOON + 3 * DAY);
    destroy(&bench);
}

static void a_clock_set_back_closes_no_night_twice(void **state)
{
    (void)state;
    struct bench bench;
    create(&bench, at(17, 0));
    run_to(&bench, NOON + DAY + 10 * SECOND);
    assert_int_equal(bench.trap.closed_count, 1);
    bench.wall_ns -= 20 * SECOND;
    run_to(&bench, NOON + DAY + HOUR);
    assert_int_equal(bench.trap.closed_count, 1);
    assert_true(bench.trap.night.end_ns == NOON + 2 * DAY);
    bench.wall_ns += 30 * DAY; /* wrong, for an hour */
    run_to(&bench, bench.wall_ns + HOUR);
    assert_true(bench.trap.night.end_ns == NOON + 32 * DAY);
    bench.wall_ns -= 30 * DAY;
    run_to(&bench, bench.wall_ns + HOUR);
    assert_true(bench.trap.night.end_ns == NOON + 3 * DAY); /* the 2nd was closed by then */
    destroy(&bench);
}

/* A clock far ahead has closed a night; the station starts with the right one, and again. */
static void a_night_closed_too_early_does_not_stand_in_the_way(void **state)
{
    (void)state;
    struct bench bench;
    create(&bench, at(17, 0) + 30 * DAY);
    run_to(&bench, NOON + 31 * DAY + HOUR);
    reset(&bench, -31 * DAY);
    run_to(&bench, at(19, 0));
    bench.inputs.counters.counts[0] += 40;
    run_to(&bench, at(20, 0));
    reset(&bench, MINUTE);
    run_to(&bench, NOON + DAY);
    assert_night(&bench, 0, NOON + DAY, 40);
    assert_night(&bench, TRAP_RESETS, NOON + DAY, 2);
    destroy(&bench);
}

static void flash_that_fails_is_counted(void **state)
{
    (void)state;
    struct bench bench;
    create(&bench, at(17, 0));
    run_to(&bench, at(19, 0));
    bench.flash.syncs_fail = true;
    run_to(&bench, at(20, 0));
    assert_true(bench.trap.keep_errors > 0);
    bench.flash.syncs_fail = false;
    run_to(&bench, NOON + DAY);
    assert_night(&bench, TRAP_LAMP_MINUTES, NOON + DAY, 237);
    destroy(&bench);
}

/* --- seasons ------------------------------------------------------------------------------- */

#define SEASON 60 /* nights */

/* What was told of a night, and what was so. */
struct told {
    bool told;
    double counts[2], lamp, gated;
};

struct season {
    struct bench bench;
    struct draws draws;
    struct told told[SEASON + 2];
    uint32_t flew[SEASON + 2][2]; /* the truth */
    int64_t lit_ns[SEASON + 2];
    uint32_t resets[SEASON + 2];
    bool beam; /* counts only while the station is up, from zero at each start */
    unsigned late, sampled;
};

static size_t night_of(int64_t wall_ns)
{
    int64_t index = (night_end(wall_ns, 7 * 3600) - NOON) / DAY - 1;
    assert_in_range(index, 0, SEASON + 1);
    return (size_t)index;
}

/* A night is told: once, or the same again. */
static void tell(struct season *season, int64_t end_ns, const double values[4])
{
    struct told *told = &season->told[night_of(end_ns)];
    if (told->told) {
        assert_true(told->counts[0] == values[0] && told->counts[1] == values[1]);
        assert_true(told->lamp == values[2] && told->gated == values[3]);
    }
    *told = (struct told){ true, { values[0], values[1] }, values[2], values[3] };
}

/* The values of a night, if there are any at a moment. */
static bool values_of(struct bench *bench, int64_t moment, double values[4])
{
    static const int channels[4] = { 0, 1, TRAP_LAMP_MINUTES, TRAP_GATE_MINUTES };
    size_t found = 0;
    for (size_t i = 0; i < 4; i++) {
        struct hal_sample got = sample(bench, channels[i], moment);
        found += got.kind == HAL_SAMPLE_VALUE;
        values[i] = got.value;
    }
    assert_true(found == 0 || (found == 4 && night_end(moment, 7 * 3600) == moment));
    return found == 4;
}

/* As the station samples: at each full quarter of an hour. */
static void sample_station(struct season *season)
{
    struct bench *bench = &season->bench;
    int64_t moment = bench->wall_ns - bench->wall_ns % (15 * MINUTE);
    double values[4];
    if (bench->wall_ns - moment < 10 * SECOND && values_of(bench, moment, values)) {
        season->sampled++;
        tell(season, moment, values);
    }
}

static void cut(struct season *season);

/* What was missed; now and then the power goes before it is told. */
static void tell_missed(struct season *season)
{
    struct bench *bench = &season->bench;
    double values[4];
    int64_t end_ns;
    if (!trap_missed(&bench->trap, &end_ns)) {
        return;
    }
    assert_true(values_of(bench, end_ns, values));
    bool told = draw_below(&season->draws, 2) == 0;
    if (told) {
        season->late++;
        tell(season, end_ns, values);
    }
    if (!told || draw_below(&season->draws, 2) == 0) {
        cut(season);
    }
}

/* Insects fly while it is dark, in swarms. */
static void fly(struct season *season, int64_t span_ns, bool up)
{
    struct bench *bench = &season->bench;
    bool dark = bench->wall_ns > bench->trap.dusk_ns && bench->wall_ns < bench->trap.dawn_ns;
    for (int64_t passed = 0; dark && passed < span_ns; passed += 10 * SECOND) {
        for (size_t kind = 0; kind < 2; kind++) {
            uint32_t some =
                draw_below(&season->draws, 10) == 0 ? (uint32_t)draw_below(&season->draws, 20) : 0;
            season->flew[night_of(bench->wall_ns)][kind] += some;
            bench->inputs.counters.counts[kind] += season->beam && !up ? 0 : some;
        }
    }
}

static void weather(struct season *season)
{
    struct trap_inputs *inputs = &season->bench.inputs;
    inputs->raining ^= draw_below(&season->draws, inputs->raining ? 60 : 1500) == 0;
    inputs->wind = draw_below(&season->draws, 3000) == 0 ? 11 : inputs->wind * 0.999 + 0.002;
}

/* The power goes, at any operation of the flash, for half a minute to ten. */
static void cut(struct season *season)
{
    struct bench *bench = &season->bench;
    int64_t down = 30 * SECOND + (int64_t)draw_below(&season->draws, 570) * SECOND;
    season->resets[night_of(bench->wall_ns)]++;
    bench->flash.lose_unsynced = draw_below(&season->draws, 2) == 0;
    fly(season, down, false);
    reset(bench, down);
    if (season->beam) {
        bench->inputs.counters =
            (struct night_counters){ .known = true, .session = bench->inputs.counters.session + 1 };
    }
    bench->flash.cut_at =
        draw_below(&season->draws, 3) == 0 ? (long)draw_below(&season->draws, 200) : -1;
}

static void run_season(struct season *season, uint64_t seed, bool beam, uint64_t calm)
{
    *season = (struct season){ .beam = beam };
    struct bench *bench = &season->bench;
    create(bench, NOON + SECOND);
    season->draws = (struct draws){ seed * 2654435769u + 88172645463325252u };
    bench->flash.random = seed;
    bench->inputs.counters.counts[0] = beam ? 0 : UINT32_MAX - 200; /* it will wrap */
    step(bench);
    while (bench->wall_ns < NOON + SEASON * DAY + HOUR) {
        if (bench->flash.cut || draw_below(&season->draws, calm) == 0) {
            cut(season);
        }
        bench->wall_ns += 10 * SECOND;
        bench->mono_ns += 10 * SECOND;
        season->lit_ns[night_of(bench->wall_ns - 10 * SECOND)] +=
            bench->inputs.lit ? 10 * SECOND : 0;
        weather(season);
        fly(season, 10 * SECOND, true);
        step(bench);
        sample_station(season);
        tell_missed(season);
    }
    assert_false(bench->flash.rule_broken);
    assert_int_equal(bench->trap.nonsense, 0);
    destroy(bench);
}

/* Every night is told; the lamp's time is right but for what the resets took. */
static void check_season(const struct season *season, uint64_t seed)
{
    for (size_t i = 0; i < SEASON; i++) {
        const struct told *told = &season->told[i];
        if (!told->told) {
            fail_msg("seed %llu: night %zu was not told", (unsigned long long)seed, i);
        }
        double lit = (double)season->lit_ns[i] / (double)MINUTE;
        double lost = 1.5 * season->resets[i] + 1; /* a keep_every and a step, rounded */
        assert_true(told->lamp <= lit + 0.5 && told->lamp >= lit - lost);
    }
}

static struct season season;

/* Behind a classifier that runs on, every insect is counted exactly once, whatever happens. */
static void a_season_with_a_classifier_is_exact(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    unsigned late = 0, sampled = 0;
    for (int round = 0; round < 6; round++) {
        uint64_t seed = draw_below(&draws, 1000000);
        run_season(&season, seed, false, 100 + 900 * (uint64_t)round);
        check_season(&season, seed);
        for (size_t i = 0; i < SEASON; i++) {
            if (season.told[i].counts[0] != season.flew[i][0] ||
                season.told[i].counts[1] != season.flew[i][1]) {
                fail_msg("seed %llu, night %zu: %g + %g counted, %u + %u flew",
                         (unsigned long long)seed, i, season.told[i].counts[0],
                         season.told[i].counts[1], season.flew[i][0], season.flew[i][1]);
            }
        }
        late += season.late;
        sampled += season.sampled;
    }
    printf("%u nights sampled, %u told late\n", sampled, late);
    assert_true(late > 5 && sampled > 100);
}

/* Behind a beam none is counted twice, and only those around a reset are lost. */
static void a_season_with_a_beam_loses_little(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    for (int round = 0; round < 4; round++) {
        uint64_t seed = draw_below(&draws, 1000000);
        run_season(&season, seed, true, 1000);
        check_season(&season, seed);
        for (size_t i = 0; i < SEASON; i++) {
            double lost = season.flew[i][0] - season.told[i].counts[0];
            assert_true(lost >= 0);
            assert_true(season.resets[i] > 0 || lost == 0);
            assert_true(lost <= season.resets[i] * 19 * 68.0); /* of 10 min and 70 s, at most */
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_night_ends_at_noon),
        cmocka_unit_test(a_night_is_read_as_it_was_saved),
        cmocka_unit_test(channels_have_the_catalogues_names),
        cmocka_unit_test(settings_are_checked),
        cmocka_unit_test(the_lamp_keeps_its_hours),
        cmocka_unit_test(without_a_clock_it_stays_dark),
        cmocka_unit_test(rain_closes_at_once_and_opens_after_its_hold),
        cmocka_unit_test(wind_has_hysteresis),
        cmocka_unit_test(a_silent_sensor_does_not_gate_for_ever),
        cmocka_unit_test(a_low_battery_stays_off_over_resets),
        cmocka_unit_test(what_is_not_measured_gates_nothing),
        cmocka_unit_test(a_battery_that_says_nothing_counts_as_low_for_an_hour),
        cmocka_unit_test(orders_overrule_hours_and_weather_for_a_time),
        cmocka_unit_test(a_broken_lamp_is_dark_time),
        cmocka_unit_test(insects_count_by_night_and_with_the_door_shut),
        cmocka_unit_test(counters_wrap_restart_and_are_not_believed),
        cmocka_unit_test(unsure_time_is_told),
        cmocka_unit_test(a_service_is_told_once_and_kept_in_the_night),
        cmocka_unit_test(a_reset_continues_the_night),
        cmocka_unit_test(a_beam_loses_no_more_than_was_not_kept),
        cmocka_unit_test(a_night_that_ended_while_down_is_told_late),
        cmocka_unit_test(a_night_that_is_not_taken_waits_for_its_turn),
        cmocka_unit_test(a_cut_while_a_night_closes_leaves_it_once),
        cmocka_unit_test(a_night_nobody_saw_is_not_told),
        cmocka_unit_test(untold_nights_are_bounded),
        cmocka_unit_test(a_clock_set_back_closes_no_night_twice),
        cmocka_unit_test(a_night_closed_too_early_does_not_stand_in_the_way),
        cmocka_unit_test(flash_that_fails_is_counted),
        cmocka_unit_test(a_season_with_a_classifier_is_exact),
        cmocka_unit_test(a_season_with_a_beam_loses_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
