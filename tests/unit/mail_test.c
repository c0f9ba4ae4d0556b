/* What e-mail, short messages and syslog are made of: mails, requests, lines. Servers read them in
 * tests/system. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/smtp.h"
#include "letter_sample.h"
#include "notify/fill.h"
#include "notify/mime.h"
#include "notify/syslog_line.h"

/* --- mails ----------------------------------------------------------------------- */

static struct mime_mail sample_mail(void)
{
    return (struct mime_mail){
        .from = "canhbao@phusa.example.vn",
        .to = "ann@example.vn",
        .subject = "Salinity",
        .text = "a\nb",
        .key = "0123abcd",
        .language = LANGUAGE_EN,
        .now = { INT64_C(1762000200) * SECOND_NS },
        .utc_offset_s = 7 * 3600,
        .unsubscribe = "",
    };
}

static void a_plain_mail(void **state)
{
    (void)state;
    char out[MIME_MAX(100)];
    struct mime_mail mail = sample_mail();
    size_t length = mime_compose(&mail, out, sizeof out);
    assert_int_equal(length, strlen(out));
    assert_string_equal(out, "Date: Sat, 1 Nov 2025 19:30:00 +0700\r\n"
                             "From: <canhbao@phusa.example.vn>\r\n"
                             "To: <ann@example.vn>\r\n"
                             "Subject: Salinity\r\n"
                             "Message-ID: <0123abcd@phusa.example.vn>\r\n"
                             "Auto-Submitted: auto-generated\r\n"
                             "MIME-Version: 1.0\r\n"
                             "Content-Type: text/plain; charset=utf-8\r\n"
                             "Content-Language: en\r\n"
                             "Content-Transfer-Encoding: base64\r\n"
                             "\r\n"
                             "YQ0KYg==\r\n");
}

static void nothing_can_be_put_into_a_header(void **state)
{
    (void)state;
    char out[MIME_MAX(100)];
    struct mime_mail mail = sample_mail();
    mail.subject = "x\r\nBcc: eve@example.org";
    mail.key = "1>\r\nBcc: eve@example.org";
    mail.unsubscribe = "mailto:a@b.vn>\r\nBcc: eve@example.org";
    assert_true(mime_compose(&mail, out, sizeof out) > 0);
    assert_null(strstr(out, "\nBcc"));
    assert_non_null(strstr(out, "List-Unsubscribe: <mailto:a@b.vn>\r\n"));
    mail.to = "ann@example.vn\r\nBcc: eve@example.org";
    assert_int_equal(mime_compose(&mail, out, sizeof out), 0);
    mail = sample_mail();
    mail.from = "";
    assert_int_equal(mime_compose(&mail, out, sizeof out), 0);
}

static void a_mail_that_does_not_fit_is_none(void **state)
{
    (void)state;
    char out[MIME_MAX(100)];
    struct mime_mail mail = sample_mail();
    size_t length = mime_compose(&mail, out, sizeof out);
    for (size_t capacity = 0; capacity <= length; capacity++) {
        assert_int_equal(mime_compose(&mail, out, capacity), 0);
    }
    assert_int_equal(mime_compose(&mail, out, length + 1), length);
}

/* The text at its worst, nothing but line feeds, with the longest subject. */
static void the_room_is_enough(void **state)
{
    (void)state;
    static char text[4001], subject[4001], out[MIME_MAX(4000)];
    struct mime_mail mail = sample_mail();
    memset(text, '\n', 4000);
    memset(subject, '\t', 4000);
    mail.text = text;
    mail.subject = subject;
    assert_true(mime_compose(&mail, out, sizeof out) > 0);
}

/* --- requests -------------------------------------------------------------------- */

static void fills_to(const char *template, enum fill_escape escape, const char *wanted)
{
    static const struct fill_value values[] = { { "to", "+8490" },
                                                { "text", "a \"b\"\\\n& {to}%ạ" } };
    char out[256];
    size_t length = fill_template(template, values, 2, escape, out, sizeof out);
    assert_string_equal(out, wanted);
    assert_int_equal(length, strlen(wanted));
    assert_int_equal(fill_template(template, values, 2, escape, out, length), 0);
    assert_int_equal(fill_template(template, values, 2, escape, out, length + 1), length);
}

