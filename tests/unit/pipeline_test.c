/* The flow from a journal record to lines, notices, set-asides and receipts. */
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
#include "pipeline_aside.h"

#define NOW     INT64_C(1700000000)
#define NOW_NS  (NOW * SECOND_NS)
#define OUT_MAX 65536

/* --- a small world --------------------------------------------------------------- */

static const struct phusa_unit salinity_units[] = { { { "g/L", 3 }, 1, 1, 0 } };
static const struct phusa_unit temp_units[] = { { { "K", 1 }, 1, 1, -273.15 } };
static const struct phusa_parameter parameters[] = {
    { { "ph", 2 }, { "", 0 }, "Độ pH", "pH", 0, 14, 0.01, NULL, 0 },
    { { "salinity", 8 }, { "/1000", 5 }, "Độ mặn", "Salinity", 0, 45, 0.01, salinity_units, 1 },
    { { "temp", 4 }, { "Cel", 3 }, "Nhiệt độ", "Temperature", -5, 60, 0.1, temp_units, 1 },
};
static const struct station_tag tags[] = { { "river", "song tien" } };
static const char *const names[] = { "urn:dev:mac:0024befffe804ff1:" };
static const struct station stations[] = {
    { .id = "s1",
      .site = "my-tho",
      .kind = "water",
      .name = "Trạm 1",
      .every_ns = 300 * SECOND_NS,
      .tags = tags,
      .tag_count = 1,
      .names = names,
      .name_count = 1 },
    { .id = "s2",
      .site = "phu-quoc",
      .kind = "air",
      .name = "Trạm 2",
      .every_ns = 300 * SECOND_NS },
};
static struct rule rules[] = {
    { .id = "salinity-high",
      .kind = "water",
      .parameter = &parameters[1],
      .direction = RULE_ABOVE,
      .levels = { { SEVERITY_SEVERE, 0, 4, 0, 3.5, 0, 0 } },
      .level_count = 1,
      .max_gap_ns = 3600 * SECOND_NS,
      .accept = 6,
      .message_vi = "Mặn",
      .message_en = "Salt" },
    { .id = "air-only",
      .kind = "air",
      .parameter = &parameters[1],
      .direction = RULE_ABOVE,
      .levels = { { SEVERITY_SEVERE, 0, 0, 0, 0, 0, 0 } },
      .level_count = 1,
      .max_gap_ns = 3600 * SECOND_NS,
      .accept = 6 },
};
static const struct phusa_parameter missing_reports = { .name = { "missing_reports", 15 } };
#define MAINTENANCE_RULE(text)                                                                     \
    {                                                                                              \
        .id = (text), .parameter = &missing_reports, .enabled = true                               \
    }
static struct settings settings = {
    .file = "test",
    .ahead_ns = 300 * SECOND_NS,
    .catalogue = { parameters, 3 },
    .registry = { .stations = stations, .count = 2 },
    .rulebook = { rules, 2 },
    .maintenance = { .gap_ns = 3600 * SECOND_NS,
                     .rules = { MAINTENANCE_RULE("reports-missing"), MAINTENANCE_RULE("disk-full"),
                                MAINTENANCE_RULE("spool-full"), MAINTENANCE_RULE("broker-drops"),
                                MAINTENANCE_RULE("journal"), MAINTENANCE_RULE("never-seen"),
                                MAINTENANCE_RULE("quiet"), MAINTENANCE_RULE("flat"),
                                MAINTENANCE_RULE("clock-wrong"), MAINTENANCE_RULE("site-silent"),
                                MAINTENANCE_RULE("link-down") },
                     .quiet_every = 1e6,
                     .self = { .id = "phusa", .site = "collector", .every_ns = 60 * SECOND_NS } },
    .alarms = { .site_share = 0.5 }
};

struct world {
    struct pipeline *pipeline;
    uint64_t position;
    char lines[OUT_MAX];
    size_t lines_used;
    uint32_t readings;
    struct notice notices[64];
    size_t notice_count;
    enum phusa_reason reasons[64];
    size_t reason_count;
    char description[OUT_MAX]; /* of what was set aside last, as the quarantine has it */
    char topic[256], receipt[1024];
    int receipts;
};

static void take_lines(void *context, struct phusa_text lines, uint32_t readings, uint64_t position)
{
    struct world *world = context;
    assert_int_equal(position, world->position);
    assert_true(world->lines_used + lines.length < OUT_MAX);
    memcpy(world->lines + world->lines_used, lines.data, lines.length);
    world->lines_used += lines.length;
    world->lines[world->lines_used] = '\0';
    world->readings += readings;
}

static void take_notice(void *context, const struct notice *notice)
{
    struct world *world = context;
    assert_true(world->notice_count < 64);
    world->notices[world->notice_count++] = *notice;
}

static void take_set_aside(void *context, const struct set_aside *item)
{
    struct world *world = context;
    assert_true(world->reason_count < 64);
    assert_non_null(item->detail);
    world->reasons[world->reason_count++] = item->reason;
    json_t *description = aside_describe(item);
    char *text = json_dumps(description, JSON_COMPACT | JSON_REAL_PRECISION(17));
    assert_non_null(text);
    (void)snprintf(world->description, sizeof world->description, "%s", text);
    free(text);
    json_decref(description);
}

static int set_up(void **state)
{
    static struct world world;
    memset(&world, 0, sizeof world);
    struct pipeline_sink sink = {
        .context = &world, .lines = take_lines, .notice = take_notice, .set_aside = take_set_aside
    };
    world.pipeline = pipeline_create(&settings, &sink);
    assert_non_null(world.pipeline);
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    pipeline_free(world->pipeline);
    return 0;
}

static void forget_output(struct world *world)
{
    world->lines_used = 0;
    world->lines[0] = '\0';
    world->readings = 0;
    world->notice_count = 0;
    world->reason_count = 0;
}

static void send_at(struct world *world, int64_t received_ns, const char *topic,
                    const char *payload)
{
    struct journal_record record = { .position = ++world->position,
                                     .time = { received_ns },
                                     .kind = JOURNAL_MESSAGE,
                                     .topic = phusa_text_of(topic),
                                     .payload = phusa_text_of(payload) };
    pipeline_take(world->pipeline, &record);
}

