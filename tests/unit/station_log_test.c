/*
 * The station's log: wrap, reopen, power cuts and failures at every flash operation, damage,
 * what an open costs, what the default size holds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <string.h>

#include "log.h"
#include "port/fake/flash.h"
#include "port/fake/random.h"
#include "port/posix/flash_file.h"

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
    for (uint64_t seed = 1; seed <= 12; seed++) {
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

/* --- a life ------------------------------------------------------------------------------ */

#define LIFE_SEQS 60000

/* What the log owes us. A report can be told from every other by its attempt. */
struct life {
    struct fake_flash flash;
    struct station_log log;
    uint64_t random, attempt;
    uint64_t tried[LIFE_SEQS]; /* the attempt that got the number last */
    uint64_t known;            /* numbers below are synced: the attempt is the one that counts */
    uint64_t gone;             /* numbers below were overwritten, though a cut may leave some */
    uint64_t refused, failed_syncs;
};

static void life_append(struct life *life)
{
    struct station_record record = record_of(life->log.next);
    record.present = 7;
    record.values[1] = (double)++life->attempt;
    uint64_t next = life->log.next;
    if (station_log_append(&life->log, &record) == STATION_LOG_OK) {
        assert_true(record.seq == next && life->log.next == next + 1);
        life->tried[record.seq] = life->attempt;
    } else {
        assert_true(life->log.next == next);
        life->refused++;
    }
    if (station_log_sync(&life->log) == STATION_LOG_OK) {
        life->known = life->log.next;
    } else {
        life->failed_syncs++;
    }
    life->gone = life->log.first > life->gone ? life->log.first : life->gone;
}

/* Every synced report that was not overwritten is there, and is what was synced. */
static void life_check(const struct life *life)
{
    struct station_log_cursor cursor = { 0 };
    struct station_record record;
    char layout[64];
    assert_true(life->log.next >= life->known);
    for (uint64_t seq = life->gone; seq < life->known; seq++) {
        if (life->tried[seq] != 0) {
            assert_int_equal(station_log_read(&life->log, &cursor, seq, &record), STATION_LOG_OK);
            assert_true(record.seq == seq);
            assert_true(record.values[1] >= (double)life->tried[seq] &&
                        record.values[1] <= (double)life->tried[seq]);
            assert_true(station_log_layout_is_current(&life->log, record.block));
            assert_int_equal(station_log_layout(&life->log, record.block, layout, sizeof layout),
                             sizeof LAYOUT - 1);
        }
    }
}

/* A new process, or the power is back. What was never synced may be there or not. */
static void life_reopen(struct life *life, bool power)
{
    uint64_t first = life->log.first, next = life->log.next;
    uint32_t id = life->log.id;
    life->flash.fail_count = 0;
    life->flash.cut_at = -1;
    if (power) {
        fake_flash_power_on(&life->flash);
    }
    life->log = log_open(&life->flash, 1000 + (uint32_t)life->attempt);
    assert_true(life->log.id == id || life->known <= 1);
    assert_true(life->log.next <= next + 1);
    assert_true(life->log.first <= first || life->known <= first);
    for (uint64_t seq = life->known; seq < LIFE_SEQS; seq++) {
        life->tried[seq] = 0;
    }
    struct station_log_cursor cursor = { 0 };
    struct station_record record;
    for (uint64_t seq = life->known; seq < life->log.next; seq++) {
        if (station_log_read(&life->log, &cursor, seq, &record) == STATION_LOG_OK) {
            life->tried[seq] = (uint64_t)record.values[1];
        }
    }
    if (station_log_sync(&life->log) == STATION_LOG_OK) {
        life->known = life->log.next;
    }
}

static void life_trouble(struct life *life)
{
    struct fake_flash *flash = &life->flash;
    flash->operations = 0;
    flash->fail_count = 0;
    flash->cut_at = -1;
    switch (fake_random(&life->random) % 4) {
    case 0:
        flash->cut_at = (long)(fake_random(&life->random) % 40);
        break;
    case 1:
        flash->failure = (enum fake_failure)(fake_random(&life->random) % FAKE_FAILURES);
        flash->fail_from = (long)(fake_random(&life->random) % 40);
        flash->fail_count = 1L << fake_random(&life->random) % 6;
        break;
    default:
        break;
    }
}

