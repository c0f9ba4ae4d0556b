/* The station's log: wrap, reopen, power cuts at every flash operation, damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "log.h"
#include "station_flash.h"

#define MINUTE INT64_C(60000000000)
#define EPOCH  INT64_C(1700000000000000000)
#define SMALL  512u /* block size: six records of three values */
#define LAYOUT "\4temp\0\2ph\0\5level\0"

static struct station_log log_open(struct fake_flash *flash, uint32_t fresh_id)
{
    struct station_log log;
    struct hal_flash hal = fake_flash_hal(flash);
    assert_int_equal(station_log_open(&log, &hal, fresh_id, LAYOUT, sizeof LAYOUT - 1),
                     STATION_LOG_OK);
    return log;
}

/* A record that can be told from its number alone. */
static struct station_record record_of(uint64_t seq)
{
    struct station_record record = { .time_ns = EPOCH + (int64_t)seq * MINUTE,
                                     .present = seq % 5 == 0 ? 5 : 7,
                                     .calibrating = seq % 7 == 0 ? 1 : 0,
                                     .fault = seq % 11 == 0 ? 4 : 0 };
    for (unsigned i = 0; i < 3; i++) {
        record.values[i] = (record.present >> i & 1) != 0 ? (double)seq + i / 8.0 : 0;
    }
    return record;
}

static void assert_record(const struct station_record *record, uint64_t seq)
{
    struct station_record expected = record_of(seq);
    assert_true(record->seq == seq);
    assert_true(record->time_ns == expected.time_ns);
    assert_int_equal(record->present, expected.present);
    assert_int_equal(record->calibrating, expected.calibrating);
    assert_int_equal(record->fault, expected.fault);
    assert_memory_equal(record->values, expected.values, sizeof record->values);
}

static bool append(struct station_log *log)
{
    struct station_record record = record_of(log->next);
    return station_log_append(log, &record) == STATION_LOG_OK &&
           station_log_sync(log) == STATION_LOG_OK;
}

static void assert_holds(const struct station_log *log, uint64_t first, uint64_t last)
{
    struct station_log_cursor cursor = { 0 };
    struct station_record record;
    for (uint64_t seq = first; seq <= last; seq++) {
        assert_int_equal(station_log_read(log, &cursor, seq, &record), STATION_LOG_OK);
        assert_record(&record, seq);
    }
}

static void test_new_log_is_empty(void **state)
{
    (void)state;
    struct fake_flash flash;
    fake_flash_create(&flash, SMALL, 4, 1);
    struct station_log log = log_open(&flash, 0x5f3a09c1);
    struct station_log_cursor cursor = { 0 };
    struct station_record record;
    assert_int_equal(log.id, 0x5f3a09c1);
    assert_true(log.first == 1 && log.next == 1);
    assert_true(station_log_days(&log) <= 0);
    assert_int_equal(station_log_read(&log, &cursor, 1, &record), STATION_LOG_ABSENT);
    fake_flash_destroy(&flash);
}

static void test_wrap_and_reopen(void **state)
{
    (void)state;
    struct fake_flash flash;
    fake_flash_create(&flash, SMALL, 4, 1);
    struct station_log log = log_open(&flash, 7);
    for (uint64_t seq = 1; seq <= 1000; seq++) {
        assert_true(append(&log));
        assert_true(log.next == seq + 1);
        assert_true(seq < 19 || seq - log.first >= 17); /* three blocks are always held */
        struct station_log again = log_open(&flash, 99);
        assert_int_equal(again.id, 7);
        assert_true(again.first == log.first && again.next == log.next);
        assert_true(again.first_time_ns == log.first_time_ns);
        assert_true(again.last_time_ns == log.last_time_ns);
        assert_int_equal(again.write_offset, log.write_offset);
        assert_holds(&again, log.first, seq);
        log = again;
    }
    double days = (double)(log.next - 1 - log.first) / 1440.0;
    assert_true(station_log_days(&log) > days * 0.999 && station_log_days(&log) < days * 1.001);
    assert_false(flash.rule_broken);
    fake_flash_destroy(&flash);
}

