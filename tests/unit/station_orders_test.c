/*
 * Commands to a station: each done once, also over a restart; settings on trial until they have
 * proved themselves; calibration; maintenance; what is malformed does no harm.
 */
#include "phusa/json.h"
#include "station_port.h"

static struct port *port;

static int set_up(void **state)
{
    (void)state;
    port = port_create(64, 1);
    assert_int_equal(port_boot(port), STATION_OK);
    port_link(port, true);
    port_pass(port, SECOND_NS, SECOND_NS);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    port_destroy(port);
    return 0;
}

static void boot_again(void)
{
    fake_flash_power_on(&port->flash);
    fake_flash_power_on(&port->kept);
    port->now.mono_ns = SECOND_NS;
    port->answer[0] = '\0';
    assert_int_equal(port_boot(port), STATION_OK);
    port_link(port, true);
    port_pass(port, 2 * SECOND_NS, SECOND_NS);
}

/* --- answers -------------------------------------------------------------------------- */

static void test_each_command_is_answered(void **state)
{
    (void)state;
    static const struct {
        const char *command, *answer;
    } cases[] = {
        { "{\"id\":\"1\",\"do\":\"maintenance\"}", "on: true or false expected" },
        { "{\"id\":\"2\",\"do\":\"maintenance\",\"on\":true,\"minutes\":0}",
          "minutes: 1 to 10080 expected" },
        { "{\"id\":\"3\",\"do\":\"maintenance\",\"on\":true,\"minutes\":10081}",
          "minutes: 1 to 10080 expected" },
        { "{\"id\":\"4\",\"do\":\"maintenance\",\"on\":1}", "not understood" },
        { "{\"id\":\"5\",\"do\":\"lamp\"}", "on: true or false expected" },
        { "{\"id\":\"6\",\"do\":\"lamp\",\"on\":true,\"minutes\":721}",
          "minutes: 0 to 720 expected" },
        { "{\"id\":\"7\",\"do\":\"identify\",\"seconds\":3601}", "seconds: 1 to 3600 expected" },
        { "{\"id\":\"8\",\"do\":\"identify\",\"seconds\":-1}", "not understood" },
        { "{\"id\":\"9\",\"do\":\"resend\",\"from\":1}",
          "from and to: numbers of reports expected" },
        { "{\"id\":\"10\",\"do\":\"resend\",\"from\":5,\"to\":4}",
          "from and to: numbers of reports expected" },
        { "{\"id\":\"11\",\"do\":\"resend\",\"from\":50,\"to\":60}",
          "none of these reports is held" },
        { "{\"id\":\"12\",\"do\":\"set\"}", "settings expected" },
        { "{\"id\":\"13\",\"do\":\"set\",\"settings\":{},\"trial_s\":29}",
          "trial_s: 30 to 86400 expected" },
        { "{\"id\":\"14\",\"do\":\"set\",\"settings\":7}", "not understood" },
        { "{\"id\":\"15\",\"do\":\"calibrate\",\"parameter\":\"ph\",\"operator\":\"An\"}",
          "parameter: one of this station's expected" },
        { "{\"id\":\"16\",\"do\":\"calibrate\",\"parameter\":\"level\"}",
          "operator: a name of 1 to 32 bytes expected" },
        { "{\"id\":\"17\",\"do\":\"calibrate\",\"parameter\":\"level\",\"operator\":\"An\","
          "\"step\":\"point\",\"reference\":1}",
          "no calibration of this parameter is under way" },
        { "{\"id\":\"18\",\"do\":\"fly\"}", "unknown command" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char expected[200];
        (void)snprintf(expected, sizeof expected, "{\"id\":\"%zu\",\"ok\":false,\"error\":\"%s\"}",
                       i + 1, cases[i].answer);
        assert_string_equal(port_ask(port, cases[i].command), expected);
    }
    assert_int_equal(port->station.counters.commands_malformed, 3);
    assert_int_equal(port->station.counters.commands, 15);
}

static void test_a_report_is_json_with_counts(void **state)
{
    (void)state;
    const char *answer = port_ask(port, "{\"id\":\"x\",\"do\":\"report\"}");
    struct phusa_json json;
    phusa_json_init(&json, phusa_text_of(answer));
    size_t keys = 0;
    enum phusa_json_token token;
    while ((token = phusa_json_next(&json)) > PHUSA_JSON_END) {
        keys += token == PHUSA_JSON_KEY;
    }
    assert_int_equal(token, PHUSA_JSON_END);
    assert_true(keys > 30);
    assert_non_null(strstr(answer, "\"why\":\"power\""));
    assert_non_null(strstr(answer, "\"boots\":1"));
    assert_non_null(strstr(answer, "\"every\":900,"));
    assert_null(strstr(answer, "no_sensor"));
    port->station.options.unwired = 3;
    memset(&port->station.counters, 0xff, sizeof port->station.counters); /* the widest ones */
    answer = port_ask(port, "{\"id\":\"y\",\"do\":\"report\"}");
    assert_non_null(strstr(answer, ",\"no_sensor\":\"salinity\","));
    size_t widest = strlen(answer);
    assert_true(widest > 1000 && widest < COMMAND_RSP_MAX - COMMAND_ID_MAX - 150);
}

static void test_what_is_malformed_does_no_harm(void **state)
{
    (void)state;
    static const char *const heads[] = { "{\"id\":\"h\",\"do\":\"set\",\"settings\":{\"every\":60}",
                                         "{\"id\":\"h\",\"do\":\"maintenance\",\"on\":true" };
    struct station_settings before = port->station.settings;
    for (size_t i = 0; i < 2; i++) {
        for (size_t cut = 1; cut <= strlen(heads[i]); cut++) {
            char text[200];
            (void)snprintf(text, sizeof text, "%.*s", (int)cut, heads[i]);
            const char *answer = port_ask(port, text);
            assert_true(answer[0] == '\0' || strstr(answer, "not understood") != NULL);
        }
    }
    char big[3000];
    memset(big, ' ', sizeof big);
    memcpy(big, heads[1], strlen(heads[1]));
    strcpy(big + sizeof big - 2, "}");
    assert_string_equal(port_ask(port, big), "{\"id\":\"h\",\"ok\":false,\"error\":\"too long\"}");
    /* Longer than the station's buffer: the port drops it, and nothing is heard of it. */
    static char huge[STATION_BUFFER_BYTES + 2];
    memset(huge, ' ', sizeof huge - 1);
    memcpy(huge, heads[1], strlen(heads[1]));
    assert_string_equal(port_ask(port, huge), "");
    assert_int_equal(port->network.too_long, 1);
    assert_false(port->station.orders.maintenance || port->station.orders.trial);
    assert_memory_equal(&before, &port->station.settings, sizeof before);
}

static void test_the_same_id_is_done_once(void **state)
{
    (void)state;
    const char *reboot = "{\"id\":\"once\",\"do\":\"reboot\"}";
    assert_string_equal(port_ask(port, reboot), "{\"id\":\"once\",\"ok\":true}");
    assert_string_equal(port_ask(port, reboot), "{\"id\":\"once\",\"ok\":true}");
    port_pass(port, 5 * SECOND_NS, SECOND_NS);
    assert_int_equal(port->board.resets, 1);
    boot_again();
    assert_string_equal(port_ask(port, reboot), "{\"id\":\"once\",\"ok\":true}");
    port_pass(port, 5 * SECOND_NS, SECOND_NS);
    assert_int_equal(port->board.resets, 1);
    assert_int_equal(port->station.counters.commands_repeated, 1);
    assert_string_equal(port_ask(port, "{\"id\":\"twice\",\"do\":\"reboot\"}"),
                        "{\"id\":\"twice\",\"ok\":true}");
    port_pass(port, 5 * SECOND_NS, SECOND_NS);
    assert_int_equal(port->board.resets, 2);
}

static void test_lights_go_out_by_themselves(void **state)
{
    (void)state;
    port_ask(port, "{\"id\":\"1\",\"do\":\"identify\",\"seconds\":20}");
    port_ask(port, "{\"id\":\"2\",\"do\":\"lamp\",\"on\":true,\"minutes\":1}");
    assert_true(port->pins.level[PORT_LIGHT]);
    assert_int_equal(station_lamp(&port->station), STATION_LAMP_ON);
    port_pass(port, 19 * SECOND_NS, SECOND_NS);
    assert_true(port->pins.level[PORT_LIGHT]);
    port_pass(port, SECOND_NS, SECOND_NS);
    assert_false(port->pins.level[PORT_LIGHT]);
    port_pass(port, 41 * SECOND_NS, SECOND_NS);
    assert_int_equal(station_lamp(&port->station), STATION_LAMP_AUTO);
    port_ask(port, "{\"id\":\"3\",\"do\":\"lamp\",\"on\":false}");
    assert_int_equal(station_lamp(&port->station), STATION_LAMP_OFF);
    port_ask(port, "{\"id\":\"4\",\"do\":\"lamp\",\"on\":false,\"minutes\":0}");
    assert_int_equal(station_lamp(&port->station), STATION_LAMP_AUTO);
}

static const char *refusal(void *context)
{
    return context;
}

static void test_a_lamp_that_would_stay_dark_is_refused(void **state)
{
    static char why[] = "refused: the battery is low";
    (void)state;
    port->station.options.lamp_refusal = refusal;
    port->station.options.lamp_context = why;
    assert_string_equal(port_ask(port, "{\"id\":\"1\",\"do\":\"lamp\",\"on\":true}"),
                        "{\"id\":\"1\",\"ok\":false,\"error\":\"refused: the battery is low\"}");
    assert_int_equal(station_lamp(&port->station), STATION_LAMP_AUTO);
    assert_string_equal(port_ask(port, "{\"id\":\"2\",\"do\":\"lamp\",\"on\":false}"),
                        "{\"id\":\"2\",\"ok\":true}");
    assert_int_equal(station_lamp(&port->station), STATION_LAMP_OFF);
    assert_string_equal(port_ask(port, "{\"id\":\"3\",\"do\":\"lamp\",\"on\":true,\"minutes\":0}"),
                        "{\"id\":\"3\",\"ok\":true}");
    port->station.options.lamp_context = NULL;
    assert_string_equal(port_ask(port, "{\"id\":\"4\",\"do\":\"lamp\",\"on\":true}"),
                        "{\"id\":\"4\",\"ok\":true}");
    assert_int_equal(station_lamp(&port->station), STATION_LAMP_ON);
}

static void test_covered_reports_are_sent_again_when_asked(void **state)
{
    (void)state;
    port_pass(port, 10 * HOUR_NS + MINUTE_NS, 10 * SECOND_NS);
    assert_true(station_delivered(&port->station));
    uint64_t before = port->taken_count;
    assert_string_equal(port_ask(port, "{\"id\":\"a\",\"do\":\"resend\",\"from\":0,\"to\":8}"),
                        "{\"id\":\"a\",\"ok\":true,\"from\":1,\"to\":8}");
    port_pass(port, 10 * SECOND_NS, SECOND_NS / 5);
    assert_int_equal(port->taken_count - before, 8);
    for (uint64_t i = 0; i < 8; i++) {
        assert_int_equal(port->taken[(before + i) % PORT_TAKEN_MAX].report.seq, i + 1);
    }
    assert_int_equal(port->station.counters.resent, 8);
}

/* --- maintenance ------------------------------------------------------------------------ */

static uint8_t latest_state(void)
{
    port_pass(port, 15 * MINUTE_NS, 5 * SECOND_NS);
    return port_latest(port)->report.readings[0].device_state;
}

static void test_maintenance_marks_readings_and_ends_by_itself(void **state)
{
    (void)state;
    assert_int_equal(latest_state(), 0);
    port_ask(port, "{\"id\":\"m\",\"do\":\"maintenance\",\"on\":true,\"minutes\":40}");
    assert_int_equal(latest_state(), 1);
    boot_again(); /* a restart does not end it */
    assert_int_equal(latest_state(), 1);
    port_pass(port, 10 * MINUTE_NS, 5 * SECOND_NS);
    assert_int_equal(latest_state(), 0);
    boot_again();
    assert_false(port->station.orders.maintenance);
    port_ask(port, "{\"id\":\"n\",\"do\":\"maintenance\",\"on\":true}");
    assert_true(port->station.orders.maintenance);
    port_ask(port, "{\"id\":\"o\",\"do\":\"maintenance\",\"on\":false}");
    assert_int_equal(latest_state(), 0);
}

/* --- calibration -------------------------------------------------------------------------- */

static double probe; /* what the salinity probe says */

static struct hal_sample probes(struct port *p, size_t channel, int64_t at_ns)
{
    (void)p;
    (void)at_ns;
    return port_value(channel == 0 ? probe : 2);
}

#define CALIBRATE "\"do\":\"calibrate\",\"parameter\":\"salinity\",\"operator\":\"Bảy\",\"step\":"

static void sample_once(double raw)
{
    probe = raw;
    port_pass(port, 15 * MINUTE_NS, 30 * SECOND_NS);
}

static void test_two_point_calibration(void **state)
{
    (void)state;
    port->sample = probes;
    sample_once(5);
    assert_string_equal(port_ask(port, "{\"id\":\"1\"," CALIBRATE "\"begin\",\"minutes\":120}"),
                        "{\"id\":\"1\",\"ok\":true}");
    assert_non_null(
        strstr(port_ask(port, "{\"id\":\"2\"," CALIBRATE "\"point\",\"reference\":0.5}"),
               "no sample since the last step"));
    sample_once(1);
    const struct phusa_reading *reading = port_find(port_latest(port), "salinity");
    assert_int_equal(reading->device_state, 1);
    assert_int_equal(port_find(port_latest(port), "level")->device_state, 0);
    assert_string_equal(port_ask(port, "{\"id\":\"3\"," CALIBRATE "\"point\",\"reference\":0.5}"),
                        "{\"id\":\"3\",\"ok\":true,\"raw\":1}");
    boot_again(); /* in the middle of it */
    sample_once(11);
    assert_string_equal(port_ask(port, "{\"id\":\"4\"," CALIBRATE "\"point\",\"reference\":13}"),
                        "{\"id\":\"4\",\"ok\":true,\"raw\":11}");
    assert_string_equal(port_ask(port, "{\"id\":\"5\"," CALIBRATE "\"finish\"}"),
                        "{\"id\":\"5\",\"ok\":true,\"before\":[0,1,0,0],"
                        "\"after\":[-0.75,1.25,0,0]}");
    for (int i = 0; i < 2; i++) {
        sample_once(3);
        reading = port_find(port_latest(port), "salinity");
        assert_true(fabs(reading->value - 3) <= 0 && reading->device_state == 0);
        sample_once(7);
        assert_true(fabs(port_find(port_latest(port), "salinity")->value - 8) <= 0);
        boot_again(); /* it is kept */
    }
    /* One point moves the offset of what is in force. */
    port_ask(port, "{\"id\":\"6\",\"do\":\"calibrate\",\"parameter\":\"salinity\","
                   "\"operator\":\"B\\u1ea3y\",\"step\":\"begin\"}"); /* the same name, escaped */
    assert_int_equal(port->station.orders.calibrating, 1);
    sample_once(7);
    port_ask(port, "{\"id\":\"7\"," CALIBRATE "\"point\",\"reference\":8.25}");
    assert_string_equal(port_ask(port, "{\"id\":\"8\"," CALIBRATE "\"finish\"}"),
                        "{\"id\":\"8\",\"ok\":true,\"before\":[-0.75,1.25,0,0],"
                        "\"after\":[-0.5,1.25,0,0]}");
    assert_string_equal(
        port_ask(port, "{\"id\":\"9\"," CALIBRATE "\"set\",\"coefficients\":[1,2,0.5]}"),
        "{\"id\":\"9\",\"ok\":true,\"before\":[-0.5,1.25,0,0],\"after\":[1,2,0.5,0]}");
    sample_once(2);
    assert_true(fabs(port_find(port_latest(port), "salinity")->value - 7) <= 0);
    assert_non_null(
        strstr(port_ask(port, "{\"id\":\"10\"," CALIBRATE "\"set\"}"), "\"after\":[0,1,0,0]"));
}

#define SHOW "\"do\":\"calibrate\",\"step\":\"show\""

/* What is kept of a calibration is told, also after a restart, as often as it is asked for. */
static void test_calibrations_can_be_read_back(void **state)
{
    (void)state;
    static const char told[] =
        "{\"id\":\"q\",\"ok\":true,\"parameter\":\"salinity\",\"before\":[0,1,0,0],"
        "\"after\":[-0.75,1.25,0,0],\"points\":[[1,0.5],[11,13]],\"operator\":\"Bảy\",\"time\":"
        "1767227401,"
        "\"raw_sent\":true}";
    port->sample = probes;
    assert_string_equal(port_ask(port, "{\"id\":\"1\"," SHOW "}"),
                        "{\"id\":\"1\",\"ok\":true,\"calibrations\":{}}");
    assert_non_null(strstr(port_ask(port, "{\"id\":\"2\"," SHOW ",\"parameter\":\"salinity\"}"),
                           "never calibrated"));
    assert_non_null(strstr(port_ask(port, "{\"id\":\"3\"," SHOW ",\"parameter\":\"ph\"}"),
                           "one of this station's expected"));
    port_ask(port, "{\"id\":\"4\"," CALIBRATE "\"begin\"}");
    sample_once(1);
    port_ask(port, "{\"id\":\"5\"," CALIBRATE "\"point\",\"reference\":0.5}");
    sample_once(11);
    port_ask(port, "{\"id\":\"6\"," CALIBRATE "\"point\",\"reference\":13}");
    port_ask(port, "{\"id\":\"7\"," CALIBRATE "\"finish\"}");
    long kept = port->kept.operations;
    for (int i = 0; i < 2; i++) {
        assert_string_equal(port_ask(port, "{\"id\":\"q\"," SHOW ",\"parameter\":\"salinity\"}"),
                            told);
        assert_string_equal(
            port_ask(port, "{\"id\":\"r\"," SHOW "}"),
            "{\"id\":\"r\",\"ok\":true,\"calibrations\":{\"salinity\":1767227401}}");
        assert_true(i > 0 || port->kept.operations == kept); /* a question writes nothing */
        boot_again();
    }
    port->now.wall_set = false;
    boot_again();
    port_ask(port, "{\"id\":\"8\",\"do\":\"calibrate\",\"parameter\":\"level\","
                   "\"operator\":\"An\",\"step\":\"set\",\"coefficients\":[0,2]}");
    assert_string_equal(port_ask(port, "{\"id\":\"r\"," SHOW "}"),
                        "{\"id\":\"r\",\"ok\":true,\"calibrations\":{\"salinity\":1767227401,"
                        "\"level\":0}}");
}

static void set_salinity(const char *id, const char *coefficients)
{
    char command[200];
    (void)snprintf(command, sizeof command, "{\"id\":\"%s\"," CALIBRATE "\"set\"%s}", id,
                   coefficients);
    assert_non_null(strstr(port_ask(port, command), "\"ok\":true"));
}

/* Beside a calibrated value stands the raw one, unasked, as long as it is another one. */
static void test_a_calibrated_value_brings_its_raw_one(void **state)
{
    (void)state;
    port->sample = probes;
    sample_once(3);
    assert_int_equal(port_latest(port)->report.count, 2);
    set_salinity("1", ",\"coefficients\":[0.5,2]");
    for (int i = 0; i < 2; i++) {
        sample_once(4);
        assert_int_equal(port_latest(port)->report.count, 3);
        const struct phusa_reading *raw = port_find(port_latest(port), "salinity_raw");
        assert_true(fabs(raw->value - 4) <= 0);
        assert_true(phusa_text_equal(raw->unit, PHUSA_TEXT("g/L")));
        assert_true(fabs(port_find(port_latest(port), "salinity")->value - 8.5) <= 0);
        boot_again();
    }
    port_ask(port, "{\"id\":\"2\",\"do\":\"set\",\"settings\":{\"channels\":{\"salinity\":"
                   "{\"min\":true,\"raw\":true}}}}"); /* asked for as well: once */
    sample_once(4);
    assert_int_equal(port_latest(port)->report.count, 4);
    set_salinity("3", "");
    sample_once(4);
    assert_int_equal(port_latest(port)->report.count, 4); /* asked for */
    port_ask(port, "{\"id\":\"4\",\"do\":\"set\",\"settings\":{\"channels\":{\"salinity\":"
                   "{\"min\":null,\"raw\":null}}}}");
    sample_once(4);
    assert_int_equal(port_latest(port)->report.count, 2);
}

/* A report at once has it, too; the other channel, which does not move, is not in it. */
static void test_an_event_brings_its_raw_value(void **state)
{
    (void)state;
    port->sample = probes;
    set_salinity("1", ",\"coefficients\":[0,2]");
    port_ask(port, "{\"id\":\"2\",\"do\":\"set\",\"settings\":{\"sample_every\":60,"
                   "\"channels\":{\"salinity\":{\"event_step\":1}}}}");
    sample_once(1);
    sample_once(1);
    uint64_t before = port->taken_count;
    probe = 2;
    port_pass(port, MINUTE_NS, 10 * SECOND_NS);
    assert_int_equal(port->taken_count, before + 1);
    assert_int_equal(port_latest(port)->report.count, 2);
    assert_true(fabs(port_find(port_latest(port), "salinity")->value - 4) <= 0);
    assert_true(fabs(port_find(port_latest(port), "salinity_raw")->value - 2) <= 0);
}

/* Where a report has no room for it, the calibration still counts, and `show` says so. */
static void test_a_raw_value_without_room_is_left_out(void **state)
{
    (void)state;
    char names[STATION_CHANNELS_MAX][4];
    port->sample = probes;
    port->options.channel_count = STATION_CHANNELS_MAX;
    for (size_t i = 2; i < STATION_CHANNELS_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], "p%zu", i);
        port->options.channels[i] = (struct station_channel){ .name = phusa_text_of(names[i]) };
    }
    boot_again();
    set_salinity("1", ",\"coefficients\":[0,2]");
    sample_once(4);
    assert_int_equal(port_latest(port)->report.count, STATION_CHANNELS_MAX);
    assert_true(fabs(port_find(port_latest(port), "salinity")->value - 8) <= 0);
    assert_non_null(strstr(port_ask(port, "{\"id\":\"2\"," SHOW ",\"parameter\":\"salinity\"}"),
                           "\"raw_sent\":false"));
    port->options.channel_count = 1; /* a name that takes no suffix */
    port->options.channels[0].name = PHUSA_TEXT("abcdefghijklmnopqrstuvwxyz_long");
    boot_again();
    assert_non_null(strstr(port_ask(port, "{\"id\":\"3\",\"do\":\"calibrate\",\"operator\":\"An\","
                                          "\"parameter\":\"abcdefghijklmnopqrstuvwxyz_long\","
                                          "\"step\":\"set\",\"coefficients\":[1,1]}"),
                           "\"ok\":true"));
    sample_once(4);
    assert_int_equal(port_latest(port)->report.count, 1);
}

