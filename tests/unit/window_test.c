/* Windows of event time against cases worked by hand, plain sums, and themselves in other orders.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "draws.h"
#include "quality/exact.h"
#include "quality/window.h"
#include "shared_data.h"

#define S      INT64_C(1000000000)
#define MINUTE (60 * S)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

__extension__ typedef __float128 quad;

/* --- a series and what it told --------------------------------------------------------------- */

struct world {
    struct window_settings settings;
    struct window_series *series;
    struct window_result *results;
    size_t count, capacity, in_call;
    int64_t now_ns;
};

static void keep(void *context, const struct window_result *result)
{
    struct world *world = context;
    if (world->count == world->capacity) {
        world->capacity = world->capacity == 0 ? 1024 : world->capacity * 2;
        world->results = realloc(world->results, world->capacity * sizeof *result);
        assert_non_null(world->results);
    }
    world->results[world->count++] = *result;
    assert_true(++world->in_call <= WINDOW_RESULTS_MAX);
}

static struct window_out into(struct world *world)
{
    world->in_call = 0;
    return (struct window_out){ keep, world };
}

static struct window_settings usual(unsigned kinds)
{
    return (struct window_settings){ .every_ns = 5 * MINUTE,
                                     .lateness_ns = WINDOW_LATENESS_DEFAULT_NS,
                                     .live_within_ns = 15 * MINUTE,
                                     .utc_offset_s = 7 * 3600,
                                     .coverage = WINDOW_COVERAGE_DEFAULT,
                                     .kinds = kinds,
                                     .largest = 1000 };
}

static struct world world_of(struct window_settings settings)
{
    struct world world = { .settings = settings, .series = window_create(&settings) };
    assert_non_null(world.series);
    return world;
}

static void end(struct world *world)
{
    window_free(world->series);
    free(world->results);
    *world = (struct world){ 0 };
}

/* A local time (UTC+7), in UTC. */
static int64_t local(int year, int month, int day, int hour, int minute)
{
    struct tm tm = { .tm_year = year - 1900,
                     .tm_mon = month - 1,
                     .tm_mday = day,
                     .tm_hour = hour,
                     .tm_min = minute };
    return (int64_t)timegm(&tm) * S - 7 * HOUR;
}

/* The reading received when it was made. */
static enum window_taken add(struct world *world, int64_t time_ns, double value)
{
    world->now_ns = time_ns > world->now_ns ? time_ns : world->now_ns;
    return window_add(world->series, &world->settings, time_ns, value, world->now_ns, into(world));
}

static void pass(struct world *world, int64_t until_ns)
{
    world->now_ns = until_ns;
    window_advance(world->series, &world->settings, until_ns, into(world));
}

/* One reading each `step` in (from, to]: the value is the number of the reading, from 1. */
static int fill(struct world *world, int64_t from, int64_t to, int64_t step)
{
    int n = 0;
    for (int64_t time = from + step; time <= to; time += step) {
        assert_int_equal(add(world, time, ++n), WINDOW_TAKEN);
    }
    return n;
}

/* The newest telling of a window, NULL if there is none. */
static const struct window_result *find(const struct world *world, enum window_kind kind,
                                        int64_t end_ns)
{
    for (size_t i = world->count; i > 0; i--) {
        if (world->results[i - 1].kind == kind && world->results[i - 1].end_ns == end_ns) {
            return &world->results[i - 1];
        }
    }
    return NULL;
}

static size_t told(const struct world *world, enum window_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < world->count; i++) {
        count += world->results[i].kind == kind;
    }
    return count;
}

static bool same(double a, double b)
{
    return (a == b && signbit(a) == signbit(b)) || (isnan(a) && isnan(b));
}

static bool same_numbers(const struct window_numbers *a, const struct window_numbers *b)
{
    return a->count == b->count && a->hours == b->hours && a->enough == b->enough &&
           same(a->coverage, b->coverage) && same(a->mean, b->mean) && same(a->sum, b->sum) &&
           same(a->min, b->min) && same(a->max, b->max) && same(a->max_1h, b->max_1h) &&
           same(a->max_8h, b->max_8h);
}

/* --- exact sums ------------------------------------------------------------------------------ */

static void means_are_correctly_rounded_in_any_order(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    int exponent = exact_exponent(1000);
    for (int round = 0; round < 20000; round++) {
        double values[40];
        uint32_t count = 1 + (uint32_t)draw_below(&draws, 40);
        quad plain = 0;
        struct exact up = { 0 }, down = { 0 }, one;
        for (uint32_t i = 0; i < count; i++) {
            /* 53 random bits below 2^-29 to 2^9, both signs: no bit is lost in 113. */
            double fraction = (double)(draw(&draws) >> 11 | 1) * 0x1p-53;
            values[i] = ldexp(fraction, (int)draw_below(&draws, 39) - 29);
            values[i] = draw_below(&draws, 2) == 0 ? values[i] : -values[i];
            plain += (quad)values[i];
        }
        for (uint32_t i = 0; i < count; i++) {
            assert_true(exact_of(values[i], exponent, &one));
            up = exact_plus(up, one);
            assert_true(same(exact_mean(one, 1, exponent), values[i]));
            assert_true(exact_of(values[count - 1 - i], exponent, &one));
            down = exact_plus(down, one);
        }
        assert_memory_equal(&up, &down, sizeof up);
        double mean = exact_mean(up, count, exponent);
        if (!same(mean, (double)(plain / count))) {
            fail_msg("mean of %u: %a, not %a", count, mean, (double)(plain / count));
        }
    }
}

static void values_beyond_the_unit_are_refused_and_small_ones_rounded(void **state)
{
    (void)state;
    struct exact one;
    int exponent = exact_exponent(1000); /* below 2^10: the unit is 2^-82 */
    assert_int_equal(exponent, 10 - 92);
    assert_true(exact_of(0x1.fffffffffffffp18, exponent, &one));
    assert_false(exact_of(0x1p19, exponent, &one));
    assert_false(exact_of(-0x1p19, exponent, &one));
    assert_false(exact_of(INFINITY, exponent, &one));
    assert_false(exact_of(-INFINITY, exponent, &one));
    assert_false(exact_of(NAN, exponent, &one));
    assert_true(exact_of(0x1.8p-83, exponent, &one)); /* three quarters of a unit */
    assert_true(same(exact_mean(one, 1, exponent), 0x1p-82));
    assert_true(exact_of(-0x1p-83, exponent, &one)); /* a half goes away from zero */
    assert_true(same(exact_mean(one, 1, exponent), -0x1p-82));
    assert_true(exact_of(0x1.fp-84, exponent, &one));
    assert_true(same(exact_mean(one, 1, exponent), 0));
    assert_true(exact_of(5e-324, exponent, &one));
    assert_true(same(exact_mean(one, 1, exponent), 0));
    for (int i = -2; i < 3; i++) { /* odd ranges have a unit, too */
        double odd[] = { 0, -1, NAN, INFINITY, 1e-320 };
        exponent = exact_exponent(odd[i + 2]);
        assert_true(exponent >= EXACT_EXPONENT_LEAST && exponent <= EXACT_EXPONENT_MOST);
    }
}

static void sums_of_the_largest_fit(void **state)
{
    (void)state;
    int exponent = exact_exponent(1000);
    struct exact one;
    double largest = -0x1.fffffffffffffp18;
    assert_true(exact_of(largest, exponent, &one));
    struct exact all = exact_times(one, EXACT_COUNT_MAX);
    assert_true(same(exact_mean(all, EXACT_COUNT_MAX, exponent), largest));
    assert_true(exact_at_most(all, one));
    assert_false(exact_at_most(one, all));
    struct exact five = exact_over((struct exact){ 9, 0 }, 2),
                 minus = exact_over((struct exact){ UINT64_MAX - 8, -1 }, 2);
    assert_true(five.low == 5 && five.high == 0); /* 4.5 units */
    assert_true(minus.low == UINT64_MAX - 4 && minus.high == -1);
}

/* --- cases worked by hand -------------------------------------------------------------------- */

