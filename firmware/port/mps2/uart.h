/* The two serial lines: a console for people, and the sensors' bus. */
#ifndef MPS2_UART_H
#define MPS2_UART_H

#include "hal/hal.h"

void console_start(void);

/* Sends bytes; waits for the line, not longer than a byte takes at its speed. */
void console_write(const void *bytes, size_t length);
void console_text(const char *text);
void console_number(uint64_t number);

/* From now on what is typed is kept (keyboard.c, which the small image does without). */
void console_listen(void);

/* Takes a byte that was typed; false if there is none. */
bool console_take(uint8_t *byte);

/*
 * UART 1. It knows eight bits and one stop bit; seven data bits with parity (SDI-12) are made of
 * these, other lines are refused. It cannot send a break.
 */
struct hal_bus bus_hal(void);

#endif
