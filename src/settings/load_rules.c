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

static const char *const directions[] = { "above", "below", "outside", NULL };

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
    struct config_list stations, levels, accept, channels, inhibited_by, overrides;
    int64_t max_gap_ns, live_within_ns;
    const struct config_node *message, *window, *tags;
    const struct config_node *rate, *missing, *schedule, *flapping, *escalate;
    const char *use;
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
    { "direction", CONFIG_CHOICE, AT(direction), .choices = directions },
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
    { "rate", CONFIG_GROUP, AT(rate), .example = "{ over = \"3h\"; }" },
    { "missing", CONFIG_GROUP, AT(missing), .example = "{ after = \"3 x every\"; }" },
    { "schedule", CONFIG_GROUP, AT(schedule),
      .example = "{ days = [\"mon\"]; from = \"06:00\"; until = \"18:00\"; }" },
    { "inhibited_by", CONFIG_STRINGS, AT(inhibited_by), .most = "8", .example = "[\"quiet\"]" },
    { "flapping", CONFIG_GROUP, AT(flapping),
      .example = "{ changes = 8; within = \"1h\"; calm = \"1h\"; }" },
    { "escalate", CONFIG_GROUP, AT(escalate),
      .example = "{ after = \"30m\"; channels = [\"ioc\"]; }" },
    { "use", CONFIG_STRING, AT(use), .example = "durian" },
    { "overrides", CONFIG_GROUPS, AT(overrides), .most = "256",
      .example = "( { stations = [\"my-tho-1\"]; levels = ( { severity = \"severe\"; raise = 4.0; "
                 "} ); } )" },
};
#undef AT
const struct config_schema schema_rule = SCHEMA("rule", rule_keys);

struct override_read {
    struct config_list stations, levels;
};

#define AT(member) offsetof(struct override_read, member)
static const struct config_key override_keys[] = {
    { "stations", CONFIG_STRINGS, AT(stations), .required = true, .least = "1", .most = "1024",
      .example = "[\"my-tho-1\"]" },
    { "levels", CONFIG_GROUPS, AT(levels), .required = true, .least = "1", .most = "4",
      .example = "( { severity = \"severe\"; raise = 4.0; } )" },
};
#undef AT
const struct config_schema schema_override = SCHEMA("override", override_keys);

struct file_read {
    struct config_list rules;
};

static const struct config_key file_keys[] = {
    { "rules", CONFIG_GROUPS, offsetof(struct file_read, rules), .required = true,
      .example = "( { id = \"r1\"; } )" },
};
const struct config_schema schema_rules_file = SCHEMA("rules file", file_keys);

/* A rule, or what an override made of the last one before it that is not derived. */
struct gathered {
    struct rule rule;
    bool derived;
    int inhibit_line;
};

