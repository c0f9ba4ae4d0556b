/*
 * VN_AQI of air stations, of each hour and day, from the windows of their pollutants. What comes
 * out is a line of measurement "index", and a reading of the catalogue's parameters "vn_aqi" and
 * "vn_aqi_day", where it has them, for rules and people:
 *
 *   index,<site, station, tags>,window=1h vn_aqi=i,pm25=i,pm10=i,o3=i,no2=i,so2=i,co=i
 *
 * with the sub-indices there are. An hour or day without an index writes nothing. What late
 * readings change, or readings that turn out to be suspect, is a line of measurement "correction"
 * (parameter=vn_aqi; without new when there is no index any more); on stores that
 * overwrite, the line itself is written again, too. An hour reaches the eleven after it by the
 * NowCast.
 *
 * Computed on ticks, when every series of the station stands at the same time.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline_state.h"

#define HOUR_NS       (INT64_C(3600) * SECOND_NS)
#define DAY_HOURS     24
#define DIRTY_HOURS   64 /* bits of index_state.dirty */
#define MICRO_A_MILLI 1000.0
#define NO_TEXT       ((struct phusa_text){ "", 0 })

static const char *const hour_name = "vn_aqi", *const day_name = "vn_aqi_day";

bool index_needs(const struct phusa_parameter *parameter)
{
    for (int p = 0; p < VN_AQI_POLLUTANTS; p++) {
        if (phusa_text_equal(parameter->name,
                             phusa_text_of(vn_aqi_name((enum vn_aqi_pollutant)p)))) {
            return true;
        }
    }
    return false;
}

bool index_is(const struct phusa_parameter *parameter)
{
    return phusa_text_equal(parameter->name, phusa_text_of(hour_name)) ||
           phusa_text_equal(parameter->name, phusa_text_of(day_name));
}

bool index_open(const struct pipeline *pipeline, struct station_state *station)
{
    bool wanted = strcmp(station->station->kind, "air") == 0 && !station->station->indicative &&
                  !pipeline->sink.single;
    station->index = wanted ? calloc(1, sizeof *station->index) : NULL;
    return !wanted || station->index != NULL;
}

/* --- what is to be computed ------------------------------------------------------------- */

static int64_t local_hour(const struct pipeline *pipeline, int64_t end_ns)
{
    return (end_ns + pipeline->settings->utc_offset_s * SECOND_NS) / HOUR_NS;
}

static void mark(struct index_state *index, int64_t hour)
{
    int64_t back = index->newest_hour - hour;
    if (back >= 0 && back < DIRTY_HOURS) {
        index->dirty |= UINT64_C(1) << back;
    }
}

static int64_t end_of_day(int64_t hour)
{
    return (hour + DAY_HOURS - 1) / DAY_HOURS * DAY_HOURS;
}

void index_note(struct pipeline *pipeline, struct station_state *station,
                const struct phusa_parameter *parameter, int64_t end_ns)
{
    struct index_state *index = station->index;
    int64_t hour = local_hour(pipeline, end_ns);
    if (!index_needs(parameter)) {
        return;
    }
    if (hour > index->newest_hour) {
        int64_t step = hour - index->newest_hour;
        index->dirty = step < DIRTY_HOURS ? index->dirty << step : 0;
        index->newest_hour = hour;
    }
    for (int64_t reached = 0; reached < VN_AQI_NOWCAST_HOURS; reached++) {
        mark(index, hour + reached);
    }
    flow_due(station, 0);
    mark(index, end_of_day(hour));
    mark(index, end_of_day(hour + VN_AQI_O3_HOURS - 1));
}

/* --- concentrations ------------------------------------------------------------------------ */

struct pollutant {
    const struct series *series; /* NULL: not measured, or in no unit of mass */
    struct window_settings settings;
    double factor; /* to µg/m³ */
};

static struct pollutant pollutant_of(const struct pipeline *pipeline,
                                     const struct station_state *station,
                                     enum vn_aqi_pollutant which)
{
    const struct phusa_catalogue *catalogue = &pipeline->settings->catalogue;
    const struct phusa_parameter *parameter =
        phusa_catalogue_find(catalogue, phusa_text_of(vn_aqi_name(which)));
    struct pollutant pollutant = { .factor = 1 };
    if (parameter == NULL || station->series_of[parameter - catalogue->parameters] == NO_SERIES) {
        return pollutant;
    }
    const struct series *series =
        &station->series[station->series_of[parameter - catalogue->parameters]];
    bool milli = phusa_text_equal(parameter->unit, PHUSA_TEXT("mg/m3"));
    bool mass = milli || phusa_text_equal(parameter->unit, PHUSA_TEXT("ug/m3"));
    if (mass && series->windows != NULL) {
        pollutant.series = series;
        pollutant.settings = windows_settings(station, series);
        pollutant.factor = milli ? MICRO_A_MILLI : 1;
    }
    return pollutant;
}

