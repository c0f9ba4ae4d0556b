/*
 * What people and monitors see over HTTP: the status page on /, /healthz,
 * /readyz, /metrics, and as JSON the same view on /api/v1/status, the windows of a station on
 * /api/v1/windows and what came of every reading and report on /api/v1/ledger. What can be changed
 * is a POST to /api/v1/quarantine/requeue: what was set aside is taken again; and one to
 * /api/v1/alarms: what operators do. SMS gateways report deliveries at /api/v1/delivery. The
 * CAP messages that notify makes are served from their folder under /cap/ (files.c). server.c and
 * files.c are the only users of libmicrohttpd; page.c, metrics.c, status.c, windows.c and ledger.c
 * turn a view into text and are pure (words.c: the words the page is made of; values.c: those of
 * the JSON). The view is taken through the functions of a console_source, which copy under the
 * owner's lock, so that a slow reader never holds up the pipeline.
 */
#ifndef CONSOLE_CONSOLE_H
#define CONSOLE_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/problem.h"
#include "phusa/parameter.h"
#include "phusa/report.h"
#include "phusa/status.h"
#include "settings/channel.h"
#include "settings/rule.h"
#include "settings/station.h"

enum console_link {
    CONSOLE_NEVER_SEEN, /* no message since the collector knows the station */
    CONSOLE_ONLINE,
    CONSOLE_QUIET,  /* nothing for 3 x every, though its link did not say goodbye */
    CONSOLE_OFFLINE /* its last will or status says so */
};

/* The newest final flags of the quality tests, each an enum phusa_flag, and how regularly readings
 * come. */
struct console_tests {
    bool given;      /* false: no test beyond the gross range */
    int64_t time_ns; /* of the reading that the flags are about; 0 = none is final yet */
    uint8_t gross, spike, rate, flat_line, attenuated, aggregate;
    uint64_t gaps, missed, early; /* gaps, readings that should lie in them, those that came too
                                     soon after the one before */
};

struct console_reading {
    const struct phusa_parameter *parameter;
    double value;
    int64_t time_ns;
    uint8_t flag; /* enum phusa_flag: the final one, or what could be said at once */
    bool derived; /* computed by the collector */
    struct console_tests tests;
};

/* An index that ended longer ago is not the air of now. */
#define CONSOLE_INDEX_FRESH_NS (INT64_C(3) * 3600 * SECOND_NS)

/* VN_AQI of an hour or day, with what Decision 1459/QĐ-TCMT says of it. Texts are static. */
struct console_index {
    int64_t end_ns;   /* 0 = there is none yet */
    int value, first; /* first: as it was told at first */
    bool corrected;
    const struct phusa_parameter *dominant; /* NULL = not in the catalogue any more */
    const char *level, *vi, *en;            /* the level's id and names */
    const char *message_vi, *message_en;
    uint8_t rgb[3];
};

/* What became of a trap's night: three different things. */
enum console_outcome {
    CONSOLE_COUNTED, /* 0 is a finding */
    CONSOLE_TRAP_OFF,
    CONSOLE_NIGHT_MISSING /* nothing is known */
};

/* "counted", "off", "missing" */
const char *console_outcome_name(enum console_outcome outcome);

/* A night of a light trap, of one species. */
struct console_night {
    const struct phusa_parameter *parameter;
    int64_t end_ns; /* 12:00 local */
    enum console_outcome outcome;
    double count;   /* insects; NaN unless counted */
    bool saturated; /* the counter was at its limit: a least count */
    double known_minutes, lamp_minutes, gated_minutes; /* lamp's state known, on; closed for rain */
    double coverage;
};

/* Reports that are missing, or never came and never will. */
struct console_gap {
    uint64_t first, last;
    int64_t since_ns;   /* when it was noticed, or closed */
    const char *closed; /* why it will never be filled (static); NULL = still missing */
};

/* What has come of one log of a station. */
struct console_log {
    uint32_t log;
    bool current; /* the station's latest status names it */
    uint64_t highest,
        announced; /* numbers: that has come; that the station says exists (0 = not) */
    uint64_t received, filled, missing, overwritten, erased; /* reports */
    int64_t oldest_gap_ns; /* when the oldest gap that is open was noticed; 0 = none */
    size_t gap_count;
    struct console_gap *gaps; /* open ones, then closed ones, each ascending */
};

