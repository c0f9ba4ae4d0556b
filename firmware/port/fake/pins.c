#include "pins.h"

static void set(void *context, unsigned pin, bool on)
{
    struct fake_pins *pins = context;
    if (pin < FAKE_PINS && pins->level[pin] != on) {
        pins->level[pin] = on;
        pins->switched[pin]++;
    }
}

static bool get(void *context, unsigned pin)
{
    const struct fake_pins *pins = context;
    return pin < FAKE_PINS && pins->level[pin];
}

static uint32_t edges(void *context, unsigned input)
{
    const struct fake_pins *pins = context;
    return input < FAKE_PINS ? pins->edges[input] : 0;
}

static enum hal_result current_ua(void *context, unsigned input, int32_t *current)
{
    struct fake_pins *pins = context;
    if (input >= FAKE_PINS || pins->silent[input]) {
        return HAL_FAILED;
    }
    *current = pins->measure == NULL ? pins->current_ua[input] : pins->measure(pins, input);
    return HAL_OK;
}

struct hal_pins fake_pins_hal(struct fake_pins *pins)
{
    return (struct hal_pins){ pins, set, get, edges, current_ua };
}
