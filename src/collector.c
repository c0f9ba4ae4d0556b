/* Start list, tending, reverse stop. */
#include "collector.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector_state.h"

#define MINUTE_NS       (60 * SECOND_NS)
#define FLUSH_NS        (INT64_C(1500) * MILLI_NS) /* at the stop, for the store to take the rest */
#define PUBLISH_WAIT_NS (400 * MILLI_NS)

static const char *const subscriptions[] = { "phusa/1/#", NULL };

static bool publish_alarm(void *context, const char *topic, const char *payload, size_t length)
{
    struct collector *collector = context;
    return mqtt_publish_wait(collector->outlet, topic, (struct phusa_text){ payload, length }, true,
                             PUBLISH_WAIT_NS);
}

/* --- start ------------------------------------------------------------------------------------ */

static bool open_one(struct collector *collector, const char *below, uint64_t least,
                     struct journal **journal, struct journal_recovery *found,
                     struct problem *problem)
{
    const struct journal_settings *settings = &collector->first->settings->journal;
    char path[COLLECTOR_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s%s", settings->path, below);
    struct journal_options options = { .path = path,
                                       .segment_bytes = strcmp(below, "/quarantine") == 0
                                                            ? QUARANTINE_SEGMENT
                                                            : settings->segment_bytes,
                                       .reserve_bytes =
                                           below[0] == '\0' ? settings->reserve_bytes : 0,
                                       .least_position = least };
    if (journal_open(&options, journal, found, problem) != JOURNAL_OK) {
        return false;
    }
    if (found->damaged_bytes > 0) {
        log_warning("journal %s: %" PRIu64
                    " bytes are no records; they are kept in *.damaged files "
                    "there and read past",
                    path, found->damaged_bytes);
    }
    return true;
}

static uint64_t highest(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Gives the journal's reserve back to the disk; true if there was one. */
static bool spend_reserve(const struct collector *collector)
{
    char path[COLLECTOR_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/reserve", collector->first->settings->journal.path);
    return unlink(path) == 0;
}

static bool open_outbox(struct collector *collector, struct problem *problem)
{
    char path[COLLECTOR_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/outbox.db", collector->first->settings->journal.path);
    enum outbox_status status =
        outbox_open(path, &collector->outbox, &collector->outbox_position, problem);
    if (status == OUTBOX_FAILED && spend_reserve(collector)) { /* the disk may be full */
        status = outbox_open(path, &collector->outbox, &collector->outbox_position, problem);
    }
    if (status == OUTBOX_REPLACED) {
        /* What was passed on before is not told again; alarms that last are, at their next reading.
         */
        collector->outbox_position = collector->spool_origin;
        log_error("%s; a new one is begun: what waited in it is not sent", problem->text);
        atomic_store(&collector->outboxes_replaced, 1);
    }
    return status == OUTBOX_OK || status == OUTBOX_REPLACED;
}

/* One collector alone writes to these files. */
static bool lock_folder(struct collector *collector, struct problem *problem)
{
    const char *folder = collector->first->settings->journal.path;
    char path[COLLECTOR_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/lock", folder);
    if (files_make_path(&files_posix, folder) == 0) {
        collector->lock_fd = files_lock(path);
    }
    if (collector->lock_fd < 0) {
        problem_set(problem, "journal %s: %s", folder,
                    errno == EWOULDBLOCK ? "another phusad (or a repair) has it" : strerror(errno));
    }
    return collector->lock_fd >= 0;
}

/* The raw journal last: its next position is above everything that the others name. */
static bool open_files(struct collector *collector, struct problem *problem)
{
    const char *folder = collector->first->settings->journal.path;
    struct journal_recovery found;
    struct store_cursor cursor;
    (void)snprintf(collector->cursor_path, sizeof collector->cursor_path, "%s/store.cursor",
                   folder);
    if (!lock_folder(collector, problem)) {
        return false;
    }
    store_read_cursor(collector, &cursor);
    if (!open_one(collector, "/spool", cursor.sent, &collector->spool, &found, problem)) {
        return false;
    }
    collector->spool_origin = found.last_origin;
    if (!open_one(collector, "/quarantine", 0, &collector->quarantine, &found, problem) ||
        !open_outbox(collector, problem)) {
        return false;
    }
    collector->set_aside_origin = found.last_origin;
    uint64_t least = highest(highest(collector->spool_origin, collector->outbox_position),
                             highest(found.last_origin, snapshot_survey(collector)));
    if (!open_one(collector, "", least, &collector->raw, &found, problem)) {
        return false;
    }
    collector->replay_upto = found.last_position;
    log_info("journal %s: records up to %" PRIu64 " in %" PRIu64 " segments", folder,
             collector->replay_upto, found.segments);
    return true;
}

static bool start_thread(pthread_t *thread, bool *running, void *(*run)(void *context),
                         void *context, struct problem *problem)
{
    *running = pthread_create(thread, NULL, run, context) == 0;
    if (!*running) {
        problem_set(problem, "cannot start a thread");
    }
    return *running;
}

/* A second connection under a name of its own; mqtt.h says why. */
static bool create_outlet(struct collector *collector, struct problem *problem)
{
    static const char *const nothing[] = { NULL };
    struct mqtt_handlers handlers = outlet_handlers;
    handlers.context = collector;
    collector->outlet_broker = collector->first->settings->broker;
    (void)snprintf(collector->outlet_id, sizeof collector->outlet_id, "%s-out",
                   collector->outlet_broker.client_id);
    collector->outlet_broker.client_id = collector->outlet_id;
    collector->outlet = mqtt_create(&collector->outlet_broker, false, nothing, &handlers, problem);
    return collector->outlet != NULL;
}

/* The folder of the first channel that writes CAP; NULL if there is none. */
static const char *cap_folder(const struct settings *settings)
{
    for (size_t i = 0; i < settings->channel_count; i++) {
        if (settings->channels[i].kind == CHANNEL_CAP) {
            return settings->channels[i].path;
        }
    }
    return NULL;
}

static bool create_services(struct collector *collector, struct problem *problem)
{
    const struct settings *settings = collector->first->settings;
    struct mqtt_handlers handlers = intake_handlers;
    struct notifier_publish publish = { collector, publish_alarm };
    struct console_source source = { .context = collector,
                                     .token = settings->http.token,
                                     .cap_folder = cap_folder(settings),
                                     .requeue = collector_requeue,
                                     .totals = collector_fill_totals,
                                     .view = collector_make_view,
                                     .windows = collector_make_windows,
                                     .verb = collector_verb,
                                     .events = collector_events,
                                     .messages = collector_messages,
                                     .unknown = collector_unknown,
                                     .delivery = collector_delivery };
    handlers.context = collector;
    collector->mqtt = mqtt_create(&settings->broker, true, subscriptions, &handlers, problem);
    if (collector->mqtt == NULL || !create_outlet(collector, problem)) {
        return false;
    }
    collector->notifier =
        notifier_create(collector->outbox, settings, &publish, (uint64_t)clock_mono().ns);
    if (collector->notifier == NULL) {
        problem_set(problem, "out of memory for the notifier");
        return false;
    }
    collector->console = console_create(settings->http.listen, &source, problem);
    return collector->console != NULL;
}

static bool start(struct collector *collector, struct problem *problem)
{
    struct journal_record loaded = { .kind = JOURNAL_CONFIGURED,
                                     .payload = phusa_text_of(collector->first->settings->file) };
    if (!open_files(collector, problem) || !flow_create(collector, problem) ||
        !store_create(collector, problem) || !create_services(collector, problem)) {
        return false;
    }
    struct journal_record no_link = { .kind = JOURNAL_LINK, .payload = PHUSA_TEXT("down") };
    conditions_recall(collector);
    (void)intake_append(collector, &loaded);
    (void)intake_append(collector, &no_link); /* until there is one */
    return start_thread(&collector->sync_thread, &collector->sync_running, sync_run, collector,
                        problem) &&
           start_thread(&collector->flow_thread, &collector->flow_running, flow_run, collector,
                        problem) &&
           start_thread(&collector->sender_thread, &collector->sender_running, store_run, collector,
                        problem) &&
           start_thread(&collector->snapshot_thread, &collector->snapshot_running, snapshot_run,
                        collector, problem);
}

struct collector *collector_create(struct settings *settings, const struct clock *clock,
                                   struct problem *problem)
{
    struct collector *collector = calloc(1, sizeof *collector);
    struct shared_settings *shared = shared_settings_new(settings);
    if (collector == NULL || shared == NULL) {
        settings_free(settings);
        free(shared);
        free(collector);
        problem_set(problem, "out of memory");
        return NULL;
    }
    collector->clock = *clock;
    collector->started = clock_mono();
    collector->first = shared;
    collector->current = shared;
    collector->lock_fd = -1;
    (void)atomic_fetch_add(&shared->users, 1);
    atomic_store(&collector->journal_writable, true);
    (void)pthread_mutex_init(&collector->state_lock, NULL);
    (void)pthread_mutex_init(&collector->text_lock, NULL);
    (void)pthread_mutex_init(&collector->watch_lock, NULL);
    (void)pthread_mutex_init(&collector->requeue_lock, NULL);
    (void)pthread_mutex_init(&collector->snapshots.lock, NULL);
    (void)pthread_cond_init(&collector->snapshots.changed, NULL);
    if (!start(collector, problem)) {
        collector_free(collector);
        return NULL;
    }
    return collector;
}

/* --- tending ---------------------------------------------------------------------------------- */

static void tick(struct collector *collector)
{
    int64_t minute = clock_wall(&collector->clock).ns / MINUTE_NS;
    if (minute != collector->last_tick_minute) {
        collector->last_tick_minute = minute;
        struct journal_record record = { .kind = JOURNAL_TICK };
        (void)intake_append(collector, &record);
    }
}

void collector_tend(struct collector *collector)
{
    mono_time now = clock_mono();
    watch_tend(collector, now);
    mqtt_tend(collector->mqtt, now);
    mqtt_tend(collector->outlet, now);
    tick(collector);
}

void collector_reload(struct collector *collector, struct settings *settings)
{
    struct shared_settings *shared = shared_settings_new(settings);
    if (shared == NULL) {
        settings_free(settings);
        collector_reload_refused(collector, "out of memory");
        return;
    }
    (void)pthread_mutex_lock(&collector->text_lock);
    collector->reloads++;
    collector->reload_problem.text[0] = '\0';
    (void)pthread_mutex_unlock(&collector->text_lock);
    (void)pthread_mutex_lock(&collector->state_lock);
    struct shared_settings *overtaken = collector->pending;
    collector->pending = shared;
    (void)pthread_mutex_unlock(&collector->state_lock);
    shared_settings_drop(overtaken);
    struct journal_record record = { .kind = JOURNAL_CONFIGURED,
                                     .payload = phusa_text_of(settings->file) };
    (void)intake_append(collector, &record);
}

void collector_reload_refused(struct collector *collector, const char *why)
{
    (void)pthread_mutex_lock(&collector->text_lock);
    collector->reloads_refused++;
    problem_set(&collector->reload_problem, "%s", why);
    (void)pthread_mutex_unlock(&collector->text_lock);
}

unsigned collector_port(const struct collector *collector)
{
    return console_port(collector->console);
}

/* --- stop ----------------------------------------------------------------------------------- */

static void join(pthread_t thread, bool *running)
{
    if (*running) {
        (void)pthread_join(thread, NULL);
        *running = false;
    }
}

/* The store gets a moment for the rest; what it does not take waits in the spool. */
static void stop_sender(struct collector *collector)
{
    if (!collector->sender_running) {
        return;
    }
    atomic_store(&collector->flush_until_ns, clock_mono().ns + FLUSH_NS);
    journal_wake(collector->spool);
    int64_t until = clock_real().ns + FLUSH_NS;
    struct timespec limit = { .tv_sec = (time_t)(until / SECOND_NS),
                              .tv_nsec = (long)(until % SECOND_NS) };
    if (pthread_timedjoin_np(collector->sender_thread, NULL, &limit) != 0) {
        sender_abort(collector->sender);
        (void)pthread_join(collector->sender_thread, NULL);
    }
    collector->sender_running = false;
}

void collector_free(struct collector *collector)
{
    if (collector == NULL) {
        return;
    }
    console_free(collector->console);
    mqtt_stop(collector->mqtt);
    atomic_store(&collector->sync_stopping, true);
    if (collector->raw != NULL) {
        journal_wake(collector->raw);
    }
    join(collector->sync_thread, &collector->sync_running);
    if (collector->raw != NULL) {
        (void)journal_sync(collector->raw, NULL);
    }
    atomic_store(&collector->stopping, true);
    join(collector->flow_thread, &collector->flow_running);
    if (collector->snapshot_running && atomic_load(&collector->caught_up)) {
        snapshot_take(collector, clock_mono(), true);
    }
    snapshot_end(collector);
    notifier_free(collector->notifier);
    stop_sender(collector);
    mqtt_free(collector->mqtt);
    mqtt_free(collector->outlet);
    store_free(collector);
    flow_free(collector);
    outbox_close(collector->outbox);
    journal_close(collector->quarantine);
    journal_close(collector->spool);
    journal_close(collector->raw);
    shared_settings_drop(collector->pending);
    shared_settings_drop(collector->current);
    shared_settings_drop(collector->first);
    (void)pthread_mutex_destroy(&collector->state_lock);
    (void)pthread_mutex_destroy(&collector->text_lock);
    (void)pthread_mutex_destroy(&collector->watch_lock);
    (void)pthread_mutex_destroy(&collector->requeue_lock);
    (void)pthread_mutex_destroy(&collector->snapshots.lock);
    (void)pthread_cond_destroy(&collector->snapshots.changed);
    if (collector->lock_fd >= 0) {
        (void)close(collector->lock_fd);
    }
    free(collector);
}
