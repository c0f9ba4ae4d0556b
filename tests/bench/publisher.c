/*
 * Stations at full speed, or at a given rate: some MQTT 3.1.1 clients in one loop over epoll that
 * publish SenML reports at QoS 1. It does only what the bench needs, so that it costs less than a
 * client library and leaves the processor to what is measured.
 *
 *   publisher --port N --user NAME --password-file FILE [options]; all are listed in `options`.
 *
 * The station bench-air-quality-NNNN belongs to client NNNN % clients; a client goes round its
 * stations. Report number seq of a station has the time start + seq * step. At most `window`
 * reports of a client are not acknowledged. Prints after the last acknowledgement the CPU seconds
 * it took and the mean length of a report in bytes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "phusa/senml.h"

#define CLIENTS_MAX    100
#define READINGS       9
#define OUT_BYTES      65536
#define PACKET_MAX     1024 /* a report with its topic */
#define TOPIC_MAX      64
#define ANSWER_TIMEOUT 10 /* seconds for CONNACK */

static const struct {
    const char *name, *unit;
    double value;
} measured[READINGS] = { { "so2", "ug/m3", 12.06 },     { "co", "ug/m3", 812.5 },
                         { "no2", "ug/m3", 31.42 },     { "o3", "ug/m3", 58.17 },
                         { "pm25", "ug/m3", 23.65 },    { "pm10", "ug/m3", 41.3 },
                         { "temp", "Cel", 29.31 },      { "rh", "%RH", 78.4 },
                         { "pressure", "hPa", 1008.24 } };

static struct {
    long port, clients, stations, messages, window, rate, step;
    long long start;
    uint32_t log;
    const char *user, *password_file;
} given = { .clients = 10, .stations = 1000, .messages = 100000, .window = 100, .step = 60 };

struct client {
    int fd;
    uint64_t sent; /* reports */
    uint64_t share;
    unsigned flight;
    uint16_t packet_id;
    size_t used, written; /* of out */
    size_t acked_bytes;   /* of a PUBACK that came in part */
    uint8_t out[OUT_BYTES];
};

static struct client clients[CLIENTS_MAX];
static uint64_t total_sent, total_acked, payload_bytes;

static void give_up(const char *what)
{
    (void)fprintf(stderr, "publisher: %s\n", what);
    exit(1);
}

/* --- packets ------------------------------------------------------------------ */

static size_t put_u16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
    return 2;
}

static size_t put_text(uint8_t *at, const char *text)
{
    size_t length = strlen(text);
    memcpy(at + put_u16(at, length), text, length);
    return length + 2;
}

/* Always in two bytes: lengths from 128 to 16383. */
static size_t put_length(uint8_t *at, size_t length)
{
    at[0] = (uint8_t)((length & 0x7F) | 0x80);
    at[1] = (uint8_t)(length >> 7);
    return 2;
}

static size_t connect_packet(uint8_t *packet, size_t number, const char *password)
{
    static const uint8_t head[] = { 0, 4, 'M', 'Q', 'T', 'T', 4, 0xC2, 0, 0 };
    char id[TOPIC_MAX];
    (void)snprintf(id, sizeof id, "publisher-%zu", number);
    size_t length = sizeof head + strlen(id) + strlen(given.user) + strlen(password) + 6;
    if (length > 127) {
        give_up("user or password too long");
    }
    uint8_t *at = packet;
    *at++ = 0x10;
    *at++ = (uint8_t)length;
    memcpy(at, head, sizeof head);
    at += sizeof head;
    at += put_text(at, id);
    at += put_text(at, given.user);
    at += put_text(at, password);
    return (size_t)(at - packet);
}

/* Moves within one unit, with six decimals as sensors with 24 bits give them. */
static double value_of(size_t parameter, uint64_t seq)
{
    double millionths = round(measured[parameter].value * 1e6);
    return (millionths + (double)(seq * (parameter + 7) * 7919 % 999983)) / 1e6;
}

