/* What the pipeline remembers of stations and series. For pipeline*.c only. */
#ifndef PIPELINE_STATE_H
#define PIPELINE_STATE_H

#include "alarm/life.h"
#include "alarm/machine.h"
#include "alarm/rate.h"
#include "ledger/history.h"
#include "ledger/sequence.h"
#include "phusa/senml.h"
#include "phusa/topic.h"
#include "pipeline.h"
#include "quality/qartod.h"
#include "quality/station_clock.h"
#include "quality/stuck_bus.h"
#include "quality/trap.h"
#include "quality/vn_aqi.h"
#include "quality/window.h"
#include "store/lineproto.h"

#define LINES_BYTES           (512u << 10) /* what the largest report can become, with room */
#define HEAD_BYTES_MAX        1024         /* measurement and tags of a station */
#define STATION_LOGS_MAX      4 /* logs of one station remembered; a station begins a new one rarely */
#define HINTS_MAX             64    /* record index -> parameter, as the last report had it */
#define HISTORY_NUMBERED      256   /* readings remembered of a series whose reports are numbered */
#define HISTORY_FOREIGN_LEAST 4096  /* and of others: 7 days of them, at least this many */
#define HISTORY_FOREIGN_MAX   65536 /* and at most this many: a report each 10 s */
#define NO_SERIES             UINT16_MAX
#define ACCEPTED_MAX                                                                               \
    ((size_t)2 * PHUSA_REPORT_READINGS_MAX) /* derived ones are never more than these */
#define FINALS_MAX     256          /* flags that have become final, before they are written */
#define EXTRA_BYTES    (128u << 10) /* lines that are no readings, before they are handed on */
#define EXTRA_LINE_MAX 4096         /* longest of them */
#define INDEX_HOURS    48 /* hourly indices that may still be corrected: WINDOW_REACH_HOURS + 12 */
#define INDEX_DAYS     3
#define INDEX_HOUR_MAX                                                                             \
    2562000 /* of any window; hours in 63 bits of nanoseconds, less any offset                     \
             */
#define CORRECTED_KINDS WINDOW_KINDS
#define CORRECTED_HOURS 64 /* windows that late readings changed: as long ago as people may ask */
#define CORRECTIONS_MAX 40 /* of them with what was told first: one late hour changes 35 */

struct alarm_slot {
    const struct rule *rule;
    struct alarm_series state;
    struct alarm_life *life; /* NULL: nothing to remember of it */
    struct alarm_rate *rate; /* of a rule with rate; NULL: no reading yet */
};

/* A site, for what befalls most of its stations at once. */
struct place {
    const struct station *station; /* of the registry's sites: stands for it in alarms */
    size_t count, silent, overdue; /* stations; the last two as of this tick */
    struct alarm_slot *own[MAINTENANCE_COUNT];
};

/* What an alarm is about: a station of the registry, a site, or the collector. */
struct alarm_about {
    const struct station *station;
    struct station_state *state; /* NULL: no station of the registry */
    struct place *place;         /* NULL: the collector */
    struct alarm_slot **own;     /* by enum maintenance; NULL = never raised */
};

/* The link to the broker, by the records of the journal. */
struct listening {
    bool down;
    int64_t down_ns;   /* since when */
    int64_t record_ns; /* of the last record */
    int64_t from_ns;   /* who was not heard since then counts as silent */
};

/* Something of the collector itself, by the records of the journal (pipeline_conditions.c). */
struct condition {
    bool is_so;
    int64_t since_ns; /* receive time of the last change; 0 = there was none */
    double value;     /* as recorded last */
};

/* Tests beyond the gross range of one series. */
struct series_quality {
    const struct qc_settings *qc;
    bool later;                    /* has a test that needs later readings: its flag follows */
    struct qartod_flags flags;     /* the newest that are final, for people */
    struct qartod_series *backlog; /* what is too late for that, oldest first; NULL = none lately */
    int64_t backlog_ns;            /* receive time of the last of those */
    struct still still;
    int64_t flags_ns;             /* their reading's time; 0 = none yet */
    uint64_t gaps, missed, early; /* QARTOD test 1: gaps, readings that should lie in them, and
                                     readings that came too soon after the one before */
};