static void an_hour_has_the_readings_up_to_its_end(void **state)
{
    (void)state;
    struct world world = world_of(usual(WINDOW_BIT(WINDOW_1H)));
    fill(&world, local(2026, 3, 1, 9, 0), local(2026, 3, 1, 11, 0), 5 * MINUTE);
    /* 10:00 closes at 10:10, 11:00 at 11:10 and not before. */
    assert_int_equal(world.count, 1);
    pass(&world, local(2026, 3, 1, 11, 10) - 1);
    assert_int_equal(world.count, 1);
    pass(&world, local(2026, 3, 1, 11, 10));
    assert_int_equal(world.count, 2);
    const struct window_result *ten = &world.results[0], *eleven = &world.results[1];
    assert_int_equal(ten->end_ns, local(2026, 3, 1, 10, 0));
    assert_int_equal(ten->length_ns, HOUR);
    assert_int_equal(ten->now.count, 12); /* 1 .. 12, the last at 10:00 */
    assert_true(same(ten->now.mean, 6.5) && same(ten->now.sum, 78) && same(ten->now.min, 1) &&
                same(ten->now.max, 12) && same(ten->now.coverage, 1));
    assert_true(ten->now.enough && ten->live && !ten->correction && ten->behind_ns == 0);
    assert_int_equal(eleven->end_ns, local(2026, 3, 1, 11, 0));
    assert_true(same(eleven->now.mean, 18.5));
    end(&world);
}

static void the_other_edge_begins_hours(void **state)
{
    (void)state;
    struct window_settings settings = usual(WINDOW_BIT(WINDOW_1H));
    settings.edge = WINDOW_EDGE_BEGINS;
    struct world world = world_of(settings);
    add(&world, local(2026, 3, 1, 10, 0) - 1, 5);
    add(&world, local(2026, 3, 1, 10, 0), 7);
    pass(&world, local(2026, 3, 1, 11, 10));
    assert_true(same(find(&world, WINDOW_1H, local(2026, 3, 1, 10, 0))->now.sum, 5));
    assert_true(same(find(&world, WINDOW_1H, local(2026, 3, 1, 11, 0))->now.sum, 7));
    end(&world);
}

static void a_window_is_live_within_live_within_of_its_closing(void **state)
{
    (void)state;
    for (int over = 0; over < 2; over++) {
        struct world world = world_of(usual(WINDOW_BIT(WINDOW_1H)));
        fill(&world, local(2026, 3, 1, 9, 0), local(2026, 3, 1, 10, 0), 5 * MINUTE);
        pass(&world, local(2026, 3, 1, 10, 25) + over);
        assert_int_equal(world.count, 1);
        assert_int_equal(world.results[0].behind_ns, 15 * MINUTE + over);
        assert_true(world.results[0].live == (over == 0));
        end(&world);
    }
}

static void coverage_exactly_at_the_limit_is_enough(void **state)
{
    (void)state;
    for (int count = 8; count <= 9; count++) { /* 9 of 12 is 0.75 */
        struct world world = world_of(usual(WINDOW_BIT(WINDOW_1H)));
        fill(&world, local(2026, 3, 1, 9, 0), local(2026, 3, 1, 9, 5 * count), 5 * MINUTE);
        pass(&world, local(2026, 3, 1, 10, 10));
        const struct window_numbers *now = &world.results[0].now;
        assert_int_equal(world.count, 1);
        assert_true(now->enough == (count == 9));
        assert_true(isnan(window_value(now, WINDOW_MEAN, 0.75)) == (count == 8));
        assert_true(same(window_value(now, WINDOW_MEAN, 0.5), (count + 1) / 2.0));
        assert_true(same(window_value(now, WINDOW_COUNT, 0.5), count));
        end(&world);
    }
    /* 0.8 is no binary fraction: 4 of 5 reach it all the same. */
    struct window_settings settings = usual(WINDOW_BIT(WINDOW_1H));
    settings.every_ns = 12 * MINUTE;
    settings.coverage = 0.8;
    struct world world = world_of(settings);
    fill(&world, local(2026, 3, 1, 9, 0), local(2026, 3, 1, 9, 48), 12 * MINUTE);
    pass(&world, local(2026, 3, 1, 10, 10));
    assert_true(world.results[0].now.enough);
    end(&world);
}

static void the_first_hour_has_what_came_since_the_first_reading(void **state)
{
    (void)state;
    struct world world = world_of(usual(WINDOW_ALL));
    fill(&world, local(2026, 3, 1, 9, 30), local(2026, 3, 1, 11, 0), 5 * MINUTE);
    pass(&world, local(2026, 3, 1, 11, 10));
    const struct window_result *ten = find(&world, WINDOW_1H, local(2026, 3, 1, 10, 0));
    assert_int_equal(ten->now.count, 6);
    assert_true(same(ten->now.coverage, 0.5) && !ten->now.enough);
    assert_true(find(&world, WINDOW_1H, local(2026, 3, 1, 11, 0))->now.enough);
    /* The 8 h have one hourly mean, of 11:00, and 18 of 96 samples. */
    const struct window_result *eight = find(&world, WINDOW_8H, local(2026, 3, 1, 11, 0));
    assert_true(eight->now.hours == 1 && eight->now.count == 18 && !eight->now.enough);
    assert_true(same(eight->now.mean, 12.5) && same(eight->now.coverage, 18 / 96.0));
    assert_int_equal(told(&world, WINDOW_1H), 2);
    end(&world);
}

static void days_and_nights_end_at_local_midnight_and_noon(void **state)
{
    (void)state;
    struct window_settings settings = usual(WINDOW_ALL);
    settings.every_ns = 30 * MINUTE;
    struct world world = world_of(settings);
    /* Noon of the first to noon of the third: value 1 on the second of March (00:30 to 24:00), else
     * 0. */
    for (int64_t time = local(2026, 3, 1, 12, 30); time <= local(2026, 3, 3, 12, 0);
         time += 30 * MINUTE) {
        bool second = time > local(2026, 3, 2, 0, 0) && time <= local(2026, 3, 3, 0, 0);
        add(&world, time, second ? 1 : 0);
    }
    pass(&world, local(2026, 3, 3, 12, 10));
    const struct window_result *day = find(&world, WINDOW_DAY, local(2026, 3, 3, 0, 0));
    assert_true(day->now.count == 48 && same(day->now.mean, 1) && same(day->now.min, 1));
    assert_true(same(day->now.max_1h, 1) && same(day->now.max_8h, 1) && day->now.hours == 24);
    const struct window_result *first = find(&world, WINDOW_DAY, local(2026, 3, 2, 0, 0));
    assert_true(first->now.count == 24 && !first->now.enough && same(first->now.max, 0));
    /* 00:30 belongs to the night that began at noon the day before. */
    const struct window_result *night = find(&world, WINDOW_NIGHT, local(2026, 3, 2, 12, 0));
    assert_true(night->now.count == 48 && same(night->now.sum, 24) && same(night->now.mean, 0.5));
    assert_true(same(find(&world, WINDOW_NIGHT, local(2026, 3, 3, 12, 0))->now.sum, 24));
    assert_int_equal(told(&world, WINDOW_DAY), 2);
    assert_int_equal(told(&world, WINDOW_NIGHT), 2);
    assert_int_equal(told(&world, WINDOW_YEAR), 2);
    end(&world);
}

static void the_largest_8h_mean_of_a_day_reaches_into_the_one_before(void **state)
{
    (void)state;
    struct window_settings settings = usual(WINDOW_BIT(WINDOW_DAY));
    settings.every_ns = HOUR;
    struct world world = world_of(settings);
    for (int64_t time = local(2026, 3, 1, 1, 0); time <= local(2026, 3, 3, 0, 0); time += HOUR) {
        bool evening = time > local(2026, 3, 1, 17, 0) && time <= local(2026, 3, 2, 0, 0);
        add(&world, time, evening ? 80 : 0);
    }
    pass(&world, local(2026, 3, 3, 0, 10));
    const struct window_result *second = find(&world, WINDOW_DAY, local(2026, 3, 3, 0, 0));
    assert_true(same(second->now.max_8h, 70) && same(second->now.max_1h, 0));
    assert_true(same(find(&world, WINDOW_DAY, local(2026, 3, 2, 0, 0))->now.max_1h, 80));
    end(&world);
}

