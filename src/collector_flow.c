/*
 * The flow's thread: takes batches of synced records through the pipeline and puts what
 * follows where it belongs, in this order: quarantine, outbox (durable), spool.
 * After a kill the journal is taken again from the newest snapshot on, and each sink
 * leaves out what it already holds: notices up to the outbox's last position (which is
 * brought up to date every few seconds, so that rules that changed meanwhile judge hardly
 * anything twice), lines up to the spool's, set-asides up to the quarantine's.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector_state.h"
#include "phusa/topic.h"
#include "pipeline_aside.h"
#include "store/lineproto.h"

#define MARK_NS            SECOND_NS
#define NOTE_NS            (5 * SECOND_NS)
#define PROGRESS_NS        SECOND_NS /* on a terminal; in a log each PROGRESS_LOG_STEPS */
#define PROGRESS_LOG_STEPS 10

/* --- sinks ---------------------------------------------------------------------------- */

/* Room for more lines; it is given back when they are in the spool. */
static bool room_for_lines(struct collector *collector, size_t bytes)
{
    size_t needed = collector->lines_used + bytes, capacity = collector->lines_capacity;
    while (capacity < needed && capacity < LINES_BYTES_MOST) {
        capacity *= 2;
    }
    char *lines = NULL;
    if (capacity > collector->lines_capacity && capacity >= needed) {
        lines = realloc(collector->lines, capacity);
    }
    if (lines != NULL) {
        collector->lines = lines;
        collector->lines_capacity = capacity;
    }
    return needed <= collector->lines_capacity;
}

static void take_lines(void *context, struct phusa_text lines, uint32_t readings, uint64_t position)
{
    struct collector *collector = context;
    if (position <= collector->spool_origin) {
        return;
    }
    if (!room_for_lines(collector, lines.length)) {
        log_error("no room for %zu bytes of lines of record %" PRIu64 ": they are lost",
                  lines.length, position);
        return;
    }
    memcpy(collector->lines + collector->lines_used, lines.data, lines.length);
    collector->lines_used += lines.length;
    collector->lines_readings += readings;
    collector->lines_position = position;
}

/* What an operator said outlives its record. */
static struct phusa_text keep_text(struct phusa_text text)
{
    char *copy = text.length == 0 ? NULL : malloc(text.length);
    if (copy == NULL) {
        return PHUSA_TEXT("");
    }
    memcpy(copy, text.data, text.length);
    return (struct phusa_text){ copy, text.length };
}

static void drop_text(struct phusa_text text)
{
    if (text.length > 0) {
        free((char *)(uintptr_t)text.data);
    }
}

static void drop_notices(struct collector *collector)
{
    for (size_t i = 0; i < collector->notice_count; i++) {
        drop_text(collector->notices[i].who);
        drop_text(collector->notices[i].text);
    }
    collector->notice_count = 0;
}

static void take_notice(void *context, const struct notice *notice)
{
    struct collector *collector = context;
    if (notice->position <= collector->outbox_position) {
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
    struct notice *kept = &collector->notices[collector->notice_count++];
    *kept = *notice;
    kept->who = keep_text(notice->who);
    kept->text = keep_text(notice->text);
}

/* Taken again after a restart: an earlier run has put it into the quarantine. Positions ascend. */
static bool was_kept(struct collector *collector, uint64_t position)
{
    while (collector->kept_aside_next < collector->kept_aside_count &&
           collector->kept_aside[collector->kept_aside_next] < position) {
        collector->kept_aside_next++;
    }
    if (collector->kept_aside_next == collector->kept_aside_count ||
        collector->kept_aside[collector->kept_aside_next] != position) {
        return false;
    }
    collector->kept_aside_next++;
    return true;
}

static bool add_aside(struct asides *asides, const struct set_aside *item)
{
    if (asides->count == asides->capacity) {
        size_t capacity = asides->capacity == 0 ? 64 : asides->capacity * 2;
        struct aside_entry *items = realloc(asides->items, capacity * sizeof *items);
        if (items == NULL) {
            return false;
        }
        asides->items = items;
        asides->capacity = capacity;
    }
    struct phusa_text topic = item->record->topic;
    struct aside_entry *entry = &asides->items[asides->count];
    char *copy = malloc(topic.length + 1);
    entry->text = copy == NULL ? NULL : aside_describe(item);
    if (entry->text == NULL) {
        free(copy);
        return false;
    }
    memcpy(copy, topic.data, topic.length);
    entry->record = (struct journal_record){ .kind = JOURNAL_SET_ASIDE,
                                             .origin = item->record->position,
                                             .time = item->record->time };
    entry->record.topic.data = copy;
    entry->record.topic.length = topic.length;
    asides->count++;
    return true;
}

/* Lets the first `count` go. */
static void drop_asides(struct asides *asides, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        json_decref(asides->items[i].text);
        free((char *)(uintptr_t)asides->items[i].record.topic.data);
    }
    asides->count -= count;
    if (asides->count > 0) {
        memmove(asides->items, asides->items + count, asides->count * sizeof *asides->items);
    }
}

