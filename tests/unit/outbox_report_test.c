/*
 * Delivery reports in the outbox: what fails later comes again, but nothing stale; what comes
 * twice, late, early, unknown or without its proof. And an outbox of version 2 made over.
 */
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "notify_sample.h"

/* printf 'text\n00000000000000ff' | openssl dgst -sha256 -hmac key */
#define EXPECTED_PROOF "f9bb1271551363254fb2913116304c91bfeec31254071274cf0a092c86fccce5"

static const char *const people[] = { "+84901234567" };
static const char *const failed[] = { "2", "16" }, *const done[] = { "1" };
static const struct channel_settings channels[] = {
    { .id = "ioc", .kind = CHANNEL_WEBHOOK },
    { .id = "text",
      .kind = CHANNEL_SMS,
      .to = people,
      .to_count = 1,
      .secret = "",
      .report_base = "http://127.0.0.1:8080",
      .report_failed = failed,
      .report_failed_count = 2,
      .report_done = done,
      .report_done_count = 1,
      .report_within_ns = 600 * SECOND_NS,
      .pace = { .burst = 3, .gather_ns = 60 * SECOND_NS },
      .quiet = { .from_s = 22 * 3600, .until_s = 5 * 3600, .below = SEVERITY_SEVERE } },
};
static const struct channel_settings *const text = &channels[1];
static const struct settings settings = { .utc_offset_s = 7 * 3600,
                                          .channels = channels,
                                          .channel_count = 2 };
static const struct outbox_terms terms = {
    .digests = true, .most = 5, .pace = { .burst = 3, .gather_ns = 60 * SECOND_NS }, .reports = true
};
/* 2025-11-21 08:35:10 and 21:59:30 +07:00 */
static const wall_time day = { INT64_C(1763688910) * SECOND_NS },
                       evening = { INT64_C(1763737170) * SECOND_NS };

static struct outbox *outbox;
static struct outbox_parcel parcel;

static void reopen(void)
{
    struct problem problem = { "" };
    uint64_t position = 0;
    outbox_close(outbox);
    if (outbox_open(sample_path, &outbox, &position, &problem) != OUTBOX_OK) {
        fail_msg("%s", problem.text);
    }
    assert_true(outbox_configure(outbox, &settings));
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
    outbox_parcel_clear(&parcel);
    outbox_close(outbox);
    sample_remove_folder();
    return 0;
}

static wall_time plus(wall_time time, int64_t seconds)
{
    return (wall_time){ time.ns + seconds * SECOND_NS };
}

static void tell(int64_t station, enum severity from, enum severity to, wall_time when)
{
    struct problem problem = { "" };
    struct notice notice = sample_notice(RULE_BOTH, station, 0, from, to);
    notice.time_ns = notice.since_ns = when.ns;
    notice.transition = true;
    if (outbox_commit(outbox, &notice, 1, &settings, 1, when, &problem) != OUTBOX_OK) {
        fail_msg("%s", problem.text);
    }
}

static bool take(wall_time when)
{
    struct problem problem = { "" };
    enum outbox_status status = outbox_take(outbox, "text", &terms, when, &parcel, &problem);
    if (status == OUTBOX_FAILED) {
        fail_msg("%s", problem.text);
    }
    return status == OUTBOX_OK;
}

static void mark(wall_time when)
{
    assert_int_equal(outbox_mark(outbox, &parcel, &terms, OUTBOX_SENT, when, NULL), OUTBOX_OK);
}

/* Sends what is due next; returns its number. */
static int64_t send_next(wall_time when)
{
    assert_true(take(when));
    assert_true(parcel.sending > 0);
    mark(when);
    return parcel.sending;
}

static enum outbox_reported report_proven(int64_t sending, const char *said, wall_time when)
{
    unsigned char secret[REPORT_SECRET_BYTES];
    char key[REPORT_KEY_CHARS + 1], proof[REPORT_PROOF_CHARS + 1];
    struct problem problem = { "" };
    outbox_copy_secret(outbox, secret);
    report_print_key(sending, key);
    assert_true(report_prove((struct phusa_text){ (const char *)secret, sizeof secret }, "text",
                             key, proof));
    const struct outbox_report report = { key, proof, said };
    return outbox_take_report(outbox, text, &report, when, &problem);
}

