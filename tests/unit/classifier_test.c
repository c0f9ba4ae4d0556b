/* The classifier's line protocol: golden lines, each way to be wrong, and a noisy line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "draws.h"
#include "drivers/classifier.h"
#include "port/fake/bus.h"

#define SECOND INT64_C(1000000000)

/* --- lines --------------------------------------------------------------------------- */

static bool parse(const char *text, struct classifier_line *line)
{
    return classifier_parse(phusa_text_of(text), line);
}

static void the_checksum_is_the_catalogued_one(void **state)
{
    (void)state;
    assert_int_equal(classifier_crc(PHUSA_TEXT("123456789")), 0x29b1);
    assert_int_equal(classifier_crc(PHUSA_TEXT("")), 0xffff);
}

/* Their checksums were computed with another program. */
static void golden_lines_are_read(void **state)
{
    (void)state;
    struct classifier_line line;
    assert_true(parse("$INS,1,5f3a09c1,217,0,3,120,4,0*1A6D", &line));
    assert_int_equal(line.session, 0x5f3a09c1);
    assert_int_equal(line.number, 217);
    assert_int_equal(line.state, CLASSIFIER_COUNTING);
    assert_int_equal(line.classes, 3);
    assert_int_equal(line.counts[0], 120);
    assert_int_equal(line.counts[1], 4);
    assert_int_equal(line.counts[2], 0);
    assert_true(parse("$INS,1,00000000,0,3,1,4294967295*5bb3", &line));
    assert_int_equal(line.state, CLASSIFIER_FAULT);
    assert_true(line.counts[0] == UINT32_MAX);
    assert_true(parse("$INS,1,DEADBEEF,65535,2,16,4294967295,4294967295,4294967295,4294967295,"
                      "4294967295,4294967295,4294967295,4294967295,4294967295,4294967295,"
                      "4294967295,4294967295,4294967295,4294967295,4294967295,4294967295*fb33",
                      &line));
    assert_int_equal(line.classes, 16);
    assert_int_equal(line.number, 65535);
}

/* A body with its right checksum: so the checksum is not why it is refused. */
static bool parse_body(const char *body, struct classifier_line *line)
{
    char text[300];
    int length = snprintf(text, sizeof text, "$%s*%04X", body,
                          (unsigned)classifier_crc(phusa_text_of(body)));
    return classifier_parse((struct phusa_text){ text, (size_t)length }, line);
}

static void wrong_lines_are_refused(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "",
        "INS",
        "INS,1",
        "INS,1,",
        "INS,2,5f3a09c1,217,0,1,5",  /* another version */
        "INS,1,5f3a09c,217,0,1,5",   /* a digit less */
        "INS,1,5f3a09c11,217,0,1,5", /* and more */
        "INS,1,5f3a09cg,217,0,1,5",
        "INS,1,5f3a09c1,65536,0,1,5",
        "INS,1,5f3a09c1,0217,0,1,5",
        "INS,1,5f3a09c1,-1,0,1,5",
        "INS,1,5f3a09c1,,0,1,5",
        "INS,1,5f3a09c1,217,4,1,5", /* no such state */
        "INS,1,5f3a09c1,217,0,0",   /* no classes */
        "INS,1,5f3a09c1,217,0,0,",
        "INS,1,5f3a09c1,217,0,17,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1",
        "INS,1,5f3a09c1,217,0,2,5",   /* fewer than said */
        "INS,1,5f3a09c1,217,0,1,5,6", /* more than said */
        "INS,1,5f3a09c1,217,0,1,4294967296",
        "INS,1,5f3a09c1,217,0,1,99999999999999999999999999",
        "INS,1,5f3a09c1,217,0,1, 5",
        "INS,1,5f3a09c1,217,0,1,5 ",
        "INS,1,5f3a09c1,217,0,1,5.0",
        "ins,1,5f3a09c1,217,0,1,5",
    };
    struct classifier_line line;
    assert_true(parse_body("INS,1,5f3a09c1,217,0,1,5", &line));
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        if (parse_body(bodies[i], &line)) {
            fail_msg("taken: %s", bodies[i]);
        }
    }
    assert_false(parse("INS,1,5f3a09c1,217,0,3,120,4,0*1A6D", &line));
    assert_false(parse("$INS,1,5f3a09c1,217,0,3,120,4,0*1A6C", &line));
    assert_false(parse("$INS,1,5f3a09c1,217,0,3,120,4,0*1A6", &line));
    assert_false(parse("$INS,1,5f3a09c1,217,0,3,120,4,0*1A6D ", &line));
    assert_false(parse("$INS,1,5f3a09c1,217,0,3,120,4,0", &line));
    assert_false(parse("$INS,1,5f3a09c1,217,0,3,120,4,0*", &line));
}

