#include "lamp.h"

#define MS INT64_C(1000000)

static void set_relay(struct lamp *lamp, bool on, int64_t now_ns)
{
    lamp->pins.set(lamp->pins.context, lamp->settings.pin, on);
    lamp->relay = on;
    lamp->switched_ns = now_ns;
    lamp->starts += on;
}

void lamp_init(struct lamp *lamp, const struct lamp_settings *settings, const struct hal_pins *pins,
               int64_t now_ns)
{
    *lamp = (struct lamp){ .settings = *settings, .pins = *pins, .stepped_ns = now_ns };
    set_relay(lamp, false, now_ns);
}

bool lamp_is_lit(const struct lamp *lamp)
{
    return lamp->state == LAMP_LIT || lamp->state == LAMP_STUCK;
}

enum glow { GLOW_UNKNOWN, GLOW_NONE, GLOW_SEEN };

/* What the current says. */
static enum glow look(struct lamp *lamp)
{
    int32_t current = 0;
    if (!lamp->settings.has_current) {
        return GLOW_UNKNOWN;
    }
    if (lamp->pins.current_ua(lamp->pins.context, lamp->settings.input, &current) != HAL_OK) {
        lamp->blind++;
        return GLOW_UNKNOWN;
    }
    return current >= lamp->settings.lit_ua ? GLOW_SEEN : GLOW_NONE;
}

/* The relay is on. */
static enum lamp_state state_on(struct lamp *lamp, enum glow glow, int64_t now_ns)
{
    bool started = now_ns - lamp->switched_ns >= lamp->settings.start_ns;
    if (glow == GLOW_SEEN) {
        lamp->lit_seen_ns = now_ns;
        return LAMP_LIT;
    }
    if (glow == GLOW_UNKNOWN) { /* by minutes */
        lamp->lit_seen_ns = now_ns;
        return started ? LAMP_LIT : lamp->state;
    }
    if (!started) {
        return LAMP_STARTING;
    }
    if (lamp->state == LAMP_LIT && now_ns - lamp->lit_seen_ns < lamp->settings.start_ns) {
        return LAMP_LIT; /* one reading too low is no failure */
    }
    lamp->failures++;
    set_relay(lamp, false, now_ns);
    return LAMP_FAILED;
}

/* It is off and wanted. */
static enum lamp_state try_start(struct lamp *lamp, int64_t now_ns)
{
    const struct lamp_settings *settings = &lamp->settings;
    bool failed = lamp->state == LAMP_FAILED;
    int64_t wait =
        failed && settings->retry_ns > settings->rest_ns ? settings->retry_ns : settings->rest_ns;
    if (now_ns - lamp->switched_ns < wait) {
        return failed ? LAMP_FAILED : LAMP_RESTING;
    }
    set_relay(lamp, true, now_ns);
    return LAMP_STARTING;
}

static enum lamp_state state_off(struct lamp *lamp, enum glow glow, bool wanted, int64_t now_ns)
{
    if (glow == GLOW_SEEN && now_ns - lamp->switched_ns >= lamp->settings.start_ns) {
        return LAMP_STUCK;
    }
    return wanted ? try_start(lamp, now_ns) : LAMP_OFF;
}

/* The time since the last step was lit if the lamp was. */
static void count_light(struct lamp *lamp, int64_t now_ns)
{
    int64_t ms = (now_ns - lamp->stepped_ns) / MS;
    lamp->lit_ms += lamp_is_lit(lamp) ? (uint32_t)ms : 0;
    lamp->stepped_ns += ms * MS;
}

void lamp_step(struct lamp *lamp, bool wanted, int64_t now_ns)
{
    count_light(lamp, now_ns);
    if (lamp->relay && !wanted) {
        set_relay(lamp, false, now_ns);
        lamp->state = LAMP_OFF;
        return;
    }
    enum glow glow = look(lamp);
    lamp->state =
        lamp->relay ? state_on(lamp, glow, now_ns) : state_off(lamp, glow, wanted, now_ns);
}
