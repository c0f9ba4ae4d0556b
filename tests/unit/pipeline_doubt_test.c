/*
 * Readings that only the next one shows to be none: windows and indices hold, in the end, those
 * whose final flag is good, whatever closed before it was known, in whatever order they came,
 * over restarts and other settings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "draws.h"
#include "pipeline_bed.h"
#include "quality/qartod.h"
#include "quality/vn_aqi.h"

#define LATENESS_S 600
#define READINGS   400
#define HOURS_MAX  500
#define KINDS      5
#define HEAD       "window,site=my-tho,station=s1,parameter=pm25,window="
#define CORRECT    "correction,site=my-tho,station=s1,parameter=pm25,window="
#define POINT      "air,site=my-tho,station=s1"
#define ALL        (1u << RULE_1H | 1u << RULE_8H | 1u << RULE_24H | 1u << RULE_DAY | 1u << RULE_YEAR)

static const char *const names[KINDS] = { "1h", "8h", "24h", "day", "year" };

#define PARAMETER(text, most)                                                                      \
    {                                                                                              \
        .name = { (text), sizeof(text) - 1 }, .unit = { "ug/m3", 5 }, .minimum = 0,                \
        .maximum = (most), .resolution = 0.01                                                      \
    }
static const struct phusa_parameter parameters[] = {
    PARAMETER("pm25", 2000),
    PARAMETER("vn_aqi", 500),
};
static const struct phusa_parameter missing = PARAMETER("missing_reports", 1);

/* Each test changes its own copy. */
struct world {
    struct settings settings;
    struct station station;
    struct station_qc qc[1];
    struct rule rules[1];
    struct bed bed;
};

static void set_up(struct world *world, int64_t every_s)
{
    *world = (struct world){ .qc = { { &parameters[0],
                                       { .spike = { true, QC_SPIKE_DIFFERENTIAL, 100, 1e9 },
                                         .rate = { true, 1e6, 1e6 } } } } };
    world->station = (struct station){ .id = "s1",
                                       .site = "my-tho",
                                       .kind = "air",
                                       .name = "s1",
                                       .every_ns = every_s * SECOND_NS,
                                       .qc = world->qc,
                                       .qc_count = 1 };
    world->settings = (struct settings){
        .file = "test",
        .utc_offset_s = BED_UTC_S,
        .ahead_ns = 300 * SECOND_NS,
        .clock_wrong_ns = 400 * DAY_NS,
        .windows = { .kinds = ALL, .coverage = 0.75, .lateness_ns = LATENESS_S * SECOND_NS },
        .catalogue = { parameters, sizeof parameters / sizeof parameters[0] },
        .registry = { &world->station, 1 },
        .rulebook = { world->rules, 0 }
    };
    for (size_t i = 0; i < MAINTENANCE_COUNT; i++) {
        world->settings.maintenance.rules[i] = (struct rule){ .id = "none", .parameter = &missing };
    }
    world->settings.maintenance.gap_ns = DAY_NS;
}

static void add_index_rule(struct world *world, double limit)
{
    world->rules[world->settings.rulebook.count++] =
        (struct rule){ .id = "aqi",
                       .kind = "air",
                       .parameter = &parameters[1],
                       .direction = RULE_ABOVE,
                       .levels = { { SEVERITY_MINOR, 0, limit, 0, limit, 0, 0 } },
                       .level_count = 1,
                       .max_gap_ns = DAY_NS,
                       .accept = 6 };
}

/* --- the reference ---------------------------------------------------------------------------- */

struct reading {
    int64_t time_ns, arrival_ns;
    double value;
    bool valid; /* by its final flag */
};

struct story {
    int64_t every_ns;
    size_t count;
    struct reading readings[READINGS];
};

struct expected {
    unsigned count;
    double mean, sum, low, high;
    bool enough;
};

static int64_t hour_of(int64_t time_ns)
{
    return (time_ns + BED_UTC_S * SECOND_NS + HOUR_NS - 1) / HOUR_NS;
}

static int64_t end_of(int64_t hour)
{
    return hour * HOUR_NS - BED_UTC_S * SECOND_NS;
}

