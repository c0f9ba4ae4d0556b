/*
 * The station's log: every report, numbered, in erase-block flash, until a
 * newer one needs its place. Format and recovery rule: see log.c.
 *
 * Static memory only; the flash is the HAL's. A log is a ring of blocks: when
 * it is full the oldest block makes way and `first` moves on.
 */
#ifndef FIRMWARE_LOG_H
#define FIRMWARE_LOG_H

#include "hal/hal.h"

#ifndef STATION_CHANNELS_MAX    /* a small board may be built with fewer */
#ifndef STATION_CHANNELS_MAX    /* a small board has room for fewer */
#define STATION_CHANNELS_MAX 32 /* values of one report; the record has a bit for each */
#endif
#endif

/* What the values of a block mean (names and units), opaque to the log: bytes of a name, its unit
 * and their lengths, and room. */
#define STATION_LOG_LAYOUT_MAX ((size_t)52 * STATION_CHANNELS_MAX)

/* One report as it lies in the log. */
struct station_record {
    uint64_t seq;                        /* set by the log */
    int64_t time_ns;                     /* wall time, or since boot when boot is not 0 */
    uint32_t boot;                       /* count of boots when the clock was unset, else 0 */
    uint32_t present;                    /* bit n: channel n has a value */
    uint32_t calibrating;                /* bit n: TT 10 device state 1 */
    uint32_t fault;                      /* bit n: TT 10 device state 2 */
    double values[STATION_CHANNELS_MAX]; /* by channel; only present ones count */
    uint32_t block;                      /* set by reading: where it lies, for station_log_layout */
};

enum station_log_status {
    STATION_LOG_OK = 0,
    STATION_LOG_ABSENT, /* not held: overwritten, damaged or not written yet */
    STATION_LOG_BROKEN  /* the flash does not do what it is asked */
};

/* A place to go on reading from. Zero-initialise; each reader has its own. */
struct station_log_cursor {
    uint64_t next; /* the seq expected at block, offset; 0 = none */
    uint32_t block, offset;
    uint32_t number; /* ordinal of the block */
};

/* Read what you like; change nothing. */
struct station_log {
    struct hal_flash flash;
    const uint8_t *layout; /* of what is appended now; the owner's */
    uint32_t layout_length, layout_crc;
    uint32_t id;          /* identity of the log */
    uint64_t first, next; /* seqs held: first .. next - 1; equal when it holds none */
    uint64_t covered;     /* as the newest block header tells it (station_log_open), or set since */
    int64_t first_time_ns, last_time_ns; /* of the oldest and the newest report */
    uint32_t first_boot, last_boot;      /* their boot; 0 = the time is wall time */
    uint32_t head, tail;                 /* newest and oldest block */
    uint32_t head_number;                /* ordinal of the newest block, 0 = there is none */
    uint32_t write_offset;               /* in head; block_size = the block is closed */
    bool dirty;                          /* the next sync has something to do */
};

/*
 * Finds the log in the flash, or begins a new one with identity fresh_id when
 * there is none. Nothing is written before the first append, but what is found may
 * not be durable before the first sync. layout must outlive the log.
 * STATION_LOG_BROKEN if the geometry is impossible, or if nothing is found in a flash
 * that cannot be read everywhere: a log that may still be there is not begun anew.
 */
enum station_log_status station_log_open(struct station_log *log, const struct hal_flash *flash,
                                         uint32_t fresh_id, const void *layout,
                                         size_t layout_length);

/*
 * Writes record as report number log->next (record->seq is set). When the ring
 * is full its oldest block goes: compare log->first before and after. Not
 * durable before station_log_sync. STATION_LOG_BROKEN: not written, number not used.
 */
enum station_log_status station_log_append(struct station_log *log, struct station_record *record);

/* True if a layout of that length leaves room for records in the blocks of the flash. */
bool station_log_layout_fits(const struct hal_flash *flash, size_t layout_length);

/*
 * What is appended from now on has another layout, which must outlive the log: it begins a new
 * block. BROKEN if it is too long; nothing is changed then.
 */
enum station_log_status station_log_relayout(struct station_log *log, const void *layout,
                                             size_t layout_length);

/* Makes what was appended durable; does nothing when there is nothing. BROKEN: ask again. */
enum station_log_status station_log_sync(struct station_log *log);

/* Reads report seq. Going on with the same cursor makes sequential reading cheap. */
enum station_log_status station_log_read(const struct station_log *log,
                                         struct station_log_cursor *cursor, uint64_t seq,
                                         struct station_record *record);

/*
 * The layout of the block that a record was read from. Returns its length, 0 if
 * it cannot be read or does not fit.
 */
size_t station_log_layout(const struct station_log *log, uint32_t block, void *buffer,
                          size_t capacity);

/* True if that block has the layout that is appended now. */
bool station_log_layout_is_current(const struct station_log *log, uint32_t block);

/* Notes that all reports up to seq are covered; kept with the next block begun. */
void station_log_note_covered(struct station_log *log, uint64_t seq);

/* Goes on numbering at seq, if that is further on: numbers once used are not used again. */
void station_log_skip(struct station_log *log, uint64_t seq);

/* Days between the oldest and the newest report held; 0 if either has no wall time. */
double station_log_days(const struct station_log *log);

#endif
