/*
 * The stations' networks against a broker that the test plays itself, on a loopback port. Time is
 * handed in: no test waits for it, and what is waited for comes from the kernel at once.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "port/posix/mqtt_packet.h"
#include "port/posix/names.h"
#include "port/posix/network_mqtt.h"

#define MANY        100
#define PATIENCE    (30 * SECOND_NS) /* for what comes at once, on a machine however busy */
#define CONNACK     "\x20\x02\x00\x00"
#define SUBACK      "\x90\x04\x00\x01\x01\x01"
#define REPORT_HEAD 27 /* type, length in 3 bytes, topic, id */
#define ACK_TOPIC   "phusa/1/site/s0/ack"
#define CMD_TOPIC   "phusa/1/site/s0/cmd"

static struct networks *networks;
static struct network *stations[MANY];
static char names[MANY][24];
static int listener, other_listener;
static uint16_t port, other_port;
static int peers[MANY];
static size_t peer_count;
static int64_t now_ns;
static size_t events[MANY];

/* --- a name with two addresses -------------------------------------------------------------- */

#define TWICE "twice.test"

enum names_status __real_names_find(struct names *asked, const char *host, const char *at,
                                    int64_t mono_ns, struct names_answer *answer,
                                    struct problem *problem);
enum names_status __wrap_names_find(struct names *asked, const char *host, const char *at,
                                    int64_t mono_ns, struct names_answer *answer,
                                    struct problem *problem);

enum names_status __wrap_names_find(struct names *asked, const char *host, const char *at,
                                    int64_t mono_ns, struct names_answer *answer,
                                    struct problem *problem)
{
    if (strcmp(host, TWICE) != 0) {
        return __real_names_find(asked, host, at, mono_ns, answer, problem);
    }
    const uint16_t ports[] = { port, other_port };
    answer->count = 2;
    for (size_t i = 0; i < answer->count; i++) {
        const struct sockaddr_in address = { .sin_family = AF_INET,
                                             .sin_port = htons(ports[i]),
                                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        memcpy(&answer->addresses[i].address, &address, sizeof address);
        answer->addresses[i].length = sizeof address;
    }
    return NAMES_DONE;
}

/* --- the broker ----------------------------------------------------------------------------- */

static int listen_anywhere(uint16_t *at)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0 &&
                listen(fd, MANY) == 0 && getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    *at = ntohs(address.sin_port);
    return fd;
}

static void step(void)
{
    size_t number;
    networks_wait(networks, 1);
    networks_step(networks, now_ns);
    while (networks_take_event(networks, &number)) {
        events[number]++;
    }
}

/* Nothing more happens by itself. */
static void settle(void)
{
    for (int i = 0; i < 20; i++) {
        step();
    }
}

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        for (int64_t end = clock_mono().ns + PATIENCE; !(condition);) {                            \
            assert_true(clock_mono().ns < end);                                                    \
            step();                                                                                \
        }                                                                                          \
    } while (0)

static bool accept_on(int fd)
{
    int peer = peer_count < MANY ? accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) : -1;
    if (peer >= 0) {
        peers[peer_count++] = peer;
    }
    return peer >= 0;
}

static void say(size_t peer, const void *bytes, size_t length)
{
    assert_int_equal(send(peers[peer], bytes, length, MSG_NOSIGNAL), length);
}

#define SAY(peer, literal) say(peer, literal, sizeof(literal) - 1)

/* The next packet of a station: its first byte, and its rest. */
static uint8_t hear(size_t peer, uint8_t *rest, size_t *length)
{
    uint8_t head[2];
    UNTIL(recv(peers[peer], head, 2, MSG_PEEK) == 2);
    size_t most = head[1] & 0x80 ? 3 : 2, size = head[1] & 0x7f;
    uint8_t skipped[3];
    UNTIL(recv(peers[peer], skipped, most, MSG_PEEK) == (ssize_t)most);
    size += most == 3 ? (size_t)skipped[2] << 7 : 0;
    assert_int_equal(recv(peers[peer], skipped, most, 0), most);
    *length = size;
    for (size_t got = 0; got < size;) {
        ssize_t piece = -1;
        UNTIL((piece = recv(peers[peer], rest + got, size - got, 0)) > 0);
        got += (size_t)piece;
    }
    return head[0];
}

