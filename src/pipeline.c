/*
 * The flow, on one page.
 *
 *   take ─► identify (topic, registry) ─► decode (SenML) ─► number (log, seq: receipts, gaps)
 *        ─► date (is its clock right?) ─► check (name, parameter, unit, value, time, first value
 *        wins, range)
 *        ─► derive (salinity, ...) ─► judge (quality tests) ─► write (line protocol)
 *        ─► decide (rules) ─► gather (windows, nights, indices)
 *
 * What fails a step is set aside with its reason and counted; the next one goes on.
 */
#include "pipeline.h"

#include <stdio.h>
#include <string.h>

#include "phusa/topic.h"
#include "pipeline_state.h"

/* --- set aside ------------------------------------------------------------------- */

void flow_set_aside(struct pipeline *pipeline, struct station_state *station,
                    struct set_aside *item)
{
    pipeline->counters.quarantined++;
    if (station != NULL) {
        station->counts.quarantined++;
        station->counts.reasons[item->reason]++;
        item->station = station->station;
    } else {
        pipeline->counters.unknown_reasons[item->reason]++;
    }
    if (pipeline->sink.set_aside != NULL) {
        pipeline->sink.set_aside(pipeline->sink.context, item);
    }
}

void flow_set_message_aside(struct pipeline *pipeline, struct station_state *station,
                            const struct journal_record *record, enum phusa_reason reason,
                            const char *detail, size_t offset)
{
    pipeline->counters.received++;
    if (station != NULL) {
        station->counts.received++;
    }
    struct set_aside item = {
        .reason = reason, .record = record, .whole = true, .detail = detail, .offset = offset
    };
    flow_set_aside(pipeline, station, &item);
}

/* --- identify -------------------------------------------------------------------- */

enum phusa_reason flow_identify(struct pipeline *pipeline, const struct journal_record *record,
                                struct phusa_topic *topic, struct station_state **station)
{
    *station = NULL;
    if (phusa_topic_parse(record->topic, topic) != PHUSA_OK) {
        return PHUSA_REASON_TOPIC;
    }
    struct station_state *found = state_find(pipeline, topic->station);
    if (found == NULL) {
        return PHUSA_REASON_STATION;
    }
    *station = found;
    if (!phusa_text_equal(topic->site, (struct phusa_text){ found->site, found->site_length })) {
        return PHUSA_REASON_SITE;
    }
    return PHUSA_REASON_NONE;
}

/* --- check ----------------------------------------------------------------------- */

void flow_sort_in(struct accepted *accepted, size_t last)
{
    for (size_t at = last; at > 0 && accepted[at - 1].time_ns > accepted[at].time_ns; at--) {
        struct accepted later = accepted[at - 1];
        accepted[at - 1] = accepted[at];
        accepted[at] = later;
    }
}

/* Checks all readings of the report; those that pass stand in pipeline->accepted, by time. */
static size_t check_report(struct pipeline *pipeline, struct station_state *station,
                           const struct journal_record *record)
{
    size_t count = 0;
    for (size_t i = 0; i < pipeline->report.count; i++) {
        const struct phusa_reading *reading = &pipeline->report.readings[i];
        struct accepted *accepted = &pipeline->accepted[count];
        struct phusa_text name = { 0 };
        enum phusa_reason reason =
            check_reading(pipeline, station, i, record->time.ns, &name, accepted);
        if (reason != PHUSA_REASON_NONE) {
            struct station_clock_place place = clock_place(pipeline, reading);
            struct set_aside item = { .reason = reason,
                                      .record = record,
                                      .detail = check_detail(reason),
                                      .name = name,
                                      .value = reading->value,
                                      .time_ns = place.time_ns,
                                      .reading = reading,
                                      .reconstructed = place.reconstructed };
            flow_set_aside(pipeline, station, &item);
        } else if (accepted->series != NO_SERIES) {
            state_expect_past(station, accepted);
            flow_sort_in(pipeline->accepted, count);
            count++;
        }
    }
    return count;
}

/* --- write ------------------------------------------------------------------------ */

