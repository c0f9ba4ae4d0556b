#include "mqtt_packet.h"

#include <string.h>

#define LENGTH_MAX UINT32_C(268435455) /* four bytes of seven bits (2.2.3) */
#define MORE_BYTES 0x80                /* in a byte of the length: another one follows */
#define LEVEL      4                   /* MQTT 3.1.1 (3.1.2.2) */

/* First bytes (2.2); the flags of some are fixed. */
enum {
    FIRST_CONNECT = 0x10,
    FIRST_PUBLISH = 0x32, /* QoS 1 */
    FIRST_PUBACK = 0x40,
    FIRST_SUBSCRIBE = 0x82,
    FIRST_PING = 0xc0,
    FIRST_DISCONNECT = 0xe0,
    RETAIN = 0x01
};

/* Flags of CONNECT (3.1.2.3). */
enum {
    CLEAN_SESSION = 0x02,
    WILL = 0x04,
    WILL_QOS_1 = 0x08,
    WILL_RETAIN = 0x20,
    PASSWORD = 0x40,
    USER = 0x80
};

/* --- writing -------------------------------------------------------------------------------- */

struct writer {
    uint8_t *bytes;
    size_t capacity, length;
    bool fits;
};

static void put(struct writer *writer, const void *bytes, size_t length)
{
    writer->fits = writer->fits && length <= writer->capacity - writer->length;
    if (writer->fits && length > 0) {
        memcpy(writer->bytes + writer->length, bytes, length);
        writer->length += length;
    }
}

static void put_byte(struct writer *writer, unsigned value)
{
    uint8_t byte = (uint8_t)value;
    put(writer, &byte, 1);
}

static void put_number(struct writer *writer, size_t value)
{
    put_byte(writer, (unsigned)(value >> 8) & 0xff);
    put_byte(writer, (unsigned)value & 0xff);
}

static void put_text(struct writer *writer, struct phusa_text text)
{
    writer->fits = writer->fits && text.length <= MQTT_TEXT_MAX;
    put_number(writer, text.length);
    put(writer, text.data, text.length);
}

static struct writer begin(uint8_t *bytes, size_t capacity, unsigned first, size_t rest)
{
    struct writer writer = { bytes, capacity, 0, rest <= LENGTH_MAX };
    put_byte(&writer, first);
    do {
        put_byte(&writer, (unsigned)(rest & 0x7f) | (rest > 0x7f ? MORE_BYTES : 0));
        rest >>= 7;
    } while (rest > 0);
    return writer;
}

static size_t end(const struct writer *writer)
{
    return writer->fits ? writer->length : 0;
}

static size_t size_of(struct phusa_text text)
{
    return 2 + text.length;
}

size_t mqtt_write_connect(const struct mqtt_connect *connect, uint8_t *bytes, size_t capacity)
{
    static const struct phusa_text PROTOCOL = { "MQTT", 4 };
    bool user = connect->user.data != NULL, password = connect->password.data != NULL;
    size_t rest = size_of(PROTOCOL) + 4 + size_of(connect->client_id) +
                  size_of(connect->will_topic) + size_of(connect->will) +
                  (user ? size_of(connect->user) : 0) + (password ? size_of(connect->password) : 0);
    struct writer writer = begin(bytes, capacity, FIRST_CONNECT, rest);
    put_text(&writer, PROTOCOL);
    put_byte(&writer, LEVEL);
    put_byte(&writer, CLEAN_SESSION | WILL | WILL_QOS_1 | WILL_RETAIN | (user ? USER : 0) |
                          (password ? PASSWORD : 0));
    put_number(&writer, connect->keep_alive_s);
    put_text(&writer, connect->client_id);
    put_text(&writer, connect->will_topic);
    put_text(&writer, connect->will);
    if (user) {
        put_text(&writer, connect->user);
    }
    if (password) {
        put_text(&writer, connect->password);
    }
    return end(&writer);
}

size_t mqtt_write_subscribe(uint16_t id, const struct phusa_text *topics, size_t count,
                            uint8_t *bytes, size_t capacity)
{
    size_t rest = 2;
    if (count > MQTT_SUBSCRIBE_MAX) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        rest += size_of(topics[i]) + 1;
    }
    struct writer writer = begin(bytes, capacity, FIRST_SUBSCRIBE, rest);
    put_number(&writer, id);
    for (size_t i = 0; i < count; i++) {
        put_text(&writer, topics[i]);
        put_byte(&writer, 1);
    }
    return end(&writer);
}

size_t mqtt_write_publish(uint16_t id, bool retained, struct phusa_text topic, size_t payload,
                          uint8_t *bytes, size_t capacity)
{
    struct writer writer =
        begin(bytes, capacity, FIRST_PUBLISH | (retained ? RETAIN : 0),
              payload <= LENGTH_MAX ? size_of(topic) + 2 + payload : (size_t)LENGTH_MAX + 1);
    put_text(&writer, topic);
    put_number(&writer, id);
    return end(&writer);
}

