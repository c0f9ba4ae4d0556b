/* The check list on flash. Block 0 holds its notes (check.c); the last block is written here. */
#include <string.h>

#include "check_items.h"

#define ERASED       0xFFu
#define CROSS        250u /* programs start here ... */
#define CROSS_LENGTH 13u  /* ... and go over the edge of a page of 256 bytes */
#define KEPT_AT      300u /* what survives the reset */
#define KEPT_LENGTH  101u
#define CHIP_MS      10000 /* the slowest erase of a block that can be borne */

static const struct hal_flash *flash_of(const struct check *check)
{
    return &check->port->flash;
}

static uint32_t last_block(const struct check *check)
{
    return flash_of(check)->block_count - 1;
}

static uint32_t scratch(const struct check *check)
{
    return last_block(check) * flash_of(check)->block_size;
}

static bool erase(const struct check *check)
{
    return flash_of(check)->erase(flash_of(check)->context, last_block(check)) == HAL_OK;
}

static bool program(const struct check *check, uint32_t offset, const void *bytes, size_t length)
{
    return flash_of(check)->program(flash_of(check)->context, scratch(check) + offset, bytes,
                                    length) == HAL_OK;
}

static bool fetch(struct check *check, uint32_t offset, size_t length)
{
    memset(check->found, 0x55, sizeof check->found);
    return flash_of(check)->read(flash_of(check)->context, scratch(check) + offset, check->found,
                                 length) == HAL_OK;
}

static void fill(struct check *check)
{
    for (size_t i = 0; i < sizeof check->bytes; i++) {
        check->bytes[i] = (uint8_t)(i * 7 + 3);
    }
}

/* The scratch block from `from` to `to` is erased; else *where is the first byte that is not. */
static bool is_erased(struct check *check, uint32_t from, uint32_t to, uint32_t *where)
{
    for (uint32_t at = from; at < to; at += CHECK_BUFFER) {
        size_t length = to - at < CHECK_BUFFER ? to - at : CHECK_BUFFER;
        bool read = fetch(check, at, length);
        for (size_t i = 0; i < length; i++) {
            *where = at + (uint32_t)i;
            if (!read || check->found[i] != ERASED) {
                return false;
            }
        }
    }
    return true;
}

struct check_finding check_flash_geometry(struct check *check)
{
    const struct hal_flash *flash = flash_of(check);
    uint32_t size = flash->block_size;
    if (size < CHECK_BUFFER || (size & (size - 1)) != 0) {
        return check_failed_at("bytes of a block", size);
    }
    return flash->block_count >= 2 ? check_passed() : check_failed_at("blocks", flash->block_count);
}

static struct check_finding erases(struct check *check)
{
    uint32_t size = flash_of(check)->block_size, where = 0;
    fill(check);
    if (!erase(check) || !program(check, 0, check->bytes, CHECK_BUFFER) ||
        !program(check, size - 1, check->bytes, 1)) {
        return check_failed("an operation failed");
    }
    int64_t begun = check_mono(check);
    if (!erase(check)) {
        return check_failed("the erase failed");
    }
    int64_t took_ms = check_since_ms(check, begun);
    if (took_ms > CHIP_MS) {
        return check_failed_at("it took, in ms", took_ms);
    }
    return is_erased(check, 0, size, &where) ? check_passed()
                                             : check_failed_at("not so the byte", where);
}

/* Single bytes, odd lengths and places: records of the log have any. */
static struct check_finding programs_anywhere(struct check *check)
{
    static const struct {
        uint16_t offset, length;
    } parts[] = { { 0, 1 }, { 1, 1 }, { 2, 3 }, { 5, 64 }, { CROSS, CROSS_LENGTH } };
    fill(check);
    if (!erase(check)) {
        return check_failed("the erase failed");
    }
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const uint8_t *from = check->bytes + parts[i].offset;
        if (!program(check, parts[i].offset, from, parts[i].length)) {
            return check_failed_at("refused at the byte", parts[i].offset);
        }
        if (!fetch(check, parts[i].offset, parts[i].length) ||
            memcmp(check->found, from, parts[i].length) != 0) {
            return check_failed_at("not read back at the byte", parts[i].offset);
        }
    }
    return check_passed();
}

static struct check_finding programs_nothing_beside(struct check *check)
{
    uint32_t where = 0;
    fill(check);
    if (!erase(check) || !program(check, CROSS, check->bytes, CROSS_LENGTH)) {
        return check_failed("an operation failed");
    }
    if (!is_erased(check, 0, CROSS, &where) ||
        !is_erased(check, CROSS + CROSS_LENGTH, flash_of(check)->block_size, &where)) {
        return check_failed_at("it changed the byte", where);
    }
    return check_passed();
}

