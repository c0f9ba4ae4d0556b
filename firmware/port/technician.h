/*
 * The technician's console in a station: where it finds what it tells. For every port that has a
 * serial line for it.
 */
#ifndef FIRMWARE_TECHNICIAN_H
#define FIRMWARE_TECHNICIAN_H

#include "console.h"
#include "drivers/ask.h"
#include "drivers/classifier.h"
#include "drivers/hub.h"
#include "phusa/number.h"
#include "station.h"
#include "trap.h"

struct technician_parts {
    const struct station_core *station;
    struct phusa_text site;
    struct hub *hub;                     /* stepped before it; NULL: no devices on a bus */
    struct trap *trap;                   /* NULL: none */
    const struct classifier *classifier; /* the trap's; NULL: none */
    const struct keep *keep;             /* NULL: none */
    struct hal_pins pins;                /* set may be NULL: no light */
    unsigned light;                      /* the pin of the light that identifies it */
    int32_t utc_offset_s;
    void *context;
    void (*write)(void *context, const char *bytes, size_t length); /* as of struct field_port */
};

/* When a device was last measured well, as far as it was seen. */
struct technician_measured {
    uint32_t good; /* its good answers by then */
    int64_t at_ns; /* monotonic */
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
    struct technician_measured measured[DEVICE_MAP_DEVICES_MAX];
    struct ask ask; /* the device that is asked now ... */
    bool asking;
    int64_t asked_ns;                 /* ... since */
    char digits[PHUSA_INTEGER_CHARS]; /* of its address */
};

/* All parts must outlive it; it must not be moved in memory afterwards. Greets whoever is there. */
void technician_init(struct technician *technician, const struct technician_parts *parts,
                     struct hal_time now);

/* Somebody else sits down: whatever the one before left there is forgotten. Greets. */
void technician_greet(struct technician *technician);

/* Notices receipts, connections and measurements, goes on with a scan. Call after station_step. */
void technician_step(struct technician *technician, struct hal_time now);

/* Bytes that were typed. */
void technician_take(struct technician *technician, const void *bytes, size_t length,
                     struct hal_time now);

#endif
