/* Packets as a client of MQTT 3.1.1 writes and reads them, byte by byte as the standard has them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "port/posix/mqtt_packet.h"

static const struct phusa_text NOTHING = { NULL, 0 };

static void connect_says_what_it_is_told(void **state)
{
    static const uint8_t expected[] = { 0x10, 41,  0,   4,   'M', 'Q', 'T', 'T', 4,   0xee, 0,
                                        30,   0,   2,   'i', 'd', 0,   3,   't', '/', 'w',  0,
                                        2,    '{', '}', 0,   4,   'u', 's', 'e', 'r', 0,    10,
                                        's',  'e', 'c', 'r', 'e', 't', '1', '2', '3', '4' };
    struct mqtt_connect connect = { .client_id = PHUSA_TEXT("id"),
                                    .user = PHUSA_TEXT("user"),
                                    .password = PHUSA_TEXT("secret1234"),
                                    .will_topic = PHUSA_TEXT("t/w"),
                                    .will = PHUSA_TEXT("{}"),
                                    .keep_alive_s = 30 };
    uint8_t bytes[64];
    (void)state;
    assert_int_equal(mqtt_write_connect(&connect, bytes, sizeof bytes), sizeof expected);
    assert_memory_equal(bytes, expected, sizeof expected);
    for (size_t capacity = 0; capacity < sizeof expected; capacity++) {
        assert_int_equal(mqtt_write_connect(&connect, bytes, capacity), 0);
    }
    connect.password = NOTHING;
    assert_int_equal(mqtt_write_connect(&connect, bytes, sizeof bytes), sizeof expected - 12);
    assert_int_equal(bytes[9], 0xae);
    connect.user = NOTHING;
    assert_int_equal(mqtt_write_connect(&connect, bytes, sizeof bytes), sizeof expected - 18);
    assert_int_equal(bytes[9], 0x2e);
}

static void the_other_packets(void **state)
{
    static const uint8_t subscribe[] = { 0x82, 11, 0, 1, 0, 1, 'a', 1, 0, 2, 'b', 'c', 1 };
    static const uint8_t publish[] = { 0x33, 0x89, 0x02, 0, 3, 'o', '/', 'p', 1, 2 };
    const struct phusa_text topics[] = { PHUSA_TEXT("a"), PHUSA_TEXT("bc"), NOTHING, NOTHING,
                                         NOTHING };
    uint8_t bytes[32];
    (void)state;
    assert_int_equal(mqtt_write_subscribe(1, topics, 2, bytes, sizeof bytes), sizeof subscribe);
    assert_memory_equal(bytes, subscribe, sizeof subscribe);
    assert_int_equal(mqtt_write_subscribe(1, topics, 5, bytes, sizeof bytes), 0);
    assert_int_equal(mqtt_write_publish(0x0102, true, PHUSA_TEXT("o/p"), 258, bytes, sizeof bytes),
                     sizeof publish);
    assert_memory_equal(bytes, publish, sizeof publish);
    assert_int_equal(mqtt_write_publish(1, false, PHUSA_TEXT("o"), 268435451, bytes, sizeof bytes),
                     0);
    assert_int_equal(mqtt_write_publish(1, false, PHUSA_TEXT("o"), 268435450, bytes, sizeof bytes),
                     10);
    assert_memory_equal(bytes, "\x32\xff\xff\xff\x7f", 5);
    assert_int_equal(mqtt_write_publish(1, false, PHUSA_TEXT("o"), SIZE_MAX, bytes, sizeof bytes),
                     0);
    assert_int_equal(mqtt_write_puback(258, bytes, sizeof bytes), 4);
    assert_memory_equal(bytes, "\x40\x02\x01\x02", 4);
    assert_int_equal(mqtt_write_ping(bytes, sizeof bytes), 2);
    assert_memory_equal(bytes, "\xc0\x00", 2);
    assert_int_equal(mqtt_write_disconnect(bytes, sizeof bytes), 2);
    assert_memory_equal(bytes, "\xe0\x00", 2);
    assert_int_equal(mqtt_write_disconnect(bytes, 1), 0);
}

static struct mqtt_reader reader;

/* The only packet in some bytes, however they are cut. */
static struct mqtt_packet packet_of(const void *bytes, size_t length, size_t piece)
{
    const uint8_t *at = bytes;
    struct mqtt_packet packet = { 0 };
    reader = (struct mqtt_reader){ 0 };
    for (size_t left = length; left > 0;) {
        size_t used, take = left < piece ? left : piece;
        enum mqtt_status status = mqtt_read(&reader, at, take, &used, &packet);
        assert_int_equal(used, take);
        at += used;
        left -= used;
        assert_int_equal(status, left > 0 ? MQTT_MORE : MQTT_PACKET);
    }
    return packet;
}

static void packets_come_in_pieces(void **state)
{
    static const char bytes[] = "\x32\x08\x00\x01t\x00\x07wet";
    (void)state;
    for (size_t piece = 1; piece <= sizeof bytes - 1; piece++) {
        struct mqtt_packet packet = packet_of(bytes, sizeof bytes - 1, piece);
        struct mqtt_publish publish;
        assert_true(mqtt_parse_publish(&packet, &publish));
        assert_true(phusa_text_equal(publish.topic, PHUSA_TEXT("t")));
        assert_int_equal(publish.qos, 1);
        assert_int_equal(publish.id, 7);
        assert_int_equal(publish.length, 3);
        assert_memory_equal(publish.payload, "wet", 3);
        assert_true(publish.whole);
    }
}

