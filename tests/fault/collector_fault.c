/*
 * The order in which the collector makes things durable, in miniature: raw journal, the state that
 * follows from it, a spool of what goes to the store, and two snapshots of the state by turns.
 *
 *  - Only what the raw journal has synced is taken; each record changes the state, and most give
 *    one output, whose origin is the record's position.
 *  - At most one record of the spool is not synced: of several, a power cut could keep a later one
 *    without an earlier, and what that one held would be taken for stored.
 *  - A snapshot (position and state) is written only after the spool's sync.
 *  - After a restart the newest snapshot is taken, the raw journal is read from there on, and
 *    outputs up to the spool's last origin are left out.
 *
 * Promised: every record taken once is taken again by whoever starts from before it, with the same
 * state after it; and in the end the spool holds each output exactly once and in order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/kept.h"
#include "journal/journal.h"
#include "sweep.h"

#define RAW            "/d/raw"
#define SPOOL          "/d/spool"
#define KIND           "miniature"
#define SEGMENT_BYTES  700
#define FIRST_RECORDS  14
#define LATER_RECORDS  4
#define SYNC_EVERY     2
#define SNAPSHOT_EVERY 4
#define TAKEN_MAX      128
#define OUTPUT_CHARS   320
#define TRIES          3

static const char *const snapshot_paths[] = { "/d/snapshot.a", "/d/snapshot.b" };

struct snapshot {
    uint64_t position, state;
};

struct taken {
    uint64_t position, number;
    uint64_t state; /* after it */
};

struct promises {
    unsigned lives;
    uint64_t appended;             /* raw records tried, each with a number of its own */
    struct taken taken[TAKEN_MAX]; /* by any life, ascending */
    size_t taken_count;
};

struct life {
    struct promises *promises;
    struct disk *disk;
    enum health health;
    struct journal *raw, *spool;
    struct journal_reader *reader;
    struct snapshot now;
    uint64_t spool_origin;
    unsigned since_snapshot, snapshots;
    bool stuck; /* the disk takes no more: this life does nothing more */
};

static void must(const struct life *life, bool good, const char *what)
{
    if (!good && life->health == HEALTHY) {
        sweep_broken("%s though nothing goes wrong", what);
    }
}

/* --- what follows from a record -------------------------------------------------------- */

static uint64_t next_state(uint64_t state, uint64_t number)
{
    return (state ^ number) * 6364136223846793005u + 1442695040888963407u;
}

static bool gives_output(uint64_t state)
{
    return (state >> 40) % 4 != 0;
}

static size_t output_of(const struct taken *taken, char output[OUTPUT_CHARS])
{
    return (size_t)snprintf(output, OUTPUT_CHARS, "n=%llu s=%*llx",
                            (unsigned long long)taken->number, (int)(taken->number * 97 % 280),
                            (unsigned long long)taken->state);
}

/* What an earlier life took must be the same again. */
static void check_taken(struct promises *promises, const struct taken *taken)
{
    struct taken *items = promises->taken;
    size_t at = 0;
    while (at < promises->taken_count && items[at].position < taken->position) {
        at++;
    }
    if (at < promises->taken_count) {
        if (items[at].position != taken->position || items[at].number != taken->number) {
            sweep_broken("at %llu record %llu is taken; before it was %llu at %llu",
                         (unsigned long long)taken->position, (unsigned long long)taken->number,
                         (unsigned long long)items[at].number,
                         (unsigned long long)items[at].position);
        }
        if (items[at].state != taken->state) {
            sweep_broken("at %llu the state is another", (unsigned long long)taken->position);
        }
        return;
    }
    if (at == TAKEN_MAX) {
        sweep_broken("too many records for the test");
    }
    items[promises->taken_count++] = *taken;
}

/* --- taking -------------------------------------------------------------------------------- */

