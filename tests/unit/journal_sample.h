/* A journal in a folder of its own, and records that can be told apart. */
#ifndef TESTS_JOURNAL_SAMPLE_H
#define TESTS_JOURNAL_SAMPLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/journal.h"

#define PATH_CHARS    256
#define PAYLOAD_CHARS 600

struct fixture {
    char folder[PATH_CHARS];
    struct journal *journal;
};

static inline void shell(const char *format, const char *path)
{
    char command[PATH_CHARS + 64];
    (void)snprintf(command, sizeof command, format, path);
    assert_int_equal(system(command), 0);
}

static inline int set_up(void **state)
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

static inline void close_journal(struct fixture *fixture)
{
    journal_close(fixture->journal);
    fixture->journal = NULL;
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;
    close_journal(fixture);
    shell("rm -rf '%s'", fixture->folder);
    return 0;
}

static inline void open_with(struct fixture *fixture, const struct file_ops *files, int64_t segment,
                             uint64_t least, struct journal_recovery *found)
{
    struct problem problem = { 0 };
    struct journal_options options = {
        .path = fixture->folder, .files = files, .segment_bytes = segment, .least_position = least
    };
    close_journal(fixture);
    enum journal_status status = journal_open(&options, &fixture->journal, found, &problem);
    if (status != JOURNAL_OK) {
        fail_msg("%s", problem.text);
    }
}

/* Record n: a payload that depends on n, of a length that depends on n. */
static inline struct journal_record make(uint64_t n, char payload[PAYLOAD_CHARS])
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

typedef enum journal_status append_call(struct journal *journal,
                                        const struct journal_record *record, uint64_t *position);

static inline void append_by(append_call *put, struct journal *journal, uint64_t from,
                             uint64_t upto)
{
    char payload[PAYLOAD_CHARS];
    for (uint64_t n = from; n <= upto; n++) {
        struct journal_record record = make(n, payload);
        uint64_t position = 0;
        assert_int_equal(put(journal, &record, &position), JOURNAL_OK);
        assert_int_equal(position, n);
    }
}

static inline void append_some(struct journal *journal, uint64_t from, uint64_t upto)
{
    append_by(journal_append, journal, from, upto);
}

static inline void append_later(struct journal *journal, uint64_t from, uint64_t upto)
{
    append_by(journal_append_later, journal, from, upto);
}

static inline void assert_is(const struct journal_record *record, uint64_t n)
{
    char payload[PAYLOAD_CHARS];
    struct journal_record expected = make(n, payload);
    assert_int_equal(record->position, n);
    assert_int_equal(record->origin, expected.origin);
    assert_int_equal(record->time.ns, expected.time.ns);
    assert_int_equal(record->count, expected.count);
    assert_true(phusa_text_equal(record->topic, expected.topic));
    assert_true(phusa_text_equal(record->payload, expected.payload));
}

/* The reader hands out exactly the records from..upto now. */
static inline void assert_reads(struct journal_reader *reader, uint64_t from, uint64_t upto)
{
    struct journal_record record;
    for (uint64_t n = from; n <= upto; n++) {
        assert_int_equal(journal_next(reader, &record), JOURNAL_OK);
        assert_is(&record, n);
    }
    assert_int_not_equal(journal_next(reader, &record), JOURNAL_OK);
}

/* The folder, read by somebody else, holds exactly the records from..upto. */
static inline void assert_folder_holds(const struct fixture *fixture, uint64_t from, uint64_t upto)
{
    struct journal_reader *reader;
    assert_int_equal(journal_reader_open_path(fixture->folder, NULL, 0, &reader, NULL), JOURNAL_OK);
    assert_reads(reader, from, upto);
    journal_reader_close(reader);
}

static inline void segment_path(const struct fixture *fixture, uint64_t first,
                                char path[PATH_CHARS + 64])
{
    (void)snprintf(path, PATH_CHARS + 64, "%s/%016" PRIx64 ".seg", fixture->folder, first);
}

static inline char *only_segment(const struct fixture *fixture)
{
    static char path[PATH_CHARS + 64];
    segment_path(fixture, 1, path);
    return path;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
