/*
 * The sender's side of the outbox: the next parcel of a channel is taken, and what became of it is
 * written down. What was taken and not marked is taken again.
 */
#include <stdlib.h>

#include "notify/outbox_state.h"

#define LOOKS_MAX    1024 /* recipients that one take puts off; then it is to be called again */
/* Nothing waits longer: what seems to is due, the clock was put back. */
#define WAIT_MOST_NS (25 * (3600 * SECOND_NS))

/* The oldest message that is due to a recipient, or will be first. */
struct head {
    int64_t id, parcel, due_ns, created_ns, refused_ns;
    unsigned tries;
};

static bool read_recipient(struct outbox *outbox, const char *channel, struct outbox_parcel *parcel,
                           int64_t *next_ns, bool *found)
{
    sqlite3_stmt *next = outbox->statements[S_NEXT];
    outbox_bind_string(outbox, S_NEXT, 1, channel);
    bool good = outbox_step_row(next, found);
    if (*found) {
        parcel->recipient = sqlite3_column_int64(next, 0);
        outbox_copy_column(next, 1, parcel->address, sizeof parcel->address);
        parcel->language = sqlite3_column_int(next, 2) == LANGUAGE_EN ? LANGUAGE_EN : LANGUAGE_VI;
        parcel->subscriber = sqlite3_column_int(next, 3) != 0;
        parcel->pace.from_ns = sqlite3_column_int64(next, 4);
        parcel->pace.count = sqlite3_column_int64(next, 5);
        *next_ns = sqlite3_column_int64(next, 6);
    }
    return sqlite3_reset(next) == SQLITE_OK && good;
}

static bool read_head(struct outbox *outbox, int64_t recipient, struct head *head, bool *found)
{
    sqlite3_stmt *first = outbox->statements[S_HEAD];
    outbox_bind_integer(outbox, S_HEAD, 1, recipient);
    bool good = outbox_step_row(first, found);
    if (*found) {
        *head = (struct head){
            .id = sqlite3_column_int64(first, 0),
            .parcel = sqlite3_column_int64(first, 1),
            .due_ns = sqlite3_column_int64(first, 2),
            .created_ns = sqlite3_column_int64(first, 3),
            .tries = (unsigned)sqlite3_column_int64(first, 4),
            .refused_ns = sqlite3_column_int64(first, 5),
        };
    }
    return sqlite3_reset(first) == SQLITE_OK && good;
}

/* Nobody looks for messages to the recipient before that time; NULL time: none waits. */
static bool put_off(struct outbox *outbox, int64_t recipient, const int64_t *until_ns,
                    bool gathering)
{
    outbox_bind_integer(outbox, S_PUT_OFF, 1, recipient);
    outbox_bind_integer(outbox, S_PUT_OFF, 2, until_ns == NULL ? 0 : *until_ns);
    if (until_ns == NULL) {
        (void)sqlite3_bind_null(outbox->statements[S_PUT_OFF], 2);
    }
    outbox_bind_integer(outbox, S_PUT_OFF, 3, gathering);
    return outbox_run(outbox, S_PUT_OFF);
}

static char *copy_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return strdup(text == NULL ? "" : text);
}

/* Reads the letters that a statement gives. */
static bool read_letters(struct outbox *outbox, enum statement which, struct outbox_parcel *parcel)
{
    sqlite3_stmt *letters = outbox->statements[which];
    int result = sqlite3_step(letters);
    bool memory = true;
    for (; memory && result == SQLITE_ROW && parcel->count < PARCEL_LETTERS_MAX;
         result = sqlite3_step(letters)) {
        struct outbox_letter *letter = &parcel->letters[parcel->count++];
        letter->id = sqlite3_column_int64(letters, 0);
        letter->body = copy_text(letters, 1);
        letter->details = copy_text(letters, 2);
        memory = letter->body != NULL && letter->details != NULL;
    }
    bool ended = result == SQLITE_DONE || result == SQLITE_ROW;
    return sqlite3_reset(letters) == SQLITE_OK && ended && memory;
}

/* The next ones, as they are. */
static bool take_some(struct outbox *outbox, size_t most, wall_time now,
                      struct outbox_parcel *parcel)
{
    outbox_bind_integer(outbox, S_READY, 1, parcel->recipient);
    outbox_bind_integer(outbox, S_READY, 2, now.ns);
    outbox_bind_integer(outbox, S_READY, 3, (int64_t)most);
    bool good = read_letters(outbox, S_READY, parcel);
    parcel->messages = parcel->count;
    return good;
}

