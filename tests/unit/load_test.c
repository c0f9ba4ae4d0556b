/* How much people have to bear, against a plain account of the same changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/clock.h"
#include "console/load.h"
#include "draws.h"

#define FROM_NS (INT64_C(1773248400) * SECOND_NS) /* 2026-03-12T00:00+07:00 */
#define DAY_S   86400

static struct load_report finish(struct load *load)
{
    struct load_report report;
    load_finish(load, &report);
    load_free(load);
    return report;
}

static struct load *begin(int64_t seconds, unsigned operators)
{
    struct load *load = load_create(FROM_NS, FROM_NS + seconds * SECOND_NS, operators);
    assert_non_null(load);
    return load;
}

static void nothing_is_no_load(void **state)
{
    (void)state;
    struct load_report report = finish(begin(DAY_S, 1));
    assert_int_equal(report.steps, 144);
    assert_int_equal(report.raises + report.others + report.flooded + report.most, 0);
    assert_int_equal(report.most_at_ns, 0);
    assert_true(report.mean >= 0 && report.mean <= 0);
    assert_int_equal(report.frequent_count + report.standing_count, 0);
}

static void a_begun_ten_minutes_count(void **state)
{
    (void)state;
    assert_int_equal(finish(begin(600, 1)).steps, 1);
    assert_int_equal(finish(begin(601, 1)).steps, 2);
    assert_int_equal(finish(begin(1, 0)).steps, 1);
}

/* EEMUA 191: ten an operator in ten minutes are a flood. */
static void a_flood_is_ten_an_operator(void **state)
{
    (void)state;
    for (unsigned operators = 1; operators <= 2; operators++) {
        struct load *load = begin(1200, operators);
        for (int i = 0; i < 10; i++) {
            load_take(load, "r", "s", SEVERITY_NORMAL, SEVERITY_MINOR, FROM_NS + i * SECOND_NS);
        }
        for (int i = 0; i < 9; i++) {
            load_take(load, "r", "s", SEVERITY_NORMAL, SEVERITY_MINOR,
                      FROM_NS + (600 + i) * SECOND_NS);
        }
        struct load_report report = finish(load);
        assert_int_equal(report.flooded, operators == 1 ? 1 : 0);
        assert_int_equal(report.most, 10);
        assert_int_equal(report.most_at_ns, FROM_NS);
        assert_true(report.mean * operators > 9.49 && report.mean * operators < 9.51);
    }
}

static void a_step_up_is_a_raise_and_a_step_down_none(void **state)
{
    (void)state;
    static const enum severity path[] = { SEVERITY_NORMAL, SEVERITY_MINOR,   SEVERITY_MODERATE,
                                          SEVERITY_SEVERE, SEVERITY_EXTREME, SEVERITY_MINOR,
                                          SEVERITY_NORMAL };
    struct load *load = begin(DAY_S, 1);
    for (size_t i = 1; i < sizeof path / sizeof path[0]; i++) {
        load_take(load, "r", "s", path[i - 1], path[i], FROM_NS + (int64_t)i * 60 * SECOND_NS);
    }
    struct load_report report = finish(load);
    assert_int_equal(report.raises, 4);
    assert_int_equal(report.low, 1);
    assert_int_equal(report.medium, 1);
    assert_int_equal(report.high, 2);
    assert_int_equal(report.standing[0].longest_ns, 300 * SECOND_NS);
    assert_int_equal(report.standing[0].since_ns, 0);
}

static void what_stood_before_counts_from_the_begin(void **state)
{
    (void)state;
    struct load *load = begin(DAY_S, 1);
    load_take(load, "ended", "s", SEVERITY_SEVERE, SEVERITY_NORMAL, FROM_NS + 100 * SECOND_NS);
    load_take(load, "lasts", "s", SEVERITY_NORMAL, SEVERITY_MINOR,
              FROM_NS + (DAY_S - 50) * SECOND_NS);
    load_stand(load, "silent", "s");
    load_stand(load, "ended", "s"); /* its changes say more */
    struct load_report report = finish(load);
    assert_int_equal(report.raises, 1);
    assert_int_equal(report.standing_count, 3);
    assert_string_equal(report.standing[0].rule, "silent");
    assert_int_equal(report.standing[0].longest_ns, DAY_S * SECOND_NS);
    assert_int_equal(report.standing[0].since_ns, FROM_NS);
    assert_int_equal(report.standing[1].longest_ns, 100 * SECOND_NS);
    assert_int_equal(report.standing[2].longest_ns, 50 * SECOND_NS);
    assert_int_equal(report.frequent_count, 1);
    assert_string_equal(report.frequent[0].rule, "lasts");
}

static void beyond_the_table_others_are_counted(void **state)
{
    (void)state;
    struct load *load = begin(DAY_S, 1);
    char station[16];
    for (int i = 0; i < LOAD_SERIES_MAX + 7; i++) {
        (void)snprintf(station, sizeof station, "s%d", i);
        load_take(load, "r", station, SEVERITY_NORMAL, SEVERITY_MINOR, FROM_NS);
        load_take(load, "r", station, SEVERITY_MINOR, SEVERITY_NORMAL, FROM_NS + SECOND_NS);
    }
    struct load_report report = finish(load);
    assert_int_equal(report.raises, LOAD_SERIES_MAX + 7);
    assert_int_equal(report.others, 7);
    assert_int_equal(report.frequent_count, LOAD_TOP);
}

/* --- a plain account ------------------------------------------------------------------------- */

