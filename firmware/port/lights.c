#include "lights.h"

void lights_step(struct lights *lights, const struct hal_pins *pins, bool connected,
                 uint32_t events)
{
    lights->troubled = !connected && (lights->troubled || events != lights->events);
    lights->events = events;
    pins->set(pins->context, lights->link, connected);
    pins->set(pins->context, lights->trouble, lights->troubled);
}
