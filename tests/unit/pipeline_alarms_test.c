/*
 * Alarms through the pipeline: what operators do, what holds an alarm back and what tells it
 * afterwards, silence. Each test says what comes and reads what was made of it as text; each runs
 * three times: as it is, with settings loaded again before every record, and with a restart before
 * every record.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline.h"

#define MINUTE_NS      (60 * SECOND_NS)
#define HOUR           60
#define DAY            (24 * HOUR)
#define BEGIN          INT64_C(1704070800) /* 2024-01-01, a Monday, 08:00 at +07:00 */
#define BEGIN_NS       (BEGIN * SECOND_NS)
#define EVERY          5 /* minutes */
#define OUT_MAX        16384
#define RULES_MAX_HERE 4

enum mode { PLAIN, RELOADED, RESTARTED, MODES };
static const char *const mode_names[MODES] = { "as it is", "settings loaded again", "restarted" };
static enum mode mode;

/* --- a small world ---------------------------------------------------------------------------- */

static const struct phusa_parameter parameters[] = {
    { .name = { "level", 5 }, .minimum = -5, .maximum = 20, .resolution = 0.01 },
    { .name = { "ph", 2 }, .minimum = 0, .maximum = 14, .resolution = 0.01 },
    { .name = { "temp", 4 }, .minimum = -5, .maximum = 60, .resolution = 0.01 },
};
static const struct phusa_parameter own_quantity = { .name = { "missing_reports", 15 } };

#define STATION(text, where)                                                                       \
    {                                                                                              \
        .id = (text), .site = (where), .kind = "water", .name = (text),                            \
        .every_ns = EVERY * MINUTE_NS, .parameters = reported, .parameter_count = 2, .qc = qc,     \
        .qc_count = 2, .stuck_ns = 20 * MINUTE_NS                                                  \
    }
#define SITE(text)                                                                                 \
    {                                                                                              \
        .id = (text), .site = (text), .kind = "site", .name = (text), .every_ns = MINUTE_NS        \
    }
static const struct phusa_parameter *const reported[] = { &parameters[0], &parameters[1] };
static const struct station_qc qc[] = {
    { &parameters[0], { .flat_line = { true, 0.001, 36000, 72000 } } }, /* takes part in `stuck` */
    { &parameters[1], { .flat_line = { true, 0.001, 36000, 72000 } } },
};
static const struct station stations[] = { STATION("ben-tre", "ben-tre"), STATION("s1", "my-tho"),
                                           STATION("s2", "my-tho"), STATION("s3", "my-tho") };
static const struct station sites[] = { SITE("ben-tre"), SITE("my-tho") };
static const char *const silenced_by[] = { "link-down", "site-silent" };

struct world {
    struct settings settings;
    struct rule rules[RULES_MAX_HERE];
    struct pipeline *pipeline;
    int64_t now_ns;
    uint64_t position;
    char out[OUT_MAX];
    size_t used;
};

static struct world world;

static void add_own(enum maintenance which, const char *id, size_t inhibitors)
{
    world.settings.maintenance.rules[which] = (struct rule){ .id = id,
                                                             .kind = "collector",
                                                             .parameter = &own_quantity,
                                                             .inhibited_by = silenced_by,
                                                             .inhibit_count = inhibitors };
}

static void make_settings(void)
{
    world.settings = (struct settings){
        .file = "test",
        .utc_offset_s = 7 * 3600,
        .ahead_ns = 5 * MINUTE_NS,
        .clock_wrong_ns = DAY * MINUTE_NS,
        .windows = { .coverage = 0.75, .lateness_ns = 10 * MINUTE_NS },
        .catalogue = { parameters, 3 },
        .registry = { stations, 4, sites, 2 },
        .rulebook = { world.rules, 0 },
        .maintenance = { .gap_ns = 6 * HOUR * MINUTE_NS,
                         .quiet_every = 3,
                         .quiet_least_ns = 15 * MINUTE_NS,
                         .self = { .id = "phusa", .site = "collector", .every_ns = MINUTE_NS } },
        .alarms = { .site_share = 0.6,
                    .link_grace_ns = 5 * MINUTE_NS,
                    .shelve_most_ns = DAY * MINUTE_NS }
    };
    add_own(MAINTENANCE_REPORTS_MISSING, "reports-missing", 0);
    add_own(MAINTENANCE_DISK_FULL, "disk-full", 0);
    add_own(MAINTENANCE_SPOOL_FULL, "spool-full", 0);
    add_own(MAINTENANCE_BROKER_DROPS, "broker-drops", 0);
    add_own(MAINTENANCE_JOURNAL, "journal", 0);
    add_own(MAINTENANCE_NEVER_SEEN, "never-seen", 2);
    add_own(MAINTENANCE_QUIET, "quiet", 2);
    add_own(MAINTENANCE_FLAT, "flat", 0);
    add_own(MAINTENANCE_CLOCK_WRONG, "clock-wrong", 0);
    add_own(MAINTENANCE_SITE_SILENT, "site-silent", 1);
    add_own(MAINTENANCE_LINK_DOWN, "link-down", 0);
}

static void watch_for(enum maintenance which)
{
    world.settings.maintenance.rules[which].enabled = true;
}

/* level is minor from 4, severe from 6. */
static struct rule *add_rule(const char *id, const struct phusa_parameter *parameter)
{
    struct rule *rule = &world.rules[world.settings.rulebook.count++];
    assert_true(world.settings.rulebook.count <= RULES_MAX_HERE);
    *rule = (struct rule){ .id = id,
                           .kind = "water",
                           .parameter = parameter,
                           .from_ns = INT64_MIN,
                           .until_ns = INT64_MAX,
                           .direction = RULE_ABOVE,
                           .levels = { { SEVERITY_MINOR, 0, 4, 0, 4, 0, 0 },
                                       { SEVERITY_SEVERE, 0, 6, 0, 6, 0, 0 } },
                           .level_count = 2,
                           .max_gap_ns = HOUR * MINUTE_NS,
                           .accept = 6 };
    return rule;
}

static struct rule *add_missing(int64_t after_minutes)
{
    struct rule *rule = add_rule("missing", &parameters[0]);
    rule->subject = RULE_MISSING;
    rule->missing_ns = after_minutes * MINUTE_NS;
    rule->level_count = 1;
    rule->levels[0] = (struct rule_level){ .severity = SEVERITY_MINOR };
    return rule;
}

/* --- what comes out --------------------------------------------------------------------------- */

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(world.out + world.used, OUT_MAX - world.used, format, arguments);
    va_end(arguments);
    assert_true(length >= 0 && (size_t)length < OUT_MAX - world.used);
    world.used += (size_t)length;
}

static double minutes(int64_t time_ns)
{
    return (double)(time_ns - BEGIN_NS) / (double)MINUTE_NS;
}

/* "rule station from>to @minute [since minute] [told] [history] [flapping] LIFE", or for events
 * "rule station event @minute [told] LIFE [who: text] [until minute]", each a line. */
