/*
 * The station's log: format, invariants, recovery.
 *
 * The flash is a ring of blocks. All integers are little-endian.
 *
 *   block   = header, layout (padded to 8), records ..., 0xFF ..., copy of the header
 *   header  (40 bytes)
 *     0 u32 magic "PHSL"        4 u16 version         6 u16 bytes of layout
 *     8 u32 identity of the log 12 u32 ordinal of the block, from 1
 *    16 u64 seq of the first record to come
 *    24 u64 every report up to this seq was covered when the block was begun
 *    32 u32 CRC32C of the layout
 *    36 u32 CRC32C of bytes 0..35
 *   record  (40 bytes and 8 for each value; starts at a multiple of 8)
 *     0 u32 CRC32C of bytes 4..end, seeded with the CRC32C, seeded with the log's identity, of
 *       the block's ordinal as u32:
 *       what a half-done erase leaves of an earlier lap is no record of this one
 *     4 u16 length              6 u16 zero            8 u64 seq
 *    16 i64 time                24 u32 boot           28 u32 present
 *    32 u32 calibrating         36 u32 fault
 *    40 f64 value of each present channel, ascending
 *
 * Invariants
 *   - A block is erased, then gets its layout, the copy of its header, its
 *     header, then records one after the other. Nothing is programmed twice.
 *   - Each block of the ring has the ordinal of the one before it and one more; a block
 *     that could not be begun counts, too. So two blocks never claim the same place, and
 *     what a bad block still holds is known by its ordinal to be of an earlier lap.
 *   - seqs ascend along the blocks and within each. A record whose writing failed may
 *     lie in two neighbouring blocks; the later one counts.
 *   - A report is shown to nobody before the sync that follows its append, so a
 *     number that is lost with the power was never used.
 *
 * Recovery reads the block headers and scans one block at each end of the ring. A
 * header counts if its CRC holds, else its copy at the end of the block is asked; a
 * block with neither is not part of the log and waits to be erased. The head is the
 * block with the highest ordinal into which anything was written behind the layout:
 * blocks that were begun and left empty (by a cut, or by a flash that failed) say
 * only which number comes next at least. In the head, records are read as far as bytes
 * are programmed; where something is no record (a cut tore it, a bit fell over) the
 * reading goes on 8 bytes further until a CRC holds again. Writing continues at
 * the first multiple of 8 behind which every byte is erased: a torn record is
 * skipped, never written over. A damaged record elsewhere costs itself only. What is
 * found may have been programmed without a sync, so the first sync is always done.
 *
 * A newest record that is damaged later cannot be told from a torn one: its number
 * would be used again. The collector's receipt tells then (station.c, accept_numbers).
 *
 * A cut during begin_block leaves either no header (the block is skipped, the
 * number of its first record unused) or a whole one without records. A cut
 * during the erase of the oldest block leaves it with or without a header; what
 * records it still has count, since their CRC says so.
 *
 * Cost of an open with n blocks: the header of each block (40 bytes; its copy too where
 * it is damaged or erased), those between the head and the tail again, and the bytes of
 * the head and the tail. Ordinals last: a block a second for 136 years.
 */
#include "log.h"

#include <string.h>

#include "bytes.h"
#include "phusa/crc32c.h"

#define MAGIC        0x4c534850u
#define VERSION      2u
#define HEADER_BYTES 40u
#define RECORD_FIXED 40u
#define RECORD_MAX   (RECORD_FIXED + 8u * STATION_CHANNELS_MAX)
#define BLOCK_MIN    512u
#define BAD_BLOCKS   4u  /* that may follow one another before appending gives up */
#define READ_TRIES   3   /* before a place of the flash counts as unreadable */
#define LOOK_BYTES   64u /* read at once when no more is needed than to look */

struct header {
    uint32_t id, number, layout_length, layout_crc;
    uint64_t first_seq, covered;
};

static uint32_t align8(uint32_t offset)
{
    return (offset + 7u) & ~7u;
}

static uint32_t data_start(uint32_t layout_length)
{
    return HEADER_BYTES + align8(layout_length);
}

static uint32_t data_end(const struct station_log *log)
{
    return log->flash.block_size - HEADER_BYTES;
}

/* A header that is not read today may be the head's, and a number be used twice: so read again. */
static bool flash_read(const struct station_log *log, uint32_t block, uint32_t offset, void *bytes,
                       size_t length)
{
    const struct hal_flash *flash = &log->flash;
    uint32_t at = block * flash->block_size + offset;
    bool good = false;
    for (int tries = 0; tries < READ_TRIES && !good; tries++) {
        good = flash->read(flash->context, at, bytes, length) == HAL_OK;
    }
    return good;
}

