/* The command line of phusa-station. */
#ifndef FIRMWARE_POSIX_OPTIONS_H
#define FIRMWARE_POSIX_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/problem.h"

#define OPTIONS_STATIONS_MAX 1024 /* --station given */
#define OPTIONS_MAPS_MAX     64   /* --map given, and --event-step */
#define OPTIONS_STEP_MAX     1e12 /* the largest step; settings by command have the same */
#define OPTIONS_SECRET_MAX   512  /* bytes of a password, with its terminator */
#define OPTIONS_BUSES_MAX    2    /* --bus given */

enum options_source { SOURCE_SIM, SOURCE_REPLAY };

struct options_map {
    const char *parameter, *column; /* parameter is not terminated at its end: see length */
    size_t parameter_length;
};

struct options_step {
    const char *parameter; /* not terminated at its end */
    size_t parameter_length;
    double step;
};

/* Texts point into argv. */
struct options {
    const char *config, *broker, *user, *ca, *data, *csv, *dump_log, *check_map, *devices, *trap,
        *trap_wind, *trap_battery, *console;
    char password[OPTIONS_SECRET_MAX]; /* empty = none given */
    bool has_password;
    const char *stations[OPTIONS_STATIONS_MAX];
    size_t station_count;
    bool all, exit_when_delivered, keep, memory, cbor, help;
    enum options_source source;
    struct options_map maps[OPTIONS_MAPS_MAX];
    size_t map_count;
    struct options_step steps[OPTIONS_MAPS_MAX];
    size_t step_count;
    const char *buses[OPTIONS_BUSES_MAX];
    size_t bus_count;
    int32_t csv_offset_s;
    int64_t every_ns, sample_every_ns, fast_every_ns, jitter_ns, from_ns,
        until_ns; /* 0 = not given */
    uint32_t log_bytes, backlog_per_s;
    uint64_t seed;
    struct clock clock;
};

/* False with problem set when something is wrong; with options->help, dump_log or check_map
 * nothing else was looked at. */
bool options_parse(struct options *options, int argc, char **argv, struct problem *problem);

/* What --help prints. */
extern const char OPTIONS_HELP[];

#endif
