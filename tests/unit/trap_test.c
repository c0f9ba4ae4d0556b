/* Nights of a light trap against cases worked by hand and a recording. */
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
#include "quality/trap.h"
#include "shared_data.h"

#define S          INT64_C(1000000000)
#define MINUTE     (60 * S)
#define HOUR       (60 * MINUTE)
#define DAY        (24 * HOUR)
#define NIGHTS_MAX 1000

struct world {
    struct trap_settings settings;
    struct trap trap;
    struct trap_night nights[NIGHTS_MAX];
    size_t count;
};

static void keep(void *context, const struct trap_night *night)
{
    struct world *world = context;
    assert_true(world->count < NIGHTS_MAX);
    world->nights[world->count++] = *night;
}

static void begin(struct world *world, enum trap_counter counter, enum trap_drop drop)
{
    memset(world, 0, sizeof *world);
    world->settings = (struct trap_settings){ .counter = counter,
                                              .drop = drop,
                                              .limit = 1000,
                                              .every_ns = HOUR,
                                              .hold_ns = 2 * HOUR,
                                              .lateness_ns = 10 * MINUTE,
                                              .utc_offset_s = 7 * 3600 };
}

/* Hours of local time since 2026-03-01 00:00 in UTC+7. */
static int64_t hours(double local)
{
    return INT64_C(1772298000) * S + (int64_t)(local * 3600) * S;
}

static bool give(struct world *world, double local, enum trap_what what, double value)
{
    struct trap_event event = { hours(local), value, what };
    bool taken = trap_add(&world->trap, &world->settings, &event, keep, world);
    trap_advance(&world->trap, &world->settings, event.time_ns, keep, world);
    return taken;
}

static void pass(struct world *world, double local)
{
    trap_advance(&world->trap, &world->settings, hours(local), keep, world);
}

/* A night of a trap that reports only in the dark, each half hour. */
static void report_the_dark(struct world *world, double evening, double lamp)
{
    for (double local = evening; local <= evening + 12; local += 0.5) {
        assert_true(give(world, local, TRAP_LAMP, lamp));
        assert_true(give(world, local, TRAP_COUNT, 0));
    }
    pass(world, evening + 18.5);
}

static void a_lamp_that_is_off_all_the_dark_is_no_finding(void **state)
{
    (void)state;
    static struct world world;
    begin(&world, TRAP_INTERVAL, TRAP_DROP_RESTARTS);
    report_the_dark(&world, 18, 0);
    report_the_dark(&world, 42, 1);
    assert_int_equal(world.count, 2);
    assert_true(world.nights[0].outcome == TRAP_OFF && isnan(world.nights[0].count));
    assert_true(world.nights[1].outcome == TRAP_COUNTED && world.nights[1].count == 0);
}

/* Once a night, as minutes since the last report. */
static void minutes_of_the_lamp_say_the_same(void **state)
{
    (void)state;
    static struct world world;
    static const double minutes[] = { 600, 0, 9999 };
    begin(&world, TRAP_INTERVAL, TRAP_DROP_RESTARTS);
    world.settings.every_ns = 24 * HOUR;
    for (int night = 0; night < 3; night++) {
        assert_true(give(&world, 30 + 24 * night, TRAP_COUNT, 0));
        assert_true(give(&world, 30 + 24 * night, TRAP_LAMP_MINUTES, minutes[night]));
        assert_true(give(&world, 30 + 24 * night, TRAP_GATE_MINUTES, 45));
    }
    assert_false(give(&world, 79, TRAP_LAMP_MINUTES, -1));
    pass(&world, 24 * 4);
    assert_int_equal(world.count, 3);
    assert_true(world.nights[0].outcome == TRAP_COUNTED && world.nights[0].count == 0);
    assert_true(world.nights[0].lamp_ns == 600 * MINUTE && world.nights[0].gated_ns == 45 * MINUTE);
    assert_int_equal(world.nights[1].outcome, TRAP_OFF);
    assert_true(world.nights[2].lamp_ns == 24 * HOUR && world.nights[2].known_ns == 24 * HOUR);
}

