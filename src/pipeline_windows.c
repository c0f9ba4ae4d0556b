/*
 * Windows of each series: what closes is written as a line of measurement "window" at its end, what
 * late readings change as a line of "correction", and rules on windows judge what closes.
 *
 *   window,<site, station, tags>,parameter=P,window=1h mean=,min=,max=,sum=,count=i,coverage=
 *   correction,site=,station=,parameter=P,window=1h old=,new=
 *
 * With too little coverage a window line has count and coverage alone; when late readings bring
 * enough, a second line at the same time has the numbers that the first one had not, and the
 * correction line has no old. One that has lost its value, because a reading in it turned out to be
 * none, has a correction line without new. On stores that overwrite, a corrected window is written
 * again whole.
 *
 * A window may be corrected more than once. Its later correction lines have a tag `again` (2, 3,
 * ...), since a store that keeps an arbitrary one of two values at a time must not have to choose.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline_state.h"

#define NS_OF_HOURS(hours) ((hours)*INT64_C(3600) * SECOND_NS)

static const char *const names[WINDOW_KINDS] = { "1h", "8h", "24h", "day", "night", "year" };
static const int64_t lengths_ns[WINDOW_KINDS] = {
    NS_OF_HOURS(1),  NS_OF_HOURS(8),  NS_OF_HOURS(24),
    NS_OF_HOURS(24), NS_OF_HOURS(24), NS_OF_HOURS(24)
};
/* How far apart two of a kind are. */
static const int64_t steps_ns[WINDOW_KINDS] = { NS_OF_HOURS(1),  NS_OF_HOURS(1),  NS_OF_HOURS(1),
                                                NS_OF_HOURS(24), NS_OF_HOURS(24), NS_OF_HOURS(24) };

/* --- which windows ------------------------------------------------------------------------ */

static bool is_trap(const struct station *station)
{
    return strcmp(station->kind, "trap") == 0;
}

static bool counts_nights(const struct station *station, const struct phusa_parameter *parameter)
{
    for (size_t i = 0; station->trap.given && i < station->trap.species_count; i++) {
        if (station->trap.species[i] == parameter) {
            return true;
        }
    }
    return false;
}

/* Those that are asked for, those that rules judge, and the hours that an index is made of; but
 * none that is shorter than the distance of two readings. */
static unsigned kinds_of(const struct pipeline *pipeline, const struct station_state *station,
                         const struct series *series)
{
    unsigned kinds = pipeline->settings->windows.kinds;
    kinds |= is_trap(station->station) ? WINDOW_BIT(WINDOW_NIGHT) : 0;
    kinds |= station->index != NULL && index_needs(series->parameter) ? WINDOW_BIT(WINDOW_1H) : 0;
    for (size_t i = 0; i < series->alarm_count; i++) {
        const struct rule_window *window = &series->alarms[i].rule->window;
        kinds |= window->given ? 1u << window->length : 0;
    }
    for (int kind = 0; kind < WINDOW_KINDS; kind++) {
        if (lengths_ns[kind] < station->station->every_ns) {
            kinds &= ~WINDOW_BIT(kind);
        }
    }
    return kinds & WINDOW_ALL;
}

void windows_open_station(const struct pipeline *pipeline, struct station_state *station)
{
    const struct settings *settings = pipeline->settings;
    station->windows =
        (struct window_settings){ .every_ns = station->station->every_ns,
                                  .lateness_ns = settings->windows.lateness_ns,
                                  .live_within_ns = INT64_MAX / 4, /* each rule says its own */
                                  .utc_offset_s = settings->utc_offset_s,
                                  .coverage = settings->windows.coverage,
                                  .edge = settings->windows.begins ? WINDOW_EDGE_BEGINS
                                                                   : WINDOW_EDGE_ENDS };
}

struct window_settings windows_settings(const struct station_state *station,
                                        const struct series *series)
{
    struct window_settings settings = station->windows;
    settings.kinds = series->window_kinds;
    return settings;
}

bool windows_open(struct pipeline *pipeline, const struct station_state *station,
                  struct series *series)
{
    series->windows = NULL;
    if (pipeline->sink.single || index_is(series->parameter) ||
        traps_are_told_by(station->station, series->parameter) ||
        counts_nights(station->station, series->parameter)) {
        return true;
    }
    const struct phusa_parameter *parameter = series->parameter;
    double largest = fmax(fabs(parameter->minimum), fabs(parameter->maximum));
    series->window_kinds = (uint8_t)kinds_of(pipeline, station, series);
    if (series->window_kinds == 0) {
        return true;
    }
    struct window_settings settings = windows_settings(station, series);
    settings.largest = largest > 0 ? largest : 1;
    series->windows = window_create(&settings);
    return series->windows != NULL;
}

