/*
 * lwIP calls back from network_step only, so nothing here is shared with an interrupt.
 *
 * lwIP's MQTT client takes a report into a ring and forgets what it had under way when the
 * connection ends; the core counts that as unsent (hal.h). A message that does not fit waits.
 * The session is clean: receipts are retained, and a command that is hours old is better lost.
 *
 * Over TLS that client has a trap: refused in the middle of a record, mbedTLS expects the same
 * bytes again, but the client may come with more, which then would never be sent. So lwIP's
 * memory is laid out for all that TCP may have under way (lwipopts.h), and a connection in which
 * it happens nevertheless is ended (tls_sound).
 */
#include "network.h"

#include <string.h>

#include "board.h"
#include "ethernet.h"
#include "phusa/message.h"
#include "phusa/topic.h"
#include "random.h"
#include "tls.h"
#include "wallclock.h"
#include <lwip/apps/mqtt.h>
#include <lwip/apps/mqtt_priv.h>
#include <lwip/apps/sntp.h>
#include <lwip/dhcp.h>
#include <lwip/dns.h>
#include <lwip/init.h>
#include <lwip/timeouts.h>

#define SECOND        INT64_C(1000000000)
#define BACKOFF_MIN   (SECOND / 2)
#define BACKOFF_MAX   (60 * SECOND)
#define STEADY_AFTER  (30 * SECOND) /* a connection this old resets the backoff */
#define ATTEMPT_MAX   (45 * SECOND) /* connecting and subscribing together */
#define ADDRESS_MAX   (20 * SECOND) /* for DHCP; then it is said, and goes on */
#define TIME_MAX      (5 * SECOND) /* after the start, for a certificate to be judged by its dates */
#define KEEPALIVE_S   30
#define CLIENT_ID_MAX 48
#define TOPIC_BYTES   96 /* phusa/1/, two ids of 32 and a leaf */
#define WILL_BYTES    96

enum state {
    IDLE, /* waits for its next attempt, or for an address */
    RESOLVING,
    CONNECTING, /* until CONNACK */
    JOINING,    /* until both SUBACKs */
    UP
};

struct message {
    size_t length, capacity;
    bool whole; /* it waits for the core */
    uint8_t *bytes;
};

static uint8_t receipt_bytes[NETWORK_RECEIPT_MAX], command_bytes[NETWORK_COMMAND_MAX];

static struct {
    const struct provision *provision;
    struct netif interface;
    mqtt_client_t client;
    ip_addr_t broker;
    enum state state;
    int64_t now_ns, attempt_ns, next_attempt_ns, up_since_ns, backoff_ns, address_since_ns;
    uint32_t connection, connections, events;
    unsigned joined;
    char other_host[PROVISION_HOST_MAX + 1]; /* instead of the provisioned one; empty = none */
    uint16_t other_port;
    bool dates_unchecked; /* in this connection */
    enum network_trouble trouble;
    struct network_counters counters;
    char client_id[CLIENT_ID_MAX], will[WILL_BYTES];
    char obs[TOPIC_BYTES], status[TOPIC_BYTES], rsp[TOPIC_BYTES], ack[TOPIC_BYTES];
    char cmd[TOPIC_BYTES];

    struct message *arriving;        /* where it goes, NULL = nowhere */
    size_t announced;                /* its length */
    struct message receipt, command; /* a command that comes while one waits is dropped */
} net;

/* --- trouble ---------------------------------------------------------------------- */

