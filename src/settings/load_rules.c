/* The rules. Parameters, stations and channels are known by now. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/iso_time.h"
#include "phusa/report.h"
#include "settings/load.h"
#include "settings/schema.h"

#define FLAG_BIT(flag)    (1u << (flag))
#define DIRECTION_UNKNOWN UINT_MAX

/* ---- keys ---- */

static const char *const severities[] = { "minor", "moderate", "severe", "extreme", NULL };
static const char *const directions[] = { "above", "below", "outside", NULL };

struct level_read {
    unsigned severity; /* index into severities */
    struct config_limit raise, clear;
    int64_t for_ns, clear_for_ns;
};

#define AT(member) offsetof(struct level_read, member)
static const struct config_key level_keys[] = {
    { "severity", CONFIG_CHOICE, AT(severity), .required = true, .choices = severities },
    { "raise", CONFIG_LIMIT, AT(raise), .required = true, .example = "4.0" },
    { "clear", CONFIG_LIMIT, AT(clear), .example = "3.5" },
    { "for", CONFIG_DURATION, AT(for_ns), .fallback = "0s", .least = "0s", .most = "30d" },
    { "clear_for", CONFIG_DURATION, AT(clear_for_ns), .fallback = "0s", .least = "0s",
      .most = "30d" },
};
#undef AT
const struct config_schema schema_level = SCHEMA("level", level_keys);

struct message_read {
    const char *vi, *en;
};

static const struct config_key message_keys[] = {
    { "vi", CONFIG_STRING, offsetof(struct message_read, vi), .required = true, .least = "1",
      .most = "500", .example = "Độ mặn cao" },
    { "en", CONFIG_STRING, offsetof(struct message_read, en), .required = true, .least = "1",
      .most = "500", .example = "High salinity" },
};
const struct config_schema schema_message = SCHEMA("message", message_keys);

struct rule_read {
    const char *id, *kind, *parameter, *from, *until;
    unsigned direction;
    struct config_list stations, levels, accept, channels;
    int64_t max_gap_ns, live_within_ns;
    const struct config_node *message, *window, *tags;
    bool enabled;
};

#define AT(member) offsetof(struct rule_read, member)
static const struct config_key rule_keys[] = {
    { "id", CONFIG_STRING, AT(id), .required = true, .example = "salinity-fields" },
    { "kind", CONFIG_STRING, AT(kind), .required = true, .example = "water" },
    { "parameter", CONFIG_STRING, AT(parameter), .required = true, .example = "salinity" },
    { "stations", CONFIG_STRINGS, AT(stations), .least = "1", .most = "1024",
      .example = "[\"my-tho-1\"]" },
    { "tags", CONFIG_GROUP, AT(tags), .example = "{ class = \"B\"; }" },
    { "enabled", CONFIG_BOOL, AT(enabled), .fallback = "true" },
    { "direction", CONFIG_CHOICE, AT(direction), .required = true, .choices = directions },
    { "levels", CONFIG_GROUPS, AT(levels), .required = true, .least = "1", .most = "4",
      .example = "( { severity = \"severe\"; raise = 4.0; clear = 3.5; } )" },
    { "max_gap", CONFIG_DURATION, AT(max_gap_ns), .required = true, .least = "1ms", .most = "366d",
      .example = "1h" },
    { "live_within", CONFIG_DURATION, AT(live_within_ns), .least = "1s", .most = "30d",
      .example = "15m" },
    { "accept", CONFIG_INTEGERS, AT(accept), .least = "1", .most = "5", .example = "[1, 2]" },
    { "channels", CONFIG_STRINGS, AT(channels), .most = "16", .example = "[\"ioc\"]" },
    { "message", CONFIG_ANY, AT(message), .example = "\"salinity\"" },
    { "window", CONFIG_GROUP, AT(window), .example = "{ statistic = \"mean\"; length = \"1h\"; }" },
    { "from", CONFIG_STRING, AT(from), .example = "2026-01-01" },
    { "until", CONFIG_STRING, AT(until), .example = "2027-01-01" },
    { "rate", CONFIG_LATER,
      .note = "\"rate\" rules are not supported by this version; leave it out to judge each "
              "reading" },
    { "missing", CONFIG_LATER,
      .note = "\"missing\" rules are not supported by this version; leave this rule out" },
};
#undef AT
const struct config_schema schema_rule = SCHEMA("rule", rule_keys);

struct file_read {
    struct config_list rules;
};