size_t mqtt_write_puback(uint16_t id, uint8_t *bytes, size_t capacity)
{
    struct writer writer = begin(bytes, capacity, FIRST_PUBACK, 2);
    put_number(&writer, id);
    return end(&writer);
}

size_t mqtt_write_ping(uint8_t *bytes, size_t capacity)
{
    struct writer writer = begin(bytes, capacity, FIRST_PING, 0);
    return end(&writer);
}

size_t mqtt_write_disconnect(uint8_t *bytes, size_t capacity)
{
    struct writer writer = begin(bytes, capacity, FIRST_DISCONNECT, 0);
    return end(&writer);
}

/* --- reading -------------------------------------------------------------------------------- */

static enum mqtt_status read_head(struct mqtt_reader *reader, uint8_t byte)
{
    if (reader->head == 0) {
        reader->first = byte;
        reader->length = 0;
    } else {
        reader->length |= (uint32_t)(byte & 0x7f) << (7 * (reader->head - 1));
        reader->in_body = (byte & MORE_BYTES) == 0;
    }
    reader->head++;
    return reader->head == MQTT_HEAD_MAX && !reader->in_body ? MQTT_BAD : MQTT_MORE;
}

static size_t read_body(struct mqtt_reader *reader, const uint8_t *bytes, size_t length)
{
    size_t left = reader->length - reader->at;
    size_t take = length < left ? length : left;
    size_t room = reader->at < MQTT_BODY_MAX ? MQTT_BODY_MAX - reader->at : 0;
    size_t kept = take < room ? take : room;
    if (kept > 0) {
        memcpy(reader->body + reader->at, bytes, kept);
    }
    reader->at += (uint32_t)take;
    return take;
}

static void hand_out(struct mqtt_reader *reader, struct mqtt_packet *packet)
{
    *packet = (struct mqtt_packet){
        .type = reader->first >> 4,
        .flags = reader->first & 0x0f,
        .body = reader->body,
        .kept = reader->length < MQTT_BODY_MAX ? reader->length : MQTT_BODY_MAX,
        .length = reader->length,
    };
    reader->head = 0;
    reader->in_body = false;
    reader->at = 0;
}

enum mqtt_status mqtt_read(struct mqtt_reader *reader, const uint8_t *bytes, size_t length,
                           size_t *used, struct mqtt_packet *packet)
{
    size_t at = 0;
    while (at < length && !reader->in_body) {
        if (read_head(reader, bytes[at++]) == MQTT_BAD) {
            *used = at;
            return MQTT_BAD;
        }
    }
    if (reader->in_body && at < length) {
        at += read_body(reader, bytes + at, length - at);
    }
    *used = at;
    if (!reader->in_body || reader->at < reader->length) {
        return MQTT_MORE;
    }
    hand_out(reader, packet);
    return MQTT_PACKET;
}

static uint16_t number_at(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

bool mqtt_parse_connack(const struct mqtt_packet *packet, uint8_t *code)
{
    bool good = packet->type == MQTT_CONNACK && packet->flags == 0 && packet->length == 2;
    *code = good ? packet->body[1] : 0;
    return good;
}

bool mqtt_parse_puback(const struct mqtt_packet *packet, uint16_t *id)
{
    bool good = packet->type == MQTT_PUBACK && packet->flags == 0 && packet->length == 2;
    *id = good ? number_at(packet->body) : 0;
    return good;
}

bool mqtt_parse_publish(const struct mqtt_packet *packet, struct mqtt_publish *publish)
{
    uint8_t qos = packet->flags >> 1 & 3;
    size_t topic = packet->kept >= 2 ? number_at(packet->body) : 0;
    size_t before = 2 + topic + (qos > 0 ? 2 : 0);
    *publish = (struct mqtt_publish){ .qos = qos };
    if (packet->type != MQTT_PUBLISH || qos > 2 || topic == 0 || before > packet->kept) {
        return false;
    }
    publish->topic = (struct phusa_text){ (const char *)packet->body + 2, topic };
    publish->id = qos > 0 ? number_at(packet->body + 2 + topic) : 0;
    publish->payload = packet->body + before;
    publish->length = packet->kept - before;
    publish->whole = packet->kept == packet->length;
    return qos == 0 || publish->id != 0;
}

bool mqtt_parse_suback(const struct mqtt_packet *packet, size_t count, uint16_t *id, bool *granted)
{
    bool good = packet->type == MQTT_SUBACK && packet->flags == 0 && packet->length == 2 + count &&
                packet->kept == packet->length;
    *id = good ? number_at(packet->body) : 0;
    *granted = good;
    for (size_t i = 0; good && i < count; i++) {
        *granted = *granted && packet->body[2 + i] < MQTT_REFUSED;
    }
    return good;
}
