/*
 * Delivery reports in the outbox: a sending gets a number, and what is reported of it changes its
 * messages. A number is forgotten with the last word, so that a report that comes again, or of an
 * earlier sending, names nothing.
 */
#include <stdio.h>

#include "notify/outbox_state.h"

#define WORDS_MAX 128 /* bytes of what is said of a failure */

/* --- the secret ---------------------------------------------------------------------- */

/* *found is false when there is none. */
static bool read_secret(struct outbox *outbox, bool *found)
{
    sqlite3_stmt *rows = NULL;
    *found = false;
    if (sqlite3_prepare_v2(outbox->writer, "SELECT bytes FROM secret", -1, &rows, NULL) !=
        SQLITE_OK) {
        return false;
    }
    bool good = outbox_step_row(rows, found);
    const void *bytes = *found ? sqlite3_column_blob(rows, 0) : NULL;
    *found = bytes != NULL && sqlite3_column_bytes(rows, 0) == REPORT_SECRET_BYTES;
    if (*found) {
        memcpy(outbox->secret, bytes, REPORT_SECRET_BYTES);
    }
    (void)sqlite3_finalize(rows);
    return good;
}

static bool write_secret(struct outbox *outbox)
{
    sqlite3_stmt *insert = NULL;
    bool good = sqlite3_prepare_v2(outbox->writer, "INSERT INTO secret VALUES (?1)", -1, &insert,
                                   NULL) == SQLITE_OK &&
                sqlite3_bind_blob(insert, 1, outbox->secret, REPORT_SECRET_BYTES, SQLITE_STATIC) ==
                    SQLITE_OK &&
                sqlite3_step(insert) == SQLITE_DONE;
    (void)sqlite3_finalize(insert);
    return good;
}

enum outbox_status outbox_read_secret(struct outbox *outbox, struct problem *problem)
{
    bool found = false;
    if (!read_secret(outbox, &found)) {
        return outbox_failed(outbox, outbox->writer, outbox->path, problem);
    }
    if (found) {
        return OUTBOX_OK;
    }
    if (!report_make_secret(outbox->secret)) {
        problem_set(problem, "outbox: no random bytes for a secret");
        return OUTBOX_FAILED;
    }
    return write_secret(outbox) ? OUTBOX_OK
                                : outbox_failed(outbox, outbox->writer, outbox->path, problem);
}

void outbox_copy_secret(struct outbox *outbox, unsigned char secret[REPORT_SECRET_BYTES])
{
    outbox_lock(outbox);
    memcpy(secret, outbox->secret, REPORT_SECRET_BYTES);
    outbox_unlock(outbox);
}

/* --- sendings ------------------------------------------------------------------------- */

bool outbox_number(struct outbox *outbox, struct outbox_parcel *parcel)
{
    bool digest = parcel->digest != 0;
    enum statement which = digest ? S_NUMBER_PARCEL : S_NUMBER;
    if (!report_make_number(&parcel->sending)) {
        return false;
    }
    outbox_bind_integer(outbox, which, 1, parcel->recipient);
    outbox_bind_integer(outbox, which, 2, digest ? parcel->digest : parcel->letters[0].id);
    outbox_bind_integer(outbox, which, 3, parcel->sending);
    return outbox_run(outbox, which);
}

/* The messages that went out together. */
struct sending {
    int64_t number, recipient;
    char channel[PHUSA_ID_MAX + 1], address[SUBSCRIBER_ADDRESS_MAX + 1];
    int64_t first_id;
    enum severity severity; /* the gravest */
    int64_t later;          /* the most often that one of them has failed */
    uint64_t waiting, sent; /* how many are not marked yet, and are */
    int outcome;            /* enum report_outcome; 0 = nothing has come */
    char report[CHANNEL_STATE_MAX + 1];
};

static bool find_sending(struct outbox *outbox, int64_t number, struct sending *sending,
                         bool *found)
{
    sqlite3_stmt *row = outbox->statements[S_SENDING];
    outbox_bind_integer(outbox, S_SENDING, 1, number);
    bool good = outbox_step_row(row, found);
    if (*found) {
        sending->number = number;
        sending->recipient = sqlite3_column_int64(row, 0);
        outbox_copy_column(row, 1, sending->channel, sizeof sending->channel);
        outbox_copy_column(row, 2, sending->address, sizeof sending->address);
        sending->first_id = sqlite3_column_int64(row, 3);
        sending->severity = (enum severity)sqlite3_column_int(row, 4);
        sending->later = sqlite3_column_int64(row, 5);
        sending->waiting = (uint64_t)sqlite3_column_int64(row, 6);
        sending->sent = (uint64_t)sqlite3_column_int64(row, 7);
        sending->outcome = sqlite3_column_int(row, 8);
        outbox_copy_column(row, 9, sending->report, sizeof sending->report);
    }
    return sqlite3_reset(row) == SQLITE_OK && good;
}

