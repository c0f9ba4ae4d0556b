/*
 * The outbox for people: digests by the pace of each recipient, quiet hours, what each list says,
 * and an outbox of version 1 made over.
 */
#include <math.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "notify_sample.h"

#define STATIONS 300

static const char *const officers[] = { "a@example.vn", "b@example.vn" };
static const struct channel_settings channels[] = {
    { .id = "ioc", .kind = CHANNEL_WEBHOOK },
    { .id = "mail",
      .kind = CHANNEL_EMAIL,
      .to = officers,
      .to_count = 2,
      .language = LANGUAGE_EN,
      .pace = { .burst = 2, .gather_ns = 60 * SECOND_NS },
      .quiet = { .from_s = 22 * 3600, .until_s = 5 * 3600, .below = SEVERITY_SEVERE } },
};
static const struct settings settings = { .utc_offset_s = 7 * 3600,
                                          .channels = channels,
                                          .channel_count = 2 };
static const struct outbox_terms one_by_one = { .most = 1 };
static const struct outbox_terms digests = { .digests = true,
                                             .most = 5,
                                             .pace = { .burst = 2, .gather_ns = 60 * SECOND_NS } };
/* 2025-11-21 08:35:10 and 22:35:10 +07:00 */
static const wall_time day = { INT64_C(1763688910) * SECOND_NS },
                       night = { INT64_C(1763739310) * SECOND_NS };

static struct outbox *outbox;
static struct outbox_parcel parcel;
static struct station stations[STATIONS];
static char names[STATIONS][8];

static void reopen(void)
{
    struct problem problem = { "" };
    uint64_t position = 0;
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
    for (size_t i = 0; i < STATIONS; i++) {
        (void)snprintf(names[i], sizeof names[i], "s%zu", i);
        stations[i] = sample_stations[0];
        stations[i].id = stations[i].name = names[i];
    }
    reopen();
    return 0;
}

static int clean(void **state)
{
    (void)state;
    outbox_parcel_clear(&parcel);
    outbox_close(outbox);
    sample_remove_folder();
    return 0;
}

static wall_time plus(wall_time time, int64_t seconds)
{
    return (wall_time){ time.ns + seconds * SECOND_NS };
}

static void commit(const struct notice *notice, wall_time when)
{
    struct problem problem = { "" };
    if (outbox_commit(outbox, notice, 1, &settings, 1, when, &problem) != OUTBOX_OK) {
        fail_msg("%s", problem.text);
    }
}

static void tell(size_t station, enum severity from, enum severity to, wall_time when)
{
    struct notice notice = sample_notice(RULE_BOTH, 0, 0, from, to);
    notice.station = &stations[station];
    notice.time_ns = notice.since_ns = when.ns;
    notice.transition = true;
    commit(&notice, when);
}

static bool take(const char *channel, wall_time when)
{
    struct problem problem = { "" };
    const struct outbox_terms *terms = strcmp(channel, "mail") == 0 ? &digests : &one_by_one;
    enum outbox_status status = outbox_take(outbox, channel, terms, when, &parcel, &problem);
    if (status == OUTBOX_FAILED) {
        fail_msg("%s", problem.text);
    }
    return status == OUTBOX_OK;
}

static void sent(wall_time when)
{
    assert_int_equal(outbox_mark(outbox, &parcel, &digests, OUTBOX_SENT, when, NULL), OUTBOX_OK);
}

static void fails(wall_time when, int64_t pause_s)
{
    const struct failure failure = { false, when, plus(when, pause_s), "451 greylisted" };
    assert_int_equal(outbox_fail(outbox, &parcel, &failure, NULL), OUTBOX_OK);
}

static bool says(size_t letter, const char *station, const char *to)
{
    char text[64];
    (void)snprintf(text, sizeof text, "\"to\":\"%s\"", to);
    bool state = strstr(parcel.letters[letter].body, text) != NULL;
    (void)snprintf(text, sizeof text, "\"station\":\"%s\"", station);
    return state && strstr(parcel.letters[letter].body, text) != NULL;
}

/* --- digests ------------------------------------------------------------------------------ */

