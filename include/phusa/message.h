/*
 * The small JSON messages between station and collector: status (birth and
 * will) and receipt. Bounded, no heap; unknown keys are ignored.
 */
#ifndef PHUSA_MESSAGE_H
#define PHUSA_MESSAGE_H

#include <stdint.h>

#include "phusa/status.h"
#include "phusa/text.h"

#define PHUSA_RECEIPT_RANGES_MAX 16   /* missing ranges in a receipt (contract) */
#define PHUSA_MESSAGE_MAX        1024 /* bytes of a printed status or receipt */
#define PHUSA_WORD_MAX           32   /* bytes of fw, hw, reset, kept with a terminator */

enum phusa_clock_state { PHUSA_CLOCK_UNSET, PHUSA_CLOCK_HELD, PHUSA_CLOCK_SYNCED };

/* phusa/1/<site>/<station>/status. The will carries only state and log. */
struct phusa_status_message {
    bool online;
    bool has_log, has_first, has_next;
    uint32_t log;
    uint64_t first; /* oldest seq the station still holds; next if it holds none */
    uint64_t next;  /* seq of the report to come */
    enum phusa_clock_state clock;
    double days_held;
    uint32_t boot;
    char firmware[PHUSA_WORD_MAX], hardware[PHUSA_WORD_MAX], reset[PHUSA_WORD_MAX];
};

struct phusa_seq_range {
    uint64_t first, last; /* both included */
};

/* phusa/1/<site>/<station>/ack. */
struct phusa_receipt {
    uint32_t log;
    uint64_t upto; /* every report with seq <= upto is on disk, but for those in missing */
    size_t missing_count;
    struct phusa_seq_range missing[PHUSA_RECEIPT_RANGES_MAX]; /* ascending, disjoint, all <= upto */
};

/* JSON to message; PHUSA_ERR_SYNTAX, _TRUNCATED, _TYPE or _RANGE when it is none. */
enum phusa_status phusa_status_parse(struct phusa_text json, struct phusa_status_message *message);
enum phusa_status phusa_receipt_parse(struct phusa_text json, struct phusa_receipt *receipt);

/* Message to JSON, not terminated; returns its length, 0 if capacity is too small.
 * An offline status without has_first is written as a will: state and log only. */
size_t phusa_status_print(const struct phusa_status_message *message, char *buffer,
                          size_t capacity);
size_t phusa_receipt_print(const struct phusa_receipt *receipt, char *buffer, size_t capacity);

/* True if the receipt says that seq of its log is on disk. */
bool phusa_receipt_covers(const struct phusa_receipt *receipt, uint64_t seq);

#endif