const char *network_trouble_text(enum network_trouble trouble)
{
    static const char *const texts[NETWORK_TROUBLES] = {
        [NETWORK_GOOD] = "connected",
        [NETWORK_NO_ADDRESS] = "no address by DHCP",
        [NETWORK_NO_NAME] = "the broker's name is not known",
        [NETWORK_UNREACHABLE] = "the broker is not reachable",
        [NETWORK_NO_ANSWER] = "the broker does not answer",
        [NETWORK_WRONG_AUTHORITY] = "REFUSED: the certificate is not of our authority",
        [NETWORK_WRONG_HOST] = "REFUSED: the certificate is for another host",
        [NETWORK_WRONG_DATE] = "REFUSED: the certificate is out of date",
        [NETWORK_NO_TLS] = "REFUSED: no TLS that we trust",
        [NETWORK_WRONG_PASSWORD] = "the broker refuses user or password",
        [NETWORK_REFUSED] = "the broker refuses this station",
        [NETWORK_LOST] = "connection lost",
    };
    return trouble < NETWORK_TROUBLES ? texts[trouble] : "";
}

static void meet(enum network_trouble trouble)
{
    net.trouble = trouble;
    net.counters.troubles[trouble]++;
    net.events++;
}

/* Down, until the backoff is over. */
static void fall(enum network_trouble trouble)
{
    if (net.state == IDLE) {
        return;
    }
    bool steady = net.state == UP && net.now_ns - net.up_since_ns >= STEADY_AFTER;
    net.state = IDLE;
    net.connection = 0;
    net.backoff_ns = steady || net.backoff_ns == 0 ? BACKOFF_MIN : 2 * net.backoff_ns;
    net.backoff_ns = net.backoff_ns < BACKOFF_MAX ? net.backoff_ns : BACKOFF_MAX;
    /* Between half and all of it, so that stations do not come back in step. */
    int64_t spread = (int64_t)(random_next() >> 8) * (net.backoff_ns / 2) / (INT64_C(1) << 24);
    net.next_attempt_ns = net.now_ns + net.backoff_ns / 2 + spread;
    meet(trouble);
}

/* Ends whatever connection there is, and says why. */
static void drop(enum network_trouble trouble)
{
    fall(trouble);
    mqtt_disconnect(&net.client);
}

/* Ends the connection because it is to be made anew, at once: nobody's trouble. */
static void renew(void)
{
    net.state = IDLE;
    net.connection = 0;
    net.backoff_ns = 0;
    net.next_attempt_ns = net.now_ns;
    mqtt_disconnect(&net.client);
}

/* --- what comes in ------------------------------------------------------------------- */

static void on_arriving(void *context, const char *topic, u32_t length)
{
    (void)context;
    struct message *message = strcmp(topic, net.ack) == 0   ? &net.receipt
                              : strcmp(topic, net.cmd) == 0 ? &net.command
                                                            : NULL;
    /* A new receipt says all that the one before did. */
    bool taken = message != NULL && length <= message->capacity &&
                 (message == &net.receipt || !message->whole);
    net.arriving = taken ? message : NULL;
    net.announced = length;
    if (taken) {
        message->whole = false;
        message->length = 0;
    } else {
        net.counters.dropped++;
    }
}

/* What is not as long as it was announced is nobody's: part of a receipt may look whole. */
static void on_data(void *context, const u8_t *bytes, u16_t length, u8_t flags)
{
    (void)context;
    struct message *message = net.arriving;
    if (message == NULL) {
        return;
    }
    bool last = (flags & MQTT_DATA_FLAG_LAST) != 0;
    size_t left = net.announced - message->length;
    if (length > left || (last && length < left)) {
        net.arriving = NULL;
        net.counters.dropped++;
        return;
    }
    memcpy(message->bytes + message->length, bytes, length);
    message->length += length;
    if (last) {
        net.arriving = NULL;
        message->whole = true;
    }
}

/* --- connecting ------------------------------------------------------------------------- */

static void on_subscribed(void *context, err_t error)
{
    (void)context;
    if (net.state != JOINING) {
        return;
    }
    if (error != ERR_OK) {
        drop(NETWORK_REFUSED);
        return;
    }
    if (++net.joined < 2) {
        return;
    }
    net.state = UP;
    net.up_since_ns = net.now_ns;
    net.connections = net.connections == UINT32_MAX ? 1 : net.connections + 1;
    net.connection = net.connections;
    net.trouble = NETWORK_GOOD;
    net.dates_unchecked = tls_dates_unchecked();
    net.events++;
}

