/* The registry: which stations exist, what they measure and how often. Plain data. */
#ifndef SETTINGS_STATION_H
#define SETTINGS_STATION_H

#include <stdint.h>

#include "phusa/parameter.h"
#include "phusa/topic.h"

#define STATIONS_MAX           20000 /* in a registry */
#define STATION_PARAMETERS_MAX 64    /* listed by one station */
#define STATION_TAGS_MAX       8     /* configured tags of one station */
#define STATION_NAMES_MAX      8     /* foreign base names of one station */
#define KIND_MAX               32    /* bytes of a kind, [a-z][a-z0-9_]* */

struct station_tag {
    const char *key, *value;
};

struct station {
    const char *id, *site, *kind; /* kind = the measurement in the store: water, air, trap, ... */
    const char *name;             /* for people, Vietnamese; the id when not given */
    double lat, lon;              /* degrees WGS 84; NaN when not given */
    int64_t every_ns;             /* expected distance of reports; > 0 */
    uint32_t
        backlog_rate; /* reports of its backlog a second, for phusa-station; 0 = as told there */
    const struct phusa_parameter *const *parameters; /* expected */
    size_t parameter_count;
    const struct station_tag *tags;
    size_t tag_count;
    const char *const *names; /* what may stand before a parameter besides ids (contract, Report) */
    size_t name_count;
    const char *file; /* where it was configured, for messages */
    int line;
};

struct registry {
    const struct station *stations; /* sorted by id (bytes) */
    size_t count;
};

/* The station of that id, or NULL. Binary search. */
const struct station *registry_find(const struct registry *registry, struct phusa_text id);

#endif
