/*
 * The append-only log, used for what came in (raw journal), for what goes to
 * the store (spool) and for what was set aside (quarantine). Format, invariants
 * and recovery rule stand at the top of format.h.
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
    JOURNAL_LINES = 5,     /* spool: line protocol; count = readings in it, origin = raw position */
    JOURNAL_SET_ASIDE = 6, /* quarantine: JSON; origin = raw position */
    /* What was set aside is taken again. Raw journal: payload = the JSON of the quarantine's
     * record, topic = its topic, origin = its position there. Quarantine: payload = {"position":N},
     * the position in the quarantine of what was put back. */
    JOURNAL_REQUEUED = 7,
    JOURNAL_VERB = 8,     /* what an operator did with an alarm; payload = JSON, pipeline_verbs.c */
    JOURNAL_CONDITION = 9 /* of the collector itself; payload = text, pipeline_conditions.c */
};
#define JOURNAL_KIND_LAST JOURNAL_CONDITION

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
    int64_t waiting_bytes;        /* journal_append_later: written when more waits; 0 = 64 KiB */
    int64_t reserve_bytes;        /* taken beforehand, see journal_reserve; 0 = none */
    uint64_t least_position;      /* the next position is above this, whatever the files hold */
};

struct journal;

/*
 * What opening found and did. Only what may not have been on disk when the journal was last
 * written is looked at, so that opening takes as long for 20 GiB as for 20 MiB: `phusa journal
 * verify` looks at all of it, and readers count what they pass over.
 */
struct journal_recovery {
    uint64_t segments;
    uint64_t damaged_bytes;              /* in what was looked at; copied into side files */
    uint64_t last_position, last_origin; /* of the last valid record; 0 = none */
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
 * Afterwards a kill of the process cannot lose it (nor any record before it); a
 * power cut can until it is synced.
 */
enum journal_status journal_append(struct journal *journal, const struct journal_record *record,
                                   uint64_t *position);

/*
 * The same for a record whose sender keeps it until it is told of the sync: mostly no call at all,
 * it is written together with others, before anything that is appended after it and at the latest
 * by the next journal_sync. Until then a kill can lose it, too. When that write fails it is still
 * in memory, and JOURNAL_FULL or JOURNAL_FAILED is the answer to the append that needed it, or to
 * the sync. JOURNAL_OK promises this alone: a journal_sync that is good has made it durable.
 */
enum journal_status journal_append_later(struct journal *journal,
                                         const struct journal_record *record, uint64_t *position);

/* What is appended but not synced is also kept in memory, up to so much: a further append first
 * waits for a sync, or makes one. */
#define JOURNAL_UNSYNCED_MAX (64u << 20)

/*
 * Makes everything appended so far durable; thread-safe. A sync (or a write that was left to it)
 * that fails is never tried again on the same files, since the system may have dropped the bytes
 * and call the next one a success: the records it did not cover are kept in memory, written to a
 * new segment and synced there. If that fails as well, JOURNAL_FAILED: nothing is durable that was
 * not before, nothing is appended any more, and the next call tries with another new segment.
 */
enum journal_status journal_sync(struct journal *journal, struct problem *problem);

/* Counts since opening. Thread-safe. */
struct journal_counters {
    uint64_t sync_failures; /* of a sync, a write that was left to it, or a new segment after one */
    uint64_t rewritten_records; /* that were written to a new segment after one */
    uint64_t
        damaged_bytes; /* in segments, as far as opening or a reader has seen them; each once */
};
void journal_read_counters(struct journal *journal, struct journal_counters *counters);

/* Highest position appended, highest position that is durable. Thread-safe. */
uint64_t journal_appended(struct journal *journal);
uint64_t journal_synced(struct journal *journal);

/*
 * Blocks until there is something appended that is not synced (or a sync has failed), or timeout;
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

/* The oldest segment holds the positions *first .. *next - 1; false if it is also the newest (or
 * there is none), which always stays. */
bool journal_oldest_segment(struct journal *journal, uint64_t *first, uint64_t *next);

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

enum journal_damage_kind {
    JOURNAL_DAMAGED_BYTES,  /* no record, or up to 7 bytes of padding behind one that is whole */
    JOURNAL_DAMAGED_HEADER, /* of a segment, so nothing of it can be read: all of it */
    JOURNAL_MISNAMED        /* the segment's header says another first position; no bytes */
};

struct journal_damage {
    enum journal_damage_kind kind;
    uint64_t first; /* position that the segment's file is named after */
    uint64_t offset, bytes;
};

/* found is told of each damaged place as the reader passes over it. */
void journal_reader_watch(struct journal_reader *reader,
                          void (*found)(void *context, const struct journal_damage *damage),
                          void *context);

/* Bytes that were no record or its padding, so far. */
uint64_t journal_reader_damaged(const struct journal_reader *reader);

/* --- repair --------------------------------------------------------------- */

struct journal_repair {
    uint64_t segments, segments_rewritten; /* looked at; those that held damaged bytes */
    uint64_t records;                      /* valid ones, all kept */
    uint64_t damaged_bytes;                /* now only in side files */
};

/*
 * Goes through a journal that nobody has open and writes each segment that holds damaged bytes
 * anew, without them; the bytes are kept in side files. Interrupted, it loses nothing and can be
 * called again. progress (may be NULL) is told after each segment.
 */
enum journal_status journal_repair(const char *path, const struct file_ops *files,
                                   void (*progress)(void *context, uint64_t done, uint64_t of),
                                   void *context, struct journal_repair *repair,
                                   struct problem *problem);

#endif
