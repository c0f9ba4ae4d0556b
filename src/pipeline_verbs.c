/*
 * What operators do with alarms: records of the journal, so that a replay does the same.
 *
 * JOURNAL_VERB, payload: {"do": "ack" | "comment" | "shelve" | "unshelve" | "out-of-service" |
 * "in-service", "rule": id, "station": id, "who": name, "text": why, "until": epoch seconds}. The
 * collector writes only what pipeline_check_verb allowed. What changes nothing any more when it is
 * taken is recorded all the same: somebody did it; but not a shelving whose end has passed, nor
 * what is about an alarm that is gone.
 */
#include <jansson.h>
#include <string.h>

#include "pipeline_state.h"

#define VERBS "ack, comment, shelve, unshelve, out-of-service, in-service"

struct operation {
    const char *verb, *rule, *station, *who, *text; /* live as long as the JSON */
    int64_t until_ns;
};

static int64_t until_of(const json_t *root)
{
    double seconds = json_number_value(json_object_get(root, "until"));
    return seconds > 0 && seconds < 9e9 ? (int64_t)seconds * SECOND_NS : 0;
}

static bool read_operation(const json_t *root, struct operation *operation)
{
    *operation = (struct operation){ .text = "" };
    bool good =
        json_unpack((json_t *)(uintptr_t)root, "{s:s, s:s, s:s, s:s, s?s}", "do", &operation->verb,
                    "rule", &operation->rule, "station", &operation->station, "who",
                    &operation->who, "text", &operation->text) == 0;
    operation->until_ns = until_of(root);
    return good;
}

/* What the operation is about: an alarm of the collector's own may be put out of service before it
 * was ever raised. False when there is no such alarm. */
static bool is_meant(struct pipeline *pipeline, const struct operation *operation,
                     struct alarm_about *about)
{
    struct phusa_text station = phusa_text_of(operation->station);
    int which = maintenance_find(&pipeline->settings->maintenance, operation->rule);
    return which >= 0
               ? alarms_about(pipeline, which, station, about)
               : alarms_find(pipeline, phusa_text_of(operation->rule), station, about) != NULL;
}

/* NULL when there is none, or memory is out. */
static struct alarm_slot *find_or_make(struct pipeline *pipeline, const struct operation *operation,
                                       struct alarm_about *about)
{
    int which = maintenance_find(&pipeline->settings->maintenance, operation->rule);
    if (!is_meant(pipeline, operation, about)) {
        return NULL;
    }
    return which >= 0 ? alarms_own_slot(pipeline, about->own, (enum maintenance)which)
                      : alarms_find(pipeline, phusa_text_of(operation->rule),
                                    phusa_text_of(operation->station), about);
}

static void apply(struct pipeline *pipeline, const struct operation *operation)
{
    struct alarm_about about = { 0 };
    struct alarm_slot *slot = find_or_make(pipeline, operation, &about);
    int verb = alarm_verb_find(operation->verb);
    if (slot == NULL || verb < 0 || alarms_life(slot) == NULL ||
        alarm_life_do(slot->life, (enum alarm_verb)verb, pipeline->now_ns, operation->until_ns) ==
            ALARM_VERB_REFUSED) {
        return;
    }
    struct alarm_event event = { .what = alarm_verb_name((enum alarm_verb)verb),
                                 .who = phusa_text_of(operation->who),
                                 .text = phusa_text_of(operation->text),
                                 .until_ns = verb == ALARM_SHELVE ? operation->until_ns : 0 };
    alarms_record(pipeline, &about, slot, &event);
    if (about.state != NULL) {
        flow_due(about.state, pipeline->now_ns);
    }
}

void verbs_take(struct pipeline *pipeline, const struct journal_record *record)
{
    struct operation operation;
    json_t *root = json_loadb(record->payload.data, record->payload.length, 0, NULL);
    if (root != NULL && read_operation(root, &operation)) {
        apply(pipeline, &operation);
    }
    json_decref(root);
}

static bool check_shelving(const struct pipeline *pipeline, const struct operation *operation,
                           int64_t now_ns, struct problem *problem)
{
    int64_t most = pipeline->settings->alarms.shelve_most_ns;
    if (operation->until_ns <= now_ns) {
        problem_set(problem, "a shelving needs an end in the future (\"until\", epoch seconds); an "
                             "alarm that is not wanted at all is out-of-service");
        return false;
    }
    if (operation->until_ns - now_ns > most) {
        problem_set(problem, "shelved for longer than alarms.shelve_most (%lld h)",
                    (long long)(most / (3600 * SECOND_NS)));
        return false;
    }
    return true;
}

/* Nothing but blanks says nothing. */
static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n\v\f")] == '\0';
}

static bool needs_reason(int verb)
{
    return verb == ALARM_SHELVE || verb == ALARM_REMOVE || verb == ALARM_COMMENT;
}

static bool check_operation(struct pipeline *pipeline, const struct operation *operation,
                            int64_t now_ns, struct problem *problem)
{
    struct alarm_about about = { 0 };
    int verb = alarm_verb_find(operation->verb);
    if (verb < 0) {
        problem_set(problem, "\"do\" is \"%.32s\"; one of " VERBS, operation->verb);
        return false;
    }
    if (is_blank(operation->who)) {
        problem_set(problem, "\"who\" is empty: say who does it");
        return false;
    }
    if (needs_reason(verb) && is_blank(operation->text)) {
        problem_set(problem, "\"text\" is empty: say why");
        return false;
    }
    if (!is_meant(pipeline, operation, &about)) {
        problem_set(problem, "there is no alarm of rule \"%.32s\" at \"%.32s\"", operation->rule,
                    operation->station);
        return false;
    }
    return verb != ALARM_SHELVE || check_shelving(pipeline, operation, now_ns, problem);
}

bool pipeline_check_verb(struct pipeline *pipeline, struct phusa_text payload, int64_t now_ns,
                         struct problem *problem)
{
    struct operation operation;
    json_t *root = json_loadb(payload.data, payload.length, 0, NULL);
    bool good = root != NULL && read_operation(root, &operation);
    if (!good) {
        problem_set(problem,
                    "wanted: {\"do\": ..., \"rule\": ..., \"station\": ..., \"who\": ...}, texts; "
                    "\"do\" is one of " VERBS);
    } else {
        good = check_operation(pipeline, &operation, now_ns, problem);
    }
    json_decref(root);
    return good;
}
