/*
 * phusa: one command a file. Each takes its own argv (argv[0] is the command's
 * name) and returns the exit code: 0 good, 1 the thing checked is bad, 2 usage.
 * Data goes to stdout, messages to stderr.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "phusa/text.h"
#include "settings/settings.h"

enum cli_exit { CLI_GOOD = 0, CLI_BAD = 1, CLI_USAGE = 2 };

int cli_decode(int argc, char **argv);
int cli_journal(int argc, char **argv);
int cli_replay(int argc, char **argv);
int cli_tap(int argc, char **argv);

/* Loads what is needed of a configuration and prints its mistakes; NULL if there are any. */
struct settings *cli_load(const char *file, unsigned need);

/* Text from outside for a terminal: control characters become \xNN. */
void cli_print_plain(FILE *out, struct phusa_text text);

/*
 * The configuration to use when none is named: $PHUSA_CONFIG, else the one beside the
 * program's source tree or installation, else config/phusa.cfg here. NULL if there is none.
 */
const char *cli_default_config(char *buffer, size_t capacity);

#endif
