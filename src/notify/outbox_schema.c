/* The tables of the outbox, what is asked of them, and how those of versions 1 and 2 are made
 * over. */
#include "notify/outbox_state.h"

static const char common[] =
    "CREATE TABLE series("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, rule TEXT NOT NULL, site TEXT NOT NULL,"
    " station TEXT NOT NULL, parameter TEXT NOT NULL, told INTEGER NOT NULL,"
    " severity INTEGER NOT NULL, value REAL, channels TEXT NOT NULL,"
    " UNIQUE(rule, station, parameter));"
    "CREATE INDEX series_active ON series(told) WHERE severity > 0;"
    "CREATE TABLE event("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, position INTEGER NOT NULL, time_ns INTEGER NOT NULL,"
    " rule TEXT NOT NULL, site TEXT NOT NULL, station TEXT NOT NULL, parameter TEXT NOT NULL,"
    " event TEXT NOT NULL, severity TEXT NOT NULL, who TEXT NOT NULL, text TEXT NOT NULL,"
    " until_ns INTEGER NOT NULL, life TEXT NOT NULL, committed_ns INTEGER NOT NULL);"
    "CREATE INDEX event_time ON event(time_ns);"
    "CREATE TABLE letter("
    " id INTEGER PRIMARY KEY, body TEXT NOT NULL, details TEXT NOT NULL,"
    " created_ns INTEGER NOT NULL);"
    "CREATE TABLE recipient("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, address TEXT NOT NULL,"
    " language INTEGER NOT NULL, subscriber INTEGER NOT NULL, burst_ns INTEGER NOT NULL,"
    " burst_count INTEGER NOT NULL, gathering INTEGER NOT NULL, next_ns INTEGER,"
    " used_ns INTEGER NOT NULL, UNIQUE(channel, address));"
    "CREATE INDEX recipient_next ON recipient(channel, next_ns) WHERE next_ns IS NOT NULL;"
    "CREATE INDEX recipient_used ON recipient(used_ns) WHERE next_ns IS NULL;"
    "CREATE TABLE message("
    " recipient INTEGER NOT NULL, id INTEGER NOT NULL, transition_id INTEGER NOT NULL, series "
    "INTEGER NOT NULL, severity INTEGER NOT NULL,"
    " state INTEGER NOT NULL, parcel INTEGER NOT NULL, created_ns INTEGER NOT NULL,"
    " due_ns INTEGER NOT NULL, sent_ns INTEGER, tries INTEGER NOT NULL, refused_ns INTEGER,"
    " problem TEXT, sending INTEGER, outcome INTEGER, report TEXT, later INTEGER NOT NULL DEFAULT"
    " 0, PRIMARY KEY(recipient, id)) WITHOUT ROWID;"
    "CREATE INDEX message_series ON message(recipient, series) WHERE state < 2;"
    "CREATE INDEX message_ready ON message(recipient, due_ns) WHERE state = 1;";

