/*
 * Silence is a finding: stations of the registry that were never heard, went quiet, stand still or
 * have a wrong clock; sites of which most stations are silent at once; the link to the broker
 * itself; and rules with `missing`. All from the records of the journal: its ticks pass the time,
 * its link records say whether anybody could have been heard.
 *
 * While the link is down nobody is silent, and after it came up (or the collector did, or was
 * held up for LISTENING_GAP_NS, or its clock was set) stations have alarms.link_grace to be heard
 * again. An alarm ends only when the station is heard, that of a site when enough of it is.
 */
#include <stdlib.h>
#include <string.h>

#include "alarm/silence.h"
#include "pipeline_state.h"

#define MINUTE_NS        (60 * SECOND_NS)
#define LISTENING_GAP_NS (5 * MINUTE_NS)  /* between two records: there are ticks each minute */
#define LINK_DOWN_NS     (2 * MINUTE_NS)  /* a link that is down so long is an alarm */
#define CLOCK_WRONG_NS   (60 * MINUTE_NS) /* and a clock that is wrong so long */
#define PLACE_LEAST      3                /* stations of a site that can be silent together */

/* --- places --------------------------------------------------------------------------------- */

static int by_site(const void *key, const void *element)
{
    const struct place *place = element;
    return strcmp(key, place->station->site);
}

bool places_open(struct pipeline *pipeline)
{
    const struct registry *registry = &pipeline->settings->registry;
    pipeline->places = calloc(registry->site_count + 1, sizeof *pipeline->places);
    if (pipeline->places == NULL) {
        return false;
    }
    pipeline->place_count = registry->site_count;
    for (size_t i = 0; i < pipeline->place_count; i++) {
        pipeline->places[i].station = &registry->sites[i];
    }
    for (size_t i = 0; i < pipeline->station_count && pipeline->place_count > 0; i++) {
        struct station_state *state = &pipeline->stations[i];
        state->place = bsearch(state->station->site, pipeline->places, pipeline->place_count,
                               sizeof *pipeline->places, by_site);
        if (state->place != NULL) {
            state->place->count++;
        }
    }
    return true;
}

/* --- listening ------------------------------------------------------------------------------- */

static void begin_listening(struct pipeline *pipeline, int64_t now_ns)
{
    pipeline->listening.from_ns = now_ns + pipeline->settings->alarms.link_grace_ns;
}

static void note_link(struct listening *listening, const struct journal_record *record)
{
    bool down = phusa_text_equal(record->payload, PHUSA_TEXT("down"));
    if (down && !listening->down) {
        listening->down_ns = record->time.ns;
    }
    listening->down = down;
}

