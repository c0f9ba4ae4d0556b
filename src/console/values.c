#include "console/values.h"

#include <stdlib.h>
#include <string.h>

#include "phusa/number.h"

#define LENGTH_SAVED 2 /* "5.0" stays a real number, and is not "5" */

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

/* The length of what stands at `at` if it is a number with a point or an exponent, else 0. */
static size_t real_length(const char *at)
{
    size_t length = strspn(at, "+-.0123456789eE");
    bool number = at[0] == '-' || (at[0] >= '0' && at[0] <= '9');
    return number && strcspn(at, ".eE") < length ? length : 0;
}

/* Where a text that begins at `at` with its quote ends. */
static const char *end_of_text(const char *at)
{
    for (at++; *at != '"' && *at != '\0'; at++) {
        at += at[0] == '\\' && at[1] != '\0' ? 1 : 0;
    }
    return *at == '"' ? at + 1 : at;
}

/* jansson writes 17 digits, 3.5099999999999998. In place: the shortest number that reads back as
 * the same, 3.51. */
static void shorten_numbers(char *json)
{
    char *to = json;
    for (const char *at = json; *at != '\0';) {
        char shorter[PHUSA_DOUBLE_CHARS];
        size_t length = real_length(at), printed = 0;
        double value;
        if (length > 0 && phusa_double_parse(at, length, &value)) {
            printed = phusa_double_print(value, shorter);
        }
        if (printed > 0 && printed + LENGTH_SAVED < length) {
            memcpy(to, shorter, printed);
            to += printed;
            at += length;
            continue;
        }
        const char *end = *at == '"' ? end_of_text(at) : at + (length > 0 ? length : 1);
        memmove(to, at, (size_t)(end - at));
        to += end - at;
        at = end;
    }
    *to = '\0';
}

void value_add(struct text_buffer *out, json_t *value)
{
    char *printed = value == NULL ? NULL : json_dumps(value, JSON_COMPACT);
    if (printed == NULL) {
        out->failed = true; /* out of memory */
    } else {
        shorten_numbers(printed);
        text_buffer_add_text(out, printed);
    }
    free(printed);
    json_decref(value);
}
