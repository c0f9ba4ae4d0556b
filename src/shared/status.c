/* Names of results and reasons. Those of reasons stand in metrics and files: never change one. */
#include "phusa/status.h"

#include <stddef.h>

static const char *const status_names[] = {
    [PHUSA_OK] = "ok",
    [PHUSA_ERR_SYNTAX] = "syntax",
    [PHUSA_ERR_TRUNCATED] = "truncated",
    [PHUSA_ERR_OVERSIZED] = "oversized",
    [PHUSA_ERR_TOO_MANY] = "too_many",
    [PHUSA_ERR_VERSION] = "version",
    [PHUSA_ERR_LABEL] = "label",
    [PHUSA_ERR_TYPE] = "type",
    [PHUSA_ERR_RANGE] = "range",
    [PHUSA_ERR_SPACE] = "space",
};

static const char *const reason_names[PHUSA_REASON_COUNT] = {
    [PHUSA_REASON_NONE] = "none",           [PHUSA_REASON_TOPIC] = "topic",
    [PHUSA_REASON_STATION] = "station",     [PHUSA_REASON_SITE] = "site",
    [PHUSA_REASON_SYNTAX] = "syntax",       [PHUSA_REASON_TRUNCATED] = "truncated",
    [PHUSA_REASON_OVERSIZED] = "oversized", [PHUSA_REASON_TOO_MANY] = "too_many",
    [PHUSA_REASON_VERSION] = "version",     [PHUSA_REASON_LABEL] = "label",
    [PHUSA_REASON_TYPE] = "type",           [PHUSA_REASON_NAME] = "name",
    [PHUSA_REASON_PARAMETER] = "parameter", [PHUSA_REASON_UNIT] = "unit",
    [PHUSA_REASON_VALUE] = "value",         [PHUSA_REASON_TIME] = "time",
    [PHUSA_REASON_CONFLICT] = "conflict",   [PHUSA_REASON_STORE] = "store",
    [PHUSA_REASON_SPOOL] = "spool",
};

const char *phusa_status_name(enum phusa_status status)
{
    size_t index = (size_t)status;

    return index < sizeof(status_names) / sizeof(status_names[0]) ? status_names[index] : "unknown";
}

const char *phusa_reason_name(enum phusa_reason reason)
{
    size_t index = (size_t)reason;

    return index < PHUSA_REASON_COUNT ? reason_names[index] : "unknown";
}

enum phusa_reason phusa_reason_of(enum phusa_status status)
{
    switch (status) {
    case PHUSA_OK:
        return PHUSA_REASON_NONE;
    case PHUSA_ERR_TRUNCATED:
        return PHUSA_REASON_TRUNCATED;
    case PHUSA_ERR_OVERSIZED:
        return PHUSA_REASON_OVERSIZED;
    case PHUSA_ERR_TOO_MANY:
    case PHUSA_ERR_SPACE:
        return PHUSA_REASON_TOO_MANY;
    case PHUSA_ERR_VERSION:
        return PHUSA_REASON_VERSION;
    case PHUSA_ERR_LABEL:
        return PHUSA_REASON_LABEL;
    case PHUSA_ERR_TYPE:
    case PHUSA_ERR_RANGE:
        return PHUSA_REASON_TYPE;
    case PHUSA_ERR_SYNTAX:
        break;
    }
    return PHUSA_REASON_SYNTAX;
}
