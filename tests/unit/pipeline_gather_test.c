/*
 * What the pipeline gathers over readings: flags that follow when they are final, derived
 * quantities, a stuck bus, nights of a trap. Windows and indices have tests of their own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "draws.h"
#include "pipeline_bed.h"
#include "quality/qartod.h"
#include "quality/range.h"
#include "quality/seawater.h"

#define EVERY_NS (300 * SECOND_NS)
#define LATENESS (600 * SECOND_NS)
#define BEGIN_NS (INT64_C(1700000100) * SECOND_NS) /* a multiple of five minutes */
#define WATER    "water,site=my-tho,station=s1"

/* By name, as a catalogue is. */
enum {
    BPH,
    OXYGEN,
    DO_SAT,
    EC,
    EC25,
    LAMP,
    LEVEL,
    NH3,
    NH4,
    PH,
    SALINITY,
    SERVICE,
    TEMP,
    WBPH,
    PARAMETERS
};

#define PARAMETER(text, least, most)                                                               \
    {                                                                                              \
        .name = { (text), sizeof(text) - 1 }, .minimum = (least), .maximum = (most),               \
        .resolution = 0.01                                                                         \
    }
static const struct phusa_parameter parameters[PARAMETERS] = {
    [LEVEL] = PARAMETER("level", -5, 20),   [SALINITY] = PARAMETER("salinity", 0, 45),
    [TEMP] = PARAMETER("temp", -5, 60),     [EC] = PARAMETER("ec", 0, 100),
    [EC25] = PARAMETER("ec25", 0, 100),     [OXYGEN] = PARAMETER("do", 0, 30),
    [DO_SAT] = PARAMETER("do_sat", 0, 300), [NH4] = PARAMETER("nh4", 0, 100),
    [PH] = PARAMETER("ph", 0, 14),          [NH3] = PARAMETER("nh3_water", 0, 100),
    [BPH] = PARAMETER("bph", 0, 1000000),   [WBPH] = PARAMETER("wbph", 0, 1000000),
    [LAMP] = PARAMETER("lamp", 0, 1),       [SERVICE] = PARAMETER("service", 0, 1),
};

/* Each test changes its own copy. */
struct world {
    struct settings settings;
    struct station station;
    struct station_qc qc[4];
    struct derivation derivations[4];
    struct rule rules[2];
    struct bed bed;
};

static void set_up(struct world *world)
{
    static const struct phusa_parameter missing = PARAMETER("missing_reports", 0, 1);
    *world = (struct world){ 0 };
    world->station = (struct station){
        .id = "s1", .site = "my-tho", .kind = "water", .name = "s1", .every_ns = EVERY_NS
    };
    world->station.qc = world->qc;
    world->station.derivations = world->derivations;
    world->settings = (struct settings){ .file = "test",
                                         .utc_offset_s = BED_UTC_S,
                                         .ahead_ns = 300 * SECOND_NS,
                                         .clock_wrong_ns = 400 * DAY_NS,
                                         .windows = { .coverage = 0.75, .lateness_ns = LATENESS },
                                         .catalogue = { parameters, PARAMETERS },
                                         .registry = { &world->station, 1 },
                                         .rulebook = { world->rules, 0 } };
    for (size_t i = 0; i < MAINTENANCE_COUNT; i++) {
        world->settings.maintenance.rules[i].id = "none";
        world->settings.maintenance.rules[i].parameter = &missing;
    }
    world->settings.maintenance.gap_ns = DAY_NS;
}

static struct qc_settings *add_qc(struct world *world, int parameter)
{
    struct station_qc *qc = &world->qc[world->station.qc_count++];
    qc->parameter = &parameters[parameter];
    qc->qc = qc_none();
    return &qc->qc;
}

static void add_rule(struct world *world, const char *id, int parameter, double limit)
{
    world->rules[world->settings.rulebook.count++] =
        (struct rule){ .id = id,
                       .kind = world->station.kind,
                       .parameter = &parameters[parameter],
                       .direction = RULE_ABOVE,
                       .levels = { { SEVERITY_MINOR, 0, limit, 0, limit, 0, 0 } },
                       .level_count = 1,
                       .max_gap_ns = DAY_NS,
                       .accept = 1u << PHUSA_FLAG_GOOD | 1u << PHUSA_FLAG_NOT_EVALUATED };
}

static int flag_at(const struct world *world, const char *field, int64_t time_ns)
{
    const struct bed_point *point = bed_point(&world->bed, WATER, field, time_ns);
    return point == NULL ? 0 : (int)strtol(point->value, NULL, 10);
}