/* What is known of a station's clock. */
struct console_clock {
    const char *verdict; /* of its last report, see quality/station_clock.h; static; NULL = none */
    const char *said;    /* by its last status: "unset", "held", "synced"; NULL = nothing */
    bool has_difference, has_drift, drifting;
    int64_t difference_ns; /* receive time - newest stamp, of the last report with stamps */
    int64_t smallest_ns;   /* of the last few reports: that of the fastest */
    int64_t drift_ms_per_day;
};

struct console_station {
    const struct station *station;
    enum console_link link;
    int64_t last_seen_ns; /* receive time of the last message; 0 = never */
    uint64_t received, duplicates, accepted, quarantined; /* readings since the journal begins */
    uint64_t stored;  /* of those accepted: in the store for good; may lag by some seconds */
    uint64_t pending; /* of those accepted: not yet */
    uint64_t
        reconstructed; /* of those accepted: not at their stamp, the station's clock is wrong */
    struct console_clock clock;
    uint64_t reports, missing_reports;
    uint64_t closed_reports; /* never came, never will */
    uint64_t went_back;      /* times its status named a next number below one that had come */
    uint64_t renumbered;     /* reports whose number had come before, but not their readings */
    int64_t oldest_gap_ns;   /* over all logs; 0 = none */
    size_t log_count;
    struct console_log *logs; /* newest first */
    uint64_t reasons[PHUSA_REASON_COUNT];
    size_t reading_count;
    struct console_reading *readings; /* sorted by the parameter's name */
    enum severity severity;           /* the highest active alarm */
    int64_t
        stuck_since_ns; /* all of its parameters have stood still since; 0 = its bus is not stuck */
    bool has_index;     /* one is computed of its readings */
    struct console_index hour, day; /* the newest */
    size_t night_count;
    struct console_night *nights; /* the newest of each species, sorted by name */
};

/* An alarm that is active, or normal again but not acknowledged, or that an operator has shelved or
 * put out of service. */
struct console_alarm {
    const struct rule *rule;
    const struct station *station; /* for a site or the collector one that stands for it */
    enum severity severity;
    int64_t since_ns;
    double value;             /* at the transition */
    const char *life;         /* ISA-18.2: "UNACK", "ACKED", "RTNUN", "SHLVD", "DSUPR", "OOSRV" */
    int64_t shelved_until_ns; /* 0 = not shelved */
    bool flapping;
    enum severity told; /* what people know */
};

/* Numbers of the whole process; cumulative unless said otherwise. */
struct console_totals {
    wall_time now;
    int64_t up_ns; /* since the process started, real time */
    const char *version;
    bool broker_connected, journal_writable, store_up;
    bool ready;
    const char *not_ready; /* why; "" when ready */
    char store_problem[PROBLEM_TEXT_MAX];
    uint64_t messages, journal_bytes, journal_records, journal_unsynced;
    uint64_t journal_failures; /* messages that could not be written down */
    uint64_t journal_sync_failures, journal_rewritten, journal_damaged; /* records, bytes */
    bool journal_held;          /* the broker is left because the journal takes no more */
    uint64_t snapshot_position; /* of the newest snapshot; 0 = none */
    int64_t snapshot_age_ns;    /* since it was written, real time; 0 = none by this process */
    uint64_t snapshot_bytes;
    double start_progress;    /* 0 .. 1 of the journal read again after the start; 1 = done */
    uint64_t broker_dropped;  /* messages, as the broker says, since the start */
    uint64_t spool_lost;      /* readings set aside because the spool was full */
    uint64_t pipeline_behind; /* records synced but not yet processed */
    uint64_t received, duplicates, stored, pending, quarantined;
    uint64_t unknown_reasons[PHUSA_REASON_COUNT]; /* messages of no known station, readings of
                                                     lines that the store refused */
    uint64_t receipts, reconnects;
    uint64_t store_requests, store_failures, store_bytes, store_resent, store_rewinds;
    uint64_t store_lines_refused, store_rows_invalid, store_rows_ignored;
    uint64_t spool_bytes, spool_records_waiting;
    uint64_t transitions, notifications_sent, notifications_failed, notifications_waiting;
    uint64_t notifications_retries, notifications_dropped;
    uint64_t reports_refused;                 /* delivery reports without their proof */
    uint64_t flagged[PHUSA_FLAG_MISSING + 1]; /* flags given, by enum phusa_flag */
    uint64_t windows_told, corrections;
    uint64_t configuration_loads, configuration_refused;
    char configuration_problem[PROBLEM_TEXT_MAX]; /* why the last reload was refused; "" = in force
                                                   */
};

