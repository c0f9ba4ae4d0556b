/* Pulse inputs against signals whose truth is known: bounces, wraps, dead time, a dirty beam. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "draws.h"
#include "drivers/pulse.h"

#define MS     INT64_C(1000000)
#define SECOND (1000 * MS)
#define MINUTE (60 * SECOND)
#define HOUR   (3600 * SECOND)

/* --- debounce and wrap ------------------------------------------------------------ */

static void each_edge_counts_without_debounce(void **state)
{
    (void)state;
    struct pulse pulse;
    pulse_init(&pulse, 0, 100, 0);
    assert_int_equal(pulse_poll(&pulse, 100, SECOND), 0);
    assert_int_equal(pulse_poll(&pulse, 105, SECOND), 5);
    assert_int_equal(pulse_poll(&pulse, 106, 2 * SECOND), 1);
    assert_int_equal(pulse.count, 6);
    assert_int_equal(pulse.bounces, 0);
}

static void the_edge_counter_wraps(void **state)
{
    (void)state;
    struct pulse pulse;
    pulse_init(&pulse, 0, UINT32_MAX - 1, 0);
    assert_int_equal(pulse_poll(&pulse, 3, SECOND), 5);
    pulse.count = UINT32_MAX;
    assert_int_equal(pulse_poll(&pulse, 4, SECOND), 1);
    assert_int_equal(pulse.count, 0);
}

static void bounces_are_one_pulse(void **state)
{
    (void)state;
    struct pulse pulse;
    pulse_init(&pulse, 100 * MS, 0, 0);
    assert_int_equal(pulse_poll(&pulse, 4, 50 * MS), 1); /* closes, bounces thrice */
    assert_int_equal(pulse_poll(&pulse, 6, 100 * MS), 0);
    assert_int_equal(pulse_poll(&pulse, 6, 150 * MS), 0);
    assert_int_equal(pulse_poll(&pulse, 6, 250 * MS), 0);
    assert_int_equal(pulse_poll(&pulse, 7, 300 * MS), 1);
    assert_int_equal(pulse.count, 2);
    assert_int_equal(pulse.bounces, 5);
}

/* Tips with up to six edges each, within 40 ms, polled every 50 ms: each is counted once. */
static void bouncing_tips_are_counted_once(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    struct pulse pulse;
    uint32_t edges = UINT32_MAX - 500, tips = 0;
    pulse_init(&pulse, 100 * MS, edges, 0);
    int64_t now = 0, tip = SECOND;
    uint32_t more = 0;
    int64_t more_at = 0;
    for (; now < 2000 * SECOND; now += 50 * MS) {
        if (more > 0 && more_at <= now) {
            edges += more;
            more = 0;
        }
        if (tip <= now) {
            edges++;
            tips++;
            more = (uint32_t)draw_below(&draws, 6);
            more_at = tip + (int64_t)draw_below(&draws, 40) * MS;
            edges += more_at <= now ? more : 0;
            more = more_at <= now ? 0 : more;
            tip += 300 * MS + (int64_t)draw_below(&draws, 3000) * MS;
        }
        pulse_poll(&pulse, edges, now);
    }
    assert_int_equal(pulse.count, tips);
    assert_true(tips > 1000);
}

/* --- saturation --------------------------------------------------------------------- */

/* Least pulses of so many minutes, with so many pulses in each, one evenly after the other. */
static uint32_t least_of(struct pulse_rate *rate, const uint32_t *minutes, size_t count)
{
    uint32_t before = rate->least;
    for (size_t i = 0; i < count; i++) {
        for (uint32_t pulse = 1; pulse <= minutes[i]; pulse++) {
            int64_t at = (int64_t)i * MINUTE + pulse * MINUTE / (minutes[i] + 1);
            pulse_rate_poll(rate, 1, at);
        }
        pulse_rate_poll(rate, 0, (int64_t)(i + 1) * MINUTE);
    }
    return rate->least - before;
}

