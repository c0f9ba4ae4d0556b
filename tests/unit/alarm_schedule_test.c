/* The times of the week at which a rule is told, against the C library's calendar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>

#include "alarm/schedule.h"
#include "draws.h"

#define S          INT64_C(1000000000)
#define VIETNAM    (7 * 3600)
#define WORKDAYS   0x1Fu
#define CLOCK(h)   ((h)*3600)
#define MONDAY     INT64_C(1704042000) /* 2024-01-01, a Monday, 00:00 at +07:00 */
#define AT(day, h) ((MONDAY + (day)*INT64_C(86400) + (int64_t)((h)*3600)) * S)

static bool holds(const struct rule_schedule *schedule, int64_t time_ns)
{
    return alarm_schedule_holds(schedule, time_ns, VIETNAM);
}

static void without_days_it_always_holds(void **state)
{
    (void)state;
    struct rule_schedule schedule = { .from_s = CLOCK(8), .until_s = CLOCK(9) };
    assert_true(holds(&schedule, 0));
    assert_true(holds(&schedule, AT(6, 23)));
}

static void from_belongs_to_it_and_until_does_not(void **state)
{
    (void)state;
    struct rule_schedule schedule = { WORKDAYS, CLOCK(7), CLOCK(17) };
    assert_false(holds(&schedule, AT(0, 7) - 1));
    assert_true(holds(&schedule, AT(0, 7)));
    assert_true(holds(&schedule, AT(4, 17) - 1));
    assert_false(holds(&schedule, AT(4, 17)));
    assert_false(holds(&schedule, AT(5, 12)));
    assert_false(holds(&schedule, AT(6, 12)));
    assert_true(holds(&schedule, AT(7, 12)));
}

static void a_span_over_midnight_belongs_to_the_day_on_which_it_begins(void **state)
{
    (void)state;
    struct rule_schedule schedule = { 1u << 4, CLOCK(18), CLOCK(6) }; /* Friday evening */
    assert_false(holds(&schedule, AT(4, 3)));
    assert_false(holds(&schedule, AT(4, 18) - 1));
    assert_true(holds(&schedule, AT(4, 18)));
    assert_true(holds(&schedule, AT(5, 0)));
    assert_true(holds(&schedule, AT(5, 6) - 1));
    assert_false(holds(&schedule, AT(5, 6)));
    assert_false(holds(&schedule, AT(5, 19)));
    schedule.days = 1u << 6; /* Sunday's reaches into Monday */
    assert_true(holds(&schedule, AT(0, 3)));
}

static void from_equal_to_until_is_a_whole_day_from_then_on(void **state)
{
    (void)state;
    struct rule_schedule schedule = { 1u << 2, 0, 0 };
    assert_false(holds(&schedule, AT(2, 0) - 1));
    assert_true(holds(&schedule, AT(2, 0)));
    assert_true(holds(&schedule, AT(3, 0) - 1));
    assert_false(holds(&schedule, AT(3, 0)));
    schedule.from_s = schedule.until_s = CLOCK(6);
    assert_false(holds(&schedule, AT(2, 5)));
    assert_true(holds(&schedule, AT(3, 5)));
    assert_false(holds(&schedule, AT(3, 6)));
}

/* As long as a span lasts, from each day of the last two on which one may begin. */
static bool plainly(const struct rule_schedule *schedule, int64_t time_ns, int32_t offset_s)
{
    time_t local = (time_t)(time_ns / S + offset_s);
    int32_t lasts = (schedule->until_s - schedule->from_s + 86400 - 1) % 86400 + 1;
    for (int back = 0; back < 2; back++) {
        struct tm day;
        time_t at = local - back * 86400;
        assert_non_null(gmtime_r(&at, &day));
        time_t midnight = at - day.tm_hour * 3600 - day.tm_min * 60 - day.tm_sec;
        time_t since = local - midnight - schedule->from_s;
        unsigned bit = 1u << (day.tm_wday + 6) % 7;
        if ((schedule->days & bit) != 0 && since >= 0 && since < lasts) {
            return true;
        }
    }
    return schedule->days == 0;
}

static void any_schedule_agrees_with_the_calendar(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    unsigned held = 0, rounds = 200000;
    for (unsigned i = 0; i < rounds; i++) {
        struct rule_schedule schedule = { (unsigned)draw_below(&draws, 128),
                                          (int32_t)draw_below(&draws, 96) * 900,
                                          (int32_t)draw_below(&draws, 97) * 900 };
        int64_t time_ns = (int64_t)draw_below(&draws, 4000000000) * S;
        int32_t offset = ((int32_t)draw_below(&draws, 105) - 48) * 900;
        if (draw_below(&draws, 3) == 0) { /* at an edge, give or take a second */
            time_ns = (time_ns / S / 86400 * 86400 + schedule.from_s - offset + 86400 - 1 +
                       (int64_t)draw_below(&draws, 3)) *
                      S;
        }
        time_ns = time_ns < 0 ? 0 : time_ns;
        bool wanted = plainly(&schedule, time_ns, offset);
        if (alarm_schedule_holds(&schedule, time_ns, offset) != wanted) {
            fail_msg("days %x, %d to %d, at %lld, offset %d: wanted %d", schedule.days,
                     schedule.from_s, schedule.until_s, (long long)(time_ns / S), offset, wanted);
        }
        held += wanted;
    }
    assert_true(held > rounds / 10 && held < rounds - rounds / 10);
}

static void west_of_greenwich_the_first_day_has_an_evening_before(void **state)
{
    (void)state;
    struct rule_schedule schedule = { 1u << 2, CLOCK(17), CLOCK(20) }; /* 31 December 1969 */
    assert_true(alarm_schedule_holds(&schedule, 0, -5 * 3600));
    assert_false(alarm_schedule_holds(&schedule, 0, -8 * 3600));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_days_it_always_holds),
        cmocka_unit_test(from_belongs_to_it_and_until_does_not),
        cmocka_unit_test(a_span_over_midnight_belongs_to_the_day_on_which_it_begins),
        cmocka_unit_test(from_equal_to_until_is_a_whole_day_from_then_on),
        cmocka_unit_test(any_schedule_agrees_with_the_calendar),
        cmocka_unit_test(west_of_greenwich_the_first_day_has_an_evening_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
