/*
 * Quality tests: of a parameter of the catalogue, of a kind of stations (the files of `quality`),
 * of one station; each is read over the one before. Parameters are known by now, stations follow.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "settings/load.h"
#include "settings/load_qc.h"
#include "settings/schema.h"

#define KIND_QC_MAX 10000 /* groups `quality` in all files */

/* ---- keys ---- */

struct quality_read {
    const char *kind, *parameter;
    const struct config_node *qc;
};

#define AT(member) offsetof(struct quality_read, member)
#define QC_EXAMPLE "{ gross = { fail = [0.0, 14.0]; }; }"
static const struct config_key quality_keys[] = {
    { "kind", CONFIG_STRING, AT(kind), .required = true, .example = "water" },
    { "parameter", CONFIG_STRING, AT(parameter), .required = true, .example = "salinity" },
    { "qc", CONFIG_GROUP, AT(qc), .required = true, .example = QC_EXAMPLE },
};
const struct config_schema schema_quality = SCHEMA("quality", quality_keys);

static const struct config_key station_qc_keys[] = {
    { "parameter", CONFIG_STRING, AT(parameter), .required = true, .example = "salinity" },
    { "qc", CONFIG_GROUP, AT(qc), .required = true, .example = QC_EXAMPLE },
};
#undef AT
const struct config_schema schema_station_qc = SCHEMA("station's qc", station_qc_keys);

struct stuck_read {
    const char *kind;
    int64_t after_ns;
};

static const struct config_key stuck_keys[] = {
    { "kind", CONFIG_STRING, offsetof(struct stuck_read, kind), .required = true,
      .example = "water" },
    { "after", CONFIG_DURATION, offsetof(struct stuck_read, after_ns), .required = true,
      .least = "1m", .most = "30d", .example = "6h" },
};
const struct config_schema schema_stuck_bus = SCHEMA("stuck_bus", stuck_keys);

struct file_read {
    struct config_list quality, stuck_bus;
};

static const struct config_key file_keys[] = {
    { "quality", CONFIG_GROUPS, offsetof(struct file_read, quality),
      .example = "( { kind = \"water\"; parameter = \"salinity\"; qc = { }; } )" },
    { "stuck_bus", CONFIG_GROUPS, offsetof(struct file_read, stuck_bus), .most = "256",
      .example = "( { kind = \"water\"; after = \"6h\"; } )" },
};
const struct config_schema schema_quality_file = SCHEMA("quality file", file_keys);

/* ---- the tests of one parameter ---- */

static bool has_limit(double suspect, double fail)
{
    return !isnan(suspect) || !isnan(fail);
}

/* A test without a limit is none: so a station does without a test that its kind has. */
static void drop_empty(struct qc_settings *qc)
{
    qc->gross.given = qc->gross.given && has_limit(qc->gross.suspect.low, qc->gross.fail.low);
    qc->spike.given = qc->spike.given && has_limit(qc->spike.suspect, qc->spike.fail);
    qc->rate.given = qc->rate.given && has_limit(qc->rate.suspect, qc->rate.fail);
    qc->flat_line.given =
        qc->flat_line.given && has_limit(qc->flat_line.suspect_s, qc->flat_line.fail_s);
    qc->attenuated.given =
        qc->attenuated.given && has_limit(qc->attenuated.suspect, qc->attenuated.fail);
}

static bool has_test(const struct qc_settings *qc)
{
    return qc->gross.given || qc->spike.given || qc->rate.given || qc->flat_line.given ||
           qc->attenuated.given;
}

/* The catalogue's range holds beside every gross range: one that reaches beyond it says less than
 * it seems to. */
static void check_span(struct loader *loader, const struct config_node *gross, const char *key,
                       const struct qc_span *span, const struct phusa_parameter *parameter)
{
    if (span->low < parameter->minimum || span->high > parameter->maximum) {
        loader_warn(loader, config_at(gross, key),
                    "\"%s\" is %g to %g, but a reading of \"%s\" outside of %g to %g fails "
                    "whatever stands here; stay within, or widen \"min\" and \"max\" of the "
                    "parameter",
                    key, span->low, span->high, parameter->name.data, parameter->minimum,
                    parameter->maximum);
    }
}

void load_stream_qc(struct loader *loader, const struct config_node *group,
                    const struct phusa_parameter *parameter, struct qc_settings *qc)
{
    const struct config_node *gross = config_at(group, "gross");
    if (load_qc(group, qc) && gross != group) {
        check_span(loader, gross, "fail", &qc->gross.fail, parameter);
        check_span(loader, gross, "suspect", &qc->gross.suspect, parameter);
    }
    drop_empty(qc);
    if (qc->attenuated.given && !(qc->attenuated.period_s > 0)) {
        config_complain_at(group, "attenuated",
                           "\"attenuated\" wants a period of readings that arrive one by one; add "
                           "period_s = 86400;");
        qc->attenuated.given = false;
    }
}