static void take_notice(void *context, const struct notice *notice)
{
    (void)context;
    assert_int_equal(notice->position, world.position);
    say("%s %s ", notice->rule->id, notice->station->id);
    if (notice->event == NULL) {
        say("%s>%s @%g", severity_name(notice->from), severity_name(notice->to),
            minutes(notice->time_ns));
    } else {
        assert_false(notice->transition);
        say("%s @%g", notice->event, minutes(notice->time_ns));
    }
    if (notice->event == NULL && notice->since_ns != notice->time_ns) {
        say(" since %g", minutes(notice->since_ns));
    }
    say("%s%s%s%s %s", notice->tell ? " told" : "", notice->historical ? " history" : "",
        notice->flapping ? " flapping" : "", notice->escalated ? " escalated" : "", notice->life);
    if (notice->who.length > 0) {
        say(" %.*s: %.*s", (int)notice->who.length, notice->who.data, (int)notice->text.length,
            notice->text.data);
    }
    if (notice->until_ns != 0) {
        say(" until %g", minutes(notice->until_ns));
    }
    say("\n");
}

static void expect_at(const char *wanted, int line)
{
    world.out[world.used] = '\0';
    if (strcmp(world.out, wanted) != 0) {
        fail_msg("line %d, %s:\n%s--- wanted ---\n%s", line, mode_names[mode], world.out, wanted);
    }
    world.used = 0;
}
#define EXPECT(wanted) expect_at(wanted, __LINE__)

/* --- what comes in ---------------------------------------------------------------------------- */

static struct pipeline *create(const struct settings *settings)
{
    struct pipeline_sink sink = { .notice = take_notice };
    struct pipeline *pipeline = pipeline_create(settings, &sink);
    assert_non_null(pipeline);
    return pipeline;
}

static void restart(void)
{
    struct state_writer writer = { 0 };
    pipeline_save(world.pipeline, &writer);
    assert_false(writer.failed);
    pipeline_free(world.pipeline);
    world.pipeline = create(&world.settings);
    struct state_reader reader = state_reader_of(writer.bytes, writer.used);
    assert_int_equal(pipeline_restore(world.pipeline, &reader), PIPELINE_RESTORED);
    state_writer_free(&writer);
}

static void take(enum journal_kind kind, const char *topic, const char *payload)
{
    if (mode == RESTARTED) {
        restart();
    } else if (mode == RELOADED) {
        assert_true(pipeline_reconfigure(world.pipeline, &world.settings, world.now_ns));
    }
    struct journal_record record = { .position = ++world.position,
                                     .time = { world.now_ns },
                                     .kind = (uint8_t)kind,
                                     .topic = phusa_text_of(topic),
                                     .payload = phusa_text_of(payload) };
    pipeline_take(world.pipeline, &record);
}

static void at(double minute)
{
    world.now_ns = BEGIN_NS + (int64_t)(minute * 60) * SECOND_NS;
}

/* A reading of a minute, received now. */
static void send(const char *station, const char *parameter, double minute, double value)
{
    char topic[64], payload[128];
    const char *site = strcmp(station, "ben-tre") == 0 ? "ben-tre" : "my-tho";
    (void)snprintf(topic, sizeof topic, "phusa/1/%s/%s/obs", site, station);
    (void)snprintf(payload, sizeof payload, "[{\"bt\":%.3f,\"n\":\"%s\",\"v\":%g}]",
                   (double)BEGIN + minute * 60, parameter, value);
    take(JOURNAL_MESSAGE, topic, payload);
}

/* A reading of s1's level, received at once. */
static void level(double minute, double value)
{
    at(minute);
    send("s1", "level", minute, value);
}

/* A tick each minute, up to and at this one. */
static void tick_until(double minute)
{
    int64_t end_ns = BEGIN_NS + (int64_t)(minute * 60) * SECOND_NS;
    for (int64_t tick = (world.now_ns / MINUTE_NS + 1) * MINUTE_NS; tick <= end_ns;
         tick += MINUTE_NS) {
        world.now_ns = tick;
        take(JOURNAL_TICK, "", "");
    }
    world.now_ns = end_ns;
}

static void link_is(const char *how)
{
    take(JOURNAL_LINK, "", how);
}

static char operation[256];

static const char *operation_of(const char *verb, const char *rule, const char *station,
                                const char *text, double until)
{
    (void)snprintf(operation, sizeof operation,
                   "{\"do\":\"%s\",\"rule\":\"%s\",\"station\":\"%s\",\"who\":\"lan\","
                   "\"text\":\"%s\",\"until\":%.0f}",
                   verb, rule, station, text, until == 0 ? 0 : (double)BEGIN + until * 60);
    return operation;
}

/* What an operator is allowed to do now, and does. */
static void does(const char *verb, const char *rule, const char *station, const char *text,
                 double until)
{
    struct problem problem = { 0 };
    const char *payload = operation_of(verb, rule, station, text, until);
    if (!pipeline_check_verb(world.pipeline, phusa_text_of(payload), world.now_ns, &problem)) {
        fail_msg("%s: %s", payload, problem.text);
    }
    take(JOURNAL_VERB, "", payload);
}

static void begin(void)
{
    world.pipeline = create(&world.settings);
    at(0);
}

static int set_up(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    make_settings();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pipeline_free(world.pipeline);
    return 0;
}

/* --- operators ------------------------------------------------------------------------------ */

static void what_is_acknowledged_is_known(void **state)
{
    (void)state;
    add_rule("high", &parameters[0]);
    begin();
    level(0, 5);
    EXPECT("high s1 normal>minor @0 told UNACK\n");
    at(1);
    does("ack", "high", "s1", "", 0);
    EXPECT("high s1 ack @1 ACKED lan: \n");
    level(5, 7);
    EXPECT("high s1 minor>severe @5 told UNACK\n");
    level(10, 3);
    EXPECT("high s1 severe>normal @10 told RTNUN\n");
    at(11);
    does("comment", "high", "s1", "the gate was open", 0);
    does("ack", "high", "s1", "seen", 0);
    does("ack", "high", "s1", "again", 0); /* somebody did it */
    EXPECT("high s1 comment @11 RTNUN lan: the gate was open\n"
           "high s1 ack @11 NORM lan: seen\n"
           "high s1 ack @11 NORM lan: again\n");
    level(15, 5);
    EXPECT("high s1 normal>minor @15 told UNACK\n");
}

static void what_is_shelved_is_told_by_the_first_live_reading_after_its_end(void **state)
{
    (void)state;
    add_rule("high", &parameters[0]);
    begin();
    level(0, 3);
    at(1);
    does("shelve", "high", "s1", "sensor swapped", 12);
    EXPECT("high s1 shelve @1 SHLVD lan: sensor swapped until 12\n");
    level(5, 5);
    level(10, 7);
    EXPECT("high s1 normal>minor @5 SHLVD\n"
           "high s1 minor>severe @10 SHLVD\n");
    tick_until(14);
    EXPECT("high s1 unshelve @12 UNACK\n");
    at(14.5);
    send("s1", "level", 2, 3); /* late: no live reading of the present */
    EXPECT("");
    level(15, 7);
    EXPECT("high s1 normal>severe @15 since 10 told UNACK\n");
    level(20, 7);
    EXPECT("");
}