static size_t make_payload(char *payload, size_t capacity, const char *base_name, uint64_t seq)
{
    struct phusa_reading readings[READINGS];
    struct phusa_report report = { .readings = readings,
                                   .capacity = READINGS,
                                   .count = READINGS,
                                   .has_log = true,
                                   .has_seq = true,
                                   .log = given.log,
                                   .seq = seq };
    for (size_t i = 0; i < READINGS; i++) {
        readings[i] = (struct phusa_reading){ .base_name = phusa_text_of(base_name),
                                              .name = phusa_text_of(measured[i].name),
                                              .unit = phusa_text_of(measured[i].unit),
                                              .time_ns = (given.start + (int64_t)seq * given.step) *
                                                         SECOND_NS,
                                              .time_valid = true,
                                              .kind = PHUSA_VALUE_NUMBER,
                                              .value = value_of(i, seq) };
    }
    size_t length;
    if (phusa_senml_encode_json(&report, payload, capacity, &length) != PHUSA_OK) {
        give_up("a report does not fit");
    }
    return length;
}

/* The client's next report, behind what waits in its buffer. */
static void add_report(struct client *client)
{
    uint64_t own = (uint64_t)(given.stations / given.clients);
    uint64_t station =
        (uint64_t)(client - clients) + (client->sent % own) * (uint64_t)given.clients;
    char topic[TOPIC_MAX], base_name[TOPIC_MAX];
    (void)snprintf(topic, sizeof topic, "phusa/1/bench/bench-air-quality-%04" PRIu64 "/obs",
                   station);
    (void)snprintf(base_name, sizeof base_name, "bench-air-quality-%04" PRIu64 ":", station);
    uint8_t *packet = client->out + client->used, *at = packet + 3;
    at += put_text(at, topic);
    client->packet_id = client->packet_id == UINT16_MAX ? 1 : (uint16_t)(client->packet_id + 1);
    at += put_u16(at, client->packet_id);
    size_t length = make_payload((char *)at, (size_t)(packet + PACKET_MAX - at), base_name,
                                 client->sent / own + 1);
    at += length;
    payload_bytes += length;
    packet[0] = 0x32; /* PUBLISH, QoS 1 */
    (void)put_length(packet + 1, (size_t)(at - packet) - 3);
    client->used += (size_t)(at - packet);
    client->sent++;
    client->flight++;
    total_sent++;
}

/* --- connections ---------------------------------------------------------------- */

static void read_password(char *password, size_t capacity)
{
    FILE *file = fopen(given.password_file, "re");
    if (file == NULL || fgets(password, (int)capacity, file) == NULL) {
        give_up("cannot read the password");
    }
    password[strcspn(password, "\n")] = '\0';
    (void)fclose(file);
}

static void connect_client(struct client *client, size_t number, const char *password)
{
    static const uint8_t accepted[] = { 0x20, 2, 0, 0 };
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)given.port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval limit = { .tv_sec = ANSWER_TIMEOUT };
    int on = 1;
    uint8_t packet[256], answer[4] = { 0 };
    size_t length = connect_packet(packet, number, password);
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
        send(client->fd, packet, length, MSG_NOSIGNAL) != (ssize_t)length ||
        recv(client->fd, answer, sizeof answer, MSG_WAITALL) != (ssize_t)sizeof answer ||
        memcmp(answer, accepted, sizeof accepted) != 0) {
        give_up("the broker does not let a client in");
    }
    (void)fcntl(client->fd, F_SETFL, O_NONBLOCK);
}

static void flush_out(struct client *client)
{
    while (client->written < client->used) {
        ssize_t put = send(client->fd, client->out + client->written,
                           client->used - client->written, MSG_NOSIGNAL);
        if (put < 0 && errno == EAGAIN) {
            return;
        }
        if (put < 0) {
            give_up("the broker closed a connection");
        }
        client->written += (size_t)put;
    }
    client->used = client->written = 0;
}

/* Nothing but PUBACKs of 4 bytes comes back. Reads all there is: the loop is told of edges. */
static void take_acknowledgements(struct client *client)
{
    uint8_t bytes[4096];
    ssize_t got;
    do {
        got = recv(client->fd, bytes, sizeof bytes, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN)) {
            give_up("the broker closed a connection");
        }
        client->acked_bytes += got > 0 ? (size_t)got : 0;
    } while (got == (ssize_t)sizeof bytes);
    client->flight -= (unsigned)(client->acked_bytes / 4);
    total_acked += client->acked_bytes / 4;
    client->acked_bytes %= 4;
}

/* --- the loop --------------------------------------------------------------------- */

