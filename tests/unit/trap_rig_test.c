/* A trap's hardware as a whole: pins and a serial line in, a relay out, a night's report. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "port/fake/bus.h"
#include "port/fake/clock.h"
#include "port/fake/flash.h"
#include "port/fake/pins.h"
#include "port/trap_rig.h"

#define SECOND INT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define HOUR   (3600 * SECOND)
#define NOON   (INT64_C(1734757200) * SECOND) /* 21 December 2024 12:00 +07 */
#define END    (NOON + 24 * HOUR)

enum { RELAY = 1, BEAM, RAIN, DOOR };
enum { BEAM_EDGES, TIPS, BUTTON };

enum { WIND, BATTERY, SENSORS };

struct board {
    struct hal_sample samples[SENSORS]; /* what its sensors say */
    unsigned rounds, asked;             /* that were begun; samples */
    struct station_core core;           /* its station, of which only little is used */
    struct hal_sensors sensors;         /* as the station has them */
    struct fake_pins pins;
    struct fake_bus uart;
    struct fake_flash flash;
    struct keep keep;
    struct trap_rig rig;
    struct hal_time now;
};

static struct board board;

static int32_t current(struct fake_pins *pins, unsigned input)
{
    assert_int_equal(input, 0);
    return pins->level[RELAY] ? 9000 : 4000;
}

static void begin_round(void *context, int64_t at_ns)
{
    (void)context;
    assert_true(at_ns == board.now.wall_ns);
    board.rounds++;
}

static struct hal_sample sample(void *context, size_t channel, int64_t at_ns)
{
    (void)context;
    (void)at_ns;
    assert_true(channel == 1 || channel == 2);
    board.asked++;
    return board.samples[channel - 1];
}

static struct hal_sample value(double number)
{
    return (struct hal_sample){ .kind = HAL_SAMPLE_VALUE, .value = number };
}

static void join(void)
{
    static const struct phusa_text names[] = { { "other_insects", 13 },
                                               { "wind_speed", 10 },
                                               { "battery", 7 } };
    const struct hal_sensors others = { .begin = begin_round, .sample = sample };
    board.samples[WIND] = value(1);
    board.samples[BATTERY] = value(13);
    assert_true(trap_rig_join(&board.rig, &others, names, 3, &board.sensors));
    assert_false(trap_rig_join(&board.rig, &others, names, 2, &board.sensors)); /* no battery */
    assert_true(trap_rig_join(&board.rig, &others, names, 3, &board.sensors));
}

static void begin(bool classifier, int64_t wall_ns)
{
    static const struct sun_site site = { 10.2270, 103.9640 };
    memset(&board, 0, sizeof board);
    board.now = (struct hal_time){ .wall_ns = wall_ns, .mono_ns = SECOND, .wall_set = true };
    fake_flash_create(&board.flash, 4096, 2, 1);
    struct hal_flash flash = fake_flash_hal(&board.flash);
    assert_int_equal(keep_open(&board.keep, &flash), KEEP_OK);
    struct trap_rig_settings settings = {
        .lamp = { RELAY, true, 0, 6000, 5 * SECOND, 60 * SECOND, 600 * SECOND },
        .has_classifier = classifier,
        .beam = { 20000000, 10 * SECOND, 30, 60 * SECOND },
        .beam_input = BEAM_EDGES,
        .beam_pin = BEAM,
        .has_gauge = true,
        .gauge_input = TIPS,
        .gauge_debounce_ns = 100000000,
        .wet_ns = 10 * MINUTE,
        .has_rain_switch = true,
        .rain_pin = RAIN,
        .has_door = true,
        .door_pin = DOOR,
        .has_button = true,
        .button_input = BUTTON,
        .button_debounce_ns = SECOND / 2,
    };
    trap_settings_default(&settings.trap, &site);
    settings.trap.classes = classifier ? 2 : 1;
    settings.trap.names[1] = PHUSA_TEXT("bph");
    settings.trap.wind = PHUSA_TEXT("wind_speed");
    settings.trap.battery = PHUSA_TEXT("battery");
    struct hal_pins pins = fake_pins_hal(&board.pins);
    board.pins.measure = current;
    fake_bus_init(&board.uart, CLASSIFIER_BAUD);
    assert_true(
        trap_rig_init(&board.rig, &settings, &pins, &board.uart.hal, &board.keep, 1, board.now));
    assert_int_equal(board.uart.configured, classifier);
    assert_true(!classifier || board.uart.line.baud == CLASSIFIER_BAUD);
    join();
}

