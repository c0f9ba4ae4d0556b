/* What is kept over a restart (state, kept files, the store's cursor), and the clock. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/iso_time.h"
#include "base/kept.h"
#include "base/state.h"
#include "store/cursor.h"

/* --- state ---------------------------------------------------------------------- */

static const uint64_t numbers[] = { 0,   1,    127,        128,       16383,          16384,
                                    255, 1000, UINT32_MAX, INT64_MAX, UINT64_MAX - 1, UINT64_MAX };
static const double doubles[] = { 0.0, -0.0, 1.5, -3.25e300, 5e-324 };
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void write_all(struct state_writer *writer)
{
    for (size_t i = 0; i < COUNT(numbers); i++) {
        state_put(writer, numbers[i]);
        state_put_signed(writer, (int64_t)numbers[i]);
        state_put_signed(writer, -(int64_t)(numbers[i] / 2));
    }
    for (size_t i = 0; i < COUNT(doubles); i++) {
        state_put_double(writer, doubles[i]);
    }
    state_put_signed(writer, INT64_MIN);
    state_put_bool(writer, true);
    state_put_text(writer, phusa_text_of("Tiền Giang"));
    state_put_text(writer, phusa_text_of(""));
}

static void state_comes_back_as_it_was(void **unused)
{
    (void)unused;
    struct state_writer writer = { 0 };
    write_all(&writer);
    assert_false(writer.failed);
    struct state_reader reader = state_reader_of(writer.bytes, writer.used);
    for (size_t i = 0; i < COUNT(numbers); i++) {
        assert_true(state_get(&reader) == numbers[i]);
        assert_true(state_get_signed(&reader) == (int64_t)numbers[i]);
        assert_true(state_get_signed(&reader) == -(int64_t)(numbers[i] / 2));
    }
    for (size_t i = 0; i < COUNT(doubles); i++) {
        double value = state_get_double(&reader);
        assert_memory_equal(&value, &doubles[i], sizeof value);
    }
    assert_true(state_get_signed(&reader) == INT64_MIN);
    assert_true(state_get_bool(&reader));
    assert_true(phusa_text_equal(state_get_text(&reader), phusa_text_of("Tiền Giang")));
    assert_int_equal(state_get_text(&reader).length, 0);
    assert_false(reader.failed);
    assert_ptr_equal(reader.at, reader.end);
    state_writer_free(&writer);
}

static void a_reader_stops_at_the_end(void **unused)
{
    (void)unused;
    struct state_writer writer = { 0 };
    write_all(&writer);
    for (size_t length = 0; length < writer.used; length++) {
        /* A copy of exactly this length, so that the sanitizer sees a read beyond it. */
        uint8_t *cut = malloc(length + (length == 0));
        assert_non_null(cut);
        memcpy(cut, writer.bytes, length);
        struct state_reader reader = state_reader_of(cut, length);
        for (size_t i = 0; i < COUNT(numbers); i++) {
            (void)state_get(&reader);
            (void)state_get_signed(&reader);
            (void)state_get_signed(&reader);
        }
        for (size_t i = 0; i < COUNT(doubles); i++) {
            (void)state_get_double(&reader);
        }
        (void)state_get_signed(&reader);
        (void)state_get_bool(&reader);
        (void)state_get_text(&reader);
        (void)state_get_text(&reader);
        assert_true(reader.failed);
        assert_int_equal(state_get(&reader), 0);
        free(cut);
    }
    state_writer_free(&writer);
}

static void what_is_no_number_is_refused(void **unused)
{
    (void)unused;
    static const uint8_t endless[] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                       0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1 };
    static const uint8_t too_wide[] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2 };
    static const uint8_t long_text[] = { 200, 1, 'x' };
    struct state_reader reader = state_reader_of(endless, sizeof endless);
    assert_int_equal(state_get(&reader), 0);
    assert_true(reader.failed);
    reader = state_reader_of(too_wide, sizeof too_wide);
    (void)state_get(&reader);
    assert_true(reader.failed);
    reader = state_reader_of(long_text, sizeof long_text);
    assert_int_equal(state_get_text(&reader).length, 0);
    assert_true(reader.failed);
    reader = state_reader_of("\x05", 1);
    assert_int_equal(state_get_upto(&reader, 4), 0);
    assert_true(reader.failed);
}

/* --- kept files ------------------------------------------------------------------- */

