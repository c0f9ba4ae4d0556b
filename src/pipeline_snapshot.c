/*
 * The pipeline's state over a restart, as numbers and texts of base/state.h, in this order:
 *
 *   version           SNAPSHOT_VERSION, or 3, which is the same without conditions; another one is
 *                     not read
 *   position          of the last record taken
 *   counters          messages, received, duplicates, accepted, quarantined, lost, went_back,
 *                     renumbered, transitions, windows told, corrections, flags by their numbers;
 *                     reasons of no known station
 *   stations          how many; each (ascending by id):
 *     id
 *     ledger          numbered, has status, online, its log, its log/boot/first/next as last told,
 *                     last seen; receipt wanted
 *     logs            how many; each (newest first): log, ended, sequence (ledger/sequence.c)
 *     counts          reports, renumbered, went_back, forgotten_closed, received, duplicates,
 *                     accepted, quarantined, marked, stored, lost, reconstructed; reasons
 *     clock           of the station (quality/station_clock.c)
 *     series          how many; each (in the order in which they began):
 *       parameter     its name
 *       sections      each begins with its number, SECTION_END is the last:
 *         SECTION_HISTORY  limit, history (ledger/history.c)
 *         SECTION_LAST     last reading: value, time, flag, derived
 *         SECTION_ALARM    rule's id, its fingerprint, an alarm; once for each rule
 *         SECTION_GATHERED enum gathered, a block (pipeline_gathered.c); once for each there is
 *         SECTION_FORGOTTEN newest time that the history forgot; without it, it is guessed
 *     gathered        a block of the station (pipeline_gathered.c)
 *     clock wrong     since when
 *     own alarms      how many; each: enum maintenance, an alarm
 *   listening         link down, since when, last record, heard from
 *   own alarms        about the collector
 *   sites             how many; each: id, own alarms
 *   conditions        how many; each: enum maintenance, is so, since when, value
 *
 * An alarm is its state (alarm/machine.c), 1 and its life (alarm/life.c) or 0, 1 and what its rate
 * is made of (alarm/rate.c) or 0.
 * Reasons are how many, and a count for each in the order of enum phusa_reason.
 *
 * What settings say is not in it, so it can be read under others: what has no place any more is
 * read and left out. What is read is not trusted: every number has its bounds, every loop
 * consumes bytes or ends at the first that cannot be read.
 */
#include <stdlib.h>
#include <string.h>

#include "pipeline_state.h"

#define SNAPSHOT_VERSION   4
#define WITHOUT_CONDITIONS 3

enum section {
    SECTION_END = 0,
    SECTION_HISTORY,
    SECTION_LAST,
    SECTION_ALARM,
    SECTION_GATHERED,
    SECTION_FORGOTTEN,
    SECTION_COUNT
};

/* --- numbers, the same way out and in ------------------------------------------------------- */

#define COUNTERS (11 + PHUSA_FLAG_MISSING + 1)
#define COUNTS   12

/* Which counters there are, in their order. */
static void list_counters(struct pipeline_counters *counters, uint64_t *list[COUNTERS])
{
    uint64_t *all[] = { &counters->messages,     &counters->received,    &counters->duplicates,
                        &counters->accepted,     &counters->quarantined, &counters->lost,
                        &counters->went_back,    &counters->renumbered,  &counters->transitions,
                        &counters->windows_told, &counters->corrections };
    size_t count = sizeof all / sizeof *all;
    memcpy(list, all, sizeof all);
    for (size_t flag = 0; count + flag < COUNTERS; flag++) {
        list[count + flag] = &counters->flagged[flag];
    }
}

static void list_counts(struct station_counts *counts, uint64_t *list[COUNTS])
{
    uint64_t *all[COUNTS] = {
        &counts->reports,  &counts->renumbered, &counts->went_back, &counts->forgotten_closed,
        &counts->received, &counts->duplicates, &counts->accepted,  &counts->quarantined,
        &counts->marked,   &counts->stored,     &counts->lost,      &counts->reconstructed
    };
    memcpy(list, all, sizeof all);
}

