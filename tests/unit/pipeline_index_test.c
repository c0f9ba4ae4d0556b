/*
 * VN_AQI through the pipeline: half a year of hours in Beijing as hourly reports of an air station,
 * each index line against what another implementation of the Decision made of them, in both forms
 * of the NowCast, in order and with hours that come late; days against the formulas of a day.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <zlib.h>

#include "draws.h"
#include "pipeline_bed.h"
#include "quality/vn_aqi.h"
#include "shared_data.h"

#define MEASURED "2-air/prsa_Wanliu_20130301-20170228.csv.gz"
#define EXPECTED "9-formulas/vn_aqi_hourly_prsa_Wanliu_2014H1.csv"
#define HOUR     "index,site=my-tho,station=s1,window=1h"
#define DAY      "index,site=my-tho,station=s1,window=day"
#define CORRECT  "correction,site=my-tho,station=s1,parameter=vn_aqi,window=1h"
#define CELLS    24
#define HOURS    4400
#define BEFORE   40 /* hours before the first expected one */

enum { CO, NO2, O3, PM10, PM25, SO2, AQI, AQI_DAY, PARAMETERS };

#define PARAMETER(text)                                                                            \
    {                                                                                              \
        .name = { (text), sizeof(text) - 1 }, .unit = { "ug/m3", 5 }, .minimum = 0,                \
        .maximum = 100000, .resolution = 0.01                                                      \
    }
static const struct phusa_parameter parameters[PARAMETERS] = {
    [CO] = PARAMETER("co"),      [NO2] = PARAMETER("no2"),
    [O3] = PARAMETER("o3"),      [PM10] = PARAMETER("pm10"),
    [PM25] = PARAMETER("pm25"),  [SO2] = PARAMETER("so2"),
    [AQI] = PARAMETER("vn_aqi"), [AQI_DAY] = PARAMETER("vn_aqi_day"),
};

struct hour {
    int64_t end_ns;
    double values[VN_AQI_POLLUTANTS];      /* NaN: not measured */
    int subs[VN_AQI_POLLUTANTS], index[2]; /* as expected; the index by enum vn_aqi_form */
    bool expected;
    bool late;
};

static struct hour hours[HOURS];
static size_t hour_count;

/* --- the recording -------------------------------------------------------------------------- */

static int split(char *line, char *cells[CELLS])
{
    int count = 0;
    line[strcspn(line, "\r\n")] = '\0';
    while (line != NULL && count < CELLS) {
        cells[count++] = strsep(&line, ",");
    }
    return count;
}

static double number(const char *cell)
{
    return *cell == '\0' || strcmp(cell, "NA") == 0 ? NAN : strtod(cell, NULL);
}

static int index_of(const char *cell)
{
    return *cell == '\0' ? VN_AQI_NONE : (int)strtol(cell, NULL, 10);
}

static struct hour *hour_at(int64_t end_ns)
{
    int64_t at = (end_ns - hours[0].end_ns) / HOUR_NS;
    return at >= 0 && at < (int64_t)hour_count ? &hours[at] : NULL;
}

static void read_measured(gzFile file)
{
    static const int column_of[VN_AQI_POLLUTANTS] = { 5, 6, 10, 8, 7, 9 };
    char line[1024], *cells[CELLS];
    (void)gzgets(file, line, sizeof line); /* the header */
    while (gzgets(file, line, sizeof line) != NULL) {
        assert_true(split(line, cells) > 10);
        struct hour *hour =
            hour_at(bed_local(strtol(cells[1], NULL, 10), strtol(cells[2], NULL, 10),
                              strtol(cells[3], NULL, 10), strtol(cells[4], NULL, 10), 0));
        for (int i = 0; hour != NULL && i < VN_AQI_POLLUTANTS; i++) {
            hour->values[i] = number(cells[column_of[i]]);
        }
    }
}

