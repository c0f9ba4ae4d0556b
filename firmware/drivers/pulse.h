/*
 * Pulse inputs: a rain gauge's tips, an insect beam. A port counts edges (hal_pins.edges, wraps
 * at 2^32) and polls; times are monotonic. Everything counted here since the start may wrap at
 * 2^32, too: use differences.
 *
 * Debounce. A contact that closes once gives several edges within debounce_ns. What follows the
 * last pulse so soon is bounce; of the edges between two polls no more can be pulses than fit at
 * that distance. Poll at least every debounce_ns: polled later, bounces of one pulse look like
 * several. Real pulses should lie at least two debounce_ns apart.
 *
 * Saturation. A rain gauge loses water while its bucket tips: beyond the rate of its data sheet it
 * says less than fell. A minute with more pulses than that is saturated; what is counted in it from
 * then on, and in the minute after it, is a least count. Poll at least every ten seconds.
 *
 * Dead time. While one insect is in the beam a second one is not seen. With m counted in a time T
 * and a dead time d for each, n = m / (1 - m d / T) passed: the model of a non-paralyzable counter
 * (Knoll, Radiation Detection and Measurement, chapter 4). Where m d / T passes a limit the
 * correction would be guesswork: the count is corrected as at the limit, and the time is called
 * unsure: at least so many.
 */
#ifndef FIRMWARE_PULSE_H
#define FIRMWARE_PULSE_H

#include <stdbool.h>
#include <stdint.h>

/* --- a clean count ---------------------------------------------------------------- */

/* Read count and bounces; change nothing. */
struct pulse {
    int64_t debounce_ns; /* 0: each edge is a pulse */
    int64_t polled_ns;   /* the last poll */
    int64_t quiet_ns;    /* edges before it are bounce */
    uint32_t edges;      /* as last read */
    uint32_t count;      /* pulses since the start */
    uint32_t bounces;    /* edges that were none */
};

/* edges: the counter as it stands now; what it counted before is not ours. */
void pulse_init(struct pulse *pulse, int64_t debounce_ns, uint32_t edges, int64_t now_ns);

/* Takes the counter's new state; returns how many pulses came since the last poll. */
uint32_t pulse_poll(struct pulse *pulse, uint32_t edges, int64_t now_ns);

/* --- saturation --------------------------------------------------------------------- */

/* Zero-initialise but for the first two. Read least; change nothing. */
struct pulse_rate {
    uint32_t most;     /* pulses a minute that it can follow, of its data sheet; 0: no limit */
    int64_t minute_ns; /* begin of the running minute */
    uint32_t came;     /* in it */
    bool crowded;      /* in the one before it there were too many */
    uint32_t least;    /* pulses that came while there were too many: there may have been more */
};

/* came: what pulse_poll returned at this time. */
void pulse_rate_poll(struct pulse_rate *rate, uint32_t came, int64_t now_ns);

/* --- rain gauge --------------------------------------------------------------------- */

/* Whether it rains. How much is an amount of the device map (hub.h). */
struct rain_gauge {
    struct pulse pulse;
    int64_t tip_ns; /* the last tip */
    bool tipped;    /* there was one */
};

/* debounce_ns: of its reed contact, about 100 ms. */
void rain_gauge_init(struct rain_gauge *gauge, int64_t debounce_ns, uint32_t edges, int64_t now_ns);
void rain_gauge_poll(struct rain_gauge *gauge, uint32_t edges, int64_t now_ns);

/* True if it tipped within the last within_ns. */
bool rain_gauge_wet(const struct rain_gauge *gauge, int64_t now_ns, int64_t within_ns);

/* --- insect beam -------------------------------------------------------------------- */

struct beam_settings {
    int64_t dead_ns;       /* how long one insect keeps the beam, with its electronics; 0: none */
    int64_t window_ns;     /* what the rate is taken over, > 0: 10 s is good */
    uint32_t dead_percent; /* 1 .. 90: more of a window dead is saturation; 30 is good */
    int64_t blocked_ns;    /* interrupted this long it is dirty or webbed over, not passed */
};

/* Read count, raw, unsure and unsure_ms; change nothing. */
struct beam {
    struct beam_settings settings;
    struct pulse pulse;
    int64_t window_from_ns;
    uint32_t window_raw;  /* its count of pulses at the window's begin */
    double rest;          /* of the corrected count, below one */
    int64_t free_ns;      /* when it was last seen uninterrupted */
    int64_t unsure_since; /* how far unsure_ms goes */
    uint32_t count;       /* insects, corrected for dead time; a window behind */
    bool crowded;         /* the last window was saturated */
    bool blocked;         /* it is blocked now */
    uint32_t unsure_ms;   /* how long it was one of both */
};

void beam_init(struct beam *beam, const struct beam_settings *settings, uint32_t edges,
               int64_t now_ns);

/* interrupted: the beam's level now. */
void beam_poll(struct beam *beam, uint32_t edges, bool interrupted, int64_t now_ns);

/* True if the count is a least one now: crowded or blocked. */
bool beam_unsure(const struct beam *beam);

#endif