static void the_year_ends_with_the_hour_of_midnight(void **state)
{
    (void)state;
    struct window_settings settings = usual(WINDOW_BIT(WINDOW_YEAR));
    settings.every_ns = HOUR;
    settings.coverage = 0;
    struct world world = world_of(settings);
    /* Hourly from 25 December 2025 to 6 January 2026: 2 in the old year, 5 in the new one. */
    for (int64_t time = local(2025, 12, 25, 1, 0); time <= local(2026, 1, 6, 0, 0); time += HOUR) {
        add(&world, time, time <= local(2026, 1, 1, 0, 0) ? 2 : 5);
    }
    pass(&world, local(2026, 1, 6, 0, 10));
    const struct window_result *old = find(&world, WINDOW_YEAR, local(2026, 1, 1, 0, 0));
    assert_true(old->now.count == 7 * 24 && same(old->now.max, 2) && same(old->now.mean, 2));
    assert_int_equal(old->length_ns, 365 * DAY);
    const struct window_result *new = find(&world, WINDOW_YEAR, local(2026, 1, 2, 0, 0));
    assert_true(new->now.count == 24 && same(new->now.min, 5) && new->length_ns == DAY);
    const struct window_result *last = find(&world, WINDOW_YEAR, local(2026, 1, 6, 0, 0));
    assert_true(last->now.count == 5 * 24 && same(last->now.min, 5) && same(last->now.coverage, 1));
    assert_int_equal(told(&world, WINDOW_YEAR), 12);
    end(&world);
}

static void a_leap_year_is_longer(void **state)
{
    (void)state;
    struct world world = world_of(usual(WINDOW_BIT(WINDOW_YEAR)));
    add(&world, local(2024, 12, 31, 23, 59), 1);
    pass(&world, local(2025, 1, 1, 0, 10));
    assert_int_equal(find(&world, WINDOW_YEAR, local(2025, 1, 1, 0, 0))->length_ns, 366 * DAY);
    end(&world);
}

static void a_year_of_gap_is_silent_but_for_a_day(void **state)
{
    (void)state;
    for (int step = 0; step < 2;
         step++) { /* in one leap, and with a tick each quarter of an hour */
        struct world world = world_of(usual(WINDOW_ALL));
        fill(&world, local(2025, 3, 1, 9, 0), local(2025, 3, 1, 10, 0), 5 * MINUTE);
        for (int64_t now = local(2025, 3, 1, 10, 0); step == 1 && now < local(2026, 3, 1, 9, 0);
             now += 15 * MINUTE) {
            pass(&world, now);
        }
        fill(&world, local(2026, 3, 1, 9, 0), local(2026, 3, 1, 10, 0), 5 * MINUTE);
        pass(&world, local(2026, 3, 1, 10, 10));
        assert_int_equal(told(&world, WINDOW_1H), 25);
        assert_int_equal(told(&world, WINDOW_24H), 25);
        const struct window_result *empty = find(&world, WINDOW_1H, local(2025, 3, 1, 11, 0));
        assert_true(empty->now.count == 0 && isnan(empty->now.mean) && !empty->now.enough);
        assert_true(same(empty->now.coverage, 0));
        assert_true(same(find(&world, WINDOW_1H, local(2026, 3, 1, 10, 0))->now.mean, 6.5));
        pass(&world, local(2026, 3, 2, 0, 10));
        assert_int_equal(find(&world, WINDOW_YEAR, local(2026, 3, 2, 0, 0))->now.count, 12);
        end(&world);
    }
}

static void what_cannot_be_used_is_refused(void **state)
{
    (void)state;
    struct world world = world_of(usual(WINDOW_ALL));
    int64_t now = local(2026, 3, 1, 9, 30);
    assert_int_equal(add(&world, now, 1), WINDOW_TAKEN);
    assert_int_equal(add(&world, now, NAN), WINDOW_UNUSABLE);
    assert_int_equal(add(&world, now, INFINITY), WINDOW_UNUSABLE);
    assert_int_equal(add(&world, now, 1e6), WINDOW_UNUSABLE);
    assert_int_equal(add(&world, 0, 1), WINDOW_UNUSABLE);
    assert_int_equal(add(&world, -5, 1), WINDOW_UNUSABLE);
    struct window_out out = into(&world);
    assert_int_equal(window_add(world.series, &world.settings, now + 2 * HOUR, 1, now, out),
                     WINDOW_AHEAD);
    assert_int_equal(window_add(world.series, &world.settings, INT64_MAX, 1, INT64_MAX, out),
                     WINDOW_UNUSABLE);
    assert_int_equal(window_add(world.series, &world.settings, now + 4 * MINUTE, -3, now, out),
                     WINDOW_TAKEN); /* a little ahead; concentrations below zero are kept */
    pass(&world, now + HOUR);
    assert_int_equal(world.results[0].now.count, 2);
    assert_true(same(world.results[0].now.min, -3));
    end(&world);
}

static void a_full_hour_takes_no_more(void **state)
{
    (void)state;
    struct world world = world_of(usual(WINDOW_BIT(WINDOW_1H)));
    int64_t begin = local(2026, 3, 1, 9, 0);
    for (int64_t i = 1; i <= WINDOW_HOUR_COUNT_MAX; i++) {
        assert_int_equal(add(&world, begin + i * 50 * (S / 1000), 999), WINDOW_TAKEN);
    }
    assert_int_equal(add(&world, local(2026, 3, 1, 9, 58), 1), WINDOW_FULL);
    pass(&world, local(2026, 3, 1, 10, 10));
    assert_int_equal(world.results[0].now.count, WINDOW_HOUR_COUNT_MAX);
    assert_true(same(world.results[0].now.mean, 999));
    end(&world);
}

/* --- late readings --------------------------------------------------------------------------- */

/* Two days of 5-minute readings up to 2026-03-03 12:00 without those of the hour that ends on the
 * second at 10:00 but one; now is 12:00. */
static struct world with_a_hole(unsigned kinds)
{
    struct world world = world_of(usual(kinds));
    int64_t hole = local(2026, 3, 2, 9, 0);
    for (int64_t time = local(2026, 3, 1, 12, 5); time <= local(2026, 3, 3, 12, 0);
         time += 5 * MINUTE) {
        if (time <= hole + 5 * MINUTE || time > hole + HOUR) {
            add(&world, time, 10);
        }
    }
    return world;
}

static void a_reading_within_lateness_comes_in_time(void **state)
{
    (void)state;
    struct world world = world_of(usual(WINDOW_BIT(WINDOW_1H)));
    int64_t ten = local(2026, 3, 1, 10, 0);
    fill(&world, ten - HOUR, ten - 10 * MINUTE, 5 * MINUTE);
    pass(&world, ten + 10 * MINUTE - 1);
    assert_int_equal(add(&world, ten - 5 * MINUTE, 23), WINDOW_TAKEN);
    assert_int_equal(add(&world, ten, 24), WINDOW_TAKEN);
    pass(&world, ten + 10 * MINUTE);
    assert_int_equal(world.count, 1);
    assert_int_equal(world.results[0].now.count, 12);
    assert_true(same(world.results[0].now.sum, 55 + 23 + 24));
    end(&world);
}

static void what_was_told_is_kept_only_until_the_correction(void **state)
{
    (void)state;
    struct world world = with_a_hole(WINDOW_ALL);
    size_t usually = window_bytes(world.series);
    assert_in_range(usually, 1, WINDOW_SERIES_BYTES);
    int64_t now = world.now_ns;
    for (int64_t hour = 1; hour <= WINDOW_TOLD_MAX; hour++) {
        assert_int_equal(add(&world, now - hour * HOUR - MINUTE, 21), WINDOW_LATE);
        assert_in_range(window_bytes(world.series), usually + 1,
                        WINDOW_SERIES_BYTES + WINDOW_PENDING_BYTES);
    }
    assert_int_equal(add(&world, now - 50 * HOUR, 21), WINDOW_YEAR_ONLY);
    assert_in_range(window_bytes(world.series), usually + 1,
                    WINDOW_SERIES_BYTES + WINDOW_PENDING_BYTES);
    pass(&world, now + 10 * MINUTE);
    assert_int_equal(window_bytes(world.series), usually);
    end(&world);
}