static int64_t begin_of(int kind, int64_t hour)
{
    static const int64_t lengths[] = { 1, 8, 24, 24 };
    return kind == 4 ? bed_days(2026, 1, 1) * 24 + 1 : hour - lengths[kind] + 1;
}

static double coverage(const struct story *story, unsigned count, int64_t hours)
{
    return (double)((long double)count * (long double)story->every_ns /
                    ((long double)hours * HOUR_NS));
}

/* One hour of the valid readings. */
static struct expected expect_hour(const struct story *story, int64_t hour)
{
    struct expected found = { .low = INFINITY, .high = -INFINITY };
    for (size_t i = 0; i < story->count; i++) {
        const struct reading *reading = &story->readings[i];
        if (reading->valid && hour_of(reading->time_ns) == hour) {
            found.count++;
            found.sum += reading->value;
            found.low = fmin(found.low, reading->value);
            found.high = fmax(found.high, reading->value);
        }
    }
    return found;
}

static struct expected expect(const struct expected *hours, int64_t first,
                              const struct story *story, int kind, int64_t hour)
{
    struct expected found = { .low = INFINITY, .high = -INFINITY };
    long double means = 0;
    unsigned with_mean = 0;
    int64_t begin = begin_of(kind, hour);
    for (int64_t at = begin > first ? begin : first; at <= hour; at++) {
        const struct expected *one = &hours[at - first];
        found.count += one->count;
        found.sum += one->sum;
        found.low = fmin(found.low, one->low);
        found.high = fmax(found.high, one->high);
        if (one->count > 0 && coverage(story, one->count, 1) >= 0.75) {
            means += (long double)one->sum / one->count;
            with_mean++;
        }
    }
    bool plain = kind == 0 || kind == 4;
    found.enough = coverage(story, found.count, hour - begin + 1) >= 0.75 &&
                   (plain ? found.count : with_mean) > 0;
    found.mean =
        (double)(plain ? (long double)found.sum / found.count : means / (long double)with_mean);
    return found;
}

/* --- what was told last ----------------------------------------------------------------------- */

static const struct bed_point *written(const struct world *world, const char *what, int kind,
                                       const char *more, const char *field, int64_t hour)
{
    char head[256];
    (void)snprintf(head, sizeof head, "%s%s%s", what, names[kind], more);
    return bed_point(&world->bed, head, field, end_of(hour));
}

/* The mean by the newest correction, else by the window's own line; NaN: there is none. */
static double told(const struct world *world, int kind, int64_t hour)
{
    for (int round = 20; round > 0; round--) {
        char again[24] = "";
        if (round > 1) {
            (void)snprintf(again, sizeof again, ",again=%d", round);
        }
        const struct bed_point *now = written(world, CORRECT, kind, again, "new", hour);
        if (now != NULL || written(world, CORRECT, kind, again, "old", hour) != NULL) {
            return now == NULL ? (double)NAN : strtod(now->value, NULL);
        }
    }
    const struct bed_point *point = written(world, HEAD, kind, "", "mean", hour);
    return point == NULL ? (double)NAN : strtod(point->value, NULL);
}

static void expect_number(const char *what, int kind, int64_t hour, double found, double wanted)
{
    bool same = isnan(wanted) ? isnan(found) : fabs(found - wanted) <= 1e-15 * fabs(wanted);
    if (!same) {
        fail_msg("%s of %s at %lld: %.17g, expected %.17g", what, names[kind],
                 (long long)end_of(hour), found, wanted);
    }
}

/* On a store that overwrites, all of it is in the line itself. */
static void expect_window(const struct world *world, const struct expected *wanted, int kind,
                          int64_t hour)
{
    static const char *const fields[] = { "count", "mean", "sum", "min", "max" };
    const double values[] = { wanted->count, wanted->mean, wanted->sum, wanted->low, wanted->high };
    expect_number("what was told", kind, hour, told(world, kind, hour),
                  wanted->enough ? wanted->mean : (double)NAN);
    for (size_t i = 0; world->settings.store.kind != STORE_VICTORIA && i < 5; i++) {
        const struct bed_point *point = written(world, HEAD, kind, "", fields[i], hour);
        assert_non_null(written(world, HEAD, kind, "", "count", hour));
        if (i == 0 || wanted->enough) {
            assert_non_null(point);
            expect_number(fields[i], kind, hour, strtod(point->value, NULL), values[i]);
        }
    }
}