void windows_close(struct series *series)
{
    window_free(series->windows);
    free(series->corrections);
    series->windows = NULL;
    series->corrections = NULL;
}

/* --- lines ------------------------------------------------------------------------------ */

struct closing {
    struct pipeline *pipeline;
    struct station_state *station;
    struct series *series;
};

static struct line_writer *begin_window(const struct closing *closing, enum window_kind kind)
{
    char head[EXTRA_LINE_MAX / 2];
    struct line_writer *writer = flow_extra(closing->pipeline);
    line_begin(writer, flow_extra_head(closing->station, "window", false,
                                       closing->series->parameter->name, names[kind], head));
    return writer;
}

static void put_values(struct line_writer *writer, const struct window_numbers *numbers)
{
    line_field_double(writer, PHUSA_TEXT("mean"), numbers->mean);
    line_field_double(writer, PHUSA_TEXT("min"), numbers->min);
    line_field_double(writer, PHUSA_TEXT("max"), numbers->max);
    line_field_double(writer, PHUSA_TEXT("sum"), numbers->sum);
}

static void put_extent(struct line_writer *writer, const struct window_numbers *numbers)
{
    line_field_int(writer, PHUSA_TEXT("count"), PHUSA_TEXT(""), numbers->count);
    line_field_double(writer, PHUSA_TEXT("coverage"), numbers->coverage);
}

static void write_window(const struct closing *closing, const struct window_result *result)
{
    struct line_writer *writer = begin_window(closing, result->kind);
    if (result->now.enough) {
        put_values(writer, &result->now);
    }
    put_extent(writer, &result->now);
    (void)line_end(writer, result->end_ns);
}

static bool overwrites(const struct pipeline *pipeline)
{
    return pipeline->settings->store.kind != STORE_VICTORIA;
}

static int64_t local_hour(const struct closing *closing, int64_t end_ns)
{
    return (end_ns + closing->pipeline->settings->utc_offset_s * SECOND_NS) / NS_OF_HOURS(1);
}

/* A window is noted as corrected when it had or got a value. */
static bool ever_had_a_value(const struct closing *closing, const struct window_result *result)
{
    bool known;
    double mean;
    return result->old.enough ||
           corrections_look(closing->series, result->kind, local_hour(closing, result->end_ns),
                            &known, &mean);
}

static void write_correction(const struct closing *closing, const struct window_result *result)
{
    const struct window_numbers *now = &result->now, *old = &result->old;
    if (overwrites(closing->pipeline)) {
        write_window(closing, result);
    } else if (now->enough && !ever_had_a_value(closing, result)) {
        struct line_writer *writer = begin_window(closing, result->kind);
        put_values(writer, now);
        (void)line_end(writer, result->end_ns);
    }
    if (now->enough != old->enough || (now->enough && now->mean != old->mean)) {
        struct flow_correction correction = { .parameter = closing->series->parameter->name,
                                              .window = names[result->kind],
                                              .end_ns = result->end_ns,
                                              .old = old->enough ? old->mean : (double)NAN,
                                              .now = now->enough ? now->mean : (double)NAN,
                                              .round = result->round };
        flow_write_correction(closing->pipeline, closing->station, &correction);
    }
}

/* For people; a window that still has no value says nothing that could be corrected. */
static void note_correction(const struct closing *closing, const struct window_result *result)
{
    if (result->now.enough || result->old.enough) {
        corrections_note(closing->series, result->kind, local_hour(closing, result->end_ns),
                         result->old.enough ? result->old.mean : (double)NAN);
    }
}

/* --- what closes ---------------------------------------------------------------------------- */

static double value_of(const struct rule_window *window, const struct window_numbers *numbers)
{
    return window_value(numbers, (enum window_statistic)window->statistic, window->coverage);
}