static void late_readings_correct_once(void **state)
{
    (void)state;
    struct world world = with_a_hole(WINDOW_ALL);
    int64_t hole = local(2026, 3, 2, 9, 0), ten = hole + HOUR, now = world.now_ns;
    size_t before = world.count;
    for (int64_t i = 2; i <= 12;
         i++) { /* 11 readings of 21 in ten minutes: one round of corrections */
        pass(&world, now + (i - 2) * 50 * S);
        assert_int_equal(add(&world, hole + i * 5 * MINUTE, 21), WINDOW_LATE);
    }
    pass(&world, now + 10 * MINUTE - 1);
    assert_int_equal(world.count, before);
    pass(&world, now + 10 * MINUTE); /* and 12:00 closes */
    size_t told_now = world.count - before;
    size_t corrections = 0;
    for (size_t i = before; i < world.count; i++) {
        corrections += world.results[i].correction;
        assert_true(!world.results[i].correction || !world.results[i].live);
    }
    /* 1 hour, 8 of 8 h, 24 of 24 h, day of the 2nd, night to the 2nd 12:00, year at the 3rd 00:00
     */
    assert_int_equal(corrections, 1 + 8 + 24 + 1 + 1 + 1);
    assert_int_equal(told_now, corrections + 4); /* 1 h, 8 h, 24 h and night of the third, 12:00 */

    const struct window_result *hour = find(&world, WINDOW_1H, ten);
    assert_true(hour->correction && hour->end_ns == ten && hour->now.enough && !hour->old.enough);
    assert_true(hour->old.count == 1 && same(hour->old.mean, 10));
    assert_true(hour->now.count == 12 && same(hour->now.mean, (10 + 11 * 21) / 12.0));
    const struct window_result *day = find(&world, WINDOW_DAY, local(2026, 3, 3, 0, 0));
    assert_true(day->correction && day->old.hours == 23 && day->now.hours == 24);
    assert_true(same(day->old.mean, 10) && same(day->now.sum, 10 * 277 + 21 * 11));
    assert_true(same(day->old.max_1h, 10) && same(day->now.max_1h, (10 + 11 * 21) / 12.0));
    const struct window_result *year = find(&world, WINDOW_YEAR, local(2026, 3, 3, 0, 0));
    assert_true(year->correction && year->now.count == year->old.count + 11);

    before = world.count;
    pass(&world, now + 40 * MINUTE);
    assert_int_equal(world.count, before); /* never again */
    end(&world);
}

static void a_correction_needs_a_change_in_the_window(void **state)
{
    (void)state;
    struct world world = with_a_hole(WINDOW_BIT(WINDOW_1H) | WINDOW_BIT(WINDOW_YEAR));
    size_t before = world.count;
    assert_int_equal(add(&world, local(2026, 3, 2, 9, 30), 21), WINDOW_LATE);
    pass(&world, world.now_ns + 10 * MINUTE);
    assert_int_equal(world.count - before, 3); /* 10:00 corrected, the year, 12:00 closes */
    end(&world);
}

static void an_evening_corrects_the_largest_8h_mean_of_the_next_day(void **state)
{
    (void)state;
    struct window_settings settings = usual(WINDOW_BIT(WINDOW_DAY));
    settings.every_ns = HOUR;
    for (int much = 0; much < 2; much++) { /* enough to be the largest, or not */
        struct world world = world_of(settings);
        for (int64_t time = local(2026, 3, 1, 1, 0); time <= local(2026, 3, 3, 1, 0);
             time += HOUR) {
            if (time != local(2026, 3, 1, 20, 0)) {
                add(&world, time, time > local(2026, 3, 2, 12, 0) ? 10 : 0);
            }
        }
        add(&world, local(2026, 3, 1, 20, 0), much == 1 ? 160 : 1);
        size_t before = world.count;
        pass(&world, world.now_ns + 10 * MINUTE);
        assert_int_equal(world.count - before, much == 1 ? 2 : 1); /* the first day anyhow */
        const struct window_result *second = find(&world, WINDOW_DAY, local(2026, 3, 3, 0, 0));
        assert_true(second->correction == (much == 1));
        assert_true(same(second->now.max_8h, much == 1 ? 20 : 10) && second->now.count == 24);
        assert_true(much == 0 || same(second->old.max_8h, 10));
        end(&world);
    }
}

static void the_zero_of_either_sign_is_one(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct world world = world_of(usual(WINDOW_BIT(WINDOW_1H)));
        add(&world, local(2026, 3, 1, 9, 30), i == 0 ? 0.0 : -0.0);
        add(&world, local(2026, 3, 1, 9, 35), i == 0 ? -0.0 : 0.0);
        pass(&world, local(2026, 3, 1, 10, 10));
        const struct window_numbers *now = &world.results[0].now;
        assert_true(same(now->min, 0.0) && same(now->max, 0.0) && same(now->mean, 0.0));
        end(&world);
    }
}

static void the_year_is_corrected_from_what_was_told(void **state)
{
    (void)state;
    struct window_settings settings = usual(WINDOW_BIT(WINDOW_YEAR));
    settings.every_ns = HOUR;
    struct world world = world_of(settings);
    for (int64_t time = local(2026, 3, 1, 1, 0); time <= local(2026, 3, 9, 12, 0); time += HOUR) {
        add(&world, time, 10);
    }
    int64_t midnight = local(2026, 3, 9, 0, 0);
    struct window_result told_first = *find(&world, WINDOW_YEAR, midnight);
    assert_int_equal(told_first.now.count, 8 * 24);
    assert_int_equal(add(&world, local(2026, 2, 1, 0, 0), -20), WINDOW_YEAR_ONLY);
    assert_int_equal(add(&world, local(2026, 2, 1, 1, 0), 40), WINDOW_YEAR_ONLY);
    pass(&world, world.now_ns + 10 * MINUTE);
    const struct window_result *year = find(&world, WINDOW_YEAR, midnight);
    assert_true(year->correction && same_numbers(&year->old, &told_first.now));
    assert_true(year->now.count == 8 * 24 + 2 && same(year->now.min, -20) &&
                same(year->now.sum, 1920 + 20));
    size_t before = world.count;
    pass(&world, world.now_ns + 30 * MINUTE);
    assert_int_equal(world.count, before);
    end(&world);
}

static void later_than_the_memory_counts_for_the_year_only(void **state)
{
    (void)state;
    struct world world = with_a_hole(WINDOW_ALL);
    int64_t now = world.now_ns; /* the third, 12:00: 36 hours before is the second, 00:00 */
    size_t before = world.count;
    assert_int_equal(add(&world, local(2026, 3, 1, 23, 0) + 1, 99), WINDOW_LATE);
    assert_int_equal(add(&world, local(2026, 3, 1, 23, 0), 99), WINDOW_YEAR_ONLY);
    assert_int_equal(add(&world, local(2026, 1, 1, 0, 0) + 1, 100), WINDOW_YEAR_ONLY);
    assert_int_equal(add(&world, local(2026, 1, 1, 0, 0), 99), WINDOW_TOO_LATE);
    pass(&world, now + 10 * MINUTE);
    assert_true(world.count > before);
    const struct window_result *year = find(&world, WINDOW_YEAR, local(2026, 3, 3, 0, 0));
    assert_true(year->correction && same(year->old.max, 10) && same(year->now.max, 100));
    assert_int_equal(year->now.count, year->old.count + 3);
    const struct window_result *hour = find(&world, WINDOW_1H, local(2026, 3, 2, 0, 0));
    assert_true(hour->correction && same(hour->now.max, 99));
    assert_false(find(&world, WINDOW_1H, local(2026, 3, 1, 23, 0))->correction);
    end(&world);
}

static void a_late_reading_in_silence_brings_first_results(void **state)
{
    (void)state;
    struct world world = world_of(usual(WINDOW_BIT(WINDOW_1H) | WINDOW_BIT(WINDOW_24H)));
    add(&world, local(2026, 3, 1, 9, 30), 1);
    pass(&world, local(2026, 3, 5, 9, 30)); /* silent since the second, 09:00 */
    size_t before = world.count;
    assert_int_equal(add(&world, local(2026, 3, 4, 20, 30), 3), WINDOW_LATE);
    pass(&world, local(2026, 3, 5, 9, 40));
    for (size_t i = before; i < world.count; i++) {
        assert_true(!world.results[i].correction && !world.results[i].live);
    }
    assert_int_equal(world.count - before, 2 * 13); /* 21:00 to 09:00 */
    assert_int_equal(find(&world, WINDOW_24H, local(2026, 3, 5, 9, 0))->now.count, 1);
    end(&world);
}

/* --- the Decision ---------------------------------------------------------------------------- */