static void join(void)
{
    net.state = JOINING;
    net.joined = 0;
    mqtt_set_inpub_callback(&net.client, on_arriving, on_data, NULL);
    if (mqtt_subscribe(&net.client, net.ack, 1, on_subscribed, NULL) != ERR_OK ||
        mqtt_subscribe(&net.client, net.cmd, 1, on_subscribed, NULL) != ERR_OK) {
        drop(NETWORK_NO_ANSWER);
    }
}

static enum network_trouble meaning(mqtt_connection_status_t status)
{
    if (status == MQTT_CONNECT_REFUSED_USERNAME_PASS ||
        status == MQTT_CONNECT_REFUSED_NOT_AUTHORIZED_) {
        return NETWORK_WRONG_PASSWORD;
    }
    if (status == MQTT_CONNECT_TIMEOUT) {
        return NETWORK_NO_ANSWER;
    }
    if (status != MQTT_CONNECT_DISCONNECTED) {
        return NETWORK_REFUSED;
    }
    if (net.state == CONNECTING) {
        return tls_finding() != NETWORK_GOOD ? tls_finding() : NETWORK_UNREACHABLE;
    }
    return NETWORK_LOST;
}

static void on_connection(mqtt_client_t *client, void *context, mqtt_connection_status_t status)
{
    (void)client;
    (void)context;
    if (status == MQTT_CONNECT_ACCEPTED && net.state == CONNECTING) {
        join();
    } else if (status != MQTT_CONNECT_ACCEPTED) {
        fall(meaning(status));
    }
}

static const char *broker_host(void)
{
    return net.other_host[0] != '\0' ? net.other_host : net.provision->host;
}

static uint16_t broker_port(void)
{
    return net.other_host[0] != '\0' ? net.other_port : net.provision->port;
}

static void connect_to_broker(void)
{
    struct mqtt_connect_client_info_t info = {
        .client_id = net.client_id,
        .client_user = net.provision->user[0] != '\0' ? net.provision->user : NULL,
        .client_pass = net.provision->password[0] != '\0' ? net.provision->password : NULL,
        .keep_alive = KEEPALIVE_S,
        .will_topic = net.status,
        .will_msg = net.will,
        .will_qos = 1,
        .will_retain = 1,
    };
    net.state = CONNECTING;
    tls_prepare(&info);
    if (mqtt_client_connect(&net.client, &net.broker, broker_port(), on_connection, NULL, &info) !=
        ERR_OK) {
        fall(NETWORK_UNREACHABLE);
    } else if (!tls_expect(&net.client, broker_host())) {
        drop(NETWORK_NO_TLS);
    }
}

static void on_name(const char *name, const ip_addr_t *address, void *context)
{
    (void)name;
    (void)context;
    if (net.state != RESOLVING) {
        return;
    }
    if (address == NULL) {
        fall(NETWORK_NO_NAME);
        return;
    }
    net.broker = *address;
    connect_to_broker();
}

static ip4_addr_t address_of(struct provision_address given)
{
    ip4_addr_t address;
    IP4_ADDR(&address, given.bytes[0], given.bytes[1], given.bytes[2], given.bytes[3]);
    return address;
}

static void attempt(void)
{
    ip4_addr_t given = address_of(net.provision->host_address);
    net.attempt_ns = net.now_ns;
    net.state = RESOLVING;
    bool own = net.other_host[0] == '\0';
    if (own && !ip4_addr_isany_val(given)) {
        net.broker = given;
        connect_to_broker();
        return;
    }
    err_t error = dns_gethostbyname(broker_host(), &net.broker, on_name, NULL);
    if (error == ERR_OK) {
        connect_to_broker();
    } else if (error != ERR_INPROGRESS) {
        fall(NETWORK_NO_NAME);
    }
}

/* --- the step -------------------------------------------------------------------------- */

u32_t sys_now(void)
{
    return (u32_t)(board_mono_ns() / 1000000);
}

