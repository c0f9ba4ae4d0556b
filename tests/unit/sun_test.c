/*
 * Sunset and sunrise against printed and independently computed ones, and against plain
 * properties over the years.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "draws.h"
#include "sun.h"

#define DAY     INT64_C(86400)
#define HOUR    INT64_C(3600)
#define VIETNAM (7 * HOUR)

static const struct sun_site ca_mau = { 9.1769, 105.1524 };
static const struct sun_site phu_quoc = { 10.2270, 103.9640 };
static const struct sun_site ha_noi = { 21.0285, 105.8542 };

/* Days from 1970 of a civil date (proleptic Gregorian; counted from March). */
static int64_t day_of(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t m = month > 2 ? month - 3 : month + 9;
    return y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static int64_t at(int hour, int minute, int second)
{
    return hour * HOUR + minute * 60 + second;
}

static void check(const char *what, int64_t found, int64_t expected, int64_t tolerance)
{
    if (llabs(found - expected) > tolerance) {
        fail_msg("%s: off by %lld s", what, (long long)(found - expected));
    }
}

struct almanac {
    const struct sun_site *site;
    int year, month, day;
    int rise[3], set[3]; /* Vietnam's time */
};

/* Computed with libastro (VSOP87), the centre at -50': seconds, not rounded to minutes. */
static const struct almanac almanac[] = {
    { &ca_mau, 2024, 3, 20, { 6, 3, 32 }, { 18, 10, 10 } },
    { &ca_mau, 2024, 6, 21, { 5, 41, 27 }, { 18, 21, 3 } },
    { &ca_mau, 2024, 9, 22, { 5, 48, 36 }, { 17, 55, 19 } },
    { &ca_mau, 2024, 12, 21, { 6, 9, 48 }, { 17, 45, 16 } },
    { &ca_mau, 2024, 2, 29, { 6, 13, 37 }, { 18, 10, 12 } },
    { &ca_mau, 2026, 1, 1, { 6, 14, 47 }, { 17, 50, 53 } },
    { &ca_mau, 2030, 11, 3, { 5, 49, 22 }, { 17, 36, 25 } },
    { &ca_mau, 2049, 7, 15, { 5, 47, 14 }, { 18, 23, 38 } },
    { &phu_quoc, 2024, 3, 20, { 6, 8, 17 }, { 18, 14, 56 } },
    { &phu_quoc, 2024, 6, 21, { 5, 44, 18 }, { 18, 27, 42 } },
    { &phu_quoc, 2024, 9, 22, { 5, 53, 19 }, { 18, 0, 5 } },
    { &phu_quoc, 2024, 12, 21, { 6, 16, 26 }, { 17, 48, 9 } },
    { &phu_quoc, 2026, 1, 1, { 6, 21, 22 }, { 17, 53, 49 } },
    { &phu_quoc, 2030, 11, 3, { 5, 55, 16 }, { 17, 40, 0 } },
    { &ha_noi, 2024, 6, 21, { 5, 16, 4 }, { 18, 40, 49 } },
    { &ha_noi, 2024, 12, 21, { 6, 29, 4 }, { 17, 20, 24 } },
    { &ha_noi, 2024, 2, 29, { 6, 17, 40 }, { 18, 0, 41 } },
    { &ha_noi, 2030, 11, 3, { 6, 0, 4 }, { 17, 19, 58 } },
    { &ha_noi, 2049, 7, 15, { 5, 23, 57 }, { 18, 41, 13 } },
};

static void agrees_with_the_almanac(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof almanac / sizeof almanac[0]; i++) {
        const struct almanac *line = &almanac[i];
        int64_t day = day_of(line->year, line->month, line->day);
        int64_t midnight = day * DAY - VIETNAM;
        int64_t dusk, dawn;
        assert_int_equal(sun_dusk(line->site, day, SUN_HORIZON, &dusk), SUN_FOUND);
        assert_int_equal(sun_dawn(line->site, day, SUN_HORIZON, &dawn), SUN_FOUND);
        check("dusk", dusk - midnight, at(line->set[0], line->set[1], line->set[2]), 10);
        check("dawn", dawn - midnight, at(line->rise[0], line->rise[1], line->rise[2]), 10);
    }
}

/*
 * The worked example printed in NREL/TP-560-34302 (Reda, Andreas 2008): 17 October 2003, 12:30:30
 * at UTC-7, 39.742476 N 105.1786 W: sunrise 6:12:43, sunset 17:20:19 - that of the 17th by
 * UTC, so of the 16th at the site - and true elevation 39.872046 degrees.
 */
static void agrees_with_a_printed_example(void **state)
{
    (void)state;
    struct sun_site golden = { 39.742476, -105.1786 };
    int64_t day = day_of(2003, 10, 17), midnight = day * DAY + 7 * HOUR, dusk, dawn;
    assert_int_equal(sun_dusk(&golden, day - 1, SUN_HORIZON, &dusk), SUN_FOUND);
    assert_int_equal(sun_dawn(&golden, day, SUN_HORIZON, &dawn), SUN_FOUND);
    check("dusk", dusk - (midnight - DAY), at(17, 20, 19), 10);
    check("dawn", dawn - midnight, at(6, 12, 43), 10);
    double elevation = asin(sun_sine_of_elevation(&golden, midnight + at(12, 30, 30)));
    assert_true(fabs(elevation * 180 / acos(-1) - 39.872046) < 0.015);
}

