/*
 * The station's log on a flash that is cut, and in a file on a disk that fails and forgets.
 *
 * Promised is each report that was synced: until the ring overwrites it (which log->first says) it
 * is there, with its own content and under the same identity of the log. Besides: its number is
 * never given again, nothing is read that was not appended, and opening twice finds the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "port/fake/flash.h"
#include "port/posix/flash_file.h"
#include "sweep.h"

#define PATH          "/d/flash"
#define FILE_BLOCKS   7    /* more than the log tries one after the other */
#define LAYOUT_BYTES  1640 /* large, so that few reports fill a block */
#define FIRST_REPORTS 58
#define LATER_REPORTS 4
#define SYNC_EVERY    4
#define SEQ_MAX       256
#define CHANNELS      STATION_CHANNELS_MAX
#define MINUTE_NS     INT64_C(60000000000)

struct promises {
    unsigned lives;
    uint32_t id;                /* of the log, once something was synced */
    uint32_t trials;            /* reports tried, each of its own content */
    uint64_t seqs[SEQ_MAX];     /* by trial: the number it was tried as */
    uint32_t promised[SEQ_MAX]; /* by number: the trial that was synced, 0 = none */
    uint32_t there[SEQ_MAX];    /* by number: the trial that this life read or appended, 0 = none */
    uint64_t synced;            /* the highest number synced */
    uint64_t gone;              /* numbers below it may be overwritten */
};

/* --- reports --------------------------------------------------------------------- */

static struct station_record report_of(uint32_t trial)
{
    struct station_record record = { .time_ns = (int64_t)trial * MINUTE_NS,
                                     .present = UINT32_MAX,
                                     .calibrating = trial & 3,
                                     .fault = trial & 4 };
    for (unsigned i = 0; i < CHANNELS; i++) {
        record.values[i] = trial + i / 64.0;
    }
    return record;
}

static void check_report(const struct promises *promises, const struct station_record *record,
                         uint64_t seq)
{
    uint32_t trial = (uint32_t)(record->time_ns / MINUTE_NS);
    if (record->seq != seq || trial == 0 || trial > promises->trials ||
        promises->seqs[trial] != seq) {
        sweep_broken("what is read as report %llu was never appended", (unsigned long long)seq);
    }
    struct station_record wanted = report_of(trial);
    if (record->present != wanted.present || record->calibrating != wanted.calibrating ||
        record->fault != wanted.fault ||
        memcmp(record->values, wanted.values, sizeof wanted.values) != 0) {
        sweep_broken("report %llu is read, but not as it was", (unsigned long long)seq);
    }
    if (promises->promised[seq] != 0 && promises->promised[seq] != trial) {
        sweep_broken("as report %llu trial %u is read instead of %u", (unsigned long long)seq,
                     trial, promises->promised[seq]);
    }
}

static uint64_t least_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* --- checking ------------------------------------------------------------------------ */

static void check_bounds(const struct promises *promises, const struct station_log *log)
{
    if (promises->synced > 0 && log->id != promises->id) {
        sweep_broken("the log has become another");
    }
    if (log->next <= promises->synced) {
        sweep_broken("number %llu would be given again, %llu was synced",
                     (unsigned long long)log->next, (unsigned long long)promises->synced);
    }
    if (log->first > log->next) {
        sweep_broken("it holds %llu .. %llu", (unsigned long long)log->first,
                     (unsigned long long)log->next);
    }
}

/* Reads all there is; what was promised must be among it. */
static void check_reports(struct promises *promises, const struct station_log *log)
{
    struct station_log_cursor cursor = { 0 };
    struct station_record record;
    uint64_t from = least_of(log->first, promises->gone);
    for (uint64_t seq = from == 0 ? 1 : from; seq < log->next; seq++) {
        enum station_log_status status = station_log_read(log, &cursor, seq, &record);
        if (status == STATION_LOG_OK) {
            check_report(promises, &record, seq);
            promises->there[seq] = (uint32_t)(record.time_ns / MINUTE_NS);
        } else if (seq >= promises->gone && seq <= promises->synced &&
                   promises->promised[seq] != 0) {
            sweep_broken("report %llu is lost; %llu .. %llu are promised, held %llu .. %llu",
                         (unsigned long long)seq, (unsigned long long)promises->gone,
                         (unsigned long long)promises->synced, (unsigned long long)log->first,
                         (unsigned long long)log->next - 1);
        }
    }
    if (log->first < log->next && promises->synced > 0 &&
        station_log_read(log, &cursor, log->first, &record) != STATION_LOG_OK &&
        promises->promised[log->first] != 0) {
        sweep_broken("the first report it says to hold is not there");
    }
}

