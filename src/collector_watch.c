/*
 * The disk, what is kept on it and for how long, and what befalls the collector itself (of which
 * collector_conditions.c makes alarms). All in the main thread.
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
        (void)intake_append(collector, &probe);
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

/* --- events --------------------------------------------------------------------------------- */

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
    conditions_count(collector, MAINTENANCE_SPOOL_FULL, atomic_load(&collector->spool_lost), now);
    conditions_count(collector, MAINTENANCE_BROKER_DROPS, atomic_load(&collector->broker_dropped),
                     now);
    conditions_count(collector, MAINTENANCE_JOURNAL, count_trouble(collector), now);
}

void watch_tend(struct collector *collector, mono_time now)
{
    watch_disk(collector, now);
    if (now.ns >= collector->next_watch.ns) {
        collector->next_watch.ns = now.ns + WATCH_NS;
        conditions_set(collector, MAINTENANCE_DISK_FULL, collector->held, free_megabytes(collector),
                       now);
        watch_events(collector, now);
    }
    if (now.ns >= collector->next_retention.ns) {
        collector->next_retention.ns = now.ns + RETENTION_NS;
        retire_segments(collector);
    }
}
