/*
 * Orders of `phusa station ask`: the command that words become, what a station of the real core
 * does when it gets that command, and what its answer becomes.
 */
#include "cli/order.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "station_port.h"

#define WORDS 80

struct built {
    enum cli_exit result;
    char text[ORDER_BYTES_MAX + 1];
    struct problem problem;
};

/* Words apart by blanks; those that begin with -- are options with the next one as their value. */
static struct built build(const char *id, const char *line)
{
    static const char *const names[ORDER_OPTIONS] = { "--minutes", "--for",   "--from",
                                                      "--to",      "--trial", "--by" };
    static char buffer[4096];
    const char *words[WORDS];
    struct order order = { .words = words };
    assert_true(strlen(line) < sizeof buffer);
    strcpy(buffer, line);
    for (char *word = strtok(buffer, " "); word != NULL; word = strtok(NULL, " ")) {
        size_t option = 0;
        while (option < ORDER_OPTIONS && strcmp(word, names[option]) != 0) {
            option++;
        }
        assert_true(order.count < WORDS);
        if (option < ORDER_OPTIONS) {
            order.options[option] = strtok(NULL, " ");
        } else {
            words[order.count++] = word;
        }
    }
    struct built built = { .text = "" };
    built.result = order_build(&order, id, built.text, &built.problem);
    return built;
}

