/*
 * One step: notice the connection, take in receipts and commands, sample and log
 * what is due, sync, then publish - status, fresh reports, backlog - as far as
 * the network takes it. Nothing is published before the sync that covers it: the
 * delivery learns of a report only then, and while syncs fail nothing new is told.
 *
 * Fresh reports are those sampled since the connection began, and the few of an outage so
 * short that they can go in order; the others, and whatever is sent again, are backlog:
 * oldest first, behind the fresh ones, paced. When the link cannot take more the
 * pace halves, down to a report a second, and comes back little by little: a queue that
 * the backlog fills is a queue that fresh reports wait in.
 * After a start or a loss of the connection the collector may hold reports that
 * the station does not know to be covered; these wait a little for the retained
 * receipt before they are sent (again).
 */
#include "inside.h"
#include "report.h"

#define RECEIPT_WAIT       (5 * SECOND)    /* for the retained receipt after connecting */
#define STATUS_EVERY       (3600 * SECOND) /* the status is told anew at least this often */
#define STATUS_FIRST_EVERY (60 * SECOND)   /* and this soon when `first` has moved */
#define RETRY_AFTER        (SECOND / 50)   /* when the network could not take a message */
#define CHECK_EVERY        SECOND          /* while something is on its way */
#define BACKLOG_BURST      (SECOND / 4)    /* pace kept over this span, not longer */
#define BACKLOG_GAP_MAX    SECOND          /* between two of the backlog on a busy link */
#define BACKLOG_REGAIN     4               /* part of the slowing that each sending takes back */
#define NAME_MAX_BYTES     32u
#define UNIT_MAX_BYTES     16u

/* --- start ---------------------------------------------------------------------- */

static bool channels_valid(const struct station_options *options)
{
    for (size_t i = 0; i < options->channel_count; i++) {
        const struct station_channel *channel = &options->channels[i];
        if (channel->name.length == 0 || channel->name.length > NAME_MAX_BYTES ||
            channel->unit.length > UNIT_MAX_BYTES) {
            return false;
        }
    }
    return options->channel_count > 0 && options->channel_count <= STATION_CHANNELS_MAX;
}

static bool options_valid(const struct station_options *options, const struct station_ports *ports)
{
    return options->id.length > 0 && options->id.length < STATION_BASE_MAX &&
           options->every_ns > 0 && options->phase_ns >= 0 &&
           options->phase_ns < options->every_ns && (options->boot > 0 || ports->keep != NULL) &&
           options->resend_after_ns >= SECOND && options->sendings_max > 0 &&
           options->sendings_max <= STATION_SENDINGS_MAX && options->backlog_per_s > 0 &&
           options->sample_from_ns >= 0 && options->sample_until_ns >= 0 &&
           options->sample_every_ns >= 0 && options->fast_every_ns >= 0 &&
           options->sample_wait_ns >= 0 && options->jitter_ns >= 0 && options->share <= 100 &&
           channels_valid(options);
}

/*
 * The first moment to sample. With sample_from the past is (re)played: after a
 * restart from behind the last report in the log on. Without it the next moment,
 * but none that the log has already.
 */
void station_schedule(struct station_core *station, struct hal_time now, bool behind_now)
{
    const struct station_options *options = &station->options;
    const struct station_log *log = &station->log;
    int64_t every_ns = station->settings.every_ns;
    int64_t from = own_time(station, now) + behind_now;
    if (now.wall_set && options->sample_from_ns > 0) {
        from = options->sample_from_ns;
    }
    bool resumed = now.wall_set && log->first < log->next && log->last_boot == 0 &&
                   (options->sample_from_ns > 0 || log->last_time_ns - from < every_ns);
    if (resumed && log->last_time_ns >= from) {
        from = log->last_time_ns + 1;
    }
    station->schedule = (struct schedule){
        .every_ns = settings_tick_ns(station),
        .phase_ns = options->phase_ns % every_ns,
        .until_ns =
            now.wall_set && options->sample_until_ns > 0 ? options->sample_until_ns : INT64_MAX,
    };
    station->schedule.next_ns = schedule_align(&station->schedule, from);
}