static void save_list(uint64_t *const *list, size_t count, struct state_writer *writer)
{
    for (size_t i = 0; i < count; i++) {
        state_put(writer, *list[i]);
    }
}

static void load_list(uint64_t *const *list, size_t count, struct state_reader *reader)
{
    for (size_t i = 0; i < count; i++) {
        *list[i] = state_get(reader);
    }
}

static void save_reasons(const uint64_t reasons[PHUSA_REASON_COUNT], struct state_writer *writer)
{
    state_put(writer, PHUSA_REASON_COUNT);
    for (int i = 0; i < PHUSA_REASON_COUNT; i++) {
        state_put(writer, reasons[i]);
    }
}

/* New reasons are put behind the others, so an older list is a shorter one. */
static void load_reasons(uint64_t reasons[PHUSA_REASON_COUNT], struct state_reader *reader)
{
    uint64_t count = state_get_upto(reader, PHUSA_REASON_COUNT);
    for (uint64_t i = 0; i < count; i++) {
        reasons[i] = state_get(reader);
    }
}

/* Receive times and times of readings are after 1970: differences of two do not overflow. */
static int64_t load_time(struct state_reader *reader)
{
    int64_t time_ns = state_get_signed(reader);
    if (time_ns < 0) {
        reader->failed = true;
        return 0;
    }
    return time_ns;
}

/* --- save ----------------------------------------------------------------------------------- */

static void save_ledger(const struct station_state *station, struct state_writer *writer)
{
    const struct station_ledger *ledger = &station->ledger;
    state_put_bool(writer, ledger->numbered);
    state_put_bool(writer, ledger->has_status);
    state_put_bool(writer, ledger->online);
    state_put(writer, ledger->status_log);
    state_put(writer, ledger->last_numbers.log);
    state_put(writer, ledger->last_numbers.boot);
    state_put(writer, ledger->last_numbers.first);
    state_put(writer, ledger->last_numbers.next);
    state_put_signed(writer, ledger->last_seen_ns);
    state_put_bool(writer, station->receipt_wanted);
    state_put(writer, ledger->log_count);
    for (size_t i = 0; i < ledger->log_count; i++) {
        state_put(writer, ledger->logs[i]->log);
        state_put_bool(writer, ledger->logs[i]->ended);
        sequence_save(&ledger->logs[i]->sequence, writer);
    }
}

/* A block goes by way of the scratch, since its length stands before it. */
static void put_block(struct state_writer *scratch, struct state_writer *writer)
{
    writer->failed |= scratch->failed;
    state_put_text(writer, (struct phusa_text){ (const char *)scratch->bytes, scratch->used });
    scratch->used = 0;
}

static void save_gathered(const struct series *series, struct state_writer *scratch,
                          struct state_writer *writer)
{
    for (int what = 0; what < GATHERED_KINDS; what++) {
        if (gathered_save(series, (enum gathered)what, scratch)) {
            state_put(writer, SECTION_GATHERED);
            state_put(writer, (uint64_t)what);
            put_block(scratch, writer);
        }
    }
}

static void save_slot(const struct alarm_slot *slot, struct state_writer *writer)
{
    alarm_save(&slot->state, writer);
    state_put_bool(writer, slot->life != NULL);
    if (slot->life != NULL) {
        alarm_life_save(slot->life, writer);
    }
    state_put_bool(writer, slot->rate != NULL);
    if (slot->rate != NULL) {
        alarm_rate_save(slot->rate, writer);
    }
}

static void save_own(struct alarm_slot *const own[MAINTENANCE_COUNT], struct state_writer *writer)
{
    uint64_t count = 0;
    for (int i = 0; i < MAINTENANCE_COUNT; i++) {
        count += own[i] != NULL ? 1 : 0;
    }
    state_put(writer, count);
    for (int i = 0; i < MAINTENANCE_COUNT; i++) {
        if (own[i] != NULL) {
            state_put(writer, (uint64_t)i);
            save_slot(own[i], writer);
        }
    }
}

