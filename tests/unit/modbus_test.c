/* Modbus RTU: frames of others' documents, every word order, and lines where anything happens. */
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
#include "drivers/modbus_rtu.h"
#include "port/fake/bus.h"
#include "shared_data.h"

#define TIMEOUT (200 * FAKE_MILLI)
#define STEP    (FAKE_MILLI / 2)

static const struct hal_line LINE = { 9600, 8, 1, HAL_PARITY_NONE };

/* Bytes of "11 03 06 ae" (blanks are left out); their number. */
static size_t from_hex(const char *hex, uint8_t *bytes)
{
    size_t count = 0;
    for (; hex[0] != '\0'; hex++) {
        if (hex[0] != ' ') {
            char pair[3] = { hex[0], hex[1], '\0' };
            bytes[count++] = (uint8_t)strtoul(pair, NULL, 16);
            hex++;
        }
    }
    return count;
}

static size_t with_crc(uint8_t *frame, size_t length)
{
    uint16_t crc = modbus_crc(frame, length);
    frame[length] = (uint8_t)crc;
    frame[length + 1] = (uint8_t)(crc >> 8);
    return length + 2;
}

/* --- golden vectors ----------------------------------------------------------------- */

static void test_crc_vectors(void **state)
{
    (void)state;
    size_t size = 0;
    char *text = (char *)shared_read("11-crc/crc_vectors.json", &size);
    if (text == NULL) {
        skip();
    }
    json_t *vectors = json_loadb(text, size, 0, NULL);
    json_t *list = json_object_get(vectors, "modbus_rtu"), *entry;
    size_t index, checked = 0;
    json_array_foreach(list, index, entry)
    {
        uint8_t frame[MODBUS_FRAME_MAX];
        size_t length = from_hex(json_string_value(json_object_get(entry, "frame_hex")), frame);
        uint16_t crc = modbus_crc(frame, length - 2);
        bool right = frame[length - 2] == (uint8_t)crc && frame[length - 1] == crc >> 8;
        assert_int_equal(right, json_is_true(json_object_get(entry, "crc_ok")));
        checked++;
    }
    assert_int_equal(checked, 25);
    json_decref(vectors);
    free(text);
}

static void test_crc_check_value(void **state)
{
    (void)state;
    assert_int_equal(modbus_crc((const uint8_t *)"123456789", 9), 0x4B37); /* CRC-16/MODBUS */
    assert_int_equal(modbus_crc(NULL, 0), 0xFFFF);
}

