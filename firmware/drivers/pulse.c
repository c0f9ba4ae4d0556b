#include "pulse.h"

#define MS     INT64_C(1000000)
#define MINUTE (60 * INT64_C(1000000000))

/* --- a clean count ---------------------------------------------------------------- */

void pulse_init(struct pulse *pulse, int64_t debounce_ns, uint32_t edges, int64_t now_ns)
{
    *pulse = (struct pulse){
        .debounce_ns = debounce_ns, .polled_ns = now_ns, .quiet_ns = now_ns, .edges = edges
    };
}

/* How many pulses can have come since the last poll. */
static int64_t room(const struct pulse *pulse, int64_t now_ns)
{
    int64_t from = pulse->quiet_ns > pulse->polled_ns ? pulse->quiet_ns : pulse->polled_ns;
    return now_ns < from ? 0 : (now_ns - from) / pulse->debounce_ns + 1;
}

uint32_t pulse_poll(struct pulse *pulse, uint32_t edges, int64_t now_ns)
{
    uint32_t came = edges - pulse->edges, taken = came;
    if (pulse->debounce_ns > 0 && (int64_t)came > room(pulse, now_ns)) {
        taken = (uint32_t)room(pulse, now_ns);
    }
    if (came > 0) {
        pulse->quiet_ns = now_ns + pulse->debounce_ns;
    }
    pulse->edges = edges;
    pulse->polled_ns = now_ns;
    pulse->count += taken;
    pulse->bounces += came - taken;
    return taken;
}

/* --- saturation --------------------------------------------------------------------- */

void pulse_rate_poll(struct pulse_rate *rate, uint32_t came, int64_t now_ns)
{
    double minutes = (double)(now_ns - rate->minute_ns) / (double)MINUTE;
    rate->came += came;
    bool over = rate->most > 0 && rate->came > rate->most * (minutes > 1 ? minutes : 1);
    rate->least += over || rate->crowded ? came : 0;
    if (minutes >= 1) {
        rate->crowded = over;
        rate->came = 0;
        rate->minute_ns = now_ns;
    }
}

/* --- rain gauge --------------------------------------------------------------------- */

void rain_gauge_init(struct rain_gauge *gauge, int64_t debounce_ns, uint32_t edges, int64_t now_ns)
{
    *gauge = (struct rain_gauge){ .tipped = false };
    pulse_init(&gauge->pulse, debounce_ns, edges, now_ns);
}

void rain_gauge_poll(struct rain_gauge *gauge, uint32_t edges, int64_t now_ns)
{
    if (pulse_poll(&gauge->pulse, edges, now_ns) > 0) {
        gauge->tip_ns = now_ns;
        gauge->tipped = true;
    }
}

bool rain_gauge_wet(const struct rain_gauge *gauge, int64_t now_ns, int64_t within_ns)
{
    return gauge->tipped && now_ns - gauge->tip_ns <= within_ns;
}

/* --- insect beam -------------------------------------------------------------------- */

void beam_init(struct beam *beam, const struct beam_settings *settings, uint32_t edges,
               int64_t now_ns)
{
    *beam = (struct beam){
        .settings = *settings, .window_from_ns = now_ns, .free_ns = now_ns, .unsure_since = now_ns
    };
    pulse_init(&beam->pulse, 0, edges, now_ns);
}

bool beam_unsure(const struct beam *beam)
{
    return beam->crowded || beam->blocked;
}

/* The window is over: what passed in it, and whether that is believed. */
static void end_window(struct beam *beam, int64_t now_ns)
{
    double counted = beam->pulse.count - beam->window_raw;
    double dead =
        counted * (double)beam->settings.dead_ns / (double)(now_ns - beam->window_from_ns);
    double limit = beam->settings.dead_percent / 100.0;
    beam->crowded = dead > limit;
    double passed = counted / (1 - (beam->crowded ? limit : dead)) + beam->rest;
    uint32_t whole = passed < UINT32_MAX ? (uint32_t)passed : UINT32_MAX;
    beam->rest = passed - whole < 1 ? passed - whole : 0;
    beam->count += whole;
    beam->window_from_ns = now_ns;
    beam->window_raw = beam->pulse.count;
}

/* The time since the last poll is unsure if the beam was before or is now. */
static void note_unsure(struct beam *beam, bool before, int64_t now_ns)
{
    if (!before && !beam_unsure(beam)) {
        beam->unsure_since = now_ns;
        return;
    }
    int64_t ms = (now_ns - beam->unsure_since) / MS;
    beam->unsure_ms += (uint32_t)ms;
    beam->unsure_since += ms * MS;
}

void beam_poll(struct beam *beam, uint32_t edges, bool interrupted, int64_t now_ns)
{
    bool before = beam_unsure(beam);
    bool passed = pulse_poll(&beam->pulse, edges, now_ns) > 0;
    if (!interrupted || passed) {
        beam->free_ns = now_ns;
    }
    beam->blocked = now_ns - beam->free_ns >= beam->settings.blocked_ns;
    if (now_ns - beam->window_from_ns >= beam->settings.window_ns) {
        end_window(beam, now_ns);
    }
    note_unsure(beam, before, now_ns);
}