static struct outbox_counters counters(void)
{
    struct outbox_counters read;
    outbox_read_counters(outbox, &read);
    return read;
}

static struct outbox_reports reports(void)
{
    struct outbox_reports read[CHANNELS_MAX] = { { .channel = "" } };
    (void)outbox_read_reports(outbox, read);
    return read[0];
}

struct listed {
    size_t count;
    char line[8][360];
};

static void list_message(void *context, const struct outbox_message *message)
{
    static const char *const stages[] = { "waiting", "sent",      "given up",
                                          "dropped", "delivered", "failed" };
    struct listed *listed = context;
    (void)snprintf(listed->line[listed->count++ % 8], sizeof listed->line[0], "%s %s%s%s|%s",
                   message->station, stages[message->stage], message->awaited ? " awaited " : " ",
                   message->report, message->problem);
}

static struct listed list(void)
{
    struct listed listed = { 0 };
    const struct outbox_filter filter = { .channel = "text" };
    assert_true(outbox_each_message(outbox, &filter, list_message, &listed));
    return listed;
}

/* Says what it is to say, too. */
static bool says(size_t letter, const char *to)
{
    char wanted[64];
    (void)snprintf(wanted, sizeof wanted, "\"to\":\"%s\"", to);
    return strstr(parcel.letters[letter].body, wanted) != NULL;
}

/* --- the plain ways ------------------------------------------------------------------------ */

static void one_that_arrived_is_delivered(void **state)
{
    (void)state;
    tell(0, SEVERITY_NORMAL, SEVERITY_MINOR, day);
    int64_t sending = send_next(day);
    assert_string_equal(list().line[0], "s1 sent awaited |");
    assert_int_equal(report_proven(sending, "8", plus(day, 1)), OUTBOX_REPORT_NOTED);
    assert_string_equal(list().line[0], "s1 sent 8|");
    assert_int_equal(report_proven(sending, "1", plus(day, 2)), OUTBOX_REPORT_DELIVERED);
    assert_string_equal(list().line[0], "s1 delivered 1|");
    assert_string_equal(reports().channel, "text");
    assert_int_equal(reports().delivered, 1);
    assert_int_equal(reports().noted, 1);
    /* again, or something else afterwards */
    assert_int_equal(report_proven(sending, "1", plus(day, 3)), OUTBOX_REPORT_UNCHANGED);
    assert_int_equal(report_proven(sending, "2", plus(day, 3)), OUTBOX_REPORT_UNCHANGED);
    reopen();
    assert_int_equal(report_proven(sending, "2", plus(day, 4)), OUTBOX_REPORT_UNCHANGED);
    assert_string_equal(list().line[0], "s1 delivered 1|");
    assert_int_equal(counters().waiting, 2); /* the other channel's and the topic's */
}

static void one_that_failed_comes_again_three_times(void **state)
{
    (void)state;
    static const int64_t pauses[] = { 60, 120, 240 };
    wall_time now = day;
    int64_t earlier = 0;
    tell(0, SEVERITY_NORMAL, SEVERITY_SEVERE, day);
    for (size_t i = 0; i < OUTBOX_AGAIN_MAX; i++) {
        int64_t sending = send_next(now);
        assert_int_equal(counters().waiting, 2);
        assert_int_equal(report_proven(earlier, "2", now), OUTBOX_REPORT_UNCHANGED);
        assert_int_equal(report_proven(sending, i == 1 ? "16" : "2", now), OUTBOX_REPORT_AGAIN);
        assert_int_equal(report_proven(sending, "2", now), OUTBOX_REPORT_UNCHANGED);
        assert_int_equal(report_proven(sending, "1", now), OUTBOX_REPORT_UNCHANGED);
        assert_int_equal(counters().waiting, 3);
        reopen();
        assert_int_equal(outbox_retry(outbox, "text", now, NULL), OUTBOX_OK); /* keeps its pause */
        assert_false(take(plus(now, pauses[i] - 1)));
        assert_true(parcel.again_ns == plus(now, pauses[i]).ns);
        now = plus(now, pauses[i]);
        earlier = sending;
    }
    assert_string_equal(list().line[0], "s1 waiting 2|reported as failed (\"2\")");
    assert_int_equal(report_proven(send_next(now), "2", now), OUTBOX_REPORT_FAILED);
    assert_string_equal(
        list().line[0],
        "s1 given up 2|reported as failed (\"2\"), given up after it was sent again 3 times");
    assert_false(take(plus(now, 86400)));
    assert_int_equal(counters().failed, 1);
    assert_int_equal(counters().waiting, 2);
    assert_int_equal(reports().failed, 1); /* since it was opened last */
}

