/*
 * The kept records: format, invariants, recovery.
 *
 * One block of the area is in use. All integers are little-endian.
 *
 *   block   = header, records ..., 0xFF ...
 *   header  (16 bytes)
 *     0 u32 magic "PHKP"        4 u16 version         6 u16 zero
 *     8 u32 ordinal of the block, from 1
 *    12 u32 CRC32C of bytes 0..11
 *   record  (8 bytes and its content; starts at a multiple of 8)
 *     0 u32 CRC32C of bytes 4..end, seeded with that of the block's ordinal as u32
 *     4 u16 bytes of content    6 u8 slot, from 1     7 u8 zero
 *     8 content; none = the slot is empty
 *
 * Invariants
 *   - The block in use is the one with the highest ordinal. Of a slot its last record counts.
 *   - A block is erased, then gets the latest record of each slot, then its header: until
 *     that is whole the block before is the one in use, and it is untouched. It is erased
 *     only after a sync that covers its successor. So a cut at any operation leaves all of
 *     the old or all of the new.
 *   - Nothing is programmed twice. What a cut tore is stepped over: records are looked for at
 *     each multiple of 8, and writing goes on behind the last byte that is not erased.
 *   - Each erase has its ordinal, also one that failed, so the ordinal counts the wear.
 *
 * A latest record that is damaged later leaves the one before it, if the block holds one.
 */
#include "keep.h"

#include <string.h>

#include "bytes.h"
#include "phusa/crc32c.h"

#define MAGIC        0x504b4850u
#define VERSION      1u
#define HEADER_BYTES 16u
#define RECORD_FIXED 8u
#define RECORD_MAX   (RECORD_FIXED + KEEP_BYTES_MAX)
#define BLOCK_MIN    512u
#define BAD_BLOCKS   4u /* that may follow one another before writing gives up */
#define READ_TRIES   3  /* before a place of the flash counts as unreadable */

static uint32_t record_bytes(size_t length)
{
    return (RECORD_FIXED + (uint32_t)length + 7u) & ~7u;
}

static bool flash_read(const struct keep *keep, uint32_t block, uint32_t offset, void *bytes,
                       size_t length)
{
    const struct hal_flash *flash = &keep->flash;
    uint32_t at = block * flash->block_size + offset;
    bool good = false;
    for (int tries = 0; tries < READ_TRIES && !good; tries++) {
        good = flash->read(flash->context, at, bytes, length) == HAL_OK;
    }
    return good;
}

static bool flash_program(struct keep *keep, uint32_t block, uint32_t offset, const void *bytes,
                          size_t length)
{
    const struct hal_flash *flash = &keep->flash;
    keep->dirty = true;
    return flash->program(flash->context, block * flash->block_size + offset, bytes, length) ==
           HAL_OK;
}

/* --- records -------------------------------------------------------------------- */

static uint32_t record_crc(uint32_t number, const uint8_t *bytes, size_t length)
{
    uint8_t ordinal[4];
    put_u32(ordinal, number);
    return phusa_crc32c(phusa_crc32c(0, ordinal, sizeof ordinal), bytes + 4,
                        RECORD_FIXED - 4u + length);
}

/* Returns the bytes that it takes. */
static uint32_t record_pack(uint32_t number, unsigned slot, const void *content, size_t length,
                            uint8_t bytes[RECORD_MAX])
{
    memset(bytes, 0xff, record_bytes(length));
    put_u16(bytes + 4, (uint32_t)length);
    bytes[6] = (uint8_t)slot;
    bytes[7] = 0;
    if (length > 0) {
        memcpy(bytes + RECORD_FIXED, content, length);
    }
    put_u32(bytes, record_crc(number, bytes, length));
    return record_bytes(length);
}

/* The record at offset of a block with that ordinal, as it lies; its bytes, 0 if there is none. */
static uint32_t record_at(const struct keep *keep, uint32_t block, uint32_t number, uint32_t offset,
                          uint8_t bytes[RECORD_MAX])
{
    uint32_t room = keep->flash.block_size - offset;
    if (room < RECORD_FIXED || !flash_read(keep, block, offset, bytes, RECORD_FIXED)) {
        return 0;
    }
    uint32_t length = get_u16(bytes + 4);
    if (length > KEEP_BYTES_MAX || record_bytes(length) > room || bytes[6] == 0 ||
        bytes[6] > KEEP_SLOTS || bytes[7] != 0 ||
        !flash_read(keep, block, offset + RECORD_FIXED, bytes + RECORD_FIXED, length) ||
        get_u32(bytes) != record_crc(number, bytes, length)) {
        return 0;
    }
    return record_bytes(length);
}

static void note_record(struct keep *keep, const uint8_t *bytes, uint32_t offset)
{
    unsigned index = bytes[6] - 1u;
    keep->lengths[index] = (uint16_t)get_u16(bytes + 4);
    keep->offsets[index] = keep->lengths[index] > 0 ? offset : 0;
}

/* --- opening -------------------------------------------------------------------- */

