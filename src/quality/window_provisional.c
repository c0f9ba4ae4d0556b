/*
 * Readings that are in windows though they may yet turn out not to be valid.
 *
 * Count and sum of an hour can go back exactly; its least and largest reading cannot. So each
 * reading in doubt has beside it the extremes of those of its hour that will stay. What comes to
 * stay is noted there; what goes leaves the hour with those extremes and the others in doubt.
 *
 * Kept (by window_save): how many; of each its time, value, 1 and min, max of the others if there
 * are any.
 */
#include <math.h>
#include <stdlib.h>

#include "quality/window_inside.h"

static void widen(struct provisional *reading, double min, double max)
{
    reading->min = fmin(reading->min, min); /* of NaN and a number: the number */
    reading->max = fmax(reading->max, max);
}

static bool is_of_hour(const struct window_series *series, const struct provisional *reading,
                       int64_t hour)
{
    return window_hour(series, reading->time_ns) == hour;
}

void window_note_settled(struct window_series *series, int64_t time_ns, double value)
{
    struct provisionals *all = series->provisional;
    int64_t hour = window_hour(series, time_ns);
    for (size_t i = 0; all != NULL && i < all->count; i++) {
        if (is_of_hour(series, &all->readings[i], hour)) {
            widen(&all->readings[i], value + 0.0, value + 0.0);
        }
    }
}

static void drop(struct window_series *series, size_t at)
{
    struct provisionals *all = series->provisional;
    all->readings[at] = all->readings[--all->count];
    if (all->count == 0) {
        free(all);
        series->provisional = NULL;
    }
}

/* Whose hour is no longer kept is in for good. */
static void drop_old(struct window_series *series)
{
    size_t count = series->provisional == NULL ? 0 : series->provisional->count;
    for (size_t i = count; i-- > 0;) {
        int64_t hour = window_hour(series, series->provisional->readings[i].time_ns);
        if (hour < series->hour - OLDEST_BEFORE) {
            drop(series, i);
        }
    }
}

static bool has_room(struct window_series *series)
{
    drop_old(series);
    if (series->provisional == NULL) {
        series->provisional = calloc(1, sizeof *series->provisional);
    }
    return series->provisional != NULL && series->provisional->count < WINDOW_PROVISIONAL_MAX;
}

/* The extremes of what will stay in the hour: of all that is there, or as another reading in doubt
 * has them. */
static void find_rest(const struct window_series *series, int64_t hour, struct provisional *reading)
{
    const struct provisionals *all = series->provisional;
    size_t slot = window_slot(hour);
    for (size_t i = 0; i < all->count; i++) {
        if (is_of_hour(series, &all->readings[i], hour)) {
            reading->min = all->readings[i].min;
            reading->max = all->readings[i].max;
            return;
        }
    }
    bool any = series->counts[slot] > 0;
    reading->min = any ? series->ring[slot].min : (double)NAN;
    reading->max = any ? series->ring[slot].max : (double)NAN;
}

enum window_taken window_add_provisional(struct window_series *series,
                                         const struct window_settings *settings, int64_t time_ns,
                                         double value, int64_t watermark_ns, struct window_out out)
{
    struct provisional reading = { .time_ns = time_ns, .value = value };
    if (!has_room(series)) {
        return WINDOW_FULL;
    }
    if (!isfinite(value) || time_ns < TIME_LEAST_NS || time_ns > TIME_MOST_NS) {
        return WINDOW_UNUSABLE;
    }
    window_ready(series, settings, watermark_ns);
    window_advance(series, settings, watermark_ns, out);
    int64_t hour = window_hour(series, time_ns);
    if (hour < series->hour - WINDOW_REACH_HOURS) {
        return WINDOW_TOO_LATE; /* it could not be taken back */
    }
    find_rest(series, hour, &reading);
    enum window_taken taken = window_put(series, settings, time_ns, value, watermark_ns, out);
    if (taken == WINDOW_TAKEN || taken == WINDOW_LATE) {
        series->provisional->readings[series->provisional->count++] = reading;
    }
    return taken;
}

