/*
 * From numbers to alarms: rules judge (alarm/machine.h, rate.h, silence.h), and what they find is
 * told unless something holds it back: the alarm's life (alarm/life.h), another alarm that
 * explains it (inhibited_by), or its schedule.
 *
 * What is held back is not forgotten: at each live reading the state is compared with the one
 * that people know, so the first one after the hold tells it.
 */
#include <stdlib.h>
#include <string.h>

#include "alarm/schedule.h"
#include "pipeline_state.h"

/* --- what alarms are about ------------------------------------------------------------ */

struct alarm_about about_station(struct station_state *state)
{
    return (struct alarm_about){
        .station = state->station, .state = state, .place = state->place, .own = state->own
    };
}

struct alarm_about about_place(struct place *place)
{
    return (struct alarm_about){ .station = place->station, .place = place, .own = place->own };
}

struct alarm_about about_collector(struct pipeline *pipeline)
{
    return (struct alarm_about){ .station = &pipeline->settings->maintenance.self,
                                 .own = pipeline->own };
}

struct alarm_life *alarms_life(struct alarm_slot *slot)
{
    if (slot->life == NULL) {
        slot->life = calloc(1, sizeof *slot->life);
    }
    return slot->life;
}

void alarms_free_slot(struct alarm_slot *slot)
{
    free(slot->life);
    alarm_rate_free(slot->rate);
    slot->life = NULL;
    slot->rate = NULL;
}

void alarms_free_own(struct alarm_slot *own[MAINTENANCE_COUNT])
{
    for (int i = 0; i < MAINTENANCE_COUNT; i++) {
        if (own[i] != NULL) {
            alarms_free_slot(own[i]);
            free(own[i]);
            own[i] = NULL;
        }
    }
}

static struct alarm_slot *find_slot(struct station_state *state, struct phusa_text rule)
{
    for (size_t i = 0; i < state->series_count; i++) {
        for (size_t k = 0; k < state->series[i].alarm_count; k++) {
            struct alarm_slot *slot = &state->series[i].alarms[k];
            if (phusa_text_equal(phusa_text_of(slot->rule->id), rule)) {
                return slot;
            }
        }
    }
    return NULL;
}

static bool about_station_of(struct pipeline *pipeline, struct phusa_text id,
                             struct alarm_about *about)
{
    struct station_state *state = state_find(pipeline, id);
    if (state != NULL) {
        *about = about_station(state);
    }
    return state != NULL;
}

static bool about_place_of(struct pipeline *pipeline, struct phusa_text id,
                           struct alarm_about *about)
{
    for (size_t i = 0; i < pipeline->place_count; i++) {
        if (phusa_text_equal(phusa_text_of(pipeline->places[i].station->id), id)) {
            *about = about_place(&pipeline->places[i]);
            return true;
        }
    }
    return false;
}

bool alarms_about(struct pipeline *pipeline, int which, struct phusa_text id,
                  struct alarm_about *about)
{
    switch (which) {
    case MAINTENANCE_SITE_SILENT:
        return about_place_of(pipeline, id, about);
    case MAINTENANCE_LINK_DOWN:
    case MAINTENANCE_DISK_FULL:
    case MAINTENANCE_SPOOL_FULL:
    case MAINTENANCE_BROKER_DROPS:
    case MAINTENANCE_JOURNAL:
        *about = about_collector(pipeline);
        return phusa_text_equal(phusa_text_of(about->station->id), id);
    default: /* rules, and what the collector finds of stations */
        return about_station_of(pipeline, id, about);
    }
}

static int find_maintenance(const struct pipeline *pipeline, struct phusa_text rule)
{
    char id[PHUSA_ID_MAX + 1];
    if (rule.length >= sizeof id) {
        return -1;
    }
    memcpy(id, rule.data, rule.length);
    id[rule.length] = '\0';
    return maintenance_find(&pipeline->settings->maintenance, id);
}

struct alarm_slot *alarms_find(struct pipeline *pipeline, struct phusa_text rule,
                               struct phusa_text station, struct alarm_about *about)
{
    int which = find_maintenance(pipeline, rule);
    if (!alarms_about(pipeline, which, station, about)) {
        return NULL;
    }
    return which >= 0 ? about->own[which] : find_slot(about->state, rule);
}

/* --- telling ---------------------------------------------------------------------------- */

static void tell(struct pipeline *pipeline, const struct notice *notice)
{
    pipeline->counters.transitions += notice->transition ? 1 : 0;
    if (pipeline->sink.notice != NULL) {
        pipeline->sink.notice(pipeline->sink.context, notice);
    }
}

static const char *life_name(const struct alarm_slot *slot)
{
    static const struct alarm_life plain = { 0 };
    const struct alarm_life *life = slot->life == NULL ? &plain : slot->life;
    return alarm_life_name(alarm_life_state(life, slot->state.live.state, slot->state.told));
}

