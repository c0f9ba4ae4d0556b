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

static struct alarm_slot *same_slot(struct series *series, const struct rule *rule)
{
    for (size_t i = 0; i < series->alarm_count; i++) {
        if (alarm_rule_same(series->alarms[i].rule, rule)) {
            return &series->alarms[i];
        }
    }
    return NULL;
}

/* What operators did with it, and how often it was told, stay with a rule of the same id. */
static struct alarm_slot *namesake(struct series *series, const struct rule *rule)
{
    for (size_t i = 0; i < series->alarm_count; i++) {
        if (strcmp(series->alarms[i].rule->id, rule->id) == 0) {
            return &series->alarms[i];
        }
    }
    return NULL;
}

static void move_life(struct alarm_slot *from, struct alarm_slot *to)
{
    to->life = from->life;
    from->life = NULL;
}

static void move_alarms(struct pipeline *pipeline, struct station_state *station,
                        struct series *from, struct series *to, int64_t at_ns)
{
    struct alarm_about about = about_station(station);
    for (size_t i = 0; i < from->alarm_count; i++) {
        struct alarm_slot *slot = &from->alarms[i];
        struct alarm_slot *kept = to == NULL ? NULL : same_slot(to, slot->rule);
        struct alarm_slot *named = to == NULL ? NULL : namesake(to, slot->rule);
        if (kept != NULL) {
            kept->state = slot->state;
            kept->rate = slot->rate;
            slot->rate = NULL;
        } else {
            flow_end_alarm(pipeline, &about, slot, at_ns);
        }
        if (named != NULL) {
            move_life(slot, named);
        }
    }
}

/* Alarms of the collector's own; those it does not raise any more end. */
static void move_own(struct pipeline *pipeline, const struct alarm_about *from,
                     struct alarm_slot **to, int64_t at_ns)
{
    for (int i = 0; i < MAINTENANCE_COUNT; i++) {
        struct alarm_slot *slot = from->own[i];
        if (slot == NULL) {
            continue;
        }
        if (to == NULL) {
            flow_end_alarm(pipeline, from, slot, at_ns);
            continue;
        }
        slot->rule = &pipeline->settings->maintenance.rules[i];
        to[i] = slot;
        from->own[i] = NULL;
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
        move_alarms(pipeline, from, old, fresh, at_ns);
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
static void move_station(struct station_state *from, struct station_state *to)
{
    to->ledger = from->ledger;
    from->ledger.log_count = 0; /* the logs are the other's now */
    to->counts = from->counts;
    to->receipt_due_ns = from->receipt_due_ns;
    to->clock = from->clock;
    to->clock_wrong_ns = from->clock_wrong_ns;
    gathered_move_station(from, to);
}

static struct place *same_place(struct pipeline *pipeline, const struct place *place)
{
    for (size_t i = 0; i < pipeline->place_count; i++) {
        if (strcmp(pipeline->places[i].station->id, place->station->id) == 0) {
            return &pipeline->places[i];
        }
    }
    return NULL;
}

static void move_places(struct pipeline *pipeline, struct pipeline *before, int64_t at_ns)
{
    struct alarm_about collector = about_collector(before);
    move_own(pipeline, &collector, pipeline->own, at_ns);
    for (size_t i = 0; i < before->place_count; i++) {
        struct alarm_about about = about_place(&before->places[i]);
        struct place *to = same_place(pipeline, &before->places[i]);
        move_own(pipeline, &about, to == NULL ? NULL : to->own, at_ns);
    }
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
            move_station(from, to);
        }
        struct alarm_about about = about_station(from);
        move_own(pipeline, &about, to == NULL ? NULL : to->own, at_ns);
        if (to != NULL) {
            ledger_enlist(pipeline, to, from->receipt_wanted);
        }
        move_series(pipeline, from, to, at_ns);
    }
    move_places(pipeline, before, at_ns);
    pipeline_clear(before);
    free(before);
    return true;
}

/* --- what was told --------------------------------------------------------------------- */

static void forget_own(struct alarm_slot *const own[MAINTENANCE_COUNT])
{
    for (int i = 0; i < MAINTENANCE_COUNT; i++) {
        if (own[i] != NULL && !pipeline_is_condition((enum maintenance)i)) {
            own[i]->state.told = SEVERITY_NORMAL;
        }
    }
}

void pipeline_forget_told(struct pipeline *pipeline)
{
    forget_own(pipeline->own);
    for (size_t i = 0; i < pipeline->place_count; i++) {
        forget_own(pipeline->places[i].own);
    }
    for (size_t i = 0; i < pipeline->station_count; i++) {
        struct station_state *station = &pipeline->stations[i];
        forget_own(station->own);
        for (size_t k = 0; k < station->series_count; k++) {
            struct series *series = &station->series[k];
            for (size_t a = 0; a < series->alarm_count; a++) {
                series->alarms[a].state.told = SEVERITY_NORMAL;
            }
        }
    }
}

static bool set_own_told(struct pipeline *pipeline, enum maintenance which, const char *station,
                         enum severity severity)
{
    struct alarm_about about;
    if (pipeline_is_condition(which) ||
        !alarms_about(pipeline, (int)which, phusa_text_of(station), &about)) {
        return false;
    }
    struct alarm_slot *slot = alarms_own_slot(pipeline, about.own, which);
    if (slot != NULL) {
        slot->state.told = severity;
    }
    if (about.state != NULL) {
        ledger_enlist(pipeline, about.state, false); /* for the next tick to say otherwise */
    }
    return slot != NULL;
}

bool pipeline_set_told(struct pipeline *pipeline, const char *rule, const char *station,
                       const char *parameter, enum severity severity)
{
    int which = maintenance_find(&pipeline->settings->maintenance, rule);
    if (which >= 0) {
        return set_own_told(pipeline, (enum maintenance)which, station, severity);
    }
    struct station_state *state = state_find(pipeline, phusa_text_of(station));
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
