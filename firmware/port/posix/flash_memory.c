/*
 * As in flash_file.c each byte is kept as its complement, so that memory that the system gives out
 * is erased flash and costs nothing until it is written.
 */
#include "flash_memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct flash_memory {
    uint32_t blocks;
    uint8_t *complement;
};

static size_t size_of(const struct flash_memory *flash)
{
    return (size_t)flash->blocks * FLASH_MEMORY_BLOCK;
}

/* Not calloc: it writes zeros into what it takes from its own heap. */
static bool map(struct flash_memory *flash)
{
    void *memory = mmap(NULL, size_of(flash), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return false;
    }
    flash->complement = memory;
    return true;
}

static bool in_range(const struct flash_memory *flash, uint32_t offset, size_t length)
{
    return (uint64_t)offset + length <= size_of(flash);
}

static enum hal_result memory_read(void *context, uint32_t offset, void *bytes, size_t length)
{
    const struct flash_memory *flash = context;
    uint8_t *to = bytes;
    if (!in_range(flash, offset, length)) {
        return HAL_FAILED;
    }
    for (size_t i = 0; i < length; i++) {
        to[i] = (uint8_t)~flash->complement[offset + i];
    }
    return HAL_OK;
}

/* Refuses to touch bytes that are not erased, as flash_file.c does. */
static enum hal_result memory_program(void *context, uint32_t offset, const void *bytes,
                                      size_t length)
{
    struct flash_memory *flash = context;
    const uint8_t *from = bytes;
    if (!in_range(flash, offset, length)) {
        return HAL_FAILED;
    }
    for (size_t i = 0; i < length; i++) {
        if (flash->complement[offset + i] != 0) {
            return HAL_FAILED;
        }
    }
    for (size_t i = 0; i < length; i++) {
        flash->complement[offset + i] = (uint8_t)~from[i];
    }
    return HAL_OK;
}

static bool is_erased(const uint8_t *complement)
{
    return complement[0] == 0 && memcmp(complement, complement + 1, FLASH_MEMORY_BLOCK - 1) == 0;
}

/* What is erased is not touched: it would cost memory. */
static enum hal_result memory_erase(void *context, uint32_t block)
{
    struct flash_memory *flash = context;
    if (block >= flash->blocks) {
        return HAL_FAILED;
    }
    uint8_t *complement = flash->complement + (size_t)block * FLASH_MEMORY_BLOCK;
    if (!is_erased(complement)) {
        memset(complement, 0, FLASH_MEMORY_BLOCK);
    }
    return HAL_OK;
}

static enum hal_result memory_sync(void *context)
{
    (void)context;
    return HAL_OK;
}

struct flash_memory *flash_memory_create(uint32_t bytes)
{
    struct flash_memory *flash = calloc(1, sizeof *flash);
    if (flash == NULL) {
        return NULL;
    }
    flash->blocks = bytes / FLASH_MEMORY_BLOCK;
    if (flash->blocks < 2 || !map(flash)) {
        free(flash);
        return NULL;
    }
    return flash;
}

void flash_memory_free(struct flash_memory *flash)
{
    if (flash != NULL) {
        (void)munmap(flash->complement, size_of(flash));
        free(flash);
    }
}

struct hal_flash flash_memory_hal(struct flash_memory *flash)
{
    return (struct hal_flash){ .context = flash,
                               .block_size = FLASH_MEMORY_BLOCK,
                               .block_count = flash->blocks,
                               .read = memory_read,
                               .program = memory_program,
                               .erase = memory_erase,
                               .sync = memory_sync };
}
