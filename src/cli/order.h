/*
 * Orders to a station: words of the command line become a command of the contract (`cmd`), and
 * what the station answers (`rsp`) becomes lines for people. No I/O but the file of `set`.
 *
 * What a station takes is judged by the station, whose words then say what would be right; here
 * only what would not be a command at all is refused, and text where a setting is a number or a
 * flag.
 */
#ifndef CLI_ORDER_H
#define CLI_ORDER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/problem.h"
#include "cli/cli.h"
#include "phusa/text.h"

#define ORDER_BYTES_MAX  2048               /* of a command: the most that a station reads */
#define ORDER_ID_MAX     64                 /* bytes of a command's id */
#define ORDER_ANSWER_MAX ((size_t)16 << 10) /* bytes of an answer; stations stay below 1,600 */

enum order_option {
    ORDER_MINUTES,
    ORDER_FOR,
    ORDER_FROM,
    ORDER_TO,
    ORDER_TRIAL,
    ORDER_BY,
    ORDER_OPTIONS
};

struct order {
    const char *const *words; /* what is to be done, and what belongs to it */
    size_t count;
    const char *options[ORDER_OPTIONS]; /* as written; NULL = not given */
};

/* True if a station takes it: 1 to 64 printable ASCII characters, no quote, no backslash. */
bool order_id_valid(const char *id);

/* Writes the command, terminated. CLI_USAGE with a problem if the words are none of ours, CLI_BAD
 * if a file cannot be read or the command is too long for a station. */
enum cli_exit order_build(const struct order *order, const char *id, char text[ORDER_BYTES_MAX + 1],
                          struct problem *problem);

enum order_outcome {
    ORDER_DONE,
    ORDER_REFUSED,
    ORDER_ON_TRIAL /* settings are in force, and their trial's end will be told */
};

/* The answer, if payload is one to the command of that id; to be released with json_decref. NULL
 * if it is anything else. */
json_t *order_answer_read(struct phusa_text payload, const char *id);

/* trial_s: how long the trial lasts, if it is one. */
enum order_outcome order_answer_judge(const json_t *answer, int64_t *trial_s);

/* What the station said was wrong. */
const char *order_answer_error(const json_t *answer);

/* Its values but id and ok, one a line, in the order of the answer; times as UTC. */
void order_answer_print(FILE *out, json_t *answer);

#endif
