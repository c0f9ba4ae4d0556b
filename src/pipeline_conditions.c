/*
 * Conditions of the collector itself that only its main thread sees (collector_conditions.c): a
 * full disk, a spool that lets go, a broker that drops, trouble with the journal. They come as
 * records of the journal, so that their alarms have the life of all others, and a replay gives the
 * same.
 *
 * JOURNAL_CONDITION, payload: "<id> on <value>" or "<id> off <value>", one space between: the id of
 * the alarm in enum maintenance, and its number, of JSON's grammar. Anything else changes nothing.
 * Saying the same again is no change.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "phusa/number.h"
#include "pipeline_state.h"

static const enum maintenance kinds[] = { MAINTENANCE_DISK_FULL, MAINTENANCE_SPOOL_FULL,
                                          MAINTENANCE_BROKER_DROPS, MAINTENANCE_JOURNAL };
#define KINDS (sizeof kinds / sizeof kinds[0])

bool pipeline_is_condition(enum maintenance which)
{
    for (size_t i = 0; i < KINDS; i++) {
        if (kinds[i] == which) {
            return true;
        }
    }
    return false;
}

/* --- the record ------------------------------------------------------------------------------ */

void pipeline_condition_print(const struct rule *rule, bool is_so, double value,
                              char text[PIPELINE_CONDITION_CHARS])
{
    char number[PHUSA_DOUBLE_CHARS];
    size_t length = phusa_double_print(value, number);
    (void)snprintf(text, PIPELINE_CONDITION_CHARS, "%s %s %.*s", rule->id, is_so ? "on" : "off",
                   (int)length, number);
}

/* What stands before the next space, which is taken off, too. */
static struct phusa_text cut_word(struct phusa_text *rest)
{
    const char *space = rest->length == 0 ? NULL : memchr(rest->data, ' ', rest->length);
    struct phusa_text word = { rest->data,
                               space == NULL ? rest->length : (size_t)(space - rest->data) };
    size_t taken = word.length + (space == NULL ? 0 : 1);
    rest->data += taken;
    rest->length -= taken;
    return word;
}

/* -1 if it is none. */
static int find_kind(const struct pipeline *pipeline, struct phusa_text id)
{
    for (size_t i = 0; i < KINDS; i++) {
        if (phusa_text_equal(phusa_text_of(pipeline->settings->maintenance.rules[kinds[i]].id),
                             id)) {
            return (int)kinds[i];
        }
    }
    return -1;
}

/* Returns which one it is of, -1 if it is no condition. */
static int read_payload(const struct pipeline *pipeline, struct phusa_text payload, bool *is_so,
                        double *value)
{
    int which = find_kind(pipeline, cut_word(&payload));
    struct phusa_text state = cut_word(&payload);
    *is_so = phusa_text_equal(state, PHUSA_TEXT("on"));
    bool good = (*is_so || phusa_text_equal(state, PHUSA_TEXT("off"))) &&
                phusa_double_parse(payload.data, payload.length, value);
    return good ? which : -1;
}

/* --- its alarm ------------------------------------------------------------------------------- */

static void judge(struct pipeline *pipeline, enum maintenance which)
{
    const struct condition *condition = &pipeline->conditions[which];
    struct alarm_about about = about_collector(pipeline);
    bool enabled = pipeline->settings->maintenance.rules[which].enabled;
    const struct own_finding finding = {
        .to = condition->is_so && enabled ? maintenance_severity(which) : SEVERITY_NORMAL,
        .since_ns = condition->is_so && enabled ? condition->since_ns : pipeline->now_ns,
        .value = condition->value
    };
    alarms_set_own(pipeline, &about, which, &finding);
}

void conditions_take(struct pipeline *pipeline, const struct journal_record *record)
{
    bool is_so;
    double value;
    int which = read_payload(pipeline, record->payload, &is_so, &value);
    if (which < 0) {
        return;
    }
    struct condition *condition = &pipeline->conditions[which];
    if (is_so != condition->is_so) {
        condition->since_ns = record->time.ns;
    }
    condition->is_so = is_so;
    condition->value = value;
    judge(pipeline, (enum maintenance)which);
}

void conditions_tick(struct pipeline *pipeline)
{
    for (size_t i = 0; i < KINDS; i++) {
        judge(pipeline, kinds[i]);
    }
}

/* What still calms or holds it back at this time, so that it is not told straight either. */
static bool is_held(const struct alarm_slot *slot, int64_t now_ns)
{
    const struct alarm_life *life = slot->life;
    return life != NULL &&
           (life->out_of_service || life->shelved_until_ns > now_ns ||
            (life->flapping && now_ns - life->changed_ns < slot->rule->flapping.calm_ns));
}

struct pipeline_condition pipeline_condition(const struct pipeline *pipeline,
                                             enum maintenance which, int64_t now_ns)
{
    const struct alarm_slot *slot = pipeline->own[which];
    return (struct pipeline_condition){
        .is_so = pipeline->conditions[which].is_so,
        .told = slot != NULL && slot->state.told != SEVERITY_NORMAL,
        .held = slot != NULL && is_held(slot, now_ns),
    };
}

/* --- over a restart -------------------------------------------------------------------------- */

void conditions_save(const struct pipeline *pipeline, struct state_writer *writer)
{
    state_put(writer, KINDS);
    for (size_t i = 0; i < KINDS; i++) {
        const struct condition *condition = &pipeline->conditions[kinds[i]];
        state_put(writer, (uint64_t)kinds[i]);
        state_put_bool(writer, condition->is_so);
        state_put_signed(writer, condition->since_ns);
        state_put_double(writer, condition->value);
    }
}

bool conditions_load(struct pipeline *pipeline, struct state_reader *reader)
{
    uint64_t count = state_get_upto(reader, KINDS);
    for (uint64_t i = 0; i < count && !reader->failed; i++) {
        enum maintenance which = (enum maintenance)state_get_upto(reader, MAINTENANCE_COUNT - 1);
        struct condition condition = { .is_so = state_get_bool(reader) };
        condition.since_ns = state_get_signed(reader);
        condition.value = state_get_double(reader);
        reader->failed |=
            !pipeline_is_condition(which) || condition.since_ns < 0 || !isfinite(condition.value);
        if (!reader->failed) {
            pipeline->conditions[which] = condition;
        }
    }
    return !reader->failed;
}
