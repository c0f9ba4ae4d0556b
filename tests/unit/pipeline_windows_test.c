/*
 * Windows through the pipeline, against a straightforward reference: every line once, numbers and
 * coverage exact, corrections where late readings come, and rules on windows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "draws.h"
#include "pipeline_bed.h"
#include "pipeline_state.h"

#define EVERY_NS (300 * SECOND_NS)
#define LATENESS (600 * SECOND_NS)
#define HEAD     "window,site=my-tho,station=s1,river=tien,parameter=level,window="
#define CORRECT  "correction,site=my-tho,station=s1,parameter=level,window="
#define KINDS    5
#define ALL      (1u << RULE_1H | 1u << RULE_8H | 1u << RULE_24H | 1u << RULE_DAY | 1u << RULE_YEAR)

static const char *const names[KINDS] = { "1h", "8h", "24h", "day", "year" };

static const struct phusa_parameter parameters[] = {
    { .name = { "level", 5 }, .minimum = -5, .maximum = 20, .resolution = 0.01 },
};
static const struct phusa_parameter missing = { .name = { "missing_reports", 15 } };

/* Each test changes its own copy. */
struct world {
    struct settings settings;
    struct station station;
    struct station_tag tags[1];
    struct rule rules[2];
    struct bed bed;
};

static void set_up(struct world *world)
{
    *world = (struct world){ .tags = { { "river", "tien" } } };
    world->station = (struct station){ .id = "s1",
                                       .site = "my-tho",
                                       .kind = "water",
                                       .name = "s1",
                                       .every_ns = EVERY_NS,
                                       .tags = world->tags,
                                       .tag_count = 1 };
    world->settings =
        (struct settings){ .file = "test",
                           .utc_offset_s = BED_UTC_S,
                           .ahead_ns = 300 * SECOND_NS,
                           .clock_wrong_ns = 400 * DAY_NS,
                           .windows = { .kinds = ALL, .coverage = 0.75, .lateness_ns = LATENESS },
                           .catalogue = { parameters, 1 },
                           .registry = { &world->station, 1 },
                           .rulebook = { world->rules, 0 } };
    for (size_t i = 0; i < MAINTENANCE_COUNT; i++) {
        world->settings.maintenance.rules[i] = (struct rule){ .id = "none", .parameter = &missing };
    }
    world->settings.maintenance.gap_ns = DAY_NS;
}

static struct rule *add_rule(struct world *world, enum rule_length length, double limit)
{
    struct rule *rule = &world->rules[world->settings.rulebook.count++];
    *rule = (struct rule){ .id = "high",
                           .kind = "water",
                           .parameter = &parameters[0],
                           .window = { true, RULE_MEAN, length, 0.75 },
                           .direction = RULE_ABOVE,
                           .levels = { { SEVERITY_MINOR, 0, limit, 0, limit, 0, 0 } },
                           .level_count = 1,
                           .max_gap_ns = DAY_NS,
                           .accept = 6 };
    return rule;
}

/* --- the reference ---------------------------------------------------------------------------- */

#define HOURS_MAX 400
#define YEARS_MAX 2

/* All readings that count, by hours of local time from `first` on (the hour that ends first). */
struct reference {
    int64_t first; /* local hours since 1970 */
    struct {
        unsigned count;
        double sum, low, high;
    } hours[HOURS_MAX];
};