/* --- nothing stale -------------------------------------------------------------------------- */

static void nothing_stale_is_sent_again(void **state)
{
    (void)state;
    tell(0, SEVERITY_NORMAL, SEVERITY_MINOR, day);
    int64_t first = send_next(day);
    tell(1, SEVERITY_NORMAL, SEVERITY_MINOR, plus(day, 1)); /* another series */
    int64_t other = send_next(plus(day, 1));
    tell(0, SEVERITY_MINOR, SEVERITY_SEVERE, plus(day, 2));
    int64_t second = send_next(plus(day, 2));
    assert_int_equal(report_proven(first, "2", plus(day, 3)), OUTBOX_REPORT_FAILED);
    assert_string_equal(list().line[2],
                        "s1 failed 2|reported as failed (\"2\"); a newer message has gone since");
    assert_false(take(plus(day, 3600)));
    assert_int_equal(report_proven(other, "2", plus(day, 4)), OUTBOX_REPORT_AGAIN);
    assert_int_equal(report_proven(second, "2", plus(day, 5)), OUTBOX_REPORT_AGAIN);
    assert_int_equal(reports().failed, 3);
}

/* What comes while an older one waits again takes it along, and goes behind it. */
static void order_is_kept(void **state)
{
    (void)state;
    tell(0, SEVERITY_NORMAL, SEVERITY_MINOR, day);
    assert_int_equal(report_proven(send_next(day), "2", day), OUTBOX_REPORT_AGAIN);
    tell(0, SEVERITY_MINOR, SEVERITY_SEVERE, plus(day, 10));
    int64_t again = send_next(plus(day, 10));
    assert_true(says(0, "minor"));
    assert_true(take(plus(day, 10)));
    assert_true(says(0, "severe"));
    /* the older one fails while the newer is on its way: it waits, and is overtaken */
    assert_int_equal(report_proven(again, "2", plus(day, 11)), OUTBOX_REPORT_AGAIN);
    assert_int_equal(counters().waiting, 6);
    mark(plus(day, 12));
    assert_string_equal(list().line[1], "s1 failed 2|reported as failed (\"2\")");
    assert_int_equal(counters().waiting, 4);
    assert_false(take(plus(day, 86400)));
    reopen();
    assert_int_equal(counters().waiting, 4);
}

/* --- early, late, never --------------------------------------------------------------------- */

static void a_failure_may_come_before_the_mark(void **state)
{
    (void)state;
    tell(0, SEVERITY_NORMAL, SEVERITY_MINOR, day);
    assert_true(take(day));
    assert_int_equal(report_proven(parcel.sending, "2", day), OUTBOX_REPORT_NOTED);
    assert_int_equal(report_proven(parcel.sending, "1", day), OUTBOX_REPORT_UNCHANGED);
    assert_int_equal(counters().waiting, 3);
    mark(plus(day, 1));
    assert_int_equal(counters().waiting, 3);
    assert_int_equal(reports().failed, 1);
    assert_int_equal(reports().noted, 0);
    assert_string_equal(list().line[0], "s1 waiting 2|reported as failed (\"2\")");
    assert_false(take(plus(day, 60)));
    assert_true(take(plus(day, 61)));
}

