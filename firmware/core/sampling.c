/*
 * Sampling: one schedule ticks at the shortest distance in use. At a tick either all channels
 * are sampled, or only those with an event step, or none: they are looked at more often from when
 * one of them has moved half of its step since the last report, until none has for FAST_FOR.
 * Samples add up to observations; at the end of the report period these become a record of the
 * log. A value that moved further than its step makes a report of its own at once.
 *
 * Of channels whose samples are amounts a report has the sum of all that came since the report
 * before it. No sample of theirs is passed over, however often they are looked at, and only a
 * report that was kept or sent takes their sum away.
 *
 * A round may wait for sensors that take their time; what they give is the value of the
 * scheduled moment, whenever it came. The next moment waits for its turn.
 *
 * Wall times in the log never go back. Where the clock was set back behind what the log has, a
 * record says boot and time since boot, as with an unset clock, and the collector dates it.
 */
#include <math.h>

#include "inside.h"
#include "report.h"

#define WAIT_DEFAULT (10 * SECOND)
#define POLL_EVERY   (SECOND / 100) /* while sensors measure */
#define CHECK_EVERY  SECOND
#define FAST_FOR     (10 * MINUTE)
#define FAST_PART    0.5 /* of the step */
#define NO_PERIOD    INT64_MIN
#define MILLISECOND  (SECOND / 1000)

static bool falls_on(const struct station_core *station, int64_t at_ns, int64_t every_ns)
{
    return (at_ns - station->schedule.phase_ns) % every_ns == 0;
}

static uint32_t bit_of(size_t channel)
{
    return UINT32_C(1) << channel;
}

static bool is_sum(const struct station_core *station, size_t channel)
{
    return (station->sampling.sums & bit_of(channel)) != 0;
}

static void find_sums(struct station_core *station)
{
    const struct hal_sensors *sensors = &station->ports.sensors;
    for (size_t i = 0; i < station->options.channel_count && sensors->is_sum != NULL; i++) {
        station->sampling.sums |= sensors->is_sum(sensors->context, i) ? bit_of(i) : 0;
    }
}

void sampling_begin(struct station_core *station)
{
    const struct station_log *log = &station->log;
    if (log->first < log->next && log->last_boot == 0) {
        station->sampling.newest_ns = log->last_time_ns;
        station->sampling.newest_seq = log->next - 1;
    }
    find_sums(station);
    sampling_restart(station);
}

void sampling_restart(struct station_core *station)
{
    struct sampling *sampling = &station->sampling;
    sampling->period_end_ns = NO_PERIOD;
    memset(sampling->observations, 0, sizeof sampling->observations);
}

/* --- to the log ---------------------------------------------------------------------- */

/* The log is broken: a reading that cannot be kept can still be told, without a number. */
static bool send_unlogged(struct station_core *station, const struct station_record *record)
{
    const struct hal_network *network = &station->ports.network;
    size_t length = report_encode(station, record, false);
    bool sent = station->connection != 0 && !station->status_due && length > 0 &&
                network->publish(network->context, HAL_LEAF_OBS, station->buffer, length) == HAL_OK;
    station->counters.unlogged += sent;
    return sent;
}

/* True if the log has had a moment, or a later one. */
static bool is_told(const struct station_core *station, int64_t at_ns)
{
    const struct sampling *sampling = &station->sampling;
    bool known = sampling->newest_seq >= station->log.first &&
                 sampling->newest_seq < station->log.next; /* else it is overwritten */
    return known && at_ns <= sampling->newest_ns;
}

/* Moments that the log has had are told as time since boot. */
static void place(struct station_core *station, struct station_record *record, struct hal_time now)
{
    struct sampling *sampling = &station->sampling;
    if (record->boot != 0 || !is_told(station, record->time_ns)) {
        return;
    }
    int64_t up = record->time_ns - now.wall_ns + station->up_ns;
    int64_t least = sampling->placed_up_ns + MILLISECOND; /* no two readings at one time */
    sampling->placed_up_ns = up > least ? up : least;
    record->time_ns = sampling->placed_up_ns;
    record->boot = station->options.boot;
    station->counters.clock_back++;
    if (sampling->newest_kept != sampling->newest_seq) { /* the log's end will not tell it */
        sampling->newest_kept = sampling->newest_seq;
        diagnostics_keep(station, 0);
    }
}

