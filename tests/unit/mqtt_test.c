/*
 * The MQTT client against a broker that the test itself plays, packet by packet over a
 * socket: so it sees exactly what is acknowledged and what is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "draws.h"
#include "ingest/cut.h"
#include "ingest/mqtt.h"

#define PATIENCE_MS   20000 /* only a failure waits so long */
#define PACKET_MAX    (128 * 1024)
#define MIDS_MAX      1024
#define ROUNDS        4 /* of two connections; Paho takes a second for each */
#define BURST         20
#define OBS_TOPIC     "phusa/1/a/b/obs"
#define DROPPED_TOPIC "$SYS/broker/publish/messages/dropped"

enum packet {
    CLOSED = 0,
    CONNECT = 1,
    PUBLISH = 3,
    PUBACK = 4,
    SUBSCRIBE = 8,
    PINGREQ = 12,
    DISCONNECT = 14
};

struct fixture {
    int listener, link; /* link: the client's connection, -1 for none */
    char uri[64];
    struct broker_settings broker;
    struct mqtt *mqtt;
    unsigned char body[PACKET_MAX];
    size_t length;
    unsigned acked[MIDS_MAX]; /* PUBACKs seen, by message id */

    pthread_mutex_t lock; /* guards what the client's threads touch */
    bool refuse[MIDS_MAX];
    unsigned handed[MIDS_MAX]; /* to the message handler, by message id, which is the payload */
    unsigned links, drops, strangers;
    uint64_t dropped;
};

/* ---- the client's handlers ---- */

static bool on_message(void *context, struct phusa_text topic, struct phusa_text payload)
{
    struct fixture *fixture = context;
    unsigned mid = 0;
    for (size_t i = 0; i < payload.length && mid < MIDS_MAX; i++) {
        mid = mid * 10 + (unsigned)(payload.data[i] - '0');
    }
    (void)pthread_mutex_lock(&fixture->lock);
    bool ours = phusa_text_equal(topic, PHUSA_TEXT(OBS_TOPIC)) && mid < MIDS_MAX;
    fixture->strangers += !ours;
    bool taken = ours && !fixture->refuse[mid];
    if (ours) {
        fixture->handed[mid]++;
    }
    (void)pthread_mutex_unlock(&fixture->lock);
    return taken;
}

static void on_dropped(void *context, uint64_t total)
{
    struct fixture *fixture = context;
    (void)pthread_mutex_lock(&fixture->lock);
    fixture->dropped = total;
    fixture->drops++;
    (void)pthread_mutex_unlock(&fixture->lock);
}

static void on_link(void *context, bool up, const char *why)
{
    struct fixture *fixture = context;
    (void)why;
    (void)pthread_mutex_lock(&fixture->lock);
    fixture->links += up;
    (void)pthread_mutex_unlock(&fixture->lock);
}

static unsigned read_count(struct fixture *fixture, const unsigned *count)
{
    (void)pthread_mutex_lock(&fixture->lock);
    unsigned value = *count;
    (void)pthread_mutex_unlock(&fixture->lock);
    return value;
}

static void wait_for(struct fixture *fixture, const unsigned *count, unsigned least)
{
    for (int ms = 0; read_count(fixture, count) < least; ms += 2) {
        assert_true(ms < PATIENCE_MS);
        (void)poll(NULL, 0, 2);
    }
}

static void refuse_from(struct fixture *fixture, unsigned first, unsigned last)
{
    (void)pthread_mutex_lock(&fixture->lock);
    for (unsigned i = 0; i < MIDS_MAX; i++) {
        fixture->refuse[i] = i >= first && i <= last;
    }
    (void)pthread_mutex_unlock(&fixture->lock);
}

static void refuse_none(struct fixture *fixture)
{
    refuse_from(fixture, 1, 0);
}

/* ---- the broker's side ---- */

static void tend(struct fixture *fixture)
{
    mqtt_tend(fixture->mqtt, (mono_time){ INT64_MAX }); /* whatever the pause: it is over */
}

static void accept_client(struct fixture *fixture)
{
    struct pollfd ready = { .fd = fixture->listener, .events = POLLIN };
    for (int ms = 0;; ms += 5) {
        assert_true(ms < PATIENCE_MS);
        tend(fixture);
        if (poll(&ready, 1, 5) > 0) {
            break;
        }
    }
    fixture->link = accept(fixture->listener, NULL, NULL);
    assert_true(fixture->link >= 0);
}

