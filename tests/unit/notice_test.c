/* A notice as JSON, as a sentence, and its key. */
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "notify_sample.h"
#include "settings/display.h"

/* Computed with another implementation: hashlib.sha256 of "salinity-fields\ns1\nsalinity\n..." */
static void key_is_the_hash_of_the_contract(void **state)
{
    (void)state;
    char key[NOTICE_KEY_CHARS + 1];
    struct notice notice = sample_notice(RULE_IOC, 0, 0, SEVERITY_NORMAL, SEVERITY_MINOR);
    assert_true(notice_key(&notice, key)); /* ...1362096000\nminor */
    assert_string_equal(key, "d4a5a185d260eabad2f4068120337aa143e47f1c48321826f56b15cd93895c49");
    notice.to = SEVERITY_NORMAL;
    notice.time_ns += SECOND_NS / 4;
    assert_true(notice_key(&notice, key)); /* ...1362096000.25\nnormal */
    assert_string_equal(key, "2dee12a513217077131007a6817ab2e98f4ad146c9f963a84d21b4ffb50ac809");
}

static void json_is_that_of_the_contract(void **state)
{
    (void)state;
    char body[NOTICE_BODY_MAX];
    struct notice notice = sample_notice(RULE_IOC, 0, 0, SEVERITY_NORMAL, SEVERITY_MINOR);
    notice.since_ns -= 30 * SECOND_NS;
    size_t length = notice_json(&notice, NULL, body, sizeof body);
    assert_string_equal(
        body, "{\"time\":1362096000,\"rule\":\"salinity-fields\",\"station\":\"s1\","
              "\"parameter\":\"salinity\",\"from\":\"normal\",\"to\":\"minor\",\"value\":4.875,"
              "\"key\":\"d4a5a185d260eabad2f4068120337aa143e47f1c48321826f56b15cd93895c49\","
              "\"since\":1362095970,\"site\":\"my-tho\",\"severity\":\"minor\","
              "\"message\":{\"vi\":\"Nước mặn – Trạm 1: Độ mặn 4,88 g/L (≥ 1 g/L). Mức: nhẹ.\","
              "\"en\":\"Saline water – Trạm 1: Salinity 4.88 g/L (≥ 1 g/L). Severity: minor.\"},"
              "\"historical\":false}");
    assert_int_equal(length, strlen(body));
}

static void replay_line_is_that_of_the_contract(void **state)
{
    (void)state;
    char line[NOTICE_BODY_MAX];
    struct notice notice = sample_notice(RULE_IOC, 0, 0, SEVERITY_NORMAL, SEVERITY_MINOR);
    notice.value = 1.23;
    size_t length = notice_replay_json(&notice, line, sizeof line);
    assert_int_equal(length, strlen(line));
    assert_string_equal(line,
                        "{\"time\":1362096000,\"rule\":\"salinity-fields\",\"station\":\"s1\","
                        "\"parameter\":\"salinity\",\"from\":\"normal\",\"to\":\"minor\","
                        "\"value\":1.23}");
}

static void what_does_not_fit_is_nothing(void **state)
{
    (void)state;
    char body[NOTICE_BODY_MAX], small[NOTICE_BODY_MAX];
    struct notice notice = sample_notice(RULE_IOC, 0, 0, SEVERITY_NORMAL, SEVERITY_MINOR);
    size_t length = notice_json(&notice, NULL, body, sizeof body);
    for (size_t capacity = 0; capacity <= length; capacity++) {
        memset(small, 'x', sizeof small);
        assert_int_equal(notice_json(&notice, NULL, small, capacity), 0);
        assert_int_equal(small[capacity], 'x');
    }
    assert_int_equal(notice_json(&notice, NULL, small, length + 1), length);
}