static void tell_change(struct pipeline *pipeline, const struct alarm_about *about,
                        const struct alarm_slot *slot, const struct alarm_change *change,
                        bool flapping)
{
    struct notice notice = { .rule = slot->rule,
                             .station = about->station,
                             .from = change->from,
                             .to = change->to,
                             .time_ns = change->time_ns,
                             .since_ns = change->since_ns,
                             .value = change->value,
                             .historical = change->historical,
                             .transition = change->transition,
                             .tell = change->tell,
                             .position = pipeline->taking,
                             .life = life_name(slot),
                             .flapping = flapping };
    tell(pipeline, &notice);
}

void alarms_record(struct pipeline *pipeline, const struct alarm_about *about,
                   struct alarm_slot *slot, const struct alarm_event *event)
{
    struct notice notice = { .rule = slot->rule,
                             .station = about->station,
                             .from = slot->state.live.state,
                             .to = slot->state.live.state,
                             .time_ns = pipeline->now_ns,
                             .since_ns = slot->state.live.since_ns,
                             .value = slot->state.value,
                             .tell = event->tell,
                             .position = pipeline->taking,
                             .life = life_name(slot),
                             .escalated = event->escalated,
                             .event = event->what,
                             .who = event->who,
                             .text = event->text,
                             .until_ns = event->until_ns };
    tell(pipeline, &notice);
}

static void record(struct pipeline *pipeline, const struct alarm_about *about,
                   struct alarm_slot *slot, const char *what)
{
    struct alarm_event event = { .what = what };
    alarms_record(pipeline, about, slot, &event);
}

/* --- what holds it back ----------------------------------------------------------------- */

enum severity alarms_own_state(struct alarm_slot *const *own, enum maintenance which)
{
    return own[which] == NULL ? SEVERITY_NORMAL : own[which]->state.live.state;
}

/* The state of one of the collector's own alarms as far as it concerns a station. */
static enum severity own_state_for(const struct pipeline *pipeline, const struct alarm_about *about,
                                   enum maintenance which)
{
    if (which == MAINTENANCE_LINK_DOWN || pipeline_is_condition(which)) {
        return alarms_own_state(pipeline->own, which);
    }
    if (which == MAINTENANCE_SITE_SILENT) {
        return about->place == NULL ? SEVERITY_NORMAL : alarms_own_state(about->place->own, which);
    }
    return alarms_own_state(about->own, which);
}

static bool is_inhibited(const struct pipeline *pipeline, const struct alarm_about *about,
                         const struct rule *rule)
{
    for (size_t i = 0; i < rule->inhibit_count; i++) {
        struct phusa_text id = phusa_text_of(rule->inhibited_by[i]);
        int which = find_maintenance(pipeline, id);
        const struct alarm_slot *other =
            which >= 0 || about->state == NULL ? NULL : find_slot(about->state, id);
        if ((which >= 0 &&
             own_state_for(pipeline, about, (enum maintenance)which) != SEVERITY_NORMAL) ||
            (other != NULL && other->state.live.state != SEVERITY_NORMAL)) {
            return true;
        }
    }
    return false;
}

static void note_due(const struct alarm_about *about, const struct alarm_slot *slot)
{
    const struct alarm_life *life = slot->life;
    if (about->state == NULL || life == NULL) {
        return;
    }
    flow_due(about->state,
             alarm_life_escalation_ns(life, &slot->rule->escalation, slot->state.live.state));
    if (life->shelved_until_ns != 0) {
        flow_due(about->state, life->shelved_until_ns);
    }
}

static void suppress(struct pipeline *pipeline, const struct alarm_about *about,
                     struct alarm_slot *slot, int64_t time_ns)
{
    const struct rule *rule = slot->rule;
    bool now = is_inhibited(pipeline, about, rule) ||
               !alarm_schedule_holds(&rule->schedule, time_ns, pipeline->settings->utc_offset_s);
    bool before = slot->life != NULL && slot->life->suppressed;
    if (now != before && alarms_life(slot) != NULL) {
        slot->life->suppressed = now;
        record(pipeline, about, slot, now ? "suppressed" : "released");
        note_due(about, slot);
    }
}

/* What of its life goes on at a live reading, whatever the reading says. */
static void live_on(struct pipeline *pipeline, const struct alarm_about *about,
                    struct alarm_slot *slot, int64_t time_ns)
{
    if (slot->life == NULL) {
        return;
    }
    if (alarm_life_calms(slot->life, &slot->rule->flapping, time_ns)) {
        record(pipeline, about, slot, "calm");
    }
    if (slot->life->suppressed) {
        suppress(pipeline, about, slot, time_ns);
    }
}

/* --- a change ------------------------------------------------------------------------------ */

