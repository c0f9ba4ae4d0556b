/*
 * What is known of a station's reports: its logs, what is missing of them and since when,
 * its receipts, and what became of its readings behind the pipeline.
 */
#include <stdlib.h>
#include <string.h>

#include "pipeline_state.h"

#define RECEIPT_PAUSE_NS                                                                           \
    SECOND_NS /* a station's receipts come at most once a second (contract)                        \
               */

/* --- logs ---------------------------------------------------------------------------------- */

static struct log_state *find_log(const struct station_ledger *ledger, uint32_t log)
{
    for (size_t i = 0; i < ledger->log_count; i++) {
        if (ledger->logs[i]->log == log) {
            return ledger->logs[i];
        }
    }
    return NULL;
}

/* Makes room by giving up the log begun longest ago, but for the one in use. */
static void forget_log(struct station_state *station, int64_t now_ns)
{
    struct station_ledger *ledger = &station->ledger;
    size_t at = ledger->log_count - 1;
    if (ledger->has_status && ledger->logs[at]->log == ledger->status_log) {
        at--;
    }
    struct sequence *sequence = &ledger->logs[at]->sequence;
    (void)sequence_end(sequence, now_ns);
    for (int i = 0; i < GAP_ENDS; i++) {
        station->counts.forgotten_closed += sequence->closed[i];
    }
    free(ledger->logs[at]);
    ledger->log_count--;
    memmove(&ledger->logs[at], &ledger->logs[at + 1],
            (ledger->log_count - at) * sizeof ledger->logs[0]);
}

/* The state of a log, made when it is first heard of; NULL when out of memory. */
static struct log_state *know_log(struct station_state *station, uint32_t log, int64_t now_ns)
{
    struct station_ledger *ledger = &station->ledger;
    struct log_state *known = find_log(ledger, log);
    if (known != NULL) {
        return known;
    }
    struct log_state *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL) {
        return NULL;
    }
    fresh->log = log;
    if (ledger->log_count == STATION_LOGS_MAX) {
        forget_log(station, now_ns);
    }
    memmove(ledger->logs + 1, ledger->logs, ledger->log_count * sizeof ledger->logs[0]);
    ledger->logs[0] = fresh;
    ledger->log_count++;
    return fresh;
}

/* --- lists of stations ------------------------------------------------------------------------ */

static void want_receipt(struct pipeline *pipeline, struct station_state *station)
{
    if (!station->receipt_wanted) {
        station->receipt_wanted = true;
        pipeline->wanting[pipeline->wanting_count++] = station;
    }
}

static void watch(struct pipeline *pipeline, struct station_state *station)
{
    if (!station->watched) {
        station->watched = true;
        pipeline->watched[pipeline->watched_count++] = station;
    }
}

void ledger_enlist(struct pipeline *pipeline, struct station_state *station, bool receipt_wanted)
{
    uint64_t missing;
    if (receipt_wanted) {
        want_receipt(pipeline, station);
    }
    if (ledger_oldest_gap(station, &missing) != INT64_MAX ||
        station->own[MAINTENANCE_REPORTS_MISSING] != NULL) {
        watch(pipeline, station);
    }
}

/* --- reports and statuses ------------------------------------------------------------------- */

bool ledger_note(struct pipeline *pipeline, struct station_state *station)
{
    const struct phusa_report *report = &pipeline->report;
    if (!report->has_log || !report->has_seq) {
        return false;
    }
    struct log_state *log = know_log(station, report->log, pipeline->now_ns);
    if (log == NULL) {
        return false; /* without memory there is no receipt: the station keeps the report */
    }
    station->ledger.numbered = true;
    want_receipt(pipeline, station);
    enum sequence_result result = sequence_note(&log->sequence, report->seq, pipeline->now_ns);
    if (log->ended) {
        (void)sequence_end(&log->sequence, pipeline->now_ns);
    } else if (log->sequence.run_count > 0) {
        watch(pipeline, station);
    }
    /* What is put back was never taken, whatever its number. */
    return !pipeline->put_back && (result == SEQUENCE_KNOWN || result == SEQUENCE_DOUBTFUL);
}

