/* What the console shows of the collector. */
#include <stdlib.h>
#include <string.h>

#include "collector_state.h"

static void fill_store(struct collector *collector, struct console_totals *totals)
{
    struct sender_counters sender;
    sender_read_counters(collector->sender, &sender);
    totals->store_up = sender.store_up;
    totals->store_requests = sender.requests;
    totals->store_failures = sender.failures;
    totals->store_bytes = sender.bytes_sent;
    totals->store_resent = sender.readings_resent;
    totals->store_rewinds = sender.rewinds;
    totals->store_lines_refused = sender.lines_refused;
    totals->store_rows_invalid = sender.store_rows_invalid;
    totals->store_rows_ignored = sender.store_rows_ignored;
    totals->spool_bytes = journal_bytes(collector->spool);
    uint64_t appended = journal_appended(collector->spool);
    totals->spool_records_waiting =
        appended > sender.position_sent ? appended - sender.position_sent : 0;
    struct problem problem;
    sender_read_problem(collector->sender, &problem);
    memcpy(totals->store_problem, problem.text, sizeof totals->store_problem);
}

static void fill_journal(struct collector *collector, struct console_totals *totals,
                         uint64_t position)
{
    uint64_t appended = journal_appended(collector->raw), synced = journal_synced(collector->raw);
    totals->journal_bytes = journal_bytes(collector->raw);
    totals->journal_records = appended;
    totals->journal_unsynced = appended - synced;
    totals->journal_failures = atomic_load(&collector->journal_failures);
    totals->journal_writable = atomic_load(&collector->journal_writable);
    totals->journal_held = atomic_load(&collector->held_shown);
    struct journal_counters journal;
    journal_read_counters(collector->raw, &journal);
    totals->journal_sync_failures = journal.sync_failures;
    totals->journal_rewritten = journal.rewritten_records;
    totals->journal_damaged = journal.damaged_bytes;
    totals->pipeline_behind = synced > position ? synced - position : 0;
}

static void fill_start(struct collector *collector, struct console_totals *totals,
                       uint64_t position)
{
    struct snapshots *snapshots = &collector->snapshots;
    (void)pthread_mutex_lock(&snapshots->lock);
    totals->snapshot_position =
        snapshots->kept[0] > snapshots->kept[1] ? snapshots->kept[0] : snapshots->kept[1];
    totals->snapshot_bytes = snapshots->length;
    totals->snapshot_age_ns =
        snapshots->written_at_ns == 0 ? 0 : clock_mono().ns - snapshots->written_at_ns;
    (void)pthread_mutex_unlock(&snapshots->lock);
    uint64_t from = collector->replay_from, upto = collector->replay_upto;
    totals->start_progress = 1;
    if (!atomic_load(&collector->caught_up) && upto > from) {
        totals->start_progress = (double)(position - from) / (double)(upto - from);
    }
}

static void fill_outbox(struct collector *collector, struct console_totals *totals)
{
    struct outbox_counters outbox;
    outbox_read_counters(collector->outbox, &outbox);
    totals->notifications_sent = outbox.sent;
    totals->notifications_failed = outbox.failed;
    totals->notifications_waiting = outbox.waiting;
    totals->notifications_retries = outbox.retries;
    totals->notifications_dropped = outbox.dropped;
    totals->reports_refused = outbox.unproven;
}

static void judge_readiness(const struct collector *collector, struct console_totals *totals)
{
    totals->not_ready = "";
    if (!atomic_load(&collector->caught_up)) {
        totals->not_ready = "reading the journal again after the start";
    } else if (!totals->broker_connected) {
        totals->not_ready =
            totals->journal_held ? "the disk takes no more" : "broker not connected";
    } else if (!totals->journal_writable) {
        totals->not_ready = "journal not writable";
    } else if (totals->pipeline_behind > BEHIND_RECORDS_MAX) {
        totals->not_ready = "pipeline behind";
    }
    totals->ready = totals->not_ready[0] == '\0';
}

