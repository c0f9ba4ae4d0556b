/*
 * Quantities computed from others of the same report and time: salinity and EC25 from conductivity,
 * oxygen saturation, un-ionised ammonia. They become readings like those that were measured, but
 * count as none; what the station itself reports of that time goes before.
 *
 * A result is flagged no better than what it was made of, and suspect where the formula's source
 * does not vouch for it (src/quality/seawater.h); such a result takes no part in the tests of its
 * series, which know only values. Where the formula means nothing there is none.
 */
#include <math.h>
#include <string.h>

#include "pipeline_state.h"
#include "quality/range.h"
#include "quality/seawater.h"

#define STANDARD_TEMP 25.0 /* °C, of a conductivity that was brought to it */

/* The readings of one time: [begin, end), and what has been derived of them already. */
struct moment {
    const struct station_state *station;
    const struct phusa_parameter *catalogue;
    const struct known_inputs *known;
    const struct accepted *begin, *end;
    const struct accepted *derived;
    size_t derived_count;
};

/* What goes into a formula: the worst flag of all, and whether rules may judge it. */
struct inputs {
    bool missing;
    bool judged;
    enum phusa_flag flag;
};

static const struct accepted *find(const struct moment *moment,
                                   const struct phusa_parameter *parameter)
{
    if (parameter == NULL) {
        return NULL; /* not in the catalogue */
    }
    uint16_t series = moment->station->series_of[parameter - moment->catalogue];
    for (const struct accepted *at = moment->begin; at < moment->end; at++) {
        if (at->series == series) {
            return at;
        }
    }
    for (size_t i = 0; i < moment->derived_count; i++) {
        if (moment->derived[i].series == series) {
            return &moment->derived[i];
        }
    }
    return NULL;
}

static double use(const struct accepted *accepted, struct inputs *inputs)
{
    if (accepted == NULL) {
        inputs->missing = true;
        return NAN;
    }
    inputs->judged = inputs->judged && accepted->judged;
    inputs->flag = accepted->flag > inputs->flag ? accepted->flag : inputs->flag;
    return accepted->value;
}

static double input(const struct moment *moment, const struct phusa_parameter *parameter,
                    struct inputs *inputs)
{
    return use(find(moment, parameter), inputs);
}

/* --- the formulas ------------------------------------------------------------------------- */

static enum seawater_status salinity(const struct moment *moment, const struct derivation *wanted,
                                     struct inputs *inputs, double *result)
{
    bool compensated = phusa_text_equal(wanted->from->name, PHUSA_TEXT("ec25"));
    double ec = use(find(moment, wanted->from), inputs);
    double temp = compensated ? STANDARD_TEMP : input(moment, moment->known->temp, inputs);
    return seawater_salinity(ec, temp, 0, wanted->pure ? SEAWATER_PSS78 : SEAWATER_PSS78_HILL,
                             result);
}

static enum seawater_status ec25(const struct moment *moment, const struct derivation *wanted,
                                 struct inputs *inputs, double *result)
{
    double ec = use(find(moment, wanted->from), inputs);
    return seawater_ec25(ec, input(moment, moment->known->temp, inputs), wanted->per_kelvin,
                         result);
}

static enum seawater_status do_sat(const struct moment *moment, const struct derivation *wanted,
                                   struct inputs *inputs, double *result)
{
    double measured = use(find(moment, wanted->from), inputs);
    double temp = input(moment, moment->known->temp, inputs), psu = wanted->salinity;
    if (find(moment, moment->known->salinity) != NULL || !isfinite(psu)) {
        psu = input(moment, moment->known->salinity, inputs);
    }
    return seawater_do_percent(measured, temp, psu, wanted->pressure_atm, result);
}

static enum seawater_status nh3(const struct moment *moment, const struct derivation *wanted,
                                struct inputs *inputs, double *result)
{
    double nh4 = use(find(moment, wanted->from), inputs);
    double ph = input(moment, moment->known->ph, inputs);
    return seawater_nh3(nh4, ph, input(moment, moment->known->temp, inputs), result);
}