static bool read_size(struct outbox *outbox, struct outbox_parcel *parcel)
{
    sqlite3_stmt *size = outbox->statements[S_DIGEST_SIZE];
    bool found = false;
    outbox_bind_integer(outbox, S_DIGEST_SIZE, 1, parcel->recipient);
    outbox_bind_integer(outbox, S_DIGEST_SIZE, 2, parcel->digest);
    bool good = outbox_step_row(size, &found);
    if (found) {
        size_t series = (size_t)sqlite3_column_int64(size, 0);
        parcel->more = series > parcel->count ? series - parcel->count : 0;
        parcel->messages = (size_t)sqlite3_column_int64(size, 1);
    }
    return sqlite3_reset(size) == SQLITE_OK && good && found;
}

/* A digest that stays together from now on. */
static bool take_digest(struct outbox *outbox, const struct head *head, size_t most, wall_time now,
                        struct outbox_parcel *parcel)
{
    parcel->digest = head->id;
    if (head->parcel != 0) {
        parcel->digest = head->parcel;
    } else {
        outbox_bind_integer(outbox, S_GATHER, 1, parcel->recipient);
        outbox_bind_integer(outbox, S_GATHER, 2, parcel->digest);
        outbox_bind_integer(outbox, S_GATHER, 3, now.ns);
        if (!outbox_run(outbox, S_GATHER)) {
            return false;
        }
    }
    outbox_bind_integer(outbox, S_DIGEST, 1, parcel->recipient);
    outbox_bind_integer(outbox, S_DIGEST, 2, parcel->digest);
    outbox_bind_integer(outbox, S_DIGEST, 3, (int64_t)most);
    return read_letters(outbox, S_DIGEST, parcel) && read_size(outbox, parcel);
}

enum look { LOOK_TAKEN, LOOK_PUT_OFF, LOOK_FAILED };

/* Takes what is due to the parcel's recipient, or puts him off. */
static enum look look_at(struct outbox *outbox, const struct outbox_terms *terms, wall_time now,
                         struct outbox_parcel *parcel)
{
    struct head head = { 0 };
    bool found = false, good = false;
    if (!read_head(outbox, parcel->recipient, &head, &found)) {
        return LOOK_FAILED;
    }
    if (!found || (head.due_ns > now.ns && head.due_ns - now.ns <= WAIT_MOST_NS)) {
        good = put_off(outbox, parcel->recipient, found ? &head.due_ns : NULL, false);
        return good ? LOOK_PUT_OFF : LOOK_FAILED;
    }
    wall_time due = { head.due_ns > now.ns ? head.due_ns : now.ns };
    struct pace_turn turn = { PACE_ONE, now.ns };
    if (terms->digests && head.parcel == 0) {
        turn = pace_next(&terms->pace, &parcel->pace, head.created_ns, now);
    }
    if (turn.kind == PACE_WAIT) {
        return put_off(outbox, parcel->recipient, &turn.when_ns, true) ? LOOK_PUT_OFF : LOOK_FAILED;
    }
    parcel->tries = head.tries;
    parcel->refused_ns = head.refused_ns;
    if (head.parcel != 0 || turn.kind == PACE_ALL) {
        good = take_digest(outbox, &head, terms->most, due, parcel);
    } else {
        good = take_some(outbox, terms->digests ? 1 : terms->most, due, parcel);
    }
    good = good && parcel->count > 0 && (!terms->reports || outbox_number(outbox, parcel));
    return good ? LOOK_TAKEN : LOOK_FAILED;
}

static enum outbox_status take(struct outbox *outbox, const char *channel,
                               const struct outbox_terms *terms, wall_time now,
                               struct outbox_parcel *parcel, struct problem *problem)
{
    enum look look = LOOK_PUT_OFF;
    parcel->again_ns = now.ns;
    for (int i = 0; look == LOOK_PUT_OFF && i < LOOKS_MAX; i++) {
        bool found = false;
        int64_t next_ns = 0;
        if (!read_recipient(outbox, channel, parcel, &next_ns, &found)) {
            look = LOOK_FAILED;
        } else if (!found || (next_ns > now.ns && next_ns - now.ns <= WAIT_MOST_NS)) {
            parcel->again_ns = found ? next_ns : INT64_MAX;
            return OUTBOX_NONE;
        } else {
            look = look_at(outbox, terms, now, parcel);
        }
    }
    if (look == LOOK_FAILED) {
        return outbox_failed(outbox, outbox->sender, "take", problem);
    }
    return look == LOOK_TAKEN ? OUTBOX_OK : OUTBOX_NONE;
}

enum outbox_status outbox_take(struct outbox *outbox, const char *channel,
                               const struct outbox_terms *terms, wall_time now,
                               struct outbox_parcel *parcel, struct problem *problem)
{
    outbox_parcel_clear(parcel);
    enum outbox_status status = outbox_enter(outbox, problem);
    if (status == OUTBOX_OK) {
        status = take(outbox, channel, terms, now, parcel, problem);
    }
    return outbox_leave(outbox, status);
}

