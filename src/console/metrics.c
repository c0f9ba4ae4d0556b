/*
 * /metrics: Prometheus text format 0.0.4. Counters count from the beginning of
 * the journal or of the process, as console.h says; both may go back after
 * a restart, which Prometheus understands. Series of stations: (site, station);
 * messages of no known station have both empty.
 */
#include <stddef.h>
#include <string.h>

#include "console/console.h"

enum kind { COUNTER, GAUGE, GAUGE_SECONDS, GAUGE_SHARE, GAUGE_BOOL };

/* A family of one sample: a field of console_totals. */
struct single {
    const char *name, *help;
    enum kind kind;
    size_t offset;
};

#define TOTAL(field) offsetof(struct console_totals, field)

static const struct single singles[] = {
    { "phusa_clock_seconds", "Wall time of this run since 1970-01-01 UTC, simulated or not.",
      GAUGE_SECONDS, TOTAL(now) },
    { "phusa_uptime_seconds", "Real time since the process started.", GAUGE_SECONDS, TOTAL(up_ns) },
    { "phusa_ready", "1 when broker, journal and pipeline are as they should be.", GAUGE_BOOL,
      TOTAL(ready) },
    { "phusa_broker_connected", "1 while connected to the MQTT broker.", GAUGE_BOOL,
      TOTAL(broker_connected) },
    { "phusa_journal_writable", "1 while the journal can be written and synced.", GAUGE_BOOL,
      TOTAL(journal_writable) },
    { "phusa_store_up", "1 when the store answered the last request with 2xx.", GAUGE_BOOL,
      TOTAL(store_up) },
    { "phusa_messages_total", "MQTT messages received.", COUNTER, TOTAL(messages) },
    { "phusa_broker_reconnects_total", "Connections to the broker made again.", COUNTER,
      TOTAL(reconnects) },
    { "phusa_receipts_total", "Receipts sent to stations.", COUNTER, TOTAL(receipts) },
    { "phusa_journal_bytes", "Size of the journal.", GAUGE, TOTAL(journal_bytes) },
    { "phusa_journal_records_total", "Records written to the journal.", COUNTER,
      TOTAL(journal_records) },
    { "phusa_journal_failures_total", "Records that could not be written down or synced.", COUNTER,
      TOTAL(journal_failures) },
    { "phusa_journal_unsynced_records", "Records not on disk yet.", GAUGE,
      TOTAL(journal_unsynced) },
    { "phusa_journal_held", "1 while the broker is left because the journal takes no more.",
      GAUGE_BOOL, TOTAL(journal_held) },
    { "phusa_journal_sync_failures_total", "Syncs of the journal that failed.", COUNTER,
      TOTAL(journal_sync_failures) },
    { "phusa_journal_rewritten_records_total",
      "Records written to another segment after a sync failed.", COUNTER,
      TOTAL(journal_rewritten) },
    { "phusa_journal_damaged_bytes_total", "Bytes of the journal that are no records.", COUNTER,
      TOTAL(journal_damaged) },
    { "phusa_snapshot_position", "Journal position of the newest snapshot; 0 for none.", GAUGE,
      TOTAL(snapshot_position) },
    { "phusa_snapshot_age_seconds", "Since this process wrote a snapshot; 0 for not yet.",
      GAUGE_SECONDS, TOTAL(snapshot_age_ns) },
    { "phusa_snapshot_bytes", "Size of the newest snapshot.", GAUGE, TOTAL(snapshot_bytes) },
    { "phusa_start_progress", "Share of the journal read again after the start; 1 when done.",
      GAUGE_SHARE, TOTAL(start_progress) },
    { "phusa_broker_dropped_total", "Messages that the broker says it threw away.", COUNTER,
      TOTAL(broker_dropped) },
    { "phusa_pipeline_behind_records", "Records on disk but not processed yet.", GAUGE,
      TOTAL(pipeline_behind) },
    { "phusa_readings_pending", "Readings accepted and not safely in the store yet.", GAUGE,
      TOTAL(pending) },
    { "phusa_store_requests_total", "HTTP requests to the store.", COUNTER, TOTAL(store_requests) },
    { "phusa_store_failures_total", "Requests to the store not answered 2xx.", COUNTER,
      TOTAL(store_failures) },
    { "phusa_store_sent_bytes_total", "Bytes sent to the store, after compression.", COUNTER,
      TOTAL(store_bytes) },
    { "phusa_store_resent_readings_total", "Readings sent to the store again for safety.", COUNTER,
      TOTAL(store_resent) },
    { "phusa_store_rewinds_total", "Times the last seconds were sent to the store again.", COUNTER,
      TOTAL(store_rewinds) },
    { "phusa_store_refused_lines_total", "Lines that the store refused for ever.", COUNTER,
      TOTAL(store_lines_refused) },
    { "phusa_store_invalid_rows", "Rows the store itself counts as invalid.", GAUGE,
      TOTAL(store_rows_invalid) },
    { "phusa_store_ignored_rows", "Rows the store itself counts as ignored.", GAUGE,
      TOTAL(store_rows_ignored) },
    { "phusa_spool_bytes", "Size of the spool before the store.", GAUGE, TOTAL(spool_bytes) },
    { "phusa_spool_waiting_records", "Spool records not answered 2xx yet.", GAUGE,
      TOTAL(spool_records_waiting) },
    { "phusa_spool_lost_readings_total", "Readings set aside because the spool was full.", COUNTER,
      TOTAL(spool_lost) },
    { "phusa_windows_told_total", "Windows and trap nights that closed.", COUNTER,
      TOTAL(windows_told) },
    { "phusa_corrections_total", "Windows and indices that late readings changed.", COUNTER,
      TOTAL(corrections) },
    { "phusa_alarm_transitions_total", "Changes of alarms' states.", COUNTER, TOTAL(transitions) },
    { "phusa_notifications_sent_total", "Messages delivered to channels.", COUNTER,
      TOTAL(notifications_sent) },
    { "phusa_notifications_retries_total", "Tries that did not get through.", COUNTER,
      TOTAL(notifications_retries) },
    { "phusa_notifications_failed_total", "Messages given up.", COUNTER,
      TOTAL(notifications_failed) },
    { "phusa_notifications_dropped_total", "Messages dropped because too many waited.", COUNTER,
      TOTAL(notifications_dropped) },
    { "phusa_delivery_reports_refused_total", "Delivery reports without their proof.", COUNTER,
      TOTAL(reports_refused) },
    { "phusa_notifications_waiting", "Messages not delivered yet.", GAUGE,
      TOTAL(notifications_waiting) },
    { "phusa_configuration_loads_total", "Configurations put in force.", COUNTER,
      TOTAL(configuration_loads) },
    { "phusa_configuration_refused_total", "Configurations refused at a reload.", COUNTER,
      TOTAL(configuration_refused) },
};