static void run_to(int64_t wall_ns)
{
    while (board.now.wall_ns < wall_ns) {
        fake_clock_pass(&board.now, SECOND / 2);
        board.uart.now = board.now.mono_ns;
        trap_rig_serve(&board.rig, &board.core, board.now);
        trap_rig_step(&board.rig, board.now);
    }
}

static double told(int channel)
{
    struct hal_sample sample = trap_sample(&board.rig.trap, channel, END);
    assert_int_equal(sample.kind, HAL_SAMPLE_VALUE);
    return sample.value;
}

static int64_t at(int hour, int minute)
{
    return NOON + (hour - 12) * HOUR + minute * MINUTE;
}

static void a_night_with_a_beam(void **state)
{
    (void)state;
    begin(false, at(17, 0));
    run_to(at(17, 30));
    assert_false(board.pins.level[RELAY]);
    run_to(at(18, 30));
    assert_true(board.pins.level[RELAY]);
    for (int minute = 30; minute < 60; minute++) {
        board.pins.edges[BEAM_EDGES] += 2;
        run_to(at(18, minute));
    }
    board.pins.edges[TIPS]++; /* rain by the gauge: dark for 10 min wet and 15 min hold */
    run_to(at(19, 0) + MINUTE);
    assert_false(board.pins.level[RELAY]);
    assert_int_equal(board.rig.trap.reason, TRAP_RAIN);
    run_to(at(19, 30));
    assert_true(board.pins.level[RELAY]);
    board.pins.level[RAIN] = true; /* and by the switch */
    run_to(at(19, 31));
    assert_false(board.pins.level[RELAY]);
    board.pins.level[RAIN] = false;
    run_to(at(20, 0));
    board.pins.level[DOOR] = true;
    board.pins.edges[BUTTON] += 3; /* bounces */
    board.pins.edges[BEAM_EDGES] += 9;
    run_to(at(20, 5));
    assert_false(board.pins.level[RELAY]);
    board.pins.level[DOOR] = false;
    run_to(at(21, 0));
    board.pins.level[BEAM] = true; /* webbed over, for half an hour */
    run_to(at(21, 30));
    board.pins.level[BEAM] = false;
    run_to(END + SECOND);
    assert_int_equal((int)told(0), 60);
    assert_int_equal((int)told(TRAP_STRAYS), 9);
    assert_int_equal((int)told(TRAP_GATE_MINUTES), 25 + 16);
    assert_in_range((int)told(TRAP_LAMP_MINUTES), 237 - 41 - 5 - 1, 237 - 41 - 5);
    assert_in_range((int)told(TRAP_UNSURE_MINUTES), 28, 30);
    assert_int_equal(board.rig.trap.closed[0].night.services, 1);
    assert_int_equal(board.rig.trap.closed[0].night.doors, 1);
    fake_flash_destroy(&board.flash);
}

static void say(uint32_t session, unsigned number, unsigned state, unsigned first, unsigned second)
{
    char body[80], line[100];
    int length = snprintf(body, sizeof body, "INS,1,%08x,%u,%u,2,%u,%u", session, number, state,
                          first, second);
    length = snprintf(line, sizeof line, "$%s*%04X\r\n", body,
                      (unsigned)classifier_crc((struct phusa_text){ body, (size_t)length }));
    fake_bus_put(&board.uart, line, (size_t)length, 0);
}

static void a_night_with_a_classifier(void **state)
{
    (void)state;
    begin(true, at(17, 0));
    for (unsigned minute = 0; minute < 240; minute++) {
        int64_t now = at(18, 0) + (int64_t)minute * MINUTE;
        if (minute < 60 || minute >= 120) { /* an hour of silence: unsure, and nothing lost */
            say(0xabcd, minute, minute < 70 ? 0 : minute < 130 ? 2 : 0, 1000 + 3 * minute, minute);
        }
        run_to(now + MINUTE);
    }
    assert_true(board.rig.classifier.lost > 0);
    run_to(END + SECOND);
    assert_int_equal((int)told(0), 3 * 239);
    assert_int_equal((int)told(1), 239);
    assert_in_range((int)told(TRAP_UNSURE_MINUTES), 60 - 3 + 10 - 1, 60 - 3 + 10 + 1);
    fake_flash_destroy(&board.flash);
}

