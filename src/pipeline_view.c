/* A copy of the pipeline's state for the console. */
#include <stdlib.h>
#include <string.h>

#include "pipeline_state.h"

#define MINUTE_NS (60.0 * (double)SECOND_NS)

int view_by_name(const struct phusa_parameter *a, const struct phusa_parameter *b)
{
    struct phusa_text left = a->name, right = b->name;
    size_t common = left.length < right.length ? left.length : right.length;
    int order = memcmp(left.data, right.data, common);
    return order != 0 ? order : (left.length > right.length) - (left.length < right.length);
}

static int by_parameter(const void *a, const void *b)
{
    return view_by_name(((const struct console_reading *)a)->parameter,
                        ((const struct console_reading *)b)->parameter);
}

static int by_site(const void *a, const void *b)
{
    const struct station *left = ((const struct console_station *)a)->station;
    const struct station *right = ((const struct console_station *)b)->station;
    int order = strcmp(left->site, right->site);
    return order != 0 ? order : strcmp(left->id, right->id);
}

static int by_gravity(const void *a, const void *b)
{
    const struct console_alarm *left = a, *right = b;
    if (left->severity != right->severity) {
        return left->severity > right->severity ? -1 : 1;
    }
    return (left->since_ns > right->since_ns) - (left->since_ns < right->since_ns);
}

static enum console_link link_of(const struct station_state *state, int64_t now_ns)
{
    const struct station_ledger *ledger = &state->ledger;
    if (ledger->last_seen_ns == 0) {
        return CONSOLE_NEVER_SEEN;
    }
    if (ledger->has_status && !ledger->online) {
        return CONSOLE_OFFLINE;
    }
    return now_ns - ledger->last_seen_ns > 3 * state->station->every_ns ? CONSOLE_QUIET
                                                                        : CONSOLE_ONLINE;
}

static struct console_tests tests_of(const struct series_quality *quality)
{
    const struct qartod_flags *flags = &quality->flags;
    return (struct console_tests){ .given = true,
                                   .time_ns = quality->flags_ns,
                                   .gross = flags->gross,
                                   .spike = flags->spike,
                                   .rate = flags->rate,
                                   .flat_line = flags->flat_line,
                                   .attenuated = flags->attenuated,
                                   .aggregate = flags->aggregate,
                                   .gaps = quality->gaps,
                                   .missed = quality->missed,
                                   .early = quality->early };
}

static struct console_reading reading_of(const struct series *series)
{
    struct console_reading reading = { .parameter = series->parameter,
                                       .value = series->last.value,
                                       .time_ns = series->last.time_ns,
                                       .flag = series->last.flag,
                                       .derived = series->last.derived };
    if (series->quality != NULL && series->quality->later) {
        reading.tests = tests_of(series->quality);
    }
    return reading;
}

static bool copy_readings(const struct station_state *state, struct console_station *out)
{
    out->readings = calloc(state->series_count + 1, sizeof *out->readings);
    if (out->readings == NULL) {
        return false;
    }
    for (size_t i = 0; i < state->series_count; i++) {
        if (state->series[i].has_last) {
            out->readings[out->reading_count++] = reading_of(&state->series[i]);
        }
    }
    qsort(out->readings, out->reading_count, sizeof *out->readings, by_parameter);
    return true;
}

static struct console_gap *copy_open_gaps(const struct sequence *sequence, struct console_gap *out)
{
    uint64_t upto = sequence->settled;
    for (uint32_t i = 0; i < sequence->run_count; i++) {
        const struct sequence_run *run = &sequence->runs[i];
        *out++ = (struct console_gap){ upto + 1, run->first - 1, run->noticed_ns, NULL };
        upto = run->last;
    }
    return out;
}

static void copy_closed_gaps(const struct sequence *sequence, struct console_gap *out)
{
    for (uint32_t i = 0; i < sequence->closed_count; i++) {
        const struct sequence_closed *range = &sequence->closed_ranges[i];
        *out++ = (struct console_gap){ range->first, range->last, range->closed_ns,
                                       gap_end_name(range->end) };
    }
}

