/*
 * The flow, on one page.
 *
 *   take ─► identify (topic, registry) ─► decode (SenML) ─► number (log, seq: receipts, gaps)
 *        ─► check (name, parameter, unit, value, time, first value wins, range)
 *        ─► write (line protocol) ─► decide (rules)
 *
 * What fails a step is set aside with its reason and counted; the next one goes on.
 */
#include "pipeline.h"

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
    if (!phusa_text_equal(topic->site, phusa_text_of(found->station->site))) {
        return PHUSA_REASON_SITE;
    }
    return PHUSA_REASON_NONE;
}

/* --- check ----------------------------------------------------------------------- */

/* Puts the last one where it belongs by time, which is nearly always where it is. */
static void sort_in(struct accepted *accepted, size_t last)
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
            struct set_aside item = { .reason = reason,
                                      .record = record,
                                      .detail = check_detail(reason),
                                      .name = name,
                                      .value = reading->value,
                                      .time_ns = reading->time_ns,
                                      .reading = reading,
                                      .time_doubtful = pipeline->report.has_boot };
            flow_set_aside(pipeline, station, &item);
        } else if (accepted->series != NO_SERIES) {
            sort_in(pipeline->accepted, count);
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
    line_writer_init(&writer, pipeline->lines, LINES_BYTES);
    for (size_t i = 0; i < count; i++) {
        const struct accepted *accepted = &pipeline->accepted[i];
        if (i == 0 || accepted->time_ns != accepted[-1].time_ns) {
            line_begin(&writer, station->head);
        }
        struct phusa_text field = station->series[accepted->series].parameter->name;
        line_field_double(&writer, field, accepted->value);
        line_field_int(&writer, field, flag_suffix, (int64_t)accepted->flag);
        if (i + 1 == count || accepted[1].time_ns != accepted->time_ns) {
            (void)line_end(&writer, accepted->time_ns);
        }
    }
    station->counts.accepted += count;
    pipeline->counters.accepted += count;
    if (pipeline->sink.lines != NULL && writer.used > 0) {
        pipeline->sink.lines(pipeline->sink.context,
                             (struct phusa_text){ pipeline->lines, writer.used }, (uint32_t)count,
                             position);
    }
}

/* --- decide ------------------------------------------------------------------------ */

void flow_tell(struct pipeline *pipeline, const struct notice *notice)
{
    pipeline->counters.transitions += notice->transition ? 1 : 0;
    if (pipeline->sink.notice != NULL) {
        pipeline->sink.notice(pipeline->sink.context, notice);
    }
}

static void tell(struct pipeline *pipeline, const struct station *station, const struct rule *rule,
                 const struct alarm_change *change, uint64_t position)
{
    struct notice notice = { .rule = rule,
                             .station = station,
                             .from = change->from,
                             .to = change->to,
                             .time_ns = change->time_ns,
                             .since_ns = change->since_ns,
                             .value = change->value,
                             .historical = change->historical,
                             .transition = change->transition,
                             .tell = change->tell,
                             .position = position };
    flow_tell(pipeline, &notice);
}

static void decide(struct pipeline *pipeline, struct station_state *state,
                   const struct accepted *accepted, int64_t received_ns, uint64_t position)
{
    const struct station *station = state->station;
    struct series *series = &state->series[accepted->series];
    if (accepted->judged && pipeline->sink.reading != NULL) {
        struct pipeline_sample sample = { .station = phusa_text_of(station->id),
                                          .parameter = series->parameter->name,
                                          .value = accepted->value,
                                          .time_ns = accepted->time_ns,
                                          .received_ns = received_ns };
        pipeline->sink.reading(pipeline->sink.context, &sample, accepted->flag);
    }
    for (size_t i = 0; accepted->judged && i < series->alarm_count; i++) {
        struct alarm_slot *slot = &series->alarms[i];
        if ((slot->rule->accept & (1u << accepted->flag)) == 0) {
            continue;
        }
        struct alarm_reading reading = { .time_ns = accepted->time_ns,
                                         .value = accepted->value,
                                         .live = alarm_is_live(slot->rule, station->every_ns,
                                                               accepted->time_ns, pipeline->now_ns),
                                         .every_ns = station->every_ns };
        struct alarm_change changes[ALARM_CHANGES_MAX];
        size_t count = alarm_judge(slot->rule, &slot->state, &reading, changes);
        for (size_t k = 0; k < count; k++) {
            tell(pipeline, station, slot->rule, &changes[k], position);
        }
    }
}

/* --- take --------------------------------------------------------------------------- */

void flow_take_readings(struct pipeline *pipeline, struct station_state *station,
                        const struct journal_record *record)
{
    size_t count = check_report(pipeline, station, record);
    write_lines(pipeline, station, count, record->position);
    for (size_t i = 0; i < count; i++) {
        decide(pipeline, station, &pipeline->accepted[i], record->time.ns, record->position);
    }
}

static void take_report(struct pipeline *pipeline, struct station_state *station,
                        const struct journal_record *record)
{
    struct phusa_senml_error error = { 0 };
    pipeline->report = (struct phusa_report){ .readings = pipeline->readings,
                                              .capacity = PHUSA_REPORT_READINGS_MAX };
    enum phusa_status status =
        (record->flags & JOURNAL_FLAG_CUT) != 0
            ? PHUSA_ERR_OVERSIZED
            : phusa_senml_decode(record->payload.data, record->payload.length, record->time.ns,
                                 &pipeline->report, &pipeline->scratch, &error);
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
    switch (record->kind) {
    case JOURNAL_MESSAGE:
        pipeline->counters.messages++;
        flow_take_message(pipeline, record);
        break;
    case JOURNAL_TICK:
        ledger_tick(pipeline, record->position);
        break;
    case JOURNAL_REQUEUED:
        requeue_take(pipeline, record);
        break;
    default:
        break; /* settings and links are the collector's */
    }
    pipeline->position = record->position;
}

enum phusa_reason pipeline_take_sample(struct pipeline *pipeline,
                                       const struct pipeline_sample *sample)
{
    struct station_state *station = state_find(pipeline, sample->station);
    if (station == NULL) {
        return PHUSA_REASON_STATION;
    }
    const struct phusa_parameter *parameter =
        phusa_catalogue_find(&pipeline->settings->catalogue, sample->parameter);
    if (parameter == NULL) {
        return PHUSA_REASON_PARAMETER;
    }
    pipeline->counters.received++;
    pipeline->now_ns = sample->received_ns;
    pipeline->again = false;
    enum phusa_reason reason =
        check_value(pipeline, station, parameter, sample, &pipeline->accepted[0]);
    if (reason == PHUSA_REASON_NONE && pipeline->accepted[0].series != NO_SERIES) {
        write_lines(pipeline, station, 1, pipeline->position);
        decide(pipeline, station, &pipeline->accepted[0], sample->received_ns, pipeline->position);
    }
    return reason;
}
