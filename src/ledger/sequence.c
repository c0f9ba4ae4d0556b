#include "ledger/sequence.h"

#include <string.h>

#define NUMBERS_END (UINT64_C(1) << 53) /* contract: seq is below it */

const char *gap_end_name(enum gap_end end)
{
    return end == GAP_OVERWRITTEN ? "overwritten" : "log erased";
}

/* --- closed numbers ------------------------------------------------------------------ */

static void remove_closed(struct sequence *sequence, uint32_t at)
{
    sequence->closed_count--;
    memmove(&sequence->closed_ranges[at], &sequence->closed_ranges[at + 1],
            (sequence->closed_count - at) * sizeof sequence->closed_ranges[0]);
}

static void insert_closed(struct sequence *sequence, uint32_t at, struct sequence_closed range)
{
    memmove(&sequence->closed_ranges[at + 1], &sequence->closed_ranges[at],
            (sequence->closed_count - at) * sizeof sequence->closed_ranges[0]);
    sequence->closed_ranges[at] = range;
    sequence->closed_count++;
}

/* From here on nobody knows which of its numbers were closed. */
static void blur_oldest(struct sequence *sequence)
{
    sequence->blurred = sequence->closed_ranges[0].last;
    remove_closed(sequence, 0);
}

/* Closes first .. last, which lie above everything closed before; returns how many they are. */
static uint64_t close_range(struct sequence *sequence, uint64_t first, uint64_t last,
                            enum gap_end end, int64_t now_ns)
{
    uint64_t count = last - first + 1;
    sequence->closed[end] += count;
    struct sequence_closed *newest =
        sequence->closed_count == 0 ? NULL : &sequence->closed_ranges[sequence->closed_count - 1];
    if (newest != NULL && newest->end == end && newest->last + 1 == first) {
        newest->last = last; /* a ring that overwrites takes a gap piece by piece */
        newest->closed_ns = now_ns;
        return count;
    }
    if (sequence->closed_count == SEQUENCE_CLOSED_MAX) {
        blur_oldest(sequence);
    }
    insert_closed(sequence, sequence->closed_count,
                  (struct sequence_closed){ first, last, now_ns, end });
    return count;
}

/* seq, in the closed range `at`, came after all. */
static void reopen(struct sequence *sequence, uint32_t at, uint64_t seq)
{
    struct sequence_closed *range = &sequence->closed_ranges[at];
    sequence->closed[range->end]--;
    sequence->received++;
    sequence->filled++;
    if (range->first == range->last) {
        remove_closed(sequence, at);
    } else if (seq == range->first) {
        range->first++;
    } else if (seq == range->last) {
        range->last--;
    } else if (sequence->closed_count < SEQUENCE_CLOSED_MAX) {
        struct sequence_closed above = *range;
        range->last = seq - 1;
        above.first = seq + 1;
        insert_closed(sequence, at + 1, above);
    } else {
        blur_oldest(sequence);
        if (at > 0) { /* it is still there, one place down, and now there is room */
            struct sequence_closed above = sequence->closed_ranges[at - 1];
            sequence->closed_ranges[at - 1].last = seq - 1;
            above.first = seq + 1;
            insert_closed(sequence, at, above);
        }
    }
}

/* A number up to settled: it came, was closed, or nobody knows any more which of the two. */
static enum sequence_result note_settled(struct sequence *sequence, uint64_t seq)
{
    if (seq <= sequence->blurred) {
        return SEQUENCE_DOUBTFUL;
    }
    for (uint32_t i = 0; i < sequence->closed_count; i++) {
        if (seq >= sequence->closed_ranges[i].first && seq <= sequence->closed_ranges[i].last) {
            reopen(sequence, i, seq);
            return SEQUENCE_NEW;
        }
    }
    return SEQUENCE_KNOWN;
}

/* --- runs ---------------------------------------------------------------------------- */

static void remove_runs(struct sequence *sequence, uint32_t at, uint32_t count)
{
    sequence->run_count -= count;
    memmove(&sequence->runs[at], &sequence->runs[at + count],
            (sequence->run_count - at) * sizeof sequence->runs[0]);
}

/* Runs that touch `settled` become part of it. */
static void settle(struct sequence *sequence)
{
    uint32_t taken = 0;
    while (taken < sequence->run_count && sequence->runs[taken].first <= sequence->settled + 1) {
        if (sequence->runs[taken].last > sequence->settled) {
            sequence->settled = sequence->runs[taken].last;
        }
        taken++;
    }
    remove_runs(sequence, 0, taken);
}

/* Index of the first run that ends at seq - 1 or later. */
static uint32_t find(const struct sequence *sequence, uint64_t seq)
{
    uint32_t at = 0;
    while (at < sequence->run_count && sequence->runs[at].last + 1 < seq) {
        at++;
    }
    return at;
}