static void note_clock(struct station_core *station, struct hal_time now)
{
    if (now.wall_set && !station->clock_was_set) {
        station->clock_was_set = true;
        station->clock_set_up_ns = now.mono_ns - station->boot_mono_ns;
        station->clock_offset_ns = now.wall_ns - station->clock_set_up_ns;
        station_schedule(station, now, false);
    }
}

static enum station_status open_log(struct station_core *station)
{
    const struct hal_random *random = &station->ports.random;
    return station_log_open(&station->log, &station->ports.flash, random->next(random->context),
                            station->layout, station->layout_length) == STATION_LOG_OK
               ? STATION_OK
               : STATION_LOG_FAILED;
}

/* Makes the new reports durable; only then they are to be delivered. */
static void keep_reports(struct station_core *station)
{
    if (station_log_sync(&station->log) == STATION_LOG_OK) {
        delivery_extend(&station->delivery, station->log.next);
    } else {
        station->counters.log_errors++;
    }
    station->counters.overwritten += delivery_drop_below(&station->delivery, station->log.first);
}

enum station_status station_init(struct station_core *station,
                                 const struct station_options *options,
                                 const struct station_ports *ports, struct hal_time now)
{
    if (!options_valid(options, ports)) {
        return STATION_BAD_OPTIONS;
    }
    memset(station, 0, sizeof *station); /* in place: it is too large for a small stack */
    station->options = *options;
    station->ports = *ports;
    station->boot_mono_ns = station->backlog_at_ns = now.mono_ns;
    station->backlog_gap_ns = SECOND / options->backlog_per_s;
    station->base_length = options->id.length + 1;
    memcpy(station->base_name, options->id.data, options->id.length);
    station->base_name[options->id.length] = ':';
    diagnostics_begin(station, now);
    now = diagnostics_clock(station, now);
    station->latest = now;
    if (!orders_begin(station, now)) {
        return STATION_BAD_OPTIONS;
    }
    if (open_log(station) != STATION_OK) {
        return STATION_LOG_FAILED;
    }
    station->jitter = ports->random.next(ports->random.context);
    sampling_begin(station);
    const struct station_log *log = &station->log;
    uint64_t uncovered = log->covered + 1 > log->first ? log->covered + 1 : log->first;
    uncovered = uncovered < log->next ? uncovered : log->next;
    delivery_init(&station->delivery, uncovered, uncovered, options->resend_after_ns,
                  options->sendings_max, now.mono_ns);
    keep_reports(station); /* what is found may have been left unsynced */
    station->fresh_next = station->doubtful_end = log->next;
    station_schedule(station, now, false);
    note_clock(station, now);
    return STATION_OK;
}

/* --- connection ------------------------------------------------------------------- */

static void notice_connection(struct station_core *station, struct hal_time now)
{
    const struct hal_network *network = &station->ports.network;
    uint32_t connection = network->connection(network->context);
    if (connection == station->connection) {
        return;
    }
    station->connection = connection;
    delivery_unsend(&station->delivery, now.mono_ns);
    if (station->fresh_next > station->doubtful_end) {
        station->doubtful_end = station->fresh_next;
    }
    if (connection == 0) {
        return;
    }
    if (station->log.next - station->fresh_next > STATION_FRESH_JOIN) {
        station->fresh_next = station->log.next;
    }
    station->receipt_until_ns = now.mono_ns + RECEIPT_WAIT;
    station->status_due = true;
}

/* --- what comes in ------------------------------------------------------------------ */

/* A receipt that covers numbers we think unused: the end of our log was lost, so go on behind it.
 */
static bool accept_numbers(struct station_core *station, const struct phusa_receipt *receipt)
{
    if (receipt->upto < station->log.next) {
        return true;
    }
    if (receipt->upto - station->log.next >= STATION_SKIP_MAX) {
        return false;
    }
    station_log_skip(&station->log, receipt->upto + 1);
    delivery_extend(&station->delivery, station->log.next);
    return true;
}

