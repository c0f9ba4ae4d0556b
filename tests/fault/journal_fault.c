/*
 * The journal on a disk that fails, tears, loses and forgets.
 *
 * Promised is each position that was synced or handed to a reader: from then on it is there, with
 * its own content, until retention may have removed it. Besides, whatever happens: opening never
 * refuses a disk that works; nothing is read that was not appended; positions and what stands at
 * them ascend; no position that was promised is given again; after one fault the next sync is good.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "journal/journal.h"
#include "sweep.h"

#define FOLDER        "/d/journal"
#define SEGMENT_BYTES 1500
#define WAITING_BYTES 700
#define RESERVE_BYTES 3000
#define FIRST_RECORDS 18 /* appended in the first life */
#define LATER_RECORDS 5  /* in each other one */
#define FULL_BYTES    9000
#define FULL_RECORDS  30
#define RECORDS_MAX   96
#define POSITIONS_MAX 1024
#define PAYLOAD_MAX   1800
#define FAR           INT64_MAX

struct promises {
    unsigned lives;
    uint32_t appended;           /* records tried; record n is number n */
    uint64_t given[RECORDS_MAX]; /* the position that record n was given, 0 if it was refused */
    uint32_t promised[POSITIONS_MAX]; /* the record that stands there, 0 = none is promised */
    uint64_t highest;                 /* promised position */
    uint64_t removable;               /* retention may have taken what is below */
};

/* --- records ------------------------------------------------------------------ */

/* Some larger than a segment, some empty, most small: known from the number alone. */
static size_t payload_length(uint32_t number)
{
    static const size_t lengths[] = { 37, 300, 0, 512, 1, 900, 64, PAYLOAD_MAX };
    return lengths[number % (sizeof lengths / sizeof lengths[0])];
}

static struct journal_record record_of(uint32_t number, uint8_t payload[PAYLOAD_MAX])
{
    size_t length = payload_length(number);
    for (size_t i = 0; i < length; i++) {
        payload[i] = (uint8_t)(number * 31 + i * 7);
    }
    return (struct journal_record){ .origin = number,
                                    .time = { (int64_t)number * SECOND_NS },
                                    .count = number * 3,
                                    .kind = JOURNAL_MESSAGE,
                                    .topic = { "phusa/1/d/s/obs", 15 },
                                    .payload = { (const char *)payload, length } };
}

/* Most, small ones and large ones. */
static bool is_written_later(uint32_t number)
{
    return number % 5 < 3;
}

static void check_content(const struct journal_record *record)
{
    uint8_t payload[PAYLOAD_MAX];
    uint32_t number = (uint32_t)record->origin;
    struct journal_record wanted = record_of(number, payload);
    if (record->time.ns != wanted.time.ns || record->count != wanted.count ||
        record->kind != wanted.kind || record->topic.length != wanted.topic.length ||
        record->payload.length != wanted.payload.length ||
        memcmp(record->payload.data, payload, wanted.payload.length) != 0) {
        sweep_broken("what is read at %llu was never appended",
                     (unsigned long long)record->position);
    }
}

/* --- promises ------------------------------------------------------------------- */

static void promise(struct promises *promises, uint64_t position, uint32_t number)
{
    if (position >= POSITIONS_MAX) {
        sweep_broken("positions run away: %llu", (unsigned long long)position);
    }
    promises->promised[position] = number;
    promises->highest = position > promises->highest ? position : promises->highest;
}

/* All that this life appended up to position. */
static void promise_upto(struct promises *promises, uint32_t from, uint64_t position)
{
    for (uint32_t number = from; number <= promises->appended; number++) {
        if (promises->given[number] != 0 && promises->given[number] <= position) {
            promise(promises, promises->given[number], number);
        }
    }
}

static void check_record(const struct promises *promises, const struct journal_record *record,
                         const struct journal_record *before)
{
    unsigned long long at = record->position;
    if (record->position <= before->position) {
        sweep_broken("position %llu comes after %llu", at, (unsigned long long)before->position);
    }
    if (record->origin == 0 || record->origin > promises->appended) {
        sweep_broken("record %llu at %llu was never appended", (unsigned long long)record->origin,
                     at);
    }
    check_content(record);
    if (record->origin <= before->origin) {
        sweep_broken("record %llu is read after %llu", (unsigned long long)record->origin,
                     (unsigned long long)before->origin);
    }
    uint64_t given = promises->given[record->origin];
    if (given != 0 && given != record->position) {
        sweep_broken("record %llu was given %llu and is read at %llu",
                     (unsigned long long)record->origin, (unsigned long long)given, at);
    }
    if (record->position < POSITIONS_MAX && promises->promised[record->position] != 0 &&
        promises->promised[record->position] != record->origin) {
        sweep_broken("at %llu stands record %llu instead of %u", at,
                     (unsigned long long)record->origin, promises->promised[record->position]);
    }
}