static void add_head(struct text_buffer *out, const char *name, const char *help, bool counter)
{
    text_buffer_add(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
                    counter ? "counter" : "gauge");
}

static void add_single(const struct console_totals *totals, const struct single *single,
                       struct text_buffer *out)
{
    const void *field = (const char *)totals + single->offset;
    add_head(out, single->name, single->help, single->kind == COUNTER);
    switch (single->kind) {
    case COUNTER:
    case GAUGE:
        text_buffer_add(out, "%s %llu\n", single->name,
                        (unsigned long long)*(const uint64_t *)field);
        break;
    case GAUGE_SECONDS: /* wall_time is a struct of one int64_t */
        text_buffer_add(out, "%s %.3f\n", single->name,
                        (double)*(const int64_t *)field / SECOND_NS);
        break;
    case GAUGE_SHARE:
        text_buffer_add(out, "%s %.4f\n", single->name, *(const double *)field);
        break;
    case GAUGE_BOOL:
        text_buffer_add(out, "%s %d\n", single->name, *(const bool *)field);
        break;
    }
}

/* A label's value: \ " and line feed are escaped. */
static void add_label(struct text_buffer *out, const char *name, const char *value)
{
    text_buffer_add(out, "%s=\"", name);
    while (*value != '\0') {
        size_t plain = strcspn(value, "\\\"\n");
        text_buffer_add(out, "%.*s", (int)plain, value);
        value += plain;
        if (*value != '\0') {
            text_buffer_add(out, "\\%c", *value == '\n' ? 'n' : *value);
            value++;
        }
    }
    text_buffer_add_text(out, "\"");
}

static void add_station_labels(struct text_buffer *out, const struct station *station)
{
    text_buffer_add_text(out, "{");
    add_label(out, "site", station == NULL ? "" : station->site);
    text_buffer_add_text(out, ",");
    add_label(out, "station", station == NULL ? "" : station->id);
}

