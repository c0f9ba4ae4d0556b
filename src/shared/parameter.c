/* The parameter catalogue: looking up and converting. */
#include "phusa/parameter.h"

static int compare_text(struct phusa_text a, struct phusa_text b)
{
    size_t shorter = a.length < b.length ? a.length : b.length;
    int order = shorter == 0 ? 0 : memcmp(a.data, b.data, shorter);

    if (order != 0) {
        return order;
    }
    return (a.length > b.length) - (a.length < b.length);
}

const struct phusa_parameter *phusa_catalogue_find(const struct phusa_catalogue *catalogue,
                                                   struct phusa_text name)
{
    size_t low = 0, high = catalogue->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_text(name, catalogue->parameters[middle].name);

        if (order == 0) {
            return &catalogue->parameters[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

bool phusa_unit_convert(const struct phusa_parameter *parameter, struct phusa_text unit,
                        double *value)
{
    if (unit.length == 0 || phusa_text_equal(unit, parameter->unit)) {
        return true;
    }
    for (size_t i = 0; i < parameter->unit_count; i++) {
        const struct phusa_unit *known = &parameter->units[i];

        if (phusa_text_equal(unit, known->spelling)) {
            *value = *value * known->multiply / known->divide + known->offset;
            return true;
        }
    }
    return false;
}
