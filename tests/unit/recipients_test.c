/* Who hears of a notice and when, and how many messages a person gets at once. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "notify_sample.h"

#define HOUR_NS (3600 * SECOND_NS)
#define HEARD   64

/* 2025-11-21 22:35:10 +07:00 */
static const wall_time night = { INT64_C(1763739310) * SECOND_NS };

static const char *const officers[] = { "officer@example.vn", "b@example.vn" };
static const struct channel_settings channels[] = {
    { .id = "ioc", .kind = CHANNEL_WEBHOOK },
    { .id = "mail", .kind = CHANNEL_EMAIL, .to = officers, .to_count = 2, .subscribers = true },
    { .id = "sms",
      .kind = CHANNEL_SMS,
      .subscribers = true,
      .quiet = { .from_s = 22 * 3600, .until_s = 5 * 3600 + 1800, .below = SEVERITY_SEVERE } },
};

#define PERSON(...)                                                                                \
    {                                                                                              \
        .threshold = NAN, .active = true, __VA_ARGS__                                              \
    }
static const struct subscriber people[] = {
    PERSON(.channel = "sms", .address = "+84900000001", .station = "s1"),
    PERSON(.channel = "sms", .address = "+84900000002", .station = "s2"),
    PERSON(.channel = "sms", .address = "+84900000003", .site = "my-tho", .use = "durian"),
    PERSON(.channel = "sms", .address = "+84900000004", .station = "s1", .use = "rice"),
    PERSON(.channel = "sms", .address = "+84900000001", .site = "my-tho"), /* once more */
    { .channel = "sms", .address = "+84900000005", .station = "s1", .active = false },
    PERSON(.channel = "mail", .address = "b@example.vn", .station = "s1"), /* a fixed one, too */
    { .channel = "sms",
      .address = "+84900000006",
      .station = "s1",
      .use = "durian",
      .threshold = 0.3,
      .active = true },
    { .channel = "sms",
      .address = "+84900000007",
      .station = "s1",
      .use = "durian",
      .threshold = 0.7, /* without a rule of his own: there are too many */
      .active = true },
    PERSON(.channel = "gone", .address = "+84900000008", .station = "s1"),
};

enum { ALL, DURIAN, DURIAN_OWN, SILENT };
static struct rule rules[4];
static struct settings settings;
static struct recipients *index_of;
static size_t heard_count;
static struct recipient heard[HEARD];

static int make(void **state)
{
    (void)state;
    static const size_t both[] = { 0, 1, 2 };
    for (size_t i = 0; i < 4; i++) {
        rules[i] = sample_rules[RULE_IOC];
        rules[i].threshold = NAN;
        rules[i].channel_count = 3;
        memcpy(rules[i].channels, both, sizeof both);
    }
    rules[DURIAN].id = "durian";
    rules[DURIAN].use = rules[DURIAN_OWN].use = "durian";
    rules[DURIAN_OWN].id = "durian-1";
    rules[DURIAN_OWN].base = &rules[DURIAN];
    rules[DURIAN_OWN].threshold = 0.3;
    rules[SILENT].level_count = 0; /* the collector's own */
    settings = (struct settings){
        .utc_offset_s = 7 * 3600,
        .channels = channels,
        .channel_count = 3,
        .rulebook = { rules, 3 },
        .subscribers = { .items = people, .count = sizeof people / sizeof people[0] },
    };
    index_of = recipients_create(&settings);
    assert_non_null(index_of);
    return 0;
}

static int clean(void **state)
{
    (void)state;
    recipients_free(index_of);
    return 0;
}

static void hear(void *context, const struct recipient *recipient)
{
    (void)context;
    assert_true(heard_count < HEARD);
    heard[heard_count++] = *recipient;
}

static void tell(struct notice notice)
{
    heard_count = 0;
    recipients_each(index_of, &notice, night, hear, NULL);
}

static struct notice notice_of(int rule, int64_t at_station, enum severity to)
{
    struct notice notice = sample_notice(RULE_IOC, at_station, 0, SEVERITY_NORMAL, to);
    notice.rule = &rules[rule];
    return notice;
}

