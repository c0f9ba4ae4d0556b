/* The outbox: what is committed survives, comes out in order, and never grows without bound. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "notify_sample.h"

#define DAY_NS (86400 * SECOND_NS)

static const struct channel_settings channels[] = { { .id = "ioc" }, { .id = "farmers" } };
static const wall_time now = { INT64_C(1763735710) * SECOND_NS };

static const struct settings settings = { .channels = channels,
                                          .channel_count = 2,
                                          .alarms = { .keep_ns = 400 * DAY_NS } };
static const struct outbox_terms one_by_one = { .most = 1 };

static struct outbox *outbox;
static uint64_t position;
static struct outbox_parcel parcel;

static void reopen(void)
{
    struct problem problem = { "" };
    outbox_close(outbox);
    if (outbox_open(sample_path, &outbox, &position, &problem) != OUTBOX_OK) {
        fail_msg("%s", problem.text);
    }
}

static int make(void **state)
{
    (void)state;
    outbox = NULL;
    sample_make_folder();
    reopen();
    return 0;
}

static int clean(void **state)
{
    (void)state;
    outbox_close(outbox);
    outbox_parcel_clear(&parcel);
    sample_remove_folder();
    return 0;
}

static void commit_at(const struct notice *notices, size_t count, uint64_t at, wall_time when)
{
    struct problem problem = { "" };
    if (outbox_commit(outbox, notices, count, &settings, at, when, &problem) != OUTBOX_OK) {
        fail_msg("%s", problem.text);
    }
}

static void commit(const struct notice *notices, size_t count, uint64_t at)
{
    commit_at(notices, count, at, now);
}

static bool take_at(const char *channel, const struct outbox_terms *terms, wall_time when)
{
    struct problem problem = { "" };
    enum outbox_status status = outbox_take(outbox, channel, terms, when, &parcel, &problem);
    if (status == OUTBOX_FAILED) {
        fail_msg("%s", problem.text);
    }
    return status == OUTBOX_OK;
}

static bool take(const char *channel)
{
    return take_at(channel, &one_by_one, now);
}

static const char *body(void)
{
    return parcel.letters[0].body;
}

static int64_t id(void)
{
    return parcel.letters[0].id;
}

static void mark_at(const struct outbox_terms *terms, enum outbox_end end, wall_time when)
{
    struct problem problem = { "" };
    assert_int_equal(outbox_mark(outbox, &parcel, terms, end, when, &problem), OUTBOX_OK);
}

static void mark(enum outbox_end end)
{
    mark_at(&one_by_one, end, now);
}

/* The try failed; another is due after so many seconds. */
static void fails(int64_t after_s, bool refused)
{
    struct problem problem = { "" };
    const struct failure failure = {
        refused, now, { now.ns + after_s * SECOND_NS }, "no, thank you"
    };
    assert_int_equal(outbox_fail(outbox, &parcel, &failure, &problem), OUTBOX_OK);
}

static struct outbox_counters counters(void)
{
    struct outbox_counters read;
    outbox_read_counters(outbox, &read);
    return read;
}

