/* What a station's log holds, as text. */
#ifndef FIRMWARE_POSIX_DUMP_H
#define FIRMWARE_POSIX_DUMP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/problem.h"

struct dump_totals {
    uint64_t printed;
    uint64_t absent;   /* numbers between the first and the last that no report could be read for */
    uint64_t nameless; /* of those printed: their names are lost, so without values */
};

/*
 * Prints every report that the flash file at path holds, oldest first, one JSON object a line:
 *   {"log":"5f3a09c1","seq":7,"time_ns":1767225600000000000,"boot":0,
 *    "values":{"salinity":{"value":1.25,"st":0}}}
 * time_ns is wall time, or since boot when boot is not 0. Changes nothing in the file. False with
 * problem set if it cannot be opened or read, is in use, or out cannot be written.
 */
bool dump_log(const char *path, FILE *out, struct dump_totals *totals, struct problem *problem);

#endif