static void live(uint64_t seed, bool lose_unsynced)
{
    static struct life life;
    memset(&life, 0, sizeof life);
    fake_flash_create(&life.flash, SMALL, 8, seed);
    life.flash.lose_unsynced = lose_unsynced;
    life.random = seed;
    life.log = log_open(&life.flash, 7);
    life.known = 1;
    for (int i = 0; i < 2000; i++) {
        life_trouble(&life);
        unsigned count = 1 + fake_random(&life.random) % 20;
        for (unsigned k = 0; k < count && !life.flash.cut; k++) {
            life_append(&life);
        }
        life.flash.fail_count = 0;
        bool cut = life.flash.cut;
        if (cut || fake_random(&life.random) % 3 == 0) {
            life_reopen(&life, cut || fake_random(&life.random) % 2 == 0);
        }
        life_check(&life);
    }
    print_message("seed %llu: %llu reports, %llu attempts, %llu refused, %llu syncs failed\n",
                  (unsigned long long)seed, (unsigned long long)life.log.next - 1,
                  (unsigned long long)life.attempt, (unsigned long long)life.refused,
                  (unsigned long long)life.failed_syncs);
    assert_true(life.log.next > 10000 && life.refused > 0 && life.failed_syncs > 0);
    fake_flash_destroy(&life.flash);
}

static void test_a_life_of_cuts_and_failures(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        live(seed, seed % 2 == 0);
    }
}

/* --- a flash that fails ------------------------------------------------------------------ */

/* A flash that fails for good costs a few of the oldest blocks, not the ring. */
static void test_broken_flash_keeps_what_it_holds(void **state)
{
    (void)state;
    for (int failure = 0; failure < FAKE_FAILURES; failure++) {
        struct fake_flash flash;
        fake_flash_create(&flash, SMALL, 16, 1);
        struct station_log log = log_open(&flash, 7);
        for (int i = 0; i < 300; i++) {
            assert_true(append(&log));
        }
        uint64_t first = log.first, next = log.next;
        flash.failure = (enum fake_failure)failure;
        flash.fail_count = 1000000;
        for (int i = 0; i < 30; i++) {
            (void)append(&log);
        }
        assert_true(log.first <= first + 5 * 6);
        assert_true(failure == FAKE_DOES_ALL || log.next == next);
        flash.fail_count = 0;
        assert_int_equal(station_log_sync(&log), STATION_LOG_OK);
        struct station_log again = log_open(&flash, 8);
        assert_true(again.id == 7 && again.next >= next);
        assert_holds(&again, log.first, next - 1);
        next = again.next;
        assert_true(append(&again));
        assert_holds(&again, next, next);
        fake_flash_destroy(&flash);
    }
}

/* A log that may be there is not begun anew because it cannot be read today. */
static void test_unreadable_flash_is_no_new_log(void **state)
{
    (void)state;
    struct fake_flash flash;
    fake_flash_create(&flash, SMALL, 4, 1);
    struct station_log log = log_open(&flash, 7);
    assert_true(append(&log));
    struct hal_flash hal = fake_flash_hal(&flash);
    flash.unreadable = true;
    assert_int_equal(station_log_open(&log, &hal, 8, LAYOUT, sizeof LAYOUT - 1),
                     STATION_LOG_BROKEN);
    flash.unreadable = false;
    log = log_open(&flash, 9);
    assert_true(log.id == 7 && log.next == 2);
    fake_flash_destroy(&flash);
}

/* What was found at the start may be somebody's unsynced writes: the first sync is a real one. */
static void test_first_sync_after_open_is_done(void **state)
{
    (void)state;
    struct fake_flash flash;
    fake_flash_create(&flash, SMALL, 4, 1);
    struct station_log log = log_open(&flash, 7);
    struct station_record record = record_of(1);
    assert_int_equal(station_log_append(&log, &record), STATION_LOG_OK);
    log = log_open(&flash, 8); /* the process was killed before its sync */
    assert_true(log.next == 2 && flash.pending_count > 0);
    assert_int_equal(station_log_sync(&log), STATION_LOG_OK);
    assert_int_equal(flash.pending_count, 0);
    fake_flash_destroy(&flash);
}