/* Noticed time as the console has it. */
static int64_t or_none(int64_t oldest_ns)
{
    return oldest_ns == INT64_MAX ? 0 : oldest_ns;
}

static bool copy_log(const struct log_state *log, bool current, struct console_log *out)
{
    const struct sequence *sequence = &log->sequence;
    *out = (struct console_log){ .log = log->log,
                                 .current = current,
                                 .highest = sequence_highest(sequence),
                                 .announced = sequence->announced,
                                 .received = sequence->received,
                                 .filled = sequence->filled,
                                 .missing = sequence_missing(sequence),
                                 .overwritten = sequence->closed[GAP_OVERWRITTEN],
                                 .erased = sequence->closed[GAP_LOG_ERASED],
                                 .oldest_gap_ns = or_none(sequence_oldest_gap(sequence)),
                                 .gap_count = sequence->run_count + sequence->closed_count };
    if (out->gap_count == 0) {
        return true;
    }
    out->gaps = calloc(out->gap_count, sizeof *out->gaps);
    if (out->gaps == NULL) {
        return false;
    }
    copy_closed_gaps(sequence, copy_open_gaps(sequence, out->gaps));
    return true;
}

static bool copy_logs(const struct station_state *state, struct console_station *out)
{
    const struct station_ledger *ledger = &state->ledger;
    out->oldest_gap_ns = or_none(ledger_oldest_gap(state, &out->missing_reports));
    out->closed_reports = state->counts.forgotten_closed;
    if (ledger->log_count == 0) {
        return true;
    }
    out->logs = calloc(ledger->log_count, sizeof *out->logs);
    if (out->logs == NULL) {
        return false;
    }
    for (size_t i = 0; i < ledger->log_count; i++) {
        const struct log_state *log = ledger->logs[i];
        bool current = ledger->has_status && log->log == ledger->status_log;
        out->log_count = i + 1;
        if (!copy_log(log, current, &out->logs[i])) {
            return false;
        }
        out->closed_reports += out->logs[i].overwritten + out->logs[i].erased;
    }
    return true;
}

static void copy_counts(const struct station_state *state, struct console_station *out)
{
    const struct station_counts *counts = &state->counts;
    out->received = counts->received;
    out->duplicates = counts->duplicates;
    out->accepted = counts->accepted;
    out->quarantined = counts->quarantined;
    out->stored = counts->stored;
    out->pending = ledger_pending(counts);
    out->reconstructed = counts->reconstructed;
    out->reports = counts->reports;
    out->went_back = counts->went_back;
    out->renumbered = counts->renumbered;
    memcpy(out->reasons, counts->reasons, sizeof out->reasons);
}

static void copy_clock(const struct station_state *state, struct console_clock *out)
{
    static const char *const said[] = {
        [STATION_CLOCK_SAID_UNSET] = "unset",
        [STATION_CLOCK_SAID_HELD] = "held",
        [STATION_CLOCK_SAID_SYNCED] = "synced",
    };
    const struct station_clock *clock = &state->clock;
    *out = (struct console_clock){
        .verdict = state->counts.reports == 0
                       ? NULL
                       : station_clock_name((enum station_clock_kind)clock->kind),
        .said = said[clock->said],
        .has_difference = clock->has_difference,
        .has_drift = clock->has_rate,
        .drifting = clock->drifting,
        .difference_ns = clock->difference_ns,
        .smallest_ns = station_clock_smallest(clock),
        .drift_ms_per_day = clock->drift_ms_per_day,
    };
}

/* --- what is made of readings ----------------------------------------------------------- */

static const struct told_index *newest(const struct told_index *told, size_t count)
{
    const struct told_index *found = NULL;
    for (size_t i = 0; i < count; i++) {
        if (told[i].end_ns != 0 && told[i].value != VN_AQI_NONE &&
            (found == NULL || told[i].end_ns > found->end_ns)) {
            found = &told[i];
        }
    }
    return found;
}

