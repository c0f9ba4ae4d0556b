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

#include "calibrate.h"
#include "check.h"
#include "delivery.h"
#include "hal/hal.h"
#include "keep.h"
#include "log.h"
#include "observe.h"
#include "phusa/message.h"
#include "phusa/report.h"
#include "schedule.h"
#include "settings.h"

#ifndef STATION_BUFFER_BYTES
#define STATION_BUFFER_BYTES 4096 /* one encoded report, one message that came in */
#endif
#define STATION_BASE_MAX       40    /* base name "<id>:" */
#define STATION_CATCH_UP_MAX   64    /* rounds of samples in one step when time jumped ahead */
#define STATION_SEND_MAX       64    /* reports published in one step */
#define STATION_RECEIVE_MAX    16    /* messages taken in in one step */
#define STATION_FRESH_MAX      4096  /* reports that wait as fresh; older ones join the backlog */
#define STATION_FRESH_JOIN     64    /* unsent reports that still count as fresh after an outage */
#define STATION_WINDOW         4096  /* reports on their way; fresh ones wait beyond it */
#define STATION_BACKLOG_WINDOW 1024  /* reports on their way; the backlog waits beyond it */
#define STATION_SKIP_MAX       65536 /* numbers that a receipt may show to have been used already */
#define STATION_SENDINGS_MAX   100   /* limit of the option sendings_max */

#define STATION_ID_MAX     64  /* bytes of a command's id that is remembered */
#define STATION_ANSWER_MAX 320 /* bytes of an answer that is remembered */
#define STATION_ANSWERS    4   /* commands that are remembered: the same id is done once */

struct station_channel {
    struct phusa_text name; /* the parameter, at most 32 bytes */
    struct phusa_text unit; /* empty = the parameter's own; at most 16 bytes */
};

/* All texts must outlive the station. What is 0 in the second part has the default it names. */
struct station_options {
    struct phusa_text id; /* becomes the base name "<id>:" */
    struct station_channel channels[STATION_CHANNELS_MAX];
    size_t channel_count;
    int64_t every_ns;                        /* distance of reports, aligned to the hour; > 0 */
    int64_t phase_ns;                        /* shifts the alignment; 0 <= phase < every */
    const char *firmware, *hardware, *reset; /* for the status message */
    uint32_t boot;           /* count of boots, from 1; 0 = the station counts them in its keep */
    int64_t resend_after_ns; /* monotonic; what stayed uncovered this long is sent again; 60 s by
                                contract */
    uint32_t sendings_max;   /* of one report while later ones were covered; 5 by contract */
    uint32_t backlog_per_s;  /* reports of the backlog sent in a second at most; > 0 */
    int64_t sample_from_ns;  /* wall time of the first sample; 0 = the next due moment */
    int64_t sample_until_ns; /* no sample after this wall time; 0 = for ever */

    /* What a report becomes, and its length, 0 if it does not fit: report_json (NULL) or _cbor. */
    size_t (*encode)(const struct phusa_report *report, uint8_t *buffer, size_t capacity);
    int64_t sample_every_ns;  /* distance of samples; divides every; 0 = every */
    int64_t fast_every_ns;    /* of channels with an event step, while one moves; divides
                                 sample_every; 0 = never */
    int64_t sample_wait_ns;   /* monotonic; how long a pending sample may take; 0 = 10 s */
    int64_t jitter_ns;        /* fresh reports leave up to so much later; less than every */
    uint32_t share;           /* percent of samples that an observation needs; 0 = 90 */
    uint32_t events_per_hour; /* 0 = 12 */
    /* Of each channel, what is reported beside its mean and what is checked; NULL = nothing. */
    const struct station_channel_settings *channel_settings;
    const double *event_steps; /* of each channel, before those of the settings; NULL = none */
    uint32_t unwired;          /* bit n: no sensor gives channel n, missing in every report */
    unsigned identify_pin;     /* a light, if the board has pins */
    bool has_lamp;             /* somebody does what station_lamp says ... */
    const char *(*lamp_refusal)(void *context); /* ... or says why not now; NULL = always does */
    void *lamp_context;
    bool simulated; /* wall time does not run as fast as monotonic time */
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
    uint64_t receipts, receipts_ignored;
    uint64_t commands;            /* that were understood, the unknown ones included */
    uint64_t commands_malformed;  /* no JSON, too long, without an id */
    uint64_t commands_repeated;   /* the same id again */
    uint64_t observations_short;  /* too few samples: missing */
    uint64_t events, events_held; /* reports at once; those that the hour had no room for */
    uint64_t clock_back;          /* moments that the log has had already: told since boot */
    uint64_t settings_kept, settings_rolled_back;
    uint64_t keep_errors;
};

struct station_ports {
    struct hal_sensors sensors;
    struct hal_flash flash;
    struct hal_network network;
    struct hal_random random;
    /* May all be missing. What is kept is shared with others of the board and must be open. */
    struct keep *keep;
    struct hal_pins pins;
    struct hal_board board;
};

/*
 * A value of the station's reports: of a channel its mean or sum (kind 0), a statistic or its
 * checks.
 */
struct station_value {
    uint8_t channel, kind;
};

