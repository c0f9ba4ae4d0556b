#include "settings/rule.h"

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