static struct console_index index_of(const struct pipeline *pipeline, const struct told_index *told)
{
    const struct vn_aqi_level *level = told == NULL ? NULL : vn_aqi_level(told->value);
    if (level == NULL) {
        return (struct console_index){ 0 };
    }
    return (struct console_index){
        .end_ns = told->end_ns,
        .value = told->value,
        .first = told->first,
        .corrected = told->rounds > 0,
        .dominant = phusa_catalogue_find(&pipeline->settings->catalogue,
                                         phusa_text_of(vn_aqi_name(told->dominant))),
        .level = level->id,
        .vi = level->vi,
        .en = level->en,
        .message_vi = level->message_vi,
        .message_en = level->message_en,
        .rgb = { level->rgb[0], level->rgb[1], level->rgb[2] },
    };
}

static void copy_index(const struct pipeline *pipeline, const struct index_state *index,
                       struct console_station *out)
{
    out->has_index = index != NULL;
    if (index != NULL) {
        out->hour = index_of(pipeline, newest(index->hours, INDEX_HOURS));
        out->day = index_of(pipeline, newest(index->days, INDEX_DAYS));
    }
}

static int nights_by_parameter(const void *a, const void *b)
{
    return view_by_name(((const struct console_night *)a)->parameter,
                        ((const struct console_night *)b)->parameter);
}

struct console_night view_night(const struct phusa_parameter *parameter,
                                const struct trap_night *told)
{
    static const enum console_outcome outcomes[] = { [TRAP_COUNTED] = CONSOLE_COUNTED,
                                                     [TRAP_OFF] = CONSOLE_TRAP_OFF,
                                                     [TRAP_MISSING] = CONSOLE_NIGHT_MISSING };
    return (struct console_night){ .parameter = parameter,
                                   .end_ns = told->end_ns,
                                   .outcome = outcomes[told->outcome],
                                   .count = told->count,
                                   .saturated = told->saturated,
                                   .known_minutes = (double)told->known_ns / MINUTE_NS,
                                   .lamp_minutes = (double)told->lamp_ns / MINUTE_NS,
                                   .gated_minutes = (double)told->gated_ns / MINUTE_NS,
                                   .coverage = told->coverage };
}

static bool copy_nights(const struct station_state *state, struct console_station *out)
{
    const struct station_trap *trap = &state->station->trap;
    if (!trap->given) {
        return true;
    }
    out->nights = calloc(trap->species_count, sizeof *out->nights);
    if (out->nights == NULL) {
        return false;
    }
    for (size_t i = 0; i < state->series_count; i++) {
        const struct series *series = &state->series[i];
        if (series->trap != NULL && series->trap->told.end_ns != 0) {
            out->nights[out->night_count++] = view_night(series->parameter, &series->trap->told);
        }
    }
    qsort(out->nights, out->night_count, sizeof *out->nights, nights_by_parameter);
    return true;
}

static enum severity highest_of(const struct station_state *state)
{
    enum severity highest = SEVERITY_NORMAL;
    for (int which = 0; which < MAINTENANCE_COUNT; which++) {
        enum severity severity = alarms_own_state(state->own, (enum maintenance)which);
        highest = severity > highest ? severity : highest;
    }
    for (size_t i = 0; i < state->series_count; i++) {
        for (size_t k = 0; k < state->series[i].alarm_count; k++) {
            enum severity severity = state->series[i].alarms[k].state.live.state;
            highest = severity > highest ? severity : highest;
        }
    }
    return highest;
}

static bool copy_station(const struct pipeline *pipeline, const struct station_state *state,
                         int64_t now_ns, struct console_station *out)
{
    *out = (struct console_station){ .station = state->station,
                                     .link = link_of(state, now_ns),
                                     .last_seen_ns = state->ledger.last_seen_ns };
    copy_counts(state, out);
    copy_clock(state, &out->clock);
    out->severity = highest_of(state);
    out->stuck_since_ns = state->stuck.stuck ? state->stuck.since_ns : 0;
    copy_index(pipeline, state->index, out);
    return copy_logs(state, out) && copy_readings(state, out) && copy_nights(state, out);
}

