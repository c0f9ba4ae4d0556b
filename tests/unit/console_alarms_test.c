/* Alarms over HTTP: what is asked of the source, and the JSON of what it says. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "console/alarms.h"
#include "console/values.h"
#include "console_sample.h"

#define NOW_NS (SAMPLE_NOW_S * SECOND_NS)
#define DAY_NS (INT64_C(86400) * SECOND_NS)

/* A source that answers from here, and keeps what it was asked. */
struct fake {
    struct console_event events[4];
    struct console_message messages[4];
    size_t event_count, message_count;
    bool unreadable, without_view;
    struct console_events_query asked;
    struct console_messages_query asked_messages;
    enum console_verb verb;
    char taken[ALARMS_BODY_MAX];
    const char *unknown; /* the name that the settings do not know */
    struct console_view view;
};

static void release(struct console_view *view)
{
    (void)view;
}

static struct console_view *fake_view(void *context)
{
    struct fake *fake = context;
    return fake->without_view ? NULL : &fake->view;
}

static bool fake_events(void *context, const struct console_events_query *query,
                        bool (*visit)(void *visitor, const struct console_event *event),
                        void *visitor)
{
    struct fake *fake = context;
    fake->asked = *query;
    for (size_t i = 0; i < fake->event_count && visit(visitor, &fake->events[i]); i++) {
    }
    return !fake->unreadable;
}

static bool fake_messages(void *context, const struct console_messages_query *query,
                          void (*visit)(void *visitor, const struct console_message *message),
                          void *visitor)
{
    struct fake *fake = context;
    fake->asked_messages = *query;
    for (size_t i = 0; i < fake->message_count; i++) {
        visit(visitor, &fake->messages[i]);
    }
    return !fake->unreadable;
}

static enum console_verb fake_verb(void *context, struct phusa_text payload,
                                   struct problem *problem)
{
    struct fake *fake = context;
    (void)snprintf(fake->taken, sizeof fake->taken, "%.*s", (int)payload.length, payload.data);
    if (fake->verb != CONSOLE_VERB_TAKEN) {
        problem_set(problem, "say \"why\"");
    }
    return fake->verb;
}

static bool is_same(const char *name, const char *other)
{
    return name != NULL && other != NULL && strcmp(name, other) == 0;
}

static bool fake_unknown(void *context, const struct console_names *names, struct problem *problem)
{
    const struct fake *fake = context;
    problem_set(problem, "there is no \"%s\"", fake->unknown == NULL ? "" : fake->unknown);
    return is_same(names->rule, fake->unknown) || is_same(names->station, fake->unknown) ||
           is_same(names->channel, fake->unknown);
}

static struct fake fake;
static struct console_source source;
static struct text_buffer out;

static int begin(void **state)
{
    (void)state;
    fake = (struct fake){ .verb = CONSOLE_VERB_TAKEN };
    sample_fill(&fake.view);
    fake.view.release = release;
    source = (struct console_source){ .context = &fake,
                                      .token = "",
                                      .view = fake_view,
                                      .verb = fake_verb,
                                      .events = fake_events,
                                      .messages = fake_messages,
                                      .unknown = fake_unknown };
    return 0;
}

static int end(void **state)
{
    (void)state;
    text_buffer_free(&out);
    out = (struct text_buffer){ 0 };
    return 0;
}

static json_t *parsed(void)
{
    json_t *root = json_loads(out.data, 0, NULL);
    assert_non_null(root);
    return root;
}

static void assert_error(unsigned code, unsigned expected, const char *error)
{
    assert_int_equal(code, expected);
    json_t *root = parsed();
    assert_string_equal(json_string_value(json_object_get(root, "error")), error);
    json_decref(root);
    text_buffer_free(&out);
    out = (struct text_buffer){ 0 };
}

/* --- what is active ------------------------------------------------------------------------- */

static void list_all(void)
{
    struct alarms_asked asked = { .rule = NULL };
    assert_int_equal(alarms_list(&source, &asked, &out), 200);
}