static char folder[] = "/tmp/phusa-base-XXXXXX";
static char path[64];

static int make_folder(void **unused)
{
    (void)unused;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "%s/kept", folder);
    return 0;
}

static int remove_folder(void **unused)
{
    (void)unused;
    char fresh[80];
    (void)snprintf(fresh, sizeof fresh, "%s.new", path);
    (void)unlink(path);
    (void)unlink(fresh);
    return rmdir(folder);
}

static void kept_files_come_back(void **unused)
{
    (void)unused;
    static const char binary[] = "a\0b\nc";
    void *body;
    size_t length;
    (void)unlink(path);
    assert_int_equal(kept_read(&files_posix, path, "trial", 1, 100, &body, &length), KEPT_ABSENT);
    assert_int_equal(kept_write(&files_posix, path, "trial", 1, binary, sizeof binary), KEPT_OK);
    assert_int_equal(kept_read(&files_posix, path, "trial", 1, 100, &body, &length), KEPT_OK);
    assert_int_equal(length, sizeof binary);
    assert_memory_equal(body, binary, sizeof binary);
    free(body);
    assert_int_equal(kept_read(&files_posix, path, "trial", 2, 100, &body, &length), KEPT_FOREIGN);
    assert_int_equal(kept_read(&files_posix, path, "other", 1, 100, &body, &length), KEPT_DAMAGED);
    assert_int_equal(kept_read(&files_posix, path, "trial", 1, 2, &body, &length), KEPT_DAMAGED);
}

static size_t slurp(uint8_t *bytes, size_t capacity)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = read(fd, bytes, capacity);
    (void)close(fd);
    return got < 0 ? 0 : (size_t)got;
}

static void spew(const uint8_t *bytes, size_t length)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    (void)close(fd);
}

static void a_damaged_kept_file_is_never_believed(void **unused)
{
    (void)unused;
    uint8_t whole[256], hurt[256];
    void *body;
    size_t length;
    assert_int_equal(kept_write(&files_posix, path, "trial", 1, "sixteen bytes ok", 16), KEPT_OK);
    size_t size = slurp(whole, sizeof whole);
    assert_true(size > 16);
    for (size_t at = 0; at < size; at++) {
        for (int bit = 0; bit < 8; bit++) {
            memcpy(hurt, whole, size);
            hurt[at] ^= (uint8_t)(1u << bit);
            spew(hurt, size);
            assert_int_equal(kept_read(&files_posix, path, "trial", 1, 100, &body, &length),
                             KEPT_DAMAGED);
        }
        spew(whole, at);
        assert_int_equal(kept_read(&files_posix, path, "trial", 1, 100, &body, &length),
                         KEPT_DAMAGED);
    }
}

static void cursors_come_back(void **unused)
{
    (void)unused;
    struct store_cursor cursor = { 17, 23 }, found;
    (void)unlink(path);
    assert_int_equal(store_cursor_read(&files_posix, path, &found), KEPT_ABSENT);
    assert_int_equal(found.safe, 0);
    assert_int_equal(store_cursor_write(&files_posix, path, &cursor), KEPT_OK);
    assert_int_equal(store_cursor_read(&files_posix, path, &found), KEPT_OK);
    assert_int_equal(found.safe, 17);
    assert_int_equal(found.sent, 23);
    assert_int_equal(kept_write(&files_posix, path, "cursor", 1, "5 4\n", 4), KEPT_OK);
    assert_int_equal(store_cursor_read(&files_posix, path, &found), KEPT_DAMAGED);
    assert_int_equal(found.sent, 0);
}

static void a_lock_is_held_once(void **unused)
{
    (void)unused;
    int first = files_lock(path);
    assert_true(first >= 0);
    assert_int_equal(files_lock(path), -1);
    (void)close(first);
    int again = files_lock(path);
    assert_true(again >= 0);
    (void)close(again);
}

/* --- clock ------------------------------------------------------------------------ */