static const struct config_key file_keys[] = {
    { "rules", CONFIG_GROUPS, offsetof(struct file_read, rules), .required = true,
      .example = "( { id = \"r1\"; } )" },
};
const struct config_schema schema_rules_file = SCHEMA("rules file", file_keys);

/* The rulebook as it grows, and the kinds that stations have, sorted. */
struct gathering {
    struct rule *rules;
    size_t count, capacity;
    const char **kinds;
    size_t kind_count;
};

/* ---- levels ---- */

static void spread(enum rule_direction direction, const struct config_limit *limit, double *low,
                   double *high)
{
    *low = direction == RULE_ABOVE ? NAN : limit->values[0];
    *high = direction == RULE_BELOW ? NAN : limit->values[direction == RULE_OUTSIDE ? 1 : 0];
}

/* One number, or two for "outside". */
static bool check_shape(const struct config_node *node, const char *key,
                        enum rule_direction direction, const struct config_limit *limit)
{
    size_t wanted = direction == RULE_OUTSIDE ? 2 : 1;
    if (limit->count == wanted) {
        return true;
    }
    config_complain_at(node, key,
                       wanted == 2 ? "\"%s\" is one number; direction \"outside\" needs two, such "
                                     "as (6.5, 8.5)"
                                   : "\"%s\" is two numbers; only direction \"outside\" takes two",
                       key);
    return false;
}

static bool check_order(const struct config_node *node, const char *key,
                        const struct config_limit *limit)
{
    if (limit->count < 2 || limit->values[0] < limit->values[1]) {
        return true;
    }
    config_complain_at(node, key, "\"%s\" is (%g, %g); the lower limit comes first and is below",
                       key, limit->values[0], limit->values[1]);
    return false;
}

static void check_clear(const struct config_node *node, const struct rule_level *level)
{
    if (level->clear_high > level->raise_high) {
        config_complain_at(node, "clear", "\"clear\" %g lies beyond \"raise\" %g; write %g or less",
                           level->clear_high, level->raise_high, level->raise_high);
    }
    if (level->clear_low < level->raise_low) {
        config_complain_at(node, "clear", "\"clear\" %g lies beyond \"raise\" %g; write %g or more",
                           level->clear_low, level->raise_low, level->raise_low);
    }
}

/* A reading outside the parameter's range fails; where failed ones take part, or readings are added
 * up or counted, any limit can be met. */
static void check_reachable(const struct config_node *node, const struct rule *rule,
                            const struct rule_level *level)
{
    const struct phusa_parameter *parameter = rule->parameter;
    bool added = rule->window.given &&
                 (rule->window.statistic == RULE_SUM || rule->window.statistic == RULE_COUNT);
    if (parameter == NULL || added || (rule->accept & FLAG_BIT(PHUSA_FLAG_FAIL)) != 0) {
        return;
    }
    bool by_high = level->raise_high <= parameter->maximum; /* false for NAN */
    bool by_low = level->raise_low >= parameter->minimum;
    if (!by_high && !by_low) {
        config_complain_at(node, "raise",
                           "\"raise\" can never be met: %s lies between %g and %g, and a reading "
                           "outside fails",
                           parameter->name.data, parameter->minimum, parameter->maximum);
    }
}

static bool read_limits(const struct config_node *node, enum rule_direction direction,
                        struct level_read *read, struct rule_level *level)
{
    if (read->clear.count == 0) {
        read->clear = read->raise;
    }
    if (!check_shape(node, "raise", direction, &read->raise) ||
        !check_shape(node, "clear", direction, &read->clear) ||
        !check_order(node, "raise", &read->raise) || !check_order(node, "clear", &read->clear)) {
        return false;
    }
    spread(direction, &read->raise, &level->raise_low, &level->raise_high);
    spread(direction, &read->clear, &level->clear_low, &level->clear_high);
    return true;
}

static bool has_severity(const struct rule *rule, enum severity severity)
{
    for (size_t i = 0; i < rule->level_count; i++) {
        if (rule->levels[i].severity == severity) {
            return true;
        }
    }
    return false;
}

static void insert_level(struct rule *rule, const struct rule_level *level)
{
    size_t place = rule->level_count++;
    for (; place > 0 && rule->levels[place - 1].severity > level->severity; place--) {
        rule->levels[place] = rule->levels[place - 1];
    }
    rule->levels[place] = *level;
}