static void expect(size_t peer, uint8_t first)
{
    uint8_t rest[4096];
    size_t length;
    assert_int_equal(hear(peer, rest, &length), first);
}

static bool is_closed(size_t peer)
{
    char byte;
    return recv(peers[peer], &byte, 1, 0) == 0;
}

static void publish_to(size_t peer, const char *topic, const void *payload, size_t length,
                       uint16_t id)
{
    uint8_t bytes[4096];
    size_t head = mqtt_write_publish(id, false, phusa_text_of(topic), length, bytes, sizeof bytes);
    assert_true(head > 0 && head + length <= sizeof bytes);
    memcpy(bytes + head, payload, length);
    say(peer, bytes, head + length);
}

/* --- the stations --------------------------------------------------------------------------- */

static void make(size_t count, const char *uri)
{
    struct problem problem = { 0 };
    networks = networks_create(count, uri, NULL, &problem);
    assert_non_null(networks);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(names[i], sizeof names[i], "s%zu", i);
        struct network_options options = { .site = "site",
                                           .station = names[i],
                                           .client_id = names[i],
                                           .user = "user",
                                           .password = "password",
                                           .jitter = (uint32_t)i };
        stations[i] = network_create(networks, &options, &problem);
        assert_non_null(stations[i]);
        assert_true(network_set_will(stations[i], 0x5f3a09c1));
    }
}

static void make_here(size_t count)
{
    char uri[64];
    (void)snprintf(uri, sizeof uri, "tcp://127.0.0.1:%u", port);
    make(count, uri);
}

static int set_up(void **state)
{
    (void)state;
    now_ns = 1000 * SECOND_NS;
    peer_count = 0;
    memset(events, 0, sizeof events);
    listener = listen_anywhere(&port);
    other_listener = listen_anywhere(&other_port);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    networks_free(networks);
    networks = NULL;
    for (size_t i = 0; i < peer_count; i++) {
        (void)close(peers[i]);
    }
    (void)close(listener);
    (void)close(other_listener);
    return 0;
}

static uint32_t connection(void)
{
    struct hal_network hal = network_hal(stations[0]);
    return hal.connection(hal.context);
}

/* The last peer answers until station 0 is up. */
static void let_in(size_t peer)
{
    expect(peer, 0x10);
    SAY(peer, CONNACK);
    expect(peer, 0x82);
    SAY(peer, SUBACK);
    UNTIL(connection() != 0);
}

static void join(void)
{
    UNTIL(accept_on(listener));
    let_in(peer_count - 1);
}

static enum hal_result publish(const void *bytes, size_t length)
{
    struct hal_network hal = network_hal(stations[0]);
    return hal.publish(hal.context, HAL_LEAF_OBS, bytes, length);
}

static void assert_reason(const char *text)
{
    struct problem why;
    network_reason(stations[0], &why);
    assert_string_equal(why.text, text);
}

static uint32_t troubles(enum hal_trouble which)
{
    struct hal_network hal = network_hal(stations[0]);
    return hal.troubles(hal.context, which);
}

/* What the core receives next, as a text. */
static enum hal_inbound receive(char text[64])
{
    struct hal_network hal = network_hal(stations[0]);
    size_t length = 0;
    enum hal_inbound kind = hal.receive(hal.context, text, 63, &length);
    text[length] = '\0';
    return kind;
}

/* --- tests ---------------------------------------------------------------------------------- */