/* Promised positions between two that were read one after the other. */
static void check_none_missing(const struct promises *promises, uint64_t after, uint64_t before)
{
    uint64_t from = after + 1 > promises->removable ? after + 1 : promises->removable;
    for (uint64_t at = from; at < before && at < POSITIONS_MAX; at++) {
        if (promises->promised[at] != 0) {
            sweep_broken("position %llu is lost (record %u)", (unsigned long long)at,
                         promises->promised[at]);
        }
    }
}

/* Reads on from `last`. False when the disk does not let it: what was read until then is right. */
static bool read_on(struct promises *promises, struct journal_reader *reader,
                    struct journal_record *last)
{
    struct journal_record record;
    enum journal_status status;
    int failures = 0;
    do {
        status = journal_next(reader, &record);
        if (status == JOURNAL_OK) {
            check_record(promises, &record, last);
            check_none_missing(promises, last->position, record.position);
            promise(promises, record.position, (uint32_t)record.origin);
            *last = record;
        }
    } while (status == JOURNAL_OK || (status == JOURNAL_FAILED && ++failures < 3));
    return status != JOURNAL_FAILED;
}

/* --- one life --------------------------------------------------------------------- */

struct life {
    struct promises *promises;
    struct disk *disk;
    struct journal *journal;
    struct journal_reader *reader;
    struct journal_record last; /* read */
    enum health health;
    uint32_t first; /* record of this life */
};

static void must(const struct life *life, bool good, const char *what)
{
    if (!good && life->health == HEALTHY) {
        sweep_broken("%s though nothing goes wrong", what);
    }
}

static bool begin(struct life *life)
{
    struct problem problem = { "" };
    struct journal_recovery found;
    const struct journal_options options = { .path = FOLDER,
                                             .files = disk_files(life->disk),
                                             .segment_bytes = SEGMENT_BYTES,
                                             .waiting_bytes = WAITING_BYTES,
                                             .reserve_bytes = RESERVE_BYTES };
    if (journal_open(&options, &life->journal, &found, &problem) != JOURNAL_OK) {
        if (life->health == HEALTHY) {
            sweep_broken("it does not open: %s", problem.text);
        }
        return false;
    }
    if (journal_synced(life->journal) < life->promises->highest) {
        sweep_broken("it opens at %llu, promised was %llu",
                     (unsigned long long)journal_synced(life->journal),
                     (unsigned long long)life->promises->highest);
    }
    if (journal_reader_open(life->journal, 0, &life->reader, &problem) != JOURNAL_OK) {
        must(life, false, "no reader");
        return false;
    }
    return true;
}

static void read_all(struct life *life)
{
    if (read_on(life->promises, life->reader, &life->last)) {
        check_none_missing(life->promises, life->last.position, journal_synced(life->journal) + 1);
    } else {
        must(life, false, "reading fails");
    }
}

static enum journal_status append(struct life *life)
{
    struct promises *promises = life->promises;
    uint8_t payload[PAYLOAD_MAX];
    uint32_t number = ++promises->appended;
    struct journal_record record = record_of(number, payload);
    uint64_t position = 0;
    if (number >= RECORDS_MAX) {
        sweep_broken("too many records for the test");
    }
    promises->given[number] = 0;
    enum journal_status status = is_written_later(number)
                                     ? journal_append_later(life->journal, &record, &position)
                                     : journal_append(life->journal, &record, &position);
    if (status != JOURNAL_OK) {
        return status;
    }
    if (position <= promises->highest) {
        sweep_broken("position %llu is given again", (unsigned long long)position);
    }
    promises->given[number] = position;
    return JOURNAL_OK;
}

static bool sync_now(struct life *life)
{
    bool good = journal_sync(life->journal, NULL) == JOURNAL_OK;
    must(life, good, "no sync");
    promise_upto(life->promises, life->first, journal_synced(life->journal));
    if (good && journal_synced(life->journal) < journal_appended(life->journal)) {
        sweep_broken("a sync is good and leaves something out");
    }
    return good;
}