static void what_comes_too_fast_is_a_least_count(void **state)
{
    (void)state;
    static const struct {
        uint32_t most, minutes[4], least;
    } cases[] = {
        { 40, { 40, 40, 40, 40 }, 0 },        { 40, { 41, 0, 0, 0 }, 1 },
        { 40, { 50, 7, 3, 0 }, 10 + 7 },      { 40, { 10, 60, 60, 5 }, 20 + 60 + 5 },
        { 0, { 9999, 9999, 9999, 9999 }, 0 }, { 40, { 0, 0, 0, 1 }, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pulse_rate rate = { .most = cases[i].most };
        assert_int_equal(least_of(&rate, cases[i].minutes, 4), cases[i].least);
    }
}

/* Looked at seldom, it goes by the mean of the time since then. */
static void a_long_time_is_no_minute(void **state)
{
    (void)state;
    struct pulse_rate rate = { .most = 40 };
    pulse_rate_poll(&rate, 400, 10 * MINUTE);
    assert_int_equal(rate.least, 0);
    pulse_rate_poll(&rate, 401, 20 * MINUTE);
    assert_int_equal(rate.least, 401);
    pulse_rate_poll(&rate, 3, 20 * MINUTE + SECOND);
    assert_int_equal(rate.least, 404);
    pulse_rate_poll(&rate, 0, 21 * MINUTE);
    pulse_rate_poll(&rate, 3, 22 * MINUTE);
    assert_int_equal(rate.least, 404);
}

/* --- rain gauge --------------------------------------------------------------------- */

static void a_tip_is_rain_for_a_while(void **state)
{
    (void)state;
    struct rain_gauge gauge;
    rain_gauge_init(&gauge, 100 * MS, 7, 0);
    rain_gauge_poll(&gauge, 7, SECOND);
    assert_false(rain_gauge_wet(&gauge, SECOND, HOUR));
    rain_gauge_poll(&gauge, 8, 100 * SECOND);
    rain_gauge_poll(&gauge, 8, 200 * SECOND);
    assert_true(rain_gauge_wet(&gauge, 400 * SECOND, 300 * SECOND));
    assert_false(rain_gauge_wet(&gauge, 401 * SECOND, 300 * SECOND));
}

/* --- insect beam -------------------------------------------------------------------- */

static const struct beam_settings gap = { 20 * MS, 10 * SECOND, 30, 5 * SECOND };

static void few_insects_are_counted_as_they_are(void **state)
{
    (void)state;
    struct beam beam;
    beam_init(&beam, &gap, 0, 0);
    uint32_t edges = 0;
    for (int64_t s = 1; s <= 3600; s++) {
        edges += s % 60 == 30;
        beam_poll(&beam, edges, false, s * SECOND);
    }
    assert_int_equal(edges, 60);
    assert_int_equal(beam.count, 60); /* 1 / 500 of a window dead: 0.12 insects in an hour */
    assert_int_equal(beam.unsure_ms, 0);
}

/*
 * Insects that pass at random (Poisson) behind a beam that is dead for 20 ms after each it sees:
 * the corrected count is near the truth, the raw one is not.
 */
static void dead_time_is_corrected(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    struct beam beam;
    beam_init(&beam, &gap, 0, 0);
    uint32_t passed = 0, edges = 0;
    int64_t dead_until = 0, next = 0;
    for (int64_t now = SECOND; now <= 3600 * SECOND; now += SECOND) {
        while (next <= now) {
            passed++;
            if (next >= dead_until) {
                edges++;
                dead_until = next + gap.dead_ns;
            }
            double uniform = ((double)draw_below(&draws, 1000000) + 1) / 1000001;
            next += (int64_t)(-log(uniform) / 10 * (double)SECOND); /* 10 a second */
        }
        beam_poll(&beam, edges, false, now);
    }
    assert_true(edges < passed * 0.86); /* 1 / (1 + 0.2) are seen */
    assert_true(fabs((double)beam.count - passed) < passed * 0.01);
    assert_false(beam_unsure(&beam));
}

static void a_crowd_is_a_least_count(void **state)
{
    (void)state;
    struct beam beam;
    beam_init(&beam, &gap, 0, 0);
    beam_poll(&beam, 300, false, 10 * SECOND); /* 6 s of 10 dead: 60 % */
    assert_true(beam_unsure(&beam));
    assert_int_equal(beam.count, 428); /* 300 / 0.7, not 300 / 0.4 */
    beam_poll(&beam, 310, false, 20 * SECOND);
    assert_false(beam_unsure(&beam));
    assert_int_equal(beam.unsure_ms, 20000); /* its window, and until the next one had ended */
    assert_int_equal(beam.count, 438);       /* 428.57 + 10.2 */
}

static void a_blocked_beam_is_told(void **state)
{
    (void)state;
    struct beam beam;
    beam_init(&beam, &gap, 0, 0);
    for (int64_t s = 1; s <= 4; s++) {
        beam_poll(&beam, 0, true, s * SECOND);
        assert_false(beam_unsure(&beam));
    }
    for (int64_t s = 5; s <= 60; s++) {
        beam_poll(&beam, 0, true, s * SECOND);
        assert_true(beam_unsure(&beam));
    }
    beam_poll(&beam, 0, false, 61 * SECOND);
    assert_false(beam_unsure(&beam));
    assert_int_equal(beam.unsure_ms, 57000);
    assert_int_equal(beam.count, 0);
}

/* An insect that sits in the beam now and then, and moves, does not block it. */
static void passing_insects_do_not_block(void **state)
{
    (void)state;
    struct beam beam;
    beam_init(&beam, &gap, 0, 0);
    for (uint32_t s = 1; s <= 60; s++) {
        beam_poll(&beam, s / 3, true, s * SECOND);
        assert_false(beam_unsure(&beam));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_edge_counts_without_debounce),
        cmocka_unit_test(the_edge_counter_wraps),
        cmocka_unit_test(bounces_are_one_pulse),
        cmocka_unit_test(bouncing_tips_are_counted_once),
        cmocka_unit_test(what_comes_too_fast_is_a_least_count),
        cmocka_unit_test(a_long_time_is_no_minute),
        cmocka_unit_test(a_tip_is_rain_for_a_while),
        cmocka_unit_test(few_insects_are_counted_as_they_are),
        cmocka_unit_test(dead_time_is_corrected),
        cmocka_unit_test(a_crowd_is_a_least_count),
        cmocka_unit_test(a_blocked_beam_is_told),
        cmocka_unit_test(passing_insects_do_not_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