static void test_calibration_that_cannot_be_right(void **state)
{
    (void)state;
    port->sample = probes;
    port_ask(port, "{\"id\":\"1\"," CALIBRATE "\"begin\"}");
    assert_non_null(
        strstr(port_ask(port, "{\"id\":\"2\"," CALIBRATE "\"finish\"}"), "no point was taken"));
    sample_once(1);
    port_ask(port, "{\"id\":\"3\"," CALIBRATE "\"point\",\"reference\":13}");
    sample_once(11);
    port_ask(port, "{\"id\":\"4\"," CALIBRATE "\"point\",\"reference\":0.5}");
    assert_non_null(strstr(port_ask(port, "{\"id\":\"5\"," CALIBRATE "\"finish\"}"),
                           "are the references mixed up?"));
    assert_int_equal(port->station.orders.calibrated, 0);
    assert_non_null(strstr(port_ask(port, "{\"id\":\"6\"," CALIBRATE "\"begin\"}"),
                           "a calibration is under way"));
    assert_string_equal(port_ask(port, "{\"id\":\"7\"," CALIBRATE "\"cancel\"}"),
                        "{\"id\":\"7\",\"ok\":true}");
    sample_once(4);
    assert_int_equal(port_find(port_latest(port), "salinity")->device_state, 0);
}

