/*
 * The flow, on one page.
 *
 *   take ─► identify (topic, registry) ─► decode (SenML) ─► number (log, seq: receipts, duplicates)
 *        ─► check (name, parameter, unit, value, time, first value wins, range)
 *        ─► write (line protocol) ─► decide (rules)
 *
 * What fails a step is set aside with its reason and counted; the next one goes on.
 */
#include "pipeline.h"

#include <math.h>
#include <string.h>

#include "phusa/topic.h"
#include "pipeline_state.h"
#include "quality/range.h"

/* Before this no clock of ours can have been set: 2001-01-01 UTC. */
#define TIME_LEAST_NS (INT64_C(978307200) * SECOND_NS)

/* --- set aside ------------------------------------------------------------------- */

static void set_aside(struct pipeline *pipeline, struct station_state *station,
                      struct set_aside *item)
{
    pipeline->counters.quarantined++;
    if (station != NULL) {
        station->quarantined++;
        station->reasons[item->reason]++;
        item->station = station->station;
    } else {
        pipeline->counters.unknown_reasons[item->reason]++;
    }
    if (pipeline->sink.set_aside != NULL) {
        pipeline->sink.set_aside(pipeline->sink.context, item);
    }
}

static void set_message_aside(struct pipeline *pipeline, struct station_state *station,
                              const struct journal_record *record, enum phusa_reason reason,
                              const char *detail, size_t offset)
{
    pipeline->counters.received++;
    if (station != NULL) {
        station->received++;
    }
    struct set_aside item = {
        .reason = reason, .record = record, .whole = true, .detail = detail, .offset = offset
    };
    set_aside(pipeline, station, &item);
}

static const char *reading_detail(enum phusa_reason reason)
{
    switch (reason) {
    case PHUSA_REASON_NAME:
        return "what stands before the parameter is neither empty, the station's id, nor one of "
               "its names";
    case PHUSA_REASON_PARAMETER:
        return "not in the catalogue";
    case PHUSA_REASON_UNIT:
        return "the parameter does not know this unit";
    case PHUSA_REASON_VALUE:
        return "not a finite number";
    case PHUSA_REASON_TIME:
        return "the time is not finite, before 2001, or beyond what can be stored";
    case PHUSA_REASON_CONFLICT:
        return "another value for this time came first";
    default:
        return phusa_reason_name(reason);
    }
}

/* --- identify -------------------------------------------------------------------- */