static void send(struct world *world, const char *topic, const char *payload)
{
    send_at(world, NOW_NS, topic, payload);
}

#define OBS    "phusa/1/my-tho/s1/obs"
#define STATUS "phusa/1/my-tho/s1/status"

/* A numbered report of one reading. */
static void send_numbered(struct world *world, int64_t received_ns, const char *log, unsigned seq,
                          double value, int64_t time)
{
    char payload[256];
    (void)snprintf(payload, sizeof payload,
                   "[{\"log\":\"%s\",\"seq\":%u,\"n\":\"ph\",\"v\":%.2f,\"t\":%lld}]", log, seq,
                   value, (long long)time);
    send_at(world, received_ns, OBS, payload);
}

static void send_status(struct world *world, const char *log, unsigned boot, unsigned first,
                        unsigned next)
{
    char payload[256];
    (void)snprintf(payload, sizeof payload,
                   "{\"state\":\"online\",\"log\":\"%s\",\"first\":%u,\"next\":%u,\"boot\":%u}",
                   log, first, next, boot);
    send_at(world, NOW_NS, STATUS, payload);
}

static void take_other(struct world *world, enum journal_kind kind, int64_t time_ns,
                       const char *topic, const char *payload)
{
    struct journal_record record = { .position = ++world->position,
                                     .time = { time_ns },
                                     .kind = (uint8_t)kind,
                                     .topic = phusa_text_of(topic),
                                     .payload = phusa_text_of(payload) };
    pipeline_take(world->pipeline, &record);
}

static void tick(struct world *world, int64_t time_ns)
{
    take_other(world, JOURNAL_TICK, time_ns, "", "");
}

/* What the view shows of station s1; to be freed by pipeline_view_free. */
static const struct console_station *look(const struct world *world, struct console_view *view)
{
    *view = (struct console_view){ 0 };
    assert_true(pipeline_fill_view(world->pipeline, NOW_NS, view));
    assert_string_equal(view->stations[0].station->id, "s1");
    return &view->stations[0];
}

static struct pipeline_counters count(const struct world *world)
{
    struct pipeline_counters counters;
    pipeline_read_counters(world->pipeline, &counters);
    return counters;
}

/* --- lines -------------------------------------------------------------------------- */

static void a_report_becomes_one_line_with_flags(void **state)
{
    struct world *world = *state;
    send(world, OBS,
         "[{\"bn\":\"s1:\",\"bt\":1700000000,\"log\":\"5f3a09c1\",\"seq\":1,\"n\":\"salinity\","
         "\"u\":\"g/L\","
         "\"v\":1.25},{\"n\":\"temp\",\"u\":\"K\",\"v\":300.15},{\"n\":\"ph\",\"v\":15}]");
    assert_string_equal(
        world->lines, "water,site=my-tho,station=s1,river=song\\ tien salinity=1.25,salinity_qc=1i,"
                      "temp=27,temp_qc=1i,ph=15,ph_qc=4i 1700000000000000000\n");
    assert_int_equal(world->readings, 3);
    assert_int_equal(world->reason_count, 0);
}

static void times_make_lines_of_their_own_in_order(void **state)
{
    struct world *world = *state;
    send(
        world, OBS,
        "[{\"bn\":\"s1:\",\"bt\":1700000000,\"n\":\"ph\",\"v\":7,\"t\":-60},{\"n\":\"ph\",\"v\":8},"
        "{\"n\":\"temp\",\"v\":20,\"t\":-60}]");
    assert_string_equal(
        world->lines,
        "water,site=my-tho,station=s1,river=song\\ tien ph=7,ph_qc=1i,temp=20,temp_qc=1i "
        "1699999940000000000\n"
        "water,site=my-tho,station=s1,river=song\\ tien ph=8,ph_qc=1i "
        "1700000000000000000\n");
}

static void names_may_be_empty_own_suffixed_or_listed(void **state)
{
    struct world *world = *state;
    send(world, OBS, "[{\"n\":\"ph\",\"v\":7,\"t\":1700000000}]");
    send(world, OBS, "[{\"n\":\"s1:ph\",\"v\":7,\"t\":1700000001}]");
    send(world, OBS, "[{\"n\":\"urn:x:s1:ph\",\"v\":7,\"t\":1700000002}]");
    send(world, OBS,
         "[{\"bn\":\"urn:dev:mac:0024befffe804ff1:\",\"n\":\"ph\",\"v\":7,\"t\":1700000003}]");
    assert_int_equal(world->reason_count, 0);
    assert_int_equal(world->readings, 4);
    send(world, OBS, "[{\"n\":\"s2:ph\",\"v\":7,\"t\":1700000004}]");
    send(world, OBS, "[{\"n\":\"xs1:ph\",\"v\":7,\"t\":1700000005}]");
    assert_int_equal(world->reason_count, 2);
    assert_int_equal(world->reasons[0], PHUSA_REASON_NAME);
    assert_int_equal(world->reasons[1], PHUSA_REASON_NAME);
}

/* --- set aside ------------------------------------------------------------------------- */

