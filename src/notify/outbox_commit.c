/*
 * What is to be told and what befell alarms is written down, with a message for each that must
 * hear of it, in one transaction; and what need not be kept any longer goes, some at each commit.
 */
#include <stdio.h>
#include <stdlib.h>

#include "notify/outbox_state.h"

#define PRUNE_STEP        256 /* messages removed at a commit, besides twice those it adds */
#define TRIM_STEP         64 /* transitions, letters and events looked at, besides twice those it adds */
#define CHANNELS_TEXT_MAX ((PHUSA_ID_MAX + 1) * 2 * RULE_CHANNELS_MAX + 2)

/* --- whom messages are for ----------------------------------------------------------- */

/* Makes the index for these settings, unless it is theirs. */
static bool know_recipients(struct outbox *outbox, const struct settings *settings)
{
    if (settings == NULL || settings == outbox->settings) {
        return true;
    }
    outbox_forget_recipients(outbox);
    outbox->recipients = recipients_create(settings);
    size_t count = outbox->recipients == NULL ? 0 : recipients_slots(outbox->recipients);
    outbox->slots = calloc(count + 1, sizeof *outbox->slots);
    outbox->touched = calloc(count + 1, sizeof *outbox->touched);
    if (outbox->recipients == NULL || outbox->slots == NULL || outbox->touched == NULL) {
        outbox_forget_recipients(outbox);
        return false;
    }
    outbox->settings = settings;
    return true;
}

bool outbox_configure(struct outbox *outbox, const struct settings *settings)
{
    outbox_lock(outbox);
    outbox->settings = NULL; /* other settings may lie where those before lay */
    bool known = know_recipients(outbox, settings);
    outbox_unlock(outbox);
    return known;
}

/* --- commit ------------------------------------------------------------------------- */

/* A batch to commit, and what it comes to. */
struct batch {
    const struct notice *notices;
    size_t count;
    const struct settings *settings;
    uint64_t position;
    wall_time now;
    uint64_t added, dropped, transitions;
    int64_t trimmed, swept, newest, newest_event, last_message;
};

/* One notice in the making: what its rows have in common. */
struct entry {
    struct outbox *outbox;
    struct batch *batch;
    const struct notice *notice;
    int64_t transition_id, series;
    enum severity severity; /* the graver of the two states */
    bool failed;
    char key[NOTICE_KEY_CHARS + 1];
    char channels[CHANNELS_TEXT_MAX];
    struct letter_draft letter;
};

bool letter_draft(const struct notice *notice, const struct settings *settings,
                  struct letter_draft *draft)
{
    draft->body_length = notice_json(notice, settings, draft->body, sizeof draft->body);
    draft->details_length = letter_details(notice, settings, draft->details, sizeof draft->details);
    return draft->body_length > 0 && draft->details_length > 0;
}

/* Runs one that returns an id; 0 if it fails. */
static int64_t run_for_id(struct outbox *outbox, enum statement which)
{
    sqlite3_stmt *statement = outbox->statements[which];
    int64_t id = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    return sqlite3_reset(statement) == SQLITE_OK ? id : 0;
}

static const char *life_of(const struct notice *notice)
{
    return notice->life == NULL ? "" : notice->life;
}

static void bind_place(struct outbox *outbox, enum statement which, int at,
                       const struct notice *notice)
{
    outbox_bind_string(outbox, which, at, notice->rule->id);
    outbox_bind_string(outbox, which, at + 1, notice->station->site);
    outbox_bind_string(outbox, which, at + 2, notice->station->id);
    outbox_bind_text(outbox, which, at + 3, notice->rule->parameter->name);
}

static bool insert_transition(struct entry *entry)
{
    struct outbox *outbox = entry->outbox;
    const struct notice *notice = entry->notice;
    bool event = notice->event != NULL;
    outbox_bind_integer(outbox, W_TRANSITION, 1, (int64_t)notice->position);
    outbox_bind_string(outbox, W_TRANSITION, 2, entry->key);
    bind_place(outbox, W_TRANSITION, 3, notice);
    outbox_bind_integer(outbox, W_TRANSITION, 7, notice->time_ns);
    outbox_bind_integer(outbox, W_TRANSITION, 8, notice->since_ns);
    outbox_bind_string(outbox, W_TRANSITION, 9, severity_name(notice->from));
    outbox_bind_string(outbox, W_TRANSITION, 10, severity_name(notice->to));
    (void)sqlite3_bind_double(outbox->statements[W_TRANSITION], 11, notice->value);
    outbox_bind_integer(outbox, W_TRANSITION, 12, notice->historical);
    outbox_bind_integer(outbox, W_TRANSITION, 13, notice->tell);
    outbox_bind_integer(outbox, W_TRANSITION, 14, entry->batch->now.ns);
    outbox_bind_integer(outbox, W_TRANSITION, 15, notice->transition && !event);
    outbox_bind_string(outbox, W_TRANSITION, 16, life_of(notice));
    outbox_bind_string(outbox, W_TRANSITION, 17, notice->event);
    if (!event) {
        (void)sqlite3_bind_null(outbox->statements[W_TRANSITION], 17);
    }
    if (!outbox_run(outbox, W_TRANSITION)) {
        return false;
    }
    entry->transition_id = entry->batch->newest = sqlite3_last_insert_rowid(outbox->writer);
    return true;
}