static void take_receipt(struct station_core *station, size_t length, struct hal_time now)
{
    struct phusa_receipt receipt;
    struct phusa_text json = { (const char *)station->buffer, length };
    if (phusa_receipt_parse(json, &receipt) != PHUSA_OK || receipt.log != station->log.id ||
        !accept_numbers(station, &receipt)) {
        station->counters.receipts_ignored++;
        return;
    }
    station->counters.receipts++;
    station->receipt_until_ns = 0;
    delivery_receipt(&station->delivery, &receipt, station->log.first, now.mono_ns);
    station_log_note_covered(&station->log, delivery_covered_below(&station->delivery) - 1);
    trial_receipt(station);
}

static void receive(struct station_core *station, struct hal_time now)
{
    const struct hal_network *network = &station->ports.network;
    for (int i = 0; i < STATION_RECEIVE_MAX; i++) {
        size_t length = 0;
        switch (
            network->receive(network->context, station->buffer, sizeof station->buffer, &length)) {
        case HAL_INBOUND_NONE:
            return;
        case HAL_INBOUND_ACK:
            take_receipt(station, length, now);
            break;
        case HAL_INBOUND_CMD:
            orders_take(station, length, now);
            break;
        }
    }
}

/* --- status --------------------------------------------------------------------------- */

static void copy_word(char word[PHUSA_WORD_MAX], const char *text)
{
    size_t length = text == NULL ? 0 : strlen(text);
    length = length < PHUSA_WORD_MAX ? length : PHUSA_WORD_MAX - 1;
    if (length > 0) {
        memcpy(word, text, length);
    }
    word[length] = '\0';
}

static enum hal_result publish_status(struct station_core *station, bool online,
                                      struct hal_time now)
{
    const struct station_options *options = &station->options;
    const struct station_log *log = &station->log;
    struct phusa_status_message message = { .online = online,
                                            .has_log = true,
                                            .has_first = true,
                                            .has_next = true,
                                            .log = log->id,
                                            .first = log->first,
                                            .next = station->delivery.end,
                                            .clock = clock_state(now),
                                            .days_held = station_log_days(log),
                                            .boot = options->boot };
    copy_word(message.firmware, options->firmware);
    copy_word(message.hardware, options->hardware);
    copy_word(message.reset, options->reset);
    char json[PHUSA_MESSAGE_MAX];
    size_t length = phusa_status_print(&message, json, sizeof json);
    const struct hal_network *network = &station->ports.network;
    return length > 0 ? network->publish(network->context, HAL_LEAF_STATUS, json, length)
                      : HAL_FAILED;
}

static bool status_outdated(const struct station_core *station, struct hal_time now)
{
    int64_t age = now.mono_ns - station->status_at_ns;
    return age >= STATUS_EVERY || clock_state(now) != station->status_clock ||
           (station->log.first != station->status_first && age >= STATUS_FIRST_EVERY);
}

/* True if reports may follow: the status is told. */
static bool tell_status(struct station_core *station, struct hal_time now)
{
    if (!station->status_due && !status_outdated(station, now)) {
        return true;
    }
    station->status_due = true;
    if (publish_status(station, true, now) != HAL_OK) {
        return false;
    }
    station->status_due = false;
    station->status_at_ns = now.mono_ns;
    station->status_first = station->log.first;
    station->status_clock = clock_state(now);
    return true;
}

/* --- publishing ----------------------------------------------------------------------- */

/* Publishes one report; HAL_FAILED: it cannot be read or written and was given up. */
static enum hal_result send_report(struct station_core *station, uint64_t seq,
                                   struct station_log_cursor *cursor, struct hal_time now)
{
    struct station_record record;
    size_t length = 0;
    if (station_log_read(&station->log, cursor, seq, &record) == STATION_LOG_OK) {
        length = report_encode(station, &record, true);
    }
    if (length == 0) {
        delivery_give_up(&station->delivery, seq);
        return HAL_FAILED;
    }
    const struct hal_network *network = &station->ports.network;
    enum hal_result result =
        network->publish(network->context, HAL_LEAF_OBS, station->buffer, length);
    if (result == HAL_OK) {
        station->counters.published++;
        station->counters.resent += delivery_was_sent(&station->delivery, seq);
        delivery_sent(&station->delivery, seq, now.mono_ns);
    }
    return result == HAL_FAILED ? HAL_AGAIN : result;
}