/* True if it was kept, or at least sent. */
static bool log_record(struct station_core *station, struct station_record *record,
                       struct hal_time now)
{
    place(station, record, now);
    if (station_log_append(&station->log, record) != STATION_LOG_OK) {
        station->counters.log_errors++;
        return send_unlogged(station, record);
    }
    station->counters.reports++;
    if (record->boot == 0) {
        station->sampling.newest_ns = record->time_ns;
        station->sampling.newest_seq = record->seq;
    }
    return true;
}

static void log_report(struct station_core *station, struct station_record *record,
                       struct hal_time now)
{
    if (!log_record(station, record, now)) {
        return;
    }
    for (size_t i = 0; i < station->options.channel_count; i++) { /* the first values of a record */
        if (is_sum(station, i) && (record->present & bit_of(i)) != 0) {
            station->sampling.amounts[i] = (struct amount){ 0 };
        }
    }
}

/* --- a report ------------------------------------------------------------------------ */

static struct station_record new_record(const struct station_core *station)
{
    const struct sampling *sampling = &station->sampling;
    return (struct station_record){ .time_ns = sampling->at_ns,
                                    .boot = sampling->wall ? 0 : station->options.boot };
}

static void put_value(struct station_record *record, size_t place, double value, uint8_t state)
{
    record->values[place] = value;
    record->present |= bit_of(place);
    record->calibrating |= state == PHUSA_DEVICE_CALIBRATING ? bit_of(place) : 0;
    record->fault |= state == PHUSA_DEVICE_FAULT ? bit_of(place) : 0;
}

/* A value of an observation of which `checks` is said; false if it has none of that kind. */
static bool value_of(const struct observation *observation, uint8_t kind, unsigned checks,
                     double *value)
{
    switch ((enum report_kind)kind) {
    case REPORT_MEAN:
        *value = observation->mean;
        return true;
    case REPORT_MINIMUM:
        *value = observation->minimum;
        return true;
    case REPORT_MAXIMUM:
        *value = observation->maximum;
        return true;
    case REPORT_DEVIATION:
        return observe_deviation(observation, value);
    case REPORT_COUNT:
        *value = (double)observation->count;
        return true;
    case REPORT_RAW:
        *value = observation->raw;
        return true;
    case REPORT_CHECK:
        *value = (double)checks;
        return checks != 0;
    }
    return false;
}

static unsigned check_of_sum(const struct amount *amount)
{
    return amount->least ? CHECK_LEAST : 0;
}

/* A wanted value and its state; false if it has none. */
static bool find_value(const struct station_core *station, const struct station_value *wanted,
                       double *value, uint8_t *state)
{
    const struct observation *observation = &station->sampling.observations[wanted->channel];
    const struct amount *amount = &station->sampling.amounts[wanted->channel];
    bool whole = wanted->kind == REPORT_MEAN || wanted->kind == REPORT_RAW;
    if (whole && is_sum(station, wanted->channel)) {
        *value = observe_tidy(wanted->kind == REPORT_MEAN ? amount->sum : amount->raw);
        *state = amount->state;
        return true;
    }
    *state = observation->state;
    return value_of(observation, wanted->kind, observation->checks | check_of_sum(amount), value);
}

static bool has_enough(const struct station_core *station, size_t channel)
{
    const struct station_settings *settings = &station->settings;
    const struct sampling *sampling = &station->sampling;
    uint32_t expected = (uint32_t)(settings->every_ns / settings->sample_every_ns);
    const struct observation *observation = &sampling->observations[channel];
    return is_sum(station, channel)
               ? observe_reached(observation, &sampling->amounts[channel], sampling->at_ns,
                                 settings->sample_every_ns, expected, settings->share)
               : observe_enough(observation, expected, settings->share);
}