/* One line for each time, all fields of that time in it. */
static void write_lines(struct pipeline *pipeline, struct station_state *station, size_t count,
                        uint64_t position)
{
    static const struct phusa_text flag_suffix = { "_qc", 3 };
    struct line_writer writer;
    uint32_t readings = 0, reconstructed = 0;
    bool moved = false; /* a reading of the line was */
    line_writer_init(&writer, pipeline->lines, LINES_BYTES);
    for (size_t i = 0; i < count; i++) {
        const struct accepted *accepted = &pipeline->accepted[i];
        if (i == 0 || accepted->time_ns != accepted[-1].time_ns) {
            line_begin(&writer, station->head);
            moved = false;
        }
        struct phusa_text field = station->series[accepted->series].parameter->name;
        line_field_double(&writer, field, accepted->value);
        if (!accepted->flag_later) {
            line_field_int(&writer, field, flag_suffix, (int64_t)accepted->flag);
            pipeline->counters.flagged[accepted->flag]++;
        }
        readings += accepted->derived ? 0 : 1;
        reconstructed += accepted->reconstructed && !accepted->derived ? 1 : 0;
        moved |= accepted->reconstructed;
        if (i + 1 == count || accepted[1].time_ns != accepted->time_ns) {
            if (moved) {
                line_field_int(&writer, PHUSA_TEXT(LINE_RECONSTRUCTED), PHUSA_TEXT(""), 1);
            }
            (void)line_end(&writer, accepted->time_ns);
        }
    }
    station->counts.accepted += readings;
    station->counts.reconstructed += reconstructed;
    pipeline->counters.accepted += readings;
    if (pipeline->sink.lines != NULL && writer.used > 0) {
        pipeline->sink.lines(pipeline->sink.context,
                             (struct phusa_text){ pipeline->lines, writer.used }, readings,
                             position);
    }
}

/* --- decide ------------------------------------------------------------------------ */

static void decide(struct pipeline *pipeline, struct station_state *station,
                   const struct accepted *accepted, int64_t received_ns)
{
    if (pipeline->sink.reading != NULL) {
        struct pipeline_sample sample = { .station = phusa_text_of(station->station->id),
                                          .parameter =
                                              station->series[accepted->series].parameter->name,
                                          .value = accepted->value,
                                          .time_ns = accepted->time_ns,
                                          .received_ns = received_ns };
        pipeline->sink.reading(pipeline->sink.context, &sample, accepted->flag);
    }
    alarms_decide(pipeline, station, accepted);
}

/* --- gather ------------------------------------------------------------------------- */

/* Into windows and nights; into windows when its flag is final. */
static void gather(struct pipeline *pipeline, struct station_state *station,
                   const struct accepted *accepted)
{
    bool valid = accepted->flag == PHUSA_FLAG_GOOD || accepted->flag == PHUSA_FLAG_NOT_EVALUATED;
    if (valid && station->station->trap.given) {
        traps_take(pipeline, station, accepted);
    }
    if (accepted->flag_later) {
        windows_await(pipeline, station, accepted->series);
    } else if (valid) {
        windows_take(pipeline, station, accepted->series, accepted->time_ns, accepted->value);
    }
}

/* What has become final comes before what closes, so that windows hold it. */
static void tick_station(struct pipeline *pipeline, struct station_state *station)
{
    station->due_ns = INT64_MAX; /* each says anew when it has something to do */
    for (size_t k = 0; k < station->series_count; k++) {
        quality_tick(pipeline, station, (uint16_t)k);
    }
    quality_write_finals(pipeline, station);
    for (size_t k = 0; k < station->series_count; k++) {
        windows_tick(pipeline, station, (uint16_t)k);
        traps_tick(pipeline, station, (uint16_t)k);
    }
    index_tick(pipeline, station);
    alarms_tick(pipeline, station);
}

static void catch_up(struct pipeline *pipeline, struct station_state *station)
{
    if (pipeline->now_ns >= station->due_ns) {
        tick_station(pipeline, station);
    }
}

void flow_tick(struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->station_count; i++) {
        catch_up(pipeline, &pipeline->stations[i]);
    }
}