/* Of those of the recipient that wait, the oldest of each series is ready, and no other. */
static bool put_in_order(struct outbox *outbox, int64_t recipient)
{
    outbox_bind_integer(outbox, S_BEHIND_ALL, 1, recipient);
    outbox_bind_integer(outbox, S_PROMOTE_ALL, 1, recipient);
    return outbox_run(outbox, S_BEHIND_ALL) && outbox_run(outbox, S_PROMOTE_ALL);
}

/* Somebody is to look for messages to the recipient by then. */
static bool hasten(struct outbox *outbox, int64_t recipient, int64_t due_ns)
{
    outbox_bind_integer(outbox, S_HASTEN, 1, recipient);
    outbox_bind_integer(outbox, S_HASTEN, 2, due_ns);
    return outbox_run(outbox, S_HASTEN);
}

/* --- failed later ------------------------------------------------------------------------ */

/* When it may be tried again. */
static int64_t again_at(const struct outbox *outbox, const struct sending *sending, wall_time now)
{
    int64_t steps = sending->later < OUTBOX_AGAIN_MAX ? sending->later : OUTBOX_AGAIN_MAX;
    wall_time then = { now.ns + OUTBOX_AGAIN_FIRST_NS * (INT64_C(1) << steps) };
    return outbox->recipients == NULL
               ? then.ns
               : recipients_due_to(outbox->recipients, sending->channel, sending->address,
                                   sending->severity, then);
}

/* Runs one of the three ways a failed message can go; *count receives how many went it. */
static bool fail_some(struct outbox *outbox, enum statement which, uint64_t *count)
{
    bool good = outbox_run(outbox, which);
    *count = good ? (uint64_t)sqlite3_changes(outbox->sender) : 0;
    return good;
}

static bool fail_overtaken(struct outbox *outbox, const struct sending *sending, const char *state,
                           uint64_t *count)
{
    char words[WORDS_MAX];
    (void)snprintf(words, sizeof words,
                   "reported as failed (\"%s\"); a newer message has gone since", state);
    outbox_bind_integer(outbox, S_FAILED, 1, sending->number);
    outbox_bind_integer(outbox, S_FAILED, 2, sending->recipient);
    outbox_bind_integer(outbox, S_FAILED, 3, sending->first_id);
    outbox_bind_string(outbox, S_FAILED, 4, state);
    outbox_bind_string(outbox, S_FAILED, 5, words);
    return fail_some(outbox, S_FAILED, count);
}

static bool fail_too_often(struct outbox *outbox, const struct sending *sending, const char *state,
                           uint64_t *count)
{
    char words[WORDS_MAX];
    (void)snprintf(words, sizeof words,
                   "reported as failed (\"%s\"), given up after it was sent again %d times", state,
                   OUTBOX_AGAIN_MAX);
    outbox_bind_integer(outbox, S_FAILED_TOO_OFTEN, 1, sending->number);
    outbox_bind_string(outbox, S_FAILED_TOO_OFTEN, 2, state);
    outbox_bind_string(outbox, S_FAILED_TOO_OFTEN, 3, words);
    outbox_bind_integer(outbox, S_FAILED_TOO_OFTEN, 4, OUTBOX_AGAIN_MAX);
    return fail_some(outbox, S_FAILED_TOO_OFTEN, count);
}

static bool send_again(struct outbox *outbox, const struct sending *sending, const char *state,
                       int64_t due_ns, uint64_t *count)
{
    char words[WORDS_MAX];
    (void)snprintf(words, sizeof words, "reported as failed (\"%s\")", state);
    outbox_bind_integer(outbox, S_AGAIN, 1, sending->number);
    outbox_bind_string(outbox, S_AGAIN, 2, state);
    outbox_bind_string(outbox, S_AGAIN, 3, words);
    outbox_bind_integer(outbox, S_AGAIN, 4, due_ns);
    return fail_some(outbox, S_AGAIN, count);
}

/* Within a transaction. */
static bool fail_sending(struct outbox *outbox, const struct sending *sending, const char *state,
                         wall_time now, struct report_effect *effect)
{
    int64_t due_ns = again_at(outbox, sending, now);
    (void)snprintf(effect->channel, sizeof effect->channel, "%s", sending->channel);
    return fail_overtaken(outbox, sending, state, &effect->stale) &&
           fail_too_often(outbox, sending, state, &effect->given_up) &&
           send_again(outbox, sending, state, due_ns, &effect->again) &&
           put_in_order(outbox, sending->recipient) &&
           (effect->again == 0 || hasten(outbox, sending->recipient, due_ns));
}