/* The last digits of those who heard by SMS, in their order. */
static const char *by_sms(void)
{
    static char digits[HEARD];
    size_t count = 0;
    for (size_t i = 0; i < heard_count; i++) {
        if (strcmp(heard[i].channel, "sms") == 0) {
            digits[count++] = heard[i].address[strlen(heard[i].address) - 1];
        }
    }
    digits[count] = '\0';
    return digits;
}

static void place_and_use_decide(void **state)
{
    (void)state;
    tell(notice_of(ALL, 0, SEVERITY_SEVERE));
    assert_string_equal(by_sms(), "1"); /* those who asked for a use have rules of that use */
    assert_int_equal(heard_count, 5);   /* ioc, two officers, the subscriber, the topic */
    assert_string_equal(heard[0].channel, "ioc");
    assert_string_equal(heard[0].address, "");
    assert_string_equal(heard[1].address, "officer@example.vn");
    assert_false(heard[1].subscriber);
    assert_true(heard[3].subscriber);
    assert_string_equal(heard[4].channel, CHANNEL_RETAINED);
    tell(notice_of(ALL, 1, SEVERITY_SEVERE));
    assert_string_equal(by_sms(), "21");
    tell(notice_of(DURIAN, 1, SEVERITY_SEVERE));
    assert_string_equal(by_sms(), "231"); /* station's first, then site's */
    tell(notice_of(SILENT, 0, SEVERITY_SEVERE));
    assert_string_equal(by_sms(), "");
}

static void own_limits_stand_in_for_the_rule(void **state)
{
    (void)state;
    tell(notice_of(DURIAN, 0, SEVERITY_SEVERE));
    assert_string_equal(by_sms(), "173");
    tell(notice_of(DURIAN_OWN, 0, SEVERITY_SEVERE));
    assert_string_equal(by_sms(), "6");
}

static void an_address_hears_once(void **state)
{
    (void)state;
    bool seen[HEARD] = { false };
    tell(notice_of(ALL, 0, SEVERITY_SEVERE));
    for (size_t i = 0; i < heard_count; i++) {
        assert_true(heard[i].slot < recipients_slots(index_of));
        assert_false(seen[heard[i].slot]);
        seen[heard[i].slot] = true;
    }
}

static void escalations_go_elsewhere(void **state)
{
    (void)state;
    struct notice notice = notice_of(ALL, 0, SEVERITY_SEVERE);
    notice.escalated = true;
    tell(notice);
    assert_int_equal(heard_count, 0);
    rules[ALL].escalation.channels[0] = 1;
    rules[ALL].escalation.channel_count = 1;
    tell(notice);
    assert_int_equal(heard_count, 2); /* the officers; the topic says it already */
    assert_string_equal(heard[0].channel, "mail");
}

static void quiet_hours_delay_what_is_not_grave(void **state)
{
    (void)state;
    const int64_t morning = night.ns + 6 * HOUR_NS + 55 * 60 * SECOND_NS - 10 * SECOND_NS;
    tell(notice_of(ALL, 0, SEVERITY_MODERATE));
    assert_true(heard[0].due_ns == night.ns); /* ioc has none */
    assert_true(heard[3].put_off && heard[3].due_ns == morning);
    tell(notice_of(ALL, 0, SEVERITY_SEVERE));
    assert_true(heard[3].due_ns == night.ns);
    struct notice fall = notice_of(ALL, 0, SEVERITY_NORMAL);
    fall.from = SEVERITY_SEVERE; /* who was woken hears that it is over */
    tell(fall);
    assert_true(heard[3].due_ns == night.ns);
}

