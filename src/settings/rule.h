/* Rules: when a reading becomes an alarm (contract, Rules). Plain data, checked at load. */
#ifndef SETTINGS_RULE_H
#define SETTINGS_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "phusa/parameter.h"
#include "settings/station.h"

#define RULES_MAX          4096
#define RULE_LEVELS_MAX    4 /* one for each severity */
#define RULE_CHANNELS_MAX  16
#define RULE_STATIONS_MAX  1024
#define RULE_TAGS_MAX      32   /* values of all its tags */
#define RULE_INHIBITS_MAX  8    /* alarms that silence one rule */
#define RULE_OVERRIDES_MAX 256  /* groups of stations with levels of their own, of one rule */
#define RULE_FLAPPING_MAX  32   /* changes that can be looked back on */
#define RULE_RATE_SAMPLES  8192 /* readings that a rate can look back on: 14 d at 5 min, twice */

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

/* What a rule judges. */
enum rule_subject {
    RULE_VALUE,  /* the reading, window or index itself */
    RULE_RATE,   /* its change per hour over rate_over_ns */
    RULE_MISSING /* that nothing comes: levels have no limits, only `for` counts on top */
};

/* When a rule judges, by local time of the reading. days 0 = always. */
struct rule_schedule {
    unsigned days; /* bit 0 Monday .. bit 6 Sunday, of the day on which a span begins */
    int32_t from_s,
        until_s; /* seconds of the day; from = until: the whole day; may span midnight */
};

/* An alarm that changes too often is calmed (ISA-18.2, chattering). changes 0 = never. */
struct rule_flapping {
    int64_t changes;   /* told so often ... */
    int64_t within_ns; /* ... within this time of readings: flapping */
    int64_t calm_ns;   /* without a change for so long: over */
};

/* Whom to tell when nobody acknowledges. after_ns 0 = nobody. */
struct rule_escalation {
    int64_t after_ns;
    enum severity from; /* alarms of this severity and above */
    size_t channels[RULE_CHANNELS_MAX];
    size_t channel_count;
};

struct message_template;

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
    const char *message_vi, *message_en;    /* one line each for people */
    const struct message_template *message; /* NULL: the two above are all there is */
    enum rule_subject subject;
    int64_t rate_over_ns; /* RULE_RATE */
    int64_t missing_ns;   /* RULE_MISSING: silence of so long; 0 = missing_every of the station's */
    double missing_every; /* RULE_MISSING: multiples of `every` */
    struct rule_schedule schedule;
    const char *const *inhibited_by; /* ids of rules, or of the collector's own alarms: while one of
                                        them is active at the station, this one is not told */
    size_t inhibit_count;
    struct rule_flapping flapping;
    struct rule_escalation escalation;
    const char *use;  /* what the water, air ... is for; subscribers choose by it; NULL = none */
    double threshold; /* a subscriber's own limit, for a rule made of one; NaN = none */
    /* Rules that were made of another one. A rule with other levels at some stations is several:
     * `base` says of which; they have its id, and none has a station of another. A subscriber's own
     * limit makes a rule with an id of its own. */
    const struct rule *base;   /* NULL = as it was written */
    const char *const *except; /* ids of stations that another of the same id is for */
    size_t except_count;
    bool enabled; /* as it was configured; a rulebook holds no others */
    const char *file;
    int line;
};

/* True if the station's tags are those that the rule asks for, or it asks for none. */
bool rule_tags_match(const struct rule *rule, const struct station *station);

/* True if the rule is for the station: its kind, its tags, and the ids that it lists or leaves to
 * another of the same id. */
bool rule_concerns(const struct rule *rule, const struct station *station);

struct rulebook {
    const struct rule *rules; /* those enabled, in the order of the files (sorted by name) */
    size_t count;
};

#endif
