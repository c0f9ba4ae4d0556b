#include "observe.h"

#include <math.h>

#define TIDY_SCALE 1e6
#define TIDY_MAX   4e9 /* scaled, a half can still be added: below 2^52 */

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

void observe_amount(struct amount *amount, double value, double raw, uint8_t state, bool least,
                    int64_t at_ns)
{
    double sum = amount->sum + value, raw_sum = amount->raw + raw;
    if (isfinite(sum) && isfinite(raw_sum)) { /* larger ones are no amounts of anything */
        amount->sum = sum;
        amount->raw = raw_sum;
    }
    amount->state = state > amount->state ? state : amount->state;
    amount->least |= least;
    amount->reached_ns = at_ns;
}

double observe_tidy(double sum)
{
    if (!(fabs(sum) < TIDY_MAX)) {
        return sum;
    }
    double scaled = sum * TIDY_SCALE + 0.5;
    int64_t whole = (int64_t)scaled; /* towards zero: one too many below it */
    whole -= (double)whole > scaled;
    return (double)whole / TIDY_SCALE;
}

bool observe_reached(const struct observation *observation, const struct amount *amount,
                     int64_t end_ns, int64_t sample_every_ns, uint32_t expected, uint32_t share)
{
    int64_t behind = (end_ns - amount->reached_ns) / sample_every_ns;
    return observation->count > 0 && behind >= 0 && behind < expected &&
           (uint64_t)(expected - behind) * 100u >= (uint64_t)expected * share;
}

bool observe_deviation(const struct observation *observation, double *deviation)
{
    if (observation->count < 2) {
        return false;
    }
    *deviation = sqrt(observation->squares / (double)(observation->count - 1));
    return true;
}