static void it_joins_and_publishes(void **state)
{
    uint8_t rest[256];
    size_t length;
    (void)state;
    make_here(1);
    assert_int_equal(publish("x", 1), HAL_GONE);
    UNTIL(accept_on(listener));
    assert_int_equal(hear(0, rest, &length), 0x10);
    assert_memory_equal(rest, "\0\4MQTT\4\xee\0\x1e\0\2s0\0\x16phusa/1/site/s0/status", 38);
    assert_memory_equal(rest + length - 16, "\0\4user\0\x08password", 16);
    SAY(0, CONNACK);
    assert_int_equal(hear(0, rest, &length), 0x82);
    assert_memory_equal(rest, "\0\1\0\x13" ACK_TOPIC "\1\0\x13" CMD_TOPIC "\1", length);
    assert_int_equal(connection(), 0);
    assert_false(network_is_up(stations[0]));
    SAY(0, SUBACK);
    UNTIL(events[0] == 1);
    assert_int_equal(connection(), 1);
    assert_int_equal(publish("report", 6), HAL_OK);
    assert_int_equal(network_pending(stations[0]), 1);
    assert_int_equal(hear(0, rest, &length), 0x32);
    assert_memory_equal(rest, "\0\x13phusa/1/site/s0/obs\0\2report", length);
    SAY(0, "\x40\x02\x00\x07\x40\x02\x00\x02"); /* the first is for none */
    UNTIL(network_pending(stations[0]) == 0);
    struct hal_network hal = network_hal(stations[0]);
    assert_int_equal(hal.publish(hal.context, HAL_LEAF_STATUS, "{}", 2), HAL_OK);
    assert_int_equal(hear(0, rest, &length), 0x33); /* retained */
}

static void receipts_and_commands(void **state)
{
    char text[64], command[2] = "0";
    static char oversized[3000];
    (void)state;
    make_here(1);
    UNTIL(accept_on(listener));
    expect(0, 0x10);
    SAY(0, CONNACK);
    expect(0, 0x82);
    publish_to(0, ACK_TOPIC, "old", 3, 1); /* retained: it may come before SUBACK */
    publish_to(0, ACK_TOPIC, "new", 3, 2);
    SAY(0, SUBACK);
    expect(0, 0x40);
    expect(0, 0x40);
    UNTIL(connection() == 1);
    publish_to(0, CMD_TOPIC, oversized, sizeof oversized, 3);
    publish_to(0, "phusa/1/site/other/cmd", "?", 1, 4);
    for (uint16_t i = 0; i < NETWORK_COMMANDS_MAX + 1; i++, command[0]++) {
        publish_to(0, CMD_TOPIC, command, 1, (uint16_t)(5 + i));
    }
    for (int i = 0; i < 2 + NETWORK_COMMANDS_MAX + 1; i++) {
        expect(0, 0x40);
    }
    assert_int_equal(receive(text), HAL_INBOUND_ACK);
    assert_string_equal(text, "new");
    for (char i = '0'; i < '0' + NETWORK_COMMANDS_MAX; i++) {
        assert_int_equal(receive(text), HAL_INBOUND_CMD);
        assert_int_equal(text[0], i);
    }
    assert_int_equal(receive(text), HAL_INBOUND_NONE);
    assert_int_equal(troubles(HAL_TROUBLE_INBOX), 3); /* too long, another's, one too many */
    publish_to(0, CMD_TOPIC, oversized, NETWORK_MESSAGE_MAX, 20); /* longer than the core's room */
    expect(0, 0x40);
    assert_int_equal(receive(text), HAL_INBOUND_CMD);
    assert_string_equal(text, "");
}

static void a_refusal_is_told_and_tried_again_later(void **state)
{
    (void)state;
    make_here(1);
    UNTIL(accept_on(listener));
    expect(0, 0x10);
    SAY(0, "\x20\x02\x00\x04");
    UNTIL(events[0] == 1);
    assert_reason("cannot connect: wrong user or password");
    assert_int_equal(troubles(HAL_TROUBLE_PASSWORD), 1);
    UNTIL(is_closed(0));
    now_ns += SECOND_NS / 4 - 1; /* half of the first backoff */
    settle();
    assert_false(accept_on(listener));
    now_ns += SECOND_NS / 4 + 1;
    join();
    assert_reason("");
}

