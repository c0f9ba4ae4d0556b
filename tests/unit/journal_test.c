/* The journal: order, syncing, rotation, reopening, retention, a full disk. Damage and failing
 * syncs stand in journal_damage_test.c. */
#include "journal_sample.h"

/* --- tests ------------------------------------------------------------------- */

static void reads_back_what_was_synced_and_no_more(void **state)
{
    struct fixture *fixture = *state;
    struct journal_reader *reader;
    struct journal_record record;
    open_with(fixture, NULL, 0, 0, NULL);
    assert_int_equal(journal_reader_open(fixture->journal, 0, &reader, NULL), JOURNAL_OK);
    assert_int_equal(journal_next(reader, &record), JOURNAL_NOTHING_YET);
    append_some(fixture->journal, 1, 10);
    assert_int_equal(journal_next(reader, &record), JOURNAL_NOTHING_YET);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    append_some(fixture->journal, 11, 12);
    for (uint64_t n = 1; n <= 10; n++) {
        assert_int_equal(journal_next(reader, &record), JOURNAL_OK);
        assert_is(&record, n);
    }
    assert_int_equal(journal_next(reader, &record), JOURNAL_NOTHING_YET);
    assert_int_equal(journal_appended(fixture->journal), 12);
    assert_int_equal(journal_synced(fixture->journal), 10);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_int_equal(journal_next(reader, &record), JOURNAL_OK);
    assert_is(&record, 11);
    journal_reader_close(reader);
}

static void goes_on_over_segments_and_restarts(void **state)
{
    struct fixture *fixture = *state;
    struct journal_recovery found;
    for (uint64_t run = 0; run < 4; run++) {
        open_with(fixture, NULL, 4096, 0, &found);
        assert_int_equal(found.last_origin, run * 300);
        assert_int_equal(found.last_position, run * 100);
        assert_int_equal(found.damaged_bytes, 0);
        append_some(fixture->journal, run * 100 + 1, run * 100 + 100);
        assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    }
    assert_true(found.segments > 10);
    struct journal_reader *reader;
    struct journal_record record;
    assert_int_equal(journal_reader_open(fixture->journal, 57, &reader, NULL), JOURNAL_OK);
    for (uint64_t n = 57; n <= 400; n++) {
        assert_int_equal(journal_next(reader, &record), JOURNAL_OK);
        assert_is(&record, n);
    }
    assert_int_equal(journal_next(reader, &record), JOURNAL_NOTHING_YET);
    journal_reader_close(reader);
}

static void position_never_goes_back(void **state)
{
    struct fixture *fixture = *state;
    char payload[600];
    uint64_t position;
    open_with(fixture, NULL, 0, 1000, NULL);
    struct journal_record record = make(1, payload);
    assert_int_equal(journal_append(fixture->journal, &record, &position), JOURNAL_OK);
    assert_int_equal(position, 1001);
    open_with(fixture, NULL, 0, 7, NULL);
    assert_int_equal(journal_append(fixture->journal, &record, &position), JOURNAL_OK);
    assert_int_equal(position, 1002);
}

/* A payload that holds a whole journal must not be taken for records. */
static void bytes_of_a_journal_inside_a_payload_are_no_records(void **state)
{
    struct fixture *fixture = *state;
    static char inner[8192];
    open_with(fixture, NULL, 0, 0, NULL);
    append_some(fixture->journal, 1, 10);
    journal_close(fixture->journal);
    fixture->journal = NULL;
    int fd = open(only_segment(fixture), O_RDONLY | O_CLOEXEC);
    ssize_t length = read(fd, inner, sizeof inner);
    (void)close(fd);
    assert_true(length > 1000);
    assert_int_equal(unlink(only_segment(fixture)), 0);
    open_with(fixture, NULL, 0, 0, NULL);
    struct journal_record record = { .kind = JOURNAL_MESSAGE,
                                     .payload = { inner, (size_t)length } };
    assert_int_equal(journal_append(fixture->journal, &record, NULL), JOURNAL_OK);
    journal_close(fixture->journal);
    fixture->journal = NULL;
    fd = open(only_segment(fixture), O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "x", 1, 70),
                     1); /* the outer record is damaged, the inner bytes are not */
    (void)close(fd);
    struct journal_recovery found;
    open_with(fixture, NULL, 0, 0, &found);
    assert_int_equal(found.last_position, 0);
    assert_true(found.damaged_bytes > 1000);
}

static void retention_takes_whole_old_segments_below_the_reader(void **state)
{
    struct fixture *fixture = *state;
    open_with(fixture, NULL, 4096, 0, NULL);
    append_some(fixture->journal, 1, 200);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_int_equal(journal_retain(fixture->journal, 0, (wall_time){ INT64_MAX }, 0), 0);
    uint64_t removed = journal_retain(fixture->journal, 100, (wall_time){ INT64_MAX }, INT64_MAX);
    assert_true(removed > 0);
    assert_true(removed < 100);
    assert_int_equal(journal_oldest(fixture->journal), removed + 1);
    struct journal_reader *reader;
    struct journal_record record;
    assert_int_equal(journal_reader_open(fixture->journal, 0, &reader, NULL), JOURNAL_OK);
    for (uint64_t n = removed + 1; n <= 200; n++) {
        assert_int_equal(journal_next(reader, &record), JOURNAL_OK);
        assert_is(&record, n);
    }
    journal_reader_close(reader);
    (void)journal_retain(fixture->journal, UINT64_MAX, (wall_time){ 0 }, 8192);
    assert_true(journal_bytes(fixture->journal) <= 8192 + 4096);
}

