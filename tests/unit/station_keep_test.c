/*
 * Kept records: what is written is read, over reopening; power cuts and failures at every flash
 * operation leave each slot as it was or as it was to be; damage costs what it hits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <string.h>

#include "keep.h"
#include "port/fake/flash.h"
#include "port/fake/random.h"

#define SMALL 512u /* block size */
#define SLOTS 5u   /* that the sweeps use */
#define STEPS 60u  /* writes of a sweep: several blocks */

static struct keep open_keep(struct fake_flash *flash)
{
    struct keep keep;
    struct hal_flash hal = fake_flash_hal(flash);
    assert_int_equal(keep_open(&keep, &hal), KEEP_OK);
    return keep;
}

static void assert_kept(const struct keep *keep, unsigned slot, const char *expected)
{
    char bytes[KEEP_BYTES_MAX];
    size_t length = 99;
    enum keep_status status = keep_read(keep, slot, bytes, sizeof bytes, &length);
    assert_int_equal(status, expected == NULL ? KEEP_ABSENT : KEEP_OK);
    assert_int_equal(length, expected == NULL ? 0 : strlen(expected));
    if (expected != NULL) {
        assert_memory_equal(bytes, expected, length);
    }
}

static void test_writes_reads_and_empties(void **state)
{
    (void)state;
    struct fake_flash flash;
    fake_flash_create(&flash, SMALL, 2, 1);
    struct keep keep = open_keep(&flash);
    assert_kept(&keep, 1, NULL);
    assert_int_equal(keep_write(&keep, 1, "one", 3), KEEP_OK);
    assert_int_equal(keep_write(&keep, 32, "last", 4), KEEP_OK);
    assert_int_equal(keep_write(&keep, 1, "ONE", 3), KEEP_OK);
    assert_int_equal(keep_write(&keep, 7, NULL, 0), KEEP_OK);
    assert_int_equal(keep_sync(&keep), KEEP_OK);
    keep = open_keep(&flash);
    assert_kept(&keep, 1, "ONE");
    assert_kept(&keep, 32, "last");
    assert_kept(&keep, 7, NULL);
    assert_int_equal(keep_write(&keep, 32, NULL, 0), KEEP_OK);
    keep = open_keep(&flash);
    assert_kept(&keep, 32, NULL);
    assert_int_equal(keep_erases(&keep), 1);
    fake_flash_destroy(&flash);
}

static void test_refuses_what_is_not_right(void **state)
{
    (void)state;
    struct fake_flash flash;
    fake_flash_create(&flash, SMALL, 2, 1);
    struct keep keep = open_keep(&flash);
    uint8_t big[KEEP_BYTES_MAX + 1] = { 1 };
    size_t length;
    assert_int_equal(keep_write(&keep, 0, "x", 1), KEEP_BROKEN);
    assert_int_equal(keep_write(&keep, KEEP_SLOTS + 1, "x", 1), KEEP_BROKEN);
    assert_int_equal(keep_write(&keep, 1, big, sizeof big), KEEP_BROKEN);
    assert_int_equal(keep_read(&keep, 0, big, sizeof big, &length), KEEP_BROKEN);
    assert_int_equal(keep_write(&keep, 1, big, KEEP_BYTES_MAX), KEEP_FULL); /* of 512 16 are gone */
    assert_int_equal(keep_write(&keep, 1, big, 480), KEEP_OK);
    assert_int_equal(keep_write(&keep, 2, big, 9), KEEP_FULL);
    assert_int_equal(keep_write(&keep, 1, big, 400), KEEP_OK);
    assert_int_equal(keep_write(&keep, 2, big, 9), KEEP_OK);
    assert_int_equal(keep_read(&keep, 1, big, 399, &length), KEEP_BROKEN);
    struct hal_flash hal = fake_flash_hal(&flash);
    hal.block_count = 1;
    assert_int_equal(keep_open(&keep, &hal), KEEP_BROKEN);
    assert_int_equal(keep_write(&keep, 1, "x", 1), KEEP_BROKEN);
    assert_int_equal(keep_sync(&keep), KEEP_BROKEN);
    fake_flash_destroy(&flash);
}