void silence_note(struct pipeline *pipeline, const struct journal_record *record)
{
    struct listening *listening = &pipeline->listening;
    bool was_down = listening->down;
    if (record->kind == JOURNAL_LINK) {
        note_link(listening, record);
    }
    if (listening->record_ns == 0 || was_down != listening->down ||
        llabs(record->time.ns - listening->record_ns) > LISTENING_GAP_NS) {
        begin_listening(pipeline, record->time.ns);
    }
    listening->record_ns = record->time.ns;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* --- one station ---------------------------------------------------------------------------- */

static int64_t quiet_after_ns(const struct pipeline *pipeline, const struct station *station)
{
    const struct maintenance_settings *maintenance = &pipeline->settings->maintenance;
    return later((int64_t)(maintenance->quiet_every * (double)station->every_ns),
                 maintenance->quiet_least_ns);
}

/* Nobody could say more than how long nothing has come while one listened. */
static int64_t silent_ns(const struct pipeline *pipeline, const struct station_state *state)
{
    return pipeline->listening.down
               ? 0
               : pipeline->now_ns - later(state->ledger.last_seen_ns, pipeline->listening.from_ns);
}

static bool is_on(const struct station_state *state, enum maintenance which)
{
    return alarms_own_state(state->own, which) != SEVERITY_NORMAL;
}

static bool is_never_seen(const struct pipeline *pipeline, const struct station_state *state)
{
    return state->ledger.last_seen_ns == 0 &&
           (is_on(state, MAINTENANCE_NEVER_SEEN) ||
            silent_ns(pipeline, state) >= quiet_after_ns(pipeline, state->station));
}

static bool is_quiet(const struct pipeline *pipeline, const struct station_state *state)
{
    int64_t after = quiet_after_ns(pipeline, state->station);
    return state->ledger.last_seen_ns != 0 &&
           ((is_on(state, MAINTENANCE_QUIET) &&
             pipeline->now_ns - state->ledger.last_seen_ns >= after) ||
            silent_ns(pipeline, state) >= after);
}

/* since_ns is of no meaning unless it is so. */
static void set(struct pipeline *pipeline, const struct alarm_about *about, enum maintenance which,
                bool is_so, int64_t since_ns)
{
    int64_t whole_s = is_so ? (pipeline->now_ns - since_ns) / SECOND_NS : 0;
    const struct own_finding finding = {
        .to = is_so && pipeline->settings->maintenance.rules[which].enabled
                  ? maintenance_severity(which)
                  : SEVERITY_NORMAL,
        .since_ns = is_so ? since_ns : pipeline->now_ns,
        .value = (double)whole_s
    };
    alarms_set_own(pipeline, about, which, &finding);
}

static bool clock_is_wrong(const struct station_clock *clock)
{
    switch ((enum station_clock_kind)clock->kind) {
    case STATION_CLOCK_UNSET:
    case STATION_CLOCK_FUTURE:
    case STATION_CLOCK_BEHIND:
    case STATION_CLOCK_DATED:
        return true;
    case STATION_CLOCK_GOOD:
    case STATION_CLOCK_AHEAD:
    case STATION_CLOCK_ARRIVAL:
    case STATION_CLOCK_KINDS:
        break;
    }
    return false;
}

static void judge_clock(struct pipeline *pipeline, struct station_state *state,
                        const struct alarm_about *about)
{
    if (!clock_is_wrong(&state->clock)) {
        state->clock_wrong_ns = 0;
    } else if (state->clock_wrong_ns == 0) {
        state->clock_wrong_ns = pipeline->now_ns;
    }
    bool wrong =
        state->clock_wrong_ns != 0 && pipeline->now_ns - state->clock_wrong_ns >= CLOCK_WRONG_NS;
    set(pipeline, about, MAINTENANCE_CLOCK_WRONG, wrong, state->clock_wrong_ns);
}

static void judge_station(struct pipeline *pipeline, struct station_state *state)
{
    struct alarm_about about = about_station(state);
    int64_t missed = is_on(state, MAINTENANCE_NEVER_SEEN)
                         ? state->own[MAINTENANCE_NEVER_SEEN]->state.live.since_ns
                         : pipeline->listening.from_ns;
    set(pipeline, &about, MAINTENANCE_NEVER_SEEN, is_never_seen(pipeline, state), missed);
    set(pipeline, &about, MAINTENANCE_QUIET, is_quiet(pipeline, state), state->ledger.last_seen_ns);
    set(pipeline, &about, MAINTENANCE_FLAT, state->stuck.stuck, state->stuck.since_ns);
    judge_clock(pipeline, state, &about);
}

/* --- a site --------------------------------------------------------------------------------- */

/* A station that is half way to being silent would be told next: it counts as well, so that a site
 * that falls silent is told before its stations are. Once it was, whoever was not heard since
 * counts, whether or not one was listening: a link that fails does not end it. */
static bool is_overdue(const struct pipeline *pipeline, const struct station_state *state)
{
    int64_t half = quiet_after_ns(pipeline, state->station) / 2;
    bool on = alarms_own_state(state->place->own, MAINTENANCE_SITE_SILENT) != SEVERITY_NORMAL;
    return silent_ns(pipeline, state) >= half ||
           (on && pipeline->now_ns - state->ledger.last_seen_ns >= half);
}

static void count_silent(struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->place_count; i++) {
        pipeline->places[i].silent = pipeline->places[i].overdue = 0;
    }
    for (size_t i = 0; i < pipeline->station_count && pipeline->place_count > 0; i++) {
        const struct station_state *state = &pipeline->stations[i];
        bool silent = is_never_seen(pipeline, state) || is_quiet(pipeline, state);
        state->place->silent += silent ? 1 : 0;
        state->place->overdue += silent || is_overdue(pipeline, state) ? 1 : 0;
    }
}

static void judge_place(struct pipeline *pipeline, struct place *place)
{
    struct alarm_about about = about_place(place);
    double share = pipeline->settings->alarms.site_share * (double)place->count;
    bool on = alarms_own_state(place->own, MAINTENANCE_SITE_SILENT) != SEVERITY_NORMAL;
    bool most = place->count >= PLACE_LEAST && (double)place->overdue > share;
    bool silent = most && (on || place->silent > 0);
    bool enabled = pipeline->settings->maintenance.rules[MAINTENANCE_SITE_SILENT].enabled;
    const struct own_finding finding = { .to = silent && enabled
                                                   ? maintenance_severity(MAINTENANCE_SITE_SILENT)
                                                   : SEVERITY_NORMAL,
                                         .since_ns = pipeline->now_ns,
                                         .value = (double)place->silent };
    alarms_set_own(pipeline, &about, MAINTENANCE_SITE_SILENT, &finding);
}