/* The mean of the window that ends there; NaN without enough coverage. */
static double mean_of(const struct pollutant *pollutant, enum window_kind kind, int64_t end_ns)
{
    struct window_numbers numbers;
    if (pollutant->series == NULL ||
        !window_look(pollutant->series->windows, &pollutant->settings, kind, end_ns, &numbers)) {
        return NAN;
    }
    return window_value(&numbers, WINDOW_MEAN, pollutant->settings.coverage) * pollutant->factor;
}

static double nowcast(const struct pipeline *pipeline, const struct pollutant *pollutant,
                      int64_t end_ns)
{
    double means[VN_AQI_NOWCAST_HOURS];
    for (int back = 0; back < VN_AQI_NOWCAST_HOURS; back++) {
        means[back] = mean_of(pollutant, WINDOW_1H, end_ns - back * HOUR_NS);
    }
    return vn_aqi_nowcast(means, pipeline->settings->windows.nowcast_normalised ? VN_AQI_NORMALISED
                                                                                : VN_AQI_PRINTED);
}

static struct vn_aqi of_hour(const struct pipeline *pipeline, const struct station_state *station,
                             int64_t end_ns, bool *measured)
{
    double concentration[VN_AQI_POLLUTANTS];
    *measured = false;
    for (int p = 0; p < VN_AQI_POLLUTANTS; p++) {
        struct pollutant pollutant = pollutant_of(pipeline, station, (enum vn_aqi_pollutant)p);
        *measured = *measured || isfinite(mean_of(&pollutant, WINDOW_1H, end_ns));
        concentration[p] = p < VN_AQI_PM ? nowcast(pipeline, &pollutant, end_ns)
                                         : mean_of(&pollutant, WINDOW_1H, end_ns);
    }
    return vn_aqi_of_hour(concentration);
}

static double highest(const struct pollutant *pollutant, enum window_kind kind, int64_t end_ns)
{
    double found = NAN;
    for (int back = 0; back < DAY_HOURS; back++) {
        found = fmax(found, mean_of(pollutant, kind, end_ns - back * HOUR_NS));
    }
    return found;
}

static struct vn_aqi of_day(const struct pipeline *pipeline, const struct station_state *station,
                            int64_t end_ns)
{
    struct vn_aqi_day day = { .o3_8h = NAN };
    for (int p = 0; p < VN_AQI_POLLUTANTS; p++) {
        struct pollutant pollutant = pollutant_of(pipeline, station, (enum vn_aqi_pollutant)p);
        day.concentration[p] = p < VN_AQI_PM ? mean_of(&pollutant, WINDOW_24H, end_ns)
                                             : highest(&pollutant, WINDOW_1H, end_ns);
        if (p == VN_AQI_O3) {
            day.o3_8h = highest(&pollutant, WINDOW_8H, end_ns);
        }
    }
    return vn_aqi_of_day(&day);
}

/* --- telling -------------------------------------------------------------------------------- */

/* One of the two: hours and days are told alike. */
struct telling {
    struct pipeline *pipeline;
    struct station_state *station;
    const char *parameter, *window;
    int64_t end_ns, every_ns;
    const struct vn_aqi *found;
    bool measured; /* one of the pollutants in that very hour: a gap alone changes no alarm */
};

static void write_index(const struct telling *telling)
{
    char head[EXTRA_LINE_MAX / 2];
    struct line_writer *writer = flow_extra(telling->pipeline);
    line_begin(writer,
               flow_extra_head(telling->station, "index", false, NO_TEXT, telling->window, head));
    line_field_int(writer, phusa_text_of(hour_name), NO_TEXT, telling->found->index);
    for (int p = 0; p < VN_AQI_POLLUTANTS; p++) {
        if (telling->found->sub[p] != VN_AQI_NONE) {
            line_field_int(writer, phusa_text_of(vn_aqi_name((enum vn_aqi_pollutant)p)), NO_TEXT,
                           telling->found->sub[p]);
        }
    }
    (void)line_end(writer, telling->end_ns);
}

static double number_of(int index)
{
    return index == VN_AQI_NONE ? (double)NAN : index;
}

