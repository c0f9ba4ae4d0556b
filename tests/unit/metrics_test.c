/* /metrics: every line is of the text format, every family is announced once, labels are escaped.
 */
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "console_sample.h"

#define NAME      "[a-zA-Z_:][a-zA-Z0-9_:]*"
#define LABEL     "[a-zA-Z_][a-zA-Z0-9_]*=\"([^\\\"]|\\\\[\\\"n])*\""
#define SAMPLE    "^(" NAME ")(\\{" LABEL "(," LABEL ")*\\})? (-?[0-9]+(\\.[0-9]+)?)$"
#define LINES_MAX 400

static struct text_buffer text;
static char *lines[LINES_MAX];
static size_t line_count;

static void render(const struct console_view *view)
{
    console_metrics(view, &text);
    assert_false(text.failed);
    assert_int_equal(text.data[text.used - 1], '\n');
    line_count = 0;
    char *rest = text.data;
    for (char *line = strtok_r(rest, "\n", &rest); line != NULL;
         line = strtok_r(rest, "\n", &rest)) {
        assert_true(line_count < LINES_MAX);
        lines[line_count++] = line;
    }
}

static int render_sample(void **state)
{
    (void)state;
    struct console_view view;
    sample_fill(&view);
    render(&view);
    return 0;
}

static int clear(void **state)
{
    (void)state;
    text_buffer_free(&text);
    return 0;
}

static size_t count_line(const char *wanted)
{
    size_t count = 0;
    for (size_t i = 0; i < line_count; i++) {
        count += strcmp(lines[i], wanted) == 0;
    }
    return count;
}

static void assert_line(const char *wanted)
{
    if (count_line(wanted) != 1) {
        fail_msg("%zu times instead of once: %s", count_line(wanted), wanted);
    }
}

static void every_line_parses_under_its_family(void **state)
{
    (void)state;
    regex_t sample;
    char family[128] = "", type[16] = "";
    assert_int_equal(regcomp(&sample, SAMPLE, REG_EXTENDED), 0);
    for (size_t i = 0; i < line_count; i++) {
        regmatch_t match[2];
        if (strncmp(lines[i], "# HELP ", 7) == 0) {
            char next[128];
            assert_int_equal(sscanf(lines[i], "# HELP %127s", family), 1);
            assert_true(i + 1 < line_count);
            assert_int_equal(sscanf(lines[++i], "# TYPE %127s %15s", next, type), 2);
            assert_string_equal(next, family);
            assert_true(strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0);
            size_t length = strlen(family);
            bool total = length > 6 && strcmp(family + length - 6, "_total") == 0;
            assert_int_equal(total, strcmp(type, "counter") == 0);
            continue;
        }
        if (regexec(&sample, lines[i], 2, match, 0) != 0) {
            fail_msg("no sample: %s", lines[i]);
        }
        assert_int_equal(match[1].rm_eo, strlen(family));
        assert_memory_equal(lines[i], family, strlen(family));
    }
    regfree(&sample);
}

static void no_series_stands_twice(void **state)
{
    (void)state;
    for (size_t i = 0; i < line_count; i++) {
        size_t length = strlen(lines[i]) - strlen(strrchr(lines[i], ' '));
        for (size_t j = 0; j < i; j++) {
            bool same = strncmp(lines[i], lines[j], length) == 0 && lines[j][length] == ' ';
            if (same && lines[i][0] != '#') {
                fail_msg("twice: %s", lines[i]);
            }
        }
    }
}

static void counts_stations_and_totals(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "phusa_build_info{version=\"0.1.0\"} 1",
        "phusa_uptime_seconds 93784.000",
        "phusa_ready 1",
        "phusa_readings_pending 412",
        "phusa_ledger_readings_total{state=\"received\"} 1234567",
        "phusa_readings_received_total{site=\"my-tho\",station=\"mt-cang\"} 2000",
        "phusa_readings_accepted_total{site=\"my-tho\",station=\"mt-cang\"} 1800",
        "phusa_readings_duplicate_total{site=\"my-tho\",station=\"mt-cang\"} 3",
        "phusa_station_missing_reports{site=\"phu-quoc\",station=\"pq-duong-dong\"} 5",
        "phusa_station_readings_stored_total{site=\"phu-quoc\",station=\"pq-duong-dong\"} 5396",
        "phusa_readings_time_reconstructed_total{site=\"phu-quoc\",station=\"pq-duong-dong\"} 7",
        "phusa_station_clock_difference_seconds{site=\"phu-quoc\",station=\"pq-duong-dong\"} "
        "310.500",
        "phusa_ledger_reports_missing 5",
        "phusa_ledger_reports_closed_total{reason=\"overwritten\"} 12",
        "phusa_ledger_reports_closed_total{reason=\"log_erased\"} 4",
        "phusa_ledger_reports_closed_total{reason=\"log_forgotten\"} 3",
        "phusa_ledger_went_back_total 1",
        "phusa_ledger_renumbered_reports_total 2",
        "phusa_station_online{site=\"my-tho\",station=\"mt-cau\"} 1",
        "phusa_station_online{site=\"my-tho\",station=\"mt-cang\"} 0",
        "phusa_alarms_active{severity=\"severe\"} 1",
        "phusa_alarms_active{severity=\"extreme\"} 0",
        "phusa_alarms{state=\"UNACK\"} 1",
        "phusa_alarms{state=\"ACKED\"} 1",
        "phusa_alarms{state=\"SHLVD\"} 0",
        "phusa_notifications_delivered_total{channel=\"text\"} 41",
        "phusa_notifications_failed_later_total{channel=\"text\"} 5",
        "phusa_delivery_reports_noted_total{channel=\"text\"} 7",
        "phusa_delivery_reports_overdue{channel=\"text\"} 2",
        "phusa_delivery_reports_refused_total 3",
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        assert_line(wanted[i]);
    }
}

