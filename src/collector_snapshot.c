/*
 * What the pipeline remembers, kept over a restart, so that a start takes as long after a year as
 * after a day.
 *
 * Two kept files (base/kept.h), state.0 and state.1, are written in turn; the newer one that can be
 * read counts. The body (base/state.h): position of the quarantine that its counts include; the
 * broker's own count of dropped messages, plus 1 (0 = never heard); then what pipeline_save
 * writes, which begins with the position of the raw journal.
 *
 * Order, so that nothing is left out after a crash: the flow takes a snapshot when everything up to
 * its position is in the spool, the quarantine and the outbox; this thread syncs spool and
 * quarantine (the outbox is durable) and then writes it. The raw journal is kept from the older of
 * the two on (snapshot_floor).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector_state.h"

#define KIND         "state"
#define VERSION      1
#define SNAPSHOT_MAX (INT64_C(2) << 30) /* bytes of a file that is believed */
#define COST_SHARE   20                 /* at most a twentieth of the time goes into snapshots */

static void make_path(const struct collector *collector, int which, char path[COLLECTOR_PATH_MAX])
{
    (void)snprintf(path, COLLECTOR_PATH_MAX, "%s/state.%d",
                   collector->first->settings->journal.path, which);
}

/* --- reading ------------------------------------------------------------------------------ */

struct head {
    uint64_t quarantine, broker_dropped_last;
};

static struct head read_head(struct state_reader *reader)
{
    struct head head = { .quarantine = state_get(reader) };
    head.broker_dropped_last = state_get(reader);
    return head;
}

/* The file's body, to be freed; NULL when there is none that can be read. */
static void *load(const struct collector *collector, int which, size_t *length)
{
    char path[COLLECTOR_PATH_MAX];
    void *body = NULL;
    make_path(collector, which, path);
    enum kept_status status =
        kept_read(&files_posix, path, KIND, VERSION, SNAPSHOT_MAX, &body, length);
    if (status != KEPT_OK && status != KEPT_ABSENT) {
        log_warning("%s cannot be used (%s): the journal is read again instead", path,
                    status == KEPT_FOREIGN ? "another version wrote it" : "damaged");
    }
    return body;
}

uint64_t snapshot_survey(struct collector *collector)
{
    uint64_t highest = 0;
    for (int which = 0; which < 2; which++) {
        size_t length;
        void *body = load(collector, which, &length);
        struct state_reader reader = state_reader_of(body, length);
        (void)read_head(&reader);
        uint64_t position = pipeline_saved_position(&reader);
        collector->snapshots.kept[which] = body == NULL || reader.failed ? 0 : position;
        highest =
            collector->snapshots.kept[which] > highest ? collector->snapshots.kept[which] : highest;
        free(body);
    }
    return highest;
}

/* A record of what the store refused, or of what went with a full spool, counts its readings. */
static void recount_one(struct collector *collector, struct phusa_text payload)
{
    const char *reason = NULL, *station = NULL;
    json_int_t readings = 0;
    json_t *item = json_loadb(payload.data, payload.length, 0, NULL);
    if (item != NULL &&
        json_unpack(item, "{s:s, s:s, s:I}", "reason", &reason, "station", &station, "readings",
                    &readings) == 0 &&
        readings >= 0) {
        bool spool = strcmp(reason, phusa_reason_name(PHUSA_REASON_SPOOL)) == 0;
        pipeline_lost(collector->pipeline, phusa_text_of(station),
                      spool ? PHUSA_REASON_SPOOL : PHUSA_REASON_STORE, (uint64_t)readings);
    }
    json_decref(item);
}

static bool remember_kept(struct collector *collector, uint64_t origin, size_t *capacity)
{
    if (collector->kept_aside_count == *capacity) {
        size_t larger = *capacity == 0 ? 1024 : *capacity * 2;
        uint64_t *positions = realloc(collector->kept_aside, larger * sizeof *positions);
        if (positions == NULL) {
            return false;
        }
        collector->kept_aside = positions;
        *capacity = larger;
    }
    collector->kept_aside[collector->kept_aside_count++] = origin;
    return true;
}