/* Alarms as they are counted, and then copied: `to` is NULL for the first. */
struct alarm_list {
    struct console_alarm *to;
    size_t count;
    int64_t now_ns;
};

static void list_alarm(struct alarm_list *list, const struct station *station,
                       const struct alarm_slot *slot)
{
    struct alarm_life life = { 0 };
    if (slot->life != NULL) {
        life = *slot->life;
    }
    (void)alarm_life_unshelves(&life, list->now_ns); /* as the next tick will find it */
    enum severity severity = slot->state.live.state;
    enum alarm_life_state state = alarm_life_state(&life, severity, slot->state.told);
    if (state == ALARM_NORMAL || (state == ALARM_SUPPRESSED && severity == SEVERITY_NORMAL)) {
        return;
    }
    if (list->to != NULL) {
        list->to[list->count] = (struct console_alarm){ .rule = slot->rule,
                                                        .station = station,
                                                        .severity = severity,
                                                        .since_ns = slot->state.live.since_ns,
                                                        .value = slot->state.value,
                                                        .life = alarm_life_name(state),
                                                        .shelved_until_ns = life.shelved_until_ns,
                                                        .flapping = life.flapping,
                                                        .told = slot->state.told };
    }
    list->count++;
}

static void list_own(struct alarm_list *list, const struct station *station,
                     struct alarm_slot *const own[MAINTENANCE_COUNT])
{
    for (int which = 0; which < MAINTENANCE_COUNT; which++) {
        if (own[which] != NULL) {
            list_alarm(list, station, own[which]);
        }
    }
}

static void list_alarms(const struct pipeline *pipeline, struct alarm_list *list)
{
    list_own(list, &pipeline->settings->maintenance.self, pipeline->own);
    for (size_t i = 0; i < pipeline->place_count; i++) {
        list_own(list, pipeline->places[i].station, pipeline->places[i].own);
    }
    for (size_t i = 0; i < pipeline->station_count; i++) {
        const struct station_state *state = &pipeline->stations[i];
        list_own(list, state->station, state->own);
        for (size_t k = 0; k < state->series_count; k++) {
            for (size_t a = 0; a < state->series[k].alarm_count; a++) {
                list_alarm(list, state->station, &state->series[k].alarms[a]);
            }
        }
    }
}

static bool copy_alarms(const struct pipeline *pipeline, int64_t now_ns, struct console_view *view)
{
    struct alarm_list list = { NULL, 0, now_ns };
    list_alarms(pipeline, &list);
    view->alarms = calloc(list.count + 1, sizeof *view->alarms);
    if (view->alarms == NULL) {
        return false;
    }
    list = (struct alarm_list){ view->alarms, 0, now_ns };
    list_alarms(pipeline, &list);
    view->alarm_count = list.count;
    qsort(view->alarms, view->alarm_count, sizeof *view->alarms, by_gravity);
    return true;
}

bool pipeline_fill_view(const struct pipeline *pipeline, int64_t now_ns, struct console_view *view)
{
    view->utc_offset_s = pipeline->settings->utc_offset_s;
    view->stations = calloc(pipeline->station_count + 1, sizeof *view->stations);
    if (view->stations == NULL) {
        return false;
    }
    for (size_t i = 0; i < pipeline->station_count; i++) {
        view->station_count = i + 1;
        if (!copy_station(pipeline, &pipeline->stations[i], now_ns, &view->stations[i])) {
            return false;
        }
    }
    qsort(view->stations, view->station_count, sizeof *view->stations, by_site);
    return copy_alarms(pipeline, now_ns, view);
}

static void free_station(struct console_station *station)
{
    for (size_t i = 0; i < station->log_count; i++) {
        free(station->logs[i].gaps);
    }
    free(station->logs);
    free(station->readings);
    free(station->nights);
}

void pipeline_view_free(struct console_view *view)
{
    for (size_t i = 0; view->stations != NULL && i < view->station_count; i++) {
        free_station(&view->stations[i]);
    }
    free(view->stations);
    free(view->alarms);
}
