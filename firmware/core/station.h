/*
 * The station: samples on schedule, writes every report to its log, publishes
 * fresh ones first, and forgets a report only when a receipt covers it.
 *
 * Pure C11: static memory inside struct station, no global state, no clock and
 * no I/O of its own (hal.h brings both), so one process can host one station or ten
 * thousand. All progress is made in station_step.
 */
#ifndef FIRMWARE_STATION_H
#define FIRMWARE_STATION_H

#include "hal/hal.h"
#include "log.h"
#include "phusa/message.h"
#include "phusa/report.h"

#define STATION_CHANNELS_MAX  16   /* sensors of one station */
#define STATION_BUFFER_BYTES  2048 /* one encoded report */
#define STATION_FLIGHT_MAX    32   /* reports sent and not covered yet that are remembered */
#define STATION_CATCH_UP_MAX  64   /* samples taken in one step when time jumped ahead */

enum station_format { STATION_JSON, STATION_CBOR };

struct station_channel {
    struct phusa_text name; /* the parameter */
    struct phusa_text unit; /* empty = the parameter's own */
};

/* All texts must outlive the station. */
struct station_options {
    struct phusa_text id; /* becomes the base name "<id>:" */
    struct station_channel channels[STATION_CHANNELS_MAX];
    size_t channel_count;
    int64_t every_ns;        /* distance of reports, aligned to the hour; > 0 */
    enum station_format format;
    const char *firmware, *hardware, *reset; /* for the status message */
    uint32_t boot;
    int64_t resend_after_ns; /* monotonic; what stayed uncovered this long is sent again; 60 s by contract */
    uint32_t sendings_max;   /* of one report while later ones were covered; 5 by contract */
    uint32_t backlog_per_s;  /* reports of the backlog sent in a second at most; > 0 */
    int64_t sample_from_ns;  /* wall time of the first sample; 0 = the next due moment */
    int64_t sample_until_ns; /* no sample after this wall time; 0 = for ever */
};

struct station_counters {
    uint64_t sampled, missing, failed;    /* channel readings */
    uint64_t reports, published, resent, covered, set_aside, overwritten;
    uint64_t log_errors, receipts, receipts_ignored;
};

struct station_ports {
    struct hal_sensors sensors;
    struct hal_flash flash;
    struct hal_network network;
    struct hal_random random;
};

struct station; /* complete type below: the owner provides the memory */

enum station_status { STATION_OK = 0, STATION_BAD_OPTIONS, STATION_LOG_FAILED };

/* Opens the log in flash (or begins a new one) and gets ready. options and ports are copied. */
enum station_status station_init(struct station *station, const struct station_options *options,
                                 const struct station_ports *ports, struct hal_time now);

/*
 * Does what is due at now and returns the monotonic time at which it wants to be
 * called again at the latest; earlier calls are harmless (call it when a message came in).
 */
int64_t station_step(struct station *station, struct hal_time now);

/* Says goodbye: publishes the status `offline` so that nobody waits for the will. */
void station_stop(struct station *station, struct hal_time now);

/* True if every report of the log is covered by a receipt. */
bool station_delivered(const struct station *station);

const struct station_counters *station_counters(const struct station *station);

#endif
