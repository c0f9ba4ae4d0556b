/*
 * Invariants: runs ascend, each begins below `end`, no two neighbours are alike,
 * and what lies below the first run is covered. With end reached by the drop of
 * covered runs the list is empty.
 *
 * Sendings are told apart by waves (a sixtieth of resend_after), not one by one,
 * so that a thousand reports on their way are a handful of runs. A report that a
 * receipt calls missing was lost on the way only if the receipt covers something
 * sent at least as late: a receipt that is merely older than the report says
 * nothing about it. Because one wave mixes earlier and later sendings, and the
 * collector sends receipts a second apart, it must also have been on its way for
 * MISSING_AFTER_NS, doubled with each strike.
 */
#include "delivery.h"

#include <string.h>

#define MISSING_AFTER_NS  INT64_C(2000000000)    /* contract: a receipt each second at most */
#define SILENCE_MAX_NS    INT64_C(3600000000000) /* longest wait while no receipt comes at all */
#define MISSING_SHIFT_MAX 6

static uint64_t run_end(const struct delivery *delivery, size_t index)
{
    return index + 1 < delivery->count ? delivery->runs[index + 1].first : delivery->end;
}

static uint64_t run_length(const struct delivery *delivery, size_t index)
{
    return run_end(delivery, index) - delivery->runs[index].first;
}

static bool runs_alike(const struct delivery_run *a, const struct delivery_run *b)
{
    return a->fate == b->fate && (a->fate == DELIVERY_COVERED || a->fate == DELIVERY_ASIDE ||
                                  (a->strikes == b->strikes && a->wave == b->wave));
}

static void remove_run(struct delivery *delivery, size_t index)
{
    delivery->count--;
    memmove(&delivery->runs[index], &delivery->runs[index + 1],
            (delivery->count - index) * sizeof delivery->runs[0]);
}

static void insert_run(struct delivery *delivery, size_t index, struct delivery_run run)
{
    memmove(&delivery->runs[index + 1], &delivery->runs[index],
            (delivery->count - index) * sizeof delivery->runs[0]);
    delivery->runs[index] = run;
    delivery->count++;
}

/* Joins neighbours that are alike and drops covered runs from the front. */
static void tidy(struct delivery *delivery)
{
    size_t kept = 0;
    for (size_t i = 0; i < delivery->count; i++) {
        bool front = kept == 0 && delivery->runs[i].fate == DELIVERY_COVERED;
        bool alike = kept > 0 && runs_alike(&delivery->runs[kept - 1], &delivery->runs[i]);
        if (!front && !alike) {
            delivery->runs[kept++] = delivery->runs[i];
        }
    }
    delivery->count = kept;
}

/* What joining runs index and index + 1 would cost: little for two sendings close in time. */
static uint64_t join_cost(const struct delivery *delivery, size_t index)
{
    const struct delivery_run *a = &delivery->runs[index], *b = a + 1;
    if (a->fate == DELIVERY_SENT && b->fate == DELIVERY_SENT) {
        return a->wave > b->wave ? a->wave - b->wave : b->wave - a->wave;
    }
    uint64_t shorter = run_length(delivery, index);
    uint64_t other = run_length(delivery, index + 1);
    return (UINT64_C(1) << 32) + (shorter < other ? shorter : other);
}

/* Joins the two neighbours that cost least; the sum of their fates is never better than either. */
static void join_cheapest(struct delivery *delivery)
{
    size_t best = 0;
    for (size_t i = 1; i + 1 < delivery->count; i++) {
        if (join_cost(delivery, i) < join_cost(delivery, best)) {
            best = i;
        }
    }
    struct delivery_run *a = &delivery->runs[best], *b = a + 1;
    if (a->fate == DELIVERY_SENT && b->fate == DELIVERY_SENT) {
        a->wave = a->wave > b->wave ? a->wave : b->wave;
    } else {
        a->fate = DELIVERY_WAITING;
        a->wave = a->wave > b->wave ? a->wave : b->wave;
    }
    a->strikes = a->strikes < b->strikes ? a->strikes : b->strikes;
    remove_run(delivery, best + 1);
}

static void make_room(struct delivery *delivery, size_t wanted)
{
    while (delivery->count + wanted > DELIVERY_RUNS_MAX) {
        join_cheapest(delivery);
    }
}

/* Makes a run begin at seq (within the list) and returns its index. Needs room for one. */
static size_t split_at(struct delivery *delivery, uint64_t seq)
{
    size_t index = 0;
    while (index < delivery->count && delivery->runs[index].first < seq) {
        index++;
    }
    if (index < delivery->count && delivery->runs[index].first == seq) {
        return index;
    }
    if (index > 0 && seq < delivery->end) {
        struct delivery_run run = delivery->runs[index - 1];
        run.first = seq;
        insert_run(delivery, index, run);
    }
    return index;
}

