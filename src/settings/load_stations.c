/* The registry of stations. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "settings/load.h"
#include "settings/schema.h"

#define SITE_EVERY_NS INT64_C(60000000000) /* sites are looked at each minute */

#define TAG_VALUE_MAX 64 /* bytes of a configured tag's value */
#define BASE_NAME_MAX 64 /* bytes of a foreign base name */

struct station_read {
    const char *id, *site, *kind, *name;
    double lat, lon;
    int64_t every_ns, backlog_rate;
    struct config_list parameters, names, qc, derive;
    const struct config_node *tags, *trap;
    int64_t stuck_ns;
    bool index;
};

#define AT(member) offsetof(struct station_read, member)
static const struct config_key station_keys[] = {
    { "id", CONFIG_STRING, AT(id), .required = true, .example = "my-tho-1" },
    { "site", CONFIG_STRING, AT(site), .required = true, .example = "my-tho" },
    { "kind", CONFIG_STRING, AT(kind), .required = true, .example = "water" },
    { "name", CONFIG_STRING, AT(name), .least = "1", .most = "128", .example = "Trạm 1" },
    { "lat", CONFIG_NUMBER, AT(lat), .least = "-90", .most = "90", .example = "10.35" },
    { "lon", CONFIG_NUMBER, AT(lon), .least = "-180", .most = "180", .example = "106.37" },
    { "every", CONFIG_DURATION, AT(every_ns), .required = true, .least = "1ms", .most = "366d",
      .example = "5m" },
    { "parameters", CONFIG_STRINGS, AT(parameters), .required = true, .least = "1", .most = "64",
      .example = "[\"salinity\", \"temp\"]" },
    { "backlog_rate", CONFIG_INTEGER, AT(backlog_rate), .least = "1", .most = "100000",
      .example = "20" },
    { "tags", CONFIG_GROUP, AT(tags), .example = "{ river = \"tien\"; }" },
    { "names", CONFIG_STRINGS, AT(names), .most = "8",
      .example = "[\"urn:dev:mac:0024befffe804ff1\"]" },
    { "qc", CONFIG_GROUPS, AT(qc), .most = "68",
      .example = "( { parameter = \"temp\"; qc : { gross = { suspect = [0.0, 40.0]; }; }; } )" },
    { "stuck_bus", CONFIG_DURATION, AT(stuck_ns), .least = "0s", .most = "30d", .example = "6h" },
    { "index", CONFIG_BOOL, AT(index), .fallback = "true" },
    { "derive", CONFIG_GROUPS, AT(derive), .most = "4",
      .example = "( { parameter = \"salinity\"; from = \"ec\"; }, { parameter = \"ec25\"; } )" },
    { "trap", CONFIG_GROUP, AT(trap), .example = "{ species = [\"bph\"]; }" },
};
#undef AT
const struct config_schema schema_station = SCHEMA("station", station_keys);

struct file_read {
    struct config_list stations;
};

static const struct config_key file_keys[] = {
    { "stations", CONFIG_GROUPS, offsetof(struct file_read, stations), .required = true,
      .example = "( { id = \"s1\"; } )" },
};
const struct config_schema schema_stations_file = SCHEMA("stations file", file_keys);

/* The registry as it grows. */
struct gathering {
    struct station *stations;
    size_t count, capacity;
};

/* ---- one station ---- */

static bool check_station_id(const struct config_node *node, const char *id)
{
    if (!check_id(node, "id", id)) {
        return false;
    }
    if (strcmp(id, "board") == 0) {
        config_complain_at(node, "id",
                           "\"id\" is \"board\", which is reserved for display boards; choose "
                           "another");
        return false;
    }
    return true;
}

static void check_kind(const struct config_node *node, const char *kind)
{
    static const char *const reserved[] = { "window", "index", "correction" };
    if (!check_name(node, "kind", kind)) {
        return;
    }
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        if (strcmp(kind, reserved[i]) == 0) {
            config_complain_at(node, "kind",
                               "\"kind\" is \"%s\", which is a measurement of the collector's own; "
                               "choose another",
                               kind);
        }
    }
}

static bool listed_before(const struct config_list *list, size_t place)
{
    const char *text = config_string_at(list, place);
    for (size_t i = 0; i < place; i++) {
        if (strcmp(config_string_at(list, i), text) == 0) {
            config_complain(config_element(list->node, place),
                            "\"%.64s\" is listed twice; keep one", text);
            return true;
        }
    }
    return false;
}

static void set_parameters(struct loader *loader, const struct config_list *list,
                           struct station *station)
{
    const struct phusa_parameter **parameters =
        arena_alloc(loader->arena, list->count, sizeof *parameters);
    for (size_t i = 0; parameters != NULL && i < list->count; i++) {
        const struct phusa_parameter *found =
            loader_parameter(loader, config_element(list->node, i), config_string_at(list, i));
        if (found != NULL && !listed_before(list, i)) {
            parameters[station->parameter_count++] = found;
        }
    }
    station->parameters = parameters;
}