static void quiet_hours_span_midnight_or_not(void **state)
{
    (void)state;
    static const struct {
        int32_t from_s, until_s;
        int64_t second, wait_s; /* local second of the day; -1 = no wait */
    } cases[] = {
        { 22 * 3600, 5 * 3600, 22 * 3600, 7 * 3600 }, { 22 * 3600, 5 * 3600, 0, 5 * 3600 },
        { 22 * 3600, 5 * 3600, 5 * 3600 - 1, 1 },     { 22 * 3600, 5 * 3600, 5 * 3600, 0 },
        { 12 * 3600, 13 * 3600, 12 * 3600, 3600 },    { 12 * 3600, 13 * 3600, 11 * 3600, 0 },
        { 12 * 3600, 13 * 3600, 13 * 3600, 0 },       { 3600, 3600, 3600, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct channel_quiet quiet = { cases[i].from_s, cases[i].until_s, SEVERITY_SEVERE };
        wall_time when = { (INT64_C(20000) * 86400 + cases[i].second - 7 * 3600) * SECOND_NS };
        int64_t due = recipients_due(&quiet, SEVERITY_MINOR, 7 * 3600, when);
        assert_true(due == when.ns + cases[i].wait_s * SECOND_NS);
    }
}

/* --- pace -------------------------------------------------------------------------------- */

static wall_time at(int64_t seconds)
{
    return (wall_time){ night.ns + seconds * SECOND_NS };
}

static void a_burst_goes_one_by_one_then_all_at_once(void **state)
{
    (void)state;
    const struct channel_pace pace = { .burst = 3, .gather_ns = 60 * SECOND_NS };
    struct pace_state sent = { 0, 0 };
    for (int64_t i = 0; i < 3; i++) {
        assert_int_equal(pace_next(&pace, &sent, at(i).ns, at(i)).kind, PACE_ONE);
        pace_sent(&pace, &sent, false, at(i));
    }
    struct pace_turn turn = pace_next(&pace, &sent, at(4).ns, at(4));
    assert_int_equal(turn.kind, PACE_WAIT);
    assert_true(turn.when_ns == at(64).ns);
    assert_int_equal(pace_next(&pace, &sent, at(4).ns, at(63)).kind, PACE_WAIT);
    assert_int_equal(pace_next(&pace, &sent, at(4).ns, at(64)).kind, PACE_ALL);
    /* what comes when the burst is over is the first of another */
    assert_int_equal(pace_next(&pace, &sent, at(60).ns, at(60)).kind, PACE_ONE);
}

static void a_flood_gives_one_digest_in_each_gather(void **state)
{
    (void)state;
    const struct channel_pace pace = { .burst = 2, .gather_ns = 60 * SECOND_NS };
    struct pace_state sent = { 0, 0 };
    int ones = 0, digests = 0;
    int64_t oldest = -1; /* one message each second for ten minutes */
    for (int64_t second = 0; second < 600; second++) {
        oldest = oldest < 0 ? second : oldest;
        struct pace_turn turn = pace_next(&pace, &sent, at(oldest).ns, at(second));
        if (turn.kind != PACE_WAIT) {
            ones += turn.kind == PACE_ONE;
            digests += turn.kind == PACE_ALL;
            pace_sent(&pace, &sent, turn.kind == PACE_ALL, at(second));
            oldest = -1;
        }
    }
    assert_int_equal(ones, 2);
    assert_int_equal(digests, 9);
}

static void without_gather_there_are_no_digests(void **state)
{
    (void)state;
    const struct channel_pace each = { .burst = 1, .gather_ns = 0 }, at_once = { 0, 0 };
    struct pace_state sent = { night.ns, 1000 };
    assert_int_equal(pace_next(&each, &sent, night.ns, night).kind, PACE_ONE);
    assert_int_equal(pace_next(&at_once, &sent, night.ns, night).kind, PACE_ALL);
}

static void a_clock_put_back_delays_nothing(void **state)
{
    (void)state;
    const struct channel_pace pace = { .burst = 1, .gather_ns = 60 * SECOND_NS };
    struct pace_state sent = { at(7200).ns, 1 };
    assert_int_equal(pace_next(&pace, &sent, at(7200).ns, night).kind, PACE_ONE);
    sent = (struct pace_state){ night.ns, 1 };
    assert_int_equal(pace_next(&pace, &sent, at(7200).ns, night).kind, PACE_ALL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(place_and_use_decide, make, clean),
        cmocka_unit_test_setup_teardown(own_limits_stand_in_for_the_rule, make, clean),
        cmocka_unit_test_setup_teardown(an_address_hears_once, make, clean),
        cmocka_unit_test_setup_teardown(escalations_go_elsewhere, make, clean),
        cmocka_unit_test_setup_teardown(quiet_hours_delay_what_is_not_grave, make, clean),
        cmocka_unit_test(quiet_hours_span_midnight_or_not),
        cmocka_unit_test(a_burst_goes_one_by_one_then_all_at_once),
        cmocka_unit_test(a_flood_gives_one_digest_in_each_gather),
        cmocka_unit_test(without_gather_there_are_no_digests),
        cmocka_unit_test(a_clock_put_back_delays_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
