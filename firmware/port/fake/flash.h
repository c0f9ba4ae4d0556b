/*
 * A flash in memory: NOR rules, a power cut or a failure at a chosen operation. The operation under
 * way is torn: only its first bytes are reached, or only some bits of all of them. Of what was not
 * synced each block keeps any number of its first operations (a file's pages do the same).
 */
#ifndef FIRMWARE_FAKE_FLASH_H
#define FIRMWARE_FAKE_FLASH_H

#include "hal/hal.h"

#define FAKE_FLASH_PENDING 512 /* operations between two syncs; more, and the test is wrong */
#define FAKE_FLASH_PART    320 /* bytes of one operation; a longer program is several */

struct fake_operation {
    uint32_t offset, length;
    bool erase;
    uint8_t bytes[FAKE_FLASH_PART];
};

/* What an operation that fails has done; LIES does nothing and says that all is well. */
enum fake_failure { FAKE_DOES_NOTHING, FAKE_TEARS, FAKE_DOES_ALL, FAKE_LIES, FAKE_FAILURES };

struct fake_flash {
    uint32_t block_size, block_count;
    uint8_t *now, *synced; /* as the program sees it; as it was at the last sync */
    struct fake_operation pending[FAKE_FLASH_PENDING];
    size_t pending_count;
    long operations, cut_at; /* cut_at < 0: never */
    bool cut, lose_unsynced;
    bool rule_broken;           /* something was programmed that was not erased */
    uint32_t bad_block;         /* fails to erase; UINT32_MAX = none */
    long fail_from, fail_count; /* operations that fail; fail_count 0: none */
    enum fake_failure failure;
    bool unreadable, syncs_fail;
    unsigned long reads, bytes_read;
    uint64_t random;
    /* Called before each operation: p program, e erase, s sync. */
    void (*called)(void *context, char operation);
    void *context;
};

/* Erased; ends the program when there is no memory. */
void fake_flash_create(struct fake_flash *flash, uint32_t block_size, uint32_t block_count,
                       uint64_t seed);
void fake_flash_destroy(struct fake_flash *flash);

/* The power is back after a cut, now if there was none: what survived is what there is. */
void fake_flash_power_on(struct fake_flash *flash);

/* What hal_flash.sync does. */
enum hal_result fake_flash_sync(void *context);

/* The operations; valid as long as flash. */
struct hal_flash fake_flash_hal(struct fake_flash *flash);

#endif
