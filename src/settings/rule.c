#include "settings/rule.h"

#include "base/clock.h"

#define HOUR_NS (3600 * SECOND_NS)

const char *severity_name(enum severity severity)
{
    switch (severity) {
    case SEVERITY_NORMAL:
        return "normal";
    case SEVERITY_MINOR:
        return "minor";
    case SEVERITY_MODERATE:
        return "moderate";
    case SEVERITY_SEVERE:
        return "severe";
    case SEVERITY_EXTREME:
        return "extreme";
    }
    return "unknown";
}

int64_t rule_window_step_ns(const struct rule_window *window)
{
    bool hourly =
        window->length == RULE_1H || window->length == RULE_8H || window->length == RULE_24H;
    return !window->given ? 0 : hourly ? HOUR_NS : 24 * HOUR_NS;
}