/* Reports that may have been sent by now. */
static uint64_t allowed(mono_time begun)
{
    if (given.rate == 0) {
        return (uint64_t)given.messages;
    }
    double due = (double)(clock_mono().ns - begun.ns) / (double)SECOND_NS * (double)given.rate;
    return due < (double)given.messages ? (uint64_t)due + 1 : (uint64_t)given.messages;
}

static bool fill_out(struct client *client, uint64_t limit)
{
    bool any = false;
    while (total_sent < limit && client->sent < client->share &&
           client->flight < (unsigned)given.window && client->used + PACKET_MAX <= OUT_BYTES) {
        add_report(client);
        any = true;
        if (given.rate > 0) {
            break; /* one client after the other */
        }
    }
    return any;
}

static void feed(mono_time begun)
{
    uint64_t limit = allowed(begun);
    bool any;
    do {
        any = false;
        for (long i = 0; i < given.clients; i++) {
            any |= fill_out(&clients[i], limit);
        }
    } while (any && given.rate > 0);
    for (long i = 0; i < given.clients; i++) {
        flush_out(&clients[i]);
    }
}

static void watch(int epoll)
{
    for (long i = 0; i < given.clients; i++) {
        struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET,
                                     .data.ptr = &clients[i] };
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &event) != 0) {
            give_up("epoll");
        }
    }
}

static void publish_all(void)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(epoll);
    mono_time begun = clock_mono();
    while (total_acked < (uint64_t)given.messages) {
        feed(begun);
        struct epoll_event events[CLIENTS_MAX];
        int count = epoll_wait(epoll, events, CLIENTS_MAX, given.rate > 0 ? 1 : 1000);
        for (int i = 0; i < count; i++) {
            if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0) {
                take_acknowledgements(events[i].data.ptr);
            }
        }
    }
    (void)close(epoll);
}

static void read_options(int argc, char **argv)
{
    static const struct option options[] = {
        { "port", required_argument, NULL, 'p' },
        { "user", required_argument, NULL, 'u' },
        { "password-file", required_argument, NULL, 'f' },
        { "clients", required_argument, NULL, 'c' },
        { "stations", required_argument, NULL, 's' },
        { "messages", required_argument, NULL, 'm' },
        { "window", required_argument, NULL, 'w' },
        { "rate", required_argument, NULL, 'r' },  /* messages/s; 0: full speed */
        { "start", required_argument, NULL, 't' }, /* epoch seconds */
        { "step", required_argument, NULL, 'd' },  /* seconds */
        { "log", required_argument, NULL, 'l' },   /* number */
        { NULL, 0, NULL, 0 },
    };
    for (int letter; (letter = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        long number = strtol(optarg != NULL ? optarg : "", NULL, 10);
        switch (letter) {
        case 'p':
            given.port = number;
            break;
        case 'u':
            given.user = optarg;
            break;
        case 'f':
            given.password_file = optarg;
            break;
        case 'c':
            given.clients = number;
            break;
        case 's':
            given.stations = number;
            break;
        case 'm':
            given.messages = number;
            break;
        case 'w':
            given.window = number;
            break;
        case 'r':
            given.rate = number;
            break;
        case 't':
            given.start = number;
            break;
        case 'd':
            given.step = number;
            break;
        case 'l':
            given.log = (uint32_t)number;
            break;
        default:
            exit(2);
        }
    }
    if (given.port == 0 || given.user == NULL || given.password_file == NULL || given.clients < 1 ||
        given.clients > CLIENTS_MAX || given.stations % given.clients != 0 ||
        given.messages % given.clients != 0 || given.window < 1) {
        give_up("see the head of publisher.c; stations and messages are multiples of clients");
    }
}

int main(int argc, char **argv)
{
    char password[128];
    struct rusage usage;
    read_options(argc, argv);
    read_password(password, sizeof password);
    for (long i = 0; i < given.clients; i++) {
        clients[i].share = (uint64_t)(given.messages / given.clients);
        connect_client(&clients[i], (size_t)i, password);
    }
    publish_all();
    (void)getrusage(RUSAGE_SELF, &usage);
    printf("%.3f %" PRIu64 "\n",
           (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
           payload_bytes / (uint64_t)given.messages);
    return 0;
}