void outbox_parcel_clear(struct outbox_parcel *parcel)
{
    for (size_t i = 0; i < parcel->count; i++) {
        free(parcel->letters[i].body);
        free(parcel->letters[i].details);
    }
    *parcel = (struct outbox_parcel){ 0 };
}

/* --- what became of it ---------------------------------------------------------------- */

/* The recipient is looked at again when his next message is due. */
static bool settle(struct outbox *outbox, const struct outbox_parcel *parcel,
                   const struct pace_state *pace)
{
    outbox_bind_integer(outbox, S_SETTLE, 1, parcel->recipient);
    outbox_bind_integer(outbox, S_SETTLE, 2, pace->from_ns);
    outbox_bind_integer(outbox, S_SETTLE, 3, pace->count);
    return outbox_run(outbox, S_SETTLE);
}

static bool end_digest(struct outbox *outbox, const struct outbox_parcel *parcel,
                       enum message_state state, wall_time now, uint64_t *ended)
{
    outbox_bind_integer(outbox, S_END_PARCEL, 1, parcel->recipient);
    outbox_bind_integer(outbox, S_END_PARCEL, 2, parcel->digest);
    outbox_bind_integer(outbox, S_END_PARCEL, 3, state);
    outbox_bind_integer(outbox, S_END_PARCEL, 4, now.ns);
    if (!outbox_run(outbox, S_END_PARCEL)) {
        return false;
    }
    *ended = (uint64_t)sqlite3_changes(outbox->sender);
    outbox_bind_integer(outbox, S_PROMOTE_ALL, 1, parcel->recipient);
    return outbox_run(outbox, S_PROMOTE_ALL);
}

static bool end_each(struct outbox *outbox, const struct outbox_parcel *parcel,
                     enum message_state state, wall_time now, uint64_t *ended)
{
    for (size_t i = 0; i < parcel->count; i++) {
        bool waited = false;
        const struct message_id id = { parcel->recipient, parcel->letters[i].id };
        if (!outbox_end_message(outbox, S_END, S_PROMOTE, id, state, now.ns, &waited)) {
            return false;
        }
        *ended += waited;
    }
    return true;
}

/* Runs a change of the sender's in a transaction. */
static enum outbox_status transact(struct outbox *outbox, bool changed, struct problem *problem)
{
    if (changed && outbox_run(outbox, S_COMMIT)) {
        return OUTBOX_OK;
    }
    enum outbox_status status = outbox_failed(outbox, outbox->sender, "mark", problem);
    if (sqlite3_get_autocommit(outbox->sender) == 0) {
        (void)outbox_run(outbox, S_ROLLBACK);
    }
    return status;
}

static enum outbox_status mark(struct outbox *outbox, const struct outbox_parcel *parcel,
                               const struct outbox_terms *terms, enum outbox_end end, wall_time now,
                               struct problem *problem)
{
    enum message_state state = end == OUTBOX_SENT ? SENT : GIVEN_UP;
    struct pace_state pace = parcel->pace;
    struct report_effect effect = { .channel = "" };
    uint64_t ended = 0;
    bool digest = parcel->digest != 0;
    if (end == OUTBOX_SENT) {
        pace_sent(&terms->pace, &pace, digest, now);
    }
    bool changed = outbox_run(outbox, S_BEGIN) &&
                   (digest ? end_digest(outbox, parcel, state, now, &ended)
                           : end_each(outbox, parcel, state, now, &ended)) &&
                   (state != SENT || parcel->sending == 0 ||
                    outbox_settle_reports(outbox, parcel, now, &effect)) &&
                   settle(outbox, parcel, &pace);
    enum outbox_status status = transact(outbox, changed, problem);
    if (status == OUTBOX_OK) {
        outbox->counters.waiting -= ended;
        outbox->counters.sent += end == OUTBOX_SENT ? parcel->messages : 0;
        outbox->counters.failed += end == OUTBOX_GIVEN_UP ? ended : 0;
        outbox_count_effect(outbox, &effect);
    }
    return status;
}

enum outbox_status outbox_mark(struct outbox *outbox, const struct outbox_parcel *parcel,
                               const struct outbox_terms *terms, enum outbox_end end, wall_time now,
                               struct problem *problem)
{
    enum outbox_status status = outbox_enter(outbox, problem);
    if (status == OUTBOX_OK) {
        status = mark(outbox, parcel, terms, end, now, problem);
    }
    return outbox_leave(outbox, status);
}

static void bind_failure(struct outbox *outbox, enum statement which, const struct failure *failure)
{
    outbox_bind_integer(outbox, which, 2, failure->again.ns);
    outbox_bind_string(outbox, which, 3, failure->words);
    outbox_bind_integer(outbox, which, 4, failure->refused ? failure->now.ns : 0);
}

