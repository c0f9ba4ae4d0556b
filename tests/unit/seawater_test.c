/* Salinity, EC25, oxygen and ammonia: against tables of others, their limits and their shape. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draws.h"
#include "quality/seawater.h"
#include "shared_data.h"

#define COLUMNS_MAX 9
#define ROUNDS      100000

static void assert_near(double found, double expected, double tolerance, const char *what)
{
    if (!(fabs(found - expected) <= tolerance)) {
        fail_msg("%s: expected %.15g, found %.15g", what, expected, found);
    }
}

static double salinity_of(double ec, double temp, double pressure, enum seawater_scale scale)
{
    double salinity;

    assert_int_not_equal(seawater_salinity(ec, temp, pressure, scale, &salinity), SEAWATER_NONE);
    return salinity;
}

/* The conductivity that has this salinity: salinity rises with it. */
static double ec_for(double salinity, double temp, double pressure, enum seawater_scale scale)
{
    double low = 0.01, high = seawater_salinity_ec.most;

    for (int i = 0; i < 100; i++) {
        double middle = (low + high) / 2;

        if (salinity_of(middle, temp, pressure, scale) < salinity) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return high;
}

/* --- tables of others --------------------------------------------------------------------- */

/* Calls check for each row of a table of numbers; the rows, or skips. */
static size_t each_row(const char *name, size_t columns, void (*check)(const double *row))
{
    size_t length, rows = 0;
    char *text = (char *)shared_read(name, &length), *line_at, *end = NULL;

    if (text == NULL) {
        skip();
        return 0;
    }
    text[length] = '\0';
    (void)strtok_r(text, "\n", &line_at);
    for (char *line; (line = strtok_r(NULL, "\n", &line_at)) != NULL; rows++) {
        double row[COLUMNS_MAX];

        for (size_t i = 0; i < columns; i++, line = end + 1) {
            row[i] = strtod(line, &end);
            assert_true(end > line);
        }
        check(row);
    }
    free(text);
    return rows;
}

static void check_grid(const double *row)
{
    assert_near(salinity_of(row[0], row[1], row[2], SEAWATER_PSS78_HILL), row[3], 1e-9, "grid");
}

static void agrees_with_teos10_over_its_grid(void **state)
{
    (void)state;
    assert_int_equal(each_row("9-formulas/gsw_SP_from_C_grid.csv", 4, check_grid), 420);
}

/* cast, level, SP, t, p, C, SP of C */
static void check_cast(const double *row)
{
    assert_near(salinity_of(row[5], row[3], row[4], SEAWATER_PSS78_HILL), row[6], 1e-9, "cast");
    assert_near(ec_for(row[2], row[3], row[4], SEAWATER_PSS78_HILL), row[5], 1e-9, "cast's EC");
}

static void agrees_with_teos10_in_the_deep_sea(void **state)
{
    (void)state;
    assert_int_equal(each_row("9-formulas/gsw_check_casts.csv", 7, check_cast), 98);
}

static void check_pure(const double *row)
{
    assert_near(salinity_of(row[0], row[1], row[2], SEAWATER_PSS78), row[3], 1e-9, "pure");
}

static void agrees_with_pss78_alone(void **state)
{
    (void)state;
    assert_int_equal(each_row("9-formulas/pss78_pure_grid.csv", 4, check_pure), 250);
}

/* UNESCO technical papers in marine science 44; of the last one R is rounded to six places. */
static void gives_unescos_check_values(void **state)
{
    (void)state;
    static const struct {
        double r, t68, pressure, salinity, tolerance;
    } cases[] = { { 1, 15, 0, 35, 1e-7 },
                  { 1.2, 20, 2000, 37.245628, 5.1e-7 },
                  { 0.65, 5, 1500, 27.995347, 5.1e-7 },
                  { 1.888091, 40, 10000, 40, 1.2e-5 } };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double temp = cases[i].t68 / 1.00024;

        assert_near(salinity_of(42.914 * cases[i].r, temp, cases[i].pressure, SEAWATER_PSS78_HILL),
                    cases[i].salinity, cases[i].tolerance, "UNESCO");
    }
}