/* A family with one sample for each station: a field of console_station. */
struct per_station {
    const char *name, *help;
    bool counter;
    size_t offset;
};

static const struct per_station families[] = {
    { "phusa_readings_received_total", "Readings received.", true,
      offsetof(struct console_station, received) },
    { "phusa_readings_accepted_total",
      "Readings that passed all checks: in the store or on their way.", true,
      offsetof(struct console_station, accepted) },
    { "phusa_station_readings_stored_total", "Readings that are in the store for good.", true,
      offsetof(struct console_station, stored) },
    { "phusa_readings_duplicate_total", "Readings that came again with the same value.", true,
      offsetof(struct console_station, duplicates) },
    { "phusa_readings_time_reconstructed_total",
      "Readings put by their receive time, because the station's clock is wrong or unset.", true,
      offsetof(struct console_station, reconstructed) },
    { "phusa_station_reports_total", "Reports received.", true,
      offsetof(struct console_station, reports) },
    { "phusa_station_missing_reports", "Reports that the numbering says are missing.", false,
      offsetof(struct console_station, missing_reports) },
};

static void add_family(const struct console_view *view, const struct per_station *family,
                       struct text_buffer *out)
{
    add_head(out, family->name, family->help, family->counter);
    for (size_t i = 0; i < view->station_count; i++) {
        const struct console_station *station = &view->stations[i];
        const void *field = (const char *)station + family->offset;
        text_buffer_add_text(out, family->name);
        add_station_labels(out, station->station);
        text_buffer_add(out, "} %llu\n", (unsigned long long)*(const uint64_t *)field);
    }
}

static void add_reasons(struct text_buffer *out, const struct station *station,
                        const uint64_t reasons[PHUSA_REASON_COUNT])
{
    for (int reason = PHUSA_REASON_NONE + 1; reason < PHUSA_REASON_COUNT; reason++) {
        if (reasons[reason] > 0) {
            text_buffer_add_text(out, "phusa_readings_quarantined_total");
            add_station_labels(out, station);
            text_buffer_add(out, ",reason=\"%s\"} %llu\n",
                            phusa_reason_name((enum phusa_reason)reason),
                            (unsigned long long)reasons[reason]);
        }
    }
}

static void add_flagged(const struct console_totals *totals, struct text_buffer *out)
{
    static const struct {
        const char *name;
        enum phusa_flag flag;
    } flags[] = { { "good", PHUSA_FLAG_GOOD },
                  { "not_evaluated", PHUSA_FLAG_NOT_EVALUATED },
                  { "suspect", PHUSA_FLAG_SUSPECT },
                  { "fail", PHUSA_FLAG_FAIL },
                  { "missing", PHUSA_FLAG_MISSING } };
    add_head(out, "phusa_readings_flagged_total",
             "Flags given to readings and derived quantities, each when it was final.", true);
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        text_buffer_add(out, "phusa_readings_flagged_total{flag=\"%s\"} %llu\n", flags[i].name,
                        (unsigned long long)totals->flagged[flags[i].flag]);
    }
}

/* Ids of VN_AQI's levels (src/quality/vn_aqi_level.c): by them stations are counted, not each is
 * shown. */
static const char *const levels[] = { "good", "moderate", "poor", "bad", "very-bad", "hazardous" };

static void add_index(const struct console_view *view, struct text_buffer *out)
{
    add_head(out, "phusa_index_stations",
             "Stations by the level of their VN_AQI of the last hours.", false);
    for (size_t k = 0; k < sizeof levels / sizeof levels[0]; k++) {
        size_t count = 0;
        for (size_t i = 0; i < view->station_count; i++) {
            const struct console_index *hour = &view->stations[i].hour;
            count += hour->end_ns != 0 && strcmp(hour->level, levels[k]) == 0 &&
                     view->totals.now.ns - hour->end_ns <= CONSOLE_INDEX_FRESH_NS;
        }
        text_buffer_add(out, "phusa_index_stations{level=\"%s\"} %zu\n", levels[k], count);
    }
}

static void add_quarantined(const struct console_view *view, struct text_buffer *out)
{
    add_head(out, "phusa_readings_quarantined_total",
             "Readings set aside, by reason; without a station whole messages.", true);
    for (size_t i = 0; i < view->station_count; i++) {
        add_reasons(out, view->stations[i].station, view->stations[i].reasons);
    }
    add_reasons(out, NULL, view->totals.unknown_reasons);
}