static void active_alarms_are_listed(void **state)
{
    (void)state;
    list_all();
    assert_string_equal(
        out.data, "{\"alarms\":[\n"
                  "{\"rule\":\"salinity-fields\",\"site\":\"my-tho\",\"station\":\"mt-cau\","
                  "\"name\":\"Cầu Rạch Miễu\",\"parameter\":\"salinity\",\"severity\":\"severe\","
                  "\"told\":\"severe\",\"state\":\"UNACK\",\"flapping\":false,"
                  "\"message\":{\"vi\":\"Nước mặn: đóng cống, không lấy nước tưới\","
                  "\"en\":\"Saline water: close the sluice, do not take water\"},"
                  "\"since\":1763733910,\"value\":4.316,"
                  "\"unit\":\"g/L\",\"shelved_until\":null},\n"
                  "{\"rule\":\"do-low\",\"site\":\"my-tho\",\"station\":\"mt-cang\","
                  "\"name\":\"Cảng Mỹ Tho\",\"parameter\":\"do\",\"severity\":\"moderate\","
                  "\"told\":\"moderate\",\"state\":\"ACKED\",\"flapping\":false,"
                  "\"message\":{\"vi\":\"Ôxy thấp: chạy quạt nước\",\"en\":\"Low oxygen: run the "
                  "aerators\"},"
                  "\"since\":1763645710,\"value\":3.2,"
                  "\"unit\":\"mg/L\",\"shelved_until\":null}\n]}\n");
}

static void a_shelved_one_says_until_when(void **state)
{
    (void)state;
    struct console_alarm alarm = sample_alarms[0];
    alarm.life = "SHLVD";
    alarm.shelved_until_ns = NOW_NS + 7200 * SECOND_NS;
    alarm.flapping = true;
    alarm.value = (double)NAN;
    fake.view.alarms = &alarm;
    fake.view.alarm_count = 1;
    list_all();
    json_t *root = parsed();
    json_t *shown = json_array_get(json_object_get(root, "alarms"), 0);
    assert_string_equal(json_string_value(json_object_get(shown, "state")), "SHLVD");
    assert_int_equal(json_integer_value(json_object_get(shown, "shelved_until")),
                     SAMPLE_NOW_S + 7200);
    assert_true(json_is_true(json_object_get(shown, "flapping")));
    assert_true(json_is_null(json_object_get(shown, "value")));
    json_decref(root);
}

static void one_that_was_never_raised_has_no_value(void **state)
{
    (void)state;
    struct console_alarm alarm = sample_alarms[0];
    alarm.since_ns = 0;
    alarm.value = 0;
    fake.view.alarms = &alarm;
    fake.view.alarm_count = 1;
    list_all();
    json_t *root = parsed();
    const json_t *shown = json_array_get(json_object_get(root, "alarms"), 0);
    assert_true(json_is_null(json_object_get(shown, "value")));
    assert_true(json_is_null(json_object_get(shown, "since")));
    json_decref(root);
}

/* As it is read back, and nothing else changes. */
static void assert_printed(const char *json, const char *expected)
{
    value_add(&out, json_loads(json, JSON_DECODE_ANY, NULL));
    assert_string_equal(out.data, expected);
    text_buffer_free(&out);
    out = (struct text_buffer){ 0 };
}

static void numbers_are_as_short_as_they_can_be(void **state)
{
    (void)state;
    assert_printed("[3.51, -0.1, 1e-7, 1e300, 2.5]", "[3.51,-0.1,1e-7,1e300,2.5]");
    assert_printed("[0.30000000000000004, 5.0]", "[0.30000000000000004,5.0]");
    assert_printed("[9223372036854775807, true, null]", "[9223372036854775807,true,null]");
    assert_printed("{\"3.5099999999999998\":\"\\\" 3.5099999999999998 \\\\\",\"x\":0.7}",
                   "{\"3.5099999999999998\":\"\\\" 3.5099999999999998 \\\\\",\"x\":0.7}");
}

static void no_alarm_is_an_empty_list(void **state)
{
    (void)state;
    fake.view.alarm_count = 0;
    list_all();
    json_t *root = parsed();
    assert_int_equal(json_array_size(json_object_get(root, "alarms")), 0);
    json_decref(root);
}

