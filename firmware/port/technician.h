/*
 * The technician's console in a station: where it finds what it tells. For every port that has a
 * serial line for it.
 */
#ifndef FIRMWARE_TECHNICIAN_H
#define FIRMWARE_TECHNICIAN_H

#include "console.h"
#include "drivers/classifier.h"
#include "drivers/hub.h"
#include "station.h"
#include "trap.h"

struct technician_parts {
    const struct station_core *station;
    struct phusa_text site;
    const struct hub *hub;               /* NULL: no devices on a bus */
    struct trap *trap;                   /* NULL: none */
    const struct classifier *classifier; /* the trap's; NULL: none */
    const struct keep *keep;             /* NULL: none */
    struct hal_pins pins;                /* set may be NULL: no light */
    unsigned light;                      /* the pin of the light that identifies it */
    int32_t utc_offset_s;
    void *context;
    void (*write)(void *context, const char *bytes, size_t length); /* as of struct field_port */
};

/* The owner provides the memory and touches nothing in it. */
struct technician {
    struct technician_parts parts;
    struct field_console console;
    struct hal_time now;
    int64_t light_until_ns; /* monotonic; 0 = off */
    uint32_t connection, connections;
    uint64_t receipts;
    int64_t receipt_ns;
};

/* All parts must outlive it; it must not be moved in memory afterwards. Greets. */
void technician_init(struct technician *technician, const struct technician_parts *parts,
                     struct hal_time now);

/* Notices receipts and connections, goes on with a scan. Call after station_step. */
void technician_step(struct technician *technician, struct hal_time now);

/* Bytes that were typed. */
void technician_take(struct technician *technician, const void *bytes, size_t length,
                     struct hal_time now);

#endif