/* Of all windows, told or not. The count of those that were corrected. */
static size_t expect_windows(const struct world *world, const struct story *story)
{
    static struct expected hours[HOURS_MAX];
    int64_t first = hour_of(story->readings[0].time_ns);
    int64_t last = hour_of(story->readings[story->count - 1].time_ns) + 12;
    assert_true(last - first < HOURS_MAX);
    for (int64_t hour = first; hour <= last; hour++) {
        hours[hour - first] = expect_hour(story, hour);
    }
    for (int64_t hour = first; hour <= last; hour++) {
        for (int kind = 0; kind < KINDS; kind++) {
            struct expected wanted = expect(hours, first, story, kind, hour);
            bool ends = kind < 3 || hour % 24 == 0;
            bool any = expect(hours, first, story, 2, hour).count > 0;
            if (ends && (any || written(world, HEAD, kind, "", "count", hour) != NULL)) {
                expect_window(world, &wanted, kind, hour);
            }
        }
    }
    return bed_count(&world->bed, CORRECT);
}

/* --- stories ---------------------------------------------------------------------------------- */

/* With offset 0 one at each full hour, which only the next hour shows to be a spike. */
static void make_story(struct story *story, struct draws *draws, int64_t offset_ns, uint64_t drop,
                       uint64_t late_s)
{
    int64_t time = bed_local(2026, 3, 1, 9, 0) + offset_ns;
    story->count = READINGS;
    for (size_t i = 0; i < READINGS; i++) {
        struct reading *reading = &story->readings[i];
        time += story->every_ns * (drop > 0 && draw_below(draws, drop) == 0 ? 2 : 1);
        uint64_t kind = draw_below(draws, 8);
        reading->time_ns = time;
        reading->arrival_ns = time + SECOND_NS + (int64_t)draw_below(draws, late_s) * SECOND_NS;
        reading->value = (double)draw_below(draws, 160) / 4 + (kind == 0   ? 300
                                                               : kind == 1 ? 60
                                                                           : 0);
        if (i > 0 && i + 1 < READINGS && draw_below(draws, 12) == 0) {
            reading->value = -5; /* out of the range, at once */
        }
    }
}

/* Another one takes over. */
static void restart(struct world *world)
{
    struct pipeline_sink sink = { .context = &world->bed,
                                  .lines = bed_take_lines,
                                  .notice = bed_take_notice,
                                  .set_aside = bed_take_aside };
    struct state_writer writer = { 0 };
    pipeline_save(world->bed.pipeline, &writer);
    assert_false(writer.failed);
    pipeline_free(world->bed.pipeline);
    world->bed.pipeline = pipeline_create(&world->settings, &sink);
    assert_non_null(world->bed.pipeline);
    struct state_reader reader = state_reader_of(writer.bytes, writer.used);
    assert_int_equal(pipeline_restore(world->bed.pipeline, &reader), PIPELINE_RESTORED);
    state_writer_free(&writer);
}

/* By arrival; one in `restarts` is followed by a restart, and the next by the same settings. */
static void send(struct world *world, const struct story *story, struct draws *draws,
                 uint64_t restarts)
{
    bool sent[READINGS] = { false };
    for (size_t n = 0; n < story->count; n++) {
        size_t next = story->count;
        for (size_t i = 0; i < story->count; i++) {
            bool sooner = next == story->count ||
                          story->readings[i].arrival_ns < story->readings[next].arrival_ns;
            next = !sent[i] && sooner ? i : next;
        }
        sent[next] = true;
        bed_until(&world->bed, story->readings[next].arrival_ns);
        bed_reading(&world->bed, "pm25", story->readings[next].time_ns,
                    story->readings[next].value);
        uint64_t chance = restarts > 0 ? draw_below(draws, restarts) : 2;
        if (chance == 0) {
            restart(world);
        } else if (chance == 1) {
            assert_true(
                pipeline_reconfigure(world->bed.pipeline, &world->settings, world->bed.now_ns));
        }
    }
    bed_until(&world->bed, world->bed.now_ns + 30 * HOUR_NS);
}