static void save_series(const struct series *series, struct state_writer *scratch,
                        struct state_writer *writer)
{
    state_put_text(writer, series->parameter->name);
    state_put(writer, SECTION_HISTORY);
    state_put(writer, series->history.limit);
    history_save(&series->history, writer);
    state_put(writer, SECTION_FORGOTTEN); /* behind the history, which it belongs to */
    state_put_signed(writer, series->history.forgotten);
    if (series->has_last) {
        state_put(writer, SECTION_LAST);
        state_put_double(writer, series->last.value);
        state_put_signed(writer, series->last.time_ns);
        state_put(writer, series->last.flag);
        state_put_bool(writer, series->last.derived);
    }
    for (size_t i = 0; i < series->alarm_count; i++) {
        state_put(writer, SECTION_ALARM);
        state_put_text(writer, phusa_text_of(series->alarms[i].rule->id));
        state_put(writer, alarm_rule_fingerprint(series->alarms[i].rule));
        save_slot(&series->alarms[i], writer);
    }
    save_gathered(series, scratch, writer);
    state_put(writer, SECTION_END);
}

static void save_station(const struct station_state *station, struct state_writer *scratch,
                         struct state_writer *writer)
{
    struct station_counts counts = station->counts;
    uint64_t *list[COUNTS];
    list_counts(&counts, list);
    state_put_text(writer, phusa_text_of(station->station->id));
    save_ledger(station, writer);
    save_list(list, COUNTS, writer);
    save_reasons(counts.reasons, writer);
    station_clock_save(&station->clock, writer);
    state_put(writer, station->series_count);
    for (size_t i = 0; i < station->series_count; i++) {
        save_series(&station->series[i], scratch, writer);
    }
    gathered_save_station(station, scratch);
    put_block(scratch, writer);
    state_put_signed(writer, station->clock_wrong_ns);
    save_own(station->own, writer);
}

static void save_places(const struct pipeline *pipeline, struct state_writer *writer)
{
    const struct listening *listening = &pipeline->listening;
    state_put_bool(writer, listening->down);
    state_put_signed(writer, listening->down_ns);
    state_put_signed(writer, listening->record_ns);
    state_put_signed(writer, listening->from_ns);
    save_own(pipeline->own, writer);
    state_put(writer, pipeline->place_count);
    for (size_t i = 0; i < pipeline->place_count; i++) {
        state_put_text(writer, phusa_text_of(pipeline->places[i].station->id));
        save_own(pipeline->places[i].own, writer);
    }
}

void pipeline_save(const struct pipeline *pipeline, struct state_writer *writer)
{
    struct pipeline_counters counters = pipeline->counters;
    struct state_writer scratch = { 0 };
    uint64_t *list[COUNTERS];
    list_counters(&counters, list);
    state_put(writer, SNAPSHOT_VERSION);
    state_put(writer, pipeline->position);
    save_list(list, COUNTERS, writer);
    save_reasons(counters.unknown_reasons, writer);
    state_put(writer, pipeline->station_count);
    for (size_t i = 0; i < pipeline->station_count; i++) {
        save_station(&pipeline->stations[i], &scratch, writer);
    }
    save_places(pipeline, writer);
    conditions_save(pipeline, writer);
    state_writer_free(&scratch);
}

/* --- restore -------------------------------------------------------------------------------- */

/*
 * Each function reads all of its part, whether or not it has a place (a NULL where it would
 * go); false: what is read is damaged (reader->failed), or memory is out.
 */

