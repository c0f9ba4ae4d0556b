#include "console/values.h"

json_t *value_time(int64_t time_ns)
{
    if (time_ns == 0) {
        return json_null();
    }
    return time_ns % SECOND_NS == 0 ? json_integer(time_ns / SECOND_NS)
                                    : json_real((double)time_ns / SECOND_NS);
}

json_t *value_number(double value)
{
    json_t *number = json_real(value);
    return number != NULL ? number : json_null();
}

const char *console_outcome_name(enum console_outcome outcome)
{
    static const char *const names[] = { [CONSOLE_COUNTED] = "counted",
                                         [CONSOLE_TRAP_OFF] = "off",
                                         [CONSOLE_NIGHT_MISSING] = "missing" };
    return names[outcome];
}

json_t *value_count(uint64_t count)
{
    return json_integer((json_int_t)count);
}

json_t *value_reasons(const uint64_t reasons[PHUSA_REASON_COUNT])
{
    json_t *object = json_object();
    for (int reason = PHUSA_REASON_NONE + 1; reason < PHUSA_REASON_COUNT; reason++) {
        if (reasons[reason] > 0) {
            (void)json_object_set_new(object, phusa_reason_name((enum phusa_reason)reason),
                                      value_count(reasons[reason]));
        }
    }
    return object;
}

void value_set_counts(json_t *object, const struct value_named *counts, size_t counts_count)
{
    for (size_t i = 0; i < counts_count; i++) {
        (void)json_object_set_new(object, counts[i].name, value_count(counts[i].count));
    }
}

void value_add(struct text_buffer *out, json_t *value)
{
    char *printed = value == NULL ? NULL : json_dumps(value, JSON_COMPACT);
    if (printed == NULL) {
        out->failed = true; /* out of memory */
    } else {
        text_buffer_add_text(out, printed);
    }
    free(printed);
    json_decref(value);
}