/* The rulebook as it grows, and the kinds that stations have, sorted. */
struct gathering {
    struct gathered *rules;
    size_t count, capacity;
    const char **kinds;
    size_t kind_count;
};

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
        loader_warn(loader, config_at(node, "max_gap"),
                    "\"max_gap\" is shorter than the windows lie apart, so each is a run of its "
                    "own: no \"for\" or \"clear_for\" above 0s is ever reached, and no rate known; "
                    "write \"%lldh\" or more",
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

/* The kept id of a station that the rule may name, or NULL. */
static const char *find_station(struct loader *loader, const struct config_node *node,
                                const char *id, const char *kind)
{
    const struct station *station = loader_station(loader, node, id);
    if (station != NULL && kind != NULL && strcmp(station->kind, kind) != 0 &&
        loader->registry_whole) {
        config_complain(node, "station \"%s\" is of kind \"%s\", the rule is for \"%.64s\"", id,
                        station->kind, kind);
        return NULL;
    }
    return station == NULL ? NULL : station->id;
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

/* A text like an id that is nearly a template's was meant to be one. */
static void check_no_template(struct loader *loader, const struct config_node *node,
                              const char *text)
{
    const struct template_book *book = &loader->settings->templates;
    struct config_nearest nearest = { .word = text };
    bool like_id = phusa_id_valid(phusa_text_of(text));
    for (size_t i = 0; like_id && i < book->count && !mistakes_full(loader->mistakes); i++) {
        config_nearest_offer(&nearest, book->templates[i].id);
    }
    if (nearest.best != NULL && (loader->need & SETTINGS_SERVICES) != 0) {
        char hint[128];
        config_complain(node, "no template is called \"%.64s\"%s", text,
                        config_nearest_hint(&nearest, hint, sizeof hint));
    }
}

static void set_template(struct loader *loader, const struct config_node *node, struct rule *rule)
{
    const char *text = config_string(node);
    rule->message = template_find(&loader->settings->templates, text);
    if (rule->message != NULL && rule->parameter != NULL) {
        rule->message_vi = template_hazard(rule->message, rule->parameter->label_vi, LANGUAGE_VI);
        rule->message_en = template_hazard(rule->message, rule->parameter->label_en, LANGUAGE_EN);
    } else if (rule->message == NULL) {
        check_no_template(loader, node, text);
        rule->message_vi = rule->message_en = arena_text(loader->arena, text);
    }
}

/* A message is the id of a template, a string for both languages or a group of vi and en; none =
 * the rule's id. */
static void set_message(struct loader *loader, const struct config_node *node, struct rule *rule)
{
    struct message_read read = { rule->id, rule->id };
    if (node != NULL && config_is_group(node)) {
        (void)config_read_group(node, &schema_message, &read);
    }
    rule->message_vi = read.vi;
    rule->message_en = read.en;
    if (node == NULL || config_is_group(node)) {
        return;
    }
    if (config_string(node) == NULL) {
        config_complain(node, "\"message\" wants a string, or { vi = \"...\"; en = \"...\"; }");
    } else if (config_check_line(node, "message")) {
        set_template(loader, node, rule);
    }
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

static struct gathered *add_rule(struct loader *loader, struct gathering *gathering,
                                 const struct config_node *node)
{
    if (gathering->count == RULES_MAX) {
        config_complain(node, "more than %d rules", RULES_MAX);
        return NULL;
    }
    struct gathered *rules = arena_extend(loader->arena, gathering->rules, gathering->count,
                                          &gathering->capacity, sizeof *rules);
    if (rules == NULL) {
        return NULL;
    }
    gathering->rules = rules;
    struct gathered *added = &rules[gathering->count++];
    *added = (struct gathered){
        .rule = { .file = loader->open_file, .line = config_line(node), .threshold = NAN }
    };
    return added;
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
    rule->channel_count = load_channel_names(loader, &read->channels, rule->channels);
}

/* What makes it a rule of silence, of change or of values; false when that cannot be told. */
static bool set_subject(const struct config_node *node, const struct rule_read *read,
                        struct rule *rule)
{
    load_rule_subject(node, read->rate, read->missing, rule);
    bool directed = config_at(node, "direction") != node;
    if (rule->subject == RULE_MISSING && directed) {
        config_complain_at(node, "direction",
                           "\"direction\" has no meaning in a rule with \"missing\"; leave it out");
    } else if (rule->subject != RULE_MISSING && !directed) {
        config_complain(node, "missing key \"direction\" in rule; write direction = \"above\";");
    }
    rule->direction =
        rule->subject == RULE_MISSING ? RULE_ABOVE : (enum rule_direction)read->direction;
    return rule->subject == RULE_MISSING || read->direction != DIRECTION_UNKNOWN;
}

static void set_use(const struct config_node *node, const char *use, struct rule *rule)
{
    if (use != NULL && check_id(node, "use", use)) {
        rule->use = use;
    }
}

static void fill_rule(struct loader *loader, const struct gathering *gathering,
                      const struct config_node *node, const struct rule_read *read,
                      struct rule *rule)
{
    rule->id = read->id != NULL && check_rule_id(loader, node, read->id) ? read->id : "";
    rule->kind = read->kind;
    rule->enabled = read->enabled;
    rule->max_gap_ns = read->max_gap_ns;
    rule->live_within_ns = read->live_within_ns;
    set_period(loader, node, read, rule);
    set_window(loader, node, read, rule);
    set_accept(&read->accept, rule);
    resolve_names(loader, gathering, node, read, rule);
    set_message(loader, read->message, rule);
    if (rule->window.given && rule->parameter != NULL) {
        load_check_windows(loader, node, read->window, rule);
    }
    set_use(node, read->use, rule);
    rule->flapping = loader->settings->alarms.flapping;
    if (read->flapping != NULL) {
        load_flapping(read->flapping, &rule->flapping);
    }
    load_rule_schedule(read->schedule, &rule->schedule);
    load_rule_escalation(loader, read->escalate, &rule->escalation);
    load_rule_inhibitors(loader, &read->inhibited_by, rule);
    if (set_subject(node, read, rule)) {
        load_levels(loader, &read->levels, rule);
    }
}

/* ---- stations with levels of their own ---- */

static bool among(const char *const *ids, size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(ids[i], id) == 0) {
            return true;
        }
    }
    return false;
}

/* The rule is for the station, and no override before is. */
static bool check_override_station(struct loader *loader, const struct config_node *node,
                                   const struct rule *rule, const char *id)
{
    const struct station *station = registry_find(&loader->settings->registry, phusa_text_of(id));
    if (among(rule->except, rule->except_count, id)) {
        config_complain(node, "station \"%s\" stands in two overrides; keep one", id);
        return false;
    }
    if ((rule->station_count > 0 && !among(rule->stations, rule->station_count, id)) ||
        (station != NULL && !rule_tags_match(rule, station))) {
        config_complain(node, "station \"%s\" is not among those that the rule is for", id);
        return false;
    }
    return true;
}

static void read_override(struct loader *loader, struct gathering *gathering, size_t base,
                          const struct config_node *node, const char **except)
{
    struct override_read read = { .stations = { NULL, 0 } };
    (void)config_read_group(node, &schema_override, &read);
    const char **stations = arena_alloc(loader->arena, read.stations.count, sizeof *stations);
    struct gathered *added = add_rule(loader, gathering, node);
    if (added == NULL || stations == NULL) {
        return;
    }
    struct rule *rule = &gathering->rules[base].rule; /* adding may have moved it */
    size_t count = 0;
    for (size_t i = 0; i < read.stations.count; i++) {
        const struct config_node *element = config_element(read.stations.node, i);
        const char *id =
            find_station(loader, element, config_string_at(&read.stations, i), rule->kind);
        if (id != NULL && check_override_station(loader, element, rule, id)) {
            stations[count++] = id;
            except[rule->except_count++] = id;
        }
    }
    int line = added->rule.line;
    added->derived = true;
    added->rule = *rule;
    added->rule.line = line;
    added->rule.stations = stations;
    added->rule.station_count = count;
    added->rule.except = NULL;
    added->rule.except_count = 0;
    load_levels(loader, &read.levels, &added->rule);
}

static size_t count_override_stations(const struct config_list *overrides)
{
    size_t count = 0;
    for (size_t i = 0; i < overrides->count; i++) {
        const struct config_node *node = config_element(overrides->node, i);
        const struct config_node *stations = config_at(node, "stations");
        count += stations == node ? 0 : config_count(stations);
    }
    return count;
}

static void read_overrides(struct loader *loader, struct gathering *gathering, size_t base,
                           const struct config_list *overrides)
{
    size_t most = count_override_stations(overrides);
    const char **except = arena_alloc(loader->arena, most, sizeof *except);
    if (overrides->count == 0 || except == NULL) {
        return;
    }
    gathering->rules[base].rule.except = except;
    for (size_t i = 0; i < overrides->count; i++) {
        read_override(loader, gathering, base, config_element(overrides->node, i), except);
    }
}

static void read_rule(struct loader *loader, struct gathering *gathering,
                      const struct config_node *node)
{
    struct rule_read read = { .direction = DIRECTION_UNKNOWN };
    (void)config_read_group(node, &schema_rule, &read);
    struct gathered *added = add_rule(loader, gathering, node);
    if (added == NULL) {
        return;
    }
    fill_rule(loader, gathering, node, &read, &added->rule);
    added->inhibit_line = config_line(config_at(node, "inhibited_by"));
    if (added->rule.level_count > 0) {
        read_overrides(loader, gathering, gathering->count - 1, &read.overrides);
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
    const struct gathered *const *a = left, *const *b = right;
    int order = strcmp((*a)->rule.id, (*b)->rule.id);
    return order != 0 ? order : (*a > *b) - (*a < *b); /* by place: in the order of the files */
}

/* Those that were written, by id. */
struct sorted {
    const struct gathered **rules;
    size_t count;
};

static struct sorted sort_rules(struct loader *loader, const struct gathering *gathering)
{
    struct sorted sorted = { .rules = NULL };
    const struct gathered **rules = arena_alloc(loader->arena, gathering->count, sizeof *rules);
    for (size_t i = 0; rules != NULL && i < gathering->count; i++) {
        if (!gathering->rules[i].derived) {
            rules[sorted.count++] = &gathering->rules[i];
        }
    }
    sorted.rules = rules;
    if (sorted.count > 0) {
        qsort(rules, sorted.count, sizeof *rules, compare_rules);
    }
    return sorted;
}

static void check_unique(struct loader *loader, const struct sorted *sorted)
{
    for (size_t i = 1; i < sorted->count; i++) {
        const struct rule *first = &sorted->rules[i - 1]->rule, *second = &sorted->rules[i]->rule;
        if (second->id[0] != '\0' && strcmp(first->id, second->id) == 0) {
            loader_complain(loader, second->file, second->line,
                            "rule \"%s\" is already defined at %s:%d; give each its own id",
                            second->id, first->file, first->line);
        }
    }
}

/* ---- what silences what ---- */

static int compare_id(const void *id, const void *gathered)
{
    return strcmp(id, (*(const struct gathered *const *)gathered)->rule.id);
}

static const struct gathered *find_rule(const struct sorted *sorted, const char *id)
{
    const struct gathered *const *found =
        sorted->count == 0
            ? NULL
            : bsearch(id, sorted->rules, sorted->count, sizeof *sorted->rules, compare_id);
    return found == NULL ? NULL : *found;
}

static void complain_inhibitor(struct loader *loader, const struct sorted *sorted,
                               const struct gathered *gathered, const char *id)
{
    char hint[128];
    struct config_nearest nearest = { .word = id };
    for (size_t i = 0; i < sorted->count && !mistakes_full(loader->mistakes); i++) {
        config_nearest_offer(&nearest, sorted->rules[i]->rule.id);
    }
    for (int i = 0; i < MAINTENANCE_COUNT; i++) {
        config_nearest_offer(&nearest, loader->settings->maintenance.rules[i].id);
    }
    loader_complain(loader, gathered->rule.file, gathered->inhibit_line,
                    "\"inhibited_by\" holds \"%.64s\", which is neither a rule nor an alarm of the "
                    "collector's own%s",
                    id, config_nearest_hint(&nearest, hint, sizeof hint));
}

/* Two that silence each other would both be silent. */
static void check_inhibitor(struct loader *loader, const struct sorted *sorted,
                            const struct gathered *gathered, const char *id)
{
    const struct rule *rule = &gathered->rule;
    const struct gathered *other = find_rule(sorted, id);
    if (other == NULL && maintenance_find(&loader->settings->maintenance, id) < 0) {
        complain_inhibitor(loader, sorted, gathered, id);
    } else if (other != NULL && (other == gathered || among(other->rule.inhibited_by,
                                                            other->rule.inhibit_count, rule->id))) {
        loader_complain(loader, rule->file, gathered->inhibit_line,
                        "\"inhibited_by\" holds \"%s\", which is %s", id,
                        other == gathered ? "this rule: it would never be told"
                                          : "inhibited by this rule: neither would ever be told");
    }
}

/* A walk from a rule along what silences it. */
struct ring_walk {
    const struct sorted *sorted;
    size_t *seen; /* for each rule: 1 + the start of the walk that came by last */
    const struct gathered **stack;
    size_t depth;
};

static size_t place_of(const struct sorted *sorted, const struct gathered *gathered)
{
    const struct gathered *const *found =
        bsearch(gathered->rule.id, sorted->rules, sorted->count, sizeof *sorted->rules, compare_id);
    return (size_t)(found - sorted->rules);
}

/* Puts the rules that silence one on the stack, but those seen. True if start is among them. */
static bool ring_look(struct ring_walk *walk, const struct gathered *from, size_t start)
{
    for (size_t i = 0; i < from->rule.inhibit_count; i++) {
        const struct gathered *next = find_rule(walk->sorted, from->rule.inhibited_by[i]);
        size_t place = next == NULL ? 0 : place_of(walk->sorted, next);
        if (next != NULL && place == start) {
            return true;
        }
        if (next != NULL && walk->seen[place] != start + 1) {
            walk->seen[place] = start + 1;
            walk->stack[walk->depth++] = next;
        }
    }
    return false;
}

/* True if the inhibitor is itself inhibited, by way of at least one other, by the rule at start. */
static bool ring_closes(struct ring_walk *walk, const char *inhibitor, size_t start)
{
    const struct gathered *first = find_rule(walk->sorted, inhibitor);
    bool closed = false;
    walk->depth = 0;
    if (first != NULL && first != walk->sorted->rules[start]) {
        walk->seen[place_of(walk->sorted, first)] = start + 1;
        walk->stack[walk->depth++] = first;
    }
    while (!closed && walk->depth > 0) { /* ends: a rule is put on the stack once */
        closed = ring_look(walk, walk->stack[--walk->depth], start);
    }
    return closed;
}

static void check_ring(struct loader *loader, struct ring_walk *walk, size_t start)
{
    const struct gathered *gathered = walk->sorted->rules[start];
    const struct rule *rule = &gathered->rule;
    for (size_t i = 0; i < rule->inhibit_count; i++) {
        const struct gathered *other = find_rule(walk->sorted, rule->inhibited_by[i]);
        bool pair =
            other != NULL && among(other->rule.inhibited_by, other->rule.inhibit_count, rule->id);
        if (!pair && ring_closes(walk, rule->inhibited_by[i], start)) {
            loader_complain(loader, rule->file, gathered->inhibit_line,
                            "\"inhibited_by\" holds \"%s\", which by way of others is inhibited by "
                            "this rule: none of them would ever be told",
                            rule->inhibited_by[i]);
        }
    }
}

static void check_rings(struct loader *loader, const struct sorted *sorted)
{
    struct ring_walk walk = { .sorted = sorted };
    walk.seen = arena_alloc(loader->arena, sorted->count, sizeof *walk.seen);
    walk.stack = arena_alloc(loader->arena, sorted->count, sizeof(struct gathered *));
    for (size_t i = 0; walk.seen != NULL && walk.stack != NULL && i < sorted->count; i++) {
        check_ring(loader, &walk, i);
    }
}

static void check_inhibitors(struct loader *loader, const struct sorted *sorted)
{
    for (size_t i = 0; i < sorted->count; i++) {
        const struct rule *rule = &sorted->rules[i]->rule;
        for (size_t j = 0; j < rule->inhibit_count; j++) {
            check_inhibitor(loader, sorted, sorted->rules[i], rule->inhibited_by[j]);
        }
    }
    check_rings(loader, sorted);
}

/* Those that are switched off were checked like all others; from here on they do not exist. */
static void keep_enabled(struct loader *loader, const struct gathering *gathering)
{
    struct rule *rules = arena_alloc(loader->arena, gathering->count, sizeof *rules);
    const struct rule *base = NULL;
    size_t kept = 0;
    for (size_t i = 0; rules != NULL && i < gathering->count; i++) {
        if (!gathering->rules[i].rule.enabled) {
            continue;
        }
        rules[kept] = gathering->rules[i].rule;
        if (gathering->rules[i].derived) {
            rules[kept].base = base;
        } else {
            base = &rules[kept];
        }
        kept++;
    }
    loader->settings->rulebook = (struct rulebook){ rules, kept };
}

void load_rules(struct loader *loader, const struct config_node *phusa, const char *name)
{
    struct gathering gathering = { 0 };
    gather_kinds(loader, &gathering);
    (void)source_each(loader, phusa, "rules", name, read_rules_file, &gathering);
    struct sorted sorted = sort_rules(loader, &gathering);
    check_unique(loader, &sorted);
    check_inhibitors(loader, &sorted);
    keep_enabled(loader, &gathering);
}
