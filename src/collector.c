/* Start list, tending, reverse stop. */
#include "collector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector_state.h"
#include "phusa/topic.h"

#define MINUTE_NS       (60 * SECOND_NS)
#define RESERVE_NS      (5 * SECOND_NS) /* between tries to take the reserve again */
#define RETENTION_NS    (10 * SECOND_NS)
#define FLUSH_NS        (INT64_C(1500) * MILLI_NS) /* at the stop, for the store to take the rest */
#define PUBLISH_WAIT_NS (400 * MILLI_NS)
#define FAR_FUTURE      ((wall_time){ INT64_MAX })

static const char *const subscriptions[] = { "phusa/1/#", NULL };

/* --- what Paho's thread calls ------------------------------------------------------------ */

/* What the collector itself publishes comes back through the subscription: not worth keeping. */
static bool is_our_own(struct phusa_text topic)
{
    struct phusa_topic parts;
    return phusa_topic_parse(topic, &parts) == PHUSA_OK &&
           (parts.leaf == PHUSA_LEAF_ACK || parts.leaf == PHUSA_LEAF_CMD ||
            parts.leaf == PHUSA_LEAF_ALARM || parts.leaf == PHUSA_LEAF_BOARD);
}

static void journal_complain(struct collector *collector, enum journal_status status)
{
    atomic_store(&collector->journal_writable, false);
    (void)atomic_fetch_add(&collector->journal_failures, 1);
    (void)pthread_mutex_lock(&collector->text_lock);
    if (log_complaint_due(&collector->journal_complaint, clock_mono().ns)) {
        log_error("the journal takes no more (%s): messages are lost to this collector; "
                  "stations keep them until a receipt",
                  status == JOURNAL_FULL ? "disk full" : "input/output error");
    }
    (void)pthread_mutex_unlock(&collector->text_lock);
}

static void append(struct collector *collector, struct journal_record *record)
{
    record->time = clock_wall(&collector->clock);
    enum journal_status status = journal_append(collector->raw, record, NULL);
    if (status != JOURNAL_OK) {
        journal_complain(collector, status);
        return;
    }
    if (!atomic_exchange(&collector->journal_writable, true)) {
        (void)pthread_mutex_lock(&collector->text_lock);
        (void)log_complaint_over(&collector->journal_complaint, clock_mono().ns, NULL);
        (void)pthread_mutex_unlock(&collector->text_lock);
        log_info("the journal takes messages again");
    }
}

static void on_message(void *context, struct phusa_text topic, struct phusa_text payload)
{
    struct collector *collector = context;
    if (is_our_own(topic)) {
        return;
    }
    struct journal_record record = { .kind = JOURNAL_MESSAGE,
                                     .count = (uint32_t)payload.length,
                                     .topic = topic,
                                     .payload = payload };
    if (payload.length > PHUSA_REPORT_BYTES_MAX) {
        record.flags = JOURNAL_FLAG_CUT;
        record.payload.length = CUT_BYTES;
    }
    append(collector, &record);
    if (collector->first->settings->journal.strict) {
        (void)journal_sync(collector->raw, NULL); /* before Paho acknowledges */
    }
}

static void on_link(void *context, bool up, const char *why)
{
    struct collector *collector = context;
    const char *uri = collector->first->settings->broker.uri;
    (void)pthread_mutex_lock(&collector->text_lock);
    long long lasted = 0;
    if (!up && log_complaint_due(&collector->link_complaint, clock_mono().ns)) {
        log_warning("broker %s: %s; trying again", uri, why);
    } else if (up && log_complaint_over(&collector->link_complaint, clock_mono().ns, &lasted)) {
        log_info("broker %s: connected again after %lld s", uri, lasted / SECOND_NS);
    } else if (up) {
        log_info("broker %s: connected", uri);
    }
    (void)pthread_mutex_unlock(&collector->text_lock);
    if (atomic_exchange(&collector->link_up, up) != up) {
        struct journal_record record = { .kind = JOURNAL_LINK,
                                         .payload = phusa_text_of(up ? "up" : "down") };
        append(collector, &record);
    }
}

static bool publish_alarm(void *context, const char *topic, const char *payload, size_t length)
{
    struct collector *collector = context;
    return mqtt_publish_wait(collector->mqtt, topic, (struct phusa_text){ payload, length }, true,
                             PUBLISH_WAIT_NS);
}

/* --- group commit --------------------------------------------------------------------------- */

static void *sync_run(void *context)
{
    struct collector *collector = context;
    int64_t pause = collector->first->settings->journal.sync_ns;
    while (!atomic_load(&collector->sync_stopping)) {
        if (!journal_wait_appended(collector->raw, SECOND_NS)) {
            continue;
        }
        mono_time begun = clock_mono();
        struct problem problem = { 0 };
        if (journal_sync(collector->raw, &problem) != JOURNAL_OK) {
            journal_complain(collector, JOURNAL_FAILED);
            log_error(
                "%s: restart phusad when the disk is mended; nothing is acknowledged until then",
                problem.text);
            return NULL;
        }
        clock_sleep_until((mono_time){ begun.ns + pause });
    }
    return NULL;
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
                                       .segment_bytes = settings->segment_bytes,
                                       .reserve_bytes =
                                           below[0] == '\0' ? settings->reserve_bytes : 0,
                                       .least_position = least };
    if (journal_open(&options, journal, found, problem) != JOURNAL_OK) {
        return false;
    }
    if (found->damaged_bytes > 0) {
        log_warning(
            "journal %s: %llu bytes are no records; they stay where they are and are read past",
            path, (unsigned long long)found->damaged_bytes);
    }
    return true;
}