bool outbox_settle_reports(struct outbox *outbox, const struct outbox_parcel *parcel, wall_time now,
                           struct report_effect *effect)
{
    struct sending sending;
    bool found = false;
    outbox_bind_integer(outbox, S_OVERTAKEN, 1, parcel->recipient);
    outbox_bind_integer(outbox, S_OVERTAKEN, 2, parcel->sending);
    if (!fail_some(outbox, S_OVERTAKEN, &effect->ended) ||
        (effect->ended > 0 && !put_in_order(outbox, parcel->recipient)) ||
        !find_sending(outbox, parcel->sending, &sending, &found)) {
        return false;
    }
    return !found || sending.outcome != REPORT_FAILED ||
           fail_sending(outbox, &sending, sending.report, now, effect);
}

/* --- delivered ------------------------------------------------------------------------------ */

/* Within a transaction. What waits of it (the mark is to come, or its try seemed to fail) need not
 * be sent any more. */
static bool end_delivered(struct outbox *outbox, const struct sending *sending, const char *state,
                          wall_time now, struct report_effect *effect)
{
    outbox_bind_integer(outbox, S_DELIVERED, 1, sending->number);
    outbox_bind_string(outbox, S_DELIVERED, 2, state);
    outbox_bind_integer(outbox, S_DELIVERED, 3, now.ns);
    (void)snprintf(effect->channel, sizeof effect->channel, "%s", sending->channel);
    effect->ended = sending->waiting;
    return fail_some(outbox, S_DELIVERED, &effect->delivered) &&
           (sending->waiting == 0 || (put_in_order(outbox, sending->recipient) &&
                                      hasten(outbox, sending->recipient, now.ns)));
}

/* --- what is counted ------------------------------------------------------------------------ */

/* NULL when there are CHANNELS_MAX others, which a change of names over reloads can bring. */
static struct outbox_reports *reports_of(struct outbox *outbox, const char *channel)
{
    for (size_t i = 0; i < outbox->report_channels; i++) {
        if (strcmp(outbox->reports[i].channel, channel) == 0) {
            return &outbox->reports[i];
        }
    }
    if (outbox->report_channels == CHANNELS_MAX) {
        return NULL;
    }
    struct outbox_reports *reports = &outbox->reports[outbox->report_channels++];
    (void)snprintf(reports->channel, sizeof reports->channel, "%s", channel);
    return reports;
}

void outbox_count_effect(struct outbox *outbox, const struct report_effect *effect)
{
    struct outbox_reports *reports =
        effect->channel[0] == '\0' ? NULL : reports_of(outbox, effect->channel);
    outbox->counters.waiting += effect->again - effect->ended;
    outbox->counters.failed += effect->given_up;
    if (reports != NULL) {
        reports->delivered += effect->delivered;
        reports->failed += effect->again + effect->given_up + effect->stale;
    }
}

/* A failure that came before the mark is counted with it. */
static void count_noted(struct outbox *outbox, const char *channel, enum report_outcome outcome)
{
    struct outbox_reports *reports = reports_of(outbox, channel);
    if (reports != NULL && outcome == REPORT_NOTED) {
        reports->noted++;
    }
}

size_t outbox_read_reports(struct outbox *outbox, struct outbox_reports reports[CHANNELS_MAX])
{
    outbox_lock(outbox);
    size_t count = outbox->report_channels;
    memcpy(reports, outbox->reports, count * sizeof *reports);
    outbox_unlock(outbox);
    return count;
}

/* --- a report ------------------------------------------------------------------------------- */

/* A report under way. */
struct taking {
    struct outbox *outbox;
    const struct channel_settings *channel;
    char state[CHANNEL_STATE_MAX + 1]; /* printable ASCII */
    wall_time now;
};

static bool note(const struct taking *taking, const struct sending *sending,
                 enum report_outcome outcome)
{
    struct outbox *outbox = taking->outbox;
    outbox_bind_integer(outbox, S_NOTE, 1, sending->number);
    outbox_bind_integer(outbox, S_NOTE, 2, outcome);
    outbox_bind_string(outbox, S_NOTE, 3, taking->state);
    return outbox_run(outbox, S_NOTE);
}

static enum outbox_reported reported_of(enum report_outcome outcome,
                                        const struct report_effect *effect)
{
    if (outcome == REPORT_DONE) {
        return OUTBOX_REPORT_DELIVERED;
    }
    return effect->again > 0 ? OUTBOX_REPORT_AGAIN : OUTBOX_REPORT_FAILED;
}

