/*
 * What comes in: Paho's thread appends each message to the raw journal and only then lets it be
 * acknowledged; the sync thread makes what was appended durable, many records at once.
 *
 * A message is written down before it is acknowledged, with one exception: a numbered report may
 * still be in memory then, because its station trusts no acknowledgement of the broker and keeps it
 * until its receipt, which follows the sync. So a kill can lose nothing but what comes again.
 */
#include "collector_state.h"
#include "phusa/senml.h"
#include "phusa/topic.h"

#define SYNC_AGAIN_NS SECOND_NS /* between two tries after a sync that failed */

/* What the collector itself publishes comes back through the subscription: not worth keeping. */
static bool is_our_own(const struct phusa_topic *topic)
{
    return topic->leaf == PHUSA_LEAF_ACK || topic->leaf == PHUSA_LEAF_CMD ||
           topic->leaf == PHUSA_LEAF_ALARM || topic->leaf == PHUSA_LEAF_BOARD;
}

static void complain(struct collector *collector, const char *why)
{
    atomic_store(&collector->journal_writable, false);
    (void)atomic_fetch_add(&collector->journal_failures, 1);
    (void)pthread_mutex_lock(&collector->text_lock);
    if (log_complaint_due(&collector->journal_complaint, clock_mono().ns)) {
        log_error("the journal takes no more (%s): nothing is acknowledged, the broker and the "
                  "stations keep what they have",
                  why);
    }
    (void)pthread_mutex_unlock(&collector->text_lock);
}

static void is_well(struct collector *collector)
{
    if (atomic_exchange(&collector->journal_writable, true)) {
        return;
    }
    (void)pthread_mutex_lock(&collector->text_lock);
    (void)log_complaint_over(&collector->journal_complaint, clock_mono().ns, NULL);
    (void)pthread_mutex_unlock(&collector->text_lock);
    log_info("the journal takes messages again");
}

typedef enum journal_status appender(struct journal *journal, const struct journal_record *record,
                                     uint64_t *position);

static bool append(struct collector *collector, struct journal_record *record, appender *put)
{
    uint64_t position = 0;
    record->time = clock_wall(&collector->clock);
    enum journal_status status = put(collector->raw, record, &position);
    record->position = position;
    if (status != JOURNAL_OK) {
        complain(collector, status == JOURNAL_FULL ? "disk full" : "input/output error");
        return false;
    }
    is_well(collector);
    return true;
}

bool intake_append(struct collector *collector, struct journal_record *record)
{
    return append(collector, record, journal_append);
}

static bool on_message(void *context, struct phusa_text topic, struct phusa_text payload)
{
    struct collector *collector = context;
    struct phusa_topic parts;
    bool valid = phusa_topic_parse(topic, &parts) == PHUSA_OK;
    bool strict = collector->first->settings->journal.strict;
    if (valid && is_our_own(&parts)) {
        return true;
    }
    struct journal_record record = { .kind = JOURNAL_MESSAGE,
                                     .count = (uint32_t)payload.length,
                                     .topic = topic,
                                     .payload = payload };
    if (payload.length > PHUSA_REPORT_BYTES_MAX) {
        record.flags = JOURNAL_FLAG_CUT;
        record.payload.length = CUT_BYTES;
    }
    bool comes_again = valid && parts.leaf == PHUSA_LEAF_OBS && !strict && record.flags == 0 &&
                       phusa_senml_is_numbered(payload);
    if (!append(collector, &record, comes_again ? journal_append_later : journal_append)) {
        return false;
    }
    struct problem problem = { 0 };
    if (strict && journal_sync(collector->raw, &problem) != JOURNAL_OK) {
        complain(collector, problem.text);
        return false;
    }
    return true;
}

/* The broker's count begins anew when it does. */
static void on_broker_dropped(void *context, uint64_t total)
{
    struct collector *collector = context;
    uint64_t before = atomic_exchange(&collector->broker_dropped_last, total + 1);
    if (before != 0) {
        uint64_t base = before - 1 <= total ? before - 1 : 0;
        (void)atomic_fetch_add(&collector->broker_dropped, total - base);
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
        (void)intake_append(collector, &record);
    }
}

const struct mqtt_handlers intake_handlers = { .message = on_message,
                                               .broker_dropped = on_broker_dropped,
                                               .link = on_link };

/* What is published is said anew at each connection: what was in flight at its end is lost. */
static void on_outlet(void *context, bool up, const char *why)
{
    struct collector *collector = context;
    (void)pthread_mutex_lock(&collector->text_lock);
    if (!up && atomic_load(&collector->link_up) &&
        log_complaint_due(&collector->outlet_complaint, clock_mono().ns)) {
        log_warning("broker %s: no connection to publish with, as %s: %s; trying again",
                    collector->outlet_broker.uri, collector->outlet_id, why);
    } else if (up && log_complaint_over(&collector->outlet_complaint, clock_mono().ns, NULL)) {
        log_info("broker %s: connected again to publish", collector->outlet_broker.uri);
    }
    (void)pthread_mutex_unlock(&collector->text_lock);
    if (up) {
        atomic_store(&collector->receipts_doubtful, true);
    }
}

const struct mqtt_handlers outlet_handlers = { .link = on_outlet };

/* --- group commit --------------------------------------------------------------------------- */

void *sync_run(void *context)
{
    struct collector *collector = context;
    int64_t pause = collector->first->settings->journal.sync_ns;
    while (!atomic_load(&collector->sync_stopping)) {
        if (!journal_wait_appended(collector->raw, SECOND_NS)) {
            continue;
        }
        mono_time begun = clock_mono();
        struct problem problem = { 0 };
        if (journal_sync(collector->raw, &problem) == JOURNAL_OK) {
            clock_sleep_until((mono_time){ begun.ns + pause });
        } else {
            complain(collector, problem.text);
            clock_sleep_until((mono_time){ clock_mono().ns + SYNC_AGAIN_NS });
        }
    }
    return NULL;
}
