/* Names that people ask the console for: which of them nobody knows, and what was meant. */
#include <string.h>

#include "base/config.h"
#include "collector_state.h"

#define HINT_MAX 96

static bool is_it(struct config_nearest *nearest, const char *id)
{
    config_nearest_offer(nearest, id);
    return strcmp(nearest->word, id) == 0;
}

static bool knows_rule(const struct settings *settings, struct config_nearest *nearest)
{
    bool known = false;
    for (size_t i = 0; i < settings->rulebook.count && !known; i++) {
        known = is_it(nearest, settings->rulebook.rules[i].id);
    }
    for (int i = 0; i < MAINTENANCE_COUNT && !known; i++) {
        known = is_it(nearest, settings->maintenance.rules[i].id);
    }
    return known;
}

/* Alarms are about stations, sites and the collector itself. */
static bool knows_station(const struct settings *settings, struct config_nearest *nearest)
{
    const struct registry *registry = &settings->registry;
    bool known = is_it(nearest, settings->maintenance.self.id);
    for (size_t i = 0; i < registry->count && !known; i++) {
        known =
            is_it(nearest, registry->stations[i].id) || is_it(nearest, registry->stations[i].site);
    }
    return known;
}

static bool knows_channel(const struct settings *settings, struct config_nearest *nearest)
{
    bool known = false;
    for (size_t i = 0; i < settings->channel_count && !known; i++) {
        known = is_it(nearest, settings->channels[i].id);
    }
    return known;
}

static bool is_unknown(const struct settings *settings, const char *what, const char *name,
                       bool (*knows)(const struct settings *settings,
                                     struct config_nearest *nearest),
                       struct problem *problem)
{
    struct config_nearest nearest = { .word = name };
    char hint[HINT_MAX];
    if (name == NULL || knows(settings, &nearest)) {
        return false;
    }
    problem_set(problem, "there is no %s \"%.64s\"%s", what, name,
                config_nearest_hint(&nearest, hint, sizeof hint));
    return true;
}

bool collector_unknown(void *context, const struct console_names *names, struct problem *problem)
{
    struct shared_settings *shared = shared_settings_current(context);
    const struct settings *settings = shared->settings;
    bool unknown = is_unknown(settings, "rule", names->rule, knows_rule, problem) ||
                   is_unknown(settings, "station", names->station, knows_station, problem) ||
                   is_unknown(settings, "channel", names->channel, knows_channel, problem);
    shared_settings_drop(shared);
    return unknown;
}