/* The state of the only alarm that is listed at this moment, "" if none is. */
static const char *listed_at(double minute, int64_t *shelved_until_ns)
{
    struct console_view view = { 0 };
    int64_t now_ns = BEGIN_NS + (int64_t)(minute * 60) * SECOND_NS;
    assert_true(pipeline_fill_view(world.pipeline, now_ns, &view));
    assert_true(view.alarm_count <= 1);
    const char *life = view.alarm_count > 0 ? view.alarms[0].life : "";
    *shelved_until_ns = view.alarm_count > 0 ? view.alarms[0].shelved_until_ns : 0;
    pipeline_view_free(&view);
    return life;
}

static void a_shelving_that_is_over_is_listed_as_over_before_the_tick(void **state)
{
    int64_t until_ns;
    (void)state;
    add_rule("high", &parameters[0]);
    begin();
    level(0, 3);
    at(1);
    does("shelve", "high", "s1", "sensor swapped", 12);
    assert_string_equal(listed_at(11.9, &until_ns), "SHLVD");
    assert_int_equal(until_ns, BEGIN_NS + 12 * MINUTE_NS);
    assert_string_equal(listed_at(12, &until_ns), ""); /* nothing is wrong: not listed */
    level(10, 7);
    assert_string_equal(listed_at(11.9, &until_ns), "SHLVD");
    assert_string_equal(listed_at(12, &until_ns), "UNACK");
    assert_int_equal(until_ns, 0);
    EXPECT("high s1 shelve @1 SHLVD lan: sensor swapped until 12\n"
           "high s1 normal>severe @10 SHLVD\n"); /* looking ended nothing */
    assert_string_equal(listed_at(11, &until_ns), "SHLVD");
    tick_until(13);
    EXPECT("high s1 unshelve @12 UNACK\n");
    assert_string_equal(listed_at(13, &until_ns), "UNACK");
}

static void what_was_over_before_the_shelving_ended_is_not_told_at_all(void **state)
{
    (void)state;
    add_rule("high", &parameters[0]);
    begin();
    level(0, 3);
    does("shelve", "high", "s1", "tests", 30);
    level(5, 5);
    level(10, 3);
    EXPECT("high s1 shelve @0 SHLVD lan: tests until 30\n"
           "high s1 normal>minor @5 SHLVD\n"
           "high s1 minor>normal @10 SHLVD\n");
    at(11);
    does("unshelve", "high", "s1", "", 0);
    level(15, 3);
    tick_until(40);
    EXPECT("high s1 unshelve @11 NORM lan: \n");
}

static void what_is_out_of_service_waits_for_somebody(void **state)
{
    (void)state;
    add_rule("high", &parameters[0]);
    begin();
    level(0, 5);
    does("out-of-service", "high", "s1", "the probe lies on the bank", 0);
    level(5, 3);
    tick_until(3 * DAY);
    EXPECT("high s1 normal>minor @0 told UNACK\n"
           "high s1 out-of-service @0 OOSRV lan: the probe lies on the bank\n"
           "high s1 minor>normal @5 OOSRV\n");
    does("in-service", "high", "s1", "", 0);
    level(3 * DAY + 5, 3);
    EXPECT("high s1 in-service @4320 RTNUN lan: \n"
           "high s1 minor>normal @4325 since 5 told RTNUN\n");
}

static void expect_refusal(const char *payload, const char *wanted)
{
    struct problem problem = { 0 };
    assert_false(
        pipeline_check_verb(world.pipeline, phusa_text_of(payload), world.now_ns, &problem));
    assert_string_equal(problem.text, wanted);
}

static void what_makes_no_sense_is_refused_and_does_nothing(void **state)
{
    (void)state;
    static const char form[] = "wanted: {\"do\": ..., \"rule\": ..., \"station\": ..., \"who\": "
                               "...}, texts; \"do\" is one of "
                               "ack, comment, shelve, unshelve, out-of-service, in-service";
    static const char end[] = "a shelving needs an end in the future (\"until\", epoch seconds); "
                              "an alarm that is not wanted at all is out-of-service";
    add_rule("high", &parameters[0]);
    begin();
    level(0, 5);
    EXPECT("high s1 normal>minor @0 told UNACK\n");
    expect_refusal("", form);
    expect_refusal("[]", form);
    expect_refusal("{\"do\":1,\"rule\":\"high\",\"station\":\"s1\",\"who\":\"lan\"}", form);
    expect_refusal("{\"do\":\"ack\",\"rule\":\"high\",\"station\":\"s1\"}", form);
    expect_refusal("{\"do\":\"ack\",\"rule\":\"high\",\"station\":\"s1\",\"who\":\"\"}",
                   "\"who\" is empty: say who does it");
    expect_refusal(operation_of("kill", "high", "s1", "x", 0),
                   "\"do\" is \"kill\"; one of ack, comment, shelve, unshelve, out-of-service, "
                   "in-service");
    expect_refusal(operation_of("shelve", "high", "s1", "", 10), "\"text\" is empty: say why");
    expect_refusal(operation_of("comment", "high", "s1", "", 0), "\"text\" is empty: say why");
    expect_refusal(operation_of("shelve", "high", "s1", "  \\t", 10), "\"text\" is empty: say why");
    expect_refusal("{\"do\":\"ack\",\"rule\":\"high\",\"station\":\"s1\",\"who\":\" \"}",
                   "\"who\" is empty: say who does it");
    expect_refusal(operation_of("out-of-service", "high", "s1", "", 0),
                   "\"text\" is empty: say why");
    expect_refusal(operation_of("shelve", "high", "s1", "x", 0), end);
    at(10);
    expect_refusal(operation_of("shelve", "high", "s1", "x", 10), end);
    expect_refusal(operation_of("shelve", "high", "s1", "x", 10 + DAY + 1),
                   "shelved for longer than alarms.shelve_most (24 h)");
    expect_refusal(operation_of("ack", "higher", "s1", "", 0),
                   "there is no alarm of rule \"higher\" at \"s1\"");
    expect_refusal(operation_of("ack", "high", "s9", "", 0),
                   "there is no alarm of rule \"high\" at \"s9\"");
    expect_refusal(operation_of("ack", "site-silent", "s1", "", 0),
                   "there is no alarm of rule \"site-silent\" at \"s1\"");
    expect_refusal(operation_of("ack", "quiet", "phusa", "", 0),
                   "there is no alarm of rule \"quiet\" at \"phusa\"");
    expect_refusal(operation_of("ack", "link-down", "s1", "", 0),
                   "there is no alarm of rule \"link-down\" at \"s1\"");

    take(JOURNAL_VERB, "", ""); /* should any of them stand in the journal all the same */
    take(JOURNAL_VERB, "", operation_of("kill", "high", "s1", "x", 0));
    take(JOURNAL_VERB, "", operation_of("shelve", "high", "s1", "x", 9));
    take(JOURNAL_VERB, "", operation_of("ack", "high", "s9", "x", 0));
    EXPECT("");
}

