#include "sensors.h"

#include "light.h"
#include "uart.h"

#define SECOND INT64_C(1000000000)
#define SLACK  (SECOND / 20) /* QEMU's line is only as punctual as its host */

static struct device_map map;
static struct hub hub;
static struct hal_bus bus;
static bool mapped;

/* The text stays where it is: the map points into it. */
static bool read_map(const struct provision *provision, const struct hal_flash *page,
                     const char **why)
{
    static char text[PROVISION_MAP_MAX];
    struct device_map_error error = { 0 };
    size_t length = provision->map_length;
    if (page->read(page->context, provision->map_offset, text, length) != HAL_OK) {
        *why = "the device map cannot be read";
        return false;
    }
    if (!device_map_parse(&map, (struct phusa_text){ text, length }, &error)) {
        *why = error.what;
        return false;
    }
    return true;
}

/* The name under which a channel is asked for: none if its device gives another unit. */
static struct phusa_text agree(struct station_channel *channel)
{
    const struct device_point *point = device_map_find(&map, channel->name);
    if (point == NULL || point->unit.length == 0) {
        return channel->name;
    }
    if (channel->unit.length == 0) {
        channel->unit = point->unit;
    }
    return phusa_text_equal(channel->unit, point->unit) ? channel->name : PHUSA_TEXT("");
}

static void tell_unwired(const struct report_channels *channels, uint32_t *unwired)
{
    for (size_t i = 0; i < channels->count; i++) {
        const struct station_channel *channel = &channels->items[i];
        if (!hub_gives(&hub, i) && !light_owns(channel->name)) {
            *unwired |= UINT32_C(1) << i;
            console_text("sensors: none gives ");
            console_write(channel->name.data, channel->name.length);
            console_text(" ");
            console_write(channel->unit.data, channel->unit.length);
            console_text("\r\n");
        }
    }
}

bool sensors_start(const struct provision *provision, const struct hal_flash *page,
                   struct report_channels *channels, uint32_t *unwired, const char **why)
{
    static const struct hal_bus *const buses[] = { &bus };
    struct hub_options options = { .slack_ns = SLACK };
    struct phusa_text names[STATION_CHANNELS_MAX];
    if (provision->map_length == 0) {
        return true;
    }
    if (!read_map(provision, page, why)) {
        return false;
    }
    for (size_t i = 0; i < channels->count; i++) {
        names[i] = agree(&channels->items[i]);
    }
    bus = bus_hal();
    hub_init(&hub, &map, buses, 1, NULL, &options);
    if (!hub_bind(&hub, names, channels->count)) {
        tell_unwired(channels, unwired);
    }
    mapped = true;
    return true;
}

void sensors_step(struct hal_time now)
{
    if (mapped) {
        (void)hub_step(&hub, now);
    }
}

static struct hal_sample simulated(void *context, size_t channel, int64_t at_ns)
{
    (void)context;
    uint32_t mixed = (uint32_t)(at_ns / SECOND) * UINT32_C(2654435761) +
                     (uint32_t)channel * UINT32_C(2246822519);
    return (struct hal_sample){ .kind = HAL_SAMPLE_VALUE,
                                .value = (double)((mixed >> 16) % 10000) / 100 };
}

struct hal_sensors sensors_hal(void)
{
    return mapped ? hub_sensors(&hub) : (struct hal_sensors){ .sample = simulated };
}

int64_t sensors_wait_ns(void)
{
    return mapped ? hub_round_max_ns(&hub) : 0;
}

struct hub *sensors_hub(void)
{
    return mapped ? &hub : NULL;
}
