/* What feeds a station on a computer: replayed rows, the simulation, and the flash in a file. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "port/posix/flash_file.h"
#include "port/posix/flash_memory.h"
#include "port/posix/source_replay.h"
#include "port/posix/source_sim.h"

#define SECOND INT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define DAY    (1440 * MINUTE)
#define START  INT64_C(1767225600000000000) /* 2026-01-01T00:00:00Z */

static char folder[] = "/tmp/phusa-station-XXXXXX";
static char file[64];

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    (void)snprintf(file, sizeof file, "%s/file", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(file);
    return rmdir(folder);
}

/* --- replay ----------------------------------------------------------------------------- */

static void test_times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int32_t offset;
        int64_t ns; /* -1 = refused */
    } cases[] = {
        { "1325376000", 0, 1325376000 * SECOND },
        { "1325376000.25", 7, 1325376000 * SECOND + SECOND / 4 },
        { "2012-01-01T00:00:00Z", 3600, 1325376000 * SECOND },
        { "2012-01-01 00:00:00", 0, 1325376000 * SECOND },
        { "2012-01-01 00:00", -5 * 3600, (1325376000 + 5 * 3600) * SECOND },
        { "2012-01-01T07:00:00.5+07:00", 0, 1325376000 * SECOND + SECOND / 2 },
        { "2012-01-01T07:00+0700", 0, 1325376000 * SECOND },
        { "2012-02-29T00:00:00-01", 0, (1330473600 + 3600) * SECOND },
        { "2000-03-01T00:00:00Z", 0, 951868800 * SECOND },
        { "", 0, -1 },
        { "-5", 0, -1 },
        { "2012-13-01 00:00", 0, -1 },
        { "2012-01-01", 0, -1 },
        { "2012-01-01 24:00", 0, -1 },
        { "2012-01-01 00:00x", 0, -1 },
        { "7/2/2021 0:00", 0, -1 },
        { "99999999999", 0, -1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ns = -1;
        bool good = replay_parse_time(cases[i].text, cases[i].offset, &ns);
        if (good != (cases[i].ns >= 0) || (good && ns != cases[i].ns)) {
            fail_msg("\"%s\" gave %d %lld", cases[i].text, good, (long long)ns);
        }
    }
    int32_t offset = 0;
    assert_true(replay_parse_offset("-05:00", &offset) && offset == -18000);
    assert_false(replay_parse_offset("5", &offset));
    assert_false(replay_parse_offset("+07:00x", &offset));
}

static void write_file(const char *text)
{
    FILE *out = fopen(file, "w");
    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
}

static const char *const COLUMNS[] = { "temp", "sal", "ph" };

static void assert_sample(struct hal_sensors sensors, size_t channel, int64_t at, double expected)
{
    struct hal_sample sample = sensors.sample(sensors.context, channel, at);
    if (isnan(expected)) {
        assert_int_equal(sample.kind, HAL_SAMPLE_MISSING);
    } else {
        assert_int_equal(sample.kind, HAL_SAMPLE_VALUE);
        assert_true(fabs(sample.value - expected) <= 0);
    }
}