static void join_with_next(struct sequence *sequence, uint32_t at)
{
    struct sequence_run *run = &sequence->runs[at];
    if (at + 1 < sequence->run_count && run[1].first == run->last + 1) {
        run->last = run[1].last;
        remove_runs(sequence, at + 1, 1);
    }
}

static void come(struct sequence *sequence, bool was_missing)
{
    sequence->received++;
    sequence->filled += was_missing ? 1 : 0;
}

/* Beyond settled + 1. */
static enum sequence_result note_beyond(struct sequence *sequence, uint64_t seq, int64_t now_ns)
{
    uint32_t at = find(sequence, seq);
    bool below_another = at < sequence->run_count;
    struct sequence_run *run = &sequence->runs[at];
    if (below_another && seq >= run->first && seq <= run->last) {
        return SEQUENCE_KNOWN;
    }
    if (below_another && seq == run->last + 1) {
        come(sequence, at + 1 < sequence->run_count);
        run->last = seq;
        join_with_next(sequence, at);
        return SEQUENCE_NEW;
    }
    if (below_another && seq + 1 == run->first) {
        come(sequence, true);
        run->first = seq;
        return SEQUENCE_NEW;
    }
    if (sequence->run_count == SEQUENCE_RUNS_MAX) {
        return SEQUENCE_UNTRACKED;
    }
    /* What splits a gap leaves two, both as old as it was. */
    int64_t noticed_ns = below_another ? run->noticed_ns : now_ns;
    come(sequence, below_another);
    memmove(run + 1, run, (sequence->run_count - at) * sizeof *run);
    *run = (struct sequence_run){ seq, seq, noticed_ns };
    sequence->run_count++;
    return SEQUENCE_NEW;
}

enum sequence_result sequence_note(struct sequence *sequence, uint64_t seq, int64_t now_ns)
{
    if (seq <= sequence->settled) {
        return note_settled(sequence, seq);
    }
    if (seq == sequence->settled + 1) {
        come(sequence, sequence->run_count > 0);
        sequence->settled = seq;
        settle(sequence);
        return SEQUENCE_NEW;
    }
    return note_beyond(sequence, seq, now_ns);
}

/* --- what will never come ----------------------------------------------------------------- */

/* Closes what is missing up to `last`. */
static uint64_t close_upto(struct sequence *sequence, uint64_t last, enum gap_end end,
                           int64_t now_ns)
{
    uint64_t closed = 0;
    while (sequence->settled < last) {
        uint64_t upto = last;
        if (sequence->run_count > 0 && sequence->runs[0].first <= last) {
            upto = sequence->runs[0].first - 1;
        }
        closed += close_range(sequence, sequence->settled + 1, upto, end, now_ns);
        sequence->settled = upto;
        settle(sequence);
    }
    return closed;
}

uint64_t sequence_announce(struct sequence *sequence, uint64_t first, uint64_t next, int64_t now_ns)
{
    if (next > sequence->announced + 1) {
        sequence->announced = next - 1;
    }
    return first == 0 ? 0 : close_upto(sequence, first - 1, GAP_OVERWRITTEN, now_ns);
}

uint64_t sequence_end(struct sequence *sequence, int64_t now_ns)
{
    uint64_t highest = sequence_highest(sequence);
    uint64_t last = highest > sequence->announced ? highest : sequence->announced;
    return close_upto(sequence, last, GAP_LOG_ERASED, now_ns);
}

/* --- what there is to say ---------------------------------------------------------------- */

uint64_t sequence_highest(const struct sequence *sequence)
{
    return sequence->run_count == 0 ? sequence->settled
                                    : sequence->runs[sequence->run_count - 1].last;
}

uint64_t sequence_missing(const struct sequence *sequence)
{
    uint64_t missing = 0, upto = sequence->settled;
    for (uint32_t i = 0; i < sequence->run_count; i++) {
        missing += sequence->runs[i].first - upto - 1;
        upto = sequence->runs[i].last;
    }
    return missing;
}

int64_t sequence_oldest_gap(const struct sequence *sequence)
{
    int64_t oldest = INT64_MAX; /* not always the first: the clock may have gone back */
    for (uint32_t i = 0; i < sequence->run_count; i++) {
        oldest = sequence->runs[i].noticed_ns < oldest ? sequence->runs[i].noticed_ns : oldest;
    }
    return oldest;
}

void sequence_receipt(const struct sequence *sequence, uint32_t log, struct phusa_receipt *receipt)
{
    *receipt = (struct phusa_receipt){ .log = log, .upto = sequence->settled };
    for (uint32_t i = 0; i < sequence->run_count; i++) {
        if (receipt->missing_count == PHUSA_RECEIPT_RANGES_MAX) {
            return;
        }
        receipt->missing[receipt->missing_count++] =
            (struct phusa_seq_range){ receipt->upto + 1, sequence->runs[i].first - 1 };
        receipt->upto = sequence->runs[i].last;
    }
}

