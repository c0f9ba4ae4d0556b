/* Building, finding and moving what the pipeline remembers. */
#include "pipeline_state.h"

#include <stdlib.h>
#include <string.h>

#include "phusa/crc32c.h"

#define WEEK_NS          (INT64_C(7) * 24 * 3600 * SECOND_NS)
#define NO_STATION       UINT32_MAX
#define EXPECTED_MAX     32  /* series brought into the cache beforehand */
#define CACHE_LINE       64  /* bytes; a wrong guess only costs time */
#define WINDOWS_EXPECTED 128 /* bytes at the head of a series of windows */
#define FRESH_EXPECTED   384 /* and of one of tests */

/* --- rules by parameter ------------------------------------------------------------ */

static size_t parameter_index(const struct settings *settings,
                              const struct phusa_parameter *parameter)
{
    return (size_t)(parameter - settings->catalogue.parameters);
}

/* Counting sort: rules_of[p] .. rules_of[p + 1] are the rules of parameter p, in their order. */
static bool index_rules(struct pipeline *pipeline)
{
    const struct settings *settings = pipeline->settings;
    size_t parameters = settings->catalogue.count;
    pipeline->rules = calloc(settings->rulebook.count + 1, sizeof(const struct rule *));
    pipeline->rules_of = calloc(parameters + 2, sizeof *pipeline->rules_of);
    if (pipeline->rules == NULL || pipeline->rules_of == NULL) {
        return false;
    }
    for (size_t i = 0; i < settings->rulebook.count; i++) {
        pipeline->rules_of[parameter_index(settings, settings->rulebook.rules[i].parameter) + 1]++;
    }
    for (size_t p = 1; p <= parameters; p++) {
        pipeline->rules_of[p] += pipeline->rules_of[p - 1];
    }
    size_t *fill = calloc(parameters + 1, sizeof *fill);
    if (fill == NULL) {
        return false;
    }
    for (size_t i = 0; i < settings->rulebook.count; i++) {
        const struct rule *rule = &settings->rulebook.rules[i];
        size_t p = parameter_index(settings, rule->parameter);
        pipeline->rules[pipeline->rules_of[p] + fill[p]++] = rule;
    }
    free(fill);
    return true;
}

static bool bind_rules(const struct pipeline *pipeline, const struct station *station,
                       struct series *series)
{
    size_t p = parameter_index(pipeline->settings, series->parameter);
    size_t begin = pipeline->rules_of[p], end = pipeline->rules_of[p + 1];
    size_t count = 0;
    for (size_t i = begin; i < end; i++) {
        count += rule_concerns(pipeline->rules[i], station) ? 1 : 0;
    }
    series->alarms = NULL;
    series->alarm_count = 0;
    if (count == 0) {
        return true;
    }
    series->alarms = calloc(count, sizeof *series->alarms);
    if (series->alarms == NULL) {
        return false;
    }
    for (size_t i = begin; i < end; i++) {
        if (rule_concerns(pipeline->rules[i], station)) {
            series->alarms[series->alarm_count++].rule = pipeline->rules[i];
        }
    }
    return true;
}

/* --- stations ------------------------------------------------------------------------ */

static bool add_tag(char *head, size_t *used, const char *key, const char *value)
{
    if (*used + 2 >= HEAD_BYTES_MAX) {
        return false;
    }
    head[(*used)++] = ',';
    size_t written = line_escape_tag(phusa_text_of(key), head + *used, HEAD_BYTES_MAX - *used);
    *used += written;
    if (written == 0 || *used + 2 >= HEAD_BYTES_MAX) {
        return false;
    }
    head[(*used)++] = '=';
    written = line_escape_tag(phusa_text_of(value), head + *used, HEAD_BYTES_MAX - *used);
    *used += written;
    return written > 0;
}

/* Measurement and tags never change while settings stand, so they are escaped once. */
static bool make_head(struct station_state *state)
{
    char head[HEAD_BYTES_MAX];
    const struct station *station = state->station;
    size_t used = line_escape_measurement(phusa_text_of(station->kind), head, sizeof head);
    state->head_tags = used;
    bool good = used > 0 && add_tag(head, &used, "site", station->site) &&
                add_tag(head, &used, "station", station->id);
    state->head_ids = used;
    for (size_t i = 0; good && i < station->tag_count; i++) {
        good = add_tag(head, &used, station->tags[i].key, station->tags[i].value);
    }
    char *copy = good ? malloc(used) : NULL;
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, head, used);
    state->head = (struct phusa_text){ copy, used };
    return true;
}

