/* /api/v1/status: the view as JSON, for machines. */
#include <stdio.h>

#include "console/values.h"

static json_t *text(struct phusa_text value)
{
    return json_stringn(value.data == NULL ? "" : value.data, value.length);
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

static json_t *tests_json(const struct console_tests *tests)
{
    const struct value_named counts[] = { { "gross", tests->gross },
                                          { "spike", tests->spike },
                                          { "rate", tests->rate },
                                          { "flat_line", tests->flat_line },
                                          { "attenuated", tests->attenuated },
                                          { "aggregate", tests->aggregate },
                                          { "gaps", tests->gaps },
                                          { "missed", tests->missed },
                                          { "early", tests->early } };
    json_t *object = json_pack("{s:o}", "time", value_time(tests->time_ns));
    size_t flags = tests->time_ns == 0 ? 6 : 0; /* none is final yet */
    value_set_counts(object, counts + flags, sizeof counts / sizeof counts[0] - flags);
    return object;
}

static json_t *reading_json(const struct console_reading *reading)
{
    json_t *object = json_pack(
        "{s:o, s:o, s:o, s:o, s:i, s:b}", "parameter", text(reading->parameter->name), "value",
        value_number(reading->value), "unit", text(reading->parameter->unit), "time",
        value_time(reading->time_ns), "flag", (int)reading->flag, "derived", reading->derived);
    if (reading->tests.given) {
        (void)json_object_set_new(object, "tests", tests_json(&reading->tests));
    }
    return object;
}

static json_t *readings_json(const struct console_station *station)
{
    json_t *array = json_array();
    for (size_t i = 0; i < station->reading_count; i++) {
        (void)json_array_append_new(array, reading_json(&station->readings[i]));
    }
    return array;
}

static json_t *word_or_null(const char *word)
{
    return word == NULL ? json_null() : json_string(word);
}

static json_t *seconds_or_null(bool known, int64_t ns)
{
    return known ? json_real((double)ns / SECOND_NS) : json_null();
}

static json_t *clock_json(const struct console_clock *clock)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:b}", "verdict", word_or_null(clock->verdict),
                     "clock", word_or_null(clock->said), "difference_s",
                     seconds_or_null(clock->has_difference, clock->difference_ns), "smallest_s",
                     seconds_or_null(clock->has_difference, clock->smallest_ns), "drift_ms_per_day",
                     clock->has_drift ? json_integer(clock->drift_ms_per_day) : json_null(),
                     "drifting", clock->drifting ? 1 : 0);
}

static json_t *night_json(const struct console_night *night)
{
    return json_pack("{s:o, s:o, s:s, s:o, s:b, s:o, s:o, s:o, s:o}", "parameter",
                     text(night->parameter->name), "time", value_time(night->end_ns), "outcome",
                     console_outcome_name(night->outcome), "count", value_number(night->count),
                     "saturated", night->saturated, "known_minutes",
                     value_number(night->known_minutes), "lamp_minutes",
                     value_number(night->lamp_minutes), "gated_minutes",
                     value_number(night->gated_minutes), "coverage", value_number(night->coverage));
}

static json_t *nights_json(const struct console_station *station)
{
    json_t *array = json_array();
    for (size_t i = 0; i < station->night_count; i++) {
        (void)json_array_append_new(array, night_json(&station->nights[i]));
    }
    return array;
}

static json_t *index_json(const struct console_index *index)
{
    char colour[8];
    if (index->end_ns == 0) {
        return json_null();
    }
    (void)snprintf(colour, sizeof colour, "#%02x%02x%02x", index->rgb[0], index->rgb[1],
                   index->rgb[2]);
    return json_pack("{s:i, s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:s, s:b, s:i}", "value",
                     index->value, "level", index->level, "vi", index->vi, "en", index->en,
                     "colour", colour, "dominant",
                     index->dominant == NULL ? json_null() : text(index->dominant->name), "time",
                     value_time(index->end_ns), "message_vi", index->message_vi, "message_en",
                     index->message_en, "corrected", index->corrected, "first", index->first);
}

/* What is made of its readings. */
static void set_made(json_t *object, const struct console_station *station)
{
    (void)json_object_set_new(object, "stuck", value_time(station->stuck_since_ns));
    if (station->station->trap.given) {
        (void)json_object_set_new(object, "nights", nights_json(station));
    }
    if (station->has_index) {
        (void)json_object_set_new(object, "index",
                                  json_pack("{s:o, s:o}", "hour", index_json(&station->hour), "day",
                                            index_json(&station->day)));
    }
}

