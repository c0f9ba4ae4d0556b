/* Simulated sensors: a tidal river, an urban air day, a pest-light trap, and the rest. Model:
 * source_sim.c. */
#ifndef FIRMWARE_POSIX_SOURCE_SIM_H
#define FIRMWARE_POSIX_SOURCE_SIM_H

#include <stddef.h>
#include <stdint.h>

#include "hal/hal.h"
#include "phusa/parameter.h"

#define SIM_CHANNELS_MAX 32

struct sim_model;

struct sim_channel {
    const struct phusa_parameter *parameter;
    const struct sim_model *model; /* NULL = from the parameter's range; of traps: counts */
    uint64_t key;                  /* of its own noise */
};

/* One station. Read nothing in it. */
struct sim_source {
    uint64_t key; /* of what the station's channels share */
    int64_t every_ns;
    bool trap;
    size_t channel_count;
    struct sim_channel channels[SIM_CHANNELS_MAX];
};

/*
 * kind and station choose and vary the model; the same seed, station, parameter
 * and time give the same value, in whatever order they are asked for. The
 * parameters must outlive the source; at most SIM_CHANNELS_MAX are used.
 */
void sim_source_init(struct sim_source *source, uint64_t seed, const char *station,
                     const char *kind, const struct phusa_parameter *const *parameters,
                     size_t count, int64_t every_ns);

struct hal_sensors sim_sensors(struct sim_source *source);

#endif