static void bad_input_is_set_aside_by_name_and_disturbs_nothing(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *topic, *payload;
        enum phusa_reason reason;
    } cases[] = {
        { "phusa/1/my-tho/s1/obs/x", "[]", PHUSA_REASON_TOPIC },
        { "phusa/2/my-tho/s1/obs", "[]", PHUSA_REASON_TOPIC },
        { "phusa/1/my-tho/s9/obs", "[]", PHUSA_REASON_STATION },
        { "phusa/1/phu-quoc/s1/obs", "[]", PHUSA_REASON_SITE },
        { OBS, "hello", PHUSA_REASON_SYNTAX },
        { OBS, "[{\"n\":\"ph\",\"v\":7", PHUSA_REASON_TRUNCATED },
        { OBS, "[{\"bver\":99,\"n\":\"ph\",\"v\":7}]", PHUSA_REASON_VERSION },
        { OBS, "[{\"n\":\"ph\",\"v\":7,\"must_\":1}]", PHUSA_REASON_LABEL },
        { OBS, "[{\"n\":\"ph\",\"v\":\"7\"}]", PHUSA_REASON_TYPE },
        { OBS, "[{\"n\":\"phx\",\"v\":7}]", PHUSA_REASON_PARAMETER },
        { OBS, "[{\"n\":\"ph\",\"u\":\"Cel\",\"v\":7}]", PHUSA_REASON_UNIT },
        { OBS, "[{\"n\":\"ph\",\"vs\":\"seven\"}]", PHUSA_REASON_VALUE },
        { OBS, "[{\"n\":\"ph\",\"v\":1e999}]", PHUSA_REASON_VALUE },
        { OBS, "[{\"n\":\"ph\",\"v\":7,\"t\":1e300}]", PHUSA_REASON_TIME },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        forget_output(world);
        send(world, cases[i].topic, cases[i].payload);
        if (world->reason_count != 1 || world->reasons[0] != cases[i].reason) {
            fail_msg("case %zu: %zu set aside, first for %s, expected %s", i, world->reason_count,
                     phusa_reason_name(world->reasons[0]), phusa_reason_name(cases[i].reason));
        }
        assert_int_equal(world->readings, 0);
    }
    send(world, OBS, "[{\"n\":\"ph\",\"v\":7,\"t\":1700000000}]");
    assert_int_equal(world->readings, 1);
    struct pipeline_counters counters = count(world);
    assert_int_equal(counters.quarantined, sizeof cases / sizeof cases[0]);
    assert_int_equal(counters.received,
                     counters.quarantined + counters.accepted + counters.duplicates);
}

static void one_bad_reading_costs_the_others_nothing(void **state)
{
    struct world *world = *state;
    send(world, OBS,
         "[{\"bt\":1700000000,\"n\":\"nope\",\"v\":1},{\"n\":\"ph\",\"v\":7},{\"n\":\"temp\",\"u\":"
         "\"V\",\"v\":1}]");
    assert_int_equal(world->readings, 1);
    assert_int_equal(world->reason_count, 2);
}

static void the_first_value_wins(void **state)
{
    struct world *world = *state;
    const char *seven = "[{\"n\":\"ph\",\"v\":7,\"t\":1700000000}]";
    send(world, OBS, seven);
    send(world, OBS, seven);
    send(world, OBS, "[{\"n\":\"ph\",\"v\":8,\"t\":1700000000}]");
    assert_int_equal(world->readings, 1);
    assert_int_equal(count(world).duplicates, 1);
    assert_int_equal(world->reason_count, 1);
    assert_int_equal(world->reasons[0], PHUSA_REASON_CONFLICT);
}

static void a_report_of_the_same_number_is_a_duplicate(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 3; i++) {
        send(world, OBS,
             "[{\"log\":\"00000001\",\"seq\":5,\"n\":\"ph\",\"v\":7,\"t\":1700000000}]");
    }
    assert_int_equal(world->readings, 1);
    assert_int_equal(count(world).duplicates, 2);
}

static void a_reading_ahead_of_its_time_is_flagged_and_not_judged(void **state)
{
    struct world *world = *state;
    send(world, OBS, "[{\"n\":\"salinity\",\"v\":30,\"t\":1700000301}]");
    assert_non_null(strstr(world->lines, "salinity_qc=3i"));
    assert_int_equal(world->notice_count, 0);
    send(world, OBS, "[{\"n\":\"salinity\",\"v\":30,\"t\":1700000300}]");
    assert_int_equal(world->notice_count, 1);
}

static void what_the_device_says_of_itself_keeps_it_from_rules(void **state)
{
    struct world *world = *state;
    send(world, OBS, "[{\"n\":\"salinity\",\"v\":30,\"t\":1700000000,\"st\":1}]");
    send(world, OBS, "[{\"n\":\"salinity\",\"v\":30,\"t\":1700000001,\"st\":2}]");
    assert_non_null(strstr(world->lines, "salinity_qc=3i"));
    assert_non_null(strstr(world->lines, "salinity_qc=4i"));
    assert_int_equal(world->notice_count, 0);
}

/* --- alarms ----------------------------------------------------------------------------- */

static void a_crossing_is_told_once_with_its_reading(void **state)
{
    struct world *world = *state;
    send(world, OBS, "[{\"n\":\"salinity\",\"v\":3,\"t\":1699999700}]");
    send(world, OBS, "[{\"n\":\"salinity\",\"v\":5,\"t\":1700000000}]");
    send(world, OBS, "[{\"n\":\"salinity\",\"v\":6,\"t\":1700000060}]");
    assert_int_equal(world->notice_count, 1);
    const struct notice *notice = &world->notices[0];
    assert_ptr_equal(notice->rule, &rules[0]);
    assert_ptr_equal(notice->station, &stations[0]);
    assert_int_equal(notice->from, SEVERITY_NORMAL);
    assert_int_equal(notice->to, SEVERITY_SEVERE);
    assert_int_equal(notice->time_ns, NOW_NS);
    assert_true(notice->value > 4.99 && notice->value < 5.01);
    assert_true(notice->tell && notice->transition && !notice->historical);
    assert_int_equal(notice->position, 2);
}

static void a_failed_reading_takes_no_part(void **state)
{
    struct world *world = *state;
    send(world, OBS, "[{\"n\":\"salinity\",\"v\":300,\"t\":1700000000}]");
    assert_int_equal(world->notice_count, 0);
}

static void new_settings_keep_the_state_of_rules_that_stay_and_end_the_others(void **state)
{
    struct world *world = *state;
    send(world, OBS, "[{\"n\":\"salinity\",\"v\":5,\"t\":1700000000}]");
    struct settings same = settings;
    assert_true(pipeline_reconfigure(world->pipeline, &same, NOW_NS));
    send(world, OBS, "[{\"n\":\"salinity\",\"v\":5,\"t\":1700000060}]");
    send(world, OBS, "[{\"n\":\"salinity\",\"v\":9,\"t\":1700000000}]");
    assert_int_equal(world->notice_count, 1);
    assert_int_equal(world->reasons[0], PHUSA_REASON_CONFLICT); /* it remembers readings, too */
    struct settings without = settings;
    without.rulebook = (struct rulebook){ &rules[1], 1 };
    assert_true(pipeline_reconfigure(world->pipeline, &without, NOW_NS + SECOND_NS));
    assert_int_equal(world->notice_count, 2);
    assert_int_equal(world->notices[1].to, SEVERITY_NORMAL);
    assert_true(world->notices[1].tell);
    assert_true(pipeline_reconfigure(world->pipeline, &settings, NOW_NS + 2 * SECOND_NS));
}