static void names_only_reasons_that_occurred(void **state)
{
    (void)state;
    size_t count = 0;
    for (size_t i = 0; i < line_count; i++) {
        count += strncmp(lines[i], "phusa_readings_quarantined_total{", 33) == 0;
    }
    assert_int_equal(count, 2);
    assert_line(
        "phusa_readings_quarantined_total{site=\"my-tho\",station=\"mt-cang\",reason=\"unit\"} 7");
    assert_line("phusa_readings_quarantined_total{site=\"\",station=\"\",reason=\"topic\"} 3");
}

static void ages_only_gaps_that_are_open(void **state)
{
    (void)state;
    size_t count = 0;
    for (size_t i = 0; i < line_count; i++) {
        count += strncmp(lines[i], "phusa_ledger_oldest_gap_seconds{", 32) == 0;
    }
    assert_int_equal(count, 1);
    assert_line("phusa_ledger_oldest_gap_seconds{site=\"phu-quoc\",station=\"pq-duong-dong\"} "
                "10800.000");
}

static void tells_of_journal_and_start(void **state)
{
    (void)state;
    struct console_view view = { .totals = { .journal_held = true,
                                             .journal_writable = true,
                                             .journal_sync_failures = 2,
                                             .journal_rewritten = 30,
                                             .journal_damaged = 4096,
                                             .snapshot_position = 77,
                                             .snapshot_age_ns = 1500 * MILLI_NS,
                                             .snapshot_bytes = 9000,
                                             .start_progress = 0.4375,
                                             .broker_dropped = 6,
                                             .spool_lost = 8 } };
    static const char *const wanted[] = {
        "phusa_journal_held 1",
        "phusa_journal_writable 0",
        "phusa_journal_sync_failures_total 2",
        "phusa_journal_rewritten_records_total 30",
        "phusa_journal_damaged_bytes_total 4096",
        "phusa_snapshot_position 77",
        "phusa_snapshot_age_seconds 1.500",
        "phusa_snapshot_bytes 9000",
        "phusa_start_progress 0.4375",
        "phusa_broker_dropped_total 6",
        "phusa_spool_lost_readings_total 8",
    };
    render(&view);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        assert_line(wanted[i]);
    }
    every_line_parses_under_its_family(NULL);
}

static void counts_flags_windows_and_indices(void **state)
{
    (void)state;
    struct console_station stations[3] = { 0 };
    struct console_view view = { .station_count = 3, .stations = stations };
    const struct station station = { .id = "a", .site = "s" };
    const struct station other = { .id = "b", .site = "s" }, third = { .id = "c", .site = "s" };
    view.totals.now.ns = SAMPLE_NOW_S * SECOND_NS;
    view.totals.flagged[PHUSA_FLAG_GOOD] = 90;
    view.totals.flagged[PHUSA_FLAG_SUSPECT] = 7;
    view.totals.flagged[PHUSA_FLAG_FAIL] = 3;
    view.totals.windows_told = 55;
    view.totals.corrections = 4;
    stations[0] = (struct console_station){ .station = &station };
    stations[1] = (struct console_station){ .station = &other };
    stations[2] = (struct console_station){ .station = &third };
    stations[0].hour = (struct console_index){ .end_ns = view.totals.now.ns, .level = "very-bad" };
    stations[1].hour =
        (struct console_index){ .end_ns = view.totals.now.ns - 1 - CONSOLE_INDEX_FRESH_NS,
                                .level = "good" };
    static const char *const wanted[] = {
        "phusa_readings_flagged_total{flag=\"good\"} 90",
        "phusa_readings_flagged_total{flag=\"not_evaluated\"} 0",
        "phusa_readings_flagged_total{flag=\"suspect\"} 7",
        "phusa_readings_flagged_total{flag=\"fail\"} 3",
        "phusa_readings_flagged_total{flag=\"missing\"} 0",
        "phusa_windows_told_total 55",
        "phusa_corrections_total 4",
        "phusa_index_stations{level=\"very-bad\"} 1",
        "phusa_index_stations{level=\"good\"} 0", /* not of the last hours */
    };
    render(&view);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        assert_line(wanted[i]);
    }
    every_line_parses_under_its_family(NULL);
}

static void escapes_labels(void **state)
{
    (void)state;
    static const struct station hostile = { .id = "a\"b\\c\nd", .site = "s" };
    struct console_station station = { .station = &hostile, .received = 1 };
    struct console_view view = { .station_count = 1, .stations = &station };
    render(&view);
    assert_line("phusa_readings_received_total{site=\"s\",station=\"a\\\"b\\\\c\\nd\"} 1");
    every_line_parses_under_its_family(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_line_parses_under_its_family, render_sample, clear),
        cmocka_unit_test_setup_teardown(no_series_stands_twice, render_sample, clear),
        cmocka_unit_test_setup_teardown(counts_stations_and_totals, render_sample, clear),
        cmocka_unit_test_setup_teardown(names_only_reasons_that_occurred, render_sample, clear),
        cmocka_unit_test_setup_teardown(ages_only_gaps_that_are_open, render_sample, clear),
        cmocka_unit_test_teardown(tells_of_journal_and_start, clear),
        cmocka_unit_test_teardown(counts_flags_windows_and_indices, clear),
        cmocka_unit_test_teardown(escapes_labels, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
