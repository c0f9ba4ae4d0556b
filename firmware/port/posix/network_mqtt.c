/*
 * Each network goes through these states; any trouble leads back to IDLE and a pause.
 *
 *   IDLE ─► WAITING ─► NAMING ─► CONNECTING ─► GREETING ─► JOINING ─► UP
 *   UP ─► LEAVING ─► PARTING ─► ENDED
 *
 * The session is clean: receipts are retained, so nothing waits for the station
 * in the broker but commands, and a command that is hours old is better lost. What
 * was on its way when a connection ended counts as unsent (hal.h), so nothing that was
 * written is kept.
 *
 * Of receipts only the latest is kept: each says all that the earlier ones did.
 *
 * A step looks at those that epoll or the clock names, and at no others: the moments at which the
 * clock does stand side by side, ten thousand of them in 80 KB.
 */
#include "network_mqtt.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "mqtt_packet.h"
#include "names.h"
#include "phusa/message.h"
#include "phusa/topic.h"
#include "stream.h"

#define BACKOFF_MIN  (SECOND_NS / 2)
#define BACKOFF_MAX  (30 * SECOND_NS)
#define STEADY_AFTER (10 * SECOND_NS) /* a connection this old resets the backoff */
#define ATTEMPT_MAX  (45 * SECOND_NS) /* from looking up the name to the subscription */
#define NAMES_EVERY  (50 * MILLI_NS)  /* between two looks whether the name is known */
#define KEEPALIVE_S  30
#define QUIET_MAX    (20 * SECOND_NS) /* without a packet one way or the other: a ping */
#define ANSWER_MAX   (20 * SECOND_NS) /* of the broker to a ping */
#define ACK_MAX      (60 * SECOND_NS) /* without an acknowledgement while messages wait for one */
#define LOOK_EVERY   (5 * SECOND_NS)  /* between two looks at how long it was quiet */
#define GOODBYE_MAX  (2 * SECOND_NS)
#define READY_MAX    256   /* events of one call */
#define READ_BYTES   16384 /* at once */
#define READS_MAX    4     /* of one network in one step */
#define OUT_MAX      65536 /* bytes that the socket has not taken; beyond them the core waits */
#define HOST_MAX     80    /* a broker that the core asks for (core/settings.h), terminated */
#define CONNECT_MAX  2048  /* bytes of CONNECT: will, user, password */
#define SUBSCRIBE_ID 1     /* of the one SUBSCRIBE of a connection; messages have those above */
#define WORD_BITS    64

enum state {
    IDLE,       /* until its next attempt */
    WAITING,    /* for a place among those that connect */
    NAMING,     /* until the broker's address is known */
    CONNECTING, /* until TCP and TLS stand */
    GREETING,   /* until CONNACK */
    JOINING,    /* until SUBACK */
    UP,
    LEAVING, /* until all is acknowledged */
    PARTING, /* until the broker has closed */
    ENDED
};

struct message {
    size_t length;
    char bytes[NETWORK_MESSAGE_MAX];
};

/* Bytes for the socket; memory only while there are some. */
struct outgoing {
    uint8_t *bytes;
    size_t capacity, begin, end;
};

struct network {
    struct networks *all;
    size_t number;
    struct network_options options;
    enum state state;
    struct stream stream;
    uint32_t watched; /* what epoll is asked for */
    bool is_queued;   /* among the events */
    bool starved;     /* the core waits for room */
    uint32_t connection;
    unsigned pending;
    uint64_t in_flight[NETWORK_PENDING_MAX / WORD_BITS]; /* a bit for each message's id */
    struct outgoing out;
    int64_t attempt_ns, up_since_ns, backoff_ns, heard_ns, said_ns, ping_ns; /* 0 = not */
    int64_t acked_ns; /* the latest acknowledgement, or the message that began to wait for one */
    unsigned turn, tries; /* of the broker's addresses: the next one; in this attempt */
    uint64_t random;
    char host[HOST_MAX], port[NAMES_PORT_MAX]; /* what the core asked for; empty = as created */
    struct problem reason;
    enum hal_trouble trouble;        /* what a failure would be called now */
    uint32_t troubles[HAL_TROUBLES]; /* how often each was met */
    size_t will_length;
    char will[PHUSA_MESSAGE_MAX];
    bool has_receipt;
    struct message receipt;
    struct mqtt_reader reader;
    size_t command_first, command_count;
    struct message commands[NETWORK_COMMANDS_MAX];
};

/* Numbers of networks, each at most once. */
struct ring {
    size_t *numbers;
    size_t first, count, capacity;
};

