#include "settings/rule.h"

#include <string.h>

#include "base/clock.h"

#define HOUR_NS (3600 * SECOND_NS)

const char *severity_name(enum severity severity)
{
    switch (severity) {
    case SEVERITY_NORMAL:
        return "normal";
    case SEVERITY_MINOR:
        return "minor";
    case SEVERITY_MODERATE:
        return "moderate";
    case SEVERITY_SEVERE:
        return "severe";
    case SEVERITY_EXTREME:
        return "extreme";
    }
    return "unknown";
}

int64_t rule_window_step_ns(const struct rule_window *window)
{
    bool hourly =
        window->length == RULE_1H || window->length == RULE_8H || window->length == RULE_24H;
    return !window->given ? 0 : hourly ? HOUR_NS : 24 * HOUR_NS;
}

static bool same_key(const struct station_tag *one, const struct station_tag *other)
{
    return strcmp(one->key, other->key) == 0;
}

static bool has_tag(const struct station *station, const struct station_tag *wanted)
{
    for (size_t i = 0; i < station->tag_count; i++) {
        if (same_key(&station->tags[i], wanted)) {
            return strcmp(station->tags[i].value, wanted->value) == 0;
        }
    }
    return false;
}

bool rule_tags_match(const struct rule *rule, const struct station *station)
{
    for (size_t i = 0; i < rule->tag_count; i++) {
        bool met = false;
        for (size_t j = 0; j < rule->tag_count; j++) {
            met = met ||
                  (same_key(&rule->tags[i], &rule->tags[j]) && has_tag(station, &rule->tags[j]));
        }
        if (!met) {
            return false;
        }
    }
    return true;
}

static bool is_among(const char *const *ids, size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(ids[i], id) == 0) {
            return true;
        }
    }
    return false;
}

bool rule_concerns(const struct rule *rule, const struct station *station)
{
    return strcmp(rule->kind, station->kind) == 0 && rule_tags_match(rule, station) &&
           !is_among(rule->except, rule->except_count, station->id) &&
           (rule->station_count == 0 || is_among(rule->stations, rule->station_count, station->id));
}
