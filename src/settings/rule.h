/* Rules: when a reading becomes an alarm (contract, Rules). Plain data, checked at load. */
#ifndef SETTINGS_RULE_H
#define SETTINGS_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "phusa/parameter.h"
#include "settings/station.h"

#define RULES_MAX         4096
#define RULE_LEVELS_MAX   4 /* one for each severity */
#define RULE_CHANNELS_MAX 16
#define RULE_STATIONS_MAX 1024
#define RULE_TAGS_MAX     32 /* values of all its tags */

/* Severities are CAP 1.2's; ascending, so they can be compared. */
enum severity {
    SEVERITY_NORMAL = 0,
    SEVERITY_MINOR,
    SEVERITY_MODERATE,
    SEVERITY_SEVERE,
    SEVERITY_EXTREME
};

/* "normal", "minor", "moderate", "severe", "extreme"; never NULL. */
const char *severity_name(enum severity severity);

enum rule_direction { RULE_ABOVE, RULE_BELOW, RULE_OUTSIDE };

struct rule_level {
    enum severity severity;
    /* above uses _high, below _low, outside both. clear never lies beyond raise. */
    double raise_low, raise_high, clear_low, clear_high;
    int64_t for_ns, clear_for_ns; /* >= 0 */
};

/* A rule that judges windows instead of readings (contract, Windows); WINDOW kinds and statistics
 * as in quality/window.h. */
enum rule_statistic { RULE_MEAN, RULE_MAX, RULE_MIN, RULE_SUM, RULE_COUNT };
enum rule_length { RULE_1H, RULE_8H, RULE_24H, RULE_DAY, RULE_NIGHT, RULE_YEAR };

struct rule_window {
    bool given; /* false: each reading */
    enum rule_statistic statistic;
    enum rule_length length;
    double coverage; /* 0 .. 1; below it there is no value */
};

/* How far the windows that a rule judges lie apart; 0 when it judges each reading. */
int64_t rule_window_step_ns(const struct rule_window *window);

struct rule {
    const char *id;   /* [a-z0-9][a-z0-9-]{0,31}, unique */
    const char *kind; /* of the stations it concerns */
    const struct phusa_parameter *parameter;
    const char *const *stations; /* when station_count > 0: only these ids */
    size_t station_count;
    /* When tag_count > 0: only stations whose own tags have, for each key that stands here, one of
     * the values that stand here with it. */
    const struct station_tag *tags;
    size_t tag_count;
    struct rule_window window;
    /* Readings from from_ns on and before until_ns are judged, and windows that end after from_ns
     * and not after until_ns: a limit in force. INT64_MIN and INT64_MAX when not given; until_ns 0
     * is not given, too. */
    int64_t from_ns, until_ns;
    enum rule_direction direction;
    struct rule_level levels[RULE_LEVELS_MAX]; /* ascending severity */
    size_t level_count;                        /* 1 .. RULE_LEVELS_MAX; 0 for maintenance alarms */
    int64_t max_gap_ns;                        /* > 0 */
    int64_t live_within_ns;                    /* 0 = max(3 x every, 15 min) of the station */
    uint16_t accept;                           /* bit n set: readings flagged n take part */
    size_t channels[RULE_CHANNELS_MAX];        /* indexes into settings->channels */
    size_t channel_count;
    const char *message_vi, *message_en; /* one line each for people */
    bool enabled;                        /* as it was configured; a rulebook holds no others */
    const char *file;
    int line;
};

/* True if the station's tags are those that the rule asks for, or it asks for none. */
bool rule_tags_match(const struct rule *rule, const struct station *station);

struct rulebook {
    const struct rule *rules; /* those enabled, in the order of the files (sorted by name) */
    size_t count;
};

#endif