static void what_was_on_its_way_is_forgotten_with_the_connection(void **state)
{
    (void)state;
    make_here(1);
    join();
    assert_int_equal(publish("report", 6), HAL_OK);
    expect(0, 0x32);
    SAY(0, "\x32"); /* half a packet is forgotten, too */
    settle();
    (void)shutdown(peers[0], SHUT_RDWR);
    UNTIL(connection() == 0);
    assert_int_equal(network_pending(stations[0]), 0);
    assert_reason("connection lost: the broker closed it");
    now_ns += SECOND_NS / 2;
    join();
    assert_int_equal(connection(), 2);
    assert_int_equal(publish("report", 6), HAL_OK);
}

static void a_silent_broker_is_pinged_and_left(void **state)
{
    (void)state;
    make_here(1);
    join();
    for (int seconds = 0; seconds < 20; seconds += 5) {
        assert_int_equal(recv(peers[0], names[1], 1, 0), -1);
        now_ns += 5 * SECOND_NS;
        settle();
    }
    expect(0, 0xc0);
    SAY(0, "\xd0\x00");
    settle();
    for (int seconds = 0; seconds < 20; seconds += 5) {
        now_ns += 5 * SECOND_NS;
        settle();
    }
    expect(0, 0xc0);
    now_ns += 15 * SECOND_NS;
    settle();
    assert_int_equal(connection(), 1);
    now_ns += 5 * SECOND_NS;
    UNTIL(connection() == 0);
    assert_reason("connection lost: no answer");
}

/* The broker talks all the time, and acknowledges nothing. */
static void pass(int seconds)
{
    for (; seconds > 0; seconds -= 5) {
        SAY(peer_count - 1, "\xd0\x00");
        now_ns += 5 * SECOND_NS;
        settle();
    }
}

static void a_broker_that_acknowledges_nothing_is_left(void **state)
{
    (void)state;
    make_here(1);
    join();
    pass(100); /* nothing waits */
    assert_int_equal(publish("report", 6), HAL_OK);
    pass(30);
    assert_int_equal(publish("report", 6), HAL_OK);
    pass(25);
    SAY(0, "\x40\x02\x00\x02"); /* of the first: the second has all of the time again */
    UNTIL(network_pending(stations[0]) == 1);
    pass(30);
    SAY(0, "\x40\x02\x00\x02"); /* of none */
    pass(25);
    assert_int_equal(connection(), 1);
    assert_int_equal(network_pending(stations[0]), 1);
    pass(5);
    assert_int_equal(connection(), 0);
    assert_reason("connection lost: no acknowledgement");
    assert_int_equal(troubles(HAL_TROUBLE_LINK), 1);
    now_ns += 15 * SECOND_NS - 1; /* half of the longest backoff */
    settle();
    assert_false(accept_on(listener));
    now_ns += 15 * SECOND_NS + 1;
    join();
    assert_int_equal(publish("report", 6), HAL_OK);
    assert_int_equal(network_pending(stations[0]), 1);
}

/* What is not taken, as all places are, begins no new wait. */
static void refused_messages_do_not_keep_a_broker_that_acknowledges_nothing(void **state)
{
    (void)state;
    make_here(1);
    join();
    for (int i = 0; i < NETWORK_PENDING_MAX; i++) {
        assert_int_equal(publish("report", 6), HAL_OK);
    }
    for (int seconds = 0; seconds < 60; seconds += 5) {
        assert_int_equal(publish("report", 6), HAL_AGAIN);
        assert_int_equal(connection(), 1);
        pass(5);
    }
    assert_int_equal(publish("report", 6), HAL_GONE);
    assert_reason("connection lost: no acknowledgement");
}