static void add_links(const struct console_view *view, struct text_buffer *out)
{
    add_head(out, "phusa_station_online",
             "1 while the station's link is up and it reports in time.", false);
    for (size_t i = 0; i < view->station_count; i++) {
        text_buffer_add_text(out, "phusa_station_online");
        add_station_labels(out, view->stations[i].station);
        text_buffer_add(out, "} %d\n", view->stations[i].link == CONSOLE_ONLINE);
    }
    add_head(out, "phusa_station_last_seen_seconds",
             "When the last message came, since 1970-01-01 UTC; 0 for never.", false);
    for (size_t i = 0; i < view->station_count; i++) {
        text_buffer_add_text(out, "phusa_station_last_seen_seconds");
        add_station_labels(out, view->stations[i].station);
        text_buffer_add(out, "} %.3f\n", (double)view->stations[i].last_seen_ns / SECOND_NS);
    }
}

static void add_clocks(const struct console_view *view, struct text_buffer *out)
{
    add_head(out, "phusa_station_clock_difference_seconds",
             "Receive time less newest stamp, of the fastest of the station's last reports.",
             false);
    for (size_t i = 0; i < view->station_count; i++) {
        const struct console_clock *clock = &view->stations[i].clock;
        if (clock->has_difference) {
            text_buffer_add_text(out, "phusa_station_clock_difference_seconds");
            add_station_labels(out, view->stations[i].station);
            text_buffer_add(out, "} %.3f\n", (double)clock->smallest_ns / SECOND_NS);
        }
    }
}

static void add_alarms(const struct console_view *view, struct text_buffer *out)
{
    size_t counts[SEVERITY_EXTREME + 1] = { 0 };
    for (size_t i = 0; i < view->alarm_count; i++) {
        counts[view->alarms[i].severity]++;
    }
    add_head(out, "phusa_alarms_active", "Active alarms by severity.", false);
    for (int severity = SEVERITY_MINOR; severity <= SEVERITY_EXTREME; severity++) {
        text_buffer_add(out, "phusa_alarms_active{severity=\"%s\"} %zu\n",
                        severity_name((enum severity)severity), counts[severity]);
    }
}

static void add_lives(const struct console_view *view, struct text_buffer *out)
{
    static const char *const lives[] = { "UNACK", "ACKED", "RTNUN", "SHLVD", "DSUPR", "OOSRV" };
    add_head(out, "phusa_alarms", "Alarms that are not normal, by state of ISA-18.2.", false);
    for (size_t k = 0; k < sizeof lives / sizeof lives[0]; k++) {
        size_t count = 0;
        for (size_t i = 0; i < view->alarm_count; i++) {
            count += strcmp(view->alarms[i].life, lives[k]) == 0 ? 1 : 0;
        }
        text_buffer_add(out, "phusa_alarms{state=\"%s\"} %zu\n", lives[k], count);
    }
}

/* The ledger's sums over all stations, known or not. */
static void add_ledger(const struct console_totals *totals, struct text_buffer *out)
{
    const struct {
        const char *state;
        uint64_t count;
    } sums[] = { { "received", totals->received },
                 { "duplicate", totals->duplicates },
                 { "stored", totals->stored },
                 { "quarantined", totals->quarantined } };
    add_head(out, "phusa_ledger_readings_total",
             "Readings of all stations, by what became of them.", true);
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) {
        text_buffer_add(out, "phusa_ledger_readings_total{state=\"%s\"} %llu\n", sums[i].state,
                        (unsigned long long)sums[i].count);
    }
}

/* Only of stations that lack something: most never do. */
static void add_gaps(const struct console_view *view, struct text_buffer *out)
{
    add_head(out, "phusa_ledger_oldest_gap_seconds",
             "How long the oldest gap in a station's reports has been open.", false);
    for (size_t i = 0; i < view->station_count; i++) {
        const struct console_station *station = &view->stations[i];
        if (station->oldest_gap_ns != 0) {
            text_buffer_add_text(out, "phusa_ledger_oldest_gap_seconds");
            add_station_labels(out, station->station);
            text_buffer_add(out, "} %.3f\n",
                            (double)(view->totals.now.ns - station->oldest_gap_ns) / SECOND_NS);
        }
    }
}

struct reports {
    uint64_t missing, closed, overwritten, erased, went_back, renumbered;
};

