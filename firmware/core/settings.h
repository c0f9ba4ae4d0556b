/*
 * What of a station can be set by command. A station has its own settings (the options it is
 * started with); over them lies a list of changes, which is what is kept. A command's settings
 * are read into such a list, laid over the one in force, and judged as a whole.
 *
 *   {"every":900,"sample_every":60,"fast_every":10,"publish_jitter":30,"share":90,
 *    "events_per_hour":12,"backlog_per_s":20,
 *    "channels":{"salinity":{"event_step":0.5,"low":0,"high":45,"jump":5,"flat":0.01,
 *                            "flat_s":43200,"stuck_s":3600,"min":true,"max":true,"sd":true,
 *                            "n":true,"raw":true}},
 *    "broker":{"host":"mqtt.example.vn","port":8883}}
 *
 * Times are in seconds. What is not named stays; null takes a change back.
 *
 * Form in which changes are kept (little-endian):
 *   u8 version 1, u8 count, for each: u8 field, u32 CRC32C of the channel's name or 0, f64 value,
 *   then u16 port, u8 length of the host (0 = none), host
 */
#ifndef FIRMWARE_SETTINGS_H
#define FIRMWARE_SETTINGS_H

#include "check.h"
#include "log.h"
#include "phusa/text.h"

#define SETTINGS_CHANGES_MAX 28 /* of one station: they are kept in one record */
#define SETTINGS_HOST_MAX    63 /* bytes */
#define SETTINGS_BYTES_MAX   (5 + 13 * SETTINGS_CHANGES_MAX + SETTINGS_HOST_MAX)
#define SETTINGS_WHY_MAX     96 /* bytes of a reason */

#define SETTINGS_STATISTIC_NAME_MAX 26 /* bytes of a parameter that may have a suffix, "_check" */

#define SETTINGS_EVERY_MAX_S  86400
#define SETTINGS_JITTER_MAX_S 600

/* Statistics of a channel that are reported beside its mean: bits. */
#define STATISTIC_MINIMUM   1u  /* <parameter>_min */
#define STATISTIC_MAXIMUM   2u  /* <parameter>_max */
#define STATISTIC_DEVIATION 4u  /* <parameter>_sd */
#define STATISTIC_COUNT     8u  /* <parameter>_n */
#define STATISTIC_RAW       16u /* <parameter>_raw */

struct station_channel_settings {
    uint8_t statistics;
    double event_step; /* reported at once when it moved so far since the last report; 0 = never */
    struct check_limits checks;
};

/* In force. */
struct station_settings {
    int64_t every_ns;         /* distance of reports */
    int64_t sample_every_ns;  /* distance of samples; divides every_ns */
    int64_t fast_every_ns;    /* of channels with an event_step, while one moves; divides
                                 sample_every_ns; 0 = none */
    int64_t jitter_ns;        /* fresh reports leave up to so much later, each station its own */
    uint32_t share;           /* percent of the samples that an observation needs */
    uint32_t events_per_hour; /* at most */
    uint32_t backlog_per_s;
    struct station_channel_settings channels[STATION_CHANNELS_MAX];
};

struct settings_change {
    uint8_t field;
    uint8_t channel; /* 0 for what is the station's */
    double value;
};

struct settings_broker {
    char host[SETTINGS_HOST_MAX + 1]; /* terminated; empty = the station's own broker */
    uint16_t port;
};

struct settings_changes {
    struct settings_change items[SETTINGS_CHANGES_MAX];
    size_t count;
    struct settings_broker broker;
};

/* The channels whose names settings may use. */
struct settings_names {
    const struct phusa_text *names;
    size_t count;
};

/*
 * Lays the JSON object over *changes. False, with why as a terminated English text and *changes
 * untouched, if anything in it is not right: what it is, not only that.
 */
bool settings_read(struct phusa_text json, const struct settings_names *names,
                   struct settings_changes *changes, char why[SETTINGS_WHY_MAX]);

/*
 * Lays changes over *settings, which come in as the station's own, and judges the whole: periods
 * that divide each other, limits that make sense, at most STATION_CHANNELS_MAX values in a
 * report. False with why as above; *settings is not to be used then.
 */
bool settings_apply(const struct settings_changes *changes, const struct settings_names *names,
                    struct station_settings *settings, char why[SETTINGS_WHY_MAX]);

/* Values that a report can hold: the channels, their statistics and checks. */
size_t settings_values(const struct station_settings *settings, size_t channels);

/* True if a check is set. */
bool settings_checked(const struct check_limits *limits);

/* Returns the bytes written. */
size_t settings_pack(const struct settings_changes *changes, const struct settings_names *names,
                     uint8_t bytes[SETTINGS_BYTES_MAX]);

/* False if bytes are no changes. Those of channels that there are no longer are left out. */
bool settings_unpack(const uint8_t *bytes, size_t length, const struct settings_names *names,
                     struct settings_changes *changes);

#endif
