/*
 * The units of the shipped catalogue: what stations in Vietnam send (files after TT 10/2021 and
 * their like) and what SenML's registry has (RFC 8428, RFC 8798) come out as the parameter's own,
 * as exactly as a double can hold it: to the last place in the table, and for any number within
 * four units of the last place, since both factors of a conversion round, and what is sent has
 * been rounded, too. Runs from the project's root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "settings/settings.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static struct settings *settings;

static int load(void **state)
{
    struct settings_errors errors = { 0 };
    (void)state;
    enum settings_status status =
        settings_load("config/phusa.cfg", SETTINGS_CATALOGUE, &settings, &errors);
    settings_errors_print(&errors, stderr);
    settings_errors_clear(&errors);
    return status == SETTINGS_OK ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    settings_free(settings);
    return 0;
}

static const struct phusa_parameter *find(const char *name)
{
    const struct phusa_parameter *found =
        phusa_catalogue_find(&settings->catalogue, phusa_text_of(name));
    if (found == NULL) {
        fail_msg("the catalogue lacks %s", name);
    }
    return found;
}

struct spelling {
    const char *parameter, *unit;
    double from, to; /* to is the double nearest to the decimal result */
};

static const struct spelling spellings[] = {
    /* Lines of real files, and the units of TT 10/2021's parameters. */
    { "no2", "ug/m3", 14.91, 14.91 },
    { "co", "ug/m3", 3087.03, 3087.03 },
    { "ph", "", 8.81, 8.81 },
    { "ph", "-", 8.81, 8.81 },
    { "ph", "pH", 8.81, 8.81 },
    { "do", "mg/L", 7.0, 7.0 },
    { "ec", "uS/cm", 329.0, 0.329 },
    { "ec25", "uS/cm", 329.0, 0.329 },
    { "turb", "FNU", 12.5, 12.5 },
    { "turb", "NTU", 12.5, 12.5 },
    { "temp", "oC", 18.2, 18.2 },
    { "temp", "°C", 18.2, 18.2 },
    { "nh4", "mg/l", 2.3308, 2.3308 },
    { "flow_out", "m3/h", 35.5, 35.5 },
    { "flow", "m3/h", 35.5, 35.5 },
    { "flow", "m³/h", 35.5, 35.5 },
    { "rh", "%", 85.0, 85.0 },
    { "pressure", "hPa", 1009.5, 1009.5 },
    { "pressure", "mbar", 1009.5, 1009.5 },
    { "wind_dir", "Degree", 270.0, 270.0 },
    { "radiation", "W/m2", -1.6, -1.6 },
    { "pm25", "µg/Nm3", 35.5, 35.5 },
    { "pm25", "\xc2\xb5g/m3", 35.5, 35.5 }, /* U+00B5 */
    { "pm25", "\xce\xbcg/m3", 35.5, 35.5 }, /* U+03BC */
    { "pm10", "ug/Nm3", 35.5, 35.5 },
    { "o3", "µg/m³", 35.5, 35.5 },
    { "so2", "µg/Nm³", 35.5, 35.5 },
    { "no", "ug/m3", 35.5, 35.5 },
    { "co", "mg/m3", 3.087, 3087.0 },
    { "co", "mg/Nm3", 3.087, 3087.0 },
    { "pm", "mg/Nm3", 48.2, 48.2 },
    { "h2s", "mg/Nm3", 0.7, 0.7 },
    { "nh3", "mg/Nm3", 0.7, 0.7 },
    { "vhg", "mg/Nm3", 0.01, 0.01 },
    { "vhg", "µg/Nm3", 10.0, 0.01 },
    { "o2", "%", 20.9, 20.9 },
    { "color", "Pt-Co", 20.0, 20.0 },
    { "tss", "mg/L", 48.5, 48.5 },
    { "cod", "mg/l", 48.5, 48.5 },
    { "tp", "mg/L", 0.15, 0.15 },
    { "tn", "mg/L", 1.5, 1.5 },
    { "toc", "mg/L", 1.5, 1.5 },
    { "cl", "mg/L", 19400.0, 19400.0 },
    { "bph", "con/bẫy/đêm", 81.0, 81.0 },

    /* The authorities' one number for salinity, and what laboratories write. */
    { "salinity", "/1000", 3.21, 3.21 },
    { "salinity", "‰", 3.21, 3.21 },
    { "salinity", "g/L", 3.21, 3.21 },
    { "salinity", "g/l", 3.21, 3.21 },
    { "salinity", "psu", 3.21, 3.21 },
    { "salinity", "ppt", 3.21, 3.21 },
    { "salinity", "mg/L", 3210.0, 3.21 },
    { "salinity", "%", 3.5, 35.0 },

    /* SenML's registry. */
    { "temp", "Cel", 18.2, 18.2 },
    { "temp", "K", 273.15, 0.0 },
    { "rh", "%RH", 85.0, 85.0 },
    { "rh", "/", 0.5, 50.0 },
    { "do_sat", "/100", 104.5, 104.5 },
    { "do_sat", "/", 1.5, 150.0 },
    { "do_sat", "%", 104.5, 104.5 },
    { "ec", "S/m", 5.0, 50.0 },
    { "ec", "mS/m", 32.5, 0.325 },
    { "ec", "mS/cm", 0.329, 0.329 },
    { "do", "kg/m3", 0.007, 7.0 },
    { "do", "g/m3", 7.1, 7.1 },
    { "do", "ppm", 7.1, 7.1 },
    { "fe", "ug/L", 329.0, 0.329 },
    { "fe", "µg/l", 329.0, 0.329 },
    { "pm25", "kg/m3", 0.000000125, 125.0 },
    { "pressure", "Pa", 100950.0, 1009.5 },
    { "level", "cm", 329.0, 3.29 },
    { "level", "mm", 329.0, 0.329 },
    { "rain", "m", 0.0125, 12.5 },
    { "rain", "mm", 12.4, 12.4 },
    { "rain_rate", "mm/h", 12.4, 12.4 },
    { "rain_rate", "m/h", 0.0125, 12.5 },
    { "wind_speed", "m/s", 3.7, 3.7 },
    { "wind_speed", "km/h", 36.0, 10.0 },
    { "discharge", "m3/s", 2500.0, 2500.0 },
    { "discharge", "l/s", 329.0, 0.329 },
    { "flow", "m3/s", 0.5, 1800.0 },
    { "flow", "l/s", 10.0, 36.0 },
    { "flow", "m3/d", 36.0, 1.5 },
    { "wind_dir", "deg", 270.0, 270.0 },
    { "noise", "dB", 62.5, 62.5 },
    { "power", "kW", 1.5, 1500.0 },
    { "energy", "Wh", 329.0, 0.329 },
    { "energy", "J", 3600000.0, 1.0 },
    { "voltage", "mV", 3290.0, 3.29 },
    { "orp", "mV", 329.0, 0.329 },
    { "current", "mA", 329.0, 0.329 },
    { "frequency", "Hz", 50.0, 50.0 },
    { "rssi", "dBm", -71.0, -71.0 },
    { "light", "lx", 329.0, 329.0 },
    { "lamp_minutes", "min", 610.0, 610.0 },
    { "lamp_minutes", "h", 10.5, 630.0 },
    { "lamp_minutes", "s", 630.0, 10.5 },
    { "bph", "count", 81.0, 81.0 },
    { "lamp", "/", 1.0, 1.0 },
};

