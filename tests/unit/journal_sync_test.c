/* The journal when a sync fails: nothing is lost, nothing comes twice, nothing is promised early.
 */
#include "journal_sample.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "journal_faulty.h"

static struct journal_counters counters_of(struct journal *journal)
{
    struct journal_counters counters;
    journal_read_counters(journal, &counters);
    return counters;
}

static struct journal_reader *reader_of(struct journal *journal)
{
    struct journal_reader *reader;
    assert_int_equal(journal_reader_open(journal, 0, &reader, NULL), JOURNAL_OK);
    return reader;
}

static bool is_there(const struct fixture *fixture, const char *name)
{
    char path[PATH_CHARS + 64];
    (void)snprintf(path, sizeof path, "%s/%s", fixture->folder, name);
    return access(path, F_OK) == 0;
}

static void assert_appends_nothing(struct journal *journal)
{
    char payload[PAYLOAD_CHARS];
    struct journal_record record = make(1, payload);
    assert_int_equal(journal_append(journal, &record, NULL), JOURNAL_FAILED);
}

static void what_a_failed_sync_did_not_cover_goes_to_a_new_segment(void **state)
{
    struct fixture *fixture = *state;
    open_with(fixture, faulty_files(), 0, 0, NULL);
    struct journal_reader *reader = reader_of(fixture->journal);
    append_some(fixture->journal, 1, 5);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_reads(reader, 1, 5);
    append_some(fixture->journal, 6, 10);
    fail_next(OP_FDATASYNC, 0, 1);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_int_equal(journal_synced(fixture->journal), 10);
    assert_int_equal(counters_of(fixture->journal).sync_failures, 1);
    assert_int_equal(counters_of(fixture->journal).rewritten_records, 5);
    assert_int_equal(counters_of(fixture->journal).damaged_bytes, 0);
    assert_reads(reader, 6, 10);
    append_some(fixture->journal, 11, 15);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_reads(reader, 11, 15);
    journal_reader_close(reader);
    close_journal(fixture);
    assert_false(is_there(fixture, "unsure"));
    assert_true(is_there(fixture, "0000000000000006.seg"));
    assert_folder_holds(fixture, 1, 15);
}

static void a_segment_of_which_nothing_was_synced_is_replaced_by_name(void **state)
{
    struct fixture *fixture = *state;
    open_with(fixture, faulty_files(), 0, 0, NULL);
    struct journal_reader *reader = reader_of(fixture->journal);
    append_some(fixture->journal, 1, 5);
    fail_next(OP_FDATASYNC, 0, 1);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_reads(reader, 1, 5);
    append_some(fixture->journal, 6, 7);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_reads(reader, 6, 7);
    journal_reader_close(reader);
    close_journal(fixture);
    assert_folder_holds(fixture, 1, 7);
}

/* With a gap before the segment a reader has it open before anything of it is synced. */
static void a_reader_follows_a_replaced_segment_it_has_open(void **state)
{
    struct fixture *fixture = *state;
    struct journal_record record;
    open_with(fixture, faulty_files(), 0, 100, NULL);
    struct journal_reader *reader = reader_of(fixture->journal);
    append_some(fixture->journal, 101, 103);
    assert_int_equal(journal_next(reader, &record), JOURNAL_NOTHING_YET);
    fail_next(OP_FDATASYNC, 0, 1);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_reads(reader, 101, 103);
    append_some(fixture->journal, 104, 105);
    fail_next(OP_FDATASYNC, 0, 1);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_reads(reader, 104, 105);
    journal_reader_close(reader);
}

/* What it saw of the old segment behind the last record it handed out does not count. */
static void a_reader_finds_in_the_new_segment_what_was_damaged_in_the_old(void **state)
{
    struct fixture *fixture = *state;
    struct journal_record record;
    char path[PATH_CHARS + 64];
    open_with(fixture, faulty_files(), 0, 100, NULL);
    struct journal_reader *reader = reader_of(fixture->journal);
    append_some(fixture->journal, 101, 103);
    segment_path(fixture, 101, path);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "xxxxxxxx", 8, 110), 8); /* in the first record */
    (void)close(fd);
    assert_int_equal(journal_next(reader, &record), JOURNAL_NOTHING_YET);
    fail_next(OP_FDATASYNC, 0, 1);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_reads(reader, 101, 103);
    journal_reader_close(reader);
}