static enum seawater_status compute(const struct moment *moment, const struct derivation *wanted,
                                    struct inputs *inputs, double *result)
{
    switch (wanted->kind) {
    case DERIVE_SALINITY:
        return salinity(moment, wanted, inputs, result);
    case DERIVE_EC25:
        return ec25(moment, wanted, inputs, result);
    case DERIVE_DO_SAT:
        return do_sat(moment, wanted, inputs, result);
    case DERIVE_NH3:
        return nh3(moment, wanted, inputs, result);
    }
    return SEAWATER_NONE;
}

/* --- one result ----------------------------------------------------------------------------- */

/* Checked and remembered like a reading; false if there is none, or one of that time already. */
static bool derive(struct pipeline *pipeline, struct station_state *station,
                   const struct moment *moment, const struct derivation *wanted,
                   struct accepted *accepted)
{
    struct inputs inputs = { .judged = true, .flag = PHUSA_FLAG_GOOD };
    double value = NAN;
    if (find(moment, wanted->parameter) != NULL) {
        return false;
    }
    enum seawater_status status = compute(moment, wanted, &inputs, &value);
    if (inputs.missing || status == SEAWATER_NONE) {
        return false;
    }
    struct pipeline_sample sample = { .value = value,
                                      .time_ns = moment->begin->time_ns,
                                      .reconstructed = moment->begin->reconstructed,
                                      .received_ns = pipeline->now_ns };
    enum phusa_reason reason = check_value(pipeline, station, wanted->parameter, &sample, accepted);
    if (reason != PHUSA_REASON_NONE || accepted->series == NO_SERIES) {
        return false;
    }
    enum phusa_flag least = status == SEAWATER_OUTSIDE ? PHUSA_FLAG_SUSPECT : PHUSA_FLAG_GOOD;
    least = inputs.flag > least ? inputs.flag : least;
    accepted->flag = least > accepted->flag ? least : accepted->flag;
    accepted->judged = accepted->judged && inputs.judged;
    accepted->derived = true;
    accepted->alone = least >= PHUSA_FLAG_SUSPECT;
    return true;
}

/* Salinity comes before what is made of it, by the order of enum derivation_kind. */
static size_t derive_moment(struct pipeline *pipeline, struct station_state *station,
                            struct moment *moment, struct accepted *out, size_t room)
{
    const struct station *settings = station->station;
    moment->derived = out;
    for (int kind = DERIVE_SALINITY; kind <= DERIVE_NH3; kind++) {
        for (size_t i = 0; i < settings->derivation_count && moment->derived_count < room; i++) {
            struct accepted *next = &out[moment->derived_count];
            if ((int)settings->derivations[i].kind == kind &&
                derive(pipeline, station, moment, &settings->derivations[i], next)) {
                quality_judge(pipeline, station, next, 1);
                quality_mark_stuck(station, next, 1);
                moment->derived_count++;
            }
        }
    }
    return moment->derived_count;
}

void derive_open(struct pipeline *pipeline)
{
    const struct phusa_catalogue *catalogue = &pipeline->settings->catalogue;
    pipeline->known =
        (struct known_inputs){ .temp = phusa_catalogue_find(catalogue, PHUSA_TEXT("temp")),
                               .salinity = phusa_catalogue_find(catalogue, PHUSA_TEXT("salinity")),
                               .ph = phusa_catalogue_find(catalogue, PHUSA_TEXT("ph")) };
}

size_t derive_report(struct pipeline *pipeline, struct station_state *station, size_t count)
{
    if (station->station->derivation_count == 0) {
        return count;
    }
    size_t total = count;
    for (size_t begin = 0, end; begin < count; begin = end) {
        end = begin + 1;
        while (end < count &&
               pipeline->accepted[end].time_ns == pipeline->accepted[begin].time_ns) {
            end++;
        }
        struct moment moment = { .station = station,
                                 .catalogue = pipeline->settings->catalogue.parameters,
                                 .known = &pipeline->known,
                                 .begin = &pipeline->accepted[begin],
                                 .end = &pipeline->accepted[end] };
        total += derive_moment(pipeline, station, &moment, &pipeline->accepted[total],
                               ACCEPTED_MAX - total);
    }
    for (size_t last = count; last < total; last++) {
        flow_sort_in(pipeline->accepted, last);
    }
    return total;
}