static void test_forgotten_calibration_ends_by_itself(void **state)
{
    (void)state;
    port_ask(port, "{\"id\":\"1\"," CALIBRATE "\"begin\",\"minutes\":20}");
    assert_int_equal(latest_state(), 1);
    assert_int_equal(latest_state(), 0);
}

/* --- settings on trial ---------------------------------------------------------------------- */

#define SET_MINUTE "{\"id\":\"s\",\"do\":\"set\",\"settings\":{\"every\":60},\"trial_s\":60}"

static void test_settings_stay_after_a_receipt(void **state)
{
    (void)state;
    assert_string_equal(port_ask(port, SET_MINUTE), "{\"id\":\"s\",\"ok\":true,\"trial_s\":60}");
    assert_true(port->station.settings.every_ns == MINUTE_NS);
    assert_true(port->station.orders.trial);
    unsigned connects = port->network.connects;
    port_pass(port, 10 * SECOND_NS, SECOND_NS);
    assert_int_equal(port->network.connects - connects, 1); /* proved over a new connection */
    assert_false(port->station.orders.trial);
    assert_string_equal(port->answer, "{\"id\":\"s\",\"ok\":true,\"kept\":true}");
    uint64_t before = port->taken_count;
    port_pass(port, 15 * MINUTE_NS, SECOND_NS);
    assert_int_equal(port->taken_count - before, 15);
    boot_again();
    assert_true(port->station.settings.every_ns == MINUTE_NS);
    assert_string_equal(port_ask(port, SET_MINUTE), "{\"id\":\"s\",\"ok\":true,\"kept\":true}");
    /* Taken back. */
    port_ask(port, "{\"id\":\"t\",\"do\":\"set\",\"settings\":{\"every\":null}}");
    port_pass(port, 10 * SECOND_NS, SECOND_NS);
    assert_true(port->station.settings.every_ns == 15 * MINUTE_NS);
}