static size_t count_of(const char *rule, const char *station)
{
    struct alarms_asked asked = { .rule = rule, .station = station };
    assert_int_equal(alarms_list(&source, &asked, &out), 200);
    json_t *root = parsed();
    size_t count = json_array_size(json_object_get(root, "alarms"));
    json_decref(root);
    text_buffer_free(&out);
    out = (struct text_buffer){ 0 };
    return count;
}

static void some_alarms_are_asked_for(void **state)
{
    (void)state;
    assert_int_equal(count_of(NULL, NULL), 2);
    assert_int_equal(count_of("do-low", NULL), 1);
    assert_int_equal(count_of(NULL, "mt-cau"), 1);
    assert_int_equal(count_of("do-low", "mt-cang"), 1);
    assert_int_equal(count_of("do-low", "mt-cau"), 0);
    assert_int_equal(count_of("do", NULL), 0);
}

static void names_that_there_are_not_are_told(void **state)
{
    (void)state;
    static const char wrong[] = "there is no \"salin\"";
    const struct alarms_asked rule = { .rule = "salin" }, station = { .station = "salin" },
                              channel = { .channel = "salin" };
    const wall_time now = { NOW_NS };
    fake.unknown = "salin";
    assert_error(alarms_list(&source, &rule, &out), 404, wrong);
    assert_error(alarms_list(&source, &station, &out), 404, wrong);
    assert_error(alarms_history(&source, &rule, now, &out), 404, wrong);
    assert_error(alarms_load(&source, &station, now, &out), 404, wrong);
    assert_error(alarms_messages(&source, &channel, &out), 404, wrong);
}

/* An address may hold any bytes; the answer is JSON. */
static void a_name_that_is_no_text_is_named_as_far_as_it_can(void **state)
{
    (void)state;
    const struct alarms_asked rule = { .rule = "m\xe1\xbb" };
    fake.unknown = rule.rule;
    assert_error(alarms_list(&source, &rule, &out), 404, "there is no \"m??\"");
}

static void what_is_gone_keeps_its_history(void **state)
{
    (void)state;
    const struct alarms_asked asked = { .rule = "salt" };
    fake.unknown = "salt";
    fake.events[fake.event_count++] = (struct console_event){ .time_ns = NOW_NS,
                                                              .rule = "salt",
                                                              .site = "my-tho",
                                                              .station = "s1",
                                                              .parameter = "salinity",
                                                              .event = "",
                                                              .life = "",
                                                              .to = SEVERITY_SEVERE,
                                                              .told = true,
                                                              .who = "",
                                                              .text = "" };
    assert_int_equal(alarms_history(&source, &asked, (wall_time){ NOW_NS }, &out), 200);
    text_buffer_free(&out);
    out = (struct text_buffer){ 0 };
    assert_int_equal(alarms_load(&source, &asked, (wall_time){ NOW_NS }, &out), 200);
}

static void without_a_view_there_is_no_list(void **state)
{
    (void)state;
    struct alarms_asked asked = { .rule = NULL };
    fake.without_view = true;
    assert_error(alarms_list(&source, &asked, &out), 503, "out of memory");
}

/* --- what operators do ---------------------------------------------------------------------- */

static void a_verb_is_handed_on(void **state)
{
    (void)state;
    const char *body = "{\"do\":\"ack\"}";
    assert_int_equal(alarms_verb(&source, phusa_text_of(body), &out), 200);
    assert_string_equal(out.data, "{\"taken\":true}\n");
    assert_string_equal(fake.taken, body);
}

static void a_verb_that_is_refused_says_why(void **state)
{
    (void)state;
    fake.verb = CONSOLE_VERB_WRONG;
    assert_error(alarms_verb(&source, phusa_text_of("{}"), &out), 400, "say \"why\"");
    fake.verb = CONSOLE_VERB_FAILED;
    assert_error(alarms_verb(&source, phusa_text_of("{}"), &out), 503, "say \"why\"");
}

/* --- history -------------------------------------------------------------------------------- */

