/*
 * What the outbox knows, for people and for channels that tell the whole state. Each list is read
 * by a connection of its own, at one moment of the database: it waits for nobody and delays nobody.
 */
#include <math.h>

#include "notify/outbox_state.h"

/* NULL when it cannot be opened. */
static sqlite3 *open_reader(const struct outbox *outbox, struct problem *problem)
{
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(outbox->path, &db, flags, NULL) == SQLITE_OK &&
        sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS) == SQLITE_OK) {
        return db;
    }
    problem_set(problem, "outbox: %s: %s", outbox->path,
                db == NULL ? "out of memory" : sqlite3_errmsg(db));
    (void)sqlite3_close(db);
    return NULL;
}

bool outbox_can_be_read(struct outbox *outbox, struct problem *problem)
{
    sqlite3 *db = open_reader(outbox, problem);
    int64_t version = 0;
    if (db == NULL) {
        return false;
    }
    bool read = outbox_query_integer(db, "PRAGMA user_version", &version);
    if (!read) {
        problem_set(problem, "outbox: %s: %s", outbox->path, sqlite3_errmsg(db));
    } else if (version != OUTBOX_VERSION) {
        problem_set(problem, "outbox: %s is no outbox of version %d (user_version %lld)",
                    outbox->path, OUTBOX_VERSION, (long long)version);
    }
    (void)sqlite3_close(db);
    return read && version == OUTBOX_VERSION;
}

/* A list under way. */
struct list {
    sqlite3 *db;
    sqlite3_stmt *rows;
};

static bool list_open(const struct outbox *outbox, const char *query, struct list *list)
{
    list->rows = NULL;
    list->db = open_reader(outbox, NULL);
    return list->db != NULL &&
           sqlite3_prepare_v2(list->db, query, -1, &list->rows, NULL) == SQLITE_OK;
}

static void list_close(struct list *list)
{
    (void)sqlite3_finalize(list->rows);
    (void)sqlite3_close(list->db);
}

/* NULL for no text binds NULL, which a query takes as "any". */
static void bind_any(struct list *list, int at, const char *text)
{
    if (text == NULL) {
        (void)sqlite3_bind_null(list->rows, at);
    } else {
        (void)sqlite3_bind_text(list->rows, at, text, -1, SQLITE_STATIC);
    }
}

#define COPY(list, column, text) outbox_copy_column((list)->rows, (column), (text), sizeof(text))

static enum severity severity_at(struct list *list, int column)
{
    char name[16];
    COPY(list, column, name);
    enum severity severity = SEVERITY_EXTREME;
    while (severity > SEVERITY_NORMAL && strcmp(severity_name(severity), name) != 0) {
        severity--;
    }
    return severity;
}

static double double_at(struct list *list, int column)
{
    return sqlite3_column_type(list->rows, column) == SQLITE_NULL
               ? (double)NAN
               : sqlite3_column_double(list->rows, column);
}

/* --- what was told ---------------------------------------------------------------------- */

bool outbox_each_told(struct outbox *outbox,
                      void (*visit)(void *context, const struct outbox_told *told), void *context)
{
    struct list list;
    struct outbox_told told = { 0 };
    int step = SQLITE_ERROR;
    if (list_open(outbox,
                  "SELECT s.rule, s.site, s.station, s.parameter, s.severity, s.value, t.position"
                  " FROM series s LEFT JOIN transition t ON t.id = s.told"
                  " WHERE s.told > 0 ORDER BY s.told",
                  &list)) {
        while ((step = sqlite3_step(list.rows)) == SQLITE_ROW) {
            COPY(&list, 0, told.rule);
            COPY(&list, 1, told.site);
            COPY(&list, 2, told.station);
            COPY(&list, 3, told.parameter);
            told.severity = (enum severity)sqlite3_column_int(list.rows, 4);
            told.value = sqlite3_column_double(list.rows, 5);
            told.position = (uint64_t)sqlite3_column_int64(list.rows, 6);
            visit(context, &told);
        }
    }
    list_close(&list);
    return step == SQLITE_DONE;
}