static void test_settings_that_cut_the_station_off_are_rolled_back(void **state)
{
    (void)state;
    port_ask(port, "{\"id\":\"b\",\"do\":\"set\",\"trial_s\":120,\"settings\":"
                   "{\"every\":60,\"broker\":{\"host\":\"nowhere\",\"port\":8883}}}");
    port_pass(port, 10 * SECOND_NS, SECOND_NS);
    assert_string_equal(port->network.host, "nowhere");
    assert_int_equal(port->network.tcp_port, 8883);
    assert_int_equal(port->network.connection, 0);
    port->answer[0] = '\0';
    port_pass(port, 2 * MINUTE_NS, SECOND_NS);
    assert_string_equal(port->network.host, ""); /* its own broker again */
    assert_string_equal(
        port->answer,
        "{\"id\":\"b\",\"ok\":false,\"error\":\"rolled back: no receipt came in time\"}");
    assert_true(port->station.settings.every_ns == 15 * MINUTE_NS);
    assert_int_equal(port->station.counters.settings_rolled_back, 1);
    boot_again();
    assert_true(port->station.settings.every_ns == 15 * MINUTE_NS);
    assert_string_equal(port->network.host, "");
}

static void test_another_broker_that_proves_itself(void **state)
{
    (void)state;
    port_ask(port, "{\"id\":\"b\",\"do\":\"set\",\"settings\":"
                   "{\"broker\":{\"host\":\"mqtt.example.vn\",\"port\":8883}}}");
    port_pass(port, 10 * SECOND_NS, SECOND_NS);
    assert_non_null(strstr(port->answer, "\"kept\":true"));
    boot_again();
    assert_string_equal(port->network.host, "mqtt.example.vn"); /* from the start on */
}