static void several_packets_stand_behind_each_other(void **state)
{
    static const uint8_t bytes[] = { 0xd0, 0, 0x40, 2, 0, 9, 0xd0, 0, 0x20 };
    static const uint8_t types[] = { MQTT_PINGRESP, MQTT_PUBACK, MQTT_PINGRESP };
    struct mqtt_packet packet;
    size_t at = 0, used;
    (void)state;
    reader = (struct mqtt_reader){ 0 };
    for (size_t i = 0; i < sizeof types; i++, at += used) {
        assert_int_equal(mqtt_read(&reader, bytes + at, sizeof bytes - at, &used, &packet),
                         MQTT_PACKET);
        assert_int_equal(packet.type, types[i]);
    }
    assert_int_equal(mqtt_read(&reader, bytes + at, sizeof bytes - at, &used, &packet), MQTT_MORE);
    assert_int_equal(at + used, sizeof bytes);
    assert_int_equal(mqtt_read(&reader, NULL, 0, &used, &packet), MQTT_MORE);
}

/* So that it can be acknowledged, and what comes behind it be read. */
static void of_one_that_is_too_long_the_begin_is_kept(void **state)
{
    static uint8_t bytes[MQTT_BODY_MAX + 100];
    uint8_t *body = bytes + 3;
    size_t length = MQTT_BODY_MAX + 1;
    struct mqtt_publish publish;
    (void)state;
    memset(bytes, 'x', sizeof bytes);
    bytes[0] = 0x32;
    bytes[1] = (uint8_t)(0x80 | (length & 0x7f));
    bytes[2] = (uint8_t)(length >> 7);
    memcpy(body, "\x00\x01t\x00\x05", 5);
    for (size_t piece = 1; piece < 4000; piece += 333) {
        struct mqtt_packet packet = packet_of(bytes, length + 3, piece);
        assert_int_equal(packet.length, length);
        assert_true(mqtt_parse_publish(&packet, &publish));
        assert_false(publish.whole);
        assert_int_equal(publish.id, 5);
        assert_int_equal(publish.length, MQTT_BODY_MAX - 5);
    }
    bytes[1]--; /* the longest that is whole */
    struct mqtt_packet packet = packet_of(bytes, length + 2, 1000);
    assert_true(mqtt_parse_publish(&packet, &publish) && publish.whole);
}

static void what_is_no_packet(void **state)
{
    struct mqtt_packet packet;
    struct mqtt_publish publish;
    size_t used;
    uint16_t id;
    uint8_t code;
    bool granted;
    (void)state;
    reader = (struct mqtt_reader){ 0 };
    assert_int_equal(mqtt_read(&reader, (const uint8_t *)"HTTP/1.1 400", 12, &used, &packet),
                     MQTT_MORE); /* 'T' bytes are to follow */
    reader = (struct mqtt_reader){ 0 };
    assert_int_equal(
        mqtt_read(&reader, (const uint8_t *)"\x30\xff\xff\xff\xff\x01", 6, &used, &packet),
        MQTT_BAD);
    static const struct {
        const char *bytes;
        size_t length;
    } none[] = {
        { "\x32\x03\x00\x01t", 5 },         /* no id */
        { "\x32\x05\x00\x01t\x00\x00", 7 }, /* id 0 */
        { "\x36\x05\x00\x01t\x00\x01", 7 }, /* QoS 3 */
        { "\x30\x02\x00\x00", 4 },          /* no topic */
        { "\x30\x03\x00\x02t", 5 },         /* a topic longer than all */
        { "\x30\x01\x00", 3 },              /* half a length */
        { "\x40\x02\x00\x01", 4 },          /* another packet */
    };
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        packet = packet_of(none[i].bytes, none[i].length, 64);
        assert_false(mqtt_parse_publish(&packet, &publish));
    }
    packet = packet_of("\x40\x03\x00\x01\x00", 5, 64);
    assert_false(mqtt_parse_puback(&packet, &id));
    packet = packet_of("\x20\x01\x00", 3, 64);
    assert_false(mqtt_parse_connack(&packet, &code));
    packet = packet_of("\x90\x03\x00\x01\x01", 5, 64);
    assert_false(mqtt_parse_suback(&packet, 2, &id, &granted));
}

static void answers(void **state)
{
    uint16_t id;
    uint8_t code;
    bool granted;
    (void)state;
    struct mqtt_packet packet = packet_of("\x20\x02\x01\x05", 4, 64);
    assert_true(mqtt_parse_connack(&packet, &code));
    assert_int_equal(code, 5);
    packet = packet_of("\x40\x02\x12\x34", 4, 64);
    assert_true(mqtt_parse_puback(&packet, &id));
    assert_int_equal(id, 0x1234);
    packet = packet_of("\x90\x04\x00\x01\x01\x00", 6, 64);
    assert_true(mqtt_parse_suback(&packet, 2, &id, &granted));
    assert_true(granted && id == 1);
    packet = packet_of("\x90\x04\x00\x01\x01\x80", 6, 64);
    assert_true(mqtt_parse_suback(&packet, 2, &id, &granted));
    assert_false(granted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect_says_what_it_is_told),
        cmocka_unit_test(the_other_packets),
        cmocka_unit_test(packets_come_in_pieces),
        cmocka_unit_test(several_packets_stand_behind_each_other),
        cmocka_unit_test(of_one_that_is_too_long_the_begin_is_kept),
        cmocka_unit_test(what_is_no_packet),
        cmocka_unit_test(answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
