#include "desk.h"

#include "board.h"
#include "light.h"
#include "network.h"
#include "port/technician.h"
#include "sensors.h"
#include "uart.h"
#include "wallclock.h"

#define UTC_OFFSET_S  (7 * 3600) /* Việt Nam; a trap's page may say otherwise */
#define TYPED_AT_ONCE 32
#define SETTLE        (INT64_C(20) * 1000000) /* until the core knows of the link, too */

static struct technician technician;
static struct {
    uint32_t events; /* of the network */
    int64_t at_ns;   /* when they are told; 0 = they were */
} link;

static void write_out(void *context, const char *bytes, size_t length)
{
    (void)context;
    console_write(bytes, length);
}

void desk_start(const struct provision *provision, const struct station_core *station)
{
    const struct trap *trap = light_trap();
    int32_t offset_s = trap != NULL ? trap->settings.utc_offset_s : UTC_OFFSET_S;
    struct technician_parts parts = { .station = station,
                                      .site = phusa_text_of(provision->site),
                                      .hub = sensors_hub(),
                                      .trap = light_trap(),
                                      .classifier = light_classifier(),
                                      .keep = station->ports.keep,
                                      .pins = board_pins(),
                                      .light = BOARD_PIN_IDENTIFY,
                                      .utc_offset_s = offset_s,
                                      .write = write_out };
    console_listen();
    technician_init(&technician, &parts, wallclock_now());
}

/* What main.c's log says of the link in English is said in Vietnamese behind it. */
static void tell_link(struct hal_time now)
{
    if (network_events() != link.events) {
        link.events = network_events();
        link.at_ns = now.mono_ns + SETTLE;
    }
    if (link.at_ns != 0 && now.mono_ns >= link.at_ns) {
        link.at_ns = 0;
        field_console_tell_link(&technician.console, now);
    }
}

void desk_step(struct hal_time now)
{
    uint8_t typed[TYPED_AT_ONCE];
    size_t count = 0;
    while (count < sizeof typed && console_take(&typed[count])) {
        count++;
    }
    technician_take(&technician, typed, count, now);
    technician_step(&technician, now);
    tell_link(now);
}
