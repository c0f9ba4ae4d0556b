#include "alarm/silence.h"

#define SECOND 1e9

int64_t alarm_silence_ns(const struct rule *rule, int64_t every_ns)
{
    return rule->missing_ns > 0 ? rule->missing_ns
                                : (int64_t)(rule->missing_every * (double)every_ns);
}

static int64_t begin(const struct alarm_series *series, const struct alarm_silence *silence)
{
    return series->live.any && series->live.last_ns > silence->from_ns ? series->live.last_ns
                                                                       : silence->from_ns;
}

/* The level that is reached next, the gravest of those that are at once; NULL when none is left. */
static const struct rule_level *next_level(const struct rule *rule,
                                           const struct alarm_series *series)
{
    const struct rule_level *next = NULL;
    for (size_t i = 0; i < rule->level_count; i++) {
        const struct rule_level *level = &rule->levels[i];
        if (level->severity > series->live.state &&
            (next == NULL || level->for_ns <= next->for_ns)) {
            next = level;
        }
    }
    return next;
}

int64_t alarm_silence_due(const struct rule *rule, const struct alarm_series *series,
                          const struct alarm_silence *silence)
{
    const struct rule_level *level = next_level(rule, series);
    return level == NULL
               ? INT64_MAX
               : begin(series, silence) + alarm_silence_ns(rule, silence->every_ns) + level->for_ns;
}

static void change_to(const struct rule *rule, struct alarm_series *series,
                      const struct alarm_silence *silence, enum severity to, int64_t time_ns,
                      struct alarm_change *change)
{
    bool live = alarm_is_live(rule, silence->every_ns, time_ns, silence->now_ns);
    *change = (struct alarm_change){ .from = series->live.state,
                                     .to = to,
                                     .time_ns = time_ns,
                                     .since_ns = time_ns,
                                     .value = series->value,
                                     .transition = true,
                                     .historical = !live,
                                     .tell = live && to != series->told };
    series->live.state = to;
    series->live.since_ns = time_ns;
}

/* The present state, if people do not know it yet. */
static bool due_to_be_told(const struct alarm_series *series, int64_t time_ns,
                           struct alarm_change *change)
{
    *change = (struct alarm_change){ .from = series->told,
                                     .to = series->live.state,
                                     .time_ns = time_ns,
                                     .since_ns = series->live.since_ns,
                                     .value = series->value,
                                     .tell = true };
    return series->told != series->live.state;
}

bool alarm_silence_next(const struct rule *rule, struct alarm_series *series,
                        const struct alarm_silence *silence, struct alarm_change *change)
{
    const struct rule_level *level = next_level(rule, series);
    int64_t due = alarm_silence_due(rule, series, silence);
    if (level == NULL || due >= silence->until_ns) {
        return false;
    }
    series->value = (double)(due - begin(series, silence)) / SECOND;
    change_to(rule, series, silence, level->severity, due, change);
    return true;
}

bool alarm_silence_lasts(const struct alarm_series *series, const struct alarm_silence *silence,
                         struct alarm_change *change)
{
    return series->live.state != SEVERITY_NORMAL && due_to_be_told(series, silence->now_ns, change);
}

bool alarm_silence_ends(const struct rule *rule, struct alarm_series *series,
                        const struct alarm_silence *silence, int64_t time_ns,
                        struct alarm_change *change)
{
    if (series->live.any && time_ns <= series->live.last_ns) {
        return false;
    }
    int64_t begun = begin(series, silence);
    series->live.any = true;
    series->live.last_ns = time_ns;
    if (silence->now_ns - time_ns >= alarm_silence_ns(rule, silence->every_ns)) {
        return false; /* of the past: it is silent all the same */
    }
    if (series->live.state == SEVERITY_NORMAL) {
        return alarm_is_live(rule, silence->every_ns, time_ns, silence->now_ns) &&
               due_to_be_told(series, time_ns, change);
    }
    series->value = (double)(time_ns - begun) / SECOND;
    change_to(rule, series, silence, SEVERITY_NORMAL, time_ns, change);
    return true;
}
