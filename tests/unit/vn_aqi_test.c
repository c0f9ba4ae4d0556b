/* VN_AQI against the text of Decision 1459/QĐ-TCMT: its tables, its examples, its edges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "draws.h"
#include "quality/vn_aqi.h"
#include "shared_data.h"

static const char *const table_names[VN_AQI_TABLES] = { "pm25", "pm10", "o3_1h", "no2",
                                                        "so2",  "co",   "o3_8h" };

/* Section 2.3.a's hours of PM2.5, 09:00 to 20:00. */
static const double example_pm25[VN_AQI_NOWCAST_HOURS] = { 26.9, 24.7, 20.5, 23.5, 19.5, 16.5,
                                                           19.0, 16.5, 20.3, 22.4, 19.6, 20.6 };

/* Section 2.2.2.a's hours of ozone, from 18:00 of the day before. */
static double example_o3[VN_AQI_DAY_SPAN] = { 15.7, 14.2, 17.7, 18.9, 19.3, 15.7, 19.7, 22.6,
                                              27.1, 29.0, 31.9, 25.3, 34.7, 35.2, 41.6, 45.7,
                                              49.2, 55.8, 69.6, 78.3, 91.5, 97.7, 81.2, 71.8,
                                              43.5, 34.3, 21.5, 20.5, 19.4, 20.4, 21.3 };

static void near(double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance)) {
        fail_msg("%.17g, expected %.17g", got, expected);
    }
}

static void nothing(double *values, int count)
{
    for (int i = 0; i < count; i++) {
        values[i] = NAN;
    }
}

static struct vn_aqi hour_of(enum vn_aqi_pollutant first, double a, enum vn_aqi_pollutant second,
                             double b)
{
    double c[VN_AQI_POLLUTANTS];
    nothing(c, VN_AQI_POLLUTANTS);
    c[first] = a;
    c[second] = b;
    return vn_aqi_of_hour(c);
}

/* --- sub-indices ------------------------------------------------------------------------ */

/* The machine-readable tables of the Decision, or NULL with a message. */
static json_t *decision(void)
{
    size_t length;
    unsigned char *text = shared_read("9-formulas/vn_aqi_1459.json", &length);
    if (text == NULL) {
        return NULL;
    }
    json_t *json = json_loadb((const char *)text, length, 0, NULL);
    free(text);
    assert_non_null(json);
    return json;
}

static int64_t whole(const json_t *array, size_t index)
{
    return json_integer_value(json_array_get(array, index));
}

/*
 * Every concentration with one decimal between two breakpoints, in whole numbers: tenths of
 * a microgram, and the half that is added before cutting off doubled away.
 */
static void check_segment(unsigned table, int64_t from, int64_t to, int64_t low, int64_t high)
{
    for (int64_t tenths = 10 * from; tenths <= 10 * to; tenths++) {
        int64_t expected =
            low + (2 * (high - low) * (tenths - 10 * from) + 10 * (to - from)) / (20 * (to - from));
        int got = vn_aqi_sub_index(table, (double)tenths / 10);
        if (got != expected) {
            fail_msg("%s %g: %d, expected %d", table_names[table], (double)tenths / 10, got,
                     (int)expected);
        }
    }
}

static void every_tenth_of_a_microgram_is_rounded_half_up(void **state)
{
    (void)state;
    json_t *json = decision();
    if (json == NULL) {
        skip();
    }
    const json_t *levels = json_object_get(json, "levels");
    for (unsigned table = 0; table < VN_AQI_TABLES; table++) {
        const json_t *at =
            json_object_get(json_object_get(json, "breakpoints"), table_names[table]);
        size_t last = json_array_size(at) - 1;
        assert_int_equal(last, 7);
        while (json_is_null(json_array_get(at, last))) {
            last--;
        }
        assert_int_equal(last, table == VN_AQI_O3_8H ? 5 : 7);
        for (size_t i = 0; i < last; i++) {
            check_segment(table, whole(at, i), whole(at, i + 1), whole(levels, i),
                          whole(levels, i + 1));
        }
        double top = (double)whole(at, last);
        int above = table == VN_AQI_O3_8H ? VN_AQI_NONE : VN_AQI_MAX;
        assert_int_equal(vn_aqi_sub_index(table, nextafter(top, INFINITY)), above);
        assert_int_equal(vn_aqi_sub_index(table, top * 100), above);
    }
    json_decref(json);
}

