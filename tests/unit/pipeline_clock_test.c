/* Readings of stations whose clocks are unset, wrong or jump: none is refused, each is dated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline_aside.h"
#include "pipeline_world.h"

#define OUT_MAX 65536
#define NOW     WORLD_NOW_NS
#define NOW_S   (WORLD_NOW_NS / SECOND_NS)
#define MINUTE  (60 * SECOND_NS)
#define HOUR    (60 * MINUTE)
#define DAY     (24 * HOUR)

struct world {
    struct pipeline *pipeline;
    uint64_t position;
    char lines[OUT_MAX], description[OUT_MAX];
    size_t used, aside, notices, judged;
    enum phusa_reason reason;
};

static void take_lines(void *context, struct phusa_text lines, uint32_t readings, uint64_t position)
{
    struct world *world = context;
    (void)readings;
    (void)position;
    assert_true(world->used + lines.length < OUT_MAX);
    memcpy(world->lines + world->used, lines.data, lines.length);
    world->used += lines.length;
    world->lines[world->used] = '\0';
}

static void take_reading(void *context, const struct pipeline_sample *sample, enum phusa_flag flag)
{
    struct world *world = context;
    (void)sample;
    (void)flag;
    world->judged++;
}

static void take_notice(void *context, const struct notice *notice)
{
    struct world *world = context;
    (void)notice;
    world->notices++;
}

static void take_set_aside(void *context, const struct set_aside *item)
{
    struct world *world = context;
    json_t *description = aside_describe(item);
    char *text = json_dumps(description, JSON_COMPACT | JSON_REAL_PRECISION(17));
    assert_non_null(text);
    (void)snprintf(world->description, sizeof world->description, "%s", text);
    free(text);
    json_decref(description);
    world->reason = item->reason;
    world->aside++;
}

/* One station, and no tests whose flags come later. */
static const struct station plain_station = { WORLD_STATION("s1", "water", 60) };
static const struct settings plain_settings = {
    .file = "plain",
    .ahead_ns = 300 * SECOND_NS,
    .clock_wrong_ns = DAY,
    .catalogue = { world_parameters, sizeof world_parameters / sizeof world_parameters[0] },
    .registry = { .stations = &plain_station, .count = 1 },
    .maintenance = WORLD_MAINTENANCE,
    .alarms = WORLD_ALARMS
};