static void test_requests(void **state)
{
    (void)state;
    static const struct {
        struct modbus_request request;
        const char *hex;
    } cases[] = {
        { { 0x11, MODBUS_INPUT, 8, 1 }, "110400080001b298" },
        { { 0x12, MODBUS_HOLDING, 0x016B, 3 }, "1203016b00037748" },
        { { 0x01, MODBUS_HOLDING, 0x0258, 2 }, "0103025800024460" },
        { { 0x03, MODBUS_INPUT, 0x00C0, 1 }, "030400c000013014" },
        { { 0x5F, MODBUS_HOLDING, 0x03EA, 2 }, "5f0303ea0002e8c5" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t expected[MODBUS_REQUEST_BYTES], frame[MODBUS_REQUEST_BYTES];
        from_hex(cases[i].hex, expected);
        modbus_encode(&cases[i].request, frame);
        assert_memory_equal(frame, expected, sizeof frame);
    }
}

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        struct modbus_request request;
        const char *hex;
        enum modbus_result result;
        int first; /* of the data */
    } cases[] = {
        { { 0x11, 3, 0x6B, 3 }, "110306ae415652434049ad", MODBUS_OK, 0xAE },
        { { 0x12, 3, 0x16B, 3 }, "1283023134", MODBUS_EXCEPTION, 2 },
        { { 0x01, 3, 0x258, 2 }, "01030403e813887715", MODBUS_OK, 0x03 },
        { { 0x01, 4, 0xC8, 2 }, "0104042710c350a039", MODBUS_OK, 0x27 },
        { { 0x03, 4, 0xC0, 1 }, "030402cafe17d0", MODBUS_OK, 0xCA },
        { { 0x02, 4, 0, 3 }, "02040604010000ffff4997", MODBUS_OK, 0x04 },
        { { 0x5F, 3, 0x3EA, 2 }, "5f0304000041dc743f", MODBUS_OK, 0x00 },
        /* noise before it, and the echo of the request */
        { { 0x03, 4, 0xC0, 1 }, "00 030402cafe17d0", MODBUS_OK, 0xCA },
        { { 0x03, 4, 0xC0, 1 }, "ff00 030402cafe17d0", MODBUS_OK, 0xCA },
        { { 0x03, 4, 0xC0, 1 }, "ffffff 030402cafe17d0", MODBUS_NOISE, -1 },
        { { 0x03, 4, 0xC0, 1 }, "030400c000013014 030402cafe17d0", MODBUS_OK, 0xCA },
        { { 0x03, 4, 0xC0, 1 }, "030400c000013014 00 030402cafe17d0", MODBUS_OK, 0xCA },
        /* what is no answer */
        { { 0x03, 4, 0xC0, 1 }, "030402cafe17d1", MODBUS_BAD_CRC, -1 },
        { { 0x03, 4, 0xC0, 1 }, "030402caff17d0", MODBUS_BAD_CRC, -1 },
        { { 0x04, 4, 0xC0, 1 }, "030402cafe17d0", MODBUS_BAD_ADDRESS, -1 },
        { { 0x03, 3, 0xC0, 1 }, "030402cafe17d0", MODBUS_BAD_ANSWER, -1 },
        { { 0x03, 4, 0xC0, 2 }, "030402cafe17d0", MODBUS_BAD_ANSWER, -1 },
        { { 0x03, 4, 0xC0, 1 }, "030402cafe17d000", MODBUS_BAD_ANSWER, -1 },
        { { 0x03, 4, 0xC0, 1 }, "030402cafe17", MODBUS_BAD_ANSWER, -1 },
        { { 0x03, 4, 0xC0, 1 }, "0304", MODBUS_BAD_ANSWER, -1 },
        { { 0x03, 4, 0xC0, 1 }, "fa17", MODBUS_NOISE, -1 },
        { { 0x03, 4, 0xC0, 1 }, "", MODBUS_NOISE, -1 },
        { { 0x12, 3, 0x16B, 3 }, "1283023135", MODBUS_BAD_CRC, -1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t frame[MODBUS_FRAME_MAX];
        const uint8_t *data = NULL;
        size_t length = from_hex(cases[i].hex, frame);
        enum modbus_result result = modbus_judge(&cases[i].request, frame, length, &data);
        if (result != cases[i].result || (data == NULL ? -1 : *data) != cases[i].first) {
            fail_msg("case %zu gave %d, data %d", i, result, data == NULL ? -1 : *data);
        }
    }
}

static void test_values(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        enum modbus_type type;
        enum modbus_order order;
        double value;
    } cases[] = {
        { "cafe", MODBUS_U16, MODBUS_ABCD, 51966 },
        { "feca", MODBUS_U16, MODBUS_BADC, 51966 },
        { "ffff", MODBUS_S16, MODBUS_ABCD, -1 },
        { "8000", MODBUS_S16, MODBUS_CDAB, -32768 },
        { "7fff", MODBUS_S16, MODBUS_ABCD, 32767 },
        { "0080", MODBUS_S16, MODBUS_DCBA, -32768 },
        { "00010203", MODBUS_U32, MODBUS_ABCD, 66051 },
        { "02030001", MODBUS_U32, MODBUS_CDAB, 66051 },
        { "01000302", MODBUS_U32, MODBUS_BADC, 66051 },
        { "03020100", MODBUS_U32, MODBUS_DCBA, 66051 },
        { "ffffffff", MODBUS_U32, MODBUS_ABCD, 4294967295.0 },
        { "fffffffe", MODBUS_S32, MODBUS_ABCD, -2 },
        { "80000000", MODBUS_S32, MODBUS_ABCD, -2147483648.0 },
        { "41dc0000", MODBUS_F32, MODBUS_ABCD, 27.5 },
        { "000041dc", MODBUS_F32, MODBUS_CDAB, 27.5 }, /* EE895's second and first register */
        { "dc410000", MODBUS_F32, MODBUS_BADC, 27.5 },
        { "0000dc41", MODBUS_F32, MODBUS_DCBA, 27.5 },
        { "c2f6e979", MODBUS_F32, MODBUS_ABCD, -123.45600128173828 },
        { "7f800000", MODBUS_F32, MODBUS_ABCD, INFINITY },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t data[8];
        size_t length = from_hex(cases[i].hex, data);
        assert_int_equal(length, 2 * modbus_width(cases[i].type));
        double value = modbus_value(data, cases[i].type, cases[i].order);
        if (value != cases[i].value) {
            fail_msg("%s gave %.17g", cases[i].hex, value);
        }
    }
    assert_true(isnan(modbus_value((const uint8_t *)"\x7f\xc0\0\0", MODBUS_F32, MODBUS_ABCD)));
}

/* --- exchanges ---------------------------------------------------------------------- */

