/*
 * The station's flash in a file: NOR rules, a file cut short at every length, syncs that fail,
 * one user at a time, and what --dump-log prints of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"
#include "port/posix/dump.h"
#include "port/posix/flash_file.h"

#define EPOCH  INT64_C(1700000000000000000)
#define MINUTE INT64_C(60000000000)
#define LAYOUT "\4temp\3Cel\2ph\0"
#define SMALL  (4 * FLASH_FILE_BLOCK)

static char folder[64], path[128];

static int setup(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "%s/station-file-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "%s/s1.log", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

/* --- a disk whose syncs can fail --------------------------------------------------------- */

static struct {
    int failing_syncs;
    unsigned syncs, folder_syncs;
    uint64_t written, written_at_sync; /* bytes */
} disk;

static int count_sync(void *context, int fd)
{
    disk.syncs++;
    if (disk.failing_syncs > 0) {
        disk.failing_syncs--;
        errno = EIO;
        return -1;
    }
    disk.written_at_sync = disk.written;
    return files_posix.fdatasync(context, fd);
}

static ssize_t count_write(void *context, int fd, const void *bytes, size_t length, int64_t offset)
{
    disk.written += length;
    return files_posix.pwrite(context, fd, bytes, length, offset);
}

static int count_folder_sync(void *context, const char *name)
{
    disk.folder_syncs++;
    assert_int_equal(strncmp(name, folder, strlen(folder)), 0);
    return files_posix.sync_directory(context, name);
}

static const struct file_ops *counting_files(void)
{
    static struct file_ops files;
    files = files_posix;
    files.fdatasync = count_sync;
    files.pwrite = count_write;
    files.sync_directory = count_folder_sync;
    memset(&disk, 0, sizeof disk);
    return &files;
}

static struct flash_file *open_flash(const struct file_ops *files, uint32_t bytes)
{
    struct problem problem = { 0 };
    struct flash_file *flash = flash_file_open(files, path, bytes, &problem);
    assert_string_equal(problem.text, "");
    assert_non_null(flash);
    return flash;
}

static struct station_log open_log(struct flash_file *flash)
{
    struct station_log log;
    struct hal_flash hal = flash_file_hal(flash);
    assert_int_equal(station_log_open(&log, &hal, 7, LAYOUT, sizeof LAYOUT - 1), STATION_LOG_OK);
    return log;
}

static void append(struct station_log *log)
{
    struct station_record record = { .time_ns = EPOCH + (int64_t)log->next * MINUTE,
                                     .present = log->next % 3 == 0 ? 1 : 3,
                                     .fault = log->next % 5 == 0 ? 1 : 0,
                                     .values = { (double)log->next, 0.125 } };
    assert_int_equal(station_log_append(log, &record), STATION_LOG_OK);
    assert_int_equal(station_log_sync(log), STATION_LOG_OK);
}

/* How many of the log's reports can be read; those that can are right. */
static uint64_t readable(const struct station_log *log)
{
    struct station_log_cursor cursor = { 0 };
    struct station_record record;
    uint64_t count = 0;
    for (uint64_t seq = log->first; seq < log->next; seq++) {
        if (station_log_read(log, &cursor, seq, &record) == STATION_LOG_OK) {
            assert_true(record.time_ns == EPOCH + (int64_t)seq * MINUTE);
            assert_true(record.values[0] >= (double)seq && record.values[0] <= (double)seq);
            count++;
        }
    }
    return count;
}

/* Fills a new file with some reports. */
static void fill(uint32_t bytes, unsigned count)
{
    struct flash_file *flash = open_flash(&files_posix, bytes);
    struct station_log log = open_log(flash);
    for (unsigned i = 0; i < count; i++) {
        append(&log);
    }
    flash_file_close(flash);
}

/* --- the rules of flash ------------------------------------------------------------------- */

