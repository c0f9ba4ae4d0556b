#include "check.h"

#include <math.h>

#define SECOND INT64_C(1000000000)

bool check_limits_valid(const struct check_limits *limits)
{
    return isfinite(limits->low) && isfinite(limits->high) && limits->low <= limits->high &&
           isfinite(limits->step) && limits->step >= 0 && isfinite(limits->flat) &&
           limits->flat >= 0;
}

/* True if the very same number: equal, since a sample is finite. */
static bool same(double a, double b)
{
    return !(a < b) && !(a > b);
}

static void follow(const struct check_limits *limits, struct check_memory *memory, double value,
                   int64_t at_ns)
{
    bool anew = !memory->any || at_ns < memory->flat_since_ns || at_ns < memory->stuck_since_ns;
    if (anew || !same(value, memory->last)) {
        memory->stuck_since_ns = at_ns;
    }
    double low = value < memory->flat_low ? value : memory->flat_low;
    double high = value > memory->flat_high ? value : memory->flat_high;
    if (anew || high - low > limits->flat) {
        memory->flat_since_ns = at_ns;
        low = high = value;
    }
    memory->flat_low = low;
    memory->flat_high = high;
    memory->last = value;
    memory->any = true;
}

uint8_t check_sample(const struct check_limits *limits, struct check_memory *memory, double value,
                     int64_t at_ns)
{
    unsigned bits = 0;
    if (limits->low < limits->high && (value < limits->low || value > limits->high)) {
        bits |= CHECK_RANGE;
    }
    if (limits->step > 0 && memory->any && fabs(value - memory->last) > limits->step) {
        bits |= CHECK_STEP;
    }
    follow(limits, memory, value, at_ns);
    if (limits->flat_s > 0 && at_ns - memory->flat_since_ns >= limits->flat_s * SECOND) {
        bits |= CHECK_FLAT;
    }
    if (limits->stuck_s > 0 && at_ns - memory->stuck_since_ns >= limits->stuck_s * SECOND) {
        bits |= CHECK_STUCK;
    }
    return (uint8_t)bits;
}
