/*
 * The alarms of the collector about itself that its main thread sees: pipeline_is_condition.
 *
 * A state (the disk is full) is so as long as it lasts; an event (readings went lost, the broker
 * dropped messages, damage was found) counts as "so" for EVENT_NS after the last one.
 *
 * Each change is a record of the journal, and the pipeline makes an alarm of it, with the life of
 * all others, which the flow tells. Where that does not come about, because the journal takes
 * nothing, or the flow or the outbox is stuck on a full disk, people are told straight: by the
 * outbox, and when that takes nothing, urgently by the channels. A journal that takes records again
 * gets what is still so, or its end.
 *
 * Nobody is told the same twice. `told` is what people know: the flow's notice that says just that,
 * or what they know a later state of (up to told_upto), is recorded without being told. It is asked
 * of the outbox after a restart. What was told urgently the outbox does not know: until it does
 * (settle), a file stands for it, for which even a full disk has room, mostly: <id>.told, or
 * <id>.over when its end was told so. One is renamed to the other, so both never stand there. The
 * outbox learns it before anything else of that alarm, so a file that a kill left behind says the
 * same as the outbox.
 *
 * Locks: watch_lock comes before state_lock. It is held from the look at what people know to the
 * end of the telling, by the flow as by the main thread.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "collector_state.h"

#define EVENT_NS    (3600 * SECOND_NS)
#define PATIENCE_NS (3 * SECOND_NS)  /* for the flow to tell what stands in the journal */
#define SETTLE_NS   (10 * SECOND_NS) /* between tries of an outbox that may make one wait */

static const char *id_of(const struct collector *collector, enum maintenance which)
{
    return collector->first->settings->maintenance.rules[which].id;
}

/* --- what was told urgently ------------------------------------------------------------------- */

static void marker_path(const struct collector *collector, enum maintenance which, bool is_so,
                        char path[COLLECTOR_PATH_MAX])
{
    (void)snprintf(path, COLLECTOR_PATH_MAX, "%s/%s.%s", collector->first->settings->journal.path,
                   id_of(collector, which), is_so ? "told" : "over");
}

static void mark(struct collector *collector, enum maintenance which, bool is_so)
{
    char path[COLLECTOR_PATH_MAX], other[COLLECTOR_PATH_MAX];
    marker_path(collector, which, is_so, path);
    marker_path(collector, which, !is_so, other);
    collector->watched[which].marked = true;
    if (rename(other, path) != 0) {
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
        if (fd >= 0) {
            (void)close(fd);
        }
    }
}

static void unmark(struct collector *collector, enum maintenance which)
{
    char path[COLLECTOR_PATH_MAX];
    for (int is_so = 0; is_so <= 1; is_so++) {
        marker_path(collector, which, is_so == 1, path);
        (void)unlink(path);
    }
    collector->watched[which].marked = false;
}

static void recall_marker(struct collector *collector, enum maintenance which)
{
    char path[COLLECTOR_PATH_MAX];
    for (int is_so = 0; is_so <= 1; is_so++) {
        marker_path(collector, which, is_so == 1, path);
        if (access(path, F_OK) == 0) {
            collector->watched[which].told = is_so == 1;
            collector->watched[which].marked = true;
        }
    }
}

/* --- telling straight ------------------------------------------------------------------------- */

/* Its position: people know of what is in the journal up to it. */
static struct notice notice_of(struct collector *collector, const struct settings *settings,
                               enum maintenance which, bool is_so, double value)
{
    enum severity severity = maintenance_severity(which);
    wall_time now = clock_wall(&collector->clock);
    return (struct notice){ .rule = &settings->maintenance.rules[which],
                            .station = &settings->maintenance.self,
                            .from = is_so ? SEVERITY_NORMAL : severity,
                            .to = is_so ? severity : SEVERITY_NORMAL,
                            .time_ns = now.ns,
                            .since_ns = now.ns,
                            .value = value,
                            .tell = true,
                            .position = journal_synced(collector->raw) };
}

