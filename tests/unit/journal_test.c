/* The journal: order, syncing, rotation, reopening, damage at every byte, retention. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/journal.h"

#define PATH_CHARS 256

struct fixture {
    char folder[PATH_CHARS];
    struct journal *journal;
};

/* --- help -------------------------------------------------------------------- */

static void empty_folder(const char *path)
{
    char command[PATH_CHARS + 32];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
}

static int set_up(void **state)
{
    static struct fixture fixture;
    const char *base = getenv("TMPDIR");
    memset(&fixture, 0, sizeof fixture);
    (void)snprintf(fixture.folder, sizeof fixture.folder, "%s/phusa-journal-XXXXXX",
                   base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(fixture.folder));
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    journal_close(fixture->journal);
    empty_folder(fixture->folder);
    return 0;
}

static void open_with(struct fixture *fixture, const struct file_ops *files, int64_t segment,
                      uint64_t least, struct journal_recovery *found)
{
    struct problem problem = { 0 };
    struct journal_options options = {
        .path = fixture->folder, .files = files, .segment_bytes = segment, .least_position = least
    };
    journal_close(fixture->journal);
    fixture->journal = NULL;
    enum journal_status status = journal_open(&options, &fixture->journal, found, &problem);
    if (status != JOURNAL_OK) {
        fail_msg("%s", problem.text);
    }
}

/* Record n: a payload that depends on n, of a length that depends on n. */
static struct journal_record make(uint64_t n, char payload[600])
{
    size_t length = (size_t)(n * 37 % 500) + 1;
    for (size_t i = 0; i < length; i++) {
        payload[i] = (char)(n + i * 7);
    }
    return (struct journal_record){ .origin = n * 3,
                                    .time = { (int64_t)n * SECOND_NS },
                                    .count = (uint32_t)n,
                                    .kind = JOURNAL_MESSAGE,
                                    .topic = PHUSA_TEXT("phusa/1/a/b/obs"),
                                    .payload = { payload, length } };
}

static void append_some(struct journal *journal, uint64_t from, uint64_t upto)
{
    char payload[600];
    for (uint64_t n = from; n <= upto; n++) {
        struct journal_record record = make(n, payload);
        uint64_t position = 0;
        assert_int_equal(journal_append(journal, &record, &position), JOURNAL_OK);
        assert_int_equal(position, n);
    }
}

static void assert_is(const struct journal_record *record, uint64_t n)
{
    char payload[600];
    struct journal_record expected = make(n, payload);
    assert_int_equal(record->position, n);
    assert_int_equal(record->origin, expected.origin);
    assert_int_equal(record->time.ns, expected.time.ns);
    assert_int_equal(record->count, expected.count);
    assert_true(phusa_text_equal(record->topic, expected.topic));
    assert_true(phusa_text_equal(record->payload, expected.payload));
}

static char *only_segment(const struct fixture *fixture)
{
    static char path[PATH_CHARS + 64];
    (void)snprintf(path, sizeof path, "%s/%016x.seg", fixture->folder, 1);
    return path;
}

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
        assert_int_equal(found.records, run * 100);
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

/* Every record whose bytes are untouched is read, whatever happens to one byte of the file. */
static void any_flipped_byte_costs_at_most_its_record(void **state)
{
    struct fixture *fixture = *state;
    enum { RECORDS = 6 };
    struct stat file;
    open_with(fixture, NULL, 0, 0, NULL);
    append_some(fixture->journal, 1, RECORDS);
    journal_close(fixture->journal);
    fixture->journal = NULL;
    char *path = only_segment(fixture);
    assert_int_equal(stat(path, &file), 0);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    for (off_t at = 0; at < file.st_size; at++) {
        uint8_t byte, flipped;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        flipped = byte ^ 0x41;
        assert_int_equal(pwrite(fd, &flipped, 1, at), 1);
        struct journal_reader *reader;
        struct journal_record record;
        uint64_t read = 0, last = 0;
        assert_int_equal(journal_reader_open_path(fixture->folder, NULL, 0, &reader, NULL),
                         JOURNAL_OK);
        while (journal_next(reader, &record) == JOURNAL_OK) {
            assert_true(record.position > last);
            assert_is(&record, record.position);
            last = record.position;
            read++;
        }
        assert_true(read >= RECORDS - 1 ||
                    at < 64); /* a damaged segment header loses the segment */
        assert_true(read == RECORDS || journal_reader_damaged(reader) > 0);
        journal_reader_close(reader);
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    (void)close(fd);
}

static void any_truncation_starts_and_keeps_what_is_whole(void **state)
{
    struct fixture *fixture = *state;
    enum { RECORDS = 4 };
    struct stat file;
    open_with(fixture, NULL, 0, 0, NULL);
    append_some(fixture->journal, 1, RECORDS);
    journal_close(fixture->journal);
    fixture->journal = NULL;
    char *path = only_segment(fixture);
    assert_int_equal(stat(path, &file), 0);
    uint64_t before = RECORDS;
    for (off_t length = file.st_size; length >= 0; length--) {
        assert_int_equal(truncate(path, length), 0);
        struct journal_recovery found;
        open_with(fixture, NULL, 0, 0, &found);
        assert_true(found.records <= before);
        assert_true(before - found.records <= 1);
        before = found.records;
        char payload[600];
        struct journal_record record = make(99, payload);
        uint64_t position;
        assert_int_equal(journal_append(fixture->journal, &record, &position), JOURNAL_OK);
        assert_true(position > found.last_position);
        journal_close(fixture->journal);
        fixture->journal = NULL;
        char extra[PATH_CHARS + 64];
        (void)snprintf(extra, sizeof extra, "%s/%016" PRIx64 ".seg", fixture->folder, position);
        assert_int_equal(unlink(extra), 0);
    }
    assert_int_equal(before, 0);
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
    assert_int_equal(found.records, 0);
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
    assert_int_equal(found.records, taken + 5);
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

static int fail_sync(void *context, int fd)
{
    (void)context;
    (void)fd;
    errno = EIO;
    return -1;
}

static void a_failed_sync_publishes_nothing(void **state)
{
    struct fixture *fixture = *state;
    static struct file_ops files; /* outlives the journal */
    files = files_posix;
    files.fdatasync = fail_sync;
    open_with(fixture, &files, 0, 0, NULL);
    append_some(fixture->journal, 1, 3);
    struct problem problem = { 0 };
    assert_int_equal(journal_sync(fixture->journal, &problem), JOURNAL_FAILED);
    assert_non_null(strstr(problem.text, "sync"));
    assert_int_equal(journal_synced(fixture->journal), 0);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_back_what_was_synced_and_no_more),
        TEST(goes_on_over_segments_and_restarts),
        TEST(position_never_goes_back),
        TEST(any_flipped_byte_costs_at_most_its_record),
        TEST(any_truncation_starts_and_keeps_what_is_whole),
        TEST(bytes_of_a_journal_inside_a_payload_are_no_records),
        TEST(retention_takes_whole_old_segments_below_the_reader),
        TEST(a_full_disk_loses_nothing_that_was_taken),
        TEST(the_reserve_takes_what_still_comes_and_is_taken_again),
        TEST(a_failed_sync_publishes_nothing),
        TEST(refuses_what_is_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