static void a_check_changes_nothing(void **state)
{
    (void)state;
    struct state_writer before = { 0 }, after = { 0 };
    struct problem problem;
    begin();
    take(JOURNAL_TICK, "", "");
    pipeline_save(world.pipeline, &before);
    assert_true(pipeline_check_verb(world.pipeline,
                                    phusa_text_of(operation_of("ack", "quiet", "s1", "", 0)),
                                    world.now_ns, &problem));
    pipeline_save(world.pipeline, &after);
    assert_int_equal(before.used, after.used);
    assert_memory_equal(before.bytes, after.bytes, after.used);
    state_writer_free(&before);
    state_writer_free(&after);
}

static void the_collectors_own_alarms_can_be_shelved_before_they_come(void **state)
{
    (void)state;
    watch_for(MAINTENANCE_QUIET);
    begin();
    level(0, 3);
    does("shelve", "quiet", "s1", "at the workshop", 40);
    tick_until(45);
    EXPECT("quiet s1 shelve @0 SHLVD lan: at the workshop until 40\n"
           "quiet s1 normal>minor @20 since 0 SHLVD\n"
           "quiet s1 unshelve @40 UNACK\n"
           "quiet s1 normal>minor @41 since 0 told UNACK\n");
    does("ack", "quiet", "s1", "", 0);
    EXPECT("quiet s1 ack @45 ACKED lan: \n");
}

static void a_site_called_like_its_station_has_verbs_of_its_own(void **state)
{
    (void)state;
    begin();
    does("ack", "site-silent", "ben-tre", "", 0);
    does("ack", "quiet", "ben-tre", "", 0);
    EXPECT("site-silent ben-tre ack @0 NORM lan: \n"
           "quiet ben-tre ack @0 NORM lan: \n");
    expect_refusal(operation_of("ack", "quiet", "my-tho", "", 0),
                   "there is no alarm of rule \"quiet\" at \"my-tho\"");
}

/* --- held by design ------------------------------------------------------------------------- */

static void an_alarm_is_silent_while_another_explains_it(void **state)
{
    (void)state;
    static const char *const by[] = { "salty", "flat" };
    struct rule *high = add_rule("high", &parameters[0]);
    add_rule("salty", &parameters[1]);
    high->inhibited_by = by;
    high->inhibit_count = 2;
    begin();
    at(0);
    send("s1", "ph", 0, 5);
    EXPECT("salty s1 normal>minor @0 told UNACK\n");
    level(1, 5);
    EXPECT("high s1 suppressed @1 DSUPR\n"
           "high s1 normal>minor @1 DSUPR\n");
    at(2);
    send("s2", "level", 2, 5); /* only at its own station */
    EXPECT("high s2 normal>minor @2 told UNACK\n");
    level(6, 5);
    EXPECT("");
    at(7);
    send("s1", "ph", 7, 3);
    EXPECT("salty s1 minor>normal @7 told RTNUN\n");
    level(11, 5);
    EXPECT("high s1 released @11 UNACK\n"
           "high s1 normal>minor @11 since 1 told UNACK\n");
    at(12);
    send("s1", "ph", 12, 7); /* what is known already stays as it is, but its end waits */
    level(16, 3);
    level(21, 3);
    EXPECT("salty s1 normal>severe @12 told UNACK\n"
           "high s1 suppressed @16 DSUPR\n"
           "high s1 minor>normal @16 DSUPR\n");
    at(22);
    send("s1", "ph", 22, 3);
    level(26, 3);
    EXPECT("salty s1 severe>normal @22 told RTNUN\n"
           "high s1 released @26 RTNUN\n"
           "high s1 minor>normal @26 since 16 told RTNUN\n");
}

static void an_alarm_of_the_collectors_own_explains_a_rule(void **state)
{
    (void)state;
    static const char *const by[] = { "flat" };
    struct rule *high = add_rule("high", &parameters[0]);
    high->inhibited_by = by;
    high->inhibit_count = 1;
    watch_for(MAINTENANCE_FLAT);
    begin();
    for (int minute = 0; minute <= 30; minute += 5) { /* both stand still: the bus is stuck */
        tick_until(minute);
        send("s1", "ph", minute, 3);
        send("s1", "level", minute, 3);
    }
    EXPECT("flat s1 normal>minor @21 since 0 told UNACK\n");
    level(36, 5);
    EXPECT("high s1 suppressed @36 DSUPR\n"
           "high s1 normal>minor @36 DSUPR\n");
    tick_until(37);
    EXPECT("flat s1 minor>normal @37 told RTNUN\n");
    level(41, 5);
    EXPECT("high s1 released @41 UNACK\n"
           "high s1 normal>minor @41 since 36 told UNACK\n");
}

static void outside_its_schedule_nothing_is_told(void **state)
{
    (void)state;
    struct rule *high = add_rule("high", &parameters[0]);
    high->schedule = (struct rule_schedule){ 0x1F, 9 * 3600, 17 * 3600 }; /* it is Monday, 08:00 */
    begin();
    level(50, 5);
    EXPECT("high s1 suppressed @50 DSUPR\n"
           "high s1 normal>minor @50 DSUPR\n");
    level(55, 5);
    EXPECT("");
    level(60, 5);
    EXPECT("high s1 released @60 UNACK\n"
           "high s1 normal>minor @60 since 50 told UNACK\n");
    level(9 * HOUR, 3); /* 17:00 */
    EXPECT("high s1 suppressed @540 DSUPR\n"
           "high s1 minor>normal @540 DSUPR\n");
    level(9 * HOUR + 5, 3);
    at(9 * HOUR + 6);
    send("s1", "level", 9 * HOUR - 5, 5); /* late: it does not say what time it is */
    EXPECT("");
}

static void it_flaps_and_is_calm_again(void **state)
{
    (void)state;
    struct rule *high = add_rule("high", &parameters[0]);
    high->flapping = (struct rule_flapping){ 4, HOUR * MINUTE_NS, 30 * MINUTE_NS };
    begin();
    for (int i = 0; i < 6; i++) {
        level(5 * i, i % 2 == 0 ? 5 : 3);
    }
    EXPECT("high s1 normal>minor @0 told UNACK\n"
           "high s1 minor>normal @5 told RTNUN\n"
           "high s1 normal>minor @10 told UNACK\n"
           "high s1 minor>normal @15 told flapping RTNUN\n"
           "high s1 flapping @15 RTNUN\n"
           "high s1 normal>minor @20 UNACK\n"
           "high s1 minor>normal @25 RTNUN\n");
    level(30, 7);
    EXPECT("high s1 normal>severe @30 told UNACK\n"); /* graver than before */
    level(35, 3);
    level(40, 7);
    level(45, 5);
    EXPECT("high s1 severe>normal @35 RTNUN\n"
           "high s1 normal>severe @40 UNACK\n"
           "high s1 severe>minor @45 UNACK\n");
    level(74, 5);
    EXPECT("");
    level(75, 5);
    EXPECT("high s1 calm @75 UNACK\n"
           "high s1 severe>minor @75 since 45 told UNACK\n");
}

/* --- escalation ----------------------------------------------------------------------------- */