static void test_random_reading(void **state)
{
    (void)state;
    struct fake_flash flash;
    fake_flash_create(&flash, SMALL, 64, 1);
    struct station_log log = log_open(&flash, 7);
    for (int i = 0; i < 700; i++) {
        assert_true(append(&log));
    }
    uint64_t random = 3;
    struct station_log_cursor cursor = { 0 };
    struct station_record record;
    for (int i = 0; i < 20000; i++) {
        uint64_t seq = log.first + fake_random(&random) % (log.next - log.first);
        assert_int_equal(station_log_read(&log, &cursor, seq, &record), STATION_LOG_OK);
        assert_record(&record, seq);
    }
    assert_int_equal(station_log_read(&log, &cursor, log.first - 1, &record), STATION_LOG_ABSENT);
    assert_int_equal(station_log_read(&log, &cursor, log.next, &record), STATION_LOG_ABSENT);
    fake_flash_destroy(&flash);
}

/* Appends until the power goes; returns the last number that was confirmed by a sync. */
static uint64_t append_until_cut(struct station_log *log, unsigned count)
{
    uint64_t confirmed = log->next - 1;
    for (unsigned i = 0; i < count; i++) {
        if (!append(log)) {
            break;
        }
        confirmed = log->next - 1;
    }
    return confirmed;
}

/* What a log must be after the power came back. */
static void assert_recovered(const struct station_log *before, const struct station_log *after,
                             uint64_t confirmed)
{
    if (confirmed > 0) {
        assert_int_equal(after->id, before->id);
    }
    assert_true(after->next > confirmed);
    assert_true(after->next <= before->next + 1);
    uint64_t first = before->first > after->first ? before->first : after->first;
    if (confirmed >= before->first) {
        assert_true(after->first <= before->first || before->first == before->next);
        assert_holds(after, first, confirmed);
    }
}

static void cut_everywhere(bool lose_unsynced)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        long cut = 0;
        for (bool was_cut = true; was_cut; cut++) {
            struct fake_flash flash;
            fake_flash_create(&flash, SMALL, 4, seed * 1000 + (uint64_t)cut);
            flash.lose_unsynced = lose_unsynced;
            flash.cut_at = cut;
            struct station_log log = log_open(&flash, 7);
            uint64_t confirmed = append_until_cut(&log, 60);
            was_cut = flash.cut;
            fake_flash_power_on(&flash);
            struct station_log again = log_open(&flash, 8);
            assert_recovered(&log, &again, confirmed);
            uint64_t from = again.next;
            append_until_cut(&again, 40);
            assert_true(again.next == from + 40);
            assert_holds(&again, again.first > from ? again.first : from, from + 39);
            assert_false(flash.rule_broken);
            fake_flash_destroy(&flash);
        }
        assert_true(cut > 150);
    }
}

static void test_cut_at_each_operation(void **state)
{
    (void)state;
    cut_everywhere(false);
}

static void test_cut_that_loses_unsynced(void **state)
{
    (void)state;
    cut_everywhere(true);
}

static void test_thousands_of_cuts(void **state)
{
    (void)state;
    struct fake_flash flash;
    fake_flash_create(&flash, SMALL, 8, 42);
    flash.lose_unsynced = true;
    uint64_t random = 42;
    struct station_log log = log_open(&flash, 7);
    for (int i = 0; i < 5000; i++) {
        flash.cut_at = (long)(fake_random(&random) % 25);
        uint64_t confirmed = append_until_cut(&log, 10);
        fake_flash_power_on(&flash);
        struct station_log again = log_open(&flash, 1000 + (uint32_t)i);
        assert_recovered(&log, &again, confirmed);
        log = again;
    }
    assert_true(log.next > 5000);
    assert_false(flash.rule_broken);
    fake_flash_destroy(&flash);
}

/* Any single byte may be wrong: the others are still read, and the log goes on. */
static void test_damage(void **state)
{
    (void)state;
    struct fake_flash flash;
    fake_flash_create(&flash, SMALL, 4, 1);
    struct station_log log = log_open(&flash, 7);
    for (int i = 0; i < 40; i++) {
        assert_true(append(&log));
    }
    for (uint32_t at = 0; at < SMALL * 4; at++) {
        uint8_t kept[SMALL * 4];
        memcpy(kept, flash.now, sizeof kept);
        flash.now[at] ^= (uint8_t)(1u << at % 8);
        struct station_log again = log_open(&flash, 8);
        struct station_log_cursor cursor = { 0 };
        struct station_record record;
        unsigned lost = 0;
        for (uint64_t seq = log.first; seq < log.next; seq++) {
            if (station_log_read(&again, &cursor, seq, &record) == STATION_LOG_OK) {
                assert_record(&record, seq);
            } else {
                lost++;
            }
        }
        assert_true(lost <= 1);
        flash.rule_broken = false;
        assert_true(append(&again));
        assert_false(flash.rule_broken);
        assert_holds(&again, again.next - 1, again.next - 1);
        assert_int_equal(fake_flash_sync(&flash), HAL_OK);
        memcpy(flash.now, kept, sizeof kept);
    }
    fake_flash_destroy(&flash);
}

