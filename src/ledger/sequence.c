#include "ledger/sequence.h"

#include <string.h>

/* Ranges that touch `settled` become part of it. */
static void settle(struct sequence *sequence)
{
    uint64_t taken = 0;
    while (taken < sequence->range_count &&
           sequence->ranges[taken].first <= sequence->settled + 1) {
        if (sequence->ranges[taken].last > sequence->settled) {
            sequence->settled = sequence->ranges[taken].last;
        }
        taken++;
    }
    if (taken > 0) {
        sequence->range_count -= taken;
        memmove(sequence->ranges, sequence->ranges + taken,
                sequence->range_count * sizeof sequence->ranges[0]);
    }
}

/* Index of the first range that ends at seq - 1 or later. */
static uint64_t find(const struct sequence *sequence, uint64_t seq)
{
    uint64_t at = 0;
    while (at < sequence->range_count && sequence->ranges[at].last + 1 < seq) {
        at++;
    }
    return at;
}

static void join_with_next(struct sequence *sequence, uint64_t at)
{
    struct phusa_seq_range *range = &sequence->ranges[at];
    if (at + 1 < sequence->range_count && range[1].first == range->last + 1) {
        range->last = range[1].last;
        memmove(range + 1, range + 2, (sequence->range_count - at - 2) * sizeof *range);
        sequence->range_count--;
    }
}

static enum sequence_result note_beyond(struct sequence *sequence, uint64_t seq)
{
    uint64_t at = find(sequence, seq);
    struct phusa_seq_range *range = &sequence->ranges[at];
    if (at < sequence->range_count && seq >= range->first && seq <= range->last) {
        return SEQUENCE_KNOWN;
    }
    if (at < sequence->range_count && seq == range->last + 1) {
        range->last = seq;
        join_with_next(sequence, at);
        return SEQUENCE_NEW;
    }
    if (at < sequence->range_count && seq + 1 == range->first) {
        range->first = seq;
        return SEQUENCE_NEW;
    }
    if (sequence->range_count == SEQUENCE_RANGES_MAX) {
        return SEQUENCE_UNTRACKED;
    }
    memmove(range + 1, range, (sequence->range_count - at) * sizeof *range);
    *range = (struct phusa_seq_range){ seq, seq };
    sequence->range_count++;
    return SEQUENCE_NEW;
}

enum sequence_result sequence_note(struct sequence *sequence, uint64_t seq)
{
    if (seq <= sequence->settled) {
        return SEQUENCE_KNOWN;
    }
    if (seq == sequence->settled + 1) {
        sequence->settled = seq;
        settle(sequence);
        return SEQUENCE_NEW;
    }
    return note_beyond(sequence, seq);
}

uint64_t sequence_give_up_below(struct sequence *sequence, uint64_t first)
{
    if (first <= sequence->settled + 1) {
        return 0;
    }
    uint64_t lost = first - 1 - sequence->settled;
    for (uint64_t i = 0; i < sequence->range_count; i++) {
        const struct phusa_seq_range *range = &sequence->ranges[i];
        if (range->first < first) {
            uint64_t last = range->last < first ? range->last : first - 1;
            lost -= last - range->first + 1;
        }
    }
    sequence->settled = first - 1;
    sequence->given_up += lost;
    settle(sequence);
    return lost;
}

uint64_t sequence_missing(const struct sequence *sequence)
{
    uint64_t missing = 0, upto = sequence->settled;
    for (uint64_t i = 0; i < sequence->range_count; i++) {
        missing += sequence->ranges[i].first - upto - 1;
        upto = sequence->ranges[i].last;
    }
    return missing;
}

void sequence_receipt(const struct sequence *sequence, uint32_t log, struct phusa_receipt *receipt)
{
    *receipt = (struct phusa_receipt){ .log = log, .upto = sequence->settled };
    for (uint64_t i = 0; i < sequence->range_count; i++) {
        if (receipt->missing_count == PHUSA_RECEIPT_RANGES_MAX) {
            return;
        }
        receipt->missing[receipt->missing_count++] =
            (struct phusa_seq_range){ receipt->upto + 1, sequence->ranges[i].first - 1 };
        receipt->upto = sequence->ranges[i].last;
    }
}