static bool commit(struct collector *collector, const struct settings *settings,
                   const struct notice *notice)
{
    return outbox_commit(collector->outbox, notice, 1, settings, 0, clock_real(), NULL) ==
           OUTBOX_OK;
}

/* The outbox is told what people were told without it; true when there is nothing left of it.
 * watch_lock is held. */
static bool settle(struct collector *collector, const struct settings *settings,
                   enum maintenance which)
{
    struct watched *watched = &collector->watched[which];
    if (watched->marked) {
        struct notice notice =
            notice_of(collector, settings, which, watched->told, watched->told_value);
        notice.known = true;
        notice.position = watched->told_upto;
        if (commit(collector, settings, &notice)) {
            unmark(collector, which);
        }
    }
    return !watched->marked;
}

/* watch_lock is held. */
static void tell(struct collector *collector, const struct settings *settings,
                 enum maintenance which)
{
    struct watched *watched = &collector->watched[which];
    struct notice notice = notice_of(collector, settings, which, watched->is_so, watched->value);
    if (settle(collector, settings, which) && commit(collector, settings, &notice)) {
        notifier_wake(collector->notifier);
    } else if (notifier_urgent(collector->notifier, &notice, settings)) {
        mark(collector, which, watched->is_so);
    } else {
        log_error("alarm %s cannot be told now: out of memory", notice.rule->id);
        return;
    }
    watched->told = watched->is_so;
    watched->told_value = watched->value;
    watched->told_upto = notice.position;
}

/* True if the journal has it as it is. */
static bool is_recorded(const struct watched *watched)
{
    return watched->recorded == (watched->is_so ? RECORDED_ON : RECORDED_OFF);
}

/*
 * People do not know how it is, and the flow does not tell them: it has not come to the record yet,
 * or what it told has not come to the outbox. Not so what it holds back on purpose, nor the end of
 * what an earlier run told, until the journal's past has said whether it is over.
 */
static bool is_untold(struct collector *collector, const struct settings *settings,
                      enum maintenance which)
{
    const struct watched *watched = &collector->watched[which];
    if (watched->is_so == watched->told ||
        (watched->is_so && !settings->maintenance.rules[which].enabled) ||
        (!watched->is_so && watched->recorded == RECORDED_UNKNOWN)) {
        return false;
    }
    (void)pthread_mutex_lock(&collector->state_lock);
    struct pipeline_condition found =
        pipeline_condition(collector->pipeline, which, clock_wall(&collector->clock).ns);
    (void)pthread_mutex_unlock(&collector->state_lock);
    bool passed =
        is_recorded(watched) && atomic_load(&collector->delivered) >= watched->recorded_at;
    return !found.held && (!passed || found.told == watched->is_so);
}

/* watch_lock is held. */
static void tell_if_untold(struct collector *collector, const struct settings *settings,
                           enum maintenance which, mono_time now)
{
    struct watched *watched = &collector->watched[which];
    if (watched->marked && now.ns >= watched->next_settle_ns) {
        watched->next_settle_ns = now.ns + SETTLE_NS;
        (void)settle(collector, settings, which);
    }
    if (!is_untold(collector, settings, which)) {
        watched->untold_ns = 0;
        return;
    }
    if (watched->untold_ns == 0) {
        watched->untold_ns = now.ns;
    }
    if (!is_recorded(watched) || now.ns - watched->untold_ns >= PATIENCE_NS) {
        tell(collector, settings, which);
    }
}

static void see_that_it_is_told(struct collector *collector, enum maintenance which, mono_time now)
{
    struct watched *watched = &collector->watched[which];
    (void)pthread_mutex_lock(&collector->watch_lock);
    if (watched->is_so != watched->told || watched->marked) {
        struct shared_settings *current = shared_settings_current(collector);
        tell_if_untold(collector, current->settings, which, now);
        shared_settings_drop(current);
    } else {
        watched->untold_ns = 0;
    }
    (void)pthread_mutex_unlock(&collector->watch_lock);
}