/* --- kept over a restart --------------------------------------------------------------------- */

/*
 * settled, received, filled, closed by reason, announced, blurred; the number of runs, each as
 * its distance from the end of what is before it, its length - 1 and the time; the number of closed
 * ranges, each as its distance from the one before (the first from blurred), its length - 1,
 * the time and the reason.
 */
void sequence_save(const struct sequence *sequence, struct state_writer *writer)
{
    state_put(writer, sequence->settled);
    state_put(writer, sequence->received);
    state_put(writer, sequence->filled);
    for (int i = 0; i < GAP_ENDS; i++) {
        state_put(writer, sequence->closed[i]);
    }
    state_put(writer, sequence->announced);
    state_put(writer, sequence->blurred);
    uint64_t before = sequence->settled;
    state_put(writer, sequence->run_count);
    for (uint32_t i = 0; i < sequence->run_count; i++) {
        const struct sequence_run *run = &sequence->runs[i];
        state_put(writer, run->first - before);
        state_put(writer, run->last - run->first);
        state_put_signed(writer, run->noticed_ns);
        before = run->last;
    }
    before = sequence->blurred;
    state_put(writer, sequence->closed_count);
    for (uint32_t i = 0; i < sequence->closed_count; i++) {
        const struct sequence_closed *range = &sequence->closed_ranges[i];
        state_put(writer, range->first - before);
        state_put(writer, range->last - range->first);
        state_put_signed(writer, range->closed_ns);
        state_put(writer, range->end);
        before = range->last;
    }
}

/* A range that begins at least `least` above before, below NUMBERS_END; false if it is none. */
static bool load_range(struct state_reader *reader, uint64_t least, uint64_t before,
                       uint64_t *first, uint64_t *last)
{
    *first = before + state_get_upto(reader, NUMBERS_END);
    *last = *first + state_get_upto(reader, NUMBERS_END);
    if (*first < before + least || *last > NUMBERS_END) {
        reader->failed = true;
    }
    return !reader->failed;
}

/* Receive times are after 1970. */
static int64_t load_time(struct state_reader *reader)
{
    int64_t time_ns = state_get_signed(reader);
    reader->failed |= time_ns < 0;
    return time_ns;
}

static uint64_t load_runs(struct sequence *sequence, struct state_reader *reader)
{
    uint64_t before = sequence->settled, come = 0;
    sequence->run_count = (uint32_t)state_get_upto(reader, SEQUENCE_RUNS_MAX);
    for (uint32_t i = 0; i < sequence->run_count; i++) {
        struct sequence_run *run = &sequence->runs[i];
        if (!load_range(reader, 2, before, &run->first, &run->last)) {
            return 0;
        }
        run->noticed_ns = load_time(reader);
        come += run->last - run->first + 1;
        before = run->last;
    }
    return come;
}

/* True if the ranges are within what is settled and no more than what was closed. */
static bool load_closed(struct sequence *sequence, struct state_reader *reader)
{
    uint64_t before = sequence->blurred, ranged[GAP_ENDS] = { 0 };
    sequence->closed_count = (uint32_t)state_get_upto(reader, SEQUENCE_CLOSED_MAX);
    for (uint32_t i = 0; i < sequence->closed_count; i++) {
        struct sequence_closed *range = &sequence->closed_ranges[i];
        if (!load_range(reader, 1, before, &range->first, &range->last)) {
            return false;
        }
        range->closed_ns = load_time(reader);
        range->end = (enum gap_end)state_get_upto(reader, GAP_ENDS - 1);
        ranged[range->end] += range->last - range->first + 1;
        before = range->last;
    }
    bool good = before <= sequence->settled;
    for (int i = 0; i < GAP_ENDS; i++) {
        good = good && (sequence->blurred == 0 ? ranged[i] == sequence->closed[i]
                                               : ranged[i] <= sequence->closed[i]);
    }
    return good;
}

bool sequence_load(struct sequence *sequence, struct state_reader *reader)
{
    *sequence = (struct sequence){ .settled = state_get_upto(reader, NUMBERS_END) };
    sequence->received = state_get_upto(reader, NUMBERS_END);
    sequence->filled = state_get_upto(reader, sequence->received);
    uint64_t closed = 0;
    for (int i = 0; i < GAP_ENDS; i++) {
        sequence->closed[i] = state_get_upto(reader, NUMBERS_END);
        closed += sequence->closed[i];
    }
    sequence->announced = state_get_upto(reader, NUMBERS_END);
    sequence->blurred = state_get_upto(reader, sequence->settled);
    uint64_t come = load_runs(sequence, reader);
    if (!load_closed(sequence, reader) || sequence->settled + come != sequence->received + closed) {
        reader->failed = true;
    }
    if (reader->failed) {
        *sequence = (struct sequence){ 0 };
    }
    return !reader->failed;
}