static void the_decisions_eight_hour_means_of_ozone(void **state)
{
    (void)state;
    static const double hours[31] = { 15.7, 14.2, 17.7, 18.9, 19.3, 15.7, 19.7, 22.6,
                                      27.1, 29.0, 31.9, 25.3, 34.7, 35.2, 41.6, 45.7,
                                      49.2, 55.8, 69.6, 78.3, 91.5, 97.7, 81.2, 71.8,
                                      43.5, 34.3, 21.5, 20.5, 19.4, 20.4, 21.3 };
    static const double printed[24] = { 18.0, 19.4, 21.2, 23.0, 23.8, 25.8, 28.2, 30.9,
                                        33.8, 36.6, 39.9, 44.7, 51.3, 58.4, 66.2, 71.1,
                                        74.4, 73.7, 71.0, 65.0, 57.8, 48.7, 39.1, 31.6 };
    struct window_settings settings = usual(WINDOW_BIT(WINDOW_8H) | WINDOW_BIT(WINDOW_DAY));
    settings.every_ns = HOUR;
    struct world world = world_of(settings);
    for (int i = 0; i < 31; i++) { /* the first is of 18:00 */
        add(&world, local(2019, 11, 11, 18, 0) + i * HOUR, hours[i]);
    }
    pass(&world, local(2019, 11, 13, 0, 10));
    for (int i = 0; i < 24; i++) {
        const struct window_result *mean =
            find(&world, WINDOW_8H, local(2019, 11, 12, 1, 0) + i * HOUR);
        assert_true(mean->now.enough && mean->now.hours == 8);
        if (fabs(mean->now.mean - printed[i]) > 0.1) {
            fail_msg("hour %d: %g, printed %g", i + 1, mean->now.mean, printed[i]);
        }
    }
    const struct window_result *day = find(&world, WINDOW_DAY, local(2019, 11, 13, 0, 0));
    assert_true(same(day->now.max_1h, 97.7) && fabs(day->now.max_8h - 74.3875) < 1e-12);
    struct window_numbers look;
    assert_true(window_look(world.series, &settings, WINDOW_8H, local(2019, 11, 12, 17, 0), &look));
    assert_true(same(look.mean, day->now.max_8h));
    assert_true(window_look(world.series, &settings, WINDOW_1H, local(2019, 11, 11, 18, 0), &look));
    assert_true(same(look.mean, 15.7));
    assert_false(
        window_look(world.series, &settings, WINDOW_1H, local(2019, 11, 12, 17, 1), &look));
    assert_false(
        window_look(world.series, &settings, WINDOW_DAY, local(2019, 11, 13, 0, 0), &look));
    assert_false(window_look(world.series, &settings, WINDOW_1H, local(2019, 11, 10, 0, 0), &look));
    assert_false(window_look(world.series, &settings, WINDOW_1H, local(2019, 11, 13, 2, 0), &look));
    end(&world);
}

/* What was told last of each window that window_told can say, and nothing of any other. */
static void check_told(const struct world *world)
{
    int64_t oldest = world->now_ns - (WINDOW_RING_HOURS - 25) * HOUR;
    size_t found = 0;
    for (int kind = WINDOW_1H; kind <= WINDOW_YEAR; kind++) {
        for (int64_t end = oldest - oldest % HOUR + HOUR; end <= world->now_ns + HOUR;
             end += HOUR) {
            const struct window_result *last = find(world, (enum window_kind)kind, end);
            struct window_numbers numbers;
            bool told =
                window_told(world->series, &world->settings, (enum window_kind)kind, end, &numbers);
            assert_int_equal(told, last != NULL && kind != WINDOW_YEAR);
            if (told) {
                found++;
                assert_true(numbers.count == last->now.count &&
                            same(numbers.mean, last->now.mean) &&
                            same(numbers.sum, last->now.sum) && same(numbers.min, last->now.min) &&
                            same(numbers.max, last->now.max) &&
                            same(numbers.coverage, last->now.coverage) &&
                            numbers.enough == last->now.enough);
            }
        }
    }
    assert_true(found > 0);
}

static void what_was_told_can_be_said_again(void **state)
{
    (void)state;
    struct world world = world_of(usual(WINDOW_ALL));
    int64_t begin = local(2019, 11, 11, 9, 0);
    (void)fill(&world, begin, begin + 7 * HOUR, 5 * MINUTE);
    pass(&world, begin + 30 * HOUR);
    check_told(&world);
    (void)fill(&world, begin + 30 * HOUR, begin + 44 * HOUR, 5 * MINUTE);
    pass(&world, begin + 44 * HOUR + 20 * MINUTE);
    check_told(&world);
    size_t before = world.count;
    assert_int_equal(add(&world, begin + 40 * HOUR - MINUTE, 999), WINDOW_LATE);
    assert_int_equal(world.count, before);
    check_told(&world); /* the correction is pending: as it was */
    pass(&world, begin + 44 * HOUR + 31 * MINUTE);
    assert_true(world.count > before);
    check_told(&world);
    struct window_numbers numbers;
    assert_false(window_told(world.series, &world.settings, WINDOW_1H, begin + MINUTE, &numbers));
    end(&world);
}

/* --- properties ------------------------------------------------------------------------------ */

#define READINGS_MAX 4000
#define HOURS_MAX    400

struct sample {
    int64_t time_ns, received_ns;
    double value;
};

struct story {
    struct sample samples[READINGS_MAX];
    size_t count;
    int64_t begin, until; /* every window has closed by then */
};

static int by_receipt(const void *a, const void *b)
{
    const struct sample *x = a, *y = b;
    return (x->received_ns > y->received_ns) - (x->received_ns < y->received_ns);
}

/* Six days or so around a new year of readings with gaps and odd times; they are received when they
 * are made. */
static void draw_story(struct story *story, struct draws *draws)
{
    story->count = 0;
    story->begin = local(2025, 12, 28, (int)draw_below(draws, 24), (int)draw_below(draws, 60));
    int64_t time = story->begin, last = story->begin + 7 * DAY;
    while (time < last && story->count < READINGS_MAX) {
        double value = ldexp((double)(draw(draws) >> 11) * 0x1p-53, (int)draw_below(draws, 14) - 4);
        struct sample *sample = &story->samples[story->count++];
        *sample = (struct sample){ time, time, draw_below(draws, 3) == 0 ? -value : value };
        time += draw_below(draws, 4) == 0 ? (int64_t)draw_below(draws, 10 * (uint64_t)MINUTE) + 1
                                          : 5 * MINUTE;
        if (draw_below(draws, 150) == 0) {
            time += (int64_t)draw_below(draws, 40) * HOUR;
        }
    }
    story->until = time + 5 * DAY;
}

static void delay(struct story *story, struct draws *draws, int64_t most_ns)
{
    int64_t burst_until = 0;
    for (size_t i = 0; i < story->count; i++) {
        struct sample *sample = &story->samples[i];
        if (most_ns < HOUR) {
            sample->received_ns += (int64_t)draw_below(draws, (uint64_t)most_ns);
        } else { /* an outage now and then: what is made in it comes behind it, in any order */
            if (sample->time_ns > burst_until && draw_below(draws, 40) == 0) {
                burst_until = sample->time_ns + (int64_t)draw_below(draws, (uint64_t)most_ns);
            }
            if (sample->time_ns < burst_until && draw_below(draws, 4) != 0) {
                sample->received_ns =
                    burst_until + (int64_t)draw_below(draws, 30 * (uint64_t)MINUTE);
            }
        }
    }
    qsort(story->samples, story->count, sizeof story->samples[0], by_receipt);
}

/* Saves the series and goes on with what was read back. */
static void restart(struct world *world)
{
    struct state_writer writer = { 0 };
    window_save(world->series, &writer);
    assert_false(writer.failed);
    struct window_series *again = window_create(&world->settings);
    assert_non_null(again);
    struct state_reader reader = state_reader_of(writer.bytes, writer.used);
    assert_true(window_load(again, &reader));
    assert_ptr_equal(reader.at, reader.end);
    window_free(world->series);
    world->series = again;
    state_writer_free(&writer);
}

/* ticks: draws how the watermark goes on between readings, and when to restart. */
static void run_story(struct world *world, const struct story *story, struct draws *ticks)
{
    for (size_t i = 0; i < story->count; i++) {
        const struct sample *sample = &story->samples[i];
        enum window_taken taken = window_add(world->series, &world->settings, sample->time_ns,
                                             sample->value, sample->received_ns, into(world));
        assert_true(taken == WINDOW_TAKEN || taken == WINDOW_LATE);
        int64_t next = i + 1 < story->count ? story->samples[i + 1].received_ns : story->until;
        int64_t now = sample->received_ns;
        while (ticks != NULL && draw_below(ticks, 3) == 0 && now < next) {
            now += (int64_t)draw_below(ticks, (uint64_t)(next - now) + 1);
            pass(world, now);
        }
        if (ticks != NULL && draw_below(ticks, 100) == 0) {
            restart(world);
        }
    }
    pass(world, story->until);
}

/* The plain sums of each hour. */
struct plain {
    quad sum[HOURS_MAX];
    uint32_t count[HOURS_MAX];
    double min[HOURS_MAX], max[HOURS_MAX];
    int64_t first_ns; /* the end of hour 0, 48 h before the first reading */
};