struct networks {
    char host[NAMES_HOST_MAX], port[NAMES_PORT_MAX];
    struct stream_authority *authority; /* NULL = TCP */
    struct names *names;
    int epoll_fd;
    int64_t mono_ns;         /* of the latest step */
    struct network *members; /* one piece of memory, of which only what is used costs any */
    int64_t *due_ns;         /* of each member */
    size_t count;
    struct ring events, waiting;
    size_t joining; /* in NAMING to JOINING */
    struct epoll_event ready[READY_MAX];
    size_t ready_count;
    uint8_t scratch[READ_BYTES];
};

/* --- rings, states, events ------------------------------------------------------------------ */

static void ring_push(struct ring *ring, size_t number)
{
    ring->numbers[(ring->first + ring->count) % ring->capacity] = number;
    ring->count++;
}

static size_t ring_pop(struct ring *ring)
{
    size_t number = ring->numbers[ring->first];
    ring->first = (ring->first + 1) % ring->capacity;
    ring->count--;
    return number;
}

static void tell(struct network *network)
{
    if (!network->is_queued) {
        network->is_queued = true;
        ring_push(&network->all->events, network->number);
    }
}

static void set_due(struct network *network, int64_t due_ns)
{
    network->all->due_ns[network->number] = due_ns;
}

static bool is_joining(enum state state)
{
    return state >= NAMING && state <= JOINING;
}

static void enter(struct network *network, enum state state)
{
    network->all->joining += is_joining(state);
    network->all->joining -= is_joining(network->state);
    network->state = state;
}

static uint32_t next_random(struct network *network)
{
    network->random =
        network->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(network->random >> 33);
}

/* Half of the backoff and a random part of the other half; then it doubles. */
static int64_t next_pause(struct network *network)
{
    int64_t half = network->backoff_ns / 2;
    network->backoff_ns *= 2;
    if (network->backoff_ns > BACKOFF_MAX) {
        network->backoff_ns = BACKOFF_MAX;
    }
    return half + (int64_t)(next_random(network) % 1000) * (half / 1000);
}

/* Nothing is left of the connection. */
static void drop(struct network *network)
{
    stream_close(&network->stream);
    free(network->out.bytes);
    network->out = (struct outgoing){ 0 };
    network->reader.head = 0;
    network->reader.in_body = false;
    network->reader.at = 0;
    network->watched = 0;
    network->pending = 0;
    network->starved = false;
    memset(network->in_flight, 0, sizeof network->in_flight);
}

/* The connection, or the attempt at one, is over; the next one comes after a pause. */
static void end_connection(struct network *network)
{
    int64_t now_ns = network->all->mono_ns;
    drop(network);
    if (network->state >= LEAVING) {
        enter(network, ENDED);
        set_due(network, INT64_MAX);
    } else {
        if (network->up_since_ns != 0 && now_ns - network->up_since_ns >= STEADY_AFTER) {
            network->backoff_ns = BACKOFF_MIN;
        }
        enter(network, IDLE);
        set_due(network, now_ns + next_pause(network));
    }
    network->trouble = HAL_TROUBLE_LINK;
    network->up_since_ns = 0;
    tell(network);
}

/* It is over because it has failed. */
static void fail(struct network *network, const char *what, const char *why)
{
    if (network->state < LEAVING) {
        problem_set(&network->reason, "%s%s%s", what, why[0] == '\0' ? "" : ": ", why);
        network->troubles[network->trouble]++;
    }
    end_connection(network);
}

static void fail_for(struct network *network, enum hal_trouble trouble, const char *what,
                     const char *why)
{
    network->trouble = trouble;
    fail(network, what, why);
}

static const char *stage(const struct network *network)
{
    return network->state < UP ? "cannot connect" : "connection lost";
}

/* --- sending -------------------------------------------------------------------------------- */

static void watch(struct network *network)
{
    bool connecting = network->state == CONNECTING;
    bool out = connecting ? network->stream.wants_write : network->out.end > 0;
    uint32_t wanted = EPOLLIN | (out ? EPOLLOUT : 0u);
    if (network->stream.fd >= 0 && network->watched != wanted) {
        struct epoll_event event = { .events = wanted, .data.u64 = network->number };
        int operation = network->watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
        if (epoll_ctl(network->all->epoll_fd, operation, network->stream.fd, &event) != 0) {
            fail(network, stage(network), strerror(errno));
            return;
        }
        network->watched = wanted;
    }
}