static void a_delivery_may_come_before_the_mark(void **state)
{
    (void)state;
    tell(0, SEVERITY_NORMAL, SEVERITY_MINOR, day);
    tell(0, SEVERITY_MINOR, SEVERITY_SEVERE, day);
    assert_true(take(day));
    assert_int_equal(report_proven(parcel.sending, "1", day), OUTBOX_REPORT_DELIVERED);
    assert_int_equal(counters().waiting, 5);
    mark(day);
    assert_int_equal(counters().waiting, 5);
    assert_int_equal(counters().sent, 1);
    assert_string_equal(list().line[1], "s1 delivered 1|");
    assert_true(take(day));
    assert_true(says(0, "severe"));
}

/* A try that seemed to fail, but the phone has it; and the report of one that was sent again. */
static void a_try_without_an_answer_may_have_arrived(void **state)
{
    (void)state;
    const struct failure failure = { false, day, plus(day, 30), "no answer" };
    tell(0, SEVERITY_NORMAL, SEVERITY_MINOR, day);
    tell(1, SEVERITY_NORMAL, SEVERITY_MINOR, day);
    assert_true(take(day));
    int64_t first = parcel.sending;
    assert_int_equal(outbox_fail(outbox, &parcel, &failure, NULL), OUTBOX_OK);
    assert_true(take(day));
    int64_t second = parcel.sending;
    assert_int_equal(outbox_fail(outbox, &parcel, &failure, NULL), OUTBOX_OK);
    assert_int_equal(report_proven(first, "1", plus(day, 1)), OUTBOX_REPORT_DELIVERED);
    assert_true(take(plus(day, 30)));
    assert_int_not_equal(parcel.sending, second);
    assert_non_null(strstr(parcel.letters[0].body, "\"s2\""));
    assert_int_equal(report_proven(second, "1", plus(day, 31)), OUTBOX_REPORT_UNCHANGED);
    mark(plus(day, 32));
    assert_false(take(plus(day, 3600)));
    assert_int_equal(counters().waiting, 4);
}

static void one_that_was_given_up_stays_so(void **state)
{
    (void)state;
    tell(0, SEVERITY_NORMAL, SEVERITY_MINOR, day);
    assert_true(take(day));
    int64_t sending = parcel.sending;
    assert_int_equal(outbox_mark(outbox, &parcel, &terms, OUTBOX_GIVEN_UP, day, NULL), OUTBOX_OK);
    assert_int_equal(report_proven(sending, "1", day), OUTBOX_REPORT_UNCHANGED);
    assert_int_equal(report_proven(sending, "2", day), OUTBOX_REPORT_UNCHANGED);
    assert_int_equal(report_proven(sending, "8", day), OUTBOX_REPORT_UNCHANGED);
    assert_string_equal(list().line[0], "s1 given up |");
}

static uint64_t overdue(wall_time before)
{
    uint64_t count = 99;
    assert_true(outbox_count_overdue(outbox, "text", before.ns, &count));
    return count;
}

static void overdue_ones_are_counted_and_not_sent_again(void **state)
{
    (void)state;
    tell(0, SEVERITY_NORMAL, SEVERITY_MINOR, day);
    tell(1, SEVERITY_NORMAL, SEVERITY_MINOR, day);
    int64_t first = send_next(day);
    (void)send_next(day);
    assert_int_equal(overdue(day), 0);
    assert_int_equal(overdue(plus(day, 1)), 2);
    assert_int_equal(report_proven(first, "8", plus(day, 1)), OUTBOX_REPORT_NOTED);
    assert_int_equal(overdue(plus(day, 1)), 2); /* not its last word */
    assert_int_equal(report_proven(first, "1", plus(day, 1)), OUTBOX_REPORT_DELIVERED);
    assert_int_equal(overdue(plus(day, 1)), 1);
    assert_false(take(plus(day, 86400)));
}