static void what_is_no_concentration_has_no_index(void **state)
{
    (void)state;
    static const double bad[] = { NAN, INFINITY, -INFINITY, -0.1, -1e-300, -1e300 };
    for (unsigned table = 0; table < VN_AQI_TABLES; table++) {
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            assert_int_equal(vn_aqi_sub_index(table, bad[i]), VN_AQI_NONE);
        }
        assert_int_equal(vn_aqi_sub_index(table, 0), 0);
        assert_int_equal(vn_aqi_sub_index(table, -0.0), 0);
        assert_int_equal(vn_aqi_sub_index(table, 1e-300), 0);
    }
    assert_int_equal(vn_aqi_sub_index(VN_AQI_PM25, 1e300), VN_AQI_MAX);
}

/* --- the Decision's examples --------------------------------------------------------------- */

static void the_example_of_an_hour(void **state)
{
    (void)state;
    double c[VN_AQI_POLLUTANTS], newest_first[VN_AQI_NOWCAST_HOURS];
    for (int i = 0; i < VN_AQI_NOWCAST_HOURS; i++) {
        newest_first[i] = example_pm25[VN_AQI_NOWCAST_HOURS - 1 - i];
    }
    nothing(c, VN_AQI_POLLUTANTS);
    c[VN_AQI_PM25] = vn_aqi_nowcast(newest_first, VN_AQI_PRINTED);
    c[VN_AQI_O3] = 136.1;
    c[VN_AQI_NO2] = 118.7;
    near(c[VN_AQI_PM25], 20.2657650072368, 1e-12); /* printed as 20.3 */
    struct vn_aqi aqi = vn_aqi_of_hour(c);
    assert_int_equal(aqi.sub[VN_AQI_PM25], 41);
    assert_int_equal(aqi.sub[VN_AQI_O3], 43);
    assert_int_equal(aqi.sub[VN_AQI_NO2], 59); /* a misprint there: 60; the formula gives 59.35 */
    assert_int_equal(aqi.index, 59);
    assert_int_equal(aqi.dominant, VN_AQI_NO2);
    assert_int_equal(aqi.sub[VN_AQI_CO], VN_AQI_NONE);
}

static void the_example_of_a_day(void **state)
{
    (void)state;
    struct vn_aqi_day day = { .o3_8h = 89.3 };
    nothing(day.concentration, VN_AQI_POLLUTANTS);
    day.concentration[VN_AQI_PM25] = 55.7;
    day.concentration[VN_AQI_O3] = 114.6;
    day.concentration[VN_AQI_NO2] = 130.8;
    assert_int_equal(vn_aqi_sub_index(VN_AQI_O3, 114.6), 36);
    struct vn_aqi aqi = vn_aqi_of_day(&day);
    assert_int_equal(aqi.sub[VN_AQI_O3], 45); /* of 8 h */
    assert_int_equal(aqi.sub[VN_AQI_NO2], 65);
    assert_int_equal(aqi.sub[VN_AQI_PM25], 110); /* 109.5 */
    assert_int_equal(aqi.index, 110);
    assert_int_equal(aqi.dominant, VN_AQI_PM25);
}