/* The tail may be a block in front of the first report that holds none. */
static void check_same(const struct station_log *a, const struct station_log *b)
{
    if (a->id != b->id || a->first != b->first || a->next != b->next || a->head != b->head ||
        a->head_number != b->head_number || a->write_offset != b->write_offset ||
        a->covered != b->covered) {
        sweep_broken(
            "opened again it finds %llu .. %llu in blocks %u .. %u instead of %llu .. %llu in "
            "%u .. %u, or writes on elsewhere (%u, %u)",
            (unsigned long long)b->first, (unsigned long long)b->next - 1, b->tail, b->head,
            (unsigned long long)a->first, (unsigned long long)a->next - 1, a->tail, a->head,
            b->write_offset, a->write_offset);
    }
}

/* --- one life -------------------------------------------------------------------------- */

static uint8_t layout[LAYOUT_BYTES] = "\4temp";

static void note_gone(struct promises *promises, const struct station_log *log)
{
    if (log->first > promises->gone) {
        promises->gone = log->first;
    }
}

static bool append(struct promises *promises, struct station_log *log)
{
    uint32_t trial = ++promises->trials;
    struct station_record record = report_of(trial);
    uint64_t seq = log->next;
    if (trial >= SEQ_MAX || seq >= SEQ_MAX) {
        sweep_broken("too many reports for the test");
    }
    promises->seqs[trial] = seq;
    bool good = station_log_append(log, &record) == STATION_LOG_OK;
    if (good != (log->next == seq + 1)) {
        sweep_broken("a number is used without a report, or a report has none");
    }
    if (good) {
        promises->there[seq] = trial;
    }
    note_gone(promises, log);
    return good;
}

static bool sync_now(struct promises *promises, struct station_log *log)
{
    if (station_log_sync(log) != STATION_LOG_OK) {
        return false;
    }
    for (uint64_t seq = promises->synced + 1; seq < log->next; seq++) {
        promises->promised[seq] = promises->there[seq];
    }
    if (log->next > 1) {
        promises->synced = log->next - 1;
        promises->id = log->id;
    }
    return true;
}

static void must(bool good, enum health health, const char *what)
{
    if (!good && health == HEALTHY) {
        sweep_broken("%s though nothing goes wrong", what);
    }
}

static void work(struct promises *promises, struct station_log *log, enum health health)
{
    unsigned reports = promises->lives == 1 ? FIRST_REPORTS : LATER_REPORTS;
    for (unsigned i = 1; i <= reports; i++) {
        must(append(promises, log), health, "a report is refused");
        if (i % SYNC_EVERY == 0) {
            must(sync_now(promises, log), health, "no sync");
        }
    }
    bool good = sync_now(promises, log) || sync_now(promises, log) || sync_now(promises, log);
    if (!good && health != DYING) {
        sweep_broken("two operations failed, and it never syncs again");
    }
}

static void live_on_flash(const struct hal_flash *flash, struct promises *promises,
                          enum health health, size_t layout_bytes)
{
    struct station_log log, again;
    uint32_t fresh_id = ++promises->lives + 100;
    memset(promises->there, 0, sizeof promises->there);
    if (station_log_open(&log, flash, fresh_id, layout, layout_bytes) != STATION_LOG_OK) {
        must(false, health, "it does not open");
        return;
    }
    if (health == DYING && log.next <= promises->synced) {
        return; /* cannot be read any more: nothing is given either */
    }
    check_bounds(promises, &log);
    if (health == HEALTHY) {
        check_reports(promises, &log);
    }
    work(promises, &log, health);
    if (health == HEALTHY) {
        check_reports(promises, &log);
        assert_int_equal(station_log_open(&again, flash, 1, layout, layout_bytes), STATION_LOG_OK);
        check_same(&log, &again);
    }
}