static void sentences_say_what_operators_need(void **state)
{
    (void)state;
    static const struct {
        enum rule_direction direction;
        enum severity from, to;
        double value;
        const char *vi, *en;
    } cases[] = {
        { RULE_ABOVE, SEVERITY_NORMAL, SEVERITY_SEVERE, 4.5,
          "Nước mặn – Trạm 1: Độ mặn 4,50 g/L (≥ 4,5 g/L). Mức: nghiêm trọng.",
          "Saline water – Trạm 1: Salinity 4.50 g/L (≥ 4.5 g/L). Severity: severe." },
        { RULE_ABOVE, SEVERITY_SEVERE, SEVERITY_MINOR, 3.2,
          "Nước mặn – Trạm 1: Độ mặn 3,20 g/L (≥ 1 g/L). Mức: nhẹ (trước đó: nghiêm trọng).",
          "Saline water – Trạm 1: Salinity 3.20 g/L (≥ 1 g/L). Severity: minor (was: severe)." },
        { RULE_ABOVE, SEVERITY_SEVERE, SEVERITY_MINOR, 0.9, /* between clear and raise */
          "Nước mặn – Trạm 1: Độ mặn 0,90 g/L (chưa xuống dưới 0,8 g/L). Mức: nhẹ (trước đó: "
          "nghiêm trọng).",
          "Saline water – Trạm 1: Salinity 0.90 g/L (not yet below 0.8 g/L). Severity: minor (was: "
          "severe)." },
        { RULE_ABOVE, SEVERITY_SEVERE, SEVERITY_MINOR, 0.8, /* clears strictly below */
          "Nước mặn – Trạm 1: Độ mặn 0,80 g/L (chưa xuống dưới 0,8 g/L). Mức: nhẹ (trước đó: "
          "nghiêm trọng).",
          "Saline water – Trạm 1: Salinity 0.80 g/L (not yet below 0.8 g/L). Severity: minor (was: "
          "severe)." },
        { RULE_ABOVE, SEVERITY_SEVERE, SEVERITY_MINOR, 0.3, /* below, but not long enough */
          "Nước mặn – Trạm 1: Độ mặn 0,30 g/L. Mức: nhẹ (trước đó: nghiêm trọng).",
          "Saline water – Trạm 1: Salinity 0.30 g/L. Severity: minor (was: severe)." },
        { RULE_ABOVE, SEVERITY_MINOR, SEVERITY_NORMAL, 0.3,
          "Trở lại bình thường – Trạm 1: Độ mặn 0,30 g/L. Hết cảnh báo: Nước mặn.",
          "Back to normal – Trạm 1: Salinity 0.30 g/L. Over: Saline water." },
        { RULE_BELOW, SEVERITY_NORMAL, SEVERITY_MINOR, 0.1,
          "Nước mặn – Trạm 1: Độ mặn 0,10 g/L (≤ 0,5 g/L). Mức: nhẹ.",
          "Saline water – Trạm 1: Salinity 0.10 g/L (≤ 0.5 g/L). Severity: minor." },
        { RULE_BELOW, SEVERITY_SEVERE, SEVERITY_MINOR, 0.55,
          "Nước mặn – Trạm 1: Độ mặn 0,55 g/L (chưa lên trên 0,6 g/L). Mức: nhẹ (trước đó: nghiêm "
          "trọng).",
          "Saline water – Trạm 1: Salinity 0.55 g/L (not yet above 0.6 g/L). Severity: minor (was: "
          "severe)." },
        { RULE_OUTSIDE, SEVERITY_SEVERE, SEVERITY_MINOR, 0.7,
          "Nước mặn – Trạm 1: Độ mặn 0,70 g/L. Mức: nhẹ (trước đó: nghiêm trọng).",
          "Saline water – Trạm 1: Salinity 0.70 g/L. Severity: minor (was: severe)." },
        { RULE_OUTSIDE, SEVERITY_NORMAL, SEVERITY_MINOR, 0.1,
          "Nước mặn – Trạm 1: Độ mặn 0,10 g/L (≤ 0,5 hoặc ≥ 1 g/L). Mức: nhẹ.",
          "Saline water – Trạm 1: Salinity 0.10 g/L (≤ 0.5 or ≥ 1 g/L). Severity: minor." },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rule rule = sample_rules[RULE_IOC];
        struct notice notice = sample_notice(RULE_IOC, 0, 0, cases[i].from, cases[i].to);
        char text[WORDING_MAX];
        rule.direction = cases[i].direction;
        rule.levels[0].raise_low = 0.5;
        rule.levels[0].clear_low = 0.6;
        rule.levels[0].clear_high = 0.8;
        notice.rule = &rule;
        notice.value = cases[i].value;
        (void)wording_part(&notice, NULL, LANGUAGE_VI, WORDING_TEXT, false, text, sizeof text);
        assert_string_equal(text, cases[i].vi);
        (void)wording_part(&notice, NULL, LANGUAGE_EN, WORDING_TEXT, false, text, sizeof text);
        assert_string_equal(text, cases[i].en);
    }
}

static void a_full_stop_stands_once(void **state)
{
    (void)state;
    struct rule rule = sample_rules[RULE_IOC];
    struct notice notice = sample_notice(RULE_IOC, 0, 0, SEVERITY_MINOR, SEVERITY_NORMAL);
    char text[WORDING_MAX];
    rule.message_vi = "Có khói.";
    rule.message_en = "Smoke...";
    notice.rule = &rule;
    notice.value = 0.3;
    (void)wording_part(&notice, NULL, LANGUAGE_VI, WORDING_TEXT, false, text, sizeof text);
    assert_string_equal(text,
                        "Trở lại bình thường – Trạm 1: Độ mặn 0,30 g/L. Hết cảnh báo: Có khói.");
    notice.from = SEVERITY_NORMAL;
    notice.to = SEVERITY_MINOR;
    notice.value = 1.3;
    (void)wording_part(&notice, NULL, LANGUAGE_EN, WORDING_TEXT, false, text, sizeof text);
    assert_string_equal(text, "Smoke – Trạm 1: Salinity 1.30 g/L (≥ 1 g/L). Severity: minor.");
}

