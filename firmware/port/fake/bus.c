#include "bus.h"

#include <string.h>

/* One byte at its time: behind what comes earlier, before what comes later. */
static void put_byte(struct fake_bus *bus, uint8_t byte, int64_t at)
{
    size_t place = bus->in_count++;
    for (; place > bus->in_taken && bus->in_at[place - 1] > at; place--) {
        bus->in[place] = bus->in[place - 1];
        bus->in_at[place] = bus->in_at[place - 1];
    }
    bus->in[place] = byte;
    bus->in_at[place] = at;
}

/* When a frame may begin that would like to at `at`: it does not speak into what is on the line. */
static int64_t free_from(const struct fake_bus *bus, int64_t at, size_t length)
{
    for (size_t i = bus->in_taken; i < bus->in_count; i++) {
        int64_t other = bus->in_at[i];
        if (other + bus->character_ns > at && other < at + (int64_t)length * bus->character_ns) {
            at = other + bus->character_ns;
        }
    }
    return at;
}

void fake_bus_put(struct fake_bus *bus, const void *bytes, size_t length, int64_t after_ns)
{
    if (bus->in_taken == bus->in_count) {
        bus->in_taken = bus->in_count = 0;
    }
    int64_t at = (bus->busy_until > bus->now ? bus->busy_until : bus->now) + after_ns;
    at = bus->answering ? at : free_from(bus, at, length);
    for (size_t i = 0; i < length && bus->in_count < FAKE_BUS_BYTES; i++) {
        put_byte(bus, ((const uint8_t *)bytes)[i], at);
        at += bus->character_ns;
    }
}

static enum hal_result bus_configure(void *context, const struct hal_line *line)
{
    struct fake_bus *bus = context;
    bus->line = *line;
    bus->configured++;
    bus->character_ns = INT64_C(11000000000) / line->baud;
    while (bus->in_taken < bus->in_count && bus->in_at[bus->in_taken] <= bus->now) {
        bus->in_taken++;
    }
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
        bus->answering = true;
        bus->answer(bus, bytes, length);
        bus->answering = false;
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