static struct fake_bus bus;
static struct modbus_master master;
static const struct modbus_request REQUEST = { 3, MODBUS_INPUT, 0xC0, 1 };

static int make_bus(void **state)
{
    (void)state;
    fake_bus_init(&bus, LINE.baud);
    bus.now = 5000 * FAKE_MILLI;
    modbus_init(&master, &bus.hal, &LINE, 0);
    return 0;
}

static enum modbus_result run(int64_t limit_ns)
{
    int64_t end = bus.now + limit_ns;
    while (bus.now < end) {
        enum modbus_result result = modbus_step(&master, bus.now);
        if (result != MODBUS_BUSY) {
            return result;
        }
        bus.now += STEP;
    }
    return MODBUS_BUSY;
}

static void answer_right(struct fake_bus *to, const uint8_t *bytes, size_t length)
{
    (void)bytes;
    (void)length;
    fake_bus_put(to, "\x03\x04\x02\xca\xfe\x17\xd0", 7, 10 * FAKE_MILLI);
}

static enum modbus_result exchange(void)
{
    modbus_begin(&master, &REQUEST, TIMEOUT, bus.now);
    return run(5000 * FAKE_MILLI);
}

static void test_exchange(void **state)
{
    (void)state;
    bus.answer = answer_right;
    int64_t begun = bus.now;
    assert_int_equal(exchange(), MODBUS_OK);
    assert_int_equal(bus.out_count, MODBUS_REQUEST_BYTES);
    assert_memory_equal(bus.out, "\x03\x04\x00\xc0\x00\x01\x30\x14", MODBUS_REQUEST_BYTES);
    assert_int_equal((int)modbus_value(modbus_data(&master), MODBUS_U16, MODBUS_ABCD), 0xCAFE);
    /* gap 4, request 9.2, pause 10, answer 6.9, gap 4 ms */
    assert_in_range((bus.now - begun) / FAKE_MILLI, 30, 40);
    assert_int_equal(modbus_step(&master, bus.now), MODBUS_BUS_FAILED); /* it has ended */
}

static void test_waits_for_a_quiet_line(void **state)
{
    (void)state;
    bus.answer = answer_right;
    fake_bus_put(&bus, "\x09\x04\x02\x00\x00", 5, 2 * FAKE_MILLI);
    int64_t last = bus.in_at[bus.in_count - 1];
    modbus_begin(&master, &REQUEST, TIMEOUT, bus.now);
    while (bus.out_count == 0) {
        assert_int_equal(modbus_step(&master, bus.now), MODBUS_BUSY);
        bus.now += STEP;
    }
    assert_true(bus.now - last >= 3 * FAKE_MILLI);
    assert_int_equal(run(5000 * FAKE_MILLI), MODBUS_OK);
}

static void test_silence(void **state)
{
    (void)state;
    int64_t begun = bus.now;
    assert_int_equal(exchange(), MODBUS_SILENT);
    assert_in_range((bus.now - begun) / FAKE_MILLI, 200, 220);
}

static void answer_after_others(struct fake_bus *to, const uint8_t *bytes, size_t length)
{
    (void)bytes;
    (void)length;
    uint8_t late[16] = { 7, 3, 2, 1, 2 };
    fake_bus_put(to, late, with_crc(late, 5), 20 * FAKE_MILLI); /* somebody's late answer */
    fake_bus_put(to, "\xA5\x00\x31", 3, 60 * FAKE_MILLI);       /* noise */
    fake_bus_put(to, "\x03\x04\x02\xca\xfe\x17\xd0", 7, 90 * FAKE_MILLI); /* and ours */
}

static void test_foreign_frames_and_noise_are_passed_over(void **state)
{
    (void)state;
    bus.answer = answer_after_others;
    assert_int_equal(exchange(), MODBUS_OK);
}

static void answer_noise(struct fake_bus *to, const uint8_t *bytes, size_t length)
{
    (void)bytes;
    (void)length;
    fake_bus_put(to, "\xA5\x00\x31", 3, 60 * FAKE_MILLI);
}

static void answer_foreign(struct fake_bus *to, const uint8_t *bytes, size_t length)
{
    (void)bytes;
    (void)length;
    uint8_t late[16] = { 7, 3, 2, 1, 2 };
    fake_bus_put(to, late, with_crc(late, 5), 20 * FAKE_MILLI);
}

static void answer_short(struct fake_bus *to, const uint8_t *bytes, size_t length)
{
    (void)bytes;
    (void)length;
    fake_bus_put(to, "\x03\x04\x02\xca", 4, 10 * FAKE_MILLI);
}