static bool has_address(void)
{
    return !ip4_addr_isany_val(*netif_ip4_addr(&net.interface));
}

static void await_address(void)
{
    if (net.now_ns - net.address_since_ns >= ADDRESS_MAX) {
        net.address_since_ns = net.now_ns;
        meet(NETWORK_NO_ADDRESS);
    }
}

/* True while an attempt should wait for the time; not for long, for there may be no server. */
static bool await_time(void)
{
    return tls_needs_time() && !wallclock_now().wall_set && net.now_ns < TIME_MAX;
}

static void watch_connection(void)
{
    bool trying = net.state == RESOLVING || net.state == CONNECTING || net.state == JOINING;
    if (trying && net.now_ns - net.attempt_ns >= ATTEMPT_MAX) {
        drop(NETWORK_NO_ANSWER);
    } else if (net.state == UP && !tls_sound(&net.client)) {
        drop(NETWORK_LOST);
    } else if (net.state == UP && net.dates_unchecked && wallclock_now().wall_set) {
        renew(); /* the next handshake checks them */
    }
}

void network_step(int64_t mono_ns)
{
    net.now_ns = mono_ns;
    ethernet_poll(&net.interface);
    sys_check_timeouts();
    watch_connection();
    if (net.state != IDLE) {
        return;
    }
    if (!has_address()) {
        await_address();
        return;
    }
    if (!sntp_enabled()) {
        sntp_init(); /* not sooner: its first question would be lost, and its second comes late */
    }
    if (mono_ns >= net.next_attempt_ns && !await_time()) {
        attempt();
    }
}

/* --- start ------------------------------------------------------------------------------- */

static bool print_topic(char *buffer, enum phusa_leaf leaf)
{
    struct phusa_topic topic = { .site = phusa_text_of(net.provision->site),
                                 .station = phusa_text_of(net.provision->station),
                                 .leaf = leaf };
    return phusa_topic_print(&topic, buffer, TOPIC_BYTES) > 0;
}

static bool prepare_texts(uint32_t log)
{
    struct phusa_status_message message = { .online = false, .has_log = true, .log = log };
    size_t length = phusa_status_print(&message, net.will, sizeof net.will - 1);
    net.will[length] = '\0';
    memcpy(net.client_id, "phusa-", 6);
    memcpy(net.client_id + 6, net.provision->station, strlen(net.provision->station) + 1);
    return length > 0 && print_topic(net.obs, PHUSA_LEAF_OBS) &&
           print_topic(net.status, PHUSA_LEAF_STATUS) && print_topic(net.rsp, PHUSA_LEAF_RSP) &&
           print_topic(net.ack, PHUSA_LEAF_ACK) && print_topic(net.cmd, PHUSA_LEAF_CMD);
}

static void choose_time_server(void)
{
    ip4_addr_t server = address_of(net.provision->time_server);
    if (ip4_addr_isany_val(server)) {
        sntp_servermode_dhcp(1);
    } else {
        sntp_setserver(0, &server);
    }
}

static bool start_interface(const char **why)
{
    ip4_addr_t own = address_of(net.provision->own), mask = address_of(net.provision->mask);
    ip4_addr_t gateway = address_of(net.provision->gateway);
    lwip_init();
    if (netif_add(&net.interface, &own, &mask, &gateway, NULL, ethernet_begin, netif_input) ==
        NULL) {
        *why = "the Ethernet chip does not answer";
        return false;
    }
    netif_set_hostname(&net.interface, net.provision->station);
    netif_set_default(&net.interface);
    netif_set_up(&net.interface);
    choose_time_server();
    if (ip4_addr_isany_val(own) && dhcp_start(&net.interface) != ERR_OK) {
        *why = "DHCP cannot start";
        return false;
    }
    return true;
}