static void the_example_of_running_means(void **state)
{
    (void)state;
    static const double printed[VN_AQI_DAY_HOURS] = { 18.0, 19.4, 21.2, 23.0, 23.8, 25.8,
                                                      28.2, 30.9, 33.8, 36.6, 39.9, 44.7,
                                                      51.3, 58.4, 66.2, 71.1, 74.4, 73.7,
                                                      71.0, 65.0, 57.8, 48.7, 39.1, 31.6 };
    double hours[VN_AQI_POLLUTANTS][VN_AQI_DAY_SPAN];
    for (int h = 0; h < VN_AQI_DAY_HOURS; h++) { /* each 8 hours alone, as a day of one mean */
        nothing(hours[0], VN_AQI_POLLUTANTS * VN_AQI_DAY_SPAN);
        memcpy(&hours[VN_AQI_O3][h], &example_o3[h], VN_AQI_O3_HOURS * sizeof example_o3[0]);
        near(vn_aqi_day_of(hours, 1).o3_8h, printed[h], 0.1); /* 44.64 as 44.7 */
    }
    memcpy(hours[VN_AQI_O3], example_o3, sizeof example_o3);
    near(vn_aqi_day_of(hours, 1).o3_8h, 74.3875, 1e-12);
    near(vn_aqi_day_of(hours, 1).concentration[VN_AQI_O3], 97.7, 0);
}

/* --- NowCast ------------------------------------------------------------------------------- */

static double nowcast(const double *newest, int count, enum vn_aqi_form form)
{
    double c[VN_AQI_NOWCAST_HOURS];
    nothing(c, VN_AQI_NOWCAST_HOURS);
    memcpy(c, newest, (size_t)count * sizeof *c);
    return vn_aqi_nowcast(c, form);
}

#define NOWCAST(form, ...)                                                                         \
    nowcast((const double[]){ __VA_ARGS__ },                                                       \
            sizeof((const double[]){ __VA_ARGS__ }) / sizeof(double), form)

static void nowcast_needs_two_of_the_three_newest(void **state)
{
    (void)state;
    assert_true(isnan(NOWCAST(VN_AQI_PRINTED, NAN, NAN, 10, 10, 10, 10)));
    assert_true(isnan(NOWCAST(VN_AQI_PRINTED, 10, NAN, NAN, 10, 10, 10)));
    assert_true(isnan(NOWCAST(VN_AQI_PRINTED, 10, -1, INFINITY, 10, 10, 10)));
    near(NOWCAST(VN_AQI_PRINTED, NAN, 10, 10), 10, 1e-12);
    near(NOWCAST(VN_AQI_PRINTED, 10, NAN, 10), 10, 1e-12);
    near(NOWCAST(VN_AQI_PRINTED, 10, 10), 10, 1e-12);
    near(NOWCAST(VN_AQI_PRINTED, 0, 0, 0, 0), 0, 0);
}

static void nowcast_at_one_half_is_read_in_two_ways(void **state)
{
    (void)state;
    /* w* = 0.1, and exactly 1/2, which is not above it. */
    near(NOWCAST(VN_AQI_PRINTED, 100, 10), 52.5, 1e-12);
    near(NOWCAST(VN_AQI_NORMALISED, 100, 10), 70, 1e-12);
    near(NOWCAST(VN_AQI_PRINTED, 20, 10), 12.5, 1e-12);
    near(NOWCAST(VN_AQI_NORMALISED, 20, 10), 25.0 / 1.5, 1e-12);
    near(NOWCAST(VN_AQI_PRINTED, 0, 0, 8), 1, 1e-12);
    near(NOWCAST(VN_AQI_NORMALISED, 0, 0, 8), 8 / 7.0, 1e-12);
    /* Above 1/2 there is one way: w = 0.8, and c2 has no weight. */
    double weighted = (10 + 0.64 * 8) / 1.64;
    near(NOWCAST(VN_AQI_PRINTED, 10, NAN, 8), weighted, 1e-12);
    near(NOWCAST(VN_AQI_NORMALISED, 10, NAN, 8), weighted, 1e-12);
}

/* The Decision's sentences once more, written with pow and without shortcuts. */
static double plain_nowcast(const double *c, enum vn_aqi_form form)
{
    double least = 1e9, most = 0, sum = 0, weights = 0;
    int newest = 0;
    for (int i = 1; i <= VN_AQI_NOWCAST_HOURS; i++) {
        double value = c[i - 1];
        if (value >= 0) {
            newest += i <= 3;
            least = value < least ? value : least;
            most = value > most ? value : most;
        }
    }
    double w = most == 0 || least / most > 0.5 ? (most == 0 ? 1 : least / most) : 0.5;
    bool printed = w == 0.5 && form == VN_AQI_PRINTED;
    for (int i = 1; i <= VN_AQI_NOWCAST_HOURS; i++) {
        if (c[i - 1] >= 0) {
            sum += pow(w, printed ? i : i - 1) * c[i - 1];
            weights += pow(w, i - 1);
        }
    }
    return newest < 2 ? NAN : (printed ? sum : sum / weights);
}