bool check_tag_key(const struct config_node *tag)
{
    static const char *const reserved[] = { "site", "station", "time" };
    const char *key = config_name(tag);
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        if (strcmp(key, reserved[i]) == 0) {
            config_complain(tag, "tag \"%s\" is set by the collector; choose another name", key);
            return false;
        }
    }
    if (strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(key) &&
        strlen(key) <= PHUSA_NAME_MAX) {
        return true;
    }
    config_complain(tag, "tag \"%.64s\"; its name is to be of a-z, 0-9 and '_', at most %d", key,
                    PHUSA_NAME_MAX);
    return false;
}

bool check_tag_value(const struct config_node *value, const char *key)
{
    const char *text = config_string(value);
    if (text != NULL && text[0] != '\0' && strlen(text) <= TAG_VALUE_MAX &&
        strchr(text, '\\') == NULL) {
        return config_check_line(value, key);
    }
    config_complain(value, "tag \"%s\" wants a string of 1 to %d bytes without '\\'", key,
                    TAG_VALUE_MAX);
    return false;
}

static void set_tags(struct loader *loader, const struct config_node *group,
                     struct station *station)
{
    size_t count = config_count(group);
    if (count > STATION_TAGS_MAX) {
        config_complain(group, "\"tags\" has %zu tags; at most %d are allowed", count,
                        STATION_TAGS_MAX);
        return;
    }
    struct station_tag *tags = arena_alloc(loader->arena, count, sizeof *tags);
    for (size_t i = 0; tags != NULL && i < count; i++) {
        const struct config_node *tag = config_element(group, i);
        if (check_tag_key(tag) && check_tag_value(tag, config_name(tag))) {
            tags[station->tag_count++] =
                (struct station_tag){ arena_text(loader->arena, config_name(tag)),
                                      arena_text(loader->arena, config_string(tag)) };
        }
    }
    station->tags = tags;
}

static void set_names(struct loader *loader, const struct config_list *list,
                      struct station *station)
{
    const char **names = arena_alloc(loader->arena, list->count, sizeof *names);
    for (size_t i = 0; names != NULL && i < list->count; i++) {
        const char *text = config_string_at(list, i);
        if (text[0] == '\0' || strlen(text) > BASE_NAME_MAX) {
            config_complain(config_element(list->node, i),
                            "\"names\" holds \"%.64s\"; a base name has 1 to %d bytes", text,
                            BASE_NAME_MAX);
        } else if (!listed_before(list, i)) {
            names[station->name_count++] = arena_text(loader->arena, text);
        }
    }
    station->names = names;
}

static void check_place(const struct config_node *node, const struct station_read *read)
{
    if (isnan(read->lat) != isnan(read->lon)) {
        config_complain_at(node, isnan(read->lat) ? "lon" : "lat",
                           "\"lat\" and \"lon\" belong together; write both or none");
    }
}

static struct station *add_station(struct loader *loader, struct gathering *gathering,
                                   const struct config_node *node)
{
    if (gathering->count == STATIONS_MAX) {
        config_complain(node, "more than %d stations", STATIONS_MAX);
        return NULL;
    }
    struct station *stations = arena_extend(loader->arena, gathering->stations, gathering->count,
                                            &gathering->capacity, sizeof *stations);
    if (stations == NULL) {
        return NULL;
    }
    gathering->stations = stations;
    return &stations[gathering->count++];
}

/* What is judged of and computed from its parameters, which are set. */
static void set_quality(struct loader *loader, const struct config_node *node,
                        const struct station_read *read, struct station *station)
{
    load_station_derivations(loader, &read->derive, station);
    load_station_qc(loader, &read->qc, station);
    if (read->trap != NULL) {
        load_station_trap(loader, read->trap, station);
    }
    station->stuck_ns = load_station_stuck(loader, node, read->stuck_ns, station);
}

/* A station with a mistake still enters by its id, so that rules that name it are not blamed. */
static void read_station(struct loader *loader, struct gathering *gathering,
                         const struct config_node *node)
{
    struct station_read read = { .lat = NAN, .lon = NAN, .stuck_ns = -1 };
    bool good = config_read_group(node, &schema_station, &read);
    bool id_good = read.id != NULL && check_station_id(node, read.id);
    struct station *station = id_good ? add_station(loader, gathering, node) : NULL;
    loader->registry_whole = loader->registry_whole && station != NULL && read.kind != NULL;
    if (station == NULL) {
        return;
    }
    *station = (struct station){ .id = read.id,
                                 .site = read.site == NULL ? "" : read.site,
                                 .kind = read.kind == NULL ? "" : read.kind,
                                 .name = read.name == NULL ? read.id : read.name,
                                 .lat = read.lat,
                                 .lon = read.lon,
                                 .every_ns = read.every_ns,
                                 .backlog_rate = (uint32_t)read.backlog_rate,
                                 .indicative = !read.index,
                                 .file = loader->open_file,
                                 .line = config_line(node) };
    if (read.site != NULL) {
        (void)check_id(node, "site", read.site);
    }
    if (read.kind != NULL) {
        check_kind(node, read.kind);
    }
    if (good) {
        check_place(node, &read);
    }
    set_parameters(loader, &read.parameters, station);
    set_names(loader, &read.names, station);
    if (read.tags != NULL) {
        set_tags(loader, read.tags, station);
    }
    set_quality(loader, node, &read, station);
}