static void header_pack(uint32_t number, uint8_t bytes[HEADER_BYTES])
{
    put_u32(bytes, MAGIC);
    put_u16(bytes + 4, VERSION);
    put_u16(bytes + 6, 0);
    put_u32(bytes + 8, number);
    put_u32(bytes + 12, phusa_crc32c(0, bytes, 12));
}

/* The ordinal of a block; 0 if it has no header. */
static uint32_t header_number(const struct keep *keep, uint32_t block)
{
    uint8_t bytes[HEADER_BYTES];
    return flash_read(keep, block, 0, bytes, sizeof bytes) && get_u32(bytes) == MAGIC &&
                   get_u16(bytes + 4) == VERSION &&
                   get_u32(bytes + 12) == phusa_crc32c(0, bytes, 12)
               ? get_u32(bytes + 8)
               : 0;
}

static bool is_erased(const uint8_t *bytes, size_t length)
{
    size_t i = 0;
    while (i < length && bytes[i] == 0xff) {
        i++;
    }
    return i == length;
}

/* Finds the records of the block in use, and where it is written on. */
static void scan(struct keep *keep)
{
    uint8_t bytes[RECORD_MAX];
    keep->write_offset = HEADER_BYTES;
    for (uint32_t offset = HEADER_BYTES; offset + RECORD_FIXED <= keep->flash.block_size;) {
        uint32_t taken = record_at(keep, keep->block, keep->number, offset, bytes);
        if (taken > 0) {
            note_record(keep, bytes, offset);
        }
        uint32_t step = taken > 0 ? taken : 8u;
        if (taken > 0 || !flash_read(keep, keep->block, offset, bytes, 8) || !is_erased(bytes, 8)) {
            keep->write_offset = offset + step;
        }
        offset += step;
    }
}

enum keep_status keep_open(struct keep *keep, const struct hal_flash *flash)
{
    *keep = (struct keep){ .flash = *flash, .dirty = true };
    if (flash->block_size < BLOCK_MIN || flash->block_size % 8 != 0 || flash->block_count < 2 ||
        flash->block_count > UINT32_MAX / flash->block_size) {
        keep->flash.block_count = 0;
        return KEEP_BROKEN;
    }
    bool readable = true;
    for (uint32_t block = 0; block < flash->block_count; block++) {
        uint8_t byte;
        uint32_t number = header_number(keep, block);
        readable &= number > 0 || flash_read(keep, block, 0, &byte, 1);
        if (number > keep->number) {
            keep->number = keep->last = number;
            keep->block = block;
        }
    }
    if (!readable && keep->number == 0) {
        keep->flash.block_count = 0;
        return KEEP_BROKEN;
    }
    if (keep->number > 0) {
        scan(keep);
    }
    return KEEP_OK;
}

/* --- reading -------------------------------------------------------------------- */

static bool slot_valid(const struct keep *keep, unsigned slot)
{
    return keep->flash.block_count > 0 && slot >= 1 && slot <= KEEP_SLOTS;
}

/* The latest record of a slot, as it lies. */
static bool latest(const struct keep *keep, unsigned slot, uint8_t bytes[RECORD_MAX])
{
    uint32_t offset = keep->offsets[slot - 1];
    return record_at(keep, keep->block, keep->number, offset, bytes) > 0 && bytes[6] == slot;
}

enum keep_status keep_read(const struct keep *keep, unsigned slot, void *buffer, size_t capacity,
                           size_t *length)
{
    uint8_t bytes[RECORD_MAX];
    *length = 0;
    if (!slot_valid(keep, slot)) {
        return KEEP_BROKEN;
    }
    if (keep->offsets[slot - 1] == 0) {
        return KEEP_ABSENT;
    }
    if (keep->lengths[slot - 1] > capacity || !latest(keep, slot, bytes)) {
        return KEEP_BROKEN;
    }
    *length = keep->lengths[slot - 1];
    memcpy(buffer, bytes + RECORD_FIXED, *length);
    return KEEP_OK;
}

/* --- writing -------------------------------------------------------------------- */

/* Programs a record and reads it back: what is there counts, whatever the flash said. */
static bool put_record(struct keep *keep, uint32_t block, uint32_t number, uint32_t offset,
                       const uint8_t *record, uint32_t taken)
{
    uint8_t written[RECORD_MAX];
    (void)flash_program(keep, block, offset, record, taken);
    return record_at(keep, block, number, offset, written) == taken &&
           memcmp(written, record, RECORD_FIXED + get_u16(record + 4)) == 0;
}

/* A record that replaces one, to be copied with the others. */
struct change {
    unsigned slot;
    const void *bytes;
    size_t length;
};

