/*
 * What has been seen of one series (station and parameter), so that the first value
 * for a time wins: the last readings in order of arrival. Pure; owns its memory.
 *
 * A reading newer than all before is new without a search, so the usual case costs
 * a comparison; only a late one is looked for among those remembered.
 *
 * A reading that is not remembered either never came or came so long ago that it was forgotten. One
 * of a new report is taken for the first (history_note); one of a report that seems to have
 * come before only if it cannot have been forgotten (history_recall).
 *
 * Readings do not come in the order of their times: a backlog comes behind fresh ones, and a
 * station's clock steps. So what can have been forgotten is not told by the oldest that is
 * remembered, but by the newest that was forgotten. Times beyond a horizon, which no right clock
 * can say, do not count there: one of 2100 would let all that follows seem forgotten, for ever.
 */
#ifndef LEDGER_HISTORY_H
#define LEDGER_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/state.h"

#define HISTORY_BLOCK       32 /* readings taken memory for at once: what is there stays in place */
#define HISTORY_ENTRY_BYTES 10 /* time and check side by side: mostly one line of the cache */

struct history_block {
    uint8_t entries[HISTORY_BLOCK][HISTORY_ENTRY_BYTES];
};

struct history {
    struct history_block **blocks; /* those there are, and room up to the next power of two */
    struct history_block *current; /* that of `next`; NULL: to be looked up */
    uint32_t limit;                /* readings it remembers at most; set by the owner, at least 1 */
    uint32_t count, next;          /* how many there are, and where the next goes, below limit */
    int64_t newest;                /* INT64_MIN while empty */
    int64_t forgotten; /* no later one was forgotten, up to the horizon; INT64_MIN: none was */
};

enum history_result {
    HISTORY_NEW,
    HISTORY_DUPLICATE, /* the same value for this time came before */
    HISTORY_CONFLICT,  /* another value for this time came before */
    HISTORY_NO_MEMORY
};

void history_init(struct history *history, uint32_t limit);
void history_free(struct history *history);

/* The next reading is coming: see that what it will touch is in the processor's cache. */
static inline void history_expect(const struct history *history)
{
    if (history->current != NULL) {
        __builtin_prefetch(history->current->entries[history->next % HISTORY_BLOCK], 1);
    }
}

/* Looks the reading up and, if it is new, remembers it. horizon_ns: later times are of a wrong
 * clock. */
enum history_result history_note(struct history *history, int64_t time_ns, double value,
                                 int64_t horizon_ns);

/*
 * Looks up a reading of a report that seems to have come before; remembers nothing. It is new only
 * when nothing was forgotten, or when it is newer than all that was, and not beyond the horizon.
 */
enum history_result history_recall(const struct history *history, int64_t time_ns, double value,
                                   int64_t horizon_ns);

/*
 * Keeps it, in order of arrival, and reads it back into an initialised one with the same
 * limit or a larger one. False with reader->failed when what is read cannot be, without it when
 * out of memory; the history is empty then. `forgotten` is the owner's to keep; without that a
 * full history takes the oldest that is remembered for the newest that was forgotten.
 */
void history_save(const struct history *history, struct state_writer *writer);
bool history_load(struct history *history, struct state_reader *reader);

#endif