/* Gives first .. last the fate of run, as far as they are in the list. */
static void assign(struct delivery *delivery, uint64_t first, uint64_t last,
                   struct delivery_run run)
{
    make_room(delivery, 2);
    if (delivery->count == 0 || last < delivery->runs[0].first || first >= delivery->end) {
        return;
    }
    size_t from =
        split_at(delivery, first < delivery->runs[0].first ? delivery->runs[0].first : first);
    size_t to = split_at(delivery, last + 1);
    for (size_t i = from; i < to; i++) {
        uint64_t begin = delivery->runs[i].first;
        delivery->runs[i] = run;
        delivery->runs[i].first = begin;
    }
    tidy(delivery);
}

void delivery_init(struct delivery *delivery, uint64_t first, uint64_t end, int64_t resend_after_ns,
                   uint32_t strikes_max, int64_t mono_ns)
{
    *delivery = (struct delivery){ .end = first,
                                   .start_ns = mono_ns,
                                   .wave_ns = resend_after_ns / DELIVERY_WAVES + 1,
                                   .resend_after_ns = resend_after_ns,
                                   .silence_ns = resend_after_ns,
                                   .silent_since_ns = mono_ns,
                                   .strikes_max = strikes_max };
    delivery_extend(delivery, end);
}

void delivery_extend(struct delivery *delivery, uint64_t end)
{
    if (end <= delivery->end) {
        return;
    }
    make_room(delivery, 1);
    insert_run(delivery, delivery->count,
               (struct delivery_run){ .first = delivery->end, .fate = DELIVERY_WAITING });
    delivery->end = end;
    tidy(delivery);
}

uint64_t delivery_drop_below(struct delivery *delivery, uint64_t first)
{
    uint64_t lost = 0;
    while (delivery->count > 0 && delivery->runs[0].first < first) {
        uint64_t end = run_end(delivery, 0);
        uint64_t upto = end < first ? end : first;
        lost += delivery->runs[0].fate == DELIVERY_COVERED ? 0 : upto - delivery->runs[0].first;
        delivery->runs[0].first = upto;
        if (upto == end) {
            remove_run(delivery, 0);
        }
    }
    tidy(delivery);
    return lost;
}

uint64_t delivery_waiting(const struct delivery *delivery, uint64_t from)
{
    for (size_t i = 0; i < delivery->count; i++) {
        if (delivery->runs[i].fate == DELIVERY_WAITING && run_end(delivery, i) > from) {
            return delivery->runs[i].first > from ? delivery->runs[i].first : from;
        }
    }
    return 0;
}

static const struct delivery_run *run_of(const struct delivery *delivery, uint64_t seq)
{
    for (size_t i = 0; i < delivery->count; i++) {
        if (seq >= delivery->runs[i].first && seq < run_end(delivery, i)) {
            return &delivery->runs[i];
        }
    }
    return NULL;
}

bool delivery_was_sent(const struct delivery *delivery, uint64_t seq)
{
    const struct delivery_run *run = run_of(delivery, seq);
    return run != NULL && run->wave > 0;
}

static uint32_t wave_at(const struct delivery *delivery, int64_t mono_ns)
{
    return (uint32_t)((mono_ns - delivery->start_ns) / delivery->wave_ns) + 1u;
}

/* How long the youngest of a wave has been on its way, at least; negative while it lasts. */
static int64_t wave_age(const struct delivery *delivery, uint32_t wave, int64_t mono_ns)
{
    return mono_ns - delivery->start_ns - (int64_t)wave * delivery->wave_ns;
}

void delivery_sent(struct delivery *delivery, uint64_t seq, int64_t mono_ns)
{
    const struct delivery_run *before = run_of(delivery, seq);
    if (before != NULL) {
        assign(delivery, seq, seq,
               (struct delivery_run){ .fate = DELIVERY_SENT,
                                      .wave = wave_at(delivery, mono_ns),
                                      .strikes = before->strikes });
    }
}

void delivery_give_up(struct delivery *delivery, uint64_t seq)
{
    assign(delivery, seq, seq, (struct delivery_run){ .fate = DELIVERY_ASIDE });
    delivery->set_aside++;
}

/* Everything from first to last is on disk. */
static void cover(struct delivery *delivery, uint64_t first, uint64_t last)
{
    for (size_t i = 0; i < delivery->count; i++) {
        const struct delivery_run *run = &delivery->runs[i];
        uint64_t begin = run->first > first ? run->first : first;
        uint64_t end = run_end(delivery, i) - 1 < last ? run_end(delivery, i) - 1 : last;
        if (begin > end || run->fate == DELIVERY_COVERED) {
            continue;
        }
        delivery->covered += end - begin + 1;
        if (run->fate == DELIVERY_SENT && run->wave > delivery->covered_wave) {
            delivery->covered_wave = run->wave;
        }
    }
    assign(delivery, first, last, (struct delivery_run){ .fate = DELIVERY_COVERED });
}

