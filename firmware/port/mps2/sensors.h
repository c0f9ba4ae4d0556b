/*
 * The station's sensors: those of its device map, at UART 1 and at the inputs, or, without a map,
 * simulated ones. Of these, channel c shows at second s of its time
 *     ((s * 2654435761 + c * 2246822519) mod 2^32 >> 16) mod 10000 / 100
 * so that whoever gets the reading can say whether it is the right one.
 */
#ifndef MPS2_SENSORS_H
#define MPS2_SENSORS_H

#include "drivers/hub.h"
#include "provision.h"
#include "report.h"

/*
 * Reads the map of the page, if it has one, for these channels; one without a unit takes the map's.
 * A channel that no device gives, or only in another unit, is said on the console and set in
 * *unwired as a bit: the others are measured. False with *why set if the map is not good.
 */
bool sensors_start(const struct provision *provision, const struct hal_flash *page,
                   struct report_channels *channels, uint32_t *unwired, const char **why);

/* Lets the bus go on; to be called before the core is stepped. */
void sensors_step(struct hal_time now);

struct hal_sensors sensors_hal(void);

/* How long a round over them may take; 0 = the core's own limit. */
int64_t sensors_wait_ns(void);

/* Its hub, for who wants to know how the devices do; NULL without a map. */
struct hub *sensors_hub(void);

#endif