/* --- final flags ----------------------------------------------------------------------------- */

#define READINGS 300

struct series {
    int64_t times[READINGS];
    double values[READINGS];
    int64_t arrivals[READINGS];
    size_t count;
};

static const struct qc_settings all_tests = {
    .gross = { true, { -1, 12 }, { 0, 10 } },
    .spike = { true, QC_SPIKE_AVERAGE, 0.5, 1.5 },
    .rate = { true, 0.002, 0.006 },
    .flat_line = { true, 0.05, 1800, 3600 },
    .attenuated = { true, QC_SPREAD_STD, 7200, 0.1, 0.05, 0, 0 },
};

/* Wanders, jumps, stands still, leaves its range. */
static void make_values(struct draws *draws, struct series *series)
{
    double value = 5;
    size_t still = 0;
    for (size_t i = 0; i < series->count; i++) {
        uint64_t chance = draw_below(draws, 20);
        still = still > 0 ? still - 1 : chance == 0 ? draw_below(draws, 30) : 0;
        value += still > 0 ? 0 : (double)draw_below(draws, 100) / 100 - 0.5;
        value = value < -2 ? 0 : value > 13 ? 10 : value;
        series->values[i] = value + (chance == 1 ? 2 : chance == 2 ? -9 : 0);
    }
}

/* A day and an hour, without every reading where `drop` says so, received `late` later. */
static void make_series(struct draws *draws, struct series *series, uint64_t drop, uint64_t late_s)
{
    int64_t time = BEGIN_NS;
    series->count = READINGS;
    for (size_t i = 0; i < READINGS; i++) {
        time += EVERY_NS * (drop > 0 && draw_below(draws, drop) == 0 ? 2 : 1);
        series->times[i] = time;
        series->arrivals[i] = time + SECOND_NS + (int64_t)draw_below(draws, late_s) * SECOND_NS;
    }
    make_values(draws, series);
}

/* The reading before an outage: its next one came too late for the spike test. */
static int without_spike(const struct qartod_flags *flags)
{
    int worst = flags->gross > flags->rate ? flags->gross : flags->rate;
    return flags->flat_line > worst ? flags->flat_line : worst;
}

/* outage: index of the reading before it, or READINGS. */
static void expect_flags(const struct world *world, const struct qc_settings *qc,
                         const struct series *series, size_t outage)
{
    static struct qartod_flags flags[READINGS];
    qartod_batch(qc, EVERY_NS, series->times, series->values, series->count, flags);
    for (size_t i = 0; i < series->count; i++) {
        int range =
            (int)quality_flag(&parameters[LEVEL], series->values[i], PHUSA_DEVICE_MEASURING, false);
        int found = i == outage ? without_spike(&flags[i]) : flags[i].aggregate;
        int wanted = found > range ? found : range;
        const struct bed_point *value = bed_point(&world->bed, WATER, "level", series->times[i]);
        const struct bed_point *flag = bed_point(&world->bed, WATER, "level_qc", series->times[i]);
        assert_true(value != NULL && flag != NULL);
        assert_int_equal(value->writes, 1);
        assert_int_equal(flag->writes, 1);
        if (strtol(flag->value, NULL, 10) != wanted) {
            fail_msg("reading %zu (%g): %s, expected %d", i, series->values[i], flag->value,
                     wanted);
        }
    }
}

static void send_by_arrival(struct world *world, const struct series *series)
{
    bool sent[READINGS] = { false };
    for (size_t n = 0; n < series->count; n++) {
        size_t next = READINGS;
        for (size_t i = 0; i < series->count; i++) {
            bool sooner = next == READINGS || series->arrivals[i] < series->arrivals[next];
            next = !sent[i] && sooner ? i : next;
        }
        sent[next] = true;
        bed_until(&world->bed, series->arrivals[next]);
        bed_reading(&world->bed, "level", series->times[next], series->values[next]);
    }
    bed_until(&world->bed, world->bed.now_ns + 2 * HOUR_NS);
    bed_check_counts(&world->bed);
}

static void run_series(struct draws *draws, uint64_t drop, uint64_t late_s)
{
    for (int round = 0; round < 20; round++) {
        struct world world;
        struct series series;
        set_up(&world);
        *add_qc(&world, LEVEL) = all_tests;
        bed_begin(&world.bed, &world.settings, false);
        make_series(draws, &series, drop, late_s);
        send_by_arrival(&world, &series);
        expect_flags(&world, &all_tests, &series, READINGS);
        bed_end(&world.bed);
    }
}

