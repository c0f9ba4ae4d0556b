/* Rules with `missing`: silence.h's sentences, and random series looked at at any times against
 * what their readings say by themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "alarm/silence.h"
#include "draws.h"

#define S      INT64_C(1000000000)
#define MINUTE (60 * S)
#define HOUR   (60 * MINUTE)
#define NOW    (INT64_C(1700000000) * S)
#define EVERY  (5 * MINUTE)

#define LEVEL(grave, lasting)                                                                      \
    {                                                                                              \
        .severity = (grave), .for_ns = (lasting)                                                   \
    }

static const struct rule quarter = { .subject = RULE_MISSING,
                                     .missing_every = 3,
                                     .levels = { LEVEL(SEVERITY_MINOR, 0) },
                                     .level_count = 1,
                                     .live_within_ns = HOUR };
static const struct rule in_steps = { .subject = RULE_MISSING,
                                      .missing_ns = 15 * MINUTE,
                                      .levels = { LEVEL(SEVERITY_MINOR, 0),
                                                  LEVEL(SEVERITY_MODERATE, 30 * MINUTE),
                                                  LEVEL(SEVERITY_EXTREME, 2 * HOUR) },
                                      .level_count = 3,
                                      .live_within_ns = 1000 * HOUR };

static struct alarm_silence until(int64_t until_ns, int64_t now_ns)
{
    return (struct alarm_silence){
        .from_ns = NOW, .every_ns = EVERY, .until_ns = until_ns, .now_ns = now_ns
    };
}

/* The next level, told if it is due; -1 if there is none. */
static int next(const struct rule *rule, struct alarm_series *series, int64_t until_ns,
                struct alarm_change *change)
{
    struct alarm_silence silence = until(until_ns, until_ns);
    if (!alarm_silence_next(rule, series, &silence, change)) {
        return -1;
    }
    if (change->tell) {
        alarm_told(series);
    }
    return (int)change->to;
}

static bool heard(const struct rule *rule, struct alarm_series *series, int64_t time_ns,
                  int64_t now_ns, struct alarm_change *change)
{
    struct alarm_silence silence = until(time_ns, now_ns);
    if (!alarm_silence_ends(rule, series, &silence, time_ns, change)) {
        return false;
    }
    if (change->tell) {
        alarm_told(series);
    }
    return true;
}

static void how_long_nothing_may_come(void **state)
{
    (void)state;
    struct rule rule = { .missing_every = 2.5 };
    assert_int_equal(alarm_silence_ns(&rule, EVERY), 12 * MINUTE + 30 * S);
    rule.missing_ns = 7 * MINUTE;
    assert_int_equal(alarm_silence_ns(&rule, EVERY), 7 * MINUTE);
}

static void it_begins_with_listening_or_the_newest_reading(void **state)
{
    (void)state;
    struct alarm_series series = { 0 };
    struct alarm_silence silence = until(0, 0);
    struct alarm_change change;
    assert_int_equal(alarm_silence_due(&quarter, &series, &silence), NOW + 15 * MINUTE);
    assert_false(heard(&quarter, &series, NOW + MINUTE, NOW + MINUTE, &change));
    assert_int_equal(alarm_silence_due(&quarter, &series, &silence), NOW + 16 * MINUTE);
    silence.from_ns = NOW + HOUR; /* one was not listening meanwhile */
    assert_int_equal(alarm_silence_due(&quarter, &series, &silence), NOW + 75 * MINUTE);
}

static void a_level_is_reached_at_its_moment_whenever_one_looks(void **state)
{
    (void)state;
    for (int64_t look = 1; look < 200 * MINUTE; look += 7 * MINUTE) {
        struct alarm_series series = { 0 };
        struct alarm_change change;
        int64_t due = NOW + 15 * MINUTE;
        assert_int_equal(next(&quarter, &series, due, &change), -1); /* itself left out */
        assert_int_equal(next(&quarter, &series, due + look, &change), SEVERITY_MINOR);
        assert_int_equal(change.time_ns, due);
        assert_int_equal(change.since_ns, due);
        assert_int_equal(change.from, SEVERITY_NORMAL);
        assert_true(change.transition && change.value == 900);
        assert_int_equal(change.historical, look >= HOUR);
        assert_int_equal(change.tell, look < HOUR);
        assert_int_equal(next(&quarter, &series, due + look, &change), -1);
    }
}