static void end_others(struct station_ledger *ledger, int64_t now_ns)
{
    for (size_t i = 0; i < ledger->log_count; i++) {
        struct log_state *log = ledger->logs[i];
        if (log->log != ledger->status_log && !log->ended) {
            log->ended = true;
            (void)sequence_end(&log->sequence, now_ns);
        }
    }
}

/*
 * A station whose next number is one that came has gone back in time: its flash was restored, say.
 * The receipt tells it how far its log had got, and its reports are recognised by their readings
 * (check_renumbered). A status that is only given again by the broker says nothing new.
 */
static bool has_gone_back(const struct station_ledger *ledger, const struct sequence *sequence,
                          const struct status_numbers *numbers)
{
    const struct status_numbers *last = &ledger->last_numbers;
    bool repeated = numbers->log == last->log && numbers->boot == last->boot &&
                    numbers->first == last->first && numbers->next == last->next;
    return !repeated && numbers->next <= sequence_highest(sequence);
}

static void take_numbers(struct pipeline *pipeline, struct station_state *station,
                         struct sequence *sequence, const struct status_numbers *numbers)
{
    if (has_gone_back(&station->ledger, sequence, numbers)) {
        station->counts.went_back++;
        pipeline->counters.went_back++;
    }
    station->ledger.last_numbers = *numbers;
    (void)sequence_announce(sequence, numbers->first, numbers->next, pipeline->now_ns);
}

void ledger_status(struct pipeline *pipeline, struct station_state *station,
                   const struct phusa_status_message *message)
{
    struct station_ledger *ledger = &station->ledger;
    ledger->has_status = true;
    ledger->online = message->online;
    clock_status(station, message);
    if (!message->has_log) {
        return;
    }
    ledger->status_log = message->log;
    struct log_state *log = know_log(station, message->log, pipeline->now_ns);
    end_others(ledger, pipeline->now_ns);
    if (log != NULL) {
        log->ended = false;
    }
    if (log != NULL && message->has_next) {
        struct status_numbers numbers = { .log = message->log,
                                          .boot = message->boot,
                                          .first = message->has_first ? message->first : 0,
                                          .next = message->next };
        take_numbers(pipeline, station, &log->sequence, &numbers);
    }
    want_receipt(pipeline, station);
}

/* --- missing for too long ------------------------------------------------------------------- */

int64_t ledger_oldest_gap(const struct station_state *station, uint64_t *missing)
{
    int64_t oldest = INT64_MAX;
    *missing = 0;
    for (size_t i = 0; i < station->ledger.log_count; i++) {
        const struct sequence *sequence = &station->ledger.logs[i]->sequence;
        int64_t noticed = sequence_oldest_gap(sequence);
        oldest = noticed < oldest ? noticed : oldest;
        *missing += sequence_missing(sequence);
    }
    return oldest;
}

/*
 * The alarm is on from the tick that finds a gap too old until one finds neither this gap nor
 * another that is too old; so a clock that steps back does not end it. True as long as the station
 * has to be looked at.
 */
static bool judge_gaps(struct pipeline *pipeline, struct station_state *station)
{
    const struct maintenance_settings *maintenance = &pipeline->settings->maintenance;
    const struct alarm_slot *slot = station->own[MAINTENANCE_REPORTS_MISSING];
    bool on = slot != NULL && slot->state.live.state != SEVERITY_NORMAL;
    uint64_t missing;
    int64_t oldest = ledger_oldest_gap(station, &missing);
    bool late = oldest < pipeline->now_ns - maintenance->gap_ns ||
                (on && oldest <= slot->state.live.since_ns);
    bool told = maintenance->rules[MAINTENANCE_REPORTS_MISSING].enabled;
    struct alarm_about about = about_station(station);
    const struct own_finding finding = { .to = late && told ? SEVERITY_MINOR : SEVERITY_NORMAL,
                                         .since_ns = late ? oldest : pipeline->now_ns,
                                         .value = (double)missing };
    alarms_set_own(pipeline, &about, MAINTENANCE_REPORTS_MISSING, &finding);
    slot = station->own[MAINTENANCE_REPORTS_MISSING];
    return oldest != INT64_MAX || (slot != NULL && (slot->state.live.state != SEVERITY_NORMAL ||
                                                    slot->state.told != SEVERITY_NORMAL));
}

/* All stations lie in one array, so this is the order of the registry. */
static int by_place(const void *a, const void *b)
{
    const struct station_state *left = *(struct station_state *const *)a;
    const struct station_state *right = *(struct station_state *const *)b;
    return (left > right) - (left < right);
}