static void write_correction(const struct telling *telling, struct told_index *told)
{
    told->rounds = told->rounds < UINT8_MAX ? (uint8_t)(told->rounds + 1) : UINT8_MAX;
    struct flow_correction correction = { .parameter = phusa_text_of(telling->parameter),
                                          .window = telling->window,
                                          .end_ns = telling->end_ns,
                                          .old = number_of(told->value),
                                          .now = number_of(telling->found->index),
                                          .round = told->rounds };
    flow_write_correction(telling->pipeline, telling->station, &correction);
}

static struct series *series_of(const struct telling *telling)
{
    const struct phusa_parameter *parameter = phusa_catalogue_find(
        &telling->pipeline->settings->catalogue, phusa_text_of(telling->parameter));
    return parameter == NULL ? NULL : state_series(telling->pipeline, telling->station, parameter);
}

static void judge(const struct telling *telling)
{
    struct pipeline *pipeline = telling->pipeline;
    int64_t lateness = pipeline->settings->windows.lateness_ns;
    struct series *series = series_of(telling);
    if (series == NULL) {
        return;
    }
    int64_t late_ns = pipeline->now_ns - telling->end_ns - lateness;
    struct judgement judgement = { .time_ns = telling->end_ns,
                                   .covers_ns = telling->end_ns - 1,
                                   .every_ns = telling->every_ns,
                                   .late_ns = late_ns > 0 ? late_ns : 0,
                                   .value = telling->found->index };
    if (!series->has_last || telling->end_ns >= series->last.time_ns) {
        series->has_last = true;
        series->last = (struct latest){ .value = judgement.value,
                                        .time_ns = telling->end_ns,
                                        .flag = PHUSA_FLAG_GOOD,
                                        .derived = true };
    }
    for (size_t i = 0; i < series->alarm_count; i++) {
        if (!series->alarms[i].rule->window.given) { /* of an index there are no windows */
            flow_judge(pipeline, telling->station, &series->alarms[i], &judgement);
        }
    }
}

/* What people are shown as the newest is what holds. */
static void note_corrected(const struct telling *telling)
{
    struct series *series = series_of(telling);
    if (series == NULL || !series->has_last || series->last.time_ns != telling->end_ns) {
        return;
    }
    if (telling->found->index != VN_AQI_NONE) {
        series->last.value = telling->found->index;
        series->last.flag = PHUSA_FLAG_GOOD;
    } else {
        series->last.flag = PHUSA_FLAG_SUSPECT; /* there is none any more */
    }
}

static void tell(const struct telling *telling, struct told_index *told)
{
    int index = telling->found->index;
    if (told->end_ns > telling->end_ns) {
        return; /* its place is another's already */
    }
    bool first = told->end_ns < telling->end_ns;
    if (first) {
        *told = (struct told_index){ .end_ns = telling->end_ns,
                                     .value = VN_AQI_NONE,
                                     .first = VN_AQI_NONE };
    }
    if (index == told->value) {
        return;
    }
    if (told->first == VN_AQI_NONE) {
        write_index(telling);
        if (telling->measured) {
            judge(telling);
        }
        told->first = (int16_t)index;
    } else {
        write_correction(telling, told);
        if (index != VN_AQI_NONE && telling->pipeline->settings->store.kind != STORE_VICTORIA) {
            write_index(telling);
        }
        note_corrected(telling);
    }
    told->value = (int16_t)index;
    told->dominant = telling->found->dominant;
}

static void compute(struct pipeline *pipeline, struct station_state *station, int64_t hour)
{
    struct index_state *index = station->index;
    int64_t end_ns = hour * HOUR_NS - pipeline->settings->utc_offset_s * SECOND_NS;
    bool measured;
    struct vn_aqi found = of_hour(pipeline, station, end_ns, &measured);
    struct telling telling = { .pipeline = pipeline,
                               .station = station,
                               .parameter = hour_name,
                               .window = "1h",
                               .end_ns = end_ns,
                               .every_ns = HOUR_NS,
                               .found = &found,
                               .measured = measured };
    tell(&telling, &index->hours[hour % INDEX_HOURS]);
    if (hour % DAY_HOURS == 0) {
        found = of_day(pipeline, station, end_ns);
        telling.measured = true;
        telling.parameter = day_name;
        telling.window = "day";
        telling.every_ns = DAY_HOURS * HOUR_NS;
        tell(&telling, &index->days[hour / DAY_HOURS % INDEX_DAYS]);
    }
}

void index_tick(struct pipeline *pipeline, struct station_state *station)
{
    struct index_state *index = station->index;
    if (index == NULL || index->dirty == 0) {
        return;
    }
    for (int back = INDEX_HOURS - 1; back >= 0; back--) {
        if ((index->dirty >> back & 1) != 0) {
            compute(pipeline, station, index->newest_hour - back);
        }
    }
    index->dirty = 0;
}