static uint64_t highest(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The raw journal last: its next position is above everything that the others name. */
static bool open_files(struct collector *collector, struct problem *problem)
{
    const char *folder = collector->first->settings->journal.path;
    struct journal_recovery found;
    char path[COLLECTOR_PATH_MAX];
    uint64_t safe, sent;
    (void)snprintf(collector->cursor_path, sizeof collector->cursor_path, "%s/store.cursor",
                   folder);
    (void)snprintf(path, sizeof path, "%s/outbox.db", folder);
    store_read_cursor(collector, &safe, &sent);
    if (!open_one(collector, "/spool", sent, &collector->spool, &found, problem)) {
        return false;
    }
    collector->spool_origin = found.last_origin;
    if (!open_one(collector, "/quarantine", 0, &collector->quarantine, &found, problem) ||
        outbox_open(path, &collector->outbox, &collector->outbox_position, problem) != OUTBOX_OK) {
        return false;
    }
    collector->quarantine_origin = found.last_origin;
    uint64_t least = highest(highest(collector->spool_origin, collector->outbox_position),
                             collector->quarantine_origin);
    if (!open_one(collector, "", least, &collector->raw, &found, problem)) {
        return false;
    }
    collector->replay_upto = found.last_position;
    log_info("journal %s: %llu records in %llu segments", folder, (unsigned long long)found.records,
             (unsigned long long)found.segments);
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

static bool create_services(struct collector *collector, struct problem *problem)
{
    const struct settings *settings = collector->first->settings;
    struct mqtt_handlers handlers = { collector, on_message, on_link };
    struct notifier_publish publish = { collector, publish_alarm };
    struct console_source source = { collector, collector_fill_totals, collector_make_view };
    collector->mqtt = mqtt_create(&settings->broker, true, subscriptions, &handlers, problem);
    if (collector->mqtt == NULL) {
        return false;
    }
    collector->notifier =
        notifier_create(collector->outbox, settings->channels, settings->channel_count, &publish,
                        (uint64_t)clock_mono().ns);
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
    append(collector, &loaded);
    return start_thread(&collector->sync_thread, &collector->sync_running, sync_run, collector,
                        problem) &&
           start_thread(&collector->flow_thread, &collector->flow_running, flow_run, collector,
                        problem) &&
           start_thread(&collector->sender_thread, &collector->sender_running, store_run, collector,
                        problem);
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
    (void)atomic_fetch_add(&shared->users, 1);
    atomic_store(&collector->journal_writable, true);
    (void)pthread_mutex_init(&collector->state_lock, NULL);
    (void)pthread_mutex_init(&collector->text_lock, NULL);
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
        append(collector, &record);
    }
}

/* The raw journal is kept for a time; the spool only until the store is sure to have it. */
static void retire_segments(struct collector *collector)
{
    const struct settings *settings = collector->first->settings;
    struct sender_counters sender;
    sender_read_counters(collector->sender, &sender);
    uint64_t taken = atomic_load(&collector->delivered);
    wall_time oldest = { clock_wall(&collector->clock).ns - settings->journal.keep_ns };
    (void)journal_retain(collector->raw, taken + 1, oldest, settings->journal.keep_bytes);
    (void)journal_retain(collector->spool, sender.position_safe + 1, FAR_FUTURE,
                         settings->store.spool_bytes);
    (void)journal_retain(collector->quarantine, UINT64_MAX, oldest, QUARANTINE_BYTES);
    uint64_t lost = journal_retain(collector->spool, UINT64_MAX, (wall_time){ INT64_MIN },
                                   settings->store.spool_bytes);
    if (lost > 0) {
        log_error(
            "the spool is full: its oldest %llu records go; the journal still has their readings",
            (unsigned long long)lost);
    }
    (void)journal_sync(collector->quarantine, NULL);
}

/* A full disk is met before it turns into a PUBACK for something that was not written down. */
static void watch_disk(struct collector *collector, mono_time now)
{
    bool there = journal_reserve_there(collector->raw) && atomic_load(&collector->journal_writable);
    if (!there && now.ns >= collector->next_reserve.ns) {
        struct journal_record probe = { .kind = JOURNAL_TICK };
        collector->next_reserve.ns = now.ns + RESERVE_NS;
        append(collector, &probe);
        there = journal_reserve(collector->raw) && atomic_load(&collector->journal_writable);
    }
    if (there == collector->held) {
        collector->held = !there;
        if (collector->held) {
            log_error("the journal takes no more: the broker is left until it does again");
        } else {
            log_info("back to the broker: the journal takes messages again");
        }
    }
    mqtt_hold(collector->mqtt, collector->held);
}

void collector_tend(struct collector *collector)
{
    mono_time now = clock_mono();
    watch_disk(collector, now);
    mqtt_tend(collector->mqtt, now);
    tick(collector);
    if (now.ns >= collector->next_retention.ns) {
        collector->next_retention.ns = now.ns + RETENTION_NS;
        retire_segments(collector);
    }
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
    append(collector, &record);
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

/* --- stop ---------------------------------------------------------------------------------------
 */

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
    notifier_free(collector->notifier);
    stop_sender(collector);
    mqtt_free(collector->mqtt);
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
    free(collector);
}