/* A failure waits for the disk: a message that nobody got would otherwise be lost with the power.
 * Anything else that the power takes away costs no more than that it is reported for nothing. */
static bool set_durable(struct outbox *outbox, bool durable)
{
    return sqlite3_exec(outbox->sender,
                        durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", NULL,
                        NULL, NULL) == SQLITE_OK;
}

/* The last word of a sending, in a transaction of its own. */
static bool conclude(const struct taking *taking, const struct sending *sending,
                     enum report_outcome outcome, struct report_effect *effect)
{
    struct outbox *outbox = taking->outbox;
    bool done = outcome == REPORT_DONE;
    bool good = set_durable(outbox, !done) && outbox_run(outbox, S_BEGIN) &&
                (done ? end_delivered(outbox, sending, taking->state, taking->now, effect)
                      : fail_sending(outbox, sending, taking->state, taking->now, effect)) &&
                outbox_run(outbox, S_COMMIT);
    if (!good && sqlite3_get_autocommit(outbox->sender) == 0) {
        (void)outbox_run(outbox, S_ROLLBACK);
    }
    return set_durable(outbox, false) && good;
}

static bool take_known(const struct taking *taking, const struct sending *sending,
                       enum report_outcome outcome, enum outbox_reported *reported)
{
    struct report_effect effect = { .channel = "" };
    if (outcome == REPORT_NOTED || (outcome == REPORT_FAILED && sending->sent == 0)) {
        *reported = OUTBOX_REPORT_NOTED;
        count_noted(taking->outbox, taking->channel->id, outcome);
        return note(taking, sending, outcome);
    }
    if (!conclude(taking, sending, outcome, &effect)) {
        return false;
    }
    outbox_count_effect(taking->outbox, &effect);
    *reported = reported_of(outcome, &effect);
    return true;
}

/* Something may still become of it: it was not given up or dropped, and no last word has come. */
static bool is_open(const struct sending *sending)
{
    return sending->waiting + sending->sent > 0 && sending->outcome <= REPORT_NOTED;
}

static enum outbox_reported take_proven(const struct taking *taking,
                                        const struct outbox_report *report, struct problem *problem)
{
    struct outbox *outbox = taking->outbox;
    struct sending sending;
    enum outbox_reported reported = OUTBOX_REPORT_UNCHANGED;
    bool found = false;
    bool good = find_sending(outbox, report_read_key(report->key), &sending, &found);
    bool wanted = found && report->state[0] != '\0' && is_open(&sending) &&
                  strcmp(sending.channel, taking->channel->id) == 0;
    if (good && wanted) {
        good =
            take_known(taking, &sending, report_judge(taking->channel, report->state), &reported);
    }
    if (!good) {
        (void)outbox_failed(outbox, outbox->sender, "report", problem);
        return OUTBOX_REPORT_LOST;
    }
    return reported;
}

/* The gateway's word as it is kept and shown. */
static void clean_state(const char *state, char out[CHANNEL_STATE_MAX + 1])
{
    size_t length = strnlen(state, CHANNEL_STATE_MAX);
    for (size_t i = 0; i < length; i++) {
        out[i] = state[i];
        if (state[i] < ' ' || state[i] > '~') {
            out[i] = '*';
        }
    }
    out[length] = '\0';
}

static bool is_proven(const struct outbox *outbox, const struct channel_settings *channel,
                      const struct outbox_report *report)
{
    struct phusa_text secret = { (const char *)outbox->secret, REPORT_SECRET_BYTES };
    if (channel->secret != NULL && channel->secret[0] != '\0') {
        secret = phusa_text_of(channel->secret);
    }
    return report_is_proven(secret, channel->id, report->key, report->proof);
}

enum outbox_reported outbox_take_report(struct outbox *outbox,
                                        const struct channel_settings *channel,
                                        const struct outbox_report *report, wall_time now,
                                        struct problem *problem)
{
    struct taking taking = { .outbox = outbox, .channel = channel, .now = now };
    enum outbox_reported reported = OUTBOX_REPORT_LOST;
    enum outbox_status status = outbox_enter(outbox, problem);
    if (status == OUTBOX_OK && (channel == NULL || !is_proven(outbox, channel, report))) {
        outbox->counters.unproven++;
        reported = OUTBOX_REPORT_UNPROVEN;
    } else if (status == OUTBOX_OK) {
        clean_state(report->state, taking.state);
        reported = take_proven(&taking, report, problem);
    }
    (void)outbox_leave(outbox, status);
    return reported;
}
