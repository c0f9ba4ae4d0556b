/*
 * The outbox is opened and closed, and its database asked. Its tables and invariants stand in
 * outbox_state.h.
 */
#include <stdio.h>
#include <stdlib.h>

#include "notify/damage.h"
#include "notify/outbox_state.h"

/* --- SQLite --------------------------------------------------------------------- */

enum outbox_status outbox_failed(struct outbox *outbox, sqlite3 *db, const char *what,
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

bool outbox_run(struct outbox *outbox, enum statement which)
{
    sqlite3_stmt *statement = outbox->statements[which];
    int result = sqlite3_step(statement);
    return sqlite3_reset(statement) == SQLITE_OK && (result == SQLITE_DONE || result == SQLITE_ROW);
}

void outbox_bind_integer(struct outbox *outbox, enum statement which, int at, int64_t value)
{
    (void)sqlite3_bind_int64(outbox->statements[which], at, value);
}

void outbox_bind_text(struct outbox *outbox, enum statement which, int at, struct phusa_text text)
{
    (void)sqlite3_bind_text(outbox->statements[which], at, text.data == NULL ? "" : text.data,
                            (int)text.length, SQLITE_STATIC);
}

void outbox_bind_string(struct outbox *outbox, enum statement which, int at, const char *text)
{
    outbox_bind_text(outbox, which, at, phusa_text_of(text));
}

/* --- open and close --------------------------------------------------------------- */

bool outbox_step_row(sqlite3_stmt *statement, bool *found)
{
    int result = sqlite3_step(statement);
    *found = result == SQLITE_ROW;
    return result == SQLITE_ROW || result == SQLITE_DONE;
}

bool outbox_query_integer(sqlite3 *db, const char *query, int64_t *value)
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
        sqlite3_exec(*db, "PRAGMA cache_size = -4096", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(*db, synchronous, NULL, NULL, NULL) != SQLITE_OK) {
        return outbox_failed(outbox, *db, outbox->path, problem);
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
    return OUTBOX_OK;
}

/* A statement that cannot be prepared misses its table: that is damage too. */
static enum outbox_status prepare(struct outbox *outbox, struct problem *problem)
{
    for (size_t i = 0; i < STATEMENTS; i++) {
        sqlite3 *db = connection_of(outbox, (enum statement)i);
        int code = sqlite3_prepare_v3(db, outbox_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                      &outbox->statements[i], NULL);
        if (code != SQLITE_OK) {
            outbox->damaged = outbox->damaged || code == SQLITE_ERROR;
            return outbox_failed(outbox, db, "prepare", problem);
        }
    }
    return OUTBOX_OK;
}

void outbox_forget_recipients(struct outbox *outbox)
{
    recipients_free(outbox->recipients);
    free(outbox->slots);
    free(outbox->touched);
    outbox->recipients = NULL;
    outbox->slots = NULL;
    outbox->touched = NULL;
    outbox->touched_count = 0;
    outbox->settings = NULL;
}

void outbox_forget_slots(struct outbox *outbox)
{
    size_t count = outbox->recipients == NULL ? 0 : recipients_slots(outbox->recipients);
    for (size_t i = 0; i < count; i++) {
        outbox->slots[i] = (struct known_slot){ 0 };
    }
    outbox->touched_count = 0;
}

static enum outbox_status read_state(struct outbox *outbox, struct problem *problem)
{
    int64_t position = 0, waiting = 0, newest = 0, newest_event = 0, last_message = 0;
    sqlite3 *db = outbox->writer;
    if (!outbox_query_integer(db, "SELECT value FROM meta WHERE name = 'position'", &position) ||
        !outbox_query_integer(db, "SELECT count(*) FROM message WHERE state < 2", &waiting) ||
        !outbox_query_integer(db, "SELECT max(id) FROM transition", &newest) ||
        !outbox_query_integer(db, "SELECT max(id) FROM event", &newest_event) ||
        !outbox_query_integer(db, "SELECT value FROM meta WHERE name = 'message'", &last_message)) {
        return outbox_failed(outbox, db, outbox->path, problem);
    }
    outbox->position = (uint64_t)position;
    outbox->counters.waiting = (uint64_t)waiting;
    outbox->newest = newest;
    outbox->newest_event = newest_event;
    outbox->trimmed = outbox->swept = 0;
    outbox->last_message = last_message;
    outbox_forget_slots(outbox);
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
        outbox_make_schema(outbox, problem) != OUTBOX_OK ||
        check_whole(outbox, problem) != OUTBOX_OK ||
        connect(outbox, "PRAGMA synchronous = NORMAL", &outbox->sender, problem) != OUTBOX_OK ||
        prepare(outbox, problem) != OUTBOX_OK || read_state(outbox, problem) != OUTBOX_OK ||
        outbox_read_secret(outbox, problem) != OUTBOX_OK) {
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
    (void)pthread_mutex_init(&(*outbox)->turn, NULL);
    (void)pthread_mutex_init(&(*outbox)->lock, NULL);
    (*outbox)->waiting_max = OUTBOX_WAITING_MAX;
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

struct outbox *outbox_open_read(const char *path, struct problem *problem)
{
    struct outbox *outbox = calloc(1, sizeof *outbox);
    char *copy = strdup(path);
    if (outbox == NULL || copy == NULL) {
        free(outbox);
        free(copy);
        problem_set(problem, "outbox: out of memory");
        return NULL;
    }
    (void)pthread_mutex_init(&outbox->turn, NULL);
    (void)pthread_mutex_init(&outbox->lock, NULL);
    outbox->path = copy;
    outbox->read_only = true;
    if (!outbox_can_be_read(outbox, problem)) {
        outbox_close(outbox);
        return NULL;
    }
    return outbox;
}

void outbox_close(struct outbox *outbox)
{
    if (outbox == NULL) {
        return;
    }
    close_all(outbox);
    outbox_forget_recipients(outbox);
    (void)pthread_mutex_destroy(&outbox->lock);
    (void)pthread_mutex_destroy(&outbox->turn);
    free(outbox->path);
    free(outbox);
}

enum outbox_status outbox_enter(struct outbox *outbox, struct problem *problem)
{
    outbox_lock(outbox);
    if (outbox->read_only) {
        problem_set(problem, "outbox: opened for reading only");
        return OUTBOX_FAILED;
    }
    if (outbox->damaged) {
        return replace(outbox, problem);
    }
    return outbox->open || open_or_replace(outbox, problem) != OUTBOX_FAILED ? OUTBOX_OK
                                                                             : OUTBOX_FAILED;
}

enum outbox_status outbox_leave(struct outbox *outbox, enum outbox_status status)
{
    outbox_unlock(outbox);
    return status;
}

void outbox_limit_waiting(struct outbox *outbox, uint64_t most)
{
    outbox_lock(outbox);
    outbox->waiting_max = most;
    outbox_unlock(outbox);
}

void outbox_copy_column(sqlite3_stmt *statement, int column, char *text, size_t capacity)
{
    const char *value = (const char *)sqlite3_column_text(statement, column);
    (void)snprintf(text, capacity, "%s", value == NULL ? "" : value);
}

void outbox_read_counters(struct outbox *outbox, struct outbox_counters *counters)
{
    outbox_lock(outbox);
    *counters = outbox->counters;
    outbox_unlock(outbox);
}

void outbox_count_retry(struct outbox *outbox)
{
    outbox_lock(outbox);
    outbox->counters.retries++;
    outbox_unlock(outbox);
}