static void behind_the_burst_comes_one_digest(void **state)
{
    (void)state;
    int singles = 0;
    for (size_t i = 0; i < STATIONS; i++) {
        tell(i, SEVERITY_NORMAL, i == 7 ? SEVERITY_SEVERE : SEVERITY_MINOR, plus(day, 1));
        while (take("mail", plus(day, 1))) {
            assert_int_equal(parcel.digest, 0);
            assert_int_equal(parcel.count, 1);
            assert_int_equal(parcel.language, LANGUAGE_EN);
            singles++;
            sent(plus(day, 1));
        }
    }
    assert_int_equal(singles, 4); /* two for each of two */
    assert_true(parcel.again_ns == plus(day, 61).ns);
    assert_false(take("mail", plus(day, 60)));
    tell(3, SEVERITY_MINOR, SEVERITY_NORMAL, plus(day, 30));
    for (size_t i = 0; i < 2; i++) {
        assert_true(take("mail", plus(day, 61)));
        assert_string_equal(parcel.address, officers[i]);
        assert_true(parcel.digest > 0);
        assert_int_equal(parcel.count, 5);
        assert_int_equal(parcel.more, STATIONS - 2 - 5);
        assert_int_equal(parcel.messages, STATIONS - 2 + 1);
        assert_true(says(0, "s7", "severe")); /* the gravest first, then the newest */
        assert_true(says(1, "s299", "minor"));
        sent(plus(day, 61));
    }
    assert_false(take("mail", plus(day, 61)));
    assert_true(parcel.again_ns == INT64_MAX);
    /* the flood goes on: its next digest comes a minute later */
    tell(3, SEVERITY_NORMAL, SEVERITY_MINOR, plus(day, 62));
    assert_false(take("mail", plus(day, 62)));
    assert_true(take("mail", plus(day, 122)));
    assert_int_equal(parcel.messages, 1);
}

static void a_digest_stays_together_at_each_try(void **state)
{
    (void)state;
    for (size_t i = 0; i < 10; i++) {
        tell(i, SEVERITY_NORMAL, SEVERITY_MINOR, day);
    }
    for (int i = 0; i < 2; i++) {
        assert_true(take("mail", day));
        sent(day);
        assert_true(take("mail", day));
        sent(day);
    }
    assert_true(take("mail", plus(day, 60)));
    const int64_t digest = parcel.digest;
    char address[SUBSCRIBER_ADDRESS_MAX + 1];
    (void)snprintf(address, sizeof address, "%s", parcel.address);
    fails(plus(day, 60), 300);
    tell(9, SEVERITY_MINOR, SEVERITY_SEVERE, plus(day, 61)); /* comes after it, not in it */
    tell(50, SEVERITY_NORMAL, SEVERITY_MINOR, plus(day, 61));
    assert_true(take("mail", plus(day, 61))); /* the other's */
    sent(plus(day, 61));
    reopen();
    assert_true(take("mail", plus(day, 130)));
    assert_string_equal(parcel.address, address);
    assert_int_equal(parcel.messages, 1); /* what the digest does not hold up */
    assert_true(says(0, "s50", "minor"));
    sent(plus(day, 130));
    assert_false(take("mail", plus(day, 359)));
    assert_true(parcel.again_ns == plus(day, 360).ns);
    assert_true(take("mail", plus(day, 360)));
    assert_int_equal(parcel.digest, digest);
    assert_int_equal(parcel.tries, 1);
    assert_int_equal(parcel.messages, 8);
    sent(plus(day, 360));
    assert_true(take("mail", plus(day, 500)));
    assert_true(says(0, "s9", "severe"));
}

/* --- quiet hours ---------------------------------------------------------------------------- */

static void the_night_is_quiet_but_for_what_is_grave(void **state)
{
    (void)state;
    const wall_time morning = plus(night, 6 * 3600 + 24 * 60 + 50);
    for (size_t i = 0; i < 4; i++) {
        tell(i, SEVERITY_NORMAL, SEVERITY_MINOR, night);
    }
    assert_false(take("mail", night));
    assert_true(parcel.again_ns == morning.ns);
    assert_true(take("ioc", night)); /* has no night */
    tell(2, SEVERITY_MINOR, SEVERITY_SEVERE, plus(night, 60));
    for (int i = 0; i < 2; i++) { /* and takes along what waits of its series, in order */
        assert_true(take("mail", plus(night, 60)));
        assert_true(says(0, "s2", "minor"));
        sent(plus(night, 60));
        assert_true(take("mail", plus(night, 60)));
        assert_true(says(0, "s2", "severe"));
        sent(plus(night, 60));
    }
    assert_false(take("mail", plus(night, 60)));
    reopen();
    assert_false(take("mail", plus(morning, -1)));
    assert_true(take("mail", morning)); /* together: they came within one burst's time */
    assert_int_equal(parcel.messages, 3);
}

