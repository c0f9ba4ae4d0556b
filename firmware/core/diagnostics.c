/*
 * What a station tells of itself: counts, why it started, how its flash does.
 *
 * Form in which the starts are kept (little-endian): u8 version 1, u32 boots, 5 u32 starts by
 * reason, i64 newest wall time in the log, u64 number of that report, i64 wall time at a reset
 * that was asked for (0 = none).
 */
#include <stddef.h>

#include "bytes.h"
#include "inside.h"
#include "print.h"

#define VERSION     1u
#define REASONS     5
#define TIMES_AT    (5 + 4 * REASONS) /* where the times begin */
#define START_BYTES (TIMES_AT + 24)
#define RESET_TAKES SECOND /* from the reset to the first instruction that asks for the time */

static const char *const reasons[REASONS] = { [HAL_RESET_POWER] = "power",
                                              [HAL_RESET_WATCHDOG] = "watchdog",
                                              [HAL_RESET_COMMAND] = "command",
                                              [HAL_RESET_BROWNOUT] = "brownout",
                                              [HAL_RESET_OTHER] = "other" };

void diagnostics_keep(struct station_core *station, int64_t wall_ns)
{
    uint8_t bytes[START_BYTES];
    struct keep *keep = station->ports.keep;
    const struct station_starts *starts = &station->starts;
    if (keep == NULL) {
        return;
    }
    bytes[0] = VERSION;
    put_u32(bytes + 1, starts->boots);
    for (size_t i = 0; i < REASONS; i++) {
        put_u32(bytes + 5 + 4 * i, starts->by_reason[i]);
    }
    uint8_t *at = bytes + TIMES_AT;
    put_u64(at, (uint64_t)station->sampling.newest_ns);
    put_u64(at + 8, station->sampling.newest_seq);
    put_u64(at + 16, (uint64_t)wall_ns);
    if (keep_write(keep, KEEP_BOOT, bytes, sizeof bytes) != KEEP_OK || keep_sync(keep) != KEEP_OK) {
        station->counters.keep_errors++;
    }
}

/* Returns the wall time at the reset, 0 if it is not known. */
static int64_t read_starts(struct station_core *station)
{
    uint8_t bytes[START_BYTES];
    size_t length;
    struct station_starts *starts = &station->starts;
    const struct keep *keep = station->ports.keep;
    if (keep == NULL || keep_read(keep, KEEP_BOOT, bytes, sizeof bytes, &length) != KEEP_OK ||
        length != sizeof bytes || bytes[0] != VERSION) {
        return 0;
    }
    starts->boots = get_u32(bytes + 1);
    for (size_t i = 0; i < REASONS; i++) {
        starts->by_reason[i] = get_u32(bytes + 5 + 4 * i);
    }
    const uint8_t *at = bytes + TIMES_AT;
    station->sampling.newest_ns = (int64_t)get_u64(at);
    station->sampling.newest_seq = get_u64(at + 8);
    return (int64_t)get_u64(at + 16);
}

void diagnostics_begin(struct station_core *station, struct hal_time now)
{
    struct station_starts *starts = &station->starts;
    const struct hal_board *board = &station->ports.board;
    int64_t wall_ns = read_starts(station);
    starts->why = board->why != NULL ? board->why(board->context) : HAL_RESET_OTHER;
    if ((size_t)starts->why >= REASONS) {
        starts->why = HAL_RESET_OTHER;
    }
    starts->boots++;
    starts->boots += starts->boots == 0; /* the count has come round */
    starts->by_reason[starts->why]++;
    if (station->options.boot == 0) {
        station->options.boot = starts->boots;
    }
    if (station->options.reset == NULL) {
        station->options.reset = reasons[starts->why];
    }
    if (starts->why == HAL_RESET_COMMAND && wall_ns > 0 && !now.wall_set) {
        starts->held = true;
        starts->held_offset_ns = wall_ns + RESET_TAKES - now.mono_ns;
    }
    diagnostics_keep(station, 0);
}

struct hal_time diagnostics_clock(const struct station_core *station, struct hal_time now)
{
    if (!now.wall_set && station->starts.held) {
        now.wall_set = true;
        now.wall_synced = false;
        now.wall_ns = now.mono_ns + station->starts.held_offset_ns;
    }
    return now;
}

/* --- the answer to `report` ------------------------------------------------------------ */

static void print_starts(const struct station_core *station, struct print *print)
{
    const struct station_starts *starts = &station->starts;
    print_member(print, "boots");
    print_uint(print, starts->boots);
    print_member(print, "why");
    print_quoted(print, phusa_text_of(reasons[starts->why]));
    print_member(print, "starts");
    for (size_t i = 0; i < REASONS; i++) {
        print_word(print, i == 0 ? "{\"" : ",\"");
        print_word(print, reasons[i]);
        print_word(print, "\":");
        print_uint(print, starts->by_reason[i]);
    }
    print_word(print, "}");
}

