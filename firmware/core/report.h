/* From a record of the log to the SenML pack that is published. */
#ifndef FIRMWARE_REPORT_H
#define FIRMWARE_REPORT_H

#include "station.h"

/* Kinds of a value besides the mean, in the order of their suffixes. */
enum report_kind {
    REPORT_MEAN, /* of amounts the sum */
    REPORT_MINIMUM,
    REPORT_MAXIMUM,
    REPORT_DEVIATION,
    REPORT_COUNT,
    REPORT_RAW,
    REPORT_CHECK
};

struct report_channels {
    struct station_channel items[STATION_CHANNELS_MAX];
    size_t count;
};

/*
 * The values of a report: first of all channels the mean or sum, then what each channel has beside
 * it by its settings, then the raw value of those in `raw` (bits) and the check of those in `least`
 * that have none yet, as far as there is room.
 */
size_t report_values(const struct station_settings *settings, size_t channels, uint32_t raw,
                     uint32_t least, struct station_value values[STATION_CHANNELS_MAX]);

/* Names and units as they are kept with each block of the log. Returns the bytes, 0 if too many. */
size_t report_layout(const struct station_channel *channels, const struct station_value *values,
                     size_t count, uint8_t *buffer, size_t capacity);

/* The same back; the texts point into layout. False if it is none. */
bool report_layout_read(const uint8_t *layout, size_t length, struct report_channels *channels);

/* enum phusa_device_state of a channel in a record. */
uint8_t report_device_state(const struct station_record *record, size_t channel);

/* The ways of writing a report, for station_options; a port has in it the one that it names. */
size_t report_json(const struct phusa_report *report, uint8_t *buffer, size_t capacity);
size_t report_cbor(const struct phusa_report *report, uint8_t *buffer, size_t capacity);

/*
 * Encodes a record into station->buffer. numbered = with log and seq. Returns the
 * length; 0 if the names of its block are lost or it does not fit.
 */
size_t report_encode(struct station_core *station, const struct station_record *record,
                     bool numbered);

#endif