/* What gateways have reported of a channel's messages. */
struct console_reports {
    char channel[PHUSA_ID_MAX + 1];
    uint64_t delivered, failed_later, noted;
    uint64_t overdue; /* sent longer ago than a report may take, and none came */
};

/* A copy of what there is to see; made by the owner, freed with console_view_free. */
struct console_view {
    struct console_totals totals;
    int32_t utc_offset_s;
    size_t station_count; /* sorted by site, then id */
    struct console_station *stations;
    size_t report_count; /* channels with delivery reports */
    struct console_reports reports[CHANNELS_MAX];
    size_t alarm_count; /* gravest first */
    struct console_alarm *alarms;
    void (*release)(struct console_view
                        *view); /* frees what the owner allocated, and lets go of the settings */
    void *owner;
};

/* Lets go of a view; NULL is fine. */
void console_view_free(struct console_view *view);

/* --- windows ------------------------------------------------------------ */

#define CONSOLE_WINDOW_HOURS_MAX 48 /* how far back windows can be asked for, and the default */
#define CONSOLE_WINDOW_KINDS     (RULE_NIGHT + 1)

/* Which windows are asked for; texts live as long as the request. */
struct console_windows_query {
    const char *station;
    const char *parameter; /* NULL = all */
    unsigned kinds;        /* bit 1 << enum rule_length, RULE_1H to RULE_NIGHT */
    int hours; /* that end within so many hours before now; a trap's night: the newest */
};

/* A window that was told, as it stands. Numbers it does not have are NaN. */
struct console_window {
    const struct phusa_parameter *parameter;
    enum rule_length kind;
    int64_t end_ns;
    double mean, min, max, sum, coverage; /* but for the coverage NaN when that is too low */
    uint32_t count;
    bool corrected,
        first_known; /* first: the mean as it was told at first, NaN if there was none */
    double first;
    const struct console_night *night; /* NULL but for a trap's */
};

/* A copy; made by the owner, freed with console_windows_free. */
struct console_windows {
    const struct station *station; /* NULL = no such station */
    size_t parameter_count;        /* that have windows; sorted by name */
    const struct phusa_parameter **parameters;
    size_t night_count;
    struct console_night *nights; /* what windows point to */
    size_t window_count;          /* by parameter, kind and end */
    struct console_window *windows;
    void (*release)(struct console_windows *windows);
    void *owner;
};

/* NULL is fine. */
void console_windows_free(struct console_windows *windows);

/* --- requests ----------------------------------------------------------- */

/* What a request to put back what was set aside came to. */
enum console_requeue {
    CONSOLE_REQUEUED,        /* *count were put back */
    CONSOLE_REQUEUE_UNKNOWN, /* one of the positions is nothing that can be put back: none was */
    CONSOLE_REQUEUE_FAILED   /* the journal takes no more: *count were put back */
};
#define CONSOLE_REQUEUE_MAX 1000 /* positions in one request */

/* What an operator does with an alarm came to. */
enum console_verb {
    CONSOLE_VERB_TAKEN, /* it is in the journal, on disk */
    CONSOLE_VERB_WRONG, /* it makes no sense: the problem says what would be right */
    CONSOLE_VERB_FAILED /* the journal takes no more */
};

/* What befell alarms: a change of state (event is "") or something else ("ack" ...). Texts live for
 * the call and are never NULL. */
struct console_event {
    int64_t time_ns;
    const char *rule, *site, *station, *parameter, *event, *life;
    enum severity from, to;
    double value;
    bool historical, told;
    const char *who, *text;
    int64_t until_ns; /* 0 = none */
};