static void answer_long(struct fake_bus *to, const uint8_t *bytes, size_t length)
{
    (void)bytes;
    (void)length;
    uint8_t frame[64] = { 3, 4, 4, 0xca, 0xfe, 1, 2 };
    fake_bus_put(to, frame, with_crc(frame, 7), 10 * FAKE_MILLI);
}

static void answer_for_ever(struct fake_bus *to, const uint8_t *bytes, size_t length)
{
    (void)bytes;
    (void)length;
    uint8_t babble[2000];
    memset(babble, 0x55, sizeof babble);
    fake_bus_put(to, babble, sizeof babble, 10 * FAKE_MILLI);
}

static void test_bad_answers(void **state)
{
    (void)state;
    static const struct {
        void (*answer)(struct fake_bus *, const uint8_t *, size_t);
        enum modbus_result result;
    } cases[] = { { answer_noise, MODBUS_NOISE },
                  { answer_foreign, MODBUS_BAD_ADDRESS },
                  { answer_short, MODBUS_BAD_ANSWER },
                  { answer_long, MODBUS_BAD_ANSWER },
                  { answer_for_ever, MODBUS_NOISE } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fake_bus_clear(&bus);
        bus.answer = cases[i].answer;
        assert_int_equal(exchange(), cases[i].result);
        bus.now += 5000 * FAKE_MILLI;
        fake_bus_clear(&bus);
        bus.answer = answer_right;
        assert_int_equal(exchange(), MODBUS_OK);
    }
}

/* A frame in slices, as a computer's USB adapter hands it over. */
static void answer_in_slices(struct fake_bus *to, const uint8_t *bytes, size_t length)
{
    (void)bytes;
    (void)length;
    fake_bus_put(to, "\x03\x04\x02", 3, 10 * FAKE_MILLI);
    fake_bus_put(to, "\xca\xfe\x17\xd0", 4, 28 * FAKE_MILLI);
}

static void test_slack(void **state)
{
    (void)state;
    bus.answer = answer_in_slices;
    assert_int_equal(exchange(), MODBUS_BAD_ANSWER);
    bus.now += 1000 * FAKE_MILLI;
    modbus_init(&master, &bus.hal, &LINE, 20 * FAKE_MILLI);
    assert_int_equal(exchange(), MODBUS_OK);
}

static void test_port_that_cannot(void **state)
{
    (void)state;
    bus.refuses = true;
    assert_int_equal(exchange(), MODBUS_BUS_FAILED);
    fake_bus_clear(&bus);
    bus.stuck = true;
    assert_int_equal(exchange(), MODBUS_BUS_FAILED);
    fake_bus_clear(&bus);
    bus.answer = answer_right;
    assert_int_equal(exchange(), MODBUS_OK);
}

static struct draws dice;

/* A right answer, with anything done to it. */
static void answer_damaged(struct fake_bus *to, const uint8_t *bytes, size_t length)
{
    (void)bytes;
    (void)length;
    uint8_t frame[64] = { 3, 4, 2, 0xca, 0xfe, 0x17, 0xd0 };
    size_t size = 7;
    for (uint64_t left = draw_below(&dice, 4); left > 0; left--) {
        frame[draw_below(&dice, size)] ^= (uint8_t)(1u << draw_below(&dice, 8));
    }
    size = draw_below(&dice, 5) == 0 ? draw_below(&dice, 12) : size;
    fake_bus_put(to, frame, size, (int64_t)draw_below(&dice, 250) * FAKE_MILLI);
}

/* What is taken for an answer is one, and every exchange ends. */
static void test_a_line_that_damages(void **state)
{
    (void)state;
    int good = 0;
    dice = draws_begin();
    bus.answer = answer_damaged;
    for (int i = 0; i < 3000; i++) {
        fake_bus_clear(&bus);
        enum modbus_result result = exchange();
        assert_int_not_equal(result, MODBUS_BUSY);
        if (result == MODBUS_OK) {
            assert_memory_equal(modbus_data(&master), "\xca\xfe", 2);
            good++;
        }
        bus.now += 300 * FAKE_MILLI;
    }
    assert_in_range(good, 300, 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc_vectors),
        cmocka_unit_test(test_crc_check_value),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_values),
        cmocka_unit_test_setup(test_exchange, make_bus),
        cmocka_unit_test_setup(test_waits_for_a_quiet_line, make_bus),
        cmocka_unit_test_setup(test_silence, make_bus),
        cmocka_unit_test_setup(test_foreign_frames_and_noise_are_passed_over, make_bus),
        cmocka_unit_test_setup(test_bad_answers, make_bus),
        cmocka_unit_test_setup(test_slack, make_bus),
        cmocka_unit_test_setup(test_port_that_cannot, make_bus),
        cmocka_unit_test_setup(test_a_line_that_damages, make_bus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
