/* What a rule may have besides its levels: change or silence as its subject, hours of the week,
 * whom to tell next, what silences it. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "settings/load.h"
#include "settings/schema.h"

/* ---- subject ---- */

struct rate_read {
    int64_t over_ns;
};

static const struct config_key rate_keys[] = {
    { "over", CONFIG_DURATION, offsetof(struct rate_read, over_ns), .required = true, .least = "1m",
      .most = "30d", .example = "3h" },
};
const struct config_schema schema_rate = SCHEMA("rate of a rule", rate_keys);

struct missing_read {
    const char *after;
};

static const struct config_key missing_keys[] = {
    { "after", CONFIG_STRING, offsetof(struct missing_read, after), .required = true,
      .example = "3 x every" },
};
const struct config_schema schema_missing = SCHEMA("missing", missing_keys);

#define EVERY_LEAST    1.0
#define EVERY_MOST     1000.0
#define SILENCE_MOST_S (365 * INT64_C(86400))

/* "3 x every" or "2.5 x every". */
static bool parse_every(const char *text, double *times)
{
    char *end = NULL;
    if (strspn(text, "0123456789") == 0) {
        return false;
    }
    *times = strtod(text, &end);
    return strcmp(end, " x every") == 0 && *times >= EVERY_LEAST && *times <= EVERY_MOST;
}

static void set_missing(const struct config_node *group, struct rule *rule)
{
    struct missing_read read = { .after = NULL };
    rule->subject = RULE_MISSING;
    if (!config_read_group(group, &schema_missing, &read) ||
        parse_every(read.after, &rule->missing_every)) {
        return;
    }
    rule->missing_every = 0;
    bool good = config_parse_duration(read.after, &rule->missing_ns) &&
                rule->missing_ns >= SECOND_NS && rule->missing_ns <= SILENCE_MOST_S * SECOND_NS;
    if (!good) {
        config_complain_at(group, "after",
                           "\"after\" is \"%.64s\"; write \"3 x every\", 1 to 1000 times, or a "
                           "duration of 1s to 365d such as \"45m\"",
                           read.after);
    }
}

void load_rule_subject(const struct config_node *node, const struct config_node *rate,
                       const struct config_node *missing, struct rule *rule)
{
    struct rate_read read = { 0 };
    if (rate != NULL && config_read_group(rate, &schema_rate, &read)) {
        rule->rate_over_ns = read.over_ns;
    }
    rule->subject = rate != NULL ? RULE_RATE : RULE_VALUE;
    if (missing == NULL) {
        return;
    }
    set_missing(missing, rule);
    if (rate != NULL || config_at(node, "window") != node) {
        config_complain_at(node, "missing",
                           "\"missing\" goes with neither \"window\" nor \"rate\": it is readings "
                           "that do not come; make it a rule of its own");
    }
}

/* ---- schedule ---- */

struct schedule_read {
    struct config_list days;
    const char *from, *until;
};

#define AT(member) offsetof(struct schedule_read, member)
static const struct config_key schedule_keys[] = {
    { "days", CONFIG_STRINGS, AT(days), .least = "1", .most = "7",
      .example = "[\"mon\", \"tue\", \"wed\", \"thu\", \"fri\"]" },
    { "from", CONFIG_STRING, AT(from), .example = "06:00" },
    { "until", CONFIG_STRING, AT(until), .example = "18:00" },
};
#undef AT
const struct config_schema schema_schedule = SCHEMA("schedule", schedule_keys);

#define ALL_DAYS 0x7fu

static unsigned read_day(const struct config_node *node, const char *text)
{
    static const char *const days[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };
    for (unsigned i = 0; i < sizeof days / sizeof *days; i++) {
        if (strcmp(days[i], text) == 0) {
            return 1u << i;
        }
    }
    config_complain(node,
                    "\"days\" holds \"%.64s\"; write \"mon\", \"tue\", \"wed\", \"thu\", \"fri\", "
                    "\"sat\" or \"sun\"",
                    text);
    return 0;
}

void load_rule_schedule(const struct config_node *group, struct rule_schedule *schedule)
{
    struct schedule_read read = { .from = NULL };
    if (group == NULL || !config_read_group(group, &schema_schedule, &read)) {
        return;
    }
    for (size_t i = 0; i < read.days.count; i++) {
        schedule->days |=
            read_day(config_element(read.days.node, i), config_string_at(&read.days, i));
    }
    schedule->days = read.days.count == 0 ? ALL_DAYS : schedule->days;
    if ((read.from == NULL) != (read.until == NULL)) {
        config_complain(group, "\"schedule\" has only one of \"from\" and \"until\"; give both, or "
                               "none for the whole day");
    } else if (read.from != NULL) {
        (void)(check_time_of_day(group, "from", read.from, &schedule->from_s) &&
               check_time_of_day(group, "until", read.until, &schedule->until_s));
    }
}

/* ---- escalation ---- */

static const char *const severities[] = { "minor", "moderate", "severe", "extreme", NULL };

struct escalate_read {
    int64_t after_ns;
    unsigned from;
    struct config_list channels;
};

#define AT(member) offsetof(struct escalate_read, member)
static const struct config_key escalate_keys[] = {
    { "after", CONFIG_DURATION, AT(after_ns), .required = true, .least = "1m", .most = "7d",
      .example = "30m" },
    { "from", CONFIG_CHOICE, AT(from), .fallback = "severe", .choices = severities },
    { "channels", CONFIG_STRINGS, AT(channels), .required = true, .least = "1", .most = "16",
      .example = "[\"ioc\"]" },
};
#undef AT
const struct config_schema schema_escalate = SCHEMA("escalate", escalate_keys);

void load_rule_escalation(struct loader *loader, const struct config_node *group,
                          struct rule_escalation *escalation)
{
    struct escalate_read read = { 0 };
    if (group == NULL) {
        return;
    }
    (void)config_read_group(group, &schema_escalate, &read);
    escalation->after_ns = read.after_ns;
    escalation->from = (enum severity)(read.from + SEVERITY_MINOR);
    escalation->channel_count = load_channel_names(loader, &read.channels, escalation->channels);
}

/* ---- what silences it ---- */

void load_rule_inhibitors(struct loader *loader, const struct config_list *list, struct rule *rule)
{
    const char **ids = arena_alloc(loader->arena, list->count, sizeof *ids);
    for (size_t i = 0; ids != NULL && i < list->count; i++) {
        ids[rule->inhibit_count++] = arena_text(loader->arena, config_string_at(list, i));
    }
    rule->inhibited_by = ids;
}
