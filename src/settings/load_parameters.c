/* The parameter catalogue, with the spellings of its units. */
#include <stdlib.h>
#include <string.h>

#include "settings/load.h"
#include "settings/schema.h"

#define UNIT_MAX      32 /* bytes of a unit */
#define SPELLINGS_MAX 64 /* further spellings of one parameter's unit */

/* ---- keys ---- */

struct conversion {
    const char *unit;
    double multiply, divide, offset;
};

static const struct config_key conversion_keys[] = {
    { "unit", CONFIG_STRING, offsetof(struct conversion, unit), .required = true, .least = "1",
      .most = "32", .example = "ug/L" },
    { "multiply", CONFIG_NUMBER, offsetof(struct conversion, multiply), .fallback = "1" },
    { "divide", CONFIG_NUMBER, offsetof(struct conversion, divide), .fallback = "1" },
    { "offset", CONFIG_NUMBER, offsetof(struct conversion, offset), .fallback = "0" },
};
const struct config_schema schema_conversion = SCHEMA("conversion of a unit", conversion_keys);

struct unit_read {
    const char *unit;
    struct config_list same, other;
};

static const struct config_key unit_keys[] = {
    { "unit", CONFIG_STRING, offsetof(struct unit_read, unit), .required = true, .most = "32",
      .least = "1", .example = "mg/L" },
    { "same", CONFIG_STRINGS, offsetof(struct unit_read, same), .most = "32",
      .example = "[\"mg/l\", \"g/m3\"]" },
    { "other", CONFIG_GROUPS, offsetof(struct unit_read, other), .most = "32",
      .example = "( { unit = \"ug/L\"; divide = 1000.0; } )" },
};
const struct config_schema schema_unit = SCHEMA("unit", unit_keys);

struct parameter_read {
    const char *name, *vi, *en, *unit;
    double min, max, resolution;
    struct config_list units;
    const struct config_node *qc;
};

#define AT(member) offsetof(struct parameter_read, member)
static const struct config_key parameter_keys[] = {
    { "name", CONFIG_STRING, AT(name), .required = true, .example = "salinity" },
    { "vi", CONFIG_STRING, AT(vi), .required = true, .least = "1", .most = "128",
      .example = "Độ mặn" },
    { "en", CONFIG_STRING, AT(en), .required = true, .least = "1", .most = "128",
      .example = "Salinity" },
    { "unit", CONFIG_STRING, AT(unit), .fallback = "", .most = "32", .example = "mg/L" },
    { "min", CONFIG_NUMBER, AT(min), .required = true, .example = "0.0" },
    { "max", CONFIG_NUMBER, AT(max), .required = true, .example = "100.0" },
    { "resolution", CONFIG_NUMBER, AT(resolution), .required = true, .example = "0.01" },
    { "units", CONFIG_GROUPS, AT(units), .most = "32",
      .example = "( { unit = \"K\"; offset = -273.15; } )" },
    { "qc", CONFIG_GROUP, AT(qc), .example = "{ gross = { suspect = [6.0, 9.0]; }; }" },
};
#undef AT
const struct config_schema schema_parameter = SCHEMA("parameter", parameter_keys);

struct file_read {
    struct config_list units, parameters;
};

static const struct config_key file_keys[] = {
    { "units", CONFIG_GROUPS, offsetof(struct file_read, units), .most = "256" },
    { "parameters", CONFIG_GROUPS, offsetof(struct file_read, parameters), .required = true,
      .least = "1", .example = "( { name = \"temp\"; } )" },
};
const struct config_schema schema_parameters_file = SCHEMA("parameters file", file_keys);

/* ---- spellings ---- */

struct spellings {
    struct phusa_unit items[SPELLINGS_MAX];
    size_t count;
};

/* A unit of the file's table with its spellings. */
struct family {
    const char *unit;
    struct spellings spellings;
};

struct entry {
    struct phusa_parameter parameter;
    struct qc_settings qc;
    const char *file;
    int line;
    bool listed; /* by a station */
};

/* The catalogue as it grows. */
struct gathering {
    struct family *families;
    size_t family_count;
    struct entry *entries;
    size_t count, capacity;
};

static struct phusa_unit *find_spelling(struct spellings *spellings, const char *text)
{
    for (size_t i = 0; i < spellings->count; i++) {
        if (phusa_text_equal(spellings->items[i].spelling, phusa_text_of(text))) {
            return &spellings->items[i];
        }
    }
    return NULL;
}

