#include "alarm/life.h"

#include <string.h>

static const char *const state_names[] = {
    [ALARM_NORMAL] = "NORM",          [ALARM_UNACKED] = "UNACK", [ALARM_ACKED] = "ACKED",
    [ALARM_RETURNED] = "RTNUN",       [ALARM_SHELVED] = "SHLVD", [ALARM_SUPPRESSED] = "DSUPR",
    [ALARM_OUT_OF_SERVICE] = "OOSRV",
};

static const char *const verb_names[ALARM_VERBS] = {
    [ALARM_ACK] = "ack",
    [ALARM_COMMENT] = "comment",
    [ALARM_SHELVE] = "shelve",
    [ALARM_UNSHELVE] = "unshelve",
    [ALARM_REMOVE] = "out-of-service",
    [ALARM_RESTORE] = "in-service",
};

const char *alarm_life_name(enum alarm_life_state state)
{
    return state_names[state];
}

const char *alarm_verb_name(enum alarm_verb verb)
{
    return verb_names[verb];
}

int alarm_verb_find(const char *name)
{
    for (int i = 0; i < ALARM_VERBS; i++) {
        if (strcmp(verb_names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

enum alarm_life_state alarm_life_state(const struct alarm_life *life, enum severity severity,
                                       enum severity told)
{
    bool unacknowledged = life->unacknowledged || severity > told;
    if (life->out_of_service) {
        return ALARM_OUT_OF_SERVICE;
    }
    if (life->shelved_until_ns != 0) {
        return ALARM_SHELVED;
    }
    if (life->suppressed) {
        return ALARM_SUPPRESSED;
    }
    if (severity == SEVERITY_NORMAL) {
        return unacknowledged ? ALARM_RETURNED : ALARM_NORMAL;
    }
    return unacknowledged ? ALARM_UNACKED : ALARM_ACKED;
}

bool alarm_life_held(const struct alarm_life *life)
{
    return life->out_of_service || life->shelved_until_ns != 0 || life->suppressed;
}

/* --- chattering ----------------------------------------------------------------------------- */

void alarm_life_changed(struct alarm_life *life, int64_t time_ns)
{
    life->changed_ns = time_ns;
}

static void forget_tellings(struct alarm_life *life, int64_t before_ns)
{
    while (life->count > 0 && life->tellings[life->oldest] <= before_ns) {
        life->oldest = (uint8_t)((life->oldest + 1) % RULE_FLAPPING_MAX);
        life->count--;
    }
}

/* True if it has been told so often that it flaps. */
static bool note_telling(struct alarm_life *life, const struct rule_flapping *flapping,
                         int64_t time_ns)
{
    forget_tellings(life, time_ns - flapping->within_ns);
    if (life->count == RULE_FLAPPING_MAX) {
        life->oldest = (uint8_t)((life->oldest + 1) % RULE_FLAPPING_MAX);
        life->count--;
    }
    life->tellings[(life->oldest + life->count) % RULE_FLAPPING_MAX] = time_ns;
    life->count++;
    return flapping->changes > 0 && life->count >= flapping->changes;
}

bool alarm_life_calms(struct alarm_life *life, const struct rule_flapping *flapping,
                      int64_t time_ns)
{
    if (!life->flapping || time_ns - life->changed_ns < flapping->calm_ns) {
        return false;
    }
    life->flapping = false;
    life->count = 0;
    life->loudest = SEVERITY_NORMAL;
    return true;
}

/* --- telling -------------------------------------------------------------------------------- */

/* While it flaps only what is graver than anything told of it since is told. */
static bool is_drowned(const struct alarm_life *life, enum severity to)
{
    return life->flapping && to <= life->loudest;
}

static void note_raise(struct alarm_life *life, enum severity from, enum severity to,
                       int64_t now_ns)
{
    if (to > from) {
        life->unacknowledged = true;
        life->escalated = false;
        life->raised_ns = now_ns;
    }
}

enum alarm_telling alarm_life_tell(struct alarm_life *life, const struct rule_flapping *flapping,
                                   enum severity from, enum severity to, int64_t time_ns,
                                   int64_t now_ns)
{
    if (alarm_life_held(life) || is_drowned(life, to)) {
        return ALARM_HOLD;
    }
    note_raise(life, from, to, now_ns);
    if (life->flapping) {
        life->loudest = to;
        return ALARM_TELL;
    }
    if (!note_telling(life, flapping, time_ns)) {
        return ALARM_TELL;
    }
    life->flapping = true;
    life->loudest = from > to ? from : to;
    return ALARM_TELL_FLAPPING;
}

/* --- escalation ----------------------------------------------------------------------------- */

int64_t alarm_life_escalation_ns(const struct alarm_life *life,
                                 const struct rule_escalation *escalation, enum severity severity)
{
    bool waits = escalation->after_ns > 0 && life->unacknowledged && !life->escalated &&
                 severity != SEVERITY_NORMAL && severity >= escalation->from &&
                 !alarm_life_held(life);
    return waits && life->raised_ns < INT64_MAX - escalation->after_ns
               ? life->raised_ns + escalation->after_ns
               : INT64_MAX;
}

bool alarm_life_escalates(struct alarm_life *life, const struct rule_escalation *escalation,
                          enum severity severity, int64_t now_ns)
{
    if (now_ns < alarm_life_escalation_ns(life, escalation, severity)) {
        return false;
    }
    life->escalated = true;
    return true;
}

/* --- what operators do ---------------------------------------------------------------------- */

static enum alarm_verb_result turn(bool *what, bool on)
{
    if (*what == on) {
        return ALARM_VERB_IDLE;
    }
    *what = on;
    return ALARM_VERB_DONE;
}

static enum alarm_verb_result shelve(struct alarm_life *life, int64_t now_ns, int64_t until_ns)
{
    if (until_ns <= now_ns) {
        return ALARM_VERB_REFUSED;
    }
    life->shelved_until_ns = until_ns;
    return ALARM_VERB_DONE;
}

static enum alarm_verb_result unshelve(struct alarm_life *life)
{
    bool was = life->shelved_until_ns != 0;
    life->shelved_until_ns = 0;
    return was ? ALARM_VERB_DONE : ALARM_VERB_IDLE;
}

enum alarm_verb_result alarm_life_do(struct alarm_life *life, enum alarm_verb verb, int64_t now_ns,
                                     int64_t until_ns)
{
    switch (verb) {
    case ALARM_ACK:
        return turn(&life->unacknowledged, false);
    case ALARM_SHELVE:
        return shelve(life, now_ns, until_ns);
    case ALARM_UNSHELVE:
        return unshelve(life);
    case ALARM_REMOVE:
        return turn(&life->out_of_service, true);
    case ALARM_RESTORE:
        return turn(&life->out_of_service, false);
    case ALARM_COMMENT:
    case ALARM_VERBS:
        break;
    }
    return ALARM_VERB_DONE;
}

bool alarm_life_unshelves(struct alarm_life *life, int64_t now_ns)
{
    bool over = life->shelved_until_ns != 0 && life->shelved_until_ns <= now_ns;
    if (over) {
        life->shelved_until_ns = 0;
    }
    return over;
}

/* --- kept over a restart -------------------------------------------------------------------- */

void alarm_life_save(const struct alarm_life *life, struct state_writer *writer)
{
    state_put_bool(writer, life->unacknowledged);
    state_put_bool(writer, life->out_of_service);
    state_put_bool(writer, life->suppressed);
    state_put_bool(writer, life->escalated);
    state_put_signed(writer, life->shelved_until_ns);
    state_put_signed(writer, life->raised_ns);
    state_put_bool(writer, life->flapping);
    state_put(writer, life->loudest);
    state_put_signed(writer, life->changed_ns);
    state_put(writer, life->count);
    for (size_t i = 0; i < life->count; i++) {
        state_put_signed(writer, life->tellings[(life->oldest + i) % RULE_FLAPPING_MAX]);
    }
}

/* Times are after 1970, so that differences of two do not overflow. */
static int64_t load_time(struct state_reader *reader)
{
    int64_t time_ns = state_get_signed(reader);
    reader->failed = reader->failed || time_ns < 0;
    return reader->failed ? 0 : time_ns;
}

bool alarm_life_load(struct alarm_life *life, struct state_reader *reader)
{
    *life = (struct alarm_life){ 0 };
    life->unacknowledged = state_get_bool(reader);
    life->out_of_service = state_get_bool(reader);
    life->suppressed = state_get_bool(reader);
    life->escalated = state_get_bool(reader);
    life->shelved_until_ns = load_time(reader);
    life->raised_ns = load_time(reader);
    life->flapping = state_get_bool(reader);
    life->loudest = (enum severity)state_get_upto(reader, SEVERITY_EXTREME);
    life->changed_ns = load_time(reader);
    life->count = (uint8_t)state_get_upto(reader, RULE_FLAPPING_MAX);
    for (size_t i = 0; i < life->count; i++) {
        life->tellings[i] = load_time(reader);
    }
    if (reader->failed) {
        *life = (struct alarm_life){ 0 };
    }
    return !reader->failed;
}
