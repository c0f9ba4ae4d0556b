/* What the parts of the collector share. For collector*.c only. */
#ifndef COLLECTOR_STATE_H
#define COLLECTOR_STATE_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/log.h"
#include "collector.h"
#include "console/console.h"
#include "ingest/mqtt.h"
#include "journal/journal.h"
#include "notify/notify.h"
#include "pipeline.h"
#include "store/cursor.h"
#include "store/sender.h"

#define COLLECTOR_PATH_MAX 4096
#define OUTLET_ID_MAX      (128 + 8) /* a client_id and what stands behind it */
#define BATCH_RECORDS      512       /* records of the raw journal in one step of the flow */
#define BATCH_BYTES        ((size_t)1 << 20) /* lines in one record of the spool, about */
/* Room for lines: a full batch and the largest report. */
#define LINES_BYTES_LEAST  (2 * BATCH_BYTES)
/* The most of them: a tick may close the windows of every series, 1.5 KB each; 20,000 stations
 * of 8. */
#define LINES_BYTES_MOST   ((size_t)256 << 20)
#define BATCH_NOTICES                                                                              \
    2048 /* changes of alarms in one commit, about: a batch ends when it has them */
#define NOTICES_WAITING_MAX                                                                        \
    100000                      /* that the outbox does not take now; beyond it they are given up */
#define CUT_BYTES          1024 /* what is kept of a payload that is too large */
#define QUARANTINE_BYTES   (INT64_C(256) << 20)
#define QUARANTINE_SEGMENT (INT64_C(16) << 20)
#define RECEIPT_STEP_NS    (50 * MILLI_NS)
#define BEHIND_RECORDS_MAX 20000 /* more records waiting than this is "behind" */

/* Settings in use by somebody; freed by the last one. */
struct shared_settings {
    struct settings *settings;
    atomic_int users;
};

/*
 * A snapshot on its way to the disk: the flow fills `bytes` when `full` is false and sets it; the
 * snapshot thread writes them and sets it back.
 */
struct snapshots {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool full, ending;
    struct state_writer bytes;
    uint64_t position;     /* of the pipeline, in bytes */
    uint64_t kept[2];      /* positions of the two files; 0 = none that can be read */
    uint64_t length;       /* of the one written last, bytes */
    int64_t written_at_ns; /* monotonic; 0 = none by this process */
    int64_t cost_ns;       /* what the last one took, from the flow to the disk */
};

/* One of the collector's alarms about itself (settings.h, enum maintenance; pipeline_is_condition),
 * of the main thread but for what watch_lock is about. */
struct watched {
    bool is_so;
    double value;
    int64_t until_ns;       /* monotonic: how long an event counts as "so" */
    uint64_t seen;          /* the count of events when last looked */
    int64_t next_settle_ns; /* monotonic */
    int64_t untold_ns;      /* monotonic: since when people should know it; 0 = they do */
    enum { RECORDED_UNKNOWN, RECORDED_OFF, RECORDED_ON } recorded; /* last in the journal */
    uint64_t recorded_at; /* position of the record; 0 = of an earlier run */
    /* under watch_lock */
    bool told;          /* people were told last that it is so */
    double told_value;  /* with this number, where that was straight */
    uint64_t told_upto; /* of records up to this position people know all, or what came after */
    bool marked;        /* the outbox does not know what they were told */
};

/* What a batch set aside, until the quarantine has it. */
struct asides {
    size_t count, capacity;
    struct aside_entry {
        json_t *text;
        struct journal_record record; /* its topic is a copy */
    } * items;
};

struct collector {
    struct clock clock;
    mono_time started;
    struct shared_settings *first;   /* broker, journal, store and http hold on to it */
    struct shared_settings *current; /* of the pipeline; under state_lock */
    int lock_fd; /* the journal's folder is ours while it is open; -1 = not yet */

    struct journal *raw, *spool, *quarantine;
    struct outbox *outbox;
    uint64_t outbox_position, spool_origin; /* what earlier runs have passed on */
    uint64_t replay_from, replay_upto; /* records of earlier runs to take again: until then nothing
                                          is told to stations */
    struct mqtt *mqtt;                 /* what comes in */
    struct mqtt *outlet;               /* what is published: receipts and alarms */
    struct broker_settings outlet_broker;
    char outlet_id[OUTLET_ID_MAX];
    atomic_bool receipts_doubtful; /* those in flight went with a connection */
    struct notifier *notifier;
    struct sender *sender;
    struct console *console;