bool outbox_each_active(struct outbox *outbox, const char *channel,
                        void (*visit)(void *context, const struct letter *letter), void *context)
{
    struct list list;
    int step = SQLITE_ERROR;
    if (list_open(outbox,
                  "SELECT l.body, l.details FROM series s JOIN letter l ON l.id = s.told"
                  " WHERE s.severity > 0 AND instr(s.channels, ',' || ?1 || ',') > 0"
                  " ORDER BY s.severity DESC, s.told DESC",
                  &list)) {
        bind_any(&list, 1, channel);
        while ((step = sqlite3_step(list.rows)) == SQLITE_ROW) {
            struct letter letter;
            struct letter_store *store = NULL;
            const char *body = (const char *)sqlite3_column_text(list.rows, 0);
            const char *details = (const char *)sqlite3_column_text(list.rows, 1);
            if (letter_read(phusa_text_of(body), phusa_text_of(details), &letter, &store)) {
                visit(context, &letter);
            }
            letter_store_free(store);
        }
    }
    list_close(&list);
    return step == SQLITE_DONE;
}

/* --- the log of messages ------------------------------------------------------------------ */

static const char messages_sql[] =
    "SELECT m.id, t.key, t.rule, t.site, t.station, t.before, t.after, t.time_ns, r.channel,"
    " r.address, r.subscriber, m.state, m.created_ns, m.due_ns, m.sent_ns, m.tries, m.problem,"
    " m.parcel, m.report, m.sending IS NOT NULL AND m.outcome IS NULL FROM message m LEFT JOIN "
    "transition t ON t.id = m.transition_id"
    " LEFT JOIN recipient r ON r.id = m.recipient"
    " WHERE m.id < ?1 AND (?2 IS NULL OR r.channel = ?2) AND (?3 IS NULL OR t.rule = ?3)"
    " AND (?4 IS NULL OR t.station = ?4) AND (?5 = 0 OR m.state < 2)"
    " ORDER BY m.id DESC LIMIT ?6";

static enum outbox_stage stage_of(struct list *list)
{
    switch (sqlite3_column_int(list->rows, 11)) {
    case SENT:
        return OUTBOX_STAGE_SENT;
    case GIVEN_UP:
        return OUTBOX_STAGE_GIVEN_UP;
    case DROPPED:
        return OUTBOX_STAGE_DROPPED;
    case DELIVERED:
        return OUTBOX_STAGE_DELIVERED;
    case FAILED_LATER:
        return OUTBOX_STAGE_FAILED;
    default:
        return OUTBOX_STAGE_WAITING;
    }
}

static bool was_sent(enum outbox_stage stage)
{
    return stage == OUTBOX_STAGE_SENT || stage == OUTBOX_STAGE_DELIVERED ||
           stage == OUTBOX_STAGE_FAILED;
}

static void read_message(struct list *list, struct outbox_message *message)
{
    message->id = sqlite3_column_int64(list->rows, 0);
    COPY(list, 1, message->key);
    COPY(list, 2, message->rule);
    COPY(list, 3, message->site);
    COPY(list, 4, message->station);
    message->from = severity_at(list, 5);
    message->to = severity_at(list, 6);
    message->time_ns = sqlite3_column_int64(list->rows, 7);
    COPY(list, 8, message->channel);
    COPY(list, 9, message->recipient);
    message->subscriber = sqlite3_column_int(list->rows, 10) != 0;
    message->stage = stage_of(list);
    message->created_ns = sqlite3_column_int64(list->rows, 12);
    message->due_ns = sqlite3_column_int64(list->rows, 13);
    message->sent_ns = was_sent(message->stage) ? sqlite3_column_int64(list->rows, 14) : 0;
    message->tries = (uint32_t)sqlite3_column_int64(list->rows, 15);
    COPY(list, 16, message->problem);
    message->digest = sqlite3_column_int64(list->rows, 17);
    COPY(list, 18, message->report);
    message->awaited =
        message->stage == OUTBOX_STAGE_SENT && sqlite3_column_int(list->rows, 19) != 0;
}

bool outbox_each_message(struct outbox *outbox, const struct outbox_filter *filter,
                         void (*visit)(void *context, const struct outbox_message *message),
                         void *context)
{
    struct list list;
    struct outbox_message message;
    int step = SQLITE_ERROR;
    size_t most =
        filter->most == 0 || filter->most > OUTBOX_PAGE_MAX ? OUTBOX_PAGE_MAX : filter->most;
    if (list_open(outbox, messages_sql, &list)) {
        (void)sqlite3_bind_int64(list.rows, 1,
                                 filter->before_id == 0 ? INT64_MAX : filter->before_id);
        bind_any(&list, 2, filter->channel);
        bind_any(&list, 3, filter->rule);
        bind_any(&list, 4, filter->station);
        (void)sqlite3_bind_int(list.rows, 5, filter->waiting);
        (void)sqlite3_bind_int64(list.rows, 6, (int64_t)most);
        while ((step = sqlite3_step(list.rows)) == SQLITE_ROW) {
            read_message(&list, &message);
            visit(context, &message);
        }
    }
    list_close(&list);
    return step == SQLITE_DONE;
}