struct corrections {
    int64_t newest_hour;
    uint64_t hours[CORRECTED_KINDS]; /* bit k: that ends with newest_hour - k was corrected */
    uint8_t count, oldest;
    /* What was told first, from `oldest` on, around the end. */
    uint16_t windows[CORRECTIONS_MAX]; /* local hour since 1970 * CORRECTED_KINDS + kind, the low
                                          bits */
    double means[CORRECTIONS_MAX];     /* NaN: there was none */
};

/* A species of a trap. */
struct series_trap {
    struct trap counting;
    struct trap_night told; /* the newest night; end_ns 0: none yet */
};

/* A series' newest reading. */
struct latest {
    double value;
    int64_t time_ns;
    uint8_t flag; /* enum phusa_flag, as far as it is known */
    bool derived;
};

/* Each reading looks at nearly all of it: as few lines of the cache as it takes. */
struct series {
    const struct phusa_parameter *parameter;
    struct series_quality *quality; /* NULL: gross range only */
    struct qartod_series *fresh;    /* tests that need later readings, or what is left of them */
    struct window_series *windows;  /* NULL: none */
    uint8_t window_kinds;           /* WINDOW_BIT of them, see pipeline_windows.c */
    bool windows_ready;             /* they have begun: window_ready was called */
    bool has_last;
    bool restored;             /* from a snapshot: one that holds it twice is damaged */
    uint8_t restored_gathered; /* the same; bit 1 << enum gathered */
    /* Before it a tick changes nothing of the one or the other; 0: not known. */
    int64_t tests_due_ns, windows_due_ns;
    struct history history;
    struct latest last; /* newest by reading time, not ahead of its receive time */
    size_t alarm_count;
    struct alarm_slot *alarms;
    struct corrections *corrections; /* of windows; NULL: none yet */
    struct series_trap *trap;        /* of a species; NULL: none */
};

/* One reading that passed all checks. */
struct accepted {
    int64_t time_ns;
    double value;
    enum phusa_flag flag;
    uint16_t series; /* index in its station's; NO_SERIES: a duplicate, nothing follows from it */
    bool judged;     /* takes part in rules: measuring, and not ahead of its receive time */
    bool derived;    /* computed here: counts as no reading */
    bool alone;      /* made of what is suspect: no test compares it with others */
    bool reconstructed; /* not at its stamp, because its station's clock is wrong */
    bool flag_later;    /* its flag is not final: it is written when it is */
};

/* A flag that has become final. */
struct final_flag {
    int64_t time_ns;
    uint16_t series;
    enum phusa_flag flag;
};

/* What was told of a station's index: hours and days by the end of them. */
struct told_index {
    int64_t end_ns; /* 0: nothing was told */
    int16_t value;  /* VN_AQI_NONE: there was none */
    uint8_t rounds; /* of correction; stays at 255 */
    int16_t first;  /* as told at first */
    enum vn_aqi_pollutant dominant;
};