/* --- receipts ----------------------------------------------------------------------------- */

static bool publish(void *context, const char *topic, struct phusa_text payload)
{
    struct world *world = context;
    (void)snprintf(world->topic, sizeof world->topic, "%s", topic);
    (void)snprintf(world->receipt, sizeof world->receipt, "%.*s", (int)payload.length,
                   payload.data);
    world->receipts++;
    return true;
}

static void receipts_are_for_the_log_of_the_status_and_come_once_a_second(void **state)
{
    struct world *world = *state;
    send(world, OBS, "[{\"log\":\"5f3a09c1\",\"seq\":1,\"n\":\"ph\",\"v\":7,\"t\":1700000000}]");
    (void)pipeline_receipts(world->pipeline, (mono_time){ SECOND_NS }, publish, world);
    assert_int_equal(world->receipts, 0);
    send(world, "phusa/1/my-tho/s1/status",
         "{\"state\":\"online\",\"fw\":\"1\",\"hw\":\"x\",\"log\":\"5f3a09c1\",\"first\":1,"
         "\"next\":2,"
         "\"clock\":\"synced\",\"days_held\":0,\"boot\":1,\"reset\":\"power\"}");
    (void)pipeline_receipts(world->pipeline, (mono_time){ 3 * SECOND_NS }, publish, world);
    assert_int_equal(world->receipts, 1);
    assert_string_equal(world->topic, "phusa/1/my-tho/s1/ack");
    assert_string_equal(world->receipt, "{\"log\":\"5f3a09c1\",\"upto\":1,\"missing\":[]}");
    send(world, OBS, "[{\"log\":\"5f3a09c1\",\"seq\":4,\"n\":\"ph\",\"v\":7,\"t\":1700000300}]");
    (void)pipeline_receipts(world->pipeline, (mono_time){ 3 * SECOND_NS + 999 * MILLI_NS }, publish,
                            world);
    assert_int_equal(world->receipts, 1);
    (void)pipeline_receipts(world->pipeline, (mono_time){ 4 * SECOND_NS }, publish, world);
    assert_int_equal(world->receipts, 2);
    assert_string_equal(world->receipt, "{\"log\":\"5f3a09c1\",\"upto\":4,\"missing\":[[2,3]]}");
}

static void a_report_whose_number_can_be_read_is_covered_even_if_refused(void **state)
{
    struct world *world = *state;
    send(world, "phusa/1/my-tho/s1/status", "{\"state\":\"online\",\"log\":\"5f3a09c1\"}");
    send(world, OBS, "[{\"log\":\"5f3a09c1\",\"seq\":1,\"n\":\"ph\",\"v\":\"bad\"}]");
    (void)pipeline_receipts(world->pipeline, (mono_time){ 9 * SECOND_NS }, publish, world);
    assert_string_equal(world->receipt, "{\"log\":\"5f3a09c1\",\"upto\":1,\"missing\":[]}");
    assert_int_equal(world->reasons[0], PHUSA_REASON_TYPE);
}

static void a_status_that_contradicts_itself_closes_no_gap(void **state)
{
    struct world *world = *state;
    send(world, "phusa/1/my-tho/s1/status", "{\"state\":\"online\",\"log\":\"5f3a09c1\"}");
    send(world, "phusa/1/my-tho/s1/status",
         "{\"state\":\"online\",\"log\":\"5f3a09c1\",\"first\":9007199254740991,\"next\":5}");
    assert_int_equal(world->reasons[0], PHUSA_REASON_TYPE);
    send(world, OBS, "[{\"log\":\"5f3a09c1\",\"seq\":1,\"n\":\"ph\",\"v\":7,\"t\":1700000000}]");
    assert_int_equal(world->readings, 1);
    (void)pipeline_receipts(world->pipeline, (mono_time){ 9 * SECOND_NS }, publish, world);
    assert_string_equal(world->receipt, "{\"log\":\"5f3a09c1\",\"upto\":1,\"missing\":[]}");
}

static void a_report_that_was_given_up_and_comes_after_all_is_stored(void **state)
{
    struct world *world = *state;
    send(world, "phusa/1/my-tho/s1/status",
         "{\"state\":\"online\",\"log\":\"5f3a09c1\",\"first\":5,\"next\":6}");
    for (int i = 0; i < 2; i++) {
        send(world, OBS,
             "[{\"log\":\"5f3a09c1\",\"seq\":2,\"n\":\"ph\",\"v\":7,\"t\":1700000000}]");
    }
    assert_int_equal(world->readings, 1);
    assert_int_equal(count(world).duplicates, 1);
}

static void a_reading_dated_by_its_arrival_is_flagged_and_not_judged(void **state)
{
    struct world *world = *state;
    send(world, OBS, "[{\"boot\":3,\"up\":100.5,\"n\":\"salinity\",\"v\":30,\"t\":-20}]");
    assert_non_null(strstr(world->lines,
                           "salinity=30,salinity_qc=3i,time_reconstructed=1i 1699999980000000000"));
    assert_int_equal(world->notice_count, 0);
}

static void what_was_told_can_be_said_from_outside(void **state)
{
    struct world *world = *state;
    send(world, OBS, "[{\"n\":\"salinity\",\"v\":5,\"t\":1699999700}]");
    assert_int_equal(world->notice_count, 1);
    pipeline_forget_told(world->pipeline);
    send(world, OBS, "[{\"n\":\"salinity\",\"v\":5,\"t\":1699999760}]");
    assert_int_equal(world->notice_count, 2);
    assert_true(world->notices[1].tell && !world->notices[1].transition);
    assert_true(
        pipeline_set_told(world->pipeline, "salinity-high", "s1", "salinity", SEVERITY_MINOR));
    assert_false(pipeline_set_told(world->pipeline, "gone", "s1", "salinity", SEVERITY_MINOR));
    send(world, OBS, "[{\"n\":\"salinity\",\"v\":5,\"t\":1699999820}]");
    assert_int_equal(world->notice_count, 3);
    assert_int_equal(world->notices[2].from, SEVERITY_MINOR);
}

/* --- logs, gaps, stations that go back ------------------------------------------------------- */