/* That of version 1, with two columns more. */
static const char own[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE transition("
    " id INTEGER PRIMARY KEY, position INTEGER NOT NULL, key TEXT NOT NULL, rule TEXT NOT NULL,"
    " site TEXT NOT NULL, station TEXT NOT NULL, parameter TEXT NOT NULL,"
    " time_ns INTEGER NOT NULL, since_ns INTEGER NOT NULL, before TEXT NOT NULL,"
    " after TEXT NOT NULL, value REAL, historical INTEGER NOT NULL, told INTEGER NOT NULL,"
    " changed INTEGER NOT NULL," /* 0: told late, the change itself has a row of its own */
    " committed_ns INTEGER NOT NULL, life TEXT NOT NULL DEFAULT '', event TEXT);"
    "CREATE INDEX transition_time ON transition(time_ns);";

static const char reports[] =
    "CREATE TABLE secret(bytes BLOB NOT NULL);"
    "CREATE INDEX message_sending ON message(sending) WHERE sending IS NOT NULL;"
    "CREATE INDEX message_awaited ON message(sent_ns) WHERE sending IS NOT NULL AND state = 2;"
    "CREATE INDEX message_later ON message(recipient) WHERE state < 2 AND later > 0;";

static const char now_ours[] = "PRAGMA user_version = 3;";

/* Version 2 knew of no delivery reports. */
static const char add_reports[] =
    "ALTER TABLE message ADD COLUMN sending INTEGER;"
    "ALTER TABLE message ADD COLUMN outcome INTEGER;"
    "ALTER TABLE message ADD COLUMN report TEXT;"
    "ALTER TABLE message ADD COLUMN later INTEGER NOT NULL DEFAULT 0;";

/*
 * Version 1 had a body in each message and no recipients. Every message becomes one to its
 * channel's only recipient. A transition whose only message was the empty one that clears the
 * alarm topic gets a body that says no more than which topic that is.
 */
static const char make_room[] =
    "ALTER TABLE message RENAME TO message_1;"
    "DROP INDEX IF EXISTS message_series; DROP INDEX IF EXISTS message_ready;"
    "DROP INDEX IF EXISTS message_oldest; DROP INDEX IF EXISTS message_done;"
    "DROP INDEX IF EXISTS transition_told;"
    "ALTER TABLE transition ADD COLUMN life TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE transition ADD COLUMN event TEXT;";

static const char make_over[] =
    "CREATE INDEX message_1_transition ON message_1(transition_id);"
    "INSERT INTO series(rule, site, station, parameter, told, severity, value, channels)"
    " SELECT t.rule, t.site, t.station, t.parameter, t.id, CASE t.after WHEN 'minor' THEN 1"
    "  WHEN 'moderate' THEN 2 WHEN 'severe' THEN 3 WHEN 'extreme' THEN 4 ELSE 0 END, t.value,"
    "  coalesce((SELECT ',' || group_concat(m.channel) || ',' FROM message_1 m"
    "   WHERE m.transition_id = t.id AND m.channel <> ''), '')"
    " FROM transition t WHERE t.id IN"
    "  (SELECT max(id) FROM transition WHERE told = 1 GROUP BY rule, station, parameter);"
    "CREATE TEMP TABLE series_name(name TEXT PRIMARY KEY, id INTEGER);"
    "INSERT OR IGNORE INTO series_name SELECT rule || '/' || station, id FROM series;"
    /* messages whose transition is gone */
    "INSERT INTO series(rule, site, station, parameter, told, severity, channels)"
    " SELECT substr(name, 1, instr(name, '/') - 1), '', substr(name, instr(name, '/') + 1), '', 0,"
    "  0, '' FROM (SELECT DISTINCT series AS name FROM message_1)"
    " WHERE name NOT IN (SELECT name FROM series_name);"
    "INSERT OR IGNORE INTO series_name SELECT rule || '/' || station, id FROM series;"
    "INSERT INTO letter SELECT m.transition_id, coalesce(nullif(max(m.body), ''), json_object("
    " 'rule', t.rule, 'site', t.site, 'station', t.station, 'parameter', t.parameter, 'from',"
    " t.before, 'to', t.after, 'time', t.time_ns / 1000000000, 'key', t.key)), '', "
    "max(m.created_ns)"
    " FROM message_1 m JOIN transition t ON t.id = m.transition_id GROUP BY m.transition_id;"
    "INSERT INTO recipient(channel, address, language, subscriber, burst_ns, burst_count,"
    " gathering, next_ns, used_ns) SELECT channel, '', 0, 0, 0, 0, 0,"
    " CASE WHEN min(state) < 2 THEN 0 END, max(created_ns) FROM message_1 GROUP BY channel;"
    "INSERT INTO message(id, transition_id, recipient, series, severity, state, parcel,"
    " created_ns, due_ns, tries) SELECT m.id, m.transition_id, r.id, n.id, s.severity, m.state, 0,"
    " m.created_ns, m.created_ns, 0 FROM message_1 m JOIN recipient r ON r.channel = m.channel"
    " JOIN series_name n ON n.name = m.series JOIN series s ON s.id = n.id;"
    "INSERT INTO meta SELECT 'message', coalesce(max(id), 0) FROM message_1;"
    "DROP TABLE series_name; DROP TABLE message_1;";

static const char *const schema[] = { own, common, reports, now_ours, NULL };
static const char *const from_1[] = { make_room, common, make_over, reports, now_ours, NULL };
static const char *const from_2[] = { add_reports, reports, now_ours, NULL };

#define END_SQL                                                                                    \
    "UPDATE message SET state = ?3, sent_ns = ?4, tries = tries + (?3 = 2)"                        \
    " WHERE recipient = ?1 AND id = ?2 AND state < 2"
#define PROMOTE_SQL                                                                                \
    "UPDATE message SET state = 1 WHERE recipient = ?1 AND id = (SELECT min(id) FROM message"      \
    " WHERE recipient = ?1 AND state < 2 AND series ="                                             \
    " (SELECT series FROM message WHERE recipient = ?1 AND id = ?2))"
#define FAIL_SQL                                                                                   \
    "UPDATE message SET tries = tries + 1, due_ns = max(due_ns, ?2), problem = ?3,"                \
    " refused_ns = CASE WHEN ?4 = 0 THEN NULL ELSE coalesce(refused_ns, ?4) END"

const char *const outbox_sql[STATEMENTS] = {
    [W_BEGIN] = "BEGIN IMMEDIATE",
    [W_COMMIT] = "COMMIT",
    [W_ROLLBACK] = "ROLLBACK",
    [W_POSITION] = "INSERT INTO meta VALUES ('position', ?1)"
                   " ON CONFLICT(name) DO UPDATE SET value = max(value, excluded.value)",
    [W_TRANSITION] =
        "INSERT INTO transition(position, key, rule, site, station, parameter, time_ns,"
        " since_ns, before, after, value, historical, told, committed_ns, changed, life, event)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
    [W_EVENT] = "INSERT INTO event(position, time_ns, rule, site, station, parameter, event,"
                " severity, who, text, until_ns, life, committed_ns)"
                " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    [W_LETTER] = "INSERT INTO letter VALUES (?1, ?2, ?3, ?4)",
    [W_SERIES] = "INSERT INTO series(rule, site, station, parameter, told, severity, value,"
                 " channels) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
                 " ON CONFLICT(rule, station, parameter) DO UPDATE SET site = excluded.site,"
                 " told = excluded.told, severity = excluded.severity, value = excluded.value,"
                 " channels = excluded.channels RETURNING id",
    [W_RECIPIENT] = "INSERT INTO recipient(channel, address, language, subscriber, burst_ns,"
                    " burst_count, gathering, next_ns, used_ns)"
                    " VALUES (?1, ?2, ?3, ?4, 0, 0, 0, NULL, ?5)"
                    " ON CONFLICT(channel, address) DO UPDATE SET language = excluded.language,"
                    " subscriber = excluded.subscriber RETURNING id",
    [W_MESSAGE] = "INSERT INTO message(transition_id, recipient, series, severity, created_ns,"
                  " due_ns, state, parcel, tries, id) VALUES (?1, ?2, ?3, ?4, ?5, ?6,"
                  " NOT EXISTS (SELECT 1 FROM message INDEXED BY message_series WHERE recipient = "
                  "?2 AND series = ?3"
                  " AND state < 2), 0, 0, ?7)",
    [W_HURRY] = "UPDATE message SET due_ns = ?3 WHERE recipient = ?1 AND series = ?2 AND state < 2"
                " AND (tries = 0 OR later > 0) AND due_ns > ?3",
    [W_TOUCH] = "UPDATE recipient SET used_ns = ?3, next_ns = CASE WHEN next_ns IS NULL THEN ?2"
                " WHEN gathering THEN next_ns ELSE min(next_ns, ?2) END WHERE id = ?1",
    [W_OLDEST] = "SELECT id FROM message WHERE recipient = ?1 AND state = 1"
                 " ORDER BY due_ns, id LIMIT 1",
    [W_END] = END_SQL,
    [W_PROMOTE] = PROMOTE_SQL,
    [W_COUNTER] = "INSERT INTO meta VALUES ('message', ?1)"
                  " ON CONFLICT(name) DO UPDATE SET value = excluded.value",
    [W_PRUNE] = "DELETE FROM message WHERE recipient = ?1 AND id IN (SELECT id FROM (SELECT id,"
                " created_ns, state FROM message WHERE recipient = ?1 ORDER BY id LIMIT ?3)"
                " WHERE created_ns < ?2 AND state >= 2)",
    [W_EXPIRED] = "SELECT max(id) FROM (SELECT id, committed_ns FROM transition WHERE id > ?1"
                  " ORDER BY id LIMIT ?2) WHERE committed_ns < ?3 OR id <= ?4",
    [W_TRIM] = "DELETE FROM transition WHERE id <= ?1 AND NOT EXISTS (SELECT 1 FROM series"
               " WHERE told = transition.id AND severity > 0)",
    [W_TRIM_SERIES] = "DELETE FROM series WHERE severity = 0 AND told <= ?1",
    [W_TRIM_EVENTS] = "DELETE FROM event WHERE id IN (SELECT id FROM (SELECT id, committed_ns"
                      " FROM event ORDER BY id LIMIT ?1) WHERE committed_ns < ?2 OR id <= ?3)",
    [W_SWEEP_TO] = "SELECT max(id) FROM (SELECT id FROM letter WHERE id > ?1 ORDER BY id LIMIT ?2)",
    [W_SWEEP] = "DELETE FROM letter WHERE id > ?1 AND id <= ?2 AND created_ns < ?3"
                " AND NOT EXISTS (SELECT 1 FROM series WHERE told = letter.id AND severity > 0)",
    [W_IDLE] = "SELECT id FROM recipient WHERE next_ns IS NULL AND used_ns < ?1"
               " ORDER BY used_ns LIMIT 1",
    [W_FORGET_MESSAGES] = "DELETE FROM message WHERE recipient = ?1",
    [W_FORGET] = "DELETE FROM recipient WHERE id = ?1",
    [S_BEGIN] = "BEGIN IMMEDIATE",
    [S_COMMIT] = "COMMIT",
    [S_ROLLBACK] = "ROLLBACK",
    [S_NEXT] = "SELECT id, address, language, subscriber, burst_ns, burst_count, next_ns"
               " FROM recipient WHERE channel = ?1 AND next_ns IS NOT NULL ORDER BY next_ns, id"
               " LIMIT 1",
    [S_HEAD] = "SELECT id, parcel, due_ns, created_ns, tries, refused_ns FROM message INDEXED BY "
               "message_ready"
               " WHERE recipient = ?1 AND state = 1 ORDER BY due_ns, id LIMIT 1",
    [S_PUT_OFF] = "UPDATE recipient SET next_ns = ?2, gathering = ?3 WHERE id = ?1",
    [S_READY] =
        "SELECT m.id, l.body, l.details FROM message m INDEXED BY message_ready LEFT JOIN letter l"
        " ON l.id = m.transition_id WHERE m.recipient = ?1 AND m.state = 1"
        " AND m.due_ns <= ?2 AND m.parcel = 0 ORDER BY m.due_ns, m.id LIMIT ?3",
    /* but for what stands behind another of its series that is not for this digest */
    [S_GATHER] = "UPDATE message SET parcel = ?2 WHERE recipient = ?1 AND state < 2 AND parcel = 0"
                 " AND due_ns <= ?3 AND NOT EXISTS (SELECT 1 FROM message e INDEXED BY "
                 "message_series WHERE e.recipient = ?1"
                 " AND e.series = message.series AND e.state < 2 AND e.id < message.id"
                 " AND (e.parcel NOT IN (0, ?2) OR e.due_ns > ?3))",
    [S_DIGEST] = "SELECT d.id, l.body, l.details FROM (SELECT max(id) AS id, transition_id,"
                 " severity FROM message WHERE recipient = ?1 AND state < 2 AND parcel = ?2"
                 " GROUP BY series ORDER BY severity DESC, id DESC LIMIT ?3) d LEFT JOIN letter l"
                 " ON l.id = d.transition_id ORDER BY d.severity DESC, d.id DESC",
    [S_DIGEST_SIZE] = "SELECT count(DISTINCT series), count(*) FROM message"
                      " WHERE recipient = ?1 AND state < 2 AND parcel = ?2",
    [S_END] = END_SQL,
    [S_PROMOTE] = PROMOTE_SQL,
    [S_END_PARCEL] = "UPDATE message SET state = ?3, sent_ns = ?4, tries = tries + (?3 = 2)"
                     " WHERE recipient = ?1 AND parcel = ?2 AND state < 2",
    [S_PROMOTE_ALL] = "UPDATE message SET state = 1 WHERE recipient = ?1 AND state = 0 AND id IN"
                      " (SELECT min(id)"
                      " FROM message WHERE recipient = ?1 AND state < 2 GROUP BY series)",
    [S_FAIL] = FAIL_SQL " WHERE recipient = ?1 AND id = ?5 AND state < 2",
    [S_FAIL_PARCEL] = FAIL_SQL " WHERE recipient = ?1 AND parcel = ?5 AND state < 2",
    [S_SETTLE] = "UPDATE recipient SET burst_ns = ?2, burst_count = ?3, gathering = 0, next_ns ="
                 " (SELECT due_ns FROM message WHERE recipient = ?1 AND state = 1"
                 " ORDER BY due_ns LIMIT 1) WHERE id = ?1",
    [S_RETRY] = "UPDATE message SET due_ns = ?2 WHERE state < 2 AND tries > 0 AND later = 0 AND"
                " due_ns > ?2 AND recipient IN (SELECT id FROM recipient WHERE channel = ?1"
                " AND next_ns IS NOT NULL)",
    [S_RETRY_RECIPIENTS] = "UPDATE recipient SET next_ns = min(next_ns, ?2) WHERE channel = ?1"
                           " AND next_ns IS NOT NULL AND NOT gathering",
    [S_WAITING] = "SELECT DISTINCT channel FROM recipient WHERE next_ns IS NOT NULL",
    [S_UNKNOWN] = "UPDATE message SET state = 3 WHERE state < 2 AND recipient IN"
                  " (SELECT id FROM recipient WHERE channel = ?1)",
    [S_UNKNOWN_RECIPIENTS] = "UPDATE recipient SET next_ns = NULL WHERE channel = ?1",
    [S_NUMBER] = "UPDATE message SET sending = ?3, outcome = NULL, report = NULL"
                 " WHERE recipient = ?1 AND id = ?2",
    [S_NUMBER_PARCEL] = "UPDATE message SET sending = ?3, outcome = NULL, report = NULL"
                        " WHERE recipient = ?1 AND parcel = ?2 AND state < 2",
    [S_SENDING] = "SELECT m.recipient, r.channel, r.address, min(m.id), max(m.severity),"
                  " max(m.later), sum(m.state < 2), sum(m.state = 2), max(m.outcome), max(m.report)"
                  " FROM message m JOIN recipient r ON r.id = m.recipient WHERE m.sending = ?1"
                  " GROUP BY m.recipient",
    [S_NOTE] = "UPDATE message SET outcome = ?2, report = ?3 WHERE sending = ?1",
    [S_DELIVERED] = "UPDATE message SET state = 5, sent_ns = coalesce(sent_ns, ?3), outcome = 2,"
                    " report = ?2, sending = NULL, tries = tries + (state < 2)"
                    " WHERE sending = ?1 AND state <= 2",
    /* what people were told of the same since then, by other sendings */
    [S_FAILED] = "WITH gone(series, id) AS MATERIALIZED (SELECT series, max(id) FROM message"
                 " WHERE recipient = ?2 AND id > ?3 AND state IN (2, 5)"
                 " AND coalesce(sending, 0) <> ?1 GROUP BY series)"
                 " UPDATE message SET state = 6, outcome = 3, report = ?4, sending = NULL,"
                 " problem = ?5 WHERE sending = ?1 AND state = 2 AND EXISTS (SELECT 1 FROM gone"
                 " WHERE gone.series = message.series AND gone.id > message.id)",
    [S_FAILED_TOO_OFTEN] = "UPDATE message SET state = 3, outcome = 3, report = ?2, sending = NULL,"
                           " problem = ?3 WHERE sending = ?1 AND state = 2 AND later >= ?4",
    [S_AGAIN] = "UPDATE message SET state = 0, outcome = 3, report = ?2, sending = NULL,"
                " problem = ?3, later = later + 1, due_ns = ?4, refused_ns = NULL"
                " WHERE sending = ?1 AND state = 2",
    [S_BEHIND_ALL] = "UPDATE message SET state = 0 WHERE recipient = ?1 AND state = 1 AND EXISTS"
                     " (SELECT 1 FROM message e INDEXED BY message_series WHERE e.recipient = ?1"
                     " AND e.series = message.series AND e.state < 2 AND e.id < message.id)",
    [S_HASTEN] = "UPDATE recipient SET next_ns = CASE WHEN next_ns IS NULL THEN ?2"
                 " WHEN gathering THEN next_ns ELSE min(next_ns, ?2) END WHERE id = ?1",
    [S_OVERTAKEN] = "UPDATE message SET state = 6 WHERE recipient = ?1 AND state < 2 AND later > 0"
                    " AND EXISTS (SELECT 1 FROM message n WHERE n.sending = ?2"
                    " AND n.series = message.series AND n.id > message.id)",
};

static bool run_scripts(sqlite3 *db, const char *const *scripts)
{
    bool good = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK;
    for (; good && *scripts != NULL; scripts++) {
        good = sqlite3_exec(db, *scripts, NULL, NULL, NULL) == SQLITE_OK;
    }
    return good && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
}

/* All of it, or nothing. */
static enum outbox_status execute(struct outbox *outbox, const char *const *scripts,
                                  struct problem *problem)
{
    sqlite3 *db = outbox->writer;
    if (run_scripts(db, scripts)) {
        return OUTBOX_OK;
    }
    outbox->damaged = outbox->damaged || sqlite3_errcode(db) == SQLITE_ERROR; /* misses a table */
    enum outbox_status status = outbox_failed(outbox, db, outbox->path, problem);
    if (sqlite3_get_autocommit(db) == 0) {
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    return status;
}

enum outbox_status outbox_make_schema(struct outbox *outbox, struct problem *problem)
{
    int64_t version = 0, tables = 0;
    if (!outbox_query_integer(outbox->writer, "PRAGMA user_version", &version) ||
        !outbox_query_integer(outbox->writer, "SELECT count(*) FROM sqlite_master", &tables)) {
        return outbox_failed(outbox, outbox->writer, outbox->path, problem);
    }
    if (version == OUTBOX_VERSION) {
        return OUTBOX_OK;
    }
    if (version == 1 || version == 2) {
        return execute(outbox, version == 1 ? from_1 : from_2, problem);
    }
    if (version != 0 || tables != 0) {
        problem_set(problem, "outbox: %s is no outbox of version %d (user_version %lld)",
                    outbox->path, OUTBOX_VERSION, (long long)version);
        return OUTBOX_FAILED;
    }
    return execute(outbox, schema, problem);
}
