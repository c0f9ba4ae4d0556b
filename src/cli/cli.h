/*
 * phusa: one command a file. Each takes its own argv (argv[0] is "phusa" and the
 * command's name) and returns the exit code: 0 good, 1 the thing checked is bad, 2 usage.
 * Data goes to stdout, messages to stderr.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "phusa/text.h"
#include "settings/settings.h"

enum cli_exit { CLI_GOOD = 0, CLI_BAD = 1, CLI_USAGE = 2 };

#define CLI_PATH_MAX 4096
#define CLI_TIME_MAX 32 /* bytes of a time as text, with its terminator */

int cli_alarms(int argc, char **argv);
int cli_calc(int argc, char **argv);
int cli_decode(int argc, char **argv);
int cli_journal(int argc, char **argv);
int cli_ledger(int argc, char **argv);
int cli_messages(int argc, char **argv);
int cli_qc(int argc, char **argv);
int cli_quarantine(int argc, char **argv);
int cli_replay(int argc, char **argv);
int cli_resend(int argc, char **argv);
int cli_rules(int argc, char **argv);
int cli_station(int argc, char **argv);
int cli_subscribers(int argc, char **argv);
int cli_tap(int argc, char **argv);

/* Loads what is needed of a configuration and prints its mistakes and warnings; NULL if there are
 * mistakes. */
struct settings *cli_load(const char *file, unsigned need);

/* The same, of file or, when that is NULL, of cli_default_config. Says what is wrong as `phusa
 * COMMAND`. */
struct settings *cli_load_or_default(const char *command, const char *file, unsigned need);

/* The second line of every wrong usage: where to read more. Returns CLI_USAGE. */
int cli_point_to_help(const char *command);

/* Wrong usage: one line that names the mistake, as `phusa COMMAND`, and cli_point_to_help. */
int cli_misuse(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "2026-03-01T06:00:00+07:00", which --from and --to take */
void cli_local_time(int64_t ns, int32_t utc_offset_s, char text[CLI_TIME_MAX]);

/* Seconds since 1970 or ISO 8601 with an offset, to nanoseconds; false with a message. */
bool cli_read_time(const char *command, const char *option, const char *text, int64_t *ns);

/* A whole number in decimal, nothing else. */
bool cli_read_number(const char *text, uint64_t *number);

/* The same, of an option; false with a message. */
bool cli_read_count(const char *command, const char *option, const char *text, uint64_t *number);

/* Text from outside for a terminal: control characters become \xNN. */
void cli_print_plain(FILE *out, struct phusa_text text);

/*
 * The configuration to use when none is named: $PHUSA_CONFIG, else the one beside the
 * program's source tree or installation, else config/phusa.cfg here. NULL if there is none.
 */
const char *cli_default_config(char *buffer, size_t capacity);

#endif
