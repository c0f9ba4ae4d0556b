/* The pipeline's beginning and end, its change of settings, what was told of it. */
#include <stdlib.h>
#include <string.h>

#include "pipeline_state.h"

struct pipeline *pipeline_create(const struct settings *settings, const struct pipeline_sink *sink)
{
    struct pipeline *pipeline = calloc(1, sizeof *pipeline);
    if (pipeline == NULL) {
        return NULL;
    }
    pipeline->sink = *sink;
    pipeline->lines = malloc(LINES_BYTES);
    pipeline->extra.buffer = malloc(EXTRA_BYTES);
    if (pipeline->extra.buffer != NULL) {
        line_writer_init(&pipeline->extra, pipeline->extra.buffer, EXTRA_BYTES);
    }
    if (pipeline->lines == NULL || pipeline->extra.buffer == NULL ||
        !pipeline_build(pipeline, settings)) {
        pipeline_free(pipeline);
        return NULL;
    }
    return pipeline;
}

void pipeline_free(struct pipeline *pipeline)
{
    if (pipeline == NULL) {
        return;
    }
    pipeline_clear(pipeline);
    free(pipeline->lines);
    free(pipeline->extra.buffer);
    free(pipeline);
}

uint64_t pipeline_position(const struct pipeline *pipeline)
{
    return pipeline->position;
}

void pipeline_read_counters(const struct pipeline *pipeline, struct pipeline_counters *counters)
{
    *counters = pipeline->counters;
    for (size_t i = 0; i < pipeline->station_count; i++) {
        counters->pending += ledger_pending(&pipeline->stations[i].counts);
    }
    /* So stations that are no longer configured stay in the sum. */
    uint64_t waiting = counters->lost + counters->pending;
    counters->stored = counters->accepted > waiting ? counters->accepted - waiting : 0;
}

/* --- change of settings ---------------------------------------------------------------- */

/* An alarm ends with its rule or station: whoever was told of it is told so. */
static void end_alarm(struct pipeline *pipeline, const struct station *station,
                      const struct rule *rule, enum severity told, double value, int64_t at_ns)
{
    if (told == SEVERITY_NORMAL || pipeline->sink.notice == NULL) {
        return;
    }
    struct notice notice = { .rule = rule,
                             .station = station,
                             .from = told,
                             .to = SEVERITY_NORMAL,
                             .time_ns = at_ns,
                             .since_ns = at_ns,
                             .value = value,
                             .transition = true,
                             .tell = true,
                             .position = pipeline->taking > pipeline->position
                                             ? pipeline->taking
                                             : pipeline->position };
    pipeline->sink.notice(pipeline->sink.context, &notice);
}

void flow_end_alarm(struct pipeline *pipeline, const struct station *station,
                    struct alarm_slot *slot, int64_t at_ns)
{
    const struct alarm_series *state = &slot->state;
    if (state->live.any || state->told != SEVERITY_NORMAL) {
        pipeline->counters.transitions += state->told != SEVERITY_NORMAL ? 1 : 0;
        end_alarm(pipeline, station, slot->rule, state->told, state->value, at_ns);
        slot->state = (struct alarm_series){ 0 };
    }
}

static struct alarm_slot *same_slot(struct series *series, const struct rule *rule)
{
    for (size_t i = 0; i < series->alarm_count; i++) {
        if (alarm_rule_same(series->alarms[i].rule, rule)) {
            return &series->alarms[i];
        }
    }
    return NULL;
}

static void move_alarms(struct pipeline *pipeline, const struct station *station,
                        struct series *from, struct series *to, int64_t at_ns)
{
    for (size_t i = 0; i < from->alarm_count; i++) {
        struct alarm_slot *kept = to == NULL ? NULL : same_slot(to, from->alarms[i].rule);
        if (kept != NULL) {
            kept->state = from->alarms[i].state;
        } else {
            const struct alarm_slot *slot = &from->alarms[i];
            end_alarm(pipeline, station, slot->rule, slot->state.told, slot->state.value, at_ns);
        }
    }
}

