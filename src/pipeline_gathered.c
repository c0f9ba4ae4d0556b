/*
 * What is gathered over readings (quality tests, windows, nights, indices), kept over a restart and
 * over a change of settings: a block of bytes each, so that one whose place is gone is passed over.
 *
 *   GATHERED_QUALITY      still: readings, value, since, newest; gaps, missed, early; the
 *                         newest final flags: time, six flags; 1 and the series
 *                         (quality/qartod_series.c) if flags follow; 1, when its last reading
 *                         came, and the series of a backlog if there is one
 *   GATHERED_WINDOWS      quality/window_state.c
 *   GATHERED_TRAP         the newest night that was told: end, outcome, count, reports, coverage,
 *                         resets, services, saturated, spans, lamp, gate and known time; then
 *                         quality/trap.c
 *   GATHERED_CORRECTIONS  pipeline_corrections.c
 *
 * and of a station: stuck, since; 1 and the index if it has one: newest hour, hours to be computed,
 * told hours, told days: how many that are not empty; each its place, end, value, first value,
 * corrections, dominant.
 */
#include <string.h>

#include "pipeline_state.h"

/* --- a series ------------------------------------------------------------------------- */

static void save_quality(const struct series *series, struct state_writer *writer)
{
    const struct series_quality *quality = series->quality;
    const struct qartod_flags *flags = &quality->flags;
    const uint8_t all[] = { flags->gross,     flags->spike,      flags->rate,
                            flags->flat_line, flags->attenuated, flags->aggregate };
    state_put(writer, quality->still.readings);
    state_put_double(writer, quality->still.value);
    state_put_signed(writer, quality->still.since_ns);
    state_put_signed(writer, quality->still.newest_ns);
    state_put(writer, quality->gaps);
    state_put(writer, quality->missed);
    state_put(writer, quality->early);
    state_put_signed(writer, quality->flags_ns);
    for (size_t i = 0; i < sizeof all; i++) {
        state_put(writer, all[i]);
    }
    state_put_bool(writer, series->fresh != NULL);
    if (series->fresh != NULL) {
        qartod_save(series->fresh, writer);
    }
    state_put_bool(writer, quality->backlog != NULL);
    if (quality->backlog != NULL) {
        state_put_signed(writer, quality->backlog_ns);
        qartod_save(quality->backlog, writer);
    }
}

static uint8_t load_flag(struct state_reader *reader)
{
    return (uint8_t)state_get_upto(reader, PHUSA_FLAG_MISSING);
}

static void load_flags(struct series_quality *quality, struct state_reader *reader)
{
    quality->still.readings = (uint32_t)state_get_upto(reader, UINT32_MAX);
    quality->still.value = state_get_double(reader);
    quality->still.since_ns = state_get_signed(reader);
    quality->still.newest_ns = state_get_signed(reader);
    quality->gaps = state_get(reader);
    quality->missed = state_get(reader);
    quality->early = state_get(reader);
    quality->flags_ns = state_get_signed(reader);
    quality->flags.gross = load_flag(reader);
    quality->flags.spike = load_flag(reader);
    quality->flags.rate = load_flag(reader);
    quality->flags.flat_line = load_flag(reader);
    quality->flags.attenuated = load_flag(reader);
    quality->flags.aggregate = load_flag(reader);
}

/* False with reader->failed when damaged, without it when out of memory. */
static bool load_quality(const struct pipeline *pipeline, const struct station_state *station,
                         struct series *series, struct state_reader *reader)
{
    struct series_quality flags = { 0 };
    load_flags(series->quality != NULL ? series->quality : &flags, reader);
    if (!state_get_bool(reader)) {
        return !reader->failed;
    }
    if (!quality_leave(pipeline, station, series) || !qartod_load(series->fresh, reader)) {
        return false;
    }
    struct series_quality *quality = series->quality;
    if (!state_get_bool(reader)) {
        return !reader->failed;
    }
    quality->backlog_ns = state_get_signed(reader);
    quality->backlog = quality_begin(pipeline, station, quality->qc);
    return quality->backlog != NULL && qartod_load(quality->backlog, reader);
}

bool gathered_save(const struct series *series, enum gathered what, struct state_writer *writer)
{
    switch (what) {
    case GATHERED_QUALITY:
        if (series->quality != NULL) {
            save_quality(series, writer);
        }
        return series->quality != NULL;
    case GATHERED_WINDOWS:
        if (series->windows != NULL) {
            window_save(series->windows, writer);
        }
        return series->windows != NULL;
    case GATHERED_TRAP:
        if (series->trap != NULL) {
            traps_save(series->trap, writer);
        }
        return series->trap != NULL;
    case GATHERED_CORRECTIONS:
        if (series->corrections != NULL) {
            corrections_save(series->corrections, writer);
        }
        return series->corrections != NULL;
    case GATHERED_KINDS:
        break;
    }
    return false;
}