/* False at the end of the connection. */
static bool read_bytes(const struct fixture *fixture, unsigned char *bytes, size_t length)
{
    struct pollfd ready = { .fd = fixture->link, .events = POLLIN };
    for (size_t done = 0; done < length;) {
        assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
        ssize_t got = recv(fixture->link, bytes + done, length - done, 0);
        if (got <= 0) {
            return false;
        }
        done += (size_t)got;
    }
    return true;
}

static void note_puback(struct fixture *fixture)
{
    unsigned mid = (unsigned)fixture->body[0] << 8 | fixture->body[1];
    assert_int_equal(fixture->length, 2);
    assert_true(mid < MIDS_MAX);
    fixture->acked[mid]++;
}

/* The next packet, with PUBACKs counted. */
static enum packet read_packet(struct fixture *fixture)
{
    unsigned char head, byte;
    fixture->length = 0;
    if (!read_bytes(fixture, &head, 1)) {
        return CLOSED;
    }
    for (unsigned shift = 0;; shift += 7) {
        if (!read_bytes(fixture, &byte, 1)) {
            return CLOSED;
        }
        fixture->length |= (size_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            break;
        }
    }
    assert_true(fixture->length <= sizeof fixture->body);
    if (!read_bytes(fixture, fixture->body, fixture->length)) {
        return CLOSED;
    }
    if (head >> 4 == PUBACK) {
        note_puback(fixture);
    }
    return (enum packet)(head >> 4);
}

static void close_link(struct fixture *fixture)
{
    if (fixture->link >= 0) {
        (void)close(fixture->link);
    }
    fixture->link = -1;
}

static void read_to_end(struct fixture *fixture)
{
    while (read_packet(fixture) != CLOSED) {
    }
    close_link(fixture);
}

static void send_bytes(const struct fixture *fixture, const void *bytes, size_t length)
{
    assert_int_equal(send(fixture->link, bytes, length, MSG_NOSIGNAL), length);
}

static void answer_subscribe(struct fixture *fixture, const char *filter, unsigned char granted)
{
    assert_int_equal(read_packet(fixture), SUBSCRIBE);
    assert_int_equal(fixture->body[2] << 8 | fixture->body[3], strlen(filter));
    assert_memory_equal(fixture->body + 4, filter, strlen(filter));
    const unsigned char suback[] = { 0x90, 3, fixture->body[0], fixture->body[1], granted };
    send_bytes(fixture, suback, sizeof suback);
}

static void connect_only(struct fixture *fixture)
{
    static const unsigned char connack[] = { 0x20, 2, 1, 0 }; /* session present */
    int given_up = 0;
    accept_client(fixture);
    while (read_packet(fixture) != CONNECT) { /* one that was given up while it came up */
        assert_true(++given_up < 10);
        close_link(fixture);
        accept_client(fixture);
    }
    send_bytes(fixture, connack, sizeof connack);
    answer_subscribe(fixture, "phusa/#", 1);
}

static void connect_client(struct fixture *fixture)
{
    connect_only(fixture);
    answer_subscribe(fixture, DROPPED_TOPIC, 0);
}

/* A PUBLISH into packets; returns its length. qos 0 takes no mid. */
static size_t put_publish(unsigned char *packet, const char *topic, const char *payload,
                          unsigned mid, bool again)
{
    size_t topic_length = strlen(topic), payload_length = strlen(payload), at = 0;
    size_t rest = 2 + topic_length + (mid > 0 ? 2 : 0) + payload_length;
    assert_true(rest < 128);
    packet[at++] = (unsigned char)(0x30 | (mid > 0 ? 2 : 0) | (again ? 8 : 0));
    packet[at++] = (unsigned char)rest;
    packet[at++] = 0;
    packet[at++] = (unsigned char)topic_length;
    memcpy(packet + at, topic, topic_length);
    at += topic_length;
    if (mid > 0) {
        packet[at++] = (unsigned char)(mid >> 8);
        packet[at++] = (unsigned char)mid;
    }
    memcpy(packet + at, payload, payload_length);
    return at + payload_length;
}

