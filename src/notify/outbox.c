/*
 * The outbox: one SQLite file, PRAGMA user_version = 1.
 *
 * meta(name, value)   `position`: the highest journal position committed.
 * transition          every change of an alarm's state. Kept for OUTBOX_TRANSITIONS_KEEP_NS, at
 *                     most OUTBOX_TRANSITIONS_MAX of them; but what a series was told last
 *                     stays as long as it is not normal.
 * message             what one channel is to be told of one transition; `state` is
 *                     0 behind another of its series, 1 ready, 2 sent, 3 given up, 4 dropped.
 *
 * A series is one rule and station (and so one parameter). Invariant: of the
 * waiting messages (state 0 or 1) of one channel and series exactly the
 * oldest is ready. So the next message of a channel is its lowest ready id, and
 * whatever ends a ready message makes the next of its series ready in
 * the same transaction.
 *
 * Two connections, one lock. `writer` commits with synchronous=FULL: what a commit
 * said is on disk. `sender` marks with synchronous=NORMAL: a mark that the
 * power takes away costs one message sent twice, and no sync. The lock
 * keeps both from meeting in SQLite, where waiting means polling.
 *
 * A database that turns out damaged, when it is opened or later, is set aside whole and a new
 * one begun: people are told what happens from then on, and the journal still has the rest.
 */
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "notify/damage.h"
#include "notify/delivery.h"

#define SCHEMA_VERSION  1
#define BUSY_TIMEOUT_MS 5000 /* for another program that reads or keeps the file */
#define PRUNE_STEP      256  /* messages removed at a commit, besides twice those it adds */
#define TRIM_STEP       64   /* transitions looked at for it, besides twice those it adds */

enum state { BEHIND = 0, READY = 1, SENT = 2, GIVEN_UP = 3, DROPPED = 4 };