/* From from_ns on and before to_ns; rule and station NULL = any. */
struct console_events_query {
    const char *rule, *station;
    int64_t from_ns, to_ns;
};

/* A message to one recipient. Texts live for the call and are never NULL. */
struct console_message {
    int64_t id;
    const char *rule, *station, *channel;
    const char *recipient; /* with its middle left out */
    const char *state;     /* "waiting", "sent", "delivered", "failed", "given up", "dropped" */
    const char *report;    /* the gateway's last word for its state; "" = none */
    bool awaited;          /* sent, and no report of it has come yet */
    const char *problem;   /* the last words of a failure */
    enum severity to;
    int64_t time_ns, created_ns, due_ns, sent_ns;
    uint32_t tries;
    int64_t digest; /* the same for all that went as one; 0 = on its own */
};

/* NULL = any; newest first, those with ids below before_id (0 = all). */
struct console_messages_query {
    const char *channel, *rule, *station;
    bool waiting; /* those only */
    int64_t before_id;
    size_t most;
};

/* What alarms or messages are asked for; NULL = any. */
struct console_names {
    const char *rule, *station, *channel;
};

/* What an SMS gateway says of a message it took (delivery.h). Texts are never NULL. */
struct console_delivery {
    const char *channel, *key, *proof, *state;
};

enum console_delivered {
    CONSOLE_DELIVERY_FORGED,    /* it has no proof, or not the right one */
    CONSOLE_DELIVERY_UNCHANGED, /* it came before, or late, is about nothing that is known, or has
                                   no state */
    CONSOLE_DELIVERY_NOTED,
    CONSOLE_DELIVERY_DONE,
    CONSOLE_DELIVERY_AGAIN,  /* failed: sent again after a pause */
    CONSOLE_DELIVERY_FAILED, /* failed for good */
    CONSOLE_DELIVERY_LOST    /* it could not be written down: to be told again */
};

struct console_source {
    void *context;
    /* What stands in the Authorization header of a request that changes something, after "Bearer ";
     * "" = there is none, nothing can be changed. */
    const char *token;
    const char *cap_folder; /* of the files below /cap/ (files.h); NULL = an empty feed */
    /* Puts back what lies at these positions of the quarantine: 1 to CONSOLE_REQUEUE_MAX of them,
     * ascending, none twice. problem says what is wrong. NULL when there is no token. */
    enum console_requeue (*requeue)(void *context, const uint64_t *positions,
                                    size_t positions_count, uint64_t *count,
                                    struct problem *problem);
    /* Fills the totals only: cheap. */
    void (*totals)(void *context, struct console_totals *totals);
    /* Makes a view; NULL when out of memory. */
    struct console_view *(*view)(void *context);
    /* The windows of one station; NULL when out of memory. */
    struct console_windows *(*windows)(void *context, const struct console_windows_query *query);
    /* Takes what an operator does with an alarm, as JSON. */
    enum console_verb (*verb)(void *context, struct phusa_text payload, struct problem *problem);
    /* What befell alarms, by time, until visit returns false. False when it cannot be read. */
    bool (*events)(void *context, const struct console_events_query *query,
                   bool (*visit)(void *visitor, const struct console_event *event), void *visitor);
    /* Messages, newest first. False when they cannot be read. */
    bool (*messages)(void *context, const struct console_messages_query *query,
                     void (*visit)(void *visitor, const struct console_message *message),
                     void *visitor);
    /* True if the settings know no such rule, station (or site, or the collector) or channel; the
     * problem then names it, and what is near. */
    bool (*unknown)(void *context, const struct console_names *names, struct problem *problem);
    /* Takes what a gateway says. */
    enum console_delivered (*delivery)(void *context, const struct console_delivery *report);
};

struct console;

/*
 * Listens on "ADDRESS:PORT" ("[::1]:8080" for IPv6, port 0 = any free one) and
 * serves until freed, in threads of its own. NULL with a problem on failure. source and its
 * context must outlive it.
 */
struct console *console_create(const char *listen, const struct console_source *source,
                               struct problem *problem);