static void take_set_aside(void *context, const struct set_aside *item)
{
    struct collector *collector = context;
    if (was_kept(collector, item->record->position)) {
        return;
    }
    if (!add_aside(&collector->asides, item)) {
        log_error("out of memory: a set-aside of record %" PRIu64 " is not kept",
                  item->record->position);
    }
}

/* --- a batch ----------------------------------------------------------------------------- */

static bool batch_full(const struct collector *collector, size_t records)
{
    return records == BATCH_RECORDS || collector->lines_used >= BATCH_BYTES ||
           collector->notice_count >= BATCH_NOTICES;
}

/* Takes records through the pipeline, up to one that announces new settings; true if there was any.
 */
static bool take_batch(struct collector *collector, int64_t *announced_ns)
{
    size_t records = 0;
    struct journal_record record;
    *announced_ns = 0;
    (void)pthread_mutex_lock(&collector->state_lock);
    while (*announced_ns == 0 && !batch_full(collector, records) &&
           journal_next(collector->reader, &record) == JOURNAL_OK) {
        pipeline_take(collector->pipeline, &record);
        records++;
        if (record.kind == JOURNAL_CONFIGURED && collector->pending != NULL) {
            *announced_ns = record.time.ns;
        }
    }
    (void)pthread_mutex_unlock(&collector->state_lock);
    return records > 0;
}

/* What cannot be committed now waits for the next batch: storage does not wait for it. */
static void commit_notices(struct collector *collector, const struct settings *settings)
{
    struct problem problem = { 0 };
    long long now = clock_mono().ns;
    if (collector->notice_count == 0) {
        return;
    }
    uint64_t position = collector->notices[collector->notice_count - 1].position;
    if (conditions_commit(collector, settings, collector->notices, collector->notice_count,
                          position, &problem) == OUTBOX_OK) {
        drop_notices(collector);
        notifier_wake(collector->notifier);
        if (log_complaint_over(&collector->outbox_complaint, now, NULL)) {
            log_info("alarms are written down again");
        }
        return;
    }
    if (log_complaint_due(&collector->outbox_complaint, now)) {
        log_error("alarms cannot be written down: %s; %zu wait", problem.text,
                  collector->notice_count);
    }
    if (collector->notice_count > NOTICES_WAITING_MAX) {
        log_error("%zu changes of alarms are given up", collector->notice_count);
        drop_notices(collector); /* whoever was not told will be at the next live reading */
        collector->told_doubtful = true;
    }
}

/* Whole lines that are not in the spool yet, as many as fit one record of it. */
static struct phusa_text next_piece(const struct collector *collector)
{
    struct phusa_text rest = { collector->lines + collector->lines_done,
                               collector->lines_used - collector->lines_done };
    if (rest.length > LINES_BYTES_LEAST) {
        const char *end = memrchr(rest.data, '\n', LINES_BYTES_LEAST);
        rest.length = end == NULL ? LINES_BYTES_LEAST : (size_t)(end - rest.data) + 1;
    }
    return rest;
}

static uint32_t readings_of(const struct collector *collector, struct phusa_text piece)
{
    uint32_t readings = 0;
    struct phusa_text line;
    if (piece.length == collector->lines_used) {
        return collector->lines_readings;
    }
    while (text_next_line(&piece, &line)) {
        readings += line_readings(line, &collector->current->settings->registry);
    }
    return readings;
}

/*
 * One record of the spool at most is not synced at any time: after a power cut its last origin says
 * that everything before it is there, and of several unsynced ones any might be missing.
 * Only the last piece of a batch bears its position: what a power cut leaves of one is taken again.
 */
static enum journal_status append_piece(struct collector *collector, struct phusa_text piece)
{
    bool last = collector->lines_done + piece.length == collector->lines_used;
    if (journal_synced(collector->spool) < journal_appended(collector->spool)) {
        (void)journal_sync(collector->spool, NULL);
    }
    struct journal_record record = { .kind = JOURNAL_LINES,
                                     .origin = last ? collector->lines_position
                                                    : collector->lines_passed_on,
                                     .time = clock_wall(&collector->clock),
                                     .count = readings_of(collector, piece),
                                     .payload = piece };
    return journal_append(collector->spool, &record, NULL);
}

static enum journal_status append_pieces(struct collector *collector)
{
    enum journal_status status = JOURNAL_OK;
    while (status == JOURNAL_OK && collector->lines_done < collector->lines_used) {
        struct phusa_text piece = next_piece(collector);
        status = append_piece(collector, piece);
        collector->lines_done += status == JOURNAL_OK ? piece.length : 0;
    }
    return status;
}