/* A warning is not lost for want of memory: without a life it is told. */
static enum alarm_telling ask_life(struct pipeline *pipeline, struct alarm_slot *slot,
                                   const struct alarm_change *change)
{
    struct alarm_life *life = alarms_life(slot);
    return life == NULL ? ALARM_TELL
                        : alarm_life_tell(life, &slot->rule->flapping, slot->state.told, change->to,
                                          change->time_ns, pipeline->now_ns);
}

void alarms_settle(struct pipeline *pipeline, const struct alarm_about *about,
                   struct alarm_slot *slot, struct alarm_change *change)
{
    bool flaps = false;
    if (slot->life != NULL && change->transition && !change->historical) {
        alarm_life_changed(slot->life, change->time_ns);
    }
    if (change->tell) {
        live_on(pipeline, about, slot, change->time_ns);
        suppress(pipeline, about, slot, change->time_ns);
        enum alarm_telling telling = ask_life(pipeline, slot, change);
        change->tell = telling != ALARM_HOLD;
        flaps = telling == ALARM_TELL_FLAPPING;
    }
    if (change->tell) {
        alarm_told(&slot->state);
    }
    note_due(about, slot);
    if (change->tell || change->transition) {
        tell_change(pipeline, about, slot, change, flaps);
    }
    if (flaps) {
        slot->life->changed_ns = change->time_ns;
        record(pipeline, about, slot, "flapping");
    }
}

/* --- rules judge --------------------------------------------------------------------------- */

/* The last windows of a rule's time close later than it ends. */
static void note_end(const struct pipeline *pipeline, struct station_state *station,
                     const struct rule *rule)
{
    int64_t lateness = pipeline->settings->windows.lateness_ns;
    if (rule->until_ns != 0 && rule->until_ns < INT64_MAX - lateness) {
        flow_due(station, rule->until_ns + lateness);
    }
}

/* The number that the rule judges; false when there is none (yet). */
static bool take_number(struct alarm_slot *slot, const struct judgement *judgement, double *value)
{
    *value = judgement->value;
    if (slot->rule->subject != RULE_RATE) {
        return true;
    }
    if (slot->rate == NULL) {
        slot->rate = alarm_rate_create();
    }
    return slot->rate != NULL &&
           alarm_rate_take(slot->rate, slot->rule, judgement->time_ns, judgement->value, value);
}

void flow_judge(struct pipeline *pipeline, struct station_state *station, struct alarm_slot *slot,
                const struct judgement *judgement)
{
    const struct rule *rule = slot->rule;
    struct alarm_reading reading = { .time_ns = judgement->time_ns,
                                     .live = alarm_is_live(rule, station->station->every_ns, 0,
                                                           judgement->late_ns),
                                     .every_ns = judgement->every_ns };
    if (judgement->covers_ns < rule->from_ns || rule_is_over(rule, judgement->covers_ns) ||
        !take_number(slot, judgement, &reading.value)) {
        return;
    }
    note_end(pipeline, station, rule);
    struct alarm_about about = about_station(station);
    struct alarm_change changes[ALARM_CHANGES_MAX];
    size_t count = alarm_judge(rule, &slot->state, &reading, changes);
    for (size_t k = 0; k < count; k++) {
        alarms_settle(pipeline, &about, slot, &changes[k]);
    }
    if (count == 0 && reading.live && reading.time_ns == slot->state.live.last_ns) {
        live_on(pipeline, &about, slot, reading.time_ns);
    }
}

void alarms_decide(struct pipeline *pipeline, struct station_state *station,
                   const struct accepted *accepted)
{
    struct series *series = &station->series[accepted->series];
    struct judgement judgement = { .time_ns = accepted->time_ns,
                                   .covers_ns = accepted->time_ns,
                                   .every_ns = station->station->every_ns,
                                   .late_ns = pipeline->now_ns - accepted->time_ns,
                                   .value = accepted->value };
    for (size_t i = 0; i < series->alarm_count; i++) {
        struct alarm_slot *slot = &series->alarms[i];
        if (slot->rule->window.given || (slot->rule->accept & (1u << accepted->flag)) == 0) {
            continue;
        }
        if (slot->rule->subject == RULE_MISSING) {
            silence_take(pipeline, station, slot, accepted->time_ns);
        } else {
            flow_judge(pipeline, station, slot, &judgement);
        }
    }
}

/* --- time passes ---------------------------------------------------------------------------- */

