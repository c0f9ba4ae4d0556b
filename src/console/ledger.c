/*
 * /api/v1/ledger: what came of each station's readings and reports, for machines and for
 * `phusa ledger`. Where all stations are listed, at most CONSOLE_LEDGER_GAPS_MAX gaps are named
 * one by one; a log's others are counted in "gaps_omitted". With ?station= all are named.
 */
#include <string.h>

#include "console/values.h"

#define GAP_ENTRIES_ALL SIZE_MAX

static json_t *gap_json(const struct console_gap *gap)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "first", value_count(gap->first), "last",
                     value_count(gap->last), "since", value_time(gap->since_ns), "closed",
                     gap->closed == NULL ? json_null() : json_string(gap->closed));
}

/* *left: how many gaps may still be named. */
static json_t *log_json(const struct console_log *log, size_t *left)
{
    char name[9];
    (void)snprintf(name, sizeof name, "%08x", (unsigned)log->log);
    const struct value_named counts[] = {
        { "highest", log->highest },   { "announced", log->announced },
        { "received", log->received }, { "filled", log->filled },
        { "missing", log->missing },   { "overwritten", log->overwritten },
        { "erased", log->erased },
    };
    json_t *object = json_pack("{s:s, s:b, s:o}", "log", name, "current", log->current,
                               "oldest_gap", value_time(log->oldest_gap_ns));
    value_set_counts(object, counts, sizeof counts / sizeof counts[0]);
    json_t *gaps = json_array();
    size_t named = log->gap_count < *left ? log->gap_count : *left;
    for (size_t i = 0; i < named; i++) {
        (void)json_array_append_new(gaps, gap_json(&log->gaps[i]));
    }
    *left -= named;
    (void)json_object_set_new(object, "gaps", gaps);
    if (named < log->gap_count) {
        (void)json_object_set_new(object, "gaps_omitted", value_count(log->gap_count - named));
    }
    return object;
}

static json_t *station_json(const struct console_station *station, size_t *left)
{
    const struct value_named counts[] = {
        { "received", station->received },
        { "duplicates", station->duplicates },
        { "stored", station->stored },
        { "quarantined", station->quarantined },
        { "pending", station->pending },
        { "reports", station->reports },
        { "missing_reports", station->missing_reports },
        { "closed_reports", station->closed_reports },
        { "went_back", station->went_back },
        { "renumbered", station->renumbered },
    };
    json_t *object =
        json_pack("{s:s, s:s, s:o, s:o}", "id", station->station->id, "site",
                  station->station->site, "oldest_gap", value_time(station->oldest_gap_ns),
                  "reasons", value_reasons(station->reasons));
    value_set_counts(object, counts, sizeof counts / sizeof counts[0]);
    json_t *logs = json_array();
    for (size_t i = 0; i < station->log_count; i++) {
        (void)json_array_append_new(logs, log_json(&station->logs[i], left));
    }
    (void)json_object_set_new(object, "logs", logs);
    return object;
}

static json_t *totals_json(const struct console_view *view)
{
    const struct console_totals *totals = &view->totals;
    uint64_t missing = 0, closed = 0;
    for (size_t i = 0; i < view->station_count; i++) {
        missing += view->stations[i].missing_reports;
        closed += view->stations[i].closed_reports;
    }
    const struct value_named counts[] = {
        { "received", totals->received }, { "duplicates", totals->duplicates },
        { "stored", totals->stored },     { "quarantined", totals->quarantined },
        { "pending", totals->pending },   { "missing_reports", missing },
        { "closed_reports", closed },
    };
    json_t *object = json_pack("{s:o, s:o, s:o}", "now", value_time(totals->now.ns),
                               "start_progress", value_number(totals->start_progress),
                               "unknown_reasons", value_reasons(totals->unknown_reasons));
    value_set_counts(object, counts, sizeof counts / sizeof counts[0]);
    return object;
}

/* One station at a time: the whole as one tree would take many times the text's memory. */
bool console_ledger(const struct console_view *view, const char *station, struct text_buffer *out)
{
    size_t left = station == NULL ? CONSOLE_LEDGER_GAPS_MAX : GAP_ENTRIES_ALL;
    bool found = station == NULL, any = false;
    text_buffer_add_text(out, "{\"totals\":");
    value_add(out, totals_json(view));
    text_buffer_add_text(out, ",\"stations\":[");
    for (size_t i = 0; i < view->station_count && !out->failed; i++) {
        const struct console_station *at = &view->stations[i];
        if (station != NULL && strcmp(at->station->id, station) != 0) {
            continue;
        }
        found = true;
        text_buffer_add_text(out, any ? ",\n" : "");
        value_add(out, station_json(at, &left));
        any = true;
    }
    text_buffer_add_text(out, "]}\n");
    return found;
}