static void test_rows(void **state)
{
    (void)state;
    write_file("\xef\xbb\xbftime,temp,other,\"sal\"\r\n"
               "2026-01-01 00:30:00,16.5,x,30.25\r\n"
               "2026-01-01 00:00:00,16.9,1,29.9\r\n"
               "2026-01-01 00:15:00,NA,1,\"29.5\"\r\n"
               "\r\n"
               "2026-01-01 00:15:00,99,1,99\r\n"
               "2026-01-01 00:45:00,-,1\r\n"
               "2026-01-01 01:30:00.4, 1e1 ,1,nan\r\n");
    struct problem problem = { 0 };
    struct replay_table *table = replay_load(file, 0, COLUMNS, 3, &problem);
    assert_non_null(table);
    assert_true(replay_has_column(table, "sal") && !replay_has_column(table, "ph"));
    assert_true(replay_first_ns(table) == START);
    assert_true(replay_step_ns(table) == 15 * MINUTE);
    struct replay_source source;
    replay_source_init(&source, table, COLUMNS, 3);
    struct hal_sensors sensors = replay_sensors(&source);
    for (int round = 0; round < 2; round++) { /* the second time backwards from the end */
        assert_sample(sensors, 0, START, 16.9);
        assert_sample(sensors, 1, START, 29.9);
        assert_sample(sensors, 2, START, NAN);
        assert_sample(sensors, 0, START + 15 * MINUTE, NAN);
        assert_sample(sensors, 1, START + 15 * MINUTE, 29.5);
        assert_sample(sensors, 1, START + 16 * MINUTE, NAN);
        assert_sample(sensors, 0, START + 30 * MINUTE - SECOND / 2, 16.5);
        assert_sample(sensors, 0, START + 30 * MINUTE + SECOND / 2 + 1, NAN);
        assert_sample(sensors, 1, START + 45 * MINUTE, NAN);
        assert_sample(sensors, 0, START + 90 * MINUTE, 10);
        assert_sample(sensors, 1, START + 90 * MINUTE, NAN);
        assert_sample(sensors, 0, START + DAY, NAN);
        assert_sample(sensors, 0, START - DAY, NAN);
    }
    replay_free(table);
}

static void test_bad_files(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "", "no rows" },
        { "time,temp\n", "no rows" },
        { "time,temp\n2026-01-01 00:00,1\nyesterday,2\n", ":3: \"yesterday\" is no time" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct problem problem = { 0 };
        write_file(cases[i].text);
        assert_null(replay_load(file, 0, COLUMNS, 3, &problem));
        assert_non_null(strstr(problem.text, cases[i].message));
    }
    struct problem problem = { 0 };
    assert_null(replay_load("/nonexistent/file.csv", 0, COLUMNS, 3, &problem));
    assert_non_null(strstr(problem.text, "cannot be opened"));
}

static void test_recorded_year(void **state)
{
    (void)state;
    const char *shared = getenv("PHUSA_SHARED");
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/data/1-salinity/nerrs_apacpwq_2012.csv.gz",
                   shared == NULL ? "../shared" : shared);
    if (access(path, R_OK) != 0) {
        print_message("skipped: %s is absent\n", path);
        skip();
    }
    struct problem problem = { 0 };
    struct replay_table *table = replay_load(path, -5 * 3600, COLUMNS, 3, &problem);
    assert_non_null(table);
    assert_true(replay_step_ns(table) == 15 * MINUTE);
    assert_true(replay_first_ns(table) == INT64_C(1325394000) * SECOND);
    struct replay_source source;
    replay_source_init(&source, table, COLUMNS, 3);
    struct hal_sensors sensors = replay_sensors(&source);
    assert_sample(sensors, 1, replay_first_ns(table), 29.9);
    assert_sample(sensors, 0, replay_first_ns(table) + 15 * MINUTE, 17);
    replay_free(table);
}

/* --- simulation ---------------------------------------------------------------------------- */

static const struct phusa_parameter SALINITY = {
    .name = { "salinity", 8 }, .minimum = 0, .maximum = 45, .resolution = 0.01
};
static const struct phusa_parameter LEVEL = {
    .name = { "level", 5 }, .minimum = -10, .maximum = 20, .resolution = 0.01
};
static const struct phusa_parameter UNKNOWN = {
    .name = { "xyz", 3 }, .minimum = -4, .maximum = 4, .resolution = 0.5
};
static const struct phusa_parameter BPH = {
    .name = { "bph", 3 }, .minimum = 0, .maximum = 100000, .resolution = 1
};

static void simulate(struct sim_source *source, uint64_t seed, const char *station,
                     const char *kind, int64_t every)
{
    static const struct phusa_parameter *const parameters[] = { &SALINITY, &LEVEL, &UNKNOWN, &BPH };
    sim_source_init(source, seed, station, kind, parameters, 4, every);
}

static bool same(struct hal_sample a, struct hal_sample b)
{
    return a.kind == b.kind && fabs(a.value - b.value) <= 0;
}

