/* SDI-12: the standard's own examples, and sensors that answer as they should and as they should
 * not. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "draws.h"
#include "drivers/sdi12.h"
#include "port/fake/bus.h"
#include "shared_data.h"

#define STEP     (FAKE_MILLI / 2)
#define WAIT_MAX 60

static struct phusa_text text_of(const char *string)
{
    return phusa_text_of(string);
}

/* --- parts of the protocol ---------------------------------------------------------- */

static json_t *load_vectors(void)
{
    size_t size = 0;
    char *text = (char *)shared_read("11-crc/crc_vectors.json", &size);
    json_t *all = text == NULL ? NULL : json_loadb(text, size, 0, NULL);
    json_t *vectors = json_incref(json_object_get(all, "sdi12"));
    json_decref(all);
    free(text);
    return vectors;
}

static void check_valid(const json_t *entry)
{
    const char *line = json_string_value(json_object_get(entry, "response"));
    const json_t *values = json_object_get(entry, "values");
    struct phusa_text text = { line + 1, strlen(line) - 4 };
    double found[SDI12_VALUES_MAX];
    assert_true(sdi12_crc_right(text_of(line)));
    assert_int_equal(sdi12_parse_values(text, found, SDI12_VALUES_MAX), json_array_size(values));
    for (size_t i = 0; i < json_array_size(values); i++) {
        assert_true(found[i] == json_number_value(json_array_get(values, i)));
    }
}

static void test_vectors(void **state)
{
    (void)state;
    json_t *vectors = load_vectors(), *entry;
    size_t index;
    unsigned seconds = 0, count = 0;
    if (vectors == NULL) {
        skip();
    }
    json_array_foreach(json_object_get(vectors, "valid"), index, entry)
    {
        check_valid(entry);
    }
    json_array_foreach(json_object_get(vectors, "invalid"), index, entry)
    {
        assert_false(sdi12_crc_right(text_of(json_string_value(entry))));
    }
    for (int concurrent = 0; concurrent < 2; concurrent++) {
        const char *name = concurrent ? "concurrent_responses" : "measure_responses";
        json_array_foreach(json_object_get(vectors, name), index, entry)
        {
            const char *line = json_string_value(json_array_get(entry, 0));
            assert_true(sdi12_parse_start(text_of(line), concurrent, &seconds, &count));
            assert_int_equal(seconds, json_integer_value(json_array_get(entry, 1)));
            assert_int_equal(count, json_integer_value(json_array_get(entry, 2)));
            assert_false(sdi12_parse_start(text_of(line), !concurrent, &seconds, &count));
        }
    }
    json_array_foreach(json_object_get(vectors, "malformed_measure"), index, entry)
    {
        assert_false(sdi12_parse_start(text_of(json_string_value(entry)), false, &seconds, &count));
    }
    json_decref(vectors);
}

static void test_crc(void **state)
{
    (void)state;
    char crc[3];
    sdi12_crc("0+3.14", 6, crc); /* section 4.4.12.3 */
    assert_memory_equal(crc, "OqZ", 3);
    sdi12_crc("123456789", 9, crc); /* CRC-16/ARC: 0xBB3D */
    assert_memory_equal(crc, "Kl}", 3);
    assert_false(sdi12_crc_right(text_of("OqZ")));
    assert_false(sdi12_crc_right(text_of("")));
}