static void what_nobody_acknowledges_is_escalated_once(void **state)
{
    (void)state;
    struct rule *high = add_rule("high", &parameters[0]);
    high->escalation =
        (struct rule_escalation){ .after_ns = 20 * MINUTE_NS, .from = SEVERITY_SEVERE };
    begin();
    level(0, 5);
    tick_until(30);
    EXPECT("high s1 normal>minor @0 told UNACK\n"); /* minor: never */
    level(30.5, 7);
    tick_until(50);
    EXPECT("high s1 minor>severe @30.5 told UNACK\n");
    tick_until(51);
    EXPECT("high s1 escalated @51 told escalated UNACK\n");
    tick_until(90);
    level(90, 3);
    level(95, 7);
    at(100);
    does("ack", "high", "s1", "", 0);
    tick_until(150);
    EXPECT("high s1 severe>normal @90 told RTNUN\n"
           "high s1 normal>severe @95 told UNACK\n"
           "high s1 ack @100 ACKED lan: \n");
    level(150, 3);
    level(155, 7);
    tick_until(175);
    EXPECT("high s1 severe>normal @150 told NORM\n"
           "high s1 normal>severe @155 told UNACK\n"
           "high s1 escalated @175 told escalated UNACK\n");
}

static void what_flaps_is_escalated_all_the_same(void **state)
{
    (void)state;
    struct rule *high = add_rule("high", &parameters[0]);
    high->escalation =
        (struct rule_escalation){ .after_ns = 20 * MINUTE_NS, .from = SEVERITY_MINOR };
    high->flapping = (struct rule_flapping){ 1, HOUR * MINUTE_NS, 300 * MINUTE_NS };
    begin();
    level(0, 5);
    level(5, 3);
    tick_until(10);
    level(10, 5);
    tick_until(25);
    EXPECT("high s1 normal>minor @0 told flapping UNACK\n"
           "high s1 flapping @0 UNACK\n"
           "high s1 minor>normal @5 RTNUN\n"
           "high s1 normal>minor @10 UNACK\n"
           "high s1 escalated @20 told escalated UNACK\n");
}

static void a_shelved_alarm_is_escalated_when_it_comes_back(void **state)
{
    (void)state;
    struct rule *high = add_rule("high", &parameters[0]);
    high->escalation =
        (struct rule_escalation){ .after_ns = 20 * MINUTE_NS, .from = SEVERITY_MINOR };
    begin();
    level(0, 5);
    does("shelve", "high", "s1", "later", 40);
    tick_until(60);
    EXPECT("high s1 normal>minor @0 told UNACK\n"
           "high s1 shelve @0 SHLVD lan: later until 40\n"
           "high s1 unshelve @40 UNACK\n"
           "high s1 escalated @40 told escalated UNACK\n");
}

static void what_was_explained_meanwhile_is_not_escalated(void **state)
{
    (void)state;
    static const char *const by[] = { "salty" };
    add_rule("salty", &parameters[1]);
    struct rule *high = add_rule("high", &parameters[0]);
    high->inhibited_by = by;
    high->inhibit_count = 1;
    high->escalation =
        (struct rule_escalation){ .after_ns = 20 * MINUTE_NS, .from = SEVERITY_MINOR };
    begin();
    level(0, 5);
    at(1);
    send("s1", "ph", 1, 5);
    tick_until(40);
    EXPECT("high s1 normal>minor @0 told UNACK\n"
           "salty s1 normal>minor @1 told UNACK\n"
           "high s1 suppressed @20 DSUPR\n");
    send("s1", "ph", 40, 3);
    level(41, 5);
    EXPECT("salty s1 minor>normal @40 told RTNUN\n"
           "high s1 released @41 UNACK\n");
    tick_until(42);
    EXPECT("high s1 escalated @42 told escalated UNACK\n");
}

/* --- a backlog ------------------------------------------------------------------------------ */

static void a_backlog_wakes_nobody(void **state)
{
    (void)state;
    struct rule *high = add_rule("high", &parameters[0]);
    high->escalation =
        (struct rule_escalation){ .after_ns = 5 * MINUTE_NS, .from = SEVERITY_MINOR };
    high->flapping = (struct rule_flapping){ 3, HOUR * MINUTE_NS, HOUR * MINUTE_NS };
    begin();
    at(DAY);
    for (int i = 0; i < 8; i++) {
        send("s1", "level", 5 * i, i % 2 == 0 ? 5 : 3);
    }
    send("s1", "level", 60, 7);
    EXPECT("high s1 normal>minor @0 history UNACK\n"
           "high s1 minor>normal @5 history NORM\n"
           "high s1 normal>minor @10 history UNACK\n"
           "high s1 minor>normal @15 history NORM\n"
           "high s1 normal>minor @20 history UNACK\n"
           "high s1 minor>normal @25 history NORM\n"
           "high s1 normal>minor @30 history UNACK\n"
           "high s1 minor>normal @35 history NORM\n"
           "high s1 normal>severe @60 history UNACK\n");
    tick_until(DAY + 30);
    EXPECT("");
    level(DAY + 30, 7); /* the first live one says how it is, and since when */
    EXPECT("high s1 normal>severe @1470 since 60 told UNACK\n");
}

/* --- silence of stations -------------------------------------------------------------------- */

static void a_station_is_quiet_until_it_is_heard(void **state)
{
    (void)state;
    watch_for(MAINTENANCE_QUIET);
    watch_for(MAINTENANCE_NEVER_SEEN);
    begin();
    take(JOURNAL_TICK, "", "");
    level(2, 3);
    tick_until(19);
    EXPECT("");
    tick_until(60); /* since the start, and five minutes of grace */
    EXPECT("never-seen ben-tre normal>minor @20 since 5 told UNACK\n"
           "quiet s1 normal>minor @20 since 2 told UNACK\n"
           "never-seen s2 normal>minor @20 since 5 told UNACK\n"
           "never-seen s3 normal>minor @20 since 5 told UNACK\n");
    at(60.5);
    send("s2", "level", 0, 3); /* of the past, but it is there */
    take(JOURNAL_MESSAGE, "phusa/1/my-tho/s1/status", "{\"state\":\"online\"}");
    tick_until(61);
    EXPECT("quiet s1 minor>normal @61 told RTNUN\n"
           "never-seen s2 minor>normal @61 told RTNUN\n");
}

static void no_silence_is_found_while_nobody_listens(void **state)
{
    (void)state;
    watch_for(MAINTENANCE_QUIET);
    watch_for(MAINTENANCE_NEVER_SEEN);
    watch_for(MAINTENANCE_SITE_SILENT);
    begin();
    static const char *const all[] = { "ben-tre", "s1", "s2", "s3" };
    for (size_t i = 0; i < 4; i++) {
        send(all[i], "level", 0, 3);
    }
    at(5 * DAY); /* the collector was away */
    tick_until(5 * DAY + 20);
    EXPECT("");
    link_is("down");
    tick_until(5 * DAY + 200);
    link_is("up");
    tick_until(5 * DAY + 219);
    EXPECT("");
    world.now_ns -= 3 * DAY * MINUTE_NS; /* its clock was wrong */
    tick_until(2 * DAY + 238);
    EXPECT("");
    tick_until(2 * DAY + 240);
    EXPECT("site-silent my-tho normal>moderate @3120 told UNACK\n"
           "quiet ben-tre normal>minor @3120 since 0 told UNACK\n"
           "quiet s1 suppressed @3120 DSUPR\n"
           "quiet s1 normal>minor @3120 since 0 DSUPR\n"
           "quiet s2 suppressed @3120 DSUPR\n"
           "quiet s2 normal>minor @3120 since 0 DSUPR\n"
           "quiet s3 suppressed @3120 DSUPR\n"
           "quiet s3 normal>minor @3120 since 0 DSUPR\n");
}

