/*
 * Observation, local checks and calibration of a station against plain accounts of the same
 * definitions, over series drawn from printed seeds.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "calibrate.h"
#include "check.h"
#include "observe.h"

#define SECOND INT64_C(1000000000)
#define SERIES 400

static uint64_t random_state;

static uint32_t draw(uint32_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % below;
}

/* A number with few digits, so that equal ones and exact limits occur. */
static double draw_value(void)
{
    return (double)draw(400) / 8.0 - 10.0;
}

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-9 * (1 + fabs(a) + fabs(b));
}

/* --- observation ------------------------------------------------------------------- */

static void test_one_sample_is_its_own_mean(void **state)
{
    (void)state;
    random_state = 1;
    for (int i = 0; i < 10000; i++) {
        struct observation o = { 0 };
        double value = (double)draw(UINT32_MAX) * 1e-7, deviation;
        observe_add(&o, value, value * 3, 0, 0);
        assert_memory_equal(&o.mean, &value, sizeof value);
        assert_memory_equal(&o.minimum, &value, sizeof value);
        assert_memory_equal(&o.maximum, &value, sizeof value);
        assert_false(observe_deviation(&o, &deviation));
    }
}

static void test_statistics_equal_a_plain_account(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        random_state = seed;
        double values[SERIES], sum = 0, raw = 0, squares = 0, low = INFINITY, high = -INFINITY;
        double offset = seed % 3 == 0 ? 1e6 : 0; /* where a sum of squares would cancel */
        size_t count = 2 + draw(SERIES - 2);
        struct observation o = { 0 };
        for (size_t i = 0; i < count; i++) {
            values[i] = offset + draw_value();
            observe_add(&o, values[i], values[i] / 2, 0, 0);
            sum += values[i];
            raw += values[i] / 2;
            low = fmin(low, values[i]);
            high = fmax(high, values[i]);
        }
        for (size_t i = 0; i < count; i++) {
            double apart = values[i] - sum / (double)count;
            squares += apart * apart;
        }
        double deviation = -1;
        assert_true(observe_deviation(&o, &deviation));
        assert_true(o.count == count && near(o.mean, sum / (double)count));
        assert_true(near(o.raw, raw / (double)count));
        assert_true(fabs(o.minimum - low) <= 0 && fabs(o.maximum - high) <= 0);
        assert_true(near(deviation, sqrt(squares / (double)(count - 1))));
    }
}

static void test_state_and_checks_are_the_worst(void **state)
{
    (void)state;
    struct observation o = { 0 };
    observe_add(&o, 1, 1, 0, CHECK_RANGE);
    assert_int_equal(o.state, 0);
    observe_add(&o, 1, 1, 2, 0);
    observe_add(&o, 1, 1, 1, CHECK_STUCK);
    assert_int_equal(o.state, 2);
    assert_int_equal(o.checks, CHECK_RANGE | CHECK_STUCK);
}

static void test_share_of_valid_samples(void **state)
{
    (void)state;
    static const struct {
        uint32_t count, expected, share;
        bool enough;
    } cases[] = { { 9, 10, 90, true },         { 8, 10, 90, false }, { 0, 0, 90, false },
                  { 1, 1, 100, true },         { 0, 1, 0, false },   { 54, 60, 90, true },
                  { 53, 60, 90, false },       { 3, 10, 30, true },  { 86400, 86400, 100, true },
                  { 86399, 86400, 100, false } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct observation o = { .count = cases[i].count };
        assert_int_equal(observe_enough(&o, cases[i].expected, cases[i].share), cases[i].enough);
    }
}

/* --- checks -------------------------------------------------------------------------- */

