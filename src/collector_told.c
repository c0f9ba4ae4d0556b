/*
 * What people know. The past was taken again with the rules of today, which may have changed while
 * the collector was away. What people were really told of stands in the outbox; where the state is
 * another now, the next live reading tells it, and an alarm whose rule or station is gone is ended.
 */
#include <stdlib.h>
#include <string.h>

#include "collector_state.h"

#define ORPHANS_MAX 256 /* ended at once; further ones in the next round */

struct recall {
    struct collector *collector;
    size_t count;
    struct outbox_told *orphans; /* ORPHANS_MAX */
    bool more;
};

static void visit_told(void *context, const struct outbox_told *told)
{
    struct recall *recall = context;
    struct collector *collector = recall->collector;
    if (conditions_is_one(collector, told) ||
        pipeline_set_told(collector->pipeline, told->rule, told->station, told->parameter,
                          told->severity) ||
        told->severity == SEVERITY_NORMAL) {
        return;
    }
    recall->more = recall->more || recall->count == ORPHANS_MAX;
    if (recall->count < ORPHANS_MAX) {
        recall->orphans[recall->count++] = *told;
    }
}

/* Nobody would ever say anything of it again: all channels are told, and its topic is emptied. */
static bool end_orphan(struct collector *collector, const struct settings *settings,
                       const struct outbox_told *told)
{
    const struct phusa_parameter *known =
        phusa_catalogue_find(&settings->catalogue, phusa_text_of(told->parameter));
    struct phusa_parameter unknown = { .name = phusa_text_of(told->parameter),
                                       .label_vi = told->parameter,
                                       .label_en = told->parameter,
                                       .resolution = 0.01 };
    struct rule rule = { .id = told->rule,
                         .kind = "",
                         .parameter = known != NULL ? known : &unknown,
                         .from_ns = INT64_MIN,
                         .until_ns = INT64_MAX,
                         .message_vi = "quy tắc hoặc trạm này không còn trong cấu hình",
                         .message_en = "this rule or station is no longer configured" };
    for (; rule.channel_count < settings->channel_count && rule.channel_count < RULE_CHANNELS_MAX;
         rule.channel_count++) {
        rule.channels[rule.channel_count] = rule.channel_count;
    }
    struct station gone = {
        .id = told->station, .site = told->site, .kind = "", .name = told->station
    };
    wall_time now = clock_wall(&collector->clock);
    struct notice notice = { .rule = &rule,
                             .station = &gone,
                             .from = told->severity,
                             .to = SEVERITY_NORMAL,
                             .time_ns = now.ns,
                             .since_ns = now.ns,
                             .value = told->value,
                             .transition = true,
                             .tell = true };
    log_warning("alarm %s of %s ends: its rule or station is no longer configured", told->rule,
                told->station);
    return outbox_commit(collector->outbox, &notice, 1, settings, 0, clock_real(), NULL) ==
           OUTBOX_OK;
}

void told_recall(struct collector *collector)
{
    struct recall recall = { .collector = collector };
    recall.orphans = calloc(ORPHANS_MAX, sizeof *recall.orphans);
    collector->told_doubtful = recall.orphans == NULL;
    if (recall.orphans == NULL) {
        return; /* in the next round */
    }
    (void)pthread_mutex_lock(&collector->state_lock);
    pipeline_forget_told(collector->pipeline);
    bool whole = outbox_each_told(collector->outbox, visit_told, &recall);
    (void)pthread_mutex_unlock(&collector->state_lock);
    if (!whole) {
        log_error("the outbox cannot be read: alarms may be told again");
    }
    for (size_t i = 0; i < recall.count; i++) {
        recall.more |= !end_orphan(collector, collector->current->settings, &recall.orphans[i]);
    }
    collector->told_doubtful = recall.more;
    free(recall.orphans);
    notifier_wake(collector->notifier);
}