static void test_parse_values(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int count;
        double first;
    } cases[] = {
        { "", 0, 0 },
        { "+0", 1, 0 },
        { "-0.05", 1, -0.05 },
        { "+1234567", 1, 1234567 },
        { "+.1234567", 1, 0.1234567 },
        { "+12.", 1, 12 },
        { "+003.10-7", 2, 3.1 },
        { "-9999.99+1", 2, -9999.99 },
        { "3.14", -1, 0 },
        { "+", -1, 0 },
        { "+.", -1, 0 },
        { "+1.2.3", -1, 0 },
        { "+12345678", -1, 0 },
        { "+1 +2", -1, 0 },
        { "+1,+2", -1, 0 },
        { "+1e5", -1, 0 },
        { "+NaN", -1, 0 },
        { "+1+", -1, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double values[2] = { 0 };
        int count = sdi12_parse_values(text_of(cases[i].text), values, 2);
        if (count != cases[i].count || (count > 0 && values[0] != cases[i].first)) {
            fail_msg("\"%s\" gave %d, %.17g", cases[i].text, count, values[0]);
        }
    }
    double one = 0;
    assert_int_equal(sdi12_parse_values(text_of("+1+2+3"), &one, 1), 3);
    assert_true(one == 1);
}

/* --- a sensor at the other end ------------------------------------------------------ */

/* What it answers to which command, in the order asked; NULL as answer is silence. */
struct act {
    const char *command, *answer;
    const char *later; /* said by itself, a service request */
    int64_t later_ms;
};

static struct fake_bus bus;
static struct sdi12 sdi12;
static const struct act *acts;
static size_t act_count, act_at;
static unsigned attempts;

static void play(struct fake_bus *to, const uint8_t *bytes, size_t length)
{
    attempts++;
    if (act_at == act_count) {
        return;
    }
    const struct act *act = &acts[act_at];
    if (strlen(act->command) != length || memcmp(act->command, bytes, length) != 0) {
        return; /* the test sees that the play did not go on */
    }
    act_at++;
    if (act->answer != NULL) {
        fake_bus_put(to, act->answer, strlen(act->answer), 12 * FAKE_MILLI);
    }
    if (act->later != NULL) {
        fake_bus_put(to, act->later, strlen(act->later), act->later_ms * FAKE_MILLI);
    }
}

static int make_bus(void **state)
{
    (void)state;
    fake_bus_init(&bus, 1320); /* 10 bits a character, while the bus counts 11 */
    bus.now = 5000 * FAKE_MILLI;
    bus.answer = play;
    sdi12_init(&sdi12, &bus.hal, 0);
    attempts = 0;
    return 0;
}

static enum sdi12_result run(void)
{
    for (int64_t end = bus.now + 100000 * FAKE_MILLI; bus.now < end; bus.now += STEP) {
        enum sdi12_result result = sdi12_step(&sdi12, bus.now);
        if (result != SDI12_BUSY) {
            return result;
        }
    }
    return SDI12_BUSY;
}

#define PLAY(...)                                                                                  \
    static const struct act script[] = { __VA_ARGS__ };                                            \
    acts = script, act_count = sizeof script / sizeof script[0], act_at = 0

static enum sdi12_result measure(const struct sdi12_measurement *measurement)
{
    sdi12_start(&sdi12, measurement, WAIT_MAX, bus.now);
    return run();
}

static void expect_values(const double *expected, size_t count)
{
    size_t found = 0;
    const double *values = sdi12_values(&sdi12, &found);
    assert_int_equal(found, count);
    assert_memory_equal(values, expected, count * sizeof *values);
    assert_int_equal(act_at, act_count);
}

static const struct sdi12_measurement M = { .address = '0' };
static const struct sdi12_measurement MC = { .address = '0', .crc = true };

static void test_ping(void **state)
{
    (void)state;
    PLAY({ "0!", "0\r\n", NULL, 0 }, { "0!", "0\r\n", NULL, 0 });
    sdi12_ping(&sdi12, '0', bus.now);
    assert_int_equal(run(), SDI12_OK);
    assert_int_equal(bus.breaks, 1);
    assert_int_equal(sdi12_text(&sdi12).length, 0);
    sdi12_ping(&sdi12, '0', bus.now);
    assert_int_equal(run(), SDI12_OK);
    assert_int_equal(bus.breaks, 1); /* it is still awake */
    bus.now += 100 * FAKE_MILLI;
    sdi12_ping(&sdi12, '0', bus.now);
    (void)run();
    assert_true(bus.breaks > 1);
}