/* --- in a file ---------------------------------------------------------------------------- */

static void live_in_file(struct disk *disk, void *context, enum health health)
{
    struct problem problem = { "" };
    struct flash_file *file =
        flash_file_open(disk_files(disk), PATH, FILE_BLOCKS * FLASH_FILE_BLOCK, &problem);
    if (file == NULL) {
        must(false, health, "the file does not open");
        return;
    }
    const struct hal_flash flash = flash_file_hal(file);
    live_on_flash(&flash, context, health, LAYOUT_BYTES);
    flash_file_close(file);
}

static const struct scenario in_file = { .name = "station log in a file",
                                         .promises_size = sizeof(struct promises),
                                         .live = live_in_file,
                                         .trusts_cache = true };

static void test_file_faults(void **state)
{
    (void)state;
    sweep_faults(&in_file);
}

static void test_file_faults_and_crashes(void **state)
{
    (void)state;
    sweep_faults_and_crashes(&in_file);
}

static void test_file_crashes(void **state)
{
    (void)state;
    sweep_crashes(&in_file);
}

static void test_file_second_faults(void **state)
{
    (void)state;
    sweep_seconds(&in_file);
}

/* --- on a NOR flash ------------------------------------------------------------------------- */

#define NOR_BLOCK  1024u
#define NOR_BLOCKS 3u
#define NOR_SEEDS  6u

static void nor_life(struct fake_flash *flash, struct promises *promises, enum health health)
{
    const struct hal_flash hal = fake_flash_hal(flash);
    live_on_flash(&hal, promises, health, 40);
    if (flash->rule_broken) {
        sweep_broken("something is programmed that is not erased");
    }
}

/* Lives with a cut at operation `first`, then one at operation `second` of the recovery (0 = none),
 * then without. False: the first life ends before the cut; *reached: the second cut was. */
static bool nor_try(long first, long second, uint64_t seed, bool *reached)
{
    struct promises promises = { 0 };
    struct fake_flash flash;
    fake_flash_create(&flash, NOR_BLOCK, NOR_BLOCKS, seed);
    flash.lose_unsynced = seed % 2 == 1;
    flash.cut_at = first;
    sweep_stands_at("station log on NOR: cut at %ld, then at %ld, seed %llu", first, second,
                    (unsigned long long)seed);
    nor_life(&flash, &promises, DYING);
    bool cut = flash.cut;
    *reached = false;
    fake_flash_power_on(&flash);
    if (second > 0) {
        flash.cut_at = second - 1;
        nor_life(&flash, &promises, DYING);
        *reached = flash.cut;
        fake_flash_power_on(&flash);
    }
    nor_life(&flash, &promises, HEALTHY);
    fake_flash_power_on(&flash);
    nor_life(&flash, &promises, HEALTHY);
    fake_flash_destroy(&flash);
    return cut;
}

static void test_nor_cuts(void **state)
{
    (void)state;
    unsigned long cuts = 0, seconds = 0;
    bool cut = true, reached;
    for (long at = 0; cut; at++) {
        for (uint64_t i = 0; i < NOR_SEEDS; i++) {
            cut = nor_try(at, 0, sweep_seed() + i, &reached);
            cuts += cut ? 1 : 0;
        }
        reached = cut;
        for (long second = 1; reached; second++) {
            (void)nor_try(at, second, sweep_seed() + (uint64_t)second, &reached);
            seconds += reached ? 1 : 0;
        }
    }
    print_message("# station log on NOR: %lu cuts, %lu second cuts\n", cuts, seconds);
    assert_true(cuts > 100 && seconds > 100);
}

/* --- damage --------------------------------------------------------------------------------- */

#define DAMAGE_REPORTS 12u

struct image {
    struct fake_flash flash;
    struct promises promises;
    uint8_t *bytes;
    size_t size;
    uint64_t first, next;
    size_t begins[SEQ_MAX], ends[SEQ_MAX]; /* where the report's bytes stand */
};