/* --- take --------------------------------------------------------------------------- */

/* The newest reading of a series as it is judged so far, for people. */
static void note_judged(struct station_state *station, const struct accepted *accepted)
{
    struct latest *last = &station->series[accepted->series].last;
    if (accepted->time_ns == last->time_ns) {
        last->flag = (uint8_t)accepted->flag;
        last->derived = accepted->derived;
    }
}

/* From pipeline->accepted, which holds `count` readings by time. */
static void take_accepted(struct pipeline *pipeline, struct station_state *station, size_t count,
                          int64_t received_ns)
{
    catch_up(pipeline, station);
    quality_judge(pipeline, station, pipeline->accepted, count);
    quality_judge_bus(pipeline, station);
    quality_mark_stuck(station, pipeline->accepted, count);
    count = derive_report(pipeline, station, count);
    write_lines(pipeline, station, count, pipeline->taking);
    quality_write_finals(pipeline, station);
    for (size_t i = 0; i < count; i++) {
        note_judged(station, &pipeline->accepted[i]);
        if (pipeline->accepted[i].judged) {
            decide(pipeline, station, &pipeline->accepted[i], received_ns);
            gather(pipeline, station, &pipeline->accepted[i]);
        }
    }
}

void flow_take_readings(struct pipeline *pipeline, struct station_state *station,
                        const struct journal_record *record)
{
    take_accepted(pipeline, station, check_report(pipeline, station, record), record->time.ns);
}

static void take_report(struct pipeline *pipeline, struct station_state *station,
                        const struct journal_record *record)
{
    struct phusa_senml_error error = { 0 };
    pipeline->report = (struct phusa_report){ .readings = pipeline->readings,
                                              .capacity = PHUSA_REPORT_READINGS_MAX };
    state_expect_report(station);
    enum phusa_status status =
        (record->flags & JOURNAL_FLAG_CUT) != 0
            ? PHUSA_ERR_OVERSIZED
            : phusa_senml_decode(record->payload.data, record->payload.length, record->time.ns,
                                 &pipeline->report, &pipeline->scratch, &error);
    state_expect_readings(station);
    pipeline->again = ledger_note(pipeline, station);
    station->counts.reports++;
    if (status != PHUSA_OK) {
        flow_set_message_aside(pipeline, station, record, phusa_reason_of(status),
                               error.what != NULL ? error.what : "larger than 65536 bytes",
                               error.offset);
        return;
    }
    station->counts.received += pipeline->report.count;
    pipeline->counters.received += pipeline->report.count;
    clock_judge(pipeline, station, record->time.ns);
    if (pipeline->again && !check_renumbered(pipeline, station)) {
        station->counts.duplicates += pipeline->report.count;
        pipeline->counters.duplicates += pipeline->report.count;
        return;
    }
    station->counts.renumbered += pipeline->again ? 1 : 0;
    pipeline->counters.renumbered += pipeline->again ? 1 : 0;
    flow_take_readings(pipeline, station, record);
}

static void take_status(struct pipeline *pipeline, struct station_state *station,
                        const struct journal_record *record)
{
    struct phusa_status_message message;
    if (record->payload.length == 0 || pipeline->put_back) {
        return; /* the retained status was taken away; or it is one of the past */
    }
    enum phusa_status status = phusa_status_parse(record->payload, &message);
    if (status == PHUSA_OK && message.has_first &&
        (!message.has_next || message.first > message.next)) {
        status = PHUSA_ERR_RANGE; /* it would close gaps that are none */
    }
    if (status != PHUSA_OK) {
        flow_set_message_aside(
            pipeline, station, record, phusa_reason_of(status),
            "a status message is a JSON object with state, log, and first not above next", 0);
        return;
    }
    ledger_status(pipeline, station, &message);
}