/* Without receipts on the new connection, a connection alone proves nothing. */
static void test_a_connection_without_receipts_proves_nothing(void **state)
{
    (void)state;
    port->receipts = false;
    port_ask(port, SET_MINUTE);
    port_pass(port, 59 * SECOND_NS, SECOND_NS);
    assert_true(port->station.orders.trial);
    port_pass(port, 2 * SECOND_NS, SECOND_NS);
    assert_false(port->station.orders.trial);
    assert_true(port->station.settings.every_ns == 15 * MINUTE_NS);
}

static void test_a_restart_ends_a_trial(void **state)
{
    (void)state;
    port_ask(port, SET_MINUTE);
    boot_again();
    assert_true(port->station.settings.every_ns == 15 * MINUTE_NS);
    assert_string_equal(
        port->answer,
        "{\"id\":\"s\",\"ok\":false,\"error\":\"rolled back: the station started anew\"}");
    boot_again();
    assert_string_equal(port->answer, ""); /* said once */
    assert_string_equal(
        port_ask(port, SET_MINUTE),
        "{\"id\":\"s\",\"ok\":false,\"error\":\"rolled back: the station started anew\"}");
}

/* The power goes at every operation of the keep: afterwards one of both is in force, whole. */
static void test_cut_at_every_operation_of_a_trial(void **state)
{
    (void)state;
    for (long at = 0; at < 24; at++) {
        struct port *one = port_create(8, (uint64_t)at + 1);
        assert_int_equal(port_boot(one), STATION_OK);
        port_link(one, true);
        port_pass(one, SECOND_NS, SECOND_NS);
        one->kept.lose_unsynced = at % 2 == 0;
        one->kept.cut_at = one->kept.operations + at;
        port_ask(one, "{\"id\":\"s\",\"do\":\"set\",\"settings\":{\"every\":60,\"share\":50}}");
        port_pass(one, 10 * SECOND_NS, SECOND_NS);
        fake_flash_power_on(&one->kept);
        assert_int_equal(port_boot(one), STATION_OK);
        bool old = one->station.settings.every_ns == 15 * MINUTE_NS &&
                   one->station.settings.share == OBSERVE_SHARE_DEFAULT;
        bool new = one->station.settings.every_ns == MINUTE_NS && one->station.settings.share == 50;
        assert_true(old || new);
        assert_true(at < 20 || new); /* all was written before */
        port_destroy(one);
    }
}

