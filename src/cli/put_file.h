/*
 * Files that a command leaves behind, for people and other programs to read: whole or not at all,
 * whatever happens meanwhile.
 */
#ifndef CLI_PUT_FILE_H
#define CLI_PUT_FILE_H

#include <stdbool.h>
#include <stdio.h>

#include "base/problem.h"

#define PUT_FILE_PRIVATE 0600 /* for its owner alone */

/* Writes the content; false with errno. */
typedef bool put_content(void *context, FILE *file);

/*
 * Puts a file in place of path, or makes it. It keeps the old one's owner (a new one gets the
 * folder's, when root writes) and whether the owner's group may read it; nobody else may. Callers
 * see to it that they are alone (files_lock).
 */
bool put_file_replace(const char *path, put_content *write, void *context, struct problem *problem);

/* Makes a file with exactly these rights. What is there already stays as it is and is a problem. */
bool put_file_new(const char *path, unsigned mode, put_content *write, void *context,
                  struct problem *problem);

#endif