bool gathered_load(const struct pipeline *pipeline, const struct station_state *station,
                   struct series *series, enum gathered what, struct state_reader *reader)
{
    switch (what) {
    case GATHERED_QUALITY:
        return load_quality(pipeline, station, series, reader);
    case GATHERED_WINDOWS:
        return series->windows == NULL || window_load(series->windows, reader);
    case GATHERED_TRAP:
        return series->trap == NULL || traps_load(pipeline, station, series, reader);
    case GATHERED_CORRECTIONS:
        return series->windows == NULL || corrections_load(series, reader);
    case GATHERED_KINDS:
        break;
    }
    return true;
}

/* --- a station -------------------------------------------------------------------------- */

static void save_told(const struct told_index *told, size_t count, struct state_writer *writer)
{
    size_t there = 0;
    for (size_t i = 0; i < count; i++) {
        there += told[i].end_ns != 0 ? 1 : 0;
    }
    state_put(writer, there);
    for (size_t i = 0; i < count; i++) {
        if (told[i].end_ns != 0) {
            state_put(writer, i);
            state_put_signed(writer, told[i].end_ns);
            state_put_signed(writer, told[i].value);
            state_put_signed(writer, told[i].first);
            state_put(writer, told[i].rounds);
            state_put(writer, told[i].dominant);
        }
    }
}

static int16_t load_index(struct state_reader *reader)
{
    int64_t value = state_get_signed(reader);
    reader->failed |= value < VN_AQI_NONE || value > VN_AQI_MAX;
    return reader->failed ? 0 : (int16_t)value;
}

static void load_told(struct told_index *told, size_t count, struct state_reader *reader)
{
    uint64_t there = state_get_upto(reader, count);
    for (uint64_t i = 0; i < there && !reader->failed; i++) {
        struct told_index *one = &told[state_get_upto(reader, count - 1)];
        one->end_ns = state_get_signed(reader);
        one->value = load_index(reader);
        one->first = load_index(reader);
        one->rounds = (uint8_t)state_get_upto(reader, UINT8_MAX);
        one->dominant = (enum vn_aqi_pollutant)state_get_upto(reader, VN_AQI_POLLUTANTS - 1);
    }
}

void gathered_save_station(const struct station_state *station, struct state_writer *writer)
{
    const struct index_state *index = station->index;
    state_put_bool(writer, station->stuck.stuck);
    state_put_signed(writer, station->stuck.since_ns);
    state_put_bool(writer, index != NULL);
    if (index != NULL) {
        state_put_signed(writer, index->newest_hour);
        state_put(writer, index->dirty);
        save_told(index->hours, INDEX_HOURS, writer);
        save_told(index->days, INDEX_DAYS, writer);
    }
}

/* None yet, or one of a storable time with as many before it as are looked back on: what is
 * computed of hours does not overflow. */
static int64_t load_hour(struct state_reader *reader)
{
    int64_t hour = state_get_signed(reader);
    reader->failed |= hour != 0 && (hour < INDEX_HOURS || hour > INDEX_HOUR_MAX);
    return reader->failed ? 0 : hour;
}

void gathered_load_station(struct station_state *station, struct state_reader *reader)
{
    struct index_state nowhere = { 0 }, *index = station->index != NULL ? station->index : &nowhere;
    station->stuck.stuck = state_get_bool(reader);
    station->stuck.since_ns = state_get_signed(reader);
    reader->failed |= station->stuck.stuck && station->stuck.since_ns < 0;
    if (state_get_bool(reader)) {
        memset(index, 0, sizeof *index);
        index->newest_hour = load_hour(reader);
        index->dirty = state_get(reader);
        reader->failed |= index->newest_hour == 0 && index->dirty != 0;
        load_told(index->hours, INDEX_HOURS, reader);
        load_told(index->days, INDEX_DAYS, reader);
    }
}

/* --- other settings --------------------------------------------------------------------------- */

static bool copy_one(const struct pipeline *pipeline, const struct series *from,
                     const struct station_state *station, struct series *to, enum gathered what)
{
    struct state_writer writer = { 0 };
    bool good = gathered_save(from, what, &writer) && !writer.failed;
    struct state_reader reader = state_reader_of(writer.bytes, writer.used);
    good = good && gathered_load(pipeline, station, to, what, &reader);
    state_writer_free(&writer);
    return good;
}

void gathered_move(const struct pipeline *pipeline, const struct series *from,
                   const struct station_state *station, struct series *to)
{
    for (int what = 0; what < GATHERED_KINDS; what++) {
        (void)copy_one(pipeline, from, station, to, (enum gathered)what);
    }
}

void gathered_move_station(const struct station_state *from, struct station_state *to)
{
    to->stuck = from->stuck;
    if (from->index != NULL && to->index != NULL) {
        *to->index = *from->index;
    }
}
