/*
 * The flow from a journal record to everything that follows from it: lines for
 * the store, changes of alarms, what is set aside, receipts. A function of the
 * records and the settings alone: no clock, no I/O, no thread. The daemon
 * drives it with the live journal, `phusa replay` with an old one, `phusa decode`
 * with a single payload. pipeline.c is the whole flow on one page.
 */
#ifndef PIPELINE_H
#define PIPELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/state.h"
#include "console/console.h"
#include "journal/journal.h"
#include "notify/notify.h"
#include "phusa/message.h"
#include "phusa/number.h"
#include "phusa/report.h"
#include "settings/settings.h"

/* One reading with where and when it was taken; texts live as long as the record or the settings.
 */
struct pipeline_sample {
    struct phusa_text station, parameter;
    double value;
    int64_t time_ns, received_ns;
    enum phusa_device_state state;
    bool reconstructed; /* not at its stamp, which cannot be believed: flagged, never judged */
    int64_t shift_ns;   /* time_ns - its stamp, by which it is known when it comes again */
};

/* A reading or a whole message that was not accepted. Texts live as long as the record. */
struct set_aside {
    enum phusa_reason reason;
    const struct journal_record *record;
    const struct station *station; /* NULL when no station of the registry is meant */
    bool whole;                    /* the message as a whole; otherwise one reading of it */
    const char *detail;            /* English, static: what was wrong; never NULL */
    size_t offset;                 /* whole: the byte at which it was noticed */
    struct phusa_text name;        /* one reading: its parameter as sent */
    double value;
    int64_t time_ns;
    const struct phusa_reading *reading; /* one reading: as it came; lives as long as the record */
    bool reconstructed;                  /* one reading: time_ns is not its stamp */
};

/* Where the results go; called from within pipeline_take, in the order of the flow. Any may be
 * NULL. */
struct pipeline_sink {
    void *context;
    /* Whole lines of line protocol; readings = how many values stand in them. */
    void (*lines)(void *context, struct phusa_text lines, uint32_t readings, uint64_t position);
    /* A reading that rules may judge: accepted, measured, not ahead of its receive time. */
    void (*reading)(void *context, const struct pipeline_sample *sample, enum phusa_flag flag);
    void (*notice)(void *context, const struct notice *notice);
    void (*set_aside)(void *context, const struct set_aside *item);
    /* A single payload, behind which nothing comes: each flag is the one that a reading gives by
     * itself (the catalogue's range, its gross limits, its time, the device's state), written at
     * once, and there are no windows. */
    bool single;
};

struct pipeline;

/* settings must outlive the pipeline or the next pipeline_reconfigure. NULL when out of memory. */
struct pipeline *pipeline_create(const struct settings *settings, const struct pipeline_sink *sink);
void pipeline_free(struct pipeline *pipeline);

/* Takes the next record of the raw journal. */
void pipeline_take(struct pipeline *pipeline, const struct journal_record *record);

/*
 * Time passes without a record, as in a CSV of the past: what windows, nights and flags close by
 * now_ns. Records of a journal have their own ticks.
 */
void pipeline_tick(struct pipeline *pipeline, int64_t now_ns);

/*
 * Takes readings of one station and time that come from elsewhere than a message (a CSV of the
 * past), 1 to PHUSA_REPORT_READINGS_MAX: as one report, so that quantities are derived from them.
 * Returns why the last one that was refused was, or PHUSA_REASON_NONE.
 */
enum phusa_reason pipeline_take_samples(struct pipeline *pipeline,
                                        const struct pipeline_sample *samples, size_t count);

/*
 * Goes over to other settings. State of stations, series and rules that are the same stays; an
 * alarm whose rule is gone ends with a notice. False (nothing changed) when out of memory.
 * at_ns: receive time of the record that announced it.
 */
bool pipeline_reconfigure(struct pipeline *pipeline, const struct settings *settings,
                          int64_t at_ns);

/*
 * Receipts that are due: publish is called with topic and payload, and returns
 * false when it cannot take it now. Each station at most once a second.
 * Returns how many were published.
 */
uint64_t pipeline_receipts(struct pipeline *pipeline, mono_time now,
                           bool (*publish)(void *context, const char *topic,
                                           struct phusa_text payload),
                           void *context);

/* Receipts sent before may not have arrived: every station that numbers its reports gets one. */
void pipeline_receipts_anew(struct pipeline *pipeline);

/*
 * What people were told of last is known better elsewhere: forget_told makes every series one of
 * which nothing was told, set_told says otherwise of one. False if there is no such
 * rule, station or series.
 */
void pipeline_forget_told(struct pipeline *pipeline);
bool pipeline_set_told(struct pipeline *pipeline, const char *rule, const char *station,
                       const char *parameter, enum severity severity);

