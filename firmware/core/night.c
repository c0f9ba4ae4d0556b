/*
 * A saved night, little-endian:
 *   0 u8 version   1 u8 classes   2 u64 end in ns   10 u32 for each class
 *   then u32 each: watched, lit, gated by rain, wind, battery, dark, unsure (ms), strays
 *   then u16 each: resets, services, doors
 */
#include "night.h"

#include <assert.h>

#include "bytes.h"

#define SECOND      INT64_C(1000000000)
#define VERSION     1
#define FIXED_BYTES (2 + 8 + 8 * 4 + 3 * 2)

static_assert(FIXED_BYTES + 4 * NIGHT_CLASSES <= NIGHT_BYTES_MAX, "a night fits its record");

int64_t night_end(int64_t wall_ns, int32_t utc_offset_s)
{
    int64_t shift = utc_offset_s * SECOND - NIGHT_NS / 2;
    int64_t over = (wall_ns + shift) % NIGHT_NS;
    if (over < 0) {
        over += NIGHT_NS;
    }
    return over == 0 ? wall_ns : wall_ns - over + NIGHT_NS;
}

static uint32_t add(uint32_t a, uint32_t b)
{
    return b < UINT32_MAX - a ? a + b : UINT32_MAX;
}

bool night_count(struct night *night, size_t classes, struct night_counters *seen,
                 const struct night_counters *now, bool counted)
{
    bool sound = true;
    bool same = seen->session == now->session;
    for (size_t i = 0; i < classes && seen->known; i++) {
        uint32_t came = now->counts[i] - (same ? seen->counts[i] : 0);
        uint32_t *sum = counted ? &night->counts[i] : &night->stray;
        if (came <= NIGHT_STEP_MAX) {
            *sum = add(*sum, came);
        } else {
            sound = false;
        }
    }
    *seen = *now;
    seen->known = true;
    return sound;
}

/* The milliseconds and the strays, in the order of the record. */
static void list_fields(struct night *night, uint32_t *fields[8])
{
    uint32_t *list[8] = { &night->watched_ms,
                          &night->lit_ms,
                          &night->gated_ms[NIGHT_RAIN],
                          &night->gated_ms[NIGHT_WIND],
                          &night->gated_ms[NIGHT_BATTERY],
                          &night->dark_ms,
                          &night->unsure_ms,
                          &night->stray };
    memcpy(fields, list, sizeof list);
}

size_t night_save(const struct night *night, size_t classes, uint8_t *bytes)
{
    struct night copy = *night;
    uint32_t *fields[8];
    list_fields(&copy, fields);
    bytes[0] = VERSION;
    bytes[1] = (uint8_t)classes;
    put_u64(bytes + 2, (uint64_t)night->end_ns);
    uint8_t *at = bytes + 10;
    for (size_t i = 0; i < classes; i++, at += 4) {
        put_u32(at, night->counts[i]);
    }
    for (size_t i = 0; i < 8; i++, at += 4) {
        put_u32(at, *fields[i]);
    }
    put_u16(at, night->resets);
    put_u16(at + 2, night->services);
    put_u16(at + 4, night->doors);
    return (size_t)(at + 6 - bytes);
}

size_t night_load(struct night *night, const uint8_t *bytes, size_t length)
{
    uint32_t *fields[8];
    *night = (struct night){ 0 };
    list_fields(night, fields);
    if (length < FIXED_BYTES || bytes[0] != VERSION || bytes[1] > NIGHT_CLASSES ||
        length < FIXED_BYTES + 4u * bytes[1]) {
        return 0;
    }
    size_t classes = bytes[1];
    night->end_ns = (int64_t)get_u64(bytes + 2);
    const uint8_t *at = bytes + 10;
    for (size_t i = 0; i < classes; i++, at += 4) {
        night->counts[i] = get_u32(at);
    }
    bool sound = night->end_ns > 0 && night->end_ns <= NIGHT_TIME_MAX;
    for (size_t i = 0; i < 8; i++, at += 4) {
        *fields[i] = get_u32(at);
    }
    night->resets = (uint16_t)get_u16(at);
    night->services = (uint16_t)get_u16(at + 2);
    night->doors = (uint16_t)get_u16(at + 4);
    return sound ? (size_t)(at + 6 - bytes) : 0;
}
