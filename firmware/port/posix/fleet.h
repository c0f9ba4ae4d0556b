/* The stations that one process hosts, from their set-up to their goodbye. */
#ifndef FIRMWARE_POSIX_FLEET_H
#define FIRMWARE_POSIX_FLEET_H

#include <stdio.h>

#include "base/clock.h"
#include "base/problem.h"
#include "options.h"
#include "settings/settings.h"
#include "station.h"

struct fleet;

struct fleet_totals {
    size_t stations, connected;
    struct station_counters counters; /* sums */
    bool finished;                    /* every station has sampled its last moment */
    bool delivered;                   /* and every report is covered or set aside */
};

/*
 * Opens every station that the options name. settings and options must outlive the
 * fleet. NULL with problem set when anything is wrong.
 */
struct fleet *fleet_create(const struct options *options, const struct settings *settings,
                           struct problem *problem);
void fleet_free(struct fleet *fleet);

/*
 * Lets every station do what is due. all = also those that did not ask for it yet (wall time
 * runs faster than they think). Returns the monotonic time of the next step.
 */
int64_t fleet_step(struct fleet *fleet, wall_time wall, mono_time mono, bool all);

/* Returns when something happened at a connection, or so many milliseconds have passed. */
void fleet_wait(struct fleet *fleet, int wait_ms);

/* Every station says goodbye and begins to disconnect. */
void fleet_goodbye(struct fleet *fleet, wall_time wall, mono_time mono);

/* After the goodbye: goes on to disconnect. Then the connected ones become fewer. */
void fleet_part(struct fleet *fleet, mono_time mono);

void fleet_total(const struct fleet *fleet, struct fleet_totals *totals);

/* How the stations' real sensors did, one line a device; nothing without --devices. */
void fleet_print_devices(const struct fleet *fleet, FILE *out);

/* Why a station is not connected, with its id; false if none has a reason to give. */
bool fleet_complaint(const struct fleet *fleet, struct problem *problem);

#endif