static void test_words_become_commands(void **state)
{
    (void)state;
    static const struct {
        const char *line, *text;
    } cases[] = {
        { "report", "{\"id\":\"x\",\"do\":\"report\"}" },
        { "reboot", "{\"id\":\"x\",\"do\":\"reboot\"}" },
        { "identify", "{\"id\":\"x\",\"do\":\"identify\"}" },
        { "identify --for 30", "{\"id\":\"x\",\"do\":\"identify\",\"seconds\":30}" },
        { "maintenance on --minutes 90",
          "{\"id\":\"x\",\"do\":\"maintenance\",\"minutes\":90,\"on\":true}" },
        { "maintenance off", "{\"id\":\"x\",\"do\":\"maintenance\",\"on\":false}" },
        { "lamp on --minutes 5", "{\"id\":\"x\",\"do\":\"lamp\",\"minutes\":5,\"on\":true}" },
        { "lamp auto", "{\"id\":\"x\",\"do\":\"lamp\",\"on\":false,\"minutes\":0}" },
        { "resend --from 3 --to 17", "{\"id\":\"x\",\"do\":\"resend\",\"from\":3,\"to\":17}" },
        { "set every=900 salinity.low=0.5 salinity.raw=true share=null --trial 60",
          "{\"id\":\"x\",\"do\":\"set\",\"trial_s\":60,\"settings\":{\"every\":900,\"channels\":"
          "{\"salinity\":{\"low\":0.5,\"raw\":true}},\"share\":null}}" },
        { "set broker.host=10.0.0.7 broker.port=8883",
          "{\"id\":\"x\",\"do\":\"set\",\"settings\":{\"broker\":{\"host\":\"10.0.0.7\",\"port\":"
          "8883}}}" },
        { "set broker=null", "{\"id\":\"x\",\"do\":\"set\",\"settings\":{\"broker\":null}}" },
        { "calibrate ph begin --minutes 30 --by Bảy",
          "{\"id\":\"x\",\"do\":\"calibrate\",\"minutes\":30,\"operator\":\"Bảy\",\"parameter\":"
          "\"ph\",\"step\":\"begin\"}" },
        { "calibrate ph point -0.5 --by An",
          "{\"id\":\"x\",\"do\":\"calibrate\",\"operator\":\"An\",\"parameter\":\"ph\",\"step\":"
          "\"point\",\"reference\":-0.5}" },
        { "calibrate ph end", "{\"id\":\"x\",\"do\":\"calibrate\",\"parameter\":\"ph\",\"step\":"
                              "\"finish\"}" },
        { "calibrate ph set 1 0.5",
          "{\"id\":\"x\",\"do\":\"calibrate\",\"parameter\":\"ph\",\"step\":\"set\","
          "\"coefficients\":[1.0,0.5]}" },
        { "calibrate ph set", "{\"id\":\"x\",\"do\":\"calibrate\",\"parameter\":\"ph\",\"step\":"
                              "\"set\"}" },
        { "calibrate ph show",
          "{\"id\":\"x\",\"do\":\"calibrate\",\"parameter\":\"ph\",\"step\":\"show\"}" },
        { "calibrate show", "{\"id\":\"x\",\"do\":\"calibrate\",\"step\":\"show\"}" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct built built = build("x", cases[i].line);
        struct command command;
        assert_string_equal(built.problem.text, "");
        assert_int_equal(built.result, CLI_GOOD);
        assert_string_equal(built.text, cases[i].text);
        assert_true(command_parse(phusa_text_of(built.text), &command));
    }
}

static void test_what_is_no_command(void **state)
{
    (void)state;
    static const struct {
        const char *line, *problem;
    } cases[] = {
        { "dance", "no order \"dance\"; there are report, identify, maintenance, lamp, resend, "
                   "reboot, set and calibrate" },
        { "report now", "write report" },
        { "report --minutes 3", "--minutes does not go with report" },
        { "identify --for x", "--for x: write a whole number" },
        { "identify --for 99999999999999999999", "--for 99999999999999999999: write a whole "
                                                 "number" },
        { "maintenance", "write maintenance on|off" },
        { "maintenance auto", "maintenance: \"auto\": write on or off" },
        { "lamp blue", "lamp: \"blue\": write on, off or auto" },
        { "lamp auto --minutes 5", "lamp auto: its schedule needs no --minutes" },
        { "resend --from 3", "resend: which reports? --from N --to N" },
        { "set", "write set FILE|KEY=VALUE ..." },
        { "set every=1 share", "set: \"share\": write KEY=VALUE, such as every=900, "
                               "salinity.low=0 or broker.port=8883" },
        { "set =1", "set: \"=1\": write KEY=VALUE, such as every=900, salinity.low=0 or "
                    "broker.port=8883" },
        { "set ph.=1", "set: \"ph.=1\": write KEY=VALUE, such as every=900, salinity.low=0 or "
                       "broker.port=8883" },
        { "set broker=null broker.port=1",
          "set: \"broker.port=1\": write KEY=VALUE, such as every=900, salinity.low=0 or "
          "broker.port=8883" },
        { "set every=1 every=2", "set: \"every=2\": that setting is given twice" },
        { "set every=\xff", "every: no UTF-8 text" },
        { "set every=abc", "set: \"every=abc\": write a number, true, false or null behind =" },
        { "set every=", "set: \"every=\": write a number, true, false or null behind =" },
        { "set ph.low=\"0\"",
          "set: \"ph.low=\"0\"\": write a number, true, false or null behind =" },
        { "set share=[90]", "set: \"share=[90]\": write a number, true, false or null behind =" },
        { "set broker.port=x", "set: \"broker.port=x\": write a number, true, false or null behind "
                               "=" },
        { "calibrate ph", "calibrate: write show, or PARAMETER begin|point|end|cancel|set|show" },
        { "calibrate", "write calibrate PARAMETER begin|point|end|cancel|set|show ..., or "
                       "calibrate show" },
        { "calibrate ph show 1", "calibrate: write PARAMETER show" },
        { "calibrate ph stir", "calibrate: no step \"stir\"; there are begin, point, end, cancel, "
                               "set and show" },
        { "calibrate ph point", "calibrate: write PARAMETER point VALUE" },
        { "calibrate ph point acid", "calibrate: \"acid\": write a number" },
        { "calibrate ph end 3", "calibrate: write PARAMETER end" },
        { "calibrate ph set 1 2 3 4 5",
          "write calibrate PARAMETER begin|point|end|cancel|set|show ..., or calibrate show" },
        { "calibrate ph begin --by \xff", "operator: no UTF-8 text" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct built built = build("x", cases[i].line);
        assert_string_equal(built.problem.text, cases[i].problem);
        assert_int_equal(built.result, CLI_USAGE);
    }
}

static void test_settings_of_a_file(void **state)
{
    (void)state;
    static const struct {
        const char *content;
        enum cli_exit result;
        const char *said; /* the command, or a part of the problem */
    } cases[] = {
        { "{\n  \"every\": 900,\n  \"channels\": {\"ph\": {\"low\": 0}}\n}\n", CLI_GOOD,
          "{\"id\":\"f\",\"do\":\"set\",\"settings\":{\"every\":900,\"channels\":{\"ph\":{\"low\":"
          "0}}}}" },
        { "[1]", CLI_BAD, "one JSON object expected" },
        { "{\n\"every\": }", CLI_BAD, ":2: " },
        { "{\"every\":1,\"every\":2}", CLI_BAD, ":1: " },
        { "{\"broker\":{\"host\":\"h\",\"port\":1},\"share\":null}", CLI_GOOD, "\"h\"" },
        { "{\"broker\":null}", CLI_GOOD, "null" },
        { "{\"share\":90,\"every\":\"15m\"}", CLI_BAD,
          ": every: write a number, true, false or null" },
        { "{\"host\":\"h\"}", CLI_BAD, ": host: write a number, true, false or null" },
        { "{\"broker\":{\"host\":\"h\",\"port\":\"1\"}}", CLI_BAD, ": port: write a number" },
        { "{\"channels\":{\"ph\":{\"low\":0},\"do\":{\"high\":\"x\"}}}", CLI_BAD, ": high: write" },
    };
    char path[] = "/tmp/phusa-order-XXXXXX", line[100];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)snprintf(line, sizeof line, "set %s", path);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ssize_t length = (ssize_t)strlen(cases[i].content);
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, cases[i].content, (size_t)length, 0), length);
        struct built built = build("f", line);
        assert_int_equal(built.result, cases[i].result);
        assert_non_null(
            strstr(built.result == CLI_GOOD ? built.text : built.problem.text, cases[i].said));
    }
    (void)close(fd);
    (void)unlink(path);
    struct built built = build("f", line);
    assert_int_equal(built.result, CLI_BAD);
    assert_non_null(strstr(built.problem.text, "unable to open"));
}

