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

#define READINGS_TICK_NS       INT64_C(1000000) /* unit of a short time */
#define READINGS_SCALE         1e4              /* of a short value */
#define READINGS_MISSING       INT32_MIN        /* a short NaN */
#define READINGS_NEGATIVE_ZERO (INT32_MIN + 1)

/* Index 0 is the oldest; how many there are is known to the owner. */
struct readings {
    const void *times;  /* uint32_t if packed_times, else int64_t */
    const void *values; /* int32_t if packed_values, else double */
    void *block;        /* where both lie; NULL: nowhere yet, or the arrays are of others */
    int64_t origin_ns;  /* of short times */
    uint32_t first, capacity;
    bool packed_times, packed_values;
};

/* Readings that stand in arrays, to be looked at only. */
static inline struct readings readings_of(const int64_t *times, const double *values)
{
    return (struct readings){ .times = times, .values = values, .capacity = UINT32_MAX };
}

static inline size_t readings_slot(const struct readings *readings, size_t index)
{
    size_t at = readings->first + index;
    return at < readings->capacity ? at : at - readings->capacity;
}

static inline int64_t readings_time(const struct readings *readings, size_t index)
{
    size_t slot = readings_slot(readings, index);
    if (!readings->packed_times) {
        return ((const int64_t *)readings->times)[slot];
    }
    uint64_t since = ((const uint32_t *)readings->times)[slot] * (uint64_t)READINGS_TICK_NS;
    return (int64_t)((uint64_t)readings->origin_ns + since);
}

static inline double readings_value(const struct readings *readings, size_t index)
{
    size_t slot = readings_slot(readings, index);
    if (!readings->packed_values) {
        return ((const double *)readings->values)[slot];
    }
    int32_t code = ((const int32_t *)readings->values)[slot];
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

/* Brings the reading at index into the cache, for one that is to be written beside it or not. */
static inline void readings_expect(const struct readings *readings, size_t index)
{
    size_t slot = readings_slot(readings, index);
    __builtin_prefetch((const char *)readings->times + slot * (readings->packed_times ? 4 : 8));
    __builtin_prefetch((const char *)readings->values + slot * (readings->packed_values ? 4 : 8));
}

#endif
