/* What the pipeline remembers of stations and series. For pipeline*.c only. */
#ifndef PIPELINE_STATE_H
#define PIPELINE_STATE_H

#include "alarm/machine.h"
#include "ledger/history.h"
#include "ledger/sequence.h"
#include "phusa/senml.h"
#include "phusa/topic.h"
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
    bool ended; /* the station has begun another: what is missing will not come */
    struct sequence sequence;
};

/* The numbers of a status message; the broker gives the last one again at each connection. */
struct status_numbers {
    uint32_t log, boot;
    uint64_t first, next;
};

/* The maintenance alarm "reports-missing": normal or minor. */
struct gap_alarm {
    enum severity state, told;
    int64_t since_ns; /* minor: when the oldest gap was noticed; normal: the tick that found none */
};

/* What a station says of its reports: kept as it is when settings change. */
struct station_ledger {
    size_t log_count;
    struct log_state *logs[STATION_LOGS_MAX]; /* newest first; owned */
    bool numbered;                            /* has ever sent seq */
    bool has_status, online;
    uint32_t status_log;
    struct status_numbers last_numbers;
    struct gap_alarm gaps;
    int64_t last_seen_ns;
};

/* Readings, but for the first line. Kept as they are when settings change. */
struct station_counts {
    uint64_t reports, renumbered, went_back, forgotten_closed; /* closed in logs given up */
    uint64_t received, duplicates, accepted, quarantined;
    uint64_t marked, stored, lost; /* of those accepted, see pipeline_mark and pipeline_lost */
    uint64_t reasons[PHUSA_REASON_COUNT];
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

    struct station_ledger ledger;
    struct station_counts counts;
    bool receipt_wanted;    /* is in pipeline->wanting */
    bool watched;           /* is in pipeline->watched */
    int64_t receipt_due_ns; /* monotonic */
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
    struct station_state **watched; /* stations with gaps, or whose alarm about them is on */
    size_t watched_count;
    uint64_t position;
    struct pipeline_counters counters;

    /* scratch of one record */
    int64_t now_ns; /* the record's time: as of it rules judge */
    bool put_back;  /* it holds what was set aside before */
    bool again;     /* the report's number came before */
    struct phusa_report report;
    struct phusa_reading readings[PHUSA_REPORT_READINGS_MAX];
    struct phusa_senml_scratch scratch;
    struct accepted accepted[PHUSA_REPORT_READINGS_MAX];
    char *lines;
};

/* --- pipeline.c: steps of the flow that others begin with ---------------------------- */

/* Counts and hands on what was not accepted; station may be NULL. */
void flow_set_aside(struct pipeline *pipeline, struct station_state *station,
                    struct set_aside *item);
void flow_set_message_aside(struct pipeline *pipeline, struct station_state *station,
                            const struct journal_record *record, enum phusa_reason reason,
                            const char *detail, size_t offset);
enum phusa_reason flow_identify(struct pipeline *pipeline, const struct journal_record *record,
                                struct phusa_topic *topic, struct station_state **station);
void flow_take_message(struct pipeline *pipeline, const struct journal_record *record);
/* The readings of pipeline->report. */
void flow_take_readings(struct pipeline *pipeline, struct station_state *station,
                        const struct journal_record *record);
void flow_tell(struct pipeline *pipeline, const struct notice *notice);

/* --- pipeline_check.c ------------------------------------------------------------------- */

/* Checks record `index` of pipeline->report. PHUSA_REASON_NONE: *accepted says what follows. name
 * receives its parameter as sent. */
enum phusa_reason check_reading(struct pipeline *pipeline, struct station_state *station,
                                size_t index, int64_t received_ns, struct phusa_text *name,
                                struct accepted *accepted);

/* Value and time of a reading of a known parameter: the first for a time wins, then its flag. */
enum phusa_reason check_value(struct pipeline *pipeline, struct station_state *station,
                              const struct phusa_parameter *parameter,
                              const struct pipeline_sample *sample, struct accepted *accepted);

/* True if the report, whose number came before, holds readings that did not: the station has gone
 * back and uses numbers again. */
bool check_renumbered(struct pipeline *pipeline, struct station_state *station);

/* What is wrong, for people; static. */
const char *check_detail(enum phusa_reason reason);

/* --- pipeline_ledger.c -------------------------------------------------------------------- */

/* Notes log and seq of pipeline->report; true if a report of this number came before. */
bool ledger_note(struct pipeline *pipeline, struct station_state *station);

/* Takes what a status says of the station's logs. */
void ledger_status(struct pipeline *pipeline, struct station_state *station,
                   const struct phusa_status_message *message);

/* A minute has passed: is anything missing for too long? */
void ledger_tick(struct pipeline *pipeline, uint64_t position);

/* Puts the station into the lists it belongs to, after its ledger was moved or read. */
void ledger_enlist(struct pipeline *pipeline, struct station_state *station, bool receipt_wanted);

/* When the oldest gap over all logs was noticed, INT64_MAX when there is none; *missing receives
 * the number of missing reports. */
int64_t ledger_oldest_gap(const struct station_state *station, uint64_t *missing);

/* Readings that were accepted, and neither stored nor lost. */
uint64_t ledger_pending(const struct station_counts *counts);

/* --- pipeline_requeue.c --------------------------------------------------------------------- */

/* Takes what was set aside again. */
void requeue_take(struct pipeline *pipeline, const struct journal_record *record);

/* --- pipeline_state.c ------------------------------------------------------------------------ */

/* Builds the tables for settings; false when out of memory (what was built is to be freed all the
 * same). */
bool pipeline_build(struct pipeline *pipeline, const struct settings *settings);
void pipeline_clear(struct pipeline *pipeline);

/* The station's state, or NULL. */
struct station_state *state_find(struct pipeline *pipeline, struct phusa_text id);

/* The series of a parameter, made at its first reading; NULL when out of memory. */
struct series *state_series(struct pipeline *pipeline, struct station_state *station,
                            const struct phusa_parameter *parameter);

#endif
