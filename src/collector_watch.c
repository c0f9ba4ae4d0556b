/*
 * The disk, what is kept on it and for how long, and the alarms of the collector about itself
 * (settings.h, enum maintenance). All in the main thread.
 *
 * A state (the disk is full) is so as long as it lasts; an event (readings went lost, the broker
 * dropped messages, damage was found) counts as "so" for EVENT_NS after the last one. Each
 * change is told once, by the outbox; when that takes nothing, straight to the channels.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "collector_state.h"

#define RESERVE_NS   (5 * SECOND_NS) /* between tries to take the reserve again */
#define RETENTION_NS (10 * SECOND_NS)
#define WATCH_NS     SECOND_NS
#define EVENT_NS     (3600 * SECOND_NS)
#define FAR_FUTURE   ((wall_time){ INT64_MAX })
#define MEGABYTE     1e6

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* --- retention ------------------------------------------------------------------------------- */

/*
 * The raw journal is kept for a time, but always from the older snapshot on and never beyond what
 * the pipeline has taken; the spool until the store is sure to have it (a full one is the
 * sender's matter).
 */
static void retire_segments(struct collector *collector)
{
    const struct settings *settings = collector->first->settings;
    struct sender_counters sender;
    sender_read_counters(collector->sender, &sender);
    uint64_t needed = least(atomic_load(&collector->delivered), snapshot_floor(collector));
    wall_time oldest = { clock_wall(&collector->clock).ns - settings->journal.keep_ns };
    (void)journal_retain(collector->raw, needed + 1, oldest, settings->journal.keep_bytes);
    (void)journal_retain(collector->spool, sender.position_safe + 1, FAR_FUTURE, 0);
    (void)journal_retain(collector->quarantine, UINT64_MAX, oldest, QUARANTINE_BYTES);
    (void)journal_sync(collector->quarantine, NULL);
}

/* --- a full disk ------------------------------------------------------------------------------ */

/* A full disk is met before it turns into a PUBACK for something that was not written down. */
static void watch_disk(struct collector *collector, mono_time now)
{
    bool there = journal_reserve_there(collector->raw) && atomic_load(&collector->journal_writable);
    if (!there && now.ns >= collector->next_reserve.ns) {
        struct journal_record probe = { .kind = JOURNAL_TICK };
        collector->next_reserve.ns = now.ns + RESERVE_NS;
        intake_append(collector, &probe);
        there = journal_reserve(collector->raw) && atomic_load(&collector->journal_writable);
    }
    if (there == collector->held) {
        collector->held = !there;
        atomic_store(&collector->held_shown, collector->held);
        if (collector->held) {
            log_error("the journal takes no more: the broker is left until it does again");
        } else {
            log_info("back to the broker: the journal takes messages again");
        }
    }
    mqtt_hold(collector->mqtt, collector->held);
}

static double free_megabytes(const struct collector *collector)
{
    struct statvfs found;
    if (statvfs(collector->first->settings->journal.path, &found) != 0) {
        return 0;
    }
    return (double)found.f_bavail * (double)found.f_frsize / MEGABYTE;
}

/* --- alarms about itself ------------------------------------------------------------------------
 */

static void marker_path(const struct collector *collector, enum maintenance which,
                        char path[COLLECTOR_PATH_MAX])
{
    (void)snprintf(path, COLLECTOR_PATH_MAX, "%s/%s.told", collector->first->settings->journal.path,
                   collector->first->settings->maintenance.rules[which].id);
}

/* What was told without the outbox is remembered by an empty file, for which even a full disk has
 * room, mostly: so that its end is told after a restart, too. */