    pthread_mutex_t state_lock; /* the pipeline, and appends to the quarantine */
    struct pipeline *pipeline;
    struct shared_settings *pending; /* to go over to at the next record that announces it */
    uint64_t set_aside_origin;       /* raw position of what was set aside last */
    uint64_t *kept_aside;            /* positions whose set-asides an earlier run has kept, each as
                                        often; ascending */
    size_t kept_aside_count, kept_aside_next;

    /* the flow's batch */
    struct journal_reader *reader;
    char *lines;
    size_t lines_used, lines_capacity;
    uint32_t lines_readings;
    uint64_t lines_position;
    size_t lines_done;        /* of lines_used, in the spool already */
    uint64_t lines_passed_on; /* position up to which all lines are in the spool */
    struct notice *notices;
    size_t notice_count, notice_capacity;
    struct asides asides;
    bool marked; /* the pipeline's mark waits until the spool is safe up to mark_spool */
    uint64_t mark_spool;
    mono_time next_mark, next_snapshot, next_progress;
    uint64_t snapshot_taken; /* position of the snapshot taken last */
    mono_time next_note;
    uint64_t outbox_noted; /* position that the outbox was told last */
    struct snapshots snapshots;

    /* the sender's end of the spool */
    struct journal_reader *spool_reader;
    char cursor_path[COLLECTOR_PATH_MAX];

    pthread_t sync_thread, flow_thread, sender_thread, snapshot_thread;
    bool sync_running, flow_running, sender_running, snapshot_running;
    atomic_bool stopping; /* the flow ends when it has caught up */
    atomic_bool sync_stopping;
    atomic_int_fast64_t
        flush_until_ns; /* monotonic; set at the stop: the sender ends then at the latest */
    atomic_bool link_up, journal_writable, caught_up;
    atomic_uint_fast64_t delivered; /* position up to which everything was passed on */
    bool told_doubtful;             /* notices were given up: ask the outbox who knows what */
    atomic_uint_fast64_t receipts, journal_failures;
    atomic_uint_fast64_t broker_dropped;      /* messages, since the start */
    atomic_uint_fast64_t broker_dropped_last; /* as the broker said last, plus 1; 0 = not yet */
    atomic_uint_fast64_t spool_lost;          /* readings, since the start */
    atomic_uint_fast64_t outboxes_replaced;   /* at the start: a damaged one was set aside */
    int64_t last_tick_minute;
    mono_time next_retention, next_reserve, next_watch;
    bool held; /* the disk is full: the broker is left alone */
    atomic_bool held_shown;
    struct watched watched[MAINTENANCE_COUNT];
    pthread_mutex_t watch_lock;

    struct log_complaint quarantine_complaint; /* under state_lock */
    pthread_mutex_t requeue_lock;              /* one request to put something back at a time */

    pthread_mutex_t text_lock; /* what follows */
    struct problem reload_problem;
    uint64_t reloads, reloads_refused;
    struct log_complaint outbox_complaint, spool_complaint; /* of the flow's thread */
    struct log_complaint link_complaint, outlet_complaint, journal_complaint, store_complaint;

    struct log_complaint snapshot_complaint; /* the snapshot thread's */

    /* the sender's thread */
    struct log_complaint refusal_complaint;
    mono_time last_refusal;
    uint64_t *refused_before; /* hashes of lines refused before a crash, ascending */
    size_t refused_count;
    bool refusal_lost;     /* at the stop: what was refused must be refused again */
    struct losses *losses; /* of a segment of a full spool that is about to go; NULL = none */
};

/* collector_shared.c */
struct shared_settings *shared_settings_new(struct settings *settings);
void shared_settings_drop(struct shared_settings *shared);
/* The settings in force; to be let go with shared_settings_drop. */
struct shared_settings *shared_settings_current(struct collector *collector);
/*
 * Writes a description to the quarantine; record gives time, topic and kind. Its origin is the raw
 * position it came from, 0 if it came from no record: then it gets the latest one, so that origins
 * ascend. False when the quarantine does not take it now: to be tried again. state_lock is held.
 */