static void until_a_new_segment_is_durable_nothing_is_published_or_taken(void **state)
{
    struct fixture *fixture = *state;
    struct problem problem = { 0 };
    open_with(fixture, faulty_files(), 0, 0, NULL);
    append_some(fixture->journal, 1, 3);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    append_some(fixture->journal, 4, 6);
    fail_next(OP_FDATASYNC, 0, 4);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(journal_sync(fixture->journal, &problem), JOURNAL_FAILED);
        assert_non_null(strstr(problem.text, "sync"));
        assert_int_equal(journal_synced(fixture->journal), 3);
        assert_appends_nothing(fixture->journal);
        assert_folder_holds(fixture, 1, 3);
    }
    assert_true(is_there(fixture, "unsure"));
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_int_equal(journal_synced(fixture->journal), 6);
    append_some(fixture->journal, 7, 9);
    close_journal(fixture);
    assert_false(is_there(fixture, "unsure"));
    assert_folder_holds(fixture, 1, 9);
}

static void a_failed_sync_of_the_folder_counts_as_well(void **state)
{
    struct fixture *fixture = *state;
    open_with(fixture, faulty_files(), 0, 0, NULL);
    append_some(fixture->journal, 1, 3);
    fail_next(OP_SYNC_DIRECTORY, 0, 2);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_FAILED);
    assert_int_equal(journal_synced(fixture->journal), 0);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_int_equal(journal_synced(fixture->journal), 3);
    append_some(fixture->journal, 4, 6);
    close_journal(fixture);
    assert_folder_holds(fixture, 1, 6);
}

static void a_failure_with_nothing_left_to_sync_is_over_with_the_next_sync(void **state)
{
    struct fixture *fixture = *state;
    char payload[PAYLOAD_CHARS];
    struct journal_record record = make(3, payload);
    open_with(fixture, faulty_files(), 128, 0, NULL);
    append_some(fixture->journal, 1, 2);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    fail_next(OP_WRITE, 1, 1); /* the record behind a new segment's header */
    assert_int_equal(journal_append(fixture->journal, &record, NULL), JOURNAL_FAILED);
    assert_false(journal_wait_appended(fixture->journal, 0));
    fail_next(OP_FDATASYNC, 0, 1);
    fail_next(OP_SYNC_DIRECTORY, 0, 1);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_FAILED);
    assert_true(journal_wait_appended(fixture->journal, 0));
    assert_appends_nothing(fixture->journal);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_int_equal(journal_append(fixture->journal, &record, NULL), JOURNAL_OK);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    struct journal_reader *reader = reader_of(fixture->journal);
    for (uint32_t n = 1; n <= 3; n++) {
        assert_int_equal(journal_next(reader, &record), JOURNAL_OK);
        assert_int_equal(record.count, n);
    }
    journal_reader_close(reader);
}

static void segments_begun_since_the_last_good_sync_become_one(void **state)
{
    struct fixture *fixture = *state;
    open_with(fixture, faulty_files(), 1024, 0, NULL);
    struct journal_reader *reader = reader_of(fixture->journal);
    append_some(fixture->journal, 1, 4);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    append_some(fixture->journal, 5, 40);
    fail_next(OP_FDATASYNC, 2, 1); /* the third of many segments */
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_int_equal(counters_of(fixture->journal).rewritten_records, 36);
    assert_reads(reader, 1, 40);
    append_some(fixture->journal, 41, 50);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_reads(reader, 41, 50);
    journal_reader_close(reader);
    uint64_t bytes = journal_bytes(fixture->journal);
    struct journal_recovery found;
    open_with(fixture, faulty_files(), 1024, 0, &found);
    assert_int_equal(found.last_position, 50);
    assert_int_equal(journal_bytes(fixture->journal), bytes);
    assert_folder_holds(fixture, 1, 50);
}

/* A full disk while the new segment is written gives up the reserve for it. */
static void the_reserve_goes_to_the_new_segment(void **state)
{
    struct fixture *fixture = *state;
    struct journal_options options = { .path = fixture->folder,
                                       .files = faulty_files(),
                                       .reserve_bytes = 4096 };
    assert_int_equal(journal_open(&options, &fixture->journal, NULL, NULL), JOURNAL_OK);
    append_some(fixture->journal, 1, 3);
    faulty.code = ENOSPC;
    fail_next(OP_FDATASYNC, 0, 1);
    fail_next(OP_WRITE, 1, 1);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_false(journal_reserve_there(fixture->journal));
    append_some(fixture->journal, 4, 5);
    fail_next(OP_FDATASYNC, 0, 1);
    fail_next(OP_WRITE, 0, 1);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_FAILED); /* it was spent */
    assert_int_equal(journal_synced(fixture->journal), 3);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    close_journal(fixture);
    assert_folder_holds(fixture, 1, 5);
}

/* --- what was to be written later ------------------------------------------------------- */