/*
 * What the quarantine got after the snapshot: set-asides of messages that will be taken again, and
 * readings that went lost behind the pipeline. As many as there are, bounded by QUARANTINE_BYTES.
 */
static bool recall_quarantine(struct collector *collector, uint64_t from)
{
    struct journal_reader *reader;
    struct journal_record record;
    size_t capacity = 0;
    bool good = true;
    if (journal_reader_open(collector->quarantine, from, &reader, NULL) != JOURNAL_OK) {
        return false;
    }
    while (good && journal_next(reader, &record) == JOURNAL_OK) {
        if (record.kind == JOURNAL_SET_ASIDE && record.topic.length > 0) {
            good = remember_kept(collector, record.origin, &capacity);
        } else if (record.kind == JOURNAL_SET_ASIDE) {
            recount_one(collector, record.payload);
        }
    }
    journal_reader_close(reader);
    return good;
}

static enum pipeline_restored restore_one(struct collector *collector, int which, struct head *head)
{
    size_t length;
    void *body = load(collector, which, &length);
    if (body == NULL) {
        return PIPELINE_DAMAGED;
    }
    struct state_reader reader = state_reader_of(body, length);
    *head = read_head(&reader);
    enum pipeline_restored restored = pipeline_restore(collector->pipeline, &reader);
    free(body);
    return restored;
}

static bool fresh_pipeline(struct collector *collector, const struct pipeline_sink *sink,
                           struct problem *problem)
{
    pipeline_free(collector->pipeline);
    collector->pipeline = pipeline_create(collector->current->settings, sink);
    if (collector->pipeline == NULL) {
        problem_set(problem, "out of memory for the pipeline");
    }
    return collector->pipeline != NULL;
}

bool snapshot_restore(struct collector *collector, const struct pipeline_sink *sink,
                      struct problem *problem)
{
    const uint64_t *kept = collector->snapshots.kept;
    int newer = kept[1] > kept[0] ? 1 : 0;
    const int order[] = { newer, 1 - newer };
    struct head head = { 0 };
    for (int i = 0; i < 2; i++) {
        if (!fresh_pipeline(collector, sink, problem)) {
            return false;
        }
        if (kept[order[i]] == 0) {
            continue;
        }
        if (restore_one(collector, order[i], &head) == PIPELINE_RESTORED) {
            break;
        }
        log_warning("state.%d cannot be used: the journal is read again instead", order[i]);
        collector->snapshots.kept[order[i]] = 0;
        head = (struct head){ 0 };
    }
    if (pipeline_position(collector->pipeline) == 0 && !fresh_pipeline(collector, sink, problem)) {
        return false;
    }
    atomic_store(&collector->broker_dropped_last, head.broker_dropped_last);
    collector->snapshot_taken = pipeline_position(collector->pipeline);
    if (!recall_quarantine(collector, head.quarantine + 1)) {
        problem_set(problem, "out of memory for what was set aside");
        return false;
    }
    return true;
}

/* --- taking (the flow's thread) ------------------------------------------------------------ */

static void fill(struct collector *collector, struct state_writer *bytes)
{
    (void)pthread_mutex_lock(&collector->state_lock);
    state_put(bytes, journal_appended(collector->quarantine));
    state_put(bytes, atomic_load(&collector->broker_dropped_last));
    pipeline_save(collector->pipeline, bytes);
    collector->snapshots.position = pipeline_position(collector->pipeline);
    (void)pthread_mutex_unlock(&collector->state_lock);
}