static void read_level(const struct config_node *node, struct rule *rule)
{
    struct level_read read = { 0 };
    if (!config_read_group(node, &schema_level, &read)) {
        return;
    }
    struct rule_level level = { .severity = (enum severity)(read.severity + SEVERITY_MINOR),
                                .for_ns = read.for_ns,
                                .clear_for_ns = read.clear_for_ns };
    if (has_severity(rule, level.severity)) {
        config_complain_at(node, "severity", "severity \"%s\" stands twice in this rule; keep one",
                           severity_name(level.severity));
        return;
    }
    if (!read_limits(node, rule->direction, &read, &level)) {
        return;
    }
    check_clear(node, &level);
    check_reachable(node, rule, &level);
    insert_level(rule, &level);
}

/* ---- when a rule holds, and what it judges ---- */

static void read_moment(struct loader *loader, const struct config_node *node, const char *key,
                        const char *text, int64_t *ns)
{
    if (text != NULL &&
        !iso_time_or_day_parse(phusa_text_of(text), loader->settings->utc_offset_s, ns)) {
        config_complain_at(node, key,
                           "\"%s\" is \"%.64s\"; write a day such as \"2026-01-01\", or a time "
                           "with its offset such as \"2026-01-01T06:00:00+07:00\"",
                           key, text);
    }
}

static void set_period(struct loader *loader, const struct config_node *node,
                       const struct rule_read *read, struct rule *rule)
{
    rule->from_ns = INT64_MIN;
    rule->until_ns = INT64_MAX;
    read_moment(loader, node, "from", read->from, &rule->from_ns);
    read_moment(loader, node, "until", read->until, &rule->until_ns);
    if (rule->from_ns >= rule->until_ns) {
        config_complain_at(node, "until",
                           "\"until\" %s is not after \"from\" %s: the rule would never hold",
                           read->until, read->from);
    }
}

static void set_window(struct loader *loader, const struct config_node *node,
                       const struct rule_read *read, struct rule *rule)
{
    if (read->window == NULL || !load_rule_window(loader, read->window, &rule->window)) {
        return;
    }
    int64_t step_ns = rule_window_step_ns(&rule->window);
    if (read->max_gap_ns > 0 && read->max_gap_ns < step_ns) {
        config_complain_at(node, "max_gap",
                           "\"max_gap\" is shorter than the windows lie apart; write \"%lldh\" or "
                           "more",
                           (long long)(step_ns / (3600 * SECOND_NS)));
    }
}

/* ---- what a rule names ---- */

static void set_accept(const struct config_list *list, struct rule *rule)
{
    rule->accept = FLAG_BIT(PHUSA_FLAG_GOOD) | FLAG_BIT(PHUSA_FLAG_NOT_EVALUATED);
    if (list->node == NULL) {
        return;
    }
    rule->accept = 0;
    for (size_t i = 0; i < list->count; i++) {
        int64_t flag = config_integer_at(list, i);
        if ((flag < PHUSA_FLAG_GOOD || flag > PHUSA_FLAG_FAIL) && flag != PHUSA_FLAG_MISSING) {
            config_complain(
                config_element(list->node, i),
                "\"accept\" holds %lld; flags are 1 good, 2 not evaluated, 3 suspect, 4 "
                "fail, 9 missing",
                (long long)flag);
            continue;
        }
        rule->accept = (uint16_t)(rule->accept | FLAG_BIT(flag));
    }
}