static void test_same_bytes_cost_nothing(void **state)
{
    (void)state;
    struct fake_flash flash;
    fake_flash_create(&flash, SMALL, 2, 1);
    struct keep keep = open_keep(&flash);
    assert_int_equal(keep_write(&keep, 3, "same", 4), KEEP_OK);
    assert_int_equal(keep_sync(&keep), KEEP_OK);
    long operations = flash.operations;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(keep_write(&keep, 3, "same", 4), KEEP_OK);
        assert_int_equal(keep_sync(&keep), KEEP_OK);
    }
    assert_int_equal(flash.operations, operations);
    fake_flash_destroy(&flash);
}

/* The content of write number step, recognisable by itself; every ninth empties its slot. */
static size_t content_of(unsigned step, uint8_t bytes[KEEP_BYTES_MAX])
{
    size_t length = step % 9 == 8 ? 0 : 4 + step * 7 % 50;
    memset(bytes, (int)(step & 0xff), length);
    if (length > 0) {
        bytes[0] = (uint8_t)(step >> 8);
        bytes[length - 1] = (uint8_t)length;
    }
    return length;
}

static bool slot_is(const struct keep *keep, unsigned slot, int step)
{
    uint8_t wanted[KEEP_BYTES_MAX], found[KEEP_BYTES_MAX];
    size_t length, expected = step < 0 ? 0 : content_of((unsigned)step, wanted);
    enum keep_status status = keep_read(keep, slot, found, sizeof found, &length);
    return expected == 0
               ? status == KEEP_ABSENT
               : status == KEEP_OK && length == expected && memcmp(wanted, found, length) == 0;
}

/* True if keep is as after the first `steps` writes: write n goes to slot n % SLOTS + 1. */
static bool is_after(const struct keep *keep, int steps)
{
    bool same = true;
    for (int slot = 0; slot < (int)SLOTS; slot++) {
        int last = steps - 1 - ((steps - 1 - slot) % (int)SLOTS + (int)SLOTS) % (int)SLOTS;
        same &= slot_is(keep, (unsigned)slot + 1, last);
    }
    return same;
}

/* Writes from step on; returns the steps that were synced, *tried those begun. */
static unsigned write_steps(struct keep *keep, unsigned step, unsigned *tried, bool sync_each)
{
    uint8_t bytes[KEEP_BYTES_MAX];
    unsigned synced = step;
    for (*tried = step; step < STEPS; step++) {
        *tried = step + 1;
        size_t length = content_of(step, bytes);
        if (keep_write(keep, step % SLOTS + 1, bytes, length) != KEEP_OK) {
            return synced;
        }
        if ((sync_each || step % 4 == 3) && keep_sync(keep) == KEEP_OK) {
            synced = step + 1;
        }
    }
    return synced;
}

static long operations_of_a_run(bool sync_each)
{
    struct fake_flash flash;
    unsigned tried;
    fake_flash_create(&flash, SMALL, 2, 1);
    struct keep keep = open_keep(&flash);
    assert_int_equal(write_steps(&keep, 0, &tried, sync_each), STEPS);
    assert_true(is_after(&keep, (int)STEPS));
    assert_true(keep_erases(&keep) > 4);
    assert_false(flash.rule_broken);
    long operations = flash.operations;
    fake_flash_destroy(&flash);
    return operations;
}

/* Cut at one operation; what is found is what some moment between the last sync and the cut had. */
static void cut_once(long at, uint64_t seed, bool lose_unsynced, uint32_t blocks, bool sync_each)
{
    struct fake_flash flash;
    unsigned tried;
    fake_flash_create(&flash, SMALL, blocks, seed);
    flash.cut_at = at;
    flash.lose_unsynced = lose_unsynced;
    struct keep keep = open_keep(&flash);
    unsigned synced = write_steps(&keep, 0, &tried, sync_each);
    fake_flash_power_on(&flash);
    keep = open_keep(&flash);
    unsigned found = synced;
    while (found <= tried && !is_after(&keep, (int)found)) {
        found++;
    }
    if (found > tried) {
        fail_msg("cut at %ld, seed %llu: neither %u nor %u steps", at, (unsigned long long)seed,
                 synced, tried);
    }
    assert_int_equal(write_steps(&keep, found, &tried, sync_each), STEPS); /* and goes on */
    keep = open_keep(&flash);
    assert_true(is_after(&keep, (int)STEPS));
    assert_false(flash.rule_broken);
    fake_flash_destroy(&flash);
}