bool network_start(const struct provision *provision, const struct hal_flash *page, uint32_t log,
                   const char **why)
{
    net.provision = provision;
    net.receipt = (struct message){ .capacity = sizeof receipt_bytes, .bytes = receipt_bytes };
    net.command = (struct message){ .capacity = sizeof command_bytes, .bytes = command_bytes };
    if (!prepare_texts(log)) {
        *why = "the site or the station's id is not valid";
        return false;
    }
    wallclock_start(provision->speed, provision->time_port != 0 ? provision->time_port : 123);
    return start_interface(why) && tls_start(provision, page, why);
}

/* --- what others ask ------------------------------------------------------------------------ */

uint32_t network_events(void)
{
    return net.events;
}

enum network_trouble network_trouble(void)
{
    return net.trouble;
}

uint32_t network_pause_s(int64_t mono_ns)
{
    int64_t pause = net.state == IDLE ? net.next_attempt_ns - mono_ns : 0;
    return pause > 0 ? (uint32_t)((pause + SECOND - 1) / SECOND) : 0;
}

const char *network_address(void)
{
    return ip4addr_ntoa(netif_ip4_addr(&net.interface));
}

const struct network_counters *network_counters(void)
{
    return &net.counters;
}

static uint32_t hal_connection(void *context)
{
    (void)context;
    return net.connection;
}

static enum hal_result hal_publish(void *context, enum hal_leaf leaf, const void *bytes,
                                   size_t length)
{
    (void)context;
    if (net.state != UP) {
        return HAL_GONE;
    }
    if (length > UINT16_MAX) {
        return HAL_FAILED;
    }
    const char *topic = leaf == HAL_LEAF_OBS      ? net.obs
                        : leaf == HAL_LEAF_STATUS ? net.status
                                                  : net.rsp;
    err_t error = mqtt_publish(&net.client, topic, bytes, (u16_t)length, 1, leaf == HAL_LEAF_STATUS,
                               NULL, NULL);
    if (error == ERR_OK) {
        return HAL_OK;
    }
    return error == ERR_CONN ? HAL_GONE : HAL_AGAIN;
}

/* Returns the length copied; 0 if it does not fit. */
static size_t hand_out(struct message *message, void *buffer, size_t capacity)
{
    message->whole = false;
    if (message->length > capacity) {
        return 0;
    }
    memcpy(buffer, message->bytes, message->length);
    return message->length;
}

static enum hal_inbound hal_receive(void *context, void *buffer, size_t capacity, size_t *length)
{
    (void)context;
    if (net.receipt.whole) {
        *length = hand_out(&net.receipt, buffer, capacity);
        return HAL_INBOUND_ACK;
    }
    if (net.command.whole) {
        *length = hand_out(&net.command, buffer, capacity);
        return HAL_INBOUND_CMD;
    }
    return HAL_INBOUND_NONE;
}

/* To another broker, which must have a certificate of the same authority. */
static void hal_connect(void *context, const char *host, uint16_t port)
{
    (void)context;
    size_t length = host == NULL ? 0 : strlen(host);
    if (length > PROVISION_HOST_MAX) {
        return;
    }
    if (host != NULL) {
        memcpy(net.other_host, host, length);
    }
    net.other_host[length] = '\0';
    net.other_port = port;
    renew();
}

static uint32_t hal_troubles(void *context, enum hal_trouble which)
{
    const uint32_t *met = net.counters.troubles;
    (void)context;
    if (which == HAL_TROUBLE_INBOX) {
        return net.counters.dropped;
    }
    if (which != HAL_TROUBLE_LINK) {
        return met[NETWORK_WRONG_AUTHORITY + (int)which];
    }
    return met[NETWORK_NO_ADDRESS] + met[NETWORK_NO_NAME] + met[NETWORK_UNREACHABLE] +
           met[NETWORK_NO_ANSWER] + met[NETWORK_LOST];
}

struct hal_network network_hal(void)
{
    return (struct hal_network){ .connection = hal_connection,
                                 .publish = hal_publish,
                                 .receive = hal_receive,
                                 .connect = hal_connect,
                                 .troubles = hal_troubles };
}