/* Those who are heard again are told of after it: the site's alarm covers them until it ends. */
static void a_silent_site_is_told_instead_of_its_stations(void **state)
{
    (void)state;
    watch_for(MAINTENANCE_QUIET);
    watch_for(MAINTENANCE_SITE_SILENT);
    begin();
    take(JOURNAL_TICK, "", "");
    for (int minute = 1; minute <= 20; minute += 5) {
        static const char *const all[] = { "ben-tre", "s1", "s2", "s3" };
        at(minute);
        for (size_t i = 0; i < 4; i++) {
            send(all[i], "level", minute, 3 + minute * 0.01);
        }
    }
    for (int minute = 21; minute <= 60; minute += 5) { /* of the site only s3 goes on */
        tick_until(minute);
        send("s3", "level", minute, 3 + minute * 0.01);
        send("ben-tre", "level", minute, 3 + minute * 0.01);
    }
    EXPECT("site-silent my-tho normal>moderate @31 told UNACK\n"
           "quiet s1 suppressed @31 DSUPR\n"
           "quiet s1 normal>minor @31 since 16 DSUPR\n"
           "quiet s2 suppressed @31 DSUPR\n"
           "quiet s2 normal>minor @31 since 16 DSUPR\n");
    send("s1", "level", 56, 4);
    tick_until(57);
    EXPECT("site-silent my-tho moderate>normal @57 told RTNUN\n"
           "quiet s1 minor>normal @57 DSUPR\n"
           "quiet s2 released @57 UNACK\n"
           "quiet s2 normal>minor @57 since 16 told UNACK\n");
}

/* More than the share, not as much. */
static void as_much_as_the_share_is_not_the_site(void **state)
{
    (void)state;
    world.settings.alarms.site_share = 2.0 / 3;
    watch_for(MAINTENANCE_QUIET);
    watch_for(MAINTENANCE_SITE_SILENT);
    begin();
    for (int minute = 0; minute <= 60; minute += 5) {
        static const char *const all[] = { "ben-tre", "s3", "s1", "s2" };
        tick_until(minute);
        for (size_t i = 0; i < (minute < 20 ? 4 : 2); i++) {
            send(all[i], "level", minute, 3 + minute * 0.01);
        }
    }
    EXPECT("quiet s1 normal>minor @30 since 15 told UNACK\n"
           "quiet s2 normal>minor @30 since 15 told UNACK\n");
}

static void a_link_that_is_down_is_told_instead_of_everything(void **state)
{
    (void)state;
    watch_for(MAINTENANCE_QUIET);
    watch_for(MAINTENANCE_SITE_SILENT);
    watch_for(MAINTENANCE_LINK_DOWN);
    add_missing(20);
    begin();
    link_is("up");
    for (int i = 1; i <= 3; i++) {
        char id[] = { 's', (char)('0' + i), '\0' };
        send(id, "level", 0, 3);
    }
    send("ben-tre", "level", 0, 3);
    tick_until(3);
    link_is("down");
    tick_until(4);
    EXPECT("");
    tick_until(300);
    EXPECT("link-down phusa normal>severe @5 since 3 told UNACK\n");
    link_is("up");
    tick_until(302);
    EXPECT("link-down phusa severe>normal @301 told RTNUN\n");
    tick_until(324);
    EXPECT("site-silent my-tho normal>moderate @320 told UNACK\n"
           "quiet ben-tre normal>minor @320 since 0 told UNACK\n"
           "quiet s1 suppressed @320 DSUPR\n"
           "quiet s1 normal>minor @320 since 0 DSUPR\n"
           "quiet s2 suppressed @320 DSUPR\n"
           "quiet s2 normal>minor @320 since 0 DSUPR\n"
           "quiet s3 suppressed @320 DSUPR\n"
           "quiet s3 normal>minor @320 since 0 DSUPR\n");
}

static void a_link_that_fails_does_not_end_what_was_found(void **state)
{
    (void)state;
    watch_for(MAINTENANCE_SITE_SILENT);
    watch_for(MAINTENANCE_QUIET);
    begin();
    take(JOURNAL_TICK, "", "");
    at(1);
    send("s2", "level", 1, 3);
    send("s3", "level", 1, 3);
    tick_until(10);
    send("s1", "level", 10, 3);
    tick_until(26);
    EXPECT("site-silent my-tho normal>moderate @20 told UNACK\n"
           "quiet s2 suppressed @20 DSUPR\n"
           "quiet s2 normal>minor @20 since 1 DSUPR\n"
           "quiet s3 suppressed @20 DSUPR\n"
           "quiet s3 normal>minor @20 since 1 DSUPR\n"
           "quiet s1 suppressed @25 DSUPR\n"
           "quiet s1 normal>minor @25 since 10 DSUPR\n");
    link_is("down");
    tick_until(40);
    link_is("up");
    tick_until(50);
    EXPECT("");
}

/* --- what befalls the collector itself ------------------------------------------------------ */

static void condition(const char *text)
{
    take(JOURNAL_CONDITION, "", text);
}

static void a_condition_has_the_life_of_all_alarms(void **state)
{
    (void)state;
    watch_for(MAINTENANCE_DISK_FULL);
    begin();
    condition("disk-full off 900");
    EXPECT("");
    at(1.5);
    condition("disk-full on 12.5"); /* at once, not at a tick */
    EXPECT("disk-full phusa normal>severe @1.5 told UNACK\n");
    condition("disk-full on 12");
    tick_until(5);
    EXPECT("");
    does("ack", "disk-full", "phusa", "a technician is on his way", 0);
    EXPECT("disk-full phusa ack @5 ACKED lan: a technician is on his way\n");
    at(6);
    condition("disk-full off 800");
    tick_until(8);
    EXPECT("disk-full phusa severe>normal @6 told NORM\n");
}

static void a_shelved_condition_is_told_by_a_tick_after_its_end(void **state)
{
    (void)state;
    watch_for(MAINTENANCE_SPOOL_FULL);
    watch_for(MAINTENANCE_BROKER_DROPS);
    begin();
    does("shelve", "spool-full", "phusa", "the store is being moved", 10);
    does("out-of-service", "broker-drops", "phusa", "a test of the broker", 0);
    at(1);
    condition("spool-full on 300");
    condition("broker-drops on 4");
    EXPECT("spool-full phusa shelve @0 SHLVD lan: the store is being moved until 10\n"
           "broker-drops phusa out-of-service @0 OOSRV lan: a test of the broker\n"
           "spool-full phusa normal>severe @1 SHLVD\n"
           "broker-drops phusa normal>moderate @1 OOSRV\n");
    at(2);
    condition("broker-drops off 4");
    tick_until(12);
    EXPECT("broker-drops phusa moderate>normal @2 OOSRV\n"
           "spool-full phusa unshelve @10 UNACK\n"
           "spool-full phusa normal>severe @11 since 1 told UNACK\n");
}