static void test_nor_rules(void **state)
{
    (void)state;
    struct flash_file *flash = open_flash(&files_posix, SMALL);
    struct hal_flash hal = flash_file_hal(flash);
    uint8_t bytes[FLASH_FILE_BLOCK], zeros[1000] = { 0 };
    assert_true(hal.block_size == FLASH_FILE_BLOCK && hal.block_count == 4);
    assert_int_equal(hal.read(hal.context, 4096, bytes, sizeof bytes), HAL_OK);
    for (size_t i = 0; i < sizeof bytes; i++) {
        assert_int_equal(bytes[i], 0xff);
    }
    assert_int_equal(hal.program(hal.context, 5000, zeros, sizeof zeros), HAL_OK);
    assert_int_equal(hal.program(hal.context, 5999, bytes, 2), HAL_FAILED); /* 0 to 1 */
    assert_int_equal(hal.program(hal.context, 6000, "ab", 2), HAL_OK);
    assert_int_equal(hal.program(hal.context, SMALL - 1, "ab", 2), HAL_FAILED);
    assert_int_equal(hal.program(hal.context, UINT32_MAX, "ab", 2), HAL_FAILED);
    assert_int_equal(hal.read(hal.context, SMALL - 1, bytes, 2), HAL_FAILED);
    assert_int_equal(hal.erase(hal.context, 4), HAL_FAILED);
    assert_int_equal(hal.read(hal.context, 5998, bytes, 4), HAL_OK);
    assert_memory_equal(bytes, "\0\0ab", 4);
    assert_int_equal(hal.erase(hal.context, 1), HAL_OK);
    assert_int_equal(hal.program(hal.context, 5999, "c", 1), HAL_OK);
    assert_int_equal(hal.sync(hal.context), HAL_OK);
    flash_file_close(flash);
    flash = open_flash(&files_posix, SMALL);
    hal = flash_file_hal(flash);
    assert_int_equal(hal.read(hal.context, 5998, bytes, 3), HAL_OK);
    assert_memory_equal(bytes,
                        "\xff"
                        "c\xff",
                        3);
    flash_file_close(flash);
}

/* --- opening ------------------------------------------------------------------------------ */

/* Whatever a kill or a power cut left of the file: it opens, what is there is read, it goes on. */
static void test_cut_short_at_each_length(void **state)
{
    (void)state;
    fill(SMALL, 130);
    struct stat whole;
    assert_int_equal(stat(path, &whole), 0);
    uint8_t *kept = malloc((size_t)whole.st_size);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(kept != NULL && fd >= 0);
    assert_int_equal(pread(fd, kept, (size_t)whole.st_size, 0), whole.st_size);
    uint64_t last = 0;
    for (off_t length = 0; length <= whole.st_size; length += length < 300 ? 1 : 13) {
        assert_int_equal(ftruncate(fd, length), 0);
        assert_int_equal(pwrite(fd, kept, (size_t)length, 0), length);
        struct flash_file *flash = open_flash(&files_posix, SMALL);
        struct station_log log = open_log(flash);
        uint64_t count = readable(&log);
        assert_true(count >= last); /* a longer file never holds less */
        last = count;
        uint64_t next = log.next;
        append(&log);
        assert_true(log.next == next + 1 && readable(&log) >= count + 1);
        flash_file_close(flash);
    }
    assert_true(last == 130);
    close(fd);
    free(kept);
}

static void test_name_is_made_durable(void **state)
{
    (void)state;
    const struct file_ops *files = counting_files();
    struct flash_file *flash = open_flash(files, SMALL);
    assert_int_equal(disk.folder_syncs, 1);
    struct station_log log = open_log(flash);
    append(&log);
    flash_file_close(flash);
    flash_file_close(open_flash(files, SMALL));
    assert_int_equal(disk.folder_syncs, 1); /* what has bytes had its name synced before them */
}

static void test_smaller_setting_loses_nothing(void **state)
{
    (void)state;
    fill(8 * FLASH_FILE_BLOCK, 400);
    struct flash_file *flash = open_flash(&files_posix, FLASH_FILE_BYTES_MIN);
    struct station_log log = open_log(flash);
    assert_true(log.next == 401 && readable(&log) == 400);
    flash_file_close(flash);
}

