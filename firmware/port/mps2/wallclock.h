/* Wall time from SNTP. There is no clock that runs without power. */
#ifndef MPS2_WALLCLOCK_H
#define MPS2_WALLCLOCK_H

#include "hal/hal.h"

/*
 * speed: how many seconds of wall time pass in one of monotonic time, for rehearsals; 1 in the
 * field. port: of the time server.
 */
void wallclock_start(uint32_t speed, uint16_t port);

/* The moment now, both clocks. */
struct hal_time wallclock_now(void);

#endif