/* A rule judges a window once: when it closes, or when late readings give it its first value. */
static void judge(const struct closing *closing, const struct window_result *result)
{
    for (size_t i = 0; i < closing->series->alarm_count; i++) {
        struct alarm_slot *slot = &closing->series->alarms[i];
        const struct rule_window *window = &slot->rule->window;
        if (!window->given || (int)window->length != (int)result->kind) {
            continue;
        }
        struct judgement judgement = { .time_ns = result->end_ns,
                                       .covers_ns = result->end_ns - 1,
                                       .every_ns = steps_ns[result->kind],
                                       .late_ns = result->behind_ns,
                                       .value = value_of(window, &result->now) };
        bool known = result->correction && isfinite(value_of(window, &result->old));
        if (isfinite(judgement.value) && !known) {
            flow_judge(closing->pipeline, closing->station, slot, &judgement);
        }
    }
}

static void on_result(void *context, const struct window_result *result)
{
    const struct closing *closing = context;
    if (result->correction) {
        write_correction(closing, result);
        note_correction(closing, result);
    } else {
        closing->pipeline->counters.windows_told++;
        write_window(closing, result);
    }
    judge(closing, result);
    if (result->kind == WINDOW_1H && closing->station->index != NULL) {
        index_note(closing->pipeline, closing->station, closing->series->parameter, result->end_ns);
    }
}

/* What a call into a series of windows takes. */
struct access {
    struct closing closing;
    struct window_settings settings;
    struct window_series *windows;
    int64_t at_ns; /* the watermark: now, but before what is to be closed by a tick */
};

/* False if the series has none. */
static bool reach(struct pipeline *pipeline, struct station_state *station, uint16_t index,
                  struct access *access)
{
    struct series *series = &station->series[index];
    if (series->windows == NULL) {
        return false;
    }
    access->closing = (struct closing){ pipeline, station, series };
    access->settings = windows_settings(station, series);
    access->windows = series->windows;
    if (!series->windows_ready) {
        window_ready(series->windows, &access->settings, pipeline->now_ns);
        series->windows_ready = window_due(series->windows) != INT64_MAX;
    }
    int64_t due_ns = window_due(series->windows);
    access->at_ns = due_ns <= pipeline->now_ns ? due_ns - 1 : pipeline->now_ns;
    return true;
}

static struct window_out out_of(struct access *access)
{
    return (struct window_out){ on_result, &access->closing };
}

static void say_due(const struct access *access)
{
    int64_t due_ns = window_due(access->windows);
    access->closing.series->windows_due_ns = due_ns;
    flow_due(access->closing.station, due_ns);
}

void windows_take(struct pipeline *pipeline, struct station_state *station, uint16_t index,
                  int64_t time_ns, double value)
{
    struct access access;
    if (reach(pipeline, station, index, &access)) {
        (void)window_add(access.windows, &access.settings, time_ns, value, access.at_ns,
                         out_of(&access));
        say_due(&access);
    }
}

void windows_await(struct pipeline *pipeline, struct station_state *station, uint16_t index)
{
    struct access access;
    if (!station->series[index].windows_ready && reach(pipeline, station, index, &access)) {
        say_due(&access);
    }
}

void windows_lend(struct pipeline *pipeline, struct station_state *station, uint16_t index,
                  int64_t time_ns, double value)
{
    struct access access;
    if (reach(pipeline, station, index, &access)) {
        (void)window_add_provisional(access.windows, &access.settings, time_ns, value, access.at_ns,
                                     out_of(&access));
    }
}

void windows_settle(struct pipeline *pipeline, struct station_state *station, uint16_t index,
                    const struct settled *settled)
{
    struct access access;
    if (reach(pipeline, station, index, &access)) {
        (void)window_settle(access.windows, &access.settings, settled->time_ns, settled->value,
                            settled->valid, access.at_ns, out_of(&access));
        say_due(&access);
    }
}

void windows_tick(struct pipeline *pipeline, struct station_state *station, uint16_t index)
{
    struct series *series = &station->series[index];
    struct access access;
    int64_t from_ns, upto_ns;
    if (series->windows != NULL && pipeline->now_ns >= series->windows_due_ns) {
        series->windows_due_ns = window_due(series->windows); /* after a restart it is not known */
    }
    if (pipeline->now_ns < series->windows_due_ns) {
        flow_due(station, series->windows_due_ns);
        return;
    }
    if (!reach(pipeline, station, index, &access)) {
        return;
    }
    if (window_closes(access.windows, &access.settings, pipeline->now_ns, &from_ns, &upto_ns)) {
        quality_lend(pipeline, station, index, from_ns, upto_ns);
    }
    window_advance(access.windows, &access.settings, pipeline->now_ns, out_of(&access));
    say_due(&access);
}