/* --- what the flow tells -------------------------------------------------------------------- */

/* -1 if the notice is about none of them, or tells nobody. */
static int told_by(const struct settings *settings, const struct notice *notice)
{
    const struct rule *rules = settings->maintenance.rules;
    for (int which = 0; which < MAINTENANCE_COUNT; which++) {
        if (notice->rule == &rules[which]) {
            bool tells = notice->tell && notice->event == NULL;
            return tells && pipeline_is_condition((enum maintenance)which) ? which : -1;
        }
    }
    return -1;
}

/* People know that already, or what came after it: it is recorded only. */
static void leave_out_known(struct collector *collector, const struct settings *settings,
                            struct notice *notices, size_t count)
{
    bool known[MAINTENANCE_COUNT];
    for (int which = 0; which < MAINTENANCE_COUNT; which++) {
        known[which] = collector->watched[which].told;
    }
    for (size_t i = 0; i < count; i++) {
        int which = told_by(settings, &notices[i]);
        if (which >= 0) {
            bool is_so = notices[i].to != SEVERITY_NORMAL;
            notices[i].tell =
                is_so != known[which] && notices[i].position > collector->watched[which].told_upto;
            known[which] = notices[i].tell ? is_so : known[which];
        }
    }
}

static void note_told(struct collector *collector, const struct settings *settings,
                      const struct notice *notices, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int which = told_by(settings, &notices[i]);
        if (which >= 0) {
            collector->watched[which].told = notices[i].to != SEVERITY_NORMAL;
            collector->watched[which].told_upto = notices[i].position;
        }
    }
}

/* False when the outbox does not learn what people were told without it, and notices speak of that.
 */
static bool settle_for(struct collector *collector, const struct settings *settings,
                       const struct notice *notices, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int which = told_by(settings, &notices[i]);
        if (which >= 0 && !settle(collector, settings, (enum maintenance)which)) {
            return false;
        }
    }
    return true;
}

static bool tells_of_one(const struct settings *settings, const struct notice *notices,
                         size_t count)
{
    bool any = false;
    for (size_t i = 0; i < count && !any; i++) {
        any = told_by(settings, &notices[i]) >= 0;
    }
    return any;
}

static enum outbox_status commit_known(struct collector *collector, const struct settings *settings,
                                       struct notice *notices, size_t count, uint64_t position,
                                       struct problem *problem)
{
    leave_out_known(collector, settings, notices, count);
    if (!settle_for(collector, settings, notices, count)) {
        problem_set(problem, "it takes nothing");
        return OUTBOX_FAILED;
    }
    enum outbox_status status =
        outbox_commit(collector->outbox, notices, count, settings, position, clock_real(), problem);
    if (status == OUTBOX_OK) {
        note_told(collector, settings, notices, count);
    }
    return status;
}

enum outbox_status conditions_commit(struct collector *collector, const struct settings *settings,
                                     struct notice *notices, size_t count, uint64_t position,
                                     struct problem *problem)
{
    if (!tells_of_one(settings, notices, count)) { /* the main thread need not wait for it */
        return outbox_commit(collector->outbox, notices, count, settings, position, clock_real(),
                             problem);
    }
    (void)pthread_mutex_lock(&collector->watch_lock);
    enum outbox_status status =
        commit_known(collector, settings, notices, count, position, problem);
    (void)pthread_mutex_unlock(&collector->watch_lock);
    return status;
}

/* --- what is so ----------------------------------------------------------------------------- */

static bool is_event(enum maintenance which)
{
    return which != MAINTENANCE_DISK_FULL;
}

/* What the journal says of it, known when its past was taken again. When an event was is not known
 * any more: it counts from the start. */
