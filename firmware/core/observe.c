#include "observe.h"

#include <math.h>

void observe_add(struct observation *observation, double value, double raw, uint8_t state,
                 uint8_t checks)
{
    bool first = observation->count == 0;
    observation->count++;
    double count = (double)observation->count;
    double before = value - observation->mean;
    observation->mean += before / count;
    observation->squares += before * (value - observation->mean);
    observation->raw += (raw - observation->raw) / count;
    observation->minimum = first || value < observation->minimum ? value : observation->minimum;
    observation->maximum = first || value > observation->maximum ? value : observation->maximum;
    observation->state = state > observation->state ? state : observation->state;
    observation->checks |= checks;
}

bool observe_enough(const struct observation *observation, uint32_t expected, uint32_t share)
{
    return observation->count > 0 &&
           (uint64_t)observation->count * 100u >= (uint64_t)expected * share;
}

bool observe_deviation(const struct observation *observation, double *deviation)
{
    if (observation->count < 2) {
        return false;
    }
    *deviation = sqrt(observation->squares / (double)(observation->count - 1));
    return true;
}