/* The channels that have enough samples; those with some but too few are counted. */
static uint32_t channels_observed(struct station_core *station)
{
    uint32_t observed = 0;
    for (size_t i = 0; i < station->options.channel_count; i++) {
        if (has_enough(station, i)) {
            observed |= bit_of(i);
        } else {
            station->counters.observations_short += station->sampling.observations[i].count > 0;
        }
    }
    return observed;
}

/* Fresh reports of many stations fall on the same moment: each has its own delay. */
static void delay_sending(struct station_core *station, struct hal_time now)
{
    uint64_t share = (uint64_t)station->settings.jitter_ns >> 16;
    int64_t delay = (int64_t)(share * station->jitter >> 16);
    int64_t age = own_time(station, now) - station->sampling.at_ns;
    station->fresh_at_ns = now.mono_ns + delay - (age > 0 ? age : 0);
}

static void report_period(struct station_core *station, struct hal_time now)
{
    struct sampling *sampling = &station->sampling;
    struct station_record record = new_record(station);
    uint32_t observed = channels_observed(station);
    for (size_t i = 0; i < station->value_count; i++) {
        const struct station_value *wanted = &station->values[i];
        double value;
        uint8_t state;
        if ((observed & bit_of(wanted->channel)) == 0 ||
            !find_value(station, wanted, &value, &state)) {
            continue;
        }
        put_value(&record, i, value, state);
        if (wanted->kind == REPORT_MEAN) {
            sampling->reported[wanted->channel] = value;
            sampling->reported_known |= bit_of(wanted->channel);
        }
    }
    sampling_restart(station);
    if (record.present != 0) {
        delay_sending(station, now);
        log_report(station, &record, now);
    }
}

/* --- events -------------------------------------------------------------------------- */

static uint32_t event_channels(const struct station_core *station)
{
    uint32_t channels = 0;
    for (size_t i = 0; i < station->options.channel_count; i++) {
        channels |= station->settings.channels[i].event_step > 0 ? bit_of(i) : 0;
    }
    return channels;
}

static double latest_value(const struct station_core *station, size_t channel)
{
    const struct orders *orders = &station->orders;
    double raw = station->sampling.raw[channel];
    return (orders->calibrated & bit_of(channel)) != 0
               ? calibrate_apply(orders->coefficients[channel], raw)
               : raw;
}

/* What a report at once says of a channel: its latest value, or what came since the last report. */
static double event_value(const struct station_core *station, size_t channel)
{
    return is_sum(station, channel) ? observe_tidy(station->sampling.amounts[channel].sum)
                                    : latest_value(station, channel);
}

static double event_raw(const struct station_core *station, size_t channel)
{
    const struct sampling *sampling = &station->sampling;
    return is_sum(station, channel) ? observe_tidy(sampling->amounts[channel].raw)
                                    : sampling->raw[channel];
}

static uint8_t event_state(const struct station_core *station, size_t channel)
{
    const struct sampling *sampling = &station->sampling;
    return is_sum(station, channel) ? sampling->amounts[channel].state : sampling->states[channel];
}

/* How many of its steps a channel has moved since the last report; 0 while nobody can say. */
static double moved(const struct station_core *station, size_t channel)
{
    const struct sampling *sampling = &station->sampling;
    double from = sampling->reported[channel];
    bool known = (sampling->reported_known & bit_of(channel)) != 0;
    if (is_sum(station, channel)) {
        from = 0;
        known = true;
    }
    return known && event_state(station, channel) == 0
               ? fabs(event_value(station, channel) - from) /
                     station->settings.channels[channel].event_step
               : 0;
}

/* Of the channels that this round looked at, the most that one has moved. */
static double most_moved(const struct station_core *station)
{
    uint32_t looked_at = station->sampling.fresh & event_channels(station);
    double most = 0;
    for (size_t i = 0; i < station->options.channel_count; i++) {
        double steps = (looked_at & bit_of(i)) != 0 ? moved(station, i) : 0;
        most = steps > most ? steps : most;
    }
    return most;
}

/* True at the moments of all samples, and at those in between while something moves. */
static bool is_looked_at(const struct station_core *station, int64_t at_ns)
{
    int64_t left = station->sampling.fast_until_ns - at_ns;
    return falls_on(station, at_ns, station->settings.sample_every_ns) ||
           (left >= 0 && left <= FAST_FOR); /* the clock may have been set */
}