static void flags_are_those_of_the_whole_series(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    run_series(&draws, 0, 1);   /* in order */
    run_series(&draws, 15, 1);  /* in order, with readings that never come */
    run_series(&draws, 0, 599); /* shuffled within the lateness */
}

/* A backlog behind fresh readings is a series of its own, and so is what is fresh. */
static void a_backlog_is_judged_in_its_own_order(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    for (int round = 0; round < 20; round++) {
        struct world world;
        struct series whole, fresh = { 0 }, backlog = { 0 };
        set_up(&world);
        *add_qc(&world, LEVEL) = all_tests;
        bed_begin(&world.bed, &world.settings, false);
        make_series(&draws, &whole, 0, 1);
        size_t from = 50 + draw_below(&draws, 100), to = from + 10 + draw_below(&draws, 60);
        int64_t arrival = whole.times[to] + HOUR_NS;
        for (size_t i = 0; i < whole.count; i++) {
            bool late = i >= from && i < to;
            struct series *part = late ? &backlog : &fresh;
            whole.arrivals[i] = late ? arrival : whole.arrivals[i];
            arrival += late ? 20 * SECOND_NS : 0;
            part->times[part->count] = whole.times[i];
            part->values[part->count++] = whole.values[i];
        }
        send_by_arrival(&world, &whole);
        expect_flags(&world, &all_tests, &fresh, from - 1);
        expect_flags(&world, &all_tests, &backlog, READINGS);
        bed_end(&world.bed);
    }
}

static void expect_now(struct world *world, const char *payload, int64_t time_ns, int flag)
{
    bed_send(&world->bed, payload);
    assert_int_equal(flag_at(world, "level_qc", time_ns), flag);
}

static void what_takes_no_part_is_flagged_at_once(void **state)
{
    (void)state;
    struct world world;
    char payload[256];
    set_up(&world);
    *add_qc(&world, LEVEL) = all_tests;
    bed_begin(&world.bed, &world.settings, false);
    static const struct {
        const char *more;
        int64_t after_ns;
        double value;
        int flag;
    } cases[] = {
        { "", 0, 5, 0 }, /* its flag follows */
        { ",\"st\":1", 0, 5, PHUSA_FLAG_SUSPECT },
        { ",\"st\":2", 0, 5, PHUSA_FLAG_FAIL },
        { "", 400 * SECOND_NS, 5, PHUSA_FLAG_SUSPECT }, /* ahead of its receive time */
        { "", 400 * SECOND_NS, 50, PHUSA_FLAG_FAIL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t time = BEGIN_NS + (int64_t)i * 2 * HOUR_NS;
        bed_until(&world.bed, time);
        time += cases[i].after_ns;
        (void)snprintf(payload, sizeof payload, "[{\"n\":\"level\",\"t\":%lld,\"v\":%g%s}]",
                       (long long)(time / SECOND_NS), cases[i].value, cases[i].more);
        expect_now(&world, payload, time, cases[i].flag);
    }
    bed_until(&world.bed, world.bed.now_ns + 2 * HOUR_NS);
    assert_int_equal(flag_at(&world, "level_qc", BEGIN_NS), PHUSA_FLAG_GOOD);
    bed_end(&world.bed);
}

static void a_single_payload_has_its_flags_at_once(void **state)
{
    static const struct {
        int back_s;
        double value;
        enum phusa_flag flag;
    } cases[] = {
        { 0, 5, PHUSA_FLAG_GOOD },     { 100, 50, PHUSA_FLAG_FAIL }, /* no level of the catalogue */
        { 1, 9, PHUSA_FLAG_GOOD },                                   /* a jump */
        { 2, 11, PHUSA_FLAG_SUSPECT }, /* by its gross limits, as the next one */
        { 3, 15, PHUSA_FLAG_FAIL },
    };
    (void)state;
    struct world world;
    set_up(&world);
    *add_qc(&world, LEVEL) = all_tests;
    world.settings.windows.kinds = 1u << RULE_1H;
    bed_begin(&world.bed, &world.settings, true);
    world.bed.now_ns = BEGIN_NS;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t time_ns = BEGIN_NS - cases[i].back_s * SECOND_NS;
        bed_reading(&world.bed, "level", time_ns, cases[i].value);
        assert_int_equal(flag_at(&world, "level_qc", time_ns), cases[i].flag);
    }
    bed_end(&world.bed);
}