static bool put_output(struct life *life, const struct taken *taken)
{
    char output[OUTPUT_CHARS];
    struct journal_record record = { .origin = taken->position,
                                     .time = { 1 },
                                     .kind = JOURNAL_LINES,
                                     .payload = { output, output_of(taken, output) } };
    enum journal_status status = JOURNAL_FAILED;
    for (int i = 0; i < TRIES && status != JOURNAL_OK; i++) {
        status = journal_sync(life->spool, NULL);
        if (status == JOURNAL_OK) {
            status = journal_append(life->spool, &record, NULL);
        }
    }
    must(life, status == JOURNAL_OK, "the spool refuses an output");
    return status == JOURNAL_OK;
}

static bool take(struct life *life, const struct journal_record *record)
{
    struct taken taken = { record->position, record->count,
                           next_state(life->now.state, record->count) };
    check_taken(life->promises, &taken);
    if (gives_output(taken.state) && taken.position > life->spool_origin &&
        !put_output(life, &taken)) {
        return false;
    }
    life->now = (struct snapshot){ taken.position, taken.state };
    life->since_snapshot++;
    return true;
}

static void take_all(struct life *life)
{
    struct journal_record record;
    enum journal_status status = JOURNAL_OK;
    int failures = 0;
    while (!life->stuck && status != JOURNAL_NOTHING_YET && failures < TRIES) {
        status = journal_next(life->reader, &record);
        if (status == JOURNAL_OK) {
            life->stuck = !take(life, &record);
        }
        failures += status == JOURNAL_FAILED ? 1 : 0;
    }
    must(life, status == JOURNAL_NOTHING_YET, "the raw journal cannot be read");
    life->stuck = life->stuck || status == JOURNAL_FAILED;
}

/* --- snapshots -------------------------------------------------------------------------------- */

static void write_snapshot(struct life *life)
{
    if (life->since_snapshot < SNAPSHOT_EVERY || journal_sync(life->spool, NULL) != JOURNAL_OK) {
        return;
    }
    const char *path = snapshot_paths[life->snapshots % 2];
    enum kept_status status =
        kept_write(disk_files(life->disk), path, KIND, 1, &life->now, sizeof life->now);
    must(life, status == KEPT_OK, "a snapshot is not written");
    if (status == KEPT_OK) {
        life->snapshots++;
        life->since_snapshot = 0;
    }
}

/* The newest one; the next one goes over the other. False if one cannot be read now. */
static bool read_snapshots(struct life *life)
{
    for (unsigned i = 0; i < 2; i++) {
        void *body;
        size_t length;
        struct snapshot found;
        enum kept_status status = kept_read(disk_files(life->disk), snapshot_paths[i], KIND, 1,
                                            sizeof found, &body, &length);
        if (status == KEPT_FAILED) {
            return false;
        }
        if (status == KEPT_DAMAGED || status == KEPT_FOREIGN) {
            sweep_broken("snapshot %u is damaged", i);
        }
        if (status == KEPT_OK && length == sizeof found) {
            memcpy(&found, body, sizeof found);
            if (found.position > life->now.position) {
                life->now = found;
                life->snapshots = i + 1;
            }
        }
        free(body);
    }
    return true;
}

/* --- one life ------------------------------------------------------------------------------- */

static bool open_journal(const struct life *life, const char *path, uint64_t least,
                         struct journal **journal, struct journal_recovery *found)
{
    struct problem problem = { "" };
    const struct journal_options options = { .path = path,
                                             .files = disk_files(life->disk),
                                             .segment_bytes = SEGMENT_BYTES,
                                             .least_position = least };
    bool good = journal_open(&options, journal, found, &problem) == JOURNAL_OK;
    must(life, good, problem.text);
    return good;
}

static bool begin(struct life *life)
{
    struct journal_recovery found = { 0 };
    if (!read_snapshots(life) || !open_journal(life, SPOOL, 0, &life->spool, &found)) {
        must(life, false, "it does not start");
        return false;
    }
    life->spool_origin = found.last_origin;
    uint64_t least =
        life->spool_origin > life->now.position ? life->spool_origin : life->now.position;
    if (!open_journal(life, RAW, least, &life->raw, &found)) {
        return false;
    }
    if (journal_reader_open(life->raw, life->now.position + 1, &life->reader, NULL) != JOURNAL_OK) {
        must(life, false, "no reader");
        return false;
    }
    return true;
}

