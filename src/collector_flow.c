/*
 * The flow's thread: takes batches of synced records through the pipeline and puts what
 * follows where it belongs, in this order: quarantine, outbox (durable), spool.
 * After a kill the journal is taken again from its beginning, and each sink
 * leaves out what it already holds: notices up to the outbox's and the spool's last
 * position, lines up to the spool's, set-asides up to the quarantine's.
 */
#include <stdlib.h>
#include <string.h>

#include "collector_state.h"

/* --- sinks ---------------------------------------------------------------------------- */

static void take_lines(void *context, struct phusa_text lines, uint32_t readings, uint64_t position)
{
    struct collector *collector = context;
    if (position <= collector->spool_origin ||
        collector->lines_used + lines.length > collector->lines_capacity) {
        return; /* the capacity holds a full batch and the largest report */
    }
    memcpy(collector->lines + collector->lines_used, lines.data, lines.length);
    collector->lines_used += lines.length;
    collector->lines_readings += readings;
    collector->lines_position = position;
}

static void take_notice(void *context, const struct notice *notice)
{
    struct collector *collector = context;
    if (notice->position <= collector->outbox_position ||
        notice->position <= collector->spool_origin) {
        return;
    }
    if (collector->notice_count == collector->notice_capacity) {
        size_t capacity = collector->notice_capacity * 2;
        struct notice *notices = realloc(collector->notices, capacity * sizeof *notices);
        if (notices == NULL) {
            log_error("out of memory: a change of alarm %s at %s is lost", notice->rule->id,
                      notice->station->id);
            return;
        }
        collector->notices = notices;
        collector->notice_capacity = capacity;
    }
    collector->notices[collector->notice_count++] = *notice;
}

static json_t *describe(const struct set_aside *item)
{
    json_t *text = json_object();
    (void)json_object_set_new(text, "reason", json_string(phusa_reason_name(item->reason)));
    (void)json_object_set_new(text, "detail", json_string(item->detail));
    if (item->station != NULL) {
        (void)json_object_set_new(text, "station", json_string(item->station->id));
    }
    if (item->whole) {
        (void)json_object_set_new(text, "offset", json_integer((json_int_t)item->offset));
    } else {
        (void)json_object_set_new(text, "name",
                                  json_stringn_nocheck(item->name.data, item->name.length));
        (void)json_object_set_new(text, "value", json_real(item->value));
        (void)json_object_set_new(text, "time_ns", json_integer(item->time_ns));
    }
    return text;
}

static void take_set_aside(void *context, const struct set_aside *item)
{
    struct collector *collector = context;
    if (item->record->position <= collector->quarantine_origin) {
        return;
    }
    quarantine_append(collector, describe(item),
                      (struct journal_record){ .origin = item->record->position,
                                               .time = item->record->time,
                                               .topic = item->record->topic });
}

/* --- a batch ----------------------------------------------------------------------------- */

static void go_over(struct collector *collector, int64_t at_ns)
{
    struct shared_settings *next = collector->pending;
    if (!pipeline_reconfigure(collector->pipeline, next->settings, at_ns)) {
        log_error("reload: out of memory; the settings in force stay");
        return;
    }
    collector->retired = collector->current;
    collector->current = next;
    collector->pending = NULL;
}

static bool batch_full(const struct collector *collector, size_t records)
{
    return records == BATCH_RECORDS || collector->lines_used >= BATCH_BYTES ||
           collector->notice_count >= BATCH_NOTICES;
}

/* Takes records through the pipeline; true if there was any. */
static bool take_batch(struct collector *collector, bool *reconfigured)
{
    size_t records = 0;
    struct journal_record record;
    *reconfigured = false;
    (void)pthread_mutex_lock(&collector->state_lock);
    while (!*reconfigured && !batch_full(collector, records) &&
           journal_next(collector->reader, &record) == JOURNAL_OK) {
        pipeline_take(collector->pipeline, &record);
        records++;
        if (record.kind == JOURNAL_CONFIGURED && collector->pending != NULL) {
            go_over(collector, record.time.ns);
            *reconfigured = true;
        }
    }
    (void)pthread_mutex_unlock(&collector->state_lock);
    return records > 0;
}