/* One round over the sensors, and what it adds up to. */
struct sampling {
    bool under_way, wall; /* wall: at_ns is wall time */
    int64_t at_ns;
    int64_t until_ns;      /* monotonic: what is pending then has failed */
    uint32_t wanted;       /* channels that are still to answer */
    uint32_t fresh;        /* channels that gave a number in this round */
    int64_t period_end_ns; /* of the observations under way */
    bool period_wall;
    struct observation observations[STATION_CHANNELS_MAX];
    uint32_t sums;                               /* channels whose samples are amounts */
    uint32_t least;                              /* of those, which gave a least one: they say so */
    struct amount amounts[STATION_CHANNELS_MAX]; /* of those, since the latest report */
    struct check_memory checks[STATION_CHANNELS_MAX];
    double raw[STATION_CHANNELS_MAX]; /* the latest sample */
    uint8_t states[STATION_CHANNELS_MAX];
    uint32_t raw_known;                    /* since the start */
    double reported[STATION_CHANNELS_MAX]; /* in the latest report */
    uint32_t reported_known;
    int64_t fast_until_ns; /* the last moment to look at channels with an event step more often */
    int64_t events_hour;
    uint32_t events;      /* in that hour */
    int64_t newest_ns;    /* the latest wall time in the log */
    uint64_t newest_seq;  /* of which report; 0 = none */
    uint64_t newest_kept; /* the one that the keep knows of */
    int64_t
        placed_up_ns; /* the latest time since the start that was told although there is a clock */
};

enum trial_end { TRIAL_NOTHING, TRIAL_KEPT, TRIAL_ROLLED_BACK, TRIAL_RESET };

/* What people ordered, and for how long. */
struct orders {
    struct settings_changes changes; /* in force */
    bool trial;                      /* they are on trial ... */
    int64_t trial_until_ns;          /* monotonic */
    uint32_t trial_connection;       /* a receipt over a later connection proves them */
    char trial_id[STATION_ID_MAX];   /* the command that set them; not terminated */
    uint8_t trial_id_length;
    enum trial_end told;   /* what is still to be told of its end */
    bool connect_due;      /* the connection is to be made anew ... */
    int64_t connect_at_ns; /* monotonic: then */
    bool maintenance;
    int64_t maintenance_until_ns; /* monotonic */
    uint32_t calibrated;          /* channels that have coefficients */
    double coefficients[STATION_CHANNELS_MAX][CALIBRATE_ORDER];
    uint32_t calibrating; /* the one channel whose calibration is under way, as a bit */
    int64_t calibrating_until_ns;
    uint8_t point_count;
    struct calibrate_point points[CALIBRATE_POINTS];
    int64_t identify_until_ns, lamp_until_ns; /* monotonic; 0 = not asked for */
    bool lamp_on;
    int64_t reboot_at_ns;             /* monotonic; 0 = not asked for */
    uint64_t resend_next, resend_end; /* reports asked for again, covered or not; equal = none */
    struct {
        uint8_t id_length;
        uint16_t length;
        char id[STATION_ID_MAX];
        char answer[STATION_ANSWER_MAX];
    } answers[STATION_ANSWERS];
    unsigned answer_next;
};

/* What is told of the starts of the board (diagnostics.h). */
struct station_starts {
    uint32_t boots;
    uint32_t by_reason[5]; /* by enum hal_reset */
    enum hal_reset why;
    bool held; /* the clock is known from before a reset that was asked for */
    int64_t held_offset_ns;
};

enum station_lamp { STATION_LAMP_AUTO, STATION_LAMP_OFF, STATION_LAMP_ON };

/* The owner provides the memory and touches nothing in it. */
struct station_core {
    struct station_options options;
    struct station_ports ports;
    struct station_counters counters;
    struct station_log log;
    struct station_log_cursor fresh_cursor, backlog_cursor;
    struct delivery delivery;
    struct schedule schedule;
    struct station_settings settings; /* in force */
    struct phusa_text names[STATION_CHANNELS_MAX];
    struct station_value values[STATION_CHANNELS_MAX]; /* of a report, as in the layout */
    size_t value_count;
    struct sampling sampling;
    struct orders orders;
    struct station_starts starts;
    int64_t fresh_at_ns;      /* monotonic: fresh reports of the schedule leave from here on */
    uint32_t jitter;          /* this station's share of the jitter, in 2^32 */
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
    int64_t up_ns;           /* since the start, as fast as wall time runs */
    struct hal_time latest;  /* of the step before */
    int64_t clock_offset_ns; /* wall time - time since boot, noted when the clock was first set */
    int64_t clock_set_up_ns; /* time since boot then */
    bool clock_was_set;
    char base_name[STATION_BASE_MAX];
    size_t base_length;
    uint8_t layout[STATION_LOG_LAYOUT_MAX]; /* names and units of the values, as in the log */
    size_t layout_length;
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

/* The first channel that no sensor gives; NULL: each has one. */
const struct station_channel *station_unwired(const struct station_core *station);

/* True if the last moment to sample, sample_until_ns, is over. */
bool station_finished(const struct station_core *station);

/* True if every report of the log is covered by a receipt or was set aside. */
bool station_delivered(const struct station_core *station);

const struct station_counters *station_counters(const struct station_core *station);

/* What the operator ordered of a lamp, for whoever switches it. */
enum station_lamp station_lamp(const struct station_core *station);

#endif