static void add_up(struct plain *plain, const struct story *story)
{
    memset(plain, 0, sizeof *plain);
    int64_t begin = story->begin + 7 * HOUR;
    plain->first_ns = begin - begin % HOUR - 7 * HOUR - 48 * HOUR;
    for (size_t i = 0; i < story->count; i++) {
        const struct sample *sample = &story->samples[i];
        size_t hour = (size_t)((sample->time_ns - plain->first_ns + HOUR - 1) / HOUR);
        assert_true(hour < HOURS_MAX);
        bool first = plain->count[hour]++ == 0;
        plain->sum[hour] += (quad)sample->value;
        plain->min[hour] = first ? sample->value : fmin(plain->min[hour], sample->value);
        plain->max[hour] = first ? sample->value : fmax(plain->max[hour], sample->value);
    }
}

/* hours before and with `last`; by_hours: the mean is one of hourly means. */
static struct window_numbers expect(const struct plain *plain, size_t last, size_t hours,
                                    bool by_hours)
{
    struct window_numbers expected = { .max_1h = NAN, .max_8h = NAN };
    quad sum = 0, means = 0;
    for (size_t hour = last + 1 - hours; hour <= last; hour++) {
        if (plain->count[hour] == 0) {
            continue;
        }
        bool first = expected.count == 0;
        sum += plain->sum[hour];
        expected.count += plain->count[hour];
        expected.min = first ? plain->min[hour] : fmin(expected.min, plain->min[hour]);
        expected.max = first ? plain->max[hour] : fmax(expected.max, plain->max[hour]);
        if (plain->count[hour] >= 9) { /* three quarters of 12 */
            means += plain->sum[hour] / plain->count[hour];
            expected.hours++;
        }
    }
    expected.sum = expected.count == 0 ? NAN : (double)sum;
    expected.coverage = (double)expected.count / (12.0 * (double)hours);
    expected.mean = (double)(by_hours ? means / expected.hours : sum / expected.count);
    if (expected.count == 0) {
        expected.min = expected.max = NAN;
    }
    expected.enough = expected.coverage >= 0.75 && !isnan(expected.mean);
    return expected;
}

static struct window_numbers expect_day(const struct plain *plain, size_t last)
{
    struct window_numbers expected = expect(plain, last, 24, true);
    for (size_t hour = last - 23; hour <= last; hour++) {
        struct window_numbers one = expect(plain, hour, 1, false);
        struct window_numbers eight = expect(plain, hour, 8, true);
        expected.max_1h = one.enough ? fmax(expected.max_1h, one.mean) : expected.max_1h;
        expected.max_8h = eight.enough ? fmax(expected.max_8h, eight.mean) : expected.max_8h;
    }
    return expected;
}

static void check(const struct world *world, enum window_kind kind, int64_t end_ns,
                  const struct window_numbers *expected)
{
    const struct window_result *result = find(world, kind, end_ns);
    if (result == NULL || !same_numbers(&result->now, expected)) {
        fail_msg("window %d ending %lld: %u of %u samples, mean %a of %a", (int)kind,
                 (long long)(end_ns / S), result == NULL ? 0 : result->now.count, expected->count,
                 result == NULL ? NAN : result->now.mean, expected->mean);
    }
}

/* What was told last of each window is what plain sums give, and nothing else was told. */
static void check_story(const struct world *world, const struct story *story)
{
    static struct plain plain;
    int64_t new_year = local(2026, 1, 1, 0, 0);
    size_t windows = 0, first_tellings = 0;

    add_up(&plain, story);
    for (size_t hour = 31; hour < HOURS_MAX; hour++) {
        int64_t at = plain.first_ns + (int64_t)hour * HOUR, in_day = (at + 7 * HOUR) % DAY;
        struct window_numbers day = expect(&plain, hour, 24, true);
        if (day.count == 0) {
            continue;
        }
        struct window_numbers one = expect(&plain, hour, 1, false);
        struct window_numbers eight = expect(&plain, hour, 8, true);
        check(world, WINDOW_1H, at, &one);
        check(world, WINDOW_8H, at, &eight);
        check(world, WINDOW_24H, at, &day);
        windows += 3;
        if (in_day == 12 * HOUR) {
            check(world, WINDOW_NIGHT, at, &day);
            windows++;
        } else if (in_day == 0) {
            struct window_numbers with_largest = expect_day(&plain, hour);
            check(world, WINDOW_DAY, at, &with_largest);
            size_t since = at <= new_year ? hour : (size_t)((at - new_year) / HOUR);
            struct window_numbers year = expect(&plain, hour, since, false);
            const struct window_result *told_year = find(world, WINDOW_YEAR, at);
            assert_non_null(told_year);
            assert_true(told_year->now.count == year.count && same(told_year->now.min, year.min) &&
                        same(told_year->now.mean, year.mean) && same(told_year->now.max, year.max));
            windows += 2;
        }
    }
    for (size_t i = 0; i < world->count; i++) {
        first_tellings += !world->results[i].correction;
    }
    assert_int_equal(windows, first_tellings);
}

/* Each correction starts where the telling before it ended, and changes something. */
static size_t check_corrections(const struct world *world)
{
    size_t corrections = 0;
    struct world before = *world;
    for (size_t i = 0; i < world->count; i++) {
        const struct window_result *result = &world->results[i];
        before.count = i;
        const struct window_result *last = find(&before, result->kind, result->end_ns);
        assert_true(result->correction == (last != NULL));
        if (last != NULL) {
            if (!same_numbers(&last->now, &result->old)) {
                fail_msg("window %d ending %lld: %u then %u as old, %g %g, max_8h %g %g",
                         (int)result->kind, (long long)(result->end_ns / S), last->now.count,
                         result->old.count, last->now.mean, result->old.mean, last->now.max_8h,
                         result->old.max_8h);
            }
            assert_false(same_numbers(&result->now, &result->old));
            corrections++;
        }
    }
    return corrections;
}

static void any_order_within_lateness_gives_the_same(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    static struct story story;
    for (int round = 0; round < 15; round++) {
        draw_story(&story, &draws);
        struct world plain = world_of(usual(WINDOW_ALL)), late = world_of(usual(WINDOW_ALL));
        run_story(&plain, &story, NULL);
        check_story(&plain, &story);
        delay(&story, &draws, WINDOW_LATENESS_DEFAULT_NS);
        run_story(&late, &story, &draws);
        assert_int_equal(plain.count, late.count);
        for (size_t i = 0; i < plain.count; i++) { /* the same, in the same order, bit for bit */
            assert_true(!late.results[i].correction && !plain.results[i].correction);
            assert_true(plain.results[i].kind == late.results[i].kind &&
                        plain.results[i].end_ns == late.results[i].end_ns);
            assert_true(same_numbers(&plain.results[i].now, &late.results[i].now));
        }
        end(&plain);
        end(&late);
    }
}

static void late_readings_bring_the_same_in_the_end(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    static struct story story;
    size_t corrections = 0;
    for (int round = 0; round < 15; round++) {
        draw_story(&story, &draws);
        delay(&story, &draws, 34 * HOUR);
        struct world world = world_of(usual(WINDOW_ALL));
        run_story(&world, &story, &draws);
        check_story(&world, &story);
        corrections += check_corrections(&world);
        end(&world);
    }
    printf("%zu corrections\n", corrections);
    assert_true(corrections > 1000);
}

/* --- kept over a restart --------------------------------------------------------------------- */

/* --- readings in doubt ------------------------------------------------------------------------ */

struct doubtful {
    int64_t time_ns;
    double value;
    bool valid;
};

/* Of the last hours: what stands there is what only the valid ones leave there. */
static void expect_same_hours(const struct world *one, const struct world *two)
{
    for (int64_t back = 0; back < 40; back++) {
        struct window_numbers left, right;
        int64_t end_ns = (one->now_ns / HOUR - back) * HOUR;
        bool there = window_look(one->series, &one->settings, WINDOW_24H, end_ns, &left) &&
                     window_look(two->series, &two->settings, WINDOW_24H, end_ns, &right);
        assert_true(!there || same_numbers(&left, &right));
        there = window_look(one->series, &one->settings, WINDOW_1H, end_ns, &left) &&
                window_look(two->series, &two->settings, WINDOW_1H, end_ns, &right);
        assert_true(!there || same_numbers(&left, &right));
    }
}

static void settle(struct world *world, const struct doubtful *reading)
{
    (void)window_settle(world->series, &world->settings, reading->time_ns, reading->value,
                        reading->valid, world->now_ns, into(world));
}