/* The messages first to last, in one write, so that they lie in the client's buffer together. */
static void deliver(struct fixture *fixture, unsigned first, unsigned last, bool again)
{
    unsigned char packets[BURST * 64];
    size_t length = 0;
    assert_true(last - first < BURST);
    for (unsigned mid = first; mid <= last; mid++) {
        char payload[16];
        (void)snprintf(payload, sizeof payload, "%u", mid);
        length += put_publish(packets + length, OBS_TOPIC, payload, mid, again);
    }
    send_bytes(fixture, packets, length);
}

static void read_until_acked(struct fixture *fixture, unsigned first, unsigned last)
{
    for (unsigned mid = first; mid <= last; mid++) {
        while (fixture->acked[mid] == 0) {
            assert_int_not_equal(read_packet(fixture), CLOSED);
        }
    }
}

static void forget(struct fixture *fixture)
{
    (void)pthread_mutex_lock(&fixture->lock);
    memset(fixture->acked, 0, sizeof fixture->acked);
    memset(fixture->handed, 0, sizeof fixture->handed);
    (void)pthread_mutex_unlock(&fixture->lock);
}

/* ---- life ---- */

static void create(struct fixture *fixture, bool persistent, bool with_dropped)
{
    static const char *const subscriptions[] = { "phusa/#", NULL };
    const struct mqtt_handlers handlers = { .context = fixture,
                                            .message = on_message,
                                            .broker_dropped = with_dropped ? on_dropped : NULL,
                                            .link = on_link };
    struct problem problem = { "" };
    mqtt_free(fixture->mqtt);
    fixture->mqtt = mqtt_create(&fixture->broker, persistent, subscriptions, &handlers, &problem);
    assert_non_null(fixture->mqtt);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    assert_non_null(fixture);
    (void)pthread_mutex_init(&fixture->lock, NULL);
    fixture->link = -1;
    fixture->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fixture->listener >= 0);
    assert_int_equal(bind(fixture->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fixture->listener, 4), 0);
    assert_int_equal(getsockname(fixture->listener, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(fixture->uri, sizeof fixture->uri, "tcp://127.0.0.1:%u",
                   (unsigned)ntohs(address.sin_port));
    fixture->broker = (struct broker_settings){ .uri = fixture->uri,
                                                .client_id = "phusa",
                                                .user = "",
                                                .password = "",
                                                .ca = "",
                                                .keepalive_ns = 30 * SECOND_NS };
    create(fixture, true, true);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    close_link(fixture);
    mqtt_free(fixture->mqtt);
    (void)close(fixture->listener);
    (void)pthread_mutex_destroy(&fixture->lock);
    free(fixture);
    return 0;
}

/* ---- acknowledgement ---- */

static void what_is_taken_is_acknowledged(void **state)
{
    struct fixture *fixture = *state;
    connect_client(fixture);
    deliver(fixture, 1, BURST, false);
    read_until_acked(fixture, 1, BURST);
    for (unsigned mid = 1; mid <= BURST; mid++) {
        assert_int_equal(fixture->acked[mid], 1);
        assert_int_equal(read_count(fixture, &fixture->handed[mid]), 1);
    }
}

/* One round: those from first to last are refused. None of them is acknowledged on this connection;
 * all of them, and what was not acknowledged besides, at the next. */
static void refuse_and_take(struct fixture *fixture, unsigned first, unsigned last, bool hold)
{
    forget(fixture);
    refuse_from(fixture, first, last);
    connect_client(fixture);
    deliver(fixture, 1, BURST, false);
    read_to_end(fixture); /* the client ends it by itself */
    assert_int_equal(read_count(fixture, &fixture->handed[first]), 1);
    for (unsigned mid = first; mid <= BURST; mid++) {
        assert_int_equal(fixture->acked[mid], 0);
    }
    if (hold) {
        mqtt_hold(fixture->mqtt, true);
        assert_false(mqtt_connected(fixture->mqtt));
        mqtt_hold(fixture->mqtt, false);
    }
    refuse_none(fixture);
    connect_client(fixture); /* no acknowledgement comes before its message */
    for (unsigned mid = first; mid <= BURST; mid++) {
        assert_int_equal(fixture->acked[mid], 0);
    }
    deliver(fixture, first, BURST, true);
    read_until_acked(fixture, first, BURST);
    assert_int_equal(read_count(fixture, &fixture->handed[first]), 2);
    for (unsigned mid = first + 1; mid <= BURST; mid++) { /* in their order, once */
        assert_int_equal(read_count(fixture, &fixture->handed[mid]), 1);
    }
    close_link(fixture);
}

static void what_is_refused_is_not_acknowledged(void **state)
{
    struct draws draws = draws_begin();
    for (int round = 0; round < ROUNDS; round++) {
        unsigned first = 1 + (unsigned)draw_below(&draws, BURST);
        unsigned more = (unsigned)draw_below(&draws, BURST);
        refuse_and_take(*state, first, first + more, round % 2 == 0);
    }
}

static void stopping_acknowledges_nothing_refused(void **state)
{
    struct fixture *fixture = *state;
    for (int round = 0; round < 3; round++) {
        forget(fixture);
        refuse_from(fixture, 1, BURST);
        connect_client(fixture);
        deliver(fixture, 1, BURST, false);
        wait_for(fixture, &fixture->handed[1], 1);
        create(fixture, true, true); /* frees the one before */
        read_to_end(fixture);
        for (unsigned mid = 1; mid <= BURST; mid++) {
            assert_int_equal(fixture->acked[mid], 0);
        }
    }
}

/* ---- what the broker says of itself ---- */

static void say_dropped(struct fixture *fixture, const char *payload)
{
    unsigned char packet[128];
    send_bytes(fixture, packet, put_publish(packet, DROPPED_TOPIC, payload, 0, false));
}

static void the_brokers_drops_are_heard(void **state)
{
    struct fixture *fixture = *state;
    static const char *const others[] = { "", "many", "-1", "3 ", "1.5", "18446744073709551616" };
    connect_client(fixture);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        say_dropped(fixture, others[i]);
    }
    say_dropped(fixture, "12345");
    wait_for(fixture, &fixture->drops, 1);
    assert_int_equal(fixture->dropped, 12345);
    say_dropped(fixture, "0");
    wait_for(fixture, &fixture->drops, 2);
    assert_int_equal(fixture->dropped, 0);
    deliver(fixture, 1, 1, false);
    read_until_acked(fixture, 1, 1);
    assert_int_equal(read_count(fixture, &fixture->drops), 2);
    assert_int_equal(read_count(fixture, &fixture->strangers), 0);
}