static void what_is_no_condition_changes_nothing(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "journal",
        "journal on",
        "journal on ",
        "journal on 1 ",
        "journal on 1x",
        "journal on  1",
        " journal on 1",
        "journal On 1",
        "journal on nan",
        "journal on 1e999",
        "journal up 1",
        "link-down on 1", /* found by the pipeline itself */
        "quiet on 1",
        "dance on 1",
    };
    watch_for(MAINTENANCE_JOURNAL);
    watch_for(MAINTENANCE_LINK_DOWN);
    watch_for(MAINTENANCE_QUIET);
    begin();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        condition(wrong[i]);
    }
    tick_until(3);
    EXPECT("");
    condition("journal on -1.5e3");
    EXPECT("journal phusa normal>moderate @3 told UNACK\n");
}

static void a_condition_that_is_switched_off_ends_and_comes_back(void **state)
{
    (void)state;
    begin();
    condition("journal on 7");
    EXPECT("");
    struct rule *rule = &world.settings.maintenance.rules[MAINTENANCE_JOURNAL];
    rule->enabled = true;
    tick_until(1);
    EXPECT("journal phusa normal>moderate @1 since 0 told UNACK\n");
    rule->enabled = false;
    tick_until(2);
    EXPECT("journal phusa moderate>normal @2 told RTNUN\n");
}

static void a_condition_explains_a_rule(void **state)
{
    (void)state;
    static const char *const by[] = { "journal" };
    struct rule *high = add_rule("high", &parameters[0]);
    high->inhibited_by = by;
    high->inhibit_count = 1;
    watch_for(MAINTENANCE_JOURNAL);
    begin();
    condition("journal on 1");
    level(1, 5);
    EXPECT("journal phusa normal>moderate @0 told UNACK\n"
           "high s1 suppressed @1 DSUPR\n"
           "high s1 normal>minor @1 DSUPR\n");
}

/* What people know of a condition is not the outbox's alone. */
static void what_a_condition_told_is_set_by_nobody_else(void **state)
{
    (void)state;
    watch_for(MAINTENANCE_DISK_FULL);
    begin();
    condition("disk-full on 1");
    EXPECT("disk-full phusa normal>severe @0 told UNACK\n");
    assert_false(pipeline_set_told(world.pipeline, "disk-full", "phusa", "", SEVERITY_NORMAL));
    pipeline_forget_told(world.pipeline);
    tick_until(2);
    EXPECT("");
    struct pipeline_condition found =
        pipeline_condition(world.pipeline, MAINTENANCE_DISK_FULL, world.now_ns);
    assert_true(found.is_so && found.told && !found.held);
    does("shelve", "disk-full", "phusa", "known", 10);
    assert_true(pipeline_condition(world.pipeline, MAINTENANCE_DISK_FULL, world.now_ns).held);
    int64_t later_ns = world.now_ns + 8 * MINUTE_NS;
    assert_false(pipeline_condition(world.pipeline, MAINTENANCE_DISK_FULL, later_ns).held);
    EXPECT("disk-full phusa shelve @2 SHLVD lan: known until 10\n");
}

static void stations_that_stand_still_or_have_a_wrong_clock_are_found(void **state)
{
    (void)state;
    watch_for(MAINTENANCE_FLAT);
    watch_for(MAINTENANCE_CLOCK_WRONG);
    begin();
    for (int minute = 0; minute <= 90; minute += 5) {
        char unset[128];
        tick_until(minute);
        send("s1", "ph", minute, 3);
        send("s1", "level", minute, 3);
        (void)snprintf(unset, sizeof unset,
                       "[{\"log\":\"5f3a09c1\",\"seq\":%d,\"boot\":1,\"up\":%d,\"n\":\"level\","
                       "\"v\":3,\"t\":0}]",
                       minute / 5 + 1, minute * 60 + 100);
        take(JOURNAL_MESSAGE, "phusa/1/my-tho/s2/obs", unset);
    }
    tick_until(91);
    EXPECT("flat s1 normal>minor @21 since 0 told UNACK\n"
           "clock-wrong s2 normal>minor @66 since 6 told UNACK\n");
    send("s1", "ph", 91, 4);
    send("s2", "level", 91, 4);
    tick_until(92);
    EXPECT("flat s1 minor>normal @92 told RTNUN\n"
           "clock-wrong s2 minor>normal @92 told RTNUN\n");
}

/* --- rules with missing --------------------------------------------------------------------- */

static void a_missing_series_is_found_at_its_moment(void **state)
{
    (void)state;
    struct rule *rule = add_missing(12);
    rule->level_count = 2;
    rule->levels[1] = (struct rule_level){ .severity = SEVERITY_SEVERE, .for_ns = 30 * MINUTE_NS };
    rule->stations = (const char *const[]){ "s1" };
    rule->station_count = 1;
    begin();
    level(0.5, 3);
    tick_until(17);
    EXPECT("");
    tick_until(18); /* five minutes of grace, and twelve */
    EXPECT("missing s1 normal>minor @17.5 told UNACK\n");
    tick_until(48);
    EXPECT("missing s1 minor>severe @47.5 told UNACK\n");
    tick_until(60);
    level(60.25, 3);
    EXPECT("missing s1 severe>normal @60.25 told RTNUN\n");
    tick_until(72);
    level(72.5, 3); /* between two ticks: found all the same */
    EXPECT("missing s1 normal>minor @72.25 told UNACK\n"
           "missing s1 minor>normal @72.5 told RTNUN\n");
    tick_until(84);
    level(84.5, 3); /* just in time */
    tick_until(96);
    EXPECT("");
    tick_until(97);
    EXPECT("missing s1 normal>minor @96.5 told UNACK\n");
}

static void a_series_that_never_came_is_missed(void **state)
{
    (void)state;
    struct rule *rule = add_missing(12);
    rule->stations = (const char *const[]){ "s2" };
    rule->station_count = 1;
    begin();
    tick_until(30);
    EXPECT("missing s2 normal>minor @18 told UNACK\n"); /* the first record is of minute 1 */
}

/* Nothing comes that could tell it, so that is asked at each tick. */
static void silence_is_told_after_what_held_it(void **state)
{
    (void)state;
    struct rule *rule = add_missing(12);
    rule->stations = (const char *const[]){ "s1" };
    rule->station_count = 1;
    rule->schedule = (struct rule_schedule){ 0x7F, 9 * 3600, 17 * 3600 }; /* it is 08:00 */
    begin();
    level(0, 3);
    tick_until(59);
    EXPECT("missing s1 suppressed @18 DSUPR\n" /* which was noticed then */
           "missing s1 normal>minor @17 DSUPR\n");
    does("shelve", "missing", "s1", "known", 80);
    tick_until(90);
    EXPECT("missing s1 shelve @59 SHLVD lan: known until 80\n"
           "missing s1 released @60 SHLVD\n"
           "missing s1 unshelve @80 UNACK\n"
           "missing s1 normal>minor @81 since 17 told UNACK\n");
}

