/*
 * Layout, as kept with each block of the log, for each channel in order:
 *   u8 length of the name, name, u8 length of the unit, unit
 * so that a report is still read rightly when the station's channels have changed.
 */
#include "report.h"

#include "phusa/senml.h"

static const struct {
    const char *suffix;
    bool has_unit; /* the channel's */
} kinds[] = {
    [REPORT_MEAN] = { "", true },         [REPORT_MINIMUM] = { "_min", true },
    [REPORT_MAXIMUM] = { "_max", true },  [REPORT_DEVIATION] = { "_sd", true },
    [REPORT_COUNT] = { "_n", false },     [REPORT_RAW] = { "_raw", true },
    [REPORT_CHECK] = { "_check", false },
};

static bool has_value(const struct station_channel_settings *channel, unsigned kind)
{
    if (kind == REPORT_CHECK) {
        return settings_checked(&channel->checks);
    }
    return (channel->statistics >> (kind - REPORT_MINIMUM) & 1u) != 0;
}

/* A value of the channels in bits that do not have it yet, as far as there is room. */
static size_t add_unasked(const struct station_settings *settings, uint32_t bits,
                          enum report_kind kind, struct station_value *values, size_t count)
{
    for (unsigned i = 0; bits >> i != 0 && count < STATION_CHANNELS_MAX; i++) {
        if ((bits >> i & 1u) != 0 && !has_value(&settings->channels[i], kind)) {
            values[count++] = (struct station_value){ (uint8_t)i, (uint8_t)kind };
        }
    }
    return count;
}

size_t report_values(const struct station_settings *settings, size_t channels, uint32_t raw,
                     uint32_t least, struct station_value values[STATION_CHANNELS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < channels; i++) {
        values[count++] = (struct station_value){ (uint8_t)i, REPORT_MEAN };
    }
    for (size_t i = 0; i < channels; i++) {
        for (unsigned kind = REPORT_MINIMUM; kind <= REPORT_CHECK; kind++) {
            if (has_value(&settings->channels[i], kind) && count < STATION_CHANNELS_MAX) {
                values[count++] = (struct station_value){ (uint8_t)i, (uint8_t)kind };
            }
        }
    }
    count = add_unasked(settings, raw, REPORT_RAW, values, count);
    return add_unasked(settings, least, REPORT_CHECK, values, count);
}

/* A text and what follows it. */
static size_t put_text(uint8_t *buffer, size_t at, struct phusa_text text, const char *suffix)
{
    size_t more = strlen(suffix);
    buffer[at] = (uint8_t)(text.length + more);
    if (text.length > 0) {
        memcpy(buffer + at + 1, text.data, text.length);
    }
    memcpy(buffer + at + 1 + text.length, suffix, more);
    return at + 1 + text.length + more;
}

size_t report_layout(const struct station_channel *channels, const struct station_value *values,
                     size_t count, uint8_t *buffer, size_t capacity)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        const struct station_channel *channel = &channels[values[i].channel];
        const char *suffix = kinds[values[i].kind].suffix;
        struct phusa_text unit = kinds[values[i].kind].has_unit ? channel->unit : PHUSA_TEXT("");
        if (at + 2 + channel->name.length + strlen(suffix) + unit.length > capacity) {
            return 0;
        }
        at = put_text(buffer, at, channel->name, suffix);
        at = put_text(buffer, at, unit, "");
    }
    return at;
}

static bool take_text(const uint8_t *layout, size_t length, size_t *at, struct phusa_text *text)
{
    if (*at >= length || layout[*at] > length - *at - 1) {
        return false;
    }
    *text = (struct phusa_text){ (const char *)layout + *at + 1, layout[*at] };
    *at += 1u + text->length;
    return true;
}