static void add_event(const char *event, enum severity from, enum severity to, int64_t ago_s)
{
    fake.events[fake.event_count++] = (struct console_event){ .time_ns = NOW_NS - ago_s * SECOND_NS,
                                                              .rule = "salt",
                                                              .site = "my-tho",
                                                              .station = "s1",
                                                              .parameter = "salinity",
                                                              .event = event,
                                                              .life = "",
                                                              .from = from,
                                                              .to = to,
                                                              .value = 4.5,
                                                              .told = event[0] == '\0',
                                                              .who = "",
                                                              .text = "" };
}

static void history_says_who_did_what(void **state)
{
    (void)state;
    add_event("", SEVERITY_NORMAL, SEVERITY_SEVERE, 60);
    add_event("shelve", SEVERITY_SEVERE, SEVERITY_SEVERE, 30);
    fake.events[1].who = "An";
    fake.events[1].text = "hiệu \"chuẩn\"";
    fake.events[1].life = "SHLVD";
    fake.events[1].until_ns = NOW_NS;
    struct alarms_asked asked = { .rule = "salt", .station = "s1" };
    assert_int_equal(alarms_history(&source, &asked, (wall_time){ NOW_NS }, &out), 200);
    assert_string_equal(
        out.data,
        "{\"events\":[\n"
        "{\"rule\":\"salt\",\"site\":\"my-tho\",\"station\":\"s1\",\"parameter\":\"salinity\","
        "\"event\":\"state\",\"from\":\"normal\",\"to\":\"severe\",\"told\":true,"
        "\"historical\":false,\"time\":1763735650,\"value\":4.5},\n"
        "{\"rule\":\"salt\",\"site\":\"my-tho\",\"station\":\"s1\",\"parameter\":\"salinity\","
        "\"event\":\"shelve\",\"from\":\"severe\",\"to\":\"severe\",\"told\":false,"
        "\"historical\":false,\"time\":1763735680,\"value\":4.5,\"state\":\"SHLVD\","
        "\"who\":\"An\",\"text\":\"hiệu \\\"chuẩn\\\"\",\"until\":1763735710}\n"
        "],\"more\":false,\"whole\":true}\n");
    assert_string_equal(fake.asked.rule, "salt");
    assert_string_equal(fake.asked.station, "s1");
    assert_true(fake.asked.from_ns == NOW_NS + 1 - DAY_NS && fake.asked.to_ns == NOW_NS + 1);
}

static void history_says_that_there_is_more(void **state)
{
    (void)state;
    add_event("", SEVERITY_NORMAL, SEVERITY_MINOR, 60);
    add_event("", SEVERITY_MINOR, SEVERITY_NORMAL, 30);
    struct alarms_asked asked = { .limit = "1",
                                  .from = "2025-11-21T00:00:00+07:00",
                                  .to = "1763735710" };
    assert_int_equal(alarms_history(&source, &asked, (wall_time){ NOW_NS }, &out), 200);
    json_t *root = parsed();
    assert_int_equal(json_array_size(json_object_get(root, "events")), 1);
    assert_true(json_is_true(json_object_get(root, "more")));
    json_decref(root);
    assert_true(fake.asked.from_ns == INT64_C(1763658000) * SECOND_NS);
    assert_true(fake.asked.to_ns == NOW_NS);
}

static void history_that_cannot_be_read_says_so(void **state)
{
    (void)state;
    fake.unreadable = true;
    struct alarms_asked asked = { .rule = NULL };
    assert_int_equal(alarms_history(&source, &asked, (wall_time){ NOW_NS }, &out), 503);
    json_t *root = parsed();
    assert_true(json_is_false(json_object_get(root, "whole")));
    json_decref(root);
}