static void move_series(struct pipeline *pipeline, struct station_state *from,
                        struct station_state *to, int64_t at_ns)
{
    for (size_t i = 0; i < from->series_count; i++) {
        struct series *old = &from->series[i];
        const struct phusa_parameter *parameter =
            to == NULL ? NULL
                       : phusa_catalogue_find(&pipeline->settings->catalogue, old->parameter->name);
        struct series *fresh = parameter == NULL ? NULL : state_series(pipeline, to, parameter);
        move_alarms(pipeline, from->station, old, fresh, at_ns);
        if (fresh != NULL) {
            fresh->history = old->history;
            history_init(&old->history, 1);
            fresh->has_last = old->has_last;
            fresh->last = old->last;
            gathered_move(pipeline, old, to, fresh);
        }
    }
}

/* Everything about the station that does not depend on settings goes over. */
static void move_station(struct pipeline *pipeline, struct station_state *from,
                         struct station_state *to)
{
    to->ledger = from->ledger;
    from->ledger.log_count = 0; /* the logs are the other's now */
    to->counts = from->counts;
    to->receipt_due_ns = from->receipt_due_ns;
    to->clock = from->clock;
    gathered_move_station(from, to);
    ledger_enlist(pipeline, to, from->receipt_wanted);
}

/* A station that is no longer configured. */
static void end_station(struct pipeline *pipeline, const struct settings *settings,
                        const struct station_state *from, int64_t at_ns)
{
    uint64_t missing;
    (void)ledger_oldest_gap(from, &missing);
    end_alarm(pipeline, from->station, &settings->maintenance.rules[MAINTENANCE_REPORTS_MISSING],
              from->ledger.gaps.told, (double)missing, at_ns);
}

bool pipeline_reconfigure(struct pipeline *pipeline, const struct settings *settings, int64_t at_ns)
{
    struct pipeline *before = malloc(sizeof *before);
    if (before == NULL) {
        return false;
    }
    *before = *pipeline; /* its tables; the scratch in it is not used */
    if (!pipeline_build(pipeline, settings)) {
        pipeline_clear(pipeline);
        *pipeline = *before;
        free(before);
        return false;
    }
    for (size_t i = 0; i < before->station_count; i++) {
        struct station_state *from = &before->stations[i];
        struct station_state *to = state_find(pipeline, phusa_text_of(from->station->id));
        if (to != NULL) {
            move_station(pipeline, from, to);
        } else {
            end_station(pipeline, before->settings, from, at_ns);
        }
        move_series(pipeline, from, to, at_ns);
    }
    pipeline_clear(before);
    free(before);
    return true;
}

/* --- what was told --------------------------------------------------------------------- */

void pipeline_forget_told(struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->station_count; i++) {
        struct station_state *station = &pipeline->stations[i];
        station->ledger.gaps.told = SEVERITY_NORMAL;
        for (size_t k = 0; k < station->series_count; k++) {
            struct series *series = &station->series[k];
            for (size_t a = 0; a < series->alarm_count; a++) {
                series->alarms[a].state.told = SEVERITY_NORMAL;
            }
        }
    }
}

static void set_gaps_told(struct pipeline *pipeline, struct station_state *station,
                          enum severity severity)
{
    station->ledger.gaps.told = severity;
    ledger_enlist(pipeline, station, false); /* for the next tick to say otherwise */
}

bool pipeline_set_told(struct pipeline *pipeline, const char *rule, const char *station,
                       const char *parameter, enum severity severity)
{
    struct station_state *state = state_find(pipeline, phusa_text_of(station));
    if (maintenance_find(&pipeline->settings->maintenance, rule) == MAINTENANCE_REPORTS_MISSING) {
        if (state != NULL) {
            set_gaps_told(pipeline, state, severity);
        }
        return state != NULL;
    }
    const struct phusa_parameter *known =
        phusa_catalogue_find(&pipeline->settings->catalogue, phusa_text_of(parameter));
    struct series *series =
        state == NULL || known == NULL ? NULL : state_series(pipeline, state, known);
    for (size_t a = 0; series != NULL && a < series->alarm_count; a++) {
        if (strcmp(series->alarms[a].rule->id, rule) == 0) {
            series->alarms[a].state.told = severity;
            flow_due(state, 0);
            return true;
        }
    }
    return false;
}