static double draw_mean(struct draws *draws)
{
    uint64_t kind = draw_below(draws, 12);
    double value = 20 + (double)draw_below(draws, 300) / 10;
    return kind == 0 ? NAN : kind == 1 ? -value : kind == 2 ? value * 9 : value;
}

static bool alike(double a, double b)
{
    return (isnan(a) && isnan(b)) || fabs(a - b) < 1e-9;
}

/* Hours one by one into the holder, some left out, some late or corrected: as from the whole. */
static void a_stream_gives_what_the_whole_series_gives(void **state)
{
    (void)state;
    enum { HOURS = 4000, BEFORE = 2 * VN_AQI_HELD_HOURS };
    static double series[VN_AQI_PM][HOURS];
    struct draws draws = draws_begin();
    struct vn_aqi_holder holder;
    int some = 0, none = 0;
    vn_aqi_holder_begin(&holder);
    nothing(series[0], VN_AQI_PM * HOURS);
    for (int64_t newest = BEFORE; newest < HOURS; newest++) {
        if (draw_below(&draws, 10) == 0) {
            newest += (int64_t)draw_below(&draws, 60);
        }
        int64_t late =
            holder.any && draw_below(&draws, 4) == 0 ? (int64_t)draw_below(&draws, 40) : 0;
        enum vn_aqi_pollutant pm = draw_below(&draws, 4) == 0 ? VN_AQI_PM10 : VN_AQI_PM25;
        double mean = draw_mean(&draws);
        int64_t hour = newest - late, from = -HOURS / 2; /* of either sign */
        if (newest >= HOURS) {
            break;
        }
        bool held = !holder.any || hour + from > holder.newest - VN_AQI_HELD_HOURS;
        assert_int_equal(vn_aqi_hold(&holder, pm, hour + from, mean), held);
        series[pm][hour] = held ? mean : series[pm][hour];
        int64_t end = holder.newest - from;
        for (int64_t at = end - 12; at <= end + 2 && at < HOURS; at++) {
            double c[VN_AQI_NOWCAST_HOURS];
            for (int i = 0; i < VN_AQI_NOWCAST_HOURS; i++) {
                c[i] = series[pm][at - i];
            }
            enum vn_aqi_form form = at % 2 == 0 ? VN_AQI_PRINTED : VN_AQI_NORMALISED;
            double expected = plain_nowcast(c, form);
            assert_true(alike(vn_aqi_nowcast(c, form), expected));
            assert_true(alike(vn_aqi_held(&holder, pm, at + from, form), expected));
            some += !isnan(expected);
            none += isnan(expected);
        }
        assert_true(isnan(vn_aqi_held(&holder, pm, end - 13 + from, VN_AQI_PRINTED)));
    }
    assert_true(some > 1000 && none > 1000);
}

static void the_holder_takes_dust_only(void **state)
{
    (void)state;
    struct vn_aqi_holder holder;
    vn_aqi_holder_begin(&holder);
    assert_true(isnan(vn_aqi_held(&holder, VN_AQI_PM25, 0, VN_AQI_PRINTED)));
    assert_false(vn_aqi_hold(&holder, VN_AQI_O3, 0, 1));
    assert_false(holder.any);
    assert_true(isnan(vn_aqi_held(&holder, VN_AQI_CO, 0, VN_AQI_PRINTED)));
    assert_true(sizeof holder <= 512);
}

/* --- the index ------------------------------------------------------------------------------ */