static void a_number_used_again_loses_nothing(void **state)
{
    struct world *world = *state;
    for (unsigned seq = 1; seq <= 3; seq++) {
        send_numbered(world, NOW_NS, "5f3a09c1", seq, 7, NOW + seq);
    }
    send_numbered(world, NOW_NS, "5f3a09c1", 2, 7.5, NOW + 100); /* the flash was restored */
    assert_int_equal(world->readings, 4);
    send_numbered(world, NOW_NS, "5f3a09c1", 2, 7, NOW + 2);
    send_numbered(world, NOW_NS, "5f3a09c1", 2, 7.5, NOW + 100);
    assert_int_equal(world->readings, 4);
    assert_int_equal(count(world).duplicates, 2);
    assert_int_equal(count(world).renumbered, 1);
    send_numbered(world, NOW_NS, "5f3a09c1", 3, 8, NOW + 2);
    assert_int_equal(world->reasons[0], PHUSA_REASON_CONFLICT);
}

static void what_is_dated_by_its_arrival_is_no_new_report(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 3; i++) {
        send_at(
            world, NOW_NS + i * SECOND_NS, OBS,
            "[{\"log\":\"5f3a09c1\",\"seq\":1,\"boot\":3,\"up\":9,\"n\":\"ph\",\"v\":7,\"t\":-1}]");
        send_at(world, NOW_NS + i * SECOND_NS, OBS,
                "[{\"log\":\"5f3a09c1\",\"seq\":2,\"n\":\"temp\",\"v\":7}]");
    }
    assert_int_equal(world->readings, 2);
    assert_int_equal(count(world).duplicates, 4);
    assert_int_equal(count(world).renumbered, 0);
}

static void a_status_that_goes_back_is_counted_once(void **state)
{
    struct world *world = *state;
    struct console_view view;
    for (unsigned seq = 1; seq <= 10; seq++) {
        send_numbered(world, NOW_NS, "5f3a09c1", seq, 7, NOW + seq);
    }
    send_status(world, "5f3a09c1", 1, 1, 11);
    assert_int_equal(count(world).went_back, 0);
    send_numbered(world, NOW_NS, "5f3a09c1", 11, 7, NOW + 11);
    send_status(world, "5f3a09c1", 1, 1, 11); /* the broker gives it again */
    assert_int_equal(count(world).went_back, 0);
    send_status(world, "5f3a09c1", 1, 1, 5);
    send_status(world, "5f3a09c1", 1, 1, 5);
    assert_int_equal(count(world).went_back, 1);
    const struct console_station *station = look(world, &view);
    assert_int_equal(station->went_back, 1);
    assert_int_equal(station->logs[0].announced, 10);
    assert_int_equal(station->logs[0].highest, 11);
    pipeline_view_free(&view);
    (void)pipeline_receipts(world->pipeline, (mono_time){ 9 * SECOND_NS }, publish, world);
    assert_string_equal(world->receipt, "{\"log\":\"5f3a09c1\",\"upto\":11,\"missing\":[]}");
}

static void another_log_ends_the_one_before(void **state)
{
    struct world *world = *state;
    struct console_view view;
    send_status(world, "0000000a", 1, 1, 9);
    send_numbered(world, NOW_NS, "0000000a", 1, 7, NOW + 1);
    send_numbered(world, NOW_NS, "0000000a", 4, 7, NOW + 4);
    send_status(world, "0000000b", 2, 1, 1);
    const struct console_station *station = look(world, &view);
    assert_int_equal(station->log_count, 2);
    assert_int_equal(station->missing_reports, 0);
    assert_int_equal(station->closed_reports, 6); /* 2, 3 and 5..8, which it had announced */
    assert_true(station->logs[0].log == 0xb && station->logs[0].current);
    assert_false(station->logs[1].current);
    assert_int_equal(station->logs[1].erased, 6);
    assert_int_equal(station->logs[1].gap_count, 2);
    assert_string_equal(station->logs[1].gaps[0].closed, "log erased");
    pipeline_view_free(&view);
    send_numbered(world, NOW_NS, "0000000a", 3, 7, NOW + 3); /* it was on its way */
    send_numbered(world, NOW_NS, "0000000a", 12, 7, NOW + 12);
    station = look(world, &view);
    assert_int_equal(station->closed_reports, 8); /* 2, 5..8, 9..11 */
    assert_int_equal(station->missing_reports, 0);
    pipeline_view_free(&view);
    assert_int_equal(world->readings, 4);
}

static void a_log_given_up_leaves_its_closed_reports_behind(void **state)
{
    struct world *world = *state;
    struct console_view view;
    for (unsigned i = 0; i < 7; i++) {
        char log[16];
        (void)snprintf(log, sizeof log, "%08x", i + 1);
        send_status(world, log, i, 1, 1);
        send_numbered(world, NOW_NS, log, 3, 7, NOW + i);
    }
    const struct console_station *station = look(world, &view);
    assert_int_equal(station->log_count, 4);
    assert_int_equal(station->missing_reports, 2);
    assert_int_equal(station->closed_reports, 12);
    pipeline_view_free(&view);
}

static void the_view_lists_what_is_missing(void **state)
{
    struct world *world = *state;
    struct console_view view;
    send_status(world, "5f3a09c1", 1, 3, 9);
    send_numbered(world, NOW_NS, "5f3a09c1", 3, 7, NOW + 3);
    send_numbered(world, NOW_NS + 5, "5f3a09c1", 8, 7, NOW + 8);
    const struct console_station *station = look(world, &view);
    const struct console_log *log = &station->logs[0];
    assert_int_equal(station->missing_reports, 4);
    assert_int_equal(station->oldest_gap_ns, NOW_NS + 5);
    assert_int_equal(log->oldest_gap_ns, NOW_NS + 5);
    assert_int_equal(log->received, 2);
    assert_int_equal(log->overwritten, 2);
    assert_int_equal(log->gap_count, 2);
    assert_true(log->gaps[0].first == 4 && log->gaps[0].last == 7 && log->gaps[0].closed == NULL);
    assert_true(log->gaps[1].first == 1 && log->gaps[1].last == 2);
    assert_string_equal(log->gaps[1].closed, "overwritten");
    pipeline_view_free(&view);
}