/* Many readings in it, all alike, are no flat line and no stuck bus: that takes others to say. */
static void a_single_payload_has_no_past(void **state)
{
    (void)state;
    struct world world;
    set_up(&world);
    *add_qc(&world, LEVEL) = all_tests;
    world.station.stuck_ns = 600 * SECOND_NS;
    bed_begin(&world.bed, &world.settings, true);
    world.bed.now_ns = BEGIN_NS;
    bed_send(&world.bed,
             "[{\"bn\":\"level\",\"bt\":1700000100,\"bv\":5,\"v\":0},{\"t\":-900,\"v\":0},"
             "{\"t\":-7200,\"v\":0},{\"t\":-86400,\"v\":0}]");
    assert_int_equal(flag_at(&world, "level_qc", BEGIN_NS), PHUSA_FLAG_GOOD);
    assert_int_equal(flag_at(&world, "level_qc", BEGIN_NS - 900 * SECOND_NS), PHUSA_FLAG_GOOD);
    assert_int_equal(flag_at(&world, "level_qc", BEGIN_NS - 86400 * SECOND_NS), PHUSA_FLAG_GOOD);
    bed_end(&world.bed);
}

/* Flags of one moment stand in one line, or in several whole ones when they are many. */
static void flags_that_fill_a_line_go_on_in_another(void **state)
{
    (void)state;
    enum { MANY = 60 };
    static struct phusa_parameter many[MANY];
    static struct station_qc qc[MANY];
    static char names[MANY][32], tag[700];
    struct station_tag tags[] = { { "river", tag } };
    struct world world;
    char payload[2048], head[1024], field[2048];
    set_up(&world);
    memset(tag, 't', sizeof tag - 1);
    for (size_t i = 0; i < MANY; i++) {
        (void)snprintf(names[i], sizeof names[i], "parameter_with_long_name_%02zu", i);
        many[i] = (struct phusa_parameter){
            .name = phusa_text_of(names[i]), .minimum = 0, .maximum = 10, .resolution = 1
        };
        qc[i] = (struct station_qc){ &many[i], all_tests };
    }
    world.settings.catalogue = (struct phusa_catalogue){ many, MANY };
    world.station.qc = qc;
    world.station.qc_count = MANY;
    world.station.tags = tags;
    world.station.tag_count = 1;
    bed_begin(&world.bed, &world.settings, false);
    world.bed.now_ns = BEGIN_NS;
    for (size_t i = 0; i < MANY; i++) {
        (void)snprintf(payload, sizeof payload, "[{\"n\":\"%s\",\"t\":1700000100,\"v\":5}]",
                       names[i]);
        bed_send(&world.bed, payload);
    }
    bed_until(&world.bed, BEGIN_NS + 2 * HOUR_NS);
    (void)snprintf(head, sizeof head, "%s,river=%s", WATER, tag);
    for (size_t i = 0; i < MANY; i++) {
        (void)snprintf(field, sizeof field, "%s_qc", names[i]);
        assert_non_null(bed_point(&world.bed, head, field, BEGIN_NS));
    }
    assert_int_equal(world.bed.point_count, 2 * MANY);
    bed_end(&world.bed);
}

/* --- derived quantities -------------------------------------------------------------------- */

static void derive_all(struct world *world)
{
    const struct derivation all[] = {
        { .kind = DERIVE_SALINITY, .parameter = &parameters[SALINITY], .from = &parameters[EC] },
        { .kind = DERIVE_EC25,
          .parameter = &parameters[EC25],
          .from = &parameters[EC],
          .per_kelvin = SEAWATER_EC25_PER_KELVIN },
        { .kind = DERIVE_DO_SAT,
          .parameter = &parameters[DO_SAT],
          .from = &parameters[OXYGEN],
          .salinity = 0,
          .pressure_atm = 1 },
        { .kind = DERIVE_NH3, .parameter = &parameters[NH3], .from = &parameters[NH4] },
    };
    memcpy(world->derivations, all, sizeof all);
    world->station.derivation_count = 4;
}

static void send_at(struct world *world, int64_t time_ns, const char *records)
{
    char payload[512];
    bed_until(&world->bed, time_ns);
    (void)snprintf(payload, sizeof payload, "[{\"bn\":\"s1:\",\"bt\":%lld,%s]",
                   (long long)(time_ns / SECOND_NS), records);
    bed_send(&world->bed, payload);
}

static double at_time(const struct world *world, const char *field, int64_t time_ns)
{
    return bed_number(&world->bed, WATER, field, time_ns);
}