static int set_up(void **state)
{
    static struct world world;
    memset(&world, 0, sizeof world);
    struct pipeline_sink sink = { .context = &world,
                                  .lines = take_lines,
                                  .reading = take_reading,
                                  .notice = take_notice,
                                  .set_aside = take_set_aside };
    world.pipeline = pipeline_create(&plain_settings, &sink);
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

static void take(struct world *world, enum journal_kind kind, int64_t received_ns,
                 const char *topic, const char *payload)
{
    struct journal_record record = { .position = ++world->position,
                                     .time = { received_ns },
                                     .kind = (uint8_t)kind,
                                     .topic = phusa_text_of(topic),
                                     .payload = phusa_text_of(payload) };
    world->used = 0;
    world->lines[0] = '\0';
    pipeline_take(world->pipeline, &record);
}

#define OBS    "phusa/1/my-tho/s1/obs"
#define STATUS "phusa/1/my-tho/s1/status"
#define HEAD   "water,site=my-tho,station=s1 "

static void send(struct world *world, int64_t received_ns, const char *payload)
{
    take(world, JOURNAL_MESSAGE, received_ns, OBS, payload);
}

/* One reading of "level" with its stamp, in whole seconds; numbered unless seq is 0. */
static void send_level(struct world *world, int64_t received_ns, unsigned seq, int64_t stamp_s,
                       double value)
{
    char payload[256], number[64] = "";
    if (seq > 0) {
        (void)snprintf(number, sizeof number, "\"log\":\"5f3a09c1\",\"seq\":%u,", seq);
    }
    (void)snprintf(payload, sizeof payload, "[{%s\"bt\":%lld,\"n\":\"level\",\"v\":%g}]", number,
                   (long long)stamp_s, value);
    send(world, received_ns, payload);
}

static void stands_at(const struct world *world, int64_t time_ns, const char *fields)
{
    char wanted[512];
    (void)snprintf(wanted, sizeof wanted, HEAD "%s %lld\n", fields, (long long)time_ns);
    assert_string_equal(world->lines, wanted);
}

static void level_is_at(const struct world *world, int64_t time_ns, double value, bool moved)
{
    char fields[128];
    (void)snprintf(fields, sizeof fields, "level=%g,level_qc=%di%s", value, moved ? 3 : 1,
                   moved ? ",time_reconstructed=1i" : "");
    stands_at(world, time_ns, fields);
}

/* What the view shows of station s1; to be freed by pipeline_view_free. */
static const struct console_station *look(const struct world *world, struct console_view *view)
{
    *view = (struct console_view){ 0 };
    assert_true(pipeline_fill_view(world->pipeline, NOW, view));
    assert_string_equal(view->stations[0].station->id, "s1");
    return &view->stations[0];
}

/* --- tests ---------------------------------------------------------------------------------- */

static void an_impossible_time_is_put_at_the_receive_time(void **state)
{
    struct world *world = *state;
    static const long long stamps[] = { 268435456,  946684800,  978307199,
                                        1700086410, 4102444800, -4000000000 };
    for (size_t i = 0; i < sizeof stamps / sizeof stamps[0]; i++) {
        send_level(world, NOW + (int64_t)i * SECOND_NS, 0, stamps[i], 9);
        level_is_at(world, NOW + (int64_t)i * SECOND_NS, 9, true);
    }
    send_level(world, NOW + MINUTE, 0, 3600, 9); /* 1970 and an hour */
    level_is_at(world, NOW + MINUTE, 9, true);
    assert_int_equal(world->aside + world->notices + world->judged, 0);
    struct console_view view;
    const struct console_station *station = look(world, &view);
    assert_int_equal(station->reconstructed, 7);
    assert_int_equal(station->accepted, 7);
    assert_string_equal(station->clock.verdict, "unset");
    assert_int_equal(station->readings[0].time_ns, NOW + MINUTE);
    assert_int_equal(station->readings[0].flag, PHUSA_FLAG_SUSPECT);
    pipeline_view_free(&view);
}

static void all_of_a_report_is_moved_alike(void **state)
{
    struct world *world = *state;
    send(world, NOW,
         "[{\"bt\":946684900,\"n\":\"level\",\"v\":1,\"t\":-60},{\"n\":\"level\",\"v\":2},"
         "{\"n\":\"salinity\",\"v\":99,\"t\":-60}]");
    assert_string_equal(world->lines,
                        HEAD "level=1,level_qc=3i,salinity=99,salinity_qc=4i,time_reconstructed=1i "
                             "1699999940000000000\n" HEAD
                             "level=2,level_qc=3i,time_reconstructed=1i 1700000000000000000\n");
}

static void what_is_ahead_by_less_stays_where_it_is(void **state)
{
    struct world *world = *state;
    send_level(world, NOW, 0, NOW_S + 86400, 9);
    stands_at(world, NOW + DAY, "level=9,level_qc=3i");
    assert_int_equal(world->judged, 0);
    send_level(world, NOW, 0, NOW_S + 300, 1);
    level_is_at(world, NOW + 5 * MINUTE, 1, false);
    assert_int_equal(world->judged, 1);
}

static void reports_of_a_boot_are_dated_after_the_fact(void **state)
{
    struct world *world = *state;
    send(world, NOW,
         "[{\"log\":\"5f3a09c1\",\"seq\":9,\"boot\":3,\"up\":600,\"n\":\"level\",\"v\":1}]");
    level_is_at(world, NOW, 1, true);
    send(
        world, NOW + 3 * SECOND_NS,
        "[{\"log\":\"5f3a09c1\",\"seq\":2,\"boot\":3,\"up\":60,\"n\":\"level\",\"v\":2,\"t\":-1}]");
    level_is_at(world, NOW - 541 * SECOND_NS, 2, true);
    send(world, NOW + 4 * SECOND_NS,
         "[{\"log\":\"5f3a09c1\",\"seq\":1,\"boot\":2,\"up\":900.5,\"n\":\"level\",\"v\":3}]");
    level_is_at(world, NOW - 600 * SECOND_NS, 3, true); /* it ended before the next one began */
    assert_int_equal(world->judged, 0);
}

static void a_repeat_is_recognised_by_its_number(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 3; i++) {
        send_level(world, NOW + i, 1, 946684800, 1);
        send_level(world, NOW + i + 10, 2, NOW_S + 5 * 86400, 2);
        send(world, NOW + i + 20,
             "[{\"log\":\"5f3a09c1\",\"seq\":3,\"boot\":3,\"up\":6,\"n\":\"level\",\"v\":3}]");
        send_level(world, NOW + i + 30, 4, NOW_S - 5, 4);
    }
    struct console_view view;
    const struct console_station *station = look(world, &view);
    assert_int_equal(station->accepted, 4);
    assert_int_equal(station->duplicates, 8);
    assert_int_equal(station->reconstructed, 3);
    assert_string_equal(station->clock.verdict, "good"); /* repeats teach nothing */
    assert_int_equal(station->clock.difference_ns, 5 * SECOND_NS + 30);
    pipeline_view_free(&view);
}