static const char schema[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE transition("
    " id INTEGER PRIMARY KEY, position INTEGER NOT NULL, key TEXT NOT NULL, rule TEXT NOT NULL,"
    " site TEXT NOT NULL, station TEXT NOT NULL, parameter TEXT NOT NULL,"
    " time_ns INTEGER NOT NULL, since_ns INTEGER NOT NULL, before TEXT NOT NULL,"
    " after TEXT NOT NULL, value REAL, historical INTEGER NOT NULL, told INTEGER NOT NULL,"
    " changed INTEGER NOT NULL," /* 0: told late, the change itself has a row of its own */
    " committed_ns INTEGER NOT NULL);"
    "CREATE INDEX transition_time ON transition(time_ns);"
    "CREATE TABLE message("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, transition_id INTEGER NOT NULL, channel TEXT NOT NULL,"
    " series TEXT NOT NULL, key TEXT NOT NULL, topic TEXT NOT NULL, body TEXT NOT NULL,"
    " state INTEGER NOT NULL, created_ns INTEGER NOT NULL);"
    "CREATE INDEX message_series ON message(channel, series) WHERE state < 2;"
    "CREATE INDEX message_ready ON message(channel) WHERE state = 1;"
    "CREATE INDEX message_oldest ON message(state) WHERE state = 1;"
    "CREATE INDEX message_done ON message(created_ns) WHERE state >= 2;"
    "PRAGMA user_version = 1;";

/* Came later; without it a database is slower, and none the worse. */
static const char told_index[] = "CREATE INDEX IF NOT EXISTS transition_told"
                                 " ON transition(rule, station, parameter, id) WHERE told = 1";

enum statement {
    W_BEGIN,
    W_COMMIT,
    W_ROLLBACK,
    W_POSITION,
    W_TRANSITION,
    W_MESSAGE,
    W_OLDEST,
    W_END,
    W_PROMOTE,
    W_PRUNE,
    W_EXPIRED,
    W_TRIM,
    WRITER_STATEMENTS,
    S_BEGIN = WRITER_STATEMENTS,
    S_COMMIT,
    S_ROLLBACK,
    S_TAKE,
    S_END,
    S_PROMOTE,
    S_WAITING,
    S_UNKNOWN,
    STATEMENTS
};

#define END_SQL "UPDATE message SET state = ?2 WHERE id = ?1 AND state < 2"
#define PROMOTE_SQL                                                                                \
    "UPDATE message SET state = 1 WHERE id = (SELECT min(w.id) FROM message w, message d"          \
    " WHERE d.id = ?1 AND w.channel = d.channel AND w.series = d.series AND w.state < 2)"

static const char *const sql[STATEMENTS] = {
    [W_BEGIN] = "BEGIN IMMEDIATE",
    [W_COMMIT] = "COMMIT",
    [W_ROLLBACK] = "ROLLBACK",
    [W_POSITION] = "INSERT INTO meta VALUES ('position', ?1)"
                   " ON CONFLICT(name) DO UPDATE SET value = max(value, excluded.value)",
    [W_TRANSITION] =
        "INSERT INTO transition(position, key, rule, site, station, parameter, time_ns,"
        " since_ns, before, after, value, historical, told, committed_ns, changed)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    [W_MESSAGE] =
        "INSERT INTO message(transition_id, channel, series, key, topic, body, created_ns,"
        " state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7,"
        " NOT EXISTS (SELECT 1 FROM message WHERE channel = ?2 AND series = ?3"
        " AND state < 2))",
    [W_OLDEST] = "SELECT min(id) FROM message WHERE state = 1",
    [W_END] = END_SQL,
    [W_PROMOTE] = PROMOTE_SQL,
    [W_PRUNE] = "DELETE FROM message WHERE id IN (SELECT id FROM message WHERE state >= 2"
                " AND created_ns < ?1 ORDER BY created_ns LIMIT ?2)",
    [W_EXPIRED] = "SELECT max(id) FROM (SELECT id, committed_ns FROM transition WHERE id > ?1"
                  " ORDER BY id LIMIT ?2) WHERE committed_ns < ?3 OR id <= ?4",
    [W_TRIM] = "DELETE FROM transition WHERE id IN (SELECT id FROM transition t WHERE id <= ?1"
               " AND (told = 0 OR after = 'normal' OR EXISTS (SELECT 1 FROM transition later"
               " WHERE later.told = 1 AND later.rule = t.rule AND later.station = t.station"
               " AND later.parameter = t.parameter AND later.id > t.id)))",
    [S_BEGIN] = "BEGIN IMMEDIATE",
    [S_COMMIT] = "COMMIT",
    [S_ROLLBACK] = "ROLLBACK",
    [S_TAKE] = "SELECT id, key, topic, body FROM message INDEXED BY message_ready WHERE channel = "
               "?1 AND state = 1 ORDER BY id",
    [S_END] = END_SQL,
    [S_PROMOTE] = PROMOTE_SQL,
    [S_WAITING] = "SELECT DISTINCT channel FROM message WHERE state < 2",
    [S_UNKNOWN] = "UPDATE message SET state = 3 WHERE channel = ?1 AND state < 2",
};

struct outbox {
    pthread_mutex_t lock; /* guards all below */
    sqlite3 *writer, *sender;
    sqlite3_stmt *statements[STATEMENTS];
    struct outbox_counters counters;
    char *path;
    bool damaged;      /* a call met damage: the next replaces the database */
    bool open;         /* false only after a replacement that could not be finished */
    uint64_t position; /* the highest committed, when it was opened */
    int64_t newest;    /* id of a transition; 0 = there is none */
    int64_t trimmed;   /* up to this id all transitions were looked at and what may go has gone */
};

/* --- SQLite --------------------------------------------------------------------- */

/* To be called right after what failed. */
static enum outbox_status failed(struct outbox *outbox, sqlite3 *db, const char *what,
                                 struct problem *problem)
{
    outbox->damaged = outbox->damaged || damage_met(db);
    problem_set(problem, "outbox: %s: %s", what, db == NULL ? "out of memory" : sqlite3_errmsg(db));
    return OUTBOX_FAILED;
}

static sqlite3 *connection_of(const struct outbox *outbox, enum statement which)
{
    return which < WRITER_STATEMENTS ? outbox->writer : outbox->sender;
}

/* Runs a prepared statement to its end and leaves it ready for the next time. */
static bool run(struct outbox *outbox, enum statement which)
{
    sqlite3_stmt *statement = outbox->statements[which];
    int result = sqlite3_step(statement);
    return sqlite3_reset(statement) == SQLITE_OK && (result == SQLITE_DONE || result == SQLITE_ROW);
}

static void bind_integer(struct outbox *outbox, enum statement which, int at, int64_t value)
{
    (void)sqlite3_bind_int64(outbox->statements[which], at, value);
}

/* The text must live until the statement has run. */
static void bind_text(struct outbox *outbox, enum statement which, int at, struct phusa_text text)
{
    (void)sqlite3_bind_text(outbox->statements[which], at, text.data == NULL ? "" : text.data,
                            (int)text.length, SQLITE_STATIC);
}

static void bind_string(struct outbox *outbox, enum statement which, int at, const char *text)
{
    bind_text(outbox, which, at, phusa_text_of(text));
}

/* --- open and close --------------------------------------------------------------- */

static bool query_integer(sqlite3 *db, const char *query, int64_t *value)
{
    sqlite3_stmt *statement = NULL;
    *value = 0;
    if (sqlite3_prepare_v2(db, query, -1, &statement, NULL) != SQLITE_OK) {
        return false;
    }
    int result = sqlite3_step(statement);
    if (result == SQLITE_ROW) {
        *value = sqlite3_column_int64(statement, 0);
    }
    (void)sqlite3_finalize(statement);
    return result == SQLITE_ROW || result == SQLITE_DONE;
}

static enum outbox_status connect(struct outbox *outbox, const char *synchronous, sqlite3 **db,
                                  struct problem *problem)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int keep = 1; /* its files beside the database: a full disk would not let them be made anew */
    if (sqlite3_open_v2(outbox->path, db, flags, NULL) != SQLITE_OK ||
        sqlite3_busy_timeout(*db, BUSY_TIMEOUT_MS) != SQLITE_OK ||
        sqlite3_exec(*db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_file_control(*db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep) != SQLITE_OK ||
        sqlite3_exec(*db, synchronous, NULL, NULL, NULL) != SQLITE_OK) {
        return failed(outbox, *db, outbox->path, problem);
    }
    return OUTBOX_OK;
}

static enum outbox_status make_schema(struct outbox *outbox, struct problem *problem)
{
    sqlite3 *db = outbox->writer;
    int64_t version = 0, tables = 0;
    if (!query_integer(db, "PRAGMA user_version", &version) ||
        !query_integer(db, "SELECT count(*) FROM sqlite_master", &tables)) {
        return failed(outbox, db, outbox->path, problem);
    }
    if (version == SCHEMA_VERSION) {
        return OUTBOX_OK;
    }
    if (version != 0 || tables != 0) {
        problem_set(problem, "outbox: %s is no outbox of version %d (user_version %lld)",
                    outbox->path, SCHEMA_VERSION, (long long)version);
        return OUTBOX_FAILED;
    }
    if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(db, schema, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) {
        return failed(outbox, db, outbox->path, problem);
    }
    return OUTBOX_OK;
}

/* Of our version, but damaged all the same? */
static enum outbox_status check_whole(struct outbox *outbox, struct problem *problem)
{
    enum damage damage = damage_look(outbox->writer, problem);
    outbox->damaged = outbox->damaged || damage == DAMAGE_FOUND;
    if (damage != DAMAGE_NONE) {
        return OUTBOX_FAILED;
    }
    (void)sqlite3_exec(outbox->writer, told_index, NULL, NULL, NULL); /* a full disk has time */
    return OUTBOX_OK;
}

/* A statement that cannot be prepared misses its table: that is damage too. */
static enum outbox_status prepare(struct outbox *outbox, struct problem *problem)
{
    for (size_t i = 0; i < STATEMENTS; i++) {
        sqlite3 *db = connection_of(outbox, (enum statement)i);
        int code = sqlite3_prepare_v3(db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                      &outbox->statements[i], NULL);
        if (code != SQLITE_OK) {
            outbox->damaged = outbox->damaged || code == SQLITE_ERROR;
            return failed(outbox, db, "prepare", problem);
        }
    }
    return OUTBOX_OK;
}

static enum outbox_status read_state(struct outbox *outbox, struct problem *problem)
{
    int64_t position = 0, waiting = 0, newest = 0;
    sqlite3 *db = outbox->writer;
    if (!query_integer(db, "SELECT value FROM meta WHERE name = 'position'", &position) ||
        !query_integer(db, "SELECT count(*) FROM message WHERE state < 2", &waiting) ||
        !query_integer(db, "SELECT max(id) FROM transition", &newest)) {
        return failed(outbox, db, outbox->path, problem);
    }
    outbox->position = (uint64_t)position;
    outbox->counters.waiting = (uint64_t)waiting;
    outbox->newest = newest;
    outbox->trimmed = 0;
    return OUTBOX_OK;
}

static void close_all(struct outbox *outbox)
{
    for (size_t i = 0; i < STATEMENTS; i++) {
        (void)sqlite3_finalize(outbox->statements[i]);
        outbox->statements[i] = NULL;
    }
    (void)sqlite3_close(outbox->sender);
    (void)sqlite3_close(outbox->writer);
    outbox->sender = outbox->writer = NULL;
    outbox->open = false;
}

static enum outbox_status open_all(struct outbox *outbox, struct problem *problem)
{
    if (connect(outbox, "PRAGMA synchronous = FULL", &outbox->writer, problem) != OUTBOX_OK ||
        make_schema(outbox, problem) != OUTBOX_OK || check_whole(outbox, problem) != OUTBOX_OK ||
        connect(outbox, "PRAGMA synchronous = NORMAL", &outbox->sender, problem) != OUTBOX_OK ||
        prepare(outbox, problem) != OUTBOX_OK || read_state(outbox, problem) != OUTBOX_OK) {
        close_all(outbox);
        return OUTBOX_FAILED;
    }
    outbox->open = true;
    return OUTBOX_OK;
}

/* Sets the damaged database aside and begins a new one. */
static enum outbox_status replace(struct outbox *outbox, struct problem *problem)
{
    close_all(outbox);
    if (!damage_set_aside(outbox->path, problem)) {
        return OUTBOX_FAILED;
    }
    outbox->damaged = false;
    outbox->counters.replaced++;
    return open_all(outbox, problem);
}

static enum outbox_status open_or_replace(struct outbox *outbox, struct problem *problem)
{
    enum outbox_status status = open_all(outbox, problem);
    if (status == OUTBOX_OK || !outbox->damaged) {
        return status;
    }
    struct problem next = { "" };
    status = replace(outbox, &next);
    if (status != OUTBOX_OK) {
        problem_set(problem, "%s", next.text);
        return status;
    }
    return OUTBOX_REPLACED;
}

enum outbox_status outbox_open(const char *path, struct outbox **outbox, uint64_t *position,
                               struct problem *problem)
{
    *position = 0;
    *outbox = calloc(1, sizeof **outbox);
    if (*outbox == NULL) {
        problem_set(problem, "outbox: out of memory");
        return OUTBOX_FAILED;
    }
    (void)pthread_mutex_init(&(*outbox)->lock, NULL);
    (*outbox)->path = strdup(path);
    enum outbox_status status = OUTBOX_FAILED;
    if ((*outbox)->path == NULL) {
        problem_set(problem, "outbox: out of memory");
    } else {
        status = open_or_replace(*outbox, problem);
    }
    *position = (*outbox)->position;
    if (status == OUTBOX_FAILED) {
        outbox_close(*outbox);
        *outbox = NULL;
    }
    return status;
}

void outbox_close(struct outbox *outbox)
{
    if (outbox == NULL) {
        return;
    }
    close_all(outbox);
    (void)pthread_mutex_destroy(&outbox->lock);
    free(outbox->path);
    free(outbox);
}

/* Takes the lock, and mends first what an earlier call left. To be followed by leave in any case.
 */
static enum outbox_status enter(struct outbox *outbox, struct problem *problem)
{
    (void)pthread_mutex_lock(&outbox->lock);
    if (outbox->damaged) {
        return replace(outbox, problem);
    }
    return outbox->open || open_or_replace(outbox, problem) != OUTBOX_FAILED ? OUTBOX_OK
                                                                             : OUTBOX_FAILED;
}

static enum outbox_status leave(struct outbox *outbox, enum outbox_status status)
{
    (void)pthread_mutex_unlock(&outbox->lock);
    return status;
}

/* --- commit ------------------------------------------------------------------------- */

/* One notice in the making: what its messages have in common. */
struct entry {
    const struct notice *notice;
    struct outbox_message message;
    char series[2 * PHUSA_TOPIC_MAX];
    int64_t transition_id;
    wall_time now;
};

bool outbox_describe(const struct notice *notice, struct outbox_message *message)
{
    struct phusa_topic topic = {
        .site = phusa_text_of(notice->station->site),
        .station = phusa_text_of(notice->station->id),
        .leaf = PHUSA_LEAF_ALARM,
        .rest = phusa_text_of(notice->rule->id),
    };
    message->id = 0;
    message->length = notice_json(notice, message->body, sizeof message->body);
    return notice_key(notice, message->key) && message->length > 0 &&
           phusa_topic_print(&topic, message->topic, sizeof message->topic) > 0;
}

static bool describe(struct entry *entry, const struct notice *notice, wall_time now)
{
    entry->notice = notice;
    entry->now = now;
    (void)snprintf(entry->series, sizeof entry->series, "%s/%s", notice->rule->id,
                   notice->station->id);
    return outbox_describe(notice, &entry->message);
}

static bool insert_transition(struct outbox *outbox, struct entry *entry)
{
    const struct notice *notice = entry->notice;
    bind_integer(outbox, W_TRANSITION, 1, (int64_t)notice->position);
    bind_string(outbox, W_TRANSITION, 2, entry->message.key);
    bind_string(outbox, W_TRANSITION, 3, notice->rule->id);
    bind_string(outbox, W_TRANSITION, 4, notice->station->site);
    bind_string(outbox, W_TRANSITION, 5, notice->station->id);
    bind_text(outbox, W_TRANSITION, 6, notice->rule->parameter->name);
    bind_integer(outbox, W_TRANSITION, 7, notice->time_ns);
    bind_integer(outbox, W_TRANSITION, 8, notice->since_ns);
    bind_string(outbox, W_TRANSITION, 9, severity_name(notice->from));
    bind_string(outbox, W_TRANSITION, 10, severity_name(notice->to));
    (void)sqlite3_bind_double(outbox->statements[W_TRANSITION], 11, notice->value);
    bind_integer(outbox, W_TRANSITION, 12, notice->historical);
    bind_integer(outbox, W_TRANSITION, 13, notice->tell);
    bind_integer(outbox, W_TRANSITION, 14, entry->now.ns);
    bind_integer(outbox, W_TRANSITION, 15, notice->transition);
    if (!run(outbox, W_TRANSITION)) {
        return false;
    }
    entry->transition_id = sqlite3_last_insert_rowid(outbox->writer);
    outbox->newest = entry->transition_id;
    return true;
}

static bool insert_message(struct outbox *outbox, const struct entry *entry, const char *channel,
                           const char *topic, struct phusa_text body)
{
    bind_integer(outbox, W_MESSAGE, 1, entry->transition_id);
    bind_string(outbox, W_MESSAGE, 2, channel);
    bind_string(outbox, W_MESSAGE, 3, entry->series);
    bind_string(outbox, W_MESSAGE, 4, entry->message.key);
    bind_string(outbox, W_MESSAGE, 5, topic);
    bind_text(outbox, W_MESSAGE, 6, body);
    bind_integer(outbox, W_MESSAGE, 7, entry->now.ns);
    return run(outbox, W_MESSAGE);
}

/* Adds what the notice brings; *added counts its messages. */
static bool insert_notice(struct outbox *outbox, struct entry *entry,
                          const struct channel_settings *channels, uint64_t *added)
{
    const struct notice *notice = entry->notice;
    const struct phusa_text body = { entry->message.body, entry->message.length };
    if (!insert_transition(outbox, entry)) {
        return false;
    }
    if (!notice->tell) {
        return true;
    }
    for (size_t i = 0; i < notice->rule->channel_count; i++) {
        const char *channel = channels[notice->rule->channels[i]].id;
        if (!insert_message(outbox, entry, channel, "", body)) {
            return false;
        }
    }
    bool normal = notice->to == SEVERITY_NORMAL;
    *added += notice->rule->channel_count + 1;
    return insert_message(outbox, entry, CHANNEL_RETAINED, entry->message.topic,
                          normal ? PHUSA_TEXT("") : body);
}

/* Ends a waiting message and makes the next of its series ready. *ended tells whether it waited. */
static bool end_message(struct outbox *outbox, enum statement end, enum statement promote,
                        int64_t id, enum state state, bool *ended)
{
    bind_integer(outbox, end, 1, id);
    bind_integer(outbox, end, 2, state);
    if (!run(outbox, end)) {
        return false;
    }
    *ended = sqlite3_changes(connection_of(outbox, end)) > 0;
    if (!*ended) {
        return true;
    }
    bind_integer(outbox, promote, 1, id);
    return run(outbox, promote);
}

/* Drops the oldest until no more than OUTBOX_WAITING_MAX wait. The oldest of all is always ready.
 */
static bool drop_surplus(struct outbox *outbox, uint64_t waiting, uint64_t *dropped)
{
    for (*dropped = 0; waiting - *dropped > OUTBOX_WAITING_MAX; ++*dropped) {
        sqlite3_stmt *oldest = outbox->statements[W_OLDEST];
        bool found = sqlite3_step(oldest) == SQLITE_ROW;
        int64_t id = found ? sqlite3_column_int64(oldest, 0) : 0;
        bool ended = false;
        if (sqlite3_reset(oldest) != SQLITE_OK || !found ||
            !end_message(outbox, W_END, W_PROMOTE, id, DROPPED, &ended) || !ended) {
            return false;
        }
    }
    return true;
}

static bool prune(struct outbox *outbox, wall_time now, uint64_t added)
{
    bind_integer(outbox, W_PRUNE, 1, now.ns - OUTBOX_KEEP_NS);
    bind_integer(outbox, W_PRUNE, 2, (int64_t)(PRUNE_STEP + 2 * added));
    return run(outbox, W_PRUNE);
}

/* The last of the next few transitions that need not be kept any longer; 0 if there is none. */
static bool find_expired(struct outbox *outbox, wall_time now, size_t added, int64_t *expired)
{
    sqlite3_stmt *find = outbox->statements[W_EXPIRED];
    bind_integer(outbox, W_EXPIRED, 1, outbox->trimmed);
    bind_integer(outbox, W_EXPIRED, 2, (int64_t)(TRIM_STEP + 2 * added));
    bind_integer(outbox, W_EXPIRED, 3, now.ns - OUTBOX_TRANSITIONS_KEEP_NS);
    bind_integer(outbox, W_EXPIRED, 4, outbox->newest - OUTBOX_TRANSITIONS_MAX);
    bool found = sqlite3_step(find) == SQLITE_ROW;
    *expired = found ? sqlite3_column_int64(find, 0) : 0; /* NULL reads as 0 */
    return sqlite3_reset(find) == SQLITE_OK && found;
}

/* Those that were kept earlier, as the last told of their series, are looked at again: otherwise
 * one of them would count as the last once its follower is gone. */
static bool trim(struct outbox *outbox, wall_time now, size_t added, int64_t *trimmed)
{
    *trimmed = outbox->trimmed;
    int64_t expired = 0;
    if (!find_expired(outbox, now, added, &expired)) {
        return false;
    }
    if (expired == 0) {
        return true;
    }
    *trimmed = expired;
    bind_integer(outbox, W_TRIM, 1, expired);
    return run(outbox, W_TRIM);
}

/* A batch to commit, and what it comes to. */
struct batch {
    const struct notice *notices;
    size_t count;
    const struct channel_settings *channels;
    uint64_t position;
    wall_time now;
    uint64_t added, dropped;
    int64_t trimmed;
};

static enum outbox_status fill(struct outbox *outbox, struct batch *batch, struct problem *problem)
{
    struct entry entry;
    for (size_t i = 0; i < batch->count; i++) {
        if (!describe(&entry, &batch->notices[i], batch->now)) {
            problem_set(problem, "outbox: no message can be made of rule %s at station %s",
                        batch->notices[i].rule->id, batch->notices[i].station->id);
            return OUTBOX_FAILED;
        }
        if (!insert_notice(outbox, &entry, batch->channels, &batch->added)) {
            return failed(outbox, outbox->writer, "commit", problem);
        }
    }
    bind_integer(outbox, W_POSITION, 1, (int64_t)batch->position);
    if (!run(outbox, W_POSITION) ||
        !drop_surplus(outbox, outbox->counters.waiting + batch->added, &batch->dropped) ||
        !prune(outbox, batch->now, batch->added) ||
        !trim(outbox, batch->now, batch->count, &batch->trimmed)) {
        return failed(outbox, outbox->writer, "commit", problem);
    }
    return OUTBOX_OK;
}

static enum outbox_status commit(struct outbox *outbox, struct batch *batch,
                                 struct problem *problem)
{
    if (!run(outbox, W_BEGIN)) {
        return failed(outbox, outbox->writer, "begin", problem);
    }
    enum outbox_status status = fill(outbox, batch, problem);
    if (status == OUTBOX_OK && !run(outbox, W_COMMIT)) {
        status = failed(outbox, outbox->writer, "commit", problem);
    }
    if (status != OUTBOX_OK && sqlite3_get_autocommit(outbox->writer) == 0) {
        (void)run(outbox, W_ROLLBACK);
    }
    return status;
}

enum outbox_status outbox_commit(struct outbox *outbox, const struct notice *notices, size_t count,
                                 const struct channel_settings *channels, uint64_t position,
                                 wall_time now, struct problem *problem)
{
    struct batch batch = { notices, count, channels, position, now, 0, 0, 0 };
    enum outbox_status status = enter(outbox, problem);
    if (status == OUTBOX_OK) {
        status = commit(outbox, &batch, problem);
    }
    if (status == OUTBOX_OK) {
        outbox->trimmed = batch.trimmed;
        outbox->counters.transitions += count;
        outbox->counters.waiting += batch.added - batch.dropped;
        outbox->counters.dropped += batch.dropped;
    }
    return leave(outbox, status);
}

static void copy_column(sqlite3_stmt *statement, int column, char *text, size_t capacity)
{
    const char *value = (const char *)sqlite3_column_text(statement, column);
    (void)snprintf(text, capacity, "%s", value == NULL ? "" : value);
}

static enum severity severity_of(const char *name)
{
    enum severity severity = SEVERITY_EXTREME;
    while (severity > SEVERITY_NORMAL && strcmp(severity_name(severity), name) != 0) {
        severity--;
    }
    return severity;
}

bool outbox_each_told(struct outbox *outbox,
                      void (*visit)(void *context, const struct outbox_told *told), void *context)
{
    static const char query[] =
        "SELECT rule, site, station, parameter, after, value FROM transition WHERE id IN"
        " (SELECT max(id) FROM transition WHERE told = 1 GROUP BY rule, station, parameter)";
    sqlite3_stmt *statement = NULL;
    bool good = enter(outbox, NULL) == OUTBOX_OK &&
                sqlite3_prepare_v2(outbox->writer, query, -1, &statement, NULL) == SQLITE_OK;
    int step = SQLITE_DONE;
    while (good && (step = sqlite3_step(statement)) == SQLITE_ROW) {
        struct outbox_told told = { 0 };
        char after[16];
        copy_column(statement, 0, told.rule, sizeof told.rule);
        copy_column(statement, 1, told.site, sizeof told.site);
        copy_column(statement, 2, told.station, sizeof told.station);
        copy_column(statement, 3, told.parameter, sizeof told.parameter);
        copy_column(statement, 4, after, sizeof after);
        told.severity = severity_of(after);
        told.value = sqlite3_column_double(statement, 5);
        visit(context, &told);
    }
    good = good && step == SQLITE_DONE;
    if (!good) {
        (void)failed(outbox, outbox->writer, "told", NULL);
    }
    (void)sqlite3_finalize(statement);
    (void)leave(outbox, OUTBOX_OK);
    return good;
}

void outbox_read_counters(struct outbox *outbox, struct outbox_counters *counters)
{
    (void)pthread_mutex_lock(&outbox->lock);
    *counters = outbox->counters;
    (void)pthread_mutex_unlock(&outbox->lock);
}

void outbox_count_retry(struct outbox *outbox)
{
    (void)pthread_mutex_lock(&outbox->lock);
    outbox->counters.retries++;
    (void)pthread_mutex_unlock(&outbox->lock);
}

/* --- the sender's side ------------------------------------------------------------- */

static bool contains(const int64_t *ids, size_t count, int64_t id)
{
    for (size_t i = 0; i < count; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

static enum outbox_status take(struct outbox *outbox, const char *channel, const int64_t *skip,
                               size_t skip_count, struct outbox_message *message,
                               struct problem *problem)
{
    sqlite3_stmt *next = outbox->statements[S_TAKE];
    bind_string(outbox, S_TAKE, 1, channel);
    int result = sqlite3_step(next);
    while (result == SQLITE_ROW && contains(skip, skip_count, sqlite3_column_int64(next, 0))) {
        result = sqlite3_step(next);
    }
    if (result == SQLITE_ROW) {
        message->id = sqlite3_column_int64(next, 0);
        copy_column(next, 1, message->key, sizeof message->key);
        copy_column(next, 2, message->topic, sizeof message->topic);
        copy_column(next, 3, message->body, sizeof message->body);
        message->length = strlen(message->body);
    }
    if (sqlite3_reset(next) != SQLITE_OK || (result != SQLITE_ROW && result != SQLITE_DONE)) {
        return failed(outbox, outbox->sender, "take", problem);
    }
    return result == SQLITE_ROW ? OUTBOX_OK : OUTBOX_NONE;
}

enum outbox_status outbox_take(struct outbox *outbox, const char *channel, const int64_t *skip,
                               size_t skip_count, struct outbox_message *message,
                               struct problem *problem)
{
    enum outbox_status status = enter(outbox, problem);
    if (status == OUTBOX_OK) {
        status = take(outbox, channel, skip, skip_count, message, problem);
    }
    return leave(outbox, status);
}

static enum outbox_status mark(struct outbox *outbox, int64_t id, enum outbox_end end,
                               struct problem *problem)
{
    bool ended = false;
    enum state state = end == OUTBOX_SENT ? SENT : GIVEN_UP;
    if (!run(outbox, S_BEGIN)) {
        return failed(outbox, outbox->sender, "mark", problem);
    }
    if (!end_message(outbox, S_END, S_PROMOTE, id, state, &ended) || !run(outbox, S_COMMIT)) {
        enum outbox_status status = failed(outbox, outbox->sender, "mark", problem);
        (void)run(outbox, S_ROLLBACK);
        return status;
    }
    outbox->counters.waiting -= ended;
    outbox->counters.sent += end == OUTBOX_SENT;
    outbox->counters.failed += ended && end == OUTBOX_GIVEN_UP;
    return OUTBOX_OK;
}

enum outbox_status outbox_mark(struct outbox *outbox, int64_t id, enum outbox_end end,
                               struct problem *problem)
{
    enum outbox_status status = enter(outbox, problem);
    if (status == OUTBOX_OK) {
        status = mark(outbox, id, end, problem);
    }
    return leave(outbox, status);
}

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
    bind_string(outbox, S_UNKNOWN, 1, channel);
    if (!run(outbox, S_UNKNOWN)) {
        return false;
    }
    uint64_t changed = (uint64_t)sqlite3_changes(outbox->sender);
    outbox->counters.waiting -= changed;
    outbox->counters.failed += changed;
    *given_up += changed;
    return true;
}

enum outbox_status outbox_give_up_unknown(struct outbox *outbox,
                                          const struct channel_settings *channels, size_t count,
                                          uint64_t *given_up, struct problem *problem)
{
    *given_up = 0;
    enum outbox_status status = enter(outbox, problem);
    bool more = true;
    while (more && status == OUTBOX_OK) { /* ends: each round takes one channel away */
        char *unknown = NULL;
        if (!find_unknown(outbox, channels, count, &unknown) ||
            (unknown != NULL && !give_up_channel(outbox, unknown, given_up))) {
            status = failed(outbox, outbox->sender, "give up", problem);
        }
        more = unknown != NULL;
        free(unknown);
    }
    return leave(outbox, status);
}