static void test_larger_setting_grows(void **state)
{
    (void)state;
    fill(SMALL, 400);
    struct flash_file *flash = open_flash(&files_posix, 4 * SMALL);
    struct station_log log = open_log(flash);
    uint64_t held = readable(&log);
    assert_true(log.next == 401 && held > 150);
    for (int i = 0; i < 2000; i++) {
        append(&log);
    }
    assert_true(log.next == 2401 && readable(&log) > 3 * held);
    struct station_log again = open_log(flash);
    assert_true(again.first == log.first && again.next == log.next);
    assert_true(readable(&again) == readable(&log));
    flash_file_close(flash);
}

static void test_one_user_at_a_time(void **state)
{
    (void)state;
    struct problem problem = { 0 };
    struct flash_file *flash = open_flash(&files_posix, SMALL);
    assert_null(flash_file_open(&files_posix, path, SMALL, &problem));
    assert_non_null(strstr(problem.text, "in use"));
    assert_null(flash_file_open_to_read(&files_posix, path, &problem));
    flash_file_close(flash);
    flash_file_close(open_flash(&files_posix, SMALL));
}

static void test_foreign_file_is_refused(void **state)
{
    (void)state;
    struct problem problem = { 0 };
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, (off_t)FLASH_FILE_BYTES_MAX + 1), 0);
    close(fd);
    assert_null(flash_file_open(&files_posix, path, SMALL, &problem));
    assert_non_null(strstr(problem.text, "larger"));
    assert_null(flash_file_open(&files_posix, "/nonexistent/s1.log", SMALL, &problem));
    assert_non_null(strstr(problem.text, strerror(ENOENT)));
}

/* --- syncs -------------------------------------------------------------------------------- */

/* The system may call clean what the disk never got: all of it is written again. */
static void test_failed_sync_writes_again(void **state)
{
    (void)state;
    struct flash_file *flash = open_flash(counting_files(), SMALL);
    struct hal_flash hal = flash_file_hal(flash);
    uint8_t bytes[700];
    memset(bytes, 0x5a, sizeof bytes);
    assert_int_equal(hal.sync(hal.context), HAL_OK);
    assert_int_equal(hal.erase(hal.context, 1), HAL_OK);
    uint64_t before = disk.written;
    disk.failing_syncs = 2;
    assert_int_equal(hal.program(hal.context, 4096, bytes, sizeof bytes), HAL_OK);
    uint64_t once = disk.written - before;
    assert_int_equal(hal.sync(hal.context), HAL_FAILED);
    assert_true(disk.written == before + once);
    assert_int_equal(hal.sync(hal.context), HAL_FAILED);
    assert_true(disk.written == before + 2 * once);
    assert_int_equal(hal.sync(hal.context), HAL_OK);
    assert_true(disk.written_at_sync == before + 3 * once);
    unsigned syncs = disk.syncs;
    assert_int_equal(hal.sync(hal.context), HAL_OK);
    assert_int_equal(disk.syncs, syncs); /* nothing to do */
    uint8_t back[700];
    assert_int_equal(hal.read(hal.context, 4096, back, sizeof back), HAL_OK);
    assert_memory_equal(back, bytes, sizeof back);
    flash_file_close(flash);
}