static void adopt(struct collector *collector, enum maintenance which)
{
    struct watched *watched = &collector->watched[which];
    if (watched->recorded != RECORDED_UNKNOWN || !atomic_load(&collector->caught_up)) {
        return;
    }
    (void)pthread_mutex_lock(&collector->state_lock);
    bool is_so = pipeline_condition(collector->pipeline, which, 0).is_so;
    (void)pthread_mutex_unlock(&collector->state_lock);
    watched->recorded = is_so ? RECORDED_ON : RECORDED_OFF;
    if (is_so && is_event(which) && watched->until_ns == 0) {
        watched->until_ns = collector->started.ns + EVENT_NS;
    }
}

/* True if this run has seen it itself. */
static bool is_seen(const struct watched *watched, enum maintenance which)
{
    return watched->is_so && (!is_event(which) || watched->seen > 0);
}

static void record(struct collector *collector, enum maintenance which)
{
    struct watched *watched = &collector->watched[which];
    bool unsure = watched->recorded == RECORDED_UNKNOWN && !is_seen(watched, which);
    if (unsure || is_recorded(watched) || !atomic_load(&collector->journal_writable)) {
        return;
    }
    char text[PIPELINE_CONDITION_CHARS];
    pipeline_condition_print(&collector->first->settings->maintenance.rules[which], watched->is_so,
                             watched->value, text);
    struct journal_record said = { .kind = JOURNAL_CONDITION, .payload = phusa_text_of(text) };
    if (intake_append(collector, &said)) {
        watched->recorded = watched->is_so ? RECORDED_ON : RECORDED_OFF;
        watched->recorded_at = said.position;
    }
}

static void tend(struct collector *collector, enum maintenance which, mono_time now)
{
    record(collector, which);
    see_that_it_is_told(collector, which, now);
}

void conditions_set(struct collector *collector, enum maintenance which, bool is_so, double value,
                    mono_time now)
{
    struct watched *watched = &collector->watched[which];
    adopt(collector, which);
    if (is_so != watched->is_so) {
        watched->is_so = is_so;
        watched->value = value;
    }
    tend(collector, which, now);
}

void conditions_count(struct collector *collector, enum maintenance which, uint64_t count,
                      mono_time now)
{
    struct watched *watched = &collector->watched[which];
    adopt(collector, which);
    if (count > watched->seen) {
        watched->seen = count;
        watched->value = (double)count;
        watched->until_ns = now.ns + EVENT_NS;
    }
    watched->is_so = now.ns < watched->until_ns;
    tend(collector, which, now);
}

/* --- the start ------------------------------------------------------------------------------ */

/* -1 if it is none of them. */
static int find_own(const struct collector *collector, const struct outbox_told *told)
{
    const struct maintenance_settings *maintenance = &collector->current->settings->maintenance;
    int which = maintenance_find(maintenance, told->rule);
    return which >= 0 && pipeline_is_condition((enum maintenance)which) &&
                   strcmp(told->station, maintenance->self.id) == 0
               ? which
               : -1;
}

bool conditions_is_one(const struct collector *collector, const struct outbox_told *told)
{
    return find_own(collector, told) >= 0;
}

static void visit_told(void *context, const struct outbox_told *told)
{
    struct collector *collector = context;
    int which = find_own(collector, told);
    if (which >= 0) {
        collector->watched[which].told = told->severity != SEVERITY_NORMAL;
        /* A journal that was cut off or begun anew gives later positions again. */
        collector->watched[which].told_upto =
            told->position < collector->replay_upto ? told->position : collector->replay_upto;
        collector->watched[which].value = collector->watched[which].told_value = told->value;
    }
}

void conditions_recall(struct collector *collector)
{
    (void)outbox_each_told(collector->outbox, visit_told, collector);
    for (int i = 0; i < MAINTENANCE_COUNT; i++) {
        enum maintenance which = (enum maintenance)i;
        struct watched *watched = &collector->watched[i];
        if (pipeline_is_condition(which)) {
            recall_marker(collector, which);
            if (watched->told && is_event(which)) {
                watched->until_ns = collector->started.ns + EVENT_NS;
            }
        }
    }
}
