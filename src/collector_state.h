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
#include "store/sender.h"

#define COLLECTOR_PATH_MAX 4096
#define BATCH_RECORDS      512        /* records of the raw journal in one step of the flow */
#define BATCH_BYTES        (1u << 20) /* lines in one record of the spool, about */
#define BATCH_NOTICES                                                                              \
    2048 /* changes of alarms in one commit, about: a batch ends when it has them */
#define NOTICES_WAITING_MAX                                                                        \
    100000                      /* that the outbox does not take now; beyond it they are given up */
#define CUT_BYTES          1024 /* what is kept of a payload that is too large */
#define QUARANTINE_BYTES   (INT64_C(256) << 20)
#define RECEIPT_STEP_NS    (50 * MILLI_NS)
#define BEHIND_RECORDS_MAX 20000 /* more records waiting than this is "behind" */

/* Settings in use by somebody; freed by the last one. */
struct shared_settings {
    struct settings *settings;
    atomic_int users;
};

struct collector {
    struct clock clock;
    mono_time started;
    struct shared_settings *first;   /* broker, journal, store and http hold on to it */
    struct shared_settings *current; /* of the pipeline; under state_lock */

    struct journal *raw, *spool, *quarantine;
    struct outbox *outbox;
    uint64_t outbox_position, spool_origin,
        quarantine_origin; /* what earlier runs have passed on */
    uint64_t replay_upto;  /* last record of earlier runs: until then nothing is told to stations */
    struct mqtt *mqtt;
    struct notifier *notifier;
    struct sender *sender;
    struct console *console;

    pthread_mutex_t state_lock; /* the pipeline */
    struct pipeline *pipeline;
    struct shared_settings *pending; /* to go over to at the next record that announces it */

    /* the flow's batch */
    struct journal_reader *reader;
    char *lines;
    size_t lines_used, lines_capacity;
    uint32_t lines_readings;
    uint64_t lines_position;
    struct notice *notices;
    size_t notice_count, notice_capacity;

    /* the sender's end of the spool */
    struct journal_reader *spool_reader;
    char cursor_path[COLLECTOR_PATH_MAX];
    uint64_t pending_at_start;
    atomic_uint_fast64_t spooled; /* readings put into the spool since the start */
    atomic_uint_fast64_t refused_readings;

    pthread_t sync_thread, flow_thread, sender_thread;
    bool sync_running, flow_running, sender_running;
    atomic_bool stopping; /* the flow ends when it has caught up */
    atomic_bool sync_stopping;
    atomic_int_fast64_t
        flush_until_ns; /* monotonic; set at the stop: the sender ends then at the latest */
    atomic_bool link_up, journal_writable, caught_up;
    atomic_uint_fast64_t delivered; /* position up to which everything was passed on */
    bool told_doubtful;             /* notices were given up: ask the outbox who knows what */
    atomic_uint_fast64_t receipts, journal_failures;
    int64_t last_tick_minute;
    mono_time next_retention, next_reserve;
    bool held; /* the disk is full: the broker is left alone */

    pthread_mutex_t text_lock; /* what follows */
    struct problem reload_problem;
    uint64_t reloads, reloads_refused;
    struct log_complaint outbox_complaint, spool_complaint; /* of the flow's thread */
    struct log_complaint link_complaint, journal_complaint, store_complaint;

    /* the sender's thread */
    struct log_complaint refusal_complaint;
    mono_time last_refusal;
};

/* collector_shared.c */
struct shared_settings *shared_settings_new(struct settings *settings);
void shared_settings_drop(struct shared_settings *shared);
/* Writes a description (taken over; NULL when out of memory) to the quarantine; record gives time,
 * topic and origin. */
void quarantine_append(struct collector *collector, json_t *text, struct journal_record record);

/* collector_flow.c: raw journal to spool, outbox, quarantine and receipts */
bool flow_create(struct collector *collector, struct problem *problem);
void flow_free(struct collector *collector);
void *flow_run(void *context);

/* collector_store.c: spool to store */
bool store_create(struct collector *collector, struct problem *problem);
void store_free(struct collector *collector);
void *store_run(void *context);
/* Positions kept by an earlier run; 0 when there is none. */
void store_read_cursor(struct collector *collector, uint64_t *safe, uint64_t *sent);

/* collector_view.c */
void collector_fill_totals(void *context, struct console_totals *totals);
struct console_view *collector_make_view(void *context);

#endif