/* ---- the files of `quality` ---- */

struct gathering {
    struct kind_qc *groups;
    size_t count, capacity;
    struct kind_stuck *stuck;
    size_t stuck_count, stuck_capacity;
};

static void read_quality(struct loader *loader, struct gathering *gathering,
                         const struct config_node *node)
{
    struct quality_read read = { NULL };
    if (!config_read_group(node, &schema_quality, &read) || !check_name(node, "kind", read.kind)) {
        return;
    }
    const struct phusa_parameter *parameter =
        loader_parameter(loader, config_at(node, "parameter"), read.parameter);
    if (parameter == NULL) {
        return;
    }
    if (gathering->count == KIND_QC_MAX) {
        config_complain(node, "more than %d groups of quality tests", KIND_QC_MAX);
        return;
    }
    struct kind_qc *groups = arena_extend(loader->arena, gathering->groups, gathering->count,
                                          &gathering->capacity, sizeof *groups);
    if (groups == NULL) {
        return;
    }
    gathering->groups = groups;
    struct kind_qc *group = &groups[gathering->count++];
    *group = (struct kind_qc){ .kind = read.kind,
                               .parameter = parameter,
                               .qc = loader_qc(loader, "", parameter),
                               .file = loader->open_file,
                               .line = config_line(node) };
    load_stream_qc(loader, read.qc, parameter, &group->qc);
}

static const struct kind_stuck *find_stuck(const struct kind_stuck *stuck, size_t count,
                                           const char *kind)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(stuck[i].kind, kind) == 0) {
            return &stuck[i];
        }
    }
    return NULL;
}

static void read_stuck(struct loader *loader, struct gathering *gathering,
                       const struct config_node *node)
{
    struct stuck_read read = { .kind = NULL };
    if (!config_read_group(node, &schema_stuck_bus, &read) ||
        !check_name(node, "kind", read.kind)) {
        return;
    }
    const struct kind_stuck *same = find_stuck(gathering->stuck, gathering->stuck_count, read.kind);
    if (same != NULL) {
        config_complain_at(node, "kind",
                           "\"stuck_bus\" of kind \"%s\" is already given at %s:%d; keep one of "
                           "them",
                           read.kind, same->file, same->line);
        return;
    }
    struct kind_stuck *stuck = arena_extend(loader->arena, gathering->stuck, gathering->stuck_count,
                                            &gathering->stuck_capacity, sizeof *stuck);
    if (stuck != NULL) {
        gathering->stuck = stuck;
        stuck[gathering->stuck_count++] =
            (struct kind_stuck){ read.kind, read.after_ns, loader->open_file, config_line(node) };
    }
}

static void read_quality_file(struct loader *loader, void *context, const struct config_node *root)
{
    struct file_read read = { .quality = { NULL, 0 } };
    (void)config_read_group(root, &schema_quality_file, &read);
    for (size_t i = 0; i < read.quality.count; i++) {
        read_quality(loader, context, config_element(read.quality.node, i));
    }
    for (size_t i = 0; i < read.stuck_bus.count; i++) {
        read_stuck(loader, context, config_element(read.stuck_bus.node, i));
    }
}

static int compare_keys(const struct kind_qc *a, const struct kind_qc *b)
{
    int order = strcmp(a->kind, b->kind);
    return order != 0 ? order : (a->parameter > b->parameter) - (a->parameter < b->parameter);
}

static int compare_groups(const void *left, const void *right)
{
    const struct kind_qc *a = left, *b = right;
    int order = compare_keys(a, b);
    order = order != 0 ? order : strcmp(a->file, b->file);
    return order != 0 ? order : (a->line > b->line) - (a->line < b->line);
}

void load_quality(struct loader *loader, const struct config_node *phusa, const char *name)
{
    struct gathering gathering = { .count = 0 };
    if (name != NULL && name[0] != '\0') {
        (void)source_each(loader, phusa, "quality", name, read_quality_file, &gathering);
    }
    struct kind_qc *groups = gathering.groups;
    if (gathering.count > 0) {
        qsort(groups, gathering.count, sizeof *groups, compare_groups);
    }
    for (size_t i = 1; i < gathering.count; i++) {
        if (compare_keys(&groups[i - 1], &groups[i]) == 0) {
            loader_complain(loader, groups[i].file, groups[i].line,
                            "tests of \"%s\" of kind \"%s\" are already given at %s:%d; keep one "
                            "of them",
                            groups[i].parameter->name.data, groups[i].kind, groups[i - 1].file,
                            groups[i - 1].line);
        }
    }
    loader->kind_qc = groups;
    loader->kind_qc_count = gathering.count;
    loader->kind_stuck = gathering.stuck;
    loader->kind_stuck_count = gathering.stuck_count;
}

