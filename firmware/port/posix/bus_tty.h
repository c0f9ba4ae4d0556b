/*
 * A line to sensors on a computer: a serial port, a pseudo terminal or a unix socket. Adapters for
 * RS-485 are to switch the direction by themselves. A break is a break on a serial port; where
 * there is none, on sockets and pseudo terminals, it goes as the byte 0, which is what a receiver
 * sees of it.
 */
#ifndef FIRMWARE_POSIX_BUS_TTY_H
#define FIRMWARE_POSIX_BUS_TTY_H

#include <stdbool.h>

#include "base/problem.h"
#include "hal/hal.h"

struct bus_tty;

/*
 * where: "unix:PATH", a socket that somebody listens on, or a device's path. It is opened when the
 * line is configured, and again when it was lost. where must outlive the bus. NULL: out of memory.
 */
struct bus_tty *bus_tty_create(const char *where);
void bus_tty_free(struct bus_tty *bus);

/* Opens it now, to see whether it can be: false with problem set, but it may come later. */
bool bus_tty_try(struct bus_tty *bus, struct problem *problem);

/* False if it was never opened, or was lost. */
bool bus_tty_is_open(const struct bus_tty *bus);

const struct hal_bus *bus_tty_hal(const struct bus_tty *bus);

#endif