static void every_spelling_converts_exactly(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(spellings); i++) {
        const struct spelling *spelling = &spellings[i];
        double value = spelling->from;
        bool known =
            phusa_unit_convert(find(spelling->parameter), phusa_text_of(spelling->unit), &value);
        if (!known || value != spelling->to) {
            fail_msg("%s: %.17g %s gives %.17g%s, not %.17g", spelling->parameter, spelling->from,
                     spelling->unit, value, known ? "" : " (unknown)", spelling->to);
        }
    }
}

/* 273.15 and 5/9 are no doubles, so the last places of the sum are theirs. */
static void temperatures_are_off_by_no_more_than_their_offset(void **state)
{
    static const struct spelling cases[] = {
        { "temp", "K", 300.0, 26.85 },
        { "temp", "degF", 212.0, 100.0 },
        { "soil_temp", "degF", 32.0, 0.0 },
        { "wind_dir", "rad", 3.141592653589793, 180.0 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        double value = cases[i].from;
        assert_true(
            phusa_unit_convert(find(cases[i].parameter), phusa_text_of(cases[i].unit), &value));
        assert_true(fabs(value - cases[i].to) < 1e-13 * 300);
    }
}

/* What would be another quantity is refused, not guessed: the unit must not be lost. */
static void what_is_another_quantity_is_unknown(void **state)
{
    static const struct spelling cases[] = {
        { "temp", "C", 0, 0 },      { "temp", "%", 0, 0 },   { "pm25", "ppb", 0, 0 },
        { "pm25", "mg/L", 0, 0 },   { "o3", "ppm", 0, 0 },   { "do", "%", 0, 0 },
        { "do_sat", "mg/L", 0, 0 }, { "ec", "mg/L", 0, 0 },  { "turb", "mg/L", 0, 0 },
        { "ph", "mV", 0, 0 },       { "level", "m3", 0, 0 }, { "salinity", "mS/cm", 0, 0 },
        { "rain", "mm/h", 0, 0 },   { "flow", "m/s", 0, 0 }, { "nh4", "MG/L", 0, 0 },
        { "do", "mg/L ", 0, 0 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        double value = 4.5;
        assert_false(
            phusa_unit_convert(find(cases[i].parameter), phusa_text_of(cases[i].unit), &value));
        assert_true(value == 4.5);
    }
}

/* A factor of numbers that people would send, against the same in decimal. */
static void any_number_converts_within_four_places(void **state)
{
    static const struct {
        const char *parameter, *unit;
        int per; /* own units in a thousand of those */
    } cases[] = {
        { "ec", "uS/cm", 1 },           { "do", "ug/L", 1 },
        { "co", "mg/m3", 1000000 },     { "ec", "mS/m", 10 },
        { "ec", "S/m", 10000 },         { "flow", "l/s", 3600 },
        { "level", "cm", 10 },          { "pressure", "kPa", 10000 },
        { "salinity", "mg/L", 1 },      { "pressure", "Pa", 10 },
        { "lamp_minutes", "h", 60000 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (int n = 1; n < 100000; n += 7) { /* n hundredths of the unit sent */
            double value = (double)n / 100, expected = (double)((int64_t)n * cases[i].per) / 100000;
            assert_true(
                phusa_unit_convert(find(cases[i].parameter), phusa_text_of(cases[i].unit), &value));
            assert_true(fabs(value - expected) <= 4 * (nextafter(expected, INFINITY) - expected));
        }
    }
}

/* No spelling makes a parameter's whole range collapse or turn round. */
static void every_conversion_grows_with_the_value(void **state)
{
    (void)state;
    for (size_t i = 0; i < settings->catalogue.count; i++) {
        const struct phusa_parameter *parameter = &settings->catalogue.parameters[i];
        for (size_t j = 0; j < parameter->unit_count; j++) {
            double zero = 0, one = 1;
            assert_true(phusa_unit_convert(parameter, parameter->units[j].spelling, &zero));
            assert_true(phusa_unit_convert(parameter, parameter->units[j].spelling, &one));
            assert_true(one > zero && isfinite(one));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling_converts_exactly),
        cmocka_unit_test(any_number_converts_within_four_places),
        cmocka_unit_test(temperatures_are_off_by_no_more_than_their_offset),
        cmocka_unit_test(what_is_another_quantity_is_unknown),
        cmocka_unit_test(every_conversion_grows_with_the_value),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