static bool insert_event(struct entry *entry)
{
    struct outbox *outbox = entry->outbox;
    const struct notice *notice = entry->notice;
    outbox_bind_integer(outbox, W_EVENT, 1, (int64_t)notice->position);
    outbox_bind_integer(outbox, W_EVENT, 2, notice->time_ns);
    bind_place(outbox, W_EVENT, 3, notice);
    outbox_bind_string(outbox, W_EVENT, 7, notice->event);
    outbox_bind_string(outbox, W_EVENT, 8, severity_name(notice->to));
    outbox_bind_text(outbox, W_EVENT, 9, notice->who);
    outbox_bind_text(outbox, W_EVENT, 10, notice->text);
    outbox_bind_integer(outbox, W_EVENT, 11, notice->until_ns);
    outbox_bind_string(outbox, W_EVENT, 12, life_of(notice));
    outbox_bind_integer(outbox, W_EVENT, 13, entry->batch->now.ns);
    if (!outbox_run(outbox, W_EVENT)) {
        return false;
    }
    entry->batch->newest_event = sqlite3_last_insert_rowid(outbox->writer);
    return true;
}

static bool insert_letter(struct entry *entry)
{
    struct outbox *outbox = entry->outbox;
    const struct letter_draft *letter = &entry->letter;
    outbox_bind_integer(outbox, W_LETTER, 1, entry->transition_id);
    outbox_bind_text(outbox, W_LETTER, 2, (struct phusa_text){ letter->body, letter->body_length });
    outbox_bind_text(outbox, W_LETTER, 3,
                     (struct phusa_text){ letter->details, letter->details_length });
    outbox_bind_integer(outbox, W_LETTER, 4, entry->batch->now.ns);
    return outbox_run(outbox, W_LETTER);
}

static void add_channel(struct entry *entry, size_t channel)
{
    size_t used = strlen(entry->channels);
    (void)snprintf(entry->channels + used, sizeof entry->channels - used, "%s,",
                   entry->batch->settings->channels[channel].id);
}

/* Remembers what the series was told last, and on which channels: ",ioc,farmers,". */
static bool note_series(struct entry *entry)
{
    struct outbox *outbox = entry->outbox;
    const struct notice *notice = entry->notice;
    const struct rule *rule = notice->rule;
    (void)snprintf(entry->channels, sizeof entry->channels, ",");
    for (size_t i = 0; i < rule->channel_count; i++) {
        add_channel(entry, rule->channels[i]);
    }
    for (size_t i = 0; notice->escalated && i < rule->escalation.channel_count; i++) {
        add_channel(entry, rule->escalation.channels[i]);
    }
    bind_place(outbox, W_SERIES, 1, notice);
    outbox_bind_integer(outbox, W_SERIES, 5, entry->transition_id);
    outbox_bind_integer(outbox, W_SERIES, 6, notice->to);
    (void)sqlite3_bind_double(outbox->statements[W_SERIES], 7, notice->value);
    outbox_bind_string(outbox, W_SERIES, 8, entry->channels);
    entry->series = run_for_id(outbox, W_SERIES);
    return entry->series != 0;
}

/* The recipient's row, made if there is none; 0 if that fails. */
static int64_t row_of(struct entry *entry, const struct recipient *recipient)
{
    struct outbox *outbox = entry->outbox;
    struct known_slot *slot = &outbox->slots[recipient->slot];
    if (slot->row == 0) {
        outbox_bind_string(outbox, W_RECIPIENT, 1, recipient->channel);
        outbox_bind_string(outbox, W_RECIPIENT, 2, recipient->address);
        outbox_bind_integer(outbox, W_RECIPIENT, 3, recipient->language);
        outbox_bind_integer(outbox, W_RECIPIENT, 4, recipient->subscriber);
        outbox_bind_integer(outbox, W_RECIPIENT, 5, entry->batch->now.ns);
        slot->row = run_for_id(outbox, W_RECIPIENT);
    }
    return slot->row;
}

