/* The journal with damaged, truncated and superseded segments: opening, reading, side files,
 * repair. */
#include "journal_sample.h"

#include "journal_faulty.h"

#define RECORDS       12
#define SEGMENT_BYTES 1100 /* some records each */
#define FILES_MAX     16
#define FILE_BYTES    4096

struct file {
    char name[64];
    uint8_t bytes[FILE_BYTES];
    size_t length;
    uint64_t first, below; /* the records it holds: first .. below - 1 */
};

struct image {
    struct file files[FILES_MAX];
    size_t count;
};

/* --- help ------------------------------------------------------------------------ */

static size_t read_file(const struct fixture *fixture, const char *name, uint8_t bytes[FILE_BYTES])
{
    char path[PATH_CHARS + 64];
    (void)snprintf(path, sizeof path, "%s/%s", fixture->folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t got = read(fd, bytes, FILE_BYTES);
    (void)close(fd);
    assert_true(got >= 0 && got < FILE_BYTES);
    return (size_t)got;
}

static void write_file(const struct fixture *fixture, const char *name, const void *bytes,
                       size_t length)
{
    char path[PATH_CHARS + 64];
    (void)snprintf(path, sizeof path, "%s/%s", fixture->folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    (void)close(fd);
}

static void remove_file(void *visitor, const char *name)
{
    const struct fixture *fixture = visitor;
    char path[PATH_CHARS + 64];
    (void)snprintf(path, sizeof path, "%s/%s", fixture->folder, name);
    (void)unlink(path);
}

static void clear(struct fixture *fixture)
{
    close_journal(fixture);
    assert_int_equal(files_posix.list(NULL, fixture->folder, remove_file, fixture), 0);
}

/* A journal of several segments, all but the last two records of it synced when they were begun. */
static void make_image(struct fixture *fixture, struct image *image)
{
    memset(image, 0, sizeof *image);
    open_with(fixture, faulty_files(), SEGMENT_BYTES, 0, NULL);
    for (uint64_t n = 1; n <= RECORDS; n++) {
        append_some(fixture->journal, n, n);
        assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    }
    close_journal(fixture);
    for (uint64_t first = 1; first <= RECORDS; first++) {
        char path[PATH_CHARS + 64];
        segment_path(fixture, first, path);
        if (access(path, F_OK) == 0) {
            struct file *file = &image->files[image->count++];
            (void)snprintf(file->name, sizeof file->name, "%016" PRIx64 ".seg", first);
            file->length = read_file(fixture, file->name, file->bytes);
            file->first = first;
            file->below = RECORDS + 1;
            if (image->count > 1) {
                file[-1].below = first;
            }
        }
    }
    assert_true(image->count >= 3);
}

static void put_image(struct fixture *fixture, const struct image *image)
{
    clear(fixture);
    for (size_t i = 0; i < image->count; i++) {
        write_file(fixture, image->files[i].name, image->files[i].bytes, image->files[i].length);
    }
}

/* Bytes that record n takes on disk. */
static size_t bytes_of(uint64_t n)
{
    char payload[PAYLOAD_CHARS];
    struct journal_record record = make(n, payload);
    return (40 + record.topic.length + record.payload.length + 7) & ~(size_t)7;
}

static size_t padding_of(uint64_t n)
{
    char payload[PAYLOAD_CHARS];
    struct journal_record record = make(n, payload);
    return bytes_of(n) - 40 - record.topic.length - record.payload.length;
}

/* The record of a file that holds the byte at offset, 0 if that is in its header. */
static uint64_t record_at(const struct file *file, size_t offset)
{
    size_t end = 64;
    uint64_t n = file->first;
    if (offset < end) {
        return 0;
    }
    while (end + bytes_of(n) <= offset) {
        end += bytes_of(n++);
    }
    return n;
}

/* True if the byte at offset is of the padding of record n, which holds it. */
static bool is_padding(const struct file *file, uint64_t n, size_t offset)
{
    size_t end = 64;
    for (uint64_t i = file->first; i <= n; i++) {
        end += bytes_of(i);
    }
    return n > 0 && offset >= end - padding_of(n);
}

/* Reads all; sets seen[n] for each record n. */
static void read_all(struct journal_reader *reader, bool seen[RECORDS + 1])
{
    struct journal_record record;
    uint64_t last = 0;
    while (journal_next(reader, &record) == JOURNAL_OK) {
        assert_true(record.position > last && record.position <= RECORDS);
        assert_is(&record, record.position);
        last = record.position;
        seen[last] = true;
    }
    journal_reader_close(reader);
}

struct side {
    const struct fixture *fixture;
    const struct image *image; /* as damaged */
    uint64_t bytes;
};

/* A side file holds the very bytes that its name says. */
static void check_side(void *visitor, const char *name)
{
    struct side *side = visitor;
    uint8_t bytes[FILE_BYTES];
    uint64_t first = 0, offset = 0;
    if (strstr(name, ".damaged") == NULL) {
        return;
    }
    assert_int_equal(sscanf(name, "%16" SCNx64 "-%" SCNx64 ".damaged", &first, &offset), 2);
    size_t length = read_file(side->fixture, name, bytes);
    for (size_t i = 0; i < side->image->count; i++) {
        const struct file *file = &side->image->files[i];
        if (file->first == first) {
            assert_true(offset + length <= file->length);
            assert_memory_equal(bytes, file->bytes + offset, length);
            side->bytes += length;
        }
    }
}

static uint64_t side_bytes(const struct fixture *fixture, const struct image *damaged)
{
    struct side side = { fixture, damaged, 0 };
    assert_int_equal(files_posix.list(NULL, fixture->folder, check_side, &side), 0);
    return side.bytes;
}

static uint64_t assert_goes_on_above(struct fixture *fixture, uint64_t above)
{
    char payload[PAYLOAD_CHARS];
    struct journal_record record = make(99, payload);
    uint64_t position = 0;
    assert_int_equal(journal_append(fixture->journal, &record, &position), JOURNAL_OK);
    assert_true(position > above);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    return position;
}

/*
 * Opens what was damaged, reads what is left, and goes on above what must have been there. The
 * damage is in side files if it was looked at.
 */
static uint64_t open_and_read(struct fixture *fixture, const struct image *damaged, uint64_t above,
                              bool seen[RECORDS + 1])
{
    struct journal_recovery found;
    struct journal_reader *reader;
    struct journal_counters counters;
    open_with(fixture, faulty_files(), SEGMENT_BYTES, 0, &found);
    assert_int_equal(found.segments, damaged->count);
    assert_int_equal(found.damaged_bytes, side_bytes(fixture, damaged));
    assert_int_equal(journal_reader_open(fixture->journal, 0, &reader, NULL), JOURNAL_OK);
    read_all(reader, seen);
    uint64_t position = assert_goes_on_above(fixture, above);
    assert_int_equal(journal_reader_open(fixture->journal, position, &reader, NULL), JOURNAL_OK);
    struct journal_record record;
    assert_int_equal(journal_next(reader, &record), JOURNAL_OK); /* what came after it */
    assert_int_equal(record.count, 99);
    journal_reader_close(reader);
    journal_read_counters(fixture->journal, &counters);
    return counters.damaged_bytes;
}

/* The damaged bytes that somebody finds who reads the folder, as `phusa journal verify` does. */
static uint64_t damage_in(const struct fixture *fixture)
{
    struct journal_reader *reader;
    struct journal_record record;
    assert_int_equal(journal_reader_open_path(fixture->folder, NULL, 0, &reader, NULL), JOURNAL_OK);
    while (journal_next(reader, &record) == JOURNAL_OK) {
    }
    uint64_t damaged = journal_reader_damaged(reader);
    journal_reader_close(reader);
    return damaged;
}

/* --- sweeps ------------------------------------------------------------------------ */

static void check_flip(struct fixture *fixture, struct image *image, size_t index, size_t offset)
{
    struct file *file = &image->files[index];
    uint64_t hit = record_at(file, offset);
    bool seen[RECORDS + 1] = { false };
    file->bytes[offset] ^= 0x41;
    put_image(fixture, image);
    assert_true(damage_in(fixture) > 0);
    assert_true(open_and_read(fixture, image, RECORDS, seen) > 0);
    for (uint64_t n = 1; n <= RECORDS; n++) {
        bool lost = hit == 0 ? n >= file->first && n < file->below
                             : n == hit && !is_padding(file, hit, offset);
        assert_int_equal(seen[n], !lost);
    }
    assert_true(index + 1 < image->count || side_bytes(fixture, image) > 0);
    file->bytes[offset] ^= 0x41;
}

static void any_flipped_byte_is_named_and_costs_at_most_its_record(void **state)
{
    static struct image image;
    make_image(*state, &image);
    for (size_t i = 0; i < image.count; i++) {
        for (size_t offset = 0; offset < image.files[i].length; offset++) {
            check_flip(*state, &image, i, offset);
        }
    }
}

static void check_truncation(struct fixture *fixture, struct image *image, size_t index,
                             size_t length)
{
    struct file *file = &image->files[index];
    size_t before = file->length;
    uint64_t hit = length == before ? file->below : record_at(file, length);
    hit = hit == 0 ? file->first : hit;
    bool seen[RECORDS + 1] = { false };
    file->length = length;
    put_image(fixture, image);
    /* What is cut off the newest leaves no trace. */
    (void)open_and_read(fixture, image, index + 1 < image->count ? RECORDS : hit - 1, seen);
    for (uint64_t n = 1; n <= RECORDS; n++) {
        assert_int_equal(seen[n], n < hit || n >= file->below);
    }
    file->length = before;
}

static void any_truncation_costs_only_what_is_cut(void **state)
{
    static struct image image;
    make_image(*state, &image);
    for (size_t i = 0; i < image.count; i++) {
        for (size_t length = 0; length <= image.files[i].length; length++) {
            check_truncation(*state, &image, i, length);
        }
    }
}

static void opening_looks_only_at_what_may_not_be_durable(void **state)
{
    struct fixture *fixture = *state;
    static struct image image;
    struct journal_recovery found;
    make_image(fixture, &image);
    image.files[0].bytes[100] ^= 1;
    put_image(fixture, &image);
    const struct file_ops *files = faulty_files();
    open_with(fixture, files, SEGMENT_BYTES, 0, &found);
    assert_int_equal(found.damaged_bytes, 0);
    assert_int_equal(found.last_position, RECORDS);
    assert_int_equal(found.last_origin, RECORDS * 3);
    assert_true(faulty.op_done[OP_PREAD] < (long)image.count + 16); /* headers, and two segments */
}

static void without_a_record_in_the_newest_it_goes_back_until_there_is_one(void **state)
{
    struct fixture *fixture = *state;
    static struct image image;
    struct journal_recovery found;
    make_image(fixture, &image);
    for (size_t i = 1; i < image.count; i++) {
        memset(image.files[i].bytes + (i + 1 < image.count ? 64 : 0), 0xee, 600);
        image.files[i].length = 664;
    }
    put_image(fixture, &image);
    open_with(fixture, faulty_files(), SEGMENT_BYTES, 0, &found);
    assert_int_equal(found.last_position, image.files[0].below - 1);
    (void)assert_goes_on_above(fixture, image.files[image.count - 1].first);
}

static void side_files_are_written_once_and_bounded(void **state)
{
    struct fixture *fixture = *state;
    static struct image image;
    struct journal_recovery found;
    make_image(fixture, &image);
    struct file *newest = &image.files[image.count - 1];
    newest->bytes[80] ^= 1;
    put_image(fixture, &image);
    for (int i = 0; i < 3; i++) {
        open_with(fixture, faulty_files(), SEGMENT_BYTES, 0, &found);
        assert_true(found.damaged_bytes > 0);
        assert_int_equal(side_bytes(fixture, &image), found.damaged_bytes);
    }
    newest->bytes[81] ^= 1; /* other bytes at the same place */
    write_file(fixture, newest->name, newest->bytes, newest->length);
    put_image(fixture, &image);
    for (int i = 0; i < 300; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "%016x-%08x.damaged", i + 1000, i);
        write_file(fixture, name, "x", 1);
    }
    open_with(fixture, faulty_files(), SEGMENT_BYTES, 0, &found);
    assert_true(found.damaged_bytes > 0);
    assert_int_equal(side_bytes(fixture, &image), 0);
}

/* Whatever fails while it is opened: it opens with all there is, or does so at the next try. */
static void opening_loses_nothing_whatever_fails(void **state)
{
    struct fixture *fixture = *state;
    static struct image image;
    make_image(fixture, &image);
    image.files[image.count - 1].bytes[70] ^= 1; /* something for a side file */
    uint64_t hit = image.files[image.count - 1].first;
    long begin = 0, done = 0;
    for (; begin <= 2 * done + 1; begin++) { /* until no operation fails any more */
        bool seen[RECORDS + 1] = { false };
        put_image(fixture, &image);
        if (begin % 2 == 1) {
            write_file(fixture, "unsure", "", 0);
        }
        struct journal_options options = { .path = fixture->folder, .files = faulty_files() };
        faulty.keeps = true; /* nobody else has them */
        faulty.begin = begin / 2;
        faulty.end = begin / 2 + 1;
        enum journal_status status = journal_open(&options, &fixture->journal, NULL, NULL);
        done = faulty.done;
        faulty.end = 0;
        if (status != JOURNAL_OK) {
            assert_int_equal(status, JOURNAL_FAILED);
            open_with(fixture, faulty_files(), 0, 0, NULL);
        }
        struct journal_reader *reader;
        assert_int_equal(journal_reader_open(fixture->journal, 0, &reader, NULL), JOURNAL_OK);
        read_all(reader, seen);
        for (uint64_t n = 1; n <= RECORDS; n++) {
            assert_int_equal(seen[n], n != hit);
        }
        (void)assert_goes_on_above(fixture, RECORDS);
    }
    assert_true(begin > 60);
}

/* --- superseding ---------------------------------------------------------------------- */

static void a_segment_supersedes_what_stands_before_it(void **state)
{
    struct fixture *fixture = *state;
    static uint8_t bytes[FILE_BYTES];
    struct journal_recovery found;
    open_with(fixture, faulty_files(), 0, 4, NULL);
    append_some(fixture->journal, 5, 7);
    close_journal(fixture);
    size_t length = read_file(fixture, "0000000000000005.seg", bytes);
    clear(fixture);
    open_with(fixture, faulty_files(), 0, 0, NULL);
    append_some(fixture->journal, 1, 6);
    close_journal(fixture);
    write_file(fixture, "0000000000000005.seg", bytes, length);
    struct journal_reader *reader;
    assert_int_equal(journal_reader_open_path(fixture->folder, NULL, 0, &reader, NULL), JOURNAL_OK);
    assert_reads(reader, 1, 7);
    assert_int_equal(journal_reader_damaged(reader), 0);
    journal_reader_close(reader);
    open_with(fixture, faulty_files(), 0, 0, &found);
    assert_int_equal(found.last_position, 7);
    assert_int_equal(found.damaged_bytes, 0);
    append_some(fixture->journal, 8, 9);
    close_journal(fixture);
    assert_folder_holds(fixture, 1, 9);
}

static void damage_before_what_is_superseded_is_damage(void **state)
{
    struct fixture *fixture = *state;
    open_with(fixture, faulty_files(), 0, 0, NULL);
    append_some(fixture->journal, 1, 6);
    close_journal(fixture);
    static uint8_t bytes[FILE_BYTES];
    size_t length = read_file(fixture, "0000000000000001.seg", bytes);
    bytes[64 + bytes_of(1) + bytes_of(2) + 50] ^= 1; /* record 3 */
    write_file(fixture, "0000000000000001.seg", bytes, length);
    write_file(fixture, "0000000000000005.seg", "", 0);
    struct journal_reader *reader;
    struct journal_record record;
    uint64_t read = 0;
    assert_int_equal(journal_reader_open_path(fixture->folder, NULL, 0, &reader, NULL), JOURNAL_OK);
    while (journal_next(reader, &record) == JOURNAL_OK) {
        read = read * 10 + record.position;
    }
    assert_int_equal(read, 124);
    assert_int_equal(journal_reader_damaged(reader), bytes_of(3));
    journal_reader_close(reader);
}

/* --- repair --------------------------------------------------------------------------- */

/* Damages a record of the first and of the last segment and the header of the second. */
static void make_damaged(struct fixture *fixture, struct image *image)
{
    make_image(fixture, image);
    struct file *newest = &image->files[image->count - 1];
    image->files[0].bytes[100] ^= 1;
    image->files[1].bytes[5] ^= 1;
    newest->bytes[newest->length - 60] ^= 1;
}

static void assert_repaired(struct fixture *fixture, const struct image *image)
{
    struct journal_reader *reader;
    bool seen[RECORDS + 1] = { false };
    assert_int_equal(journal_reader_open_path(fixture->folder, NULL, 0, &reader, NULL), JOURNAL_OK);
    struct journal_record record;
    while (journal_next(reader, &record) == JOURNAL_OK) {
        seen[record.position] = true;
    }
    assert_int_equal(journal_reader_damaged(reader), 0);
    journal_reader_close(reader);
    for (uint64_t n = 1; n <= RECORDS; n++) {
        bool lost =
            n == 1 || n == RECORDS || (n >= image->files[1].first && n < image->files[1].below);
        assert_int_equal(seen[n], !lost);
    }
    assert_int_equal(side_bytes(fixture, image),
                     bytes_of(1) + bytes_of(RECORDS) + image->files[1].length);
}

static void count_progress(void *context, uint64_t done, uint64_t of)
{
    uint64_t *calls = context;
    assert_int_equal(done, ++*calls);
    assert_true(done <= of);
}

static void repair_takes_out_the_damage_and_keeps_all_else(void **state)
{
    struct fixture *fixture = *state;
    static struct image image;
    struct journal_repair repair;
    struct journal_recovery found;
    uint64_t calls = 0;
    make_damaged(fixture, &image);
    put_image(fixture, &image);
    assert_int_equal(journal_repair(fixture->folder, NULL, count_progress, &calls, &repair, NULL),
                     JOURNAL_OK);
    assert_int_equal(calls, image.count);
    assert_int_equal(repair.segments, image.count);
    assert_int_equal(repair.segments_rewritten, 3);
    assert_int_equal(repair.damaged_bytes, side_bytes(fixture, &image));
    assert_repaired(fixture, &image);
    assert_int_equal(journal_repair(fixture->folder, NULL, NULL, NULL, &repair, NULL), JOURNAL_OK);
    assert_int_equal(repair.segments_rewritten, 0);
    assert_int_equal(repair.damaged_bytes, 0);
    open_with(fixture, faulty_files(), SEGMENT_BYTES, 0, &found);
    assert_int_equal(found.damaged_bytes, 0);
    (void)assert_goes_on_above(fixture, RECORDS);
}

static void repair_writes_zeros_where_padding_was_damaged(void **state)
{
    struct fixture *fixture = *state;
    static struct image image;
    struct journal_repair repair;
    make_image(fixture, &image);
    assert_true(padding_of(1) > 1 && padding_of(RECORDS) > 0);
    struct file *newest = &image.files[image.count - 1];
    image.files[0].bytes[64 + bytes_of(1) - 1] = 1;
    newest->bytes[newest->length - 1] = 0xff; /* the last byte of all */
    put_image(fixture, &image);
    uint64_t dirty = padding_of(1) + padding_of(RECORDS);
    assert_folder_holds(fixture, 1, RECORDS);
    assert_int_equal(damage_in(fixture), dirty);
    assert_int_equal(journal_repair(fixture->folder, NULL, NULL, NULL, &repair, NULL), JOURNAL_OK);
    assert_int_equal(repair.segments_rewritten, 2);
    assert_int_equal(repair.records, RECORDS);
    assert_int_equal(repair.damaged_bytes, dirty);
    assert_int_equal(side_bytes(fixture, &image), dirty);
    assert_folder_holds(fixture, 1, RECORDS);
    assert_int_equal(damage_in(fixture), 0);
}

static void repair_that_is_interrupted_loses_nothing(void **state)
{
    struct fixture *fixture = *state;
    static struct image image;
    struct journal_repair repair;
    make_damaged(fixture, &image);
    for (int length = 1; length < 1000; length += 998) {
        long begin = 0, done = 0;
        for (; begin <= done; begin++) { /* until no operation fails any more */
            put_image(fixture, &image);
            const struct file_ops *files = faulty_files();
            faulty.begin = begin;
            faulty.end = begin + length;
            (void)journal_repair(fixture->folder, files, NULL, NULL, &repair, NULL);
            done = faulty.done;
            assert_int_equal(
                journal_repair(fixture->folder, faulty_files(), NULL, NULL, &repair, NULL),
                JOURNAL_OK);
            assert_repaired(fixture, &image);
            open_with(fixture, faulty_files(), SEGMENT_BYTES, 0, NULL);
            (void)assert_goes_on_above(fixture, RECORDS);
        }
        assert_true(begin > 40);
    }
}

/* --- what a reader says of it ------------------------------------------------------------ */

struct heard {
    size_t count;
    struct journal_damage items[8];
};

static void hear(void *context, const struct journal_damage *damage)
{
    struct heard *heard = context;
    assert_true(heard->count < 8);
    heard->items[heard->count++] = *damage;
}

static void a_reader_says_where_the_damage_is(void **state)
{
    struct fixture *fixture = *state;
    static struct image image;
    struct heard heard = { 0 };
    struct journal_reader *reader;
    struct journal_record record;
    make_damaged(fixture, &image);
    (void)snprintf(image.files[image.count - 1].name, sizeof image.files[0].name, "%016x.seg", 999);
    put_image(fixture, &image);
    assert_int_equal(journal_reader_open_path(fixture->folder, NULL, 0, &reader, NULL), JOURNAL_OK);
    journal_reader_watch(reader, hear, &heard);
    while (journal_next(reader, &record) == JOURNAL_OK) {
    }
    journal_reader_close(reader);
    assert_int_equal(heard.count, 4);
    assert_int_equal(heard.items[0].kind, JOURNAL_DAMAGED_BYTES);
    assert_int_equal(heard.items[0].first, 1);
    assert_int_equal(heard.items[0].offset, 64);
    assert_int_equal(heard.items[0].bytes, bytes_of(1));
    assert_int_equal(heard.items[1].kind, JOURNAL_DAMAGED_HEADER);
    assert_int_equal(heard.items[1].bytes, image.files[1].length);
    assert_int_equal(heard.items[2].kind, JOURNAL_MISNAMED);
    assert_int_equal(heard.items[2].first, 999);
    assert_int_equal(heard.items[3].kind, JOURNAL_DAMAGED_BYTES);
}

static void flip_in_first(const struct fixture *fixture, size_t offset)
{
    char path[PATH_CHARS + 64];
    uint8_t byte;
    segment_path(fixture, 1, path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
    (void)close(fd);
}

/* Past record 2, which is damaged, it gets to record 3 before that is synced, and again later. */
static void a_reader_that_comes_twice_to_a_padding_counts_it_once(void **state)
{
    struct fixture *fixture = *state;
    struct journal_reader *reader;
    struct journal_record record;
    open_with(fixture, NULL, 0, 0, NULL);
    append_some(fixture->journal, 1, 2);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    append_some(fixture->journal, 3, 3);
    assert_true(padding_of(3) > 0);
    flip_in_first(fixture, 64 + bytes_of(1) + 50);
    flip_in_first(fixture, 64 + bytes_of(1) + bytes_of(2) + bytes_of(3) - 1);
    assert_int_equal(journal_reader_open(fixture->journal, 0, &reader, NULL), JOURNAL_OK);
    assert_int_equal(journal_next(reader, &record), JOURNAL_OK);
    assert_int_equal(record.position, 1);
    assert_int_equal(journal_next(reader, &record), JOURNAL_NOTHING_YET);
    assert_int_equal(journal_sync(fixture->journal, NULL), JOURNAL_OK);
    assert_reads(reader, 3, 3);
    assert_int_equal(journal_reader_damaged(reader), bytes_of(2) + padding_of(3));
    journal_reader_close(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(any_flipped_byte_is_named_and_costs_at_most_its_record),
        TEST(any_truncation_costs_only_what_is_cut),
        TEST(opening_looks_only_at_what_may_not_be_durable),
        TEST(without_a_record_in_the_newest_it_goes_back_until_there_is_one),
        TEST(side_files_are_written_once_and_bounded),
        TEST(opening_loses_nothing_whatever_fails),
        TEST(a_segment_supersedes_what_stands_before_it),
        TEST(damage_before_what_is_superseded_is_damage),
        TEST(repair_takes_out_the_damage_and_keeps_all_else),
        TEST(repair_writes_zeros_where_padding_was_damaged),
        TEST(repair_that_is_interrupted_loses_nothing),
        TEST(a_reader_says_where_the_damage_is),
        TEST(a_reader_that_comes_twice_to_a_padding_counts_it_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