/* --- what is recorded ------------------------------------------------------------------------ */

struct read {
    size_t count;
    char text[16][640];
};

static void read_active(void *context, const struct letter *letter)
{
    struct read *read = context;
    (void)snprintf(read->text[read->count++ % 16], 640, "%s %s", letter->station,
                   severity_name(letter->to));
}

static void active_ones_are_listed_by_gravity(void **state)
{
    (void)state;
    struct read read = { 0 };
    tell(0, SEVERITY_NORMAL, SEVERITY_MINOR, day);
    tell(1, SEVERITY_NORMAL, SEVERITY_MINOR, day);
    tell(2, SEVERITY_NORMAL, SEVERITY_SEVERE, day);
    tell(1, SEVERITY_MINOR, SEVERITY_NORMAL, day);
    tell(3, SEVERITY_NORMAL, SEVERITY_MINOR, day);
    struct notice other = sample_notice(RULE_IOC, 0, 0, SEVERITY_NORMAL, SEVERITY_EXTREME);
    commit(&other, day);
    assert_true(outbox_each_active(outbox, "mail", read_active, &read));
    assert_int_equal(read.count, 3);
    assert_string_equal(read.text[0], "s2 severe");
    assert_string_equal(read.text[1], "s3 minor");
    assert_string_equal(read.text[2], "s0 minor");
    read.count = 0;
    assert_true(outbox_each_active(outbox, "ioc", read_active, &read));
    assert_int_equal(read.count, 4);
    read.count = 0;
    assert_true(outbox_each_active(outbox, "io", read_active, &read));
    assert_int_equal(read.count, 0);
}

static bool read_event(void *context, const struct outbox_event *event)
{
    struct read *read = context;
    (void)snprintf(read->text[read->count++ % 16], 640, "%s %s %s>%s %s %s%s%s%s", event->station,
                   event->event, severity_name(event->from), severity_name(event->to), event->life,
                   event->who, event->text, event->changed ? " changed" : "",
                   event->told ? " told" : "");
    return read->count < 16;
}

static void history_merges_transitions_and_events(void **state)
{
    (void)state;
    struct read read = { 0 };
    tell(0, SEVERITY_NORMAL, SEVERITY_MINOR, day);
    tell(1, SEVERITY_NORMAL, SEVERITY_MINOR, plus(day, 1));
    struct notice ack = sample_notice(RULE_BOTH, 0, 0, SEVERITY_MINOR, SEVERITY_MINOR);
    ack.station = &stations[0];
    ack.time_ns = plus(day, 5).ns;
    ack.event = "ack";
    ack.life = "ACKED";
    ack.who = PHUSA_TEXT("lan");
    ack.text = PHUSA_TEXT(": đã xem");
    ack.tell = false;
    commit(&ack, plus(day, 5));
    struct notice escalated = ack;
    escalated.event = "escalated";
    escalated.escalated = escalated.tell = true;
    escalated.who = escalated.text = (struct phusa_text){ NULL, 0 };
    escalated.time_ns = plus(day, 3).ns;
    struct rule rule = sample_rules[RULE_BOTH];
    rule.escalation.channel_count = 1; /* ioc */
    escalated.rule = &rule;
    commit(&escalated, plus(day, 6));
    struct outbox *reader = outbox_open_read(sample_path, NULL);
    assert_non_null(reader);
    assert_true(outbox_each_event(reader, "salinity-both", "s0", day.ns, plus(day, 6).ns,
                                  read_event, &read));
    assert_int_equal(read.count, 3);
    assert_string_equal(read.text[0], "s0  normal>minor   changed told");
    assert_string_equal(read.text[1], "s0 escalated minor>minor ACKED ");
    assert_string_equal(read.text[2], "s0 ack minor>minor ACKED lan: đã xem");
    read.count = 0;
    assert_true(outbox_each_event(reader, NULL, NULL, 0, INT64_MAX, read_event, &read));
    assert_int_equal(read.count, 4);
    assert_int_equal(outbox_commit(reader, NULL, 0, NULL, 1, day, NULL), OUTBOX_FAILED);
    outbox_close(reader);
    /* the escalation has a message of its own, and is not less known on the rule's channels */
    read.count = 0;
    assert_true(outbox_each_active(outbox, "mail", read_active, &read));
    assert_int_equal(read.count, 2);
}