/* --- damage ------------------------------------------------------------------------------ */

/* Opens a damaged log: it starts, reads all but at most `lost` reports, and goes on. */
static void assert_survives(struct fake_flash *flash, const struct station_log *whole,
                            unsigned most_lost)
{
    struct station_log again = log_open(flash, 8);
    struct station_log_cursor cursor = { 0 };
    struct station_record record;
    unsigned lost = 0;
    for (uint64_t seq = whole->first; seq < whole->next; seq++) {
        if (station_log_read(&again, &cursor, seq, &record) == STATION_LOG_OK) {
            assert_record(&record, seq);
        } else {
            lost++;
        }
    }
    assert_in_range(lost, 0, most_lost);
    flash->rule_broken = false;
    assert_true(append(&again));
    assert_false(flash->rule_broken);
    assert_holds(&again, again.next - 1, again.next - 1);
}

#define RING_BYTES (SMALL * 4)

static struct station_log fill_ring(struct fake_flash *flash)
{
    fake_flash_create(flash, SMALL, 4, 1);
    struct station_log log = log_open(flash, 7);
    for (int i = 0; i < 40; i++) {
        assert_true(append(&log));
    }
    return log;
}

/* Any single byte may be wrong: the others are still read, and the log goes on. */
static void test_damage_to_each_byte(void **state)
{
    (void)state;
    struct fake_flash flash;
    struct station_log log = fill_ring(&flash);
    uint8_t kept[RING_BYTES];
    memcpy(kept, flash.now, sizeof kept);
    for (uint32_t at = 0; at < RING_BYTES; at++) {
        for (unsigned bit = 0; bit < 9; bit++) {
            flash.now[at] ^= (uint8_t)(bit < 8 ? 1u << bit : 0xffu);
            assert_survives(&flash, &log, 1);
            assert_int_equal(fake_flash_sync(&flash), HAL_OK);
            memcpy(flash.now, kept, sizeof kept);
        }
    }
    fake_flash_destroy(&flash);
}

/* The end of the flash is erased from each length on: what lies before is read. */
static void test_cut_off_at_each_length(void **state)
{
    (void)state;
    struct fake_flash flash;
    struct station_log log = fill_ring(&flash);
    uint8_t kept[RING_BYTES];
    memcpy(kept, flash.now, sizeof kept);
    for (uint32_t length = 0; length < RING_BYTES; length++) {
        memset(flash.now + length, 0xff, RING_BYTES - length);
        unsigned blocks_cut = (RING_BYTES - length + SMALL - 1) / SMALL;
        assert_survives(&flash, &log, blocks_cut * 6);
        assert_int_equal(fake_flash_sync(&flash), HAL_OK);
        memcpy(flash.now, kept, sizeof kept);
    }
    fake_flash_destroy(&flash);
}

/* A whole block is erased, zero, noise, or the copy of another one. */
static void test_damage_to_each_block(void **state)
{
    (void)state;
    struct fake_flash flash;
    struct station_log log = fill_ring(&flash);
    uint8_t kept[RING_BYTES];
    memcpy(kept, flash.now, sizeof kept);
    for (uint32_t block = 0; block < 4; block++) {
        for (uint32_t kind = 0; kind < 3 + 4; kind++) {
            uint8_t *bytes = flash.now + (size_t)block * SMALL;
            for (uint32_t i = 0; i < SMALL; i++) {
                bytes[i] = kind == 0   ? 0xff
                           : kind == 1 ? 0x00
                           : kind == 2 ? (uint8_t)fake_random(&flash.random)
                                       : kept[(kind - 3) * SMALL + i];
            }
            assert_survives(&flash, &log, kind < 3 ? 6 : 24);
            assert_int_equal(fake_flash_sync(&flash), HAL_OK);
            memcpy(flash.now, kept, sizeof kept);
        }
    }
    fake_flash_destroy(&flash);
}