#define SERIES  24
#define CHANGES 4000

struct change {
    int series;
    enum severity from, to;
    int64_t second;
};

struct account {
    struct change changes[CHANGES];
    size_t count;
};

static void draw_changes(struct draws *draws, struct account *account)
{
    enum severity now[SERIES] = { SEVERITY_NORMAL };
    int64_t second = 0;
    account->count = 0;
    while (account->count < CHANGES) {
        second += (int64_t)draw_below(draws, 40);
        int series = (int)draw_below(draws, SERIES);
        series =
            series < (int)draw_below(draws, SERIES) ? series : series / 2; /* some more often */
        enum severity to = (enum severity)draw_below(draws, SEVERITY_EXTREME + 1);
        if (to == now[series] || second >= DAY_S) {
            if (second >= DAY_S) {
                break;
            }
            continue;
        }
        account->changes[account->count++] = (struct change){ series, now[series], to, second };
        now[series] = to;
    }
}

static bool raises(const struct change *change)
{
    return change->to > change->from;
}

static uint64_t raises_between(const struct account *account, int64_t from, int64_t to)
{
    uint64_t count = 0;
    for (size_t i = 0; i < account->count; i++) {
        const struct change *change = &account->changes[i];
        count += raises(change) && change->second >= from && change->second < to ? 1 : 0;
    }
    return count;
}

/* Second by second. */
static int64_t longest_of(const struct account *account, int series)
{
    int64_t longest = 0, run = 0;
    enum severity now = SEVERITY_NORMAL;
    size_t next = 0;
    for (int64_t second = 0; second < DAY_S; second++) {
        for (; next < account->count && account->changes[next].second == second; next++) {
            if (account->changes[next].series != series) {
                continue;
            }
            now = account->changes[next].to;
            run = now == SEVERITY_NORMAL ? 0 : run;
        }
        run = now == SEVERITY_NORMAL ? 0 : run + 1;
        longest = run > longest ? run : longest;
    }
    return longest;
}

static uint64_t raises_of(const struct account *account, int series)
{
    uint64_t count = 0;
    for (size_t i = 0; i < account->count; i++) {
        count += account->changes[i].series == series && raises(&account->changes[i]) ? 1 : 0;
    }
    return count;
}

static int number_of(const struct load_series *series)
{
    return (int)strtol(series->station + 1, NULL, 10);
}

static void check_top(const struct account *account, const struct load_report *report)
{
    uint64_t before = UINT64_MAX;
    int64_t longer = INT64_MAX;
    assert_int_equal(report->frequent_count, LOAD_TOP);
    assert_int_equal(report->standing_count, LOAD_TOP);
    for (size_t i = 0; i < LOAD_TOP; i++) {
        const struct load_series *often = &report->frequent[i], *stands = &report->standing[i];
        assert_int_equal(often->raises, raises_of(account, number_of(often)));
        assert_true(often->raises <= before);
        before = often->raises;
        assert_int_equal(stands->longest_ns, longest_of(account, number_of(stands)) * SECOND_NS);
        assert_true(stands->longest_ns <= longer);
        longer = stands->longest_ns;
    }
    int better = 0;
    for (int series = 0; series < SERIES; series++) {
        better += raises_of(account, series) > report->frequent[LOAD_TOP - 1].raises ? 1 : 0;
    }
    assert_true(better < LOAD_TOP); /* none is left out */
}

static void check_steps(const struct account *account, unsigned operators,
                        const struct load_report *report)
{
    uint64_t flooded = 0, most = 0;
    for (int64_t second = 0; second < DAY_S; second += 600) {
        uint64_t count = raises_between(account, second, second + 600);
        flooded += count >= UINT64_C(10) * operators ? 1 : 0;
        most = count > most ? count : most;
    }
    int64_t worst = (report->most_at_ns - FROM_NS) / SECOND_NS;
    assert_int_equal(report->flooded, flooded);
    assert_int_equal(report->most, most);
    assert_int_equal(raises_between(account, worst, worst + 600), most);
}

static void it_is_what_a_plain_account_says(void **state)
{
    (void)state;
    static struct account account;
    struct draws draws = draws_begin();
    for (unsigned round = 0; round < 20; round++) {
        unsigned operators = 1 + round % 3;
        struct load *load = begin(DAY_S, operators);
        draw_changes(&draws, &account);
        for (size_t i = 0; i < account.count; i++) {
            const struct change *change = &account.changes[i];
            char station[16];
            (void)snprintf(station, sizeof station, "s%d", change->series);
            load_take(load, "r", station, change->from, change->to,
                      FROM_NS + change->second * SECOND_NS);
        }
        struct load_report report = finish(load);
        assert_int_equal(report.raises, raises_between(&account, 0, DAY_S));
        assert_int_equal(report.low + report.medium + report.high, report.raises);
        double mean = (double)report.raises / 144 / operators;
        assert_true(report.mean > mean - 1e-9 && report.mean < mean + 1e-9);
        check_steps(&account, operators, &report);
        check_top(&account, &report);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_no_load),
        cmocka_unit_test(a_begun_ten_minutes_count),
        cmocka_unit_test(a_flood_is_ten_an_operator),
        cmocka_unit_test(a_step_up_is_a_raise_and_a_step_down_none),
        cmocka_unit_test(what_stood_before_counts_from_the_begin),
        cmocka_unit_test(beyond_the_table_others_are_counted),
        cmocka_unit_test(it_is_what_a_plain_account_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
