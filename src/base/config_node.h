/* Inside of base/config: what the schema reader needs of a node. */
#ifndef BASE_CONFIG_NODE_H
#define BASE_CONFIG_NODE_H

#include "base/config.h"

enum config_kind {
    CONFIG_KIND_GROUP,
    CONFIG_KIND_LIST,
    CONFIG_KIND_STRING,
    CONFIG_KIND_BOOL,
    CONFIG_KIND_INTEGER,
    CONFIG_KIND_FLOAT
};

enum config_kind config_kind(const struct config_node *node);
bool config_bool(const struct config_node *node);
int64_t config_integer(const struct config_node *node);

/* A whole or fractional number as a double. */
double config_number(const struct config_node *node);

/* The member of that name, or NULL. */
const struct config_node *config_member(const struct config_node *group, const char *name);

const struct config_sink *config_sink_of(const struct config_node *node);

#endif
