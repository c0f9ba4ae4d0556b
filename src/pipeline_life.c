/* The pipeline's beginning and end, its change of settings, its receipts. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "phusa/topic.h"
#include "pipeline_state.h"

#define RECEIPT_PAUSE_NS                                                                           \
    SECOND_NS /* a station's receipts come at most once a second (contract)                        \
               */

struct pipeline *pipeline_create(const struct settings *settings, const struct pipeline_sink *sink)
{
    struct pipeline *pipeline = calloc(1, sizeof *pipeline);
    if (pipeline == NULL) {
        return NULL;
    }
    pipeline->sink = *sink;
    pipeline->lines = malloc(LINES_BYTES);
    if (pipeline->lines == NULL || !pipeline_build(pipeline, settings)) {
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
    free(pipeline);
}

uint64_t pipeline_position(const struct pipeline *pipeline)
{
    return pipeline->position;
}

void pipeline_read_counters(const struct pipeline *pipeline, struct pipeline_counters *counters)
{
    *counters = pipeline->counters;
}

/* --- change of settings ---------------------------------------------------------------- */

/* The alarm ends with its rule: whoever was told of it is told so. */
static void end_alarm(struct pipeline *pipeline, const struct station *station,
                      const struct alarm_slot *slot, int64_t at_ns)
{
    if (slot->state.told == SEVERITY_NORMAL || pipeline->sink.notice == NULL) {
        return;
    }
    struct notice notice = { .rule = slot->rule,
                             .station = station,
                             .from = slot->state.told,
                             .to = SEVERITY_NORMAL,
                             .time_ns = at_ns,
                             .since_ns = at_ns,
                             .value = slot->state.value,
                             .transition = true,
                             .tell = true,
                             .position = pipeline->position };
    pipeline->sink.notice(pipeline->sink.context, &notice);
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
            end_alarm(pipeline, station, &from->alarms[i], at_ns);
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
            fresh->last.parameter = parameter;
        }
    }
}

/* Everything about the station that does not depend on settings goes over. */
static void move_station(struct pipeline *pipeline, struct station_state *from,
                         struct station_state *to)
{
    memcpy(to->logs, from->logs, sizeof to->logs);
    to->log_count = from->log_count;
    from->log_count = 0;
    to->numbered = from->numbered;
    to->has_status = from->has_status;
    to->online = from->online;
    to->status_log = from->status_log;
    to->receipt_due_ns = from->receipt_due_ns;
    to->last_seen_ns = from->last_seen_ns;
    to->reports = from->reports;
    to->received = from->received;
    to->duplicates = from->duplicates;
    to->accepted = from->accepted;
    to->quarantined = from->quarantined;
    memcpy(to->reasons, from->reasons, sizeof to->reasons);
    if (from->receipt_wanted) {
        state_want_receipt(pipeline, to);
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
            move_station(pipeline, from, to);
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
        for (size_t k = 0; k < station->series_count; k++) {
            struct series *series = &station->series[k];
            for (size_t a = 0; a < series->alarm_count; a++) {
                series->alarms[a].state.told = SEVERITY_NORMAL;
            }
        }
    }
}

bool pipeline_set_told(struct pipeline *pipeline, const char *rule, const char *station,
                       const char *parameter, enum severity severity)
{
    struct station_state *state = state_find(pipeline, phusa_text_of(station));
    const struct phusa_parameter *known =
        phusa_catalogue_find(&pipeline->settings->catalogue, phusa_text_of(parameter));
    struct series *series =
        state == NULL || known == NULL ? NULL : state_series(pipeline, state, known);
    for (size_t a = 0; series != NULL && a < series->alarm_count; a++) {
        if (strcmp(series->alarms[a].rule->id, rule) == 0) {
            series->alarms[a].state.told = severity;
            return true;
        }
    }
    return false;
}

/* --- receipts ---------------------------------------------------------------------------- */

static const struct log_state *named_log(const struct station_state *station)
{
    for (size_t i = 0; i < station->log_count; i++) {
        if (station->logs[i]->log == station->status_log) {
            return station->logs[i];
        }
    }
    return NULL;
}

static bool publish_receipt(const struct station_state *station,
                            bool (*publish)(void *context, const char *topic,
                                            struct phusa_text payload),
                            void *context)
{
    const struct log_state *log = named_log(station);
    if (!station->has_status || log == NULL) {
        return true; /* a receipt is only for the log that the station's status names; that will ask
                        again */
    }
    struct phusa_receipt receipt;
    char payload[PHUSA_MESSAGE_MAX], topic[PHUSA_TOPIC_MAX + 1];
    struct phusa_topic parts = { .site = phusa_text_of(station->station->site),
                                 .station = phusa_text_of(station->station->id),
                                 .leaf = PHUSA_LEAF_ACK };
    sequence_receipt(&log->sequence, log->log, &receipt);
    size_t length = phusa_receipt_print(&receipt, payload, sizeof payload);
    if (length == 0 || phusa_topic_print(&parts, topic, sizeof topic) == 0) {
        return true;
    }
    return publish(context, topic, (struct phusa_text){ payload, length });
}

uint64_t pipeline_receipts(struct pipeline *pipeline, mono_time now,
                           bool (*publish)(void *context, const char *topic,
                                           struct phusa_text payload),
                           void *context)
{
    size_t kept = 0;
    uint64_t published = 0;
    for (size_t i = 0; i < pipeline->wanting_count; i++) {
        struct station_state *station = pipeline->wanting[i];
        if (now.ns < station->receipt_due_ns || !publish_receipt(station, publish, context)) {
            pipeline->wanting[kept++] = station;
            continue;
        }
        station->receipt_wanted = false;
        station->receipt_due_ns = now.ns + RECEIPT_PAUSE_NS;
        published++;
    }
    pipeline->wanting_count = kept;
    return published;
}
