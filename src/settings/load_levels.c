/* The levels of a rule: a severity, its limits, and how long. */
#include <math.h>

#include "phusa/report.h"
#include "settings/load.h"
#include "settings/schema.h"

static const char *const severities[] = { "minor", "moderate", "severe", "extreme", NULL };

struct level_read {
    unsigned severity; /* index into severities */
    struct config_limit raise, clear;
    int64_t for_ns, clear_for_ns;
};

#define AT(member) offsetof(struct level_read, member)
static const struct config_key level_keys[] = {
    { "severity", CONFIG_CHOICE, AT(severity), .required = true, .choices = severities },
    { "raise", CONFIG_LIMIT, AT(raise), .example = "4.0" },
    { "clear", CONFIG_LIMIT, AT(clear), .example = "3.5" },
    { "for", CONFIG_DURATION, AT(for_ns), .fallback = "0s", .least = "0s", .most = "30d" },
    { "clear_for", CONFIG_DURATION, AT(clear_for_ns), .fallback = "0s", .least = "0s",
      .most = "30d" },
};
#undef AT
const struct config_schema schema_level = SCHEMA("level", level_keys);

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
 * up or counted, or it is their change that counts, any limit can be met. */
static void check_reachable(struct loader *loader, const struct config_node *node,
                            const struct rule *rule, const struct rule_level *level)
{
    const struct phusa_parameter *parameter = rule->parameter;
    bool added = rule->window.given &&
                 (rule->window.statistic == RULE_SUM || rule->window.statistic == RULE_COUNT);
    if (parameter == NULL || added || rule->subject != RULE_VALUE ||
        (rule->accept & 1u << PHUSA_FLAG_FAIL) != 0) {
        return;
    }
    bool by_high = level->raise_high <= parameter->maximum; /* false for NAN */
    bool by_low = level->raise_low >= parameter->minimum;
    if (!by_high && !by_low) {
        loader_warn(loader, config_at(node, "raise"),
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

/* Silence has no limits: only how long it lasts counts. */
static bool check_no_limits(const struct config_node *node)
{
    static const char *const limits[] = { "raise", "clear", "clear_for" };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        if (config_at(node, limits[i]) != node) {
            config_complain_at(node, limits[i],
                               "\"%s\" has no meaning in a rule with \"missing\"; its levels have "
                               "a severity and \"for\", which counts on top of \"after\"",
                               limits[i]);
            return false;
        }
    }
    return true;
}

/* The limits of a level; those that do not apply are NaN. */
static bool set_limits(struct loader *loader, const struct config_node *node,
                       const struct rule *rule, struct level_read *read, struct rule_level *level)
{
    if (rule->subject == RULE_MISSING) {
        return check_no_limits(node);
    }
    if (config_at(node, "raise") == node) {
        config_complain(node, "missing key \"raise\" in level; write raise = 4.0;");
    }
    if (read->raise.count == 0 || !read_limits(node, rule->direction, read, level)) {
        return false;
    }
    check_clear(node, level);
    check_reachable(loader, node, rule, level);
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

static void read_level(struct loader *loader, const struct config_node *node, struct rule *rule)
{
    struct level_read read = { 0 };
    if (!config_read_group(node, &schema_level, &read)) {
        return;
    }
    struct rule_level level = { .severity = (enum severity)(read.severity + SEVERITY_MINOR),
                                .raise_low = NAN,
                                .raise_high = NAN,
                                .clear_low = NAN,
                                .clear_high = NAN,
                                .for_ns = read.for_ns,
                                .clear_for_ns = read.clear_for_ns };
    if (has_severity(rule, level.severity)) {
        config_complain_at(node, "severity", "severity \"%s\" stands twice in this rule; keep one",
                           severity_name(level.severity));
        return;
    }
    if (set_limits(loader, node, rule, &read, &level)) {
        insert_level(rule, &level);
    }
}

/* Whether one pair of limits lies beyond the other on any side; a limit that does not apply (NaN)
 * lies nowhere. */
static bool lies_farther(double low, double high, double other_low, double other_high)
{
    return high > other_high || low < other_low;
}

/* True if the graver one is active whenever the lower is: what is beyond the lower's `raise` is
 * beyond its own, what is good for it is good for the lower, and it waits no longer to begin and no
 * shorter to end. That runs begin anew after each change makes no difference: the reading at which
 * the graver ends is good for the lower, so no run toward the lower holds it; and the one at which
 * the lower begins is beyond for the graver, so no run toward the graver's end holds that. */
static bool hides(const struct rule_level *graver, const struct rule_level *lower)
{
    bool begins_first =
        !lies_farther(graver->raise_low, graver->raise_high, lower->raise_low, lower->raise_high) &&
        graver->for_ns <= lower->for_ns;
    bool ends_last =
        !lies_farther(graver->clear_low, graver->clear_high, lower->clear_low, lower->clear_high) &&
        graver->clear_for_ns >= lower->clear_for_ns;
    return begins_first && ends_last;
}

/* At once is as good as before: of several the gravest is told. */
static void check_told(struct loader *loader, const struct config_node *levels,
                       const struct rule *rule)
{
    for (size_t i = 0; i < rule->level_count; i++) {
        const struct rule_level *lower = &rule->levels[i];
        size_t graver = i + 1;
        while (graver < rule->level_count && !hides(&rule->levels[graver], lower)) {
            graver++;
        }
        if (graver < rule->level_count) {
            const char *hidden = severity_name(lower->severity);
            const char *by = severity_name(rule->levels[graver].severity);
            loader_warn(loader, levels,
                        "level \"%s\" can never be told, since \"%s\" begins no later and ends "
                        "no sooner; give \"%s\" a limit farther out, or a longer \"for\"",
                        hidden, by, by);
        }
    }
}

void load_levels(struct loader *loader, const struct config_list *list, struct rule *rule)
{
    rule->level_count = 0;
    for (size_t i = 0; i < list->count; i++) {
        read_level(loader, config_element(list->node, i), rule);
    }
    check_told(loader, list->node, rule);
}
