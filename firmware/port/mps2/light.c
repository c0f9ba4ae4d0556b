#include "light.h"

#include "board.h"
#include "line.h"
#include "port/trap_rig.h"
#include "trap_page.h"
#include "wallclock.h"

enum { BUTTON_RAIN, BUTTON_DOOR };

static struct {
    struct trap_page page;
    struct trap_rig rig;
    uint32_t speed; /* of the wall clock: a night's times go with it */
    bool on;        /* the page has a trap */
} light;

static struct hal_time own_time(struct hal_time now)
{
    now.mono_ns *= light.speed;
    return now;
}

/* What of the page this board can do. */
static bool fits(const struct trap_page *page, const char **why)
{
    if (!page->classifier || (page->wired & (TRAP_WIRED_GAUGE | TRAP_WIRED_BUTTON)) != 0) {
        *why = "this board counts no edges: no beam, rain gauge or button";
        return false;
    }
    return true;
}

static bool begin_rig(struct keep *keep, uint32_t boot)
{
    const struct trap_page *page = &light.page;
    const struct hal_pins pins = board_pins();
    const struct hal_bus bus = line_hal();
    const struct trap_rig_settings settings = {
        .trap = page->settings,
        .lamp = { .pin = BOARD_PIN_LAMP,
                  .start_ns = page->lamp_start_ns,
                  .rest_ns = page->lamp_rest_ns,
                  .retry_ns = page->lamp_retry_ns },
        .has_classifier = true,
        .has_rain_switch = (page->wired & TRAP_WIRED_RAIN) != 0,
        .rain_pin = BUTTON_RAIN,
        .has_door = (page->wired & TRAP_WIRED_DOOR) != 0,
        .door_pin = BUTTON_DOOR,
    };
    return trap_rig_init(&light.rig, &settings, &pins, &bus, keep, boot, own_time(wallclock_now()));
}

bool light_start(const struct provision *provision, const struct hal_flash *page, struct keep *keep,
                 uint32_t boot, const char **why)
{
    light.on = provision->trap_length > 0;
    light.speed = provision->speed;
    if (!light.on) {
        return true;
    }
    if (!trap_page_read(page, provision, &light.page)) {
        *why = "the trap of the provisioning page is not valid";
        return false;
    }
    if (!fits(&light.page, why)) {
        return false;
    }
    *why = "the trap cannot begin";
    return begin_rig(keep, boot);
}

bool light_owns(struct phusa_text parameter)
{
    return light.on && trap_channel(&light.rig.trap, parameter) >= 0;
}

static const char *refusal(void *context)
{
    return trap_refusal(context);
}

bool light_join(const struct report_channels *channels, struct hal_sensors *sensors,
                struct station_options *options, const char **why)
{
    struct phusa_text names[STATION_CHANNELS_MAX];
    const struct hal_sensors others = *sensors;
    if (!light.on) {
        return true;
    }
    for (size_t i = 0; i < channels->count; i++) {
        names[i] = channels->items[i].name;
    }
    options->has_lamp = true;
    options->lamp_refusal = refusal;
    options->lamp_context = &light.rig.trap;
    *why = "the trap's wind or battery is none of the channels";
    return trap_rig_join(&light.rig, &others, names, channels->count, sensors);
}

void light_step(const struct station_core *station, struct hal_time now)
{
    if (light.on) {
        struct hal_time own = own_time(now);
        trap_rig_serve(&light.rig, station, own);
        trap_rig_step(&light.rig, own);
    }
}

struct trap *light_trap(void)
{
    return light.on ? &light.rig.trap : NULL;
}

const struct classifier *light_classifier(void)
{
    return light.on ? &light.rig.classifier : NULL;
}
