/*
 * Keeping a series of windows: offset, edge, exponent, watermark, 1 if a reading has come; then
 * hour - closed, hour + 1 - newest, the base; due (0 or 1, then that time), 1 and the base as it
 * was told if it has changed; the hours of the ring that have samples and the pending ones, each
 * with its age (hour + 1 - n); the hours with corrections, each with its age and how many; the
 * provisional readings (window_provisional.c). An aggregate is its count, then unless that is 0 its
 * sum and least and largest sample.
 */
#include <math.h>
#include <stdlib.h>

#include "quality/window_inside.h"

#define OFFSET_MOST_S     (INT64_C(14) * 3600)
#define DUE_AFTER_MOST_NS (WINDOW_LATENESS_MAX_NS + HOUR_NS)

/* --- writing --------------------------------------------------------------------------------- */

static void save_aggregate(const struct aggregate *aggregate, uint32_t count,
                           struct state_writer *writer)
{
    state_put(writer, count);
    if (count > 0) {
        state_put(writer, aggregate->sum.low);
        state_put_signed(writer, aggregate->sum.high);
        state_put_double(writer, aggregate->min);
        state_put_double(writer, aggregate->max);
    }
}

/* The hour at a place of the ring. */
static int64_t hour_at(const struct window_series *series, size_t slot)
{
    int64_t oldest = series->hour - OLDEST_BEFORE;
    size_t ahead = (slot + WINDOW_RING_HOURS - window_slot(oldest)) % WINDOW_RING_HOURS;
    return oldest + (int64_t)ahead;
}

static void save_age(const struct window_series *series, size_t slot, struct state_writer *writer)
{
    state_put(writer, (uint64_t)(series->hour + AHEAD_HOURS - hour_at(series, slot)));
}

static void save_hours(const struct window_series *series, struct state_writer *writer)
{
    uint64_t used = 0;
    for (size_t i = 0; i < WINDOW_RING_HOURS; i++) {
        used += series->counts[i] > 0;
    }
    state_put(writer, used);
    for (size_t i = 0; i < WINDOW_RING_HOURS; i++) {
        if (series->counts[i] > 0) {
            save_age(series, i, writer);
            save_aggregate(&series->ring[i], series->counts[i], writer);
        }
    }
    state_put(writer, series->told_count);
    for (size_t i = 0; i < series->told_count; i++) {
        const struct told_hour *told = &series->told[i];
        save_age(series, told->slot, writer);
        save_aggregate(&told->all, told->count, writer);
    }
}

static void save_rounds(const struct window_series *series, struct state_writer *writer)
{
    uint64_t used = 0;
    for (size_t i = 0; i < WINDOW_RING_HOURS; i++) {
        used += series->rounds[i] > 0;
    }
    state_put(writer, used);
    for (size_t i = 0; i < WINDOW_RING_HOURS; i++) {
        if (series->rounds[i] > 0) {
            save_age(series, i, writer);
            state_put(writer, series->rounds[i]);
        }
    }
}

void window_save(const struct window_series *series, struct state_writer *writer)
{
    state_put_signed(writer, series->utc_offset_s);
    state_put(writer, series->edge);
    state_put_signed(writer, series->exponent);
    state_put_signed(writer, series->watermark_ns);
    state_put_bool(writer, series->begun);
    if (!series->begun) {
        return;
    }
    state_put(writer, (uint64_t)(series->hour - series->closed));
    state_put(writer, (uint64_t)(series->hour + AHEAD_HOURS - series->newest));
    save_aggregate(&series->base.all, series->base.count, writer);
    state_put_bool(writer, series->due_ns != INT64_MAX);
    if (series->due_ns != INT64_MAX) {
        state_put_signed(writer, series->due_ns);
    }
    state_put_bool(writer, series->base_told != NULL);
    if (series->base_told != NULL) {
        save_aggregate(&series->base_told->all, series->base_told->count, writer);
    }
    save_hours(series, writer);
    save_rounds(series, writer);
    window_save_provisional(series, writer);
}

/* --- reading --------------------------------------------------------------------------------- */

/* The sum must be one that as many values between min and max can have: then no sum of such sums
 * overflows. */
static bool is_possible(const struct aggregate *aggregate, uint32_t count, int exponent)
{
    struct exact least, most;
    return aggregate->min <= aggregate->max && exact_of(aggregate->min, exponent, &least) &&
           exact_of(aggregate->max, exponent, &most) &&
           exact_at_most(exact_times(least, count), aggregate->sum) &&
           exact_at_most(aggregate->sum, exact_times(most, count));
}

static uint32_t load_aggregate(struct aggregate *aggregate, uint32_t most, int exponent,
                               struct state_reader *reader)
{
    uint32_t count = (uint32_t)state_get_upto(reader, most);
    *aggregate = (struct aggregate){ 0 };
    if (count == 0) {
        return 0;
    }
    aggregate->sum.low = state_get(reader);
    aggregate->sum.high = state_get_signed(reader);
    aggregate->min = state_get_double(reader);
    aggregate->max = state_get_double(reader);
    if (!is_possible(aggregate, count, exponent)) {
        reader->failed = true;
    }
    return reader->failed ? 0 : count;
}

