/*
 * A flash in memory for the station's tests: NOR rules, a power cut or a failure at a
 * chosen operation. The operation under way is torn: only its first bytes are reached, or
 * only some bits of all of them. Of what was not synced each block keeps any number of its
 * first operations (a file's pages do the same).
 */
#ifndef TESTS_STATION_FLASH_H
#define TESTS_STATION_FLASH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hal/hal.h"

#define FAKE_FLASH_BYTES   (4u * 1024u * 1024u)
#define FAKE_FLASH_PENDING 512

struct fake_operation {
    uint32_t offset, length;
    bool erase;
    uint8_t bytes[320];
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
};

static inline uint32_t fake_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

static inline void fake_apply(uint8_t *image, const struct fake_operation *operation,
                              uint32_t length, uint32_t block_size)
{
    if (operation->erase) {
        memset(image + operation->offset, 0xff, length < block_size ? length : block_size);
        return;
    }
    for (uint32_t i = 0; i < length; i++) {
        image[operation->offset + i] &= operation->bytes[i];
    }
}

/* Of the bytes from `from` to `to` some bits are reached. */
static inline void fake_tear_bits(struct fake_flash *flash, uint8_t *image,
                                  const struct fake_operation *operation, uint32_t from,
                                  uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        uint8_t *byte = &image[operation->offset + i];
        uint8_t bits = (uint8_t)fake_random(&flash->random);
        *byte = operation->erase ? *byte | bits : *byte & (uint8_t)(operation->bytes[i] | bits);
    }
}

/*
 * The operation under way: its first bytes are done, of those behind, to any length, some bits,
 * of the rest nothing.
 */
static inline void fake_tear(struct fake_flash *flash, uint8_t *image,
                             const struct fake_operation *operation)
{
    uint32_t length = operation->erase ? flash->block_size : operation->length;
    uint32_t a = fake_random(&flash->random) % (length + 1);
    uint32_t b = fake_random(&flash->random) % (length + 1);
    uint32_t done = fake_random(&flash->random) % 3 == 0 ? 0 : a < b ? a : b;
    fake_apply(image, operation, done, flash->block_size);
    fake_tear_bits(flash, image, operation, done, a < b ? b : a);
}

static inline void fake_cut(struct fake_flash *flash, const struct fake_operation *under_way)
{
    flash->cut = true;
    if (!flash->lose_unsynced) {
        if (under_way != NULL) {
            fake_tear(flash, flash->now, under_way);
        }
        memcpy(flash->synced, flash->now, flash->block_size * flash->block_count);
        return;
    }
    for (uint32_t block = 0; block < flash->block_count; block++) {
        bool stopped = false;
        for (size_t i = 0; i < flash->pending_count && !stopped; i++) {
            const struct fake_operation *operation = &flash->pending[i];
            if (operation->offset / flash->block_size == block) {
                stopped = fake_random(&flash->random) % 3 == 0;
                if (!stopped) {
                    fake_apply(flash->synced, operation, operation->length, flash->block_size);
                }
            }
        }
        if (!stopped && under_way != NULL && under_way->offset / flash->block_size == block) {
            fake_tear(flash, flash->synced, under_way);
        }
    }
}

static inline bool fake_fails(const struct fake_flash *flash, long operation)
{
    return operation >= flash->fail_from && operation < flash->fail_from + flash->fail_count;
}

/* An operation that fails: it is in the image as far as it came. */
static inline enum hal_result fake_fail(struct fake_flash *flash,
                                        const struct fake_operation *operation)
{
    if (flash->failure == FAKE_TEARS) {
        fake_tear(flash, flash->now, operation);
        memcpy(flash->synced + operation->offset, flash->now + operation->offset,
               operation->erase ? flash->block_size : operation->length);
    } else if (flash->failure == FAKE_DOES_ALL) {
        fake_apply(flash->now, operation, operation->length, flash->block_size);
        flash->pending[flash->pending_count++] = *operation;
    }
    return flash->failure == FAKE_LIES ? HAL_OK : HAL_FAILED;
}