static void read_stations_file(struct loader *loader, void *context, const struct config_node *root)
{
    struct file_read read = { .stations = { NULL, 0 } };
    loader->registry_whole =
        config_read_group(root, &schema_stations_file, &read) && loader->registry_whole;
    for (size_t i = 0; i < read.stations.count; i++) {
        read_station(loader, context, config_element(read.stations.node, i));
    }
}

/* ---- names, before the catalogue is whole ---- */

struct listing {
    listed_name *visit;
    void *context;
};

/* The member of a group; NULL if it has none of that name. */
static const struct config_node *member(const struct config_node *group, const char *key)
{
    const struct config_node *found = config_is_group(group) ? config_at(group, key) : group;
    return found == group ? NULL : found;
}

static void list_names(struct loader *loader, void *context, const struct config_node *root)
{
    const struct listing *listing = context;
    const struct config_node *stations = member(root, "stations");
    for (size_t i = 0; stations != NULL && i < config_count(stations); i++) {
        const struct config_node *station = config_element(stations, i);
        const struct config_node *names = member(station, "parameters");
        for (size_t k = 0; names != NULL && k < config_count(names); k++) {
            const char *name = config_string(config_element(names, k));
            if (name != NULL) {
                listing->visit(loader, listing->context, station, name);
            }
        }
    }
}

static void say_nothing(void *context, const char *file, int line, const char *text)
{
    (void)context;
    (void)file;
    (void)line;
    (void)text;
}

void load_listed_names(struct loader *loader, const struct config_node *phusa, const char *name,
                       listed_name *visit, void *context)
{
    struct listing listing = { visit, context };
    struct config_sink said = loader->sink;
    const char *open_file = loader->open_file;
    loader->sink.report = say_nothing; /* what is wrong is said when the stations are loaded */
    (void)source_each(loader, phusa, "stations", name, list_names, &listing);
    loader->sink = said;
    loader->open_file = open_file;
}

/* ---- the registry ---- */

static int compare_stations(const void *left, const void *right)
{
    const struct station *const *a = left, *const *b = right;
    int order = strcmp((*a)->id, (*b)->id);
    return order != 0 ? order : (*a > *b) - (*a < *b); /* by place: in the order of the files */
}

static int compare_sites(const void *left, const void *right)
{
    const struct station *a = left, *b = right;
    return a->site == NULL || b->site == NULL ? (a->site != NULL) - (b->site != NULL)
                                              : strcmp(a->site, b->site);
}

static void fill_sites(struct loader *loader, struct registry *registry)
{
    struct station *sites = arena_alloc(loader->arena, registry->count, sizeof *sites);
    size_t kept = 0;
    if (sites == NULL) {
        return;
    }
    for (size_t i = 0; i < registry->count; i++) {
        const struct station *station = &registry->stations[i];
        sites[i] = (struct station){ .id = station->site,
                                     .site = station->site,
                                     .kind = "site",
                                     .name = station->site,
                                     .lat = NAN,
                                     .lon = NAN,
                                     .every_ns = SITE_EVERY_NS,
                                     .file = station->file,
                                     .line = station->line };
    }
    qsort(sites, registry->count, sizeof *sites, compare_sites);
    for (size_t i = 0; i < registry->count; i++) {
        if (kept == 0 || compare_sites(&sites[kept - 1], &sites[i]) != 0) {
            sites[kept++] = sites[i];
        }
    }
    registry->sites = sites;
    registry->site_count = kept;
}

static void fill_registry(struct loader *loader, const struct gathering *gathering)
{
    size_t count = gathering->count;
    const struct station **sorted = arena_alloc(loader->arena, count, sizeof *sorted);
    struct station *stations = arena_alloc(loader->arena, count, sizeof *stations);
    if (sorted == NULL || stations == NULL) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &gathering->stations[i];
    }
    qsort(sorted, count, sizeof *sorted, compare_stations);
    for (size_t i = 0; i < count; i++) {
        stations[i] = *sorted[i];
        if (i > 0 && strcmp(stations[i - 1].id, stations[i].id) == 0) {
            loader_complain(loader, stations[i].file, stations[i].line,
                            "station \"%s\" is already defined at %s:%d; give each its own id",
                            stations[i].id, stations[i - 1].file, stations[i - 1].line);
        }
    }
    loader->settings->registry = (struct registry){ .stations = stations, .count = count };
    fill_sites(loader, &loader->settings->registry);
}

void load_stations(struct loader *loader, const struct config_node *phusa, const char *name)
{
    struct gathering gathering = { 0 };
    loader->registry_whole = true;
    bool whole = source_each(loader, phusa, "stations", name, read_stations_file, &gathering);
    loader->registry_whole = loader->registry_whole && whole;
    fill_registry(loader, &gathering);
}