/* As much as the socket takes. */
static void flush(struct network *network)
{
    struct problem why = { 0 };
    struct outgoing *out = &network->out;
    enum stream_status status = STREAM_DONE;
    while (out->begin < out->end && status == STREAM_DONE) {
        size_t taken;
        status = stream_write(&network->stream, out->bytes + out->begin, out->end - out->begin,
                              &taken, &why);
        out->begin += taken;
    }
    if (status == STREAM_LOST) {
        fail_for(network, network->stream.trouble, stage(network), why.text);
        return;
    }
    if (out->begin == out->end) {
        free(out->bytes);
        *out = (struct outgoing){ 0 };
    }
    watch(network);
}

static bool make_room(struct outgoing *out, size_t length)
{
    if (out->begin > 0) {
        memmove(out->bytes, out->bytes + out->begin, out->end - out->begin);
        out->end -= out->begin;
        out->begin = 0;
    }
    if (length <= out->capacity - out->end) {
        return true;
    }
    size_t capacity = out->end + length > 2 * out->capacity ? out->end + length : 2 * out->capacity;
    uint8_t *bytes = out->end + length > OUT_MAX ? NULL : realloc(out->bytes, capacity);
    if (bytes == NULL) {
        return false;
    }
    out->bytes = bytes;
    out->capacity = capacity;
    return true;
}

/* Both parts or nothing; false when there is no room. */
static bool append(struct network *network, const void *head, size_t head_length, const void *body,
                   size_t body_length)
{
    struct outgoing *out = &network->out;
    if (!make_room(out, head_length + body_length)) {
        return false;
    }
    memcpy(out->bytes + out->end, head, head_length);
    if (body_length > 0) {
        memcpy(out->bytes + out->end + head_length, body, body_length);
    }
    out->end += head_length + body_length;
    network->said_ns = network->all->mono_ns;
    return true;
}

/* A packet that must go out. */
static void send_packet(struct network *network, const uint8_t *packet, size_t length)
{
    if (length == 0 || !append(network, packet, length, NULL, 0)) {
        fail(network, stage(network), "no room for what is to be sent");
    }
}

/* --- connecting ----------------------------------------------------------------------------- */

static bool make_topic(const struct network *network, enum phusa_leaf leaf,
                       char topic[PHUSA_TOPIC_MAX + 1])
{
    struct phusa_topic parts = { .site = phusa_text_of(network->options.site),
                                 .station = phusa_text_of(network->options.station),
                                 .leaf = leaf };
    return phusa_topic_print(&parts, topic, PHUSA_TOPIC_MAX + 1) > 0;
}

/* Tries the broker's addresses in turn, from the one that it stopped at; why: of the one before. */
static void reach(struct network *network, struct problem *why)
{
    const struct networks *all = network->all;
    const char *host = network->host[0] != '\0' ? network->host : all->host;
    const char *port = network->host[0] != '\0' ? network->port : all->port;
    struct names_answer answer;
    enum names_status known = names_find(all->names, host, port, all->mono_ns, &answer, why);
    if (known == NAMES_AGAIN) {
        set_due(network, all->mono_ns + NAMES_EVERY);
        enter(network, NAMING);
        return;
    }
    while (known == NAMES_DONE && network->tries < answer.count) {
        const struct names_address *to = &answer.addresses[network->turn++ % answer.count];
        network->tries++;
        if (stream_open(&network->stream, (const struct sockaddr *)&to->address, to->length,
                        all->authority, host, why) == STREAM_AGAIN) {
            enter(network, CONNECTING);
            set_due(network, network->attempt_ns + ATTEMPT_MAX);
            watch(network);
            return;
        }
    }
    fail(network, "cannot connect", why->text);
}

static void attempt(struct network *network)
{
    struct problem why = { 0 };
    network->attempt_ns = network->all->mono_ns;
    network->tries = 0;
    reach(network, &why);
}

static void greet(struct network *network)
{
    uint8_t packet[CONNECT_MAX];
    char status[PHUSA_TOPIC_MAX + 1];
    const struct network_options *options = &network->options;
    bool named = options->user != NULL && *options->user != '\0';
    struct mqtt_connect connect = {
        .client_id = phusa_text_of(options->client_id),
        .user = phusa_text_of(named ? options->user : NULL),
        .password = phusa_text_of(named ? options->password : NULL),
        .will = { network->will, network->will_length },
        .keep_alive_s = KEEPALIVE_S,
    };
    (void)make_topic(network, PHUSA_LEAF_STATUS, status);
    connect.will_topic = phusa_text_of(status);
    enter(network, GREETING);
    send_packet(network, packet, mqtt_write_connect(&connect, packet, sizeof packet));
}