/* True if this hour has room for another report at once. */
static bool take_event(struct station_core *station)
{
    struct sampling *sampling = &station->sampling;
    int64_t hour = sampling->at_ns / HOUR;
    if (hour != sampling->events_hour) {
        sampling->events_hour = hour;
        sampling->events = 0;
    }
    if (sampling->events >= station->settings.events_per_hour) {
        station->counters.events_held++;
        return false;
    }
    sampling->events++;
    station->counters.events++;
    return true;
}

/* A report at once of what is looked at more often. */
static void report_event(struct station_core *station, struct hal_time now)
{
    struct sampling *sampling = &station->sampling;
    uint32_t looked_at = sampling->fresh & event_channels(station);
    if (!take_event(station)) {
        return;
    }
    struct station_record record = new_record(station);
    for (size_t i = 0; i < station->value_count; i++) {
        size_t channel = station->values[i].channel;
        if ((looked_at & bit_of(channel)) == 0) {
            continue;
        }
        if (station->values[i].kind == REPORT_MEAN) {
            double value = event_value(station, channel);
            put_value(&record, i, value, event_state(station, channel));
            sampling->reported[channel] = value;
            sampling->reported_known |= bit_of(channel);
        } else if (station->values[i].kind == REPORT_RAW) {
            put_value(&record, i, event_raw(station, channel), event_state(station, channel));
        } else if (station->values[i].kind == REPORT_CHECK && sampling->amounts[channel].least) {
            put_value(&record, i, CHECK_LEAST, event_state(station, channel));
        }
    }
    station->fresh_at_ns = now.mono_ns;
    log_report(station, &record, now);
}

/* --- a round --------------------------------------------------------------------------- */

/* The state that a channel's reading bears, whatever the sensor says of itself. */
static uint8_t state_of(const struct station_core *station, size_t channel, uint8_t said)
{
    bool calibrating =
        station->orders.maintenance || (station->orders.calibrating & bit_of(channel)) != 0;
    if (said >= PHUSA_DEVICE_FAULT) {
        return PHUSA_DEVICE_FAULT;
    }
    return calibrating ? PHUSA_DEVICE_CALIBRATING : said;
}

/* A channel gave a least amount: its reports can tell so from now on. */
static void note_least(struct station_core *station, size_t channel)
{
    if ((station->sampling.least & bit_of(channel)) == 0) {
        station->sampling.least |= bit_of(channel);
        trial_add_unasked(station);
    }
}

static void take_number(struct station_core *station, size_t channel, struct hal_sample sample)
{
    struct sampling *sampling = &station->sampling;
    sampling->raw[channel] = sample.value;
    sampling->states[channel] = state_of(station, channel, sample.state);
    double value = latest_value(station, channel);
    if (!isfinite(value)) {
        station->counters.failed++;
        return;
    }
    station->counters.sampled++;
    sampling->raw_known |= bit_of(channel);
    sampling->fresh |= bit_of(channel);
    if (is_sum(station, channel)) {
        observe_amount(&sampling->amounts[channel], value, sample.value, sampling->states[channel],
                       sample.least, sampling->at_ns);
        if (sample.least) {
            note_least(station, channel);
        }
    } else if (!falls_on(station, sampling->at_ns, station->settings.sample_every_ns)) {
        return;
    }
    uint8_t checks = check_sample(&station->settings.channels[channel].checks,
                                  &sampling->checks[channel], value, sampling->at_ns);
    observe_add(&sampling->observations[channel], value, sample.value, sampling->states[channel],
                checks);
}

static void take_sample(struct station_core *station, size_t channel, struct hal_sample sample)
{
    if (sample.kind == HAL_SAMPLE_MISSING) {
        station->counters.missing++;
    } else if (sample.kind != HAL_SAMPLE_VALUE || !isfinite(sample.value)) {
        station->counters.failed++;
    } else {
        take_number(station, channel, sample);
    }
}

