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

void alarm_told(struct alarm_series *series)
{
    series->told = series->live.state;
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

static bool same_window(const struct rule_window *a, const struct rule_window *b)
{
    return a->given == b->given &&
           (!a->given ||
            (a->statistic == b->statistic && a->length == b->length && a->coverage == b->coverage));
}

bool alarm_rule_same(const struct rule *a, const struct rule *b)
{
    if (strcmp(a->id, b->id) != 0 || a->direction != b->direction ||
        a->level_count != b->level_count || a->max_gap_ns != b->max_gap_ns ||
        a->live_within_ns != b->live_within_ns || a->accept != b->accept ||
        a->from_ns != b->from_ns || a->until_ns != b->until_ns || a->subject != b->subject ||
        a->rate_over_ns != b->rate_over_ns || a->missing_ns != b->missing_ns ||
        a->missing_every != b->missing_every || !same_window(&a->window, &b->window) ||
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

static uint64_t mix(uint64_t hash, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ at[i]) * UINT64_C(0x100000001B3); /* FNV-1a */
    }
    return hash;
}

static uint64_t mix_number(uint64_t hash, uint64_t number)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(number >> (8 * i));
    }
    return mix(hash, bytes, sizeof bytes);
}

static uint64_t mix_limit(uint64_t hash, double limit)
{
    double canonical = limit == 0 ? 0.0 : limit; /* -0 judges as 0 */
    uint64_t bits;
    memcpy(&bits, &canonical, sizeof bits);
    return mix_number(hash, bits);
}

static uint64_t mix_level(uint64_t hash, const struct rule_level *level)
{
    hash = mix_number(hash, level->severity);
    hash = mix_limit(hash, level->raise_low);
    hash = mix_limit(hash, level->raise_high);
    hash = mix_limit(hash, level->clear_low);
    hash = mix_limit(hash, level->clear_high);
    hash = mix_number(hash, (uint64_t)level->for_ns);
    return mix_number(hash, (uint64_t)level->clear_for_ns);
}

static uint64_t mix_window(uint64_t hash, const struct rule_window *window)
{
    hash = mix_number(hash, window->given ? 1 : 0);
    if (window->given) {
        hash = mix_number(hash, window->statistic);
        hash = mix_number(hash, window->length);
        hash = mix_limit(hash, window->coverage);
    }
    return hash;
}

/* Of everything that alarm_rule_same compares. */
uint64_t alarm_rule_fingerprint(const struct rule *rule)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    hash = mix(hash, rule->id, strlen(rule->id) + 1);
    hash = mix_number(hash, rule->parameter->name.length);
    hash = mix(hash, rule->parameter->name.data, rule->parameter->name.length);
    hash = mix_number(hash, rule->direction);
    hash = mix_number(hash, (uint64_t)rule->max_gap_ns);
    hash = mix_number(hash, (uint64_t)rule->live_within_ns);
    hash = mix_number(hash, rule->accept);
    hash = mix_number(hash, (uint64_t)rule->from_ns);
    hash = mix_number(hash, (uint64_t)rule->until_ns);
    hash = mix_number(hash, rule->subject);
    hash = mix_number(hash, (uint64_t)rule->rate_over_ns);
    hash = mix_number(hash, (uint64_t)rule->missing_ns);
    hash = mix_limit(hash, rule->missing_every);
    hash = mix_window(hash, &rule->window);
    hash = mix_number(hash, rule->level_count);
    for (size_t i = 0; i < rule->level_count; i++) {
        hash = mix_level(hash, &rule->levels[i]);
    }
    return hash;
}

/* --- kept over a restart --------------------------------------------------------------------- */

#define LEVEL_ACTIVE 1u
#define LEVEL_BEYOND 2u
#define LEVEL_GOOD   4u

/* Whether a reading has taken part, or it has a state all the same (silence, the collector's own
 * alarms). */
enum known { KNOWN_NOTHING, KNOWN_READING, KNOWN_STATE };