/* --- what is appended later ----------------------------------------------------- */

#define WAITING_BYTES 2000

static void open_waiting(struct fixture *fixture, const struct file_ops *files, int64_t reserve)
{
    struct journal_options options = { .path = fixture->folder,
                                       .files = files,
                                       .waiting_bytes = WAITING_BYTES,
                                       .reserve_bytes = reserve };
    assert_int_equal(journal_open(&options, &fixture->journal, NULL, NULL), JOURNAL_OK);
}

/* The folder is what a kill leaves. */
static void what_is_appended_later_is_written_in_front_of_what_follows(void **state)
{
    struct fixture *fixture = *state;
    open_with(fixture, NULL, 0, 0, NULL);
    append_later(fixture->journal, 1, 3);
    assert_int_equal(journal_appended(fixture->journal), 3);
    assert_true(journal_wait_appended(fixture->journal, 0));
    assert_folder_holds(fixture, 1, 0);
    append_some(fixture->journal, 4, 4);
    assert_folder_holds(fixture, 1, 4);
    append_later(fixture->journal, 5, 6);
    assert_folder_holds(fixture, 1, 4);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_int_equal(journal_synced(fixture->journal), 6);
    assert_folder_holds(fixture, 1, 6);
    append_later(fixture->journal, 7, 9);
    close_journal(fixture);
    assert_folder_holds(fixture, 1, 9);
}

static void only_so_much_waits_to_be_written(void **state)
{
    struct fixture *fixture = *state;
    char payload[PAYLOAD_CHARS];
    uint64_t bytes = 64, waited = 0; /* of the segment's header */
    open_waiting(fixture, NULL, 0);
    for (uint64_t n = 1; n <= 100; n++) {
        struct journal_record record = make(n, payload);
        append_later(fixture->journal, n, n);
        bytes += (40 + record.topic.length + record.payload.length + 7) / 8 * 8;
        uint64_t waiting = bytes - journal_bytes(fixture->journal);
        assert_true(waiting <= WAITING_BYTES);
        waited = waiting > waited ? waiting : waited;
    }
    assert_true(waited > WAITING_BYTES / 2);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_int_equal(journal_bytes(fixture->journal), bytes);
    assert_folder_holds(fixture, 1, 100);
}

static void what_waits_goes_to_the_segment_it_was_meant_for(void **state)
{
    struct fixture *fixture = *state;
    struct journal_recovery found;
    open_with(fixture, NULL, 4096, 0, NULL);
    struct journal_reader *reader;
    assert_int_equal(journal_reader_open(fixture->journal, 0, &reader, NULL), JOURNAL_OK);
    append_later(fixture->journal, 1, 100);
    append_some(fixture->journal, 101, 110);
    append_later(fixture->journal, 111, 200);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_reads(reader, 1, 200);
    journal_reader_close(reader);
    open_with(fixture, NULL, 4096, 0, &found);
    assert_int_equal(found.last_position, 200);
    assert_true(found.segments > 10);
    assert_folder_holds(fixture, 1, 200);
}

/* --- a disk that fills ---------------------------------------------------------- */

static int64_t room; /* bytes that the disk still takes */

static ssize_t write_until_full(void *context, int fd, const void *bytes, size_t length)
{
    (void)context;
    if (room <= 0) {
        errno = ENOSPC;
        return -1;
    }
    size_t taken = (int64_t)length < room ? length : (size_t)room;
    room -= (int64_t)taken;
    return write(fd, bytes, taken);
}

static void a_full_disk_loses_nothing_that_was_taken(void **state)
{
    struct fixture *fixture = *state;
    static struct file_ops files; /* outlives the journal */
    files = files_posix;
    files.write = write_until_full;
    room = 3000;
    open_with(fixture, &files, 0, 0, NULL);
    char payload[600];
    uint64_t taken = 0, position;
    for (uint64_t n = 1; n <= 100; n++) {
        struct journal_record record = make(n, payload);
        enum journal_status status = journal_append(fixture->journal, &record, &position);
        assert_true(status == JOURNAL_OK || status == JOURNAL_FULL);
        if (status == JOURNAL_FULL) {
            break;
        }
        taken = n;
    }
    assert_true(taken > 2);
    assert_true(taken < 100);
    room = 1 << 20;
    append_some(fixture->journal, taken + 1, taken + 5);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    struct journal_recovery found;
    open_with(fixture, NULL, 0, 0, &found);
    assert_int_equal(found.last_position, taken + 5);
    assert_int_equal(found.damaged_bytes, 0);
}

