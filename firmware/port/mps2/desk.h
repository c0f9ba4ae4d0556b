/* The technician's console (firmware/port/technician.h) on UART 0. The small image has none. */
#ifndef MPS2_DESK_H
#define MPS2_DESK_H

#include "provision.h"
#include "station.h"

/* Greets. All must stay. */
void desk_start(const struct provision *provision, const struct station_core *station);

/* Takes in what was typed and goes on with what was asked. Call after station_step. */
void desk_step(struct hal_time now);

#endif