/* Bytes of the flash that changed, for a report that has just been appended. */
static void note_place(struct image *image, const uint8_t *before, uint64_t seq,
                       const struct station_log *log)
{
    const uint32_t block = log->head * NOR_BLOCK;
    const uint32_t data_end = block + NOR_BLOCK - 40;
    size_t end = block + log->write_offset;
    size_t begin = end;
    while (begin > block &&
           memcmp(before + begin - 8, "\xff\xff\xff\xff\xff\xff\xff\xff", 8) == 0) {
        begin -= 8;
    }
    assert_true(begin < end && end <= data_end);
    image->begins[seq] = begin;
    image->ends[seq] = end;
}

static void make_image(struct image *image)
{
    struct station_log log;
    *image = (struct image){ .size = (size_t)NOR_BLOCK * NOR_BLOCKS };
    fake_flash_create(&image->flash, NOR_BLOCK, NOR_BLOCKS, 1);
    image->bytes = malloc(image->size);
    assert_non_null(image->bytes);
    const struct hal_flash hal = fake_flash_hal(&image->flash);
    assert_int_equal(station_log_open(&log, &hal, 7, layout, 40), STATION_LOG_OK);
    for (unsigned i = 0; i < DAMAGE_REPORTS; i++) {
        uint64_t seq = log.next;
        uint32_t head_before = log.head_number;
        memcpy(image->bytes, image->flash.now, image->size);
        assert_true(append(&image->promises, &log) && sync_now(&image->promises, &log));
        if (log.head_number != head_before) { /* a new block: only the report itself counts */
            memset(image->bytes + log.head * NOR_BLOCK, 0xff, NOR_BLOCK);
            memset(image->bytes + log.head * NOR_BLOCK, 0, 80); /* header and layout */
        }
        note_place(image, image->bytes, seq, &log);
    }
    image->first = log.first;
    image->next = log.next;
    memcpy(image->bytes, image->flash.now, image->size);
}

/* Whatever happened to bytes begin .. end - 1: the reports that stand elsewhere are read. */
static void check_damaged(struct image *image, size_t begin, size_t end)
{
    struct station_log log;
    struct station_log_cursor cursor = { 0 };
    struct station_record record;
    const struct hal_flash hal = fake_flash_hal(&image->flash);
    assert_int_equal(station_log_open(&log, &hal, 99, layout, 40), STATION_LOG_OK);
    for (uint64_t seq = image->first; seq < image->next; seq++) {
        bool touched = image->begins[seq] < end && begin < image->ends[seq];
        bool read = station_log_read(&log, &cursor, seq, &record) == STATION_LOG_OK;
        if (read) {
            check_report(&image->promises, &record, seq);
        } else if (!touched) {
            sweep_broken("report %llu is lost, which was not touched", (unsigned long long)seq);
        }
    }
    if (!append(&image->promises, &log) || image->flash.rule_broken) {
        sweep_broken("nothing can be appended");
    }
    image->promises.trials--;
    memcpy(image->flash.now, image->bytes, image->size);
    image->flash.pending_count = 0;
}

static void test_damage(void **state)
{
    (void)state;
    static struct image image;
    unsigned long flips = 0;
    make_image(&image);
    assert_true(image.next - image.first > 4 && image.first > 1);
    for (size_t at = 0; at < image.size; at++) {
        static const uint8_t masks[] = { 0xff, 0x01, 0x80, 0x5a };
        for (size_t i = 0; i < sizeof masks; i++, flips++) {
            sweep_stands_at("station log: byte %zu changed by %02x", at, masks[i]);
            image.flash.now[at] ^= masks[i];
            check_damaged(&image, at, at + 1);
        }
    }
    for (size_t length = 0; length < image.size; length++) {
        sweep_stands_at("station log: cut off at byte %zu", length);
        memset(image.flash.now + length, 0xff, image.size - length);
        check_damaged(&image, length, image.size);
    }
    print_message("# station log: %lu bytes changed, %zu lengths\n", flips, image.size);
    free(image.bytes);
    fake_flash_destroy(&image.flash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nor_cuts),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_file_crashes),
        cmocka_unit_test(test_file_faults),
        cmocka_unit_test(test_file_faults_and_crashes),
        cmocka_unit_test(test_file_second_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