static bool load_logs(struct station_ledger *ledger, struct state_reader *reader)
{
    uint64_t count = state_get_upto(reader, STATION_LOGS_MAX);
    for (uint64_t i = 0; i < count && !reader->failed; i++) {
        struct log_state *log = calloc(1, sizeof *log);
        if (log == NULL) {
            return false;
        }
        ledger->logs[ledger->log_count++] = log;
        log->log = (uint32_t)state_get_upto(reader, UINT32_MAX);
        log->ended = state_get_bool(reader);
        (void)sequence_load(&log->sequence, reader);
        for (uint64_t k = 0; k < i; k++) {
            reader->failed |= ledger->logs[k]->log == log->log;
        }
    }
    return !reader->failed;
}

static bool load_ledger(struct station_ledger *ledger, bool *receipt_wanted,
                        struct state_reader *reader)
{
    ledger->numbered = state_get_bool(reader);
    ledger->has_status = state_get_bool(reader);
    ledger->online = state_get_bool(reader);
    ledger->status_log = (uint32_t)state_get_upto(reader, UINT32_MAX);
    ledger->last_numbers.log = (uint32_t)state_get_upto(reader, UINT32_MAX);
    ledger->last_numbers.boot = (uint32_t)state_get_upto(reader, UINT32_MAX);
    ledger->last_numbers.first = state_get(reader);
    ledger->last_numbers.next = state_get(reader);
    ledger->last_seen_ns = load_time(reader);
    *receipt_wanted = state_get_bool(reader);
    return load_logs(ledger, reader);
}

static void free_logs(struct station_ledger *ledger)
{
    while (ledger->log_count > 0) {
        free(ledger->logs[--ledger->log_count]);
    }
}

static bool load_history(struct series *series, struct state_reader *reader)
{
    struct history history;
    history_init(&history, (uint32_t)state_get_upto(reader, HISTORY_FOREIGN_MAX));
    if (!history_load(&history, reader)) {
        return false;
    }
    if (series != NULL) {
        history_free(&series->history);
        series->history = history;
    } else {
        history_free(&history);
    }
    return true;
}

static bool load_forgotten(struct series *series, struct state_reader *reader)
{
    int64_t forgotten = state_get_signed(reader);
    if (series != NULL) {
        series->history.forgotten = forgotten;
    }
    return !reader->failed;
}

static bool load_last(struct series *series, struct state_reader *reader)
{
    struct latest last = { .value = state_get_double(reader) };
    last.time_ns = load_time(reader);
    last.flag = (uint8_t)state_get_upto(reader, PHUSA_FLAG_MISSING);
    last.derived = state_get_bool(reader);
    if (series != NULL) {
        series->has_last = true;
        series->last = last;
    }
    return !reader->failed;
}

static struct alarm_slot *slot_of(struct series *series, struct phusa_text rule)
{
    for (size_t i = 0; series != NULL && i < series->alarm_count; i++) {
        if (phusa_text_equal(phusa_text_of(series->alarms[i].rule->id), rule)) {
            return &series->alarms[i];
        }
    }
    return NULL;
}

/* The rule judges otherwise now: what operators did stays, as when settings change. */
static void begin_anew(struct alarm_slot *loaded)
{
    loaded->state = (struct alarm_series){ 0 };
    alarm_rate_free(loaded->rate);
    loaded->rate = NULL;
}

/* Into the slot, or nowhere when it is NULL. */
static bool load_slot(struct alarm_slot *slot, bool same, struct state_reader *reader)
{
    struct alarm_slot loaded = { 0 };
    bool good = alarm_load(&loaded.state, reader);
    if (good && state_get_bool(reader)) {
        good = alarms_life(&loaded) != NULL && alarm_life_load(loaded.life, reader);
    }
    if (good && state_get_bool(reader)) {
        loaded.rate = alarm_rate_load(reader);
        good = loaded.rate != NULL;
    }
    if (!same) {
        begin_anew(&loaded);
    }
    if (good && slot != NULL) {
        alarms_free_slot(slot);
        loaded.rule = slot->rule;
        *slot = loaded;
    } else {
        alarms_free_slot(&loaded);
    }
    return good && !reader->failed;
}

