/*
 * Backoff: the n-th failure in a row waits a random time between 0 and a
 * ceiling that doubles ("full jitter"), so that many senders do not come back
 * together.
 */
#include "notify/delivery.h"

#include <string.h>

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static mono_time later(struct schedule *schedule, mono_time now, unsigned tries, int64_t first,
                       int64_t last)
{
    int64_t ceiling = first;
    for (unsigned i = 1; i < tries && ceiling < last; i++) {
        ceiling *= 2;
    }
    ceiling = ceiling < last ? ceiling : last;
    return (mono_time){ now.ns + (int64_t)(next_random(&schedule->random) % (uint64_t)ceiling) };
}

static struct hold *find_hold(struct schedule *schedule, int64_t id)
{
    for (size_t i = 0; i < schedule->hold_count; i++) {
        if (schedule->holds[i].id == id) {
            return &schedule->holds[i];
        }
    }
    return NULL;
}

static void remove_hold(struct schedule *schedule, struct hold *hold)
{
    *hold = schedule->holds[--schedule->hold_count];
}

/* The message's hold, made if there is none; NULL when HOLDS_MAX are held. */
static struct hold *hold_of(struct schedule *schedule, int64_t id)
{
    struct hold *hold = find_hold(schedule, id);
    if (hold == NULL && schedule->hold_count < HOLDS_MAX) {
        hold = &schedule->holds[schedule->hold_count++];
        *hold = (struct hold){ .id = id };
    }
    return hold;
}

static void close_channel(struct schedule *schedule, mono_time now)
{
    schedule->tries++;
    schedule->open = later(schedule, now, schedule->tries, BACKOFF_FIRST_NS, BACKOFF_LAST_NS);
}

void schedule_init(struct schedule *schedule, uint64_t seed)
{
    memset(schedule, 0, sizeof *schedule);
    schedule->random = seed;
}

size_t schedule_held(const struct schedule *schedule, mono_time now, int64_t *ids)
{
    size_t count = 0;
    for (size_t i = 0; i < schedule->hold_count; i++) {
        if (schedule->holds[i].next.ns > now.ns) {
            ids[count++] = schedule->holds[i].id;
        }
    }
    return count;
}

void schedule_offered(struct schedule *schedule, mono_time now, int64_t id)
{
    for (size_t i = schedule->hold_count; i-- > 0;) {
        struct hold *hold = &schedule->holds[i];
        if (hold->id < id && hold->next.ns <= now.ns) {
            remove_hold(schedule, hold);
        }
    }
}

void schedule_done(struct schedule *schedule, int64_t id)
{
    struct hold *hold = find_hold(schedule, id);
    if (hold != NULL) {
        remove_hold(schedule, hold);
    }
    schedule->tries = 0;
}

static enum verdict refused(struct schedule *schedule, struct hold *hold, mono_time now)
{
    if (!hold->refused) {
        hold->refused = true;
        hold->refused_since = now;
        hold->tries = 1;
    }
    if (now.ns - hold->refused_since.ns >= REFUSED_UP_NS) {
        remove_hold(schedule, hold);
        return VERDICT_GIVE_UP;
    }
    hold->next = later(schedule, now, hold->tries, REFUSED_FIRST_NS, REFUSED_LAST_NS);
    return VERDICT_AGAIN;
}

enum verdict schedule_failed(struct schedule *schedule, int64_t id, enum delivery delivery,
                             mono_time now)
{
    struct hold *hold = delivery == DELIVERY_UNREACHABLE ? NULL : hold_of(schedule, id);
    if (hold == NULL) {
        close_channel(schedule, now);
        return VERDICT_AGAIN;
    }
    hold->tries++;
    if (delivery == DELIVERY_REFUSED) {
        schedule->tries = 0; /* it answers: others may pass */
        return refused(schedule, hold, now);
    }
    hold->refused = false;
    hold->next = later(schedule, now, hold->tries, BACKOFF_FIRST_NS, BACKOFF_LAST_NS);
    close_channel(schedule, now);
    return VERDICT_AGAIN;
}

mono_time schedule_next(const struct schedule *schedule)
{
    mono_time next = { INT64_MAX };
    for (size_t i = 0; i < schedule->hold_count; i++) {
        if (schedule->holds[i].next.ns < next.ns) {
            next = schedule->holds[i].next;
        }
    }
    return next;
}