static void rules_without_levels_have_no_limit(void **state)
{
    (void)state;
    struct notice notice = sample_notice(RULE_OWN, 0, 0, SEVERITY_NORMAL, SEVERITY_SEVERE);
    char text[WORDING_MAX], body[NOTICE_BODY_MAX];
    notice.value = 12;
    (void)wording_part(&notice, NULL, LANGUAGE_VI, WORDING_TEXT, false, text, sizeof text);
    assert_string_equal(text, "Đĩa đã đầy – Trạm 1: Dung lượng đĩa còn trống 12 MB. Mức: nghiêm "
                              "trọng.");
    (void)wording_part(&notice, NULL, LANGUAGE_EN, WORDING_TEXT, false, text, sizeof text);
    assert_string_equal(text,
                        "The disk is full – Trạm 1: Free disk space 12 MB. Severity: severe.");
    assert_true(notice_json(&notice, NULL, body, sizeof body) > 0);
    assert_non_null(strstr(body, "\"severity\":\"severe\""));
    assert_non_null(strstr(body, "\"rule\":\"disk-full\""));
}

/* The widest: long texts of bytes that all are escaped. jansson refuses what is no UTF-8. */
static void any_text_gives_valid_json(void **state)
{
    (void)state;
    char quotes[2000], broken[2000], letters[2000];
    memset(quotes, '"', sizeof quotes - 1);
    memset(broken, '\xFF', sizeof broken - 1);
    quotes[sizeof quotes - 1] = broken[sizeof broken - 1] = '\0';
    for (size_t i = 0; i + 3 < sizeof letters; i += 3) {
        memcpy(letters + i, "ầ", 4);
    }
    const char *const texts[] = { quotes,
                                  broken,
                                  letters,
                                  "a\nb\tc\x01\x7F\\",
                                  "\xED\xA0\x80",
                                  "\xC0\xAF",
                                  "\xF4\x90\x80\x80",
                                  "\xE0\x80\xAF",
                                  "x\xE1\xBA",
                                  "\xF0\x9F\x8C\x8A",
                                  "" };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct rule rule = sample_rules[RULE_IOC];
        struct station station = sample_stations[0];
        struct notice notice = sample_notice(RULE_IOC, 0, 0, SEVERITY_NORMAL, SEVERITY_MINOR);
        char body[NOTICE_BODY_MAX];
        notice.rule = &rule;
        notice.station = &station;
        rule.message_vi = rule.message_en = station.name = texts[i];
        notice.value = i == 0 ? (double)NAN : -1.7976931348623157e308;
        assert_true(notice_json(&notice, NULL, body, sizeof body) > 0);
        json_t *root = json_loads(body, 0, NULL);
        assert_non_null(root);
        const char *vi = json_string_value(json_object_get(json_object_get(root, "message"), "vi"));
        assert_non_null(vi);
        assert_true(strlen(vi) < WORDING_MAX);
        assert_null(strpbrk(vi, "\n\t\x01\x7F"));
        assert_true(json_is_null(json_object_get(root, "value")) == (i == 0));
        json_decref(root);
    }
}

static void values_have_their_resolution(void **state)
{
    (void)state;
    static const struct {
        double resolution, value;
        const char *text;
    } cases[] = { { 1, 5321.4, "5321" },   { 0.5, 7.25, "7,3" },         { 0.25, 7.25, "7,25" },
                  { 0.01, 4.316, "4,32" }, { 0.001, -0.4821, "-0,482" }, { 10, 123, "123" },
                  { 0.1, -0.04, "0,0" },   { 1e-9, 0.5, "0,500000" },    { 0.1, 1e300, "1e300" },
                  { 1, NAN, "-" },         { 1, INFINITY, "-" } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct phusa_parameter parameter = sample_salinity;
        char text[DISPLAY_NUMBER_MAX];
        parameter.resolution = cases[i].resolution;
        assert_string_equal(display_value(&parameter, cases[i].value, DECIMAL_VI, text),
                            cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_is_the_hash_of_the_contract),
        cmocka_unit_test(json_is_that_of_the_contract),
        cmocka_unit_test(replay_line_is_that_of_the_contract),
        cmocka_unit_test(what_does_not_fit_is_nothing),
        cmocka_unit_test(sentences_say_what_operators_need),
        cmocka_unit_test(a_full_stop_stands_once),
        cmocka_unit_test(rules_without_levels_have_no_limit),
        cmocka_unit_test(any_text_gives_valid_json),
        cmocka_unit_test(values_have_their_resolution),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