/* The record of a slot as it is to lie in the block with that ordinal; *taken 0: it is empty. */
static bool renewed(const struct keep *keep, unsigned slot, const struct change *change,
                    uint32_t number, uint8_t bytes[RECORD_MAX], uint32_t *taken)
{
    *taken = 0;
    if (slot == change->slot) {
        if (change->length > 0) {
            *taken = record_pack(number, slot, change->bytes, change->length, bytes);
        }
        return true;
    }
    if (keep->offsets[slot - 1] == 0) {
        return true;
    }
    if (!latest(keep, slot, bytes)) {
        /* Damaged: it is lost. Not readable today: a copy without it would lose it for good. */
        return flash_read(keep, keep->block, keep->offsets[slot - 1], bytes, RECORD_FIXED);
    }
    put_u32(bytes, record_crc(number, bytes, keep->lengths[slot - 1]));
    *taken = record_bytes(keep->lengths[slot - 1]);
    return true;
}

/* Erases block and copies the latest of each slot to it, changed; next knows it as the one in use.
 */
static bool fill_block(struct keep *keep, const struct change *change, struct keep *next)
{
    uint8_t bytes[RECORD_MAX];
    uint32_t taken;
    keep->dirty = true;
    if (keep->flash.erase(keep->flash.context, next->block) != HAL_OK) {
        return false;
    }
    for (unsigned slot = 1; slot <= KEEP_SLOTS; slot++) {
        if (!renewed(keep, slot, change, next->number, bytes, &taken) ||
            (taken > 0 &&
             !put_record(keep, next->block, next->number, next->write_offset, bytes, taken))) {
            return false;
        }
        if (taken > 0) {
            note_record(next, bytes, next->write_offset);
            next->write_offset += taken;
        }
    }
    uint8_t header[HEADER_BYTES];
    header_pack(next->number, header);
    (void)flash_program(keep, next->block, 0, header, sizeof header);
    return header_number(keep, next->block) == next->number;
}

/* Goes on in another block; a few that fail are left out. */
static enum keep_status begin_block(struct keep *keep, const struct change *change)
{
    if (keep_sync(keep) != KEEP_OK) {
        return KEEP_BROKEN; /* the block in use may not be durable: its predecessor stays */
    }
    uint32_t others = keep->flash.block_count - (keep->number > 0 ? 1u : 0u);
    uint32_t block = keep->number > 0 ? keep->block : keep->flash.block_count - 1u;
    for (uint32_t tries = 0; tries < others && tries < BAD_BLOCKS; tries++) {
        block = (block + 1u) % keep->flash.block_count;
        keep->last++;
        struct keep next = { .flash = keep->flash,
                             .number = keep->last,
                             .last = keep->last,
                             .block = block,
                             .write_offset = HEADER_BYTES,
                             .dirty = true };
        if (fill_block(keep, change, &next)) {
            *keep = next;
            return KEEP_OK;
        }
    }
    return KEEP_BROKEN;
}

static bool fits(const struct keep *keep, const struct change *change)
{
    uint32_t sum = HEADER_BYTES + (change->length > 0 ? record_bytes(change->length) : 0);
    for (unsigned slot = 1; slot <= KEEP_SLOTS; slot++) {
        if (slot != change->slot && keep->offsets[slot - 1] != 0) {
            sum += record_bytes(keep->lengths[slot - 1]);
        }
    }
    return sum <= keep->flash.block_size;
}

/* Appends to the block in use; false: it is full or closed now. */
static bool append(struct keep *keep, const struct change *change)
{
    uint8_t bytes[RECORD_MAX];
    uint32_t taken = record_bytes(change->length);
    uint32_t offset = keep->write_offset;
    if (keep->number == 0 || offset > keep->flash.block_size ||
        taken > keep->flash.block_size - offset) {
        return false;
    }
    (void)record_pack(keep->number, change->slot, change->bytes, change->length, bytes);
    bool there = put_record(keep, keep->block, keep->number, offset, bytes, taken);
    keep->write_offset = there ? offset + taken : keep->flash.block_size;
    if (there) {
        note_record(keep, bytes, offset);
    }
    return there;
}

static bool unchanged(const struct keep *keep, const struct change *change)
{
    uint8_t bytes[RECORD_MAX];
    unsigned index = change->slot - 1u;
    if (keep->offsets[index] == 0 || keep->lengths[index] != change->length) {
        return keep->offsets[index] == 0 && change->length == 0;
    }
    return latest(keep, change->slot, bytes) &&
           memcmp(bytes + RECORD_FIXED, change->bytes, change->length) == 0;
}

enum keep_status keep_write(struct keep *keep, unsigned slot, const void *bytes, size_t length)
{
    struct change change = { slot, bytes, length };
    if (!slot_valid(keep, slot) || length > KEEP_BYTES_MAX) {
        return KEEP_BROKEN;
    }
    if (unchanged(keep, &change)) {
        return KEEP_OK;
    }
    if (!fits(keep, &change)) {
        return KEEP_FULL;
    }
    return append(keep, &change) ? KEEP_OK : begin_block(keep, &change);
}

enum keep_status keep_sync(struct keep *keep)
{
    if (keep->flash.block_count == 0) {
        return KEEP_BROKEN;
    }
    if (keep->dirty && keep->flash.sync(keep->flash.context) != HAL_OK) {
        return KEEP_BROKEN;
    }
    keep->dirty = false;
    return KEEP_OK;
}

uint32_t keep_erases(const struct keep *keep)
{
    return keep->last;
}