static void without_dust_there_is_no_index(void **state)
{
    (void)state;
    struct vn_aqi aqi = hour_of(VN_AQI_O3, 500, VN_AQI_CO, 1000);
    assert_int_equal(aqi.index, VN_AQI_NONE);
    assert_int_equal(aqi.sub[VN_AQI_O3], 225);
    assert_int_equal(aqi.sub[VN_AQI_CO], 5);
    aqi = hour_of(VN_AQI_O3, 500, VN_AQI_PM25, -5); /* a negative number is no dust */
    assert_int_equal(aqi.index, VN_AQI_NONE);
    aqi = hour_of(VN_AQI_O3, 500, VN_AQI_PM10, 0); /* none at all is */
    assert_int_equal(aqi.index, 225);
    assert_int_equal(aqi.dominant, VN_AQI_O3);
    aqi = hour_of(VN_AQI_PM10, 150, VN_AQI_PM10, 150);
    assert_int_equal(aqi.index, 100);
    assert_int_equal(aqi.dominant, VN_AQI_PM10);
    struct vn_aqi_day day = { .concentration = { NAN, NAN, 100, 100, 100, 100 }, .o3_8h = 100 };
    assert_int_equal(vn_aqi_of_day(&day).index, VN_AQI_NONE);
    assert_int_equal(vn_aqi_of_day(&day).sub[VN_AQI_O3], 50);
}

static void among_equals_the_first_dominates(void **state)
{
    (void)state;
    static const double fifty[VN_AQI_POLLUTANTS] = { 25, 50, 160, 100, 125, 10000 };
    static const char *const names[VN_AQI_POLLUTANTS] = {
        "pm25", "pm10", "o3", "no2", "so2", "co"
    };
    double c[VN_AQI_POLLUTANTS];
    memcpy(c, fifty, sizeof c);
    c[VN_AQI_PM10] = 1;
    for (int i = 0; i < VN_AQI_POLLUTANTS; i++) {
        if (i != VN_AQI_PM10) {
            struct vn_aqi aqi = vn_aqi_of_hour(c);
            assert_int_equal(aqi.index, 50);
            assert_string_equal(vn_aqi_name(aqi.dominant), names[i]);
            c[i] = NAN;
        }
    }
    assert_int_equal(vn_aqi_of_hour(c).index, 1);
    assert_int_equal(vn_aqi_of_hour(fifty).dominant, VN_AQI_PM25);
    struct vn_aqi aqi = hour_of(VN_AQI_PM10, 50, VN_AQI_O3, 160);
    assert_int_equal(aqi.dominant, VN_AQI_PM10);
}

static void ozone_above_400_over_8_hours_counts_by_its_hour(void **state)
{
    (void)state;
    struct vn_aqi_day day = { .concentration = { 10, NAN, 500, NAN, NAN, NAN }, .o3_8h = 400 };
    assert_int_equal(vn_aqi_of_day(&day).sub[VN_AQI_O3], 300);
    day.o3_8h = 400.01;
    assert_int_equal(vn_aqi_of_day(&day).sub[VN_AQI_O3], 225);
    assert_int_equal(vn_aqi_of_day(&day).index, 225);
    day.o3_8h = NAN;
    day.concentration[VN_AQI_O3] = NAN;
    assert_int_equal(vn_aqi_of_day(&day).sub[VN_AQI_O3], VN_AQI_NONE);
    day.o3_8h = 110; /* alone */
    assert_int_equal(vn_aqi_of_day(&day).sub[VN_AQI_O3], 75);
}

