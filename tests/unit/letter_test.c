/* Letters: what is committed can be read again, and makes texts for people, one or many at once. */
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "notify_sample.h"

static const struct message_template template = {
    .id = "salinity-durian",
    .hazard = { { "Xâm nhập mặn", "Salt intrusion" } },
    .raised = { { "{source}: {hazard} ở {station} ({site}) lúc {time}: {value} {unit} ({limit}), "
                  "{severity}. {action} {stop}",
                  "{source}: {hazard} at {station}, {time}: {value} {unit}. {action} {stop}" } },
    .cleared = { { "Có thể lấy nước: {station} {value} {unit}.",
                   "Water can be taken: {station} {value} {unit}." } },
    .brief_raised = { { "", "" } },
    .brief_cleared = { { "", "" } },
    .line = { { "{station}: {value} {unit}", "{station}: {value} {unit}" } },
    .actions = { [SEVERITY_MINOR] = { { "Đóng cống.", "Close the sluice." } },
                 [SEVERITY_NORMAL] = { { "", "" } },
                 [SEVERITY_MODERATE] = { { "", "" } },
                 [SEVERITY_SEVERE] = { { "", "" } },
                 [SEVERITY_EXTREME] = { { "", "" } } },
    .category = "Env",
    .urgency = "Immediate",
    .certainty = "Observed",
};

static const struct settings settings = {
    .utc_offset_s = 7 * 3600,
    .alarms = { .source = "Đài KTTV", .stop_vi = "Soạn DUNG gửi 8xxx", .stop_en = "Reply STOP" },
};

static struct rule rule;
static struct station station;
static struct letter letter;
static struct letter_store *store;

static struct notice make_notice(enum severity from, enum severity to)
{
    struct notice notice = sample_notice(RULE_IOC, 0, 0, from, to);
    rule = sample_rules[RULE_IOC];
    rule.message = &template;
    station = sample_stations[0];
    station.lat = 10.35;
    station.lon = 106.36;
    notice.rule = &rule;
    notice.station = &station;
    return notice;
}

static void pass_through(const struct notice *notice)
{
    static struct letter_draft draft;
    letter_store_free(store);
    assert_true(letter_draft(notice, &settings, &draft));
    assert_int_equal(strlen(draft.body), draft.body_length);
    assert_int_equal(strlen(draft.details), draft.details_length);
    struct phusa_text body = { draft.body, draft.body_length };
    struct phusa_text details = { draft.details, draft.details_length };
    assert_true(letter_read(body, details, &letter, &store));
    assert_string_equal(letter.body, draft.body);
}

static int clean(void **state)
{
    (void)state;
    letter_store_free(store);
    store = NULL;
    return 0;
}

static void says_all_that_was_committed(void **state)
{
    (void)state;
    struct notice notice = make_notice(SEVERITY_NORMAL, SEVERITY_SEVERE);
    notice.time_ns += 123456789;
    notice.escalated = true;
    pass_through(&notice);
    char key[NOTICE_KEY_CHARS + 1];
    assert_true(notice_key(&notice, key));
    assert_string_equal(letter.key, key);
    assert_string_equal(letter.topic, "phusa/1/my-tho/s1/alarm/salinity-fields");
    assert_string_equal(letter.station_name, "Trạm 1");
    assert_true(letter.time_ns == notice.time_ns && letter.since_ns == notice.since_ns);
    assert_int_equal(letter.from, SEVERITY_NORMAL);
    assert_int_equal(letter.to, SEVERITY_SEVERE);
    assert_true(fabs(letter.lat - 10.35) < 1e-12 && fabs(letter.lon - 106.36) < 1e-12);
    assert_true(letter.escalated && !letter.flapping && !letter.historical);
    assert_int_equal(letter.utc_offset_s, 25200);
    assert_string_equal(letter.hazard.in[LANGUAGE_VI], "Xâm nhập mặn");
    assert_string_equal(letter.value_text.in[LANGUAGE_VI], "4,88 g/L");
    assert_string_equal(letter.value_text.in[LANGUAGE_EN], "4.88 g/L");
    assert_string_equal(letter.unit, "g/L");
    assert_string_equal(letter.label.in[LANGUAGE_EN], "Salinity");
    assert_string_equal(letter.severity_name.in[LANGUAGE_VI], "nghiêm trọng");
    assert_string_equal(letter.action.in[LANGUAGE_VI], "Đóng cống."); /* that of a lower level */
    assert_string_equal(letter.urgency, "Immediate");
    assert_string_equal(letter.text.in[LANGUAGE_VI],
                        "Chưa ai xác nhận: Đài KTTV: Xâm nhập mặn ở Trạm 1 (my-tho) lúc 07:00 "
                        "01/03: 4,88 g/L (≥ 4,5 g/L), nghiêm trọng. Đóng cống.");
    assert_string_equal(letter.text_stop.in[LANGUAGE_EN],
                        "Nobody has acknowledged: Đài KTTV: Salt intrusion at Trạm 1, 07:00 01/03: "
                        "4.88 g/L. Close the sluice. Reply STOP");
    assert_string_equal(letter.line.in[LANGUAGE_VI], "Trạm 1: 4,88 g/L");
}