static void test_any_order_gives_the_same(void **state)
{
    (void)state;
    struct sim_source one, again, other;
    simulate(&one, 5, "my-tho-1", "water", 5 * MINUTE);
    simulate(&again, 5, "my-tho-1", "water", 5 * MINUTE);
    simulate(&other, 5, "my-tho-2", "water", 5 * MINUTE);
    struct hal_sensors a = sim_sensors(&one), b = sim_sensors(&again), c = sim_sensors(&other);
    int differs = 0;
    struct hal_sample forward[1000];
    for (int i = 0; i < 1000; i++) {
        forward[i] = a.sample(a.context, 0, START + i * 5 * MINUTE);
    }
    for (int i = 999; i >= 0; i--) {
        assert_true(same(forward[i], b.sample(b.context, 0, START + i * 5 * MINUTE)));
        differs += !same(forward[i], c.sample(c.context, 0, START + i * 5 * MINUTE));
    }
    assert_true(differs > 900);
}

static void test_range_resolution_and_faults(void **state)
{
    (void)state;
    struct sim_source source;
    simulate(&source, 1, "x", "other", MINUTE);
    struct hal_sensors sensors = sim_sensors(&source);
    int missing = 0, failed = 0;
    for (int64_t i = 0; i < 100000; i++) {
        struct hal_sample sample = sensors.sample(sensors.context, 2, START + i * MINUTE);
        missing += sample.kind == HAL_SAMPLE_MISSING;
        failed += sample.kind == HAL_SAMPLE_FAILED;
        if (sample.kind == HAL_SAMPLE_VALUE) {
            assert_true(sample.value >= -4 && sample.value <= 4);
            assert_true(fabs(sample.value * 2 - round(sample.value * 2)) <= 0);
        }
    }
    assert_in_range(missing, 1, 2000);
    assert_in_range(failed, 1, 2000);
}

/* In every two days the salt comes above 4 g/l and goes below 0.4, but for a neap tide or so. */
static void test_salt_comes_and_goes(void **state)
{
    (void)state;
    struct sim_source source;
    simulate(&source, 1, "my-tho-1", "water", 5 * MINUTE);
    struct hal_sensors sensors = sim_sensors(&source);
    int salty = 0, fresh = 0;
    for (int64_t day = 0; day < 360; day += 2) {
        int high = 0, low = 0;
        for (int64_t i = 0; i < 576; i++) {
            int64_t at = START + day * DAY + i * 5 * MINUTE;
            struct hal_sample sample = sensors.sample(sensors.context, 0, at);
            high += sample.kind == HAL_SAMPLE_VALUE && sample.value >= 4;
            low += sample.kind == HAL_SAMPLE_VALUE && sample.value < 0.4;
        }
        salty += high >= 6;
        fresh += low >= 6;
    }
    assert_in_range(salty, 160, 180);
    assert_in_range(fresh, 160, 180);
}

/* A night's count is about the sum of its quarters of an hour, and nothing flies by day. */
static void test_trap_nights(void **state)
{
    (void)state;
    struct sim_source nightly, often;
    simulate(&nightly, 1, "trap-1", "trap", DAY);
    simulate(&often, 1, "trap-1", "trap", 15 * MINUTE);
    struct hal_sensors night = sim_sensors(&nightly), quarter = sim_sensors(&often);
    double nights = 0, quarters = 0;
    for (int64_t i = 0; i < 56 * 96; i++) {
        int64_t at = START + i * 15 * MINUTE;
        struct hal_sample sample = quarter.sample(quarter.context, 3, at);
        double hour = fmod((double)(at / MINUTE) / 60 + 7, 24);
        if (sample.kind == HAL_SAMPLE_VALUE) {
            quarters += sample.value;
            assert_true(sample.value <= 0 || hour > 18 || hour <= 6.3);
        }
        if (i % 96 == 0) {
            sample = night.sample(night.context, 3, at);
            nights += sample.kind == HAL_SAMPLE_VALUE ? sample.value : 0;
        }
    }
    assert_true(nights > 100);
    assert_true(quarters > nights * 0.8 && quarters < nights * 1.2);
}

/* --- flash in a file -------------------------------------------------------------------------- */

