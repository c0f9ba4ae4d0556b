/*
 * Nights of light traps: each species' counts, with the lamp, the rain gate and service events of
 * the same trap. A night is a line of measurement "window" at its end:
 *
 *   window,<site, station, tags>,parameter=P,window=night sum=,outcome=i,coverage=,reports=i,
 *       lamp_minutes=,gated_minutes=,known_minutes=,resets=i,services=i,saturated=i
 *
 * outcome: 0 counted (sum is there, and 0 is a finding), 1 the trap was off, 2 nothing is known.
 */
#include <math.h>
#include <stdlib.h>

#include "pipeline_state.h"

#define NIGHT_NS  (INT64_C(24) * 3600 * SECOND_NS)
#define MINUTE_NS (60.0 * (double)SECOND_NS)

static struct trap_settings settings_of(const struct pipeline *pipeline,
                                        const struct station_state *station)
{
    const struct station_trap *trap = &station->station->trap;
    return (struct trap_settings){ .counter = trap->cumulative ? TRAP_CUMULATIVE : TRAP_INTERVAL,
                                   .drop = trap->drop_corrects ? TRAP_DROP_CORRECTS
                                                               : TRAP_DROP_RESTARTS,
                                   .limit = trap->limit,
                                   .every_ns = station->station->every_ns,
                                   .hold_ns = trap->hold_ns,
                                   .lateness_ns = pipeline->settings->windows.lateness_ns,
                                   .utc_offset_s = pipeline->settings->utc_offset_s };
}

bool traps_open(struct pipeline *pipeline, struct station_state *station)
{
    const struct station_trap *trap = &station->station->trap;
    for (size_t i = 0; trap->given && !pipeline->sink.single && i < trap->species_count; i++) {
        struct series *series = state_series(pipeline, station, trap->species[i]);
        if (series == NULL) {
            return false;
        }
        series->trap = series->trap == NULL ? calloc(1, sizeof *series->trap) : series->trap;
        if (series->trap == NULL) {
            return false;
        }
    }
    return true;
}

void traps_close(struct series *series)
{
    free(series->trap);
    series->trap = NULL;
}

void traps_save(const struct series_trap *trap, struct state_writer *writer)
{
    const struct trap_night *told = &trap->told;
    state_put_signed(writer, told->end_ns);
    state_put(writer, told->outcome);
    state_put_double(writer, told->count);
    state_put(writer, told->reports);
    state_put_double(writer, told->coverage);
    state_put(writer, told->resets);
    state_put(writer, told->services);
    state_put_bool(writer, told->saturated);
    state_put_bool(writer, told->spans);
    state_put_signed(writer, told->lamp_ns);
    state_put_signed(writer, told->gated_ns);
    state_put_signed(writer, told->known_ns);
    trap_save(&trap->counting, writer);
}

static void load_told(struct trap_night *told, struct state_reader *reader)
{
    told->end_ns = state_get_signed(reader);
    told->outcome = (enum trap_outcome)state_get_upto(reader, TRAP_MISSING);
    told->count = state_get_double(reader);
    told->reports = (uint32_t)state_get_upto(reader, UINT32_MAX);
    told->coverage = state_get_double(reader);
    told->resets = (uint32_t)state_get_upto(reader, UINT32_MAX);
    told->services = (uint32_t)state_get_upto(reader, UINT32_MAX);
    told->saturated = state_get_bool(reader);
    told->spans = state_get_bool(reader);
    told->lamp_ns = state_get_signed(reader);
    told->gated_ns = state_get_signed(reader);
    told->known_ns = state_get_signed(reader);
}

bool traps_load(const struct pipeline *pipeline, const struct station_state *station,
                struct series *series, struct state_reader *reader)
{
    struct trap_settings settings = settings_of(pipeline, station);
    load_told(&series->trap->told, reader);
    return trap_load(&series->trap->counting, &settings, reader);
}

/* --- a night -------------------------------------------------------------------------- */

struct night {
    struct pipeline *pipeline;
    struct station_state *station;
    struct series *series;
};

