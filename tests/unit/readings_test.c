/* A ring of readings holds them exactly, whatever their form, and is packed when they allow it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "draws.h"
#include "quality/readings.h"

#define SECOND   INT64_C(1000000000)
#define START    (INT64_C(1760000000) * SECOND)
#define EVERY    (300 * SECOND)
#define CAPACITY 64
#define LENGTH   5000

static int64_t times[LENGTH];
static double values[LENGTH];

/* The last of them, count in all, lie in the ring, bit for bit. */
static void assert_held(const struct readings *ring, size_t newest, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        size_t at = newest + 1 - count + i;
        double value = readings_value(ring, i);
        assert_int_equal(readings_time(ring, i), times[at]);
        if (isnan(values[at])) {
            assert_true(isnan(value));
        } else {
            assert_memory_equal(&value, &values[at], sizeof value);
        }
    }
}

/* Through a ring of at most CAPACITY; the bytes of it at last. */
static size_t pass_through(size_t length)
{
    struct readings ring = { 0 };
    uint32_t count = 0;
    for (size_t i = 0; i < length; i++) {
        struct readings_entry entry = { .time_ns = times[i], .value = values[i] };
        if (count == CAPACITY) {
            readings_drop(&ring, count--);
        }
        uint32_t room = count < ring.capacity ? ring.capacity : ring.capacity == 0 ? 7 : CAPACITY;
        assert_true(readings_prepare(&ring, count, room, &entry));
        readings_put(&ring, count++, &entry);
        assert_held(&ring, i, count);
    }
    size_t bytes = readings_bytes(&ring);
    readings_free(&ring);
    assert_int_equal(readings_bytes(&ring), 0);
    return bytes;
}

/* A plain series: every five minutes, decimals of two places. */
static void make_plain(void)
{
    struct draws draws = draws_begin();
    for (size_t i = 0; i < LENGTH; i++) {
        times[i] = START + (int64_t)i * EVERY;
        values[i] = ((double)(draw_below(&draws, 200000)) - 100000) / 100;
    }
}

static void plain_readings_take_eight_bytes(void **state)
{
    (void)state;
    make_plain();
    values[10] = (double)NAN;
    values[20] = -0.0;
    values[30] = 214748.3645;
    values[40] = -214748.3645;
    assert_int_equal(pass_through(LENGTH), 8 * CAPACITY);
}

static void odd_times_are_held_and_forgotten(void **state)
{
    (void)state;
    make_plain();
    times[1000]++; /* a nanosecond */
    assert_int_equal(pass_through(1001), 12 * CAPACITY);
    assert_int_equal(pass_through(LENGTH), 8 * CAPACITY);
}

static void odd_values_are_held_and_forgotten(void **state)
{
    static const double odd[] = { 1.0 / 3, 1e300,  -1e-300,     (double)INFINITY, (double)-INFINITY,
                                  0.00001, 5e-324, 214748.3647, -214748.3648,     1e6 };
    (void)state;
    for (size_t k = 0; k < sizeof odd / sizeof odd[0]; k++) {
        make_plain();
        values[1000] = odd[k];
        assert_int_equal(pass_through(1001), 12 * CAPACITY);
        assert_int_equal(pass_through(LENGTH), 8 * CAPACITY);
    }
}

static void far_times_are_held(void **state)
{
    (void)state;
    make_plain();
    for (size_t i = 1000; i < LENGTH; i++) {
        times[i] += 365 * 86400 * SECOND; /* a year of gap */
    }
    assert_int_equal(pass_through(1001), 12 * CAPACITY);
    assert_int_equal(pass_through(LENGTH), 8 * CAPACITY);
    times[0] = INT64_MIN;
    times[1] = -1;
    times[2] = INT64_MAX;
    assert_int_equal(pass_through(3), 12 * 7);
}

/* Long after the first reading the origin of short times moves with them. */
static void months_are_held(void **state)
{
    (void)state;
    make_plain();
    for (size_t i = 0; i < LENGTH; i++) {
        times[i] = START + (int64_t)i * 7200 * SECOND;
    }
    assert_int_equal(pass_through(LENGTH), 8 * CAPACITY);
}

static void any_mixture_is_held(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    make_plain();
    for (size_t i = 1; i < LENGTH; i++) {
        uint64_t step = draw_below(&draws, 100);
        times[i] = times[i - 1] + (step == 0   ? (int64_t)(draw_below(&draws, 1000000000)) + 1
                                   : step == 1 ? 40 * 86400 * SECOND
                                               : EVERY);
        values[i] = draw_below(&draws, 200) == 0 ? values[i] / 3 : values[i];
    }
    (void)pass_through(LENGTH);
}

static void readings_move_whole(void **state)
{
    (void)state;
    struct readings ring = { 0 };
    for (uint32_t i = 0; i < 4; i++) {
        struct readings_entry entry = { .time_ns = START + i * EVERY, .value = i / 8.0 };
        assert_true(readings_prepare(&ring, i, 8, &entry));
        readings_put(&ring, i, &entry);
    }
    readings_move(&ring, 4, 1);
    assert_int_equal(readings_time(&ring, 4), START + EVERY);
    assert_true(readings_value(&ring, 4) == 1 / 8.0);
    readings_free(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_readings_take_eight_bytes),
        cmocka_unit_test(odd_times_are_held_and_forgotten),
        cmocka_unit_test(odd_values_are_held_and_forgotten),
        cmocka_unit_test(far_times_are_held),
        cmocka_unit_test(months_are_held),
        cmocka_unit_test(any_mixture_is_held),
        cmocka_unit_test(readings_move_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
