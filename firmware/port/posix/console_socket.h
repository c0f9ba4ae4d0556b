/*
 * The line that a technician's console has on a computer: a unix socket, for one client at a time.
 * Try it with: socat - UNIX-CONNECT:PATH
 */
#ifndef FIRMWARE_POSIX_CONSOLE_SOCKET_H
#define FIRMWARE_POSIX_CONSOLE_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/problem.h"

struct console_socket;

/*
 * Listens at path, in place of a socket that a killed process left there; only its owner may
 * connect. path must outlive it. NULL with problem set.
 */
struct console_socket *console_socket_open(const char *path, struct problem *problem);

/* Removes path. */
void console_socket_close(struct console_socket *console);

/* Takes a client if there is one and none is here yet; true if so. */
bool console_socket_accept(struct console_socket *console);

/* Copies what was typed; returns its length, 0 for nothing. */
size_t console_socket_read(struct console_socket *console, char *bytes, size_t capacity);

/* What a client does not take at once, or nobody is there for, is lost. */
void console_socket_write(void *console, const char *bytes, size_t length);

#endif