static bool flash_program(struct station_log *log, uint32_t block, uint32_t offset,
                          const void *bytes, size_t length)
{
    const struct hal_flash *flash = &log->flash;
    log->dirty = true;
    return flash->program(flash->context, block * flash->block_size + offset, bytes, length) ==
           HAL_OK;
}

/* --- headers ------------------------------------------------------------------ */

static void header_pack(const struct header *header, uint8_t bytes[HEADER_BYTES])
{
    put_u32(bytes, MAGIC);
    put_u16(bytes + 4, VERSION);
    put_u16(bytes + 6, header->layout_length);
    put_u32(bytes + 8, header->id);
    put_u32(bytes + 12, header->number);
    put_u64(bytes + 16, header->first_seq);
    put_u64(bytes + 24, header->covered);
    put_u32(bytes + 32, header->layout_crc);
    put_u32(bytes + 36, phusa_crc32c(0, bytes, 36));
}

static bool header_unpack(const struct station_log *log, const uint8_t bytes[HEADER_BYTES],
                          struct header *header)
{
    if (get_u32(bytes) != MAGIC || get_u16(bytes + 4) != VERSION ||
        get_u32(bytes + 36) != phusa_crc32c(0, bytes, 36)) {
        return false;
    }
    *header = (struct header){ .layout_length = get_u16(bytes + 6),
                               .id = get_u32(bytes + 8),
                               .number = get_u32(bytes + 12),
                               .first_seq = get_u64(bytes + 16),
                               .covered = get_u64(bytes + 24),
                               .layout_crc = get_u32(bytes + 32) };
    return header->number > 0 && header->first_seq > 0 &&
           data_start(header->layout_length) <= data_end(log);
}

static bool header_read(const struct station_log *log, uint32_t block, struct header *header)
{
    uint8_t bytes[HEADER_BYTES];
    if (flash_read(log, block, 0, bytes, sizeof bytes) && header_unpack(log, bytes, header)) {
        return true;
    }
    return flash_read(log, block, data_end(log), bytes, sizeof bytes) &&
           header_unpack(log, bytes, header);
}

/* The header of a block that is part of the ring as it is now. */
static bool ring_header(const struct station_log *log, uint32_t block, struct header *header)
{
    return header_read(log, block, header) && header->id == log->id &&
           header->number <= log->head_number &&
           log->head_number - header->number < log->flash.block_count;
}

/* --- records ------------------------------------------------------------------ */

static uint32_t count_bits(uint32_t mask)
{
    uint32_t count = 0;
    for (; mask != 0; mask &= mask - 1) {
        count++;
    }
    return count;
}

static uint32_t record_length(const struct station_record *record)
{
    return RECORD_FIXED + 8u * count_bits(record->present);
}

/* The CRC of a record that lies in the block with that ordinal. */
static uint32_t record_crc(const struct station_log *log, uint32_t number, const uint8_t *bytes,
                           uint32_t length)
{
    uint8_t ordinal[4];
    put_u32(ordinal, number);
    uint32_t seed = phusa_crc32c(log->id, ordinal, sizeof ordinal);
    return phusa_crc32c(seed, bytes + 4, length - 4);
}

/* As it is to lie in the head. */
static uint32_t record_pack(const struct station_log *log, const struct station_record *record,
                            uint8_t bytes[RECORD_MAX])
{
    uint32_t length = record_length(record);
    put_u16(bytes + 4, length);
    put_u16(bytes + 6, 0);
    put_u64(bytes + 8, record->seq);
    put_u64(bytes + 16, (uint64_t)record->time_ns);
    put_u32(bytes + 24, record->boot);
    put_u32(bytes + 28, record->present);
    put_u32(bytes + 32, record->calibrating);
    put_u32(bytes + 36, record->fault);
    uint8_t *at = bytes + RECORD_FIXED;
    for (uint32_t channel = 0; channel < STATION_CHANNELS_MAX; channel++) {
        if ((record->present >> channel & 1u) != 0) {
            put_double(at, record->values[channel]);
            at += 8;
        }
    }
    put_u32(bytes, record_crc(log, log->head_number, bytes, length));
    return length;
}

