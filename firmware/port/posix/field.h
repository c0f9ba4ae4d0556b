/* A station's real sensors: the device map from a file, its buses, and the hub over them. */
#ifndef FIRMWARE_POSIX_FIELD_H
#define FIRMWARE_POSIX_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/problem.h"
#include "drivers/device_map.h"
#include "drivers/hub.h"
#include "hal/hal.h"

#define FIELD_MAP_MAX (1 << 20) /* bytes of a device map */

struct field;

/*
 * Reads the map and makes its buses; one that cannot be opened now is tried again while the station
 * runs, and said in the log. late_max_ns: a moment further in the past is not measured any more.
 * NULL with problem set (file and line).
 */
struct field *field_open(const char *map, const char *const *buses, size_t bus_count,
                         int64_t late_max_ns, struct problem *problem);
void field_free(struct field *field);

/* The point that gives a parameter; NULL: the map does not have it. */
const struct device_point *field_find(const struct field *field, struct phusa_text parameter);

/* The parameters of the station's channels, in their order; each is in the map. */
bool field_bind(struct field *field, const struct phusa_text *parameters, size_t count);

struct hal_sensors field_sensors(struct field *field);

/* For the technician's console. */
struct hub *field_hub(struct field *field);

/* How long a round may take at most. */
int64_t field_round_max_ns(const struct field *field);

/* Does what is due; returns the monotonic time of the next step. */
int64_t field_step(struct field *field, struct hal_time now);

/*
 * Prints what a map says, for programs, if it is a good one; else false with problem set (file and
 * line). Words separated by blanks, a line for each device and behind it one for each of its
 * points, in the order of the map; LINE and BUS count from 1:
 *
 *   device LINE NAME modbus|sdi12 BUS
 *   device LINE NAME inputs
 *   state
 *   channel LINE PARAMETER register|value|loop|pulse [UNIT]
 */
bool field_print_map(const char *path, FILE *out, struct problem *problem);

/* One line a device: what was asked, answered and went wrong. */
void field_print(const struct field *field, FILE *out);

#endif
