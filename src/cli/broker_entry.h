/* mosquitto's password file: one line a user, USER:HASH. */
#ifndef CLI_BROKER_ENTRY_H
#define CLI_BROKER_ENTRY_H

#include <stdbool.h>

#include "base/problem.h"

/*
 * Adds a line to the file, or makes it: replaced as a whole under a lock (PATH.lock), with its
 * rights as they were. False with a problem that begins with the path, and nothing changed, also
 * when the entry's user is there already.
 */
bool broker_entry_add(const char *path, const char *entry, struct problem *problem);

#endif