static bool find(const struct window_series *series, int64_t time_ns, size_t *at)
{
    const struct provisionals *all = series->provisional;
    for (size_t i = 0; all != NULL && i < all->count; i++) {
        if (all->readings[i].time_ns == time_ns) {
            *at = i;
            return true;
        }
    }
    return false;
}

/* Adds the others that are in doubt to what stays in the hour. */
static void add_doubtful(const struct window_series *series, struct provisional *reading)
{
    const struct provisionals *all = series->provisional;
    int64_t hour = window_hour(series, reading->time_ns);
    for (size_t i = 0; all != NULL && i < all->count; i++) {
        double value = all->readings[i].value + 0.0;
        if (is_of_hour(series, &all->readings[i], hour)) {
            widen(reading, value, value);
        }
    }
}

enum window_taken window_settle(struct window_series *series,
                                const struct window_settings *settings, int64_t time_ns,
                                double value, bool valid, int64_t watermark_ns,
                                struct window_out out)
{
    size_t at;
    if (!find(series, time_ns, &at)) {
        return valid ? window_add(series, settings, time_ns, value, watermark_ns, out)
                     : WINDOW_UNUSABLE;
    }
    struct provisional reading = series->provisional->readings[at];
    drop(series, at);
    if (valid) {
        window_note_settled(series, time_ns, value);
        return WINDOW_TAKEN;
    }
    add_doubtful(series, &reading);
    return window_take_out(series, settings, &reading, watermark_ns, out);
}

/* --- kept over a restart ---------------------------------------------------------------------- */

void window_save_provisional(const struct window_series *series, struct state_writer *writer)
{
    const struct provisionals *all = series->provisional;
    size_t count = all == NULL ? 0 : all->count;
    state_put(writer, count);
    for (size_t i = 0; i < count; i++) {
        const struct provisional *reading = &all->readings[i];
        state_put_signed(writer, reading->time_ns);
        state_put_double(writer, reading->value);
        state_put_bool(writer, !isnan(reading->min));
        if (!isnan(reading->min)) {
            state_put_double(writer, reading->min);
            state_put_double(writer, reading->max);
        }
    }
}

/* A reading that may be in its hour, and whose going leaves one that can be kept. */
static bool is_possible(const struct window_series *series, const struct provisional *reading)
{
    if (!isfinite(reading->value) || reading->time_ns < TIME_LEAST_NS ||
        reading->time_ns > TIME_MOST_NS) {
        return false;
    }
    int64_t hour = window_hour(series, reading->time_ns);
    const struct aggregate *all = &series->ring[window_slot(hour)];
    if (hour < series->hour - OLDEST_BEFORE) {
        return true; /* no longer there: nothing is taken out of it */
    }
    bool rest = isnan(reading->min) || (reading->min >= all->min && reading->min <= reading->max &&
                                        reading->max <= all->max);
    return hour <= series->newest && series->counts[window_slot(hour)] > 0 &&
           reading->value >= all->min && reading->value <= all->max && rest;
}

void window_load_provisional(struct window_series *series, struct state_reader *reader)
{
    uint64_t count = state_get_upto(reader, WINDOW_PROVISIONAL_MAX);
    for (uint64_t i = 0; i < count && !reader->failed && has_room(series); i++) {
        struct provisional reading = { .time_ns = state_get_signed(reader),
                                       .min = NAN,
                                       .max = NAN };
        reading.value = state_get_double(reader);
        if (state_get_bool(reader)) {
            reading.min = state_get_double(reader);
            reading.max = state_get_double(reader);
        }
        if (reader->failed || !is_possible(series, &reading)) {
            reader->failed = true;
            return;
        }
        series->provisional->readings[series->provisional->count++] = reading;
    }
}
