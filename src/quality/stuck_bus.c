#include "quality/stuck_bus.h"

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static bool frozen(const struct qartod_series *series, int64_t hold_ns, int64_t *since_ns)
{
    uint32_t readings;
    *since_ns = qartod_same_since(series, &readings);
    uint64_t held = (uint64_t)qartod_newest(series) - (uint64_t)*since_ns;
    return readings >= STUCK_BUS_READINGS_LEAST && held >= (uint64_t)hold_ns;
}

struct stuck_bus stuck_bus_judge(const struct qartod_series *const *series, size_t count,
                                 int64_t hold_ns)
{
    int64_t newest = INT64_MIN, since = INT64_MIN;
    size_t judged = 0;
    for (size_t i = 0; i < count; i++) {
        newest = series[i] == NULL ? newest : later(newest, qartod_newest(series[i]));
    }
    for (size_t i = 0; i < count; i++) {
        if (series[i] == NULL) {
            continue;
        }
        int64_t own;
        uint64_t behind = (uint64_t)newest - (uint64_t)qartod_newest(series[i]);
        if (behind > (uint64_t)hold_ns || !frozen(series[i], hold_ns, &own)) {
            return (struct stuck_bus){ false, 0 };
        }
        since = later(since, own);
        judged++;
    }
    return (struct stuck_bus){ judged >= STUCK_BUS_SERIES_LEAST, since };
}