static void touch(struct outbox *outbox, const struct recipient *recipient)
{
    struct known_slot *slot = &outbox->slots[recipient->slot];
    if (slot->added++ == 0) {
        slot->due_ns = recipient->due_ns;
        outbox->touched[outbox->touched_count++] = recipient->slot;
    } else if (recipient->due_ns < slot->due_ns) {
        slot->due_ns = recipient->due_ns;
    }
}

static bool insert_message(struct entry *entry, const struct recipient *recipient)
{
    struct outbox *outbox = entry->outbox;
    int64_t row = row_of(entry, recipient);
    if (row == 0) {
        return false;
    }
    if (recipient->put_off && recipient->due_ns <= entry->batch->now.ns) {
        outbox_bind_integer(outbox, W_HURRY, 1, row);
        outbox_bind_integer(outbox, W_HURRY, 2, entry->series);
        outbox_bind_integer(outbox, W_HURRY, 3, recipient->due_ns);
        if (!outbox_run(outbox, W_HURRY)) {
            return false;
        }
    }
    outbox_bind_integer(outbox, W_MESSAGE, 1, entry->transition_id);
    outbox_bind_integer(outbox, W_MESSAGE, 2, row);
    outbox_bind_integer(outbox, W_MESSAGE, 3, entry->series);
    outbox_bind_integer(outbox, W_MESSAGE, 4, entry->notice->to);
    outbox_bind_integer(outbox, W_MESSAGE, 5, entry->batch->now.ns);
    outbox_bind_integer(outbox, W_MESSAGE, 6, recipient->due_ns);
    outbox_bind_integer(outbox, W_MESSAGE, 7, ++entry->batch->last_message);
    touch(outbox, recipient);
    entry->batch->added++;
    return outbox_run(outbox, W_MESSAGE);
}

static void visit_recipient(void *context, const struct recipient *recipient)
{
    struct entry *entry = context;
    entry->failed = entry->failed || !insert_message(entry, recipient);
}

/* Adds what the notice brings. */
static bool insert_notice(struct entry *entry)
{
    const struct notice *notice = entry->notice;
    entry->batch->transitions += notice->event == NULL;
    if (notice->event != NULL && !insert_event(entry)) {
        return false;
    }
    if (notice->event != NULL && !notice->tell) {
        return true;
    }
    if (!insert_transition(entry)) {
        return false;
    }
    if (!notice->tell) {
        return true;
    }
    if (!insert_letter(entry) || !note_series(entry)) {
        return false;
    }
    if (!notice->known) {
        recipients_each(entry->outbox->recipients, notice, entry->batch->now, visit_recipient,
                        entry);
    }
    return !entry->failed;
}

bool outbox_end_message(struct outbox *outbox, enum statement end, enum statement promote,
                        struct message_id id, enum message_state state, int64_t now_ns, bool *ended)
{
    outbox_bind_integer(outbox, end, 1, id.recipient);
    outbox_bind_integer(outbox, end, 2, id.id);
    outbox_bind_integer(outbox, end, 3, state);
    outbox_bind_integer(outbox, end, 4, now_ns);
    if (!outbox_run(outbox, end)) {
        return false;
    }
    sqlite3 *db = end < WRITER_STATEMENTS ? outbox->writer : outbox->sender;
    *ended = sqlite3_changes(db) > 0;
    if (!*ended) {
        return true;
    }
    outbox_bind_integer(outbox, promote, 1, id.recipient);
    outbox_bind_integer(outbox, promote, 2, id.id);
    return outbox_run(outbox, promote);
}

/* While more than waiting_max wait, the oldest of a recipient goes for each that he got. The
 * oldest is always ready. */
static bool drop_surplus(struct outbox *outbox, struct batch *batch, const struct known_slot *slot)
{
    uint64_t waiting = outbox->counters.waiting + batch->added;
    for (uint64_t i = 0; i < slot->added && waiting - batch->dropped > outbox->waiting_max; i++) {
        outbox_bind_integer(outbox, W_OLDEST, 1, slot->row);
        struct message_id id = { slot->row, run_for_id(outbox, W_OLDEST) };
        bool ended = false;
        if (!outbox_end_message(outbox, W_END, W_PROMOTE, id, DROPPED, batch->now.ns, &ended) ||
            !ended) {
            return false;
        }
        batch->dropped++;
    }
    return true;
}

