/*
 * Commands of the collector (contract: cmd and rsp). A command is one flat JSON
 * object; what the station does not know is answered, what is no command is dropped.
 */
#ifndef FIRMWARE_COMMAND_H
#define FIRMWARE_COMMAND_H

#include "phusa/text.h"

#define COMMAND_BYTES_MAX 1024 /* of a command */
#define COMMAND_ID_MAX                                                                             \
    64 /* bytes of an id; ids hold printable ASCII without quote and backslash                     \
        */
#define COMMAND_RSP_MAX 192 /* bytes of an answer */

struct command {
    struct phusa_text id, action; /* into the JSON */
};

/* True if json is an object with the members id and do, both plain strings. */
bool command_parse(struct phusa_text json, struct command *command);

/* The answer; error NULL = done. Not terminated. Returns its length. */
size_t command_answer(const struct command *command, const char *error,
                      char buffer[COMMAND_RSP_MAX]);

#endif
