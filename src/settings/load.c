#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "settings/load.h"
#include "settings/schema.h"

/* What a caller gets is the first member of this. */
struct kept {
    struct settings settings;
    struct arena arena;
};

struct top {
    const char *parameters, *quality, *stations, *rules, *messages, *subscribers;
    struct service_nodes services;
    const struct config_node *windows, *alarms, *maintenance;
    int32_t utc_offset_s;
    int64_t ahead_ns, clock_wrong_ns;
};

#define AT(member) offsetof(struct top, member)

static const struct config_key top_keys[] = {
    { "parameters", CONFIG_STRING, AT(parameters), .required = true, .least = "1",
      .example = "parameters.cfg" },
    { "quality", CONFIG_STRING, AT(quality), .fallback = "", .example = "quality.cfg" },
    { "stations", CONFIG_STRING, AT(stations), .least = "1", .example = "stations" },
    { "rules", CONFIG_STRING, AT(rules), .least = "1", .example = "rules" },
    { "messages", CONFIG_STRING, AT(messages), .fallback = "", .example = "messages" },
    { "subscribers", CONFIG_STRING, AT(subscribers), .fallback = "", .example = "subscribers.csv" },
    { "utc_offset", CONFIG_OFFSET, AT(utc_offset_s), .fallback = "+07:00", .least = "-12:00",
      .most = "+14:00" },
    { "ahead", CONFIG_DURATION, AT(ahead_ns), .fallback = "5m", .least = "1s", .most = "1d" },
    { "clock_wrong", CONFIG_DURATION, AT(clock_wrong_ns), .fallback = "1d", .least = "1h",
      .most = "365d" },
    { "windows", CONFIG_GROUP, AT(windows), .example = "{ coverage = 0.75; }" },
    { "broker", CONFIG_GROUP, AT(services.broker),
      .example = "{ uri = \"tcp://127.0.0.1:1883\"; }" },
    { "journal", CONFIG_GROUP, AT(services.journal),
      .example = "{ path = \"/var/lib/phusa/journal\"; }" },
    { "store", CONFIG_GROUP, AT(services.store),
      .example = "{ url = \"http://127.0.0.1:8428\"; }" },
    { "http", CONFIG_GROUP, AT(services.http), .example = "{ listen = \"127.0.0.1:8080\"; }" },
    { "channels", CONFIG_GROUPS, AT(services.channels), .most = "64" },
    { "alarms", CONFIG_GROUP, AT(alarms), .example = "{ source = \"Phù Sa\"; }" },
    { "maintenance", CONFIG_GROUP, AT(maintenance), .example = "{ gap = \"6h\"; }" },
};
const struct config_schema schema_phusa = SCHEMA("phusa", top_keys);

struct outermost {
    const struct config_node *phusa;
};

static const struct config_key outermost_keys[] = {
    { "phusa", CONFIG_GROUP, offsetof(struct outermost, phusa), .required = true,
      .example = "{ parameters = \"parameters.cfg\"; }" },
};
const struct config_schema schema_outermost = SCHEMA("configuration file", outermost_keys);

/* ---- for all loaders ---- */