static const char everything[] =
    "\"n\":\"ec\",\"v\":20},{\"n\":\"temp\",\"v\":28},{\"n\":\"do\",\"v\":6.5},"
    "{\"n\":\"nh4\",\"v\":1.5},{\"n\":\"ph\",\"v\":8.1}";

static void what_is_derived_stands_in_the_same_line(void **state)
{
    (void)state;
    struct world world;
    struct pipeline_counters counters;
    double salinity, ec25, do_sat, nh3;
    set_up(&world);
    derive_all(&world);
    bed_begin(&world.bed, &world.settings, false);
    send_at(&world, BEGIN_NS, everything);
    assert_int_equal(seawater_salinity(20, 28, 0, SEAWATER_PSS78_HILL, &salinity), SEAWATER_GOOD);
    assert_int_equal(seawater_ec25(20, 28, SEAWATER_EC25_PER_KELVIN, &ec25), SEAWATER_GOOD);
    assert_int_equal(seawater_do_percent(6.5, 28, salinity, 1, &do_sat), SEAWATER_GOOD);
    assert_int_equal(seawater_nh3(1.5, 8.1, 28, &nh3), SEAWATER_GOOD);
    assert_true(at_time(&world, "salinity", BEGIN_NS) == salinity);
    assert_true(at_time(&world, "ec25", BEGIN_NS) == ec25);
    assert_true(at_time(&world, "do_sat", BEGIN_NS) == do_sat);
    assert_true(at_time(&world, "nh3_water", BEGIN_NS) == nh3);
    static const char *const fields[] = { "ec=",    ",temp=",   ",salinity=",
                                          ",ec25=", ",do_sat=", ",nh3_water=" };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        assert_non_null(strstr(world.bed.last, fields[i]));
    }
    send_at(&world, BEGIN_NS, everything); /* all of it again */
    pipeline_read_counters(world.bed.pipeline, &counters);
    assert_int_equal(counters.received, 10);
    assert_int_equal(counters.accepted, 5);
    assert_int_equal(counters.duplicates, 5);
    bed_check_counts(&world.bed);
    bed_end(&world.bed);
}

static void salinity_comes_from_ec25_too(void **state)
{
    (void)state;
    struct world world;
    double pure, hill;
    set_up(&world);
    derive_all(&world);
    world.derivations[0].from = &parameters[EC25];
    world.derivations[0].pure = true;
    world.station.derivation_count = 1;
    bed_begin(&world.bed, &world.settings, false);
    send_at(&world, BEGIN_NS, "\"n\":\"ec25\",\"v\":1.5},{\"n\":\"temp\",\"v\":30}");
    (void)seawater_salinity(1.5, 25, 0, SEAWATER_PSS78, &pure);
    (void)seawater_salinity(1.5, 25, 0, SEAWATER_PSS78_HILL, &hill);
    assert_true(pure != hill);
    assert_true(at_time(&world, "salinity", BEGIN_NS) == pure);
    bed_end(&world.bed);
}

static void what_was_measured_goes_before(void **state)
{
    (void)state;
    struct world world;
    double do_sat;
    set_up(&world);
    derive_all(&world);
    bed_begin(&world.bed, &world.settings, false);
    send_at(&world, BEGIN_NS,
            "\"n\":\"ec\",\"v\":20},{\"n\":\"temp\",\"v\":28},{\"n\":\"salinity\",\"v\":3},"
            "{\"n\":\"do\",\"v\":6.5}");
    (void)seawater_do_percent(6.5, 28, 3, 1, &do_sat);
    assert_true(at_time(&world, "salinity", BEGIN_NS) == 3);
    assert_true(at_time(&world, "do_sat", BEGIN_NS) == do_sat);
    send_at(&world, BEGIN_NS + EVERY_NS, "\"n\":\"ec\",\"v\":20}"); /* without a temperature */
    assert_true(isnan(at_time(&world, "salinity", BEGIN_NS + EVERY_NS)));
    assert_int_equal(world.bed.aside, 0);
    bed_check_counts(&world.bed);
    bed_end(&world.bed);
}

