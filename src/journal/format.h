/*
 * The journal on disk.
 *
 * A journal is a folder of segment files, each named after the position of its
 * first record: 16 hex digits and ".seg". A segment is a header of 64 bytes,
 * then records, each padded with zeros to a multiple of 8. All numbers are
 * little-endian.
 *
 *   segment header                      record
 *    0  8  "PHUSEG1\n"                    0  4  length of the body: topic and payload
 *    8  4  salt, random                   4  4  CRC32C, seeded with the segment's salt, over
 *   12  4  0                                    the length and everything from byte 8 to the
 *   16  8  position of the first record         end of the body
 *   24  8  creation, ns since 1970        8  8  position
 *   32 28  0                             16  8  origin: position in the journal it was made from
 *   60  4  CRC32C over bytes 0..59       24  8  receive time, ns since 1970
 *                                        32  4  count
 *                                        36  2  length of the topic
 *                                        38  1  kind, 1..6
 *                                        39  1  flags
 *                                        40  .  topic, then payload
 *
 * Invariants
 *  - Positions increase strictly from record to record, over all segments.
 *  - A record is valid if its header is plausible, its checksum is right and its
 *    position is above the one before. The salt makes sure that bytes of a
 *    payload, even of a whole journal sent as a payload, are never taken for one.
 *  - Only the newest segment is written to, and only by appending. A segment is
 *    never written to again after a restart.
 *
 * Recovery
 *  Opening begins a new segment behind the highest valid position, so that torn
 *  or damaged bytes stay where they are, for whoever wants to look at them, and
 *  nothing is written behind them. Reading past damage: from the first invalid
 *  byte on, every multiple of 8 is tried until a valid record is found or the
 *  segment ends. A segment whose header is damaged has no known salt: it is
 *  passed over whole and counted.
 */
#ifndef JOURNAL_FORMAT_H
#define JOURNAL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/journal.h"

#define SEGMENT_HEADER_BYTES 64
#define RECORD_HEADER_BYTES  40
#define RECORD_BYTES_MAX     (RECORD_HEADER_BYTES + JOURNAL_BODY_MAX + 8)
#define SEGMENT_NAME_CHARS   20 /* 16 hex digits, ".seg" */

struct segment_header {
    uint32_t salt;
    uint64_t first;
    int64_t created_ns;
};

void segment_header_write(const struct segment_header *header, uint8_t bytes[SEGMENT_HEADER_BYTES]);
bool segment_header_read(const uint8_t bytes[SEGMENT_HEADER_BYTES], struct segment_header *header);

/* Name of the segment that begins at position; terminated. */
void segment_name(uint64_t first, char name[SEGMENT_NAME_CHARS + 1]);
bool segment_name_read(const char *name, uint64_t *first);

/* Bytes a record takes on disk, padding included. */
size_t record_bytes(size_t body_length);

/* Writes a record with its padding; returns record_bytes. */
size_t record_write(const struct journal_record *record, uint32_t salt, uint8_t *bytes);

enum record_check {
    RECORD_VALID,
    RECORD_SHORT, /* right so far, but the bytes end too early: *needed says how many it takes */
    RECORD_INVALID
};

/* Reads the record at bytes[0..available). Texts point into bytes. */
enum record_check record_read(const uint8_t *bytes, size_t available, uint32_t salt,
                              struct journal_record *record, size_t *needed);

#endif
