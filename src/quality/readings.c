#include "quality/readings.h"

#include <stdlib.h>

#define TICKS_HALF INT64_C(0x80000000) /* of what a short time spans */
#define CODES_MOST 2147483646.0        /* a short value's code is smaller, either way */

/* ---- the short forms ---- */

static bool packs_time(int64_t origin_ns, int64_t time_ns, uint32_t *ticks)
{
    uint64_t since = (uint64_t)time_ns - (uint64_t)origin_ns;
    uint64_t whole = since / (uint64_t)READINGS_TICK_NS;
    *ticks = (uint32_t)whole;
    return time_ns >= origin_ns && whole <= UINT32_MAX &&
           whole * (uint64_t)READINGS_TICK_NS == since;
}

static bool packs_value(double value, int32_t *code)
{
    double scaled = value * READINGS_SCALE;
    if (!(fabs(scaled) < CODES_MOST)) {
        *code = READINGS_MISSING;
        return isnan(value);
    }
    *code = (int32_t)(scaled + (scaled < 0 ? -0.5 : 0.5));
    if (*code == 0 && signbit(value)) {
        *code = READINGS_NEGATIVE_ZERO;
        return value == 0;
    }
    return *code / READINGS_SCALE == value;
}

/* In the middle of what short times will span. */
static int64_t origin_for(int64_t time_ns)
{
    int64_t before = TICKS_HALF * READINGS_TICK_NS;
    return time_ns < INT64_MIN + before ? INT64_MIN : time_ns - before;
}

/* ---- memory ---- */

void readings_free(struct readings *ring)
{
    free(ring->block);
    *ring = (struct readings){ 0 };
}

size_t readings_bytes(const struct readings *ring)
{
    return (size_t)ring->capacity * ring->stride;
}

static struct readings_entry entry_of(const struct readings *ring, uint32_t index)
{
    return (struct readings_entry){ .time_ns = readings_time(ring, index),
                                    .value = readings_value(ring, index) };
}

/* Whether it has the forms of the ring, which are put down. */
static bool takes(const struct readings *ring, struct readings_entry *entry)
{
    return (!ring->packed_times || packs_time(ring->origin_ns, entry->time_ns, &entry->ticks)) &&
           (!ring->packed_values || packs_value(entry->value, &entry->code));
}

/* Of a ring for count readings and one more. */
static struct readings plan(const struct readings *ring, uint32_t count, uint32_t capacity,
                            struct readings_entry *entry)
{
    struct readings planned = *ring;
    planned.first = 0;
    planned.capacity = capacity;
    if (ring->capacity > 0 && takes(ring, entry) && capacity > ring->capacity) {
        return planned; /* it only grows */
    }
    planned.origin_ns = origin_for(entry->time_ns);
    planned.packed_times = packs_time(planned.origin_ns, entry->time_ns, &entry->ticks);
    planned.packed_values = packs_value(entry->value, &entry->code);
    for (uint32_t i = 0; i < count && (planned.packed_times || planned.packed_values); i++) {
        struct readings_entry other = entry_of(ring, i);
        planned.packed_times &= packs_time(planned.origin_ns, other.time_ns, &other.ticks);
        planned.packed_values &= packs_value(other.value, &other.code);
    }
    return planned;
}

static bool lay_out(struct readings *ring, uint32_t count, struct readings planned)
{
    size_t time_bytes = planned.packed_times ? sizeof(uint32_t) : sizeof(int64_t);
    planned.stride =
        (uint32_t)(time_bytes + (planned.packed_values ? sizeof(int32_t) : sizeof(double)));
    planned.block = malloc(readings_bytes(&planned));
    if (planned.block == NULL) {
        return false;
    }
    planned.times = planned.block;
    planned.values = planned.block + time_bytes;
    for (uint32_t i = 0; i < count; i++) {
        struct readings_entry entry = entry_of(ring, i);
        (void)takes(&planned, &entry);
        readings_put(&planned, i, &entry);
    }
    free(ring->block);
    *ring = planned;
    return true;
}

/* ---- the ring ---- */

bool readings_prepare(struct readings *ring, uint32_t count, uint32_t capacity,
                      struct readings_entry *entry)
{
    return (capacity == ring->capacity && takes(ring, entry)) ||
           lay_out(ring, count, plan(ring, count, capacity, entry));
}

void readings_put(struct readings *ring, uint32_t index, const struct readings_entry *entry)
{
    char *time = ring->block + readings_place(ring, index);
    char *value = time + (ring->values - ring->times);
    if (ring->packed_times) {
        memcpy(time, &entry->ticks, sizeof entry->ticks);
    } else {
        memcpy(time, &entry->time_ns, sizeof entry->time_ns);
    }
    if (ring->packed_values) {
        memcpy(value, &entry->code, sizeof entry->code);
    } else {
        memcpy(value, &entry->value, sizeof entry->value);
    }
}

void readings_move(struct readings *ring, uint32_t to, uint32_t from)
{
    struct readings_entry entry = entry_of(ring, from);
    (void)takes(ring, &entry);
    readings_put(ring, to, &entry);
}

/* Once a round it is looked whether what made the ring wide has left. */
void readings_drop(struct readings *ring, uint32_t count)
{
    ring->first = ring->first + 1 < ring->capacity ? ring->first + 1 : 0;
    if (ring->first != 0 || count < 2 || count > ring->capacity ||
        (ring->packed_times && ring->packed_values)) {
        return;
    }
    struct readings_entry newest = entry_of(ring, count - 2);
    struct readings planned = plan(ring, count - 1, ring->capacity, &newest);
    if (planned.packed_times != ring->packed_times ||
        planned.packed_values != ring->packed_values) {
        (void)lay_out(ring, count - 1, planned); /* without memory it stays wide */
    }
}
