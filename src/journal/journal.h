/*
 * The append-only log, used for what came in (raw journal), for what goes to
 * the store (spool) and for what was set aside (quarantine). Format, invariants
 * and recovery rule stand at the top of journal.c.
 */
#ifndef JOURNAL_JOURNAL_H
#define JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/problem.h"
#include "phusa/text.h"

#define JOURNAL_TOPIC_MAX    65535      /* bytes of a topic */
#define JOURNAL_BODY_MAX     (4u << 20) /* bytes of topic and payload together */
#define JOURNAL_SEGMENTS_MAX 65536

enum journal_kind {
    JOURNAL_MESSAGE =
        1, /* an MQTT message as it came; flag bit 0: payload was cut, count = its length */
    JOURNAL_TICK = 2,       /* a minute has passed; no payload */
    JOURNAL_CONFIGURED = 3, /* a configuration came into force; payload = its file */
    JOURNAL_LINK = 4,       /* the broker's link changed; payload = "up" or "down" */
    JOURNAL_LINES = 5,    /* spool: line protocol; count = readings in it, origin = raw position */
    JOURNAL_SET_ASIDE = 6 /* quarantine: JSON; origin = raw position */
};

#define JOURNAL_FLAG_CUT 1u

struct journal_record {
    uint64_t position; /* of this record; strictly increasing, from 1 */
    uint64_t origin;   /* position in the journal it was made from; 0 in the raw journal */
    wall_time time;    /* receive time */
    uint32_t count;
    uint8_t kind;
    uint8_t flags;
    struct phusa_text topic, payload; /* point into the reader's buffer until its next call */
};

enum journal_status {
    JOURNAL_OK = 0,
    JOURNAL_NOTHING_YET, /* reader: no further synced record now */
    JOURNAL_END,         /* reader of files only: no further record */
    JOURNAL_TOO_LARGE,   /* append: longer than JOURNAL_BODY_MAX or JOURNAL_TOPIC_MAX */
    JOURNAL_FULL,        /* append: the disk takes no more */
    JOURNAL_FAILED,      /* input/output error; the problem says which */
    JOURNAL_DAMAGED      /* verify: bytes that are no record */
};

struct journal_options {
    const char *path;             /* folder, made if missing */
    const struct file_ops *files; /* NULL = files_posix */
    int64_t segment_bytes;        /* a new segment is begun beyond this size; 0 = 64 MiB */
    int64_t reserve_bytes;        /* taken beforehand, see journal_reserve; 0 = none */
    uint64_t least_position;      /* the next position is above this, whatever the files hold */
};

struct journal;

/* What opening found and did. */
struct journal_recovery {
    uint64_t segments, records;
    uint64_t damaged_bytes;              /* kept in side files, read past */
    uint64_t last_position, last_origin; /* the highest of all valid records; 0 = none */
};

/*
 * Opens for writing, finds the last valid record and begins behind it. Never
 * refuses because of damaged content; JOURNAL_FAILED only when the folder cannot
 * be read or written. recovery may be NULL.
 */
enum journal_status journal_open(const struct journal_options *options, struct journal **result,
                                 struct journal_recovery *recovery, struct problem *problem);

/* Syncs what is there and closes. NULL is fine. */
void journal_close(struct journal *journal);

/*
 * Appends a record; thread-safe, one write call, no sync. position, flags
 * and payload are taken from record (its position is given here and returned).
 * Afterwards a kill of the process cannot lose it; a power cut can until it is
 * synced.
 */
enum journal_status journal_append(struct journal *journal, const struct journal_record *record,
                                   uint64_t *position);

/*
 * Makes everything appended so far durable; thread-safe. A sync that fails is never tried again on
 * the same files: the system may have dropped the bytes and call the next one a success. From then
 * on the journal takes nothing more and promises nothing more, until it is opened anew.
 */
enum journal_status journal_sync(struct journal *journal, struct problem *problem);

/* Highest position appended, highest position that is durable. Thread-safe. */
uint64_t journal_appended(struct journal *journal);
uint64_t journal_synced(struct journal *journal);

/*
 * Blocks until there is something appended that is not synced, or timeout;
 * until something beyond position is synced, or timeout. True if so.
 */
bool journal_wait_appended(struct journal *journal, int64_t timeout_ns);
bool journal_wait_synced(struct journal *journal, uint64_t position, int64_t timeout_ns);

/* Wakes all waiters once, for the stop. */
void journal_wake(struct journal *journal);

/*
 * A file "reserve" of reserve_bytes is kept beside the segments. When the disk takes no
 * more, journal_append gives it back to the disk, once, so that what is still arriving can
 * be written while its flow is stopped. journal_reserve takes it again and is true if it is
 * there (or there is to be none): as long as it is false, nothing should be let in.
 */
bool journal_reserve(struct journal *journal);
bool journal_reserve_there(struct journal *journal);

/* Bytes in files; oldest position still there (0 = empty). */
uint64_t journal_bytes(struct journal *journal);
uint64_t journal_oldest(struct journal *journal);

/*
 * Removes whole segments, oldest first, that only hold records below
 * `below` and are either older than `before` or needed to come under max_bytes.
 * Returns the records removed.
 */
uint64_t journal_retain(struct journal *journal, uint64_t below, wall_time before,
                        int64_t max_bytes);

/* --- reading ------------------------------------------------------------ */

struct journal_reader;

/* Reads from `from` on (0 = the oldest), only what is synced. The journal must outlive it. */
enum journal_status journal_reader_open(struct journal *journal, uint64_t from,
                                        struct journal_reader **reader, struct problem *problem);

/* Reads a folder that nobody (or another process) writes, to its end. */
enum journal_status journal_reader_open_path(const char *path, const struct file_ops *files,
                                             uint64_t from, struct journal_reader **reader,
                                             struct problem *problem);
void journal_reader_close(struct journal_reader *reader);

/* The next record in order; damaged bytes are skipped and counted. */
enum journal_status journal_next(struct journal_reader *reader, struct journal_record *record);

/* Bytes that were no record, so far. */
uint64_t journal_reader_damaged(const struct journal_reader *reader);

#endif
