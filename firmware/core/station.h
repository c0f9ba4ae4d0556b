/*
 * The station: samples on schedule, writes every report to its log, publishes
 * fresh ones first, and forgets a report only when a receipt covers it.
 *
 * Pure C11: static memory inside struct station_core, no global state, no clock and
 * no I/O of its own (hal.h brings both), so one process can host one station or ten
 * thousand. All progress is made in station_step.
 */
#ifndef FIRMWARE_STATION_H
#define FIRMWARE_STATION_H

#include "delivery.h"
#include "hal/hal.h"
#include "log.h"
#include "phusa/message.h"
#include "phusa/report.h"
#include "schedule.h"

#define STATION_BUFFER_BYTES   4096  /* one encoded report, one message that came in */
#define STATION_BASE_MAX       40    /* base name "<id>:" */
#define STATION_CATCH_UP_MAX   64    /* samples taken in one step when time jumped ahead */
#define STATION_SEND_MAX       64    /* reports published in one step */
#define STATION_RECEIVE_MAX    16    /* messages taken in in one step */
#define STATION_FRESH_MAX      4096  /* reports that wait as fresh; older ones join the backlog */
#define STATION_FRESH_JOIN     64    /* unsent reports that still count as fresh after an outage */
#define STATION_WINDOW         4096  /* reports on their way; fresh ones wait beyond it */
#define STATION_BACKLOG_WINDOW 1024  /* reports on their way; the backlog waits beyond it */
#define STATION_SKIP_MAX       65536 /* numbers that a receipt may show to have been used already */
#define STATION_SENDINGS_MAX   100   /* limit of the option sendings_max */

enum station_format { STATION_JSON, STATION_CBOR };

struct station_channel {
    struct phusa_text name; /* the parameter, at most 32 bytes */
    struct phusa_text unit; /* empty = the parameter's own; at most 16 bytes */
};

/* All texts must outlive the station. */
struct station_options {
    struct phusa_text id; /* becomes the base name "<id>:" */
    struct station_channel channels[STATION_CHANNELS_MAX];
    size_t channel_count;
    int64_t every_ns; /* distance of reports, aligned to the hour; > 0 */
    int64_t phase_ns; /* shifts the alignment; 0 <= phase < every */
    enum station_format format;
    const char *firmware, *hardware, *reset; /* for the status message */
    uint32_t boot;                           /* count of boots, from 1 */
    int64_t resend_after_ns; /* monotonic; what stayed uncovered this long is sent again; 60 s by
                                contract */
    uint32_t sendings_max;   /* of one report while later ones were covered; 5 by contract */
    uint32_t backlog_per_s;  /* reports of the backlog sent in a second at most; > 0 */
    int64_t sample_from_ns;  /* wall time of the first sample; 0 = the next due moment */
    int64_t sample_until_ns; /* no sample after this wall time; 0 = for ever */
};

struct station_counters {
    uint64_t sampled, missing,
        failed;           /* channel readings; failed: no answer, or no finite number */
    uint64_t reports;     /* written to the log */
    uint64_t unlogged;    /* published without a number because the log failed */
    uint64_t published;   /* sendings of reports, the repeated ones included */
    uint64_t resent;      /* the repeated ones */
    uint64_t covered;     /* by receipts since the start */
    uint64_t set_aside;   /* given up: sent too often, or damaged in the log */
    uint64_t overwritten; /* by newer ones while not covered */
    uint64_t log_errors;  /* appends and syncs that failed */
    uint64_t receipts, receipts_ignored, commands;
};

struct station_ports {
    struct hal_sensors sensors;
    struct hal_flash flash;
    struct hal_network network;
    struct hal_random random;
};

/* The owner provides the memory and touches nothing in it. */
struct station_core {
    struct station_options options;
    struct station_ports ports;
    struct station_counters counters;
    struct station_log log;
    struct station_log_cursor fresh_cursor, backlog_cursor;
    struct delivery delivery;
    struct schedule schedule;
    uint32_t connection;      /* the one that was greeted or is to be */
    uint64_t fresh_next;      /* reports from here on are fresh and never sent */
    uint64_t doubtful_end;    /* reports below it may be covered already: a receipt will tell */
    int64_t receipt_until_ns; /* monotonic: how long they wait for it; 0 = it came */
    int64_t backlog_at_ns;    /* monotonic: when the backlog may go on */
    int64_t backlog_gap_ns;   /* between two of its reports now */
    bool status_due;          /* the status message is to be published before anything else */
    int64_t status_at_ns;     /* monotonic: the last time it was */
    uint64_t status_first;    /* `first` in it */
    enum phusa_clock_state status_clock;
    int64_t boot_mono_ns;
    int64_t clock_offset_ns; /* wall time - time since boot, noted when the clock was first set */
    bool clock_was_set;
    char base_name[STATION_BASE_MAX];
    size_t base_length;
    uint8_t layout[STATION_LOG_LAYOUT_MAX]; /* names and units of the channels, as in the log */
    uint8_t buffer[STATION_BUFFER_BYTES];
};

enum station_status { STATION_OK = 0, STATION_BAD_OPTIONS, STATION_LOG_FAILED };

/*
 * Opens the log in flash (or begins a new one) and gets ready. options and ports
 * are copied; the network is not used before the first step, so that its will may
 * be made of station_log_id. Must not be moved in memory afterwards.
 */
enum station_status station_init(struct station_core *station,
                                 const struct station_options *options,
                                 const struct station_ports *ports, struct hal_time now);

/*
 * Does what is due at now and returns the monotonic time at which it wants to be
 * called again at the latest, taking wall time to run as fast as monotonic time;
 * earlier calls are harmless (call it when a message came in).
 */
int64_t station_step(struct station_core *station, struct hal_time now);

/* Says goodbye: publishes the status `offline` so that nobody waits for the will. */
void station_stop(struct station_core *station, struct hal_time now);

/* The identity of the log, for the will. */
uint32_t station_log_id(const struct station_core *station);

/* True if the last moment to sample, sample_until_ns, is over. */
bool station_finished(const struct station_core *station);

/* True if every report of the log is covered by a receipt or was set aside. */
bool station_delivered(const struct station_core *station);

const struct station_counters *station_counters(const struct station_core *station);

#endif