/* Sends fresh reports; returns what became of the last one. */
static enum hal_result send_fresh(struct station_core *station, struct hal_time now, int *budget)
{
    uint64_t next = station->log.next;
    if (next - station->fresh_next > STATION_FRESH_MAX) {
        station->fresh_next = next - STATION_FRESH_MAX;
    }
    if (station->fresh_at_ns > now.mono_ns) {
        return HAL_OK;
    }
    uint64_t flying = delivery_in_flight(&station->delivery, now.mono_ns);
    for (; *budget > 0 && flying < STATION_WINDOW; --*budget, flying++) {
        uint64_t seq = delivery_waiting(&station->delivery, station->fresh_next);
        if (seq == 0) {
            return HAL_OK;
        }
        enum hal_result result = send_report(station, seq, &station->fresh_cursor, now);
        if (result == HAL_AGAIN || result == HAL_GONE) {
            return result;
        }
        station->fresh_next = seq + 1;
    }
    return HAL_OK;
}

/* The next report of the backlog that may go now; 0: none, *wake says when to ask again. */
static uint64_t backlog_next(struct station_core *station, struct hal_time now, int64_t *wake)
{
    uint64_t seq = delivery_waiting(&station->delivery, 0);
    if (seq == 0 || seq >= station->fresh_next) {
        return 0;
    }
    int64_t at = station->backlog_at_ns;
    if (seq < station->doubtful_end && station->receipt_until_ns > at) {
        at = station->receipt_until_ns;
    }
    if (at > now.mono_ns) {
        *wake = at < *wake ? at : *wake;
        return 0;
    }
    return seq;
}

/* After a sending of the backlog: when the next may follow. */
static void keep_pace(struct station_core *station)
{
    int64_t fastest = SECOND / station->settings.backlog_per_s;
    station->backlog_at_ns += station->backlog_gap_ns;
    station->backlog_gap_ns -= (station->backlog_gap_ns - fastest) / BACKLOG_REGAIN;
}

static enum hal_result send_backlog(struct station_core *station, struct hal_time now, int *budget,
                                    int64_t *wake)
{
    uint64_t flying = delivery_in_flight(&station->delivery, now.mono_ns);
    if (station->backlog_at_ns < now.mono_ns - BACKLOG_BURST) {
        station->backlog_at_ns = now.mono_ns - BACKLOG_BURST;
    }
    for (; *budget > 0 && flying < STATION_BACKLOG_WINDOW; --*budget, flying++) {
        uint64_t seq = backlog_next(station, now, wake);
        if (seq == 0) {
            return HAL_OK;
        }
        enum hal_result result = send_report(station, seq, &station->backlog_cursor, now);
        if (result == HAL_AGAIN || result == HAL_GONE) {
            return result;
        }
        keep_pace(station);
    }
    return HAL_OK;
}

/* Reports asked for by number, whatever receipts said of them; behind all others. */
static enum hal_result send_again(struct station_core *station, struct hal_time now, int *budget,
                                  int64_t *wake)
{
    struct orders *orders = &station->orders;
    while (*budget > 0 && orders->resend_next < orders->resend_end) {
        struct station_record record;
        if (station->backlog_at_ns > now.mono_ns) {
            *wake = station->backlog_at_ns < *wake ? station->backlog_at_ns : *wake;
            return HAL_OK;
        }
        size_t length = 0;
        if (station_log_read(&station->log, &station->backlog_cursor, orders->resend_next,
                             &record) == STATION_LOG_OK) {
            length = report_encode(station, &record, true);
        }
        if (length > 0) {
            const struct hal_network *network = &station->ports.network;
            enum hal_result result =
                network->publish(network->context, HAL_LEAF_OBS, station->buffer, length);
            if (result != HAL_OK) {
                return result == HAL_FAILED ? HAL_AGAIN : result;
            }
            station->counters.published++;
            station->counters.resent++;
            keep_pace(station);
        }
        --*budget;
        orders->resend_next++;
    }
    return HAL_OK;
}

