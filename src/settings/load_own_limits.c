/*
 * Subscribers' own limits. A farmer whose trees bear 0.8 g/L says so; of the rules with this use a
 * rule is made that judges this limit at the stations of those who named it, and goes to their
 * channels. The limit stands for the gravest level that it reaches, or the lowest; graver ones
 * stay. Its id is the rule's with the limit behind it, "salinity-durian-0-8": it must not change
 * when other subscribers come or go, since an alarm's life hangs on it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "phusa/number.h"
#include "phusa/topic.h"
#include "settings/display.h"
#include "settings/load.h"

/* A subscriber's limit of one of the rules. */
struct wish {
    size_t rule;
    struct subscriber *subscriber;
};

struct making {
    struct loader *loader;
    const struct subscriber_rows *bad;
    struct wish *wishes;
    size_t count, capacity;
    struct rule *rules; /* the rulebook with what is made */
    size_t rule_count, made;
};

/* ---- which rules a limit is of ---- */

static bool has_use(const struct rule *rule, const struct subscriber *subscriber)
{
    return rule->base == NULL && rule->use != NULL && strcmp(rule->use, subscriber->use) == 0 &&
           rule->subject == RULE_VALUE;
}

static bool within(const struct phusa_parameter *parameter, double limit)
{
    return limit >= parameter->minimum && limit <= parameter->maximum;
}

/* False, for what is returned. */
static bool refused(struct problem *problem, const char *why)
{
    problem_set(problem, "%s", why);
    return false;
}

static bool check_range(const struct phusa_parameter *parameter, double limit,
                        struct problem *problem)
{
    if (within(parameter, limit)) {
        return true;
    }
    char number[DISPLAY_NUMBER_MAX], low[DISPLAY_NUMBER_MAX], high[DISPLAY_NUMBER_MAX];
    struct phusa_text unit = display_unit(parameter->unit);
    problem_set(problem, "the own limit %s lies outside the range of %.*s, %s to %s%s%.*s",
                display_number(limit, DECIMAL_EN, number), (int)parameter->name.length,
                parameter->name.data, display_number(parameter->minimum, DECIMAL_EN, low),
                display_number(parameter->maximum, DECIMAL_EN, high), unit.length > 0 ? " " : "",
                (int)unit.length, unit.data);
    return false;
}

bool subscriber_limit_fits(const struct settings *settings, const struct subscriber *subscriber,
                           struct problem *problem)
{
    const struct rulebook *rulebook = &settings->rulebook;
    const struct rule *first = NULL;
    for (size_t i = 0; i < rulebook->count; i++) {
        const struct rule *rule = &rulebook->rules[i];
        if (!has_use(rule, subscriber)) {
            continue;
        }
        if (rule->direction == RULE_OUTSIDE) {
            return refused(problem, "an own limit cannot stand for rules with two limits");
        }
        if (first != NULL && first->parameter != rule->parameter) {
            return refused(problem, "an own limit cannot stand for rules of several parameters");
        }
        first = rule;
    }
    return first == NULL
               ? refused(problem,
                         "an own limit stands for a rule's, and no rule of this use has one")
               : check_range(first->parameter, subscriber->threshold, problem);
}

static void refuse(const struct making *making, struct subscriber *subscriber, const char *why)
{
    making->bad->bad(making->bad->context, subscriber->line, why);
    subscriber->threshold = NAN;
    subscriber->active = false;
}

static void add_wishes(struct making *making, struct subscriber *subscriber)
{
    const struct rulebook *rulebook = &making->loader->settings->rulebook;
    struct problem problem = { "" };
    if (!subscriber_limit_fits(making->loader->settings, subscriber, &problem)) {
        refuse(making, subscriber, problem.text);
        return;
    }
    for (size_t i = 0; i < rulebook->count; i++) {
        if (!has_use(&rulebook->rules[i], subscriber)) {
            continue;
        }
        struct wish *wishes = arena_extend(making->loader->arena, making->wishes, making->count,
                                           &making->capacity, sizeof *wishes);
        if (wishes != NULL) {
            making->wishes = wishes;
            wishes[making->count++] = (struct wish){ i, subscriber };
        }
    }
}