/* Observations belong to the period that ends at or behind their moment. */
static void enter_period(struct station_core *station)
{
    struct sampling *sampling = &station->sampling;
    const struct schedule periods = { .every_ns = station->settings.every_ns,
                                      .phase_ns = station->schedule.phase_ns };
    int64_t end = schedule_align(&periods, sampling->at_ns);
    if (end != sampling->period_end_ns || sampling->wall != sampling->period_wall) {
        sampling_restart(station);
        sampling->period_end_ns = end;
        sampling->period_wall = sampling->wall;
    }
}

/* The sample of a moment that nobody was there for, if the log can still take it. */
static bool take_missed(const struct station_core *station, struct hal_time now, int64_t *at_ns)
{
    const struct hal_sensors *sensors = &station->ports.sensors;
    return now.wall_set && sensors->missed != NULL && sensors->missed(sensors->context, at_ns) &&
           *at_ns < station->schedule.next_ns && !is_told(station, *at_ns);
}

static void begin_round(struct station_core *station, int64_t at_ns, struct hal_time now)
{
    struct sampling *sampling = &station->sampling;
    const struct hal_sensors *sensors = &station->ports.sensors;
    int64_t wait = station->options.sample_wait_ns;
    uint32_t all = UINT32_MAX >> (32u - station->options.channel_count);
    sampling->under_way = true;
    sampling->wall = now.wall_set;
    sampling->at_ns = at_ns;
    sampling->until_ns = now.mono_ns + (wait > 0 ? wait : WAIT_DEFAULT);
    sampling->fresh = 0;
    sampling->wanted = falls_on(station, sampling->at_ns, station->settings.sample_every_ns)
                           ? all
                           : event_channels(station);
    enter_period(station);
    if (sensors->begin != NULL) {
        sensors->begin(sensors->context, sampling->at_ns);
    }
}

/* Asks the channels that have not answered; true if none is left. */
static bool ask(struct station_core *station, struct hal_time now)
{
    struct sampling *sampling = &station->sampling;
    const struct hal_sensors *sensors = &station->ports.sensors;
    for (size_t i = 0; i < station->options.channel_count; i++) {
        if ((sampling->wanted & bit_of(i)) == 0) {
            continue;
        }
        struct hal_sample sample = sensors->sample(sensors->context, i, sampling->at_ns);
        if (sample.kind != HAL_SAMPLE_PENDING || now.mono_ns >= sampling->until_ns) {
            take_sample(station, i, sample); /* one that is still pending has failed */
            sampling->wanted &= ~bit_of(i);
        }
    }
    return sampling->wanted == 0;
}

static void end_round(struct station_core *station, struct hal_time now)
{
    struct sampling *sampling = &station->sampling;
    double steps = most_moved(station);
    sampling->under_way = false;
    if (steps >= FAST_PART) {
        sampling->fast_until_ns = sampling->at_ns + FAST_FOR;
    }
    if (falls_on(station, sampling->at_ns, station->settings.every_ns)) {
        report_period(station, now);
    } else if (steps >= 1) {
        report_event(station, now);
    }
}

bool sampling_step(struct station_core *station, struct hal_time now)
{
    struct sampling *sampling = &station->sampling;
    int64_t time = own_time(station, now);
    schedule_follow(&station->schedule, time);
    for (int i = 0; i < STATION_CATCH_UP_MAX; i++) {
        int64_t at_ns;
        if (!sampling->under_way && take_missed(station, now, &at_ns)) {
            begin_round(station, at_ns, now);
        } else if (!sampling->under_way && schedule_due(&station->schedule, time)) {
            at_ns = schedule_take(&station->schedule);
            if (!is_looked_at(station, at_ns)) {
                continue;
            }
            begin_round(station, at_ns, now);
        } else if (!sampling->under_way) {
            return false;
        }
        if (!ask(station, now)) {
            return false;
        }
        end_round(station, now);
    }
    return schedule_due(&station->schedule, time);
}

int64_t sampling_wake(const struct station_core *station, struct hal_time now)
{
    if (station->sampling.under_way) {
        return now.mono_ns + POLL_EVERY;
    }
    if (schedule_finished(&station->schedule)) {
        return now.mono_ns + CHECK_EVERY;
    }
    return now.mono_ns + (station->schedule.next_ns - own_time(station, now));
}