static void note_urgent(const struct collector *collector, enum maintenance which, bool raised)
{
    char path[COLLECTOR_PATH_MAX];
    marker_path(collector, which, path);
    if (!raised) {
        (void)unlink(path);
        return;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    if (fd >= 0) {
        (void)close(fd);
    }
}

/* Leaves by the outbox, and so is remembered; else straight by HTTP. */
static void tell(struct collector *collector, enum maintenance which, bool raised, double value)
{
    struct shared_settings *current = shared_settings_current(collector);
    const struct settings *settings = current->settings;
    wall_time now = clock_wall(&collector->clock);
    struct notice notice = { .rule = &settings->maintenance.rules[which],
                             .station = &settings->maintenance.self,
                             .from = raised ? SEVERITY_NORMAL : maintenance_severity(which),
                             .to = raised ? maintenance_severity(which) : SEVERITY_NORMAL,
                             .time_ns = now.ns,
                             .since_ns = now.ns,
                             .value = value,
                             .transition = true,
                             .tell = true };
    bool kept =
        outbox_commit(collector->outbox, &notice, 1, settings, 0, clock_real(), NULL) == OUTBOX_OK;
    note_urgent(collector, which, raised && !kept);
    if (kept) {
        notifier_wake(collector->notifier);
    } else if (!notifier_urgent(collector->notifier, &notice, settings)) {
        log_error("alarm %s cannot be told: out of memory", notice.rule->id);
    }
    shared_settings_drop(current);
}

static void set(struct collector *collector, enum maintenance which, bool is_so, double value)
{
    if (is_so != collector->watched[which].told) {
        collector->watched[which].told = is_so;
        tell(collector, which, is_so, value);
    }
}

/* Something happened when the count has grown. */
static void set_by_count(struct collector *collector, enum maintenance which, uint64_t count,
                         mono_time now)
{
    struct watched *watched = &collector->watched[which];
    if (count > watched->seen) {
        watched->seen = count;
        watched->until_ns = now.ns + EVENT_NS;
    }
    set(collector, which, now.ns < watched->until_ns, (double)count);
}

/* Damage and failures of all three journals; opening counts what it finds, too. */
static uint64_t count_trouble(struct collector *collector)
{
    struct journal *const journals[] = { collector->raw, collector->spool, collector->quarantine };
    struct outbox_counters outbox;
    outbox_read_counters(collector->outbox, &outbox);
    uint64_t count = outbox.replaced + atomic_load(&collector->outboxes_replaced);
    for (size_t i = 0; i < sizeof journals / sizeof journals[0]; i++) {
        struct journal_counters counters;
        journal_read_counters(journals[i], &counters);
        count += counters.damaged_bytes + counters.sync_failures;
    }
    return count;
}

static void watch_events(struct collector *collector, mono_time now)
{
    set_by_count(collector, MAINTENANCE_SPOOL_FULL, atomic_load(&collector->spool_lost), now);
    set_by_count(collector, MAINTENANCE_BROKER_DROPS, atomic_load(&collector->broker_dropped), now);
    set_by_count(collector, MAINTENANCE_JOURNAL, count_trouble(collector), now);
}

/* -1 if it is none of them. */
static int find_own(const struct collector *collector, const struct outbox_told *told)
{
    const struct maintenance_settings *maintenance = &collector->current->settings->maintenance;
    int which = maintenance_find(maintenance, told->rule);
    return which > MAINTENANCE_REPORTS_MISSING && strcmp(told->station, maintenance->self.id) == 0
               ? which
               : -1;
}

bool watch_is_own(const struct collector *collector, const struct outbox_told *told)
{
    return find_own(collector, told) >= 0;
}

static void visit_told(void *context, const struct outbox_told *told)
{
    struct collector *collector = context;
    int which = find_own(collector, told);
    if (which >= 0 && told->severity != SEVERITY_NORMAL) {
        /* When the event was is not known any more: it counts from now. */
        collector->watched[which].told = true;
        collector->watched[which].until_ns = collector->started.ns + EVENT_NS;
    }
}

void watch_recall(struct collector *collector)
{
    (void)outbox_each_told(collector->outbox, visit_told, collector);
    for (int which = 0; which < MAINTENANCE_COUNT; which++) {
        char path[COLLECTOR_PATH_MAX];
        marker_path(collector, (enum maintenance)which, path);
        if (access(path, F_OK) == 0) {
            collector->watched[which].told = true;
        }
    }
}

void watch_tend(struct collector *collector, mono_time now)
{
    watch_disk(collector, now);
    if (now.ns >= collector->next_watch.ns) {
        collector->next_watch.ns = now.ns + WATCH_NS;
        set(collector, MAINTENANCE_DISK_FULL, collector->held, free_megabytes(collector));
        watch_events(collector, now);
    }
    if (now.ns >= collector->next_retention.ns) {
        collector->next_retention.ns = now.ns + RETENTION_NS;
        retire_segments(collector);
    }
}