static void a_template_is_filled_in(void **state)
{
    (void)state;
    fills_to("t={to}&x={text}", FILL_PERCENT,
             "t=%2B8490&x=a%20%22b%22%5C%0A%26%20%7Bto%7D%25%E1%BA%A1");
    fills_to("{\"to\":\"{to}\",\"x\":\"{text}\",\"y\":{}}", FILL_JSON,
             "{\"to\":\"+8490\",\"x\":\"a \\\"b\\\"\\\\\\u000a& {to}%ạ\",\"y\":{}}");
    fills_to("X: {text}", FILL_LINE, "X: a \"b\"\\ & {to}%ạ");
    fills_to("{{to}} {tox} {to {", FILL_LINE, "{+8490} {tox} {to {");
}

/* --- lines ----------------------------------------------------------------------- */

static void a_line_of_syslog(void **state)
{
    (void)state;
    char line[SYSLOG_LINE_MAX + 1];
    struct letter letter = sample_letter("k1", SEVERITY_NORMAL, SEVERITY_SEVERE, 0);
    letter.unit = "a]\"\\b";
    assert_true(syslog_print(&letter, 16, LANGUAGE_EN, "host x", line) > 0);
    assert_string_equal(
        line, "<130>1 2025-11-01T19:30:00.000+07:00 host-x phusa - RAISED [phusa@32473 "
              "rule=\"salinity-fields\" site=\"my-tho\" station=\"s1\" parameter=\"salinity\" "
              "from=\"normal\" to=\"severe\" since=\"2025-11-01T19:30:00.000+07:00\" "
              "value=\"4.25\" unit=\"a\\]\\\"\\\\b\" key=\"k1\"] \xEF\xBB\xBF"
              "Salinity intrusion – Cống Xuân Hòa: Salinity 4.25 g/L (≥ 4 g/L).");
    assert_int_equal(syslog_print(&letter, 24, LANGUAGE_EN, "h", line), 0);
    assert_int_equal(syslog_print(&letter, -1, LANGUAGE_EN, "h", line), 0);
}

static void severities_of_syslog(void **state)
{
    (void)state;
    static const char *const begins[] = { "<5>", "<4>", "<3>", "<2>", "<1>" };
    char line[SYSLOG_LINE_MAX + 1];
    for (int to = SEVERITY_NORMAL; to <= SEVERITY_EXTREME; to++) {
        struct letter letter = sample_letter("k", SEVERITY_MINOR, (enum severity)to, 0);
        letter.utc_offset_s = 0;
        assert_true(syslog_print(&letter, 0, LANGUAGE_VI, "", line) > 0);
        assert_memory_equal(line, begins[to], 3);
        assert_non_null(strstr(line, "1 2025-11-01T12:30:00.000Z - phusa - "));
        assert_non_null(strstr(line, to == SEVERITY_NORMAL ? " CLEARED " : " CHANGED "));
    }
}

static void a_long_line_is_cut_at_a_character(void **state)
{
    (void)state;
    static char text[3 * 1000 + 1];
    char line[SYSLOG_LINE_MAX + 1];
    struct letter letter = sample_letter("k", SEVERITY_NORMAL, SEVERITY_SEVERE, 0);
    for (size_t i = 0; i < 1000; i++) {
        memcpy(text + 3 * i, "ạ", 4);
    }
    letter.text.in[LANGUAGE_VI] = text;
    size_t length = syslog_print(&letter, 16, LANGUAGE_VI, "h", line);
    assert_true(length > SYSLOG_LINE_MAX - 3 && length <= SYSLOG_LINE_MAX);
    assert_string_equal(line + length - 3, "ạ");
}

static void addresses_that_can_stand_in_a_command(void **state)
{
    (void)state;
    char longest[SMTP_ADDRESS_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[SMTP_ADDRESS_MAX + 1] = '\0';
    assert_false(smtp_address_plain(longest));
    assert_true(smtp_address_plain(longest + 1));
    assert_true(smtp_address_plain("ann+b@example.vn"));
    assert_false(smtp_address_plain(""));
    assert_false(smtp_address_plain("a b@c"));
    assert_false(smtp_address_plain("a@b>"));
    assert_false(smtp_address_plain("a@b\r\nDATA"));
    assert_false(smtp_address_plain("ấn@b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_mail),
        cmocka_unit_test(nothing_can_be_put_into_a_header),
        cmocka_unit_test(a_mail_that_does_not_fit_is_none),
        cmocka_unit_test(the_room_is_enough),
        cmocka_unit_test(a_template_is_filled_in),
        cmocka_unit_test(a_line_of_syslog),
        cmocka_unit_test(severities_of_syslog),
        cmocka_unit_test(a_long_line_is_cut_at_a_character),
        cmocka_unit_test(addresses_that_can_stand_in_a_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
