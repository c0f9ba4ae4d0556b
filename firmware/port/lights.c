#include "lights.h"

void lights_step(struct lights *lights, const struct hal_pins *pins, bool connected,
                 uint32_t events)
{
    bool failed = lights->connected || events != lights->events;
    lights->troubled = !connected && (lights->troubled || failed);
    lights->connected = connected;
    lights->events = events;
    pins->set(pins->context, lights->link, connected);
    pins->set(pins->context, lights->trouble, lights->troubled);
}