/* --- a module on a bus ------------------------------------------------------------------ */

static struct fake_bus uart;
static struct classifier module;

/* The station asks; the module says something when it likes. */
static void hear(struct fake_bus *bus, const uint8_t *bytes, size_t length)
{
    (void)bus;
    assert_int_equal(length, 3);
    assert_memory_equal(bytes, "?\r\n", 3);
}

static void begin(void)
{
    fake_bus_init(&uart, CLASSIFIER_BAUD);
    uart.answer = hear;
    assert_int_equal(classifier_init(&module, &uart.hal, 0), HAL_OK);
    assert_int_equal(uart.line.baud, 9600);
    assert_int_equal(uart.line.data_bits, 8);
}

static void step(int64_t now_ns)
{
    uart.now = now_ns;
    classifier_step(&module, now_ns);
}

static void arrive(const char *text)
{
    fake_bus_put(&uart, text, strlen(text), 0);
}

static void say(uint32_t session, unsigned number, uint32_t count)
{
    char body[80], line[100];
    int length = snprintf(body, sizeof body, "INS,1,%08x,%u,0,1,%u", session, number, count);
    snprintf(line, sizeof line, "$%s*%04X\r\n", body,
             (unsigned)classifier_crc((struct phusa_text){ body, (size_t)length }));
    arrive(line);
}

static void lines_are_taken_between_noise(void **state)
{
    (void)state;
    begin();
    assert_false(classifier_alive(&module, 0));
    arrive("garbage\xff\n\n\r\n");
    say(7, 1, 5);
    arrive("$INS,1,0000"); /* its end is lost, the next line follows at once */
    say(7, 3, 9);
    step(SECOND);
    assert_int_equal(module.lines, 2);
    assert_int_equal(module.bad, 1);
    assert_int_equal(module.lost, 1);
    assert_int_equal(module.sessions, 1);
    assert_int_equal(module.latest.counts[0], 9);
    assert_true(classifier_alive(&module, SECOND + CLASSIFIER_SILENT));
    assert_false(classifier_alive(&module, SECOND + CLASSIFIER_SILENT + 1));
}

static void numbers_wrap_and_sessions_change(void **state)
{
    (void)state;
    begin();
    say(7, 65535, 5);
    say(7, 0, 6);
    say(7, 0, 6); /* twice */
    say(8, 400, 0);
    step(SECOND);
    assert_int_equal(module.lines, 4);
    assert_int_equal(module.lost, 0);
    assert_int_equal(module.sessions, 2);
}

static void an_endless_line_is_dropped(void **state)
{
    (void)state;
    begin();
    arrive("$");
    for (int i = 0; i < 30; i++) {
        arrive("00000000000000000000");
    }
    arrive("\n");
    say(7, 1, 5);
    for (int i = 0; i < 4; i++) {
        step(SECOND);
    }
    assert_int_equal(module.bad, 1);
    assert_int_equal(module.lines, 1);
}

static void a_silent_module_is_asked(void **state)
{
    (void)state;
    begin();
    for (int s = 1; s <= 90; s++) {
        step(s * SECOND);
    }
    assert_int_equal(uart.writes, 3);
    uart.busy_until = 131 * SECOND;
    for (int s = 91; s <= 130; s++) {
        step(s * SECOND);
    }
    step(131 * SECOND);
    assert_int_equal(uart.writes, 4);
}

/* Bits flip at random: no line is taken that was not sent. */
static void noise_is_never_believed(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    unsigned taken = 0;
    for (int round = 0; round < 20000; round++) {
        char text[] = "$INS,1,5f3a09c1,217,0,3,120,4,0*1A6D";
        struct classifier_line line;
        size_t flips = 1 + (size_t)draw_below(&draws, 3);
        for (size_t i = 0; i < flips; i++) {
            text[draw_below(&draws, sizeof text - 1)] ^= (char)(1 << draw_below(&draws, 7));
        }
        bool same = strcasecmp(text, "$INS,1,5f3a09c1,217,0,3,120,4,0*1A6D") == 0;
        taken += !same && classifier_parse((struct phusa_text){ text, sizeof text - 1 }, &line);
    }
    assert_int_equal(taken, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checksum_is_the_catalogued_one),
        cmocka_unit_test(golden_lines_are_read),
        cmocka_unit_test(wrong_lines_are_refused),
        cmocka_unit_test(lines_are_taken_between_noise),
        cmocka_unit_test(numbers_wrap_and_sessions_change),
        cmocka_unit_test(an_endless_line_is_dropped),
        cmocka_unit_test(a_silent_module_is_asked),
        cmocka_unit_test(noise_is_never_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