static void forget_lines(struct collector *collector)
{
    collector->lines_passed_on = collector->lines_position;
    collector->lines_used = collector->lines_done = 0;
    collector->lines_readings = 0;
    char *lines = collector->lines_capacity > LINES_BYTES_LEAST
                      ? realloc(collector->lines, LINES_BYTES_LEAST)
                      : NULL;
    if (lines != NULL) {
        collector->lines = lines;
        collector->lines_capacity = LINES_BYTES_LEAST;
    }
}

static bool append_lines(struct collector *collector)
{
    if (collector->lines_used == 0) {
        return true;
    }
    enum journal_status status = append_pieces(collector);
    long long now = clock_mono().ns;
    if (status != JOURNAL_OK) {
        if (log_complaint_due(&collector->spool_complaint, now)) {
            log_error("the spool takes no more (%s), trying again",
                      status == JOURNAL_FULL ? "disk full" : "input/output error");
        }
        return false;
    }
    if (log_complaint_over(&collector->spool_complaint, now, NULL)) {
        log_info("the spool takes lines again");
    }
    forget_lines(collector);
    return true;
}

static bool append_asides(struct collector *collector)
{
    struct asides *asides = &collector->asides;
    size_t done = 0;
    (void)pthread_mutex_lock(&collector->state_lock);
    while (done < asides->count &&
           quarantine_append(collector, asides->items[done].text, asides->items[done].record)) {
        done++;
    }
    (void)pthread_mutex_unlock(&collector->state_lock);
    drop_asides(asides, done);
    return asides->count == 0;
}

/* Passes the batch on; tries again each second until quarantine and spool have it or the collector
 * stops. */
static void deliver(struct collector *collector)
{
    commit_notices(collector, collector->current->settings);
    while (!append_asides(collector) || !append_lines(collector)) {
        if (atomic_load(&collector->stopping)) {
            return; /* taken from the journal again at the next start */
        }
        clock_sleep_until((mono_time){ clock_mono().ns + SECOND_NS });
    }
    atomic_store(&collector->delivered, pipeline_position(collector->pipeline));
}

/* --- other settings ----------------------------------------------------------------------- */

/*
 * Goes over to the settings that a record announced. All notices before it are committed with
 * the channels of the old settings, which their rules count by; so are the ends of alarms
 * whose rules are gone.
 */
static void go_over(struct collector *collector, int64_t at_ns)
{
    (void)pthread_mutex_lock(&collector->state_lock);
    struct shared_settings *next = collector->pending, *old = collector->current;
    collector->pending = NULL;
    bool done = next != NULL && pipeline_reconfigure(collector->pipeline, next->settings, at_ns);
    collector->current = done ? next : old; /* with the pipeline: a view holds on to it */
    (void)pthread_mutex_unlock(&collector->state_lock);
    if (!done) {
        log_error("reload: out of memory; the settings in force stay");
        shared_settings_drop(next);
        return;
    }
    commit_notices(collector, old->settings);
    if (collector->notice_count > 0) { /* they point into settings that go away */
        log_error("%zu changes of alarms are given up", collector->notice_count);
        drop_notices(collector);
        collector->told_doubtful = true;
    }
    notifier_configure(collector->notifier, next->settings);
    shared_settings_drop(old);
    collector->next_snapshot.ns = 0; /* so that a restart does not judge the past by these */
}

/* --- the thread --------------------------------------------------------------------------- */

static bool publish_receipt(void *context, const char *topic, struct phusa_text payload)
{
    struct collector *collector = context;
    return mqtt_publish(collector->outlet, topic, payload, true);
}

static void send_receipts(struct collector *collector, mono_time now)
{
    (void)pthread_mutex_lock(&collector->state_lock);
    if (atomic_exchange(&collector->receipts_doubtful, false)) {
        pipeline_receipts_anew(collector->pipeline);
    }
    uint64_t count = pipeline_receipts(collector->pipeline, now, publish_receipt, collector);
    (void)pthread_mutex_unlock(&collector->state_lock);
    (void)atomic_fetch_add(&collector->receipts, count);
}

/* --- the ledger behind the pipeline --------------------------------------------------------- */

/* What was accepted a while ago is in the store for good once the spool is safe that far. */
static void settle_mark(struct collector *collector, mono_time now)
{
    struct sender_counters sender;
    sender_read_counters(collector->sender, &sender);
    if (collector->marked && sender.position_safe < collector->mark_spool) {
        return;
    }
    if (!collector->marked && now.ns < collector->next_mark.ns) {
        return;
    }
    (void)pthread_mutex_lock(&collector->state_lock);
    if (collector->marked) {
        pipeline_stored(collector->pipeline);
    } else {
        pipeline_mark(collector->pipeline);
    }
    (void)pthread_mutex_unlock(&collector->state_lock);
    collector->marked = !collector->marked;
    collector->mark_spool = journal_appended(collector->spool);
    collector->next_mark.ns = now.ns + MARK_NS;
}

