/* /api/v1/status: the view as JSON, for machines. */
#include <jansson.h>

#include "console/console.h"

static json_t *seconds_or_null(int64_t time_ns)
{
    if (time_ns == 0) {
        return json_null();
    }
    return time_ns % SECOND_NS == 0 ? json_integer(time_ns / SECOND_NS)
                                    : json_real((double)time_ns / SECOND_NS);
}

/* NaN and infinity have no JSON. */
static json_t *number_or_null(double value)
{
    json_t *number = json_real(value);
    return number != NULL ? number : json_null();
}

static json_t *text(struct phusa_text value)
{
    return json_stringn(value.data == NULL ? "" : value.data, value.length);
}

static json_t *count(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static const char *link_name(enum console_link link)
{
    switch (link) {
    case CONSOLE_ONLINE:
        return "online";
    case CONSOLE_QUIET:
        return "quiet";
    case CONSOLE_OFFLINE:
        return "offline";
    case CONSOLE_NEVER_SEEN:
        break;
    }
    return "never_seen";
}

static json_t *readings_json(const struct console_station *station)
{
    json_t *array = json_array();
    for (size_t i = 0; i < station->reading_count; i++) {
        const struct console_reading *reading = &station->readings[i];
        (void)json_array_append_new(array, json_pack("{s:o, s:o, s:o, s:o, s:i}", "parameter",
                                                     text(reading->parameter->name), "value",
                                                     number_or_null(reading->value), "unit",
                                                     text(reading->parameter->unit), "time",
                                                     seconds_or_null(reading->time_ns), "flag",
                                                     (int)reading->flag));
    }
    return array;
}

/* Only the reasons that occurred. */
static json_t *reasons_json(const uint64_t reasons[PHUSA_REASON_COUNT])
{
    json_t *object = json_object();
    for (int reason = PHUSA_REASON_NONE + 1; reason < PHUSA_REASON_COUNT; reason++) {
        if (reasons[reason] > 0) {
            (void)json_object_set_new(object, phusa_reason_name((enum phusa_reason)reason),
                                      count(reasons[reason]));
        }
    }
    return object;
}

static json_t *station_json(const struct console_station *station)
{
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
        station->station->id, "site", station->station->site, "name", station->station->name,
        "state", link_name(station->link), "last_seen", seconds_or_null(station->last_seen_ns),
        "severity", severity_name(station->severity), "received", count(station->received),
        "duplicates", count(station->duplicates), "accepted", count(station->accepted),
        "quarantined", count(station->quarantined), "reasons", reasons_json(station->reasons),
        "reports", count(station->reports), "missing_reports", count(station->missing_reports),
        "readings", readings_json(station));
}

static json_t *alarm_json(const struct console_alarm *alarm)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:o, s:o}", "rule", alarm->rule->id, "station",
                     alarm->station->id, "site", alarm->station->site, "parameter",
                     text(alarm->rule->parameter->name), "severity", severity_name(alarm->severity),
                     "since", seconds_or_null(alarm->since_ns), "value",
                     number_or_null(alarm->value));
}

static void set_flags(json_t *object, const struct console_totals *totals)
{
    (void)json_object_set_new(object, "now", seconds_or_null(totals->now.ns));
    (void)json_object_set_new(object, "uptime", number_or_null((double)totals->up_ns / SECOND_NS));
    (void)json_object_set_new(object, "version",
                              json_string(totals->version == NULL ? "" : totals->version));
    (void)json_object_set_new(object, "ready", json_boolean(totals->ready));
    (void)json_object_set_new(object, "not_ready",
                              json_string(totals->not_ready == NULL ? "" : totals->not_ready));
    (void)json_object_set_new(object, "broker_connected", json_boolean(totals->broker_connected));
    (void)json_object_set_new(object, "journal_writable", json_boolean(totals->journal_writable));
    (void)json_object_set_new(object, "store_up", json_boolean(totals->store_up));
    (void)json_object_set_new(object, "store_problem", json_string(totals->store_problem));
    (void)json_object_set_new(object, "configuration_problem",
                              json_string(totals->configuration_problem));
    (void)json_object_set_new(object, "unknown_reasons", reasons_json(totals->unknown_reasons));
}

static json_t *totals_json(const struct console_totals *totals)
{
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {
        { "messages", totals->messages },
        { "journal_bytes", totals->journal_bytes },
        { "journal_records", totals->journal_records },
        { "journal_failures", totals->journal_failures },
        { "journal_unsynced", totals->journal_unsynced },
        { "pipeline_behind", totals->pipeline_behind },
        { "received", totals->received },
        { "duplicates", totals->duplicates },
        { "stored", totals->stored },
        { "pending", totals->pending },
        { "quarantined", totals->quarantined },
        { "receipts", totals->receipts },
        { "reconnects", totals->reconnects },
        { "store_requests", totals->store_requests },
        { "store_failures", totals->store_failures },
        { "store_bytes", totals->store_bytes },
        { "store_resent", totals->store_resent },
        { "store_rewinds", totals->store_rewinds },
        { "store_lines_refused", totals->store_lines_refused },
        { "store_rows_invalid", totals->store_rows_invalid },
        { "store_rows_ignored", totals->store_rows_ignored },
        { "spool_bytes", totals->spool_bytes },
        { "spool_records_waiting", totals->spool_records_waiting },
        { "transitions", totals->transitions },
        { "notifications_sent", totals->notifications_sent },
        { "notifications_retries", totals->notifications_retries },
        { "notifications_failed", totals->notifications_failed },
        { "notifications_dropped", totals->notifications_dropped },
        { "notifications_waiting", totals->notifications_waiting },
        { "configuration_loads", totals->configuration_loads },
        { "configuration_refused", totals->configuration_refused },
    };
    json_t *object = json_object();
    set_flags(object, totals);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        (void)json_object_set_new(object, counts[i].name, count(counts[i].value));
    }
    return object;
}

/* Prints a value and lets go of it. */
static void add_json(struct text_buffer *out, json_t *value)
{
    char *printed = value == NULL ? NULL : json_dumps(value, JSON_COMPACT);
    if (printed == NULL) {
        out->failed = true; /* out of memory */
    } else {
        text_buffer_add_text(out, printed);
    }
    free(printed);
    json_decref(value);
}

/* One station at a time: the whole as one tree would take many times the text's memory. */
void console_status(const struct console_view *view, struct text_buffer *out)
{
    text_buffer_add_text(out, "{\"totals\":");
    add_json(out, totals_json(&view->totals));
    text_buffer_add_text(out, ",\"stations\":[");
    for (size_t i = 0; i < view->station_count && !out->failed; i++) {
        text_buffer_add_text(out, i > 0 ? ",\n" : "");
        add_json(out, station_json(&view->stations[i]));
    }
    text_buffer_add_text(out, "],\"alarms\":[");
    for (size_t i = 0; i < view->alarm_count && !out->failed; i++) {
        text_buffer_add_text(out, i > 0 ? ",\n" : "");
        add_json(out, alarm_json(&view->alarms[i]));
    }
    text_buffer_add_text(out, "]}\n");
}
