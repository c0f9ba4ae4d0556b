#include "quality/stuck_bus.h"

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void still_note(struct still *still, int64_t time_ns, double value)
{
    if (still->readings > 0 && time_ns <= still->newest_ns) {
        return;
    }
    if (still->readings == 0 || !(value == still->value)) {
        *still = (struct still){ .value = value, .since_ns = time_ns };
    }
    still->newest_ns = time_ns;
    still->readings += still->readings < UINT32_MAX ? 1 : 0;
}

static bool frozen(const struct still *still, int64_t hold_ns)
{
    uint64_t held = (uint64_t)still->newest_ns - (uint64_t)still->since_ns;
    return still->readings >= STUCK_BUS_READINGS_LEAST && held >= (uint64_t)hold_ns;
}

struct stuck_bus stuck_bus_judge(const struct still *const *parameters, size_t count,
                                 int64_t hold_ns)
{
    int64_t newest = INT64_MIN, since = INT64_MIN;
    for (size_t i = 0; i < count; i++) {
        newest = later(newest, parameters[i]->newest_ns);
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t behind = (uint64_t)newest - (uint64_t)parameters[i]->newest_ns;
        if (behind > (uint64_t)hold_ns || !frozen(parameters[i], hold_ns)) {
            return (struct stuck_bus){ false, 0 };
        }
        since = later(since, parameters[i]->since_ns);
    }
    return (struct stuck_bus){ count >= STUCK_BUS_SERIES_LEAST, since };
}
