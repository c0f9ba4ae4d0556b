/* What operators ask for and do: between the console, the journal and the outbox. */
#include <stdio.h>
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
    static const char *const names[] = {
        [OUTBOX_STAGE_WAITING] = "waiting",     [OUTBOX_STAGE_SENT] = "sent",
        [OUTBOX_STAGE_GIVEN_UP] = "given up",   [OUTBOX_STAGE_DROPPED] = "dropped",
        [OUTBOX_STAGE_DELIVERED] = "delivered", [OUTBOX_STAGE_FAILED] = "failed"
    };
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
        .report = message->report,
        .awaited = message->awaited,
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

/* --- what gateways report ------------------------------------------------------------------- */

/* The channel of that id that asks for reports; NULL if there is none. */
static const struct channel_settings *reporting_channel(const struct settings *settings,
                                                        const char *id)
{
    for (size_t i = 0; i < settings->channel_count; i++) {
        const struct channel_settings *channel = &settings->channels[i];
        if (strcmp(channel->id, id) == 0) {
            return channel_reports(channel) ? channel : NULL;
        }
    }
    return NULL;
}

static enum console_delivered delivered_of(enum outbox_reported reported)
{
    static const enum console_delivered said[] = {
        [OUTBOX_REPORT_UNPROVEN] = CONSOLE_DELIVERY_FORGED,
        [OUTBOX_REPORT_UNCHANGED] = CONSOLE_DELIVERY_UNCHANGED,
        [OUTBOX_REPORT_NOTED] = CONSOLE_DELIVERY_NOTED,
        [OUTBOX_REPORT_DELIVERED] = CONSOLE_DELIVERY_DONE,
        [OUTBOX_REPORT_AGAIN] = CONSOLE_DELIVERY_AGAIN,
        [OUTBOX_REPORT_FAILED] = CONSOLE_DELIVERY_FAILED,
        [OUTBOX_REPORT_LOST] = CONSOLE_DELIVERY_LOST,
    };
    return said[reported];
}

enum console_delivered collector_delivery(void *context, const struct console_delivery *report)
{
    struct collector *collector = context;
    struct shared_settings *shared = shared_settings_current(collector);
    const struct outbox_report taken = { report->key, report->proof, report->state };
    struct problem problem = { "" };
    enum outbox_reported reported =
        outbox_take_report(collector->outbox, reporting_channel(shared->settings, report->channel),
                           &taken, clock_real(), &problem);
    shared_settings_drop(shared);
    if (reported == OUTBOX_REPORT_LOST) {
        log_error("a delivery report is not taken: %s", problem.text);
    }
    if (reported == OUTBOX_REPORT_AGAIN || reported == OUTBOX_REPORT_DELIVERED) {
        notifier_wake(collector->notifier);
    }
    return delivered_of(reported);
}

/* Those of one channel that asks for reports. */
static void fill_reports(struct collector *collector, const struct channel_settings *channel,
                         const struct outbox_reports *counted, size_t count,
                         struct console_reports *reports)
{
    int64_t within_ns = channel->report_done_count > 0 ? channel->report_within_ns : 0;
    *reports = (struct console_reports){ .channel = "" };
    (void)snprintf(reports->channel, sizeof reports->channel, "%s", channel->id);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(counted[i].channel, channel->id) == 0) {
            reports->delivered = counted[i].delivered;
            reports->failed_later = counted[i].failed;
            reports->noted = counted[i].noted;
        }
    }
    if (within_ns > 0) {
        (void)outbox_count_overdue(collector->outbox, channel->id, clock_real().ns - within_ns,
                                   &reports->overdue);
    }
}

void collector_fill_reports(struct collector *collector, const struct settings *settings,
                            struct console_view *view)
{
    struct outbox_reports counted[CHANNELS_MAX];
    size_t count = outbox_read_reports(collector->outbox, counted);
    view->report_count = 0;
    for (size_t i = 0; i < settings->channel_count; i++) {
        if (channel_reports(&settings->channels[i])) {
            fill_reports(collector, &settings->channels[i], counted, count,
                         &view->reports[view->report_count++]);
        }
    }
}