static void a_repeat_without_number_is_recognised_by_its_stamp(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 3; i++) {
        send_level(world, NOW + i, 0, NOW_S + 5 * 86400, 2);
        assert_true(i == 0 || world->used == 0);
    }
    send_level(world, NOW + 7 * SECOND_NS, 0, NOW_S + 5 * 86400,
               3); /* set back meanwhile: not refused */
    level_is_at(world, NOW + 7 * SECOND_NS, 3, true);
    send_level(world, NOW + 8 * SECOND_NS, 0, 946684800, 3);
    send_level(world, NOW + 9 * SECOND_NS, 0, 946684800,
               3); /* and after each boot it is the same time */
    level_is_at(world, NOW + 9 * SECOND_NS, 3, true);
    assert_int_equal(world->aside, 0);
}

static void numbers_used_again_lose_nothing_of_a_wrong_clock(void **state)
{
    struct world *world = *state;
    send_level(world, NOW, 1, NOW_S + 5 * 86400, 1);
    send_level(world, NOW + HOUR, 1, NOW_S + 5 * 86400 + 3600, 2);
    level_is_at(world, NOW + HOUR, 2, true);
}

/* Three days ahead, back again, and all that is no longer remembered comes once more: some of it as
 * stamped, the rest put at its arrival. */
static void a_leap_that_is_sent_again_is_no_new_one(void **state)
{
    struct world *world = *state;
    enum { LEAP = 430, BACK = 20 };
    for (int round = 0; round < 2; round++) {
        int64_t received = NOW + round * HOUR;
        for (unsigned i = 1; i <= LEAP; i++) {
            send_level(world, received + i, i, NOW_S + (int64_t)i * 600, i);
        }
        for (unsigned i = 1; i <= BACK; i++) {
            char report[128];
            (void)snprintf(report, sizeof report,
                           "[{\"log\":\"5f3a09c1\",\"seq\":%u,\"boot\":3,\"up\":%u,"
                           "\"n\":\"level\",\"v\":1}]",
                           LEAP + i, 60 * i);
            send(world, received + LEAP + i, report);
        }
    }
    struct console_view view;
    const struct console_station *station = look(world, &view);
    assert_int_equal(station->accepted, LEAP + BACK);
    assert_int_equal(station->duplicates, LEAP + BACK);
    assert_int_equal(station->renumbered, 0);
    pipeline_view_free(&view);
}

static void a_clock_behind_is_found_out_and_believed_when_synced(void **state)
{
    struct world *world = *state;
    for (unsigned i = 0; i < 200; i++) {
        int64_t received = NOW + i * 5 * MINUTE;
        send_level(world, received, i + 1, received / SECOND_NS - 3 * 86400, 1);
        bool moved = i >= 12 && i < 50; /* an hour of them, until the status says otherwise */
        level_is_at(world, received - (moved ? 0 : 3 * DAY), 1, moved);
        if (i == 49) {
            take(world, JOURNAL_MESSAGE, received, STATUS,
                 "{\"state\":\"online\",\"log\":\"5f3a09c1\",\"clock\":\"synced\"}");
            take(world, JOURNAL_MESSAGE, received, STATUS, /* a will says nothing of it */
                 "{\"state\":\"offline\",\"log\":\"5f3a09c1\"}");
        }
    }
    struct console_view view;
    const struct console_station *station = look(world, &view);
    assert_int_equal(station->reconstructed, 38);
    assert_string_equal(station->clock.verdict, "good");
    assert_string_equal(station->clock.said, "synced");
    assert_true(station->clock.has_difference && station->clock.has_drift);
    assert_int_equal(station->clock.smallest_ns, 3 * DAY);
    assert_int_equal(station->clock.drift_ms_per_day, 0);
    pipeline_view_free(&view);
}