static void a_full_house_says_when_there_is_room(void **state)
{
    (void)state;
    make_here(1);
    join();
    for (int i = 0; i < NETWORK_PENDING_MAX; i++) {
        assert_int_equal(publish("report", 6), HAL_OK);
    }
    assert_int_equal(publish("report", 6), HAL_AGAIN);
    assert_int_equal(network_pending(stations[0]), NETWORK_PENDING_MAX);
    size_t before = events[0];
    SAY(0, "\x40\x02\x00\x09");
    UNTIL(events[0] > before);
    assert_int_equal(publish("report", 6), HAL_OK);
    assert_int_equal(publish("report", 6), HAL_AGAIN);
}

/* The socket takes no more: the core is told to wait, and when to go on. */
static void a_socket_that_is_full(void **state)
{
    static char report[60000];
    int64_t end = clock_mono().ns + PATIENCE;
    size_t taken = 0, came = 0;
    static uint8_t bytes[65536];
    (void)state;
    make_here(1);
    join();
    while (publish(report, sizeof report) == HAL_OK && taken < NETWORK_PENDING_MAX) {
        taken++;
    }
    assert_in_range(taken, 1, NETWORK_PENDING_MAX - 1);
    size_t before = events[0];
    while (events[0] == before) {
        ssize_t got = recv(peers[0], bytes, sizeof bytes, 0);
        came += got > 0 ? (size_t)got : 0;
        step();
        assert_true(clock_mono().ns < end);
    }
    assert_int_equal(publish(report, sizeof report), HAL_OK);
    taken++;
    while (came < taken * (sizeof report + REPORT_HEAD)) {
        ssize_t got = recv(peers[0], bytes, sizeof bytes, 0);
        came += got > 0 ? (size_t)got : 0;
        step();
        assert_true(clock_mono().ns < end);
    }
    assert_int_equal(came, taken * (sizeof report + REPORT_HEAD));
}

static void goodbye_waits_for_what_is_on_its_way(void **state)
{
    (void)state;
    make_here(1);
    join();
    assert_int_equal(publish("report", 6), HAL_OK);
    expect(0, 0x32);
    network_goodbye(stations[0]);
    settle();
    assert_int_equal(recv(peers[0], names[1], 1, 0), -1);
    assert_int_equal(publish("report", 6), HAL_GONE);
    SAY(0, "\x40\x02\x00\x02");
    expect(0, 0xe0);
    assert_true(network_is_up(stations[0]));
    (void)shutdown(peers[0], SHUT_RDWR);
    UNTIL(!network_is_up(stations[0]));
    now_ns += 100 * SECOND_NS;
    settle();
    assert_false(accept_on(listener));
}

static void goodbye_ends_without_an_answer(void **state)
{
    (void)state;
    make_here(1);
    join();
    assert_int_equal(publish("report", 6), HAL_OK);
    expect(0, 0x32);
    network_goodbye(stations[0]);
    now_ns += 2 * SECOND_NS;
    settle();
    expect(0, 0xe0);
    now_ns += 2 * SECOND_NS;
    settle();
    assert_false(network_is_up(stations[0]));
}

static void only_some_connect_at_once(void **state)
{
    (void)state;
    make_here(MANY);
    UNTIL((accept_on(listener), peer_count == NETWORK_JOINING_MAX));
    settle();
    assert_false(accept_on(listener));
    for (size_t i = 0; i < 3; i++) { /* one that is in makes room for one */
        expect(i, 0x10);
        SAY(i, CONNACK);
        expect(i, 0x82);
        SAY(i, SUBACK);
        UNTIL(accept_on(listener));
        settle();
        assert_false(accept_on(listener));
    }
    now_ns += 45 * SECOND_NS; /* those who get no answer leave it to others */
    UNTIL((accept_on(listener), peer_count == MANY));
}