static void a_fall_says_that_water_can_be_taken(void **state)
{
    (void)state;
    struct notice notice = make_notice(SEVERITY_SEVERE, SEVERITY_NORMAL);
    notice.value = 0.3;
    pass_through(&notice);
    assert_string_equal(letter.text.in[LANGUAGE_VI], "Có thể lấy nước: Trạm 1 0,30 g/L.");
    assert_string_equal(letter.text_stop.in[LANGUAGE_VI], letter.text.in[LANGUAGE_VI]);
    notice.rule = &sample_rules[RULE_IOC]; /* without a template */
    pass_through(&notice);
    assert_string_equal(
        letter.text.in[LANGUAGE_EN],
        "Đài KTTV: Back to normal – Trạm 1: Salinity 0.30 g/L at 07:00 01/03. Over: Saline water.");
    assert_string_equal(letter.text_stop.in[LANGUAGE_EN],
                        "Đài KTTV: Back to normal – Trạm 1: Salinity 0.30 g/L at 07:00 01/03. "
                        "Over: Saline water. Reply STOP");
    assert_string_equal(letter.hazard.in[LANGUAGE_VI], "Nước mặn");
}

static void silence_has_no_value(void **state)
{
    (void)state;
    struct notice notice = make_notice(SEVERITY_NORMAL, SEVERITY_MINOR);
    rule.subject = RULE_MISSING;
    rule.message = NULL;
    notice.value = NAN;
    pass_through(&notice);
    assert_string_equal(
        letter.text.in[LANGUAGE_EN],
        "Đài KTTV: Saline water – Trạm 1: Salinity at 07:00 01/03. Severity: minor.");
    assert_string_equal(letter.value_text.in[LANGUAGE_EN], "");
    assert_true(isnan(letter.value));
    rule.subject = RULE_RATE;
    notice.value = 1.5;
    notice.flapping = true;
    pass_through(&notice);
    assert_string_equal(
        letter.text.in[LANGUAGE_EN],
        "Đài KTTV: Saline water – Trạm 1: Salinity 1.50 g/L/h (≥ 1 g/L/h) at 07:00 "
        "01/03. Severity: minor. It changes too often: no more is told until it is calm.");
    assert_true(letter.flapping);
}

/* As version 1 of the outbox had it. */
static void a_body_alone_is_a_letter(void **state)
{
    (void)state;
    static const char body[] =
        "{\"time\":1362096000.25,\"rule\":\"salinity\",\"station\":\"s1\",\"parameter\":"
        "\"salinity\",\"from\":\"normal\",\"to\":\"minor\",\"value\":4.875,\"key\":\"k\","
        "\"site\":\"my-tho\",\"message\":{\"vi\":\"Mặn\",\"en\":\"Salty\"}}";
    assert_true(letter_read(phusa_text_of(body), PHUSA_TEXT(""), &letter, &store));
    assert_string_equal(letter.text.in[LANGUAGE_VI], "Mặn");
    assert_string_equal(letter.brief_stop.in[LANGUAGE_EN], "Salty");
    assert_string_equal(letter.station_name, "s1");
    assert_string_equal(letter.severity_name.in[LANGUAGE_VI], "nhẹ");
    assert_true(letter.time_ns == INT64_C(1362096000250000000));
    assert_true(isnan(letter.lat));
    assert_string_equal(letter.category, "Env");
}

static void nothing_else_is_a_letter(void **state)
{
    (void)state;
    static const char *const others[] = { "", "[]", "{}", "{\"rule\":\"a\"}", "\xff", "{" };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_false(letter_read(phusa_text_of(others[i]), PHUSA_TEXT(""), &letter, &store));
        assert_null(store);
    }
}

/* The widest texts there can be, every byte of them escaped. */
static void the_widest_details_fit(void **state)
{
    (void)state;
    static char wide[2000], details[LETTER_DETAILS_MAX];
    memset(wide, '"', sizeof wide - 1);
    struct notice notice = make_notice(SEVERITY_NORMAL, SEVERITY_EXTREME);
    struct phusa_parameter parameter = sample_salinity;
    struct message_template widest = template;
    struct settings all = settings;
    const struct template_text text = { { wide, wide } };
    parameter.label_vi = parameter.label_en = wide;
    parameter.unit = (struct phusa_text){ wide, 60 };
    widest.hazard = widest.raised = widest.brief_raised = widest.line = text;
    widest.actions[SEVERITY_EXTREME] = text;
    widest.category = widest.urgency = widest.certainty = "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"";
    all.alarms.source = all.alarms.stop_vi = all.alarms.stop_en = wide;
    rule.parameter = &parameter;
    rule.message = &widest;
    station.name = wide;
    size_t length = letter_details(&notice, &all, details, sizeof details);
    assert_true(length > 10000);
    assert_int_equal(strlen(details), length);
    assert_int_equal(letter_details(&notice, &all, details, length), 0);
    assert_int_equal(letter_details(&notice, &all, details, length + 1), length);
}