static int give_back(void *context, const char *path)
{
    (void)context;
    room += strstr(path, "/reserve") != NULL ? 4096 : 0;
    return unlink(path);
}

static int take_from_room(void *context, int fd, int64_t length)
{
    (void)context;
    (void)fd;
    if (room < length) {
        errno = ENOSPC;
        return -1;
    }
    room -= length;
    return 0;
}

static void the_reserve_takes_what_still_comes_and_is_taken_again(void **state)
{
    struct fixture *fixture = *state;
    static struct file_ops files; /* outlives the journal */
    files = files_posix;
    files.write = write_until_full;
    files.unlink = give_back;
    files.allocate = take_from_room;
    struct journal_options options = { .path = fixture->folder,
                                       .files = &files,
                                       .reserve_bytes = 4096 };
    room = 8000;
    assert_int_equal(journal_open(&options, &fixture->journal, NULL, NULL), JOURNAL_OK);
    assert_true(journal_reserve_there(fixture->journal));
    uint64_t n = 0;
    while (journal_reserve_there(fixture->journal)) {
        append_some(fixture->journal, n + 1, n + 1);
        n++;
    }
    append_some(fixture->journal, n + 1, n + 3); /* what was under way still finds room */
    assert_false(journal_reserve(fixture->journal));
    room += 8192;
    assert_true(journal_reserve(fixture->journal));
}

/* What was taken stays in memory while the disk takes nothing, and only so much is taken. */
static void a_full_disk_loses_nothing_that_waits(void **state)
{
    struct fixture *fixture = *state;
    static struct file_ops files; /* outlives the journal */
    files = files_posix;
    files.write = write_until_full;
    room = 5000;
    open_waiting(fixture, &files, 0);
    char payload[PAYLOAD_CHARS];
    struct journal_record record;
    enum journal_status status = JOURNAL_OK;
    uint64_t taken = 0;
    while (status == JOURNAL_OK && taken < 100) {
        record = make(taken + 1, payload);
        status = journal_append_later(fixture->journal, &record, NULL);
        taken += status == JOURNAL_OK ? 1 : 0;
    }
    assert_int_equal(status, JOURNAL_FULL);
    assert_int_equal(journal_append(fixture->journal, &record, NULL), JOURNAL_FULL);
    assert_int_equal(journal_append_later(fixture->journal, &record, NULL), JOURNAL_FULL);
    assert_int_equal(journal_appended(fixture->journal), taken);
    room = 1 << 20;
    append_later(fixture->journal, taken + 1, taken + 5);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_folder_holds(fixture, 1, taken + 5);
    struct journal_counters counters;
    journal_read_counters(fixture->journal, &counters);
    assert_int_equal(counters.sync_failures, 0);
}

static void the_reserve_takes_what_waits(void **state)
{
    struct fixture *fixture = *state;
    static struct file_ops files; /* outlives the journal */
    files = files_posix;
    files.write = write_until_full;
    files.unlink = give_back;
    files.allocate = take_from_room;
    room = 4096 + 64 + 100;
    open_waiting(fixture, &files, 4096);
    append_later(fixture->journal, 1, 5);
    assert_true(journal_reserve_there(fixture->journal));
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_false(journal_reserve_there(fixture->journal));
    struct journal_counters counters;
    journal_read_counters(fixture->journal, &counters);
    assert_int_equal(counters.sync_failures, 0);
    assert_folder_holds(fixture, 1, 5);
}

static void refuses_what_is_too_large(void **state)
{
    struct fixture *fixture = *state;
    open_with(fixture, NULL, 0, 0, NULL);
    static char large[JOURNAL_BODY_MAX + 1];
    struct journal_record record = { .kind = JOURNAL_MESSAGE, .payload = { large, sizeof large } };
    assert_int_equal(journal_append(fixture->journal, &record, NULL), JOURNAL_TOO_LARGE);
    record.payload.length = JOURNAL_BODY_MAX;
    assert_int_equal(journal_append(fixture->journal, &record, NULL), JOURNAL_OK);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    struct journal_reader *reader;
    assert_int_equal(journal_reader_open(fixture->journal, 0, &reader, NULL), JOURNAL_OK);
    assert_int_equal(journal_next(reader, &record), JOURNAL_OK);
    assert_int_equal(record.payload.length, JOURNAL_BODY_MAX);
    journal_reader_close(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_back_what_was_synced_and_no_more),
        TEST(goes_on_over_segments_and_restarts),
        TEST(position_never_goes_back),
        TEST(bytes_of_a_journal_inside_a_payload_are_no_records),
        TEST(retention_takes_whole_old_segments_below_the_reader),
        TEST(what_is_appended_later_is_written_in_front_of_what_follows),
        TEST(only_so_much_waits_to_be_written),
        TEST(what_waits_goes_to_the_segment_it_was_meant_for),
        TEST(a_full_disk_loses_nothing_that_was_taken),
        TEST(the_reserve_takes_what_still_comes_and_is_taken_again),
        TEST(a_full_disk_loses_nothing_that_waits),
        TEST(the_reserve_takes_what_waits),
        TEST(refuses_what_is_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
