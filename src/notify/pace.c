/*
 * How many messages a person gets at once. Within `gather` after the first of a burst a recipient
 * gets `burst` messages one by one; further ones wait until `gather` after the first of them has
 * come, and then all go as one. After such a digest the burst is used up for another `gather`, so
 * that a long flood gives one digest in each of them.
 *
 * Times are of the wall clock: a message or burst of the future means that the clock was put back,
 * and delays nothing.
 */
#include "notify/delivery.h"

/* The burst was over at that time. */
static bool is_over(const struct channel_pace *pace, const struct pace_state *state,
                    int64_t time_ns)
{
    return time_ns - state->from_ns >= pace->gather_ns;
}

struct pace_turn pace_next(const struct channel_pace *pace, const struct pace_state *state,
                           int64_t oldest_ns, wall_time now)
{
    if (pace->gather_ns <= 0) {
        return (struct pace_turn){ pace->burst > 0 ? PACE_ONE : PACE_ALL, now.ns };
    }
    /* What came while the burst was used up gathers, even when that is over by now. */
    int64_t came_ns = oldest_ns < now.ns ? oldest_ns : now.ns;
    bool fresh = state->from_ns > now.ns || is_over(pace, state, came_ns);
    if ((fresh ? 0 : state->count) < pace->burst) {
        return (struct pace_turn){ PACE_ONE, now.ns };
    }
    if (oldest_ns > now.ns || now.ns - oldest_ns >= pace->gather_ns) {
        return (struct pace_turn){ PACE_ALL, now.ns };
    }
    return (struct pace_turn){ PACE_WAIT, oldest_ns + pace->gather_ns };
}

void pace_sent(const struct channel_pace *pace, struct pace_state *state, bool all, wall_time now)
{
    if (all) {
        *state = (struct pace_state){ now.ns, pace->burst };
    } else if (state->from_ns > now.ns || is_over(pace, state, now.ns)) {
        *state = (struct pace_state){ now.ns, 1 };
    } else {
        state->count++;
    }
}