/* Whatever tests the result has itself. */
static void what_is_made_of_suspect_readings_is_suspect(void **state)
{
    (void)state;
    static const struct {
        const char *records;
        int flag;
        bool alarm;
    } cases[] = {
        { "\"n\":\"ec\",\"v\":20},{\"n\":\"temp\",\"v\":28}", 1, true },
        { "\"n\":\"ec\",\"v\":70},{\"n\":\"temp\",\"v\":28}", 3, false }, /* gross: suspect */
        { "\"n\":\"ec\",\"v\":20},{\"n\":\"temp\",\"v\":28,\"st\":1}", 3, false },
        { "\"n\":\"ec\",\"v\":20},{\"n\":\"temp\",\"v\":45}", 3, false }, /* beyond the formula */
    };
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        struct world world;
        set_up(&world);
        derive_all(&world);
        struct qc_settings *qc = add_qc(&world, EC);
        qc->gross = (struct qc_gross){ true, { 0, 100 }, { 0, 60 } };
        if (i % 2 == 0) {
            qc = add_qc(&world, SALINITY);
            qc->spike = (struct qc_spike){ true, QC_SPIKE_AVERAGE, 10, 20 };
        }
        add_rule(&world, "salt", SALINITY, 1);
        bed_begin(&world.bed, &world.settings, false);
        send_at(&world, BEGIN_NS, cases[i / 2].records);
        send_at(&world, BEGIN_NS + EVERY_NS, cases[i / 2].records);
        bed_until(&world.bed, BEGIN_NS + HOUR_NS);
        assert_int_equal(flag_at(&world, "salinity_qc", BEGIN_NS), cases[i / 2].flag);
        assert_int_equal(world.bed.notice_count, cases[i / 2].alarm ? 1 : 0);
        bed_end(&world.bed);
    }
}

/* --- a stuck bus ------------------------------------------------------------------------------ */

/* Frozen for four hours at a value that is an alarm after three. */
static void run_frozen(struct world *world, int64_t stuck_ns)
{
    const struct qc_flat_line days = { true, 0.001, 20 * 86400.0, 25 * 86400.0 };
    set_up(world);
    derive_all(world);
    world->station.derivation_count = 1;
    world->station.stuck_ns = stuck_ns;
    add_qc(world, EC)->flat_line = days;
    add_qc(world, TEMP)->flat_line = days;
    add_rule(world, "salt", SALINITY, 1);
    add_rule(world, "warm", TEMP, 20);
    for (size_t i = 0; i < 2; i++) {
        world->rules[i].levels[0].for_ns = 3 * HOUR_NS;
        world->rules[i].max_gap_ns = HOUR_NS;
    }
    bed_begin(&world->bed, &world->settings, false);
    for (int i = 0; i < 60; i++) {
        char records[128];
        (void)snprintf(records, sizeof records, "\"n\":\"ec\",\"v\":%g},{\"n\":\"temp\",\"v\":28}",
                       i < 50 ? 20.0 : 20 + (double)i / 100);
        send_at(world, BEGIN_NS + i * EVERY_NS, records);
    }
    bed_until(&world->bed, world->bed.now_ns + HOUR_NS);
}

static void a_stuck_bus_is_suspect_and_raises_no_alarm(void **state)
{
    (void)state;
    struct world world;
    run_frozen(&world, 0);
    assert_int_equal(world.bed.notice_count, 2); /* nobody looks at the bus */
    bed_end(&world.bed);
    run_frozen(&world, 2 * HOUR_NS);
    assert_int_equal(world.bed.notice_count, 0);
    for (int i = 0; i < 60; i++) {
        int64_t time = BEGIN_NS + i * EVERY_NS;
        int wanted = i >= 24 && i < 50 ? PHUSA_FLAG_SUSPECT : PHUSA_FLAG_GOOD;
        assert_int_equal(flag_at(&world, "salinity_qc", time), wanted);
        /* What was not final when it was found, is suspect, too. */
        assert_int_equal(flag_at(&world, "temp_qc", time), wanted);
    }
    bed_end(&world.bed);
}

/* --- odd readings --------------------------------------------------------------------------- */