/* Looks at the whole series each time. */
static unsigned plain_bits(const struct check_limits *limits, const double *values,
                           const int64_t *times, size_t n)
{
    unsigned bits = 0;
    double v = values[n];
    if (limits->low < limits->high && !(v >= limits->low && v <= limits->high)) {
        bits |= CHECK_RANGE;
    }
    if (n > 0 && limits->step > 0 && fabs(v - values[n - 1]) > limits->step) {
        bits |= CHECK_STEP;
    }
    size_t same = n, begin = 0;
    while (same > 0 && !(fabs(values[same - 1] - v) > 0)) {
        same--;
    }
    double low = values[0], high = values[0];
    for (size_t i = 1; i <= n; i++) {
        low = fmin(low, values[i]);
        high = fmax(high, values[i]);
        if (high - low > limits->flat) {
            begin = i;
            low = high = values[i];
        }
    }
    bits |=
        limits->flat_s > 0 && times[n] - times[begin] >= limits->flat_s * SECOND ? CHECK_FLAT : 0;
    bits |=
        limits->stuck_s > 0 && times[n] - times[same] >= limits->stuck_s * SECOND ? CHECK_STUCK : 0;
    return bits;
}

static void test_checks_equal_a_plain_account(void **state)
{
    (void)state;
    unsigned seen[16] = { 0 };
    for (uint64_t seed = 1; seed <= 400; seed++) {
        random_state = seed;
        double values[SERIES];
        int64_t times[SERIES], at = 0;
        struct check_memory memory = { 0 };
        struct check_limits limits = { .low = draw(2) == 0 ? 0 : -5,
                                       .high = draw(4) == 0 ? 0 : 30,
                                       .step = draw(3) == 0 ? 0 : (double)draw(20),
                                       .flat = (double)draw(8) / 8,
                                       .flat_s = draw(3) == 0 ? 0 : draw(600),
                                       .stuck_s = draw(3) == 0 ? 0 : draw(300) };
        if (limits.low > limits.high) {
            limits.low = limits.high;
        }
        assert_true(check_limits_valid(&limits));
        for (size_t i = 0; i < SERIES; i++) {
            at += (1 + draw(60)) * SECOND;
            times[i] = at;
            uint32_t kind = draw(10);
            values[i] = i > 0 && kind < 6   ? values[i - 1]
                        : i > 0 && kind < 9 ? values[i - 1] + (double)draw(3) / 8.0
                                            : draw_value();
            unsigned bits = check_sample(&limits, &memory, values[i], at);
            assert_int_equal(bits, plain_bits(&limits, values, times, i));
            seen[bits]++;
        }
    }
    for (unsigned bit = 1; bit < 16; bit *= 2) {
        assert_true(seen[bit] > 0);
    }
}

static void test_limits_that_make_no_sense(void **state)
{
    (void)state;
    static const struct check_limits bad[] = { { .low = 2, .high = 1 }, { .low = NAN },
                                               { .high = INFINITY },    { .step = -1 },
                                               { .step = NAN },         { .flat = -0.1 },
                                               { .flat = INFINITY } };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(check_limits_valid(&bad[i]));
    }
}

static void test_time_that_went_back_begins_anew(void **state)
{
    (void)state;
    struct check_limits limits = { .flat = 1, .flat_s = 100, .stuck_s = 100 };
    struct check_memory memory = { 0 };
    assert_int_equal(check_sample(&limits, &memory, 5, 1000 * SECOND), 0);
    assert_int_equal(check_sample(&limits, &memory, 5, 1100 * SECOND), CHECK_FLAT | CHECK_STUCK);
    assert_int_equal(check_sample(&limits, &memory, 5, 500 * SECOND), 0);
    assert_int_equal(check_sample(&limits, &memory, 5, 600 * SECOND), CHECK_FLAT | CHECK_STUCK);
}

/* --- calibration ----------------------------------------------------------------------- */

static void test_two_points_are_met(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        random_state = seed;
        struct calibration c;
        calibrate_begin(&c, PHUSA_TEXT("ec"));
        c.points[0] = (struct calibrate_point){ draw_value(), draw_value() };
        c.points[1] = (struct calibrate_point){ draw_value(), draw_value() };
        c.point_count = 2;
        double raw = c.points[1].raw - c.points[0].raw;
        double reference = c.points[1].reference - c.points[0].reference;
        struct calibration before = c;
        enum calibrate_result result = calibrate_finish(&c);
        if (!(fabs(raw) > 0)) {
            assert_int_equal(result, CALIBRATE_SAME_POINT);
        } else if (reference / raw < CALIBRATE_GAIN_MIN || reference / raw > CALIBRATE_GAIN_MAX) {
            assert_int_equal(result, CALIBRATE_BAD_GAIN);
        } else {
            assert_int_equal(result, CALIBRATE_OK);
            assert_true(near(calibrate_apply(c.now, c.points[0].raw), c.points[0].reference));
            assert_true(near(calibrate_apply(c.now, c.points[1].raw), c.points[1].reference));
            assert_memory_equal(c.before, before.now, sizeof c.before);
            continue;
        }
        assert_memory_equal(c.now, before.now, sizeof c.now);
    }
}