bool outbox_count_overdue(struct outbox *outbox, const char *channel, int64_t before_ns,
                          uint64_t *count)
{
    struct list list;
    int step = SQLITE_ERROR;
    *count = 0;
    if (list_open(outbox,
                  "SELECT count(*) FROM (SELECT 1 FROM message m INDEXED BY message_awaited"
                  " CROSS JOIN recipient r ON r.id = m.recipient WHERE m.sending IS NOT NULL"
                  " AND m.state = 2 AND m.sent_ns < ?2 AND r.channel = ?1 LIMIT ?3)",
                  &list)) {
        bind_any(&list, 1, channel);
        (void)sqlite3_bind_int64(list.rows, 2, before_ns);
        (void)sqlite3_bind_int64(list.rows, 3, OUTBOX_OVERDUE_MAX);
        step = sqlite3_step(list.rows);
        *count = step == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(list.rows, 0) : 0;
    }
    list_close(&list);
    return step == SQLITE_ROW;
}

/* --- the history of alarms ------------------------------------------------------------------ */

/* Tellings that an event brought have their event; the others stand for themselves. */
static const char events_sql[] =
    "SELECT time_ns, committed_ns, position, rule, site, station, parameter, NULL, before, after,"
    " value, historical, told, changed, '', '', 0, life, id FROM transition"
    " WHERE event IS NULL AND (?1 IS NULL OR rule = ?1) AND (?2 IS NULL OR station = ?2)"
    " AND time_ns >= ?3 AND time_ns < ?4"
    " UNION ALL SELECT time_ns, committed_ns, position, rule, site, station, parameter, event,"
    " severity, severity, NULL, 0, 0, 0, who, text, until_ns, life, id FROM event"
    " WHERE (?1 IS NULL OR rule = ?1) AND (?2 IS NULL OR station = ?2)"
    " AND time_ns >= ?3 AND time_ns < ?4"
    " ORDER BY 1, 2, 3, 19";

static void read_event(struct list *list, struct outbox_event *event)
{
    sqlite3_stmt *rows = list->rows;
    event->time_ns = sqlite3_column_int64(rows, 0);
    event->committed_ns = sqlite3_column_int64(rows, 1);
    event->position = (uint64_t)sqlite3_column_int64(rows, 2);
    COPY(list, 3, event->rule);
    COPY(list, 4, event->site);
    COPY(list, 5, event->station);
    COPY(list, 6, event->parameter);
    COPY(list, 7, event->event);
    event->from = severity_at(list, 8);
    event->to = severity_at(list, 9);
    event->value = double_at(list, 10);
    event->historical = sqlite3_column_int(rows, 11) != 0;
    event->told = sqlite3_column_int(rows, 12) != 0;
    event->changed = sqlite3_column_int(rows, 13) != 0;
    event->who = (const char *)sqlite3_column_text(rows, 14);
    event->text = (const char *)sqlite3_column_text(rows, 15);
    event->who = event->who == NULL ? "" : event->who;
    event->text = event->text == NULL ? "" : event->text;
    event->until_ns = sqlite3_column_int64(rows, 16);
    COPY(list, 17, event->life);
}

bool outbox_each_event(struct outbox *outbox, const char *rule, const char *station,
                       int64_t from_ns, int64_t to_ns,
                       bool (*visit)(void *context, const struct outbox_event *event),
                       void *context)
{
    struct list list;
    struct outbox_event event;
    int step = SQLITE_ERROR;
    if (list_open(outbox, events_sql, &list)) {
        bind_any(&list, 1, rule);
        bind_any(&list, 2, station);
        (void)sqlite3_bind_int64(list.rows, 3, from_ns);
        (void)sqlite3_bind_int64(list.rows, 4, to_ns);
        bool more = true;
        while (more && (step = sqlite3_step(list.rows)) == SQLITE_ROW) {
            read_event(&list, &event);
            more = visit(context, &event);
        }
    }
    list_close(&list);
    return step == SQLITE_DONE || step == SQLITE_ROW;
}