/* Adds one, or replaces it if it is among the first `inherited`. */
static void add_spelling(struct spellings *spellings, const char *own, size_t inherited,
                         const struct config_node *node, struct phusa_unit unit)
{
    const char *text = unit.spelling.data;
    struct phusa_unit *known = find_spelling(spellings, text);
    if (strcmp(text, own) == 0 || (known != NULL && known >= spellings->items + inherited)) {
        config_complain(node, "unit \"%s\" is given twice; keep one of them", text);
    } else if (known != NULL) {
        *known = unit;
    } else if (spellings->count == SPELLINGS_MAX) {
        config_complain(node, "unit \"%s\" has more than %d spellings", own, SPELLINGS_MAX);
    } else {
        spellings->items[spellings->count++] = unit;
    }
}

static void add_same(struct loader *loader, struct spellings *spellings, const char *own,
                     const struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct config_node *node = config_element(list->node, i);
        const char *text = config_string(node);
        if (text[0] == '\0' || strlen(text) > UNIT_MAX) {
            config_complain(node, "\"same\" holds \"%.64s\"; a unit has 1 to %d bytes", text,
                            UNIT_MAX);
            continue;
        }
        struct phusa_unit unit = { phusa_text_of(arena_text(loader->arena, text)), 1, 1, 0 };
        add_spelling(spellings, own, 0, node, unit);
    }
}

static void add_conversions(struct spellings *spellings, const char *own, size_t inherited,
                            const struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct config_node *node = config_element(list->node, i);
        struct conversion read = { .unit = NULL };
        if (!config_read_group(node, &schema_conversion, &read)) {
            continue;
        }
        if (read.multiply == 0 || read.divide == 0) {
            config_complain(node, "\"multiply\" and \"divide\" of unit \"%s\" may not be 0",
                            read.unit);
            continue;
        }
        struct phusa_unit unit = { phusa_text_of(read.unit), read.multiply, read.divide,
                                   read.offset };
        add_spelling(spellings, own, inherited, node, unit);
    }
}

/* ---- the table of units ---- */

static const struct family *find_family(const struct gathering *gathering, const char *unit)
{
    for (size_t i = 0; i < gathering->family_count; i++) {
        if (strcmp(gathering->families[i].unit, unit) == 0) {
            return &gathering->families[i];
        }
    }
    return NULL;
}

static void read_family(struct loader *loader, struct gathering *gathering,
                        const struct config_node *node)
{
    struct unit_read read = { .unit = NULL };
    if (!config_read_group(node, &schema_unit, &read)) {
        return;
    }
    if (find_family(gathering, read.unit) != NULL) {
        config_complain_at(node, "unit", "unit \"%s\" is given twice; keep one of them", read.unit);
        return;
    }
    struct family *family = &gathering->families[gathering->family_count++];
    family->unit = read.unit;
    add_same(loader, &family->spellings, read.unit, &read.same);
    add_conversions(&family->spellings, read.unit, 0, &read.other);
}

static void read_families(struct loader *loader, struct gathering *gathering,
                          const struct config_list *list)
{
    gathering->family_count = 0;
    gathering->families = calloc(list->count, sizeof *gathering->families);
    if (gathering->families == NULL) {
        loader->arena->failed = loader->arena->failed || list->count > 0;
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        read_family(loader, gathering, config_element(list->node, i));
    }
}

/* ---- parameters ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static bool check_parameter_name(const struct config_node *node, const char *name)
{
    if (!check_name(node, "name", name)) {
        return false;
    }
    if (ends_with(name, "_qc") || strcmp(name, "time") == 0) {
        config_complain_at(
            node, "name",
            "\"name\" is \"%s\"; \"time\" and names ending in \"_qc\" are reserved in "
            "the store",
            name);
        return false;
    }
    return true;
}

static bool check_range(const struct config_node *node, const struct parameter_read *read)
{
    if (!(read->min < read->max)) {
        config_complain_at(node, "min", "\"min\" is %g, not below \"max\" %g; swap them", read->min,
                           read->max);
        return false;
    }
    if (!(read->resolution > 0)) {
        config_complain_at(node, "resolution",
                           "\"resolution\" is %g; write the smallest step worth showing, above 0",
                           read->resolution);
        return false;
    }
    return true;
}

static void set_units(struct loader *loader, const struct gathering *gathering,
                      const struct parameter_read *read, struct phusa_parameter *parameter)
{
    static const struct spellings none;
    const struct family *family = find_family(gathering, read->unit);
    struct spellings spellings = family == NULL ? none : family->spellings;
    add_conversions(&spellings, read->unit, spellings.count, &read->units);
    struct phusa_unit *units = arena_alloc(loader->arena, spellings.count, sizeof *units);
    if (units != NULL && spellings.count > 0) {
        memcpy(units, spellings.items, spellings.count * sizeof *units);
        parameter->units = units;
        parameter->unit_count = spellings.count;
    }
}

static struct entry *add_entry(struct loader *loader, struct gathering *gathering,
                               const struct config_node *node)
{
    if (gathering->count == PHUSA_PARAMETERS_MAX) {
        config_complain(node, "more than %d parameters", PHUSA_PARAMETERS_MAX);
        return NULL;
    }
    struct entry *entries = arena_extend(loader->arena, gathering->entries, gathering->count,
                                         &gathering->capacity, sizeof *entries);
    if (entries == NULL) {
        return NULL;
    }
    gathering->entries = entries;
    struct entry *entry = &entries[gathering->count++];
    *entry =
        (struct entry){ .qc = qc_none(), .file = loader->open_file, .line = config_line(node) };
    return entry;
}

/* A parameter with a mistake still enters by its name, so that who uses it is not blamed. */
static void read_parameter(struct loader *loader, struct gathering *gathering,
                           const struct config_node *node)
{
    struct parameter_read read = { .name = NULL };
    bool good = config_read_group(node, &schema_parameter, &read);
    if (read.name == NULL || !check_parameter_name(node, read.name)) {
        loader->catalogue_whole = false;
        return;
    }
    if (good) {
        (void)check_range(node, &read);
    }
    struct entry *entry = add_entry(loader, gathering, node);
    if (entry == NULL) {
        return;
    }
    entry->parameter = (struct phusa_parameter){
        .name = phusa_text_of(read.name),
        .unit = phusa_text_of(read.unit),
        .label_vi = read.vi,
        .label_en = read.en,
        .minimum = read.min,
        .maximum = read.max,
        .resolution = read.resolution,
    };
    set_units(loader, gathering, &read, &entry->parameter);
    if (read.qc != NULL) {
        load_stream_qc(loader, read.qc, &entry->parameter, &entry->qc);
    }
}