static void clocks_are_read(void **unused)
{
    (void)unused;
    static const char *const bad[] = { "start=1", "speed=2,start=5,origin=4",
                                       "start=1,speed=0,origin=1", "nonsense",
                                       "start=x,speed=1,origin=1" };
    struct clock clock;
    struct problem problem;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(clock_parse(&clock, bad[i], &problem), CLOCK_BAD_SPEC);
    }
    assert_int_equal(clock_parse(&clock, "start=100,speed=10,origin=200", &problem), CLOCK_OK);
    assert_true(clock_at(&clock, (wall_time){ 205 * SECOND_NS }).ns == 150 * SECOND_NS);
    assert_true(clock_at(&clock, (wall_time){ 300 * SECOND_NS }).ns == 300 * SECOND_NS);
    assert_null(clock.offset_file);
}

/* The only test of this process that has an offset: it is read at once, then every 100 ms. */
static void an_offset_moves_the_wall_clock(void **unused)
{
    (void)unused;
    char specification[80];
    struct clock clock;
    struct problem problem;
    (void)snprintf(specification, sizeof specification, "offset=%s", path);
    assert_int_equal(clock_parse(&clock, specification, &problem), CLOCK_OK);
    assert_string_equal(clock.offset_file, path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    (void)fputs("-86400\n", file);
    (void)fclose(file);
    int64_t before = clock_real().ns;
    int64_t moved = clock_wall(&clock).ns + 86400 * SECOND_NS;
    assert_true(moved >= before && moved <= clock_real().ns);
}

/* --- ISO 8601 --------------------------------------------------------------------- */

static void times_are_read_as_people_write_them(void **state)
{
    static const struct {
        const char *text;
        int64_t ns; /* -1: it is none */
    } cases[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "2026-01-01T00:00+07:00", INT64_C(1767200400000000000) },
        { "2026-01-01 00:00:00.25-0330", INT64_C(1767238200250000000) },
        { "2017-01-01T06:59:60+07:00", INT64_C(1483228800000000000) }, /* a leap second */
        { "2261-12-31T23:59:59.999999999Z", INT64_C(9214646399999999999) },
        { "2026-01-01", INT64_C(1767200400000000000) }, /* here, at +07:00 */
        { "2026-02-29T00:00:00Z", -1 },
        { "2026-02-29", -1 },
        { "2026-13-01", -1 },
        { "2026-1-1", -1 },
        { "2262-01-01", -1 },
        { "2026-01-01T24:00:00Z", -1 },
        { "2026-01-01T00:00:00", -1 },
        { "2026-01-01T00:00:00.Z", -1 },
        { "2026-01-01T00:00:00Zz", -1 },
        { "2026-01-01T00:00:00+24:00", -1 },
        { "", -1 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t ns = -1;
        bool good = iso_time_or_day_parse(phusa_text_of(cases[i].text), 7 * 3600, &ns);
        assert_int_equal(good, cases[i].ns != -1);
        assert_true(!good || ns == cases[i].ns);
        assert_false(cases[i].text[0] != '\0' && good &&
                     iso_time_parse((struct phusa_text){ cases[i].text, 9 }, &ns));
    }
    assert_false(iso_time_parse((struct phusa_text){ "2026-01-01\0"
                                                     "00:00Z",
                                                     17 },
                                &(int64_t){ 0 }));
}

static void times_are_printed_as_standards_have_them(void **state)
{
    static const struct {
        int64_t ns;
        int32_t offset_s;
        const char *text;
    } cases[] = {
        { 0, 0, "1970-01-01T00:00:00-00:00" },
        { INT64_C(1767200400999999999), 7 * 3600, "2026-01-01T00:00:00+07:00" },
        { INT64_C(1767200400000000000), -12600, "2025-12-31T13:30:00-03:30" },
        { -1, 7 * 3600, "1970-01-01T06:59:59+07:00" },
        { INT64_MAX, 7 * 3600, "2262-04-12T06:47:16+07:00" },
        { INT64_MIN, 0, "1677-09-21T00:12:43-00:00" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[ISO_TIME_CHARS + 1];
        iso_time_print(cases[i].ns, cases[i].offset_s, text);
        assert_string_equal(text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_as_people_write_them),
        cmocka_unit_test(times_are_printed_as_standards_have_them),
        cmocka_unit_test(state_comes_back_as_it_was),
        cmocka_unit_test(a_reader_stops_at_the_end),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(kept_files_come_back),
        cmocka_unit_test(a_damaged_kept_file_is_never_believed),
        cmocka_unit_test(cursors_come_back),
        cmocka_unit_test(a_lock_is_held_once),
        cmocka_unit_test(clocks_are_read),
        cmocka_unit_test(an_offset_moves_the_wall_clock),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
