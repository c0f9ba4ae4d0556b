/*
 * The parameter catalogue: what can be measured, in which unit, between which
 * limits. The types only; the collector fills them from its configuration, a
 * small station may hold them in flash.
 */
#ifndef PHUSA_PARAMETER_H
#define PHUSA_PARAMETER_H

#include "phusa/text.h"

#define PHUSA_PARAMETERS_MAX 512 /* in a catalogue */
#define PHUSA_NAME_MAX       32  /* bytes of a parameter's name, [a-z][a-z0-9_]* */

/* A spelling of a unit that a parameter accepts: own = value * multiply / divide + offset. */
struct phusa_unit {
    struct phusa_text spelling;
    double multiply, divide, offset;
};

struct phusa_parameter {
    struct phusa_text name; /* "salinity"; also the field's name in the store */
    struct phusa_text
        unit; /* the parameter's own unit, SenML spelling where there is one; may be empty */
    const char *label_vi, *label_en;
    double minimum, maximum;        /* gross range in the own unit: outside it a reading fails */
    double resolution;              /* smallest step worth showing, own unit, > 0 */
    const struct phusa_unit *units; /* further spellings */
    size_t unit_count;
};

struct phusa_catalogue {
    const struct phusa_parameter *parameters; /* sorted by name (bytes) */
    size_t count;
};

/* The parameter of that name, or NULL. Binary search. */
const struct phusa_parameter *phusa_catalogue_find(const struct phusa_catalogue *catalogue,
                                                   struct phusa_text name);

/*
 * Brings a value from `unit` to the parameter's own unit, in place. The empty
 * unit is the own one. Returns false (value untouched) for a unit that the
 * parameter does not know.
 */
bool phusa_unit_convert(const struct phusa_parameter *parameter, struct phusa_text unit,
                        double *value);

#endif