static void the_collector_orders_the_lamp(void **state)
{
    (void)state;
    begin(false, at(14, 0));
    run_to(at(14, 5));
    assert_false(board.pins.level[RELAY]);
    board.core.orders.lamp_on = true;
    board.core.orders.lamp_until_ns = INT64_MAX;
    run_to(at(14, 10));
    assert_true(board.pins.level[RELAY]);
    board.core.orders.lamp_until_ns = 0;
    run_to(at(14, 11));
    assert_false(board.pins.level[RELAY]);
    fake_flash_destroy(&board.flash);
}

/* As docs/trap.md promises a technician, in whatever weather, as soon as the battery is known. */
static void lamp_on_5_gives_five_minutes_of_light(void **state)
{
    (void)state;
    begin(false, at(14, 0));
    board.pins.level[RAIN] = true;
    board.samples[WIND] = value(20);
    run_to(at(14, 0) + 2 * MINUTE); /* the lamp has rested since the start */
    assert_null(trap_refusal(&board.rig.trap));
    trap_order(&board.rig.trap, TRAP_ON, board.now.mono_ns + 5 * MINUTE);
    run_to(at(14, 12));
    assert_int_equal(board.rig.trap.order, TRAP_AUTOMATIC);
    assert_in_range(board.rig.lamp.lit_ms, 5 * 60000 - 1000, 5 * 60000 + 1000);
    fake_flash_destroy(&board.flash);
}

/* A station that samples once a day: its trap asks each minute, and never into a round. */
static void wind_and_battery_are_asked_each_minute(void **state)
{
    (void)state;
    begin(false, at(19, 0));
    run_to(at(19, 10));
    assert_true(board.pins.level[RELAY]);
    assert_in_range(board.rounds, 10, 11);
    assert_int_equal(board.asked, 2 * board.rounds);
    board.samples[WIND] = value(9);
    run_to(at(19, 12));
    assert_int_equal(board.rig.trap.reason, TRAP_WIND);
    board.samples[WIND].kind = HAL_SAMPLE_PENDING; /* it answers no more: not known ... */
    run_to(at(19, 15));
    assert_true(isnan(board.rig.joint.heard[NIGHT_WIND]));
    assert_int_equal(board.rig.trap.reason, TRAP_WIND); /* ... and not good for that */
    run_to(at(20, 16));
    assert_true(board.pins.level[RELAY]);
    board.samples[BATTERY] = value(11);
    board.core.sampling.under_way = true;
    unsigned rounds = board.rounds, asked = board.asked;
    run_to(at(20, 20));
    assert_true(board.rounds == rounds && board.asked == asked && board.pins.level[RELAY]);
    (void)board.sensors.sample(board.sensors.context, 2, board.now.wall_ns); /* the station's own */
    run_to(at(20, 21));
    assert_int_equal(board.rig.trap.reason, TRAP_BATTERY);
    board.core.sampling.under_way = false;
    board.samples[BATTERY] = (struct hal_sample){ HAL_SAMPLE_VALUE, 13, 2, false }; /* a fault */
    run_to(at(20, 23));
    assert_true(isnan(board.rig.joint.heard[NIGHT_BATTERY]));
    board.samples[BATTERY] = value(13);
    run_to(at(20, 55));
    assert_true(board.pins.level[RELAY]);
    fake_flash_destroy(&board.flash);
}

static void without_its_bus_it_does_not_begin(void **state)
{
    (void)state;
    begin(true, at(17, 0));
    struct trap_rig_settings settings = board.rig.settings;
    struct hal_pins pins = board.rig.pins;
    assert_false(trap_rig_init(&board.rig, &settings, &pins, NULL, &board.keep, 2, board.now));
    settings.trap.classes = 0;
    settings.has_classifier = false;
    assert_false(trap_rig_init(&board.rig, &settings, &pins, NULL, &board.keep, 2, board.now));
    fake_flash_destroy(&board.flash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_night_with_a_beam),
        cmocka_unit_test(a_night_with_a_classifier),
        cmocka_unit_test(the_collector_orders_the_lamp),
        cmocka_unit_test(lamp_on_5_gives_five_minutes_of_light),
        cmocka_unit_test(wind_and_battery_are_asked_each_minute),
        cmocka_unit_test(without_its_bus_it_does_not_begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
