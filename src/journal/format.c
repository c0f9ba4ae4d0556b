#include "journal/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "phusa/crc32c.h"

static const char magic[8] = { 'P', 'H', 'U', 'S', 'E', 'G', '1', '\n' };

static void put(uint8_t *at, uint64_t value, unsigned width)
{
    for (unsigned i = 0; i < width; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t get(const uint8_t *at, unsigned width)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < width; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

void segment_header_write(const struct segment_header *header, uint8_t bytes[SEGMENT_HEADER_BYTES])
{
    memset(bytes, 0, SEGMENT_HEADER_BYTES);
    memcpy(bytes, magic, sizeof magic);
    put(bytes + 8, header->salt, 4);
    put(bytes + 16, header->first, 8);
    put(bytes + 24, (uint64_t)header->created_ns, 8);
    put(bytes + 32, header->synced, 8);
    put(bytes + 60, phusa_crc32c(0, bytes, 60), 4);
}

bool segment_header_read(const uint8_t bytes[SEGMENT_HEADER_BYTES], struct segment_header *header)
{
    if (memcmp(bytes, magic, sizeof magic) != 0 ||
        get(bytes + 60, 4) != phusa_crc32c(0, bytes, 60)) {
        return false;
    }
    header->salt = (uint32_t)get(bytes + 8, 4);
    header->first = get(bytes + 16, 8);
    header->created_ns = (int64_t)get(bytes + 24, 8);
    header->synced = get(bytes + 32, 8);
    return true;
}

void segment_name(uint64_t first, char name[SEGMENT_NAME_CHARS + 1])
{
    (void)snprintf(name, SEGMENT_NAME_CHARS + 1, "%016" PRIx64 ".seg", first);
}

bool segment_name_read(const char *name, uint64_t *first)
{
    char again[SEGMENT_NAME_CHARS + 1];
    return sscanf(name, "%16" SCNx64 ".seg", first) == 1 && *first > 0 &&
           *first <= SEGMENT_FIRST_MAX && (segment_name(*first, again), strcmp(again, name) == 0);
}

size_t record_bytes(size_t body_length)
{
    return (RECORD_HEADER_BYTES + body_length + 7) & ~(size_t)7;
}

/* The checksum leaves out only itself. */
static uint32_t checksum(const uint8_t *bytes, size_t body_length, uint32_t salt)
{
    uint32_t crc = phusa_crc32c(salt, bytes, 4);
    return phusa_crc32c(crc, bytes + 8, RECORD_HEADER_BYTES - 8 + body_length);
}

size_t record_seal(uint8_t *bytes, uint32_t salt)
{
    size_t body = get(bytes, 4);
    put(bytes + 4, checksum(bytes, body, salt), 4);
    return record_bytes(body);
}

size_t record_write(const struct journal_record *record, uint32_t salt, uint8_t *bytes)
{
    size_t body = record->topic.length + record->payload.length;
    size_t total = record_bytes(body);
    put(bytes, body, 4);
    put(bytes + 8, record->position, 8);
    put(bytes + 16, record->origin, 8);
    put(bytes + 24, (uint64_t)record->time.ns, 8);
    put(bytes + 32, record->count, 4);
    put(bytes + 36, record->topic.length, 2);
    bytes[38] = record->kind;
    bytes[39] = record->flags;
    uint8_t *at = bytes + RECORD_HEADER_BYTES;
    if (record->topic.length > 0) {
        memcpy(at, record->topic.data, record->topic.length);
    }
    if (record->payload.length > 0) {
        memcpy(at + record->topic.length, record->payload.data, record->payload.length);
    }
    memset(at + body, 0, total - RECORD_HEADER_BYTES - body);
    return record_seal(bytes, salt);
}

uint64_t record_position(const uint8_t *bytes)
{
    return get(bytes + 8, 8);
}

enum record_check record_read(const uint8_t *bytes, size_t available, uint32_t salt, uint64_t from,
                              struct journal_record *record, size_t *needed)
{
    *needed = RECORD_HEADER_BYTES;
    if (available < RECORD_HEADER_BYTES) {
        return RECORD_SHORT;
    }
    size_t body = get(bytes, 4);
    size_t topic = get(bytes + 36, 2);
    uint8_t kind = bytes[38];
    uint64_t position = record_position(bytes);
    if (body > JOURNAL_BODY_MAX || topic > body || kind < JOURNAL_MESSAGE ||
        kind > JOURNAL_KIND_LAST || position < from || position - from > SEGMENT_RECORDS_MAX) {
        return RECORD_INVALID;
    }
    *needed = record_bytes(body);
    if (available < *needed) {
        return RECORD_SHORT;
    }
    if (get(bytes + 4, 4) != checksum(bytes, body, salt)) {
        return RECORD_INVALID;
    }
    const char *text = (const char *)bytes + RECORD_HEADER_BYTES;
    *record = (struct journal_record){ .position = position,
                                       .origin = get(bytes + 16, 8),
                                       .time = { (int64_t)get(bytes + 24, 8) },
                                       .count = (uint32_t)get(bytes + 32, 4),
                                       .kind = kind,
                                       .flags = bytes[39],
                                       .topic = { text, topic },
                                       .payload = { text + topic, body - topic } };
    return RECORD_VALID;
}