static bool fail_messages(struct outbox *outbox, const struct outbox_parcel *parcel,
                          const struct failure *failure)
{
    if (parcel->digest != 0) {
        bind_failure(outbox, S_FAIL_PARCEL, failure);
        outbox_bind_integer(outbox, S_FAIL_PARCEL, 1, parcel->recipient);
        outbox_bind_integer(outbox, S_FAIL_PARCEL, 5, parcel->digest);
        return outbox_run(outbox, S_FAIL_PARCEL);
    }
    bool good = true;
    for (size_t i = 0; good && i < parcel->count; i++) {
        bind_failure(outbox, S_FAIL, failure);
        outbox_bind_integer(outbox, S_FAIL, 1, parcel->recipient);
        outbox_bind_integer(outbox, S_FAIL, 5, parcel->letters[i].id);
        good = outbox_run(outbox, S_FAIL);
    }
    return good;
}

enum outbox_status outbox_fail(struct outbox *outbox, const struct outbox_parcel *parcel,
                               const struct failure *failure, struct problem *problem)
{
    enum outbox_status status = outbox_enter(outbox, problem);
    outbox->counters.retries++;
    if (status == OUTBOX_OK) {
        bool changed = outbox_run(outbox, S_BEGIN) && fail_messages(outbox, parcel, failure) &&
                       settle(outbox, parcel, &parcel->pace);
        status = transact(outbox, changed, problem);
    }
    return outbox_leave(outbox, status);
}

static bool retry(struct outbox *outbox, const char *channel, wall_time now)
{
    static const enum statement both[] = { S_RETRY, S_RETRY_RECIPIENTS };
    bool good = outbox_run(outbox, S_BEGIN);
    for (size_t i = 0; good && i < 2; i++) {
        outbox_bind_string(outbox, both[i], 1, channel);
        outbox_bind_integer(outbox, both[i], 2, now.ns);
        good = outbox_run(outbox, both[i]);
    }
    return good;
}

enum outbox_status outbox_retry(struct outbox *outbox, const char *channel, wall_time now,
                                struct problem *problem)
{
    enum outbox_status status = outbox_enter(outbox, problem);
    if (status == OUTBOX_OK) {
        status = transact(outbox, retry(outbox, channel, now), problem);
    }
    return outbox_leave(outbox, status);
}

/* --- channels that are gone ------------------------------------------------------------- */

static bool channel_known(const char *id, const struct channel_settings *channels, size_t count)
{
    bool known = strcmp(id, CHANNEL_RETAINED) == 0;
    for (size_t i = 0; i < count && !known; i++) {
        known = strcmp(id, channels[i].id) == 0;
    }
    return known;
}

/* Finds one channel with waiting messages that is not among those known. The name is to be freed.
 */
static bool find_unknown(struct outbox *outbox, const struct channel_settings *channels,
                         size_t count, char **unknown)
{
    sqlite3_stmt *waiting = outbox->statements[S_WAITING];
    *unknown = NULL;
    int result = sqlite3_step(waiting);
    while (result == SQLITE_ROW) {
        const char *id = (const char *)sqlite3_column_text(waiting, 0);
        if (id != NULL && !channel_known(id, channels, count)) {
            *unknown = strdup(id);
            break;
        }
        result = sqlite3_step(waiting);
    }
    bool sound = sqlite3_reset(waiting) == SQLITE_OK;
    return sound && (result == SQLITE_DONE || *unknown != NULL);
}

static bool give_up_channel(struct outbox *outbox, const char *channel, uint64_t *given_up)
{
    outbox_bind_string(outbox, S_UNKNOWN, 1, channel);
    outbox_bind_string(outbox, S_UNKNOWN_RECIPIENTS, 1, channel);
    if (!outbox_run(outbox, S_UNKNOWN)) {
        return false;
    }
    uint64_t changed = (uint64_t)sqlite3_changes(outbox->sender);
    outbox->counters.waiting -= changed;
    outbox->counters.failed += changed;
    *given_up += changed;
    return outbox_run(outbox, S_UNKNOWN_RECIPIENTS);
}

enum outbox_status outbox_give_up_unknown(struct outbox *outbox,
                                          const struct channel_settings *channels, size_t count,
                                          uint64_t *given_up, struct problem *problem)
{
    *given_up = 0;
    enum outbox_status status = outbox_enter(outbox, problem);
    bool more = true;
    while (more && status == OUTBOX_OK) { /* ends: each round takes one channel away */
        char *unknown = NULL;
        if (!find_unknown(outbox, channels, count, &unknown) ||
            (unknown != NULL && !give_up_channel(outbox, unknown, given_up))) {
            status = outbox_failed(outbox, outbox->sender, "give up", problem);
        }
        more = unknown != NULL;
        free(unknown);
    }
    return outbox_leave(outbox, status);
}