/* --- the start ------------------------------------------------------------------------------ */

static void show_progress(struct collector *collector, mono_time now)
{
    uint64_t of = collector->replay_upto - collector->replay_from;
    uint64_t done = pipeline_position(collector->pipeline) - collector->replay_from;
    bool terminal = isatty(STDERR_FILENO) == 1;
    if (now.ns < collector->next_progress.ns) {
        return;
    }
    collector->next_progress.ns = now.ns + PROGRESS_NS * (terminal ? 1 : PROGRESS_LOG_STEPS);
    log_info("reading the journal again: %" PRIu64 " of %" PRIu64 " records, %" PRIu64 " %%", done,
             of, done * 100 / of);
}

/* The past is behind: from here on stations and people are told. */
static void catch_up(struct collector *collector, bool any, mono_time now)
{
    if (atomic_load(&collector->caught_up)) {
        return;
    }
    if (any && pipeline_position(collector->pipeline) < collector->replay_upto) {
        show_progress(collector, now);
        return;
    }
    told_recall(collector);
    atomic_store(&collector->caught_up, true);
    if (collector->replay_upto > collector->replay_from) {
        log_info("read %" PRIu64 " records of the journal again in %.1f s",
                 collector->replay_upto - collector->replay_from,
                 (double)(now.ns - collector->started.ns) / SECOND_NS);
    }
}

/* Without notices, too, the outbox learns how far it is complete. */
static void note_position(struct collector *collector, mono_time now)
{
    uint64_t position = pipeline_position(collector->pipeline);
    if (collector->notice_count > 0 || now.ns < collector->next_note.ns ||
        position <= collector->outbox_noted) {
        return;
    }
    collector->next_note.ns = now.ns + NOTE_NS;
    if (outbox_commit(collector->outbox, NULL, 0, NULL, position, clock_real(), NULL) ==
        OUTBOX_OK) {
        collector->outbox_noted = position;
    }
}

/* What may wait for the end of a batch. */
static void do_the_rest(struct collector *collector, mono_time now)
{
    note_position(collector, now);
    if (collector->told_doubtful && collector->notice_count == 0 &&
        mqtt_connected(collector->outlet)) {
        told_recall(collector);
    }
    if (collector->lines_used == 0) {
        settle_mark(collector, now);
    }
    snapshot_take(collector, now, false);
}

void *flow_run(void *context)
{
    struct collector *collector = context;
    mono_time receipts = { 0 };
    for (;;) {
        bool stopping = atomic_load(&collector->stopping);
        uint64_t seen = journal_synced(collector->raw);
        int64_t announced_ns;
        bool any = take_batch(collector, &announced_ns);
        deliver(collector);
        if (announced_ns != 0) {
            go_over(collector, announced_ns);
        }
        mono_time now = clock_mono();
        catch_up(collector, any, now);
        do_the_rest(collector, now);
        bool caught_up = atomic_load(&collector->caught_up);
        if (caught_up && now.ns - receipts.ns >= RECEIPT_STEP_NS &&
            mqtt_connected(collector->outlet)) {
            send_receipts(collector, now);
            receipts = now;
        }
        if (stopping && (!any || !caught_up)) {
            return NULL; /* what is left is taken again at the next start */
        }
        if (!any) {
            (void)journal_wait_synced(collector->raw, seen, RECEIPT_STEP_NS);
        }
    }
}

bool flow_create(struct collector *collector, struct problem *problem)
{
    struct pipeline_sink sink = { .context = collector,
                                  .lines = take_lines,
                                  .notice = take_notice,
                                  .set_aside = take_set_aside };
    collector->lines_capacity = LINES_BYTES_LEAST;
    collector->lines_passed_on = collector->spool_origin;
    collector->lines = malloc(collector->lines_capacity);
    collector->notice_capacity = BATCH_NOTICES;
    collector->notices = calloc(collector->notice_capacity, sizeof *collector->notices);
    if (collector->lines == NULL || collector->notices == NULL) {
        problem_set(problem, "out of memory for the flow");
        return false;
    }
    if (!snapshot_restore(collector, &sink, problem)) {
        return false;
    }
    collector->replay_from = pipeline_position(collector->pipeline);
    return journal_reader_open(collector->raw, collector->replay_from + 1, &collector->reader,
                               problem) == JOURNAL_OK;
}

void flow_free(struct collector *collector)
{
    journal_reader_close(collector->reader);
    pipeline_free(collector->pipeline);
    drop_asides(&collector->asides, collector->asides.count);
    free(collector->asides.items);
    free(collector->kept_aside);
    drop_notices(collector);
    free(collector->notices);
    free(collector->lines);
}