/* The recipient has something to look for, and what he got long ago goes. */
static bool touch_recipient(struct outbox *outbox, struct batch *batch,
                            const struct known_slot *slot)
{
    outbox_bind_integer(outbox, W_TOUCH, 1, slot->row);
    outbox_bind_integer(outbox, W_TOUCH, 2, slot->due_ns);
    outbox_bind_integer(outbox, W_TOUCH, 3, batch->now.ns);
    outbox_bind_integer(outbox, W_PRUNE, 1, slot->row);
    outbox_bind_integer(outbox, W_PRUNE, 2, batch->now.ns - OUTBOX_KEEP_NS);
    outbox_bind_integer(outbox, W_PRUNE, 3, (int64_t)(PRUNE_STEP + 2 * slot->added));
    return outbox_run(outbox, W_TOUCH) && outbox_run(outbox, W_PRUNE) &&
           drop_surplus(outbox, batch, slot);
}

static bool touch_recipients(struct outbox *outbox, struct batch *batch)
{
    for (size_t i = 0; i < outbox->touched_count; i++) {
        struct known_slot *slot = &outbox->slots[outbox->touched[i]];
        if (!touch_recipient(outbox, batch, slot)) {
            return false;
        }
        slot->added = 0;
    }
    outbox->touched_count = 0;
    outbox_bind_integer(outbox, W_COUNTER, 1, batch->last_message);
    return batch->added == 0 || outbox_run(outbox, W_COUNTER);
}

/* Runs one that finds an id; *id is 0 when there is none. */
static bool find_id(struct outbox *outbox, enum statement which, int64_t *id)
{
    sqlite3_stmt *find = outbox->statements[which];
    int result = sqlite3_step(find);
    *id = result == SQLITE_ROW ? sqlite3_column_int64(find, 0) : 0; /* NULL reads as 0 */
    return sqlite3_reset(find) == SQLITE_OK && (result == SQLITE_ROW || result == SQLITE_DONE);
}

/* One who has heard of nothing for long is forgotten, at each commit. */
static bool forget_idle(struct outbox *outbox, const struct batch *batch)
{
    int64_t idle = 0;
    outbox_bind_integer(outbox, W_IDLE, 1, batch->now.ns - 2 * OUTBOX_KEEP_NS);
    if (!find_id(outbox, W_IDLE, &idle)) {
        return false;
    }
    if (idle == 0) {
        return true;
    }
    outbox_forget_slots(outbox); /* one of them may be his */
    outbox_bind_integer(outbox, W_FORGET_MESSAGES, 1, idle);
    outbox_bind_integer(outbox, W_FORGET, 1, idle);
    return outbox_run(outbox, W_FORGET_MESSAGES) && outbox_run(outbox, W_FORGET);
}

/* Committed before this need not be kept; INT64_MIN: all is. */
static int64_t kept_from(const struct batch *batch)
{
    int64_t keep_ns = batch->settings == NULL ? 0 : batch->settings->alarms.keep_ns;
    return keep_ns > 0 && keep_ns < batch->now.ns ? batch->now.ns - keep_ns : INT64_MIN;
}

/* Those that were kept earlier, as the last told of their series, are looked at again: otherwise
 * one of them would stay for ever once its follower came. */
static bool trim(struct outbox *outbox, struct batch *batch)
{
    int64_t step = TRIM_STEP + 2 * (int64_t)batch->count, expired = 0;
    outbox_bind_integer(outbox, W_TRIM_EVENTS, 1, step);
    outbox_bind_integer(outbox, W_TRIM_EVENTS, 2, kept_from(batch));
    outbox_bind_integer(outbox, W_TRIM_EVENTS, 3, batch->newest_event - OUTBOX_EVENTS_MAX);
    outbox_bind_integer(outbox, W_EXPIRED, 1, outbox->trimmed);
    outbox_bind_integer(outbox, W_EXPIRED, 2, step);
    outbox_bind_integer(outbox, W_EXPIRED, 3, kept_from(batch));
    outbox_bind_integer(outbox, W_EXPIRED, 4, batch->newest - OUTBOX_TRANSITIONS_MAX);
    if (!outbox_run(outbox, W_TRIM_EVENTS) || !find_id(outbox, W_EXPIRED, &expired)) {
        return false;
    }
    if (expired == 0) {
        return true;
    }
    batch->trimmed = expired;
    outbox_bind_integer(outbox, W_TRIM, 1, expired);
    outbox_bind_integer(outbox, W_TRIM_SERIES, 1, expired);
    return outbox_run(outbox, W_TRIM) && outbox_run(outbox, W_TRIM_SERIES);
}