static void a_night_is_noon_to_noon(void **state)
{
    (void)state;
    static struct world world;
    begin(&world, TRAP_INTERVAL, TRAP_DROP_RESTARTS);
    for (int hour = 12; hour <= 37; hour++) { /* one each hour from the first 12:00 on */
        assert_true(give(&world, hour, TRAP_COUNT, hour == 24 ? 0 : 1));
    }
    pass(&world, 60 + 0.16);
    assert_int_equal(world.count, 2); /* closes at 12:10, and then the next one is open */
    pass(&world, 60.17);
    assert_int_equal(world.count, 3);
    assert_int_equal(world.nights[0].end_ns, hours(12));
    assert_true(world.nights[0].count == 1 && world.nights[0].reports == 1);
    assert_int_equal(world.nights[1].end_ns, hours(36));
    assert_true(world.nights[1].count == 23 && world.nights[1].reports == 24);
    assert_true(world.nights[1].coverage == 1 && world.nights[1].outcome == TRAP_COUNTED);
    assert_true(world.nights[2].count == 1);
}

static void zero_missing_and_off_are_three_things(void **state)
{
    (void)state;
    static struct world world;
    begin(&world, TRAP_INTERVAL, TRAP_DROP_RESTARTS);
    for (int hour = 13; hour <= 36; hour++) { /* works, and catches nothing */
        give(&world, hour, TRAP_LAMP, hour >= 18 && hour < 30);
        give(&world, hour + 0.01, TRAP_COUNT, 0);
    }
    for (int hour = 37; hour <= 60; hour++) { /* is off, and reports it with its counts of zero */
        give(&world, hour - 0.01, TRAP_LAMP, 0);
        give(&world, hour - 0.01, TRAP_COUNT, 0);
    }
    give(&world, 90, TRAP_COUNT, 0); /* a night without a word */
    give(&world, 120, TRAP_LAMP, 0); /* and one with a lamp that is off for two hours of it */
    pass(&world, 140);
    assert_int_equal(world.count, 5);
    assert_true(world.nights[0].outcome == TRAP_COUNTED && world.nights[0].count == 0);
    assert_int_equal(world.nights[0].lamp_ns, 12 * HOUR);
    assert_true(world.nights[1].outcome == TRAP_OFF && isnan(world.nights[1].count));
    assert_int_equal(world.nights[1].lamp_ns, 0);
    assert_true(world.nights[2].outcome == TRAP_MISSING && isnan(world.nights[2].count));
    assert_true(world.nights[3].outcome == TRAP_COUNTED && world.nights[3].count == 0);
    assert_true(world.nights[4].outcome == TRAP_MISSING && world.nights[4].known_ns == 2 * HOUR);
}

static void running_totals_rise_and_jump_back(void **state)
{
    (void)state;
    static struct world world;
    begin(&world, TRAP_CUMULATIVE, TRAP_DROP_CORRECTS);
    give(&world, 13, TRAP_COUNT, 100); /* the base line */
    give(&world, 14, TRAP_COUNT, 107);
    give(&world, 15, TRAP_COUNT, 105); /* two were none */
    give(&world, 16, TRAP_COUNT, 110);
    give(&world, 16.5, TRAP_SERVICE, 0);
    give(&world, 17, TRAP_COUNT, 3); /* since it was emptied */
    give(&world, 35, TRAP_COUNT, 4);
    give(&world, 40, TRAP_COUNT, 6); /* some of them perhaps of the night before */
    pass(&world, 61);
    assert_int_equal(world.count, 2);
    assert_true(world.nights[0].count == 7 + 5 + 3 + 1);
    assert_true(world.nights[0].resets == 2 && world.nights[0].services == 1);
    assert_false(world.nights[0].spans || world.nights[0].saturated);
    assert_true(world.nights[1].count == 2 && world.nights[1].spans);

    begin(&world, TRAP_CUMULATIVE, TRAP_DROP_RESTARTS);
    give(&world, 13, TRAP_COUNT, 998);
    give(&world, 14, TRAP_COUNT, 1000);
    give(&world, 15, TRAP_COUNT, 4);
    pass(&world, 37);
    assert_true(world.nights[0].count == 6 && world.nights[0].saturated);
}

