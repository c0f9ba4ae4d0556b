/*
 * The pest-light trap of a board whose provisioning page makes it one: its relay is the light
 * BOARD_PIN_LAMP, which here also shows it; a rain switch and the door are the buttons 0 and 1; its
 * classifier talks over UART 2. This board counts no edges: it has no beam, rain gauge or
 * service button. The small image has no trap.
 */
#ifndef MPS2_LIGHT_H
#define MPS2_LIGHT_H

#include "drivers/classifier.h"
#include "keep.h"
#include "provision.h"
#include "report.h"
#include "station.h"
#include "trap.h"

/*
 * Begins, if the page has a trap; keep must be open and stay, boot counts the starts. False with
 * *why set: this board cannot be that trap.
 */
bool light_start(const struct provision *provision, const struct hal_flash *page, struct keep *keep,
                 uint32_t boot, const char **why);

/* True if a parameter is one of the trap's own. */
bool light_owns(struct phusa_text parameter);

/*
 * Puts the trap's channels among the station's sensors, and its lamp into the options. False with
 * *why set: a sensor that the page names for wind or battery is none of the station's channels.
 */
bool light_join(const struct report_channels *channels, struct hal_sensors *sensors,
                struct station_options *options, const char **why);

/* Looks, counts, switches. Call before station_step. */
void light_step(const struct station_core *station, struct hal_time now);

/* For the technician's console; NULL: there is none. */
struct trap *light_trap(void);
const struct classifier *light_classifier(void);

#endif
