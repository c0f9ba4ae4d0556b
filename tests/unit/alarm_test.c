/* The alarm machine against the contract's sentences, and against a plain reading of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alarm/machine.h"

#define S      INT64_C(1000000000)
#define MINUTE (60 * S)

static const struct phusa_parameter salinity = { .name = { "salinity", 8 } };

static struct rule above(double raise, double clear, int64_t for_ns, int64_t clear_for_ns)
{
    return (
        struct rule){ .id = "r",
                      .parameter = &salinity,
                      .direction = RULE_ABOVE,
                      .levels = { { SEVERITY_MINOR, 0, raise, 0, clear, for_ns, clear_for_ns } },
                      .level_count = 1,
                      .max_gap_ns = 60 * MINUTE,
                      .accept = 6 };
}

/* Judges, and tells what is due to be told. */
static size_t judge(const struct rule *rule, struct alarm_series *series,
                    const struct alarm_reading *reading,
                    struct alarm_change changes[ALARM_CHANGES_MAX])
{
    size_t count = alarm_judge(rule, series, reading, changes);
    if (count > 0 && changes[0].tell) {
        alarm_told(series);
    }
    return count;
}

struct step {
    int64_t minute;
    double value;
    int to; /* expected new state, -1 = no transition */
};

static void run(const struct rule *rule, const struct step *steps, size_t count)
{
    struct alarm_series series = { 0 };
    for (size_t i = 0; i < count; i++) {
        struct alarm_change changes[ALARM_CHANGES_MAX];
        struct alarm_reading reading = { steps[i].minute * MINUTE, steps[i].value, true,
                                         15 * MINUTE };
        size_t changed = judge(rule, &series, &reading, changes);
        if (changed != (steps[i].to >= 0 ? 1u : 0u) ||
            (changed > 0 && (int)changes[0].to != steps[i].to)) {
            fail_msg("step %zu (minute %lld): %zu changes, state %d, expected %d", i,
                     (long long)steps[i].minute, changed, (int)series.live.state, steps[i].to);
        }
    }
}

#define RUN(rule, ...)                                                                             \
    do {                                                                                           \
        const struct step steps[] = { __VA_ARGS__ };                                               \
        run(&(rule), steps, sizeof steps / sizeof steps[0]);                                       \
    } while (0)

static void raises_at_and_clears_strictly_below(void **state)
{
    (void)state;
    struct rule rule = above(4, 3.5, 0, 0);
    RUN(rule, { 0, 3.99, -1 }, { 15, 4, SEVERITY_MINOR }, { 30, 3.6, -1 }, { 45, 3.5, -1 },
        { 60, 3.49, SEVERITY_NORMAL }, { 75, 3.9, -1 });
}

static void waits_for_and_starts_anew_after_a_good_reading_or_a_gap(void **state)
{
    (void)state;
    struct rule rule = above(4, 3.5, 30 * MINUTE, 0);
    RUN(rule, { 0, 5, -1 }, { 15, 5, -1 }, { 30, 5, SEVERITY_MINOR });
    RUN(rule, { 0, 5, -1 }, { 15, 3.9, -1 }, { 30, 5, -1 }, { 45, 5, -1 },
        { 60, 5, SEVERITY_MINOR });
    RUN(rule, { 0, 5, -1 }, { 60, 5, SEVERITY_MINOR }); /* a gap of exactly max_gap is none */
    RUN(rule, { 0, 5, -1 }, { 61, 5, -1 }, { 91, 5, SEVERITY_MINOR });
}

static void clears_only_after_clear_for_and_never_by_a_gap(void **state)
{
    (void)state;
    struct rule rule = above(4, 3.5, 0, 30 * MINUTE);
    RUN(rule, { 0, 5, SEVERITY_MINOR }, { 15, 3, -1 }, { 30, 3.7, -1 }, { 45, 3, -1 },
        { 60, 3, -1 }, { 75, 3, SEVERITY_NORMAL });
    RUN(rule, { 0, 5, SEVERITY_MINOR }, { 15, 3, -1 }, { 1000, 3, -1 },
        { 1030, 3, SEVERITY_NORMAL });
}

