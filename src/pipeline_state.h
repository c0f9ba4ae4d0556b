/* What the pipeline remembers of stations and series. For pipeline*.c only. */
#ifndef PIPELINE_STATE_H
#define PIPELINE_STATE_H

#include "alarm/machine.h"
#include "ledger/history.h"
#include "ledger/sequence.h"
#include "phusa/senml.h"
#include "pipeline.h"
#include "store/lineproto.h"

#define LINES_BYTES           (512u << 10) /* what the largest report can become, with room */
#define HEAD_BYTES_MAX        1024         /* measurement and tags of a station */
#define STATION_LOGS_MAX      4 /* logs of one station remembered; a station begins a new one rarely */
#define HINTS_MAX             64    /* record index -> parameter, as the last report had it */
#define HISTORY_NUMBERED      256   /* readings remembered of a series whose reports are numbered */
#define HISTORY_FOREIGN_LEAST 4096  /* and of others: 7 days of them, at least this many */
#define HISTORY_FOREIGN_MAX   65536 /* and at most this many: a report each 10 s */
#define NO_SERIES             UINT16_MAX

struct alarm_slot {
    const struct rule *rule;
    struct alarm_series state;
};

struct series {
    const struct phusa_parameter *parameter;
    struct history history;
    bool has_last;
    struct console_reading last; /* newest by reading time, not ahead of its receive time */
    size_t alarm_count;
    struct alarm_slot *alarms;
};

/* One reading that passed all checks. */
struct accepted {
    int64_t time_ns;
    double value;
    enum phusa_flag flag;
    uint16_t series; /* index in its station's; NO_SERIES: a duplicate, nothing follows from it */
    bool judged;     /* takes part in rules: measuring, and not ahead of its receive time */
};

struct log_state {
    uint32_t log;
    struct sequence sequence;
};

struct station_state {
    const struct station *station;
    char base_name[PHUSA_ID_MAX + 2]; /* "<id>:", what our own stations put before the parameter */
    size_t base_name_length;
    struct phusa_text head; /* measurement and tags, escaped; owned */
    uint16_t *series_of;    /* catalogue index -> index into series, or NO_SERIES */
    size_t series_count, series_capacity;
    struct series *series;
    uint16_t hints[HINTS_MAX]; /* catalogue index, or NO_SERIES */

    size_t log_count;
    struct log_state *logs[STATION_LOGS_MAX]; /* newest first */
    bool numbered;                            /* has ever sent seq */
    bool has_status, online;
    uint32_t status_log;
    bool receipt_wanted;
    int64_t receipt_due_ns; /* monotonic */

    int64_t last_seen_ns;
    uint64_t reports, received, duplicates, accepted, quarantined;
    uint64_t reasons[PHUSA_REASON_COUNT];
};

struct pipeline {
    const struct settings *settings;
    struct pipeline_sink sink;
    size_t station_count; /* parallel to settings->registry */
    struct station_state *stations;
    const struct rule **rules; /* grouped by parameter */
    size_t *rules_of; /* catalogue index -> first of its rules; one more entry at the end */
    struct station_state **wanting; /* stations that want a receipt */
    size_t wanting_count;
    uint64_t position;
    struct pipeline_counters counters;

    /* scratch of one record */
    struct phusa_report report;
    struct phusa_reading readings[PHUSA_REPORT_READINGS_MAX];
    struct phusa_senml_scratch scratch;
    struct accepted accepted[PHUSA_REPORT_READINGS_MAX];
    char *lines;
};

/* Builds the tables for settings; false when out of memory (what was built is to be freed all the
 * same). */
bool pipeline_build(struct pipeline *pipeline, const struct settings *settings);
void pipeline_clear(struct pipeline *pipeline);

/* The station's state, or NULL. */
struct station_state *state_find(struct pipeline *pipeline, struct phusa_text id);

/* The series of a parameter, made at its first reading; NULL when out of memory. */
struct series *state_series(struct pipeline *pipeline, struct station_state *station,
                            const struct phusa_parameter *parameter);

/* The state of a log, made at its first report; NULL when out of memory. */
struct log_state *state_log(struct station_state *station, uint32_t log);

void state_want_receipt(struct pipeline *pipeline, struct station_state *station);

#endif