static void lamp_and_gate_hold_for_a_while(void **state)
{
    (void)state;
    static struct world world;
    begin(&world, TRAP_INTERVAL, TRAP_DROP_RESTARTS);
    give(&world, 18, TRAP_LAMP, 1);
    give(&world, 19, TRAP_LAMP, 1);
    give(&world, 19.5, TRAP_GATE, 1);
    give(&world, 20, TRAP_LAMP, 0);
    give(&world, 20.25, TRAP_GATE, 0);
    give(&world, 35, TRAP_LAMP, 1); /* an hour of it is of the next night */
    give(&world, 35.5, TRAP_COUNT, 5);
    pass(&world, 61);
    assert_int_equal(world.count, 2);
    assert_int_equal(world.nights[0].lamp_ns, 3 * HOUR);
    assert_int_equal(world.nights[0].known_ns, 5 * HOUR); /* off until 22:00, then not known */
    assert_int_equal(world.nights[0].gated_ns, 45 * MINUTE);
    assert_int_equal(world.nights[1].lamp_ns, HOUR);
    assert_int_equal(world.nights[1].outcome, TRAP_MISSING);
}

static void a_year_of_gap_and_the_year_s_end(void **state)
{
    (void)state;
    static struct world world;
    begin(&world, TRAP_CUMULATIVE, TRAP_DROP_RESTARTS);
    give(&world, 20, TRAP_COUNT, 5);
    give(&world, 20 + 365 * 24, TRAP_COUNT, 9);
    pass(&world, 365 * 24 + 37);
    assert_int_equal(world.count, 1 + TRAP_SILENT_MAX + 1);
    for (size_t i = 1; i <= TRAP_SILENT_MAX; i++) {
        assert_int_equal(world.nights[i].outcome, TRAP_MISSING);
    }
    const struct trap_night *last = &world.nights[world.count - 1];
    assert_true(last->end_ns == hours(365 * 24 + 36) && last->count == 4 && last->spans);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    static struct world world;
    begin(&world, TRAP_INTERVAL, TRAP_DROP_RESTARTS);
    assert_false(give(&world, 20, TRAP_COUNT, -1));
    assert_false(give(&world, 20, TRAP_COUNT, 1.5));
    assert_false(give(&world, 20, TRAP_COUNT, NAN));
    assert_false(give(&world, 20, TRAP_COUNT, INFINITY));
    assert_true(give(&world, 20, TRAP_COUNT, 1));
    assert_true(give(&world, 19.9, TRAP_COUNT, 1)); /* within lateness */
    assert_true(give(&world, 21, TRAP_COUNT, 1));
    assert_false(give(&world, 20.8, TRAP_COUNT, 1)); /* not any more */
    struct trap_event early = { -5, 1, TRAP_COUNT };
    assert_false(trap_add(&world.trap, &world.settings, &early, keep, &world));
    pass(&world, 37);
    assert_true(world.nights[0].count == 3);
}