/* Many in the same hour, values that are equal, others that come between, restarts. */
static void what_is_taken_back_leaves_nothing(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    size_t taken = 0, full = 0;
    for (int round = 0; round < 200; round++) {
        struct world doubting = world_of(usual(WINDOW_ALL)), knowing = world_of(usual(WINDOW_ALL));
        struct doubtful open[WINDOW_PROVISIONAL_MAX + 2];
        size_t count = 0;
        int64_t now = local(2026, 3, 2, 9, 0);
        for (int step = 0; step < 60; step++) {
            now += (int64_t)draw_below(&draws, 25) * MINUTE;
            pass(&doubting, now);
            pass(&knowing, now);
            struct doubtful reading = { now - (int64_t)draw_below(&draws, 90) * MINUTE - step,
                                        (double)draw_below(&draws, 6), draw_below(&draws, 2) == 0 };
            bool room = count < WINDOW_PROVISIONAL_MAX + 2;
            if (room && draw_below(&draws, 2) == 0) {
                enum window_taken found =
                    window_add_provisional(doubting.series, &doubting.settings, reading.time_ns,
                                           reading.value, now, into(&doubting));
                assert_true(found == WINDOW_TAKEN || found == WINDOW_LATE || found == WINDOW_FULL);
                full += found == WINDOW_FULL;
                taken += found != WINDOW_FULL;
                open[count++] = reading;
            } else if (reading.valid) {
                settle(&doubting, &reading);
                settle(&knowing, &reading);
            }
            if (count > 0 && draw_below(&draws, 3) == 0) {
                size_t which = draw_below(&draws, count);
                settle(&doubting, &open[which]);
                settle(&knowing, &open[which]);
                open[which] = open[--count];
            }
            if (draw_below(&draws, 10) == 0) {
                restart(&doubting);
            }
        }
        while (count > 0) {
            settle(&doubting, &open[--count]);
            settle(&knowing, &open[count]);
        }
        expect_same_hours(&doubting, &knowing);
        end(&doubting);
        end(&knowing);
    }
    printf("%zu in doubt, %zu times no room\n", taken, full);
    assert_true(taken > 1000 && full > 0);
}

/* In one round one is taken back and another one comes: as many as before, but others. */
static void one_for_another_corrects_the_day_too(void **state)
{
    (void)state;
    struct world world = world_of(usual(WINDOW_ALL));
    int64_t midnight = local(2026, 3, 2, 0, 0), spike = midnight - 20 * MINUTE;
    for (int64_t time = midnight - 24 * HOUR + 5 * MINUTE; time <= midnight; time += 5 * MINUTE) {
        if (time != spike && time != spike + 10 * MINUTE) {
            add(&world, time, time <= midnight - 12 * HOUR ? 100 : 10); /* the largest 8 h mean */
        }
    }
    assert_int_equal(window_add_provisional(world.series, &world.settings, spike, 300, world.now_ns,
                                            into(&world)),
                     WINDOW_TAKEN);
    pass(&world, midnight + 10 * MINUTE);
    assert_true(find(&world, WINDOW_DAY, midnight)->now.mean > 55);
    settle(&world, &(struct doubtful){ spike, 300, false });
    assert_int_equal(add(&world, spike + 10 * MINUTE, 10), WINDOW_LATE);
    pass(&world, midnight + 30 * MINUTE);
    static const enum window_kind kinds[] = { WINDOW_1H, WINDOW_8H, WINDOW_24H, WINDOW_DAY };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct window_result *result = find(&world, kinds[i], midnight);
        assert_true(result->correction && result->now.count == result->old.count);
        double mean = kinds[i] == WINDOW_24H || kinds[i] == WINDOW_DAY ? 55 : 10;
        assert_true(result->old.mean > mean && same(result->now.mean, mean));
    }
    end(&world);
}

static void a_state_of_another_grid_is_left(void **state)
{
    (void)state;
    struct world world = with_a_hole(WINDOW_ALL);
    struct state_writer writer = { 0 };
    window_save(world.series, &writer);
    struct window_settings other = usual(WINDOW_ALL);
    other.utc_offset_s = 8 * 3600;
    struct window_series *series = window_create(&other);
    struct state_reader reader = state_reader_of(writer.bytes, writer.used);
    struct window_numbers numbers;
    assert_true(window_load(series, &reader));
    assert_ptr_equal(reader.at, reader.end);
    assert_false(window_look(series, &other, WINDOW_1H, world.now_ns, &numbers));
    printf("%zu bytes kept of two days at five minutes, %zu in memory\n", writer.used,
           window_bytes(series));
    assert_in_range(window_bytes(series), 1, WINDOW_SERIES_BYTES);
    state_writer_free(&writer);
    window_free(series);
    end(&world);
}

/* Whatever was read: that it goes on without harm is for the sanitizers to see. */
static void go_on(struct world *world, struct draws *draws)
{
    for (int i = 0; i < 60; i++) {
        struct window_numbers numbers;
        world->now_ns += (int64_t)draw_below(draws, 3 * (uint64_t)HOUR);
        int64_t time = world->now_ns - (int64_t)draw_below(draws, 60 * (uint64_t)HOUR);
        (void)window_add(world->series, &world->settings, time, (double)draw_below(draws, 1000),
                         world->now_ns, into(world));
        (void)window_look(world->series, &world->settings, WINDOW_24H,
                          world->now_ns - world->now_ns % HOUR, &numbers);
    }
    world->count = 0;
}

/* A state with one hour that holds one sample of 2 and another sum, and perhaps a pending hour. */
static bool loads(int64_t sum_high, uint64_t sum_low, double min, double max, int pending_age)
{
    struct window_settings settings = usual(WINDOW_ALL);
    struct window_series *series = window_create(&settings);
    struct state_writer writer = { 0 };
    int64_t now = local(2026, 3, 1, 9, 30);
    state_put_signed(&writer, settings.utc_offset_s);
    state_put(&writer, settings.edge);
    state_put_signed(&writer, exact_exponent(settings.largest));
    state_put_signed(&writer, now);
    state_put_bool(&writer, true);
    state_put(&writer, 1); /* closed: 09:00 */
    state_put(&writer, 1); /* newest: 10:00 */
    state_put(&writer, 0); /* nothing in the base */
    state_put_bool(&writer, pending_age >= 0);
    if (pending_age >= 0) {
        state_put_signed(&writer, now + 5 * MINUTE);
    }
    state_put_bool(&writer, false);
    state_put(&writer, 1);
    state_put(&writer, 1); /* the watermark's hour */
    state_put(&writer, 1);
    state_put(&writer, sum_low);
    state_put_signed(&writer, sum_high);
    state_put_double(&writer, min);
    state_put_double(&writer, max);
    state_put(&writer, pending_age >= 0);
    if (pending_age >= 0) {
        state_put(&writer, (uint64_t)pending_age);
        state_put(&writer, 0);
    }
    state_put(&writer, 0); /* nothing was corrected */
    state_put(&writer, 0); /* nothing is in doubt */
    struct state_reader reader = state_reader_of(writer.bytes, writer.used);
    bool good = window_load(series, &reader);
    state_writer_free(&writer);
    window_free(series);
    return good;
}

static void a_sum_must_be_one_of_its_samples(void **state)
{
    (void)state;
    struct exact two;
    assert_true(exact_of(2, exact_exponent(1000), &two));
    assert_true(loads(two.high, two.low, 2, 2, -1));
    assert_true(loads(two.high, two.low, 1, 3, -1));
    assert_false(loads(two.high, two.low + 1, 2, 2, -1));
    assert_false(loads(two.high, two.low, 3, 1, -1));
    assert_false(loads(two.high, two.low, NAN, NAN, -1));
    assert_false(loads(two.high, two.low, -INFINITY, INFINITY, -1));
    assert_false(loads(INT64_MAX, 0, 2, 2, -1));
    assert_false(loads(INT64_MIN, 0, 2, 2, -1));
    assert_true(loads(two.high, two.low, 2, 2, 2));   /* 09:00 was told */
    assert_false(loads(two.high, two.low, 2, 2, 1));  /* 10:00 is open */
    assert_false(loads(two.high, two.low, 2, 2, 50)); /* not within reach */
}