static void wrong_spans_are_refused(void **state)
{
    (void)state;
    static const char *const no_times[] = { "yesterday", "-1", "1e", "2025-11-21T00:00:00" };
    for (size_t i = 0; i < sizeof no_times / sizeof no_times[0]; i++) {
        struct alarms_asked asked = { .from = no_times[i] };
        assert_error(alarms_history(&source, &asked, (wall_time){ NOW_NS }, &out), 400,
                     "from and to are epoch seconds, or times such as 2026-03-12T05:30:00+07:00");
    }
    static const char *const backwards[][2] = { { "20", "10" }, { "10", "10" } };
    for (size_t i = 0; i < 2; i++) {
        struct alarms_asked asked = { .from = backwards[i][0], .to = backwards[i][1] };
        assert_error(alarms_history(&source, &asked, (wall_time){ NOW_NS }, &out), 400,
                     "from lies before to, and a load report spans 92 days at most");
    }
    static const char *const limits[] = { "0", "1001", "many", "1x", "-1" };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct alarms_asked asked = { .limit = limits[i] };
        assert_error(alarms_history(&source, &asked, (wall_time){ NOW_NS }, &out), 400,
                     "limit is 1 to 1000");
    }
}

/* --- load ----------------------------------------------------------------------------------- */

static json_t *load_of(const struct alarms_asked *asked)
{
    assert_int_equal(alarms_load(&source, asked, (wall_time){ NOW_NS }, &out), 200);
    return parsed();
}

static void load_counts_what_was_told(void **state)
{
    (void)state;
    fake.without_view = true;
    add_event("", SEVERITY_NORMAL, SEVERITY_SEVERE, 60);
    add_event("ack", SEVERITY_SEVERE, SEVERITY_SEVERE, 50);
    add_event("", SEVERITY_SEVERE, SEVERITY_EXTREME, 40);
    fake.events[2].told = false;
    add_event("", SEVERITY_SEVERE, SEVERITY_NORMAL, 30);
    struct alarms_asked asked = { .operators = "2" };
    json_t *root = load_of(&asked);
    assert_int_equal(json_integer_value(json_object_get(root, "alarms")), 1);
    assert_int_equal(json_integer_value(json_object_get(root, "ten_minutes")), 144);
    assert_int_equal(json_integer_value(json_object_get(root, "operators")), 2);
    json_t *series = json_array_get(json_object_get(root, "longest_standing"), 0);
    assert_string_equal(json_string_value(json_object_get(series, "rule")), "salt");
    double longest = json_number_value(json_object_get(series, "longest_s"));
    assert_true(longest > 29.9 && longest < 30.1);
    double high = json_number_value(json_object_get(json_object_get(root, "shares"), "high"));
    assert_true(high > 0.99 && high < 1.01);
    json_decref(root);
}

/* The second alarm of the sample has stood for longer than the day that is asked for. */
static void load_knows_what_stands_without_a_change(void **state)
{
    (void)state;
    struct alarms_asked asked = { .from = NULL };
    json_t *root = load_of(&asked);
    json_t *standing = json_object_get(root, "longest_standing");
    assert_int_equal(json_array_size(standing), 1);
    json_t *series = json_array_get(standing, 0);
    assert_string_equal(json_string_value(json_object_get(series, "rule")), "do-low");
    assert_true(json_is_true(json_object_get(series, "active")));
    double longest = json_number_value(json_object_get(series, "longest_s"));
    assert_true(longest > 86399 && longest < 86401);
    assert_int_equal(json_array_size(json_object_get(root, "most_frequent")), 0);
    json_decref(root);
}

static void load_of_another_station_leaves_it_out(void **state)
{
    (void)state;
    struct alarms_asked asked = { .station = "mt-cau" };
    json_t *root = load_of(&asked);
    assert_int_equal(json_array_size(json_object_get(root, "longest_standing")), 0);
    json_decref(root);
}

static void wrong_questions_about_load_are_refused(void **state)
{
    (void)state;
    struct alarms_asked nobody = { .operators = "0" };
    assert_error(alarms_load(&source, &nobody, (wall_time){ NOW_NS }, &out), 400,
                 "operators is 1 to 1000");
    struct alarms_asked ever = { .from = "0" };
    assert_error(alarms_load(&source, &ever, (wall_time){ NOW_NS }, &out), 400,
                 "from lies before to, and a load report spans 92 days at most");
    fake.unreadable = true;
    struct alarms_asked asked = { .from = NULL };
    assert_error(alarms_load(&source, &asked, (wall_time){ NOW_NS }, &out), 503,
                 "the history of alarms cannot be read");
}

