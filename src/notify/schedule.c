/*
 * Backoff: the n-th failure in a row waits a random time between 0 and a
 * ceiling that doubles ("full jitter"), so that many senders do not come back
 * together.
 */
#include "notify/delivery.h"

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static int64_t pause_of(struct schedule *schedule, unsigned tries, int64_t first, int64_t last)
{
    int64_t ceiling = first;
    for (unsigned i = 1; i < tries && ceiling < last; i++) {
        ceiling *= 2;
    }
    ceiling = ceiling < last ? ceiling : last;
    return (int64_t)(next_random(&schedule->random) % (uint64_t)ceiling);
}

void schedule_init(struct schedule *schedule, uint64_t seed)
{
    *schedule = (struct schedule){ .random = seed };
}

void schedule_done(struct schedule *schedule)
{
    schedule->tries = 0;
}

static void close_channel(struct schedule *schedule, mono_time now)
{
    schedule->tries++;
    schedule->open = (mono_time){ now.ns + pause_of(schedule, schedule->tries, BACKOFF_FIRST_NS,
                                                    BACKOFF_LAST_NS) };
}

enum verdict schedule_failed(struct schedule *schedule, enum delivery delivery, unsigned tries,
                             int64_t refused_ns, mono_time now, int64_t *pause_ns)
{
    *pause_ns = 0;
    if (delivery == DELIVERY_REFUSED) {
        schedule->tries = 0; /* it answers: others may pass */
        *pause_ns = pause_of(schedule, tries + 1, REFUSED_FIRST_NS, REFUSED_LAST_NS);
        return refused_ns >= REFUSED_UP_NS ? VERDICT_GIVE_UP : VERDICT_AGAIN;
    }
    if (delivery == DELIVERY_FAILED) { /* perhaps for this message's sake: others go ahead of it */
        *pause_ns = pause_of(schedule, tries + 1, BACKOFF_FIRST_NS, BACKOFF_LAST_NS);
    }
    close_channel(schedule, now);
    return VERDICT_AGAIN;
}