/* Over what is programmed already: refused, or the bits of both; never a bit set. */
static struct check_finding clears_only(struct check *check)
{
    static const uint8_t first = 0xA5, second = 0x5F;
    if (!erase(check) || !program(check, 8, &first, 1)) {
        return check_failed("an operation failed");
    }
    bool taken = program(check, 8, &second, 1);
    if (!fetch(check, 8, 1)) {
        return check_failed("it cannot be read");
    }
    uint8_t now = check->found[0];
    bool possible = taken ? now == (first & second) : (now & (uint8_t)~first) == 0;
    return possible ? check_passed() : check_failed_at("0xA5, then 0x5F gave", now);
}

/* The block before the last one; if that is the one with the notes, it has something in it. */
static struct check_finding leaves_other_blocks(struct check *check)
{
    const struct hal_flash *flash = flash_of(check);
    uint32_t other = last_block(check) - 1, place = other * flash->block_size;
    fill(check);
    if (other > 0 &&
        (flash->erase(flash->context, other) != HAL_OK ||
         flash->program(flash->context, place, check->bytes, CHECK_BUFFER) != HAL_OK)) {
        return check_failed("an operation failed");
    }
    if (flash->read(flash->context, place, check->bytes, CHECK_BUFFER) != HAL_OK || !erase(check) ||
        flash->read(flash->context, place, check->found, CHECK_BUFFER) != HAL_OK) {
        return check_failed("an operation failed");
    }
    return memcmp(check->found, check->bytes, CHECK_BUFFER) == 0
               ? check_passed()
               : check_failed("the block before it changed");
}

static struct check_finding has_ends(struct check *check)
{
    const struct hal_flash *flash = flash_of(check);
    uint32_t size = flash->block_size, end = scratch(check) + size;
    fill(check);
    if (!erase(check) || !program(check, size - 2, check->bytes, 2) || !fetch(check, size - 2, 2) ||
        memcmp(check->found, check->bytes, 2) != 0) {
        return check_failed("its last two bytes cannot be used");
    }
    if (flash->read(flash->context, end - 1, check->found, 2) == HAL_OK ||
        flash->read(flash->context, end, check->found, 1) == HAL_OK ||
        flash->read(flash->context, UINT32_MAX, check->found, CHECK_BUFFER) == HAL_OK) {
        return check_failed("a read beyond the end was done");
    }
    if (flash->program(flash->context, end - 1, check->bytes, 2) == HAL_OK ||
        flash->program(flash->context, UINT32_MAX, check->bytes, 2) == HAL_OK) {
        return check_failed("a program beyond the end was done");
    }
    return flash->erase(flash->context, flash->block_count) == HAL_OK
               ? check_failed("a block beyond the end was erased")
               : check_passed();
}

static struct check_finding syncs(struct check *check)
{
    const struct hal_flash *flash = flash_of(check);
    fill(check);
    if (!erase(check) || !program(check, 0, check->bytes, 64)) {
        return check_failed("an operation failed");
    }
    for (int i = 0; i < 2; i++) { /* the second has nothing to do */
        if (flash->sync(flash->context) != HAL_OK) {
            return check_failed("a sync failed");
        }
    }
    return fetch(check, 0, 64) && memcmp(check->found, check->bytes, 64) == 0
               ? check_passed()
               : check_failed("what was programmed before it is not there");
}

static struct check_finding erases_in_time(struct check *check)
{
    if (check->port->watchdog_ms == 0) {
        return check_skipped("no watchdog");
    }
    int64_t begun = check_mono(check);
    if (!erase(check)) {
        return check_failed("the erase failed");
    }
    int64_t took_ms = check_since_ms(check, begun);
    return took_ms <= check->port->watchdog_ms / 4 ? check_passed()
                                                   : check_failed_at("it took, in ms", took_ms);
}

bool check_flash_leave(struct check *check)
{
    fill(check);
    return erase(check) && program(check, KEPT_AT, check->bytes, KEPT_LENGTH) &&
           flash_of(check)->sync(flash_of(check)->context) == HAL_OK;
}

struct check_finding check_flash_kept(struct check *check)
{
    fill(check);
    return fetch(check, KEPT_AT, KEPT_LENGTH) &&
                   memcmp(check->found, check->bytes, KEPT_LENGTH) == 0
               ? check_passed()
               : check_failed("it is gone");
}

const struct check_item check_flash_items[] = {
    { "flash: an erase sets the whole block to 0xFF", erases },
    { "flash: any number of bytes can be programmed anywhere, and read back", programs_anywhere },
    { "flash: a program touches nothing beside it", programs_nothing_beside },
    { "flash: a program clears bits and sets none", clears_only },
    { "flash: an erase touches no other block", leaves_other_blocks },
    { "flash: it ends where it says", has_ends },
    { "flash: a sync is done, and changes nothing", syncs },
    { "flash: an erase takes less than a quarter of the watchdog's time", erases_in_time },
    { NULL, NULL },
};