static bool init_station(struct pipeline *pipeline, struct station_state *state,
                         const struct station *station)
{
    state->station = station;
    state->base_name_length = strlen(station->id) + 1;
    memcpy(state->base_name, station->id, state->base_name_length - 1);
    state->base_name[state->base_name_length - 1] = ':';
    state->site_length = strlen(station->site);
    memcpy(state->site, station->site, state->site_length);
    size_t parameters = pipeline->settings->catalogue.count;
    state->series_of = malloc((parameters + 1) * sizeof *state->series_of);
    if (state->series_of == NULL || !make_head(state)) {
        return false;
    }
    memset(state->series_of, 0xFF, (parameters + 1) * sizeof *state->series_of);
    memset(state->hints, 0xFF, sizeof state->hints);
    windows_open_station(pipeline, state);
    return index_open(pipeline, state) && traps_open(pipeline, state) &&
           silence_open(pipeline, state);
}

static void free_series(struct series *series)
{
    history_free(&series->history);
    for (size_t i = 0; i < series->alarm_count; i++) {
        alarms_free_slot(&series->alarms[i]);
    }
    free(series->alarms);
    quality_close(series);
    windows_close(series);
    traps_close(series);
}

static void free_station(struct station_state *state)
{
    for (size_t i = 0; i < state->series_count; i++) {
        free_series(&state->series[i]);
    }
    for (size_t i = 0; i < state->ledger.log_count; i++) {
        free(state->ledger.logs[i]);
    }
    alarms_free_own(state->own);
    free(state->index);
    free(state->series);
    free(state->series_of);
    free((char *)(uintptr_t)state->head.data);
}

/* --- finding them ---------------------------------------------------------------------- */

static struct phusa_text id_of(const struct station_state *state)
{
    return (struct phusa_text){ state->base_name, state->base_name_length - 1 };
}

/* The slot that holds the station, or else the free one where it belongs. There is always one. */
static size_t slot_of(const struct pipeline *pipeline, struct phusa_text id)
{
    size_t mask = pipeline->slot_count - 1;
    size_t at = phusa_crc32c(0, id.data, id.length) & mask;
    while (pipeline->slots[at] != NO_STATION &&
           !phusa_text_equal(id, id_of(&pipeline->stations[pipeline->slots[at]]))) {
        at = (at + 1) & mask;
    }
    return at;
}

/* At most half of the slots are taken. */
static bool index_stations(struct pipeline *pipeline)
{
    pipeline->slot_count = 2;
    while (pipeline->slot_count < 2 * pipeline->station_count) {
        pipeline->slot_count *= 2;
    }
    pipeline->slots = malloc(pipeline->slot_count * sizeof *pipeline->slots);
    if (pipeline->slots == NULL) {
        return false;
    }
    memset(pipeline->slots, 0xFF, pipeline->slot_count * sizeof *pipeline->slots);
    for (size_t i = 0; i < pipeline->station_count; i++) {
        pipeline->slots[slot_of(pipeline, id_of(&pipeline->stations[i]))] = (uint32_t)i;
    }
    return true;
}

struct station_state *state_find(struct pipeline *pipeline, struct phusa_text id)
{
    uint32_t found = pipeline->slots[slot_of(pipeline, id)];
    return found == NO_STATION ? NULL : &pipeline->stations[found];
}

static void expect(const void *object, size_t bytes)
{
    for (size_t at = 0; object != NULL && at < bytes; at += CACHE_LINE) {
        __builtin_prefetch((const char *)object + at);
    }
}

static size_t expected_series(const struct station_state *station)
{
    return station->series_count < EXPECTED_MAX ? station->series_count : EXPECTED_MAX;
}

void state_expect_report(const struct station_state *station)
{
    expect(&station->counts, sizeof station->counts);
    expect(station->head.data, station->head.length);
    if (station->ledger.log_count > 0) {
        expect(station->ledger.logs[0], offsetof(struct log_state, sequence.runs));
    }
    expect(station->series, expected_series(station) * sizeof *station->series);
}

void state_expect_readings(const struct station_state *station)
{
    for (size_t i = 0; i < expected_series(station); i++) {
        history_expect(&station->series[i].history);
        expect(station->series[i].quality, sizeof *station->series[i].quality);
        expect(station->series[i].fresh, FRESH_EXPECTED);
        expect(station->series[i].windows, WINDOWS_EXPECTED);
    }
}