static void negative_and_conflicting_readings_are_kept_and_flagged(void **state)
{
    (void)state;
    struct world world;
    struct pipeline_counters counters;
    set_up(&world);
    add_qc(&world, NH4)->spike = (struct qc_spike){ true, QC_SPIKE_AVERAGE, 10, 20 };
    bed_begin(&world.bed, &world.settings, false);
    send_at(&world, BEGIN_NS, "\"n\":\"nh4\",\"v\":-0.25}");
    send_at(&world, BEGIN_NS + EVERY_NS, "\"n\":\"nh4\",\"v\":0.5}");
    bed_reading(&world.bed, "nh4", BEGIN_NS, -0.5);  /* another value for that time */
    bed_reading(&world.bed, "nh4", BEGIN_NS, -0.25); /* the same */
    send_at(&world, BEGIN_NS + 2 * EVERY_NS, "\"n\":\"nh4\",\"v\":1},{\"n\":\"nh4\",\"v\":2}");
    bed_until(&world.bed, BEGIN_NS + HOUR_NS);
    assert_true(at_time(&world, "nh4", BEGIN_NS) == -0.25);
    assert_int_equal(flag_at(&world, "nh4_qc", BEGIN_NS), PHUSA_FLAG_FAIL);
    assert_int_equal(flag_at(&world, "nh4_qc", BEGIN_NS + EVERY_NS), PHUSA_FLAG_GOOD);
    assert_true(at_time(&world, "nh4", BEGIN_NS + 2 * EVERY_NS) == 1);
    pipeline_read_counters(world.bed.pipeline, &counters);
    assert_int_equal(counters.duplicates, 1);
    assert_int_equal(counters.quarantined, 2);
    bed_check_counts(&world.bed);
    bed_end(&world.bed);
}

static void what_is_no_number_is_set_aside(void **state)
{
    (void)state;
    struct world world;
    set_up(&world);
    *add_qc(&world, LEVEL) = all_tests;
    bed_begin(&world.bed, &world.settings, false);
    world.bed.now_ns = BEGIN_NS;
    for (int i = 0; i < 3; i++) {
        static const double values[] = { NAN, INFINITY, -INFINITY };
        struct pipeline_sample sample = { .station = { "s1", 2 },
                                          .parameter = { "level", 5 },
                                          .value = values[i],
                                          .time_ns = BEGIN_NS,
                                          .received_ns = BEGIN_NS };
        assert_int_equal(pipeline_take_samples(world.bed.pipeline, &sample, 1), PHUSA_REASON_VALUE);
    }
    bed_send(&world.bed, "[{\"n\":\"level\",\"t\":1700000100,\"v\":1e999}]");
    bed_until(&world.bed, BEGIN_NS + HOUR_NS);
    assert_int_equal(world.bed.point_count, 0);
    bed_end(&world.bed);
}

/* --- traps ----------------------------------------------------------------------------------- */

#define NIGHT "window,site=my-tho,station=s1,parameter=bph,window=night"

static void set_up_trap(struct world *world, bool cumulative)
{
    static const struct phusa_parameter *const species[] = { &parameters[BPH], &parameters[WBPH] };
    set_up(world);
    world->station.kind = "trap";
    world->station.every_ns = HOUR_NS;
    world->station.trap = (struct station_trap){ .given = true,
                                                 .cumulative = cumulative,
                                                 .hold_ns = 2 * HOUR_NS,
                                                 .species = species,
                                                 .species_count = 2,
                                                 .lamp = &parameters[LAMP],
                                                 .service = &parameters[SERVICE] };
    add_rule(world, "hoppers", BPH, 20);
    world->rules[0].window = (struct rule_window){ true, RULE_SUM, RULE_NIGHT, 0.5 };
}

/* Hourly from 13:00 to 12:00 of the night that ends on a day of March; a lamp that burns does so
 * from 18:00 to 06:00. -1: no lamp is reported, and without counts nothing at all. */
static void pass_night(struct world *world, int day, const double *counts, int lamp)
{
    char records[128];
    int64_t end = bed_local(2026, 3, day, 12, 0);
    for (int hour = 1; hour <= 24; hour++) {
        int64_t time = end - DAY_NS + hour * HOUR_NS;
        int used = 0;
        if (lamp >= 0) {
            used = snprintf(records, sizeof records, "\"n\":\"lamp\",\"v\":%d}",
                            hour >= 6 && hour < 18 ? lamp : 0);
        }
        if (counts != NULL) {
            (void)snprintf(records + used, sizeof records - (size_t)used,
                           "%s\"n\":\"bph\",\"v\":%g}", used > 0 ? ",{" : "", counts[hour - 1]);
        }
        if (lamp >= 0 || counts != NULL) {
            send_at(world, time, records);
        }
    }
    bed_until(&world->bed, end + LATENESS + MINUTE_NS);
}

static void expect_night(const struct world *world, int day, double sum, int outcome,
                         double lamp_minutes)
{
    int64_t end = bed_local(2026, 3, day, 12, 0);
    double found = bed_number(&world->bed, NIGHT, "sum", end);
    const struct bed_point *told = bed_point(&world->bed, NIGHT, "outcome", end);
    assert_true(isnan(sum) ? isnan(found) : found == sum);
    assert_non_null(told);
    assert_int_equal(strtol(told->value, NULL, 10), outcome);
    assert_int_equal(told->writes, 1);
    assert_true(bed_number(&world->bed, NIGHT, "lamp_minutes", end) == lamp_minutes);
}