static void test_cut_at_every_operation(void **state)
{
    (void)state;
    for (int sync_each = 0; sync_each < 2; sync_each++) {
        long operations = operations_of_a_run(sync_each != 0);
        for (long at = 0; at < operations; at++) {
            for (uint64_t seed = 1; seed <= 12; seed++) {
                cut_once(at, seed, seed % 2 == 0, seed % 3 == 0 ? 3 : 2, sync_each != 0);
            }
        }
    }
}

/* A second cut while it recovers from the first. */
static void test_cut_and_cut_again(void **state)
{
    (void)state;
    struct fake_flash flash;
    uint64_t seed = 20260611;
    fake_flash_create(&flash, SMALL, 2, seed);
    print_message("seed %llu\n", (unsigned long long)seed);
    struct keep keep = open_keep(&flash);
    unsigned step = 0, tried, cuts = 0;
    while (step < STEPS) {
        flash.lose_unsynced = fake_random(&seed) % 2 == 0;
        flash.cut_at = (long)(fake_random(&seed) % 12);
        unsigned synced = write_steps(&keep, step, &tried, fake_random(&seed) % 2 == 0);
        fake_flash_power_on(&flash);
        cuts++;
        keep = open_keep(&flash);
        for (step = synced; step <= tried && !is_after(&keep, (int)step); step++) {
        }
        assert_true(step <= tried);
    }
    assert_true(cuts > 5);
    fake_flash_destroy(&flash);
}

/* A few operations fail, in every way, at every place: nothing that was confirmed is lost. */
static void test_failures_at_every_operation(void **state)
{
    (void)state;
    long operations = operations_of_a_run(true);
    for (long at = 0; at < operations; at++) {
        for (int kind = 0; kind < 3 * 2; kind++) {
            struct fake_flash flash;
            unsigned tried, step = 0;
            fake_flash_create(&flash, SMALL, 3, (uint64_t)at + 1);
            flash.fail_from = at;
            flash.fail_count = kind / 3 == 0 ? 1 : 7;
            flash.failure = (enum fake_failure)(kind % 3);
            struct keep keep = open_keep(&flash);
            for (int tries = 0; tries < 20 && step < STEPS; tries++) {
                step = write_steps(&keep, step, &tried, true);
                while (step <= tried && !is_after(&keep, (int)step)) {
                    step++;
                }
                assert_true(step <= tried);
            }
            assert_int_equal(step, STEPS);
            keep = open_keep(&flash);
            assert_true(is_after(&keep, (int)STEPS));
            assert_false(flash.rule_broken && flash.failure != FAKE_TEARS);
            fake_flash_destroy(&flash);
        }
    }
}

static void test_block_that_cannot_be_erased(void **state)
{
    (void)state;
    struct fake_flash flash;
    unsigned tried;
    fake_flash_create(&flash, SMALL, 3, 1);
    flash.bad_block = 1;
    struct keep keep = open_keep(&flash);
    assert_int_equal(write_steps(&keep, 0, &tried, true), STEPS);
    keep = open_keep(&flash);
    assert_true(is_after(&keep, (int)STEPS));
    fake_flash_destroy(&flash);

    fake_flash_create(&flash, SMALL, 2, 1); /* none left: what is kept stays, and is said */
    keep = open_keep(&flash);
    assert_int_equal(keep_write(&keep, 1, "kept", 4), KEEP_OK);
    flash.bad_block = 1;
    uint8_t big[440] = { 0 };
    assert_int_equal(keep_write(&keep, 2, big, sizeof big), KEEP_OK);
    assert_int_equal(keep_write(&keep, 2, big, 300), KEEP_BROKEN);
    assert_kept(&keep, 1, "kept");
    flash.bad_block = UINT32_MAX;
    assert_int_equal(keep_write(&keep, 2, big, 300), KEEP_OK);
    assert_kept(&keep, 1, "kept");
    fake_flash_destroy(&flash);
}

