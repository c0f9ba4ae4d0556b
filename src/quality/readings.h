/*
 * Readings of a series in order of time: a ring of its own memory, or two arrays of others. A ring
 * holds them exactly, in as few bytes as that takes:
 *
 *   time    4 bytes: whole milliseconds since an origin, which span 49 days; else 8, nanoseconds
 *   value   4 bytes: a decimal of at most 4 places below 214,748, or a missing one; else 8, a
 * double
 *
 * What sensors and loggers send fits the short forms. One that does not fit makes the ring wide;
 * when it has left, and the ring has come round, the ring is packed again.
 */
#ifndef QUALITY_READINGS_H
#define QUALITY_READINGS_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define READINGS_TICK_NS       INT64_C(1000000) /* unit of a short time */
#define READINGS_SCALE         1e4              /* of a short value */
#define READINGS_MISSING       INT32_MIN        /* a short NaN */
#define READINGS_NEGATIVE_ZERO (INT32_MIN + 1)

/* Index 0 is the oldest; how many there are is known to the owner. */
struct readings {
    const char *times;  /* of the first place: uint32_t if packed_times, else int64_t */
    const char *values; /* int32_t if packed_values, else double; not always aligned */
    char *block;        /* where both lie, side by side; NULL: nowhere, or in arrays of others */
    int64_t origin_ns;  /* of short times */
    uint32_t stride;    /* bytes from one time to the next, and from one value to the next */
    uint32_t first, capacity;
    bool packed_times, packed_values;
};

/* Readings that stand in arrays, to be looked at only. */
static inline struct readings readings_of(const int64_t *times, const double *values)
{
    return (struct readings){ .times = (const char *)times,
                              .values = (const char *)values,
                              .stride = sizeof(double),
                              .capacity = UINT32_MAX };
}

/* How far from the first place that of a reading is, in bytes. */
static inline size_t readings_place(const struct readings *readings, size_t index)
{
    size_t at = readings->first + index;
    return (at < readings->capacity ? at : at - readings->capacity) * readings->stride;
}

static inline int64_t readings_time(const struct readings *readings, size_t index)
{
    const char *at = readings->times + readings_place(readings, index);
    if (!readings->packed_times) {
        int64_t time_ns;
        memcpy(&time_ns, at, sizeof time_ns);
        return time_ns;
    }
    uint32_t ticks;
    memcpy(&ticks, at, sizeof ticks);
    return (int64_t)((uint64_t)readings->origin_ns + ticks * (uint64_t)READINGS_TICK_NS);
}

static inline double readings_value(const struct readings *readings, size_t index)
{
    const char *at = readings->values + readings_place(readings, index);
    if (!readings->packed_values) {
        double value;
        memcpy(&value, at, sizeof value);
        return value;
    }
    int32_t code;
    memcpy(&code, at, sizeof code);
    return code > READINGS_NEGATIVE_ZERO ? code / READINGS_SCALE
           : code == READINGS_MISSING    ? (double)NAN
                                         : -0.0;
}

/* ---- a ring; one that is zero-initialised is empty ---- */

void readings_free(struct readings *ring);
size_t readings_bytes(const struct readings *ring);

/* A reading on its way into a ring, and how it is written there. */
struct readings_entry {
    int64_t time_ns;
    double value;
    uint32_t ticks;
    int32_t code;
};

/*
 * Sees that a ring with count readings has that capacity (not less than it has) and takes an entry
 * of time and value, whose forms it finds. False when out of memory: it is as it was.
 */
bool readings_prepare(struct readings *ring, uint32_t count, uint32_t capacity,
                      struct readings_entry *entry);

/* Puts it at index, after readings_prepare. */
void readings_put(struct readings *ring, uint32_t index, const struct readings_entry *entry);

/* The reading at `from` to `to`. */
void readings_move(struct readings *ring, uint32_t to, uint32_t from);

/* The oldest of count readings goes. */
void readings_drop(struct readings *ring, uint32_t count);

/* A reading of a ring is needed soon, or the place behind it. */
static inline void readings_expect(const struct readings *ring, size_t index)
{
    __builtin_prefetch(ring->block + readings_place(ring, index), 1);
}

#endif