/* mg/L at 1 atm, from an implementation in R of the same equation; and its salt water. */
static void gives_the_oxygen_of_benson_and_krause(void **state)
{
    (void)state;
    static const double cases[][3] = {
        { 0, 0, 14.6208 },  { 10, 0, 11.2879 }, { 15, 0, 10.0839 }, { 20, 0, 9.0924 },
        { 25, 0, 8.2635 },  { 28, 0, 7.8278 },  { 30, 0, 7.5588 },  { 35, 0, 6.9493 },
        { 25, 4, 8.0776 },  { 25, 10, 7.8067 }, { 25, 35, 6.7721 }, { 30, 4, 7.3945 },
        { 30, 10, 7.1547 }, { 30, 35, 6.2366 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double found;

        assert_int_equal(seawater_do_saturation(cases[i][0], cases[i][1], 1, &found),
                         SEAWATER_GOOD);
        assert_near(found, cases[i][2], 0.00006, "oxygen");
    }
}

/*
 * The factor besides the pressure itself, as Standard Methods 4500-O works it out for 20 °C and
 * 0.7 atm; and Garcia and Gordon's other fit of the same data at the pressures of three days,
 * from the documentation of an R package (calc_O2sat of preMetabolizer).
 */
static void follows_the_airs_pressure(void **state)
{
    (void)state;
    static const double others[][3] = { { 5, 101.2, 12.754794 },
                                        { 15, 100.8, 10.031147 },
                                        { 25, 100.5, 8.193915 } };
    double full, found;

    (void)seawater_do_saturation(20, 0, 1, &full);
    (void)seawater_do_saturation(20, 0, 0.7, &found);
    assert_near(found, 6.30, 0.005, "Standard Methods");
    assert_near(found / full / 0.7, 0.990092, 2e-5, "factor");
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        (void)seawater_do_saturation(others[i][0], 0, others[i][1] / 101.325, &found);
        assert_near(found, others[i][2], 0.001, "another fit");
    }
}

/* The vapour's pressure (Pa) that the correction must have used, solved from two results. */
static double vapour_used(double temp, double salinity)
{
    double theta = 0.000975 - 1.426e-5 * temp + 6.436e-8 * temp * temp, full, half;

    (void)seawater_do_saturation(temp, salinity, 1, &full);
    (void)seawater_do_saturation(temp, salinity, 0.5, &half);
    double without_theta = half / full * (1 - theta) / (1 - 0.5 * theta);
    return 101325 * (0.5 - without_theta) / (1 - without_theta);
}

/* Against steam tables (IAPWS); over sea water of 35 it is 1.9 % less. */
static void knows_the_vapours_pressure(void **state)
{
    (void)state;
    static const double cases[][2] = { { 0.01, 611.66 }, { 10, 1228.2 }, { 20, 2339.3 },
                                       { 30, 4247.0 },   { 40, 7384.9 }, { 50, 12352 } };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double found = vapour_used(cases[i][0], 0);

        assert_near(found, cases[i][1], 0.002 * cases[i][1], "vapour");
        assert_near(vapour_used(cases[i][0], 35) / found, 0.981, 0.0005, "over sea water");
    }
}

/* Percent un-ionised in fresh water after Trussell (1972): other data, so within 3 %. */
static void gives_about_the_ammonia_of_trussell(void **state)
{
    (void)state;
    static const double cases[][3] = { { 10, 7.5, 0.59 },  { 10, 8, 1.83 },   { 10, 8.5, 5.55 },
                                       { 15, 8, 2.65 },    { 20, 7, 0.40 },   { 20, 8, 3.83 },
                                       { 20, 8.5, 11.18 }, { 25, 7.5, 1.73 }, { 25, 8, 5.28 },
                                       { 25, 8.5, 14.97 } };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double found;

        assert_int_equal(seawater_nh3(2, cases[i][1], cases[i][0], &found), SEAWATER_GOOD);
        assert_near(100 * found / 2, cases[i][2], 0.03 * cases[i][2], "ammonia");
    }
}

/* pKa of ammonium as Emerson's equation has it at 25 °C: 9.2448; there half is un-ionised. */
static void halves_ammonia_at_its_pka(void **state)
{
    (void)state;
    double found;

    (void)seawater_nh3(1, 0.09018 + 2729.92 / 298.2, 25, &found);
    assert_near(found, 0.5, 1e-12, "half");
    (void)seawater_nh3(1, 8, 25, &found);
    assert_near(found, 0.05384, 0.000005, "at pH 8");
    (void)seawater_nh3(0, 8, 25, &found);
    assert_near(found, 0, 0, "none");
}