static void test_settings_are_judged_as_a_whole(void **state)
{
    (void)state;
    static const struct {
        const char *settings, *error;
    } cases[] = {
        { "{\"every\":0}", "every: a whole number from 1 to 86400 expected" },
        { "{\"every\":1.5}", "every: a whole number from 1 to 86400 expected" },
        { "{\"every\":true}", "every: a whole number from 1 to 86400 expected" },
        { "{\"every\":900,\"sample_every\":7}", "every: a multiple of sample_every expected" },
        { "{\"sample_every\":60,\"fast_every\":7}",
          "sample_every: a multiple of fast_every expected" },
        { "{\"every\":60,\"publish_jitter\":60}", "publish_jitter: less than every expected" },
        { "{\"evry\":60}", "evry: no such setting" },
        { "{\"ev\\\"ry\":60}", "ev: no such setting" },
        { "{\"channels\":{\"ph\":{}}}", "ph: no such channel" },
        { "{\"channels\":{\"level\":{\"low\":3,\"high\":2}}}",
          "level: low must not lie above high" },
        { "{\"channels\":{\"level\":{\"min\":1}}}", "min: true or false expected" },
        { "{\"channels\":{\"level\":{\"every\":1}}}", "every: no such setting" },
        { "{\"channels\":[]}", "channels: an object expected" },
        { "{\"broker\":{\"host\":\"a b\",\"port\":1}}", "host: a host name or address expected" },
        { "{\"broker\":{\"host\":\"a\"}}", "broker: host and port, or null, expected" },
        { "{\"broker\":{\"host\":\"a\",\"port\":65536}}",
          "port: a whole number from 1 to 65535 expected" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char command[300], expected[300];
        (void)snprintf(command, sizeof command, "{\"id\":\"%zu\",\"do\":\"set\",\"settings\":%s}",
                       i, cases[i].settings);
        (void)snprintf(expected, sizeof expected, "{\"id\":\"%zu\",\"ok\":false,\"error\":\"%s\"}",
                       i, cases[i].error);
        assert_string_equal(port_ask(port, command), expected);
        assert_true(port->station.settings.every_ns == 15 * MINUTE_NS);
    }
    port->no_keep = true;
    port->options.boot = 1;
    boot_again();
    assert_non_null(strstr(port_ask(port, SET_MINUTE), "this station keeps no settings"));
}

static void test_all_settings_reach_their_place(void **state)
{
    (void)state;
    port_ask(port, "{\"id\":\"a\",\"do\":\"set\",\"settings\":{\"every\":600,\"sample_every\":60,"
                   "\"fast_every\":10,\"publish_jitter\":30,\"share\":70,\"events_per_hour\":3,"
                   "\"backlog_per_s\":20,\"channels\":{\"level\":{\"event_step\":0.25,\"low\":-1,"
                   "\"high\":4.5,\"jump\":0.5,\"flat\":0.01,\"flat_s\":43200,\"stuck_s\":3600,"
                   "\"min\":true,\"max\":true,\"sd\":true,\"n\":true,\"raw\":true}}}}");
    port_pass(port, 10 * SECOND_NS, SECOND_NS);
    for (int i = 0; i < 2; i++) {
        const struct station_settings *s = &port->station.settings;
        const struct check_limits *checks = &s->channels[1].checks;
        assert_true(s->every_ns == 600 * SECOND_NS && s->sample_every_ns == 60 * SECOND_NS);
        assert_true(s->fast_every_ns == 10 * SECOND_NS && s->jitter_ns == 30 * SECOND_NS);
        assert_true(s->share == 70 && s->events_per_hour == 3 && s->backlog_per_s == 20);
        assert_int_equal(s->channels[0].statistics, 0);
        assert_int_equal(s->channels[1].statistics, 31);
        assert_true(fabs(s->channels[1].event_step - 0.25) <= 0);
        assert_true(fabs(checks->low + 1) <= 0 && fabs(checks->high - 4.5) <= 0);
        assert_true(fabs(checks->step - 0.5) <= 0 && fabs(checks->flat - 0.01) <= 0);
        assert_true(checks->flat_s == 43200 && checks->stuck_s == 3600);
        assert_int_equal(port->station.value_count, 2 + 6);
        boot_again();
    }
    port_pass(port, 20 * MINUTE_NS, SECOND_NS);
    assert_non_null(port_find(port_latest(port), "level_sd"));
    assert_null(port_find(port_latest(port), "salinity_sd"));
    /* What lies in the log under the old names is still read rightly. */
    uint64_t before = port->taken_count;
    port_ask(port, "{\"id\":\"r\",\"do\":\"resend\",\"from\":1,\"to\":1}");
    port_pass(port, 5 * SECOND_NS, SECOND_NS);
    assert_true(port->taken_count > before);
    assert_int_equal(port_latest(port)->report.count, 2);
}

/* A channel that is gone takes its settings with it, and nothing else. */
static void test_settings_of_channels_that_are_gone(void **state)
{
    (void)state;
    port_ask(port, "{\"id\":\"a\",\"do\":\"set\",\"settings\":{\"share\":80,\"channels\":{"
                   "\"salinity\":{\"min\":true},\"level\":{\"max\":true}}}}");
    port_pass(port, 10 * SECOND_NS, SECOND_NS);
    port->options.channels[0] = port->options.channels[1]; /* level comes first now */
    port->options.channel_count = 1;
    boot_again();
    assert_int_equal(port->station.settings.share, 80);
    assert_int_equal(port->station.settings.channels[0].statistics, STATISTIC_MAXIMUM);
}

static void test_the_keep_failing_is_said(void **state)
{
    (void)state;
    port->kept.syncs_fail = true;
    assert_non_null(strstr(port_ask(port, SET_MINUTE), "the settings could not be kept"));
    assert_true(port->station.settings.every_ns == 15 * MINUTE_NS);
    assert_true(port->station.counters.keep_errors > 0);
    port->kept.syncs_fail = false;
    port_pass(port, MINUTE_NS, SECOND_NS); /* and it goes on */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_each_command_is_answered),
        TEST(test_a_report_is_json_with_counts),
        TEST(test_what_is_malformed_does_no_harm),
        TEST(test_the_same_id_is_done_once),
        TEST(test_lights_go_out_by_themselves),
        TEST(test_a_lamp_that_would_stay_dark_is_refused),
        TEST(test_covered_reports_are_sent_again_when_asked),
        TEST(test_maintenance_marks_readings_and_ends_by_itself),
        TEST(test_two_point_calibration),
        TEST(test_calibrations_can_be_read_back),
        TEST(test_a_calibrated_value_brings_its_raw_one),
        TEST(test_an_event_brings_its_raw_value),
        TEST(test_a_raw_value_without_room_is_left_out),
        TEST(test_calibration_that_cannot_be_right),
        TEST(test_forgotten_calibration_ends_by_itself),
        TEST(test_settings_stay_after_a_receipt),
        TEST(test_settings_that_cut_the_station_off_are_rolled_back),
        TEST(test_another_broker_that_proves_itself),
        TEST(test_a_connection_without_receipts_proves_nothing),
        TEST(test_a_restart_ends_a_trial),
        TEST(test_cut_at_every_operation_of_a_trial),
        TEST(test_settings_are_judged_as_a_whole),
        TEST(test_all_settings_reach_their_place),
        TEST(test_settings_of_channels_that_are_gone),
        TEST(test_the_keep_failing_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