static void retain(struct life *life)
{
    uint64_t below = journal_synced(life->journal) / 2;
    if (below > life->promises->removable) {
        life->promises->removable = below;
    }
    (void)journal_retain(life->journal, below, (wall_time){ FAR }, FAR);
}

static void work(struct life *life, int records)
{
    for (int i = 1; i <= records; i++) {
        must(life, append(life) == JOURNAL_OK, "a record is refused");
        if (i % 4 == 0) {
            (void)sync_now(life);
        }
        if (i % 6 == 0) {
            read_all(life);
        }
        if (i == 14) {
            retain(life);
        }
        if (i % 5 == 0) {
            (void)journal_reserve(life->journal);
        }
    }
    bool good = sync_now(life) || sync_now(life) || sync_now(life);
    if (!good && life->health == FAULTY) {
        sweep_broken("two operations failed, and it never syncs again");
    }
    read_all(life);
}

/* The folder as another program reads it. */
static void read_folder(struct life *life)
{
    struct journal_reader *reader;
    struct journal_record last = { 0 };
    if (journal_reader_open_path(FOLDER, disk_files(life->disk), 0, &reader, NULL) != JOURNAL_OK ||
        !read_on(life->promises, reader, &last)) {
        sweep_broken("the folder cannot be read");
    }
    check_none_missing(life->promises, last.position, life->promises->highest + 1);
    journal_reader_close(reader);
}

static void live(struct disk *disk, void *context, enum health health)
{
    struct promises *promises = context;
    struct life life = { promises, disk, .health = health, .first = promises->appended + 1 };
    promises->lives++;
    if (begin(&life)) {
        read_all(&life);
        work(&life, promises->lives == 1 ? FIRST_RECORDS : LATER_RECORDS);
    }
    journal_reader_close(life.reader);
    journal_close(life.journal);
    if (health == HEALTHY) {
        read_folder(&life);
    }
}

/* --- a disk that fills ----------------------------------------------------------------- */

/* Appends until the disk takes no more; what came until then can be synced all the same. */
static void fill(struct life *life)
{
    enum journal_status status = JOURNAL_OK;
    disk_limit(life->disk, FULL_BYTES);
    for (int i = 1; i <= FULL_RECORDS && status == JOURNAL_OK; i++) {
        status = append(life);
        if (i % 3 == 0) {
            (void)sync_now(life);
        }
    }
    must(life, status == JOURNAL_FULL, "a full disk is not said to be full");
    must(life, !journal_reserve_there(life->journal), "the reserve is kept from a full disk");
    (void)sync_now(life);
}

static void live_on_full_disk(struct disk *disk, void *context, enum health health)
{
    struct promises *promises = context;
    struct life life = { promises, disk, .health = health, .first = promises->appended + 1 };
    promises->lives++;
    if (begin(&life)) {
        read_all(&life);
        if (promises->lives == 1) {
            fill(&life);
        }
        disk_limit(disk, 0);
        must(&life, journal_reserve(life.journal), "the reserve is not taken again");
        work(&life, LATER_RECORDS);
    }
    disk_limit(disk, 0);
    journal_reader_close(life.reader);
    journal_close(life.journal);
    if (health == HEALTHY) {
        read_folder(&life);
    }
}

static const struct scenario full_disk = { .name = "journal on a full disk",
                                           .promises_size = sizeof(struct promises),
                                           .live = live_on_full_disk };

static const struct scenario scenario = { .name = "journal",
                                          .promises_size = sizeof(struct promises),
                                          .live = live };

static void test_every_fault(void **state)
{
    (void)state;
    sweep_faults(&scenario);
}

static void test_every_fault_and_crash(void **state)
{
    (void)state;
    sweep_faults_and_crashes(&scenario);
}

static void test_every_crash(void **state)
{
    (void)state;
    sweep_crashes(&scenario);
}

static void test_every_second_fault(void **state)
{
    (void)state;
    sweep_seconds(&scenario);
}

static void test_full_disk(void **state)
{
    (void)state;
    sweep_faults(&full_disk);
    sweep_crashes(&full_disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_fault),
        cmocka_unit_test(test_every_crash),
        cmocka_unit_test(test_every_fault_and_crash),
        cmocka_unit_test(test_every_second_fault),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