void loader_complain(struct loader *loader, const char *file, int line, const char *format, ...)
{
    char text[PROBLEM_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    mistakes_add(loader->mistakes, file, line, text);
}

void loader_warn(struct loader *loader, const struct config_node *node, const char *format, ...)
{
    struct settings_warnings *warnings = &loader->settings->warnings;
    if (warnings->count == SETTINGS_WARNINGS_MAX) {
        warnings->dropped++;
        return;
    }
    char text[PROBLEM_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const char **items = arena_extend(loader->arena, loader->warnings, warnings->count,
                                      &loader->warning_capacity, sizeof *items);
    if (items != NULL) {
        items[warnings->count++] = arena_print(loader->arena, "%s:%d: warning: %s",
                                               config_file(node), config_line(node), text);
        loader->warnings = items;
        warnings->items = items;
    }
}

const struct phusa_parameter *loader_parameter(struct loader *loader,
                                               const struct config_node *node, const char *name)
{
    const struct phusa_catalogue *catalogue = &loader->settings->catalogue;
    const struct phusa_parameter *found = phusa_catalogue_find(catalogue, phusa_text_of(name));
    if (found != NULL || !loader->catalogue_whole) {
        return found;
    }
    char hint[128];
    struct config_nearest nearest = { .word = name };
    for (size_t i = 0; i < catalogue->count && !mistakes_full(loader->mistakes); i++) {
        config_nearest_offer(&nearest, catalogue->parameters[i].name.data);
    }
    config_complain(node, "unknown parameter \"%.64s\"%s", name,
                    nearest.best == NULL ? "; add it to the parameters"
                                         : config_nearest_hint(&nearest, hint, sizeof hint));
    return NULL;
}

const struct station *loader_station(struct loader *loader, const struct config_node *node,
                                     const char *id)
{
    const struct registry *registry = &loader->settings->registry;
    const struct station *found = registry_find(registry, phusa_text_of(id));
    if (found != NULL || !loader->registry_whole) {
        return found;
    }
    char hint[128];
    struct config_nearest nearest = { .word = id };
    for (size_t i = 0; i < registry->count && !mistakes_full(loader->mistakes); i++) {
        config_nearest_offer(&nearest, registry->stations[i].id);
    }
    config_complain(node, "unknown station \"%.64s\"%s", id,
                    nearest.best == NULL ? "; add it to the stations"
                                         : config_nearest_hint(&nearest, hint, sizeof hint));
    return NULL;
}

/* ---- the sink ---- */

static void report(void *context, const char *file, int line, const char *text)
{
    struct loader *loader = context;
    mistakes_add(loader->mistakes, file, line, text);
}

static const char *keep(void *context, const char *text)
{
    struct loader *loader = context;
    return arena_text(loader->arena, text);
}

/* ---- the configuration file ---- */

static bool needs(const struct loader *loader, unsigned need)
{
    return (loader->need & need) != 0;
}

static bool require(const struct config_node *phusa, const char *key, const char *value)
{
    if (value == NULL) {
        config_complain(phusa, "missing key \"%s\" in phusa; write %s = \"%s\";", key, key, key);
    }
    return value != NULL;
}

static void load_top(struct loader *loader, const struct config_node *phusa)
{
    struct top top = { 0 };
    (void)config_read_group(phusa, &schema_phusa, &top);
    loader->settings->utc_offset_s = top.utc_offset_s;
    loader->settings->ahead_ns = top.ahead_ns;
    loader->settings->clock_wrong_ns = top.clock_wrong_ns;
    load_windows(loader, top.windows);
    bool with_stations = needs(loader, SETTINGS_STATIONS | SETTINGS_RULES);
    if (top.parameters != NULL) {
        load_parameters(loader, phusa, top.parameters, with_stations ? top.stations : NULL);
    }
    if (with_stations && require(phusa, "stations", top.stations)) {
        loader->settings->stations = source_path(loader, top.stations);
        load_quality(loader, phusa, top.quality);
        load_stations(loader, phusa, top.stations);
    }
    load_alarms(loader, top.alarms);
    if (needs(loader, SETTINGS_RULES)) {
        load_messages(loader, phusa, top.messages);
    }
    if (needs(loader, SETTINGS_SERVICES)) {
        load_services(loader, phusa, &top.services);
    }
    load_maintenance(loader, phusa, top.maintenance);
    if (needs(loader, SETTINGS_RULES) && require(phusa, "rules", top.rules)) {
        load_rules(loader, phusa, top.rules);
    }
    /* What follows looks at rules and channels as a whole: they are right and all there, or it
     * waits. */
    if (needs(loader, SETTINGS_RULES) && needs(loader, SETTINGS_SERVICES) &&
        loader->mistakes->count == 0 && !loader->arena->failed && !loader->mistakes->no_memory) {
        load_subscribers(loader, phusa, top.subscribers);
        check_messages(loader);
    }
}

static enum config_status load_file(struct loader *loader, const char *file)
{
    struct config *config = NULL;
    struct problem problem = { "" };
    enum config_status status = config_open(file, &loader->sink, &config, &problem);
    if (status == CONFIG_UNREADABLE) {
        loader_complain(loader, file, 1, "%s", problem.text);
    }
    if (status != CONFIG_OK) {
        return status;
    }
    struct outermost outermost = { NULL };
    (void)config_read_group(config_root(config), &schema_outermost, &outermost);
    if (outermost.phusa != NULL) {
        load_top(loader, outermost.phusa);
    }
    config_close(config);
    return CONFIG_OK;
}

/* "config/phusa.cfg" gives "config/", "phusa.cfg" gives "". */
static const char *folder_of(struct arena *arena, const char *file)
{
    const char *slash = strrchr(file, '/');
    return slash == NULL ? "" : arena_print(arena, "%.*s", (int)(slash + 1 - file), file);
}

static enum settings_status load_into(struct kept *kept, const char *file, unsigned need,
                                      struct mistakes *mistakes)
{
    struct loader loader = {
        .settings = &kept->settings,
        .arena = &kept->arena,
        .mistakes = mistakes,
        .sink = { .report = report, .keep = keep },
        .need = need,
    };
    loader.sink.context = &loader;
    loader.folder = folder_of(&kept->arena, file);
    kept->settings.file = arena_text(&kept->arena, file);
    mistakes->first_file = kept->settings.file;
    enum config_status status = load_file(&loader, kept->settings.file);
    if (status == CONFIG_NO_MEMORY || kept->arena.failed || mistakes->no_memory) {
        return SETTINGS_NO_MEMORY;
    }
    return mistakes->count > 0 ? SETTINGS_BAD : SETTINGS_OK;
}

enum settings_status settings_load(const char *file, unsigned need, struct settings **settings,
                                   struct settings_errors *errors)
{
    *settings = NULL;
    struct kept *kept = calloc(1, sizeof *kept);
    struct mistakes *mistakes = calloc(1, sizeof *mistakes);
    enum settings_status status = SETTINGS_NO_MEMORY;
    if (kept != NULL && mistakes != NULL) {
        status = load_into(kept, file, need, mistakes);
        mistakes_hand_over(mistakes, errors);
    }
    free(mistakes);
    if (status == SETTINGS_OK) {
        *settings = &kept->settings;
    } else if (kept != NULL) {
        settings_free(&kept->settings);
    }
    return status;
}

void settings_free(struct settings *settings)
{
    if (settings == NULL) {
        return;
    }
    struct kept *kept = (struct kept *)(void *)settings;
    arena_free(&kept->arena);
    free(kept);
}
