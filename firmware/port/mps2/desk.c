#include "desk.h"

#include "board.h"
#include "light.h"
#include "port/technician.h"
#include "sensors.h"
#include "uart.h"
#include "wallclock.h"

#define UTC_OFFSET_S  (7 * 3600) /* Việt Nam */
#define TYPED_AT_ONCE 32

static struct technician technician;

static void write_out(void *context, const char *bytes, size_t length)
{
    (void)context;
    console_write(bytes, length);
}

void desk_start(const struct provision *provision, const struct station_core *station)
{
    struct technician_parts parts = { .station = station,
                                      .site = phusa_text_of(provision->site),
                                      .hub = sensors_hub(),
                                      .trap = light_trap(),
                                      .classifier = light_classifier(),
                                      .keep = station->ports.keep,
                                      .pins = board_pins(),
                                      .light = BOARD_PIN_IDENTIFY,
                                      .utc_offset_s = UTC_OFFSET_S,
                                      .write = write_out };
    technician_init(&technician, &parts, wallclock_now());
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
}