static void a_write_that_was_left_to_a_sync_and_fails_is_made_anew(void **state)
{
    struct fixture *fixture = *state;
    open_with(fixture, faulty_files(), 0, 0, NULL);
    struct journal_reader *reader = reader_of(fixture->journal);
    append_some(fixture->journal, 1, 3);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    append_some(fixture->journal, 4, 5);
    append_later(fixture->journal, 6, 8);
    fail_next(OP_WRITE, 0, 1);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_int_equal(counters_of(fixture->journal).sync_failures, 1);
    assert_int_equal(counters_of(fixture->journal).rewritten_records, 5);
    assert_reads(reader, 1, 8);
    append_later(fixture->journal, 9, 10);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_reads(reader, 9, 10);
    journal_reader_close(reader);
    assert_folder_holds(fixture, 1, 10);
}

static void what_waits_while_a_sync_fails_is_written_anew_with_it(void **state)
{
    struct fixture *fixture = *state;
    open_with(fixture, faulty_files(), 0, 0, NULL);
    append_later(fixture->journal, 1, 3);
    fail_next(OP_FDATASYNC, 0, 2);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_FAILED);
    assert_int_equal(journal_synced(fixture->journal), 0);
    assert_appends_nothing(fixture->journal);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_int_equal(journal_synced(fixture->journal), 3);
    append_later(fixture->journal, 4, 6);
    append_some(fixture->journal, 7, 7);
    close_journal(fixture);
    assert_folder_holds(fixture, 1, 7);
}

/* Its segment ends in torn bytes: the next append finds it another by a sync. */
static void what_waits_for_a_segment_that_is_given_up_gets_another(void **state)
{
    struct fixture *fixture = *state;
    char payload[PAYLOAD_CHARS];
    struct journal_record record = make(4, payload);
    open_with(fixture, faulty_files(), 0, 0, NULL);
    struct journal_reader *reader = reader_of(fixture->journal);
    append_later(fixture->journal, 1, 3);
    fail_next(OP_WRITE, 0, 1);
    fail_next(OP_FTRUNCATE, 0, 1);
    assert_int_equal(journal_append(fixture->journal, &record, NULL), JOURNAL_FAILED);
    assert_int_equal(journal_appended(fixture->journal), 3);
    append_later(fixture->journal, 4, 6);
    assert_int_equal(journal_synced(fixture->journal), 3);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_reads(reader, 1, 6);
    journal_reader_close(reader);
    assert_folder_holds(fixture, 1, 6);
}

/* A kill leaves a page cache that claims what the disk does not have: it is written anew. */
static void what_is_unsure_is_written_anew_at_the_next_opening(void **state)
{
    struct fixture *fixture = *state;
    struct stat before, after;
    struct journal_recovery found;
    open_with(fixture, faulty_files(), 0, 0, NULL);
    append_some(fixture->journal, 1, 5);
    faulty.keeps = true;
    fail_next(OP_FDATASYNC, 0, 100);
    close_journal(fixture);
    assert_true(is_there(fixture, "unsure"));
    assert_int_equal(stat(only_segment(fixture), &before), 0);
    open_with(fixture, faulty_files(), 0, 0, &found);
    assert_int_equal(found.last_position, 5);
    assert_int_equal(stat(only_segment(fixture), &after), 0);
    assert_int_not_equal(before.st_ino, after.st_ino);
    assert_false(is_there(fixture, "unsure"));
    assert_folder_holds(fixture, 1, 5);
    close_journal(fixture);
    open_with(fixture, faulty_files(), 0, 0, &found); /* without a mark a sync will do */
    assert_int_equal(stat(only_segment(fixture), &before), 0);
    assert_int_equal(before.st_ino, after.st_ino);
}

static void what_waits_for_a_sync_is_bounded(void **state)
{
    struct fixture *fixture = *state;
    static char large[1u << 20];
    struct journal_record record = { .kind = JOURNAL_MESSAGE, .payload = { large, sizeof large } };
    open_with(fixture, faulty_files(), 0, 0, NULL);
    for (uint64_t n = 1; n <= 150; n++) {
        assert_int_equal(journal_append(fixture->journal, &record, NULL), JOURNAL_OK);
        uint64_t waiting = n - journal_synced(fixture->journal);
        assert_true(waiting * sizeof large <= JOURNAL_UNSYNCED_MAX);
    }
    assert_true(journal_synced(fixture->journal) >= 86);
    uint64_t waiting = 150 - journal_synced(fixture->journal);
    fail_next(OP_FDATASYNC, 0, 2);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_FAILED);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_int_equal(counters_of(fixture->journal).rewritten_records, waiting);
}

