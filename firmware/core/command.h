/*
 * Commands of the collector (contract: cmd and rsp). A command is one JSON object with `id` and
 * `do`; what else it has is an argument. What the station does not know is answered; of what is
 * malformed or too long, what has an id that can be read is answered, too.
 */
#ifndef FIRMWARE_COMMAND_H
#define FIRMWARE_COMMAND_H

#include <stdint.h>

#include "phusa/text.h"

#define COMMAND_BYTES_MAX 2048 /* of a command */
#define COMMAND_ID_MAX                                                                             \
    64 /* bytes of an id; ids hold printable ASCII without quote and backslash                     \
        */
#define COMMAND_TEXT_MAX                                                                           \
    64 /* bytes of an operator, parameter or step that is written with escapes */
#define COMMAND_RSP_MAX 1600 /* bytes of an answer; that to `report` is the longest */

/* Arguments that a command was given: bits of `has`. */
#define COMMAND_HAS_ON        1u
#define COMMAND_HAS_FROM      2u
#define COMMAND_HAS_TO        4u
#define COMMAND_HAS_REFERENCE 8u
#define COMMAND_HAS_MINUTES   16u
#define COMMAND_HAS_SECONDS   32u
#define COMMAND_HAS_TRIAL     64u

/* Texts point into the JSON, one with escapes into `meant`; those not given have no data. */
struct command {
    struct phusa_text id, action;
    struct phusa_text parameter, step, operator_name;
    struct phusa_text settings;     /* a JSON object */
    struct phusa_text coefficients; /* a JSON array */
    unsigned has;
    bool on;
    uint64_t from, to, minutes, seconds, trial_s;
    double reference;
    char meant[COMMAND_TEXT_MAX]; /* what the text with escapes means; one may have some */
    size_t meant_length;
};

/*
 * True if json is an object of at most COMMAND_BYTES_MAX with id and do, and with arguments of
 * the right kind. When false, command->id is set if it could be read before the mistake, and
 * empty otherwise.
 */
bool command_parse(struct phusa_text json, struct command *command);

/* Reads at most `most` numbers of a JSON array; returns how many there are, 0 if it is none. */
size_t command_numbers(struct phusa_text array, double *numbers, size_t most);

#endif
