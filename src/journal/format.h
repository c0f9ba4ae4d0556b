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
 *   32  8  synced: everything up to here 16  8  origin: position in the journal it was made from
 *          was durable when it was begun 24  8  receive time, ns since 1970
 *   40 20  0                             32  4  count
 *   60  4  CRC32C over bytes 0..59       36  2  length of the topic
 *                                        38  1  kind, 1..9
 *                                        39  1  flags
 *                                        40  .  topic, then payload
 *
 * Beside the segments stand
 *   reserve                    space that is given back to a full disk
 *   FIRST-OFFSET.damaged       damaged bytes of the segment FIRST, copied; both in hex
 *   new.tmp                    a file on its way to its name; removed by the next opening
 *   unsure                     a sync has failed, and what it was for is not elsewhere yet
 *
 * Invariants
 *  - Positions increase strictly from record to record, over all segments.
 *  - A record is valid if its header is plausible, its checksum is right and its
 *    position is above the one before. The salt makes sure that bytes of a
 *    payload, even of a whole journal sent as a payload, are never taken for one.
 *  - Padding that is not zero is damage: readers (`phusa journal verify`) and recovery name and
 *    count it. The record before it is whole and is read. A repair writes zeros there.
 *  - A valid record counts if its position is below the first position of the next
 *    segment: a segment supersedes what those before it hold at and above its name.
 *    Superseded records are no damage, nor is anything behind the first of them.
 *  - Only the newest segment is written to, and only by appending. A segment is
 *    never written to again after a restart.
 *  - Records are written in the order of their positions. Some wait in memory before that, but
 *    none is written, nor a new segment begun, in front of one that waits.
 *  - A header's `synced` was true on disk before the header was written.
 *
 * A sync that fails
 *  A write that the sync was to make, of records that waited, counts as such. The system may
 *  have dropped what it could not write, and call the next sync of that file a success. So
 *  the file is left for ever. The records that are not known to be durable, first of them F,
 *  are still in memory; they are written to new.tmp under a new salt, synced there, and
 *  new.tmp is renamed to the name of F. Segments named above F hold nothing else and are
 *  removed; one that is named below F is superseded from F on. Only when the folder is
 *  synced, too, are the records published. `unsure` stands from before the first of these
 *  steps to after the last: who finds it after a kill may see in the page cache what the disk
 *  does not have, and no sync would tell. A power cut may take it away, but then it has taken
 *  the page cache, too; where it stays for no reason it only costs time.
 *
 * Recovery
 *  Everything up to the `synced` of the newest segment with a sound header is durable.
 *  What may not be stands in the segment that holds that position, and behind it: these
 *  segments are read record by record, and if they hold no valid one, those before them,
 *  until there is one. What of it was written but not synced (a kill of the process leaves it
 *  in the page cache) is synced; where that fails, or if `unsure` stands there, these segments
 *  are written anew. Opening then begins a new segment behind the highest position that can
 *  have been given out: damaged bytes behind the last valid record may have been as many
 *  records as would fit. So torn or damaged bytes stay where they are, copied into side files
 *  within limits (damage.h), and nothing is written behind them.
 *
 *  Reading past damage: from the first invalid byte on, every multiple of 8 is tried until a
 *  valid record is found or the segment ends. A segment whose header is damaged has no known
 *  salt: it is passed over whole and counted.
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
#define SEGMENT_NAME_CHARS   20                  /* 16 hex digits, ".seg" */
#define SEGMENT_FIRST_MAX    (UINT64_MAX >> 1)   /* a file named above it is none of ours */
#define SEGMENT_RECORDS_MAX  (UINT64_C(1) << 32) /* positions of one segment lie closer together */
#define TEMPORARY_NAME       "new.tmp"
#define UNSURE_NAME          "unsure"

struct segment_header {
    uint32_t salt;
    uint64_t first;
    int64_t created_ns;
    uint64_t synced;
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

/* Puts the checksum for another salt into a record that record_write made; returns its
 * record_bytes. */
size_t record_seal(uint8_t *bytes, uint32_t salt);

/* The position of a record that record_write made. */
uint64_t record_position(const uint8_t *bytes);

enum record_check {
    RECORD_VALID,
    RECORD_SHORT, /* right so far, but the bytes end too early: *needed says how many it takes */
    RECORD_INVALID
};

/*
 * Reads the record at bytes[0..available), which is invalid unless its position is at least `from`
 * and closer to it than SEGMENT_RECORDS_MAX: that is cheap to see, and spares most checksums over
 * bytes that only look like a record. Padding may hold anything. Texts point into bytes.
 */
enum record_check record_read(const uint8_t *bytes, size_t available, uint32_t salt, uint64_t from,
                              struct journal_record *record, size_t *needed);

#endif
