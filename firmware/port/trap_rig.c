#include "trap_rig.h"

#define OBEY_NS                                                                                    \
    (INT64_C(5) * 1000000000) /* an order of the collector holds until the next step               \
                               */

static uint32_t edges(const struct trap_rig *rig, unsigned input)
{
    return rig->pins.edges(rig->pins.context, input);
}

static bool is_on(const struct trap_rig *rig, bool has, unsigned pin)
{
    return has && rig->pins.get(rig->pins.context, pin);
}

bool trap_rig_init(struct trap_rig *rig, const struct trap_rig_settings *settings,
                   const struct hal_pins *pins, const struct hal_bus *bus, struct keep *keep,
                   uint32_t boot, struct hal_time now)
{
    int64_t at = now.mono_ns;
    *rig = (struct trap_rig){ .settings = *settings, .pins = *pins, .boot = boot };
    lamp_init(&rig->lamp, &settings->lamp, pins, at);
    if (!settings->has_classifier) {
        beam_init(&rig->beam, &settings->beam, edges(rig, settings->beam_input), at);
    } else if (bus == NULL || classifier_init(&rig->classifier, bus, at) != HAL_OK) {
        return false;
    }
    if (settings->has_gauge) {
        rain_gauge_init(&rig->gauge, settings->gauge_debounce_ns, edges(rig, settings->gauge_input),
                        at);
    }
    if (settings->has_button) {
        pulse_init(&rig->button, settings->button_debounce_ns, edges(rig, settings->button_input),
                   at);
    }
    if (!trap_init(&rig->trap, &settings->trap, keep, now)) {
        return false;
    }
    (void)trap_join(&rig->joint, &rig->trap, NULL, NULL, 0);
    return true;
}

bool trap_rig_join(struct trap_rig *rig, const struct hal_sensors *others,
                   const struct phusa_text *names, size_t count, struct hal_sensors *sensors)
{
    *sensors = trap_join(&rig->joint, &rig->trap, others, names, count);
    return trap_joint_whole(&rig->joint);
}

/* --- what the drivers saw ------------------------------------------------------------- */

static void look_at_beam(struct trap_rig *rig, struct trap_inputs *inputs, int64_t now_ns)
{
    const struct trap_rig_settings *settings = &rig->settings;
    beam_poll(&rig->beam, edges(rig, settings->beam_input),
              rig->pins.get(rig->pins.context, settings->beam_pin), now_ns);
    inputs->counters.known = true;
    inputs->counters.session = rig->boot;
    inputs->counters.counts[0] = rig->beam.count;
    inputs->unsure = beam_unsure(&rig->beam);
}

/* What it said last stands until it says more; while it is silent nothing is sure. */
static void look_at_classifier(struct trap_rig *rig, struct trap_inputs *inputs, int64_t now_ns)
{
    struct classifier *classifier = &rig->classifier;
    classifier_step(classifier, now_ns);
    const struct classifier_line *line = &classifier->latest;
    inputs->counters.known = classifier->heard;
    inputs->counters.session = line->session;
    for (size_t i = 0; i < line->classes && i < NIGHT_CLASSES; i++) {
        inputs->counters.counts[i] = line->counts[i];
    }
    inputs->unsure = !classifier_alive(classifier, now_ns) || line->state != CLASSIFIER_COUNTING;
}

static void look_at_rain(struct trap_rig *rig, struct trap_inputs *inputs, int64_t now_ns)
{
    const struct trap_rig_settings *settings = &rig->settings;
    inputs->rain_known = settings->has_gauge || settings->has_rain_switch;
    inputs->raining = is_on(rig, settings->has_rain_switch, settings->rain_pin);
    if (settings->has_gauge) {
        rain_gauge_poll(&rig->gauge, edges(rig, settings->gauge_input), now_ns);
        inputs->raining = inputs->raining || rain_gauge_wet(&rig->gauge, now_ns, settings->wet_ns);
    }
}

void trap_rig_step(struct trap_rig *rig, struct hal_time now)
{
    const struct trap_rig_settings *settings = &rig->settings;
    struct trap_inputs inputs = { .wind = rig->joint.heard[NIGHT_WIND],
                                  .battery = rig->joint.heard[NIGHT_BATTERY],
                                  .lit = lamp_is_lit(&rig->lamp) };
    if (settings->has_classifier) {
        look_at_classifier(rig, &inputs, now.mono_ns);
    } else {
        look_at_beam(rig, &inputs, now.mono_ns);
    }
    look_at_rain(rig, &inputs, now.mono_ns);
    inputs.door_open = is_on(rig, settings->has_door, settings->door_pin);
    if (settings->has_button) {
        pulse_poll(&rig->button, edges(rig, settings->button_input), now.mono_ns);
        inputs.emptied = rig->button.count;
    }
    trap_step(&rig->trap, &inputs, now);
    lamp_step(&rig->lamp, rig->trap.wanted, now.mono_ns);
}

void trap_rig_serve(struct trap_rig *rig, const struct station_core *core, struct hal_time now)
{
    enum station_lamp order = station_lamp(core);
    if (order != STATION_LAMP_AUTO) { /* it overrules the console */
        trap_order(&rig->trap, order == STATION_LAMP_ON ? TRAP_ON : TRAP_OFF,
                   now.mono_ns + OBEY_NS);
    }
    trap_look(&rig->joint, core->sampling.under_way, now);
}
