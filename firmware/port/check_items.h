/* Inside the check list: what an item finds, and what items share. */
#ifndef FIRMWARE_PORT_CHECK_ITEMS_H
#define FIRMWARE_PORT_CHECK_ITEMS_H

#include "check.h"

#define CHECK_MILLI_NS INT64_C(1000000)
#define CHECK_BUFFER   512
#define CHECK_WAIT_MS  100 /* a call that takes longer waits for something */

enum check_outcome { CHECK_PASSED, CHECK_FAILED, CHECK_SKIPPED };

struct check_finding {
    enum check_outcome outcome;
    const char *why;
    bool has_number;
    int64_t number; /* said behind why */
};

/* One run of the list, from a start of the board to the next. */
struct check {
    const struct check_port *port;
    bool down;            /* the board is */
    bool flash;           /* there is one that can be used */
    uint32_t random;      /* what this start drew first ... */
    uint32_t last_random; /* and the one before it */
    uint8_t bytes[CHECK_BUFFER], found[CHECK_BUFFER];
};

struct check_item {
    const char *name;
    struct check_finding (*look)(struct check *check);
};

static inline struct check_finding check_passed(void)
{
    return (struct check_finding){ .outcome = CHECK_PASSED };
}

static inline struct check_finding check_failed(const char *why)
{
    return (struct check_finding){ .outcome = CHECK_FAILED, .why = why };
}

static inline struct check_finding check_failed_at(const char *why, int64_t number)
{
    return (struct check_finding){ CHECK_FAILED, why, true, number };
}

static inline struct check_finding check_skipped(const char *why)
{
    return (struct check_finding){ .outcome = CHECK_SKIPPED, .why = why };
}

static inline int64_t check_mono(const struct check *check)
{
    return check->port->now(check->port->context).mono_ns;
}

/* Milliseconds since a moment of check_mono. */
static inline int64_t check_since_ms(const struct check *check, int64_t from_ns)
{
    return (check_mono(check) - from_ns) / CHECK_MILLI_NS;
}

/* Lets time pass, and the watchdog have its food. False: the board is down; give up. */
static inline bool check_pause(struct check *check, uint32_t ms)
{
    check->down = check->down || !check->port->pause(check->port->context, ms, true);
    return !check->down;
}

/* Lists of items; each ends with an empty one. */
extern const struct check_item check_flash_items[];
extern const struct check_item check_bus_items[];
extern const struct check_item check_pin_items[];
extern const struct check_item check_sensor_items[];
extern const struct check_item check_network_items[];

/* Blocks as they must be: nothing else of the flash is looked at if they are not. */
struct check_finding check_flash_geometry(struct check *check);

/* What the item of the flash left before the reset is still there. */
struct check_finding check_flash_kept(struct check *check);

/* Writes what check_flash_kept looks for. False if that cannot be. */
bool check_flash_leave(struct check *check);

#endif
