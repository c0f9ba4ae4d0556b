/*
 * What makes a pest-light trap of a station: a section of its provisioning page (provision.h),
 * written in the workshop. Where its pins and lines are is the board's own matter.
 *
 * Form, little-endian; angles in 1e-7 degrees, north and east positive:
 *
 *    0  i32 latitude       4  i32 longitude      8  i32 local time - UTC, seconds
 *   12  i32 elevation of the sun at dusk and dawn
 *   16  u8 from, u8 until: enum trap_moment     18  u8 who counts: 0 a beam, 1 a classifier
 *   19  u8 what is wired: bits of enum trap_wired
 *   20  i32 from         24  i32 until: seconds, as of struct trap_edge
 *   28  u32 wind stop    32  u32 wind go: mm/s   36  u32 battery low   40  u32 battery good: mV
 *   44  u32 x 3 hold of rain, wind, battery      56  u32 a silent sensor gates so long: seconds
 *   60  u32 the lamp starts   64  rests          68  is tried again after: seconds
 *   72  u32 how long an insect keeps the beam, microseconds
 *   76  u8 classes, then of each its parameter; then those of wind and battery, empty = not
 *       measured. A text is its length (u8) and its bytes.
 */
#ifndef FIRMWARE_TRAP_PAGE_H
#define FIRMWARE_TRAP_PAGE_H

#include "provision.h"
#include "trap.h"

enum trap_wired {
    TRAP_WIRED_RAIN = 1,   /* a switch, on while wet */
    TRAP_WIRED_GAUGE = 2,  /* a rain gauge's pulses */
    TRAP_WIRED_DOOR = 4,   /* on while open */
    TRAP_WIRED_BUTTON = 8, /* that says "emptied" */
    TRAP_WIRED_ALL = 15
};

struct trap_page {
    struct trap_settings settings; /* its texts stand in bytes */
    bool classifier;               /* else a beam counts */
    unsigned wired;                /* of enum trap_wired */
    int64_t lamp_start_ns, lamp_rest_ns, lamp_retry_ns;
    int64_t beam_dead_ns;
    uint8_t bytes[PROVISION_TRAP_MAX];
};

/*
 * Reads the section that the page has (trap_length > 0). False: it is none, or its settings are not
 * possible; *page is undefined then. page must not be moved afterwards.
 */
bool trap_page_read(const struct hal_flash *flash, const struct provision *provision,
                    struct trap_page *page);

#endif
