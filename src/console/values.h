/* What the JSON of the console is made of. Pure. */
#ifndef CONSOLE_VALUES_H
#define CONSOLE_VALUES_H

#include <jansson.h>

#include "console/console.h"

/* Epoch seconds, whole where whole; null for 0, which is "never" or "not known". */
json_t *value_time(int64_t time_ns);

/* NaN and infinity have no JSON: null. */
json_t *value_number(double value);

json_t *value_count(uint64_t count);

/* Only the reasons that occurred. */
json_t *value_reasons(const uint64_t reasons[PHUSA_REASON_COUNT]);

/* Prints a value and lets go of it; NULL is out of memory. */
void value_add(struct text_buffer *out, json_t *value);

/* Members of `object` that are counts, by name. */
struct value_named {
    const char *name;
    uint64_t count;
};
void value_set_counts(json_t *object, const struct value_named *counts, size_t counts_count);

#endif