static bool commit_notices(struct collector *collector)
{
    struct problem problem = { 0 };
    if (collector->notice_count == 0) {
        return true;
    }
    const struct settings *settings = collector->current->settings;
    uint64_t position = collector->notices[collector->notice_count - 1].position;
    if (outbox_commit(collector->outbox, collector->notices, collector->notice_count,
                      settings->channels, position, clock_real(), &problem) != OUTBOX_OK) {
        log_error("alarms cannot be written down, trying again: %s", problem.text);
        return false;
    }
    collector->notice_count = 0;
    notifier_wake(collector->notifier);
    return true;
}

static bool append_lines(struct collector *collector)
{
    if (collector->lines_used == 0) {
        return true;
    }
    struct journal_record record = { .kind = JOURNAL_LINES,
                                     .origin = collector->lines_position,
                                     .time = clock_wall(&collector->clock),
                                     .count = collector->lines_readings,
                                     .payload = { collector->lines, collector->lines_used } };
    enum journal_status status = journal_append(collector->spool, &record, NULL);
    if (status != JOURNAL_OK) {
        log_error("the spool takes no more (%s), trying again",
                  status == JOURNAL_FULL ? "disk full" : "input/output error");
        return false;
    }
    (void)atomic_fetch_add(&collector->spooled, collector->lines_readings);
    collector->lines_used = 0;
    collector->lines_readings = 0;
    return true;
}

/* Passes the batch on; tries again each second until it is done or the collector stops. */
static void deliver(struct collector *collector)
{
    while (!commit_notices(collector) || !append_lines(collector)) {
        if (atomic_load(&collector->stopping)) {
            return; /* taken from the journal again at the next start */
        }
        clock_sleep_until((mono_time){ clock_mono().ns + SECOND_NS });
    }
}

/* The settings that the last batch went away from have no user here any more. */
static void let_go(struct collector *collector)
{
    shared_settings_drop(collector->retired);
    collector->retired = NULL;
}

static bool publish_receipt(void *context, const char *topic, struct phusa_text payload)
{
    struct collector *collector = context;
    return mqtt_publish(collector->mqtt, topic, payload, true);
}

static void send_receipts(struct collector *collector, mono_time now)
{
    (void)pthread_mutex_lock(&collector->state_lock);
    uint64_t count = pipeline_receipts(collector->pipeline, now, publish_receipt, collector);
    (void)pthread_mutex_unlock(&collector->state_lock);
    (void)atomic_fetch_add(&collector->receipts, count);
}

void *flow_run(void *context)
{
    struct collector *collector = context;
    mono_time receipts = { 0 };
    for (;;) {
        bool stopping = atomic_load(&collector->stopping);
        uint64_t seen = journal_synced(collector->raw);
        bool reconfigured;
        bool any = take_batch(collector, &reconfigured);
        deliver(collector);
        if (reconfigured) {
            let_go(collector);
        }
        if (!any || pipeline_position(collector->pipeline) >= collector->replay_upto) {
            atomic_store(&collector->caught_up, true);
        }
        mono_time now = clock_mono();
        if (atomic_load(&collector->caught_up) && now.ns - receipts.ns >= RECEIPT_STEP_NS &&
            mqtt_connected(collector->mqtt)) {
            send_receipts(collector, now);
            receipts = now;
        }
        if (any) {
            continue;
        }
        if (stopping) {
            return NULL;
        }
        (void)journal_wait_synced(collector->raw, seen, RECEIPT_STEP_NS);
    }
}

bool flow_create(struct collector *collector, struct problem *problem)
{
    struct pipeline_sink sink = { .context = collector,
                                  .lines = take_lines,
                                  .notice = take_notice,
                                  .set_aside = take_set_aside };
    collector->lines_capacity = BATCH_BYTES + (1u << 20);
    collector->lines = malloc(collector->lines_capacity);
    collector->notice_capacity = BATCH_NOTICES;
    collector->notices = calloc(collector->notice_capacity, sizeof *collector->notices);
    collector->pipeline = pipeline_create(collector->current->settings, &sink);
    if (collector->lines == NULL || collector->notices == NULL || collector->pipeline == NULL) {
        problem_set(problem, "out of memory for the pipeline");
        return false;
    }
    return journal_reader_open(collector->raw, 0, &collector->reader, problem) == JOURNAL_OK;
}

void flow_free(struct collector *collector)
{
    journal_reader_close(collector->reader);
    pipeline_free(collector->pipeline);
    free(collector->notices);
    free(collector->lines);
}