static void a_broker_that_refuses_to_say_hinders_nothing(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned round = 1; round <= 2; round++) { /* it is asked again each time */
        connect_only(fixture);
        answer_subscribe(fixture, DROPPED_TOPIC, 0x80);
        deliver(fixture, round, round, false);
        read_until_acked(fixture, round, round);
        assert_int_equal(read_count(fixture, &fixture->links), round);
        close_link(fixture);
    }
}

static void a_broker_that_hangs_up_is_not_asked_for_ever(void **state)
{
    struct fixture *fixture = *state;
    for (int round = 0; round < 3; round++) {
        connect_only(fixture);
        assert_int_equal(read_packet(fixture), SUBSCRIBE);
        close_link(fixture);
    }
    connect_only(fixture);
    deliver(fixture, 1, 1, false);
    assert_int_equal(read_packet(fixture), PUBACK); /* nothing was asked before it */
}

static void only_a_persistent_session_that_wants_it_asks(void **state)
{
    struct fixture *fixture = *state;
    for (int way = 0; way < 2; way++) {
        create(fixture, way == 0, way == 1);
        connect_only(fixture);
        deliver(fixture, 1, 1, false);
        assert_int_equal(read_packet(fixture), PUBACK);
        close_link(fixture);
    }
}

static void ports_are_read(void **state)
{
    (void)state;
    assert_int_equal(cut_port("tcp://127.0.0.1:1883"), 1883);
    assert_int_equal(cut_port("ssl://[::1]:8883"), 8883);
    assert_int_equal(cut_port("ssl://broker.example:65535"), 65535);
    assert_int_equal(cut_port("tcp://host:65536"), 0);
    assert_int_equal(cut_port("tcp://host"), 0);
    assert_int_equal(cut_port("tcp://host:"), 0);
}

#define WITH_BROKER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BROKER(what_is_taken_is_acknowledged),
        WITH_BROKER(what_is_refused_is_not_acknowledged),
        WITH_BROKER(stopping_acknowledges_nothing_refused),
        WITH_BROKER(the_brokers_drops_are_heard),
        WITH_BROKER(a_broker_that_refuses_to_say_hinders_nothing),
        WITH_BROKER(a_broker_that_hangs_up_is_not_asked_for_ever),
        WITH_BROKER(only_a_persistent_session_that_wants_it_asks),
        cmocka_unit_test(ports_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
