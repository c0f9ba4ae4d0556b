/* The change per hour: rate.h's sentences, and random series against a search of the whole past. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "alarm/rate.h"
#include "draws.h"

#define S      INT64_C(1000000000)
#define MINUTE (60 * S)
#define HOUR   (60 * MINUTE)
#define NOW    (INT64_C(1700000000) * S)

static struct rule over(int64_t over_ns, int64_t max_gap_ns)
{
    return (struct rule){ .subject = RULE_RATE, .rate_over_ns = over_ns, .max_gap_ns = max_gap_ns };
}

/* NaN: it has no rate. */
static double take(struct alarm_rate *rate, const struct rule *rule, int64_t time_ns, double value)
{
    double per_hour = NAN;
    return alarm_rate_take(rate, rule, time_ns, value, &per_hour) ? per_hour : NAN;
}

static struct alarm_rate *create(void)
{
    struct alarm_rate *rate = alarm_rate_create();
    assert_non_null(rate);
    return rate;
}

/* Saved and loaded; what is cut anywhere is refused. */
static struct alarm_rate *reload(struct alarm_rate *rate, bool cut)
{
    struct state_writer writer = { 0 };
    alarm_rate_save(rate, &writer);
    for (size_t length = 0; cut && length < writer.used; length++) {
        struct state_reader reader = state_reader_of(writer.bytes, length);
        assert_null(alarm_rate_load(&reader));
        assert_true(reader.failed);
    }
    struct state_reader reader = state_reader_of(writer.bytes, writer.used);
    struct alarm_rate *loaded = alarm_rate_load(&reader);
    assert_non_null(loaded);
    assert_ptr_equal(reader.at, reader.end);
    state_writer_free(&writer);
    alarm_rate_free(rate);
    return loaded;
}

static void it_is_the_change_per_hour_since_the_newest_reading_that_is_old_enough(void **state)
{
    (void)state;
    struct rule rule = over(3 * HOUR, 2 * HOUR);
    struct alarm_rate *rate = create();
    assert_true(isnan(take(rate, &rule, NOW, 1)));
    assert_true(isnan(take(rate, &rule, NOW + HOUR, 2)));
    assert_true(isnan(take(rate, &rule, NOW + 2 * HOUR, 3)));
    assert_true(isnan(take(rate, &rule, NOW + 3 * HOUR - 1, 4)));
    assert_true(take(rate, &rule, NOW + 3 * HOUR, 7) == 2); /* (7 - 1) / 3: the one at the edge */
    assert_true(take(rate, &rule, NOW + 4 * HOUR - 1, 9) == (9 - 1) / (4 - 1.0 / 3.6e12));
    assert_true(take(rate, &rule, NOW + 4 * HOUR, 11) == 3);  /* (11 - 2) / 3 */
    assert_true(take(rate, &rule, NOW + 5 * HOUR, 0) == -1);  /* falls */
    assert_true(isnan(take(rate, &rule, NOW + 5 * HOUR, 5))); /* a second one of that time */
    alarm_rate_free(rate);
    alarm_rate_free(NULL);
}

static void a_gap_anywhere_between_leaves_it_without_a_rate(void **state)
{
    (void)state;
    struct rule rule = over(2 * HOUR, HOUR);
    struct alarm_rate *rate = create();
    (void)take(rate, &rule, NOW, 1);
    (void)take(rate, &rule, NOW + HOUR, 1);
    assert_true(take(rate, &rule, NOW + 2 * HOUR, 3) == 1); /* gaps of exactly max_gap are none */
    assert_true(isnan(take(rate, &rule, NOW + 3 * HOUR + 1, 3)));
    assert_true(isnan(take(rate, &rule, NOW + 4 * HOUR, 3)));
    assert_true(isnan(take(rate, &rule, NOW + 5 * HOUR, 3)));
    assert_true(take(rate, &rule, NOW + 5 * HOUR + 1, 5) > 0.99); /* since the end of the gap */
    alarm_rate_free(rate);

    rate = create(); /* the reading at or before t - span itself may lie before a gap */
    (void)take(rate, &rule, NOW, 1);
    (void)take(rate, &rule, NOW + 90 * MINUTE, 1);
    assert_true(isnan(take(rate, &rule, NOW + 150 * MINUTE, 1)));
    alarm_rate_free(rate);
}