static void test_no_longer_than_a_station_reads(void **state)
{
    (void)state;
    assert_int_equal(ORDER_BYTES_MAX, COMMAND_BYTES_MAX);
    assert_int_equal(ORDER_ID_MAX, COMMAND_ID_MAX);
    assert_true(ORDER_ANSWER_MAX > COMMAND_RSP_MAX);
    char line[2100] = "set broker.host=";
    size_t frame =
        strlen("{\"id\":\"x\",\"do\":\"set\",\"settings\":{\"broker\":{\"host\":\"\"}}}");
    memset(line + strlen(line), 'v', ORDER_BYTES_MAX - frame);
    assert_int_equal(build("x", line).result, CLI_GOOD);
    assert_int_equal(strlen(build("x", line).text), ORDER_BYTES_MAX);
    line[strlen(line)] = 'v';
    struct built built = build("x", line);
    assert_int_equal(built.result, CLI_BAD);
    assert_string_equal(built.problem.text,
                        "the command would have 2049 bytes, and a station reads 2048");
}

static void test_ids(void **state)
{
    (void)state;
    char longest[ORDER_ID_MAX + 2] = "";
    memset(longest, 'x', ORDER_ID_MAX);
    assert_true(order_id_valid("7f3a"));
    assert_true(order_id_valid(longest));
    longest[ORDER_ID_MAX] = 'x';
    static const char *const wrong[] = { "", "a\"", "a\\", "Bảy", "a\n" };
    assert_false(order_id_valid(longest));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(order_id_valid(wrong[i]));
    }
}

/* --- a station that gets them ------------------------------------------------------------- */

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

/* The error of the station's answer, "" if it did as it was told. */
static const char *ask(const char *line)
{
    static unsigned count;
    static char error[200];
    char id[20];
    int64_t trial_s;
    (void)snprintf(id, sizeof id, "order-%u", ++count);
    struct built built = build(id, line);
    assert_int_equal(built.result, CLI_GOOD);
    json_t *answer = order_answer_read(phusa_text_of(port_ask(port, built.text)), id);
    assert_non_null(answer);
    bool refused = order_answer_judge(answer, &trial_s) == ORDER_REFUSED;
    (void)snprintf(error, sizeof error, "%s", refused ? order_answer_error(answer) : "");
    json_decref(answer);
    return error;
}

