/* What the files of the station's core share; nobody else includes it. */
#ifndef FIRMWARE_INSIDE_H
#define FIRMWARE_INSIDE_H

#include "station.h"

#define SECOND INT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)

/* Time for the schedule and the records: the wall's, or since boot while that is unset. */
static inline int64_t own_time(const struct station_core *station, struct hal_time now)
{
    return now.wall_set ? now.wall_ns : now.mono_ns - station->boot_mono_ns;
}

static inline enum phusa_clock_state clock_state(struct hal_time now)
{
    if (!now.wall_set) {
        return PHUSA_CLOCK_UNSET;
    }
    return now.wall_synced ? PHUSA_CLOCK_SYNCED : PHUSA_CLOCK_HELD;
}

/* --- station.c ---------------------------------------------------------------------- */

/* The first moment to sample from now on; after a moment that is taken already, from behind it. */
void station_schedule(struct station_core *station, struct hal_time now, bool behind_now);

/* --- sampling.c --------------------------------------------------------------------- */

/* What the log says of times that are taken. */
void sampling_begin(struct station_core *station);

/* Takes what is due, a bounded number, and writes reports to the log; true if more is due now. */
bool sampling_step(struct station_core *station, struct hal_time now);

/* Monotonic: when there is something to sample. */
int64_t sampling_wake(const struct station_core *station, struct hal_time now);

/* Forgets the observations under way: their periods are no longer those of the schedule. */
void sampling_restart(struct station_core *station);

/* --- orders.c ----------------------------------------------------------------------- */

/* Settings, maintenance and calibrations as they are kept. False if the options are not valid. */
bool orders_begin(struct station_core *station, struct hal_time now);

/* The command in station->buffer. */
void orders_take(struct station_core *station, size_t length, struct hal_time now);

/* Ends what has lasted long enough, and says what is still to be said. */
void orders_step(struct station_core *station, struct hal_time now);

/* --- trial.c ------------------------------------------------------------------------ */

/* Lays the kept settings over the station's own; calibrations are known. False if its own are not
 * valid. */
bool trial_begin(struct station_core *station);

/* Reports hold what nobody asked for: raw values of what is calibrated, checks of least amounts. */
void trial_add_unasked(struct station_core *station);

/* The distance of the schedule's moments by the settings in force. */
int64_t settings_tick_ns(const struct station_core *station);

/* The command `set`: NULL if the settings are on trial now, else why not. */
const char *trial_start(struct station_core *station, struct phusa_text id,
                        struct phusa_text settings, int64_t lasts_ns, struct hal_time now,
                        char why[SETTINGS_WHY_MAX]);

/* A receipt came: settings on trial have proved themselves. */
void trial_receipt(struct station_core *station);

/* Rolls back what was on trial too long; true if the end of a trial is to be told. */
bool trial_step(struct station_core *station, struct hal_time now);

/* --- diagnostics.c ------------------------------------------------------------------ */

/* Counts this start, and knows the clock again after a reset that was asked for. */
void diagnostics_begin(struct station_core *station, struct hal_time now);

/* The clocks, with a wall clock that was kept over a reset while the port has none. */
struct hal_time diagnostics_clock(const struct station_core *station, struct hal_time now);

/* Keeps the counts; with wall_ns the clock for the start that follows at once, else 0. */
void diagnostics_keep(struct station_core *station, int64_t wall_ns);

/* Members of the answer to `report`, each with a comma before it. */
struct print;
void diagnostics_print(const struct station_core *station, struct hal_time now,
                       struct print *print);

#endif