static int64_t query(const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open(sample_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    int64_t value = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(db);
    return value;
}

static void keeps_over_a_restart(void **state)
{
    (void)state;
    assert_int_equal(position, 0);
    struct notice notices[] = { sample_notice(RULE_BOTH, 0, 0, SEVERITY_NORMAL, SEVERITY_MINOR),
                                sample_notice(RULE_IOC, 1, 5, SEVERITY_NORMAL, SEVERITY_SEVERE) };
    commit(notices, 2, 42);
    assert_int_equal(counters().waiting, 5); /* three for the first, two for the second */
    reopen();
    assert_int_equal(position, 42);
    assert_int_equal(counters().waiting, 5);
    char expected[NOTICE_BODY_MAX];
    (void)notice_json(&notices[0], &settings, expected, sizeof expected);
    assert_true(take("ioc"));
    assert_int_equal(parcel.count, 1);
    assert_string_equal(parcel.address, "");
    assert_string_equal(body(), expected);
    assert_true(take("farmers"));
    assert_string_equal(body(), expected);
    assert_true(take(CHANNEL_RETAINED));
    assert_string_equal(body(), expected);
    assert_false(take("nobody"));
}

static void records_transitions(void **state)
{
    (void)state;
    struct notice notice = sample_notice(RULE_IOC, 0, 7, SEVERITY_MINOR, SEVERITY_SEVERE);
    notice.tell = false;
    notice.historical = true;
    commit(&notice, 1, 8);
    assert_int_equal(counters().transitions, 1);
    assert_int_equal(counters().waiting, 0);
    assert_int_equal(
        query("SELECT count(*) FROM transition WHERE position = 8 AND rule = "
              "'salinity-fields' AND site = 'my-tho' AND station = 's1' AND parameter = "
              "'salinity' AND time_ns = 1362096007000000000 AND since_ns = time_ns AND "
              "before = 'minor' AND after = 'severe' AND value = 4.875 AND "
              "historical = 1 AND told = 0 AND length(key) = 64"),
        1);
}

static void position_never_goes_back(void **state)
{
    (void)state;
    commit(NULL, 0, 10);
    commit(NULL, 0, 7);
    struct notice notice = sample_notice(RULE_IOC, 0, 0, SEVERITY_NORMAL, SEVERITY_MINOR);
    commit(&notice, 1, 0); /* from no record of the journal */
    reopen();
    assert_int_equal(position, 10);
    assert_true(take("ioc"));
}

static void a_series_goes_in_order(void **state)
{
    (void)state;
    struct notice notices[] = { sample_notice(RULE_IOC, 0, 0, SEVERITY_NORMAL, SEVERITY_MINOR),
                                sample_notice(RULE_IOC, 0, 1, SEVERITY_MINOR, SEVERITY_SEVERE),
                                sample_notice(RULE_IOC, 1, 2, SEVERITY_NORMAL, SEVERITY_MINOR) };
    commit(notices, 3, 3);
    assert_true(take("ioc"));
    assert_non_null(strstr(body(), "\"to\":\"minor\""));
    fails(60, true);
    assert_true(take("ioc")); /* the next of s1 waits for it, s2 does not */
    assert_non_null(strstr(body(), "\"station\":\"s2\""));
    fails(90, true);
    assert_false(take("ioc"));
    assert_true(parcel.again_ns == now.ns + 60 * SECOND_NS);
    assert_int_equal(counters().retries, 2);
    assert_int_equal(query("SELECT count(*) FROM message WHERE tries = 1 AND problem = 'no, thank"
                           " you' AND refused_ns > 0"),
                     2);
    const wall_time later = { now.ns + 60 * SECOND_NS };
    assert_true(take_at("ioc", &one_by_one, later));
    assert_non_null(strstr(body(), "\"to\":\"minor\""));
    assert_int_equal(parcel.tries, 1);
    assert_true(parcel.refused_ns == now.ns);
    mark(OUTBOX_SENT);
    assert_true(take_at("ioc", &one_by_one, later));
    assert_non_null(strstr(body(), "\"to\":\"severe\""));
    assert_int_equal(counters().sent, 1);
}

static void unmarked_comes_again(void **state)
{
    (void)state;
    struct notice notice = sample_notice(RULE_IOC, 0, 0, SEVERITY_NORMAL, SEVERITY_MINOR);
    commit(&notice, 1, 1);
    assert_true(take("ioc"));
    int64_t before = id();
    char said[NOTICE_BODY_MAX];
    (void)snprintf(said, sizeof said, "%s", body());
    reopen();
    assert_true(take("ioc"));
    assert_int_equal(id(), before);
    assert_string_equal(body(), said);
    mark(OUTBOX_SENT);
    reopen();
    assert_false(take("ioc"));
}

/* A process that commits and is killed at once, without closing anything. */
static void what_was_committed_survives_a_kill(void **state)
{
    (void)state;
    outbox_close(outbox);
    outbox = NULL;
    pid_t child = fork();
    if (child == 0) {
        struct notice notice = sample_notice(RULE_IOC, 0, 0, SEVERITY_NORMAL, SEVERITY_MINOR);
        if (outbox_open(sample_path, &outbox, &position, NULL) == OUTBOX_OK &&
            outbox_commit(outbox, &notice, 1, &settings, 99, now, NULL) == OUTBOX_OK) {
            (void)kill(getpid(), SIGKILL);
        }
        _exit(1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    reopen();
    assert_int_equal(position, 99);
    assert_true(take("ioc"));
}

static void gives_up_unknown_channels(void **state)
{
    (void)state;
    struct problem problem = { "" };
    uint64_t given_up = 0;
    struct notice notice = sample_notice(RULE_BOTH, 0, 0, SEVERITY_NORMAL, SEVERITY_MINOR);
    commit(&notice, 1, 1);
    assert_int_equal(outbox_give_up_unknown(outbox, channels, 1, &given_up, &problem), OUTBOX_OK);
    assert_int_equal(given_up, 1);
    assert_false(take("farmers"));
    assert_true(take("ioc"));
    assert_true(take(CHANNEL_RETAINED)); /* is always known */
    assert_int_equal(counters().failed, 1);
    assert_int_equal(counters().waiting, 2);
}

#define STEP    1000
#define WAITING 20000

static void drops_the_oldest_beyond_the_limit(void **state)
{
    (void)state;
    static struct notice notices[STEP];
    outbox_limit_waiting(outbox, WAITING);
    for (int64_t at = 0; at <= WAITING; at += STEP) {
        for (int64_t i = 0; i < STEP; i++) {
            notices[i] = sample_notice(RULE_NONE, i % 2, at + i, SEVERITY_MINOR, SEVERITY_NORMAL);
        }
        commit(notices, STEP, (uint64_t)(at + STEP));
    }
    assert_int_equal(counters().waiting, WAITING);
    assert_int_equal(counters().dropped, STEP);
    assert_int_equal(query("SELECT min(id) FROM message WHERE state < 2"), STEP + 1);
    assert_int_equal(query("SELECT count(*) FROM message WHERE state = 1"), 2); /* one a series */
    assert_true(take(CHANNEL_RETAINED));
    assert_int_equal(id(), STEP + 1);
    parcel.letters[0].id = 1; /* dropped while it was on its way */
    mark(OUTBOX_SENT);
    assert_int_equal(counters().waiting, WAITING);
    reopen();
    assert_int_equal(counters().waiting, WAITING);
}

static void prunes_old_messages(void **state)
{
    (void)state;
    struct notice notice = sample_notice(RULE_IOC, 0, 0, SEVERITY_NORMAL, SEVERITY_MINOR);
    commit(&notice, 1, 1);
    assert_true(take("ioc"));
    mark(OUTBOX_SENT);
    commit_at(&notice, 1, 2, (wall_time){ now.ns + 30 * DAY_NS });
    assert_int_equal(query("SELECT count(*) FROM message"), 4);
    commit_at(&notice, 1, 3, (wall_time){ now.ns + 30 * DAY_NS + 1 });
    assert_int_equal(query("SELECT count(*) FROM message"), 5); /* the topic's still wait */
    assert_int_equal(query("SELECT count(*) FROM transition"), 3);
    for (int i = 0; i < 2; i++) { /* to the last letter, and anew from the first */
        commit_at(NULL, 0, 3, (wall_time){ now.ns + 30 * DAY_NS + 1 });
    }
    assert_int_equal(query("SELECT count(*) FROM letter"), 2);
    assert_int_equal(query("SELECT count(*) FROM message WHERE state = 1"), 2);
}

static void forgets_whom_nothing_concerns(void **state)
{
    (void)state;
    struct notice both = sample_notice(RULE_BOTH, 0, 0, SEVERITY_NORMAL, SEVERITY_MINOR);
    struct notice ioc = sample_notice(RULE_IOC, 0, 0, SEVERITY_NORMAL, SEVERITY_MINOR);
    commit(&both, 1, 1);
    assert_true(take("farmers"));
    mark(OUTBOX_SENT);
    commit_at(&ioc, 1, 2, (wall_time){ now.ns + 61 * DAY_NS });
    assert_int_equal(query("SELECT count(*) FROM recipient"), 2);
    assert_int_equal(query("SELECT count(*) FROM message"), 4);
    commit_at(&both, 1, 3, (wall_time){ now.ns + 62 * DAY_NS }); /* and is known again */
    assert_true(take_at("farmers", &one_by_one, (wall_time){ now.ns + 62 * DAY_NS }));
}

static void a_failed_commit_leaves_nothing(void **state)
{
    (void)state;
    struct problem problem = { "" };
    struct notice notice = sample_notice(RULE_IOC, 0, 0, SEVERITY_NORMAL, SEVERITY_MINOR);
    (void)query("ALTER TABLE message RENAME TO away");
    assert_int_equal(outbox_commit(outbox, &notice, 1, &settings, 5, now, &problem), OUTBOX_FAILED);
    assert_true(strstr(problem.text, "outbox") == problem.text);
    (void)query("ALTER TABLE away RENAME TO message");
    assert_int_equal(query("SELECT count(*) FROM transition"), 0);
    assert_int_equal(counters().transitions, 0);
    commit(&notice, 1, 5); /* the same again, once it can be */
    assert_int_equal(query("SELECT count(*) FROM transition"), 1);
    assert_int_equal(counters().waiting, 2);
}

static void refuses_what_is_no_outbox(void **state)
{
    (void)state;
    struct problem problem = { "" };
    struct outbox *other = NULL;
    uint64_t at = 0;
    (void)query("PRAGMA user_version = 4");
    assert_int_equal(outbox_open(sample_path, &other, &at, &problem), OUTBOX_FAILED);
    assert_non_null(strstr(problem.text, "no outbox of version 3"));
    assert_null(other);
    assert_int_equal(outbox_open("/nonexistent/outbox.db", &other, &at, &problem), OUTBOX_FAILED);
    (void)query("PRAGMA user_version = 0"); /* with tables: somebody else's */
    assert_int_equal(outbox_open(sample_path, &other, &at, &problem), OUTBOX_FAILED);
    assert_null(other);
}

/* --- transitions do not pile up ------------------------------------------------------ */

static const struct severity_pair {
    enum severity from, to;
} up = { SEVERITY_NORMAL, SEVERITY_MINOR }, down = { SEVERITY_MINOR, SEVERITY_NORMAL };

static void tell_at(int64_t station, struct severity_pair change, int64_t after_days)
{
    struct notice notice =
        sample_notice(RULE_NONE, station, after_days * 86400, change.from, change.to);
    commit_at(&notice, 1, 1, (wall_time){ now.ns + after_days * DAY_NS });
}

struct told_count {
    size_t all, minor;
};

static void count_told(void *context, const struct outbox_told *told)
{
    struct told_count *count = context;
    count->all++;
    count->minor += told->severity == SEVERITY_MINOR;
}

static struct told_count read_told(void)
{
    struct told_count count = { 0, 0 };
    assert_true(outbox_each_told(outbox, count_told, &count));
    return count;
}

static void keep_at(wall_time when)
{
    commit_at(NULL, 0, 1, when);
}

struct told_last {
    enum severity severity;
    uint64_t position;
};

static void note_last(void *context, const struct outbox_told *told)
{
    struct told_last *last = context;
    *last = (struct told_last){ told->severity, told->position };
}

/* Told by another way: remembered, and sent to nobody. */
static void what_people_know_already_is_not_sent(void **state)
{
    (void)state;
    struct told_last last = { 0 };
    struct notice notice = sample_notice(RULE_NONE, 0, 0, up.from, up.to);
    notice.transition = false;
    notice.known = true;
    notice.position = 77;
    commit_at(&notice, 1, 0, now);
    assert_true(outbox_each_told(outbox, note_last, &last));
    assert_int_equal(last.severity, up.to);
    assert_int_equal(last.position, 77);
    assert_int_equal(query("SELECT count(*) FROM message"), 0);
    assert_int_equal(query("SELECT count(*) FROM transition WHERE told AND NOT changed"), 1);
    tell_at(0, down, 1);
    assert_true(query("SELECT count(*) FROM message") > 0);
}

static void old_transitions_go(void **state)
{
    (void)state;
    tell_at(0, up, 0);
    tell_at(0, down, 1);
    tell_at(1, up, 2);
    keep_at((wall_time){ now.ns + 400 * DAY_NS });
    assert_int_equal(query("SELECT count(*) FROM transition"), 3);
    keep_at((wall_time){ now.ns + 400 * DAY_NS + 1 });
    assert_int_equal(query("SELECT count(*) FROM transition"), 2);
    keep_at((wall_time){ now.ns + 500 * DAY_NS });
    assert_int_equal(query("SELECT count(*) FROM transition"), 1); /* station 2's still stands */
    assert_int_equal(read_told().all, 1);
    assert_int_equal(read_told().minor, 1);
    reopen();
    keep_at((wall_time){ now.ns + 900 * DAY_NS });
    assert_int_equal(read_told().minor, 1);
}

/* An alarm that stood for long, outlived its own record and then ended does not stand again when
 * its end is forgotten. */
static void what_ended_stays_ended(void **state)
{
    (void)state;
    tell_at(0, up, 0);
    tell_at(1, up, 450); /* passes by the first, which is kept */
    keep_at((wall_time){ now.ns + 451 * DAY_NS });
    assert_int_equal(read_told().minor, 2);
    tell_at(0, down, 460);
    assert_int_equal(read_told().minor, 1);
    for (int64_t day = 852; day < 870; day++) {
        keep_at((wall_time){ now.ns + day * DAY_NS });
        assert_int_equal(read_told().minor, 1);
    }
    assert_int_equal(query("SELECT count(*) FROM transition"), 1);
}

static void transitions_are_bounded_in_number(void **state)
{
    (void)state;
    tell_at(0, up, 0);
    tell_at(1, up, 0);
    (void)query("INSERT INTO transition SELECT 10000010, position, key, rule, site, station,"
                " parameter, time_ns, since_ns, before, after, value, historical, told, changed,"
                " committed_ns, life, event FROM transition WHERE id = 1");
    reopen();
    tell_at(0, down, 0);
    assert_int_equal(query("SELECT count(*) FROM transition"), 3); /* the first is one too many */
    assert_int_equal(query("SELECT min(id) FROM transition"), 2);
    assert_int_equal(read_told().minor, 1);
}

/* --- damage ---------------------------------------------------------------------------- */

static bool is_there(const char *ending)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s%s", sample_path, ending);
    return access(path, F_OK) == 0;
}

/* Damages the database; without the log beside it, which would mend it. */
static void overwrite(long from, size_t length)
{
    char log_path[256];
    (void)snprintf(log_path, sizeof log_path, "%s-wal", sample_path);
    (void)unlink(log_path);
    FILE *file = fopen(sample_path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, from, SEEK_SET), 0);
    for (size_t i = 0; i < length; i++) {
        assert_int_not_equal(fputc((int)(i * 37 % 251), file), EOF);
    }
    assert_int_equal(fclose(file), 0);
}

static enum outbox_status open_damaged(struct problem *problem)
{
    outbox_close(outbox);
    outbox = NULL;
    return outbox_open(sample_path, &outbox, &position, problem);
}

static void a_damaged_database_is_set_aside(void **state)
{
    (void)state;
    struct problem problem = { "" };
    struct notice notice = sample_notice(RULE_IOC, 0, 0, SEVERITY_NORMAL, SEVERITY_MINOR);
    commit(&notice, 1, 42);
    outbox_close(outbox);
    outbox = NULL;
    overwrite(0, 200); /* the header */
    assert_int_equal(open_damaged(&problem), OUTBOX_REPLACED);
    assert_non_null(strstr(problem.text, "not a database"));
    assert_true(is_there(".damaged-1"));
    assert_int_equal(position, 0);
    assert_int_equal(counters().replaced, 1);
    assert_int_equal(counters().waiting, 0);
    commit(&notice, 1, 43);
    assert_true(take("ioc"));

    outbox_close(outbox);
    outbox = NULL;
    overwrite(4096, 8192); /* pages: only reading it through finds this */
    assert_int_equal(open_damaged(&problem), OUTBOX_REPLACED);
    assert_true(problem.text[0] != '\0');
    assert_true(is_there(".damaged-1") && is_there(".damaged-2"));
    reopen(); /* the new one is sound */
    assert_int_equal(counters().replaced, 0);
}

static void a_database_without_its_tables_is_set_aside(void **state)
{
    (void)state;
    struct problem problem = { "" };
    (void)query("DROP TABLE message");
    assert_int_equal(open_damaged(&problem), OUTBOX_REPLACED);
    assert_non_null(strstr(problem.text, "message"));
    assert_true(is_there(".damaged-1"));
}

static void damage_met_later_stops_nothing_for_ever(void **state)
{
    (void)state;
    struct problem problem = { "" };
    struct notice notice = sample_notice(RULE_IOC, 0, 0, SEVERITY_NORMAL, SEVERITY_MINOR);
    for (int64_t i = 0; i < 300; i++) {
        notice.time_ns++;
        commit(&notice, 1, (uint64_t)i + 1);
    }
    reopen();
    (void)query("PRAGMA wal_checkpoint(TRUNCATE)");
    overwrite(4096, 65536);
    enum outbox_status status = OUTBOX_OK;
    for (int i = 0; i < 3 && status == OUTBOX_OK; i++) {
        notice.time_ns++;
        status = outbox_commit(outbox, &notice, 1, &settings, 400, now, &problem);
    }
    assert_int_equal(status, OUTBOX_FAILED);
    commit(&notice, 1, 400); /* the same again */
    assert_int_equal(counters().replaced, 1);
    assert_int_equal(counters().waiting, 2);
    assert_true(is_there(".damaged-1"));
    assert_true(take("ioc"));
    reopen();
    assert_int_equal(position, 400);
}

#define TOGETHER 300

static void *commit_many(void *argument)
{
    (void)argument;
    for (int64_t i = 0; i < TOGETHER; i++) {
        struct notice notice = sample_notice(RULE_IOC, i % 2, i, SEVERITY_NORMAL, SEVERITY_MINOR);
        if (outbox_commit(outbox, &notice, 1, &settings, (uint64_t)i + 1, now, NULL) != OUTBOX_OK) {
            return argument;
        }
    }
    return NULL;
}

static void two_threads_work_together(void **state)
{
    (void)state;
    pthread_t pipeline;
    void *failed = NULL;
    char mistake = 0;
    assert_int_equal(pthread_create(&pipeline, NULL, commit_many, &mistake), 0);
    int64_t last = 0;
    for (int sent = 0; sent < TOGETHER;) {
        if (take("ioc")) {
            assert_true(id() > last);
            last = id();
            mark(OUTBOX_SENT);
            sent++;
        }
    }
    assert_int_equal(pthread_join(pipeline, &failed), 0);
    assert_null(failed);
    assert_int_equal(counters().sent, TOGETHER);
    assert_int_equal(counters().waiting, TOGETHER); /* the topic's */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_over_a_restart, make, clean),
        cmocka_unit_test_setup_teardown(records_transitions, make, clean),
        cmocka_unit_test_setup_teardown(position_never_goes_back, make, clean),
        cmocka_unit_test_setup_teardown(a_series_goes_in_order, make, clean),
        cmocka_unit_test_setup_teardown(unmarked_comes_again, make, clean),
        cmocka_unit_test_setup_teardown(what_was_committed_survives_a_kill, make, clean),
        cmocka_unit_test_setup_teardown(gives_up_unknown_channels, make, clean),
        cmocka_unit_test_setup_teardown(drops_the_oldest_beyond_the_limit, make, clean),
        cmocka_unit_test_setup_teardown(prunes_old_messages, make, clean),
        cmocka_unit_test_setup_teardown(forgets_whom_nothing_concerns, make, clean),
        cmocka_unit_test_setup_teardown(a_failed_commit_leaves_nothing, make, clean),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_outbox, make, clean),
        cmocka_unit_test_setup_teardown(what_people_know_already_is_not_sent, make, clean),
        cmocka_unit_test_setup_teardown(old_transitions_go, make, clean),
        cmocka_unit_test_setup_teardown(what_ended_stays_ended, make, clean),
        cmocka_unit_test_setup_teardown(transitions_are_bounded_in_number, make, clean),
        cmocka_unit_test_setup_teardown(a_damaged_database_is_set_aside, make, clean),
        cmocka_unit_test_setup_teardown(a_database_without_its_tables_is_set_aside, make, clean),
        cmocka_unit_test_setup_teardown(damage_met_later_stops_nothing_for_ever, make, clean),
        cmocka_unit_test_setup_teardown(two_threads_work_together, make, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