static void many_small_segments_wait_for_a_sync_of_their_own(void **state)
{
    struct fixture *fixture = *state;
    open_with(fixture, faulty_files(), 128, 0, NULL);
    append_some(fixture->journal, 1, 300);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_folder_holds(fixture, 1, 300);
}

/* --- all at once ------------------------------------------------------------------------ */

#define CROWD_RECORDS 30000

static atomic_uint crowd_syncs;
static _Atomic int64_t crowd_durable[FAULTY_FDS];

static int crowd_open(void *context, const char *path, int flags, unsigned mode)
{
    int fd = files_posix.open(context, path, flags, mode);
    assert_true(fd < FAULTY_FDS);
    if (fd >= 0) {
        atomic_store(&crowd_durable[fd], 0);
    }
    return fd;
}

/* Each fifth fails and takes away what it was for, now and then several in a row. */
static int crowd_fdatasync(void *context, int fd)
{
    unsigned number = atomic_fetch_add(&crowd_syncs, 1);
    int64_t size = files_posix.size(context, fd);
    if (number % 5 == 4 || number % 64 < 3) {
        assert_int_equal(ftruncate(fd, atomic_load(&crowd_durable[fd])), 0);
        errno = EIO;
        return -1;
    }
    atomic_store(&crowd_durable[fd], size);
    return 0;
}

static int crowd_sync_directory(void *context, const char *path)
{
    (void)context;
    (void)path;
    return 0;
}

static void *append_crowd(void *context)
{
    struct journal *journal = context;
    char payload[PAYLOAD_CHARS];
    for (uint64_t n = 1; n <= CROWD_RECORDS;) {
        struct journal_record record = make(n, payload);
        append_call *put = n % 4 == 0 ? journal_append : journal_append_later;
        if (put(journal, &record, NULL) == JOURNAL_OK) {
            n++;
        } else {
            (void)sched_yield(); /* refused until a sync succeeds again */
        }
    }
    return NULL;
}

static void *sync_crowd(void *context)
{
    struct journal *journal = context;
    while (journal_synced(journal) < CROWD_RECORDS) {
        (void)journal_sync(journal, NULL);
        (void)sched_yield();
    }
    return NULL;
}

static void a_reader_beside_appends_and_failing_syncs_sees_each_record_once(void **state)
{
    struct fixture *fixture = *state;
    static struct file_ops files; /* outlives the journal */
    struct journal_record record;
    pthread_t appender, syncer;
    files = files_posix;
    files.open = crowd_open;
    files.fdatasync = crowd_fdatasync;
    files.sync_directory = crowd_sync_directory;
    open_with(fixture, &files, 1 << 16, 0, NULL);
    struct journal_reader *reader = reader_of(fixture->journal);
    assert_int_equal(pthread_create(&appender, NULL, append_crowd, fixture->journal), 0);
    assert_int_equal(pthread_create(&syncer, NULL, sync_crowd, fixture->journal), 0);
    for (uint64_t n = 1; n <= CROWD_RECORDS;) {
        if (journal_next(reader, &record) == JOURNAL_OK) {
            assert_int_equal(record.count, n);
            n++;
        } else {
            (void)journal_wait_synced(fixture->journal, n - 1, SECOND_NS);
        }
    }
    assert_int_equal(pthread_join(appender, NULL), 0);
    assert_int_equal(pthread_join(syncer, NULL), 0);
    assert_true(counters_of(fixture->journal).rewritten_records > 0);
    assert_int_equal(counters_of(fixture->journal).damaged_bytes, 0);
    journal_reader_close(reader);
}

/* --- every operation failed in turn ------------------------------------------------ */

struct account {
    uint64_t taken[64]; /* position -> number of the record, 0 = none */
    uint64_t highest, published, next;
};

static void append_counted(struct journal *journal, struct account *account, int count)
{
    char payload[PAYLOAD_CHARS];
    uint64_t position;
    for (int i = 0; i < count; i++) {
        struct journal_record record = make(account->next, payload);
        append_call *put = account->next % 3 == 0 ? journal_append : journal_append_later;
        if (put(journal, &record, &position) == JOURNAL_OK) {
            assert_true(position > account->highest && position < 64);
            account->taken[position] = account->next++;
            account->highest = position;
        }
    }
}

/* Reads on; what it hands out is what was taken, in order, each once. */
static uint64_t read_on(struct journal_reader *reader, const struct account *account, uint64_t last)
{
    struct journal_record record;
    while (journal_next(reader, &record) == JOURNAL_OK) {
        for (uint64_t between = last + 1;
             between < record.position && between <= account->published; between++) {
            assert_int_equal(account->taken[between], 0);
        }
        assert_int_equal(record.count, account->taken[record.position]);
        last = record.position;
    }
    return last;
}