static void read_message(void *context, const struct outbox_message *message)
{
    static const char *const stages[] = { "waiting", "sent",      "given up",
                                          "dropped", "delivered", "failed" };
    struct read *read = context;
    (void)snprintf(read->text[read->count++ % 16], 640, "%s %s %s %s %u %s", message->channel,
                   message->recipient, message->station, stages[message->stage], message->tries,
                   message->problem);
}

static void every_message_can_be_listed(void **state)
{
    (void)state;
    struct read read = { 0 };
    struct outbox_filter filter = { .channel = "mail" };
    tell(0, SEVERITY_NORMAL, SEVERITY_MINOR, day);
    tell(1, SEVERITY_NORMAL, SEVERITY_MINOR, day);
    assert_true(take("mail", day));
    sent(day);
    assert_true(take("mail", day));
    fails(day, 10);
    assert_true(outbox_each_message(outbox, &filter, read_message, &read));
    assert_int_equal(read.count, 4);
    assert_string_equal(read.text[3], "mail a@example.vn s0 sent 1 ");
    assert_string_equal(read.text[2], "mail b@example.vn s0 waiting 0 ");
    assert_string_equal(read.text[1], "mail a@example.vn s1 waiting 1 451 greylisted");
    filter = (struct outbox_filter){ .waiting = true, .station = "s1", .most = 2 };
    read.count = 0;
    assert_true(outbox_each_message(outbox, &filter, read_message, &read));
    assert_int_equal(read.count, 2);
    assert_string_equal(read.text[0], "  s1 waiting 0 "); /* the topic's is the newest */
}

/* --- version 1 ------------------------------------------------------------------------------- */