static struct reports sum_reports(const struct console_view *view)
{
    struct reports sum = { 0 };
    for (size_t i = 0; i < view->station_count; i++) {
        const struct console_station *station = &view->stations[i];
        sum.missing += station->missing_reports;
        sum.closed += station->closed_reports;
        sum.went_back += station->went_back;
        sum.renumbered += station->renumbered;
        for (size_t j = 0; j < station->log_count; j++) {
            sum.overwritten += station->logs[j].overwritten;
            sum.erased += station->logs[j].erased;
        }
    }
    return sum;
}

static void add_closed(struct text_buffer *out, const char *reason, uint64_t count)
{
    text_buffer_add(out, "phusa_ledger_reports_closed_total{reason=\"%s\"} %llu\n", reason,
                    (unsigned long long)count);
}

/* Reports of all stations: missing, those that will never come, and numbers given twice. */
static void add_reports(const struct console_view *view, struct text_buffer *out)
{
    struct reports sum = sum_reports(view);
    add_head(out, "phusa_ledger_reports_missing",
             "Reports of all stations that the numbering says are missing.", false);
    text_buffer_add(out, "phusa_ledger_reports_missing %llu\n", (unsigned long long)sum.missing);
    add_head(out, "phusa_ledger_reports_closed_total",
             "Reports that never came and never will, by what became of them or of their log.",
             true);
    add_closed(out, "overwritten", sum.overwritten);
    add_closed(out, "log_erased", sum.erased);
    add_closed(out, "log_forgotten", sum.closed - sum.overwritten - sum.erased);
    add_head(out, "phusa_ledger_went_back_total",
             "Times that a station announced a number below one that had come.", true);
    text_buffer_add(out, "phusa_ledger_went_back_total %llu\n", (unsigned long long)sum.went_back);
    add_head(out, "phusa_ledger_renumbered_reports_total",
             "Reports whose number had come before, but not their readings.", true);
    text_buffer_add(out, "phusa_ledger_renumbered_reports_total %llu\n",
                    (unsigned long long)sum.renumbered);
}

/* A family with one sample for each channel: a field of console_reports. */
struct per_channel {
    const char *name, *help;
    bool counter;
    size_t offset;
};

static const struct per_channel report_families[] = {
    { "phusa_notifications_delivered_total", "Messages that their gateway reported as delivered.",
      true, offsetof(struct console_reports, delivered) },
    { "phusa_notifications_failed_later_total",
      "Messages that their gateway took and reported as failed later.", true,
      offsetof(struct console_reports, failed_later) },
    { "phusa_delivery_reports_noted_total", "Delivery reports of other states.", true,
      offsetof(struct console_reports, noted) },
    { "phusa_delivery_reports_overdue",
      "Messages sent longer ago than report_within without a last word; at most 100000 are "
      "counted.",
      false, offsetof(struct console_reports, overdue) },
};

static void add_channels(const struct console_view *view, struct text_buffer *out)
{
    for (size_t i = 0; i < sizeof report_families / sizeof report_families[0]; i++) {
        const struct per_channel *family = &report_families[i];
        add_head(out, family->name, family->help, family->counter);
        for (size_t k = 0; k < view->report_count; k++) {
            const void *field = (const char *)&view->reports[k] + family->offset;
            text_buffer_add(out, "%s{", family->name);
            add_label(out, "channel", view->reports[k].channel);
            text_buffer_add(out, "} %llu\n", (unsigned long long)*(const uint64_t *)field);
        }
    }
}

void console_metrics(const struct console_view *view, struct text_buffer *out)
{
    add_head(out, "phusa_build_info", "The version that runs; always 1.", false);
    text_buffer_add_text(out, "phusa_build_info{");
    add_label(out, "version", view->totals.version == NULL ? "" : view->totals.version);
    text_buffer_add_text(out, "} 1\n");
    struct console_totals totals = view->totals;
    totals.journal_writable = totals.journal_writable && !totals.journal_held;
    for (size_t i = 0; i < sizeof singles / sizeof singles[0]; i++) {
        add_single(&totals, &singles[i], out);
    }
    add_ledger(&view->totals, out);
    add_reports(view, out);
    add_gaps(view, out);
    add_alarms(view, out);
    add_lives(view, out);
    add_channels(view, out);
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        add_family(view, &families[i], out);
    }
    add_flagged(&view->totals, out);
    add_index(view, out);
    add_quarantined(view, out);
    add_links(view, out);
    add_clocks(view, out);
}