static void test_one_point_moves_the_offset(void **state)
{
    (void)state;
    struct calibration c;
    calibrate_begin(&c, PHUSA_TEXT("ph"));
    assert_int_equal(calibrate_finish(&c), CALIBRATE_NO_POINTS);
    c.now[1] = 1.25;
    c.point_count = 1;
    c.points[0] = (struct calibrate_point){ 4, 7 };
    assert_int_equal(calibrate_finish(&c), CALIBRATE_OK);
    assert_true(near(c.now[0], 2) && near(c.now[1], 1.25) && near(c.before[0], 0));
    assert_true(near(calibrate_apply(c.now, 8), 12));
}

static void test_polynomial(void **state)
{
    (void)state;
    const double cubic[CALIBRATE_ORDER] = { 1, -2, 0.5, 0.25 };
    assert_true(near(calibrate_apply(cubic, 0), 1));
    assert_true(near(calibrate_apply(cubic, 2), 1 - 4 + 2 + 2));
    assert_true(near(calibrate_apply(cubic, -4), 1 + 8 + 8 - 16));
    const double none[CALIBRATE_ORDER] = { 0, 1, 0, 0 };
    for (int i = 0; i < 1000; i++) { /* no calibration changes no bit */
        double raw = draw_value() * 1e-3, value = calibrate_apply(none, raw);
        assert_memory_equal(&raw, &value, sizeof raw);
    }
}

static void test_kept_and_read_again(void **state)
{
    (void)state;
    uint8_t bytes[CALIBRATE_BYTES_MAX];
    struct calibration c, back;
    calibrate_begin(&c, PHUSA_TEXT("a_parameter_of_thirty_two_bytes_"));
    memcpy(c.operator_name, "Nguyễn Thị Bảy", 20);
    c.operator_length = 20;
    c.time_ns = INT64_C(1767225600000000000);
    c.point_count = 2;
    c.points[0] = (struct calibrate_point){ 1.25, 1.413 };
    c.points[1] = (struct calibrate_point){ 11.5, 12.88 };
    assert_int_equal(calibrate_finish(&c), CALIBRATE_OK);
    size_t length = calibrate_pack(&c, bytes);
    assert_true(length <= sizeof bytes);
    assert_true(calibrate_unpack(bytes, length, &back));
    assert_int_equal(back.name_length, 32);
    assert_memory_equal(back.name, c.name, 32);
    assert_memory_equal(back.operator_name, c.operator_name, 20);
    assert_memory_equal(back.now, c.now, sizeof c.now);
    assert_memory_equal(back.before, c.before, sizeof c.before);
    assert_memory_equal(back.points, c.points, sizeof c.points);
    assert_true(back.time_ns == c.time_ns);
    for (size_t shorter = 0; shorter < length; shorter++) {
        assert_false(calibrate_unpack(bytes, shorter, &back));
    }
    bytes[0] = 9;
    assert_false(calibrate_unpack(bytes, length, &back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_sample_is_its_own_mean),
        cmocka_unit_test(test_statistics_equal_a_plain_account),
        cmocka_unit_test(test_state_and_checks_are_the_worst),
        cmocka_unit_test(test_share_of_valid_samples),
        cmocka_unit_test(test_checks_equal_a_plain_account),
        cmocka_unit_test(test_limits_that_make_no_sense),
        cmocka_unit_test(test_time_that_went_back_begins_anew),
        cmocka_unit_test(test_two_points_are_met),
        cmocka_unit_test(test_one_point_moves_the_offset),
        cmocka_unit_test(test_polynomial),
        cmocka_unit_test(test_kept_and_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
