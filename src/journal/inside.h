/* What the parts of the journal tell each other; nobody else includes this. */
#ifndef JOURNAL_INSIDE_H
#define JOURNAL_INSIDE_H

#include <pthread.h>

#include "journal/format.h"
#include "journal/segments.h"

#define RETIRED_MAX 64 /* full segments that wait for their last sync */

#define UNSYNCED_LEAST (64u << 10) /* bytes taken from memory first, and always kept */

/* Records as they stand in a segment, one behind the other. */
struct unsynced {
    uint8_t *bytes;
    size_t used, capacity;
};

struct journal {
    const struct file_ops *files;
    char path[JOURNAL_PATH_MAX];
    int64_t segment_bytes;
    size_t waiting_bytes;

    pthread_mutex_t lock; /* everything below */
    pthread_cond_t appended_more, synced_more;
    struct segments segments;
    int fd; /* newest segment, -1 before the first append */
    uint32_t salt;
    uint64_t appended, synced;
    uint64_t next; /* position to give out */
    uint64_t total_bytes;
    uint64_t births;       /* of segments, see struct segment */
    uint64_t replacements; /* how often segments were replaced after a failed sync */
    int64_t reserve_bytes; /* 0 = none is to be kept */
    bool reserve_there;
    bool directory_dirty; /* a segment was made since the directory was synced */
    bool failed;          /* a sync, and writing anew after it: nothing is taken until that works */
    bool torn;            /* the segment ends in a record that could not be written whole */
    int retired[RETIRED_MAX];
    size_t retired_count;
    /* What is appended and not synced: what the sync that is under way covers, and what came
     * since. */
    struct unsynced older, newer;
    size_t written; /* bytes of newer that are in the segment; those behind them wait in memory */
    struct journal_counters counters;

    pthread_mutex_t sync_lock; /* one sync at a time; taken before lock */
};

static inline uint64_t journal_highest(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Opening: makes the folder, finds what it holds, makes it durable. Sets segments, total_bytes and
 * appended. On failure errno says why. */
enum journal_status journal_recover(struct journal *journal, uint64_t least_position,
                                    struct journal_recovery *found);

/* The highest position that damaged bytes behind `last` can have held. */
uint64_t journal_position_bound(uint64_t last, int64_t bytes);

/* Gives the reserve back to the disk; true if there was one. The lock is held. */
bool journal_spend_reserve(struct journal *journal);

/* Writes the records that wait in memory, into the reserve if need be. False with errno: they wait
 * on. The lock is held. */
bool journal_write_out(struct journal *journal);

/* The file UNSURE_NAME, made and removed as well as may be. */
void journal_mark_unsure(const struct journal *journal);
void journal_clear_unsure(const struct journal *journal);

/* --- for the reader ----------------------------------------------------------- */

const char *journal_path(const struct journal *journal);
const struct file_ops *journal_files(const struct journal *journal);

/* A segment and the first position of the next one, UINT64_MAX if it is the newest. */
struct segment_place {
    uint64_t first, below, born;
};

/* The segment that holds `position` (or the oldest); false if there is none. */
bool journal_place_of(struct journal *journal, uint64_t position, struct segment_place *place);

/* The segment behind the one that begins at `first`; false if that is the newest. */
bool journal_place_after(struct journal *journal, uint64_t first, struct segment_place *place);

/* False if the segment was replaced after a failed sync; else its `below` is brought up to date. */
bool journal_place_stands(struct journal *journal, struct segment_place *place);

/* What may be read, and how often segments were replaced before that. */
void journal_published(struct journal *journal, uint64_t *synced, uint64_t *replacements);

void journal_note_damage(struct journal *journal, uint64_t first, uint64_t bytes);

#endif