static int compare_wishes(const void *left, const void *right)
{
    const struct wish *a = left, *b = right;
    int order = (a->rule > b->rule) - (a->rule < b->rule);
    double one = a->subscriber->threshold, other = b->subscriber->threshold;
    order = order != 0 ? order : (one > other) - (one < other);
    return order != 0 ? order
                      : (a->subscriber->line > b->subscriber->line) -
                            (a->subscriber->line < b->subscriber->line);
}

/* ---- one rule ---- */

/* "salinity-durian-0-8"; a long id is cut so that the limit fits. */
static const char *make_id(struct loader *loader, const char *base, double limit)
{
    char number[PHUSA_DOUBLE_CHARS + 1];
    number[phusa_double_print(limit, number)] = '\0';
    for (char *at = number; *at != '\0'; at++) {
        *at = *at == '.' ? '-' : *at == '-' ? 'm' : *at == '+' ? 'p' : *at;
    }
    int room = PHUSA_ID_MAX - 1 - (int)strlen(number);
    return arena_print(loader->arena, "%.*s-%s", room, base, number);
}

static bool id_taken(const struct making *making, const char *id)
{
    for (size_t i = 0; i < making->rule_count; i++) {
        if (strcmp(making->rules[i].id, id) == 0) {
            return true;
        }
    }
    return maintenance_find(&making->loader->settings->maintenance, id) >= 0;
}

/* The clear limit lies as far from it as the base's does, in proportion; with limits at or below 0
 * by the same difference. */
static double clear_of(double limit, double raise, double clear)
{
    return raise > 0 && clear > 0 && limit > 0 ? limit * (clear / raise) : limit + (clear - raise);
}

/* The level that the limit stands for: the gravest whose own limit it reaches, else the lowest. */
static size_t level_reached(const struct rule *rule, double limit)
{
    size_t reached = 0;
    for (size_t i = 0; i < rule->level_count; i++) {
        const struct rule_level *level = &rule->levels[i];
        if (rule->direction == RULE_ABOVE ? limit >= level->raise_high
                                          : limit <= level->raise_low) {
            reached = i;
        }
    }
    return reached;
}

/* The limit in place of the level that it stands for, and the graver ones as they are. */
static void set_levels(struct rule *rule, const struct rule *base, double limit)
{
    size_t reached = level_reached(base, limit);
    rule->level_count = base->level_count - reached;
    memmove(rule->levels, base->levels + reached, rule->level_count * sizeof *rule->levels);
    struct rule_level *level = &rule->levels[0];
    if (base->direction == RULE_ABOVE) {
        level->clear_high = fmin(clear_of(limit, level->raise_high, level->clear_high), limit);
        level->raise_high = limit;
    } else {
        level->clear_low = fmax(clear_of(limit, level->raise_low, level->clear_low), limit);
        level->raise_low = limit;
    }
}

static bool is_for(const struct subscriber *subscriber, const struct station *station)
{
    return subscriber->station != NULL ? strcmp(subscriber->station, station->id) == 0
                                       : strcmp(subscriber->site, station->site) == 0;
}

/* The stations of the base that one of them named. The base's other entries are of the same rule.
 */
static void set_stations(struct making *making, struct rule *rule, const struct wish *wishes,
                         size_t count)
{
    const struct registry *registry = &making->loader->settings->registry;
    struct rule whole = *rule->base;
    const char *found[RULE_STATIONS_MAX];
    whole.except_count = 0;
    rule->station_count = 0;
    for (size_t i = 0; i < registry->count && rule->station_count < RULE_STATIONS_MAX; i++) {
        bool wanted = false;
        for (size_t j = 0; j < count && !wanted; j++) {
            wanted = is_for(wishes[j].subscriber, &registry->stations[i]);
        }
        if (wanted && rule_concerns(&whole, &registry->stations[i])) {
            found[rule->station_count++] = registry->stations[i].id;
        }
    }
    const char **stations =
        arena_alloc(making->loader->arena, rule->station_count, sizeof *stations);
    if (stations != NULL && rule->station_count > 0) {
        memcpy(stations, found, rule->station_count * sizeof *stations);
    }
    rule->stations = stations;
}