/* The highest of the sub-indices, of PM with the NowCasts of the form; none without PM. */
static int index_with(const struct hour *hour, double pm25, double pm10)
{
    int found = vn_aqi_sub_index(VN_AQI_PM25, pm25), other = vn_aqi_sub_index(VN_AQI_PM10, pm10);
    found = other > found ? other : found;
    for (int i = VN_AQI_PM; i < VN_AQI_POLLUTANTS && found != VN_AQI_NONE; i++) {
        found = hour->subs[i] > found ? hour->subs[i] : found;
    }
    return found;
}

static void read_expected(FILE *file)
{
    char line[1024], *cells[CELLS];
    int year, month, day, clock;
    (void)fgets(line, sizeof line, file);
    while (fgets(line, sizeof line, file) != NULL && hour_count < HOURS) {
        assert_true(split(line, cells) >= 13);
        assert_int_equal(sscanf(cells[0], "%d-%d-%d %d", &year, &month, &day, &clock), 4);
        int64_t end_ns = bed_local(year, month, day, clock, 0);
        if (hour_count == 0) {
            for (; hour_count < BEFORE; hour_count++) {
                hours[hour_count].end_ns = end_ns - (int64_t)(BEFORE - hour_count) * HOUR_NS;
            }
        }
        struct hour *hour = &hours[hour_count++];
        hour->end_ns = end_ns;
        hour->expected = true;
        for (int i = 0; i < VN_AQI_POLLUTANTS; i++) {
            hour->subs[i] = index_of(cells[5 + i]);
        }
        hour->index[VN_AQI_NORMALISED] = index_with(hour, number(cells[1]), number(cells[2]));
        hour->index[VN_AQI_PRINTED] = index_with(hour, number(cells[3]), number(cells[4]));
        assert_int_equal(hour->index[VN_AQI_NORMALISED], index_of(cells[11]));
    }
}

/* False, with a message, if the data are not there. */
static bool read_recording(void)
{
    char path[512];
    if (hour_count > 0) {
        return true;
    }
    FILE *file = fopen(shared_path(EXPECTED, path, sizeof path), "r");
    if (file == NULL) {
        print_message("skipped: no %s (set PHUSA_SHARED)\n", path);
        return false;
    }
    read_expected(file);
    (void)fclose(file);
    gzFile measured = gzopen(shared_path(MEASURED, path, sizeof path), "rb");
    assert_non_null(measured);
    read_measured(measured);
    (void)gzclose(measured);
    assert_int_equal(hour_count, 4333 + BEFORE);
    return true;
}

/* --- the station ------------------------------------------------------------------------------ */

struct world {
    struct settings settings;
    struct station station;
    struct rule rules[2];
    struct bed bed;
};

static void set_up(struct world *world, enum vn_aqi_form form)
{
    static const struct phusa_parameter missing = PARAMETER("missing_reports");
    *world = (struct world){ 0 };
    world->station = (struct station){
        .id = "s1", .site = "my-tho", .kind = "air", .name = "s1", .every_ns = HOUR_NS
    };
    world->settings =
        (struct settings){ .file = "test",
                           .utc_offset_s = BED_UTC_S,
                           .ahead_ns = 300 * SECOND_NS,
                           .clock_wrong_ns = 400 * DAY_NS,
                           .windows = { .coverage = 0.75,
                                        .lateness_ns = 10 * MINUTE_NS,
                                        .nowcast_normalised = form == VN_AQI_NORMALISED },
                           .catalogue = { parameters, PARAMETERS },
                           .registry = { &world->station, 1 },
                           .rulebook = { world->rules, 0 } };
    for (size_t i = 0; i < MAINTENANCE_COUNT; i++) {
        world->settings.maintenance.rules[i] = (struct rule){ .id = "none", .parameter = &missing };
    }
    world->settings.maintenance.gap_ns = DAY_NS;
}

static void add_rule(struct world *world, const char *id, int parameter, double limit)
{
    world->rules[world->settings.rulebook.count++] =
        (struct rule){ .id = id,
                       .kind = "air",
                       .parameter = &parameters[parameter],
                       .direction = RULE_ABOVE,
                       .levels = { { SEVERITY_MINOR, 0, limit, 0, limit, 0, 0 } },
                       .level_count = 1,
                       .max_gap_ns = 7 * DAY_NS,
                       .accept = 2 };
}