bool quarantine_append(struct collector *collector, const json_t *text,
                       struct journal_record record);

/* collector_intake.c: what comes in, to the raw journal; group commit */
extern const struct mqtt_handlers intake_handlers, outlet_handlers; /* context to be set */
/* Appends, and gives the record its time and position; false when the journal takes no more. */
bool intake_append(struct collector *collector, struct journal_record *record);
void *sync_run(void *context);

/* collector_flow.c: raw journal to spool, outbox, quarantine and receipts */
bool flow_create(struct collector *collector, struct problem *problem);
void flow_free(struct collector *collector);
void *flow_run(void *context);

/* collector_told.c: what people were told of, asked of the outbox; the flow's thread */
void told_recall(struct collector *collector);

/* collector_snapshot.c: what the pipeline remembers, kept over a restart */
/* Reads the positions of the files there are; before the raw journal is opened. Returns the
 * highest. */
uint64_t snapshot_survey(struct collector *collector);
/* The pipeline as the newest snapshot that can be read has it, else a new one. False when out of
 * memory. */
bool snapshot_restore(struct collector *collector, const struct pipeline_sink *sink,
                      struct problem *problem);
/* Takes one if that is due (or forced: at the stop); the flow's thread, everything delivered. */
void snapshot_take(struct collector *collector, mono_time now, bool force);
void *snapshot_run(void *context);
/* Ends the thread when it has written what it was given. */
void snapshot_end(struct collector *collector);
/* The raw journal is needed from behind this position on. */
uint64_t snapshot_floor(struct collector *collector);

/* collector_store.c: spool to store */
bool store_create(struct collector *collector, struct problem *problem);
void store_free(struct collector *collector);
void *store_run(void *context);
/* Positions kept by an earlier run; 0 when there is none. */
void store_read_cursor(struct collector *collector, struct store_cursor *cursor);

/* collector_watch.c: the disk, retention, and what befalls the collector itself */
void watch_tend(struct collector *collector, mono_time now);

/* collector_conditions.c: alarms about that; main thread but for conditions_commit */
/* A state, as it is now; value is its alarm's. To be called again and again. */
void conditions_set(struct collector *collector, enum maintenance which, bool is_so, double value,
                    mono_time now);
/* The same for events: how many there were since the start. */
void conditions_count(struct collector *collector, enum maintenance which, uint64_t count,
                      mono_time now);
/* outbox_commit for the flow: what people know of these alarms already is not told again; such
 * notices lose their `tell`. */
enum outbox_status conditions_commit(struct collector *collector, const struct settings *settings,
                                     struct notice *notices, size_t count, uint64_t position,
                                     struct problem *problem);
/* Asks the outbox what people know of them from an earlier run; before the threads. */
void conditions_recall(struct collector *collector);
/* True if it is one of them. */
bool conditions_is_one(const struct collector *collector, const struct outbox_told *told);

/* collector_alarms.c: what operators ask for and do (console_source) */
enum console_verb collector_verb(void *context, struct phusa_text payload, struct problem *problem);
bool collector_events(void *context, const struct console_events_query *query,
                      bool (*visit)(void *visitor, const struct console_event *event),
                      void *visitor);
bool collector_messages(void *context, const struct console_messages_query *query,
                        void (*visit)(void *visitor, const struct console_message *message),
                        void *visitor);

enum console_delivered collector_delivery(void *context, const struct console_delivery *report);
/* What was reported of each channel that asks for reports. */
void collector_fill_reports(struct collector *collector, const struct settings *settings,
                            struct console_view *view);

/* collector_names.c: names that nobody knows (console_source) */
bool collector_unknown(void *context, const struct console_names *names, struct problem *problem);

/* collector_requeue.c: puts back what was set aside (console_source) */
enum console_requeue collector_requeue(void *context, const uint64_t *positions,
                                       size_t positions_count, uint64_t *count,
                                       struct problem *problem);

/* collector_view.c */
void collector_fill_totals(void *context, struct console_totals *totals);
struct console_view *collector_make_view(void *context);
struct console_windows *collector_make_windows(void *context,
                                               const struct console_windows_query *query);

#endif