static void read_parameters_file(struct loader *loader, void *context,
                                 const struct config_node *root)
{
    struct gathering *gathering = context;
    struct file_read read = { .units = { NULL, 0 } };
    loader->catalogue_whole =
        config_read_group(root, &schema_parameters_file, &read) && loader->catalogue_whole;
    read_families(loader, gathering, &read.units);
    for (size_t i = 0; i < read.parameters.count; i++) {
        read_parameter(loader, gathering, config_element(read.parameters.node, i));
    }
    free(gathering->families);
    gathering->families = NULL;
}

/* ---- statistics ---- */

/* What a station reports beside a parameter's mean (firmware/core/report.c has the same list). */
static const struct statistic {
    const char *suffix, *vi, *en;
    enum { OF_VALUE, OF_SPREAD, OF_COUNT, OF_CHECKS } range;
} statistics[] = {
    { "_min", "nhỏ nhất", "minimum", OF_VALUE },
    { "_max", "lớn nhất", "maximum", OF_VALUE },
    { "_raw", "chưa hiệu chuẩn", "uncalibrated", OF_VALUE },
    { "_sd", "độ lệch chuẩn", "standard deviation", OF_SPREAD },
    { "_n", "số mẫu", "samples", OF_COUNT },
    { "_check", "cảnh báo tại trạm", "checks at the station", OF_CHECKS },
};

#define SAMPLES_MOST 86400.0 /* one a second for a day */
#define CHECKS_MOST  31.0    /* the sum of all its bits */

static struct entry *find_entry(const struct gathering *gathering, struct phusa_text name)
{
    for (size_t i = 0; i < gathering->count; i++) {
        if (phusa_text_equal(gathering->entries[i].parameter.name, name)) {
            return &gathering->entries[i];
        }
    }
    return NULL;
}

static void set_statistic(struct loader *loader, const struct statistic *statistic,
                          const struct phusa_parameter *base, struct phusa_parameter *parameter)
{
    *parameter = *base;
    parameter->name =
        phusa_text_of(arena_print(loader->arena, "%s%s", base->name.data, statistic->suffix));
    parameter->label_vi = arena_print(loader->arena, "%s, %s", base->label_vi, statistic->vi);
    parameter->label_en = arena_print(loader->arena, "%s, %s", base->label_en, statistic->en);
    if (statistic->range == OF_SPREAD) {
        parameter->minimum = 0;
        parameter->maximum = base->maximum - base->minimum;
        parameter->units = NULL; /* a spread has no offset: its own unit alone */
        parameter->unit_count = 0;
    } else if (statistic->range != OF_VALUE) {
        parameter->unit = phusa_text_of("");
        parameter->minimum = 0;
        parameter->maximum = statistic->range == OF_COUNT ? SAMPLES_MOST : CHECKS_MOST;
        parameter->resolution = 1;
        parameter->units = NULL;
        parameter->unit_count = 0;
    }
}

static const struct statistic *statistic_of(const char *name)
{
    const struct statistic *statistic = NULL;
    for (size_t i = 0; i < sizeof statistics / sizeof *statistics; i++) {
        statistic = ends_with(name, statistics[i].suffix) ? &statistics[i] : statistic;
    }
    return statistic;
}