/* TCP, then TLS; then CONNECT goes out. */
static void go_on_connecting(struct network *network)
{
    struct problem why = { 0 };
    switch (stream_connect(&network->stream, &why)) {
    case STREAM_DONE:
        greet(network);
        break;
    case STREAM_LOST:
        network->trouble = network->stream.trouble;
        stream_close(&network->stream);
        network->watched = 0;
        reach(network, &why);
        break;
    case STREAM_AGAIN:
        break;
    }
}

static void join(struct network *network)
{
    uint8_t packet[2 * (PHUSA_TOPIC_MAX + 3) + MQTT_HEAD_MAX + 2];
    char ack[PHUSA_TOPIC_MAX + 1], cmd[PHUSA_TOPIC_MAX + 1];
    (void)make_topic(network, PHUSA_LEAF_ACK, ack);
    (void)make_topic(network, PHUSA_LEAF_CMD, cmd);
    const struct phusa_text topics[] = { phusa_text_of(ack), phusa_text_of(cmd) };
    enter(network, JOINING);
    send_packet(network, packet,
                mqtt_write_subscribe(SUBSCRIBE_ID, topics, 2, packet, sizeof packet));
}

/* --- what comes in -------------------------------------------------------------------------- */

static void take_connack(struct network *network, const struct mqtt_packet *packet)
{
    /* MQTT 3.1.1, table 3.1 */
    static const char *const refusals[] = { "protocol version refused", "client id refused",
                                            "broker unavailable", "wrong user or password",
                                            "not authorised" };
    uint8_t code;
    if (network->state != GREETING || !mqtt_parse_connack(packet, &code)) {
        fail(network, stage(network), "this is no MQTT");
    } else if (code != 0) {
        fail_for(network, code == 4 || code == 5 ? HAL_TROUBLE_PASSWORD : HAL_TROUBLE_REFUSED,
                 "cannot connect", code <= 5 ? refusals[code - 1] : "refused");
    } else {
        join(network);
    }
}

static void take_suback(struct network *network, const struct mqtt_packet *packet)
{
    uint16_t id;
    bool granted;
    if (network->state != JOINING || !mqtt_parse_suback(packet, 2, &id, &granted) ||
        id != SUBSCRIBE_ID) {
        fail(network, stage(network), "this is no MQTT");
    } else if (!granted) {
        fail_for(network, HAL_TROUBLE_REFUSED, "subscription refused", "");
    } else {
        enter(network, UP);
        network->turn--; /* this address is good: the next attempt begins with it */
        network->connection = network->connection == UINT32_MAX ? 1 : network->connection + 1;
        network->up_since_ns = network->all->mono_ns;
        network->reason.text[0] = '\0';
        set_due(network, network->all->mono_ns + LOOK_EVERY);
        tell(network);
    }
}

/* An id that no message on its way has; 0 when all are taken. */
static uint16_t take_id(struct network *network)
{
    for (unsigned i = 0; i < NETWORK_PENDING_MAX / WORD_BITS; i++) {
        uint64_t is_free = ~network->in_flight[i];
        if (is_free != 0) {
            unsigned bit = (unsigned)__builtin_ctzll(is_free);
            network->in_flight[i] |= UINT64_C(1) << bit;
            if (network->pending == 0) {
                network->acked_ns = network->all->mono_ns;
            }
            network->pending++;
            return (uint16_t)(i * WORD_BITS + bit + SUBSCRIBE_ID + 1);
        }
    }
    return 0;
}

/* False when no message has it. */
static bool give_back_id(struct network *network, uint16_t id)
{
    unsigned index = (unsigned)id - SUBSCRIBE_ID - 1;
    uint64_t bit = UINT64_C(1) << (index % WORD_BITS);
    if (index >= NETWORK_PENDING_MAX || (network->in_flight[index / WORD_BITS] & bit) == 0) {
        return false;
    }
    network->in_flight[index / WORD_BITS] &= ~bit;
    network->pending--;
    return true;
}

/* The core is told that there is room again. */
static void feed(struct network *network)
{
    if (network->starved) {
        network->starved = false;
        tell(network);
    }
}

static void part(struct network *network);

static void take_puback(struct network *network, const struct mqtt_packet *packet)
{
    uint16_t id;
    if (!mqtt_parse_puback(packet, &id)) {
        fail(network, stage(network), "this is no MQTT");
        return;
    }
    if (give_back_id(network, id)) {
        network->acked_ns = network->all->mono_ns;
    }
    feed(network);
    if (network->state == LEAVING && network->pending == 0) {
        part(network);
    }
}