/* Its moment is history when nobody has looked for so long; it lasts all the same. */
static void silence_that_was_found_late_is_told(void **state)
{
    (void)state;
    struct rule *rule = add_missing(12);
    rule->stations = (const char *const[]){ "s1" };
    rule->station_count = 1;
    begin();
    level(0, 3);
    for (int minute = 4; minute <= 60; minute += 4) { /* no tick, but others are heard */
        at(minute);
        send("s2", "level", minute, 3);
    }
    EXPECT("");
    tick_until(62);
    EXPECT("missing s1 normal>minor @17 history UNACK\n"
           "missing s1 normal>minor @61 since 17 told UNACK\n");
    send("s1", "level", 40, 3); /* so old that it is silent all the same */
    EXPECT("");
    send("s1", "level", 51, 3);
    EXPECT("missing s1 minor>normal @51 told RTNUN\n");
}

static void a_rule_misses_nothing_outside_its_dates(void **state)
{
    (void)state;
    struct rule *rule = add_missing(30);
    rule->stations = (const char *const[]){ "s1" };
    rule->station_count = 1;
    rule->from_ns = BEGIN_NS + 100 * MINUTE_NS;
    rule->until_ns = BEGIN_NS + 200 * MINUTE_NS;
    begin();
    tick_until(129);
    EXPECT("");
    tick_until(140);
    level(140, 3);
    EXPECT("missing s1 normal>minor @130 told UNACK\n"
           "missing s1 minor>normal @140 told RTNUN\n");
    tick_until(180);
    EXPECT("missing s1 normal>minor @170 told UNACK\n");
    tick_until(205);
    level(205, 3);
    tick_until(400);
    EXPECT("missing s1 minor>normal @200 told NORM\n"); /* with the rule */
}

/* --- rules with rate ------------------------------------------------------------------------ */

static void a_rate_is_judged_like_a_value(void **state)
{
    (void)state;
    struct rule *rule = add_rule("rises", &parameters[0]);
    rule->subject = RULE_RATE;
    rule->rate_over_ns = HOUR * MINUTE_NS;
    rule->max_gap_ns = 30 * MINUTE_NS;
    begin();
    for (int minute = 0; minute <= 60; minute += 20) {
        level(minute, 1); /* high, but it does not rise */
    }
    EXPECT("");
    level(80, 5);
    EXPECT("rises s1 normal>minor @80 told UNACK\n"); /* 4 an hour */
    level(100, 8);
    EXPECT("rises s1 minor>severe @100 told UNACK\n"); /* 7 an hour */
    level(120, 8);
    EXPECT("");
    level(140, 8);
    EXPECT("rises s1 severe>normal @140 told RTNUN\n"); /* 3 */
    level(180, 20);                                     /* after a gap nothing is known */
    level(200, 20);
    level(220, 20);
    level(240, 19);
    EXPECT("");
}

/* --- other settings ------------------------------------------------------------------------- */

/* Nobody was told of it, so nobody is told of its end; but what began in the records ends there. */
static void a_rule_that_ends_ends_what_was_held_back(void **state)
{
    (void)state;
    struct rule *high = add_rule("high", &parameters[0]);
    high->until_ns = BEGIN_NS + 60 * MINUTE_NS;
    begin();
    level(0, 3);
    does("shelve", "high", "s1", "later", 300);
    level(5, 5);
    tick_until(100);
    EXPECT("high s1 shelve @0 SHLVD lan: later until 300\n"
           "high s1 normal>minor @5 SHLVD\n"
           "high s1 minor>normal @60 NORM\n");
}

static void what_operators_did_stays_with_a_rule_that_judges_otherwise_now(void **state)
{
    (void)state;
    struct rule *high = add_rule("high", &parameters[0]);
    begin();
    level(0, 5);
    does("out-of-service", "high", "s1", "broken", 0);
    EXPECT("high s1 normal>minor @0 told UNACK\n"
           "high s1 out-of-service @0 OOSRV lan: broken\n");
    struct settings before = world.settings;
    static struct rule others[RULES_MAX_HERE];
    memcpy(others, world.rules, sizeof others);
    others[0].levels[0].raise_high = 4.5;
    world.settings.rulebook.rules = others;
    if (mode == RESTARTED) {
        restart(); /* people are told by whoever restores */
    } else {
        assert_true(pipeline_reconfigure(world.pipeline, &world.settings, world.now_ns));
        EXPECT("high s1 minor>normal @0 told NORM\n");
    }
    level(5, 5);
    EXPECT("high s1 normal>minor @5 OOSRV\n");
    assert_true(before.rulebook.rules == high);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_acknowledged_is_known),
        TEST(what_is_shelved_is_told_by_the_first_live_reading_after_its_end),
        TEST(a_shelving_that_is_over_is_listed_as_over_before_the_tick),
        TEST(what_was_over_before_the_shelving_ended_is_not_told_at_all),
        TEST(what_is_out_of_service_waits_for_somebody),
        TEST(what_makes_no_sense_is_refused_and_does_nothing),
        TEST(a_check_changes_nothing),
        TEST(the_collectors_own_alarms_can_be_shelved_before_they_come),
        TEST(a_site_called_like_its_station_has_verbs_of_its_own),
        TEST(an_alarm_is_silent_while_another_explains_it),
        TEST(an_alarm_of_the_collectors_own_explains_a_rule),
        TEST(outside_its_schedule_nothing_is_told),
        TEST(it_flaps_and_is_calm_again),
        TEST(what_nobody_acknowledges_is_escalated_once),
        TEST(what_flaps_is_escalated_all_the_same),
        TEST(a_shelved_alarm_is_escalated_when_it_comes_back),
        TEST(what_was_explained_meanwhile_is_not_escalated),
        TEST(a_backlog_wakes_nobody),
        TEST(a_station_is_quiet_until_it_is_heard),
        TEST(no_silence_is_found_while_nobody_listens),
        TEST(a_silent_site_is_told_instead_of_its_stations),
        TEST(as_much_as_the_share_is_not_the_site),
        TEST(a_link_that_is_down_is_told_instead_of_everything),
        TEST(a_link_that_fails_does_not_end_what_was_found),
        TEST(a_condition_has_the_life_of_all_alarms),
        TEST(a_shelved_condition_is_told_by_a_tick_after_its_end),
        TEST(what_is_no_condition_changes_nothing),
        TEST(a_condition_that_is_switched_off_ends_and_comes_back),
        TEST(a_condition_explains_a_rule),
        TEST(what_a_condition_told_is_set_by_nobody_else),
        TEST(stations_that_stand_still_or_have_a_wrong_clock_are_found),
        TEST(a_missing_series_is_found_at_its_moment),
        TEST(a_series_that_never_came_is_missed),
        TEST(silence_is_told_after_what_held_it),
        TEST(silence_that_was_found_late_is_told),
        TEST(a_rule_misses_nothing_outside_its_dates),
        TEST(a_rate_is_judged_like_a_value),
        TEST(a_rule_that_ends_ends_what_was_held_back),
        TEST(what_operators_did_stays_with_a_rule_that_judges_otherwise_now),
    };
    int failed = 0;
    for (int i = 0; i < MODES; i++) {
        mode = (enum mode)i;
        print_message("%s\n", mode_names[i]);
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}