/* --- the shape ------------------------------------------------------------------------------ */

static void salinity_rises_with_conductivity(void **state)
{
    (void)state;
    struct draws draws = draws_begin();

    for (int i = 0; i < ROUNDS; i++) {
        double temp = -5 + (double)draw_below(&draws, 55001) / 1000;
        double ec = pow(10, -6 + (double)draw_below(&draws, 7900) / 1000);
        double pressure = (double)draw_below(&draws, 5) * 2500;
        double less = salinity_of(ec, temp, pressure, SEAWATER_PSS78_HILL);
        double more = salinity_of(ec * 1.001, temp, pressure, SEAWATER_PSS78_HILL);

        if (!(less >= 0 && (more > less || (more == 0 && ec < 0.005)))) {
            fail_msg("%g mS/cm, %g °C, %g dbar: %.17g, then %.17g", ec, temp, pressure, less, more);
        }
    }
}

static void the_scales_meet_at_2(void **state)
{
    (void)state;

    for (double temp = -5; temp <= 50; temp += 0.5) {
        double at_2 = ec_for(2, temp, 0, SEAWATER_PSS78), below = at_2 * (1 - 1e-9);

        assert_near(salinity_of(below, temp, 0, SEAWATER_PSS78_HILL), 2, 1e-8, "just below 2");
        assert_near(salinity_of(at_2 * 1.0001, temp, 0, SEAWATER_PSS78_HILL),
                    salinity_of(at_2 * 1.0001, temp, 0, SEAWATER_PSS78), 0, "above 2");
    }
}

/* What the extension is for: a river of 0.1 mS/cm reads 12 % too high without it. */
static void fresh_water_needs_the_extension(void **state)
{
    (void)state;

    assert_near(salinity_of(0.1, 25, 0, SEAWATER_PSS78), 0.051696, 1e-6, "PSS-78 alone");
    assert_near(salinity_of(0.1, 25, 0, SEAWATER_PSS78_HILL), 0.046209, 1e-6, "extended");
    assert_near(salinity_of(0.0005, 25, 0, SEAWATER_PSS78_HILL), 0, 0, "nearly pure");
    assert_near(salinity_of(0, 25, 0, SEAWATER_PSS78_HILL), 0, 0, "pure");
    assert_near(salinity_of(-0.0, 25, 0, SEAWATER_PSS78_HILL), 0, 0, "pure, from below");
}

static void ec25_and_back_is_where_it_was(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    double found;

    assert_int_equal(seawater_ec25(10, 30, SEAWATER_EC25_PER_KELVIN, &found), SEAWATER_GOOD);
    assert_near(found, 10 / 1.0955, 1e-14, "30 °C");
    assert_int_equal(seawater_ec25(10, 25, SEAWATER_EC25_PER_KELVIN, &found), SEAWATER_GOOD);
    assert_near(found, 10, 0, "25 °C");
    assert_int_equal(seawater_ec25(10, 35, 0.02, &found), SEAWATER_GOOD);
    assert_near(found, 10 / 1.2, 1e-14, "another coefficient");
    for (int i = 0; i < ROUNDS; i++) {
        double ec = (double)draw_below(&draws, 100001) / 1000, back;
        double temp = -5 + (double)draw_below(&draws, 55001) / 1000;
        double per_kelvin = (double)draw_below(&draws, 31) / 1000;

        assert_int_not_equal(seawater_ec25(ec, temp, per_kelvin, &found), SEAWATER_NONE);
        if (found <= seawater_ec25_ec.most) {
            assert_int_not_equal(seawater_ec_of_ec25(found, temp, per_kelvin, &back),
                                 SEAWATER_NONE);
            assert_near(back, ec, 1e-13 * ec, "back");
        }
    }
}

