/* What Alertmanager is told, and what its answers mean; the real one:
 * tests/system/alertmanager_test.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "letter_sample.h"
#include "notify/alertmanager.h"
#include "notify/answer.h"

#define KEY "0f"

/* Long after the samples, as when their clock is simulated. */
static const wall_time real = { INT64_C(1763735710) * SECOND_NS };

static json_t *changes(const struct letter *letters, size_t count)
{
    char *text = alertmanager_changes(letters, count, "", real);
    assert_non_null(text);
    json_t *alerts = json_loads(text, 0, NULL);
    assert_true(json_is_array(alerts));
    free(text);
    return alerts;
}

static const char *member(const json_t *alert, const char *group, const char *name)
{
    const json_t *from = group == NULL ? alert : json_object_get(alert, group);
    return json_string_value(json_object_get(from, name));
}

static void assert_member(const json_t *alert, const char *group, const char *name,
                          const char *wanted)
{
    const char *value = member(alert, group, name);
    assert_non_null(value);
    assert_string_equal(value, wanted);
}

static void test_raised(void **state)
{
    (void)state;
    struct letter letter = sample_letter(KEY, SEVERITY_NORMAL, SEVERITY_SEVERE, 0);
    json_t *alerts = changes(&letter, 1);
    const json_t *alert = json_array_get(alerts, 0);
    assert_int_equal(json_array_size(alerts), 1);
    assert_int_equal(json_object_size(json_object_get(alert, "labels")), 5);
    assert_member(alert, "labels", "alertname", "salinity-fields");
    assert_member(alert, "labels", "severity", "severe");
    assert_member(alert, "labels", "site", "my-tho");
    assert_member(alert, "labels", "station", "s1");
    assert_member(alert, "labels", "parameter", "salinity");
    assert_member(alert, "annotations", "summary", "Cống Xuân Hòa: mặn 4,25 g/L");
    assert_member(alert, "annotations", "summary_en", "Cống Xuân Hòa: salinity 4.25 g/L");
    assert_member(alert, "annotations", "description",
                  "Xâm nhập mặn – Cống Xuân Hòa: Độ mặn 4,25 g/L (≥ 4 g/L). "
                  "Đóng cống, không lấy nước.");
    assert_member(alert, "annotations", "description_en",
                  "Salinity intrusion – Cống Xuân Hòa: Salinity 4.25 g/L (≥ 4 g/L). "
                  "Close the sluice; take no water.");
    assert_member(alert, "annotations", "value", "4,25 g/L");
    assert_member(alert, NULL, "startsAt", "2025-11-01T12:30:00-00:00");
    assert_member(alert, NULL, "endsAt", "2025-11-21T14:50:10-00:00");
    assert_null(json_object_get(alert, "generatorURL"));
    json_decref(alerts);
}

static void test_an_action_in_the_text_is_not_said_twice(void **state)
{
    (void)state;
    struct letter letter = sample_letter(KEY, SEVERITY_NORMAL, SEVERITY_SEVERE, 0);
    letter.action.in[LANGUAGE_VI] = "Độ mặn 4,25 g/L";
    json_t *alerts = changes(&letter, 1);
    assert_member(json_array_get(alerts, 0), "annotations", "description",
                  letter.text.in[LANGUAGE_VI]);
    json_decref(alerts);
}

/* Another severity is another alert: the one before ends when it begins. */
static void test_changed(void **state)
{
    (void)state;
    struct letter letter = sample_letter(KEY, SEVERITY_MINOR, SEVERITY_SEVERE, 60);
    json_t *alerts = changes(&letter, 1);
    const json_t *old = json_array_get(alerts, 0), *new = json_array_get(alerts, 1);
    assert_int_equal(json_array_size(alerts), 2);
    assert_member(old, "labels", "severity", "minor");
    assert_member(old, NULL, "endsAt", "2025-11-01T12:31:00-00:00");
    assert_null(json_object_get(old, "startsAt"));
    assert_member(new, "labels", "severity", "severe");
    assert_member(new, NULL, "startsAt", "2025-11-01T12:31:00-00:00");
    json_decref(alerts);
}

static void test_normal_again(void **state)
{
    (void)state;
    struct letter letter = sample_letter(KEY, SEVERITY_SEVERE, SEVERITY_NORMAL, 60);
    json_t *alerts = changes(&letter, 1);
    const json_t *alert = json_array_get(alerts, 0);
    assert_int_equal(json_array_size(alerts), 1);
    assert_member(alert, "labels", "severity", "severe");
    assert_member(alert, NULL, "endsAt", "2025-11-01T12:31:00-00:00");
    assert_null(json_object_get(alert, "startsAt"));
    json_decref(alerts);
}

/* What is told again (nobody acknowledged) does not end the alert that goes on. */
static void test_told_again(void **state)
{
    (void)state;
    struct letter letter = sample_letter(KEY, SEVERITY_SEVERE, SEVERITY_SEVERE, 0);
    json_t *alerts = changes(&letter, 1);
    assert_int_equal(json_array_size(alerts), 1);
    assert_member(json_array_get(alerts, 0), NULL, "startsAt", "2025-11-01T12:30:00-00:00");
    json_decref(alerts);
}

