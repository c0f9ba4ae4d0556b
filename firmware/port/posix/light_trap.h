/*
 * A pest-light trap on a computer: the firmware's trap with all it decides, a real classifier on a
 * serial line, and a relay, a lamp and a rain switch that are simulated: the lamp burns when its
 * relay is on, showers come by a seed.
 */
#ifndef FIRMWARE_POSIX_LIGHT_TRAP_H
#define FIRMWARE_POSIX_LIGHT_TRAP_H

#include "base/problem.h"
#include "drivers/classifier.h"
#include "settings/station.h"
#include "station.h"
#include "trap.h"

#define LIGHT_TRAP_UTC_OFFSET_S (7 * 3600) /* the farms' time: its nights end at their noon */

struct light_trap;

struct light_trap_options {
    const struct station *registered; /* its place; the species are the classifier's classes */
    const char *where;                /* the classifier's line: unix:SOCKET or a serial port */
    const char *wind, *battery;       /* channels that gate the lamp; NULL = none */
    struct keep *keep;
    uint32_t boot;  /* count of starts */
    uint64_t seed;  /* of the showers */
    bool simulated; /* wall time does not run as fast as monotonic time */
};

/*
 * All that options point to must outlive it. A classifier that cannot be reached is tried again and
 * again. NULL with problem set: the station is no trap with a place and species.
 */
struct light_trap *light_trap_open(const struct light_trap_options *options, struct hal_time now,
                                   struct problem *problem);
void light_trap_free(struct light_trap *trap);

/*
 * The sensors of a station with these channels: what is not the trap's own comes from others. False
 * with problem set: wind or battery is none of them.
 */
bool light_trap_join(struct light_trap *trap, const struct hal_sensors *others,
                     const struct phusa_text *names, size_t count, struct hal_sensors *sensors,
                     struct problem *problem);

/* Looks, counts, switches; to be called before station_step. */
void light_trap_step(struct light_trap *trap, const struct station_core *core, struct hal_time now);

/* For the technician's console. */
struct trap *light_trap_core(struct light_trap *trap);
const struct classifier *light_trap_classifier(const struct light_trap *trap);

#endif