static void who_does_not_answer_or_talks_nonsense_is_left(void **state)
{
    (void)state;
    make_here(1);
    UNTIL(accept_on(listener));
    now_ns += 45 * SECOND_NS;
    UNTIL(events[0] == 1);
    assert_reason("cannot connect: no answer");
    now_ns += SECOND_NS / 2;
    UNTIL(accept_on(listener));
    SAY(1, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html; charset=utf-8\r\n"
           "Content-Length: 0\r\n\r\n");
    UNTIL(events[0] == 2);
    assert_reason("cannot connect: this is no MQTT");
    now_ns += SECOND_NS;
    UNTIL(accept_on(listener));
    expect(2, 0x10);
    SAY(2, CONNACK);
    expect(2, 0x82);
    SAY(2, "\x90\x04\x00\x01\x01\x80");
    UNTIL(events[0] == 3);
    assert_reason("subscription refused");
    assert_int_equal(troubles(HAL_TROUBLE_LINK), 2);
    assert_int_equal(troubles(HAL_TROUBLE_REFUSED), 1);
}

static void it_goes_to_another_broker_when_told_to(void **state)
{
    (void)state;
    make_here(1);
    join();
    struct hal_network hal = network_hal(stations[0]);
    assert_int_equal(publish("answer", 6), HAL_OK);
    hal.connect(hal.context, "127.0.0.1", other_port);
    assert_int_equal(connection(), 0);
    expect(0, 0x32);
    expect(0, 0xe0);
    UNTIL(accept_on(other_listener));
    let_in(1);
    assert_int_equal(connection(), 2);
    hal.connect(hal.context, NULL, 0);
    assert_reason("");
    join();
    assert_int_equal(connection(), 3);
    assert_int_equal(troubles(HAL_TROUBLE_LINK), 0);
}

static void what_failed_before_is_not_told_of_another_broker(void **state)
{
    (void)state;
    make_here(1);
    struct hal_network hal = network_hal(stations[0]);
    UNTIL(accept_on(listener));
    hal.connect(hal.context, NULL, 0); /* while it connects */
    UNTIL(accept_on(listener));
    expect(1, 0x10);
    SAY(1, "\x20\x02\x00\x03");
    UNTIL(troubles(HAL_TROUBLE_REFUSED) == 1);
    assert_reason("cannot connect: broker unavailable");
    hal.connect(hal.context, "127.0.0.1", other_port);
    assert_reason("");
    UNTIL(accept_on(other_listener));
    let_in(2);
    assert_int_equal(troubles(HAL_TROUBLE_LINK), 0);
    assert_int_equal(troubles(HAL_TROUBLE_REFUSED), 1);
}

/* A broker that refuses, or says nothing, is no reason to leave out its other addresses. */
static void each_address_of_a_broker_gets_its_turn(void **state)
{
    (void)state;
    make(1, "tcp://" TWICE ":1883");
    UNTIL(accept_on(listener));
    expect(0, 0x10);
    SAY(0, "\x20\x02\x00\x03");
    UNTIL(troubles(HAL_TROUBLE_REFUSED) == 1);
    now_ns += SECOND_NS;
    UNTIL(accept_on(other_listener));
    expect(1, 0x10); /* it says nothing */
    now_ns += 45 * SECOND_NS;
    UNTIL(troubles(HAL_TROUBLE_LINK) == 1);
    now_ns += SECOND_NS;
    join();
    (void)shutdown(peers[2], SHUT_RDWR);
    UNTIL(connection() == 0);
    now_ns += 2 * SECOND_NS;
    join(); /* the one that was good has the first turn */
}

/* One that acknowledges nothing is not good. */
static void the_next_address_follows_on_one_that_acknowledges_nothing(void **state)
{
    (void)state;
    make(1, "tcp://" TWICE ":1883");
    join();
    assert_int_equal(publish("report", 6), HAL_OK);
    pass(60);
    assert_int_equal(connection(), 0);
    now_ns += 30 * SECOND_NS;
    UNTIL(accept_on(other_listener));
    let_in(1);
}