static struct account run_with_faults(struct fixture *fixture, const struct file_ops *files)
{
    struct account account = { .next = 1 };
    struct journal_options options = {
        .path = fixture->folder, .files = files, .segment_bytes = 1024, .waiting_bytes = 500
    };
    if (journal_open(&options, &fixture->journal, NULL, NULL) != JOURNAL_OK) {
        return account;
    }
    struct journal_reader *reader = reader_of(fixture->journal);
    uint64_t last = 0;
    for (int step = 0; step < 6; step++) {
        append_counted(fixture->journal, &account, 4);
        if (step == 1 || step == 3) {
            fail_next(OP_FDATASYNC, 0, 1);
        }
        (void)journal_sync(fixture->journal, NULL);
        account.published = journal_synced(fixture->journal);
        last = read_on(reader, &account, last);
        assert_true(last <= account.published);
    }
    if (faulty.end < LONG_MAX) { /* the faults are over: everything goes on */
        bool single = faulty.end - faulty.begin == 1;
        faulty.end = faulty.begin;
        assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
        account.published = journal_synced(fixture->journal);
        assert_true(account.published >= account.highest);
        last = read_on(reader, &account, last);
        assert_int_equal(last, account.highest);
        /* A record that cannot be written and then not be cut off either remains, torn. */
        assert_true(!single || counters_of(fixture->journal).damaged_bytes == 0);
    }
    journal_reader_close(reader);
    close_journal(fixture);
    return account;
}

static void assert_all_published_is_there(struct fixture *fixture, const struct account *account)
{
    struct journal_recovery found;
    open_with(fixture, faulty_files(), 0, 0, &found);
    struct journal_reader *reader = reader_of(fixture->journal);
    uint64_t last = read_on(reader, account, 0);
    uint64_t due = account->published < account->highest ? account->published : account->highest;
    while (due > 0 && account->taken[due] == 0) {
        due--;
    }
    assert_true(last >= due);
    journal_reader_close(reader);
    char payload[PAYLOAD_CHARS];
    struct journal_record record = make(1, payload);
    uint64_t position;
    assert_int_equal(journal_append(fixture->journal, &record, &position), JOURNAL_OK);
    assert_true(position > account->published && position > last);
    close_journal(fixture);
}

static void sweep(struct fixture *fixture, long length)
{
    long begin = 0, done = LONG_MAX;
    for (; begin <= done; begin++) { /* until none is reached any more */
        const struct file_ops *files = faulty_files();
        faulty.begin = begin;
        faulty.end = length < LONG_MAX ? begin + length : LONG_MAX;
        struct account account = run_with_faults(fixture, files);
        done = faulty.done;
        assert_all_published_is_there(fixture, &account);
        shell("rm -rf '%s'/*", fixture->folder);
    }
    assert_true(begin > 100);
}

static void any_operation_may_fail_once(void **state)
{
    sweep(*state, 1);
}

static void any_five_operations_may_fail(void **state)
{
    sweep(*state, 5);
}

static void the_disk_may_die_at_any_operation(void **state)
{
    sweep(*state, LONG_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_a_failed_sync_did_not_cover_goes_to_a_new_segment),
        TEST(a_segment_of_which_nothing_was_synced_is_replaced_by_name),
        TEST(a_reader_follows_a_replaced_segment_it_has_open),
        TEST(a_reader_finds_in_the_new_segment_what_was_damaged_in_the_old),
        TEST(until_a_new_segment_is_durable_nothing_is_published_or_taken),
        TEST(a_failed_sync_of_the_folder_counts_as_well),
        TEST(a_failure_with_nothing_left_to_sync_is_over_with_the_next_sync),
        TEST(segments_begun_since_the_last_good_sync_become_one),
        TEST(the_reserve_goes_to_the_new_segment),
        TEST(what_is_unsure_is_written_anew_at_the_next_opening),
        TEST(a_write_that_was_left_to_a_sync_and_fails_is_made_anew),
        TEST(what_waits_while_a_sync_fails_is_written_anew_with_it),
        TEST(what_waits_for_a_segment_that_is_given_up_gets_another),
        TEST(what_waits_for_a_sync_is_bounded),
        TEST(many_small_segments_wait_for_a_sync_of_their_own),
        TEST(a_reader_beside_appends_and_failing_syncs_sees_each_record_once),
        TEST(any_operation_may_fail_once),
        TEST(any_five_operations_may_fail),
        TEST(the_disk_may_die_at_any_operation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