static void any_order_within_lateness_gives_the_same(void **state)
{
    (void)state;
    static struct world plain, late;
    struct draws draws = draws_begin();
    for (int round = 0; round < 200; round++) {
        double totals[3000], at = 13, total = 0;
        int n = 0;
        static struct trap_event events[3000];
        for (; n < 3000 && at < 13 + 24 * 6; n++) {
            total = draw_below(&draws, 20) == 0 ? (double)draw_below(&draws, 5)
                                                : total + (double)draw_below(&draws, 3);
            totals[n] = total;
            events[n] = (struct trap_event){
                hours(at), draw_below(&draws, 3) == 0 ? (double)draw_below(&draws, 2) : totals[n],
                draw_below(&draws, 12) == 0 ? TRAP_SERVICE : TRAP_COUNT
            };
            at += 1 / 60.0 + (double)draw_below(&draws, 100) / 60;
        }
        begin(&plain, TRAP_CUMULATIVE, round % 2 == 0 ? TRAP_DROP_CORRECTS : TRAP_DROP_RESTARTS);
        begin(&late, TRAP_CUMULATIVE, plain.settings.drop);
        plain.settings.lateness_ns = late.settings.lateness_ns = 2 * HOUR;
        for (int i = 0; i < n; i++) {
            assert_true(trap_add(&plain.trap, &plain.settings, &events[i], keep, &plain));
            trap_advance(&plain.trap, &plain.settings, events[i].time_ns, keep, &plain);
        }
        for (int i = 0; i < n; i += 4) { /* fours in any order: they span 2 hours at most */
            int group = n - i < 4 || events[i + 3].time_ns - events[i].time_ns >= 2 * HOUR ? 1 : 4;
            for (int k = group - 1; k > 0; k--) {
                int other = (int)draw_below(&draws, (uint64_t)k + 1);
                struct trap_event swapped = events[i + k];
                events[i + k] = events[i + other];
                events[i + other] = swapped;
            }
            int64_t watermark = 0;
            for (int k = 0; k < 4 && i + k < n; k++) {
                watermark = events[i + k].time_ns > watermark ? events[i + k].time_ns : watermark;
                assert_true(trap_add(&late.trap, &late.settings, &events[i + k], keep, &late));
                trap_advance(&late.trap, &late.settings, watermark, keep, &late);
            }
        }
        pass(&plain, 24 * 8);
        pass(&late, 24 * 8);
        assert_int_equal(plain.count, late.count);
        for (size_t i = 0; i < plain.count; i++) {
            const struct trap_night *a = &plain.nights[i], *b = &late.nights[i];
            assert_true(a->end_ns == b->end_ns && a->outcome == b->outcome &&
                        (a->count == b->count || (isnan(a->count) && isnan(b->count))) &&
                        a->reports == b->reports && a->resets == b->resets &&
                        a->services == b->services && a->spans == b->spans &&
                        a->saturated == b->saturated);
        }
    }
}

static void a_kept_trap_goes_on(void **state)
{
    (void)state;
    static struct world world, again;
    struct draws draws = draws_begin();
    begin(&world, TRAP_CUMULATIVE, TRAP_DROP_RESTARTS);
    for (int i = 0; i < 20; i++) {
        give(&world, 13 + i, TRAP_COUNT, 3 * i);
        give(&world, 13.05 + i, i % 2 == 0 ? TRAP_LAMP : TRAP_GATE, i % 3);
    }
    give(&world, 33, TRAP_SERVICE, 0);
    struct state_writer writer = { 0 };
    trap_save(&world.trap, &writer);
    again = world;
    memset(&again.trap, 0xA5, sizeof again.trap);
    struct state_reader reader = state_reader_of(writer.bytes, writer.used);
    assert_true(trap_load(&again.trap, &again.settings, &reader));
    assert_ptr_equal(reader.at, reader.end);
    for (int i = 0; i < 2; i++) {
        struct world *one = i == 0 ? &world : &again;
        give(one, 34, TRAP_COUNT, 4);
        pass(one, 37);
        assert_int_equal(one->count, 1);
        assert_true(one->nights[0].count == 57 + 4 && one->nights[0].resets == 1);
        assert_true(one->nights[0].lamp_ns == world.nights[0].lamp_ns);
        assert_true(one->nights[0].gated_ns == world.nights[0].gated_ns);
    }
    uint8_t *bytes = malloc(writer.used);
    assert_non_null(bytes);
    size_t loaded = 0;
    for (size_t round = 0; round < writer.used + 20000; round++) {
        size_t length = round < writer.used ? round : writer.used;
        memcpy(bytes, writer.bytes, writer.used);
        for (int i = 0; round >= writer.used && i < 2; i++) {
            bytes[draw_below(&draws, writer.used)] = (uint8_t)draw(&draws);
        }
        reader = state_reader_of(bytes, length);
        begin(&again, TRAP_CUMULATIVE, TRAP_DROP_RESTARTS);
        bool good = trap_load(&again.trap, &again.settings, &reader);
        assert_true(good != reader.failed && !(good && length < writer.used));
        assert_true(good || !again.trap.begun);
        give(&again, 50, TRAP_COUNT, 4);
        pass(&again, 100);
        loaded += good;
    }
    printf("%zu of 20000 mutated states are possible ones\n", loaded);
    free(bytes);
    state_writer_free(&writer);
}

/* --- a recording ----------------------------------------------------------------------------- */