struct index_state {
    struct told_index hours[INDEX_HOURS]; /* of hour h at h modulo INDEX_HOURS */
    struct told_index days[INDEX_DAYS];
    int64_t newest_hour; /* local hours since 1970; 0 = none */
    uint64_t dirty;      /* bit k: hour newest - k is to be computed */
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

/* What a station says of its reports: kept as it is when settings change. */
struct station_ledger {
    size_t log_count;
    struct log_state *logs[STATION_LOGS_MAX]; /* newest first; owned */
    bool numbered;                            /* has ever sent seq */
    bool has_status, online;
    uint32_t status_log;
    struct status_numbers last_numbers;
    int64_t last_seen_ns;
};

/* Readings, but for the first line. Kept as they are when settings change. */
struct station_counts {
    uint64_t reports, renumbered, went_back, forgotten_closed; /* closed in logs given up */
    uint64_t received, duplicates, accepted, quarantined;
    uint64_t marked, stored, lost; /* of those accepted, see pipeline_mark and pipeline_lost */
    uint64_t reconstructed;        /* of those accepted */
    uint64_t reasons[PHUSA_REASON_COUNT];
};

struct station_state {
    const struct station *station;
    char base_name[PHUSA_ID_MAX + 2]; /* "<id>:", what our own stations put before the parameter */
    char site[PHUSA_ID_MAX + 1];      /* a copy: what each report needs lies together */
    size_t base_name_length, site_length;
    struct phusa_text head;     /* measurement and tags, escaped; owned */
    size_t head_tags, head_ids; /* where its tags begin, and where site and station end */
    int64_t due_ns;             /* before it no tick changes anything of the station */
    uint16_t *series_of;        /* catalogue index -> index into series, or NO_SERIES */
    size_t series_count, series_capacity;
    struct series *series;
    uint16_t hints[HINTS_MAX]; /* catalogue index, or NO_SERIES */

    struct station_ledger ledger;
    struct station_counts counts;
    struct station_clock clock;
    struct stuck_bus stuck;
    struct window_settings windows;            /* but for kinds, and largest */
    struct index_state *index;                 /* NULL: none */
    struct place *place;                       /* NULL: the registry has no sites */
    struct alarm_slot *own[MAINTENANCE_COUNT]; /* the collector's alarms about it; NULL = never */
    int64_t clock_wrong_ns;                    /* receive time since when; 0 = it is right */

    bool receipt_wanted;    /* is in pipeline->wanting */
    bool watched;           /* is in pipeline->watched */
    int64_t receipt_due_ns; /* monotonic */
};

/* How the readings of a report are dated. */
struct dating {
    bool kept; /* as they are: they were dated before, by their arrival */
    struct station_clock_report report;
    struct station_clock_verdict verdict;
};

/* What formulas need besides the parameter that they begin with; NULL: not in the catalogue. */
struct known_inputs {
    const struct phusa_parameter *temp, *salinity, *ph;
};

struct pipeline {
    const struct settings *settings;
    struct pipeline_sink sink;
    size_t station_count; /* parallel to settings->registry */
    struct station_state *stations;
    uint32_t *slots; /* where a station is by the hash of its id, see state_find */
    size_t slot_count;
    const struct rule **rules; /* grouped by parameter */
    size_t *rules_of; /* catalogue index -> first of its rules; one more entry at the end */
    struct station_state **wanting; /* stations that want a receipt */
    size_t wanting_count;
    struct station_state **watched; /* stations with gaps, or whose alarm about them is on */
    size_t watched_count;
    size_t place_count; /* sorted by site */
    struct place *places;
    struct alarm_slot *own[MAINTENANCE_COUNT]; /* about the collector itself */
    struct listening listening;
    struct condition conditions[MAINTENANCE_COUNT]; /* of those that pipeline_is_condition */
    struct known_inputs known;
    uint64_t position;
    struct pipeline_counters counters;

