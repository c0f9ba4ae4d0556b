/*
 * The check list of the porting guide (docs/porting.md) as a program: runs over what a port gives
 * to the core (hal.h) and says a line for each item:
 *
 *     [pass] flash: an erase sets the whole block to 0xFF
 *     [FAIL] clock: monotonic time goes on: in 100 ms it went on by, in ms: 0
 *     [skip] bus: what is sent comes back: no loop-back is connected
 *     32 passed, 1 failed, 4 left out
 *
 * Two resets belong to it, one asked for and one by the watchdog. Between them it keeps notes in
 * block 0 of the flash; main calls it again after each start, and it goes on where it was.
 */
#ifndef FIRMWARE_PORT_CHECK_H
#define FIRMWARE_PORT_CHECK_H

#include "hal/hal.h"

#define CHECK_LINE_MAX 192 /* bytes of a line, its end included */

/* What is to be looked at. Whatever is all zeros is left out, and said to be. */
struct check_port {
    void *context; /* of the three functions that follow, which must be there */
    struct hal_time (*now)(void *context);
    /*
     * Lets about ms milliseconds pass, while all that the port's main loop does is done (the
     * network, the buses ...), and the watchdog is fed if feed says so. False: the board went down
     * meanwhile (where code outlives that, in a test); check_run returns CHECK_RESTARTS then.
     */
    bool (*pause)(void *context, uint32_t ms, bool feed);
    void (*say)(void *context, const char *line); /* without line end */

    struct hal_flash flash; /* ALL THAT IS IN IT IS LOST; at least two blocks */
    struct hal_random random;
    struct hal_board board;
    uint32_t watchdog_ms; /* it bites when it was not fed for so long */

    struct hal_bus bus;
    struct hal_line line; /* one that it is made for */
    bool bus_loops;       /* what is sent comes back: a wire from its output to its input */
    bool bus_timed;       /* bytes take the time of their line; on sockets they do not */

    struct hal_pins pins;
    bool pins_loop;      /* a wire goes from output to input and to the counter */
    unsigned output;     /* hal_pins.set */
    unsigned input;      /* hal_pins.get */
    unsigned counter;    /* hal_pins.edges */
    unsigned loop_count; /* current loops 0 .. loop_count - 1; 0: none */

    struct hal_sensors sensors; /* with something at each channel that answers */
    size_t channels;
    uint32_t sensors_ms; /* a round takes so long at most */

    struct hal_network network; /* with a broker that can be reached */
    uint32_t network_ms;        /* a connection is made within so long */
};

struct check_tally {
    uint32_t passed, failed, skipped;
};

enum check_end {
    CHECK_DONE,    /* all is said */
    CHECK_RESTARTS /* the board goes down now: start it and call again */
};

/* Goes through the list. tally: of the whole list, the parts before a reset included. */
enum check_end check_run(const struct check_port *port, struct check_tally *tally);

#endif