static void state_is_the_highest_active_level(void **state)
{
    (void)state;
    struct rule rule = above(1, 0.8, 0, 0);
    rule.levels[1] = (struct rule_level){ SEVERITY_SEVERE, 0, 4, 0, 3.5, 0, 0 };
    rule.level_count = 2;
    RUN(rule, { 0, 2, SEVERITY_MINOR }, { 15, 5, SEVERITY_SEVERE }, { 30, 3.7, -1 },
        { 45, 3, SEVERITY_MINOR }, { 60, 0.5, SEVERITY_NORMAL }, { 75, 9, SEVERITY_SEVERE },
        { 90, 0, SEVERITY_NORMAL });
}

static void below_and_outside_mirror_above(void **state)
{
    (void)state;
    struct rule rule = above(0, 0, 0, 0);
    rule.direction = RULE_BELOW;
    rule.levels[0] = (struct rule_level){ SEVERITY_MODERATE, 4, 0, 4.5, 0, 0, 0 };
    RUN(rule, { 0, 4.1, -1 }, { 15, 4, SEVERITY_MODERATE }, { 30, 4.5, -1 },
        { 45, 4.6, SEVERITY_NORMAL });
    rule.direction = RULE_OUTSIDE;
    rule.levels[0] = (struct rule_level){ SEVERITY_MODERATE, 6, 9, 6.5, 8.5, 0, 0 };
    RUN(rule, { 0, 7, -1 }, { 15, 9, SEVERITY_MODERATE }, { 30, 8.5, -1 }, { 45, 6.2, -1 },
        { 60, 7, SEVERITY_NORMAL }, { 75, 6, SEVERITY_MODERATE });
}

static void tells_only_live_readings_and_what_changed_meanwhile_once(void **state)
{
    (void)state;
    struct rule rule = above(4, 3.5, 0, 0);
    struct alarm_series series = { 0 };
    struct alarm_change change;
    struct alarm_reading reading = { 0, 5, false, 15 * MINUTE };
    assert_int_equal(judge(&rule, &series, &reading, &change), 1);
    assert_true(change.transition && change.historical && !change.tell);
    reading = (struct alarm_reading){ 15 * MINUTE, 6, true, 15 * MINUTE };
    assert_int_equal(judge(&rule, &series, &reading, &change), 1);
    assert_true(!change.transition && change.tell);
    assert_int_equal(change.since_ns, 0);
    assert_int_equal(change.from, SEVERITY_NORMAL);
    assert_int_equal(change.to, SEVERITY_MINOR);
    reading.time_ns += 15 * MINUTE;
    assert_int_equal(judge(&rule, &series, &reading, &change), 0);
    reading = (struct alarm_reading){ 60 * MINUTE, 1, true, 15 * MINUTE };
    assert_int_equal(judge(&rule, &series, &reading, &change), 1);
    assert_true(change.transition && change.tell && !change.historical);
}

static void a_late_reading_is_judged_as_history_from_the_state_before_the_gap(void **state)
{
    (void)state;
    struct rule rule = above(4, 3.5, 0, 0);
    struct alarm_series series = { 0 };
    struct alarm_change change;
    const struct alarm_reading before = { 0, 1, true, 15 * MINUTE };
    const struct alarm_reading after = { 120 * MINUTE, 1, true, 15 * MINUTE };
    assert_int_equal(judge(&rule, &series, &before, &change), 0);
    assert_int_equal(judge(&rule, &series, &after, &change), 0);
    static const struct step late[] = { { 15, 5, SEVERITY_MINOR },
                                        { 15, 9, -1 }, /* not newer in the history either */
                                        { 30, 6, -1 },
                                        { 45, 1, SEVERITY_NORMAL } };
    for (size_t i = 0; i < sizeof late / sizeof late[0]; i++) {
        struct alarm_reading reading = { late[i].minute * MINUTE, late[i].value, false,
                                         15 * MINUTE };
        size_t count = judge(&rule, &series, &reading, &change);
        assert_int_equal(count, late[i].to >= 0 ? 1 : 0);
        if (count > 0) {
            assert_true(change.historical && change.transition && !change.tell);
            assert_int_equal(change.to, late[i].to);
        }
        assert_int_equal(series.live.state, SEVERITY_NORMAL);
    }
}