/* Counts an operation and does it, torn if the power goes here. */
static inline enum hal_result fake_do(struct fake_flash *flash,
                                      const struct fake_operation *operation)
{
    if (flash->cut) {
        return HAL_FAILED;
    }
    long number = flash->operations++;
    if (number == flash->cut_at) {
        fake_cut(flash, operation);
        return HAL_FAILED;
    }
    if (flash->pending_count == FAKE_FLASH_PENDING) {
        abort(); /* the test forgot to sync */
    }
    if (fake_fails(flash, number)) {
        return fake_fail(flash, operation);
    }
    fake_apply(flash->now, operation, operation->length, flash->block_size);
    flash->pending[flash->pending_count++] = *operation;
    return HAL_OK;
}

static inline enum hal_result fake_flash_read(void *context, uint32_t offset, void *bytes,
                                              size_t length)
{
    struct fake_flash *flash = context;
    flash->reads++;
    flash->bytes_read += length;
    if (flash->unreadable || offset + length > flash->block_size * flash->block_count) {
        return HAL_FAILED;
    }
    memcpy(bytes, flash->now + offset, length);
    return HAL_OK;
}

static inline enum hal_result fake_flash_program(void *context, uint32_t offset, const void *bytes,
                                                 size_t length)
{
    struct fake_flash *flash = context;
    const uint8_t *from = bytes;
    enum hal_result result = HAL_OK;
    for (size_t done = 0; done < length && result == HAL_OK;) {
        struct fake_operation operation = { .offset = offset + (uint32_t)done };
        size_t part =
            length - done < sizeof operation.bytes ? length - done : sizeof operation.bytes;
        operation.length = (uint32_t)part;
        memcpy(operation.bytes, from + done, part);
        for (size_t i = 0; i < part; i++) {
            flash->rule_broken |= flash->now[operation.offset + i] != 0xff;
        }
        result = fake_do(flash, &operation);
        done += part;
    }
    return result;
}

static inline enum hal_result fake_flash_erase(void *context, uint32_t block)
{
    struct fake_flash *flash = context;
    if (block == flash->bad_block) {
        return HAL_FAILED;
    }
    struct fake_operation operation = { .offset = block * flash->block_size,
                                        .length = flash->block_size,
                                        .erase = true };
    return fake_do(flash, &operation);
}

static inline enum hal_result fake_flash_sync(void *context)
{
    struct fake_flash *flash = context;
    if (flash->cut || flash->syncs_fail) {
        return HAL_FAILED;
    }
    long number = flash->operations++;
    if (number == flash->cut_at) {
        fake_cut(flash, NULL);
        return HAL_FAILED;
    }
    if (fake_fails(flash, number)) {
        return HAL_FAILED; /* the next one makes good for it: hal.h */
    }
    for (size_t i = 0; i < flash->pending_count; i++) {
        uint32_t start = flash->pending[i].offset / flash->block_size * flash->block_size;
        memcpy(flash->synced + start, flash->now + start, flash->block_size);
    }
    flash->pending_count = 0;
    return HAL_OK;
}

static inline void fake_flash_create(struct fake_flash *flash, uint32_t block_size,
                                     uint32_t block_count, uint64_t seed)
{
    size_t bytes = (size_t)block_size * block_count;
    *flash = (struct fake_flash){ .block_size = block_size,
                                  .block_count = block_count,
                                  .cut_at = -1,
                                  .bad_block = UINT32_MAX,
                                  .random = seed };
    flash->now = malloc(bytes);
    flash->synced = malloc(bytes);
    if (flash->now == NULL || flash->synced == NULL) {
        abort();
    }
    memset(flash->now, 0xff, bytes);
    memset(flash->synced, 0xff, bytes);
}

static inline void fake_flash_destroy(struct fake_flash *flash)
{
    free(flash->now);
    free(flash->synced);
}

/* The power is back: what survived is what there is. */
static inline void fake_flash_power_on(struct fake_flash *flash)
{
    if (!flash->cut) {
        fake_cut(flash, NULL);
    }
    memcpy(flash->now, flash->synced, (size_t)flash->block_size * flash->block_count);
    flash->pending_count = 0;
    flash->operations = 0;
    flash->fail_count = 0;
    flash->cut_at = -1;
    flash->cut = false;
}

static inline struct hal_flash fake_flash_hal(struct fake_flash *flash)
{
    return (struct hal_flash){ .context = flash,
                               .block_size = flash->block_size,
                               .block_count = flash->block_count,
                               .read = fake_flash_read,
                               .program = fake_flash_program,
                               .erase = fake_flash_erase,
                               .sync = fake_flash_sync };
}

#endif