void silence_tick(struct pipeline *pipeline)
{
    struct alarm_about collector = about_collector(pipeline);
    const struct listening *listening = &pipeline->listening;
    bool down = listening->down && pipeline->now_ns - listening->down_ns >= LINK_DOWN_NS;
    set(pipeline, &collector, MAINTENANCE_LINK_DOWN, down, listening->down_ns);
    alarms_tick_own(pipeline, &collector);
    count_silent(pipeline);
    for (size_t i = 0; i < pipeline->place_count; i++) {
        struct alarm_about about = about_place(&pipeline->places[i]);
        judge_place(pipeline, &pipeline->places[i]);
        alarms_tick_own(pipeline, &about);
    }
    for (size_t i = 0; i < pipeline->station_count; i++) {
        judge_station(pipeline, &pipeline->stations[i]);
    }
}

/* --- rules with `missing` ------------------------------------------------------------------- */

/* A rule that is not in force does not miss anything. */
static struct alarm_silence silence_of(const struct pipeline *pipeline,
                                       const struct station_state *station, const struct rule *rule,
                                       int64_t until_ns)
{
    return (struct alarm_silence){ .from_ns = later(pipeline->listening.from_ns, rule->from_ns),
                                   .every_ns = station->station->every_ns,
                                   .until_ns =
                                       rule_is_over(rule, until_ns) ? rule->until_ns : until_ns,
                                   .now_ns = pipeline->now_ns };
}

/* Without a journal (a CSV of the past) nobody knows who should have been heard from the start. */
static bool can_be_missed(const struct pipeline *pipeline, const struct alarm_slot *slot)
{
    return slot->state.live.any ||
           (pipeline->listening.record_ns != 0 && !pipeline->listening.down);
}

static void judge_silence(struct pipeline *pipeline, struct station_state *station,
                          struct alarm_slot *slot, const struct alarm_silence *silence)
{
    struct alarm_about about = about_station(station);
    struct alarm_change change;
    while (can_be_missed(pipeline, slot) && !pipeline->listening.down &&
           alarm_silence_next(slot->rule, &slot->state, silence, &change)) {
        alarms_settle(pipeline, &about, slot, &change);
    }
}

void silence_take(struct pipeline *pipeline, struct station_state *station, struct alarm_slot *slot,
                  int64_t time_ns)
{
    struct alarm_about about = about_station(station);
    struct alarm_silence silence = silence_of(pipeline, station, slot->rule, time_ns);
    struct alarm_change change;
    if (rule_is_over(slot->rule, time_ns)) {
        return;
    }
    if (!slot->state.live.any || time_ns > slot->state.live.last_ns) {
        judge_silence(pipeline, station, slot, &silence);
    }
    if (alarm_silence_ends(slot->rule, &slot->state, &silence, time_ns, &change)) {
        alarms_settle(pipeline, &about, slot, &change);
    }
    flow_due(station, alarm_silence_due(slot->rule, &slot->state, &silence));
}

/* As long as people do not know the state, each tick asks whether it may be told. */
static void tell_silence(struct pipeline *pipeline, struct station_state *station,
                         struct alarm_slot *slot, const struct alarm_silence *silence)
{
    struct alarm_about about = about_station(station);
    struct alarm_change change;
    if (!pipeline->listening.down && alarm_silence_lasts(&slot->state, silence, &change)) {
        alarms_settle(pipeline, &about, slot, &change);
    }
    if (slot->state.told != slot->state.live.state) {
        flow_due(station, pipeline->now_ns);
    }
}

void silence_tick_rule(struct pipeline *pipeline, struct station_state *station,
                       struct alarm_slot *slot)
{
    struct alarm_silence silence = silence_of(pipeline, station, slot->rule, pipeline->now_ns);
    judge_silence(pipeline, station, slot, &silence);
    tell_silence(pipeline, station, slot, &silence);
    flow_due(station, alarm_silence_due(slot->rule, &slot->state, &silence));
}

static bool is_missed(const struct station *station, const struct rule *rule)
{
    return rule->subject == RULE_MISSING && rule_concerns(rule, station) &&
           station_lists(station, rule->parameter);
}

bool silence_open(struct pipeline *pipeline, struct station_state *station)
{
    const struct rulebook *book = &pipeline->settings->rulebook;
    for (size_t i = 0; i < book->count; i++) {
        if (is_missed(station->station, &book->rules[i]) &&
            state_series(pipeline, station, book->rules[i].parameter) == NULL) {
            return false;
        }
    }
    return true;
}