/* At the last ordinal there is no next block: refused, and what there is stays. */
static void test_last_ordinal(void **state)
{
    (void)state;
    struct fake_flash flash;
    struct station_log log = fill_ring(&flash);
    log.head_number = UINT32_MAX - 1; /* as if it had run for 136 years */
    while (append(&log)) {
    }
    assert_true(log.head_number == UINT32_MAX);
    struct station_log again = log_open(&flash, 8);
    assert_true(again.next == log.next && again.id == 7);
    assert_false(append(&again));
    assert_holds(&again, log.next - 6, log.next - 1);
    fake_flash_destroy(&flash);
}

/* --- cost and size ----------------------------------------------------------------------- */

/* Nine values whose names and units are as long as they may be. */
#define LONG_LAYOUT (9 * (1 + 32 + 1 + 16))

static const uint8_t *long_layout(void)
{
    static uint8_t layout[LONG_LAYOUT];
    for (size_t i = 0; i < 9; i++) {
        uint8_t *at = layout + i * (LONG_LAYOUT / 9);
        memset(at, 'x', LONG_LAYOUT / 9);
        at[0] = 32;
        at[33] = 16;
    }
    return layout;
}

/* The default size, filled until the oldest go, holds 60 days of a report of 9 values a minute. */
static void test_default_size_holds_60_days_and_opens_fast(void **state)
{
    (void)state;
    struct fake_flash flash;
    struct station_log log;
    uint32_t blocks = FLASH_FILE_BYTES_DEFAULT / FLASH_FILE_BLOCK;
    fake_flash_create(&flash, FLASH_FILE_BLOCK, blocks, 1);
    struct hal_flash hal = fake_flash_hal(&flash);
    assert_int_equal(station_log_open(&log, &hal, 7, long_layout(), LONG_LAYOUT), STATION_LOG_OK);
    struct station_record record = { .present = 0x1ff };
    while (log.first < 1000) {
        record.time_ns = EPOCH + (int64_t)log.next * MINUTE;
        assert_int_equal(station_log_append(&log, &record), STATION_LOG_OK);
        assert_int_equal(station_log_sync(&log), STATION_LOG_OK);
    }
    assert_true(log.next - log.first >= 60 * 1440);
    assert_true(station_log_days(&log) >= 60);
    flash.reads = flash.bytes_read = 0;
    assert_int_equal(station_log_open(&log, &hal, 8, long_layout(), LONG_LAYOUT), STATION_LOG_OK);
    print_message("%u blocks hold %.1f days; an open reads %lu times, %lu bytes\n", blocks,
                  station_log_days(&log), flash.reads, flash.bytes_read);
    assert_true(flash.reads < blocks + 300);
    assert_true(flash.bytes_read < blocks * 40ul + 5 * FLASH_FILE_BLOCK);
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

/* The power goes when the block behind the gap was begun, and nothing is in it yet. */
static void test_skip_survives_a_cut(void **state)
{
    (void)state;
    struct fake_flash flash;
    fake_flash_create(&flash, SMALL, 4, 1);
    struct station_log log = log_open(&flash, 7);
    assert_true(append(&log));
    station_log_skip(&log, 100);
    flash.operations = 0;
    flash.cut_at = 4; /* erase, layout, copy, header: the record */
    assert_false(append(&log));
    memset(flash.synced + SMALL + 64, 0xff, SMALL - 64 - 40); /* no byte of it was reached */
    fake_flash_power_on(&flash);
    struct station_log again = log_open(&flash, 8);
    assert_true(again.next == 100 && again.first == 1 && again.head == 0);
    assert_true(append(&again));
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
        cmocka_unit_test(test_a_life_of_cuts_and_failures),
        cmocka_unit_test(test_broken_flash_keeps_what_it_holds),
        cmocka_unit_test(test_unreadable_flash_is_no_new_log),
        cmocka_unit_test(test_first_sync_after_open_is_done),
        cmocka_unit_test(test_damage_to_each_byte),
        cmocka_unit_test(test_cut_off_at_each_length),
        cmocka_unit_test(test_damage_to_each_block),
        cmocka_unit_test(test_last_ordinal),
        cmocka_unit_test(test_default_size_holds_60_days_and_opens_fast),
        cmocka_unit_test(test_bad_block_is_left_out),
        cmocka_unit_test(test_layout_changes),
        cmocka_unit_test(test_skip_and_covered_survive),
        cmocka_unit_test(test_skip_survives_a_cut),
        cmocka_unit_test(test_impossible_geometry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