/* Looks at the next few letters; behind the last it begins anew. */
static bool sweep(struct outbox *outbox, struct batch *batch)
{
    outbox_bind_integer(outbox, W_SWEEP_TO, 1, outbox->swept);
    outbox_bind_integer(outbox, W_SWEEP_TO, 2, TRIM_STEP + 2 * (int64_t)batch->count);
    if (!find_id(outbox, W_SWEEP_TO, &batch->swept)) {
        return false;
    }
    outbox_bind_integer(outbox, W_SWEEP, 1, outbox->swept);
    outbox_bind_integer(outbox, W_SWEEP, 2, batch->swept);
    outbox_bind_integer(outbox, W_SWEEP, 3, batch->now.ns - OUTBOX_KEEP_NS);
    return batch->swept == 0 || outbox_run(outbox, W_SWEEP);
}

static enum outbox_status fill_notice(struct outbox *outbox, struct batch *batch,
                                      const struct notice *notice, struct entry *entry,
                                      struct problem *problem)
{
    entry->outbox = outbox;
    entry->batch = batch;
    entry->notice = notice;
    entry->failed = false;
    if (!notice_key(notice, entry->key) ||
        (notice->tell && !letter_draft(notice, batch->settings, &entry->letter))) {
        problem_set(problem, "outbox: no message can be made of rule %s at station %s",
                    notice->rule->id, notice->station->id);
        return OUTBOX_FAILED;
    }
    return insert_notice(entry) ? OUTBOX_OK
                                : outbox_failed(outbox, outbox->writer, "commit", problem);
}

static enum outbox_status fill(struct outbox *outbox, struct batch *batch, struct problem *problem)
{
    struct entry *entry = calloc(1, sizeof *entry);
    enum outbox_status status = OUTBOX_OK;
    if (entry == NULL || !know_recipients(outbox, batch->settings)) {
        problem_set(problem, "outbox: out of memory");
        status = OUTBOX_FAILED;
    }
    for (size_t i = 0; status == OUTBOX_OK && i < batch->count; i++) {
        status = fill_notice(outbox, batch, &batch->notices[i], entry, problem);
    }
    free(entry);
    if (status != OUTBOX_OK) {
        return status;
    }
    outbox_bind_integer(outbox, W_POSITION, 1, (int64_t)batch->position);
    if (!outbox_run(outbox, W_POSITION) || !touch_recipients(outbox, batch) ||
        !forget_idle(outbox, batch) || !trim(outbox, batch) || !sweep(outbox, batch)) {
        return outbox_failed(outbox, outbox->writer, "commit", problem);
    }
    return OUTBOX_OK;
}

static enum outbox_status commit(struct outbox *outbox, struct batch *batch,
                                 struct problem *problem)
{
    if (!outbox_run(outbox, W_BEGIN)) {
        return outbox_failed(outbox, outbox->writer, "begin", problem);
    }
    enum outbox_status status = fill(outbox, batch, problem);
    if (status == OUTBOX_OK && !outbox_run(outbox, W_COMMIT)) {
        status = outbox_failed(outbox, outbox->writer, "commit", problem);
    }
    if (status != OUTBOX_OK) {
        if (sqlite3_get_autocommit(outbox->writer) == 0) {
            (void)outbox_run(outbox, W_ROLLBACK);
        }
        outbox_forget_slots(outbox); /* their rows may never have been */
    }
    return status;
}

enum outbox_status outbox_commit(struct outbox *outbox, const struct notice *notices, size_t count,
                                 const struct settings *settings, uint64_t position, wall_time now,
                                 struct problem *problem)
{
    struct batch batch = {
        .notices = notices, .count = count, .settings = settings, .position = position, .now = now
    };
    enum outbox_status status = outbox_enter(outbox, problem);
    if (status == OUTBOX_OK) {
        batch.trimmed = outbox->trimmed;
        batch.newest = outbox->newest;
        batch.newest_event = outbox->newest_event;
        batch.last_message = outbox->last_message;
        status = commit(outbox, &batch, problem);
    }
    if (status == OUTBOX_OK) {
        outbox->trimmed = batch.trimmed;
        outbox->swept = batch.swept;
        outbox->newest = batch.newest;
        outbox->newest_event = batch.newest_event;
        outbox->last_message = batch.last_message;
        outbox->counters.transitions += batch.transitions;
        outbox->counters.waiting += batch.added - batch.dropped;
        outbox->counters.dropped += batch.dropped;
    }
    return outbox_leave(outbox, status);
}
