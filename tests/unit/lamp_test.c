/* A lamp behind a relay: lights, rests, fails, sticks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "draws.h"
#include "drivers/lamp.h"
#include "port/fake/pins.h"

#define SECOND INT64_C(1000000000)

enum { RELAY = 3, LOOP = 1 };

struct board {
    struct fake_pins pins;
    bool broken, welded;
};

static int32_t current(struct fake_pins *pins, unsigned input)
{
    const struct board *board = pins->other;
    assert_int_equal(input, LOOP);
    return board->welded || (pins->level[RELAY] && !board->broken) ? 9000 : 4100;
}

static const struct lamp_settings with_current = { 3,          true,        1,           6000,
                                                   5 * SECOND, 60 * SECOND, 600 * SECOND };
static const struct lamp_settings by_minutes = { 3,          false,       0,           0,
                                                 5 * SECOND, 60 * SECOND, 600 * SECOND };

static struct hal_pins pins_of(struct board *board)
{
    board->pins.measure = current;
    board->pins.other = board;
    return fake_pins_hal(&board->pins);
}

/* Steps each second over (from, to]. */
static void run(struct lamp *lamp, bool wanted, int64_t from, int64_t to)
{
    for (int64_t s = from + 1; s <= to; s++) {
        lamp_step(lamp, wanted, s * SECOND);
    }
}

static void rests_after_the_start_of_the_board(void **state)
{
    (void)state;
    struct board board = { .pins.level[RELAY] = true };
    struct hal_pins pins = pins_of(&board);
    struct lamp lamp;
    lamp_init(&lamp, &with_current, &pins, 0);
    assert_false(board.pins.level[RELAY]);
    run(&lamp, true, 0, 59);
    assert_int_equal(lamp.state, LAMP_RESTING);
    run(&lamp, true, 59, 60);
    assert_int_equal(lamp.state, LAMP_STARTING);
    run(&lamp, true, 60, 61);
    assert_int_equal(lamp.state, LAMP_LIT);
    run(&lamp, true, 61, 121);
    assert_int_equal(lamp.lit_ms, 60000);
    run(&lamp, false, 121, 122);
    assert_int_equal(lamp.state, LAMP_OFF);
    assert_false(board.pins.level[RELAY]);
    assert_int_equal(lamp.lit_ms, 61000);
    run(&lamp, true, 122, 180); /* wanted again too early */
    assert_int_equal(lamp.state, LAMP_RESTING);
    run(&lamp, true, 180, 184);
    assert_int_equal(lamp.state, LAMP_LIT);
    assert_int_equal(lamp.starts, 2);
    assert_int_equal(lamp.failures, 0);
}

static void a_broken_lamp_is_tried_again_after_a_while(void **state)
{
    (void)state;
    struct board board = { .broken = true };
    struct hal_pins pins = pins_of(&board);
    struct lamp lamp;
    lamp_init(&lamp, &with_current, &pins, 0);
    run(&lamp, true, 0, 65);
    assert_int_equal(lamp.state, LAMP_FAILED);
    assert_false(board.pins.level[RELAY]);
    run(&lamp, true, 65, 664);
    assert_int_equal(lamp.state, LAMP_FAILED);
    board.broken = false;
    run(&lamp, true, 664, 666);
    assert_int_equal(lamp.state, LAMP_LIT);
    assert_int_equal(lamp.failures, 1);
    assert_int_equal(lamp.lit_ms, 0);
}

static void a_lamp_that_goes_out_has_failed(void **state)
{
    (void)state;
    struct board board = { 0 };
    struct hal_pins pins = pins_of(&board);
    struct lamp lamp;
    lamp_init(&lamp, &with_current, &pins, 0);
    run(&lamp, true, 0, 100);
    assert_true(lamp_is_lit(&lamp));
    board.broken = true;
    run(&lamp, true, 100, 104);
    assert_true(lamp_is_lit(&lamp)); /* a flicker is not yet a failure */
    run(&lamp, true, 104, 106);
    assert_int_equal(lamp.state, LAMP_FAILED);
    assert_int_equal(lamp.failures, 1);
}

static void a_welded_relay_is_seen(void **state)
{
    (void)state;
    struct board board = { .welded = true };
    struct hal_pins pins = pins_of(&board);
    struct lamp lamp;
    lamp_init(&lamp, &with_current, &pins, 0);
    run(&lamp, false, 0, 4);
    assert_int_equal(lamp.state, LAMP_OFF);
    run(&lamp, false, 4, 15);
    assert_int_equal(lamp.state, LAMP_STUCK);
    assert_true(lamp_is_lit(&lamp));
    assert_int_equal(lamp.lit_ms, 10000);
    board.welded = false;
    run(&lamp, false, 15, 16);
    assert_int_equal(lamp.state, LAMP_OFF);
}

static void without_current_it_goes_by_minutes(void **state)
{
    (void)state;
    struct board board = { .broken = true };
    struct hal_pins pins = pins_of(&board);
    struct lamp lamp;
    lamp_init(&lamp, &by_minutes, &pins, 0);
    run(&lamp, true, 0, 64);
    assert_int_equal(lamp.state, LAMP_STARTING);
    run(&lamp, true, 64, 65);
    assert_int_equal(lamp.state, LAMP_LIT);
    run(&lamp, true, 65, 125);
    assert_int_equal(lamp.lit_ms, 60000);
}

/* The converter fails: as without one, and counted. */
static void a_blind_converter_costs_no_light(void **state)
{
    (void)state;
    struct board board = { .pins.silent[LOOP] = true };
    struct hal_pins pins = pins_of(&board);
    struct lamp lamp;
    lamp_init(&lamp, &with_current, &pins, 0);
    run(&lamp, true, 0, 100);
    assert_int_equal(lamp.state, LAMP_LIT);
    assert_true(lamp.blind > 0);
    assert_int_equal(lamp.failures, 0);
}

/* Whatever is wanted and breaks: between going off and on again lies the rest, the minutes are
 * those of the relay's light, and what is not wanted is off. */
static void never_chatters(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    for (int round = 0; round < 50; round++) {
        struct board board = { 0 };
        struct hal_pins pins = pins_of(&board);
        struct lamp lamp;
        lamp_init(&lamp, draw_below(&draws, 2) ? &with_current : &by_minutes, &pins, 0);
        int64_t off_since = 0;
        bool wanted = false, was = false;
        for (int64_t s = 1; s < 20000; s++) {
            wanted ^= draw_below(&draws, 40) == 0;
            board.broken ^= draw_below(&draws, 200) == 0;
            board.pins.silent[LOOP] ^= draw_below(&draws, 200) == 0;
            lamp_step(&lamp, wanted, s * SECOND);
            if (board.pins.level[RELAY] && !was) {
                assert_true(s - off_since >= 60);
            }
            off_since = was && !board.pins.level[RELAY] ? s : off_since;
            assert_true(wanted || !board.pins.level[RELAY]);
            was = board.pins.level[RELAY];
        }
        assert_true(lamp.lit_ms <= 20000u * 1000);
        assert_true(board.pins.switched[RELAY] <= 2 * lamp.starts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rests_after_the_start_of_the_board),
        cmocka_unit_test(a_broken_lamp_is_tried_again_after_a_while),
        cmocka_unit_test(a_lamp_that_goes_out_has_failed),
        cmocka_unit_test(a_welded_relay_is_seen),
        cmocka_unit_test(without_current_it_goes_by_minutes),
        cmocka_unit_test(a_blind_converter_costs_no_light),
        cmocka_unit_test(never_chatters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
