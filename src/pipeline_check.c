/*
 * One reading of a report: whose it is, what it measures, whether it can be taken, and whether it
 * came before.
 */
#include <math.h>
#include <string.h>

#include "pipeline_state.h"
#include "quality/range.h"

const char *check_detail(enum phusa_reason reason)
{
    switch (reason) {
    case PHUSA_REASON_NAME:
        return "what stands before the parameter is neither empty, the station's id, nor one of "
               "its names";
    case PHUSA_REASON_PARAMETER:
        return "not in the catalogue";
    case PHUSA_REASON_UNIT:
        return "the parameter does not know this unit";
    case PHUSA_REASON_VALUE:
        return "not a finite number";
    case PHUSA_REASON_TIME:
        return "the time is not finite, or beyond what can be stored";
    case PHUSA_REASON_CONFLICT:
        return "another value for this time came first";
    default:
        return phusa_reason_name(reason);
    }
}

/* --- name ----------------------------------------------------------------------------- */

static bool prefix_allowed(const struct station_state *station, struct phusa_text prefix)
{
    struct phusa_text id = { station->base_name, station->base_name_length - 1 };
    if (prefix.length == 0 || phusa_text_equal(prefix, id)) {
        return true;
    }
    if (prefix.length > id.length && prefix.data[prefix.length - id.length - 1] == ':' &&
        memcmp(prefix.data + prefix.length - id.length, id.data, id.length) == 0) {
        return true;
    }
    for (size_t i = 0; i < station->station->name_count; i++) {
        struct phusa_text name = phusa_text_of(station->station->names[i]);
        if (name.length > 0 && name.data[name.length - 1] == ':') {
            name.length--;
        }
        if (phusa_text_equal(prefix, name)) {
            return true;
        }
    }
    return false;
}

/* Splits a resolved name at its last colon. False if the part before it is not this station's. */
static bool parameter_name(const struct station_state *station, const struct phusa_reading *reading,
                           char *joined, struct phusa_text *parameter)
{
    struct phusa_text base = reading->base_name, name = reading->name;
    if (base.length == station->base_name_length && name.length > 0 &&
        memcmp(base.data, station->base_name, base.length) == 0 &&
        memchr(name.data, ':', name.length) == NULL) {
        *parameter = name; /* the usual case: our own station */
        return true;
    }
    struct phusa_text full = { joined, base.length + name.length };
    if (base.length > 0) {
        memcpy(joined, base.data, base.length);
    }
    if (name.length > 0) {
        memcpy(joined + base.length, name.data, name.length);
    }
    size_t split = full.length;
    while (split > 0 && joined[split - 1] != ':') {
        split--;
    }
    *parameter = (struct phusa_text){ joined + split, full.length - split };
    return prefix_allowed(station, (struct phusa_text){ joined, split > 0 ? split - 1 : 0 });
}

/* The parameter by its name; record `index` of a station's reports usually has the same one. */
static const struct phusa_parameter *find_parameter(const struct pipeline *pipeline,
                                                    struct station_state *station, size_t index,
                                                    struct phusa_text name)
{
    const struct phusa_catalogue *catalogue = &pipeline->settings->catalogue;
    uint16_t hint = index < HINTS_MAX ? station->hints[index] : NO_SERIES;
    if (hint != NO_SERIES && phusa_text_equal(catalogue->parameters[hint].name, name)) {
        return &catalogue->parameters[hint];
    }
    const struct phusa_parameter *found = phusa_catalogue_find(catalogue, name);
    if (found != NULL && index < HINTS_MAX) {
        station->hints[index] = (uint16_t)(found - catalogue->parameters);
    }
    return found;
}

/* --- value and time -------------------------------------------------------------------- */

static enum phusa_reason sample_usable(const struct pipeline_sample *sample)
{
    if (!isfinite(sample->value)) {
        return PHUSA_REASON_VALUE;
    }
    /* What a station sent has been put where it can be; a collector's clock may be before 2001. */
    int64_t least = sample->reconstructed ? 0 : STATION_CLOCK_LEAST_NS;
    return sample->time_ns < least ? PHUSA_REASON_TIME : PHUSA_REASON_NONE;
}

/* What it is remembered by, wherever it lies. */
static int64_t stamp_of(const struct pipeline_sample *sample)
{
    return sample->time_ns - sample->shift_ns;
}

/* Of a report that came before, only what cannot have come with it is new. */
static enum history_result recall(const struct pipeline *pipeline, struct history *history,
                                  const struct pipeline_sample *sample)
{
    int64_t stamp_ns = stamp_of(sample), horizon_ns = clock_horizon(pipeline);
    if (pipeline->again &&
        history_recall(history, stamp_ns, sample->value, horizon_ns) == HISTORY_DUPLICATE) {
        return HISTORY_DUPLICATE;
    }
    enum history_result result = history_note(history, stamp_ns, sample->value, horizon_ns);
    /* A wrong clock may have been set back: the stamp is the same, its place is not. */
    return result == HISTORY_CONFLICT && sample->shift_ns != 0 ? HISTORY_NEW : result;
}

void check_count_duplicate(struct pipeline *pipeline, struct station_state *station)
{
    station->counts.duplicates++;
    pipeline->counters.duplicates++;
}