static enum phusa_reason identify(struct pipeline *pipeline, const struct journal_record *record,
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

static bool prefix_allowed(const struct station_state *station, struct phusa_text prefix)
{
    struct phusa_text id = { station->base_name, station->base_name_length - 1 };
    if (prefix.length == 0 || phusa_text_equal(prefix, id)) {
        return true;
    }
    if (prefix.length > id.length && prefix.data[prefix.length - id.length - 1] == ':' &&
        memcmp(prefix.data + prefix.length - id.length, id.data, id.length) == 0) {
        return true;
    }
    for (size_t i = 0; i < station->station->name_count; i++) {
        struct phusa_text name = phusa_text_of(station->station->names[i]);
        if (name.length > 0 && name.data[name.length - 1] == ':') {
            name.length--;
        }
        if (phusa_text_equal(prefix, name)) {
            return true;
        }
    }
    return false;
}

/* Splits a resolved name at its last colon. False if the part before it is not this station's. */
static bool parameter_name(const struct station_state *station, const struct phusa_reading *reading,
                           char *joined, struct phusa_text *parameter)
{
    struct phusa_text base = reading->base_name, name = reading->name;
    if (base.length == station->base_name_length && name.length > 0 &&
        memcmp(base.data, station->base_name, base.length) == 0 &&
        memchr(name.data, ':', name.length) == NULL) {
        *parameter = name; /* the usual case: our own station */
        return true;
    }
    struct phusa_text full = { joined, base.length + name.length };
    if (base.length > 0) {
        memcpy(joined, base.data, base.length);
    }
    if (name.length > 0) {
        memcpy(joined + base.length, name.data, name.length);
    }
    size_t split = full.length;
    while (split > 0 && joined[split - 1] != ':') {
        split--;
    }
    *parameter = (struct phusa_text){ joined + split, full.length - split };
    return prefix_allowed(station, (struct phusa_text){ joined, split > 0 ? split - 1 : 0 });
}

/* The parameter by its name; record `index` of a station's reports usually has the same one. */
static const struct phusa_parameter *find_parameter(const struct pipeline *pipeline,
                                                    struct station_state *station, size_t index,
                                                    struct phusa_text name)
{
    const struct phusa_catalogue *catalogue = &pipeline->settings->catalogue;
    uint16_t hint = index < HINTS_MAX ? station->hints[index] : NO_SERIES;
    if (hint != NO_SERIES && phusa_text_equal(catalogue->parameters[hint].name, name)) {
        return &catalogue->parameters[hint];
    }
    const struct phusa_parameter *found = phusa_catalogue_find(catalogue, name);
    if (found != NULL && index < HINTS_MAX) {
        station->hints[index] = (uint16_t)(found - catalogue->parameters);
    }
    return found;
}

/* Value and time of a reading of a known parameter: the first for a time wins, then its flag. */
static enum phusa_reason check_value(struct pipeline *pipeline, struct station_state *station,
                                     const struct phusa_parameter *parameter,
                                     const struct pipeline_sample *sample,
                                     struct accepted *accepted)
{
    if (!isfinite(sample->value)) {
        return PHUSA_REASON_VALUE;
    }
    if (sample->time_ns < TIME_LEAST_NS) {
        return PHUSA_REASON_TIME;
    }
    struct series *series = state_series(pipeline, station, parameter);
    if (series == NULL) {
        return PHUSA_REASON_STORE;
    }
    switch (history_note(&series->history, sample->time_ns, sample->value)) {
    case HISTORY_DUPLICATE:
        station->duplicates++;
        pipeline->counters.duplicates++;
        accepted->series = NO_SERIES;
        return PHUSA_REASON_NONE;
    case HISTORY_CONFLICT:
        return PHUSA_REASON_CONFLICT;
    case HISTORY_NEW:
    case HISTORY_NO_MEMORY: /* then it cannot be recognised if it comes again, which costs less than
                               its loss */
        break;
    }
    bool ahead = sample->time_doubtful ||
                 sample->time_ns - sample->received_ns > pipeline->settings->ahead_ns;
    *accepted =
        (struct accepted){ .series = (uint16_t)(series - station->series),
                           .time_ns = sample->time_ns,
                           .value = sample->value,
                           .flag = quality_flag(parameter, sample->value, sample->state, ahead),
                           .judged = !ahead && sample->state == PHUSA_DEVICE_MEASURING };
    if (!ahead && (!series->has_last || sample->time_ns >= series->last.time_ns)) {
        series->has_last = true;
        series->last = (struct console_reading){ parameter, sample->value, sample->time_ns,
                                                 (uint8_t)accepted->flag };
    }
    return PHUSA_REASON_NONE;
}

static enum phusa_reason check_reading(struct pipeline *pipeline, struct station_state *station,
                                       const struct phusa_reading *reading, size_t index,
                                       int64_t received_ns, struct phusa_text *name,
                                       struct accepted *accepted)
{
    char *joined = pipeline->lines; /* free at this point of the flow, and larger than any pack */
    if (!parameter_name(station, reading, joined, name)) {
        return PHUSA_REASON_NAME;
    }
    const struct phusa_parameter *parameter = find_parameter(pipeline, station, index, *name);
    if (parameter == NULL) {
        return PHUSA_REASON_PARAMETER;
    }
    if (reading->kind != PHUSA_VALUE_NUMBER && reading->kind != PHUSA_VALUE_BOOLEAN) {
        return PHUSA_REASON_VALUE;
    }
    struct pipeline_sample sample = { .value = reading->value,
                                      .time_ns = reading->time_ns,
                                      .received_ns = received_ns,
                                      .state = (enum phusa_device_state)reading->device_state,
                                      .time_doubtful = pipeline->report.has_boot };
    if (!phusa_unit_convert(parameter, reading->unit, &sample.value)) {
        return PHUSA_REASON_UNIT;
    }
    if (!reading->time_valid) {
        return PHUSA_REASON_TIME;
    }
    return check_value(pipeline, station, parameter, &sample, accepted);
}

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
            check_reading(pipeline, station, reading, i, record->time.ns, &name, accepted);
        if (reason != PHUSA_REASON_NONE) {
            struct set_aside item = { .reason = reason,
                                      .record = record,
                                      .detail = reading_detail(reason),
                                      .name = name,
                                      .value = reading->value,
                                      .time_ns = reading->time_ns };
            set_aside(pipeline, station, &item);
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
    station->accepted += count;
    pipeline->counters.accepted += count;
    if (pipeline->sink.lines != NULL && writer.used > 0) {
        pipeline->sink.lines(pipeline->sink.context,
                             (struct phusa_text){ pipeline->lines, writer.used }, (uint32_t)count,
                             position);
    }
}

/* --- decide ------------------------------------------------------------------------ */

static void tell(struct pipeline *pipeline, const struct station *station, const struct rule *rule,
                 const struct alarm_change *change, uint64_t position)
{
    pipeline->counters.transitions += change->transition ? 1 : 0;
    if (pipeline->sink.notice == NULL) {
        return;
    }
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
    pipeline->sink.notice(pipeline->sink.context, &notice);
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
                                                               accepted->time_ns, received_ns),
                                         .every_ns = station->every_ns };
        struct alarm_change changes[ALARM_CHANGES_MAX];
        size_t count = alarm_judge(slot->rule, &slot->state, &reading, changes);
        for (size_t k = 0; k < count; k++) {
            tell(pipeline, station, slot->rule, &changes[k], position);
        }
    }
}

