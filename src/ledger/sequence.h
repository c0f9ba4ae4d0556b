/*
 * Which reports of one station's log have come: the base of receipts. Pure.
 *
 * All sequence numbers up to `settled` have come or were given up (the station
 * says it no longer holds them); beyond it the runs that have come are kept as ranges.
 */
#ifndef LEDGER_SEQUENCE_H
#define LEDGER_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "phusa/message.h"

#define SEQUENCE_RANGES_MAX                                                                        \
    64 /* runs beyond gaps; a report that would need one more is not receipted */

struct sequence {
    uint64_t settled;
    uint64_t given_up; /* of those: never came, and never will */
    uint64_t range_count;
    struct phusa_seq_range ranges[SEQUENCE_RANGES_MAX]; /* ascending, with a gap before each */
};

enum sequence_result {
    SEQUENCE_NEW,
    SEQUENCE_KNOWN,    /* came before, or was given up */
    SEQUENCE_UNTRACKED /* new, but too many gaps: the station will send it again */
};

/* Notes that seq (>= 1) has come. */
enum sequence_result sequence_note(struct sequence *sequence, uint64_t seq);

/* The station holds nothing below first: gaps there are closed for ever. Returns how many. */
uint64_t sequence_give_up_below(struct sequence *sequence, uint64_t first);

/* How many are missing below the highest that has come. */
uint64_t sequence_missing(const struct sequence *sequence);

/* The receipt (contract, Receipts): at most 16 missing ranges, `upto` stops before the 17th. */
void sequence_receipt(const struct sequence *sequence, uint32_t log, struct phusa_receipt *receipt);

#endif