struct expected {
    unsigned count;
    double mean, sum, low, high, coverage;
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

static void refer(struct reference *reference, int64_t time_ns, double value)
{
    int64_t at = hour_of(time_ns) - reference->first;
    assert_true(at >= 0 && at < HOURS_MAX);
    unsigned count = reference->hours[at].count++;
    reference->hours[at].sum += value;
    reference->hours[at].low = count == 0 ? value : fmin(value, reference->hours[at].low);
    reference->hours[at].high = count == 0 ? value : fmax(value, reference->hours[at].high);
}

/* The first local hour of the year that an hour belongs to; 00:00 belongs to the day before. */
static int64_t year_of(int64_t hour)
{
    int64_t year = 2020, day = (hour - 1) / 24;
    while (bed_days(year + 1, 1, 1) <= day) {
        year++;
    }
    return bed_days(year, 1, 1) * 24 + 1;
}

static int64_t begin_of(int kind, int64_t hour)
{
    static const int64_t lengths[] = { 1, 8, 24, 24 };
    return kind == 4 ? year_of(hour) : hour - lengths[kind] + 1;
}

/* A window is told at this hour. */
static bool is_end(int kind, int64_t hour)
{
    return kind < 3 || hour % 24 == 0;
}

static struct expected expect(const struct reference *reference, int kind, int64_t hour)
{
    struct expected found = { 0 };
    long double means = 0;
    unsigned hours = 0;
    int64_t begin = begin_of(kind, hour);
    for (int64_t at = begin; at <= hour; at++) {
        int64_t index = at - reference->first;
        unsigned count = index >= 0 && index < HOURS_MAX ? reference->hours[index].count : 0;
        if (count == 0) {
            continue;
        }
        double low = reference->hours[index].low, high = reference->hours[index].high;
        found.low = found.count == 0 ? low : fmin(low, found.low);
        found.high = found.count == 0 ? high : fmax(high, found.high);
        found.count += count;
        found.sum += reference->hours[index].sum;
        if (count >= 9) { /* 75 % of twelve */
            means += (long double)reference->hours[index].sum / count;
            hours++;
        }
    }
    bool plain = kind == 0 || kind == 4;
    found.coverage =
        (double)((long double)found.count * EVERY_NS / ((long double)(hour - begin + 1) * HOUR_NS));
    found.mean = (double)(plain ? (long double)found.sum / found.count : means / hours);
    found.enough = found.coverage >= 0.75 && (plain || hours > 0);
    return found;
}

/* A window is told when something lies in the 24 h up to it. */
static bool is_told(const struct reference *reference, int kind, int64_t hour)
{
    return is_end(kind, hour) && expect(reference, 2, hour).count > 0;
}

/* --- what was written ----------------------------------------------------------------------- */

static double written(const struct world *world, const char *what, int kind, const char *field,
                      int64_t hour)
{
    char head[256];
    (void)snprintf(head, sizeof head, "%s%s", what, names[kind]);
    return bed_number(&world->bed, head, field, end_of(hour));
}

static bool same(double a, double b)
{
    return isnan(a) ? isnan(b) : fabs(a - b) <= 1e-15 * fabs(b);
}

static void expect_line(const struct world *world, int kind, int64_t hour,
                        const struct expected *wanted)
{
    bool any = wanted->enough;
    assert_true(written(world, HEAD, kind, "count", hour) == wanted->count);
    assert_true(same(written(world, HEAD, kind, "coverage", hour), wanted->coverage));
    assert_true(same(written(world, HEAD, kind, "mean", hour), any ? wanted->mean : (double)NAN));
    assert_true(same(written(world, HEAD, kind, "sum", hour), any ? wanted->sum : (double)NAN));
    assert_true(same(written(world, HEAD, kind, "min", hour), any ? wanted->low : (double)NAN));
    assert_true(same(written(world, HEAD, kind, "max", hour), any ? wanted->high : (double)NAN));
}

/* Nothing but what is expected was written. */
static void expect_no_others(const struct world *world, size_t windows, size_t full)
{
    assert_int_equal(bed_count(&world->bed, HEAD), 2 * windows + 4 * full);
}

static void expect_all(const struct world *world, const struct reference *reference,
                       int64_t last_hour)
{
    size_t windows = 0, full = 0;
    for (int64_t hour = reference->first; hour <= last_hour; hour++) {
        for (int kind = 0; kind < KINDS; kind++) {
            struct expected wanted = expect(reference, kind, hour);
            if (is_told(reference, kind, hour)) {
                expect_line(world, kind, hour, &wanted);
                windows++;
                full += wanted.enough ? 1 : 0;
            }
        }
    }
    assert_true(windows > 0);
    expect_no_others(world, windows, full);
}

static double make_value(struct draws *draws)
{
    return (double)draw_below(draws, 80) / 4 - 4;
}

/* --- in order ------------------------------------------------------------------------------- */

/* Over local midnights and the end of a year; some hours have too little. */
static void every_window_is_told_once_and_exactly(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    for (int round = 0; round < 8; round++) {
        struct world world;
        static struct reference reference;
        int64_t begin = bed_local(2026, 12, 29, 20, 5), end = bed_local(2027, 1, 2, 3, 0);
        set_up(&world);
        bed_begin(&world.bed, &world.settings, false);
        reference = (struct reference){ .first = hour_of(begin) };
        unsigned lost = 0;
        for (int64_t time = begin; time <= end; time += EVERY_NS) {
            lost = lost > 0 ? lost - 1 : draw_below(&draws, 60) == 0 ? 12 : 0;
            bed_until(&world.bed, time + SECOND_NS);
            if (lost == 0 || draw_below(&draws, 3) == 0) {
                double value = make_value(&draws);
                bed_reading(&world.bed, "level", time, value);
                refer(&reference, time, value);
            }
        }
        bed_until(&world.bed, end + HOUR_NS);
        expect_all(&world, &reference, hour_of(end));
        assert_int_equal(bed_count(&world.bed, CORRECT), 0);
        bed_check_counts(&world.bed);
        bed_end(&world.bed);
    }
}

/* Readings that fail or are suspect, of a device in calibration, or ahead are in no window. */
static void only_valid_readings_are_in_a_window(void **state)
{
    (void)state;
    struct world world;
    static struct reference reference;
    int64_t begin = bed_local(2026, 3, 1, 8, 5);
    set_up(&world);
    world.settings.windows.coverage = 0.1;
    bed_begin(&world.bed, &world.settings, false);
    reference = (struct reference){ .first = hour_of(begin) };
    for (int i = 0; i < 12; i++) {
        int64_t time = begin + i * EVERY_NS;
        char payload[128];
        bed_until(&world.bed, time);
        (void)snprintf(payload, sizeof payload, "[{\"n\":\"level\",\"t\":%lld,\"v\":%g%s}]",
                       (long long)((time + (i == 9 ? 301 * SECOND_NS : 0)) / SECOND_NS),
                       i == 3 ? 25.0 : (double)i,
                       i == 5   ? ",\"st\":1"
                       : i == 7 ? ",\"st\":2"
                                : "");
        bed_send(&world.bed, payload);
        if (i != 3 && i != 5 && i != 7 && i != 9) {
            refer(&reference, time, i);
        }
    }
    bed_until(&world.bed, begin + 2 * HOUR_NS);
    assert_true(written(&world, HEAD, 0, "count", reference.first) == 8);
    assert_true(written(&world, HEAD, 0, "sum", reference.first) == 42);
    bed_end(&world.bed);
}

static void a_year_of_gap(void **state)
{
    (void)state;
    struct world world;
    static struct reference reference;
    set_up(&world);
    bed_begin(&world.bed, &world.settings, false);
    int64_t begin = bed_local(2026, 3, 1, 0, 5);
    for (int part = 0; part < 2; part++) {
        reference = (struct reference){ .first = hour_of(begin) };
        for (int64_t time = begin; time < begin + 30 * HOUR_NS; time += EVERY_NS) {
            bed_until(&world.bed, time);
            bed_reading(&world.bed, "level", time, part + 1);
            refer(&reference, time, part + 1);
        }
        size_t before = bed_count(&world.bed, HEAD);
        begin += 365 * DAY_NS;
        bed_until(&world.bed, begin - MINUTE_NS);
        for (int64_t hour = reference.first; hour < reference.first + 60; hour++) {
            for (int kind = 0; kind < KINDS; kind++) {
                struct expected wanted = expect(&reference, kind, hour);
                if (is_told(&reference, kind, hour)) {
                    expect_line(&world, kind, hour, &wanted);
                } else if (is_end(kind, hour)) {
                    assert_true(isnan(written(&world, HEAD, kind, "count", hour)));
                }
            }
        }
        assert_true(bed_count(&world.bed, HEAD) > before);
    }
    bed_end(&world.bed);
}

/* --- late readings -------------------------------------------------------------------------- */

#define LATE_MAX 1200

struct late {
    int64_t time_ns, arrival_ns;
    double value;
};

/* Now and then an outage whose readings come hours later, all at once or bit by bit. */
static size_t make_late(struct draws *draws, int64_t begin, int64_t end, struct late *late)
{
    size_t count = 0;
    int64_t hold = 0, resume = 0, pace = 0;
    for (int64_t time = begin; time <= end && count < LATE_MAX; time += EVERY_NS) {
        if (time >= resume && draw_below(draws, 40) == 0) {
            resume = time + (int64_t)(1 + draw_below(draws, 24)) * EVERY_NS;
            hold = resume + (int64_t)draw_below(draws, 20) * HOUR_NS;
            pace = (int64_t)draw_below(draws, 1200) * SECOND_NS;
        }
        bool held = time < resume;
        late[count++] = (struct late){ time, held ? hold : time + SECOND_NS, make_value(draws) };
        hold += held ? pace : 0;
    }
    return count;
}

static int by_arrival(const void *a, const void *b)
{
    const struct late *left = a, *right = b;
    if (left->arrival_ns != right->arrival_ns) {
        return left->arrival_ns < right->arrival_ns ? -1 : 1;
    }
    return left->time_ns < right->time_ns ? -1 : left->time_ns > right->time_ns;
}

/* What is known in the end: the line's mean, or the last of its corrections. */
static double known_mean(const struct world *world, int kind, int64_t hour, size_t *corrections)
{
    double mean = written(world, HEAD, kind, "mean", hour);
    double first = mean;
    for (unsigned round = 1; round < 256; round++) {
        char head[256];
        (void)snprintf(head, sizeof head, round > 1 ? CORRECT "%s,again=%u" : CORRECT "%s",
                       names[kind], round);
        double old = bed_number(&world->bed, head, "old", end_of(hour));
        double new = bed_number(&world->bed, head, "new", end_of(hour));
        if (isnan(new)) {
            continue;
        }
        (*corrections)++;
        /* Each goes on where the one before ended; without an old one the line came with it. */
        assert_true(isnan(old) ? new == first : old == mean);
        mean = new;
    }
    return mean;
}

static size_t run_late(struct draws *draws, enum store_kind store)
{
    struct world world;
    static struct reference reference;
    static struct late late[LATE_MAX];
    size_t corrections = 0;
    int64_t begin = bed_local(2026, 12, 29, 20, 5), end = bed_local(2027, 1, 1, 20, 0);
    set_up(&world);
    world.settings.store.kind = store;
    bed_begin(&world.bed, &world.settings, false);
    reference = (struct reference){ .first = hour_of(begin) };
    size_t count = make_late(draws, begin, end, late);
    qsort(late, count, sizeof late[0], by_arrival);
    for (size_t i = 0; i < count; i++) {
        bed_until(&world.bed, late[i].arrival_ns);
        bed_reading(&world.bed, "level", late[i].time_ns, late[i].value);
        if (hour_of(late[i].arrival_ns) - hour_of(late[i].time_ns) <= 36) {
            refer(&reference, late[i].time_ns, late[i].value);
        }
    }
    bed_until(&world.bed, late[count - 1].arrival_ns + 3 * HOUR_NS);
    for (int64_t hour = reference.first; hour <= hour_of(end); hour++) {
        for (int kind = 0; kind < KINDS; kind++) {
            struct expected wanted = expect(&reference, kind, hour);
            if (!is_told(&reference, kind, hour)) {
                continue;
            }
            if (store == STORE_VICTORIA) {
                double mean = known_mean(&world, kind, hour, &corrections);
                assert_true(same(mean, wanted.enough ? wanted.mean : (double)NAN));
            } else {
                expect_line(&world, kind, hour, &wanted);
            }
        }
    }
    bed_check_counts(&world.bed);
    bed_end(&world.bed);
    return corrections;
}

/* That nothing is written twice with another value is for the bed to see. */
static void late_readings_bring_corrections(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    size_t corrections = 0;
    for (int round = 0; round < 12; round++) {
        corrections += run_late(&draws, STORE_VICTORIA);
        (void)run_late(&draws, STORE_INFLUXDB2);
    }
    print_message("%zu corrections\n", corrections);
    assert_true(corrections > 1000);
}

/* --- rules on windows ----------------------------------------------------------------------- */

/* `count` readings of a value in the hour up to `end`, received at once at `now`. */
static void send_hour(struct world *world, int64_t end, size_t count, double value, int64_t now)
{
    bed_until(&world->bed, now);
    for (size_t i = 0; i < count; i++) {
        bed_reading(&world->bed, "level", end - (int64_t)i * EVERY_NS, value);
    }
}

static const struct notice *last_notice(const struct world *world)
{
    return &world->bed.notices[world->bed.notice_count - 1];
}

static void a_rule_judges_windows_when_they_close(void **state)
{
    (void)state;
    struct world world;
    int64_t first = bed_local(2026, 3, 1, 9, 0);
    set_up(&world);
    world.settings.windows.kinds = 0; /* the rule brings the hours about */
    add_rule(&world, RULE_1H, 5);
    bed_begin(&world.bed, &world.settings, false);
    send_hour(&world, first, 12, 6, first);
    bed_until(&world.bed, first + LATENESS - SECOND_NS);
    assert_int_equal(world.bed.notice_count, 0);
    bed_until(&world.bed, first + LATENESS);
    assert_int_equal(world.bed.notice_count, 1);
    assert_true(last_notice(&world)->tell && !last_notice(&world)->historical);
    assert_true(last_notice(&world)->time_ns == first && last_notice(&world)->value == 6);
    assert_int_equal(bed_count(&world.bed, HEAD), 6);

    send_hour(&world, first + HOUR_NS, 8, 1, first + HOUR_NS); /* too little to clear it */
    bed_until(&world.bed, first + HOUR_NS + 30 * MINUTE_NS);
    assert_int_equal(world.bed.notice_count, 1);

    /* Two hours late: recorded, not told; the next live window tells. */
    send_hour(&world, first + 2 * HOUR_NS, 12, 1, first + 4 * HOUR_NS - 5 * MINUTE_NS);
    bed_until(&world.bed, first + 4 * HOUR_NS + 9 * MINUTE_NS);
    assert_int_equal(world.bed.notice_count, 2);
    assert_true(last_notice(&world)->historical && !last_notice(&world)->tell);
    assert_true(last_notice(&world)->time_ns == first + 2 * HOUR_NS);
    send_hour(&world, first + 5 * HOUR_NS, 12, 1, first + 5 * HOUR_NS);
    bed_until(&world.bed, first + 5 * HOUR_NS + LATENESS);
    assert_int_equal(world.bed.notice_count, 3);
    assert_true(last_notice(&world)->tell && last_notice(&world)->to == SEVERITY_NORMAL);
    bed_end(&world.bed);
}

/* A window that had too little is judged when late readings give it a value, and only then. */
static void a_window_that_is_filled_late_is_judged_once(void **state)
{
    (void)state;
    struct world world;
    int64_t first = bed_local(2026, 3, 1, 9, 0);
    set_up(&world);
    add_rule(&world, RULE_1H, 5);
    bed_begin(&world.bed, &world.settings, false);
    send_hour(&world, first, 4, 6, first);
    bed_until(&world.bed, first + 2 * HOUR_NS);
    assert_int_equal(world.bed.notice_count, 0);
    send_hour(&world, first - 4 * EVERY_NS, 6, 6, first + 2 * HOUR_NS + MINUTE_NS);
    bed_until(&world.bed, first + 3 * HOUR_NS);
    assert_int_equal(world.bed.notice_count, 1);
    assert_true(last_notice(&world)->historical && last_notice(&world)->to == SEVERITY_MINOR);
    send_hour(&world, first - 10 * EVERY_NS, 2, -4, first + 3 * HOUR_NS + MINUTE_NS);
    bed_until(&world.bed, first + 5 * HOUR_NS);
    assert_int_equal(world.bed.notice_count, 1); /* a correction is no other window */
    assert_true(!isnan(bed_number(&world.bed, CORRECT "1h,again=2", "new", first)));
    bed_end(&world.bed);
}

/* --- rules with a time ---------------------------------------------------------------------- */

static void a_rule_is_in_force_from_and_until(void **state)
{
    (void)state;
    struct world world;
    int64_t from = bed_local(2026, 1, 1, 0, 0), until = bed_local(2026, 1, 2, 0, 0);
    set_up(&world);
    struct rule *rule = add_rule(&world, RULE_1H, 5);
    rule->window.given = false;
    rule->from_ns = from;
    rule->until_ns = until;
    bed_begin(&world.bed, &world.settings, false);
    for (int64_t time = from - HOUR_NS; time < from; time += EVERY_NS) {
        bed_until(&world.bed, time);
        bed_reading(&world.bed, "level", time, 6);
    }
    assert_int_equal(world.bed.notice_count, 0);
    bed_until(&world.bed, from);
    bed_reading(&world.bed, "level", from, 6);
    assert_int_equal(world.bed.notice_count, 1);
    bed_until(&world.bed, until + LATENESS - SECOND_NS); /* its last windows close then */
    assert_int_equal(world.bed.notice_count, 1);
    uint64_t before = world.bed.position;
    bed_until(&world.bed, until + LATENESS); /* no reading is needed for it */
    assert_int_equal(world.bed.notice_count, 2);
    assert_true(last_notice(&world)->tell && last_notice(&world)->to == SEVERITY_NORMAL);
    assert_true(last_notice(&world)->time_ns == until);
    assert_true(last_notice(&world)->position > before); /* or the outbox would have it already */
    bed_reading(&world.bed, "level", until, 6);
    bed_until(&world.bed, until + HOUR_NS);
    assert_int_equal(world.bed.notice_count, 2);
    bed_end(&world.bed);
}

/* A window is of the time that it covers: what ends at New Year is the old year's. */
static void a_window_is_judged_by_the_rules_of_its_time(void **state)
{
    (void)state;
    int64_t turn = bed_local(2026, 1, 1, 0, 0);
    for (int old = 0; old < 2; old++) {
        struct world world;
        set_up(&world);
        struct rule *rule = add_rule(&world, RULE_1H, 5);
        rule->from_ns = old != 0 ? INT64_MIN : turn;
        rule->until_ns = old != 0 ? turn : INT64_MAX;
        bed_begin(&world.bed, &world.settings, false);
        send_hour(&world, turn, 12, 6, turn);
        bed_until(&world.bed, turn + LATENESS);
        assert_int_equal(world.bed.notice_count, old != 0 ? 2 : 0); /* raised, and over */
        send_hour(&world, turn + HOUR_NS, 12, 6, turn + HOUR_NS);
        bed_until(&world.bed, turn + 2 * HOUR_NS);
        assert_int_equal(world.bed.notice_count, old != 0 ? 2 : 1);
        bed_end(&world.bed);
    }
}

/* --- memory --------------------------------------------------------------------------------- */

#define SERIES_BYTES 6144 /* of tests, windows and corrections together */

/* As long a flat line and an attenuated signal as the shipped limits look back on. */
static struct qc_settings all_tests(void)
{
    struct qc_settings qc = qc_none();
    qc.gross = (struct qc_gross){ true, { -5, 20 }, { -4, 19 } };
    qc.spike = (struct qc_spike){ true, QC_SPIKE_DIFFERENTIAL, 2, 4 };
    qc.rate = (struct qc_rate){ true, 0.1, 0.2 };
    qc.flat_line = (struct qc_flat_line){ true, 0.001, 64800, 86400 };
    qc.attenuated = (struct qc_attenuated){ true, QC_SPREAD_STD, 86400, 0.001, 0.0005, 0, 0 };
    return qc;
}

static size_t bytes_of(const struct series *series)
{
    assert_true(series->quality != NULL && series->windows != NULL && series->corrections != NULL);
    return sizeof *series->quality + qartod_bytes(series->fresh) + window_bytes(series->windows) +
           sizeof *series->corrections;
}

/* Two days at five minutes; one reading comes two hours late. */
static void a_series_with_all_of_it_fits_in_six_kibibytes(void **state)
{
    (void)state;
    struct world world;
    set_up(&world);
    struct station_qc tests = { &parameters[0], all_tests() };
    world.station.qc = &tests;
    world.station.qc_count = 1;
    bed_begin(&world.bed, &world.settings, false);
    int64_t begin = bed_local(2026, 3, 1, 0, 0), late = begin + 40 * HOUR_NS + 6 * EVERY_NS;
    for (int64_t i = 1; i <= 48 * 12; i++) {
        int64_t time = begin + i * EVERY_NS;
        bed_until(&world.bed, time);
        if (time != late) {
            bed_reading(&world.bed, "level", time, (double)(i % 100) / 100);
        }
        if (time == late + 2 * HOUR_NS) {
            bed_reading(&world.bed, "level", late, 0.5);
        }
    }
    const struct series *series = &state_find(world.bed.pipeline, phusa_text_of("s1"))->series[0];
    assert_true(bed_count(&world.bed, CORRECT "1h") > 0);
    assert_null(series->quality->backlog); /* it was over an hour after */
    print_message("%zu bytes\n", bytes_of(series));
    assert_in_range(bytes_of(series), 1, SERIES_BYTES);
    bed_end(&world.bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_window_is_told_once_and_exactly),
        cmocka_unit_test(only_valid_readings_are_in_a_window),
        cmocka_unit_test(a_year_of_gap),
        cmocka_unit_test(late_readings_bring_corrections),
        cmocka_unit_test(a_rule_judges_windows_when_they_close),
        cmocka_unit_test(a_window_that_is_filled_late_is_judged_once),
        cmocka_unit_test(a_rule_is_in_force_from_and_until),
        cmocka_unit_test(a_window_is_judged_by_the_rules_of_its_time),
        cmocka_unit_test(a_series_with_all_of_it_fits_in_six_kibibytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
