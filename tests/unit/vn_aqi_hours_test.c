/*
 * VN_AQI of half a year of hours in Beijing, one by one through the holder, against what another
 * implementation of the Decision made of them, in both readings of NowCast.
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

#include "quality/vn_aqi.h"
#include "shared_data.h"

#define MEASURED "2-air/prsa_Wanliu_20130301-20170228.csv.gz"
#define EXPECTED "9-formulas/vn_aqi_hourly_prsa_Wanliu_2014H1.csv"
#define CELLS    24

enum { HOURS = 35064 }; /* in the recording */

struct hour {
    int64_t number;
    double values[VN_AQI_POLLUTANTS];
};

static struct hour hours[HOURS];

static int64_t number_of(int year, int month, int day, int hour)
{
    struct tm parts = {
        .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_hour = hour
    };
    return (int64_t)timegm(&parts) / 3600;
}

static int split(char *line, char *cells[CELLS])
{
    int count = 0;
    line[strcspn(line, "\r\n")] = '\0';
    while (line != NULL && count < CELLS) {
        cells[count++] = strsep(&line, ",");
    }
    return count;
}

static int integer(const char *cell)
{
    return (int)strtol(cell, NULL, 10);
}

/* "NA" and an empty cell are missing. */
static double number(const char *cell)
{
    return *cell == '\0' || strcmp(cell, "NA") == 0 ? NAN : strtod(cell, NULL);
}

static int read_measured(void)
{
    static const int column_of[VN_AQI_POLLUTANTS] = { 5, 6, 10, 8, 7, 9 };
    char path[512], line[1024], *cells[CELLS];
    int count = 0;
    gzFile file = gzopen(shared_path(MEASURED, path, sizeof path), "rb");
    if (file == NULL) {
        printf("skipped: no %s (set PHUSA_SHARED)\n", path);
        return 0;
    }
    assert_non_null(gzgets(file, line, sizeof line)); /* the header */
    while (count < HOURS && gzgets(file, line, sizeof line) != NULL) {
        struct hour *hour = &hours[count++];
        assert_true(split(line, cells) > 10);
        hour->number =
            number_of(integer(cells[1]), integer(cells[2]), integer(cells[3]), integer(cells[4]));
        for (int i = 0; i < VN_AQI_POLLUTANTS; i++) {
            hour->values[i] = number(cells[column_of[i]]);
        }
    }
    (void)gzclose(file);
    return count;
}

static void check_number(const char *cell, double got)
{
    double expected = number(cell);
    if (isnan(expected) ? !isnan(got) : !(fabs(got - expected) <= 1e-9 * expected)) {
        fail_msg("%.17g, expected %s", got, cell);
    }
}

static void check_index(const char *cell, int got)
{
    if (*cell == '\0' ? got != VN_AQI_NONE : got != integer(cell)) {
        fail_msg("%d, expected %s", got, cell);
    }
}

/* An expected row: time; NowCasts normalised, then printed; sub-indices in our order; the index. */
static void check_row(char *cells[CELLS], const struct hour *hour,
                      const struct vn_aqi_holder *holder)
{
    double values[VN_AQI_POLLUTANTS];
    memcpy(values, hour->values, sizeof values);
    for (unsigned i = 0; i < VN_AQI_PM; i++) {
        values[i] = vn_aqi_held(holder, i, hour->number, VN_AQI_NORMALISED);
        check_number(cells[1 + i], values[i]);
        check_number(cells[3 + i], vn_aqi_held(holder, i, hour->number, VN_AQI_PRINTED));
    }
    struct vn_aqi aqi = vn_aqi_of_hour(values);
    for (int i = 0; i < VN_AQI_POLLUTANTS; i++) {
        check_index(cells[5 + i], aqi.sub[i]);
    }
    check_index(cells[11], aqi.index);
    assert_string_equal(cells[12], aqi.index == VN_AQI_NONE ? "" : vn_aqi_name(aqi.dominant));
}

static void half_a_year_agrees_hour_by_hour(void **state)
{
    (void)state;
    char line[1024], *cells[CELLS];
    size_t length;
    int count = read_measured(), next = 0, checked = 0;
    unsigned char *text = shared_read(EXPECTED, &length);
    if (count == 0 || text == NULL) {
        free(text);
        skip();
    }
    struct vn_aqi_holder holder;
    vn_aqi_holder_begin(&holder);
    FILE *file = fmemopen(text, length, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file)); /* the header */
    while (fgets(line, sizeof line, file) != NULL) {
        int year, month, day, hour;
        assert_int_equal(split(line, cells), 13);
        assert_int_equal(sscanf(cells[0], "%d-%d-%d %d:00", &year, &month, &day, &hour), 4);
        int64_t wanted = number_of(year, month, day, hour);
        do {
            assert_true(next < count);
            for (unsigned i = 0; i < VN_AQI_PM; i++) {
                assert_true(vn_aqi_hold(&holder, i, hours[next].number, hours[next].values[i]));
            }
        } while (hours[next++].number < wanted);
        check_row(cells, &hours[next - 1], &holder);
        checked++;
    }
    assert_int_equal(checked, 4333);
    (void)fclose(file);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(half_a_year_agrees_hour_by_hour) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