static void record_unpack(const uint8_t *bytes, struct station_record *record)
{
    record->seq = get_u64(bytes + 8);
    record->time_ns = (int64_t)get_u64(bytes + 16);
    record->boot = get_u32(bytes + 24);
    record->present = get_u32(bytes + 28);
    record->calibrating = get_u32(bytes + 32);
    record->fault = get_u32(bytes + 36);
    const uint8_t *at = bytes + RECORD_FIXED;
    for (uint32_t channel = 0; channel < STATION_CHANNELS_MAX; channel++) {
        record->values[channel] = 0;
        if ((record->present >> channel & 1u) != 0) {
            record->values[channel] = get_double(at);
            at += 8;
        }
    }
}

/* The record that starts at offset of the block with that ordinal, and its length; 0 if none. */
static uint32_t record_at(const struct station_log *log, uint32_t block, uint32_t number,
                          uint32_t offset, struct station_record *record)
{
    uint8_t bytes[RECORD_MAX];
    uint32_t room = data_end(log) > offset ? data_end(log) - offset : 0;
    if (room < RECORD_FIXED || !flash_read(log, block, offset, bytes, RECORD_FIXED)) {
        return 0;
    }
    uint32_t length = get_u16(bytes + 4);
    if (length > room || length != RECORD_FIXED + 8u * count_bits(get_u32(bytes + 28)) ||
        !flash_read(log, block, offset + RECORD_FIXED, bytes + RECORD_FIXED,
                    length - RECORD_FIXED) ||
        get_u32(bytes) != record_crc(log, number, bytes, length)) {
        return 0;
    }
    record_unpack(bytes, record);
    record->block = block;
    return length;
}

/* The first record that starts in [*offset, end); *offset is then behind it. */
static bool record_next(const struct station_log *log, uint32_t block, uint32_t number,
                        uint32_t *offset, uint32_t end, struct station_record *record)
{
    for (; *offset < end; *offset += 8) {
        uint32_t length = record_at(log, block, number, *offset, record);
        if (length > 0) {
            *offset += length;
            return true;
        }
    }
    return false;
}

/* Where records may start in a block: behind what is written in the head, the end elsewhere. */
static uint32_t records_end(const struct station_log *log, uint32_t block)
{
    return block == log->head && log->write_offset < data_end(log) ? log->write_offset
                                                                   : data_end(log);
}

/* --- the ring ----------------------------------------------------------------- */

static uint32_t ring_after(const struct station_log *log, uint32_t block)
{
    return (block + 1u) % log->flash.block_count;
}

static uint32_t ring_before(const struct station_log *log, uint32_t block)
{
    return (block + log->flash.block_count - 1u) % log->flash.block_count;
}

static uint32_t ring_span(const struct station_log *log)
{
    return (log->head + log->flash.block_count - log->tail) % log->flash.block_count + 1u;
}

/* Sets first and its time from the oldest record at or behind the tail, moving the tail to it. */
static void find_first(struct station_log *log)
{
    struct station_record record;
    struct header header;
    for (;; log->tail = ring_after(log, log->tail)) {
        if (ring_header(log, log->tail, &header)) {
            uint32_t offset = data_start(header.layout_length);
            if (record_next(log, log->tail, header.number, &offset, records_end(log, log->tail),
                            &record)) {
                log->first = record.seq;
                log->first_time_ns = record.time_ns;
                log->first_boot = record.boot;
                return;
            }
        }
        if (log->tail == log->head) {
            log->first = log->next;
            return;
        }
    }
}

/* The block with the highest ordinal. ABSENT: none has a header; BROKEN: nor can all be read. */
static enum station_log_status find_newest(struct station_log *log, struct header *newest)
{
    enum station_log_status status = STATION_LOG_ABSENT;
    struct header header;
    uint8_t byte;
    for (uint32_t block = 0; block < log->flash.block_count; block++) {
        if (header_read(log, block, &header)) {
            if (status != STATION_LOG_OK || header.number > newest->number) {
                *newest = header;
                log->head = block;
            }
            status = STATION_LOG_OK;
        } else if (status == STATION_LOG_ABSENT && !flash_read(log, block, 0, &byte, 1)) {
            status = STATION_LOG_BROKEN;
        }
    }
    return status;
}

/* The oldest block of the ring: the first one behind the head that is of the same log. */
static void find_tail(struct station_log *log)
{
    struct header header;
    log->tail = ring_after(log, log->head);
    while (log->tail != log->head && !ring_header(log, log->tail, &header)) {
        log->tail = ring_after(log, log->tail);
    }
}

