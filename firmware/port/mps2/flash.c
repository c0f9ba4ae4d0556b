/*
 * The memory holds the complement of each byte of the flash: a blank file is erased flash, and an
 * area of it reads like the file of a station on a computer (port/posix/flash_file.c).
 *
 * A program clears bits only, and fails where a bit would have to be set: the chip's own check.
 * A write is in the file's pages when it is done, so a kill of QEMU cuts between two writes, as
 * a power cut does; sync has nothing to wait for but the order of writes.
 */
#include "flash.h"

#include "board.h"
#include "registers.h"

struct area {
    uint32_t first, blocks;
};

/* The areas there are; hal_flash points at one. */
static struct area areas[4];
static size_t area_count;

/* How far an operation gets, in bytes or words: some wholly, then some with a part of their bits.
 */
struct reach {
    size_t whole, part;
};

static uint32_t tear_one_in;
static uint32_t dice __attribute__((section(".noinit"))); /* blank where the power has just come */

void flash_tear(uint32_t one_in, uint32_t seed)
{
    tear_one_in = one_in;
    dice = dice == 0 ? seed | 1 : dice;
}

/* xorshift32 (Marsaglia 2003, "Xorshift RNGs"): 0 is never reached */
static uint32_t throw_dice(void)
{
    dice ^= dice << 13;
    dice ^= dice >> 17;
    dice ^= dice << 5;
    return dice;
}

static struct reach reach_of(size_t length)
{
    if (tear_one_in == 0 || throw_dice() % tear_one_in != 0) {
        return (struct reach){ length, length };
    }
    size_t a = throw_dice() % (length + 1), b = throw_dice() % (length + 1);
    return a < b ? (struct reach){ a, b } : (struct reach){ b, a };
}

/* Those bits of item i that are reached. */
static uint32_t bits_of(const struct reach *reach, size_t i)
{
    return i < reach->whole ? UINT32_MAX : throw_dice();
}

static void end_of(const struct reach *reach, size_t length)
{
    if (reach->whole < length) {
        board_reset_because(HAL_RESET_BROWNOUT);
    }
}

static volatile uint8_t *place(const struct area *area, uint32_t offset, size_t length)
{
    uint32_t bytes = area->blocks * FLASH_BLOCK;
    if (offset > bytes || length > bytes - offset) {
        return NULL;
    }
    return (volatile uint8_t *)(PSRAM_BASE + area->first * FLASH_BLOCK + offset);
}

static enum hal_result flash_read(void *context, uint32_t offset, void *bytes, size_t length)
{
    const volatile uint8_t *from = place(context, offset, length);
    uint8_t *to = bytes;
    if (from == NULL) {
        return HAL_FAILED;
    }
    for (size_t i = 0; i < length; i++) {
        to[i] = (uint8_t)~from[i];
    }
    return HAL_OK;
}

static enum hal_result flash_program(void *context, uint32_t offset, const void *bytes,
                                     size_t length)
{
    volatile uint8_t *to = place(context, offset, length);
    const uint8_t *from = bytes;
    if (to == NULL) {
        return HAL_FAILED;
    }
    const struct reach reach = reach_of(length);
    for (size_t i = 0; i < reach.part; i++) {
        uint8_t complement = (uint8_t)~from[i];
        to[i] |= (uint8_t)(complement & bits_of(&reach, i));
        if ((to[i] & from[i]) != 0) {
            return HAL_FAILED;
        }
    }
    end_of(&reach, length);
    return HAL_OK;
}

static enum hal_result flash_erase(void *context, uint32_t block)
{
    const struct area *area = context;
    if (block >= area->blocks) {
        return HAL_FAILED;
    }
    volatile uint32_t *to = (volatile uint32_t *)(PSRAM_BASE + (area->first + block) * FLASH_BLOCK);
    const size_t words = FLASH_BLOCK / sizeof *to;
    const struct reach reach = reach_of(words);
    for (size_t i = 0; i < reach.part; i++) {
        to[i] &= ~bits_of(&reach, i);
    }
    end_of(&reach, words);
    return HAL_OK;
}

static enum hal_result flash_sync(void *context)
{
    (void)context;
    __asm volatile("dsb" ::: "memory");
    return HAL_OK;
}

struct hal_flash flash_area(uint32_t first, uint32_t blocks)
{
    struct area *area = &areas[area_count++ % (sizeof areas / sizeof areas[0])];
    *area = (struct area){ first, blocks };
    return (struct hal_flash){ .context = area,
                               .block_size = FLASH_BLOCK,
                               .block_count = blocks,
                               .read = flash_read,
                               .program = flash_program,
                               .erase = flash_erase,
                               .sync = flash_sync };
}
