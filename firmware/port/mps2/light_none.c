/* The small image has no room for a trap: a page that asks for one is refused. */
#include "light.h"

bool light_start(const struct provision *provision, const struct hal_flash *page, struct keep *keep,
                 uint32_t boot, const char **why)
{
    (void)page;
    (void)keep;
    (void)boot;
    *why = "this image can be no trap";
    return provision->trap_length == 0;
}

bool light_owns(struct phusa_text parameter)
{
    (void)parameter;
    return false;
}

bool light_join(const struct report_channels *channels, struct hal_sensors *sensors,
                struct station_options *options, const char **why)
{
    (void)channels;
    (void)sensors;
    (void)options;
    (void)why;
    return true;
}

void light_step(const struct station_core *station, struct hal_time now)
{
    (void)station;
    (void)now;
}
