/*
 * Packets of MQTT 3.1.1 as a client writes and reads them (OASIS, mqtt-v3.1.1-os; section numbers
 * below are its). Pure: bytes in, bytes out.
 *
 *   packet = type and flags, 1 byte | length of the rest, 1 to 4 bytes of 7 bits | the rest
 */
#ifndef FIRMWARE_POSIX_MQTT_PACKET_H
#define FIRMWARE_POSIX_MQTT_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phusa/text.h"

/* Bytes of a packet's rest that are kept; of a longer one its begin: a PUBLISH can be acknowledged.
 */
#define MQTT_BODY_MAX      2560
#define MQTT_HEAD_MAX      5 /* type, length */
#define MQTT_TEXT_MAX      65535
#define MQTT_REFUSED       0x80 /* return code of a subscription (3.9.3) */
#define MQTT_SUBSCRIBE_MAX 4    /* topics of one subscription */

enum mqtt_type {
    MQTT_CONNACK = 2,
    MQTT_PUBLISH = 3,
    MQTT_PUBACK = 4,
    MQTT_SUBACK = 9,
    MQTT_PINGRESP = 13
};

/* --- writing: each returns the packet's length, 0 when it does not fit ---------------------- */

struct mqtt_connect {
    struct phusa_text client_id;
    struct phusa_text user, password; /* data NULL: is not sent; no password without user */
    struct phusa_text will_topic, will;
    uint16_t keep_alive_s;
};

/* A clean session; the will is retained, QoS 1. */
size_t mqtt_write_connect(const struct mqtt_connect *connect, uint8_t *bytes, size_t capacity);

/* QoS 1 for each of at most MQTT_SUBSCRIBE_MAX topics. */
size_t mqtt_write_subscribe(uint16_t id, const struct phusa_text *topics, size_t count,
                            uint8_t *bytes, size_t capacity);

/* All of a PUBLISH with QoS 1 but its payload, which follows. */
size_t mqtt_write_publish(uint16_t id, bool retained, struct phusa_text topic, size_t payload,
                          uint8_t *bytes, size_t capacity);

size_t mqtt_write_puback(uint16_t id, uint8_t *bytes, size_t capacity);
size_t mqtt_write_ping(uint8_t *bytes, size_t capacity);
size_t mqtt_write_disconnect(uint8_t *bytes, size_t capacity);

/* --- reading -------------------------------------------------------------------------------- */

/* Zero-initialised = before the first byte. */
struct mqtt_reader {
    uint8_t first;       /* type and flags */
    uint8_t head;        /* bytes of the head that came */
    bool in_body;        /* the length is known */
    uint32_t length, at; /* of the rest */
    uint8_t body[MQTT_BODY_MAX];
};

/* Valid until the reader is given more. */
struct mqtt_packet {
    uint8_t type, flags;
    const uint8_t *body;
    size_t kept;   /* bytes of body */
    size_t length; /* bytes that the packet had: more than kept when it was too long */
};

enum mqtt_status {
    MQTT_MORE,   /* all bytes were taken */
    MQTT_PACKET, /* a packet is whole; behind it may be more */
    MQTT_BAD     /* this is no MQTT: the connection is of no use */
};

/* Takes bytes up to the end of a packet, and says how many. */
enum mqtt_status mqtt_read(struct mqtt_reader *reader, const uint8_t *bytes, size_t length,
                           size_t *used, struct mqtt_packet *packet);

struct mqtt_publish {
    struct phusa_text topic;
    uint8_t qos;
    uint16_t id; /* 0 with QoS 0 */
    const uint8_t *payload;
    size_t length;
    bool whole; /* payload has all of it */
};

/* Each is false if the packet is not what its type wants. */
bool mqtt_parse_connack(const struct mqtt_packet *packet, uint8_t *code);
bool mqtt_parse_puback(const struct mqtt_packet *packet, uint16_t *id);
bool mqtt_parse_publish(const struct mqtt_packet *packet, struct mqtt_publish *publish);
/* granted: all of count topics were. */
bool mqtt_parse_suback(const struct mqtt_packet *packet, size_t count, uint16_t *id, bool *granted);

#endif