static void write_night(const struct night *night, const struct trap_night *told)
{
    char head[EXTRA_LINE_MAX / 2];
    static const struct phusa_text none = { "", 0 };
    struct line_writer *writer = flow_extra(night->pipeline);
    line_begin(writer, flow_extra_head(night->station, "window", false,
                                       night->series->parameter->name, "night", head));
    line_field_double(writer, PHUSA_TEXT("sum"), told->count);
    line_field_int(writer, PHUSA_TEXT("outcome"), none, (int64_t)told->outcome);
    line_field_double(writer, PHUSA_TEXT("coverage"), told->coverage);
    line_field_int(writer, PHUSA_TEXT("reports"), none, told->reports);
    line_field_double(writer, PHUSA_TEXT("lamp_minutes"), (double)told->lamp_ns / MINUTE_NS);
    line_field_double(writer, PHUSA_TEXT("gated_minutes"), (double)told->gated_ns / MINUTE_NS);
    line_field_double(writer, PHUSA_TEXT("known_minutes"), (double)told->known_ns / MINUTE_NS);
    line_field_int(writer, PHUSA_TEXT("resets"), none, told->resets);
    line_field_int(writer, PHUSA_TEXT("services"), none, told->services);
    line_field_int(writer, PHUSA_TEXT("saturated"), none, told->saturated ? 1 : 0);
    (void)line_end(writer, told->end_ns);
}

/* What a rule on nights asks for; NaN when there is none. A trap reports a number, so its sum, mean
 * and highest are the same. */
static double value_of(const struct rule *rule, const struct trap_night *told)
{
    bool asked = rule->window.given && rule->window.length == RULE_NIGHT;
    if (!asked || told->outcome != TRAP_COUNTED || told->coverage < rule->window.coverage) {
        return NAN;
    }
    return rule->window.statistic == RULE_COUNT ? (double)told->reports : told->count;
}

static void on_night(void *context, const struct trap_night *told)
{
    const struct night *night = context;
    int64_t known_ns = told->end_ns + night->pipeline->settings->windows.lateness_ns;
    int64_t late_ns = night->pipeline->now_ns - known_ns;
    write_night(night, told);
    night->series->trap->told = *told;
    night->pipeline->counters.windows_told++;
    for (size_t i = 0; i < night->series->alarm_count; i++) {
        struct alarm_slot *slot = &night->series->alarms[i];
        struct judgement judgement = { .time_ns = told->end_ns,
                                       .covers_ns = told->end_ns - 1,
                                       .every_ns = NIGHT_NS,
                                       .late_ns = late_ns > 0 ? late_ns : 0,
                                       .value = value_of(slot->rule, told) };
        if (isfinite(judgement.value)) {
            flow_judge(night->pipeline, night->station, slot, &judgement);
        }
    }
}

/* --- readings and time ---------------------------------------------------------------------- */

static void add(struct pipeline *pipeline, struct station_state *station, struct series *series,
                const struct accepted *accepted, enum trap_what what)
{
    struct trap_settings settings = settings_of(pipeline, station);
    struct night night = { pipeline, station, series };
    struct trap_event event = { accepted->time_ns, accepted->value, what };
    (void)trap_add(&series->trap->counting, &settings, &event, on_night, &night);
}

/* What a parameter says of a trap besides its counts. */
static bool role_of(const struct station_trap *trap, const struct phusa_parameter *parameter,
                    enum trap_what *what)
{
    const struct {
        const struct phusa_parameter *parameter;
        enum trap_what what;
    } roles[] = { { trap->lamp, TRAP_LAMP },
                  { trap->gate, TRAP_GATE },
                  { trap->lamp_minutes, TRAP_LAMP_MINUTES },
                  { trap->gate_minutes, TRAP_GATE_MINUTES },
                  { trap->service, TRAP_SERVICE } };
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        if (roles[i].parameter == parameter) {
            *what = roles[i].what;
            return true;
        }
    }
    return false;
}

bool traps_are_told_by(const struct station *station, const struct phusa_parameter *parameter)
{
    enum trap_what what;
    return station->trap.given && role_of(&station->trap, parameter, &what);
}

void traps_take(struct pipeline *pipeline, struct station_state *station,
                const struct accepted *accepted)
{
    const struct station_trap *trap = &station->station->trap;
    struct series *own = &station->series[accepted->series];
    const struct phusa_parameter *parameter = own->parameter;
    if (own->trap != NULL) {
        add(pipeline, station, own, accepted, TRAP_COUNT);
        return;
    }
    enum trap_what what;
    if (!role_of(trap, parameter, &what) || (what == TRAP_SERVICE && accepted->value == 0)) {
        return;
    }
    for (size_t i = 0; i < station->series_count; i++) {
        if (station->series[i].trap != NULL) {
            add(pipeline, station, &station->series[i], accepted, what);
        }
    }
}

void traps_tick(struct pipeline *pipeline, struct station_state *station, uint16_t index)
{
    struct series *series = &station->series[index];
    if (series->trap != NULL) {
        struct trap_settings settings = settings_of(pipeline, station);
        struct night night = { pipeline, station, series };
        trap_advance(&series->trap->counting, &settings, pipeline->now_ns, on_night, &night);
        flow_due(station, pipeline->now_ns); /* traps are few: always */
    }
}
