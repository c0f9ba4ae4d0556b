/* Topics of the contract: phusa/1/<site>/<station>/<leaf>[/<rest>]. */
#ifndef PHUSA_TOPIC_H
#define PHUSA_TOPIC_H

#include "phusa/status.h"
#include "phusa/text.h"

#define PHUSA_ID_MAX    32  /* bytes of a site's or station's id */
#define PHUSA_TOPIC_MAX 160 /* bytes of any topic of ours, without the terminator */

enum phusa_leaf {
    PHUSA_LEAF_OBS,
    PHUSA_LEAF_STATUS,
    PHUSA_LEAF_ACK,
    PHUSA_LEAF_CMD,
    PHUSA_LEAF_RSP,
    PHUSA_LEAF_ALARM, /* `rest` is the rule */
    PHUSA_LEAF_BOARD  /* station is "board", `rest` the board's id */
};

struct phusa_topic {
    struct phusa_text site, station, rest;
    enum phusa_leaf leaf;
};

/* True if text is an id: [a-z0-9][a-z0-9-]{0,31}. */
bool phusa_id_valid(struct phusa_text text);

/* Takes a topic apart; the texts point into it. PHUSA_ERR_SYNTAX if it is not one of ours. */
enum phusa_status phusa_topic_parse(struct phusa_text topic, struct phusa_topic *parsed);

/*
 * Writes a topic, terminated, into buffer. rest may be empty. Returns its
 * length, or 0 if capacity is too small or a part is not valid.
 */
size_t phusa_topic_print(const struct phusa_topic *topic, char *buffer, size_t capacity);

#endif