/* --- parcels ----------------------------------------------------------------------------- */

#define MANY 30

static struct letter letters[MANY];

static struct parcel make_parcel(size_t count, bool subscriber)
{
    struct notice notice = make_notice(SEVERITY_NORMAL, SEVERITY_SEVERE);
    pass_through(&notice);
    for (size_t i = 0; i < MANY; i++) {
        letters[i] = letter;
    }
    return (struct parcel){ .letters = letters,
                            .count = count,
                            .recipient = "a@b.vn",
                            .subscriber = subscriber,
                            .language = LANGUAGE_VI,
                            .key = "k" };
}

static void one_letter_says_it_whole(void **state)
{
    (void)state;
    char text[LETTER_TEXT_MAX];
    struct parcel parcel = make_parcel(1, false);
    size_t length = parcel_text(&parcel, false, text, sizeof text);
    assert_int_equal(length, strlen(text));
    assert_string_equal(text, letter.text.in[LANGUAGE_VI]);
    assert_null(strstr(text, "DUNG"));
    parcel.subscriber = true;
    (void)parcel_text(&parcel, false, text, sizeof text);
    assert_non_null(strstr(text, "Soạn DUNG gửi 8xxx"));
    (void)parcel_text(&parcel, true, text, sizeof text);
    assert_string_equal(text, letter.brief_stop.in[LANGUAGE_VI]);
    (void)parcel_subject(&parcel, text, sizeof text);
    assert_string_equal(text, "Xâm nhập mặn – Trạm 1: nghiêm trọng");
    assert_int_equal(parcel_subject(&parcel, text, 3), 1); /* at a character: "Xâ" would be 3 */
    assert_string_equal(text, "X");
    struct letter over = letter;
    over.to = SEVERITY_NORMAL;
    (void)letter_headline(&over, LANGUAGE_VI, text, sizeof text);
    assert_string_equal(text, "Hết cảnh báo: Xâm nhập mặn – Trạm 1");
    (void)letter_headline(&over, LANGUAGE_EN, text, sizeof text);
    assert_string_equal(text, "All clear: Salt intrusion – Trạm 1");
}

static void many_letters_are_a_line_each(void **state)
{
    (void)state;
    char text[4096];
    struct parcel parcel = make_parcel(3, true);
    parcel.more = 7;
    (void)parcel_text(&parcel, false, text, sizeof text);
    assert_string_equal(text, "10 cảnh báo:\nTrạm 1: 4,88 g/L\nTrạm 1: 4,88 g/L\n"
                              "Trạm 1: 4,88 g/L\n… và 7 tin khác\nSoạn DUNG gửi 8xxx\n");
    letters[1].to = SEVERITY_NORMAL;
    parcel.more = 0;
    parcel.subscriber = false;
    parcel.language = LANGUAGE_EN;
    (void)parcel_text(&parcel, false, text, sizeof text);
    assert_string_equal(text, "3 changes of alarms:\nTrạm 1: 4.88 g/L\nTrạm 1: 4.88 g/L\n"
                              "Trạm 1: 4.88 g/L\n");
    (void)parcel_subject(&parcel, text, sizeof text);
    assert_string_equal(text, "3 changes of alarms, gravest: severe");
    letters[0].to = letters[2].to = SEVERITY_NORMAL;
    (void)parcel_subject(&parcel, text, sizeof text);
    assert_string_equal(text, "3 changes of alarms: all clear");
}

static void what_does_not_fit_is_counted(void **state)
{
    (void)state;
    char text[160];
    struct parcel parcel = make_parcel(MANY, false);
    size_t length = parcel_text(&parcel, true, text, sizeof text);
    assert_true(length < sizeof text && length == strlen(text));
    size_t lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    char tail[64];
    (void)snprintf(tail, sizeof tail, "… và %zu tin khác\n", (size_t)MANY - (lines - 2));
    assert_string_equal(strstr(text, "…"), tail);
    for (size_t capacity = 1; capacity < sizeof text; capacity++) { /* never beyond */
        memset(text, 'x', sizeof text);
        assert_true(parcel_text(&parcel, true, text, capacity) < capacity);
        assert_int_equal(text[capacity], 'x');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(says_all_that_was_committed, clean),
        cmocka_unit_test_teardown(a_fall_says_that_water_can_be_taken, clean),
        cmocka_unit_test_teardown(silence_has_no_value, clean),
        cmocka_unit_test_teardown(a_body_alone_is_a_letter, clean),
        cmocka_unit_test_teardown(nothing_else_is_a_letter, clean),
        cmocka_unit_test_teardown(the_widest_details_fit, clean),
        cmocka_unit_test_teardown(one_letter_says_it_whole, clean),
        cmocka_unit_test_teardown(many_letters_are_a_line_each, clean),
        cmocka_unit_test_teardown(what_does_not_fit_is_counted, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