static void keep(struct message *message, const struct mqtt_publish *from)
{
    message->length = from->length;
    memcpy(message->bytes, from->payload, from->length);
}

static bool keep_command(struct network *network, const struct mqtt_publish *publish)
{
    if (network->command_count == NETWORK_COMMANDS_MAX) {
        return false;
    }
    size_t last = (network->command_first + network->command_count) % NETWORK_COMMANDS_MAX;
    keep(&network->commands[last], publish);
    network->command_count++;
    return true;
}

/* False if the core has no place for it. */
static bool keep_message(struct network *network, const struct mqtt_publish *publish)
{
    char ack[PHUSA_TOPIC_MAX + 1], cmd[PHUSA_TOPIC_MAX + 1];
    if (!publish->whole || publish->length > NETWORK_MESSAGE_MAX ||
        !make_topic(network, PHUSA_LEAF_ACK, ack) || !make_topic(network, PHUSA_LEAF_CMD, cmd)) {
        return false;
    }
    if (phusa_text_equal(publish->topic, phusa_text_of(ack))) {
        keep(&network->receipt, publish);
        network->has_receipt = true;
        return true;
    }
    return phusa_text_equal(publish->topic, phusa_text_of(cmd)) && keep_command(network, publish);
}

/* What there is no place for is acknowledged, counted and dropped. */
static void take_message(struct network *network, const struct mqtt_publish *publish)
{
    if (publish->length == 0) {
        return; /* a retained one was taken away */
    }
    if (keep_message(network, publish)) {
        tell(network);
    } else {
        network->troubles[HAL_TROUBLE_INBOX]++;
    }
}

static void take_publish(struct network *network, const struct mqtt_packet *packet)
{
    uint8_t answer[MQTT_HEAD_MAX + 2];
    struct mqtt_publish publish;
    if (!mqtt_parse_publish(packet, &publish) || publish.qos > 1) {
        fail(network, stage(network), "this is no MQTT");
        return;
    }
    take_message(network, &publish);
    if (publish.qos == 1) {
        send_packet(network, answer, mqtt_write_puback(publish.id, answer, sizeof answer));
    }
}

static void take_packet(struct network *network, const struct mqtt_packet *packet)
{
    if (network->state == PARTING) {
        return;
    }
    if (network->state == GREETING || packet->type == MQTT_CONNACK) {
        take_connack(network, packet);
        return;
    }
    switch (packet->type) {
    case MQTT_SUBACK:
        take_suback(network, packet);
        break;
    case MQTT_PUBACK:
        take_puback(network, packet);
        break;
    case MQTT_PUBLISH: /* a retained receipt may come before SUBACK */
        take_publish(network, packet);
        break;
    case MQTT_PINGRESP:
        break;
    default:
        fail(network, stage(network), "this is no MQTT");
    }
}

/* All packets in some bytes. False when the connection did not survive them. */
static bool take_bytes(struct network *network, const uint8_t *bytes, size_t length)
{
    struct mqtt_packet packet;
    network->heard_ns = network->all->mono_ns;
    network->ping_ns = 0;
    for (size_t at = 0, used = 0; at < length; at += used) {
        enum mqtt_status status =
            mqtt_read(&network->reader, bytes + at, length - at, &used, &packet);
        if (status == MQTT_BAD) {
            fail(network, stage(network), "this is no MQTT");
        } else if (status == MQTT_PACKET) {
            take_packet(network, &packet);
        }
        if (network->stream.fd < 0) {
            return false;
        }
    }
    return true;
}

/* False when the connection is over. */
static bool take_in(struct network *network)
{
    struct networks *all = network->all;
    enum stream_status status = STREAM_DONE;
    for (int reads = 0;
         status == STREAM_DONE && (reads < READS_MAX || stream_holds_some(&network->stream));
         reads++) {
        struct problem why = { 0 };
        size_t got;
        status = stream_read(&network->stream, all->scratch, sizeof all->scratch, &got, &why);
        if (status == STREAM_LOST) {
            fail_for(network, network->stream.trouble, stage(network), why.text);
        }
        if (status == STREAM_LOST || !take_bytes(network, all->scratch, got)) {
            return false;
        }
    }
    return true;
}