static void test_flash_file(void **state)
{
    (void)state;
    struct problem problem = { 0 };
    (void)unlink(file);
    struct flash_file *flash = flash_file_open(&files_posix, file, 64 * 4096 + 100, &problem);
    assert_non_null(flash);
    struct hal_flash hal = flash_file_hal(flash);
    assert_int_equal(hal.block_count, 64);
    uint8_t bytes[1500], back[1500], erased[1500];
    memset(erased, 0xff, sizeof erased);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 7);
    }
    assert_int_equal(hal.read(hal.context, 63 * 4096, back, sizeof back), HAL_OK);
    assert_memory_equal(back, erased, sizeof back);
    assert_int_equal(hal.program(hal.context, 4096 * 9 + 11, bytes, sizeof bytes), HAL_OK);
    assert_int_equal(hal.program(hal.context, 4096 * 9 + 100, bytes, 1), HAL_FAILED);
    assert_int_equal(hal.program(hal.context, 64 * 4096 - 10, bytes, 11), HAL_FAILED);
    assert_int_equal(hal.erase(hal.context, 64), HAL_FAILED);
    assert_int_equal(hal.sync(hal.context), HAL_OK);
    assert_null(flash_file_open(&files_posix, file, 64 * 4096, &problem));
    assert_non_null(strstr(problem.text, "in use"));
    flash_file_close(flash);
    flash = flash_file_open(&files_posix, file, 64 * 4096, &problem);
    assert_non_null(flash);
    hal = flash_file_hal(flash);
    assert_int_equal(hal.read(hal.context, 4096 * 9 + 11, back, sizeof back), HAL_OK);
    assert_memory_equal(back, bytes, sizeof back);
    assert_int_equal(hal.erase(hal.context, 9), HAL_OK);
    assert_int_equal(hal.read(hal.context, 4096 * 9 + 11, back, sizeof back), HAL_OK);
    assert_memory_equal(back, erased, sizeof back);
    assert_int_equal(hal.program(hal.context, 4096 * 9 + 11, bytes, sizeof bytes), HAL_OK);
    flash_file_close(flash);
    flash_file_close(NULL);
}

static void test_flash_memory(void **state)
{
    (void)state;
    assert_null(flash_memory_create(2 * 4096 - 1));
    struct flash_memory *flash = flash_memory_create(8 * 4096 + 100);
    assert_non_null(flash);
    struct hal_flash hal = flash_memory_hal(flash);
    assert_int_equal(hal.block_size * hal.block_count, 8 * 4096);
    uint8_t bytes[1500], back[1500], erased[1500];
    memset(erased, 0xff, sizeof erased);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 7);
    }
    assert_int_equal(hal.read(hal.context, 8 * 4096 - 1500, back, sizeof back), HAL_OK);
    assert_memory_equal(back, erased, sizeof back);
    assert_int_equal(hal.read(hal.context, 8 * 4096 - 1499, back, sizeof back), HAL_FAILED);
    assert_int_equal(hal.program(hal.context, 4096 * 2 + 11, bytes, sizeof bytes), HAL_OK);
    assert_int_equal(hal.program(hal.context, 4096 * 2 + 10, bytes, 2), HAL_FAILED);
    assert_int_equal(hal.program(hal.context, 8 * 4096 - 10, bytes, 11), HAL_FAILED);
    assert_int_equal(hal.erase(hal.context, 8), HAL_FAILED);
    assert_int_equal(hal.sync(hal.context), HAL_OK);
    assert_int_equal(hal.read(hal.context, 4096 * 2 + 10, back, sizeof back), HAL_OK);
    assert_int_equal(back[0], 0xff);
    assert_memory_equal(back + 1, bytes, sizeof back - 1);
    assert_int_equal(hal.erase(hal.context, 2), HAL_OK);
    assert_int_equal(hal.read(hal.context, 4096 * 2 + 11, back, sizeof back), HAL_OK);
    assert_memory_equal(back, erased, sizeof back);
    flash_memory_free(flash);
    flash_memory_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_recorded_year),
        cmocka_unit_test(test_any_order_gives_the_same),
        cmocka_unit_test(test_range_resolution_and_faults),
        cmocka_unit_test(test_salt_comes_and_goes),
        cmocka_unit_test(test_trap_nights),
        cmocka_unit_test(test_flash_file),
        cmocka_unit_test(test_flash_memory),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