/* What is kept for that is bounded: when it is full it is synced, and refused if that fails. */
static void test_unsynced_is_bounded(void **state)
{
    (void)state;
    uint32_t blocks = 64;
    struct flash_file *flash = open_flash(counting_files(), blocks * FLASH_FILE_BLOCK);
    struct hal_flash hal = flash_file_hal(flash);
    static const uint8_t zeros[FLASH_FILE_BLOCK];
    for (uint32_t block = 0; block < blocks / 2; block++) {
        assert_int_equal(hal.program(hal.context, block * 4096, zeros, sizeof zeros), HAL_OK);
    }
    assert_in_range(disk.syncs, 1, 4);
    disk.failing_syncs = 1000000;
    uint32_t taken = blocks / 2;
    while (taken < blocks &&
           hal.program(hal.context, taken * 4096, zeros, sizeof zeros) == HAL_OK) {
        taken++;
    }
    assert_in_range(taken, blocks / 2 + 1, blocks - 1);
    disk.failing_syncs = 0;
    assert_int_equal(hal.sync(hal.context), HAL_OK);
    flash_file_close(flash);
}

/* A process that was killed may have left its writes unsynced. */
static void test_first_sync_is_a_real_one(void **state)
{
    (void)state;
    fill(SMALL, 3);
    struct flash_file *flash = open_flash(counting_files(), SMALL);
    struct hal_flash hal = flash_file_hal(flash);
    assert_int_equal(hal.sync(hal.context), HAL_OK);
    assert_int_equal(disk.syncs, 1);
    flash_file_close(flash);
}

/* --- dump --------------------------------------------------------------------------------- */

static void test_dump_prints_every_report(void **state)
{
    (void)state;
    fill(SMALL, 5);
    struct stat before, after;
    assert_int_equal(stat(path, &before), 0);
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    struct problem problem = { 0 };
    struct dump_totals totals;
    assert_true(dump_log(path, out, &totals, &problem));
    assert_int_equal(fclose(out), 0);
    assert_true(totals.printed == 5 && totals.absent == 0 && totals.nameless == 0);
    static const char first[] = "{\"log\":\"00000007\",\"seq\":1,\"time_ns\":1700000060000000000,"
                                "\"boot\":0,\"values\":{\"temp\":{\"value\":1,\"st\":0},"
                                "\"ph\":{\"value\":0.125,\"st\":0}}}\n";
    assert_int_equal(strncmp(text, first, sizeof first - 1), 0);
    assert_non_null(strstr(text, "\"seq\":3,\"time_ns\":1700000180000000000,\"boot\":0,"
                                 "\"values\":{\"temp\":{\"value\":3,\"st\":0}}}\n"));
    assert_non_null(strstr(text, "\"temp\":{\"value\":5,\"st\":2}"));
    assert_int_equal(stat(path, &after), 0);
    assert_true(before.st_size == after.st_size && before.st_mtime == after.st_mtime);
    free(text);
}

static void test_dump_refuses(void **state)
{
    (void)state;
    struct problem problem = { 0 };
    struct dump_totals totals;
    assert_false(dump_log(path, stdout, &totals, &problem));
    assert_non_null(strstr(problem.text, strerror(ENOENT)));
    struct flash_file *flash = open_flash(&files_posix, SMALL);
    assert_false(dump_log(path, stdout, &totals, &problem));
    assert_non_null(strstr(problem.text, "in use"));
    flash_file_close(flash);
    assert_true(dump_log(path, stdout, &totals, &problem)); /* a station that never sampled */
    assert_true(totals.printed == 0);
    FILE *other = fopen(path, "w");
    assert_non_null(other);
    for (int i = 0; i < 1000; i++) {
        assert_true(fputs("root:x:0:0:root:/root:/bin/sh\n", other) >= 0);
    }
    assert_int_equal(fclose(other), 0);
    assert_false(dump_log(path, stdout, &totals, &problem));
    assert_non_null(strstr(problem.text, "no log of a station (ID.log)"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nor_rules),
        TEST(test_cut_short_at_each_length),
        TEST(test_name_is_made_durable),
        TEST(test_smaller_setting_loses_nothing),
        TEST(test_larger_setting_grows),
        TEST(test_one_user_at_a_time),
        TEST(test_foreign_file_is_refused),
        TEST(test_failed_sync_writes_again),
        TEST(test_unsynced_is_bounded),
        TEST(test_first_sync_is_a_real_one),
        TEST(test_dump_prints_every_report),
        TEST(test_dump_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