/* The first multiple of 8 from start on behind which every byte of the block is erased. */
static uint32_t find_blank(const struct station_log *log, uint32_t block, uint32_t start)
{
    uint8_t bytes[LOOK_BYTES];
    uint32_t end = data_end(log);
    while (end > start) {
        uint32_t length = end - start < LOOK_BYTES ? end - start : LOOK_BYTES;
        if (!flash_read(log, block, end - length, bytes, length)) {
            return data_end(log); /* unreadable: never write there */
        }
        for (uint32_t i = length; i > 0; i--) {
            if (bytes[i - 1] != 0xff) {
                return align8(end - length + i);
            }
        }
        end -= length;
    }
    return start;
}

/* True if anything was written into the block behind its layout. */
static bool in_use(const struct station_log *log, uint32_t block, const struct header *header)
{
    uint32_t start = data_start(header->layout_length);
    return find_blank(log, block, start) > start;
}

/* Makes the head the newest block into which anything was written; stays if there is none. */
static void find_head(struct station_log *log, struct header *head)
{
    struct header header;
    uint32_t block = log->head;
    for (uint32_t i = 0; i < log->flash.block_count; i++, block = ring_before(log, block)) {
        if (ring_header(log, block, &header) && in_use(log, block, &header)) {
            *head = header;
            log->head = block;
            log->head_number = header.number;
            return;
        }
    }
}

/* Reads the head: the next number, the newest time, and where to write on. */
static void scan_head(struct station_log *log, const struct header *header)
{
    uint32_t offset = data_start(header->layout_length);
    uint32_t blank = find_blank(log, log->head, offset);
    struct station_record record;
    log->next = header->first_seq;
    log->write_offset = blank;
    while (record_next(log, log->head, header->number, &offset, blank, &record)) {
        if (record.seq >= log->next) {
            log->next = record.seq + 1;
            log->last_time_ns = record.time_ns;
            log->last_boot = record.boot;
        }
        /* A record may end in bytes that look erased. */
        log->write_offset = offset > blank ? offset : blank;
    }
}

/* A head without records: the newest time is that of the report before. */
static void find_last_time(struct station_log *log)
{
    struct station_log_cursor cursor = { 0 };
    struct station_record record;
    if (log->next > log->first &&
        station_log_read(log, &cursor, log->next - 1, &record) == STATION_LOG_OK) {
        log->last_time_ns = record.time_ns;
        log->last_boot = record.boot;
    }
}

static void recover(struct station_log *log, const struct header *newest)
{
    struct header head = *newest;
    log->id = newest->id;
    log->head_number = newest->number;
    log->dirty = true; /* whether what is found was synced nobody knows */
    find_head(log, &head);
    log->covered = newest->covered > head.covered ? newest->covered : head.covered;
    scan_head(log, &head);
    find_tail(log);
    find_first(log);
    find_last_time(log);
    station_log_skip(log, newest->first_seq);
    if (head.layout_crc != log->layout_crc || head.layout_length != log->layout_length) {
        log->write_offset = log->flash.block_size; /* the values have got another meaning */
    }
}

bool station_log_layout_fits(const struct hal_flash *flash, size_t layout_length)
{
    return layout_length <= STATION_LOG_LAYOUT_MAX &&
           data_start((uint32_t)layout_length) + RECORD_MAX + HEADER_BYTES <= flash->block_size;
}

static bool layout_set(struct station_log *log, const void *layout, size_t layout_length)
{
    if (!station_log_layout_fits(&log->flash, layout_length)) {
        return false;
    }
    log->layout = layout;
    log->layout_length = (uint32_t)layout_length;
    log->layout_crc = phusa_crc32c(0, layout, layout_length);
    return true;
}

enum station_log_status station_log_open(struct station_log *log, const struct hal_flash *flash,
                                         uint32_t fresh_id, const void *layout,
                                         size_t layout_length)
{
    *log = (struct station_log){ .flash = *flash, .layout = layout, .id = fresh_id };
    log->first = log->next = 1;
    if (flash->block_size < BLOCK_MIN || flash->block_size % 8 != 0 || flash->block_count < 2 ||
        flash->block_count > UINT32_MAX / flash->block_size ||
        !layout_set(log, layout, layout_length)) {
        return STATION_LOG_BROKEN;
    }
    struct header newest = { 0 };
    enum station_log_status found = find_newest(log, &newest);
    if (found == STATION_LOG_OK) {
        recover(log, &newest);
    }
    return found == STATION_LOG_BROKEN ? STATION_LOG_BROKEN : STATION_LOG_OK;
}

