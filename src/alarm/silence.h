/*
 * Rules with `missing`: a series of which nothing comes (contract, Rules).
 *
 * Silence begins with the newest reading, or with `from_ns` where that is later: one cannot miss
 * what one was not listening to. A level is reached when silence has lasted for the rule's time
 * and the level's `for` on top, at exactly that moment, unless a reading is of that moment; of
 * levels that are reached at once only the gravest is. The next reading ends it, at its time. So a
 * replay gives the same, whenever it looks. Pure; the state is alarm_series, of which the live
 * machine is used without its levels.
 */
#ifndef ALARM_SILENCE_H
#define ALARM_SILENCE_H

#include "alarm/machine.h"

/* How long nothing may come. */
int64_t alarm_silence_ns(const struct rule *rule, int64_t every_ns);

struct alarm_silence {
    int64_t from_ns;  /* since when one has listened */
    int64_t every_ns; /* of the station */
    int64_t until_ns; /* nothing came until here, itself left out */
    int64_t now_ns;   /* of the journal: what is older than live_within is of the past */
};

/* The next level that was reached; false when there is none. To be asked until then. */
bool alarm_silence_next(const struct rule *rule, struct alarm_series *series,
                        const struct alarm_silence *silence, struct alarm_change *change);

/* When that will be; INT64_MAX when no further level can be reached. */
int64_t alarm_silence_due(const struct rule *rule, const struct alarm_series *series,
                          const struct alarm_silence *silence);

/* Silence lasts, and people do not know it yet: what was of the past when it was found, or was held
 * back, is due to be told at now_ns. Ask after alarm_silence_next. */
bool alarm_silence_lasts(const struct alarm_series *series, const struct alarm_silence *silence,
                         struct alarm_change *change);

/* A reading came; late ones change nothing, and neither does one so old that it is silent all the
 * same. True if that ends the alarm, or the state is due to be told at a live reading. */
bool alarm_silence_ends(const struct rule *rule, struct alarm_series *series,
                        const struct alarm_silence *silence, int64_t time_ns,
                        struct alarm_change *change);

#endif
