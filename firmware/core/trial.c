/*
 * Settings that come by command are on trial: kept apart, in force at once, and made to stay by
 * the first receipt over a connection that was made with them. Without one in time, or when the
 * board starts anew before, the settings from before are in force again, and the station says so.
 *
 * Form in which a trial is kept (little-endian): u8 version 1, u8 length of the id, id, the changes
 * as in settings.h.
 */
#include "inside.h"
#include "report.h"

#define VERSION       1u
#define CONNECT_AFTER (2 * SECOND) /* the answer leaves over the connection it was asked on */
#define TRIAL_BYTES   (2 + STATION_ID_MAX + SETTINGS_BYTES_MAX)
_Static_assert(TRIAL_BYTES <= KEEP_BYTES_MAX, "a trial fits in a kept record");

static struct settings_names names_of(const struct station_core *station)
{
    return (struct settings_names){ station->names, station->options.channel_count };
}

/* --- in force ------------------------------------------------------------------------- */

static void own_settings(const struct station_options *options, struct station_settings *settings)
{
    *settings = (struct station_settings){
        .every_ns = options->every_ns,
        .sample_every_ns =
            options->sample_every_ns > 0 ? options->sample_every_ns : options->every_ns,
        .fast_every_ns = options->fast_every_ns,
        .jitter_ns = options->jitter_ns,
        .share = options->share > 0 ? options->share : OBSERVE_SHARE_DEFAULT,
        .events_per_hour = options->events_per_hour > 0 ? options->events_per_hour : 12,
        .backlog_per_s = options->backlog_per_s
    };
    for (size_t i = 0; options->channel_settings != NULL && i < options->channel_count; i++) {
        settings->channels[i] = options->channel_settings[i];
    }
    for (size_t i = 0; options->event_steps != NULL && i < options->channel_count; i++) {
        settings->channels[i].event_step = options->event_steps[i];
    }
}

static bool lay(const struct station_core *station, const struct settings_changes *changes,
                struct station_settings *settings, char why[SETTINGS_WHY_MAX])
{
    struct settings_names names = names_of(station);
    own_settings(&station->options, settings);
    return settings_apply(changes, &names, settings, why);
}

static bool same_times(const struct station_settings *a, const struct station_settings *b)
{
    return a->every_ns == b->every_ns && a->sample_every_ns == b->sample_every_ns &&
           a->fast_every_ns == b->fast_every_ns;
}

static bool wants_fast(const struct station_core *station)
{
    bool wanted = false;
    for (size_t i = 0; i < station->options.channel_count; i++) {
        wanted |= station->settings.channels[i].event_step > 0;
    }
    return wanted && station->settings.fast_every_ns > 0;
}

int64_t settings_tick_ns(const struct station_core *station)
{
    return wants_fast(station) ? station->settings.fast_every_ns
                               : station->settings.sample_every_ns;
}

/* Those of some channels whose names leave room for a suffix. */
static uint32_t suffixed(const struct station_core *station, uint32_t channels)
{
    for (size_t i = 0; i < station->options.channel_count; i++) {
        bool too_long = station->names[i].length > SETTINGS_STATISTIC_NAME_MAX;
        channels &= ~((uint32_t)too_long << i);
    }
    return channels;
}

/*
 * Names of the values in a report, for the log. False, and nothing is changed, if they do not fit;
 * raw values and checks that nobody asked for are rather left out.
 */
static bool lay_out(struct station_core *station, const struct station_settings *settings)
{
    uint8_t layout[STATION_LOG_LAYOUT_MAX];
    struct station_value values[STATION_CHANNELS_MAX];
    size_t count, length;
    bool fits, again;
    uint32_t raw = suffixed(station, station->orders.calibrated);
    uint32_t least = suffixed(station, station->sampling.least);
    do {
        count = report_values(settings, station->options.channel_count, raw, least, values);
        length = report_layout(station->options.channels, values, count, layout, sizeof layout);
        fits = length > 0 && station_log_layout_fits(&station->ports.flash, length);
        again = !fits && (raw | least) != 0;
        raw = least = 0;
    } while (again);
    if (!fits) {
        return false;
    }
    memcpy(station->layout, layout, length);
    memcpy(station->values, values, sizeof values);
    station->layout_length = length;
    station->value_count = count;
    return true;
}