static void send_hour(struct world *world, const struct hour *hour)
{
    char payload[512];
    size_t used = 0;
    for (int i = 0; i < VN_AQI_POLLUTANTS; i++) {
        if (!isnan(hour->values[i])) {
            used += (size_t)snprintf(payload + used, sizeof payload - used,
                                     "%s{\"n\":\"%s\",\"t\":%lld,\"v\":%.17g}",
                                     used == 0 ? "[" : ",", vn_aqi_name((enum vn_aqi_pollutant)i),
                                     (long long)(hour->end_ns / SECOND_NS), hour->values[i]);
        }
    }
    if (used > 0) {
        (void)snprintf(payload + used, sizeof payload - used, "]");
        bed_send(&world->bed, payload);
    }
}

#define LATE_HOURS 5

/* What is late comes five hours later, behind the hour that is then. */
static void send_all(struct world *world)
{
    for (size_t i = 0; i < hour_count + LATE_HOURS; i++) {
        bed_until(&world->bed, hours[0].end_ns + (int64_t)i * HOUR_NS + SECOND_NS);
        if (i < hour_count && !hours[i].late) {
            send_hour(world, &hours[i]);
        }
        if (i >= LATE_HOURS && hours[i - LATE_HOURS].late) {
            send_hour(world, &hours[i - LATE_HOURS]);
        }
    }
    bed_until(&world->bed, world->bed.now_ns + 13 * HOUR_NS);
}

/* --- what was written ----------------------------------------------------------------------- */

static int written(const struct world *world, const char *head, const char *field, int64_t end_ns)
{
    double found = bed_number(&world->bed, head, field, end_ns);
    return isnan(found) ? VN_AQI_NONE : (int)found;
}

static int known_index(const struct world *world, int64_t end_ns, size_t *corrections)
{
    int known = written(world, HOUR, "vn_aqi", end_ns);
    for (unsigned round = 1; round < 20; round++) {
        char head[128];
        (void)snprintf(head, sizeof head, round > 1 ? CORRECT ",again=%u" : CORRECT, round);
        int new = written(world, head, "new", end_ns);
        if (new != VN_AQI_NONE) {
            assert_int_equal(written(world, head, "old", end_ns), known);
            known = new;
            (*corrections)++;
        }
    }
    return known;
}

static void expect_line(const struct world *world, const struct hour *hour)
{
    for (int i = VN_AQI_PM; i < VN_AQI_POLLUTANTS; i++) {
        assert_int_equal(written(world, HOUR, vn_aqi_name((enum vn_aqi_pollutant)i), hour->end_ns),
                         hour->subs[i]);
    }
}

static size_t expect_hours(const struct world *world, enum vn_aqi_form form, bool lines)
{
    size_t corrections = 0;
    for (size_t i = BEFORE; i < hour_count; i++) {
        int known = known_index(world, hours[i].end_ns, &corrections);
        if (known != hours[i].index[form]) {
            fail_msg("hour %zu: %d, expected %d", i, known, hours[i].index[form]);
        }
        if (lines && known != VN_AQI_NONE) {
            expect_line(world, &hours[i]);
        }
    }
    return corrections;
}

/* The hours 18:00 of the day before to 00:00, of the day that ends there. */
static int index_of_day(int64_t end_ns)
{
    double means[VN_AQI_POLLUTANTS][VN_AQI_DAY_SPAN];
    for (int i = 0; i < VN_AQI_DAY_SPAN; i++) {
        const struct hour *hour = hour_at(end_ns - (VN_AQI_DAY_SPAN - 1 - i) * HOUR_NS);
        for (int p = 0; p < VN_AQI_POLLUTANTS; p++) {
            means[p][i] = hour == NULL ? NAN : hour->values[p];
        }
    }
    struct vn_aqi_day day = vn_aqi_day_of(means, 0.75);
    return vn_aqi_of_day(&day).index;
}

