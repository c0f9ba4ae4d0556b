/*
 * /api/v1/windows?station=ID[&parameter=P][&window=KIND][&hours=N]: the windows of one station as
 * JSON, as they were told; one that was corrected says so and what was told at first.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "console/values.h"

static const char *const kind_names[CONSOLE_WINDOW_KINDS] = { "1h", "8h", "24h", "day", "night" };

void console_windows_free(struct console_windows *windows)
{
    if (windows != NULL) {
        windows->release(windows);
    }
}

/* --- what is asked for ---------------------------------------------------------------------- */

static void add_error(struct text_buffer *out, const char *text)
{
    value_add(out, json_pack("{s:s}", "error", text));
    text_buffer_add_text(out, "\n");
}

/* The kinds asked for as bits; 0 if there is no such kind. */
static unsigned read_kinds(const char *window)
{
    if (window == NULL) {
        return (1u << CONSOLE_WINDOW_KINDS) - 1;
    }
    for (unsigned kind = 0; kind < CONSOLE_WINDOW_KINDS; kind++) {
        if (strcmp(kind_names[kind], window) == 0) {
            return 1u << kind;
        }
    }
    return 0;
}

/* Whole hours, 0 if they are none. */
static int read_hours(const char *hours)
{
    if (hours == NULL) {
        return CONSOLE_WINDOW_HOURS_MAX;
    }
    size_t digits = strspn(hours, "0123456789");
    if (digits == 0 || digits > 2 || hours[digits] != '\0') {
        return 0;
    }
    long count = strtol(hours, NULL, 10);
    return count > CONSOLE_WINDOW_HOURS_MAX ? 0 : (int)count;
}

bool console_windows_ask(const char *station, const char *parameter, const char *window,
                         const char *hours, struct console_windows_query *query,
                         struct text_buffer *out)
{
    *query = (struct console_windows_query){ .station = station,
                                             .parameter = parameter,
                                             .kinds = read_kinds(window),
                                             .hours = read_hours(hours) };
    if (station == NULL || *station == '\0') {
        add_error(out, "whose windows? station=ID, and if wanted parameter=, window=, hours=");
        return false;
    }
    if (query->kinds == 0) {
        add_error(out, "window is 1h, 8h, 24h, day or night");
        return false;
    }
    if (query->hours == 0) {
        add_error(out, "hours is a whole number from 1 to 48");
        return false;
    }
    return true;
}

_Static_assert(CONSOLE_WINDOW_HOURS_MAX == 48, "as the answer says");

/* --- the answer ------------------------------------------------------------------------------ */

static json_t *text(struct phusa_text value)
{
    return json_stringn(value.data, value.length);
}

static void add_night(json_t *object, const struct console_night *night)
{
    (void)json_object_set_new(object, "outcome", json_string(console_outcome_name(night->outcome)));
    (void)json_object_set_new(object, "saturated", json_boolean(night->saturated));
    (void)json_object_set_new(object, "known_minutes", value_number(night->known_minutes));
    (void)json_object_set_new(object, "lamp_minutes", value_number(night->lamp_minutes));
    (void)json_object_set_new(object, "gated_minutes", value_number(night->gated_minutes));
}

static json_t *window_json(const struct console_window *window)
{
    json_t *object =
        json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "parameter",
                  text(window->parameter->name), "window", kind_names[window->kind], "time",
                  value_time(window->end_ns), "mean", value_number(window->mean), "min",
                  value_number(window->min), "max", value_number(window->max), "sum",
                  value_number(window->sum), "count", value_count(window->count), "coverage",
                  value_number(window->coverage), "corrected", window->corrected);
    if (window->corrected && window->first_known) {
        (void)json_object_set_new(object, "first", value_number(window->first));
    }
    if (window->night != NULL) {
        add_night(object, window->night);
    }
    return object;
}

static bool is_among(const char *parameter, const struct phusa_parameter *const *parameters,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (phusa_text_equal(parameters[i]->name, phusa_text_of(parameter))) {
            return true;
        }
    }
    return false;
}

/* It has windows, or will have some. */
static bool has_parameter(const struct console_windows *windows, const char *parameter)
{
    const struct station *station = windows->station;
    return is_among(parameter, windows->parameters, windows->parameter_count) ||
           is_among(parameter, station->parameters, station->parameter_count);
}

static void add_unknown_parameter(const struct console_windows *windows, struct text_buffer *out)
{
    struct text_buffer error = { 0 };
    text_buffer_add(&error, "%s has windows of ", windows->station->id);
    for (size_t i = 0; i < windows->parameter_count; i++) {
        struct phusa_text name = windows->parameters[i]->name;
        text_buffer_add(&error, "%s%.*s", i == 0 ? "" : ", ", (int)name.length, name.data);
    }
    text_buffer_add_text(&error, windows->parameter_count == 0 ? "nothing yet" : "");
    add_error(out, error.data == NULL ? "" : error.data);
    text_buffer_free(&error);
}

enum console_windows_answer console_windows(const struct console_windows *windows,
                                            const struct console_windows_query *query,
                                            struct text_buffer *out)
{
    if (windows->station == NULL) {
        add_error(out, "the registry has no such station; /api/v1/status lists all");
        return CONSOLE_WINDOWS_NO_STATION;
    }
    if (query->parameter != NULL && !has_parameter(windows, query->parameter)) {
        add_unknown_parameter(windows, out);
        return CONSOLE_WINDOWS_NO_PARAMETER;
    }
    /* Ids need no escapes. */
    text_buffer_add(out, "{\"station\":\"%s\",\"site\":\"%s\",\"windows\":[", windows->station->id,
                    windows->station->site);
    for (size_t i = 0; i < windows->window_count && !out->failed; i++) {
        text_buffer_add_text(out, i > 0 ? ",\n" : "");
        value_add(out, window_json(&windows->windows[i]));
    }
    text_buffer_add_text(out, "]}\n");
    return CONSOLE_WINDOWS_FOUND;
}
