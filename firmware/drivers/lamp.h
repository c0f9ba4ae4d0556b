/*
 * A lamp behind a relay. Whether it is lit is told by its current, where that is measured, and else
 * by the relay and the time it needs to start. A lamp that was off rests before it goes on
 * again (a discharge lamp must cool, a relay must not chatter); one that does not light is tried
 * again after a while. Times are monotonic.
 */
#ifndef FIRMWARE_LAMP_H
#define FIRMWARE_LAMP_H

#include "hal/hal.h"

struct lamp_settings {
    unsigned pin;     /* of the relay */
    bool has_current; /* its current is measured */
    unsigned input;   /* at this analogue input */
    int32_t lit_ua;   /* which shows at least so much when it is lit */
    int64_t start_ns; /* how long it may take to light, and to go out */
    int64_t rest_ns;  /* off at least so long before it goes on again */
    int64_t retry_ns; /* one that did not light is tried again after so long */
};

enum lamp_state {
    LAMP_OFF,
    LAMP_RESTING,  /* wanted, and not yet allowed to go on */
    LAMP_STARTING, /* switched on */
    LAMP_LIT,
    LAMP_FAILED, /* does not light; switched off, will be tried again */
    LAMP_STUCK   /* burns though it was switched off: a welded relay */
};

/* Read state and the numbers; change nothing. */
struct lamp {
    struct lamp_settings settings;
    struct hal_pins pins;
    enum lamp_state state;
    bool relay;          /* as switched */
    int64_t switched_ns; /* when it was */
    int64_t stepped_ns;  /* how far lit_ms goes */
    int64_t lit_seen_ns; /* when its current last showed it lit */
    uint32_t lit_ms;     /* since the start, wraps */
    uint32_t starts;     /* how often it was switched on */
    uint32_t failures;   /* how often it did not light or went out */
    uint32_t blind;      /* readings of the current that failed */
};

/*
 * Switches the relay off: how long it was off before is not known, so it rests. settings and pins
 * are copied.
 */
void lamp_init(struct lamp *lamp, const struct lamp_settings *settings, const struct hal_pins *pins,
               int64_t now_ns);

/* Call at least once a second. */
void lamp_step(struct lamp *lamp, bool wanted, int64_t now_ns);

/* LIT, or STUCK: it draws insects. */
bool lamp_is_lit(const struct lamp *lamp);

#endif