void flow_take_message(struct pipeline *pipeline, const struct journal_record *record)
{
    struct phusa_topic topic;
    struct station_state *station;
    enum phusa_reason reason = flow_identify(pipeline, record, &topic, &station);
    if (reason != PHUSA_REASON_NONE) {
        flow_set_message_aside(
            pipeline, station, record, reason,
            reason == PHUSA_REASON_TOPIC
                ? "a topic is phusa/1/<site>/<station>/<leaf>, ids in lower case: [a-z0-9-]"
                : (reason == PHUSA_REASON_SITE ? "the registry has this station elsewhere"
                                               : "the registry has no such station"),
            0);
        return;
    }
    if (!pipeline->put_back) {
        station->ledger.last_seen_ns = record->time.ns;
    }
    switch (topic.leaf) {
    case PHUSA_LEAF_OBS:
        take_report(pipeline, station, record);
        break;
    case PHUSA_LEAF_STATUS:
        take_status(pipeline, station, record);
        break;
    case PHUSA_LEAF_ACK:
    case PHUSA_LEAF_CMD:
    case PHUSA_LEAF_RSP:
    case PHUSA_LEAF_ALARM:
    case PHUSA_LEAF_BOARD:
        break; /* nothing that readings follow from */
    }
}

void pipeline_take(struct pipeline *pipeline, const struct journal_record *record)
{
    pipeline->now_ns = record->time.ns;
    pipeline->taking = record->position;
    silence_note(pipeline, record);
    switch (record->kind) {
    case JOURNAL_MESSAGE:
        pipeline->counters.messages++;
        flow_take_message(pipeline, record);
        break;
    case JOURNAL_TICK:
        ledger_tick(pipeline);
        conditions_tick(pipeline);
        silence_tick(pipeline); /* before the rules that it explains */
        flow_tick(pipeline);
        break;
    case JOURNAL_VERB:
        verbs_take(pipeline, record);
        break;
    case JOURNAL_CONDITION:
        conditions_take(pipeline, record);
        break;
    case JOURNAL_REQUEUED:
        requeue_take(pipeline, record);
        break;
    default:
        break; /* settings and links are the collector's */
    }
    flow_flush_extra(pipeline);
    pipeline->position = record->position;
}

void pipeline_tick(struct pipeline *pipeline, int64_t now_ns)
{
    pipeline->now_ns = now_ns;
    pipeline->taking = pipeline->position;
    flow_tick(pipeline);
    flow_flush_extra(pipeline);
}

/* Into *accepted; NO_SERIES when nothing follows from it. */
static enum phusa_reason take_sample(struct pipeline *pipeline, struct station_state *station,
                                     const struct pipeline_sample *sample,
                                     struct accepted *accepted)
{
    const struct phusa_parameter *parameter =
        phusa_catalogue_find(&pipeline->settings->catalogue, sample->parameter);
    accepted->series = NO_SERIES;
    if (parameter == NULL) {
        return PHUSA_REASON_PARAMETER;
    }
    pipeline->counters.received++;
    enum phusa_reason reason = check_value(pipeline, station, parameter, sample, accepted);
    if (reason == PHUSA_REASON_NONE && accepted->series == NO_SERIES) {
        check_count_duplicate(pipeline, station);
    }
    return reason;
}

enum phusa_reason pipeline_take_samples(struct pipeline *pipeline,
                                        const struct pipeline_sample *samples, size_t count)
{
    struct station_state *station = state_find(pipeline, samples[0].station);
    enum phusa_reason refused = PHUSA_REASON_NONE;
    size_t taken = 0;
    if (station == NULL) {
        return PHUSA_REASON_STATION;
    }
    pipeline->now_ns = samples[0].received_ns;
    pipeline->taking = pipeline->position;
    pipeline->again = false;
    for (size_t i = 0; i < count && taken < PHUSA_REPORT_READINGS_MAX; i++) {
        struct accepted *accepted = &pipeline->accepted[taken];
        enum phusa_reason reason = take_sample(pipeline, station, &samples[i], accepted);
        refused = reason != PHUSA_REASON_NONE ? reason : refused;
        taken += reason == PHUSA_REASON_NONE && accepted->series != NO_SERIES ? 1 : 0;
    }
    if (taken > 0) {
        take_accepted(pipeline, station, taken, samples[0].received_ns);
        flow_flush_extra(pipeline);
    }
    return refused;
}