static void test_a_station_does_them(void **state)
{
    (void)state;
    assert_string_equal(ask("identify --for 20"), "");
    assert_true(port->pins.level[PORT_LIGHT]);
    port_pass(port, 20 * SECOND_NS, SECOND_NS);
    assert_false(port->pins.level[PORT_LIGHT]);
    assert_string_equal(ask("maintenance on --minutes 90"), "");
    assert_true(port->station.orders.maintenance);
    assert_string_equal(ask("maintenance off"), "");
    assert_false(port->station.orders.maintenance);
    assert_string_equal(ask("lamp on --minutes 5"), "");
    assert_int_equal(station_lamp(&port->station), STATION_LAMP_ON);
    assert_string_equal(ask("lamp auto"), "");
    assert_int_equal(station_lamp(&port->station), STATION_LAMP_AUTO);
    port_pass(port, HOUR_NS, MINUTE_NS);
    uint64_t taken = port->taken_count;
    assert_string_equal(ask("resend --from 1 --to 3"), "");
    port_pass(port, MINUTE_NS, SECOND_NS);
    assert_int_equal(port->taken_count, taken + 3);
    assert_string_equal(ask("set every=600 salinity.n=true"), "");
    assert_int_equal(port->station.settings.every_ns, 600 * SECOND_NS);
    assert_string_equal(ask("report"), "");
    assert_string_equal(ask("reboot"), "");
    port_pass(port, 5 * SECOND_NS, SECOND_NS);
    assert_int_equal(port->board.resets, 1);
}

static struct hal_sample half(struct port *of, size_t channel, int64_t at_ns)
{
    (void)channel;
    (void)at_ns;
    return port_value(of->now.mono_ns < 5000 * SECOND_NS ? 0.5 : 12.0);
}

static void test_a_station_is_calibrated(void **state)
{
    (void)state;
    port->sample = half;
    assert_string_equal(ask("calibrate salinity begin --by Bảy"), "");
    port_pass(port, 16 * MINUTE_NS, SECOND_NS);
    assert_string_equal(ask("calibrate salinity point 1 --by Bảy"), "");
    port_pass(port, 5000 * SECOND_NS - port->now.mono_ns, SECOND_NS);
    assert_string_equal(ask("calibrate salinity begin --by Bảy"), "");
    assert_string_equal(ask("calibrate salinity cancel --by Bảy"), "");
    assert_string_equal(ask("calibrate salinity set 0.5 2 --by Bảy"), "");
    assert_true(port->station.orders.coefficients[0][1] > 1.9);
    assert_string_equal(ask("calibrate salinity show"), "");
    assert_non_null(strstr(port->answer, "\"operator\":\"Bảy\""));
    assert_string_equal(ask("calibrate show"), "");
    assert_non_null(strstr(port->answer, "{\"salinity\":"));
    assert_string_equal(ask("calibrate salinity set --by Bảy"), "");
    assert_true(port->station.orders.coefficients[0][1] < 1.1);
}