static void test_values_at_once(void **state)
{
    (void)state;
    PLAY({ "0M!", "00003\r\n", NULL, 0 }, { "0D0!", "0+3.14+2.718+1.414\r\n", NULL, 0 });
    assert_int_equal(measure(&M), SDI12_OK);
    expect_values((double[]){ 3.14, 2.718, 1.414 }, 3);
    assert_int_equal(bus.breaks, 1);
}

static void test_service_request(void **state)
{
    (void)state;
    PLAY({ "0MC!", "00101\r\n", "0\r\n", 2500 }, { "0D0!", "0+3.14OqZ\r\n", NULL, 0 });
    int64_t begun = bus.now;
    assert_int_equal(measure(&MC), SDI12_OK);
    expect_values((double[]){ 3.14 }, 1);
    assert_in_range((bus.now - begun) / FAKE_MILLI, 2500, 3200); /* and not 10 s */
}

static void test_no_service_request(void **state)
{
    (void)state;
    PLAY({ "0M!", "00021\r\n", NULL, 0 }, { "0D0!", "0+1\r\n", NULL, 0 });
    int64_t begun = bus.now;
    assert_int_equal(measure(&M), SDI12_OK);
    expect_values((double[]){ 1 }, 1);
    assert_in_range((bus.now - begun) / FAKE_MILLI, 2000, 2600);
    assert_int_equal(bus.breaks, 2); /* it went to sleep meanwhile */
}

/* Section 4.4.12.3 c: more values than fit one answer. */
static void test_pages(void **state)
{
    (void)state;
    PLAY({ "0MC2!", "00009\r\n", NULL, 0 },
         { "0D0!", "0+1.11+2.22+3.33+4.44+5.55+6.66I]q\r\n", NULL, 0 },
         { "0D1!", "0+7.77+8.88+9.99IvW\r\n", NULL, 0 });
    const struct sdi12_measurement second = { .address = '0', .crc = true, .number = 2 };
    assert_int_equal(measure(&second), SDI12_OK);
    expect_values((double[]){ 1.11, 2.22, 3.33, 4.44, 5.55, 6.66, 7.77, 8.88, 9.99 }, 9);
}

static void test_concurrent(void **state)
{
    (void)state;
    PLAY({ "0CC!", "001320\r\n", NULL, 0 }, { "0D0!", "0+3.14+2.718IWO\r\n", NULL, 0 });
    const struct sdi12_measurement cc = { .address = '0', .concurrent = true, .crc = true };
    int64_t begun = bus.now;
    assert_int_equal(measure(&cc), SDI12_OK);
    assert_true(bus.now - begun < 500 * FAKE_MILLI);
    assert_int_equal(sdi12_wait_s(&sdi12), 13);
    assert_int_equal(sdi12_expected(&sdi12), 20);
    bus.now += 13000 * FAKE_MILLI;
    sdi12_collect(&sdi12, &cc, 2, bus.now);
    assert_int_equal(run(), SDI12_OK);
    expect_values((double[]){ 3.14, 2.718 }, 2);
}

static void test_damaged_values_are_asked_for_again(void **state)
{
    (void)state;
    PLAY({ "0MC!", "00001\r\n", NULL, 0 }, { "0D0!", "0+3.15OqZ\r\n", NULL, 0 },
         { "0D0!", "0+3.1", NULL, 0 }, { "0D0!", NULL, NULL, 0 },
         { "0D0!", "0+3.14OqZ\r\n", NULL, 0 });
    assert_int_equal(measure(&MC), SDI12_OK);
    expect_values((double[]){ 3.14 }, 1);
}

static void test_echo_of_the_adapter(void **state)
{
    (void)state;
    PLAY({ "0M!", "0M!00001\r\n", NULL, 0 }, { "0D0!", "0D0!0-4.5\r\n", NULL, 0 });
    assert_int_equal(measure(&M), SDI12_OK);
    expect_values((double[]){ -4.5 }, 1);
}