/* --- reports missing for too long ----------------------------------------------------------- */

static void a_gap_that_stays_is_told_once_and_its_end_once(void **state)
{
    struct world *world = *state;
    struct console_view view;
    send_numbered(world, NOW_NS, "5f3a09c1", 1, 7, NOW + 1);
    send_numbered(world, NOW_NS, "5f3a09c1", 5, 7, NOW + 5);
    tick(world, NOW_NS + 3600 * SECOND_NS);
    assert_int_equal(world->notice_count, 0);
    for (int64_t i = 1; i < 4; i++) {
        tick(world, NOW_NS + (3600 + i * 60) * SECOND_NS);
    }
    tick(world, NOW_NS - 86400 * SECOND_NS); /* the clock steps back: the gap is still there */
    assert_int_equal(world->notice_count, 1);
    const struct notice *notice = &world->notices[0];
    assert_ptr_equal(notice->rule, &settings.maintenance.rules[MAINTENANCE_REPORTS_MISSING]);
    assert_string_equal(notice->station->id, "s1");
    assert_true(notice->from == SEVERITY_NORMAL && notice->to == SEVERITY_MINOR);
    assert_true(notice->transition && notice->tell && !notice->historical);
    assert_true(notice->value > 2.5 && notice->value < 3.5);
    assert_int_equal(notice->time_ns, NOW_NS + 3660 * SECOND_NS);
    assert_int_equal(notice->since_ns, NOW_NS);
    const struct console_station *station = look(world, &view);
    assert_int_equal(station->severity, SEVERITY_MINOR);
    assert_int_equal(view.alarm_count, 1);
    pipeline_view_free(&view);
    for (unsigned seq = 2; seq <= 4; seq++) {
        send_numbered(world, NOW_NS + 4000 * SECOND_NS, "5f3a09c1", seq, 7, NOW + seq);
    }
    tick(world, NOW_NS + 4000 * SECOND_NS);
    tick(world, NOW_NS + 4060 * SECOND_NS);
    assert_int_equal(world->notice_count, 2);
    assert_true(world->notices[1].from == SEVERITY_MINOR &&
                world->notices[1].to == SEVERITY_NORMAL);
    assert_true(world->notices[1].value < 0.5);
    assert_int_equal(count(world).transitions, 2);
}

static void what_was_told_of_gaps_can_be_said_from_outside(void **state)
{
    struct world *world = *state;
    assert_true(pipeline_set_told(world->pipeline, "reports-missing", "s1", "missing_reports",
                                  SEVERITY_MINOR));
    assert_false(pipeline_set_told(world->pipeline, "reports-missing", "s9", "missing_reports",
                                   SEVERITY_MINOR));
    tick(world, NOW_NS);
    assert_int_equal(world->notice_count, 1); /* there is no gap */
    assert_true(world->notices[0].to == SEVERITY_NORMAL && world->notices[0].tell);
    assert_false(world->notices[0].transition);
    send_numbered(world, NOW_NS, "5f3a09c1", 5, 7, NOW);
    tick(world, NOW_NS + 7200 * SECOND_NS);
    pipeline_forget_told(world->pipeline);
    tick(world, NOW_NS + 7260 * SECOND_NS);
    assert_int_equal(world->notice_count, 3);
    assert_true(world->notices[2].to == SEVERITY_MINOR && world->notices[2].tell);
    assert_false(world->notices[2].transition);
}

static void a_station_that_is_gone_takes_its_alarm_along(void **state)
{
    struct world *world = *state;
    send_numbered(world, NOW_NS, "5f3a09c1", 5, 7, NOW);
    tick(world, NOW_NS + 7200 * SECOND_NS);
    assert_int_equal(world->notice_count, 1);
    struct settings without = settings;
    without.registry = (struct registry){ .stations = &stations[1], .count = 1 };
    assert_true(pipeline_reconfigure(world->pipeline, &without, NOW_NS + 7201 * SECOND_NS));
    assert_int_equal(world->notice_count, 2);
    assert_true(world->notices[1].from == SEVERITY_MINOR &&
                world->notices[1].to == SEVERITY_NORMAL && world->notices[1].tell);
    tick(world, NOW_NS + 7260 * SECOND_NS);
    assert_int_equal(world->notice_count, 2);
    assert_true(pipeline_reconfigure(world->pipeline, &settings, NOW_NS + 7300 * SECOND_NS));
}

/* --- behind the pipeline -------------------------------------------------------------------- */

static void assert_balance(const struct world *world, uint64_t stored, uint64_t pending)
{
    struct console_view view;
    const struct console_station *station = look(world, &view);
    struct pipeline_counters counters = count(world);
    assert_int_equal(station->stored, stored);
    assert_int_equal(station->pending, pending);
    assert_true(counters.stored == stored && counters.pending == pending);
    assert_int_equal(station->received, station->duplicates + station->stored + station->pending +
                                            station->quarantined);
    assert_int_equal(counters.received, counters.duplicates + counters.accepted - counters.lost +
                                            counters.quarantined);
    pipeline_view_free(&view);
}

static void every_reading_is_accounted_for(void **state)
{
    struct world *world = *state;
    for (unsigned seq = 1; seq <= 5; seq++) {
        send_numbered(world, NOW_NS, "5f3a09c1", seq, 7, NOW + seq);
    }
    assert_balance(world, 0, 5);
    pipeline_mark(world->pipeline);
    for (unsigned seq = 6; seq <= 8; seq++) {
        send_numbered(world, NOW_NS, "5f3a09c1", seq, 7, NOW + seq);
    }
    pipeline_lost(world->pipeline, phusa_text_of("s1"), PHUSA_REASON_SPOOL, 2);
    assert_balance(world, 0, 6);
    pipeline_stored(world->pipeline);
    assert_balance(world, 3, 3);
    pipeline_lost(world->pipeline, phusa_text_of("s1"), PHUSA_REASON_STORE, 4);
    assert_balance(world, 2, 0); /* one of them had been taken for stored */
    pipeline_mark(world->pipeline);
    pipeline_stored(world->pipeline);
    assert_balance(world, 2, 0);
    pipeline_lost(world->pipeline, phusa_text_of("s9"), PHUSA_REASON_STORE, 4);
    assert_int_equal(count(world).unknown_reasons[PHUSA_REASON_STORE], 4);
}