/* A station's clock that is ahead must not keep an alarm firing that is over. */
static void test_no_time_in_the_future(void **state)
{
    (void)state;
    struct letter letter = sample_letter(KEY, SEVERITY_MINOR, SEVERITY_SEVERE, 86400 * 365);
    json_t *alerts = changes(&letter, 1);
    assert_member(json_array_get(alerts, 0), NULL, "endsAt", "2025-11-21T14:35:10-00:00");
    assert_member(json_array_get(alerts, 1), NULL, "startsAt", "2025-11-21T14:35:10-00:00");
    json_decref(alerts);
}

static void test_a_parcel_in_order_with_a_link(void **state)
{
    (void)state;
    struct letter letters[] = {
        sample_letter(KEY, SEVERITY_NORMAL, SEVERITY_MINOR, 0),
        sample_letter(KEY, SEVERITY_MINOR, SEVERITY_SEVERE, 60),
        sample_letter(KEY, SEVERITY_SEVERE, SEVERITY_NORMAL, 120),
    };
    static const char *const severities[] = { "minor", "minor", "severe", "severe" };
    char *text = alertmanager_changes(letters, 3, "https://iot.example/alarms?a=1&b=\"2\"", real);
    json_t *alerts = json_loads(text, 0, NULL);
    assert_int_equal(json_array_size(alerts), 4);
    for (size_t i = 0; i < 4; i++) {
        const json_t *alert = json_array_get(alerts, i);
        assert_member(alert, "labels", "severity", severities[i]);
        assert_member(alert, NULL, "generatorURL", "https://iot.example/alarms?a=1&b=\"2\"");
    }
    json_decref(alerts);
    free(text);
}

static void test_active_is_one_line(void **state)
{
    (void)state;
    struct letter letter = sample_letter(KEY, SEVERITY_NORMAL, SEVERITY_MINOR, 0);
    letter.text.in[LANGUAGE_VI] = "dòng một\ndòng \"hai\"\\";
    char *text = alertmanager_active(&letter, "", real);
    assert_null(strchr(text, '\n'));
    json_t *alert = json_loads(text, 0, NULL);
    assert_member(alert, "labels", "severity", "minor");
    json_decref(alert);
    free(text);
}

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        int code;
        enum delivery delivery;
        const char *body, *problem;
    } cases[] = {
        { 200, DELIVERY_DONE, "", "" },
        { 204, DELIVERY_DONE, "", "" },
        { 400, DELIVERY_REFUSED, "\"start time must be before end time\"\n",
          "the endpoint answered 400: \"start time must be before end time\"" },
        { 404, DELIVERY_REFUSED, "\r\n  \r\n  page\tnot \x1b[1mfound\nelse",
          "the endpoint answered 404: pagenot [1mfound" },
        { 410, DELIVERY_REFUSED, "đã", "the endpoint answered 410: ????" },
        { 408, DELIVERY_FAILED, "", "the endpoint answered 408" },
        { 425, DELIVERY_FAILED, "", "the endpoint answered 425" },
        { 429, DELIVERY_FAILED, "slowly", "the endpoint answered 429: slowly" },
        { 302, DELIVERY_FAILED, "", "the endpoint answered 302" },
        { 500, DELIVERY_FAILED, "", "the endpoint answered 500" },
    };
    struct http_answer *answer = calloc(1, sizeof *answer);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct problem problem = { "" };
        answer->code = cases[i].code;
        answer->length = strlen(cases[i].body);
        memcpy(answer->body, cases[i].body, answer->length + 1);
        assert_int_equal(answer_judge(answer, &problem), cases[i].delivery);
        assert_string_equal(problem.text, cases[i].problem);
    }
    free(answer);
}

static void test_long_words_are_cut(void **state)
{
    (void)state;
    struct http_answer *answer = calloc(1, sizeof *answer);
    struct problem problem = { "" };
    answer->code = 200;
    answer->length = HTTP_ANSWER_MAX;
    memset(answer->body, 'x', HTTP_ANSWER_MAX);
    assert_int_equal(answer_strange(answer, "Alertmanager", &problem), DELIVERY_FAILED);
    assert_int_equal(strlen(problem.text),
                     strlen("the endpoint answered 200, but not as Alertmanager does: ") +
                         ANSWER_WORDS_MAX);
    free(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_raised),
        cmocka_unit_test(test_an_action_in_the_text_is_not_said_twice),
        cmocka_unit_test(test_changed),
        cmocka_unit_test(test_normal_again),
        cmocka_unit_test(test_told_again),
        cmocka_unit_test(test_no_time_in_the_future),
        cmocka_unit_test(test_a_parcel_in_order_with_a_link),
        cmocka_unit_test(test_active_is_one_line),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_long_words_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