enum phusa_reason check_value(struct pipeline *pipeline, struct station_state *station,
                              const struct phusa_parameter *parameter,
                              const struct pipeline_sample *sample, struct accepted *accepted)
{
    enum phusa_reason reason = sample_usable(sample);
    if (reason != PHUSA_REASON_NONE) {
        return reason;
    }
    struct series *series = state_series(pipeline, station, parameter);
    if (series == NULL) {
        return PHUSA_REASON_STORE;
    }
    switch (recall(pipeline, &series->history, sample)) {
    case HISTORY_DUPLICATE:
        accepted->series = NO_SERIES;
        return PHUSA_REASON_NONE;
    case HISTORY_CONFLICT:
        return PHUSA_REASON_CONFLICT;
    case HISTORY_NEW:
    case HISTORY_NO_MEMORY: /* then it cannot be recognised if it comes again, which costs less than
                               its loss */
        break;
    }
    bool ahead = sample->time_ns - sample->received_ns > pipeline->settings->ahead_ns;
    bool doubtful = ahead || sample->reconstructed;
    *accepted =
        (struct accepted){ .series = (uint16_t)(series - station->series),
                           .time_ns = sample->time_ns,
                           .value = sample->value,
                           .flag = quality_flag(parameter, sample->value, sample->state, doubtful),
                           .judged = !doubtful && sample->state == PHUSA_DEVICE_MEASURING,
                           .reconstructed = sample->reconstructed };
    if (!ahead && (!series->has_last || sample->time_ns >= series->last.time_ns)) {
        series->has_last = true;
        series->last = (struct latest){ .value = sample->value,
                                        .time_ns = sample->time_ns,
                                        .flag = (uint8_t)accepted->flag };
    }
    return PHUSA_REASON_NONE;
}

/* --- reading --------------------------------------------------------------------------------- */

/* What record `index` of the report says, as a value in the parameter's unit at a time. */
static enum phusa_reason resolve(struct pipeline *pipeline, struct station_state *station,
                                 size_t index, struct phusa_text *name,
                                 const struct phusa_parameter **parameter,
                                 struct pipeline_sample *sample)
{
    const struct phusa_reading *reading = &pipeline->report.readings[index];
    char *joined = pipeline->lines; /* free at this point of the flow, and larger than any pack */
    if (!parameter_name(station, reading, joined, name)) {
        return PHUSA_REASON_NAME;
    }
    *parameter = find_parameter(pipeline, station, index, *name);
    if (*parameter == NULL) {
        return PHUSA_REASON_PARAMETER;
    }
    if (reading->kind != PHUSA_VALUE_NUMBER && reading->kind != PHUSA_VALUE_BOOLEAN) {
        return PHUSA_REASON_VALUE;
    }
    struct station_clock_place place = clock_place(pipeline, reading);
    *sample = (struct pipeline_sample){ .value = reading->value,
                                        .time_ns = place.time_ns,
                                        .state = (enum phusa_device_state)reading->device_state,
                                        .reconstructed = place.reconstructed,
                                        .shift_ns =
                                            place.stamped ? place.time_ns - reading->time_ns : 0 };
    if (!phusa_unit_convert(*parameter, reading->unit, &sample->value)) {
        return PHUSA_REASON_UNIT;
    }
    return reading->time_valid ? PHUSA_REASON_NONE : PHUSA_REASON_TIME;
}

/* Dated by its arrival, it has another time whenever it comes, and cannot be recognised. */
static bool recognisable(const struct pipeline *pipeline, size_t index)
{
    return clock_place(pipeline, &pipeline->report.readings[index]).stamped;
}

enum phusa_reason check_reading(struct pipeline *pipeline, struct station_state *station,
                                size_t index, int64_t received_ns, struct phusa_text *name,
                                struct accepted *accepted)
{
    const struct phusa_parameter *parameter;
    struct pipeline_sample sample;
    enum phusa_reason reason = resolve(pipeline, station, index, name, &parameter, &sample);
    if (reason != PHUSA_REASON_NONE) {
        return reason;
    }
    sample.received_ns = received_ns;
    accepted->series = NO_SERIES;
    if (!pipeline->again || recognisable(pipeline, index)) {
        reason = check_value(pipeline, station, parameter, &sample, accepted);
    }
    if (reason == PHUSA_REASON_NONE && accepted->series == NO_SERIES) {
        check_count_duplicate(pipeline, station);
    }
    return reason;
}

bool check_renumbered(struct pipeline *pipeline, struct station_state *station)
{
    for (size_t i = 0; i < pipeline->report.count; i++) {
        const struct phusa_parameter *parameter;
        struct pipeline_sample sample;
        struct phusa_text name;
        if (!recognisable(pipeline, i) ||
            resolve(pipeline, station, i, &name, &parameter, &sample) != PHUSA_REASON_NONE ||
            sample_usable(&sample) != PHUSA_REASON_NONE) {
            continue;
        }
        struct series *series = state_series(pipeline, station, parameter);
        if (series == NULL || history_recall(&series->history, stamp_of(&sample), sample.value,
                                             clock_horizon(pipeline)) != HISTORY_DUPLICATE) {
            return true;
        }
    }
    return false;
}
