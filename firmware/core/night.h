/*
 * One night of a pest-light trap: 12:00 to 12:00 local, (begin, end], named by its end. What was
 * caught in it, how long the lamp was lit, what kept it dark. One record, kept in
 * flash while it is under way, so that a reset continues it.
 */
#ifndef FIRMWARE_NIGHT_H
#define FIRMWARE_NIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NIGHT_NS        (INT64_C(86400) * 1000000000)
#define NIGHT_TIME_MAX  (INT64_C(7258118400) * 1000000000) /* 2200: no night ends later */
#define NIGHT_CLASSES   16                                 /* kinds of insects told apart */
#define NIGHT_STEP_MAX  100000 /* more of a kind between two looks at its counter is nonsense */
#define NIGHT_BYTES_MAX 128    /* of one saved */

enum night_gate { NIGHT_RAIN, NIGHT_WIND, NIGHT_BATTERY, NIGHT_GATES };

struct night {
    int64_t end_ns; /* wall time; 0 = none */
    uint32_t counts[NIGHT_CLASSES];
    uint32_t watched_ms;              /* the station was there to see */
    uint32_t lit_ms;                  /* the lamp was lit */
    uint32_t gated_ms[NIGHT_GATES];   /* it was to be lit but for rain (first), wind, battery */
    uint32_t dark_ms;                 /* it was to be lit and was not: broken, starting, resting */
    uint32_t unsure_ms;               /* counts are least ones: crowded, blocked, no classifier */
    uint32_t stray;                   /* insects that are in no count: by day, with the door open */
    uint16_t resets, services, doors; /* starts of the station, emptyings, openings */
};

/* Where the counters of insects stood at the last look. */
struct night_counters {
    bool known;
    uint32_t session; /* they begin at zero with each new one */
    uint32_t counts[NIGHT_CLASSES];
};

/* The end of the night that a wall time lies in. */
int64_t night_end(int64_t wall_ns, int32_t utc_offset_s);

/*
 * Adds what came since *seen to the night (counted) or to its strays, and moves *seen on. A
 * counter that made an impossible step adds nothing; returns false then. Without *seen nothing
 * is added: what is found is the base line.
 */
bool night_count(struct night *night, size_t classes, struct night_counters *seen,
                 const struct night_counters *now, bool counted);

/* Saves the night; returns the bytes, at most NIGHT_BYTES_MAX. */
size_t night_save(const struct night *night, size_t classes, uint8_t *bytes);

/* Reads one back. Returns the bytes it took, 0: it is none, *night is undefined. */
size_t night_load(struct night *night, const uint8_t *bytes, size_t length);

#endif