/* Who refused whom, how often there was no way at all, what was not taken in: more counters. */
static void print_troubles(const struct hal_network *network, struct print *print)
{
    static const char *const names[] = {
        [HAL_TROUBLE_AUTHORITY] = "refused_authority",
        [HAL_TROUBLE_HOST] = "refused_host",
        [HAL_TROUBLE_DATE] = "refused_date",
        [HAL_TROUBLE_TLS] = "refused_tls",
        [HAL_TROUBLE_PASSWORD] = "refused_password",
        [HAL_TROUBLE_REFUSED] = "refused_station",
        [HAL_TROUBLE_LINK] = "link_failed",
        [HAL_TROUBLE_INBOX] = "inbox_dropped",
    };
    for (int i = 0; network->troubles != NULL && i < HAL_TROUBLES; i++) {
        print_member(print, names[i]);
        print_uint(print, network->troubles(network->context, (enum hal_trouble)i));
    }
}

#define COUNTER(name, member)                                                                      \
    {                                                                                              \
        name, offsetof(struct station_counters, member)                                            \
    }

static void print_counters(const struct station_core *station, struct print *print)
{
    const struct station_counters *counters = &station->counters;
    static const struct {
        const char *name;
        size_t place;
    } counts[] = {
        COUNTER("sampled", sampled),
        COUNTER("missing", missing),
        COUNTER("failed", failed),
        COUNTER("short", observations_short),
        COUNTER("reports", reports),
        COUNTER("events", events),
        COUNTER("events_held", events_held),
        COUNTER("unlogged", unlogged),
        COUNTER("published", published),
        COUNTER("resent", resent),
        COUNTER("covered", covered),
        COUNTER("set_aside", set_aside),
        COUNTER("overwritten", overwritten),
        COUNTER("log_errors", log_errors),
        COUNTER("keep_errors", keep_errors),
        COUNTER("receipts", receipts),
        COUNTER("receipts_ignored", receipts_ignored),
        COUNTER("commands", commands),
        COUNTER("commands_malformed", commands_malformed),
        COUNTER("commands_repeated", commands_repeated),
        COUNTER("clock_back", clock_back),
        COUNTER("settings_kept", settings_kept),
        COUNTER("settings_rolled_back", settings_rolled_back),
    };
    print_member(print, "counters");
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        uint64_t count;
        memcpy(&count, (const char *)counters + counts[i].place, sizeof count);
        print_word(print, i == 0 ? "{\"" : ",\"");
        print_word(print, counts[i].name);
        print_word(print, "\":");
        print_uint(print, count);
    }
    print_troubles(&station->ports.network, print);
    print_word(print, "}");
}

/* Whoever looks from afar sees why a channel never comes. */
static void print_unwired(const struct station_core *station, struct print *print)
{
    const struct station_channel *channel = station_unwired(station);
    if (channel != NULL) {
        print_member(print, "no_sensor");
        print_quoted(print, channel->name);
    }
}

static void print_settings(const struct station_core *station, struct print *print)
{
    const struct station_settings *settings = &station->settings;
    print_member(print, "every");
    print_double(print, (double)settings->every_ns / 1e9);
    print_member(print, "sample_every");
    print_double(print, (double)settings->sample_every_ns / 1e9);
    print_member(print, "changes");
    print_uint(print, station->orders.changes.count);
    print_member(print, "trial");
    print_word(print, station->orders.trial ? "true" : "false");
    print_member(print, "maintenance");
    print_word(print, station->orders.maintenance ? "true" : "false");
}

void diagnostics_print(const struct station_core *station, struct hal_time now, struct print *print)
{
    static const char *const clocks[] = {
        [PHUSA_CLOCK_UNSET] = "unset", [PHUSA_CLOCK_HELD] = "held", [PHUSA_CLOCK_SYNCED] = "synced"
    };
    print_member(print, "clock");
    print_quoted(print, phusa_text_of(clocks[clock_state(now)]));
    print_member(print, "up");
    print_uint(print, (uint64_t)((now.mono_ns - station->boot_mono_ns) / SECOND));
    print_starts(station, print);
    print_member(print, "first");
    print_uint(print, station->log.first);
    print_member(print, "next");
    print_uint(print, station->delivery.end);
    print_member(print, "covered_below");
    print_uint(print, delivery_covered_below(&station->delivery));
    print_member(print, "keep_erases");
    print_uint(print, station->ports.keep != NULL ? keep_erases(station->ports.keep) : 0);
    print_settings(station, print);
    print_unwired(station, print);
    print_counters(station, print);
}
