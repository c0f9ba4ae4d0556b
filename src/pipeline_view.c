/* A copy of the pipeline's state for the console. */
#include <stdlib.h>
#include <string.h>

#include "pipeline_state.h"

static int by_parameter(const void *a, const void *b)
{
    struct phusa_text left = ((const struct console_reading *)a)->parameter->name;
    struct phusa_text right = ((const struct console_reading *)b)->parameter->name;
    size_t common = left.length < right.length ? left.length : right.length;
    int order = memcmp(left.data, right.data, common);
    return order != 0 ? order : (left.length > right.length) - (left.length < right.length);
}

static int by_site(const void *a, const void *b)
{
    const struct station *left = ((const struct console_station *)a)->station;
    const struct station *right = ((const struct console_station *)b)->station;
    int order = strcmp(left->site, right->site);
    return order != 0 ? order : strcmp(left->id, right->id);
}

static int by_gravity(const void *a, const void *b)
{
    const struct console_alarm *left = a, *right = b;
    if (left->severity != right->severity) {
        return left->severity > right->severity ? -1 : 1;
    }
    return (left->since_ns > right->since_ns) - (left->since_ns < right->since_ns);
}

static enum console_link link_of(const struct station_state *state, int64_t now_ns)
{
    if (state->last_seen_ns == 0) {
        return CONSOLE_NEVER_SEEN;
    }
    if (state->has_status && !state->online) {
        return CONSOLE_OFFLINE;
    }
    return now_ns - state->last_seen_ns > 3 * state->station->every_ns ? CONSOLE_QUIET
                                                                       : CONSOLE_ONLINE;
}

static bool copy_readings(const struct station_state *state, struct console_station *out)
{
    out->readings = calloc(state->series_count + 1, sizeof *out->readings);
    if (out->readings == NULL) {
        return false;
    }
    for (size_t i = 0; i < state->series_count; i++) {
        if (state->series[i].has_last) {
            out->readings[out->reading_count++] = state->series[i].last;
        }
    }
    qsort(out->readings, out->reading_count, sizeof *out->readings, by_parameter);
    return true;
}

static bool copy_station(const struct station_state *state, int64_t now_ns,
                         struct console_station *out)
{
    *out = (struct console_station){ .station = state->station,
                                     .link = link_of(state, now_ns),
                                     .last_seen_ns = state->last_seen_ns,
                                     .received = state->received,
                                     .duplicates = state->duplicates,
                                     .accepted = state->accepted,
                                     .quarantined = state->quarantined,
                                     .reports = state->reports };
    memcpy(out->reasons, state->reasons, sizeof out->reasons);
    for (size_t i = 0; i < state->log_count; i++) {
        out->missing_reports += sequence_missing(&state->logs[i]->sequence);
    }
    for (size_t i = 0; i < state->series_count; i++) {
        for (size_t k = 0; k < state->series[i].alarm_count; k++) {
            enum severity severity = state->series[i].alarms[k].state.live.state;
            out->severity = severity > out->severity ? severity : out->severity;
        }
    }
    return copy_readings(state, out);
}

static size_t copy_alarms(const struct station_state *state, struct console_alarm *out)
{
    size_t count = 0;
    for (size_t i = 0; i < state->series_count; i++) {
        for (size_t k = 0; k < state->series[i].alarm_count; k++) {
            const struct alarm_slot *slot = &state->series[i].alarms[k];
            if (slot->state.live.state == SEVERITY_NORMAL) {
                continue;
            }
            if (out != NULL) {
                out[count] =
                    (struct console_alarm){ slot->rule, state->station, slot->state.live.state,
                                            slot->state.live.since_ns, slot->state.value };
            }
            count++;
        }
    }
    return count;
}

bool pipeline_fill_view(const struct pipeline *pipeline, int64_t now_ns, struct console_view *view)
{
    size_t alarms = 0;
    for (size_t i = 0; i < pipeline->station_count; i++) {
        alarms += copy_alarms(&pipeline->stations[i], NULL);
    }
    view->utc_offset_s = pipeline->settings->utc_offset_s;
    view->stations = calloc(pipeline->station_count + 1, sizeof *view->stations);
    view->alarms = calloc(alarms + 1, sizeof *view->alarms);
    if (view->stations == NULL || view->alarms == NULL) {
        return false;
    }
    for (size_t i = 0; i < pipeline->station_count; i++) {
        view->station_count = i + 1;
        if (!copy_station(&pipeline->stations[i], now_ns, &view->stations[i])) {
            return false;
        }
        view->alarm_count += copy_alarms(&pipeline->stations[i], view->alarms + view->alarm_count);
    }
    qsort(view->stations, view->station_count, sizeof *view->stations, by_site);
    qsort(view->alarms, view->alarm_count, sizeof *view->alarms, by_gravity);
    return true;
}

void pipeline_view_free(struct console_view *view)
{
    for (size_t i = 0; view->stations != NULL && i < view->station_count; i++) {
        free(view->stations[i].readings);
    }
    free(view->stations);
    free(view->alarms);
}
