/* What is computed of a station's readings: the list `derive`. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "settings/load.h"
#include "settings/schema.h"

/* ---- keys ---- */

#define NOT_GIVEN UINT_MAX /* of a choice */

enum source { FROM_EC, FROM_EC25 };
enum scale { SCALE_HILL, SCALE_PURE };

static const char *const kinds[] = { "salinity", "ec25", "do_sat", "nh3_water", NULL };
static const char *const sources[] = { "ec", "ec25", NULL };
static const char *const scales[] = { "hill", "pure", NULL };

struct derive_read {
    unsigned kind, from, scale;
    double coefficient, salinity, pressure;
};

/* Limits: src/quality/seawater.h. */
#define AT(member) offsetof(struct derive_read, member)
static const struct config_key derive_keys[] = {
    { "parameter", CONFIG_CHOICE, AT(kind), .required = true, .choices = kinds },
    { "from", CONFIG_CHOICE, AT(from), .choices = sources },
    { "scale", CONFIG_CHOICE, AT(scale), .choices = scales },
    { "coefficient", CONFIG_NUMBER, AT(coefficient), .least = "0", .most = "0.03",
      .example = "0.0191" },
    { "salinity", CONFIG_NUMBER, AT(salinity), .least = "0", .most = "60", .example = "0.0" },
    { "pressure", CONFIG_NUMBER, AT(pressure), .least = "0.3", .most = "2", .example = "1.0" },
};
#undef AT
const struct config_schema schema_derive = SCHEMA("derive", derive_keys);

#define COEFFICIENT_DEFAULT 0.0191 /* SEAWATER_EC25_PER_KELVIN */

/* ---- what belongs to which ---- */

#define INPUTS_MAX 3
#define BIT(kind)  (1u << (kind))

/* The units that the formulas count in; NULL = the number has none. */
struct quantity {
    const char *name, *unit;
};
#define SALINITY                                                                                   \
    {                                                                                              \
        "salinity", "/1000"                                                                        \
    }
#define EC                                                                                         \
    {                                                                                              \
        "ec", "mS/cm"                                                                              \
    }
#define EC25                                                                                       \
    {                                                                                              \
        "ec25", "mS/cm"                                                                            \
    }
#define TEMP                                                                                       \
    {                                                                                              \
        "temp", "Cel"                                                                              \
    }

/* Inputs: the first is `from`. */
struct formula {
    struct quantity output, inputs[INPUTS_MAX];
    size_t input_count;
};

static const struct formula formulas[] = {
    [DERIVE_SALINITY] = { SALINITY, { EC, TEMP }, 2 },
    [DERIVE_EC25] = { EC25, { EC, TEMP }, 2 },
    [DERIVE_DO_SAT] = { { "do_sat", "/100" }, { { "do", "mg/L" }, TEMP }, 2 },
    [DERIVE_NH3] = { { "nh3_water", "mg/L" }, { { "nh4", "mg/L" }, { "ph", NULL }, TEMP }, 3 },
};
static const struct formula salinity_of_ec25 = { SALINITY, { EC25 }, 1 };
static const struct quantity salinity = SALINITY;

static const struct formula *formula_of(const struct derive_read *read)
{
    bool warm = read->kind == DERIVE_SALINITY && read->from == FROM_EC25;
    return warm ? &salinity_of_ec25 : &formulas[read->kind];
}

static void check_key(const struct config_node *node, const struct derive_read *read,
                      const char *key, bool given, unsigned kind)
{
    if (given && read->kind != kind) {
        config_complain_at(node, key, "\"%s\" is for \"%s\" only; leave it out for \"%s\"", key,
                           kinds[kind], kinds[read->kind]);
    }
}

static void check_keys(const struct config_node *node, const struct derive_read *read)
{
    check_key(node, read, "from", read->from != NOT_GIVEN, DERIVE_SALINITY);
    check_key(node, read, "scale", read->scale != NOT_GIVEN, DERIVE_SALINITY);
    check_key(node, read, "coefficient", !isnan(read->coefficient), DERIVE_EC25);
    check_key(node, read, "salinity", !isnan(read->salinity), DERIVE_DO_SAT);
    check_key(node, read, "pressure", !isnan(read->pressure), DERIVE_DO_SAT);
}

/* ---- parameters ---- */