static void test_bad_block_is_left_out(void **state)
{
    (void)state;
    struct fake_flash flash;
    fake_flash_create(&flash, SMALL, 6, 1);
    struct station_log log = log_open(&flash, 7);
    for (int i = 0; i < 100; i++) {
        flash.bad_block = i < 50 ? UINT32_MAX : 2;
        assert_true(append(&log));
        assert_holds(&log, log.first, log.next - 1);
    }
    struct station_log again = log_open(&flash, 8);
    assert_true(again.next == log.next);
    assert_holds(&again, log.first, log.next - 1);
    fake_flash_destroy(&flash);
}

static void test_layout_changes(void **state)
{
    (void)state;
    struct fake_flash flash;
    fake_flash_create(&flash, SMALL, 4, 1);
    struct station_log log = log_open(&flash, 7);
    assert_true(append(&log));
    struct hal_flash hal = fake_flash_hal(&flash);
    static const char other[] = "\4temp\0\2do\0\2ec\0";
    assert_int_equal(station_log_open(&log, &hal, 8, other, sizeof other - 1), STATION_LOG_OK);
    assert_true(append(&log));
    struct station_log_cursor cursor = { 0 };
    struct station_record record;
    char layout[64];
    assert_int_equal(station_log_read(&log, &cursor, 1, &record), STATION_LOG_OK);
    assert_false(station_log_layout_is_current(&log, record.block));
    assert_int_equal(station_log_layout(&log, record.block, layout, sizeof layout),
                     sizeof LAYOUT - 1);
    assert_memory_equal(layout, LAYOUT, sizeof LAYOUT - 1);
    assert_int_equal(station_log_read(&log, &cursor, 2, &record), STATION_LOG_OK);
    assert_true(station_log_layout_is_current(&log, record.block));
    fake_flash_destroy(&flash);
}

static void test_skip_and_covered_survive(void **state)
{
    (void)state;
    struct fake_flash flash;
    fake_flash_create(&flash, SMALL, 4, 1);
    struct station_log log = log_open(&flash, 7);
    assert_true(append(&log));
    station_log_note_covered(&log, 1);
    station_log_skip(&log, 100);
    station_log_skip(&log, 50);
    assert_true(log.next == 100);
    assert_true(append(&log));
    struct station_log again = log_open(&flash, 8);
    struct station_log_cursor cursor = { 0 };
    struct station_record record;
    assert_true(again.next == 101 && again.first == 1 && again.covered == 1);
    assert_int_equal(station_log_read(&again, &cursor, 50, &record), STATION_LOG_ABSENT);
    assert_holds(&again, 100, 100);
    assert_holds(&again, 1, 1);
    fake_flash_destroy(&flash);
}

static void test_impossible_geometry(void **state)
{
    (void)state;
    static const struct {
        uint32_t size, count;
        size_t layout;
    } cases[] = { { 256, 8, 4 },
                  { 512, 1, 4 },
                  { 516, 8, 4 },
                  { 512, 8, 300 },
                  { 4096, 8, STATION_LOG_LAYOUT_MAX + 1 },
                  { 4096, UINT32_MAX / 2048, 4 } };
    static const uint8_t layout[STATION_LOG_LAYOUT_MAX + 1];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct station_log log;
        struct hal_flash hal = { .block_size = cases[i].size, .block_count = cases[i].count };
        assert_int_equal(station_log_open(&log, &hal, 1, layout, cases[i].layout),
                         STATION_LOG_BROKEN);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_log_is_empty),
        cmocka_unit_test(test_wrap_and_reopen),
        cmocka_unit_test(test_random_reading),
        cmocka_unit_test(test_cut_at_each_operation),
        cmocka_unit_test(test_cut_that_loses_unsynced),
        cmocka_unit_test(test_thousands_of_cuts),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_bad_block_is_left_out),
        cmocka_unit_test(test_layout_changes),
        cmocka_unit_test(test_skip_and_covered_survive),
        cmocka_unit_test(test_impossible_geometry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