/* enum known; unless that is nothing: time of the last reading, state, since when; for each of
 * RULE_LEVELS_MAX levels its bits and the beginnings of the runs that are running. */
static void save_machine(const struct alarm_machine *machine, struct state_writer *writer)
{
    bool plain = machine->state == SEVERITY_NORMAL && machine->since_ns == 0;
    enum known known = machine->any ? KNOWN_READING : plain ? KNOWN_NOTHING : KNOWN_STATE;
    state_put(writer, known);
    if (known == KNOWN_NOTHING) {
        return;
    }
    state_put_signed(writer, machine->last_ns);
    state_put(writer, machine->state);
    state_put_signed(writer, machine->since_ns);
    for (int i = 0; i < RULE_LEVELS_MAX; i++) {
        const struct alarm_level_state *level = &machine->levels[i];
        state_put(writer, (level->active ? LEVEL_ACTIVE : 0) |
                              (level->beyond.running ? LEVEL_BEYOND : 0) |
                              (level->good.running ? LEVEL_GOOD : 0));
        if (level->beyond.running) {
            state_put_signed(writer, level->beyond.since_ns);
        }
        if (level->good.running) {
            state_put_signed(writer, level->good.since_ns);
        }
    }
}

/* Times of readings are after 1970: differences of two do not overflow. */
static int64_t load_time(struct state_reader *reader)
{
    int64_t time_ns = state_get_signed(reader);
    if (time_ns < 0) {
        reader->failed = true;
        return 0;
    }
    return time_ns;
}

static void load_run(struct alarm_run *run, bool running, struct state_reader *reader)
{
    *run = (struct alarm_run){ .running = running };
    if (running) {
        run->since_ns = load_time(reader);
    }
}

static void load_machine(struct alarm_machine *machine, struct state_reader *reader)
{
    enum known known = (enum known)state_get_upto(reader, KNOWN_STATE);
    machine->any = known == KNOWN_READING;
    if (known == KNOWN_NOTHING) {
        return;
    }
    machine->last_ns = load_time(reader);
    machine->state = (enum severity)state_get_upto(reader, SEVERITY_EXTREME);
    machine->since_ns = load_time(reader);
    for (int i = 0; i < RULE_LEVELS_MAX; i++) {
        struct alarm_level_state *level = &machine->levels[i];
        uint64_t bits = state_get_upto(reader, LEVEL_ACTIVE | LEVEL_BEYOND | LEVEL_GOOD);
        level->active = (bits & LEVEL_ACTIVE) != 0;
        load_run(&level->beyond, (bits & LEVEL_BEYOND) != 0, reader);
        load_run(&level->good, (bits & LEVEL_GOOD) != 0, reader);
    }
}

/* The live machine, told, value; 1 if there was a gap, then its end, the machine before it, 1 if
 * the history machine runs, then that. */
void alarm_save(const struct alarm_series *series, struct state_writer *writer)
{
    save_machine(&series->live, writer);
    state_put(writer, series->told);
    state_put_double(writer, series->value);
    state_put_bool(writer, series->has_gap);
    if (!series->has_gap) {
        return;
    }
    state_put_signed(writer, series->gap_end_ns);
    save_machine(&series->before_gap, writer);
    state_put_bool(writer, series->has_history);
    if (series->has_history) {
        save_machine(&series->history, writer);
    }
}

bool alarm_load(struct alarm_series *series, struct state_reader *reader)
{
    *series = (struct alarm_series){ 0 };
    load_machine(&series->live, reader);
    series->told = (enum severity)state_get_upto(reader, SEVERITY_EXTREME);
    series->value = state_get_double(reader);
    series->has_gap = state_get_bool(reader);
    if (series->has_gap) {
        series->gap_end_ns = load_time(reader);
        load_machine(&series->before_gap, reader);
        series->has_history = state_get_bool(reader);
    }
    if (series->has_history) {
        load_machine(&series->history, reader);
    }
    if (reader->failed) {
        *series = (struct alarm_series){ 0 };
    }
    return !reader->failed;
}