static void late_readings_have_their_own_rate_and_fill_gaps(void **state)
{
    (void)state;
    struct rule rule = over(2 * HOUR, HOUR);
    struct alarm_rate *rate = create();
    (void)take(rate, &rule, NOW, 0);
    (void)take(rate, &rule, NOW + HOUR, 1);
    assert_true(isnan(take(rate, &rule, NOW + 4 * HOUR, 8)));
    assert_true(take(rate, &rule, NOW + 2 * HOUR, 4) == 2);
    assert_true(take(rate, &rule, NOW + 3 * HOUR, 5) == 2);
    assert_true(take(rate, &rule, NOW + 5 * HOUR, 9) == 2);
    assert_true(isnan(take(rate, &rule, NOW - 10 * HOUR, 9))); /* older than everything */
    alarm_rate_free(rate);
}

/* --- the whole past --------------------------------------------------------------------------- */

#define PAST 600

struct past {
    int64_t time;
    double value;
};

static int by_time(const void *a, const void *b)
{
    const struct past *left = a, *right = b;
    return (left->time > right->time) - (left->time < right->time);
}

/* Of the reading at `at`, by the words of rate.h. */
static double plain_rate(const struct past *past, size_t at, const struct rule *rule)
{
    for (size_t i = at; i-- > 0;) {
        if (past[i + 1].time - past[i].time > rule->max_gap_ns) {
            return NAN;
        }
        if (past[i].time <= past[at].time - rule->rate_over_ns) {
            return (past[at].value - past[i].value) /
                   ((double)(past[at].time - past[i].time) / 3.6e12);
        }
    }
    return NAN;
}

static bool same(double a, double b)
{
    return (isnan(a) && isnan(b)) || a == b;
}

/* Puts it among the others; returns its place, or SIZE_MAX if there is one of that time. */
static size_t put(struct past *past, size_t count, struct past reading)
{
    for (size_t i = 0; i < count; i++) {
        if (past[i].time == reading.time) {
            return SIZE_MAX;
        }
    }
    past[count] = reading;
    qsort(past, count + 1, sizeof *past, by_time);
    struct past *found = bsearch(&reading, past, count + 1, sizeof *past, by_time);
    assert_non_null(found);
    return (size_t)(found - past);
}

static void random_series_agree_with_a_search_of_the_past(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    unsigned known = 0;
    for (int round = 0; round < 60; round++) {
        static struct past past[PAST + 1];
        struct rule rule = over((int64_t)(5 + draw_below(&draws, 300)) * MINUTE,
                                (int64_t)(5 + draw_below(&draws, 60)) * MINUTE);
        struct alarm_rate *rate = create();
        int64_t time = NOW;
        size_t count = 0;
        while (count < PAST) {
            time += (draw_below(&draws, 40) == 0 ? (int64_t)draw_below(&draws, 200) : 5) * MINUTE;
            int64_t late = draw_below(&draws, 8) == 0
                               ? (int64_t)draw_below(&draws, (uint64_t)rule.rate_over_ns)
                               : 0;
            struct past reading = { time - late, (double)draw_below(&draws, 100) };
            size_t at = put(past, count, reading);
            if (at == SIZE_MAX) {
                assert_true(isnan(take(rate, &rule, reading.time, reading.value)));
                continue;
            }
            count++;
            double wanted = plain_rate(past, at, &rule);
            double got = take(rate, &rule, reading.time, reading.value);
            if (!same(wanted, got)) {
                fail_msg("reading %zu: %g, wanted %g", count, got, wanted);
            }
            known += isnan(wanted) ? 0 : 1;
            rate = draw_below(&draws, 50) == 0 ? reload(rate, false) : rate;
        }
        alarm_rate_free(rate);
    }
    assert_true(known > 5000);
}

