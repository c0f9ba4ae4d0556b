/* A copy of the windows of one station for the console. */
#include <math.h>
#include <stdlib.h>

#include "pipeline_state.h"

#define HOUR_NS (INT64_C(3600) * SECOND_NS)

_Static_assert((int)RULE_1H == (int)WINDOW_1H && (int)RULE_NIGHT == (int)WINDOW_NIGHT,
               "kinds of windows are told by the same numbers");

/* What is copied, and for whom. */
struct copying {
    const struct pipeline *pipeline;
    const struct station_state *station;
    const struct console_windows_query *query;
    int64_t now_ns;
    struct console_windows *out;
    size_t capacity;
};

static bool is_asked(const struct copying *copying, const struct series *series,
                     enum window_kind kind)
{
    const char *parameter = copying->query->parameter;
    return (copying->query->kinds & WINDOW_BIT(kind)) != 0 &&
           (parameter == NULL ||
            phusa_text_equal(series->parameter->name, phusa_text_of(parameter)));
}

static bool room_for_one(struct copying *copying)
{
    struct console_windows *out = copying->out;
    if (out->window_count < copying->capacity) {
        return true;
    }
    size_t capacity = copying->capacity == 0 ? 64 : copying->capacity * 2;
    struct console_window *windows = realloc(out->windows, capacity * sizeof *windows);
    if (windows != NULL) {
        out->windows = windows;
        copying->capacity = capacity;
    }
    return windows != NULL;
}

/* --- windows of readings ------------------------------------------------------------------ */

static int64_t local_hour(const struct copying *copying, int64_t time_ns)
{
    return (time_ns + copying->pipeline->settings->utc_offset_s * SECOND_NS) / HOUR_NS;
}

static struct console_window window_of(const struct copying *copying, const struct series *series,
                                       enum window_kind kind, int64_t end_ns,
                                       const struct window_numbers *numbers)
{
    bool enough = numbers->enough;
    struct console_window window = { .parameter = series->parameter,
                                     .kind = (enum rule_length)kind,
                                     .end_ns = end_ns,
                                     .mean = enough ? numbers->mean : (double)NAN,
                                     .min = enough ? numbers->min : (double)NAN,
                                     .max = enough ? numbers->max : (double)NAN,
                                     .sum = enough ? numbers->sum : (double)NAN,
                                     .coverage = numbers->coverage,
                                     .count = numbers->count };
    window.corrected = corrections_look(series, kind, local_hour(copying, end_ns),
                                        &window.first_known, &window.first);
    return window;
}

/* The ends of hours within what is asked for, oldest first. */
static bool copy_kind(struct copying *copying, const struct series *series, enum window_kind kind)
{
    struct window_settings settings = windows_settings(copying->station, series);
    if (!is_asked(copying, series, kind) || (settings.kinds & WINDOW_BIT(kind)) == 0) {
        return true;
    }
    int64_t newest = local_hour(copying, copying->now_ns);
    for (int64_t hour = newest - copying->query->hours + 1; hour <= newest; hour++) {
        int64_t end_ns = hour * HOUR_NS - settings.utc_offset_s * SECOND_NS;
        struct window_numbers numbers;
        if (!window_told(series->windows, &settings, kind, end_ns, &numbers)) {
            continue;
        }
        if (!room_for_one(copying)) {
            return false;
        }
        copying->out->windows[copying->out->window_count++] =
            window_of(copying, series, kind, end_ns, &numbers);
    }
    return true;
}

/* --- a trap's nights ---------------------------------------------------------------------- */

static bool copy_night(struct copying *copying, const struct series *series)
{
    struct console_windows *out = copying->out;
    if (series->trap->told.end_ns == 0 || !is_asked(copying, series, WINDOW_NIGHT)) {
        return true;
    }
    if (!room_for_one(copying)) {
        return false;
    }
    const struct trap_night *told = &series->trap->told;
    struct console_night *night = &out->nights[out->night_count++];
    *night = view_night(series->parameter, told);
    out->windows[out->window_count++] = (struct console_window){ .parameter = series->parameter,
                                                                 .kind = RULE_NIGHT,
                                                                 .end_ns = told->end_ns,
                                                                 .mean = NAN,
                                                                 .min = NAN,
                                                                 .max = NAN,
                                                                 .sum = told->count,
                                                                 .coverage = told->coverage,
                                                                 .count = told->reports,
                                                                 .night = night };
    return true;
}

/* --- a station ------------------------------------------------------------------------------ */

static bool has_windows(const struct series *series)
{
    return series->windows != NULL || series->trap != NULL;
}

static int by_name(const void *a, const void *b)
{
    return view_by_name(*(const struct phusa_parameter *const *)a,
                        *(const struct phusa_parameter *const *)b);
}

/* The parameters that have windows, by name. */
static bool list_parameters(const struct station_state *station, struct console_windows *out)
{
    out->parameters = calloc(station->series_count + 1, sizeof(const struct phusa_parameter *));
    out->nights = calloc(station->series_count + 1, sizeof *out->nights);
    if (out->parameters == NULL || out->nights == NULL) {
        return false;
    }
    for (size_t i = 0; i < station->series_count; i++) {
        if (has_windows(&station->series[i])) {
            out->parameters[out->parameter_count++] = station->series[i].parameter;
        }
    }
    qsort(out->parameters, out->parameter_count, sizeof(const struct phusa_parameter *), by_name);
    return true;
}

static bool copy_series(struct copying *copying, const struct series *series)
{
    bool good = true;
    for (int kind = WINDOW_1H; series->windows != NULL && kind <= WINDOW_NIGHT; kind++) {
        good = good && copy_kind(copying, series, (enum window_kind)kind);
    }
    return good && (series->trap == NULL || copy_night(copying, series));
}

bool pipeline_fill_windows(struct pipeline *pipeline, const struct console_windows_query *query,
                           int64_t now_ns, struct console_windows *out)
{
    struct station_state *station = state_find(pipeline, phusa_text_of(query->station));
    struct copying copying = { pipeline, station, query, now_ns, out, 0 };
    if (station == NULL) {
        return true;
    }
    out->station = station->station;
    bool good = list_parameters(station, out);
    for (size_t i = 0; good && i < out->parameter_count; i++) {
        size_t index = (size_t)(out->parameters[i] - pipeline->settings->catalogue.parameters);
        good = copy_series(&copying, &station->series[station->series_of[index]]);
    }
    return good;
}

void pipeline_windows_free(struct console_windows *windows)
{
    free(windows->parameters);
    free(windows->nights);
    free(windows->windows);
}
