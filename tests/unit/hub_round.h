/* What tests of the hub know of its rounds. */
#ifndef TESTS_HUB_ROUND_H
#define TESTS_HUB_ROUND_H

#include "drivers/hub.h"

/* True if the round is over: nothing of the map is pending. */
static inline bool round_is_over(const struct hub *hub)
{
    for (size_t i = 0; i < hub->map->point_count; i++) {
        if (hub->samples[i].kind == HAL_SAMPLE_PENDING) {
            return false;
        }
    }
    return true;
}

#endif