static json_t *station_json(const struct console_station *station)
{
    const struct value_named counts[] = {
        { "received", station->received },
        { "duplicates", station->duplicates },
        { "accepted", station->accepted },
        { "stored", station->stored },
        { "pending", station->pending },
        { "time_reconstructed", station->reconstructed },
        { "quarantined", station->quarantined },
        { "reports", station->reports },
        { "missing_reports", station->missing_reports },
        { "closed_reports", station->closed_reports },
        { "went_back", station->went_back },
        { "renumbered", station->renumbered },
    };
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:s, s:o, s:o, s:o}", "id", station->station->id, "site",
        station->station->site, "name", station->station->name, "state", link_name(station->link),
        "last_seen", value_time(station->last_seen_ns), "severity",
        severity_name(station->severity), "oldest_gap", value_time(station->oldest_gap_ns),
        "reasons", value_reasons(station->reasons), "readings", readings_json(station));
    value_set_counts(object, counts, sizeof counts / sizeof counts[0]);
    (void)json_object_set_new(object, "clock", clock_json(&station->clock));
    set_made(object, station);
    return object;
}

static json_t *alarm_json(const struct console_alarm *alarm)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:o, s:o}", "rule", alarm->rule->id, "station",
                     alarm->station->id, "site", alarm->station->site, "parameter",
                     text(alarm->rule->parameter->name), "severity", severity_name(alarm->severity),
                     "since", value_time(alarm->since_ns), "value", value_number(alarm->value));
}

static void set_flags(json_t *object, const struct console_totals *totals)
{
    (void)json_object_set_new(object, "now", value_time(totals->now.ns));
    (void)json_object_set_new(object, "uptime", value_number((double)totals->up_ns / SECOND_NS));
    (void)json_object_set_new(object, "version",
                              json_string(totals->version == NULL ? "" : totals->version));
    (void)json_object_set_new(object, "ready", json_boolean(totals->ready));
    (void)json_object_set_new(object, "not_ready",
                              json_string(totals->not_ready == NULL ? "" : totals->not_ready));
    (void)json_object_set_new(object, "broker_connected", json_boolean(totals->broker_connected));
    (void)json_object_set_new(object, "journal_writable",
                              json_boolean(totals->journal_writable && !totals->journal_held));
    (void)json_object_set_new(object, "journal_held", json_boolean(totals->journal_held));
    (void)json_object_set_new(object, "start_progress", value_number(totals->start_progress));
    (void)json_object_set_new(object, "snapshot_age",
                              totals->snapshot_position == 0
                                  ? json_null()
                                  : value_number((double)totals->snapshot_age_ns / SECOND_NS));
    (void)json_object_set_new(object, "store_up", json_boolean(totals->store_up));
    (void)json_object_set_new(object, "store_problem", json_string(totals->store_problem));
    (void)json_object_set_new(object, "configuration_problem",
                              json_string(totals->configuration_problem));
    (void)json_object_set_new(object, "unknown_reasons", value_reasons(totals->unknown_reasons));
}

static json_t *totals_json(const struct console_totals *totals)
{
    const struct value_named counts[] = {
        { "messages", totals->messages },
        { "journal_bytes", totals->journal_bytes },
        { "journal_records", totals->journal_records },
        { "journal_failures", totals->journal_failures },
        { "journal_unsynced", totals->journal_unsynced },
        { "journal_sync_failures", totals->journal_sync_failures },
        { "journal_rewritten", totals->journal_rewritten },
        { "journal_damaged", totals->journal_damaged },
        { "snapshot_position", totals->snapshot_position },
        { "snapshot_bytes", totals->snapshot_bytes },
        { "broker_dropped", totals->broker_dropped },
        { "spool_lost", totals->spool_lost },
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
        { "windows_told", totals->windows_told },
        { "corrections", totals->corrections },
        { "configuration_loads", totals->configuration_loads },
        { "configuration_refused", totals->configuration_refused },
    };
    json_t *object = json_object();
    set_flags(object, totals);
    value_set_counts(object, counts, sizeof counts / sizeof counts[0]);
    return object;
}

/* One station at a time: the whole as one tree would take many times the text's memory. */
void console_status(const struct console_view *view, struct text_buffer *out)
{
    text_buffer_add_text(out, "{\"totals\":");
    value_add(out, totals_json(&view->totals));
    text_buffer_add_text(out, ",\"stations\":[");
    for (size_t i = 0; i < view->station_count && !out->failed; i++) {
        text_buffer_add_text(out, i > 0 ? ",\n" : "");
        value_add(out, station_json(&view->stations[i]));
    }
    text_buffer_add_text(out, "],\"alarms\":[");
    for (size_t i = 0; i < view->alarm_count && !out->failed; i++) {
        text_buffer_add_text(out, i > 0 ? ",\n" : "");
        value_add(out, alarm_json(&view->alarms[i]));
    }
    text_buffer_add_text(out, "]}\n");
}
