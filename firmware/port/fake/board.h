/* A board with a watchdog that can be reset: what runs on it notices by fake_board.down. */
#ifndef FIRMWARE_FAKE_BOARD_H
#define FIRMWARE_FAKE_BOARD_H

#include "hal/hal.h"

struct fake_board {
    enum hal_reset why;      /* of the start we are in */
    enum hal_reset next_why; /* of the next one, while down */
    bool down;               /* nothing runs until the next start */
    unsigned resets, feeds, bites;
    int64_t watchdog_ns; /* it bites when nobody fed it for so long; 0: it never does */
    int64_t hungry_ns;   /* since it was fed */
};

/* Time passes for the watchdog. */
void fake_board_pass(struct fake_board *board, int64_t duration_ns);

/* Starts again: after a reset for its reason, else because power came back. */
void fake_board_start(struct fake_board *board);

/* The operations; reset() returns, with the board down. Valid as long as board. */
struct hal_board fake_board_hal(struct fake_board *board);

#endif
