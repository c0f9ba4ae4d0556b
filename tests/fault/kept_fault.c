/*
 * Files that are replaced as a whole, and the store's cursor: whatever happens, the old or the new
 * content is there, whole; once a write succeeded, that content or a later one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/kept.h"
#include "store/cursor.h"
#include "sweep.h"

#define PATH     "/d/state"
#define KIND     "trial"
#define VERSION  3
#define BODY_MAX 2000
#define WRITES   5

struct promises {
    uint64_t tried, kept; /* the last content tried, the last that was written successfully */
};

static void check_found(const struct promises *promises, uint64_t found)
{
    if (found > promises->tried || found < promises->kept) {
        sweep_broken("content %llu is found; %llu was kept, %llu tried", (unsigned long long)found,
                     (unsigned long long)promises->kept, (unsigned long long)promises->tried);
    }
}

/* What a read may say besides KEPT_OK: absent before the first success, failed when the disk is. */
static void check_status(const struct promises *promises, enum kept_status status,
                         enum health health)
{
    bool right = status == KEPT_OK || (status == KEPT_ABSENT && promises->kept == 0) ||
                 (status == KEPT_FAILED && health != HEALTHY);
    if (!right) {
        sweep_broken("reading ends with %d; content %llu was kept", (int)status,
                     (unsigned long long)promises->kept);
    }
}

static void note_write(struct promises *promises, enum kept_status status, enum health health)
{
    if (status == KEPT_OK) {
        promises->kept = promises->tried;
    } else if (health == HEALTHY) {
        sweep_broken("content %llu cannot be written though nothing goes wrong",
                     (unsigned long long)promises->tried);
    }
}

/* --- a kept file ---------------------------------------------------------------- */

static size_t body_of(uint64_t number, uint8_t body[BODY_MAX])
{
    size_t length = 8 + (size_t)(number * 613 % (BODY_MAX - 8));
    for (size_t i = 0; i < length; i++) {
        body[i] = (uint8_t)(number * 17 + i);
    }
    memcpy(body, &number, sizeof number);
    return length;
}

static void read_file(struct disk *disk, struct promises *promises, enum health health)
{
    uint8_t wanted[BODY_MAX];
    void *body;
    size_t length;
    enum kept_status status =
        kept_read(disk_files(disk), PATH, KIND, VERSION, BODY_MAX, &body, &length);
    check_status(promises, status, health);
    if (status != KEPT_OK) {
        return;
    }
    uint64_t number = 0;
    memcpy(&number, body, length < sizeof number ? length : sizeof number);
    check_found(promises, number);
    if (length != body_of(number, wanted) || memcmp(body, wanted, length) != 0) {
        sweep_broken("content %llu is not what was written", (unsigned long long)number);
    }
    free(body);
}

static void live_with_file(struct disk *disk, void *context, enum health health)
{
    struct promises *promises = context;
    read_file(disk, promises, health);
    for (int i = 0; i < WRITES; i++) {
        uint8_t body[BODY_MAX];
        size_t length = body_of(++promises->tried, body);
        note_write(promises, kept_write(disk_files(disk), PATH, KIND, VERSION, body, length),
                   health);
        read_file(disk, promises, health);
    }
}

/* --- the cursor -------------------------------------------------------------------- */

static void read_cursor(struct disk *disk, struct promises *promises, enum health health)
{
    struct store_cursor cursor;
    enum kept_status status = store_cursor_read(disk_files(disk), PATH, &cursor);
    check_status(promises, status, health);
    if (status == KEPT_OK) {
        check_found(promises, cursor.safe);
        if (cursor.sent != cursor.safe * 7 + 3) {
            sweep_broken("the cursor's two positions are of different times");
        }
    } else if (cursor.safe != 0 || cursor.sent != 0) {
        sweep_broken("a cursor that is not there is not 0");
    }
}

static void live_with_cursor(struct disk *disk, void *context, enum health health)
{
    struct promises *promises = context;
    read_cursor(disk, promises, health);
    for (int i = 0; i < WRITES; i++) {
        uint64_t safe = ++promises->tried;
        const struct store_cursor cursor = { safe, safe * 7 + 3 };
        note_write(promises, store_cursor_write(disk_files(disk), PATH, &cursor), health);
        read_cursor(disk, promises, health);
    }
}

/* --- every damage --------------------------------------------------------------------- */

/* Each bit changed, each length: what is accepted is what was written. */
static void test_damage_is_seen(void **state)
{
    (void)state;
    struct disk *disk = disk_create(sweep_seed());
    uint8_t body[200], file[512];
    unsigned long tried = 0, accepted = 0;
    void *found;
    size_t length, size = 0;
    memset(body, 'a', sizeof body);
    assert_int_equal(kept_write(disk_files(disk), PATH, KIND, VERSION, body, sizeof body), KEPT_OK);
    const uint8_t *whole = disk_bytes(disk, PATH, &size);
    assert_true(size > sizeof body && size < sizeof file);
    memcpy(file, whole, size);
    for (size_t at = 0; at < size; at++) {
        for (int bit = 0; bit < 8; bit++, tried++) {
            disk_bytes(disk, PATH, &length)[at] = (uint8_t)(file[at] ^ 1u << bit);
            enum kept_status status =
                kept_read(disk_files(disk), PATH, KIND, VERSION, BODY_MAX, &found, &length);
            if (status == KEPT_OK) { /* only the sum's digits in the other case */
                assert_int_equal(length, sizeof body);
                assert_memory_equal(found, body, sizeof body);
                accepted++;
            }
            free(found);
        }
        disk_bytes(disk, PATH, &length)[at] = file[at];
    }
    for (size_t cut = 0; cut < size; cut++, tried++) {
        disk_put(disk, PATH "-cut", file, cut);
        assert_int_equal(
            kept_read(disk_files(disk), PATH "-cut", KIND, VERSION, BODY_MAX, &found, &length),
            KEPT_DAMAGED);
    }
    print_message("# kept file: %lu damages, %lu of them harmless\n", tried, accepted);
    assert_true(accepted <= 8);
    disk_free(disk);
}

static const struct scenario kept_file = { .name = "kept file",
                                           .promises_size = sizeof(struct promises),
                                           .live = live_with_file };
static const struct scenario cursor = { .name = "cursor",
                                        .promises_size = sizeof(struct promises),
                                        .live = live_with_cursor };

static void test_kept_file(void **state)
{
    (void)state;
    sweep_faults(&kept_file);
    sweep_crashes(&kept_file);
    sweep_faults_and_crashes(&kept_file);
    sweep_seconds(&kept_file);
}

static void test_cursor(void **state)
{
    (void)state;
    sweep_faults(&cursor);
    sweep_crashes(&cursor);
    sweep_faults_and_crashes(&cursor);
    sweep_seconds(&cursor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept_file),
        cmocka_unit_test(test_cursor),
        cmocka_unit_test(test_damage_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