    /* scratch of one record */
    int64_t now_ns; /* the record's time: as of it rules judge */
    bool put_back;  /* it holds what was set aside before */
    bool again;     /* the report's number came before */
    struct phusa_report report;
    struct dating dating;
    struct phusa_reading readings[PHUSA_REPORT_READINGS_MAX];
    struct phusa_senml_scratch scratch;
    struct accepted accepted[ACCEPTED_MAX];
    uint64_t taking; /* the record's position */
    size_t final_count;
    struct final_flag finals[FINALS_MAX];
    char *lines;
    struct line_writer extra; /* lines that are no readings; handed on before the record ends */
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

/* A number that rules may judge: a reading, a window that closed, an index. */
struct judgement {
    int64_t time_ns, every_ns; /* every: distance of such numbers */
    int64_t
        covers_ns; /* the last moment it speaks of: a window that ends at New Year is last year's */
    int64_t late_ns; /* since it could be known first: by that it is live or not */
    double value;
};

/* Puts the last one where it belongs by time, which is nearly always where it is. */
void flow_sort_in(struct accepted *accepted, size_t last);

/* --- pipeline_alarms.c -------------------------------------------------------------------- */

struct alarm_about about_station(struct station_state *state);
struct alarm_about about_place(struct place *place);
struct alarm_about about_collector(struct pipeline *pipeline);

/* Judges a number by one rule, unless it is of a time in which the rule is not in force. */
void flow_judge(struct pipeline *pipeline, struct station_state *station, struct alarm_slot *slot,
                const struct judgement *judgement);

/* Judges a reading by all rules of its series that judge readings. */
void alarms_decide(struct pipeline *pipeline, struct station_state *station,
                   const struct accepted *accepted);

/* True if the rule is not in force any more. */
static inline bool rule_is_over(const struct rule *rule, int64_t time_ns)
{
    return rule->until_ns != 0 && time_ns >= rule->until_ns;
}

/* A change of an alarm's state, real or only due to be told: tells it if nothing holds it back. */
void alarms_settle(struct pipeline *pipeline, const struct alarm_about *about,
                   struct alarm_slot *slot, struct alarm_change *change);

/* Something else that befell an alarm, see struct notice; who and text may be empty. */
struct alarm_event {
    const char *what;
    struct phusa_text who, text;
    int64_t until_ns;
    bool tell, escalated;
};
void alarms_record(struct pipeline *pipeline, const struct alarm_about *about,
                   struct alarm_slot *slot, const struct alarm_event *event);

/* The slot's life, made if there is none; NULL when out of memory. */
struct alarm_life *alarms_life(struct alarm_slot *slot);

/* Time has passed for the alarms of a station, or of what else has some: shelvings end, nobody has
 * acknowledged, rules end. */
void alarms_tick(struct pipeline *pipeline, struct station_state *station);
void alarms_tick_own(struct pipeline *pipeline, const struct alarm_about *about);

/* An alarm ends with the time of its rule: whoever was told of it is told so, and it begins anew.
 */
void flow_end_alarm(struct pipeline *pipeline, const struct alarm_about *about,
                    struct alarm_slot *slot, int64_t at_ns);

/* What the collector itself finds of a station or site: state, moment, since when, how much. Told
 * when it changes, or people do not know it yet. */
struct own_finding {
    enum severity to;
    int64_t since_ns;
    double value;
};
void alarms_set_own(struct pipeline *pipeline, const struct alarm_about *about,
                    enum maintenance which, const struct own_finding *finding);

/* The state of such an alarm. */
enum severity alarms_own_state(struct alarm_slot *const *own, enum maintenance which);

/* Makes the slot of an alarm of the collector's own; NULL when out of memory. */
struct alarm_slot *alarms_own_slot(const struct pipeline *pipeline, struct alarm_slot **own,
                                   enum maintenance which);
void alarms_free_slot(struct alarm_slot *slot); /* what hangs on it */
void alarms_free_own(struct alarm_slot *own[MAINTENANCE_COUNT]);

/* What an alarm of the collector's own is about by its id, or with which < 0 the alarm of a rule:
 * only one kind of thing can be meant, so a site may be called like a station. False when there is
 * none. */
bool alarms_about(struct pipeline *pipeline, int which, struct phusa_text id,
                  struct alarm_about *about);

/* The alarm of that rule at a station, site or the collector, and what it is about; NULL when there
 * is none. */
struct alarm_slot *alarms_find(struct pipeline *pipeline, struct phusa_text rule,
                               struct phusa_text station, struct alarm_about *about);

/* --- pipeline_conditions.c ---------------------------------------------------------------- */

/* A JOURNAL_CONDITION. */
void conditions_take(struct pipeline *pipeline, const struct journal_record *record);
/* A minute has passed: what was held back may be told now. */
void conditions_tick(struct pipeline *pipeline);
void conditions_save(const struct pipeline *pipeline, struct state_writer *writer);
bool conditions_load(struct pipeline *pipeline, struct state_reader *reader);

/* --- pipeline_silence.c ------------------------------------------------------------------- */

/* A record of the journal comes: were we listening? */
void silence_note(struct pipeline *pipeline, const struct journal_record *record);

/* A minute has passed: who is silent, stuck, or out of time? */
void silence_tick(struct pipeline *pipeline);

/* Rules with `missing`: a reading came; time has passed. */
void silence_take(struct pipeline *pipeline, struct station_state *station, struct alarm_slot *slot,
                  int64_t time_ns);
void silence_tick_rule(struct pipeline *pipeline, struct station_state *station,
                       struct alarm_slot *slot);

/* Series that must be there for somebody to miss them. False when out of memory. */
bool silence_open(struct pipeline *pipeline, struct station_state *station);

/* The sites of the registry. False when out of memory. */
bool places_open(struct pipeline *pipeline);

/* --- pipeline_verbs.c --------------------------------------------------------------------- */

/* Does what an operator said. */
void verbs_take(struct pipeline *pipeline, const struct journal_record *record);

/* --- pipeline_lines.c --------------------------------------------------------------------- */

/* Hands on what stands there. */
void flow_flush_extra(struct pipeline *pipeline);

/* Where a line that is no reading goes: room for one of EXTRA_LINE_MAX bytes. */
struct line_writer *flow_extra(struct pipeline *pipeline);

/* The head of such a line: measurement, and `ids` only site and station or all of the station's
 * tags, and a tag each for parameter (may be empty) and window. */
struct phusa_text flow_extra_head(const struct station_state *station, const char *measurement,
                                  bool ids, struct phusa_text parameter, const char *window,
                                  char head[EXTRA_LINE_MAX / 2]);

/* What late readings changed: a line of measurement "correction", at the time of what it corrects.
 */
struct flow_correction {
    struct phusa_text parameter;
    const char *window;
    int64_t end_ns;
    double old, now; /* old NaN: there was none */
    unsigned round;  /* from 1; later ones of the same window and time have it as a tag `again` */
};
void flow_write_correction(struct pipeline *pipeline, const struct station_state *station,
                           const struct flow_correction *correction);

/* From at_ns on a tick is to look at the station. Everything that waits for time to pass says so:
 * most stations have nothing to do on most ticks. */
static inline void flow_due(struct station_state *station, int64_t at_ns)
{
    station->due_ns = at_ns < station->due_ns ? at_ns : station->due_ns;
}

/* A minute has passed, for flags, windows, nights and indices. */
void flow_tick(struct pipeline *pipeline);

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

/* A reading that came before: counted by whoever takes readings. */
void check_count_duplicate(struct pipeline *pipeline, struct station_state *station);

/* What is wrong, for people; static. */
const char *check_detail(enum phusa_reason reason);

/* --- pipeline_clock.c ------------------------------------------------------------------- */

/* Judges the station's clock by pipeline->report, which came at received_ns. */
void clock_judge(struct pipeline *pipeline, struct station_state *station, int64_t received_ns);

/* Instead of that: the report's readings were dated by their arrival before. */
void clock_keep(struct pipeline *pipeline);

/* Stamps that are later are of a wrong clock, even if the collector's own is some days off. */
int64_t clock_horizon(const struct pipeline *pipeline);

/* Where a reading of the report lies in time. */
struct station_clock_place clock_place(const struct pipeline *pipeline,
                                       const struct phusa_reading *reading);

/* Notes what a status says of the clock. */
void clock_status(struct station_state *station, const struct phusa_status_message *message);

/* --- pipeline_derive.c ------------------------------------------------------------------ */

/* Looks up what formulas need in the catalogue of the settings. */
void derive_open(struct pipeline *pipeline);

/* Computes what the station's settings ask for from pipeline->accepted, which is by time; what
 * comes out stands there too. Returns how many stand there then. */
size_t derive_report(struct pipeline *pipeline, struct station_state *station, size_t count);

/* --- pipeline_quality.c ----------------------------------------------------------------- */

/* Tests of a series that begins; false when out of memory. */
bool quality_open(struct pipeline *pipeline, const struct station_state *station,
                  struct series *series);
void quality_close(struct series *series);
struct qartod_series *quality_begin(const struct pipeline *pipeline,
                                    const struct station_state *station,
                                    const struct qc_settings *qc);

/* Flags accepted readings by the tests that need no later one. */
void quality_judge(struct pipeline *pipeline, struct station_state *station,
                   struct accepted *accepted, size_t count);

/* After the readings of a report: is the station's bus stuck? */
void quality_judge_bus(const struct pipeline *pipeline, struct station_state *station);

/* While it is, accepted readings are suspect at best. */
void quality_mark_stuck(const struct station_state *station, struct accepted *accepted,
                        size_t count);

/* Time has passed: what has become final. */
void quality_tick(struct pipeline *pipeline, struct station_state *station, uint16_t index);

/* Writes what has become final. */
void quality_write_finals(struct pipeline *pipeline, struct station_state *station);

/* Lends the series' windows the readings of a time that are not final, but valid as far as is
 * known.
 */
void quality_lend(struct pipeline *pipeline, struct station_state *station, uint16_t index,
                  int64_t from_ns, int64_t upto_ns);

/* A series that had tests under other settings and has none now gets a place for what was not final
 * then: it becomes so at the next tick, by the range alone. False when out of memory. */
bool quality_leave(const struct pipeline *pipeline, const struct station_state *station,
                   struct series *series);

/* --- pipeline_windows.c ----------------------------------------------------------------- */

bool windows_open(struct pipeline *pipeline, const struct station_state *station,
                  struct series *series);
void windows_close(struct series *series);

/* What the settings say of all series of the station. */
void windows_open_station(const struct pipeline *pipeline, struct station_state *station);

struct window_settings windows_settings(const struct station_state *station,
                                        const struct series *series);

/* A valid reading whose flag is final. */
void windows_take(struct pipeline *pipeline, struct station_state *station, uint16_t index,
                  int64_t time_ns, double value);

/* A reading whose flag will be final later: windows_settle says when. Its hour closes all the same.
 */
void windows_await(struct pipeline *pipeline, struct station_state *station, uint16_t index);

/* One of those whose hour closes before that. */
void windows_lend(struct pipeline *pipeline, struct station_state *station, uint16_t index,
                  int64_t time_ns, double value);

/* A reading whose flag has become final: is it valid? */
struct settled {
    int64_t time_ns;
    double value;
    bool valid;
};
void windows_settle(struct pipeline *pipeline, struct station_state *station, uint16_t index,
                    const struct settled *settled);

/* Closes what time has closed. No other call does, so that what has become final comes before. */
void windows_tick(struct pipeline *pipeline, struct station_state *station, uint16_t index);

/* --- pipeline_corrections.c ------------------------------------------------------------- */

/* A window that ends with a local hour was told again; mean: as it was told before, NaN if it had
 * none. */
void corrections_note(struct series *series, enum window_kind kind, int64_t hour, double mean);

/* True if it was; *mean is the one told first, if that is *known. */
bool corrections_look(const struct series *series, enum window_kind kind, int64_t hour, bool *known,
                      double *mean);
void corrections_save(const struct corrections *corrections, struct state_writer *writer);
/* As gathered_load. */
bool corrections_load(struct series *series, struct state_reader *reader);

/* --- pipeline_traps.c ------------------------------------------------------------------- */

/* Series of all species of a trap, so that a night without any count is told too; false when out of
 * memory. */
bool traps_open(struct pipeline *pipeline, struct station_state *station);
void traps_close(struct series *series);
void traps_save(const struct series_trap *trap, struct state_writer *writer);
bool traps_load(const struct pipeline *pipeline, const struct station_state *station,
                struct series *series, struct state_reader *reader);
/* True for its lamp, its gate and their minutes, and its service: they have no windows. */
bool traps_are_told_by(const struct station *station, const struct phusa_parameter *parameter);
void traps_take(struct pipeline *pipeline, struct station_state *station,
                const struct accepted *accepted);
void traps_tick(struct pipeline *pipeline, struct station_state *station, uint16_t index);

/* --- pipeline_index.c ------------------------------------------------------------------- */

bool index_open(const struct pipeline *pipeline, struct station_state *station);

/* An hour of a pollutant was told or corrected. */
void index_note(struct pipeline *pipeline, struct station_state *station,
                const struct phusa_parameter *parameter, int64_t end_ns);
void index_tick(struct pipeline *pipeline, struct station_state *station);

/* True if the parameter is one of those the index is made of. */
bool index_needs(const struct phusa_parameter *parameter);

/* True if it is an index itself. */
bool index_is(const struct phusa_parameter *parameter);

/* --- pipeline_gathered.c ---------------------------------------------------------------- */

enum gathered {
    GATHERED_QUALITY,
    GATHERED_WINDOWS,
    GATHERED_TRAP,
    GATHERED_CORRECTIONS,
    GATHERED_KINDS
};

/* Keeps what a series has gathered of that kind; false when it has none. */
bool gathered_save(const struct series *series, enum gathered what, struct state_writer *writer);

/* Reads it back as far as it has a place. False with reader->failed when it is damaged, without it
 * when out of memory. */
bool gathered_load(const struct pipeline *pipeline, const struct station_state *station,
                   struct series *series, enum gathered what, struct state_reader *reader);

void gathered_save_station(const struct station_state *station, struct state_writer *writer);
void gathered_load_station(struct station_state *station, struct state_reader *reader);

/* Over to other settings; what cannot go over begins anew. */
void gathered_move(const struct pipeline *pipeline, const struct series *from,
                   const struct station_state *station, struct series *to);
void gathered_move_station(const struct station_state *from, struct station_state *to);

/* --- pipeline_view.c ----------------------------------------------------------------------- */

/* A night as people see it. */
struct console_night view_night(const struct phusa_parameter *parameter,
                                const struct trap_night *told);

/* By the parameters' names, as qsort wants it. */
int view_by_name(const struct phusa_parameter *a, const struct phusa_parameter *b);

/* --- pipeline_ledger.c -------------------------------------------------------------------- */

/* Notes log and seq of pipeline->report; true if a report of this number came before. */
bool ledger_note(struct pipeline *pipeline, struct station_state *station);

/* Takes what a status says of the station's logs. */
void ledger_status(struct pipeline *pipeline, struct station_state *station,
                   const struct phusa_status_message *message);

/* A minute has passed: is anything missing for too long? */
void ledger_tick(struct pipeline *pipeline);

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

/*
 * A report of the station is coming, and then its readings: brings what they will touch into the
 * processor's cache meanwhile. With many stations it is in none, and to wait for each piece of it
 * in turn takes longer than all the rest.
 */
void state_expect_report(const struct station_state *station);
void state_expect_readings(const struct station_state *station);
/* What the reading is compared with. */
void state_expect_past(const struct station_state *station, const struct accepted *accepted);

/* The series of a parameter, made at its first reading; NULL when out of memory. */
struct series *state_series(struct pipeline *pipeline, struct station_state *station,
                            const struct phusa_parameter *parameter);

#endif
