/* A bus in memory with a clock of its own: what is written is kept, what comes was put there. */
#ifndef FIRMWARE_FAKE_BUS_H
#define FIRMWARE_FAKE_BUS_H

#include "hal/hal.h"

#define FAKE_BUS_BYTES 4096
#define FAKE_MILLI     INT64_C(1000000)

struct fake_bus {
    struct hal_bus hal;
    int64_t now;
    int64_t character_ns; /* how long one takes to leave */
    int64_t busy_until;
    uint8_t in[FAKE_BUS_BYTES];
    int64_t in_at[FAKE_BUS_BYTES]; /* when each arrives; in order */
    size_t in_count, in_taken;
    uint8_t out[FAKE_BUS_BYTES]; /* all that was written */
    size_t out_count;
    unsigned writes, breaks, configured;
    struct hal_line line;
    bool stuck, refuses; /* never sent; write fails */
    bool answering;      /* inside answer */
    /* Called with what was just written: somebody at the other end may answer. */
    void (*answer)(struct fake_bus *bus, const uint8_t *bytes, size_t length);
    void *other;
};

void fake_bus_init(struct fake_bus *bus, uint32_t baud);

/* Everything that was written and came is forgotten. */
void fake_bus_clear(struct fake_bus *bus);

/*
 * Puts bytes on the line: the first arrives after_ns after all that was written has left, or when
 * others that are on the line then have passed. Only who answers looks at nobody else: what two say
 * at once arrives mixed.
 */
void fake_bus_put(struct fake_bus *bus, const void *bytes, size_t length, int64_t after_ns);

#endif