static void levels_come_one_after_the_other(void **state)
{
    (void)state;
    struct alarm_series series = { 0 };
    struct alarm_silence silence = until(0, 0);
    struct alarm_change change;
    int64_t long_after = NOW + 24 * HOUR;
    assert_int_equal(next(&in_steps, &series, long_after, &change), SEVERITY_MINOR);
    assert_int_equal(next(&in_steps, &series, long_after, &change), SEVERITY_MODERATE);
    assert_int_equal(change.time_ns, NOW + 45 * MINUTE);
    assert_int_equal(change.from, SEVERITY_MINOR);
    assert_int_equal(next(&in_steps, &series, long_after, &change), SEVERITY_EXTREME);
    assert_int_equal(change.time_ns, NOW + 135 * MINUTE);
    assert_int_equal(next(&in_steps, &series, long_after, &change), -1);
    assert_true(alarm_silence_due(&in_steps, &series, &silence) == INT64_MAX);
    assert_true(heard(&in_steps, &series, NOW + 25 * HOUR, NOW + 25 * HOUR, &change));
    assert_true(change.from == SEVERITY_EXTREME && change.to == SEVERITY_NORMAL && change.tell);
    assert_int_equal(change.time_ns, NOW + 25 * HOUR);
    assert_true(change.value == 25 * 3600); /* how long it was silent */
}

static void of_levels_at_once_only_the_gravest_is_reached(void **state)
{
    (void)state;
    struct rule rule = in_steps;
    struct alarm_change change;
    rule.levels[1].for_ns = 0;
    struct alarm_series series = { 0 };
    assert_int_equal(next(&rule, &series, NOW + HOUR, &change), SEVERITY_MODERATE);
    assert_int_equal(next(&rule, &series, NOW + HOUR, &change), -1);
    rule.levels[0].for_ns = HOUR; /* later than a graver one: never */
    series = (struct alarm_series){ 0 };
    assert_int_equal(next(&rule, &series, NOW + HOUR, &change), SEVERITY_MODERATE);
    assert_int_equal(next(&rule, &series, NOW + 9 * HOUR, &change), SEVERITY_EXTREME);
}

static void late_readings_and_those_of_the_past_end_nothing(void **state)
{
    (void)state;
    struct alarm_series series = { 0 };
    struct alarm_change change;
    assert_int_equal(next(&quarter, &series, NOW + HOUR, &change), SEVERITY_MINOR);
    assert_false(heard(&quarter, &series, NOW + 40 * MINUTE, NOW + HOUR, &change)); /* 20 min old */
    assert_int_equal(series.live.state, SEVERITY_MINOR);
    assert_false(heard(&quarter, &series, NOW + 30 * MINUTE, NOW + 31 * MINUTE, &change));
    assert_true(heard(&quarter, &series, NOW + 50 * MINUTE, NOW + HOUR, &change));
    assert_int_equal(change.to, SEVERITY_NORMAL);
}

static void what_people_do_not_know_is_due_as_long_as_it_is_so(void **state)
{
    (void)state;
    struct alarm_series series = { 0 };
    struct alarm_change change;
    struct alarm_silence later = until(NOW + 5 * HOUR, NOW + 5 * HOUR);
    assert_false(alarm_silence_lasts(&series, &later, &change));
    assert_int_equal(next(&quarter, &series, NOW + 5 * HOUR, &change), SEVERITY_MINOR);
    assert_false(change.tell);
    assert_true(alarm_silence_lasts(&series, &later, &change));
    assert_true(change.tell && !change.transition && !change.historical);
    assert_int_equal(change.from, SEVERITY_NORMAL);
    assert_int_equal(change.to, SEVERITY_MINOR);
    assert_int_equal(change.time_ns, NOW + 5 * HOUR);
    assert_int_equal(change.since_ns, NOW + 15 * MINUTE);
    alarm_told(&series);
    assert_false(alarm_silence_lasts(&series, &later, &change));
}

/* Nobody is told of an end by a reading that is not live; by the next live one they are. */
static void an_end_that_was_not_told_is_told_by_the_next_live_reading(void **state)
{
    (void)state;
    struct rule rule = quarter;
    struct alarm_series series = { 0 };
    struct alarm_change change;
    rule.missing_ns = 2 * HOUR;
    rule.live_within_ns = 3 * HOUR;
    assert_int_equal(next(&rule, &series, NOW + 3 * HOUR, &change), SEVERITY_MINOR);
    assert_true(change.tell);
    rule.live_within_ns = 10 * MINUTE;
    assert_true(heard(&rule, &series, NOW + 3 * HOUR, NOW + 4 * HOUR, &change));
    assert_true(change.transition && change.historical && !change.tell);
    assert_false(heard(&rule, &series, NOW + 201 * MINUTE, NOW + 4 * HOUR, &change));
    assert_true(heard(&rule, &series, NOW + 240 * MINUTE, NOW + 4 * HOUR, &change));
    assert_true(!change.transition && change.tell && change.from == SEVERITY_MINOR &&
                change.to == SEVERITY_NORMAL);
    assert_int_equal(change.time_ns, NOW + 240 * MINUTE);
    assert_int_equal(change.since_ns, NOW + 3 * HOUR);
}