static void the_night_stays_quiet(void **state)
{
    (void)state;
    tell(0, SEVERITY_NORMAL, SEVERITY_MINOR, evening);
    tell(1, SEVERITY_NORMAL, SEVERITY_SEVERE, evening);
    int64_t minor = send_next(evening), severe = send_next(evening);
    assert_int_equal(report_proven(minor, "2", evening), OUTBOX_REPORT_AGAIN);
    assert_int_equal(report_proven(severe, "2", evening), OUTBOX_REPORT_AGAIN);
    (void)send_next(plus(evening, 60));
    assert_true(says(0, "severe"));
    assert_false(take(plus(evening, 3600)));
    assert_int_equal(outbox_retry(outbox, "text", plus(evening, 3600), NULL), OUTBOX_OK);
    assert_false(take(plus(evening, 3600)));
    assert_true(parcel.again_ns == plus(evening, 7 * 3600 + 30).ns); /* 05:00 */
    /* but what is grave takes it along */
    tell(0, SEVERITY_MINOR, SEVERITY_SEVERE, plus(evening, 4000));
    (void)send_next(plus(evening, 4000));
    assert_true(says(0, "minor"));
    (void)send_next(plus(evening, 4000));
    assert_true(says(0, "severe"));
}

/* A process that takes a report and is killed at once, without closing anything. */
static void what_was_taken_survives_a_kill(void **state)
{
    (void)state;
    tell(0, SEVERITY_NORMAL, SEVERITY_MINOR, day);
    tell(1, SEVERITY_NORMAL, SEVERITY_MINOR, day);
    int64_t first = send_next(day), second = send_next(day);
    outbox_close(outbox);
    outbox = NULL;
    pid_t child = fork();
    if (child == 0) {
        uint64_t position = 0;
        if (outbox_open(sample_path, &outbox, &position, NULL) == OUTBOX_OK &&
            report_proven(first, "2", day) == OUTBOX_REPORT_AGAIN &&
            report_proven(second, "1", day) == OUTBOX_REPORT_DELIVERED) {
            (void)kill(getpid(), SIGKILL);
        }
        _exit(1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    reopen();
    assert_int_equal(counters().waiting, 5);
    assert_string_equal(list().line[0], "s2 delivered 1|");
    assert_string_equal(list().line[1], "s1 waiting 2|reported as failed (\"2\")");
    assert_int_equal(report_proven(first, "2", day), OUTBOX_REPORT_UNCHANGED);
    assert_int_equal(report_proven(second, "2", day), OUTBOX_REPORT_UNCHANGED);
    (void)send_next(plus(day, 60));
    assert_false(take(plus(day, 86400)));
}

/* --- digests -------------------------------------------------------------------------------- */

static void a_digest_comes_again_together(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        tell(0, i % 2 == 0 ? SEVERITY_NORMAL : SEVERITY_MINOR,
             i % 2 == 0 ? SEVERITY_MINOR : SEVERITY_NORMAL, day);
        (void)send_next(day);
    }
    tell(0, SEVERITY_MINOR, SEVERITY_SEVERE, plus(day, 1));
    tell(1, SEVERITY_NORMAL, SEVERITY_MINOR, plus(day, 1));
    tell(1, SEVERITY_MINOR, SEVERITY_SEVERE, plus(day, 2));
    int64_t sending = send_next(plus(day, 61));
    assert_int_equal(parcel.messages, 3);
    int64_t digest = parcel.digest;
    tell(0, SEVERITY_SEVERE, SEVERITY_NORMAL, plus(day, 400));
    (void)send_next(plus(day, 400));
    assert_int_equal(report_proven(sending, "2", plus(day, 500)), OUTBOX_REPORT_AGAIN);
    assert_string_equal(list().line[3],
                        "s1 failed 2|reported as failed (\"2\"); a newer message has gone since");
    assert_int_equal(reports().failed, 3);
    int64_t again = send_next(plus(day, 560));
    assert_int_equal(parcel.digest, digest);
    assert_int_equal(parcel.messages, 2); /* those of s2; s1 is normal since */
    assert_int_equal(parcel.count, 1);
    assert_true(says(0, "severe"));
    assert_int_equal(report_proven(sending, "1", plus(day, 561)), OUTBOX_REPORT_UNCHANGED);
    assert_int_equal(report_proven(again, "1", plus(day, 562)), OUTBOX_REPORT_DELIVERED);
    assert_int_equal(reports().delivered, 2);
}

/* --- proofs --------------------------------------------------------------------------------- */

static void nothing_is_taken_without_its_proof(void **state)
{
    (void)state;
    char key[REPORT_KEY_CHARS + 1], proof[REPORT_PROOF_CHARS + 1];
    unsigned char secret[REPORT_SECRET_BYTES];
    tell(0, SEVERITY_NORMAL, SEVERITY_MINOR, day);
    int64_t sending = send_next(day);
    outbox_copy_secret(outbox, secret);
    const struct phusa_text own = { (const char *)secret, sizeof secret };
    report_print_key(sending, key);
    struct outbox_report report = { key, proof, "2" };
    assert_true(report_prove(own, "ioc", key, proof)); /* of another channel */
    assert_int_equal(outbox_take_report(outbox, text, &report, day, NULL), OUTBOX_REPORT_UNPROVEN);
    assert_true(report_prove(own, "text", key, proof));
    assert_int_equal(outbox_take_report(outbox, NULL, &report, day, NULL), OUTBOX_REPORT_UNPROVEN);
    proof[63] = proof[63] == '0' ? '1' : '0';
    assert_int_equal(outbox_take_report(outbox, text, &report, day, NULL), OUTBOX_REPORT_UNPROVEN);
    report.proof = "";
    assert_int_equal(outbox_take_report(outbox, text, &report, day, NULL), OUTBOX_REPORT_UNPROVEN);
    assert_int_equal(counters().unproven, 4);
    assert_string_equal(list().line[0], "s1 sent awaited |");
    /* with a secret of the channel only that counts */
    struct channel_settings with_secret = *text;
    with_secret.secret = "a secret of the channel";
    assert_true(report_prove(own, "text", key, proof));
    report = (struct outbox_report){ key, proof, "1" };
    assert_int_equal(outbox_take_report(outbox, &with_secret, &report, day, NULL),
                     OUTBOX_REPORT_UNPROVEN);
    assert_true(report_prove(phusa_text_of(with_secret.secret), "text", key, proof));
    assert_int_equal(outbox_take_report(outbox, &with_secret, &report, day, NULL),
                     OUTBOX_REPORT_DELIVERED);
}

/* With all proofs in order. */
static void what_names_nothing_changes_nothing(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "", "0", "0000000000000000", "ffffffffffffffff", "00000000000000001", "7FFFFFFFFFFFFFFF",
        "x"
    };
    char proof[REPORT_PROOF_CHARS + 1];
    unsigned char secret[REPORT_SECRET_BYTES], later[REPORT_SECRET_BYTES];
    tell(0, SEVERITY_NORMAL, SEVERITY_MINOR, day);
    int64_t sending = send_next(day);
    outbox_copy_secret(outbox, secret);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const struct phusa_text own = { (const char *)secret, sizeof secret };
        assert_true(report_prove(own, "text", keys[i], proof));
        const struct outbox_report report = { keys[i], proof, "2" };
        assert_int_equal(outbox_take_report(outbox, text, &report, day, NULL),
                         OUTBOX_REPORT_UNCHANGED);
    }
    assert_int_equal(report_proven(sending ^ 2, "2", day), OUTBOX_REPORT_UNCHANGED);
    assert_int_equal(report_proven(sending, "", day), OUTBOX_REPORT_UNCHANGED);
    assert_string_equal(list().line[0], "s1 sent awaited |");
    reopen();
    outbox_copy_secret(outbox, later);
    assert_memory_equal(secret, later, sizeof secret);
    assert_int_equal(report_proven(sending, "\xc3\xb6 ok\n0123456789012345678901234567890", day),
                     OUTBOX_REPORT_NOTED);
    assert_string_equal(list().line[0], "s1 sent ** ok*01234567890123456789012345|");
}

