/*
 * Which stations a rule concerns, said by what they are: tags = { class = "B"; } takes those whose
 * own tag has this value, tags = { crop = ["rice", "maize"]; } those that have one of these. A
 * value that no station has is no mistake: a pack of rules has limits for classes that are not
 * there yet.
 */
#include "settings/load.h"

static size_t value_count(const struct config_node *tag)
{
    return config_is_list(tag) ? config_count(tag) : 1;
}

static const struct config_node *value_at(const struct config_node *tag, size_t place)
{
    return config_is_list(tag) ? config_element(tag, place) : tag;
}

static void add_values(struct loader *loader, const struct config_node *tag, struct rule *rule,
                       struct station_tag *tags)
{
    const char *key = arena_text(loader->arena, config_name(tag));
    for (size_t i = 0; i < value_count(tag); i++) {
        const struct config_node *value = value_at(tag, i);
        if (check_tag_value(value, key)) {
            tags[rule->tag_count++] =
                (struct station_tag){ key, arena_text(loader->arena, config_string(value)) };
        }
    }
}

/* Values of all tags; 0 after a complaint. An empty list would concern nobody, an empty group
 * everybody: neither is what was meant. */
static size_t count_values(const struct config_node *group)
{
    size_t values = 0;
    bool good = config_count(group) > 0;
    for (size_t i = 0; i < config_count(group); i++) {
        size_t more = value_count(config_element(group, i));
        values += more;
        good = good && more > 0;
    }
    if (!good || values > RULE_TAGS_MAX) {
        config_complain(group,
                        "\"tags\" wants 1 to %d values, such as { class = \"B\"; } or "
                        "{ crop = [\"rice\", \"maize\"]; }; leave it out to concern all stations",
                        RULE_TAGS_MAX);
        return 0;
    }
    return values;
}

void load_rule_tags(struct loader *loader, const struct config_node *group, struct rule *rule)
{
    size_t count = group == NULL ? 0 : count_values(group);
    if (count == 0) {
        return;
    }
    struct station_tag *tags = arena_alloc(loader->arena, count, sizeof *tags);
    for (size_t i = 0; tags != NULL && i < config_count(group); i++) {
        const struct config_node *tag = config_element(group, i);
        if (check_tag_key(tag)) {
            add_values(loader, tag, rule, tags);
        }
    }
    rule->tags = tags;
}
