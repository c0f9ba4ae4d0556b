/*
 * What was set aside, as the quarantine keeps it: a JSON object that a person can read and from
 * which it can be taken again.
 *
 *   always           "reason", "detail"; "station" when one of the registry is meant
 *   a whole message  "offset", "received_ns", "message" (and "cut" when it is only its beginning)
 *   one reading      "name" (as sent, with what stood before the parameter), "unit", "time_ns"
 *                    (unless unusable), "state", "received_ns"; "value" (number or boolean),
 * "string" or "data"; "doubtful" when it was dated by its arrival a line           "line", which
 * the store refused
 *
 * What people sent may be no text: "<key>_hex" then stands for message, name, unit, string.
 */
#ifndef PIPELINE_ASIDE_H
#define PIPELINE_ASIDE_H

#include <jansson.h>

#include "pipeline.h"

#define ASIDE_LINE_MAX 65536 /* bytes of a line that can be put back */

/* The description of a message or reading; the caller's to free. NULL when out of memory. */
json_t *aside_describe(const struct set_aside *item);

/* True if the description (the payload of a record of the quarantine) holds all that is needed to
 * take it again: not what was cut, and not what went with a full spool. */
bool aside_can_requeue(struct phusa_text description);

enum aside_kind { ASIDE_MESSAGE, ASIDE_READING, ASIDE_LINE };

/* A description that was read. Texts live until aside_free. */
struct aside {
    enum aside_kind kind;
    enum phusa_reason reason;
    struct phusa_text station; /* in whose name it was counted; empty = of no known station */
    int64_t received_ns;       /* >= 0; message, reading */
    struct phusa_text text;    /* the message or the line */
    struct phusa_reading reading;
    bool reconstructed;
    json_t *json; /* what the texts point into */
    char *bytes;  /* what stood there in hex */
};

/* Reads a description; false if it cannot be put back (or out of memory): nothing is to be freed.
 */
bool aside_parse(struct phusa_text description, struct aside *aside);
void aside_free(struct aside *aside);

#endif
