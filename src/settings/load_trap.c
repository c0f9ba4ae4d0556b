/* How a light trap counts: the group `trap` of a station. */
#include "settings/load.h"
#include "settings/schema.h"

static const char *const counts_choices[] = { "interval", "cumulative", NULL };
static const char *const falls_choices[] = { "restart", "correction", NULL };

struct trap_read {
    unsigned counts, falls; /* indexes into their choices */
    double limit;
    int64_t hold_ns;
    struct config_list species;
    const char *lamp, *gate, *lamp_minutes, *gate_minutes, *service;
};

#define AT(member) offsetof(struct trap_read, member)
static const struct config_key trap_keys[] = {
    { "counts", CONFIG_CHOICE, AT(counts), .fallback = "interval", .choices = counts_choices },
    { "falls", CONFIG_CHOICE, AT(falls), .fallback = "restart", .choices = falls_choices },
    { "limit", CONFIG_NUMBER, AT(limit), .fallback = "0", .least = "0" },
    { "hold", CONFIG_DURATION, AT(hold_ns), .fallback = "2h", .least = "1m", .most = "7d" },
    { "species", CONFIG_STRINGS, AT(species), .required = true, .least = "1", .most = "64",
      .example = "[\"bph\", \"stem_borer\"]" },
    { "lamp", CONFIG_STRING, AT(lamp), .example = "lamp" },
    { "gate", CONFIG_STRING, AT(gate), .example = "rain_gate" },
    { "lamp_minutes", CONFIG_STRING, AT(lamp_minutes), .example = "lamp_minutes" },
    { "gate_minutes", CONFIG_STRING, AT(gate_minutes), .example = "gate_minutes" },
    { "service", CONFIG_STRING, AT(service), .example = "service" },
};
#undef AT
const struct config_schema schema_trap = SCHEMA("trap", trap_keys);

/* A parameter in one role; each has one at most. */
struct roles {
    const struct phusa_parameter *taken[STATION_PARAMETERS_MAX + 5];
    size_t count;
};

static const struct phusa_parameter *take(struct loader *loader, const struct config_node *node,
                                          const char *name, const struct station *station,
                                          struct roles *roles)
{
    const struct phusa_parameter *found = loader_parameter(loader, node, name);
    if (found == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < roles->count; i++) {
        if (roles->taken[i] == found) {
            config_complain(node, "\"%s\" stands twice in this trap; keep one", name);
            return NULL;
        }
    }
    if (!station_lists(station, found)) {
        config_complain(node, "\"%s\" is not among the parameters of station \"%s\"; add it there",
                        name, station->id);
    }
    roles->taken[roles->count++] = found;
    return found;
}

static const struct phusa_parameter *take_key(struct loader *loader,
                                              const struct config_node *group, const char *key,
                                              const char *name, const struct station *station,
                                              struct roles *roles)
{
    return name == NULL ? NULL : take(loader, config_at(group, key), name, station, roles);
}

void load_station_trap(struct loader *loader, const struct config_node *group,
                       struct station *station)
{
    struct trap_read read = { .lamp = NULL };
    struct roles roles = { .count = 0 };
    if (!config_read_group(group, &schema_trap, &read)) {
        return;
    }
    const struct phusa_parameter **species =
        arena_alloc(loader->arena, read.species.count, sizeof *species);
    struct station_trap trap = { .given = true,
                                 .cumulative = read.counts == 1,
                                 .drop_corrects = read.falls == 1,
                                 .limit = read.limit,
                                 .hold_ns = read.hold_ns,
                                 .species = species };
    for (size_t i = 0; species != NULL && i < read.species.count; i++) {
        const struct phusa_parameter *found =
            take(loader, config_element(read.species.node, i), config_string_at(&read.species, i),
                 station, &roles);
        if (found != NULL) {
            species[trap.species_count++] = found;
        }
    }
    trap.lamp = take_key(loader, group, "lamp", read.lamp, station, &roles);
    trap.gate = take_key(loader, group, "gate", read.gate, station, &roles);
    trap.lamp_minutes = take_key(loader, group, "lamp_minutes", read.lamp_minutes, station, &roles);
    trap.gate_minutes = take_key(loader, group, "gate_minutes", read.gate_minutes, station, &roles);
    trap.service = take_key(loader, group, "service", read.service, station, &roles);
    station->trap = trap;
}