static void add_beside(struct loader *loader, struct gathering *gathering,
                       const struct config_node *node, const struct statistic *statistic,
                       const struct entry *base)
{
    struct entry from = *base; /* the table may move */
    struct entry *entry = add_entry(loader, gathering, node);
    if (entry != NULL) {
        entry->file = from.file;
        entry->line = from.line;
        set_statistic(loader, statistic, &from.parameter, &entry->parameter);
    }
}

/* A name that a station lists: with a statistic's suffix behind a parameter's name it is one. */
static void add_listed(struct loader *loader, void *context, const struct config_node *node,
                       const char *name)
{
    struct gathering *gathering = context;
    const struct statistic *statistic = statistic_of(name);
    struct phusa_text listed = phusa_text_of(name);
    struct entry *entry = find_entry(gathering, listed);
    if (entry != NULL) {
        entry->listed = statistic == NULL;
        return;
    }
    if (statistic == NULL || listed.length > PHUSA_NAME_MAX) {
        return;
    }
    listed.length -= strlen(statistic->suffix);
    const struct entry *base = find_entry(gathering, listed);
    if (base != NULL) {
        add_beside(loader, gathering, node, statistic, base);
    }
}

static void add_to_listed(struct loader *loader, const struct config_node *node,
                          struct gathering *gathering, const struct statistic *statistic)
{
    size_t count = gathering->count;
    for (size_t i = 0; i < count && gathering->count < PHUSA_PARAMETERS_MAX; i++) {
        char name[PHUSA_NAME_MAX + 1];
        const struct entry *entry = &gathering->entries[i];
        int length =
            snprintf(name, sizeof name, "%s%s", entry->parameter.name.data, statistic->suffix);
        if (entry->listed && length <= PHUSA_NAME_MAX &&
            find_entry(gathering, phusa_text_of(name)) == NULL) {
            add_beside(loader, gathering, node, statistic, entry);
        }
    }
}

/*
 * What a station sends without anybody changing the registry: what a value was before a calibration
 * and what a check says of it, both as soon as a command has switched them on.
 */
static void add_unasked(struct loader *loader, const struct config_node *node,
                        struct gathering *gathering)
{
    add_to_listed(loader, node, gathering, statistic_of("_raw"));
    add_to_listed(loader, node, gathering, statistic_of("_check"));
}

/* ---- the catalogue ---- */

static int compare_names(const struct entry *a, const struct entry *b)
{
    size_t shorter = a->parameter.name.length < b->parameter.name.length ? a->parameter.name.length
                                                                         : b->parameter.name.length;
    int order = memcmp(a->parameter.name.data, b->parameter.name.data, shorter);
    return order != 0 ? order
                      : (a->parameter.name.length > b->parameter.name.length) -
                            (a->parameter.name.length < b->parameter.name.length);
}

static int compare_entries(const void *left, const void *right)
{
    const struct entry *const *a = left, *const *b = right;
    int order = compare_names(*a, *b);
    return order != 0 ? order : (*a > *b) - (*a < *b); /* by place: in the order of the files */
}

static void fill_catalogue(struct loader *loader, const struct gathering *gathering)
{
    size_t count = gathering->count;
    const struct entry **sorted = arena_alloc(loader->arena, count, sizeof *sorted);
    struct phusa_parameter *parameters = arena_alloc(loader->arena, count, sizeof *parameters);
    struct qc_settings *qc = arena_alloc(loader->arena, count, sizeof *qc);
    if (sorted == NULL || parameters == NULL || qc == NULL) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &gathering->entries[i];
    }
    qsort(sorted, count, sizeof *sorted, compare_entries);
    for (size_t i = 0; i < count; i++) {
        parameters[i] = sorted[i]->parameter;
        qc[i] = sorted[i]->qc;
        if (i > 0 && compare_names(sorted[i - 1], sorted[i]) == 0) {
            loader_complain(loader, sorted[i]->file, sorted[i]->line,
                            "parameter \"%s\" is already defined at %s:%d; keep one of them",
                            parameters[i].name.data, sorted[i - 1]->file, sorted[i - 1]->line);
        }
    }
    loader->settings->catalogue = (struct phusa_catalogue){ parameters, count };
    loader->parameter_qc = qc;
}

void load_parameters(struct loader *loader, const struct config_node *phusa, const char *name,
                     const char *stations)
{
    struct gathering gathering = { 0 };
    loader->catalogue_whole = true;
    bool whole = source_each(loader, phusa, "parameters", name, read_parameters_file, &gathering);
    loader->catalogue_whole = loader->catalogue_whole && whole;
    if (stations != NULL) {
        load_listed_names(loader, phusa, stations, add_listed, &gathering);
        add_unasked(loader, phusa, &gathering);
    }
    fill_catalogue(loader, &gathering);
}