/* Of several addresses the next one is tried; here the broker listens on one of two at most. */
static void a_name_is_looked_up(void **state)
{
    char uri[64];
    (void)state;
    (void)snprintf(uri, sizeof uri, "tcp://localhost:%u", port);
    make(1, uri);
    for (int64_t end = clock_mono().ns + PATIENCE; !accept_on(listener); now_ns += MILLI_NS) {
        assert_true(clock_mono().ns < end);
        step();
    }
    let_in(0);
}

/* Longer than a label of a name may be: no name server needs to be asked. */
static void a_name_that_nobody_has(void **state)
{
    char uri[128] = "tcp://";
    struct problem why = { 0 };
    (void)state;
    memset(uri + 6, 'x', 70);
    (void)strcpy(uri + 76, ":1883");
    make(1, uri);
    for (int64_t end = clock_mono().ns + PATIENCE; why.text[0] == '\0'; now_ns += MILLI_NS) {
        assert_true(clock_mono().ns < end);
        step();
        network_reason(stations[0], &why);
    }
    assert_memory_equal(why.text, "cannot connect: xxxx", 20);
}

static void addresses_of_brokers(void **state)
{
    static const char *const bad[] = { "tcp://",
                                       "tcp://:1883",
                                       "tcp://host",
                                       "tcp://host:",
                                       "tcp://host:0",
                                       "tcp://host:65536",
                                       "tcp://host:1x",
                                       "mqtt://host:1",
                                       "tcp://host:123456",
                                       "ssl://host:-1",
                                       "tcp://[]:1",
                                       "tcp://a b:1",
                                       "tcp://[:1",
                                       "tcp://::1:1883",
                                       "tcp://[host]:1",
                                       "tcp://[::1%]:1",
                                       "tcp://[::1:1",
                                       "tcp://u@host:1",
                                       "tcp://host/:1",
                                       "",
                                       "tcp:" };
    static const char *const good[] = { "tcp://[::1]:1883", "ssl://[fe80::1%eth0]:8883",
                                        "tcp://mqtt_1.example-2.vn.:1", "tcp://192.0.2.1:65535" };
    struct problem problem;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char expected[128];
        (void)snprintf(expected, sizeof expected, "%s: tcp://HOST:PORT or ssl://HOST:PORT expected",
                       bad[i]);
        assert_null(networks_create(1, bad[i], NULL, &problem));
        assert_string_equal(problem.text, expected);
    }
    assert_null(networks_create(1, "ssl://host:8883", "/no/such/file.pem", &problem));
    assert_string_equal(problem.text, "/no/such/file.pem: No such file or directory");
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        networks_free(networks);
        networks = networks_create(1, good[i], NULL, &problem);
        assert_non_null(networks);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_joins_and_publishes),
        TEST(receipts_and_commands),
        TEST(a_refusal_is_told_and_tried_again_later),
        TEST(what_was_on_its_way_is_forgotten_with_the_connection),
        TEST(a_silent_broker_is_pinged_and_left),
        TEST(a_broker_that_acknowledges_nothing_is_left),
        TEST(refused_messages_do_not_keep_a_broker_that_acknowledges_nothing),
        TEST(a_full_house_says_when_there_is_room),
        TEST(a_socket_that_is_full),
        TEST(goodbye_waits_for_what_is_on_its_way),
        TEST(goodbye_ends_without_an_answer),
        TEST(only_some_connect_at_once),
        TEST(who_does_not_answer_or_talks_nonsense_is_left),
        TEST(it_goes_to_another_broker_when_told_to),
        TEST(what_failed_before_is_not_told_of_another_broker),
        TEST(each_address_of_a_broker_gets_its_turn),
        TEST(the_next_address_follows_on_one_that_acknowledges_nothing),
        TEST(a_name_is_looked_up),
        TEST(a_name_that_nobody_has),
        TEST(addresses_of_brokers),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