void ledger_tick(struct pipeline *pipeline)
{
    size_t kept = 0;
    if (pipeline->watched_count > 1) { /* the order of notices must not depend on a restart */
        qsort(pipeline->watched, pipeline->watched_count, sizeof pipeline->watched[0], by_place);
    }
    for (size_t i = 0; i < pipeline->watched_count; i++) {
        struct station_state *station = pipeline->watched[i];
        if (judge_gaps(pipeline, station)) {
            pipeline->watched[kept++] = station;
        } else {
            station->watched = false;
        }
    }
    pipeline->watched_count = kept;
}

/* --- receipts ---------------------------------------------------------------------------- */

static bool publish_receipt(const struct station_state *station,
                            bool (*publish)(void *context, const char *topic,
                                            struct phusa_text payload),
                            void *context)
{
    const struct station_ledger *ledger = &station->ledger;
    const struct log_state *log = ledger->has_status ? find_log(ledger, ledger->status_log) : NULL;
    if (log == NULL) {
        return true; /* a receipt is only for the log that the station's status names; that will ask
                        again */
    }
    struct phusa_receipt receipt;
    char payload[PHUSA_MESSAGE_MAX], topic[PHUSA_TOPIC_MAX + 1];
    struct phusa_topic parts = { .site = phusa_text_of(station->station->site),
                                 .station = phusa_text_of(station->station->id),
                                 .leaf = PHUSA_LEAF_ACK };
    sequence_receipt(&log->sequence, log->log, &receipt);
    size_t length = phusa_receipt_print(&receipt, payload, sizeof payload);
    if (length == 0 || phusa_topic_print(&parts, topic, sizeof topic) == 0) {
        return true;
    }
    return publish(context, topic, (struct phusa_text){ payload, length });
}

void pipeline_receipts_anew(struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->station_count; i++) {
        if (pipeline->stations[i].ledger.numbered) {
            want_receipt(pipeline, &pipeline->stations[i]);
        }
    }
}

uint64_t pipeline_receipts(struct pipeline *pipeline, mono_time now,
                           bool (*publish)(void *context, const char *topic,
                                           struct phusa_text payload),
                           void *context)
{
    size_t kept = 0;
    uint64_t published = 0;
    for (size_t i = 0; i < pipeline->wanting_count; i++) {
        struct station_state *station = pipeline->wanting[i];
        if (now.ns < station->receipt_due_ns || !publish_receipt(station, publish, context)) {
            pipeline->wanting[kept++] = station;
            continue;
        }
        station->receipt_wanted = false;
        station->receipt_due_ns = now.ns + RECEIPT_PAUSE_NS;
        published++;
    }
    pipeline->wanting_count = kept;
    return published;
}

/* --- behind the pipeline -------------------------------------------------------------------- */

static uint64_t less(uint64_t from, uint64_t count)
{
    return from > count ? from - count : 0;
}

uint64_t ledger_pending(const struct station_counts *counts)
{
    return less(less(counts->accepted, counts->lost), counts->stored);
}

void pipeline_mark(struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->station_count; i++) {
        struct station_counts *counts = &pipeline->stations[i].counts;
        counts->marked = less(counts->accepted, counts->lost);
    }
}

void pipeline_stored(struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->station_count; i++) {
        struct station_counts *counts = &pipeline->stations[i].counts;
        counts->stored = counts->marked;
    }
}

void pipeline_lost(struct pipeline *pipeline, struct phusa_text station, enum phusa_reason reason,
                   uint64_t readings)
{
    struct station_state *state = state_find(pipeline, station);
    pipeline->counters.quarantined += readings;
    pipeline->counters.lost += readings;
    if (state == NULL) {
        pipeline->counters.unknown_reasons[reason] += readings;
        return;
    }
    struct station_counts *counts = &state->counts;
    counts->quarantined += readings;
    counts->reasons[reason] += readings;
    counts->lost += readings;
    /* Most likely they are among those accepted at the mark: the spool goes from its old end. */
    counts->marked = less(counts->marked, readings);
    uint64_t left = less(counts->accepted, counts->lost);
    counts->stored = counts->stored < left ? counts->stored : left;
}