/* Something happened at the socket. */
static void on_ready(struct network *network)
{
    if (network->state == CONNECTING) {
        go_on_connecting(network);
    } else if (network->stream.fd < 0 || !take_in(network)) {
        return;
    }
    if (network->stream.fd >= 0 && network->state != CONNECTING) {
        flush(network);
    } else {
        watch(network);
    }
    if (network->out.end == 0) {
        feed(network);
    }
}

/* --- what is due ---------------------------------------------------------------------------- */

/*
 * It takes all and acknowledges nothing: however long this connection stood, it was of no use. The
 * next is made to the broker's next address, after a pause that is long enough to be told.
 */
static void leave_unheard(struct network *network)
{
    network->up_since_ns = 0;
    network->backoff_ns = BACKOFF_MAX;
    network->turn++;
    fail(network, "connection lost", "no acknowledgement");
}

static void keep_alive(struct network *network)
{
    int64_t now_ns = network->all->mono_ns;
    int64_t quiet_since =
        network->heard_ns < network->said_ns ? network->heard_ns : network->said_ns;
    uint8_t packet[MQTT_HEAD_MAX];
    set_due(network, now_ns + LOOK_EVERY);
    if (network->ping_ns != 0 && now_ns - network->ping_ns >= ANSWER_MAX) {
        fail(network, "connection lost", "no answer");
    } else if (network->pending > 0 && now_ns - network->acked_ns >= ACK_MAX) {
        leave_unheard(network);
    } else if (network->ping_ns == 0 && now_ns - quiet_since >= QUIET_MAX) {
        network->ping_ns = now_ns;
        send_packet(network, packet, mqtt_write_ping(packet, sizeof packet));
        flush(network);
    }
}

static void on_due(struct network *network)
{
    int64_t now_ns = network->all->mono_ns;
    struct problem why = { 0 };
    bool late = is_joining(network->state) && now_ns - network->attempt_ns >= ATTEMPT_MAX;
    set_due(network, INT64_MAX);
    if (late) {
        fail(network, "cannot connect", "no answer");
    } else if (network->state == IDLE) {
        enter(network, WAITING);
        ring_push(&network->all->waiting, network->number);
    } else if (network->state == NAMING) {
        reach(network, &why);
    } else if (network->state == UP) {
        keep_alive(network);
    } else if (network->state == LEAVING) {
        part(network);
    } else if (network->state == PARTING) {
        fail(network, "disconnected", "");
    }
}

static void handle_ready(struct networks *networks)
{
    for (size_t i = 0; i < networks->ready_count; i++) {
        on_ready(&networks->members[networks->ready[i].data.u64]);
    }
    networks->ready_count = 0;
}

void networks_wait(struct networks *networks, int wait_ms)
{
    int count = epoll_wait(networks->epoll_fd, networks->ready, READY_MAX, wait_ms);
    networks->ready_count = count > 0 ? (size_t)count : 0;
}

/* What came is read before it is judged who was silent for too long. */
void networks_step(struct networks *networks, int64_t mono_ns)
{
    networks->mono_ns = mono_ns;
    for (size_t left = networks->count / READY_MAX + 1; left > 0; left--) {
        bool more = networks->ready_count == READY_MAX;
        handle_ready(networks);
        if (!more) {
            break;
        }
        networks_wait(networks, 0);
    }
    for (size_t i = 0; i < networks->count; i++) {
        if (networks->due_ns[i] <= mono_ns) {
            on_due(&networks->members[i]);
        }
    }
    while (networks->waiting.count > 0 && networks->joining < NETWORK_JOINING_MAX) {
        struct network *next = &networks->members[ring_pop(&networks->waiting)];
        if (next->state == WAITING) {
            attempt(next);
        }
    }
}

bool networks_take_event(struct networks *networks, size_t *number)
{
    if (networks->events.count == 0) {
        return false;
    }
    *number = ring_pop(&networks->events);
    networks->members[*number].is_queued = false;
    return true;
}

/* --- making and ending ---------------------------------------------------------------------- */

static bool is_name(const char *text)
{
    size_t length =
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    return length > 0 && text[length] == '\0';
}

/* RFC 4007, 11: the interface of an address that only holds on its link may stand behind it. */
static bool is_ipv6(const char *text)
{
    char digits[INET6_ADDRSTRLEN];
    struct in6_addr address;
    size_t length = strcspn(text, "%");
    if (length >= sizeof digits || (text[length] == '%' && !is_name(text + length + 1))) {
        return false;
    }
    memcpy(digits, text, length);
    digits[length] = '\0';
    return inet_pton(AF_INET6, digits, &address) == 1;
}