static void tick_life(struct pipeline *pipeline, const struct alarm_about *about,
                      struct alarm_slot *slot)
{
    if (slot->life == NULL) {
        return;
    }
    if (alarm_life_unshelves(slot->life, pipeline->now_ns)) {
        record(pipeline, about, slot, "unshelve");
    }
    if (pipeline->now_ns >=
        alarm_life_escalation_ns(slot->life, &slot->rule->escalation, slot->state.live.state)) {
        suppress(pipeline, about, slot, pipeline->now_ns); /* explained since it was raised? */
    }
    if (alarm_life_escalates(slot->life, &slot->rule->escalation, slot->state.live.state,
                             pipeline->now_ns)) {
        struct alarm_event event = { .what = "escalated", .tell = true, .escalated = true };
        alarms_record(pipeline, about, slot, &event);
    }
    note_due(about, slot);
}

void alarms_tick_own(struct pipeline *pipeline, const struct alarm_about *about)
{
    for (int i = 0; i < MAINTENANCE_COUNT; i++) {
        if (about->own[i] != NULL) {
            tick_life(pipeline, about, about->own[i]);
        }
    }
}

static void tick_rule(struct pipeline *pipeline, struct station_state *station,
                      struct alarm_slot *slot)
{
    struct alarm_about about = about_station(station);
    const struct rule *rule = slot->rule;
    if (rule_is_over(rule, pipeline->now_ns - pipeline->settings->windows.lateness_ns)) {
        pipeline->counters.transitions += slot->state.live.state != SEVERITY_NORMAL ? 1 : 0;
        flow_end_alarm(pipeline, &about, slot, rule->until_ns);
        return;
    }
    note_end(pipeline, station, rule);
    if (rule->subject == RULE_MISSING) {
        silence_tick_rule(pipeline, station, slot);
    }
    tick_life(pipeline, &about, slot);
}

void alarms_tick(struct pipeline *pipeline, struct station_state *station)
{
    struct alarm_about about = about_station(station);
    for (size_t i = 0; i < station->series_count; i++) {
        for (size_t k = 0; k < station->series[i].alarm_count; k++) {
            tick_rule(pipeline, station, &station->series[i].alarms[k]);
        }
    }
    alarms_tick_own(pipeline, &about);
}

/* --- the end of one -------------------------------------------------------------------------- */

void flow_end_alarm(struct pipeline *pipeline, const struct alarm_about *about,
                    struct alarm_slot *slot, int64_t at_ns)
{
    const struct alarm_series *state = &slot->state;
    bool told = state->told != SEVERITY_NORMAL, active = state->live.state != SEVERITY_NORMAL;
    if ((told || active) && pipeline->sink.notice != NULL) {
        struct notice notice = { .rule = slot->rule,
                                 .station = about->station,
                                 .from = told ? state->told : state->live.state,
                                 .to = SEVERITY_NORMAL,
                                 .time_ns = at_ns,
                                 .since_ns = at_ns,
                                 .value = state->value,
                                 .transition = active,
                                 .tell = told,
                                 .position = pipeline->taking > pipeline->position
                                                 ? pipeline->taking
                                                 : pipeline->position,
                                 .life = alarm_life_name(ALARM_NORMAL) };
        pipeline->sink.notice(pipeline->sink.context, &notice);
    }
    slot->state = (struct alarm_series){ 0 };
}

/* --- the collector's own ---------------------------------------------------------------------- */

struct alarm_slot *alarms_own_slot(const struct pipeline *pipeline, struct alarm_slot **own,
                                   enum maintenance which)
{
    if (own[which] == NULL) {
        own[which] = calloc(1, sizeof *own[which]);
    }
    if (own[which] != NULL) {
        own[which]->rule = &pipeline->settings->maintenance.rules[which];
    }
    return own[which];
}

static bool is_plain(const struct alarm_slot *slot)
{
    return slot == NULL || (slot->life == NULL && slot->state.live.state == SEVERITY_NORMAL &&
                            slot->state.told == SEVERITY_NORMAL);
}

void alarms_set_own(struct pipeline *pipeline, const struct alarm_about *about,
                    enum maintenance which, const struct own_finding *finding)
{
    if (finding->to == SEVERITY_NORMAL && is_plain(about->own[which])) {
        return;
    }
    struct alarm_slot *slot = alarms_own_slot(pipeline, about->own, which);
    if (slot == NULL) {
        return; /* out of memory: the next tick tries again */
    }
    struct alarm_series *state = &slot->state;
    enum severity from = state->live.state;
    bool changed = from != finding->to;
    if (changed) {
        state->live.state = finding->to;
        state->live.since_ns = finding->since_ns;
    }
    state->value = finding->value;
    struct alarm_change change = { .from = changed ? from : state->told,
                                   .to = finding->to,
                                   .time_ns = pipeline->now_ns,
                                   .since_ns = state->live.since_ns,
                                   .value = finding->value,
                                   .transition = changed,
                                   .tell = finding->to != state->told };
    if (changed || change.tell) {
        alarms_settle(pipeline, about, slot, &change);
    } else {
        live_on(pipeline, about, slot, pipeline->now_ns);
    }
}
