/* A bus in memory with a clock of its own: what is written is kept, what comes was put there. */
#ifndef TESTS_FAKE_BUS_H
#define TESTS_FAKE_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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
    /* Called with what was just written: somebody at the other end may answer. */
    void (*answer)(struct fake_bus *bus, const uint8_t *bytes, size_t length);
    void *other;
};

/*
 * Puts bytes on the line: the first arrives after_ns after all that was written has left, and not
 * before those that are under way already.
 */
static inline void fake_bus_put(struct fake_bus *bus, const void *bytes, size_t length,
                                int64_t after_ns)
{
    int64_t at = (bus->busy_until > bus->now ? bus->busy_until : bus->now) + after_ns;
    if (bus->in_count > 0 && at < bus->in_at[bus->in_count - 1] + bus->character_ns) {
        at = bus->in_at[bus->in_count - 1] + bus->character_ns;
    }
    for (size_t i = 0; i < length && bus->in_count < FAKE_BUS_BYTES; i++) {
        at += i == 0 ? 0 : bus->character_ns;
        bus->in[bus->in_count] = ((const uint8_t *)bytes)[i];
        bus->in_at[bus->in_count++] = at;
    }
}

static inline enum hal_result fake_bus_configure(void *context, const struct hal_line *line)
{
    struct fake_bus *bus = context;
    bus->line = *line;
    bus->configured++;
    bus->character_ns = INT64_C(11000000000) / line->baud;
    bus->in_taken = bus->in_count;
    return HAL_OK;
}

static inline enum hal_result fake_bus_write(void *context, const void *bytes, size_t length)
{
    struct fake_bus *bus = context;
    if (bus->refuses) {
        return HAL_FAILED;
    }
    if (bus->now < bus->busy_until || bus->out_count + length > FAKE_BUS_BYTES) {
        return HAL_AGAIN;
    }
    memcpy(bus->out + bus->out_count, bytes, length);
    bus->out_count += length;
    bus->writes++;
    bus->busy_until = bus->now + (int64_t)length * bus->character_ns;
    if (bus->answer != NULL) {
        bus->answer(bus, bytes, length);
    }
    return HAL_OK;
}

static inline bool fake_bus_sent(void *context)
{
    const struct fake_bus *bus = context;
    return !bus->stuck && bus->now >= bus->busy_until;
}

static inline size_t fake_bus_read(void *context, void *bytes, size_t capacity)
{
    struct fake_bus *bus = context;
    size_t got = 0;
    while (got < capacity && bus->in_taken < bus->in_count &&
           bus->in_at[bus->in_taken] <= bus->now) {
        ((uint8_t *)bytes)[got++] = bus->in[bus->in_taken++];
    }
    return got;
}

static inline enum hal_result fake_bus_break(void *context, uint32_t us)
{
    struct fake_bus *bus = context;
    bus->breaks++;
    bus->busy_until = bus->now + (int64_t)us * 1000;
    return bus->refuses ? HAL_FAILED : HAL_OK;
}

static inline void fake_bus_init(struct fake_bus *bus, uint32_t baud)
{
    memset(bus, 0, sizeof *bus);
    bus->hal = (struct hal_bus){ bus,           fake_bus_configure, fake_bus_write,
                                 fake_bus_sent, fake_bus_read,      fake_bus_break };
    bus->character_ns = INT64_C(11000000000) / baud;
}

/* Everything that was written and came is forgotten. */
static inline void fake_bus_clear(struct fake_bus *bus)
{
    bus->in_count = bus->in_taken = bus->out_count = 0;
    bus->writes = bus->breaks = 0;
    bus->stuck = bus->refuses = false;
    bus->busy_until = bus->now;
}

#endif