static void receive(struct life *life)
{
    char payload[] = "[{\"n\":\"temp\",\"v\":20.5},{\"n\":\"ph\",\"v\":7}]";
    uint64_t number = ++life->promises->appended;
    struct journal_record record = { .time = { 1 },
                                     .count = (uint32_t)number,
                                     .kind = JOURNAL_MESSAGE,
                                     .topic = { "t", 1 },
                                     .payload = { payload, sizeof payload - 1 - number % 20 } };
    enum journal_status status = number % 3 == 0 ? journal_append(life->raw, &record, NULL)
                                                 : journal_append_later(life->raw, &record, NULL);
    must(life, status == JOURNAL_OK, "a message is refused");
}

static bool sync_again(struct journal *journal)
{
    bool good = false;
    for (int i = 0; i < TRIES && !good; i++) {
        good = journal_sync(journal, NULL) == JOURNAL_OK;
    }
    return good;
}

static void finish(struct life *life)
{
    bool synced =
        journal_sync(life->raw, NULL) == JOURNAL_OK || journal_sync(life->raw, NULL) == JOURNAL_OK;
    take_all(life);
    bool spooled = sync_again(life->spool);
    if (life->health != DYING && (!synced || !spooled)) {
        sweep_broken("two operations failed, and it never syncs again");
    }
}

static void work(struct life *life)
{
    unsigned records = life->promises->lives == 1 ? FIRST_RECORDS : LATER_RECORDS;
    for (unsigned i = 1; i <= records && !life->stuck; i++) {
        receive(life);
        if (i % SYNC_EVERY == 0) {
            (void)journal_sync(life->raw, NULL);
            take_all(life);
            write_snapshot(life);
        }
    }
    if (!life->stuck) {
        finish(life);
    }
}

/* All that was ever taken has its output in the spool, once and in order. */
static void check_spool(const struct life *life)
{
    const struct promises *promises = life->promises;
    struct journal_reader *reader;
    struct journal_record record;
    char output[OUTPUT_CHARS];
    if (journal_reader_open_path(SPOOL, disk_files(life->disk), 0, &reader, NULL) != JOURNAL_OK) {
        sweep_broken("the spool cannot be read");
    }
    for (size_t i = 0; i < promises->taken_count; i++) {
        const struct taken *taken = &promises->taken[i];
        if (!gives_output(taken->state)) {
            continue;
        }
        enum journal_status status = journal_next(reader, &record);
        if (status != JOURNAL_OK || record.origin != taken->position) {
            sweep_broken("where the output of %llu should be, the spool has that of %llu",
                         (unsigned long long)taken->position,
                         (unsigned long long)(status == JOURNAL_OK ? record.origin : 0));
        }
        size_t length = output_of(taken, output);
        if (record.payload.length != length || memcmp(record.payload.data, output, length) != 0) {
            sweep_broken("the output of %llu is another", (unsigned long long)taken->position);
        }
    }
    if (journal_next(reader, &record) == JOURNAL_OK) {
        sweep_broken("the spool holds more: of %llu", (unsigned long long)record.origin);
    }
    journal_reader_close(reader);
}

static void live(struct disk *disk, void *context, enum health health)
{
    struct promises *promises = context;
    struct life life = { .promises = promises, .disk = disk, .health = health };
    promises->lives++;
    if (begin(&life)) {
        take_all(&life);
        work(&life);
    }
    journal_reader_close(life.reader);
    journal_close(life.raw);
    journal_close(life.spool);
    if (health == HEALTHY) {
        check_spool(&life);
    }
}

static const struct scenario scenario = { .name = "collector in miniature",
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_fault),
        cmocka_unit_test(test_every_crash),
        cmocka_unit_test(test_every_fault_and_crash),
        cmocka_unit_test(test_every_second_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
