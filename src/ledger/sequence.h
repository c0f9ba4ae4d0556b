/*
 * Which reports of one station's log have come, which are missing since when, and which
 * will never come and why: the base of receipts and of the ledger. Pure.
 *
 * All sequence numbers up to `settled` have come or were closed; beyond it the runs
 * that have come are kept, and between them are the gaps. A closed number never came
 * and never will: the station no longer holds it, or its log was erased. If one comes all
 * the same (it was on its way), it counts as come.
 *
 * At any time: settled + sum of runs = received + closed (all reasons).
 */
#ifndef LEDGER_SEQUENCE_H
#define LEDGER_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/state.h"
#include "phusa/message.h"

#define SEQUENCE_RUNS_MAX                                                                          \
    64 /* runs beyond gaps; a report that would need one more is not receipted */
#define SEQUENCE_CLOSED_MAX                                                                        \
    32 /* closed ranges remembered one by one; older ones are only counted */

enum gap_end {
    GAP_OVERWRITTEN, /* the station says that it holds only newer ones (status.first) */
    GAP_LOG_ERASED,  /* the station has begun another log */
    GAP_ENDS
};

/* "overwritten", "log erased"; never NULL. */
const char *gap_end_name(enum gap_end end);

struct sequence_run {
    uint64_t first, last;
    int64_t noticed_ns; /* when the gap before it was noticed, receive time */
};

struct sequence_closed {
    uint64_t first, last;
    int64_t closed_ns; /* receive time */
    enum gap_end end;
};

struct sequence {
    uint64_t settled;
    uint64_t received;         /* distinct reports that have come */
    uint64_t filled;           /* of those: after they had been missing */
    uint64_t closed[GAP_ENDS]; /* reports */
    uint64_t announced;        /* the highest number that the station says exists; 0 = it did not */
    uint32_t run_count, closed_count;
    struct sequence_run runs[SEQUENCE_RUNS_MAX]; /* ascending, with a gap before each */
    struct sequence_closed closed_ranges[SEQUENCE_CLOSED_MAX]; /* ascending */
    uint64_t blurred; /* at or below it closed numbers are no longer remembered one by one */
};

enum sequence_result {
    SEQUENCE_NEW,
    SEQUENCE_KNOWN,    /* came before */
    SEQUENCE_DOUBTFUL, /* came before or was closed: no longer remembered which */
    SEQUENCE_UNTRACKED /* new, but too many gaps: the station will send it again */
};

/* Notes that seq (>= 1) has come at now_ns (receive time). One that was closed counts as new. */
enum sequence_result sequence_note(struct sequence *sequence, uint64_t seq, int64_t now_ns);

/*
 * The station says that it holds first .. next - 1 (first <= next): gaps below first are closed as
 * overwritten. Returns how many reports that closed.
 */
uint64_t sequence_announce(struct sequence *sequence, uint64_t first, uint64_t next,
                           int64_t now_ns);

/* The log is no more: all that is missing of it, up to what was announced, is closed for ever.
 * Returns how many reports that closed. */
uint64_t sequence_end(struct sequence *sequence, int64_t now_ns);

/* The highest number that has come (or was closed). */
uint64_t sequence_highest(const struct sequence *sequence);

/* How many are missing below the highest that has come. */
uint64_t sequence_missing(const struct sequence *sequence);

/* When the oldest gap that is still open was noticed; INT64_MAX when there is none. */
int64_t sequence_oldest_gap(const struct sequence *sequence);

/* The receipt (contract, Receipts): at most 16 missing ranges, `upto` stops before the 17th. */
void sequence_receipt(const struct sequence *sequence, uint32_t log, struct phusa_receipt *receipt);

/* Keeps it and reads it back; false (and reader->failed) when what is read breaks an invariant. */
void sequence_save(const struct sequence *sequence, struct state_writer *writer);
bool sequence_load(struct sequence *sequence, struct state_reader *reader);

#endif
