#include "alarm/machine.h"

#include <string.h>

#define LIVE_WITHIN_LEAST (INT64_C(15) * 60 * 1000000000) /* contract: at least 15 min */

static bool is_beyond(enum rule_direction direction, const struct rule_level *level, double value)
{
    switch (direction) {
    case RULE_ABOVE:
        return value >= level->raise_high;
    case RULE_BELOW:
        return value <= level->raise_low;
    case RULE_OUTSIDE:
        return value >= level->raise_high || value <= level->raise_low;
    }
    return false;
}

/* Strictly on the good side of clear. */
static bool is_good(enum rule_direction direction, const struct rule_level *level, double value)
{
    switch (direction) {
    case RULE_ABOVE:
        return value < level->clear_high;
    case RULE_BELOW:
        return value > level->clear_low;
    case RULE_OUTSIDE:
        return value < level->clear_high && value > level->clear_low;
    }
    return false;
}

/* Continues or ends a run; true when it has lasted for `needed`. */
static bool run_lasts(struct alarm_run *run, bool holds, bool gap, int64_t time_ns, int64_t needed)
{
    if (!holds) {
        run->running = false;
        return false;
    }
    if (!run->running || gap) {
        *run = (struct alarm_run){ .running = true, .since_ns = time_ns };
    }
    return time_ns - run->since_ns >= needed;
}

static void step_level(const struct rule *rule, const struct rule_level *level,
                       struct alarm_level_state *state, int64_t time_ns, double value, bool gap)
{
    struct alarm_run *run = state->active ? &state->good : &state->beyond;
    bool holds = state->active ? is_good(rule->direction, level, value)
                               : is_beyond(rule->direction, level, value);
    int64_t needed = state->active ? level->clear_for_ns : level->for_ns;
    if (run_lasts(run, holds, gap, time_ns, needed)) {
        *state = (struct alarm_level_state){ .active = !state->active };
    }
}

/* Takes one reading, newer than all before; true if the state changed. */
static bool step(const struct rule *rule, struct alarm_machine *machine, int64_t time_ns,
                 double value)
{
    bool gap = machine->any && time_ns - machine->last_ns > rule->max_gap_ns;
    enum severity highest = SEVERITY_NORMAL;
    for (size_t i = 0; i < rule->level_count; i++) {
        step_level(rule, &rule->levels[i], &machine->levels[i], time_ns, value, gap);
        if (machine->levels[i].active) {
            highest = rule->levels[i].severity;
        }
    }
    machine->any = true;
    machine->last_ns = time_ns;
    if (highest == machine->state) {
        return false;
    }
    machine->state = highest;
    machine->since_ns = time_ns;
    return true;
}

/* More than one and a half reports' distance: at least one is missing and may still come. */
static void note_gap(struct alarm_series *series, const struct alarm_reading *reading)
{
    const struct alarm_machine *live = &series->live;
    if (live->any && reading->time_ns - live->last_ns > reading->every_ns + reading->every_ns / 2) {
        series->before_gap = *live;
        series->gap_end_ns = reading->time_ns;
        series->has_gap = true;
        series->has_history = false;
    }
}

static size_t judge_newest(const struct rule *rule, struct alarm_series *series,
                           const struct alarm_reading *reading, struct alarm_change *changes)
{
    note_gap(series, reading);
    enum severity from = series->live.state;
    bool changed = step(rule, &series->live, reading->time_ns, reading->value);
    bool tell = reading->live && series->live.state != series->told;
    if (changed) {
        series->value = reading->value;
    }
    if (!changed && !tell) {
        return 0;
    }
    changes[0] = (struct alarm_change){ .from = changed ? from : series->told,
                                        .to = series->live.state,
                                        .time_ns = reading->time_ns,
                                        .since_ns = series->live.since_ns,
                                        .value = reading->value,
                                        .transition = changed,
                                        .historical = !reading->live,
                                        .tell = tell };
    if (tell) {
        series->told = series->live.state;
    }
    return 1;
}

static size_t judge_late(const struct rule *rule, struct alarm_series *series,
                         const struct alarm_reading *reading, struct alarm_change *changes)
{
    if (!series->has_gap || reading->time_ns >= series->gap_end_ns) {
        return 0;
    }
    if (!series->has_history) {
        series->history = series->before_gap;
        series->has_history = true;
    }
    if (reading->time_ns <= series->history.last_ns) {
        return 0;
    }
    enum severity from = series->history.state;
    if (!step(rule, &series->history, reading->time_ns, reading->value)) {
        return 0;
    }
    changes[0] = (struct alarm_change){ .from = from,
                                        .to = series->history.state,
                                        .time_ns = reading->time_ns,
                                        .since_ns = reading->time_ns,
                                        .value = reading->value,
                                        .transition = true,
                                        .historical = true };
    return 1;
}

size_t alarm_judge(const struct rule *rule, struct alarm_series *series,
                   const struct alarm_reading *reading,
                   struct alarm_change changes[ALARM_CHANGES_MAX])
{
    if (series->live.any && reading->time_ns <= series->live.last_ns) {
        return judge_late(rule, series, reading, changes);
    }
    return judge_newest(rule, series, reading, changes);
}

bool alarm_is_live(const struct rule *rule, int64_t every_ns, int64_t time_ns, int64_t received_ns)
{
    int64_t within = rule->live_within_ns;
    if (within == 0) {
        within = 3 * every_ns > LIVE_WITHIN_LEAST ? 3 * every_ns : LIVE_WITHIN_LEAST;
    }
    return received_ns - time_ns < within;
}

static bool same_level(const struct rule_level *a, const struct rule_level *b)
{
    return a->severity == b->severity && a->raise_low == b->raise_low &&
           a->raise_high == b->raise_high && a->clear_low == b->clear_low &&
           a->clear_high == b->clear_high && a->for_ns == b->for_ns &&
           a->clear_for_ns == b->clear_for_ns;
}

bool alarm_rule_same(const struct rule *a, const struct rule *b)
{
    if (strcmp(a->id, b->id) != 0 || a->direction != b->direction ||
        a->level_count != b->level_count || a->max_gap_ns != b->max_gap_ns ||
        a->live_within_ns != b->live_within_ns || a->accept != b->accept ||
        !phusa_text_equal(a->parameter->name, b->parameter->name)) {
        return false;
    }
    for (size_t i = 0; i < a->level_count; i++) {
        if (!same_level(&a->levels[i], &b->levels[i])) {
            return false;
        }
    }
    return true;
}
