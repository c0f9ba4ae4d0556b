/* The board itself: time since the start, watchdog, reset, lights. */
#ifndef MPS2_BOARD_H
#define MPS2_BOARD_H

#include "hal/hal.h"

#define BOARD_WATCHDOG_S 10u /* longer than any step takes; a handshake of TLS is the longest */

/* The lights, as pins. */
enum board_pin {
    BOARD_PIN_LINK,
    BOARD_PIN_TROUBLE,
    BOARD_PIN_IDENTIFY,
    BOARD_PIN_LAMP, /* a trap's */
    BOARD_PINS
};

/* Begins to watch; from the first instruction on. */
void board_arm_watchdog(void);

/* Starts the counter and the tick. First thing in main. */
void board_start(void);

/* Nanoseconds since board_start; never goes back. Ask at least once an hour. */
int64_t board_mono_ns(void);

/* Sleeps until an interrupt, at most about a millisecond. */
void board_sleep(void);

/* Lets interrupt number irq (below 32) through. */
void board_allow_interrupt(unsigned irq);

/* Resets; the next start is told why. Does not return. */
_Noreturn void board_reset_because(enum hal_reset why);

/* The lights as pins to set, the buttons as pins to get; nothing counts edges or measures currents.
 */
struct hal_pins board_pins(void);

/* Bytes of the stack that were never used. */
size_t board_stack_free(void);

struct hal_board board_hal(void);

#endif