/* The standard's retries: three attempts after each of three breaks, over in a second. */
static void test_silence(void **state)
{
    (void)state;
    PLAY({ "?", NULL, NULL, 0 });
    int64_t begun = bus.now;
    assert_int_equal(measure(&M), SDI12_SILENT);
    assert_int_equal(attempts, SDI12_ATTEMPTS * SDI12_BREAKS);
    assert_int_equal(bus.breaks, SDI12_BREAKS);
    assert_true(bus.now - begun < 1000 * FAKE_MILLI);
}

static void test_last_attempt_is_late_enough_to_wake(void **state)
{
    (void)state;
    PLAY({ "?", NULL, NULL, 0 });
    sdi12_ping(&sdi12, '0', bus.now);
    int64_t awake = 0, last = 0;
    unsigned seen = 0;
    while (attempts < SDI12_ATTEMPTS || seen < attempts) {
        assert_int_equal(sdi12_step(&sdi12, bus.now), SDI12_BUSY);
        if (bus.breaks == 1 && awake == 0) {
            awake = bus.busy_until;
        }
        if (attempts > seen) {
            seen = attempts;
            last = bus.now;
        }
        bus.now += STEP;
    }
    assert_true(last - awake >= 100 * FAKE_MILLI);
}

static void test_bad_answers(void **state)
{
    (void)state;
    static const struct {
        const char *start, *data;
        enum sdi12_result result;
    } cases[] = {
        { "10001\r\n", NULL, SDI12_BAD_ADDRESS },
        { "0001\r\n", NULL, SDI12_BAD_ANSWER },
        { "00x01\r\n", NULL, SDI12_BAD_ANSWER },
        { "00001\n", NULL, SDI12_BAD_ANSWER },
        { "\x01\xff\r\n", NULL, SDI12_BAD_ANSWER },
        { "\r\n", NULL, SDI12_BAD_ANSWER },
        { "00000\r\n", NULL, SDI12_ABORTED },
        { "00611\r\n", NULL, SDI12_TOO_SLOW },
        { "00001\r\n", "0\r\n", SDI12_ABORTED },
        { "00001\r\n", "0+1+2\r\n", SDI12_BAD_ANSWER },
        { "00001\r\n", "0+1x\r\n", SDI12_BAD_ANSWER },
        { "00001\r\n", "1+1\r\n", SDI12_BAD_ADDRESS },
        { "00001\r\n",
          "0+1234567+1234567+1234567+1234567+1234567+1234567+1234567+1234567+1234567+1234567+12345"
          "67+1234567+1234567\r\n",
          SDI12_BAD_ANSWER },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct act script[1 + SDI12_ATTEMPTS * SDI12_BREAKS];
        size_t count = sizeof script / sizeof script[0];
        for (size_t k = 0; k < count; k++) {
            bool data = k > 0 && cases[i].data != NULL;
            script[k] = (struct act){ data ? "0D0!" : "0M!", data ? cases[i].data : cases[i].start,
                                      NULL, 0 };
        }
        fake_bus_clear(&bus);
        acts = script, act_count = count, act_at = 0;
        enum sdi12_result result = measure(&M);
        if (result != cases[i].result) {
            fail_msg("case %zu gave %d", i, result);
        }
        bus.now += 2000 * FAKE_MILLI;
    }
}

/* A sensor that answers in time. */
static void play_in_time(struct fake_bus *to, const uint8_t *bytes, size_t length)
{
    (void)length;
    fake_bus_put(to, bytes[1] == 'D' ? "0+923\r\n" : "00001\r\n", 7, 12 * FAKE_MILLI);
}