/* --- appending ---------------------------------------------------------------- */

/* Takes block out of the ring if it is the oldest of it. */
static void make_way(struct station_log *log, uint32_t block)
{
    if (log->head_number > 0 && block == log->tail) {
        log->tail = ring_after(log, log->tail);
        find_first(log);
    }
}

/* True if the layout can be read as it was written. */
static bool layout_there(const struct station_log *log, uint32_t block)
{
    uint8_t bytes[LOOK_BYTES];
    uint32_t crc = 0;
    for (uint32_t done = 0; done < log->layout_length;) {
        uint32_t left = log->layout_length - done;
        uint32_t length = left < LOOK_BYTES ? left : LOOK_BYTES;
        if (!flash_read(log, block, HEADER_BYTES + done, bytes, length)) {
            return false;
        }
        crc = phusa_crc32c(crc, bytes, length);
        done += length;
    }
    return crc == log->layout_crc;
}

/* Erases a block and writes its header; true if it is there to be read. */
static bool block_prepare(struct station_log *log, uint32_t block, const struct header *header)
{
    uint8_t bytes[HEADER_BYTES];
    struct header written;
    header_pack(header, bytes);
    log->dirty = true;
    return log->flash.erase(log->flash.context, block) == HAL_OK &&
           (log->layout_length == 0 ||
            flash_program(log, block, HEADER_BYTES, log->layout, log->layout_length)) &&
           flash_program(log, block, data_end(log), bytes, sizeof bytes) &&
           flash_program(log, block, 0, bytes, sizeof bytes) && header_read(log, block, &written) &&
           written.number == header->number && layout_there(log, block);
}

/*
 * Begins a block behind the head; a few that fail are left out. When all of them fail the next
 * call begins at the first of them again: a flash that is broken costs those few, not the ring.
 */
static bool begin_block(struct station_log *log)
{
    struct header header = { .id = log->id,
                             .number = log->head_number,
                             .layout_length = log->layout_length,
                             .layout_crc = log->layout_crc,
                             .first_seq = log->next,
                             .covered = log->covered };
    bool first = log->head_number == 0;
    uint32_t block = first ? log->flash.block_count - 1u : log->head;
    for (uint32_t tries = 0; tries < BAD_BLOCKS && header.number < UINT32_MAX; tries++) {
        block = ring_after(log, block);
        header.number++;
        if (!first && block == log->head) {
            return false;
        }
        make_way(log, block);
        if (block_prepare(log, block, &header)) {
            log->tail = first ? block : log->tail;
            log->head = block;
            log->head_number = header.number;
            log->write_offset = data_start(log->layout_length);
            return true;
        }
    }
    return false;
}

static bool has_room(const struct station_log *log, uint32_t length)
{
    return log->head_number > 0 && log->write_offset <= data_end(log) &&
           length <= data_end(log) - log->write_offset;
}

/*
 * What the flash says decides whether the block is used on, what is read back whether the
 * record is written: one that is there would be found again, and must keep its number.
 */
static bool write_record(struct station_log *log, const struct station_record *record)
{
    uint8_t bytes[RECORD_MAX];
    if (!has_room(log, record_length(record)) && !begin_block(log)) {
        return false;
    }
    uint32_t length = record_pack(log, record, bytes);
    struct station_record written;
    uint32_t offset = log->write_offset;
    bool good = flash_program(log, log->head, offset, bytes, length);
    bool there = record_at(log, log->head, log->head_number, offset, &written) == length;
    log->write_offset = good && there ? offset + length : log->flash.block_size;
    return there;
}

static void note_appended(struct station_log *log, const struct station_record *record)
{
    if (log->first == log->next) {
        log->first = record->seq;
        log->first_time_ns = record->time_ns;
        log->first_boot = record->boot;
    }
    log->last_time_ns = record->time_ns;
    log->last_boot = record->boot;
    log->next = record->seq + 1;
}

enum station_log_status station_log_append(struct station_log *log, struct station_record *record)
{
    record->seq = log->next;
    bool written = write_record(log, record);
    if (!written) { /* a block that fails at the record is closed: once more, in the next one */
        written = write_record(log, record);
    }
    if (!written) {
        return STATION_LOG_BROKEN;
    }
    record->block = log->head;
    note_appended(log, record);
    return STATION_LOG_OK;
}