static const char version_1[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE transition("
    " id INTEGER PRIMARY KEY, position INTEGER NOT NULL, key TEXT NOT NULL, rule TEXT NOT NULL,"
    " site TEXT NOT NULL, station TEXT NOT NULL, parameter TEXT NOT NULL,"
    " time_ns INTEGER NOT NULL, since_ns INTEGER NOT NULL, before TEXT NOT NULL,"
    " after TEXT NOT NULL, value REAL, historical INTEGER NOT NULL, told INTEGER NOT NULL,"
    " changed INTEGER NOT NULL, committed_ns INTEGER NOT NULL);"
    "CREATE INDEX transition_time ON transition(time_ns);"
    "CREATE TABLE message("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, transition_id INTEGER NOT NULL, channel TEXT NOT NULL,"
    " series TEXT NOT NULL, key TEXT NOT NULL, topic TEXT NOT NULL, body TEXT NOT NULL,"
    " state INTEGER NOT NULL, created_ns INTEGER NOT NULL);"
    "CREATE INDEX message_series ON message(channel, series) WHERE state < 2;"
    "CREATE INDEX message_ready ON message(channel) WHERE state = 1;"
    "CREATE INDEX message_oldest ON message(state) WHERE state = 1;"
    "CREATE INDEX message_done ON message(created_ns) WHERE state >= 2;"
    "PRAGMA user_version = 1;"
    "CREATE INDEX transition_told ON transition(rule, station, parameter, id) WHERE told = 1;"
    "INSERT INTO meta VALUES('position', 77);"
    "INSERT INTO transition VALUES"
    " (1, 5, 'k1', 'salinity', 'my-tho', 's0', 'salinity', 1000000000, 1000000000, 'normal',"
    "  'minor', 1.5, 0, 1, 1, 1000000000),"
    " (2, 6, 'k2', 'salinity', 'my-tho', 's0', 'salinity', 2000000000, 2000000000, 'minor',"
    "  'severe', 4.5, 0, 1, 1, 2000000000),"
    " (3, 7, 'k3', 'smoke', 'my-tho', 's1', 'pm25', 3000000000, 3000000000, 'minor', 'normal',"
    "  4.5, 0, 1, 1, 3000000000);"
    "INSERT INTO message(transition_id, channel, series, key, topic, body, state, created_ns)"
    " VALUES (1, 'ioc', 'salinity/s0', 'k1', '', '{\"rule\":\"salinity\",\"site\":\"my-tho\","
    "\"station\":\"s0\",\"to\":\"minor\"}', 2, 1000000000),"
    " (2, 'ioc', 'salinity/s0', 'k2', '', '{\"rule\":\"salinity\",\"site\":\"my-tho\","
    "\"station\":\"s0\",\"to\":\"severe\"}', 1, 2000000000),"
    " (2, '', 'salinity/s0', 'k2', 't', '{\"rule\":\"salinity\",\"site\":\"my-tho\","
    "\"station\":\"s0\",\"to\":\"severe\"}', 1, 2000000000),"
    " (3, '', 'smoke/s1', 'k3', 't', '', 1, 3000000000);";

static void make_version_1(const char *script)
{
    sqlite3 *db = NULL;
    outbox_close(outbox);
    outbox = NULL;
    sample_remove_folder();
    sample_make_folder();
    assert_int_equal(sqlite3_open(sample_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, script, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void visit_told(void *context, const struct outbox_told *told)
{
    struct read *read = context;
    (void)snprintf(read->text[read->count++ % 16], 640, "%s %s %s", told->rule, told->station,
                   severity_name(told->severity));
}

static void version_1_is_made_over(void **state)
{
    (void)state;
    struct read read = { 0 };
    struct outbox_counters counters;
    make_version_1(version_1);
    assert_null(outbox_open_read(sample_path, NULL)); /* that is for the collector to do */
    reopen();
    outbox_read_counters(outbox, &counters);
    assert_int_equal(counters.waiting, 3);
    assert_true(take("ioc", day));
    assert_true(says(0, "s0", "severe"));
    sent(day);
    assert_false(take("ioc", day));
    assert_true(take(CHANNEL_RETAINED, day));
    assert_true(says(0, "s0", "severe"));
    sent(day);
    assert_true(take(CHANNEL_RETAINED, day));
    assert_true(says(0, "s1", "normal"));
    assert_true(outbox_each_told(outbox, visit_told, &read));
    assert_int_equal(read.count, 2);
    assert_string_equal(read.text[0], "salinity s0 severe");
    assert_string_equal(read.text[1], "smoke s1 normal");
    read.count = 0;
    assert_true(outbox_each_active(outbox, "ioc", read_active, &read));
    assert_string_equal(read.text[0], "s0 severe");
    assert_int_equal(read.count, 1);
    tell(5, SEVERITY_NORMAL, SEVERITY_MINOR, day); /* and it goes on */
    reopen();
}

/* What fails half-way leaves version 1 as it was. */
static void a_making_over_that_fails_changes_nothing(void **state)
{
    (void)state;
    struct problem problem = { "" };
    uint64_t position = 0;
    make_version_1("CREATE TABLE transition(id INTEGER PRIMARY KEY); PRAGMA user_version = 1;");
    assert_int_equal(outbox_open(sample_path, &outbox, &position, &problem), OUTBOX_REPLACED);
    assert_non_null(strstr(problem.text, "message"));
    char aside[128];
    sqlite3 *db = NULL;
    (void)snprintf(aside, sizeof aside, "%s.damaged-1", sample_path);
    assert_int_equal(sqlite3_open(aside, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "SELECT id FROM transition", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "SELECT * FROM series", NULL, NULL, NULL), SQLITE_ERROR);
    (void)sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(behind_the_burst_comes_one_digest, make, clean),
        cmocka_unit_test_setup_teardown(a_digest_stays_together_at_each_try, make, clean),
        cmocka_unit_test_setup_teardown(the_night_is_quiet_but_for_what_is_grave, make, clean),
        cmocka_unit_test_setup_teardown(active_ones_are_listed_by_gravity, make, clean),
        cmocka_unit_test_setup_teardown(history_merges_transitions_and_events, make, clean),
        cmocka_unit_test_setup_teardown(every_message_can_be_listed, make, clean),
        cmocka_unit_test_setup_teardown(version_1_is_made_over, make, clean),
        cmocka_unit_test_setup_teardown(a_making_over_that_fails_changes_nothing, make, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