/* HOST:PORT or [ADDRESS]:PORT behind the scheme. */
static bool split_uri(struct networks *networks, const char *uri)
{
    bool known = strncmp(uri, "tcp://", 6) == 0 || strncmp(uri, "ssl://", 6) == 0;
    const char *rest = known ? uri + strlen("tcp://") : uri, *colon = strrchr(rest, ':');
    if (!known || colon == NULL || colon == rest) {
        return false;
    }
    size_t length = (size_t)(colon - rest), digits = strspn(colon + 1, "0123456789");
    bool bracketed = length >= 2 && rest[0] == '[' && colon[-1] == ']';
    if (bracketed) {
        rest++;
        length -= 2;
    }
    if (length >= sizeof networks->host || digits == 0 || colon[1 + digits] != '\0' ||
        digits >= sizeof networks->port || strtoul(colon + 1, NULL, 10) - 1 >= UINT16_MAX) {
        return false;
    }
    memcpy(networks->host, rest, length);
    memcpy(networks->port, colon + 1, digits);
    return bracketed ? is_ipv6(networks->host) : is_name(networks->host);
}

static bool ring_open(struct ring *ring, size_t capacity)
{
    ring->capacity = capacity;
    ring->numbers = calloc(capacity, sizeof *ring->numbers);
    return ring->numbers != NULL;
}

static bool open_parts(struct networks *networks, size_t most, struct problem *problem)
{
    networks->names = names_create();
    networks->members = calloc(most, sizeof *networks->members);
    networks->due_ns = calloc(most, sizeof *networks->due_ns);
    networks->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!ring_open(&networks->events, most) || !ring_open(&networks->waiting, most) ||
        networks->names == NULL || networks->members == NULL || networks->due_ns == NULL ||
        networks->epoll_fd < 0) {
        problem_set(problem, "out of memory or descriptors");
        return false;
    }
    return true;
}

struct networks *networks_create(size_t most, const char *uri, const char *ca,
                                 struct problem *problem)
{
    struct networks *networks = calloc(1, sizeof *networks);
    if (networks == NULL) {
        problem_set(problem, "out of memory");
        return NULL;
    }
    networks->epoll_fd = -1;
    bool secure = strncmp(uri, "ssl://", 6) == 0;
    if (!split_uri(networks, uri)) {
        problem_set(problem, "%s: tcp://HOST:PORT or ssl://HOST:PORT expected", uri);
    } else if (open_parts(networks, most, problem)) {
        networks->authority = secure ? stream_authority_create(ca, problem) : NULL;
        if (!secure || networks->authority != NULL) {
            return networks;
        }
    }
    networks_free(networks);
    return NULL;
}

void networks_free(struct networks *networks)
{
    if (networks == NULL) {
        return;
    }
    for (size_t i = 0; i < networks->count; i++) {
        drop(&networks->members[i]);
    }
    names_free(networks->names);
    stream_authority_free(networks->authority);
    if (networks->epoll_fd >= 0) {
        (void)close(networks->epoll_fd);
    }
    free(networks->members);
    free(networks->due_ns);
    free(networks->events.numbers);
    free(networks->waiting.numbers);
    free(networks);
}

struct network *network_create(struct networks *networks, const struct network_options *options,
                               struct problem *problem)
{
    char topic[PHUSA_TOPIC_MAX + 1];
    if (networks->count == networks->events.capacity) {
        problem_set(problem, "more than %zu networks", networks->count);
        return NULL;
    }
    struct network *network = &networks->members[networks->count];
    network->all = networks;
    network->number = networks->count;
    network->options = *options;
    network->stream.fd = -1;
    network->backoff_ns = BACKOFF_MIN;
    network->trouble = HAL_TROUBLE_LINK;
    network->random = options->jitter;
    if (!make_topic(network, PHUSA_LEAF_STATUS, topic)) {
        problem_set(problem, "%s/%s is no site and station", options->site, options->station);
        return NULL;
    }
    networks->count++;
    return network;
}

bool network_set_will(struct network *network, uint32_t log_id)
{
    struct phusa_status_message message = { .online = false, .has_log = true, .log = log_id };
    network->will_length = phusa_status_print(&message, network->will, sizeof network->will);
    return network->will_length > 0;
}

/* All is acknowledged, or it took too long: DISCONNECT, which makes the broker forget the will. */
static void part(struct network *network)
{
    uint8_t packet[MQTT_HEAD_MAX];
    enter(network, PARTING);
    set_due(network, network->all->mono_ns + GOODBYE_MAX);
    send_packet(network, packet, mqtt_write_disconnect(packet, sizeof packet));
    if (network->state == PARTING) {
        flush(network);
    }
    if (network->state == PARTING && network->out.end == 0) {
        stream_finish(&network->stream);
    }
}