enum station_log_status station_log_sync(struct station_log *log)
{
    if (!log->dirty) {
        return STATION_LOG_OK;
    }
    if (log->flash.sync(log->flash.context) != HAL_OK) {
        return STATION_LOG_BROKEN;
    }
    log->dirty = false;
    return STATION_LOG_OK;
}

enum station_log_status station_log_relayout(struct station_log *log, const void *layout,
                                             size_t layout_length)
{
    uint32_t length = log->layout_length, crc = log->layout_crc;
    if (!layout_set(log, layout, layout_length)) {
        return STATION_LOG_BROKEN;
    }
    if (log->layout_length != length || log->layout_crc != crc) {
        log->write_offset = log->flash.block_size; /* the head keeps the layout it has */
    }
    return STATION_LOG_OK;
}

/* --- reading ------------------------------------------------------------------ */

/*
 * The last block of the ring whose first record has at most number seq. Halving;
 * blocks without a header are stepped over. False: none is readable.
 */
static bool find_block(const struct station_log *log, uint64_t seq, uint32_t *block,
                       struct header *header)
{
    uint32_t low = 0, high = ring_span(log) - 1u;
    while (low < high) {
        uint32_t middle = low + (high - low + 1u) / 2u;
        uint32_t probe = middle;
        while (probe <= high &&
               !ring_header(log, (log->tail + probe) % log->flash.block_count, header)) {
            probe++;
        }
        if (probe <= high && header->first_seq <= seq) {
            low = probe;
        } else {
            high = middle - 1u;
        }
    }
    *block = (log->tail + low) % log->flash.block_count;
    return ring_header(log, *block, header);
}

/* Looks for seq from cursor to the end of its block; seqs ascend. */
static bool seek_in_block(const struct station_log *log, struct station_log_cursor *cursor,
                          uint64_t seq, struct station_record *record)
{
    uint32_t end = records_end(log, cursor->block);
    while (record_next(log, cursor->block, cursor->number, &cursor->offset, end, record)) {
        if (record->seq >= seq) {
            return record->seq == seq;
        }
    }
    return false;
}

static bool read_next(const struct station_log *log, struct station_log_cursor *cursor,
                      uint64_t seq, struct station_record *record)
{
    if (cursor->next != seq) {
        return false;
    }
    uint32_t length = record_at(log, cursor->block, cursor->number, cursor->offset, record);
    cursor->offset += length;
    return length > 0 && record->seq == seq;
}

enum station_log_status station_log_read(const struct station_log *log,
                                         struct station_log_cursor *cursor, uint64_t seq,
                                         struct station_record *record)
{
    if (seq < log->first || seq >= log->next) {
        return STATION_LOG_ABSENT;
    }
    struct header header;
    bool found = read_next(log, cursor, seq, record);
    if (!found && find_block(log, seq, &cursor->block, &header)) {
        cursor->number = header.number;
        cursor->offset = data_start(header.layout_length);
        found = seek_in_block(log, cursor, seq, record);
    }
    cursor->next = found ? seq + 1 : 0;
    return found ? STATION_LOG_OK : STATION_LOG_ABSENT;
}

size_t station_log_layout(const struct station_log *log, uint32_t block, void *buffer,
                          size_t capacity)
{
    struct header header;
    if (!header_read(log, block, &header) || header.layout_length > capacity ||
        !flash_read(log, block, HEADER_BYTES, buffer, header.layout_length) ||
        phusa_crc32c(0, buffer, header.layout_length) != header.layout_crc) {
        return 0;
    }
    return header.layout_length;
}

bool station_log_layout_is_current(const struct station_log *log, uint32_t block)
{
    struct header header;
    return header_read(log, block, &header) && header.layout_length == log->layout_length &&
           header.layout_crc == log->layout_crc;
}

/* --- the rest ----------------------------------------------------------------- */

void station_log_note_covered(struct station_log *log, uint64_t seq)
{
    if (seq > log->covered) {
        log->covered = seq;
    }
}

void station_log_skip(struct station_log *log, uint64_t seq)
{
    if (seq > log->next) {
        if (log->first == log->next) {
            log->first = seq;
        }
        log->next = seq;
        log->write_offset = log->flash.block_size; /* so that the gap lies between blocks */
    }
}

double station_log_days(const struct station_log *log)
{
    if (log->first == log->next || log->first_boot != 0 || log->last_boot != 0 ||
        log->last_time_ns <= log->first_time_ns) {
        return 0;
    }
    return (double)(log->last_time_ns - log->first_time_ns) / 86400e9;
}
