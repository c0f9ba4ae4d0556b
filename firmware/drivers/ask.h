/*
 * Asks one device of a hub by hand, beside the hub's rounds: is it there? Of a Modbus device its
 * first registers are read, a sensor on SDI-12 is called by its address (a!), current loops are
 * measured. Pulse inputs only count: there is nothing to ask.
 *
 * Rounds go before. A device is asked when no round needs its line, and the line is given back
 * after one exchange; a round that begins meanwhile waits for the end of that: the device's timeout
 * and a little on Modbus, some 2 s on SDI-12, whose commands are repeated. No value, pulse or count
 * of the rounds changes; but a device that answers is not left alone any more: the next round asks
 * it.
 */
#ifndef FIRMWARE_ASK_H
#define FIRMWARE_ASK_H

#include "hub.h"

#define ASK_LINE_NS                                                                                \
    (INT64_C(10) * 1000000000) /* so long it waits for the line, at each attempt                   \
                                */
#define ASK_ATTEMPTS 2         /* on Modbus; one answer in many may be damaged */

enum ask_result {
    ASK_UNDER_WAY,
    ASK_ANSWERS,
    ASK_NOTHING,     /* there is nothing to ask: it only counts */
    ASK_FAILED,      /* see trouble */
    ASK_BAD_CURRENT, /* of a loop: a broken wire, or its transmitter reports a fault (NE 43) */
    ASK_LINE_TAKEN   /* rounds need the line all the time: it was not asked */
};

/* The owner provides the memory and writes nothing in it. */
struct ask {
    struct hub *hub;
    size_t device; /* of the map */
    enum ask_result result;
    enum hub_trouble trouble; /* with ASK_FAILED: of the latest attempt */
    uint8_t exception;        /* with HUB_REFUSED: Modbus' code */
    bool has_current;         /* it is a loop ... */
    int32_t current_ua;       /* ... of so many microamperes; the bad one of several */
    size_t job;               /* HUB_JOBS_MAX: none */
    unsigned attempts;        /* that are left */
    bool tried;               /* it was asked once at least */
    bool talking;             /* the line is ours */
    int64_t until_ns;         /* how long it waits for the line */
};

/*
 * Begins; the hub was stepped before, and what ask was last used for has ended. The hub must not
 * be moved.
 */
void ask_begin(struct ask *ask, struct hub *hub, size_t device);

/*
 * Goes on; to be called after each hub_step, with whose time it works, until it is not
 * ASK_UNDER_WAY any more: the line is lent until then.
 */
enum ask_result ask_step(struct ask *ask);

#endif