/* --- take --------------------------------------------------------------------------- */

/* Notes log and seq for the receipt; true if this report came before. */
static bool number_report(struct pipeline *pipeline, struct station_state *station)
{
    const struct phusa_report *report = &pipeline->report;
    if (!report->has_log || !report->has_seq) {
        return false;
    }
    struct log_state *log = state_log(station, report->log);
    if (log == NULL) {
        return false; /* without memory there is no receipt: the station keeps the report */
    }
    station->numbered = true;
    state_want_receipt(pipeline, station);
    bool known = sequence_note(&log->sequence, report->seq) == SEQUENCE_KNOWN;
    /* One that was given up may come after all: then its readings tell whether they are known. */
    return known && log->sequence.given_up == 0;
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
    bool known = number_report(pipeline, station);
    station->reports++;
    if (status != PHUSA_OK) {
        set_message_aside(pipeline, station, record, phusa_reason_of(status),
                          error.what != NULL ? error.what : "larger than 65536 bytes",
                          error.offset);
        return;
    }
    station->received += pipeline->report.count;
    pipeline->counters.received += pipeline->report.count;
    if (known) {
        station->duplicates += pipeline->report.count;
        pipeline->counters.duplicates += pipeline->report.count;
        return;
    }
    size_t count = check_report(pipeline, station, record);
    write_lines(pipeline, station, count, record->position);
    for (size_t i = 0; i < count; i++) {
        decide(pipeline, station, &pipeline->accepted[i], record->time.ns, record->position);
    }
}

static void take_status(struct pipeline *pipeline, struct station_state *station,
                        const struct journal_record *record)
{
    struct phusa_status_message message;
    if (record->payload.length == 0) {
        return; /* the retained status was taken away */
    }
    enum phusa_status status = phusa_status_parse(record->payload, &message);
    if (status == PHUSA_OK && message.has_first &&
        (!message.has_next || message.first > message.next)) {
        status = PHUSA_ERR_RANGE; /* it would close gaps that are none */
    }
    if (status != PHUSA_OK) {
        set_message_aside(
            pipeline, station, record, phusa_reason_of(status),
            "a status message is a JSON object with state, log, and first not above next", 0);
        return;
    }
    station->has_status = true;
    station->online = message.online;
    if (!message.has_log) {
        return;
    }
    station->status_log = message.log;
    struct log_state *log = state_log(station, message.log);
    if (log != NULL && message.has_first) {
        (void)sequence_give_up_below(&log->sequence, message.first);
    }
    state_want_receipt(pipeline, station);
}

static void take_message(struct pipeline *pipeline, const struct journal_record *record)
{
    struct phusa_topic topic;
    struct station_state *station;
    pipeline->counters.messages++;
    enum phusa_reason reason = identify(pipeline, record, &topic, &station);
    if (reason != PHUSA_REASON_NONE) {
        set_message_aside(
            pipeline, station, record, reason,
            reason == PHUSA_REASON_TOPIC
                ? "a topic is phusa/1/<site>/<station>/<leaf>, ids in lower case: [a-z0-9-]"
                : (reason == PHUSA_REASON_SITE ? "the registry has this station elsewhere"
                                               : "the registry has no such station"),
            0);
        return;
    }
    station->last_seen_ns = record->time.ns;
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
    if (record->kind == JOURNAL_MESSAGE) {
        take_message(pipeline, record);
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
    enum phusa_reason reason =
        check_value(pipeline, station, parameter, sample, &pipeline->accepted[0]);
    if (reason == PHUSA_REASON_NONE && pipeline->accepted[0].series != NO_SERIES) {
        write_lines(pipeline, station, 1, pipeline->position);
        decide(pipeline, station, &pipeline->accepted[0], sample->received_ns, pipeline->position);
    }
    return reason;
}
