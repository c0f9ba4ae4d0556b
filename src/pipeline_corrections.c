/*
 * Which windows of a series late readings changed after they had been told, so that whoever is
 * shown such a window is told that it is a corrected one.
 *
 * That a window was corrected is a bit, for each kind and each of the last CORRECTED_HOURS hours.
 * The mean that was told first is kept beside it for the newest CORRECTIONS_MAX windows that were
 * corrected; of others only the bit is left.
 *
 * Which window a mean is of is kept in 16 bits, which come round after more than a year. What is as
 * old as that has long been pushed out by the window that has its number now, or stands behind it.
 *
 * Kept over a restart (GATHERED_CORRECTIONS): newest hour, a number for each kind, how many means
 * are kept; each, oldest first: hour, kind, mean.
 */
#include <math.h>
#include <stdlib.h>

#include "pipeline_state.h"

static bool remembers(const struct corrections *corrections, enum window_kind kind, int64_t hour)
{
    int64_t back = corrections->newest_hour - hour;
    return back >= 0 && back < CORRECTED_HOURS && (corrections->hours[kind] >> back & 1) != 0;
}

/* A window as one number; INDEX_HOUR_MAX leaves room. */
static uint32_t number_of(enum window_kind kind, int64_t hour)
{
    return (uint32_t)(hour * CORRECTED_KINDS + (int64_t)kind);
}

/* Of the one so many before the newest. */
static size_t place_of(const struct corrections *corrections, size_t before)
{
    return (corrections->oldest + corrections->count - 1u - before) % CORRECTIONS_MAX;
}

static const double *find(const struct corrections *corrections, enum window_kind kind,
                          int64_t hour)
{
    for (size_t i = 0; i < corrections->count; i++) {
        size_t at = place_of(corrections, i);
        if (corrections->windows[at] == (uint16_t)number_of(kind, hour)) {
            return &corrections->means[at];
        }
    }
    return NULL;
}

/* The whole number of a window, none of which ends after newest_hour. */
static uint32_t whole_number(const struct corrections *corrections, uint16_t low)
{
    uint32_t most = number_of(CORRECTED_KINDS - 1, corrections->newest_hour);
    return most - (uint16_t)(most - low);
}

/* A later hour becomes the newest one. */
static void roll(struct corrections *corrections, int64_t to)
{
    uint64_t step = (uint64_t)(to - corrections->newest_hour);
    for (int kind = 0; kind < CORRECTED_KINDS; kind++) {
        corrections->hours[kind] = step < CORRECTED_HOURS ? corrections->hours[kind] << step : 0;
    }
    corrections->newest_hour = to;
}

static void set_bit(struct corrections *corrections, enum window_kind kind, int64_t hour)
{
    if (hour > corrections->newest_hour) {
        roll(corrections, hour);
    }
    uint64_t back = (uint64_t)(corrections->newest_hour - hour);
    corrections->hours[kind] |= back < CORRECTED_HOURS ? UINT64_C(1) << back : 0;
}

static void keep_first(struct corrections *corrections, enum window_kind kind, int64_t hour,
                       double mean)
{
    size_t at = corrections->oldest;
    if (corrections->count < CORRECTIONS_MAX) {
        at = corrections->count++;
    } else {
        corrections->oldest = (uint8_t)((corrections->oldest + 1) % CORRECTIONS_MAX);
    }
    corrections->windows[at] = (uint16_t)number_of(kind, hour);
    corrections->means[at] = mean;
}

void corrections_note(struct series *series, enum window_kind kind, int64_t hour, double mean)
{
    if (series->corrections == NULL) {
        series->corrections = calloc(1, sizeof *series->corrections);
    }
    struct corrections *corrections = series->corrections;
    if (corrections == NULL || kind >= CORRECTED_KINDS) {
        return; /* without memory nobody is told so; the store has its line all the same */
    }
    if (!remembers(corrections, kind, hour)) {
        set_bit(corrections, kind, hour);
        keep_first(corrections, kind, hour, mean);
    }
}

bool corrections_look(const struct series *series, enum window_kind kind, int64_t hour, bool *known,
                      double *mean)
{
    *known = false;
    *mean = NAN;
    if (series->corrections == NULL || kind >= CORRECTED_KINDS ||
        !remembers(series->corrections, kind, hour)) {
        return false;
    }
    const double *first = find(series->corrections, kind, hour);
    if (first != NULL) {
        *known = true;
        *mean = *first;
    }
    return true;
}

void corrections_save(const struct corrections *corrections, struct state_writer *writer)
{
    state_put_signed(writer, corrections->newest_hour);
    for (int kind = 0; kind < CORRECTED_KINDS; kind++) {
        state_put(writer, corrections->hours[kind]);
    }
    state_put(writer, corrections->count);
    for (size_t i = 0; i < corrections->count; i++) {
        size_t at = place_of(corrections, corrections->count - 1 - i);
        uint32_t number = whole_number(corrections, corrections->windows[at]);
        state_put_signed(writer, number / CORRECTED_KINDS);
        state_put(writer, number % CORRECTED_KINDS);
        state_put_double(writer, corrections->means[at]);
    }
}

static int64_t load_hour(struct state_reader *reader)
{
    int64_t hour = state_get_signed(reader);
    reader->failed |= hour < 0 || hour > INDEX_HOUR_MAX;
    return reader->failed ? 0 : hour;
}

bool corrections_load(struct series *series, struct state_reader *reader)
{
    struct corrections *corrections = calloc(1, sizeof *corrections);
    if (corrections == NULL) {
        return false;
    }
    corrections->newest_hour = load_hour(reader);
    for (int kind = 0; kind < CORRECTED_KINDS; kind++) {
        corrections->hours[kind] = state_get(reader);
    }
    corrections->count = (uint8_t)state_get_upto(reader, CORRECTIONS_MAX);
    for (size_t i = 0; i < corrections->count && !reader->failed; i++) {
        int64_t hour = load_hour(reader);
        enum window_kind kind = (enum window_kind)state_get_upto(reader, CORRECTED_KINDS - 1);
        corrections->windows[i] = (uint16_t)number_of(kind, hour);
        corrections->means[i] = state_get_double(reader);
    }
    free(series->corrections);
    series->corrections = corrections;
    return !reader->failed;
}