/* The parameter of the catalogue, in the unit of the formula; NULL after a complaint. */
static const struct phusa_parameter *find(struct loader *loader, const struct config_node *node,
                                          const struct quantity *quantity, const char *output)
{
    const struct phusa_parameter *found =
        phusa_catalogue_find(&loader->settings->catalogue, phusa_text_of(quantity->name));
    if (found == NULL && loader->catalogue_whole) {
        config_complain(node,
                        "the catalogue lacks \"%s\", which this wants; add it there, with unit = "
                        "\"%s\"",
                        quantity->name, quantity->unit == NULL ? "" : quantity->unit);
    } else if (found != NULL && quantity->unit != NULL &&
               !phusa_text_equal(found->unit, phusa_text_of(quantity->unit))) {
        config_complain(node,
                        "\"%s\" is computed with \"%s\" in \"%s\", the catalogue has it in \"%s\"; "
                        "write unit = \"%s\" there",
                        output, quantity->name, quantity->unit, found->unit.data, quantity->unit);
        found = NULL;
    }
    return found;
}

static const struct phusa_parameter *find_input(struct loader *loader,
                                                const struct config_node *node,
                                                const struct station *station,
                                                const struct quantity *quantity, const char *output)
{
    const struct phusa_parameter *found = find(loader, node, quantity, output);
    if (found != NULL && !station_lists(station, found)) {
        config_complain(node,
                        "\"%s\" is computed from \"%s\", which is not among the parameters of "
                        "station \"%s\"; add it there",
                        output, quantity->name, station->id);
    }
    return found;
}

static bool derives(const struct station *station, enum derivation_kind kind)
{
    for (size_t i = 0; i < station->derivation_count; i++) {
        if (station->derivations[i].kind == kind) {
            return true;
        }
    }
    return false;
}

/* Oxygen at saturation depends on the salinity: measured, derived or given. */
static void check_salinity(struct loader *loader, const struct config_node *node,
                           const struct station *station)
{
    for (size_t i = 0; i < station->derivation_count; i++) {
        const struct derivation *derivation = &station->derivations[i];
        if (derivation->kind != DERIVE_DO_SAT || !isnan(derivation->salinity)) {
            continue;
        }
        const struct phusa_parameter *measured = find(loader, node, &salinity, "do_sat");
        if (measured != NULL && !station_lists(station, measured) &&
            !derives(station, DERIVE_SALINITY)) {
            config_complain(node,
                            "\"do_sat\" wants a salinity, which station \"%s\" neither reports nor "
                            "derives; add salinity = 0.0; for fresh water",
                            station->id);
        }
    }
}

/* ---- one of them ---- */

static void add(struct loader *loader, const struct config_node *node,
                const struct derive_read *read, struct derivation *derivations,
                struct station *station)
{
    const struct formula *formula = formula_of(read);
    const char *output = formula->output.name;
    const struct phusa_parameter *parameter = find(loader, node, &formula->output, output);
    const struct phusa_parameter *from = NULL;
    bool found = parameter != NULL;
    for (size_t i = 0; i < formula->input_count; i++) {
        const struct phusa_parameter *input =
            find_input(loader, node, station, &formula->inputs[i], output);
        from = i == 0 ? input : from;
        found = found && input != NULL;
    }
    if (parameter != NULL && station_lists(station, parameter)) {
        config_complain(node,
                        "\"%s\" is among the parameters that station \"%s\" reports, so it is not "
                        "computed, too; leave it out here or there",
                        output, station->id);
    }
    if (found) {
        derivations[station->derivation_count++] = (struct derivation){
            .kind = (enum derivation_kind)read->kind,
            .parameter = parameter,
            .from = from,
            .pure = read->scale == SCALE_PURE,
            .salinity = read->salinity,
            .pressure_atm = isnan(read->pressure) ? 1 : read->pressure,
            .per_kelvin = isnan(read->coefficient) ? COEFFICIENT_DEFAULT : read->coefficient,
        };
    }
}

void load_station_derivations(struct loader *loader, const struct config_list *list,
                              struct station *station)
{
    struct derivation *derivations =
        arena_alloc(loader->arena, STATION_DERIVATIONS_MAX, sizeof *derivations);
    unsigned seen = 0;
    if (derivations == NULL) {
        return;
    }
    station->derivations = derivations;
    for (size_t i = 0; i < list->count; i++) {
        const struct config_node *node = config_element(list->node, i);
        struct derive_read read = { .kind = NOT_GIVEN,
                                    .from = NOT_GIVEN,
                                    .scale = NOT_GIVEN,
                                    .coefficient = NAN,
                                    .salinity = NAN,
                                    .pressure = NAN };
        if (!config_read_group(node, &schema_derive, &read)) {
            continue;
        }
        check_keys(node, &read);
        if ((seen & BIT(read.kind)) != 0) {
            config_complain_at(node, "parameter", "\"%s\" is listed twice; keep one",
                               kinds[read.kind]);
        } else {
            add(loader, node, &read, derivations, station);
        }
        seen |= BIT(read.kind);
    }
    check_salinity(loader, list->node, station);
}