static void nights_of_an_interval_counter(void **state)
{
    (void)state;
    static const double caught[24] = { [5] = 3, [9] = 10, [20] = 8 }, none[24] = { 0 };
    struct world world;
    set_up_trap(&world, false);
    bed_begin(&world.bed, &world.settings, false);
    world.bed.now_ns = bed_local(2026, 3, 1, 12, 11);
    pass_night(&world, 2, caught, 1);
    assert_int_equal(world.bed.notice_count, 1); /* 21 in a night */
    assert_true(world.bed.notices[0].tell && world.bed.notices[0].to == SEVERITY_MINOR);
    assert_true(world.bed.notices[0].time_ns == bed_local(2026, 3, 2, 12, 0));
    pass_night(&world, 3, none, 1); /* nothing was caught, and that is a finding */
    assert_int_equal(world.bed.notice_count, 2);
    pass_night(&world, 4, NULL, 0);  /* the lamp was off */
    pass_night(&world, 5, NULL, -1); /* nothing is known */
    expect_night(&world, 2, 21, 0, 720);
    expect_night(&world, 3, 0, 0, 720);
    expect_night(&world, 4, NAN, 1, 0);
    expect_night(&world, 5, NAN, 2, 0);
    assert_int_equal(world.bed.notice_count, 2);
    const char *other = "window,site=my-tho,station=s1,parameter=wbph,window=night";
    assert_true(bed_number(&world.bed, other, "outcome", bed_local(2026, 3, 4, 12, 0)) == 1);
    bed_check_counts(&world.bed);
    bed_end(&world.bed);
}

/* What a total that jumps back means is configured; after a service event it began at zero. */
static void run_totals(bool corrects)
{
    struct world world;
    double totals[24];
    int64_t end = bed_local(2026, 3, 3, 12, 0);
    set_up_trap(&world, true);
    world.station.trap.drop_corrects = corrects;
    bed_begin(&world.bed, &world.settings, false);
    world.bed.now_ns = bed_local(2026, 3, 1, 12, 11);
    for (int i = 0; i < 24; i++) {
        totals[i] = 100 + i; /* the first is a base line */
    }
    pass_night(&world, 2, totals, 1);
    for (int i = 0; i < 24; i++) {
        totals[i] = i < 12 ? 123 : 4; /* jumps back to 4 */
    }
    pass_night(&world, 3, totals, 1);
    send_at(&world, end + 30 * MINUTE_NS, "\"n\":\"service\",\"v\":1}");
    for (int i = 0; i < 24; i++) {
        totals[i] = 2;
    }
    pass_night(&world, 4, totals, 1);
    expect_night(&world, 2, 23, 0, 720);
    expect_night(&world, 3, corrects ? 0 : 4, 0, 720);
    expect_night(&world, 4, 2, 0, 720);
    assert_true(bed_number(&world.bed, NIGHT, "resets", end) == 1);
    assert_true(bed_number(&world.bed, NIGHT, "services", end) == 0);
    assert_true(bed_number(&world.bed, NIGHT, "services", end + DAY_NS) == 1);
    assert_int_equal(world.bed.notice_count, 2); /* 23 of the first night, and normal again */
    bed_end(&world.bed);
}

static void nights_of_a_running_total(void **state)
{
    (void)state;
    run_totals(false);
    run_totals(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_are_those_of_the_whole_series),
        cmocka_unit_test(a_backlog_is_judged_in_its_own_order),
        cmocka_unit_test(what_takes_no_part_is_flagged_at_once),
        cmocka_unit_test(a_single_payload_has_its_flags_at_once),
        cmocka_unit_test(a_single_payload_has_no_past),
        cmocka_unit_test(flags_that_fill_a_line_go_on_in_another),
        cmocka_unit_test(what_is_derived_stands_in_the_same_line),
        cmocka_unit_test(salinity_comes_from_ec25_too),
        cmocka_unit_test(what_was_measured_goes_before),
        cmocka_unit_test(what_is_made_of_suspect_readings_is_suspect),
        cmocka_unit_test(a_stuck_bus_is_suspect_and_raises_no_alarm),
        cmocka_unit_test(negative_and_conflicting_readings_are_kept_and_flagged),
        cmocka_unit_test(what_is_no_number_is_set_aside),
        cmocka_unit_test(nights_of_an_interval_counter),
        cmocka_unit_test(nights_of_a_running_total),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