struct site {
    char name[32];
    struct world world;
    double last, sums[400];
    bool any;
    int64_t last_ns;
    unsigned drops;
};

static struct site sites[8];

static struct site *site_of(const char *name)
{
    size_t i = 0;
    while (i < 7 && sites[i].name[0] != '\0' && strcmp(sites[i].name, name) != 0) {
        i++;
    }
    if (sites[i].name[0] == '\0') {
        begin(&sites[i].world, TRAP_CUMULATIVE, TRAP_DROP_CORRECTS);
        sites[i].world.settings.lateness_ns = 0;
        (void)snprintf(sites[i].name, sizeof sites[i].name, "%s", name);
    }
    return &sites[i];
}

/* Plainly: what rises from row to row, in the night of the later one. */
static void take_row(struct site *site, int64_t time_ns, double total)
{
    struct trap_event event = { time_ns, total, TRAP_COUNT };
    bool taken = trap_add(&site->world.trap, &site->world.settings, &event, keep, &site->world);
    assert_true(taken == (!site->any || time_ns > site->last_ns));
    if (!taken) {
        return; /* the hour that autumn repeats */
    }
    trap_advance(&site->world.trap, &site->world.settings, time_ns, keep, &site->world);
    int64_t end = (time_ns - hours(12) + 3000 * DAY + DAY - 1) / DAY; /* since 2017 or so */
    site->sums[end % 400] += site->any && total > site->last ? total - site->last : 0;
    site->drops += site->any && total < site->last;
    site->last = total;
    site->last_ns = time_ns;
    site->any = true;
}

static void a_season_of_five_traps(void **state)
{
    (void)state;
    char path[512], line[256], name[32];
    gzFile file =
        gzopen(shared_path("4-insects/trapview_allsites_y19.csv.gz", path, sizeof path), "rb");
    if (file == NULL) {
        printf("skipped: no %s (set PHUSA_SHARED)\n", path);
        skip();
    }
    while (gzgets(file, line, sizeof line) != NULL) {
        struct tm tm = { 0 };
        const char *rest = strptime(line + 1 - (line[0] != '"'), "%Y-%m-%d %H:%M:%S", &tm);
        const char *site = strrchr(line, ',');
        if (rest != NULL && site != NULL && sscanf(site, ",\"%31[^\"]", name) == 1) {
            take_row(site_of(name), (int64_t)timegm(&tm) * S - 7 * HOUR,
                     strtod(rest + strspn(rest, "\","), NULL));
        }
    }
    gzclose(file);
    size_t nights = 0;
    unsigned resets = 0;
    double caught = 0;
    for (struct site *site = sites; site->name[0] != '\0'; site++) {
        trap_advance(&site->world.trap, &site->world.settings, site->last_ns + 2 * DAY, keep,
                     &site->world);
        unsigned drops = 0;
        for (size_t i = 0; i < site->world.count; i++) {
            const struct trap_night *night = &site->world.nights[i];
            int64_t end = (night->end_ns - hours(12) + 3000 * DAY) / DAY;
            double expected = site->sums[end % 400];
            assert_true(night->outcome == TRAP_COUNTED ? night->count == expected
                                                       : expected == 0 && isnan(night->count));
            drops += night->resets;
            caught += expected;
            nights += night->outcome == TRAP_COUNTED;
        }
        assert_int_equal(drops, site->drops);
        resets += drops;
    }
    printf("%zu nights, %g insects, %u jumps back\n", nights, caught, resets);
    assert_true(nights > 600 && resets > 200 && caught > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lamp_that_is_off_all_the_dark_is_no_finding),
        cmocka_unit_test(minutes_of_the_lamp_say_the_same),
        cmocka_unit_test(a_night_is_noon_to_noon),
        cmocka_unit_test(zero_missing_and_off_are_three_things),
        cmocka_unit_test(running_totals_rise_and_jump_back),
        cmocka_unit_test(lamp_and_gate_hold_for_a_while),
        cmocka_unit_test(a_year_of_gap_and_the_year_s_end),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(any_order_within_lateness_gives_the_same),
        cmocka_unit_test(a_kept_trap_goes_on),
        cmocka_unit_test(a_season_of_five_traps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