static void a_mean_needs_its_coverage_and_a_maximum_any_hour(void **state)
{
    (void)state;
    double hours[VN_AQI_POLLUTANTS][VN_AQI_DAY_SPAN];
    nothing(hours[0], VN_AQI_POLLUTANTS * VN_AQI_DAY_SPAN);
    for (int h = 0; h < 18; h++) {
        hours[VN_AQI_PM25][7 + h] = 10 + h;
        hours[VN_AQI_PM10][h] = 10; /* of these the first seven are of the day before */
    }
    hours[VN_AQI_PM25][7 + 20] = -1;
    hours[VN_AQI_NO2][0] = 900;
    hours[VN_AQI_NO2][7] = 90;
    hours[VN_AQI_NO2][30] = 95;
    hours[VN_AQI_O3][6] = 10;
    hours[VN_AQI_O3][30] = 30;
    struct vn_aqi_day day = vn_aqi_day_of(hours, 0.75);
    near(day.concentration[VN_AQI_PM25], 18.5, 1e-12);
    assert_true(isnan(day.concentration[VN_AQI_PM10]));
    near(day.concentration[VN_AQI_NO2], 95, 0);
    assert_true(isnan(day.concentration[VN_AQI_CO]));
    near(day.concentration[VN_AQI_O3], 30, 0);
    assert_true(isnan(day.o3_8h));
    assert_true(isnan(vn_aqi_day_of(hours, 0.76).concentration[VN_AQI_PM25]));
    day = vn_aqi_day_of(hours, 0);
    near(day.concentration[VN_AQI_PM10], 10, 1e-12);
    near(day.o3_8h, 30, 0);
    assert_true(isnan(day.concentration[VN_AQI_SO2]));
}

/* --- levels ---------------------------------------------------------------------------------- */

static void levels_are_those_of_table_1(void **state)
{
    (void)state;
    json_t *json = decision();
    if (json == NULL) {
        skip();
    }
    const json_t *categories = json_object_get(json, "categories");
    assert_int_equal(json_array_size(categories), 6);
    for (size_t i = 0; i < 6; i++) {
        const json_t *category = json_array_get(categories, i),
                     *rgb = json_object_get(category, "rgb");
        int from = (int)json_integer_value(json_object_get(category, "from"));
        int to = (int)json_integer_value(json_object_get(category, "to"));
        const struct vn_aqi_level *level = vn_aqi_level(from);
        assert_ptr_equal(vn_aqi_level(to), level);
        assert_ptr_not_equal(vn_aqi_level(to + 1), level);
        assert_string_equal(level->vi, json_string_value(json_object_get(category, "name")));
        for (size_t j = 0; j < 3; j++) {
            assert_int_equal(level->rgb[j], whole(rgb, j));
        }
    }
    json_decref(json);
}

static void every_index_has_a_level_with_its_words(void **state)
{
    (void)state;
    for (int index = 0; index <= VN_AQI_MAX; index++) {
        const struct vn_aqi_level *level = vn_aqi_level(index);
        assert_non_null(level);
        assert_true(index <= level->to);
        assert_true(*level->id && *level->en && *level->colour_vi && *level->colour_en);
        assert_true(strlen(level->message_vi) > 40 && strlen(level->message_en) > 20);
    }
    assert_null(vn_aqi_level(VN_AQI_NONE));
    assert_null(vn_aqi_level(VN_AQI_MAX + 1));
    assert_string_equal(vn_aqi_level(110)->vi, "Kém");
    assert_string_equal(vn_aqi_level(50)->message_vi,
                        "Chất lượng không khí tốt, không ảnh hưởng tới sức khỏe");
    assert_string_equal(vn_aqi_level(300)->id, "very-bad");
    assert_string_equal(vn_aqi_level(301)->id, "hazardous");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tenth_of_a_microgram_is_rounded_half_up),
        cmocka_unit_test(what_is_no_concentration_has_no_index),
        cmocka_unit_test(the_example_of_an_hour),
        cmocka_unit_test(the_example_of_a_day),
        cmocka_unit_test(the_example_of_running_means),
        cmocka_unit_test(nowcast_needs_two_of_the_three_newest),
        cmocka_unit_test(nowcast_at_one_half_is_read_in_two_ways),
        cmocka_unit_test(a_stream_gives_what_the_whole_series_gives),
        cmocka_unit_test(the_holder_takes_dust_only),
        cmocka_unit_test(without_dust_there_is_no_index),
        cmocka_unit_test(among_equals_the_first_dominates),
        cmocka_unit_test(ozone_above_400_over_8_hours_counts_by_its_hour),
        cmocka_unit_test(a_mean_needs_its_coverage_and_a_maximum_any_hour),
        cmocka_unit_test(levels_are_those_of_table_1),
        cmocka_unit_test(every_index_has_a_level_with_its_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