static void test_damage_costs_what_it_hits(void **state)
{
    (void)state;
    struct fake_flash flash;
    fake_flash_create(&flash, 4096, 2, 1);
    for (uint32_t at = 16; at < 16 + 3 * 16; at++) {
        for (int bit = 0; bit < 8; bit++) {
            memset(flash.now, 0xff, (size_t)flash.block_size * flash.block_count);
            struct keep keep = open_keep(&flash);
            assert_int_equal(keep_write(&keep, 1, "aaaaaaaa", 8), KEEP_OK);
            assert_int_equal(keep_write(&keep, 2, "bbbbbbbb", 8), KEEP_OK);
            assert_int_equal(keep_write(&keep, 3, "cccccccc", 8), KEEP_OK);
            assert_int_equal(keep_sync(&keep), KEEP_OK);
            flash.now[at] ^= (uint8_t)(1u << bit);
            keep = open_keep(&flash);
            unsigned hit = (at - 16) / 16 + 1;
            assert_kept(&keep, 1, hit == 1 ? NULL : "aaaaaaaa");
            assert_kept(&keep, 2, hit == 2 ? NULL : "bbbbbbbb");
            assert_kept(&keep, 3, hit == 3 ? NULL : "cccccccc");
            assert_int_equal(keep_write(&keep, hit, "dddddddd", 8), KEEP_OK);
            assert_kept(&keep, hit, "dddddddd");
            assert_int_equal(keep_sync(&keep), KEEP_OK);
        }
    }
    fake_flash_destroy(&flash);
}

/* Damaged while open: the others are copied all the same. Unreadable: nothing is thrown away. */
static void test_damage_while_open(void **state)
{
    (void)state;
    struct fake_flash flash;
    fake_flash_create(&flash, SMALL, 2, 1);
    struct keep keep = open_keep(&flash);
    uint8_t big[400] = { 7 };
    assert_int_equal(keep_write(&keep, 1, "lost", 4), KEEP_OK);
    assert_int_equal(keep_write(&keep, 2, "stay", 4), KEEP_OK);
    assert_int_equal(keep_write(&keep, 3, big, 400), KEEP_OK);
    assert_int_equal(keep_sync(&keep), KEEP_OK);
    flash.unreadable = true;
    assert_int_equal(keep_write(&keep, 3, big, 300), KEEP_BROKEN);
    flash.unreadable = false;
    flash.now[keep.offsets[0] + 9] ^= 1;
    assert_int_equal(keep_write(&keep, 3, big, 300), KEEP_OK);
    assert_kept(&keep, 1, NULL);
    assert_kept(&keep, 2, "stay");
    fake_flash_destroy(&flash);
}

static void test_unreadable_is_not_begun_anew(void **state)
{
    (void)state;
    struct fake_flash flash;
    fake_flash_create(&flash, SMALL, 2, 1);
    struct keep keep = open_keep(&flash);
    assert_int_equal(keep_write(&keep, 1, "kept", 4), KEEP_OK);
    assert_int_equal(keep_sync(&keep), KEEP_OK);
    flash.unreadable = true;
    struct hal_flash hal = fake_flash_hal(&flash);
    assert_int_equal(keep_open(&keep, &hal), KEEP_BROKEN);
    assert_int_equal(keep_write(&keep, 1, "lost", 4), KEEP_BROKEN);
    flash.unreadable = false;
    keep = open_keep(&flash);
    assert_kept(&keep, 1, "kept");
    fake_flash_destroy(&flash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes_reads_and_empties),
        cmocka_unit_test(test_refuses_what_is_not_right),
        cmocka_unit_test(test_same_bytes_cost_nothing),
        cmocka_unit_test(test_cut_at_every_operation),
        cmocka_unit_test(test_cut_and_cut_again),
        cmocka_unit_test(test_failures_at_every_operation),
        cmocka_unit_test(test_block_that_cannot_be_erased),
        cmocka_unit_test(test_damage_costs_what_it_hits),
        cmocka_unit_test(test_damage_while_open),
        cmocka_unit_test(test_unreadable_is_not_begun_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
