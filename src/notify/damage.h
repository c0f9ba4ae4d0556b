/* A damaged database file: never opened again, never thrown away. */
#ifndef NOTIFY_DAMAGE_H
#define NOTIFY_DAMAGE_H

#include <sqlite3.h>
#include <stdbool.h>

#include "base/problem.h"

#define DAMAGED_MAX 100 /* that are kept; a further one takes the place of the last */

/* Was it damage that the last call on db met? NULL is none. */
bool damage_met(sqlite3 *db);

enum damage { DAMAGE_NONE, DAMAGE_FOUND, DAMAGE_UNKNOWN };

/* Reads the whole structure of db. The problem says what was found, or why it could not be read. */
enum damage damage_look(sqlite3 *db, struct problem *problem);

/* Moves the file, which nobody here has open, to path.damaged-N with what SQLite keeps beside it.
 * False when it cannot be moved. */
bool damage_set_aside(const char *path, struct problem *problem);

#endif