/* False, and all is as before, if the log has no room for the names. */
static bool lay_out_anew(struct station_core *station, const struct station_settings *settings)
{
    return lay_out(station, settings) &&
           station_log_relayout(&station->log, station->layout, station->layout_length) ==
               STATION_LOG_OK;
}

void trial_add_unasked(struct station_core *station)
{
    (void)lay_out_anew(station, &station->settings); /* these have room: they are in force */
}

/* False, and all is as before, if the log has no room for the names. */
static bool put_in_force(struct station_core *station, const struct settings_changes *changes,
                         const struct station_settings *settings, struct hal_time now)
{
    if (!lay_out_anew(station, settings)) {
        return false;
    }
    bool same = same_times(settings, &station->settings);
    station->settings = *settings;
    station->orders.changes = *changes;
    if (!same || station->schedule.every_ns != settings_tick_ns(station)) {
        station_schedule(station, now, true);
        sampling_restart(station);
    }
    return true;
}

static void connect_anew(struct station_core *station)
{
    const struct hal_network *network = &station->ports.network;
    const struct settings_broker *broker = &station->orders.changes.broker;
    if (network->connect != NULL) {
        bool own = broker->host[0] == '\0';
        network->connect(network->context, own ? NULL : broker->host, broker->port);
    }
}

/* --- kept --------------------------------------------------------------------------------- */

static bool read_kept(const struct station_core *station, struct settings_changes *changes)
{
    uint8_t bytes[SETTINGS_BYTES_MAX];
    size_t length;
    struct settings_names names = names_of(station);
    *changes = (struct settings_changes){ 0 };
    if (station->ports.keep == NULL ||
        keep_read(station->ports.keep, KEEP_SETTINGS, bytes, sizeof bytes, &length) != KEEP_OK) {
        return true; /* nothing is kept */
    }
    return settings_unpack(bytes, length, &names, changes);
}

static void drop_kept_trial(struct station_core *station)
{
    struct keep *keep = station->ports.keep;
    if (keep_write(keep, KEEP_TRIAL, NULL, 0) != KEEP_OK || keep_sync(keep) != KEEP_OK) {
        station->counters.keep_errors++;
    }
}

/* A trial that the start of the board ended: its command is told so. */
static void forget_trial(struct station_core *station)
{
    uint8_t bytes[KEEP_BYTES_MAX];
    size_t length;
    struct orders *orders = &station->orders;
    struct keep *keep = station->ports.keep;
    if (keep == NULL || keep_read(keep, KEEP_TRIAL, bytes, sizeof bytes, &length) != KEEP_OK) {
        return;
    }
    if (length >= 2 && bytes[0] == VERSION && bytes[1] <= STATION_ID_MAX &&
        length >= 2u + bytes[1]) {
        orders->trial_id_length = bytes[1];
        memcpy(orders->trial_id, bytes + 2, bytes[1]);
        orders->told = TRIAL_RESET;
    }
    station->counters.settings_rolled_back++;
    drop_kept_trial(station);
}

bool trial_begin(struct station_core *station)
{
    const struct settings_changes none = { 0 };
    struct settings_changes kept;
    struct station_settings settings;
    char why[SETTINGS_WHY_MAX];
    if (!lay(station, &none, &settings, why)) {
        return false;
    }
    forget_trial(station);
    station->settings = settings;
    if (read_kept(station, &kept) && lay(station, &kept, &settings, why)) {
        station->settings = settings;
        station->orders.changes = kept;
        station->orders.connect_due = kept.broker.host[0] != '\0';
    } else {
        station->counters.keep_errors++; /* as its maker set it is better than not at all */
    }
    return lay_out(station, &station->settings);
}

static bool keep_trial(struct station_core *station, struct phusa_text id,
                       const struct settings_changes *changes)
{
    uint8_t bytes[TRIAL_BYTES];
    struct settings_names names = names_of(station);
    struct keep *keep = station->ports.keep;
    bytes[0] = VERSION;
    bytes[1] = (uint8_t)id.length;
    memcpy(bytes + 2, id.data, id.length);
    size_t length = 2 + id.length;
    length += settings_pack(changes, &names, bytes + length);
    return keep_write(keep, KEEP_TRIAL, bytes, length) == KEEP_OK && keep_sync(keep) == KEEP_OK;
}