/* The link could not take the backlog: it leaves room for fresh reports. */
static void slow_down(struct station_core *station, struct hal_time now)
{
    int64_t twice = 2 * station->backlog_gap_ns;
    station->backlog_gap_ns = twice < BACKLOG_GAP_MAX ? twice : BACKLOG_GAP_MAX;
    station->backlog_at_ns = now.mono_ns + station->backlog_gap_ns;
}

/* Publishes what may be published; returns when to go on. */
static int64_t publish(struct station_core *station, struct hal_time now)
{
    int64_t wake = now.mono_ns + CHECK_EVERY;
    if (station->fresh_at_ns > now.mono_ns && station->fresh_at_ns < wake) {
        wake = station->fresh_at_ns;
    }
    int budget = STATION_SEND_MAX;
    if (station->connection == 0) {
        return wake;
    }
    delivery_expire(&station->delivery, now.mono_ns);
    if (!tell_status(station, now)) {
        return now.mono_ns + RETRY_AFTER;
    }
    enum hal_result result = send_fresh(station, now, &budget);
    if (result == HAL_OK) {
        result = send_backlog(station, now, &budget, &wake);
        if (result == HAL_OK) {
            result = send_again(station, now, &budget, &wake);
        }
        if (result == HAL_AGAIN) {
            slow_down(station, now);
        }
    }
    if (result == HAL_AGAIN || result == HAL_GONE) {
        return now.mono_ns + RETRY_AFTER;
    }
    return budget == 0 ? now.mono_ns : wake;
}

/* --- the step ------------------------------------------------------------------------- */

static void count_delivery(struct station_core *station)
{
    station->counters.covered = station->delivery.covered;
    station->counters.set_aside = station->delivery.set_aside;
}

/* A simulated clock says by itself how much time has passed, but where it goes back. */
static void count_up(struct station_core *station, struct hal_time now)
{
    const struct hal_time *latest = &station->latest;
    bool by_wall = station->options.simulated && now.wall_ns >= latest->wall_ns;
    station->up_ns += by_wall ? now.wall_ns - latest->wall_ns : now.mono_ns - latest->mono_ns;
    station->latest = now;
}

int64_t station_step(struct station_core *station, struct hal_time now)
{
    now = diagnostics_clock(station, now);
    count_up(station, now);
    note_clock(station, now);
    notice_connection(station, now);
    receive(station, now);
    bool more = sampling_step(station, now);
    keep_reports(station);
    orders_step(station, now);
    int64_t publish_wake = publish(station, now);
    count_delivery(station);
    if (more) {
        return now.mono_ns;
    }
    int64_t wake = sampling_wake(station, now);
    return publish_wake < wake ? publish_wake : wake;
}

void station_stop(struct station_core *station, struct hal_time now)
{
    if (station->connection != 0) {
        now = diagnostics_clock(station, now);
        (void)publish_status(station, false, now); /* not taken: the will speaks */
    }
}

uint32_t station_log_id(const struct station_core *station)
{
    return station->log.id;
}

const struct station_channel *station_unwired(const struct station_core *station)
{
    for (size_t i = 0; i < station->options.channel_count; i++) {
        if ((station->options.unwired >> i & 1u) != 0) {
            return &station->options.channels[i];
        }
    }
    return NULL;
}

bool station_finished(const struct station_core *station)
{
    return schedule_finished(&station->schedule) && !station->sampling.under_way;
}

bool station_delivered(const struct station_core *station)
{
    return delivery_settled(&station->delivery) && station->delivery.end == station->log.next;
}

const struct station_counters *station_counters(const struct station_core *station)
{
    return &station->counters;
}