static void test_a_station_refuses_in_its_words(void **state)
{
    (void)state;
    static const struct {
        const char *line, *error;
    } cases[] = {
        { "identify --for 3601", "seconds: 1 to 3600 expected" },
        { "maintenance on --minutes 10081", "minutes: 1 to 10080 expected" },
        { "lamp on --minutes 721", "minutes: 0 to 720 expected" },
        { "resend --from 50 --to 60", "none of these reports is held" },
        { "set every=0", "every: a whole number from 1 to 86400 expected" },
        { "set ph.low=0", "ph: no such channel" },
        { "set every=1.5", "every: a whole number from 1 to 86400 expected" },
        { "set every=60 --trial 29", "trial_s: 30 to 86400 expected" },
        { "calibrate ph begin --by An", "parameter: one of this station's expected" },
        { "calibrate salinity begin", "operator: a name of 1 to 32 bytes expected" },
        { "calibrate salinity point 1 --by An", "no calibration of this parameter is under way" },
        { "calibrate salinity set 1 --by An", "coefficients: 2 to 4 numbers expected" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(ask(cases[i].line), cases[i].error);
    }
}

/* --- answers ------------------------------------------------------------------------------ */

static void test_answers_are_judged(void **state)
{
    (void)state;
    static const struct {
        const char *payload;
        enum order_outcome outcome;
    } cases[] = {
        { "{\"id\":\"x\",\"ok\":true}", ORDER_DONE },
        { "{\"id\":\"x\",\"ok\":true,\"trial_s\":600}", ORDER_ON_TRIAL },
        { "{\"id\":\"x\",\"ok\":true,\"kept\":true}", ORDER_DONE },
        { "{\"id\":\"x\",\"ok\":true,\"trial_s\":600,\"kept\":true}", ORDER_DONE },
        { "{\"id\":\"x\",\"ok\":true,\"trial_s\":-1}", ORDER_DONE },
        { "{\"id\":\"x\",\"ok\":true,\"trial_s\":9000000000000000000}", ORDER_DONE },
        { "{\"id\":\"x\",\"ok\":false,\"trial_s\":600,\"error\":7}", ORDER_REFUSED },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t trial_s = 0;
        json_t *answer = order_answer_read(phusa_text_of(cases[i].payload), "x");
        assert_non_null(answer);
        assert_int_equal(order_answer_judge(answer, &trial_s), cases[i].outcome);
        assert_true(cases[i].outcome != ORDER_ON_TRIAL || trial_s == 600);
        assert_string_equal(order_answer_error(answer), "it does not say why");
        json_decref(answer);
    }
}

static void test_what_is_no_answer(void **state)
{
    (void)state;
    static const char *const others[] = { "",
                                          "{",
                                          "7",
                                          "[]",
                                          "{\"id\":\"y\",\"ok\":true}",
                                          "{\"id\":\"x\"}",
                                          "{\"id\":\"x\",\"ok\":1}",
                                          "{\"id\":7,\"ok\":true}",
                                          "{\"id\":\"x\",\"ok\":true} and",
                                          "{\"id\":\"x\",\"ok\":true,\"a\":\"\xff\"}" };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_null(order_answer_read(phusa_text_of(others[i]), "x"));
    }
    char *big = calloc(1, ORDER_ANSWER_MAX + 2);
    assert_non_null(big);
    memset(big, ' ', ORDER_ANSWER_MAX + 1);
    memcpy(big, "{\"id\":\"x\",\"ok\":true}", 20);
    assert_null(order_answer_read((struct phusa_text){ big, ORDER_ANSWER_MAX + 1 }, "x"));
    json_t *longest = order_answer_read((struct phusa_text){ big, ORDER_ANSWER_MAX }, "x");
    assert_non_null(longest);
    json_decref(longest);
    free(big);
}

static void test_an_answer_for_people(void **state)
{
    (void)state;
    static const char payload[] =
        "{\"id\":\"x\",\"ok\":true,\"clock\":\"synced\",\"up\":7,\"raw\":0.1,\"starts\":{\"power\":"
        "1,"
        "\"b\\u001b[0m\":2},\"after\":[0,1.5],\"deep\":{\"a\":{\"b\":1}},\"trial\":false,"
        "\"time\":1767225600,\"calibrations\":{\"ph\":1767225661,\"level\":0}}";
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    json_t *answer = order_answer_read(phusa_text_of(payload), "x");
    assert_non_null(out);
    order_answer_print(out, answer);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "  clock                         synced\n"
                              "  up                            7\n"
                              "  raw                           0.1\n"
                              "  starts.power                  1\n"
                              "  starts.b\\x1b[0m                  2\n"
                              "  after                         [0, 1.5]\n"
                              "  deep.a                        {\"b\": 1}\n"
                              "  trial                         false\n"
                              "  time                          2026-01-01T00:00:00+00:00\n"
                              "  calibrations.ph               2026-01-01T00:01:01+00:00\n"
                              "  calibrations.level            0\n");
    json_decref(answer);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_become_commands),
        cmocka_unit_test(test_what_is_no_command),
        cmocka_unit_test(test_settings_of_a_file),
        cmocka_unit_test(test_no_longer_than_a_station_reads),
        cmocka_unit_test(test_ids),
        cmocka_unit_test_setup_teardown(test_a_station_does_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_station_is_calibrated, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_station_refuses_in_its_words, set_up, tear_down),
        cmocka_unit_test(test_answers_are_judged),
        cmocka_unit_test(test_what_is_no_answer),
        cmocka_unit_test(test_an_answer_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