static int64_t load_between(int64_t least, int64_t most, struct state_reader *reader)
{
    int64_t number = state_get_signed(reader);
    if (number < least || number > most) {
        reader->failed = true;
        return least;
    }
    return number;
}

static int64_t load_hour(const struct window_series *series, struct state_reader *reader)
{
    return series->hour + AHEAD_HOURS - (int64_t)state_get_upto(reader, WINDOW_RING_HOURS - 1);
}

static void load_ring(struct window_series *series, struct state_reader *reader)
{
    uint64_t used = state_get_upto(reader, WINDOW_RING_HOURS);
    for (uint64_t i = 0; i < used && !reader->failed; i++) {
        int64_t hour = load_hour(series, reader);
        size_t slot = window_slot(hour);
        if (series->counts[slot] > 0 || hour > series->newest) {
            reader->failed = true;
            return;
        }
        series->counts[slot] = (uint16_t)load_aggregate(&series->ring[slot], WINDOW_HOUR_COUNT_MAX,
                                                        series->exponent, reader);
    }
}

static void load_base_told(struct window_series *series, struct state_reader *reader)
{
    if (!state_get_bool(reader)) {
        return;
    }
    series->base_told = calloc(1, sizeof *series->base_told);
    if (series->base_told == NULL) {
        reader->failed = true;
        return;
    }
    series->base_told->count =
        load_aggregate(&series->base_told->all, BASE_COUNT_MAX, series->exponent, reader);
}

static void load_told(struct window_series *series, struct state_reader *reader)
{
    uint64_t used = state_get_upto(reader, WINDOW_TOLD_MAX);
    for (uint64_t i = 0; i < used && !reader->failed; i++) {
        int64_t hour = load_hour(series, reader);
        size_t slot = window_slot(hour);
        for (size_t k = 0; k < i; k++) {
            reader->failed = reader->failed || series->told[k].slot == slot;
        }
        /* Its 24 h and day must lie in the ring until it is told. */
        if (hour > series->closed || hour < series->hour - WINDOW_REACH_HOURS - 3) {
            reader->failed = true;
        }
        if (!window_told_room(series)) {
            reader->failed = true;
            return;
        }
        struct told_hour *told = &series->told[series->told_count++];
        told->slot = (uint8_t)slot;
        told->count =
            (uint16_t)load_aggregate(&told->all, WINDOW_HOUR_COUNT_MAX, series->exponent, reader);
    }
}

static void load_rounds(struct window_series *series, struct state_reader *reader)
{
    uint64_t used = state_get_upto(reader, WINDOW_RING_HOURS);
    for (uint64_t i = 0; i < used && !reader->failed; i++) {
        size_t slot = window_slot(load_hour(series, reader));
        reader->failed |= series->rounds[slot] > 0;
        series->rounds[slot] = (uint8_t)state_get_upto(reader, UINT8_MAX);
    }
}

static void load_begun(struct window_series *series, struct state_reader *reader)
{
    if (series->watermark_ns < TIME_LEAST_NS) {
        reader->failed = true;
        return;
    }
    series->hour = window_hour(series, series->watermark_ns);
    series->closed = series->hour - (int64_t)state_get_upto(reader, WINDOW_REACH_HOURS);
    series->newest =
        series->hour + AHEAD_HOURS - (int64_t)state_get_upto(reader, (uint64_t)series->hour + 1);
    series->base_year = window_year(series->hour - OLDEST_BEFORE - 1);
    series->base.count =
        load_aggregate(&series->base.all, BASE_COUNT_MAX, series->exponent, reader);
    bool pending = state_get_bool(reader);
    if (pending) {
        series->due_ns = load_between(series->watermark_ns - DUE_AFTER_MOST_NS,
                                      series->watermark_ns + DUE_AFTER_MOST_NS, reader);
    }
    load_base_told(series, reader);
    load_ring(series, reader);
    load_told(series, reader);
    load_rounds(series, reader);
    if (!reader->failed) {
        window_load_provisional(series, reader);
    }
    if (pending != (series->base_told != NULL || series->told_count > 0)) {
        reader->failed = true;
    }
}

bool window_load(struct window_series *series, struct state_reader *reader)
{
    struct window_series empty = *series, read = *series;

    read.utc_offset_s = (int32_t)load_between(-OFFSET_MOST_S, OFFSET_MOST_S, reader);
    read.edge = (uint8_t)state_get_upto(reader, WINDOW_EDGE_BEGINS);
    read.exponent = (int16_t)load_between(EXACT_EXPONENT_LEAST, EXACT_EXPONENT_MOST, reader);
    read.watermark_ns = load_between(0, TIME_MOST_NS, reader);
    read.begun = state_get_bool(reader);
    if (read.begun && !reader->failed) {
        load_begun(&read, reader);
    }
    bool same_grid = read.utc_offset_s == empty.utc_offset_s && read.edge == empty.edge;
    if (!reader->failed && same_grid) {
        *series = read;
    } else {
        free(read.provisional);
        free(read.base_told);
        free(read.told);
    }
    return !reader->failed;
}