void snapshot_take(struct collector *collector, mono_time now, bool force)
{
    struct snapshots *snapshots = &collector->snapshots;
    bool new = pipeline_position(collector->pipeline) > collector->snapshot_taken;
    /* What is not passed on yet would be left out by the next start; and as long as the past is
     * taken again, the quarantine holds what comes after the pipeline's position. */
    bool passed_on = collector->notice_count == 0 && collector->lines_used == 0 &&
                     collector->asides.count == 0 && atomic_load(&collector->caught_up);
    if (!new || !passed_on || (!force && now.ns < collector->next_snapshot.ns)) {
        return;
    }
    (void)pthread_mutex_lock(&snapshots->lock);
    bool busy = snapshots->full;
    int64_t rest = snapshots->cost_ns * COST_SHARE;
    (void)pthread_mutex_unlock(&snapshots->lock);
    if (busy) {
        return;
    }
    fill(collector, &snapshots->bytes); /* nobody else touches them while they are not full */
    int64_t pause = collector->first->settings->journal.snapshot_ns;
    collector->next_snapshot.ns = now.ns + (pause > rest ? pause : rest);
    if (snapshots->bytes.failed) {
        log_error("out of memory for a snapshot: a restart will read more of the journal");
        state_writer_free(&snapshots->bytes);
        return;
    }
    collector->snapshot_taken = snapshots->position;
    (void)pthread_mutex_lock(&snapshots->lock);
    snapshots->full = true;
    snapshots->cost_ns = clock_mono().ns - now.ns;
    (void)pthread_cond_broadcast(&snapshots->changed);
    (void)pthread_mutex_unlock(&snapshots->lock);
}

/* --- writing (the snapshot thread) ---------------------------------------------------------- */

static bool write_one(struct collector *collector, int which)
{
    const struct snapshots *snapshots = &collector->snapshots;
    struct problem problem = { 0 };
    char path[COLLECTOR_PATH_MAX];
    make_path(collector, which, path);
    if (journal_sync(collector->spool, &problem) == JOURNAL_OK &&
        journal_sync(collector->quarantine, &problem) == JOURNAL_OK) {
        if (kept_write(&files_posix, path, KIND, VERSION, snapshots->bytes.bytes,
                       snapshots->bytes.used) == KEPT_OK) {
            return true;
        }
        problem_set(&problem, "%s cannot be written", path);
    }
    if (log_complaint_due(&collector->snapshot_complaint, clock_mono().ns)) {
        log_error("no snapshot of the state: %s; a restart will read more of the journal",
                  problem.text);
    }
    return false;
}

static void write_snapshot(struct collector *collector)
{
    struct snapshots *snapshots = &collector->snapshots;
    int older = snapshots->kept[1] < snapshots->kept[0] ? 1 : 0;
    mono_time begun = clock_mono();
    bool written = write_one(collector, older);
    mono_time ended = clock_mono();
    if (written && log_complaint_over(&collector->snapshot_complaint, ended.ns, NULL)) {
        log_info("snapshots of the state are written again");
    }
    (void)pthread_mutex_lock(&snapshots->lock);
    if (written) {
        snapshots->kept[older] = snapshots->position;
        snapshots->length = snapshots->bytes.used;
        snapshots->written_at_ns = ended.ns;
    }
    snapshots->cost_ns += ended.ns - begun.ns;
    state_writer_free(&snapshots->bytes);
    snapshots->full = false;
    (void)pthread_cond_broadcast(&snapshots->changed);
    (void)pthread_mutex_unlock(&snapshots->lock);
}

void *snapshot_run(void *context)
{
    struct collector *collector = context;
    struct snapshots *snapshots = &collector->snapshots;
    for (;;) {
        (void)pthread_mutex_lock(&snapshots->lock);
        while (!snapshots->full && !snapshots->ending) {
            (void)pthread_cond_wait(&snapshots->changed, &snapshots->lock);
        }
        bool work = snapshots->full;
        (void)pthread_mutex_unlock(&snapshots->lock);
        if (!work) {
            return NULL;
        }
        write_snapshot(collector);
    }
}

void snapshot_end(struct collector *collector)
{
    struct snapshots *snapshots = &collector->snapshots;
    (void)pthread_mutex_lock(&snapshots->lock);
    snapshots->ending = true;
    (void)pthread_cond_broadcast(&snapshots->changed);
    (void)pthread_mutex_unlock(&snapshots->lock);
    if (collector->snapshot_running) {
        (void)pthread_join(collector->snapshot_thread, NULL);
        collector->snapshot_running = false;
    }
}

uint64_t snapshot_floor(struct collector *collector)
{
    struct snapshots *snapshots = &collector->snapshots;
    (void)pthread_mutex_lock(&snapshots->lock);
    uint64_t floor =
        snapshots->kept[0] < snapshots->kept[1] ? snapshots->kept[0] : snapshots->kept[1];
    (void)pthread_mutex_unlock(&snapshots->lock);
    return floor;
}
