#include "settings/station.h"

#include <string.h>

static int compare(struct phusa_text id, const char *other)
{
    size_t length = strlen(other);
    int order = memcmp(id.data, other, id.length < length ? id.length : length);
    return order != 0 ? order : (id.length > length) - (id.length < length);
}

bool station_lists(const struct station *station, const struct phusa_parameter *parameter)
{
    for (size_t i = 0; i < station->parameter_count; i++) {
        if (station->parameters[i] == parameter) {
            return true;
        }
    }
    return false;
}

const struct station *registry_find(const struct registry *registry, struct phusa_text id)
{
    size_t low = 0, high = registry->count;
    while (id.length > 0 && low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(id, registry->stations[middle].id);
        if (order == 0) {
            return &registry->stations[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}