static void fill_totals(struct collector *collector, const struct pipeline_counters *counters,
                        uint64_t position, struct console_totals *totals)
{
    *totals = (struct console_totals){ .now = clock_wall(&collector->clock),
                                       .up_ns = clock_mono().ns - collector->started.ns,
                                       .version = PHUSA_VERSION,
                                       .broker_connected = mqtt_connected(collector->mqtt) &&
                                                           mqtt_connected(collector->outlet),
                                       .messages = counters->messages,
                                       .received = counters->received,
                                       .duplicates = counters->duplicates,
                                       .stored = counters->stored,
                                       .pending = counters->pending,
                                       .quarantined = counters->quarantined,
                                       .transitions = counters->transitions,
                                       .windows_told = counters->windows_told,
                                       .corrections = counters->corrections,
                                       .receipts = atomic_load(&collector->receipts),
                                       .reconnects = mqtt_reconnects(collector->mqtt),
                                       .broker_dropped = atomic_load(&collector->broker_dropped),
                                       .spool_lost = atomic_load(&collector->spool_lost) };
    memcpy(totals->flagged, counters->flagged, sizeof totals->flagged);
    memcpy(totals->unknown_reasons, counters->unknown_reasons, sizeof totals->unknown_reasons);
    fill_journal(collector, totals, position);
    fill_start(collector, totals, position);
    fill_store(collector, totals);
    fill_outbox(collector, totals);
    (void)pthread_mutex_lock(&collector->text_lock);
    totals->configuration_loads = collector->reloads;
    totals->configuration_refused = collector->reloads_refused;
    memcpy(totals->configuration_problem, collector->reload_problem.text,
           sizeof totals->configuration_problem);
    (void)pthread_mutex_unlock(&collector->text_lock);
    judge_readiness(collector, totals);
}

void collector_fill_totals(void *context, struct console_totals *totals)
{
    struct collector *collector = context;
    struct pipeline_counters counters;
    (void)pthread_mutex_lock(&collector->state_lock);
    pipeline_read_counters(collector->pipeline, &counters);
    uint64_t position = pipeline_position(collector->pipeline);
    (void)pthread_mutex_unlock(&collector->state_lock);
    fill_totals(collector, &counters, position, totals);
}

static void release_view(struct console_view *view)
{
    pipeline_view_free(view);
    shared_settings_drop(view->owner);
    free(view);
}

struct console_view *collector_make_view(void *context)
{
    struct collector *collector = context;
    struct console_view *view = calloc(1, sizeof *view);
    if (view == NULL) {
        return NULL;
    }
    struct pipeline_counters counters;
    (void)pthread_mutex_lock(&collector->state_lock);
    bool filled = pipeline_fill_view(collector->pipeline, clock_wall(&collector->clock).ns, view);
    pipeline_read_counters(collector->pipeline, &counters);
    uint64_t position = pipeline_position(collector->pipeline);
    (void)atomic_fetch_add(&collector->current->users, 1);
    view->owner = collector->current;
    (void)pthread_mutex_unlock(&collector->state_lock);
    view->release = release_view;
    if (!filled) {
        release_view(view);
        return NULL;
    }
    fill_totals(collector, &counters, position, &view->totals);
    collector_fill_reports(collector, ((const struct shared_settings *)view->owner)->settings,
                           view);
    return view;
}

static void release_windows(struct console_windows *windows)
{
    pipeline_windows_free(windows);
    shared_settings_drop(windows->owner);
    free(windows);
}

struct console_windows *collector_make_windows(void *context,
                                               const struct console_windows_query *query)
{
    struct collector *collector = context;
    struct console_windows *windows = calloc(1, sizeof *windows);
    if (windows == NULL) {
        return NULL;
    }
    (void)pthread_mutex_lock(&collector->state_lock);
    bool filled = pipeline_fill_windows(collector->pipeline, query,
                                        clock_wall(&collector->clock).ns, windows);
    (void)atomic_fetch_add(&collector->current->users, 1);
    windows->owner = collector->current;
    (void)pthread_mutex_unlock(&collector->state_lock);
    windows->release = release_windows;
    if (!filled) {
        release_windows(windows);
        return NULL;
    }
    return windows;
}
