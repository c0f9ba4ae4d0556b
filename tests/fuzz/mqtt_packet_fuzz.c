/* What a broker may say: however it is cut, the same packets; and each within its bytes. */
#include "fuzz.h"
#include "port/posix/mqtt_packet.h"

#define PACKETS_MAX 64

struct seen {
    size_t count;
    uint64_t sums[PACKETS_MAX];
    bool bad;
};

static uint64_t sum_of(const struct mqtt_packet *packet)
{
    uint64_t sum = packet->type * UINT64_C(31) + packet->flags;
    for (size_t i = 0; i < packet->kept; i++) {
        sum = sum * UINT64_C(1099511628211) + packet->body[i];
    }
    return sum + packet->length;
}

static void check(const struct mqtt_packet *packet)
{
    struct mqtt_publish publish;
    uint16_t id;
    uint8_t code;
    bool granted;
    ENSURE(packet->kept <= packet->length && packet->kept <= MQTT_BODY_MAX);
    ENSURE(packet->type <= 15 && packet->flags <= 15);
    if (mqtt_parse_publish(packet, &publish)) {
        size_t before = 2 + publish.topic.length + (publish.qos > 0 ? 2 : 0);
        ENSURE(publish.qos <= 2 && publish.topic.length > 0);
        ENSURE(before + publish.length == packet->kept);
        ENSURE(publish.whole == (packet->kept == packet->length));
        ENSURE((const uint8_t *)publish.topic.data == packet->body + 2);
    }
    ENSURE(!mqtt_parse_suback(packet, 2, &id, &granted) || packet->length == 4);
    ENSURE(!mqtt_parse_puback(packet, &id) || packet->length == 2);
    ENSURE(!mqtt_parse_connack(packet, &code) || code == packet->body[1]);
}

static void run(const uint8_t *data, size_t size, size_t piece, struct seen *seen)
{
    static struct mqtt_reader reader;
    struct mqtt_packet packet;
    reader = (struct mqtt_reader){ 0 };
    *seen = (struct seen){ 0 };
    for (size_t at = 0, used = 0; at < size && !seen->bad; at += used) {
        size_t take = size - at < piece ? size - at : piece;
        enum mqtt_status status = mqtt_read(&reader, data + at, take, &used, &packet);
        ENSURE(used >= 1 && used <= take);
        ENSURE(status == MQTT_PACKET || status == MQTT_BAD || used == take);
        seen->bad = status == MQTT_BAD;
        if (status == MQTT_PACKET) {
            check(&packet);
            if (seen->count < PACKETS_MAX) {
                seen->sums[seen->count] = sum_of(&packet);
            }
            seen->count++;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct seen whole, bytes, pieces;
    run(data, size, size, &whole);
    run(data, size, 1, &bytes);
    run(data, size, 7, &pieces);
    ENSURE(whole.count == bytes.count && whole.bad == bytes.bad);
    ENSURE(memcmp(whole.sums, bytes.sums, sizeof whole.sums) == 0);
    ENSURE(whole.count == pieces.count && whole.bad == pieces.bad);
    ENSURE(memcmp(whole.sums, pieces.sums, sizeof whole.sums) == 0);
    return 0;
}