static void live_is_three_reports_and_at_least_a_quarter_of_an_hour(void **state)
{
    (void)state;
    struct rule rule = above(1, 1, 0, 0);
    assert_true(alarm_is_live(&rule, MINUTE, 0, 15 * MINUTE - 1));
    assert_false(alarm_is_live(&rule, MINUTE, 0, 15 * MINUTE));
    assert_true(alarm_is_live(&rule, 15 * MINUTE, 0, 45 * MINUTE - 1));
    rule.live_within_ns = MINUTE;
    assert_false(alarm_is_live(&rule, 15 * MINUTE, 0, MINUTE));
}

/* --- against the contract, read plainly over the whole past at each reading -------------- */

struct past {
    int64_t time;
    double value;
};

/* Does the run of readings for which `side` holds, ending at the last one, last long enough? */
static bool lasts(const struct past *past, size_t from, size_t last, int64_t max_gap,
                  int64_t needed, bool (*side)(double value, double limit), double limit)
{
    size_t begin = last;
    if (!side(past[last].value, limit)) {
        return false;
    }
    while (begin > from && side(past[begin - 1].value, limit) &&
           past[begin].time - past[begin - 1].time <= max_gap) {
        begin--;
    }
    return past[last].time - past[begin].time >= needed;
}

static bool at_least(double value, double limit)
{
    return value >= limit;
}

static bool less(double value, double limit)
{
    return value < limit;
}

static void random_series_agree_with_the_plain_reading(void **state)
{
    (void)state;
    unsigned seed = 20260101, transitions = 0;
    print_message("seed %u\n", seed);
    for (int round = 0; round < 300; round++) {
        struct past past[120];
        int64_t for_ns = (int64_t)(rand_r(&seed) % 4) * 15 * MINUTE;
        int64_t clear_for = (int64_t)(rand_r(&seed) % 4) * 15 * MINUTE;
        struct rule rule = above(4, 3 + (double)(rand_r(&seed) % 3) / 2, for_ns, clear_for);
        struct alarm_series series = { 0 };
        bool active = false;
        size_t changed_at = 0; /* runs of the other side cannot begin before the change */
        int64_t time = 0;
        for (size_t i = 0; i < 120; i++) {
            time += rand_r(&seed) % 8 == 0 ? 90 * MINUTE : 15 * MINUTE;
            past[i] = (struct past){ time, (double)(rand_r(&seed) % 60) / 10 };
            bool change = active ? lasts(past, changed_at, i, rule.max_gap_ns, clear_for, less,
                                         rule.levels[0].clear_high)
                                 : lasts(past, changed_at, i, rule.max_gap_ns, for_ns, at_least, 4);
            struct alarm_change got;
            struct alarm_reading reading = { time, past[i].value, true, 15 * MINUTE };
            size_t count = judge(&rule, &series, &reading, &got);
            assert_int_equal(count, change ? 1 : 0);
            if (change) {
                active = !active;
                changed_at = i;
                transitions++;
            }
        }
    }
    assert_true(transitions > 1000);
}

/* --- kept over a restart ---------------------------------------------------------------- */