/* --- messages ------------------------------------------------------------------------------- */

static void messages_are_listed(void **state)
{
    (void)state;
    fake.messages[0] = (struct console_message){ .id = 7,
                                                 .rule = "salt",
                                                 .station = "s1",
                                                 .channel = "sms",
                                                 .recipient = "+8490***4567",
                                                 .state = "waiting",
                                                 .report = "2",
                                                 .problem = "HTTP 503",
                                                 .to = SEVERITY_SEVERE,
                                                 .time_ns = NOW_NS - 60 * SECOND_NS,
                                                 .created_ns = NOW_NS - 50 * SECOND_NS,
                                                 .due_ns = NOW_NS - 50 * SECOND_NS,
                                                 .tries = 3,
                                                 .digest = 5 };
    fake.messages[1] = fake.messages[0];
    fake.messages[1].id = 6;
    fake.messages[1].state = "sent";
    fake.messages[1].problem = fake.messages[1].report = "";
    fake.messages[1].awaited = true;
    fake.messages[1].sent_ns = NOW_NS;
    fake.messages[1].digest = 0;
    fake.message_count = 2;
    struct alarms_asked asked = {
        .channel = "sms", .waiting = "yes", .before = "8", .limit = "2", .rule = "salt"
    };
    assert_int_equal(alarms_messages(&source, &asked, &out), 200);
    assert_string_equal(
        out.data,
        "{\"messages\":[\n"
        "{\"id\":7,\"rule\":\"salt\",\"station\":\"s1\",\"to\":\"severe\",\"channel\":\"sms\","
        "\"recipient\":\"+8490***4567\",\"state\":\"waiting\",\"tries\":3,\"time\":1763735650,"
        "\"created\":1763735660,\"due\":1763735660,\"sent\":null,\"digest\":5,"
        "\"report\":\"2\",\"problem\":\"HTTP 503\"},\n"
        "{\"id\":6,\"rule\":\"salt\",\"station\":\"s1\",\"to\":\"severe\",\"channel\":\"sms\","
        "\"recipient\":\"+8490***4567\",\"state\":\"sent\",\"tries\":3,\"time\":1763735650,"
        "\"created\":1763735660,\"due\":1763735660,\"sent\":1763735710,\"report\":null}\n"
        "],\"whole\":true}\n");
    assert_true(fake.asked_messages.waiting);
    assert_int_equal(fake.asked_messages.before_id, 8);
    assert_int_equal(fake.asked_messages.most, 2);
    assert_string_equal(fake.asked_messages.channel, "sms");
    assert_null(fake.asked_messages.station);
}

static void wrong_questions_about_messages_are_refused(void **state)
{
    (void)state;
    static const struct alarms_asked wrong[] = { { .limit = "0" },
                                                 { .limit = "1001" },
                                                 { .before = "0" },
                                                 { .before = "x" },
                                                 { .before = "99999999999999999999" } };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_error(alarms_messages(&source, &wrong[i], &out), 400,
                     "before is an id, limit 1 to 1000");
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(active_alarms_are_listed),
        TEST(a_name_that_is_no_text_is_named_as_far_as_it_can),
        TEST(a_shelved_one_says_until_when),
        TEST(one_that_was_never_raised_has_no_value),
        TEST(numbers_are_as_short_as_they_can_be),
        TEST(no_alarm_is_an_empty_list),
        TEST(some_alarms_are_asked_for),
        TEST(names_that_there_are_not_are_told),
        TEST(what_is_gone_keeps_its_history),
        TEST(without_a_view_there_is_no_list),
        TEST(a_verb_is_handed_on),
        TEST(a_verb_that_is_refused_says_why),
        TEST(history_says_who_did_what),
        TEST(history_says_that_there_is_more),
        TEST(history_that_cannot_be_read_says_so),
        TEST(wrong_spans_are_refused),
        TEST(load_counts_what_was_told),
        TEST(load_knows_what_stands_without_a_change),
        TEST(load_of_another_station_leaves_it_out),
        TEST(wrong_questions_about_load_are_refused),
        TEST(messages_are_listed),
        TEST(wrong_questions_about_messages_are_refused),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