static int compare_words(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void check_kind(struct loader *loader, const struct gathering *gathering,
                       const struct config_node *node, const char *kind)
{
    bool known =
        gathering->kind_count > 0 &&
        bsearch(&kind, gathering->kinds, gathering->kind_count, sizeof kind, compare_words) != NULL;
    if (known || !loader->registry_whole) {
        return;
    }
    char hint[128];
    struct config_nearest nearest = { .word = kind };
    for (size_t i = 0; i < gathering->kind_count && !mistakes_full(loader->mistakes); i++) {
        config_nearest_offer(&nearest, gathering->kinds[i]);
    }
    config_complain_at(node, "kind", "no station is of kind \"%.64s\"%s", kind,
                       config_nearest_hint(&nearest, hint, sizeof hint));
}

static void complain_station(struct loader *loader, const struct config_node *node, const char *id)
{
    char hint[128];
    const struct registry *registry = &loader->settings->registry;
    struct config_nearest nearest = { .word = id };
    for (size_t i = 0; i < registry->count && !mistakes_full(loader->mistakes); i++) {
        config_nearest_offer(&nearest, registry->stations[i].id);
    }
    config_complain(node, "unknown station \"%.64s\"%s", id,
                    nearest.best == NULL ? "; add it to the stations"
                                         : config_nearest_hint(&nearest, hint, sizeof hint));
}

/* The kept id of a station that the rule may name, or NULL. */
static const char *find_station(struct loader *loader, const struct config_node *node,
                                const char *id, const char *kind)
{
    const struct station *station = registry_find(&loader->settings->registry, phusa_text_of(id));
    if (station == NULL) {
        if (loader->registry_whole) {
            complain_station(loader, node, id);
        }
        return NULL;
    }
    if (kind != NULL && strcmp(station->kind, kind) != 0 && loader->registry_whole) {
        config_complain(node, "station \"%s\" is of kind \"%s\", the rule is for \"%.64s\"", id,
                        station->kind, kind);
        return NULL;
    }
    return station->id;
}

static void set_stations(struct loader *loader, const struct config_list *list, struct rule *rule)
{
    const char **stations = arena_alloc(loader->arena, list->count, sizeof *stations);
    for (size_t i = 0; stations != NULL && i < list->count; i++) {
        const struct config_node *node = config_element(list->node, i);
        const char *id = find_station(loader, node, config_string_at(list, i), rule->kind);
        if (id != NULL) {
            stations[rule->station_count++] = id;
        }
    }
    rule->stations = stations;
}

static bool find_channel(const struct settings *settings, const char *id, size_t *found)
{
    for (size_t i = 0; i < settings->channel_count; i++) {
        if (settings->channels[i].id != NULL && strcmp(settings->channels[i].id, id) == 0) {
            *found = i;
            return true;
        }
    }
    return false;
}

static void complain_channel(const struct settings *settings, const struct config_node *node,
                             const char *id)
{
    char hint[128];
    struct config_nearest nearest = { .word = id };
    for (size_t i = 0; i < settings->channel_count; i++) {
        if (settings->channels[i].id != NULL) {
            config_nearest_offer(&nearest, settings->channels[i].id);
        }
    }
    config_complain(node, "unknown channel \"%.64s\"%s", id,
                    nearest.best == NULL ? "; add it to channels in the configuration file"
                                         : config_nearest_hint(&nearest, hint, sizeof hint));
}

void load_rule_channels(struct loader *loader, const struct config_list *list, struct rule *rule)
{
    if ((loader->need & SETTINGS_SERVICES) == 0) {
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        const struct config_node *node = config_element(list->node, i);
        const char *id = config_string_at(list, i);
        size_t found = 0;
        if (!find_channel(loader->settings, id, &found)) {
            complain_channel(loader->settings, node, id);
            continue;
        }
        bool twice = false;
        for (size_t j = 0; j < rule->channel_count; j++) {
            twice = twice || rule->channels[j] == found;
        }
        if (twice) {
            config_complain(node, "channel \"%s\" is listed twice; keep one", id);
        } else {
            rule->channels[rule->channel_count++] = found;
        }
    }
}

/* A message is a string for both languages or a group of vi and en; none = the rule's id. */
static void set_message(struct loader *loader, const struct config_node *node, struct rule *rule)
{
    struct message_read read = { rule->id, rule->id };
    if (node != NULL && config_is_group(node)) {
        (void)config_read_group(node, &schema_message, &read);
    } else if (node != NULL && config_string(node) != NULL && config_check_line(node, "message")) {
        read.vi = read.en = arena_text(loader->arena, config_string(node));
    } else if (node != NULL && config_string(node) == NULL) {
        config_complain(node, "\"message\" wants a string, or { vi = \"...\"; en = \"...\"; }");
    }
    rule->message_vi = read.vi;
    rule->message_en = read.en;
}

/* ---- one rule ---- */

static bool check_rule_id(struct loader *loader, const struct config_node *node, const char *id)
{
    if (!check_id(node, "id", id)) {
        return false;
    }
    if (maintenance_find(&loader->settings->maintenance, id) >= 0) {
        config_complain_at(node, "id",
                           "\"id\" is \"%s\", which is an alarm of the collector's own; choose "
                           "another",
                           id);
        return false;
    }
    return true;
}

static struct rule *add_rule(struct loader *loader, struct gathering *gathering,
                             const struct config_node *node)
{
    if (gathering->count == RULES_MAX) {
        config_complain(node, "more than %d rules", RULES_MAX);
        return NULL;
    }
    struct rule *rules = arena_extend(loader->arena, gathering->rules, gathering->count,
                                      &gathering->capacity, sizeof *rules);
    if (rules == NULL) {
        return NULL;
    }
    gathering->rules = rules;
    struct rule *rule = &rules[gathering->count++];
    *rule = (struct rule){ .file = loader->open_file, .line = config_line(node) };
    return rule;
}

static void resolve_names(struct loader *loader, const struct gathering *gathering,
                          const struct config_node *node, const struct rule_read *read,
                          struct rule *rule)
{
    if (read->kind != NULL) {
        check_kind(loader, gathering, node, read->kind);
    }
    if (read->parameter != NULL) {
        rule->parameter = loader_parameter(loader, config_at(node, "parameter"), read->parameter);
    }
    set_stations(loader, &read->stations, rule);
    load_rule_tags(loader, read->tags, rule);
    load_rule_channels(loader, &read->channels, rule);
}

static void read_rule(struct loader *loader, struct gathering *gathering,
                      const struct config_node *node)
{
    struct rule_read read = { .direction = DIRECTION_UNKNOWN };
    (void)config_read_group(node, &schema_rule, &read);
    struct rule *rule = add_rule(loader, gathering, node);
    if (rule == NULL) {
        return;
    }
    rule->id = read.id != NULL && check_rule_id(loader, node, read.id) ? read.id : "";
    rule->kind = read.kind;
    rule->enabled = read.enabled;
    rule->direction = (enum rule_direction)read.direction;
    rule->max_gap_ns = read.max_gap_ns;
    rule->live_within_ns = read.live_within_ns;
    set_period(loader, node, &read, rule);
    set_window(loader, node, &read, rule);
    set_accept(&read.accept, rule);
    resolve_names(loader, gathering, node, &read, rule);
    set_message(loader, read.message, rule);
    if (rule->window.given && rule->parameter != NULL) {
        load_check_windows(loader, node, read.window, rule);
    }
    bool judged = read.direction != DIRECTION_UNKNOWN;
    for (size_t i = 0; judged && i < read.levels.count; i++) {
        read_level(config_element(read.levels.node, i), rule);
    }
}

static void read_rules_file(struct loader *loader, void *context, const struct config_node *root)
{
    struct file_read read = { .rules = { NULL, 0 } };
    (void)config_read_group(root, &schema_rules_file, &read);
    for (size_t i = 0; i < read.rules.count; i++) {
        read_rule(loader, context, config_element(read.rules.node, i));
    }
}

/* ---- the rulebook ---- */

static void gather_kinds(struct loader *loader, struct gathering *gathering)
{
    const struct registry *registry = &loader->settings->registry;
    const char **kinds = arena_alloc(loader->arena, registry->count, sizeof *kinds);
    if (kinds == NULL) {
        return;
    }
    for (size_t i = 0; i < registry->count; i++) {
        kinds[i] = registry->stations[i].kind;
    }
    gathering->kinds = kinds;
    gathering->kind_count = registry->count;
    qsort(kinds, registry->count, sizeof *kinds, compare_words);
}

static int compare_rules(const void *left, const void *right)
{
    const struct rule *const *a = left, *const *b = right;
    int order = strcmp((*a)->id, (*b)->id);
    return order != 0 ? order : (*a > *b) - (*a < *b); /* by place: in the order of the files */
}

static void check_unique(struct loader *loader, const struct gathering *gathering)
{
    const struct rule **sorted = arena_alloc(loader->arena, gathering->count, sizeof *sorted);
    if (sorted == NULL) {
        return;
    }
    for (size_t i = 0; i < gathering->count; i++) {
        sorted[i] = &gathering->rules[i];
    }
    qsort(sorted, gathering->count, sizeof *sorted, compare_rules);
    for (size_t i = 1; i < gathering->count; i++) {
        const struct rule *first = sorted[i - 1], *second = sorted[i];
        if (second->id[0] != '\0' && strcmp(first->id, second->id) == 0) {
            loader_complain(loader, second->file, second->line,
                            "rule \"%s\" is already defined at %s:%d; give each its own id",
                            second->id, first->file, first->line);
        }
    }
}

/* Those that are switched off were checked like all others; from here on they do not exist. */
static size_t drop_disabled(struct rule *rules, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (rules[i].enabled) {
            rules[kept++] = rules[i];
        }
    }
    return kept;
}

void load_rules(struct loader *loader, const struct config_node *phusa, const char *name)
{
    struct gathering gathering = { 0 };
    gather_kinds(loader, &gathering);
    (void)source_each(loader, phusa, "rules", name, read_rules_file, &gathering);
    check_unique(loader, &gathering);
    size_t kept = drop_disabled(gathering.rules, gathering.count);
    loader->settings->rulebook = (struct rulebook){ gathering.rules, kept };
}
