/* Windows: which are computed, and those that rules judge. */
#include <stdlib.h>
#include <string.h>

#include "settings/load.h"
#include "settings/schema.h"

_Static_assert(sizeof(enum rule_length) == sizeof(unsigned), "a choice is stored as unsigned");

static const char *const lengths[] = { "1h", "8h", "24h", "day", "night", "year", NULL };
static const char *const statistics[] = { "mean", "max", "min", "sum", "count", NULL };

const char *load_length_name(enum rule_length length)
{
    return lengths[length];
}

/* ---- what is computed ---- */

static const char *const hour_choices[] = { "ends", "begins", NULL };
static const char *const nowcast_choices[] = { "printed", "normalised", NULL };

struct windows_read {
    struct config_list kinds;
    double coverage;
    int64_t lateness_ns;
    unsigned hour, nowcast; /* indexes into their choices */
};

#define AT(member) offsetof(struct windows_read, member)
static const struct config_key windows_keys[] = {
    { "kinds", CONFIG_STRINGS, AT(kinds), .most = "6", .example = "[\"1h\", \"24h\", \"day\"]" },
    { "coverage", CONFIG_NUMBER, AT(coverage), .fallback = "0.75", .least = "0", .most = "1" },
    { "lateness", CONFIG_DURATION, AT(lateness_ns), .fallback = "10m", .least = "0s",
      .most = "2h" },
    { "hour", CONFIG_CHOICE, AT(hour), .fallback = "ends", .choices = hour_choices },
    { "nowcast", CONFIG_CHOICE, AT(nowcast), .fallback = "printed", .choices = nowcast_choices },
};
#undef AT
const struct config_schema schema_windows = SCHEMA("windows", windows_keys);

#define BIT(length)   (1u << (length))
#define KINDS_DEFAULT (BIT(RULE_1H) | BIT(RULE_8H) | BIT(RULE_24H) | BIT(RULE_DAY) | BIT(RULE_YEAR))

static void read_kind(const struct config_node *node, const char *text, unsigned *kinds)
{
    char hint[64];
    struct config_nearest nearest = { .word = text };
    for (unsigned i = 0; lengths[i] != NULL; i++) {
        config_nearest_offer(&nearest, lengths[i]);
        if (strcmp(lengths[i], text) != 0) {
            continue;
        }
        if ((*kinds & BIT(i)) != 0) {
            config_complain(node, "\"%s\" is listed twice; keep one", text);
        }
        *kinds |= BIT(i);
        return;
    }
    config_complain(node,
                    "\"kinds\" holds \"%.64s\"; windows are \"1h\", \"8h\", \"24h\", \"day\", "
                    "\"night\" and \"year\"%s",
                    text, config_nearest_hint(&nearest, hint, sizeof hint));
}

static unsigned read_kinds(const struct config_list *list)
{
    unsigned kinds = list->node == NULL ? KINDS_DEFAULT : 0;
    for (size_t i = 0; i < list->count; i++) {
        read_kind(config_element(list->node, i), config_string_at(list, i), &kinds);
    }
    return kinds;
}

void load_windows(struct loader *loader, const struct config_node *group)
{
    struct windows_read read = { .kinds = { NULL, 0 } };
    if (group == NULL) {
        config_read_fallbacks(&loader->sink, &schema_windows, &read);
    } else {
        (void)config_read_group(group, &schema_windows, &read);
    }
    loader->settings->windows = (struct window_choice){
        .kinds = read_kinds(&read.kinds),
        .coverage = read.coverage,
        .lateness_ns = read.lateness_ns,
        .begins = read.hour == 1,
        .nowcast_normalised = read.nowcast == 1,
    };
}

/* ---- what a rule judges ---- */

struct window_read {
    unsigned statistic, length;
    double coverage;
};

#define AT(member) offsetof(struct window_read, member)
static const struct config_key window_keys[] = {
    { "statistic", CONFIG_CHOICE, AT(statistic), .required = true, .choices = statistics },
    { "length", CONFIG_CHOICE, AT(length), .required = true, .choices = lengths },
    { "coverage", CONFIG_NUMBER, AT(coverage), .least = "0", .most = "1", .example = "0.75" },
};
#undef AT
const struct config_schema schema_window = SCHEMA("window", window_keys);

bool load_rule_window(struct loader *loader, const struct config_node *group,
                      struct rule_window *window)
{
    struct window_read read = { .coverage = loader->settings->windows.coverage };
    if (!config_read_group(group, &schema_window, &read)) {
        return false;
    }
    *window = (struct rule_window){ .given = true,
                                    .statistic = (enum rule_statistic)read.statistic,
                                    .length = (enum rule_length)read.length,
                                    .coverage = read.coverage };
    return true;
}