/* --- any series, looked at at any times ----------------------------------------------------- */

#define READINGS    200
#define CHANGES_MAX (READINGS * 4)

struct seen {
    int64_t time;
    int to;
};

static void reload(struct alarm_series *series)
{
    struct state_writer writer = { 0 };
    alarm_save(series, &writer);
    struct state_reader reader = state_reader_of(writer.bytes, writer.used);
    assert_true(alarm_load(series, &reader) && reader.at == reader.end);
    state_writer_free(&writer);
}

/* Between two readings each level is reached that has time to be, and no milder one after it. */
static size_t plainly(const struct rule *rule, const int64_t *times, size_t count,
                      struct seen *seen)
{
    size_t changes = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t before = i == 0 ? NOW : times[i - 1];
        int state = SEVERITY_NORMAL;
        for (int64_t second = 0; second < (times[i] - before) / S; second += 60) {
            int reached = SEVERITY_NORMAL;
            for (size_t k = 0; k < rule->level_count; k++) {
                int64_t after = rule->missing_ns + rule->levels[k].for_ns;
                reached = second * S >= after ? (int)rule->levels[k].severity : reached;
            }
            if (reached != state && reached > state) {
                seen[changes++] = (struct seen){ before + second * S, reached };
                state = reached;
            }
        }
        if (state != SEVERITY_NORMAL) {
            seen[changes++] = (struct seen){ times[i], SEVERITY_NORMAL };
        }
    }
    return changes;
}

static void random_series_agree_whenever_one_looks(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    size_t all = 0;
    for (int round = 0; round < 200; round++) {
        struct rule rule = in_steps;
        struct alarm_series series = { 0 };
        struct alarm_change change;
        static int64_t times[READINGS];
        static struct seen wanted[CHANGES_MAX], got[CHANGES_MAX];
        size_t found = 0;
        rule.missing_ns = (int64_t)(1 + draw_below(&draws, 30)) * MINUTE;
        for (size_t k = 0; k < 3; k++) {
            rule.levels[k].for_ns = (int64_t)draw_below(&draws, 4) * 20 * MINUTE;
        }
        int64_t now = NOW;
        for (size_t i = 0; i < READINGS; i++) {
            int64_t wait = draw_below(&draws, 4) == 0 ? (int64_t)draw_below(&draws, 200) : 5;
            times[i] = now + (wait + 1) * MINUTE;
            while (draw_below(&draws, 3) > 0 && now < times[i]) { /* looks */
                now += (int64_t)draw_below(&draws, (uint64_t)(times[i] - now) + 1);
                while (next(&rule, &series, now, &change) >= 0) {
                    got[found++] = (struct seen){ change.time_ns, (int)change.to };
                }
                reload(&series);
            }
            now = times[i];
            while (next(&rule, &series, now, &change) >= 0) {
                got[found++] = (struct seen){ change.time_ns, (int)change.to };
            }
            if (heard(&rule, &series, now, now, &change)) {
                got[found++] = (struct seen){ change.time_ns, (int)change.to };
            }
        }
        size_t count = plainly(&rule, times, READINGS, wanted);
        assert_int_equal(found, count);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(got[i].time, wanted[i].time);
            assert_int_equal(got[i].to, wanted[i].to);
        }
        all += count;
    }
    assert_true(all > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(how_long_nothing_may_come),
        cmocka_unit_test(it_begins_with_listening_or_the_newest_reading),
        cmocka_unit_test(a_level_is_reached_at_its_moment_whenever_one_looks),
        cmocka_unit_test(levels_come_one_after_the_other),
        cmocka_unit_test(of_levels_at_once_only_the_gravest_is_reached),
        cmocka_unit_test(late_readings_and_those_of_the_past_end_nothing),
        cmocka_unit_test(what_people_do_not_know_is_due_as_long_as_it_is_so),
        cmocka_unit_test(an_end_that_was_not_told_is_told_by_the_next_live_reading),
        cmocka_unit_test(random_series_agree_whenever_one_looks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