/* --- version 2 ------------------------------------------------------------------------------ */

static void version_2_is_made_over(void **state)
{
    (void)state;
    sqlite3 *db = NULL;
    tell(0, SEVERITY_NORMAL, SEVERITY_MINOR, day);
    tell(1, SEVERITY_NORMAL, SEVERITY_MINOR, day);
    int64_t sending = send_next(day);
    outbox_close(outbox);
    outbox = NULL;
    /* what version 3 added goes */
    assert_int_equal(sqlite3_open(sample_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "DROP TABLE secret; DROP INDEX message_sending;"
                                  "DROP INDEX message_awaited; DROP INDEX message_later;"
                                  "ALTER TABLE message DROP COLUMN sending;"
                                  "ALTER TABLE message DROP COLUMN outcome;"
                                  "ALTER TABLE message DROP COLUMN report;"
                                  "ALTER TABLE message DROP COLUMN later;"
                                  "PRAGMA user_version = 2;",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    reopen();
    assert_int_equal(counters().waiting, 5);
    assert_string_equal(list().line[1], "s1 sent |");
    assert_int_equal(report_proven(sending, "2", day), OUTBOX_REPORT_UNCHANGED);
    assert_int_equal(report_proven(send_next(day), "2", day), OUTBOX_REPORT_AGAIN);
    assert_true(take(plus(day, 60)));
    assert_non_null(strstr(parcel.letters[0].body, "\"s2\""));
}

/* --- the address ---------------------------------------------------------------------------- */

static void the_address_is_what_the_gateway_is_given(void **state)
{
    (void)state;
    char url[REPORT_URL_MAX];
    struct channel_settings channel = *text;
    channel.report_base = "http://127.0.0.1:8080/";
    assert_true(report_print_url(&channel, PHUSA_TEXT("key"), "00000000000000ff", url));
    assert_string_equal(url,
                        "http://127.0.0.1:8080/api/v1/delivery?channel=text&key=00000000000000ff"
                        "&proof=" EXPECTED_PROOF);
    assert_true(report_is_proven(PHUSA_TEXT("key"), "text", "00000000000000ff", EXPECTED_PROOF));
    assert_false(report_is_proven(PHUSA_TEXT(""), "text", "00000000000000ff", EXPECTED_PROOF));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_that_arrived_is_delivered, make, clean),
        cmocka_unit_test_setup_teardown(one_that_failed_comes_again_three_times, make, clean),
        cmocka_unit_test_setup_teardown(nothing_stale_is_sent_again, make, clean),
        cmocka_unit_test_setup_teardown(order_is_kept, make, clean),
        cmocka_unit_test_setup_teardown(a_failure_may_come_before_the_mark, make, clean),
        cmocka_unit_test_setup_teardown(a_delivery_may_come_before_the_mark, make, clean),
        cmocka_unit_test_setup_teardown(a_try_without_an_answer_may_have_arrived, make, clean),
        cmocka_unit_test_setup_teardown(one_that_was_given_up_stays_so, make, clean),
        cmocka_unit_test_setup_teardown(overdue_ones_are_counted_and_not_sent_again, make, clean),
        cmocka_unit_test_setup_teardown(the_night_stays_quiet, make, clean),
        cmocka_unit_test_setup_teardown(what_was_taken_survives_a_kill, make, clean),
        cmocka_unit_test_setup_teardown(a_digest_comes_again_together, make, clean),
        cmocka_unit_test_setup_teardown(nothing_is_taken_without_its_proof, make, clean),
        cmocka_unit_test_setup_teardown(what_names_nothing_changes_nothing, make, clean),
        cmocka_unit_test_setup_teardown(version_2_is_made_over, make, clean),
        cmocka_unit_test_setup_teardown(the_address_is_what_the_gateway_is_given, make, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