/* The greatest difference in percent, at one temperature, over salinities from 0.1 to 35. */
static double ec25_error(double temp)
{
    static const double salinities[] = { 0.1, 0.3, 0.5, 1, 2, 5, 10, 20, 35 };
    double worst = 0;

    for (size_t i = 0; i < sizeof salinities / sizeof salinities[0]; i++) {
        double found, at_25 = ec_for(salinities[i], 25, 0, SEAWATER_PSS78_HILL);
        double ec = ec_for(salinities[i], temp, 0, SEAWATER_PSS78_HILL);

        (void)seawater_ec25(ec, temp, SEAWATER_EC25_PER_KELVIN, &found);
        worst = fmax(worst, 100 * fabs(found / at_25 - 1));
    }
    return worst;
}

/* What seawater.h says of the straight line's error. */
static void ec25_is_as_wrong_as_stated(void **state)
{
    (void)state;

    for (double temp = seawater_ec25_temp.low; temp <= seawater_ec25_temp.high; temp++) {
        double error = ec25_error(temp);

        if (!(error <= (temp >= 11 && temp <= 32 ? 1.1 : 2.5))) {
            fail_msg("%g °C: %g %%", temp, error);
        }
    }
    assert_true(ec25_error(1) > 2.5);
}

static void oxygen_falls_with_heat_and_salt_and_rises_with_pressure(void **state)
{
    (void)state;
    struct draws draws = draws_begin();

    for (int i = 0; i < ROUNDS; i++) {
        double temp = -5 + (double)draw_below(&draws, 54000) / 1000;
        double salinity = (double)draw_below(&draws, 59000) / 1000;
        double pressure = 0.3 + (double)draw_below(&draws, 1600) / 1000;
        double here, hotter, saltier, deeper, percent;

        (void)seawater_do_saturation(temp, salinity, pressure, &here);
        (void)seawater_do_saturation(temp + 0.5, salinity, pressure, &hotter);
        (void)seawater_do_saturation(temp, salinity + 0.5, pressure, &saltier);
        (void)seawater_do_saturation(temp, salinity, pressure + 0.05, &deeper);
        assert_true(hotter < here && saltier < here && deeper > here && hotter > 0);
        assert_int_not_equal(seawater_do_percent(here / 2, temp, salinity, pressure, &percent),
                             SEAWATER_NONE);
        assert_near(percent, 50, 1e-12, "half of it");
    }
}

/* --- limits --------------------------------------------------------------------------------- */

static enum seawater_status salinity_4(const double *v, double *result)
{
    return seawater_salinity(v[0], v[1], v[2], SEAWATER_PSS78_HILL, result);
}

static enum seawater_status pure_4(const double *v, double *result)
{
    return seawater_salinity(v[0], v[1], v[2], SEAWATER_PSS78, result);
}

static enum seawater_status ec25_4(const double *v, double *result)
{
    return seawater_ec25(v[0], v[1], v[2], result);
}

static enum seawater_status ec_4(const double *v, double *result)
{
    return seawater_ec_of_ec25(v[0], v[1], v[2], result);
}

static enum seawater_status sat_4(const double *v, double *result)
{
    return seawater_do_saturation(v[0], v[1], v[2], result);
}

static enum seawater_status percent_4(const double *v, double *result)
{
    return seawater_do_percent(v[0], v[1], v[2], v[3], result);
}

static enum seawater_status nh3_4(const double *v, double *result)
{
    return seawater_nh3(v[0], v[1], v[2], result);
}

static const struct {
    enum seawater_status (*compute)(const double *values, double *result);
    double good[4]; /* in the middle of everything */
    size_t count;
    const struct seawater_range *ranges[4];
} functions[] = {
    { salinity_4,
      { 30, 25, 0 },
      3,
      { &seawater_salinity_ec, &seawater_salinity_temp, &seawater_salinity_pressure } },
    { pure_4,
      { 30, 25, 0 },
      3,
      { &seawater_salinity_ec, &seawater_salinity_temp, &seawater_salinity_pressure } },
    { ec25_4,
      { 10, 20, 0.02 },
      3,
      { &seawater_ec25_ec, &seawater_ec25_temp, &seawater_ec25_coefficient } },
    { ec_4,
      { 10, 20, 0.02 },
      3,
      { &seawater_ec25_ec, &seawater_ec25_temp, &seawater_ec25_coefficient } },
    { sat_4,
      { 25, 10, 1 },
      3,
      { &seawater_do_temp, &seawater_do_salinity, &seawater_do_pressure } },
    { percent_4,
      { 5, 25, 10, 1 },
      4,
      { &seawater_do_measured, &seawater_do_temp, &seawater_do_salinity, &seawater_do_pressure } },
    { nh3_4, { 1, 8, 25 }, 3, { &seawater_nh3_nh4, &seawater_nh3_ph, &seawater_nh3_temp } },
};