bool report_layout_read(const uint8_t *layout, size_t length, struct report_channels *channels)
{
    channels->count = 0;
    for (size_t at = 0; at < length; channels->count++) {
        if (channels->count == STATION_CHANNELS_MAX ||
            !take_text(layout, length, &at, &channels->items[channels->count].name) ||
            !take_text(layout, length, &at, &channels->items[channels->count].unit)) {
            return false;
        }
    }
    return channels->count > 0;
}

/*
 * A record taken before the clock was set gets its wall time if the clock was set
 * later in the same boot; else it says boot and up, and its readings' time is 0. So does one
 * taken after the clock went back behind what the log has: the collector dates it.
 */
static int64_t place_in_time(const struct station_core *station,
                             const struct station_record *record, struct phusa_report *report)
{
    if (record->boot == 0) {
        return record->time_ns;
    }
    if (record->boot == station->options.boot && station->clock_was_set &&
        record->time_ns < station->clock_set_up_ns) {
        return station->clock_offset_ns + record->time_ns;
    }
    report->has_boot = report->has_up = true;
    report->boot = record->boot;
    report->up = (double)record->time_ns / 1e9;
    return 0;
}

uint8_t report_device_state(const struct station_record *record, size_t channel)
{
    if ((record->fault >> channel & 1u) != 0) {
        return PHUSA_DEVICE_FAULT;
    }
    return (record->calibrating >> channel & 1u) != 0 ? PHUSA_DEVICE_CALIBRATING
                                                      : PHUSA_DEVICE_MEASURING;
}

static void add_readings(const struct station_core *station, const struct station_record *record,
                         const struct report_channels *channels, int64_t time_ns,
                         struct phusa_report *report)
{
    for (size_t i = 0; i < channels->count; i++) {
        if ((record->present >> i & 1u) == 0) {
            continue;
        }
        report->readings[report->count++] =
            (struct phusa_reading){ .base_name = { station->base_name, station->base_length },
                                    .name = channels->items[i].name,
                                    .unit = channels->items[i].unit,
                                    .time_ns = time_ns,
                                    .time_valid = true,
                                    .value = record->values[i],
                                    .kind = PHUSA_VALUE_NUMBER,
                                    .device_state = report_device_state(record, i) };
    }
}

size_t report_json(const struct phusa_report *report, uint8_t *buffer, size_t capacity)
{
    size_t length = 0;
    return phusa_senml_encode_json(report, (char *)buffer, capacity, &length) == PHUSA_OK ? length
                                                                                          : 0;
}

size_t report_cbor(const struct phusa_report *report, uint8_t *buffer, size_t capacity)
{
    size_t length = 0;
    return phusa_senml_encode_cbor(report, buffer, capacity, &length) == PHUSA_OK ? length : 0;
}

static size_t encode(struct station_core *station, const struct phusa_report *report)
{
    return station->options.encode != NULL
               ? station->options.encode(report, station->buffer, sizeof station->buffer)
               : report_json(report, station->buffer, sizeof station->buffer);
}

size_t report_encode(struct station_core *station, const struct station_record *record,
                     bool numbered)
{
    uint8_t old[STATION_LOG_LAYOUT_MAX];
    struct report_channels channels;
    struct phusa_reading readings[STATION_CHANNELS_MAX];
    struct phusa_report report = { .readings = readings,
                                   .capacity = STATION_CHANNELS_MAX,
                                   .has_log = numbered,
                                   .has_seq = numbered,
                                   .log = station->log.id,
                                   .seq = record->seq };
    const uint8_t *layout = station->layout;
    size_t length = station->log.layout_length;
    if (numbered && !station_log_layout_is_current(&station->log, record->block)) {
        layout = old;
        length = station_log_layout(&station->log, record->block, old, sizeof old);
    }
    if (!report_layout_read(layout, length, &channels)) {
        return 0;
    }
    int64_t time_ns = place_in_time(station, record, &report);
    add_readings(station, record, &channels, time_ns, &report);
    return report.count > 0 ? encode(station, &report) : 0;
}