/* Meeus, Astronomical Algorithms, example 25.a: 13 October 1992 0h TD, apparent declination
 * -7.78507 degrees: what an observer at the pole sees as elevation. */
static void agrees_with_a_printed_declination(void **state)
{
    (void)state;
    struct sun_site pole = { 90, 0 };
    int64_t at_0h = day_of(1992, 10, 13) * DAY - 59; /* TD - UTC */
    double elevation = asin(sun_sine_of_elevation(&pole, at_0h)) * 180 / acos(-1);
    assert_true(fabs(elevation + 7.78507) < 0.01);
}

static void polar_days_and_nights_are_told(void **state)
{
    (void)state;
    struct sun_site north = { 75, 105 };
    int64_t unused = -1;
    assert_int_equal(sun_dusk(&north, day_of(2024, 6, 21), SUN_HORIZON, &unused), SUN_STAYS_UP);
    assert_int_equal(sun_dawn(&north, day_of(2024, 6, 21), SUN_HORIZON, &unused), SUN_STAYS_UP);
    assert_int_equal(sun_dusk(&north, day_of(2024, 12, 21), SUN_HORIZON, &unused), SUN_STAYS_DOWN);
    assert_int_equal(sun_dawn(&north, day_of(2024, 12, 21), SUN_HORIZON, &unused), SUN_STAYS_DOWN);
    assert_int_equal(unused, -1);
}

/* Dusk and dawn of every day from 2000 to 2049 at sites all over Vietnam: in the right half of
 * its local day, twilight behind them, and never far from those of the day before. */
static void is_smooth_over_the_years(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    for (int64_t day = day_of(2000, 1, 1); day < day_of(2050, 1, 1);
         day += (int64_t)draw_below(&draws, 40)) {
        struct sun_site site = { 8 + (double)draw_below(&draws, 1600) / 100,
                                 102 + (double)draw_below(&draws, 800) / 100 };
        int64_t dusk, next, twilight, dawn, early;
        assert_int_equal(sun_dusk(&site, day, SUN_HORIZON, &dusk), SUN_FOUND);
        assert_int_equal(sun_dusk(&site, day + 1, SUN_HORIZON, &next), SUN_FOUND);
        assert_int_equal(sun_dusk(&site, day, SUN_CIVIL_TWILIGHT, &twilight), SUN_FOUND);
        assert_int_equal(sun_dawn(&site, day, SUN_HORIZON, &dawn), SUN_FOUND);
        assert_int_equal(sun_dawn(&site, day, SUN_CIVIL_TWILIGHT, &early), SUN_FOUND);
        int64_t midnight = day * DAY - VIETNAM;
        assert_in_range(dawn - midnight, 5 * HOUR - 1800, 7 * HOUR);
        assert_in_range(dusk - midnight, 17 * HOUR - 1200, 19 * HOUR + 600);
        assert_true(llabs(next - dusk - DAY) < 90);
        assert_in_range(twilight - dusk, 20 * 60, 28 * 60);
        assert_in_range(dawn - early, 20 * 60, 28 * 60);
    }
}

/* The local date changes at 17:00 UTC: dawn of the 22nd lies on the 21st in UTC, and the dates
 * 00:00 +07 and 23:59 +07 of one day have the same dusk. */
static void follows_the_local_date(void **state)
{
    (void)state;
    int64_t day = day_of(2024, 12, 22), dusk, dawn;
    assert_int_equal(sun_dusk(&phu_quoc, day, SUN_HORIZON, &dusk), SUN_FOUND);
    assert_int_equal(sun_dawn(&phu_quoc, day, SUN_HORIZON, &dawn), SUN_FOUND);
    assert_int_equal(dawn / DAY, day - 1);
    assert_int_equal((dawn + VIETNAM) / DAY, day);
    assert_int_equal(dusk / DAY, day);
    assert_int_equal((dusk + VIETNAM) / DAY, day);
}

/* The own sine: at the pole the elevation is the declination, bounded by the obliquity; over a
 * site the sine stays within one. */
static void stays_within_bounds(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    double greatest = 0;
    for (int i = 0; i < 200000; i++) {
        struct sun_site site = { (double)draw_below(&draws, 18001) / 100 - 90,
                                 (double)draw_below(&draws, 36001) / 100 - 180 };
        struct sun_site pole = { 90, 0 };
        int64_t when = (int64_t)draw_below(&draws, UINT64_C(2524608000));
        assert_true(fabs(sun_sine_of_elevation(&site, when)) <= 1 + 1e-12);
        double declination = asin(sun_sine_of_elevation(&pole, when)) * 180 / acos(-1);
        greatest = declination > greatest ? declination : greatest;
    }
    assert_true(greatest > 23.43 && greatest < 23.45);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_almanac),
        cmocka_unit_test(agrees_with_a_printed_example),
        cmocka_unit_test(agrees_with_a_printed_declination),
        cmocka_unit_test(polar_days_and_nights_are_told),
        cmocka_unit_test(is_smooth_over_the_years),
        cmocka_unit_test(follows_the_local_date),
        cmocka_unit_test(stays_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