/* Function f with its value v set to x: a number where there should be one, else NaN. */
static enum seawater_status with(size_t f, size_t v, double x)
{
    double values[4], result = 12345;

    memcpy(values, functions[f].good, sizeof values);
    values[v] = x;
    enum seawater_status status = functions[f].compute(values, &result);
    assert_true(status == SEAWATER_NONE ? isnan(result) : isfinite(result) && result != 12345);
    return status;
}

static void every_value_has_its_limits(void **state)
{
    (void)state;

    for (size_t f = 0; f < sizeof functions / sizeof functions[0]; f++) {
        for (size_t v = 0; v < functions[f].count; v++) {
            const struct seawater_range *range = functions[f].ranges[v];

            assert_int_equal(with(f, v, functions[f].good[v]), SEAWATER_GOOD);
            assert_int_equal(with(f, v, NAN), SEAWATER_NONE);
            assert_int_equal(with(f, v, INFINITY), SEAWATER_NONE);
            assert_int_equal(with(f, v, -INFINITY), SEAWATER_NONE);
            assert_int_equal(with(f, v, nextafter(range->least, -INFINITY)), SEAWATER_NONE);
            assert_int_equal(with(f, v, nextafter(range->most, INFINITY)), SEAWATER_NONE);
            assert_int_not_equal(with(f, v, range->least), SEAWATER_NONE);
            assert_int_not_equal(with(f, v, range->most), SEAWATER_NONE);
            assert_int_equal(seawater_judge(range, range->low), SEAWATER_GOOD);
            assert_int_equal(seawater_judge(range, range->high), SEAWATER_GOOD);
            if (range->least < range->low) {
                assert_int_equal(with(f, v, nextafter(range->low, -INFINITY)), SEAWATER_OUTSIDE);
            }
            if (range->most > range->high) {
                assert_int_equal(with(f, v, nextafter(range->high, INFINITY)), SEAWATER_OUTSIDE);
            }
        }
    }
}

static void says_where_pss78_ends(void **state)
{
    (void)state;
    double found;

    assert_int_equal(seawater_salinity(1, 25, 0, SEAWATER_PSS78, &found), SEAWATER_OUTSIDE);
    assert_int_equal(seawater_salinity(1, 25, 0, SEAWATER_PSS78_HILL, &found), SEAWATER_GOOD);
    assert_int_equal(seawater_salinity(0, 25, 0, SEAWATER_PSS78_HILL, &found), SEAWATER_GOOD);
    assert_int_equal(seawater_salinity(65, 25, 0, SEAWATER_PSS78_HILL, &found), SEAWATER_OUTSIDE);
    assert_true(found > 42);
    assert_int_equal(seawater_salinity(-1e-9, 25, 0, SEAWATER_PSS78_HILL, &found), SEAWATER_NONE);
    assert_int_equal(seawater_salinity(42914, 15, 0, SEAWATER_PSS78_HILL, &found), SEAWATER_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_teos10_over_its_grid),
        cmocka_unit_test(agrees_with_teos10_in_the_deep_sea),
        cmocka_unit_test(agrees_with_pss78_alone),
        cmocka_unit_test(gives_unescos_check_values),
        cmocka_unit_test(gives_the_oxygen_of_benson_and_krause),
        cmocka_unit_test(follows_the_airs_pressure),
        cmocka_unit_test(knows_the_vapours_pressure),
        cmocka_unit_test(gives_about_the_ammonia_of_trussell),
        cmocka_unit_test(halves_ammonia_at_its_pka),
        cmocka_unit_test(salinity_rises_with_conductivity),
        cmocka_unit_test(the_scales_meet_at_2),
        cmocka_unit_test(fresh_water_needs_the_extension),
        cmocka_unit_test(ec25_and_back_is_where_it_was),
        cmocka_unit_test(ec25_is_as_wrong_as_stated),
        cmocka_unit_test(oxygen_falls_with_heat_and_salt_and_rises_with_pressure),
        cmocka_unit_test(every_value_has_its_limits),
        cmocka_unit_test(says_where_pss78_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
