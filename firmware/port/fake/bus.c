#include "bus.h"

#include <string.h>

void fake_bus_put(struct fake_bus *bus, const void *bytes, size_t length, int64_t after_ns)
{
    if (bus->in_taken == bus->in_count) {
        bus->in_taken = bus->in_count = 0;
    }
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

static enum hal_result bus_configure(void *context, const struct hal_line *line)
{
    struct fake_bus *bus = context;
    bus->line = *line;
    bus->configured++;
    bus->character_ns = INT64_C(11000000000) / line->baud;
    bus->in_taken = bus->in_count;
    return HAL_OK;
}

static enum hal_result bus_write(void *context, const void *bytes, size_t length)
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

static bool bus_sent(void *context)
{
    const struct fake_bus *bus = context;
    return !bus->stuck && bus->now >= bus->busy_until;
}

static size_t bus_read(void *context, void *bytes, size_t capacity)
{
    struct fake_bus *bus = context;
    size_t got = 0;
    while (got < capacity && bus->in_taken < bus->in_count &&
           bus->in_at[bus->in_taken] <= bus->now) {
        ((uint8_t *)bytes)[got++] = bus->in[bus->in_taken++];
    }
    return got;
}

static enum hal_result bus_break(void *context, uint32_t us)
{
    struct fake_bus *bus = context;
    bus->breaks++;
    bus->busy_until = bus->now + (int64_t)us * 1000;
    return bus->refuses ? HAL_FAILED : HAL_OK;
}

void fake_bus_init(struct fake_bus *bus, uint32_t baud)
{
    memset(bus, 0, sizeof *bus);
    bus->hal = (struct hal_bus){ bus, bus_configure, bus_write, bus_sent, bus_read, bus_break };
    bus->character_ns = INT64_C(11000000000) / baud;
}

/* Everything that was written and came is forgotten. */
void fake_bus_clear(struct fake_bus *bus)
{
    bus->in_count = bus->in_taken = bus->out_count = 0;
    bus->writes = bus->breaks = 0;
    bus->stuck = bus->refuses = false;
    bus->busy_until = bus->now;
}
