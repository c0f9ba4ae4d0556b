/* What all alarms have in common. */
#include "settings/load.h"
#include "settings/schema.h"

/* ---- flapping ---- */

#define AT(member) offsetof(struct rule_flapping, member)
static const struct config_key flapping_keys[] = {
    { "changes", CONFIG_INTEGER, AT(changes), .least = "0", .most = "32", .example = "8" },
    { "within", CONFIG_DURATION, AT(within_ns), .least = "1s", .most = "7d", .example = "1h" },
    { "calm", CONFIG_DURATION, AT(calm_ns), .least = "1s", .most = "7d", .example = "1h" },
};
#undef AT
const struct config_schema schema_flapping = SCHEMA("flapping", flapping_keys);

void load_flapping(const struct config_node *group, struct rule_flapping *flapping)
{
    (void)config_read_group(group, &schema_flapping, flapping);
}

/* ---- how to stop ---- */

struct stop_read {
    const char *vi, *en;
};

static const struct config_key stop_keys[] = {
    { "vi", CONFIG_STRING, offsetof(struct stop_read, vi), .fallback = "", .most = "160",
      .example = "Ngừng nhận tin: gọi 0273 1234567." },
    { "en", CONFIG_STRING, offsetof(struct stop_read, en), .fallback = "", .most = "160",
      .example = "To stop: call 0273 1234567." },
};
const struct config_schema schema_stop = SCHEMA("stop", stop_keys);

/* ---- the group ---- */

struct alarms_read {
    struct alarm_settings kept;
    const struct config_node *stop, *flapping;
};

#define AT(member) offsetof(struct alarms_read, member)
static const struct config_key alarms_keys[] = {
    { "source", CONFIG_STRING, AT(kept.source), .fallback = "Phù Sa", .least = "1", .most = "64" },
    { "stop", CONFIG_GROUP, AT(stop), .example = "{ vi = \"...\"; en = \"...\"; }" },
    { "keep", CONFIG_DURATION, AT(kept.keep_ns), .fallback = "36500d", .least = "1d",
      .most = "36500d" },
    { "shelve_most", CONFIG_DURATION, AT(kept.shelve_most_ns), .fallback = "7d", .least = "1m",
      .most = "90d" },
    { "site_share", CONFIG_NUMBER, AT(kept.site_share), .fallback = "0.5", .least = "0.1",
      .most = "1" },
    { "link_grace", CONFIG_DURATION, AT(kept.link_grace_ns), .fallback = "5m", .least = "0s",
      .most = "1d" },
    { "flapping", CONFIG_GROUP, AT(flapping),
      .example = "{ changes = 8; within = \"1h\"; calm = \"1h\"; }" },
};
#undef AT
const struct config_schema schema_alarms = SCHEMA("alarms", alarms_keys);

#define HOUR_NS INT64_C(3600000000000)

static const struct rule_flapping flapping_default = { 8, HOUR_NS, HOUR_NS };

void load_alarms(struct loader *loader, const struct config_node *group)
{
    struct alarms_read read = { .kept = { .flapping = flapping_default } };
    struct stop_read stop = { "", "" };
    if (group == NULL) {
        config_read_fallbacks(&loader->sink, &schema_alarms, &read);
    } else {
        (void)config_read_group(group, &schema_alarms, &read);
    }
    if (read.stop != NULL) {
        (void)config_read_group(read.stop, &schema_stop, &stop);
    }
    if (read.flapping != NULL) {
        load_flapping(read.flapping, &read.kept.flapping);
    }
    read.kept.stop_vi = stop.vi;
    read.kept.stop_en = stop.en;
    loader->settings->alarms = read.kept;
}
