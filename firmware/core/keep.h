/*
 * Small records that survive: settings, calibrations, the night under way, the count of
 * boots. Each lies in a slot of its own; writing a slot replaces what it held, as a whole or
 * not at all. Format and recovery rule: see keep.c.
 *
 * Static memory only; the flash is the HAL's, an area of its own beside the log's.
 */
#ifndef FIRMWARE_KEEP_H
#define FIRMWARE_KEEP_H

#include "hal/hal.h"

#define KEEP_SLOTS        32  /* slots are 1 .. KEEP_SLOTS */
#define KEEP_BYTES_MAX    512 /* of one record */
#define KEEP_CALIBRATIONS 16  /* channels that can have a calibration */

/* Who has which slot. Each owner puts a version in front of what it keeps. */
enum keep_slot {
    KEEP_BOOT = 1,        /* diagnostics: boots, why, when the clock was last right */
    KEEP_SETTINGS = 2,    /* the settings in force, unless some are on trial */
    KEEP_TRIAL = 3,       /* settings on trial */
    KEEP_MAINTENANCE = 4, /* maintenance under way */
    KEEP_COMMAND = 5,     /* the latest commands that were done, and their answers */
    KEEP_NIGHT = 6,       /* a trap's night under way */
    KEEP_NIGHTS = 7,      /* its nights that closed and are not told yet */
    KEEP_PROCEDURE = 8,   /* a calibration under way */
    KEEP_CALIBRATION = 9, /* the first of KEEP_CALIBRATIONS */
    KEEP_BOARD = 25       /* 25 .. 32: the port's own */
};

enum keep_status {
    KEEP_OK = 0,
    KEEP_ABSENT, /* nothing is kept in that slot */
    KEEP_FULL,   /* all records together do not fit in a block; nothing was changed */
    KEEP_BROKEN  /* the flash does not do what it is asked; what was kept before still is */
};

/* Read what you like; change nothing. */
struct keep {
    struct hal_flash flash;
    uint32_t number;              /* ordinal of the block in use; 0 = none yet */
    uint32_t last;                /* ordinal given last: erases of the area so far */
    uint32_t block;               /* in use */
    uint32_t write_offset;        /* in it; block_size = it is closed */
    uint32_t offsets[KEEP_SLOTS]; /* where the latest record of each slot lies in it, 0 = none */
    uint16_t lengths[KEEP_SLOTS]; /* and its length */
    bool dirty;                   /* the next sync has something to do */
};

/*
 * Finds what is kept; changes nothing. KEEP_BROKEN if the geometry is impossible, or if
 * nothing is found in a flash that cannot be read everywhere: what may still be there is not
 * begun anew, and every other call then says KEEP_BROKEN.
 */
enum keep_status keep_open(struct keep *keep, const struct hal_flash *flash);

/*
 * Copies what slot holds to buffer. KEEP_OK with *length > 0, KEEP_ABSENT, or KEEP_BROKEN:
 * it cannot be read, or is longer than capacity.
 */
enum keep_status keep_read(const struct keep *keep, unsigned slot, void *buffer, size_t capacity,
                           size_t *length);

/*
 * Replaces what slot holds; length 0 empties it, at most KEEP_BYTES_MAX. The same bytes again
 * cost nothing. Durable after the next keep_sync: a cut before leaves the old or the new, and
 * of several writes the later ones never without the earlier ones.
 */
enum keep_status keep_write(struct keep *keep, unsigned slot, const void *bytes, size_t length);

/* Makes what was written durable; does nothing when there is nothing. BROKEN: ask again. */
enum keep_status keep_sync(struct keep *keep);

/* Erases of the area so far, for the health of the flash; failed ones included. */
uint32_t keep_erases(const struct keep *keep);

#endif