/* The collector no longer has what it covered once: those still held wait again. */
static void uncover(struct delivery *delivery, uint64_t first, uint64_t last)
{
    uint64_t begin = delivery->count > 0 ? delivery->runs[0].first : delivery->end;
    if (first < begin) { /* below the list: that is where the covered ones went */
        make_room(delivery, 1);
        insert_run(delivery, 0, (struct delivery_run){ .first = first, .fate = DELIVERY_COVERED });
    }
    for (uint64_t at = first; at <= last && at < delivery->end;) {
        size_t i = 0;
        while (run_end(delivery, i) <= at) {
            i++;
        }
        uint64_t end = run_end(delivery, i) - 1 < last ? run_end(delivery, i) - 1 : last;
        if (delivery->runs[i].fate == DELIVERY_COVERED) {
            assign(delivery, at, end, (struct delivery_run){ .fate = DELIVERY_WAITING });
        }
        at = end + 1;
    }
    tidy(delivery);
}

void delivery_receipt(struct delivery *delivery, const struct phusa_receipt *receipt, uint64_t held,
                      int64_t mono_ns)
{
    uint64_t from = 1;
    delivery->last_upto = receipt->upto;
    delivery->silence_ns = delivery->resend_after_ns;
    delivery->silent_since_ns = mono_ns;
    for (size_t i = 0; i < receipt->missing_count; i++) {
        const struct phusa_seq_range *missing = &receipt->missing[i];
        if (missing->first > from) {
            cover(delivery, from, missing->first - 1);
        }
        from = missing->last + 1;
    }
    if (receipt->upto >= from) {
        cover(delivery, from, receipt->upto);
    }
    for (size_t i = 0; i < receipt->missing_count; i++) {
        const struct phusa_seq_range *missing = &receipt->missing[i];
        if (missing->last >= held) {
            uncover(delivery, missing->first > held ? missing->first : held, missing->last);
        }
    }
    tidy(delivery);
}

void delivery_unsend(struct delivery *delivery, int64_t mono_ns)
{
    for (size_t i = 0; i < delivery->count; i++) {
        if (delivery->runs[i].fate == DELIVERY_SENT) {
            delivery->runs[i].fate = DELIVERY_WAITING;
        }
    }
    delivery->covered_wave = 0;
    delivery->silence_ns = delivery->resend_after_ns;
    delivery->silent_since_ns = mono_ns;
    tidy(delivery);
}

/* The latest receipt calls this run missing although it covers something sent as late. */
static bool run_missing(const struct delivery *delivery, size_t index, int64_t mono_ns)
{
    const struct delivery_run *run = &delivery->runs[index];
    unsigned shift = run->strikes < MISSING_SHIFT_MAX ? run->strikes : MISSING_SHIFT_MAX;
    return run->first <= delivery->last_upto && run->wave <= delivery->covered_wave &&
           wave_age(delivery, run->wave, mono_ns) >= MISSING_AFTER_NS << shift;
}

static void strike(struct delivery *delivery, size_t index)
{
    struct delivery_run *run = &delivery->runs[index];
    run->strikes++;
    run->fate = run->strikes < delivery->strikes_max ? DELIVERY_WAITING : DELIVERY_ASIDE;
    if (run->fate == DELIVERY_ASIDE) {
        delivery->set_aside += run_length(delivery, index);
    }
}

/* While no receipt comes at all, nobody is served by more copies: wait longer each time. */
static void lengthen_silence(struct delivery *delivery, int64_t mono_ns)
{
    if (mono_ns - delivery->silent_since_ns >= delivery->silence_ns &&
        delivery->silence_ns < SILENCE_MAX_NS) {
        delivery->silence_ns *= 2;
        delivery->silent_since_ns = mono_ns;
    }
}

void delivery_expire(struct delivery *delivery, int64_t mono_ns)
{
    bool expired = false;
    for (size_t i = 0; i < delivery->count; i++) {
        struct delivery_run *run = &delivery->runs[i];
        if (run->fate != DELIVERY_SENT) {
            continue;
        }
        if (run_missing(delivery, i, mono_ns)) {
            strike(delivery, i);
        } else if (wave_age(delivery, run->wave, mono_ns) >= delivery->silence_ns) {
            run->fate = DELIVERY_WAITING;
            expired = true;
        }
    }
    if (expired) {
        lengthen_silence(delivery, mono_ns);
    }
    tidy(delivery);
}

uint64_t delivery_in_flight(const struct delivery *delivery, int64_t mono_ns)
{
    uint64_t count = 0;
    for (size_t i = 0; i < delivery->count; i++) {
        const struct delivery_run *run = &delivery->runs[i];
        if (run->fate == DELIVERY_SENT &&
            wave_age(delivery, run->wave, mono_ns) < delivery->resend_after_ns) {
            count += run_length(delivery, i);
        }
    }
    return count;
}

bool delivery_settled(const struct delivery *delivery)
{
    for (size_t i = 0; i < delivery->count; i++) {
        if (delivery->runs[i].fate == DELIVERY_WAITING || delivery->runs[i].fate == DELIVERY_SENT) {
            return false;
        }
    }
    return true;
}

uint64_t delivery_covered_below(const struct delivery *delivery)
{
    return delivery->count > 0 ? delivery->runs[0].first : delivery->end;
}