static void the_fingerprint_changes_with_everything_that_judges(void **state)
{
    (void)state;
    static const struct phusa_parameter other = { .name = { "temp", 4 } };
    struct rule rule = above(4, 3.5, 0, 0), same = rule;
    same.message_en = "other words";
    same.stations = NULL;
    assert_true(alarm_rule_same(&rule, &same));
    assert_true(alarm_rule_fingerprint(&rule) == alarm_rule_fingerprint(&same));
    struct rule others[14];
    size_t count = sizeof others / sizeof others[0];
    for (size_t i = 0; i < count; i++) {
        others[i] = rule;
    }
    others[0].id = "r2";
    others[1].parameter = &other;
    others[2].direction = RULE_BELOW;
    others[3].max_gap_ns++;
    others[4].live_within_ns++;
    others[5].accept = 2;
    others[6].level_count = 2;
    others[7].levels[0].severity = SEVERITY_EXTREME;
    others[8].levels[0].raise_low = 1;
    others[9].levels[0].raise_high = 4.5;
    others[10].levels[0].clear_low = 1;
    others[11].levels[0].clear_high = 3;
    others[12].levels[0].for_ns = 1;
    others[13].levels[0].clear_for_ns = 1;
    for (size_t i = 0; i < count; i++) {
        assert_false(alarm_rule_same(&rule, &others[i]));
        assert_true(alarm_rule_fingerprint(&rule) != alarm_rule_fingerprint(&others[i]));
    }
}

static void reload(struct alarm_series *series)
{
    struct state_writer writer = { 0 };
    alarm_save(series, &writer);
    for (size_t length = 0; length < writer.used; length++) {
        struct alarm_series cut;
        struct state_reader reader = state_reader_of(writer.bytes, length);
        assert_false(alarm_load(&cut, &reader));
    }
    struct state_reader reader = state_reader_of(writer.bytes, writer.used);
    assert_true(alarm_load(series, &reader));
    assert_ptr_equal(reader.at, reader.end);
    state_writer_free(&writer);
}

static bool same_change(const struct alarm_change *a, const struct alarm_change *b)
{
    return a->from == b->from && a->to == b->to && a->time_ns == b->time_ns &&
           a->since_ns == b->since_ns && a->value == b->value && a->transition == b->transition &&
           a->historical == b->historical && a->tell == b->tell;
}

/* Saved and loaded between any two readings, it judges as the one that went on. */
static void a_series_that_was_loaded_judges_as_before(void **state)
{
    (void)state;
    unsigned seed = 11;
    print_message("seed %u\n", seed);
    struct rule rule = above(5, 4, 20 * MINUTE, 10 * MINUTE);
    rule.levels[1] = (struct rule_level){ SEVERITY_SEVERE, 0, 7, 0, 6, 0, 0 };
    rule.level_count = 2;
    for (int round = 0; round < 50; round++) {
        struct alarm_series one = { 0 }, two = { 0 };
        int64_t minute = 1000;
        for (int i = 0; i < 200; i++) {
            struct alarm_change changes[2] = { { .value = 0 }, { .value = 0 } };
            minute += rand_r(&seed) % 12 == 0 ? rand_r(&seed) % 90 : 5;
            int64_t late = rand_r(&seed) % 5 == 0 ? rand_r(&seed) % 100 : 0;
            struct alarm_reading reading = { (minute - late) * MINUTE,
                                             (double)(rand_r(&seed) % 90) / 10,
                                             rand_r(&seed) % 4 > 0, 5 * MINUTE };
            reload(&two);
            assert_int_equal(judge(&rule, &one, &reading, &changes[0]),
                             judge(&rule, &two, &reading, &changes[1]));
            assert_true(same_change(&changes[0], &changes[1]));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raises_at_and_clears_strictly_below),
        cmocka_unit_test(waits_for_and_starts_anew_after_a_good_reading_or_a_gap),
        cmocka_unit_test(clears_only_after_clear_for_and_never_by_a_gap),
        cmocka_unit_test(state_is_the_highest_active_level),
        cmocka_unit_test(below_and_outside_mirror_above),
        cmocka_unit_test(tells_only_live_readings_and_what_changed_meanwhile_once),
        cmocka_unit_test(a_late_reading_is_judged_as_history_from_the_state_before_the_gap),
        cmocka_unit_test(live_is_three_reports_and_at_least_a_quarter_of_an_hour),
        cmocka_unit_test(random_series_agree_with_the_plain_reading),
        cmocka_unit_test(the_fingerprint_changes_with_everything_that_judges),
        cmocka_unit_test(a_series_that_was_loaded_judges_as_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