void state_expect_past(const struct station_state *station, const struct accepted *accepted)
{
    const struct series *series = &station->series[accepted->series];
    if (series->fresh != NULL) {
        qartod_expect(series->fresh);
    }
    if (series->windows != NULL) {
        window_expect(series->windows, accepted->time_ns);
    }
}

/* --- all of it --------------------------------------------------------------------------- */

bool pipeline_build(struct pipeline *pipeline, const struct settings *settings)
{
    pipeline->settings = settings;
    derive_open(pipeline);
    pipeline->station_count = 0;
    pipeline->wanting_count = 0;
    pipeline->watched_count = 0;
    pipeline->rules = NULL; /* those of other settings are not ours to free */
    pipeline->rules_of = NULL;
    pipeline->slots = NULL;
    pipeline->places = NULL;
    pipeline->place_count = 0;
    memset(pipeline->own, 0, sizeof pipeline->own);
    pipeline->stations = calloc(settings->registry.count + 1, sizeof *pipeline->stations);
    pipeline->wanting = calloc(settings->registry.count + 1, sizeof *pipeline->wanting);
    pipeline->watched = calloc(settings->registry.count + 1, sizeof *pipeline->watched);
    if (pipeline->stations == NULL || pipeline->wanting == NULL || pipeline->watched == NULL ||
        !index_rules(pipeline)) {
        return false;
    }
    for (size_t i = 0; i < settings->registry.count; i++) {
        pipeline->station_count = i + 1;
        if (!init_station(pipeline, &pipeline->stations[i], &settings->registry.stations[i])) {
            return false;
        }
    }
    return index_stations(pipeline) && places_open(pipeline);
}

void pipeline_clear(struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->station_count; i++) {
        free_station(&pipeline->stations[i]);
    }
    for (size_t i = 0; i < pipeline->place_count; i++) {
        alarms_free_own(pipeline->places[i].own);
    }
    alarms_free_own(pipeline->own);
    free(pipeline->places);
    free(pipeline->stations);
    free(pipeline->slots);
    free(pipeline->wanting);
    free(pipeline->watched);
    free(pipeline->rules);
    free(pipeline->rules_of);
    pipeline->station_count = 0;
    pipeline->place_count = 0;
    pipeline->places = NULL;
    pipeline->stations = NULL;
    pipeline->slots = NULL;
    pipeline->wanting = NULL;
    pipeline->watched = NULL;
    pipeline->rules = NULL;
    pipeline->rules_of = NULL;
}

/* --- series ------------------------------------------------------------------------------ */

static bool room_for_series(struct station_state *station)
{
    if (station->series_count < station->series_capacity) {
        return true;
    }
    size_t capacity = station->series_capacity == 0 ? 8 : station->series_capacity * 2;
    struct series *series = realloc(station->series, capacity * sizeof *series);
    if (series == NULL) {
        return false;
    }
    station->series = series;
    station->series_capacity = capacity;
    return true;
}

/*
 * Numbered reports are recognised by their number; of others 7 days are remembered (contract), and
 * never fewer than a broker may deliver again at once, however slow the station is meant to be.
 */
static uint32_t history_limit(const struct station_state *station)
{
    if (station->ledger.numbered) {
        return HISTORY_NUMBERED;
    }
    int64_t week = WEEK_NS / station->station->every_ns;
    if (week < HISTORY_FOREIGN_LEAST) {
        return HISTORY_FOREIGN_LEAST;
    }
    return week > HISTORY_FOREIGN_MAX ? HISTORY_FOREIGN_MAX : (uint32_t)week;
}

struct series *state_series(struct pipeline *pipeline, struct station_state *station,
                            const struct phusa_parameter *parameter)
{
    size_t p = parameter_index(pipeline->settings, parameter);
    if (station->series_of[p] != NO_SERIES) {
        return &station->series[station->series_of[p]];
    }
    if (!room_for_series(station)) {
        return NULL;
    }
    struct series *series = &station->series[station->series_count];
    *series = (struct series){ .parameter = parameter };
    if (!bind_rules(pipeline, station->station, series) ||
        !quality_open(pipeline, station, series) || !windows_open(pipeline, station, series)) {
        free_series(series);
        return NULL;
    }
    history_init(&series->history, history_limit(station));
    station->series_of[p] = (uint16_t)station->series_count++;
    return series;
}