static int compare_group(const void *left, const void *right)
{
    return compare_keys(left, right);
}

struct qc_settings loader_qc(const struct loader *loader, const char *kind,
                             const struct phusa_parameter *parameter)
{
    const struct kind_qc wanted = { .kind = kind, .parameter = parameter };
    const struct kind_qc *found = loader->kind_qc_count == 0
                                      ? NULL
                                      : bsearch(&wanted, loader->kind_qc, loader->kind_qc_count,
                                                sizeof wanted, compare_group);
    return found != NULL ? found->qc
                         : loader->parameter_qc[parameter - loader->settings->catalogue.parameters];
}

/* ---- one station ---- */

static struct station_qc *find_qc(struct station_qc *qc, size_t count,
                                  const struct phusa_parameter *parameter)
{
    for (size_t i = 0; i < count; i++) {
        if (qc[i].parameter == parameter) {
            return &qc[i];
        }
    }
    return NULL;
}

static void read_station_qc(struct loader *loader, const struct config_node *node,
                            const struct station *station, struct station_qc *all, size_t count,
                            bool given[STATION_QC_MAX])
{
    struct quality_read read = { NULL };
    if (!config_read_group(node, &schema_station_qc, &read)) {
        return;
    }
    const struct config_node *at = config_at(node, "parameter");
    const struct phusa_parameter *parameter = loader_parameter(loader, at, read.parameter);
    if (parameter == NULL) {
        return;
    }
    struct station_qc *qc = find_qc(all, count, parameter);
    if (qc == NULL) {
        config_complain(at, "\"%s\" is not among the parameters of station \"%s\"; add it there",
                        read.parameter, station->id);
    } else if (given[qc - all]) {
        config_complain(at, "\"%s\" is listed twice; keep one", read.parameter);
    } else {
        given[qc - all] = true;
        load_stream_qc(loader, read.qc, parameter, &qc->qc);
    }
}

/* A window that is too long is told of the station: it depends on how often it reports. */
static void check_window(struct loader *loader, const struct station *station,
                         const struct station_qc *qc)
{
    if (station->every_ns > 0 && !qc_fits(&qc->qc, station->every_ns)) {
        loader_complain(loader, station->file, station->line,
                        "the tests of \"%s\" of station \"%s\" look back on %lld readings, at most "
                        "%d are kept; shorten flat_line or attenuated in its qc",
                        qc->parameter->name.data, station->id,
                        (long long)qc_samples(&qc->qc, station->every_ns), QC_SAMPLES_MAX);
    }
}

void load_station_qc(struct loader *loader, const struct config_list *list, struct station *station)
{
    struct station_qc all[STATION_QC_MAX];
    bool given[STATION_QC_MAX] = { false };
    size_t count = 0;
    for (size_t i = 0; i < station->parameter_count; i++) {
        all[count++].parameter = station->parameters[i];
    }
    for (size_t i = 0; i < station->derivation_count; i++) {
        all[count++].parameter = station->derivations[i].parameter;
    }
    for (size_t i = 0; i < count; i++) {
        all[i].qc = loader_qc(loader, station->kind, all[i].parameter);
    }
    for (size_t i = 0; i < list->count; i++) {
        read_station_qc(loader, config_element(list->node, i), station, all, count, given);
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (has_test(&all[i].qc)) {
            check_window(loader, station, &all[i]);
            all[kept++] = all[i];
        }
    }
    struct station_qc *qc = arena_alloc(loader->arena, kept, sizeof *qc);
    if (qc != NULL && kept > 0) {
        memcpy(qc, all, kept * sizeof *qc);
        station->qc = qc;
        station->qc_count = kept;
    }
}

#define STUCK_LEAST 2 /* parameters; STUCK_BUS_SERIES_LEAST */

int64_t load_station_stuck(const struct loader *loader, const struct config_node *node,
                           int64_t own_ns, const struct station *station)
{
    if (own_ns > 0 && station->parameter_count < STUCK_LEAST) {
        config_complain_at(node, "stuck_bus",
                           "\"stuck_bus\" is about all parameters together and wants at least %d; "
                           "station \"%s\" has one, give it a flat_line test",
                           STUCK_LEAST, station->id);
    }
    if (own_ns >= 0) {
        return own_ns;
    }
    const struct kind_stuck *kind =
        find_stuck(loader->kind_stuck, loader->kind_stuck_count, station->kind);
    return kind == NULL ? 0 : kind->after_ns;
}