static bool load_alarm(struct series *series, struct state_reader *reader)
{
    struct alarm_slot *slot = slot_of(series, state_get_text(reader));
    uint64_t fingerprint = state_get(reader);
    bool same = slot == NULL || alarm_rule_fingerprint(slot->rule) == fingerprint;
    return load_slot(slot, same, reader);
}

/* own is NULL when it has no place. */
static bool load_own(const struct pipeline *pipeline, struct alarm_slot **own,
                     struct state_reader *reader)
{
    uint64_t count = state_get_upto(reader, MAINTENANCE_COUNT);
    for (uint64_t i = 0; i < count && !reader->failed; i++) {
        enum maintenance which = (enum maintenance)state_get_upto(reader, MAINTENANCE_COUNT - 1);
        struct alarm_slot *slot = own == NULL ? NULL : alarms_own_slot(pipeline, own, which);
        if ((own != NULL && slot == NULL) || !load_slot(slot, true, reader)) {
            return false;
        }
    }
    return !reader->failed;
}

static struct state_reader get_block(struct state_reader *reader)
{
    struct phusa_text block = state_get_text(reader);
    return state_reader_of(block.data, block.length);
}

static bool load_gathered(const struct pipeline *pipeline, const struct station_state *station,
                          struct series *series, struct state_reader *reader)
{
    enum gathered what = (enum gathered)state_get_upto(reader, GATHERED_KINDS - 1);
    struct state_reader block = get_block(reader);
    if (reader->failed || series == NULL) {
        return !reader->failed;
    }
    reader->failed |= (series->restored_gathered >> what & 1) != 0;
    series->restored_gathered |= (uint8_t)(1u << what);
    if (reader->failed) {
        return false;
    }
    bool good = gathered_load(pipeline, station, series, what, &block);
    reader->failed |= block.failed;
    return good;
}

/* The series a name stands for; *series is NULL when it has no place. */
static bool begin_series(struct pipeline *pipeline, struct station_state *station,
                         struct state_reader *reader, struct series **series)
{
    struct phusa_text name = state_get_text(reader);
    const struct phusa_parameter *parameter =
        phusa_catalogue_find(&pipeline->settings->catalogue, name);
    *series = NULL;
    if (reader->failed || station == NULL || parameter == NULL) {
        return !reader->failed;
    }
    *series = state_series(pipeline, station, parameter);
    if (*series == NULL) {
        return false;
    }
    reader->failed |= (*series)->restored;
    (*series)->restored = true;
    return !reader->failed;
}

static bool load_series(struct pipeline *pipeline, struct station_state *station,
                        struct state_reader *reader)
{
    struct series *series;
    bool good = begin_series(pipeline, station, reader, &series);
    while (good) {
        switch ((enum section)state_get_upto(reader, SECTION_COUNT - 1)) {
        case SECTION_HISTORY:
            good = load_history(series, reader);
            break;
        case SECTION_FORGOTTEN:
            good = load_forgotten(series, reader);
            break;
        case SECTION_LAST:
            good = load_last(series, reader);
            break;
        case SECTION_ALARM:
            good = load_alarm(series, reader);
            break;
        case SECTION_GATHERED:
            good = load_gathered(pipeline, station, series, reader);
            break;
        case SECTION_END:
        case SECTION_COUNT:
            return !reader->failed;
        }
    }
    return false;
}

static bool load_all_series(struct pipeline *pipeline, struct station_state *station,
                            struct state_reader *reader)
{
    uint64_t count = state_get_upto(reader, PHUSA_PARAMETERS_MAX);
    bool good = !reader->failed;
    for (uint64_t i = 0; i < count && good; i++) {
        good = load_series(pipeline, station, reader);
    }
    return good;
}