static size_t expect_days(const struct world *world)
{
    size_t days = 0;
    for (size_t i = BEFORE; i < hour_count; i++) {
        if ((hours[i].end_ns + BED_UTC_S * SECOND_NS) % DAY_NS == 0) {
            assert_int_equal(written(world, DAY, "vn_aqi", hours[i].end_ns),
                             index_of_day(hours[i].end_ns));
            days++;
        }
    }
    return days;
}

/* --- tests ---------------------------------------------------------------------------------- */

static void every_hour_is_that_of_the_decision(void **state)
{
    (void)state;
    for (int form = 0; form < 2 && read_recording(); form++) {
        struct world world;
        set_up(&world, (enum vn_aqi_form)form);
        bed_begin(&world.bed, &world.settings, false);
        send_all(&world);
        assert_int_equal(expect_hours(&world, (enum vn_aqi_form)form, true), 0);
        assert_true(expect_days(&world) > 170);
        bed_check_counts(&world.bed);
        bed_end(&world.bed);
    }
}

static void late_hours_bring_corrections(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    if (!read_recording()) {
        return;
    }
    for (size_t i = BEFORE; i + 20 < hour_count; i++) {
        hours[i].late = draw_below(&draws, 30) == 0 ||
                        (i > 0 && hours[i - 1].late && draw_below(&draws, 3) > 0);
    }
    struct world world;
    set_up(&world, VN_AQI_PRINTED);
    bed_begin(&world.bed, &world.settings, false);
    send_all(&world);
    size_t corrections = expect_hours(&world, VN_AQI_PRINTED, false);
    print_message("%zu corrections\n", corrections);
    assert_true(corrections > 100);
    bed_end(&world.bed);
    for (size_t i = 0; i < hour_count; i++) {
        hours[i].late = false;
    }
}

static void a_rule_judges_the_index(void **state)
{
    (void)state;
    struct world world;
    size_t changes = 0;
    bool active = false;
    if (!read_recording()) {
        return;
    }
    set_up(&world, VN_AQI_PRINTED);
    add_rule(&world, "bad-hour", AQI, 200);
    add_rule(&world, "bad-day", AQI_DAY, 200);
    bed_begin(&world.bed, &world.settings, false);
    send_all(&world);
    for (size_t i = 0, at = 0; i < hour_count; i++) {
        int index = written(&world, HOUR, "vn_aqi", hours[i].end_ns);
        if (index == VN_AQI_NONE || (index >= 200) == active) {
            continue;
        }
        active = !active;
        changes++;
        while (at < world.bed.notice_count &&
               strcmp(world.bed.notices[at].rule->id, "bad-hour") != 0) {
            at++;
        }
        assert_true(at < world.bed.notice_count);
        assert_true(world.bed.notices[at].time_ns == hours[i].end_ns);
        assert_true(world.bed.notices[at].value == index && world.bed.notices[at].tell);
        at++;
    }
    assert_true(changes > 20);
    assert_true(world.bed.notice_count > changes + 5); /* those of days */
    bed_end(&world.bed);
}

static void an_indicative_station_has_no_index(void **state)
{
    (void)state;
    struct world world;
    if (!read_recording()) {
        return;
    }
    set_up(&world, VN_AQI_PRINTED);
    world.station.indicative = true;
    add_rule(&world, "bad-hour", AQI, 1);
    bed_begin(&world.bed, &world.settings, false);
    size_t all = hour_count;
    hour_count = 300;
    send_all(&world);
    hour_count = all;
    assert_int_equal(bed_count(&world.bed, "index"), 0);
    assert_int_equal(world.bed.notice_count, 0);
    assert_true(bed_count(&world.bed, "air") > 0);
    bed_end(&world.bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_hour_is_that_of_the_decision),
        cmocka_unit_test(late_hours_bring_corrections),
        cmocka_unit_test(a_rule_judges_the_index),
        cmocka_unit_test(an_indicative_station_has_no_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