static void new_settings_keep_what_is_known_of_clocks(void **state)
{
    struct world *world = *state;
    send(world, NOW,
         "[{\"log\":\"5f3a09c1\",\"seq\":9,\"boot\":3,\"up\":600,\"n\":\"level\",\"v\":1}]");
    assert_true(pipeline_reconfigure(world->pipeline, &world_other_settings, NOW));
    send(world, NOW + HOUR,
         "[{\"log\":\"5f3a09c1\",\"seq\":2,\"boot\":3,\"up\":60,\"n\":\"level\",\"v\":2}]");
    level_is_at(world, NOW - 540 * SECOND_NS, 2, true);
}

static void what_was_set_aside_keeps_the_date_it_had(void **state)
{
    struct world *world = *state;
    char description[OUT_MAX];
    send(world, NOW,
         "[{\"log\":\"5f3a09c1\",\"seq\":9,\"boot\":3,\"up\":600,\"n\":\"level\",\"v\":1}]");
    assert_true(pipeline_reconfigure(world->pipeline, &world_other_settings, NOW)); /* no ph */
    send(world, NOW + HOUR,
         "[{\"log\":\"5f3a09c1\",\"seq\":2,\"boot\":3,\"up\":60,\"n\":\"ph\",\"v\":7}]");
    assert_int_equal(world->aside, 1);
    assert_int_equal(world->reason, PHUSA_REASON_PARAMETER);
    assert_true(pipeline_reconfigure(world->pipeline, &plain_settings, NOW));
    (void)snprintf(description, sizeof description, "%s", world->description);
    take(world, JOURNAL_REQUEUED, NOW + DAY, OBS, description);
    stands_at(world, NOW - 540 * SECOND_NS, "ph=7,ph_qc=3i,time_reconstructed=1i");
    send_level(world, NOW + DAY, 10, NOW_S + 86400, 4);
    level_is_at(world, NOW + DAY, 4, false);
    /* set aside for its time, by a collector that did so */
    take(world, JOURNAL_REQUEUED, NOW + 9 * DAY, OBS,
         "{\"reason\":\"time\",\"station\":\"s1\",\"name\":\"ph\",\"unit\":\"\",\"state\":0,"
         "\"value\":6,\"time_ns\":946684800000000000,\"received_ns\":1700000500000000000}");
    stands_at(world, NOW + 500 * SECOND_NS, "ph=6,ph_qc=3i,time_reconstructed=1i");
    struct console_view view;
    const struct console_station *station = look(world, &view);
    assert_string_equal(station->clock.verdict, "good");
    pipeline_view_free(&view);
}

static void only_what_cannot_be_stored_is_refused(void **state)
{
    struct world *world = *state;
    send(world, NOW,
         "[{\"n\":\"level\",\"v\":1,\"t\":1e20},{\"n\":\"ph\",\"v\":7,\"t\":500000000}]");
    assert_int_equal(world->aside, 1);
    assert_int_equal(world->reason, PHUSA_REASON_TIME);
    stands_at(world, NOW, "ph=7,ph_qc=3i,time_reconstructed=1i");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_impossible_time_is_put_at_the_receive_time),
        TEST(all_of_a_report_is_moved_alike),
        TEST(what_is_ahead_by_less_stays_where_it_is),
        TEST(reports_of_a_boot_are_dated_after_the_fact),
        TEST(a_repeat_is_recognised_by_its_number),
        TEST(a_repeat_without_number_is_recognised_by_its_stamp),
        TEST(numbers_used_again_lose_nothing_of_a_wrong_clock),
        TEST(a_leap_that_is_sent_again_is_no_new_one),
        TEST(a_clock_behind_is_found_out_and_believed_when_synced),
        TEST(new_settings_keep_what_is_known_of_clocks),
        TEST(what_was_set_aside_keeps_the_date_it_had),
        TEST(only_what_cannot_be_stored_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