void network_goodbye(struct network *network)
{
    if (network->state == UP) {
        enter(network, LEAVING);
        set_due(network, network->all->mono_ns + GOODBYE_MAX);
        if (network->pending == 0) {
            part(network);
        }
    } else if (network->state < UP) {
        drop(network);
        enter(network, ENDED);
        set_due(network, INT64_MAX);
    }
}

bool network_is_up(const struct network *network)
{
    return network->state == UP || network->state == LEAVING || network->state == PARTING;
}

void network_reason(const struct network *network, struct problem *problem)
{
    *problem = network->reason;
}

unsigned network_pending(const struct network *network)
{
    return network->pending;
}

/* --- the HAL's operations ------------------------------------------------------------------- */

static uint32_t hal_connection(void *context)
{
    const struct network *network = context;
    return network->state == UP ? network->connection : 0;
}

static enum hal_result hal_publish(void *context, enum hal_leaf leaf, const void *bytes,
                                   size_t length)
{
    struct network *network = context;
    uint8_t head[MQTT_HEAD_MAX + 2 + PHUSA_TOPIC_MAX + 2];
    char topic[PHUSA_TOPIC_MAX + 1];
    if (network->state != UP) {
        return HAL_GONE;
    }
    uint16_t id = take_id(network);
    (void)make_topic(network,
                     leaf == HAL_LEAF_OBS      ? PHUSA_LEAF_OBS
                     : leaf == HAL_LEAF_STATUS ? PHUSA_LEAF_STATUS
                                               : PHUSA_LEAF_RSP,
                     topic);
    size_t head_length = id == 0
                             ? 0
                             : mqtt_write_publish(id, leaf == HAL_LEAF_STATUS, phusa_text_of(topic),
                                                  length, head, sizeof head);
    if (head_length == 0 || !append(network, head, head_length, bytes, length)) {
        (void)give_back_id(network, id);
        network->starved = true;
        return HAL_AGAIN;
    }
    flush(network);
    return network->state == UP ? HAL_OK : HAL_GONE;
}

static size_t hand_out(const struct message *message, void *buffer, size_t capacity)
{
    if (message->length > capacity) {
        return 0;
    }
    memcpy(buffer, message->bytes, message->length);
    return message->length;
}

static enum hal_inbound hal_receive(void *context, void *buffer, size_t capacity, size_t *length)
{
    struct network *network = context;
    if (network->has_receipt) {
        network->has_receipt = false;
        *length = hand_out(&network->receipt, buffer, capacity);
        return HAL_INBOUND_ACK;
    }
    if (network->command_count > 0) {
        *length = hand_out(&network->commands[network->command_first], buffer, capacity);
        network->command_first = (network->command_first + 1) % NETWORK_COMMANDS_MAX;
        network->command_count--;
        return HAL_INBOUND_CMD;
    }
    return HAL_INBOUND_NONE;
}

/*
 * Says DISCONNECT, so that the old broker forgets the will. Security stays as it was. What was
 * asked for is no trouble.
 */
static void hal_connect(void *context, const char *host, uint16_t port)
{
    struct network *network = context;
    uint8_t packet[MQTT_HEAD_MAX];
    network->host[0] = '\0';
    if (host != NULL) {
        (void)snprintf(network->host, sizeof network->host, "%s", host);
        (void)snprintf(network->port, sizeof network->port, "%u", port);
    }
    if (network->state == UP &&
        append(network, packet, mqtt_write_disconnect(packet, sizeof packet), NULL, 0)) {
        flush(network);
    }
    if (network->state < LEAVING && network->state != IDLE && network->state != WAITING) {
        end_connection(network);
    }
    network->reason.text[0] = '\0'; /* of the broker before */
    network->backoff_ns = BACKOFF_MIN;
    network->turn = 0;
    if (network->state == IDLE) {
        set_due(network, 0);
    }
}

static uint32_t hal_troubles(void *context, enum hal_trouble which)
{
    const struct network *network = context;
    return network->troubles[which];
}

struct hal_network network_hal(struct network *network)
{
    return (struct hal_network){ .context = network,
                                 .connection = hal_connection,
                                 .publish = hal_publish,
                                 .receive = hal_receive,
                                 .connect = hal_connect,
                                 .troubles = hal_troubles };
}