static size_t channel_place(const struct settings *settings, const char *id)
{
    size_t place = 0;
    while (strcmp(settings->channels[place].id, id) != 0) {
        place++;
    }
    return place;
}

static void set_channels(const struct settings *settings, struct rule *rule,
                         const struct wish *wishes, size_t count)
{
    rule->channel_count = 0;
    for (size_t i = 0; i < count; i++) {
        size_t place = channel_place(settings, wishes[i].subscriber->channel), j = 0;
        while (j < rule->channel_count && rule->channels[j] != place) {
            j++;
        }
        if (j == rule->channel_count && j < RULE_CHANNELS_MAX) {
            rule->channels[rule->channel_count++] = place;
        }
    }
}

static void make_rule(struct making *making, const struct wish *wishes, size_t count)
{
    const struct rule *base = &making->rules[wishes[0].rule];
    double limit = wishes[0].subscriber->threshold;
    const char *id = make_id(making->loader, base->id, limit);
    if (id == NULL) {
        return; /* out of memory */
    }
    const char *why = making->made == SUBSCRIBER_RULES_MAX ? "more than 1000 different own limits"
                      : id_taken(making, id)
                          ? "another rule has the id that this limit's would have"
                          : NULL;
    for (size_t i = 0; why != NULL && i < count; i++) {
        refuse(making, wishes[i].subscriber, why);
    }
    if (why != NULL) {
        return;
    }
    struct rule *rule = &making->rules[making->rule_count];
    *rule = *base;
    rule->id = id;
    rule->base = base;
    rule->threshold = limit;
    rule->except = NULL;
    rule->except_count = 0;
    rule->escalation = (struct rule_escalation){ 0 };
    set_levels(rule, base, limit);
    set_stations(making, rule, wishes, count);
    set_channels(making->loader->settings, rule, wishes, count);
    if (rule->station_count == RULE_STATIONS_MAX) {
        refuse(making, wishes[0].subscriber, "an own limit is for less than 1024 stations");
    } else if (rule->station_count > 0) {
        making->rule_count++;
        making->made++;
    }
}

/* ---- all ---- */

/* The rulebook with room for more; what was made of a rule is of its copy now. */
static bool copy_rules(struct making *making)
{
    const struct rulebook *rulebook = &making->loader->settings->rulebook;
    making->rules = arena_alloc(making->loader->arena, rulebook->count + SUBSCRIBER_RULES_MAX,
                                sizeof *making->rules);
    if (making->rules == NULL) {
        return false;
    }
    for (size_t i = 0; i < rulebook->count; i++) {
        making->rules[i] = rulebook->rules[i];
        if (rulebook->rules[i].base != NULL) {
            making->rules[i].base = &making->rules[rulebook->rules[i].base - rulebook->rules];
        }
    }
    making->rule_count = rulebook->count;
    return true;
}

void load_own_limits(struct loader *loader, struct subscriber *subscribers, size_t count,
                     const struct subscriber_rows *bad)
{
    struct making making = { .loader = loader, .bad = bad };
    for (size_t i = 0; i < count; i++) {
        if (!isnan(subscribers[i].threshold) && subscribers[i].active) {
            add_wishes(&making, &subscribers[i]);
        }
    }
    if (making.count == 0 || !copy_rules(&making)) {
        return;
    }
    qsort(making.wishes, making.count, sizeof *making.wishes, compare_wishes);
    for (size_t begin = 0, end = 0; begin < making.count; begin = end) {
        const struct wish *first = &making.wishes[begin];
        double limit = first->subscriber->threshold;
        while (end < making.count && making.wishes[end].rule == first->rule &&
               making.wishes[end].subscriber->threshold == limit) {
            end++;
        }
        make_rule(&making, first, end - begin);
    }
    loader->settings->rulebook = (struct rulebook){ making.rules, making.rule_count };
}