/* --- the trial ---------------------------------------------------------------------------- */

static const char *refusal(const struct station_core *station, struct phusa_text settings)
{
    if (settings.data == NULL) {
        return "settings expected";
    }
    if (station->ports.keep == NULL) {
        return "this station keeps no settings";
    }
    return station->orders.trial ? "other settings are on trial" : NULL;
}

const char *trial_start(struct station_core *station, struct phusa_text id,
                        struct phusa_text settings, int64_t lasts_ns, struct hal_time now,
                        char why[SETTINGS_WHY_MAX])
{
    struct orders *orders = &station->orders;
    struct settings_changes changes = orders->changes;
    struct settings_names names = names_of(station);
    struct station_settings wanted;
    const char *refused = refusal(station, settings);
    if (refused != NULL) {
        return refused;
    }
    if (!settings_read(settings, &names, &changes, why) || !lay(station, &changes, &wanted, why)) {
        return why;
    }
    if (station->ports.network.connect == NULL && changes.broker.host[0] != '\0') {
        return "broker: this station has one broker";
    }
    if (!keep_trial(station, id, &changes)) {
        station->counters.keep_errors++;
        return "the settings could not be kept";
    }
    if (!put_in_force(station, &changes, &wanted, now)) {
        drop_kept_trial(station);
        return "channels: too many names for the log";
    }
    orders->trial = true;
    orders->trial_until_ns = now.mono_ns + lasts_ns;
    orders->trial_connection = station->connection;
    orders->trial_id_length = (uint8_t)id.length;
    memcpy(orders->trial_id, id.data, id.length);
    orders->connect_due = true;
    orders->connect_at_ns = now.mono_ns + CONNECT_AFTER;
    return NULL;
}

/* True if the connection was made since the settings are in force. */
static bool proven(const struct station_core *station)
{
    return station->connection != 0 && (station->ports.network.connect == NULL ||
                                        station->connection != station->orders.trial_connection);
}

void trial_receipt(struct station_core *station)
{
    uint8_t bytes[SETTINGS_BYTES_MAX];
    struct orders *orders = &station->orders;
    struct keep *keep = station->ports.keep;
    if (!orders->trial || orders->connect_due || !proven(station)) {
        return;
    }
    struct settings_names names = names_of(station);
    size_t length = settings_pack(&orders->changes, &names, bytes);
    if (keep_write(keep, KEEP_SETTINGS, bytes, length) != KEEP_OK ||
        keep_write(keep, KEEP_TRIAL, NULL, 0) != KEEP_OK || keep_sync(keep) != KEEP_OK) {
        station->counters.keep_errors++;
        return; /* the next receipt tries again, or the trial ends */
    }
    orders->trial = false;
    orders->told = TRIAL_KEPT;
    station->counters.settings_kept++;
}

static void roll_back(struct station_core *station, struct hal_time now)
{
    struct settings_changes kept;
    struct station_settings settings;
    char why[SETTINGS_WHY_MAX];
    drop_kept_trial(station);
    if (!read_kept(station, &kept) || !lay(station, &kept, &settings, why)) {
        kept = (struct settings_changes){ 0 };
        (void)lay(station, &kept, &settings, why);
    }
    (void)put_in_force(station, &kept, &settings, now); /* they had room before */
    station->orders.trial = false;
    station->orders.told = TRIAL_ROLLED_BACK;
    station->orders.connect_due = true;
    station->orders.connect_at_ns = now.mono_ns;
    station->counters.settings_rolled_back++;
}

bool trial_step(struct station_core *station, struct hal_time now)
{
    if (station->orders.trial && now.mono_ns >= station->orders.trial_until_ns) {
        roll_back(station, now);
    }
    if (station->orders.connect_due && now.mono_ns >= station->orders.connect_at_ns) {
        station->orders.connect_due = false;
        connect_anew(station);
    }
    return station->orders.told != TRIAL_NOTHING;
}