static void what_is_no_state_is_refused(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    struct world world = with_a_hole(WINDOW_ALL);
    add(&world, local(2026, 3, 2, 9, 30), 21);
    add(&world, local(2026, 2, 1, 0, 0), 21);
    struct state_writer writer = { 0 };
    window_save(world.series, &writer);
    uint8_t *bytes = malloc(writer.used);
    assert_non_null(bytes);
    size_t loaded = 0;
    for (size_t round = 0; round < writer.used + 20000; round++) {
        struct world other = world_of(usual(WINDOW_ALL));
        size_t length = round < writer.used ? round : writer.used; /* first each truncation */
        memcpy(bytes, writer.bytes, writer.used);
        for (int i = 0; round >= writer.used && i < 1 + (int)draw_below(&draws, 3); i++) {
            bytes[draw_below(&draws, writer.used)] = (uint8_t)draw(&draws);
        }
        struct state_reader reader = state_reader_of(bytes, length);
        bool good = window_load(other.series, &reader);
        assert_true(good != reader.failed);
        assert_false(good && length < writer.used);
        loaded += good;
        other.now_ns = world.now_ns;
        if (round % 16 == 0 || (good && round % 4 == 0)) {
            go_on(&other, &draws);
        }
        end(&other);
    }
    printf("%zu of 20000 mutated states are possible ones\n", loaded);
    free(bytes);
    state_writer_free(&writer);
    end(&world);
}

/* --- recordings ------------------------------------------------------------------------------ */

#define RECORDED_HOURS (6 * 366 * 24)

struct recording {
    double
        sum[RECORDED_HOURS]; /* plain sums, hours counted from 2012 (local), stamped with the end */
    unsigned count[RECORDED_HOURS];
};

/* What the file says in one line: local time and a value; false if there is none. */
typedef bool read_line(char *line, struct tm *tm, double *value);

static bool number(const char *text, double *value)
{
    char *rest;
    *value = strtod(text, &rest);
    return rest != text && (*rest == ',' || *rest == '\0');
}

static bool weather_line(char *line, struct tm *tm, double *value)
{
    const char *rest = strptime(line, "%Y-%m-%d %H:%M:%S,", tm);
    return rest != NULL && number(rest, value);
}

/* "No","year","month","day","hour","PM2.5",... */
static bool beijing_line(char *line, struct tm *tm, double *value)
{
    const char *rest = strptime(line + strcspn(line, ",") + 1, "%Y,%m,%d,%H,", tm);
    return rest != NULL && number(rest, value);
}

static bool feed(struct world *world, const char *name, read_line *read,
                 struct recording *recording)
{
    char path[512], line[512];
    gzFile file = gzopen(shared_path(name, path, sizeof path), "rb");
    if (file == NULL) {
        printf("skipped: no %s (set PHUSA_SHARED)\n", path);
        return false;
    }
    int64_t epoch = local(2012, 1, 1, 0, 0), last = 0;
    while (gzgets(file, line, sizeof line) != NULL) {
        struct tm tm = { 0 };
        double value;
        if (read(line, &tm, &value)) {
            int64_t time = (int64_t)timegm(&tm) * S - 7 * HOUR;
            size_t hour = (size_t)((time - epoch + HOUR - 1) / HOUR);
            assert_int_equal(add(world, time, value), WINDOW_TAKEN);
            recording->sum[hour] += value;
            recording->count[hour]++;
            last = time;
        }
    }
    gzclose(file);
    pass(world, last + 2 * DAY);
    return true;
}

static void close_to(double got, double expected)
{
    if (fabs(got - expected) > 1e-12 * fmax(1, fabs(expected))) {
        fail_msg("%.17g, not %.17g", got, expected);
    }
}

static void compare(const struct world *world, const struct recording *recording, unsigned per_hour)
{
    size_t compared[WINDOW_KINDS] = { 0 };
    int64_t epoch = local(2012, 1, 1, 0, 0);
    for (size_t i = 0; i < world->count; i++) {
        const struct window_result *result = &world->results[i];
        size_t last = (size_t)((result->end_ns - epoch) / HOUR);
        size_t hours = (size_t)(result->length_ns / HOUR), with_mean = 0;
        double means = 0, sum = 0;
        unsigned count = 0;
        if (last + 1 < hours || result->kind == WINDOW_YEAR) {
            continue;
        }
        for (size_t hour = last + 1 - hours; hour <= last; hour++) {
            sum += recording->sum[hour];
            count += recording->count[hour];
            if (recording->count[hour] / (double)per_hour >= 0.75) {
                means += recording->sum[hour] / recording->count[hour];
                with_mean++;
            }
        }
        assert_int_equal(count, result->now.count);
        assert_true(result->now.enough == (count / ((double)hours * per_hour) >= 0.75));
        if (result->now.enough) {
            close_to(result->now.mean, means / (double)with_mean);
            close_to(result->now.sum, sum);
            compared[result->kind]++;
        }
    }
    printf("compared: %zu hours, %zu 8 h, %zu 24 h, %zu days, %zu nights\n", compared[WINDOW_1H],
           compared[WINDOW_8H], compared[WINDOW_24H], compared[WINDOW_DAY], compared[WINDOW_NIGHT]);
    assert_true(compared[WINDOW_1H] > 8000 && compared[WINDOW_8H] > 8000 &&
                compared[WINDOW_24H] > 8000 && compared[WINDOW_DAY] > 300 &&
                compared[WINDOW_NIGHT] > 300);
}

static void recorded(const char *name, read_line *read, int64_t every_ns)
{
    struct window_settings settings = usual(WINDOW_ALL);
    settings.every_ns = every_ns;
    struct world world = world_of(settings);
    struct recording *recording = calloc(1, sizeof *recording);
    assert_non_null(recording);
    if (feed(&world, name, read, recording)) {
        compare(&world, recording, (unsigned)(HOUR / every_ns));
    }
    free(recording);
    end(&world);
}

static void a_year_of_weather_each_quarter_of_an_hour(void **state)
{
    (void)state;
    recorded("2-air/nerrs_apaebmet_2012.csv.gz", weather_line, 15 * MINUTE);
}

static void four_years_of_hourly_dust(void **state)
{
    (void)state;
    recorded("2-air/prsa_Wanliu_20130301-20170228.csv.gz", beijing_line, HOUR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(means_are_correctly_rounded_in_any_order),
        cmocka_unit_test(values_beyond_the_unit_are_refused_and_small_ones_rounded),
        cmocka_unit_test(sums_of_the_largest_fit),
        cmocka_unit_test(an_hour_has_the_readings_up_to_its_end),
        cmocka_unit_test(the_other_edge_begins_hours),
        cmocka_unit_test(a_window_is_live_within_live_within_of_its_closing),
        cmocka_unit_test(coverage_exactly_at_the_limit_is_enough),
        cmocka_unit_test(the_first_hour_has_what_came_since_the_first_reading),
        cmocka_unit_test(days_and_nights_end_at_local_midnight_and_noon),
        cmocka_unit_test(the_largest_8h_mean_of_a_day_reaches_into_the_one_before),
        cmocka_unit_test(the_year_ends_with_the_hour_of_midnight),
        cmocka_unit_test(a_leap_year_is_longer),
        cmocka_unit_test(a_year_of_gap_is_silent_but_for_a_day),
        cmocka_unit_test(what_cannot_be_used_is_refused),
        cmocka_unit_test(a_full_hour_takes_no_more),
        cmocka_unit_test(a_reading_within_lateness_comes_in_time),
        cmocka_unit_test(late_readings_correct_once),
        cmocka_unit_test(what_was_told_is_kept_only_until_the_correction),
        cmocka_unit_test(a_correction_needs_a_change_in_the_window),
        cmocka_unit_test(an_evening_corrects_the_largest_8h_mean_of_the_next_day),
        cmocka_unit_test(the_zero_of_either_sign_is_one),
        cmocka_unit_test(the_year_is_corrected_from_what_was_told),
        cmocka_unit_test(later_than_the_memory_counts_for_the_year_only),
        cmocka_unit_test(a_late_reading_in_silence_brings_first_results),
        cmocka_unit_test(the_decisions_eight_hour_means_of_ozone),
        cmocka_unit_test(what_was_told_can_be_said_again),
        cmocka_unit_test(any_order_within_lateness_gives_the_same),
        cmocka_unit_test(late_readings_bring_the_same_in_the_end),
        cmocka_unit_test(what_is_taken_back_leaves_nothing),
        cmocka_unit_test(one_for_another_corrects_the_day_too),
        cmocka_unit_test(a_state_of_another_grid_is_left),
        cmocka_unit_test(a_sum_must_be_one_of_its_samples),
        cmocka_unit_test(what_is_no_state_is_refused),
        cmocka_unit_test(a_year_of_weather_each_quarter_of_an_hour),
        cmocka_unit_test(four_years_of_hourly_dust),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
