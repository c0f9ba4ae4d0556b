#include "flash.h"

#include <stdlib.h>
#include <string.h>

#include "random.h"

static bool in_range(const struct fake_flash *flash, uint32_t offset, size_t length)
{
    size_t bytes = (size_t)flash->block_size * flash->block_count;
    return offset <= bytes && length <= bytes - offset;
}

static void note_call(const struct fake_flash *flash, char operation)
{
    if (flash->called != NULL) {
        flash->called(flash->context, operation);
    }
}

static void apply(uint8_t *image, const struct fake_operation *operation, uint32_t length,
                  uint32_t block_size)
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
static void tear_bits(struct fake_flash *flash, uint8_t *image,
                      const struct fake_operation *operation, uint32_t from, uint32_t to)
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
static void tear(struct fake_flash *flash, uint8_t *image, const struct fake_operation *operation)
{
    uint32_t length = operation->erase ? flash->block_size : operation->length;
    uint32_t a = fake_random(&flash->random) % (length + 1);
    uint32_t b = fake_random(&flash->random) % (length + 1);
    uint32_t done = fake_random(&flash->random) % 3 == 0 ? 0 : a < b ? a : b;
    apply(image, operation, done, flash->block_size);
    tear_bits(flash, image, operation, done, a < b ? b : a);
}

static void cut_power(struct fake_flash *flash, const struct fake_operation *under_way)
{
    flash->cut = true;
    if (!flash->lose_unsynced) {
        if (under_way != NULL) {
            tear(flash, flash->now, under_way);
        }
        memcpy(flash->synced, flash->now, (size_t)flash->block_size * flash->block_count);
        return;
    }
    for (uint32_t block = 0; block < flash->block_count; block++) {
        bool stopped = false;
        for (size_t i = 0; i < flash->pending_count && !stopped; i++) {
            const struct fake_operation *operation = &flash->pending[i];
            if (operation->offset / flash->block_size == block) {
                stopped = fake_random(&flash->random) % 3 == 0;
                if (!stopped) {
                    apply(flash->synced, operation, operation->length, flash->block_size);
                }
            }
        }
        if (!stopped && under_way != NULL && under_way->offset / flash->block_size == block) {
            tear(flash, flash->synced, under_way);
        }
    }
}

static bool fails_at(const struct fake_flash *flash, long operation)
{
    return operation >= flash->fail_from && operation < flash->fail_from + flash->fail_count;
}

/* An operation that fails: it is in the image as far as it came. */
static enum hal_result fail(struct fake_flash *flash, const struct fake_operation *operation)
{
    if (flash->failure == FAKE_TEARS) {
        tear(flash, flash->now, operation);
        memcpy(flash->synced + operation->offset, flash->now + operation->offset,
               operation->erase ? flash->block_size : operation->length);
    } else if (flash->failure == FAKE_DOES_ALL) {
        apply(flash->now, operation, operation->length, flash->block_size);
        flash->pending[flash->pending_count++] = *operation;
    }
    return flash->failure == FAKE_LIES ? HAL_OK : HAL_FAILED;
}

/* Counts an operation and does it, torn if the power goes here. */
static enum hal_result carry_out(struct fake_flash *flash, const struct fake_operation *operation)
{
    if (flash->cut) {
        return HAL_FAILED;
    }
    long number = flash->operations++;
    if (number == flash->cut_at) {
        cut_power(flash, operation);
        return HAL_FAILED;
    }
    if (flash->pending_count == FAKE_FLASH_PENDING) {
        abort(); /* the test forgot to sync */
    }
    if (fails_at(flash, number)) {
        return fail(flash, operation);
    }
    apply(flash->now, operation, operation->length, flash->block_size);
    flash->pending[flash->pending_count++] = *operation;
    return HAL_OK;
}

static enum hal_result flash_read(void *context, uint32_t offset, void *bytes, size_t length)
{
    struct fake_flash *flash = context;
    flash->reads++;
    flash->bytes_read += length;
    if (flash->unreadable || !in_range(flash, offset, length)) {
        return HAL_FAILED;
    }
    memcpy(bytes, flash->now + offset, length);
    return HAL_OK;
}

static enum hal_result flash_program(void *context, uint32_t offset, const void *bytes,
                                     size_t length)
{
    struct fake_flash *flash = context;
    const uint8_t *from = bytes;
    note_call(flash, 'p');
    enum hal_result result = in_range(flash, offset, length) ? HAL_OK : HAL_FAILED;
    for (size_t done = 0; done < length && result == HAL_OK;) {
        struct fake_operation operation = { .offset = offset + (uint32_t)done };
        size_t part =
            length - done < sizeof operation.bytes ? length - done : sizeof operation.bytes;
        operation.length = (uint32_t)part;
        memcpy(operation.bytes, from + done, part);
        for (size_t i = 0; i < part; i++) {
            flash->rule_broken |= flash->now[operation.offset + i] != 0xff;
        }
        result = carry_out(flash, &operation);
        done += part;
    }
    return result;
}

static enum hal_result flash_erase(void *context, uint32_t block)
{
    struct fake_flash *flash = context;
    note_call(flash, 'e');
    if (block == flash->bad_block || block >= flash->block_count) {
        return HAL_FAILED;
    }
    struct fake_operation operation = { .offset = block * flash->block_size,
                                        .length = flash->block_size,
                                        .erase = true };
    return carry_out(flash, &operation);
}

enum hal_result fake_flash_sync(void *context)
{
    struct fake_flash *flash = context;
    note_call(flash, 's');
    if (flash->cut || flash->syncs_fail) {
        return HAL_FAILED;
    }
    long number = flash->operations++;
    if (number == flash->cut_at) {
        cut_power(flash, NULL);
        return HAL_FAILED;
    }
    if (fails_at(flash, number)) {
        return HAL_FAILED; /* the next one makes good for it: hal.h */
    }
    for (size_t i = 0; i < flash->pending_count; i++) {
        uint32_t start = flash->pending[i].offset / flash->block_size * flash->block_size;
        memcpy(flash->synced + start, flash->now + start, flash->block_size);
    }
    flash->pending_count = 0;
    return HAL_OK;
}

void fake_flash_create(struct fake_flash *flash, uint32_t block_size, uint32_t block_count,
                       uint64_t seed)
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

void fake_flash_destroy(struct fake_flash *flash)
{
    free(flash->now);
    free(flash->synced);
}

/* The power is back: what survived is what there is. */
void fake_flash_power_on(struct fake_flash *flash)
{
    if (!flash->cut) {
        cut_power(flash, NULL);
    }
    memcpy(flash->now, flash->synced, (size_t)flash->block_size * flash->block_count);
    flash->pending_count = 0;
    flash->operations = 0;
    flash->fail_count = 0;
    flash->cut_at = -1;
    flash->cut = false;
}

struct hal_flash fake_flash_hal(struct fake_flash *flash)
{
    return (struct hal_flash){ .context = flash,
                               .block_size = flash->block_size,
                               .block_count = flash->block_count,
                               .read = flash_read,
                               .program = flash_program,
                               .erase = flash_erase,
                               .sync = fake_flash_sync };
}