/* By the flags in the store: each written once. The count of readings that are not valid. */
static size_t find_valid(const struct world *world, struct story *story)
{
    size_t others = 0;
    for (size_t i = 0; i < story->count; i++) {
        const struct bed_point *flag =
            bed_point(&world->bed, POINT, "pm25_qc", story->readings[i].time_ns);
        assert_non_null(flag);
        assert_int_equal(flag->writes, 1);
        story->readings[i].valid = strtol(flag->value, NULL, 10) <= PHUSA_FLAG_NOT_EVALUATED;
        others += story->readings[i].valid ? 0 : 1;
    }
    return others;
}

/* Without gaps the flags are those of the series as a whole. */
static void expect_flags(const struct world *world, const struct story *story)
{
    static struct qartod_flags flags[READINGS];
    static int64_t times[READINGS];
    static double values[READINGS];
    for (size_t i = 0; i < story->count; i++) {
        times[i] = story->readings[i].time_ns;
        values[i] = story->readings[i].value;
    }
    qartod_batch(&world->qc[0].qc, story->every_ns, times, values, story->count, flags);
    for (size_t i = 0; i < story->count; i++) {
        bool valid = flags[i].aggregate <= PHUSA_FLAG_NOT_EVALUATED && values[i] >= 0;
        assert_int_equal(story->readings[i].valid, valid);
    }
}

struct variant {
    uint64_t drop, late_s, restarts;
    enum store_kind store;
};

static size_t run_story(struct draws *draws, int64_t every_s, int64_t offset_ns,
                        const struct variant *variant)
{
    static struct story story;
    struct world world;
    set_up(&world, every_s);
    world.settings.store.kind = variant->store;
    bed_begin(&world.bed, &world.settings, false);
    story.every_ns = world.station.every_ns;
    make_story(&story, draws, offset_ns, variant->drop, variant->late_s);
    send(&world, &story, draws, variant->restarts);
    assert_true(find_valid(&world, &story) > READINGS / 20);
    if (variant->drop == 0) {
        expect_flags(&world, &story);
    }
    size_t corrections = expect_windows(&world, &story);
    bed_check_counts(&world.bed);
    bed_end(&world.bed);
    return corrections;
}

static void run_variant(struct variant variant)
{
    static const int64_t every_s[] = { 60, 300, 600, 1800, 3600 };
    struct draws draws = draws_begin();
    for (size_t i = 0; i < sizeof every_s / sizeof every_s[0]; i++) {
        size_t corrections = 0;
        bool rare = every_s[i] < 600; /* then hardly anything is corrected, and need not be */
        for (int round = 0; round < 3 || (corrections == 0 && !rare && round < 30); round++) {
            corrections += run_story(&draws, every_s[i], round * MINUTE_NS, &variant);
        }
        printf("every %lld s: %zu corrections\n", (long long)every_s[i], corrections);
        assert_true(corrections > 0 || rare);
    }
}

static void windows_hold_the_valid_readings_in_the_end(void **state)
{
    (void)state;
    run_variant((struct variant){ 0, 1, 0, STORE_INFLUXDB2 });
    run_variant((struct variant){ 0, 1, 0, STORE_VICTORIA });
}

static void in_whatever_order_they_come(void **state)
{
    (void)state;
    run_variant((struct variant){ 0, LATENESS_S - 1, 0, STORE_INFLUXDB2 });
    run_variant((struct variant){ 6, LATENESS_S - 1, 0, STORE_INFLUXDB2 });
    run_variant((struct variant){ 6, 3 * LATENESS_S, 0, STORE_VICTORIA });
}

static void over_restarts(void **state)
{
    (void)state;
    run_variant((struct variant){ 6, LATENESS_S - 1, 8, STORE_INFLUXDB2 });
    run_variant((struct variant){ 6, 3 * LATENESS_S, 8, STORE_VICTORIA });
}

/* --- one by one ----------------------------------------------------------------------------- */

#define SPIKE_AT 30