/* Highest position taken. */
uint64_t pipeline_position(const struct pipeline *pipeline);

/* --- what became of readings behind the pipeline ------------------------- */

/*
 * received = duplicates + accepted - lost + quarantined, for each station and in all.
 *
 * pipeline_mark notes how many readings of each station were accepted by now; pipeline_stored
 * says that all that were accepted at the mark are in the store for good.
 */
void pipeline_mark(struct pipeline *pipeline);
void pipeline_stored(struct pipeline *pipeline);

/* Readings of a station that were accepted will never be in the store: they count as quarantined.
 * An unknown station counts among those of no known station. */
void pipeline_lost(struct pipeline *pipeline, struct phusa_text station, enum phusa_reason reason,
                   uint64_t readings);

/* --- what operators do ------------------------------------------------------- */

/* True if what an operator asks for (the payload of a JOURNAL_VERB) makes sense now; the problem
 * says what would be right. To be asked before it is written into the journal. */
bool pipeline_check_verb(struct pipeline *pipeline, struct phusa_text payload, int64_t now_ns,
                         struct problem *problem);

/* --- what befalls the collector itself ----------------------------------------- */

/* True if it comes to the pipeline as a JOURNAL_CONDITION. People are told of it by others, too:
 * what they know stays with those (collector_conditions.c), so pipeline_forget_told and _set_told
 * leave it alone. */
bool pipeline_is_condition(enum maintenance which);

/* The payload of such a record, terminated; rule is that of the alarm. */
#define PIPELINE_CONDITION_CHARS (PHUSA_ID_MAX + 8 + PHUSA_DOUBLE_CHARS)
void pipeline_condition_print(const struct rule *rule, bool is_so, double value,
                              char text[PIPELINE_CONDITION_CHARS]);

/* What the records up to now made of it. */
struct pipeline_condition {
    bool is_so;
    bool told; /* the last notice with `tell` said that it is so */
    bool held; /* at now_ns: shelved, out of service, or flapping */
};
struct pipeline_condition pipeline_condition(const struct pipeline *pipeline,
                                             enum maintenance which, int64_t now_ns);

/* --- state over a restart -------------------------------------------------- */

/* Everything that what follows depends on, but for the settings. The position stands in it. */
void pipeline_save(const struct pipeline *pipeline, struct state_writer *writer);

/* The position that stands in what pipeline_save wrote; the reader (a copy) is used up. 0, and
 * reader->failed, when it is nothing of that kind. */
uint64_t pipeline_saved_position(struct state_reader *reader);

enum pipeline_restored {
    PIPELINE_RESTORED,
    PIPELINE_DAMAGED, /* not what pipeline_save writes: the pipeline is to be freed */
    PIPELINE_NO_MEMORY
};

/*
 * Into a pipeline that has taken nothing. What is no longer configured is left out; an alarm whose
 * rule judges otherwise now begins anew.
 */
enum pipeline_restored pipeline_restore(struct pipeline *pipeline, struct state_reader *reader);

struct pipeline_counters {
    uint64_t messages;
    uint64_t received, duplicates, accepted,
        quarantined; /* readings; a refused message counts as one */
    uint64_t lost;   /* of those accepted: see pipeline_lost; they count as quarantined, too */
    uint64_t went_back, renumbered; /* of all stations, see console_station */
    uint64_t stored, pending;       /* of those accepted, but for what went lost (pipeline_lost) */
    uint64_t unknown_reasons[PHUSA_REASON_COUNT]; /* of messages of no known station */
    uint64_t transitions;
    uint64_t flagged[PHUSA_FLAG_MISSING + 1]; /* flags of readings and derived quantities, each once
                                                 it was final, by enum phusa_flag */
    uint64_t windows_told;                    /* at first, nights among them */
    uint64_t corrections;                     /* of windows and indices, as lines of "correction" */
};
void pipeline_read_counters(const struct pipeline *pipeline, struct pipeline_counters *counters);

/* Fills stations and alarms of a view (not its totals); now_ns for "quiet", and for shelvings that
 * have ended since the last tick. False when out of memory; pipeline_view_free frees what it made.
 */
bool pipeline_fill_view(const struct pipeline *pipeline, int64_t now_ns, struct console_view *view);
void pipeline_view_free(struct console_view *view);

/* Fills the windows that are asked for, as they were told by now_ns. False when out of memory;
 * pipeline_windows_free frees what it made. */
bool pipeline_fill_windows(struct pipeline *pipeline, const struct console_windows_query *query,
                           int64_t now_ns, struct console_windows *out);
void pipeline_windows_free(struct console_windows *windows);

#endif