/* What another sensor says late, at any moment, is not taken for this one's answer. */
static void test_late_answers_are_nobodys(void **state)
{
    (void)state;
    static const char *const late[] = { "10001\r\n", "1+123\r\n", "1\r\n", "10002\r\n" };
    unsigned good = 0;
    bus.answer = play_in_time;
    act_at = act_count = 0;
    for (int i = 0; i < 1200; i++) {
        fake_bus_clear(&bus);
        fake_bus_put(&bus, late[i % 4], strlen(late[i % 4]), i / 4 * FAKE_MILLI);
        enum sdi12_result result = measure(&M);
        if (result == SDI12_OK) {
            expect_values((double[]){ 923 }, 1);
            good++;
        }
        bus.now += 2000 * FAKE_MILLI;
    }
    print_message("%u of 1200 good\n", good);
    assert_in_range(good, 1000, 1200);
}

static void test_port_that_cannot(void **state)
{
    (void)state;
    PLAY({ "0M!", "00001\r\n", NULL, 0 });
    bus.refuses = true;
    assert_int_equal(measure(&M), SDI12_BUS_FAILED);
    bus.refuses = false;
    bus.hal.send_break = NULL;
    sdi12_init(&sdi12, &bus.hal, 0);
    assert_int_equal(measure(&M), SDI12_BUS_FAILED);
    assert_int_equal(sdi12_step(&sdi12, bus.now), SDI12_BUS_FAILED);
}

static struct draws dice;

/* A sensor whose every answer may lose, gain or change a character. */
static void play_damaged(struct fake_bus *to, const uint8_t *bytes, size_t length)
{
    char answer[32] = "00001\r\n";
    if (bytes[length - 2] != 'C') {
        (void)snprintf(answer, sizeof answer, bytes[2] == '0' ? "0+3.14OqZ\r\n" : "0AP@\r\n");
    }
    size_t size = strlen(answer);
    if (draw_below(&dice, 3) == 0) {
        answer[draw_below(&dice, size)] ^= (char)(1u << draw_below(&dice, 7));
    } else if (draw_below(&dice, 4) == 0) {
        size = draw_below(&dice, size);
    }
    fake_bus_put(to, answer, size, (int64_t)draw_below(&dice, 25) * FAKE_MILLI);
}

/* With a CRC nothing wrong is taken for a value. */
static void test_a_line_that_damages(void **state)
{
    (void)state;
    int good = 0;
    dice = draws_begin();
    bus.answer = play_damaged;
    for (int i = 0; i < 300; i++) {
        fake_bus_clear(&bus);
        enum sdi12_result result = measure(&MC);
        assert_int_not_equal(result, SDI12_BUSY);
        if (result == SDI12_OK) {
            size_t count = 0;
            const double *values = sdi12_values(&sdi12, &count);
            assert_true(count == 1 && values[0] == 3.14);
            good++;
        }
        bus.now += 300 * FAKE_MILLI;
    }
    assert_in_range(good, 150, 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_crc),
        cmocka_unit_test(test_parse_values),
        cmocka_unit_test_setup(test_ping, make_bus),
        cmocka_unit_test_setup(test_values_at_once, make_bus),
        cmocka_unit_test_setup(test_service_request, make_bus),
        cmocka_unit_test_setup(test_no_service_request, make_bus),
        cmocka_unit_test_setup(test_pages, make_bus),
        cmocka_unit_test_setup(test_concurrent, make_bus),
        cmocka_unit_test_setup(test_damaged_values_are_asked_for_again, make_bus),
        cmocka_unit_test_setup(test_echo_of_the_adapter, make_bus),
        cmocka_unit_test_setup(test_silence, make_bus),
        cmocka_unit_test_setup(test_last_attempt_is_late_enough_to_wake, make_bus),
        cmocka_unit_test_setup(test_bad_answers, make_bus),
        cmocka_unit_test_setup(test_late_answers_are_nobodys, make_bus),
        cmocka_unit_test_setup(test_port_that_cannot, make_bus),
        cmocka_unit_test_setup(test_a_line_that_damages, make_bus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