/* Hourly dust of 20, one reading of 350. */
static int64_t send_hours(struct world *world, size_t count)
{
    int64_t time = bed_local(2026, 3, 1, 0, 0);
    for (size_t i = 0; i <= count; i++) {
        bed_until(&world->bed, time + (int64_t)i * HOUR_NS + 20 * SECOND_NS);
        bed_reading(&world->bed, "pm25", time + (int64_t)i * HOUR_NS, i == SPIKE_AT ? 350 : 20);
    }
    return time + SPIKE_AT * HOUR_NS;
}

static void a_spike_leaves_the_index(void **state)
{
    (void)state;
    static const char index[] = "index,site=my-tho,station=s1,window=1h";
    static const char corrected[] = "correction,site=my-tho,station=s1,parameter=vn_aqi,window=1h";
    struct world world;
    set_up(&world, 3600);
    add_index_rule(&world, 150);
    bed_begin(&world.bed, &world.settings, false);
    int64_t spike = send_hours(&world, SPIKE_AT + 6);
    int usual = vn_aqi_sub_index(VN_AQI_PM25, 20);
    double told_first = bed_number(&world.bed, index, "vn_aqi", spike);
    assert_true(told_first > 150); /* nobody knew then */
    assert_true(bed_number(&world.bed, corrected, "old", spike) == told_first);
    assert_true(bed_number(&world.bed, corrected, "new", spike) < usual + 1);
    for (int64_t hour = 1; hour < 6; hour++) {
        assert_true(bed_number(&world.bed, index, "vn_aqi", spike + hour * HOUR_NS) < usual + 1);
    }
    const struct bed *bed = &world.bed;
    assert_int_equal(bed->notice_count, 2); /* up, and down with the next hour */
    assert_int_equal(bed->notices[1].time_ns, spike + HOUR_NS);
    assert_int_equal(bed->notices[1].to, SEVERITY_NORMAL);
    bed_end(&world.bed);
}

static void a_window_of_a_spike_alone_loses_its_value(void **state)
{
    (void)state;
    struct world world;
    set_up(&world, 3600);
    bed_begin(&world.bed, &world.settings, false);
    int64_t spike = send_hours(&world, SPIKE_AT + 2), hour = hour_of(spike);
    assert_true(bed_number(&world.bed, HEAD "1h", "mean", spike) == 350);
    assert_true(bed_number(&world.bed, CORRECT "1h", "old", spike) == 350);
    assert_null(bed_point(&world.bed, CORRECT "1h", "new", spike));
    assert_true(isnan(told(&world, 0, hour)));
    assert_true(told(&world, 1, hour) == 20 && told(&world, 2, hour) == 20);
    bed_end(&world.bed);
}

/* A reading without its flag is given one though no test asks for it any more. */
static void tests_that_are_taken_away_leave_no_reading_without_a_flag(void **state)
{
    (void)state;
    for (int way = 0; way < 2; way++) {
        struct world world;
        set_up(&world, 3600);
        bed_begin(&world.bed, &world.settings, false);
        int64_t spike = send_hours(&world, SPIKE_AT);
        assert_null(bed_point(&world.bed, POINT, "pm25_qc", spike));
        struct world other = world;
        other.station.qc_count = 0;
        other.settings.registry.stations = &other.station;
        if (way == 0) {
            assert_true(pipeline_reconfigure(world.bed.pipeline, &other.settings, spike));
        } else {
            world.station.qc_count = 0;
            restart(&world);
        }
        bed_until(&world.bed, spike + HOUR_NS);
        assert_true(bed_number(&world.bed, POINT, "pm25_qc", spike) == PHUSA_FLAG_GOOD);
        bed_reading(&world.bed, "pm25", spike + HOUR_NS, 20);
        assert_true(bed_number(&world.bed, POINT, "pm25_qc", spike + HOUR_NS) == PHUSA_FLAG_GOOD);
        bed_until(&world.bed, spike + 2 * HOUR_NS);
        assert_true(bed_number(&world.bed, HEAD "1h", "mean", spike) == 350);
        bed_end(&world.bed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_hold_the_valid_readings_in_the_end),
        cmocka_unit_test(in_whatever_order_they_come),
        cmocka_unit_test(over_restarts),
        cmocka_unit_test(a_spike_leaves_the_index),
        cmocka_unit_test(a_window_of_a_spike_alone_loses_its_value),
        cmocka_unit_test(tests_that_are_taken_away_leave_no_reading_without_a_flag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