/* --- put back ------------------------------------------------------------------------------- */

static void requeue(struct world *world, int64_t time_ns, const char *topic)
{
    char description[OUT_MAX];
    (void)snprintf(description, sizeof description, "%s", world->description);
    take_other(world, JOURNAL_REQUEUED, time_ns, topic, description);
}

static void a_reading_is_put_back_when_its_parameter_is_known(void **state)
{
    struct world *world = *state;
    struct settings poor = settings;
    poor.catalogue = (struct phusa_catalogue){ parameters, 2 }; /* no temp */
    assert_true(pipeline_reconfigure(world->pipeline, &poor, NOW_NS));
    send(world, OBS,
         "[{\"bn\":\"s1:\",\"log\":\"5f3a09c1\",\"seq\":1,\"n\":\"temp\",\"u\":\"K\",\"v\":300.15,"
         "\"t\":1700000000},{\"n\":\"ph\",\"v\":7,\"t\":1700000000}]");
    assert_int_equal(world->reasons[0], PHUSA_REASON_PARAMETER);
    assert_true(aside_can_requeue(phusa_text_of(world->description)));
    requeue(world, NOW_NS + SECOND_NS, OBS); /* too early: it is set aside again */
    assert_int_equal(world->reason_count, 2);
    assert_int_equal(count(world).quarantined, 1);
    assert_true(pipeline_reconfigure(world->pipeline, &settings, NOW_NS));
    forget_output(world);
    requeue(world, NOW_NS + 2 * SECOND_NS, OBS);
    assert_string_equal(world->lines, "water,site=my-tho,station=s1,river=song\\ tien temp=27,"
                                      "temp_qc=1i 1700000000000000000\n");
    assert_int_equal(count(world).quarantined, 0);
    assert_int_equal(count(world).received, 2);
    assert_balance(world, 0, 2);
    requeue(world, NOW_NS + 3 * SECOND_NS, OBS); /* once more is a duplicate */
    assert_int_equal(count(world).duplicates, 1);
}

static void a_message_is_put_back_when_its_station_is_known(void **state)
{
    struct world *world = *state;
    struct settings without = settings;
    without.registry = (struct registry){ .stations = &stations[1], .count = 1 };
    assert_true(pipeline_reconfigure(world->pipeline, &without, NOW_NS));
    send(world, OBS, "[{\"log\":\"5f3a09c1\",\"seq\":1,\"n\":\"salinity\",\"v\":9}]");
    assert_int_equal(count(world).unknown_reasons[PHUSA_REASON_STATION], 1);
    assert_true(pipeline_reconfigure(world->pipeline, &settings, NOW_NS));
    requeue(world, NOW_NS + 86400 * SECOND_NS, OBS);
    /* Its time counts from when it came; and it is history, which wakes nobody. */
    assert_non_null(strstr(world->lines, "salinity=9,salinity_qc=1i 1700000000000000000\n"));
    assert_int_equal(world->notice_count, 1);
    assert_true(world->notices[0].historical && !world->notices[0].tell);
    assert_int_equal(count(world).unknown_reasons[PHUSA_REASON_STATION], 0);
    assert_int_equal(count(world).quarantined, 0);
    assert_int_equal(count(world).messages, 1);
    assert_balance(world, 0, 1);
    send(world, OBS, "[{\"log\":\"5f3a09c1\",\"seq\":1,\"n\":\"salinity\",\"v\":9}]");
    assert_int_equal(count(world).duplicates, 1); /* its number is noted */
}

static void bytes_that_are_no_text_come_back_as_they_were(void **state)
{
    struct world *world = *state;
    static const char cbor[] = "\x81\xa2\x00\x65salty\x02\xff";
    struct journal_record record = { .position = ++world->position,
                                     .time = { NOW_NS },
                                     .kind = JOURNAL_MESSAGE,
                                     .topic = phusa_text_of(OBS),
                                     .payload = { cbor, sizeof cbor - 1 } };
    pipeline_take(world->pipeline, &record);
    assert_int_equal(world->reason_count, 1);
    struct aside aside;
    assert_true(aside_parse(phusa_text_of(world->description), &aside));
    assert_int_equal(aside.kind, ASIDE_MESSAGE);
    assert_int_equal(aside.received_ns, NOW_NS);
    assert_int_equal(aside.text.length, sizeof cbor - 1);
    assert_memory_equal(aside.text.data, cbor, sizeof cbor - 1);
    aside_free(&aside);
    requeue(world, NOW_NS, OBS);
    assert_int_equal(world->reason_count, 2);
    assert_int_equal(count(world).quarantined, 1);
    struct console_view view;
    assert_int_equal(look(world, &view)->reports, 1);
    pipeline_view_free(&view);
}

static void a_line_goes_to_the_store_again(void **state)
{
    struct world *world = *state;
    send(world, OBS, "[{\"n\":\"ph\",\"v\":7,\"t\":1700000000},{\"n\":\"temp\",\"v\":7}]");
    pipeline_mark(world->pipeline);
    pipeline_lost(world->pipeline, phusa_text_of("s1"), PHUSA_REASON_STORE, 2);
    pipeline_stored(world->pipeline);
    assert_balance(world, 0, 0);
    forget_output(world);
    take_other(world, JOURNAL_REQUEUED, NOW_NS, "",
               "{\"reason\":\"store\",\"detail\":\"x\",\"line\":\"water,site=my-tho,station=s1 "
               "ph=7,ph_qc=1i,temp=7,temp_qc=1i 1700000000000000000\"}");
    assert_string_equal(world->lines, "water,site=my-tho,station=s1 ph=7,ph_qc=1i,temp=7,"
                                      "temp_qc=1i 1700000000000000000\n");
    assert_int_equal(world->readings, 2);
    assert_balance(world, 0, 2);
    pipeline_mark(world->pipeline);
    pipeline_stored(world->pipeline);
    assert_balance(world, 2, 0);
}

