/* What operators ask for and do: between the console, the journal and the outbox. */
#include <string.h>

#include "collector_state.h"

/* --- verbs --------------------------------------------------------------------------------- */

static bool check(struct collector *collector, struct phusa_text payload, struct problem *problem)
{
    (void)pthread_mutex_lock(&collector->state_lock);
    bool good = pipeline_check_verb(collector->pipeline, payload, clock_wall(&collector->clock).ns,
                                    problem);
    (void)pthread_mutex_unlock(&collector->state_lock);
    return good;
}

/* Whoever is told that it was taken can rely on it: it is on disk. */
enum console_verb collector_verb(void *context, struct phusa_text payload, struct problem *problem)
{
    struct collector *collector = context;
    if (!check(collector, payload, problem)) {
        return CONSOLE_VERB_WRONG;
    }
    struct journal_record record = { .kind = JOURNAL_VERB,
                                     .time = clock_wall(&collector->clock),
                                     .payload = payload };
    if (journal_append(collector->raw, &record, NULL) != JOURNAL_OK ||
        journal_sync(collector->raw, NULL) != JOURNAL_OK) {
        problem_set(problem, "the journal takes no more");
        return CONSOLE_VERB_FAILED;
    }
    return CONSOLE_VERB_TAKEN;
}

/* --- what the outbox knows -------------------------------------------------------------------- */

struct event_visitor {
    bool (*visit)(void *visitor, const struct console_event *event);
    void *visitor;
};

static bool pass_event(void *context, const struct outbox_event *event)
{
    const struct event_visitor *to = context;
    struct console_event shown = { .time_ns = event->time_ns,
                                   .rule = event->rule,
                                   .site = event->site,
                                   .station = event->station,
                                   .parameter = event->parameter,
                                   .event = event->event,
                                   .life = event->life,
                                   .from = event->from,
                                   .to = event->to,
                                   .value = event->value,
                                   .historical = event->historical,
                                   .told = event->told,
                                   .who = event->who,
                                   .text = event->text,
                                   .until_ns = event->until_ns };
    return to->visit(to->visitor, &shown);
}

bool collector_events(void *context, const struct console_events_query *query,
                      bool (*visit)(void *visitor, const struct console_event *event),
                      void *visitor)
{
    struct collector *collector = context;
    struct event_visitor to = { visit, visitor };
    return outbox_each_event(collector->outbox, query->rule, query->station, query->from_ns,
                             query->to_ns, pass_event, &to);
}

struct message_visitor {
    void (*visit)(void *visitor, const struct console_message *message);
    void *visitor;
};

static const char *stage_name(enum outbox_stage stage)
{
    static const char *const names[] = { [OUTBOX_STAGE_WAITING] = "waiting",
                                         [OUTBOX_STAGE_SENT] = "sent",
                                         [OUTBOX_STAGE_GIVEN_UP] = "given up",
                                         [OUTBOX_STAGE_DROPPED] = "dropped" };
    return names[stage];
}

static void pass_message(void *context, const struct outbox_message *message)
{
    const struct message_visitor *to = context;
    char recipient[ADDRESS_MASKED_MAX] = "";
    struct console_message shown = {
        .id = message->id,
        .rule = message->rule,
        .station = message->station,
        .channel = message->channel[0] == '\0' ? "alarm topic" : message->channel,
        .recipient =
            message->recipient[0] == '\0' ? "" : subscriber_mask(message->recipient, recipient),
        .state = stage_name(message->stage),
        .problem = message->problem,
        .to = message->to,
        .time_ns = message->time_ns,
        .created_ns = message->created_ns,
        .due_ns = message->due_ns,
        .sent_ns = message->sent_ns,
        .tries = message->tries,
        .digest = message->digest
    };
    to->visit(to->visitor, &shown);
}

bool collector_messages(void *context, const struct console_messages_query *query,
                        void (*visit)(void *visitor, const struct console_message *message),
                        void *visitor)
{
    struct collector *collector = context;
    struct message_visitor to = { visit, visitor };
    struct outbox_filter filter = { .channel = query->channel,
                                    .rule = query->rule,
                                    .station = query->station,
                                    .waiting = query->waiting,
                                    .before_id = query->before_id,
                                    .most = query->most };
    return outbox_each_message(collector->outbox, &filter, pass_message, &to);
}