/* Ids ascend, so none stands there twice. */
static bool ascends(struct phusa_text before, struct phusa_text id)
{
    size_t common = before.length < id.length ? before.length : id.length;
    int order = common == 0 ? 0 : memcmp(before.data, id.data, common);
    return order != 0 ? order < 0 : before.length < id.length;
}

static bool load_station(struct pipeline *pipeline, struct phusa_text *before,
                         struct state_reader *reader)
{
    struct phusa_text id = state_get_text(reader);
    struct station_state *station = state_find(pipeline, id), nowhere = { 0 };
    struct station_state *to = station != NULL ? station : &nowhere;
    uint64_t *list[COUNTS];
    bool receipt_wanted = false;
    reader->failed |= !ascends(*before, id);
    *before = id;
    list_counts(&to->counts, list);
    bool good = !reader->failed && load_ledger(&to->ledger, &receipt_wanted, reader);
    if (good) {
        load_list(list, COUNTS, reader);
        load_reasons(to->counts.reasons, reader);
        (void)station_clock_load(&to->clock, reader);
        good = load_all_series(pipeline, station, reader);
    }
    if (good) {
        struct state_reader block = get_block(reader);
        gathered_load_station(to, &block);
        reader->failed |= block.failed;
        to->clock_wrong_ns = load_time(reader);
        good = !reader->failed && load_own(pipeline, station == NULL ? NULL : to->own, reader);
    }
    if (good && station != NULL) {
        ledger_enlist(pipeline, station, receipt_wanted);
    }
    free_logs(&nowhere.ledger);
    return good;
}

static bool load_places(struct pipeline *pipeline, struct state_reader *reader)
{
    struct listening *listening = &pipeline->listening;
    listening->down = state_get_bool(reader);
    listening->down_ns = load_time(reader);
    listening->record_ns = load_time(reader);
    listening->from_ns = load_time(reader);
    bool good = load_own(pipeline, pipeline->own, reader);
    uint64_t count = good ? state_get_upto(reader, STATIONS_MAX) : 0;
    for (uint64_t i = 0; i < count && good; i++) {
        struct alarm_about about;
        struct phusa_text id = state_get_text(reader);
        bool known = alarms_about(pipeline, MAINTENANCE_SITE_SILENT, id, &about);
        good = load_own(pipeline, known ? about.own : NULL, reader);
    }
    return good && !reader->failed;
}

/* 0 if it is none that can be read. */
static uint64_t read_version(struct state_reader *reader)
{
    uint64_t version = state_get(reader);
    return version == SNAPSHOT_VERSION || version == WITHOUT_CONDITIONS ? version : 0;
}

enum pipeline_restored pipeline_restore(struct pipeline *pipeline, struct state_reader *reader)
{
    uint64_t *list[COUNTERS];
    struct phusa_text before = { "", 0 };
    uint64_t version = read_version(reader);
    if (version == 0) {
        return PIPELINE_DAMAGED;
    }
    list_counters(&pipeline->counters, list);
    pipeline->position = state_get(reader);
    load_list(list, COUNTERS, reader);
    load_reasons(pipeline->counters.unknown_reasons, reader);
    uint64_t count = state_get_upto(reader, STATIONS_MAX);
    for (uint64_t i = 0; i < count; i++) {
        if (!load_station(pipeline, &before, reader)) {
            return reader->failed ? PIPELINE_DAMAGED : PIPELINE_NO_MEMORY;
        }
    }
    if (!load_places(pipeline, reader) && !reader->failed) {
        return PIPELINE_NO_MEMORY;
    }
    if (version > WITHOUT_CONDITIONS) {
        (void)conditions_load(pipeline, reader);
    }
    return reader->failed || reader->at != reader->end ? PIPELINE_DAMAGED : PIPELINE_RESTORED;
}

uint64_t pipeline_saved_position(struct state_reader *reader)
{
    reader->failed |= read_version(reader) == 0;
    uint64_t position = state_get(reader);
    return reader->failed ? 0 : position;
}
