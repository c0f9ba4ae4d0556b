/*
 * A trap's hardware put together, for whatever port has it: lamp, insect beam or classifier, rain
 * gauge or rain switch, door, service button, with the core's trap deciding. The port steps
 * it in its main loop, before the station, at least every rain gauge's debounce (100 ms).
 */
#ifndef FIRMWARE_TRAP_RIG_H
#define FIRMWARE_TRAP_RIG_H

#include "drivers/classifier.h"
#include "drivers/lamp.h"
#include "drivers/pulse.h"
#include "station.h"
#include "trap.h"

struct trap_rig_settings {
    struct trap_settings trap;
    struct lamp_settings lamp;
    bool has_classifier; /* it counts, its classes are the trap's in order; else the beam does */
    struct beam_settings beam;
    unsigned beam_input, beam_pin; /* its edges; its level, on while interrupted */
    bool has_gauge;
    unsigned gauge_input;
    int64_t gauge_debounce_ns; /* 100 ms is good */
    int64_t wet_ns;            /* after a tip it counts as raining so long */
    bool has_rain_switch;
    unsigned rain_pin; /* on while wet */
    bool has_door;
    unsigned door_pin; /* on while open */
    bool has_button;
    unsigned button_input;      /* edges of the button that says "emptied" */
    int64_t button_debounce_ns; /* 0.5 s is good */
};

/* Read what you like; change nothing. It must not be moved once it is joined. */
struct trap_rig {
    struct trap_rig_settings settings;
    struct hal_pins pins;
    struct trap trap;
    struct trap_joint joint;
    struct lamp lamp;
    struct beam beam;
    struct classifier classifier;
    struct rain_gauge gauge;
    struct pulse button;
    uint32_t boot;
};

/*
 * boot: count of starts, another one each time. bus: the classifier's line, else NULL. All are
 * copied but keep, which must outlive the rig. False: the settings are no good, or the bus is not.
 */
bool trap_rig_init(struct trap_rig *rig, const struct trap_rig_settings *settings,
                   const struct hal_pins *pins, const struct hal_bus *bus, struct keep *keep,
                   uint32_t boot, struct hal_time now);

/*
 * The sensors of a station whose channels have these names, as of trap_join; between the station's
 * rounds those of wind and battery are asked, too. False: the trap's settings name one of them
 * that the station does not have.
 */
bool trap_rig_join(struct trap_rig *rig, const struct hal_sensors *others,
                   const struct phusa_text *names, size_t count, struct hal_sensors *sensors);

/* Does what the collector orders and asks what the station does not. Before trap_rig_step. */
void trap_rig_serve(struct trap_rig *rig, const struct station_core *core, struct hal_time now);

/* Looks at everything, counts, decides, switches. */
void trap_rig_step(struct trap_rig *rig, struct hal_time now);

#endif
