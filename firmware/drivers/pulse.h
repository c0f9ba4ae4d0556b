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

/* --- rain gauge --------------------------------------------------------------------- */

struct rain_gauge_settings {
    double mm_per_tip;        /* of its data sheet: 0.1, 0.2, 0.5 ... */
    int64_t debounce_ns;      /* of its reed contact: about 100 ms */
    uint32_t tips_per_minute; /* it tips no faster: beyond, it says less than fell. 0: no limit */
};

struct rain_gauge {
    struct rain_gauge_settings settings;
    struct pulse pulse;
    uint32_t taken;        /* count at the last rain_gauge_take */
    uint32_t minute_count; /* count at the begin of the running minute */
    int64_t minute_ns;     /* its begin */
    int64_t tip_ns;        /* the last tip */
    bool tipped;           /* there was one */
    bool saturated;        /* since the last rain_gauge_take */
};

void rain_gauge_init(struct rain_gauge *gauge, const struct rain_gauge_settings *settings,
                     uint32_t edges, int64_t now_ns);
void rain_gauge_poll(struct rain_gauge *gauge, uint32_t edges, int64_t now_ns);

/* Millimetres since the last call. *saturated: it rained faster than it can tip in between. */
double rain_gauge_take(struct rain_gauge *gauge, bool *saturated);

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
