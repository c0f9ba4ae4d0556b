/* The small image has no room for a console; what happens it says all the same (main.c). */
#include "desk.h"

void desk_start(const struct provision *provision, const struct station_core *station)
{
    (void)provision;
    (void)station;
}

void desk_step(struct hal_time now)
{
    (void)now;
}