static void what_cannot_be_put_back_is_set_aside(void **state)
{
    struct world *world = *state;
    static const char *const cases[] = {
        "",
        "{}",
        "[1]",
        "nonsense",
        "{\"reason\":\"spool\",\"readings\":4}",
        "{\"reason\":\"oversized\",\"received_ns\":1,\"message\":\"[\",\"cut\":true}",
        "{\"reason\":\"syntax\",\"received_ns\":-1,\"message\":\"[\"}",
        "{\"reason\":\"nobody\",\"received_ns\":1,\"message\":\"[\"}",
        "{\"reason\":\"syntax\",\"received_ns\":1,\"message_hex\":\"0x\"}",
        "{\"reason\":\"unit\",\"received_ns\":1,\"name\":\"ph\",\"unit\":\"\",\"state\":3}",
        "{\"reason\":\"store\",\"line\":\"no line\"}",
        "{\"reason\":\"unit\",\"line\":\"a b=1 1\"}",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        forget_output(world);
        assert_false(aside_can_requeue(phusa_text_of(cases[i])));
        take_other(world, JOURNAL_REQUEUED, NOW_NS, OBS, cases[i]);
        assert_int_equal(world->reason_count, 1);
        assert_int_equal(world->reasons[0], PHUSA_REASON_SYNTAX);
    }
    assert_int_equal(count(world).received, count(world).quarantined);
}

static void every_kind_of_reading_comes_back_as_it_was(void **state)
{
    struct world *world = *state;
    static const char *const readings[] = {
        "{\"n\":\"phx\",\"v\":0.1,\"u\":\"Cel\",\"t\":1700000000.5,\"st\":1}",
        "{\"n\":\"s1:phx\",\"vb\":true,\"t\":1700000000}",
        "{\"n\":\"ph\",\"vs\":\"sieben \\u0000\",\"t\":1700000000}",
        "{\"n\":\"ph\",\"vd\":\"aGk\",\"t\":1700000000}",
        "{\"n\":\"ph\",\"v\":1e999,\"t\":1700000000}",
        "{\"n\":\"ph\",\"v\":7,\"t\":1e20}",
        "{\"boot\":1,\"up\":3,\"n\":\"phx\",\"v\":7,\"t\":-1}",
    };
    for (size_t i = 0; i < sizeof readings / sizeof readings[0]; i++) {
        char payload[256], first[OUT_MAX];
        (void)snprintf(payload, sizeof payload, "[%s]", readings[i]);
        forget_output(world);
        send(world, OBS, payload);
        assert_int_equal(world->reason_count, 1);
        (void)snprintf(first, sizeof first, "%s", world->description);
        requeue(world, NOW_NS + 60 * SECOND_NS, OBS);
        assert_int_equal(world->reason_count, 2);
        assert_string_equal(world->description, first);
    }
    assert_int_equal(count(world).quarantined, sizeof readings / sizeof readings[0]);
}

/* --- view ------------------------------------------------------------------------------------ */

static void the_view_shows_what_is_known(void **state)
{
    struct world *world = *state;
    send(world, OBS, "[{\"bt\":1700000000,\"n\":\"salinity\",\"v\":5},{\"n\":\"ph\",\"v\":7}]");
    struct console_view view = { 0 };
    assert_true(pipeline_fill_view(world->pipeline, NOW_NS, &view));
    assert_int_equal(view.station_count, 2);
    assert_string_equal(view.stations[0].station->id, "s1");
    assert_int_equal(view.stations[0].link, CONSOLE_ONLINE);
    assert_int_equal(view.stations[1].link, CONSOLE_NEVER_SEEN);
    assert_int_equal(view.stations[0].reading_count, 2);
    assert_true(
        phusa_text_equal(view.stations[0].readings[0].parameter->name, phusa_text_of("ph")));
    assert_int_equal(view.stations[0].severity, SEVERITY_SEVERE);
    assert_int_equal(view.alarm_count, 1);
    pipeline_view_free(&view);
    memset(&view, 0, sizeof view);
    assert_true(pipeline_fill_view(world->pipeline, NOW_NS + 901 * SECOND_NS, &view));
    assert_int_equal(view.stations[0].link, CONSOLE_QUIET);
    pipeline_view_free(&view);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_report_becomes_one_line_with_flags),
        TEST(times_make_lines_of_their_own_in_order),
        TEST(names_may_be_empty_own_suffixed_or_listed),
        TEST(bad_input_is_set_aside_by_name_and_disturbs_nothing),
        TEST(one_bad_reading_costs_the_others_nothing),
        TEST(the_first_value_wins),
        TEST(a_report_of_the_same_number_is_a_duplicate),
        TEST(a_reading_ahead_of_its_time_is_flagged_and_not_judged),
        TEST(what_the_device_says_of_itself_keeps_it_from_rules),
        TEST(a_crossing_is_told_once_with_its_reading),
        TEST(a_failed_reading_takes_no_part),
        TEST(new_settings_keep_the_state_of_rules_that_stay_and_end_the_others),
        TEST(receipts_are_for_the_log_of_the_status_and_come_once_a_second),
        TEST(a_report_whose_number_can_be_read_is_covered_even_if_refused),
        TEST(a_status_that_contradicts_itself_closes_no_gap),
        TEST(a_report_that_was_given_up_and_comes_after_all_is_stored),
        TEST(a_reading_dated_by_its_arrival_is_flagged_and_not_judged),
        TEST(what_was_told_can_be_said_from_outside),
        TEST(a_number_used_again_loses_nothing),
        TEST(what_is_dated_by_its_arrival_is_no_new_report),
        TEST(a_status_that_goes_back_is_counted_once),
        TEST(another_log_ends_the_one_before),
        TEST(a_log_given_up_leaves_its_closed_reports_behind),
        TEST(the_view_lists_what_is_missing),
        TEST(a_gap_that_stays_is_told_once_and_its_end_once),
        TEST(what_was_told_of_gaps_can_be_said_from_outside),
        TEST(a_station_that_is_gone_takes_its_alarm_along),
        TEST(every_reading_is_accounted_for),
        TEST(a_reading_is_put_back_when_its_parameter_is_known),
        TEST(a_message_is_put_back_when_its_station_is_known),
        TEST(bytes_that_are_no_text_come_back_as_they_were),
        TEST(a_line_goes_to_the_store_again),
        TEST(what_cannot_be_put_back_is_set_aside),
        TEST(every_kind_of_reading_comes_back_as_it_was),
        TEST(the_view_shows_what_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