void console_free(struct console *console);

/* The port in use. */
unsigned console_port(const struct console *console);

/* --- pure parts --------------------------------------------------------- */

/* A growing text with an upper limit, freed by text_buffer_free. */
#define TEXT_BUFFER_MAX (32u << 20)
struct text_buffer {
    char *data;
    size_t used, capacity;
    bool failed; /* out of memory or over the limit; what is there stays valid */
};
void text_buffer_free(struct text_buffer *buffer);
void text_buffer_add(struct text_buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* With & < > " ' written as entities. */
void text_buffer_add_html(struct text_buffer *buffer, const char *text);

/* As it is: not a format. */
void text_buffer_add_text(struct text_buffer *buffer, const char *text);

/*
 * The status page, Vietnamese with English beside it. site = NULL for all: with
 * more than CONSOLE_OVERVIEW_ABOVE stations an overview of the sites. A page shows the
 * readings of CONSOLE_DETAIL_MAX stations; further ones get a line each. False if
 * the site has no station; the page then says so.
 */
#define CONSOLE_OVERVIEW_ABOVE 200
#define CONSOLE_DETAIL_MAX     500
#define CONSOLE_ALARMS_MAX     200 /* alarms listed on a page; the rest is counted */
bool console_page(const struct console_view *view, const char *site, struct text_buffer *out);

/* Prometheus text format 0.0.4. */
void console_metrics(const struct console_view *view, struct text_buffer *out);

/*
 * The ledger as one JSON object: "totals" {now, start_progress, received, duplicates, stored,
 * quarantined, pending, missing_reports, closed_reports, unknown_reasons}, "stations" [{id, site,
 * the same counts, reports, went_back, renumbered, oldest_gap, reasons, "logs": [{log, current,
 * highest, announced, received, filled, missing, overwritten, erased, oldest_gap, "gaps": [{first,
 * last, since, closed}], gaps_omitted}]}]. Times in epoch seconds; null for none. station = NULL
 * for all, with at most CONSOLE_LEDGER_GAPS_MAX gaps one by one; false if there is no such station.
 */
#define CONSOLE_LEDGER_GAPS_MAX 50000
bool console_ledger(const struct console_view *view, const char *station, struct text_buffer *out);

/*
 * The view as one JSON object: "totals", "stations" [{id, site, state, last_seen, received, ...,
 * "readings": [{parameter, value, unit, time, flag, derived, and where there are tests "tests":
 * {time, gross, spike, rate, flat_line, attenuated, aggregate, gaps, missed, early}}], "stuck"
 * (since), "nights":
 * [{parameter, time, outcome, count, saturated, known_minutes, lamp_minutes, gated_minutes,
 * coverage}], and for stations with an index "index": {hour, day}, each null or {value, level, vi,
 * en, colour, dominant, time, message_vi, message_en, corrected, first}}], "alarms" [{rule,
 * station, site, severity, since, value}]. Times in epoch seconds; null for what is not known.
 */
void console_status(const struct console_view *view, struct text_buffer *out);

/*
 * Reads what windows are asked for from the values of a request, NULL where it has none. False if
 * they make no sense; out then says, as JSON, what would be right.
 */
bool console_windows_ask(const char *station, const char *parameter, const char *window,
                         const char *hours, struct console_windows_query *query,
                         struct text_buffer *out);

enum console_windows_answer {
    CONSOLE_WINDOWS_FOUND,
    CONSOLE_WINDOWS_NO_STATION,
    CONSOLE_WINDOWS_NO_PARAMETER /* the station has no windows of the parameter asked for */
};

/*
 * What was asked for as one JSON object: {station, site, "windows": [{parameter, window, time,
 * mean, min, max, sum, count, coverage, corrected, and where it was corrected "first": the mean
 * told at first (null: there was none), as long as that is remembered; of a trap's night also
 * outcome, saturated, known_minutes, lamp_minutes, gated_minutes}]}. Else {"error": what would be
 * right}.
 */
enum console_windows_answer console_windows(const struct console_windows *windows,
                                            const struct console_windows_query *query,
                                            struct text_buffer *out);

#endif