static void what_is_loaded_is_what_was_saved_and_what_is_cut_is_refused(void **state)
{
    (void)state;
    struct rule rule = over(HOUR, HOUR);
    struct alarm_rate *rate = reload(create(), true); /* an empty one */
    for (int i = 0; i < 50; i++) {
        (void)take(rate, &rule, NOW + i * 5 * MINUTE, i);
    }
    rate = reload(rate, true);
    assert_true(fabs(take(rate, &rule, NOW + 50 * 5 * MINUTE, 50) - 12) < 1e-12);
    alarm_rate_free(rate);
}

static void samples_that_do_not_ascend_are_damage(void **state)
{
    (void)state;
    static const int64_t times[][2] = { { 5, 5 }, { 6, 5 }, { -1, 5 } };
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct state_writer writer = { 0 };
        state_put_bool(&writer, false);
        state_put(&writer, 2);
        for (int k = 0; k < 2; k++) {
            state_put_signed(&writer, times[i][k]);
            state_put_double(&writer, 1);
        }
        struct state_reader reader = state_reader_of(writer.bytes, writer.used);
        assert_null(alarm_rate_load(&reader));
        assert_true(reader.failed);
        state_writer_free(&writer);
    }
}

/* --- its limits ----------------------------------------------------------------------------- */

static size_t saved_bytes(const struct alarm_rate *rate)
{
    struct state_writer writer = { 0 };
    alarm_rate_save(rate, &writer);
    size_t used = writer.used;
    state_writer_free(&writer);
    return used;
}

static void a_week_at_five_minutes_is_exact(void **state)
{
    (void)state;
    struct rule rule = over(168 * HOUR, HOUR);
    struct alarm_rate *rate = create();
    for (int i = 0; i < 20000; i++) {
        double got = take(rate, &rule, NOW + i * 5 * MINUTE, (double)(i % 1000));
        double wanted = (double)(i % 1000 - (i - 2016) % 1000) / 168;
        assert_true(i < 2016 ? isnan(got) : got == wanted);
    }
    alarm_rate_free(rate);
}

/* Denser than can be kept: t0 is older by at most 4 spans / RULE_RATE_SAMPLES and a reading, and
 * there seems to be no gap; a real one is still seen. */
static void what_is_far_too_dense_is_thinned_evenly(void **state)
{
    (void)state;
    struct rule rule = over(24 * HOUR, 2 * MINUTE);
    struct alarm_rate *rate = create();
    const int64_t step = 4 * rule.rate_over_ns / RULE_RATE_SAMPLES + S;
    int i = 0;
    for (; i < 4 * 86400; i++) {
        double hours = (double)i / 3600;
        double got = take(rate, &rule, NOW + i * S, hours * hours);
        if (i < 86400) {
            assert_true(isnan(got));
            continue;
        }
        double least = 2 * hours - 24 - (double)step / 3.6e12;
        if (!(got <= 2 * hours - 24 + 1e-9 && got >= least)) {
            fail_msg("second %d: %.9g, wanted %.9g .. %.9g", i, got, least, 2 * hours - 24);
        }
    }
    assert_true(saved_bytes(rate) <= (size_t)RULE_RATE_SAMPLES * 19);
    i += 180;
    assert_true(isnan(take(rate, &rule, NOW + i * S, 0)));
    alarm_rate_free(rate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_change_per_hour_since_the_newest_reading_that_is_old_enough),
        cmocka_unit_test(a_gap_anywhere_between_leaves_it_without_a_rate),
        cmocka_unit_test(late_readings_have_their_own_rate_and_fill_gaps),
        cmocka_unit_test(random_series_agree_with_a_search_of_the_past),
        cmocka_unit_test(what_is_loaded_is_what_was_saved_and_what_is_cut_is_refused),
        cmocka_unit_test(samples_that_do_not_ascend_are_damage),
        cmocka_unit_test(a_week_at_five_minutes_is_exact),
        cmocka_unit_test(what_is_far_too_dense_is_thinned_evenly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
